use std::collections::BTreeMap;

use engine::{Batch, DeleteMode, DestinationError, Keyless, Naming, Options, Resync};
use expect_test::{Expect, expect};

use crate::support::{World, commit, position, rows, told};

/// Lands pages, each with the sync it belongs to, and prints what came of each and the table.
fn check(world: &World, pages: &[(u32, &str)], sql: &str, expected: Expect) {
    let mut out = String::new();
    for (sync, page) in pages {
        out.push_str(&format!("{sync}: {}\n", told(&world.land(*sync, page))));
    }
    out.push_str(&world.query(sql));
    expected.assert_eq(&out);
}

const BY_ID: &str = "SELECT * REPLACE (CAST(_fivetran_synced AS VARCHAR)[:13] AS _fivetran_synced) \
                     FROM shop.t ORDER BY id";

#[test]
fn f_100_f_110_a_row_is_replaced_whole_and_told_from_one_that_stayed() {
    check(
        &World::new(),
        &[
            (0, &rows(r#"[{"id":1,"a":"x","b":1},{"id":2,"a":"y","b":2},{"id":3,"a":"z"}]"#, "id")),
            (1, &rows(r#"[{"id":1,"a":"x","b":1},{"id":2,"b":2},{"id":4,"a":"new"}]"#, "id")),
        ],
        BY_ID,
        expect![[r#"
            0: t: 3 inserted
            1: t: 1 inserted, 1 updated, 1 unchanged
            1 | x | 1 | 2023-11-14 23
            2 | NULL | 2 | 2023-11-14 23
            3 | z | NULL | 2023-11-14 22
            4 | new | NULL | 2023-11-14 23
        "#]],
    );
}

#[test]
fn a_change_is_seen_in_a_column_of_any_type() {
    let page = |change: &str| {
        let mut row = BTreeMap::from([
            ("b", "true"),
            ("n", "1"),
            ("f", "0.5"),
            ("big", "12345678901234567890"),
            ("d", r#""2024-01-01""#),
            ("dt", r#""2024-01-01T00:00:00""#),
            ("i", r#""2024-01-01T00:00:00Z""#),
            ("s", r#""x""#),
            ("j", r#"{"a":1}"#),
            ("gone", "null"),
        ]);
        let (column, value) = change.split_once('=').expect("column=value");
        row.insert(column, value);
        let columns = row.into_iter().map(|(name, value)| format!(r#""{name}":{value}"#));
        let columns = columns.collect::<Vec<_>>().join(",");
        rows(&format!(r#"[{{"id":1,{columns}}},{{"id":2,"gone":1}}]"#), "id")
    };
    let world = World::new();
    let mut out = String::new();
    for (sync, change) in (0..).zip([
        "n=1",
        "n=1",
        "b=false",
        "n=2",
        "f=0.25",
        "big=12345678901234567891",
        r#"d="2024-01-02""#,
        r#"dt="2024-01-01T00:00:01""#,
        r#"i="2024-01-01T00:00:01Z""#,
        r#"s="y""#,
        r#"j={"a": 1}"#,
        "gone=1",
        "s=null",
        "d=null",
    ]) {
        out.push_str(&format!("{change}: {}\n", told(&world.land(sync, &page(change)))));
    }
    expect![[r#"
        n=1: t: 2 inserted
        n=1: t: 2 unchanged
        b=false: t: 1 updated, 1 unchanged
        n=2: t: 1 updated, 1 unchanged
        f=0.25: t: 1 updated, 1 unchanged
        big=12345678901234567891: t: 1 updated, 1 unchanged
        d="2024-01-02": t: 1 updated, 1 unchanged
        dt="2024-01-01T00:00:01": t: 1 updated, 1 unchanged
        i="2024-01-01T00:00:01Z": t: 1 updated, 1 unchanged
        s="y": t: 1 updated, 1 unchanged
        j={"a": 1}: t: 1 updated, 1 unchanged
        gone=1: t: 1 updated, 1 unchanged
        s=null: t: 1 updated, 1 unchanged
        d=null: t: 1 updated, 1 unchanged
    "#]]
    .assert_eq(&out);
}

#[test]
fn f_111_f_114_f_117_a_marked_row_keeps_its_values_and_can_live_again() {
    let delete = r#"{"state":{},"delete":{"t":[{"id":1},{"id":9}]},"hasMore":true}"#;
    check(
        &World::new(),
        &[
            (0, &rows(r#"[{"id":1,"a":"x"},{"id":2,"a":"y"}]"#, "id")),
            (1, delete),
            (2, delete),
            (3, &rows(r#"[{"id":1,"a":"x"}]"#, "id")),
        ],
        BY_ID,
        expect![[r#"
            0: t: 2 inserted
            1: t: 1 deleted
            2: t: 
            3: t: 1 updated
            1 | x | 2023-11-15 01 | false
            2 | y | 2023-11-14 22 | false
        "#]],
    );
}

#[test]
fn f_112_f_116_a_removed_row_is_gone_also_when_its_page_inserted_it() {
    let options = Options { delete_mode: DeleteMode::Hard, ..Options::default() };
    check(
        &World::with(options),
        &[
            (0, &rows(r#"[{"id":1,"a":"x"},{"id":2,"a":"y"}]"#, "id")),
            (
                1,
                r#"{"state":{},"insert":{"t":[{"id":1,"a":"z"},{"id":3,"a":"z"}]},
                    "delete":{"t":[{"id":1},{"id":2},{"id":7}]},"hasMore":true}"#,
            ),
        ],
        BY_ID,
        expect![[r#"
            0: t: 2 inserted
            1: t: 1 inserted, 2 deleted
            3 | z | 2023-11-14 23
        "#]],
    );
}

#[test]
fn f_116_a_row_inserted_and_marked_by_one_page_keeps_its_new_values() {
    check(
        &World::new(),
        &[
            (0, &rows(r#"[{"id":1,"a":"x"},{"id":2,"a":"y"}]"#, "id")),
            (
                1,
                r#"{"state":{},"insert":{"t":[{"id":1,"a":"z"},{"id":3,"a":"z"}]},
                    "delete":{"t":[{"id":1},{"id":3}]},"hasMore":true}"#,
            ),
        ],
        BY_ID,
        expect![[r#"
            0: t: 2 inserted
            1: t: 1 inserted, 1 updated, 2 deleted
            1 | z | 2023-11-14 23 | true
            2 | y | 2023-11-14 22 | false
            3 | z | 2023-11-14 23 | true
        "#]],
    );
}

#[test]
fn f_119_f_122_f_123_f_126_a_sweep_marks_what_was_not_sent() {
    check(
        &World::new(),
        &[
            (0, &rows(r#"[{"id":1},{"id":2},{"id":3}]"#, "id")),
            (0, r#"{"state":{},"hasMore":false}"#),
            (
                1,
                r#"{"state":{},"insert":{"t":[{"id":2}]},"softDelete":["t","nope"],"hasMore":false}"#,
            ),
            (2, r#"{"state":{},"softDelete":["t"],"hasMore":false}"#),
            (3, r#"{"state":{},"softDelete":["t"],"hasMore":false}"#),
        ],
        BY_ID,
        expect![[r#"
            0: t: 3 inserted
            0: 
            1: t: 1 unchanged, 2 swept
            2: t: 1 swept
            3: t: 
            1 | 2023-11-14 22 | true
            2 | 2023-11-14 23 | true
            3 | 2023-11-14 22 | true
        "#]],
    );
}

#[test]
fn f_106_f_108_every_row_of_a_table_without_key_is_new() {
    let page = rows(r#"[{"a":"x"},{"a":"x"}]"#, "");
    check(
        &World::new(),
        &[(0, &page), (0, &page), (1, &page)],
        "SELECT a, CAST(_fivetran_batch AS VARCHAR)[:13], _fivetran_index FROM shop.t ORDER BY ALL",
        expect![[r#"
            0: t: 2 inserted
            0: t: 2 inserted
            1: t: 2 inserted
            x | 2023-11-14 22 | 0
            x | 2023-11-14 22 | 1
            x | 2023-11-14 22 | 2
            x | 2023-11-14 22 | 3
            x | 2023-11-14 23 | 0
            x | 2023-11-14 23 | 1
        "#]],
    );
}

#[test]
fn f_109_equal_rows_are_one_by_their_hash() {
    let options = Options { keyless: Keyless::RowHash, ..Options::default() };
    let page = rows(r#"[{"a":"x","n":1},{"n":1,"a":"x"},{"a":"y"}]"#, "");
    check(
        &World::with(options),
        &[(0, &page), (1, &page)],
        "SELECT a, n, length(_fivetran_id) FROM shop.t ORDER BY ALL",
        expect![[r#"
            0: t: 2 inserted
            1: t: 2 unchanged
            x | 1 | 64
            y | NULL | 64
        "#]],
    );
}

#[test]
fn a_key_of_several_columns_of_several_types() {
    let page = |a: &str| {
        format!(
            r#"{{"state":{{}},"insert":{{"t":[{{"n":1,"s":"x","b":true,"a":"{a}"}},{{"n":1,"s":"y","b":true,"a":"{a}"}}]}},
                "schema":{{"t":{{"primary_key":["s","n","b"]}}}},"hasMore":true}}"#
        )
    };
    check(
        &World::new(),
        &[(0, &page("1")), (1, &page("2")), (2, &page("2"))],
        "SELECT n, s, b, a FROM shop.t ORDER BY ALL",
        expect![[r#"
            0: t: 2 inserted
            1: t: 2 updated
            2: t: 2 unchanged
            1 | x | true | 2
            1 | y | true | 2
        "#]],
    );
}

#[test]
fn f_152_hostile_names_are_ordinary() {
    let options = Options { naming: Naming::Source, ..Options::default() };
    let name = r#"\"; DROP TABLE shop.t; --"#;
    let page = format!(
        r#"{{"state":{{}},"insert":{{"{name}":[{{"select":1,"{name}":"x","'🦀\\":2}}],"order":[{{"group":1}}]}},
            "schema":{{"{name}":{{"primary_key":["select"]}},"order":{{"primary_key":["group"]}}}},"hasMore":true}}"#
    );
    check(
        &World::with(options),
        &[(0, &page), (1, &page)],
        "SELECT table_name, column_name, data_type FROM information_schema.columns \
         WHERE table_schema = 'shop' ORDER BY ALL",
        expect![[r#"
            0: "; DROP TABLE shop.t; --: 1 inserted; order: 1 inserted
            1: "; DROP TABLE shop.t; --: 1 unchanged; order: 1 unchanged
            "; DROP TABLE shop.t; -- | "; DROP TABLE shop.t; -- | VARCHAR
            "; DROP TABLE shop.t; -- | '🦀\ | BIGINT
            "; DROP TABLE shop.t; -- | _fivetran_synced | TIMESTAMP WITH TIME ZONE
            "; DROP TABLE shop.t; -- | select | BIGINT
            order | _fivetran_synced | TIMESTAMP WITH TIME ZONE
            order | group | BIGINT
        "#]],
    );
}

#[test]
fn names_that_differ_in_case_alone_are_refused() {
    let options = Options { naming: Naming::Source, ..Options::default() };
    let world = World::with(options);
    let page = r#"{"state":{},"insert":{"Orders":[{"a":1}],"orders":[{"a":1}]},"hasMore":true}"#;
    expect!["name_collision: destination refused: two tables are called orders, and DuckDB does not tell upper case from lower case in names"].assert_eq(&told(&world.land(0, page)));
}

#[test]
fn f_146_f_195_f_196_tables_and_columns_that_vanish_stay() {
    check(
        &World::new(),
        &[
            (
                0,
                r#"{"state":{},"insert":{"t":[{"id":1,"a":"x"}],"u":[{"id":1}]},
                "schema":{"t":{"primary_key":["id"]}},"hasMore":true}"#,
            ),
            (1, &rows(r#"[{"id":1}]"#, "id")),
        ],
        "SELECT id, a, (SELECT count(*) FROM shop.u) FROM shop.t",
        expect![[r#"
            0: t: 1 inserted; u: 1 inserted
            1: t: 1 updated
            1 | NULL | 1
        "#]],
    );
}

#[test]
fn f_199_a_table_that_is_there_already_is_not_ours() {
    let world = World::new();
    world.by_hand(
        "CREATE SCHEMA shop; CREATE TABLE shop.\"T\" (id INT); INSERT INTO shop.t VALUES (7)",
    );
    let page = rows(r#"[{"id":1}]"#, "id");
    let mut out = told(&world.land(0, &page)) + "\n";
    world.by_hand("DROP TABLE shop.t; CREATE VIEW shop.t AS SELECT 7 AS id");
    out.push_str(&told(&world.land(0, &page)));
    out.push('\n');
    out.push_str(&world.query("FROM shop.t"));
    out.push_str(&world.query("SELECT count(*) FROM duckdb_tables()"));
    expect![[r#"
        unmanaged_table: destination refused: table shop.t is there already, and was not made by this connection
        unmanaged_table: destination refused: table shop.t is there already, and was not made by this connection
        Int(7)
        0
    "#]].assert_eq(&out);
}

#[test]
fn a_table_changed_by_hand_is_refused_and_left_alone() {
    let page = rows(r#"[{"id":1,"a":"x"},{"id":2,"a":"y","b":1}]"#, "id");
    let mut out = String::new();
    for change in [
        "ALTER TABLE shop.t DROP COLUMN a",
        "ALTER TABLE shop.t ALTER COLUMN a TYPE JSON USING to_json(a)",
        "DROP TABLE shop.t",
        "DROP SCHEMA shop CASCADE",
        "ALTER TABLE shop.t RENAME COLUMN a TO a2",
        "ALTER TABLE shop.t ADD COLUMN B INT",
        "ALTER TABLE shop.t ADD COLUMN extra INT",
        "ALTER TABLE shop.t ADD COLUMN RowId INT",
    ] {
        let world = World::new();
        world.land(0, &rows(r#"[{"id":1,"a":"x"}]"#, "id")).expect("a first page");
        world.by_hand(change);
        out.push_str(&format!("{change}\n  {}\n", told(&world.land(1, &page))));
    }
    expect![[r#"
        ALTER TABLE shop.t DROP COLUMN a
          table_changed_by_hand: destination refused: table t is not as it was left: column a is gone
        ALTER TABLE shop.t ALTER COLUMN a TYPE JSON USING to_json(a)
          table_changed_by_hand: destination refused: table t is not as it was left: column a is JSON, not VARCHAR
        DROP TABLE shop.t
          table_changed_by_hand: destination refused: table t is not as it was left: it is gone
        DROP SCHEMA shop CASCADE
          table_changed_by_hand: destination refused: table t is not as it was left: it is gone
        ALTER TABLE shop.t RENAME COLUMN a TO a2
          table_changed_by_hand: destination refused: table t is not as it was left: column a is gone
        ALTER TABLE shop.t ADD COLUMN B INT
          table_changed_by_hand: destination refused: table t is not as it was left: a column b was added
        ALTER TABLE shop.t ADD COLUMN extra INT
          t: 1 inserted, 1 unchanged
        ALTER TABLE shop.t ADD COLUMN RowId INT
          table_changed_by_hand: destination refused: table t is not as it was left: a column rowid was added, which hides the row ids
    "#]].assert_eq(&out);
}

#[test]
fn an_index_added_by_hand_stands_in_the_way_of_a_change_only() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1,"a":"x"}]"#, "id")).expect("a first page");
    world.by_hand("CREATE INDEX by_hand ON shop.t (a)");
    check(
        &world,
        &[
            (1, &rows(r#"[{"id":1,"a":"y"},{"id":2,"a":"z"}]"#, "id")),
            (2, &rows(r#"[{"id":1,"a":{}}]"#, "id")),
        ],
        "SELECT id, a FROM shop.t ORDER BY id",
        expect![[r#"
            1: t: 1 inserted, 1 updated
            2: table_changed_by_hand: destination refused: changing table t: Catalog Error: Cannot change the type of this column: an index depends on it!
            1 | y
            2 | z
        "#]],
    );
}

#[test]
fn a_constraint_added_by_hand_is_named_without_values() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1,"a":"x"}]"#, "id")).expect("a first page");
    world.by_hand("ALTER TABLE shop.t ALTER COLUMN a SET NOT NULL");
    check(
        &world,
        &[(1, &rows(r#"[{"id":1,"a":null}]"#, "id"))],
        "SELECT id, a FROM shop.t ORDER BY id",
        expect![[r#"
            1: table_changed_by_hand: destination refused: writing table t: Constraint Error (its text is left out because it may quote a value)
            1 | x
        "#]],
    );
}

#[test]
fn a_key_that_was_doubled_by_hand_is_one_row_again() {
    let world = World::new();
    let page = rows(r#"[{"id":1,"a":"x"},{"id":2,"a":"y"}]"#, "id");
    world.land(0, &page).expect("a first page");
    world.by_hand("INSERT INTO shop.t FROM shop.t WHERE id = 1");
    check(
        &world,
        &[(1, &page)],
        "SELECT id, a FROM shop.t ORDER BY id",
        expect![[r#"
        1: t: 1 updated, 1 unchanged
        1 | x
        2 | y
    "#]],
    );
}

#[test]
fn a_batch_lands_once_and_a_rival_is_fenced() {
    let world = World::new();
    let (mut one, mut other) = (world.open(), world.open());
    let start = position(&mut one);
    let batch = world.plan(0, &rows(r#"[{"id":1}]"#, "id"), &start);
    let rival = world.plan(1, &rows(r#"[{"id":2}]"#, "id"), &position(&mut other));
    let mut out = String::new();
    for landed in [commit(&mut one, &batch), commit(&mut one, &batch), commit(&mut other, &rival)] {
        out.push_str(&told(&landed));
        out.push('\n');
    }
    assert_eq!(&position(&mut other), batch.leaves());
    drop((one, other));
    out.push_str(&world.query("SELECT id FROM shop.t"));
    expect![[r#"
        t: 1 inserted
        position_moved: another sync of this connection has committed meanwhile (expected commit 0, found 1); nothing of this batch was written
        position_moved: another sync of this connection has committed meanwhile (expected commit 0, found 1); nothing of this batch was written
        1
    "#]].assert_eq(&out);
}

#[test]
fn many_pages_join_into_one_commit_with_more_rows_than_a_vector_holds() {
    let world = World::new();
    let mut destination = world.open();
    let page = |from: u32| {
        let rows = (from..from + 700).map(|id| {
            format!(
                r#"{{"id":{},"text":"a text of more than twelve bytes {id}","n":{}}}"#,
                id % 3000,
                if id % 3 == 0 { "null".to_owned() } else { id.to_string() }
            )
        });
        rows.collect::<Vec<_>>().join(",")
    };
    for sync in 0..2 {
        let mut batch =
            world.plan(sync, &rows(&format!("[{}]", page(0)), "id"), &position(&mut destination));
        for from in (700..7000).step_by(700) {
            let next = world.plan(sync, &rows(&format!("[{}]", page(from)), "id"), batch.leaves());
            batch = batch.join(next);
        }
        commit(&mut destination, &batch).expect("a batch that fits");
    }
    let last = &destination.history().expect("a history")[0];
    let mut out = told(&Ok(last.landed.clone())) + "\n";
    drop(destination);
    out.push_str(&world.query("SELECT count(*), count(DISTINCT id), count(n), min(text), max(text), sum(n)::BIGINT FROM shop.t"));
    expect![[r#"
        t: 3000 unchanged
        3000 | 3000 | 2000 | a text of more than twelve bytes 4000 | a text of more than twelve bytes 6999 | 10998000
    "#]].assert_eq(&out);
}

#[test]
fn a_table_that_was_dropped_is_made_anew_by_a_resync() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1,"v":1}]"#, "id")).expect("a first page");
    world.by_hand("DROP TABLE shop.t");
    let next = rows(r#"[{"id":2,"v":2}]"#, "id");
    let refused = world.land(1, &next);
    assert!(told(&refused).contains("it is gone"), "{}", told(&refused));
    let Err(DestinationError::Refused { hint, .. }) = refused else { panic!("{refused:?}") };
    assert!(hint.contains("resync CONNECTION --rebuild"), "{hint}");
    let mut destination = world.open();
    let held = position(&mut destination);
    let resync = Resync { rebuild: true, ..Resync::default() };
    commit(&mut destination, &Batch::resync(&held, &resync, &world.run(2))).expect("asked for");
    drop(destination);
    let last = next.replace("\"hasMore\":true", "\"hasMore\":false");
    assert_eq!(told(&world.land(3, &last)), "t__resync: 1 inserted");
    assert_eq!(world.query("SELECT id, v FROM shop.t"), "2 | 2\n");
    assert_eq!(told(&world.land(4, &next)), "t: 1 unchanged");
}
