//! What the tables must hold after so many pages, by folding the source directly: no engine, no batches.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    ColumnPolicy, ColumnType, DeleteMode, Options, PrimaryKey, SoftDeleteTiming, TableMode,
};
use serde_json::Value;

use crate::cell::Cell;
use crate::source;

/// The tables as they must be.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    pub tables: BTreeMap<String, ExpectedTable>,
    /// Rows and values that the policy left out so far, by table.
    pub held_back: BTreeMap<String, u64>,
}

#[derive(Clone, Debug)]
pub struct ExpectedTable {
    pub primary_key: PrimaryKey,
    /// The function's own columns.
    pub columns: BTreeMap<String, ColumnType>,
    /// Whether there is a `_fivetran_deleted`.
    pub soft_deletes: bool,
    /// In the order in which their keys first came.
    pub rows: Vec<ExpectedRow>,
    /// What was said of each key, in a table that keeps versions.
    pub versions: Option<Vec<Vec<Said>>>,
}

/// What a page said of a key: its values, or that it is gone.
#[derive(Clone, Debug)]
pub struct Said {
    pub page: usize,
    pub cells: Option<BTreeMap<String, Cell>>,
}

#[derive(Clone, Debug)]
pub struct ExpectedRow {
    /// A cell for each column of the table.
    pub cells: BTreeMap<String, Cell>,
    pub deleted: bool,
    /// The page that last sent it, or last named it in `delete`.
    pub page: usize,
}

/// What must be there after 0, 1, 2, … pages.
pub fn expectations(options: &Options) -> Vec<Expected> {
    let mut fold = Fold { options: options.clone(), ..Fold::default() };
    let mut expectations = vec![Expected::default()];
    for page in source::page_values() {
        fold.page(&page);
        let tables = fold.tables.iter().map(|(name, table)| (name.clone(), table.typed()));
        let held_back = fold.held_back.clone();
        expectations.push(Expected { tables: tables.collect(), held_back });
    }
    expectations
}

#[derive(Default)]
struct Fold {
    options: Options,
    tables: BTreeMap<String, FoldTable>,
    keys: BTreeMap<String, BTreeSet<String>>,
    held_back: BTreeMap<String, u64>,
    page: usize,
    /// The page that began this sync of the story, and the tables it has named in `softDelete`.
    first_page: usize,
    named: BTreeSet<String>,
}

/// Values by column.
type Values = BTreeMap<String, Value>;
/// What was said of one key, by page; no values where it was said to be gone.
type Words = Vec<(usize, Option<Values>)>;

struct FoldTable {
    key: Option<BTreeSet<String>>,
    soft_deletes: bool,
    /// Every value ever seen in a column, for its type.
    seen: BTreeMap<String, Vec<Value>>,
    rows: Vec<FoldRow>,
    is_versioned: bool,
    /// By key.
    said: Vec<(Values, Words)>,
}

struct FoldRow {
    values: BTreeMap<String, Value>,
    deleted: bool,
    page: usize,
}

impl Fold {
    fn page(&mut self, page: &Value) {
        for (table, hint) in members(&page["schema"]) {
            let columns = hint["primary_key"].as_array().expect("a key is a list").iter();
            let columns = columns.map(|column| column.as_str().expect("a name").to_owned());
            self.keys.insert(table.clone(), columns.collect());
        }
        for (table, rows) in members(&page["insert"]) {
            rows.as_array()
                .expect("rows are a list")
                .iter()
                .for_each(|row| self.insert(table, row));
        }
        let named: BTreeSet<String> = page["softDelete"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|table| table.as_str().expect("a name").to_owned())
            .collect();
        self.named.extend(named.iter().cloned());
        for (table, rows) in members(&page["delete"]) {
            let soft =
                self.options.delete_mode == DeleteMode::Soft || self.named.contains(table.as_str());
            for row in rows.as_array().expect("rows are a list") {
                self.delete(table, row, soft);
            }
        }
        let over = page["hasMore"] == Value::Bool(false);
        for (name, table) in &mut self.tables {
            table.soft_deletes |= self.named.contains(name) && !table.is_versioned;
            let at_once = self.options.soft_delete_timing == SoftDeleteTiming::OnResponse
                && named.contains(name);
            if at_once || (over && self.named.contains(name)) {
                let unseen = table.rows.iter_mut().filter(|row| row.page < self.first_page);
                unseen.for_each(|row| row.deleted = true);
                table.say_unseen(self.page, self.first_page);
            }
        }
        self.page += 1;
        if over {
            self.first_page = self.page;
            self.named.clear();
        }
    }

