//! VARIANTs of Parquet files, in the binary encoding that Parquet defines for them: names in one column, values in
//! another. Values may also lie apart, in columns of their own ("shredded"); those are read, but not written.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryViewArray, ListArray, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields};

use crate::column::types::LogicalType;
use crate::exec::cast::variant::read::Leaf;
use crate::exec::cast::variant::{Draft, HEIGHT_MAX, Node, Tag, to_variant};
use crate::exec::error::{ExecError, Result};
use crate::io::foreign::conform;

/// The column of names.
pub(super) const METADATA: &str = "metadata";
/// The column of values that do not lie apart.
pub(super) const VALUE: &str = "value";
/// The column of values that lie apart, of one type.
pub(super) const TYPED: &str = "typed_value";

/// What a value takes may be so many times what it takes in the file, since names are there once.
const GROWTH_MAX: usize = 256;

fn damaged(what: &str) -> ExecError {
    ExecError::Io(format!("a VARIANT of the file is damaged: {what}"))
}

/// Types of values that are not made of others, by Parquet's numbers.
mod primitive {
    pub const NULL: u8 = 0;
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const INT8: u8 = 3;
    pub const INT16: u8 = 4;
    pub const INT32: u8 = 5;
    pub const INT64: u8 = 6;
    pub const DOUBLE: u8 = 7;
    pub const DECIMAL4: u8 = 8;
    pub const DECIMAL8: u8 = 9;
    pub const DECIMAL16: u8 = 10;
    pub const DATE: u8 = 11;
    pub const INSTANT: u8 = 12;
    pub const MICROS: u8 = 13;
    pub const FLOAT: u8 = 14;
    pub const BINARY: u8 = 15;
    pub const STRING: u8 = 16;
    pub const TIME: u8 = 17;
    pub const INSTANT_NS: u8 = 18;
    pub const NANOS: u8 = 19;
    pub const UUID: u8 = 20;
}

/// Kinds of values, by the lowest bits of their first byte.
mod kind {
    pub const PRIMITIVE: u8 = 0;
    pub const SHORT_STRING: u8 = 1;
    pub const OBJECT: u8 = 2;
}

/// A number of a few bytes, the lowest first.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
}

/// Takes bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(count).ok_or_else(|| damaged("it ends too early"))?;
    *bytes = rest;
    Ok(front)
}

fn fixed<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N]> {
    Ok(take(bytes, N)?.try_into().expect("as many bytes as were taken"))
}

/// Numbers of one width, one behind the other.
#[derive(Clone, Copy)]
struct Numbers<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl<'a> Numbers<'a> {
    fn take(bytes: &mut &'a [u8], count: usize, width: usize) -> Result<Self> {
        let size = count.checked_mul(width).ok_or_else(|| damaged("it ends too early"))?;
        Ok(Self { bytes: take(bytes, size)?, width })
    }

    fn get(self, at: usize) -> Result<usize> {
        let own = self.bytes.get(at * self.width..(at + 1) * self.width);
        own.map(number).ok_or_else(|| damaged("a number of a name that there is not"))
    }
}

/// The names of a value.
struct Names<'a> {
    ends: Numbers<'a>,
    texts: &'a [u8],
    size: usize,
}

impl<'a> Names<'a> {
    fn read(metadata: &'a [u8]) -> Result<Self> {
        let mut rest = metadata;
        let [head] = fixed(&mut rest)?;
        if head & 0xF != 1 {
            return Err(damaged("its names are of an unknown version"));
        }
        let width = usize::from(head >> 6) + 1;
        let count = number(take(&mut rest, width)?);
        let ends = Numbers::take(&mut rest, count.saturating_add(1), width)?;
        Ok(Self { ends, texts: rest, size: metadata.len() })
    }

    fn get(&self, id: usize) -> Result<&'a str> {
        let text = self.texts.get(self.ends.get(id)?..self.ends.get(id.saturating_add(1))?);
        let text = text.ok_or_else(|| damaged("a name ends behind the last one"))?;
        std::str::from_utf8(text).map_err(|_| damaged("a name is no UTF-8"))
    }
}

