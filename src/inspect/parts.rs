//! Every byte of a file attributed to a named structure.
//!
//! [`walk_parts`] goes through the file once, in order. Parts never overlap and leave no gap, whatever the file says:
//! what nothing claims is a part of its own kind, and where two structures claim the same bytes the first has them. So
//! the bytes of all parts are those of the file, and damage shows as what it is instead of making the sum wrong.

use std::ops::Range;
use std::sync::Arc;

use crate::catalog::record::RecordKind;
use crate::column::codec::nulls;
use crate::column::layout::{BlockEntry, ChunkHeader, Layout};
use crate::inspect::log::parts_of_log;
use crate::inspect::{Contents, PageUse, RowGroupView, TableView, page_map};
use crate::pager::inspect::Inspection;
use crate::pager::{HeapPage, PageId, PageKind, Slot, SlotState};
use crate::table::keys::{KeyIndex, index_ranges};

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PartKind {
    /// A superblock, the 512 bytes of it.
    Superblock,
    /// The header of a page.
    PageHeader,
    /// The counts that follow it in a heap page, or the place in the chain in others.
    PageCounts,
    /// The slots of a heap page.
    Slots,
    /// A record that lives.
    Record,
    /// A record that nothing refers to any more.
    DeadRecord,
    /// Where to find a record that outgrew its page.
    Stub,
    /// A part of a record that outgrew its page.
    Overflow,
    /// The table of free space.
    SpaceTable,
    /// The header of a chunk.
    ChunkHeader,
    /// The directory of a chunk's blocks.
    BlockDirectory,
    /// The directory of a nested chunk's children.
    ChildDirectory,
    /// A dictionary or a table of symbols.
    Shared,
    /// The values of a block.
    Block,
    /// The NULLs of a block.
    Nulls,
    /// Which rows of a row group are deleted.
    DeleteVector,
    /// The list of the key indexes of a row group.
    KeyDirectory,
    /// The index of a row group by a key.
    KeyIndex,
    /// The header of a frame of the write-ahead log.
    FrameHeader,
    /// Counts, ids and lengths in a frame.
    LogRecord,
    /// Numbers of rows that a frame deletes.
    LogDeletes,
    /// Values of a column that a frame adds.
    LogValues,
    /// Where a frame leaves sequences.
    LogSequences,
    /// What a crash left of a frame.
    TornFrame,
    /// Room in the log behind its last frame; frames of earlier times may lie in it.
    Log,
    /// Zeros between structures, and what is left of a page or an extent behind them.
    Padding,
    /// A free page.
    Free,
    /// A page allocated ahead of its use.
    Ahead,
    /// What should be something, but is damaged.
    Damaged,
    /// What nothing refers to.
    Unknown,
    /// Bytes behind the last whole page.
    Tail,
}

impl PartKind {
    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Superblock => "superblock",
            Self::PageHeader => "page header",
            Self::PageCounts => "page counts",
            Self::Slots => "slots",
            Self::Record => "record",
            Self::DeadRecord => "dead record",
            Self::Stub => "stub",
            Self::Overflow => "overflow",
            Self::SpaceTable => "space table",
            Self::ChunkHeader => "chunk header",
            Self::BlockDirectory => "block directory",
            Self::ChildDirectory => "child directory",
            Self::Shared => "shared section",
            Self::Block => "block",
            Self::Nulls => "nulls",
            Self::DeleteVector => "delete vector",
            Self::KeyDirectory => "key directory",
            Self::KeyIndex => "key index",
            Self::FrameHeader => "frame header",
            Self::LogRecord => "log record",
            Self::LogDeletes => "logged deletes",
            Self::LogValues => "logged values",
            Self::LogSequences => "logged sequences",
            Self::TornFrame => "torn frame",
            Self::Log => "log room",
            Self::Padding => "padding",
            Self::Free => "free",
            Self::Ahead => "ahead",
            Self::Damaged => "damaged",
            Self::Unknown => "unknown",
            Self::Tail => "tail",
        }
    }
}

