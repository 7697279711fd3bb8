//! The worked example of `docs/FORMAT.md` is a real file, byte by byte. If this test fails, the format has changed,
//! and with it every file that exists.

use std::fmt::Write;
use std::sync::Arc;

use super::super::create::create;
use super::super::*;

const DOCUMENT: &str = include_str!("../../../docs/FORMAT.md");
const PAGE: usize = 4096;

/// The file of the example: two records and an extent in one commit, then the second record deleted.
fn example() -> Vec<u8> {
    let file = Arc::new(MemoryFile::new());
    create(&*file, PAGE as u32, *b"0123456789abcdef").unwrap();
    let pager = Pager::open_file(file.clone(), &Options::default()).unwrap();
    let txn = pager.begin_write().unwrap();
    let root = txn.heap_insert(b"the root record").unwrap();
    let other = txn.heap_insert(b"soon gone").unwrap();
    let extent = txn.alloc_extent(5000).unwrap();
    txn.write_extent(extent, &[0xee; 5000]).unwrap();
    txn.set_roots(Roots { catalog: Some(root), log: None });
    txn.commit().unwrap();
    let txn = pager.begin_write().unwrap();
    txn.heap_delete(other).unwrap();
    txn.commit().unwrap();
    drop(pager);
    file.to_vec()
}

/// Lines of 16 bytes with their offset, `*` for repeated lines, as `hexdump -C` prints them without the text.
fn dump(bytes: &[u8], from: usize, to: usize) -> String {
    let mut text = String::new();
    let mut starred = false;
    for at in (from..to).step_by(16) {
        let line = &bytes[at..at + 16];
        if at > from && at + 16 < to && line == &bytes[at - 16..at] {
            if !std::mem::replace(&mut starred, true) {
                text.push_str("*\n");
            }
            continue;
        }
        starred = false;
        write!(text, "{at:06x} ").unwrap();
        for (index, byte) in line.iter().enumerate() {
            write!(text, "{}{byte:02x}", if index == 8 { "  " } else { " " }).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_document_shows_a_real_file() {
    let image = example();
    assert_eq!(image.len(), 7 * PAGE);
    // Page 5 is free: what is in it means nothing.
    let page = |page: usize| (page * PAGE, (page + 1) * PAGE);
    let ranges = [(0, 512), (PAGE, PAGE + 112), page(2), page(3), page(4), page(6)];
    for (from, to) in ranges {
        let lines = dump(&image, from, to);
        assert!(DOCUMENT.contains(&lines), "docs/FORMAT.md does not show bytes {from}..{to}:\n{lines}");
    }
}
