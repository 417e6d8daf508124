//! Values in the binary form in which a server sends them, as Arrow columns.

use std::error::Error;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use engine::ColumnType;
use tokio_postgres::types::{FromSql, Type};

use crate::rows::{BASE_DIGITS, EPOCH_DAYS, EPOCH_MICROS, NEGATIVE, POSITIVE};

/// The bytes of a value, whatever its type.
pub(crate) struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw<'a>, Box<dyn Error + Sync + Send>> {
        Ok(Raw(raw))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A column that grows by a value for each row.
pub(crate) enum Arrived {
    Boolean(BooleanBuilder),
    Long(Vec<Option<i64>>),
    Decimal(Vec<Option<i128>>, u8),
    Double(Vec<Option<f64>>),
    Date(Vec<Option<i32>>),
    Moment(Vec<Option<i64>>),
    Text(StringBuilder),
}

impl Arrived {
    pub(crate) fn of(column_type: ColumnType, rows: usize) -> Arrived {
        match column_type {
            ColumnType::Boolean => Arrived::Boolean(BooleanBuilder::with_capacity(rows)),
            ColumnType::Long => Arrived::Long(Vec::with_capacity(rows)),
            ColumnType::Decimal { scale } => Arrived::Decimal(Vec::with_capacity(rows), scale),
            ColumnType::Double => Arrived::Double(Vec::with_capacity(rows)),
            ColumnType::LocalDate => Arrived::Date(Vec::with_capacity(rows)),
            ColumnType::LocalDateTime | ColumnType::Instant => {
                Arrived::Moment(Vec::with_capacity(rows))
            }
            ColumnType::String | ColumnType::Json => Arrived::Text(StringBuilder::new()),
        }
    }

    /// Takes the next row's value; `None` where it is not of the column's type.
    pub(crate) fn push(&mut self, value: Option<Raw<'_>>) -> Option<()> {
        let bytes = value.map(|raw| raw.0);
        match self {
            Arrived::Boolean(booleans) => booleans.append_option(match bytes {
                None => None,
                Some([byte]) => Some(*byte != 0),
                Some(_) => return None,
            }),
            Arrived::Long(longs) => longs.push(match bytes {
                None => None,
                Some(bytes) => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
            }),
            Arrived::Double(doubles) => doubles.push(match bytes {
                None => None,
                Some(bytes) => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
            }),
            Arrived::Date(dates) => dates.push(match bytes {
                None => None,
                Some(bytes) => {
                    Some(i32::from_be_bytes(bytes.try_into().ok()?).checked_add(EPOCH_DAYS)?)
                }
            }),
            Arrived::Moment(moments) => moments.push(match bytes {
                None => None,
                Some(bytes) => {
                    Some(i64::from_be_bytes(bytes.try_into().ok()?).checked_add(EPOCH_MICROS)?)
                }
            }),
            Arrived::Decimal(decimals, scale) => decimals.push(match bytes {
                None => None,
                Some(bytes) => Some(numeric(bytes, *scale)?),
            }),
            Arrived::Text(texts) => texts.append_option(match bytes {
                None => None,
                Some(bytes) => Some(std::str::from_utf8(bytes).ok()?),
            }),
        }
        Some(())
    }

    pub(crate) fn finish(self, column_type: ColumnType) -> ArrayRef {
        match self {
            Arrived::Boolean(mut booleans) => Arc::new(booleans.finish()),
            Arrived::Long(longs) => Arc::new(Int64Array::from(longs)),
            Arrived::Decimal(decimals, _) => {
                Arc::new(Decimal128Array::from(decimals).with_data_type(column_type.arrow()))
            }
            Arrived::Double(doubles) => Arc::new(Float64Array::from(doubles)),
            Arrived::Date(dates) => Arc::new(Date32Array::from(dates)),
            Arrived::Moment(moments) => Arc::new(
                TimestampMicrosecondArray::from(moments).with_data_type(column_type.arrow()),
            ),
            Arrived::Text(mut texts) => Arc::new(texts.finish()),
        }
    }
}

/// A numeric times ten to the power of `scale`; `None` for NaN, infinity, and what has more digits.
fn numeric(bytes: &[u8], scale: u8) -> Option<i128> {
    let short = |at: usize| Some(i16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (count, weight) = (usize::try_from(short(0)?).ok()?, i32::from(short(2)?));
    let sign = u16::from_be_bytes(bytes.get(4..6)?.try_into().ok()?);
    if sign != POSITIVE && sign != NEGATIVE {
        return None;
    }
    let mut size: i128 = 0;
    for group in 0..count {
        let digits = i128::from(short(8 + 2 * group)?);
        // The group's last digit stands for ten to this power.
        let power =
            BASE_DIGITS.cast_signed() * (weight - i32::try_from(group).ok()?) + i32::from(scale);
        let digits = match u32::try_from(power) {
            Ok(power) => digits.checked_mul(10_i128.checked_pow(power)?)?,
            Err(_) => {
                let one = 10_i128.checked_pow(power.unsigned_abs())?;
                if digits % one != 0 {
                    return None;
                }
                digits / one
            }
        };
        size = size.checked_add(digits)?;
    }
    Some(if sign == NEGATIVE { -size } else { size })
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::rows::put_numeric;

    #[test]
    fn f_166_f_167_decimals_come_back_to_the_last_digit() {
        let most = 10_i128.pow(38) - 1;
        for scale in 0..=37 {
            for value in [0, 1, -1, 9999, 10_000, -10_001, 123_456_789, most, -most, most / 7] {
                let mut sent = BytesMut::new();
                put_numeric(value, scale, &mut sent);
                let found = numeric(&sent[4..], scale);
                assert_eq!(found, Some(value), "{value} with {scale} digits after the point");
            }
        }
        let nan = [0, 0, 0, 0, 0xc0, 0, 0, 0];
        assert_eq!(numeric(&nan, 2), None);
        assert_eq!(numeric(&[0, 1, 0, 0], 2), None, "cut short");
    }
}
