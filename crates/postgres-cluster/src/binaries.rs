//! The programs of Postgres on this machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where distributions put them, a folder for each version.
const DISTRIBUTION: &str = "/usr/lib/postgresql";
/// The package that brings them, and how it is installed.
const PACKAGE: &str = "postgresql";
/// The pooler that one test stands behind, by the name of program and package.
const POOLER: &str = "pgbouncer";
/// Users that a server may run as when we are root, which it refuses: the first that there is.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// A folder with `initdb` and `postgres`, and whom to run them as.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub folder: PathBuf,
    /// `None` is ourselves.
    pub user: Option<User>,
}

#[derive(Clone, Copy, Debug)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

impl Binaries {
    /// Those on the path, or the newest of the distribution.
    ///
    /// # Errors
    /// With the package to install, when there are none.
    pub fn find() -> Result<Binaries, String> {
        let folder = on_path().or_else(of_distribution).ok_or_else(|| {
            format!(
                "there is no Postgres on this machine: install the package {PACKAGE} \
                 (apt-get install {PACKAGE}), or name a server with {}",
                crate::VARIABLE
            )
        })?;
        let user = if rustix::process::geteuid().is_root() { Some(unprivileged()?) } else { None };
        Ok(Binaries { folder, user })
    }

    /// As [`Binaries::find`]; where there are none, the system's package manager brings them if we may.
    ///
    /// # Errors
    /// With the package to install.
    pub fn obtain() -> Result<Binaries, String> {
        match Binaries::find() {
            Err(missing) if rustix::process::geteuid().is_root() && install(PACKAGE) => {
                Binaries::find().map_err(|_| missing)
            }
            found => found,
        }
    }
}

/// The program of PgBouncer, if it is on this machine.
pub fn pooler() -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/bin"];
    folders.into_iter().map(|folder| Path::new(folder).join(POOLER)).find(|path| path.is_file())
}

/// As [`pooler`]; the system's package manager brings it if we may. A machine without it is told so by the
/// test that needs it.
pub fn obtain_pooler() {
    if pooler().is_none() && rustix::process::geteuid().is_root() && !install(POOLER) {
        println!("{POOLER} could not be installed; the test that needs it will say so");
    }
}

fn install(package: &str) -> bool {
    println!("installing {package} with apt-get");
    let mut command = Command::new("apt-get");
    command.args(["install", "--yes", "--no-install-recommends", package]);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn has_both(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file())
}

fn on_path() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folder = env::split_paths(&path).find(|folder| has_both(folder))?;
    // A link leads to the folder that has the other programs, too.
    let initdb = fs::canonicalize(folder.join("initdb")).ok()?;
    let target = initdb.parent().filter(|target| has_both(target));
    Some(target.map_or(folder, Path::to_owned))
}

fn of_distribution() -> Option<PathBuf> {
    let versions = fs::read_dir(DISTRIBUTION).ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| has_both(folder))
        .collect();
    found.sort();
    found.pop().map(|(_, folder)| folder)
}

fn unprivileged() -> Result<User, String> {
    let users = fs::read_to_string("/etc/passwd")
        .map_err(|error| format!("the users of this machine cannot be read: {error}"))?;
    let find = |wanted: &&str| {
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, ..] = fields[..] else { return None };
            let user = User { uid: uid.parse().ok()?, gid: gid.parse().ok()? };
            (name == *wanted).then_some(user)
        })
    };
    UNPRIVILEGED.iter().find_map(find).ok_or_else(|| {
        format!("Postgres does not run as root, and there is none of the users {UNPRIVILEGED:?}")
    })
}
