//! Keys are found whatever became of the rows, and nothing else is.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, StringViewArray};
use proptest::prelude::*;

use crate::catalog::{
    ColumnId, ConstraintDefinition, ConstraintKind, IndexDefinition, TableDefinition, TableId,
};
use crate::column::ROW_GROUP_ROWS;
use crate::table::tests::{assert_sound, definition};
use crate::table::{KeyCursor, Probes, Storage, StorageOptions, TableError, TableSnapshot};

pub(super) const ID: ColumnId = ColumnId(0);
const TEXT: ColumnId = ColumnId(1);

pub(super) fn options(rows: usize) -> StorageOptions {
    StorageOptions { page_size: 4096, row_group_rows: rows, ..StorageOptions::default() }
}

pub(super) fn keyed(storage: &Storage) -> TableDefinition {
    let mut table = definition(storage, "t");
    let key = |columns: &[ColumnId], primary| ConstraintDefinition {
        name: None,
        kind: ConstraintKind::Unique { columns: columns.to_vec(), primary },
    };
    for (i, column) in table.columns.iter_mut().enumerate() {
        column.id = ColumnId(i as u32);
    }
    table.constraints.push(key(&[ID], true));
    let keys = vec!["\"text\"".into(), "id".into()];
    table.indexes.push(IndexDefinition { name: "i".into(), unique: false, comment: None, keys });
    table
}

pub(super) fn create(storage: &Arc<Storage>, definition: TableDefinition) -> TableId {
    let mut transaction = storage.begin().unwrap();
    let id = transaction.create_table(definition).unwrap();
    transaction.commit().unwrap();
    id
}

pub(super) fn rows(ids: &[i64]) -> Vec<ArrayRef> {
    let texts: StringViewArray = ids.iter().map(|id| (id % 5 != 0).then(|| text_of(*id))).collect();
    vec![Arc::new(Int64Array::from(ids.to_vec())), Arc::new(texts)]
}

fn text_of(id: i64) -> String {
    format!("text {}", id % 100)
}

pub(super) fn probes(ids: &[i64]) -> Probes {
    Probes::new(&[Arc::new(Int64Array::from(ids.to_vec()))]).unwrap()
}

/// The ids of the rows that were found.
fn ids_of(table: &TableSnapshot, found: &[(u32, u64)]) -> Vec<i64> {
    let mut ids: Vec<i64> = found
        .iter()
        .map(|(_, row)| {
            let groups = table.row_groups().unwrap();
            let group = &groups[groups.partition_point(|g| g.first_row() <= *row) - 1];
            let values = group.read_column(0).unwrap();
            values.as_primitive::<Int64Type>().value((row - group.first_row()) as usize)
        })
        .collect();
    ids.sort_unstable();
    ids
}

pub(super) fn insert(storage: &Arc<Storage>, id: TableId, ids: &[i64]) {
    let mut transaction = storage.begin().unwrap();
    transaction.append(id).unwrap().write_row_group(0, &rows(ids)).unwrap();
    transaction.commit().unwrap();
}

pub(super) fn delete(storage: &Arc<Storage>, id: TableId, ids: &[i64]) -> usize {
    let mut transaction = storage.begin().unwrap();
    let table = transaction.view().unwrap().table(id).unwrap();
    let found: Vec<u64> = table.find(&[ID], &probes(ids)).unwrap().into_iter().map(|(_, row)| row).collect();
    transaction.delete(id, &found).unwrap();
    transaction.commit().unwrap();
    found.len()
}

/// A cursor gives the same rows one by one and in runs of any length, in the order of the ids or against it.
fn assert_runs(table: &Arc<TableSnapshot>, there: &BTreeSet<i64>, most: i64) {
    let bytes = |id: i64| (id.cast_unsigned() ^ 1 << 63).to_be_bytes().to_vec();
    let ranges = [
        (Bound::Unbounded, Bound::Unbounded, 0..i64::MAX),
        (Bound::Included(bytes(10)), Bound::Excluded(bytes(most - 10)), 10..most - 10),
        (Bound::Excluded(bytes(most / 3)), Bound::Included(bytes(most / 2)), most / 3 + 1..most / 2 + 1),
    ];
    for (low, high, ids) in ranges {
        for reverse in [false, true] {
            let cursor =
                || KeyCursor::new(Arc::clone(table), &[ID], (low.clone(), high.clone()), reverse).unwrap();
            let (mut one, mut single) = (cursor(), vec![]);
            while let Some(row) = one.next_row().unwrap() {
                single.push(row);
            }
            for length in [1, 7, 200, 1024] {
                let (mut many, mut rows, mut run) = (cursor(), vec![], vec![]);
                while let Some(group) = many.next_run(length, &mut run).unwrap() {
                    assert!((1..=length).contains(&run.len()));
                    rows.extend(run.iter().map(|row| group.first_row() + u64::from(*row)));
                }
                assert_eq!(rows, single, "runs of {length}");
            }
            let mut found = vec![];
            for row in single {
                found.extend(ids_of(table, &[(0, row)]));
            }
            let mut expected: Vec<i64> = there.range(ids.clone()).copied().collect();
            if reverse {
                expected.reverse();
            }
            assert_eq!(found, expected);
        }
    }
}

