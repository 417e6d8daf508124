//! A connection and the rows that its statements read.

use arrow_array::RecordBatch;
use duckdb::Connection;

use crate::rows::{Rows, Stage};

#[derive(Clone, Copy)]
pub(crate) struct Session<'a> {
    pub(crate) connection: &'a Connection,
    stage: &'a Stage,
}

impl<'a> Session<'a> {
    pub(crate) fn new(connection: &'a Connection, stage: &'a Stage) -> Session<'a> {
        Session { connection, stage }
    }

    /// Runs a statement that reads the rows; answers how many it wrote.
    pub(crate) fn execute(self, rows: Rows, statement: &str) -> duckdb::Result<u64> {
        self.stage.with(rows, || Ok(self.connection.execute(statement, [])? as u64))
    }

    /// What a query over the rows answers, as Arrow columns.
    pub(crate) fn query(self, rows: Rows, query: &str) -> duckdb::Result<Vec<RecordBatch>> {
        self.stage.with(rows, || {
            let mut statement = self.connection.prepare(query)?;
            Ok(statement.query_arrow([])?.collect())
        })
    }
}
