//! Columns of numbers, times and texts.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, new_null_array};
use arrow_buffer::NullBuffer;

use super::{Builder, Misfits, Problem};
use crate::column::types::LogicalType;
use crate::exec::cast::number_text::write_float;
use crate::exec::cast::text::json_string;
use crate::exec::cast::{cast, parse as cast_parse};
use crate::exec::error::Result;
use crate::io::json::lex::{Kind, Value};
use crate::io::parse;
use crate::io::strptime::Format;
use crate::io::text::{Text, ViewBuilder};

/// A whole number from a number, a boolean or a string of digits. Fractions are rounded, halves to even.
pub(super) fn integer(value: Value<'_>, scratch: &mut Vec<u8>) -> Option<i128> {
    match value.kind() {
        Kind::Integer => parse::int128(value.raw()),
        Kind::Float => {
            let rounded = parse::float64(value.raw())?.round_ties_even();
            (rounded.abs() < 1.7e38).then_some(rounded as i128)
        }
        Kind::True => Some(1),
        Kind::False => Some(0),
        Kind::Text | Kind::EscapedText => {
            cast_parse::integer(std::str::from_utf8(value.string(scratch)).ok()?)
        }
        _ => None,
    }
}

pub(super) fn float(value: Value<'_>, scratch: &mut Vec<u8>) -> Option<f64> {
    match value.kind() {
        Kind::Integer | Kind::Float => parse::float64(value.raw()),
        Kind::True => Some(1.0),
        Kind::False => Some(0.0),
        Kind::Text | Kind::EscapedText => cast_parse::float(std::str::from_utf8(value.string(scratch)).ok()?),
        _ => None,
    }
}

/// The content of a string.
pub(super) fn string<'b>(value: Value<'b>, scratch: &'b mut Vec<u8>) -> Option<&'b [u8]> {
    matches!(value.kind(), Kind::Text | Kind::EscapedText).then(|| value.string(scratch))
}

/// Reads a date or timestamp of a format.
pub(super) fn formatted<T>(
    format: Format,
    pick: impl Fn(parse::Moment) -> Option<T>,
) -> impl Fn(Value<'_>, &mut Vec<u8>) -> Option<T> {
    move |value, scratch| format.parse(string(value, scratch)?).and_then(&pick)
}

/// All NULL.
pub(super) struct Nulls {
    pub(super) len: usize,
}

impl Builder for Nulls {
    fn push(&mut self, value: Value<'_>, misfits: &mut Misfits) {
        if value.kind() != Kind::Null {
            misfits.note(value, || Problem::Type(LogicalType::Null));
        }
        self.len += 1;
    }

    fn push_null(&mut self) {
        self.len += 1;
    }

    fn finish(&mut self, _misfits: &mut Misfits) -> Result<ArrayRef> {
        Ok(new_null_array(&LogicalType::Null.arrow(), self.len))
    }
}

pub(super) struct Booleans {
    values: BooleanBufferBuilder,
    valid: BooleanBufferBuilder,
    scratch: Vec<u8>,
}

impl Booleans {
    pub(super) fn new(capacity: usize) -> Self {
        let bits = || BooleanBufferBuilder::new(capacity);
        Self { values: bits(), valid: bits(), scratch: vec![] }
    }
}

impl Builder for Booleans {
    fn push(&mut self, value: Value<'_>, misfits: &mut Misfits) {
        let parsed = match value.kind() {
            Kind::Null => return self.push_null(),
            Kind::True => Some(true),
            Kind::False => Some(false),
            Kind::Integer | Kind::Float => parse::float64(value.raw()).map(|v| v != 0.0),
            Kind::Text | Kind::EscapedText => {
                std::str::from_utf8(value.string(&mut self.scratch)).ok().and_then(cast_parse::boolean)
            }
            Kind::Array | Kind::Object => None,
        };
        if parsed.is_none() {
            misfits.note(value, || Problem::Type(LogicalType::Boolean));
        }
        self.values.append(parsed.unwrap_or(false));
        self.valid.append(parsed.is_some());
    }

    fn push_null(&mut self) {
        self.values.append(false);
        self.valid.append(false);
    }

    fn finish(&mut self, _misfits: &mut Misfits) -> Result<ArrayRef> {
        Ok(Arc::new(BooleanArray::new(self.values.finish(), nulls(&mut self.valid))))
    }
}

/// The null buffer of the rows that are marked valid; none if all are.
pub(super) fn nulls(valid: &mut BooleanBufferBuilder) -> Option<NullBuffer> {
    Some(NullBuffer::new(valid.finish())).filter(|n| n.null_count() > 0)
}

/// Values of a fixed width.
pub(super) struct Primitives<T: ArrowPrimitiveType, F> {
    ty: LogicalType,
    values: Vec<T::Native>,
    valid: BooleanBufferBuilder,
    parse: F,
    scratch: Vec<u8>,
    type_of_array: PhantomData<T>,
}

