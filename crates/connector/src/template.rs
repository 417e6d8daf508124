//! `{{ secrets.key }}` and nothing cleverer: minijinja over secrets, settings and the parent's row.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Environment, UndefinedBehavior};
use protocol::json;

/// A text with holes, compiled once.
#[derive(Clone, Debug)]
pub(crate) struct Template(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Constant(String),
    /// The name under which the environment keeps it, which is the text itself.
    Holes(String),
    /// Nothing but one `{{ … }}`: its value keeps its type.
    Expression(String),
}

/// Compiles templates and keeps them.
pub(crate) struct Templates {
    environment: Environment<'static>,
}

/// What templates can see. Every name that is not here is an error, so that a misspelt one is not an
/// empty text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    values: BTreeMap<String, Value>,
}

/// Why a text is no template, or has no value. Names are told, values never.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TemplateError(pub(crate) String);

impl Templates {
    /// Templates of paths: what fills a hole is percent-encoded, so that it stays within its segment.
    /// A path that is nothing but one hole is an address and stays as it is.
    pub(crate) fn for_paths() -> Templates {
        let mut templates = Templates::default();
        templates.environment.set_formatter(|out, _, value| {
            let text = text_of(value);
            let encoded = percent_encoding::utf8_percent_encode(&text, SEGMENT);
            out.write_str(&encoded.to_string()).map_err(|_| {
                minijinja::Error::new(minijinja::ErrorKind::WriteFailure, "a path is too long")
            })
        });
        templates
    }
}

/// All but the unreserved characters of RFC 3986.
const SEGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Default for Templates {
    fn default() -> Templates {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_recursion_limit(64);
        Templates { environment }
    }
}

impl Templates {
    /// Compiles a text.
    ///
    /// # Errors
    /// When it is no template, or uses a name that is not in `names`.
    pub(crate) fn compile(
        &mut self,
        text: &str,
        names: &[&str],
    ) -> Result<Template, TemplateError> {
        if !text.contains("{{") && !text.contains("{%") {
            return Ok(Template(Kind::Constant(text.to_owned())));
        }
        let explain = |error: minijinja::Error| {
            let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
            TemplateError(format!("{}{detail}", error.kind()))
        };
        self.environment.add_template_owned(text.to_owned(), text.to_owned()).map_err(explain)?;
        let template = self.environment.get_template(text).map_err(explain)?;
        let mut unknown: Vec<String> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !names.contains(&name.as_str()))
            .collect();
        unknown.sort();
        if let Some(name) = unknown.first() {
            return Err(TemplateError(format!(
                "`{name}` is unknown here; known are {}",
                names.join(", ")
            )));
        }
        Ok(Template(match single_expression(text) {
            Some(expression) => Kind::Expression(expression.to_owned()),
            None => Kind::Holes(text.to_owned()),
        }))
    }

    /// What a text names, as `row.address.city`; nothing if it is no template.
    pub(crate) fn names_in(&self, text: &str) -> Vec<String> {
        let template = self.environment.template_from_str(text);
        let names = template.map(|template| template.undeclared_variables(true));
        names.unwrap_or_default().into_iter().collect()
    }

    /// The text with its holes filled.
    ///
    /// # Errors
    /// When a value is missing.
    pub(crate) fn render(
        &self,
        template: &Template,
        scope: &Scope,
    ) -> Result<String, TemplateError> {
        match &template.0 {
            Kind::Constant(text) => Ok(text.clone()),
            Kind::Holes(name) => {
                let template = self.environment.get_template(name).expect("it was compiled");
                template.render(&scope.values).map_err(|error| missing(name, &error))
            }
            Kind::Expression(_) => self.value(template, scope).map(|value| text_of(&value)),
        }
    }

    /// The value, with its type where the template is a single expression.
    ///
    /// # Errors
    /// When a value is missing.
    pub(crate) fn value(&self, template: &Template, scope: &Scope) -> Result<Value, TemplateError> {
        let Kind::Expression(text) = &template.0 else {
            return self.render(template, scope).map(Value::from);
        };
        let expression =
            self.environment.compile_expression(text).map_err(|error| missing(text, &error))?;
        let value = expression.eval(&scope.values).map_err(|error| missing(text, &error))?;
        if value.is_undefined() {
            return Err(TemplateError(format!("{{{{ {text} }}}} has no value")));
        }
        Ok(value)
    }
}

/// minijinja's own account may quote values, so only the place is told.
fn missing(text: &str, error: &minijinja::Error) -> TemplateError {
    TemplateError(format!("`{text:.80}` has no value: {}", error.kind()))
}

fn text_of(value: &Value) -> String {
    if value.is_none() { String::new() } else { value.to_string() }
}

/// What stands in a text that is nothing but one `{{ … }}`.
fn single_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.trim_start_matches('-').trim_end_matches('-').trim();
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then_some(inner)
}

impl Scope {
    /// Adds a name.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Adds texts by name, below one name.
    pub(crate) fn set_texts(&mut self, name: &str, texts: &BTreeMap<String, String>) {
        self.set(name, Value::from_serialize(texts));
    }

    /// This scope with a row, for filters and computed fields.
    #[must_use]
    pub(crate) fn with_row(&self, row: &Bytes) -> Scope {
        let mut inner = self.clone();
        inner.set("row", json_value(row));
        inner
    }

