//! Arrays of text and bytes put together from rows of others.
//!
//! Arrow's `concat` lists the buffers of all its inputs one after another, also where many inputs point into the
//! same ones. Batches that come out of a join share the buffers of its build side, so a few such steps in a row would
//! list the same buffers many thousand times.

// Views are copied from valid arrays, and only the number of their buffer changes; checking them all again would cost
// more than copying them.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{BinaryViewType, ByteViewType, StringViewType};
use arrow_array::{Array, ArrayRef, GenericByteViewArray};
use arrow_buffer::{Buffer, NullBuffer, NullBufferBuilder, ScalarBuffer};
use arrow_schema::DataType;
use hashbrown::HashMap;

/// The longest string that lies in its view.
const INLINE: u32 = 12;
/// Bytes that nobody points to are kept up to this many.
const SLACK_BYTES: usize = 1 << 16;
/// The most bytes of a buffer that views can point into.
const MAX_BUFFER: usize = i32::MAX as usize;
/// A buffer that no view was found to point to yet.
const UNUSED: u32 = u32::MAX;

/// All rows of arrays of views, in order; `None` if they are no such arrays, or not all of one type.
pub(crate) fn concat_views(parts: &[ArrayRef]) -> Option<ArrayRef> {
    match parts.first()?.data_type() {
        DataType::Utf8View => concat::<StringViewType>(parts),
        DataType::BinaryView => concat::<BinaryViewType>(parts),
        _ => None,
    }
}

/// The array with its long strings in a buffer of their own, if that frees more than half of what it holds on to.
pub(crate) fn compact(array: ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => compact_views::<StringViewType>(array),
        DataType::BinaryView => compact_views::<BinaryViewType>(array),
        _ => array,
    }
}

fn compact_views<T: ByteViewType>(array: ArrayRef) -> ArrayRef {
    let views = array.as_byte_view::<T>();
    let used: usize = views.views().iter().map(|v| long(*v)).sum();
    let held: usize = views.data_buffers().iter().map(Buffer::len).sum();
    if used.saturating_mul(2).saturating_add(SLACK_BYTES) >= held || used > MAX_BUFFER {
        return array;
    }
    Arc::new(views.gc())
}

/// Bytes of a string that lie outside of its view.
fn long(view: u128) -> usize {
    if view as u32 > INLINE { view as u32 as usize } else { 0 }
}

/// The buffers of an array that is being made.
#[derive(Default)]
struct Buffers {
    list: Vec<Buffer>,
    /// Their numbers by where they lie.
    numbers: HashMap<(usize, usize), u32>,
}

impl Buffers {
    fn number(&mut self, buffer: &Buffer) -> u32 {
        *self.numbers.entry((buffer.as_ptr() as usize, buffer.len())).or_insert_with(|| {
            self.list.push(buffer.clone());
            self.list.len() as u32 - 1
        })
    }
}

fn concat<T: ByteViewType>(parts: &[ArrayRef]) -> Option<ArrayRef> {
    let parts: Vec<&GenericByteViewArray<T>> =
        parts.iter().map(|p| p.as_byte_view_opt::<T>()).collect::<Option<_>>()?;
    let rows = parts.iter().map(|p| p.len()).sum();
    let mut views: Vec<u128> = Vec::with_capacity(rows);
    let first = parts.first()?.data_buffers();
    let buffers: Arc<[Buffer]> = if parts.iter().all(|p| same_list(p.data_buffers(), first)) {
        parts.iter().for_each(|p| views.extend_from_slice(p.views()));
        Arc::clone(first)
    } else {
        let mut buffers = Buffers::default();
        // New numbers of the buffers of the list that was seen last.
        let mut numbers: Vec<u32> = vec![];
        let mut last: Option<&Arc<[Buffer]>> = None;
        for part in &parts {
            let list = part.data_buffers();
            if !last.is_some_and(|last| same_list(last, list)) {
                numbers.clear();
                numbers.resize(list.len(), UNUSED);
                last = Some(list);
            }
            if list.is_empty() {
                views.extend_from_slice(part.views());
                continue;
            }
            views.extend(part.views().iter().map(|&view| {
                if view as u32 <= INLINE {
                    return view;
                }
                let old = (view >> 64) as u32 as usize;
                let mut new = numbers[old];
                if new == UNUSED {
                    new = buffers.number(&list[old]);
                    numbers[old] = new;
                }
                view & !(u128::from(u32::MAX) << 64) | u128::from(new) << 64
            }));
        }
        buffers.list.into()
    };
    let nulls = concat_nulls(&parts, rows);
    // SAFETY: every view is that of a valid array. A long one has the number of the same buffer in the new list, at
    // the same offset. The NULLs are as many as the views.
    let array =
        unsafe { GenericByteViewArray::<T>::new_unchecked(ScalarBuffer::from(views), buffers, nulls) };
    Some(Arc::new(array))
}

