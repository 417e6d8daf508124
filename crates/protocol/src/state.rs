use std::fmt;
use std::sync::Arc;

use crate::json::{self, JsonError};

/// The function's bookmark: the JSON text as it was sent, to be stored and returned unread (Dec-37).
///
/// Key order, `1.0` and `9007199254740993` survive because nothing here parses them. It may hold
/// tokens, so `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct State(Arc<str>);

impl State {
    /// Takes any one JSON value; surrounding white space is dropped.
    ///
    /// # Errors
    /// When the text is not one JSON value.
    pub fn from_json(text: &str) -> Result<State, JsonError> {
        let text = text.trim_matches(json::is_whitespace_char);
        json::validate(text.as_bytes())?;
        Ok(State(text.into()))
    }

    /// The text, byte for byte.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The protocol says an object; production functions also answer strings and lists (Dec-30).
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// For text that a validating pass has already covered.
    pub(crate) fn from_valid(text: &str) -> State {
        State(text.into())
    }
}

/// A connection that has never synced sends `{}` (F-001).
impl Default for State {
    fn default() -> State {
        State("{}".into())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({} bytes)", self.0.len())
    }
}
