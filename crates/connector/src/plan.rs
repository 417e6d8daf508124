//! A manifest made ready: templates compiled, defaults filled in, tables in a tree of parents and children.

use std::time::Duration;

use crate::auth::Authenticator;
use crate::manifest::{
    CursorConfig, End, Files, ForEach, Manifest, Pagination, Source, Storage, TableConfig, Target,
    Tls,
};
use crate::request_builder::{NAMES, RequestTemplate, TemplateProblem};
use crate::reshape::Reshape;
use crate::selector::{Path, Selector};
use crate::template::{Scope, Template, TemplateError, Templates};

/// All that calls need, compiled once.
pub(crate) struct Plan {
    pub(crate) templates: Templates,
    pub(crate) paths: Templates,
    pub(crate) authenticator: Authenticator,
    /// The key of hashes.
    pub(crate) hash_key: Option<Template>,
    pub(crate) tls: TlsTemplates,
    pub(crate) storage: StorageTemplates,
    /// In the order of the manifest; children come after their parents' names are known.
    pub(crate) tables: Vec<TablePlan>,
    /// The tables that are read for themselves.
    pub(crate) roots: Vec<usize>,
}

/// Who is on either end of a connection.
#[derive(Default)]
pub(crate) struct TlsTemplates {
    pub(crate) certificate: Option<Template>,
    pub(crate) key: Option<Template>,
    pub(crate) authority: Option<Template>,
}

/// One table, ready to be read.
pub(crate) struct TablePlan {
    pub(crate) name: String,
    pub(crate) landing: Landing,
    pub(crate) config: TableConfig,
    pub(crate) pagination: Pagination,
    pub(crate) source: TableSource,
    pub(crate) selector: Selector,
    /// Where in `selector.values` each thing about paging stands.
    pub(crate) wanted: Wanted,
    pub(crate) primary_key: Vec<String>,
    pub(crate) children: Vec<usize>,
    /// The tables whose rows stand in its rows.
    pub(crate) exploded: Vec<usize>,
    /// Names, and the parent's field or, where there is none, the number of the row in its list.
    pub(crate) include: Vec<(String, Option<Path>)>,
    pub(crate) reshape: Reshape,
}

/// Where a table's rows come from.
pub(crate) enum TableSource {
    Requests(Box<RequestTemplate>),
    /// The values that a `for_each` lists: rows that are only parents, and land nowhere.
    Values(Vec<String>),
    /// Here, in each row of the parent.
    Inside(Path),
    /// Files, the new ones.
    Files(FilesPlan),
}

/// The files whose rows are a table's.
pub(crate) struct FilesPlan {
    pub(crate) paths: Vec<PathPlan>,
    lookback: Duration,
}

/// A path of files, and what the state calls it.
pub(crate) struct PathPlan {
    pub(crate) template: Template,
    pub(crate) mark: String,
}

/// Without a word about it, files may come so late.
const LOOKBACK: Duration = Duration::from_secs(24 * 60 * 60);

/// What rows of files are named by, where the manifest names nothing else.
const FILE_KEY: [&str; 2] = ["_file", "_line"];

impl FilesPlan {
    fn compile(files: &Files, templates: &mut Templates) -> Result<FilesPlan, TemplateProblem> {
        let compile = |text: &String| {
            let problem = |error| TemplateProblem { key: "files", name: None, error };
            let template = templates.compile(text, FILES_NAMES).map_err(problem)?;
            Ok(PathPlan { template, mark: crate::page::mark(text.as_bytes()) })
        };
        Ok(FilesPlan {
            paths: files.paths.0.iter().map(compile).collect::<Result<_, TemplateProblem>>()?,
            lookback: files.lookback.map_or(LOOKBACK, |lookback| lookback.0),
        })
    }

    /// How long after a newer file one may still appear.
    pub(crate) fn lookback_ms(&self) -> i64 {
        i64::try_from(self.lookback.as_millis()).unwrap_or(i64::MAX)
    }
}

/// How stores are reached, with holes.
#[derive(Default)]
pub(crate) struct StorageTemplates {
    storage: Storage,
    texts: Vec<Option<Template>>,
}

