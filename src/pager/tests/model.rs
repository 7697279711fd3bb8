//! Random transactions with a model beside them.

use std::collections::BTreeMap;

use super::super::fault::Random;
use super::super::*;

/// What a commit should hold.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub records: Vec<(SlotId, Vec<u8>)>,
    pub extents: Vec<(Extent, Vec<u8>)>,
}

impl Model {
    /// Compares all content, and accounts for every page.
    pub fn verify(&self, snapshot: &Snapshot) {
        for (slot, record) in &self.records {
            assert_eq!(&snapshot.heap_get(*slot).unwrap()[..], record, "record {slot}");
        }
        for (extent, bytes) in &self.extents {
            assert_eq!(&snapshot.read_extent_range(*extent, 0, bytes.len()).unwrap()[..], bytes, "{extent}");
        }
        assert_eq!(snapshot.roots().catalog, self.records.first().map(|(slot, _)| *slot));
    }

    pub fn verify_all(&self, snapshot: &Snapshot) {
        self.verify(snapshot);
        let records = self.records.iter().map(|(slot, _)| *slot);
        let account = snapshot.account(records, self.extents.iter().map(|(extent, _)| *extent));
        assert!(account.faults.is_empty(), "{:#?}", account.faults);
    }
}

/// The commits that were tried, by sequence, and the last that was acknowledged.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub tried: BTreeMap<u64, Model>,
    pub acknowledged: u64,
    pub model: Model,
}

fn bytes(random: &mut Random, length: u64) -> Vec<u8> {
    let start = random.next_u64();
    (0..length).map(|at| (start.wrapping_mul(at | 1) >> 24) as u8).collect()
}

/// Runs random transactions until `steps` are over or something fails.
pub fn run(pager: &Pager, random: &mut Random, steps: usize, history: &mut History) -> Result<()> {
    let page_size = pager.page_size() as u64;
    let mut readers: Vec<(Snapshot, Model)> = Vec::new();
    let mut slices: Vec<(bytes::Bytes, Vec<u8>)> = Vec::new();
    for _ in 0..steps {
        let txn = pager.begin_write()?;
        let mut next = history.model.clone();
        for _ in 0..random.below(10) {
            match random.below(8) {
                0..=2 => {
                    let length = match random.below(5) {
                        0 => random.below(3 * page_size),
                        1 => page_size - 60 + random.below(30),
                        _ => random.below(200),
                    };
                    let record = bytes(random, length);
                    next.records.push((txn.heap_insert(&record)?, record));
                }
                3 | 4 if !next.records.is_empty() => {
                    let (slot, _) = next.records.remove(random.below(next.records.len() as u64) as usize);
                    txn.heap_delete(slot)?;
                }
                5 | 6 => {
                    let length = 1 + random.below(4 * page_size);
                    let content = bytes(random, length);
                    let mut extent = txn.alloc_extent(length + random.below(2 * page_size))?;
                    let cut = random.below(length) as usize;
                    txn.write_extent_at(extent, cut as u64, &content[cut..])?;
                    txn.write_extent(extent, &content[..cut])?;
                    if random.one_in(2) {
                        extent = txn.shrink_extent(extent, length)?;
                    }
                    assert_eq!(&txn.read_extent_range(extent, 0, content.len())?[..], &content);
                    next.extents.push((extent, content));
                }
                _ if !next.extents.is_empty() => {
                    let (extent, _) = next.extents.remove(random.below(next.extents.len() as u64) as usize);
                    txn.free_extent(extent)?;
                }
                _ => {}
            }
        }
        for (slot, record) in &next.records {
            assert_eq!(&txn.heap_get(*slot)?[..], record, "record {slot} within the transaction");
        }
        if random.one_in(6) {
            txn.rollback();
        } else {
            txn.set_roots(Roots { catalog: next.records.first().map(|(slot, _)| *slot), log: None });
            history.tried.insert(txn.sequence(), next.clone());
            let snapshot = txn.commit()?;
            history.acknowledged = snapshot.sequence();
            history.model = next;
        }
        let snapshot = pager.snapshot();
        assert_eq!(snapshot.sequence(), history.acknowledged.max(2));
        if random.one_in(3)
            && let Some((extent, content)) = history.model.extents.last()
        {
            slices.push((snapshot.read_extent_range(*extent, 0, content.len())?, content.clone()));
        }
        if random.one_in(3) {
            readers.push((snapshot, history.model.clone()));
        }
        if readers.len() > 3 {
            readers.swap_remove(random.below(4) as usize);
        }
        if slices.len() > 3 {
            slices.swap_remove(random.below(4) as usize);
        }
    }
    for (snapshot, model) in &readers {
        model.verify_all(snapshot);
    }
    for (slice, content) in &slices {
        assert_eq!(&slice[..], content, "a slice changed after its reader was gone");
    }
    Ok(())
}
