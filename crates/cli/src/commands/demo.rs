use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use destination_duckdb::{DuckDb, DuckDbOptions};
use engine::{Limits, Options, Run, SyncEvent};
use protocol::{CustomPayload, Function, FunctionError, Request, Response, Secrets};
use transport::{HttpFunction, HttpOptions, HttpServer, HttpServerOptions};

use crate::arguments::DemoArguments;
use crate::cells;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::grid::Grid;
use crate::location::Location;
use crate::lock::{Lock, Work};
use crate::output::outln;
use crate::paint::Paint;
use crate::report;
use crate::store;
use crate::words;

const CONNECTION: &str = "demo";
const TABLE: &str = "api_json_response_table";

/// The story of section 4.3: a function that pages, called five times in three syncs, over HTTP on this
/// machine, into a DuckDB file.
pub(crate) fn run(arguments: &DemoArguments) -> Result<Exit, Failure> {
    let database = arguments.to.as_path();
    let _lock = Lock::acquire(database, Work::Demo, CONNECTION)?;
    super::runtime().block_on(remove_earlier_demo(database))?;
    let paint = Paint::of(&std::io::stdout());
    super::runtime().block_on(tell(database, paint))?;
    show_table(database, paint)?;
    let line = report::duckdb_line(database, CONNECTION, TABLE);
    outln!(
        "\nLook at it yourself:        {}\nSee why each type:          {}\nNow your own function:      {}",
        paint.cyan(&line),
        paint.cyan(&format!("hasmore tables --to {}", database.display())),
        paint.cyan(
            "hasmore sync --handler orders/lambda_function.lambda_handler --to warehouse.duckdb"
        ),
    );
    Ok(Exit::Landed)
}

/// Only a file that holds nothing but a demo is replaced.
async fn remove_earlier_demo(database: &Path) -> Result<(), Failure> {
    if !database.exists() {
        return Ok(());
    }
    let connections = store::connections(&Location::File(database.to_owned())).await?;
    if connections.is_empty() || connections.iter().any(|stored| stored.connection != CONNECTION) {
        let message = format!("{} holds something else than a demo", database.display());
        return Err(Failure::new("destination_exists", message));
    }
    std::fs::remove_file(database).map_err(|error| {
        let message = format!("{} cannot be replaced: {error}", database.display());
        Failure::new("destination_permission", message)
    })
}

async fn tell(database: &Path, paint: Paint) -> Result<(), Failure> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = HttpServer::start(anywhere, DemoFunction, HttpServerOptions::default());
    let server = server.map_err(|error| {
        Failure::new("no_port", format!("this machine gives no port on loopback: {error}"))
    })?;
    let function = HttpFunction::new(&server.url(), HttpOptions::default())?;
    let function = Told { function, paint };
    outln!(
        "A function runs at {}. hasmore sends it a state; it answers with rows and the next state.\n",
        server.url()
    );
    for (letter, why) in [
        ("A", "the first sync: three pages, since the function says hasMore"),
        ("B", "the next hour: what is new since then"),
        ("C", "and the next: one price has a fraction, one row is deleted"),
    ] {
        outln!("{}", paint.bold(&format!("Sync {letter}, {why}")));
        let mut destination =
            DuckDb::open(database, CONNECTION, CONNECTION, &DuckDbOptions::default())?;
        let run = Run {
            sync_id: clock::new_sync_id(),
            started_at: clock::now(),
            clock: Arc::new(clock::now),
            agent: format!("hasmore/{}/{CONNECTION}/{CONNECTION}", env!("CARGO_PKG_VERSION")),
            secrets: Secrets::default(),
            custom_payload: CustomPayload::default(),
            options: Options::default(),
            limits: Limits::default(),
        };
        let mut told = String::new();
        let on_event = &mut |event: SyncEvent<'_>| {
            if let SyncEvent::Finished { summary } = event {
                told = landed(summary);
            }
        };
        engine::sync(&run, &function, &mut destination, on_event).await?;
        outln!("  {}\n", paint.green(&told));
    }
    Ok(())
}

/// `landed in one transaction: 5 inserted, 1 updated; price was widened from long to double`.
fn landed(summary: &engine::Summary) -> String {
    let counts = summary.tables.get(TABLE).copied().unwrap_or_default();
    let numbers = [
        (counts.inserted, "inserted"),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
        (counts.deleted, "marked as deleted"),
    ];
    let numbers = numbers.iter().filter(|(count, _)| *count > 0);
    let numbers: Vec<_> = numbers.map(|(count, what)| format!("{count} {what}")).collect();
    let widened = summary.changes.iter().find_map(|change| match change {
        engine::SchemaChange::WidenColumn { column, from, to, .. } => {
            Some(format!("; column {column} was widened from {from} to {to}"))
        }
        _ => None,
    });
    format!(
        "landed in {} with the state: {}{}",
        words::count(summary.commits, "transaction"),
        numbers.join(", "),
        widened.unwrap_or_default()
    )
}

