//! Data contracts: what the user says must hold of a column's values, asked of each row as it came,
//! before anything of it is typed, hashed or locked.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::columns::{Cell, CellValue};
use crate::number;
use crate::shape::{Feature, Shape};
use crate::temporal::{self, Temporal};
use crate::value::{ColumnType, fits_decimal};

/// What must hold of one column. A row that breaks it does not enter its table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// Each row has the column; its value may be null.
    pub required: bool,
    /// No value is null, nor missing.
    pub not_null: bool,
    /// Each value is of this type as it comes; null is.
    pub column_type: Option<ColumnType>,
    /// Each value is one of these: a text that is the same, an equal number, `true` or `false`; or null.
    pub accepted: Vec<String>,
    /// No value is less.
    pub min: Option<Bound>,
    /// No value is more.
    pub max: Option<Bound>,
    /// No two live rows of the table have one value; null is no value.
    pub unique: bool,
    pub on_breach: OnBreach,
}

/// What becomes of a row that breaks a contract; of several, the later here counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnBreach {
    /// It is left out, and counted.
    DropRow,
    /// It goes to a table beside its own, and is counted.
    Quarantine,
    /// Its page fails.
    #[default]
    Fail,
}

/// The end of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A JSON number.
    Number(String),
    /// Microseconds since 1970, of a date, a date-time or an instant.
    Moment(i64),
}

/// Rows that the destination found to have a value that is another row's: the columns in which they do,
/// by the names that the function gives to the table, and by the row's number on its page, from 1.
pub(crate) type Doubles = BTreeMap<String, BTreeMap<u64, String>>;

impl Bound {
    /// Reads a number, a date or a time.
    pub fn parse(text: &str) -> Option<Bound> {
        if let Some(temporal) = temporal::read(text.as_bytes()) {
            return micros(temporal).map(Bound::Moment);
        }
        let is_number = text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            && protocol::json::validate(text.as_bytes()).is_ok();
        is_number.then(|| Bound::Number(text.to_owned()))
    }

    /// How the bound compares to a value; `None` where it is of another kind.
    fn compare(&self, cell: Cell, text: &str) -> Option<Ordering> {
        match self {
            Bound::Number(bound) => {
                is_number(cell).then(|| number::compare(bound, cell.text(text)))
            }
            Bound::Moment(bound) => Some(bound.cmp(&micros(temporal_of(cell, text)?)?)),
        }
    }
}

impl Contract {
    /// The rule that a value breaks, but for `unique`, which takes other rows to tell.
    pub(crate) fn broken_by(&self, cell: Cell, text: &str) -> Option<&'static str> {
        if matches!(cell.value, CellValue::Null | CellValue::NonFinite) {
            // A null that was written has a place in the text.
            let is_missing = cell.start == cell.end;
            return match (self.required && is_missing, self.not_null) {
                (true, _) => Some("required"),
                (false, true) => Some("not_null"),
                (false, false) => None,
            };
        }
        if self.column_type.is_some_and(|wanted| !is_of_type(cell, text, wanted)) {
            return Some("type");
        }
        if !self.accepted.is_empty()
            && !self.accepted.iter().any(|accepted| is_value(cell, text, accepted))
        {
            return Some("accepted");
        }
        let is_within = |bound: &Option<Bound>, wrong: Ordering| {
            bound.as_ref().is_none_or(|bound| {
                bound.compare(cell, text).is_some_and(|ordering| ordering != wrong)
            })
        };
        if !is_within(&self.min, Ordering::Greater) {
            return Some("min");
        }
        (!is_within(&self.max, Ordering::Less)).then_some("max")
    }
}

fn is_number(cell: Cell) -> bool {
    matches!(cell.value, CellValue::Long(_) | CellValue::Number)
}

fn is_value(cell: Cell, text: &str, accepted: &str) -> bool {
    if cell.is_string(text) && cell.unescaped(text) == accepted {
        return true;
    }
    match cell.value {
        CellValue::Boolean(value) => accepted == if value { "true" } else { "false" },
        CellValue::Long(_) | CellValue::Number => {
            matches!(Bound::parse(accepted), Some(Bound::Number(_)))
                && number::compare(accepted, cell.text(text)) == Ordering::Equal
        }
        _ => false,
    }
}

/// Whether a value is of a type as it came. Dates and times are looked for in texts whatever
/// `string_inference` says: the contract says that they are there.
fn is_of_type(cell: Cell, text: &str, wanted: ColumnType) -> bool {
    let shape = || number::read(cell.text(text)).0;
    match wanted {
        ColumnType::Boolean => matches!(cell.value, CellValue::Boolean(_)),
        ColumnType::Long => is_number(cell) && number::read(cell.text(text)).1.is_some(),
        ColumnType::Decimal { .. } => {
            is_number(cell) && fits_decimal(shape().integer_digits, shape().scale)
        }
        ColumnType::Double => {
            is_number(cell)
                && shape().join(Shape::of(Feature::Fraction)).column_type()
                    == Some(ColumnType::Double)
        }
        ColumnType::LocalDate => matches!(temporal_of(cell, text), Some(Temporal::Date(_))),
        ColumnType::LocalDateTime => {
            matches!(temporal_of(cell, text), Some(Temporal::DateTime(_)))
        }
        ColumnType::Instant => matches!(temporal_of(cell, text), Some(Temporal::Instant(_))),
        ColumnType::String => cell.is_string(text),
        ColumnType::Json => cell.value == CellValue::Nested,
    }
}

