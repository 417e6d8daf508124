//! One function a verb: set up what it needs, then do it.

use crate::cache;
use crate::cargo::Cargo;
use crate::duckdb::DuckDb;
use crate::node::{self, NodeTier};
use crate::phases::Phases;
use crate::postgres::{self, Postgres};
use crate::program;
use crate::python;
use std::env;
use std::path::PathBuf;
use std::process::Command;

/// How long `sim` searches when nothing else is said.
const SIMULATION_SECONDS: &str = "600";

pub(crate) fn setup() -> Result<(), String> {
    Cargo::set_up().map(|_| ())
}

pub(crate) fn demo(rest: &[String]) -> Result<(), String> {
    let cargo = Cargo::set_up()?;
    println!("building hasmore (a few minutes the first time)");
    let mut run = cargo.command(&["run", "--package", "cli", "--bin", "hasmore"]);
    program::run(run.args(["--", "demo"]).args(rest))
}

pub(crate) fn build() -> Result<(), String> {
    let cargo = Cargo::set_up()?;
    program::run(&mut cargo.command(&["build", "--release", "--package", "cli"]))?;
    println!("built {}", cargo.target_folder().join("release/hasmore").display());
    if let DuckDb::Prebuilt { .. } = cargo.duckdb {
        println!(
            "It needs the DuckDB library where it is now; `cargo build --release` makes one that needs nothing."
        );
    }
    Ok(())
}

pub(crate) fn lint() -> Result<(), String> {
    let mut phases = Phases::start();
    let outcome = lint_phases(&mut phases);
    close(&phases, outcome.map(|()| "formatting and clippy are clean".to_owned()))
}

pub(crate) fn test(rest: &[String]) -> Result<(), String> {
    let mut phases = Phases::start();
    let outcome = test_phases(&mut phases, rest);
    close(&phases, outcome)
}

pub(crate) fn ci(rest: &[String]) -> Result<(), String> {
    let mut phases = Phases::start();
    let outcome = lint_phases(&mut phases).and_then(|()| test_phases(&mut phases, rest));
    close(&phases, outcome)
}

pub(crate) fn sim(rest: &[String]) -> Result<(), String> {
    let seconds = rest.first().map_or(SIMULATION_SECONDS, String::as_str);
    if seconds.parse::<u64>().is_err() {
        return Err(format!("{seconds} is no number of seconds: cargo xtask sim 3600"));
    }
    let cargo = Cargo::set_up()?;
    let mut tests = cargo.command(&["test", "--package", "simulation"]);
    tests.env("HASMORE_SIM_SECONDS", seconds).args(["--", "--nocapture"]);
    program::run(&mut tests)
}

pub(crate) fn bench(rest: &[String]) -> Result<(), String> {
    let cargo = Cargo::set_up()?;
    let interpreter = |environment: PathBuf| environment.join("bin/python");
    let (python, peers) = (interpreter(python::set_up()?), interpreter(python::set_up_peers()?));
    program::run(&mut cargo.command(&[
        "build",
        "--release",
        "--package",
        "cli",
        "--package",
        "bench",
    ]))?;
    let folder = cargo.target_folder().join("release");
    program::run(
        Command::new(folder.join("bench"))
            .args(rest)
            .arg("--hasmore")
            .arg(folder.join("hasmore"))
            .arg("--python")
            .arg(&python),
    )?;
    let hasmore = folder.join("hasmore");
    program::run(Command::new(folder.join("connector")).arg(&hasmore).args([&python, &peers]))?;
    program::run(&mut Command::new(folder.join("columns")))?;
    postgres_cluster::Binaries::obtain()?;
    let quick = rest.iter().filter(|word| *word == "--quick");
    program::run(Command::new(folder.join("postgres")).args(quick).args([hasmore, peers]))
}

fn lint_phases(phases: &mut Phases) -> Result<(), String> {
    let cargo = phases.phase("library", Cargo::set_up, |cargo| cargo.duckdb.describe())?;
    phases.step("formatting", || {
        program::run(&mut cargo.plain_command(&["fmt", "--all", "--check"]))
    })?;
    phases.step("clippy", || {
        let mut clippy = cargo.command(&["clippy", "--workspace", "--all-targets"]);
        program::run(clippy.args(["--", "--deny", "warnings"]))
    })
}

