//! What is on a screen: a map of the file, or a table of lines some of which lead further down.

use fluxdb::inspect::{
    Contents, Inspection, PageId, PageUse, PartKind, RowGroupView, TableView, page_map, parts_of,
    parts_of_chunk_at,
};

use crate::pages::{fields_or_whole, part_title};
use crate::render::hex_lines;

/// Bytes of one field that are listed: a screen is for looking, not for dumping.
const FIELD_BYTES_MAX: usize = 64 << 10;

/// Where one can be in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// All pages as coloured cells.
    Map,
    /// All tables.
    Tables,
    /// The chunks of a table.
    Chunks { table: String },
    /// The blocks of a chunk.
    Blocks { table: String, row_group: usize, column: usize },
    /// The bytes of a page.
    Page(u64),
    /// The bytes of a chunk, from one of its blocks on.
    Bytes { table: String, row_group: usize, column: usize, block: usize },
}

/// A table of lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// What it shows.
    pub title: String,
    /// Names of the columns.
    pub header: Vec<&'static str>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
    /// Where each line leads.
    pub targets: Vec<Option<Place>>,
    /// The line to begin with.
    pub start: usize,
}

impl Lines {
    fn new(title: String, header: &[&'static str]) -> Self {
        Self { title, header: header.to_vec(), ..Self::default() }
    }

    fn push(&mut self, row: Vec<String>, target: Option<Place>) {
        self.rows.push(row);
        self.targets.push(target);
    }

    fn nothing(title: String, why: &str) -> Self {
        let mut lines = Self::new(title, &[""]);
        lines.push(vec![why.to_owned()], None);
        lines
    }
}

/// A page of the map: what it is used for.
#[derive(Debug, Clone)]
pub struct MapRange {
    /// First page and the page behind the last.
    pub pages: std::ops::Range<u64>,
    /// What for.
    pub used_for: PageUse,
}

/// The map of a file.
pub fn map(file: &Inspection, contents: &Contents) -> Vec<MapRange> {
    page_map(file, contents)
        .into_iter()
        .map(|r| MapRange { pages: r.start.0..r.start.0 + r.pages, used_for: r.used_for })
        .collect()
}

/// The lines of a place.
pub fn lines(file: &Inspection, contents: &Contents, place: &Place) -> Lines {
    match place {
        Place::Map => Lines::default(),
        Place::Tables => tables(contents),
        Place::Chunks { table } => chunks(file, contents, table),
        Place::Blocks { table, row_group, column } => blocks(file, contents, table, *row_group, *column),
        Place::Page(page) => page_bytes(file, contents, *page),
        Place::Bytes { table, row_group, column, block } => {
            chunk_bytes(file, contents, table, *row_group, *column, *block)
        }
    }
}

fn tables(contents: &Contents) -> Lines {
    let mut lines =
        Lines::new("tables".to_owned(), &["table", "columns", "rows", "deleted", "row groups", "bytes"]);
    for table in &contents.tables {
        let groups = || table.row_groups.iter();
        let rows: u64 = groups().map(|g| u64::from(g.entry.rows)).sum();
        let deleted: u64 = groups().map(|g| u64::from(g.entry.deleted_rows)).sum();
        let bytes: u64 = groups().map(|g| g.record.header().extent_bytes.get()).sum();
        lines.push(
            vec![
                table.name.clone(),
                table.definition.columns.len().to_string(),
                rows.to_string(),
                deleted.to_string(),
                groups().count().to_string(),
                bytes.to_string(),
            ],
            Some(Place::Chunks { table: table.name.clone() }),
        );
    }
    for problem in &contents.problems {
        lines.push(vec![format!("! {problem}")], None);
    }
    if lines.rows.is_empty() {
        return Lines::nothing(lines.title, "there are no tables");
    }
    lines
}

fn chunks(file: &Inspection, contents: &Contents, name: &str) -> Lines {
    let title = format!("chunks of {name}");
    let Some(table) = contents.tables.iter().find(|t| t.name == name) else {
        return Lines::nothing(title, "the table is gone");
    };
    let mut lines = Lines::new(
        title,
        &["group", "column", "type", "codec", "offset", "bytes", "bits/value", "nulls", "min", "max"],
    );
    for group in &table.row_groups {
        for (position, column) in table.definition.columns.iter().enumerate() {
            let Some(meta) = group.chunk_meta(column.id) else { continue };
            let stats = meta.stats(&column.ty);
            let rows = f64::from(meta.row_count.get().max(1));
            let bound = |value: Option<&fluxdb::inspect::Scalar>| {
                let value = crate::chunks::bound(value, &column.ty);
                value.as_str().unwrap_or_default().to_owned()
            };
            lines.push(
                vec![
                    group.index.to_string(),
                    column.name.to_string(),
                    column.ty.to_string(),
                    meta.codec().map_or("?", |c| c.name()).to_owned(),
                    group.chunk_offset(file, meta).to_string(),
                    meta.byte_len.get().to_string(),
                    format!("{:.2}", meta.byte_len.get() as f64 * 8.0 / rows),
                    meta.null_count.get().to_string(),
                    bound(stats.min.as_ref()),
                    bound(stats.max.as_ref()),
                ],
                Some(Place::Blocks { table: name.to_owned(), row_group: group.index, column: position }),
            );
        }
    }
    if lines.rows.is_empty() {
        return Lines::nothing(lines.title, "the table has no rows");
    }
    lines
}

fn find<'a>(
    contents: &'a Contents,
    table: &str,
    row_group: usize,
    column: usize,
) -> Option<(&'a TableView, &'a RowGroupView)> {
    let table = contents.tables.iter().find(|t| t.name == table)?;
    let group = table.row_groups.get(row_group)?;
    table.definition.columns.get(column)?;
    Some((table, group))
}

