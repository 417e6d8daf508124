//! A connection on its way to another file: there whole, or not at all.

use destination_duckdb::{DuckDb, DuckDbOptions, RowsRead};
use engine::{Batch, Landed};

use crate::support::{World, open, position, rows};

/// Copies the world's connection into another file, up to a step.
fn copy(from: &World, to: &World, steps: usize) {
    let source = DuckDb::open_read_only(&from.path(), "shop", "shop", &DuckDbOptions::default());
    let source = source.expect("the file can be read");
    source.begin_reading().expect("a view");
    let held = source.position_in_view().expect("a position");
    let batch = Batch::migrate(&held, &from.run(9));
    let mut goal = open(&to.path()).expect("another file");
    let table = held.schema().tables["t"].clone();
    let mut read = RowsRead::default();
    for step in 0..steps {
        match step {
            0 => goal.begin_copy(&batch).expect("a place that is free"),
            1 => {
                let rows = source.read_rows("t", &table, &mut read).expect("rows");
                assert_eq!(goal.copy_rows("t", &table, rows).expect("they are written"), 2);
            }
            _ => goal.end_copy(&batch, &Landed::default()).expect("it is committed"),
        }
    }
}

#[test]
fn a_copy_that_is_cut_off_leaves_nothing() {
    let from = World::new();
    from.land(0, &rows(r#"[{"id":1,"v":"a"},{"id":2,"v":"b"}]"#, "id")).expect("a first page");
    let to = World::new();
    for steps in 1..=2 {
        copy(&from, &to, steps);
        assert_eq!(position(&mut to.open()).ordinal(), 0, "{steps}");
        assert_eq!(to.query("SELECT count(*) FROM duckdb_tables()"), "0\n", "{steps}");
    }
    copy(&from, &to, 3);
    assert_eq!(to.query("SELECT id, v FROM shop.t ORDER BY id"), "1 | a\n2 | b\n");
    let (here, there) = (position(&mut from.open()), position(&mut to.open()));
    assert_eq!((here.schema(), here.state()), (there.schema(), there.state()));
    assert_eq!(there.ordinal(), here.ordinal() + 1);
    let landed = to.land(10, &rows(r#"[{"id":2,"v":"c"}]"#, "id")).expect("it goes on there");
    assert_eq!(landed.tables["t"].updated, 1);
}
