//! Every error and warning by its code: the cause, and what to do. The hints of the command line and
//! the page `docs/reference/errors.md` are both made from this table.

mod cloud_codes;
mod codes;
mod connector_codes;
mod destination_codes;
mod shape_codes;

/// Every code.
pub(crate) fn all() -> impl Iterator<Item = &'static Explanation> {
    let places = destination_codes::ALL.iter().chain(cloud_codes::ALL);
    codes::ALL.iter().chain(places).chain(connector_codes::ALL).chain(shape_codes::ALL)
}

/// What a code says about who has to act; the exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Your configuration or your machine. Exit code 2.
    Configuration,
    /// The function. Exit code 3.
    Function,
    /// The destination. Exit code 4.
    Destination,
    /// You asked for it. Exit code 130 or 143.
    Stopped,
    /// Us. Exit code 1.
    Bug,
    /// Nobody has to: it was tolerated.
    Warning,
}

/// One code. A code that is both an error and a warning has an entry for each.
pub(crate) struct Explanation {
    pub(crate) code: &'static str,
    pub(crate) kind: Kind,
    pub(crate) cause: &'static str,
    pub(crate) cure: &'static str,
}

/// The error with this code.
pub(crate) fn explain(code: &str) -> Option<&'static Explanation> {
    all().find(|explanation| explanation.code == code && explanation.kind != Kind::Warning)
}

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;
