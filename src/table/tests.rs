//! The room as a whole: what is committed is there, what is not is not, and nobody disturbs a reader.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, StringViewArray};

use super::*;
use crate::catalog::{ColumnDefinition, TableDefinition, TableId, ViewDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;

/// Every commit is sealed.
pub(super) fn options() -> StorageOptions {
    StorageOptions { page_size: 4096, row_group_rows: 1000, log_bytes_max: 0, ..StorageOptions::default() }
}

pub(super) fn definition(storage: &Storage, name: &str) -> TableDefinition {
    let main = storage.snapshot().catalog().schema("main").unwrap().definition().id;
    TableDefinition::new(
        main,
        name,
        vec![
            ColumnDefinition { nullable: false, ..ColumnDefinition::new("id", LogicalType::BigInt) },
            ColumnDefinition::new("text", LogicalType::Varchar),
        ],
    )
}

pub(super) fn create(storage: &Arc<Storage>, name: &str) -> TableId {
    let mut transaction = storage.begin().unwrap();
    let id = transaction.create_table(definition(storage, name)).unwrap();
    transaction.commit().unwrap();
    id
}

/// Rows with these ids.
pub(super) fn rows(ids: std::ops::Range<i64>) -> Vec<ArrayRef> {
    let text = ids.clone().map(|id| (id % 7 != 0).then(|| format!("row number {id}")));
    vec![Arc::new(Int64Array::from_iter_values(ids.clone())), Arc::new(text.collect::<StringViewArray>())]
}

pub(super) fn insert(storage: &Arc<Storage>, table: TableId, ids: std::ops::Range<i64>) {
    let mut transaction = storage.begin().unwrap();
    transaction.append(table).unwrap().write_row_group(0, &rows(ids)).unwrap();
    transaction.commit().unwrap();
}

/// Deletes the rows with these ids.
pub(super) fn delete(transaction: &mut WriteTransaction, table: TableId, ids: &[i64]) -> u64 {
    let numbers: Vec<u64> = numbered(&transaction.view().unwrap().table(table).unwrap())
        .into_iter()
        .filter(|(_, id)| ids.contains(id))
        .map(|(number, _)| number)
        .collect();
    transaction.delete(table, &numbers).unwrap()
}

/// The ids of all rows; checks the text of each.
pub(super) fn ids(table: &TableSnapshot) -> Vec<i64> {
    numbered(table).into_iter().map(|(_, id)| id).collect()
}

/// The number and the id of each row; checks its text.
fn numbered(table: &TableSnapshot) -> Vec<(u64, i64)> {
    let (mut ids, mut first) = (vec![], 0);
    for (i, row_group) in table.row_groups().unwrap().iter().enumerate() {
        assert_eq!((row_group.index(), row_group.first_row()), (i, first));
        let chunk = row_group.chunk(0).unwrap();
        let texts = row_group.read_column(1).unwrap();
        assert_eq!(chunk.rows(), row_group.rows());
        let deletes = row_group.deletes().unwrap();
        assert_eq!(deletes.as_ref().map_or(0, |d| d.count_set_bits()), row_group.deleted_rows());
        let all = chunk.read_all().unwrap();
        for (row, (id, text)) in
            all.as_primitive::<Int64Type>().values().iter().zip(texts.as_string_view()).enumerate()
        {
            assert_eq!(text.map(String::from), (id % 7 != 0).then(|| format!("row number {id}")));
            if deletes.as_ref().is_none_or(|deletes| !deletes.value(row)) {
                ids.push((first + row as u64, *id));
            }
        }
        first += row_group.rows() as u64;
    }
    assert_eq!((table.rows(), table.rows() + table.deleted_rows()), (ids.len() as u64, first));
    ids
}

/// Panics with what is wrong with the database.
pub(super) fn assert_sound(storage: &Storage) {
    let report = storage.check();
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(report.is_sound(), "{findings:#?}");
}

fn read(storage: &Storage, name: &str) -> Vec<i64> {
    let snapshot = storage.snapshot();
    let id = snapshot.catalog().table("main", name).unwrap().id;
    ids(&snapshot.table(id).unwrap())
}

#[test]
fn rows_come_back_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    {
        let storage = Storage::open(&path, &options()).unwrap();
        let id = create(&storage, "Trips");
        let mut transaction = storage.begin().unwrap();
        let appender = transaction.append(id).unwrap();
        // Any order; positions say which.
        for position in [3u64, 0, 2, 1] {
            let start = position as i64 * 1000;
            appender.write_row_group(position, &rows(start..start + 1000)).unwrap();
        }
        appender.write_row_group(4, &rows(4000..4010)).unwrap();
        assert_eq!(appender.rows(), 4010);
        assert_eq!(storage.snapshot().table(id).unwrap().rows(), 0, "not before the commit");
        transaction.commit().unwrap();
        assert_eq!(read(&storage, "trips"), (0..4010).collect::<Vec<_>>());
        let mut transaction = storage.begin().unwrap();
        let main = transaction.catalog().schema("main").unwrap().definition().id;
        transaction.create_object(ViewDefinition::new(main, "v", "SELECT 1", vec![])).unwrap();
        transaction.commit().unwrap();
    }
    for read_only in [false, true] {
        let storage =
            Storage::open(&path, &StorageOptions { read_only, create: false, ..options() }).unwrap();
        assert_eq!(read(&storage, "TRIPS"), (0..4010).collect::<Vec<_>>());
        let snapshot = storage.snapshot();
        assert_eq!(&*snapshot.catalog().view("main", "V").unwrap().query, "SELECT 1");
        assert_eq!(storage.begin().is_err(), read_only);
        assert_sound(&storage);
    }
}

