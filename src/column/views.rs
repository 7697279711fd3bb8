//! Views on strings that lie in a chunk, built without copying and checked once.

// Arrow's checked constructors validate every string by itself on every read; what is checked here, for a
// whole block at a time and once, is enough for the unchecked ones.
#![allow(unsafe_code)]

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, BinaryViewArray, DictionaryArray, StringViewArray, UInt32Array};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};

use crate::column::le::{Damage, Decoded, ensure};
use crate::column::shared::check_codes;

/// The most bytes that one buffer of views may have.
pub(crate) const MAX_BUFFER: usize = i32::MAX as usize;
/// The longest string that lies in its view.
const INLINE: usize = 12;

/// Strings of a block: views on buffers, and whether all of it is known to be text.
#[derive(Debug, Clone)]
pub(crate) struct Views {
    /// A view a row. Invariant: each is inline, with zeros behind the string, or lies within its buffer, and
    /// has the prefix of its string.
    views: Vec<u128>,
    /// What the views point to.
    buffers: Vec<Buffer>,
    /// Every view is valid UTF-8.
    text: bool,
}

/// The view of `string`, which begins at `offset` of buffer 0.
#[inline(always)]
fn view(string: &[u8], offset: usize) -> u128 {
    let len = string.len();
    if len <= INLINE {
        let mut raw = [0; 16];
        raw[..4].copy_from_slice(&(len as u32).to_le_bytes());
        raw[4..4 + len].copy_from_slice(string);
        u128::from_le_bytes(raw)
    } else {
        let prefix = u32::from_le_bytes([string[0], string[1], string[2], string[3]]);
        len as u128 | u128::from(prefix) << 32 | (offset as u128) << 96
    }
}

/// The view of the `len` bytes of `data` from `offset` on, which are inside.
#[inline(always)]
fn view_at(data: &[u8], offset: usize, len: usize) -> u128 {
    let Some(window) = data.get(offset..).and_then(|d| d.first_chunk::<INLINE>()) else {
        return view(&data[offset..offset + len], offset);
    };
    let mut raw = [0; 16];
    raw[4..].copy_from_slice(window);
    let bytes = u128::from_le_bytes(raw);
    if len <= INLINE {
        // Zeros behind the string.
        let keep = u128::MAX >> (96 - 8 * len as u32);
        len as u128 | (bytes & keep)
    } else {
        len as u128 | (bytes & (u128::from(u32::MAX) << 32)) | (offset as u128) << 96
    }
}

impl Views {
    /// Views on strings that lie one after another in `data`, of the given lengths, which must add up to it.
    /// `text`: they must be valid UTF-8; `known` says that this was found before.
    pub(crate) fn new(data: Buffer, lengths: &[u32], text: bool, known: bool) -> Decoded<Self> {
        let bytes = data.as_slice();
        ensure(bytes.len() <= MAX_BUFFER, "too many bytes of strings in a block")?;
        let total: u64 = lengths.iter().map(|n| u64::from(*n)).sum();
        ensure(total == bytes.len() as u64, "lengths of strings do not add up")?;
        if text && !known {
            check_text(bytes, lengths)?;
        }
        let mut offset = 0;
        let views = lengths.iter().map(|len| {
            let view = view_at(bytes, offset, *len as usize);
            offset += *len as usize;
            view
        });
        let views = views.collect();
        Ok(Self { views, buffers: vec![data], text })
    }

    /// As [`Views::new`], but only of some strings.
    pub(crate) fn select(
        data: Buffer,
        lengths: &[u32],
        rows: &[u16],
        text: bool,
        known: bool,
    ) -> Decoded<Self> {
        let bytes = data.as_slice();
        ensure(bytes.len() <= MAX_BUFFER, "too many bytes of strings in a block")?;
        let total: u64 = lengths.iter().map(|n| u64::from(*n)).sum();
        ensure(total == bytes.len() as u64, "lengths of strings do not add up")?;
        if text && !known {
            check_text(bytes, lengths)?;
        }
        let mut offsets = Vec::with_capacity(lengths.len());
        let mut offset = 0;
        for len in lengths {
            offsets.push(offset);
            offset += *len as usize;
        }
        let views = rows.iter().map(|row| {
            let row = usize::from(*row);
            view_at(bytes, offsets[row], lengths[row] as usize)
        });
        let views = views.collect();
        Ok(Self { views, buffers: vec![data], text })
    }

