//! OpenSSH's server for tests: started here, on a port of loopback, with keys and a user of its own. The
//! machine's server, its users and its keys are not touched.
//!
//! ```no_run
//! let server = openssh::Server::start();
//! std::fs::write(server.folder().join("1.csv"), "id\n1\n").expect("a file");
//! println!("{} lets {} read it", server.url(), openssh::USER);
//! ```

mod programs;

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use programs::Programs;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The only one who may log in, and how.
pub const USER: &str = "tester";
pub const PASSWORD: &str = "open sesame";
/// The password, as crypt(3) keeps it.
const PASSWORD_HASH: &str = "$6$hasmoretests$Eo3FgXFbRgQPEkDK94FZW0q0PE6PxxsV5S7Aymsxcnvc9ymU2S7bOaLWgQp8JDxGjS62AQqTIKffH/N95DEA70";
/// What the private key of [`Server::locked_key`] is locked with.
pub const PASSPHRASE: &str = "a phrase";
/// Who the server runs as when we are root: nobody.
const NOBODY: u32 = 65_534;
const START_MAX: Duration = Duration::from_secs(30);

/// A server with a port of its own. It ends with the value, and with the process however that ends.
pub struct Server {
    /// Where its settings and keys are, and the folder that one logs in to.
    place: TempDir,
    port: u16,
    /// A shell that ends the server when its standard input is closed, as it is when we die.
    keeper: Child,
}

impl Server {
    /// # Panics
    /// When there is no OpenSSH on this machine, with the packages to install, or it does not start.
    #[track_caller]
    pub fn start() -> Server {
        let programs = Programs::find().unwrap_or_else(|missing| panic!("{missing}"));
        let place = tempfile::Builder::new().prefix("hasmore-ssh-").tempdir().expect("a folder");
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("a folder");
        let port = free_port();
        prepare(&programs, place.path(), port);
        let keeper = launch(&programs, place.path());
        let server = Server { place, port, keeper };
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(since.elapsed() < START_MAX, "sshd does not start:\n{}", server.log());
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `sftp://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("sftp://127.0.0.1:{}", self.port)
    }

    /// The folder that one logs in to.
    pub fn folder(&self) -> PathBuf {
        self.place.path().join("home")
    }

    /// The private key that opens it.
    pub fn key(&self) -> String {
        self.text("user_ed25519")
    }

    /// Another one: RSA, and locked with [`PASSPHRASE`].
    pub fn locked_key(&self) -> String {
        self.text("user_rsa")
    }

    /// The line of a file of known servers.
    pub fn known_host(&self, kind: &str) -> String {
        format!("[127.0.0.1]:{} {}", self.port, self.text(&format!("host_{kind}.pub")))
    }

    /// Its key's fingerprint, as `ssh-keygen -lf` shows it.
    pub fn fingerprint(&self) -> String {
        let programs = Programs::find().expect("the server was started");
        let output = Command::new(programs.ssh_keygen)
            .arg("-lf")
            .arg(self.place.path().join("host_ed25519.pub"))
            .output()
            .expect("ssh-keygen runs");
        let text = String::from_utf8(output.stdout).expect("text");
        text.split_whitespace().nth(1).expect("a fingerprint").to_owned()
    }

    /// What it wrote about who came.
    pub fn log(&self) -> String {
        self.text("log")
    }

    /// Ends all sessions at once, as a lost connection does.
    pub fn cut(&self) {
        let listener = fs::read_to_string(self.place.path().join("pid")).unwrap_or_default();
        let mut open: Vec<i32> = children(listener.trim());
        while let Some(process) = open.pop() {
            open.extend(children(&process.to_string()));
            // It may have ended with its parent.
            let _ = kill_process(Pid::from_raw(process).expect("a process"), Signal::KILL);
        }
    }

    fn text(&self, name: &str) -> String {
        let path = self.place.path().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Sessions go on without the server that let them in.
        self.cut();
        drop(self.keeper.stdin.take());
        // The shell ends when the server has.
        let _ = self.keeper.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Settings, keys and users.
fn prepare(programs: &Programs, place: &Path, port: u16) {
    let is_root = rustix::process::geteuid().is_root();
    let own = |path: &Path| {
        if is_root {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("a file given away");
        }
    };
    own(place);
    let home = place.join("home");
    fs::create_dir(&home).expect("a folder");
    own(&home);
    for (name, kind, phrase) in [
        ("host_ed25519", "ed25519", ""),
        ("host_rsa", "rsa", ""),
        ("user_ed25519", "ed25519", ""),
        ("user_rsa", "rsa", PASSPHRASE),
    ] {
        let mut command = as_user(&programs.ssh_keygen, place);
        let made = command.args(["-q", "-t", kind, "-N", phrase, "-f", name]).status();
        assert!(made.is_ok_and(|status| status.success()), "ssh-keygen makes no key");
    }
    let write = |name: &str, text: String| {
        fs::write(place.join(name), text).expect("a file");
        own(&place.join(name));
    };
    let read = |name: &str| fs::read_to_string(place.join(name)).expect("a key");
    write("authorized_keys", read("user_ed25519.pub") + &read("user_rsa.pub"));
    let (uid, gid) = if is_root {
        (NOBODY, NOBODY)
    } else {
        (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
    };
    let folder = home.display();
    write("users", format!("{USER}:{PASSWORD_HASH}:{uid}:{gid}::{folder}:/bin/sh\n"));
    write("groups", format!("{USER}:x:{gid}:\n"));
    let place = place.display();
    write(
        "settings",
        format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {place}/host_ed25519\nHostKey {place}/host_rsa\n\
             PidFile {place}/pid\nAuthorizedKeysFile {place}/authorized_keys\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n\
             MaxStartups 100\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\n"
        ),
    );
}

fn launch(programs: &Programs, place: &Path) -> Child {
    const KEEP: &str = r#""$@" </dev/null >log 2>&1 & server=$!
        read -r word
        kill $server
        wait $server"#;
    let mut keeper = as_user(Path::new("/bin/sh"), place);
    keeper.args(["-c", KEEP, "sh"]).arg(&programs.sshd).args(["-D", "-e", "-f"]);
    keeper
        .arg(place.join("settings"))
        .env("LD_PRELOAD", &programs.nss_wrapper)
        .env("NSS_WRAPPER_PASSWD", place.join("users"))
        .env("NSS_WRAPPER_GROUP", place.join("groups"));
    // Not with Ctrl-C, which would end it in the middle.
    keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    keeper.spawn().expect("a shell")
}

fn as_user(program: &Path, place: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(place).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn children(process: &str) -> Vec<i32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|process| process.parse().ok()).collect()
}
