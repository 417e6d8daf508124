//! Tables that somebody else made by the same rules, and that a connection takes over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::naming;
use crate::policy::{TableMode, shape_of};
use crate::run::Naming;
use crate::schema::{Column, PrimaryKey, Schema, Table};
use crate::shape::{Feature, Features, Shape};
use crate::system_columns;
use crate::value::ColumnType;

/// A table as it is found in a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTable {
    pub name: String,
    /// In their order.
    pub columns: Vec<FoundColumn>,
    /// The columns of its primary key, if the database knows one.
    pub key: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundColumn {
    pub name: String,
    /// The type of ours that holds each of its values; none where there is no such type.
    pub column_type: Option<ColumnType>,
    /// The type as the database prints it.
    pub sql_type: String,
    /// Digits before the point of its largest number.
    pub integer_digits: u16,
}

/// Why a table cannot be taken over as it is, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    pub table: String,
    pub what: String,
    pub cure: String,
}

/// How names, keys and types are to be read.
#[derive(Clone, Debug, Default)]
pub struct Adoption {
    pub naming: Naming,
    /// Keys by table, where the database knows none.
    pub keys: BTreeMap<String, BTreeSet<String>>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}: {}; {}", self.table, self.what, self.cure)
    }
}

impl FoundTable {
    /// Whether the rows say when they were synced, as Fivetran's and ours do.
    pub fn is_synced(&self) -> bool {
        self.column(system_columns::SYNCED).is_some()
    }

    fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Adoption {
    /// The tables as if they were ours.
    ///
    /// # Errors
    /// With everything that disagrees.
    pub fn schema(&self, found: &[FoundTable]) -> Result<Schema, Vec<Disagreement>> {
        let mut disagreements = Vec::new();
        let mut schema = Schema::default();
        for table in self.keys.keys() {
            if !found.iter().any(|found| found.name == *table) {
                disagreements.push(Disagreement {
                    table: table.clone(),
                    what: "it has a key, and is not there".to_owned(),
                    cure: "correct the name of the table, as it is in the destination".to_owned(),
                });
            }
        }
        for table in found {
            let mut reading = Reading { adoption: self, table, disagreements: Vec::new() };
            if let Some(adopted) = reading.adopt() {
                schema.tables.insert(table.name.clone(), Arc::new(adopted));
            }
            disagreements.append(&mut reading.disagreements);
        }
        if disagreements.is_empty() { Ok(schema) } else { Err(disagreements) }
    }
}

struct Reading<'a> {
    adoption: &'a Adoption,
    table: &'a FoundTable,
    disagreements: Vec<Disagreement>,
}