/// Makes ours of Parquet's bytes.
struct Reader<'a> {
    names: &'a Names<'a>,
    /// Values that may still be read: each takes a byte at least, unless several lie in one place.
    left: usize,
    /// Bytes that may be made.
    room: usize,
}

impl<'a> Reader<'a> {
    fn new(names: &'a Names<'a>, value: &[u8]) -> Self {
        let size = value.len().saturating_add(names.size).saturating_add(16);
        Self { names, left: value.len(), room: size.saturating_mul(GROWTH_MAX) }
    }

    fn value(&mut self, mut bytes: &'a [u8], depth: u16, out: &mut Vec<u8>) -> Result<()> {
        if depth > HEIGHT_MAX {
            return Err(damaged("it nests too deeply"));
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| damaged("values lie in the place of others"))?;
        if out.len() > self.room {
            return Err(damaged("its names are too long"));
        }
        let [head] = fixed(&mut bytes)?;
        let (kind, head) = (head & 3, head >> 2);
        match kind {
            kind::PRIMITIVE => primitive(head, bytes, out),
            kind::SHORT_STRING => text(take(&mut bytes, head.into())?, out),
            kind::OBJECT => {
                let members = self.members(head, bytes)?;
                let names: Vec<&str> = members.keys().copied().collect();
                let mut draft = Draft::object(out, &names)?;
                for value in members.values() {
                    draft.part(|out| self.value(value, depth + 1, out))?;
                }
                draft.finish()
            }
            _ => {
                let width = usize::from(head & 3) + 1;
                let count = number(take(&mut bytes, if head & 4 == 0 { 1 } else { 4 })?);
                let starts = Numbers::take(&mut bytes, count.saturating_add(1), width)?;
                let mut draft = Draft::array(out, count)?;
                for at in 0..count {
                    let item = bytes.get(starts.get(at)?..).ok_or_else(|| damaged("an item lies outside"))?;
                    draft.part(|out| self.value(item, depth + 1, out))?;
                }
                draft.finish()
            }
        }
    }

    /// The members of an object, of which only the beginnings are known.
    fn members(&self, head: u8, mut bytes: &'a [u8]) -> Result<BTreeMap<&'a str, &'a [u8]>> {
        let (width, id_width) = (usize::from(head & 3) + 1, usize::from(head >> 2 & 3) + 1);
        let count = number(take(&mut bytes, if head & 16 == 0 { 1 } else { 4 })?);
        let ids = Numbers::take(&mut bytes, count, id_width)?;
        let starts = Numbers::take(&mut bytes, count.saturating_add(1), width)?;
        let mut members = BTreeMap::new();
        for at in 0..count {
            let value = bytes.get(starts.get(at)?..).ok_or_else(|| damaged("a member lies outside"))?;
            members.insert(self.names.get(ids.get(at)?)?, value);
        }
        Ok(members)
    }
}

fn text(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    std::str::from_utf8(bytes).map_err(|_| damaged("a text is no UTF-8"))?;
    out.push(Tag::Text as u8);
    out.extend(bytes);
    Ok(())
}

