//! What a batch leaves for the next.

use super::*;

const MARKING: Resync = Resync { mark_missing: true, rebuild: false, table: None };

#[test]
fn f_108_the_next_sync_is_later_even_when_the_clock_is_not() {
    let first = plan(&rows(r#"[{"a":1}]"#, ""), &Position::default(), &run()).expect("a batch");
    let next =
        plan(&rows(r#"[{"a":1}]"#, ""), first.leaves(), &run_of("sync-2", 0)).expect("a batch");
    assert!(next.synced_at() > first.synced_at());
    assert_eq!(next.leaves().next_index["t"], 1);
}

#[test]
fn evidence_says_where_a_type_came_from() {
    let first = plan(
        &rows(r#"[{"id":1,"a":1},{"id":2,"a":0.5}]"#, r#""id""#),
        &Position::default(),
        &run(),
    )
    .expect("a batch");
    let next =
        plan(&rows(r#"[{"id":3,"a":2},{"id":4,"a":"x"}]"#, r#""id""#), first.leaves(), &run())
            .expect("a batch");
    let evidence = &next.leaves().schema().tables["t"].columns[1].evidence;
    let places: Vec<_> =
        evidence.iter().map(|one| (one.seen.iter().next(), one.page, one.row)).collect();
    assert_eq!(
        places,
        [
            (Some(Feature::Integer), 1, 1),
            (Some(Feature::Fraction), 1, 2),
            (Some(Feature::Text), 2, 2)
        ]
    );
}

#[test]
fn a_stored_position_comes_back() {
    let page = r#"{"state":{"a":1.0},"insert":{"t":[{"id":1,"a":0.5}],"k":[{"x":1}]},"schema":{"t":{"primary_key":["id"]},"later":{"primary_key":["x"]}},"softDelete":["t"],"hasMore":true}"#;
    let batch = plan(page, &Position::default(), &run()).expect("a batch");
    let left = batch.leaves();
    let back = Position::from_stored(
        left.state().clone(),
        left.ordinal(),
        left.committed_by().clone(),
        &left.stored(),
    );
    assert_eq!(back.as_ref(), Ok(left));
    let newer = left.stored().replace(r#""version":1"#, r#""version":99"#);
    assert!(Position::from_stored(State::default(), 1, SyncId::default(), &newer).is_err());
}

#[test]
fn set_state_and_resync_are_batches_without_rows() {
    let first =
        plan(&rows(r#"[{"id":1}]"#, r#""id""#), &Position::default(), &run()).expect("a batch");
    let edit = Batch::set_state(
        first.leaves(),
        State::from_json(r#"{"x":1}"#).expect("a state"),
        &run_of("edit", 1),
    );
    assert_eq!((edit.after(), edit.leaves().state().as_json(), edit.rows()), (1, r#"{"x":1}"#, 0));
    let taken_back = Batch::resync(edit.leaves(), &MARKING, &run_of("resync", 2));
    let edited = Batch::set_state(taken_back.leaves(), State::default(), &run_of("edit", 3));
    assert_eq!(edited.leaves().chain(), None);
    let resync = Batch::resync(edit.leaves(), &MARKING, &run_of("resync", 2));
    let last = r#"{"state":{},"insert":{"t":[{"id":2}]},"hasMore":false}"#;
    let next = plan(last, resync.leaves(), &run_of("sync-2", 3)).expect("a batch");
    assert_eq!(resync.leaves().state(), &State::default());
    assert_eq!(
        next.sweeps().cloned().collect::<Vec<_>>(),
        [crate::Sweep {
            table: "t".into(),
            before: next.synced_at(),
            verb: crate::SweepVerb::Mark,
            max_share: None,
        }]
    );
}

#[test]
fn f_151_naming_is_chosen_once() {
    let first = plan(&rows(r#"[{"id":1}]"#, ""), &Position::default(), &run()).expect("a batch");
    let mut other = run();
    other.options.naming = Naming::Source;
    let error =
        plan(&rows(r#"[{"id":1}]"#, ""), first.leaves(), &other).expect_err("names are kept");
    assert_eq!(error.code(), "naming_changed");
}
