//! One page's HTTP request, from the manifest, the parent's row, the cursor and the page.

use bytes::Bytes;
use indexmap::IndexMap;
use minijinja::value::ValueKind;
use protocol::json;
use reqwest::Url;

use crate::manifest::{BodyTemplate, Manifest, Method, TableConfig, Target};
use crate::template::{Scope, Template, TemplateError, Templates};

/// A request, ready but for what lets it in.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct HttpRequest {
    pub(crate) method: &'static str,
    pub(crate) url: Url,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Bytes>,
    /// The address as it may be told: without its query, which may hold a key, and without what a
    /// parent's row put into its path.
    pub(crate) shown: String,
    /// Whether an answer that is an error may be told: not where the manifest hides fields, which such an
    /// answer may repeat.
    pub(crate) tells_body: bool,
    /// Whether a link of the API led here, to another host than the manifest's.
    pub(crate) is_away: bool,
}

/// Headers and query may hold keys.
impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.shown)
    }
}

/// A value that is written somewhere: a page's number, a token, a bound.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) text: String,
    /// In a JSON body it is a number.
    pub(crate) number: bool,
}

/// A table's request with holes.
pub(crate) struct RequestTemplate {
    method: Option<Method>,
    /// The path as it may be told, where rows of a parent fill it.
    shown_path: Option<String>,
    tells_body: bool,
    /// Hosts that links may lead to, beside the one that gave them.
    hosts: Vec<String>,
    base: Template,
    path: Template,
    query: Vec<(String, Template)>,
    headers: Vec<(String, Template)>,
    body: Option<CompiledBody>,
    text: Option<Template>,
    form: Vec<(String, Template)>,
}

/// What templates of requests may name.
pub(crate) const NAMES: &[&str] = &["secrets", "config", "parent", "cursor"];

/// A mistake in a template: which key of the table or manifest, and what.
#[derive(Debug)]
pub(crate) struct TemplateProblem {
    pub(crate) key: &'static str,
    pub(crate) name: Option<String>,
    pub(crate) error: TemplateError,
}

impl RequestTemplate {
    /// Compiles what the manifest says for all tables and what the table says for itself, which wins.
    ///
    /// # Errors
    /// The first template that is none.
    pub(crate) fn compile(
        manifest: &Manifest,
        name: &str,
        table: &TableConfig,
        path_names: &[&str],
        templates: &mut Templates,
        paths: &mut Templates,
    ) -> Result<RequestTemplate, TemplateProblem> {
        let at = |key, name: Option<&str>| {
            let name = name.map(str::to_owned);
            move |error| TemplateProblem { key, name: name.clone(), error }
        };
        let mut all = |key, own: &IndexMap<String, String>, common: &IndexMap<String, String>| {
            let mut merged = common.clone();
            merged.extend(own.iter().map(|(name, text)| (name.clone(), text.clone())));
            let compile = |(name, text): (String, String)| {
                let template = templates.compile(&text, NAMES).map_err(at(key, Some(&name)))?;
                Ok((name, template))
            };
            merged.into_iter().map(compile).collect::<Result<Vec<_>, TemplateProblem>>()
        };
        let none = IndexMap::new();
        let query = all("query", &table.query, &manifest.query)?;
        let headers = all("headers", &table.headers, &manifest.headers)?;
        let form = all("form", &table.form, &none)?;
        let base = templates.compile(&manifest.base_url, NAMES).map_err(at("base_url", None))?;
        let default_path = format!("/{name}");
        let path = table.path.as_deref().unwrap_or(&default_path);
        let path_names: Vec<&str> = NAMES.iter().chain(path_names).copied().collect();
        let path = paths.compile(path, &path_names).map_err(at("path", None))?;
        let body = match &table.body {
            Some(body) => Some(CompiledBody::compile(body, templates).map_err(at("body", None))?),
            None => None,
        };
        let text = table.text.as_deref();
        let text = text.map(|text| templates.compile(text, NAMES)).transpose();
        let text = text.map_err(at("text", None))?;
        let hosts = manifest.hosts.clone();
        let shown_path = table.for_each.as_ref().and(table.path.clone());
        let tells_body = !manifest.tables.values().any(TableConfig::hides_anything);
        Ok(RequestTemplate {
            method: table.method,
            shown_path,
            tells_body,
            hosts,
            base,
            path,
            query,
            headers,
            body,
            text,
            form,
        })
    }

