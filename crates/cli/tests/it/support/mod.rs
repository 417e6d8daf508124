//! What the tests share: a scripted function, the binary at work, and a look into a DuckDB file.

mod binary;
mod database;
mod fake_function;
mod invoke;
mod playground;
mod process;
mod shop;

pub(crate) use binary::{Ended, Hasmore, write};
pub(crate) use database::{query, table_names};
pub(crate) use fake_function::{Answer, FakeFunction, Received};
pub(crate) use invoke::{function_error, invoke};
pub(crate) use playground::{Playground, python};
pub(crate) use process::Process;
pub(crate) use shop::Shop;

/// A page that inserts `rows` into table `t` with key `id`.
pub(crate) fn page(rows: &str, state: &str, has_more: bool) -> Answer {
    Answer::json(format!(
        r#"{{"state":{state},"insert":{{"t":{rows}}},"schema":{{"t":{{"primary_key":["id"]}}}},"hasMore":{has_more}}}"#
    ))
}

/// A page without rows.
pub(crate) fn empty_page(state: &str, has_more: bool) -> Answer {
    Answer::json(format!(r#"{{"state":{state},"insert":{{}},"hasMore":{has_more}}}"#))
}
