//! The one place that asks what time it is, and that draws a new sync id.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::Timestamp;
use protocol::SyncId;

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A fresh UUID, one for each sync (F-007).
pub(crate) fn new_sync_id() -> SyncId {
    SyncId(uuid::Uuid::new_v4().to_string())
}

/// `2023-07-07T09:56:43.688Z`: always three digits, so that lines sort.
pub(crate) fn milliseconds_text(moment: Timestamp) -> String {
    let text = moment.to_milliseconds().to_string();
    let seconds = text.trim_end_matches('Z');
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    format!("{seconds}.{fraction:0<3.3}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_three_digits() {
        let check = |micros, expected: &str| {
            assert_eq!(milliseconds_text(Timestamp(micros)), expected);
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(1_500_999, "1970-01-01T00:00:01.500Z");
        check(1_688_723_803_688_000, "2023-07-07T09:56:43.688Z");
    }
}
