/// Something tolerated that a person should know of; told once a sync for each code and subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Stable, documented in the error reference: `duplicate_key`, `unusual_state`, …
    pub code: &'static str,
    /// Names the thing and its place; never a value of a row or a secret.
    pub message: String,
}

impl Warning {
    pub fn new(code: &'static str, message: impl Into<String>) -> Warning {
        Warning { code, message: message.into() }
    }
}
