//! One value that a JSON Schema describes, as OpenAPI 3 writes them: `https://spec.openapis.org/oas/v3.1.0`.

use std::cell::Cell;

use serde_json::{Map, Value, json};

/// Deeper values are left out: a schema may contain itself.
const DEPTH_MAX: usize = 8;
/// A row says enough of itself in its upper levels.
const DEPTH_MIN: usize = 4;
/// Schemas that contain each other make values that grow by every level: a larger one is cut to fewer levels.
const VALUES_MAX: usize = 20_000;
/// What an object with very many fields is cut to; rows are described by fewer.
const FIELDS_MAX: usize = 500;

/// The schemas of a document.
#[derive(Clone, Copy)]
pub(super) struct Schemas<'document> {
    pub(super) document: &'document Value,
}

impl<'document> Schemas<'document> {
    /// What a `$ref` leads to inside the document; anything else is itself.
    pub(super) fn resolve(self, value: &'document Value) -> &'document Value {
        let mut value = value;
        for _ in 0..DEPTH_MAX {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { break };
            let found = reference.strip_prefix('#').and_then(|path| self.document.pointer(path));
            let Some(found) = found else { break };
            value = found;
        }
        value
    }

    /// A value as the schema wants it: one item in every list, every member in every object.
    pub(super) fn example(self, schema: &'document Value) -> Value {
        for depth_max in (DEPTH_MIN..=DEPTH_MAX).rev() {
            let example = Example { schemas: self, depth_max, left: Cell::new(VALUES_MAX) };
            let value = example.value(schema, 0);
            if example.left.get() > 0 || depth_max == DEPTH_MIN {
                return value;
            }
        }
        Value::Null
    }
}

/// A value that is being made.
struct Example<'document> {
    schemas: Schemas<'document>,
    depth_max: usize,
    /// How many more values it may have.
    left: Cell<usize>,
}

impl<'document> Example<'document> {
    fn value(&self, schema: &'document Value, depth: usize) -> Value {
        let schema = self.schemas.resolve(schema);
        let left = self.left.get();
        if depth > self.depth_max || left == 0 {
            return Value::Null;
        }
        self.left.set(left - 1);
        let given = ["const", "example", "default"].iter().find_map(|word| schema.get(*word));
        let given = given.or_else(|| schema.pointer("/examples/0"));
        let given = given.or_else(|| schema.pointer("/enum/0"));
        if let Some(given) = given.filter(|given| given.is_string() || given.is_number()) {
            return given.clone();
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.joined(schema, parts, depth);
        }
        for word in ["oneOf", "anyOf"] {
            let choices = schema.get(word).and_then(Value::as_array);
            let is_null = |choice: &&Value| choice.get("type").is_some_and(|kind| kind == "null");
            let choice = choices.and_then(|choices| choices.iter().find(|choice| !is_null(choice)));
            if let Some(choice) = choice {
                return self.value(choice, depth + 1);
            }
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => match schema.get("items") {
                Some(items) => Value::Array(vec![self.value(items, depth + 1)]),
                None => json!([]),
            },
            "string" => text(schema).into(),
            "integer" | "number" => json!(1),
            "boolean" => json!(true),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &'document Value, depth: usize) -> Value {
        let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let members = members.take(FIELDS_MAX);
        members.map(|(name, schema)| (name.clone(), self.value(schema, depth + 1))).collect()
    }

    /// The members of all parts.
    fn joined(&self, schema: &'document Value, parts: &'document [Value], depth: usize) -> Value {
        let mut members = Map::new();
        let own = self.object(schema, depth);
        for part in parts.iter().map(|part| self.value(part, depth + 1)).chain([own]) {
            match part {
                Value::Object(part) => members.extend(part),
                other if parts.len() == 1 => return other,
                _ => {}
            }
        }
        Value::Object(members)
    }
}

/// The type, which may be one of a list (3.1) or go without saying.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "",
    }
}

fn text(schema: &Value) -> &'static str {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2024-01-01T00:00:00Z",
        Some("date") => "2024-01-01",
        Some("uri" | "url" | "uri-reference") => "https://example.com/",
        _ => "text",
    }
}
