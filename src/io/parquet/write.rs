//! Writing Parquet: rows in order, cut into row groups, which callers encode side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, IntervalMonthDayNanoType};
use arrow_array::{
    Array, ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, Int32Array, ListArray, MapArray, StructArray,
};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_schema::{DataType, Field as ArrowField, Fields, Schema as ArrowSchema, TimeUnit as ArrowUnit};
use parking_lot::{Condvar, Mutex, MutexGuard};
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowRowGroupWriterFactory, ArrowWriter, ArrowWriterOptions, compute_leaves,
};
use parquet::basic::{
    BrotliLevel, Compression as Codec, ConvertedType, DecimalType, GzipLevel, IntType,
    LogicalType as Annotation, Repetition, TimeType, TimeUnit, TimestampType, Type as Physical, ZstdLevel,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, UNION_TAG};
use crate::exec::batch::{Batch, Schema};
use crate::exec::cast::cast;
use crate::exec::error::{ExecError, Result};
use crate::exec::eval::flatten;
use crate::exec::memory::{batch_bytes, parse_bytes};
use crate::exec::source::Sink;
use crate::io::files::Compression;
use crate::io::options::Options;
use crate::io::output::Output;
use crate::io::parquet::field_ids::numbered;
use crate::io::parquet::variant;
use crate::io::partition::ROW_GROUP_ROWS;

/// Bytes of early pieces that may wait.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// The options of the writer.
const WRITE_OPTIONS: &[&str] = &[
    "bloom_filter_false_positive_ratio",
    "codec",
    "compression",
    "compression_level",
    "field_ids",
    "kv_metadata",
    "parquet_version",
    "row_group_size",
    "row_group_size_bytes",
    "string_dictionary_page_size_limit",
    "write_bloom_filter",
];

/// A writer to this path.
pub(crate) fn sink(
    path: &str,
    options: &[(String, Scalar, LogicalType)],
    schema: Schema,
) -> Result<Arc<dyn Sink>> {
    let options = Options::new("COPY TO", options, WRITE_OPTIONS)?;
    let row_group_rows = options.count(&["row_group_size"])?.unwrap_or(ROW_GROUP_ROWS);
    if !(1..=100_000_000).contains(&row_group_rows) {
        return Err(options.bad("row_group_size", "must be between 1 and 100000000"));
    }
    let codec = codec(&options)?;
    let pairs = options.pairs_as_text("kv_metadata")?.unwrap_or_default();
    let pairs = pairs.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) });
    let fields: Vec<TypePtr> = schema
        .iter()
        .map(|f| parquet_type(&f.name, &f.ty, Repetition::OPTIONAL))
        .collect::<Result<_, _>>()
        .map_err(internal)?;
    let fields = numbered(fields, &options)?;
    let root = Type::group_type_builder("schema").with_fields(fields).build().map_err(internal)?;
    let arrow: Fields = schema.iter().map(|f| ArrowField::new(&f.name, stored_layout(&f.ty), true)).collect();
    let arrow = Arc::new(ArrowSchema::new(arrow));
    let row_group_bytes = bytes(&options, "row_group_size_bytes")?;
    let properties = pages(&options)?
        .set_compression(codec)
        .set_created_by(format!("FluxDB version {}", env!("CARGO_PKG_VERSION")))
        .set_max_row_group_row_count(Some(usize::MAX))
        .set_key_value_metadata(Some(pairs.collect()))
        .build();
    let writer_options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true)
        .with_parquet_schema(SchemaDescriptor::new(Arc::new(root)));
    let output = Output::create(path, Compression::None)?;
    let writer =
        ArrowWriter::try_new_with_options(output, arrow.clone(), writer_options).map_err(internal)?;
    let (writer, factory) = writer.into_serialized_writer().map_err(internal)?;
    Ok(Arc::new(ParquetSink {
        path: path.to_string(),
        schema,
        arrow,
        row_group_rows,
        row_group_bytes,
        factory,
        state: Mutex::new(State {
            writer: Some(writer),
            next: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
            open: vec![],
            open_rows: 0,
            open_bytes: 0,
            groups: 0,
            next_group: 0,
            encoded: BTreeMap::new(),
            rows: 0,
        }),
        changed: Condvar::new(),
    }))
}

