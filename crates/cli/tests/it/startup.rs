//! How long it takes from the start of the process to the first byte at the function.

use std::time::{Duration, Instant};

use crate::support::{FakeFunction, Hasmore, page};

/// About 40 ms on an idle machine, which the test prints; a busy one is given room, so that only
/// something slow that was put before the first call fails it.
#[test]
fn nothing_slow_comes_before_the_first_request() {
    const TRIES: usize = 8;
    const SLOW: Duration = Duration::from_millis(500);
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start(vec![page(r#"[{"id":1}]"#, "{}", false); TRIES]);
    let mut best = Duration::MAX;
    for number in 0..TRIES {
        // A file that is there, so that a position has to be read: the first sync needs less.
        let began_at = Instant::now();
        Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
        best = best.min(function.received()[number].at - began_at);
    }
    eprintln!("from the start to the first request: {best:?}");
    assert!(best < SLOW, "{best:?}");
}
