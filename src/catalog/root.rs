//! The root record: all objects of the database, and where their records are. The superblock knows
//! where the root is.
//!
//! ```text
//! header | next object id u64
//!        | count u32, then for each schema and object, by id:
//!          kind u8 | id u64 | record's slot u64 | directory's slot u64 (0: none)
//!        | from version 2: count u32, then for each dependency, in order:
//!          id of what is needed u64 | id of what needs it u64
//! ```

use crate::catalog::object::ObjectId;
use crate::catalog::record::{Decoded, Malformed, RecordKind, RecordReader, RecordWriter};
use crate::catalog::value::Dependency;
use crate::pager::SlotId;

/// Bytes of an entry.
const ENTRY_BYTES: usize = 25;
/// Bytes of a dependency.
const DEPENDENCY_BYTES: usize = 16;

/// An object and where its records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootEntry {
    /// What it is.
    pub kind: RecordKind,
    /// Its id.
    pub id: u64,
    /// Its definition.
    pub record: SlotId,
    /// Of a table: its row groups; `None` if it has none.
    pub directory: Option<SlotId>,
}

/// All objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRoot {
    /// The id that the next new object gets.
    pub next_id: u64,
    /// The objects, by id.
    pub entries: Vec<RootEntry>,
    /// What needs what, in order.
    pub dependencies: Vec<Dependency>,
}

impl CatalogRoot {
    /// The record.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = RecordWriter::new(RecordKind::Root);
        w.u64(self.next_id);
        w.count(self.entries.len());
        for entry in &self.entries {
            w.u8(entry.kind as u8);
            w.u64(entry.id);
            w.u64(entry.record.to_u64());
            w.u64(entry.directory.map_or(0, SlotId::to_u64));
        }
        w.count(self.dependencies.len());
        for dependency in &self.dependencies {
            w.u64(dependency.on.0);
            w.u64(dependency.dependent.0);
        }
        w.finish()
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut r = RecordReader::new(bytes, RecordKind::Root)?;
        let next_id = r.u64()?;
        let count = r.count(ENTRY_BYTES)?;
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            let kind = r.u8()?;
            let kind = RecordKind::from_byte(kind)
                .filter(|kind| kind.is_definition())
                .ok_or_else(|| format!("{kind} is no kind of object"))?;
            let id = r.u64()?;
            let record = slot(r.u64()?)?;
            let directory = match r.u64()? {
                0 => None,
                _ if kind != RecordKind::Table => return Err("only tables have row groups".into()),
                other => Some(slot(other)?),
            };
            entries.push(RootEntry { kind, id, record, directory });
        }
        let mut dependencies = vec![];
        if r.version() >= 2 {
            let count = r.count(DEPENDENCY_BYTES)?;
            dependencies.reserve(count);
            for _ in 0..count {
                dependencies.push(Dependency { on: ObjectId(r.u64()?), dependent: ObjectId(r.u64()?) });
            }
        }
        r.finish()?;
        if !entries.is_sorted_by(|a, b| a.id < b.id) {
            return Err("its objects are not in the order of their ids".into());
        }
        if !dependencies.is_sorted_by(|a, b| a < b) {
            return Err("its dependencies are not in order".into());
        }
        Ok(Self { next_id, entries, dependencies })
    }
}

/// A slot that must be there.
pub(super) fn slot(raw: u64) -> Decoded<SlotId> {
    SlotId::from_u64(raw).ok_or_else(|| Malformed::Bytes(format!("{raw:#x} is no slot")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_root_comes_back_and_its_order_is_checked() {
        let at = |n| SlotId::from_u64(n).unwrap();
        let entry = |kind, id, directory| RootEntry { kind, id, record: at(0x20_0001), directory };
        let mut root = CatalogRoot {
            next_id: 9,
            entries: vec![
                entry(RecordKind::Schema, 1, None),
                entry(RecordKind::Table, 4, Some(at(0x30_0002))),
                entry(RecordKind::Table, 5, None),
                entry(RecordKind::View, 8, None),
            ],
            dependencies: vec![Dependency { on: ObjectId(4), dependent: ObjectId(5) }],
        };
        assert_eq!(CatalogRoot::decode(&root.encode()).unwrap(), root);
        root.entries.swap(0, 1);
        assert!(CatalogRoot::decode(&root.encode()).is_err());
        root.entries = vec![entry(RecordKind::View, 1, Some(at(0x30_0002)))];
        assert!(CatalogRoot::decode(&root.encode()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 4..200), version in 1..3u8) {
            bytes[..4].copy_from_slice(&[1, version, 0, 0]);
            let _: Decoded<CatalogRoot> = CatalogRoot::decode(&bytes);
        }
    }
}
