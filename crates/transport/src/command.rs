use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::{Failure, Function, FunctionError, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::SETUP_TEST_TIMEOUT;
use crate::failure::{error_of, reported};
use crate::log::{Log, LogSource, no_log};
use crate::output::Output;
use crate::process::{Pipes, Process};

/// Any program as a Function: it is started for each call, reads the request from its standard input
/// to the end, writes the response to its standard output and exits with 0.
///
/// What it writes to standard error are its log lines. Whatever it leaves running is ended with it.
pub struct CommandFunction {
    program: String,
    arguments: Vec<String>,
    options: CommandOptions,
}

/// How a program is run.
#[derive(Clone)]
pub struct CommandOptions {
    /// Where it runs, and what a program such as `./orders` is relative to; else where hasmore runs.
    pub folder: Option<PathBuf>,
    /// Added to hasmore's own environment.
    pub environment: Vec<(String, String)>,
    /// From the start of the program to its end.
    pub timeout: Duration,
    /// The same for setup tests; the shorter of the two counts (F-028).
    pub setup_test_timeout: Duration,
    /// Reading an answer stops as soon as it is over this (F-054).
    pub response_bytes_max: u64,
    pub log: Log,
}

/// The limits of a function at a URL (Dec-35, Dec-36), since a program has none of its own.
impl Default for CommandOptions {
    fn default() -> CommandOptions {
        CommandOptions {
            folder: None,
            environment: Vec::new(),
            timeout: Duration::from_secs(60 * 60 + 30),
            setup_test_timeout: SETUP_TEST_TIMEOUT,
            response_bytes_max: 32 << 20,
            log: no_log(),
        }
    }
}

/// How long a pipe may stay open after the program's end: long enough to read what is in it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

impl CommandFunction {
    pub fn new(
        program: impl Into<String>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
        options: CommandOptions,
    ) -> CommandFunction {
        let arguments = arguments.into_iter().map(Into::into).collect();
        CommandFunction { program: program.into(), arguments, options }
    }

    async fn run(&self, request: &Request) -> Result<Response, FunctionError> {
        let (process, Pipes { stdin, stdout, stderr }) = self.start()?;
        let output = Output::new(self.options.log.clone());
        output.begin(&request.secrets);
        let bytes_max = self.options.response_bytes_max;

        // All at once, or a program that answers while it reads would wait for ever.
        let talk = async {
            tokio::try_join!(
                write_request(stdin, request.to_json()),
                read_answer(stdout, bytes_max),
                async {
                    output.pass_on(stderr, LogSource::Stderr).await;
                    Ok(())
                },
            )
        };
        let mut talk = std::pin::pin!(talk);
        let (answer, ended) = tokio::select! {
            answer = &mut talk => (answer?.1, process.ended().await),
            ended = process.ended() => match tokio::time::timeout(DRAIN_TIMEOUT, talk).await {
                Ok(answer) => (answer?.1, ended),
                Err(_) => return Err(self.failed(
                    &format!("{ended}, and something it started keeps its output open"),
                    &output,
                )),
            },
        };
        if ended.well() {
            return Response::from_json(answer, request);
        }
        match reported(&answer, request) {
            Some(failure) => Err(error_of(failure, &answer)),
            None => Err(self.failed(&ended.to_string(), &output)),
        }
    }

    fn start(&self) -> Result<(Process, Pipes), FunctionError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.options.environment.iter().cloned());
        if let Some(folder) = &self.options.folder {
            if !folder.is_dir() {
                return Err(FunctionError::Refused {
                    code: "folder_not_found",
                    message: format!("there is no folder {}", folder.display()),
                    hint: "correct the folder the command runs in".into(),
                });
            }
            command.current_dir(folder);
        }
        Process::start(command).map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &std::io::Error) -> FunctionError {
        let program = &self.program;
        let (code, message, hint) = match error.kind() {
            ErrorKind::NotFound => (
                "command_not_found",
                format!("there is no program {program}, or what its first line names is missing"),
                "install it, or correct the command; a path that is not whole starts at the folder the command runs in".to_owned(),
            ),
            ErrorKind::PermissionDenied => (
                "command_not_executable",
                format!("{program} may not be run"),
                format!("make it executable: chmod +x {program}"),
            ),
            _ => (
                "command_not_executable",
                format!("{program} could not be started: {error}"),
                "start it by hand to see more".to_owned(),
            ),
        };
        FunctionError::Refused { code, message, hint }
    }

    fn failed(&self, what: &str, output: &Output) -> FunctionError {
        FunctionError::Failed(Failure {
            message: format!("{} {what}{}", self.program, output.last_words()),
            ..Failure::default()
        })
    }
}

impl Function for CommandFunction {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let CommandOptions { timeout, setup_test_timeout, .. } = self.options;
        let after = if request.setup_test { timeout.min(setup_test_timeout) } else { timeout };
        match tokio::time::timeout(after, self.run(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(FunctionError::TimedOut { after }),
        }
    }
}

/// A program that does not care for the request may close its input early.
async fn write_request(mut stdin: ChildStdin, request: String) -> Result<(), FunctionError> {
    let _ = stdin.write_all(request.as_bytes()).await;
    Ok(())
}

async fn read_answer(mut stdout: ChildStdout, bytes_max: u64) -> Result<Bytes, FunctionError> {
    let mut answer = BytesMut::with_capacity(64 << 10);
    // A pipe that cannot be read any more has ended.
    while stdout.read_buf(&mut answer).await.unwrap_or(0) > 0 {
        if answer.len() as u64 > bytes_max {
            return Err(FunctionError::too_large(bytes_max));
        }
    }
    Ok(answer.freeze())
}