/// A function whose calls are shown.
struct Told<F> {
    function: F,
    paint: Paint,
}

impl<F: Function + Sync> Function for Told<F> {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        outln!("  → state {}", self.paint.cyan(request.state.as_json()));
        let response = self.function.call(request).await?;
        let deleted: u64 = response.delete.iter().map(|(_, records)| records.rows()).sum();
        let deleted = match deleted {
            0 => String::new(),
            deleted => format!(", {deleted} to delete"),
        };
        outln!(
            "  ← {}{deleted}, hasMore {}, state {}",
            words::count(response.insert.iter().map(|(_, records)| records.rows()).sum(), "row"),
            response.has_more,
            self.paint.cyan(response.state.as_json()),
        );
        Ok(response)
    }
}

/// The function of the story. It keeps nothing: all it knows is in the state that it is sent.
pub(crate) struct DemoFunction;

impl Function for DemoFunction {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let page = match request.state.as_json() {
            "{}" => 0,
            r#"{"lastUpdate":"","paginationCounter":1}"# => 1,
            r#"{"lastUpdate":"","paginationCounter":2}"# => 2,
            r#"{"lastUpdate":"2020-01-01","paginationCounter":0}"# => 3,
            _ => 4,
        };
        let (rows, deleted, state, has_more) = PAGES[page];
        let body = format!(
            r#"{{"state":{state},"insert":{{"apiJsonResponseTable":{rows}}},"delete":{{"apiJsonResponseTable":{deleted}}},"schema":{{"apiJsonResponseTable":{{"primary_key":["id"]}}}},"hasMore":{has_more}}}"#
        );
        Response::from_json(Bytes::from(body), request)
    }
}

/// Rows, rows to delete, the next state, hasMore.
const PAGES: [(&str, &str, &str, bool); 5] = [
    (
        r#"[{"id":1,"item":"Tea","price":4,"updatedAt":"2020-01-01T08:00:00Z"},{"id":2,"item":"Coffee","price":6,"updatedAt":"2020-01-01T08:05:00Z"}]"#,
        "[]",
        r#"{"lastUpdate":"","paginationCounter":1}"#,
        true,
    ),
    (
        r#"[{"id":3,"item":"Cocoa","price":5,"updatedAt":"2020-01-01T09:00:00Z"},{"id":4,"item":"Milk","price":2,"updatedAt":"2020-01-01T09:10:00Z"}]"#,
        "[]",
        r#"{"lastUpdate":"","paginationCounter":2}"#,
        true,
    ),
    (
        r#"[{"id":5,"item":"Juice","price":3,"updatedAt":"2020-01-01T10:00:00Z"}]"#,
        "[]",
        r#"{"lastUpdate":"2020-01-01","paginationCounter":0}"#,
        false,
    ),
    (
        r#"[{"id":2,"item":"Coffee","price":7,"updatedAt":"2020-01-02T08:00:00Z"},{"id":6,"item":"Water","price":1,"updatedAt":"2020-01-02T08:30:00Z"}]"#,
        "[]",
        r#"{"lastUpdate":"2020-01-02","paginationCounter":0}"#,
        false,
    ),
    (
        r#"[{"id":1,"item":"Tea","price":4.5,"updatedAt":"2020-01-03T08:00:00Z"}]"#,
        r#"[{"id":4}]"#,
        r#"{"lastUpdate":"2020-01-03","paginationCounter":0}"#,
        false,
    ),
];

fn read(database: &Path, sql: &str) -> Result<Vec<arrow_array::RecordBatch>, Failure> {
    let read = || {
        let config = duckdb::Config::default().access_mode(duckdb::AccessMode::ReadOnly)?;
        let connection = duckdb::Connection::open_with_flags(database, config)?;
        let mut statement = connection.prepare(sql)?;
        Ok(statement.query_arrow([])?.collect())
    };
    read().map_err(|error: duckdb::Error| {
        Failure::new("destination_error", format!("the table cannot be read back: {error}"))
    })
}

/// What anybody would see who opens the file.
fn show_table(database: &Path, paint: Paint) -> Result<(), Failure> {
    let columns = ["id", "item", "price", "updated_at", "_fivetran_deleted"];
    let types = ["long", "string", "double", "instant", "boolean"];
    let rows = read(
        database,
        &format!("SELECT {} FROM {CONNECTION}.{TABLE} ORDER BY 1", columns.join(", ")),
    )?;
    let mut grid = Grid::default();
    for (column, column_type) in columns.iter().zip(types) {
        grid = grid.typed(column, column_type, matches!(column_type, "long" | "double"));
    }
    for row in cells::rows(&rows, usize::MAX, &columns.map(str::to_owned)) {
        grid.row(row.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())));
    }
    outln!("{}", paint.bold(&format!("Table {CONNECTION}.{TABLE}")));
    let lines = grid.lines(usize::MAX);
    lines.titles.iter().for_each(|line| outln!("  {}", paint.dim(line)));
    lines.rows.iter().for_each(|line| outln!("  {line}"));
    Ok(())
}
