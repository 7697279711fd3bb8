//! What lies in the file and what goes on in the engine, as rows: `flux_pages()` and its like.
//!
//! Long listings are made piece by piece while they are read.

use std::sync::Arc;

use crate::catalog::{Object, ObjectKind};
use crate::column::ChunkStats;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType as T;
use crate::exec::batch::{Batch, Field, Schema};
use crate::exec::cast::text::Writer;
use crate::exec::context::ExecContext;
use crate::exec::error::{ExecError, Result};
use crate::exec::source::{ColumnPredicate, Source, SourceScan, TableFunctionArgs, lazy_scan};
use crate::inspect::{
    Contents, FRAME_HEADER_BYTES, Inspection, PageId, PageKind, PageRange, PageUse, PageView, RecordKind,
    Slot, SlotId, log_commit, page_map,
};
use crate::sql::bind::Environment;
use crate::sql::parser::parse_name;
use crate::sql::session::{DatabaseView, FoundObject};
use crate::sql::sources::rows::{int, text};
use crate::sql::sources::{RowsBuilder, running};
use crate::table::{RowGroup, TableError, TableSnapshot};

/// Pages that are looked at in one piece.
const PAGES_A_PIECE: usize = 8_192;

/// The table function of that name.
pub fn table_function(
    env: &Environment<'_>,
    name: &str,
    args: &TableFunctionArgs,
) -> Option<Result<Arc<dyn Source>>> {
    let most = match name {
        "flux_row_groups" | "flux_chunks" => 1,
        "flux_blocks" => 2,
        _ if name.starts_with("flux_") => 0,
        _ => return None,
    };
    let made = match words(name, args, most) {
        Err(e) => Err(e),
        Ok(words) => match name {
            "flux_pages" => pages(env),
            "flux_heaps" => heaps(env),
            "flux_tables" => tables(env).finish(name).map(source),
            "flux_row_groups" => row_groups(env, words.first()),
            "flux_chunks" => chunks(env, words.first()),
            "flux_blocks" => blocks(env, words.first(), words.get(1)),
            "flux_wal" => wal(env).and_then(|rows| rows.finish(name)).map(source),
            "flux_sealing" => running::sealing(env).finish(name).map(source),
            "flux_snapshots" => running::snapshots(env).finish(name).map(source),
            "flux_settings" => super::system::settings(env).finish(name).map(source),
            "flux_memory" => running::memory(env).and_then(|rows| rows.finish(name)).map(source),
            "flux_queries" => running::queries(env).finish(name).map(source),
            _ => return None,
        },
    };
    Some(made)
}

fn source(rows: super::StaticRows) -> Arc<dyn Source> {
    Arc::new(rows)
}

/// The arguments, which are texts.
fn words(name: &str, args: &TableFunctionArgs, most: usize) -> Result<Vec<String>> {
    let what = match most {
        0 => "no arguments",
        1 => "the name of a table, or nothing for all",
        _ => "the name of a table and that of a column, or nothing for all",
    };
    let wrong = || ExecError::InvalidInput(format!("{name} takes {what}"));
    if args.positional.len() > most || !args.named.is_empty() {
        return Err(wrong());
    }
    let word = |(value, _): &(Scalar, T)| match value {
        Scalar::Text(text) => Ok(text.to_string()),
        _ => Err(wrong()),
    };
    args.positional.iter().map(word).collect()
}

/// Rows that are made piece by piece.
struct Listing<F> {
    name: &'static str,
    schema: Schema,
    pieces: usize,
    estimate: u64,
    make: Arc<F>,
}

impl<F> std::fmt::Debug for Listing<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listing").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A source of so many pieces. `make` fills an empty builder of these columns.
fn listing<F>(
    name: &'static str,
    columns: &'static [(&'static str, T)],
    pieces: usize,
    estimate: u64,
    make: F,
) -> Arc<dyn Source>
where
    F: Fn(usize, &mut RowsBuilder) -> Result<()> + Send + Sync + 'static,
{
    let schema = columns.iter().map(|(name, ty)| Field::new(*name, ty.clone())).collect();
    let make = Arc::new(move |piece: usize| {
        let mut rows = RowsBuilder::new(columns);
        make(piece, &mut rows)?;
        rows.finish(name)
    });
    Arc::new(Listing { name, schema, pieces, estimate, make })
}

