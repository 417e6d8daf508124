//! A connection on its way to another database: there whole, or not at all.

use engine::{Batch, Landed};
use simulation::conformance::bench::block_on;

use crate::support::{World, position, rows};

/// Copies the world's connection into another database, up to a step.
fn copy(from: &World, to: &World, steps: usize) {
    let mut source = from.open().expect("a connection");
    let mut reading = block_on(source.begin_reading()).expect("a view");
    let held = block_on(reading.position()).expect("a position");
    let batch = Batch::migrate(&held, &World::run(9));
    let table = held.schema().tables["t"].clone();
    let mut goal = to.open().expect("a connection");
    let mut arrival = block_on(goal.begin_copy(&batch)).expect("a place that is free");
    if steps > 1 {
        let rows = block_on(reading.read_rows("t", &table)).expect("rows");
        assert_eq!(block_on(arrival.copy_rows("t", &table, rows)).expect("they are written"), 2);
        assert!(block_on(reading.read_rows("t", &table)).expect("no more").is_empty());
    }
    if steps > 2 {
        block_on(arrival.end_copy(&batch, &Landed::default())).expect("it is committed");
    }
}

#[test]
fn a_copy_that_is_cut_off_leaves_nothing() {
    let (from, to) = (World::new(), World::new());
    from.land(0, &rows(r#"[{"id":1,"v":"a"},{"id":2,"v":"b"}]"#)).expect("a first page");
    for steps in 1..=2 {
        copy(&from, &to, steps);
        assert_eq!(position(&mut to.open().expect("a connection")).expect("one").ordinal(), 0);
        let there = "SELECT count(*)::text FROM pg_namespace WHERE nspname IN ('shop', '_hasmore')";
        assert_eq!(to.query(there), "0\n", "{steps}");
    }
    copy(&from, &to, 3);
    assert_eq!(to.query("SELECT id, v FROM shop.t ORDER BY id"), "1 | a\n2 | b\n");
    let here = position(&mut from.open().expect("a connection")).expect("a position");
    let there = position(&mut to.open().expect("a connection")).expect("a position");
    assert_eq!((here.schema(), here.state()), (there.schema(), there.state()));
    let landed = to.land(10, &rows(r#"[{"id":2,"v":"c"}]"#)).expect("it goes on there");
    assert_eq!(landed.tables["t"].updated, 1);
}

#[test]
fn what_lands_meanwhile_is_not_in_the_copy() {
    let (from, to) = (World::new(), World::new());
    from.land(0, &rows(r#"[{"id":1,"v":"a"},{"id":2,"v":"b"}]"#)).expect("a first page");
    let mut source = from.open().expect("a connection");
    let mut reading = block_on(source.begin_reading()).expect("a view");
    let held = block_on(reading.position()).expect("a position");
    from.land(1, &rows(r#"[{"id":3,"v":"c"}]"#)).expect("a page meanwhile");
    let table = held.schema().tables["t"].clone();
    let batch = Batch::migrate(&held, &World::run(9));
    let mut goal = to.open().expect("a connection");
    let mut arrival = block_on(goal.begin_copy(&batch)).expect("a place that is free");
    let rows = block_on(reading.read_rows("t", &table)).expect("rows");
    assert_eq!(block_on(arrival.copy_rows("t", &table, rows)).expect("they are written"), 2);
    block_on(arrival.end_copy(&batch, &Landed::default())).expect("it is committed");
    assert_eq!(to.query("SELECT count(*) FROM shop.t"), "2\n");
}
