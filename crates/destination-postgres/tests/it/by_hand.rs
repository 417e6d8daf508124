//! Tables that somebody has changed.

use engine::{Batch, DestinationError, Resync};

use crate::support::{World, check_refused, commit, position, rows, told};

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

/// A resync that makes tables anew, asked for by a person.
fn rebuild(world: &World, sync: u32) {
    let mut destination = world.open().expect("a connection");
    let held = position(&mut destination).expect("a position");
    let resync = Resync { rebuild: true, ..Resync::default() };
    let batch = Batch::resync(&held, &resync, &World::run(sync));
    commit(&mut destination, &batch).expect("it is asked for");
}

#[test]
fn a_table_that_was_dropped_is_made_anew_by_a_resync() {
    let world = World::new();
    world.land(0, &rows(FIRST)).expect("a first page");
    world.by_hand("DROP TABLE shop.t");
    for page in [rows(NEXT), r#"{"state":{},"softDelete":["t"],"hasMore":false}"#.to_owned()] {
        let refused = world.land(1, &page);
        let said = told(&refused);
        assert!(said.starts_with("table_changed_by_hand: "), "{said}");
        let Err(DestinationError::Refused { hint, .. }) = refused else { panic!("{said}") };
        assert!(hint.contains("resync CONNECTION --rebuild"), "{hint}");
    }
    rebuild(&world, 2);
    let last = rows(NEXT).replace("\"hasMore\":true", "\"hasMore\":false");
    assert_eq!(told(&world.land(3, &last)), "t__resync: 2 inserted");
    assert_eq!(world.query("SELECT id, v FROM shop.t ORDER BY id"), "2 | 3\n3 | 3\n");
    assert_eq!(told(&world.land(4, &rows(NEXT))), "t: 2 unchanged");
}

#[test]
fn a_view_on_a_table_that_is_made_anew_is_named() {
    let world = World::new();
    world.land(0, &rows(FIRST)).expect("a first page");
    world.by_hand("CREATE SCHEMA mine; CREATE VIEW mine.all_of_it AS SELECT * FROM shop.t");
    rebuild(&world, 1);
    let last = rows(NEXT).replace("\"hasMore\":true", "\"hasMore\":false");
    check_refused(&world, &last, "column_in_use", "all_of_it", || {
        world.by_hand("DROP VIEW mine.all_of_it");
    });
    assert_eq!(world.query("SELECT id, v FROM shop.t ORDER BY id"), "2 | 3\n3 | 3\n");
}