fn same_list(a: &Arc<[Buffer]>, b: &Arc<[Buffer]>) -> bool {
    Arc::ptr_eq(a, b) || a.is_empty() && b.is_empty()
}

fn concat_nulls<T: ByteViewType>(parts: &[&GenericByteViewArray<T>], rows: usize) -> Option<NullBuffer> {
    if parts.iter().all(|p| p.null_count() == 0) {
        return None;
    }
    let mut out = NullBufferBuilder::new(rows);
    for part in parts {
        match part.nulls() {
            Some(nulls) => out.append_buffer(nulls),
            None => out.append_n_non_nulls(part.len()),
        }
    }
    out.finish()
}

/// Rows of arrays of views that are collected one by one.
pub(crate) struct Views<T: ByteViewType> {
    /// Invariant: each is that of a valid array of `T`, but for the number of its buffer, which is that of the same
    /// buffer among `buffers`.
    views: Vec<u128>,
    buffers: Vec<Buffer>,
    /// The buffer that the last long view pointed into: where it lies, and its number.
    last: (usize, u32),
    of: PhantomData<T>,
}

impl<T: ByteViewType> Views<T> {
    /// None yet, with room for some.
    pub fn with_capacity(rows: usize) -> Self {
        Self { views: Vec::with_capacity(rows), buffers: vec![], last: (0, 0), of: PhantomData }
    }

    /// Adds a row of an array.
    ///
    /// # Panics
    ///
    /// If the array does not have such a row.
    #[inline]
    pub fn push(&mut self, array: &GenericByteViewArray<T>, row: usize) {
        let view = array.views()[row];
        if view as u32 <= INLINE {
            self.views.push(view);
            return;
        }
        let buffer = &array.data_buffers()[(view >> 64) as u32 as usize];
        let same = self.last.0 == buffer.as_ptr() as usize
            && self.buffers.get(self.last.1 as usize).is_some_and(|last| last.ptr_eq(buffer));
        if !same {
            self.last = (buffer.as_ptr() as usize, self.number(buffer));
        }
        self.views.push(view & !(u128::from(u32::MAX) << 64) | u128::from(self.last.1) << 64);
    }

    /// Adds an empty string, which may stand for a NULL.
    #[inline]
    pub fn push_empty(&mut self) {
        self.views.push(0);
    }

    fn number(&mut self, buffer: &Buffer) -> u32 {
        // Rows that come one after another mostly point into the same few buffers.
        let known = self.buffers.iter().rev().take(8).position(|b| b.ptr_eq(buffer));
        match known {
            Some(back) => (self.buffers.len() - 1 - back) as u32,
            None => {
                self.buffers.push(buffer.clone());
                self.buffers.len() as u32 - 1
            }
        }
    }

    /// Whether the row of that number is the same as one of an array, of which neither is NULL. It is told without reading
    /// them where they are of the same place.
    #[inline]
    pub fn is(&self, number: u32, array: &GenericByteViewArray<T>, row: usize) -> bool {
        let (known, view) = (self.views[number as usize], array.views()[row]);
        if view as u32 <= INLINE {
            return known == view;
        }
        // Length and first four bytes, then the rest.
        known as u64 == view as u64 && {
            let (known, other) = (long_text(known, &self.buffers), long_text(view, array.data_buffers()));
            std::ptr::eq(known, other) || known == other
        }
    }

    /// Reads what [`is`](Self::is) will of some rows that were collected and those of an array.
    pub fn touch(&self, pairs: impl Iterator<Item = (u32, usize)>, array: &GenericByteViewArray<T>) {
        let mut bytes = 0;
        for (number, row) in pairs {
            let (known, view) = (self.views[number as usize], array.views()[row]);
            if view as u32 > INLINE && known as u64 == view as u64 {
                let (known, other) = (long_text(known, &self.buffers), long_text(view, array.data_buffers()));
                if !std::ptr::eq(known, other) {
                    bytes ^= known[0] ^ other[0];
                }
            }
        }
        black_box(bytes);
    }

    /// Only the rows of these numbers.
    pub fn select(&mut self, numbers: &[u32]) {
        self.views = numbers.iter().map(|number| self.views[*number as usize]).collect();
    }

