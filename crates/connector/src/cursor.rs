//! What "since the last sync" means: values of a cursor compared, moved back, and written as an API wants them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::cmp::Ordering;

use crate::manifest::{CursorConfig, CursorFormat, CursorKind, Step};

/// A cursor's value: its text as it was read, and what it means.
#[derive(Clone, Debug)]
pub(crate) struct CursorValue {
    pub(crate) text: String,
    meaning: Meaning,
}

#[derive(Clone, Debug)]
enum Meaning {
    Timestamp(Timestamp),
    Date(Date),
    Integer,
    Opaque,
}

/// Why a value cannot be a cursor. The value itself is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is no {0}")]
pub(crate) struct NotACursor(&'static str);

/// Numbers of seconds do not get this large before the year 5138; numbers of milliseconds are this
/// large since March 1973.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

impl CursorValue {
    /// Reads a value of this kind.
    ///
    /// # Errors
    /// When the text is none.
    pub(crate) fn read(text: &str, kind: CursorKind) -> Result<CursorValue, NotACursor> {
        let meaning = match kind {
            CursorKind::Timestamp => {
                Meaning::Timestamp(timestamp(text).ok_or(NotACursor("timestamp"))?)
            }
            CursorKind::Date => {
                let day = text.get(..10).unwrap_or(text);
                Meaning::Date(day.parse().map_err(|_| NotACursor("date"))?)
            }
            CursorKind::Integer => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(NotACursor("whole number"));
                }
                Meaning::Integer
            }
            CursorKind::Opaque => Meaning::Opaque,
        };
        Ok(CursorValue { text: text.to_owned(), meaning })
    }

    /// The newer of two. Of opaque values the later one is the newer.
    #[must_use]
    pub(crate) fn newest(self, later: CursorValue) -> CursorValue {
        match self.compare(&later) {
            Ordering::Less => later,
            _ => self,
        }
    }

    /// Which is newer.
    pub(crate) fn compare(&self, other: &CursorValue) -> Ordering {
        match (&self.meaning, &other.meaning) {
            (Meaning::Timestamp(a), Meaning::Timestamp(b)) => a.cmp(b),
            (Meaning::Date(a), Meaning::Date(b)) => a.cmp(b),
            (Meaning::Integer, Meaning::Integer) => compare_integers(&self.text, &other.text),
            _ => Ordering::Less,
        }
    }

    /// As far before as `lookback` says; days round up, opaque values stay.
    #[must_use]
    pub(crate) fn before(&self, lookback: Step) -> CursorValue {
        if lookback.is_zero() {
            return self.clone();
        }
        let moved = match lookback {
            Step::Time(span) => self.moved(-signed(span.0)),
            Step::Numbers(count) => self.counted(-i128::from(count)),
        };
        moved.unwrap_or_else(|| self.clone())
    }

    /// As much after as `step` says; `None` where that has no meaning.
    pub(crate) fn after(&self, step: Step) -> Option<CursorValue> {
        match step {
            Step::Time(span) => self.moved(signed(span.0)),
            Step::Numbers(count) => self.counted(i128::from(count)),
        }
    }

    /// So many whole numbers further.
    fn counted(&self, by: i128) -> Option<CursorValue> {
        let Meaning::Integer = self.meaning else { return None };
        let number = self.text.parse::<i128>().ok()?.checked_add(by)?;
        Some(CursorValue { text: number.to_string(), meaning: Meaning::Integer })
    }

    fn moved(&self, by: SignedDuration) -> Option<CursorValue> {
        const DAY: i64 = 86_400;
        let meaning = match &self.meaning {
            Meaning::Timestamp(time) => Meaning::Timestamp(time.saturating_add(by).ok()?),
            Meaning::Date(date) => {
                let seconds = by.as_secs();
                let days = seconds.unsigned_abs().div_ceil(DAY.unsigned_abs());
                let days = i64::try_from(days).ok()? * seconds.signum();
                Meaning::Date(date.saturating_add(jiff::Span::new().try_days(days).ok()?))
            }
            Meaning::Integer | Meaning::Opaque => return None,
        };
        let text = match &meaning {
            // A number stays a number of the same unit.
            Meaning::Timestamp(time) => match self.text.parse::<i64>() {
                Ok(number) if number.abs() >= MILLISECONDS_FROM => {
                    time.as_millisecond().to_string()
                }
                Ok(_) => time.as_second().to_string(),
                Err(_) => time.to_string(),
            },
            Meaning::Date(date) => date.to_string(),
            Meaning::Integer | Meaning::Opaque => unreachable!("only times move"),
        };
        Some(CursorValue { text, meaning })
    }

    /// The text that an API wants. Without a wish it is the text as it was read.
    pub(crate) fn format(&self, format: Option<&CursorFormat>) -> String {
        let Some(format) = format else { return self.text.clone() };
        let time = match &self.meaning {
            Meaning::Timestamp(time) => *time,
            Meaning::Date(date) => match date.to_zoned(TimeZone::UTC) {
                Ok(midnight) => midnight.timestamp(),
                Err(_) => return self.text.clone(),
            },
            Meaning::Integer | Meaning::Opaque => return self.text.clone(),
        };
        match format {
            CursorFormat::Rfc3339 => time.to_string(),
            CursorFormat::Date => time.strftime("%Y-%m-%d").to_string(),
            CursorFormat::EpochSeconds => time.as_second().to_string(),
            CursorFormat::EpochMilliseconds => time.as_millisecond().to_string(),
            CursorFormat::Pattern(pattern) => time.strftime(pattern).to_string(),
        }
    }
}

