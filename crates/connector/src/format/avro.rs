//! Avro: records one after the other, with their schema before them.

use std::collections::HashMap;

use apache_avro::schema::{Name, Schema};
use apache_avro::types::Value;
use apache_avro::{Decimal, Reader};
use arrow_buffer::i256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp, civil};
use protocol::json;

use super::FormatError;
use super::cells::write_float;
use super::rows::{Piece, Position, RowReader};
use super::text::File;

/// The records of an Avro file.
pub(super) struct AvroRows {
    reader: Reader<'static, Box<dyn File>>,
    schema: Schema,
    names: HashMap<String, Schema>,
    row: u64,
}

impl AvroRows {
    /// Begins at a position that [`RowReader::position`] told: what is before it is read again and passed
    /// over.
    pub(super) fn open(file: Box<dyn File>, at: Position) -> Result<AvroRows, FormatError> {
        let reader = Reader::new(file).map_err(broken)?;
        let schema = reader.writer_schema().clone();
        let mut names = HashMap::new();
        name(&schema, None, &mut names);
        let mut rows = AvroRows { reader, schema, names, row: 0 };
        while rows.row < at.row && rows.next()?.is_some() {}
        Ok(rows)
    }

    fn next(&mut self) -> Result<Option<Value>, FormatError> {
        let Some(value) = self.reader.next() else { return Ok(None) };
        self.row += 1;
        value.map(Some).map_err(broken)
    }
}

impl RowReader for AvroRows {
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError> {
        let Some(value) = self.next()? else { return Ok(false) };
        let mut writer = Writer { names: &self.names, non_finite: false };
        let mut row = String::new();
        writer
            .write(&value, &self.schema, None, &mut row)
            .map_err(|message| FormatError::Packed(format!("row {}: {message}", self.row)))?;
        piece.non_finite |= writer.non_finite;
        piece.push(self.row, |json| json.push_str(&row));
        Ok(true)
    }

    fn position(&self) -> Position {
        Position { at: self.row, line: 0, row: self.row }
    }
}

fn broken(error: apache_avro::Error) -> FormatError {
    FormatError::Packed(format!("the Avro is broken: {error}"))
}

/// Remembers every schema that has a name, for those that refer to it.
fn name(schema: &Schema, namespace: Option<&str>, names: &mut HashMap<String, Schema>) {
    let full = |name: &Name| name.fullname(namespace);
    match schema {
        Schema::Record(record) => {
            names.insert(full(&record.name), schema.clone());
            let inside = record.name.namespace().or(namespace);
            for field in &record.fields {
                name(&field.schema, inside, names);
            }
        }
        Schema::Enum(kind) => {
            names.insert(full(&kind.name), schema.clone());
        }
        Schema::Fixed(kind) | Schema::Duration(kind) => {
            names.insert(full(&kind.name), schema.clone());
        }
        Schema::Decimal(decimal) => {
            if let apache_avro::schema::InnerDecimalSchema::Fixed(kind) = &decimal.inner {
                names.insert(full(&kind.name), schema.clone());
            }
        }
        Schema::Array(array) => name(&array.items, namespace, names),
        Schema::Map(map) => name(&map.types, namespace, names),
        Schema::Union(union) => {
            for variant in union.variants() {
                name(variant, namespace, names);
            }
        }
        _ => {}
    }
}

/// Writes values as JSON.
struct Writer<'a> {
    names: &'a HashMap<String, Schema>,
    non_finite: bool,
}

