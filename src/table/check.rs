//! Looks at everything in a database and lists what is wrong: every checksum, every reference, and an account
//! of all pages and records from both sides. A page is free, or exactly one thing owns it; a record is dead,
//! or exactly one thing refers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arrow_array::Array;

use crate::catalog::record::RecordKind;
use crate::catalog::{SegmentEntry, TableDefinition};
use crate::pager::{Extent, HeapPage, PageId, Slot, SlotId, SpaceTable};
use crate::table::Pin;
use crate::table::data::TableData;
use crate::table::error::Result;
use crate::table::row_group::RowGroup;
use crate::table::snapshot::{Snapshot, list_row_groups};
use crate::table::storage::Storage;

/// Findings after which a check stops listing more.
const FINDINGS_MAX: usize = 1000;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: a page, a record, a chunk of a table.
    pub place: String,
    /// What.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// What a check looked at, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// What is wrong; nothing, if the database is sound.
    pub findings: Vec<Finding>,
    /// Pages of the file.
    pub pages: u64,
    /// Pages that are free.
    pub free_pages: u64,
    /// Records.
    pub records: u64,
    /// Tables.
    pub tables: u64,
    /// Row groups.
    pub row_groups: u64,
    /// Chunks, all of whose values were read.
    pub chunks: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

impl Storage {
    /// Checks the database as of the last commit. Reads all of it.
    ///
    /// # Errors
    /// None that the file is to blame for: what is wrong with it is in the report.
    pub fn check(&self) -> CheckReport {
        check(&self.snapshot())
    }
}

/// Checks a snapshot.
fn check(snapshot: &Arc<Snapshot>) -> CheckReport {
    let mut checker = Checker {
        pin: &snapshot.pin,
        report: CheckReport::default(),
        claims: vec![],
        slots: BTreeMap::new(),
        chained: vec![],
    };
    checker.claim(0, 2, "the superblocks");
    checker.catalog(snapshot);
    for table in snapshot.catalog().tables() {
        checker.report.tables += 1;
        match snapshot.tables.get(&table.id) {
            Some(data) => checker.table(snapshot, table, data),
            None => continue,
        }
    }
    checker.heap_pages();
    checker.space();
    checker.account();
    checker.report
}

struct Checker<'a> {
    pin: &'a Pin,
    report: CheckReport,
    /// First page, number of pages, who owns them.
    claims: Vec<(u64, u64, String)>,
    /// Slots that something refers to, by page.
    slots: BTreeMap<PageId, BTreeSet<u16>>,
    chained: Vec<SlotId>,
}

