//! A manifest drafted from an OpenAPI document (3.x): a table for every path that answers with a list of rows.
//! <https://spec.openapis.org/oas/v3.1.0>

use reqwest::Url;
use reqwest::header::HeaderValue;
use serde_json::Value;

use super::find::Found;
use super::schema::Schemas;
use super::secret::secret_name;
use super::write::quoted;
use super::{Draft, Origin, Sample, tables, write};
use crate::yaml::{self, Node};

/// Whether a text is such a document, and not rows.
pub(super) fn is_one(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Head {
        openapi: Option<String>,
        paths: Option<serde::de::IgnoredAny>,
    }
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if !text.starts_with('{') {
        return text.starts_with("openapi:");
    }
    let head = serde_json::from_str::<Head>(text);
    head.is_ok_and(|head| head.openapi.is_some() && head.paths.is_some())
}

/// Reads JSON or YAML.
///
/// # Errors
/// Says where it is neither.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"));
    }
    let node = yaml::parse_long(text).map_err(|problem| {
        format!("it is no YAML: line {}: {}", problem.place.line, problem.message)
    })?;
    Ok(value(&node))
}

fn value(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Map(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), value(&entry.value))).collect()
        }
        yaml::Value::List(items) => items.iter().map(value).collect(),
        yaml::Value::Scalar { .. } if node.is_null() => Value::Null,
        yaml::Value::Scalar { text, quoted: true } => text.clone().into(),
        yaml::Value::Scalar { text, quoted: false } => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            text => match serde_json::from_str(text) {
                Ok(Value::Number(number)) => Value::Number(number),
                _ => text.into(),
            },
        },
    }
}

/// Drafts a manifest of all paths with rows that contain `only`. `at` is where the document was found.
///
/// # Errors
/// Says why there is none.
pub(super) fn draft(
    document: &Value,
    at: Option<&Url>,
    only: Option<&str>,
) -> Result<Draft, String> {
    let version = document.get("openapi").and_then(Value::as_str);
    match version {
        Some(version) if version.starts_with("3.") => {}
        Some(version) => return Err(format!("it is OpenAPI {version:.20}, and 3 is read")),
        None if document.get("swagger").is_some() => {
            return Err("it is Swagger 2: convert it to OpenAPI 3 first".into());
        }
        None => return Err("it is neither a HAR file nor an OpenAPI document".into()),
    }
    let api = Api { document, schemas: Schemas { document } };
    let (base, is_named) = api.base(at)?;
    let auth = api.auth(&base);
    let paths = document.get("paths").and_then(Value::as_object);
    let mut samples = Vec::new();
    let mut without_rows = 0_u64;
    for (path, item) in paths.into_iter().flatten() {
        if !only.is_none_or(|only| path.contains(only)) {
            continue;
        }
        let Some(mut sample) = api.sample(&base, path, item) else { continue };
        sample.auth.clone_from(&auth);
        match Found::of(&sample) {
            Ok(found) if found.is_list && found.rows > 0 => samples.push((sample, found)),
            _ => without_rows += 1,
        }
    }
    if samples.is_empty() {
        return Err(format!(
            "no path of the OpenAPI document answers GET with a list of rows ({without_rows} answer otherwise)"
        ));
    }
    let title = document.pointer("/info/title").and_then(Value::as_str).unwrap_or("an API");
    let mut opening = format!(
        "Drafted from the OpenAPI document of {title}. The comments say why; what is guessed says so."
    );
    if without_rows > 0 {
        opening += &format!(" Other paths that answer GET without a list of rows: {without_rows}.");
    }
    if samples.len() > TABLES_MANY {
        opening += &format!(
            " These are {} tables: take out those that you do not want, or draft only those whose path contains a text, as in `--only {}`.",
            samples.len(),
            common_part(&samples)
        );
    }
    if !is_named {
        opening += " The document does not say where the API is: correct `base_url`.";
    }
    let (samples, found): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
    Ok(write::write(&opening, &tables::arrange(samples.iter().zip(found).collect())))
}

/// More tables than this are more than anybody reads at once.
const TABLES_MANY: usize = 40;

/// The first part of a path after the folder of the API that most tables have in common.
fn common_part(samples: &[(Sample, Found)]) -> String {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for (sample, _) in samples {
        for part in sample.url.path().split('/').filter(|part| !part.is_empty()) {
            let is_fixed =
                part.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            if is_fixed {
                *counts.entry(part).or_default() += 1;
            }
        }
    }
    // What all have in common chooses nothing.
    let chooses = counts.iter().filter(|(_, count)| **count < samples.len());
    let part = chooses.max_by_key(|(_, count)| **count).map_or("orders", |(part, _)| part);
    format!("/{part}")
}

struct Api<'document> {
    document: &'document Value,
    schemas: Schemas<'document>,
}

