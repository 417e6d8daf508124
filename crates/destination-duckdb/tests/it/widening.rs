//! Columns that grow while rows are in them.

use expect_test::{Expect, expect};

use crate::support::{World, rows, told};

/// Lands one value, then another in a later page, and prints the column after each.
fn check(first: &str, second: &str, expected: Expect) {
    let world = World::new();
    let mut out = String::new();
    for (sync, (id, value)) in [(1, first), (2, second)].into_iter().enumerate() {
        let page = rows(&format!(r#"[{{"id":{id},"v":{value}}}]"#), "id");
        let sync = u32::try_from(sync).expect("two syncs");
        world.land(sync, &page).expect("a page that fits");
    }
    out.push_str(&world.query("SELECT v::VARCHAR, typeof(v) FROM shop.t ORDER BY id"));
    expected.assert_eq(&out);
}

#[test]
fn f_162_to_f_164_f_172_f_173_f_177_old_values_keep_their_text() {
    check(
        "9",
        "10.0",
        expect![[r#"
        9.0 | DOUBLE
        10.0 | DOUBLE
    "#]],
    );
    check(
        "1.5",
        "true",
        expect![[r#"
        1.5 | VARCHAR
        true | VARCHAR
    "#]],
    );
    check(
        "1e16",
        "\"x\"",
        expect![[r#"
        10000000000000000 | VARCHAR
        x | VARCHAR
    "#]],
    );
    check(
        "9007199254740993",
        "0.5",
        expect![[r#"
        9007199254740993.0 | DECIMAL(38,1)
        0.5 | DECIMAL(38,1)
    "#]],
    );
    check(
        "0.5",
        "9007199254740993",
        expect![[r#"
        0.5 | DECIMAL(38,1)
        9007199254740993.0 | DECIMAL(38,1)
    "#]],
    );
    check(
        "\"2017-12-31\"",
        "\"2017-12-31T10:00:00\"",
        expect![[r#"
        2017-12-31 00:00:00 | TIMESTAMP
        2017-12-31 10:00:00 | TIMESTAMP
    "#]],
    );
    check(
        "\"2017-12-31\"",
        "\"n/a\"",
        expect![[r#"
        2017-12-31 | VARCHAR
        n/a | VARCHAR
    "#]],
    );
    check(
        "\"2017-12-31T10:00:00.120\"",
        "1",
        expect![[r#"
        2017-12-31T10:00:00.12 | VARCHAR
        1 | VARCHAR
    "#]],
    );
    check(
        "\"2017-12-31T10:00:00+01:00\"",
        "\"n/a\"",
        expect![[r#"
        2017-12-31T09:00:00Z | VARCHAR
        n/a | VARCHAR
    "#]],
    );
    check(
        "\"a \\\" \\\\ \\u0000 \\n \\u001f é\"",
        "{}",
        expect![[r#"
        "a \" \\ \u0000 \n \u001f é" | JSON
        {} | JSON
    "#]],
    );
    check(
        "1.5",
        "[1]",
        expect![[r#"
        1.5 | JSON
        [1] | JSON
    "#]],
    );
    check(
        "\"2017-12-31T10:00:00Z\"",
        "[1]",
        expect![[r#"
        "2017-12-31T10:00:00Z" | JSON
        [1] | JSON
    "#]],
    );
}

#[test]
fn f_179_widening_a_hundred_thousand_rows_is_all_or_nothing() {
    let world = World::new();
    let many = |from: u32, to: u32| {
        let rows = (from..to).map(|id| format!(r#"{{"id":{id},"v":{id}.5,"w":{id}}}"#));
        format!("[{}]", rows.collect::<Vec<_>>().join(","))
    };
    world.land(0, &rows(&many(0, 100_000), "id")).expect("a first page");
    world.by_hand("CREATE TABLE shop.u (x INT)");
    let refused = r#"{"state":{},"insert":{"t":[{"id":1,"v":"n/a","w":"n/a"}],"u":[{"x":1}]},"hasMore":true}"#;
    let mut out = told(&world.land(1, refused)) + "\n";
    let look = "SELECT typeof(v), typeof(w), count(*), count(DISTINCT v), min(v)::VARCHAR, max(v)::VARCHAR \
                FROM shop.t GROUP BY ALL";
    out.push_str(&world.query(look));
    out.push_str(&told(&world.land(1, &rows(r#"[{"id":1,"v":"n/a","w":"n/a"}]"#, "id"))));
    out.push('\n');
    out.push_str(&world.query(look));
    expect![[r#"
        unmanaged_table: destination refused: table shop.u is there already, and was not made by this connection
        DOUBLE | BIGINT | 100000 | 100000 | 0.5 | 99999.5
        t: 1 updated
        VARCHAR | VARCHAR | 100000 | 100000 | 0.5 | n/a
    "#]].assert_eq(&out);
}

#[test]
fn a_key_can_grow_and_still_meets_itself() {
    let world = World::new();
    let mut out = String::new();
    for (sync, ids) in (0..).zip([r#"1,2.5,3"#, r#"1.0,"x",2.5,3"#, r#""1",3,"2.5""#]) {
        let objects = ids.split(',').map(|id| format!(r#"{{"id":{id},"a":{sync}}}"#));
        let page = rows(&format!("[{}]", objects.collect::<Vec<_>>().join(",")), "id");
        out.push_str(&format!("{}\n", told(&world.land(sync, &page))));
    }
    out.push_str(&world.query("SELECT id, a FROM shop.t ORDER BY id"));
    expect![[r#"
        t: 3 inserted
        t: 1 inserted, 3 updated
        t: 3 updated
        1 | 2
        2.5 | 2
        3 | 2
        x | 1
    "#]]
    .assert_eq(&out);
}
