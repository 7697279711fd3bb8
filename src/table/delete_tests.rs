//! Deleted rows are gone, come back with a rollback, and take no space in the end; a transaction sees what it does.

use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{assert_sound, create, definition, delete, ids, insert, options, rows};
use super::*;
use crate::catalog::{ColumnDefinition, TableId};
use crate::column::types::LogicalType;

fn read(storage: &Storage, id: TableId) -> Vec<i64> {
    ids(&storage.snapshot().table(id).unwrap())
}

fn remove(storage: &Arc<Storage>, id: TableId, gone: std::ops::Range<i64>) -> u64 {
    let mut transaction = storage.begin().unwrap();
    let count = delete(&mut transaction, id, &gone.collect::<Vec<_>>());
    transaction.commit().unwrap();
    count
}

#[test]
fn deleted_rows_are_gone_and_readers_keep_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    let storage = Storage::open(&path, &options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..1000);
    insert(&storage, id, 1000..1100);
    let before = storage.snapshot();
    assert_eq!(remove(&storage, id, 990..1010), 20);
    assert_eq!(remove(&storage, id, 980..1000), 10, "half of them were deleted before");
    let left: Vec<i64> = (0..980).chain(1010..1100).collect();
    assert_eq!(read(&storage, id), left);
    assert_eq!(ids(&before.table(id).unwrap()), (0..1100).collect::<Vec<_>>());
    let stats = storage.snapshot().table(id).unwrap().column_stats(0).unwrap();
    assert!(!stats.min_exact && !stats.max_exact, "the bounds may be those of deleted rows");
    assert_sound(&storage);
    drop((storage, before));
    let storage = Storage::open(&path, &options()).unwrap();
    assert_eq!(read(&storage, id), left);
    assert_sound(&storage);
    let mut transaction = storage.begin().unwrap();
    assert!(transaction.delete(id, &[1100]).is_err(), "there is no such row");
}

#[test]
fn row_groups_shrink_and_go() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    for i in 0..300 {
        insert(&storage, id, i * 1000..(i + 1) * 1000);
    }
    let (whole, groups) = (storage.file_bytes().unwrap(), |s: &Storage| {
        let table = s.snapshot().table(id).unwrap();
        (table.row_group_count(), table.deleted_rows())
    });
    assert_eq!(groups(&storage), (300, 0));
    // All of one, most of the next two, some of another.
    remove(&storage, id, 5000..6000);
    assert_eq!(groups(&storage), (299, 0));
    remove(&storage, id, 6000..7900);
    assert_eq!(groups(&storage), (298, 0), "what is left of them");
    remove(&storage, id, 10_000..10_300);
    assert_eq!(groups(&storage), (298, 300));
    storage.checkpoint().unwrap();
    assert_eq!(groups(&storage), (298, 0));
    assert_sound(&storage);
    // Nine of ten rows, everywhere.
    let mut transaction = storage.begin().unwrap();
    let view = transaction.view().unwrap().table(id).unwrap();
    let numbers: Vec<u64> = (0..view.rows()).filter(|row| row % 10 != 0).collect();
    drop(view);
    assert_eq!(transaction.delete(id, &numbers).unwrap(), numbers.len() as u64);
    transaction.commit().unwrap();
    let (count, deleted) = groups(&storage);
    assert!(count <= 31 && deleted == 0, "{count} row groups, {deleted} deleted rows");
    storage.checkpoint().unwrap();
    assert_sound(&storage);
    let bytes = storage.file_bytes().unwrap();
    assert!(bytes < whole / 5 + (1 << 20), "{bytes} bytes are left of {whole}");
    let last = *read(&storage, id).last().unwrap();
    remove(&storage, id, 0..last + 1);
    assert_eq!(groups(&storage), (0, 0));
    insert(&storage, id, 0..10);
    assert_eq!(read(&storage, id), (0..10).collect::<Vec<_>>());
    assert_sound(&storage);
}

#[test]
fn a_transaction_sees_what_it_does() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..700);
    let mut transaction = storage.begin().unwrap();
    assert!(Arc::ptr_eq(&transaction.view().unwrap(), transaction.base()));
    let seen = |transaction: &mut WriteTransaction, id| ids(&transaction.view().unwrap().table(id).unwrap());
    let appender = transaction.append(id).unwrap();
    appender.write_row_group(0, &rows(700..710)).unwrap();
    appender.write_row_group(1, &rows(710..1600)).unwrap();
    assert_eq!(seen(&mut transaction, id), (0..1600).collect::<Vec<_>>());
    assert_eq!(delete(&mut transaction, id, &[0, 5, 705, 1000]), 4);
    // The appender goes on.
    appender.write_row_group(2, &rows(1600..1603)).unwrap();
    assert_eq!(delete(&mut transaction, id, &[1601]), 1);
    let left: Vec<i64> = (0..1603).filter(|id| ![0, 5, 705, 1000, 1601].contains(id)).collect();
    assert_eq!(seen(&mut transaction, id), left);
    assert_eq!(read(&storage, id).len(), 700, "nobody else does");

    let savepoint = transaction.savepoint().unwrap();
    let other = transaction.create_table(definition(&storage, "u")).unwrap();
    transaction.append(other).unwrap().write_row_group(0, &rows(0..900)).unwrap();
    delete(&mut transaction, other, &(0..100).collect::<Vec<_>>());
    delete(&mut transaction, id, &(100..300).collect::<Vec<_>>());
    let mut altered = (**transaction.catalog().table_by_id(id).unwrap()).clone();
    altered.add_column(ColumnDefinition::new("more", LogicalType::Double));
    transaction.alter_table(altered).unwrap();
    assert_eq!(seen(&mut transaction, other), (100..900).collect::<Vec<_>>());
    let view = transaction.view().unwrap().table(id).unwrap();
    let nulls = view.row_groups().unwrap().last().unwrap().chunk(2).unwrap();
    assert_eq!(nulls.null_count(), nulls.rows());
    transaction.rollback_to(&savepoint).unwrap();
    assert!(appender.write_row_group(3, &rows(0..1)).is_err(), "its rows are undone");
    assert!(transaction.view().unwrap().table(other).is_err());
    assert_eq!(seen(&mut transaction, id), left);
    transaction.append(id).unwrap().write_row_group(0, &rows(2000..2001)).unwrap();
    transaction.commit().unwrap();
    assert_eq!(read(&storage, id), left.into_iter().chain([2000]).collect::<Vec<_>>());
    assert_sound(&storage);
}

