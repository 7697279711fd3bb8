//! What the blocks of a chunk share: a dictionary or a symbol table.
//!
//! The shared section: how many values there are (4 bytes), the bytes of the symbol table (4 bytes; 0 if there is
//! none), the symbol table, and in a dictionary the stream of its values.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use bytes::Bytes;

use crate::column::codec::bits::Bits;
use crate::column::codec::bytes::{self as strings, Strings};
use crate::column::codec::fsst::SymbolTable;
use crate::column::codec::int::{self, Span};
use crate::column::codec::{Codec, Stream};
use crate::column::filter;
use crate::column::layout::{Layout, Scheme};
use crate::column::le::{Cursor, Damage, Decoded, ensure};
use crate::column::length::LengthUnit;
use crate::column::physical::Physical;
use crate::column::predicate::Predicate;
use crate::column::views::Views;

/// What the blocks of a chunk share, decoded.
#[derive(Debug)]
pub(crate) enum Shared {
    /// Nothing.
    Nothing,
    /// A table that strings are coded with.
    Symbols(Box<SymbolTable>),
    /// The distinct strings, a `Utf8View` or `BinaryView`.
    Strings(ArrayRef),
    /// The distinct numbers.
    Numbers(Numbers),
}

/// The distinct numbers of a chunk.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// How many.
    pub(crate) count: usize,
    /// As they lie in memory, aligned.
    pub(crate) values: Buffer,
    /// The stream that they came from.
    stream: Vec<u8>,
}

impl Shared {
    /// Checks and decodes the shared section of a chunk.
    pub(crate) fn read(chunk: &Bytes, layout: &Layout, physical: Physical) -> Decoded<Self> {
        let section = layout.shared(chunk);
        ensure(
            crc32fast::hash(section) == layout.header.shared_crc.get(),
            "checksum mismatch in the shared section",
        )?;
        if layout.scheme == Scheme::Values {
            return Ok(Self::Nothing);
        }
        let mut cursor = Cursor::new(section);
        let (count, table_len) = (cursor.u32()? as usize, cursor.u32()? as usize);
        let table = cursor.take(table_len)?;
        let table = if table.is_empty() { None } else { Some(SymbolTable::parse(table)?) };
        if layout.scheme == Scheme::Symbols {
            cursor.finish()?;
            let table = table.ok_or(Damage::new("no table of symbols"))?;
            return Ok(Self::Symbols(Box::new(table)));
        }
        ensure(count <= layout.rows, "more values in the dictionary than rows")?;
        let stream = Stream::parse(cursor.rest())?;
        match physical {
            Physical::Bytes { text } => {
                let views = match strings::decode(stream, count, None, table.as_ref())? {
                    Strings::Constant(_) => return stream.misplaced(),
                    Strings::Plain { lengths, data } => {
                        let data = if data.is_empty() { Bytes::new() } else { chunk.slice_ref(data) };
                        Views::new(Buffer::from(data), &lengths, text, false)?
                    }
                    Strings::Decoded { lengths, data } => {
                        Views::new(Buffer::from_vec(data), &lengths, text, false)?
                    }
                };
                Ok(Self::Strings(views.into_array(None)))
            }
            Physical::Int { width, .. } | Physical::Float { width } => {
                Self::numbers(stream, cursor.rest(), count, width)
            }
            Physical::Uuid => Self::numbers(stream, cursor.rest(), count, 16),
            Physical::Boolean | Physical::Interval | Physical::Nested(_) => {
                Err(Damage::new("a dictionary does not go with this type"))
            }
        }
    }

    /// A dictionary of numbers of `width` bytes.
    fn numbers(stream: Stream<'_>, bytes: &[u8], count: usize, width: usize) -> Decoded<Self> {
        // Nothing else is written here; so as many values as the section says need as many bytes.
        ensure(stream.codec == Codec::Plain, "a dictionary of numbers must be plain")?;
        let values = match width {
            1 => Buffer::from_vec(int::decode_vec::<u8>(stream, count)?),
            2 => Buffer::from_vec(int::decode_vec::<u16>(stream, count)?),
            4 => Buffer::from_vec(int::decode_vec::<u32>(stream, count)?),
            8 => Buffer::from_vec(int::decode_vec::<u64>(stream, count)?),
            _ => Buffer::from_vec(int::decode_vec::<u128>(stream, count)?),
        };
        Ok(Self::Numbers(Numbers { count, values, stream: bytes.to_vec() }))
    }

