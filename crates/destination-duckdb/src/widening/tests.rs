use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use duckdb::Connection;
use duckdb::arrow::datatypes::{Field, Schema};
use engine::ColumnType::{
    Boolean, Decimal, Double, Instant, Json, LocalDate, LocalDateTime, Long, String,
};
use proptest::prelude::*;

use super::*;
use crate::rows::{Rows, Stage};
use crate::statements::{self, Place};

/// Widens a stored column and an array, and looks for a difference.
fn check(array: ArrayRef, from: ColumnType, to: ColumnType) {
    let array: ArrayRef = Arc::new(duckdb::arrow::array::make_array(
        array.to_data().into_builder().data_type(from.arrow()).build().expect("one type"),
    ));
    let expected = engine::widen(&array, from, to);
    let schema = Arc::new(Schema::new(vec![Field::new("v", from.arrow(), true)]));
    let chunk = RecordBatch::try_new(schema, vec![array]).expect("one column");
    let columns = [("v".to_owned(), from)];
    let connection = Connection::open_in_memory().expect("memory");
    let stage = Stage::default();
    stage.register(&connection).expect("a new database");
    let place = Place { catalog: "memory", namespace: "main", table: "t" };
    let create = format!("CREATE TABLE t (v {})", statements::sql_type(from));
    connection.execute_batch(&create).expect("a table");
    let quoted = place.quoted();
    let insert = statements::arrived(&quoted, &columns, &[], false).insert();
    stage
        .with(Rows::all(&columns, vec![chunk]), || connection.execute_batch(&insert))
        .expect("rows");
    let widen = statements::widen_column(place, "v", from, to);
    connection.execute_batch(&widen).unwrap_or_else(|error| panic!("{error}\n{widen}"));
    let mut statement = connection.prepare("FROM t").expect("a table");
    let found: Vec<RecordBatch> = statement.query_arrow([]).expect("rows").collect();
    let found = found.first().map(|batch| Arc::clone(batch.column(0)));
    let found = found.unwrap_or_else(|| arrow_array::new_empty_array(&to.arrow()));
    assert_eq!(&found, &expected, "{from} to {to}");
}

fn longs(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn doubles(values: Vec<Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from(values))
}

fn texts(values: Vec<Option<std::string::String>>) -> ArrayRef {
    Arc::new(StringArray::from(values))
}

fn some<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<Option<T>>> {
    prop::collection::vec(prop::option::weighted(0.9, value), 1..60)
}

/// Doubles of every magnitude, with few and with many digits.
fn any_double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("JSON has no infinity", |value| value.is_finite()),
        (-1_000_000_i64..1_000_000, -45_i32..45).prop_map(|(digits, exponent)| format!(
            "{digits}e{exponent}"
        )
        .parse()
        .expect("a number")),
        (any::<i64>(), -40_i32..30).prop_map(|(digits, exponent)| format!("{digits}e{exponent}")
            .parse()
            .expect("a number")),
    ]
    .prop_map(|double: f64| double + 0.0)
}

