use std::io;
use std::time::Duration;

use connector::Connector;
use connector::manifest::Manifest;
use protocol::{Function, FunctionError};
use tokio::signal::unix::{SignalKind, signal};
use transport::{HttpServer, HttpServerOptions, LambdaRuntime};

use crate::{Place, Settings};

/// What Cloud Run leaves between SIGTERM and the end, less a little.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(9);

/// A manifest as the function that is served: it is led to no address inside of the network around it.
///
/// # Errors
/// [`FunctionError::Refused`] when a template of the manifest is none.
pub fn connector(manifest: Manifest) -> Result<Connector, FunctionError> {
    Connector::new(manifest, connector::system_clock()).map(Connector::public_only)
}

/// Answers until SIGTERM or Ctrl-C; `begun` is told the address, where there is one.
///
/// # Errors
/// When the address cannot be had, or Lambda's Runtime API is gone.
pub async fn serve<F>(settings: Settings, function: F, begun: impl FnOnce(&str)) -> io::Result<()>
where
    F: Function + Send + Sync + 'static,
{
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    };
    match settings.place {
        Place::Lambda(api) => {
            let runtime = LambdaRuntime::new(&api);
            tokio::select! {
                ended = runtime.serve(&function) => match ended? {},
                () = stopped => Ok(()),
            }
        }
        Place::Http { address, room } => {
            let options = HttpServerOptions { room, key: settings.key };
            let server = HttpServer::start(address, function, options)?;
            begun(&server.url());
            stopped.await;
            // Who has not got an answer by then asks again: calls are repeatable.
            let _ = tokio::time::timeout(LAST_ANSWERS_TIMEOUT, server.close()).await;
            Ok(())
        }
    }
}
