use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// An HTTP server at an address: it ends when dropped, after the answers under way.
pub(crate) struct Listener {
    address: SocketAddr,
    /// Its drop is the signal.
    stop: watch::Sender<()>,
}

pub(crate) type HttpAnswer = hyper::Response<Full<Bytes>>;

/// When the process has no file handles left, accepting again at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// AWS's client for Python sends a failure's trace in a header of up to 1 MiB.
const HEAD_BYTES_MAX: usize = 2 << 20;

impl Listener {
    /// Answers each request by `answer`; port 0 takes a free one.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn start<A, Answering>(address: SocketAddr, answer: A) -> io::Result<Listener>
    where
        A: Fn(hyper::Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = HttpAnswer> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let (stop, mut stopped) = watch::channel(());
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    _ = stopped.changed() => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((connection, _)) => {
                        tokio::spawn(serve(connection, answer.clone(), stopped.clone()));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        });
        Ok(Listener { address, stop })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, and waits for the answers under way.
    pub(crate) async fn close(self) {
        self.stop.send_replace(());
        // Each connection holds a receiver.
        self.stop.closed().await;
    }
}

async fn serve<A, Answering>(connection: TcpStream, answer: A, mut stopped: watch::Receiver<()>)
where
    A: Fn(hyper::Request<Incoming>) -> Answering,
    Answering: Future<Output = HttpAnswer>,
{
    // Small answers must not wait for an acknowledgement; without the option they are late, not lost.
    let _ = connection.set_nodelay(true);
    let service = service_fn(|request| {
        let answering = answer(request);
        async { Ok::<_, Infallible>(answering.await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(connection), service);
    let mut serving = std::pin::pin!(serving);
    // A connection that breaks is the client's to report.
    tokio::select! {
        _ = &mut serving => (),
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}