    /// The request of one page. `written` are the values that paging and cursor write into it.
    ///
    /// # Errors
    /// When a template has no value, or the address is none.
    pub(crate) fn build(
        &self,
        templates: &Templates,
        paths: &Templates,
        scope: &Scope,
        written: &[(&Target, Written)],
    ) -> Result<HttpRequest, TemplateError> {
        let mut path_scope = scope.clone();
        for (target, value) in written {
            if let Target::Path(name) = target {
                path_scope.set(name, value.text.clone().into());
            }
        }
        let path = paths.render(&self.path, &path_scope)?;
        let mut url = address(&templates.render(&self.base, scope)?, &path)?;
        let whole = written.iter().find(|(target, _)| **target == Target::Url);
        let home = url.origin();
        let mut query = Vec::new();
        match whole {
            // Links may be relative; what they hold is not added to.
            Some((_, link)) => {
                url = self.follow(&url, &link.text)?;
            }
            None => {
                for (name, template) in &self.query {
                    query.push((name.clone(), templates.render(template, scope)?));
                }
            }
        }
        let mut headers = Vec::new();
        for (name, template) in &self.headers {
            set(&mut headers, name.to_ascii_lowercase(), templates.render(template, scope)?);
        }
        let mut body = match &self.body {
            Some(body) => Some(body.render(templates, scope)?),
            None => None,
        };
        for (target, value) in written {
            match target {
                Target::Query(name) if whole.is_none() => {
                    set(&mut query, name.clone(), value.text.clone());
                }
                Target::Header(name) => {
                    set(&mut headers, name.to_ascii_lowercase(), value.text.clone());
                }
                Target::Body(path) => {
                    let body = body.get_or_insert_with(|| BodyTemplate::Map(Vec::new()));
                    place(body, path, value);
                }
                Target::Query(_) | Target::Path(_) | Target::Url => {}
            }
        }
        query.retain(|(_, value)| !value.is_empty());
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let body = match body {
            Some(body) => {
                set_if_absent(&mut headers, "content-type", "application/json");
                Some(Bytes::from(write(&body)))
            }
            None => self.text_or_form(templates, scope, &mut headers)?,
        };
        let method = match self.method {
            Some(Method::Put) => "PUT",
            Some(Method::Post) => "POST",
            None if body.is_some() => "POST",
            Some(Method::Get) | None => "GET",
        };
        let shown = match &self.shown_path {
            Some(path) => format!("{}{path}", url.origin().ascii_serialization()),
            None => crate::http::place(&url),
        };
        let tells_body = self.tells_body;
        let is_away = url.origin() != home;
        Ok(HttpRequest { method, url, headers, body, shown, tells_body, is_away })
    }

    /// The address that a link of the API leads to. Behind a proxy an API may not know that it is called
    /// by https: such a link is taken as it is meant.
    fn follow(&self, from: &Url, link: &str) -> Result<Url, TemplateError> {
        let mut url = from
            .join(link)
            .map_err(|_| TemplateError("the API's link to the next page is no address".into()))?;
        if url.host() == from.host() && from.scheme() == "https" && url.scheme() == "http" {
            let port = from.port();
            let changed = url.set_scheme("https").and_then(|()| url.set_port(port));
            changed.map_err(|()| TemplateError("the API's link is no address".into()))?;
        }
        let host = url.host_str().unwrap_or_default();
        let at_home = url.origin() == from.origin();
        if !at_home && !self.hosts.iter().any(|known| known == host) {
            return Err(TemplateError(format!(
                "the API's link to the next page leads to another host, {host:.80}; name it in `hosts` if it may get the keys"
            )));
        }
        Ok(url)
    }

    fn text_or_form(
        &self,
        templates: &Templates,
        scope: &Scope,
        headers: &mut Vec<(String, String)>,
    ) -> Result<Option<Bytes>, TemplateError> {
        if let Some(text) = &self.text {
            set_if_absent(headers, "content-type", "text/plain; charset=utf-8");
            return Ok(Some(Bytes::from(templates.render(text, scope)?)));
        }
        if self.form.is_empty() {
            return Ok(None);
        }
        let mut fields = form_urlencoded::Serializer::new(String::new());
        for (name, template) in &self.form {
            fields.append_pair(name, &templates.render(template, scope)?);
        }
        set_if_absent(headers, "content-type", "application/x-www-form-urlencoded");
        Ok(Some(Bytes::from(fields.finish())))
    }
}

