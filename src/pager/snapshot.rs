//! One commit as a reader sees it, and slices of the mapping that readers hold.

use std::sync::Arc;

use bytes::Bytes;

use super::error::Result;
use super::heap::SlotId;
use super::page::{Extent, PageHeader, PageId};
use super::record::{check_sequence, read_record, read_space_table};
use super::space::SpaceTable;
use super::store::{Inner, Roots};
use super::superblock::Superblock;

/// One commit, as a reader sees it. While it lives, nothing that the commit refers to is reused.
pub struct Snapshot {
    pub(super) inner: Arc<Inner>,
    pub(super) superblock: Superblock,
}

impl Snapshot {
    /// The commit's number.
    pub fn sequence(&self) -> u64 {
        self.superblock.sequence
    }

    /// The commit's superblock.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Fails if the file has lost something since it was opened, so that what was read may be wrong.
    ///
    /// # Errors
    /// `Io`.
    pub fn check_readable(&self) -> Result<()> {
        self.inner.readable()
    }

    /// The roots that the commit set.
    pub fn roots(&self) -> Roots {
        Roots { catalog: self.superblock.catalog_root, log: self.superblock.log }
    }

    /// A record. Its address is a multiple of 8, and a record within one page is not copied.
    ///
    /// # Errors
    /// `Corrupt` or `Io`. Asking for a record that was deleted is the caller's mistake and may return anything.
    pub fn heap_get(&self, slot: SlotId) -> Result<Bytes> {
        let view = &self.superblock;
        read_record(slot, self.sequence(), self.inner.page_size, view.page_count, |page| {
            self.inner.read_page(page, view)
        })
    }

    /// All bytes of an extent, without copying them where the file is mapped.
    ///
    /// # Errors
    /// `Corrupt` if the extent lies outside the file, or `Io`.
    pub fn read_extent(&self, extent: Extent) -> Result<Bytes> {
        let bytes = extent.pages.saturating_mul(self.inner.page_size as u64);
        self.read_extent_range(extent, 0, usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Some bytes of an extent, without copying them where the file is mapped.
    ///
    /// # Errors
    /// `Corrupt` if the range lies outside the extent or the extent outside the file, or `Io`.
    pub fn read_extent_range(&self, extent: Extent, offset: u64, bytes: usize) -> Result<Bytes> {
        self.inner.read(extent, &self.superblock, offset, bytes)
    }

    /// A page with a header, checked against it.
    ///
    /// # Errors
    /// `Corrupt`, if the page is of an extent or damaged, or `Io`.
    pub fn read_page(&self, page: PageId) -> Result<(PageHeader, Bytes)> {
        let bytes = self.inner.read_page(page, &self.superblock)?;
        let header = PageHeader::parse(&bytes, page)?;
        check_sequence(header, self.sequence())?;
        Ok((header, bytes))
    }

    /// The free space as the commit stored it, and the pages that the table itself takes.
    ///
    /// # Errors
    /// `Corrupt` or `Io`.
    pub fn space_table(&self) -> Result<(SpaceTable, Vec<PageId>)> {
        let view = &self.superblock;
        let (table, pages) = read_space_table(view, |page| self.inner.read_page(page, view))?;
        Ok((table, pages.into_iter().map(PageId).collect()))
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Self {
        *self.inner.current.lock().pins.entry(self.superblock.sequence).or_insert(0) += 1;
        Self { inner: Arc::clone(&self.inner), superblock: self.superblock }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut current = self.inner.current.lock();
        if let std::collections::btree_map::Entry::Occupied(mut count) =
            current.pins.entry(self.superblock.sequence)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
                self.inner.tell(&mut current);
            }
        }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Snapshot").field(&self.superblock).finish()
    }
}

/// A slice of the mapping. While it lives its pages are not reused, and the file stays open and locked.
pub(super) struct HeldSlice {
    pub(super) inner: Arc<Inner>,
    pub(super) key: (u64, u64),
    pub(super) _pin: Option<Snapshot>,
    pub(super) bytes: Bytes,
}

impl AsRef<[u8]> for HeldSlice {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HeldSlice {
    fn drop(&mut self) {
        if let std::collections::hash_map::Entry::Occupied(mut count) = self.inner.held.lock().entry(self.key)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}