    /// Bytes held, without the buffers, which are held anyway.
    pub fn size(&self) -> usize {
        self.views.capacity() * size_of::<u128>()
    }

    /// The rows as an array.
    ///
    /// # Panics
    ///
    /// If there is not a NULL or not for each.
    pub fn into_array(self, nulls: Option<NullBuffer>) -> ArrayRef {
        assert!(nulls.as_ref().is_none_or(|n| n.len() == self.views.len()), "a NULL or not for each row");
        let views = ScalarBuffer::from(self.views);
        // SAFETY: by the invariant of `views`, and as many NULLs as views were just checked.
        Arc::new(unsafe { GenericByteViewArray::<T>::new_unchecked(views, self.buffers.into(), nulls) })
    }
}

/// Rows by number of arrays that all list the same buffers, as batches out of a join do: a row that is the same row of the
/// build side has the same view, and need not be read to be told.
pub(crate) struct SharedViews<T: ByteViewType> {
    /// Those of the first array.
    buffers: Option<Arc<[Buffer]>>,
    /// Invariant: each is that of a valid array of `T` with these buffers, [`NULL`] or [`UNSET`].
    views: Vec<u128>,
    of: PhantomData<T>,
}

/// A row that is NULL. No string is that long.
const NULL: u128 = u128::MAX;
/// A row that was not set.
const UNSET: u128 = u128::MAX - 1;

impl<T: ByteViewType> Default for SharedViews<T> {
    fn default() -> Self {
        Self { buffers: None, views: vec![], of: PhantomData }
    }
}

impl<T: ByteViewType> SharedViews<T> {
    /// Whether the array lists the same buffers as those before. The first array may list any.
    pub fn accepts(&self, array: &GenericByteViewArray<T>) -> bool {
        self.buffers.as_ref().is_none_or(|buffers| same_list(buffers, array.data_buffers()))
    }

    /// Makes room for so many rows, which are not set.
    pub fn resize(&mut self, rows: usize) {
        self.views.resize(rows, UNSET);
    }

    /// Sets the rows of these numbers to those of an array, where they are not set. Returns whether they now all are the same.
    ///
    /// # Panics
    ///
    /// If the array is not [accepted](Self::accepts), or a number is of no row.
    pub fn set_or_compare(&mut self, numbers: &[u32], array: &GenericByteViewArray<T>) -> bool {
        assert!(self.accepts(array), "rows of other buffers");
        let buffers = self.buffers.get_or_insert_with(|| Arc::clone(array.data_buffers()));
        for (row, (&number, &view)) in numbers.iter().zip(array.views()).enumerate() {
            let view = if array.is_null(row) { NULL } else { view };
            let known = &mut self.views[number as usize];
            if *known == UNSET {
                *known = view;
            } else if *known != view && !same_text(*known, buffers, view, buffers) {
                return false;
            }
        }
        true
    }

    /// Whether a row is the same as that of an array, which may list any buffers.
    pub fn is(&self, number: usize, array: &GenericByteViewArray<T>, row: usize) -> bool {
        let view = if array.is_null(row) { NULL } else { array.views()[row] };
        let buffers = self.buffers.as_deref().unwrap_or_default();
        same_text(self.views[number], buffers, view, array.data_buffers())
    }

    /// The first so many rows, all of which must be set, as an array.
    ///
    /// # Panics
    ///
    /// If one is not.
    pub fn take(&mut self, rows: usize) -> ArrayRef {
        let mut views = std::mem::take(&mut self.views);
        views.truncate(rows);
        assert!(!views.contains(&UNSET), "a row that was not set");
        let nulls = views.contains(&NULL).then(|| views.iter().map(|view| *view != NULL).collect());
        views.iter_mut().filter(|view| **view == NULL).for_each(|view| *view = 0);
        let buffers = self.buffers.take().unwrap_or_default();
        // SAFETY: by the invariant of `views`; those that are not of an array are the empty string now. There are as many
        // NULLs or not as views.
        Arc::new(unsafe { GenericByteViewArray::<T>::new_unchecked(views.into(), buffers, nulls) })
    }

    /// Bytes held, without the buffers, which are held anyway.
    pub fn size(&self) -> usize {
        self.views.capacity() * size_of::<u128>()
    }
}

/// Whether two views with their buffers are of the same text, or both [`NULL`].
fn same_text(a: u128, buffers_of_a: &[Buffer], b: u128, buffers_of_b: &[Buffer]) -> bool {
    // Length and first four bytes; of a short one, and of NULL, all that follows too.
    if a as u64 != b as u64 || a == NULL || b == NULL || a as u32 <= INLINE {
        return a == b;
    }
    long_text(a, buffers_of_a) == long_text(b, buffers_of_b)
}

