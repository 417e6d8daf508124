//! What becomes of a row before it leaves the connector: fields left out, renamed, hidden, added.
//!
//! A row is a list of members whose values stay the JSON text that came; only what a rule names is read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use minijinja::Value;
use minijinja::value::ValueKind;
use protocol::json;
use sha2::Sha256;

use crate::manifest::TableConfig;
use crate::selector::scalar;
use crate::template::{Scope, Template, TemplateError, Templates};

/// What a table's rows go through, compiled. In this order: `filter`, `flatten`, `add`, `hash`, `mask`,
/// `truncate`, `select`, `drop`, `rename`.
#[derive(Debug, Default)]
pub(crate) struct Reshape {
    filter: Option<Template>,
    flatten: Vec<String>,
    add: Vec<(String, Template)>,
    hidden: Vec<(Pattern, Hiding)>,
    select: Vec<Pattern>,
    drop: Vec<Pattern>,
    rename: Vec<(String, String)>,
}

/// A field's name, in which `*` stands for any characters.
#[derive(Clone, Debug)]
struct Pattern(String);

/// How a value is hidden.
#[derive(Clone, Copy, Debug)]
enum Hiding {
    /// Its keyed hash: HMAC-SHA-256 in hexadecimal digits. Equal values stay equal, in all tables.
    Hash,
    /// Stars, but for so many last characters.
    Mask(usize),
    /// Its first characters.
    Truncate(usize),
}

/// The key of hashes: a secret.
#[derive(Clone)]
pub(crate) struct HashKey(Vec<u8>);

/// What templates of rows may name: no secret.
const NAMES: &[&str] = &["row", "parent", "config"];

/// A member of a row: its name and its value as JSON.
struct Member<'row> {
    name: Cow<'row, str>,
    value: Cow<'row, [u8]>,
}

impl Reshape {
    /// # Errors
    /// The key of the table's configuration that holds what is no template, and why.
    pub(crate) fn compile(
        table: &TableConfig,
        templates: &mut Templates,
    ) -> Result<Reshape, (&'static str, Option<String>, TemplateError)> {
        let filter = match &table.filter {
            Some(text) => {
                let text = format!("{{{{ {text} }}}}");
                Some(templates.compile(&text, NAMES).map_err(|error| ("filter", None, error))?)
            }
            None => None,
        };
        let mut add = Vec::new();
        for (name, text) in &table.add {
            let template = templates
                .compile(text, NAMES)
                .map_err(|error| ("add", Some(name.clone()), error))?;
            add.push((name.clone(), template));
        }
        let patterns = |names: &[String]| names.iter().cloned().map(Pattern).collect();
        let mut hidden = Vec::new();
        hidden.extend(table.hash.0.iter().map(|name| (Pattern(name.clone()), Hiding::Hash)));
        let with_number = |(name, number): (&String, &u32), how: fn(usize) -> Hiding| {
            (Pattern(name.clone()), how(*number as usize))
        };
        hidden.extend(table.mask.iter().map(|rule| with_number(rule, Hiding::Mask)));
        hidden.extend(table.truncate.iter().map(|rule| with_number(rule, Hiding::Truncate)));
        Ok(Reshape {
            filter,
            flatten: table.flatten.0.clone(),
            add,
            hidden,
            select: patterns(&table.select.0),
            drop: patterns(&table.drop.0),
            rename: table.rename.iter().map(|(from, to)| (from.clone(), to.clone())).collect(),
        })
    }

    /// Whether rows stay as they come.
    pub(crate) fn is_nothing(&self) -> bool {
        self.filter.is_none()
            && self.flatten.is_empty()
            && self.add.is_empty()
            && self.hidden.is_empty()
            && self.select.is_empty()
            && self.drop.is_empty()
            && self.rename.is_empty()
    }

