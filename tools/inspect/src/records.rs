//! Records of heap pages, decoded.

use fluxdb::inspect::{
    CatalogRoot, ColumnId, ConstraintDefinition, ConstraintKind, DirectoryRecord, Inspection, Object, PageId,
    RecordKind, RowGroupRecord, SchemaDefinition, SegmentRecord, SlotId, TableDefinition,
};
use serde_json::{Value, json};

use crate::Failure;
use crate::render::hex_lines;

/// The address of a record as the user gives it: `PAGE:SLOT`.
pub fn parse_slot(text: &str) -> Result<SlotId, Failure> {
    let bad = || Failure::Usage(format!("'{text}' is not PAGE:SLOT"));
    let (page, slot) = text.split_once(':').ok_or_else(bad)?;
    let page = PageId(page.parse().map_err(|_| bad())?);
    SlotId::new(page, slot.parse().map_err(|_| bad())?).map_err(|_| bad())
}

/// `inspect FILE slot P:S`.
pub fn slot(file: &Inspection, slot: SlotId, hex: bool) -> Result<Value, Failure> {
    let bytes = file.record(slot)?;
    let mut report = json!({"slot": slot.to_string(), "bytes": bytes.len()});
    match decode(&bytes) {
        Ok((kind, fields)) => {
            report["record"] = kind.into();
            report["fields"] = fields;
        }
        Err(e) => report["error"] = e.into(),
    }
    if hex {
        let lines = hex_lines(&bytes, 0, 16).into_iter();
        report["hex"] = lines.map(|(at, digits, text)| format!("{at:08x}  {digits:49} {text}")).collect();
    }
    Ok(report)
}

/// The record in a few words.
pub fn one_line(file: &Inspection, page: PageId, slot: u16) -> String {
    let record = SlotId::new(page, slot).and_then(|id| file.record(id));
    let bytes = match record {
        Ok(bytes) => bytes,
        Err(e) => return e.to_string(),
    };
    match decode(&bytes) {
        Ok((kind, fields)) => {
            let name = ["name", "rows", "objects", "table"].iter().find_map(|k| match fields.get(k) {
                Some(Value::Array(items)) => Some(format!("{} {k}", items.len())),
                Some(Value::Null) | None => None,
                Some(Value::String(text)) => Some(text.clone()),
                Some(value) => Some(format!("{value} {k}")),
            });
            format!("{kind} {}", name.unwrap_or_default()).trim_end().to_owned()
        }
        Err(e) => e,
    }
}

