//! What all records of the catalog share: the header, and a bounds-checked reader and writer.
//!
//! ```text
//! byte 0     kind (RecordKind; 0 is never valid)
//! byte 1     version of this kind's layout, from 1
//! byte 2-3   flags, zero unless the kind says otherwise
//! byte 4-    body
//! ```
//!
//! All numbers are little-endian. Text is a `u32` length in bytes and UTF-8. An optional value is a byte,
//! 0 or 1, and the value if 1. A decoder takes all bytes of a record: bytes left over are an error, as
//! are a length beyond the end, a tag that is not known and text that is not UTF-8.

use std::fmt;

use crate::catalog::error::CatalogError;

/// Bytes before the body.
pub const HEADER_BYTES: usize = 4;

/// The kinds of record. Numbers are for ever; 0 is reserved, so that zeroed bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// The catalog's root: all objects.
    Root = 1,
    /// A schema.
    Schema = 2,
    /// A table's definition.
    Table = 3,
    /// A view.
    View = 4,
    /// A table's directory of row groups.
    Directory = 5,
    /// A part of a directory.
    Segment = 6,
    /// A row group with its chunks.
    RowGroup = 7,
    /// A sequence and where it stands.
    Sequence = 8,
    /// A macro.
    Macro = 9,
    /// A type that has a name.
    Type = 10,
}

impl RecordKind {
    /// The latest version of its layout.
    pub const fn version(self) -> u8 {
        match self {
            Self::Table => 6,
            Self::Sequence => 3,
            Self::Root | Self::Directory | Self::RowGroup | Self::View | Self::Macro | Self::Type => 2,
            Self::Schema | Self::Segment => 1,
        }
    }

    /// What to call it in a message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "catalog root record",
            Self::Schema => "schema record",
            Self::Table => "table record",
            Self::View => "view record",
            Self::Directory => "row-group directory record",
            Self::Segment => "row-group segment record",
            Self::RowGroup => "row-group record",
            Self::Sequence => "sequence record",
            Self::Macro => "macro record",
            Self::Type => "type record",
        }
    }

    /// Whether such a record describes an object of a schema, or a schema.
    pub const fn is_definition(self) -> bool {
        match self {
            Self::Schema | Self::Table | Self::View | Self::Sequence | Self::Macro | Self::Type => true,
            Self::Root | Self::Directory | Self::Segment | Self::RowGroup => false,
        }
    }

    /// The kind that a record's first byte names.
    pub fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [RecordKind; 10] = [
            RecordKind::Root,
            RecordKind::Schema,
            RecordKind::Table,
            RecordKind::View,
            RecordKind::Directory,
            RecordKind::Segment,
            RecordKind::RowGroup,
            RecordKind::Sequence,
            RecordKind::Macro,
            RecordKind::Type,
        ];
        ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// What is wrong with the bytes of a record, before it is known where they came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They do not say what they should.
    #[error("{0}")]
    Bytes(String),
    /// A version from the future.
    #[error("version {0} is not known")]
    Newer(u8),
}

impl Malformed {
    /// The error, once the place of the record is known.
    pub fn at(self, kind: RecordKind, place: impl fmt::Display) -> CatalogError {
        let (record, place) = (kind.name(), place.to_string());
        match self {
            Self::Bytes(what) => CatalogError::Corrupt { record, place, what },
            Self::Newer(version) => CatalogError::Newer { record, place, version, known: kind.version() },
        }
    }
}

impl From<&str> for Malformed {
    fn from(what: &str) -> Self {
        Self::Bytes(what.into())
    }
}

impl From<String> for Malformed {
    fn from(what: String) -> Self {
        Self::Bytes(what)
    }
}

/// The result of decoding.
pub type Decoded<T> = Result<T, Malformed>;

/// Builds the bytes of a record. The default is a record without a header.
#[derive(Debug, Default)]
pub struct RecordWriter(Vec<u8>);

impl RecordWriter {
    /// A record of this kind with its header.
    pub fn new(kind: RecordKind) -> Self {
        Self::of_version(kind, kind.version())
    }

    /// A record whose layout is that of an earlier version.
    pub fn of_version(kind: RecordKind, version: u8) -> Self {
        Self(vec![kind as u8, version, 0, 0])
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// A byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// A number of things that follow.
    ///
    /// # Panics
    /// If there are more than `u32::MAX`, which no definition that was accepted has.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("a definition has fewer than 2^32 parts"));
    }

    /// Text.
    pub fn text(&mut self, value: &str) {
        self.count(value.len());
        self.0.extend_from_slice(value.as_bytes());
    }

    /// The bytes that `write` appends, behind their number.
    ///
    /// # Panics
    /// If there are more than `u32::MAX`.
    pub fn sized(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.u32(0);
        write(&mut self.0);
        let length = u32::try_from(self.0.len() - start - 4).expect("a record has fewer than 2^32 bytes");
        self.0[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Text that may be absent.
    pub fn optional_text(&mut self, value: Option<&str>) {
        self.bool(value.is_some());
        if let Some(value) = value {
            self.text(value);
        }
    }
}

/// Reads the bytes of a record; nothing is trusted.
#[derive(Debug)]
pub struct RecordReader<'a> {
    bytes: &'a [u8],
    version: u8,
}

impl<'a> RecordReader<'a> {
    /// Checks the header. The version is one that this code knows.
    pub fn new(bytes: &'a [u8], kind: RecordKind) -> Decoded<Self> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Malformed::Bytes(format!("{} bytes are too few", bytes.len())));
        };
        check_header(*header, kind)?;
        Ok(Self { bytes: body, version: header[1] })
    }

