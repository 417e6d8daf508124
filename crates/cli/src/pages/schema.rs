//! A JSON Schema as tables in Markdown: one section for each object, named by the place where it stands.

use std::collections::VecDeque;
use std::fmt::Write;

use serde_json::Value;

/// The sections of a file: the outermost object, then the others by their place.
pub(super) fn sections(schema: &Value) -> String {
    let places = places(schema);
    let mut page = String::new();
    section(&mut page, "The file", schema, &places);
    for Place { path, definition, object } in &places.0 {
        if !definition.is_empty() {
            section(&mut page, &format!("`{path}`"), object, &places);
        }
    }
    page
}

/// Where each definition that has a section of its own stands first.
struct Places<'schema>(Vec<Place<'schema>>, &'schema Value);

struct Place<'schema> {
    path: String,
    /// Its name among the definitions; nothing for the file itself.
    definition: String,
    object: &'schema Value,
}

fn places(schema: &Value) -> Places<'_> {
    let file = Place { path: String::new(), definition: String::new(), object: schema };
    let (mut found, mut open) = (Vec::new(), VecDeque::from([file]));
    while let Some(place) = open.pop_front() {
        let known =
            |name: &str, among: &[Place<'_>]| among.iter().any(|place| place.definition == name);
        if known(&place.definition, &found) {
            continue;
        }
        for (key, member) in members(place.object) {
            let named = &member["additionalProperties"];
            let (member, key) =
                if named.is_object() { (named, format!("{key}.NAME")) } else { (member, key) };
            for name in references(member) {
                let object = &schema["$defs"][name.as_str()];
                if members(object).next().is_none() {
                    continue;
                }
                let point = if place.path.is_empty() { "" } else { "." };
                let path = format!("{}{point}{key}", place.path);
                open.push_back(Place { path, definition: name, object });
            }
        }
        found.push(place);
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Places(found, schema)
}

/// The members of an object, or of the one among several forms that may be given.
fn members(object: &Value) -> impl Iterator<Item = (String, &Value)> {
    let forms = object["oneOf"].as_array().into_iter().flatten();
    std::iter::once(object)
        .chain(forms)
        .filter_map(|form| form["properties"].as_object())
        .flatten()
        .map(|(key, member)| (key.clone(), member))
}

/// The definitions that a member may be.
fn references(member: &Value) -> Vec<String> {
    let name = |form: &Value| form["$ref"].as_str()?.rsplit('/').next().map(str::to_owned);
    let forms = member["anyOf"].as_array().into_iter().flatten();
    std::iter::once(member).chain(forms).filter_map(name).collect()
}

fn section(page: &mut String, title: &str, object: &Value, places: &Places<'_>) {
    let _ = write!(page, "\n## {title}\n\n{}\n\n", one_line(object));
    let Some(forms) = object["oneOf"].as_array() else {
        page.push_str("| key | value | meaning |\n|---|---|---|\n");
        for (key, member) in members(object) {
            let value = kind(member, places);
            let _ = writeln!(page, "| `{key}` | {value} | {} |", one_line(member));
        }
        return;
    };
    page.push_str("| one of | value | meaning |\n|---|---|---|\n");
    for form in forms {
        let words = form["const"].as_str().into_iter().chain(words(&form["enum"]));
        for word in words {
            let _ = writeln!(page, "| `{word}` | | {} |", one_line(form));
        }
        for (key, member) in members(form) {
            let _ = writeln!(page, "| `{key}` | {} | {} |", kind(member, places), one_line(form));
        }
    }
}

fn one_line(described: &Value) -> String {
    described["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn words(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// What may stand there, in a word or as the list of words.
fn kind(member: &Value, places: &Places<'_>) -> String {
    let quoted = |words: &mut dyn Iterator<Item = &str>| {
        words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    };
    if let Some(options) = member["anyOf"].as_array() {
        let kinds = options.iter().filter(|option| option["type"] != "null");
        let mut kinds: Vec<_> = kinds.map(|option| kind(option, places)).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    if member["oneOf"].is_array() {
        let forms = member["oneOf"].as_array().into_iter().flatten();
        return quoted(&mut forms.filter_map(|option| option["const"].as_str()));
    }
    if member["enum"].is_array() {
        return quoted(&mut words(&member["enum"]));
    }
    if let Some(name) = references(member).first() {
        let place = places.0.iter().find(|place| place.definition == *name);
        return match place {
            Some(place) => format!("see `{}`", place.path),
            None => kind(&places.1["$defs"][name.as_str()], places),
        };
    }
    if member.get("const").is_some() {
        return "`0`".to_owned();
    }
    let types = match &member["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => vec![one.as_str().unwrap_or_default()],
    };
    let known = types.iter().find(|name| **name != "null").copied().unwrap_or_default();
    let pattern = member["pattern"].as_str();
    match (known, pattern) {
        ("string", Some(pattern)) if pattern.contains("ms") => "duration".to_owned(),
        ("string", Some(pattern)) if pattern.contains("kK") => "size".to_owned(),
        ("string" | "", Some(_)) if member["examples"].is_array() => {
            format!("text such as {}", quoted(&mut words(&member["examples"])))
        }
        ("string", _) => "text".to_owned(),
        ("integer" | "number", _) => "number".to_owned(),
        ("boolean", _) => "`true` or `false`".to_owned(),
        ("array", _) => match kind(&member["items"], places).as_str() {
            "number" => "list of numbers".to_owned(),
            _ => "list of texts".to_owned(),
        },
        ("object", _) => match &member["additionalProperties"] {
            named if named["$ref"].is_string() => format!("by name, {}", kind(named, places)),

            named if named["type"] == "integer" => "names with numbers".to_owned(),
            _ => "names with texts".to_owned(),
        },
        (_, _) => "anything".to_owned(),
    }
}
