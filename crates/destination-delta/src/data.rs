//! Rows as Parquet files, and back.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{Field, Schema, SchemaRef};
use engine::DestinationError;
use futures_util::{Stream, StreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::async_reader::ParquetObjectReader;
use parquet::arrow::async_writer::ParquetObjectWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::actions::{Add, Column};
use crate::failure::{self, refused};
use crate::place::Lake;
use crate::records::now;

/// Rows in one go: it bounds the memory of reading.
const READ_ROWS_MAX: usize = 16_384;

/// A file that is being written; nobody knows of it before a record names it.
pub(crate) struct Writing {
    name: String,
    path: Path,
    schema: SchemaRef,
    writer: AsyncArrowWriter<ParquetObjectWriter>,
    rows: u64,
}

impl Writing {
    pub(crate) fn begin(
        lake: &Lake,
        folder: &Path,
        columns: &[Column],
    ) -> Result<Writing, DestinationError> {
        let name = format!("part-{}.parquet", uuid::Uuid::new_v4());
        let path = folder.clone().join(name.as_str());
        let fields = columns.iter().map(|(name, kind)| Field::new(name, kind.arrow(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let zstd = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(zstd).build();
        let writer = ParquetObjectWriter::new(Arc::clone(&lake.store), path.clone());
        let writer = AsyncArrowWriter::try_new(writer, Arc::clone(&schema), Some(properties));
        let writer = writer.map_err(|error| of(error, &path))?;
        Ok(Writing { name, path, schema, writer, rows: 0 })
    }

    pub(crate) async fn write(&mut self, rows: &RecordBatch) -> Result<(), DestinationError> {
        self.rows += rows.num_rows() as u64;
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), rows.columns().to_vec());
        let written = self.writer.write(&rows.expect("rows are of their columns' types")).await;
        written.map_err(|error| of(error, &self.path))
    }

    pub(crate) async fn finish(self, lake: &Lake) -> Result<Add, DestinationError> {
        self.writer.close().await.map_err(|error| of(error, &self.path))?;
        let written = lake.store.head(&self.path).await;
        let written = written.map_err(|error| failure::of(&error, "looking at a new file"))?;
        Ok(Add::new(self.name, written.size, self.rows, now()))
    }
}

/// The rows of a file, with a table's columns in their order; one that the file lacks is empty.
pub(crate) async fn read(
    lake: &Lake,
    folder: &Path,
    file: &Add,
    columns: &[Column],
) -> Result<
    impl Stream<Item = Result<RecordBatch, DestinationError>> + Send + use<>,
    DestinationError,
> {
    let elsewhere = |_| {
        let message = format!("{folder} names a file that is elsewhere");
        refused("table_changed_by_hand", message, "resync the table with --rebuild")
    };
    let relative = Path::from_url_path(&file.path).map_err(elsewhere)?;
    let path: Path = folder.parts().chain(relative.parts()).collect();
    let reader = ParquetObjectReader::new(Arc::clone(&lake.store), path.clone());
    let reader = reader.with_file_size(file.size);
    let opened = ParquetRecordBatchStreamBuilder::new(reader).await;
    let opened = opened.map_err(|error| of(error, &path))?.with_batch_size(READ_ROWS_MAX);
    let rows = opened.build().map_err(|error| of(error, &path))?;
    let columns = columns.to_vec();
    Ok(rows.map(move |rows| arranged(&rows.map_err(|error| of(error, &path))?, &columns)))
}

fn arranged(rows: &RecordBatch, columns: &[Column]) -> Result<RecordBatch, DestinationError> {
    let arrays = columns.iter().map(|(name, kind)| -> Result<ArrayRef, DestinationError> {
        let kind = kind.arrow();
        match rows.column_by_name(name) {
            None => Ok(new_null_array(&kind, rows.num_rows())),
            Some(array) if *array.data_type() == kind => Ok(Arc::clone(array)),
            // Other programs that join files may choose other types of Arrow for the same of Parquet.
            Some(array) => arrow_cast::cast(array, &kind).map_err(|error| {
                let message = format!("column {name} of a file is of another type: {error}");
                refused("table_changed_by_hand", message, "resync the table with --rebuild")
            }),
        }
    });
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    let named = columns.iter().zip(arrays).map(|((name, _), array)| (name, array, true));
    Ok(RecordBatch::try_from_iter_with_nullable(named).expect("the columns are of one length"))
}

fn of(error: ParquetError, path: &Path) -> DestinationError {
    if let ParquetError::External(error) = &error
        && let Some(error) = error.downcast_ref::<object_store::Error>()
    {
        return failure::of(error, path.as_ref());
    }
    DestinationError::Unavailable(format!("{path}: {error}"))
}
