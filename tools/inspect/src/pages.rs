//! Pages: a map of all, one in detail, the extents, the heap.

use fluxdb::inspect::{
    Contents, Field, Inspection, PageId, PageKind, PageUse, PageView, Part, Slot, extents, fields_of,
    page_map, parts_of,
};
use serde_json::{Value, json};

use crate::render::hex_lines;
use crate::{Failure, records, with_problems};

/// The number of a page as the user gives it.
pub fn parse_page(text: &str) -> Result<PageId, Failure> {
    text.parse().map(PageId).map_err(|_| Failure::Usage(format!("'{text}' is not the number of a page")))
}

/// `inspect FILE pages`.
pub fn map(file: &Inspection, contents: &Contents, kind: Option<&str>) -> Result<Value, Failure> {
    if let Some(kind) = kind
        && !PageUse::KINDS.contains(&kind)
    {
        let kinds = PageUse::KINDS.join(", ");
        return Err(Failure::Usage(format!("no page is of the kind '{kind}'; kinds are: {kinds}")));
    }
    let ranges = page_map(file, contents);
    let mut broken = false;
    let shown: Vec<Value> = ranges
        .iter()
        .filter(|r| kind.is_none_or(|k| k == r.used_for.kind()))
        .map(|r| {
            broken |= matches!(r.used_for, PageUse::Damaged(_));
            json!({
                "first_page": r.start.0,
                "pages": r.pages,
                "kind": r.used_for.kind(),
                "owner": r.used_for.owner(),
            })
        })
        .collect();
    let mut report = json!({"pages": shown});
    let whole = file.pages() * u64::from(file.page_size());
    if whole < file.file_bytes() {
        report["bytes_behind_the_last_page"] = (file.file_bytes() - whole).into();
    }
    if broken {
        report["error"] = "damaged pages".into();
    }
    Ok(with_problems(report, contents))
}

/// `inspect FILE extents`: every run of pages that something refers to.
pub fn extent_list(contents: &Contents) -> Value {
    let list: Vec<Value> = extents(contents)
        .into_iter()
        .map(|(extent, used_for)| {
            json!({
                "first_page": extent.start.0,
                "pages": extent.pages,
                "kind": used_for.kind(),
                "owner": used_for.owner(),
            })
        })
        .collect();
    with_problems(json!({"extents": list}), contents)
}

/// `inspect FILE page N`: its parts and their fields, each with its offset in the file and, with `hex`, its bytes.
pub fn page(file: &Inspection, contents: &Contents, page: PageId, hex: bool) -> Result<Value, Failure> {
    if page.0 >= file.pages() {
        let pages = file.pages();
        return Err(Failure::File(format!("there is no page {page}: the file has {pages} whole pages")));
    }
    let bytes = file.page(page)?;
    let used_for = page_map(file, contents)
        .into_iter()
        .find(|r| (r.start.0..r.start.0 + r.pages).contains(&page.0))
        .map_or(PageUse::Unknown, |r| r.used_for);
    let offset = page.0 * u64::from(file.page_size());
    let mut report = json!({
        "page": page.0,
        "offset": offset,
        "kind": used_for.kind(),
        "owner": used_for.owner(),
    });
    if let PageUse::Damaged(what) = &used_for {
        report["error"] = what.as_str().into();
    }
    report["layout"] = layout(file, contents, &parts_of(file, contents, page), offset, &bytes, hex).into();
    Ok(report)
}

/// The fields of parts, as far as they lie in `bytes`, which begin at `offset` of the file.
pub fn layout(
    file: &Inspection,
    contents: &Contents,
    parts: &[Part],
    offset: u64,
    bytes: &[u8],
    hex: bool,
) -> Vec<Value> {
    let end = offset + bytes.len() as u64;
    let mut lines = vec![];
    for part in parts {
        for field in fields_or_whole(file, contents, part) {
            let (from, to) = (field.offset.max(offset), (field.offset + field.bytes).min(end));
            if from < to {
                let here = &bytes[(from - offset) as usize..(to - offset) as usize];
                lines.extend(field_lines(part, &field, from, here, hex));
            }
        }
    }
    lines
}

