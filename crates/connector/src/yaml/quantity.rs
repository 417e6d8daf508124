//! Durations and sizes as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

/// A duration: `500ms`, `10s`, `15m`, `6h`, `1h 30m`, or `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A number of bytes: `1500`, `64 MB`, `6 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

const DURATION_UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        const WANTED: &str = "expected a duration such as 500ms, 10s, 15m, 6h or 1h 30m";
        let mut total = Some(0u64);
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Span(Duration::ZERO));
        }
        if rest.is_empty() {
            return Err(WANTED.into());
        }
        while !rest.is_empty() {
            let (number, after) = split_number(rest).ok_or(WANTED)?;
            let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, after) = after.split_at(unit_end);
            let milliseconds = unit_of(unit, DURATION_UNITS).ok_or(WANTED)?;
            total = total.zip(scale(number, milliseconds)).and_then(|(a, b)| a.checked_add(b));
            rest = after.trim_start();
        }
        total
            .map(|total| Span(Duration::from_millis(total)))
            .ok_or_else(|| "this duration is too long".into())
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        const WANTED: &str = "expected a size such as 1500, 64 MB or 6 MiB";
        let (number, unit) = split_number(text.trim()).ok_or(WANTED)?;
        let unit = if unit.is_empty() { "B" } else { unit };
        let bytes = unit_of(unit, SIZE_UNITS).ok_or(WANTED)?;
        scale(number, bytes).map(Size).ok_or_else(|| "this size is too large".into())
    }
}

/// The digits (with at most one point) that `text` begins with, and what follows.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    (digits > 0 && number.len() - digits <= 1).then_some((number, rest.trim_start()))
}

fn unit_of(unit: &str, units: &[(&str, u64)]) -> Option<u64> {
    units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor)
}

/// `number × factor`, whole; exact where a fraction such as `1.5` allows it.
fn scale(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
    let mut total = whole.checked_mul(factor)?;
    let mut place = factor;
    for digit in fraction.bytes() {
        place /= 10;
        total = total.checked_add(place.checked_mul(u64::from(digit - b'0'))?)?;
    }
    Some(total)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(self.0.as_millis(), DURATION_UNITS, "", f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(u128::from(self.0), SIZE_UNITS, " ", f)
    }
}

/// The number in the largest unit that leaves it whole.
fn write_in_units(
    number: u128,
    units: &[(&str, u64)],
    space: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let whole = |factor: u64| number > 0 && number.is_multiple_of(u128::from(factor));
    let (unit, factor) = units
        .iter()
        .filter(|(_, factor)| whole(*factor))
        .max_by_key(|(_, factor)| *factor)
        .unwrap_or(&units[0]);
    write!(f, "{}{space}{unit}", number / u128::from(*factor))
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        String::deserialize(from)?.parse().map_err(Error::custom)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Size, D::Error> {
        String::deserialize(from)?.parse().map_err(Error::custom)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": r"^\s*([0-9.]+\s*(ms|s|m|h|d)\s*)+$|^0$" },
                { "const": 0 }
            ],
            "examples": ["500ms", "10s", "15m", "6h", "1h 30m"]
        })
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "pattern": r"^\s*[0-9.]+\s*([kKmMgG][iI]?[bB]|[bB])?\s*$" },
                { "type": "integer", "minimum": 0 }
            ],
            "examples": [1500, "64 MB", "6 MiB"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr + fmt::Display>(text: &str, expected: &str)
    where
        T::Err: fmt::Display,
    {
        let found = match text.parse::<T>() {
            Ok(quantity) => quantity.to_string(),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        check::<Span>("10s", "10s");
        check::<Span>("1h 30m", "90m");
        check::<Span>("1.5h", "90m");
        check::<Span>("24H", "1d");
        check::<Span>("0", "0ms");
        check::<Span>("7 s", "7s");
        let wanted = "error: expected a duration such as 500ms, 10s, 15m, 6h or 1h 30m";
        for text in ["", "10", "s", "10 parsecs", "1..5s", "-1s"] {
            check::<Span>(text, wanted);
        }
        check::<Span>("99999999999999999999s", "error: this duration is too long");
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        check::<Size>("1500", "1500 B");
        check::<Size>("64 MB", "64 MB");
        check::<Size>("64MiB", "64 MiB");
        check::<Size>("1.5gb", "1500 MB");
        check::<Size>("0", "0 B");
        check::<Size>("5 apples", "error: expected a size such as 1500, 64 MB or 6 MiB");
        check::<Size>("99999999999999 GB", "error: this size is too large");
    }
}