/// Base and path with one slash between them; a path that is a whole address stands alone.
fn address(base: &str, path: &str) -> Result<Url, TemplateError> {
    let text = if path.starts_with("http://") || path.starts_with("https://") {
        path.to_owned()
    } else if path.is_empty() || path == "/" {
        base.to_owned()
    } else {
        format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
    };
    let url: Url = text
        .parse()
        .map_err(|error| TemplateError(format!("base_url and path make no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(TemplateError("the address does not begin with http:// or https://".into()));
    }
    Ok(url)
}

fn set(pairs: &mut Vec<(String, String)>, name: String, value: String) {
    match pairs.iter_mut().find(|(known, _)| *known == name) {
        Some(pair) => pair.1 = value,
        None => pairs.push((name, value)),
    }
}

fn set_if_absent(pairs: &mut Vec<(String, String)>, name: &str, value: &str) {
    if !pairs.iter().any(|(known, _)| known == name) {
        pairs.push((name.to_owned(), value.to_owned()));
    }
}

/// A body whose texts are compiled.
pub(crate) enum CompiledBody {
    Constant(BodyTemplate),
    Text(Template),
    List(Vec<CompiledBody>),
    Map(Vec<(String, CompiledBody)>),
}

impl CompiledBody {
    pub(crate) fn compile(
        body: &BodyTemplate,
        templates: &mut Templates,
    ) -> Result<CompiledBody, TemplateError> {
        Ok(match body {
            BodyTemplate::Text(text) => CompiledBody::Text(templates.compile(text, NAMES)?),
            BodyTemplate::List(items) => CompiledBody::List(
                items
                    .iter()
                    .map(|item| CompiledBody::compile(item, templates))
                    .collect::<Result<_, _>>()?,
            ),
            BodyTemplate::Map(entries) => CompiledBody::Map(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), CompiledBody::compile(value, templates)?)))
                    .collect::<Result<_, _>>()?,
            ),
            constant => CompiledBody::Constant(constant.clone()),
        })
    }

    pub(crate) fn render(
        &self,
        templates: &Templates,
        scope: &Scope,
    ) -> Result<BodyTemplate, TemplateError> {
        Ok(match self {
            CompiledBody::Constant(constant) => constant.clone(),
            CompiledBody::Text(template) => {
                let value = templates.value(template, scope)?;
                match value.kind() {
                    ValueKind::None => BodyTemplate::Null,
                    ValueKind::Bool => BodyTemplate::Bool(value.is_true()),
                    ValueKind::Number => BodyTemplate::Number(value.to_string()),
                    _ => BodyTemplate::Text(value.to_string()),
                }
            }
            CompiledBody::List(items) => BodyTemplate::List(
                items.iter().map(|item| item.render(templates, scope)).collect::<Result<_, _>>()?,
            ),
            CompiledBody::Map(entries) => BodyTemplate::Map(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), value.render(templates, scope)?)))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }
}

/// Writes a value below `path`; what is no map there becomes one.
fn place(body: &mut BodyTemplate, path: &[String], value: &Written) {
    let Some((first, rest)) = path.split_first() else {
        *body = if value.number {
            BodyTemplate::Number(value.text.clone())
        } else {
            BodyTemplate::Text(value.text.clone())
        };
        return;
    };
    if !matches!(body, BodyTemplate::Map(_)) {
        *body = BodyTemplate::Map(Vec::new());
    }
    let BodyTemplate::Map(entries) = body else { unreachable!("it was made a map") };
    let index = entries.iter().position(|(key, _)| key == first).unwrap_or_else(|| {
        entries.push((first.clone(), BodyTemplate::Null));
        entries.len() - 1
    });
    place(&mut entries[index].1, rest, value);
}

pub(crate) fn write(body: &BodyTemplate) -> String {
    let mut out = String::new();
    write_into(body, &mut out);
    out
}

fn write_into(body: &BodyTemplate, out: &mut String) {
    match body {
        BodyTemplate::Null => out.push_str("null"),
        BodyTemplate::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        BodyTemplate::Number(digits) => out.push_str(digits),
        BodyTemplate::Text(text) => json::quote(text, out),
        BodyTemplate::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write_into(item, out);
            }
            out.push(']');
        }
        BodyTemplate::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                json::quote(key, out);
                out.push(':');
                write_into(value, out);
            }
            out.push('}');
        }
    }
}
