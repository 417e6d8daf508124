use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::python;

/// A process that ends with the test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        Process(command.stdin(Stdio::null()).spawn().expect("the program starts"))
    }

    /// A server in Python that prints its port first.
    pub(crate) fn serve(folder: &std::path::Path, script: &str) -> (Process, u16) {
        let mut command = Command::new(python());
        command.args(["-c", script]).current_dir(folder).stdout(Stdio::piped());
        let mut process = Process::start(&mut command);
        let mut port = String::new();
        let out = process.0.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut port).expect("a line");
        (process, port.trim().parse().expect("a port"))
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
