use crate::arguments::ExplainArguments;
use crate::config::nearest;
use crate::explain::{Explanation, Kind, all};
use crate::failure::{Exit, Failure};
use crate::output::outln;

/// The cause and the cure of a code, both where it is an error and where it is a warning.
pub(crate) fn run(arguments: &ExplainArguments) -> Result<Exit, Failure> {
    let mut known = all().filter(|known| known.code == arguments.code).peekable();
    if known.peek().is_none() {
        let failure = Failure::new("usage", format!("there is no code {:.60}", arguments.code));
        return Err(match nearest(&arguments.code, all().map(|known| known.code)) {
            Some(meant) => failure.hint(format!("did you mean {meant}?")),
            None => failure.hint("docs/reference/errors.md lists all of them"),
        });
    }
    for Explanation { code, kind, cause, cure } in known {
        let word = if *kind == Kind::Warning { "warning" } else { "error" };
        outln!("{word}[{code}]\n  cause: {cause}\n  cure: {cure}");
    }
    Ok(Exit::Landed)
}
