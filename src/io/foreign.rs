//! Code and arrays of other crates: panics become errors, arrays get our layouts.

#[cfg(any(feature = "arrow", feature = "parquet"))]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::IntervalMonthDayNanoType;
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, FixedSizeListArray, IntervalMonthDayNanoArray, ListArray, MapArray,
    StructArray, new_null_array,
};
use arrow_schema::{DataType, Field as ArrowField, Fields};

use crate::column::types::LogicalType;
use crate::exec::error::Result;

/// Runs a crate's code; a panic in it, which only a damaged file can cause, becomes an error with its message.
#[cfg(any(feature = "arrow", feature = "parquet"))]
pub(crate) fn guard<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

/// A decoded array in the layout of its type.
pub(crate) fn conform(array: &ArrayRef, ty: &LogicalType) -> Result<ArrayRef> {
    let target = ty.arrow();
    if *array.data_type() == target {
        return Ok(array.clone());
    }
    Ok(match (array.data_type(), ty) {
        (DataType::Null, _) => new_null_array(&target, array.len()),
        (DataType::FixedSizeBinary(_), LogicalType::Blob) => {
            Arc::new(array.as_fixed_size_binary().iter().collect::<BinaryViewArray>())
        }
        (DataType::FixedSizeBinary(12), LogicalType::Interval) => {
            // Months, days and milliseconds, each without sign in 4 bytes.
            let part = |v: &[u8], i: usize| i32::from_le_bytes(v[i..i + 4].try_into().expect("4 bytes"));
            let values: IntervalMonthDayNanoArray = array
                .as_fixed_size_binary()
                .iter()
                .map(|v| {
                    v.map(|v| {
                        let nanos = i64::from(part(v, 8) as u32) * 1_000_000;
                        IntervalMonthDayNanoType::make_value(part(v, 0), part(v, 4), nanos)
                    })
                })
                .collect();
            Arc::new(values)
        }
        (DataType::List(_), LogicalType::List(item)) => {
            let list = array.as_list::<i32>();
            let values = conform(list.values(), item)?;
            let field = Arc::new(ArrowField::new("item", item.arrow(), true));
            Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?)
        }
        (DataType::FixedSizeList(_, n), LogicalType::Array(item, _)) => {
            let list = array.as_fixed_size_list();
            let values = conform(list.values(), item)?;
            let field = Arc::new(ArrowField::new("item", item.arrow(), true));
            Arc::new(FixedSizeListArray::try_new(field, *n, values, list.nulls().cloned())?)
        }
        #[cfg(feature = "parquet")]
        (DataType::Struct(_), LogicalType::Variant) => crate::io::parquet::variant::decode(array)?,
        (DataType::Struct(_), LogicalType::Struct(types)) => {
            let source = array.as_struct();
            let columns = source
                .columns()
                .iter()
                .zip(types.iter())
                .map(|(c, (_, t))| conform(c, t))
                .collect::<Result<_>>()?;
            let DataType::Struct(fields) = target else { unreachable!("the layout of a struct") };
            Arc::new(StructArray::try_new(fields, columns, source.nulls().cloned())?)
        }
        (DataType::Map(..), LogicalType::Map(key, value)) => {
            let map = array.as_map();
            let columns = vec![conform(map.keys(), key)?, conform(map.values(), value)?];
            let DataType::Map(field, sorted) = target else { unreachable!("the layout of a map") };
            let DataType::Struct(pair) = field.data_type() else { unreachable!("the entries of a map") };
            let pair: Fields = pair.clone();
            let entries = StructArray::try_new(pair, columns, None)?;
            Arc::new(MapArray::try_new(field, map.offsets().clone(), entries, map.nulls().cloned(), sorted)?)
        }
        _ => {
            let options = arrow_cast::CastOptions { safe: false, ..Default::default() };
            arrow_cast::cast_with_options(array, &target, &options)?
        }
    })
}
