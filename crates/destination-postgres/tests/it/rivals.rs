//! Several engines at once, and a server that goes away.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use engine::{Batch, ColumnPolicy, DestinationError, Landed, Policy, Salt, TablePolicy};
use postgres_cluster::{Cluster, FAST, RESTARTABLE, SUPERUSER};

use protocol::{Request, Response};

use crate::support::{World, commit, land_in, open, open_as, position, rows, told};

#[test]
fn two_engines_of_one_connection_never_interleave() {
    let world = World::new();
    world.land(0, &rows(r#"[{"id":1,"v":0}]"#)).expect("a first page");
    let land = |sync: u32| {
        let url = world.url();
        move || {
            let mut destination = open(&url).expect("a connection");
            let mut landed = 0;
            for _ in 0..30 {
                let page = rows(&format!(r#"[{{"id":1,"v":{sync}}},{{"id":2,"v":{sync}}}]"#));
                match land_in(&mut destination, sync, &page) {
                    Ok(_) => landed += 1,
                    Err(DestinationError::Moved { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            landed
        }
    };
    let rivals = [thread::spawn(land(1)), thread::spawn(land(2))];
    let landed: u64 = rivals.map(|rival| rival.join().expect("no deadlock")).iter().sum();
    let held = position(&mut world.open().expect("a connection")).expect("a position");
    assert_eq!(held.ordinal(), landed + 1);
}

#[test]
fn many_connections_begin_at_once() {
    let world = World::new();
    let begin = |number: u32| {
        let url = world.url();
        move || {
            let mut destination = open_as(&url, &format!("shop{number}")).expect("a connection");
            for sync in 0..3 {
                let page = rows(&format!(r#"[{{"id":{sync},"v{sync}":1}}]"#));
                land_in(&mut destination, sync, &page).expect("each lands");
            }
        }
    };
    let all: Vec<_> = (0..8).map(|number| thread::spawn(begin(number))).collect();
    for one in all {
        one.join().expect("none fails");
    }
    assert_eq!(world.query("SELECT count(*), sum(ordinal) FROM _hasmore.positions"), "8 | 24\n");
}

#[test]
fn a_commit_that_another_process_holds_up_is_told() {
    let mut world = World::new();
    world.land(0, &rows(r#"[{"id":1}]"#)).expect("a first page");
    let mut session = world.session(world.database());
    let held = "SELECT pg_advisory_lock(classid::int, objid::int) FROM (SELECT 1751217005 AS classid, \
                ('x' || left(encode(sha256('connection shop'), 'hex'), 8))::bit(32)::int AS objid) AS key";
    session.batch_execute(held).expect("a lock");
    world.settings = vec!["lock_timeout=200".into()];
    let refused = told(&world.land(1, &rows(r#"[{"id":2}]"#)));
    assert!(refused.starts_with("destination_locked: "), "{refused}");
    drop(session);
    assert_eq!(told(&world.land(1, &rows(r#"[{"id":2}]"#))), "t: 1 inserted");
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    let mut cluster = Cluster::start(&RESTARTABLE).expect("a cluster");
    let world = World::on(&cluster.url(SUPERUSER, "postgres"));
    let mut destination = world.open().expect("a connection");
    land_in(&mut destination, 0, &rows(r#"[{"id":1}]"#)).expect("a first page");
    let held = position(&mut destination).expect("a position");
    let batch = World::plan(0, &rows(r#"[{"id":2}]"#), &held);
    cluster.stop();
    let waiting = thread::spawn(move || {
        let first = commit(&mut destination, &batch);
        let after = position(&mut destination).expect("the server comes back");
        (first, after, commit(&mut destination, &batch))
    });
    thread::sleep(Duration::from_millis(500));
    cluster.restart().expect("it starts again");
    let (first, after, second) = waiting.join().expect("no panic");
    // A connection that is known to be lost is made again before anything is sent.
    if first.is_ok() {
        assert_eq!(after.ordinal(), held.ordinal() + 1);
        assert_eq!(second, Err(DestinationError::Moved { expected: 1, found: 2 }));
    } else {
        assert_eq!(after, held);
        assert_eq!(told(&second), "t: 1 inserted");
    }
    assert_eq!(world.query("SELECT count(*) FROM shop.t"), "2\n");
}

#[test]
fn a_server_that_is_not_there_is_told_at_once() {
    let mut cluster = Cluster::start(&FAST).expect("a cluster");
    let url = cluster.url(SUPERUSER, "postgres");
    cluster.stop();
    let refused = open(&url).map(|_| Landed::default());
    assert!(told(&refused).starts_with("destination_unavailable: "), "{}", told(&refused));
}

#[test]
fn a_commit_whose_answer_is_lost_is_found() {
    let world = World::new();
    let mut destination = world.open().expect("a connection");
    land_in(&mut destination, 0, &rows(r#"[{"id":1}]"#)).expect("a first page");
    let held = position(&mut destination).expect("a position");
    let batch = World::plan(0, &rows(r#"[{"id":2}]"#), &held);
    commit(&mut destination, &batch).expect("it lands");
    // As if the answer had been lost: the same batch again, on a position that has moved on.
    let again = commit(&mut destination, &batch);
    assert_eq!(again, Err(DestinationError::Moved { expected: 1, found: 2 }));
    assert_eq!(&position(&mut destination).expect("a position"), batch.leaves());
}

#[test]
fn dec_65_two_connections_that_begin_to_hash_at_once_have_one_salt() {
    let world = World::new();
    let hash = |salt: &str| {
        let columns = [("v".to_owned(), ColumnPolicy::Hash)].into();
        let table = TablePolicy { columns, ..TablePolicy::default() };
        let tables = [("t".to_owned(), table)].into();
        let policy = Policy { tables, salt: Salt(salt.to_owned()), ..Policy::default() };
        let mut run = World::run(0);
        run.options.policy = Arc::new(policy);
        run
    };
    let land = |name: &str, salt: &str| {
        let mut destination = open_as(&world.url(), name).expect("a connection");
        let held = position(&mut destination).expect("a position");
        let page = rows(r#"[{"id":1,"v":"ada"}]"#);
        let response = Response::from_json(page.into(), &Request::default()).expect("an answer");
        let batch = Batch::plan(response, &held, &hash(salt)).expect("a page");
        told(&commit(&mut destination, &batch))
    };
    assert_eq!(land("shop1", "one"), "t: 1 inserted");
    // It looked for a salt before the other landed, and so has one of its own.
    let refused = land("shop2", "another");
    assert!(refused.starts_with("another_salt: "), "{refused}");
    assert_eq!(world.query("SELECT count(*) FROM _hasmore.positions"), "1\n");
    assert_eq!(land("shop2", "one"), "t: 1 inserted");
    assert_eq!(world.query("SELECT a.v = b.v FROM shop1.t a, shop2.t b"), "t\n");
    assert_eq!(land("shop2", "another"), "t: 1 unchanged", "what is there is kept to");
}