    /// `rows` views on the same string.
    pub(crate) fn repeat(data: Buffer, rows: usize, text: bool) -> Decoded<Self> {
        let bytes = data.as_slice();
        ensure(bytes.len() <= MAX_BUFFER, "a string is too long")?;
        if text {
            check_text(bytes, &[bytes.len() as u32])?;
        }
        Ok(Self { views: vec![view(bytes, 0); rows], buffers: vec![data], text })
    }

    /// The Arrow array of text or of bytes; as text only what was made as text.
    pub(crate) fn into_array(self, nulls: Option<NullBuffer>) -> ArrayRef {
        assert!(nulls.as_ref().is_none_or(|n| n.len() == self.views.len()), "a NULL or not for each row");
        let views = ScalarBuffer::from(self.views);
        if self.text {
            // SAFETY: by the invariant of `views` each view is well-formed and inside its buffer. `text` is set
            // only where the bytes of all strings were found to be UTF-8 with every string beginning at the
            // boundary of a character. The NULLs are as many as the views.
            Arc::new(unsafe { StringViewArray::new_unchecked(views, self.buffers.into(), nulls) })
        } else {
            // SAFETY: as above, but for the encoding, which bytes do not have.
            Arc::new(unsafe { BinaryViewArray::new_unchecked(views, self.buffers.into(), nulls) })
        }
    }
}

/// The rows of a dictionary of text that `codes` stand for. Each must be a position in `values`, and there must
/// be a NULL or not for each.
pub(crate) fn dictionary_array(
    codes: Vec<u32>,
    values: &ArrayRef,
    nulls: Option<NullBuffer>,
) -> Decoded<ArrayRef> {
    check_codes(&codes, values.len())?;
    let keys = UInt32Array::new(ScalarBuffer::from(codes), nulls);
    // SAFETY: that every key is a position in the values was just checked.
    Ok(Arc::new(unsafe { DictionaryArray::<UInt32Type>::new_unchecked(keys, Arc::clone(values)) }))
}

/// `rows` NULLs over a dictionary of text.
pub(crate) fn null_dictionary_array(rows: usize, values: &ArrayRef) -> Decoded<ArrayRef> {
    let keys = UInt32Array::new_null(rows);
    let array = DictionaryArray::<UInt32Type>::try_new(keys, Arc::clone(values));
    Ok(Arc::new(array.map_err(|e| Damage(e.to_string().into()))?))
}

/// Checks that `data` is text and that each string begins at the boundary of a character.
fn check_text(data: &[u8], lengths: &[u32]) -> Decoded<()> {
    let text = simdutf8::basic::from_utf8(data).map_err(|_| Damage::new("text is not UTF-8"))?;
    if text.is_ascii() {
        return Ok(());
    }
    let mut offset = 0;
    for len in lengths {
        ensure(text.is_char_boundary(offset), "text is cut within a character")?;
        offset += *len as usize;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    use super::*;

    #[test]
    fn views_pass_arrows_own_validation() {
        let strings =
            ["", "a", "twelve bytes", "thirteen byte", "ä", "", "a much longer string, with ünicode", "z"];
        let lengths: Vec<u32> = strings.iter().map(|s| s.len() as u32).collect();
        let data = Buffer::from(strings.concat().as_bytes());
        let array = Views::new(data.clone(), &lengths, true, false).unwrap().into_array(None);
        array.to_data().validate_full().unwrap();
        assert_eq!(array.as_string_view().iter().map(Option::unwrap).collect::<Vec<_>>(), strings);
        let some = Views::select(data.clone(), &lengths, &[6, 2, 2], true, false).unwrap().into_array(None);
        some.to_data().validate_full().unwrap();
        assert_eq!(some.as_string_view().value(0), strings[6]);
        assert!(Views::new(data, &lengths[1..], true, false).is_err() || lengths[0] == 0);
        let many =
            Views::repeat(Buffer::from("just one long string".as_bytes()), 3, true).unwrap().into_array(None);
        many.to_data().validate_full().unwrap();
    }

    #[test]
    fn bad_text_is_found() {
        assert!(Views::new(Buffer::from([0xC3, 0x28]), &[2], true, false).is_err());
        assert!(Views::new(Buffer::from("ä".as_bytes()), &[1, 1], true, false).is_err());
        assert!(Views::new(Buffer::from("ä".as_bytes()), &[1, 1], false, false).is_ok());
        assert!(Views::new(Buffer::from("ab".as_bytes()), &[1], false, false).is_err());
        assert!(Views::repeat(Buffer::from([0xFF]), 1, true).is_err());
    }
}
