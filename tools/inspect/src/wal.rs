//! The write-ahead log: commits since the superblock.

use fluxdb::inspect::{Contents, FRAME_HEADER_BYTES, Frame, Inspection, LogEnd, log_commit, parts_of_log};
use serde_json::{Value, json};

use crate::{Failure, pages, with_problems};

/// A frame's commit in a few words.
fn says(contents: &Contents, payload: &[u8]) -> Result<String, String> {
    let table = |id: u64| {
        let table = contents.tables.iter().find(|table| table.definition.id.0 == id);
        table.map_or_else(|| format!("table {id}"), |table| table.name.clone())
    };
    let sequence = |id: u64| {
        let sequence = contents.objects.iter().find(|object| object.id().0 == id);
        sequence.map_or_else(|| id.to_string(), |sequence| sequence.name().to_string())
    };
    let commit = log_commit(contents, payload)?;
    let tables = commit.tables.iter().map(|t| format!("{} +{} -{}", table(t.id), t.added, t.deleted));
    let sequences = commit.sequences.iter().map(|(id, next)| format!("sequence {} at {next}", sequence(*id)));
    Ok(tables.chain(sequences).collect::<Vec<_>>().join(", "))
}

/// Where a frame lies in the file.
fn place(file: &Inspection, frame: &Frame) -> (u64, usize) {
    let start = frame.payload.start - FRAME_HEADER_BYTES;
    (file.log_offset().unwrap_or(0) + start as u64, frame.header.bytes())
}

/// `inspect FILE wal N`: a frame's parts and their fields, as `page` shows those of a page.
pub fn frame(file: &Inspection, contents: &Contents, number: &str, hex: bool) -> Result<Value, Failure> {
    let wanted: u64 =
        number.parse().map_err(|_| Failure::Usage(format!("'{number}' is not the number of a frame")))?;
    let log = file.log()?;
    let frames = &log.content.frames;
    let Some(frame) = frames.iter().find(|frame| frame.header.number == wanted) else {
        return Err(Failure::File(match (frames.first(), frames.last()) {
            (Some(first), Some(last)) => format!(
                "there is no frame {wanted}: the log has those from {} to {}",
                first.header.number, last.header.number
            ),
            _ => format!("there is no frame {wanted}: the log is empty"),
        }));
    };
    let (offset, length) = place(file, frame);
    let bytes = file.bytes(offset, length)?;
    let parts = parts_of_log(file, contents).map_err(Failure::File)?;
    let parts: Vec<_> =
        parts.into_iter().filter(|p| (offset..offset + length as u64).contains(&p.offset)).collect();
    let said = says(contents, &log.bytes[frame.payload.clone()]);
    let mut report = json!({
        "frame": wanted,
        "offset": offset,
        "bytes": length,
        "says": said.clone().ok(),
        "layout": pages::layout(file, contents, &parts, offset, &bytes, hex),
    });
    if let Err(what) = said {
        report["error"] = what.into();
    }
    Ok(with_problems(report, contents))
}

/// How the log ends.
fn end(tail: &LogEnd) -> String {
    match tail {
        LogEnd::Clean => "clean".to_owned(),
        LogEnd::Torn { bytes } => format!("{bytes} bytes of a commit that was interrupted"),
        LogEnd::Damaged { what, .. } => what.clone(),
    }
}

/// The log in a few words, or what is wrong with it.
pub fn state(file: &Inspection, contents: &Contents) -> Result<String, String> {
    if file.superblock.as_ref().is_ok_and(|superblock| superblock.log.is_none()) {
        return Ok("none".to_owned());
    }
    let log = file.log().map_err(|error| error.to_string())?;
    for payload in log.payloads() {
        says(contents, payload)?;
    }
    let (commits, used, room) = (log.content.frames.len(), log.content.end, log.bytes.len());
    match &log.content.tail {
        LogEnd::Damaged { what, .. } => Err(what.clone()),
        tail => Ok(format!("{commits} commits, {used} of {room} bytes, {}", end(tail))),
    }
}

/// `inspect FILE wal`.
pub fn frames(file: &Inspection, contents: &Contents) -> Result<Value, Failure> {
    let superblock = file.superblock.clone()?;
    let log = file.log()?;
    let mut broken = None;
    let frames = log.content.frames.iter().zip(log.payloads()).map(|(frame, payload)| {
        let says = says(contents, payload).unwrap_or_else(|what| {
            broken = Some(what.clone());
            what
        });
        let (offset, bytes) = place(file, frame);
        json!({
            "frame": frame.header.number,
            "offset": offset,
            "bytes": bytes,
            "payload_bytes": frame.header.length,
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
        "end": end(&log.content.tail),
    });
    if let (LogEnd::Damaged { what, .. }, _) | (_, Some(what)) = (&log.content.tail, &broken) {
        report["error"] = what.clone().into();
    }
    Ok(with_problems(report, contents))
}
