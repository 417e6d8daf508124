//! The page of errors, made of the table.

use std::fmt::Write;

use super::{Explanation, Kind, all};

/// The page `docs/reference/errors.md`.
pub(super) fn page() -> String {
    const INTRODUCTION: &str = "\
# Errors and warnings

Every error of `hasmore` has a code, a cause and a cure. The code stands first: `error[missing_state]: …`.
An error changes nothing that had landed: rows, schema and state of the last commit stay, and the next
sync goes on from there. This page is made from the tables in `crates/cli/src/explain` by the tests.

| exit code | meaning |
|---|---|
| 0 | landed: the function has no more, or the time limit came and the next sync goes on |
| 1 | a bug of ours |
| 2 | your configuration, your command line or your machine |
| 3 | the function failed |
| 4 | the destination failed |
| 130 | stopped by Ctrl-C (SIGINT): what was whole has landed |
| 143 | stopped by SIGTERM: what was whole has landed |

With several connections the worst end counts, in the order 0, 130, 143, 2, 3, 4, 1.
";
    let mut page = INTRODUCTION.to_owned();
    for (kind, title) in [
        (Kind::Configuration, "Your configuration (exit code 2)"),
        (Kind::Function, "The function (exit code 3)"),
        (Kind::Destination, "The destination (exit code 4)"),
        (Kind::Stopped, "Stopped (exit code 130 or 143)"),
        (Kind::Bug, "A bug of ours (exit code 1)"),
        (Kind::Warning, "Warnings (nothing has failed)"),
    ] {
        let _ = write!(page, "\n## {title}\n\n| code | cause | cure |\n|---|---|---|\n");
        let mut of_kind: Vec<_> = all().filter(|explanation| explanation.kind == kind).collect();
        of_kind.sort_by_key(|explanation| explanation.code);
        for explanation in of_kind {
            let Explanation { code, cause, cure, .. } = explanation;
            let _ = writeln!(page, "| `{code}` | {cause} | {cure} |");
        }
    }
    page
}
