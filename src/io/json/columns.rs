//! Columns from values: for each shape a builder that takes one value a row.
//!
//! A value that is not of its column's type becomes NULL and is noted in [`Misfits`]; whether that is an error
//! is decided by whoever reads.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, FixedSizeListArray, PrimitiveArray, new_null_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use hashbrown::HashMap;

use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::cast::nested::{list_array, map_array, struct_array};
use crate::exec::cast::text::{json_string, write_float};
use crate::exec::cast::{cast, parse as cast_parse, parse_time};
use crate::exec::error::{ExecError, Result};
use crate::exec::zone::Zone;
use crate::io::json::lex::{Kind, Value};
use crate::io::json::shape::Shape;
use crate::io::parse;
use crate::io::strptime::Format;
use crate::io::text::{Text, ViewBuilder};

/// What keys of objects mean to their readers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strictness {
    /// A key that no column has is a misfit.
    pub unknown_keys: bool,
    /// So is a key that comes twice.
    pub duplicate_keys: bool,
}

/// The first value that did not fit.
#[derive(Debug, Default)]
pub(super) struct Misfits {
    first: Option<Misfit>,
}

/// A value that is not of its column's type, or an object of the wrong keys.
#[derive(Debug, Clone)]
pub(super) struct Misfit {
    /// Where it begins and ends in the text.
    pub start: usize,
    pub end: usize,
    pub problem: Problem,
}

/// What does not fit.
#[derive(Debug, Clone)]
pub(super) enum Problem {
    /// The value is not of this type.
    Type(LogicalType),
    /// No column has this key.
    UnknownKey(String),
    /// The object has this key twice.
    DuplicateKey(String),
}

impl Misfits {
    pub fn note(&mut self, value: Value<'_>, problem: impl FnOnce() -> Problem) {
        self.note_at(value.start(), value.end(), problem);
    }

    fn note_at(&mut self, start: usize, end: usize, problem: impl FnOnce() -> Problem) {
        if self.first.as_ref().is_none_or(|m| start < m.start) {
            self.first = Some(Misfit { start, end, problem: problem() });
        }
    }

    /// The first in the order of the text.
    pub fn take(&mut self) -> Option<Misfit> {
        self.first.take()
    }
}