    fn insert(&mut self, name: &str, row: &Value) {
        let decided = self.options.policy.tables.get(name);
        if decided.is_some_and(|table| table.block) {
            *self.held_back.entry(name.to_owned()).or_default() += 1;
            return;
        }
        let is_blocked = |column: &String| {
            decided.is_some_and(|table| table.columns.get(column) == Some(&ColumnPolicy::Block))
        };
        let key = self.keys.get(name).cloned();
        let table = self.tables.entry(name.to_owned()).or_insert_with(|| FoldTable {
            key,
            soft_deletes: false,
            seen: BTreeMap::new(),
            rows: Vec::new(),
            is_versioned: decided.and_then(|table| table.mode) == Some(TableMode::History),
            said: Vec::new(),
        });
        let (blocked, allowed): (Vec<_>, Vec<_>) =
            members(row).partition(|(name, _)| is_blocked(name));
        if !blocked.is_empty() {
            *self.held_back.entry(name.to_owned()).or_default() += blocked.len() as u64;
        }
        let values: BTreeMap<String, Value> =
            allowed.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        for (column, value) in values.iter().filter(|(_, value)| !value.is_null()) {
            table.seen.entry(column.clone()).or_default().push(value.clone());
        }
        table.say(row, self.page, Some(values.clone()));
        let new = FoldRow { values, deleted: false, page: self.page };
        match table.find(row) {
            Some(old) => *old = new,
            None => table.rows.push(new),
        }
    }

    fn delete(&mut self, name: &str, row: &Value, soft: bool) {
        let Some(table) = self.tables.get_mut(name) else { return };
        table.soft_deletes |= soft && !table.is_versioned;
        let page = self.page;
        table.say(row, page, None);
        match table.find(row) {
            Some(old) if soft => (old.deleted, old.page) = (true, page),
            Some(old) => old.page = usize::MAX,
            None => {}
        }
        table.rows.retain(|row| row.page != usize::MAX);
    }
}

impl FoldTable {
    /// The row with the same key; none in a table without key.
    fn find(&mut self, row: &Value) -> Option<&mut FoldRow> {
        let key = self.key.as_ref()?;
        self.rows.iter_mut().find(|old| key.iter().all(|column| old.values[column] == row[column]))
    }

    fn say(&mut self, row: &Value, page: usize, values: Option<Values>) {
        let Some(key) = self.key.as_ref().filter(|_| self.is_versioned) else { return };
        let key: BTreeMap<String, Value> =
            key.iter().map(|column| (column.clone(), row[column].clone())).collect();
        match self.said.iter_mut().find(|(known, _)| *known == key) {
            Some((_, said)) => said.push((page, values)),
            None => self.said.push((key, vec![(page, values)])),
        }
    }

    /// Keys that were not sent since a page are gone.
    fn say_unseen(&mut self, page: usize, first_page: usize) {
        for (_, said) in &mut self.said {
            let sent = said.iter().rev().find(|(_, values)| values.is_some());
            if sent.is_some_and(|(sent, _)| *sent < first_page) {
                said.push((page, None));
            }
        }
    }

    fn typed(&self) -> ExpectedTable {
        let columns: BTreeMap<String, ColumnType> =
            self.seen.iter().map(|(name, values)| (name.clone(), type_of(values))).collect();
        let cells = |values: &BTreeMap<String, Value>| -> BTreeMap<String, Cell> {
            let cell = |(name, column_type): (&String, &ColumnType)| {
                let value = values.get(name).unwrap_or(&Value::Null);
                (name.clone(), typed(value, *column_type))
            };
            columns.iter().map(cell).collect()
        };
        let versions = self.said.iter().map(|(_, said)| {
            let said = said
                .iter()
                .map(|(page, values)| Said { page: *page, cells: values.as_ref().map(&cells) });
            said.collect()
        });
        let versions = self.is_versioned.then(|| versions.collect());
        let rows = self.rows.iter().map(|row| ExpectedRow {
            cells: cells(&row.values),
            deleted: row.deleted,
            page: row.page,
        });
        ExpectedTable {
            primary_key: self.key.clone().map_or(PrimaryKey::BatchIndex, PrimaryKey::Columns),
            soft_deletes: self.soft_deletes,
            rows: rows.collect(),
            versions,
            columns,
        }
    }
}

/// The dates of the story, in days since 1970-01-01.
const DATES: [(&str, i32); 2] = [("2020-01-01", 18_262), ("2020-02-29", 18_321)];

fn date(value: &Value) -> Option<i32> {
    DATES.iter().find(|(text, _)| value.as_str() == Some(text)).map(|(_, days)| *days)
}

/// The type of a column in which these values were seen: what the story needs, no more.
fn type_of(values: &[Value]) -> ColumnType {
    let all = |is: &dyn Fn(&Value) -> bool| values.iter().all(is);
    if all(&|value| value.is_object() || value.is_array()) {
        ColumnType::Json
    } else if all(&Value::is_boolean) {
        ColumnType::Boolean
    } else if all(&Value::is_i64) {
        ColumnType::Long
    } else if all(&Value::is_number) {
        ColumnType::Double
    } else if all(&|value| date(value).is_some()) {
        ColumnType::LocalDate
    } else {
        ColumnType::String
    }
}

fn typed(value: &Value, column_type: ColumnType) -> Cell {
    match (column_type, value) {
        (_, Value::Null) => Cell::Null,
        (ColumnType::Boolean, value) => Cell::Boolean(value.as_bool().expect("a boolean")),
        (ColumnType::Long, value) => Cell::Long(value.as_i64().expect("a long")),
        (ColumnType::Double, value) => Cell::double(value.as_f64().expect("a number")),
        (ColumnType::LocalDate, value) => Cell::Date(date(value).expect("a date")),
        (_, Value::String(text)) => Cell::text(text),
        (_, value) => Cell::text(&value.to_string()),
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
