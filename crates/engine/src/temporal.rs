//! Dates and times as text: read strictly, written canonically.
//!
//! Only what can be given back is read: four-digit years, `T` between date and time, seconds, at most
//! six significant digits after the second. Anything else stays a string.

/// What a text is, when it is a date or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temporal {
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00, in no zone.
    DateTime(i64),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Instant(i64),
    /// A date outside the years 0001 to 9999, which becomes NULL (F-181).
    DateOutOfRange,
    DateTimeOutOfRange,
    InstantOutOfRange,
}

const DAY_MICROS: i64 = 86_400_000_000;
/// 0001-01-01T00:00:00 in microseconds.
const FIRST: i64 = -62_135_596_800_000_000;
/// The microsecond before 10000-01-01T00:00:00.
const LAST: i64 = 253_402_300_799_999_999;

/// Reads a whole text as a date or a time; `None` when it is neither.
pub(crate) fn read(text: &[u8]) -> Option<Temporal> {
    // Most strings are told apart here: a year of four digits or more and a dash.
    if text.len() < 10 || !text[0].is_ascii_digit() {
        return None;
    }
    let year_digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(4..=6).contains(&year_digits) {
        return None;
    }
    let year = number(&text[..year_digits])?;
    let rest = &text[year_digits..];
    let [b'-', m1, m2, b'-', d1, d2, after @ ..] = rest else { return None };
    let (month, day) = (number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let in_range = (1..=9999).contains(&year) && year_digits == 4;
    let days = days_from_civil(year, month, day);
    let [b'T', time @ ..] = after else {
        return match (after.is_empty(), in_range) {
            (true, true) => {
                Some(Temporal::Date(i32::try_from(days).expect("years have at most six digits")))
            }
            (true, false) => Some(Temporal::DateOutOfRange),
            (false, _) => None,
        };
    };
    let (micros, zone) = time_of_day(time)?;
    let local = days * DAY_MICROS + micros;
    Some(match zone_minutes(zone)? {
        None if in_range => Temporal::DateTime(local),
        None => Temporal::DateTimeOutOfRange,
        Some(minutes) => {
            let instant = local - minutes * 60_000_000;
            if in_range && (FIRST..=LAST).contains(&instant) {
                Temporal::Instant(instant)
            } else {
                Temporal::InstantOutOfRange
            }
        }
    })
}

/// `HH:MM:SS` with an optional fraction: microseconds, and what follows.
fn time_of_day(text: &[u8]) -> Option<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = ((hour * 60 + minute) * 60 + second) * 1_000_000;
    let Some((b'.', fraction)) = rest.split_first() else { return Some((micros, rest)) };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let mut unit = 100_000;
    for digit in &fraction[..digits] {
        let digit = i64::from(digit - b'0');
        // A digit that microseconds cannot hold: the text stays a string, so that none is lost.
        if unit == 0 && digit != 0 {
            return None;
        }
        micros += digit * unit;
        unit /= 10;
    }
    Some((micros, &fraction[digits..]))
}

/// Minutes east of UTC; `Some(None)` where there is no zone, `None` where it is none.
#[allow(clippy::option_option, reason = "no zone, and no zone that can be read")]
fn zone_minutes(text: &[u8]) -> Option<Option<i64>> {
    let (sign, digits) = match text {
        [] => return Some(None),
        [b'Z'] => return Some(Some(0)),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [h1, h2] => (number(&[*h1, *h2])?, 0),
        [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => (number(&[*h1, *h2])?, number(&[*m1, *m2])?),
        _ => return None,
    };
    (hours <= 18 && minutes <= 59).then_some(Some(sign * (hours * 60 + minutes)))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The reverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// `YYYY-MM-DD`.
pub(crate) fn date_text(days: i32) -> String {
    let (year, month, day) = civil_from_days(days.into());
    format!("{year:04}-{month:02}-{day:02}")
}

/// `YYYY-MM-DDTHH:MM:SS`, with as many digits after the second as it needs.
pub(crate) fn date_time_text(micros: i64) -> String {
    let (days, in_day) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
    let (year, month, day) = civil_from_days(days);
    let (seconds, fraction) = (in_day / 1_000_000, in_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction == 0 {
        return text;
    }
    format!("{text}.{fraction:06}").trim_end_matches('0').to_owned()
}

/// As [`date_time_text`], with `Z` (Dec-57).
pub(crate) fn instant_text(micros: i64) -> String {
    date_time_text(micros) + "Z"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let read = read(text.as_bytes()).map(|read| match read {
            Temporal::Date(days) => date_text(days),
            Temporal::DateTime(micros) => date_time_text(micros),
            Temporal::Instant(micros) => instant_text(micros),
            out_of_range => format!("{out_of_range:?}"),
        });
        assert_eq!(read.as_deref(), expected, "{text}");
    }

    #[test]
    fn f_169_f_170_f_171_f_181_temporal_texts() {
        for (text, expected) in [
            ("2017-12-31", Some("2017-12-31")),
            ("2017-12-31T05:12:05Z", Some("2017-12-31T05:12:05Z")),
            ("2017-12-31T05:12:05+02:00", Some("2017-12-31T03:12:05Z")),
            ("2017-12-31T05:12:05-0730", Some("2017-12-31T12:42:05Z")),
            ("2017-12-31T23:12:05-01", Some("2018-01-01T00:12:05Z")),
            ("2017-12-31T05:12:05", Some("2017-12-31T05:12:05")),
            ("2017-12-31T05:12:05.120", Some("2017-12-31T05:12:05.12")),
            ("2017-12-31T05:12:05.123456000Z", Some("2017-12-31T05:12:05.123456Z")),
            ("2017-12-31T05:12:05.1234567Z", None),
            ("0001-01-01", Some("0001-01-01")),
            ("9999-12-31T23:59:59.999999Z", Some("9999-12-31T23:59:59.999999Z")),
            ("9999-12-31T23:59:59-00:01", Some("InstantOutOfRange")),
            ("0000-01-01", Some("DateOutOfRange")),
            ("10000-01-01", Some("DateOutOfRange")),
            ("10000-01-01T00:00:00", Some("DateTimeOutOfRange")),
            ("2024-02-29", Some("2024-02-29")),
            ("2023-02-29", None),
            ("2023-13-01", None),
            ("2023-1-01", None),
            ("2023-01-01 05:12:05", None),
            ("2023-01-01T05:12", None),
            ("2023-01-01T24:00:00", None),
            ("2023-01-01T05:12:60", None),
            ("2023-01-01T05:12:05.", None),
            ("2023-01-01T05:12:05z", None),
            ("2023-01-01T05:12:05+25:00", None),
            ("2023-01-01x", None),
            ("1234567-01-01", None),
            ("2023-01-0\u{e9}", None),
            ("", None),
        ] {
            check(text, expected);
        }
    }

    proptest! {
        #[test]
        fn any_instant_comes_back_from_its_text(micros in FIRST..=LAST) {
            prop_assert_eq!(read(instant_text(micros).as_bytes()), Some(Temporal::Instant(micros)));
            prop_assert_eq!(read(date_time_text(micros).as_bytes()), Some(Temporal::DateTime(micros)));
        }
    }
}
