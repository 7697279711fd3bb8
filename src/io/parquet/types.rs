//! Parquet's types and ours: which logical type a column has, and which Arrow layout the crate is asked to
//! decode into. The last step from there to our layout is [`crate::io::foreign::conform`].

use std::sync::Arc;

use arrow_schema::{DataType, FieldRef, Fields, Schema as ArrowSchema, TimeUnit};
use parquet::basic::{ConvertedType, LogicalType as Annotation, Type as Physical};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type};

use crate::column::types::{DECIMAL64_MAX_WIDTH, LogicalType, TIMESTAMP};
use crate::exec::batch::Field;
use crate::exec::error::{ExecError, Result};

/// The columns of a file: their types, and the layouts to decode into.
pub(super) struct Mapping {
    /// Names and types.
    pub fields: Vec<Field>,
    /// What the crate is asked for.
    pub decoded: ArrowSchema,
}

/// Maps the columns of a schema that the crate inferred. `text` reads bytes without annotation as text.
pub(super) fn map(inferred: &ArrowSchema, descriptor: &SchemaDescriptor, text: bool) -> Result<Mapping> {
    let variants = variants_of(descriptor.root_schema());
    let mut leaves = Leaves { rest: descriptor.columns().iter(), variants: &variants };
    let mut fields = vec![];
    let mut decoded = vec![];
    for field in inferred.fields() {
        let (data_type, ty) = map_type(field.data_type(), &mut leaves, text)
            .map_err(|what| ExecError::Unsupported(format!("column \"{}\" has {what}", field.name())))?;
        fields.push(Field::new(field.name(), ty));
        decoded.push(Arc::new(field.as_ref().clone().with_data_type(data_type)));
    }
    Ok(Mapping { fields, decoded: ArrowSchema::new_with_metadata(decoded, inferred.metadata().clone()) })
}

/// The columns without parts, in order.
struct Leaves<'a> {
    rest: std::slice::Iter<'a, ColumnDescPtr>,
    /// The paths of groups that are VARIANTs.
    variants: &'a [Vec<String>],
}

impl<'a> Leaves<'a> {
    fn next(&mut self) -> Option<&'a ColumnDescPtr> {
        self.rest.next()
    }

    /// Whether the group of these fields, whose first column comes next, is a VARIANT.
    fn are_of_variant(&self, fields: &Fields) -> bool {
        let (Some(leaf), Some(first)) = (self.rest.as_slice().first(), fields.first()) else { return false };
        let path = leaf.path().parts();
        // Groups around it begin with the same column, but their first fields are others.
        self.variants.iter().any(|of| path.starts_with(of) && path.get(of.len()) == Some(first.name()))
    }
}

/// The paths of the groups that are VARIANTs.
fn variants_of(schema: &Type) -> Vec<Vec<String>> {
    fn collect(ty: &Type, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        if !ty.is_group() {
            return;
        }
        for field in ty.get_fields() {
            path.push(field.name().to_owned());
            if matches!(field.get_basic_info().logical_type_ref(), Some(Annotation::Variant(_))) {
                found.push(path.clone());
            }
            collect(field, path, found);
            path.pop();
        }
    }
    let mut found = vec![];
    collect(schema, &mut vec![], &mut found);
    found
}

