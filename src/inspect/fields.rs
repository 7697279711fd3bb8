//! The fields of a structure, each with its place, as `docs/FORMAT.md` names them.

use std::ops::Range;

use crate::catalog::record::RecordKind;
use crate::column::Codec;
use crate::inspect::{Contents, Part, PartKind, log};
use crate::pager::inspect::Inspection;

/// A field of a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Where it begins in the file.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// At most so many fields of a structure are listed.
const FIELDS_MAX: usize = 4_096;
/// Bytes of a text or of packed values that are shown.
const SHOWN_BYTES: usize = 16;

/// Takes fields from the front of a structure, as far as it goes.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    /// Where the structure begins in the file.
    base: u64,
    at: usize,
    /// Only fields that begin here are kept.
    wanted: Range<u64>,
    out: Vec<Field>,
}

impl<'a> Fields<'a> {
    /// Of a structure that begins at `base` in the file; those that begin within `wanted`.
    pub(super) fn new(bytes: &'a [u8], base: u64, wanted: Range<u64>) -> Self {
        Self { bytes, base, at: 0, wanted, out: vec![] }
    }

    /// What was found.
    pub(super) fn found(self) -> Vec<Field> {
        self.out
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(taken)
    }

    pub(super) fn push(&mut self, name: impl Into<String>, length: usize, value: impl Into<String>) {
        let offset = self.base + (self.at - length) as u64;
        if self.out.len() < FIELDS_MAX && length > 0 && self.wanted.contains(&offset) {
            self.out.push(Field { offset, bytes: length as u64, name: name.into(), value: value.into() });
        }
    }

    /// Whether any of the next `length` bytes is wanted.
    pub(super) fn wants(&self, length: usize) -> bool {
        let start = self.base + self.at as u64;
        start < self.wanted.end && start.saturating_add(length as u64) > self.wanted.start
    }

    /// A number of up to 8 bytes, shown as `show` says.
    pub(super) fn number_as(
        &mut self,
        name: &str,
        length: usize,
        show: impl FnOnce(u64) -> String,
    ) -> Option<u64> {
        let bytes = self.take(length)?;
        let mut whole = [0; 8];
        whole[..length].copy_from_slice(bytes);
        let value = u64::from_le_bytes(whole);
        self.push(name, length, show(value));
        Some(value)
    }

    pub(super) fn number(&mut self, name: &str, length: usize) -> Option<u64> {
        self.number_as(name, length, |v| v.to_string())
    }

    fn hex(&mut self, name: &str, length: usize) -> Option<u64> {
        self.number_as(name, length, |v| format!("{v:0width$x}", width = 2 * length))
    }

    /// A slot's address, 0 where there is none.
    fn slot(&mut self, name: &str) -> Option<u64> {
        self.number_as(name, 8, |v| match v {
            0 => "none".to_owned(),
            v => format!("{}:{}", v >> 16, v & 0xffff),
        })
    }

    pub(super) fn raw(&mut self, name: &str, length: usize) -> Option<()> {
        let bytes = self.take(length)?;
        self.push(name, length, shown(bytes));
        Some(())
    }

    fn rest(&mut self, name: &str) {
        let left = self.bytes.len().saturating_sub(self.at);
        self.raw(name, left);
    }

    /// A text: its length, and itself.
    fn text(&mut self, name: &str) -> Option<()> {
        let length = self.number(&format!("length of {name}"), 4)? as usize;
        let bytes = self.take(length)?;
        self.push(name, length, format!("{:?}", String::from_utf8_lossy(bytes)));
        Some(())
    }

    fn optional_text(&mut self, name: &str) -> Option<()> {
        match self.number(&format!("has {name}"), 1)? {
            0 => Some(()),
            _ => self.text(name),
        }
    }
}

/// The first bytes, as they are.
pub(super) fn shown(bytes: &[u8]) -> String {
    if !bytes.is_empty() && bytes.iter().all(|b| *b == 0) {
        return "zeros".to_owned();
    }
    let hex: Vec<_> = bytes.iter().take(SHOWN_BYTES).map(|b| format!("{b:02x}")).collect();
    format!("{}{}", hex.join(" "), if bytes.len() > SHOWN_BYTES { " …" } else { "" })
}

