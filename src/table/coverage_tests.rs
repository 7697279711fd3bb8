//! Every database that a unit test of this crate leaves is accounted for, byte by byte, when it is closed.

use crate::coverage;
use crate::pager::PagerError;
use crate::table::Storage;

/// Of a database that is closed. If opening it has told of damage, it is told where that lies.
pub(super) fn assert_covered(storage: &Storage) {
    if std::thread::panicking() {
        return;
    }
    match storage.pager().inspect() {
        Ok(file) => match &storage.recovery().damage {
            None => coverage::assert_covered(Ok(file)),
            Some(damage) => assert!(!coverage::faults(&file).is_empty(), "{damage}"),
        },
        // A disk without power.
        Err(PagerError::Io { .. }) => {}
        Err(e) => panic!("{e}"),
    }
}
