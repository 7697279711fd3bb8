//! Writing an Arrow IPC file.

use std::fmt;
use std::io::BufWriter;
use std::sync::Arc;

use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{ArrowError, Schema as ArrowSchema};
use parking_lot::{Condvar, Mutex};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field, Schema, arrow_schema, to_record_batch};
use crate::exec::cast::cast;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::flatten;
use crate::exec::source::Sink;
use crate::io::files::Compression;
use crate::io::options::Options;
use crate::io::output::Output;

/// A writer to this path.
pub(crate) fn sink(
    path: &str,
    options: &[(String, Scalar, LogicalType)],
    schema: Schema,
) -> Result<Arc<dyn Sink>> {
    let options = Options::new("COPY TO", options, &["compression"])?;
    let codec = codec(&options)?;
    let written: Schema = schema.iter().map(|f| Field::new(&f.name, known_elsewhere(&f.ty))).collect();
    let arrow = arrow_schema(&written);
    let output = Output::create(path, Compression::None)?;
    let writer = IpcWriteOptions::default()
        .try_with_compression(codec)
        .and_then(|options| FileWriter::try_new_with_options(BufWriter::new(output), &arrow, options))
        .map_err(|e| failed(path, &e))?;
    let state = State { writer: Some(writer), next: 0, rows: 0 };
    Ok(Arc::new(ArrowSink {
        path: path.to_string(),
        columns: schema,
        written,
        schema: arrow,
        state: Mutex::new(state),
        turn: Condvar::new(),
    }))
}

/// How buffers are compressed, within the file: not at all, so that it can be mapped, unless it is asked for.
fn codec(options: &Options) -> Result<Option<CompressionType>> {
    let name = options.text(&["compression"])?.map(|n| n.to_ascii_lowercase());
    match name.as_deref() {
        None | Some("none" | "uncompressed") => Ok(None),
        Some("lz4") => Ok(Some(CompressionType::LZ4_FRAME)),
        Some("zstd") => Ok(Some(CompressionType::ZSTD)),
        Some(_) => Err(options.bad("compression", "must be lz4, zstd or none")),
    }
}

/// The type as which values are written: text for those whose layout means something else to others.
fn known_elsewhere(ty: &LogicalType) -> LogicalType {
    use LogicalType as T;
    match ty {
        T::Enum(_) | T::Bit | T::UHugeInt | T::BigNum | T::TimeTz | T::Union(_) => T::Varchar,
        T::Variant => T::Json,
        T::List(item) => T::List(Box::new(known_elsewhere(item))),
        T::Array(item, n) => T::Array(Box::new(known_elsewhere(item)), *n),
        T::Struct(fields) => {
            T::Struct(fields.iter().map(|(name, ty)| (name.clone(), known_elsewhere(ty))).collect())
        }
        T::Map(key, value) => T::Map(Box::new(known_elsewhere(key)), Box::new(known_elsewhere(value))),
        other => other.clone(),
    }
}

fn failed(path: &str, error: &ArrowError) -> ExecError {
    match error {
        ArrowError::IoError(_, e) => crate::io::files::io_error("write", path, e),
        other => ExecError::Io(format!("could not write \"{path}\": {other}")),
    }
}

/// Writes pieces in order; a caller that is early waits.
struct ArrowSink {
    path: String,
    /// What is pushed.
    columns: Schema,
    /// What is written.
    written: Schema,
    schema: Arc<ArrowSchema>,
    state: Mutex<State>,
    turn: Condvar,
}

struct State {
    /// `None` when it is finished or has failed.
    writer: Option<FileWriter<BufWriter<Output>>>,
    next: u64,
    rows: u64,
}

impl fmt::Debug for ArrowSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArrowSink({})", self.path)
    }
}

impl Sink for ArrowSink {
    fn describe(&self) -> String {
        format!("COPY_TO_FILE {}", self.path)
    }

    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()> {
        let mut ready = vec![];
        for batch in batches.into_iter().filter(|b| b.rows > 0) {
            let columns = batch
                .columns
                .iter()
                .zip(self.columns.iter().zip(self.written.iter()))
                .map(|(array, (from, to))| cast(&flatten(array)?, &from.ty, &to.ty, false))
                .collect::<Result<_>>()?;
            ready.push(to_record_batch(Batch::new(columns, batch.rows), &self.schema)?);
        }
        let mut state = self.state.lock();
        while state.next != sequence && state.writer.is_some() {
            self.turn.wait(&mut state);
        }
        state.next += 1;
        let mut done = Ok(());
        for batch in ready {
            let Some(writer) = &mut state.writer else { return Err(ExecError::Cancelled) };
            if let Err(e) = writer.write(&batch) {
                done = Err(failed(&self.path, &e));
                state.writer = None;
                break;
            }
            state.rows += batch.num_rows() as u64;
        }
        self.turn.notify_all();
        done
    }

    fn finish(&self) -> Result<u64> {
        let mut state = self.state.lock();
        let writer = state.writer.take().ok_or(ExecError::Cancelled)?;
        let buffered = writer.into_inner().map_err(|e| failed(&self.path, &e))?;
        let output =
            buffered.into_inner().map_err(|e| crate::io::files::io_error("write", &self.path, e.error()))?;
        output.finish()?;
        Ok(state.rows)
    }

    fn abort(&self) {
        self.state.lock().writer = None;
        self.turn.notify_all();
    }
}