fn long_text(view: u128, buffers: &[Buffer]) -> &[u8] {
    let (number, at) = ((view >> 64) as u32 as usize, (view >> 96) as usize);
    &buffers[number][at..at + view as u32 as usize]
}

#[cfg(test)]
mod tests {
    use arrow_array::StringViewArray;

    use super::*;

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(values.iter().copied().collect::<StringViewArray>())
    }

    #[test]
    fn appended_rows_are_valid_and_share_buffers() {
        let a = texts(&[Some("short"), Some("a text of more than twelve bytes"), None]);
        let b = texts(&[Some("another text of more than twelve bytes"), Some("")]);
        let parts = [a.slice(1, 2), b.clone(), a.clone(), b, a];
        let all = concat_views(&parts).unwrap();
        all.to_data().validate_full().unwrap();
        let expected: Vec<Option<&str>> = parts.iter().flat_map(|p| p.as_string_view().iter()).collect();
        assert_eq!(all.as_string_view().iter().collect::<Vec<_>>(), expected);
        assert_eq!(all.as_string_view().data_buffers().len(), 2);
    }

    #[test]
    fn collected_rows_are_those_that_were_pushed() {
        let a = texts(&[Some("short"), Some("a text of more than twelve bytes"), Some("a text of more")]);
        let b = texts(&[Some("a text of more than twelve bytes"), Some("shorT")]);
        let (a, b) = (a.as_string_view(), b.as_string_view());
        let mut rows = Views::<StringViewType>::with_capacity(0);
        (0..3).for_each(|row| rows.push(a, row));
        rows.push(b, 0);
        rows.push_empty();
        for (number, array, row, same) in [
            (1, a, 1, true),
            (1, b, 0, true),
            (3, a, 1, true),
            (2, b, 0, false),
            (0, b, 1, false),
            (4, a, 0, false),
        ] {
            assert_eq!(rows.is(number, array, row), same, "{number} {row}");
        }
        rows.touch([(1, 0), (0, 1)].into_iter(), b);
        rows.select(&[3, 4, 0]);
        let rows = rows.into_array(None);
        rows.to_data().validate_full().unwrap();
        let expected = [Some("a text of more than twelve bytes"), Some(""), Some("short")];
        assert_eq!(rows.as_string_view().iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn rows_of_shared_buffers_are_told_apart() {
        let all = texts(&[
            Some("short"),
            Some("a text of more than twelve bytes"),
            None,
            Some("a text of more than twelve Bytes"),
            Some(""),
            Some("a text of more than twelve bytes"),
        ]);
        let all = all.as_string_view();
        let mut rows = SharedViews::<StringViewType>::default();
        rows.resize(4);
        assert!(rows.set_or_compare(&[1, 0, 2, 3], &all.slice(0, 4)));
        for (number, row, same) in [(1, 0, true), (0, 5, true), (0, 3, false), (2, 4, false), (2, 2, true)] {
            assert_eq!(rows.is(number, all, row), same, "{number} {row}");
            assert_eq!(rows.set_or_compare(&[number as u32], &all.slice(row, 1)), same, "{number} {row}");
        }
        let other = texts(&[Some("a text of more than twelve bytes")]);
        assert!(!rows.accepts(other.as_string_view()) && rows.is(0, other.as_string_view(), 0));
        let taken = rows.take(3);
        taken.to_data().validate_full().unwrap();
        let expected = [Some("a text of more than twelve bytes"), Some("short"), None];
        assert_eq!(taken.as_string_view().iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn numbers_are_no_views() {
        let numbers: ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![1]));
        assert!(concat_views(&[numbers]).is_none());
        assert!(concat_views(&[]).is_none());
    }

    #[test]
    fn little_of_much_is_copied() {
        let many: Vec<String> = (0..5000).map(|i| format!("a text of more than twelve bytes {i}")).collect();
        let all: ArrayRef = Arc::new(many.iter().map(|s| Some(s.as_str())).collect::<StringViewArray>());
        let few = compact(all.slice(100, 2));
        assert_eq!(few.as_string_view().value(1), many[101]);
        assert!(few.get_buffer_memory_size() < 1000);
        let most = compact(all.slice(0, 4000));
        assert!(Arc::ptr_eq(most.as_string_view().data_buffers(), all.as_string_view().data_buffers()));
    }
}
