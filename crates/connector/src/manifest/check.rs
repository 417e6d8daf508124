//! What types cannot say about a manifest.

mod files;
mod formats;

use std::collections::BTreeSet;

use self::files::{check_base_url, check_files};
use self::formats::{check_csv, check_fixed_width};
use super::{
    Auth, CursorConfig, CursorKind, Deletes, Filtering, ForEach, Manifest, Pagination, Source,
    Step, TableConfig, Target,
};
use crate::plan::Plan;
use crate::reshape::Reshape;
use crate::template::Templates;
use crate::yaml::{Entry, Node, Place, Problem, nearest};

/// Every mistake in a file whose keys and values are right each by itself.
pub(super) fn check(manifest: &Manifest, root: &Node) -> Vec<Problem> {
    let file = File { root };
    let mut problems = Vec::new();
    if manifest.tables.is_empty() {
        problems.push(
            Problem::new(file.place(&["tables"]), "the manifest has no table")
                .suggesting(Some("add `tables: {customers: {}}`".into())),
        );
        return problems;
    }
    check_base_url(manifest, &file, &mut problems);
    check_pagination(&manifest.pagination, &["pagination"], &file, &mut problems);
    for (name, table) in &manifest.tables {
        check_table(manifest, name, table, &file, &mut problems);
    }
    check_circles(manifest, &file, &mut problems);
    check_login(manifest, &file, &mut problems);
    check_flat(manifest, &file, &mut problems);
    if problems.is_empty() {
        check_templates(manifest, &file, &mut problems);
    }
    problems.sort_by_key(|problem| problem.place);
    problems
}

fn check_table(
    manifest: &Manifest,
    name: &str,
    table: &TableConfig,
    file: &File<'_>,
    problems: &mut Vec<Problem>,
) {
    let at = |keys: &[&str]| {
        let mut path = vec!["tables", name];
        path.extend(keys);
        file.place(&path)
    };
    let mut wrong = |place: Place, message: &str| problems.push(Problem::new(place, message));
    let bodies = [table.body.is_some(), table.text.is_some(), !table.form.is_empty()];
    if bodies.into_iter().filter(|given| *given).count() > 1 {
        wrong(at(&[]), "a request has a `body`, a `text` or a `form`, not several");
    }
    let has_key = match &table.primary_key {
        Some(key) => !key.0.is_empty(),
        // Rows of files have a key of their own.
        None => table.files.is_some(),
    };
    match &table.deletes {
        Some(Deletes { sweep: true, .. }) if table.cursor.is_some() => wrong(
            at(&["deletes"]),
            "a table with a `cursor` shows only what is new: nothing can be told from what it does not show",
        ),
        Some(_) if !has_key => wrong(at(&["deletes"]), "`deletes` needs a `primary_key`"),
        Some(Deletes { sweep: false, max_deletes: Some(_), .. }) => {
            wrong(at(&["deletes", "max_deletes"]), "`max_deletes` is for `sweep: true`");
        }
        Some(deletes) if *deletes == Deletes::default() => wrong(
            at(&["deletes"]),
            "this notices nothing: say `sweep`, or a `flag`, or the `path` of a feed",
        ),
        _ => {}
    }
    check_exploded(manifest, name, table, &at, &mut wrong);
    if let Some(cursor) = &table.cursor {
        check_cursor(cursor, &at, &mut wrong);
    }
    let feed = table.deletes.as_ref().and_then(|deletes| deletes.feed.as_ref());
    if let Some(cursor) = feed.and_then(|feed| feed.cursor.as_ref()) {
        let inside = |keys: &[&str]| at(&[&["deletes"], keys].concat());
        check_cursor(cursor, &inside, &mut wrong);
    }
    if !table.hash.0.is_empty() && manifest.hash_key.is_none() {
        wrong(
            at(&["hash"]),
            "hashes need a key, so that nobody can guess what they hide: add `hash_key: \"{{ secrets.hash_key }}\"` to the manifest",
        );
    }
    let parent = match &table.for_each {
        None => None,
        Some(ForEach::Values(values)) => {
            if values.is_empty() {
                wrong(at(&["for_each"]), "the list is empty");
            }
            Some("a value")
        }
        Some(ForEach::Request(request)) => {
            check_parents(request, &at, &mut wrong);
            Some("a row")
        }
        Some(ForEach::Table(parent) | ForEach::All(parent)) => {
            if !manifest.tables.contains_key(parent) {
                let known = manifest.tables.keys().map(String::as_str);
                let meant = nearest(parent, known).map(|word| format!("did you mean `{word}`?"));
                problems.push(
                    Problem::new(at(&["for_each"]), format!("there is no table `{parent:.60}`"))
                        .suggesting(meant),
                );
            }
            Some("a row")
        }
    };
    let mut wrong = |place: Place, message: &str| problems.push(Problem::new(place, message));
    if parent.is_none() && !table.include.is_empty() {
        wrong(at(&["include"]), "`include` takes fields of a parent: the table needs `for_each`");
    }
    if parent.is_none() && table.parent_errors.is_some() {
        wrong(at(&["parent_errors"]), "`parent_errors` is for a table with `for_each`");
    }
    for (field, path) in &table.include {
        let path = path.strip_prefix("parent").unwrap_or(path).trim_start_matches('.');
        if !path.is_empty() && path.parse::<crate::selector::Path>().is_err() {
            wrong(at(&["include", field]), "expected a field of the parent, such as parent.id");
        }
    }
    check_files(manifest, table, &at, problems);
    check_csv(&table.csv, &at, problems);
    check_fixed_width(table, &at, problems);
    check_hidden(manifest, table, &at, problems);
    check_inner(manifest, name, table, file, &at, problems);
    if let Some(pagination) = &table.pagination {
        check_pagination(pagination, &["tables", name, "pagination"], file, problems);
    }
}

