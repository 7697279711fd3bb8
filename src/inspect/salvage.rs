//! What can still be proven good of a damaged file: the newest commit whose root can be read, its definitions, and the rows
//! whose checksums are right and of which it is known that they were not deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow_schema::DataType;
use arrow_select::{concat::concat, filter::filter, take::take};

use crate::catalog::record::RecordKind;
use crate::catalog::{
    Catalog, CatalogRoot, ConstraintKind, DeletesRef, DirectoryRecord, MAIN_SCHEMA, Object, SchemaDefinition,
    SchemaId, SequenceDefinition, SequenceOwner, TableDefinition, TableId,
};
use crate::column::{BLOCK_ROWS, ChunkReader};
use crate::inspect::search::records;
use crate::inspect::{Contents, RowGroupView, TableView};
use crate::pager::inspect::Inspection;
use crate::pager::{LogEnd, PagerError, SlotId, Superblock};
use crate::table::Finding;
use crate::table::deletes::DeleteVector;
use crate::table::log_record::{LogRecord, Rows};

/// What was found.
pub(crate) struct Salvage {
    file: Inspection,
    contents: Contents,
    /// The definitions that could be read, as far as they go together.
    pub(crate) catalog: Catalog,
    changes: BTreeMap<TableId, Changes>,
    /// What is lost, other than rows.
    pub(crate) findings: Vec<Finding>,
}

/// What the log says of a table.
#[derive(Default)]
struct Changes {
    deleted: BTreeSet<u64>,
    /// Rows that were added, each with the number of its first.
    added: Vec<(u64, Rows)>,
}

/// Rows of a table that were found, and those that were not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RowCount {
    pub(crate) found: u64,
    pub(crate) lost: u64,
}

fn finding(place: impl Into<String>, what: impl ToString) -> Finding {
    Finding { place: place.into(), what: what.to_string() }
}

impl Salvage {
    /// Looks for all that there is in a file.
    ///
    /// # Errors
    /// There is nothing like a database in it.
    pub(crate) fn open(file: Inspection) -> Result<Self, PagerError> {
        let mut findings = vec![];
        let file = find_root(file, &mut findings)?;
        let mut contents = Contents::read(&file);
        findings.extend(contents.problems.drain(..).map(|what| finding("the catalog", what)));
        let catalog = catalog_of(&contents, &mut findings)?;
        let mut salvage = Self { file, contents, catalog, changes: BTreeMap::new(), findings };
        salvage.read_log();
        Ok(salvage)
    }

    /// The commit that this is, without those of the log.
    pub(crate) fn sequence(&self) -> u64 {
        self.file.superblock.as_ref().map_or(0, |superblock| superblock.sequence)
    }

    /// Size of the file's pages.
    pub(crate) fn page_size(&self) -> u32 {
        self.file.page_size()
    }

    /// Takes what the log says, up to the first frame that cannot be read.
    fn read_log(&mut self) {
        let log = match self.file.log() {
            Ok(log) => log,
            Err(error) => return self.findings.push(finding("the log", error)),
        };
        match &log.content.tail {
            LogEnd::Clean => {}
            LogEnd::Torn { bytes } => {
                let what = format!("its last {bytes} bytes are no whole frames: a crash, or damage");
                self.findings.push(finding("the log", what));
            }
            LogEnd::Damaged { what, .. } => self.findings.push(finding("the log", what)),
        }
        for (i, payload) in log.payloads().enumerate() {
            let record = match LogRecord::decode(payload, &self.catalog) {
                Ok(record) => record,
                Err(what) => {
                    let count = log.content.frames.len() - i;
                    let what = format!("{what}; it and those behind it, {count} commits, are left out");
                    return self.findings.push(finding(format!("frame {} of the log", i + 1), what));
                }
            };
            for (id, state) in record.sequences {
                for sequence in self.catalog.sequences().filter(|sequence| sequence.id.0 == id.0) {
                    sequence.counter.replay(state);
                }
            }
            for change in record.tables {
                let changes = self.changes.entry(change.table).or_default();
                changes.deleted.extend(change.deleted);
                let mut first = change.rows_before;
                for rows in change.added {
                    let count = u64::from(rows.rows);
                    changes.added.push((first, rows));
                    first = first.saturating_add(count);
                }
            }
        }
    }

