//! Arrow columns as the binary form of COPY
//! (<https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4>).

use std::pin::pin;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_array::{
    Date32Array, Decimal128Array, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use tokio_postgres::{Client, Error};

/// What is gathered before it is sent: more than a socket takes at once, less than a cache holds.
const CHUNK_BYTES: usize = 256 << 10;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// No flags, and no extension of the header.
const FLAGS: [u8; 8] = [0; 8];
const END: i16 = -1;
const NULL: i32 = -1;

/// 2000-01-01, from which Postgres counts, in days since 1970-01-01.
pub(crate) const EPOCH_DAYS: i32 = 10_957;
pub(crate) const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Runs a COPY statement over the rows; answers how many it wrote.
pub(crate) async fn copy(
    client: &Client,
    statement: &str,
    rows: &[RecordBatch],
) -> Result<u64, Error> {
    let mut sink = pin!(client.copy_in::<_, Bytes>(statement).await?);
    let mut out = BytesMut::with_capacity(CHUNK_BYTES + (CHUNK_BYTES >> 2));
    out.put_slice(SIGNATURE);
    out.put_slice(&FLAGS);
    for batch in rows {
        let columns: Vec<Column> = batch.columns().iter().map(Column::of).collect();
        let width = i16::try_from(columns.len()).expect("a table has at most 1600 columns");
        for row in 0..batch.num_rows() {
            out.put_i16(width);
            for column in &columns {
                column.write(row, &mut out);
            }
            if out.len() >= CHUNK_BYTES {
                sink.feed(out.split().freeze()).await?;
                out.reserve(CHUNK_BYTES + (CHUNK_BYTES >> 2));
            }
        }
    }
    out.put_i16(END);
    sink.feed(out.freeze()).await?;
    sink.finish().await
}

/// An array, told apart once.
enum Column<'a> {
    Boolean(&'a BooleanArray),
    Long(&'a Int64Array),
    Decimal(&'a Decimal128Array, u8),
    Double(&'a Float64Array),
    Date(&'a Date32Array),
    Moment(&'a TimestampMicrosecondArray),
    Text(&'a StringArray),
}

impl Column<'_> {
    fn of(array: &ArrayRef) -> Column<'_> {
        use arrow_array::types::ArrowPrimitiveType;
        fn is<T: ArrowPrimitiveType>(array: &ArrayRef) -> bool {
            array.as_primitive_opt::<T>().is_some()
        }
        if let Some(texts) = array.as_string_opt::<i32>() {
            Column::Text(texts)
        } else if let Some(booleans) = array.as_boolean_opt() {
            Column::Boolean(booleans)
        } else if let Some(decimals) = array.as_primitive_opt::<Decimal128Type>() {
            let scale = u8::try_from(decimals.scale()).expect("no scale is negative");
            Column::Decimal(decimals, scale)
        } else if is::<Int64Type>(array) {
            Column::Long(array.as_primitive())
        } else if is::<Float64Type>(array) {
            Column::Double(array.as_primitive())
        } else if is::<Date32Type>(array) {
            Column::Date(array.as_primitive())
        } else {
            Column::Moment(array.as_primitive::<TimestampMicrosecondType>())
        }
    }

    /// The value's length in bytes and its bytes.
    #[inline]
    fn write(&self, row: usize, out: &mut BytesMut) {
        if self.is_null(row) {
            out.put_i32(NULL);
            return;
        }
        match self {
            Column::Boolean(array) => {
                out.put_i32(1);
                out.put_u8(u8::from(array.value(row)));
            }
            Column::Long(array) => put_eight(array.value(row), out),
            Column::Decimal(array, scale) => put_numeric(array.value(row), *scale, out),
            Column::Double(array) => {
                out.put_i32(8);
                out.put_f64(array.value(row));
            }
            Column::Date(array) => {
                out.put_i32(4);
                out.put_i32(array.value(row) - EPOCH_DAYS);
            }
            Column::Moment(array) => put_eight(array.value(row) - EPOCH_MICROS, out),
            Column::Text(array) => {
                let text = array.value(row).as_bytes();
                out.put_i32(i32::try_from(text.len()).expect("an array of texts is below 2 GiB"));
                out.put_slice(text);
            }
        }
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Boolean(array) => array.is_null(row),
            Column::Long(array) => array.is_null(row),
            Column::Decimal(array, _) => array.is_null(row),
            Column::Double(array) => array.is_null(row),
            Column::Date(array) => array.is_null(row),
            Column::Moment(array) => array.is_null(row),
            Column::Text(array) => array.is_null(row),
        }
    }
}

fn put_eight(value: i64, out: &mut BytesMut) {
    out.put_i32(8);
    out.put_i64(value);
}

/// Digits of a numeric are of base 10,000, in groups that the point does not part.
const BASE: u128 = 10_000;
pub(crate) const BASE_DIGITS: u32 = 4;
pub(crate) const POSITIVE: u16 = 0;
pub(crate) const NEGATIVE: u16 = 0x4000;
/// 38 digits before the point are ten groups, 37 after it as many.
const GROUPS_MAX: usize = 20;

/// `value` divided by ten to the power of `scale`.
pub(crate) fn put_numeric(value: i128, scale: u8, out: &mut BytesMut) {
    let size = value.unsigned_abs();
    let one = 10_u128.pow(u32::from(scale));
    let (mut whole, mut fraction) = (size / one, size % one);
    // From the last group to the first.
    let mut groups = [0_i16; GROUPS_MAX];
    let mut count = 0;
    let mut push = |group: u128| {
        groups[count] = i16::try_from(group).expect("a group is below 10,000");
        count += 1;
    };
    let rest = u32::from(scale) % BASE_DIGITS;
    if rest > 0 {
        let last = 10_u128.pow(rest);
        push(fraction % last * 10_u128.pow(BASE_DIGITS - rest));
        fraction /= last;
    }
    for _ in 0..u32::from(scale) / BASE_DIGITS {
        push(fraction % BASE);
        fraction /= BASE;
    }
    let mut weight = -1;
    while whole > 0 {
        push(whole % BASE);
        whole /= BASE;
        weight += 1;
    }
    let length = i16::try_from(count).expect("there are at most GROUPS_MAX groups");
    out.put_i32(8 + 2 * i32::from(length));
    out.put_i16(length);
    out.put_i16(weight);
    out.put_u16(if value < 0 { NEGATIVE } else { POSITIVE });
    out.put_u16(u16::from(scale));
    for group in groups[..count].iter().rev() {
        out.put_i16(*group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weight, sign, scale and groups, as they are sent.
    fn check(value: i128, scale: u8, expected: (i16, u16, u16, &[i16])) {
        let mut out = BytesMut::new();
        put_numeric(value, scale, &mut out);
        let (weight, sign, digits_after, groups) = expected;
        let mut wanted = BytesMut::new();
        let length = i16::try_from(groups.len()).expect("few groups");
        wanted.put_i32(8 + 2 * i32::from(length));
        wanted.put_i16(length);
        wanted.put_i16(weight);
        wanted.put_u16(sign);
        wanted.put_u16(digits_after);
        for group in groups {
            wanted.put_i16(*group);
        }
        assert_eq!(out, wanted, "{value} with {scale} digits after the point");
    }

    #[test]
    fn f_166_f_167_decimals_are_sent_to_the_last_digit() {
        check(0, 0, (-1, POSITIVE, 0, &[]));
        check(1, 0, (0, POSITIVE, 0, &[1]));
        check(-12_345, 0, (1, NEGATIVE, 0, &[1, 2345]));
        check(12_345, 2, (0, POSITIVE, 2, &[123, 4500]));
        check(12_345, 4, (0, POSITIVE, 4, &[1, 2345]));
        check(5, 5, (-1, POSITIVE, 5, &[0, 5000]));
        check(-5, 37, (-1, NEGATIVE, 37, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 5000]));
        let nines = [&[99][..], &[9999; 9]].concat();
        check(10_i128.pow(38) - 1, 0, (9, POSITIVE, 0, &nines));
        let nines = [&[9][..], &[9999; 9], &[9000]].concat();
        check(10_i128.pow(38) - 1, 37, (0, POSITIVE, 37, &nines));
    }
}
