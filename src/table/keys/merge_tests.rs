//! Row groups of which too many may have the same key become few, and nobody loses a row to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::tests::{ID, alter, assert_finds, create, delete, insert, keyed, options, probes, rows};
use crate::catalog::{TableDefinition, TableId};
use crate::pager::fault::{Fate, Fault, FaultFile, FaultPlan};
use crate::pager::{File, MemoryFile};
use crate::table::key_overlap::DEPTH_MAX;
use crate::table::tests::assert_sound;
use crate::table::{Result, Storage, StorageOptions};

/// Rows of a row group.
const GROUP: i64 = 128;

fn by_hand(group: i64) -> StorageOptions {
    StorageOptions { background: false, ..options(group as usize) }
}

/// Full row groups of ids in no order, each with some of all parts of these: all numbers less than there are rows.
fn load(storage: &Arc<Storage>, id: TableId, groups: i64) -> BTreeSet<i64> {
    let mut transaction = storage.begin().unwrap();
    let appender = transaction.append(id).unwrap();
    let count = appender.row_group_rows() as i64;
    for group in 0..groups {
        let ids: Vec<i64> = (0..count).map(|i| (i * 5 % count) * groups + group).collect();
        appender.write_row_group(group as u64, &rows(&ids)).unwrap();
    }
    transaction.commit().unwrap();
    (0..groups * count).collect()
}

/// Row groups that may have one id, at most, and how many there are.
fn depth(storage: &Storage, id: TableId) -> (usize, usize) {
    let table = storage.snapshot().table(id).unwrap();
    let layers = table.key_map(&[ID]).unwrap().map_or(0, |map| map.layers());
    (layers, table.row_group_count())
}

fn merge_all(storage: &Arc<Storage>) -> usize {
    let mut steps = 0;
    while storage.snapshot().is_late() {
        assert!(storage.seal_beside().unwrap());
        steps += 1;
        assert!(steps < 1000, "it does not end");
    }
    steps
}

#[test]
fn a_load_in_no_order_is_merged_step_by_step() {
    // Large enough that blocks of 64 keys are small parts of them.
    const GROUP: i64 = 1024;
    let file = Arc::new(MemoryFile::from_bytes(&[]));
    let storage = Storage::open_file(file, &by_hand(GROUP)).unwrap();
    let id = create(&storage, keyed(&storage));
    let mut there = load(&storage, id, 60);
    assert_eq!(depth(&storage, id), (60, 60));
    let before = storage.snapshot().table(id).unwrap();
    let found = before.find(&[ID], &probes(&[7, 1000])).unwrap();
    // One that deletes rows which move meanwhile.
    let mut open = storage.begin_on(storage.snapshot(), Duration::ZERO).unwrap();
    let gone = open.base().table(id).unwrap().find(&[ID], &probes(&[5, 77, 4001])).unwrap();
    let gone: Vec<u64> = gone.into_iter().map(|(_, row)| row).collect();
    assert_eq!(open.delete(id, &gone).unwrap(), 3);
    assert!(merge_all(&storage) > 5);
    let (layers, groups) = depth(&storage, id);
    assert!(layers <= DEPTH_MAX && groups < 80, "{layers} of {groups}");
    open.commit().unwrap();
    [5, 77, 4001].iter().for_each(|id| assert!(there.remove(id)));
    assert_finds(&storage, id, &there, 60 * GROUP + 10);
    assert_eq!(
        before.find(&[ID], &probes(&[7, 1000])).unwrap(),
        found,
        "who looks at what was before still can"
    );
    drop(before);
    assert_sound(&storage);
    // In order, none is written again.
    insert(&storage, id, &(100_000..100_000 + GROUP).collect::<Vec<_>>());
    assert_eq!(merge_all(&storage), 0);
    assert_eq!(depth(&storage, id), (layers, groups + 1));
}

