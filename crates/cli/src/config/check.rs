//! What types cannot say about a configuration.

use std::collections::BTreeMap;

use connector::yaml::{Entry, Node, Place, Problem};
use transport::SecretAddress;

use super::{ConfigFile, ConnectionConfig};
use crate::reference;

/// Every mistake in a file whose keys and values are right each by itself.
pub(super) fn check(content: &ConfigFile, root: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut namespaces = BTreeMap::new();
    for (name, connection) in &content.connections {
        let at = Connection { root, name };
        check_function(connection, &at, &mut problems);
        check_secrets(connection, &at, &mut problems);
        check_namespace(connection, &at, &mut problems);
        check_tables(connection, &at, &mut problems);
        let Some(destination) = connection.destination.as_ref().or(content.destination.as_ref())
        else {
            let message = format!("connection {name:.60} has no destination");
            problems.push(
                Problem::new(at.key(), message)
                    .suggesting(Some("add `destination: {to: warehouse.duckdb}`".into())),
            );
            continue;
        };
        if let Some(Err(message)) = destination.to.to_str().map(reference::check) {
            problems.push(Problem::new(at.member("destination"), message));
        }
        let namespace =
            connection.namespace.clone().unwrap_or_else(|| reference::namespace_of(name));
        if let Some(other) = namespaces.insert((&destination.to, namespace.clone()), name) {
            problems.push(Problem::new(
                at.member("namespace"),
                format!(
                    "connections {other:.60} and {name:.60} would share the namespace {namespace:.60} of one destination; give one of them another `namespace`"
                ),
            ));
        }
    }
    problems.sort_by_key(|problem| problem.place);
    problems
}

fn check_function(connection: &ConnectionConfig, at: &Connection<'_>, problems: &mut Vec<Problem>) {
    let given = [
        ("url", connection.url.is_some()),
        ("lambda", connection.lambda.is_some()),
        ("handler", connection.handler.is_some()),
        ("command", connection.command.is_some()),
        ("manifest", connection.manifest.is_some()),
    ];
    let given: Vec<&str> = given.iter().filter(|(_, is)| *is).map(|(word, _)| *word).collect();
    match given[..] {
        [_] => {}
        [] => problems.push(
            Problem::new(at.key(), format!("connection {:.60} names no function", at.name))
                .suggesting(Some(
                    "add one of `url`, `lambda`, `handler`, `command` and `manifest`".into(),
                )),
        ),
        [first, second, ..] => problems.push(Problem::new(
            at.member(second),
            format!("connection {:.60} names both `{first}` and `{second}`; keep one", at.name),
        )),
    }
    if !connection.headers.is_empty() && connection.url.is_none() {
        problems.push(Problem::new(at.member("headers"), "`headers` are sent to a `url` only"));
    }
    if connection.aws.is_some() && connection.url.is_none() && connection.lambda.is_none() {
        problems.push(Problem::new(at.member("aws"), "`aws` is for a `lambda` or a `url`"));
    }
    check_s3(connection, at, problems);
    check_azure(connection, at, problems);
    if connection.google.is_some() && connection.url.is_none() {
        problems.push(Problem::new(at.member("google"), "`google` is for a `url`"));
    }
    if connection.google.is_some() && connection.aws.is_some() {
        let message = "a `url` is one of Google's or one of AWS's; keep one of `google` and `aws`";
        problems.push(Problem::new(at.member("google"), message));
    }
    let for_handlers = [("python", &connection.python), ("task_root", &connection.task_root)];
    for (member, given) in for_handlers {
        if given.is_some() && connection.handler.is_none() {
            let message = format!("`{member}` is for a `handler`");
            problems.push(Problem::new(at.member(member), message));
        }
    }
    if connection.limits.call_timeout.is_some_and(|span| span.0.is_zero()) {
        problems.push(Problem::new(at.inner("limits", "call_timeout"), "a call takes some time"));
    }
    let has_process = connection.handler.is_some() || connection.command.is_some();
    if !connection.environment.is_empty() && !has_process && !given.is_empty() {
        problems.push(Problem::new(
            at.member("environment"),
            "`environment` is for the process of a `handler` or a `command`",
        ));
    }
}