/// What npm installs for some of the tests.
struct Tier {
    name: &'static str,
    /// Tells the tests where it is.
    variable: &'static str,
    set_up: fn() -> Result<NodeTier, String>,
}

const TIERS: [Tier; 3] = [
    Tier {
        name: "node runtime client tier",
        variable: "HASMORE_TEST_NODE_RIC",
        set_up: node::set_up,
    },
    Tier { name: "azurite tier", variable: "HASMORE_TEST_AZURITE", set_up: node::set_up_azurite },
    Tier {
        name: "serverless tier",
        variable: "HASMORE_TEST_SERVERLESS",
        set_up: node::set_up_serverless,
    },
];

/// The verdict says what was left out.
fn test_phases(phases: &mut Phases, rest: &[String]) -> Result<String, String> {
    let cargo = phases.phase("library", Cargo::set_up, |cargo| cargo.duckdb.describe())?;
    let python = phases.phase("python packages", python::set_up, |folder| {
        format!("ready in {}", folder.display())
    })?;
    let mut tiers = Vec::new();
    for Tier { name, variable, set_up } in TIERS {
        tiers.push((name, variable, phases.phase(name, set_up, NodeTier::describe)?));
    }

    phases
        .phase("openssh", openssh::Programs::obtain, |_| "its server can be started".to_owned())?;
    let postgres = phases.phase("postgres", postgres::set_up, Postgres::describe)?;

    let mut environment = vec![("HASMORE_TEST_VENV", python)];
    let mut skipped = Vec::new();
    // Built for nothing where others are chosen, and a few minutes' work.
    if rest.is_empty() && cfg!(target_os = "linux") {
        let small = phases.phase("small binary", || small_binary(&cargo), |_| "built".to_owned());
        environment.push(("HASMORE_TEST_SMALL_BINARY", small?));
    } else if rest.is_empty() {
        skipped.push("small binary, which clouds run on Linux");
    }
    for (name, variable, tier) in tiers {
        match tier {
            NodeTier::Ready(folder) => environment.push((variable, folder)),
            NodeTier::Skipped(_) => skipped.push(name),
        }
    }
    environment.push((postgres_cluster::VARIABLE, postgres.url().into()));
    phases.step("tests", || run_tests(&cargo, &environment, rest))?;
    // Words that choose tests mean tests of code, not of documentation.
    if !rest.is_empty() {
        return Ok("the chosen tests passed".to_owned());
    }
    phases.step("documentation tests", || {
        program::run(&mut cargo.command(&["test", "--workspace", "--doc"]))
    })?;
    if skipped.is_empty() {
        return Ok("all tests passed".to_owned());
    }
    Ok(format!("all tests passed, without: {}", skipped.join(", ")))
}

/// What is deployed, as it is deployed.
fn small_binary(cargo: &Cargo) -> Result<PathBuf, String> {
    let words = ["build", "--profile", "function", "--package", "function"];
    program::run(&mut cargo.plain_command(&words))?;
    Ok(cargo.target_folder().join("function/hasmore-function"))
}

/// How long each fuzz test makes up input; a minute unless it is set.
const FUZZ_SECONDS: &str = "HASMORE_FUZZ_SECONDS";

fn run_tests(
    cargo: &Cargo,
    environment: &[(&str, PathBuf)],
    rest: &[String],
) -> Result<(), String> {
    let runner: &[&str] = if cargo.has_nextest() {
        &["nextest", "run"]
    } else {
        &["test", "--lib", "--bins", "--tests"]
    };
    let mut tests = cargo.command(runner);
    tests.args(["--workspace", "--no-fail-fast"]).args(rest);
    for (name, folder) in environment {
        tests.env(name, folder);
    }
    if env::var_os(FUZZ_SECONDS).is_none() {
        tests.env(FUZZ_SECONDS, "60");
    }
    if cache::in_ci() {
        tests.env("CARGO_INCREMENTAL", "0");
    }
    program::run(&mut tests)
}

fn close(phases: &Phases, outcome: Result<String, String>) -> Result<(), String> {
    phases.summary(outcome.as_deref().unwrap_or("FAILED"));
    outcome.map(|_| ())
}
