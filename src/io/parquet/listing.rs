//! What Parquet files say of themselves, as rows: `parquet_schema`, `parquet_metadata`, `parquet_file_metadata` and
//! `parquet_kv_metadata`.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryViewArray, BooleanArray, Int64Array, StringViewArray};
use parquet::basic::{ConvertedType, LogicalType as Annotation, Repetition, TimeUnit as StoredUnit};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::{ColumnDescriptor, Type};

use super::file::Positioned;
use super::prune::bounds;
use super::reader::{describe, guard, not_parquet};
use crate::column::scalar::Scalar;
use crate::column::types::{LogicalType, TIMESTAMP, TimeUnit};
use crate::exec::batch::Field;
use crate::exec::cast::text::write_value;
use crate::exec::error::Result;
use crate::exec::source::Source;
use crate::io::files::FileList;
use crate::io::listing::Listing;

/// The functions that list something.
pub(crate) const FUNCTIONS: &[&str] =
    &["parquet_file_metadata", "parquet_kv_metadata", "parquet_metadata", "parquet_schema"];

/// One value of a row.
enum Cell {
    Text(Option<String>),
    Int(Option<i64>),
    Truth(Option<bool>),
    Bytes(Option<Vec<u8>>),
}

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(Some(value.into()))
}

fn int(value: impl TryInto<i64>) -> Cell {
    Cell::Int(value.try_into().ok())
}

fn optional<T: TryInto<i64>>(value: Option<T>) -> Cell {
    Cell::Int(value.and_then(|v| v.try_into().ok()))
}

type Row = Vec<Cell>;

/// The rows of a function of [`FUNCTIONS`] for all these files.
pub(crate) fn source(function: &'static str, files: &FileList) -> Result<Arc<dyn Source>> {
    let mut rows = vec![];
    for (file, path) in files.paths().iter().enumerate() {
        let (handle, size) = files.open_seekable(file)?;
        let reader = Positioned { file: Arc::new(handle), size };
        let read = guard(path, || {
            reader.check_footer()?;
            ParquetMetaDataReader::new().parse_and_finish(&reader)
        })?;
        let metadata = read.map_err(|e| not_parquet(path, &describe(&e)))?;
        match function {
            "parquet_schema" => {
                let mut id = 0;
                schema_rows(path, metadata.file_metadata().schema(), &mut id, &mut rows);
            }
            "parquet_metadata" => chunk_rows(path, &metadata, &mut rows),
            "parquet_file_metadata" => rows.push(file_row(path, &metadata, size)),
            _ => {
                for pair in metadata.file_metadata().key_value_metadata().into_iter().flatten() {
                    rows.push(vec![
                        text(path),
                        Cell::Bytes(Some(pair.key.clone().into_bytes())),
                        Cell::Bytes(pair.value.clone().map(String::into_bytes)),
                    ]);
                }
            }
        }
    }
    Ok(Arc::new(listing(function, rows)))
}

fn file_row(path: &str, metadata: &ParquetMetaData, size: u64) -> Row {
    let file = metadata.file_metadata();
    vec![
        text(path),
        Cell::Text(file.created_by().map(str::to_owned)),
        int(file.num_rows()),
        int(metadata.num_row_groups()),
        int(file.version()),
        int(size),
    ]
}

/// The elements of a schema, each before what is in it.
fn schema_rows(path: &str, element: &Type, id: &mut i64, rows: &mut Vec<Row>) {
    let info = element.get_basic_info();
    let converted = info.converted_type();
    let repetition = if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED };
    let (mut physical, mut length, mut scale, mut precision) = (None, None, None, None);
    if let Type::PrimitiveType { physical_type, type_length, scale: s, precision: p, .. } = element {
        physical = Some(physical_type.to_string());
        length = (*type_length > 0).then(|| type_length.to_string());
        if converted == ConvertedType::DECIMAL {
            (scale, precision) = (Some(*s), Some(*p));
        }
    }
    let children = if element.is_group() { Some(element.get_fields().len()) } else { None };
    rows.push(vec![
        text(path),
        text(info.name()),
        Cell::Text(physical),
        Cell::Text(length),
        text(repetition.to_string()),
        optional(children),
        Cell::Text((converted != ConvertedType::NONE).then(|| converted.to_string())),
        optional(scale),
        optional(precision),
        optional(info.has_id().then(|| info.id())),
        Cell::Text(info.logical_type_ref().map(annotation)),
        int(*id),
    ]);
    *id += 1;
    if element.is_group() {
        for field in element.get_fields() {
            schema_rows(path, field, id, rows);
        }
    }
}

