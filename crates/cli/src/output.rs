//! Lines on standard output: the answer of a command.

use std::io::{ErrorKind, Write};

/// One line, formatted as by `println!`.
macro_rules! outln {
    ($($arguments:tt)*) => {
        $crate::output::line(&format!($($arguments)*))
    };
}

pub(crate) use outln;

/// Writes a line. Whoever reads may stop early, as `head` does; nothing has failed by that, and what
/// has landed has landed also when the answer cannot be written down.
pub(crate) fn line(text: &str) {
    let written = writeln!(std::io::stdout().lock(), "{text}");
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("warning[output_lost]: standard output cannot be written: {error}");
        }
        _ => {}
    }
}
