use std::path::Path;

use duckdb::{AccessMode, Config, Connection};

/// The rows of a query, each cell as text; `NULL` is the word.
pub(crate) fn query(database: &Path, sql: &str) -> Vec<Vec<String>> {
    let config = Config::default().access_mode(AccessMode::ReadOnly).expect("an access mode");
    let connection = Connection::open_with_flags(database, config).expect("the file is free");
    let texts = format!("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({sql})");
    let mut statement = connection.prepare(&texts).expect("a query");
    let mut rows = statement.query([]).expect("its rows");
    let mut found = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let columns = row.as_ref().column_count();
        let cell = |column| row.get::<_, Option<String>>(column).expect("a text");
        found.push((0..columns).map(|column| cell(column).unwrap_or("NULL".into())).collect());
    }
    found
}

/// The tables of a namespace, in order.
pub(crate) fn table_names(database: &Path, namespace: &str) -> Vec<String> {
    let sql = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = '{namespace}' ORDER BY 1"
    );
    query(database, &sql).into_iter().map(|mut row| row.remove(0)).collect()
}
