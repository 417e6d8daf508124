//! Number literals and dates, read with nothing but their text: slow and plain.

use engine::{DECIMAL_DIGITS_MAX, DECIMAL_SCALE_MAX};

/// A number: its digits without zeros at either end, and the power of ten before the first of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Number {
    pub(crate) literal: String,
    negative: bool,
    digits: String,
    magnitude: i64,
}

impl Number {
    pub(crate) fn read(literal: &str) -> Number {
        let lower = literal.to_ascii_lowercase();
        let negative = lower.starts_with('-');
        let (mantissa, exponent) = lower
            .trim_start_matches('-')
            .split_once('e')
            .unwrap_or((lower.trim_start_matches('-'), "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.trim_start_matches('+').parse().expect("exponents are small");
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let point = i64::try_from(whole.len()).expect("short") + exponent;
        let magnitude = point - i64::try_from(all.len() - significant.len()).expect("short");
        let digits = significant.trim_end_matches('0').to_owned();
        let magnitude = if digits.is_empty() { 0 } else { magnitude };
        Number { literal: literal.to_owned(), negative, digits, magnitude }
    }

    pub(crate) fn is_integer_literal(&self) -> bool {
        !self.literal.contains(['.', 'e', 'E'])
    }

    pub(crate) fn is_long(&self) -> bool {
        self.is_integer_literal() && self.literal.parse::<i64>().is_ok()
    }

    /// Digits before the point.
    pub(crate) fn integer_digits(&self) -> i64 {
        self.magnitude.max(0)
    }

    /// Digits after the point.
    pub(crate) fn scale(&self) -> i64 {
        (i64::try_from(self.digits.len()).expect("short") - self.magnitude).max(0)
    }

    pub(crate) fn fits_decimal(&self) -> bool {
        fits_decimal(self.integer_digits(), self.scale())
    }

    pub(crate) fn double(&self) -> f64 {
        self.literal.parse().expect("a number")
    }

    /// Whether a double gives the same digits back (Dec-54): the shortest, as serde_json prints them.
    pub(crate) fn prints_alike(&self) -> bool {
        let double = self.double();
        let printed = serde_json::to_string(&double).expect("a double can be printed");
        double.is_finite() && {
            let printed = Number::read(&printed);
            (printed.digits.as_str(), printed.magnitude) == (&self.digits, self.magnitude)
        }
    }

    /// `1.5e-40`, `1e300`.
    fn scientific(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let (first, rest) = self.digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{point}{rest}e{}", self.magnitude - 1)
    }

    /// The same number has the same text, whatever the type of its column.
    pub(crate) fn text(&self) -> String {
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        if !self.fits_decimal() {
            let is_double = !self.is_integer_literal() && self.prints_alike();
            return if is_double { self.scientific() } else { self.literal.clone() };
        }
        let scale = usize::try_from(self.scale()).expect("short");
        let zeros =
            usize::try_from(self.magnitude - i64::try_from(self.digits.len()).expect("short"))
                .unwrap_or(0);
        let all = format!("{:0>width$}{}", self.digits, "0".repeat(zeros), width = scale + 1);
        let (whole, fraction) = all.split_at(all.len() - scale);
        let sign = if self.negative { "-" } else { "" };
        if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }
}

pub(crate) fn fits_decimal(integer_digits: i64, scale: i64) -> bool {
    scale <= i64::from(DECIMAL_SCALE_MAX) && integer_digits + scale <= i64::from(DECIMAL_DIGITS_MAX)
}

/// A date or a time, as its canonical texts; `None` for those of years that do not exist.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Moment {
    Date(Option<String>),
    DateTime(Option<String>),
    Instant(Option<String>),
}

/// Reads a whole text as a date or time.
pub(crate) fn moment(text: &str) -> Option<Moment> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !(4..=6).contains(&year.len())
        || month.len() != 2
        || day.len() != 2
        || !parts.iter().all(|part| is_number(part))
    {
        return None;
    }
    let (year_number, month, day): (i64, usize, i64) =
        (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let leap = (year_number % 4 == 0 && year_number % 100 != 0) || year_number % 400 == 0;
    let days = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1..=12).contains(&month) || !(1..=days[month - 1]).contains(&day) {
        return None;
    }
    let exists = year.len() == 4 && year_number > 0;
    let Some(time) = time else {
        return Some(Moment::Date(exists.then(|| date.to_owned())));
    };
    let (clock, zone) = time.split_at(
        time.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(time.len()),
    );
    let clock = clock_text(clock)?;
    if zone.is_empty() {
        return Some(Moment::DateTime(exists.then(|| format!("{date}T{clock}"))));
    }
    let offset = offset_minutes(zone)?;
    let shifted = exists.then(|| shift(year_number, month, day, &clock, -offset, &days)).flatten();
    Some(Moment::Instant(shifted))
}

/// `HH:MM:SS`, the fraction without trailing zeros.
fn clock_text(clock: &str) -> Option<String> {
    let (whole, fraction) =
        clock.split_once('.').map_or((clock, None), |(whole, fraction)| (whole, Some(fraction)));
    let parts: Vec<&str> = whole.split(':').collect();
    let [hour, minute, second] = parts[..] else { return None };
    if !parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    if hour > "23" || minute > "59" || second > "59" {
        return None;
    }
    let Some(fraction) = fraction else { return Some(whole.to_owned()) };
    let kept = fraction.trim_end_matches('0');
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) || kept.len() > 6
    {
        return None;
    }
    Some(if kept.is_empty() { whole.to_owned() } else { format!("{whole}.{kept}") })
}

fn offset_minutes(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = zone[1..].replacen(':', "", 1);
    let has_shape = match zone.len() {
        3 | 5 => !zone.contains(':'),
        6 => zone.as_bytes()[3] == b':',
        _ => false,
    };
    if !has_shape || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 =
        digits.get(2..).filter(|rest| !rest.is_empty()).map_or(Ok(0), str::parse).ok()?;
    (hours <= 18 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

/// The moment so many minutes later, within the years 1 to 9999.
fn shift(
    mut year: i64,
    mut month: usize,
    mut day: i64,
    clock: &str,
    minutes: i64,
    days: &[i64; 12],
) -> Option<String> {
    let (hour, minute): (i64, i64) = (clock[..2].parse().ok()?, clock[3..5].parse().ok()?);
    let of_day = hour * 60 + minute + minutes;
    day += of_day.div_euclid(1440);
    if day == 0 {
        (year, month) = if month == 1 { (year - 1, 12) } else { (year, month - 1) };
        day = days[month - 1];
    } else if day > days[month - 1] {
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
        day = 1;
    }
    let of_day = of_day.rem_euclid(1440);
    (1..=9999).contains(&year).then(|| {
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}{}Z",
            of_day / 60,
            of_day % 60,
            &clock[5..]
        )
    })
}
