//! Rows that break a data contract: left out, put into a table beside their own, or the end of their page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use protocol::{Records, TableName, json};

use super::{PlanError, Planner, naming, scan};
use crate::arrays;
use crate::columns::{Cell, CellValue, PageColumn, PageColumns};
use crate::contract::{Contract, OnBreach};
use crate::policy::{Policy, TableMode, Treatment};
use crate::schema::{PrimaryKey, Table};
use crate::value::ColumnType;

/// A row that breaks a contract, and how.
struct Breach {
    on_breach: OnBreach,
    /// Columns by the names that the function gives them, and the rule.
    broken: Vec<(String, &'static str)>,
}

/// The rows of a page that break a contract, from 0.
type Breaches = BTreeMap<usize, Breach>;

impl Planner<'_> {
    /// Takes the rows that break a contract out of the page. What they hold does not make the table grow.
    pub(super) fn enforce_contracts(
        &mut self,
        source: &TableName,
        name: &str,
        table: &Table,
        page: &mut PageColumns<'_>,
    ) -> Result<(), PlanError> {
        let policy = Arc::clone(&self.run.options.policy);
        let Some(contracts) = policy.table(&source.0).map(|table| &table.contracts) else {
            return Ok(());
        };
        let mut breaches = find(contracts, page);
        self.add_doubles(&source.0, contracts, table, &mut breaches);
        if let Some((row, breach)) =
            breaches.iter().find(|(_, breach)| breach.on_breach == OnBreach::Fail)
        {
            let (column, rule) = breach.broken[0].clone();
            let row = page.number(*row);
            return Err(PlanError::ContractBroken { table: name.to_owned(), row, column, rule });
        }
        let quarantined: Vec<(usize, &Breach)> = breaches
            .iter()
            .filter(|(_, breach)| breach.on_breach == OnBreach::Quarantine)
            .map(|(row, breach)| (*row, breach))
            .collect();
        if !breaches.is_empty() {
            let counts = self.held_back.entry(source.0.clone()).or_default();
            counts.quarantined += quarantined.len() as u64;
            counts.dropped += (breaches.len() - quarantined.len()) as u64;
        }
        if !quarantined.is_empty() {
            self.quarantine(&policy, source, table, page, &quarantined)?;
        }
        page.leave_out(breaches.into_keys().collect());
        Ok(())
    }

    /// A table that no row has entered is not made; the key that was declared for it waits on.
    pub(super) fn take_back(&mut self, name: &str, was_there: bool) {
        if was_there {
            return;
        }
        let table = self.leaves.schema.tables.remove(name);
        if let Some(PrimaryKey::Columns(_)) = table.as_ref().map(|table| &table.primary_key) {
            let key = table.expect("it was looked at").primary_key.clone();
            self.leaves.declared_keys.insert(name.to_owned(), key);
        }
    }

    /// The columns of a table of which no two live rows may have one value.
    pub(super) fn unique_columns(&self, source: &TableName, table: &Table) -> BTreeSet<String> {
        let policy = self.run.options.policy.table(&source.0);
        let contracts = policy.into_iter().flat_map(|table| &table.contracts);
        contracts
            .filter(|(_, contract)| contract.unique)
            .filter_map(|(column, _)| {
                let known = table.columns.iter().find(|known| known.source == *column)?;
                Some(known.name.clone())
            })
            .collect()
    }

    fn add_doubles(
        &self,
        source: &str,
        contracts: &BTreeMap<String, Contract>,
        table: &Table,
        breaches: &mut Breaches,
    ) {
        for (row, column) in self.doubles.get(source).into_iter().flatten() {
            let source = table.columns.iter().find(|known| known.name == *column);
            let column = source.map_or(column, |known| &known.source);
            let row = usize::try_from(*row).expect("a row's number fits memory") - 1;
            let on_breach = contracts.get(column).map(|contract| contract.on_breach);
            add(breaches, row, on_breach.unwrap_or_default(), column, "unique");
        }
    }

