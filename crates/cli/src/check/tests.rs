use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use engine::Run;
use transport::{HttpServer, HttpServerOptions};

use super::judge::judge;
use super::survey::{Plan, Surveyor};
use crate::clock;
use crate::commands::demo::DemoFunction;
use crate::connection::Connection;

/// The function that shows how it is done is right.
#[tokio::test]
async fn the_demo_is_right() {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server =
        HttpServer::start(anywhere, DemoFunction, HttpServerOptions::default()).expect("a port");
    let text = format!(
        "connections:\n  demo:\n    url: {}\n    destination: {{to: unused.duckdb}}\n",
        server.url()
    );
    let config = crate::config::parse(&text).expect("a configuration");
    let connection = Connection::resolve("demo", &config.connections["demo"], None, Path::new("."));
    let connection = connection.expect("a connection");
    let run = Run {
        sync_id: clock::new_sync_id(),
        started_at: clock::now(),
        clock: Arc::new(clock::now),
        agent: connection.agent.clone(),
        secrets: connection.secrets.clone(),
        custom_payload: connection.custom_payload.clone(),
        options: connection.options.clone(),
        limits: connection.limits.clone(),
    };
    let (_ask, stop) = tokio::sync::watch::channel(false);
    let surveyor = Surveyor::new(&connection, &run, None, stop).expect("it can be called");
    let plan = Plan { pages_max: 20, with_faults: true, target: None };
    let survey = surveyor.survey(&plan).await.expect("its calls");
    assert_eq!(survey.syncs.len(), 2);
    assert_eq!(judge(&survey), []);
}
