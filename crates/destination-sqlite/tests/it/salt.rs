use std::sync::Arc;

use destination_sqlite::{Access, Sqlite};
use engine::{ColumnPolicy, Destination, Options, Policy, Position, Salt, TablePolicy};
use simulation::conformance::bench::{Bench, block_on};

use crate::support::SqliteFile;

/// A table `t` whose column `n` is hashed.
fn hashing(salt: &str) -> Options {
    let columns = [("n".to_owned(), ColumnPolicy::Hash)].into();
    let table = TablePolicy { columns, ..TablePolicy::default() };
    let tables = [("t".to_owned(), table)].into();
    let policy = Policy { tables, salt: Salt(salt.to_owned()), ..Policy::default() };
    Options { policy: Arc::new(policy), ..Options::default() }
}

#[test]
fn dec_65_a_second_salt_in_a_file_is_refused() {
    let page = r#"[{"id":1,"n":1}]"#;
    let mut bench = Bench::with(&SqliteFile::new, hashing("one"));
    bench.sync(&[page]);
    let path = bench.storage.path();
    for (salt, code) in [("two", Some("another_salt")), ("one", None)] {
        let mut planning = Bench::with(&SqliteFile::new, hashing(salt));
        planning.begin_sync();
        let batch = planning.plan(page, true, &Position::default());
        let mut other = Sqlite::open(&path, "other", "other", Access::Write).expect("it opens");
        let landed = block_on(other.commit(&batch)).map_err(|error| error.code());
        assert_eq!(landed.err(), code, "salt {salt}");
    }
}