/// Collects the values of a column, or of one place in a nested one.
pub(super) trait Builder {
    /// Appends a value.
    fn push(&mut self, value: Value<'_>, misfits: &mut Misfits);

    /// Appends NULL.
    fn push_null(&mut self);

    /// The array of all values so far.
    fn finish(&mut self, misfits: &mut Misfits) -> Result<ArrayRef>;
}

/// A builder for this shape, of values in this text.
pub(super) fn builder<'t>(
    shape: &Shape,
    text: &'t Text,
    strictness: Strictness,
    capacity: usize,
) -> Box<dyn Builder + 't> {
    use LogicalType as T;
    macro_rules! integers {
        ($t:ty, $ty:expr) => {
            Box::new(Primitives::<$t, _>::new($ty, capacity, |value, scratch| {
                integer(value, scratch).and_then(|n| n.try_into().ok())
            }))
        };
    }
    match shape {
        Shape::List(item) => Box::new(Lists::new(builder(item, text, strictness, capacity), item.ty(), None)),
        Shape::Array(item, n) => {
            Box::new(Lists::new(builder(item, text, strictness, capacity), item.ty(), Some(*n)))
        }
        Shape::Struct(fields) => Box::new(Structs {
            ty: shape.ty(),
            fields: Fields::new(fields, text, strictness, capacity),
            valid: BooleanBufferBuilder::new(capacity),
        }),
        Shape::Map(key, value) => {
            Box::new(Maps::new(shape.ty(), key, builder(value, text, strictness, capacity), text, strictness))
        }
        Shape::Formatted(ty, format) if *ty == T::Date => Box::new(Primitives::<Date32Type, _>::new(
            ty,
            capacity,
            formatted(format.clone(), |m| m.offset.is_none().then_some(m.days)),
        )),
        Shape::Formatted(ty, format) => Box::new(Primitives::<TimestampMicrosecondType, _>::new(
            ty,
            capacity,
            formatted(format.clone(), |m| m.timestamp(TimestampMicrosecondType::UNIT)),
        )),
        Shape::Plain(ty) => match ty {
            T::Null => Box::new(Nulls { len: 0 }),
            T::Boolean => Box::new(Booleans::new(capacity)),
            T::TinyInt => integers!(Int8Type, ty),
            T::SmallInt => integers!(Int16Type, ty),
            T::Integer => integers!(Int32Type, ty),
            T::BigInt => Box::new(Primitives::<Int64Type, _>::new(ty, capacity, |value, scratch| {
                if value.kind() == Kind::Integer {
                    return parse::int64(value.raw());
                }
                integer(value, scratch).and_then(|n| n.try_into().ok())
            })),
            T::HugeInt => Box::new(Primitives::<Decimal128Type, _>::new(ty, capacity, integer)),
            T::UTinyInt => integers!(UInt8Type, ty),
            T::USmallInt => integers!(UInt16Type, ty),
            T::UInteger => integers!(UInt32Type, ty),
            T::UBigInt => integers!(UInt64Type, ty),
            T::Float => Box::new(Primitives::<Float32Type, _>::new(ty, capacity, |value, scratch| {
                float(value, scratch).map(|v| v as f32)
            })),
            T::Double => Box::new(Primitives::<Float64Type, _>::new(ty, capacity, float)),
            T::Date => Box::new(Primitives::<Date32Type, _>::new(ty, capacity, |value, scratch| {
                let text = string(value, scratch)?;
                parse::date(text).or_else(|| parse_time::date(std::str::from_utf8(text).ok()?).ok())
            })),
            T::Time => {
                Box::new(Primitives::<Time64MicrosecondType, _>::new(ty, capacity, |value, scratch| {
                    parse_time::time(std::str::from_utf8(string(value, scratch)?).ok()?).ok()
                }))
            }
            ty if *ty == TIMESTAMP => {
                Box::new(Primitives::<TimestampMicrosecondType, _>::new(ty, capacity, |value, scratch| {
                    let text = string(value, scratch)?;
                    match parse::moment(text) {
                        Some(m) => m.timestamp(TimestampMicrosecondType::UNIT),
                        None => {
                            let text = std::str::from_utf8(text).ok()?;
                            parse_time::timestamp(text, TimestampMicrosecondType::UNIT).ok()
                        }
                    }
                }))
            }
            T::TimestampTz => {
                Box::new(Primitives::<TimestampMicrosecondType, _>::new(ty, capacity, |value, scratch| {
                    let text = string(value, scratch)?;
                    match parse::moment(text) {
                        Some(m) => m.timestamp(TimestampMicrosecondType::UNIT),
                        None => parse_time::timestamp_tz(
                            std::str::from_utf8(text).ok()?,
                            &Zone::utc_ref().clock(),
                        )
                        .ok(),
                    }
                }))
            }
            other => Box::new(Texts::new(text, other, capacity)),
        },
    }
}

