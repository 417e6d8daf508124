//! The DuckDB that this checkout links: a prebuilt library when there is one, else compiled from source.

use crate::cache;
use crate::program;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The DuckDB inside the crate `duckdb` of `Cargo.toml`; both change together.
const VERSION: &str = "1.5.6";

/// DuckDB's own npm packages carry the library that its Node client loads, one package a platform.
struct Package {
    name: &'static str,
    version: &'static str,
    sha256: &'static str,
    library: &'static str,
}

/// How to compile against DuckDB.
pub(crate) enum DuckDb {
    /// A shared library in this folder.
    Prebuilt { folder: PathBuf, origin: String },
    /// Compiled from source into every binary.
    Bundled { why: String },
}

impl DuckDb {
    pub(crate) fn describe(&self) -> String {
        match self {
            DuckDb::Prebuilt { folder, origin } => {
                format!("DuckDB {VERSION}, prebuilt: {origin}, {}", folder.display())
            }
            DuckDb::Bundled { why } => format!(
                "DuckDB {VERSION}, compiled from source (about twenty minutes on two idle cores, once), because {why}"
            ),
        }
    }
}

/// Finds, fetches or falls back, in this order.
///
/// Only a wrong checksum is an error: it must never be papered over.
pub(crate) fn obtain() -> Result<DuckDb, String> {
    if let Some(folder) = env::var_os("DUCKDB_LIB_DIR") {
        let origin = "named by DUCKDB_LIB_DIR".to_owned();
        return Ok(DuckDb::Prebuilt { folder: PathBuf::from(folder), origin });
    }
    if env::var("HASMORE_DUCKDB").is_ok_and(|choice| choice == "bundled") {
        return Ok(DuckDb::Bundled { why: "HASMORE_DUCKDB=bundled asks for it".to_owned() });
    }
    let Some(package) = package_for_this_platform() else {
        let platform = format!("{} on {}", env::consts::OS, env::consts::ARCH);
        return Ok(DuckDb::Bundled { why: format!("no prebuilt library is known for {platform}") });
    };
    let folder = cache::folder_for(
        &format!("duckdb-{VERSION}"),
        &[package.name.as_bytes(), package.sha256.as_bytes()],
    )?;
    if cache::is_complete(&folder) {
        return Ok(DuckDb::Prebuilt { folder, origin: "cached".to_owned() });
    }
    if program::find("npm").is_none() {
        let why = "npm, which would fetch a prebuilt library, is not installed".to_owned();
        return Ok(DuckDb::Bundled { why });
    }
    fetch(&package, &folder)
}

fn package_for_this_platform() -> Option<Package> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Some(Package {
            name: "@duckdb/node-bindings-linux-x64",
            version: "1.5.6-r.1",
            sha256: "1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff",
            library: "libduckdb.so",
        });
    }
    None
}

/// Fetches beside the final folder and moves it there whole, so an interruption leaves nothing half-made.
fn fetch(package: &Package, folder: &Path) -> Result<DuckDb, String> {
    let partial = PathBuf::from(format!("{}.partial-{}", folder.display(), std::process::id()));
    cache::begin(&partial)?;
    let outcome = fetch_into(package, &partial, folder);
    if partial.exists() {
        fs::remove_dir_all(&partial)
            .map_err(|error| format!("cannot remove {}: {error}", partial.display()))?;
    }
    outcome
}

fn fetch_into(package: &Package, partial: &Path, folder: &Path) -> Result<DuckDb, String> {
    let named = format!("{}@{}", package.name, package.version);
    println!("fetching {named} with npm (a download of about 30 MB, once)");
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", &named]).current_dir(partial);
    if let Err(error) = program::read(&mut pack) {
        return Ok(DuckDb::Bundled { why: format!("npm could not fetch {named}: {error}") });
    }
    let archive = only_file_in(partial)?;
    let bytes = fs::read(&archive)
        .map_err(|error| format!("cannot read {}: {error}", archive.display()))?;
    check_checksum(&named, package.sha256, &cache::sha256(&bytes))?;

    let inside = format!("package/{}", package.library);
    program::run(
        Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .args(["--strip-components=1", &inside])
            .current_dir(partial),
    )?;
    fs::remove_file(&archive)
        .map_err(|error| format!("cannot remove {}: {error}", archive.display()))?;
    cache::finish(partial)?;
    if let Err(error) = fs::rename(partial, folder) {
        // Another run may have been quicker; what it made is the same.
        if !cache::is_complete(folder) {
            return Err(format!("cannot move the library to {}: {error}", folder.display()));
        }
    }
    Ok(DuckDb::Prebuilt { folder: folder.to_owned(), origin: "fetched with npm".to_owned() })
}

fn only_file_in(folder: &Path) -> Result<PathBuf, String> {
    fs::read_dir(folder)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .ok_or_else(|| format!("npm pack left no archive in {}", folder.display()))
}

fn check_checksum(named: &str, expected: &str, found: &str) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "the archive of {named} is not the one this project trusts: its sha256 is {found}, expected {expected}; \
         nothing was installed. Try again, or set HASMORE_DUCKDB=bundled to compile DuckDB instead"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_checksum_is_an_error_that_says_so() {
        assert!(check_checksum("a@1", "aa", "aa").is_ok());
        let error = check_checksum("a@1", "aa", "bb").expect_err("the checksums differ");
        assert!(error.contains("its sha256 is bb, expected aa"), "{error}");
    }

    #[test]
    fn the_version_is_the_one_of_the_crate() {
        // Read while it runs: a compiled test may outlive the checkout it was compiled in.
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("Cargo runs this test");
        let manifest = fs::read_to_string(format!("{folder}/../Cargo.toml"));
        let manifest = manifest.expect("the workspace has a manifest");
        // DuckDB 1.5.6 is inside the crate 1.10506.x.
        let parts: Vec<u32> =
            VERSION.split('.').map(|part| part.parse().expect("a version is numbers")).collect();
        let encoded = format!("1.{}", parts[0] * 10_000 + parts[1] * 100 + parts[2]);
        assert!(manifest.contains(&format!("duckdb = {{ version = \"={encoded}.")), "{encoded}");
    }
}