/// Microseconds of the years 0001 to 9999, some of them whole.
fn micros() -> impl Strategy<Value = i64> {
    let range = -62_135_596_800_000_000..=253_402_300_799_999_999_i64;
    (range, prop::sample::select(vec![1, 10, 1000, 1_000_000, 86_400_000_000]))
        .prop_map(|(micros, unit)| (micros / unit) * unit)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn booleans(values in some(any::<bool>())) {
        let array: ArrayRef = Arc::new(BooleanArray::from(values));
        check(Arc::clone(&array), Boolean, String);
        check(array, Boolean, Json);
    }

    #[test]
    fn longs_to_texts_and_decimals(values in some(any::<i64>()), scale in 0_u8..=19) {
        check(longs(values.clone()), Long, String);
        check(longs(values.clone()), Long, Json);
        check(longs(values), Long, Decimal { scale });
    }

    #[test]
    fn longs_to_doubles(values in some(-(1_i64 << 53)..=(1_i64 << 53))) {
        check(longs(values), Long, Double);
    }

    #[test]
    fn decimals(
        values in some(-(10_i128.pow(38) - 1)..10_i128.pow(38)),
        shift in 0_u32..38,
        scale in 0_u8..=37,
    ) {
        let values = values.into_iter().map(|value| value.map(|value| value / 10_i128.pow(shift)));
        let array: ArrayRef = Arc::new(
            values.collect::<Decimal128Array>().with_data_type(Decimal { scale }.arrow()),
        );
        check(Arc::clone(&array), Decimal { scale }, String);
        check(array, Decimal { scale }, Json);
    }

    #[test]
    fn decimals_to_wider_ones(
        values in some(-999_999_999_999_999_i64..=999_999_999_999_999),
        old in 0_u8..=22,
        more in 1_u8..=1,
    ) {
        let values = values.into_iter().map(|value| value.map(i128::from));
        let array: ArrayRef = Arc::new(
            values.collect::<Decimal128Array>().with_data_type(Decimal { scale: old }.arrow()),
        );
        check(array, Decimal { scale: old }, Decimal { scale: old + more });
    }

    #[test]
    fn doubles_to_texts(values in some(any_double())) {
        check(doubles(values.clone()), Double, String);
        check(doubles(values), Double, Json);
    }

    #[test]
    fn doubles_to_decimals(values in some(-99_999_999_999_999_999_i64..=99_999_999_999_999_999), scale in 0_u8..=18) {
        let text = |digits: i64| format!("{digits}e-{scale}");
        let read = |digits: i64| text(digits).parse::<f64>().expect("a number") + 0.0;
        // As the engine does, only doubles whose own digits fit.
        let fits = |double: f64| {
            let shortest = format!("{double}");
            shortest.split_once('.').is_none_or(|(_, fraction)| fraction.len() <= usize::from(scale))
        };
        let values = values.into_iter().map(|value| {
            value.map(read).filter(|double| fits(*double))
        });
        check(doubles(values.collect()), Double, Decimal { scale });
    }

    #[test]
    fn dates(values in some(-719_162_i32..=2_932_896)) {
        let array: ArrayRef = Arc::new(Date32Array::from(values));
        check(Arc::clone(&array), LocalDate, String);
        check(Arc::clone(&array), LocalDate, Json);
        check(array, LocalDate, LocalDateTime);
    }

    #[test]
    fn times(values in some(micros())) {
        let array: ArrayRef = Arc::new(TimestampMicrosecondArray::from(values));
        for from in [LocalDateTime, Instant] {
            check(Arc::clone(&array), from, String);
            check(Arc::clone(&array), from, Json);
        }
    }

    #[test]
    fn texts_to_json(values in some("[\\x00-\\x22\\\\/\\x7f-\\u{ff}a-c\u{1f980}]{0,20}")) {
        check(texts(values), String, Json);
    }
}

#[test]
fn every_control_character_is_escaped() {
    let all = (0_u32..256).map(|code| char::from_u32(code).expect("Latin 1").to_string());
    let array = texts(all.map(Some).collect());
    check(array, String, Json);
}

#[test]
fn doubles_at_the_edges_of_plain_digits() {
    let edges = [
        "1e15",
        "1e16",
        "12345678901234567",
        "1e37",
        "1.5e37",
        "9.999999999999999e37",
        "1e38",
        "1e39",
        "1e-4",
        "9.9e-5",
        "1e-36",
        "1e-37",
        "1.5e-37",
        "1.5e-36",
        "1e-38",
        "5e-324",
        "1.7976931348623157e308",
        "0",
        "-1e16",
        "-1e-37",
        "-1e38",
        "0.1",
        "1e100",
        "1e-100",
    ];
    let array = doubles(edges.iter().map(|edge| Some(edge.parse().expect("a number"))).collect());
    check(Arc::clone(&array), Double, String);
    check(array, Double, Json);
}
