//! `_fivetran_id`: what makes a row of a keyless table itself, on request (Dec-42).

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use protocol::json;
use sha2::{Digest, Sha256};

use crate::columns::{Cell, CellValue, PageColumns};
use crate::schema::Table;

/// Lower-case hexadecimal SHA-256 over the row as canonical JSON: names of the destination in the order
/// of code points, no white space, nulls left out, numbers as they were written.
pub(crate) fn ids(table: &Table, page: &PageColumns<'_>, places: &[Option<usize>]) -> ArrayRef {
    let mut columns: Vec<(&str, &[Cell])> = Vec::new();
    for (column, place) in table.columns.iter().zip(places) {
        if let Some(place) = place {
            columns.push((&column.name, &page.columns[*place].cells));
        }
    }
    columns.sort_unstable_by_key(|(name, _)| *name);
    let id = |row: usize| {
        let mut text = String::from("{");
        for (name, cells) in &columns {
            write_member(name, cells[row], page.text, &mut text);
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