/// The fields of an object's definition.
pub fn object(object: &Object) -> Value {
    let mut fields = json!({
        "kind": object.kind().to_string().to_lowercase(),
        "id": object.id().0,
        "schema": object.schema().0,
        "name": object.name(),
        "comment": object.comment(),
    });
    let more = match object {
        Object::Table(t) => object_of_table(t),
        Object::View(v) => json!({"query": v.query}),
        Object::Sequence(s) => {
            let state = s.counter.state();
            json!({
                "start": s.start, "increment": s.increment, "least": s.least, "greatest": s.greatest,
                "cycles": s.cycles, "next": state.next, "taken": state.taken,
            })
        }
        Object::Macro(m) => json!({
            "overloads": m.overloads.iter().map(|o| json!({
                "parameters": o.parameters.iter().map(|p| json!({
                    "name": p.name, "type": p.ty, "default": p.default,
                })).collect::<Vec<_>>(),
                "body": o.body,
            })).collect::<Vec<_>>(),
        }),
        Object::Type(t) => json!({"type": t.ty.to_string()}),
    };
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

/// What the definition of a table says of its columns, constraints and indexes.
pub fn object_of_table(t: &TableDefinition) -> Value {
    json!({
        "columns": t.columns.iter().map(|c| json!({
            "id": c.id.0, "column": c.name, "type": c.ty.to_string(), "nullable": c.nullable,
            "default": c.default, "comment": c.comment, "generated": c.generated, "stored": c.stored,
        })).collect::<Vec<_>>(),
        "constraints": t.constraints.iter().map(constraint).collect::<Vec<_>>(),
        "indexes": t.indexes.iter().map(|i| json!({
            "name": i.name, "unique": i.unique, "comment": i.comment, "keys": i.keys,
        })).collect::<Vec<_>>(),
    })
}

fn constraint(constraint: &ConstraintDefinition) -> Value {
    let ids = |columns: &[ColumnId]| columns.iter().map(|c| c.0).collect::<Vec<_>>();
    let mut fields = match &constraint.kind {
        ConstraintKind::Unique { columns, primary } => {
            json!({"kind": if *primary { "primary key" } else { "unique" }, "columns": ids(columns)})
        }
        ConstraintKind::Check { expression } => json!({"kind": "check", "expression": expression}),
        ConstraintKind::ForeignKey { columns, table, referenced, actions } => json!({
            "kind": "foreign key", "columns": ids(columns), "table": table.0, "referenced": ids(referenced),
            "on_delete": actions.on_delete.words(), "on_update": actions.on_update.words(),
        }),
    };
    fields["name"] = json!(constraint.name);
    fields
}

/// What kind of record it is, and its fields.
fn decode(bytes: &[u8]) -> Result<(&'static str, Value), String> {
    let Some(kind) = bytes.first().and_then(|b| RecordKind::from_byte(*b)) else {
        return Err(format!("unknown record kind {}", bytes.first().copied().unwrap_or(0)));
    };
    let fields = match kind {
        RecordKind::Root => CatalogRoot::decode(bytes).map(|r| {
            json!({
                "next_id": r.next_id,
                "objects": r.entries.iter().map(|e| json!({
                    "kind": e.kind.name(),
                    "id": e.id,
                    "record": e.record.to_string(),
                    "directory": e.directory.map(|d| d.to_string()),
                })).collect::<Vec<_>>(),
                "dependencies": r.dependencies.iter().map(|d| json!({
                    "on": d.on.0, "dependent": d.dependent.0,
                })).collect::<Vec<_>>(),
            })
        }),
        RecordKind::Schema => {
            SchemaDefinition::decode(bytes).map(|s| json!({"name": s.name, "comment": s.comment}))
        }
        RecordKind::Table
        | RecordKind::View
        | RecordKind::Sequence
        | RecordKind::Macro
        | RecordKind::Type => Object::decode(kind, bytes).map(|o| object(&o)),
        RecordKind::Directory => DirectoryRecord::decode(bytes).map(|d| {
            json!({
                "table": d.table.0,
                "rows": d.rows,
                "deleted_rows": d.deleted_rows,
                "bytes": d.bytes,
                "segments": d.segments.iter().map(|s| json!({
                    "slot": s.slot.to_string(), "rows": s.rows, "row_groups": s.row_groups,
                })).collect::<Vec<_>>(),
            })
        }),
        RecordKind::Segment => SegmentRecord::decode(bytes).map(|s| {
            json!({
                "rows": s.rows(),
                "row_groups": s.entries.iter().map(|e| json!({
                    "record": e.record.to_string(),
                    "rows": e.rows,
                    "deleted_rows": e.deleted_rows,
                    "deletes_page": e.deletes.map(|d| d.page),
                    "bytes": e.bytes,
                    "least_time": e.time_range.map(|t| t.0),
                    "greatest_time": e.time_range.map(|t| t.1),
                })).collect::<Vec<_>>(),
            })
        }),
        RecordKind::RowGroup => RowGroupRecord::new(bytes).map(|g| {
            let header = g.header();
            json!({
                "rows": header.rows.get(),
                "extent_page": header.extent_page.get(),
                "extent_pages": header.extent_pages.get(),
                "extent_bytes": header.extent_bytes.get(),
                "chunks": g.columns().iter().zip(g.chunks()).map(|(id, c)| json!({
                    "column_id": id.get(),
                    "offset": c.byte_offset.get(),
                    "bytes": c.byte_len.get(),
                    "rows": c.row_count.get(),
                    "nulls": c.null_count.get(),
                    "codec": c.codec().map_or("unknown", |c| c.name()),
                    "blocks": c.block_count.get(),
                })).collect::<Vec<_>>(),
            })
        }),
    };
    fields.map(|f| (kind.name(), f)).map_err(|e| e.at(kind, "this slot").to_string())
}
