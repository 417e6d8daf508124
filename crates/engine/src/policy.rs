//! What may grow, and what is left out or altered: the user's word about tables and columns
//! (sections 5.6 and 5.7). Whatever it says is applied while a page is planned, so a connection without
//! a policy pays nothing for it.

use std::collections::BTreeMap;
use std::fmt;

use crate::arrays;
use crate::columns::{PageColumn, PageColumns, Sighting};
use crate::contract::Contract;
use crate::number;
use crate::shape::{Feature, Features, Shape};
use crate::value::{ColumnType, DECIMAL_DIGITS_MAX, fits_decimal};

/// What the user decided about the tables of one connection. Tables and columns go by the names that
/// the function gives them, as they do in Fivetran's API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub schema_changes: SchemaChanges,
    /// How tables are kept for which nothing else is decided.
    pub mode: TableMode,
    /// The most that a sweep may delete of a table for which nothing else is decided.
    pub max_deletes: Option<Share>,
    /// Whatever is decided, and whatever the function says, sweeps may delete everything.
    pub any_deletes: bool,
    pub tables: BTreeMap<String, TablePolicy>,
    /// With which values are hashed, when the position has no salt yet (Dec-65).
    pub salt: Salt,
}

/// What becomes of tables and columns that are new: neither there, nor listed, nor approved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchemaChanges {
    /// F-190.
    #[default]
    AllowAll,
    /// New columns enter, new tables are held back (F-191).
    AllowColumns,
    /// Both are held back (F-192).
    BlockAll,
}

/// What the user decided about one table. To list a table is to enable it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TablePolicy {
    /// Its rows are left out, and counted (F-193).
    pub block: bool,
    /// Its name in the destination, in place of the one that rules make.
    pub name: Option<String>,
    pub mode: Option<TableMode>,
    pub max_deletes: Option<Share>,
    /// Which column says since when a row's values hold, in a table that keeps versions (Dec-66).
    pub version_time: Option<String>,
    pub columns: BTreeMap<String, ColumnPolicy>,
    /// What must hold of its columns.
    pub contracts: BTreeMap<String, Contract>,
}

/// How the rows of a table are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableMode {
    /// The last word on each key; rows that are gone are marked, or removed where that is asked for.
    #[default]
    Upsert,
    /// Every row is new, whatever key the function declares; deletes are left out.
    Append,
    /// Current state only: rows that are gone are removed.
    Live,
    /// Every version of every row, with the time when it held (F-210 to F-214).
    History,
}

impl fmt::Display for TableMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TableMode::Upsert => "upsert",
            TableMode::Append => "append",
            TableMode::Live => "live",
            TableMode::History => "history",
        })
    }
}

/// A share of a table's rows, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(pub u32);

impl Share {
    const WHOLE: u64 = 10_000;

    /// Whether so many rows of so many are more than the share.
    pub fn is_exceeded(self, rows: u64, of: u64) -> bool {
        u128::from(rows) * u128::from(Share::WHOLE) > u128::from(of) * u128::from(self.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 100.0)
    }
}

/// What the user decided about one column. To list a column is to enable it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColumnPolicy {
    #[default]
    Allow,
    /// Its values are left out, and counted.
    Block,
    /// Its values become digests (F-197).
    Hash,
    /// Its values become this type, or NULL (F-184).
    Lock(ColumnType),
}

/// A random text with which values are hashed: equal values give equal digests only where the salt is
/// the same.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Salt(pub String);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

/// What was left out or altered in one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldCounts {
    /// Rows of `insert` and `delete` left out, since their table is.
    pub rows: u64,
    /// Values left out, since their column is.
    pub values: u64,
    /// Values that became NULL, since they cannot be of the type that the user chose (F-184).
    pub nulled: u64,
    /// Rows left out, since they break a contract.
    pub dropped: u64,
    /// Rows that break a contract, and went to a table of their own.
    pub quarantined: u64,
}

impl HeldCounts {
    pub fn add(&mut self, other: HeldCounts) {
        self.rows += other.rows;
        self.values += other.values;
        self.nulled += other.nulled;
        self.dropped += other.dropped;
        self.quarantined += other.quarantined;
    }

    pub fn is_zero(self) -> bool {
        self == HeldCounts::default()
    }
}

impl Policy {
    pub(crate) fn table(&self, source: &str) -> Option<&TablePolicy> {
        self.tables.get(source)
    }

    /// Takes every maximum of deletes away.
    pub fn allow_deletes(&mut self) {
        self.any_deletes = true;
    }