    /// Reads what has no header.
    pub fn of_body(bytes: &'a [u8]) -> Self {
        Self { bytes, version: 1 }
    }

    /// The version of the layout.
    pub fn version(&self) -> u8 {
        self.version
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>().ok_or("it ends too early")?;
        self.bytes = rest;
        Ok(*head)
    }

    /// Bytes left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// A byte.
    pub fn u8(&mut self) -> Decoded<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Decoded<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Decoded<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A byte, 0 or 1.
    pub fn bool(&mut self) -> Decoded<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Malformed::Bytes(format!("{other} is neither true nor false"))),
        }
    }

    /// A number of things of at least `bytes_each` bytes that follow: so there is room for them, and
    /// allocating for them is safe.
    pub fn count(&mut self, bytes_each: usize) -> Decoded<usize> {
        let count = self.u32()? as usize;
        if count > self.bytes.len() / bytes_each.max(1) {
            return Err(Malformed::Bytes(format!(
                "{count} parts cannot lie in the {} bytes left",
                self.bytes.len()
            )));
        }
        Ok(count)
    }

    /// Bytes behind their number.
    pub fn bytes(&mut self) -> Decoded<&'a [u8]> {
        let length = self.count(1)?;
        let (bytes, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Ok(bytes)
    }

    /// Text.
    pub fn text(&mut self) -> Decoded<Box<str>> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|e| format!("text is not UTF-8: {e}"))?;
        Ok(text.into())
    }

    /// Text that may be absent.
    pub fn optional_text(&mut self) -> Decoded<Option<Box<str>>> {
        if self.bool()? { Ok(Some(self.text()?)) } else { Ok(None) }
    }

    /// Checks that nothing is left.
    pub fn finish(self) -> Decoded<()> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Bytes(format!("{} bytes are left over", self.bytes.len())))
        }
    }
}

/// Checks the header of a record that should be of this kind.
pub fn check_header(header: [u8; HEADER_BYTES], kind: RecordKind) -> Decoded<()> {
    if header[0] != kind as u8 {
        let found = match RecordKind::from_byte(header[0]) {
            Some(kind) => kind.name().to_string(),
            None => format!("unknown kind {}", header[0]),
        };
        return Err(Malformed::Bytes(format!("it is not what it should be: {found}")));
    }
    if header[1] == 0 {
        return Err("version 0 does not exist".into());
    }
    if header[1] > kind.version() {
        return Err(Malformed::Newer(header[1]));
    }
    if header[2..] != [0, 0] {
        return Err("its flags are not known".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let mut w = RecordWriter::new(RecordKind::View);
        w.u8(7);
        w.u32(70_000);
        w.u64(u64::MAX);
        w.bool(true);
        w.text("grün");
        w.optional_text(None);
        w.optional_text(Some(""));
        let bytes = w.finish();
        let mut r = RecordReader::new(&bytes, RecordKind::View).unwrap();
        assert_eq!(r.u8().unwrap(), 7);
        assert_eq!(r.u32().unwrap(), 70_000);
        assert_eq!(r.u64().unwrap(), u64::MAX);
        assert!(r.bool().unwrap());
        assert_eq!(&*r.text().unwrap(), "grün");
        assert_eq!(r.optional_text().unwrap(), None);
        assert_eq!(r.optional_text().unwrap().as_deref(), Some(""));
        r.finish().unwrap();
    }

    #[test]
    fn headers_are_checked() {
        let open = |bytes: &[u8]| RecordReader::new(bytes, RecordKind::Table).map(|_| ());
        assert!(open(&[3, 1, 0, 0]).is_ok());
        assert_eq!(open(&[3, 9, 0, 0]), Err(Malformed::Newer(9)));
        for bad in [&[][..], &[3, 1, 0], &[0, 0, 0, 0], &[4, 1, 0, 0], &[3, 0, 0, 0], &[3, 1, 1, 0], &[77; 8]]
        {
            assert!(matches!(open(bad), Err(Malformed::Bytes(_))), "{bad:?}");
        }
        let error = open(&[3, 9, 0, 0]).unwrap_err().at(RecordKind::Table, "page 4 slot 2").to_string();
        assert!(error.contains("page 4 slot 2") && error.contains("newer version"), "{error}");
    }

    #[test]
    fn lengths_are_bounded_by_what_is_there() {
        let mut w = RecordWriter::new(RecordKind::Table);
        w.u32(u32::MAX);
        w.u32(0);
        let bytes = w.finish();
        let reader = || RecordReader::new(&bytes, RecordKind::Table).unwrap();
        assert!(reader().text().is_err());
        assert!(reader().count(0).is_err());
        assert!(reader().finish().is_err());
    }
}
