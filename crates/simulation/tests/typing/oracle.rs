//! One field at a time: what it is, what its column must be, what is found in its cell.

use engine::{ColumnType, StringInference};
use protocol::json;
use serde_json::value::RawValue;

use crate::literals::{Moment, Number, fits_decimal, moment};

/// The fields of an object, each once with its last value.
pub(crate) fn fields(object: &str) -> Vec<(String, Box<RawValue>)> {
    struct Fields(Vec<(String, Box<RawValue>)>);
    impl<'de> serde::Deserialize<'de> for Fields {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Fields, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Fields;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Fields, A::Error> {
                    let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                    while let Some((name, value)) = map.next_entry()? {
                        fields.retain(|(known, _)| *known != name);
                        fields.push((name, value));
                    }
                    Ok(Fields(fields))
                }
            }
            from.deserialize_map(Visitor)
        }
    }
    serde_json::from_str::<Fields>(object).expect("a row is an object").0
}

/// A value as it is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool, Option<String>),
    Number(Number, Option<String>),
    Moment(Moment, String),
    Text(String),
    Nested(String),
}

/// Reads a value from its JSON text. A value read inside a string keeps the string.
pub(crate) fn read(text: &str, strings: StringInference) -> Value {
    match text.as_bytes()[0] {
        b'n' => Value::Null,
        b't' => Value::Boolean(true, None),
        b'f' => Value::Boolean(false, None),
        b'{' | b'[' => Value::Nested(text.to_owned()),
        b'"' => read_string(text, strings),
        _ => Value::Number(Number::read(text), None),
    }
}

fn read_string(literal: &str, strings: StringInference) -> Value {
    let text = unescape(literal);
    let reads_full = strings == StringInference::Full && !literal.contains('\\');
    if strings != StringInference::None
        && let Some(moment) = moment(&text)
    {
        return Value::Moment(moment, text);
    }
    match text.as_str() {
        "t" | "true" if reads_full => Value::Boolean(true, Some(text)),
        "f" | "false" if reads_full => Value::Boolean(false, Some(text)),
        number if reads_full && is_number(number) => {
            Value::Number(Number::read(number), Some(text))
        }
        _ => Value::Text(text),
    }
}

fn is_number(text: &str) -> bool {
    let is_start = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    is_start && serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text)
}

/// A string's value by way of UTF-16, in which JSON thinks: lone surrogates fall out by themselves.
pub(crate) fn unescape(literal: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut rest = literal[1..literal.len() - 1].chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        units.push(match rest.next().expect("an escape has a letter") {
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let hex: String = rest.by_ref().take(4).collect();
                u16::from_str_radix(&hex, 16).expect("four digits")
            }
            other => u16::try_from(u32::from(other)).expect("a sign of ASCII"),
        });
    }
    String::from_utf16_lossy(&units)
}

/// What has been seen in a column.
#[derive(Debug, Default)]
pub(crate) struct Column {
    values: Vec<Value>,
}

impl Column {
    pub(crate) fn see(&mut self, value: &Value) {
        if *value != Value::Null {
            self.values.push(value.clone());
        }
    }

    /// Dec-54 and Dec-57, word for word; `None` where only nulls were seen.
    pub(crate) fn column_type(&self) -> Option<ColumnType> {
        let all = |is: &dyn Fn(&Value) -> bool| self.values.iter().all(is);
        let any = |is: &dyn Fn(&Value) -> bool| self.values.iter().any(is);
        if self.values.is_empty() {
            return None;
        }
        Some(if any(&|value| matches!(value, Value::Nested(_))) {
            ColumnType::Json
        } else if all(&|value| matches!(value, Value::Boolean(..))) {
            ColumnType::Boolean
        } else if all(&|value| matches!(value, Value::Moment(Moment::Date(_), _))) {
            ColumnType::LocalDate
        } else if all(&|value| {
            matches!(value, Value::Moment(Moment::Date(_) | Moment::DateTime(_), _))
        }) {
            ColumnType::LocalDateTime
        } else if all(&|value| matches!(value, Value::Moment(Moment::Instant(_), _))) {
            ColumnType::Instant
        } else if all(&|value| matches!(value, Value::Number(..))) {
            self.number_type()
        } else {
            ColumnType::String
        })
    }

    fn number_type(&self) -> ColumnType {
        let numbers: Vec<&Number> = self
            .values
            .iter()
            .filter_map(|value| match value {
                Value::Number(number, _) => Some(number),
                _ => None,
            })
            .collect();
        if numbers.iter().all(|number| number.is_long()) {
            return ColumnType::Long;
        }
        let fits_double = |number: &&Number| match number.literal.parse::<i64>() {
            Ok(long) => long.unsigned_abs() <= 1 << 53,
            Err(_) => number.prints_alike() && !number.is_integer_literal(),
        };
        let has_fraction = numbers.iter().any(|number| !number.is_integer_literal());
        if has_fraction && numbers.iter().all(fits_double) {
            return ColumnType::Double;
        }
        let most = |of: &dyn Fn(&Number) -> i64| numbers.iter().map(|number| of(number)).max();
        let scale = most(&Number::scale).unwrap_or(0);
        if fits_decimal(most(&Number::integer_digits).unwrap_or(0), scale) {
            return ColumnType::Decimal { scale: u8::try_from(scale).expect("it fits") };
        }
        ColumnType::String
    }
}

impl Value {
    /// The canonical text of the value in a column of some type; `None` is NULL.
    pub(crate) fn text(&self, column_type: ColumnType) -> Option<String> {
        if column_type == ColumnType::Json {
            return self.json_text();
        }
        let is_text = column_type == ColumnType::String;
        match self {
            Value::Null => None,
            Value::Boolean(_, Some(text))
            | Value::Number(_, Some(text))
            | Value::Moment(_, text)
                if is_text =>
            {
                Some(text.clone())
            }
            Value::Boolean(value, _) => Some(value.to_string()),
            Value::Number(number, _) => Some(number.text()),
            Value::Moment(Moment::Date(text), _) if column_type == ColumnType::LocalDateTime => {
                text.as_ref().map(|date| format!("{date}T00:00:00"))
            }
            Value::Moment(
                Moment::Date(text) | Moment::DateTime(text) | Moment::Instant(text),
                _,
            ) => text.clone(),
            Value::Text(text) | Value::Nested(text) => Some(text.clone()),
        }
    }

    fn json_text(&self) -> Option<String> {
        let quoted = |text: &str| {
            let mut out = String::new();
            json::quote(text, &mut out);
            Some(out)
        };
        match self {
            Value::Null => None,
            Value::Boolean(_, Some(text))
            | Value::Number(_, Some(text))
            | Value::Moment(_, text)
            | Value::Text(text) => quoted(text),
            Value::Boolean(value, None) => Some(value.to_string()),
            Value::Number(number, None) => Some(number.text()),
            Value::Nested(text) => Some(without_lone_surrogates(text)),
        }
    }
}

/// A nested value as it was written; where surrogates are escaped in it, its strings are written anew.
fn without_lone_surrogates(nested: &str) -> String {
    if !nested.contains("\\ud") {
        return nested.to_owned();
    }
    let mut out = String::new();
    let mut rest = nested;
    while let Some(start) = rest.find('"') {
        let mut end = start + 1;
        while rest.as_bytes()[end] != b'"' {
            end += if rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
        }
        out += &rest[..start];
        let literal = &rest[start..=end];
        if literal.contains('\\') {
            json::quote(&unescape(literal), &mut out);
        } else {
            out += literal;
        }
        rest = &rest[end + 1..];
    }
    out + rest
}