impl<F> Source for Listing<F>
where
    F: Fn(usize) -> Result<super::StaticRows> + Send + Sync + 'static,
{
    fn describe(&self) -> String {
        self.name.to_uppercase()
    }

    fn schema(&self) -> Schema {
        Arc::clone(&self.schema)
    }

    fn estimated_rows(&self) -> Option<u64> {
        Some(self.estimate)
    }

    fn scan(
        &self,
        columns: &[usize],
        _predicates: &[ColumnPredicate],
        context: &Arc<ExecContext>,
    ) -> Result<Box<dyn SourceScan>> {
        let (columns, make, context) = (columns.to_vec(), Arc::clone(&self.make), Arc::clone(context));
        Ok(Box::new(lazy_scan(self.pieces, move |piece| {
            context.check_cancelled()?;
            let (_, batches) = make(piece)?.into_parts();
            let chosen = |batch: Batch| {
                Batch::new(columns.iter().map(|&i| Arc::clone(&batch.columns[i])).collect(), batch.rows)
            };
            Ok(batches.into_iter().map(chosen).collect())
        })))
    }
}

fn optional(value: Option<u64>) -> Scalar {
    value.map_or(Scalar::Null, int)
}

pub(super) fn ratio(part: u64, whole: u64) -> Scalar {
    if whole == 0 { Scalar::Null } else { Scalar::Float(part as f64 / whole as f64) }
}

/// The files of all databases, as they are now.
fn files(env: &Environment<'_>) -> Result<Vec<(Arc<str>, Inspection, Contents)>> {
    let mut out = vec![];
    for database in env.tables.names().databases() {
        let file = database.database().storage().inspection().map_err(ExecError::Storage)?;
        let contents = Contents::read(&file);
        out.push((Arc::from(database.name()), file, contents));
    }
    Ok(out)
}

fn pages(env: &Environment<'_>) -> Result<Arc<dyn Source>> {
    const COLUMNS: &[(&str, T)] = &[
        ("database_name", T::Varchar),
        ("page", T::BigInt),
        ("kind", T::Varchar),
        ("table_name", T::Varchar),
        ("row_group", T::BigInt),
        ("sequence", T::BigInt),
        ("next", T::BigInt),
        ("bytes", T::BigInt),
        ("problem", T::Varchar),
    ];
    // Pieces of ranges of the same use.
    let mut pieces: Vec<(usize, PageRange)> = vec![];
    let mut files_of = vec![];
    for (number, (name, file, contents)) in files(env)?.into_iter().enumerate() {
        for range in page_map(&file, &contents) {
            let mut start = range.start.0;
            let end = start + range.pages;
            while start < end {
                let pages = (end - start).min(PAGES_A_PIECE as u64);
                pieces.push((
                    number,
                    PageRange { start: PageId(start), pages, used_for: range.used_for.clone() },
                ));
                start += pages;
            }
        }
        files_of.push((name, file));
    }
    let estimate = pieces.iter().map(|(_, r)| r.pages).sum();
    // Ranges may be short: some of them make a piece.
    let mut groups: Vec<Vec<(usize, PageRange)>> = vec![];
    let mut pages = PAGES_A_PIECE as u64;
    for piece in pieces {
        if pages >= PAGES_A_PIECE as u64 {
            groups.push(vec![]);
            pages = 0;
        }
        pages += piece.1.pages;
        if let Some(last) = groups.last_mut() {
            last.push(piece);
        }
    }
    Ok(listing("flux_pages", COLUMNS, groups.len(), estimate, move |piece, rows| {
        for (number, range) in &groups[piece] {
            let (name, file) = &files_of[*number];
            let (table, row_group) = match &range.used_for {
                PageUse::RowGroup { table, row_group } | PageUse::Deletes { table, row_group } => {
                    (text(table), int(*row_group as u64))
                }
                _ => (Scalar::Null, Scalar::Null),
            };
            let problem = match &range.used_for {
                PageUse::Damaged(what) => text(what),
                _ => Scalar::Null,
            };
            for page in range.start.0..range.start.0 + range.pages {
                let header = match range.used_for {
                    PageUse::Heap | PageUse::Overflow | PageUse::Space => file.view(PageId(page)).ok(),
                    _ => None,
                };
                let (sequence, next) = match header {
                    Some(PageView::Paged(header)) => (Some(header.sequence), header.next.map(|p| p.0)),
                    _ => (None, None),
                };
                rows.push([
                    Scalar::Text(Arc::clone(name)),
                    int(page),
                    text(range.used_for.kind()),
                    table.clone(),
                    row_group.clone(),
                    optional(sequence),
                    optional(next),
                    int(u64::from(file.page_size())),
                    problem.clone(),
                ]);
            }
        }
        Ok(())
    }))
}

