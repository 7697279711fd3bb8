//! The file: pages, extents, checksums, superblocks, allocator, slotted heaps, and the file trait.
//!
//! A line belongs here if it would be true of any file of pages.
