//! Text that is known to be UTF-8, and views into it without another look at the bytes.
//!
//! A chunk of a file is checked once as a whole; after that every field that begins and ends at a
//! character's border is UTF-8 too. Arrow's checked constructor would look at each string again, which
//! costs more than parsing the file.

#![allow(unsafe_code)] // One unchecked constructor, whose conditions the types here establish.

use arrow_array::StringViewArray;
use arrow_array::builder::make_view;
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};

/// Bytes whose first `len` are UTF-8, with anything behind them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    bytes: Buffer,
    len: usize,
}

impl Text {
    /// The text `bytes[..len]`. Bytes that are not UTF-8 are replaced by `?` and their positions returned,
    /// in order.
    pub fn new(mut bytes: Vec<u8>, len: usize) -> (Self, Vec<usize>) {
        assert!(len <= bytes.len() && u32::try_from(bytes.len()).is_ok());
        let mut bad = vec![];
        let mut at = 0;
        while let Err(e) = std::str::from_utf8(&bytes[at..len]) {
            let start = at + e.valid_up_to();
            let end = e.error_len().map_or(len, |n| start + n);
            bytes[start..end].fill(b'?');
            bad.extend(start..end);
            at = end;
        }
        (Self { bytes: Buffer::from_vec(bytes), len }, bad)
    }

    /// The bytes, those behind the text included.
    pub fn padded(&self) -> &[u8] {
        &self.bytes
    }

    /// The length of the text.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether a character begins at `at`, or the text ends there.
    #[inline]
    fn is_border(&self, at: usize) -> bool {
        at == self.len || (at < self.len && (self.bytes[at] as i8) >= -0x40)
    }
}

/// Collects strings that are pieces of a [`Text`], or made from it.
pub(crate) struct ViewBuilder<'a> {
    text: &'a Text,
    views: Vec<u128>,
    /// Strings that are not pieces of the text.
    other: String,
    points_to_text: bool,
}

impl<'a> ViewBuilder<'a> {
    /// A builder for about this many strings.
    pub fn new(text: &'a Text, capacity: usize) -> Self {
        Self { text, views: Vec::with_capacity(capacity), other: String::new(), points_to_text: false }
    }

    /// Appends the text from `start` to `end`, which must be at characters' borders.
    #[inline]
    pub fn push_piece(&mut self, start: usize, end: usize) {
        assert!(start <= end && self.text.is_border(start) && self.text.is_border(end));
        let len = end - start;
        let view = if len <= 12 && start + 16 <= self.text.bytes.len() {
            let window: [u8; 16] = self.text.bytes[start..start + 16].try_into().expect("16 bytes");
            let bytes = u128::from_le_bytes(window) << 32 & SHORT_MASKS[len];
            bytes | len as u128
        } else {
            self.points_to_text |= len > 12;
            make_view(&self.text.bytes[start..end], 0, start as u32)
        };
        self.views.push(view);
    }

    /// Appends a string of its own.
    pub fn push_other(&mut self, value: &str) {
        self.views.push(make_view(value.as_bytes(), 1, self.other.len() as u32));
        if value.len() > 12 {
            self.other.push_str(value);
            assert!(u32::try_from(self.other.len()).is_ok());
        }
    }

    /// Appends a string that stands for NULL.
    #[inline]
    pub fn push_null(&mut self) {
        self.views.push(0);
    }

    /// The strings. The text is kept alive only if a string needs it.
    pub fn finish(self, nulls: Option<NullBuffer>) -> StringViewArray {
        let text =
            if self.points_to_text { self.text.bytes.clone() } else { Buffer::from_vec(Vec::<u8>::new()) };
        let buffers = if self.other.is_empty() {
            if self.points_to_text { vec![text] } else { vec![] }
        } else {
            vec![text, Buffer::from_vec(self.other.into_bytes())]
        };
        assert!(nulls.as_ref().is_none_or(|n| n.len() == self.views.len()));
        // SAFETY: a view of up to 12 bytes holds them itself, with zeros behind. A longer one was made by
        // `push_piece` (buffer 0, at characters' borders of a text that is UTF-8, inside it) or by
        // `push_other` (buffer 1, exactly a string appended to it); both buffers are there if there is such
        // a view, neither has changed since, and the prefix is copied from the same place. The null buffer
        // has the length of the views.
        unsafe { StringViewArray::new_unchecked(ScalarBuffer::from(self.views), buffers.into(), nulls) }
    }
}

/// The bits of a view that a string of each length up to 12 uses, behind the length.
const SHORT_MASKS: [u128; 13] = {
    let mut masks = [0; 13];
    let mut len = 0;
    while len <= 12 {
        masks[len] = if len == 0 { 0 } else { (u128::MAX >> (128 - 8 * len)) << 32 };
        len += 1;
    }
    masks
};

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;

    #[test]
    fn pieces_and_others_are_valid_views() {
        let source = "short and a much longer piece of text, größer als zwölf".to_string();
        let len = source.len();
        let (text, bad) = Text::new(source.clone().into_bytes(), len);
        assert!(bad.is_empty());
        let mut builder = ViewBuilder::new(&text, 4);
        let mut expected = vec![];
        let borders: Vec<usize> = source.char_indices().map(|(i, _)| i).chain([len]).collect();
        for (i, start) in borders.iter().enumerate() {
            for end in &borders[i..] {
                builder.push_piece(*start, *end);
                expected.push(source[*start..*end].to_string());
            }
        }
        builder.push_other("short");
        builder.push_other("longer than twelve bytes");
        builder.push_other("and another that is longer");
        expected
            .extend(["short", "longer than twelve bytes", "and another that is longer"].map(String::from));
        let array = builder.finish(None);
        array.to_data().validate_full().unwrap();
        assert!(array.iter().map(Option::unwrap).eq(expected.iter().map(String::as_str)));
    }

    #[test]
    fn bad_bytes_are_replaced() {
        let (text, bad) = Text::new(b"a\xffb\xc3(\xe2\x82".to_vec(), 7);
        assert_eq!(bad, [1, 3, 5, 6]);
        assert_eq!(&text.padded()[..7], b"a?b?(??");
    }

    #[test]
    #[should_panic(expected = "is_border")]
    fn a_piece_must_begin_with_a_character() {
        let (text, _) = Text::new("ü".into(), 2);
        ViewBuilder::new(&text, 1).push_piece(1, 2);
    }

    #[test]
    fn short_strings_keep_nothing_alive() {
        let (text, _) = Text::new(vec![b'x'; 100], 100);
        let mut builder = ViewBuilder::new(&text, 1);
        builder.push_piece(0, 12);
        assert!(builder.finish(None).data_buffers().is_empty());
    }
}
