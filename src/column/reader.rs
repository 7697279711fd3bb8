//! Reading a chunk, block by block.
//!
//! Opening checks the header and its checksum, and nothing that grows with the number of rows but the
//! directory. A block's checksum is checked when it is first touched, and so is its text. Everything else that
//! a decoder relies on it checks every time: no bytes, however damaged, make it panic, allocate beyond what
//! the rows of a block can need, or read outside of the chunk.

use std::ops::Deref;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, new_empty_array};
use arrow_buffer::BooleanBuffer;
use bytes::Bytes;

use crate::column::block::Block;
use crate::column::codec::Codec;
use crate::column::dictionary_cache::{DictionaryCache, Place};
use crate::column::encode::nested::child_types;
use crate::column::error::{ChunkPlace, ColumnError, Result};
use crate::column::few::FewStrings;
use crate::column::filter::asks_for_empty;
use crate::column::layout::{BlockEntry, Layout, ROW_GROUP_ROWS, VERSION};
use crate::column::le::{Cursor, Damage, Decoded, U16, ensure};
use crate::column::length::LengthUnit;
use crate::column::meta::get_sum;
use crate::column::nested::check_children;
use crate::column::physical::{Physical, sum_width, type_tag};
use crate::column::predicate::{Predicate, Prune};
use crate::column::runs::BlockRuns;
use crate::column::shared::{CodeSet, Shared};
use crate::column::stats::{ChunkStats, flags, get_bound};
use crate::column::types::LogicalType;
use crate::sync::Mutex;

/// The block's checksum was found right.
pub(crate) const SUMMED: u8 = 1;
/// The block's strings were found to be text.
pub(crate) const TEXT: u8 = 2;

/// An open chunk. Cheap to open and to share; reads from any thread.
#[derive(Debug)]
pub struct ChunkReader {
    pub(crate) bytes: Bytes,
    pub(crate) layout: Layout,
    ty: LogicalType,
    pub(crate) physical: Physical,
    place: ChunkPlace,
    /// What nested values are made of.
    pub(crate) children: Vec<ChunkReader>,
    /// What was found right so far, for each block.
    checked: Box<[AtomicU8]>,
    /// What the blocks share, once it was needed.
    shared: Arc<Place<Dictionary>>,
    /// Where the strings of each block end, for who reads few at a time; made when first needed.
    ends: OnceLock<Box<[Arc<Place<Vec<u32>>>]>>,
    /// What decides how long these are kept.
    cache: Option<Arc<DictionaryCache>>,
}

/// What the blocks of a chunk share, and what was found out about it.
#[derive(Debug)]
pub(crate) struct Dictionary {
    shared: Shared,
    /// The last conditions on the values, and the positions that satisfy them.
    code_sets: Mutex<Vec<(Predicate, Arc<CodeSet>)>>,
    /// How long the values are, once that was needed: in bytes, and in characters.
    lengths: [OnceLock<Box<[u32]>>; 2],
}

impl Dictionary {
    fn new(shared: Shared) -> Self {
        Self { shared, code_sets: Mutex::default(), lengths: [const { OnceLock::new() }; 2] }
    }

    /// How long the strings of a dictionary are.
    pub(crate) fn lengths(&self, unit: LengthUnit) -> Decoded<&[u32]> {
        let known = &self.lengths[usize::from(unit == LengthUnit::Characters)];
        if let Some(known) = known.get() {
            return Ok(known);
        }
        let measured = self.shared.lengths(unit)?.into_boxed_slice();
        Ok(known.get_or_init(|| measured))
    }
}