/// What is asked for beside the table itself: its deletes, its parents.
fn check_inner(
    manifest: &Manifest,
    name: &str,
    table: &TableConfig,
    file: &File<'_>,
    at: &dyn Fn(&[&str]) -> Place,
    problems: &mut Vec<Problem>,
) {
    let feed = table.deletes.as_ref().and_then(|deletes| deletes.feed.as_ref());
    if let Some(feed) = feed {
        let (hash, mask) = (table.hash.clone(), table.mask.clone());
        let hidden = TableConfig { hash, mask, ..feed.table(table.primary_key.clone()) };
        check_hidden(manifest, &hidden, at, problems);
        if let Some(pagination) = &feed.pagination {
            check_pagination(
                pagination,
                &["tables", name, "deletes", "pagination"],
                file,
                problems,
            );
        }
    }
    if let Some(ForEach::Request(request)) = &table.for_each
        && let Some(pagination) = &request.pagination
    {
        check_pagination(pagination, &["tables", name, "for_each"], file, problems);
    }
}

fn check_cursor(
    cursor: &CursorConfig,
    at: &dyn Fn(&[&str]) -> Place,
    wrong: &mut dyn FnMut(Place, &str),
) {
    if cursor.field.is_some() == cursor.from.is_some() {
        wrong(at(&["cursor"]), "a cursor has either a `field` of the rows or a `from`");
    }
    if cursor.from.is_some() && cursor.to.is_none() {
        wrong(at(&["cursor"]), "a cursor with `from` needs `to`: where it is written");
    }
    if cursor.to.is_none() && cursor.filter == Some(Filtering::Api) {
        wrong(at(&["cursor", "filter"]), "`filter: api` needs `to`: where the bound is written");
    }
    check_step(cursor, at, wrong);
    if cursor.first().is_err() {
        wrong(at(&["cursor", "start"]), "this is no value of the cursor's kind");
    }
    if [&cursor.to, &cursor.until].into_iter().flatten().any(|to| *to == Target::Url) {
        wrong(at(&["cursor"]), "a bound cannot be the whole address");
    }
}

/// The rows of a request that are only parents are taken as they come.
fn check_parents(
    request: &TableConfig,
    at: &dyn Fn(&[&str]) -> Place,
    wrong: &mut dyn FnMut(Place, &str),
) {
    let bare = TableConfig {
        path: request.path.clone(),
        method: request.method,
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
        text: request.text.clone(),
        form: request.form.clone(),
        format: request.format,
        csv: request.csv.clone(),
        excel: request.excel.clone(),
        fixed_width: request.fixed_width.clone(),
        records: request.records.clone(),
        primary_key: request.primary_key.clone(),
        pagination: request.pagination.clone(),
        for_each: request.for_each.clone(),
        parent_errors: request.parent_errors,
        empty_on: request.empty_on.clone(),
        ..TableConfig::default()
    };
    if *request != bare {
        wrong(
            at(&["for_each"]),
            "rows that are only parents are taken as they come, all of them: a `request` has nothing that filters, reshapes or remembers",
        );
    }
    if request.path.is_none() {
        wrong(at(&["for_each"]), "the `request` has no `path`");
    }
    if matches!(request.for_each, Some(ForEach::Table(_))) {
        wrong(at(&["for_each"]), "a `request` for parents is read for `{all: TABLE}`");
    }
}

