//! PgBouncer in transaction mode: whoever asks gets any of the server's sessions, for one transaction.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postgres_cluster::{Binaries, Cluster, FAST, SUPERUSER, User};

use crate::support::{land_in, open_as, position, rows, told};

struct Pooler(Child);

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `None` where PgBouncer is not installed.
fn start(cluster: &Cluster, folder: &std::path::Path, port: u16) -> Option<Pooler> {
    let program = postgres_cluster::pooler()?;
    let settings = folder.join("pgbouncer.ini");
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={} user={SUPERUSER} dbname=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\n\
         default_pool_size = 3\nignore_startup_parameters = extra_float_digits\n",
        cluster.port()
    );
    fs::write(&settings, text).expect("it is written");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let mut command = Command::new(program);
    command.arg("--quiet").arg(&settings).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(User { uid, gid }) = Binaries::find().expect("Postgres is here").user {
        command.uid(uid).gid(gid);
    }
    let pooler = Pooler(command.spawn().expect("the pooler starts"));
    let since = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(since.elapsed() < Duration::from_secs(20), "the pooler does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Some(pooler)
}

#[test]
fn engines_share_the_sessions_of_a_pooler() {
    let cluster = Cluster::start(&FAST).expect("a cluster");
    let folder = tempfile::tempdir().expect("a folder");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let Some(_pooler) = start(&cluster, folder.path(), port) else {
        println!("PgBouncer is not installed: nothing is proved of poolers");
        return;
    };
    let url = format!("postgres://{SUPERUSER}@127.0.0.1:{port}/postgres");
    // More engines than sessions, so that each transaction of one may be in another session.
    let begin = |number: u32| {
        let url = url.clone();
        move || {
            let name = format!("shop{number}");
            let mut destination = open_as(&url, &name).expect("the pooler lets us in");
            for sync in 0..20 {
                let page = rows(&format!(
                    r#"[{{"id":1,"v":{sync}}},{{"id":{sync},"w{}":"x"}}]"#,
                    sync % 3
                ));
                let landed = land_in(&mut destination, sync, &page);
                assert!(landed.is_ok(), "{}", told(&landed));
            }
            position(&mut destination).expect("a position").ordinal()
        }
    };
    let all: Vec<_> = (0..6).map(|number| thread::spawn(begin(number))).collect();
    for one in all {
        assert_eq!(one.join().expect("none fails"), 20);
    }
}
