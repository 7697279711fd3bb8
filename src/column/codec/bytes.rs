//! Streams of byte strings.
//!
//! - plain: `c` = bytes of the stream of lengths. After the head: the lengths (a stream of 4-byte numbers), the
//!   strings without gaps.
//! - constant: after the head, the string.
//! - fsst: `c` = bytes of the stream of lengths. After the head: bytes of all strings when decoded (4 bytes), the
//!   lengths of the coded strings (a stream of 4-byte numbers), the coded strings without gaps.

use crate::column::codec::fsst::{Encoder, MAX_SYMBOL, ROOM, SymbolTable};
use crate::column::codec::int;
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Damage, Decoded, ensure};
use crate::column::views::MAX_BUFFER;

/// Appends a stream of one string, repeated.
pub(crate) fn encode_constant(value: &[u8], out: &mut Vec<u8>) -> Codec {
    StreamHead::write(Codec::Constant, 0, 0, 0, out);
    out.extend_from_slice(value);
    Codec::Constant
}

/// Appends a stream, coded if there is an encoder.
pub(crate) fn encode(values: &[&[u8]], encoder: Option<&Encoder>, out: &mut Vec<u8>) -> Codec {
    let total: usize = values.iter().map(|v| v.len()).sum();
    let mut lengths = vec![];
    let Some(encoder) = encoder else {
        int::encode_u32(values.iter().map(|v| v.len() as u32), &mut lengths);
        StreamHead::write(Codec::Plain, 0, 0, lengths.len() as u32, out);
        out.append(&mut lengths);
        out.reserve(total);
        values.iter().for_each(|v| out.extend_from_slice(v));
        return Codec::Plain;
    };
    let mut coded = Vec::with_capacity(total / 2);
    let ends: Vec<usize> = values
        .iter()
        .map(|v| {
            encoder.encode(v, &mut coded);
            coded.len()
        })
        .collect();
    let starts = std::iter::once(&0).chain(&ends);
    int::encode_u32(ends.iter().zip(starts).map(|(end, start)| (end - start) as u32), &mut lengths);
    StreamHead::write(Codec::Fsst, 0, 0, lengths.len() as u32, out);
    out.extend_from_slice(&(total as u32).to_le_bytes());
    out.append(&mut lengths);
    out.append(&mut coded);
    Codec::Fsst
}

/// The strings of a stream.
pub(crate) enum Strings<'a> {
    /// The same one in every row.
    Constant(&'a [u8]),
    /// All rows, as they lie in the stream: one after another, with their lengths, which add up to those of the bytes.
    Plain {
        /// A length a row.
        lengths: Vec<u32>,
        /// All strings.
        data: &'a [u8],
    },
    /// The wanted rows, decoded: one after another, with their lengths, which add up to those of the bytes.
    Decoded {
        /// A length a wanted row.
        lengths: Vec<u32>,
        /// The wanted strings.
        data: Vec<u8>,
    },
}

/// Finds the strings of a stream of `count`; where they must be decoded, only those of `rows`, if given.
pub(crate) fn decode<'a>(
    mut stream: Stream<'a>,
    count: usize,
    rows: Option<&[u16]>,
    table: Option<&SymbolTable>,
) -> Decoded<Strings<'a>> {
    match stream.codec {
        Codec::Constant => Ok(Strings::Constant(stream.payload.rest())),
        Codec::Plain => {
            let lengths = stream.nested(stream.c)?;
            let lengths = int::decode_vec::<u32>(lengths, count)?;
            let data = stream.payload.rest();
            ensure(total(&lengths) == data.len() as u64, "lengths of strings do not add up")?;
            Ok(Strings::Plain { lengths, data })
        }
        Codec::Fsst => {
            let table = table.ok_or(Damage::new("coded strings without a table of symbols"))?;
            let len = stream.payload.u32()? as usize;
            let lengths = stream.nested(stream.c)?;
            let lengths = int::decode_vec::<u32>(lengths, count)?;
            let coded = stream.payload.rest();
            ensure(total(&lengths) == coded.len() as u64, "lengths of strings do not add up")?;
            ensure(
                len <= coded.len().saturating_mul(MAX_SYMBOL) && len <= MAX_BUFFER,
                "coded strings too long",
            )?;
            decode_symbols(coded, &lengths, len, rows, table)
        }
        _ => stream.misplaced(),
    }
}

/// The sum of lengths.
fn total(lengths: &[u32]) -> u64 {
    lengths.iter().map(|n| u64::from(*n)).sum()
}

/// Decodes strings of `lengths` coded bytes each, which add up, `len` decoded bytes in all.
fn decode_symbols<'a>(
    coded: &[u8],
    lengths: &[u32],
    len: usize,
    rows: Option<&[u16]>,
    table: &SymbolTable,
) -> Decoded<Strings<'a>> {
    let mut decoded = Vec::with_capacity(rows.map_or(lengths.len(), <[u16]>::len));
    let Some(rows) = rows else {
        let mut data = vec![0; len + ROOM];
        let (mut from, mut at) = (0, 0);
        for length in lengths {
            let to = from + *length as usize;
            let end = table.decode(&coded[from..to], &mut data, at)?;
            decoded.push((end - at) as u32);
            (from, at) = (to, end);
        }
        ensure(at == len, "coded strings are not as long as they should be")?;
        data.truncate(len);
        return Ok(Strings::Decoded { lengths: decoded, data });
    };
    let mut offsets = Vec::with_capacity(lengths.len());
    let mut offset = 0;
    for length in lengths {
        offsets.push(offset);
        offset += *length as usize;
    }
    let (mut data, mut at) = (vec![], 0);
    for row in rows {
        let row = usize::from(*row);
        let string = &coded[offsets[row]..][..lengths[row] as usize];
        let most = at + string.len() * MAX_SYMBOL + ROOM;
        ensure(most <= MAX_BUFFER, "too many bytes of strings")?;
        if data.len() < most {
            data.resize(most.max(2 * data.len()), 0);
        }
        let end = table.decode(string, &mut data, at)?;
        decoded.push((end - at) as u32);
        at = end;
    }
    data.truncate(at);
    Ok(Strings::Decoded { lengths: decoded, data })
}
