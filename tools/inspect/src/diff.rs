//! Two files, or two states of one: what a commit changed.

use std::collections::BTreeMap;

use fluxdb::inspect::{Contents, Inspection, PageUse, TableView, page_map};
use serde_json::{Map, Value, json};

use crate::overview::superblock_fields;
use crate::records::object_of_table;

/// `inspect A diff B`, or `inspect diff A B`.
pub fn report(old: (&Inspection, &Contents), new: (&Inspection, &Contents)) -> Value {
    let mut report = json!({
        "old": crate::overview::file_name(old.0),
        "new": crate::overview::file_name(new.0),
        "bytes": change(&json!(old.0.file_bytes()), &json!(new.0.file_bytes())),
        "superblock": superblocks(old.0, new.0),
        "pages": pages(old, new),
        "tables": tables(old.1, new.1),
        "objects": objects(old.1, new.1),
    });
    let problems: Vec<_> = old.1.problems.iter().chain(&new.1.problems).cloned().collect();
    if !problems.is_empty() {
        report["problems"] = problems.into();
    }
    report
}

fn change(old: &Value, new: &Value) -> Value {
    if old == new { new.clone() } else { json!(format!("{} -> {}", plain(old), plain(new))) }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The fields of the superblocks that rule, as far as they differ.
fn superblocks(old: &Inspection, new: &Inspection) -> Value {
    let (Ok(a), Ok(b)) = (&old.superblock, &new.superblock) else {
        return json!("one of the files has no valid superblock");
    };
    let (a, b) = (superblock_fields(a), superblock_fields(b));
    let mut out = Map::new();
    if let (Value::Object(a), Value::Object(b)) = (&a, &b) {
        for (name, new) in b {
            let old = a.get(name).unwrap_or(&Value::Null);
            if old != new {
                out.insert(name.clone(), change(old, new));
            }
        }
    }
    Value::Object(out)
}

/// Pages whose bytes differ, by what they are used for before and after, as ranges.
fn pages(old: (&Inspection, &Contents), new: (&Inspection, &Contents)) -> Value {
    if old.0.page_size() != new.0.page_size() {
        return json!("the files have pages of different sizes");
    }
    let uses = |file: &Inspection, contents: &Contents| -> Vec<(u64, u64, PageUse)> {
        let map = page_map(file, contents);
        map.into_iter().map(|r| (r.start.0, r.start.0 + r.pages, r.used_for)).collect()
    };
    let (before, after) = (uses(old.0, old.1), uses(new.0, new.1));
    let find = |map: &[(u64, u64, PageUse)], page: u64| {
        let at = map.partition_point(|(_, end, _)| *end <= page);
        map.get(at)
            .map_or_else(|| ("none", String::new()), |(_, _, used_for)| (used_for.kind(), used_for.owner()))
    };
    let mut ranges: Vec<(u64, u64, Value)> = vec![];
    for page in 0..old.0.pages().max(new.0.pages()) {
        let id = fluxdb::inspect::PageId(page);
        let (was, is) = (find(&before, page), find(&after, page));
        let same_bytes = match (old.0.page(id), new.0.page(id)) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
        // A freed page keeps its bytes.
        if same_bytes && was == is {
            continue;
        }
        let what = json!({
            "change": if same_bytes { "use" } else { "bytes" },
            "was": was.0,
            "is": is.0,
            "owner": is.1,
        });
        match ranges.last_mut() {
            Some((start, pages, last)) if *start + *pages == page && *last == what => *pages += 1,
            _ => ranges.push((page, 1, what)),
        }
    }
    let rows = ranges.into_iter().map(|(start, pages, what)| {
        let mut row = json!({"first_page": start, "pages": pages});
        if let (Value::Object(row), Value::Object(what)) = (&mut row, what) {
            row.extend(what);
        }
        row
    });
    rows.collect::<Vec<_>>().into()
}

/// Rows, row groups and bytes of the tables that differ.
fn tables(old: &Contents, new: &Contents) -> Value {
    fn sizes(table: &TableView) -> (Value, std::collections::BTreeSet<String>) {
        let groups = || table.row_groups.iter();
        let rows: u64 = groups().map(|g| u64::from(g.entry.rows)).sum();
        let deleted: u64 = groups().map(|g| u64::from(g.entry.deleted_rows)).sum();
        let bytes: u64 = groups().map(|g| g.record.header().extent_bytes.get()).sum();
        let fields =
            json!({"rows": rows, "deleted_rows": deleted, "row_groups": groups().count(), "bytes": bytes});
        (fields, groups().map(|g| format!("{} {}", g.slot, g.extent())).collect())
    }
    let by_id =
        |contents: &Contents| -> BTreeMap<u64, (String, Value, std::collections::BTreeSet<String>, Value)> {
            let tables = contents.tables.iter();
            tables
                .map(|t| {
                    let (fields, groups) = sizes(t);
                    (t.definition.id.0, (t.name.clone(), fields, groups, object_of_table(&t.definition)))
                })
                .collect()
        };
    let (a, b) = (by_id(old), by_id(new));
    let mut out = vec![];
    for id in a.keys().chain(b.keys().filter(|k| !a.contains_key(k))) {
        match (a.get(id), b.get(id)) {
            (Some(was), Some(is)) if was != is => {
                let mut row = json!({"table": change(&json!(was.0), &json!(is.0)), "change": "changed"});
                for name in ["rows", "deleted_rows", "row_groups", "bytes"] {
                    row[name] = change(&was.1[name], &is.1[name]);
                }
                row["row_groups_added"] = is.2.difference(&was.2).count().into();
                row["row_groups_gone"] = was.2.difference(&is.2).count().into();
                row["definition"] = if was.3 == is.3 { "same".into() } else { "changed".into() };
                out.push(row);
            }
            (Some(was), None) => {
                out.push(json!({"table": was.0, "change": "dropped", "rows": was.1["rows"]}));
            }
            (None, Some(is)) => out.push(json!({
                "table": is.0, "change": "new", "rows": is.1["rows"], "row_groups": is.1["row_groups"],
                "bytes": is.1["bytes"],
            })),
            _ => {}
        }
    }
    out.into()
}

/// Objects other than tables that came, went or changed.
fn objects(old: &Contents, new: &Contents) -> Value {
    let by_id = |contents: &Contents| -> BTreeMap<u64, Value> {
        contents.objects.iter().map(|o| (o.id().0, crate::records::object(o))).collect()
    };
    let (a, b) = (by_id(old), by_id(new));
    let mut out = vec![];
    for id in a.keys().chain(b.keys().filter(|k| !a.contains_key(k))) {
        let (was, is) = (a.get(id), b.get(id));
        let what = match (was, is) {
            (Some(was), Some(is)) if was != is => "changed",
            (Some(_), None) => "dropped",
            (None, Some(_)) => "new",
            _ => continue,
        };
        let object = is.or(was).cloned().unwrap_or_default();
        out.push(json!({"kind": object["kind"], "name": object["name"], "change": what}));
    }
    out.into()
}