    /// Gives `take` the rows of a table that are good, some at a time: an array for each of its columns. What is lost goes
    /// to `findings`.
    pub(crate) fn rows<E>(
        &self,
        table: &TableDefinition,
        findings: &mut Vec<Finding>,
        mut take: impl FnMut(Vec<ArrayRef>) -> Result<(), E>,
    ) -> Result<RowCount, E> {
        let mut count = RowCount::default();
        let view = self.contents.tables.iter().find(|view| view.definition.id == table.id);
        let changes = self.changes.get(&table.id);
        let mut expected = changes.map_or(0, |changes| {
            let added: i128 = changes.added.iter().map(|(_, rows)| i128::from(rows.rows)).sum();
            added - changes.deleted.len() as i128
        });
        if let Some(view) = view {
            expected += i128::from(self.sealed_rows(view));
            // What the log deletes is numbered as of the last superblock.
            let deleted = if view.as_of.is_none() { changes } else { None };
            for group in &view.row_groups {
                let name = format!("table {}, row group {}", view.name, group.index);
                match self.row_group(view, group, deleted, &name, findings) {
                    Ok(Some(rows)) => {
                        count.found += rows[0].len() as u64;
                        take(rows)?;
                    }
                    Ok(None) => {}
                    Err(what) => findings.push(finding(name, what)),
                }
            }
        }
        for (first, rows) in changes.into_iter().flat_map(|changes| &changes.added) {
            let columns: Vec<ArrayRef> = table
                .columns
                .iter()
                .map(|column| {
                    let found = rows.columns.iter().find(|(id, _)| *id == column.id);
                    found.map_or_else(
                        || new_null_array(&column.ty.arrow(), rows.rows as usize),
                        |(_, array)| Arc::clone(array),
                    )
                })
                .collect();
            let left = self.left(changes, *first, rows.rows as usize, None);
            match keep(&columns, &left) {
                Ok(Some(rows)) => {
                    count.found += rows[0].len() as u64;
                    take(rows)?;
                }
                Ok(None) => {}
                Err(what) => findings.push(finding(format!("table \"{}\", the log", table.name), what)),
            }
        }
        // It is less than there are only where the file contradicts itself.
        count.lost = u64::try_from(expected - i128::from(count.found)).unwrap_or(0);
        Ok(count)
    }

    /// Rows that the directory of a table says it has; if that is lost, those of the row groups that were found.
    fn sealed_rows(&self, view: &TableView) -> u64 {
        let directory = view.directory.and_then(|slot| self.file.record(slot).ok());
        match directory.and_then(|bytes| DirectoryRecord::decode(&bytes).ok()) {
            Some(directory) => directory.rows.saturating_sub(directory.deleted_rows),
            None => view.row_groups.iter().map(|g| u64::from(g.entry.rows - g.entry.deleted_rows)).sum(),
        }
    }

    /// Which of some rows were not deleted.
    fn left(
        &self,
        changes: Option<&Changes>,
        first: u64,
        rows: usize,
        deletes: Option<&DeleteVector>,
    ) -> BooleanArray {
        let mut left: Vec<bool> =
            (0..rows).map(|row| !deletes.is_some_and(|deletes| deletes.bits().value(row))).collect();
        let behind = first.saturating_add(rows as u64);
        for row in changes.into_iter().flat_map(|changes| changes.deleted.range(first..behind)) {
            left[(row - first) as usize] = false;
        }
        left.into()
    }

