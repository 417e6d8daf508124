//! Typing from the outside: any bytes, and rows that serde_json reads as well.

mod chance;
mod fuzz;
mod oracle;

use std::sync::Arc;
use std::time::Duration;

use engine::{Limits, Options, Run, Timestamp};
use protocol::{CustomPayload, Secrets, SyncId};

/// How long bytes and rows are made up: `HASMORE_FUZZ_SECONDS`, else a few seconds.
fn time_to_spend() -> Duration {
    let seconds = std::env::var("HASMORE_FUZZ_SECONDS")
        .map_or(5, |seconds| seconds.parse().expect("HASMORE_FUZZ_SECONDS is a number of seconds"));
    Duration::from_secs(seconds)
}

fn run(options: Options) -> Run {
    Run {
        sync_id: SyncId("sync".to_owned()),
        started_at: Timestamp(1_700_000_000_000_000),
        clock: Arc::new(|| Timestamp(1_700_000_000_000_000)),
        agent: String::new(),
        secrets: Secrets::default(),
        custom_payload: CustomPayload::default(),
        options,
        limits: Limits::default(),
    }
}
