//! Columns of lists, structs and maps, and the members of objects.

use std::sync::Arc;

use arrow_array::builder::BooleanBufferBuilder;
use arrow_array::{Array, ArrayRef, FixedSizeListArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use hashbrown::HashMap;

use super::scalars::{Texts, nulls};
use super::{Builder, Misfits, Problem, Strictness, builder};
use crate::column::types::LogicalType;
use crate::exec::cast::nested::{list_array, map_array, struct_array};
use crate::exec::error::{ExecError, Result};
use crate::io::json::lex::{Kind, Value};
use crate::io::json::shape::Shape;
use crate::io::text::Text;

/// Lists, and arrays of a fixed length.
pub(super) struct Lists<'t> {
    items: Box<dyn Builder + 't>,
    item: LogicalType,
    length: Option<u32>,
    offsets: Vec<i32>,
    valid: BooleanBufferBuilder,
}

impl<'t> Lists<'t> {
    pub(super) fn new(items: Box<dyn Builder + 't>, item: LogicalType, length: Option<u32>) -> Self {
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

pub(super) struct Structs<'t> {
    ty: LogicalType,
    fields: Fields<'t>,
    valid: BooleanBufferBuilder,
}

impl<'t> Structs<'t> {
    pub(super) fn new(ty: LogicalType, fields: Fields<'t>, capacity: usize) -> Self {
        Self { ty, fields, valid: BooleanBufferBuilder::new(capacity) }
    }
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

pub(super) struct Maps<'t> {
    ty: LogicalType,
    keys: Texts<'t>,
    values: Box<dyn Builder + 't>,
    offsets: Vec<i32>,
    valid: BooleanBufferBuilder,
    duplicate_keys: bool,
}

impl<'t> Maps<'t> {
    pub(super) fn new(
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
pub(in crate::io::json) struct Fields<'t> {
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
