//! Columns from the fields of records: one column at a time, its type decided once.

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, StringViewArray, new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};

use crate::column::types::{LogicalType, TimeUnit};
use crate::exec::cast::cast;
use crate::exec::error::{ExecError, Result};
use crate::io::csv::dialect::Dialect;
use crate::io::csv::scan::{Records, Span, unescape};
use crate::io::csv::sniff::Nulls;
use crate::io::parse::{self, NumberStyle};
use crate::io::strptime::Format;
use crate::io::text::{Text, ViewBuilder};

/// How one column of a file is read.
#[derive(Debug, Clone)]
pub(crate) struct ColumnReader {
    /// Position in the file.
    pub position: usize,
    /// The name, for messages.
    pub name: String,
    /// What to make of the values.
    pub ty: LogicalType,
    /// Whether the type was guessed, for messages.
    pub guessed: bool,
    /// The format of dates and timestamps, if it is not ISO's.
    pub format: Option<Format>,
    /// What is NULL; nothing under `force_not_null`.
    pub nulls: Option<Nulls>,
    /// How numbers are spelled.
    pub style: NumberStyle,
}

/// The fields of one column of some records.
struct Fields<'a> {
    text: &'a Text,
    dialect: &'a Dialect,
    spans: &'a [Span],
    width: usize,
    rows: usize,
    reader: &'a ColumnReader,
}

impl<'a> Fields<'a> {
    fn iter(&self) -> impl Iterator<Item = Span> + 'a {
        self.spans.iter().skip(self.reader.position).step_by(self.width).take(self.rows).copied()
    }

    #[inline]
    fn is_null(&self, span: Span, bytes: &[u8]) -> bool {
        self.reader.nulls.as_ref().is_some_and(|n| n.matches(span, bytes))
    }
}

impl ColumnReader {
    /// The column of these records, each of `width` fields. The positions of values that are not of the
    /// type are added to `bad`; they become NULL.
    pub fn read(
        &self,
        text: &Text,
        dialect: &Dialect,
        records: &Records,
        width: usize,
        bad: &mut Vec<usize>,
    ) -> Result<ArrayRef> {
        let rows = records.len();
        let fields = Fields { text, dialect, spans: &records.spans, width, rows, reader: self };
        let f = &fields;
        let style = self.style;
        macro_rules! int {
            ($t:ty, $native:ty) => {
                primitive::<$t>(f, bad, |b| {
                    style.parse(b, parse::int64).and_then(|v| <$native>::try_from(v).ok())
                })
            };
        }
        Ok(match &self.ty {
            LogicalType::Boolean => booleans(f, bad),
            LogicalType::TinyInt => int!(Int8Type, i8),
            LogicalType::SmallInt => int!(Int16Type, i16),
            LogicalType::Integer => int!(Int32Type, i32),
            LogicalType::BigInt => primitive::<Int64Type>(f, bad, |b| style.parse(b, parse::int64)),
            LogicalType::UTinyInt => int!(UInt8Type, u8),
            LogicalType::USmallInt => int!(UInt16Type, u16),
            LogicalType::UInteger => int!(UInt32Type, u32),
            LogicalType::UBigInt => primitive::<UInt64Type>(f, bad, |b| {
                style.parse(b, parse::int128).and_then(|v| u64::try_from(v).ok())
            }),
            LogicalType::HugeInt => {
                with_type(primitive::<Decimal128Type>(f, bad, |b| style.parse(b, parse::int128)), &self.ty)
            }
            LogicalType::Float => {
                primitive::<Float32Type>(f, bad, |b| style.parse(b, parse::float64).map(|v| v as f32))
            }
            LogicalType::Double => primitive::<Float64Type>(f, bad, |b| style.parse(b, parse::float64)),
            LogicalType::Decimal { width, scale } => {
                let (width, scale) = (*width, *scale);
                let parse = |b: &[u8]| style.parse(b, |b| parse::decimal(b, width, scale));
                let array = if width <= crate::column::types::DECIMAL64_MAX_WIDTH {
                    primitive::<Decimal64Type>(f, bad, |b| parse(b).map(|v| v as i64))
                } else {
                    primitive::<Decimal128Type>(f, bad, parse)
                };
                with_type(array, &self.ty)
            }
            LogicalType::Varchar => Arc::new(texts(f)),
            LogicalType::Date => match &self.format {
                // What was guessed to be dates has no times; where dates were asked for, times are left out.
                None if self.guessed => primitive::<Date32Type>(f, bad, parse::date),
                None => primitive::<Date32Type>(f, bad, |b| {
                    parse::date(b).or_else(|| parse::moment(b).map(|m| m.days))
                }),
                Some(format) => primitive::<Date32Type>(f, bad, |b| format.parse(b).map(|m| m.days)),
            },
            LogicalType::Time => primitive::<Time64MicrosecondType>(f, bad, parse::time),
            LogicalType::Timestamp(unit) => match unit {
                TimeUnit::Second => self.moments::<TimestampSecondType>(f, bad),
                TimeUnit::Millisecond => self.moments::<TimestampMillisecondType>(f, bad),
                TimeUnit::Microsecond => self.moments::<TimestampMicrosecondType>(f, bad),
                TimeUnit::Nanosecond => self.moments::<TimestampNanosecondType>(f, bad),
            },
            LogicalType::TimestampTz => with_type(self.moments::<TimestampMicrosecondType>(f, bad), &self.ty),
            LogicalType::Null => new_null_array(&self.ty.arrow(), rows),
            other => cast_texts(texts(f), other, bad)?,
        })
    }

