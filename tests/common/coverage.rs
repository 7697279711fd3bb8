//! What holds of every database file that a test leaves: each of its bytes is part of one structure.

use fluxdb::inspect::{Contents, Inspection, PartKind, walk_parts};
use fluxdb::pager::PagerError;

/// Of a sound file.
pub fn assert_covered(file: Result<Inspection, PagerError>) {
    assert_eq!(faults(&file.unwrap()), Vec::<String>::new());
}

/// What is wrong with a file, and where. However that may be, the parts add up to it.
pub fn faults(file: &Inspection) -> Vec<String> {
    let contents = Contents::read(file);
    let mut faults = contents.problems.clone();
    let (mut end, page_size) = (0, u64::from(file.page_size()));
    walk_parts(file, &contents, true, &mut |part| {
        assert_eq!(part.offset, end, "{part:?}");
        end += part.bytes;
        let sound = match part.kind {
            // The superblock that does not rule may be what a power cut left of it.
            PartKind::Damaged | PartKind::Unknown => part.offset < 2 * page_size,
            // So may be what was to be allocated ahead.
            PartKind::Tail => part.offset >= file.page_count() * page_size,
            _ => true,
        };
        if !sound {
            faults.push(format!("{part:?}"));
        }
    });
    assert_eq!(end, file.file_bytes());
    faults
}
