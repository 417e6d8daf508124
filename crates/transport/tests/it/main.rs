//! Every carrier against real sockets, real processes and the clouds' own runtime clients.

mod client;
mod command;
mod environment;
mod fake;
mod google;
mod handler;
mod http_server;
mod node_handler;
mod proxy;
mod retry;
mod tls;
mod upstream;
mod world;
mod wrappers;

use protocol::{FunctionError, Request, Response, SyncId};

/// A page that says it is the last.
pub(crate) const PAGE: &str = r#"{"state":{"n":1},"insert":{"t":[{"a":1}]},"hasMore":false}"#;

pub(crate) fn request() -> Request {
    let mut request = Request {
        agent: "hasmore/0.0.0/shop/sales".into(),
        sync_id: SyncId("468b681a-c376-4117-bbc0-25d8ae02ace1".into()),
        ..Request::default()
    };
    request.secrets.insert("apiToken", "token-of-the-test");
    request
}

/// What came of a call, as a text to compare.
pub(crate) fn outcome(answer: &Result<Response, FunctionError>) -> String {
    match answer {
        Ok(response) => {
            let warnings: Vec<_> = response.warnings.iter().map(|warning| warning.code).collect();
            let json = String::from_utf8(response.to_json()).expect("a response is UTF-8");
            if warnings.is_empty() { json } else { format!("{json} {warnings:?}") }
        }
        Err(FunctionError::Unavailable { retry_after: Some(after), .. }) => {
            format!("{}: {} (after {after:?})", code(answer), error(answer))
        }
        Err(FunctionError::Failed(failure)) if !failure.stack_trace.is_empty() => {
            format!("{}: {} {:?}", code(answer), error(answer), failure.stack_trace)
        }
        Err(_) => format!("{}: {}", code(answer), error(answer)),
    }
}

fn code(answer: &Result<Response, FunctionError>) -> &'static str {
    answer.as_ref().expect_err("an error").code()
}

fn error(answer: &Result<Response, FunctionError>) -> String {
    answer.as_ref().expect_err("an error").to_string()
}
