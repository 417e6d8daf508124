//! The YAML of a draft, with its reasons as comments.

use std::fmt::Write;

use super::find::{Found, Line};
use super::secret::{is_secret, secret_name};
use super::{Draft, Sample};
use crate::http::place;

pub(super) fn write(sample: &Sample, found: &Found) -> Draft {
    let (base, table) = base_and_table(&place(&sample.url));
    let name = api_name(sample.url.host_str().unwrap_or_default());
    let login = Login::of(sample);
    let mut out = String::new();
    let rows = match found.rows {
        1 => "one row".to_owned(),
        rows => format!("{rows} rows"),
    };
    comment(
        &mut out,
        "",
        &format!(
            "Drafted from one answer of {}, with {rows}. The comments say why; what is guessed says so.",
            place(&sample.url)
        ),
    );
    let _ = writeln!(out, "name: {}", quoted(&name));
    let _ = writeln!(out, "base_url: {}", quoted(&base));
    if !login.secrets.is_empty() {
        comment(&mut out, "", "What lets a request in is given beside this file, not in it.");
        let _ = writeln!(out, "secrets: [{}]", login.secrets.join(", "));
    }
    if let Some(auth) = &login.auth {
        let _ = writeln!(out, "auth: {auth}");
    }
    pairs(&mut out, "", "headers", &login.headers);
    let _ = writeln!(out, "tables:\n  {}:", quoted(&table));
    let indent = "    ";
    let path = &place(&sample.url)[base.len()..];
    let mut own = Vec::new();
    if path != format!("/{table}") {
        own.push(format!("path: {}", quoted(if path.is_empty() { "/" } else { path })));
    }
    let is_written = |name: &str| found.written.contains(name);
    let query = sample.query().into_iter().filter(|(name, _)| !is_written(name));
    let query: Vec<_> = query.filter_map(|(name, value)| login.parameter(name, value)).collect();
    for line in own {
        let _ = writeln!(out, "{indent}{line}");
    }
    if sample.method != "GET" && !(sample.method == "POST" && sample.request_body.is_some()) {
        let _ = writeln!(out, "{indent}method: {}", sample.method);
    }
    pairs(&mut out, indent, "query", &query);
    for line in &login.body {
        let _ = writeln!(out, "{indent}{line}");
    }
    let lines = [&found.format, &found.records, &found.key, &found.pagination, &found.cursor];
    for Line { text, why } in lines.into_iter().flatten() {
        comment(&mut out, indent, why);
        let _ = writeln!(out, "{indent}{text}");
    }
    for open in &found.open {
        comment(&mut out, indent, open);
    }
    if out.ends_with(&format!("  {}:\n", quoted(&table))) {
        out.truncate(out.len() - 1);
        out += " {}\n";
    }
    Draft { name, table, manifest: out, secrets: login.secrets, rows: found.rows }
}

/// What of a request lets it in, with its values replaced by references.
struct Login {
    secrets: Vec<String>,
    auth: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<String>,
    /// A parameter that `auth` writes.
    parameter: Option<String>,
}

impl Login {
    fn of(sample: &Sample) -> Login {
        let mut login = Login {
            secrets: Vec::new(),
            auth: None,
            headers: Vec::new(),
            body: Vec::new(),
            parameter: None,
        };
        for (name, value) in &sample.request_headers {
            let lower = name.to_ascii_lowercase();
            match lower.as_str() {
                "content-type" | "content-length" | "host" | "connection" | "accept-encoding"
                | "user-agent" => {}
                "authorization" => login.authorization(value),
                _ if is_secret(name) => {
                    let secret = login.secret(secret_name(name));
                    let template = format!("{{{{ secrets.{secret} }}}}");
                    if login.auth.is_none() {
                        let to = quoted(&format!("header.{name}"));
                        login.auth = Some(format!(
                            "{{api_key: {{to: {to}, value: {}}}}}",
                            quoted(&template)
                        ));
                    } else {
                        login.headers.push((name.clone(), template));
                    }
                }
                _ => login.headers.push((name.clone(), value.clone())),
            }
        }
        for (name, _) in sample.query().iter().filter(|(name, _)| is_secret(name)) {
            let secret = login.secret(secret_name(name));
            if login.auth.is_none() {
                login.parameter = Some(name.clone());
                let to = quoted(&format!("query.{name}"));
                login.auth = Some(format!(
                    "{{api_key: {{to: {to}, value: \"{{{{ secrets.{secret} }}}}\"}}}}"
                ));
            }
        }
        if let Some(body) = &sample.request_body {
            login.body(body);
        }
        login
    }