#[test]
fn row_groups_from_before_there_was_a_key_are_put_in_order() {
    let storage = Storage::open_file(Arc::new(MemoryFile::from_bytes(&[])), &by_hand(GROUP)).unwrap();
    let with_key = keyed(&storage);
    let id = create(&storage, TableDefinition { constraints: vec![], indexes: vec![], ..with_key });
    let there = load(&storage, id, 20);
    alter(&storage, id, true);
    let in_order = || {
        let groups = storage.snapshot().table(id).unwrap().row_groups().unwrap().to_vec();
        groups.iter().filter(|group| group.key_index(&[ID]).unwrap().unwrap().is_in_order()).count()
    };
    assert_eq!(in_order(), 0);
    // Who looks for a key finds that there are too many.
    assert_eq!(depth(&storage, id), (20, 20));
    merge_all(&storage);
    assert!(depth(&storage, id).0 <= DEPTH_MAX);
    assert!(in_order() > 10);
    assert_finds(&storage, id, &there, 20 * GROUP);
    assert_sound(&storage);
}

#[test]
fn a_thread_merges_them_and_others_have_their_turn() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Storage::open(&directory.path().join("t.flux"), &options(GROUP as usize)).unwrap();
    let storage = open();
    let id = create(&storage, keyed(&storage));
    let there = load(&storage, id, 100);
    // Closed in the midst of it, which is gone on with when somebody has looked for a key and commits.
    drop(storage);
    let storage = open();
    assert_sound(&storage);
    assert_finds(&storage, id, &there, 100 * GROUP);
    for i in 0..20 {
        create(&storage, TableDefinition { name: format!("t{i}").into(), ..keyed(&storage) });
    }
    for _ in 0..2000 {
        if depth(&storage, id).0 <= DEPTH_MAX {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(depth(&storage, id).0 <= DEPTH_MAX);
    assert_finds(&storage, id, &there, 100 * GROUP);
    assert_sound(&storage);
}

/// A table with too many row groups for a key, rows that are deleted and some that are only in the log.
fn crowded(file: Arc<dyn File>) -> Result<(Arc<Storage>, TableId, BTreeSet<i64>)> {
    let storage = Storage::open_file(file, &by_hand(GROUP))?;
    let id = create(&storage, keyed(&storage));
    // Small commits make a database have a log.
    [20_000, 5_000].iter().for_each(|new| insert(&storage, id, &[*new]));
    let mut there = load(&storage, id, 10);
    insert(&storage, id, &[3_000, 20_001]);
    there.extend([20_000, 5_000, 3_000, 20_001]);
    let gone = [3, 500, 3_000];
    delete(&storage, id, &gone);
    gone.iter().for_each(|id| assert!(there.remove(id)));
    assert!(storage.snapshot().is_unsealed());
    Ok((storage, id, there))
}

#[test]
fn the_power_goes_while_they_are_merged() {
    let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
    let (storage, id, there) = crowded(file.clone()).unwrap();
    let first = file.operations();
    assert!(depth(&storage, id).0 > DEPTH_MAX);
    merge_all(&storage);
    let last = file.operations();
    assert!(depth(&storage, id).0 <= DEPTH_MAX);
    assert_finds(&storage, id, &there, 21_000);
    std::mem::forget(storage);
    let all: Vec<i64> = (0..1_300).chain([3_000, 5_000, 20_000, 20_001]).collect();
    let mut merged = [0, 0];
    for at in first + 1..=last {
        let plan = FaultPlan { at: Some((at, Fault::PowerCut)), ..FaultPlan::default() };
        let file = Arc::new(FaultFile::new(&[], plan));
        let (storage, ..) = crowded(file.clone()).unwrap();
        while storage.snapshot().is_late() && storage.seal_beside().is_ok_and(|done| done) {}
        std::mem::forget(storage);
        for fate in Fate::ALL {
            let image = file.image_after_power_cut(fate, at);
            let after =
                Storage::open_file(Arc::new(MemoryFile::from_bytes(&image)), &by_hand(GROUP)).unwrap();
            let table = after.snapshot().table(id).unwrap();
            assert_eq!(table.find(&[ID], &probes(&all)).unwrap().len(), there.len(), "at {at}, {fate:?}");
            assert_sound(&after);
            merged[usize::from(depth(&after, id).0 <= DEPTH_MAX)] += 1;
            // Looking for a key has told that there is something to do.
            merge_all(&after);
            assert!(depth(&after, id).0 <= DEPTH_MAX, "at {at}, {fate:?}");
            let table = after.snapshot().table(id).unwrap();
            assert_eq!(table.find(&[ID], &probes(&all)).unwrap().len(), there.len(), "at {at}, {fate:?}");
            assert_sound(&after);
        }
    }
    assert!(merged[0] > 20 && merged[1] > 0, "{merged:?}");
}
