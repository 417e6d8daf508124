use std::time::Duration;

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

/// The error that a function's own report stands for: one of ours may say that it is worth repeating.
pub(crate) fn error_of(failure: Failure, body: &Bytes) -> FunctionError {
    if failure.error_type.as_deref() != Some(UNAVAILABLE) {
        return FunctionError::Failed(failure);
    }
    let report: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let retry_after = report[RETRY_AFTER].as_u64().map(Duration::from_secs);
    FunctionError::Unavailable { code: "function_error", message: failure.message, retry_after }
}

/// An error as what a function reports. What only a caller can conclude (a timeout, a broken answer)
/// becomes a failure of that code.
pub(crate) fn failure_of(error: FunctionError) -> Failure {
    let code = error.code();
    let (error_type, message) = match error {
        FunctionError::Failed(failure) => return failure,
        FunctionError::Unavailable { message, .. } => (UNAVAILABLE, message),
        FunctionError::TimedOut { .. }
        | FunctionError::Malformed { .. }
        | FunctionError::Refused { .. }
        | FunctionError::Cancelled => (code, error.to_string()),
    };
    Failure { message, error_type: Some(error_type.into()), ..Failure::default() }
}

/// Whole seconds, rounded up, for how long a caller is asked to wait.
pub(crate) fn wait_seconds(error: &FunctionError) -> Option<u64> {
    match error {
        FunctionError::Unavailable { retry_after: Some(after), .. } => {
            Some(after.as_secs() + u64::from(after.subsec_nanos() > 0))
        }
        _ => None,
    }
}

/// The three members of a report, always all of them (F-060), and how long to wait.
pub(crate) fn report(failure: &Failure, wait_seconds: Option<u64>) -> Vec<u8> {
    let mut report = serde_json::json!({
        "errorMessage": failure.message,
        "errorType": failure.error_type.as_deref().unwrap_or_default(),
        "stackTrace": failure.stack_trace,
    });
    if let Some(seconds) = wait_seconds {
        report[RETRY_AFTER] = seconds.into();
    }
    report.to_string().into_bytes()
}

/// Where no status can say it, as on Lambda, an error that is worth repeating is one of this type.
pub(crate) const UNAVAILABLE: &str = "hasmore.Unavailable";
const RETRY_AFTER: &str = "retryAfterSeconds";

/// Each line on a line of its own, set off from the sentence before.
pub(crate) fn indented<'a>(lines: impl IntoIterator<Item = &'a String>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + "\n  " + line)
}
