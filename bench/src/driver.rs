//! The function server as a child process, told what to serve.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The server, ended when this is dropped.
pub struct FunctionServer {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl FunctionServer {
    pub fn start(row_count: usize) -> Result<FunctionServer, String> {
        let this = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut process = Command::new(this)
            .arg("serve")
            .arg(row_count.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the function server does not start: {error}"))?;
        let commands = process.stdin.take().expect("its standard input is a pipe");
        let answers = process.stdout.take().expect("its standard output is a pipe");
        let mut server =
            FunctionServer { process, commands, answers: BufReader::new(answers), port: 0 };
        let port = server.answer()?;
        server.port = port.parse().map_err(|_| format!("the function server printed {port}"))?;
        Ok(server)
    }

    /// The API that serves the same rows to GET.
    pub fn api(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn url(&self, page_rows: usize) -> String {
        format!("http://127.0.0.1:{}/?page_rows={page_rows}", self.port)
    }

    /// What a sync from here on is sent: a new round sends everything again, edits are 1 % of the rows.
    pub fn show(&mut self, round: u64, edits: bool) -> Result<(), String> {
        let edits = if edits { "on" } else { "off" };
        for command in [format!("round {round}"), format!("edits {edits}")] {
            writeln!(self.commands, "{command}")
                .map_err(|error| format!("the function server is gone: {error}"))?;
            let answer = self.answer()?;
            if answer != command {
                return Err(format!("the function server answered {answer} to {command}"));
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(|error| format!("the function server is gone: {error}"))?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for FunctionServer {
    fn drop(&mut self) {
        // It holds nothing worth saving; a failure to end it means it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