/// A table whose rows stand in those of another asks for nothing.
fn check_exploded(
    manifest: &Manifest,
    name: &str,
    table: &TableConfig,
    at: &dyn Fn(&[&str]) -> Place,
    wrong: &mut dyn FnMut(Place, &str),
) {
    let parent = table.for_each.as_ref().and_then(ForEach::table);
    let parent = parent.and_then(|parent| manifest.tables.get(parent));
    let Some(path) = &table.explode else {
        if parent.is_some_and(|parent| parent.explode.is_some()) {
            wrong(
                at(&["for_each"]),
                "rows that stand in others can only be exploded again; ask for each row of the outer table",
            );
        }
        return;
    };
    if !matches!(table.for_each, Some(ForEach::Table(_))) {
        wrong(at(&["explode"]), "`explode` needs `for_each`: the table in whose rows these stand");
    }
    if path.has_all() {
        wrong(
            at(&["explode"]),
            "`*` would lead to several lists: explode them one after the other",
        );
    }
    let nothing = TableConfig {
        for_each: None,
        explode: None,
        primary_key: None,
        include: indexmap::IndexMap::new(),
        deletes: None,
        filter: None,
        flatten: super::OneOrMany::default(),
        add: indexmap::IndexMap::new(),
        hash: super::OneOrMany::default(),
        mask: indexmap::IndexMap::new(),
        truncate: indexmap::IndexMap::new(),
        select: super::OneOrMany::default(),
        drop: super::OneOrMany::default(),
        rename: indexmap::IndexMap::new(),
        ..table.clone()
    };
    if nothing != TableConfig::default() {
        wrong(
            at(&["explode"]),
            "these rows are in others: nothing is asked for, paged or remembered",
        );
    }
    let mut templates = Templates::default();
    let hides = |parent: &TableConfig| {
        let reshape = Reshape::compile(parent, &mut templates);
        reshape.is_ok_and(|reshape| reshape.hides(&path.to_string()))
    };
    if parent.is_some_and(hides) {
        let message = format!("what `{name:.60}` would show is hidden by the table that it is in");
        wrong(at(&["explode"]), &message);
    }
}

/// A table that is read window after window.
fn check_step(
    cursor: &CursorConfig,
    at: &dyn Fn(&[&str]) -> Place,
    wrong: &mut dyn FnMut(Place, &str),
) {
    let numbers = cursor.kind() == CursorKind::Integer;
    for (key, step) in [("step", cursor.step), ("lookback", cursor.lookback)] {
        match step {
            Some(Step::Time(_)) if numbers => {
                wrong(at(&["cursor", key]), "the cursor is a whole number, and so is its step");
            }
            Some(Step::Numbers(1..)) if !numbers => {
                wrong(at(&["cursor", key]), "expected a duration such as 2d: the cursor is a time");
            }
            _ => {}
        }
    }
    let ends = [cursor.end.is_some(), cursor.empty_steps.is_some()];
    if cursor.step.is_some_and(Step::is_zero) || cursor.empty_steps == Some(0) {
        wrong(at(&["cursor"]), "a step leads on, and so does their number");
    }
    if cursor.step.is_some() && (cursor.until.is_none() || cursor.start.is_none()) {
        wrong(at(&["cursor", "step"]), "`step` needs `start` and `until`");
    }
    if ends.contains(&true) && !(numbers && cursor.step.is_some()) {
        wrong(at(&["cursor"]), "`end` and `empty_steps` are for a `step` over whole numbers");
    } else if numbers && cursor.step.is_some() && ends[0] == ends[1] {
        wrong(
            at(&["cursor", "step"]),
            "a `step` over whole numbers needs to know where they end: by `end` or by `empty_steps`",
        );
    }
}

