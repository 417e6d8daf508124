//! The function of a connection, whichever way it is named, with every concern around a call.

use std::sync::Arc;

use connector::Connector;
use protocol::{Function, FunctionError, Request, Response};
use tokio::sync::watch;
use transport::{
    Cancellable, CommandFunction, CommandOptions, HandlerFunction, HandlerOptions, HttpFunction,
    HttpOptions, LambdaFunction, LambdaOptions, Log, Retrying,
};

use crate::connection::{Connection, FunctionSource};

/// A function at work: tried again where that helps, given up when a stop is asked for.
pub(crate) struct OpenFunction {
    calls: Cancellable<Retrying<Shared>>,
    function: Shared,
}

impl OpenFunction {
    /// Starts nothing before the first call.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when it cannot be called as configured.
    pub(crate) fn open(
        connection: &Connection,
        log: Log,
        stop: watch::Receiver<bool>,
    ) -> Result<OpenFunction, FunctionError> {
        let function = Shared(Arc::new(AnyFunction::open(connection, &log)?));
        let calls = Cancellable::new(Retrying::new(function.clone(), log), stop);
        Ok(OpenFunction { calls, function })
    }

    /// Ends what it started, and waits until that is gone.
    pub(crate) async fn close(&self) {
        if let AnyFunction::Handler(handler) = &*self.function.0 {
            handler.close().await;
        }
    }
}

impl Function for OpenFunction {
    fn call(
        &self,
        request: &Request,
    ) -> impl Future<Output = Result<Response, FunctionError>> + Send {
        self.calls.call(request)
    }
}

/// The five ways to name a function.
enum AnyFunction {
    Url(Box<HttpFunction>),
    Lambda(Box<LambdaFunction>),
    Handler(Box<HandlerFunction>),
    Command(CommandFunction),
    Manifest(Box<Connector>),
}

impl AnyFunction {
    fn open(connection: &Connection, log: &Log) -> Result<AnyFunction, FunctionError> {
        let (timeout, bytes_max) = (connection.call_timeout, connection.response_bytes_max);
        Ok(match &connection.function {
            FunctionSource::Url { url, headers, aws, google } => {
                let default = HttpOptions::default();
                let options = HttpOptions {
                    headers: headers.clone(),
                    timeout: timeout.unwrap_or(default.timeout),
                    response_bytes_max: bytes_max.unwrap_or(default.response_bytes_max),
                    aws: aws.clone(),
                    google: google.clone(),
                    ..default
                };
                AnyFunction::Url(Box::new(HttpFunction::new(url, options)?))
            }
            FunctionSource::Lambda { function, aws } => {
                let default = LambdaOptions::default();
                let options = LambdaOptions {
                    aws: aws.clone(),
                    timeout: timeout.unwrap_or(default.timeout),
                    payload_bytes_max: bytes_max.unwrap_or(default.payload_bytes_max),
                    ..default
                };
                AnyFunction::Lambda(Box::new(LambdaFunction::new(function, options)?))
            }
            FunctionSource::Handler { handler, folder, environment, python, task_root } => {
                let default = HandlerOptions::default();
                let options = HandlerOptions {
                    folder: folder.clone(),
                    task_root: task_root.clone(),
                    environment: environment.clone(),
                    timeout: timeout.unwrap_or(default.timeout),
                    payload_bytes_max: bytes_max.unwrap_or(default.payload_bytes_max),
                    python: python.clone(),
                    log: Arc::clone(log),
                    ..default
                };
                AnyFunction::Handler(Box::new(HandlerFunction::new(handler, options)?))
            }
            FunctionSource::Manifest(manifest) => {
                let connector = Connector::new((**manifest).clone(), connector::system_clock())?;
                AnyFunction::Manifest(Box::new(connector))
            }
            FunctionSource::Command { words, folder, environment } => {
                let default = CommandOptions::default();
                let options = CommandOptions {
                    folder: Some(folder.clone()),
                    environment: environment.clone(),
                    timeout: timeout.unwrap_or(default.timeout),
                    response_bytes_max: bytes_max.unwrap_or(default.response_bytes_max),
                    log: Arc::clone(log),
                    ..default
                };
                let (program, arguments) =
                    words.split_first().expect("a command names a program: it was checked");
                AnyFunction::Command(CommandFunction::new(program, arguments, options))
            }
        })
    }
}

/// One function, held by those who call it and by the one who closes it.
#[derive(Clone)]
struct Shared(Arc<AnyFunction>);

impl Function for Shared {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        match &*self.0 {
            AnyFunction::Url(function) => function.call(request).await,
            AnyFunction::Lambda(function) => function.call(request).await,
            AnyFunction::Handler(function) => function.call(request).await,
            AnyFunction::Command(function) => function.call(request).await,
            AnyFunction::Manifest(function) => function.call(request).await,
        }
    }
}
