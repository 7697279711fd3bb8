//! Chunks: where they lie, how they are coded, what they hold.

use fluxdb::inspect::{ChunkReader, Contents, Inspection, RowGroupView, Scalar, TableView};
use fluxdb::{LogicalType, ValueWriter};
use serde_json::{Value, json};

use crate::overview::per;
use crate::pages::no_table;
use crate::{Failure, with_problems};

/// The table and, if the name has one, the position of the column.
fn resolve<'a>(contents: &'a Contents, name: &str) -> Result<(&'a TableView, Option<usize>), Failure> {
    if let Some(table) = contents.table(name) {
        return Ok((table, None));
    }
    if let Some((table, column)) = name.rsplit_once('.')
        && let Some(table) = contents.table(table)
    {
        let position = table.definition.columns.iter().position(|c| c.name.eq_ignore_ascii_case(column));
        return match position {
            Some(position) => Ok((table, Some(position))),
            None => Err(Failure::File(format!("{} has no column '{column}'", table.name))),
        };
    }
    Err(no_table(contents, name))
}

/// `inspect FILE chunks TABLE[.COLUMN]`.
pub fn list(file: &Inspection, contents: &Contents, name: &str) -> Result<Value, Failure> {
    let (table, only) = resolve(contents, name)?;
    let mut chunks = vec![];
    for group in &table.row_groups {
        for (position, column) in table.definition.columns.iter().enumerate() {
            if only.is_some_and(|o| o != position) {
                continue;
            }
            let Some(meta) = group.chunk_meta(column.id) else { continue };
            let stats = meta.stats(&column.ty);
            chunks.push(json!({
                "row_group": group.index,
                "column": column.name,
                "offset": group.chunk_offset(file, meta),
                "bytes": meta.byte_len.get(),
                "rows": meta.row_count.get(),
                "nulls": meta.null_count.get(),
                "codec": meta.codec().map_or("unknown", |c| c.name()),
                "bits_per_value": per(meta.byte_len.get() as f64 * 8.0, u64::from(meta.row_count.get())),
                "min": bound(stats.min.as_ref(), &column.ty),
                "max": bound(stats.max.as_ref(), &column.ty),
                "sorted": stats.sorted,
                "distinct": stats.distinct,
            }));
        }
    }
    Ok(with_problems(json!({"table": table.name, "chunks": chunks}), contents))
}

/// A value as SQL would print it.
pub fn bound(value: Option<&Scalar>, ty: &LogicalType) -> Value {
    let Some(array) = value.and_then(|v| v.to_array(ty, 1).ok()) else { return Value::Null };
    values_of(&array, ty, 0, 1).pop().unwrap_or(Value::Null)
}

/// Values of an array as text.
fn values_of(
    array: &fluxdb::arrow_array::ArrayRef,
    ty: &LogicalType,
    from: usize,
    count: usize,
) -> Vec<Value> {
    let Ok(writer) = ValueWriter::new(array, ty) else { return vec![] };
    (from..from.saturating_add(count).min(array.len()))
        .map(|row| {
            if writer.is_null(row) {
                return Value::Null;
            }
            let mut text = String::new();
            writer.write(row, &mut text);
            text.into()
        })
        .collect()
}

/// What is wanted of a chunk.
pub struct Wanted {
    /// Which row group, if it is found by name.
    pub row_group: usize,
    /// The directory of blocks as well.
    pub blocks: bool,
    /// How many values, and from which row on.
    pub values: usize,
    /// The first row of which a value is shown.
    pub from: usize,
}

/// `inspect FILE chunk ID`, where ID is `TABLE.COLUMN`, or the offset in the file that `chunks` lists.
pub fn chunk(file: &Inspection, contents: &Contents, id: &str, wanted: &Wanted) -> Result<Value, Failure> {
    if let Ok(offset) = id.parse::<u64>() {
        for table in &contents.tables {
            for group in &table.row_groups {
                for (position, column) in table.definition.columns.iter().enumerate() {
                    let at = group.chunk_meta(column.id).map(|meta| group.chunk_offset(file, meta));
                    if at == Some(offset) {
                        return one(file, table, group, position, wanted);
                    }
                }
            }
        }
        return Err(Failure::File(format!("no chunk begins at {offset}; see 'chunks TABLE'")));
    }
    let (table, position) = resolve(contents, id)?;
    let Some(position) = position else {
        return Err(Failure::Usage(format!("which column of {}? chunk {}.COLUMN", table.name, table.name)));
    };
    let group = table.row_groups.get(wanted.row_group).ok_or_else(|| {
        let (groups, asked) = (table.row_groups.len(), wanted.row_group);
        Failure::File(format!("{} has {groups} row groups, none is {asked}", table.name))
    })?;
    one(file, table, group, position, wanted)
}

