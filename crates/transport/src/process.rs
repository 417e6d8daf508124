use std::ffi::OsStr;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

/// A program that runs in a process group of its own, and that ends with everything it started: when
/// it exits, when this is dropped, and when hasmore itself is killed.
///
/// The group is led by a guard, a shell that waits for the end of its standard input, which only
/// hasmore holds, and then kills the group. As long as the guard is not reaped, the group's number
/// cannot be given to strangers.
pub(crate) struct Process {
    ended: watch::Receiver<Option<ExitStatus>>,
    group: Group,
    id: Option<u32>,
}

/// The ends of the program's standard streams.
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

impl Process {
    /// Starts the program with pipes for its standard streams.
    ///
    /// # Errors
    /// As the system gives them; what they mean depends on the program.
    pub(crate) fn start(mut command: Command) -> io::Result<(Process, Pipes)> {
        let guard = start_guard()
            .map_err(|error| io::Error::other(format!("/bin/sh could not be started: {error}")))?;
        let leader = guard.id().expect("a child that was not waited for has an id");
        let leader = i32::try_from(leader).expect("the system's process ids are positive i32");
        let group = Group::led_by(leader);
        let started = command
            .process_group(leader)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut program = match started {
            Ok(program) => program,
            Err(error) => {
                group.kill();
                return Err(error);
            }
        };
        let pipes = Pipes {
            stdin: program.stdin.take().expect("standard input is a pipe"),
            stdout: program.stdout.take().expect("standard output is a pipe"),
            stderr: program.stderr.take().expect("standard error is a pipe"),
        };
        let id = program.id();
        let (end, ended) = watch::channel(None);
        tokio::spawn(wait(program, guard, group.clone(), end));
        Ok((Process { ended, group, id }, pipes))
    }

    /// How the program ended, as soon as it has.
    pub(crate) async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(status) => Ended(*status),
            // Its task is gone: the runtime is shutting down.
            Err(_) => Ended(None),
        }
    }

    /// Whether it has neither ended nor been told to.
    pub(crate) fn is_running(&self) -> bool {
        self.ended.borrow().is_none() && !self.group.members().killed
    }

    /// Ends the program and everything it started.
    pub(crate) fn kill(&self) {
        self.group.kill();
    }

    /// The most memory that the program itself has held so far, where the system tells (Linux).
    pub(crate) fn memory_bytes_peak(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Looks a program up as the system would: a name with a slash is a path.
pub(crate) fn on_the_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// How a program came to its end, for a sentence: `it exited with code 3`.
#[derive(Clone, Copy)]
pub(crate) struct Ended(Option<ExitStatus>);

impl Ended {
    pub(crate) fn well(self) -> bool {
        self.0.is_some_and(|status| status.success())
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::os::unix::process::ExitStatusExt;
        let Some(status) = self.0 else { return f.write_str("was ended") };
        match (status.code(), status.signal()) {
            (Some(code), _) => write!(f, "exited with code {code}"),
            (None, Some(9)) => {
                f.write_str("was killed by signal 9 (SIGKILL; perhaps memory ran out)")
            }
            (None, Some(11)) => f.write_str("was killed by signal 11 (SIGSEGV)"),
            (None, Some(signal)) => write!(f, "was killed by signal {signal}"),
            (None, None) => write!(f, "ended with {status}"),
        }
    }
}

/// The process group of one program.
#[derive(Clone)]
struct Group(Arc<Mutex<Members>>);

struct Members {
    /// Until the guard is reaped.
    leader: Option<Pid>,
    killed: bool,
}

impl Group {
    fn led_by(leader: i32) -> Group {
        Group(Arc::new(Mutex::new(Members { leader: Pid::from_raw(leader), killed: false })))
    }

    fn kill(&self) {
        let mut members = self.members();
        members.killed = true;
        if let Some(leader) = members.leader {
            // It fails only if every member has ended already.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }

    /// After this, nothing can be killed by mistake.
    fn forget(&self) {
        self.members().leader = None;
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn wait(
    mut program: Child,
    mut guard: Child,
    group: Group,
    end: watch::Sender<Option<ExitStatus>>,
) {
    let status = program.wait().await;
    // Whatever it left running ends too, and so does the guard.
    group.kill();
    group.forget();
    let _ = guard.wait().await;
    // Waiting for a child that nobody else waits for does not fail.
    end.send_replace(status.ok());
}

fn start_guard() -> io::Result<Child> {
    Command::new("/bin/sh")
        .args(["-c", "read -r _; kill -KILL 0"].map(OsStr::new))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}