fn heaps(env: &Environment<'_>) -> Result<Arc<dyn Source>> {
    const COLUMNS: &[(&str, T)] = &[
        ("database_name", T::Varchar),
        ("page", T::BigInt),
        ("slot", T::Integer),
        ("record", T::Varchar),
        ("version", T::Integer),
        ("live", T::Boolean),
        ("bytes", T::BigInt),
        ("page_offset", T::Integer),
        ("overflow_page", T::BigInt),
        ("overflow_pages", T::BigInt),
        ("problem", T::Varchar),
    ];
    let mut pieces = vec![];
    let mut files_of = vec![];
    for (number, (name, file, contents)) in files(env)?.into_iter().enumerate() {
        for range in page_map(&file, &contents) {
            if range.used_for == PageUse::Heap {
                pieces
                    .extend((range.start.0..range.start.0 + range.pages).map(|page| (number, PageId(page))));
            }
        }
        files_of.push((name, file));
    }
    let estimate = pieces.len() as u64 * 16;
    Ok(listing("flux_heaps", COLUMNS, pieces.len(), estimate, move |piece, rows| {
        let (number, page) = pieces[piece];
        let (name, file) = &files_of[number];
        let dead = file.dead_slots(page);
        let Ok(slots) = file.heap_page(page, |heap| {
            debug_assert_eq!(heap.header.kind, PageKind::Heap);
            (0..heap.slots()).map(|slot| (slot, heap.slot(slot))).collect::<Vec<_>>()
        }) else {
            return Ok(());
        };
        for (slot, place) in slots {
            let record = SlotId::new(page, slot).and_then(|id| file.record(id));
            let kind = record.as_ref().ok().and_then(|r| r.first()).and_then(|b| RecordKind::from_byte(*b));
            let version = record.as_ref().ok().and_then(|r| r.get(1)).map(|v| u64::from(*v));
            let (mut length, mut offset, mut first, mut pages) = (None, None, None, None);
            match place {
                Ok(Slot::Inline { offset: at, length: bytes }) => {
                    (length, offset) = (Some(bytes as u64), Some(at as u64));
                }
                Ok(Slot::Chained { first: page, pages: count, length: bytes, .. }) => {
                    (length, first, pages) = (Some(bytes as u64), Some(page.0), Some(u64::from(count)));
                }
                Err(_) => {}
            }
            rows.push([
                Scalar::Text(Arc::clone(name)),
                int(page.0),
                int(u64::from(slot)),
                kind.map_or(Scalar::Null, |k| text(k.name())),
                optional(version),
                Scalar::Boolean(!dead.contains(&slot)),
                optional(length),
                optional(offset),
                optional(first),
                optional(pages),
                record.err().map_or(Scalar::Null, |e| text(&e.to_string())),
            ]);
        }
        Ok(())
    }))
}

/// A table with the names of where it is.
#[derive(Clone)]
struct Named {
    database: Arc<str>,
    schema: Arc<str>,
    table: Arc<TableSnapshot>,
    page_size: u64,
}

impl Named {
    fn names(&self) -> [Scalar; 3] {
        [
            Scalar::Text(Arc::clone(&self.database)),
            Scalar::Text(Arc::clone(&self.schema)),
            text(self.table.name()),
        ]
    }

    fn of(database: &DatabaseView, schema: &str, object: &Object) -> Result<Option<Self>> {
        let Object::Table(table) = object else { return Ok(None) };
        let page_size = u64::from(database.database().storage().options().page_size);
        Ok(Some(Self {
            database: database.name().into(),
            schema: schema.into(),
            table: database.table(table.id).map_err(ExecError::Storage)?,
            page_size,
        }))
    }
}

