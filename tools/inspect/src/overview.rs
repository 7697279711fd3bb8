//! The file at a glance: superblocks, use of pages, tables, free space.

use fluxdb::inspect::{Contents, Inspection, SlotId, SlotState, Superblock, page_map};
use serde_json::{Map, Value, json};

use crate::{Failure, wal, with_problems};

/// `inspect FILE`.
pub fn summary(file: &Inspection, contents: &Contents) -> Value {
    let mut pages_by_use: Map<String, Value> = Map::new();
    for range in page_map(file, contents) {
        let count = pages_by_use.entry(range.used_for.kind()).or_insert_with(|| 0_u64.into());
        *count = (count.as_u64().unwrap_or(0) + range.pages).into();
    }
    let log = wal::state(file, contents);
    let mut report = json!({
        "file": file_name(file),
        "format": file.superblock.as_ref().map_or(Value::Null, |superblock| superblock.version.into()),
        "bytes": file.file_bytes(),
        "page_size": file.page_size(),
        "pages": file.pages(),
        "superblocks": slots(file),
        "pages_by_use": pages_by_use,
        "tables": contents.tables.iter().map(|table| {
            let rows: u64 = table.row_groups.iter().map(|g| u64::from(g.record.header().rows.get())).sum();
            let bytes: u64 = table.row_groups.iter().map(|g| g.record.header().extent_bytes.get()).sum();
            json!({
                "table": table.name,
                "columns": table.definition.columns.len(),
                "rows": rows,
                "deleted_rows": table.row_groups.iter().map(|g| u64::from(g.entry.deleted_rows)).sum::<u64>(),
                "row_groups": table.row_groups.len(),
                "bytes": bytes,
                "bytes_per_row": per(bytes as f64, rows),
            })
        }).collect::<Vec<_>>(),
        "columns": columns(contents),
        "codecs": codecs(file, contents),
        "free_pages": file.space.as_ref().map_or(Value::Null, |(table, _)| {
            table.free.iter().map(|r| r.pages).sum::<u64>().into()
        }),
        "log": log.as_ref().map_or_else(Clone::clone, Clone::clone),
        "health": if contents.problems.is_empty() && log.is_ok() {
            "sound, as far as the catalog and the log tell"
        } else {
            "damaged"
        },
    });
    if log.is_err() {
        report["error"] = "the log is damaged".into();
    }
    if let Err(e) = &file.superblock {
        report["error"] = e.to_string().into();
    }
    with_problems(report, contents)
}

/// The name of the file, without where it is.
pub fn file_name(file: &Inspection) -> String {
    let path = std::path::Path::new(file.name());
    path.file_name().map_or_else(|| file.name().to_owned(), |name| name.to_string_lossy().into_owned())
}

/// How each column is stored over all row groups.
fn columns(contents: &Contents) -> Vec<Value> {
    let mut out = vec![];
    for table in &contents.tables {
        for column in &table.definition.columns {
            let (mut rows, mut nulls, mut bytes, mut memory) = (0, 0, 0, 0);
            let mut codecs: Vec<&str> = vec![];
            for meta in table.row_groups.iter().filter_map(|g| g.chunk_meta(column.id)) {
                rows += u64::from(meta.row_count.get());
                nulls += u64::from(meta.null_count.get());
                bytes += meta.byte_len.get();
                memory += meta.memory_len.get();
                let codec = meta.codec().map_or("unknown", |c| c.name());
                if !codecs.contains(&codec) {
                    codecs.push(codec);
                }
            }
            out.push(json!({
                "column": format!("{}.{}", table.name, column.name),
                "type": column.ty.to_string(),
                "codecs": codecs.join(", "),
                "nulls": nulls,
                "bytes": bytes,
                "bits_per_value": per(bytes as f64 * 8.0, rows),
                "compression": per(memory as f64, bytes),
            }));
        }
    }
    out
}

/// Blocks and bytes by codec, over all chunks.
fn codecs(file: &Inspection, contents: &Contents) -> Vec<Value> {
    let mut totals: std::collections::BTreeMap<&str, (u64, u64, u64)> = std::collections::BTreeMap::new();
    for table in &contents.tables {
        for group in &table.row_groups {
            for position in 0..table.definition.columns.len() {
                let Ok(chunk) = group.open_chunk(file, &table.definition, position) else { continue };
                let blocks = if chunk.is_uniform() { chunk.blocks().min(1) } else { chunk.blocks() };
                for index in 0..blocks {
                    if let (Ok(codec), Ok(bytes)) = (chunk.codec_of_block(index), chunk.bytes_of_block(index))
                    {
                        let rows = if chunk.is_uniform() { chunk.rows() } else { chunk.rows_of_block(index) };
                        let total = totals.entry(codec.name()).or_default();
                        *total = (total.0 + 1, total.1 + rows as u64, total.2 + bytes as u64);
                    }
                }
            }
        }
    }
    totals
        .into_iter()
        .map(|(codec, (blocks, rows, bytes))| {
            json!({
                "codec": codec, "blocks": blocks, "values": rows, "bytes": bytes,
                "bits_per_value": per(bytes as f64 * 8.0, rows),
            })
        })
        .collect()
}

