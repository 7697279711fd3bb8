//! Strings over a table of frequent symbols (Boncz, Neumann, Leis: FSST, 2020).
//!
//! A symbol is 1 to 8 bytes; a table has up to 255. A coded string is a run of bytes: the number of a symbol, or 255
//! and a byte that stands for itself. The table at rest: the number of symbols (1 byte), their lengths (1 byte each),
//! their bytes without gaps.
//!
//! The table is found in a few rounds over a sample: code the sample with the table so far, count how often each
//! symbol and each two in a row occur, and keep the symbols and pairs that would save most.

use std::cmp::Reverse;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::column::le::{Cursor, Damage, Decoded, ensure};
use crate::column::length::LengthUnit;

/// The code that says: the next byte stands for itself.
const ESCAPE: u8 = 255;
/// The most symbols of a table.
const MAX_SYMBOLS: usize = 255;
/// Bytes of the longest symbol.
pub(crate) const MAX_SYMBOL: usize = 8;
/// Symbols that are decoded at a time.
const AT_ONCE: usize = 4;
/// Bytes behind a decoded string that decoding may write to.
pub(crate) const ROOM: usize = 64;
/// Bytes of strings that a table is made from.
const SAMPLE_BYTES: usize = 32 * 1024;
/// Rounds in which a table is made.
const ROUNDS: usize = 5;
/// Strings that are coded at a time.
const LANES: usize = 4;
/// Bytes of strings that are coded without a look at how much room they need.
const RUN_BYTES: usize = 64 * 1024;
/// Slots of the table of symbols of three bytes and more.
const SLOTS: usize = 2048;

const NO_SYMBOL: Damage = Damage::new("a code without a symbol");
const NO_BYTE: Damage = Damage::new("an escape without its byte");

/// Decodes strings.
#[derive(Debug, Clone)]
pub(crate) struct SymbolTable {
    /// The bytes of each symbol, zeros behind.
    symbols: [[u8; MAX_SYMBOL]; 256],
    /// The length of each; 0 where there is none.
    lengths: [u8; 256],
}

impl SymbolTable {
    /// Reads a table.
    pub(crate) fn parse(bytes: &[u8]) -> Decoded<Self> {
        let mut cursor = Cursor::new(bytes);
        let count = usize::from(cursor.take(1)?[0]);
        let lengths_at_rest = cursor.take(count)?;
        let (mut symbols, mut lengths) = ([[0; MAX_SYMBOL]; 256], [0; 256]);
        ensure(count <= MAX_SYMBOLS, "too many symbols")?;
        for (i, len) in lengths_at_rest.iter().enumerate() {
            let len = usize::from(*len);
            ensure((1..=MAX_SYMBOL).contains(&len), "a symbol of no possible length")?;
            symbols[i][..len].copy_from_slice(cursor.take(len)?);
            lengths[i] = len as u8;
        }
        cursor.finish()?;
        Ok(Self { symbols, lengths })
    }

