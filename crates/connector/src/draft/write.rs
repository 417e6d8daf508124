//! The YAML of a draft, with its reasons as comments.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Draft;
use super::find::Line;
use super::login::Login;
use super::secret::secret_name;
use super::tables::TableDraft;

/// Writes the manifest of some tables of one API; the first is the one to try first.
pub(super) fn write(opening: &str, tables: &[TableDraft<'_>]) -> Draft {
    let first = &tables[0];
    let host = first.sample.url.host_str().unwrap_or_default();
    let folder = common_folder(tables);
    let base = format!("{}{folder}", first.sample.url.origin().ascii_serialization());
    let name = api_name(host);
    let logins: Vec<Login> = tables.iter().map(|table| Login::of(table.sample)).collect();
    let mut secrets: Vec<String> = Vec::new();
    for secret in logins.iter().flat_map(|login| &login.secrets) {
        if !secrets.contains(secret) {
            secrets.push(secret.clone());
        }
    }
    let auth = logins.iter().find_map(|login| login.auth.as_ref());
    let common = logins[0]
        .headers
        .iter()
        .filter(|header| logins.iter().all(|login| login.headers.contains(header)));
    let common: Vec<_> = common.cloned().collect();
    let config: BTreeSet<&String> = tables.iter().flat_map(|table| &table.config).collect();

    let mut out = String::new();
    comment(&mut out, "", opening);
    let _ = writeln!(out, "name: {}", quoted(&name));
    let _ = writeln!(out, "base_url: {}", quoted(&base));
    if !secrets.is_empty() {
        comment(&mut out, "", "What lets a request in is given beside this file, not in it.");
        let _ = writeln!(out, "secrets: [{}]", secrets.join(", "));
    }
    if !config.is_empty() {
        comment(
            &mut out,
            "",
            "Parts of paths that nothing gives a value: write one here, or give it with --payload.",
        );
        let config: Vec<_> = config.iter().map(|name| ((*name).clone(), String::new())).collect();
        pairs(&mut out, "", "config", &config);
    }
    if let Some(auth) = auth {
        let _ = writeln!(out, "auth: {auth}");
    }
    pairs(&mut out, "", "headers", &common);
    out += "tables:\n";
    for (table, login) in tables.iter().zip(&logins) {
        write_table(&mut out, table, &folder, login, &common);
    }
    Draft {
        name,
        tables: tables.iter().map(|table| table.name.clone()).collect(),
        manifest: out,
        secrets,
        rows: tables.iter().map(|table| table.found.rows).sum(),
    }
}

fn write_table(
    out: &mut String,
    table: &TableDraft<'_>,
    folder: &str,
    login: &Login,
    common: &[(String, String)],
) {
    let indent = "    ";
    let head = format!("  {}:\n", quoted(&table.name));
    *out += &head;
    let TableDraft { sample, found, .. } = table;
    if let Some(Line { text, why }) = &table.for_each {
        comment(out, indent, why);
        let _ = writeln!(out, "{indent}{text}");
    }
    let path = &table.path[folder.len()..];
    if path != format!("/{}", table.name) {
        let path = if path.is_empty() { "/" } else { path };
        let _ = writeln!(out, "{indent}path: {}", quoted(path));
    }
    if sample.method != "GET" && !(sample.method == "POST" && sample.request_body.is_some()) {
        let _ = writeln!(out, "{indent}method: {}", sample.method);
    }
    let is_written = |name: &str| found.written.contains(name);
    let query = sample.query().into_iter().filter(|(name, _)| !is_written(name));
    let query: Vec<_> = query.filter_map(|(name, value)| login.parameter(name, value)).collect();
    pairs(out, indent, "query", &query);
    let own: Vec<_> =
        login.headers.iter().filter(|header| !common.contains(header)).cloned().collect();
    pairs(out, indent, "headers", &own);
    for line in &login.body {
        let _ = writeln!(out, "{indent}{line}");
    }
    let lines = [&found.format, &found.records, &found.key, &found.pagination, &found.cursor];
    for Line { text, why } in lines.into_iter().flatten() {
        comment(out, indent, why);
        let _ = writeln!(out, "{indent}{text}");
    }
    pairs(out, indent, "include", &table.include);
    for open in sample.notes.iter().chain(&found.open) {
        comment(out, indent, open);
    }
    if out.ends_with(&head) {
        out.truncate(out.len() - 1);
        *out += " {}\n";
    }
}

/// The folder that all paths begin with: `/v1` of `/v1/customers` and `/v1/orders/{{ parent.id }}`.
fn common_folder(tables: &[TableDraft<'_>]) -> String {
    let folder = |path: &str| -> Vec<String> {
        let fixed = path.split("{{").next().unwrap_or_default();
        let end = fixed.rfind('/').unwrap_or_default();
        fixed[..end].split('/').skip(1).map(str::to_owned).collect()
    };
    let mut common = folder(&tables[0].path);
    for table in &tables[1..] {
        let other = folder(&table.path);
        let same = common.iter().zip(&other).take_while(|(one, other)| one == other).count();
        common.truncate(same);
    }
    common.iter().fold(String::new(), |text, part| text + "/" + part)
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

pub(super) fn pairs(out: &mut String, indent: &str, key: &str, pairs: &[(String, String)]) {
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