/// Every id of a range is found if it is there, alone and with others, by both keys.
pub(super) fn assert_finds(storage: &Storage, id: TableId, there: &BTreeSet<i64>, most: i64) {
    let table = storage.snapshot().table(id).unwrap();
    let all: Vec<i64> = (0..most).collect();
    let expected: Vec<i64> = there.iter().copied().collect();
    assert_eq!(ids_of(&table, &table.find(&[ID], &probes(&all)).unwrap()), expected);
    for one in (0..most).step_by(37) {
        let found = ids_of(&table, &table.find(&[ID], &probes(&[one])).unwrap());
        assert_eq!(found, there.contains(&one).then_some(one).into_iter().collect::<Vec<_>>());
    }
    let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(all.iter().map(|id| text_of(*id))));
    let pairs = Probes::new(&[texts, Arc::new(Int64Array::from(all))]).unwrap();
    let with_text: Vec<i64> = expected.iter().copied().filter(|id| id % 5 != 0).collect();
    assert_eq!(ids_of(&table, &table.find(&[TEXT, ID], &pairs).unwrap()), with_text);
    assert_runs(&table, there, most);
    // Ranges.
    let bytes = |id: i64| (id.cast_unsigned() ^ 1 << 63).to_be_bytes();
    for (low, high) in [(0, most), (10, 20), (most / 2, most / 2 + 50), (most, most + 5)] {
        let (low_bytes, high_bytes) = (bytes(low), bytes(high));
        let range = (Bound::Included(&low_bytes[..]), Bound::Excluded(&high_bytes[..]));
        let mut found = vec![];
        for group in table.row_groups().unwrap() {
            let rows = group.find_range(&[ID], range, usize::MAX).unwrap();
            let Some(rows) = rows else { return };
            let values = group.read_column(0).unwrap();
            let here: Vec<i64> =
                rows.iter().map(|row| values.as_primitive::<Int64Type>().value(*row as usize)).collect();
            assert!(here.is_sorted());
            found.extend(here);
        }
        found.sort_unstable();
        assert_eq!(found, there.range(low..high).copied().collect::<Vec<_>>());
    }
}

#[test]
fn keys_are_found_in_memory_sealed_and_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    let storage = Storage::open(&path, &options(1000)).unwrap();
    let id = create(&storage, keyed(&storage));
    let mut there = BTreeSet::new();
    // In order, out of order, and in single rows.
    let mut next = |count: i64, step: i64| -> Vec<i64> {
        let ids: Vec<i64> = (0..count).map(|i| i * step % count).map(|i| i + there.len() as i64).collect();
        there.extend(ids.iter().copied());
        insert(&storage, id, &ids);
        ids
    };
    next(900, 1);
    next(700, 311);
    (0..150).for_each(|_| drop(next(1, 1)));
    next(1, 1);
    assert_finds(&storage, id, &there, 2000);
    let gone: Vec<i64> = (0..1700).step_by(3).collect();
    assert_eq!(delete(&storage, id, &gone), gone.iter().filter(|id| there.remove(id)).count());
    assert_finds(&storage, id, &there, 2000);
    assert_sound(&storage);
    drop(storage);
    let storage = Storage::open(&path, &options(1000)).unwrap();
    assert_finds(&storage, id, &there, 2000);
    let table = storage.snapshot().table(id).unwrap();
    let stored = table.row_groups().unwrap().iter().all(|g| g.key_index(&[ID]).unwrap().is_some());
    assert!(stored, "nothing is rebuilt");
    storage.checkpoint().unwrap();
    assert_finds(&storage, id, &there, 2000);
    assert_sound(&storage);
}

/// Gives the table its keys, or takes them away.
pub(super) fn alter(storage: &Arc<Storage>, id: TableId, with_keys: bool) {
    let mut table = TableDefinition { id, ..keyed(storage) };
    if !with_keys {
        (table.constraints, table.indexes) = (vec![], vec![]);
    }
    let mut transaction = storage.begin().unwrap();
    transaction.alter_table(table).unwrap();
    transaction.commit().unwrap();
}

fn is_indexed(table: &TableSnapshot, key: &[ColumnId]) -> bool {
    table.row_groups().unwrap().iter().all(|group| group.key_index(key).unwrap().is_some())
}

