//! The fixed parts of a chunk: header and block directory.
//!
//! ```text
//! offset  size
//!      0    64  header
//!     64   n*e  block directory: n entries of e bytes
//!      …  c*16  child directory: c entries, for nested types
//!      …     …  shared section (dictionary, symbol table), at a multiple of 16
//!      …     …  blocks, each at a multiple of 16
//!      …     …  child chunks, each at a multiple of 64
//!      …     …  zeros up to a multiple of 64
//! ```
//!
//! Offsets count from the start of the chunk. All numbers are little-endian. Invariants that a reader
//! may rely on after [`Layout::parse`]: the header's checksum covers header and both directories;
//! every block, the shared section and every child lies inside the chunk; the rows of the blocks add up
//! to the rows of the chunk, every block but the last has [`ChunkHeader::block_rows`] rows.

use bytemuck::{Pod, Zeroable};

use crate::column::codec::Codec;
use crate::column::le::{Cursor, Damage, Decoded, U16, U32, U64, ensure};

/// Rows of a full row group; of its last one, fewer. A constant of the format.
pub const ROW_GROUP_ROWS: usize = 122_880;
/// Rows of a full block. A constant of the format, whatever the vectors of the engine are.
pub const BLOCK_ROWS: usize = 2_048;
/// Chunks begin and end at multiples of this.
pub const CHUNK_ALIGN: usize = 64;
/// Blocks and the shared section begin at multiples of this.
pub(crate) const BLOCK_ALIGN: usize = 16;
/// The first bytes of every chunk.
pub(crate) const MAGIC: [u8; 4] = *b"FXCK";
/// The version of the chunk format that this build writes, and the newest it reads.
pub(crate) const VERSION: u16 = 1;
/// Header flag: the directory has one entry, which stands for every block.
pub(crate) const UNIFORM: u32 = 1;
/// Header flags that this version knows.
const KNOWN_FLAGS: u32 = UNIFORM;

const _: () = assert!(ROW_GROUP_ROWS.is_multiple_of(BLOCK_ROWS));
const _: () = assert!(size_of::<ChunkHeader>() == 64);
const _: () = assert!(size_of::<EntryHead>() == 24);
const _: () = assert!(size_of::<ChildEntry>() == 16);

/// The first 64 bytes of a chunk.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct ChunkHeader {
    /// `FXCK`.
    pub(crate) magic: [u8; 4],
    /// Version of the chunk format.
    pub(crate) version: U16,
    /// Number of the logical type, see `type_tag`.
    pub(crate) type_tag: u8,
    /// What the blocks share, see [`Scheme`].
    pub(crate) scheme: u8,
    /// Id of the table.
    pub(crate) table_id: U32,
    /// Id of the column.
    pub(crate) column_id: U32,
    /// Rows, NULLs included.
    pub(crate) row_count: U32,
    /// NULLs.
    pub(crate) null_count: U32,
    /// Blocks.
    pub(crate) block_count: U32,
    /// Rows of every block but the last.
    pub(crate) block_rows: U16,
    /// Bytes of a directory entry: 24 + 2 * bound width + sum width.
    pub(crate) entry_len: u8,
    /// Bytes of a minimum and of a maximum in an entry.
    pub(crate) bound_width: u8,
    /// Bytes of a sum in an entry.
    pub(crate) sum_width: u8,
    /// Child chunks.
    pub(crate) child_count: u8,
    /// Parameter of the type, see `type_tag`.
    pub(crate) type_param: U16,
    /// [`UNIFORM`] or 0.
    pub(crate) flags: U32,
    /// Offset of the shared section; 0 if there is none.
    pub(crate) shared_offset: U64,
    /// Bytes of the shared section.
    pub(crate) shared_len: U64,
    /// CRC32 of the shared section.
    pub(crate) shared_crc: U32,
    /// CRC32 of the bytes before this field and of both directories.
    pub(crate) header_crc: U32,
}

/// Where the header's own checksum lies.
pub(crate) const HEADER_CRC_AT: usize = 60;

