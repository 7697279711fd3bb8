//! Streams of byte strings.
//!
//! - plain: `c` = bytes of the stream of lengths. After the head: the lengths (a stream of 4-byte numbers), the
//!   strings without gaps.
//! - constant: after the head, the string.
//! - fsst: `c` = bytes of the stream of lengths. After the head: bytes of all strings when decoded (4 bytes), the
//!   lengths of the coded strings (a stream of 4-byte numbers), the coded strings without gaps.
//! - prefixes: for the sorted strings of a dictionary alone, which are always decoded all. `a` = 1 if what is not shared
//!   is coded over a table of symbols, `c` = bytes of the stream of prefixes. After the head: bytes of all strings when
//!   decoded (4 bytes), bytes of the stream of lengths (4 bytes), how many bytes each string shares with the one before
//!   (a stream of 4-byte numbers), the lengths of the rests as they are stored (another), the rests without gaps.

use crate::column::codec::fsst::{Encoder, MAX_SYMBOL, ROOM, SymbolTable};
use crate::column::codec::int;
use crate::column::codec::{Codec, Stream, StreamHead};
use crate::column::le::{Damage, Decoded, ensure};
use crate::column::length::LengthUnit;
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
    let ends = encoder.encode(values, &mut coded);
    int::encode_u32(lengths_of(&ends), &mut lengths);
    StreamHead::write(Codec::Fsst, 0, 0, lengths.len() as u32, out);
    out.extend_from_slice(&(total as u32).to_le_bytes());
    out.append(&mut lengths);
    out.append(&mut coded);
    Codec::Fsst
}

/// The lengths of what lies one behind the other and ends there.
fn lengths_of(ends: &[usize]) -> impl ExactSizeIterator<Item = u32> + Clone {
    ends.iter().enumerate().map(|(i, end)| (end - if i == 0 { 0 } else { ends[i - 1] }) as u32)
}

/// Strings in order, each as how many bytes it shares with the one before, and the rest.
pub(crate) struct Prefixed<'a> {
    /// Bytes shared with the string before.
    pub(crate) shared: Vec<u32>,
    /// What is not shared.
    pub(crate) rests: Vec<&'a [u8]>,
}

impl<'a> Prefixed<'a> {
    /// Takes sorted strings apart.
    pub(crate) fn new(strings: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut shared, mut rests, mut last) = (vec![], vec![], &[][..]);
        for string in strings {
            let len = std::iter::zip(last, string).take_while(|(a, b)| a == b).count();
            shared.push(len as u32);
            rests.push(&string[len..]);
            last = string;
        }
        Self { shared, rests }
    }

    /// Appends a stream, its rests coded if there is an encoder.
    pub(crate) fn encode(&self, encoder: Option<&Encoder>, out: &mut Vec<u8>) {
        let shared = self.shared.iter().map(|n| u64::from(*n)).sum::<u64>();
        let total = shared + self.rests.iter().map(|r| r.len() as u64).sum::<u64>();
        let mut data = vec![];
        let ends = match encoder {
            Some(encoder) => encoder.encode(&self.rests, &mut data),
            None => {
                let mut push = |rest: &&[u8]| {
                    data.extend_from_slice(rest);
                    data.len()
                };
                self.rests.iter().map(&mut push).collect()
            }
        };
        let mut streams = vec![];
        int::encode_u32(self.shared.iter().copied(), &mut streams);
        let first = streams.len();
        int::encode_u32(lengths_of(&ends), &mut streams);
        StreamHead::write(Codec::Prefixes, u8::from(encoder.is_some()), 0, first as u32, out);
        out.extend_from_slice(&(total as u32).to_le_bytes());
        out.extend_from_slice(&((streams.len() - first) as u32).to_le_bytes());
        out.append(&mut streams);
        out.append(&mut data);
    }
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
        Codec::Prefixes if rows.is_none() => decode_prefixes(stream, count, table),
        _ => stream.misplaced(),
    }
}