    /// The name that a field has in the API, of one that it has in the table.
    pub(crate) fn source_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.rename.iter().find(|(_, to)| to == name).map_or(name, |(from, _)| from)
    }

    /// Hides a field of a key, wherever it is named so, as another table does.
    pub(crate) fn hide_alike(&mut self, key: &str, other: &Reshape) {
        let Some(hiding) = other.rule_of(other.source_name(key)) else { return };
        let source = self.source_name(key).to_owned();
        self.hidden.extend([source, key.to_owned()].map(|name| (Pattern(name), hiding)));
    }

    /// Whether a field's value must not be seen.
    pub(crate) fn hides(&self, path: &str) -> bool {
        self.rule_of(path).is_some()
    }

    /// The rule for a field, for what stands in it (`address.city`), or for what `flatten` makes of that.
    fn rule_of(&self, path: &str) -> Option<Hiding> {
        let field = path.split('.').next().unwrap_or(path);
        let flat = path.replace('.', "_");
        let is_it =
            |pattern: &Pattern| [path, field, &flat].iter().any(|name| pattern.matches(name));
        self.hidden.iter().find(|(pattern, _)| is_it(pattern)).map(|(_, hiding)| *hiding)
    }

    /// Rules that name a field that no row of a page has: it may be misspelt, or stand deeper.
    pub(crate) fn unused<'a>(
        &'a self,
        names: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a str> {
        let rules = self.hidden.iter().map(|(pattern, _)| pattern).chain(&self.drop);
        rules
            .filter(|pattern| !names.iter().any(|name| pattern.matches(name)))
            .map(|pattern| pattern.0.as_str())
    }

    /// The row as it leaves, or nothing if the filter leaves it out. `seen` gathers the names of fields.
    ///
    /// # Errors
    /// When an expression has no value.
    pub(crate) fn apply(
        &self,
        row: &Bytes,
        templates: &Templates,
        scope: &Scope,
        key: Option<&HashKey>,
        seen: &mut BTreeSet<String>,
    ) -> Result<Option<Vec<u8>>, TemplateError> {
        let scope = (self.filter.is_some() || !self.add.is_empty()).then(|| scope.with_row(row));
        if let (Some(filter), Some(scope)) = (&self.filter, &scope)
            && !templates.value(filter, scope)?.is_true()
        {
            return Ok(None);
        }
        let mut members = members(row);
        for name in &self.flatten {
            flatten(&mut members, name);
        }
        if let Some(scope) = &scope {
            for (name, template) in &self.add {
                let value = json_of(&templates.value(template, scope)?);
                members.retain(|member| member.name != *name);
                members.push(Member { name: name.clone().into(), value: value.into() });
            }
        }
        for member in &mut members {
            if !seen.contains(member.name.as_ref()) {
                seen.insert(member.name.clone().into_owned());
            }
            if let Some((_, hiding)) =
                self.hidden.iter().find(|(pattern, _)| pattern.matches(&member.name))
            {
                member.value = hiding.hide(&member.value, key).into();
            }
        }
        let is_kept = |name: &str| {
            (self.select.is_empty() || self.select.iter().any(|pattern| pattern.matches(name)))
                && !self.drop.iter().any(|pattern| pattern.matches(name))
        };
        members.retain(|member| is_kept(&member.name));
        for (from, to) in &self.rename {
            for member in members.iter_mut().filter(|member| member.name == *from) {
                member.name = to.clone().into();
            }
        }
        Ok(Some(write(&members, row.len())))
    }

    /// A value of a field as it may be seen.
    pub(crate) fn hide<'v>(
        &self,
        path: &str,
        value: &'v [u8],
        key: Option<&HashKey>,
    ) -> Cow<'v, [u8]> {
        match self.rule_of(path) {
            Some(hiding) => hiding.hide(value, key).into(),
            None => value.into(),
        }
    }
}

impl HashKey {
    pub(crate) fn new(key: &str) -> HashKey {
        HashKey(key.as_bytes().to_vec())
    }

    /// The keyed hash of a text, in hexadecimal digits.
    pub(crate) fn hash(&self, text: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        let bytes = mac.finalize().into_bytes();
        let mut out = String::with_capacity(64);
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        out
    }
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

impl Hiding {
    /// Null stays null; everything else is hidden by its text, so that 17 and "17" are the same.
    fn hide(self, value: &[u8], key: Option<&HashKey>) -> Vec<u8> {
        if value == b"null" {
            return value.to_vec();
        }
        let text = scalar(value).unwrap_or_else(|| match value {
            b"\"\"" => String::new(),
            other => String::from_utf8_lossy(other).into_owned(),
        });
        let count = text.chars().count();
        let shown = match self {
            Hiding::Hash => {
                key.expect("a manifest that hashes has a key: it was checked").hash(&text)
            }
            Hiding::Mask(keep) => {
                let hidden = if keep < count { count - keep } else { count };
                let last: String = text.chars().skip(hidden).collect();
                format!("{}{last}", "*".repeat(hidden.min(8)))
            }
            Hiding::Truncate(keep) => text.chars().take(keep).collect(),
        };
        let mut out = String::new();
        json::quote(&shown, &mut out);
        out.into_bytes()
    }
}

fn members(row: &[u8]) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    let mut at = json::skip_whitespace(row, 0) + 1;
    loop {
        at = json::skip_whitespace(row, at);
        if row.get(at) != Some(&b'"') {
            return members;
        }
        let (end, escaped) = json::string_end(row, at);
        let literal = std::str::from_utf8(&row[at..end]).unwrap_or("\"\"");
        let name = if escaped {
            Cow::Owned(json::unescape(literal))
        } else {
            Cow::Borrowed(&literal[1..literal.len() - 1])
        };
        let start = json::skip_whitespace(row, json::skip_whitespace(row, end) + 1);
        let end = json::value_end(row, start);
        members.push(Member { name, value: Cow::Borrowed(&row[start..end]) });
        at = json::skip_whitespace(row, end);
        if row.get(at) == Some(&b',') {
            at += 1;
        }
    }
}

