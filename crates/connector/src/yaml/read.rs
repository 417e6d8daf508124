//! Located values into the types of the configuration, with every mistake at its place.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::problem::{Place, Problem, nearest};
use super::tree::{Entry, Node, Value};

/// After so many mistakes the rest is left for the next run.
const PROBLEMS_MAX: usize = 20;

/// Reads a value; where it is wrong, tells every mistake.
///
/// Deserializing stops at the first mistake. So the entry at fault is taken away and the rest is read
/// again, until it is right or too much is wrong.
///
/// `home_of` knows where a key lives that was written in the wrong place.
///
/// # Errors
/// Every mistake, each at its place.
pub fn read<T: DeserializeOwned>(
    mut root: Node,
    home_of: impl Fn(&str) -> Option<&'static str>,
) -> Result<T, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut removed = BTreeSet::new();
    loop {
        let fault = match T::deserialize(&root) {
            Ok(value) if problems.is_empty() => return Ok(value),
            Ok(_) => return Err(problems),
            Err(fault) => fault,
        };
        // A field is not missing if it was taken away here because it was wrong or misspelt.
        let gone = |field: &str| removed.contains(&(fault.place, field.to_owned()));
        if !fault.missing.is_some_and(gone) {
            problems.push(fault.problem(root.place, &home_of));
        }
        let at_fault = fault.path.iter().rev().copied().collect::<Vec<_>>();
        match remove(&mut root, &at_fault) {
            Some((map, key)) if problems.len() < PROBLEMS_MAX => {
                removed.extend(fault.meant.map(|meant| (map, meant.to_owned())));
                removed.insert((map, key));
            }
            _ => return Err(problems),
        }
    }
}

/// Takes the value at `path` away; answers the place around it and the key that it had there.
fn remove(node: &mut Node, path: &[usize]) -> Option<(Option<Place>, String)> {
    let (first, rest) = path.split_first()?;
    let place = node.place;
    match &mut node.value {
        Value::Map(entries) if rest.is_empty() => Some((Some(place), entries.remove(*first).key)),
        Value::List(items) if rest.is_empty() => {
            items.remove(*first);
            Some((Some(place), String::new()))
        }
        Value::Map(entries) => remove(&mut entries[*first].value, rest),
        Value::List(items) => remove(&mut items[*first], rest),
        Value::Scalar { .. } => None,
    }
}

/// A mistake on its way up to the root, gathering its place and its path.
#[derive(Debug)]
pub struct Fault {
    message: String,
    suggestion: Option<String>,
    missing: Option<&'static str>,
    /// A key that is near to none of the known ones.
    unknown: Option<String>,
    /// The known key that an unknown one is near to.
    meant: Option<&'static str>,
    place: Option<Place>,
    /// Innermost first.
    path: Vec<usize>,
}

impl Fault {
    fn problem(&self, root: Place, home_of: impl Fn(&str) -> Option<&'static str>) -> Problem {
        let home = self.unknown.as_deref().and_then(home_of);
        let home = home.map(|home| format!("it belongs under `{home}`"));
        Problem::new(self.place.unwrap_or(root), self.message.clone())
            .suggesting(home.or_else(|| self.suggestion.clone()))
    }

    fn at(mut self, place: Place) -> Fault {
        self.place.get_or_insert(place);
        self
    }

