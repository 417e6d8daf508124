//! How much comes between the start of the process and the first request at the function.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{FakeFunction, Hasmore, page};

/// CPU time of the process, which a busy machine stretches less than the clock. It is about 35 ms in
/// this build, half of them for linking DuckDB; `cargo xtask bench` holds the released build to 50 ms
/// of the clock.
const CPU_MAX: Duration = Duration::from_millis(100);
/// Room for a busy machine: only waiting for something fails it.
const WALL_MAX: Duration = Duration::from_millis(500);
const TRIES: usize = 8;

#[test]
fn nothing_slow_comes_before_the_first_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut cpu, mut wall) = (Duration::MAX, Duration::MAX);
    for _ in 0..TRIES {
        // From the second try on, a file is there and a position is read.
        let function = FakeFunction::start([page(r#"[{"id":1}]"#, "{}", false).held()]);
        let began_at = Instant::now();
        let running = Hasmore::sync(folder.path(), &function.url()).start();
        function.wait_for(1);
        cpu = cpu.min(cpu_time(running.process()));
        wall = wall.min(function.received()[0].at - began_at);
        function.release();
        running.end().expect_code(0);
    }
    eprintln!("before the first request: {cpu:?} of CPU, {wall:?} by the clock");
    assert!(cpu < CPU_MAX, "{cpu:?} of CPU");
    assert!(wall < WALL_MAX, "{wall:?} by the clock");
}

/// Of all threads of a process so far.
fn cpu_time(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    let nanoseconds = tasks.map(|task| {
        let path = task.expect("a thread").path().join("schedstat");
        // A thread may have ended meanwhile.
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanoseconds.sum())
}