impl Deref for Dictionary {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// How many conditions a dictionary remembers.
const CODE_SETS: usize = 4;

/// # Panics
///
/// If a block of so many rows does not have all of these.
fn check_rows(rows: &[u16], of: usize) {
    let greatest = rows.iter().fold(0, |greatest, row| greatest.max(*row));
    assert!(rows.is_empty() || usize::from(greatest) < of, "rows of a block of {of}");
}

impl ChunkReader {
    /// Opens the chunk that fills `bytes`, whose values are of type `ty`.
    ///
    /// # Errors
    ///
    /// If the header is damaged, of a newer version, of another type, or of another table or column than
    /// `place` says.
    pub fn open(bytes: Bytes, ty: &LogicalType, place: ChunkPlace) -> Result<Self> {
        let corrupt = |d: Damage| ColumnError::Corrupt {
            place: Box::new(place.clone()),
            block: None,
            reason: d.0.into_owned(),
        };
        let physical = Physical::of(ty)
            .ok_or_else(|| ColumnError::Unsupported(format!("type {ty} cannot be stored")))?;
        // The version comes before all else: a newer header may differ in anything behind it.
        let version = Cursor::new(bytes.get(4..).unwrap_or_default()).record::<U16>().map_err(corrupt)?.get();
        if version > VERSION && bytes.starts_with(&crate::column::layout::MAGIC) {
            return Err(ColumnError::FutureVersion {
                place: Box::new(place),
                found: version,
                supported: VERSION,
            });
        }
        let layout = Layout::parse(&bytes).map_err(corrupt)?;
        let header = &layout.header;
        let (tag, param) = type_tag(ty);
        let fits = || {
            ensure(
                header.type_tag == tag && header.type_param.get() == param,
                "the chunk is of another type",
            )?;
            ensure(header.table_id.get() == place.table_id, "the chunk belongs to another table")?;
            ensure(header.column_id.get() == place.column_id, "the chunk belongs to another column")?;
            ensure(usize::from(header.bound_width) == physical.bound_width(), "bad width of bounds")?;
            ensure(usize::from(header.sum_width) == sum_width(ty), "bad width of sums")?;
            ensure(
                usize::from(header.child_count) == child_types(ty).len(),
                "wrong number of nested chunks",
            )?;
            ensure(
                !layout.uniform() || layout.rows <= ROW_GROUP_ROWS,
                "one block stands for more rows than a row group has",
            )
        };
        fits().map_err(corrupt)?;
        let mut children = vec![];
        for (i, ty) in child_types(ty).into_iter().enumerate() {
            let range = layout.child(&bytes, i).map_err(corrupt)?;
            children.push(Self::open(bytes.slice(range), ty, place.clone())?);
        }
        if let Physical::Nested(nesting) = physical {
            check_children(nesting, layout.rows, &children).map_err(corrupt)?;
        }
        let slots = if layout.uniform() { layout.blocks.min(1) } else { layout.blocks };
        let checked = (0..slots).map(|_| AtomicU8::new(0)).collect();
        let (ty, shared) = (ty.clone(), Arc::default());
        let ends = OnceLock::new();
        Ok(Self { bytes, layout, ty, physical, place, children, checked, shared, ends, cache: None })
    }

    /// The same reader, whose dictionary is kept for as long as a cache has room for it.
    #[must_use]
    pub fn with_cache(mut self, cache: &Arc<DictionaryCache>) -> Self {
        self.cache = Some(Arc::clone(cache));
        self.children = self.children.into_iter().map(|child| child.with_cache(cache)).collect();
        self
    }

    /// Rows, NULLs included.
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// NULLs.
    pub fn null_count(&self) -> usize {
        self.layout.header.null_count.get() as usize
    }

    /// The checksum of header and directories, which hold those of everything else.
    pub fn header_crc(&self) -> u32 {
        self.layout.header.header_crc.get()
    }

    /// The type of the values.
    pub fn ty(&self) -> &LogicalType {
        &self.ty
    }

    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        self.layout.blocks
    }

    /// The rows of a full block: all blocks but the last have as many.
    pub fn block_rows(&self) -> usize {
        self.layout.block_rows
    }

    /// The rows of block `index`.
    pub fn rows_of_block(&self, index: usize) -> usize {
        self.layout.rows_of(index)
    }

    /// The bytes that block `index` takes in the file.
    pub fn bytes_of_block(&self, index: usize) -> Result<usize> {
        Ok(self.entry(index)?.len)
    }

    /// The codec of block `index`.
    pub fn codec_of_block(&self, index: usize) -> Result<Codec> {
        Ok(self.entry(index)?.codec)
    }

    /// The codec of block `index`, and the bytes that it takes in the file.
    pub fn size_of_block(&self, index: usize) -> Result<(Codec, usize)> {
        let entry = self.entry(index)?;
        Ok((entry.codec, entry.len))
    }

    /// The statistics of block `index`.
    pub fn block_stats(&self, index: usize) -> Result<ChunkStats> {
        let entry = self.entry(index)?;
        let has = |flag| entry.stat_flags & flag != 0;
        let bound = |flag, bytes| if has(flag) { get_bound(bytes, &self.ty) } else { None };
        Ok(ChunkStats {
            rows: entry.rows as u64,
            nulls: entry.nulls as u64,
            min: bound(flags::MIN, entry.min),
            max: bound(flags::MAX, entry.max),
            min_exact: has(flags::MIN_EXACT),
            max_exact: has(flags::MAX_EXACT),
            sum: if has(flags::SUM) { get_sum(entry.sum, &self.ty) } else { None },
            sorted: has(flags::SORTED),
            distinct: None,
        })
    }

