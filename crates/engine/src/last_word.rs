//! The last word on each key of a batch: which upserts still count, and which keys end deleted.

use std::fmt;
use std::hash::BuildHasher;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_row::{RowConverter, Rows, SortField};
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::run::DeleteMode;
use crate::value::ColumnType;

/// Keys met so far, in the order of the function's words.
pub(crate) struct LastWord {
    converter: RowConverter,
    hasher: DefaultHashBuilder,
    /// The keys of each chunk of upserts or deletes that was heard.
    chunks: Vec<Rows>,
    verdicts: HashTable<Verdict>,
    /// Rows of each chunk that no longer count; empty where all do.
    dead: Vec<Vec<usize>>,
}

/// What a key has come to.
struct Verdict {
    /// A chunk and row where the key is written.
    key: (usize, usize),
    hash: u64,
    upsert: Option<(usize, usize)>,
    delete: Option<(usize, usize, DeleteMode)>,
}

impl LastWord {
    /// `keys` are the key's columns, in the order in which their arrays come.
    pub(crate) fn new(keys: &[(String, ColumnType)]) -> LastWord {
        let fields = keys.iter().map(|(_, key)| SortField::new(key.arrow())).collect();
        LastWord {
            converter: RowConverter::new(fields).expect("key columns have comparable types"),
            hasher: DefaultHashBuilder::default(),
            chunks: Vec::new(),
            verdicts: HashTable::new(),
            dead: Vec::new(),
        }
    }

    /// A chunk of rows to insert or replace: each takes the word from what was said of its key before.
    pub(crate) fn upserts(&mut self, keys: &[ArrayRef]) {
        self.hear(keys, |verdict, place, dead| {
            if let Some(old) = verdict.upsert.replace(place) {
                dead[old.0].push(old.1);
            }
            if let Some((chunk, row, _)) = verdict.delete.take() {
                dead[chunk].push(row);
            }
        });
    }

    /// A chunk of keys to mark or to remove. A marked row keeps the values it was last given; a removed
    /// one loses them, and cannot be marked any more.
    pub(crate) fn deletes(&mut self, keys: &[ArrayRef], mode: DeleteMode) {
        self.hear(keys, |verdict, place, dead| {
            if mode == DeleteMode::Hard
                && let Some(upsert) = verdict.upsert.take()
            {
                dead[upsert.0].push(upsert.1);
            }
            match verdict.delete {
                Some((_, _, DeleteMode::Hard)) => dead[place.0].push(place.1),
                old => {
                    if let Some((chunk, row, _)) = old {
                        dead[chunk].push(row);
                    }
                    verdict.delete = Some((place.0, place.1, mode));
                }
            }
        });
    }

    /// A chunk that says nothing to it: the places of those that follow count on.
    pub(crate) fn skip(&mut self) {
        self.chunks.push(self.converter.empty_rows(0, 0));
        self.dead.push(Vec::new());
    }

    fn hear(
        &mut self,
        keys: &[ArrayRef],
        mut speak: impl FnMut(&mut Verdict, (usize, usize), &mut [Vec<usize>]),
    ) {
        let rows = self.converter.convert_columns(keys).expect("a key's types stay the same");
        let chunk = self.chunks.len();
        self.chunks.push(rows);
        self.dead.push(Vec::new());
        let LastWord { hasher, chunks, verdicts, dead, .. } = self;
        verdicts.reserve(chunks[chunk].num_rows(), |verdict| verdict.hash);
        for row in 0..chunks[chunk].num_rows() {
            let key = chunks[chunk].row(row);
            let hash = hasher.hash_one(key.as_ref());
            let same = |verdict: &Verdict| chunks[verdict.key.0].row(verdict.key.1) == key;
            let new = || Verdict { key: (chunk, row), hash, upsert: None, delete: None };
            let mut entry = verdicts.entry(hash, same, |verdict| verdict.hash).or_insert_with(new);
            speak(entry.get_mut(), (chunk, row), dead);
        }
    }

    pub(crate) fn is_dead(&self, chunk: usize, row: usize) -> bool {
        self.dead[chunk].contains(&row)
    }

    /// The rows of a chunk that still count.
    pub(crate) fn living(&self, chunk: usize, rows: &RecordBatch) -> RecordBatch {
        let dead = &self.dead[chunk];
        if dead.is_empty() {
            return rows.clone();
        }
        let mut living = vec![true; rows.num_rows()];
        for row in dead {
            living[*row] = false;
        }
        arrow_select::filter::filter_record_batch(rows, &BooleanArray::from(living))
            .expect("the filter is as long as the rows")
    }
}

impl fmt::Debug for LastWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LastWord({} keys)", self.verdicts.len())
    }
}
