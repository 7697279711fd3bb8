//! Functions of text. Lengths and positions count characters (Unicode scalar values), from 1.

mod basic;
mod bytes_format;
mod distance;
mod encode;
mod format;
mod grapheme;
mod like;
mod path;
mod re2;
mod regex;
mod search;
mod sequence;
mod slice;

pub(crate) use path::HIVE_NULL;
pub(super) use slice::part;

use super::registry::Registry;

pub(super) fn register(r: &mut Registry) {
    basic::register(r);
    slice::register(r);
    search::register(r);
    like::register(r);
    regex::register(r);
    format::register(r);
    distance::register(r);
    encode::register(r);
    grapheme::register(r);
    path::register(r);
}

/// The byte position of character `n`, counted from 0, or the end.
pub(super) fn byte_of(s: &str, n: usize) -> usize {
    if s.is_ascii() {
        return n.min(s.len());
    }
    s.char_indices().nth(n).map_or(s.len(), |(i, _)| i)
}

/// The number of characters.
pub(super) fn char_count(s: &str) -> usize {
    if s.len() < 16 {
        // Too short for the counting of the standard library to gain anything.
        return s.bytes().filter(|b| (*b as i8) >= -0x40).count();
    }
    // The vectors of the machine it runs on count faster than those that every machine has.
    bytecount::num_chars(s.as_bytes())
}
