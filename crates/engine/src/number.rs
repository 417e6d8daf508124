//! Number literals: what they need of a type, and their value without a lost digit.

use std::cmp::Ordering;

use crate::shape::{Feature, Features, Shape};
use crate::value::{ColumnType, DECIMAL_DIGITS_MAX, fits_decimal};

/// Integers up to here are doubles, and so are all between; beyond, a double that prints as the integer
/// may still be another number.
const DOUBLE_EXACT_MAX: u64 = 1 << 53;
/// Decimals of so many significant digits come back from a double unchanged, within [`SAFE_POWERS`].
const DOUBLE_EXACT_DIGITS: usize = 15;
/// The most significant digits that the shortest text of a double has.
const DOUBLE_DIGITS_MAX: usize = 17;
/// Powers of ten at which a double has its full precision.
const SAFE_POWERS: std::ops::Range<i64> = -290..300;

/// The shape of a JSON number literal, and its value when that fits 64 bits.
pub(crate) fn read(literal: &str) -> (Shape, Option<i64>) {
    if let Some(long) = read_long(literal.as_bytes()) {
        return (long_shape(long), Some(long));
    }
    let decimal = Decimal::of(literal);
    let fraction = literal.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    // An integer beyond 64 bits is beyond 2^53 too: no double is taken for it (Dec-57).
    let features = match (fraction, decimal.is_double()) {
        (true, true) => Features::of(Feature::Fraction),
        (true, false) => Features::of(Feature::Fraction).union(Features::of(Feature::Inexact)),
        (false, _) => Features::of(Feature::BigInteger).union(Features::of(Feature::Inexact)),
    };
    (Shape { features, integer_digits: decimal.integer_digits(), scale: decimal.scale() }, None)
}

/// The shape of an integer of 64 bits.
pub(crate) fn long_shape(long: i64) -> Shape {
    let size = long.unsigned_abs();
    let rounded = size > DOUBLE_EXACT_MAX;
    let integer = Features::of(Feature::Integer);
    Shape {
        features: if rounded { integer.union(Features::of(Feature::Inexact)) } else { integer },
        integer_digits: size
            .checked_ilog10()
            .map_or(0, |log| u16::try_from(log + 1).expect("at most 19")),
        scale: 0,
    }
}

/// An integer literal that fits 64 bits. `-0` is 0.
fn read_long(literal: &[u8]) -> Option<i64> {
    let (negative, digits) = match literal {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 19 {
        return None;
    }
    let mut size: u64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Nineteen digits fit 64 bits without sign.
        size = size * 10 + u64::from(digit);
    }
    if negative { 0_i64.checked_sub_unsigned(size) } else { i64::try_from(size).ok() }
}

/// The nearest double. `-0.0` is 0, as `-0` is: a database holds them for one key, and so do we.
pub(crate) fn double(literal: &str) -> f64 {
    literal.parse::<f64>().expect("a JSON number is a Rust number") + 0.0
}

/// The value times ten to the power of `scale`, for a literal whose shape allows it.
pub(crate) fn decimal(literal: &str, scale: u8) -> i128 {
    Decimal::of(literal).scaled(scale)
}

/// The text of a number in a string or JSON column: the same whatever type the value went through, so
/// that a column widened later and one widened before hold equal texts. A literal that no number type
/// holds stays as it was written.
pub(crate) fn text(literal: &str) -> String {
    let (shape, long) = read(literal);
    if let Some(long) = long {
        return long.to_string();
    }
    match shape.column_type() {
        Some(ColumnType::Double) => double_text(double(literal)),
        Some(ColumnType::Decimal { scale }) => decimal_text(decimal(literal, scale), scale),
        _ => literal.to_owned(),
    }
}

/// The shortest digits that give the double back: plain where a decimal of 38 digits could hold them
/// (`0.1`, `1`, `10000000000000000`), else as `d.ddde±N` (`1e300`). Equal numbers have equal texts,
/// whatever their type, so a key widened to text still meets itself; a negative zero is `0`.
pub(crate) fn double_text(double: f64) -> String {
    let decimal = Decimal::of_double(double);
    if decimal.fits_decimal() { decimal.plain() } else { decimal.scientific() }
}

/// Plain digits without trailing zeros after the point: `9007199254740993`, `0.5`.
pub(crate) fn decimal_text(value: i128, scale: u8) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if value < 0 { "-" } else { "" };
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

