//! Tables whose rows are in files, and the address that all others need.

use super::File;
use crate::manifest::{Deletes, Files, ForEach, Manifest, Scheme, TableConfig};
use crate::yaml::{Place, Problem};

/// More places than this are a pattern.
const PATHS_MAX: usize = 1000;

pub(super) fn check_files(
    manifest: &Manifest,
    table: &TableConfig,
    at: &dyn Fn(&[&str]) -> Place,
    problems: &mut Vec<Problem>,
) {
    let mut wrong = |key: &str, message: &str| {
        problems.push(Problem::new(at(&[key]), message));
    };
    if let Some(ForEach::Table(parent) | ForEach::All(parent)) = &table.for_each
        && table.explode.is_none()
        && manifest.tables.get(parent).is_some_and(|parent| parent.files.is_some())
    {
        wrong(
            "for_each",
            "the rows of `files` are no parents to ask for; `explode` what is in them",
        );
    }
    let Some(files) = &table.files else { return };
    check_paths(files, &mut wrong);
    if matches!(table.deletes, Some(Deletes { sweep: true, .. })) {
        wrong("deletes", "only new files are read: nothing can be told from what they do not show");
    }
    let asks_nothing = TableConfig {
        path: None,
        method: None,
        query: indexmap::IndexMap::new(),
        headers: indexmap::IndexMap::new(),
        body: None,
        text: None,
        form: indexmap::IndexMap::new(),
        cursor: None,
        pagination: None,
        for_each: None,
        explode: None,
        parent_errors: None,
        empty_on: Vec::new(),
        deletes: table.deletes.clone().filter(|deletes| deletes.feed.is_none()),
        ..table.clone()
    };
    if *table != asks_nothing {
        wrong("files", "these rows are in files: nothing is asked of an API, paged or remembered");
    }
}

fn check_paths(files: &Files, wrong: &mut dyn FnMut(&str, &str)) {
    let count = files.paths.0.len();
    if count == 0 || files.paths.0.iter().any(String::is_empty) {
        wrong("files", "where are the files? say `files: PATH`");
    }
    if count > PATHS_MAX {
        wrong("files", "more than 1000 paths; a pattern such as `exports/*.csv` stands for many");
    }
    for path in &files.paths.0 {
        // What a template begins with is not known yet.
        let Some(known) = path.split("{{").next().filter(|known| known.contains("://")) else {
            continue;
        };
        if let Err(message) = Scheme::of(known) {
            wrong("files", &message);
        }
    }
}

/// Requests lead somewhere.
pub(super) fn check_base_url(manifest: &Manifest, file: &File<'_>, problems: &mut Vec<Problem>) {
    let is_read_elsewhere = |table: &TableConfig| table.files.is_some() || table.explode.is_some();
    if manifest.base_url.is_empty() && !manifest.tables.values().all(is_read_elsewhere) {
        problems.push(
            Problem::new(file.root.place, "`base_url` is missing")
                .suggesting(Some("add `base_url: https://api.example.com`".into())),
        );
    }
}
