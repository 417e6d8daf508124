use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The binary, to be run in a folder of its own.
pub(crate) struct Hasmore {
    command: Command,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Hasmore {
    pub(crate) fn new(folder: &Path) -> Hasmore {
        Hasmore::of(folder, Command::new(env!("CARGO_BIN_EXE_hasmore")))
    }

    /// Where no file may grow beyond so many blocks of 1024 bytes.
    pub(crate) fn limited(folder: &Path, blocks: u64) -> Hasmore {
        let mut shell = Command::new("bash");
        let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        shell.args(["-c", &line, env!("CARGO_BIN_EXE_hasmore")]);
        Hasmore::of(folder, shell)
    }

    fn of(folder: &Path, mut command: Command) -> Hasmore {
        command.current_dir(folder).stdin(Stdio::null());
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        Hasmore { command }
    }

    /// `hasmore sync` of a function at a URL into `warehouse.duckdb`, as connection `orders`.
    pub(crate) fn sync(folder: &Path, url: &str) -> Hasmore {
        let line = ["sync", "--url", url, "--to", "warehouse.duckdb", "--name", "orders"];
        Hasmore::new(folder).args(line)
    }

    pub(crate) fn args(
        mut self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Hasmore {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Hasmore {
        self.command.env(name, value);
        self
    }

    pub(crate) fn run(mut self) -> Ended {
        Ended::of(self.command.output().expect("the binary runs"))
    }

    /// Nobody reads standard output.
    pub(crate) fn run_unread(mut self) -> Ended {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        self.command.stdout(writer).stderr(Stdio::piped());
        let child = self.command.spawn().expect("the binary starts");
        Ended::of(child.wait_with_output().expect("the binary ends"))
    }

    pub(crate) fn start(mut self) -> Running {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { child: self.command.spawn().expect("the binary starts") }
    }
}

/// The binary while it runs.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, as in `kill -INT`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process().to_string();
        let sent = Command::new("kill").arg(format!("-{name}")).arg(process).status();
        assert!(sent.expect("kill runs").success(), "the signal is sent");
    }

    /// Waits for the next line of standard error.
    pub(crate) fn next_error_line(&mut self) -> String {
        let stderr = self.child.stderr.as_mut().expect("a pipe");
        let mut line = Vec::new();
        let mut byte = [0];
        while stderr.read(&mut byte).expect("it can be read") == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text")
    }

    pub(crate) fn end(self) -> Ended {
        Ended::of(self.child.wait_with_output().expect("the binary ends"))
    }
}

impl Ended {
    fn of(output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }

    /// Fails with everything that was said.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Ended by this exit code and this error code.
    #[track_caller]
    pub(crate) fn expect_error(self, exit_code: i32, code: &str) -> Ended {
        let ended = self.expect_code(exit_code);
        let head = format!("error[{code}]: ");
        assert!(ended.stderr.contains(&head), "no {head} in:\n{}", ended.stderr);
        assert!(ended.stderr.contains("hint: "), "no hint in:\n{}", ended.stderr);
        ended
    }

    /// Each line of standard output as JSON.
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        json_lines(&self.stdout)
    }

    /// Each line of standard error as JSON.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        json_lines(&self.stderr)
    }
}

fn json_lines(text: &str) -> Vec<serde_json::Value> {
    let json =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(json).collect()
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path
}
