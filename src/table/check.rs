//! Looks at everything in a database and lists what is wrong: every checksum, every reference, and an account
//! of all pages and records from both sides. A page is free, or exactly one thing owns it; a record is dead,
//! or exactly one thing refers to it. (The accounting itself is the pager's; the names are ours.)

use std::fmt;
use std::sync::Arc;

use arrow_array::Array;

use crate::catalog::record::RecordKind;
use crate::catalog::{DeletesRef, SegmentEntry, TableDefinition};
use crate::pager::{Extent, Owner, PageId, PagerError, SlotId};
use crate::table::data::TableData;
use crate::table::error::Result;
use crate::table::pin::Pin;
use crate::table::row_group::{RowGroup, Source};
use crate::table::snapshot::{Snapshot, list_row_groups};
use crate::table::storage::Core;

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

impl Core {
    /// Checks the database as of the last commit. Reads all of it.
    ///
    /// # Errors
    /// None that the file is to blame for: what is wrong with it is in the report.
    pub fn check(&self) -> CheckReport {
        let mut report = check(&self.snapshot());
        if let Some(what) = self.recovery().damage.clone().filter(|_| !self.options().recover) {
            report.findings.push(Finding { place: "the last commits".into(), what });
        }
        report
    }
}

/// Checks a snapshot.
fn check(snapshot: &Arc<Snapshot>) -> CheckReport {
    let mut checker =
        Checker { pin: &snapshot.pin, report: CheckReport::default(), records: vec![], extents: vec![] };
    checker.catalog(snapshot);
    for table in snapshot.catalog().tables() {
        checker.report.tables += 1;
        if let Some(data) = snapshot.tables.get(&table.id) {
            checker.table(snapshot, table, data);
        }
    }
    checker.account();
    checker.expect("the file", snapshot.pin.check_readable());
    checker.report
}

struct Checker<'a> {
    pin: &'a Pin,
    report: CheckReport,
    /// Records that something refers to, and what they are.
    records: Vec<(SlotId, String)>,
    /// The same of extents.
    extents: Vec<(Extent, String)>,
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

    /// Notes that something refers to a record, and checks that it can be read.
    fn record(&mut self, slot: SlotId, what: impl fmt::Display) {
        self.report.records += 1;
        let read = self.pin.heap_get(slot);
        self.expect(format_args!("record {slot} ({what})"), read);
        self.records.push((slot, what.to_string()));
    }

    fn extent(&mut self, start: u64, pages: u64, what: impl fmt::Display) {
        self.extents.push((Extent { start: PageId(start), pages }, what.to_string()));
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
        let fresh = data.directory.map(|slot| TableData::load(self.pin, table.id, slot, None));
        let Some(fresh) = fresh.and_then(|fresh| self.expect(&name, fresh)) else { return };
        if (fresh.rows, fresh.deleted, fresh.row_groups()) != (data.rows, data.deleted, data.sealed_groups())
        {
            self.find(&name, "its directory in the file is not the one in memory");
        }
        let listed = list_row_groups(&fresh, table, &snapshot.pin);
        let Some(row_groups) = self.expect(&name, listed) else { return };
        let (mut bytes, mut deleted) = (0, 0);
        for row_group in &row_groups {
            bytes += row_group.bytes();
            deleted += row_group.deleted_rows() as u64;
            self.row_group(table, row_group);
        }
        if deleted != fresh.deleted {
            let said = fresh.deleted;
            self.find(
                &name,
                format_args!("its directory says {said} deleted rows, its row groups {deleted}"),
            );
        }
        if bytes != fresh.bytes {
            self.find(
                &name,
                format_args!("its directory says {} bytes, its row groups {bytes}", fresh.bytes),
            );
        }
    }

    fn row_group(&mut self, table: &TableDefinition, row_group: &RowGroup) {
        let Source::Sealed(group) = row_group.source() else { return };
        self.report.row_groups += 1;
        let name = format!("table \"{}\", row group {}", table.name, row_group.index());
        let SegmentEntry { record: slot, deletes, bytes, .. } = group.entry;
        self.record(slot, &name);
        if let Some(DeletesRef { page, pages, .. }) = deletes {
            let what = format!("the delete vector of {name}");
            self.extent(page, u64::from(pages), &what);
            self.expect(&what, row_group.deletes());
        }
        let Some(record) = self.expect(&name, group.record(self.pin)) else { return };
        let header = record.header();
        self.extent(header.extent_page.get(), header.extent_pages.get(), &name);
        if header.extent_bytes.get() != bytes {
            self.find(&name, "its record and its segment disagree about its bytes");
        }
        let mut places: Vec<_> =
            record.chunks().iter().map(|m| (m.byte_offset.get(), m.byte_len.get())).collect();
        let keys = record.keys();
        places.extend((keys.count > 0).then_some((keys.offset, keys.bytes)));
        places.sort_unstable();
        if places.windows(2).any(|pair| pair[0].0 + pair[0].1 > pair[1].0) {
            self.find(&name, "chunks lie over each other");
        }
        for key in table.indexed_keys() {
            let checked = row_group.check_keys(&key);
            if let Some(Some(what)) = self.expect(&name, checked) {
                self.find(format_args!("{name}, a key index"), what);
            }
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

    /// Each page has one owner, each record is referred to once or dead.
    fn account(&mut self) {
        let records = self.records.iter().map(|(slot, _)| *slot);
        let account = self.pin.account(records, self.extents.iter().map(|(extent, _)| *extent));
        self.report.pages = account.owners.len() as u64;
        self.report.free_pages = account.owners.iter().filter(|o| **o == Some(Owner::Free)).count() as u64;
        for fault in account.faults {
            let PagerError::Corrupt { what, page: Some(page) } = &fault else {
                self.find("the file", fault);
                continue;
            };
            // Who has to do with that page, in words.
            let records = self.records.iter().filter(|(slot, _)| slot.page() == *page).map(|(_, name)| name);
            let extents = self.extents.iter().filter(|(e, _)| e.start <= *page && *page < e.end());
            let names: Vec<_> = records.chain(extents.map(|(_, name)| name)).take(3).cloned().collect();
            let place = format!("page {page}");
            if names.is_empty() {
                self.find(place, what);
            } else {
                self.find(format_args!("{place} ({})", names.join("; ")), what);
            }
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