fn signed(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// RFC 3339; without a zone it is UTC; a day is its midnight; numbers are seconds or milliseconds.
fn timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    if let Ok(number) = whole.parse::<i64>() {
        return if number.abs() >= MILLISECONDS_FROM {
            Timestamp::from_millisecond(number).ok()
        } else {
            Timestamp::from_second(number).ok()
        };
    }
    let civil: DateTime = text.parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Whole numbers of any length.
fn compare_integers(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let digits = digits.trim_start_matches('0').to_owned();
        (negative && !digits.is_empty(), digits)
    };
    let ((a_negative, a), (b_negative, b)) = (parts(a), parts(b));
    let by_size = a.len().cmp(&b.len()).then_with(|| a.cmp(&b));
    match (a_negative, b_negative) {
        (false, false) => by_size,
        (true, true) => by_size.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

impl CursorConfig {
    /// What its values are: as it says, or as `start` looks, or timestamps.
    pub(crate) fn kind(&self) -> CursorKind {
        if let Some(kind) = self.kind {
            return kind;
        }
        if self.from.is_some() {
            return CursorKind::Opaque;
        }
        let start = self.start.as_deref().unwrap_or_default();
        if self.format == Some(CursorFormat::Date) {
            return CursorKind::Date;
        }
        match CursorValue::read(start, CursorKind::Integer) {
            Ok(_) if start.len() < 9 && self.format.is_none() => CursorKind::Integer,
            _ => CursorKind::Timestamp,
        }
    }

    /// The start of the first sync.
    ///
    /// # Errors
    /// When it is none of its kind.
    pub(crate) fn first(&self) -> Result<Option<CursorValue>, NotACursor> {
        self.start.as_deref().map(|start| CursorValue::read(start, self.kind())).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, kind: CursorKind) -> CursorValue {
        CursorValue::read(text, kind).expect("a value")
    }

    /// Both orders give the same newest.
    fn check_newest(kind: CursorKind, old: &str, new: &str) {
        assert_eq!(value(old, kind).newest(value(new, kind)).text, new);
        assert_eq!(value(new, kind).newest(value(old, kind)).text, new);
    }

    #[test]
    fn the_newest_by_what_it_means_not_by_its_text() {
        check_newest(CursorKind::Timestamp, "2024-01-01T23:00:00+02:00", "2024-01-01T22:00:00Z");
        check_newest(CursorKind::Timestamp, "1704067200", "1704067200001");
        check_newest(CursorKind::Timestamp, "2024-01-01", "2024-01-01 00:00:00.000001");
        check_newest(CursorKind::Integer, "9", "10");
        check_newest(CursorKind::Integer, "-10", "-9");
        check_newest(
            CursorKind::Integer,
            "99999999999999999999999999999999999999999",
            "100000000000000000000000000000000000000000",
        );
        check_newest(CursorKind::Date, "2024-01-01", "2024-01-02T00:00:00Z");
    }

    #[test]
    fn an_equal_value_keeps_its_first_text() {
        let kept = value("2024-01-01T00:00:00Z", CursorKind::Timestamp);
        let same = value("2024-01-01T00:00:00.000Z", CursorKind::Timestamp);
        assert_eq!(kept.newest(same).text, "2024-01-01T00:00:00Z");
        let opaque = value("b", CursorKind::Opaque).newest(value("a", CursorKind::Opaque));
        assert_eq!(opaque.text, "a");
    }

    #[test]
    fn bounds_are_written_as_the_api_wants_them() {
        let time = value("2024-03-01T00:00:00.5Z", CursorKind::Timestamp);
        let write = |format: &str| time.format(Some(&format.parse().expect("a format")));
        assert_eq!(time.format(None), "2024-03-01T00:00:00.5Z");
        assert_eq!(write("epoch_s"), "1709251200");
        assert_eq!(write("epoch_ms"), "1709251200500");
        assert_eq!(write("date"), "2024-03-01");
        assert_eq!(write("%d/%m/%Y %H:%M"), "01/03/2024 00:00");
        let step = |text: &str| text.parse::<Step>().expect("a step");
        let back = time.before(step("1d"));
        assert_eq!(back.format(None), "2024-02-29T00:00:00.5Z");
        let day = value("2024-03-01", CursorKind::Date).before(step("1h"));
        assert_eq!(day.format(None), "2024-02-29");
        let id = value("1000", CursorKind::Integer);
        assert_eq!(id.before(step("10")).text, "990");
        assert_eq!(id.after(step("500")).map(|id| id.text).as_deref(), Some("1500"));
        assert!(id.after(step("1d")).is_none(), "numbers do not move by days");
    }

    #[test]
    fn what_is_no_value_is_refused_without_being_told() {
        let refused = CursorValue::read("soon", CursorKind::Timestamp).expect_err("no timestamp");
        assert_eq!(refused.to_string(), "the value is no timestamp");
        assert!(CursorValue::read("1.5", CursorKind::Integer).is_err());
        assert!(CursorValue::read("", CursorKind::Integer).is_err());
    }
}
