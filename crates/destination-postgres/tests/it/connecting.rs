//! Passwords and certificates.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use destination_postgres::{Postgres, Server};
use engine::{DestinationError, Landed};
use postgres_cluster::{Binaries, Cluster, RESTARTABLE, SUPERUSER, User};
use simulation::conformance::bench::block_on;

use crate::support::{open, told};

fn opened(url: &str) -> String {
    match open(url) {
        Ok(_) => "open".to_owned(),
        Err(error) => told(&Err(error)),
    }
}

#[test]
fn passwords_are_asked_for_and_never_shown() {
    let mut cluster = Cluster::start(&RESTARTABLE).expect("a cluster");
    let mut client =
        postgres::Client::connect(&cluster.url(SUPERUSER, "postgres"), postgres::NoTls)
            .expect("a superuser");
    client.batch_execute("CREATE ROLE ada LOGIN PASSWORD 'opensesame'").expect("a role");
    drop(client);
    fs::write(
        cluster.data().join("pg_hba.conf"),
        "local all postgres trust\nlocal all all reject\nhost all all 127.0.0.1/32 scram-sha-256\n",
    )
    .expect("the rules are ours");
    cluster.restart().expect("it starts again");
    let port = cluster.port();
    for (user, code) in [
        ("ada:opensesame", "open"),
        ("ada:wrongword", "destination_authentication"),
        ("eve:wrongword", "destination_authentication"),
        ("ada", "destination_authentication"),
    ] {
        let found = opened(&format!("postgres://{user}@127.0.0.1:{port}/postgres"));
        assert!(found.starts_with(code), "{user}: {found}");
        assert!(!found.contains("wrongword") && !found.contains("opensesame"), "{found}");
    }
    let missing = opened(&format!("postgres://ada:opensesame@127.0.0.1:{port}/nothing"));
    assert!(missing.starts_with("destination_not_found"), "{missing}");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("passwords");
    fs::write(&file, format!("127.0.0.1:{port}:*:ada:opensesame\n")).expect("it is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let variable = |name: &str| match name {
        "PGPASSFILE" => file.to_str().map(str::to_owned),
        "PGHOST" => Some("127.0.0.1".to_owned()),
        "PGPORT" => Some(port.to_string()),
        "PGUSER" => Some("ada".to_owned()),
        "PGDATABASE" => Some("postgres".to_owned()),
        _ => None,
    };
    let server = Server::read("postgres://", &variable).expect("the environment says it all");
    block_on(Postgres::open(&server, "shop", "shop")).map(drop).expect("the file has the password");
}

#[test]
fn certificates_are_checked_unless_that_is_waived() {
    let mut cluster = Cluster::start(&RESTARTABLE).expect("a cluster");
    let without_tls = format!("postgres://{SUPERUSER}@localhost:{}/postgres", cluster.port());
    assert_eq!(opened(&without_tls), "open", "on this machine none is asked for");
    let refused = opened(&format!("{without_tls}?sslmode=require"));
    assert!(refused.starts_with("destination_tls"), "{refused}");
    assert_eq!(opened(&format!("{without_tls}?sslmode=prefer")), "open");

    let signed =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let other =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let data = cluster.data();
    fs::write(data.join("server.crt"), signed.cert.pem()).expect("it is ours");
    fs::write(data.join("server.key"), signed.signing_key.serialize_pem()).expect("it is ours");
    fs::set_permissions(data.join("server.key"), fs::Permissions::from_mode(0o600))
        .expect("it is ours");
    if let Some(User { uid, gid }) = Binaries::find().expect("Postgres is here").user {
        chown(data.join("server.key"), Some(uid), Some(gid)).expect("root may");
    }
    let mut rules = fs::read_to_string(data.join("postgresql.conf")).expect("settings");
    rules.push_str("\nssl = on\n");
    fs::write(data.join("postgresql.conf"), rules).expect("settings");
    cluster.restart().expect("it starts again");

    let (ours, others) = (cluster.folder().join("ca.pem"), cluster.folder().join("other.pem"));
    fs::write(&ours, signed.cert.pem()).expect("it is written");
    fs::write(&others, other.cert.pem()).expect("it is written");
    let (ours, others) = (ours.display(), others.display());
    let port = cluster.port();
    for (host, setting, expected) in [
        ("localhost", format!("sslmode=verify-full&sslrootcert={ours}"), "open"),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ours}"), "destination_tls"),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}"), "open"),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={ours}"), "open"),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={others}"), "destination_tls"),
        ("localhost", format!("sslmode=verify-full&sslrootcert={others}"), "destination_tls"),
        ("localhost", "sslmode=verify-full".to_owned(), "destination_tls"),
        ("localhost", "sslmode=verify-full&sslrootcert=/nowhere".to_owned(), "destination_tls"),
        ("localhost", "sslmode=require".to_owned(), "open"),
        ("localhost", "sslmode=prefer".to_owned(), "open"),
        ("localhost", "sslmode=disable".to_owned(), "open"),
    ] {
        let found = opened(&format!("postgres://{SUPERUSER}@{host}:{port}/postgres?{setting}"));
        assert!(found.starts_with(expected), "{host} {setting}: {found}");
    }
    // A host that is not this machine is asked for its certificate in full.
    let server =
        Server::read(&format!("postgres://{SUPERUSER}@localhost.:{port}/postgres"), &|_| None);
    let refused = block_on(Postgres::open(&server.expect("a URL"), "shop", "shop"));
    let refused: Result<Landed, DestinationError> = refused.map(|_| Landed::default());
    assert!(told(&refused).starts_with("destination_"), "{}", told(&refused));
}
