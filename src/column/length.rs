//! How long strings are.

use crate::column::le::Damage;
use crate::column::le::Decoded;

/// What the length of a string is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthUnit {
    /// Bytes.
    Bytes,
    /// Characters of UTF-8: bytes that do not continue one.
    Characters,
}

impl LengthUnit {
    /// The length of a string.
    pub(crate) fn of(self, string: &[u8]) -> usize {
        match self {
            Self::Bytes => string.len(),
            Self::Characters => bytecount::num_chars(string),
        }
    }

    /// As a length of 32 bits, which no string of a chunk is longer than.
    pub(crate) fn short(self, string: &[u8]) -> Decoded<u32> {
        u32::try_from(self.of(string)).map_err(|_| Damage::new("a string of more than 4 GiB"))
    }
}
