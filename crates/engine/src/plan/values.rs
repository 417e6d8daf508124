//! The values of a page, read and written as their columns have them.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, TimestampMicrosecondArray, new_null_array};
use protocol::Records;

use super::{PlanError, Planner, shorten};
use crate::arrays;
use crate::columns::{self, CellValue, PageColumns};
use crate::policy::Treatment;
use crate::row_hash;
use crate::schema::{Column, PrimaryKey, Table};
use crate::value::ColumnType;

impl Planner<'_> {
    /// The rows' text, where every number is one; `lenient_numbers` makes it so (Dec-62).
    pub(super) fn checked_text<'r>(
        &mut self,
        records: &'r Records,
        name: &str,
    ) -> std::borrow::Cow<'r, str> {
        let text = simdutf8::basic::from_utf8(records.as_json()).expect("a response is UTF-8");
        if !records.has_non_finite() || !self.run.options.lenient_numbers {
            return text.into();
        }
        let (text, count) = columns::null_non_finite(text);
        self.warn(
            "non_finite_number",
            format!("table {name}: {count} values NaN or Infinity became NULL"),
        );
        text.into()
    }

    pub(super) fn refuse_non_finite(
        &self,
        name: &str,
        page: &PageColumns<'_>,
    ) -> Result<(), PlanError> {
        if self.run.options.lenient_numbers {
            return Ok(());
        }
        let found = page.columns.iter().find_map(|column| {
            let bad = |cell: &columns::Cell| match cell.value {
                CellValue::NonFinite => true,
                CellValue::Nested => columns::nests_non_finite(cell.text(page.text)),
                _ => false,
            };
            if !page.non_finite {
                return None;
            }
            column.cells.iter().position(bad).map(|row| (row, column.source.clone()))
        });
        match found {
            Some((row, column)) => Err(PlanError::NonFiniteNumber {
                table: name.to_owned(),
                row: row as u64 + 1,
                column: shorten(&column),
            }),
            None => Ok(()),
        }
    }

    pub(super) fn build(
        &mut self,
        name: &str,
        column: &Column,
        place: Option<usize>,
        page: &PageColumns<'_>,
    ) -> ArrayRef {
        let column_type = column.column_type();
        let Some(place) = place else { return new_null_array(&column_type.arrow(), page.rows) };
        let (cells, options) = (&page.columns[place].cells, &self.run.options);
        match page.columns[place].treatment {
            Treatment::Hash => {
                let salt = self.leaves.salt.as_ref().expect("a policy that hashes has a salt");
                return arrays::hashed(cells, page.text, column_type, salt);
            }
            Treatment::Lock(_) if !matches!(column_type, ColumnType::String | ColumnType::Json) => {
                let (array, nulled) = arrays::locked(cells, page.text, column_type);
                self.nulled += nulled;
                return array;
            }
            Treatment::Plain | Treatment::Lock(_) | Treatment::HoldBack => {}
        }
        let (array, altered) = arrays::build(cells, page.text, column_type, options.nul_characters);
        let what =
            |row: usize| format!("table {name}, row {}, column {}", page.number(row), column.name);
        if let Some(row) = altered.out_of_range {
            let message = format!("{}: outside the years 0001 to 9999, became NULL", what(row));
            self.warn("date_out_of_range", message);
        }
        if let Some(row) = altered.nul {
            let message = format!("{}: NUL characters were removed", what(row));
            self.warn("nul_removed", message);
        }
        array
    }

    /// The arrays of [`system_columns::of`].
    pub(super) fn system_arrays(
        &mut self,
        name: &str,
        table: &Table,
        page: &PageColumns<'_>,
        places: &[Option<usize>],
    ) -> Vec<ArrayRef> {
        let moment = || -> ArrayRef {
            let moments = TimestampMicrosecondArray::from_value(self.leaves.synced_at.0, page.rows);
            Arc::new(moments.with_data_type(ColumnType::Instant.arrow()))
        };
        match &table.primary_key {
            PrimaryKey::Columns(_) => vec![moment()],
            PrimaryKey::RowHash => {
                vec![moment(), row_hash::ids(table, page, places, self.leaves.salt.as_ref())]
            }
            PrimaryKey::BatchIndex => {
                let (synced, batch) = (moment(), moment());
                let next = self.leaves.next_index.entry(name.to_owned()).or_default();
                let first = i64::try_from(*next).expect("a sync has fewer than 2^63 rows");
                *next += page.rows as u64;
                let rows = i64::try_from(page.rows).expect("a page has fewer than 2^63 rows");
                vec![synced, batch, Arc::new(Int64Array::from_iter_values(first..first + rows))]
            }
        }
    }
}