impl Checker<'_> {
    fn find(&mut self, place: impl fmt::Display, what: impl fmt::Display) {
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(Finding { place: place.to_string(), what: what.to_string() });
        }
    }

    /// Notes an error; gives the value if there is none.
    fn expect<T, E: fmt::Display>(&mut self, place: impl fmt::Display, result: Result<T, E>) -> Option<T> {
        result.map_err(|e| self.find(place, e)).ok()
    }

    fn claim(&mut self, start: u64, pages: u64, owner: impl Into<String>) {
        self.claims.push((start, pages, owner.into()));
    }

    /// Notes that something refers to a record, and checks that it can be read.
    fn record(&mut self, slot: SlotId, what: impl fmt::Display) {
        self.report.records += 1;
        if !self.slots.entry(slot.page()).or_default().insert(slot.slot()) {
            self.find(format!("record {slot}"), format!("more than one thing refers to it, one is {what}"));
        }
        let read = self.pin.heap_get(slot);
        if self.expect(format!("record {slot} ({what})"), read).is_some() {
            self.chained.push(slot);
        }
    }

    fn catalog(&mut self, snapshot: &Snapshot) {
        let Some((slot, root)) = &snapshot.root else { return };
        self.record(*slot, RecordKind::Root.name());
        for entry in &root.entries {
            self.record(entry.record, format_args!("{} of object {}", entry.kind.name(), entry.id));
        }
    }

    fn table(&mut self, snapshot: &Arc<Snapshot>, table: &Arc<TableDefinition>, data: &TableData) {
        let name = format!("table \"{}\"", table.name);
        if let Some(directory) = data.directory {
            self.record(directory, format_args!("directory of {name}"));
        }
        let segments = data.segments.len();
        for (i, segment) in data.segments.iter().enumerate() {
            self.record(segment.reference.slot, format_args!("segment {i} of {name}"));
            let full = segment.reference.row_groups as usize == crate::catalog::SEGMENT_ENTRIES_MAX;
            if !full && i + 1 < segments {
                self.find(&name, format_args!("segment {i} of {segments} is not full"));
            }
        }
        // A handle of its own, so that what is verified here is read again, not taken from memory.
        let fresh = data.directory.map(|slot| TableData::load(self.pin, table.id, slot));
        let Some(fresh) = fresh.and_then(|fresh| self.expect(&name, fresh)) else { return };
        if (fresh.rows, fresh.row_groups()) != (data.rows, data.row_groups()) {
            self.find(&name, "its directory in the file is not the one in memory");
        }
        let listed = list_row_groups(&fresh, table, &snapshot.pin);
        let Some(row_groups) = self.expect(&name, listed) else { return };
        let mut bytes = 0;
        for row_group in &row_groups {
            bytes += row_group.bytes();
            self.row_group(table, row_group);
        }
        if bytes != fresh.bytes {
            self.find(
                &name,
                format_args!("its directory says {} bytes, its row groups {bytes}", fresh.bytes),
            );
        }
    }

    fn row_group(&mut self, table: &TableDefinition, row_group: &RowGroup) {
        self.report.row_groups += 1;
        let name = format!("table \"{}\", row group {}", table.name, row_group.index());
        let group = Arc::clone(row_group.group());
        let SegmentEntry { record: slot, deletes, bytes, .. } = group.entry;
        self.record(slot, &name);
        if let Some((page, pages)) = deletes {
            self.claim(page, u64::from(pages), format!("the delete vector of {name}"));
        }
        let Some(record) = self.expect(&name, group.record(self.pin)) else { return };
        let header = record.header();
        self.claim(header.extent_page.get(), header.extent_pages.get(), format!("the chunks of {name}"));
        if header.extent_bytes.get() != bytes {
            self.find(&name, "its record and its segment disagree about its bytes");
        }
        let mut places: Vec<_> =
            record.chunks().iter().map(|m| (m.byte_offset.get(), m.byte_len.get())).collect();
        places.sort_unstable();
        if places.windows(2).any(|pair| pair[0].0 + pair[0].1 > pair[1].0) {
            self.find(&name, "chunks lie over each other");
        }
        for (position, column) in table.columns.iter().enumerate() {
            if record.position(column.id).is_none() {
                continue;
            }
            self.report.chunks += 1;
            let checked = check_chunk(row_group, position, column.nullable);
            if let Some(Some(what)) = self.expect(&name, checked) {
                self.find(format!("{name}, column \"{}\"", column.name), what);
            }
        }
    }

    /// Every slot of a heap page that is referred to is live, every other one is dead.
    fn heap_pages(&mut self) {
        let space = self.pin.space_table().map_or_else(|_| SpaceTable::default(), |(table, _)| table);
        let sparse: BTreeMap<PageId, _> = space.sparse.iter().map(|page| (page.page, page)).collect();
        for page in sparse.keys() {
            self.slots.entry(*page).or_default();
        }
        let empty: &[u16] = &[];
        for (page, live) in std::mem::take(&mut self.slots) {
            self.claim(page.0, 1, "records");
            let read = self.pin.read_page(page);
            let Some((_, bytes)) = self.expect(format!("page {page}"), read) else { continue };
            let heap = HeapPage::parse(&bytes, page);
            let Some(heap) = self.expect(format!("page {page}"), heap) else { continue };
            let dead = sparse.get(&page).map_or(empty, |known| &known.dead);
            if sparse.get(&page).is_some_and(|known| known.slots != heap.slots()) {
                self.find(format!("page {page}"), "the table of free space has another number of its slots");
            }
            for slot in 0..heap.slots() {
                let (is_live, is_dead) = (live.contains(&slot), dead.binary_search(&slot).is_ok());
                if is_live == is_dead {
                    let what =
                        if is_live { "is in use, but dead" } else { "is live, but nothing refers to it" };
                    self.find(format!("page {page}, slot {slot}"), what);
                }
            }
        }
        for slot in std::mem::take(&mut self.chained) {
            self.chain(slot);
        }
    }

    /// Claims the overflow pages of a record.
    fn chain(&mut self, slot: SlotId) {
        let Ok((_, bytes)) = self.pin.read_page(slot.page()) else { return };
        let Ok(heap) = HeapPage::parse(&bytes, slot.page()) else { return };
        let Ok(Slot::Chained { first, pages, .. }) = heap.slot(slot.slot()) else { return };
        let mut next = Some(first);
        for _ in 0..pages {
            let Some(page) = next else { break };
            self.claim(page.0, 1, format!("record {slot}"));
            let read = self.pin.read_page(page);
            next = self.expect(format!("page {page}"), read).and_then(|(header, _)| header.next);
        }
    }

    fn space(&mut self) {
        let table = self.pin.space_table();
        let Some((table, pages)) = self.expect("the table of free space", table) else { return };
        for page in pages {
            self.claim(page.0, 1, "the table of free space");
        }
        for range in table.free {
            self.report.free_pages += range.pages;
            self.claim(range.start.0, range.pages, "nobody (free)");
        }
    }

    /// Each page of the file has one owner.
    fn account(&mut self) {
        let count = self.pin.superblock().page_count;
        self.report.pages = count;
        let mut claims = std::mem::take(&mut self.claims);
        claims.sort_unstable();
        let (mut next, mut last) = (0, String::new());
        for (start, pages, owner) in claims {
            let end = start.saturating_add(pages);
            if start > next {
                let gap = Extent { start: PageId(next), pages: start - next };
                self.find(gap, "neither free nor in use");
            }
            if start < next {
                let both = Extent { start: PageId(start), pages: next.min(end) - start };
                self.find(both, format_args!("owned twice: by {last} and by {owner}"));
            }
            if end > count {
                self.find(
                    Extent { start: PageId(start), pages },
                    format_args!("outside the file, owned by {owner}"),
                );
            }
            if end > next {
                (next, last) = (end, owner);
            }
        }
        if next < count {
            self.find(Extent { start: PageId(next), pages: count - next }, "neither free nor in use");
        }
    }
}

/// Reads all of a chunk and compares it with what its record says. `Some` tells what differs.
fn check_chunk(row_group: &RowGroup, column: usize, nullable: bool) -> Result<Option<String>> {
    let (meta, reader) = (row_group.chunk_meta(column)?, row_group.chunk(column)?);
    let (mut rows, mut nulls) = (0, 0);
    for block in 0..reader.blocks() {
        let values = reader.read_block(block)?;
        rows += values.len();
        nulls += values.logical_null_count();
    }
    let (said_rows, said_nulls) = (meta.row_count.get() as usize, meta.null_count.get() as usize);
    Ok(if (rows, nulls) != (said_rows, said_nulls) {
        Some(format!("it has {rows} rows and {nulls} NULLs; its record says {said_rows} and {said_nulls}"))
    } else if nulls > 0 && !nullable {
        Some(format!("{nulls} NULLs in a column that is NOT NULL"))
    } else {
        None
    })
}
