//! The texts of a table's keys.

// The keys of a table were copied from valid arrays; checking that they are text when they are handed out again would
// take longer than handing them out.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::types::ByteViewType;
use arrow_array::{ArrayRef, BinaryViewArray, GenericByteViewArray, StringViewArray};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_schema::DataType;

use super::MISSING;
use super::slots::TOGETHER;

/// The longest text that lies in its view.
pub(super) const INLINE: u32 = 12;
/// Size of the first block of long texts; each further one is larger, up to the maximum.
const FIRST_BLOCK_BYTES: usize = 1 << 12;
const MAX_BLOCK_BYTES: usize = 1 << 24;

/// Texts by number, as Arrow views: those of up to 12 bytes lie in the view, longer ones in blocks.
pub(super) struct TextKeys {
    is_utf8: bool,
    /// Invariant: each is empty or that of a text of a valid array, UTF-8 if `is_utf8`; that of a long one has the block and
    /// offset where its bytes were copied to.
    views: Vec<u128>,
    blocks: Vec<Vec<u8>>,
    block_bytes: usize,
}

impl TextKeys {
    /// None yet, of `Utf8View` or `BinaryView`.
    pub fn new(data_type: &DataType) -> Self {
        let is_utf8 = *data_type != DataType::BinaryView;
        Self { is_utf8, views: vec![], blocks: vec![], block_bytes: 0 }
    }

    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Adds the text of a row that is not NULL.
    ///
    /// # Panics
    ///
    /// If the array is of another type.
    #[inline]
    pub fn push<T: ByteViewType>(&mut self, array: &GenericByteViewArray<T>, row: usize) {
        assert_eq!(T::IS_UTF8, self.is_utf8, "texts and bytes in one table");
        let view = array.views()[row];
        let view = if view as u32 <= INLINE { view } else { self.store(view, array.value(row).as_ref()) };
        self.views.push(view);
    }

    /// Adds an empty text, which may stand for NULL.
    pub fn push_empty(&mut self) {
        self.views.push(0);
    }

    /// Whether the text of that number is that of a row.
    #[inline]
    pub fn is<T: ByteViewType>(&self, number: u32, array: &GenericByteViewArray<T>, row: usize) -> bool {
        let (known, view) = (self.views[number as usize], array.views()[row]);
        if view as u32 <= INLINE {
            return known == view;
        }
        // Length and first four bytes, then the rest.
        known as u64 == view as u64 && self.long(known) == AsRef::<[u8]>::as_ref(array.value(row))
    }

    /// Reads what [`is`](Self::is) will of these numbers and texts with these views, those that are [`MISSING`] left out.
    pub fn touch(&self, numbers: &[u32], views: impl Iterator<Item = u128>) {
        let mut known = [0; TOGETHER];
        for (known, number) in known.iter_mut().zip(numbers).filter(|(_, number)| **number != MISSING) {
            *known = self.views[*number as usize];
        }
        let mut bytes = 0;
        for (known, view) in known.into_iter().zip(views) {
            if known as u32 > INLINE && known as u64 == view as u64 {
                let long = self.long(known);
                bytes ^= long[0] ^ long[long.len() - 1];
            }
        }
        black_box(bytes);
    }

    /// Only the texts of these numbers, in this order. The bytes of others are kept.
    pub fn select(&mut self, numbers: &[u32]) {
        self.views = numbers.iter().map(|number| self.views[*number as usize]).collect();
    }

    /// The bytes of a long text of this table.
    fn long(&self, view: u128) -> &[u8] {
        let (len, block, offset) =
            (view as u32 as usize, (view >> 64) as u32 as usize, (view >> 96) as usize);
        &self.blocks[block][offset..offset + len]
    }

    /// Copies a long text into a block and gives its view.
    fn store(&mut self, view: u128, bytes: &[u8]) -> u128 {
        let fits = self.blocks.last().is_some_and(|b| b.capacity() - b.len() >= bytes.len());
        if !fits {
            let size = (FIRST_BLOCK_BYTES << self.blocks.len().min(12)).min(MAX_BLOCK_BYTES).max(bytes.len());
            self.block_bytes += size;
            self.blocks.push(Vec::with_capacity(size));
        }
        let index = self.blocks.len() - 1;
        let block = &mut self.blocks[index];
        let offset = block.len();
        block.extend_from_slice(bytes);
        u128::from(view as u64) | (index as u128) << 64 | (offset as u128) << 96
    }

    /// The texts as an array. There are none afterwards.
    ///
    /// # Panics
    ///
    /// If there is not a NULL or not for each.
    pub fn take_column(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let views = std::mem::take(&mut self.views);
        assert!(nulls.as_ref().is_none_or(|n| n.len() == views.len()), "a NULL or not for each text");
        self.block_bytes = 0;
        let blocks = std::mem::take(&mut self.blocks);
        let buffers: Arc<[Buffer]> = blocks.into_iter().map(Buffer::from_vec).collect();
        // SAFETY: by the invariant of `views`; the blocks are the buffers now. As many NULLs as views were just checked.
        unsafe {
            if self.is_utf8 {
                Arc::new(StringViewArray::new_unchecked(views.into(), buffers, nulls))
            } else {
                Arc::new(BinaryViewArray::new_unchecked(views.into(), buffers, nulls))
            }
        }
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.views.capacity() * size_of::<u128>() + self.block_bytes
    }
}
