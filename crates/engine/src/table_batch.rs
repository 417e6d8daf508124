use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{Field, Schema as ArrowSchema, SchemaRef};

use crate::destination::DestinationError;
use crate::last_word::LastWord;
use crate::policy::TableMode;
use crate::run::DeleteMode;
use crate::schema::{PrimaryKey, Table};
use crate::system_columns;
use crate::value::ColumnType;
use crate::widen::widen;

/// One table's rows in a batch, as Arrow columns; each key at most once, its last word (Dec-45, F-102).
#[derive(Debug)]
pub struct TableBatch {
    name: String,
    primary_key: PrimaryKey,
    mode: TableMode,
    /// Whether the upserts say since when they hold.
    is_timed: bool,
    soft_deletes: bool,
    rows_sent: u64,
    /// The columns of the table, its own and then those of the system.
    columns: Vec<(String, ColumnType)>,
    /// The columns of which no two live rows may have one value.
    unique: BTreeSet<String>,
    /// What was said, in the order in which it was said.
    words: Vec<Word>,
    /// Made of the words when the batch is written, so that joining a page reads no key.
    last_word: OnceLock<LastWord>,
    /// The last word on each version, where the source says since when it holds.
    last_version: OnceLock<LastWord>,
}

/// One page's upserts, marks or removals. The index of a word is the chunk's in [`LastWord`].
#[derive(Debug)]
pub(crate) struct Word {
    verb: Verb,
    rows: RecordBatch,
    /// Where the rows came from; kept only where some of them may have to go.
    origin: Option<Origin>,
}

/// Where rows came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The name that the function gives to the table.
    pub(crate) source: String,
    /// The rows' numbers on their page, from 1.
    pub(crate) numbers: Vec<u64>,
}

/// An upsert of a batch whose value, in a column that must be unique, another live row has as well once
/// the batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The row's place among the table's upserts, from 0.
    pub place: u64,
    /// The same for rows with one value.
    pub group: u64,
    /// Whether a row that the batch does not write has the value too.
    pub is_held: bool,
    /// Whether the row had the value before the batch.
    pub had_it: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Upsert,
    Delete(DeleteMode),
}

impl TableBatch {
    /// A batch without rows yet, of a table as it will be.
    pub(crate) fn new(name: &str, table: &Table) -> TableBatch {
        TableBatch {
            name: name.to_owned(),
            primary_key: table.primary_key.clone(),
            mode: table.mode,
            is_timed: table.version_time.is_some(),
            soft_deletes: table.soft_deletes,
            rows_sent: 0,
            columns: columns_of(table),
            unique: BTreeSet::new(),
            words: Vec::new(),
            last_word: OnceLock::new(),
            last_version: OnceLock::new(),
        }
    }

    pub fn table(&self) -> &str {
        &self.name
    }

    pub fn primary_key(&self) -> &PrimaryKey {
        &self.primary_key
    }

    /// How the table's rows are kept.
    pub fn mode(&self) -> TableMode {
        self.mode
    }

    /// Whether the upserts have a column `_fivetran_start`: since when they hold, by the source. Each is a
    /// version then, and a key may have several.
    pub fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// The columns of the key, system columns where the function declared none.
    pub fn key_columns(&self) -> Vec<&str> {
        system_columns::key_columns(&self.primary_key)
    }

    /// The columns of which no two upserts have the same values: the key, and where versions are timed by the
    /// source since when they hold.
    pub fn upsert_key_columns(&self) -> Vec<&str> {
        let mut columns = self.key_columns();
        columns.extend(self.is_timed.then_some(system_columns::START));
        columns
    }

    /// The columns of the upserts with their types, in their order.
    pub fn columns(&self) -> &[(String, ColumnType)] {
        &self.columns
    }

    /// The columns of which no two live rows may have one value (`unique` in a contract). Once the batch is
    /// written a destination looks for [`Twin`]s in them, and asks [`TableBatch::check_unique`].
    pub fn unique(&self) -> &BTreeSet<String> {
        &self.unique
    }

    /// Refuses the rows that came too late to have their value: where a row that the batch does not write
    /// has it, all but those that had it before; else all but the first of those that had it before, or
    /// the first of all.
    ///
    /// # Errors
    /// [`DestinationError::NotUnique`], with the places of those rows.
    pub fn check_unique(&self, column: &str, twins: &[Twin]) -> Result<(), DestinationError> {
        let mut groups: BTreeMap<u64, Vec<&Twin>> = BTreeMap::new();
        for twin in twins {
            groups.entry(twin.group).or_default().push(twin);
        }
        let mut places = Vec::new();
        for group in groups.values_mut() {
            group.sort_by_key(|twin| (!twin.had_it, twin.place));
            let stays = usize::from(!group[0].is_held);
            let late = group.iter().skip(stays).filter(|twin| !twin.had_it);
            places.extend(late.map(|twin| twin.place));
        }
        places.sort_unstable();
        if places.is_empty() {
            return Ok(());
        }
        let (table, column) = (self.name.clone(), column.to_owned());
        Err(DestinationError::NotUnique { table, column, places })
    }

