//! Parts of texts, without copying them.

// Every view is that of a part of a text of a valid array; checking that it is text again would cost more than cutting it out.
#![allow(unsafe_code)]

use std::sync::Arc;

use arrow_array::builder::make_view;
use arrow_array::{ArrayRef, StringViewArray};
use arrow_buffer::NullBufferBuilder;

use super::error::{ExecError, Result};

/// The longest text that lies in its view.
const INLINE: usize = 12;

/// Parts of the texts of an array that are collected row by row, in the buffers where these lie.
pub(crate) struct Slices<'a> {
    of: &'a StringViewArray,
    /// Invariant: each is that of a string: one that lies in the view, or a part of a text of `of` by the buffers of `of`.
    views: Vec<u128>,
    nulls: NullBufferBuilder,
    /// Whether one lies in a buffer.
    any_long: bool,
}

impl<'a> Slices<'a> {
    /// None yet, with room for some.
    pub fn with_capacity(of: &'a StringViewArray, rows: usize) -> Self {
        Self { of, views: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows), any_long: false }
    }

    /// Adds a part of the text of a row, or any text that lies in its view.
    ///
    /// # Errors
    ///
    /// If it is neither.
    #[inline]
    pub fn push(&mut self, row: usize, slice: &str) -> Result<()> {
        self.nulls.append_non_null();
        if slice.len() <= INLINE {
            self.views.push(make_view(slice.as_bytes(), 0, 0));
            return Ok(());
        }
        let (view, text) = (self.of.views()[row], self.of.value(row));
        let start = slice.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
        if text.len().checked_sub(start).is_none_or(|rest| slice.len() > rest) {
            return Err(ExecError::Internal("a part of another text".into()));
        }
        // The text is no shorter, so that it lies in a buffer too.
        let (buffer, offset) = ((view >> 64) as u32, (view >> 96) as u32);
        self.views.push(make_view(slice.as_bytes(), buffer, offset + start as u32));
        self.any_long = true;
        Ok(())
    }

    /// Adds NULL.
    pub fn push_null(&mut self) {
        self.nulls.append_null();
        self.views.push(0);
    }

    /// The rows as an array.
    pub fn into_array(mut self) -> ArrayRef {
        let buffers = if self.any_long { Arc::clone(self.of.data_buffers()) } else { Arc::new([]) };
        // SAFETY: by the invariant of `views`. A row has been added to `nulls` with each view.
        Arc::new(unsafe { StringViewArray::new_unchecked(self.views.into(), buffers, self.nulls.finish()) })
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;

    use super::*;

    #[test]
    fn parts_are_valid_and_share_buffers() {
        let texts = StringViewArray::from(vec![
            Some("short"),
            Some("a text of more than twelve bytes, with ümläüts"),
            None,
            Some("another text of more than twelve bytes"),
        ]);
        let texts = texts.slice(0, 4);
        let mut parts = Slices::with_capacity(&texts, 4);
        parts.push(0, &texts.value(0)[1..]).unwrap();
        parts.push(1, &texts.value(1)[2..]).unwrap();
        parts.push_null();
        parts.push(3, &texts.value(3)[..12]).unwrap();
        parts.push(1, "").unwrap();
        parts.push(3, &texts.value(3)[38 - 13..]).unwrap();
        let other = texts.value(1).to_owned();
        assert!(parts.push(1, &other).is_err() && parts.push(3, texts.value(1)).is_err());
        parts.views.truncate(6);
        parts.nulls.truncate(6);
        let parts = parts.into_array();
        parts.to_data().validate_full().unwrap();
        let expected =
            ["hort", "text of more than twelve bytes, with ümläüts", "", "another text", "", "twelve bytes"];
        for (row, expected) in expected.into_iter().enumerate() {
            assert_eq!(parts.is_null(row), row == 2);
            assert!(
                row == 2
                    || parts
                        .as_any()
                        .downcast_ref::<StringViewArray>()
                        .unwrap()
                        .value(row)
                        .ends_with(expected)
            );
        }
        let mut short = Slices::with_capacity(&texts, 1);
        short.push(1, &texts.value(1)[..3]).unwrap();
        assert!(
            short.into_array().as_any().downcast_ref::<StringViewArray>().unwrap().data_buffers().is_empty()
        );
    }
}