    /// What the statistics of block `index` say about a condition.
    pub fn prune_block(&self, index: usize, predicate: &Predicate) -> Result<Prune> {
        Ok(self.block_stats(index)?.prune(predicate))
    }

    /// All rows of block `index`.
    pub fn read_block(&self, index: usize) -> Result<ArrayRef> {
        let block = self.block(index)?;
        block.read(None).map_err(|d| self.corrupt(Some(index), d))
    }

    /// The given rows of block `index`, in the given order; repeats are allowed.
    ///
    /// # Panics
    ///
    /// If the block does not have such a row.
    pub fn read_rows(&self, index: usize, rows: &[u16]) -> Result<ArrayRef> {
        let block = self.block(index)?;
        check_rows(rows, block.entry.rows);
        block.read(Some(rows)).map_err(|d| self.corrupt(Some(index), d))
    }

    /// All rows of block `index` as runs, if they are stored so, none is NULL, and a run has two of them or more on average.
    pub(crate) fn read_runs(&self, index: usize) -> Result<Option<BlockRuns>> {
        if self.entry(index)?.codec != Codec::Runs {
            return Ok(None);
        }
        self.block(index)?.read_runs().map_err(|d| self.corrupt(Some(index), d))
    }

    /// How long the strings of block `index` are, or those of `rows` of it, in the given order: an `Int64`. They are not
    /// decoded for that.
    ///
    /// # Errors
    ///
    /// If the block is damaged, or the values of the chunk are no strings.
    ///
    /// # Panics
    ///
    /// If the block does not have such a row.
    pub fn measure_block(&self, index: usize, rows: Option<&[u16]>, unit: LengthUnit) -> Result<ArrayRef> {
        if !matches!(self.physical, Physical::Bytes { .. }) {
            return Err(ColumnError::Unsupported(format!("values of type {} have no length", self.ty)));
        }
        let block = self.block(index)?;
        let has = |row: &u16| usize::from(*row) < block.entry.rows;
        assert!(rows.is_none_or(|rows| rows.iter().all(has)), "rows of a block of {}", block.entry.rows);
        block.measure(rows, unit).map_err(|d| self.corrupt(Some(index), d))
    }

    /// As [`read_rows`](Self::read_rows), for who reads few rows of a block, and others of it later.
    ///
    /// # Panics
    ///
    /// If the block does not have such a row.
    pub fn read_few(&self, index: usize, rows: &[u16]) -> Result<ArrayRef> {
        let block = self.block(index)?;
        check_rows(rows, block.entry.rows);
        block.read_few(rows).map_err(|d| self.corrupt(Some(index), d))
    }