/// The fields of a part, as far as it is sound. What has no fields, such as padding, has none here.
pub fn fields_of(file: &Inspection, contents: &Contents, part: &Part) -> Vec<Field> {
    let within = part.offset..part.offset.saturating_add(part.bytes);
    if matches!(
        part.kind,
        PartKind::LogRecord | PartKind::LogDeletes | PartKind::LogValues | PartKind::LogSequences
    ) {
        return log::fields_of_record(file, contents, within);
    }
    let length = usize::try_from(part.bytes).unwrap_or(usize::MAX);
    let Ok(bytes) = file.bytes(part.offset, length) else { return vec![] };
    let mut fields = Fields::new(&bytes, part.offset, within);
    // What ends too early has just the fields before.
    let _ = match part.kind {
        PartKind::Superblock => superblock(&mut fields),
        PartKind::PageHeader => page_header(&mut fields),
        PartKind::PageCounts => page_counts(file, part, &mut fields),
        PartKind::Slots => slots(&mut fields),
        PartKind::Record | PartKind::DeadRecord => record(&mut fields),
        PartKind::Stub => stub(&mut fields),
        PartKind::SpaceTable => space_table(file, part, &mut fields),
        PartKind::ChunkHeader => chunk_header(&mut fields),
        PartKind::BlockDirectory => block_directory(file, part, &mut fields),
        PartKind::ChildDirectory => child_directory(&mut fields),
        PartKind::Shared => shared(&mut fields),
        PartKind::Block => block(&mut fields),
        PartKind::DeleteVector => delete_vector(&mut fields),
        PartKind::KeyDirectory => key_directory(&mut fields),
        PartKind::KeyIndex => key_index(&mut fields),
        PartKind::FrameHeader => frame_header(&mut fields),
        _ => None,
    };
    fields.found()
}

fn superblock(f: &mut Fields<'_>) -> Option<()> {
    f.raw("magic", 8)?;
    f.number("format version", 4)?;
    f.number("page size", 4)?;
    f.hex("compatible flags", 8)?;
    f.hex("incompatible flags", 8)?;
    f.raw("database id", 16)?;
    f.number("sequence", 8)?;
    f.number("page count", 8)?;
    f.slot("catalog root")?;
    f.number("space root", 8)?;
    f.number("space pages", 8)?;
    f.number("log root", 8)?;
    f.number("slot", 4)?;
    f.number("reserved", 4)?;
    f.number("log pages", 8)?;
    let reserved = f.bytes.len().checked_sub(f.at + 4)?;
    f.raw("reserved", reserved)?;
    f.hex("checksum", 4).map(|_| ())
}

fn frame_header(f: &mut Fields<'_>) -> Option<()> {
    f.raw("magic", 4)?;
    f.hex("checksum", 4)?;
    f.raw("database", 16)?;
    f.number("epoch", 8)?;
    f.number("number", 8)?;
    f.number("durable", 8)?;
    f.hex("previous", 4)?;
    f.number("length", 4)?;
    f.number("layout", 1)?;
    f.number("extra", 1)?;
    f.hex("header checksum", 2)?;
    f.hex("salt", 4).map(|_| ())
}

fn page_header(f: &mut Fields<'_>) -> Option<()> {
    f.hex("checksum", 4)?;
    f.number_as("kind", 1, |v| {
        let kind = crate::pager::PageKind::from_byte(v as u8);
        format!("{v} ({})", kind.map_or("unknown", crate::pager::PageKind::name))
    })?;
    f.number("layout", 1)?;
    f.number("reserved", 2)?;
    f.number("number", 8)?;
    f.number("sequence", 8)?;
    f.number_as("next", 8, |v| if v == 0 { "none".to_owned() } else { v.to_string() }).map(|_| ())
}

fn page_counts(file: &Inspection, part: &Part, f: &mut Fields<'_>) -> Option<()> {
    let kind = file.bytes(part.offset - part.offset.min(28), 1).ok()?;
    if kind[0] == crate::pager::PageKind::Heap as u8 {
        f.number("slots", 2)?;
        f.number("reserved", 2)?;
        f.number("records start", 4)?;
    } else {
        f.number("index", 4)?;
        f.number("length", 4)?;
    }
    Some(())
}

fn slots(f: &mut Fields<'_>) -> Option<()> {
    for slot in 0.. {
        f.number(&format!("slot {slot}: offset"), 2)?;
        f.number_as(&format!("slot {slot}: kind"), 2, |v| match v {
            1 => "1 (here)".to_owned(),
            2 => "2 (stub)".to_owned(),
            v => v.to_string(),
        })?;
        f.number(&format!("slot {slot}: length"), 4)?;
    }
    Some(())
}

fn stub(f: &mut Fields<'_>) -> Option<()> {
    f.number("first", 8)?;
    f.number("pages", 4)?;
    f.hex("checksum", 4).map(|_| ())
}