impl Writer<'_> {
    fn write(
        &mut self,
        value: &Value,
        schema: &Schema,
        namespace: Option<&str>,
        out: &mut String,
    ) -> Result<(), String> {
        let schema = match schema {
            Schema::Ref { name } => {
                self.names.get(&name.fullname(namespace)).ok_or("a type has no schema")?
            }
            schema => schema,
        };
        match (value, schema) {
            (Value::Union(variant, value), Schema::Union(union)) => {
                let variant = usize::try_from(*variant).ok();
                let variant = variant.and_then(|variant| union.variants().get(variant));
                self.write(value, variant.ok_or("a union has no such type")?, namespace, out)
            }
            (Value::Record(fields), Schema::Record(record)) => {
                let inside = record.name.namespace().or(namespace);
                out.push('{');
                for (index, ((name, value), field)) in fields.iter().zip(&record.fields).enumerate()
                {
                    out.push_str(if index > 0 { "," } else { "" });
                    json::quote(name, out);
                    out.push(':');
                    self.write(value, &field.schema, inside, out)?;
                }
                out.push('}');
                Ok(())
            }
            (Value::Array(items), Schema::Array(array)) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    self.write(item, &array.items, namespace, out)?;
                }
                out.push(']');
                Ok(())
            }
            (Value::Map(members), Schema::Map(map)) => {
                // In one order, so that the same file has the same rows.
                let mut members: Vec<(&String, &Value)> = members.iter().collect();
                members.sort_by_key(|(name, _)| *name);
                out.push('{');
                for (index, (name, value)) in members.into_iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    json::quote(name, out);
                    out.push(':');
                    self.write(value, &map.types, namespace, out)?;
                }
                out.push('}');
                Ok(())
            }
            (Value::Decimal(decimal), Schema::Decimal(schema)) => {
                out.push_str(&decimal_text(decimal, schema.scale)?);
                Ok(())
            }
            (value, _) => self.scalar(value, out),
        }
    }

    fn scalar(&mut self, value: &Value, out: &mut String) -> Result<(), String> {
        if let Some(text) = bare(value) {
            out.push_str(&text);
            return Ok(());
        }
        let mut quoted = |text: String| {
            json::quote(&text, out);
            Ok(())
        };
        let out_of_range = |_| "a time is out of range".to_owned();
        match value {
            Value::String(text) | Value::Enum(_, text) => quoted(text.clone()),
            Value::Uuid(uuid) => quoted(uuid.to_string()),
            Value::Bytes(bytes) | Value::Fixed(_, bytes) => quoted(STANDARD.encode(bytes)),
            Value::Date(days) => {
                let date = civil::date(1970, 1, 1)
                    .checked_add(SignedDuration::from_hours(i64::from(*days) * 24));
                quoted(date.map_err(out_of_range)?.to_string())
            }
            Value::TimeMillis(millis) => quoted(time(i64::from(*millis) * 1000)?),
            Value::TimeMicros(micros) => quoted(time(*micros)?),
            Value::TimestampMillis(at) => {
                quoted(Timestamp::from_millisecond(*at).map_err(out_of_range)?.to_string())
            }
            Value::TimestampMicros(at) => {
                quoted(Timestamp::from_microsecond(*at).map_err(out_of_range)?.to_string())
            }
            Value::TimestampNanos(at) => {
                let at = Timestamp::from_nanosecond(i128::from(*at)).map_err(out_of_range)?;
                quoted(at.to_string())
            }
            Value::LocalTimestampMillis(at) => {
                quoted(local(Timestamp::from_millisecond(*at).map_err(out_of_range)?))
            }
            Value::LocalTimestampMicros(at) => {
                quoted(local(Timestamp::from_microsecond(*at).map_err(out_of_range)?))
            }
            Value::LocalTimestampNanos(at) => {
                let at = Timestamp::from_nanosecond(i128::from(*at)).map_err(out_of_range)?;
                quoted(local(at))
            }
            Value::Duration(duration) => {
                let (months, days) = (u32::from(duration.months()), u32::from(duration.days()));
                let millis = u32::from(duration.millis());
                let (seconds, millis) = (millis / 1000, millis % 1000);
                quoted(format!("P{months}M{days}DT{seconds}.{millis:03}S"))
            }
            Value::Float(value) => {
                write_float(f64::from(*value), &format!("{value:?}"), out, &mut self.non_finite);
                Ok(())
            }
            Value::Double(value) => {
                write_float(*value, &format!("{value:?}"), out, &mut self.non_finite);
                Ok(())
            }
            _ => Err("a value is not of its schema's type".into()),
        }
    }
}

/// What stands in JSON as it is, without quotes.
fn bare(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::Boolean(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Long(value) => Some(value.to_string()),
        Value::BigDecimal(value) => Some(value.to_plain_string()),
        _ => None,
    }
}

/// A time of day, by the microseconds since its midnight.
fn time(micros: i64) -> Result<String, String> {
    let time = civil::Time::midnight().checked_add(SignedDuration::from_micros(micros));
    Ok(time.map_err(|_| "a time is out of range")?.to_string())
}

/// A time on the wall, of no zone.
fn local(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).datetime().to_string()
}

