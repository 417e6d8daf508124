use engine::{
    Batch, Destination, DestinationError, HistoryEntry, Landed, Position, Schema, StoredConnection,
    check_namespace,
};
use tokio_postgres::Client;

use crate::failure::{self, refused};
use crate::landing::Landing;
use crate::positions::{self, Commit, Positions};
use crate::server::Server;
use crate::session::Session;
use crate::statements::{self, Place};

/// A Postgres database, as the destination of one connection.
///
/// Its tables are in the schema `namespace`; its position, and the history of it, are in the schema
/// `_hasmore` of the same database. What lasts longer than a transaction is in tables, so a pooler that
/// hands out servers by transaction may stand between.
pub struct Postgres {
    session: Session,
    connection_name: String,
    namespace: String,
}

impl Postgres {
    /// Connects for syncing or for looking. Nothing is written before the first commit.
    ///
    /// # Errors
    /// With a code and a hint, when the server cannot be reached or does not let us in.
    pub async fn open(
        server: &Server,
        connection_name: &str,
        namespace: &str,
    ) -> Result<Postgres, DestinationError> {
        if namespace == positions::NAMESPACE {
            return Err(refused(
                "invalid_namespace",
                format!("the schema {namespace} is where positions are kept"),
                "choose another schema for the connection's tables",
            ));
        }
        let session = Session::open(server).await?;
        Ok(Postgres {
            session,
            connection_name: connection_name.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// The connection's commits, the newest first; at most [`engine::HISTORY_COMMITS_MAX`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn history(&mut self) -> Result<Vec<HistoryEntry>, DestinationError> {
        let client = self.session.client().await?;
        Positions { client }.history(&self.connection_name).await
    }

    /// Every connection that has committed to this database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn connections(&mut self) -> Result<Vec<StoredConnection>, DestinationError> {
        let client = self.session.client().await?;
        Positions { client }.connections().await
    }

    /// The rows of one of the connection's tables, those marked as deleted too.
    ///
    /// # Errors
    /// When the table is not there, or cannot be read.
    pub async fn row_count(&mut self, table: &str) -> Result<u64, DestinationError> {
        let place = Place { namespace: &self.namespace, table };
        let client = self.session.client().await?;
        let row = client.query_typed_one(&statements::count_rows(place), &[]).await;
        let row = row
            .map_err(|error| failure::of(&error, &format!("counting the rows of table {table}")))?;
        Ok(row.get::<_, i64>(0).unsigned_abs())
    }

    /// The whole commit, or nothing of it.
    async fn attempt(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        // Taken out: when this future is dropped half-way, the connection goes, and its transaction too.
        let client = self.session.take().await?;
        let begin = statements::begin(&self.connection_name);
        client.batch_execute(&begin).await.map_err(|error| failure::to_begin(&error))?;
        match self.write(&client, batch).await {
            Ok(landed) => {
                client
                    .batch_execute("COMMIT")
                    .await
                    .map_err(|error| failure::of(&error, "committing"))?;
                self.session.give_back(client);
                Ok(landed)
            }
            Err(error) => {
                if client.batch_execute("ROLLBACK").await.is_ok() {
                    self.session.give_back(client);
                }
                Err(error)
            }
        }
    }

    /// Everything of a commit but its last word.
    async fn write(&self, client: &Client, batch: &Batch) -> Result<Landed, DestinationError> {
        let positions = Positions { client };
        let before = self.stored(positions).await?;
        let found = before.as_ref().map_or(0, Position::ordinal);
        if found != batch.after() {
            return Err(DestinationError::Moved { expected: batch.after(), found });
        }
        let nothing = Schema::default();
        let landing = Landing {
            client,
            namespace: &self.namespace,
            before: before.as_ref().map_or(&nothing, Position::schema),
        };
        let landed = landing.land(batch).await?;
        let commit = Commit {
            connection_name: &self.connection_name,
            namespace: &self.namespace,
            is_first: before.is_none(),
            batch,
            landed: &landed,
        };
        positions.write(&commit).await?;
        Ok(landed)
    }

    async fn stored(&self, positions: Positions<'_>) -> Result<Option<Position>, DestinationError> {
        let Some(stored) = positions.read(&self.connection_name).await? else { return Ok(None) };
        check_namespace(&self.connection_name, &stored.namespace, &self.namespace)?;
        Ok(Some(stored.position))
    }

    async fn look(&mut self) -> Result<Option<Position>, DestinationError> {
        if self.session.is_doubtful() {
            let stored = self.settled().await?;
            self.session.trust();
            return Ok(stored);
        }
        self.session.client().await?;
        self.stored(Positions { client: self.session.connected() }).await
    }

    /// The position, once a commit of ours that may still be under way in the server has ended.
    async fn settled(&mut self) -> Result<Option<Position>, DestinationError> {
        let client = self.session.take().await?;
        let begin = statements::begin(&self.connection_name);
        client.batch_execute(&begin).await.map_err(|error| failure::to_begin(&error))?;
        let stored = self.stored(Positions { client: &client }).await;
        if client.batch_execute("ROLLBACK").await.is_ok() {
            self.session.give_back(client);
        }
        stored
    }
}

impl Destination for Postgres {
    async fn position(&mut self) -> Result<Position, DestinationError> {
        let stored = match self.look().await {
            // A look can be repeated, and the connection is made again.
            Err(DestinationError::Unavailable(_)) => self.look().await,
            stored => stored,
        };
        Ok(stored?.unwrap_or_default())
    }

    async fn commit(&mut self, batch: &Batch) -> Result<Landed, DestinationError> {
        let attempt = self.attempt(batch).await;
        if let Err(DestinationError::Unavailable(_)) = &attempt {
            self.session.doubt();
        }
        attempt
    }
}
