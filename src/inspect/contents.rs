//! What the catalog of a file refers to, found without opening the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::record::RecordKind;
use crate::catalog::{
    CatalogRoot, ColumnId, DirectoryRecord, MAIN_SCHEMA, Object, RootEntry, RowGroupRecord, SchemaDefinition,
    SchemaId, SegmentEntry, SegmentRecord, TableDefinition, TableId,
};
use crate::column::{ChunkMeta, ChunkPlace, ChunkReader};
use crate::inspect::lost;
use crate::pager::inspect::Inspection;
use crate::pager::{Extent, PageId, SlotId};

/// Everything that can be reached from the catalog's root.
#[derive(Debug, Default)]
pub struct Contents {
    /// Where the root record is, if there is a superblock that tells.
    pub root: Option<SlotId>,
    /// Where the write-ahead log is, if there is one.
    pub log: Option<Extent>,
    /// The schemas, by id.
    pub schemas: BTreeMap<u64, SchemaDefinition>,
    /// The tables.
    pub tables: Vec<TableView>,
    /// All other objects.
    pub objects: Vec<Object>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
}

/// A table and where its records are.
#[derive(Debug)]
pub struct TableView {
    /// `schema.table`.
    pub name: String,
    /// The definition. If it is lost, what the row groups tell; `problems` says so.
    pub definition: TableDefinition,
    /// Slot of the definition, lost or not.
    pub record: SlotId,
    /// Slot of the directory of row groups.
    pub directory: Option<SlotId>,
    /// The earlier commit that the directory is of, if the last is lost.
    pub as_of: Option<u64>,
    /// Slots of the segments of the directory.
    pub segments: Vec<SlotId>,
    /// Its row groups, in the order of the rows.
    pub row_groups: Vec<RowGroupView>,
}

/// A row group and where it is.
#[derive(Debug)]
pub struct RowGroupView {
    /// Its number in the table.
    pub index: usize,
    /// Number of its first row.
    pub first_row: u64,
    /// Slot of its record.
    pub slot: SlotId,
    /// What its segment says about it: deleted rows, time range.
    pub entry: SegmentEntry,
    /// The record.
    pub record: RowGroupRecord<Bytes>,
}

impl Contents {
    /// Follows the catalog of a file. What is broken is left out and listed in `problems`.
    pub fn read(file: &Inspection) -> Self {
        let mut contents = Self::default();
        let superblock = match &file.superblock {
            Ok(superblock) => superblock,
            Err(e) => {
                contents.problems.push(e.to_string());
                return contents;
            }
        };
        if file.pages() < superblock.page_count {
            let (pages, counted) = (file.pages(), superblock.page_count);
            contents.problems.push(format!("the file is cut: it has {pages} of its {counted} pages"));
        }
        if let Err(e) = &file.space {
            contents.problems.push(format!("table of free space: {e}"));
        }
        contents.root = superblock.catalog_root;
        contents.log = superblock.log;
        let Some(slot) = contents.root else { return contents };
        let Some(root) = contents.record(file, slot, RecordKind::Root, CatalogRoot::decode) else {
            return contents;
        };
        for entry in &root.entries {
            if entry.kind == RecordKind::Schema
                && let Some(schema) =
                    contents.record(file, entry.record, RecordKind::Schema, SchemaDefinition::decode)
            {
                contents.schemas.insert(entry.id, schema);
            }
        }
        for entry in &root.entries {
            match entry.kind {
                RecordKind::Schema => {}
                RecordKind::Table => contents.read_table(file, entry),
                kind => {
                    let object = contents.record(file, entry.record, kind, |b| Object::decode(kind, b));
                    contents.objects.extend(object);
                }
            }
        }
        contents
    }

    /// The table of that name: `schema.table`, or the table's name alone.
    pub fn table(&self, name: &str) -> Option<&TableView> {
        let same = |t: &&TableView| {
            t.name.eq_ignore_ascii_case(name) || t.definition.name.eq_ignore_ascii_case(name)
        };
        self.tables.iter().find(same)
    }

    fn read_table(&mut self, file: &Inspection, entry: &RootEntry) {
        let definition = self.record(file, entry.record, RecordKind::Table, TableDefinition::decode);
        let (mut segments, mut row_groups) = (vec![], vec![]);
        let (mut directory, mut as_of) = (entry.directory, None);
        if let Some(slot) = entry.directory
            && !self.read_directory(file, slot, &mut segments, &mut row_groups)
        {
            let problems = std::mem::take(&mut self.problems);
            for (sequence, slot, then) in lost::earlier_directories(file, TableId(entry.id)) {
                (segments, row_groups) = (vec![], vec![]);
                self.read_directory(&then, slot, &mut segments, &mut row_groups);
                if !row_groups.is_empty() {
                    (directory, as_of) = (Some(slot), Some(sequence));
                    break;
                }
            }
            let missed = std::mem::replace(&mut self.problems, problems);
            if let Some(sequence) = as_of {
                let what = format!("the list of its rows is lost; they are those of commit {sequence}");
                self.problems.push(format!("table {}: {what}", entry.id));
                self.problems.extend(missed);
            }
        }
        let definition = definition.or_else(|| {
            if row_groups.is_empty() {
                return None;
            }
            let main = self.schemas.values().find(|schema| schema.name.eq_ignore_ascii_case(MAIN_SCHEMA));
            let schema = main.map_or(SchemaId(1), |schema| schema.id);
            let (definition, what) = lost::definition(file, TableId(entry.id), schema, &row_groups);
            self.problems.push(format!("table {}: {what}", entry.id));
            Some(definition)
        });
        let Some(definition) = definition else { return };
        let schema = self.schemas.get(&definition.schema.0).map_or("?", |s| &s.name);
        self.tables.push(TableView {
            name: format!("{schema}.{}", definition.name),
            definition,
            record: entry.record,
            directory,
            as_of,
            segments,
            row_groups,
        });
    }