#[test]
fn statistics_are_those_of_the_whole_table() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..1000);
    insert(&storage, id, 1000..2000);
    let table = storage.snapshot().table(id).unwrap();
    let stats = table.column_stats(0).unwrap();
    assert_eq!((stats.rows, stats.null_count), (2000, 0));
    assert_eq!((&stats.min, &stats.max), (&Some(Scalar::Int(0)), &Some(Scalar::Int(1999))));
    let distinct = stats.distinct.unwrap();
    assert!((1600..=2000).contains(&distinct), "{distinct}");
    assert_eq!(table.column_stats(1).unwrap().null_count, 286);
}

#[test]
fn a_transaction_that_is_dropped_leaves_nothing() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..1500 - 500);
    let before = storage.snapshot();
    let appender = {
        let mut transaction = storage.begin().unwrap();
        transaction.create_table(definition(&storage, "u")).unwrap();
        let appender = transaction.append(id).unwrap();
        appender.write_row_group(0, &rows(1000..2000)).unwrap();
        appender
    };
    assert!(matches!(appender.write_row_group(1, &rows(0..1)), Err(TableError::Ended)));
    assert!(Arc::ptr_eq(&before, &storage.snapshot()));
    assert!(storage.snapshot().catalog().table("main", "u").is_err());
    assert_eq!(read(&storage, "t"), (0..1000).collect::<Vec<_>>());
    // An empty transaction makes no commit.
    storage.begin().unwrap().commit().unwrap();
    assert!(Arc::ptr_eq(&before, &storage.snapshot()));
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    let mut transaction = storage.begin().unwrap();
    let appender = transaction.append(id).unwrap();
    let refuse = |columns: &[ArrayRef]| appender.write_row_group(0, columns).unwrap_err().to_string();
    let good = rows(0..10);
    let null: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let two: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b"]));
    assert_eq!(refuse(&[null, two.clone()]), "Constraint Error: NOT NULL constraint failed: t.id");
    assert!(refuse(&good[..1]).contains("1 columns given"));
    assert!(refuse(&[good[0].clone(), two.clone()]).contains("2 rows"));
    assert!(refuse(&[two.clone(), two]).contains("is BIGINT"));
    assert!(refuse(&rows(0..1001)).contains("at most 1000"));
    appender.write_row_group(0, &rows(0..0)).unwrap();
    assert_eq!(appender.rows(), 0);
    assert!(transaction.append(TableId(99)).is_err());
}

