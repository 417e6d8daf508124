//! Parquet: rows of columns, batch by batch, each value to its last digit.

use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::FormatError;
use super::arrow::write_rows;
use super::rows::{Piece, Position, RowReader};
use super::text::File;

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 1024;
/// What is read of the file at once, and how much of it stays in memory: readers of columns take turns.
const CHUNK_BYTES: u64 = 4 << 20;
const CHUNKS_MAX: usize = 16;

/// The rows of a Parquet file.
pub(super) struct ParquetRows {
    reader: ParquetRecordBatchReader,
    /// Rows that are decoded and not given out.
    batch: Piece,
    given: usize,
    row: u64,
}

impl ParquetRows {
    /// Begins at a position that [`RowReader::position`] told.
    pub(super) fn open(file: Box<dyn File>, at: Position) -> Result<ParquetRows, FormatError> {
        // Names of zones that only Arrow keeps beside the file's own types say nothing of the values.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder =
            ParquetRecordBatchReaderBuilder::try_new_with_options(Chunks::new(file)?, options);
        let builder = builder.map_err(broken)?.with_batch_size(BATCH_ROWS);
        let builder = builder.with_offset(usize::try_from(at.row).unwrap_or(usize::MAX));
        let reader = builder.build().map_err(broken)?;
        Ok(ParquetRows { reader, batch: Piece::default(), given: 0, row: at.row })
    }
}

impl RowReader for ParquetRows {
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError> {
        if self.given == self.batch.ranges.len() {
            let Some(batch) = self.reader.next() else { return Ok(false) };
            let batch = batch.map_err(|error| broken(error.into()))?;
            (self.batch, self.given) = (Piece::default(), 0);
            write_rows(&batch, self.row, &mut self.batch)?;
            if self.batch.ranges.is_empty() {
                return Ok(true);
            }
        }
        let row = &self.batch.json[self.batch.ranges[self.given].clone()];
        self.given += 1;
        self.row += 1;
        piece.push(self.row, |json| json.push_str(row));
        piece.non_finite |= self.batch.non_finite;
        Ok(true)
    }

    fn position(&self) -> Position {
        Position { at: self.row, line: 0, row: self.row }
    }
}

fn broken(error: ParquetError) -> FormatError {
    FormatError::Packed(format!("the Parquet is broken: {error}"))
}

/// A file that columns read from in turn, its last chunks in memory.
#[derive(Clone)]
struct Chunks(Arc<Mutex<Inner>>, u64);

struct Inner {
    file: Box<dyn File>,
    /// The newest last.
    chunks: VecDeque<(u64, Bytes)>,
}

impl Chunks {
    fn new(mut file: Box<dyn File>) -> Result<Chunks, FormatError> {
        let length = file.seek(SeekFrom::End(0))?;
        Ok(Chunks(Arc::new(Mutex::new(Inner { file, chunks: VecDeque::new() })), length))
    }

    /// The bytes from here to the end of their chunk.
    fn rest_of_chunk(&self, at: u64) -> std::io::Result<Bytes> {
        let number = at / CHUNK_BYTES;
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = inner.chunks.iter().position(|(known, _)| *known == number);
        let chunk = if let Some((_, chunk)) = known.and_then(|known| inner.chunks.remove(known)) {
            chunk
        } else {
            let mut bytes = Vec::new();
            inner.file.seek(SeekFrom::Start(number * CHUNK_BYTES))?;
            inner.file.as_mut().take(CHUNK_BYTES).read_to_end(&mut bytes)?;
            bytes.into()
        };
        inner.chunks.push_back((number, chunk.clone()));
        if inner.chunks.len() > CHUNKS_MAX {
            inner.chunks.pop_front();
        }
        let inside = usize::try_from(at % CHUNK_BYTES).unwrap_or(usize::MAX);
        Ok(chunk.slice(inside.min(chunk.len())..))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.1
    }
}

impl ChunkReader for Chunks {
    type T = ChunkRead;