fn primitive(ty: u8, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let mut plain = |tag: Tag, size: usize| -> Result<()> {
        let value = take(&mut bytes, size)?;
        out.push(tag as u8);
        out.extend(value);
        Ok(())
    };
    match ty {
        primitive::NULL => plain(Tag::Null, 0),
        primitive::TRUE => plain(Tag::True, 0),
        primitive::FALSE => plain(Tag::False, 0),
        primitive::INT8 => plain(Tag::Int8, 1),
        primitive::INT16 => plain(Tag::Int16, 2),
        primitive::INT32 => plain(Tag::Int32, 4),
        primitive::INT64 => plain(Tag::Int64, 8),
        primitive::DOUBLE => plain(Tag::Double, 8),
        primitive::FLOAT => plain(Tag::Float, 4),
        primitive::DATE => plain(Tag::Date, 4),
        primitive::INSTANT => plain(Tag::Instant, 8),
        primitive::MICROS => plain(Tag::Micros, 8),
        primitive::TIME => plain(Tag::Time, 8),
        primitive::NANOS => plain(Tag::Nanos, 8),
        primitive::UUID => plain(Tag::Uuid, 16),
        // There is no such type here: instants are in microseconds.
        primitive::INSTANT_NS => {
            let nanos = i64::from_le_bytes(fixed(&mut bytes)?);
            out.push(Tag::Instant as u8);
            out.extend(nanos.div_euclid(1000).to_le_bytes());
            Ok(())
        }
        primitive::DECIMAL4 | primitive::DECIMAL8 | primitive::DECIMAL16 => {
            let [scale] = fixed(&mut bytes)?;
            let (width, value) = match ty {
                primitive::DECIMAL4 => (9, i128::from(i32::from_le_bytes(fixed(&mut bytes)?))),
                primitive::DECIMAL8 => (18, i128::from(i64::from_le_bytes(fixed(&mut bytes)?))),
                _ => (38, i128::from_le_bytes(fixed(&mut bytes)?)),
            };
            // Of a scale as great as 38, and more digits than those of its size, it is a wider one.
            let width = [9, 18, 38].into_iter().find(|w| *w >= width && *w >= scale);
            let width = width.ok_or_else(|| damaged("a DECIMAL of more than 38 digits"))?;
            out.extend([Tag::Decimal as u8, width, scale]);
            if width <= 18 {
                out.extend((value as i64).to_le_bytes());
            } else {
                out.extend(value.to_le_bytes());
            }
            Ok(())
        }
        primitive::BINARY | primitive::STRING => {
            let size = u32::from_le_bytes(fixed(&mut bytes)?) as usize;
            let value = take(&mut bytes, size)?;
            if ty == primitive::STRING {
                return text(value, out);
            }
            out.push(Tag::Blob as u8);
            out.extend(value);
            Ok(())
        }
        _ => Err(damaged("a value of an unknown type")),
    }
}

/// The columns of values, of which one has the value of a row.
struct Part<'a> {
    value: Option<&'a BinaryViewArray>,
    typed: Option<Typed<'a>>,
}

enum Typed<'a> {
    /// Ours already.
    Leaf(ArrayRef),
    List(&'a ListArray, Box<Part<'a>>),
    Object(&'a StructArray, Vec<(&'a str, Part<'a>)>),
}

impl<'a> Part<'a> {
    fn open(group: &'a StructArray) -> Result<Self> {
        let wrong = || damaged("its columns are not those of a VARIANT");
        let part = |array: &'a ArrayRef| Self::open(array.as_struct_opt().ok_or_else(wrong)?);
        let value = match group.column_by_name(VALUE) {
            Some(values) => Some(values.as_binary_view_opt().ok_or_else(wrong)?),
            None => None,
        };
        let typed = match group.column_by_name(TYPED) {
            None => None,
            Some(array) => Some(match array.data_type() {
                DataType::List(_) => {
                    let list = array.as_list::<i32>();
                    Typed::List(list, Box::new(part(list.values())?))
                }
                DataType::Struct(fields) => {
                    let of = array.as_struct();
                    let parts = fields.iter().zip(of.columns());
                    let parts = parts.map(|(field, column)| Ok((field.name().as_str(), part(column)?)));
                    Typed::Object(of, parts.collect::<Result<_>>()?)
                }
                leaf => {
                    let ty = match leaf {
                        DataType::FixedSizeBinary(16) => LogicalType::Uuid,
                        leaf => LogicalType::from_arrow(leaf).ok_or_else(wrong)?,
                    };
                    Typed::Leaf(to_variant(&conform(array, &ty)?, &ty)?)
                }
            }),
        };
        Ok(Self { value, typed })
    }

