use bytes::Bytes;
use protocol::{Failure, FunctionError, Request, Response};

/// The function's own report, when the body is one: an object with a non-null `errorMessage`
/// (section 2.5 of the protocol).
///
/// An empty `errorType`, which AWS's Python client sends for none, counts as none.
pub(crate) fn reported(body: &Bytes, request: &Request) -> Option<Failure> {
    match Response::from_json(body.clone(), request) {
        Err(FunctionError::Failed(failure)) => {
            let error_type = failure.error_type.filter(|kind| !kind.is_empty() && kind != "null");
            Some(Failure { error_type, ..failure })
        }
        _ => None,
    }
}

/// Each line on a line of its own, set off from the sentence before.
pub(crate) fn indented<'a>(lines: impl IntoIterator<Item = &'a String>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + "\n  " + line)
}
