use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::{Failure, FunctionError, Request, Response};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::failure::{error_of, indented, reported};
use crate::handler::{HandlerOptions, Launch};
use crate::handler_file::{HandlerFile, Language};
use crate::lambda_api::{LambdaApi, Posted};
use crate::log::LogSource;
use crate::output::Output;
use crate::process::{Pipes, Process};

/// A handler's process and the Runtime API it works for.
pub(crate) struct HandlerProcess {
    process: Process,
    api: LambdaApi,
    output: Arc<Output>,
    language: Language,
    payload_bytes_max: u64,
    /// They pass on what the process prints, and end with it.
    readers: tokio::sync::Mutex<JoinSet<()>>,
}

/// Between the process's end and the last that is heard of it.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_millis(500);
/// What is shown of a report that is none.
const EXCERPT_BYTES_MAX: usize = 2048;
/// As a Lambda function that was given some room; a handler may size its buffers by it.
const MEMORY_MB: &str = "1024";

impl HandlerProcess {
    pub(crate) fn start(
        file: &HandlerFile,
        launch: &Launch,
        options: &HandlerOptions,
        output: Arc<Output>,
    ) -> Result<HandlerProcess, FunctionError> {
        let refused = |error: io::Error| FunctionError::Refused {
            code: "handler_start_failed",
            message: format!("{} could not be started: {error}", launch.program.display()),
            hint: "start it by hand to see more".into(),
        };
        let name = function_name(file);
        let api = LambdaApi::start(&name, options.payload_bytes_max).map_err(refused)?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.arguments).current_dir(&file.task_root);
        command.envs(launch.environment.iter().cloned());
        set_lambda_environment(&mut command, file, &name, &api);
        command.envs(options.environment.iter().cloned());
        let (process, Pipes { stdin, stdout, stderr }) =
            Process::start(command).map_err(refused)?;
        // A handler that reads its standard input must not wait for a person.
        drop(stdin);
        let mut readers = JoinSet::new();
        let printed = Arc::clone(&output);
        readers.spawn(async move { printed.pass_on(stdout, LogSource::Stdout).await });
        let printed = Arc::clone(&output);
        readers.spawn(async move { printed.pass_on(stderr, LogSource::Stderr).await });
        Ok(HandlerProcess {
            process,
            api,
            output,
            language: file.language,
            payload_bytes_max: options.payload_bytes_max,
            readers: tokio::sync::Mutex::new(readers),
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Hands over the event and waits for what comes of it; the process's end is an answer too.
    pub(crate) async fn invoke(
        &self,
        event: Bytes,
        deadline: Duration,
        request: &Request,
    ) -> Result<Response, FunctionError> {
        let mut posted = self.api.invoke(event, deadline);
        tokio::select! {
            biased;
            posted = &mut posted => self.read(posted, request),
            ended = self.process.ended() => {
                // What was posted just before the end may still be on its way.
                if let Ok(posted) = tokio::time::timeout(LAST_WORDS_TIMEOUT, posted).await {
                    return self.read(posted, request);
                }
                self.hear_out().await;
                let last_words = self.output.last_words();
                Err(FunctionError::Failed(Failure {
                    message: format!("the handler's process {ended} before it answered{last_words}"),
                    ..Failure::default()
                }))
            }
        }
    }

    pub(crate) fn memory_bytes_peak(&self) -> Option<u64> {
        self.process.memory_bytes_peak()
    }

    /// Whether it ended before it took the last event: another process can take it.
    pub(crate) fn left_it_unread(&self) -> bool {
        !self.is_running() && self.api.is_unread()
    }

    /// Ends the process and waits until it is gone.
    pub(crate) async fn close(self) {
        self.process.kill();
        self.process.ended().await;
    }

    fn read(
        &self,
        posted: Result<Posted, oneshot::error::RecvError>,
        request: &Request,
    ) -> Result<Response, FunctionError> {
        match posted.expect("the Runtime API keeps a call's place until its answer") {
            Posted::Response(body) => Response::from_json(body, request),
            Posted::TooLarge => {
                // AWS's clients do not survive the refusal of their answer.
                self.process.kill();
                Err(FunctionError::too_large(self.payload_bytes_max))
            }
            Posted::Error(body) => {
                let failure = read_report(&body, request);
                if failure.error_type.as_deref().is_some_and(is_load_error) {
                    return Err(self.init_failed(failure));
                }
                Err(error_of(failure, &body))
            }
            Posted::InitError(body) => Err(self.init_failed(read_report(&body, request))),
        }
    }

    /// The handler's file could not be loaded: the same again would fail the same way.
    fn init_failed(&self, failure: Failure) -> FunctionError {
        let text = failure.to_string();
        // Node's traces begin with the message.
        let trace = failure.stack_trace.iter().skip_while(|line| text.contains(line.as_str()));
        let text = format!("{text}{}", indented(trace));
        let lost = ["No module named", "Cannot find module", "Cannot find package"];
        let hint = match self.language {
            _ if !lost.iter().any(|sign| text.contains(sign)) => "correct the handler's file",
            Language::Python => {
                "add the package to requirements.txt beside the handler, or install it in the environment that is used"
            }
            Language::Node => "run npm install in the handler's folder",
            Language::Program => "correct what the program needs to start",
        };
        FunctionError::Refused {
            code: "handler_init_failed",
            message: format!("the handler could not be loaded: {text}"),
            hint: hint.into(),
        }
    }

    /// Lets the last lines arrive, unless something else keeps the output open.
    async fn hear_out(&self) {
        let mut readers = self.readers.lock().await;
        let all = async { while readers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_WORDS_TIMEOUT, all).await;
    }
}

/// The errors that runtime clients raise before they have a handler to call.
fn is_load_error(error_type: &str) -> bool {
    matches!(
        error_type,
        "Runtime.ImportModuleError"
            | "Runtime.UserCodeSyntaxError"
            | "Runtime.HandlerNotFound"
            | "Runtime.MalformedHandlerName"
            | "Runtime.BuiltInModuleConflict"
    )
}

fn read_report(body: &Bytes, request: &Request) -> Failure {
    reported(body, request).unwrap_or_else(|| {
        let excerpt = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES_MAX)]);
        Failure {
            message: format!(
                "the handler failed without a message: {}",
                request.secrets.redact(excerpt.trim())
            ),
            ..Failure::default()
        }
    })
}

/// The folder's name, made of what Lambda allows in a function's name.
fn function_name(file: &HandlerFile) -> String {
    let folder = file.task_root.file_name().map(|name| name.to_string_lossy().into_owned());
    let name: String = folder
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(64)
        .collect();
    if name.is_empty() { "handler".to_owned() } else { name }
}

/// What a handler finds in its environment on Lambda. Credentials and everything else come from
/// hasmore's own environment.
fn set_lambda_environment(command: &mut Command, file: &HandlerFile, name: &str, api: &LambdaApi) {
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(std::env::var_os);
    let region = region.unwrap_or_else(|| "us-east-1".into());
    command
        .env("AWS_LAMBDA_RUNTIME_API", api.address().to_string())
        .env("_HANDLER", &file.handler)
        .env("LAMBDA_TASK_ROOT", &file.task_root)
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MB)
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}"))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "hasmore")
        .env("AWS_REGION", &region)
        .env("AWS_DEFAULT_REGION", &region)
        // Lambda's clock is UTC; a handler that asks for the local time means that.
        .env("TZ", ":UTC")
        .env_remove("_LAMBDA_TELEMETRY_LOG_FD");
}