impl Reading<'_> {
    fn disagrees(&mut self, what: String, cure: &str) {
        let (table, cure) = (self.table.name.clone(), cure.to_owned());
        self.disagreements.push(Disagreement { table, what, cure });
    }

    fn adopt(&mut self) -> Option<Table> {
        let naming = self.adoption.naming;
        if naming::table_name(&self.table.name, naming) != self.table.name {
            let what = format!("no table of a function gets this name with naming {naming}");
            self.disagrees(what, "rename it, or set `naming: source` in the connection's options");
        }
        let mut columns = Vec::new();
        for found in &self.table.columns {
            if naming::is_reserved(&found.name) {
                self.check_system_column(found);
            } else {
                columns.extend(self.column(found));
            }
        }
        let has = |name: &str| self.table.column(name).is_some();
        let mode = if has(system_columns::ACTIVE) { TableMode::History } else { TableMode::Upsert };
        let soft_deletes = has(system_columns::DELETED);
        if mode == TableMode::History {
            for (name, _) in system_columns::OF_HISTORY {
                if !has(name) {
                    self.disagrees(
                        format!("it keeps versions, and has no column {name}"),
                        "add the column, or leave the table out with --table",
                    );
                }
            }
            if soft_deletes {
                self.disagrees(
                    format!("it keeps versions, and has a column {}", system_columns::DELETED),
                    "drop that column: the others say which rows are gone",
                );
            }
        }
        let primary_key = self.key()?;
        if mode == TableMode::History && !matches!(primary_key, PrimaryKey::Columns(_)) {
            self.disagrees(
                "it keeps versions, and has no key".to_owned(),
                "name its key with --key TABLE=COLUMN",
            );
        }
        let table = Table {
            sources: BTreeSet::new(),
            primary_key,
            columns,
            soft_deletes,
            mode,
            version_time: None,
        };
        self.disagreements.is_empty().then_some(table)
    }

    fn check_system_column(&mut self, found: &FoundColumn) {
        let known = [
            (system_columns::SYNCED, ColumnType::Instant),
            (system_columns::DELETED, ColumnType::Boolean),
            (system_columns::BATCH, ColumnType::Instant),
            (system_columns::INDEX, ColumnType::Long),
        ];
        let mut known = known.into_iter().chain(system_columns::OF_HISTORY);
        match known.find(|(name, _)| *name == found.name) {
            Some((_, expected)) if found.column_type == Some(expected) => {}
            Some((name, expected)) => self.disagrees(
                format!("column {name} is {}, and should be {expected}", found.sql_type),
                "change its type, or leave the table out with --table",
            ),
            None if found.name == system_columns::ID => self.disagrees(
                format!("its rows are told apart by {}, which only Fivetran can compute", found.name),
                "leave the table out with --table: its rows come again, into a table of another name",
            ),
            None => self.disagrees(
                format!("column {} is none that is known here", found.name),
                "drop it, or leave the table out with --table",
            ),
        }
    }

    fn column(&mut self, found: &FoundColumn) -> Option<Column> {
        let naming = self.adoption.naming;
        if naming::column_name(&found.name, naming) != found.name {
            let what = format!(
                "no column of a function gets the name {} with naming {naming}",
                found.name
            );
            self.disagrees(what, "rename it, or set `naming: source` in the connection's options");
        }
        let Some(column_type) = found.column_type else {
            self.disagrees(
                format!(
                    "column {} is {}, of which there is no such type here",
                    found.name, found.sql_type
                ),
                "change its type, to text if need be, or drop it",
            );
            return None;
        };
        Some(Column {
            name: found.name.clone(),
            // It is called by the first column of the rows that becomes this name.
            source: String::new(),
            shape: shape_of_values(column_type, found.integer_digits),
            evidence: Vec::new(),
            hashed: false,
        })
    }

    fn key(&mut self) -> Option<PrimaryKey> {
        let index = [system_columns::BATCH, system_columns::INDEX];
        let mut known: BTreeSet<String> = self.table.key.iter().cloned().collect();
        known.remove(system_columns::START);
        let given = self.adoption.keys.get(&self.table.name).cloned();
        let is_index = index.iter().all(|name| self.table.column(name).is_some());
        if given.is_none() && is_index && known.iter().all(|name| index.contains(&name.as_str())) {
            return Some(PrimaryKey::BatchIndex);
        }
        if let Some(given) = given.as_ref().filter(|given| !known.is_empty() && **given != known) {
            let name =
                |columns: &BTreeSet<String>| PrimaryKey::Columns(columns.clone()).to_string();
            let what =
                format!("its primary key is {}, and --key says {}", name(&known), name(given));
            self.disagrees(what, "leave --key out, or change the table's primary key");
        }
        let key = given.unwrap_or(known);
        if key.is_empty() {
            self.disagrees(
                "it has no primary key, and none is given".to_owned(),
                "name its key, as the function declares it, with --key TABLE=COLUMN,COLUMN",
            );
            return None;
        }
        for name in &key {
            let column = self.table.column(name);
            let is_plain =
                column.is_some_and(|column| column.column_type != Some(ColumnType::Json));
            if !is_plain || naming::is_reserved(name) {
                self.disagrees(
                    format!("its key has no column {name} of plain values"),
                    "name columns of the table with --key, as they are in the destination",
                );
            }
        }
        Some(PrimaryKey::Columns(key))
    }
}