    /// Where the upsert at a place came from: the name that the function gives to the table, and the row's
    /// number on its page.
    pub(crate) fn origin(&self, place: u64) -> Option<(&str, u64)> {
        let mut left = usize::try_from(place).ok()?;
        for (chunk, word) in self.words.iter().enumerate() {
            if word.verb != Verb::Upsert {
                continue;
            }
            let is_dead =
                |row: &usize| self.last_of(word.verb).is_some_and(|last| last.is_dead(chunk, *row));
            let living: Vec<usize> =
                (0..word.rows.num_rows()).filter(|row| !is_dead(row)).collect();
            if let Some(row) = living.get(left) {
                let origin = word.origin.as_ref()?;
                return Some((&origin.source, origin.numbers[*row]));
            }
            left -= living.len();
        }
        None
    }

    pub(crate) fn set_unique(&mut self, column: &str) {
        self.unique.insert(column.to_owned());
    }

    /// Whether the table has a `_fivetran_deleted` column once the batch's changes are made; then
    /// every upsert makes its row live again (F-117).
    pub fn soft_deletes(&self) -> bool {
        self.soft_deletes
    }

    /// Rows to insert, or to replace the row with the same key. All of one schema: the table's columns
    /// in their order, then `_fivetran_synced` and the key's system columns if it has any;
    /// `_fivetran_deleted` is not among them. Chunks, in the order of arrival; possibly none.
    pub fn upserts(&self) -> Vec<RecordBatch> {
        self.living(Verb::Upsert)
    }

    /// Keys of rows to mark as deleted and to stamp with `_fivetran_synced` (F-111), or whose version ends
    /// (F-212): the key columns only.
    pub fn marks(&self) -> Vec<RecordBatch> {
        self.living(Verb::Delete(DeleteMode::Soft))
    }

    /// Keys of rows to remove (F-112): the key columns only.
    pub fn removals(&self) -> Vec<RecordBatch> {
        self.living(Verb::Delete(DeleteMode::Hard))
    }

    /// Rows the function sent, in `insert` and in `delete`, before the last word on each key was chosen.
    pub fn rows_sent(&self) -> u64 {
        self.rows_sent
    }

    fn living(&self, verb: Verb) -> Vec<RecordBatch> {
        let words = self.words.iter().enumerate().filter(|(_, word)| word.verb == verb);
        words
            .map(|(chunk, word)| match self.last_of(verb) {
                Some(last) => last.living(chunk, &word.rows),
                None => word.rows.clone(),
            })
            .filter(|rows| rows.num_rows() > 0)
            .collect()
    }

    /// One page's rows, a column each of [`TableBatch::columns`].
    pub(crate) fn upsert(&mut self, arrays: Vec<ArrayRef>, origin: Option<Origin>) {
        let rows = RecordBatch::try_new(arrow_schema(&self.columns), arrays)
            .expect("arrays are built by the table's columns");
        self.rows_sent += rows.num_rows() as u64;
        self.say(Word { verb: Verb::Upsert, rows, origin });
    }

    /// One page's keys to delete, a column each of [`TableBatch::key_columns`].
    pub(crate) fn delete(&mut self, keys: Vec<ArrayRef>, mode: DeleteMode) {
        let rows = RecordBatch::try_new(arrow_schema(&self.key_types()), keys)
            .expect("keys are built by the key's columns");
        self.rows_sent += rows.num_rows() as u64;
        self.say(Word { verb: Verb::Delete(mode), rows, origin: None });
    }

    /// Takes the words of the page after this, which knows the table as it is or wider.
    pub(crate) fn join(&mut self, next: TableBatch) {
        if self.columns != next.columns {
            self.grow(next.columns);
        }
        self.soft_deletes |= next.soft_deletes;
        self.unique.extend(next.unique);
        self.rows_sent += next.rows_sent;
        for word in next.words {
            self.say(word);
        }
    }

    pub(crate) fn set_soft_deletes(&mut self) {
        self.soft_deletes = true;
    }

