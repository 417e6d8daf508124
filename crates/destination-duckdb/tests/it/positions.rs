//! States, ordinals and their history.

use engine::{Batch, HISTORY_COMMITS_MAX, Position};
use expect_test::expect;
use protocol::State;

use crate::support::{World, commit, position, rows, told};

#[test]
fn f_003_a_position_comes_back_as_it_was_committed() {
    let world = World::new();
    let mut destination = world.open();
    assert_eq!(position(&mut destination), Position::default());
    let page = r#"{"state":{"a":9007199254740993,  "b":1.0,"c":"é\u0000\\"},"insert":{"t":[{"id":1,"f":0.5}],"u":[{"x":1}]},
        "schema":{"t":{"primary_key":["id"]}},"softDelete":["t"],"hasMore":true}"#;
    let batch = world.plan(0, page, &Position::default());
    commit(&mut destination, &batch).expect("a page that fits");
    assert_eq!(&position(&mut destination), batch.leaves());
    drop(destination);
    let reopened = position(&mut world.open());
    assert_eq!(&reopened, batch.leaves());
    assert_eq!(reopened.state().as_json(), r#"{"a":9007199254740993,  "b":1.0,"c":"é\u0000\\"}"#);
}

#[test]
fn the_history_tells_every_commit_the_newest_first() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1},{"id":2}]"#, "id")).expect("a page that fits");
    world.land(1, &rows(r#"[{"id":1,"a":1}]"#, "id")).expect("a page that fits");
    let mut destination = world.open();
    let state = State::from_json(r#"{"by":"hand"}"#).expect("JSON");
    let edit = Batch::set_state(&position(&mut destination), state, &world.run(2));
    commit(&mut destination, &edit).expect("a batch without rows");
    let mut out = String::new();
    for entry in destination.history().expect("a history") {
        let (sync, state) = (&entry.sync_id.0, entry.state.as_json());
        let landed = told(&Ok(entry.landed.clone()));
        out.push_str(&format!("{} {sync} {state} {landed}\n", entry.ordinal));
        assert!(entry.committed_at.0 > 1_700_000_000_000_000, "the time of the commit is kept");
    }
    expect![[r#"
        3 sync-2 {"by":"hand"} 
        2 sync-1 {"at":1} t: 1 updated
        1 sync-0 {"at":1} t: 2 inserted
    "#]]
    .assert_eq(&out);
}

#[test]
fn the_history_is_bounded() {
    let world = World::new();
    let mut destination = world.open();
    let mut held = Position::default();
    for _ in 0..HISTORY_COMMITS_MAX + 5 {
        let batch = world.plan(0, r#"{"state":{},"hasMore":true}"#, &held);
        commit(&mut destination, &batch).expect("a batch without rows");
        held = batch.leaves().clone();
    }
    let history = destination.history().expect("a history");
    assert_eq!(history.len() as u64, HISTORY_COMMITS_MAX);
    assert_eq!(history[0].ordinal, HISTORY_COMMITS_MAX + 5);
}

#[test]
fn a_failed_commit_leaves_position_rows_and_types_as_they_were() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1,"a":1}]"#, "id")).expect("a first page");
    world.by_hand("CREATE TABLE shop.u (x INT)");
    // The column is widened and the row written before the second table is found to be another's.
    let page = r#"{"state":{"at":2},"insert":{"t":[{"id":1,"a":"text"},{"id":2}],"u":[{"x":1}]},"hasMore":true}"#;
    let before = position(&mut world.open());
    let mut out = told(&world.land(1, page)) + "\n";
    assert_eq!(position(&mut world.open()), before);
    world.by_hand("DROP TABLE shop.u");
    out.push_str(&told(&world.land(1, page)));
    out.push('\n');
    out.push_str(&world.query("SELECT id, a, typeof(a) FROM shop.t ORDER BY id"));
    expect![[r#"
        unmanaged_table: destination refused: table shop.u is there already, and was not made by this connection
        t: 1 inserted, 1 updated; u: 1 inserted
        1 | text | VARCHAR
        2 | NULL | VARCHAR
    "#]].assert_eq(&out);
}
