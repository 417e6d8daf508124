//! A Postgres of our own for tests and measurements: made, started and ended here, and no other server
//! is ever touched.

mod binaries;

use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

pub use binaries::{Binaries, User, obtain_pooler, pooler};
use tempfile::TempDir;

/// Names a server that tests may use instead of one of their own: its superuser's URL.
pub const VARIABLE: &str = "HASMORE_TEST_POSTGRES";
/// A start takes a second; a machine under load, more.
const START_MAX: Duration = Duration::from_secs(60);
/// The superuser of the cluster; it needs no password from this machine.
pub const SUPERUSER: &str = "postgres";

/// Settings for tests that end a server and start it again: what was committed is still there.
pub const RESTARTABLE: [&str; 1] = ["fsync=off"];
/// Settings for tests that need nothing of what an ended server held.
pub const FAST: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

/// A server with a data folder and a port of its own. It ends with the value, and with the process
/// however that ends.
pub struct Cluster {
    folder: TempDir,
    binaries: Binaries,
    settings: Vec<String>,
    port: u16,
    /// A shell that ends the server when its standard input is closed, as it is when we die.
    keeper: Option<Child>,
}

impl Cluster {
    /// Makes and starts a cluster with these settings (`name=value`).
    ///
    /// # Errors
    /// In words for a person, when there is no Postgres or it does not start.
    pub fn start(settings: &[&str]) -> Result<Cluster, String> {
        let mut cluster = Cluster::prepare(settings)?;
        cluster.initialise()?;
        cluster.restart()?;
        Ok(cluster)
    }

    /// Makes and starts a server that follows this one, and answers queries meanwhile (a hot standby).
    ///
    /// # Errors
    /// In words for a person, when it cannot be copied or does not start.
    pub fn follow(&self) -> Result<Cluster, String> {
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        let mut standby = Cluster::prepare(&settings)?;
        let output = standby
            .command(standby.binaries.folder.join("pg_basebackup"))
            .args([
                "--write-recovery-conf",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
            ])
            .args(["--username", SUPERUSER, "--port", &self.port.to_string()])
            .arg("--host")
            .arg(self.folder.path())
            .arg("--pgdata")
            .arg(standby.data())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("pg_basebackup cannot be run: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("pg_basebackup failed: {said}"));
        }
        standby.restart()?;
        Ok(standby)
    }

    /// A folder that belongs to the server's user, and nothing in it.
    fn prepare(settings: &[&str]) -> Result<Cluster, String> {
        let binaries = Binaries::find()?;
        let folder = tempfile::Builder::new()
            .prefix("hasmore-pg-")
            .tempdir()
            .map_err(|error| format!("no folder for a Postgres cluster: {error}"))?;
        let cluster = Cluster {
            folder,
            binaries,
            settings: settings.iter().map(|text| (*text).to_owned()).collect(),
            port: 0,
            keeper: None,
        };
        cluster.give_away().map_err(|error| format!("the cluster's folder: {error}"))?;
        Ok(cluster)
    }

    /// The URL of a database as a user. Over the Unix socket, so no TLS is asked for.
    pub fn url(&self, user: &str, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://{user}@{folder}:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// One of the programs that came with the server.
    pub fn program(&self, name: &str) -> PathBuf {
        self.binaries.folder.join(name)
    }

    /// Where data, socket and log lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process of the server, which all its backends are children of.
    pub fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// Stops the server at once, as a crash does.
    pub fn stop(&mut self) {
        let Some(mut keeper) = self.keeper.take() else { return };
        if let Some(mut input) = keeper.stdin.take() {
            let _ = input.write_all(b"stop\n");
        }
        // The shell ends when the server has.
        let _ = keeper.wait();
    }

    /// Starts the server, which was stopped, with the port that it had.
    ///
    /// # Errors
    /// With the end of its log, when it does not start.
    pub fn restart(&mut self) -> Result<(), String> {
        self.stop();
        for _ in 0..5 {
            if self.port == 0 {
                self.port = free_port().map_err(|error| format!("no free port: {error}"))?;
            }
            match self.launch() {
                Ok(()) => return Ok(()),
                Err(error) if !error.contains("could not bind") => return Err(error),
                // Somebody else took the port meanwhile.
                Err(_) => self.port = 0,
            }
        }
        Err("no port could be had for Postgres".to_owned())
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The folder goes to the user that the server runs as, and is nobody else's.
    fn give_away(&self) -> io::Result<()> {
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o700))?;
        match self.binaries.user {
            Some(User { uid, gid }) => chown(self.folder.path(), Some(uid), Some(gid)),
            None => Ok(()),
        }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", "/usr/bin:/bin");
        if let Some(User { uid, gid }) = self.binaries.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn initialise(&self) -> Result<(), String> {
        let output = self
            .command(self.binaries.folder.join("initdb"))
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--username",
                SUPERUSER,
            ])
            .arg("--pgdata")
            .arg(self.data())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("initdb cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("initdb failed: {}", String::from_utf8_lossy(&output.stderr)))
    }

    fn launch(&mut self) -> Result<(), String> {
        // A signal that comes before the server has begun is lost, so there are many of them.
        // Without a word before the end of its input, nobody is left who would remove the folder.
        const KEEP: &str = r#"log=$1 folder=$2; shift 2; "$@" </dev/null >>"$log" 2>&1 & server=$!
            read -r word
            (while kill -QUIT $server 2>/dev/null; do sleep 0.1; done) &
            wait $server
            if [ -z "$word" ]; then cd /; rm -rf "$folder"; fi"#;
        // That of a server which was cut off would look like a server that is ready.
        for stale in [self.data().join("postmaster.pid"), self.log()] {
            let _ = fs::remove_file(stale);
        }
        let mut keeper = self.command("/bin/sh");
        keeper.args(["-c", KEEP, "sh"]).arg(self.log()).arg(self.folder.path());
        keeper.arg(self.binaries.folder.join("postgres"));
        keeper.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        keeper.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        for setting in &self.settings {
            keeper.args(["-c", setting]);
        }
        // Not with Ctrl-C, which would end it in the middle.
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let keeper = keeper.spawn().map_err(|error| format!("a shell cannot be run: {error}"))?;
        self.keeper = Some(keeper);
        let since = Instant::now();
        while since.elapsed() < START_MAX {
            if self.is_ready() {
                return Ok(());
            }
            if self.log_tail().contains("database system is shut down") && self.pid().is_none() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let said = self.log_tail();
        self.stop();
        Err(format!("Postgres does not start:\n{said}"))
    }

    /// The last line of the lock file says so.
    fn is_ready(&self) -> bool {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        text.lines().nth(7).is_some_and(|line| line.trim() == "ready")
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(10).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The URL of a superuser's database for tests: the one that [`VARIABLE`] names, or that of a cluster
/// which all tests of this process share.
///
/// # Panics
/// When there is no Postgres to start.
pub fn url() -> String {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    if let Ok(url) = std::env::var(VARIABLE) {
        return url;
    }
    let start = || Cluster::start(&FAST).unwrap_or_else(|error| panic!("{error}"));
    SHARED.get_or_init(start).url(SUPERUSER, "postgres")
}
