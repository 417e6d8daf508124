//! Where a check lands its pages, and how it looks at the outcome.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use engine::{
    Batch, ColumnType, Counts, Destination, DestinationError, Landed, Limits, Options, Position,
    Run, Table, Timestamp, system_columns,
};
use expect_test::Expect;
use protocol::{CustomPayload, Request, Response, Secrets, SyncId};

use crate::conformance::{Storage, StoredTable};

/// A storage, its destination when it is open, and the sync that is under way.
pub struct Bench<S: Storage> {
    pub storage: S,
    destination: Option<S::Destination>,
    pub options: Options,
    syncs: u64,
}

/// The columns that hold times of syncs.
const OF_SYNCS: [&str; 4] =
    [system_columns::SYNCED, system_columns::BATCH, system_columns::START, system_columns::END];
/// One day between syncs, so that their times are easily read.
const DAY_MICROS: i64 = 86_400_000_000;
/// 2026-01-01T00:00:00Z, the start of the first sync.
const FIRST_SYNC_MICROS: i64 = 1_767_225_600_000_000;

impl<S: Storage> Bench<S> {
    pub fn new(fresh: &dyn Fn() -> S) -> Bench<S> {
        Bench::with(fresh, Options::default())
    }

    pub fn with(fresh: &dyn Fn() -> S, options: Options) -> Bench<S> {
        let options = Options { nul_characters: S::NUL_CHARACTERS, ..options };
        Bench { storage: fresh(), destination: None, options, syncs: 0 }
    }

    pub fn destination(&mut self) -> &mut S::Destination {
        self.destination.get_or_insert_with(|| self.storage.open())
    }

    /// As a process that ends.
    pub fn close(&mut self) {
        self.destination = None;
    }

    pub fn position(&mut self) -> Position {
        block_on(self.destination().position()).expect("the position can be read")
    }

