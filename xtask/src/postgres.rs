//! The Postgres of the tests: a cluster of our own, which ends with us.

use postgres_cluster::{Binaries, Cluster, FAST, SUPERUSER, VARIABLE, obtain_pooler};

pub(crate) enum Postgres {
    /// Named by the user; it is used, and neither started nor ended.
    Named(String),
    Ours(Cluster),
}

impl Postgres {
    pub(crate) fn url(&self) -> String {
        match self {
            Postgres::Named(url) => url.clone(),
            Postgres::Ours(cluster) => cluster.url(SUPERUSER, "postgres"),
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Postgres::Named(_) => format!("the server that {VARIABLE} names"),
            Postgres::Ours(cluster) => format!("a cluster of its own, on port {}", cluster.port()),
        }
    }
}

/// The server that the environment names, or a new one; its programs are installed where we may.
pub(crate) fn set_up() -> Result<Postgres, String> {
    // Some tests start clusters of their own in any case.
    Binaries::obtain()?;
    obtain_pooler();
    match std::env::var(VARIABLE) {
        Ok(url) => Ok(Postgres::Named(url)),
        Err(_) => Cluster::start(&FAST).map(Postgres::Ours),
    }
}
