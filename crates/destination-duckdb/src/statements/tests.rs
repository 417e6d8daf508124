use std::collections::BTreeSet;

use engine::{Column, Feature, PrimaryKey, Shape};
use expect_test::{Expect, expect};

use super::*;

const PLACE: Place<'_> = Place { catalog: "shop", namespace: "shop", table: "line items" };
const MOMENT: Timestamp = Timestamp(1_700_000_000_123_000);

fn columns() -> Vec<(String, ColumnType)> {
    [
        ("order", ColumnType::Long),
        ("na\"me", ColumnType::String),
        ("at", ColumnType::Instant),
        ("_fivetran_synced", ColumnType::Instant),
    ]
    .map(|(name, column_type)| (name.to_owned(), column_type))
    .into()
}

fn check(statement: &str, expected: Expect) {
    expected.assert_eq(statement);
}

#[test]
fn tables_and_columns() {
    let column = |name: &str, feature| Column {
        name: name.to_owned(),
        source: name.to_owned(),
        shape: Shape::of(feature),
        evidence: Vec::new(),
        hashed: false,
    };
    let mut table = Table {
        sources: BTreeSet::new(),
        primary_key: PrimaryKey::BatchIndex,
        columns: vec![column("select", Feature::Nested), column("d", Feature::Date)],
        soft_deletes: true,
        mode: engine::TableMode::Upsert,
        version_time: None,
    };
    check(
        &create_table(PLACE, &table),
        expect![[
            r#"CREATE TABLE "shop"."shop"."line items" ("select" JSON, "d" DATE, "_fivetran_synced" TIMESTAMP WITH TIME ZONE, "_fivetran_batch" TIMESTAMP WITH TIME ZONE, "_fivetran_index" BIGINT, "_fivetran_deleted" BOOLEAN DEFAULT FALSE)"#
        ]],
    );
    table.primary_key = PrimaryKey::RowHash;
    table.soft_deletes = false;
    check(
        &create_table(PLACE, &table),
        expect![[
            r#"CREATE TABLE "shop"."shop"."line items" ("select" JSON, "d" DATE, "_fivetran_synced" TIMESTAMP WITH TIME ZONE, "_fivetran_id" VARCHAR)"#
        ]],
    );
    check(
        &add_column(PLACE, "x", ColumnType::Decimal { scale: 3 }),
        expect![[r#"ALTER TABLE "shop"."shop"."line items" ADD COLUMN "x" DECIMAL(38,3)"#]],
    );
    check(
        &add_soft_deletes(PLACE),
        expect![[
            r#"ALTER TABLE "shop"."shop"."line items" ADD COLUMN "_fivetran_deleted" BOOLEAN DEFAULT FALSE"#
        ]],
    );
    check(
        &widen_column(PLACE, "x", ColumnType::Long, ColumnType::Decimal { scale: 3 }),
        expect![[
            r#"ALTER TABLE "shop"."shop"."line items" ALTER COLUMN "x" SET DATA TYPE DECIMAL(38,3) USING CAST("x" AS DECIMAL(38,3))"#
        ]],
    );
    check(
        &describe(PLACE),
        expect![[r#"SELECT column_name, column_type FROM (DESCRIBE "shop"."shop"."line items")"#]],
    );
}

#[test]
fn rows_are_met_compared_and_written() {
    let (columns, keys, table) = (columns(), ["order"], PLACE.quoted());
    let marked = arrived(&table, &columns, &keys, true);
    check(
        &match_rows(&marked),
        expect![[
            r#"SELECT held.rowid, incoming.position, (held."at" IS DISTINCT FROM incoming.c2 OR held."_fivetran_deleted" IS TRUE) FROM "shop"."shop"."line items" AS held JOIN hasmore_rows() AS incoming ON held."order" = incoming.c0"#
        ]],
    );
    check(
        &compare_rows(&marked),
        expect![[
            r#"SELECT incoming.position FROM "shop"."shop"."line items" AS held JOIN hasmore_rows() AS incoming ON held.rowid = incoming.row_id WHERE held."na""me" IS DISTINCT FROM incoming.c1"#
        ]],
    );
    check(
        &touch_rows(PLACE, MOMENT),
        expect![[
            r#"UPDATE "shop"."shop"."line items" SET "_fivetran_synced" = TIMESTAMPTZ '2023-11-14T22:13:20.123Z' WHERE rowid IN (SELECT row_id FROM hasmore_rows())"#
        ]],
    );
    check(
        &delete_rows(PLACE),
        expect![[
            r#"DELETE FROM "shop"."shop"."line items" WHERE rowid IN (SELECT row_id FROM hasmore_rows())"#
        ]],
    );
    check(
        &match_rows(&arrived(&table, &columns, &["order", "na\"me", "at"], false)),
        expect![[
            r#"SELECT held.rowid, incoming.position, (FALSE) FROM "shop"."shop"."line items" AS held JOIN hasmore_rows() AS incoming ON held."order" = incoming.c0 AND held."na""me" = incoming.c1 AND held."at" = incoming.c2"#
        ]],
    );
}
