//! Typed values one by one, and their canonical text.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use engine::{ColumnType, widen};

/// One value as the in-memory destination keeps it; the type of its column says how to read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    Null,
    Boolean(bool),
    Long(i64),
    /// Times ten to the power of the column's scale.
    Decimal(i128),
    /// The bits; a negative zero is a zero, as every database compares them.
    Double(u64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00.
    Moment(i64),
    /// A string or JSON.
    Text(Arc<str>),
}

impl Cell {
    pub fn double(value: f64) -> Cell {
        Cell::Double((value + 0.0).to_bits())
    }

    pub fn text(value: &str) -> Cell {
        Cell::Text(value.into())
    }
}

/// The values of an array, typed by its Arrow type.
///
/// # Panics
/// When the array is of a type that no column has.
pub fn cells(array: &ArrayRef) -> Vec<Cell> {
    fn primitive<T: ArrowPrimitiveType>(
        array: &ArrayRef,
        cell: impl Fn(T::Native) -> Cell,
    ) -> Vec<Cell> {
        array.as_primitive::<T>().iter().map(|value| value.map_or(Cell::Null, &cell)).collect()
    }
    match column_type(array.data_type()) {
        ColumnType::Boolean => {
            array.as_boolean().iter().map(|value| value.map_or(Cell::Null, Cell::Boolean)).collect()
        }
        ColumnType::Long => primitive::<Int64Type>(array, Cell::Long),
        ColumnType::Decimal { .. } => primitive::<Decimal128Type>(array, Cell::Decimal),
        ColumnType::Double => primitive::<Float64Type>(array, Cell::double),
        ColumnType::LocalDate => primitive::<Date32Type>(array, Cell::Date),
        ColumnType::LocalDateTime | ColumnType::Instant => {
            primitive::<TimestampMicrosecondType>(array, Cell::Moment)
        }
        ColumnType::String | ColumnType::Json => {
            array.as_string::<i32>().iter().map(|v| v.map_or(Cell::Null, Cell::text)).collect()
        }
    }
}

/// The array of a column with these values: the reverse of [`cells`].
///
/// # Panics
/// When a value is not of the column's type.
pub fn array<'c>(cells: impl Iterator<Item = &'c Cell>, column_type: ColumnType) -> ArrayRef {
    fn primitive<'c, T: ArrowPrimitiveType>(
        cells: impl Iterator<Item = &'c Cell>,
        column_type: ColumnType,
        value: impl Fn(&Cell) -> T::Native,
    ) -> ArrayRef {
        let values = cells.map(|cell| (*cell != Cell::Null).then(|| value(cell)));
        let array: PrimitiveArray<T> = values.collect();
        Arc::new(array.with_data_type(column_type.arrow()))
    }
    match column_type {
        ColumnType::Boolean => {
            let values = cells.map(|cell| match cell {
                Cell::Null => None,
                Cell::Boolean(value) => Some(*value),
                other => unreachable!("{other:?} is no {column_type}"),
            });
            Arc::new(values.collect::<BooleanArray>())
        }
        ColumnType::Long => primitive::<Int64Type>(cells, column_type, |cell| match cell {
            Cell::Long(value) => *value,
            other => unreachable!("{other:?} is no {column_type}"),
        }),
        ColumnType::Decimal { .. } => {
            primitive::<Decimal128Type>(cells, column_type, |cell| match cell {
                Cell::Decimal(value) => *value,
                other => unreachable!("{other:?} is no {column_type}"),
            })
        }
        ColumnType::Double => primitive::<Float64Type>(cells, column_type, |cell| match cell {
            Cell::Double(bits) => f64::from_bits(*bits),
            other => unreachable!("{other:?} is no {column_type}"),
        }),
        ColumnType::LocalDate => primitive::<Date32Type>(cells, column_type, |cell| match cell {
            Cell::Date(days) => *days,
            other => unreachable!("{other:?} is no {column_type}"),
        }),
        ColumnType::LocalDateTime | ColumnType::Instant => {
            primitive::<TimestampMicrosecondType>(cells, column_type, |cell| match cell {
                Cell::Moment(micros) => *micros,
                other => unreachable!("{other:?} is no {column_type}"),
            })
        }
        ColumnType::String | ColumnType::Json => {
            let mut builder = StringBuilder::new();
            for cell in cells {
                match cell {
                    Cell::Null => builder.append_null(),
                    Cell::Text(text) => builder.append_value(text),
                    other => unreachable!("{other:?} is no {column_type}"),
                }
            }
            Arc::new(builder.finish())
        }
    }
}

/// Each value's canonical text: that which the engine gives a value when its column widens to a string,
/// so equal values have equal texts whichever destination they were read from. `None` is NULL.
///
/// # Panics
/// When the array is of a type that no column has.
pub fn texts(array: &ArrayRef) -> Vec<Option<String>> {
    let texts = widen(array, column_type(array.data_type()), ColumnType::String);
    texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

/// The column type that an Arrow type stands for; JSON reads as a string.
fn column_type(data_type: &DataType) -> ColumnType {
    match data_type {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int64 => ColumnType::Long,
        DataType::Decimal128(_, scale) => {
            ColumnType::Decimal { scale: u8::try_from(*scale).expect("no scale is negative") }
        }
        DataType::Float64 => ColumnType::Double,
        DataType::Date32 => ColumnType::LocalDate,
        DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::LocalDateTime,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ColumnType::Instant,
        DataType::Utf8 => ColumnType::String,
        other => unreachable!("no column has the type {other}"),
    }
}