    /// Appends the value of a row, if there is one.
    fn write(&self, row: usize, names: &Names<'_>, depth: u16, out: &mut Vec<u8>) -> Result<bool> {
        if depth > HEIGHT_MAX {
            return Err(damaged("it nests too deeply"));
        }
        let value = self.value.filter(|values| values.is_valid(row)).map(|values| values.value(row));
        match &self.typed {
            Some(Typed::Leaf(values)) if values.is_valid(row) => {
                out.extend(values.as_binary_view().value(row));
                return Ok(true);
            }
            Some(Typed::List(list, item)) if list.is_valid(row) => {
                let items = list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize;
                let mut draft = Draft::array(out, items.len())?;
                for at in items {
                    draft.part(|out| {
                        if !item.write(at, names, depth + 1, out)? {
                            out.push(Tag::Null as u8);
                        }
                        Ok(())
                    })?;
                }
                draft.finish()?;
                return Ok(true);
            }
            Some(Typed::Object(of, parts)) if of.is_valid(row) => {
                let mut members: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
                for (name, part) in parts {
                    let mut bytes = vec![];
                    if part.write(row, names, depth + 1, &mut bytes)? {
                        members.insert(name, bytes);
                    }
                }
                // Members that do not lie apart.
                let mut rest = vec![];
                if let Some(value) = value {
                    Reader::new(names, value).value(value, depth, &mut rest)?;
                    let Node::Object(object) = Node::read(&rest)? else {
                        return Err(damaged("it is an object and something else"));
                    };
                    for member in object.members() {
                        let (name, value) = member?;
                        members.entry(name).or_insert_with(|| value.to_vec());
                    }
                }
                let names: Vec<&str> = members.keys().copied().collect();
                let mut draft = Draft::object(out, &names)?;
                for value in members.values() {
                    draft.part(|out| {
                        out.extend(value);
                        Ok(())
                    })?;
                }
                draft.finish()?;
                return Ok(true);
            }
            _ => {}
        }
        let Some(value) = value else { return Ok(false) };
        Reader::new(names, value).value(value, depth, out)?;
        Ok(true)
    }
}

/// A column of a file as VARIANTs.
///
/// # Errors
/// The columns that it is made of are not those of VARIANTs, or a value is damaged.
pub(crate) fn decode(array: &ArrayRef) -> Result<ArrayRef> {
    let group = array.as_struct();
    let metadata = group
        .column_by_name(METADATA)
        .and_then(|names| names.as_binary_view_opt())
        .ok_or_else(|| damaged("it has no names"))?;
    let part = Part::open(group)?;
    let mut out = BinaryViewBuilder::with_capacity(group.len());
    let mut bytes = vec![];
    for row in 0..group.len() {
        bytes.clear();
        if group.is_valid(row) && metadata.is_valid(row) {
            let names = Names::read(metadata.value(row))?;
            part.write(row, &names, 0, &mut bytes)?;
        }
        if bytes.is_empty() || bytes == [Tag::Null as u8] {
            out.append_null();
        } else {
            out.try_append_value(&bytes)?;
        }
    }
    Ok(Arc::new(out.finish()))
}

/// The layout in which VARIANTs are handed to the crate.
pub(super) fn layout() -> DataType {
    DataType::Struct(Fields::from(vec![
        Field::new(METADATA, DataType::BinaryView, false),
        Field::new(VALUE, DataType::BinaryView, false),
    ]))
}

