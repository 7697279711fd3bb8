//! The write-ahead log: commits since the superblock.

use fluxdb::inspect::{Contents, FRAME_HEADER_BYTES, Inspection, LogEnd, log_commit};
use serde_json::{Value, json};

use crate::{Failure, with_problems};

/// `inspect FILE wal`.
pub fn frames(file: &Inspection, contents: &Contents) -> Result<Value, Failure> {
    let superblock = file.superblock.clone()?;
    let log = file.log()?;
    let name = |id: u64| {
        let table = contents.tables.iter().find(|table| table.definition.id.0 == id);
        table.map_or_else(|| format!("table {id}"), |table| table.name.clone())
    };
    let mut broken = None;
    let frames = log.content.frames.iter().zip(log.payloads()).map(|(frame, payload)| {
        let says = match log_commit(contents, payload) {
            Ok(commit) => {
                let tables =
                    commit.tables.iter().map(|t| format!("{} +{} -{}", name(t.id), t.added, t.deleted));
                let sequences = commit.sequences.iter().map(|(id, next)| format!("sequence {id} at {next}"));
                tables.chain(sequences).collect::<Vec<_>>().join(", ")
            }
            Err(what) => {
                broken = Some(what.clone());
                what
            }
        };
        json!({
            "frame": frame.header.number,
            "offset": frame.payload.start - FRAME_HEADER_BYTES,
            "bytes": frame.header.length,
            "durable": frame.header.durable,
            "checksum": format!("{:08x}", frame.header.checksum),
            "says": says,
        })
    });
    let frames: Vec<Value> = frames.collect();
    let mut report = json!({
        "extent": superblock.log.map(|extent| extent.to_string()),
        "follows_commit": superblock.sequence,
        "bytes": log.bytes.len(),
        "bytes_used": log.content.end,
        "frames": frames,
        "end": match &log.content.tail {
            LogEnd::Clean => "clean".to_owned(),
            LogEnd::Torn { bytes } => format!("{bytes} bytes of a commit that was interrupted"),
            LogEnd::Damaged { what, .. } => what.clone(),
        },
    });
    if let (LogEnd::Damaged { what, .. }, _) | (_, Some(what)) = (&log.content.tail, &broken) {
        report["error"] = what.clone().into();
    }
    Ok(with_problems(report, contents))
}
