use engine::{DeleteMode, Keyless, Naming, Options};
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
        expect![[""]],
    );
}

#[test]
fn a_zero_that_becomes_negative_and_a_date_that_moves_are_changes() {
    check(
        &World::new(),
        &[
            (
                0,
                &rows(
                    r#"[{"id":1,"n":0.0,"d":"2024-01-01"},{"id":2,"n":1.5,"d":"2024-01-01"}]"#,
                    "id",
                ),
            ),
            (
                1,
                &rows(
                    r#"[{"id":1,"n":-0.0,"d":"2024-01-01"},{"id":2,"n":1.5,"d":"2024-01-02"}]"#,
                    "id",
                ),
            ),
            (2, &rows(r#"[{"id":1,"n":-0.0,"d":"2024-01-01"},{"id":2,"n":1.5,"d":null}]"#, "id")),
        ],
        "SELECT id, n, CAST(d AS VARCHAR) FROM shop.t ORDER BY id",
        expect![[""]],
    );
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
    );
}

#[test]
fn f_106_f_108_every_row_of_a_table_without_key_is_new() {
    let page = rows(r#"[{"a":"x"},{"a":"x"}]"#, "");
    check(
        &World::new(),
        &[(0, &page), (0, &page), (1, &page)],
        "SELECT a, CAST(_fivetran_batch AS VARCHAR)[:13], _fivetran_index FROM shop.t ORDER BY ALL",
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
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
        expect![[""]],
    );
}

#[test]
fn names_that_differ_in_case_alone_are_refused() {
    let options = Options { naming: Naming::Source, ..Options::default() };
    let world = World::with(options);
    let page = r#"{"state":{},"insert":{"Orders":[{"a":1}],"orders":[{"a":1}]},"hasMore":true}"#;
    expect![[""]].assert_eq(&told(&world.land(0, page)));
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
        expect![[""]],
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
    expect![[""]].assert_eq(&out);
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
    ] {
        let world = World::new();
        world.land(0, &rows(r#"[{"id":1,"a":"x"}]"#, "id")).expect("a first page");
        world.by_hand(change);
        out.push_str(&format!("{change}\n  {}\n", told(&world.land(1, &page))));
    }
    expect![[""]].assert_eq(&out);
}

#[test]
fn a_key_that_was_doubled_by_hand_is_one_row_again() {
    let world = World::new();
    let page = rows(r#"[{"id":1,"a":"x"},{"id":2,"a":"y"}]"#, "id");
    world.land(0, &page).expect("a first page");
    world.by_hand("INSERT INTO shop.t FROM shop.t WHERE id = 1");
    check(&world, &[(1, &page)], "SELECT id, a FROM shop.t ORDER BY id", expect![[""]]);
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
    expect![[""]].assert_eq(&out);
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
    expect![[""]].assert_eq(&out);
}
