//! Cargo, called so that every verb links the same DuckDB and shares one profile.

use crate::cache;
use crate::duckdb::{self, DuckDb};
use crate::program;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Cargo {
    pub(crate) duckdb: DuckDb,
    target_folder: Option<PathBuf>,
}

impl Cargo {
    pub(crate) fn set_up() -> Result<Cargo, String> {
        let duckdb = duckdb::obtain()?;
        println!("{}", duckdb.describe());
        Ok(Cargo { duckdb, target_folder: cache::target_folder()? })
    }

    /// `cargo WORDS…`, in the workspace, with the flags that choose DuckDB after the words.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.plain_command(words);
        if let DuckDb::Prebuilt { folder, .. } = &self.duckdb {
            command.arg("--no-default-features").env("DUCKDB_LIB_DIR", folder);
        }
        command
    }

    /// `cargo WORDS…` for what links no DuckDB.
    pub(crate) fn plain_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(words).current_dir(workspace());
        if let Some(folder) = &self.target_folder {
            command.env("CARGO_TARGET_DIR", folder);
        }
        command
    }

    /// Whether `cargo nextest` is installed: it runs tests side by side and times them.
    pub(crate) fn has_nextest(&self) -> bool {
        program::read(&mut self.plain_command(&["nextest", "--version"])).is_ok()
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_folder(&self) -> PathBuf {
        let chosen = self.target_folder.clone();
        let inherited = || env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        workspace().join(chosen.or_else(inherited).unwrap_or_else(|| "target".into()))
    }
}

/// The root of the checkout.
pub(crate) fn workspace() -> PathBuf {
    let manifest_folder =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest_folder).parent().expect("xtask lies inside the workspace").to_owned()
}