/// VARIANTs in that layout.
///
/// # Errors
/// A value is of a type that Parquet does not have in a VARIANT.
pub(super) fn encode(array: &ArrayRef) -> Result<ArrayRef> {
    let values = array.as_binary_view();
    let mut metadata = BinaryViewBuilder::with_capacity(values.len());
    let mut encoded = BinaryViewBuilder::with_capacity(values.len());
    let mut out = vec![];
    for value in values {
        let mut names = BTreeMap::new();
        let value = value.unwrap_or(&[Tag::Null as u8]);
        collect_names(value, 0, &mut names)?;
        for (id, number) in names.values_mut().enumerate() {
            *number = id;
        }
        metadata.try_append_value(write_names(&names)?)?;
        out.clear();
        write_value(value, &names, 0, &mut out)?;
        encoded.try_append_value(&out)?;
    }
    let DataType::Struct(fields) = layout() else { unreachable!("the layout of a VARIANT") };
    let columns: Vec<ArrayRef> = vec![Arc::new(metadata.finish()), Arc::new(encoded.finish())];
    let nulls: Option<NullBuffer> = values.nulls().cloned();
    Ok(Arc::new(StructArray::try_new(fields, columns, nulls)?))
}

fn collect_names<'a>(value: &'a [u8], depth: u16, names: &mut BTreeMap<&'a str, usize>) -> Result<()> {
    match Node::read_at(value, depth)? {
        Node::Array(array) => {
            for item in array.items() {
                collect_names(item?, depth + 1, names)?;
            }
        }
        Node::Object(object) => {
            for member in object.members() {
                let (name, value) = member?;
                names.insert(name, 0);
                collect_names(value, depth + 1, names)?;
            }
        }
        Node::Null | Node::Leaf(_) => {}
    }
    Ok(())
}

fn small(n: usize) -> Result<[u8; 4]> {
    let n = u32::try_from(n).map_err(|_| ExecError::OutOfRange("a VARIANT of more than 4 GiB".into()))?;
    Ok(n.to_le_bytes())
}

/// The fewest bytes that hold a number, 1 to 4.
fn width_of(n: usize) -> usize {
    (1..4).find(|width| n >> (8 * width) == 0).unwrap_or(4)
}

fn write_names(names: &BTreeMap<&str, usize>) -> Result<Vec<u8>> {
    let size: usize = names.keys().map(|name| name.len()).sum();
    let width = width_of(size.max(names.len()));
    // Version 1, names in order.
    let mut out = vec![1 | 1 << 4 | ((width - 1) as u8) << 6];
    out.extend(&small(names.len())?[..width]);
    let mut end = 0;
    out.extend(&small(end)?[..width]);
    for name in names.keys() {
        end += name.len();
        out.extend(&small(end)?[..width]);
    }
    names.keys().for_each(|name| out.extend(name.as_bytes()));
    Ok(out)
}

fn write_value(value: &[u8], names: &BTreeMap<&str, usize>, depth: u16, out: &mut Vec<u8>) -> Result<()> {
    match Node::read_at(value, depth)? {
        Node::Null => out.push(kind::PRIMITIVE | primitive::NULL << 2),
        Node::Leaf(leaf) => return write_leaf(&leaf, out),
        Node::Array(array) => {
            let mut values = vec![];
            let mut ends = vec![0];
            for item in array.items() {
                write_value(item?, names, depth + 1, &mut values)?;
                ends.push(values.len());
            }
            let (width, large) = (width_of(values.len()), array.len() > 255);
            out.push(3 | (((width - 1) as u8) | u8::from(large) << 2) << 2);
            out.extend(&small(array.len())?[..if large { 4 } else { 1 }]);
            for end in ends {
                out.extend(&small(end)?[..width]);
            }
            out.extend(values);
        }
        Node::Object(object) => {
            let (mut values, mut ids, mut ends) = (vec![], vec![], vec![0]);
            for member in object.members() {
                let (name, value) = member?;
                ids.push(names.get(name).copied().unwrap_or_default());
                write_value(value, names, depth + 1, &mut values)?;
                ends.push(values.len());
            }
            let (width, large) = (width_of(values.len()), object.len() > 255);
            let id_width = width_of(names.len());
            let head = ((width - 1) as u8) | ((id_width - 1) as u8) << 2 | u8::from(large) << 4;
            out.push(kind::OBJECT | head << 2);
            out.extend(&small(object.len())?[..if large { 4 } else { 1 }]);
            for id in ids {
                out.extend(&small(id)?[..id_width]);
            }
            for end in ends {
                out.extend(&small(end)?[..width]);
            }
            out.extend(values);
        }
    }
    Ok(())
}

