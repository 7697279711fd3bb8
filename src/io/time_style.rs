//! How writers of text spell dates and timestamps, where the options `dateformat` and `timestampformat` say it.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrayRef, Date32Array, TimestampMicrosecondArray};

use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::cast::cast;
use crate::exec::cast::nested::{list_array, map_array, struct_array};
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::{TimePattern, flatten};
use crate::io::options::Options;

/// What `iso` says of dates and of timestamps.
const ISO_DATE: &str = "%Y-%m-%d";
const ISO_TIMESTAMP: &str = "%Y-%m-%dT%H:%M:%S.%fZ";

/// The patterns that were given.
#[derive(Debug)]
pub(in crate::io) struct TimeStyle {
    dates: Option<TimePattern>,
    timestamps: Option<TimePattern>,
}

/// The values of a column that is written by a pattern.
pub(in crate::io) enum Styled<'s> {
    Dates(&'s TimePattern, Date32Array),
    Timestamps(&'s TimePattern, TimestampMicrosecondArray),
}

impl TimeStyle {
    /// What the options say.
    pub fn new(options: &Options) -> Result<Self> {
        let pattern = |name: &str, iso: &str| -> Result<Option<TimePattern>> {
            let parse = |pattern: String| {
                let pattern = if pattern.eq_ignore_ascii_case("iso") { iso } else { &pattern };
                TimePattern::parse(pattern).map_err(|e| match e {
                    ExecError::InvalidInput(what) => options.bad(name, &format!("is not a format: {what}")),
                    other => other,
                })
            };
            options.text(&[name])?.map(parse).transpose()
        };
        Ok(Self {
            dates: pattern("dateformat", ISO_DATE)?,
            timestamps: pattern("timestampformat", ISO_TIMESTAMP)?,
        })
    }

    /// A column that has a pattern.
    pub fn of(&self, array: &ArrayRef, ty: &LogicalType) -> Result<Option<Styled<'_>>> {
        Ok(match (ty, &self.dates, &self.timestamps) {
            (LogicalType::Date, Some(pattern), _) => {
                Some(Styled::Dates(pattern, flatten(array)?.as_primitive::<Date32Type>().clone()))
            }
            (LogicalType::Timestamp(_) | LogicalType::TimestampTz, _, Some(pattern)) => {
                let micros = match ty {
                    LogicalType::TimestampTz => flatten(array)?,
                    _ => cast(&flatten(array)?, ty, &TIMESTAMP, false)?,
                };
                let micros = micros.as_primitive::<TimestampMicrosecondType>().clone();
                Some(Styled::Timestamps(pattern, micros))
            }
            _ => None,
        })
    }
}

impl TimeStyle {
    /// A column with the texts of dates and timestamps in their place, also of those in lists, structs and maps, and
    /// its type then.
    pub fn spelled(&self, array: &ArrayRef, ty: &LogicalType) -> Result<(ArrayRef, LogicalType)> {
        if self.dates.is_none() && self.timestamps.is_none() {
            return Ok((array.clone(), ty.clone()));
        }
        let array = flatten(array)?;
        if let Some(styled) = self.of(&array, ty)? {
            let mut out = StringViewBuilder::with_capacity(array.len());
            let mut text = String::new();
            for row in 0..array.len() {
                if array.is_null(row) {
                    out.append_null();
                } else {
                    text.clear();
                    styled.write(row, &mut text);
                    out.try_append_value(&text)?;
                }
            }
            return Ok((Arc::new(out.finish()), LogicalType::Varchar));
        }
        Ok(match ty {
            LogicalType::List(item) => {
                let list = array.as_list::<i32>();
                let (values, item) = self.spelled(list.values(), item)?;
                let nulls = list.nulls().cloned();
                (list_array(&item, list.offsets().clone(), values, nulls)?, LogicalType::List(Box::new(item)))
            }
            LogicalType::Struct(fields) => {
                let parts = array.as_struct();
                let (mut columns, mut types) = (vec![], vec![]);
                for (column, (name, ty)) in parts.columns().iter().zip(fields.iter()) {
                    let (column, ty) = self.spelled(column, ty)?;
                    columns.push(column);
                    types.push((name.clone(), ty));
                }
                let ty = LogicalType::Struct(types.into());
                (struct_array(&ty, columns, parts.nulls().cloned(), array.len())?, ty)
            }
            LogicalType::Map(key, value) => {
                let map = array.as_map();
                let (keys, key) = self.spelled(map.keys(), key)?;
                let (values, value) = self.spelled(map.values(), value)?;
                let ty = LogicalType::Map(Box::new(key), Box::new(value));
                let nulls = map.nulls().cloned();
                (map_array(&ty, map.offsets().clone(), keys, values, nulls)?, ty)
            }
            _ => (array, ty.clone()),
        })
    }
}

impl Styled<'_> {
    /// Writes the value of a row, which is not NULL.
    pub fn write(&self, row: usize, out: &mut String) {
        match self {
            Self::Dates(pattern, days) => pattern.date(days.value(row), out),
            Self::Timestamps(pattern, micros) => pattern.timestamp(micros.value(row), out),
        }
    }
}
