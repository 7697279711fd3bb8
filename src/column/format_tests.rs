//! The chunk shown in `docs/FORMAT.md` is real, byte by byte. If this test fails, the format has changed, and the
//! document and the version must follow.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};

use crate::column::types::LogicalType;
use crate::column::writer::{EncodeOptions, encode_chunk};

const DOCUMENT: &str = include_str!("../../docs/FORMAT.md");

#[test]
fn the_document_shows_a_real_chunk() {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(100..110));
    let options = EncodeOptions { table_id: 2, column_id: 0, ..EncodeOptions::default() };
    let bytes = encode_chunk(&values, &LogicalType::BigInt, &options).unwrap().bytes;
    assert_eq!(bytes.len(), 192);
    assert!(bytes[144..].iter().all(|b| *b == 0));
    let mut lines = String::from("```\n");
    for (line, bytes) in bytes[..144].chunks(16).enumerate() {
        write!(lines, "{:06x} ", line * 16).unwrap();
        for (index, byte) in bytes.iter().enumerate() {
            write!(lines, "{}{byte:02x}", if index == 8 { "  " } else { " " }).unwrap();
        }
        lines.push('\n');
    }
    lines.push_str("```\n");
    assert!(DOCUMENT.contains(&lines), "docs/FORMAT.md does not show this chunk:\n{lines}");
}
