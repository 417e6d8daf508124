//! Tables that somebody has changed.

use crate::support::{World, check_refused, rows, told};

const FIRST: &str = r#"[{"id":1,"v":1},{"id":2,"v":2}]"#;

/// A change by hand, what is said of it, and what undoes it.
fn check(change: &str, page: &str, says: &str, cure: &str) {
    let world = World::new();
    world.land(0, &rows(FIRST)).expect("a first page");
    world.by_hand(change);
    check_refused(&world, &rows(page), "table_changed_by_hand", says, || world.by_hand(cure));
}

const NEXT: &str = r#"[{"id":2,"v":3},{"id":3,"v":3}]"#;

#[test]
fn a_column_that_was_renamed_is_missed() {
    let (change, cure) = ("RENAME COLUMN v TO w", "RENAME COLUMN w TO v");
    let alter = |step: &str| format!("ALTER TABLE shop.t {step}");
    check(&alter(change), NEXT, "column v is gone", &alter(cure));
}

#[test]
fn a_column_of_another_type_is_told() {
    check(
        "ALTER TABLE shop.t ALTER COLUMN v TYPE integer",
        NEXT,
        "column v is integer, not bigint",
        "ALTER TABLE shop.t ALTER COLUMN v TYPE bigint",
    );
}

#[test]
fn a_column_in_the_way_of_a_new_one_is_told() {
    check(
        "ALTER TABLE shop.t ADD COLUMN w text",
        r#"[{"id":3,"w":1}]"#,
        "a column w was added",
        "ALTER TABLE shop.t DROP COLUMN w",
    );
}

#[test]
fn a_column_that_wants_a_value_is_told() {
    check(
        "ALTER TABLE shop.t ADD COLUMN mine int; UPDATE shop.t SET mine = 1; \
         ALTER TABLE shop.t ALTER COLUMN mine SET NOT NULL",
        NEXT,
        "SQLSTATE 23502",
        "ALTER TABLE shop.t DROP COLUMN mine",
    );
}

#[test]
fn a_constraint_is_told() {
    check(
        "ALTER TABLE shop.t ADD CONSTRAINT small CHECK (v < 3)",
        NEXT,
        "constraint small",
        "ALTER TABLE shop.t DROP CONSTRAINT small",
    );
}

#[test]
fn a_key_that_was_dropped_is_missed() {
    check(
        "ALTER TABLE shop.t DROP CONSTRAINT t_pkey",
        NEXT,
        "42P10",
        "ALTER TABLE shop.t ADD PRIMARY KEY (id)",
    );
}

#[test]
fn a_table_that_was_renamed_is_missed() {
    let world = World::new();
    world.land(0, &rows(FIRST)).expect("a first page");
    world.by_hand("ALTER TABLE shop.t RENAME TO old");
    let refused = told(&world.land(1, &rows(NEXT)));
    assert!(refused.starts_with("table_changed_by_hand: "), "{refused}");
    assert!(refused.contains("table t is not as it was left: it is gone"), "{refused}");
    world.by_hand("CREATE VIEW shop.t AS SELECT * FROM shop.old");
    let refused = told(&world.land(1, &rows(NEXT)));
    assert!(refused.contains("it is no table any more"), "{refused}");
    world.by_hand("DROP VIEW shop.t; ALTER TABLE shop.old RENAME TO t");
    assert_eq!(told(&world.land(1, &rows(NEXT))), "t: 1 inserted, 1 updated");
}

#[test]
fn a_column_of_the_users_own_and_an_index_are_left_alone() {
    let world = World::new();
    world.land(0, &rows(FIRST)).expect("a first page");
    world.by_hand(
        "ALTER TABLE shop.t ADD COLUMN mine text DEFAULT 'new'; CREATE INDEX ON shop.t (v); \
         UPDATE shop.t SET mine = 'kept' WHERE id = 2",
    );
    assert_eq!(told(&world.land(1, &rows(NEXT))), "t: 1 inserted, 1 updated");
    world.land(2, &rows(r#"[{"id":2,"v":"x"}]"#)).expect("a column in an index widens");
    assert_eq!(
        world.query("SELECT id, v, mine FROM shop.t ORDER BY id"),
        "1 | 1 | new\n2 | x | kept\n3 | 3 | new\n"
    );
}