    fn inside(mut self, index: usize) -> Fault {
        self.path.push(index);
        self
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl serde::de::Error for Fault {
    fn custom<M: fmt::Display>(message: M) -> Fault {
        let message = message.to_string();
        Fault {
            message,
            suggestion: None,
            missing: None,
            unknown: None,
            meant: None,
            place: None,
            path: Vec::new(),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Fault {
        let found = match found {
            Unexpected::Map => "a map",
            Unexpected::Seq => "a list",
            Unexpected::Unit | Unexpected::Option => "nothing",
            _ => "something else",
        };
        Fault::custom(format!("expected {expected}, found {found}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Fault {
        let meant = nearest(field, expected.iter().copied());
        Fault {
            meant,
            unknown: meant.is_none().then(|| field.to_owned()),
            suggestion: Some(match meant {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("known here: {}", expected.join(", ")),
            }),
            ..Fault::custom(format!("unknown key `{field:.60}`"))
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Fault {
        let all = expected.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        Fault {
            suggestion: nearest(variant, expected.iter().copied())
                .map(|word| format!("did you mean `{word}`?")),
            ..Fault::custom(format!("expected one of {all}"))
        }
    }

    fn missing_field(field: &'static str) -> Fault {
        Fault { missing: Some(field), ..Fault::custom(format!("the key `{field}` is missing")) }
    }
}

/// A scalar is what its reader wants it to be, as far as its text allows.
impl<'de> Deserializer<'de> for &Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Map(_) => self.deserialize_map(visitor),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Scalar { .. } if self.is_null() => visitor.visit_unit(),
            Value::Scalar { .. } => self.deserialize_str(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => visitor.visit_str(text),
            _ => Err(self.not(&visitor)),
        }
        .map_err(|fault: Fault| self.locate(fault))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Scalar { text, quoted: false } => match text.as_str() {
                "true" | "True" | "TRUE" => visitor.visit_bool(true),
                "false" | "False" | "FALSE" => visitor.visit_bool(false),
                _ => Err(Fault::custom("expected true or false")),
            },
            _ => Err(Fault::custom("expected true or false")),
        }
        .map_err(|fault: Fault| self.locate(fault))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let number = match &self.value {
            Value::Scalar { text, quoted: false } => text.replace('_', "").parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => visitor.visit_u64(number),
            None => Err(Fault::custom("expected a whole number, 0 or greater")),
        }
        .map_err(|fault: Fault| self.locate(fault))
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            _ => Err(self.not(&visitor)),
        }
        .map_err(|fault: Fault| self.locate(fault))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Map(entries) => visitor.visit_map(Entries { entries, next: 0 }),
            _ if self.is_null() => visitor.visit_map(Entries { entries: &[], next: 0 }),
            _ => Err(self.not(&visitor)),
        }
        .map_err(|fault: Fault| self.locate(fault))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Scalar { text, .. } => {
                visitor.visit_enum(serde::de::value::StrDeserializer::<Fault>::new(text))
            }
            Value::Map(entries) if entries.len() == 1 => visitor.visit_enum(Variant(&entries[0])),
            _ => Err(Fault::unknown_variant("", variants)),
        }
        .map_err(|fault: Fault| self.locate(fault))
    }

    /// By the name `JSON`, a value has the type that it looks to have: numbers come as newtypes around
    /// their digits.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value {
            Value::Scalar { text, quoted: false } if name == "JSON" => match text.as_str() {
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                number if is_number(number) => visitor.visit_newtype_struct(self),
                _ => self.deserialize_any(visitor),
            },
            _ if name == "JSON" => self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
        .map_err(|fault: Fault| self.locate(fault))
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && protocol::json::validate(text.as_bytes()).is_ok()
}

impl Node {
    /// Nothing stands nowhere: there the key is pointed at, by the map around it.
    fn locate(&self, fault: Fault) -> Fault {
        if self.is_null() { fault } else { fault.at(self.place) }
    }

    fn not(&self, expected: &dyn Expected) -> Fault {
        let found = match &self.value {
            Value::Map(_) => "a map",
            Value::List(_) => "a list",
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "a single value",
        };
        let expected = match expected.to_string().as_str() {
            "a string" | "path string" => "text".to_owned(),
            other if other.starts_with("struct ") => "a map".to_owned(),
            other => other.to_owned(),
        };
        Fault::custom(format!("expected {expected}, found {found}"))
    }
}

/// A variant that holds something: a map with one entry, its key is the variant's name.
struct Variant<'node>(&'node Entry);

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        // An unknown name takes the whole value away: without its one entry it would be wrong again.
        let name = seed
            .deserialize(StrDeserializer::new(&self.0.key))
            .map_err(|fault: Fault| fault.at(self.0.key_place))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        if self.0.value.is_null() {
            return Ok(());
        }
        self.newtype_variant_seed(std::marker::PhantomData)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let entry = self.0;
        let place = if entry.value.is_null() { entry.key_place } else { entry.value.place };
        seed.deserialize(&entry.value).map_err(|fault| fault.at(place).inside(0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.0.value.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.0.value.deserialize_map(visitor)
    }
}

struct Items<'node> {
    items: &'node [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(item).map(Some).map_err(|fault| fault.inside(index))
    }
}

struct Entries<'node> {
    entries: &'node [Entry],
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some(entry) = self.entries.get(self.next) else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(&entry.key))
            .map(Some)
            .map_err(|fault: Fault| fault.at(entry.key_place).inside(self.next))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let entry = &self.entries[self.next];
        let index = self.next;
        self.next += 1;
        let place = if entry.value.is_null() { entry.key_place } else { entry.value.place };
        seed.deserialize(&entry.value).map_err(|fault| fault.at(place).inside(index))
    }
}