    /// Reads what lists the rows of a table. Whether the first of it can be read.
    fn read_directory(
        &mut self,
        file: &Inspection,
        slot: SlotId,
        segments: &mut Vec<SlotId>,
        row_groups: &mut Vec<RowGroupView>,
    ) -> bool {
        let directory = self.record(file, slot, RecordKind::Directory, DirectoryRecord::decode);
        let Some(directory) = directory else { return false };
        let mut behind = 0;
        for segment in &directory.segments {
            segments.push(segment.slot);
            let mut first_row: u64 = behind;
            // The directory was checked: this is no more than all rows.
            behind += segment.rows;
            let read = self.record(file, segment.slot, RecordKind::Segment, SegmentRecord::decode);
            let Some(read) = read else { continue };
            if read.rows() != segment.rows {
                let (has, rows) = (read.rows(), segment.rows);
                self.problems.push(format!("segment at {}: {has} rows instead of {rows}", segment.slot));
                continue;
            }
            for group in &read.entries {
                let index = row_groups.len();
                let decode = |bytes: &[u8]| RowGroupRecord::new(Bytes::copy_from_slice(bytes));
                if let Some(record) = self.record(file, group.record, RecordKind::RowGroup, decode) {
                    let entry = *group;
                    row_groups.push(RowGroupView { index, first_row, slot: group.record, entry, record });
                }
                first_row += u64::from(group.rows);
            }
        }
        true
    }

    fn record<T>(
        &mut self,
        file: &Inspection,
        slot: SlotId,
        kind: RecordKind,
        decode: impl FnOnce(&[u8]) -> crate::catalog::record::Decoded<T>,
    ) -> Option<T> {
        let bytes = match file.record(slot) {
            Ok(bytes) => bytes,
            Err(e) => {
                self.problems.push(format!("{} at {slot}: {e}", kind.name()));
                return None;
            }
        };
        match decode(&bytes) {
            Ok(value) => Some(value),
            Err(e) => {
                self.problems.push(e.at(kind, slot).to_string());
                None
            }
        }
    }
}

impl RowGroupView {
    /// The pages that hold its chunks.
    pub fn extent(&self) -> Extent {
        let header = self.record.header();
        Extent { start: PageId(header.extent_page.get()), pages: header.extent_pages.get() }
    }

    /// The pages of its delete vector, if rows of it are deleted.
    pub fn deletes_extent(&self) -> Option<Extent> {
        let deletes = self.entry.deletes?;
        Some(Extent { start: PageId(deletes.page), pages: u64::from(deletes.pages) })
    }

    /// What the catalog keeps of the chunk of a column; `None` if the column came later.
    pub fn chunk_meta(&self, column: ColumnId) -> Option<&ChunkMeta> {
        let position = self.record.columns().iter().position(|id| id.get() == column.0)?;
        self.record.chunks().get(position)
    }

    /// Where the chunk of a column begins in the file, in bytes.
    pub fn chunk_offset(&self, file: &Inspection, meta: &ChunkMeta) -> u64 {
        let page = self.record.header().extent_page.get();
        page.saturating_mul(u64::from(file.page_size())).saturating_add(meta.byte_offset.get())
    }

    /// Opens the chunk of the column at that position of the table.
    ///
    /// # Errors
    /// The chunk cannot be read or its header is damaged; or the row group has no such column.
    pub fn open_chunk(
        &self,
        file: &Inspection,
        table: &TableDefinition,
        position: usize,
    ) -> Result<ChunkReader, crate::Error> {
        let column = &table.columns[position];
        let Some(meta) = self.chunk_meta(column.id) else {
            return Err(crate::Error::from(crate::pager::PagerError::Invalid(format!(
                "row group {} has no chunk of column {}: the column is younger",
                self.index, column.name
            ))));
        };
        let bytes = usize::try_from(meta.byte_len.get()).unwrap_or(usize::MAX);
        let bytes = file.bytes(self.chunk_offset(file, meta), bytes)?;
        let place = ChunkPlace {
            table: Arc::from(&*table.name),
            column: Arc::from(&*column.name),
            table_id: table.id.0 as u32,
            column_id: column.id.0,
            row_group: self.index as u64,
        };
        Ok(ChunkReader::open(bytes, &column.ty, place)?)
    }
}
