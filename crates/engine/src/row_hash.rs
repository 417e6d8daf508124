//! `_fivetran_id`: what makes a row of a keyless table itself, on request (Dec-42).

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use protocol::json;
use sha2::{Digest, Sha256};

use crate::arrays;
use crate::columns::{Cell, CellValue, PageColumns};
use crate::policy::{Salt, Treatment};
use crate::schema::Table;
use crate::value::ColumnType;

/// Lower-case hexadecimal SHA-256 over the row as canonical JSON: names of the destination in the order
/// of code points, no white space, nulls left out, numbers as they were written.
pub(crate) fn ids(
    table: &Table,
    page: &PageColumns<'_>,
    places: &[Option<usize>],
    salt: Option<&Salt>,
) -> ArrayRef {
    let mut columns: Vec<(&str, &[Cell], Option<ArrayRef>)> = Vec::new();
    for (column, place) in table.columns.iter().zip(places) {
        if let Some(place) = place {
            let seen = &page.columns[*place];
            // A value that is hidden must not be told by the hash of its row.
            let hashed = salt.filter(|_| seen.treatment == Treatment::Hash);
            let hashed =
                hashed.map(|salt| arrays::hashed(&seen.cells, page.text, ColumnType::String, salt));
            columns.push((&column.name, &seen.cells, hashed));
        }
    }
    columns.sort_unstable_by_key(|(name, ..)| *name);
    let id = |row: usize| {
        let mut text = String::from("{");
        for (name, cells, hashed) in &columns {
            match hashed {
                None => write_member(name, cells[row], page.text, &mut text),
                Some(digests) => write_digest(name, digests, row, &mut text),
            }
        }
        text.push('}');
        Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut id, byte| {
            write!(id, "{byte:02x}").expect("a string takes what is written");
            id
        })
    };
    Arc::new(StringArray::from_iter_values((0..page.rows).map(id)))
}

fn write_member(name: &str, cell: Cell, page: &str, out: &mut String) {
    if matches!(cell.value, CellValue::Null | CellValue::NonFinite) {
        return;
    }
    if out.len() > 1 {
        out.push(',');
    }
    json::quote(name, out);
    out.push(':');
    if cell.is_string(page) {
        json::quote(&cell.unescaped(page), out);
    } else {
        write_compact(cell.text(page), out);
    }
}

fn write_digest(name: &str, digests: &ArrayRef, row: usize, out: &mut String) {
    if digests.is_null(row) {
        return;
    }
    if out.len() > 1 {
        out.push(',');
    }
    json::quote(name, out);
    out.push(':');
    json::quote(digests.as_string::<i32>().value(row), out);
}

/// A value without the white space between its parts.
fn write_compact(valid: &str, out: &mut String) {
    let bytes = valid.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = json::string_end(bytes, at).0;
                out.push_str(&valid[at..end]);
                at = end;
            }
            b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            byte => {
                out.push(char::from(byte));
                at += 1;
            }
        }
    }
}
