//! What Postgres cannot hold, and a server that has no room left.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use postgres_cluster::{Binaries, Cluster, FAST, SUPERUSER, User};

use crate::support::{World, check_refused, position, rows, told};

#[test]
fn what_postgres_cannot_hold_is_told() {
    let numbers = |count: usize| {
        let columns: Vec<String> = (0..count).map(|index| format!(r#""c{index}":1"#)).collect();
        format!(r#"[{{"id":1,{}}}]"#, columns.join(","))
    };
    // Long texts are kept outside of a row, and repetitions are packed: these digits are not.
    let noise = |digits: u64| -> String {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{:016x}", state ^ (state >> 29))
        };
        (0..digits / 16).map(|_| next()).collect()
    };
    let nested = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    for (page, code) in [
        (rows(&numbers(1_700)), "too_many_columns"),
        (rows(&numbers(1_200)), "value_too_large"),
        (rows(&format!(r#"[{{"id":"{}"}}]"#, noise(16_000))), "value_too_large"),
        (rows(&format!(r#"[{{"id":1,"v":{nested}}}]"#)), "value_too_large"),
    ] {
        let world = World::new();
        let refused = told(&world.land(0, &page));
        assert!(refused.starts_with(&format!("{code}: ")), "{refused}");
        let held = position(&mut world.open().expect("a connection")).expect("a position");
        assert_eq!(held.ordinal(), 0);
        assert_eq!(world.query("SELECT 1 FROM pg_namespace WHERE nspname = 'shop'"), "");
        world.land(1, &rows(r#"[{"id":1}]"#)).expect("a small page fits");
    }
}

/// A file system that goes with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount one.
    fn mount(folder: &Path, megabytes: u32) -> Option<SmallDisk> {
        let User { uid, gid } = Binaries::find().expect("Postgres is here").user?;
        let options = format!("size={megabytes}m,mode=700,uid={uid},gid={gid}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]);
        let status = mount.arg(folder).status();
        status.is_ok_and(|status| status.success()).then(|| SmallDisk(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_changes_nothing_and_the_next_sync_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))
        .expect("it is ours");
    let Some(disk) = SmallDisk::mount(folder.path(), 6) else {
        println!("no file system may be mounted here, so no disk is full");
        return;
    };
    let cluster = Cluster::start(&FAST).expect("a cluster");
    let world = World::on(&cluster.url(SUPERUSER, "postgres"));
    let mut session = world.session("postgres");
    session
        .batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", folder.path().display()))
        .expect("a tablespace");
    world.land(0, &rows(r#"[{"id":1,"v":"x"}]"#)).expect("a first page");
    world.by_hand("ALTER TABLE shop.t SET TABLESPACE small");
    let many: Vec<String> =
        (0..100_000).map(|id| format!(r#"{{"id":{id},"v":"{id:0>100}"}}"#)).collect();
    let many = rows(&format!("[{}]", many.join(",")));
    check_refused(&world, &many, "disk_full", "the server's disk is full", || {
        world.by_hand("ALTER TABLE shop.t SET TABLESPACE pg_default");
    });
    drop(world);
    drop(session);
    drop(cluster);
    drop(disk);
}
