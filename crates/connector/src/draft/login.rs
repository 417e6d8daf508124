//! What lets a request in, as a manifest says it: its values are references, never keys.

use super::Sample;
use super::secret::{is_secret, looks_secret, secret_name};
use super::write::{pairs, quoted};

/// What of a request lets it in, with its values replaced by references.
pub(super) struct Login {
    pub(super) secrets: Vec<String>,
    pub(super) auth: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<String>,
    /// A parameter that `auth` writes.
    parameter: Option<String>,
}

impl Login {
    pub(super) fn of(sample: &Sample) -> Login {
        let mut login = Login {
            secrets: Vec::new(),
            auth: None,
            headers: Vec::new(),
            body: Vec::new(),
            parameter: None,
        };
        if let Some((auth, secrets)) = &sample.auth {
            login.auth = Some(auth.clone());
            login.secrets.clone_from(secrets);
        }
        for (name, value) in &sample.request_headers {
            let lower = name.to_ascii_lowercase();
            match lower.as_str() {
                name if is_of_the_browser(name) => {}
                "authorization" => login.authorization(value),
                _ if is_secret(name) || looks_secret(value) => {
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
    pub(super) fn parameter(&self, name: String, value: String) -> Option<(String, String)> {
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

/// A header that every client writes for itself, or that a browser adds to what a page asks for.
fn is_of_the_browser(name: &str) -> bool {
    const NAMES: [&str; 18] = [
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-length",
        "content-type",
        "dnt",
        "host",
        "if-modified-since",
        "if-none-match",
        "keep-alive",
        "origin",
        "pragma",
        "priority",
        "referer",
        "te",
        "upgrade-insecure-requests",
        "user-agent",
    ];
    name.starts_with(':') || name.starts_with("sec-") || NAMES.contains(&name)
}