/// A whole number from a number, a boolean or a string of digits. Fractions are rounded, halves to even.
fn integer(value: Value<'_>, scratch: &mut Vec<u8>) -> Option<i128> {
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

fn float(value: Value<'_>, scratch: &mut Vec<u8>) -> Option<f64> {
    match value.kind() {
        Kind::Integer | Kind::Float => parse::float64(value.raw()),
        Kind::True => Some(1.0),
        Kind::False => Some(0.0),
        Kind::Text | Kind::EscapedText => cast_parse::float(std::str::from_utf8(value.string(scratch)).ok()?),
        _ => None,
    }
}

/// The content of a string.
fn string<'b>(value: Value<'b>, scratch: &'b mut Vec<u8>) -> Option<&'b [u8]> {
    matches!(value.kind(), Kind::Text | Kind::EscapedText).then(|| value.string(scratch))
}

/// Reads a date or timestamp of a format.
fn formatted<T>(
    format: Format,
    pick: impl Fn(parse::Moment) -> Option<T>,
) -> impl Fn(Value<'_>, &mut Vec<u8>) -> Option<T> {
    move |value, scratch| format.parse(string(value, scratch)?).and_then(&pick)
}

/// All NULL.
struct Nulls {
    len: usize,
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

struct Booleans {
    values: BooleanBufferBuilder,
    valid: BooleanBufferBuilder,
    scratch: Vec<u8>,
}

impl Booleans {
    fn new(capacity: usize) -> Self {
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
fn nulls(valid: &mut BooleanBufferBuilder) -> Option<NullBuffer> {
    Some(NullBuffer::new(valid.finish())).filter(|n| n.null_count() > 0)
}

/// Values of a fixed width.
struct Primitives<T: ArrowPrimitiveType, F> {
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
    fn new(ty: &LogicalType, capacity: usize, parse: F) -> Self {
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
struct Texts<'t> {
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
    fn new(text: &'t Text, ty: &LogicalType, capacity: usize) -> Self {
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
pub(super) fn write_compact(value: Value<'_>, out: &mut String, scratch: &mut Vec<u8>) {
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

/// Lists, and arrays of a fixed length.
struct Lists<'t> {
    items: Box<dyn Builder + 't>,
    item: LogicalType,
    length: Option<u32>,
    offsets: Vec<i32>,
    valid: BooleanBufferBuilder,
}

impl<'t> Lists<'t> {
    fn new(items: Box<dyn Builder + 't>, item: LogicalType, length: Option<u32>) -> Self {
        Self { items, item, length, offsets: vec![0], valid: BooleanBufferBuilder::new(0) }
    }

    fn ty(&self) -> LogicalType {
        let item = Box::new(self.item.clone());
        match self.length {
            None => LogicalType::List(item),
            Some(n) => LogicalType::Array(item, n),
        }
    }
}

impl Builder for Lists<'_> {
    fn push(&mut self, value: Value<'_>, misfits: &mut Misfits) {
        let fits = value.kind() == Kind::Array
            && self.length.is_none_or(|n| value.elements().take(n as usize + 1).count() == n as usize);
        if !fits {
            if value.kind() != Kind::Null {
                misfits.note(value, || Problem::Type(self.ty()));
            }
            return self.push_null();
        }
        let mut end = self.offsets[self.offsets.len() - 1];
        for item in value.elements() {
            self.items.push(item, misfits);
            end += 1;
        }
        self.offsets.push(end);
        self.valid.append(true);
    }

    fn push_null(&mut self) {
        let fill = self.length.unwrap_or(0);
        (0..fill).for_each(|_| self.items.push_null());
        self.offsets.push(self.offsets[self.offsets.len() - 1] + fill as i32);
        self.valid.append(false);
    }

    fn finish(&mut self, misfits: &mut Misfits) -> Result<ArrayRef> {
        let items = self.items.finish(misfits)?;
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let nulls = nulls(&mut self.valid);
        match self.length {
            None => list_array(&self.item, OffsetBuffer::new(ScalarBuffer::from(offsets)), items, nulls),
            Some(n) => {
                let field = Arc::new(arrow_schema::Field::new("item", self.item.arrow(), true));
                Ok(Arc::new(FixedSizeListArray::try_new(field, n as i32, items, nulls)?))
            }
        }
    }
}

struct Structs<'t> {
    ty: LogicalType,
    fields: Fields<'t>,
    valid: BooleanBufferBuilder,
}

impl Builder for Structs<'_> {
    fn push(&mut self, value: Value<'_>, misfits: &mut Misfits) {
        match value.kind() {
            Kind::Object => {
                self.fields.push(value, misfits);
                self.valid.append(true);
            }
            Kind::Null => self.push_null(),
            _ => {
                misfits.note(value, || Problem::Type(self.ty.clone()));
                self.push_null();
            }
        }
    }

    fn push_null(&mut self) {
        self.fields.push_nulls();
        self.valid.append(false);
    }

    fn finish(&mut self, misfits: &mut Misfits) -> Result<ArrayRef> {
        let len = self.valid.len();
        let columns = self.fields.finish(misfits)?;
        struct_array(&self.ty, columns, nulls(&mut self.valid), len)
    }
}

struct Maps<'t> {
    ty: LogicalType,
    keys: Texts<'t>,
    values: Box<dyn Builder + 't>,
    offsets: Vec<i32>,
    valid: BooleanBufferBuilder,
    duplicate_keys: bool,
}

impl<'t> Maps<'t> {
    fn new(
        ty: LogicalType,
        key: &LogicalType,
        values: Box<dyn Builder + 't>,
        text: &'t Text,
        strictness: Strictness,
    ) -> Self {
        Self {
            ty,
            keys: Texts::new(text, key, 0),
            values,
            offsets: vec![0],
            valid: BooleanBufferBuilder::new(0),
            duplicate_keys: strictness.duplicate_keys,
        }
    }
}

impl Builder for Maps<'_> {
    fn push(&mut self, value: Value<'_>, misfits: &mut Misfits) {
        if value.kind() != Kind::Object {
            if value.kind() != Kind::Null {
                misfits.note(value, || Problem::Type(self.ty.clone()));
            }
            return self.push_null();
        }
        let mut end = self.offsets[self.offsets.len() - 1];
        let mut seen = HashMap::<Vec<u8>, (), foldhash::fast::RandomState>::default();
        let mut scratch = vec![];
        for (key, member) in value.members() {
            let name = key.string(&mut scratch);
            if seen.insert(name.to_vec(), ()).is_some() {
                // A map has each key once; the first stays.
                if self.duplicate_keys {
                    let name = String::from_utf8_lossy(name).into_owned();
                    misfits.note(value, || Problem::DuplicateKey(name));
                }
                continue;
            }
            self.keys.push(key, misfits);
            self.values.push(member, misfits);
            end += 1;
        }
        self.offsets.push(end);
        self.valid.append(true);
    }

    fn push_null(&mut self) {
        self.offsets.push(self.offsets[self.offsets.len() - 1]);
        self.valid.append(false);
    }

    fn finish(&mut self, misfits: &mut Misfits) -> Result<ArrayRef> {
        let keys = self.keys.finish(misfits)?;
        if keys.null_count() > 0 {
            // A key cannot be NULL, whatever else is tolerated.
            return Err(ExecError::Conversion(format!("a key of a {} is not of its type", self.ty)));
        }
        let values = self.values.finish(misfits)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        map_array(&self.ty, offsets, keys, values, nulls(&mut self.valid))
    }
}

/// The values of objects by key: the fields of a struct, or all columns of a file.
pub(super) struct Fields<'t> {
    builders: Vec<Option<Box<dyn Builder + 't>>>,
    places: HashMap<Box<[u8]>, usize, foldhash::fast::RandomState>,
    names: Vec<Box<[u8]>>,
    /// The number of the object in which each key was last seen.
    seen: Vec<u64>,
    object: u64,
    strictness: Strictness,
    scratch: Vec<u8>,
}

impl<'t> Fields<'t> {
    /// Builders for all of these fields.
    pub fn new(
        fields: &[(Box<str>, Shape)],
        text: &'t Text,
        strictness: Strictness,
        capacity: usize,
    ) -> Self {
        let names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
        let builders =
            fields.iter().map(|(_, shape)| Some(builder(shape, text, strictness, capacity))).collect();
        Self::of(&names, builders, strictness)
    }

    /// Builders for some of these fields; the values of the others are passed over.
    pub fn of(names: &[&str], builders: Vec<Option<Box<dyn Builder + 't>>>, strictness: Strictness) -> Self {
        let names: Vec<Box<[u8]>> = names.iter().map(|n| n.as_bytes().into()).collect();
        let mut places = HashMap::default();
        for (place, name) in names.iter().enumerate() {
            places.entry(name.clone()).or_insert(place);
        }
        Self { seen: vec![0; names.len()], builders, places, names, object: 0, strictness, scratch: vec![] }
    }

    /// Appends the members of an object.
    pub fn push(&mut self, value: Value<'_>, misfits: &mut Misfits) {
        self.object += 1;
        let mut found = 0;
        // Objects mostly have their keys in the same order.
        let mut guess = 0;
        for (key, member) in value.members() {
            let name = key.string(&mut self.scratch);
            let place = if self.names.get(guess).is_some_and(|n| **n == *name) {
                Some(guess)
            } else {
                self.places.get(name).copied()
            };
            let Some(place) = place else {
                if self.strictness.unknown_keys {
                    let name = String::from_utf8_lossy(name).into_owned();
                    misfits.note(value, || Problem::UnknownKey(name));
                }
                continue;
            };
            guess = place + 1;
            if self.seen[place] == self.object {
                if self.strictness.duplicate_keys {
                    let name = String::from_utf8_lossy(name).into_owned();
                    misfits.note(value, || Problem::DuplicateKey(name));
                }
                continue;
            }
            self.seen[place] = self.object;
            found += 1;
            if let Some(builder) = &mut self.builders[place] {
                builder.push(member, misfits);
            }
        }
        if found < self.builders.len() {
            for (builder, seen) in self.builders.iter_mut().zip(&self.seen) {
                if let (Some(builder), true) = (builder, *seen != self.object) {
                    builder.push_null();
                }
            }
        }
    }

    /// Appends NULL to all.
    pub fn push_nulls(&mut self) {
        self.builders.iter_mut().flatten().for_each(|b| b.push_null());
    }

    /// The arrays of those fields that have builders, in order.
    pub fn finish(&mut self, misfits: &mut Misfits) -> Result<Vec<ArrayRef>> {
        self.builders.iter_mut().flatten().map(|b| b.finish(misfits)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::json::lex::Tape;
    use crate::io::json::shape::TimeFormats;
    use crate::io::testing::show;
    use crate::io::type_name;
    use arrow_array::cast::AsArray;

    const LAX: Strictness = Strictness { unknown_keys: false, duplicate_keys: false };

    /// The column of a type that these values make, and the first misfit.
    fn column(ty: &str, values: &str) -> (Vec<String>, Option<String>) {
        let ty = type_name::parse(ty).unwrap();
        let bytes = format!("[{values}]").into_bytes();
        let len = bytes.len();
        let (text, _) = Text::new(bytes, len);
        let mut tape = Tape::default();
        tape.read(text.padded(), 0).unwrap();
        let strict = Strictness { unknown_keys: false, duplicate_keys: true };
        let mut builder = builder(&Shape::of(&ty, &TimeFormats::default()), &text, strict, 4);
        let mut misfits = Misfits::default();
        tape.root(text.padded()).elements().for_each(|v| builder.push(v, &mut misfits));
        let array = builder.finish(&mut misfits).unwrap();
        array.to_data().validate_full().unwrap();
        assert_eq!(*array.data_type(), ty.arrow());
        let misfit =
            misfits.take().map(|m| String::from_utf8_lossy(&text.padded()[m.start..m.end]).into_owned());
        (show(&array, &ty), misfit)
    }

    #[test]
    fn values_of_all_types() {
        for (ty, values, shown) in [
            ("INTEGER", "1, null, 2.5, 3.5, -2.5, true, \"7\"", "1 ␀ 2 4 -2 1 7"),
            ("UBIGINT", "18446744073709551615", "18446744073709551615"),
            ("HUGEINT", "-9223372036854775809, 1e2", "-9223372036854775809 100"),
            ("DOUBLE", "1, 2.5, NaN, -inf, \"1e3\"", "1.0 2.5 nan -inf 1000.0"),
            ("BOOLEAN", "true, 0, 2.5, \"f\"", "true false true false"),
            ("DECIMAL(5,2)", "1.005, 2, \"3.1\"", "1.01 2.00 3.10"),
            (
                "VARCHAR",
                "\"a\\u00e9\\n\", 1.50, 7, true, {\"k\": [1, \"x\"]}",
                "aé\n 1.5 7 true {\"k\":[1,\"x\"]}",
            ),
            (
                "JSON",
                "\"a\\u00e9\", {\"k\" : 1e5}, [], 12345678901234567890123",
                "\"aé\" {\"k\":100000.0} [] 12345678901234567890123",
            ),
            ("DATE", "\"2020-01-02\", null", "2020-01-02 ␀"),
            ("TIME", "\"12:30\"", "12:30:00"),
            (
                "TIMESTAMP",
                "\"2020-01-02T03:04:05Z\", \"2020-01-02\"",
                "2020-01-02 03:04:05 2020-01-02 00:00:00",
            ),
            ("TIMESTAMP_S", "\"2020-01-02 03:04:05\"", "2020-01-02 03:04:05"),
            ("TIMESTAMPTZ", "\"2020-01-02T03:04:05+02:00\"", "2020-01-02 01:04:05+00"),
            ("UUID", "\"550e8400-e29b-41d4-a716-446655440000\"", "550e8400-e29b-41d4-a716-446655440000"),
            ("INT[]", "[1, null], null, []", "[1, NULL] ␀ []"),
            ("INT[2]", "[1, 2], null", "[1, 2] ␀"),
            (
                "STRUCT(a INT, b VARCHAR[])",
                "{\"b\": [\"x\"]}, null, {\"a\": 1, \"q\": 2}",
                "{'a': NULL, 'b': [x]} ␀ {'a': 1, 'b': NULL}",
            ),
            ("MAP(INT, VARCHAR)", "{\"1\": 1, \"2\": null}, null, {}", "{1=1, 2=NULL} ␀ {}"),
        ] {
            let (found, misfit) = column(ty, values);
            assert_eq!((found.join(" "), misfit), (shown.to_string(), None), "{ty}");
        }
    }

    #[test]
    fn values_of_other_types() {
        for (ty, values, bad) in [
            ("INTEGER", "1, \"x\", {}", "\"x\""),
            ("TINYINT", "300", "300"),
            ("BIGINT", "9223372036854775808", "9223372036854775808"),
            ("BOOLEAN", "[1]", "[1]"),
            ("DATE", "\"2020-02-30\"", "\"2020-02-30\""),
            ("DATE", "12", "12"),
            ("UUID", "\"x\"", "\"x\""),
            ("INT[]", "[1, \"x\"]", "\"x\""),
            ("INT[]", "{\"a\": 1}", "{\"a\": 1}"),
            ("INT[2]", "[1], [1, 2]", "[1]"),
            ("STRUCT(a INT)", "[1]", "[1]"),
            ("STRUCT(a INT)", "{\"a\": 1, \"a\": 2}", "{\"a\": 1, \"a\": 2}"),
            ("MAP(VARCHAR, INT)", "{\"a\": 1, \"a\": 2}", "{\"a\": 1, \"a\": 2}"),
            ("DECIMAL(3,1)", "1.5, 1000, \"y\"", "1000"),
        ] {
            assert_eq!(column(ty, values).1.as_deref(), Some(bad), "{ty}");
        }
    }

    #[test]
    fn keys_in_any_order() {
        let source = br#"[{"a":1,"b":2},{"b":3},{"c":9,"b":4,"a":5},{}]"#.to_vec();
        let len = source.len();
        let (text, _) = Text::new(source, len);
        let mut tape = Tape::default();
        tape.read(text.padded(), 0).unwrap();
        let int = Shape::Plain(LogicalType::Integer);
        let mut fields = Fields::new(&[("a".into(), int.clone()), ("b".into(), int)], &text, LAX, 4);
        let mut misfits = Misfits::default();
        tape.root(text.padded()).elements().for_each(|v| fields.push(v, &mut misfits));
        let columns = fields.finish(&mut misfits).unwrap();
        assert_eq!(show(&columns[0], &LogicalType::Integer), ["1", "␀", "5", "␀"]);
        assert_eq!(show(&columns[1], &LogicalType::Integer), ["2", "3", "4", "␀"]);
        assert!(misfits.take().is_none());
        assert_eq!(columns[0].as_primitive::<Int32Type>().len(), 4);
    }
}
