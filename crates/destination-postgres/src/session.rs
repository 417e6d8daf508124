//! The connection to the server: made again when it was lost.

use std::time::{Duration, Instant};

use engine::DestinationError;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::Client;

use crate::failure;
use crate::server::Server;

/// How long a server that we have spoken to may be away: a restart takes seconds, a failover up to a
/// minute.
const AWAY_MAX: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Session {
    server: Server,
    client: Option<Client>,
    /// Whether the fate of the last commit is not known.
    doubtful: bool,
    /// Drives the connection, whatever polls our futures. `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Session {
    pub(crate) async fn open(server: &Server) -> Result<Session, DestinationError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|error| {
                DestinationError::Unavailable(format!("starting a thread: {error}"))
            })?;
        let mut session = Session {
            server: server.clone(),
            client: None,
            doubtful: false,
            runtime: Some(runtime),
        };
        session.client = Some(session.connect().await?);
        Ok(session)
    }

    /// A connection that was open a moment ago; one that was lost is made again.
    pub(crate) async fn client(&mut self) -> Result<&Client, DestinationError> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Some(self.reconnect().await?);
        }
        Ok(self.connected())
    }

    /// The connection that [`Session::client`] has made sure of.
    pub(crate) fn connected(&self) -> &Client {
        self.client.as_ref().expect("the session was just connected")
    }

    /// The connection, for a transaction. It is given back when its transaction has ended.
    pub(crate) async fn take(&mut self) -> Result<Client, DestinationError> {
        self.client().await?;
        Ok(self.client.take().expect("the session was just connected"))
    }

    pub(crate) fn give_back(&mut self, client: Client) {
        self.client = Some(client);
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    pub(crate) fn doubt(&mut self) {
        self.doubtful = true;
    }

    pub(crate) fn trust(&mut self) {
        self.doubtful = false;
    }

    async fn reconnect(&self) -> Result<Client, DestinationError> {
        let (since, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            match self.connect().await {
                Err(DestinationError::Unavailable(_)) if since.elapsed() < AWAY_MAX => {}
                connected => return connected,
            }
            self.run(tokio::time::sleep, pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn connect(&self) -> Result<Client, DestinationError> {
        let server = self.server.clone();
        let connect = move |server: Server| async move {
            let tls = server.tls()?;
            let connected = server.config().connect(tls).await;
            connected.map_err(|error| failure::to_connect(&error, server.shown()))
        };
        let (client, connection) = self.run(connect, server).await?;
        // It ends with the client, or with the error that each of the client's calls gets.
        self.runtime().spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// Runs a future where there are sockets and timers.
    async fn run<I: Send + 'static, F>(
        &self,
        make: impl Fn(I) -> F + Send + 'static,
        input: I,
    ) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let future = async move { make(input).await };
        self.runtime().spawn(future).await.expect("what runs there does not panic")
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it goes with the session")
    }
}

impl Drop for Session {
    /// A runtime may not be waited for where futures run.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