/// A run of bytes that is one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it begins in the file.
    pub offset: u64,
    /// How long it is, at least 1.
    pub bytes: u64,
    /// What it is.
    pub kind: PartKind,
    /// Whose it is, or what is wrong with it.
    pub owner: Arc<str>,
    /// Its number, where there are several: of a slot, of a block.
    pub index: Option<u32>,
}

/// All parts of the file, in order. With `check`, the checksums of blocks and of what else lies in extents are
/// compared, which reads the whole file; those of pages are always.
pub fn walk_parts(file: &Inspection, contents: &Contents, check: bool, visit: &mut dyn FnMut(Part)) {
    let map = page_map(file, contents);
    for range in &map {
        let pages = range.start.0..range.start.0 + range.pages;
        parts_of_pages(file, contents, &range.used_for, pages, check, visit);
    }
    let whole = file.pages() * u64::from(file.page_size());
    if whole < file.file_bytes() {
        let bytes = file.file_bytes() - whole;
        visit(Part { offset: whole, bytes, kind: PartKind::Tail, owner: "".into(), index: None });
    }
}

/// The parts that some page has bytes of. Those of a row group may begin before the page and end behind it.
pub fn parts_of(file: &Inspection, contents: &Contents, page: PageId) -> Vec<Part> {
    let page_size = u64::from(file.page_size());
    let (start, end) = (page.0.saturating_mul(page_size), page.0.saturating_add(1).saturating_mul(page_size));
    let mut parts = vec![];
    for range in page_map(file, contents) {
        let pages = range.start.0..range.start.0 + range.pages;
        if !pages.contains(&page.0) {
            continue;
        }
        let in_extent =
            matches!(range.used_for, PageUse::RowGroup { .. } | PageUse::Deletes { .. } | PageUse::Log);
        let pages = if in_extent { pages } else { page.0..page.0 + 1 };
        parts_of_pages(file, contents, &range.used_for, pages, false, &mut |part| {
            if part.offset < end && part.offset + part.bytes > start {
                parts.push(part);
            }
        });
    }
    parts
}

