//! Binary formats: Parquet and Arrow IPC.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_ipc::writer::StreamWriter;
use fluxdb::arrow_types::Schema;
use fluxdb::{Batch, arrow_schema, to_record_batch};
use parquet::arrow::ArrowWriter as ParquetArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{Columns, ResultWriter};

/// One Arrow IPC stream a result.
#[derive(Default)]
pub struct ArrowWriter {
    writer: Option<(StreamWriter<Vec<u8>>, Arc<Schema>)>,
}

/// Passes on what an encoder has written so far, so that memory stays small.
fn drain(buffer: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(buffer)?;
    buffer.clear();
    Ok(())
}

impl ResultWriter for ArrowWriter {
    fn begin(&mut self, columns: &Columns, out: &mut dyn Write) -> io::Result<()> {
        let schema = arrow_schema(columns);
        let mut writer = StreamWriter::try_new(vec![], &schema).map_err(io::Error::other)?;
        drain(writer.get_mut(), out)?;
        self.writer = Some((writer, schema));
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let Some((writer, schema)) = &mut self.writer else { return Ok(()) };
        let batch = to_record_batch(batch.clone(), schema).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
        drain(writer.get_mut(), out)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some((mut writer, _)) = self.writer.take() else { return Ok(()) };
        writer.finish().map_err(io::Error::other)?;
        drain(writer.get_mut(), out)
    }
}

/// One Parquet file a result, row groups of 122,880 rows.
#[derive(Default)]
pub struct ParquetWriter {
    writer: Option<(ParquetArrowWriter<Vec<u8>>, Arc<Schema>)>,
}

impl ResultWriter for ParquetWriter {
    fn begin(&mut self, columns: &Columns, _: &mut dyn Write) -> io::Result<()> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(122_880))
            .build();
        let schema = arrow_schema(columns);
        let writer = ParquetArrowWriter::try_new(vec![], schema.clone(), Some(properties));
        self.writer = Some((writer.map_err(io::Error::other)?, schema));
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let Some((writer, schema)) = &mut self.writer else { return Ok(()) };
        let batch = to_record_batch(batch.clone(), schema).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
        drain(writer.inner_mut(), out)
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some((writer, _)) = self.writer.take() else { return Ok(()) };
        out.write_all(&writer.into_inner().map_err(io::Error::other)?)
    }
}
