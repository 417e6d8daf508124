//! Records inside of records become rows of tables of their own.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::json;

use crate::answer::{Answer, Door};
use crate::plan::{Plan, TablePlan, TableSource};
use crate::read_error::ReadError;
use crate::rows::{Around, tell_unused, write_row};

/// The tables whose rows stand in a page's rows.
#[derive(Default)]
pub(crate) struct Inside(BTreeMap<usize, Exploded>);

/// What came of one of them.
#[derive(Default)]
struct Exploded {
    /// The names of fields that its rules were held against.
    seen: BTreeSet<String>,
    rows: u64,
}

impl Inside {
    /// Gives the rows that stand in `row`, and in them, to the answer.
    pub(crate) fn take(
        &mut self,
        table: &TablePlan,
        row: &Bytes,
        around: &Around<'_>,
        non_finite: bool,
        answer: &mut Answer,
    ) -> Result<(), ReadError> {
        for place in &table.exploded {
            let child = &around.plan.tables[*place];
            let TableSource::Inside(path) = &child.source else {
                unreachable!("what is exploded stands in rows")
            };
            let Some(found) = path.find(row) else { continue };
            let scope = around.scope.inside(row.clone());
            let inner = Around {
                plan: around.plan,
                scope: &scope,
                hash_key: around.hash_key,
                parent: Some((row.clone(), table)),
            };
            for (index, element) in elements(&row.slice_ref(found)).enumerate() {
                let Exploded { seen, rows } = self.0.entry(*place).or_default();
                *rows += 1;
                let door = Door::Insert;
                let written =
                    write_row(child, &element, index, &inner, door, seen, answer, non_finite)
                        .map_err(|error| error.of(child))?;
                if written {
                    self.take(child, &element, &inner, non_finite, answer)?;
                }
            }
        }
        Ok(())
    }

    /// Tells rules that no row of a page had a field for.
    pub(crate) fn tell_unused(&self, plan: &Plan, answer: &mut Answer) {
        for (place, exploded) in &self.0 {
            tell_unused(&plan.tables[*place], &exploded.seen, answer);
        }
    }

    /// Adds the rows of each table to those that came before.
    pub(crate) fn count(&self, plan: &Plan, counts: &mut BTreeMap<String, u64>) {
        for (place, exploded) in &self.0 {
            *counts.entry(plan.tables[*place].name.clone()).or_default() += exploded.rows;
        }
    }
}

/// The elements of a list that is known to be valid; what is no list is its only element, and null none.
fn elements(found: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut at = match found.first() {
        Some(b'[') => json::skip_whitespace(found, 1),
        Some(b'n') | None => found.len(),
        Some(_) => 0,
    };
    let found = found.clone();
    std::iter::from_fn(move || {
        if at >= found.len() || found[at] == b']' {
            return None;
        }
        let end = json::value_end(&found, at);
        let element = found.slice(at..end);
        at = json::skip_whitespace(&found, end);
        if found.get(at) == Some(&b',') {
            at = json::skip_whitespace(&found, at + 1);
        }
        Some(element)
    })
}
