//! Servers that refuse: each by its code, nothing half-applied, and the next sync goes on.

use engine::Landed;
use expect_test::expect;

use postgres_cluster::{Cluster, RESTARTABLE, SUPERUSER};

use crate::support::{World, check_refused, land_in, open, open_as, position, rows, told};

const FIRST: &str = r#"[{"id":1,"v":1},{"id":2,"v":2}]"#;

fn world() -> World {
    let world = World::new();
    world.land(0, &rows(FIRST)).expect("a first page");
    world
}

#[test]
fn a_read_only_server_is_told() {
    let mut world = world();
    world.settings = vec!["default_transaction_read_only=on".into()];
    let refused = world.land(1, &rows(r#"[{"id":3}]"#));
    assert!(told(&refused).starts_with("destination_read_only: "), "{}", told(&refused));
    world.settings.clear();
    assert_eq!(told(&world.land(1, &rows(r#"[{"id":3}]"#))), "t: 1 inserted");
}

#[test]
fn a_hot_standby_is_told() {
    let primary = Cluster::start(&RESTARTABLE).expect("a server");
    let world = World::on(&primary.url(SUPERUSER, "postgres"));
    world.land(0, &rows(FIRST)).expect("a first page");
    let standby = primary.follow().expect("a server that follows");
    let url = standby.url(SUPERUSER, world.database());
    let mut follower = open(&url).expect("it lets us in");
    let held = position(&mut follower).expect("it can be looked at");
    assert_eq!(held.ordinal(), 1);
    for (sync, page) in [(1, rows(r#"[{"id":3}]"#)), (2, rows(r#"[{"id":4,"w":"new"}]"#))] {
        let refused = land_in(&mut follower, sync, &page);
        assert!(told(&refused).starts_with("destination_read_only: "), "{}", told(&refused));
    }
    // Nor does a connection begin there.
    let mut newcomer = open_as(&url, "other").expect("it lets us in");
    let refused = land_in(&mut newcomer, 0, &rows(FIRST));
    assert!(told(&refused).starts_with("destination_read_only: "), "{}", told(&refused));
    drop((follower, newcomer, standby));
    assert_eq!(told(&world.land(3, &rows(r#"[{"id":3}]"#))), "t: 1 inserted");
}

#[test]
fn a_statement_timeout_is_told() {
    let mut world = world();
    // A lock that is waited for makes any statement long.
    let mut session = world.session(world.database());
    session.batch_execute("BEGIN; LOCK TABLE shop.t IN EXCLUSIVE MODE").expect("a lock");
    world.settings = vec!["statement_timeout=300".into()];
    check_refused(&world, &rows(r#"[{"id":3}]"#), "statement_timeout", "57014", || {
        session.batch_execute("ROLLBACK").expect("the lock goes");
    });
}

#[test]
fn a_lock_held_by_a_query_is_told() {
    let mut world = world();
    let mut session = world.session(world.database());
    session.batch_execute("BEGIN; SELECT * FROM shop.t").expect("a query");
    world.settings = vec!["lock_timeout=300".into()];
    // Reading stands in the way of a column that must widen, and of nothing else.
    assert_eq!(told(&world.land(1, &rows(r#"[{"id":3}]"#))), "t: 1 inserted");
    check_refused(&world, &rows(r#"[{"id":4,"v":"x"}]"#), "destination_locked", "55P03", || {
        session.batch_execute("ROLLBACK").expect("the lock goes");
    });
}

#[test]
fn a_view_on_a_column_that_must_widen_is_named() {
    let world = world();
    world.by_hand("CREATE SCHEMA mine; CREATE VIEW mine.doubled AS SELECT v * 2 AS w FROM shop.t");
    check_refused(&world, &rows(r#"[{"id":3,"v":"x"}]"#), "column_in_use", "doubled", || {
        world.by_hand("DROP VIEW mine.doubled");
    });
}

#[test]
fn another_encoding_is_refused() {
    let world = World::new();
    let database = crate::support::unique("latin");
    world.by_hand(&format!(
        "CREATE DATABASE {database} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
    ));
    let url = world.url().replace(world.database(), &database);
    let mut destination = open(&url).expect("a connection");
    let refused = crate::support::position(&mut destination).map(|_| Landed::default());
    expect!["destination_encoding: destination refused: the database has the encoding LATIN1, which cannot hold every text"]
        .assert_eq(&told(&refused));
    drop(destination);
    world.by_hand(&format!("DROP DATABASE {database} WITH (FORCE)"));
}

#[test]
fn the_schema_of_positions_is_refused() {
    let world = World::new();
    let refused = crate::support::open_as(&world.url(), "_hasmore").map(|_| Landed::default());
    assert!(told(&refused).starts_with("invalid_namespace: "), "{}", told(&refused));
}

#[test]
fn a_connection_keeps_its_schema() {
    let world = world();
    world.by_hand("UPDATE _hasmore.positions SET namespace = 'elsewhere'");
    let refused = world.land(1, &rows(r#"[{"id":3}]"#));
    assert!(told(&refused).starts_with("namespace_changed: "), "{}", told(&refused));
}

#[test]
fn positions_of_another_hand_are_refused() {
    for (change, code) in [
        (r#"stored = '{"version":99}'"#, "destination_newer"),
        ("stored = '{'", "destination_damaged"),
        ("state = '{'", "destination_damaged"),
    ] {
        let world = world();
        world.by_hand(&format!("UPDATE _hasmore.positions SET {change}"));
        let refused = told(&world.land(1, &rows(r#"[{"id":3}]"#)));
        assert!(refused.starts_with(code), "{change}: {refused}");
    }
}