fn check_azure(connection: &ConnectionConfig, at: &Connection<'_>, problems: &mut Vec<Problem>) {
    let Some(azure) = &connection.azure else { return };
    let mut wrong = |message: &str| problems.push(Problem::new(at.member("azure"), message));
    if connection.url.is_none() {
        wrong("`azure` is for a `url`");
    }
    if connection.google.is_some() || connection.aws.is_some() {
        wrong(
            "a `url` is one of Azure's, Google's or AWS's; keep one of `azure`, `google` and `aws`",
        );
    }
    match (&azure.key, &azure.resource) {
        (Some(_), Some(_)) => wrong(
            "a function lets in by its `key` or by Entra ID; keep one of `key` and `resource`",
        ),
        (None, None) => wrong("`azure` wants a `key`, or the `resource` that a token is for"),
        _ => {}
    }
    if azure.key_in.is_some() && azure.key.is_none() {
        wrong("`key_in` says where the `key` goes, and there is none");
    }
    for (member, text) in [("key", &azure.key), ("client_secret", &azure.client_secret)] {
        let Some(text) = text else { continue };
        if let Err(message) = reference::check(text) {
            problems.push(Problem::new(at.inner("azure", member), message));
        } else if reference::variables(text).is_empty() && !connection.allow_inline_secrets {
            let message = format!("the secret `{member}` stands in the file itself");
            let problem = Problem::new(at.inner("azure", member), message);
            problems.push(
                problem.suggesting(Some("write `${NAME}` for an environment variable".into())),
            );
        }
    }
}

fn check_s3(connection: &ConnectionConfig, at: &Connection<'_>, problems: &mut Vec<Problem>) {
    let Some(s3) = &connection.s3 else { return };
    if connection.lambda.is_none() {
        problems.push(Problem::new(at.member("s3"), "`s3` is for a `lambda`"));
    }
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if !(3..=63).contains(&s3.bucket.len()) || !s3.bucket.bytes().all(allowed) {
        let message = "a bucket's name has 3 to 63 of a-z, 0-9, - and .";
        problems.push(Problem::new(at.inner("s3", "bucket"), message));
    }
    let is_part = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte);
        !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed)
    };
    if s3.prefix.as_ref().is_some_and(|prefix| !prefix.split('/').all(is_part)) {
        let message =
            "a `prefix` is made of letters, digits, - _ . and =, with / between its parts";
        problems.push(Problem::new(at.inner("s3", "prefix"), message));
    }
}

fn check_secrets(connection: &ConnectionConfig, at: &Connection<'_>, problems: &mut Vec<Problem>) {
    let inline = |value: &str| reference::check(value).is_ok() && !reference::is_reference(value);
    for (name, value) in &connection.secrets {
        if let Some(Err(message)) = SecretAddress::parse(value) {
            problems.push(Problem::new(at.inner("secrets", name), message));
        }
    }
    for (name, value) in &connection.secrets {
        if inline(value) && !connection.allow_inline_secrets {
            problems.push(
                Problem::new(
                    at.inner("secrets", name),
                    format!("the secret {name:.60} stands in the file itself"),
                )
                .suggesting(Some(
                    "write `${NAME}` for an environment variable, `file:path`, or the place in a store".into(),
                )),
            );
        }
    }
    let referring = [
        ("headers", &connection.headers),
        ("environment", &connection.environment),
        ("secrets", &connection.secrets),
    ];
    for (member, values) in referring {
        for (name, value) in values {
            if let Err(message) = reference::check(value) {
                problems.push(Problem::new(at.inner(member, name), message));
            }
        }
    }
    let external_id = connection.aws.as_ref().and_then(|aws| aws.external_id.as_deref());
    for (member, text) in [("url", connection.url.as_deref()), ("aws", external_id)] {
        if let Some(Err(message)) = text.map(reference::check) {
            problems.push(Problem::new(at.member(member), message));
        }
    }
}