    /// Decodes a string to `out[at..]`, and returns where it ends. `out` must have [`ROOM`] bytes to spare behind it.
    #[inline]
    pub(crate) fn decode(&self, coded: &[u8], out: &mut [u8], mut at: usize) -> Decoded<usize> {
        const FULL: Damage = Damage::new("coded strings are longer than they should be");
        let mut rest = coded;
        let mut unknown = false;
        loop {
            // Several symbols at a time, where all are symbols and none can reach past the room.
            if let Some((codes, behind)) = rest.split_first_chunk::<AT_ONCE>()
                && !codes.contains(&ESCAPE)
                && let Some(room) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<ROOM>)
            {
                let mut end = 0;
                for &code in codes {
                    room[end..end + MAX_SYMBOL].copy_from_slice(&self.symbols[usize::from(code)]);
                    // No length needs more bits; so the end is known to be in the room.
                    let len = usize::from(self.lengths[usize::from(code)] & 15);
                    unknown |= len == 0;
                    end += len;
                }
                at += end;
                rest = behind;
                continue;
            }
            let Some((&code, behind)) = rest.split_first() else { break };
            rest = behind;
            let room = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<MAX_SYMBOL>).ok_or(FULL)?;
            if code == ESCAPE {
                let (&byte, behind) = rest.split_first().ok_or(NO_BYTE)?;
                room[0] = byte;
                rest = behind;
                at += 1;
            } else {
                *room = self.symbols[usize::from(code)];
                let len = usize::from(self.lengths[usize::from(code)]);
                unknown |= len == 0;
                at += len;
            }
        }
        if unknown { Err(NO_SYMBOL) } else { Ok(at) }
    }

    /// How long the symbols are.
    pub(crate) fn lengths(&self, unit: LengthUnit) -> SymbolLengths {
        let lengths = std::array::from_fn(|code| match usize::from(self.lengths[code]) {
            0 => UNKNOWN,
            len => unit.of(&self.symbols[code][..len]) as u64,
        });
        SymbolLengths { unit, lengths }
    }
}

/// The length of what each code stands for, to measure strings without decoding them.
#[derive(Debug, Clone)]
pub(crate) struct SymbolLengths {
    unit: LengthUnit,
    /// [`UNKNOWN`] where there is no symbol.
    lengths: [u64; 256],
}

/// The length of a code without a symbol: more than the codes of any string stand for.
const UNKNOWN: u64 = 1 << 48;
/// Codes that are looked up at a time.
const LOOKED_UP: usize = 8;

/// Whether one of the bytes of a word is 255.
fn has_escape(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    // A byte of zeros is the only one that borrows from the bit above it, which it does not have.
    (!word).wrapping_sub(ONES) & word & (ONES << 7) != 0
}

impl SymbolLengths {
    /// The length of a coded string.
    #[inline]
    pub(crate) fn measure(&self, coded: &[u8]) -> Decoded<u64> {
        let (mut rest, mut sum) = (coded, 0);
        loop {
            if let Some((codes, behind)) = rest.split_first_chunk::<LOOKED_UP>()
                && !has_escape(u64::from_le_bytes(*codes))
            {
                sum += codes.iter().map(|code| self.lengths[usize::from(*code)]).sum::<u64>();
                // Before a sum of those without a symbol can overflow.
                if sum >= UNKNOWN {
                    return Err(NO_SYMBOL);
                }
                rest = behind;
                continue;
            }
            let Some((&code, behind)) = rest.split_first() else { break };
            rest = behind;
            if code == ESCAPE {
                let (byte, behind) = rest.split_at_checked(1).ok_or(NO_BYTE)?;
                sum += self.unit.of(byte) as u64;
                rest = behind;
            } else {
                sum += self.lengths[usize::from(code)];
            }
        }
        if sum < UNKNOWN { Ok(sum) } else { Err(NO_SYMBOL) }
    }
}

/// A symbol as a number, least significant byte first, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Symbol {
    bytes: u64,
    len: usize,
}

impl Symbol {
    /// The symbol of one byte.
    fn of_byte(byte: u8) -> Self {
        Self { bytes: u64::from(byte), len: 1 }
    }

    /// One symbol followed by another, cut to the greatest length.
    fn then(self, next: Self) -> Self {
        if self.len == MAX_SYMBOL {
            return self;
        }
        let len = (self.len + next.len).min(MAX_SYMBOL);
        let bytes = self.bytes | next.bytes << (8 * self.len);
        Self { bytes: bytes & mask(len), len }
    }
}

/// The low `len` bytes, 0 to 8.
#[inline(always)]
fn mask(len: usize) -> u64 {
    if len == 0 { 0 } else { u64::MAX >> (64 - 8 * len) }
}

/// Where a symbol of three bytes or more is looked for.
#[inline(always)]
fn slot(word: u64) -> usize {
    ((word & 0xFF_FFFF).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SLOTS.ilog2())) as usize
}

