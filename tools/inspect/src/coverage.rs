//! Every byte of the file, and whether all of them are what they should be.

use std::collections::BTreeMap;

use fluxdb::inspect::{Contents, Inspection, Part, PartKind, walk_parts};
use serde_json::{Value, json};

use crate::overview::per;

/// The most places that `coverage` lists one by one; `verify` lists all.
const MOST_PLACES: usize = 20;

/// What is wrong with a part, if anything is.
fn fault(part: &Part) -> Option<String> {
    let what = match part.kind {
        PartKind::Damaged => "damaged",
        PartKind::Unknown => "nothing refers to these bytes",
        PartKind::Tail => "bytes behind the last whole page",
        _ => return None,
    };
    let number = part.index.map(|i| format!(", number {i}")).unwrap_or_default();
    Some(format!("{} bytes at {}: {what} ({}{number})", part.bytes, part.offset, part.owner))
}

/// `inspect FILE coverage`: bytes by structure and by owner. Both lists add up to the file.
pub fn report(file: &Inspection, contents: &Contents) -> Value {
    let mut totals: BTreeMap<PartKind, (u64, u64)> = BTreeMap::new();
    let mut owners: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let (mut faults, mut more) = (contents.problems.clone(), 0_u64);
    walk_parts(file, contents, true, &mut |part| {
        if let Some(fault) = fault(&part) {
            if faults.len() < MOST_PLACES { faults.push(fault) } else { more += 1 }
        }
        let total = totals.entry(part.kind).or_default();
        total.0 += 1;
        total.1 += part.bytes;
        let owner = match part.kind {
            PartKind::Free | PartKind::Ahead | PartKind::Unknown | PartKind::Damaged | PartKind::Tail => {
                part.kind.name().to_owned()
            }
            // The first two pages are theirs, padding and all.
            _ if part.offset < 2 * u64::from(file.page_size()) => "superblocks".to_owned(),
            // `schema.table.column, row group n` belongs to the column.
            _ if part.owner.contains(", row group ") => {
                part.owner.split(", row group ").next().unwrap_or_default().to_owned()
            }
            PartKind::LogValues | PartKind::LogDeletes => {
                part.owner.rsplit_once(", frame ").map_or("log", |(owner, _)| owner).to_owned()
            }
            _ if part.owner.starts_with("frame ") => "log".to_owned(),
            PartKind::Log | PartKind::TornFrame => "log".to_owned(),
            _ => "catalog and free space".to_owned(),
        };
        let total = owners.entry(owner).or_default();
        total.0 += 1;
        total.1 += part.bytes;
    });
    let share = |bytes: u64| per(bytes as f64 * 100.0, file.file_bytes());
    let whole: u64 = totals.values().map(|(_, bytes)| bytes).sum();
    let structures: Vec<Value> = totals
        .iter()
        .map(|(kind, (parts, bytes))| {
            json!({"structure": kind.name(), "parts": parts, "bytes": bytes, "percent": share(*bytes)})
        })
        .collect();
    let owners: Vec<Value> = owners
        .into_iter()
        .map(|(owner, (parts, bytes))| {
            json!({"owner": owner, "parts": parts, "bytes": bytes, "percent": share(bytes)})
        })
        .collect();
    let mut report = json!({
        "file_bytes": file.file_bytes(),
        "attributed_bytes": whole,
        "structures": structures,
        "owners": owners,
    });
    if [PartKind::Damaged, PartKind::Unknown, PartKind::Tail].iter().any(|k| totals.contains_key(k)) {
        report["error"] = "some bytes are damaged, or nothing refers to them".into();
    }
    if more > 0 {
        faults.push(format!("and {more} more places: 'verify' lists all"));
    }
    if !faults.is_empty() {
        report["problems"] = faults.into();
    }
    report
}

/// `inspect FILE verify`: compares all checksums, decodes every record and value, accounts for every page.
pub fn verify(file: &Inspection, contents: &Contents) -> Value {
    let mut problems: Vec<String> = contents.problems.clone();
    let mut parts = 0_u64;
    walk_parts(file, contents, true, &mut |part| {
        parts += 1;
        problems.extend(fault(&part));
    });
    let (mut chunks, mut blocks, mut values) = (0_u64, 0_u64, 0_u64);
    for table in &contents.tables {
        for group in &table.row_groups {
            for (position, column) in table.definition.columns.iter().enumerate() {
                if group.chunk_meta(column.id).is_none() {
                    continue;
                }
                chunks += 1;
                let chunk = match group.open_chunk(file, &table.definition, position) {
                    Ok(chunk) => chunk,
                    Err(e) => {
                        problems.push(e.to_string());
                        continue;
                    }
                };
                for index in 0..chunk.blocks() {
                    blocks += 1;
                    match chunk.read_block(index) {
                        Ok(array) => values += array.len() as u64,
                        Err(e) => problems.push(e.to_string()),
                    }
                }
            }
        }
    }
    let mut report = json!({
        "parts": parts,
        "chunks": chunks,
        "blocks": blocks,
        "values": values,
        "verdict": if problems.is_empty() { "sound" } else { "damaged" },
    });
    if !problems.is_empty() {
        problems.sort();
        problems.dedup();
        report["error"] = format!("{} problems", problems.len()).into();
        report["problems"] = problems.into();
    }
    report
}
