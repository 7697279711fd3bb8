//! How a block is coded, as a tree: for whoever looks, not for whoever decodes.

use crate::column::codec::{Codec, Stream, nulls};
use crate::column::error::Result;
use crate::column::layout::Scheme;
use crate::column::le::{Damage, Decoded};
use crate::column::physical::Physical;
use crate::column::reader::ChunkReader;

/// A stream, and the streams that lie in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecNode {
    /// What the values are: `values`, `lengths`, `codes`, …
    pub role: &'static str,
    /// How they are written.
    pub codec: Codec,
    /// Where the stream begins in its block.
    pub offset: usize,
    /// Bytes of the stream, those of streams in it among them.
    pub bytes: usize,
    /// Bits of a packed value, where values are packed.
    pub bits: Option<u8>,
    /// What else the head says, in words.
    pub detail: String,
    /// The streams that lie in it.
    pub children: Vec<CodecNode>,
}

impl CodecNode {
    /// The tree in a line: `runs(values: frame 4 bits, lengths: constant)`.
    pub fn line(&self) -> String {
        let mut out = self.codec.name().to_owned();
        if let Some(bits) = self.bits {
            out.push_str(&format!(" {bits} bits"));
        }
        if !self.detail.is_empty() {
            out.push_str(&format!(" {}", self.detail));
        }
        if !self.children.is_empty() {
            let parts: Vec<_> = self.children.iter().map(|c| format!("{}: {}", c.role, c.line())).collect();
            out.push_str(&format!("({})", parts.join(", ")));
        }
        out
    }
}

/// What a chunk's blocks share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSection {
    /// `dictionary` or `symbols`.
    pub what: &'static str,
    /// Where it begins in the chunk.
    pub offset: usize,
    /// Its bytes.
    pub bytes: usize,
    /// How many values the dictionary has; of symbols 0.
    pub values: usize,
}

impl ChunkReader {
    /// How block `index` is coded; `None` if it has no values, which is so where all are NULL.
    ///
    /// # Errors
    /// The block or its directory entry is damaged.
    pub fn codec_tree(&self, index: usize) -> Result<Option<CodecNode>> {
        let entry = self.entry(index)?;
        let bytes = &self.bytes[entry.offset..entry.offset + entry.len];
        let tree = || {
            let (values, _) = nulls::split(bytes, entry.null_form, entry.rows, entry.nulls)?;
            if values.is_empty() {
                return Ok(None);
            }
            if entry.codec == Codec::Dictionary {
                let codes = integers("codes", Stream::parse(values)?, values.len(), 0, 4)?;
                return Ok(Some(CodecNode {
                    role: "values",
                    codec: Codec::Dictionary,
                    offset: 0,
                    bytes: values.len(),
                    bits: None,
                    detail: String::new(),
                    children: vec![codes],
                }));
            }
            stream("values", Stream::parse(values)?, values.len(), 0, self.physical).map(Some)
        };
        tree().map_err(|damage| self.corrupt(Some(index), damage))
    }

    /// Where block `index` begins in the chunk.
    ///
    /// # Errors
    /// Its directory entry is damaged.
    pub fn offset_of_block(&self, index: usize) -> Result<usize> {
        Ok(self.entry(index)?.offset)
    }

    /// Whether one entry of the directory, and one block, stands for all.
    pub fn is_uniform(&self) -> bool {
        self.layout.uniform()
    }

    /// What the blocks share, if anything.
    pub fn shared_section(&self) -> Option<SharedSection> {
        let header = &self.layout.header;
        let what = match self.layout.scheme {
            Scheme::Values => return None,
            Scheme::Dictionary => "dictionary",
            Scheme::Symbols => "symbols",
        };
        let section = self.layout.shared(&self.bytes);
        let count = section.first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b) as usize);
        Some(SharedSection {
            what,
            offset: header.shared_offset.get() as usize,
            bytes: section.len(),
            values: if self.layout.scheme == Scheme::Dictionary { count } else { 0 },
        })
    }

    /// The chunks that nested values are made of.
    pub fn child_chunks(&self) -> &[ChunkReader] {
        &self.children
    }
}

/// A stream's head takes this much.
const HEAD: usize = 8;

fn leaf(role: &'static str, s: &Stream<'_>, bytes: usize, offset: usize) -> CodecNode {
    CodecNode { role, codec: s.codec, offset, bytes, bits: None, detail: String::new(), children: vec![] }
}