/// An annotation with its parameters, by the names of the format's definition.
fn annotation(of: &Annotation) -> String {
    let unit = |unit: &StoredUnit| match unit {
        StoredUnit::MILLIS => "MILLIS",
        StoredUnit::MICROS => "MICROS",
        StoredUnit::NANOS => "NANOS",
    };
    match of {
        Annotation::Decimal(d) => format!("DecimalType(scale={}, precision={})", d.scale, d.precision),
        Annotation::Integer(i) => {
            format!("IntType(bitWidth={}, isSigned={})", i.bit_width, u8::from(i.is_signed))
        }
        Annotation::Time(t) => {
            format!("TimeType(isAdjustedToUTC={}, unit={})", u8::from(t.is_adjusted_to_u_t_c), unit(&t.unit))
        }
        Annotation::Timestamp(t) => {
            let utc = u8::from(t.is_adjusted_to_u_t_c);
            format!("TimestampType(isAdjustedToUTC={utc}, unit={})", unit(&t.unit))
        }
        Annotation::Uuid => "UUIDType()".into(),
        other => {
            let name = format!("{other:?}");
            let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            format!("{name}Type()")
        }
    }
}

/// A row for each column of each row group.
fn chunk_rows(path: &str, metadata: &ParquetMetaData, rows: &mut Vec<Row>) {
    for (number, group) in metadata.row_groups().iter().enumerate() {
        for (column, chunk) in group.columns().iter().enumerate() {
            let statistics = chunk.statistics();
            let (min, max) = shown_bounds(metadata, column, chunk).unzip();
            let encodings: Vec<String> = chunk.encodings().map(|e| e.to_string()).collect();
            let compression = chunk.compression_codec().to_string();
            rows.push(vec![
                text(path),
                int(number),
                int(group.num_rows()),
                int(group.num_columns()),
                int(group.total_byte_size()),
                int(column),
                int(chunk.file_offset()),
                int(chunk.num_values()),
                text(chunk.column_path().parts().join(", ")),
                text(chunk.column_type().to_string()),
                Cell::Text(min.clone()),
                Cell::Text(max.clone()),
                optional(statistics.and_then(|s| s.null_count_opt())),
                optional(statistics.and_then(|s| s.distinct_count_opt())),
                Cell::Text(min),
                Cell::Text(max),
                text(compression),
                text(encodings.join(", ")),
                optional(chunk.index_page_offset()),
                optional(chunk.dictionary_page_offset()),
                int(chunk.data_page_offset()),
                int(chunk.compressed_size()),
                int(chunk.uncompressed_size()),
                optional(chunk.bloom_filter_offset()),
                optional(chunk.bloom_filter_length()),
                Cell::Truth(statistics.map(|s| s.min_is_exact())),
                Cell::Truth(statistics.map(|s| s.max_is_exact())),
                int(group.compressed_size()),
            ]);
        }
    }
}

/// The least and the greatest value of a chunk as text, where its statistics say so.
fn shown_bounds(
    metadata: &ParquetMetaData,
    column: usize,
    chunk: &ColumnChunkMetaData,
) -> Option<(String, String)> {
    let (ty, unit) = leaf_type(chunk.column_descr())?;
    let order = metadata.file_metadata().column_order(column);
    let (min, max) = bounds(chunk.statistics()?, &ty, unit, order)?;
    let shown = |value: &Scalar| {
        let array = value.to_array(&ty, 1).ok()?;
        let mut out = String::new();
        write_value(&array, 0, &ty, &mut out).ok()?;
        Some(out)
    };
    Some((shown(&min)?, shown(&max)?))
}

/// What the values of a column without parts are, of the types that have bounds, and the unit of their timestamps.
fn leaf_type(column: &ColumnDescriptor) -> Option<(LogicalType, Option<TimeUnit>)> {
    use LogicalType as T;
    use parquet::basic::Type as Physical;
    if let Some(Annotation::Timestamp(t)) = column.logical_type_ref() {
        let unit = match t.unit {
            StoredUnit::MILLIS => TimeUnit::Millisecond,
            StoredUnit::MICROS => TimeUnit::Microsecond,
            StoredUnit::NANOS => TimeUnit::Nanosecond,
        };
        let ty = if t.is_adjusted_to_u_t_c { T::TimestampTz } else { T::Timestamp(unit) };
        return Some((ty, Some(unit)));
    }
    let ty = match (column.converted_type(), column.physical_type()) {
        (ConvertedType::DATE, _) => T::Date,
        (ConvertedType::DECIMAL, _) => T::Decimal {
            width: u8::try_from(column.type_precision()).ok()?,
            scale: u8::try_from(column.type_scale()).ok()?,
        },
        (ConvertedType::TIMESTAMP_MILLIS, _) => return Some((TIMESTAMP, Some(TimeUnit::Millisecond))),
        (ConvertedType::TIMESTAMP_MICROS, _) => return Some((TIMESTAMP, Some(TimeUnit::Microsecond))),
        (ConvertedType::UINT_8, _) => T::UTinyInt,
        (ConvertedType::UINT_16, _) => T::USmallInt,
        (ConvertedType::UINT_32, _) => T::UInteger,
        (ConvertedType::UINT_64, _) => T::UBigInt,
        (ConvertedType::UTF8, _) => T::Varchar,
        (
            ConvertedType::NONE | ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::INT_32,
            Physical::INT32,
        ) => T::Integer,
        (ConvertedType::NONE | ConvertedType::INT_64, Physical::INT64) => T::BigInt,
        (_, Physical::BOOLEAN) => T::Boolean,
        (_, Physical::FLOAT) => T::Float,
        (_, Physical::DOUBLE) => T::Double,
        _ => return None,
    };
    Some((ty, None))
}

