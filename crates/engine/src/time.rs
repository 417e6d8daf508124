use std::fmt;

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment cut to whole milliseconds, as `_fivetran_synced` is kept (Dec-41).
    #[must_use]
    pub fn to_milliseconds(self) -> Timestamp {
        Timestamp(self.0.div_euclid(1000) * 1000)
    }

    /// Time since an earlier moment, zero if it is not earlier.
    pub fn since(self, earlier: Timestamp) -> std::time::Duration {
        std::time::Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

/// ISO 8601 with `Z`, the text form of an instant.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::temporal::instant_text(self.0))
    }
}