    /// Calls `read` with the strings of block `index`, if it has strings that stand there themselves, none of them NULL, and
    /// returns what it does.
    pub(crate) fn with_strings<T>(
        &self,
        index: usize,
        read: impl FnOnce(Option<&FewStrings<'_>>) -> Decoded<T>,
    ) -> Result<T> {
        let block = self.block(index)?;
        let strings = block.few_strings();
        strings.and_then(|strings| read(strings.as_ref())).map_err(|d| self.corrupt(Some(index), d))
    }

    /// All rows of the chunk.
    pub fn read_all(&self) -> Result<ArrayRef> {
        let blocks = (0..self.blocks()).map(|i| self.read_block(i)).collect::<Result<Vec<_>>>()?;
        match blocks.as_slice() {
            [] => Ok(new_empty_array(&self.ty.arrow())),
            [one] => Ok(Arc::clone(one)),
            many => {
                let parts: Vec<_> = many.iter().map(AsRef::as_ref).collect();
                arrow_select::concat::concat(&parts).map_err(|e| ColumnError::Unsupported(e.to_string()))
            }
        }
    }

    /// The rows of block `index` that satisfy all of some conditions, found on the encoded values where that pays; two
    /// bounds cost no more than one. A condition that is NULL is not satisfied. `None` if there is no way but to read the
    /// block and compare, or no condition.
    pub fn filter_block(&self, index: usize, predicates: &[Predicate]) -> Result<Option<BooleanBuffer>> {
        let block = self.block(index)?;
        block.filter(predicates).map_err(|d| self.corrupt(Some(index), d))
    }

    /// The rows of block `index` whose positions in the [dictionary](Self::dictionary) are in a set, and those that are NULL,
    /// if these pass. `None` if the chunk has no dictionary.
    pub(crate) fn filter_codes(
        &self,
        index: usize,
        set: &CodeSet,
        null_passes: bool,
    ) -> Result<Option<BooleanBuffer>> {
        let block = self.block(index)?;
        block.filter_codes(set, null_passes).map_err(|d| self.corrupt(Some(index), d))
    }

    /// Whether [`ChunkReader::filter_block`] has to decode all of block `index` for a condition, so that who wants the
    /// values too had better read them first.
    pub fn filter_decodes(&self, index: usize, predicate: &Predicate) -> Result<bool> {
        let Physical::Bytes { text } = self.physical else { return Ok(false) };
        Ok(self.entry(index)?.codec == Codec::Fsst && !asks_for_empty(text, predicate))
    }

    /// The distinct values of a chunk of strings that is dictionary-coded, a `Utf8View` or `BinaryView`; the same
    /// array that the blocks of a `VARCHAR` point to.
    pub fn dictionary(&self) -> Result<Option<ArrayRef>> {
        match &**self.shared().map_err(|d| self.corrupt(None, d))? {
            Shared::Strings(values) => Ok(Some(Arc::clone(values))),
            _ => Ok(None),
        }
    }

    /// What the blocks share.
    pub(crate) fn shared(&self) -> Decoded<Arc<Dictionary>> {
        self.shared.get_or_make(self.cache.as_deref(), || {
            let shared = Shared::read(&self.bytes, &self.layout, self.physical)?;
            // Each code set has a byte a value at most, and two lengths have four each.
            let bytes = shared.bytes_beside(&self.bytes) + (CODE_SETS + 2 * size_of::<u32>()) * shared.len();
            Ok((Dictionary::new(shared), bytes))
        })
    }

    /// Where the strings of block `index` end, as `find` finds out if it is not known.
    pub(crate) fn ends(
        &self,
        index: usize,
        find: impl FnOnce() -> Decoded<Vec<u32>>,
    ) -> Decoded<Arc<Vec<u32>>> {
        let places = self.ends.get_or_init(|| (0..self.blocks()).map(|_| Arc::default()).collect());
        places[index].get_or_make(self.cache.as_deref(), || {
            let ends = find()?;
            let bytes = size_of_val(&*ends);
            Ok((ends, bytes))
        })
    }

    /// The positions in the dictionary whose values satisfy a condition with a value.
    pub(crate) fn code_set(&self, predicate: &Predicate) -> Decoded<Option<Arc<CodeSet>>> {
        let shared = self.shared()?;
        let same = |known: &Predicate| known.op == predicate.op && known.value == predicate.value;
        let known = |sets: &Vec<(Predicate, Arc<CodeSet>)>| {
            sets.iter().find(|(p, _)| same(p)).map(|(_, set)| Arc::clone(set))
        };
        if let Some(set) = known(&shared.code_sets.lock()) {
            return Ok(Some(set));
        }
        let Some(set) = shared.filter(self.physical, predicate)? else { return Ok(None) };
        let set = Arc::new(set);
        let mut sets = shared.code_sets.lock();
        if sets.len() == CODE_SETS {
            sets.remove(0);
        }
        sets.push((predicate.clone(), Arc::clone(&set)));
        Ok(Some(set))
    }

    /// The error for damage found in a block, or in the header.
    pub(crate) fn corrupt(&self, block: Option<usize>, damage: Damage) -> ColumnError {
        ColumnError::Corrupt {
            place: Box::new(self.place.clone()),
            block: block.map(|b| b as u32),
            reason: damage.0.into_owned(),
        }
    }

    /// The directory entry of block `index`.
    pub(crate) fn entry(&self, index: usize) -> Result<BlockEntry<'_>> {
        self.layout.entry(&self.bytes, index).map_err(|d| self.corrupt(Some(index), d))
    }

    /// Block `index`, its checksum checked.
    fn block(&self, index: usize) -> Result<Block<'_>> {
        let entry = self.entry(index)?;
        let checked = &self.checked[if self.layout.uniform() { 0 } else { index }];
        let bytes = &self.bytes[entry.offset..entry.offset + entry.len];
        if checked.load(Ordering::Relaxed) & SUMMED == 0 {
            ensure(crc32fast::hash(bytes) == entry.crc, "checksum mismatch")
                .map_err(|d| self.corrupt(Some(index), d))?;
            checked.fetch_or(SUMMED, Ordering::Relaxed);
        }
        Ok(Block { chunk: self, index, entry, bytes, checked })
    }
}
