//! A batch lands once, whole, and only where it was planned.

use engine::{Batch, DestinationError};
use expect_test::expect;
use protocol::{State, SyncId};

use crate::conformance::Storage;
use crate::conformance::bench::{Bench, print_counts};

pub fn counts_say_what_happened_to_each_row<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    let first =
        bench.sync(&[r#"[{"id":1,"a":"x"},{"id":2,"a":"y"},{"id":3,"a":null},{"id":1,"a":"z"}]"#]);
    let again = bench.sync(&[r#"[{"id":1,"a":"z"},{"id":2,"a":"Y"},{"id":3},{"id":4}]"#]);
    let wider = bench.sync(&[r#"[{"id":1,"a":"z","n":null},{"id":2,"a":"Y","n":1}]"#]);
    let widened = bench.sync(&[r#"[{"id":2,"a":"Y","n":1},{"id":5,"n":0.5}]"#]);
    let mixed = bench.sync(&[
        r#"{"insert":{"t":[{"id":1,"a":"z"}],"k":[{"b":1},{"b":1}]},"delete":{"t":[{"id":2},{"id":9}]}}"#,
    ]);
    let revived = bench.sync(&[r#"[{"id":2,"a":"Y","n":1}]"#]);
    let counts = [first, again, wider, widened, mixed, revived].map(|landed| print_counts(&landed));
    expect![[r#"
        t: 3 inserted
        t: 1 inserted, 1 updated, 2 unchanged
        t: 1 updated, 1 unchanged
        t: 1 inserted, 1 unchanged
        k: 2 inserted
        t: 1 unchanged, 1 deleted
        t: 1 updated
    "#]]
    .assert_eq(&counts.concat());
}

pub fn a_replayed_batch_is_moved_and_changes_nothing<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1}]"#]);
    bench.begin_sync();
    let batch = bench.join(&[
        r#"{"insert":{"t":[{"id":1,"new":"x"}],"k":[{"a":1},{"a":1}]},"delete":{"t":[{"id":1}]},"softDelete":["t"]}"#,
    ]);
    bench.commit(&batch).expect("the batch lands");
    let before = (bench.print("t"), bench.print("k"), bench.position());
    for _ in 0..2 {
        let moved = DestinationError::Moved { expected: 1, found: 2 };
        assert_eq!(bench.commit(&batch), Err(moved));
        bench.close();
    }
    assert_eq!((bench.print("t"), bench.print("k"), bench.position()), before);
}

pub fn a_rival_is_fenced<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    let first = bench.position();
    bench.begin_sync();
    let slow = bench.plan(r#"{"insert":{"k":[{"a":"slow"}],"s":[{"b":1}]}}"#, true, &first);
    bench.begin_sync();
    let fast = bench.plan(r#"{"insert":{"k":[{"a":"fast"}]}}"#, true, &first);
    bench.commit(&fast).expect("the first to commit lands");
    let moved = DestinationError::Moved { expected: 0, found: 1 };
    assert_eq!(bench.commit(&slow), Err(moved));
    assert_eq!(bench.read("s"), None);
    assert_eq!(bench.position().committed_by(), &SyncId("sync-2".into()));
    bench.check(
        "k",
        expect![[r#"
        a string | _fivetran_synced instant | _fivetran_batch instant | _fivetran_index long
        fast | sync 2 | sync 2 | 0
    "#]],
    );
    let ahead = bench.join(&[r#"{"insert":{"k":[{"a":1}]}}"#]);
    let further = bench.plan(r#"{"insert":{"k":[{"a":2}]}}"#, true, ahead.leaves());
    let moved = DestinationError::Moved { expected: 2, found: 1 };
    assert_eq!(bench.commit(&further), Err(moved), "a batch must not skip the one before it");
}

pub fn the_same_position_is_found_again<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    assert_eq!(bench.position(), engine::Position::default());
    bench.begin_sync();
    let batch = bench.join(&[
        r#"{"insert":{"t":[{"id":1,"n":0.5,"o":{}}],"k":[{"a":1}]},"schema":{"t":{"primary_key":["id"]},"later":{"primary_key":["x","y"]}},"delete":{"t":[{"id":2}]}}"#,
        r#"{"insert":{"k":[{"a":"x"}]},"softDelete":["t","k"]}"#,
    ]);
    bench.commit(&batch).expect("the batch lands");
    assert_eq!(&bench.position(), batch.leaves());
    bench.close();
    assert_eq!(&bench.position(), batch.leaves());
    bench.begin_sync();
    let unfinished = bench.plan(r#"{"softDelete":["t"]}"#, false, batch.leaves());
    bench.commit(&unfinished).expect("the batch lands");
    bench.close();
    assert_eq!(&bench.position(), unfinished.leaves());
    assert!(bench.position().chain().is_some());
}

pub fn an_operator_edits_the_state_through_the_same_door<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    bench.sync(&[r#"[{"id":1}]"#]);
    let position = bench.position();
    bench.begin_sync();
    let under_way = bench.plan(r#"[{"id":2}]"#, true, &position);
    bench.begin_sync();
    let state = State::from_json(r#"{"cursor": 1.0}"#).expect("a state");
    let edit = Batch::set_state(&position, state.clone(), &bench.run());
    bench.commit(&edit).expect("an edit lands");
    assert!(matches!(bench.commit(&under_way), Err(DestinationError::Moved { .. })));
    bench.close();
    let found = bench.position();
    assert_eq!((found.state(), found.ordinal()), (&state, 2));
    bench.begin_sync();
    let resync = Batch::resync(&found, &engine::Resync::default(), &bench.run());
    bench.commit(&resync).expect("a resync lands");
    assert_eq!((bench.position().state(), bench.position().ordinal()), (&State::default(), 3));
    bench.check(
        "t",
        expect![[r#"
        id long | _fivetran_synced instant
        1 | sync 1
    "#]],
    );
}

pub fn a_batch_without_rows_moves_the_position<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    let landed =
        bench.sync(&["{}", r#"{"insert":{"t":[]},"schema":{"t":{"primary_key":["id"]}}}"#]);
    assert_eq!((print_counts(&landed).as_str(), bench.position().ordinal()), ("", 2));
    assert_eq!(bench.read("t"), None);
    bench.sync(&[r#"{"insert":{"t":[{"id":1},{"id":1}]}}"#]);
    bench.check(
        "t",
        expect![[r#"
        id long | _fivetran_synced instant
        1 | sync 2
    "#]],
    );
}

pub fn states_come_back_byte_for_byte<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    let long = format!(r#"{{"seen":[{}1]}}"#, "1,".repeat(100_000));
    for state in [
        r#"{"a":9007199254740993,"b":1.0}"#,
        r#"{ "b" : 1 ,"a":[ ], "b": 2, "\u0000": "it's \"\u00e9\" \ud83e\udd80 é" }"#,
        r#""2020-01-01""#,
        "[]",
        "0",
        &long,
    ] {
        let state = State::from_json(state).expect("a state");
        let position = bench.position();
        bench.begin_sync();
        let edit = Batch::set_state(&position, state.clone(), &bench.run());
        bench.commit(&edit).expect("an edit lands");
        bench.close();
        assert_eq!(bench.position().state().as_json(), state.as_json());
    }
}