/// A code in the low byte, and in the other how many bytes it stands for; [`ESCAPE`] and 1 where there is no symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Coded(u16);

impl Coded {
    const ESCAPED: Self = Self::new(ESCAPE, 1);
    /// Longer than any string's last bytes.
    const NOWHERE: Self = Self::new(ESCAPE, u8::MAX as usize);

    const fn new(code: u8, len: usize) -> Self {
        Self(code as u16 | (len as u16) << 8)
    }

    #[inline(always)]
    fn code(self) -> u8 {
        self.0 as u8
    }

    #[inline(always)]
    fn len(self) -> usize {
        usize::from(self.0 >> 8)
    }
}

/// A symbol of three bytes or more, as it is looked for.
#[derive(Debug, Clone, Copy)]
struct LongSymbol {
    bytes: u64,
    coded: Coded,
    /// How many bits of a word are not its.
    unused: u32,
}

impl LongSymbol {
    /// No word without its 56 highest bits is equal to these.
    const NONE: Self = Self { bytes: 1 << 63, coded: Coded::ESCAPED, unused: 56 };

    fn new(symbol: Symbol, coded: Coded) -> Self {
        Self { bytes: symbol.bytes, coded, unused: 64 - 8 * symbol.len as u32 }
    }

    /// What it is in the output, if a word begins with it; else the other.
    #[inline(always)]
    fn or(self, word: u64, other: Coded) -> Coded {
        let here = word & (u64::MAX >> (self.unused & 63)) == self.bytes;
        // Not a branch, as that would be a guess, and often a wrong one.
        std::hint::select_unpredictable(here, self.coded, other)
    }
}

/// A string that is being coded.
#[derive(Debug)]
struct Lane<'a> {
    number: usize,
    /// What is not coded yet.
    rest: &'a [u8],
    /// Where the next code goes.
    end: usize,
}

impl Lane<'_> {
    #[inline(always)]
    fn put(&mut self, coded: Coded, byte: u8, out: &mut [u8]) {
        // The byte that an escape is followed by is written always, and then written over.
        out[self.end..self.end + 2].copy_from_slice(&[coded.code(), byte]);
        self.end += 1 + usize::from(coded.code() == ESCAPE);
    }

    /// Codes one symbol, if there are [`MAX_SYMBOL`] bytes.
    #[inline(always)]
    fn step(&mut self, encoder: &Encoder, out: &mut [u8]) {
        if let Some(eight) = self.rest.first_chunk() {
            let word = u64::from_le_bytes(*eight);
            let coded = encoder.find(word);
            self.put(coded, word as u8, out);
            self.rest = &self.rest[coded.len()..];
        }
    }

    /// Codes what is left. Returns where it ends.
    fn finish(&mut self, encoder: &Encoder, out: &mut [u8]) -> usize {
        while self.rest.len() >= MAX_SYMBOL {
            self.step(encoder, out);
        }
        let (mut word, mut left) = last_word(self.rest);
        while left > 0 {
            let coded = encoder.find_within(word, left);
            self.put(coded, word as u8, out);
            word >>= 8 * coded.len();
            left -= coded.len();
        }
        self.rest = &[];
        self.end
    }
}

/// Encodes strings.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    symbols: Vec<Symbol>,
    /// For symbols of three bytes and more: at most one a slot.
    long: Box<[LongSymbol; SLOTS]>,
    /// For each two bytes the symbol of two or one that they begin with.
    short: Box<[Coded; 1 << 16]>,
    /// For each byte the symbol of one that it is.
    single: [Coded; 256],
}

/// Less than [`MAX_SYMBOL`] bytes as a word, with zeros behind, and how many there are.
#[inline(always)]
fn last_word(bytes: &[u8]) -> (u64, usize) {
    let mut eight = [0; MAX_SYMBOL];
    eight[..bytes.len()].copy_from_slice(bytes);
    (u64::from_le_bytes(eight), bytes.len())
}