/// The layout to decode into, and the type that it means.
fn map_type(
    data_type: &DataType,
    leaves: &mut Leaves,
    text: bool,
) -> Result<(DataType, LogicalType), String> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => {
            let (item, ty) = map_field(item, leaves, text)?;
            return Ok((DataType::List(item), LogicalType::List(Box::new(ty))));
        }
        DataType::Struct(fields) => {
            let is_variant = leaves.are_of_variant(fields);
            let mut layouts = vec![];
            let mut types = vec![];
            for field in fields {
                let (layout, ty) = map_field(field, leaves, text)?;
                types.push((field.name().as_str().into(), ty));
                layouts.push(layout);
            }
            let ty = if is_variant { LogicalType::Variant } else { LogicalType::Struct(types.into()) };
            return Ok((DataType::Struct(layouts.into()), ty));
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return Err("a map without entries".into());
            };
            let [key, value] = &pair[..] else { return Err("a map without keys and values".into()) };
            let (key, key_type) = map_field(key, leaves, text)?;
            let (value, value_type) = map_field(value, leaves, text)?;
            let pair = DataType::Struct(vec![key, value].into());
            let entries = Arc::new(entries.as_ref().clone().with_data_type(pair));
            let ty = LogicalType::Map(Box::new(key_type), Box::new(value_type));
            return Ok((DataType::Map(entries, *sorted), ty));
        }
        _ => {}
    }
    let leaf = leaves.next().ok_or("fewer columns than its schema says")?;
    Ok(match data_type {
        DataType::Null => (DataType::Null, LogicalType::Integer),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let json = leaf.logical_type_ref() == Some(&Annotation::Json)
                || leaf.converted_type() == ConvertedType::JSON;
            (DataType::Utf8View, if json { LogicalType::Json } else { LogicalType::Varchar })
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let is_enum = leaf.logical_type_ref() == Some(&Annotation::Enum)
                || leaf.converted_type() == ConvertedType::ENUM;
            let plain = leaf.logical_type_ref().is_none() && leaf.converted_type() == ConvertedType::NONE;
            if is_enum || (text && plain) {
                (DataType::Utf8View, LogicalType::Varchar)
            } else {
                (DataType::BinaryView, LogicalType::Blob)
            }
        }
        DataType::FixedSizeBinary(16) if leaf.logical_type_ref() == Some(&Annotation::Uuid) => {
            (data_type.clone(), LogicalType::Uuid)
        }
        DataType::FixedSizeBinary(12) if is_interval(leaf) => (data_type.clone(), LogicalType::Interval),
        DataType::Decimal128(width, scale) if *scale >= 0 => {
            let ty = LogicalType::Decimal { width: (*width).max(*scale as u8), scale: *scale as u8 };
            let short = match leaf.physical_type() {
                Physical::INT32 | Physical::INT64 => true,
                Physical::FIXED_LEN_BYTE_ARRAY => leaf.type_length() <= 8,
                _ => false,
            };
            let layout = if *width <= DECIMAL64_MAX_WIDTH && short {
                DataType::Decimal64(*width, *scale)
            } else {
                data_type.clone()
            };
            (layout, ty)
        }
        DataType::Decimal256(..) => (data_type.clone(), LogicalType::Double),
        DataType::Timestamp(TimeUnit::Nanosecond, None) if leaf.physical_type() == Physical::INT96 => {
            (DataType::Timestamp(TimeUnit::Microsecond, None), TIMESTAMP)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, None) => {
            (data_type.clone(), LogicalType::Timestamp(TimeUnit::Nanosecond))
        }
        DataType::Timestamp(_, None) => (data_type.clone(), TIMESTAMP),
        other => match LogicalType::from_arrow(other) {
            Some(ty) => (other.clone(), ty),
            None => return Err(format!("the type {other}, which is not supported")),
        },
    })
}

/// The same for the field of a nested type.
fn map_field(field: &FieldRef, leaves: &mut Leaves, text: bool) -> Result<(FieldRef, LogicalType), String> {
    // The recursion is as deep as the schema, whose depth the crate bounds.
    let (data_type, ty) = map_type(field.data_type(), leaves, text)?;
    Ok((Arc::new(field.as_ref().clone().with_data_type(data_type)), ty))
}

/// Whether a leaf holds intervals, or did before [`without_intervals`].
fn is_interval(leaf: &ColumnDescPtr) -> bool {
    leaf.converted_type() == ConvertedType::INTERVAL || leaf.name().ends_with(INTERVAL_MARK)
}

/// Marks the name of a column whose annotation was taken off.
const INTERVAL_MARK: &str = "\u{1}interval";

/// The schema with intervals as plain bytes, if it has any: the crate can read an interval only with its
/// months or with its days, not with both.
pub(super) fn without_intervals(descriptor: &SchemaDescriptor) -> Option<SchemaDescriptor> {
    let has_some = descriptor.columns().iter().any(|c| c.converted_type() == ConvertedType::INTERVAL);
    if !has_some {
        return None;
    }
    plain(descriptor.root_schema()).map(|root| SchemaDescriptor::new(Arc::new(root)))
}

/// A copy of a type with intervals as plain bytes.
fn plain(ty: &Type) -> Option<Type> {
    let info = ty.get_basic_info();
    match ty {
        Type::PrimitiveType { physical_type, type_length, .. }
            if info.converted_type() == ConvertedType::INTERVAL =>
        {
            Type::primitive_type_builder(&format!("{}{INTERVAL_MARK}", info.name()), *physical_type)
                .with_repetition(info.repetition())
                .with_length(*type_length)
                .build()
                .ok()
        }
        Type::PrimitiveType { .. } => Some(ty.clone()),
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(|f| plain(f).map(Arc::new)).collect::<Option<Vec<_>>>()?;
            let mut builder = Type::group_type_builder(info.name()).with_fields(fields);
            if info.has_repetition() {
                builder = builder.with_repetition(info.repetition());
            }
            builder
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .build()
                .ok()
        }
    }
}

/// The name of a column without our mark.
pub(super) fn plain_name(name: &str) -> &str {
    name.strip_suffix(INTERVAL_MARK).unwrap_or(name)
}
