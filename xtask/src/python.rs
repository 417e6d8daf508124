//! The Python packages that the tests use, in a virtual environment of their own outside the checkout.

use crate::cache;
use crate::cargo;
use crate::program;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The tests' environment, made when it is missing or its requirements changed.
pub(crate) fn set_up() -> Result<PathBuf, String> {
    set_up_in("test-python", "test-requirements/python", "about ten seconds")
}

/// The environment of the peer that benchmarks are compared with.
pub(crate) fn set_up_peer() -> Result<PathBuf, String> {
    set_up_in("bench-peer", "test-requirements/peer", "a minute")
}

fn set_up_in(name: &str, folder: &str, takes: &str) -> Result<PathBuf, String> {
    let requirements = cargo::workspace().join(folder).join("requirements.txt");
    let wanted = fs::read(&requirements)
        .map_err(|error| format!("cannot read {}: {error}", requirements.display()))?;
    // The interpreter is part of the name: an environment does not survive its removal.
    let python = program::read(
        Command::new("python3").args(["-c", "import sys; print(sys.version, sys.base_prefix)"]),
    )
    .map_err(|error| format!("the tests need Python 3.11 or newer, as python3: {error}"))?;
    let environment = cache::folder_for(name, &[&wanted, python.as_bytes()])?;
    if cache::is_complete(&environment) {
        return Ok(environment);
    }

    println!("making {} from {folder} ({takes}, once)", environment.display());
    cache::begin(&environment)?;
    program::read(Command::new("python3").args(["-m", "venv"]).arg(&environment)).map_err(|error| {
        format!("no virtual environment can be made (on Debian and Ubuntu: install python3-venv): {error}")
    })?;
    program::read(
        Command::new(environment.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--require-hashes", "--requirement"])
            .arg(&requirements),
    )
    .map_err(|error| format!("the Python packages of {folder} cannot be installed: {error}"))?;
    cache::finish(&environment)?;
    Ok(environment)
}
