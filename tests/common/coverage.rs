//! What holds of every database file that a test leaves: each of its bytes is part of one structure.

use fluxdb::inspect::{Contents, Inspection, PartKind, walk_parts};
use fluxdb::pager::PagerError;

/// Of a sound file.
pub fn assert_covered(file: Result<Inspection, PagerError>) {
    let file = file.unwrap();
    let contents = Contents::read(&file);
    assert_eq!(contents.problems, Vec::<String>::new());
    let (mut end, page_size) = (0, u64::from(file.page_size()));
    walk_parts(&file, &contents, true, &mut |part| {
        assert_eq!(part.offset, end, "{part:?}");
        end += part.bytes;
        let sound = match part.kind {
            // The superblock that does not rule may be what a power cut left of it.
            PartKind::Damaged | PartKind::Unknown => part.offset < 2 * page_size,
            // So may be what was to be allocated ahead.
            PartKind::Tail => part.offset >= file.page_count() * page_size,
            _ => true,
        };
        assert!(sound, "{part:?}");
    });
    assert_eq!(end, file.file_bytes());
}