/// What a table hides must not come back through the state.
fn check_hidden(
    manifest: &Manifest,
    table: &TableConfig,
    at: &dyn Fn(&[&str]) -> Place,
    problems: &mut Vec<Problem>,
) {
    let mut templates = Templates::default();
    let Ok(reshape) = Reshape::compile(table, &mut templates) else { return };
    let pagination = table.pagination.as_ref().unwrap_or(&manifest.pagination);
    let last_row = match pagination.cursor.as_ref().map(|token| &token.from) {
        Some(Source::LastRow(path)) => Some(path),
        _ => None,
    };
    let cursor = table.cursor.as_ref().and_then(|cursor| cursor.field.as_ref());
    for path in [last_row, cursor].into_iter().flatten() {
        if reshape.hides(&path.to_string()) {
            problems.push(Problem::new(
                at(&["hash"]),
                format!("`{path}` is hidden, and as a cursor it would stand in the state for all to read"),
            ));
        }
    }
    check_added(manifest, table, &reshape, at, problems);
}

/// A computed field must not show what a field that it is made of hides.
fn check_added(
    manifest: &Manifest,
    table: &TableConfig,
    reshape: &Reshape,
    at: &dyn Fn(&[&str]) -> Place,
    problems: &mut Vec<Problem>,
) {
    let mut templates = Templates::default();
    let parent = match &table.for_each {
        Some(ForEach::Table(parent) | ForEach::All(parent)) => manifest.tables.get(parent),
        _ => None,
    };
    let parent = parent.and_then(|parent| Reshape::compile(parent, &mut templates).ok());
    for (name, text) in &table.add {
        let reveals = |path: &String| match path.split_once('.') {
            Some(("row", field)) => reshape.hides(field),
            Some(("parent", field)) => parent.as_ref().is_some_and(|table| table.hides(field)),
            _ => false,
        };
        let shown = templates.names_in(text).into_iter().find(reveals);
        if let Some(path) = shown.filter(|_| !reshape.hides(name)) {
            problems.push(Problem::new(
                at(&["add", name]),
                format!("`{path}` is hidden, and this field would show it; hide `{name:.60}` too"),
            ));
        }
    }
}

fn check_pagination(
    pagination: &Pagination,
    path: &[&str],
    file: &File<'_>,
    problems: &mut Vec<Problem>,
) {
    let at = |key: &str| {
        let mut path = path.to_vec();
        path.push(key);
        file.place(&path)
    };
    let styles = [
        ("page", pagination.page.is_some()),
        ("offset", pagination.offset.is_some()),
        ("cursor", pagination.cursor.is_some()),
    ];
    let styles: Vec<&str> = styles.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    if let [first, second, ..] = styles[..] {
        let message = format!("pages follow each other by `{first}` or by `{second}`; keep one");
        problems.push(Problem::new(at(second), message));
    }
    if pagination.short_page_ends && pagination.size.is_none() {
        problems.push(Problem::new(
            at("short_page_ends"),
            "a page is short by comparison: say the `size` that it should have",
        ));
    }
    if pagination.size.as_ref().is_some_and(|size| size.value == 0) {
        problems.push(Problem::new(at("size"), "a page holds at least one row"));
    }
    let links = pagination.cursor.as_ref().map(|token| (&token.from, &token.to));
    if let Some((Source::Link(_), to)) = links
        && *to != Target::Url
    {
        problems.push(Problem::new(at("cursor"), "a link is a whole address: `to: url`"));
    }
    for (key, source) in [
        ("total", &pagination.total),
        ("total_pages", &pagination.total_pages),
        ("has_more", &pagination.has_more),
    ] {
        if matches!(source, Some(Source::LastRow(_) | Source::Link(_))) {
            problems.push(Problem::new(at(key), "expected body.PATH or header.NAME"));
        }
    }
}

fn check_circles(manifest: &Manifest, file: &File<'_>, problems: &mut Vec<Problem>) {
    for name in manifest.tables.keys() {
        let mut met = BTreeSet::from([name.as_str()]);
        let mut at = name.as_str();
        let parent_of = |at: &str| match &manifest.tables.get(at)?.for_each {
            Some(ForEach::Table(parent) | ForEach::All(parent)) => Some(parent),
            _ => None,
        };
        while let Some(parent) = parent_of(at) {
            if parent == name {
                problems.push(Problem::new(
                    file.place(&["tables", name, "for_each"]),
                    format!("the table `{name:.60}` would be read for each of its own rows"),
                ));
            }
            if !met.insert(parent) {
                break;
            }
            at = parent;
        }
    }
}