fn space_table(file: &Inspection, part: &Part, f: &mut Fields<'_>) -> Option<()> {
    // Only the first page of the chain begins at a boundary that it knows.
    let index = file.bytes(part.offset.checked_sub(8)?, 4).ok()?;
    if index[..] != [0; 4] {
        f.rest("ranges and sparse pages");
        return None;
    }
    let ranges = f.number("ranges", 8)?;
    let sparse = f.number("sparse", 8)?;
    for range in 0..ranges {
        f.number(&format!("range {range}: start"), 8)?;
        f.number(&format!("range {range}: pages"), 8)?;
        f.number(&format!("range {range}: freed at"), 8)?;
    }
    for page in 0..sparse {
        f.number(&format!("sparse {page}: page"), 8)?;
        f.number(&format!("sparse {page}: live bytes"), 4)?;
        f.number(&format!("sparse {page}: slots"), 2)?;
        let dead = f.number(&format!("sparse {page}: dead"), 2)?;
        for _ in 0..dead {
            f.number(&format!("sparse {page}: dead slot"), 2)?;
        }
        let padding = (8 - dead as usize * 2 % 8) % 8;
        f.raw("padding", padding)?;
    }
    f.rest("padding");
    None
}

fn record(f: &mut Fields<'_>) -> Option<()> {
    let kind = RecordKind::from_byte(*f.bytes.first()?);
    f.number_as("kind", 1, |v| format!("{v} ({})", kind.map_or("unknown", RecordKind::name)))?;
    let version = f.number("version", 1)?;
    f.number("flags", 2)?;
    match kind? {
        RecordKind::Root => {
            f.number("next id", 8)?;
            for entry in 0..f.number("count", 4)? {
                f.number_as(&format!("object {entry}: kind"), 1, |v| {
                    RecordKind::from_byte(v as u8).map_or("unknown", RecordKind::name).to_owned()
                })?;
                f.number(&format!("object {entry}: id"), 8)?;
                f.slot(&format!("object {entry}: record"))?;
                f.slot(&format!("object {entry}: directory"))?;
            }
        }
        RecordKind::Schema => {
            f.number("id", 8)?;
            f.text("name")?;
            f.optional_text("comment")?;
        }
        RecordKind::Directory => {
            f.number("table", 8)?;
            f.number("rows", 8)?;
            if version > 1 {
                f.number("deleted rows", 8)?;
            }
            f.number("bytes", 8)?;
            for segment in 0..f.number("count", 4)? {
                f.slot(&format!("segment {segment}"))?;
                f.number(&format!("segment {segment}: rows"), 8)?;
                f.number(&format!("segment {segment}: row groups"), 4)?;
            }
        }
        RecordKind::Segment => {
            let signed = |v: u64| v.cast_signed().to_string();
            for group in 0..f.number("count", 4)? {
                f.slot(&format!("row group {group}: record"))?;
                f.number(&format!("row group {group}: rows"), 4)?;
                f.number(&format!("row group {group}: deleted rows"), 4)?;
                f.number(&format!("row group {group}: deletes"), 8)?;
                f.number(&format!("row group {group}: pages of deletes"), 4)?;
                f.number(&format!("row group {group}: bytes"), 8)?;
                f.hex(&format!("row group {group}: checksum of deletes"), 4)?;
                f.number_as(&format!("row group {group}: least time"), 8, signed)?;
                f.number_as(&format!("row group {group}: greatest time"), 8, signed)?;
            }
        }
        RecordKind::RowGroup => {
            let columns = f.number("columns", 4)?;
            f.number("rows", 4)?;
            f.number("zero", 4)?;
            f.number("page", 8)?;
            f.number("pages", 8)?;
            f.number("bytes", 8)?;
            f.number("key indexes: offset", 8)?;
            f.number("key indexes: bytes", 8)?;
            f.number("key indexes", 4)?;
            f.hex("key indexes: checksum of the list", 4)?;
            for column in 0..columns {
                f.number(&format!("chunk {column}: column id"), 4)?;
            }
            for column in 0..columns {
                chunk_meta(f, column)?;
            }
        }
        // Definitions of objects: their common front.
        _ => {
            f.number("id", 8)?;
            f.number("schema", 8)?;
            f.text("name")?;
        }
    }
    f.rest("rest");
    None
}

fn codec_name(v: u64) -> String {
    let codec = Codec::ALL.into_iter().find(|c| *c as u64 == v);
    format!("{v} ({})", codec.map_or("unknown", Codec::name))
}

fn chunk_meta(f: &mut Fields<'_>, column: u64) -> Option<()> {
    let name = |what: &str| format!("chunk {column}: {what}");
    f.number(&name("page"), 8)?;
    f.number(&name("offset"), 8)?;
    f.number(&name("length"), 8)?;
    f.number(&name("rows"), 4)?;
    f.number(&name("NULLs"), 4)?;
    f.raw(&name("minimum"), 16)?;
    f.raw(&name("maximum"), 16)?;
    f.raw(&name("sum"), 16)?;
    f.number(&name("distinct"), 4)?;
    f.hex(&name("header checksum"), 4)?;
    f.hex(&name("statistics"), 1)?;
    f.number_as(&name("codec"), 1, codec_name)?;
    f.number(&name("blocks of it"), 2)?;
    f.number(&name("blocks"), 4)?;
    f.number(&name("memory"), 8)?;
    f.raw(&name("reserved"), 24)
}