/// Decodes a stream of strings that share prefixes.
fn decode_prefixes<'a>(
    mut stream: Stream<'a>,
    count: usize,
    table: Option<&SymbolTable>,
) -> Decoded<Strings<'a>> {
    let table = match (stream.a, table) {
        (0, _) => None,
        (1, Some(table)) => Some(table),
        _ => return Err(Damage::new("coded strings without a table of symbols")),
    };
    let len = stream.payload.u32()? as usize;
    let lengths_len = stream.payload.u32()? as usize;
    let shared = int::decode_vec::<u32>(stream.nested(stream.c)?, count)?;
    let stored = int::decode_vec::<u32>(stream.nested(lengths_len)?, count)?;
    let rests = stream.payload.rest();
    ensure(total(&stored) == rests.len() as u64, "lengths of strings do not add up")?;
    // What the strings can be at most, before there is room for them.
    let most = total(&shared) + rests.len() as u64 * if table.is_some() { MAX_SYMBOL as u64 } else { 1 };
    ensure(len as u64 <= most && len <= MAX_BUFFER, "coded strings too long")?;
    let mut data = vec![0; len + ROOM];
    let (mut lengths, mut from, mut last, mut at) = (Vec::with_capacity(count), 0, 0, 0);
    for (shared, stored) in shared.iter().zip(&stored) {
        let (shared, to) = (*shared as usize, from + *stored as usize);
        ensure(shared <= at - last && shared <= len - at, "a string shares more than there is")?;
        data.copy_within(last..last + shared, at);
        let rest = &rests[from..to];
        let end = match table {
            Some(table) => table.decode(rest, &mut data, at + shared)?,
            None => {
                let end = at + shared + rest.len();
                ensure(end <= len, "coded strings are longer than they should be")?;
                data[at + shared..end].copy_from_slice(rest);
                end
            }
        };
        ensure(end <= len, "coded strings are longer than they should be")?;
        lengths.push((end - at) as u32);
        (from, last, at) = (to, at, end);
    }
    ensure(at == len, "coded strings are not as long as they should be")?;
    data.truncate(len);
    Ok(Strings::Decoded { lengths, data })
}

/// Which strings of a stream of `count` are empty, without decoding them: what is coded has symbols of a byte or more.
pub(crate) fn empty(mut stream: Stream<'_>, count: usize) -> Decoded<Vec<bool>> {
    match stream.codec {
        Codec::Constant => Ok(vec![stream.payload.rest().is_empty(); count]),
        Codec::Plain | Codec::Fsst => {
            if stream.codec == Codec::Fsst {
                stream.payload.u32()?;
            }
            let lengths = stream.nested(stream.c)?;
            Ok(int::decode_vec::<u32>(lengths, count)?.into_iter().map(|len| len == 0).collect())
        }
        _ => stream.misplaced(),
    }
}

/// How long the strings of a stream of `count` are, or those of `rows`, without decoding them.
pub(crate) fn measure(
    mut stream: Stream<'_>,
    count: usize,
    rows: Option<&[u16]>,
    table: Option<&SymbolTable>,
    unit: LengthUnit,
) -> Decoded<Vec<u32>> {
    let symbols = match stream.codec {
        Codec::Constant => {
            let length = unit.short(stream.payload.rest())?;
            return Ok(vec![length; rows.map_or(count, <[u16]>::len)]);
        }
        Codec::Plain => None,
        Codec::Fsst => {
            stream.payload.u32()?;
            Some(table.ok_or(Damage::new("coded strings without a table of symbols"))?.lengths(unit))
        }
        _ => return stream.misplaced(),
    };
    let stored = int::decode_vec::<u32>(stream.nested(stream.c)?, count)?;
    let bytes = stream.payload.rest();
    ensure(total(&stored) == bytes.len() as u64, "lengths of strings do not add up")?;
    let measure = |stored: &[u8]| match &symbols {
        None => unit.short(stored),
        Some(symbols) => {
            u32::try_from(symbols.measure(stored)?).map_err(|_| Damage::new("a string too long"))
        }
    };
    let Some(rows) = rows else {
        if symbols.is_none() && unit == LengthUnit::Bytes {
            return Ok(stored);
        }
        let mut rest = bytes;
        let next = |length: &u32| {
            let (string, behind) = rest.split_at(*length as usize);
            rest = behind;
            measure(string)
        };
        return stored.iter().map(next).collect();
    };
    let ends: Vec<usize> = stored
        .iter()
        .scan(0, |end, length| {
            *end += *length as usize;
            Some(*end)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let row = usize::from(*row);
            measure(&bytes[ends[row] - stored[row] as usize..ends[row]])
        })
        .collect()
}

