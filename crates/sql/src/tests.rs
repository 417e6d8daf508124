use engine::{ColumnType, Sweep, SweepVerb, Timestamp};
use expect_test::{Expect, expect};

use super::*;

const MOMENT: Timestamp = Timestamp(1_700_000_000_123_000);

#[derive(Clone, Copy)]
struct Plain;

impl Dialect for Plain {
    fn instant(self, moment: Timestamp) -> String {
        format!("'{moment}'")
    }

    fn before(self, instant: &str) -> String {
        format!("before({instant})")
    }

    fn as_instant(self, value: &str, _: ColumnType) -> String {
        format!("utc({value})")
    }

    fn compared(self, value: String, kind: ColumnType) -> String {
        if kind == ColumnType::Json { format!("{value}::text") } else { value }
    }
}

fn check(statement: &str, expected: Expect) {
    expected.assert_eq(statement);
}

fn columns() -> Vec<(String, ColumnType)> {
    [
        ("order", ColumnType::Long),
        ("na\"me", ColumnType::Json),
        ("_fivetran_synced", ColumnType::Instant),
    ]
    .map(|(name, kind)| (name.to_owned(), kind))
    .into()
}

#[test]
fn rows_are_written_marked_and_removed() {
    let columns = columns();
    let arrived = Arrived {
        dialect: Plain,
        table: "t",
        rows: "sent()",
        columns: &columns,
        keys: &["order"],
        soft_deletes: true,
    };
    check(
        &arrived.insert_new(),
        expect![[
            r#"INSERT INTO t ("order", "na""me", "_fivetran_synced", "_fivetran_deleted") SELECT incoming.c0, incoming.c1, incoming.c2, FALSE FROM sent() AS incoming WHERE NOT EXISTS (SELECT 1 FROM t AS held WHERE held."order" = incoming.c0)"#
        ]],
    );
    check(
        &arrived.update(),
        expect![[
            r#"UPDATE t AS held SET "order" = incoming.c0, "na""me" = incoming.c1, "_fivetran_synced" = incoming.c2, "_fivetran_deleted" = FALSE FROM sent() AS incoming WHERE held."order" = incoming.c0 AND (held."na""me"::text IS DISTINCT FROM incoming.c1::text OR held."_fivetran_deleted" IS TRUE)"#
        ]],
    );
    check(
        &arrived.touch(MOMENT),
        expect![[
            r#"UPDATE t AS held SET "_fivetran_synced" = '2023-11-14T22:13:20.123Z' FROM sent() AS incoming WHERE held."order" = incoming.c0 AND held."_fivetran_synced" IS DISTINCT FROM '2023-11-14T22:13:20.123Z'"#
        ]],
    );
    check(
        &arrived.count_live(),
        expect![[
            r#"SELECT count(*) FROM t AS held JOIN sent() AS incoming ON held."order" = incoming.c0 WHERE held."_fivetran_deleted" IS NOT TRUE"#
        ]],
    );
    check(
        &arrived.mark(MOMENT),
        expect![[
            r#"UPDATE t AS held SET "_fivetran_deleted" = TRUE, "_fivetran_synced" = '2023-11-14T22:13:20.123Z' FROM sent() AS incoming WHERE held."order" = incoming.c0"#
        ]],
    );
    check(
        &Arrived { keys: &["na\"me"], ..arrived }.remove(),
        expect![[
            r#"DELETE FROM t AS held USING sent() AS incoming WHERE held."na""me"::text = incoming.c1::text"#
        ]],
    );
    check(
        &Arrived { columns: &columns[..1], soft_deletes: false, ..arrived }.insert(),
        expect![[r#"INSERT INTO t ("order") SELECT incoming.c0 FROM sent() AS incoming"#]],
    );
}

#[test]
fn live_rows_are_swept() {
    let sweep = |verb| Sweep { table: "t".to_owned(), before: MOMENT, verb, max_share: None };
    check(
        &super::sweep(Plain, "t", &sweep(SweepVerb::Mark), MOMENT),
        expect![[
            r#"UPDATE t SET "_fivetran_deleted" = TRUE WHERE "_fivetran_synced" < '2023-11-14T22:13:20.123Z' AND "_fivetran_deleted" IS NOT TRUE"#
        ]],
    );
    check(
        &super::sweep(Plain, "t", &sweep(SweepVerb::Close), MOMENT),
        expect![[
            r#"UPDATE t SET "_fivetran_active" = FALSE, "_fivetran_end" = greatest('2023-11-14T22:13:20.123Z', "_fivetran_start") WHERE "_fivetran_synced" < '2023-11-14T22:13:20.123Z' AND "_fivetran_active""#
        ]],
    );
    check(
        &count_swept(Plain, "t", &sweep(SweepVerb::Remove)),
        expect![[
            r#"SELECT count(*) FILTER (WHERE "_fivetran_synced" < '2023-11-14T22:13:20.123Z'), count(*) FROM t WHERE TRUE"#
        ]],
    );
}