/// A size that is given as a number of bytes or as a text such as `2MB`.
fn bytes(options: &Options, name: &str) -> Result<Option<usize>> {
    let given = match options.text(&[name]) {
        Ok(Some(text)) => {
            let size = parse_bytes(&text).ok_or_else(|| options.bad(name, "must be a size"))?;
            Some(usize::try_from(size).unwrap_or(usize::MAX))
        }
        Ok(None) => None,
        Err(_) => options.count(&[name])?,
    };
    if given == Some(0) { Err(options.bad(name, "must be more than 0")) } else { Ok(given) }
}

/// What the options say of pages: their version, dictionaries and Bloom filters.
fn pages(options: &Options) -> Result<WriterPropertiesBuilder> {
    let mut properties = WriterProperties::builder();
    if let Some(version) = options.text(&["parquet_version"])? {
        properties = properties.set_writer_version(match version.to_ascii_lowercase().as_str() {
            "v1" => WriterVersion::PARQUET_1_0,
            "v2" => WriterVersion::PARQUET_2_0,
            _ => return Err(options.bad("parquet_version", "must be V1 or V2")),
        });
    }
    if let Some(limit) = bytes(options, "string_dictionary_page_size_limit")? {
        properties = properties.set_dictionary_page_size_limit(limit);
    }
    let ratio = options.number(&["bloom_filter_false_positive_ratio"])?;
    if ratio.is_some_and(|ratio| !(ratio > 0.0 && ratio < 1.0)) {
        return Err(options.bad("bloom_filter_false_positive_ratio", "must be between 0 and 1"));
    }
    if options.boolean(&["write_bloom_filter"])?.unwrap_or(ratio.is_some()) {
        properties = properties.set_bloom_filter_enabled(true);
        if let Some(ratio) = ratio {
            properties = properties.set_bloom_filter_fpp(ratio);
        }
    }
    Ok(properties)
}

fn codec(options: &Options) -> Result<Codec> {
    let level = options.integer(&["compression_level"])?;
    let name = options.text(&["compression", "codec"])?.map(|n| n.to_ascii_lowercase());
    let bad = || options.bad("compression_level", "is out of range for this codec");
    let codec = match name.as_deref() {
        None | Some("snappy") => Codec::SNAPPY,
        Some("none" | "uncompressed") => Codec::UNCOMPRESSED,
        Some("zstd") => {
            let level = i32::try_from(level.unwrap_or(3)).map_err(|_| bad())?;
            return ZstdLevel::try_new(level).map(Codec::ZSTD).map_err(|_| bad());
        }
        Some("gzip") => {
            let level = u32::try_from(level.unwrap_or(6)).map_err(|_| bad())?;
            return GzipLevel::try_new(level).map(Codec::GZIP).map_err(|_| bad());
        }
        Some("brotli") => {
            let level = u32::try_from(level.unwrap_or(4)).map_err(|_| bad())?;
            return BrotliLevel::try_new(level).map(Codec::BROTLI).map_err(|_| bad());
        }
        Some("lz4" | "lz4_raw") => Codec::LZ4_RAW,
        Some(_) => {
            return Err(options.bad("compression", "must be snappy, zstd, gzip, lz4, brotli or none"));
        }
    };
    match level {
        Some(_) => Err(options.bad("compression_level", "does not apply to this codec")),
        None => Ok(codec),
    }
}

/// A mistake of ours, or the crate's.
fn internal(error: ParquetError) -> ExecError {
    ExecError::Internal(format!("Parquet: {error}"))
}

/// The sink of one file.
#[derive(Debug)]
struct ParquetSink {
    path: String,
    schema: Schema,
    /// The layouts that the crate encodes.
    arrow: Arc<ArrowSchema>,
    row_group_rows: usize,
    /// The bytes in memory at which a row group is full.
    row_group_bytes: Option<usize>,
    factory: ArrowRowGroupWriterFactory,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// `None` when it is finished or has failed.
    writer: Option<SerializedFileWriter<Output>>,
    /// The piece that is to join the rows next.
    next: u64,
    early: BTreeMap<u64, Vec<Batch>>,
    early_bytes: usize,
    /// Rows in order that are no row group yet.
    open: Vec<Batch>,
    open_rows: usize,
    open_bytes: usize,
    /// Row groups cut so far.
    groups: usize,
    /// The row group that is to be written next.
    next_group: usize,
    encoded: BTreeMap<usize, Vec<ArrowColumnChunk>>,
    rows: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({} rows)", self.rows)
    }
}