    /// Whether nothing is decided: everything enters as it is.
    pub(crate) fn is_open(&self) -> bool {
        self.schema_changes == SchemaChanges::AllowAll
            && self.mode == TableMode::Upsert
            && self.tables.is_empty()
    }

    /// How a table is to be kept.
    pub(crate) fn mode_of(&self, source: &str) -> TableMode {
        self.table(source).and_then(|table| table.mode).unwrap_or(self.mode)
    }

    /// The column by which the versions of a table's rows are timed, if not by their syncs.
    pub(crate) fn version_time_of(&self, source: &str) -> Option<&str> {
        self.table(source).and_then(|table| table.version_time.as_deref())
    }

    /// The most that a sweep may delete of a table: what the user says goes before what the function says.
    pub(crate) fn max_deletes_of(&self, source: &str, told: Option<Share>) -> Option<Share> {
        let decided = self.table(source).and_then(|table| table.max_deletes).or(self.max_deletes);
        decided.or(told).filter(|_| !self.any_deletes)
    }

    /// Whether some column must be unique, so that each page lands by itself: rows are compared with those
    /// of the pages before.
    pub(crate) fn has_unique(&self) -> bool {
        let contracts = self.tables.values().flat_map(|table| table.contracts.values());
        contracts.into_iter().any(|contract| contract.unique)
    }

    /// Whether some column is hashed, so that a salt is needed.
    pub fn hashes(&self) -> bool {
        let columns = self.tables.values().flat_map(|table| table.columns.values());
        columns.into_iter().any(|column| *column == ColumnPolicy::Hash)
    }
}

/// How the values of a column on a page are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// As they are.
    #[default]
    Plain,
    /// They are left out.
    HoldBack,
    Hash,
    Lock(ColumnType),
}

/// Gives a page's columns the shapes that their treatment leads to, so that the table grows to hold
/// what is written and not what came.
pub(crate) fn treat(
    page: &mut PageColumns<'_>,
    known: impl Fn(&str) -> Option<Shape>,
    of: impl Fn(&str) -> Treatment,
) {
    for column in &mut page.columns {
        column.treatment = of(&column.source);
        let shape = match column.treatment {
            Treatment::Plain | Treatment::HoldBack => continue,
            Treatment::Hash => Shape::of(Feature::Text),
            Treatment::Lock(ColumnType::Decimal { .. }) => {
                decimal_shape(known(&column.source).unwrap_or_default(), column, page.text)
            }
            Treatment::Lock(locked) => shape_of(locked),
        };
        let Some(first) = column.sightings.first() else { continue };
        column.sightings = vec![Sighting { shape, row: first.row }];
        column.shape = shape;
    }
}

/// The least shape of a column of this type.
pub(crate) fn shape_of(column_type: ColumnType) -> Shape {
    Shape::of(match column_type {
        ColumnType::Boolean => Feature::Boolean,
        ColumnType::Long | ColumnType::Decimal { .. } => Feature::Integer,
        ColumnType::Double => Feature::Fraction,
        ColumnType::LocalDate => Feature::Date,
        ColumnType::LocalDateTime => Feature::DateTime,
        ColumnType::Instant => Feature::Instant,
        ColumnType::String => Feature::Text,
        ColumnType::Json => Feature::Nested,
    })
}

/// A decimal that holds the digits of as many numbers as there is room for: precision and scale may
/// still grow under a lock (section 5.7).
fn decimal_shape(known: Shape, column: &PageColumn, text: &str) -> Shape {
    let (mut integer_digits, mut scale) = (known.integer_digits, known.scale);
    for cell in &column.cells {
        let Some(literal) = arrays::as_number(*cell, text) else { continue };
        let shape = number::read(&literal).0;
        let grown = (integer_digits.max(shape.integer_digits), scale.max(shape.scale));
        if fits_decimal(grown.0, grown.1) {
            (integer_digits, scale) = grown;
        }
    }
    let features = Features::of(Feature::BigInteger).union(Features::of(Feature::Inexact));
    debug_assert!(integer_digits + scale <= DECIMAL_DIGITS_MAX, "what grew fits");
    Shape { features, integer_digits, scale }
}

/// Whether a column of this type holds what a lock to that type asks for.
pub(crate) fn keeps_lock(column_type: ColumnType, locked: ColumnType) -> bool {
    match (column_type, locked) {
        (ColumnType::Decimal { .. }, ColumnType::Decimal { .. }) => true,
        _ => column_type == locked,
    }
}
