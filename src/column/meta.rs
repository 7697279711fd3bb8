//! What the catalog keeps of a chunk: where it lies, and its statistics.

use bytemuck::{Pod, Zeroable};

use crate::column::codec::Codec;
use crate::column::le::{U16, U32, U64};
use crate::column::physical::Physical;
use crate::column::predicate::{Predicate, Prune};
use crate::column::scalar::Scalar;
use crate::column::stats::{BOUND_MAX, ChunkStats, flags, get_bound};
use crate::column::summary::Summary;
use crate::column::types::LogicalType;

/// A chunk's place and statistics, as the catalog keeps them: 128 bytes, little-endian, alignment 1, to be
/// read in place with [`bytemuck::from_bytes`].
///
/// ```text
/// offset  size
///      0     8  first page of the extent that holds the chunk
///      8     8  offset of the chunk within the extent, in bytes
///     16     8  length of the chunk in bytes
///     24     4  rows
///     28     4  NULLs
///     32    16  minimum
///     48    16  maximum
///     64    16  sum: i128, or f64 and zeros
///     80     4  distinct values, estimated
///     84     4  the chunk's header checksum, which covers those of all its blocks
///     88     1  which statistics there are, see `flags`
///     89     1  codec of most blocks
///     90     2  blocks of that codec
///     92     4  blocks
///     96     8  bytes of the values in memory
///    104    24  zero
/// ```
///
/// The record is plain data: which slot it lies in is the catalog's business, and the first two fields are
/// filled by whoever places the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ChunkMeta {
    /// First page of the extent that holds the chunk.
    pub extent_page: U64,
    /// Offset of the chunk within the extent, in bytes; a multiple of 64.
    pub byte_offset: U64,
    /// Length of the chunk in bytes; a multiple of 64.
    pub byte_len: U64,
    /// Rows, NULLs included.
    pub row_count: U32,
    /// NULLs.
    pub null_count: U32,
    /// The minimum, see [`ChunkMeta::stats`].
    pub(crate) min: [u8; BOUND_MAX],
    /// The maximum.
    pub(crate) max: [u8; BOUND_MAX],
    /// The sum.
    pub(crate) sum: [u8; 16],
    /// Distinct values, estimated.
    pub(crate) distinct: U32,
    /// CRC32 of the chunk's header and directories, which hold those of everything else.
    pub header_crc: U32,
    /// Which statistics there are.
    pub(crate) stat_flags: u8,
    /// Codec of most blocks.
    pub(crate) codec: u8,
    /// Blocks of that codec.
    pub(crate) codec_blocks: U16,
    /// Blocks.
    pub block_count: U32,
    /// Bytes of the values in memory, as a measure of compression.
    pub memory_len: U64,
    /// Zero.
    pub(crate) reserved: [u8; 24],
}

const _: () = assert!(size_of::<ChunkMeta>() == 128);
const _: () = assert!(align_of::<ChunkMeta>() == 1);

impl ChunkMeta {
    /// The statistics of the chunk, whose type is `ty`. What does not make sense is left out, so that
    /// damage here leads to reading more, never to a panic.
    pub fn stats(&self, ty: &LogicalType) -> ChunkStats {
        let has = |flag| self.stat_flags & flag != 0;
        let bound = |flag, bytes| if has(flag) { get_bound(bytes, ty) } else { None };
        ChunkStats {
            rows: u64::from(self.row_count.get()),
            nulls: u64::from(self.null_count.get()),
            min: bound(flags::MIN, &self.min),
            max: bound(flags::MAX, &self.max),
            min_exact: has(flags::MIN_EXACT),
            max_exact: has(flags::MAX_EXACT),
            sum: if has(flags::SUM) { get_sum(&self.sum, ty) } else { None },
            sorted: has(flags::SORTED),
            distinct: has(flags::DISTINCT).then(|| u64::from(self.distinct.get())),
        }
    }

    /// Sets bounds, sum and distinct count.
    pub(crate) fn set_stats(&mut self, summary: &Summary, distinct: Option<usize>, physical: Physical) {
        let mut stats = vec![];
        let mut found = summary.put(physical, BOUND_MAX, 16, &mut stats);
        self.min.copy_from_slice(&stats[..BOUND_MAX]);
        self.max.copy_from_slice(&stats[BOUND_MAX..2 * BOUND_MAX]);
        self.sum.copy_from_slice(&stats[2 * BOUND_MAX..]);
        if let Some(distinct) = distinct {
            found |= flags::DISTINCT;
            self.distinct = U32::new(distinct as u32);
        }
        self.stat_flags = found;
    }

    /// What the statistics say about a condition on the column, whose type is `ty`.
    pub fn prune(&self, ty: &LogicalType, predicate: &Predicate) -> Prune {
        self.stats(ty).prune(predicate)
    }

    /// The codec of most blocks; `None` if it is none that this build knows.
    pub fn codec(&self) -> Option<Codec> {
        Codec::from_u8(self.codec).ok()
    }
}

/// Reads a sum of 8 or 16 bytes.
pub(crate) fn get_sum(bytes: &[u8], ty: &LogicalType) -> Option<Scalar> {
    Some(match Physical::of(ty)? {
        Physical::Int { .. } if bytes.len() == 16 => Scalar::Int(i128::from_le_bytes(bytes.try_into().ok()?)),
        Physical::Int { .. } => Scalar::Int(i128::from(i64::from_le_bytes(bytes.try_into().ok()?))),
        Physical::Float { .. } => {
            Scalar::Float(f64::from_bits(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)))
        }
        _ => return None,
    })
}

/// Writes a sum in `width` bytes. Returns whether it fits; if not, nothing is written.
pub(crate) fn put_sum(sum: &Scalar, width: usize, out: &mut Vec<u8>) -> bool {
    match sum {
        Scalar::Int(v) if width == 16 => out.extend_from_slice(&v.to_le_bytes()),
        Scalar::Int(v) if width == 8 => match i64::try_from(*v) {
            Ok(v) => out.extend_from_slice(&v.to_le_bytes()),
            Err(_) => return false,
        },
        Scalar::Float(v) if width >= 8 => {
            out.extend_from_slice(&v.to_bits().to_le_bytes());
            out.resize(out.len() + width - 8, 0);
        }
        _ => return false,
    }
    true
}