    /// Puts rows into the table beside their own: an append-only one, written by the same commit.
    fn quarantine(
        &mut self,
        policy: &Policy,
        source: &TableName,
        table: &Table,
        page: &PageColumns<'_>,
        rows: &[(usize, &Breach)],
    ) -> Result<(), PlanError> {
        let name = naming::fit(format!("{}__quarantine", self.old_table_name(source)));
        let known = self.leaves.schema.tables.get(&name).cloned();
        if known
            .as_ref()
            .is_some_and(|known| known.mode != TableMode::Append || !known.sources.is_empty())
        {
            return Err(taken(source, &name));
        }
        let mut quarantine = known.unwrap_or_else(|| {
            Arc::new(Table {
                sources: BTreeSet::new(),
                primary_key: PrimaryKey::BatchIndex,
                columns: Vec::new(),
                soft_deletes: false,
                mode: TableMode::Append,
                version_time: None,
            })
        });
        let mut text = String::from("[");
        for (row, breach) in rows {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str("{\"reason\":");
            let reasons = breach.broken.iter().map(|(column, rule)| format!("{column}: {rule}"));
            json::quote(&reasons.collect::<Vec<_>>().join("; "), &mut text);
            let (page_number, number) = (self.leaves.pages, page.number(*row));
            text.push_str(&format!(",\"page\":{page_number},\"row_number\":{number},\"raw_row\":"));
            self.write_row(policy, &source.0, table, page, *row, &mut text);
            text.push('}');
        }
        text.push(']');
        let records = Records::from_valid(text.clone().into(), rows.len() as u64, false);
        let page = scan(&text, &records, &quarantine, self.run, &|_| true);
        self.place_upserts(None, &name, &mut quarantine, &page)?;
        self.leaves.schema.tables.insert(name, quarantine);
        Ok(())
    }

    /// A row as it came, but for what the user wants to be hidden: values of columns that are held back are
    /// left out, those of hashed columns are digests.
    fn write_row(
        &mut self,
        policy: &Policy,
        source: &str,
        table: &Table,
        page: &PageColumns<'_>,
        row: usize,
        out: &mut String,
    ) {
        out.push('{');
        let mut is_first = true;
        for column in &page.columns {
            let cell = column.cells[row];
            let treatment = self.treatment(policy, source, table, &column.source);
            if is_missing(cell) || treatment == Treatment::HoldBack {
                continue;
            }
            if !is_first {
                out.push(',');
            }
            is_first = false;
            json::quote(&column.source, out);
            out.push(':');
            match treatment {
                Treatment::Hash if cell.value != CellValue::Null => {
                    let salt = self.leaves.salt.as_ref().expect("a policy that hashes has a salt");
                    let digest = arrays::hashed(&[cell], page.text, ColumnType::String, salt);
                    json::quote(digest.as_string::<i32>().value(0), out);
                }
                _ if cell.is_string(page.text) => {
                    let literal = &page.text[cell.start as usize - 1..=cell.end as usize];
                    out.push_str(literal);
                }
                _ => out.push_str(cell.text(page.text)),
            }
        }
        out.push('}');
    }
}

/// The function has a table where rows of ours go, or ours would go where one of its tables is.
pub(super) fn taken(source: &TableName, quarantine: &str) -> PlanError {
    PlanError::QuarantineTaken {
        table: super::shorten(&source.0),
        quarantine: quarantine.to_owned(),
    }
}

/// Every breach that a row shows by itself.
fn find(contracts: &BTreeMap<String, Contract>, page: &PageColumns<'_>) -> Breaches {
    let mut breaches = Breaches::new();
    for (name, contract) in contracts {
        let column = page.columns.iter().find(|column| column.source == *name);
        for row in 0..page.rows {
            if let Some(rule) = contract.broken_by(cell_of(column, row), page.text) {
                add(&mut breaches, row, contract.on_breach, name, rule);
            }
        }
    }
    breaches
}

fn add(breaches: &mut Breaches, row: usize, on_breach: OnBreach, column: &str, rule: &'static str) {
    let breach = breaches.entry(row).or_insert_with(|| Breach { on_breach, broken: Vec::new() });
    // The rule that ends the page is told first.
    if on_breach > breach.on_breach {
        breach.on_breach = on_breach;
        breach.broken.insert(0, (column.to_owned(), rule));
    } else {
        breach.broken.push((column.to_owned(), rule));
    }
}

/// The cell of a row; one without place where no row has the column.
fn cell_of(column: Option<&PageColumn>, row: usize) -> Cell {
    column.map_or(Cell { value: CellValue::Null, start: 0, end: 0 }, |column| column.cells[row])
}

/// Whether the row does not name the column: a null that was written has a place in the text.
fn is_missing(cell: Cell) -> bool {
    cell.value == CellValue::Null && cell.start == cell.end
}