pub(crate) fn temporal_of(cell: Cell, text: &str) -> Option<Temporal> {
    match cell.value {
        CellValue::Temporal(temporal) => Some(temporal),
        _ if cell.is_string(text) => temporal::read(cell.unescaped(text).as_bytes()),
        _ => None,
    }
}

/// Since 1970; `None` outside the years 0001 to 9999.
pub(crate) fn micros(temporal: Temporal) -> Option<i64> {
    match temporal {
        Temporal::Date(days) => Some(i64::from(days) * 86_400_000_000),
        Temporal::DateTime(micros) | Temporal::Instant(micros) => Some(micros),
        Temporal::DateOutOfRange | Temporal::DateTimeOutOfRange | Temporal::InstantOutOfRange => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{Reading, scan};
    use crate::run::StringInference;

    /// The rule that the value breaks.
    fn check(contract: &Contract, value: &str, expected: Option<&str>) {
        for strings in [StringInference::Temporal, StringInference::Full, StringInference::None] {
            let text = format!(r#"[{{"v": {value}}}]"#);
            let reading =
                Reading { known: vec!["v"], strings: &|_| strings, wanted: &|name| name == "v" };
            let page = scan(&text, 1, false, &reading);
            let broken = contract.broken_by(page.columns[0].cells[0], &text);
            assert_eq!(broken, expected, "{value} under {contract:?} with {strings:?}");
        }
    }

    #[test]
    fn a_value_is_of_a_type_as_it_came() {
        use ColumnType::{Boolean, Double, Instant, Json, LocalDate, LocalDateTime, Long, String};
        let decimal = ColumnType::Decimal { scale: 0 };
        let values: [(&str, &[ColumnType]); 14] = [
            ("true", &[Boolean]),
            ("1", &[Long, decimal, Double]),
            ("9223372036854775807", &[Long, decimal]),
            ("9223372036854775808", &[decimal]),
            ("1.5", &[decimal, Double]),
            ("1.0", &[decimal, Double]),
            ("1e300", &[Double]),
            ("0.1234567890123456789", &[decimal]),
            (r#""x""#, &[String]),
            (r#""2024-02-30""#, &[String]),
            (r#""2024-02-29""#, &[String, LocalDate]),
            (r#""2024-02-29T10:00:00""#, &[String, LocalDateTime]),
            (r#""2024-02-29T10:00:00\u002B01:00""#, &[String, Instant]),
            (r#"{"a": 1}"#, &[Json]),
        ];
        let all = [Boolean, Long, decimal, Double, LocalDate, LocalDateTime, Instant, String, Json];
        for (value, types) in values {
            for wanted in all {
                let contract = Contract { column_type: Some(wanted), ..Contract::default() };
                check(&contract, value, (!types.contains(&wanted)).then_some("type"));
                check(&contract, "null", None);
            }
        }
    }

    #[test]
    fn a_value_is_one_of_those_accepted() {
        let accepted = ["open", "1.50", "true"].map(str::to_owned).to_vec();
        let contract = Contract { accepted, ..Contract::default() };
        for value in [r#""open""#, r#""\u006fpen""#, "1.5", "15e-1", "true", "null", r#""1.50""#] {
            check(&contract, value, None);
        }
        for value in [r#""Open""#, "1.51", "false", "1", r#"["open"]"#, r#""""#] {
            check(&contract, value, Some("accepted"));
        }
    }

    #[test]
    fn a_value_is_in_a_range() {
        let bounds = |min: &str, max: &str| Contract {
            min: Bound::parse(min),
            max: Bound::parse(max),
            ..Contract::default()
        };
        let numbers = bounds("-1", "12345678901234567890.5");
        for value in ["-1", "-1.0", "0", "12345678901234567890.5", "null"] {
            check(&numbers, value, None);
        }
        for value in ["-1.0000000000000000000000001", "-1e3", "false", r#""x""#, "[]"] {
            check(&numbers, value, Some("min"));
        }
        check(&numbers, "12345678901234567890.51", Some("max"));
        let dates = bounds("2024-01-01", "2024-12-31T12:00:00Z");
        check(&dates, r#""2024-01-01""#, None);
        check(&dates, r#""2024-12-31T13:00:00+01:00""#, None);
        check(&dates, r#""2023-12-31T23:59:59.999999""#, Some("min"));
        check(&dates, r#""2024-12-31T12:00:00.000001Z""#, Some("max"));
        check(&dates, "5", Some("min"));
        for text in ["", "x", "0x1", "01", "true", "[]", "+1"] {
            assert_eq!(Bound::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_not_what_is_null() {
        let required = Contract { required: true, ..Contract::default() };
        check(&required, "null", None);
        let not_null = Contract { not_null: true, ..Contract::default() };
        check(&not_null, "null", Some("not_null"));
        let missing = Cell { value: CellValue::Null, start: 0, end: 0 };
        assert_eq!(required.broken_by(missing, "[{}]"), Some("required"));
        assert_eq!(not_null.broken_by(missing, "[{}]"), Some("not_null"));
    }
}
