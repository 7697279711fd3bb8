//! Reports as text for people. Every report is a JSON value first, so that text and `--json` cannot disagree.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use serde_json::{Map, Value};

/// The report as text: objects as `name  value` lines, lists of objects as tables.
pub fn text(report: &Value) -> String {
    let mut out = String::new();
    write_value(report, 0, &mut out);
    // A report of empty lists says which.
    if let (true, Value::Object(fields)) = (out.is_empty(), report) {
        for name in fields.keys() {
            out.push_str(&format!("{}  none\n", name.replace('_', " ")));
        }
    }
    out
}

fn write_value(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(fields) => write_object(fields, depth, out),
        Value::Array(items) => write_list(items, depth, out),
        scalar => {
            indent(depth, out);
            out.push_str(&plain(scalar));
            out.push('\n');
        }
    }
}

fn write_object(fields: &Map<String, Value>, depth: usize, out: &mut String) {
    let width = fields.iter().filter(|(_, v)| is_plain(v)).map(|(k, _)| k.chars().count()).max().unwrap_or(0);
    for (name, value) in fields {
        let title = name.replace('_', " ");
        if is_plain(value) {
            indent(depth, out);
            out.push_str(&format!("{title:width$}  {}\n", plain(value)));
        } else if !is_empty(value) {
            if depth == 0 {
                out.push('\n');
            }
            indent(depth, out);
            out.push_str(&title);
            out.push('\n');
            write_value(value, depth + 1, out);
        }
    }
}

fn write_list(items: &[Value], depth: usize, out: &mut String) {
    let Some(Value::Object(first)) = items.first() else {
        for item in items {
            write_value(item, depth, out);
        }
        return;
    };
    // Columns in the order in which they first occur; a nested value has no place in a table.
    let mut names: Vec<&String> = first.keys().collect();
    for name in items.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.retain(|n| items.iter().all(|i| i.get(n.as_str()).is_none_or(is_plain)));
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(names.iter().map(|n| Cell::new(n.replace('_', " "))));
    for item in items {
        table.add_row(names.iter().map(|n| {
            let value = item.get(n.as_str()).unwrap_or(&Value::Null);
            let cell = Cell::new(plain(value));
            if value.is_number() { cell.set_alignment(CellAlignment::Right) } else { cell }
        }));
    }
    for line in table.to_string().lines() {
        indent(depth, out);
        out.push_str(line);
        out.push('\n');
    }
}

/// A value that fits in a line.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(items) => !items.is_empty() && items.iter().all(|i| !i.is_object() && !i.is_array()),
        _ => true,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.chars().flat_map(visible).collect(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Control characters are shown, not obeyed.
fn visible(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

fn indent(depth: usize, out: &mut String) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// Bytes as lines of so many: offset, digits, what is readable of them. Lines that repeat the one before are left out.
pub fn hex_lines(bytes: &[u8], base: u64, width: usize) -> Vec<(u64, String, String)> {
    let mut lines: Vec<(u64, String, String)> = vec![];
    let mut before: Option<&[u8]> = None;
    for (i, line) in bytes.chunks(width).enumerate() {
        let at = base + (width * i) as u64;
        if before == Some(line) {
            if lines.last().is_some_and(|l| l.1 != "*") {
                lines.push((at, "*".to_owned(), String::new()));
            }
            continue;
        }
        before = Some(line);
        let mut hex = String::new();
        for (j, b) in line.iter().enumerate() {
            hex.push_str(&format!("{b:02x}{}", if j == 7 { "  " } else { " " }));
        }
        let readable = line.iter().map(|b| if (0x20..0x7f).contains(b) { char::from(*b) } else { '.' });
        lines.push((at, hex.trim_end().to_owned(), readable.collect()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_lines_and_lists_are_tables() {
        let out = text(
            &json!({"page_size": 4096, "ok": true, "slots": [{"slot": 0, "bytes": 12}, {"slot": 1, "bytes": 7}]}),
        );
        assert!(out.contains("page size  4096"), "{out}");
        assert!(out.contains("│ slot ┆ bytes │"), "{out}");
        assert!(out.contains("│    1 ┆     7 │"), "{out}");
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(text(&json!({"text": "a\u{1b}[0m"})), "text  a\\u{1b}[0m\n");
    }

    #[test]
    fn hex_lines_carry_offsets_and_repeat_nothing() {
        let lines = hex_lines(b"FLUX\x00 and what follows", 0x40, 16);
        assert_eq!(lines[0].0, 0x40);
        assert!(lines[0].1.starts_with("46 4c 55 58 00 20 61 6e  64"), "{}", lines[0].1);
        assert_eq!(lines[0].2, "FLUX. and what f");
        assert_eq!(lines.len(), 2);
        let zeros = hex_lines(&[0; 100], 0, 16);
        assert_eq!(zeros.iter().map(|l| l.0).collect::<Vec<_>>(), [0, 16, 96]);
    }
}
