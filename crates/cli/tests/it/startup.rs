//! How long it takes from the start of the process to the first byte at the function.

use std::time::{Duration, Instant};

use crate::support::{FakeFunction, Hasmore, page};

/// Under 50 ms is what is asked for; the best of several tries says what the program needs, since the
/// machine may be busy.
#[test]
fn the_first_request_leaves_within_50_ms() {
    const TRIES: usize = 10;
    let folder = tempfile::tempdir().expect("a folder");
    let function = FakeFunction::start(vec![page(r#"[{"id":1}]"#, "{}", false); 2 * TRIES]);
    let mut times = Vec::new();
    for number in 0..TRIES {
        // First syncs and later ones: a position that is there must be read.
        let file = format!("{}.duckdb", number / 2);
        let began_at = Instant::now();
        Hasmore::new(folder.path())
            .args(["sync", "--url", &function.url(), "--to", &file, "--name", "orders"])
            .run()
            .expect_code(0);
        times.push(function.received()[number].at - began_at);
    }
    let best = times.iter().min().expect("some tries");
    eprintln!("start to first request: best {best:?}, all {times:?}");
    assert!(*best < Duration::from_millis(50), "{times:?}");
}