/// A ratio with two digits; nothing for an empty whole.
pub fn per(part: f64, whole: u64) -> Value {
    if whole == 0 { Value::Null } else { json!((part / whole as f64 * 100.0).round() / 100.0) }
}

/// Both superblocks in a line each.
fn slots(file: &Inspection) -> Vec<Value> {
    let states = file.slots.states.iter().enumerate();
    states
        .map(|(page, state)| match state {
            SlotState::Valid(s) => json!({
                "page": page,
                "state": if rules(file, s) { "valid, rules" } else { "valid" },
                "commit": s.sequence,
                "pages": s.page_count,
                "catalog_root": s.catalog_root.map(|r| r.to_string()),
            }),
            other => json!({"page": page, "state": state_text(other)}),
        })
        .collect()
}

fn rules(file: &Inspection, superblock: &Superblock) -> bool {
    file.superblock.as_ref().is_ok_and(|s| s.sequence == superblock.sequence)
}

fn state_text(state: &SlotState) -> String {
    match state {
        SlotState::Valid(_) => "valid".to_owned(),
        SlotState::Foreign => "no superblock".to_owned(),
        SlotState::Damaged(what) => format!("damaged: {what}"),
        SlotState::Unsupported(e) => e.to_string(),
    }
}

/// The fields of a superblock.
pub fn superblock_fields(s: &Superblock) -> Value {
    json!({
        "format_version": s.version,
        "page_size": s.page_size,
        "compatible_flags": format!("{:#x}", s.compatible),
        "incompatible_flags": format!("{:#x}", s.incompatible),
        "database_id": s.database_id.iter().map(|b| format!("{b:02x}")).collect::<String>(),
        "sequence": s.sequence,
        "page_count": s.page_count,
        "catalog_root": s.catalog_root.map(|r| r.to_string()),
        "space_root": s.space_root.map(|p| p.0),
        "space_pages": s.space_pages,
        "log": s.log.map(|log| log.to_string()),
    })
}

/// `inspect FILE superblock`: every field of both slots.
pub fn superblocks(file: &Inspection) -> Value {
    let mut report = Map::new();
    for (page, state) in file.slots.states.iter().enumerate() {
        let fields = match state {
            SlotState::Valid(s) => {
                let mut fields = json!({"state": if rules(file, s) { "valid, rules" } else { "valid" }});
                if let (Value::Object(fields), Value::Object(more)) = (&mut fields, superblock_fields(s)) {
                    fields.extend(more);
                }
                fields
            }
            other => json!({"state": state_text(other)}),
        };
        report.insert(format!("page_{page}"), fields);
    }
    if let Err(e) = &file.superblock {
        report.insert("error".to_owned(), e.to_string().into());
    }
    Value::Object(report)
}

/// `inspect FILE catalog`.
pub fn catalog(contents: &Contents) -> Value {
    let tables: Map<String, Value> = contents
        .tables
        .iter()
        .map(|table| {
            let columns = table.definition.columns.iter().map(|c| {
                json!({
                    "id": c.id.0,
                    "column": c.name,
                    "type": c.ty.to_string(),
                    "nullable": c.nullable,
                    "role": format!("{:?}", c.role).to_lowercase(),
                    "default": c.default,
                    "comment": c.comment,
                })
            });
            let fields = json!({
                "id": table.definition.id.0,
                "record": table.record.to_string(),
                "directory": table.directory.map(|s| s.to_string()),
                "segments": table.segments.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "comment": table.definition.comment,
                "columns": columns.collect::<Vec<_>>(),
            });
            (table.name.clone(), fields)
        })
        .collect();
    let report = json!({
        "root": contents.root.map(|r: SlotId| r.to_string()),
        "schemas": contents.schemas.iter().map(|(id, s)| json!({"id": id, "schema": s.name})).collect::<Vec<_>>(),
        "tables": tables,
        "objects": contents.objects.iter().map(crate::records::object).collect::<Vec<_>>(),
    });
    with_problems(report, contents)
}

/// `inspect FILE free`.
pub fn free(file: &Inspection) -> Result<Value, Failure> {
    let (table, pages) = file.space.as_ref().map_err(|e| Failure::File(e.to_string()))?;
    Ok(json!({
        "table_pages": pages.iter().map(|p| p.0).collect::<Vec<_>>(),
        "free_pages": table.free.iter().map(|r| r.pages).sum::<u64>(),
        "ranges": table.free.iter().map(|r| json!({
            "first_page": r.start.0, "pages": r.pages, "freed_by_commit": r.freed_at,
        })).collect::<Vec<_>>(),
        "sparse_heap_pages": table.sparse.iter().map(|s| json!({
            "page": s.page.0, "slots": s.slots, "dead": s.dead.len(), "live_bytes": s.live_bytes,
        })).collect::<Vec<_>>(),
    }))
}
