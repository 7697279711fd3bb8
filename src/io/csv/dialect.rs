//! What separates the values and the lines of a file.

use memchr::memmem;

/// How the lines of a file end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Newline {
    /// `\n`, or `\r\n`.
    Lf,
    /// `\r` alone.
    Cr,
}

impl Newline {
    /// The byte that ends a line.
    pub fn byte(self) -> u8 {
        match self {
            Self::Lf => b'\n',
            Self::Cr => b'\r',
        }
    }

    /// How lines end in a file that begins like this, as escapes.
    pub fn shown(self, head: &[u8]) -> &'static str {
        match self {
            Self::Cr => "\\r",
            Self::Lf if memmem::find(head, b"\r\n").is_some() => "\\r\\n",
            Self::Lf => "\\n",
        }
    }
}

/// What stands between fields: one to four bytes. The first place where it occurs is the end of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delimiter {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl Delimiter {
    /// The longest.
    pub const MAX: usize = 4;

    /// A single byte.
    pub const fn byte(byte: u8) -> Self {
        Self { bytes: [byte, 0, 0, 0], len: 1 }
    }

    /// These bytes; `None` if there are none or too many.
    pub fn new(given: &[u8]) -> Option<Self> {
        if given.is_empty() || given.len() > Self::MAX {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes[..given.len()].copy_from_slice(given);
        Some(Self { bytes, len: given.len() as u8 })
    }

    /// All of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The byte, if it is one.
    pub fn single(self) -> Option<u8> {
        (self.len == 1).then_some(self.bytes[0])
    }

    /// Whether this byte is part of it.
    pub fn contains(&self, byte: u8) -> bool {
        self.as_bytes().contains(&byte)
    }

    pub fn len(self) -> usize {
        usize::from(self.len)
    }

    pub fn last(self) -> u8 {
        self.bytes[usize::from(self.len) - 1]
    }

    /// Whether spaces around quotes may be left out.
    pub fn allows_spaces(self) -> bool {
        self.bytes[0] != b' '
    }

    /// Whether it begins at `at`.
    #[inline]
    pub fn begins_at(&self, text: &[u8], at: usize) -> bool {
        text[at] == self.bytes[0] && (self.len == 1 || text[at..].starts_with(self.as_bytes()))
    }

    /// Whether its last byte is at `at`, and all of it behind `from`.
    #[inline]
    pub fn ends_at(&self, text: &[u8], from: usize, at: usize) -> bool {
        self.len == 1 || text[from..=at].ends_with(self.as_bytes())
    }
}

/// How a file separates its values. All bytes but those of the delimiter are ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Between fields.
    pub delimiter: Delimiter,
    /// Around fields.
    pub quote: Option<u8>,
    /// Before a quote (or itself) inside quotes; usually the quote itself.
    pub escape: Option<u8>,
    /// Starts a comment that goes to the end of the line.
    pub comment: Option<u8>,
    /// Line ends.
    pub newline: Newline,
    /// Text behind a closing quote is an error; otherwise the field is taken as it stands.
    pub strict: bool,
}