#[test]
fn many_small_changes_in_one_transaction_stay_few_row_groups() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    let mut transaction = storage.begin().unwrap();
    for i in 0..3000 {
        transaction.append(id).unwrap().write_row_group(0, &rows(i..i + 1)).unwrap();
        let view = transaction.view().unwrap().table(id).unwrap();
        assert!(view.row_group_count() < 20, "{}", view.row_group_count());
        if i % 100 == 99 {
            assert_eq!(delete(&mut transaction, id, &[i - 50, i - 1]), 2);
        }
    }
    let left: Vec<i64> = (0..3000).filter(|i| i % 100 != 49 && i % 100 != 98).collect();
    assert_eq!(ids(&transaction.view().unwrap().table(id).unwrap()), left);
    transaction.commit().unwrap();
    assert_eq!(read(&storage, id), left);
    assert_sound(&storage);
}

/// Something that happens to a table of a few row groups of 100 rows.
#[derive(Debug, Clone)]
enum Event {
    Append(usize),
    /// Deletes the rows at these places, out of 1,000.
    Delete(Vec<u16>),
    DeleteRange(u16, u16),
    Savepoint,
    RollbackTo,
    Commit,
    Rollback,
    Reopen,
    Checkpoint,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..=100usize).prop_map(Event::Append),
        4 => (1..=5usize).prop_map(Event::Append),
        3 => prop::collection::vec(0..1000u16, 1..10).prop_map(Event::Delete),
        3 => (0..1000u16, 0..400u16).prop_map(|(start, length)| Event::DeleteRange(start, length)),
        1 => Just(Event::Savepoint),
        1 => Just(Event::RollbackTo),
        4 => Just(Event::Commit),
        1 => Just(Event::Rollback),
        1 => Just(Event::Reopen),
        1 => Just(Event::Checkpoint),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Against a list of ids.
    #[test]
    fn agrees_with_a_list(events in prop::collection::vec(event(), 1..60)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.flux");
        let options = StorageOptions { page_size: 4096, row_group_rows: 100, ..StorageOptions::default() };
        let mut storage = Storage::open(&path, &options).unwrap();
        let id = create(&storage, "t");
        let (mut committed, mut model): (Vec<i64>, Vec<i64>) = (vec![], vec![]);
        let mut next = 0;
        let mut transaction: Option<WriteTransaction> = None;
        let mut savepoint: Option<(Savepoint, Vec<i64>)> = None;
        for event in events {
            match event {
                Event::Append(count) => {
                    let open = transaction.get_or_insert_with(|| storage.begin().unwrap());
                    let new = next..next + count as i64;
                    open.append(id).unwrap().write_row_group(0, &rows(new.clone())).unwrap();
                    next = new.end;
                    model.extend(new);
                }
                Event::Delete(places) => {
                    let open = transaction.get_or_insert_with(|| storage.begin().unwrap());
                    let gone: Vec<i64> = places
                        .iter()
                        .filter_map(|place| model.get(usize::from(*place) * model.len() / 1000).copied())
                        .collect();
                    let before = model.len();
                    model.retain(|id| !gone.contains(id));
                    prop_assert_eq!(delete(open, id, &gone) as usize, before - model.len());
                }
                Event::DeleteRange(start, length) => {
                    let open = transaction.get_or_insert_with(|| storage.begin().unwrap());
                    let start = usize::from(start) * model.len() / 1000;
                    let end = model.len().min(start + usize::from(length));
                    let gone: Vec<i64> = model.drain(start..end).collect();
                    prop_assert_eq!(delete(open, id, &gone) as usize, gone.len());
                }
                Event::Savepoint => {
                    if let Some(open) = &mut transaction {
                        savepoint = Some((open.savepoint().unwrap(), model.clone()));
                    }
                }
                Event::RollbackTo => {
                    if let (Some(open), Some((savepoint, then))) = (&mut transaction, &savepoint) {
                        open.rollback_to(savepoint).unwrap();
                        model.clone_from(then);
                    }
                }
                Event::Commit => {
                    savepoint = None;
                    if let Some(open) = transaction.take() {
                        open.commit().unwrap();
                        committed.clone_from(&model);
                    }
                }
                Event::Rollback | Event::Reopen | Event::Checkpoint => {
                    (savepoint, transaction) = (None, None);
                    model.clone_from(&committed);
                    match event {
                        Event::Reopen => {
                            drop(storage);
                            storage = Storage::open(&path, &options).unwrap();
                        }
                        Event::Checkpoint => storage.checkpoint().unwrap(),
                        _ => {}
                    }
                }
            }
            if let Some(open) = &mut transaction {
                prop_assert_eq!(&ids(&open.view().unwrap().table(id).unwrap()), &model);
            }
            prop_assert_eq!(&read(&storage, id), &committed);
        }
        drop((savepoint, transaction));
        assert_sound(&storage);
    }
}
