//! Values that may be written in more than one way.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Source;
use crate::yaml::Span;

/// One word, or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<OneOrMany, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a list of words")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![word.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = items.next_element()? {
                    words.push(word);
                }
                Ok(OneOrMany(words))
            }
        }
        from.deserialize_any(Words)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

/// A stretch of a cursor's values: a duration, or so many whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Time(Span),
    Numbers(u64),
}

/// The highest whole number of a table, or where an answer tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The digits as they are written.
    Number(String),
    Told(Source),
}

/// A share of all, in whole hundredths: `20 %`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u8);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Percent, String> {
        let number = text.trim().strip_suffix('%').map(str::trim_end);
        let number = number.and_then(|number| number.parse().ok()).filter(|number| *number <= 100);
        number.map(Percent).ok_or_else(|| "expected a share such as 20 %".into())
    }
}

impl Step {
    /// Whether it leads nowhere.
    pub(crate) fn is_zero(self) -> bool {
        match self {
            Step::Time(span) => span.0.is_zero(),
            Step::Numbers(count) => count == 0,
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Step, String> {
        match text.parse() {
            Ok(count) => Ok(Step::Numbers(count)),
            Err(_) => text.parse().map(Step::Time),
        }
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<End, String> {
        if text.parse::<i128>().is_ok() {
            return Ok(End::Number(text.to_owned()));
        }
        match text.parse() {
            Ok(source @ (Source::Body(_) | Source::Header(_))) => Ok(End::Told(source)),
            _ => Err("expected a whole number, body.PATH or header.NAME".into()),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Time(span) => span.fmt(f),
            Step::Numbers(count) => write!(f, "{count} numbers"),
        }
    }
}

macro_rules! text_or_number {
    ($type:ty, $name:literal, $examples:tt) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "number"], "examples": $examples })
            }
        }
    };
}

text_or_number!(Step, "Step", ["30d", 1000]);
text_or_number!(End, "End", [250_000, "body.meta.max_id"]);
text_or_number!(Percent, "Percent", ["20 %"]);

/// The schema of names with texts; numbers and booleans are taken as they are written.
pub(super) fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": ["string", "number", "boolean"] },
        "default": {}
    })
}

/// The schema of a text that may be written as a number.
pub(super) fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number"] })
}

/// A JSON body as it is written in YAML. Texts are templates; one that is nothing but `{{ … }}` keeps
/// the type of its value.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyTemplate {
    Null,
    Bool(bool),
    /// The digits as they are written.
    Number(String),
    Text(String),
    List(Vec<BodyTemplate>),
    Map(Vec<(String, BodyTemplate)>),
}

impl<'de> Deserialize<'de> for BodyTemplate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<BodyTemplate, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = BodyTemplate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E: Error>(self) -> Result<BodyTemplate, E> {
                Ok(BodyTemplate::Null)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<BodyTemplate, E> {
                Ok(BodyTemplate::Bool(value))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                number: D,
            ) -> Result<BodyTemplate, D::Error> {
                Ok(BodyTemplate::Number(String::deserialize(number)?))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<BodyTemplate, E> {
                Ok(BodyTemplate::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<BodyTemplate, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(BodyTemplate::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut entries: A,
            ) -> Result<BodyTemplate, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(BodyTemplate::Map(map))
            }
        }
        from.deserialize_newtype_struct("JSON", Any)
    }
}

impl JsonSchema for BodyTemplate {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Body".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}
