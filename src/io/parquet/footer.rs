//! What a footer states about sizes, looked at before the crate reads it: the crate reserves memory for as many children
//! as an element of the schema says that it has, and a process that gets no memory ends.

use parquet::errors::ParquetError;

/// Types of Thrift's compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Structures nest a few levels.
const DEPTH_MAX: usize = 32;

/// The field of the footer that is the list of the schema's elements, and that of an element which counts its children.
const SCHEMA: i64 = 2;
const CHILDREN: i64 = 5;

/// Checks a footer: nothing in it says that it is longer than it is.
///
/// # Errors
/// The first thing that does.
pub(super) fn check(footer: &[u8]) -> Result<(), ParquetError> {
    Walk { rest: footer }.structure(Place::Footer, 0)
}

/// Which structure it is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Footer,
    /// An element of a schema that has so many.
    Element(usize),
    Other,
}

struct Walk<'a> {
    rest: &'a [u8],
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.into())
}

impl Walk<'_> {
    fn byte(&mut self) -> Result<u8, ParquetError> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| damaged("the footer is cut off"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn varint(&mut self) -> Result<u64, ParquetError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("a number in the footer is too long"))
    }

    fn signed(&mut self) -> Result<i64, ParquetError> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), ParquetError> {
        let rest = usize::try_from(bytes).ok().and_then(|bytes| self.rest.get(bytes..));
        self.rest = rest.ok_or_else(|| damaged("a value in the footer is longer than the footer"))?;
        Ok(())
    }

    /// A number of values, each of which has a byte at least.
    fn count(&mut self, count: u64) -> Result<usize, ParquetError> {
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.rest.len())
            .ok_or_else(|| damaged("a list in the footer is longer than the footer"))
    }

    /// The number and the type of the values of a list.
    fn list(&mut self) -> Result<(usize, u8), ParquetError> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            few => u64::from(few),
        };
        Ok((self.count(count)?, head & 15))
    }

    fn structure(&mut self, place: Place, depth: usize) -> Result<(), ParquetError> {
        if depth > DEPTH_MAX {
            return Err(damaged("the footer nests too deeply"));
        }
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            let kind = head & 15;
            if kind == 0 {
                return Ok(());
            }
            field = match head >> 4 {
                0 => self.signed()?,
                more => field.saturating_add(i64::from(more)),
            };
            match (place, field, kind) {
                // In a structure the type is the value.
                (_, _, TRUE | FALSE) => {}
                (Place::Footer, SCHEMA, LIST) => {
                    let (count, kind) = self.list()?;
                    for _ in 0..count {
                        if kind == STRUCT {
                            self.structure(Place::Element(count), depth + 1)?;
                        } else {
                            self.value(kind, depth)?;
                        }
                    }
                }
                (Place::Element(elements), CHILDREN, I16..=I64) => {
                    let children = self.signed()?;
                    if usize::try_from(children).ok().is_none_or(|children| children >= elements) {
                        return Err(damaged(&format!(
                            "an element of a schema of {elements} states {children} children"
                        )));
                    }
                }
                _ => self.value(kind, depth)?,
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<(), ParquetError> {
        match kind {
            TRUE | FALSE | BYTE => self.skip(1),
            I16..=I64 => self.varint().map(drop),
            DOUBLE => self.skip(8),
            UUID => self.skip(16),
            BINARY => {
                let length = self.varint()?;
                self.skip(length)
            }
            LIST | SET => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.nested(kind, depth))
            }
            MAP => {
                let count = self.varint()?;
                let count = self.count(count)?;
                if count == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.nested(kinds >> 4, depth)?;
                    self.nested(kinds & 15, depth)
                })
            }
            STRUCT => self.structure(Place::Other, depth + 1),
            _ => Err(damaged("the footer has a value of an unknown type")),
        }
    }

    /// A value within another.
    fn nested(&mut self, kind: u8, depth: usize) -> Result<(), ParquetError> {
        if depth > DEPTH_MAX {
            return Err(damaged("the footer nests too deeply"));
        }
        self.value(kind, depth + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer with a schema of a root that states so many children, and one child.
    fn footer(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, 0x2c, 0x48, 1, b'r', 0x15];
        bytes.extend(children);
        bytes.extend([0, 0x15, 2, 0x38, 1, b'c', 0, 0]);
        bytes
    }

    #[test]
    fn what_states_too_much_is_refused() {
        check(&footer(&[2])).unwrap();
        let error = |bytes: &[u8]| check(bytes).unwrap_err().to_string();
        // Two, two thousand millions, and less than none.
        for children in [&[4][..], &[0xfe, 0xff, 0xff, 0xff, 0x0f], &[1]] {
            assert!(error(&footer(children)).contains("an element of a schema of 2 states"));
        }
        for end in 0..footer(&[2]).len() {
            check(&footer(&[2])[..end]).unwrap_err();
        }
        assert!(error(&[0x19, 0xfc, 0xff, 0xff, 3]).contains("a list in the footer is longer"));
        assert!(error(&[0x18, 0xff, 0xff, 3]).contains("a value in the footer is longer"));
        assert!(error(&[0x1c; 100]).contains("nests too deeply"));
        assert!(error(&[0x19; 100]).contains("nests too deeply"));
    }
}