fn one(
    file: &Inspection,
    table: &TableView,
    group: &RowGroupView,
    position: usize,
    wanted: &Wanted,
) -> Result<Value, Failure> {
    let column = &table.definition.columns[position];
    let chunk = group.open_chunk(file, &table.definition, position)?;
    let mut report = json!({
        "chunk": format!("{}.{}, row group {}", table.name, column.name, group.index),
        "type": column.ty.to_string(),
        "rows": chunk.rows(),
        "nulls": chunk.null_count(),
        "blocks": chunk.blocks(),
        "rows_of_a_block": chunk.block_rows(),
        "uniform": chunk.is_uniform(),
    });
    let mut base = 0;
    if let Some(meta) = group.chunk_meta(column.id) {
        let stats = meta.stats(&column.ty);
        base = group.chunk_offset(file, meta);
        report["offset"] = base.into();
        report["bytes"] = meta.byte_len.get().into();
        report["bits_per_value"] = per(meta.byte_len.get() as f64 * 8.0, chunk.rows() as u64);
        report["compression"] = per(meta.memory_len.get() as f64, meta.byte_len.get());
        report["header_crc"] = format!("{:08x}", meta.header_crc.get()).into();
        report["min"] = bound(stats.min.as_ref(), &column.ty);
        report["max"] = bound(stats.max.as_ref(), &column.ty);
        report["sum"] = stats.sum.as_ref().map_or(Value::Null, |sum| sum_text(sum, &column.ty));
        report["sorted"] = stats.sorted.into();
        report["distinct"] = stats.distinct.into();
    }
    let mut broken = vec![];
    report["shared"] = match chunk.shared_section() {
        None => Value::Null,
        Some(shared) => {
            let mut fields = json!({
                "what": shared.what,
                "offset": base + shared.offset as u64,
                "bytes": shared.bytes,
                "values": shared.values,
            });
            match chunk.dictionary() {
                Ok(Some(values)) => {
                    let ty =
                        if column.ty == LogicalType::Blob { LogicalType::Blob } else { LogicalType::Varchar };
                    fields["first_values"] = values_of(&values, &ty, 0, wanted.values.max(1)).into();
                }
                Ok(None) => {}
                Err(e) => broken.push(e.to_string()),
            }
            fields
        }
    };
    // How many blocks are coded in the same way.
    let mut trees: Vec<(String, u64, u64)> = vec![];
    let mut blocks = vec![];
    let distinct_blocks = if chunk.is_uniform() { chunk.blocks().min(1) } else { chunk.blocks() };
    for index in 0..distinct_blocks {
        let tree = match chunk.codec_tree(index) {
            Ok(tree) => tree.map_or("no values".to_owned(), |tree| tree.line()),
            Err(e) => {
                broken.push(e.to_string());
                continue;
            }
        };
        // Reading checks the block's checksum.
        if let Err(e) = chunk.read_block(index) {
            broken.push(e.to_string());
        }
        let (bytes, stats, offset) =
            match (chunk.bytes_of_block(index), chunk.block_stats(index), chunk.offset_of_block(index)) {
                (Ok(bytes), Ok(stats), Ok(offset)) => (bytes, stats, offset),
                (Err(e), ..) | (_, Err(e), _) | (.., Err(e)) => {
                    broken.push(e.to_string());
                    continue;
                }
            };
        match trees.iter_mut().find(|t| t.0 == tree) {
            Some(known) => (known.1, known.2) = (known.1 + 1, known.2 + bytes as u64),
            None => trees.push((tree.clone(), 1, bytes as u64)),
        }
        if wanted.blocks {
            blocks.push(json!({
                "block": index,
                "rows": chunk.rows_of_block(index),
                "nulls": stats.nulls,
                "offset": base + offset as u64,
                "bytes": bytes,
                "bits_per_value": per(bytes as f64 * 8.0, chunk.rows_of_block(index) as u64),
                "min": bound(stats.min.as_ref(), &column.ty),
                "max": bound(stats.max.as_ref(), &column.ty),
                "coded": tree,
            }));
        }
    }
    trees.sort_by_key(|t| std::cmp::Reverse(t.1));
    report["codecs"] =
        trees.iter().map(|t| json!({"coded": t.0, "blocks": t.1, "bytes": t.2})).collect::<Vec<_>>().into();
    report["children"] = chunk
        .child_chunks()
        .iter()
        .map(|c| json!({"type": c.ty().to_string(), "rows": c.rows(), "nulls": c.null_count(), "blocks": c.blocks()}))
        .collect::<Vec<_>>()
        .into();
    if wanted.blocks {
        report["block_directory"] = blocks.into();
    }
    report["values"] = sample(&chunk, &column.ty, wanted, &mut broken).into();
    if !broken.is_empty() {
        broken.dedup();
        report["error"] = broken.into();
    }
    Ok(report)
}

/// Values with the numbers of their rows, over as many blocks as it takes.
fn sample(chunk: &ChunkReader, ty: &LogicalType, wanted: &Wanted, broken: &mut Vec<String>) -> Vec<Value> {
    let end = wanted.from.saturating_add(wanted.values).min(chunk.rows());
    let (mut out, mut row) = (vec![], wanted.from);
    while row < end {
        let (block, within) = (row / chunk.block_rows(), row % chunk.block_rows());
        let count = (end - row).min(chunk.rows_of_block(block) - within);
        match chunk.read_block(block) {
            Ok(array) => {
                let values = values_of(&array, ty, within, count).into_iter().enumerate();
                out.extend(values.map(|(i, value)| json!({"row": row + i, "value": value})));
            }
            Err(e) => broken.push(e.to_string()),
        }
        row += count;
    }
    out
}

/// A sum as SQL would print it.
fn sum_text(sum: &Scalar, ty: &LogicalType) -> Value {
    match (sum, ty) {
        (Scalar::Int(_), LogicalType::Decimal { scale, .. }) => {
            bound(Some(sum), &LogicalType::Decimal { width: 38, scale: *scale })
        }
        (Scalar::Int(v), _) => v.to_string().into(),
        (Scalar::Float(v), _) => json!(v),
        _ => Value::Null,
    }
}