/// F-150: refused before anything is written.
fn check_namespace(
    connection: &ConnectionConfig,
    at: &Connection<'_>,
    problems: &mut Vec<Problem>,
) {
    let Some(namespace) = &connection.namespace else { return };
    if !is_namespace(namespace) {
        problems.push(
            Problem::new(
                at.value("namespace"),
                "a namespace holds a-z, 0-9 and _, does not begin with a digit, and is no schema of the system",
            )
            .suggesting(
                Some(reference::namespace_of(namespace))
                    .filter(|instead| is_namespace(instead))
                    .map(|instead| format!("for example `{instead}`")),
            ),
        );
    }
}

/// What is decided about one column, or one name, must be one thing.
fn check_tables(connection: &ConnectionConfig, at: &Connection<'_>, problems: &mut Vec<Problem>) {
    let mut names = BTreeMap::new();
    for (name, table) in &connection.tables {
        let place = at.inner("tables", name);
        for (column, decided) in &table.columns {
            let count = usize::from(decided.block)
                + usize::from(decided.hash)
                + usize::from(decided.column_type.is_some());
            if count > 1 {
                problems.push(Problem::new(
                    place,
                    format!(
                        "table {name:.60}, column {column:.60}: keep one of `block`, `hash` and `type`"
                    ),
                ));
            }
        }
        for (column, decided) in &table.columns {
            if decided.block && decided.contract.is_some() {
                problems.push(Problem::new(
                    place,
                    format!(
                        "table {name:.60}, column {column:.60}: of a column that is left out nothing must hold; keep one of `block` and `contract`"
                    ),
                ));
            }
        }
        if let Some(time) = &table.version_time {
            let mode = table.mode.or(connection.mode);
            if mode != Some(super::TableMode::History) {
                let message = format!("table {name:.60}: `version_time` is for `mode: history`");
                problems.push(Problem::new(place, message));
            }
            let hidden = table.columns.get(time).is_some_and(|column| column.block || column.hash);
            if hidden {
                problems.push(Problem::new(
                    place,
                    format!("table {name:.60}: `version_time` would show what is hidden of column {time:.60}"),
                ));
            }
        }
        let Some(called) = &table.name else { continue };
        if called.is_empty() || called.len() > 63 || called.starts_with("_fivetran_") {
            problems.push(Problem::new(
                place,
                format!("table {name:.60}: a `name` has 1 to 63 bytes and does not begin with _fivetran_"),
            ));
        }
        if let Some(other) = names.insert(called.to_lowercase(), name) {
            problems.push(Problem::new(
                place,
                format!("tables {other:.60} and {name:.60} would both be called {called:.60}"),
            ));
        }
    }
}

/// Whether a schema of this name may be made (F-150).
pub(crate) fn is_namespace(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(allowed)
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && !["_hasmore", "information_schema"].contains(&text)
        && !text.starts_with("pg_")
}

/// Where the parts of a connection stand in the file.
struct Connection<'file> {
    root: &'file Node,
    name: &'file str,
}

impl Connection<'_> {
    fn entry(&self) -> Option<&Entry> {
        self.root.entry("connections")?.value.entry(self.name)
    }

    fn key(&self) -> Place {
        self.entry().map_or(self.root.place, |entry| entry.key_place)
    }

    fn member(&self, key: &str) -> Place {
        let member = self.entry().and_then(|entry| entry.value.entry(key));
        member.map_or_else(|| self.key(), |entry| entry.key_place)
    }

    fn value(&self, key: &str) -> Place {
        let member = self.entry().and_then(|entry| entry.value.entry(key));
        member.map_or_else(|| self.key(), |entry| entry.value.place)
    }

    fn inner(&self, key: &str, name: &str) -> Place {
        let member = self.entry().and_then(|entry| entry.value.entry(key));
        let inner = member.and_then(|entry| entry.value.entry(name));
        inner.map_or_else(|| self.member(key), |entry| entry.key_place)
    }
}
