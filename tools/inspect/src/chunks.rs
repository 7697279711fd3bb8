//! Chunks: where they lie, how they are coded, what they hold.

use fluxdb::inspect::{Contents, Inspection, RowGroupView, TableView};
use fluxdb::{LogicalType, ValueWriter};
use serde_json::{Value, json};

use crate::overview::per;
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
    let names: Vec<_> = contents.tables.iter().map(|t| t.name.as_str()).collect();
    Err(Failure::File(format!("there is no table '{name}'; tables are: {}", names.join(", "))))
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
fn bound(value: Option<&fluxdb::inspect::Scalar>, ty: &LogicalType) -> Value {
    let Some(array) = value.and_then(|v| v.to_array(ty, 1).ok()) else { return Value::Null };
    values_of(&array, ty, 1).pop().unwrap_or(Value::Null)
}

/// The first values of an array as text.
fn values_of(array: &fluxdb::arrow_array::ArrayRef, ty: &LogicalType, count: usize) -> Vec<Value> {
    let Ok(writer) = ValueWriter::new(array, ty) else { return vec![] };
    (0..count.min(array.len()))
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

/// `inspect FILE chunk TABLE.COLUMN`.
pub fn chunk(
    file: &Inspection,
    contents: &Contents,
    name: &str,
    row_group: usize,
    values: usize,
) -> Result<Value, Failure> {
    let (table, position) = resolve(contents, name)?;
    let Some(position) = position else {
        return Err(Failure::Usage(format!("which column of {}? chunk {}.COLUMN", table.name, table.name)));
    };
    let group = table.row_groups.iter().find(|g| g.index == row_group).ok_or_else(|| {
        Failure::File(format!(
            "{} has {} row groups, none is {row_group}",
            table.name,
            table.row_groups.len()
        ))
    })?;
    one(file, table, group, position, values)
}

fn one(
    file: &Inspection,
    table: &TableView,
    group: &RowGroupView,
    position: usize,
    values: usize,
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
    });
    if let Some(meta) = group.chunk_meta(column.id) {
        let stats = meta.stats(&column.ty);
        report["offset"] = group.chunk_offset(file, meta).into();
        report["bytes"] = meta.byte_len.get().into();
        report["bits_per_value"] = per(meta.byte_len.get() as f64 * 8.0, chunk.rows() as u64);
        report["header_crc"] = format!("{:08x}", meta.header_crc.get()).into();
        report["min"] = bound(stats.min.as_ref(), &column.ty);
        report["max"] = bound(stats.max.as_ref(), &column.ty);
        report["sum"] = stats.sum.map(|s| format!("{s:?}")).into();
        report["sorted"] = stats.sorted.into();
        report["distinct"] = stats.distinct.into();
    }
    let mut broken = vec![];
    let blocks: Vec<Value> = (0..chunk.blocks())
        .map(|index| {
            let mut block = json!({"block": index, "rows": chunk.rows_of_block(index)});
            match (chunk.codec_of_block(index), chunk.bytes_of_block(index), chunk.block_stats(index)) {
                (Ok(codec), Ok(bytes), Ok(stats)) => {
                    block["codec"] = codec.name().into();
                    block["bytes"] = bytes.into();
                    block["bits_per_value"] = per(bytes as f64 * 8.0, chunk.rows_of_block(index) as u64);
                    block["nulls"] = stats.nulls.into();
                    block["min"] = bound(stats.min.as_ref(), &column.ty);
                    block["max"] = bound(stats.max.as_ref(), &column.ty);
                }
                (Err(e), ..) | (_, Err(e), _) | (.., Err(e)) => broken.push(e.to_string()),
            }
            // Reading checks the block's checksum.
            if let Err(e) = chunk.read_block(index) {
                broken.push(e.to_string());
            }
            block
        })
        .collect();
    if chunk.blocks() > 0
        && let Ok(first) = chunk.read_block(0)
    {
        report["first_values"] = values_of(&first, &column.ty, values).into();
    }
    report["block_directory"] = blocks.into();
    if !broken.is_empty() {
        report["error"] = broken.into();
    }
    Ok(report)
}