    /// The good rows of a row group.
    fn row_group(
        &self,
        view: &TableView,
        group: &RowGroupView,
        changes: Option<&Changes>,
        name: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Vec<ArrayRef>>, String> {
        let (file, table, rows) = (&self.file, &view.definition, group.entry.rows as usize);
        if group.record.header().rows.get() != group.entry.rows {
            return Err(format!("its record does not have the {rows} rows that its segment says"));
        }
        let deletes = match group.entry.deletes {
            None => None,
            Some(DeletesRef { page, checksum, .. }) => {
                let bytes = file
                    .bytes(
                        page.saturating_mul(u64::from(file.page_size())),
                        DeleteVector::encoded_bytes(group.entry.rows),
                    )
                    .map_err(|error| format!("which of its rows are deleted is lost: {error}"))?;
                let vector = DeleteVector::decode(&bytes, table.id, &group.entry, checksum)
                    .map_err(|what| format!("which of its rows are deleted is lost: {what}"))?;
                Some(vector)
            }
        };
        let left = self.left(changes, group.first_row, rows, deletes.as_ref());
        let readers = (0..table.columns.len()).map(|position| {
            let column = &table.columns[position];
            let Some(meta) = group.chunk_meta(column.id) else { return Ok(None) };
            let reader = group.open_chunk(file, table, position).map_err(|error| error.to_string())?;
            if reader.header_crc() != meta.header_crc.get() || reader.rows() != rows {
                return Err(format!("the chunk of column \"{}\" is another", column.name));
            }
            Ok(Some(reader))
        });
        let readers = readers.collect::<Result<Vec<_>, String>>()?;
        let mut parts: Vec<Vec<ArrayRef>> = vec![vec![]; readers.len()];
        // Rows that are lost, and why the first of them are; blocks in a row are one piece.
        let mut lost: Vec<(std::ops::Range<usize>, String)> = vec![];
        for (block, from) in (0..rows).step_by(BLOCK_ROWS).enumerate() {
            let count = BLOCK_ROWS.min(rows - from);
            let read = readers.iter().enumerate().map(|(position, reader)| {
                let column = &table.columns[position];
                match reader {
                    None => Ok(new_null_array(&column.ty.arrow(), count)),
                    Some(reader) => read_block(reader, block, count)
                        .map_err(|what| format!("column \"{}\": {what}", column.name)),
                }
            });
            let kept = read
                .collect::<Result<Vec<_>, String>>()
                .and_then(|arrays| keep(&arrays, &left.slice(from, count)));
            match (kept, lost.last_mut()) {
                (Ok(Some(arrays)), _) => {
                    parts.iter_mut().zip(arrays).for_each(|(part, array)| part.push(array));
                }
                (Ok(None), _) => {}
                (Err(_), Some((piece, _))) if piece.end == from => piece.end += count,
                (Err(what), _) => lost.push((from..from + count, what)),
            }
        }
        for (piece, what) in lost {
            findings.push(finding(format!("{name}, rows {} to {}", piece.start, piece.end - 1), what));
        }
        if parts.first().is_none_or(Vec::is_empty) {
            return Ok(None);
        }
        let whole = parts.iter().map(|part| {
            let part: Vec<&dyn Array> = part.iter().map(AsRef::as_ref).collect();
            concat(&part).map_err(|error| error.to_string())
        });
        whole.collect::<Result<Vec<_>, _>>().map(Some)
    }
}

/// A block of a chunk, in the layout of its type.
fn read_block(reader: &ChunkReader, block: usize, rows: usize) -> Result<ArrayRef, String> {
    let array = reader.read_block(block).map_err(|error| error.to_string())?;
    if array.len() != rows {
        return Err(format!("{} rows where there should be {rows}", array.len()));
    }
    let DataType::Dictionary(..) = array.data_type() else { return Ok(array) };
    let dictionary = array.as_any_dictionary();
    take(dictionary.values(), dictionary.keys(), None).map_err(|error| error.to_string())
}

/// The rows that are left, if there are any.
fn keep(columns: &[ArrayRef], left: &BooleanArray) -> Result<Option<Vec<ArrayRef>>, String> {
    if left.true_count() == 0 || columns.is_empty() {
        return Ok(None);
    }
    let kept = columns.iter().map(|array| filter(array, left).map_err(|error| error.to_string()));
    kept.collect::<Result<_, _>>().map(Some)
}

/// The file as of the newest commit whose root can be read.
fn find_root(file: Inspection, findings: &mut Vec<Finding>) -> Result<Inspection, PagerError> {
    let valid = file.superblock.clone();
    if let Err(error @ (PagerError::UnsupportedVersion { .. } | PagerError::UnsupportedFeatures { .. })) =
        valid
    {
        return Err(error);
    }
    let newest = valid.as_ref().map_or(0, |superblock| superblock.sequence);
    if let Some(lost) = file.lost_commit() {
        findings.push(finding("the superblocks", lost));
        // The superblock of the last commit is gone, but the rest of it need not be.
        if let Some((sequence, slot)) = roots(&file).into_iter().find(|(sequence, _)| *sequence > newest) {
            let base = valid.clone()?;
            findings.push(finding(
                "the superblocks",
                format!("the root of commit {sequence} was found at {slot}"),
            ));
            return Ok(file.as_of(Superblock {
                sequence,
                catalog_root: Some(slot),
                space_root: None,
                space_pages: 0,
                ..base
            }));
        }
    }
    let mut candidates = file.superblocks();
    for superblock in &candidates {
        let looked = file.as_of(*superblock);
        let root = superblock.catalog_root.map_or(Ok(()), |slot| is_root(&looked, slot));
        match root {
            Ok(()) => return Ok(looked),
            Err(what) => {
                findings.push(finding(format!("the root of commit {}", superblock.sequence), what));
            }
        }
    }
    let (sequence, slot) = *roots(&file).first().ok_or_else(|| {
        valid
            .err()
            .unwrap_or_else(|| PagerError::corrupt("no root of a catalog can be read in the whole file"))
    })?;
    findings.push(finding("the superblocks", format!("the root of commit {sequence} was found at {slot}")));
    let found = Superblock {
        version: crate::pager::FORMAT_VERSION,
        page_size: file.page_size(),
        compatible: 0,
        incompatible: 0,
        database_id: [0; 16],
        sequence,
        page_count: file.pages(),
        catalog_root: Some(slot),
        space_root: None,
        space_pages: 0,
        log: None,
    };
    // What the log of an earlier commit says does not follow this one.
    let base = candidates.pop().map_or(found, |base| Superblock { log: None, incompatible: 0, ..base });
    Ok(file.as_of(Superblock {
        sequence,
        catalog_root: Some(slot),
        space_root: None,
        space_pages: 0,
        ..base
    }))
}

fn is_root(file: &Inspection, slot: SlotId) -> Result<(), String> {
    let bytes = file.record(slot).map_err(|error| error.to_string())?;
    CatalogRoot::decode(&bytes).map(|_| ()).map_err(|error| error.at(RecordKind::Root, slot).to_string())
}

/// All records in the file that are roots of a catalog and whose pages are sound, with the commits that wrote them, the
/// newest first.
fn roots(file: &Inspection) -> Vec<(u64, SlotId)> {
    let found = records(file, |bytes| CatalogRoot::decode(bytes).ok());
    found.into_iter().map(|(sequence, slot, _)| (sequence, slot)).collect()
}

/// A catalog of the definitions that go together.
fn catalog_of(contents: &Contents, findings: &mut Vec<Finding>) -> Result<Catalog, PagerError> {
    let mut schemas: Vec<SchemaDefinition> = contents.schemas.values().cloned().collect();
    let is_there = |owner: SequenceOwner| contents.tables.iter().any(|table| owner.is_in(&table.definition));
    let owned = |object: &Object| match object {
        // A sequence whose column is lost is one of its own.
        Object::Sequence(sequence)
            if sequence.owner.is_some_and(|owner| owner.column.is_some() && !is_there(owner)) =>
        {
            SequenceDefinition { owner: None, ..SequenceDefinition::clone(sequence) }.into()
        }
        other => other.clone(),
    };
    let mut objects: Vec<Object> = contents.objects.iter().map(owned).collect();
    for view in &contents.tables {
        let mut table = view.definition.clone();
        table.constraints.retain(|constraint| match &constraint.kind {
            ConstraintKind::ForeignKey { table: parent, .. } => {
                let is_there = contents.tables.iter().any(|other| other.definition.id == *parent);
                if !is_there {
                    findings.push(finding(
                        format!("table {}", view.name),
                        "the table that a foreign key of it refers to is lost, and so is the key",
                    ));
                }
                is_there
            }
            _ => true,
        });
        objects.push(table.into());
    }
    objects.sort_by_key(Object::id);
    // A schema whose definition is lost gets another name; if the main one is lost, the first of them is that.
    let known: BTreeSet<u64> = contents.schemas.keys().copied().collect();
    let missing: BTreeSet<u64> =
        objects.iter().map(|object| object.schema().0).filter(|id| !known.contains(id)).collect();
    for id in missing {
        let has_main = schemas.iter().any(|schema| schema.name.eq_ignore_ascii_case(MAIN_SCHEMA));
        let name = if has_main { format!("lost_schema_{id}") } else { MAIN_SCHEMA.to_owned() };
        findings.push(finding(format!("schema {id}"), format!("its name is lost; it is \"{name}\" now")));
        schemas.push(SchemaDefinition { id: SchemaId(id), name: name.into(), comment: None });
    }
    if !schemas.iter().any(|schema| schema.name.eq_ignore_ascii_case(MAIN_SCHEMA)) {
        schemas.push(SchemaDefinition {
            id: SchemaId(u64::MAX - 1),
            name: MAIN_SCHEMA.into(),
            comment: None,
        });
    }
    let whole = |objects: Vec<Object>| Catalog::from_parts(schemas.clone(), objects, vec![], u64::MAX);
    if let Ok(catalog) = whole(objects.clone()) {
        return Ok(catalog);
    }
    // Sequences come behind the tables that own them.
    objects.sort_by_key(|object| matches!(object, Object::Sequence(_)));
    let mut good = vec![];
    for object in objects {
        let name = object.name().to_owned();
        good.push(object);
        if let Err(what) = whole(good.clone()) {
            good.pop();
            findings.push(finding(format!("\"{name}\""), what));
        }
    }
    whole(good).map_err(|what| PagerError::corrupt(format!("its schemas contradict each other: {what}")))
}