fn blocks(file: &Inspection, contents: &Contents, table: &str, row_group: usize, column: usize) -> Lines {
    let Some((view, group)) = find(contents, table, row_group, column) else {
        return Lines::nothing("blocks".to_owned(), "the chunk is gone");
    };
    let definition = &view.definition.columns[column];
    let title = format!("blocks of {table}.{}, row group {row_group}", definition.name);
    let chunk = match group.open_chunk(file, &view.definition, column) {
        Ok(chunk) => chunk,
        Err(e) => return Lines::nothing(title, &e.to_string()),
    };
    let mut lines = Lines::new(title, &["block", "rows", "nulls", "bytes", "min", "max", "coded"]);
    for block in 0..chunk.blocks() {
        let target = Place::Bytes { table: table.to_owned(), row_group, column, block };
        let coded = match chunk.codec_tree(block) {
            Ok(tree) => tree.map_or("no values".to_owned(), |tree| tree.line()),
            Err(e) => e.to_string(),
        };
        let (bytes, nulls, min, max) = match (chunk.bytes_of_block(block), chunk.block_stats(block)) {
            (Ok(bytes), Ok(stats)) => {
                let bound = |value: Option<&fluxdb::inspect::Scalar>| {
                    let value = crate::chunks::bound(value, &definition.ty);
                    value.as_str().unwrap_or_default().to_owned()
                };
                (
                    bytes.to_string(),
                    stats.nulls.to_string(),
                    bound(stats.min.as_ref()),
                    bound(stats.max.as_ref()),
                )
            }
            _ => ("?".to_owned(), "?".to_owned(), String::new(), String::new()),
        };
        let rows = chunk.rows_of_block(block).to_string();
        lines.push(vec![block.to_string(), rows, nulls, bytes, min, max, coded], Some(target));
    }
    lines
}

const BYTES_HEADER: &[&str] = &["offset", "hex", "field", "value", "part", "text"];

/// Appends the fields of a part as lines of bytes with what they mean beside them.
fn push_part(
    lines: &mut Lines,
    file: &Inspection,
    contents: &Contents,
    part: &fluxdb::inspect::Part,
    within: &std::ops::Range<u64>,
) {
    for field in fields_or_whole(file, contents, part) {
        let (from, to) = (field.offset.max(within.start), (field.offset + field.bytes).min(within.end));
        if from >= to {
            continue;
        }
        let length = usize::try_from(to - from).unwrap_or(usize::MAX).min(FIELD_BYTES_MAX);
        let Ok(bytes) = file.bytes(from, length) else { continue };
        for (number, (at, digits, text)) in hex_lines(&bytes, from, 8).into_iter().enumerate() {
            let first = |text: &str| if number == 0 { text.to_owned() } else { String::new() };
            lines.push(
                vec![
                    format!("{at:08x}"),
                    digits,
                    first(if field.name.is_empty() { part.kind.name() } else { &field.name }),
                    first(if field.name.is_empty() { &part.owner } else { &field.value }),
                    first(&part_title(part)),
                    text,
                ],
                None,
            );
        }
    }
}

fn page_bytes(file: &Inspection, contents: &Contents, page: u64) -> Lines {
    let mut lines = Lines::new(format!("page {page}"), BYTES_HEADER);
    let page_size = u64::from(file.page_size());
    if page >= file.pages() {
        return Lines::nothing(lines.title, "there is no such page");
    }
    let within = page * page_size..(page + 1) * page_size;
    for part in parts_of(file, contents, PageId(page)) {
        push_part(&mut lines, file, contents, &part, &within);
    }
    lines
}

fn chunk_bytes(
    file: &Inspection,
    contents: &Contents,
    table: &str,
    row_group: usize,
    column: usize,
    block: usize,
) -> Lines {
    let Some((view, group)) = find(contents, table, row_group, column) else {
        return Lines::nothing("bytes".to_owned(), "the chunk is gone");
    };
    let definition = &view.definition.columns[column];
    let owner = format!("{table}.{}, row group {row_group}", definition.name);
    let title = format!("bytes of {owner}, block {block}");
    let Some(meta) = group.chunk_meta(definition.id) else {
        return Lines::nothing(title, "the row group has no such column");
    };
    let (offset, length) = (group.chunk_offset(file, meta), meta.byte_len.get());
    let parts = match parts_of_chunk_at(file, offset, length, &owner) {
        Ok(parts) => parts,
        Err(e) => return Lines::nothing(title, &e),
    };
    let mut lines = Lines::new(title, BYTES_HEADER);
    let uniform = group.open_chunk(file, &view.definition, column).is_ok_and(|c| c.is_uniform());
    let wanted = if uniform { 0 } else { block as u32 };
    for part in parts {
        if part.kind == PartKind::Block && part.index == Some(wanted) && *part.owner == *owner {
            lines.start = lines.rows.len();
        }
        push_part(&mut lines, file, contents, &part, &(offset..offset + length));
    }
    lines
}
