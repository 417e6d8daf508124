//! `cargo xtask`: everything a contributor runs, each verb with its own set-up.

mod cache;
mod cargo;
mod duckdb;
mod node;
mod phases;
mod postgres;
mod program;
mod python;
mod verbs;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask VERB

  setup           get DuckDB: a prebuilt library of the right version, or say why it must be compiled
  demo            set up, then run `hasmore demo`; what follows goes to it
  test            set up all the tests need, then run all of them; what follows goes to the test runner
  sim [SECONDS]   the simulation alone, trying random fault plans for so long (600)
  bench [--quick] build a release binary, measure it, print one table; --quick leaves out 1,000,000 rows
  lint            formatting and clippy, warnings denied
  ci              lint, then test: what runs for every change
  build           a release binary linked to the DuckDB of `setup`";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((verb, rest)) = arguments.split_first() else {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    };
    let outcome = match verb.as_str() {
        "setup" => verbs::setup(),
        "demo" => verbs::demo(rest),
        "test" => verbs::test(rest),
        "sim" => verbs::sim(rest),
        "bench" => verbs::bench(rest),
        "lint" => verbs::lint(),
        "ci" => verbs::ci(rest),
        "build" => verbs::build(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        unknown => Err(format!("there is no verb {unknown}\n\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}