fn check_login(manifest: &Manifest, file: &File<'_>, problems: &mut Vec<Problem>) {
    let mut wrong = |key: &str, message: &str| {
        problems.push(Problem::new(file.place(&["auth", "oauth2", key]), message));
    };
    if let Auth::Oauth2(oauth) = &manifest.auth {
        let has_client = [oauth.client_id.is_some(), oauth.client_secret.is_some()];
        if has_client != [true, true] && (oauth.assertion.is_none() || oauth.basic) {
            wrong("client_id", "`client_id` and `client_secret` are missing");
        }
        if oauth.assertion.is_some() && oauth.refresh_token.is_some() {
            wrong("assertion", "a login is by `assertion` or by `refresh_token`; keep one");
        }
        if oauth.keep_with.is_some() && oauth.refresh_token.is_none() {
            wrong("keep_with", "`keep_with` keeps a `refresh_token`, and there is none");
        }
        if oauth.keep_with.is_some() && manifest.state.is_some() {
            wrong("keep_with", "a flat `state` has no room for a token");
        }
    }
    if manifest.tls.certificate.is_some() != manifest.tls.key.is_some() {
        problems.push(Problem::new(
            file.place(&["tls"]),
            "a `certificate` and its `key` come together",
        ));
    }
}

fn check_flat(manifest: &Manifest, file: &File<'_>, problems: &mut Vec<Problem>) {
    if manifest.state.is_none() {
        return;
    }
    let (_, table) = manifest.tables.first().expect("there is a table");
    let pagination = table.pagination.as_ref().unwrap_or(&manifest.pagination);
    let fits = manifest.tables.len() == 1
        && table.for_each.is_none()
        && pagination.page.is_some()
        && table.cursor.as_ref().is_some_and(|cursor| {
            cursor.step.is_none()
                && cursor.until.is_none()
                && cursor.order == Some(super::CursorOrder::Ascending)
        });
    if !fits {
        problems.push(Problem::new(
            file.place(&["state"]),
            "a flat state holds one cursor and one page number: it is for one table that pages by `page` and has a `cursor` with `order: ascending`",
        ));
    }
}

fn check_templates(manifest: &Manifest, file: &File<'_>, problems: &mut Vec<Problem>) {
    if let Err((table, problem)) = Plan::compile(manifest) {
        let mut path = Vec::new();
        if let Some(table) = &table {
            // `orders@parents` and `orders@deletes` stand inside of `orders`.
            let (name, inside) = table.split_once('@').unwrap_or((table, ""));
            path.extend(["tables", name]);
            match inside {
                "" => {}
                "deletes" => path.push("deletes"),
                _ => path.push("for_each"),
            }
        }
        path.push(problem.key);
        path.extend(problem.name.as_deref());
        let here = file.find(&path).or_else(|| file.find(&path[path.len().min(2)..]));
        let place = here.unwrap_or_else(|| file.place(&path));
        problems.push(Problem::new(place, problem.error.to_string()));
    }
    let named = manifest.secrets.iter().chain(&manifest.optional_secrets);
    let named: Vec<&str> = named.map(String::as_str).collect();
    let mut open = vec![file.root];
    while let Some(node) = open.pop() {
        match &node.value {
            crate::yaml::Value::Scalar { text, .. } => {
                for name in secrets_of(text).filter(|name| !named.contains(name)) {
                    problems.push(
                        Problem::new(
                            node.place,
                            format!("the secret `{name:.60}` is not declared"),
                        )
                        .suggesting(Some(format!("add it: `secrets: [{name:.60}]`"))),
                    );
                }
            }
            crate::yaml::Value::List(items) => open.extend(items),
            crate::yaml::Value::Map(entries) => {
                open.extend(entries.iter().map(|entry| &entry.value));
            }
        }
    }
}

/// The names after `secrets.` in the holes of a text.
fn secrets_of(text: &str) -> impl Iterator<Item = &str> {
    let holes = text.split("{{").skip(1).map(|hole| hole.split("}}").next().unwrap_or_default());
    holes.flat_map(|hole| hole.split("secrets.").skip(1)).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// Where things stand in the file.
struct File<'file> {
    root: &'file Node,
}

impl File<'_> {
    fn find(&self, path: &[&str]) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        let mut entry: &Entry = self.root.entry(first)?;
        for key in rest {
            entry = entry.value.entry(key)?;
        }
        Some(entry.key_place)
    }

    /// The place of a key, or of the nearest thing around it.
    fn place(&self, path: &[&str]) -> Place {
        (1..=path.len())
            .rev()
            .find_map(|length| self.find(&path[..length]))
            .unwrap_or(self.root.place)
    }
}
