//! The function of a connection, whichever way it is named, with every concern around a call.

use std::sync::Arc;

use connector::{Connector, Via};
use protocol::{Function, FunctionError, ObjectPlace, Request, Response};
use tokio::sync::watch;
use transport::{
    Cancellable, CommandFunction, CommandOptions, HandlerFunction, HandlerOptions, HttpFunction,
    HttpOptions, LambdaFunction, LambdaOptions, Log, Retrying, S3Options, UpstreamProxy,
};

use crate::connection::{Connection, FunctionSource};
use crate::secrets::Renewing;

/// A function at work: tried again where that helps, with new secrets where the old ones no longer let
/// in, given up when a stop is asked for.
pub(crate) struct OpenFunction {
    calls: Cancellable<Renewing<Retrying<Shared>>>,
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
        let function = Shared(Arc::new(AnyFunction::open(connection, &log, None)?));
        let retrying = Retrying::new(function.clone(), Arc::clone(&log));
        let renewing = Renewing::new(retrying, connection, log);
        let calls = Cancellable::new(renewing, stop);
        Ok(OpenFunction { calls, function })
    }

    /// Ends what it started, and waits until that is gone.
    pub(crate) async fn close(&self) {
        self.function.close().await;
    }

    /// Deletes the objects of pages that a command has shown and will not land.
    ///
    /// # Errors
    /// The reason why one of them is still there.
    pub(crate) async fn delete_objects(&self) -> Result<(), FunctionError> {
        self.function.delete_objects().await
    }

    /// Deletes an object whose page has landed (F-058).
    ///
    /// # Errors
    /// The reason why it is still there.
    pub(crate) async fn delete_object(&self, place: &ObjectPlace) -> Result<(), FunctionError> {
        match &*self.function.0 {
            AnyFunction::Lambda(function) => function.delete(place).await,
            _ => Ok(()),
        }
    }
}

/// A function without any concern around its calls: what it answers is what one hears.
pub(crate) struct BareFunction(Shared);

impl BareFunction {
    /// What it asks of an API goes through `proxy`, where one is named.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when it cannot be called as configured.
    pub(crate) fn open(
        connection: &Connection,
        log: &Log,
        proxy: Option<&UpstreamProxy>,
    ) -> Result<BareFunction, FunctionError> {
        Ok(BareFunction(Shared(Arc::new(AnyFunction::open(connection, log, proxy)?))))
    }

    /// Ends what it started; the next call starts it anew.
    pub(crate) async fn close(&self) {
        self.0.close().await;
    }

    /// Deletes the objects of pages that were looked at.
    ///
    /// # Errors
    /// The reason why one of them is still there.
    pub(crate) async fn delete_objects(&self) -> Result<(), FunctionError> {
        self.0.delete_objects().await
    }

    /// The most memory that its process has held, where it has one that goes on between calls.
    pub(crate) async fn memory_bytes_peak(&self) -> Option<u64> {
        match &*self.0.0 {
            AnyFunction::Handler(handler) => handler.memory_bytes_peak().await,
            _ => None,
        }
    }
}

impl Function for BareFunction {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        self.0.call(request).await
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
    fn open(
        connection: &Connection,
        log: &Log,
        proxy: Option<&UpstreamProxy>,
    ) -> Result<AnyFunction, FunctionError> {
        let with_proxy = |environment: &[(String, String)]| {
            let added = proxy.map(UpstreamProxy::environment).unwrap_or_default();
            // What the user wrote wins: a handler may need a proxy of its own.
            added.into_iter().chain(environment.iter().cloned()).collect::<Vec<_>>()
        };
        let (timeout, bytes_max) = (connection.call_timeout, connection.response_bytes_max);
        Ok(match &connection.function {
            FunctionSource::Url { url, headers, aws, google, azure } => {
                let default = HttpOptions::default();
                let options = HttpOptions {
                    headers: headers.clone(),
                    timeout: timeout.unwrap_or(default.timeout),
                    response_bytes_max: bytes_max.unwrap_or(default.response_bytes_max),
                    aws: aws.clone(),
                    google: google.clone(),
                    azure: azure.clone(),
                    ..default
                };
                AnyFunction::Url(Box::new(HttpFunction::new(url, options)?))
            }
            FunctionSource::Lambda { function, aws, s3 } => {
                let default = LambdaOptions::default();
                // Where there are objects, it is they that are large.
                let for_payloads = bytes_max.filter(|_| s3.is_none());
                let s3 = s3.clone().map(|s3| S3Options {
                    object_bytes_max: bytes_max.unwrap_or(s3.object_bytes_max),
                    ..s3
                });
                let options = LambdaOptions {
                    aws: aws.clone(),
                    timeout: timeout.unwrap_or(default.timeout),
                    payload_bytes_max: for_payloads.unwrap_or(default.payload_bytes_max),
                    s3,
                    ..default
                };
                AnyFunction::Lambda(Box::new(LambdaFunction::new(function, options)?))
            }
            FunctionSource::Handler { handler, folder, environment, python, task_root } => {
                let default = HandlerOptions::default();
                let options = HandlerOptions {
                    folder: folder.clone(),
                    task_root: task_root.clone(),
                    environment: with_proxy(environment),
                    timeout: timeout.unwrap_or(default.timeout),
                    payload_bytes_max: bytes_max.unwrap_or(default.payload_bytes_max),
                    python: python.clone(),
                    log: Arc::clone(log),
                    ..default
                };
                AnyFunction::Handler(Box::new(HandlerFunction::new(handler, options)?))
            }
            FunctionSource::Manifest(manifest) => {
                let mut connector =
                    Connector::new((**manifest).clone(), connector::system_clock())?;
                if let Some(proxy) = proxy {
                    let via = Via { proxy: proxy.url(), authority: proxy.certificate() };
                    connector = connector.by_way_of(via);
                }
                AnyFunction::Manifest(Box::new(connector))
            }
            FunctionSource::Command { words, folder, environment } => {
                let default = CommandOptions::default();
                let options = CommandOptions {
                    folder: Some(folder.clone()),
                    environment: with_proxy(environment),
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

impl Shared {
    async fn delete_objects(&self) -> Result<(), FunctionError> {
        match &*self.0 {
            AnyFunction::Lambda(function) => function.delete_all().await,
            _ => Ok(()),
        }
    }

    async fn close(&self) {
        if let AnyFunction::Handler(handler) = &*self.0 {
            handler.close().await;
        }
    }
}

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
