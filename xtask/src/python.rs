//! The Python packages that the tests use, in a virtual environment of their own outside the checkout.

use crate::cache;
use crate::cargo;
use crate::program;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The folder of the tests' environment.
pub(crate) fn set_up() -> Result<PathBuf, String> {
    environment("python")
}

/// The folder of the environment with the programs that the benchmark measures beside hasmore.
pub(crate) fn set_up_peers() -> Result<PathBuf, String> {
    environment("peers")
}

/// The environment's folder, made when it is missing or its requirements changed.
fn environment(name: &str) -> Result<PathBuf, String> {
    let requirements =
        cargo::workspace().join("test-requirements").join(name).join("requirements.txt");
    let wanted = fs::read(&requirements)
        .map_err(|error| format!("cannot read {}: {error}", requirements.display()))?;
    // The interpreter is part of the name: an environment does not survive its removal.
    let python = program::read(
        Command::new("python3").args(["-c", "import sys; print(sys.version, sys.base_prefix)"]),
    )
    .map_err(|error| format!("the tests need Python 3.11 or newer, as python3: {error}"))?;
    let folder = cache::folder_for(&format!("test-{name}"), &[&wanted, python.as_bytes()])?;
    if cache::is_complete(&folder) {
        return Ok(folder);
    }

    println!("making {} from test-requirements/{name} (about ten seconds, once)", folder.display());
    cache::begin(&folder)?;
    program::read(Command::new("python3").args(["-m", "venv"]).arg(&folder)).map_err(|error| {
        format!("no virtual environment can be made (on Debian and Ubuntu: install python3-venv): {error}")
    })?;
    program::read(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            // The list is whole, but for ziglang, with which cargo-lambda would compile.
            .args(["--require-hashes", "--no-deps", "--requirement"])
            .arg(&requirements),
    )
    .map_err(|error| format!("the tests' Python packages cannot be installed: {error}"))?;
    cache::finish(&folder)?;
    Ok(folder)
}