    pub fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        block_on(self.destination().commit(batch))
    }

    /// The sync under way; the first begins on 2026-01-01, each other a day later.
    pub fn run(&self) -> Run {
        let days = i64::try_from(self.syncs.max(1) - 1).expect("syncs are few");
        let started_at = Timestamp(FIRST_SYNC_MICROS + days * DAY_MICROS);
        Run {
            sync_id: SyncId(format!("sync-{}", self.syncs.max(1))),
            started_at,
            clock: Arc::new(move || started_at),
            agent: String::new(),
            secrets: Secrets::default(),
            custom_payload: CustomPayload::default(),
            options: self.options.clone(),
            limits: Limits::default(),
        }
    }

    pub fn begin_sync(&mut self) {
        self.syncs += 1;
    }

    /// A sync that lands each of these pages by itself.
    pub fn sync(&mut self, pages: &[&str]) -> Landed {
        self.begin_sync();
        let mut sum = Landed::default();
        for (index, page) in pages.iter().enumerate() {
            let landed = self.land(page, index + 1 == pages.len()).expect("the page lands");
            for (table, counts) in landed.tables {
                sum.tables.entry(table).or_default().add(counts);
            }
        }
        sum
    }

    /// A sync that lands these pages in one commit.
    pub fn sync_joined(&mut self, pages: &[&str]) -> Landed {
        self.begin_sync();
        let batch = self.join(pages);
        self.commit(&batch).expect("the batch lands")
    }

    /// Lands one page of the sync under way.
    pub fn land(&mut self, page: &str, is_last: bool) -> Result<Landed, DestinationError> {
        let position = self.position();
        let batch = self.plan(page, is_last, &position);
        self.commit(&batch)
    }

    /// The batch of one page, on a position.
    pub fn plan(&self, page: &str, is_last: bool, position: &Position) -> Batch {
        Batch::plan(response(page, is_last), position, &self.run())
            .unwrap_or_else(|error| panic!("{error}: {page:.200}"))
    }

    /// The batch of these pages, on the stored position.
    pub fn join(&mut self, pages: &[&str]) -> Batch {
        let position = self.position();
        let mut batch: Option<Batch> = None;
        for (index, page) in pages.iter().enumerate() {
            let tip = batch.as_ref().map_or(&position, Batch::leaves);
            let next = self.plan(page, index + 1 == pages.len(), tip);
            batch = Some(match batch {
                Some(batch) => batch.join(next),
                None => next,
            });
        }
        batch.expect("there are pages")
    }

    /// The table as somebody finds it who looks into the database; its columns must be of the types
    /// that the position says.
    pub fn read(&mut self, table: &str) -> Option<StoredTable> {
        let schema = self.position().schema().tables.get(table).cloned();
        self.close();
        let stored = self.storage.read(table);
        if let (Some(schema), Some(stored)) = (&schema, &stored) {
            let expected: BTreeMap<String, String> = columns_of(schema)
                .into_iter()
                .map(|(name, column_type)| (name, column_type.to_string()))
                .collect();
            assert_eq!(stored.columns, expected, "the columns of table {table}");
        }
        stored
    }

    /// Compares a table with its printed form: columns with types, then a line for each row. The times
    /// of syncs are printed as their numbers.
    pub fn check(&mut self, table: &str, expected: Expect) {
        let printed = self.print(table);
        expected.assert_eq(&printed);
    }

    pub fn print(&mut self, table: &str) -> String {
        let schema = self.position().schema().tables.get(table).cloned();
        let stored = self.read(table);
        let (Some(schema), Some(stored)) = (schema, stored) else {
            return "no such table\n".to_owned();
        };
        let columns = columns_of(&schema);
        let heads = columns.iter().map(|(name, column_type)| format!("{name} {column_type}"));
        let mut lines: Vec<String> =
            stored.rows.iter().map(|row| self.line(&columns, row)).collect();
        lines.sort();
        let heads = heads.collect::<Vec<_>>().join(" | ");
        std::iter::once(heads).chain(lines).map(|line| line + "\n").collect()
    }

    fn line(
        &self,
        columns: &[(String, ColumnType)],
        row: &BTreeMap<String, Option<String>>,
    ) -> String {
        let cell = |(name, _): &(String, ColumnType)| match &row[name] {
            None => "NULL".to_owned(),
            Some(text) if OF_SYNCS.contains(&name.as_str()) => self.sync_of(text),
            Some(text) => text.clone(),
        };
        columns.iter().map(cell).collect::<Vec<_>>().join(" | ")
    }

    /// The number of the sync that began at a moment.
    fn sync_of(&self, moment: &str) -> String {
        let starts = (0..i64::try_from(self.syncs).expect("syncs are few"))
            .map(|days| Timestamp(FIRST_SYNC_MICROS + days * DAY_MICROS).to_string());
        match starts.zip(1..).find(|(start, _)| start == moment) {
            Some((_, number)) => format!("sync {number}"),
            None if moment.ends_with("T23:59:59.999Z") && !moment.starts_with("9999") => {
                let days: usize = moment[8..10].parse().expect("a day");
                format!("before sync {}", days % 31 + 1)
            }
            None => moment.replace(&system_columns::END_MAX.to_string(), "open"),
        }
    }
}

/// Every column of a table with its type: its own in their order, then those of the system.
pub fn columns_of(table: &Table) -> Vec<(String, ColumnType)> {
    table.all_columns()
}

/// A response from what a check writes: an object without its state, or a list of rows of table `t`
/// with the key `id`.
pub fn response(page: &str, is_last: bool) -> Response {
    let body = if page.starts_with('[') {
        format!(r#"{{"insert":{{"t":{page}}},"schema":{{"t":{{"primary_key":["id"]}}}}}}"#)
    } else {
        page.to_owned()
    };
    let comma = if body.trim_start_matches('{').trim_start().starts_with('}') { "" } else { "," };
    let has_more = !is_last;
    let body = format!(r#"{{"state":{{}},"hasMore":{has_more}{comma}{}"#, &body[1..]);
    Response::from_json(body.into(), &Request::default()).expect("the page is one")
}

/// `t: 2 inserted, 1 deleted`, tables to which nothing happened left out.
pub fn print_counts(landed: &Landed) -> String {
    let words = |counts: &Counts| {
        let words = [
            (counts.inserted, "inserted"),
            (counts.updated, "updated"),
            (counts.unchanged, "unchanged"),
            (counts.deleted, "deleted"),
            (counts.swept, "swept"),
        ];
        let words = words.iter().filter(|(count, _)| *count > 0);
        words.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    };
    let tables = landed.tables.iter().filter(|(_, counts)| **counts != Counts::default());
    tables
        .fold(String::new(), |out, (table, counts)| out + &format!("{table}: {}\n", words(counts)))
}

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