    fn moments<T: ArrowTimestampType>(&self, fields: &Fields, bad: &mut Vec<usize>) -> ArrayRef {
        match &self.format {
            None => primitive::<T>(fields, bad, |b| parse::moment(b)?.timestamp(T::UNIT)),
            Some(format) => primitive::<T>(fields, bad, |b| format.parse(b)?.timestamp(T::UNIT)),
        }
    }
}

/// The same values in the layout of a type that shares it.
fn with_type(array: ArrayRef, ty: &LogicalType) -> ArrayRef {
    let data = array.to_data().into_builder().data_type(ty.arrow());
    arrow_array::make_array(data.build().expect("types of one layout"))
}

/// Marks a row as NULL.
fn set_null(nulls: &mut Option<Vec<u64>>, row: usize, rows: usize) {
    let bits = nulls.get_or_insert_with(|| vec![u64::MAX; rows.div_ceil(64)]);
    bits[row / 64] &= !(1 << (row % 64));
}

/// The null buffer of marked rows.
fn null_buffer(nulls: Option<Vec<u64>>, rows: usize) -> Option<NullBuffer> {
    let bits = ScalarBuffer::<u64>::from(nulls?).into_inner();
    Some(NullBuffer::new(BooleanBuffer::new(bits, 0, rows)))
}

/// A column of fixed-width values.
fn primitive<T: ArrowPrimitiveType>(
    fields: &Fields,
    bad: &mut Vec<usize>,
    parse: impl Fn(&[u8]) -> Option<T::Native>,
) -> ArrayRef {
    let rows = fields.rows;
    let bytes = fields.text.padded();
    let mut values = Vec::with_capacity(rows);
    let mut nulls = None;
    let mut scratch = vec![];
    for (row, span) in fields.iter().enumerate() {
        let mut parsed = None;
        if !fields.is_null(span, bytes) {
            let raw = &bytes[span.start()..span.end()];
            parsed = if span.is_escaped() {
                scratch.clear();
                unescape(fields.dialect, raw, &mut scratch);
                parse(&scratch)
            } else {
                parse(raw)
            };
            if parsed.is_none() {
                bad.push(row);
            }
        }
        match parsed {
            Some(value) => values.push(value),
            None => {
                set_null(&mut nulls, row, rows);
                values.push(T::Native::default());
            }
        }
    }
    Arc::new(PrimitiveArray::<T>::new(values.into(), null_buffer(nulls, rows)))
}

fn booleans(fields: &Fields, bad: &mut Vec<usize>) -> ArrayRef {
    let bytes = fields.text.padded();
    let array: BooleanArray = fields
        .iter()
        .enumerate()
        .map(|(row, span)| {
            if fields.is_null(span, bytes) {
                return None;
            }
            let value = parse::boolean(&bytes[span.start()..span.end()]);
            if value.is_none() {
                bad.push(row);
            }
            value
        })
        .collect();
    Arc::new(array)
}

/// A column of text, which points into the chunk where it can.
fn texts(fields: &Fields) -> StringViewArray {
    let rows = fields.rows;
    let bytes = fields.text.padded();
    let mut builder = ViewBuilder::new(fields.text, rows);
    let mut nulls = None;
    let mut scratch = vec![];
    for (row, span) in fields.iter().enumerate() {
        if fields.is_null(span, bytes) {
            set_null(&mut nulls, row, rows);
            builder.push_null();
        } else if span.is_escaped() {
            scratch.clear();
            unescape(fields.dialect, &bytes[span.start()..span.end()], &mut scratch);
            // Taking out ASCII bytes leaves UTF-8 as it was.
            builder.push_other(&String::from_utf8_lossy(&scratch));
        } else {
            builder.push_piece(span.start(), span.end());
        }
    }
    builder.finish(null_buffer(nulls, rows))
}

/// Text to any other type. Values that are not of the type become NULL and are added to `bad`.
fn cast_texts(texts: StringViewArray, ty: &LogicalType, bad: &mut Vec<usize>) -> Result<ArrayRef> {
    let texts: ArrayRef = Arc::new(texts);
    if ty.is_nested() {
        return cast_nested(&texts, ty, bad);
    }
    let array = cast(&texts, &LogicalType::Varchar, ty, true)?;
    bad.extend((0..texts.len()).filter(|row| array.is_null(*row) && texts.is_valid(*row)));
    Ok(array)
}

/// The same for types with values inside, of which a lenient cast would make NULLs.
fn cast_nested(texts: &ArrayRef, ty: &LogicalType, bad: &mut Vec<usize>) -> Result<ArrayRef> {
    let strictly = |texts: &ArrayRef| match cast(texts, &LogicalType::Varchar, ty, false) {
        Ok(array) => Ok(Some(array)),
        Err(ExecError::Conversion(_) | ExecError::InvalidInput(_)) => Ok(None),
        Err(other) => Err(other),
    };
    if let Some(all) = strictly(texts)? {
        return Ok(all);
    }
    let mut rows = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        rows.push(strictly(&texts.slice(row, 1))?.unwrap_or_else(|| {
            bad.push(row);
            new_null_array(&ty.arrow(), 1)
        }));
    }
    Ok(arrow_select::concat::concat(&rows.iter().map(AsRef::as_ref).collect::<Vec<_>>())?)
}