/// A decimal with all its digits: its unscaled number with the point where the scale says.
fn decimal_text(decimal: &Decimal, scale: usize) -> Result<String, String> {
    const TOO_LONG: &str = "a decimal has more than 76 digits";
    let bytes: Vec<u8> = decimal.try_into().map_err(|_| TOO_LONG)?;
    if bytes.len() > 32 {
        return Err(TOO_LONG.into());
    }
    let is_negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let mut whole = [if is_negative { 0xff } else { 0 }; 32];
    whole[32 - bytes.len()..].copy_from_slice(&bytes);
    let text = i256::from_be_bytes(whole).to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", &text[..]), |digits| ("-", digits));
    if scale == 0 {
        return Ok(text);
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (before, after) = digits.split_at(digits.len() - scale);
    Ok(format!("{sign}{before}.{after}"))
}

#[cfg(test)]
mod tests {
    use apache_avro::types::Record;
    use apache_avro::{Codec, Writer};
    use expect_test::{Expect, expect};

    use super::*;

    fn check(fields: &str, rows: &[&[(&str, Value)]], expected: Expect) {
        let schema = format!(
            r#"{{"type": "record", "name": "row", "namespace": "tests", "fields": [{fields}]}}"#
        );
        let schema = Schema::parse_str(&schema).expect("a schema");
        for codec in [
            Codec::Null,
            Codec::Deflate(apache_avro::DeflateSettings::default()),
            Codec::Snappy,
            Codec::Zstandard(apache_avro::ZstandardSettings::default()),
        ] {
            let mut writer = Writer::with_codec(&schema, Vec::new(), codec).expect("memory");
            for row in rows {
                let mut record = Record::new(&schema).expect("a record");
                for (name, value) in *row {
                    record.put(name, value.clone());
                }
                writer.append_value(record).expect("a row of the schema");
            }
            let file = writer.into_inner().expect("memory");
            let open = |at| AvroRows::open(Box::new(std::io::Cursor::new(file.clone())), at);
            expected.assert_eq(&crate::format::rows::tests::told(&open));
        }
    }

    #[test]
    fn values_by_their_logical_types() {
        let decimal = r#"{"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 3}"#;
        let logical = |kind: &str, logical: &str| {
            format!(r#"{{"type": "{kind}", "logicalType": "{logical}"}}"#)
        };
        let fields: Vec<String> = [
            ("price", decimal.to_owned()),
            ("day", logical("int", "date")),
            ("time", logical("long", "time-micros")),
            ("at", logical("long", "timestamp-micros")),
            ("local", logical("long", "local-timestamp-millis")),
            ("maybe", r#"["null", "long"]"#.to_owned()),
            ("float", r#""double""#.to_owned()),
            ("bytes", r#""bytes""#.to_owned()),
            ("kind", r#"{"type": "enum", "name": "kind", "symbols": ["a", "b"]}"#.to_owned()),
        ]
        .into_iter()
        .map(|(name, kind)| format!(r#"{{"name": "{name}", "type": {kind}}}"#))
        .collect();
        let row = |price: i64, maybe: Option<i64>| {
            let maybe = maybe.map_or(Value::Union(0, Box::new(Value::Null)), |value| {
                Value::Union(1, Box::new(Value::Long(value)))
            });
            [
                ("price", Value::Decimal(Decimal::from(price.to_be_bytes()))),
                ("day", Value::Date(19_000)),
                ("time", Value::TimeMicros(3_600_000_001)),
                ("at", Value::TimestampMicros(1_700_000_000_000_001)),
                ("local", Value::LocalTimestampMillis(1_700_000_000_120)),
                ("maybe", maybe),
                ("float", Value::Double(1.0)),
                ("bytes", Value::Bytes(vec![0, 255])),
                ("kind", Value::Enum(1, "b".into())),
            ]
        };
        check(
            &fields.join(","),
            &[&row(19_990, Some(i64::MAX)), &row(-5, None)],
            expect![[r#"
                {"price":19.990,"day":"2022-01-08","time":"01:00:00.000001","at":"2023-11-14T22:13:20.000001Z","local":"2023-11-14T22:13:20.12","maybe":9223372036854775807,"float":1.0,"bytes":"AP8=","kind":"b"}
                {"price":-0.005,"day":"2022-01-08","time":"01:00:00.000001","at":"2023-11-14T22:13:20.000001Z","local":"2023-11-14T22:13:20.12","maybe":null,"float":1.0,"bytes":"AP8=","kind":"b"}"#]],
        );
    }

    #[test]
    fn records_inside_of_records_and_types_that_refer_to_each_other() {
        let fields = r#"
            {"name": "node", "type": {"type": "record", "name": "node", "fields": [
                {"name": "n", "type": "int"},
                {"name": "next", "type": ["null", "node"]},
                {"name": "tags", "type": {"type": "map", "values": "string"}}
            ]}}"#;
        let tags = || {
            let tag = |name: &str| (name.to_owned(), Value::String(name.to_uppercase()));
            ("tags".to_owned(), Value::Map(["b", "a"].map(tag).into()))
        };
        let node = |n, next| {
            let n = ("n".to_owned(), Value::Int(n));
            Value::Record(vec![n, ("next".to_owned(), next), tags()])
        };
        let end = node(2, Value::Union(0, Box::new(Value::Null)));
        let begin = node(1, Value::Union(1, Box::new(end)));
        check(
            fields,
            &[&[("node", begin)]],
            expect![[
                r#"{"node":{"n":1,"next":{"n":2,"next":null,"tags":{"a":"A","b":"B"}},"tags":{"a":"A","b":"B"}}}"#
            ]],
        );
    }

    #[test]
    fn what_is_no_avro_is_told() {
        let rows = AvroRows::open(Box::new(std::io::Cursor::new(b"id\n1\n")), Position::default());
        let told = rows.err().expect("no file").to_string();
        assert!(told.starts_with("the Avro is broken: "), "{told}");
    }
}
