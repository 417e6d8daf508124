//! The single values of a state, and whether one of them is a time.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::observation::{Call, Row};

/// One value inside a state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf {
    /// A string's characters, or the literal.
    pub(crate) text: String,
    pub(crate) number: Option<f64>,
    /// Microseconds since 1970, if it reads as a time.
    pub(crate) moment: Option<i64>,
    /// `null` or an empty string.
    pub(crate) is_empty: bool,
}

/// Two clocks of one machine, and the way from one to the other.
const SLACK: i64 = 2_000_000;

/// The values of a state by their places: `state.orders.cursor`.
pub(crate) fn leaves(state: &str) -> BTreeMap<String, Leaf> {
    let mut found = BTreeMap::new();
    if let Ok(json) = serde_json::from_str(state) {
        collect("state", &json, &mut found);
    }
    found
}

fn collect(place: &str, json: &Value, found: &mut BTreeMap<String, Leaf>) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                collect(&format!("{place}.{name}"), value, found);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                collect(&format!("{place}[{index}]"), value, found);
            }
        }
        scalar => {
            found.insert(place.to_owned(), Leaf::of(scalar));
        }
    }
}

impl Leaf {
    fn of(scalar: &Value) -> Leaf {
        let text = scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned);
        Leaf {
            number: scalar.as_f64(),
            moment: moment(scalar),
            is_empty: scalar.is_null() || text.is_empty(),
            text,
        }
    }

    /// Whether a URL or a body names it; a time in any of the forms that times have.
    pub(crate) fn is_named_in(&self, text: &str) -> bool {
        let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
        let is_short = self.text.len() < 4;
        if !is_short && text.contains(&self.text) {
            return true;
        }
        let Some(moment) = self.moment else { return false };
        let words = text.split(['&', '=', '?', '"', ',', ' ', '{', '}', '/']);
        words.filter(|word| word.len() >= 10).any(|word| {
            let same = |other: i64| (other - moment).abs() < 1_000_000;
            iso(word).is_some_and(same) || word.starts_with(&(moment / 1_000_000).to_string())
        })
    }

    /// Whether it is the time of the call rather than of anything in its rows, perhaps cut to the minute
    /// or the hour.
    pub(crate) fn is_clock(&self, call: &Call) -> bool {
        let Some(moment) = self.moment else { return false };
        let during = call.started_at - SLACK..=call.ended_at() + SLACK;
        let cut = |unit: i64| moment == call.started_at - call.started_at.rem_euclid(unit);
        during.contains(&moment) || cut(60_000_000) || cut(3_600_000_000)
    }
}

/// Values that occur in rows.
#[derive(Default)]
pub(crate) struct Seen {
    texts: HashSet<String>,
    moments: HashSet<i64>,
}

impl Seen {
    pub(crate) fn add(&mut self, row: &Row) {
        for text in row.values() {
            let Ok(json) = serde_json::from_str::<Value>(text) else { continue };
            let mut values = BTreeMap::new();
            collect("", &json, &mut values);
            for leaf in values.into_values() {
                self.moments.extend(leaf.moment);
                self.texts.insert(leaf.text);
            }
        }
    }

    pub(crate) fn of<'rows>(rows: impl Iterator<Item = &'rows Row>) -> Seen {
        let mut seen = Seen::default();
        rows.for_each(|row| seen.add(row));
        seen
    }

    pub(crate) fn has(&self, leaf: &Leaf) -> bool {
        self.texts.contains(&leaf.text)
            || leaf.moment.is_some_and(|moment| self.moments.contains(&moment))
    }
}

fn moment(scalar: &Value) -> Option<i64> {
    match scalar {
        Value::Number(number) => epoch(number.as_f64()?),
        Value::String(text) => iso(text).or_else(|| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            digits.then(|| text.parse().ok().and_then(epoch)).flatten()
        }),
        _ => None,
    }
}

/// Seconds or milliseconds between 2000 and 2100.
#[expect(clippy::cast_possible_truncation, reason = "it is in range")]
fn epoch(number: f64) -> Option<i64> {
    const SECONDS: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;
    [1.0, 1e3, 1e6]
        .into_iter()
        .find_map(|unit| SECONDS.contains(&(number / unit)).then_some((number / unit * 1e6) as i64))
}

/// `2024-01-31T10:00:00.123+01:00`, with a space for the T, without a zone (then UTC), or the day alone.
fn iso(text: &str) -> Option<i64> {
    let part = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let sign = |at: usize, signs: &[u8]| text.as_bytes().get(at).is_some_and(|b| signs.contains(b));
    if !sign(4, b"-") || !sign(7, b"-") {
        return None;
    }
    let days = days_since_1970(part(0..4)?, part(5..7)?, part(8..10)?);
    if text.len() == 10 {
        return Some(days * 86_400_000_000);
    }
    if !sign(10, b"T ") || !sign(13, b":") {
        return None;
    }
    let (hour, minute) = (part(11..13)?, part(14..16)?);
    let mut rest = text.get(16..)?;
    let mut micros = (days * 86_400 + hour * 3600 + minute * 60) * 1_000_000;
    if let Some(seconds) = rest.strip_prefix(':') {
        micros += seconds.get(..2)?.parse::<i64>().ok()? * 1_000_000;
        rest = &seconds[2..];
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        micros += format!("{:0<6.6}", &fraction[..digits]).parse::<i64>().ok()?;
        rest = &fraction[digits..];
    }
    match rest {
        "" | "Z" | "z" => Some(micros),
        zone => {
            let hours: i64 = zone.get(1..3)?.parse().ok()?;
            let minutes: i64 = zone.get(3..)?.trim_start_matches(':').parse().unwrap_or(0);
            let ahead = (hours * 60 + minutes) * 60_000_000;
            match zone.as_bytes()[0] {
                b'+' => Some(micros - ahead),
                b'-' => Some(micros + ahead),
                _ => None,
            }
        }
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_usual_form() {
        for (json, expected) in [
            (r#""2024-01-31T10:00:00Z""#, Some(1_706_695_200_000_000)),
            (r#""2024-01-31 10:00:00""#, Some(1_706_695_200_000_000)),
            (r#""2024-01-31T11:00:00.5+01:00""#, Some(1_706_695_200_500_000)),
            (r#""2024-01-31T10:00""#, Some(1_706_695_200_000_000)),
            (r#""2024-01-31""#, Some(1_706_659_200_000_000)),
            ("1706695200", Some(1_706_695_200_000_000)),
            ("1706695200000", Some(1_706_695_200_000_000)),
            (r#""1706695200""#, Some(1_706_695_200_000_000)),
            ("17", None),
            (r#""abcd-ef-gh""#, None),
            (r#""""#, None),
        ] {
            let json: Value = serde_json::from_str(json).expect("JSON");
            assert_eq!(moment(&json), expected, "{json}");
        }
    }

    #[test]
    fn leaves_have_places() {
        let found = leaves(r#"{"a":{"b":null},"c":[1,"x"]}"#);
        let places: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(places, ["state.a.b", "state.c[0]", "state.c[1]"]);
        assert!(found["state.a.b"].is_empty);
    }
}
