//! Commits that stay in the file for as long as something looks at them.

use std::ops::Deref;
use std::sync::Arc;

use crate::column::DictionaryCache;
use crate::pager::Snapshot;

/// A commit of the file that something still looks at.
pub(super) type Pin = Arc<Pinned>;

/// See [`Pin`].
#[derive(Debug)]
pub(super) struct Pinned {
    snapshot: Snapshot,
    /// What keeps the dictionaries of the database's chunks.
    dictionaries: Arc<DictionaryCache>,
}

impl Pinned {
    pub(super) fn new(snapshot: Snapshot, dictionaries: &Arc<DictionaryCache>) -> Pin {
        Arc::new(Self { snapshot, dictionaries: Arc::clone(dictionaries) })
    }

    /// What keeps the dictionaries of its chunks.
    pub(super) fn dictionaries(&self) -> &Arc<DictionaryCache> {
        &self.dictionaries
    }
}

impl Deref for Pinned {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}
