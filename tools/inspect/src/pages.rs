//! Pages: a map of all, and one in detail.

use fluxdb::inspect::{Contents, HeapPage, Inspection, PageId, PageKind, PageUse, PageView, Slot, page_map};
use serde_json::{Value, json};

use crate::render::hex_dump;
use crate::{Failure, records, with_problems};

/// The number of a page as the user gives it.
pub fn parse_page(text: &str) -> Result<PageId, Failure> {
    text.parse().map(PageId).map_err(|_| Failure::Usage(format!("'{text}' is not the number of a page")))
}

/// `inspect FILE pages`.
pub fn map(file: &Inspection, contents: &Contents, kind: Option<&str>) -> Value {
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
    with_problems(report, contents)
}

/// `inspect FILE page N`.
pub fn page(file: &Inspection, contents: &Contents, page: PageId, hex: bool) -> Result<Value, Failure> {
    let bytes = file.page(page)?;
    let owner = page_map(file, contents)
        .into_iter()
        .find(|r| (r.start.0..r.start.0 + r.pages).contains(&page.0))
        .map_or(PageUse::Unknown, |r| r.used_for);
    let offset = page.0 * u64::from(file.page_size());
    let mut report = json!({
        "page": page.0,
        "offset": offset,
        "kind": owner.kind(),
        "owner": owner.owner(),
    });
    // The pages of an extent have no headers; what looks like one is old or chance.
    if !matches!(owner, PageUse::RowGroup { .. }) {
        match file.view(page)? {
            PageView::Superblock(_) => {
                let all = crate::overview::superblocks(file);
                report["superblock"] = all[format!("page_{page}")].clone();
            }
            PageView::Paged(header) => {
                report["header"] = json!({
                    "kind": header.kind.name(),
                    "number": header.page.0,
                    "sequence": header.sequence,
                    "next": header.next.map(|p| p.0),
                });
                if header.kind == PageKind::Heap {
                    report["heap"] = file.heap_page(page, |heap| heap_page(file, &heap))?;
                }
            }
            PageView::Damaged { error, .. } => report["error"] = error.to_string().into(),
            _ => {}
        }
    }
    if hex {
        report["hex"] = hex_dump(&bytes, offset).into();
    }
    Ok(report)
}

/// The slots of a heap page with their records, decoded as far as they can be.
fn heap_page(file: &Inspection, heap: &HeapPage<'_>) -> Value {
    let dead = file.dead_slots(heap.header.page);
    let slots: Vec<Value> = (0..heap.slots())
        .map(|number| {
            let mut report = match heap.slot(number) {
                Ok(Slot::Inline { offset, length }) => {
                    json!({"slot": number, "stored": "here", "offset": offset, "bytes": length})
                }
                Ok(Slot::Chained { first, pages, length, .. }) => json!({
                    "slot": number, "stored": format!("pages from {first}"), "chain": pages, "bytes": length,
                }),
                Err(e) => return json!({"slot": number, "record": e.to_string()}),
            };
            report["live"] = (!dead.contains(&number)).into();
            report["record"] = records::one_line(file, heap.header.page, number).into();
            report
        })
        .collect();
    json!({"slots": heap.slots(), "records_start": heap.records_start(), "directory": slots})
}
