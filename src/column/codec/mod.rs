//! How the values of a block are written.
//!
//! A *stream* is a run of values of one shape: an 8-byte [`StreamHead`], then what the codec in it says.
//! How many values there are, and of which shape, is known from around it. Streams nest (the values and the
//! lengths of runs are streams themselves), so that codecs cascade, to a bounded depth.
//!
//! For each shape there is a module: whole numbers in [`int`], floats in [`float`], one bit a value in
//! [`boolean`], byte strings in [`bytes`]. Codecs are chosen by their size in bytes, which for whole numbers is
//! known exactly beforehand from one pass over the block, see `int::choose`.

pub(crate) mod bitpack;
pub(crate) mod bits;
pub(crate) mod boolean;
pub(crate) mod bytes;
pub(crate) mod float;
pub(crate) mod fsst;
pub(crate) mod int;
pub(crate) mod nulls;

use bytemuck::{Pod, Zeroable};

use crate::column::le::{Cursor, Damage, Decoded, U16, U32};

/// A way to write values. The numbers are those of the format and never change; 0 is never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Codec {
    /// One value after another.
    Plain = 1,
    /// One value, many times.
    Constant = 2,
    /// First value and step.
    Sequence = 3,
    /// Frame of reference: differences to the minimum, bit-packed.
    Frame = 4,
    /// Differences to the value before, in a frame of reference.
    Delta = 5,
    /// Values and how often each is repeated.
    Runs = 6,
    /// Frame of reference with exceptions.
    Patched = 7,
    /// Floats that are decimal numbers at heart, as whole numbers.
    Alp = 8,
    /// Strings over a table of frequent symbols.
    Fsst = 9,
    /// Positions in the chunk's dictionary.
    Dictionary = 10,
    /// Several streams side by side: the parts of an interval.
    Parts = 11,
    /// No values here but in child chunks.
    Children = 12,
    /// Sorted strings, each as what it shares with the one before and the rest.
    Prefixes = 13,
    /// How many steps above the minimum.
    Multiples = 14,
    /// Differences to the value before, a stream of their own.
    Steps = 15,
    /// Differences to the value a fixed count before.
    Lag = 16,
}

impl Codec {
    /// All codecs.
    pub const ALL: [Self; 16] = [
        Self::Plain,
        Self::Constant,
        Self::Sequence,
        Self::Frame,
        Self::Delta,
        Self::Runs,
        Self::Patched,
        Self::Alp,
        Self::Fsst,
        Self::Dictionary,
        Self::Parts,
        Self::Children,
        Self::Prefixes,
        Self::Multiples,
        Self::Steps,
        Self::Lag,
    ];

    /// The codec of a number at rest.
    pub(crate) fn from_u8(v: u8) -> Decoded<Self> {
        Self::ALL.into_iter().find(|c| *c as u8 == v).ok_or(Damage::new("unknown codec"))
    }

    /// The name, as EXPLAIN and the inspector show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Constant => "constant",
            Self::Sequence => "sequence",
            Self::Frame => "frame",
            Self::Delta => "delta",
            Self::Runs => "runs",
            Self::Patched => "patched",
            Self::Alp => "alp",
            Self::Fsst => "fsst",
            Self::Dictionary => "dictionary",
            Self::Parts => "parts",
            Self::Children => "children",
            Self::Prefixes => "prefixes",
            Self::Multiples => "multiples",
            Self::Steps => "steps",
            Self::Lag => "lag",
        }
    }
}

/// The first 8 bytes of a stream. What `a`, `b` and `c` mean is up to the codec; unused ones are 0.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct StreamHead {
    /// Number of the codec.
    pub(crate) codec: u8,
    /// Often the width of packed values in bits.
    pub(crate) a: u8,
    /// Often a count.
    pub(crate) b: U16,
    /// Often the length of the first nested stream in bytes.
    pub(crate) c: U32,
}

const _: () = assert!(size_of::<StreamHead>() == 8);

impl StreamHead {
    /// Appends a head to `out`.
    pub(crate) fn write(codec: Codec, a: u8, b: u16, c: u32, out: &mut Vec<u8>) {
        let head = Self { codec: codec as u8, a, b: U16::new(b), c: U32::new(c) };
        out.extend_from_slice(bytemuck::bytes_of(&head));
    }
}

/// How deep streams may nest: numbers of floats, their steps, the runs of those, what these are multiples of, packed.
const MAX_DEPTH: u8 = 5;

/// A stream that is about to be decoded.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    /// The codec.
    pub(crate) codec: Codec,
    /// Field of the head.
    pub(crate) a: u8,
    /// Field of the head.
    pub(crate) b: usize,
    /// Field of the head.
    pub(crate) c: usize,
    /// What follows the head.
    pub(crate) payload: Cursor<'a>,
    /// How many streams this one lies in.
    depth: u8,
}

impl<'a> Stream<'a> {
    /// The stream that `bytes` hold, all of them.
    pub(crate) fn parse(bytes: &'a [u8]) -> Decoded<Self> {
        Self::parse_at(bytes, 0)
    }

    /// The stream that the next `len` bytes of this one hold.
    pub(crate) fn nested(&mut self, len: usize) -> Decoded<Self> {
        Self::parse_at(self.payload.take(len)?, self.depth + 1)
    }

    /// The stream that the rest of this one holds.
    pub(crate) fn nested_rest(&self) -> Decoded<Self> {
        Self::parse_at(self.payload.rest(), self.depth + 1)
    }

    fn parse_at(bytes: &'a [u8], depth: u8) -> Decoded<Self> {
        if depth >= MAX_DEPTH {
            return Err(Damage::new("streams nest too deeply"));
        }
        let mut payload = Cursor::new(bytes);
        let head: StreamHead = payload.record()?;
        Ok(Self {
            codec: Codec::from_u8(head.codec)?,
            a: head.a,
            b: usize::from(head.b.get()),
            c: head.c.get() as usize,
            payload,
            depth,
        })
    }

    /// The damage of a codec that does not go with the shape.
    pub(crate) fn misplaced<T>(&self) -> Decoded<T> {
        Err(Damage(format!("codec {} does not go with this type", self.codec.name()).into()))
    }
}
