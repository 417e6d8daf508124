//! AWS's runtime client for Node.js, which builds native code: a tier of its own.
//!
//! CI runs it, and installs what it needs; elsewhere it is skipped by name when a program is missing.

use crate::cache;
use crate::cargo;
use crate::program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs that the native build needs, with the Debian package of each.
const BUILD_PROGRAMS: [(&str, &str); 8] = [
    ("node", "nodejs"),
    ("npm", "npm"),
    ("cmake", "cmake"),
    ("autoconf", "autoconf"),
    ("automake", "automake"),
    ("libtoolize", "libtool"),
    ("g++", "g++"),
    ("make", "make"),
];

pub(crate) enum NodeTier {
    /// The folder that holds `node_modules`.
    Ready(PathBuf),
    Skipped(String),
}

impl NodeTier {
    pub(crate) fn describe(&self) -> String {
        match self {
            NodeTier::Ready(folder) => format!("ready in {}", folder.display()),
            NodeTier::Skipped(why) => format!("skipped, because {why}"),
        }
    }
}

/// Installs the client, or says why not. In CI nothing is skipped: there the reason is an error.
pub(crate) fn set_up() -> Result<NodeTier, String> {
    tier("the node runtime client tier", install())
}

/// Installs Azurite, or says why not.
pub(crate) fn set_up_azurite() -> Result<NodeTier, String> {
    tier("the Azurite tier", install_azurite())
}

/// Installs serverless-offline and Google's framework for Node.js, or says why not.
pub(crate) fn set_up_serverless() -> Result<NodeTier, String> {
    tier("the serverless tier", install_serverless())
}

fn tier(name: &str, outcome: Result<PathBuf, String>) -> Result<NodeTier, String> {
    match outcome {
        Ok(folder) => Ok(NodeTier::Ready(folder)),
        Err(why) if cache::in_ci() => Err(format!("{name} cannot run: {why}")),
        Err(why) => Ok(NodeTier::Skipped(why)),
    }
}

fn install() -> Result<PathBuf, String> {
    if cfg!(target_os = "macos") {
        return Err("aws-lambda-ric does not build its native part on macOS".to_owned());
    }
    if cache::in_ci() && !missing_programs().is_empty() {
        install_missing_packages();
    }
    packages("node", "building aws-lambda-ric (one to five minutes, once)", |npm| {
        let missing = missing_programs();
        if !missing.is_empty() {
            return Err(needs(&missing));
        }
        npm.env("MAKEFLAGS", "-j2");
        if let Some(headers) = node_headers() {
            npm.env("npm_config_nodedir", headers);
        }
        Ok(())
    })
}

fn install_azurite() -> Result<PathBuf, String> {
    packages("azurite", "installing Azurite (a minute, once)", |npm| {
        // What its packages would run when they are installed is for Windows.
        npm.arg("--ignore-scripts");
        Ok(())
    })
}

fn install_serverless() -> Result<PathBuf, String> {
    packages("serverless", "installing serverless-offline (a minute, once)", |npm| {
        npm.arg("--ignore-scripts");
        Ok(())
    })
}

/// The packages that a folder of `test-requirements` pins, installed once.
fn packages(
    name: &str,
    announced: &str,
    prepare: impl FnOnce(&mut Command) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let node =
        program::read(Command::new("node").args(["-p", "process.version + process.execPath"]))
            .map_err(|_| needs(&["nodejs"]))?;
    let required = cargo::workspace().join("test-requirements").join(name);
    let manifest = read(&required.join("package.json"))?;
    let lock = read(&required.join("package-lock.json"))?;
    let parts = [&manifest[..], &lock, node.as_bytes()];
    let folder = cache::folder_for(&format!("test-{name}"), &parts)?;
    if cache::is_complete(&folder) {
        return Ok(folder);
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder);
    prepare(&mut npm)?;
    println!("{announced} in {}", folder.display());
    cache::begin(&folder)?;
    write(&folder.join("package.json"), &manifest)?;
    write(&folder.join("package-lock.json"), &lock)?;
    program::read(&mut npm)?;
    cache::finish(&folder)?;
    Ok(folder)
}

fn missing_programs() -> Vec<&'static str> {
    BUILD_PROGRAMS
        .iter()
        .filter(|(name, _)| program::find(name).is_none())
        .map(|(_, package)| *package)
        .collect()
}

fn needs(packages: &[&str]) -> String {
    let (verb, object) = if packages.len() == 1 { ("is", "it") } else { ("are", "them") };
    format!("{} {verb} missing; install {object} to run this tier", packages.join(", "))
}

/// A failure shows in what is still missing afterwards.
fn install_missing_packages() {
    let is_root = program::read(Command::new("id").arg("-u")).is_ok_and(|user| user == "0");
    if !is_root || program::find("apt-get").is_none() {
        return;
    }
    let packages = missing_programs();
    println!("installing {} with apt-get", packages.join(", "));
    let install = |words: &[&str]| {
        program::read(Command::new("apt-get").args(words).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let mut words = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    words.extend(&packages);
    if let Err(error) = install(&["update", "--quiet"]).and_then(|_| install(&words)) {
        println!("{error}");
    }
}

/// Node's own headers where they lie beside it, which saves downloading them.
fn node_headers() -> Option<PathBuf> {
    let executable = program::read(Command::new("node").args(["-p", "process.execPath"])).ok()?;
    let prefix = Path::new(&executable).parent()?.parent()?;
    prefix.join("include/node/node_api.h").exists().then(|| prefix.to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