    fn say(&mut self, word: Word) {
        self.last_word.take();
        self.last_version.take();
        self.words.push(word);
    }

    /// What tells the words of a kind that still count; `None` where all do.
    fn last_of(&self, verb: Verb) -> Option<&LastWord> {
        if self.is_timed && verb == Verb::Upsert {
            Some(self.last_version())
        } else {
            self.last_word()
        }
    }

    fn last_version(&self) -> &LastWord {
        self.last_version.get_or_init(|| {
            let start = (system_columns::START.to_owned(), ColumnType::Instant);
            let types: Vec<_> = self.key_types().into_iter().chain([start]).collect();
            let mut last_version = LastWord::new(&types);
            for word in &self.words {
                if word.verb == Verb::Upsert {
                    let mut keys = key_arrays(&word.rows, &self.primary_key);
                    let start = word.rows.column_by_name(system_columns::START);
                    keys.push(Arc::clone(start.expect("a version says since when it holds")));
                    last_version.upserts(&keys);
                } else {
                    last_version.skip();
                }
            }
            last_version
        })
    }

    /// `None` where every row is new: a table without key (Dec-42).
    fn last_word(&self) -> Option<&LastWord> {
        if self.primary_key == PrimaryKey::BatchIndex {
            return None;
        }
        Some(self.last_word.get_or_init(|| {
            let mut last_word = LastWord::new(&self.key_types());
            for word in &self.words {
                let keys = key_arrays(&word.rows, &self.primary_key);
                match word.verb {
                    Verb::Upsert => last_word.upserts(&keys),
                    Verb::Delete(mode) => last_word.deletes(&keys, mode),
                }
            }
            last_word
        }))
    }

    /// Brings the words so far to a wider table: old values widened, new columns null. Two keys may be
    /// one in the wider type.
    fn grow(&mut self, columns: Vec<(String, ColumnType)>) {
        let old = std::mem::replace(&mut self.columns, columns);
        for word in std::mem::take(&mut self.words) {
            let schema = match word.verb {
                Verb::Upsert => arrow_schema(&self.columns),
                Verb::Delete(_) => arrow_schema(&self.key_types()),
            };
            let rows = grow_rows(&word.rows, &schema, &old, &self.columns);
            self.say(Word { verb: word.verb, rows, origin: word.origin });
        }
    }

    /// The columns of the key with their types, in the order in which deletes carry them.
    pub fn key_types(&self) -> Vec<(String, ColumnType)> {
        let keys = self.key_columns();
        let is_key = |column: &&(String, ColumnType)| keys.contains(&column.0.as_str());
        let mut types: Vec<_> = self.columns.iter().filter(is_key).cloned().collect();
        types.sort_by(|a, b| a.0.cmp(&b.0));
        types
    }
}

/// A table's columns as its batches carry them.
pub(crate) fn columns_of(table: &Table) -> Vec<(String, ColumnType)> {
    let own = table.columns.iter().map(|column| (column.name.clone(), column.column_type()));
    let system = system_columns::of(&table.primary_key);
    let time = table.version_time.as_ref().map(|_| (system_columns::START, ColumnType::Instant));
    own.chain(system.into_iter().chain(time).map(|(name, kind)| (name.to_owned(), kind))).collect()
}

fn arrow_schema(columns: &[(String, ColumnType)]) -> SchemaRef {
    let field =
        |(name, column_type): &(String, ColumnType)| Field::new(name, column_type.arrow(), true);
    Arc::new(ArrowSchema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn key_arrays(rows: &RecordBatch, primary_key: &PrimaryKey) -> Vec<ArrayRef> {
    let column = |name: &str| rows.column_by_name(name).expect("a row has its key columns");
    system_columns::key_columns(primary_key)
        .into_iter()
        .map(|name| Arc::clone(column(name)))
        .collect()
}

fn grow_rows(
    rows: &RecordBatch,
    schema: &SchemaRef,
    old: &[(String, ColumnType)],
    new: &[(String, ColumnType)],
) -> RecordBatch {
    let type_in = |columns: &[(String, ColumnType)], name: &str| {
        columns.iter().find(|column| column.0 == name).map(|column| column.1)
    };
    let arrays = schema.fields().iter().map(|field| {
        let name = field.name();
        match (rows.column_by_name(name), type_in(old, name)) {
            (Some(array), Some(from)) => {
                widen(array, from, type_in(new, name).expect("evolution never drops a column"))
            }
            _ => new_null_array(field.data_type(), rows.num_rows()),
        }
    });
    RecordBatch::try_new(Arc::clone(schema), arrays.collect())
        .expect("arrays are widened to the schema")
}