#[test]
fn a_key_that_came_later_gets_its_indexes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    let options = StorageOptions { log_bytes_max: 0, ..options(1000) };
    let storage = Storage::open(&path, &options).unwrap();
    let with_key = keyed(&storage);
    let id = create(&storage, TableDefinition { constraints: vec![], indexes: vec![], ..with_key });
    let ids: Vec<i64> = (0..4000).map(|i| i * 7 % 4000).collect();
    let mut there: BTreeSet<i64> = ids.iter().copied().collect();
    ids.chunks(1000).for_each(|ids| insert(&storage, id, ids));
    let gone: Vec<i64> = (0..100).map(|i| i * 13).collect();
    delete(&storage, id, &gone);
    gone.iter().for_each(|id| _ = there.remove(id));
    let before = storage.snapshot().table(id).unwrap();
    assert!(!is_indexed(&before, &[ID]));
    let places = |table: &TableSnapshot| {
        let mut found = table.find(&[ID], &probes(&(0..4000).collect::<Vec<_>>())).unwrap();
        found.sort_unstable();
        found
    };
    let rows = places(&before);
    alter(&storage, id, true);
    let after = storage.snapshot().table(id).unwrap();
    assert!(is_indexed(&after, &[ID]) && is_indexed(&after, &[TEXT, ID]));
    assert_eq!(places(&after), rows, "no row has another number");
    assert_eq!(places(&before), rows, "who looks at what was before still can");
    assert_finds(&storage, id, &there, 4100);
    drop((before, after));
    assert_sound(&storage);
    let storage = {
        drop(storage);
        Storage::open(&path, &options).unwrap()
    };
    assert!(is_indexed(&storage.snapshot().table(id).unwrap(), &[TEXT, ID]));
    storage.checkpoint().unwrap();
    assert_finds(&storage, id, &there, 4100);
    assert_sound(&storage);
}

#[test]
fn whoever_adds_a_key_first_wins() {
    let storage = Storage::memory(&options(ROW_GROUP_ROWS)).unwrap();
    let id = create(&storage, keyed(&storage));
    insert(&storage, id, &[1, 2, 3]);
    let begin = || storage.begin_on(storage.snapshot(), Duration::ZERO).unwrap();
    let add = |ids: &[i64]| {
        let mut transaction = begin();
        transaction.append(id).unwrap().write_row_group(0, &rows(ids)).unwrap();
        transaction
    };
    let (a, b, c) = (add(&[10, 11]), add(&[12]), add(&[11, 13]));
    a.commit().unwrap();
    b.commit().unwrap();
    let refused = c.commit();
    assert!(matches!(&refused, Err(TableError::Conflict(what)) if what.contains('t')), "{refused:?}");
    // Replacing a row that is there: the same key, but not twice.
    let mut replace = add(&[2]);
    let table = replace.view().unwrap().table(id).unwrap();
    let old = table.find(&[ID], &probes(&[2])).unwrap();
    let old: Vec<u64> = old.iter().map(|(_, row)| *row).filter(|row| *row < 5).collect();
    assert_eq!(replace.delete(id, &old).unwrap(), 1);
    let mut also = add(&[3]);
    let old = also.base().table(id).unwrap().find(&[ID], &probes(&[3])).unwrap()[0].1;
    also.delete(id, &[old]).unwrap();
    insert(&storage, id, &[50]);
    replace.commit().unwrap();
    also.commit().unwrap();
    let there = BTreeSet::from([1, 2, 3, 10, 11, 12, 50]);
    assert_finds(&storage, id, &there, 60);
    assert_sound(&storage);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn keys_are_found_after_whatever_happened(
        steps in prop::collection::vec((0..7_u8, 0..400_i64, 1..60_i64), 1..30),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.flux");
        let mut storage = Storage::open(&path, &options(128)).unwrap();
        let id = create(&storage, keyed(&storage));
        let (mut there, mut with_keys) = (BTreeSet::new(), true);
        for (what, at, count) in steps {
            let ids: Vec<i64> = (0..count).map(|i| (at + i * 7) % 400).collect();
            let mut ids: Vec<i64> = ids.into_iter().filter(|id| what == 3 || !there.contains(id)).collect();
            ids.sort_unstable();
            ids.dedup();
            match what {
                0 => ids.reverse(),
                3 => {
                    let count = ids.iter().filter(|id| there.remove(*id)).count();
                    prop_assert_eq!(delete(&storage, id, &ids), count);
                    continue;
                }
                4 => {
                    drop(storage);
                    storage = Storage::open(&path, &options(128)).unwrap();
                    continue;
                }
                5 => {
                    storage.checkpoint().unwrap();
                    continue;
                }
                6 => {
                    with_keys = !with_keys;
                    alter(&storage, id, with_keys);
                    continue;
                }
                _ => {}
            }
            if ids.is_empty() {
                continue;
            }
            insert(&storage, id, &ids);
            there.extend(ids);
        }
        assert_finds(&storage, id, &there, 400);
        assert_sound(&storage);
    }
}