/// Rows of a listing.
fn listing(function: &'static str, rows: Vec<Row>) -> Listing {
    let fields = columns_of(function);
    let count = rows.len();
    let mut columns: Vec<Vec<Cell>> = fields.iter().map(|_| Vec::with_capacity(count)).collect();
    for row in rows {
        debug_assert_eq!(row.len(), fields.len());
        row.into_iter().zip(&mut columns).for_each(|(cell, column)| column.push(cell));
    }
    let columns = columns.into_iter().zip(fields).map(|(cells, (_, ty))| array_of(cells, ty)).collect();
    let schema = fields.iter().map(|(name, ty)| Field::new(*name, ty.clone())).collect();
    Listing { function, schema, columns, rows: count }
}

fn array_of(cells: Vec<Cell>, ty: &LogicalType) -> ArrayRef {
    let cells = cells.into_iter();
    match ty {
        LogicalType::Varchar => {
            let text = |cell| if let Cell::Text(value) = cell { value } else { None };
            Arc::new(cells.map(text).collect::<StringViewArray>())
        }
        LogicalType::Blob => {
            let bytes = |cell| if let Cell::Bytes(value) = cell { value } else { None };
            Arc::new(cells.map(bytes).collect::<BinaryViewArray>())
        }
        LogicalType::Boolean => {
            let truth = |cell| if let Cell::Truth(value) = cell { value } else { None };
            Arc::new(cells.map(truth).collect::<BooleanArray>())
        }
        _ => {
            let int = |cell| if let Cell::Int(value) = cell { value } else { None };
            Arc::new(cells.map(int).collect::<Int64Array>())
        }
    }
}

/// The columns of a function's rows.
fn columns_of(function: &str) -> &'static [(&'static str, LogicalType)] {
    use LogicalType::{BigInt, Blob, Boolean, Varchar};
    match function {
        "parquet_schema" => &[
            ("file_name", Varchar),
            ("name", Varchar),
            ("type", Varchar),
            ("type_length", Varchar),
            ("repetition_type", Varchar),
            ("num_children", BigInt),
            ("converted_type", Varchar),
            ("scale", BigInt),
            ("precision", BigInt),
            ("field_id", BigInt),
            ("logical_type", Varchar),
            ("column_id", BigInt),
        ],
        "parquet_metadata" => &[
            ("file_name", Varchar),
            ("row_group_id", BigInt),
            ("row_group_num_rows", BigInt),
            ("row_group_num_columns", BigInt),
            ("row_group_bytes", BigInt),
            ("column_id", BigInt),
            ("file_offset", BigInt),
            ("num_values", BigInt),
            ("path_in_schema", Varchar),
            ("type", Varchar),
            ("stats_min", Varchar),
            ("stats_max", Varchar),
            ("stats_null_count", BigInt),
            ("stats_distinct_count", BigInt),
            ("stats_min_value", Varchar),
            ("stats_max_value", Varchar),
            ("compression", Varchar),
            ("encodings", Varchar),
            ("index_page_offset", BigInt),
            ("dictionary_page_offset", BigInt),
            ("data_page_offset", BigInt),
            ("total_compressed_size", BigInt),
            ("total_uncompressed_size", BigInt),
            ("bloom_filter_offset", BigInt),
            ("bloom_filter_length", BigInt),
            ("min_is_exact", Boolean),
            ("max_is_exact", Boolean),
            ("row_group_compressed_bytes", BigInt),
        ],
        "parquet_file_metadata" => &[
            ("file_name", Varchar),
            ("created_by", Varchar),
            ("num_rows", BigInt),
            ("num_row_groups", BigInt),
            ("format_version", BigInt),
            ("file_size_bytes", BigInt),
        ],
        _ => &[("file_name", Varchar), ("key", Blob), ("value", Blob)],
    }
}