/// Two literals as numbers, to the last digit.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (Decimal::of(left), Decimal::of(right));
    let signum = |decimal: &Decimal| match (decimal.digits.is_empty(), decimal.negative) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    };
    let size = left.magnitude.cmp(&right.magnitude).then_with(|| left.digits.cmp(&right.digits));
    match signum(&left).cmp(&signum(&right)) {
        Ordering::Equal if left.negative => size.reverse(),
        Ordering::Equal => size,
        unequal => unequal,
    }
}

/// An exponent beyond this is beyond every type; the literal then stays text.
const FAR: i64 = 1_000_000;

/// A literal as sign, significant digits and magnitude: `±0.DIGITS × 10^magnitude`.
struct Decimal {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: Vec<u8>,
    magnitude: i64,
}

impl Decimal {
    fn of(literal: &str) -> Decimal {
        let (negative, unsigned) = match literal.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, literal),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent =
            exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { -FAR } else { FAR });
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let leading = all.iter().take_while(|digit| **digit == b'0').count();
        let kept = all.iter().rposition(|digit| *digit != b'0').map_or(leading, |last| last + 1);
        let length = |count: usize| i64::try_from(count).expect("a text is shorter than 2^63");
        Decimal {
            negative,
            digits: all[leading..kept].to_vec(),
            magnitude: if leading == kept {
                0
            } else {
                exponent.clamp(-FAR, FAR) + length(whole.len()) - length(leading)
            },
        }
    }

    /// The shortest digits that give the double back; of two as near the even one, as databases,
    /// Python and JavaScript print it and the standard library does not.
    fn of_double(double: f64) -> Decimal {
        Decimal::of(ryu::Buffer::new().format_finite(double))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.digits).expect("digits are ASCII")
    }

    /// `-12.5`, `0.05`, `1000`.
    fn plain(&self) -> String {
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        let sign = if self.negative { "-" } else { "" };
        let scale = usize::from(self.scale());
        let zeros = "0".repeat(self.trailing_zeros() as usize);
        let digits = format!("{:0>width$}{zeros}", self.text(), width = scale + 1);
        match digits.split_at(digits.len() - scale) {
            (whole, "") => format!("{sign}{whole}"),
            (whole, fraction) => format!("{sign}{whole}.{fraction}"),
        }
    }

    /// `1.5e-40`, `1e300`.
    fn scientific(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let power = self.magnitude - 1;
        match self.text().split_at(1) {
            (first, "") => format!("{sign}{first}e{power}"),
            (first, rest) => format!("{sign}{first}.{rest}e{power}"),
        }
    }

    fn integer_digits(&self) -> u16 {
        u16::try_from(self.magnitude.max(0)).unwrap_or(u16::MAX / 2)
    }

    fn scale(&self) -> u16 {
        let length = i64::try_from(self.digits.len()).expect("a text is shorter than 2^63");
        u16::try_from((length - self.magnitude).max(0)).unwrap_or(u16::MAX / 2)
    }

    /// Whether the nearest double prints as the same number.
    fn is_double(&self) -> bool {
        if self.digits.len() <= DOUBLE_EXACT_DIGITS && SAFE_POWERS.contains(&self.magnitude) {
            return true;
        }
        if self.digits.len() > DOUBLE_DIGITS_MAX {
            return false;
        }
        let nearest = double(&format!("0.{}e{}", self.text(), self.magnitude));
        if !nearest.is_finite() || nearest == 0.0 {
            return false;
        }
        let printed = Decimal::of_double(nearest);
        printed.digits == self.digits && printed.magnitude == self.magnitude
    }

    fn fits_decimal(&self) -> bool {
        fits_decimal(self.integer_digits(), self.scale())
    }

    fn scaled(&self, scale: u8) -> i128 {
        assert!(
            self.integer_digits() + u16::from(scale) <= DECIMAL_DIGITS_MAX
                && self.scale() <= u16::from(scale),
            "the shape of a decimal column covers its values"
        );
        let digits = std::str::from_utf8(&self.digits).expect("digits are ASCII");
        let size: i128 =
            if digits.is_empty() { 0 } else { digits.parse().expect("at most 38 digits") };
        let size =
            size * 10_i128.pow(u32::from(scale) - u32::from(self.scale()) + self.trailing_zeros());
        if self.negative { -size } else { size }
    }

    /// Zeros between the last significant digit and the point.
    fn trailing_zeros(&self) -> u32 {
        let length = i64::try_from(self.digits.len()).expect("a text is shorter than 2^63");
        u32::try_from((self.magnitude - length).max(0)).expect("at most 38 digits")
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the very same number must come back")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_compare_as_numbers() {
        let ordered = [
            "-1e3",
            "-999.5",
            "-10",
            "-9.99",
            "-0.1",
            "-0.01",
            "0",
            "0.001",
            "0.0010000000001",
            "0.01",
            "1",
            "9",
            "9.1",
            "10",
            "99",
            "100",
            "1e3",
            "1000.5",
            "1e300",
        ];
        for (index, left) in ordered.iter().enumerate() {
            for (other, right) in ordered.iter().enumerate() {
                assert_eq!(compare(left, right), index.cmp(&other), "{left} and {right}");
            }
        }
        for (left, right) in [("0", "-0.0"), ("1.50", "15e-1"), ("0e9", "0"), ("-1.0", "-1")] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} and {right}");
        }
    }

    fn type_of(literal: &str) -> String {
        read(literal).0.column_type().expect("a number has a type").to_string()
    }

    #[test]
    fn f_165_f_166_f_167_every_literal_keeps_its_digits() {
        for (literal, expected_type, expected_text) in [
            ("0", "long", "0"),
            ("-0", "long", "0"),
            ("2147483648", "long", "2147483648"),
            ("9223372036854775807", "long", "9223372036854775807"),
            ("-9223372036854775808", "long", "-9223372036854775808"),
            ("9223372036854775808", "bigDecimal(38,0)", "9223372036854775808"),
            (
                "-99999999999999999999999999999999999999",
                "bigDecimal(38,0)",
                "-99999999999999999999999999999999999999",
            ),
            (
                "1234567890123456789012345678901234567890",
                "string",
                "1234567890123456789012345678901234567890",
            ),
            ("19.90", "double", "19.9"),
            ("10.0", "double", "10"),
            ("-0.0", "double", "0"),
            (
                "10000000000000000000000000000000000000000",
                "string",
                "10000000000000000000000000000000000000000",
            ),
            ("1E5", "double", "100000"),
            ("1e16", "double", "10000000000000000"),
            ("0.00015", "double", "0.00015"),
            ("0.000015", "double", "0.000015"),
            ("1e300", "double", "1e300"),
            ("5e-324", "double", "5e-324"),
            ("1e400", "string", "1e400"),
            ("1e-400", "string", "1e-400"),
            ("1e99999999999999999999", "string", "1e99999999999999999999"),
            ("9007199254740993.0", "bigDecimal(38,0)", "9007199254740993"),
            ("9007199254740993.10", "bigDecimal(38,1)", "9007199254740993.1"),
            ("0.1234567890123456789", "bigDecimal(38,19)", "0.1234567890123456789"),
            ("-0.05000000000000000000001", "bigDecimal(38,23)", "-0.05000000000000000000001"),
            (
                "0.12345678901234567890123456789012345678901",
                "string",
                "0.12345678901234567890123456789012345678901",
            ),
            (
                "123456789012345678901234567890e-10",
                "bigDecimal(38,9)",
                "12345678901234567890.123456789",
            ),
            ("0.30000000000000004", "double", "0.30000000000000004"),
            ("577497044504600.2", "double", "577497044504600.2"),
        ] {
            assert_eq!(
                (type_of(literal).as_str(), text(literal).as_str()),
                (expected_type, expected_text),
                "{literal}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_double_prints_and_reads_back(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            let literal = double_text(value);
            prop_assert_eq!(double(&literal), value);
            prop_assert_eq!(text(&literal).parse::<f64>().expect("a number"), value);
        }

        #[test]
        fn any_decimal_prints_and_reads_back(value in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0..=37_u8) {
            let literal = decimal_text(value, scale);
            prop_assert_eq!(decimal(&literal, scale), value, "{}", literal);
        }

        #[test]
        fn any_long_is_a_long(value: i64) {
            prop_assert_eq!(read(&value.to_string()).1, Some(value));
        }
    }
}