/// The table of that name, or all.
fn tables_named(env: &Environment<'_>, name: Option<&String>) -> Result<Vec<Named>> {
    if let Some(name) = name {
        let invalid = |e: &dyn std::fmt::Display| ExecError::InvalidInput(e.to_string());
        let parsed = parse_name(name).map_err(|e| invalid(&e.message))?;
        let FoundObject { database, schema, object } =
            env.tables.names().find(ObjectKind::Table, &parsed).map_err(|e| invalid(&e.message))?;
        return match Named::of(database, &schema.definition().name, object)? {
            Some(table) => Ok(vec![table]),
            None => Err(ExecError::InvalidInput(format!("{name} is not a table"))),
        };
    }
    let mut out = vec![];
    for database in env.tables.names().databases() {
        for schema in database.catalog().schemas() {
            for object in schema.relations() {
                out.extend(Named::of(database, &schema.definition().name, object)?);
            }
        }
    }
    Ok(out)
}

fn tables(env: &Environment<'_>) -> RowsBuilder {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("table_name", T::Varchar),
        ("table_id", T::BigInt),
        ("columns", T::BigInt),
        ("rows", T::BigInt),
        ("deleted_rows", T::BigInt),
        ("row_groups", T::BigInt),
        ("bytes", T::BigInt),
        ("memory_bytes", T::BigInt),
        ("compression", T::Double),
    ]);
    for named in tables_named(env, None).unwrap_or_default() {
        let table = &named.table;
        let mut memory = 0;
        for group in table.row_groups().unwrap_or_default() {
            for column in 0..table.definition().columns.len() {
                memory += group.chunk_meta(column).map_or(0, |meta| meta.memory_len.get());
            }
        }
        let [database, schema, name] = named.names();
        rows.push([
            database,
            schema,
            name,
            int(table.id().0),
            int(table.definition().columns.len() as u64),
            int(table.rows()),
            int(table.deleted_rows()),
            int(table.row_group_count() as u64),
            int(table.bytes()),
            int(memory),
            ratio(memory, table.bytes()),
        ]);
    }
    rows
}

/// All row groups of some tables.
fn groups_of(tables: Vec<Named>) -> Result<Vec<(Named, Arc<RowGroup>)>> {
    let mut out = vec![];
    for named in tables {
        for group in named.table.row_groups().map_err(ExecError::Storage)? {
            out.push((named.clone(), Arc::clone(group)));
        }
    }
    Ok(out)
}

fn row_groups(env: &Environment<'_>, name: Option<&String>) -> Result<Arc<dyn Source>> {
    const COLUMNS: &[(&str, T)] = &[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("table_name", T::Varchar),
        ("row_group", T::BigInt),
        ("first_row", T::BigInt),
        ("rows", T::BigInt),
        ("deleted_rows", T::BigInt),
        ("bytes", T::BigInt),
        ("page", T::BigInt),
        ("least_time", T::BigInt),
        ("greatest_time", T::BigInt),
    ];
    let groups = groups_of(tables_named(env, name)?)?;
    let estimate = groups.len() as u64;
    const PIECE: usize = 512;
    let pieces = groups.len().div_ceil(PIECE);
    Ok(listing("flux_row_groups", COLUMNS, pieces, estimate, move |piece, rows| {
        for (named, group) in groups.iter().skip(piece * PIECE).take(PIECE) {
            let page = match named.table.definition().columns.len() {
                0 => None,
                _ => Some(group.chunk_meta(0).map_err(ExecError::Storage)?.extent_page.get()),
            };
            let [database, schema, name] = named.names();
            let time = |t: Option<i64>| t.map_or(Scalar::Null, |t| Scalar::Int(t.into()));
            rows.push([
                database,
                schema,
                name,
                int(group.index() as u64),
                int(group.first_row()),
                int(group.rows() as u64),
                int(group.deleted_rows() as u64),
                int(group.bytes()),
                // Rows of a transaction that has not committed are nowhere yet.
                optional(page.filter(|page| *page != 0)),
                time(group.time_range().map(|t| t.0)),
                time(group.time_range().map(|t| t.1)),
            ]);
        }
        Ok(())
    }))
}