    fn secret(&mut self, name: String) -> String {
        if !self.secrets.contains(&name) {
            self.secrets.push(name.clone());
        }
        name
    }

    fn authorization(&mut self, value: &str) {
        let scheme = value.split_once(' ').map_or("", |(scheme, _)| scheme);
        self.auth = Some(match scheme.to_ascii_lowercase().as_str() {
            "bearer" => {
                self.secret("token".into());
                "{bearer: \"{{ secrets.token }}\"}".into()
            }
            "basic" => {
                self.secret("username".into());
                self.secret("password".into());
                "{basic: {username: \"{{ secrets.username }}\", password: \"{{ secrets.password }}\"}}".into()
            }
            _ => {
                self.secret("authorization".into());
                let value = if scheme.is_empty() {
                    "{{ secrets.authorization }}".to_owned()
                } else {
                    format!("{scheme} {{{{ secrets.authorization }}}}")
                };
                format!("{{api_key: {{to: header.Authorization, value: {}}}}}", quoted(&value))
            }
        });
    }

    /// A parameter of the table, unless `auth` writes it.
    fn parameter(&self, name: String, value: String) -> Option<(String, String)> {
        if self.parameter.as_deref() == Some(name.as_str()) {
            return None;
        }
        let value = if is_secret(&name) {
            format!("{{{{ secrets.{} }}}}", secret_name(&name))
        } else {
            value
        };
        Some((name, value))
    }

    fn body(&mut self, body: &str) {
        if let Ok(mut json) = serde_json::from_str::<serde_json::Value>(body) {
            self.conceal(&mut json);
            // JSON is YAML.
            self.body.push(format!("body: {json}"));
            return;
        }
        let mut fields: Vec<(String, String)> =
            form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        for (name, value) in &mut fields {
            if is_secret(name) {
                let secret = self.secret(secret_name(name));
                *value = format!("{{{{ secrets.{secret} }}}}");
            }
        }
        let mut form = String::new();
        pairs(&mut form, "", "form", &fields);
        self.body.extend(form.lines().map(str::to_owned));
    }

    fn conceal(&mut self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, value) in members {
                    if is_secret(name) && !value.is_object() && !value.is_array() {
                        let secret = self.secret(secret_name(name));
                        *value = format!("{{{{ secrets.{secret} }}}}").into();
                    } else {
                        self.conceal(value);
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.conceal(item)),
            _ => {}
        }
    }
}

/// An address without its last part, and what the table is called after it.
fn base_and_table(address: &str) -> (String, String) {
    let host_end = address.match_indices('/').nth(2).map_or(address.len(), |(at, _)| at);
    let path = address[host_end..].trim_end_matches('/');
    let parts = path.rmatch_indices('/').next();
    let (parent, segment) = parts.map_or(("", ""), |(at, _)| (&path[..at], &path[at + 1..]));
    let base = format!("{}{parent}", &address[..host_end]);
    let word = segment.split('.').next().unwrap_or_default();
    let word = super::secret::secret_name(word);
    (
        base,
        if segment.is_empty() || word == "key" && segment != "key" { "rows".into() } else { word },
    )
}

/// The host without `api`, `www` and what it ends with: `api.example.com` is `example`.
fn api_name(host: &str) -> String {
    if host.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ':' | '[' | ']')) {
        return "api".into();
    }
    let parts: Vec<&str> = host.split('.').filter(|part| !matches!(*part, "api" | "www")).collect();
    let name = match parts[..] {
        [] => "api",
        [only] => only,
        [.., name, _] => name,
    };
    secret_name(name)
}

fn pairs(out: &mut String, indent: &str, key: &str, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value))).collect();
    let _ = writeln!(out, "{indent}{key}: {{{}}}", pairs.join(", "));
}

/// Lines of a comment, broken where they are long.
fn comment(out: &mut String, indent: &str, text: &str) {
    const WIDTH: usize = 100;
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.len() + word.len() > WIDTH {
                let _ = writeln!(out, "{indent}# {line}");
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        let _ = writeln!(out, "{indent}# {line}");
    }
}

/// A text as YAML: in quotes where it could be taken for something else.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let first = text.chars().next();
    let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = address.unwrap_or(text);
    let words = ["true", "false", "null", "yes", "no", "on", "off", "~"];
    let fits = rest.chars().all(|c| is_plain(c) || address.is_some() && c == ':')
        && first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if fits { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