fn chunk_header(f: &mut Fields<'_>) -> Option<()> {
    f.raw("magic", 4)?;
    f.number("version", 2)?;
    f.number("type", 1)?;
    f.number_as("scheme", 1, |v| match v {
        1 => "1 (values)".to_owned(),
        2 => "2 (dictionary)".to_owned(),
        3 => "3 (symbols)".to_owned(),
        v => v.to_string(),
    })?;
    for name in ["table", "column", "rows", "NULLs", "blocks"] {
        f.number(name, 4)?;
    }
    f.number("rows of a block", 2)?;
    for name in ["entry length", "bound width", "sum width", "children"] {
        f.number(name, 1)?;
    }
    f.number("parameter", 2)?;
    f.hex("flags", 4)?;
    f.number("shared offset", 8)?;
    f.number("shared length", 8)?;
    f.hex("shared checksum", 4)?;
    f.hex("header checksum", 4).map(|_| ())
}

fn block_directory(file: &Inspection, part: &Part, f: &mut Fields<'_>) -> Option<()> {
    // The header, which comes before, says how wide bounds and sums are.
    let header = file.bytes(part.offset.checked_sub(64)?, 64).ok()?;
    let (bound, sum) = (usize::from(header[31]), usize::from(header[32]));
    for block in 0.. {
        let name = |what: &str| format!("block {block}: {what}");
        f.number(&name("offset"), 8)?;
        f.number(&name("length"), 4)?;
        f.hex(&name("checksum"), 4)?;
        f.number(&name("rows"), 2)?;
        f.number(&name("NULLs"), 2)?;
        f.number_as(&name("codec"), 1, codec_name)?;
        f.number(&name("form"), 1)?;
        f.hex(&name("statistics"), 1)?;
        f.number(&name("reserved"), 1)?;
        f.raw(&name("minimum"), bound)?;
        f.raw(&name("maximum"), bound)?;
        f.raw(&name("sum"), sum)?;
    }
    Some(())
}

fn child_directory(f: &mut Fields<'_>) -> Option<()> {
    for child in 0.. {
        f.number(&format!("child {child}: offset"), 8)?;
        f.number(&format!("child {child}: length"), 8)?;
    }
    Some(())
}

fn shared(f: &mut Fields<'_>) -> Option<()> {
    f.number("values", 4)?;
    let symbols = f.number("bytes of symbols", 4)? as usize;
    f.raw("symbols", symbols)?;
    stream_head(f)?;
    f.rest("values");
    None
}

fn stream_head(f: &mut Fields<'_>) -> Option<()> {
    f.number_as("codec", 1, codec_name)?;
    f.number("a", 1)?;
    f.number("b", 2)?;
    f.number("c", 4).map(|_| ())
}

fn block(f: &mut Fields<'_>) -> Option<()> {
    stream_head(f)?;
    f.rest("values");
    None
}

fn key_directory(f: &mut Fields<'_>) -> Option<()> {
    for index in 0..f.bytes.len() / 8 {
        f.number(&format!("index {index}: offset"), 4)?;
        f.number(&format!("index {index}: bytes"), 4)?;
    }
    None
}

fn key_index(f: &mut Fields<'_>) -> Option<()> {
    f.raw("magic", 4)?;
    f.hex("checksum", 4)?;
    f.number("version", 2)?;
    f.number("form", 1)?;
    let columns = f.number("columns", 1)?;
    f.number("rows", 4)?;
    f.number("entries", 4)?;
    let blocks = f.number("blocks", 4)?;
    let filter = f.number("bytes of the filter", 4)?;
    let parts = f.number("parts of the body", 4)?;
    for column in 0..columns {
        f.number(&format!("column {column}: id"), 4)?;
    }
    for part in 0..parts {
        f.hex(&format!("part {part}: checksum"), 4)?;
    }
    f.raw("filter", filter as usize)?;
    for block in 0..blocks + 2 {
        f.number(&format!("block {block}: place"), 4)?;
    }
    f.rest("keys");
    None
}

fn delete_vector(f: &mut Fields<'_>) -> Option<()> {
    f.raw("magic", 4)?;
    f.hex("checksum", 4)?;
    f.number("rows", 4)?;
    f.number("deleted", 4)?;
    f.number("table", 8)?;
    f.raw("zero", 8)?;
    f.rest("bits");
    None
}