impl StorageTemplates {
    fn compile(
        storage: &Storage,
        templates: &mut Templates,
    ) -> Result<StorageTemplates, TemplateError> {
        let mut storage = storage.clone();
        let mut compile = |text: &mut Option<String>| {
            text.as_deref().map(|text| templates.compile(text, FILES_NAMES)).transpose()
        };
        let texts: Result<Vec<_>, TemplateError> =
            storage.texts().into_iter().map(&mut compile).collect();
        let texts = texts?;
        Ok(StorageTemplates { storage, texts })
    }

    /// The settings with their holes filled; what is empty is as if it were not there.
    pub(crate) fn render(
        &self,
        templates: &Templates,
        scope: &Scope,
    ) -> Result<Storage, TemplateError> {
        let mut storage = self.storage.clone();
        for (text, template) in storage.texts().into_iter().zip(&self.texts) {
            let Some(template) = template else { continue };
            *text = Some(templates.render(template, scope)?).filter(|text| !text.is_empty());
        }
        Ok(storage)
    }
}

/// What templates of files may name.
const FILES_NAMES: &[&str] = &["secrets", "config"];

/// What becomes of a table's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    Rows,
    /// They are only parents.
    Nowhere,
    /// They tell what is gone from this table.
    Deletes(String),
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
        let tls = TlsTemplates::compile(&manifest.tls, &mut templates)
            .map_err(|error| (None, TemplateProblem { key: "tls", name: None, error }))?;
        let storage = StorageTemplates::compile(&manifest.storage, &mut templates)
            .map_err(|error| (None, TemplateProblem { key: "storage", name: None, error }))?;
        let manifest = manifest.with_parents_asked_for();
        let mut tree = Tree {
            manifest: &manifest,
            templates: &mut templates,
            paths: &mut paths,
            tables: Vec::new(),
            roots: Vec::new(),
        };
        for (name, config) in &manifest.tables {
            tree.add(name, config, Landing::Rows)?;
        }
        for (index, (name, config)) in manifest.tables.iter().enumerate() {
            tree.attach(index, name, config)?;
        }
        let Tree { tables, roots, .. } = tree;
        Ok(Plan { templates, paths, authenticator, hash_key, tls, storage, tables, roots })
    }

    /// The table of this name.
    pub(crate) fn table(&self, name: &str) -> Option<&TablePlan> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl TlsTemplates {
    fn compile(tls: &Tls, templates: &mut Templates) -> Result<TlsTemplates, TemplateError> {
        let mut compile = |text: &Option<String>| {
            text.as_deref().map(|text| templates.compile(text, NAMES)).transpose()
        };
        Ok(TlsTemplates {
            certificate: compile(&tls.certificate)?,
            key: compile(&tls.key)?,
            authority: compile(&tls.authority)?,
        })
    }
}

/// Tables being planned, and put below those that they are read for.
struct Tree<'a> {
    manifest: &'a Manifest,
    templates: &'a mut Templates,
    paths: &'a mut Templates,
    tables: Vec<TablePlan>,
    roots: Vec<usize>,
}

/// A template that is none, and the table that it is in.
type InTable = (Option<String>, TemplateProblem);

