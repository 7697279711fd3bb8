//! Several transactions at once: who changes the same rows first wins, and nothing else is in anyone's way.

use std::sync::Arc;
use std::time::Duration;

use super::tests::{assert_sound, create, definition, delete, ids, insert, options, rows};
use super::*;
use crate::catalog::{ConstraintDefinition, ConstraintKind, ReferenceActions, TableDefinition, TableId};

fn begin(storage: &Arc<Storage>) -> WriteTransaction {
    storage.begin_on(storage.snapshot(), Duration::ZERO).unwrap()
}

fn append(transaction: &mut WriteTransaction, id: TableId, new: std::ops::Range<i64>) {
    transaction.append(id).unwrap().write_row_group(0, &rows(new)).unwrap();
}

fn read(storage: &Storage, id: TableId) -> Vec<i64> {
    ids(&storage.snapshot().table(id).unwrap())
}

fn seen(transaction: &mut WriteTransaction, id: TableId) -> Vec<i64> {
    ids(&transaction.view().unwrap().table(id).unwrap())
}

#[track_caller]
fn assert_conflict(result: Result<Arc<Snapshot>>) {
    assert!(matches!(result, Err(TableError::Conflict(_))), "{result:?}");
}

#[test]
fn rows_that_are_added_never_conflict() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..10);
    let (mut a, mut b) = (begin(&storage), begin(&storage));
    append(&mut a, id, 10..20);
    append(&mut b, id, 20..30);
    insert(&storage, id, 30..40);
    append(&mut a, id, 40..45);
    assert_eq!(seen(&mut a, id), (0..20).chain(40..45).collect::<Vec<_>>());
    assert_eq!(seen(&mut b, id), (0..10).chain(20..30).collect::<Vec<_>>());
    assert_eq!(delete(&mut b, id, &[25]), 1);
    b.commit().unwrap();
    a.commit().unwrap();
    let expected: Vec<i64> =
        (0..10).chain(30..40).chain((20..30).filter(|i| *i != 25)).chain(10..20).chain(40..45).collect();
    assert_eq!(read(&storage, id), expected);
    assert_sound(&storage);
}

#[test]
fn whoever_deletes_a_row_first_wins() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..1000);
    insert(&storage, id, 1000..1500);
    let mut transactions: Vec<_> = (0..5).map(|_| begin(&storage)).collect();
    delete(&mut transactions[0], id, &[1, 1001]);
    delete(&mut transactions[1], id, &[2, 1002]);
    delete(&mut transactions[2], id, &[3, 2]);
    append(&mut transactions[3], id, 5000..5010);
    delete(&mut transactions[3], id, &[4, 5003]);
    // So many that their row group is written anew.
    delete(&mut transactions[4], id, &(1100..1400).collect::<Vec<_>>());
    let mut results: Vec<_> = transactions.into_iter().map(WriteTransaction::commit).collect();
    results.remove(4).unwrap();
    results.remove(3).unwrap();
    assert_conflict(results.remove(2));
    results.into_iter().for_each(|result| drop(result.unwrap()));
    let gone = |i: &i64| [1, 2, 4, 1001, 1002].contains(i) || (1100..1400).contains(i);
    let expected: Vec<i64> =
        (0..1500).filter(|i| !gone(i)).chain((5000..5010).filter(|i| *i != 5003)).collect();
    assert_eq!(read(&storage, id), expected);
    assert_sound(&storage);
    // A row group that has been written anew still has the row.
    let mut late = begin(&storage);
    delete(&mut late, id, &[1450]);
    let mut transaction = storage.begin().unwrap();
    delete(&mut transaction, id, &(1401..1449).collect::<Vec<_>>());
    delete(&mut transaction, id, &(1000..1100).collect::<Vec<_>>());
    transaction.commit().unwrap();
    late.commit().unwrap();
    assert!(!read(&storage, id).contains(&1450));
    assert_sound(&storage);
}

#[test]
fn what_was_concluded_from_other_rows_must_hold() {
    let storage = Storage::memory(&options()).unwrap();
    let mut keyed = definition(&storage, "keyed");
    let columns = vec![keyed.columns[0].id];
    keyed.constraints.push(ConstraintDefinition {
        name: None,
        kind: ConstraintKind::Unique { columns: columns.clone(), primary: true },
    });
    let mut transaction = storage.begin().unwrap();
    let parent = transaction.create_table(keyed).unwrap();
    let mut child = definition(&storage, "child");
    let kind = ConstraintKind::ForeignKey {
        columns: columns.clone(),
        table: parent,
        referenced: columns,
        actions: ReferenceActions::default(),
    };
    child.constraints.push(ConstraintDefinition { name: None, kind });
    let child = transaction.create_table(child).unwrap();
    transaction.commit().unwrap();
    insert(&storage, parent, 0..10);
    // The same new key.
    let (mut a, mut b) = (begin(&storage), begin(&storage));
    append(&mut a, parent, 10..11);
    append(&mut b, parent, 10..11);
    a.commit().unwrap();
    assert_conflict(b.commit());
    // A reference to a row, and the end of that row.
    let (mut a, mut b) = (begin(&storage), begin(&storage));
    append(&mut a, child, 3..4);
    delete(&mut b, parent, &[3]);
    a.commit().unwrap();
    assert_conflict(b.commit());
    let (mut a, mut b) = (begin(&storage), begin(&storage));
    append(&mut a, child, 4..5);
    delete(&mut b, parent, &[4]);
    b.commit().unwrap();
    assert_conflict(a.commit());
    assert_sound(&storage);
}

