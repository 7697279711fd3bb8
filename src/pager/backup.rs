//! A copy of one commit, while others go on: what it refers to does not change as long as it is pinned.

use super::error::{PagerError, Result};
use super::file::File;
use super::log::frame::{FRAME_HEADER_BYTES, FrameHeader, LogContent, write_frame};
use super::page::{Extent, FIRST_DATA_PAGE};
use super::snapshot::Snapshot;
use super::superblock::{HAS_LOG, LOG_MARKED, Superblock};

/// Bytes that are copied at a time.
const COPY_BYTES: u64 = 4 << 20;

impl Snapshot {
    /// Writes this commit, and the first `frames` frames of the log that follows it, to an empty file. What is free is
    /// not written. Nothing is durable yet.
    ///
    /// # Errors
    /// `Io` or `DiskFull` of either file; `Corrupt`, if the log does not have so many frames.
    pub fn copy_to(&self, target: &dyn File, frames: u64) -> Result<()> {
        let (source, superblock) = (self.inner(), self.superblock());
        let page_size = source.page_size as u64;
        let write = |offset: u64, bytes: &[u8]| {
            target.write_all_at(offset, bytes).map_err(|e| PagerError::io("write to", target.name(), e))
        };
        let read = |offset: u64, bytes: u64| {
            let mut buffer = vec![0; bytes as usize];
            let read = source.file.read_at(offset, &mut buffer);
            read.map(|()| buffer).map_err(|e| PagerError::io("read", &source.name, e))
        };
        target
            .set_size(superblock.page_count * page_size)
            .map_err(|e| PagerError::io("extend", target.name(), e))?;
        write(superblock.slot() * page_size, &superblock.to_bytes())?;
        // As if it had been empty before. A slot with nothing in it would be one that is damaged.
        let before = Superblock {
            sequence: superblock.sequence - 1,
            page_count: FIRST_DATA_PAGE,
            catalog_root: None,
            space_root: None,
            space_pages: 0,
            log: None,
            incompatible: superblock.incompatible & !(HAS_LOG | LOG_MARKED),
            ..*superblock
        };
        if before.sequence > 0 {
            write(before.slot() * page_size, &before.to_bytes())?;
        }

        let (table, _) = self.space_table()?;
        let mut skipped: Vec<Extent> =
            table.free.iter().map(|range| Extent { start: range.start, pages: range.pages }).collect();
        skipped.extend(superblock.log);
        skipped.sort_by_key(|range| range.start);
        let mut next = FIRST_DATA_PAGE;
        let ends = skipped.iter().map(|range| (range.start.0, range.start.0 + range.pages));
        for (end, after) in ends.chain([(superblock.page_count, superblock.page_count)]) {
            let (mut at, end) = (next * page_size, end * page_size);
            while at < end {
                let bytes = read(at, COPY_BYTES.min(end - at))?;
                write(at, &bytes)?;
                at += bytes.len() as u64;
            }
            next = after;
        }

        let Some(log) = superblock.log else { return Ok(()) };
        let bytes = read(log.start.0 * page_size, log.pages * page_size)?;
        let (id, marked) = (&superblock.database_id, superblock.is_log_marked());
        let content = LogContent::read(&bytes, id, superblock.sequence, marked);
        let end = match content.frames.get(usize::try_from(frames).unwrap_or(usize::MAX)) {
            Some(behind) => behind.payload.start - FRAME_HEADER_BYTES,
            None if content.frames.len() as u64 == frames => content.end,
            None => {
                let found = content.frames.len();
                return Err(PagerError::corrupt_page(
                    log.start,
                    format!("the log has {found} frames where {frames} were written"),
                ));
            }
        };
        let mut copy = bytes[..end].to_vec();
        if marked {
            let last = usize::try_from(frames).ok().and_then(|frames| frames.checked_sub(1));
            let last = last.and_then(|last| content.frames.get(last));
            let mark =
                FrameHeader::mark(superblock.sequence, last.map_or(0, |frame| frame.header.checksum), 0);
            write_frame(&mut copy, id, &mark, &[]);
        }
        write(log.start.0 * page_size, &copy)
    }
}