impl<T, F> Primitives<T, F>
where
    T: ArrowPrimitiveType,
    F: Fn(Value<'_>, &mut Vec<u8>) -> Option<T::Native>,
{
    pub(super) fn new(ty: &LogicalType, capacity: usize, parse: F) -> Self {
        Self {
            ty: ty.clone(),
            values: Vec::with_capacity(capacity),
            valid: BooleanBufferBuilder::new(capacity),
            parse,
            scratch: vec![],
            type_of_array: PhantomData,
        }
    }
}

impl<T, F> Builder for Primitives<T, F>
where
    T: ArrowPrimitiveType,
    F: Fn(Value<'_>, &mut Vec<u8>) -> Option<T::Native>,
{
    fn push(&mut self, value: Value<'_>, misfits: &mut Misfits) {
        if value.kind() == Kind::Null {
            return self.push_null();
        }
        match (self.parse)(value, &mut self.scratch) {
            Some(parsed) => {
                self.values.push(parsed);
                self.valid.append(true);
            }
            None => {
                misfits.note(value, || Problem::Type(self.ty.clone()));
                self.push_null();
            }
        }
    }

    fn push_null(&mut self) {
        self.values.push(T::Native::default());
        self.valid.append(false);
    }

    fn finish(&mut self, _misfits: &mut Misfits) -> Result<ArrayRef> {
        let values = std::mem::take(&mut self.values);
        let array = PrimitiveArray::<T>::new(values.into(), nulls(&mut self.valid));
        Ok(Arc::new(array.with_data_type(self.ty.arrow())))
    }
}

/// Text, JSON, and all types that are cast from text.
pub(super) struct Texts<'t> {
    text: &'t Text,
    ty: LogicalType,
    views: ViewBuilder<'t>,
    valid: BooleanBufferBuilder,
    /// Where each value is, if it still has to be cast.
    places: Vec<(u32, u32)>,
    scratch: Vec<u8>,
    compact: String,
}

impl<'t> Texts<'t> {
    pub(super) fn new(text: &'t Text, ty: &LogicalType, capacity: usize) -> Self {
        Self {
            text,
            ty: ty.clone(),
            views: ViewBuilder::new(text, capacity),
            valid: BooleanBufferBuilder::new(capacity),
            places: vec![],
            scratch: vec![],
            compact: String::new(),
        }
    }

    fn is_cast(&self) -> bool {
        !matches!(self.ty, LogicalType::Varchar | LogicalType::Json)
    }
}

impl Builder for Texts<'_> {
    fn push(&mut self, value: Value<'_>, _misfits: &mut Misfits) {
        match value.kind() {
            Kind::Null => return self.push_null(),
            Kind::Text if self.ty != LogicalType::Json => {
                let content = value.content();
                self.views.push_piece(content.start, content.end);
            }
            Kind::EscapedText if self.ty != LogicalType::Json => {
                // Escapes are checked when they are read, so what they stand for is UTF-8.
                self.views.push_other(&String::from_utf8_lossy(value.string(&mut self.scratch)));
            }
            _ => {
                self.compact.clear();
                write_compact(value, &mut self.compact, &mut self.scratch);
                if self.compact.as_bytes() == value.raw() {
                    self.views.push_piece(value.start(), value.end());
                } else {
                    self.views.push_other(&self.compact);
                }
            }
        }
        self.valid.append(true);
        if self.is_cast() {
            self.places.push((value.start() as u32, value.end() as u32));
        }
    }

    fn push_null(&mut self) {
        self.views.push_null();
        self.valid.append(false);
        if self.is_cast() {
            self.places.push((0, 0));
        }
    }

    fn finish(&mut self, misfits: &mut Misfits) -> Result<ArrayRef> {
        let views = std::mem::replace(&mut self.views, ViewBuilder::new(self.text, 0));
        let texts: ArrayRef = Arc::new(views.finish(nulls(&mut self.valid)));
        if !self.is_cast() {
            return Ok(texts);
        }
        let array = cast(&texts, &LogicalType::Varchar, &self.ty, true)?;
        for (row, (start, end)) in std::mem::take(&mut self.places).into_iter().enumerate() {
            if array.is_null(row) && texts.is_valid(row) {
                misfits.note_at(start as usize, end as usize, || Problem::Type(self.ty.clone()));
                break;
            }
        }
        Ok(array)
    }
}

/// Writes a value without blanks, its strings and numbers in their shortest form.
pub(in crate::io::json) fn write_compact(value: Value<'_>, out: &mut String, scratch: &mut Vec<u8>) {
    let push = |bytes: &[u8], out: &mut String| out.push_str(&String::from_utf8_lossy(bytes));
    match value.kind() {
        Kind::EscapedText => json_string(&String::from_utf8_lossy(value.string(scratch)), out),
        Kind::Float => match parse::float64(value.raw()) {
            Some(number) if number.is_finite() => write_float(number, out),
            _ => push(value.raw(), out),
        },
        Kind::Integer if value.raw() == b"-0" => out.push('0'),
        Kind::Array => {
            out.push('[');
            for (i, item) in value.elements().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_compact(item, out, scratch);
            }
            out.push(']');
        }
        Kind::Object => {
            out.push('{');
            for (i, (key, member)) in value.members().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_compact(key, out, scratch);
                out.push(':');
                write_compact(member, out, scratch);
            }
            out.push('}');
        }
        _ => push(value.raw(), out),
    }
}
