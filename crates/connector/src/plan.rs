//! A manifest made ready: templates compiled, defaults filled in, tables in a tree of parents and children.

use std::collections::HashMap;

use crate::auth::Authenticator;
use crate::manifest::{
    CursorConfig, End, ForEach, Manifest, Pagination, Source, TableConfig, Target,
};
use crate::request_builder::{NAMES, RequestTemplate, TemplateProblem};
use crate::reshape::Reshape;
use crate::selector::{Path, Selector};
use crate::template::{Template, Templates};

/// All that calls need, compiled once.
pub(crate) struct Plan {
    pub(crate) templates: Templates,
    pub(crate) paths: Templates,
    pub(crate) authenticator: Authenticator,
    /// The key of hashes.
    pub(crate) hash_key: Option<Template>,
    /// In the order of the manifest; children come after their parents' names are known.
    pub(crate) tables: Vec<TablePlan>,
    /// The tables that are read for themselves.
    pub(crate) roots: Vec<usize>,
}

/// One table, ready to be read.
pub(crate) struct TablePlan {
    pub(crate) name: String,
    pub(crate) config: TableConfig,
    pub(crate) pagination: Pagination,
    pub(crate) source: TableSource,
    pub(crate) selector: Selector,
    /// Where in `selector.values` each thing about paging stands.
    pub(crate) wanted: Wanted,
    pub(crate) primary_key: Vec<String>,
    pub(crate) children: Vec<usize>,
    pub(crate) include: Vec<(String, Path)>,
    pub(crate) reshape: Reshape,
}

/// Where a table's rows come from.
pub(crate) enum TableSource {
    Requests(Box<RequestTemplate>),
    /// The values that a `for_each` lists: rows that are only parents, and land nowhere.
    Values(Vec<String>),
}

/// Values that a page's body holds beside its rows: places in [`Selector::values`].
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) token: Option<usize>,
    pub(crate) total: Option<usize>,
    pub(crate) total_pages: Option<usize>,
    pub(crate) has_more: Option<usize>,
    pub(crate) cursor: Option<usize>,
    pub(crate) end: Option<usize>,
}

impl Plan {
    /// Compiles a manifest that was checked.
    ///
    /// # Errors
    /// The first template that is none, and the table that it is in.
    pub(crate) fn compile(manifest: &Manifest) -> Result<Plan, (Option<String>, TemplateProblem)> {
        let (mut templates, mut paths) = (Templates::default(), Templates::for_paths());
        let authenticator = Authenticator::compile(manifest, &mut templates, &mut paths)
            .map_err(|error| (None, TemplateProblem { key: "auth", name: None, error }))?;
        let hash_key = manifest.hash_key.as_deref();
        let hash_key = hash_key.map(|text| templates.compile(text, NAMES)).transpose();
        let hash_key = hash_key
            .map_err(|error| (None, TemplateProblem { key: "hash_key", name: None, error }))?;
        let mut tables = Vec::new();
        for (name, config) in &manifest.tables {
            let pagination =
                config.pagination.clone().unwrap_or_else(|| manifest.pagination.clone());
            let cursor = config.cursor.as_ref();
            let names = path_names(&pagination, cursor);
            let request = RequestTemplate::compile(
                manifest,
                name,
                config,
                &names,
                &mut templates,
                &mut paths,
            )
            .map_err(|problem| (Some(name.clone()), problem))?;
            let reshape =
                Reshape::compile(config, &mut templates).map_err(|(key, field, error)| {
                    (Some(name.clone()), TemplateProblem { key, name: field, error })
                })?;
            let (selector, wanted) = selector(config, &pagination);
            tables.push(TablePlan {
                name: name.clone(),
                pagination: pagination.clone(),
                source: TableSource::Requests(Box::new(request)),
                selector,
                wanted,
                primary_key: config.primary_key.clone().unwrap_or_default().0,
                children: Vec::new(),
                include: include(config),
                reshape,
                config: config.clone(),
            });
        }
        let places: HashMap<String, usize> =
            tables.iter().enumerate().map(|(index, table)| (table.name.clone(), index)).collect();
        let mut roots = Vec::new();
        for index in 0..places.len() {
            match tables[index].config.for_each.clone() {
                Some(ForEach::Table(parent)) => tables[places[&parent]].children.push(index),
                Some(ForEach::Values(values)) => {
                    roots.push(tables.len());
                    tables.push(TablePlan::of_values(&tables[index].name, values, index));
                }
                None => roots.push(index),
            }
        }
        Ok(Plan { templates, paths, authenticator, hash_key, tables, roots })
    }

    /// The table of this name.
    pub(crate) fn table(&self, name: &str) -> Option<&TablePlan> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl TablePlan {
    /// The parents of the table `child` that are listed in the manifest. Its name is no table's.
    fn of_values(child: &str, values: Vec<String>, index: usize) -> TablePlan {
        TablePlan {
            name: format!("{child}@values"),
            config: TableConfig::default(),
            pagination: Pagination::default(),
            source: TableSource::Values(values),
            selector: Selector::default(),
            wanted: Wanted::default(),
            primary_key: Vec::new(),
            children: vec![index],
            include: Vec::new(),
            reshape: Reshape::default(),
        }
    }

    /// Whether its rows land.
    pub(crate) fn lands(&self) -> bool {
        matches!(self.source, TableSource::Requests(_))
    }
}

impl CursorConfig {
    /// Where an answer tells the highest number.
    pub(crate) fn told_end(&self) -> Option<&Source> {
        match &self.end {
            Some(End::Told(source)) => Some(source),
            Some(End::Number(_)) | None => None,
        }
    }
}

fn path_names<'a>(pagination: &'a Pagination, cursor: Option<&'a CursorConfig>) -> Vec<&'a str> {
    let paging = [
        pagination.page.as_ref().map(|page| &page.to),
        pagination.offset.as_ref().map(|offset| &offset.to),
        pagination.cursor.as_ref().map(|token| &token.to),
        pagination.size.as_ref().and_then(|size| size.to.as_ref()),
        cursor.and_then(|cursor| cursor.to.as_ref()),
        cursor.and_then(|cursor| cursor.until.as_ref()),
    ];
    let name = |target: &'a Target| match target {
        Target::Path(name) => Some(name.as_str()),
        _ => None,
    };
    paging.into_iter().flatten().filter_map(name).collect()
}

fn selector(config: &TableConfig, pagination: &Pagination) -> (Selector, Wanted) {
    let mut values = Vec::new();
    let mut want = |source: Option<&Source>| match source {
        Some(Source::Body(path)) => {
            values.push(path.clone());
            Some(values.len() - 1)
        }
        _ => None,
    };
    let wanted = Wanted {
        token: want(pagination.cursor.as_ref().map(|token| &token.from)),
        total: want(pagination.total.as_ref()),
        total_pages: want(pagination.total_pages.as_ref()),
        has_more: want(pagination.has_more.as_ref()),
        cursor: want(config.cursor.as_ref().and_then(|cursor| cursor.from.as_ref())),
        end: want(config.cursor.as_ref().and_then(CursorConfig::told_end)),
    };
    (Selector { records: config.records.clone(), values }, wanted)
}

/// The fields of the parent that every row gets; `parent.` before a path is for reading aloud.
fn include(config: &TableConfig) -> Vec<(String, Path)> {
    let path = |text: &str| {
        let inner = text.strip_prefix("parent").unwrap_or(text).trim_start_matches('.');
        let inner = if inner.is_empty() { "$" } else { inner };
        inner.parse().expect("the paths of `include` were checked")
    };
    config.include.iter().map(|(name, text)| (name.clone(), path(text))).collect()
}