    /// The number of values in the dictionary.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Nothing | Self::Symbols(_) => 0,
            Self::Strings(values) => values.len(),
            Self::Numbers(numbers) => numbers.count,
        }
    }

    /// About how many bytes it takes beside those of the chunk.
    pub(crate) fn bytes_beside(&self, chunk: &Bytes) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Symbols(table) => size_of_val(&**table),
            Self::Strings(values) => {
                let buffers = match values.as_string_view_opt() {
                    Some(text) => text.data_buffers(),
                    None => values.as_binary_view_opt().map_or(&[][..], |bytes| bytes.data_buffers()),
                };
                let beside = buffers.iter().filter(|b| !chunk.as_ptr_range().contains(&b.as_ptr()));
                size_of::<u128>() * values.len() + beside.map(Buffer::len).sum::<usize>()
            }
            Self::Numbers(numbers) => numbers.values.len() + numbers.stream.len(),
        }
    }

    /// How long the strings of the dictionary are.
    pub(crate) fn lengths(&self, unit: LengthUnit) -> Decoded<Vec<u32>> {
        let Self::Strings(values) = self else { return Err(Damage::new("lengths of what are no strings")) };
        match (values.as_string_view_opt(), values.as_binary_view_opt()) {
            (Some(texts), _) => {
                texts.iter().map(|text| unit.short(text.unwrap_or_default().as_bytes())).collect()
            }
            (None, Some(bytes)) => bytes.iter().map(|bytes| unit.short(bytes.unwrap_or_default())).collect(),
            (None, None) => Err(Damage::new("strings that are no views")),
        }
    }

    /// The symbol table, if that is what is shared.
    pub(crate) fn table(&self) -> Option<&SymbolTable> {
        if let Self::Symbols(table) = self { Some(table) } else { None }
    }

    /// The positions whose values satisfy a condition with a value; `None` if there is no telling.
    pub(crate) fn filter(&self, physical: Physical, predicate: &Predicate) -> Decoded<Option<CodeSet>> {
        let passing = match self {
            Self::Nothing | Self::Symbols(_) => None,
            Self::Strings(values) => filter::string_array(values, predicate),
            Self::Numbers(numbers) => {
                filter::numbers(Stream::parse(&numbers.stream)?, numbers.count, physical, predicate)?
            }
        };
        Ok(passing.map(|bits| CodeSet::new(&bits)))
    }
}

/// The dictionary of strings as bytes.
pub(crate) fn for_each_string(values: &ArrayRef, mut f: impl FnMut(&[u8])) -> bool {
    if let Some(text) = values.as_string_view_opt() {
        (0..text.len()).for_each(|i| f(text.value(i).as_bytes()));
    } else if let Some(bytes) = values.as_binary_view_opt() {
        (0..bytes.len()).for_each(|i| f(bytes.value(i)));
    } else {
        return false;
    }
    true
}

/// A set of positions in a dictionary.
#[derive(Debug)]
pub(crate) enum CodeSet {
    /// None of them.
    None,
    /// All of them.
    All,
    /// A range.
    Span(Span<u32>),
    /// One byte a position, 1 if it is in the set.
    Flags(Vec<u8>),
}

impl CodeSet {
    /// The set of the set bits.
    pub(crate) fn new(bits: &BooleanBuffer) -> Self {
        let mut slices = bits.set_slices();
        match (slices.next(), slices.next()) {
            (None, _) => Self::None,
            (Some((0, end)), None) if end == bits.len() => Self::All,
            (Some((start, end)), None) => {
                Self::Span(Span { lo: start as u32, span: (end - start - 1) as u32 })
            }
            _ => Self::Flags(bits.iter().map(u8::from).collect()),
        }
    }

    /// The rows of a stream of `count` codes that are in the set. Codes that are in no dictionary are damage.
    pub(crate) fn filter(&self, stream: Stream<'_>, count: usize, len: usize) -> Decoded<BooleanBuffer> {
        match self {
            Self::None => Ok(BooleanBuffer::new_unset(count)),
            Self::All => Ok(BooleanBuffer::new_set(count)),
            Self::Span(span) => {
                let mut bits = Bits::new(count);
                int::filter(stream, count, *span, &mut bits)?;
                Ok(bits.finish())
            }
            Self::Flags(flags) => {
                let mut bits = Bits::new(count);
                let has = |code: u32| flags[code as usize] != 0;
                if let Some((codes, lengths)) = int::in_runs::<u32>(stream, count)? {
                    check_codes(&codes, len)?;
                    bits.set_runs(&lengths, |run| has(codes[run]));
                } else {
                    let codes = int::decode_vec::<u32>(stream, count)?;
                    check_codes(&codes, len)?;
                    bits.set_where(0, &codes, has);
                }
                Ok(bits.finish())
            }
        }
    }
}

/// Checks that all codes are positions in a dictionary of `len` values.
pub(crate) fn check_codes(codes: &[u32], len: usize) -> Decoded<()> {
    // Without a way out of the loop it runs on whole vectors.
    let most = codes.iter().fold(0, |most, code| most.max(*code));
    ensure(codes.is_empty() || (most as usize) < len, "a position is not in the dictionary")
}