/// A bound as text.
fn bound(value: Option<&Scalar>, ty: &T) -> Scalar {
    let Some(array) = value.and_then(|v| v.to_array(ty, 1).ok()) else { return Scalar::Null };
    let Ok(writer) = Writer::new(&array, ty) else { return Scalar::Null };
    if writer.is_null(0) {
        return Scalar::Null;
    }
    let mut out = String::new();
    writer.write(0, &mut out);
    text(&out)
}

fn sum(stats: &ChunkStats, ty: &T) -> Scalar {
    match (&stats.sum, ty) {
        (Some(value @ Scalar::Int(_)), T::Decimal { scale, .. }) => {
            bound(Some(value), &T::Decimal { width: 38, scale: *scale })
        }
        (Some(Scalar::Int(v)), _) => text(&v.to_string()),
        (Some(Scalar::Float(v)), _) => bound(Some(&Scalar::Float(*v)), &T::Double),
        _ => Scalar::Null,
    }
}

fn chunks(env: &Environment<'_>, name: Option<&String>) -> Result<Arc<dyn Source>> {
    const COLUMNS: &[(&str, T)] = &[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("table_name", T::Varchar),
        ("row_group", T::BigInt),
        ("column_name", T::Varchar),
        ("column_id", T::BigInt),
        ("type", T::Varchar),
        ("codec", T::Varchar),
        ("offset", T::BigInt),
        ("bytes", T::BigInt),
        ("memory_bytes", T::BigInt),
        ("rows", T::BigInt),
        ("nulls", T::BigInt),
        ("blocks", T::BigInt),
        ("bits_per_value", T::Double),
        ("min", T::Varchar),
        ("max", T::Varchar),
        ("sum", T::Varchar),
        ("sorted", T::Boolean),
        ("distinct", T::BigInt),
    ];
    let groups = groups_of(tables_named(env, name)?)?;
    let estimate = groups.iter().map(|(named, _)| named.table.definition().columns.len() as u64).sum();
    Ok(listing("flux_chunks", COLUMNS, groups.len(), estimate, move |piece, rows| {
        let (named, group) = &groups[piece];
        for (position, column) in named.table.definition().columns.iter().enumerate() {
            let meta = group.chunk_meta(position).map_err(ExecError::Storage)?;
            let stats = meta.stats(&column.ty);
            let page = meta.extent_page.get();
            let offset = page.saturating_mul(named.page_size).saturating_add(meta.byte_offset.get());
            let [database, schema, name] = named.names();
            rows.push([
                database,
                schema,
                name,
                int(group.index() as u64),
                text(&column.name),
                int(u64::from(column.id.0)),
                text(&column.ty.to_string()),
                meta.codec().map_or(Scalar::Null, |c| text(c.name())),
                optional((page != 0).then_some(offset)),
                int(meta.byte_len.get()),
                int(meta.memory_len.get()),
                int(u64::from(meta.row_count.get())),
                int(u64::from(meta.null_count.get())),
                int(u64::from(meta.block_count.get())),
                ratio(meta.byte_len.get() * 8, u64::from(meta.row_count.get())),
                bound(stats.min.as_ref(), &column.ty),
                bound(stats.max.as_ref(), &column.ty),
                sum(&stats, &column.ty),
                Scalar::Boolean(stats.sorted),
                optional(stats.distinct),
            ]);
        }
        Ok(())
    }))
}