/// A row group to encode.
struct Group {
    index: usize,
    batches: Vec<Batch>,
}

impl ParquetSink {
    /// Appends rows in order, and cuts off full row groups.
    fn append(&self, state: &mut State, batches: Vec<Batch>, cut: &mut Vec<Group>) {
        state.next += 1;
        for mut batch in batches {
            state.rows += batch.rows as u64;
            while state.open_rows + batch.rows >= self.row_group_rows {
                let take = self.row_group_rows - state.open_rows;
                state.open.push(batch.slice(0, take));
                batch = batch.slice(take, batch.rows - take);
                cut.extend(Self::cut(state));
            }
            if batch.rows > 0 {
                state.open_rows += batch.rows;
                state.open_bytes += batch_bytes(&batch);
                state.open.push(batch);
            }
            if self.row_group_bytes.is_some_and(|max| state.open_bytes >= max) {
                cut.extend(Self::cut(state));
            }
        }
    }

    fn cut(state: &mut State) -> Option<Group> {
        if state.open.is_empty() {
            return None;
        }
        (state.open_rows, state.open_bytes) = (0, 0);
        state.groups += 1;
        Some(Group { index: state.groups - 1, batches: std::mem::take(&mut state.open) })
    }

    /// Encodes a row group, and writes it and those that waited for it.
    fn encode(&self, group: Group) -> Result<()> {
        let index = group.index;
        let chunks = self.encode_columns(group)?;
        let mut state = self.state.lock();
        state.encoded.insert(index, chunks);
        loop {
            let next = state.next_group;
            let Some(chunks) = state.encoded.remove(&next) else { return Ok(()) };
            state.next_group += 1;
            let writer = state.writer.as_mut().ok_or(ExecError::Cancelled)?;
            let written = (|| {
                let mut group = writer.next_row_group()?;
                for chunk in chunks {
                    chunk.append_to_row_group(&mut group)?;
                }
                group.close()
            })();
            written.map_err(|e| self.write_error(&e))?;
            self.changed.notify_all();
        }
    }

    fn encode_columns(&self, group: Group) -> Result<Vec<ArrowColumnChunk>> {
        let mut writers = self.factory.create_column_writers(group.index).map_err(internal)?;
        for batch in &group.batches {
            let mut leaf_writers = writers.iter_mut();
            for ((array, field), stored) in
                batch.columns.iter().zip(self.schema.iter()).zip(self.arrow.fields())
            {
                let array = store(&flatten(array)?, &field.ty)?;
                for leaf in compute_leaves(stored, &array).map_err(internal)? {
                    let writer = leaf_writers
                        .next()
                        .ok_or_else(|| ExecError::Internal("Parquet: more leaves than writers".into()))?;
                    writer.write(&leaf).map_err(internal)?;
                }
            }
        }
        writers.into_iter().map(|w| w.close().map_err(internal)).collect()
    }

    fn write_error(&self, error: &ParquetError) -> ExecError {
        let text = match error {
            ParquetError::External(e) => e.to_string(),
            other => other.to_string(),
        };
        // Without the number that the standard library adds to errors of the system.
        let text = text.split(" (os error").next().unwrap_or_default();
        ExecError::Io(format!("could not write \"{}\": {text}", self.path))
    }

    fn fail(&self, mut state: MutexGuard<State>) {
        state.writer = None;
        state.early.clear();
        state.early_bytes = 0;
        state.open.clear();
        state.encoded.clear();
        self.changed.notify_all();
    }
}

impl Sink for ParquetSink {
    fn describe(&self) -> String {
        format!("COPY_TO_FILE {}", self.path)
    }