/// An object's members take its place, each with its name before theirs: `address_city`.
fn flatten(members: &mut Vec<Member<'_>>, name: &str) {
    let Some(place) = members.iter().position(|member| member.name == name) else { return };
    if members[place].value.first() != Some(&b'{') {
        return;
    }
    let outer = members.remove(place);
    let inner = self::members(&outer.value).into_iter().map(|member| Member {
        name: format!("{name}_{}", member.name).into(),
        value: Cow::Owned(member.value.into_owned()),
    });
    let inner: Vec<Member<'_>> = inner.collect();
    members.splice(place..place, inner);
}

fn write(members: &[Member<'_>], capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    out.push(b'{');
    let mut key = String::new();
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        key.clear();
        json::quote(&member.name, &mut key);
        out.extend_from_slice(key.as_bytes());
        out.push(b':');
        out.extend_from_slice(&member.value);
    }
    out.push(b'}');
    out
}

fn json_of(value: &Value) -> Vec<u8> {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => b"null".to_vec(),
        ValueKind::Bool => value.is_true().to_string().into_bytes(),
        ValueKind::Number => {
            let text = value.to_string();
            if json::validate(text.as_bytes()).is_ok() {
                text.into_bytes()
            } else {
                b"null".to_vec()
            }
        }
        _ => {
            let mut out = String::new();
            json::quote(&value.to_string(), &mut out);
            out.into_bytes()
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const ROW: &str = r#"{"id": 9007199254740993, "email":"a@b.c","card":"4111111111111234","price":19.90,"address":{"city":"Ulm","zip":"1"},"internal_a":1,"internal_b":[2],"none":null}"#;

    /// What becomes of the row by these rules, written in YAML.
    fn check(rules: &str, expected: Expect) {
        let table: TableConfig =
            crate::yaml::read(crate::yaml::parse(rules).expect("YAML"), |_| None).expect("rules");
        let mut templates = Templates::default();
        let reshape = Reshape::compile(&table, &mut templates).expect("templates");
        let key = HashKey::new("pepper");
        let row = Bytes::from_static(ROW.as_bytes());
        let mut seen = BTreeSet::new();
        let found = reshape.apply(&row, &templates, &Scope::default(), Some(&key), &mut seen);
        let found = match found {
            Ok(Some(row)) => String::from_utf8(row).expect("UTF-8"),
            Ok(None) => "left out".into(),
            Err(error) => error.to_string(),
        };
        let unused: Vec<&str> = reshape.unused(&seen).collect();
        let unused = if unused.is_empty() {
            String::new()
        } else {
            format!(" unused {}", unused.join(", "))
        };
        expected.assert_eq(&format!("{found}{unused}"));
    }

    #[test]
    fn fields_are_kept_dropped_and_renamed_and_their_digits_stay() {
        check("select: [id, price]", expect![[r#"{"id":9007199254740993,"price":19.90}"#]]);
        check(
            "select: [id, '*a*']\ndrop: internal_*",
            expect![[
                r#"{"id":9007199254740993,"email":"a@b.c","card":"4111111111111234","address":{"city":"Ulm","zip":"1"}}"#
            ]],
        );
        check("select: id\nrename: {id: key}", expect![[r#"{"key":9007199254740993}"#]]);
        check(
            "select: 'address*'\nflatten: address",
            expect![[r#"{"address_city":"Ulm","address_zip":"1"}"#]],
        );
    }

    #[test]
    fn values_are_hidden_so_that_joins_still_work() {
        // printf a@b.c | openssl dgst -sha256 -hmac pepper
        check(
            "select: [email, none]\nhash: [email, none]",
            expect![[
                r#"{"email":"c4c5568d8408b3497e7fe99d55c681d064653c34f49351269842abefda1a50af","none":null}"#
            ]],
        );
        check(
            "select: [card, id]\nmask: {card: 4, id: 0}",
            expect![[r#"{"id":"********","card":"********1234"}"#]],
        );
        check("select: email\ntruncate: {email: 3}", expect![[r#"{"email":"a@b"}"#]]);
        check("select: id\nhash: [emial]", expect![[r#"{"id":9007199254740993} unused emial"#]]);
    }

    #[test]
    fn rows_are_filtered_and_fields_computed() {
        check(
            "filter: row.id > 5 and row.address.city == 'Ulm'\nselect: id",
            expect![[r#"{"id":9007199254740993}"#]],
        );
        check("filter: row.id < 5", expect!["left out"]);
        check(
            "select: [who, n, twice]\nadd: {who: '{{ row.email }} in {{ row.address.city }}', n: '{{ row.id + 1 }}'}",
            expect![[r#"{"who":"a@b.c in Ulm","n":9007199254740994}"#]],
        );
        check(
            "filter: row.nothing == 1",
            expect!["`row.nothing == 1` has no value: undefined value"],
        );
    }

    #[test]
    fn patterns() {
        let matches = |pattern: &str, name| Pattern(pattern.into()).matches(name);
        assert!(matches("*", "") && matches("a*", "a") && matches("a*c", "abc"));
        assert!(matches("*_id", "x_id") && matches("a*b*c", "aXbYbZc"));
        assert!(!matches("a", "ab") && !matches("a*c", "ab") && !matches("*b*", "ac"));
    }
}