fn blocks(env: &Environment<'_>, name: Option<&String>, column: Option<&String>) -> Result<Arc<dyn Source>> {
    const COLUMNS: &[(&str, T)] = &[
        ("database_name", T::Varchar),
        ("schema_name", T::Varchar),
        ("table_name", T::Varchar),
        ("row_group", T::BigInt),
        ("column_name", T::Varchar),
        ("block", T::BigInt),
        ("first_row", T::BigInt),
        ("rows", T::BigInt),
        ("nulls", T::BigInt),
        ("codec", T::Varchar),
        ("coded", T::Varchar),
        ("offset", T::BigInt),
        ("bytes", T::BigInt),
        ("bits_per_value", T::Double),
        ("min", T::Varchar),
        ("max", T::Varchar),
        ("sum", T::Varchar),
        ("sorted", T::Boolean),
    ];
    let groups = groups_of(tables_named(env, name)?)?;
    let mut pieces = vec![];
    let mut found = column.is_none() || groups.is_empty();
    for (named, group) in groups {
        for (position, definition) in named.table.definition().columns.iter().enumerate() {
            if column.is_none_or(|c| c.eq_ignore_ascii_case(&definition.name)) {
                found = true;
                pieces.push((named.clone(), Arc::clone(&group), position));
            }
        }
    }
    if !found {
        let (table, column) = (name.map_or("", String::as_str), column.map_or("", String::as_str));
        return Err(ExecError::InvalidInput(format!("table {table} has no column \"{column}\"")));
    }
    let estimate = pieces.iter().map(|(_, g, _)| g.rows().div_ceil(crate::column::BLOCK_ROWS) as u64).sum();
    Ok(listing("flux_blocks", COLUMNS, pieces.len(), estimate, move |piece, rows| {
        let (named, group, position) = &pieces[piece];
        let column = &named.table.definition().columns[*position];
        let storage = |e: crate::column::ColumnError| ExecError::Storage(TableError::from(e));
        let meta = group.chunk_meta(*position).map_err(ExecError::Storage)?;
        let page = meta.extent_page.get();
        let base = page.saturating_mul(named.page_size).saturating_add(meta.byte_offset.get());
        let chunk = group.chunk(*position).map_err(ExecError::Storage)?;
        for block in 0..chunk.blocks() {
            let stats = chunk.block_stats(block).map_err(storage)?;
            let bytes = chunk.bytes_of_block(block).map_err(storage)? as u64;
            let offset = chunk.offset_of_block(block).map_err(storage)? as u64;
            let coded = chunk.codec_tree(block).map_err(storage)?;
            let [database, schema, name] = named.names();
            rows.push([
                database,
                schema,
                name,
                int(group.index() as u64),
                text(&column.name),
                int(block as u64),
                int(group.first_row() + (block * chunk.block_rows()) as u64),
                int(chunk.rows_of_block(block) as u64),
                int(stats.nulls),
                text(chunk.codec_of_block(block).map_err(storage)?.name()),
                coded.map_or(Scalar::Null, |tree| text(&tree.line())),
                optional((page != 0).then_some(base + offset)),
                int(bytes),
                ratio(bytes * 8, chunk.rows_of_block(block) as u64),
                bound(stats.min.as_ref(), &column.ty),
                bound(stats.max.as_ref(), &column.ty),
                sum(&stats, &column.ty),
                Scalar::Boolean(stats.sorted),
            ]);
        }
        Ok(())
    }))
}

/// The frames of the log, a row for each table that one changes.
fn wal(env: &Environment<'_>) -> Result<RowsBuilder> {
    let mut rows = RowsBuilder::new(&[
        ("database_name", T::Varchar),
        ("frame", T::BigInt),
        ("file_offset", T::BigInt),
        ("bytes", T::BigInt),
        ("durable_frame", T::BigInt),
        ("table_name", T::Varchar),
        ("rows_added", T::BigInt),
        ("rows_deleted", T::BigInt),
        ("sequences", T::BigInt),
    ]);
    for (database, file, contents) in files(env)? {
        let (Ok(superblock), Ok(log)) = (&file.superblock, file.log()) else { continue };
        let Some(extent) = superblock.log else { continue };
        let base = extent.start.0 * u64::from(file.page_size());
        for (frame, payload) in log.content.frames.iter().zip(log.payloads()) {
            let Ok(commit) = log_commit(&contents, payload) else { continue };
            let mut add = |table: Scalar, added: Scalar, deleted: Scalar| {
                rows.push([
                    text(&database),
                    int(frame.header.number),
                    int(base + (frame.payload.start - FRAME_HEADER_BYTES) as u64),
                    int(frame.header.bytes() as u64),
                    int(frame.header.durable),
                    table,
                    added,
                    deleted,
                    int(commit.sequences.len() as u64),
                ]);
            };
            for change in &commit.tables {
                let known = contents.tables.iter().find(|t| t.definition.id.0 == change.id);
                let name = known.map_or(Scalar::Null, |table| text(&table.name));
                add(name, int(change.added), int(change.deleted));
            }
            if commit.tables.is_empty() {
                add(Scalar::Null, int(0), int(0));
            }
        }
    }
    Ok(rows)
}