/// What the blocks of a chunk share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Nothing; each block stands alone.
    Values = 1,
    /// The distinct values; blocks hold positions in them.
    Dictionary = 2,
    /// The symbol table of FSST.
    Symbols = 3,
}

impl Scheme {
    /// The scheme of a number at rest.
    pub(crate) fn from_u8(v: u8) -> Decoded<Self> {
        match v {
            1 => Ok(Self::Values),
            2 => Ok(Self::Dictionary),
            3 => Ok(Self::Symbols),
            _ => Err(Damage::new("unknown scheme")),
        }
    }
}

/// The fixed front of a block's directory entry; minimum, maximum and sum follow.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct EntryHead {
    /// Where the block begins.
    pub(crate) offset: U64,
    /// Bytes of the block.
    pub(crate) len: U32,
    /// CRC32 of the block.
    pub(crate) crc: U32,
    /// Rows, NULLs included.
    pub(crate) rows: U16,
    /// NULLs.
    pub(crate) nulls: U16,
    /// The codec of the block's values, see [`Codec`].
    pub(crate) codec: u8,
    /// How NULLs are stored: a number of `NullForm`.
    pub(crate) null_form: u8,
    /// What the statistics are, see `stats::flags`.
    pub(crate) stat_flags: u8,
    /// Zero.
    pub(crate) reserved: u8,
}

/// Where a child chunk lies.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct ChildEntry {
    /// Where the child begins.
    pub(crate) offset: U64,
    /// Bytes of the child.
    pub(crate) len: U64,
}

/// A block's directory entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockEntry<'a> {
    /// Where the block begins.
    pub(crate) offset: usize,
    /// Bytes of the block.
    pub(crate) len: usize,
    /// CRC32 of the block.
    pub(crate) crc: u32,
    /// Rows, NULLs included.
    pub(crate) rows: usize,
    /// NULLs.
    pub(crate) nulls: usize,
    /// The codec of the values.
    pub(crate) codec: Codec,
    /// How NULLs are stored.
    pub(crate) null_form: u8,
    /// What the statistics are.
    pub(crate) stat_flags: u8,
    /// The minimum.
    pub(crate) min: &'a [u8],
    /// The maximum.
    pub(crate) max: &'a [u8],
    /// The sum.
    pub(crate) sum: &'a [u8],
}

/// A header that was checked against the bytes that hold it.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The header.
    pub(crate) header: ChunkHeader,
    /// What the blocks share.
    pub(crate) scheme: Scheme,
    /// Rows of the chunk.
    pub(crate) rows: usize,
    /// Rows of every block but the last.
    pub(crate) block_rows: usize,
    /// Number of blocks.
    pub(crate) blocks: usize,
}

