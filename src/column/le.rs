//! Little-endian integers at rest, and a reader that never leaves its bytes.
//!
//! Everything here has alignment 1, so that records can be read in place from anywhere.

use std::borrow::Cow;
use std::fmt;

use bytemuck::{Pod, Zeroable};

/// Defines a little-endian integer of alignment 1.
macro_rules! little_endian {
    ($(#[$doc:meta])* $name:ident, $native:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
        #[repr(transparent)]
        pub struct $name([u8; size_of::<$native>()]);

        impl $name {
            /// Wraps a value.
            pub const fn new(value: $native) -> Self {
                Self(value.to_le_bytes())
            }

            /// The value.
            pub const fn get(self) -> $native {
                <$native>::from_le_bytes(self.0)
            }
        }

        impl From<$native> for $name {
            fn from(value: $native) -> Self {
                Self::new(value)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.get().fmt(f)
            }
        }
    };
}

little_endian! {
    /// `u16`, little-endian.
    U16, u16
}
little_endian! {
    /// `u32`, little-endian.
    U32, u32
}
little_endian! {
    /// `u64`, little-endian.
    U64, u64
}

/// What is wrong with some bytes; where they lie is added further up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage(pub(crate) Cow<'static, str>);

impl Damage {
    /// Damage described by a fixed text.
    pub(crate) const fn new(what: &'static str) -> Self {
        Self(Cow::Borrowed(what))
    }
}

/// The result of decoding.
pub(crate) type Decoded<T> = Result<T, Damage>;

/// Fails with `what` unless `condition` holds.
pub(crate) fn ensure(condition: bool, what: &'static str) -> Decoded<()> {
    if condition { Ok(()) } else { Err(Damage::new(what)) }
}

/// Takes fields from the front of some bytes.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A reader of these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Decoded<&'a [u8]> {
        let (head, rest) =
            self.rest.split_at_checked(len).ok_or(Damage::new("a field reaches past the end"))?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `count * size` bytes.
    pub(crate) fn take_items(&mut self, count: usize, size: usize) -> Decoded<&'a [u8]> {
        self.take(count.checked_mul(size).ok_or(Damage::new("a count is too large"))?)
    }

    /// The next record.
    pub(crate) fn record<T: Pod>(&mut self) -> Decoded<T> {
        Ok(bytemuck::pod_read_unaligned(self.take(size_of::<T>())?))
    }

    /// The next four bytes as a number.
    pub(crate) fn u32(&mut self) -> Decoded<u32> {
        Ok(self.record::<U32>()?.get())
    }

    /// The next eight bytes as a number.
    pub(crate) fn u64(&mut self) -> Decoded<u64> {
        Ok(self.record::<U64>()?.get())
    }

    /// All that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Fails unless everything was read.
    pub(crate) fn finish(self) -> Decoded<()> {
        ensure(self.rest.is_empty(), "bytes are left over")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_stays_inside() {
        let mut c = Cursor::new(&[1, 0, 0, 0, 9]);
        assert_eq!(c.u32().unwrap(), 1);
        assert!(c.u32().is_err());
        assert!(c.take_items(usize::MAX, 2).is_err());
        assert!(c.finish().is_err());
        assert_eq!(c.take(1).unwrap(), [9]);
        assert!(c.finish().is_ok());
    }
}