    fn get_read(&self, start: u64) -> Result<ChunkRead, ParquetError> {
        Ok(ChunkRead { chunks: self.clone(), at: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let first = self.rest_of_chunk(start)?;
        if first.len() >= length {
            return Ok(first.slice(..length));
        }
        if length as u64 > self.1 {
            return Err(ParquetError::General("a column is longer than the file".into()));
        }
        let mut bytes = BytesMut::with_capacity(length);
        bytes.extend_from_slice(&first);
        while bytes.len() < length {
            let more = self.rest_of_chunk(start + bytes.len() as u64)?;
            if more.is_empty() {
                return Err(ParquetError::EOF("the file ends too early".into()));
            }
            bytes.extend_from_slice(&more[..more.len().min(length - bytes.len())]);
        }
        Ok(bytes.freeze())
    }
}

/// Reads on from a place.
struct ChunkRead {
    chunks: Chunks,
    at: u64,
}

impl Read for ChunkRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = (&self.chunks.rest_of_chunk(self.at)?[..]).read(buffer)?;
        self.at += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder};
    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
        Float64Array, Int64Array, RecordBatch, StringArray, StructArray, Time64MicrosecondArray,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    };
    use arrow_buffer::i256;
    use expect_test::{Expect, expect};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
    use parquet::file::properties::WriterProperties;

    use super::*;

    fn file(columns: Vec<(&str, ArrayRef)>, packing: Compression, group: usize) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let properties = WriterProperties::builder()
            .set_compression(packing)
            .set_max_row_group_row_count(Some(group))
            .build();
        let mut file = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).expect("memory");
        writer.write(&batch).expect("memory");
        writer.close().expect("memory");
        file
    }

    fn check(columns: Vec<(&str, ArrayRef)>, expected: Expect) {
        let file = file(columns, Compression::SNAPPY, 1);
        let open = |at| ParquetRows::open(Box::new(std::io::Cursor::new(file.clone())), at);
        expected.assert_eq(&crate::format::rows::tests::told(&open));
    }

    #[test]
    fn values_keep_every_digit() {
        let decimals = Decimal128Array::from(vec![1990, -5]).with_precision_and_scale(20, 2);
        let wide = i256::from_string("12345678901234567890123456789012345678901234567890");
        let wide = vec![wide.expect("digits"), i256::from_i128(-1)];
        let wide = Decimal256Array::from(wide).with_precision_and_scale(60, 5);
        check(
            vec![
                ("price", Arc::new(decimals.expect("a precision"))),
                ("wide", Arc::new(wide.expect("a precision"))),
                ("long", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
                ("big", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
                ("float", Arc::new(Float64Array::from(vec![1.0, 0.1]))),
                ("yes", Arc::new(BooleanArray::from(vec![true, false]))),
            ],
            expect![[r#"
                {"price":19.90,"wide":123456789012345678901234567890123456789012345.67890,"long":-9223372036854775808,"big":18446744073709551615,"float":1.0,"yes":true}
                {"price":-0.05,"wide":-0.00001,"long":null,"big":0,"float":0.1,"yes":false}"#]],
        );
    }

    #[test]
    fn times_texts_and_bytes() {
        let instants = TimestampNanosecondArray::from(vec![1_700_000_000_123_456_789]);
        check(
            vec![
                ("at", Arc::new(instants.with_timezone("Europe/Berlin"))),
                ("local", Arc::new(TimestampMicrosecondArray::from(vec![1_700_000_000_000_001]))),
                ("day", Arc::new(Date32Array::from(vec![19_000]))),
                ("time", Arc::new(Time64MicrosecondArray::from(vec![3_600_000_001]))),
                ("text", Arc::new(StringArray::from(vec!["\"ä\"\n"]))),
                ("bytes", Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..]]))),
            ],
            expect![[
                r#"{"at":"2023-11-14T22:13:20.123456789Z","local":"2023-11-14T22:13:20.000001","day":"2022-01-08","time":"01:00:00.000001","text":"\"ä\"\n","bytes":"AP8="}"#
            ]],
        );
    }

    #[test]
    fn lists_structures_and_maps() {
        let mut list = ListBuilder::new(Int32Builder::new());
        list.append_value([Some(1), None]);
        list.append_null();
        list.append_value([]);
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        map.keys().append_value("a\"b");
        map.values().append_value(1);
        map.append(true).expect("a key for each value");
        map.append(true).expect("a key for each value");
        map.append(false).expect("a key for each value");
        let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("y")]));
        let outer = StructArray::try_from(vec![("in", inner)]).expect("columns");
        check(
            vec![
                ("list", Arc::new(list.finish())),
                ("map", Arc::new(map.finish())),
                ("outer", Arc::new(outer)),
            ],
            expect![[r#"
                {"list":[1,null],"map":{"a\"b":1},"outer":{"in":"x"}}
                {"list":null,"map":{},"outer":{"in":null}}
                {"list":[],"map":null,"outer":{"in":"y"}}"#]],
        );
    }

    #[test]
    fn every_packing_and_many_groups() {
        for packing in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::BROTLI(BrotliLevel::default()),
            Compression::LZ4_RAW,
            Compression::ZSTD(ZstdLevel::default()),
        ] {
            let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..5000));
            let file = file(vec![("id", ids)], packing, 700);
            let mut piece = Piece::default();
            for start in [0, 2500, 4999, 5000] {
                let at = Position { at: start, line: 0, row: start };
                let file = Box::new(std::io::Cursor::new(file.clone()));
                let mut rows = ParquetRows::open(file, at).expect("a file");
                let first = piece.ranges.len();
                while rows.read(&mut piece).expect("rows") {}
                assert_eq!(
                    piece.ranges.len() - first,
                    5000 - usize::try_from(start).expect("a few rows"),
                    "{packing:?}"
                );
            }
            assert_eq!(&piece.json[piece.ranges[5000].clone()], r#"{"id":2500}"#);
        }
    }

    #[test]
    fn what_is_no_parquet_is_told() {
        let open = |body: &'static [u8]| {
            let rows = ParquetRows::open(Box::new(std::io::Cursor::new(body)), Position::default());
            rows.err().expect("no file").to_string()
        };
        assert!(open(b"").starts_with("the Parquet is broken: "), "{}", open(b""));
        assert!(open(b"id,name\n1,a\n").starts_with("the Parquet is broken: "));
    }
}