/// The fields of a part, and a nameless one where there are none.
pub fn fields_or_whole(file: &Inspection, contents: &Contents, part: &Part) -> Vec<Field> {
    let mut fields = fields_of(file, contents, part);
    let end = fields.last().map_or(part.offset, |f| f.offset + f.bytes);
    let rest = part.offset + part.bytes - end;
    if rest > 0 {
        fields.push(Field { offset: end, bytes: rest, name: String::new(), value: String::new() });
    }
    fields
}

/// What a part is, in a few words.
pub fn part_title(part: &Part) -> String {
    match part.index {
        Some(index) => format!("{} {index}", part.kind.name()),
        None => part.kind.name().to_owned(),
    }
}

/// A field as rows of a table: one, or with `hex` one for every sixteen bytes.
fn field_lines(part: &Part, field: &Field, from: u64, bytes: &[u8], hex: bool) -> Vec<Value> {
    let what = json!({
        "offset": from,
        "bytes": bytes.len(),
        "part": part_title(part),
        "owner": &*part.owner,
        "field": field.name,
        "value": field.value,
    });
    if !hex {
        return vec![what];
    }
    let mut lines = vec![];
    for (number, (at, digits, readable)) in hex_lines(bytes, from, 16).into_iter().enumerate() {
        let mut line = if number == 0 {
            what.clone()
        } else {
            json!({"bytes": null, "part": "", "owner": "", "field": "", "value": ""})
        };
        line["offset"] = at.into();
        line["hex"] = digits.into();
        line["text"] = readable.into();
        lines.push(line);
    }
    lines
}

/// Says that there is no such table, and which there are.
pub fn no_table(contents: &Contents, name: &str) -> Failure {
    let names: Vec<_> = contents.tables.iter().map(|t| t.name.as_str()).collect();
    Failure::File(match &names[..] {
        [] => format!("there is no table '{name}', nor any other"),
        names => format!("there is no table '{name}'; tables are: {}", names.join(", ")),
    })
}

/// `inspect FILE heap [NAME]`: the records of the catalog as they are stored; those of one table, if it is named.
pub fn heap(file: &Inspection, contents: &Contents, name: Option<&str>) -> Result<Value, Failure> {
    let wanted = match name {
        None => None,
        Some(name) => {
            let table = contents.table(name).ok_or_else(|| no_table(contents, name))?;
            let mut slots = vec![table.record];
            slots.extend(table.directory);
            slots.extend(&table.segments);
            slots.extend(table.row_groups.iter().map(|g| g.slot));
            Some(slots)
        }
    };
    let mut records = vec![];
    for (page, view) in file.views() {
        let Ok(PageView::Paged(header)) = view else { continue };
        if header.kind != PageKind::Heap {
            continue;
        }
        let dead = file.dead_slots(page);
        let slots =
            file.heap_page(page, |heap| (0..heap.slots()).map(|s| (s, heap.slot(s))).collect::<Vec<_>>())?;
        for (number, slot) in slots {
            let is_wanted =
                wanted.as_ref().is_none_or(|w| w.iter().any(|s| s.page() == page && s.slot() == number));
            if !is_wanted {
                continue;
            }
            let (stored, bytes) = match slot {
                Ok(Slot::Inline { offset, length }) => (format!("here, at {offset}"), json!(length)),
                Ok(Slot::Chained { first, pages, length, .. }) => {
                    (format!("{pages} pages from {first} on"), json!(length))
                }
                Err(e) => (e.to_string(), Value::Null),
            };
            records.push(json!({
                "slot": format!("{page}:{number}"),
                "live": !dead.contains(&number),
                "bytes": bytes,
                "stored": stored,
                "record": records::one_line(file, page, number),
            }));
        }
    }
    Ok(with_problems(json!({"records": records}), contents))
}
