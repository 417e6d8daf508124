//! The scanner against serde_json: the same rows give the same values, read field by field.

use std::collections::BTreeMap;
use std::time::Instant;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use bytes::Bytes;
use engine::{Batch, ColumnType, Options, Position, widen};
use protocol::{Request, Response};
use serde_json::value::RawValue;

use crate::chance::Chance;
use crate::{run, time_to_spend};

/// Names of columns as the rows spell them, and as the destination has them.
const COLUMNS: [(&str, &str); 6] = [
    ("\"a\"", "a"),
    ("\"\\u0062\"", "b"),
    ("\"c\"", "c"),
    ("\"d\\u00e9\"", "de"),
    ("\"e\"", "e"),
    ("\"f\\\"\"", "f_"),
];
const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "42",
    "2147483648",
    "9223372036854775807",
    "0.5",
    "-19.90",
    "1e3",
    "123456.789",
    "1E-3",
];
const STRINGS: [&str; 9] = [
    r#""""#,
    r#""x""#,
    r#""\"q\"\\ \/ \b\f\n\r\t""#,
    r#""\u00e9\ud83e\udd80""#,
    "\"\u{1f980} é\"",
    r#""2020-02-29""#,
    r#""2020-02-29T01:02:03.5""#,
    r#""2020-02-29T01:02:03+01:00""#,
    r#""12345678""#,
];
const NESTED: [&str; 5] =
    ["{}", "[]", r#"[1, {"a": "]}"}]"#, r#"{"k":"\"","l":[[[]]]}"#, r#"{ "x" : null }"#];

#[test]
fn rows_are_read_as_serde_json_reads_them() {
    let (until, mut chance) = (Instant::now() + time_to_spend(), Chance(0x000d_ac1e));
    let mut pages = 0_u64;
    while Instant::now() < until {
        check(&page(&mut chance));
        pages += 1;
    }
    println!("{pages} pages agree");
}

/// Rows of some kinds of value, so that columns get every type, with fields that are missing, twice,
/// or in another order, and white space where JSON allows it.
fn page(chance: &mut Chance) -> String {
    let kinds: Vec<usize> = (0..COLUMNS.len()).map(|_| chance.below(1 << 5)).collect();
    let rows: Vec<String> = (0..=chance.below(6))
        .map(|_| {
            let fields: Vec<String> = (0..chance.below(9))
                .map(|_| {
                    let column = chance.below(COLUMNS.len());
                    let value = value(kinds[column], chance);
                    let space = chance.pick(&["", " ", "\n\t"]);
                    format!("{space}{}{space}:{space}{value}{space}", COLUMNS[column].0)
                })
                .collect();
            format!("{{{}}}", fields.join(","))
        })
        .collect();
    format!("[{}]", rows.join(" , "))
}

fn value(kinds: usize, chance: &mut Chance) -> String {
    let first = chance.below(5);
    let allowed = |kind: &usize| kinds == 0 || kinds & (1 << kind) != 0;
    let kind = (first..first + 5).map(|kind| kind % 5).find(allowed);
    match kind.expect("one of five") {
        0 => chance.pick(&NUMBERS).to_owned(),
        1 => chance.pick(&STRINGS).to_owned(),
        2 => chance.pick(&NESTED).to_owned(),
        3 => chance.pick(&["true", "false"]).to_owned(),
        _ => "null".to_owned(),
    }
}

fn check(rows: &str) {
    let body = format!(r#"{{"state":{{}},"insert":{{"t":{rows}}}}}"#);
    let response = Response::from_json(Bytes::from(body), &Request::default()).expect(rows);
    let batch = Batch::plan(response, &Position::default(), &run(Options::default())).expect(rows);
    let table = batch.tables().next().expect("a table");
    let chunk = &table.upserts()[0];
    // The last of equal names counts.
    let expected: Vec<BTreeMap<String, &RawValue>> = serde_json::from_str(rows).expect(rows);
    assert_eq!(chunk.num_rows(), expected.len(), "{rows}");
    for (name, column_type) in
        table.columns().iter().filter(|(name, _)| !name.starts_with("_fivetran"))
    {
        let source = COLUMNS.iter().find(|(_, known)| known == name).expect("a known column").0;
        let source: String = serde_json::from_str(source).expect("a name");
        let array =
            widen(chunk.column_by_name(name).expect("a column"), *column_type, ColumnType::Json);
        for (row, fields) in expected.iter().enumerate() {
            let field = fields.get(&source).map(|raw| raw.get()).filter(|raw| *raw != "null");
            let found = (!array.is_null(row)).then(|| array.as_string::<i32>().value(row));
            let agrees = match (field, found) {
                (None, None) => true,
                (Some(field), Some(found)) => same(field, found, *column_type),
                _ => false,
            };
            assert!(
                agrees,
                "{rows}\nrow {row}, column {name} {column_type}: {field:?} became {found:?}"
            );
        }
    }
}

/// Whether a value as it was sent is the value as it was kept, both as JSON.
fn same(sent: &str, kept: &str, column_type: ColumnType) -> bool {
    let text = |json: &str| serde_json::from_str::<String>(json).ok();
    match column_type {
        ColumnType::Long => sent.parse::<i64>().ok() == kept.parse::<i64>().ok(),
        ColumnType::Double => sent.parse::<f64>().ok() == kept.parse::<f64>().ok(),
        ColumnType::Boolean => sent == kept,
        // Dates and times are written canonically: their own tests tell how.
        ColumnType::LocalDate | ColumnType::LocalDateTime | ColumnType::Instant => {
            text(sent).is_some_and(|sent| text(kept).is_some_and(|kept| sent[..4] == kept[..4]))
        }
        ColumnType::Decimal { .. } => digits(sent) == digits(kept),
        ColumnType::String => match text(sent) {
            Some(sent) => text(kept) == Some(sent),
            None => text(kept)
                .is_some_and(|kept| kept == sent || kept.parse::<f64>().ok() == sent.parse().ok()),
        },
        ColumnType::Json => match text(sent) {
            Some(sent) => text(kept) == Some(sent),
            None => sent == kept || kept.parse::<f64>().is_ok_and(|kept| sent.parse() == Ok(kept)),
        },
    }
}

/// A plain number without the zeros that say nothing; one with an exponent by way of a double.
fn digits(number: &str) -> String {
    let plain = if number.contains(['e', 'E']) {
        number.parse::<f64>().expect("a number").to_string()
    } else {
        number.to_owned()
    };
    if plain.contains('.') {
        plain.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        plain
    }
}