impl Tree<'_> {
    /// Plans one table, and tells its place.
    fn add(
        &mut self,
        name: &str,
        config: &TableConfig,
        landing: Landing,
    ) -> Result<usize, InTable> {
        let Tree { manifest, templates, paths, .. } = self;
        let pagination = config.pagination.clone().unwrap_or_else(|| manifest.pagination.clone());
        let names = path_names(&pagination, config.cursor.as_ref());
        let of_table = |problem| (Some(name.to_owned()), problem);
        let source = match (&config.explode, &config.files) {
            (Some(path), _) => TableSource::Inside(path.clone()),
            (None, Some(files)) => {
                TableSource::Files(FilesPlan::compile(files, templates).map_err(of_table)?)
            }
            (None, None) => {
                let request =
                    RequestTemplate::compile(manifest, name, config, &names, templates, paths);
                TableSource::Requests(Box::new(request.map_err(of_table)?))
            }
        };
        let reshape = Reshape::compile(config, templates)
            .map_err(|(key, field, error)| of_table(TemplateProblem { key, name: field, error }))?;
        let (mut selector, wanted) = selector(config, &pagination);
        selector.scalars = landing != Landing::Rows;
        self.tables.push(TablePlan {
            name: name.to_owned(),
            landing,
            pagination,
            source,
            selector,
            wanted,
            primary_key: match &config.primary_key {
                Some(key) => key.0.clone(),
                None if config.files.is_some() => FILE_KEY.map(str::to_owned).into(),
                None => Vec::new(),
            },
            children: Vec::new(),
            exploded: Vec::new(),
            include: include(config),
            reshape,
            config: config.clone(),
        });
        Ok(self.tables.len() - 1)
    }

    /// Puts a table below what it is read for. What lists its deletes is read before it.
    fn attach(&mut self, index: usize, name: &str, config: &TableConfig) -> Result<(), InTable> {
        if let Some(feed) = config.deletes.as_ref().and_then(|deletes| deletes.feed.as_ref()) {
            let feed = feed.table(config.primary_key.clone());
            let landing = Landing::Deletes(name.to_owned());
            let place = self.add(&format!("{name}@deletes"), &feed, landing)?;
            let (before, after) = self.tables.split_at_mut(place);
            let (rows, deletes) = (&before[index], &mut after[0]);
            for key in &rows.primary_key {
                deletes.reshape.hide_alike(key, &rows.reshape);
            }
            self.roots.push(place);
        }
        match &config.for_each {
            Some(ForEach::Table(parent)) => {
                let parent = self.tables.iter().position(|table| table.name == *parent);
                let parent = &mut self.tables[parent.expect("it was checked to be there")];
                let inside = config.explode.is_some();
                if inside { &mut parent.exploded } else { &mut parent.children }.push(index);
            }
            Some(ForEach::Request(request)) => {
                let place = self.add(&format!("{name}@parents"), request, Landing::Nowhere)?;
                self.tables[place].children.push(index);
                self.attach(place, &format!("{name}@parents"), request)?;
            }
            Some(ForEach::Values(values)) => {
                self.roots.push(self.tables.len());
                self.tables.push(TablePlan::of_values(name, values.clone(), index));
            }
            Some(ForEach::All(_)) => unreachable!("requests stand in their place"),
            None => self.roots.push(index),
        }
        Ok(())
    }
}

impl TablePlan {
    /// The parents of the table `child` that are listed in the manifest. Its name is no table's.
    fn of_values(child: &str, values: Vec<String>, index: usize) -> TablePlan {
        TablePlan {
            name: format!("{child}@values"),
            landing: Landing::Nowhere,
            config: TableConfig::default(),
            pagination: Pagination::default(),
            source: TableSource::Values(values),
            selector: Selector::default(),
            wanted: Wanted::default(),
            primary_key: Vec::new(),
            children: vec![index],
            exploded: Vec::new(),
            include: Vec::new(),
            reshape: Reshape::default(),
        }
    }

    /// Whether its rows land, or what they say is gone.
    pub(crate) fn lands(&self) -> bool {
        self.landing != Landing::Nowhere
    }

    /// The table that its rows are about.
    pub(crate) fn lands_in(&self) -> &str {
        match &self.landing {
            Landing::Rows | Landing::Nowhere => &self.name,
            Landing::Deletes(table) => table,
        }
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
    (Selector { records: config.records.clone(), values, scalars: false }, wanted)
}

/// The fields of the parent that every row gets; `parent.` before a path is for reading aloud.
fn include(config: &TableConfig) -> Vec<(String, Option<Path>)> {
    let path = |text: &str| {
        if text == "index" && config.explode.is_some() {
            return None;
        }
        let inner = text.strip_prefix("parent").unwrap_or(text).trim_start_matches('.');
        let inner = if inner.is_empty() { "$" } else { inner };
        Some(inner.parse().expect("the paths of `include` were checked"))
    };
    config.include.iter().map(|(name, text)| (name.clone(), path(text))).collect()
}