#[test]
fn a_reader_keeps_what_it_saw() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..100);
    let old = storage.snapshot();
    // Its row groups are not loaded yet, and are merged and dropped meanwhile.
    insert(&storage, id, 100..1000);
    for i in 0..20 {
        insert(&storage, id, 1000 + i * 10..1010 + i * 10);
    }
    let mut transaction = storage.begin().unwrap();
    transaction.drop_table(id).unwrap();
    transaction.commit().unwrap();
    let other = create(&storage, "other");
    for i in 0..20 {
        insert(&storage, other, i * 1000..(i + 1) * 1000);
    }
    assert_eq!(ids(&old.table(id).unwrap()), (0..100).collect::<Vec<_>>());
    assert_sound(&storage);
    assert!(storage.snapshot().table(id).is_err());
}

#[test]
fn single_rows_are_merged_and_stay_cheap() {
    let storage = Storage::memory(&StorageOptions { page_size: 16384, ..StorageOptions::default() }).unwrap();
    let id = create(&storage, "t");
    let started = std::time::Instant::now();
    for i in 0..10_000 {
        insert(&storage, id, i..i + 1);
    }
    let elapsed = started.elapsed();
    let table = storage.snapshot().table(id).unwrap();
    assert_eq!(ids(&table), (0..10_000).collect::<Vec<_>>());
    assert_sound(&storage);
    assert!(table.row_group_count() <= 14, "{}", table.row_group_count());
    assert!(storage.file_bytes().unwrap() < 4 << 20, "{}", storage.file_bytes().unwrap());
    println!("10,000 commits of a row: {elapsed:?}");
    assert!(elapsed.as_secs() < 60, "{elapsed:?}");
}

#[test]
fn space_is_used_again() {
    let storage = Storage::memory(&options()).unwrap();
    let mut largest = 0;
    for round in 0..30 {
        let mut transaction = storage.begin().unwrap();
        let id = transaction.create_table(definition(&storage, "t")).unwrap();
        let appender = transaction.append(id).unwrap();
        for position in 0..5 {
            appender.write_row_group(position, &rows(0..1000)).unwrap();
        }
        transaction.commit().unwrap();
        let mut transaction = storage.begin().unwrap();
        transaction.drop_table(id).unwrap();
        transaction.commit().unwrap();
        if round == 3 {
            largest = storage.file_bytes().unwrap();
        }
    }
    assert_sound(&storage);
    let bytes = storage.file_bytes().unwrap();
    assert!(bytes <= largest + (1 << 20), "{bytes} bytes after 30 rounds, {largest} after 3");
}

#[test]
fn many_segments_append_and_drop() {
    let options = StorageOptions { row_group_rows: 10, ..options() };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    let mut storage = Storage::open(&path, &options).unwrap();
    let id = create(&storage, "t");
    let mut next = 0;
    for (i, count) in [1, 126, 2, 130, 300, 7, 1].into_iter().enumerate() {
        let mut transaction = storage.begin().unwrap();
        let appender = transaction.append(id).unwrap();
        for position in 0..count {
            appender.write_row_group(position, &rows(next..next + 10)).unwrap();
            next += 10;
        }
        appender.write_row_group(count, &rows(next..next + 3)).unwrap();
        next += 3;
        transaction.commit().unwrap();
        if i % 2 == 0 {
            drop(storage);
            storage = Storage::open(&path, &options).unwrap();
        }
        assert_eq!(read(&storage, "t"), (0..next).collect::<Vec<_>>());
        assert_sound(&storage);
    }
    let mut transaction = storage.begin().unwrap();
    transaction.drop_table(id).unwrap();
    transaction.commit().unwrap();
}