    /// This scope with a parent; the parent that was here before is its `parent`.
    #[must_use]
    pub(crate) fn inside(&self, row: Bytes) -> Scope {
        let mut inner = self.clone();
        let outer = self.values.get("parent").cloned();
        let value = json_value(&row);
        let value = match outer {
            Some(outer) if row.first() == Some(&b'{') => {
                Value::from_object(Row { json: row, parent: Some(outer) })
            }
            _ => value,
        };
        inner.set("parent", value);
        inner
    }
}

/// A row that is read member by member, as templates ask for them.
struct Row {
    json: Bytes,
    parent: Option<Value>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of {} bytes", self.json.len())
    }
}

impl Object for Row {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let found = member(&self.json, key);
        match (found, &self.parent) {
            (None, Some(parent)) if key == "parent" => Some(parent.clone()),
            (found, _) => found.map(|range| json_value(&self.json.slice(range))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// The range of a member's value; the last of its name.
pub(crate) fn member(object: &[u8], name: &str) -> Option<std::ops::Range<usize>> {
    let mut at = json::skip_whitespace(object, 0) + 1;
    let mut found = None;
    loop {
        at = json::skip_whitespace(object, at);
        if object.get(at) != Some(&b'"') {
            return found;
        }
        let (end, escaped) = json::string_end(object, at);
        let literal = std::str::from_utf8(&object[at..end]).unwrap_or("\"\"");
        let is_it = if escaped {
            json::unescape(literal) == name
        } else {
            literal[1..end - at - 1] == *name
        };
        let start = json::skip_whitespace(object, json::skip_whitespace(object, end) + 1);
        let end = json::value_end(object, start);
        if is_it {
            found = Some(start..end);
        }
        at = json::skip_whitespace(object, end);
        if object.get(at) == Some(&b',') {
            at += 1;
        }
    }
}

/// A value of a row. Whole numbers of up to 38 digits are numbers; longer ones and fractions stay the
/// text that they were, so that no digit is lost on the way into a request.
fn json_value(json: &Bytes) -> Value {
    let text = std::str::from_utf8(json).unwrap_or_default();
    match text.as_bytes().first() {
        Some(b'"') => Value::from(json::unescape(text)),
        Some(b't') => Value::from(true),
        Some(b'f') => Value::from(false),
        Some(b'{') => Value::from_object(Row { json: json.clone(), parent: None }),
        Some(b'[') => {
            let mut items = Vec::new();
            let mut at = json::skip_whitespace(json, 1);
            while at < json.len() && json[at] != b']' {
                let end = json::value_end(json, at);
                items.push(json_value(&json.slice(at..end)));
                at = json::skip_whitespace(json, end);
                if json.get(at) == Some(&b',') {
                    at = json::skip_whitespace(json, at + 1);
                }
            }
            Value::from(items)
        }
        Some(b'n') | None => Value::from(()),
        Some(_) => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Value::from(number),
            _ => match text.parse::<i128>() {
                Ok(number) if number.to_string() == text => Value::from(number),
                _ => Value::from(text),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, row: &str, expected: Result<&str, &str>) {
        let mut templates = Templates::default();
        let mut scope = Scope::default();
        scope.set_texts("secrets", &BTreeMap::from([("key".into(), "s3cret".into())]));
        let scope = scope.inside(Bytes::copy_from_slice(row.as_bytes()));
        let found = templates
            .compile(text, &["secrets", "parent"])
            .and_then(|template| templates.render(&template, &scope))
            .map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn holes_are_filled_with_every_digit() {
        check("/a/{{ parent.id }}/b", r#"{"id": 9007199254740993}"#, Ok("/a/9007199254740993/b"));
        check("{{ parent.id }}", r#"{"id": 19.90}"#, Ok("19.90"));
        check("{{ parent.a.b[1] }}-{{ secrets.key }}", r#"{"a":{"b":[1,"x"]}}"#, Ok("x-s3cret"));
        check("{{ parent.a }}", r#"{"a":null}"#, Ok(""));
        check("{{ parent }}!", r#""de""#, Ok("de!"));
        check("no holes {", "{}", Ok("no holes {"));
    }

    #[test]
    fn a_missing_name_is_an_error_and_no_value_is_told() {
        check(
            "{{ parent.idd }}/x",
            r#"{"id": 1}"#,
            Err("`{{ parent.idd }}/x` has no value: undefined value"),
        );
        check("{{ secret.key }}", "{}", Err("`secret` is unknown here; known are secrets, parent"));
        check("{{ parent.idd }}", r#"{"id": 1}"#, Err("{{ parent.idd }} has no value"));
    }

    #[test]
    fn a_parent_has_its_parent() {
        let mut templates = Templates::default();
        let scope = Scope::default()
            .inside(Bytes::from_static(br#"{"id":1}"#))
            .inside(Bytes::from_static(br#"{"id":2}"#));
        let template = templates.compile("{{ parent.parent.id }}/{{ parent.id }}", &["parent"]);
        let text = templates.render(&template.expect("a template"), &scope);
        assert_eq!(text.as_deref(), Ok("1/2"));
    }
}
