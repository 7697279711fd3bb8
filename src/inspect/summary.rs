//! A file at a glance.

use std::fmt::Write;
use std::path::Path;

use crate::inspect::{Contents, page_map};
use crate::pager::inspect::Inspection;
use crate::pager::{PagerError, SlotState};

/// The file in a screenful of text: superblocks, pages by use, and how each column of each table is stored.
///
/// # Errors
/// The file cannot be read at all. Damage is part of the text.
pub fn summary(path: &Path) -> Result<String, PagerError> {
    let file = Inspection::open(path)?;
    let contents = Contents::read(&file);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_summary(&file, &contents, &mut out);
    Ok(out)
}

fn write_summary(file: &Inspection, contents: &Contents, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{} bytes in {} pages of {}", file.file_bytes(), file.pages(), file.page_size())?;
    for (page, state) in file.slots.states.iter().enumerate() {
        match state {
            SlotState::Valid(s) => {
                let rules = file.superblock.as_ref().is_ok_and(|r| r.sequence == s.sequence);
                let root = s.catalog_root.map_or("none".to_owned(), |r| r.to_string());
                writeln!(
                    out,
                    "page {page}: superblock of commit {}, catalog root in slot {root}{}",
                    s.sequence,
                    if rules { "  <- rules" } else { "" }
                )?;
            }
            SlotState::Foreign => writeln!(out, "page {page}: no superblock")?,
            SlotState::Damaged(what) => writeln!(out, "page {page}: damaged superblock: {what}")?,
            SlotState::Unsupported(e) => writeln!(out, "page {page}: {e}")?,
        }
    }
    for range in page_map(file, contents).iter().skip(1) {
        let last = range.start.0 + range.pages - 1;
        let pages =
            if range.pages == 1 { format!("page {last}") } else { format!("pages {}-{last}", range.start) };
        writeln!(out, "{pages}: {} {}", range.used_for.kind(), range.used_for.owner())?;
    }
    for table in &contents.tables {
        writeln!(out, "\n{} ({} row groups)", table.name, table.row_groups.len())?;
        for column in &table.definition.columns {
            let (mut rows, mut bytes, mut codec) = (0, 0, "");
            for meta in table.row_groups.iter().filter_map(|g| g.chunk_meta(column.id)) {
                rows += u64::from(meta.row_count.get());
                bytes += meta.byte_len.get();
                codec = meta.codec().map_or("?", |c| c.name());
            }
            let bits = if rows == 0 { 0.0 } else { bytes as f64 * 8.0 / rows as f64 };
            let ty = column.ty.to_string();
            writeln!(
                out,
                "  {:12} {ty:12} {codec:12} {bytes:>10} bytes  {bits:6.2} bits a value",
                column.name
            )?;
        }
    }
    for problem in &contents.problems {
        writeln!(out, "problem: {problem}")?;
    }
    Ok(())
}
