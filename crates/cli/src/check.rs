//! Whether a function is right: calls that were made become findings that a person can act on.
//!
//! [`survey`] makes the calls and writes down what happened. [`judge`] reads that and nothing else: every
//! finding is a pure function of recorded calls. [`report`] tells it.

pub(crate) mod catalogue;
pub(crate) mod judge;
mod leaves;
pub(crate) mod observation;
pub(crate) mod report;
pub(crate) mod survey;

#[cfg(test)]
mod tests;

/// Something that is not right, or worth knowing, at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Of the [`catalogue`]: a rule of the protocol (`F-…`, `Q-…`), or a way to lose rows (`L-…`).
    pub(crate) id: &'static str,
    pub(crate) weight: Weight,
    /// `sync 1, page 2`.
    pub(crate) page: Option<String>,
    /// The place in the answer: `insert.orders[3].id`.
    pub(crate) path: Option<String>,
    /// What was seen: no value of a row and no secret.
    pub(crate) message: String,
    pub(crate) details: Vec<Detail>,
}

/// One line of proof. Values are shown to those who ask for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    pub(crate) what: String,
    pub(crate) values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Rows are lost, doubled or refused, or would be: the verdict is "not right".
    Wrong,
    /// Worth knowing; the verdict stays.
    Note,
}

/// More lines of proof than this prove nothing more.
const DETAILS_MAX: usize = 10;

impl Finding {
    pub(crate) fn wrong(id: &'static str, message: impl Into<String>) -> Finding {
        Finding {
            id,
            weight: Weight::Wrong,
            page: None,
            path: None,
            message: message.into(),
            details: Vec::new(),
        }
    }

    pub(crate) fn note(id: &'static str, message: impl Into<String>) -> Finding {
        Finding { weight: Weight::Note, ..Finding::wrong(id, message) }
    }

    pub(crate) fn on(self, page: String) -> Finding {
        Finding { page: Some(page), ..self }
    }

    pub(crate) fn at(self, path: impl Into<String>) -> Finding {
        Finding { path: Some(path.into()), ..self }
    }

    /// The same without any secret, also where values are asked for (F-018).
    pub(crate) fn redacted(self, redact: &impl Fn(&str) -> String) -> Finding {
        let detail = |detail: Detail| Detail {
            what: redact(&detail.what),
            values: detail.values.iter().map(|value| redact(value)).collect(),
        };
        Finding {
            message: redact(&self.message),
            path: self.path.map(|path| redact(&path)),
            details: self.details.into_iter().map(detail).collect(),
            ..self
        }
    }

    pub(crate) fn with(mut self, details: impl IntoIterator<Item = Detail>) -> Finding {
        self.details.extend(details.into_iter().take(DETAILS_MAX));
        self
    }
}

impl Detail {
    pub(crate) fn new(what: impl Into<String>) -> Detail {
        Detail { what: what.into(), values: Vec::new() }
    }
}
