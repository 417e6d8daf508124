//! `cargo xtask bench`: what a sync costs, beside the least that it could cost.

mod cases;
mod report;
mod start;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: bench [--quick] --hasmore BINARY --python PYTHON   measure and print the table
       bench serve ROWS                                   the function that is synced
       bench measure LOG PROGRAM ARGUMENTS…               the stopwatch";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let outcome = match words.as_slice() {
        ["serve", rows] => serve(rows),
        ["measure", log, _, ..] => {
            bench::measure::stopwatch(Path::new(log), &arguments[2..]).map_err(|e| e.to_string())
        }
        _ => options(&arguments).and_then(|options| {
            warn_if_busy();
            let table = cases::measure_all(&options)?;
            print!("{}", report::render(&table));
            Ok(())
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(rows: &str) -> Result<(), String> {
    let rows = rows.parse().map_err(|_| format!("{rows} is no number of rows"))?;
    bench::server::serve(rows).map_err(|error| format!("the function server: {error}"))
}

fn options(arguments: &[OsString]) -> Result<cases::Options, String> {
    let (mut quick, mut hasmore, mut python) = (false, None, None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--quick") => quick = true,
            Some("--hasmore") => hasmore = words.next().map(PathBuf::from),
            Some("--python") => python = words.next().map(PathBuf::from),
            _ => return Err(format!("{} is not known\n\n{USAGE}", word.to_string_lossy())),
        }
    }
    let (Some(hasmore), Some(python)) = (hasmore, python) else {
        return Err(USAGE.to_owned());
    };
    // Not resolved: a virtual environment's interpreter is a link that must stay one.
    let absolute = |path| std::path::absolute(path).map_err(|error| error.to_string());
    Ok(cases::Options { quick, hasmore: absolute(hasmore)?, python: absolute(python)? })
}

/// Two programs that share a core's caches each take more CPU seconds than one alone.
fn warn_if_busy() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Option<f64> = load.split(' ').next().and_then(|minute| minute.parse().ok());
    if let Some(load) = load.filter(|load| *load > 0.5) {
        eprintln!("the machine is busy (load {load}): expect more CPU seconds than on an idle one");
    }
}
