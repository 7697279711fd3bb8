//! Reads what is written in Thrift's compact protocol: bytes that nobody has looked at yet.

use parquet::errors::ParquetError;

/// Types of values. A field's type says of a boolean which it is; in a list it is a byte.
pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
pub(super) const BYTE: u8 = 3;
pub(super) const I16: u8 = 4;
pub(super) const I64: u8 = 6;
const DOUBLE: u8 = 7;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(super) const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Structures and lists nest a few levels.
const DEPTH_MAX: usize = 32;

type Result<T> = std::result::Result<T, ParquetError>;

/// What is left of some bytes.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
    /// What the bytes are, in messages.
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, depth: 0, what }
    }

    fn damaged(&self, how: &str) -> ParquetError {
        ParquetError::General(format!("{} {how}", self.what))
    }

    pub fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| self.damaged("is cut off"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.damaged("has a number that is too long"))
    }

    /// A whole number of any width.
    pub fn int(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub fn binary(&mut self) -> Result<&'a [u8]> {
        let length = self.varint()?;
        self.take(length)
    }

    fn take(&mut self, bytes: u64) -> Result<&'a [u8]> {
        let both = usize::try_from(bytes).ok().and_then(|bytes| self.rest.split_at_checked(bytes));
        let (value, rest) = both.ok_or_else(|| self.damaged("has a value that is longer than all of it"))?;
        self.rest = rest;
        Ok(value)
    }

    /// A number of values, each of which has a byte at least.
    fn count(&self, count: u64) -> Result<usize> {
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.rest.len())
            .ok_or_else(|| self.damaged("has a list that is longer than all of it"))
    }

    /// Calls `read` with number and type of each field of a structure; it must read the field.
    pub fn fields(&mut self, mut read: impl FnMut(&mut Self, i64, u8) -> Result<()>) -> Result<()> {
        self.deeper(|reader| {
            let mut id = 0_i64;
            loop {
                let head = reader.byte()?;
                let ty = head & 15;
                if ty == 0 {
                    return Ok(());
                }
                id = match head >> 4 {
                    0 => reader.int()?,
                    more => id.saturating_add(i64::from(more)),
                };
                read(reader, id, ty)?;
            }
        })
    }

    /// The number and the type of the items of a list.
    pub fn list_head(&mut self) -> Result<(usize, u8)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            few => u64::from(few),
        };
        Ok((self.count(count)?, head & 15))
    }

    /// The items of a list of this type.
    pub fn list<T>(&mut self, ty: u8, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let (count, found) = self.list_head()?;
        let is_bool = |ty| matches!(ty, TRUE | FALSE);
        if found != ty && !(is_bool(found) && is_bool(ty)) {
            return Err(self.damaged("has a list of another type"));
        }
        let mut item = item;
        (0..count).map(|_| item(self)).collect()
    }

    /// Skips the value of a field.
    pub fn skip(&mut self, ty: u8) -> Result<()> {
        // In a structure the type is the value.
        if matches!(ty, TRUE | FALSE) { Ok(()) } else { self.skip_item(ty) }
    }

    /// Skips an item of a list.
    pub fn skip_item(&mut self, ty: u8) -> Result<()> {
        match ty {
            TRUE | FALSE | BYTE => self.byte().map(drop),
            I16..=I64 => self.varint().map(drop),
            DOUBLE => self.take(8).map(drop),
            UUID => self.take(16).map(drop),
            BINARY => self.binary().map(drop),
            LIST | SET => {
                let (count, ty) = self.list_head()?;
                self.deeper(|reader| (0..count).try_for_each(|_| reader.skip_item(ty)))
            }
            MAP => {
                let count = self.varint()?;
                let count = self.count(count)?;
                if count == 0 {
                    return Ok(());
                }
                let types = self.byte()?;
                self.deeper(|reader| {
                    (0..count).try_for_each(|_| {
                        reader.skip_item(types >> 4)?;
                        reader.skip_item(types & 15)
                    })
                })
            }
            STRUCT => self.fields(|reader, _, ty| reader.skip(ty)),
            _ => Err(self.damaged("has a value of an unknown type")),
        }
    }

    fn deeper(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(self.damaged("nests too deeply"));
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        Reader::new(bytes, "it").skip(STRUCT).unwrap_err().to_string()
    }

    #[test]
    fn what_states_too_much_is_refused() {
        assert!(error(&[0x19, 0xfc, 0xff, 0xff, 3]).contains("it has a list that is longer"));
        assert!(error(&[0x18, 0xff, 0xff, 3]).contains("it has a value that is longer"));
        assert!(error(&[0x15, 0xff]).contains("it is cut off"));
        assert!(error(&[0x1c; 100]).contains("it nests too deeply"));
        assert!(error(&[0x19; 100]).contains("it nests too deeply"));
        assert!(error(&[0x1f, 0]).contains("unknown type"));
    }

    #[test]
    fn all_that_there_is_can_be_skipped() {
        // A boolean, a list of two, a map of a text and a number, a structure, an id.
        let bytes = [
            0x11, 0x19, 0x21, 1, 2, 0x1b, 1, 0x85, 1, b'k', 2, 0x1c, 0x15, 4, 0, 0x1d, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
        ];
        let mut reader = Reader::new(&bytes, "it");
        reader.skip(STRUCT).unwrap();
        assert_eq!(reader.rest, [9]);
    }
}
