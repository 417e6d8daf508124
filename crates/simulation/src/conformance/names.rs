//! Every name is a name.

use std::collections::BTreeMap;

use engine::{Naming, Options};
use expect_test::expect;

use crate::conformance::Storage;
use crate::conformance::bench::Bench;

/// Words that databases keep for themselves, and two that name columns of their own (`rowid`, `ctid`):
/// those the engine gives other names.
const RESERVED: [&str; 15] = [
    "select", "order", "table", "group", "from", "user", "default", "primary", "column", "index",
    "rowid", "ctid", "values", "main", "limit",
];

fn source_naming() -> Options {
    Options { naming: Naming::Source, ..Options::default() }
}

pub fn f_152_reserved_words_are_names<S: Storage>(fresh: &dyn Fn() -> S) {
    let mut bench = Bench::new(fresh);
    for word in RESERVED {
        let columns = RESERVED.map(|column| format!(r#""{column}":"{word}""#)).join(",");
        let page = |value: &str| {
            format!(
                r#"{{"insert":{{"{word}":[{{{columns},"more":{value}}}]}},"schema":{{"{word}":{{"primary_key":["order","rowid"]}}}}}}"#
            )
        };
        bench.sync(&[&page("1"), &page("\"wider\"")]);
        let stored = bench.read(word).expect("the table was created");
        let found = stored.rows[0].values().filter(|value| value.as_deref() == Some(word));
        assert_eq!((stored.rows.len(), found.count()), (1, RESERVED.len()), "table {word}");
    }
}

pub fn f_149_long_names_are_names<S: Storage>(fresh: &dyn Fn() -> S) {
    let (long, longer) = ("a".repeat(10_000), "a".repeat(10_001));
    let mut bench = Bench::new(fresh);
    let page = format!(
        r#"{{"insert":{{"{long}":[{{"{long}":1,"{longer}":2}}]}},"schema":{{"{long}":{{"primary_key":["{long}"]}}}}}}"#
    );
    bench.sync(&[&page, &page]);
    let table = bench.position().schema().tables.keys().next().expect("a table").clone();
    let stored = bench.read(&table).expect("the table was created");
    let values: Vec<_> = stored.rows[0].values().map(Option::as_deref).take(2).collect();
    assert_eq!((stored.rows.len(), stored.columns.len()), (1, 3));
    assert!(values.contains(&Some("1")) || values.contains(&Some("2")), "{values:?}");
    assert!(table.len() <= 63 && stored.columns.keys().all(|name| name.len() <= 63));
}

pub fn f_151_hostile_names_are_names<S: Storage>(fresh: &dyn Fn() -> S) {
    check_names(
        fresh,
        &[
            r#"\"; DROP TABLE t; --"#,
            "'; DROP TABLE t; --",
            "a b",
            "a.b",
            "a\\\\b",
            "a\\nb",
            "{x}",
            "[y]",
            "$1",
            "?",
            "%s",
            "--",
            "/* c */",
            "",
            " ",
            "\\u0000nul",
            "\\\"\\\"",
        ],
    );
}

pub fn f_151_names_of_any_alphabet_are_names<S: Storage>(fresh: &dyn Fn() -> S) {
    check_names(
        fresh,
        &["Gr\u{f6}\u{df}e", "\u{6771}\u{4eac}", "\u{1f980}", "\u{5d0}\u{5d1}", "\u{130}I\u{131}"],
    );
}

/// Source names as JSON texts without quotes: tables and columns with just these names.
fn check_names<S: Storage>(fresh: &dyn Fn() -> S, names: &[&str]) {
    let mut bench = Bench::with(fresh, source_naming());
    let columns: Vec<String> =
        names.iter().zip(1..).map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    let columns = columns.join(",");
    for name in names {
        let page = format!(
            r#"{{"insert":{{"{name}":[{{{columns}}}]}},"schema":{{"{name}":{{"primary_key":["{name}"]}}}},"softDelete":["{name}"]}}"#
        );
        bench.sync(&[&page, &page]);
    }
    let tables: Vec<String> = bench.position().schema().tables.keys().cloned().collect();
    assert_eq!(tables.len(), names.len());
    for table in tables {
        let stored = bench.read(&table).expect("the table was created");
        let values = stored.rows[0].iter().filter(|(name, _)| !name.starts_with("_fivetran_"));
        let mut values: Vec<u64> = values
            .map(|(_, value)| value.as_deref().expect("a value").parse().expect("a number"))
            .collect();
        values.sort_unstable();
        assert_eq!(stored.rows.len(), 1, "table {table}");
        assert_eq!(values, (1..=names.len() as u64).collect::<Vec<_>>(), "table {table}");
    }
}

pub fn many_columns_and_tables_come_back<S: Storage>(fresh: &dyn Fn() -> S) {
    let columns = |from: usize| {
        let columns = (0..300).map(|index| format!(r#""c{index}":{}"#, from + index));
        columns.collect::<Vec<_>>().join(",")
    };
    let tables: Vec<String> =
        (0..40).map(|index| format!(r#""t{index}":[{{"id":{index}}}]"#)).collect();
    let mut bench = Bench::new(fresh);
    bench.sync(&[
        &format!(r#"{{"insert":{{"wide":[{{{}}},{{{}}}]}}}}"#, columns(0), columns(1000)),
        &format!(r#"{{"insert":{{{}}}}}"#, tables.join(",")),
    ]);
    let stored = bench.read("wide").expect("the table was created");
    let firsts: BTreeMap<_, _> =
        stored.rows.iter().map(|row| (row["c0"].clone(), row["c299"].clone())).collect();
    let text = |number: usize| Some(number.to_string());
    assert_eq!(firsts, BTreeMap::from([(text(0), text(299)), (text(1000), text(1299))]));
    bench.check(
        "t39",
        expect![[r#"
        id long | _fivetran_synced instant | _fivetran_batch instant | _fivetran_index long
        39 | sync 1 | sync 1 | 0
    "#]],
    );
}