#[test]
fn row_groups_know_their_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    let storage = Storage::open(&path, &options()).unwrap();
    let mut points = definition(&storage, "points");
    points.columns[0].role = crate::catalog::ColumnRole::Time;
    let mut transaction = storage.begin().unwrap();
    let id = transaction.create_table(points).unwrap();
    let appender = transaction.append(id).unwrap();
    appender.write_row_group(0, &rows(-500..500)).unwrap();
    appender.write_row_group(1, &rows(500..510)).unwrap();
    transaction.commit().unwrap();
    drop((appender, storage));
    let storage = Storage::open(&path, &options()).unwrap();
    let table = storage.snapshot().table(id).unwrap();
    let times: Vec<_> = table.row_groups().unwrap().iter().map(|r| r.time_range()).collect();
    assert_eq!(times, [Some((-500, 499)), Some((500, 509))]);
}

#[test]
fn columns_come_and_go() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..600);
    let mut altered = (**storage.snapshot().catalog().table_by_id(id).unwrap()).clone();
    altered.add_column(ColumnDefinition::new("more", LogicalType::Double));
    let strict = ColumnDefinition { nullable: false, ..ColumnDefinition::new("strict", LogicalType::Date) };
    let mut refused = altered.clone();
    refused.add_column(strict);
    altered.columns.swap(0, 2);
    let mut transaction = storage.begin().unwrap();
    assert!(transaction.alter_table(refused).is_err());
    transaction.alter_table(altered.clone()).unwrap();
    transaction.commit().unwrap();
    let table = storage.snapshot().table(id).unwrap();
    let row_group = &table.row_groups().unwrap()[0];
    assert_eq!(row_group.chunk(0).unwrap().read_all().unwrap().null_count(), 600);
    assert_eq!(row_group.chunk(2).unwrap().read_all().unwrap().as_primitive::<Int64Type>().value(5), 5);
    let stats = table.column_stats(0).unwrap();
    assert_eq!((stats.null_count, stats.min.clone()), (600, None));
    // A merge brings old row groups to the new columns, and lets go of those that are gone.
    altered.columns.remove(1);
    let mut transaction = storage.begin().unwrap();
    transaction.alter_table(altered).unwrap();
    let values: ArrayRef = Arc::new(arrow_array::Float64Array::from_iter_values((0..400).map(f64::from)));
    let new: [ArrayRef; 2] = [values, rows(600..1000)[0].clone()];
    for (position, range) in [(0, 0..200), (1, 200..400)] {
        let part: Vec<_> = new.iter().map(|array| array.slice(range.start, range.len())).collect();
        transaction.append(id).unwrap().write_row_group(position, &part).unwrap();
    }
    transaction.commit().unwrap();
    let table = storage.snapshot().table(id).unwrap();
    assert_eq!((table.rows(), table.row_group_count()), (1000, 2));
    assert_eq!(table.column_stats(0).unwrap().null_count, 600);
    assert_sound(&storage);
}

#[test]
fn many_threads_append_while_others_read() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    insert(&storage, id, 0..1000);
    let mut transaction = storage.begin().unwrap();
    let appender = transaction.append(id).unwrap();
    let next = std::sync::atomic::AtomicI64::new(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if i > 40 {
                        break;
                    }
                    appender.write_row_group(i as u64, &rows(i * 1000..(i + 1) * 1000)).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..5 {
                assert_eq!(read(&storage, "t").len(), 1000);
            }
        });
    });
    transaction.commit().unwrap();
    assert_eq!(read(&storage, "t"), (0..41_000).collect::<Vec<_>>());
    assert_sound(&storage);
}

#[test]
fn writers_wait_for_each_other() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage, "t");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let storage = &storage;
            scope.spawn(move || {
                for i in 0..25 {
                    let start = (writer * 25 + i) * 10;
                    insert(storage, id, start..start + 10);
                }
            });
        }
    });
    let mut found = read(&storage, "t");
    found.sort_unstable();
    assert_eq!(found, (0..1000).collect::<Vec<_>>());
    let running = storage.begin().unwrap();
    assert!(storage.try_begin().unwrap().is_none());
    drop(running);
    assert!(storage.try_begin().unwrap().is_some());
}
