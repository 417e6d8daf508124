use expect_test::{Expect, expect};

use super::*;

fn columns() -> Vec<(String, ColumnType)> {
    [
        ("id", ColumnType::Long),
        ("na\"me", ColumnType::String),
        ("more", ColumnType::Json),
        (system_columns::SYNCED, ColumnType::Instant),
    ]
    .map(|(name, column_type)| (name.to_owned(), column_type))
    .to_vec()
}

fn place() -> Place<'static> {
    Place { namespace: "shop", table: "or\"ders" }
}

fn key(name: &str, column_type: ColumnType) -> Vec<(String, ColumnType)> {
    vec![(name.to_owned(), column_type)]
}

#[allow(clippy::needless_pass_by_value, reason = "an expectation is used once")]
fn check(statement: &str, expected: Expect) {
    expected.assert_eq(statement);
}

#[test]
fn rows_are_merged_by_their_key() {
    let columns = columns();
    let incoming = Incoming { number: 3, columns: &columns, soft_deletes: true };
    check(
        &incoming.create(),
        expect![
            "CREATE TEMPORARY TABLE pg_temp.hasmore_incoming_3 (c0 bigint, c1 text, c2 json, c3 timestamp with time zone) ON COMMIT DROP"
        ],
    );
    check(
        &upsert(place(), incoming, &key("id", ColumnType::Long)),
        expect![[
            r#"WITH written AS (INSERT INTO "shop"."or""ders" AS held ("id", "na""me", "more", "_fivetran_synced", "_fivetran_deleted") SELECT incoming.c0, incoming.c1, incoming.c2, incoming.c3, FALSE FROM pg_temp.hasmore_incoming_3 AS incoming ON CONFLICT ("id") DO UPDATE SET "na""me" = excluded."na""me", "more" = excluded."more", "_fivetran_synced" = excluded."_fivetran_synced", "_fivetran_deleted" = excluded."_fivetran_deleted" WHERE held."_fivetran_deleted" IS TRUE OR held."na""me" IS DISTINCT FROM excluded."na""me" OR held."more"::text IS DISTINCT FROM excluded."more"::text RETURNING held.xmax = 0 AS is_new) SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM written"#
        ]],
    );
    let incoming = Incoming { soft_deletes: false, ..incoming };
    check(
        &upsert(place(), incoming, &key("more", ColumnType::Json)),
        expect![[
            r#"WITH written AS (INSERT INTO "shop"."or""ders" AS held ("id", "na""me", "more", "_fivetran_synced") SELECT incoming.c0, incoming.c1, incoming.c2, incoming.c3 FROM pg_temp.hasmore_incoming_3 AS incoming ON CONFLICT (("more"::text)) DO UPDATE SET "id" = excluded."id", "na""me" = excluded."na""me", "_fivetran_synced" = excluded."_fivetran_synced" WHERE held."id" IS DISTINCT FROM excluded."id" OR held."na""me" IS DISTINCT FROM excluded."na""me" RETURNING held.xmax = 0 AS is_new) SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM written"#
        ]],
    );
    let (table, rows) = (place().quoted(), incoming.name());
    check(
        &incoming.arrived(&table, &rows, &["more"]).remove(),
        expect![[
            r#"DELETE FROM "shop"."or""ders" AS held USING pg_temp.hasmore_incoming_3 AS incoming WHERE held."more"::text = incoming.c2::text"#
        ]],
    );
}

#[test]
fn a_key_is_a_primary_key_unless_it_is_json() {
    check(
        &add_key(place(), &key("id", ColumnType::Long)),
        expect![[r#"ALTER TABLE "shop"."or""ders" ADD PRIMARY KEY ("id")"#]],
    );
    check(
        &add_key(place(), &key("more", ColumnType::Json)),
        expect![[r#"CREATE UNIQUE INDEX ON "shop"."or""ders" (("more"::text))"#]],
    );
}

#[test]
fn steps_of_one_table_are_one_statement() {
    let table = || "orders".to_owned();
    let steps = [
        SchemaChange::AddColumn {
            table: table(),
            column: "a".into(),
            column_type: ColumnType::Decimal { scale: 2 },
        },
        SchemaChange::WidenColumn {
            table: table(),
            column: "b".into(),
            from: ColumnType::Long,
            to: ColumnType::Double,
        },
        SchemaChange::AddSoftDeletes { table: table() },
    ];
    check(
        &alter_table(place(), &steps.iter().collect::<Vec<_>>()),
        expect![[
            r#"ALTER TABLE "shop"."or""ders" ADD COLUMN "a" numeric(38,2), ALTER COLUMN "b" TYPE double precision USING "b"::double precision, ADD COLUMN "_fivetran_deleted" boolean DEFAULT FALSE"#
        ]],
    );
}

#[test]
fn nothing_in_a_transaction_depends_on_the_settings_of_the_user() {
    check(
        &begin("orders"),
        expect![
            "BEGIN; SET LOCAL search_path = pg_catalog; SET LOCAL client_min_messages = warning; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 1; SET LOCAL standard_conforming_strings = on; SET LOCAL row_security = off; SELECT set_config('lock_timeout', '30s', true) WHERE current_setting('lock_timeout') = '0'; SELECT pg_advisory_xact_lock(1751217005, 840462916)"
        ],
    );
}