fn write_leaf(leaf: &Leaf<'_>, out: &mut Vec<u8>) -> Result<()> {
    let cannot = || {
        ExecError::InvalidInput(format!(
            "Can't convert VARIANT of type '{}' to Parquet VARIANT",
            leaf.tag.name()
        ))
    };
    let mut plain = |ty: u8, value: &[u8]| {
        out.push(kind::PRIMITIVE | ty << 2);
        out.extend(value);
        Ok(())
    };
    match leaf.tag {
        Tag::Null | Tag::Array | Tag::Object => Err(cannot()),
        Tag::True => plain(primitive::TRUE, &[]),
        Tag::False => plain(primitive::FALSE, &[]),
        Tag::Int8 => plain(primitive::INT8, leaf.bytes()),
        Tag::Int16 => plain(primitive::INT16, leaf.bytes()),
        Tag::Int32 => plain(primitive::INT32, leaf.bytes()),
        Tag::Int64 => plain(primitive::INT64, leaf.bytes()),
        Tag::UInt8 => plain(primitive::INT16, &(leaf.int() as i16).to_le_bytes()),
        Tag::UInt16 => plain(primitive::INT32, &(leaf.int() as i32).to_le_bytes()),
        Tag::UInt32 => plain(primitive::INT64, &(leaf.int() as i64).to_le_bytes()),
        Tag::UInt64 | Tag::Int128 | Tag::UInt128 => {
            let value = match leaf.tag {
                Tag::UInt128 => i128::try_from(leaf.uhuge()).map_err(|_| cannot())?,
                _ => leaf.int(),
            };
            if let Ok(value) = i64::try_from(value) {
                return plain(primitive::INT64, &value.to_le_bytes());
            }
            if value.unsigned_abs() >= 10_u128.pow(38) {
                return Err(cannot());
            }
            plain(primitive::DECIMAL16, &[])?;
            out.push(0);
            out.extend(value.to_le_bytes());
            Ok(())
        }
        Tag::Float => plain(primitive::FLOAT, leaf.bytes()),
        Tag::Double => plain(primitive::DOUBLE, leaf.bytes()),
        Tag::Decimal => {
            let (width, scale, value) = (leaf.bytes()[0], leaf.scale(), leaf.int());
            let ty = match width {
                0..=9 => primitive::DECIMAL4,
                10..=18 => primitive::DECIMAL8,
                _ => primitive::DECIMAL16,
            };
            plain(ty, &[scale])?;
            match ty {
                primitive::DECIMAL4 => out.extend((value as i32).to_le_bytes()),
                primitive::DECIMAL8 => out.extend((value as i64).to_le_bytes()),
                _ => out.extend(value.to_le_bytes()),
            }
            Ok(())
        }
        Tag::Text if leaf.bytes().len() < 64 => {
            out.push(kind::SHORT_STRING | (leaf.bytes().len() as u8) << 2);
            out.extend(leaf.bytes());
            Ok(())
        }
        Tag::Text | Tag::Blob => {
            let ty = if leaf.tag == Tag::Text { primitive::STRING } else { primitive::BINARY };
            plain(ty, &small(leaf.bytes().len())?)?;
            out.extend(leaf.bytes());
            Ok(())
        }
        Tag::Uuid => plain(primitive::UUID, leaf.bytes()),
        Tag::Date => plain(primitive::DATE, leaf.bytes()),
        Tag::Time => plain(primitive::TIME, leaf.bytes()),
        Tag::Micros => plain(primitive::MICROS, leaf.bytes()),
        Tag::Nanos => plain(primitive::NANOS, leaf.bytes()),
        Tag::Instant => plain(primitive::INSTANT, leaf.bytes()),
        Tag::TimeNs | Tag::TimeTz | Tag::Seconds | Tag::Millis | Tag::Interval | Tag::Bit | Tag::BigNum => {
            Err(cannot())
        }
    }
}
