//! A database of its own, the connection that lands in it, and a look at what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use destination_postgres::{Postgres, Server};
use engine::{
    Batch, Destination, DestinationError, Landed, Limits, NulCharacters, Options, Position, Run,
    Timestamp,
};
use postgres::{Client, NoTls, SimpleQueryMessage};
use protocol::{CustomPayload, Request, Response, Secrets, SyncId};
use simulation::conformance::bench::block_on;

/// 2023-11-14T22:13:20Z, the start of the first sync; each following one is an hour later.
const START: i64 = 1_700_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

/// A database that goes with the value.
pub(crate) struct World {
    server: String,
    database: String,
    /// Settings of our sessions, as `name=value`.
    pub(crate) settings: Vec<String>,
}

impl World {
    pub(crate) fn new() -> World {
        World::on(&postgres_cluster::url())
    }

    /// On a server, by the URL of its superuser.
    pub(crate) fn on(url: &str) -> World {
        let (server, _) = url.rsplit_once('/').expect("a URL names a database");
        let world =
            World { server: server.to_owned(), database: unique("d"), settings: Vec::new() };
        world.admin("postgres", &format!("CREATE DATABASE {} TEMPLATE template0", world.database));
        world
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    pub(crate) fn url(&self) -> String {
        let options: Vec<String> = self
            .settings
            .iter()
            .map(|setting| format!("-c%20{}", setting.replace('=', "%3D")))
            .collect();
        format!("{}/{}?options={}", self.server, self.database, options.join("%20"))
    }

    pub(crate) fn open(&self) -> Result<Postgres, DestinationError> {
        open(&self.url())
    }

    pub(crate) fn run(sync: u32) -> Run {
        let started_at = Timestamp(START + i64::from(sync) * HOUR);
        Run {
            sync_id: SyncId(format!("sync-{sync}")),
            started_at,
            clock: Arc::new(move || started_at),
            agent: String::new(),
            secrets: Secrets::default(),
            custom_payload: CustomPayload::default(),
            options: Options { nul_characters: NulCharacters::Remove, ..Options::default() },
            limits: Limits::default(),
        }
    }

    pub(crate) fn plan(sync: u32, body: &str, position: &Position) -> Batch {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let response = Response::from_json(body, &Request::default()).expect("an answer");
        Batch::plan(response, position, &World::run(sync)).expect("a page that can be placed")
    }

    /// Lands one page of a sync, as a process does that starts.
    pub(crate) fn land(&self, sync: u32, body: &str) -> Result<Landed, DestinationError> {
        land_in(&mut self.open()?, sync, body)
    }

    /// Changes the database behind our back.
    pub(crate) fn by_hand(&self, sql: &str) {
        self.admin(&self.database, sql);
    }

    /// A session of somebody else.
    pub(crate) fn session(&self, database: &str) -> Client {
        let url = format!("{}/{database}", self.server);
        Client::connect(&url, NoTls).expect("the server lets its superuser in")
    }

    /// What a query answers, a line for each row.
    pub(crate) fn query(&self, sql: &str) -> String {
        let messages = self.session(&self.database).simple_query(sql).expect(sql);
        let line = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|index| row.get(index).unwrap_or("NULL"));
                Some(values.collect::<Vec<_>>().join(" | ") + "\n")
            }
            _ => None,
        };
        messages.iter().filter_map(line).collect()
    }

    fn admin(&self, database: &str, sql: &str) {
        self.session(database).batch_execute(sql).expect(sql);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        // The server may have been stopped by the test.
        if let Ok(mut session) = Client::connect(&format!("{}/postgres", self.server), NoTls) {
            let _ = session.batch_execute(&drop);
        }
    }
}

/// A name that no other test has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}_{}_{nanos}_{number}", std::process::id())
}

pub(crate) fn open(url: &str) -> Result<Postgres, DestinationError> {
    open_as(url, "shop")
}

/// The connection and its schema have one name.
pub(crate) fn open_as(url: &str, name: &str) -> Result<Postgres, DestinationError> {
    let server = Server::read(url, &|_| None)?;
    block_on(Postgres::open(&server, name, name))
}

pub(crate) fn position(destination: &mut Postgres) -> Result<Position, DestinationError> {
    block_on(destination.position())
}

pub(crate) fn commit(
    destination: &mut Postgres,
    batch: &Batch,
) -> Result<Landed, DestinationError> {
    block_on(destination.commit(batch))
}

pub(crate) fn land_in(
    destination: &mut Postgres,
    sync: u32,
    body: &str,
) -> Result<Landed, DestinationError> {
    let batch = World::plan(sync, body, &position(destination)?);
    commit(destination, &batch)
}

/// A page of table `t` with the key `id`.
pub(crate) fn rows(rows: &str) -> String {
    format!(
        r#"{{"state":{{"at":1}},"insert":{{"t":{rows}}},"schema":{{"t":{{"primary_key":["id"]}}}},"hasMore":true}}"#
    )
}

/// What came of a batch, in a line: the counts that are not zero, or the code.
pub(crate) fn told(landed: &Result<Landed, DestinationError>) -> String {
    match landed {
        Ok(landed) => {
            let tables = landed.tables.iter().map(|(table, counts)| {
                let all = [
                    ("inserted", counts.inserted),
                    ("updated", counts.updated),
                    ("unchanged", counts.unchanged),
                    ("deleted", counts.deleted),
                    ("swept", counts.swept),
                ];
                let some = all.iter().filter(|(_, count)| *count > 0);
                let some: Vec<String> =
                    some.map(|(what, count)| format!("{count} {what}")).collect();
                format!("{table}: {}", some.join(", "))
            });
            tables.collect::<Vec<_>>().join("; ")
        }
        Err(error) => format!("{}: {error}", error.code()),
    }
}

/// A page that is refused with a code changes nothing; once the obstacle is gone, it lands.
pub(crate) fn check_refused(
    world: &World,
    page: &str,
    code: &str,
    says: &str,
    cure: impl FnOnce(),
) {
    let before = position(&mut world.open().expect("a connection")).expect("a position");
    let look = "SELECT id, _fivetran_synced FROM shop.t ORDER BY 1";
    let rows = world.query(look);
    let refused = world.land(7, page);
    let said = told(&refused);
    assert!(said.starts_with(&format!("{code}: ")), "{said}");
    assert!(said.contains(says), "{said}");
    let Err(DestinationError::Refused { hint, .. }) = refused else { panic!("{said}") };
    assert!(!hint.is_empty());
    cure();
    let after = position(&mut world.open().expect("a connection")).expect("a position");
    assert_eq!(before, after, "nothing is half-applied");
    assert_eq!(rows, world.query(look));
    world.land(8, page).unwrap_or_else(|error| panic!("after the cure: {error}"));
}