impl Layout {
    /// Checks header and directories of a chunk. Does not look at types and ids.
    pub(crate) fn parse(bytes: &[u8]) -> Decoded<Self> {
        let header: ChunkHeader = Cursor::new(bytes).record()?;
        ensure(header.magic == MAGIC, "no chunk begins here (bad magic)")?;
        ensure(header.version.get() != 0 && header.version.get() <= VERSION, "bad version")?;
        let scheme = Scheme::from_u8(header.scheme)?;
        ensure(header.flags.get() & !KNOWN_FLAGS == 0, "unknown flags")?;
        let (rows, block_rows) = (header.row_count.get() as usize, usize::from(header.block_rows.get()));
        let blocks = header.block_count.get() as usize;
        ensure(block_rows > 0, "blocks without rows")?;
        ensure(blocks == rows.div_ceil(block_rows), "row and block counts disagree")?;
        ensure(header.null_count.get() as usize <= rows, "more NULLs than rows")?;
        let entry_len =
            size_of::<EntryHead>() + 2 * usize::from(header.bound_width) + usize::from(header.sum_width);
        ensure(entry_len == usize::from(header.entry_len), "bad entry length")?;
        let layout = Self { header, scheme, rows, block_rows, blocks };
        let end = layout.directories_end();
        ensure(end <= bytes.len(), "the directory reaches past the end")?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes[..HEADER_CRC_AT]);
        crc.update(&bytes[size_of::<ChunkHeader>()..end]);
        ensure(crc.finalize() == header.header_crc.get(), "checksum mismatch in the header")?;
        let inside = |offset: u64, len: u64| {
            offset >= end as u64 && offset.checked_add(len).is_some_and(|e| e <= bytes.len() as u64)
        };
        if header.shared_offset.get() != 0 || header.shared_len.get() != 0 {
            ensure(
                inside(header.shared_offset.get(), header.shared_len.get()),
                "shared section out of place",
            )?;
        }
        // Entries are checked one by one when they are used: opening does not depend on their number.
        Ok(layout)
    }

    /// Whether one entry stands for all blocks.
    pub(crate) fn uniform(&self) -> bool {
        self.header.flags.get() & UNIFORM != 0
    }

    /// The number of entries in the directory.
    fn entries(&self) -> usize {
        if self.uniform() { self.blocks.min(1) } else { self.blocks }
    }

    /// Where the child directory begins.
    fn children_at(&self) -> usize {
        size_of::<ChunkHeader>() + self.entries() * usize::from(self.header.entry_len)
    }

    /// Where the directories end.
    pub(crate) fn directories_end(&self) -> usize {
        self.children_at() + usize::from(self.header.child_count) * size_of::<ChildEntry>()
    }

    /// The shared section of the chunk in `bytes`.
    pub(crate) fn shared<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let at = self.header.shared_offset.get() as usize;
        &bytes[at..at + self.header.shared_len.get() as usize]
    }

    /// The rows of block `index`.
    pub(crate) fn rows_of(&self, index: usize) -> usize {
        self.block_rows.min(self.rows - index * self.block_rows)
    }

    /// The entry of block `index` of the chunk in `bytes`.
    ///
    /// # Panics
    ///
    /// If there is no such block.
    pub(crate) fn entry<'a>(&self, bytes: &'a [u8], index: usize) -> Decoded<BlockEntry<'a>> {
        assert!(index < self.blocks, "block {index} of {}", self.blocks);
        let slot = if self.uniform() { 0 } else { index };
        let len = usize::from(self.header.entry_len);
        let at = size_of::<ChunkHeader>() + slot * len;
        let mut cursor = Cursor::new(&bytes[at..at + len]);
        let head: EntryHead = cursor.record()?;
        let bound = usize::from(self.header.bound_width);
        let (min, max, sum) = (cursor.take(bound)?, cursor.take(bound)?, cursor.rest());
        let rows = self.rows_of(index);
        let mut nulls = usize::from(head.nulls.get());
        if self.uniform() {
            nulls = if nulls == 0 { 0 } else { rows };
        } else {
            ensure(usize::from(head.rows.get()) == rows, "row count of a block")?;
        }
        ensure(nulls <= rows, "more NULLs than rows in a block")?;
        ensure(head.reserved == 0, "reserved byte of a block is not zero")?;
        let (offset, len) = (head.offset.get(), u64::from(head.len.get()));
        ensure(
            offset >= self.directories_end() as u64
                && offset.checked_add(len).is_some_and(|end| end <= bytes.len() as u64),
            "a block lies outside of its chunk",
        )?;
        Ok(BlockEntry {
            offset: offset as usize,
            len: len as usize,
            crc: head.crc.get(),
            rows,
            nulls,
            codec: Codec::from_u8(head.codec)?,
            null_form: head.null_form,
            stat_flags: head.stat_flags,
            min,
            max,
            sum,
        })
    }

    /// The bytes of child chunk `index`.
    pub(crate) fn child(&self, bytes: &[u8], index: usize) -> Decoded<std::ops::Range<usize>> {
        ensure(index < usize::from(self.header.child_count), "a child chunk is missing")?;
        let at = self.children_at() + index * size_of::<ChildEntry>();
        let entry: ChildEntry = Cursor::new(&bytes[at..]).record()?;
        let (offset, len) = (entry.offset.get(), entry.len.get());
        let end = offset.checked_add(len).filter(|end| *end <= bytes.len() as u64);
        let end = end.ok_or(Damage::new("a child lies outside of its chunk"))?;
        ensure(offset >= self.directories_end() as u64, "a child lies outside of its chunk")?;
        Ok(offset as usize..end as usize)
    }
}
