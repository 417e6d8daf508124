//! What outlives a checkout: downloads, test requirements and, for CI, compiled crates.

use sha2::{Digest, Sha256};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Written last into a cached folder: without it the folder is half-made and is made again.
const COMPLETE: &str = ".complete";

/// `$XDG_CACHE_HOME/hasmore`, or `~/.cache/hasmore`.
pub(crate) fn root() -> Result<PathBuf, String> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => env::home_dir()
            .ok_or("no home folder to keep downloads in: set XDG_CACHE_HOME to a folder")?
            .join(".cache"),
    };
    let root = base.join("hasmore");
    create(&root)?;
    Ok(root)
}

/// Where cargo puts what it compiles: `None` leaves it in the checkout.
///
/// Under `CI` a clean checkout finds its dependencies compiled.
pub(crate) fn target_folder() -> Result<Option<PathBuf>, String> {
    if env::var_os("CARGO_TARGET_DIR").is_some() {
        return Ok(None);
    }
    if let Some(folder) = env::var_os("HASMORE_TARGET_DIR") {
        return Ok(Some(PathBuf::from(folder)));
    }
    if in_ci() {
        return Ok(Some(root()?.join("target")));
    }
    Ok(None)
}

/// Whether this is a continuous integration run, which may skip nothing.
pub(crate) fn in_ci() -> bool {
    env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// A cached folder whose name changes with what it was made from, so that it is never stale.
pub(crate) fn folder_for(name: &str, made_from: &[&[u8]]) -> Result<PathBuf, String> {
    let mut everything = Vec::new();
    for part in made_from {
        everything.extend_from_slice(part);
        everything.push(0);
    }
    Ok(root()?.join(format!("{name}-{}", &sha256(&everything)[..12])))
}

/// Whether [`finish`] was reached for this folder.
pub(crate) fn is_complete(folder: &Path) -> bool {
    folder.join(COMPLETE).exists()
}

/// Empties the folder, so that what an interrupted run left behind is not built upon.
pub(crate) fn begin(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .map_err(|error| format!("cannot remove {}: {error}", folder.display()))?;
    }
    create(folder)
}

/// Marks the folder as whole.
pub(crate) fn finish(folder: &Path) -> Result<(), String> {
    let marker = folder.join(COMPLETE);
    fs::write(&marker, "").map_err(|error| format!("cannot write {}: {error}", marker.display()))
}

/// The checksum in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| {
        format!(
            "cannot create {}: {error}; set XDG_CACHE_HOME to a folder that can be written",
            folder.display()
        )
    })
}
