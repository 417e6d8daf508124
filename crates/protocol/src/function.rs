use std::time::Duration;

use crate::{Request, Response};

/// Answers requests: a Lambda, a URL, a YAML connector, a test.
///
/// Calls are repeatable: after a failure the same request is sent again.
pub trait Function {
    fn call(
        &self,
        request: &Request,
    ) -> impl Future<Output = Result<Response, FunctionError>> + Send;
}

impl<F: Function> Function for &F {
    fn call(
        &self,
        request: &Request,
    ) -> impl Future<Output = Result<Response, FunctionError>> + Send {
        F::call(self, request)
    }
}

/// Why a call brought no page. Sorted by what happens next (Dec-28, Dec-31).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// Worth repeating: lost connection, throttle, gateway error.
    #[error("function unavailable: {message}")]
    Unavailable {
        /// `transport` before any answer, `function_error` after an HTTP status.
        code: &'static str,
        message: String,
        /// What the answer's `Retry-After` asked for.
        retry_after: Option<Duration>,
    },
    /// No answer in time: worth repeating once.
    #[error("function gave no answer within {} s", after.as_secs_f64())]
    TimedOut { after: Duration },
    /// It answered, and the answer is not the protocol: the function must be mended.
    #[error("function broke the protocol: {message}")]
    Malformed {
        /// `unable_to_parse_json`, `invalid_response`, `missing_state` or `response_too_large`.
        code: &'static str,
        message: String,
    },
    /// It answered that it cannot continue.
    #[error("function failed: {0}")]
    Failed(Failure),
    /// It cannot be called as configured: the user must mend the configuration or the machine.
    #[error("{message}")]
    Refused {
        /// `handler_not_found`, `missing_runtime`, `handler_init_failed`, `command_not_found`, …
        code: &'static str,
        message: String,
        /// What to do about it, in a sentence.
        hint: String,
    },
    /// The person asked to stop while the call was under way.
    #[error("the call was given up because a stop was asked for")]
    Cancelled,
}

/// A function's own account of its failure (section 2.5 of the protocol).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    pub error_type: Option<String>,
    /// One line each, innermost last, as the function gave them.
    pub stack_trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.error_type {
            Some(kind) if !kind.is_empty() => write!(f, "{kind}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl FunctionError {
    /// The reference's stable code for this error.
    pub fn code(&self) -> &'static str {
        match self {
            FunctionError::Unavailable { code, .. }
            | FunctionError::Malformed { code, .. }
            | FunctionError::Refused { code, .. } => code,
            FunctionError::TimedOut { .. } => "function_timeout",
            FunctionError::Failed(_) => "function_error",
            FunctionError::Cancelled => "cancelled",
        }
    }

    /// A connection that could not be made or was lost before an answer.
    pub fn transport(message: impl Into<String>) -> FunctionError {
        FunctionError::Unavailable { code: "transport", message: message.into(), retry_after: None }
    }

    /// An answer whose members have the wrong types.
    pub fn invalid_response(message: impl Into<String>) -> FunctionError {
        FunctionError::Malformed { code: "invalid_response", message: message.into() }
    }

    /// A request that Lambda would refuse: what grows in it is the state.
    pub fn request_too_large(bytes: usize, limit_bytes: u64) -> FunctionError {
        FunctionError::Malformed {
            code: "request_too_large",
            message: format!(
                "the request is {bytes} bytes, and Lambda takes no more than {limit_bytes}; most of it is the state that the function returned: keep less in it"
            ),
        }
    }

    /// An answer over its target's limit (Dec-36).
    pub fn too_large(limit_bytes: u64) -> FunctionError {
        FunctionError::Malformed {
            code: "response_too_large",
            message: format!(
                "the answer is over the limit of {limit_bytes} bytes; send fewer rows a call and set hasMore to true"
            ),
        }
    }
}