impl Encoder {
    /// An encoder of these symbols, the most useful first.
    fn new(candidates: impl Iterator<Item = Symbol>) -> Self {
        let mut new = Self {
            symbols: Vec::with_capacity(MAX_SYMBOLS),
            // Never on the stack.
            long: vec![LongSymbol::NONE; SLOTS].try_into().expect("as many slots"),
            short: vec![Coded::ESCAPED; 1 << 16].try_into().expect("as many pairs"),
            single: [Coded::ESCAPED; 256],
        };
        for symbol in candidates {
            if new.symbols.len() == MAX_SYMBOLS {
                break;
            }
            let code = new.symbols.len() as u8;
            let coded = Coded::new(code, symbol.len);
            match symbol.len {
                1 => new.single[symbol.bytes as usize] = coded,
                2 => new.short[symbol.bytes as usize] = coded,
                _ => {
                    let slot = &mut new.long[slot(symbol.bytes)];
                    if slot.bytes != LongSymbol::NONE.bytes {
                        continue;
                    }
                    *slot = LongSymbol::new(symbol, coded);
                }
            }
            new.symbols.push(symbol);
        }
        for (bytes, coded) in new.short.iter_mut().enumerate() {
            if *coded == Coded::ESCAPED {
                *coded = new.single[bytes & 0xFF];
            }
        }
        new
    }

    /// The longest symbol that a word begins with, of which all bytes belong to the string.
    #[inline(always)]
    fn find(&self, word: u64) -> Coded {
        self.long[slot(word)].or(word, self.short[(word & 0xFFFF) as usize])
    }

    /// The longest symbol that a word begins with, of which only the first bytes, 1 to 7, belong to the string.
    #[inline(always)]
    fn find_within(&self, word: u64, bytes: usize) -> Coded {
        let long = self.long[slot(word)].or(word, Coded::NOWHERE);
        match bytes {
            _ if long.len() <= bytes => long,
            1 => self.single[(word & 0xFF) as usize],
            _ => self.short[(word & 0xFFFF) as usize],
        }
    }

    /// Makes a table for strings like these.
    pub(crate) fn train(strings: &[&[u8]]) -> Self {
        let sample = sample(strings);
        let mut encoder = Self::new(std::iter::empty());
        for round in 0..ROUNDS {
            let mut gains: HashMap<Symbol, usize, FixedState> =
                HashMap::with_hasher(FixedState::with_seed(0));
            for string in &sample {
                let (mut rest, mut last): (&[u8], Option<Symbol>) = (string, None);
                while !rest.is_empty() {
                    let coded = match rest.first_chunk() {
                        Some(eight) => encoder.find(u64::from_le_bytes(*eight)),
                        None => {
                            let (word, bytes) = last_word(rest);
                            encoder.find_within(word, bytes)
                        }
                    };
                    let symbol = match coded.code() {
                        ESCAPE => Symbol::of_byte(rest[0]),
                        code => encoder.symbols[usize::from(code)],
                    };
                    // A byte by itself costs two where it has no symbol, so it is worth more than its length.
                    *gains.entry(symbol).or_default() += if symbol.len == 1 { 8 } else { symbol.len };
                    // The last round only weighs what there is.
                    if let Some(last) = last.filter(|_| round + 1 < ROUNDS) {
                        let pair = last.then(symbol);
                        if pair.len > last.len {
                            *gains.entry(pair).or_default() += pair.len;
                        }
                    }
                    last = Some(symbol);
                    rest = &rest[coded.len()..];
                }
            }
            let mut ranked: Vec<(Symbol, usize)> = gains.into_iter().collect();
            ranked.sort_unstable_by_key(|(s, gain)| (Reverse(*gain), s.len, s.bytes));
            encoder = Self::new(ranked.into_iter().map(|(symbol, _)| symbol));
        }
        encoder
    }