/// What such values look like, when one knows their type and how large they are.
fn shape_of_values(column_type: ColumnType, integer_digits: u16) -> Shape {
    /// Integers of so many digits are doubles as well.
    const DOUBLE_DIGITS_MAX: u16 = 15;
    let inexact = Features::of(Feature::Inexact);
    match column_type {
        ColumnType::Long => {
            let integer = Features::of(Feature::Integer);
            let is_exact = integer_digits <= DOUBLE_DIGITS_MAX;
            let features = if is_exact { integer } else { integer.union(inexact) };
            Shape { features, integer_digits, scale: 0 }
        }
        ColumnType::Decimal { scale } => Shape {
            features: Features::of(Feature::BigInteger).union(inexact),
            integer_digits,
            scale: u16::from(scale),
        },
        other => shape_of(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, columns: &[(&str, Option<ColumnType>)], key: &[&str]) -> FoundTable {
        let columns = columns.iter().map(|(name, column_type)| FoundColumn {
            name: (*name).to_owned(),
            column_type: *column_type,
            sql_type: column_type.map_or("INTERVAL".to_owned(), |kind| kind.to_string()),
            integer_digits: 3,
        });
        FoundTable {
            name: name.to_owned(),
            columns: columns.collect(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn check(table: &FoundTable, keys: &[(&str, &[&str])], expected: &str) {
        let set = |columns: &[&str]| columns.iter().map(|name| (*name).to_owned()).collect();
        let keys = keys.iter().map(|(table, key)| ((*table).to_owned(), set(key))).collect();
        let adoption = Adoption { naming: Naming::Fivetran, keys };
        let told = match adoption.schema(std::slice::from_ref(table)) {
            Ok(schema) => {
                let adopted = &schema.tables[&table.name];
                for (found, (name, kind)) in table.columns.iter().zip(adopted.all_columns()) {
                    let is_own = !naming::is_reserved(&name);
                    assert!(!is_own || found.column_type == Some(kind), "{name} is {kind}");
                }
                format!("{} {}", adopted.primary_key, adopted.mode)
            }
            Err(all) => all.iter().map(|one| one.what.clone()).collect::<Vec<_>>().join("; "),
        };
        assert_eq!(told, expected, "{table:?}");
    }

    #[test]
    fn dec_59_what_disagrees_is_told() {
        use ColumnType::{Boolean, Double, Instant, Json, LocalDate, Long, String};
        let id = ("id", Some(Long));
        let synced = ("_fivetran_synced", Some(Instant));
        let deleted = ("_fivetran_deleted", Some(Boolean));
        let decimal = ("n", Some(ColumnType::Decimal { scale: 10 }));
        let all =
            [id, decimal, ("d", Some(Double)), ("t", Some(LocalDate)), ("j", Some(Json)), synced];
        check(&found("orders", &all, &["id"]), &[], "(id) upsert");
        check(&found("orders", &[id, synced, deleted], &[]), &[("orders", &["id"])], "(id) upsert");
        let versions = [
            id,
            synced,
            ("_fivetran_active", Some(Boolean)),
            ("_fivetran_start", Some(Instant)),
            ("_fivetran_end", Some(Instant)),
        ];
        check(&found("orders", &versions, &["id", "_fivetran_start"]), &[], "(id) history");
        let keyless = [synced, ("_fivetran_batch", Some(Instant)), ("_fivetran_index", Some(Long))];
        let index = ["_fivetran_batch", "_fivetran_index"];
        check(&found("clicks", &keyless, &index), &[], "(none: batch index) upsert");
        check(&found("clicks", &keyless, &[]), &[], "(none: batch index) upsert");
        for (table, keys, expected) in [
            (
                found("orders", &[id, synced], &[]),
                vec![],
                "it has no primary key, and none is given",
            ),
            (
                found("orders", &[id, synced], &["id"]),
                vec![("orders", &["n"][..])],
                "its primary key is (id), and --key says (n); its key has no column n of plain values",
            ),
            (
                found("orders", &[id, synced], &["id"]),
                vec![("order", &["id"][..])],
                "it has a key, and is not there",
            ),
            (
                found("Orders", &[id, ("orderId", Some(String)), synced], &["id"]),
                vec![],
                "no table of a function gets this name with naming fivetran; \
                 no column of a function gets the name orderId with naming fivetran",
            ),
            (
                found("orders", &[id, ("i", None), ("_fivetran_synced", Some(String))], &["id"]),
                vec![],
                "column i is INTERVAL, of which there is no such type here; \
                 column _fivetran_synced is string, and should be instant",
            ),
            (
                found("orders", &[("_fivetran_id", Some(String)), synced], &["_fivetran_id"]),
                vec![],
                "its rows are told apart by _fivetran_id, which only Fivetran can compute; \
                 its key has no column _fivetran_id of plain values",
            ),
            (
                found("orders", &[id, synced, ("_fivetran_x", Some(Long))], &["id"]),
                vec![],
                "column _fivetran_x is none that is known here",
            ),
            (
                found(
                    "orders",
                    &[id, synced, deleted, ("_fivetran_active", Some(Boolean))],
                    &["id"],
                ),
                vec![],
                "it keeps versions, and has no column _fivetran_start; \
                 it keeps versions, and has no column _fivetran_end; \
                 it keeps versions, and has a column _fivetran_deleted",
            ),
        ] {
            check(&table, &keys, expected);
        }
    }
}
