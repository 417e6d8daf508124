//! How long it takes from the start of the process to the first byte at the function.

use std::time::{Duration, Instant};

use crate::support::{FakeFunction, Hasmore, page};

/// Under 50 ms is what is asked for. The machine may be busy with other tests, so the program has
/// several tries to show what it needs.
#[test]
fn the_first_request_leaves_within_50_ms() {
    const TRIES: usize = 50;
    const WANTED: Duration = Duration::from_millis(50);
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start(vec![page(r#"[{"id":1}]"#, "{}", false); TRIES]);
    let mut best = Duration::MAX;
    for number in 0..TRIES {
        // A file that is there, so that a position has to be read: the first sync needs less.
        let began_at = Instant::now();
        Hasmore::sync(folder.path(), &function.url()).run().expect_code(0);
        let took = function.received()[number].at - began_at;
        if number > 0 {
            best = best.min(took);
        }
        if number > 5 && best < WANTED {
            break;
        }
    }
    eprintln!("from the start to the first request: {best:?}");
    assert!(best < WANTED, "{best:?}");
}
