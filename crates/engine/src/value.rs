use std::fmt;

use arrow_schema::{DataType, TimeUnit};

/// Digits a decimal can hold (section 5.4).
pub const DECIMAL_DIGITS_MAX: u16 = 38;
/// Digits a decimal can hold after its point (section 5.4).
pub const DECIMAL_SCALE_MAX: u8 = 37;

/// Whether a decimal can hold a number with so many digits before and after its point.
pub(crate) fn fits_decimal(integer_digits: u16, scale: u16) -> bool {
    scale <= u16::from(DECIMAL_SCALE_MAX) && integer_digits + scale <= DECIMAL_DIGITS_MAX
}

/// The types of columns: Fivetran's, in camel case when printed (section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    Boolean,
    /// 64-bit integer, the smallest stored (Dec-56).
    Long,
    /// `BIGDECIMAL`: 38 digits, `scale` of them after the point.
    Decimal {
        scale: u8,
    },
    Double,
    LocalDate,
    /// Microseconds, without time zone.
    LocalDateTime,
    /// Microseconds, in UTC.
    Instant,
    String,
    Json,
}

impl ColumnType {
    /// The Arrow type of the column in a [`crate::TableBatch`].
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Long => DataType::Int64,
            ColumnType::Decimal { scale } => DataType::Decimal128(
                38,
                i8::try_from(scale).expect("a scale is at most DECIMAL_SCALE_MAX"),
            ),
            ColumnType::Double => DataType::Float64,
            ColumnType::LocalDate => DataType::Date32,
            ColumnType::LocalDateTime => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::String | ColumnType::Json => DataType::Utf8,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnType::Boolean => f.write_str("boolean"),
            ColumnType::Long => f.write_str("long"),
            ColumnType::Decimal { scale } => write!(f, "bigDecimal(38,{scale})"),
            ColumnType::Double => f.write_str("double"),
            ColumnType::LocalDate => f.write_str("localDate"),
            ColumnType::LocalDateTime => f.write_str("localDateTime"),
            ColumnType::Instant => f.write_str("instant"),
            ColumnType::String => f.write_str("string"),
            ColumnType::Json => f.write_str("json"),
        }
    }
}