    fn push(&self, sequence: u64, batches: Vec<Batch>) -> Result<()> {
        let bytes: usize = batches.iter().map(batch_bytes).sum();
        let mut cut = vec![];
        {
            let mut state = self.state.lock();
            loop {
                if state.writer.is_none() {
                    return Err(ExecError::Cancelled);
                }
                if sequence == state.next {
                    break;
                }
                if state.early_bytes < WAITING_BYTES_MAX {
                    state.early_bytes += bytes;
                    state.early.insert(sequence, batches);
                    return Ok(());
                }
                self.changed.wait(&mut state);
            }
            self.append(&mut state, batches, &mut cut);
            loop {
                let next = state.next;
                let Some(early) = state.early.remove(&next) else { break };
                state.early_bytes = state.early_bytes.saturating_sub(early.iter().map(batch_bytes).sum());
                self.append(&mut state, early, &mut cut);
            }
            self.changed.notify_all();
        }
        for group in cut {
            if let Err(e) = self.encode(group) {
                self.fail(self.state.lock());
                return Err(e);
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<u64> {
        let last = {
            let mut state = self.state.lock();
            if !state.early.is_empty() {
                return Err(ExecError::Internal(format!("piece {} of a file never came", state.next)));
            }
            Self::cut(&mut state)
        };
        if let Some(group) = last {
            self.encode(group)?;
        }
        let mut state = self.state.lock();
        let writer = state.writer.take().ok_or(ExecError::Cancelled)?;
        // Writes the footer.
        let output = writer.into_inner().map_err(|e| self.write_error(&e))?;
        output.finish()?;
        Ok(state.rows)
    }

    /// Rows that are no row group yet have no bytes.
    fn bytes(&self) -> u64 {
        self.state.lock().writer.as_ref().map_or(0, |writer| writer.bytes_written() as u64)
    }

    fn abort(&self) {
        self.fail(self.state.lock());
    }
}

/// The layout in which a type is handed to the crate.
fn stored_layout(ty: &LogicalType) -> DataType {
    let item = |ty: &LogicalType| Arc::new(ArrowField::new("element", stored_layout(ty), true));
    match ty {
        LogicalType::Null => DataType::Int32,
        LogicalType::Enum(_) | LogicalType::Bit | LogicalType::BigNum => DataType::Utf8View,
        LogicalType::Variant => variant::layout(),
        LogicalType::Union(_) => stored_layout(&union_as_struct(ty)),
        LogicalType::Interval => DataType::FixedSizeBinary(12),
        LogicalType::Timestamp(ArrowUnit::Second) => DataType::Timestamp(ArrowUnit::Millisecond, None),
        LogicalType::List(inner) => DataType::List(item(inner)),
        LogicalType::Array(inner, n) => DataType::FixedSizeList(item(inner), *n as i32),
        LogicalType::Struct(fields) => DataType::Struct(
            fields.iter().map(|(name, ty)| ArrowField::new(&**name, stored_layout(ty), true)).collect(),
        ),
        LogicalType::Map(key, value) => {
            let pair = Fields::from(vec![
                ArrowField::new("key", stored_layout(key), false),
                ArrowField::new("value", stored_layout(value), true),
            ]);
            DataType::Map(Arc::new(ArrowField::new("key_value", DataType::Struct(pair), false)), false)
        }
        other => other.arrow(),
    }
}

/// Parquet has no unions: they are written as the structs that they are in memory.
fn union_as_struct(ty: &LogicalType) -> LogicalType {
    let LogicalType::Union(members) = ty else { return ty.clone() };
    let tag = ("tag".into(), UNION_TAG.clone());
    LogicalType::Struct(std::iter::once(tag).chain(members.iter().cloned()).collect())
}

/// An array in the layout in which the crate takes it.
fn store(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef> {
    Ok(match ty {
        LogicalType::Null => Arc::new(Int32Array::new_null(array.len())),
        LogicalType::Enum(_) | LogicalType::Bit | LogicalType::BigNum => {
            cast(array, ty, &LogicalType::Varchar, false)?
        }
        LogicalType::Variant => variant::encode(array)?,
        LogicalType::Union(_) => store(array, &union_as_struct(ty))?,
        LogicalType::HugeInt => {
            // The layout is that of a decimal of 38 digits, but the type holds some more.
            let limit = 10_i128.pow(38);
            let values = array.as_primitive::<Decimal128Type>();
            if let Some(v) = values.iter().flatten().find(|v| v.unsigned_abs() >= limit.unsigned_abs()) {
                return Err(ExecError::OutOfRange(format!(
                    "{v} has more digits than Parquet's DECIMAL(38,0)"
                )));
            }
            array.clone()
        }
        LogicalType::Interval => Arc::new(intervals(array)?),
        LogicalType::Timestamp(ArrowUnit::Second) => {
            cast(array, ty, &LogicalType::Timestamp(ArrowUnit::Millisecond), false)?
        }
        LogicalType::List(inner) => {
            let list = array.as_list::<i32>();
            let DataType::List(field) = stored_layout(ty) else { unreachable!("the layout of a list") };
            let values = store(list.values(), inner)?;
            Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?)
        }
        LogicalType::Array(inner, n) => {
            let list = array.as_fixed_size_list();
            let DataType::FixedSizeList(field, _) = stored_layout(ty) else {
                unreachable!("the layout of an array")
            };
            let values = store(list.values(), inner)?;
            Arc::new(FixedSizeListArray::try_new(field, *n as i32, values, list.nulls().cloned())?)
        }
        LogicalType::Struct(types) => {
            let source = array.as_struct();
            let DataType::Struct(fields) = stored_layout(ty) else { unreachable!("the layout of a struct") };
            let columns = source
                .columns()
                .iter()
                .zip(types.iter())
                .map(|(c, (_, t))| store(c, t))
                .collect::<Result<_>>()?;
            Arc::new(StructArray::try_new(fields, columns, source.nulls().cloned())?)
        }
        LogicalType::Map(key, value) => {
            let map = array.as_map();
            let DataType::Map(field, sorted) = stored_layout(ty) else { unreachable!("the layout of a map") };
            let DataType::Struct(pair) = field.data_type() else { unreachable!("the entries of a map") };
            let columns = vec![store(map.keys(), key)?, store(map.values(), value)?];
            let entries = StructArray::try_new(pair.clone(), columns, None)?;
            Arc::new(MapArray::try_new(field, map.offsets().clone(), entries, map.nulls().cloned(), sorted)?)
        }
        _ => array.clone(),
    })
}

/// Intervals as Parquet has them: months, days and milliseconds without sign.
fn intervals(array: &ArrayRef) -> Result<FixedSizeBinaryArray> {
    let values = array.as_primitive::<IntervalMonthDayNanoType>();
    let mut bytes = Vec::with_capacity(values.len() * 12);
    for i in 0..values.len() {
        let v =
            if values.is_null(i) { arrow_buffer::IntervalMonthDayNano::default() } else { values.value(i) };
        let millis = u32::try_from(v.nanoseconds / 1_000_000);
        match (u32::try_from(v.months), u32::try_from(v.days), millis) {
            (Ok(months), Ok(days), Ok(millis)) => {
                for part in [months, days, millis] {
                    bytes.extend_from_slice(&part.to_le_bytes());
                }
            }
            _ => {
                return Err(ExecError::OutOfRange(
                    "Parquet has no negative intervals, and none with a time of 50 days or more".into(),
                ));
            }
        }
    }
    let nulls: Option<NullBuffer> = values.nulls().cloned();
    Ok(FixedSizeBinaryArray::try_new(12, Buffer::from_vec(bytes), nulls)?)
}

/// The Parquet type of a column.
fn parquet_type(name: &str, ty: &LogicalType, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    use LogicalType as T;
    let integer =
        |bits: i8, signed: bool| Some(Annotation::Integer(IntType { bit_width: bits, is_signed: signed }));
    let timestamp = |unit: TimeUnit, utc: bool| {
        Some(Annotation::Timestamp(TimestampType { is_adjusted_to_u_t_c: utc, unit }))
    };
    let (physical, annotation) = match ty {
        T::Boolean => (Physical::BOOLEAN, None),
        T::TinyInt => (Physical::INT32, integer(8, true)),
        T::SmallInt => (Physical::INT32, integer(16, true)),
        T::Integer | T::Null => (Physical::INT32, integer(32, true)),
        T::BigInt => (Physical::INT64, integer(64, true)),
        T::UTinyInt => (Physical::INT32, integer(8, false)),
        T::USmallInt => (Physical::INT32, integer(16, false)),
        T::UInteger => (Physical::INT32, integer(32, false)),
        T::UBigInt => (Physical::INT64, integer(64, false)),
        T::Float => (Physical::FLOAT, None),
        T::Double => (Physical::DOUBLE, None),
        T::HugeInt => return decimal(name, 38, 0, repetition),
        T::Decimal { width, scale } => return decimal(name, *width, *scale, repetition),
        T::Varchar | T::Enum(_) | T::Bit | T::BigNum => (Physical::BYTE_ARRAY, Some(Annotation::String)),
        T::Json => (Physical::BYTE_ARRAY, Some(Annotation::Json)),
        T::Blob => (Physical::BYTE_ARRAY, None),
        T::UHugeInt => (Physical::FIXED_LEN_BYTE_ARRAY, None),
        T::TimeTz => (Physical::INT64, integer(64, true)),
        T::Uuid => (Physical::FIXED_LEN_BYTE_ARRAY, Some(Annotation::Uuid)),
        T::Date => (Physical::INT32, Some(Annotation::Date)),
        T::Time | T::TimeNs => {
            let unit = if *ty == T::Time { TimeUnit::MICROS } else { TimeUnit::NANOS };
            let time = TimeType { is_adjusted_to_u_t_c: false, unit };
            (Physical::INT64, Some(Annotation::Time(time)))
        }
        T::Timestamp(ArrowUnit::Second | ArrowUnit::Millisecond) => {
            (Physical::INT64, timestamp(TimeUnit::MILLIS, false))
        }
        T::Timestamp(ArrowUnit::Microsecond) => (Physical::INT64, timestamp(TimeUnit::MICROS, false)),
        T::Timestamp(ArrowUnit::Nanosecond) => (Physical::INT64, timestamp(TimeUnit::NANOS, false)),
        T::TimestampTz => (Physical::INT64, timestamp(TimeUnit::MICROS, true)),
        T::Interval => {
            return Type::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY)
                .with_repetition(repetition)
                .with_length(12)
                .with_converted_type(ConvertedType::INTERVAL)
                .build()
                .map(Arc::new);
        }
        T::List(item) | T::Array(item, _) => {
            let element = parquet_type("element", item, Repetition::OPTIONAL)?;
            let list = Type::group_type_builder("list")
                .with_repetition(Repetition::REPEATED)
                .with_fields(vec![element])
                .build()?;
            return Type::group_type_builder(name)
                .with_repetition(repetition)
                .with_logical_type(Some(Annotation::List))
                .with_fields(vec![Arc::new(list)])
                .build()
                .map(Arc::new);
        }
        T::Variant => {
            let part = |name: &str| {
                let part = Type::primitive_type_builder(name, Physical::BYTE_ARRAY);
                part.with_repetition(Repetition::REQUIRED).build().map(Arc::new)
            };
            return Type::group_type_builder(name)
                .with_repetition(repetition)
                .with_logical_type(Some(Annotation::variant(Some(1))))
                .with_fields(vec![part(variant::METADATA)?, part(variant::VALUE)?])
                .build()
                .map(Arc::new);
        }
        T::Union(_) => return parquet_type(name, &union_as_struct(ty), repetition),
        T::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|(name, ty)| parquet_type(name, ty, Repetition::OPTIONAL))
                .collect::<Result<_, _>>()?;
            return Type::group_type_builder(name)
                .with_repetition(repetition)
                .with_fields(fields)
                .build()
                .map(Arc::new);
        }
        T::Map(key, value) => {
            let pair = Type::group_type_builder("key_value")
                .with_repetition(Repetition::REPEATED)
                .with_fields(vec![
                    parquet_type("key", key, Repetition::REQUIRED)?,
                    parquet_type("value", value, Repetition::OPTIONAL)?,
                ])
                .build()?;
            return Type::group_type_builder(name)
                .with_repetition(repetition)
                .with_logical_type(Some(Annotation::Map))
                .with_fields(vec![Arc::new(pair)])
                .build()
                .map(Arc::new);
        }
    };
    let length = if physical == Physical::FIXED_LEN_BYTE_ARRAY { 16 } else { -1 };
    Type::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_length(length)
        .with_logical_type(annotation)
        .build()
        .map(Arc::new)
}

fn decimal(name: &str, width: u8, scale: u8, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    let (physical, length) = match width {
        0..=9 => (Physical::INT32, -1),
        10..=18 => (Physical::INT64, -1),
        // The fewest bytes that hold so many digits and a sign.
        _ => (
            Physical::FIXED_LEN_BYTE_ARRAY,
            (f64::from(width) * 10_f64.log2() + 1.0).div_euclid(8.0) as i32 + 1,
        ),
    };
    let (precision, scale) = (i32::from(width), i32::from(scale));
    Type::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_length(length)
        .with_precision(precision)
        .with_scale(scale)
        .with_logical_type(Some(Annotation::Decimal(DecimalType { scale, precision })))
        .build()
        .map(Arc::new)
}
