//! The root record: all objects of the database, and where their records are. The superblock knows
//! where the root is.
//!
//! ```text
//! header | next object id u64
//!        | count u32, then for each object, by id:
//!          kind u8 (schema, table or view) | id u64 | record's slot u64 | directory's slot u64 (0: none)
//! ```

use crate::catalog::record::{Decoded, Malformed, RecordKind, RecordReader, RecordWriter};
use crate::pager::SlotId;

/// Bytes of an entry.
const ENTRY_BYTES: usize = 25;

/// An object and where its records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootEntry {
    /// What it is: a schema, a table or a view.
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
                .filter(|k| matches!(k, RecordKind::Schema | RecordKind::Table | RecordKind::View))
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
        r.finish()?;
        if !entries.is_sorted_by(|a, b| a.id < b.id) {
            return Err("its objects are not in the order of their ids".into());
        }
        Ok(Self { next_id, entries })
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
        };
        assert_eq!(CatalogRoot::decode(&root.encode()).unwrap(), root);
        root.entries.swap(0, 1);
        assert!(CatalogRoot::decode(&root.encode()).is_err());
        root.entries = vec![entry(RecordKind::View, 1, Some(at(0x30_0002)))];
        assert!(CatalogRoot::decode(&root.encode()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 4..200)) {
            bytes[..4].copy_from_slice(&[1, 1, 0, 0]);
            let _: Decoded<CatalogRoot> = CatalogRoot::decode(&bytes);
        }
    }
}