    /// About how many bytes the strings, `bytes` in all, take when coded, the table included.
    pub(crate) fn estimate(&self, strings: &[&[u8]], bytes: usize) -> usize {
        let sample = sample(strings);
        let sampled: usize = sample.iter().map(|s| s.len()).sum();
        let mut coded = vec![];
        self.encode(&sample, &mut coded);
        (coded.len() as u64 * bytes as u64 / sampled.max(1) as u64) as usize + self.table().len()
    }

    /// Appends coded strings, one behind the other. Returns where each ends in `out`.
    pub(crate) fn encode(&self, strings: &[&[u8]], out: &mut Vec<u8>) -> Vec<usize> {
        let mut ends = Vec::with_capacity(strings.len());
        let mut rest = strings;
        while let Some(first) = rest.first() {
            let mut bytes = 0;
            let fits = |string: &&&[u8]| {
                bytes += string.len();
                bytes <= RUN_BYTES
            };
            let (run, behind) = rest.split_at(rest.iter().take_while(fits).count());
            if run.is_empty() {
                self.encode_long(first, out);
                ends.push(out.len());
                rest = &rest[1..];
            } else {
                self.encode_run(run, out, &mut ends);
                rest = behind;
            }
        }
        ends
    }

    /// Appends coded strings. Where one symbol ends, and the next begins, is known only when it was found; so several
    /// strings are coded at a time, that one may be looked for while another is waited for.
    fn encode_run(&self, strings: &[&[u8]], out: &mut Vec<u8>, ends: &mut Vec<usize>) {
        let (start, first) = (out.len(), ends.len());
        // No string takes more than two bytes for each of its own. So each has its room, and they are brought together later.
        out.resize(start + strings.iter().map(|string| 2 * string.len()).sum::<usize>(), 0);
        ends.resize(first + strings.len(), 0);
        let mut room = start;
        let mut waiting = strings.iter().enumerate().map(|(number, string)| {
            let lane = Lane { number: first + number, rest: string, end: room };
            room += 2 * string.len();
            lane
        });
        let mut lanes: [Option<Lane<'_>>; LANES] = std::array::from_fn(|_| waiting.next());
        if let [Some(a), Some(b), Some(c), Some(d)] = &mut lanes {
            'all: loop {
                // So many symbols are there in each, however long they are.
                let least = [&*a, b, c, d].map(|lane| lane.rest.len()).into_iter().min().unwrap_or(0);
                for _ in 0..least / MAX_SYMBOL {
                    a.step(self, out);
                    b.step(self, out);
                    c.step(self, out);
                    d.step(self, out);
                }
                for lane in [&mut *a, b, c, d] {
                    if lane.rest.len() < MAX_SYMBOL {
                        ends[lane.number] = lane.finish(self, out);
                        let Some(next) = waiting.next() else { break 'all };
                        *lane = next;
                    }
                }
            }
        }
        for mut lane in lanes.into_iter().flatten() {
            ends[lane.number] = lane.finish(self, out);
        }
        let (mut room, mut at) = (start, start);
        for (string, end) in strings.iter().zip(&mut ends[first..]) {
            let coded = room..*end;
            room += 2 * string.len();
            *end = at + coded.len();
            out.copy_within(coded, at);
            at = *end;
        }
        out.truncate(at);
    }

    /// Appends a coded string of any length.
    fn encode_long(&self, string: &[u8], out: &mut Vec<u8>) {
        let mut lane = Lane { number: 0, rest: string, end: out.len() };
        while lane.rest.len() > RUN_BYTES {
            out.resize(lane.end + 2 * (RUN_BYTES + MAX_SYMBOL), 0);
            let rest = lane.rest.len() - RUN_BYTES;
            while lane.rest.len() > rest && lane.rest.len() >= MAX_SYMBOL {
                lane.step(self, out);
            }
        }
        out.resize(lane.end + 2 * lane.rest.len(), 0);
        let end = lane.finish(self, out);
        out.truncate(end);
    }

    /// The table at rest.
    pub(crate) fn table(&self) -> Vec<u8> {
        let mut out = vec![self.symbols.len() as u8];
        out.extend(self.symbols.iter().map(|s| s.len as u8));
        self.symbols.iter().for_each(|s| out.extend_from_slice(&s.bytes.to_le_bytes()[..s.len]));
        out
    }
}

/// Some of the strings, from all over, about [`SAMPLE_BYTES`] in all.
fn sample<'a>(strings: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let total: usize = strings.iter().map(|s| s.len()).sum();
    let step = total.div_ceil(SAMPLE_BYTES).max(1);
    // Runs of neighbours, so that a period in the data does not meet that of the sample.
    let picked = strings.chunks(16).step_by(step).flatten();
    picked.map(|s| &s[..s.len().min(SAMPLE_BYTES / 8)]).filter(|s| !s.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes and decodes, and returns the bytes of the codes and the table.
    fn round_trip(strings: &[&[u8]]) -> usize {
        let encoder = Encoder::train(strings);
        let table = SymbolTable::parse(&encoder.table()).unwrap();
        let mut size = encoder.table().len();
        let mut coded = vec![1, 2, 3];
        let ends = encoder.encode(strings, &mut coded);
        assert_eq!((ends.len(), coded.len()), (strings.len(), ends.last().map_or(3, |end| *end)));
        let mut from = 3;
        for (string, end) in strings.iter().zip(ends) {
            let coded = &coded[from..end];
            from = end;
            size += coded.len();
            let mut out = vec![0; string.len() + MAX_SYMBOL];
            let end = table.decode(coded, &mut out, 0).unwrap();
            assert_eq!(&out[..end], *string);
            for unit in [LengthUnit::Bytes, LengthUnit::Characters] {
                assert_eq!(table.lengths(unit).measure(coded).unwrap(), unit.of(string) as u64);
            }
        }
        size
    }

    #[test]
    fn strings_come_back_and_are_smaller() {
        let urls: Vec<String> = (0..3000)
            .map(|i| format!("https://www.example.com/catalog/item?id={}&ref=home", i * 7919))
            .collect();
        let urls: Vec<&[u8]> = urls.iter().map(std::string::String::as_bytes).collect();
        let plain: usize = urls.iter().map(|s| s.len()).sum();
        let size = round_trip(&urls);
        assert!(size * 3 < plain, "{size} of {plain}");
        round_trip(&[]);
        round_trip(&[b"", b"a", b"", &[255; 20], &[0; 9]]);
        let noise: Vec<Vec<u8>> =
            (0..50_u32).map(|i| i.wrapping_mul(2654435761).to_le_bytes().repeat(3)).collect();
        round_trip(&noise.iter().map(Vec::as_slice).collect::<Vec<_>>());
        // Some of more bytes than are coded at a time, between others.
        let long: Vec<Vec<u8>> = [10, RUN_BYTES, 3, RUN_BYTES + 1, 0, 3 * RUN_BYTES + 7]
            .into_iter()
            .map(|len| b"a period of its own length, ".iter().copied().cycle().take(len).collect())
            .collect();
        round_trip(&long.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }

    #[test]
    fn damaged_tables_and_codes_are_errors() {
        assert!(SymbolTable::parse(&[]).is_err());
        assert!(SymbolTable::parse(&[1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(SymbolTable::parse(&[1, 0]).is_err());
        assert!(SymbolTable::parse(&[1, 2, b'a']).is_err());
        assert!(SymbolTable::parse(&[1, 1, b'a', b'b']).is_err());
        let table = SymbolTable::parse(&[1, 2, b'a', b'b']).unwrap();
        let mut out = [0; 11];
        assert_eq!(table.decode(&[0, ESCAPE, b'c'], &mut out, 0), Ok(3));
        assert!(table.decode(&[1], &mut out, 0).is_err());
        assert!(table.decode(&[ESCAPE], &mut out, 0).is_err());
        assert!(table.decode(&[0; 5], &mut out, 0).is_err());
    }
}
