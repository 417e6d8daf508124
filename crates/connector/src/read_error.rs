use std::time::Duration;

use protocol::FunctionError;
use reqwest::StatusCode;

use crate::paginator::PagingError;
use crate::plan::TablePlan;

/// Why a page could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    Unavailable { message: String, retry_after: Option<Duration> },
    Refused { code: &'static str, message: String, hint: String, status: Option<StatusCode> },
}

impl ReadError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, hint: &str) -> ReadError {
        ReadError::Refused { code, message: message.into(), hint: hint.into(), status: None }
    }

    /// A page was read in part, or for its rows' children, and is another one now.
    pub(crate) fn page_changed() -> ReadError {
        ReadError::new(
            "page_changed",
            "a page has changed while it was read, and reading it again would double rows that have no key",
            "give the table, and those below it, a `primary_key`, or empty the table and reset the state",
        )
    }

    /// The same, naming the table.
    pub(crate) fn of(self, table: &TablePlan) -> ReadError {
        let named = |message: String| format!("table {}: {message}", table.name);
        match self {
            ReadError::Unavailable { message, retry_after } => {
                ReadError::Unavailable { message: named(message), retry_after }
            }
            ReadError::Refused { code, message, hint, status } => {
                ReadError::Refused { code, message: named(message), hint, status }
            }
        }
    }
}

impl From<PagingError> for ReadError {
    fn from(error: PagingError) -> ReadError {
        let hint = match &error {
            PagingError::TotalMismatch { .. } => {
                "rows came or went while the pages were read, or `total` counts something else; sync again, or take `total` out"
            }
            PagingError::RepeatedPage | PagingError::RepeatedToken => {
                "check where `pagination` writes the next page, in the API's documentation"
            }
            PagingError::NoTokenForMore { .. } | PagingError::EmptyPageForMore => {
                "check `from` and `has_more` of `pagination`"
            }
            PagingError::TooManyPages { .. } => "raise `pages_max` if the table is that large",
        };
        ReadError::new(error.code(), error.to_string(), hint)
    }
}

impl From<ReadError> for FunctionError {
    fn from(error: ReadError) -> FunctionError {
        match error {
            ReadError::Unavailable { message, retry_after } => {
                FunctionError::Unavailable { code: "source_unavailable", message, retry_after }
            }
            ReadError::Refused { code, message, hint, .. } => {
                FunctionError::Refused { code, message, hint }
            }
        }
    }
}
