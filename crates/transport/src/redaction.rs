use protocol::{Failure, FunctionError, Secrets};

/// The same error with every secret in its texts replaced by its name (F-018).
pub(crate) fn redact_error(error: FunctionError, secrets: &Secrets) -> FunctionError {
    let redact = |text: String| secrets.redact(&text);
    match error {
        FunctionError::Unavailable { code, message, retry_after } => {
            FunctionError::Unavailable { code, message: redact(message), retry_after }
        }
        FunctionError::Malformed { code, message } => {
            FunctionError::Malformed { code, message: redact(message) }
        }
        FunctionError::Failed(failure) => FunctionError::Failed(Failure {
            message: redact(failure.message),
            error_type: failure.error_type.map(redact),
            stack_trace: failure.stack_trace.into_iter().map(redact).collect(),
        }),
        FunctionError::Refused { code, message, hint } => {
            FunctionError::Refused { code, message: redact(message), hint }
        }
        FunctionError::TimedOut { .. } | FunctionError::Cancelled => error,
    }
}
