//! Arrow columns as rows of JSON: numbers with every digit, times as text, bytes in Base64.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::json;

use super::FormatError;
use super::rows::Piece;

/// Adds all rows of a batch; `before` is the number of the last row before it.
pub(super) fn write_rows(
    batch: &RecordBatch,
    before: u64,
    piece: &mut Piece,
) -> Result<(), FormatError> {
    let columns = StructArray::from(batch.clone());
    let rows =
        Column::of(&(std::sync::Arc::new(columns) as ArrayRef)).map_err(|error| wrong(&error))?;
    for index in 0..batch.num_rows() {
        let start = piece.json.len();
        rows.write(index, &mut piece.json, &mut piece.non_finite).map_err(|error| wrong(&error))?;
        piece.ranges.push(start..piece.json.len());
        piece.numbers.push(before + index as u64 + 1);
    }
    Ok(())
}

fn wrong(error: &ArrowError) -> FormatError {
    FormatError::Packed(format!("a column cannot be read: {error}"))
}

/// A column, by how its values are written.
struct Column {
    array: ArrayRef,
    kind: Kind,
}

enum Kind {
    Null,
    /// Written as it is formatted: numbers and booleans.
    Bare,
    Float,
    Text,
    /// Formatted, in quotes, with what stands after it: times, and whatever else is left.
    Quoted(&'static str),
    Bytes,
    /// Names in quotes, each with its column.
    Members(Vec<(String, Column)>),
    /// What the elements of all lists are.
    Elements(Box<Column>),
    /// Keys and values of all maps.
    Entries(Box<Column>, Box<Column>),
}

impl Column {
    fn of(array: &ArrayRef) -> Result<Column, ArrowError> {
        let boxed = |array: &ArrayRef| Column::of(array).map(Box::new);
        let of = |kind| Ok(Column { array: array.clone(), kind });
        match array.data_type() {
            DataType::Null => of(Kind::Null),
            DataType::Float32 | DataType::Float64 => of(Kind::Float),
            DataType::Utf8 => of(Kind::Text),
            DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
                of(Kind::Bytes)
            }
            DataType::LargeUtf8 | DataType::Utf8View => {
                Ok(Column { array: arrow_cast::cast(array, &DataType::Utf8)?, kind: Kind::Text })
            }
            DataType::BinaryView => Column::of(&arrow_cast::cast(array, &DataType::Binary)?),
            DataType::Dictionary(_, values) => Column::of(&arrow_cast::cast(array, values)?),
            DataType::Timestamp(unit, Some(_)) => {
                // All zones are names for instants, and those are written in UTC.
                let local = arrow_cast::cast(
                    &arrow_cast::cast(array, &DataType::Timestamp(*unit, Some("+00:00".into())))?,
                    &DataType::Timestamp(*unit, None),
                )?;
                Ok(Column { array: local, kind: Kind::Quoted("Z") })
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let member = |(field, column): (&arrow_schema::FieldRef, &ArrayRef)| {
                    let mut name = String::new();
                    json::quote(field.name(), &mut name);
                    Ok((name, Column::of(column)?))
                };
                let members: Result<Vec<_>, ArrowError> =
                    fields.iter().zip(columns).map(member).collect();
                of(Kind::Members(members?))
            }
            DataType::List(_) => of(Kind::Elements(boxed(array.as_list::<i32>().values())?)),
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Column::of(&arrow_cast::cast(array, &DataType::List(item.clone()))?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                of(Kind::Entries(boxed(map.keys())?, boxed(map.values())?))
            }
            kind if kind.is_numeric() || *kind == DataType::Boolean => of(Kind::Bare),
            _ => of(Kind::Quoted("")),
        }
    }

    fn write(
        &self,
        index: usize,
        out: &mut String,
        non_finite: &mut bool,
    ) -> Result<(), ArrowError> {
        if self.array.is_null(index) {
            out.push_str("null");
            return Ok(());
        }
        match &self.kind {
            Kind::Null => out.push_str("null"),
            Kind::Bare => self.format(index, out)?,
            Kind::Float => self.float(index, out, non_finite),
            Kind::Text => json::quote(self.array.as_string::<i32>().value(index), out),
            Kind::Quoted(after) => {
                let mut text = String::new();
                self.format(index, &mut text)?;
                text.push_str(after);
                json::quote(&text, out);
            }
            Kind::Bytes => {
                out.push('"');
                STANDARD.encode_string(self.bytes(index), out);
                out.push('"');
            }
            Kind::Members(members) => {
                out.push('{');
                for (place, (name, column)) in members.iter().enumerate() {
                    out.push_str(if place > 0 { "," } else { "" });
                    out.push_str(name);
                    out.push(':');
                    column.write(index, out, non_finite)?;
                }
                out.push('}');
            }
            Kind::Elements(elements) => {
                let (start, end) = ends(self.array.as_list::<i32>().value_offsets(), index);
                out.push('[');
                for element in start..end {
                    out.push_str(if element > start { "," } else { "" });
                    elements.write(element, out, non_finite)?;
                }
                out.push(']');
            }
            Kind::Entries(keys, values) => {
                let (start, end) = ends(self.array.as_map().value_offsets(), index);
                out.push('{');
                for entry in start..end {
                    out.push_str(if entry > start { "," } else { "" });
                    keys.write_key(entry, out)?;
                    out.push(':');
                    values.write(entry, out, non_finite)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }

    /// A value as arrow writes it.
    fn format(&self, index: usize, out: &mut String) -> Result<(), ArrowError> {
        let options = FormatOptions::new().with_display_error(false);
        let formatter = ArrayFormatter::try_new(&self.array, &options)?;
        formatter.value(index).write(out)
    }

    fn float(&self, index: usize, out: &mut String, non_finite: &mut bool) {
        let (value, text) = if *self.array.data_type() == DataType::Float32 {
            let value = self.array.as_primitive::<Float32Type>().value(index);
            (f64::from(value), format!("{value:?}"))
        } else {
            let value = self.array.as_primitive::<Float64Type>().value(index);
            (value, format!("{value:?}"))
        };
        super::cells::write_float(value, &text, out, non_finite);
    }

    fn bytes(&self, index: usize) -> &[u8] {
        match self.array.data_type() {
            DataType::Binary => self.array.as_binary::<i32>().value(index),
            DataType::LargeBinary => self.array.as_binary::<i64>().value(index),
            _ => self.array.as_fixed_size_binary().value(index),
        }
    }

    /// A key of a map: what is no text becomes one.
    fn write_key(&self, index: usize, out: &mut String) -> Result<(), ArrowError> {
        let mut key = String::new();
        self.write(index, &mut key, &mut false)?;
        if key.starts_with('"') {
            out.push_str(&key);
            return Ok(());
        }
        write!(out, "\"{key}\"").map_err(|error| ArrowError::ExternalError(error.into()))
    }
}

/// Where the elements of one list begin and end.
fn ends(offsets: &[i32], index: usize) -> (usize, usize) {
    let place = |at: usize| usize::try_from(offsets[at]).expect("places in an array");
    (place(index), place(index + 1))
}
