//! What the user decides about tables and columns.

use std::sync::Arc;

use engine::{
    Approval, Batch, ColumnPolicy, ColumnType, Contract, DestinationError, Options, Policy, Salt,
    SchemaChanges, TablePolicy,
};
use expect_test::expect;

use crate::conformance::Storage;
use crate::conformance::bench::Bench;

/// Decisions about columns of the table `t`.
fn columns(decided: &[(&str, ColumnPolicy)]) -> Options {
    let columns = decided.iter().map(|(name, decided)| ((*name).to_owned(), *decided));
    let table = TablePolicy { columns: columns.collect(), ..TablePolicy::default() };
    let policy = Policy {
        tables: [("t".to_owned(), table)].into(),
        salt: Salt("a salt".to_owned()),
        ..Policy::default()
    };
    Options { policy: Arc::new(policy), ..Options::default() }
}

pub fn f_191_f_193_what_is_held_back_is_recorded_and_approved<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut options = columns(&[("w", ColumnPolicy::Block)]);
    Arc::make_mut(&mut options.policy).schema_changes = SchemaChanges::AllowColumns;
    let mut bench = Bench::with(fresh, options);
    bench.sync(&[r#"{"insert":{"t":[{"id":1,"w":"x"}],"u":[{"a":1},{"a":2}]}}"#]);
    assert_eq!(bench.read("u"), None, "the table is not made");
    bench.close();
    let position = bench.position();
    let held = &position.held_back().tables;
    assert_eq!(held["u"].rows, 2);
    assert_eq!(held["t"].columns["w"].values, 1);
    bench.begin_sync();
    let approval = Approval { table: "u".to_owned(), column: None };
    let approve = Batch::approve(&position, &[approval], &bench.run());
    bench.commit(&approve).expect("an approval lands");
    bench.sync(&[r#"{"insert":{"t":[{"id":2,"w":"y"}],"u":[{"a":3}]}}"#]);
    assert!(bench.print("u").contains("3 | sync 3"), "{}", bench.print("u"));
    let position = bench.position();
    assert_eq!(position.held_back().tables.keys().collect::<Vec<_>>(), ["t"]);
    assert_eq!(position.held_back().tables["t"].columns["w"].values, 2);
}

pub fn f_197_digests_are_equal_in_every_life<S: Storage>(fresh: &dyn Fn() -> S) {
    let page = |id: u8| format!(r#"[{{"id":{id},"v":"ada"}}]"#);
    let mut bench = Bench::with(fresh, columns(&[("v", ColumnPolicy::Hash)]));
    bench.sync(&[&page(1)]);
    bench.close();
    // Whatever salt a later sync brings along, the one of the first holds.
    Arc::make_mut(&mut bench.options.policy).salt = Salt("another".to_owned());
    bench.sync(&[&page(2)]);
    let digests: Vec<_> = bench.read("t").expect("the table").rows;
    assert_eq!(digests[0]["v"], digests[1]["v"]);
    assert_eq!(digests[0]["v"].as_deref(), Some("kK5ZLPX1zBUjfmKz6IEQDv6FZP04JE7ITi+mvtOfOrk="));
}

pub fn f_184_a_locked_column_holds_its_type<S: Storage>(fresh: &dyn Fn() -> S) {
    let decimal = ColumnPolicy::Lock(ColumnType::Decimal { scale: 0 });
    let long = ColumnPolicy::Lock(ColumnType::Long);
    let mut bench = Bench::with(fresh, columns(&[("n", decimal), ("v", long)]));
    bench.sync(&[r#"[{"id":1,"n":1,"v":"1"},{"id":2,"n":"n/a","v":{}}]"#]);
    bench.sync(&[r#"[{"id":3,"n":"0.25","v":2.5},{"id":4,"n":12345678901234567890,"v":true}]"#]);
    bench.check(
        "t",
        expect![[r#"
            id long | n bigDecimal(38,2) | v long | _fivetran_synced instant
            1 | 1 | 1 | sync 1
            2 | NULL | NULL | sync 1
            3 | 0.25 | NULL | sync 2
            4 | 12345678901234567890 | 1 | sync 2
        "#]],
    );
}

/// A table `t` whose column `v` must be unique.
fn unique() -> Options {
    let contract = Contract { unique: true, ..Contract::default() };
    let table =
        TablePolicy { contracts: [("v".to_owned(), contract)].into(), ..TablePolicy::default() };
    let policy = Policy { tables: [("t".to_owned(), table)].into(), ..Policy::default() };
    Options { policy: Arc::new(policy), ..Options::default() }
}

/// The places of the rows that the destination refuses; nothing of the page is written then.
fn refused<S: Storage>(bench: &mut Bench<S>, page: &str) -> Vec<u64> {
    let before = (bench.position(), bench.read("t"));
    match bench.land(page, true) {
        Ok(_) => Vec::new(),
        Err(DestinationError::NotUnique { table, column, places }) => {
            assert_eq!((table.as_str(), column.as_str()), ("t", "v"), "{page}");
            assert_eq!((bench.position(), bench.read("t")), before, "{page}");
            places
        }
        Err(other) => panic!("{other}: {page}"),
    }
}

pub fn contract_equal_values_of_every_type_are_found<S: Storage>(fresh: &dyn Fn() -> S) {
    for [value, same, other] in [
        ["true", "true", "false"],
        ["1", "1", "2"],
        ["1.5", "15e-1", "1.25"],
        ["12345678901234567890.10", "12345678901234567890.1", "12345678901234567890.2"],
        ["\"2024-02-29\"", "\"2024-02-29\"", "\"2024-03-01\""],
        ["\"2024-02-29T10:00:00\"", "\"2024-02-29T10:00:00.0\"", "\"2024-02-29T10:00:01\""],
        ["\"2024-02-29T10:00:00Z\"", "\"2024-02-29T11:00:00+01:00\"", "\"2024-02-29T10:00:01Z\""],
        ["\"a\"", "\"\\u0061\"", "\"A\""],
        ["{\"a\":1}", "{\"a\":1}", "{\"a\":2}"],
    ] {
        let mut bench = Bench::with(fresh, unique());
        bench.sync(&[&format!("[{{\"id\":1,\"v\":{value}}},{{\"id\":2,\"v\":null}}]")]);
        bench.begin_sync();
        let page = format!(
            "[{{\"id\":3,\"v\":{other}}},{{\"id\":4,\"v\":{same}}},{{\"id\":5,\"v\":null}},{{\"id\":6,\"v\":{other}}}]"
        );
        assert_eq!(refused(&mut bench, &page), [1, 3], "{page}");
        assert!(
            refused(&mut bench, &format!("[{{\"id\":3,\"v\":{other}}}]")).is_empty(),
            "{other}"
        );
    }
}

pub fn contract_a_row_that_stays_or_goes_keeps_no_other_out<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::with(fresh, unique());
    bench.sync(&[r#"[{"id":1,"v":"a"},{"id":2,"v":"b"},{"id":3,"v":"c"}]"#]);
    bench.begin_sync();
    for (page, expected) in [
        // Sent again as it is; and then before another that wants its value.
        (r#"[{"id":1,"v":"a"}]"#, vec![]),
        (r#"[{"id":9,"v":"a"},{"id":1,"v":"a"}]"#, vec![0]),
        // Exchanged.
        (r#"[{"id":1,"v":"b"},{"id":2,"v":"a"}]"#, vec![]),
        // Given up, to the same page.
        (r#"[{"id":4,"v":"c"},{"id":3,"v":"d"}]"#, vec![]),
        (r#"{"insert":{"t":[{"id":5,"v":"b"}]},"delete":{"t":[{"id":1}]}}"#, vec![]),
        // What is marked as deleted is no row any more; that it comes back is.
        (r#"[{"id":6,"v":"b"},{"id":1,"v":"b"}]"#, vec![0, 1]),
        // One that is there, and one of the page; the page's comes first, and is refused as well.
        (r#"[{"id":7,"v":"x"},{"id":8,"v":"x"},{"id":7,"v":"a"}]"#, vec![1]),
    ] {
        assert_eq!(refused(&mut bench, page), expected, "{page}");
    }
}