/// The stream of the lengths of what is stored of each string of a stream, and all that; `None` if all are the same.
pub(crate) fn stored(mut stream: Stream<'_>) -> Decoded<Option<(Stream<'_>, &[u8])>> {
    match stream.codec {
        Codec::Constant => return Ok(None),
        Codec::Plain => {}
        Codec::Fsst => _ = stream.payload.u32()?,
        _ => return stream.misplaced(),
    }
    let lengths = stream.nested(stream.c)?;
    Ok(Some((lengths, stream.payload.rest())))
}

/// The sum of lengths.
pub(crate) fn total(lengths: &[u32]) -> u64 {
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
    // Where each begins is written down only if they are asked for in no order: few are mostly wanted.
    let mut offsets = vec![];
    if !rows.is_sorted() {
        offsets.extend(lengths.iter().scan(0, |end, length| {
            let start = *end;
            *end += *length as usize;
            Some(start)
        }));
    }
    // As much room as they need if their symbols are as long as those of all, so that it seldom has to grow.
    let of_row = |row: &u16| lengths[usize::from(*row)] as usize;
    let longest = rows.iter().map(of_row).max().unwrap_or(0);
    let about = rows.iter().map(of_row).sum::<usize>() as u64 * len as u64 / coded.len().max(1) as u64;
    let room = (about + about / 8) as usize + longest * MAX_SYMBOL + ROOM;
    let (mut data, mut at) = (vec![0; room.min(MAX_BUFFER)], 0);
    let (mut last, mut offset) = (0, 0);
    for row in rows {
        let row = usize::from(*row);
        offset = match offsets.get(row) {
            Some(offset) => *offset,
            None => offset + lengths[last..row].iter().map(|length| *length as usize).sum::<usize>(),
        };
        last = row;
        let string = &coded[offset..][..lengths[row] as usize];
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(stream: &[u8], count: usize, table: Option<&SymbolTable>) -> Decoded<Vec<Vec<u8>>> {
        let Strings::Decoded { lengths, data } = decode(Stream::parse(stream)?, count, None, table)? else {
            return Err(Damage::new("other strings than expected"));
        };
        let mut rest = &data[..];
        Ok(lengths.iter().map(|len| rest.split_off(..*len as usize).unwrap_or_default().to_vec()).collect())
    }

    proptest! {
        #[test]
        fn sorted_strings_come_back(mut strings in prop::collection::vec("(http://(a|bc)(.com|é)/)?[a-c]{0,20}", 0..80)) {
            strings.sort();
            let strings: Vec<&[u8]> = strings.iter().map(|s| s.as_bytes()).collect();
            let prefixed = Prefixed::new(strings.iter().copied());
            let encoder = Encoder::train(&prefixed.rests);
            let table = SymbolTable::parse(&encoder.table()).unwrap();
            for coded in [false, true] {
                let mut stream = vec![];
                prefixed.encode(coded.then_some(&encoder), &mut stream);
                prop_assert_eq!(decoded(&stream, strings.len(), Some(&table)).unwrap(), &strings[..]);
                // Whatever is damaged, it is an error or other strings.
                for at in 0..stream.len() {
                    let mut damaged = stream.clone();
                    damaged[at] ^= 0x41;
                    let _ = decoded(&damaged, strings.len(), Some(&table));
                }
            }
        }
    }

    #[test]
    fn strings_that_share_more_than_there_is_are_damage() {
        let mut prefixed = Prefixed::new([&b"ab"[..], b"abc"].into_iter());
        let stream = |prefixed: &Prefixed<'_>| {
            let mut stream = vec![];
            prefixed.encode(None, &mut stream);
            stream
        };
        assert_eq!(decoded(&stream(&prefixed), 2, None).unwrap(), [&b"ab"[..], b"abc"]);
        prefixed.shared[1] = 3;
        assert!(decoded(&stream(&prefixed), 2, None).is_err());
        prefixed.shared = vec![1, 2];
        assert!(decoded(&stream(&prefixed), 2, None).is_err());
    }
}