/// The parts of a chunk whose bytes begin at that offset of the file.
///
/// # Errors
/// What is wrong with its header.
pub fn parts_of_chunk_at(
    file: &Inspection,
    offset: u64,
    bytes: u64,
    owner: &str,
) -> Result<Vec<Part>, String> {
    let chunk =
        file.bytes(offset, usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(|e| e.to_string())?;
    let mut parts = vec![];
    let owner: Arc<str> = owner.into();
    parts_of_chunk(&chunk, offset, &owner, true, &mut parts)?;
    let mut out = vec![];
    lay_out(offset..offset + bytes, parts, PartKind::Padding, &owner, &mut |part| out.push(part));
    Ok(out)
}

/// The parts of the pages of one use, which stand next to each other.
fn parts_of_pages(
    file: &Inspection,
    contents: &Contents,
    used_for: &PageUse,
    pages: Range<u64>,
    check: bool,
    visit: &mut dyn FnMut(Part),
) {
    let page_size = u64::from(file.page_size());
    let whole = |kind, owner: &str| Part {
        offset: pages.start * page_size,
        bytes: (pages.end - pages.start) * page_size,
        kind,
        owner: owner.into(),
        index: None,
    };
    match used_for {
        PageUse::Superblock | PageUse::Heap | PageUse::Overflow | PageUse::Space => {
            for page in pages {
                parts_of_page(file, PageId(page), visit);
            }
        }
        PageUse::RowGroup { table, row_group } => {
            let found = contents.tables.iter().find(|t| t.name == *table);
            let group = found.and_then(|t| t.row_groups.get(*row_group));
            let owner: Arc<str> = format!("{table}, row group {row_group}").into();
            let bytes = pages.start * page_size..pages.end * page_size;
            let parts = match (found, group) {
                (Some(table), Some(group)) => parts_of_row_group(file, table, group, check),
                _ => vec![],
            };
            lay_out(bytes, parts, PartKind::Padding, &owner, visit);
        }
        PageUse::Deletes { table, row_group } => {
            let group =
                contents.tables.iter().find(|t| t.name == *table).and_then(|t| t.row_groups.get(*row_group));
            let owner: Arc<str> = format!("{table}, row group {row_group}").into();
            let start = pages.start * page_size;
            let parts = group.map(|g| parts_of_deletes(file, g, start, &owner, check));
            let bytes = start..pages.end * page_size;
            lay_out(bytes, parts.into_iter().collect(), PartKind::Padding, &owner, visit);
        }
        PageUse::Log => match parts_of_log(file, contents) {
            Ok(parts) => {
                let bytes = pages.start * page_size..pages.end * page_size;
                lay_out(bytes, parts, PartKind::Log, &"".into(), visit);
            }
            Err(what) => visit(whole(PartKind::Damaged, &what)),
        },
        PageUse::Free => visit(whole(PartKind::Free, "")),
        PageUse::Ahead => visit(whole(PartKind::Ahead, "")),
        PageUse::Damaged(what) => visit(whole(PartKind::Damaged, what)),
        PageUse::Unknown => visit(whole(PartKind::Unknown, "")),
    }
}

/// Hands out parts in order, clipped to `within`, and what lies between them as `rest`.
fn lay_out(
    within: Range<u64>,
    mut parts: Vec<Part>,
    rest: PartKind,
    owner: &Arc<str>,
    visit: &mut dyn FnMut(Part),
) {
    parts.sort_by_key(|p| p.offset);
    let mut at = within.start;
    let gap = |from: u64, to: u64| Part {
        offset: from,
        bytes: to - from,
        kind: rest,
        owner: Arc::clone(owner),
        index: None,
    };
    for mut part in parts {
        let from = part.offset.max(at);
        let to = part.offset.saturating_add(part.bytes).min(within.end);
        if to <= from {
            continue;
        }
        if from > at {
            visit(gap(at, from));
        }
        (part.offset, part.bytes) = (from, to - from);
        at = to;
        visit(part);
    }
    if at < within.end {
        visit(gap(at, within.end));
    }
}

/// The parts of a page with a header, or of a superblock's page.
fn parts_of_page(file: &Inspection, page: PageId, visit: &mut dyn FnMut(Part)) {
    let start = page.0 * u64::from(file.page_size());
    let within = start..start + u64::from(file.page_size());
    let mut parts = vec![];
    let mut add = |offset: usize, bytes: usize, kind, owner: Arc<str>, index| {
        parts.push(Part { offset: start + offset as u64, bytes: bytes as u64, kind, owner, index });
    };
    if let Some(state) = file.slots.states.get(page.0 as usize) {
        let (kind, owner): (_, Arc<str>) = match state {
            SlotState::Valid(s) => (PartKind::Superblock, format!("commit {}", s.sequence).into()),
            SlotState::Foreign => (PartKind::Unknown, "no superblock".into()),
            SlotState::Damaged(what) => (PartKind::Damaged, what.as_str().into()),
            SlotState::Unsupported(e) => (PartKind::Superblock, e.to_string().into()),
        };
        add(0, crate::pager::SUPERBLOCK_BYTES, kind, owner, None);
        lay_out(within, parts, PartKind::Padding, &"".into(), visit);
        return;
    }
    let Ok(bytes) = file.page(page) else {
        return lay_out(within, vec![], PartKind::Damaged, &"it cannot be read".into(), visit);
    };
    let Ok(header) = crate::pager::PageHeader::parse(&bytes, page) else {
        return lay_out(within, vec![], PartKind::Damaged, &"its header is damaged".into(), visit);
    };
    let nobody: Arc<str> = "".into();
    add(0, crate::pager::PAGE_HEADER_BYTES, PartKind::PageHeader, Arc::clone(&nobody), None);
    add(crate::pager::PAGE_HEADER_BYTES, 8, PartKind::PageCounts, Arc::clone(&nobody), None);
    match header.kind {
        PageKind::Heap => match HeapPage::parse(&bytes, page) {
            Ok(heap) => {
                let dead = file.dead_slots(page);
                let wrong = (0..heap.slots()).find_map(|slot| heap.slot(slot).err());
                let (kind, owner) = match wrong {
                    Some(e) => (PartKind::Damaged, e.to_string().into()),
                    None => (PartKind::Slots, Arc::clone(&nobody)),
                };
                add(40, usize::from(heap.slots()) * 8, kind, owner, None);
                for slot in 0..heap.slots() {
                    let live = !dead.contains(&slot);
                    let index = Some(u32::from(slot));
                    match heap.slot(slot) {
                        Ok(Slot::Inline { offset, length }) => {
                            let kind = if live { PartKind::Record } else { PartKind::DeadRecord };
                            add(offset, length, kind, record_name(&bytes[offset..offset + length]), index);
                        }
                        Ok(Slot::Chained { first, pages, .. }) => {
                            let owner = format!("in {pages} pages from {first} on");
                            if let Some(at) = heap.offset_of(slot) {
                                add(at, 16, PartKind::Stub, owner.into(), index);
                            }
                        }
                        Err(_) => {}
                    }
                }
            }
            Err(e) => add(40, bytes.len() - 40, PartKind::Damaged, e.to_string().into(), None),
        },
        PageKind::Overflow | PageKind::Space => {
            let length = u32::from_le_bytes(bytes[36..40].try_into().unwrap_or_default()) as usize;
            let kind = if header.kind == PageKind::Space { PartKind::SpaceTable } else { PartKind::Overflow };
            add(40, length.min(bytes.len() - 40), kind, nobody.clone(), None);
        }
    }
    lay_out(within, parts, PartKind::Padding, &nobody, visit);
}

fn record_name(bytes: &[u8]) -> Arc<str> {
    bytes.first().and_then(|b| RecordKind::from_byte(*b)).map_or("?", RecordKind::name).into()
}

fn parts_of_row_group(file: &Inspection, table: &TableView, group: &RowGroupView, check: bool) -> Vec<Part> {
    let mut parts = vec![];
    for (id, meta) in group.record.columns().iter().zip(group.record.chunks()) {
        let column = table.definition.columns.iter().find(|c| c.id.0 == id.get());
        let column = column.map_or_else(|| format!("column {} (dropped)", id.get()), |c| c.name.to_string());
        let owner: Arc<str> = format!("{}.{column}, row group {}", table.name, group.index).into();
        let (offset, length) = (group.chunk_offset(file, meta), meta.byte_len.get());
        let damaged = |what: String| Part {
            offset,
            bytes: length,
            kind: PartKind::Damaged,
            owner: format!("{owner}: {what}").into(),
            index: None,
        };
        match file.bytes(offset, usize::try_from(length).unwrap_or(usize::MAX)) {
            Ok(bytes) => {
                if let Err(what) = parts_of_chunk(&bytes, offset, &owner, check, &mut parts) {
                    parts.push(damaged(what));
                }
            }
            Err(e) => parts.push(damaged(e.to_string())),
        }
    }
    parts_of_keys(file, table, group, check, &mut parts);
    parts
}

/// The parts of the key indexes of a row group.
fn parts_of_keys(
    file: &Inspection,
    table: &TableView,
    group: &RowGroupView,
    check: bool,
    parts: &mut Vec<Part>,
) {
    let place = group.record.keys();
    if place.count == 0 {
        return;
    }
    let page = group.record.header().extent_page.get();
    let base = page.saturating_mul(u64::from(file.page_size())).saturating_add(place.offset);
    let owner =
        |what: &str| -> Arc<str> { format!("{}, row group {}{what}", table.name, group.index).into() };
    let mut add = |offset: usize, bytes: usize, kind, owner, index| {
        parts.push(Part { offset: base + offset as u64, bytes: bytes as u64, kind, owner, index });
    };
    let damaged = |what: String| owner(&format!(", key indexes: {what}"));
    let length = usize::try_from(place.bytes).unwrap_or(usize::MAX);
    let bytes = match file.bytes(base, length) {
        Ok(bytes) => bytes,
        Err(e) => return add(0, length, PartKind::Damaged, damaged(e.to_string()), None),
    };
    let ranges = match index_ranges(&place, &bytes) {
        Ok(ranges) => ranges,
        Err(what) => return add(0, length, PartKind::Damaged, damaged(what), None),
    };
    add(0, 8 * ranges.len(), PartKind::KeyDirectory, owner(""), None);
    for (number, range) in ranges.into_iter().enumerate() {
        let index = Some(number as u32);
        let open = || KeyIndex::open(bytes.slice(range.clone())).and_then(|index| index.check());
        let opened = check.then(open);
        match opened {
            Some(Err(what)) => add(range.start, range.len(), PartKind::Damaged, damaged(what), index),
            _ => add(range.start, range.len(), PartKind::KeyIndex, owner(""), index),
        }
    }
}

/// The parts of the chunk that fills `bytes`, which lie at `base` in the file.
fn parts_of_chunk(
    bytes: &[u8],
    base: u64,
    owner: &Arc<str>,
    check: bool,
    parts: &mut Vec<Part>,
) -> Result<(), String> {
    let layout = Layout::parse(bytes).map_err(|damage| damage.0.into_owned())?;
    let header = &layout.header;
    let mut add = |offset: usize, length: usize, kind, index| {
        let owner = Arc::clone(owner);
        parts.push(Part { offset: base + offset as u64, bytes: length as u64, kind, owner, index });
    };
    let children = usize::from(header.child_count);
    let directories = layout.directories_end();
    let child_directory = directories - 16 * children;
    add(0, size_of::<ChunkHeader>(), PartKind::ChunkHeader, None);
    add(child_directory, 16 * children, PartKind::ChildDirectory, None);
    let shared = layout.shared(bytes);
    let sound = !check || crc32fast::hash(shared) == header.shared_crc.get();
    let kind = if sound { PartKind::Shared } else { PartKind::Damaged };
    add(header.shared_offset.get() as usize, shared.len(), kind, None);
    let blocks = if layout.uniform() { layout.blocks.min(1) } else { layout.blocks };
    let mut sound = true;
    for index in 0..blocks {
        let number = Some(index as u32);
        match layout.entry(bytes, index) {
            Ok(entry) => {
                let block = &bytes[entry.offset..entry.offset + entry.len];
                if check && crc32fast::hash(block) != entry.crc {
                    add(entry.offset, entry.len, PartKind::Damaged, number);
                    continue;
                }
                let values = values_of(&entry, block);
                add(entry.offset, values, PartKind::Block, number);
                add(entry.offset + values, entry.len - values, PartKind::Nulls, number);
            }
            Err(_) => sound = false,
        }
    }
    let kind = if sound { PartKind::BlockDirectory } else { PartKind::Damaged };
    add(64, child_directory - 64, kind, None);
    for index in 0..children {
        let range = layout.child(bytes, index).map_err(|damage| damage.0.into_owned())?;
        let owner: Arc<str> = format!("{owner}, child {index}").into();
        parts_of_chunk(&bytes[range.clone()], base + range.start as u64, &owner, check, parts)?;
    }
    Ok(())
}

/// Bytes of the values of a block; those of its NULLs follow.
fn values_of(entry: &BlockEntry<'_>, block: &[u8]) -> usize {
    nulls::split(block, entry.null_form, entry.rows, entry.nulls)
        .map_or(block.len(), |(values, _)| values.len())
}

fn parts_of_deletes(
    file: &Inspection,
    group: &RowGroupView,
    start: u64,
    owner: &Arc<str>,
    check: bool,
) -> Part {
    let length = 32 + (group.entry.rows as usize).div_ceil(8);
    let sound = !check
        || file.bytes(start, length).is_ok_and(|bytes| {
            let sum = crc32fast::hash(&bytes[8..]);
            bytes.starts_with(b"FXDV")
                && group.entry.deletes.is_some_and(|d| d.checksum == sum)
                && bytes[4..8] == sum.to_le_bytes()
        });
    let kind = if sound { PartKind::DeleteVector } else { PartKind::Damaged };
    Part { offset: start, bytes: length as u64, kind, owner: Arc::clone(owner), index: None }
}