/// A stream of that shape, which takes `bytes` from `offset` on.
fn stream(
    role: &'static str,
    mut s: Stream<'_>,
    bytes: usize,
    offset: usize,
    physical: Physical,
) -> Decoded<CodecNode> {
    let mut node = leaf(role, &s, bytes, offset);
    let at = offset + HEAD;
    match (physical, s.codec) {
        (Physical::Bytes { .. }, Codec::Plain) => {
            node.children.push(integers("lengths", s.nested(s.c)?, s.c, at, 4)?);
        }
        (Physical::Bytes { .. }, Codec::Fsst) => {
            let length = s.payload.u32()?;
            node.detail = format!("of {length} bytes");
            node.children.push(integers("lengths", s.nested(s.c)?, s.c, at + 4, 4)?);
        }
        (Physical::Interval, Codec::Parts) => {
            let days = s.payload.u32()? as usize;
            node.children.push(integers("months", s.nested(s.c)?, s.c, at + 4, 4)?);
            node.children.push(integers("days", s.nested(days)?, days, at + 4 + s.c, 4)?);
            let rest = s.payload.rest().len();
            node.children.push(integers("nanoseconds", s.nested_rest()?, rest, at + 4 + s.c + days, 8)?);
        }
        (Physical::Float { .. }, Codec::Alp) => {
            let length = s.payload.u32()? as usize;
            node.detail = format!("m × 10^{} × 10^-{}, {} exceptions", s.b, s.a, s.c);
            node.children.push(integers("numbers", s.nested(length)?, length, at + 4, 8)?);
        }
        (Physical::Nested(_), Codec::Children) => {
            if s.payload.rest().len() > 8 {
                s.payload.u64()?;
                let rest = s.payload.rest().len();
                node.children.push(integers("lengths", s.nested_rest()?, rest, at + 8, 4)?);
            }
        }
        (Physical::Boolean, Codec::Plain | Codec::Constant | Codec::Runs) => {
            return integers(role, s, bytes, offset, 1);
        }
        (Physical::Int { width, .. } | Physical::Float { width }, _) => {
            return integers(role, s, bytes, offset, width);
        }
        (Physical::Uuid, _) => return integers(role, s, bytes, offset, 16),
        (Physical::Bytes { .. }, Codec::Constant) => {}
        _ => return Err(Damage(format!("codec {} does not go with this type", s.codec.name()).into())),
    }
    Ok(node)
}

/// A stream of whole numbers of `width` bytes.
fn integers(
    role: &'static str,
    mut s: Stream<'_>,
    bytes: usize,
    offset: usize,
    width: usize,
) -> Decoded<CodecNode> {
    let mut node = leaf(role, &s, bytes, offset);
    match s.codec {
        Codec::Frame | Codec::Delta => node.bits = Some(s.a),
        Codec::Patched => {
            node.bits = Some(s.a);
            node.detail = format!("and {} exceptions", s.b);
        }
        Codec::Runs => {
            let values = s.payload.u32()? as usize;
            node.detail = format!("of {}", s.c);
            node.children.push(integers("values", s.nested(values)?, values, offset + HEAD + 4, width)?);
            let rest = s.payload.rest().len();
            node.children.push(integers("lengths", s.nested_rest()?, rest, offset + HEAD + 4 + values, 4)?);
        }
        Codec::Lag => {
            node.detail = format!("of {}", s.b);
            let first = s.c;
            node.children.push(integers("first", s.nested(first)?, first, offset + HEAD, width)?);
            let rest = s.payload.rest().len();
            node.children.push(integers(
                "differences",
                s.nested_rest()?,
                rest,
                offset + HEAD + first,
                width,
            )?);
        }
        Codec::Multiples | Codec::Steps => {
            let before = s.payload.rest().len();
            let (role, numbers) =
                if s.codec == Codec::Multiples { ("counts", 2) } else { ("differences", 1) };
            s.payload.take(numbers * width)?;
            let rest = s.payload.rest().len();
            node.children.push(integers(
                role,
                s.nested_rest()?,
                rest,
                offset + HEAD + (before - rest),
                width,
            )?);
        }
        _ => {}
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringViewArray};

    use super::*;
    use crate::column::error::ChunkPlace;
    use crate::column::types::LogicalType;
    use crate::column::writer::{EncodeOptions, encode_chunk};

    fn chunk(values: &ArrayRef, ty: &LogicalType) -> ChunkReader {
        let place =
            ChunkPlace { table: "t".into(), column: "c".into(), table_id: 1, column_id: 0, row_group: 0 };
        let encoded =
            encode_chunk(values, ty, &EncodeOptions { table_id: 1, column_id: 0, ..Default::default() });
        ChunkReader::open(encoded.unwrap().bytes.into(), ty, place).unwrap()
    }

    #[test]
    fn trees_tell_what_lies_in_what() {
        let runs: ArrayRef =
            Arc::new(Int64Array::from_iter_values((0..2000).map(|i| i / 100 * (i64::MAX / 40))));
        let chunk = chunk(&runs, &LogicalType::BigInt);
        let tree = chunk.codec_tree(0).unwrap().unwrap();
        assert!(tree.line().starts_with("runs of 20(values: "), "{}", tree.line());
        let inside: usize = tree.children.iter().map(|c| c.bytes).sum();
        assert_eq!(inside + HEAD + 4, tree.bytes);
        assert_eq!(tree.bytes, chunk.bytes_of_block(0).unwrap());
    }

    #[test]
    fn a_dictionary_is_codes_and_a_shared_section() {
        let words: ArrayRef =
            Arc::new(StringViewArray::from_iter_values((0..2000).map(|i| format!("word number {}", i % 7))));
        let chunk = chunk(&words, &LogicalType::Varchar);
        let tree = chunk.codec_tree(0).unwrap().unwrap();
        assert!(tree.line().starts_with("dictionary(codes: "), "{}", tree.line());
        assert_eq!(chunk.shared_section().unwrap().values, 7);
    }
}
