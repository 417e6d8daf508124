use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::{Function, FunctionError, Request, Response};
use tokio::sync::{Mutex, OnceCell};

use crate::SETUP_TEST_TIMEOUT;
use crate::cache;
use crate::handler_file::{HandlerFile, Language};
use crate::handler_process::HandlerProcess;
use crate::log::{Log, LogLine, no_log};
use crate::node;
use crate::output::Output;
use crate::python;

/// A user's Lambda handler file as a Function: AWS's own runtime client runs it, unchanged, against
/// a Lambda Runtime API on loopback.
///
/// The process is started by the first call and kept warm for the next ones; when it has ended, the
/// next call starts another. It ends with this, or when hasmore is killed.
pub struct HandlerFunction {
    file: HandlerFile,
    options: HandlerOptions,
    output: Arc<Output>,
    launch: OnceCell<Launch>,
    /// Calls are made one after the other, as in a Lambda instance.
    process: Mutex<Option<HandlerProcess>>,
}

/// How a handler is run.
#[derive(Clone)]
pub struct HandlerOptions {
    /// What the handler's path is relative to; also searched for `.venv` and `node_modules`.
    pub folder: PathBuf,
    /// What Lambda's own configuration calls the root of the code, where it is not the handler's folder.
    pub task_root: Option<PathBuf>,
    /// Added to hasmore's own environment, as the variables of a Lambda function are.
    pub environment: Vec<(String, String)>,
    /// From handing over the request to the last byte of the answer; then the process is killed.
    pub timeout: Duration,
    /// The same for setup tests; the shorter of the two counts (F-028).
    pub setup_test_timeout: Duration,
    /// Lambda's limit for requests and responses.
    pub payload_bytes_max: u64,
    /// The Python to run a Python handler, in place of looking for one.
    pub python: Option<PathBuf>,
    /// A folder whose `node_modules` holds AWS's runtime client for Node.
    pub node_client: Option<PathBuf>,
    /// Where environments are kept; else `hasmore` in the user's cache folder.
    pub cache_folder: Option<PathBuf>,
    pub log: Log,
}

/// Lambda's 15 minutes and 30 seconds to spare (Dec-35), and its 6 MB (Dec-36).
impl Default for HandlerOptions {
    fn default() -> HandlerOptions {
        HandlerOptions {
            folder: PathBuf::from("."),
            task_root: None,
            environment: Vec::new(),
            timeout: Duration::from_secs(15 * 60 + 30),
            setup_test_timeout: SETUP_TEST_TIMEOUT,
            payload_bytes_max: LAMBDA_PAYLOAD_BYTES_MAX,
            python: None,
            node_client: None,
            cache_folder: None,
            log: no_log(),
        }
    }
}

/// 6 MiB and 100 bytes: what Lambda's own error message names.
pub const LAMBDA_PAYLOAD_BYTES_MAX: u64 = 6_291_556;
/// What the handler is told to leave unused, so that it can answer in time by its own clock.
const DEADLINE_MARGIN: Duration = Duration::from_secs(30);

/// The command line of a handler's process.
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
}

impl HandlerFunction {
    /// Looks for the handler's file and starts nothing.
    ///
    /// `handler` is a path and a function: `orders/lambda_function.lambda_handler` is
    /// `lambda_handler` in `orders/lambda_function.py`, `index.handler` is `handler` in `index.js`,
    /// `index.mjs` or `index.cjs`.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when there is no such file.
    pub fn new(handler: &str, options: HandlerOptions) -> Result<HandlerFunction, FunctionError> {
        let file = HandlerFile::find(handler, &options.folder, options.task_root.as_deref())?;
        Ok(HandlerFunction {
            file,
            output: Arc::new(Output::new(options.log.clone())),
            options,
            launch: OnceCell::new(),
            process: Mutex::new(None),
        })
    }

    /// Ends the process, if there is one, and waits until it is gone.
    pub async fn close(&self) {
        if let Some(process) = self.process.lock().await.take() {
            process.close().await;
        }
    }

    /// The most memory that the handler's process has held so far, where there is one and the system
    /// tells.
    pub async fn memory_bytes_peak(&self) -> Option<u64> {
        self.process.lock().await.as_ref().and_then(HandlerProcess::memory_bytes_peak)
    }

    /// Starts a process; whatever has to be installed for it is not part of any call's time.
    async fn start(&self) -> Result<HandlerProcess, FunctionError> {
        let launch = self.launch.get_or_try_init(|| self.find_launch()).await?;
        (self.options.log)(LogLine::hasmore(format!("starting handler {}", self.file.handler)));
        HandlerProcess::start(&self.file, launch, &self.options, Arc::clone(&self.output))
    }

    async fn find_launch(&self) -> Result<Launch, FunctionError> {
        let HandlerOptions { folder, python, node_client, cache_folder, log, .. } = &self.options;
        let default_cache;
        let cache_folder: &Path = match cache_folder {
            Some(folder) => folder,
            None => {
                default_cache = cache::default_folder();
                &default_cache
            }
        };
        match self.file.language {
            Language::Python => {
                python::launch(&self.file, folder, python.as_deref(), cache_folder, log).await
            }
            Language::Node => {
                node::launch(&self.file, folder, node_client.as_deref(), cache_folder, log).await
            }
            Language::Program => Ok(Launch {
                program: self.file.task_root.join(&self.file.handler),
                arguments: Vec::new(),
                environment: Vec::new(),
            }),
        }
    }

    fn timeout(&self, request: &Request) -> Duration {
        let HandlerOptions { timeout, setup_test_timeout, .. } = self.options;
        if request.setup_test { timeout.min(setup_test_timeout) } else { timeout }
    }
}

impl Function for HandlerFunction {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let event = Bytes::from(request.to_json());
        let bytes_max = self.options.payload_bytes_max;
        if event.len() as u64 > bytes_max {
            return Err(FunctionError::Malformed {
                code: "request_too_large",
                message: format!(
                    "the request is {} bytes, and Lambda takes no more than {bytes_max}; most of it is the state that the function returned: keep less in it",
                    event.len()
                ),
            });
        }
        let mut slot = self.process.lock().await;
        self.output.begin(&request.secrets);
        let after = self.timeout(request);
        let deadline = after.checked_sub(DEADLINE_MARGIN).filter(|left| *left >= DEADLINE_MARGIN);
        loop {
            // Outside of its place while it works: a call that is given up leaves no half-read
            // answer behind, since dropping the process ends it.
            let warm = slot.take().filter(HandlerProcess::is_running);
            let was_warm = warm.is_some();
            let process = match warm {
                Some(process) => process,
                None => self.start().await?,
            };
            let invoked = process.invoke(event.clone(), deadline.unwrap_or(after), request);
            let Ok(answer) = tokio::time::timeout(after, invoked).await else {
                return Err(FunctionError::TimedOut { after });
            };
            if was_warm && process.left_it_unread() {
                // It died of the call before, a moment after its answer.
                continue;
            }
            *slot = Some(process);
            return answer;
        }
    }
}