impl<'document> Api<'document> {
    /// The address of the first server, and whether the document names one.
    fn base(&self, at: Option<&Url>) -> Result<(Url, bool), String> {
        let server = self.document.pointer("/servers/0");
        let mut address =
            server.and_then(|server| server.get("url")?.as_str()).unwrap_or("/").to_owned();
        let variables = server.and_then(|server| server.get("variables")?.as_object());
        for (name, variable) in variables.into_iter().flatten() {
            let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
            address = address.replace(&format!("{{{name}}}"), default);
        }
        let unknown = Url::parse("https://api.example.com").expect("an address");
        let is_whole = address.contains("://");
        let base = at.unwrap_or(&unknown).join(&address);
        let base = base.map_err(|error| format!("the address of its server: {error}"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err("the address of its server does not begin with http:// or https://".into());
        }
        Ok((base, is_whole || at.is_some()))
    }

    /// What a path answers to GET, and how it may be asked.
    fn sample(&self, base: &Url, path: &str, item: &'document Value) -> Option<Sample> {
        if path.trim_end_matches('/').ends_with('}') {
            return None;
        }
        let get = item.get("get")?;
        let responses = get.get("responses")?;
        let answer = ["200", "2XX", "default"].iter().find_map(|status| responses.get(*status))?;
        let answer = self.schemas.resolve(answer);
        let content = answer.get("content")?.as_object()?;
        let (_, media) = content.iter().find(|(kind, _)| kind.contains("json"))?;
        let body = match media.get("schema") {
            Some(schema) => self.schemas.example(schema),
            None => media.get("example")?.clone(),
        };
        let mut url = base.clone();
        url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
        let mut sample = Sample::new(Origin::Document, url, "GET", body.to_string().into());
        if answer.pointer("/headers/Link").is_some() {
            let next = HeaderValue::from_static("<https://example.com/>; rel=\"next\"");
            sample.headers.insert("link", next);
        }
        for list in [item.get("parameters"), get.get("parameters")].into_iter().flatten() {
            for parameter in list.as_array().into_iter().flatten() {
                self.parameter(&mut sample, self.schemas.resolve(parameter));
            }
        }
        Some(sample)
    }

    fn parameter(&self, sample: &mut Sample, parameter: &'document Value) {
        let text = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, place) = (text("name"), text("in"));
        if place != "query" && place != "header" {
            return;
        }
        let schema = parameter.get("schema").map(|schema| self.schemas.resolve(schema));
        let named = |word: &str| schema.and_then(|schema| schema.get(word));
        let is_required = parameter.get("required").is_some_and(|required| required == true);
        let known =
            parameter.get("example").or_else(|| named("default")).or_else(|| named("const"));
        let known = known.or_else(|| schema.and_then(|schema| schema.pointer("/enum/0")));
        let known =
            known.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        if place == "query" && !is_required {
            // As many rows a page as may be had.
            let most = named("maximum").map(Value::to_string);
            let any = || schema.map(|schema| self.schemas.example(schema));
            let any = || any().map_or_else(|| "1".to_owned(), |value| plain(&value));
            sample.offered.push((name.to_owned(), most.or(known).unwrap_or_else(any)));
            return;
        }
        if !is_required || name.eq_ignore_ascii_case("authorization") {
            return;
        }
        match known {
            Some(known) if place == "query" => {
                sample.url.query_pairs_mut().append_pair(name, &known);
            }
            Some(known) => sample.request_headers.push((name.to_owned(), known)),
            None => {
                let list = if place == "query" { "query" } else { "headers" };
                sample.notes.push(format!(
                    "The API wants a value here:\n{list}: {{{}: VALUE}}",
                    quoted(name)
                ));
            }
        }
    }

    /// How requests are let in, after the first scheme that all of them may use, with the names of its secrets.
    fn auth(&self, base: &Url) -> Option<(String, Vec<String>)> {
        let schemes = self.document.pointer("/components/securitySchemes")?.as_object()?;
        let wanted = self.document.pointer("/security/0").and_then(Value::as_object);
        let wanted = wanted.and_then(|wanted| wanted.keys().next());
        let scheme = match wanted {
            Some(name) => schemes.get(name)?,
            None => schemes.values().next()?,
        };
        let scheme = self.schemas.resolve(scheme);
        let text = |path: &str| scheme.pointer(path).and_then(Value::as_str);
        let secret = |name: &str| format!("\"{{{{ secrets.{name} }}}}\"");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Some(match text("/type")? {
            "http"
                if text("/scheme").is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic")) =>
            {
                (
                    format!(
                        "{{basic: {{username: {}, password: {}}}}}",
                        secret("username"),
                        secret("password")
                    ),
                    names(&["username", "password"]),
                )
            }
            "apiKey" => {
                let key = text("/name")?;
                let name = secret_name(key);
                let (to, value) = match text("/in")? {
                    "query" => (format!("query.{key}"), secret(&name)),
                    "cookie" => {
                        let value = format!("{key}={{{{ secrets.{name} }}}}");
                        ("header.Cookie".to_owned(), quoted(&value))
                    }
                    _ => (format!("header.{key}"), secret(&name)),
                };
                (format!("{{api_key: {{to: {}, value: {value}}}}}", quoted(&to)), vec![name])
            }
            "oauth2" if text("/flows/clientCredentials/tokenUrl").is_some() => {
                let address = base.join(text("/flows/clientCredentials/tokenUrl")?).ok()?;
                let (id, key) = (secret("client_id"), secret("client_secret"));
                (
                    format!(
                        "{{oauth2: {{token_url: {}, client_id: {id}, client_secret: {key}}}}}",
                        quoted(address.as_str())
                    ),
                    names(&["client_id", "client_secret"]),
                )
            }
            _ => (format!("{{bearer: {}}}", secret("token")), names(&["token"])),
        })
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