#[test]
fn definitions_conflict() {
    let storage = Storage::memory(&options()).unwrap();
    let (id, other) = (create(&storage, "t"), create(&storage, "other"));
    insert(&storage, id, 0..10);
    let (mut a, mut b, mut c, mut d) = (begin(&storage), begin(&storage), begin(&storage), begin(&storage));
    append(&mut a, id, 10..20);
    append(&mut b, other, 0..5);
    c.create_table(definition(&storage, "u")).unwrap();
    d.clear(other).unwrap();
    let mut transaction = storage.begin().unwrap();
    transaction.drop_table(id).unwrap();
    transaction.create_table(definition(&storage, "u")).unwrap();
    transaction.commit().unwrap();
    assert_conflict(a.commit());
    b.commit().unwrap();
    assert_conflict(c.commit());
    d.commit().unwrap();
    assert!(storage.snapshot().table(id).is_err());
    assert_eq!(read(&storage, other), (0..5).collect::<Vec<_>>());
    let mut late = begin(&storage);
    assert_eq!(late.clear(other).unwrap(), 5);
    insert(&storage, other, 5..6);
    assert_conflict(late.commit());
    assert_sound(&storage);
}

#[test]
fn definitions_hold_for_rows_that_others_added_meanwhile() {
    let storage = Storage::memory(&options()).unwrap();
    let (id, parent) = (create(&storage, "t"), create(&storage, "parent"));
    insert(&storage, parent, 0..10);
    // The table has no rows yet, so nothing speaks against it.
    let mut a = begin(&storage);
    let mut strict = TableDefinition::clone(a.catalog().table_by_id(id).unwrap());
    strict.columns[1].nullable = false;
    a.alter_table(strict).unwrap();
    insert(&storage, id, 0..1);
    assert_conflict(a.commit());
    // A table that refers to a row of another, and the end of that row.
    let (mut a, mut b) = (begin(&storage), begin(&storage));
    let mut child = definition(&storage, "child");
    let (columns, referenced) = (vec![child.columns[0].id], vec![child.columns[0].id]);
    let kind = ConstraintKind::ForeignKey {
        columns,
        table: parent,
        referenced,
        actions: ReferenceActions::default(),
    };
    child.constraints.push(ConstraintDefinition { name: None, kind });
    let child = a.create_table(child).unwrap();
    append(&mut a, child, 3..4);
    delete(&mut b, parent, &[3]);
    b.commit().unwrap();
    assert_conflict(a.commit());
    // What is not redefined is in nobody's way, and neither is what goes.
    let (mut a, mut b) = (begin(&storage), begin(&storage));
    a.create_table(definition(&storage, "other")).unwrap();
    append(&mut a, parent, 20..21);
    b.drop_table(id).unwrap();
    insert(&storage, parent, 10..11);
    insert(&storage, id, 1..2);
    a.commit().unwrap();
    assert_conflict(b.commit());
    let mut c = begin(&storage);
    delete(&mut c, id, &[0]);
    c.drop_table(id).unwrap();
    insert(&storage, id, 2..3);
    c.commit().unwrap();
    assert!(storage.snapshot().table(id).is_err());
    assert_sound(&storage);
}

#[test]
fn large_transactions_wait_for_each_other() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    let (mut a, mut b) = (begin(&storage), begin(&storage));
    append(&mut a, id, 0..900);
    let busy = b.append(id).unwrap().write_row_group(0, &rows(900..1800));
    assert!(matches!(busy, Err(TableError::Busy)), "{busy:?}");
    assert!(storage.is_occupied() && storage.try_begin().unwrap().is_none());
    append(&mut b, id, 900..1000);
    a.commit().unwrap();
    append(&mut b, id, 1000..1900);
    b.commit().unwrap();
    assert_eq!(read(&storage, id), (0..1900).collect::<Vec<_>>());
    let mut dropped = begin(&storage);
    append(&mut dropped, id, 0..900);
    drop(dropped);
    insert(&storage, id, 1900..1901);
    assert_sound(&storage);
}

#[test]
fn many_threads_move_rows_and_lose_none() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..100);
    let conflicts = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4i64 {
            let (storage, conflicts) = (&storage, &conflicts);
            scope.spawn(move || {
                let mut done = 0;
                while done < 20 {
                    let mut transaction = begin(storage);
                    // The row becomes one of this thread: an update.
                    let row = (thread + done) % 100;
                    let all = seen(&mut transaction, id);
                    let current = *all.iter().find(|i| **i % 100 == row).unwrap();
                    delete(&mut transaction, id, &[current]);
                    append(&mut transaction, id, current + 100..current + 101);
                    match transaction.commit() {
                        Ok(_) => done += 1,
                        Err(TableError::Conflict(_)) => {
                            conflicts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                        Err(e) => panic!("{e}"),
                    }
                }
            });
        }
    });
    let all = read(&storage, id);
    assert_eq!(all.len(), 100);
    // Each update added 100 to a row: none was lost.
    let added: i64 = all.iter().map(|i| i / 100).sum();
    assert_eq!(added, 80, "{conflicts:?}");
    assert_sound(&storage);
}
