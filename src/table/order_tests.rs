//! Rows of measurements are in the order of their series and time whenever they come, and transactions, readers and
//! crashes do not notice that they move.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, Int64Array, StringViewArray, TimestampMicrosecondArray};
use arrow_schema::TimeUnit;

use super::tests::assert_sound;
use super::*;
use crate::catalog::{ColumnDefinition, ColumnRole, TableDefinition, TableId};
use crate::column::types::LogicalType;
use crate::pager::fault::{Fate, Fault, FaultFile, FaultPlan, Random};
use crate::pager::hooked_file::HookedFile;
use crate::pager::{File, MemoryFile};

const HOSTS: [&str; 4] = ["web-01", "web-02", "a host whose name is long", "web-03"];
/// The order of the hosts by name.
const BY_NAME: [usize; 4] = [2, 0, 1, 3];

/// A point: its host, its time and a value that no other has.
type Point = (usize, i64, i64);

fn options() -> StorageOptions {
    StorageOptions { page_size: 4096, row_group_rows: 1000, background: false, ..StorageOptions::default() }
}

fn create(storage: &Arc<Storage>) -> TableId {
    let main = storage.snapshot().catalog().schema("main").unwrap().definition().id;
    let of_role = |name, ty, role| ColumnDefinition { role, ..ColumnDefinition::new(name, ty) };
    let mut transaction = storage.begin().unwrap();
    let columns = vec![
        of_role("time", LogicalType::Timestamp(TimeUnit::Microsecond), ColumnRole::Time),
        of_role("host", LogicalType::Varchar, ColumnRole::Tag),
        ColumnDefinition::new("value", LogicalType::BigInt),
    ];
    let id = transaction.create_table(TableDefinition::new(main, "cpu", columns)).unwrap();
    transaction.commit().unwrap();
    id
}

fn columns(points: &[Point]) -> Vec<ArrayRef> {
    vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(points.iter().map(|point| point.1))),
        Arc::new(points.iter().map(|point| Some(HOSTS[point.0])).collect::<StringViewArray>()),
        Arc::new(Int64Array::from_iter_values(points.iter().map(|point| point.2))),
    ]
}

fn append(transaction: &mut WriteTransaction, id: TableId, points: &[Point]) {
    let appender = transaction.append(id).unwrap();
    for (at, part) in points.chunks(appender.row_group_rows()).enumerate() {
        appender.write_row_group(at as u64, &columns(part)).unwrap();
    }
}

fn insert(storage: &Arc<Storage>, id: TableId, points: &[Point]) {
    let mut transaction = storage.begin().unwrap();
    append(&mut transaction, id, points);
    transaction.commit().unwrap();
}

/// The points of each row group, with their numbers.
fn stored(table: &TableSnapshot) -> Vec<Vec<(u64, Point)>> {
    let mut groups = vec![];
    for group in table.row_groups().unwrap() {
        let read = |column| group.read_column(column).unwrap();
        let (times, hosts, values) = (read(0), read(1), read(2));
        let deletes = group.deletes().unwrap();
        let point = |row: usize| {
            let host = hosts.as_string_view().value(row);
            let host = HOSTS.iter().position(|other| *other == host).unwrap();
            let time = times.as_primitive::<TimestampMicrosecondType>().value(row);
            (group.first_row() + row as u64, (host, time, values.as_primitive::<Int64Type>().value(row)))
        };
        let is_left = |row: &usize| deletes.as_ref().is_none_or(|deletes| !deletes.value(*row));
        groups.push((0..group.rows()).filter(is_left).map(point).collect());
    }
    groups
}

fn read(storage: &Storage, id: TableId) -> Vec<Point> {
    let groups = stored(&storage.snapshot().table(id).unwrap());
    let mut points: Vec<Point> = groups.into_iter().flatten().map(|(_, point)| point).collect();
    points.sort_unstable_by_key(|point| point.2);
    points
}

fn delete(transaction: &mut WriteTransaction, id: TableId, values: &[i64]) -> u64 {
    let view = transaction.view().unwrap().table(id).unwrap();
    let groups = stored(&view);
    let numbers = groups.into_iter().flatten().filter(|(_, point)| values.contains(&point.2));
    let numbers: Vec<u64> = numbers.map(|(number, _)| number).collect();
    transaction.delete(id, &numbers).unwrap()
}

fn is_in_order(group: &[(u64, Point)]) -> bool {
    let place = |host| BY_NAME.iter().position(|other| *other == host);
    group.iter().is_sorted_by_key(|(_, (host, time, _))| (place(*host), *time))
}

/// Points of all hosts at these times, host by host within each time, with values from `first` on.
fn of_all_hosts(times: std::ops::Range<i64>, first: i64) -> Vec<Point> {
    let points = times.flat_map(|time| (0..HOSTS.len()).map(move |host| (host, time)));
    points.zip(first..).map(|((host, time), value)| (host, time, value)).collect()
}

/// Rows and times of each row group.
fn times(storage: &Storage, id: TableId) -> Vec<(usize, Option<(i64, i64)>)> {
    let table = storage.snapshot().table(id).unwrap();
    table.row_groups().unwrap().iter().map(|group| (group.rows(), group.time_range())).collect()
}

/// How many row groups have times within a range.
fn groups_at(storage: &Storage, id: TableId, times: std::ops::Range<i64>) -> usize {
    let table = storage.snapshot().table(id).unwrap();
    let groups =
        table.row_groups().unwrap().iter().filter(|group| {
            group.time_range().is_none_or(|(from, to)| from < times.end && times.start <= to)
        });
    groups.count()
}

#[test]
fn row_groups_are_in_order_when_they_are_sealed() {
    let storage = Storage::memory(&StorageOptions { log_bytes_max: 0, ..options() }).unwrap();
    let id = create(&storage);
    // Small commits that are merged, and one that is written as it comes.
    let mut next = 0;
    for at in 0..30 {
        insert(&storage, id, &of_all_hosts(at * 5..at * 5 + 5, next));
        next += 20;
    }
    insert(&storage, id, &of_all_hosts(150..400, next));
    let groups = stored(&storage.snapshot().table(id).unwrap());
    assert!(groups.iter().all(|group| is_in_order(group)));
    assert_eq!(groups.iter().map(Vec::len).max(), Some(1000));
    let mut expected = of_all_hosts(0..150, 0);
    expected.extend(of_all_hosts(150..400, next));
    assert_eq!(read(&storage, id), expected);
    assert_sound(&storage);
}

#[test]
fn late_points_go_where_they_belong() {
    let storage = Storage::memory(&options()).unwrap();
    let id = create(&storage);
    // Eight row groups, one after the other in time.
    insert(&storage, id, &of_all_hosts(0..2000, 0));
    let one_by_one = storage.snapshot().table(id).unwrap().row_group_count();
    assert_eq!((one_by_one, groups_at(&storage, id, 700..710)), (8, 1));
    // Late points of a part of that time: so many that the commit sees to it, as there is no thread.
    let many: Vec<Point> = of_all_hosts(600..1100, 10_000);
    insert(&storage, id, &many);
    assert_eq!(groups_at(&storage, id, 700..710), 1);
    // Fewer of all of it.
    let few: Vec<Point> = (0..900).map(|i| (i as usize % 4, i * 2, 20_000 + i)).collect();
    insert(&storage, id, &few);
    assert_eq!(groups_at(&storage, id, 700..710), 2);
    let held = storage.snapshot();
    let last = stored(&held.table(id).unwrap()).pop().unwrap();
    storage.put_in_order(None).unwrap();
    let table = storage.snapshot().table(id).unwrap();
    let groups = stored(&table);
    assert!(groups.iter().all(|group| is_in_order(group)));
    let counts: Vec<usize> = (0..20).map(|at| groups_at(&storage, id, at * 100 + 1..at * 100 + 10)).collect();
    assert!(counts.iter().sum::<usize>() <= 24, "{counts:?}: one, and two where one ends");
    assert!(table.row_group_count() <= 15, "{}", table.row_group_count());
    let mut expected = of_all_hosts(0..2000, 0);
    expected.extend(many);
    expected.extend(few);
    assert_eq!(read(&storage, id), expected);
    assert_eq!(stored(&held.table(id).unwrap()).pop().unwrap(), last, "who had it before has it still");
    // Nothing is left to do, and nothing is done for a few.
    let sequence = storage.snapshot().sequence();
    storage.put_in_order(None).unwrap();
    assert_eq!(storage.snapshot().sequence(), sequence);
    let files: Vec<_> =
        table.row_groups().unwrap().iter().map(|group| group.fingerprint().unwrap()).collect();
    insert(&storage, id, &[(2, 1, 30_000), (2, 1999, 30_001)]);
    expected.extend([(2, 1, 30_000), (2, 1999, 30_001)]);
    storage.put_in_order(None).unwrap();
    let table = storage.snapshot().table(id).unwrap();
    let kept =
        table.row_groups().unwrap().iter().filter(|group| files.contains(&group.fingerprint().unwrap()));
    assert!(kept.count() + 1 >= files.len());
    assert_eq!(groups_at(&storage, id, 501..510), 2);
    storage.checkpoint().unwrap();
    assert_sound(&storage);
    assert_eq!(read(&storage, id), expected);
}

#[test]
fn transactions_find_their_rows_after_they_have_moved() {
    let file = Arc::new(HookedFile::new(FaultFile::new(&[], FaultPlan::default()), |_| true));
    let storage = Storage::open_file(file.clone(), &options()).unwrap();
    let id = create(&storage);
    insert(&storage, id, &of_all_hosts(0..1000, 0));
    make_log(&storage, id);
    for points in [of_all_hosts(260..460, 10_000), of_all_hosts(350..390, 20_000)] {
        points.chunks(100).for_each(|points| insert(&storage, id, points));
    }
    assert!(storage.snapshot().is_unsealed());
    let begin = || storage.begin_on(storage.snapshot(), Duration::ZERO).unwrap();
    let mut open: Vec<_> = (0..3).map(|_| begin()).collect();
    assert_eq!(delete(&mut open[0], id, &[5, 1300, 10_003, 20_007]), 4);
    append(&mut open[0], id, &[(1, 333, 30_000)]);
    assert_eq!(delete(&mut open[1], id, &[6, 3999, 10_700]), 3);
    assert_eq!(delete(&mut open[2], id, &[7, 10_004]), 2);
    // While they are moved, another deletes some of the rows, adds some, and wins against one of those.
    let (inside, other) = (Arc::clone(&storage), Arc::new(parking_lot::Mutex::new(None)));
    let slot = Arc::clone(&other);
    file.at_next_sync(move || {
        let mut transaction = inside.begin().unwrap();
        assert_eq!(delete(&mut transaction, id, &[10_004, 2500, 20_100]), 3);
        append(&mut transaction, id, &[(0, 2, 31_000), (3, 2000, 31_001)]);
        transaction.commit().unwrap();
        let mut late = inside.begin_on(inside.snapshot(), Duration::ZERO).unwrap();
        assert_eq!(delete(&mut late, id, &[31_000, 10_600, 1]), 3);
        *slot.lock() = Some(late);
    });
    let before = groups_at(&storage, id, 350..360);
    assert!(storage.seal_beside().unwrap());
    assert!(groups_at(&storage, id, 350..360) < before, "{before}, {:?}", times(&storage, id));
    assert_sound(&storage);
    let mut results: Vec<_> = open.into_iter().map(WriteTransaction::commit).collect();
    assert!(matches!(results.pop().unwrap(), Err(TableError::Conflict(_))), "7 and 10,004");
    results.into_iter().for_each(|result| drop(result.unwrap()));
    other.lock().take().unwrap().commit().unwrap();
    let gone = [5, 1300, 10_003, 20_007, 6, 3999, 10_700, 10_004, 2500, 20_100, 31_000, 10_600, 1];
    let mut expected = of_all_hosts(0..1000, 0);
    expected.extend(of_all_hosts(260..460, 10_000));
    expected.extend(of_all_hosts(350..390, 20_000));
    expected.extend(LOGGED);
    expected.extend([(1, 333, 30_000), (3, 2000, 31_001)]);
    expected.retain(|point| !gone.contains(&point.2));
    expected.sort_unstable_by_key(|point| point.2);
    assert_eq!(read(&storage, id), expected);
    std::mem::forget(storage);
    let storage = Storage::open_file(file, &options()).unwrap();
    assert_eq!(read(&storage, id), expected);
    storage.put_in_order(None).unwrap();
    assert_eq!(read(&storage, id), expected);
    assert_sound(&storage);
}

/// Points of the small commits that make a database have a log.
const LOGGED: [Point; 2] = [(0, 5000, 50_000), (1, 5001, 50_001)];

fn make_log(storage: &Arc<Storage>, id: TableId) {
    LOGGED.iter().for_each(|point| insert(storage, id, &[*point]));
}

/// A table with late points, rows that are deleted and some that are only in the log.
fn late(file: Arc<dyn File>) -> Result<(Arc<Storage>, TableId, Vec<Point>)> {
    let options = StorageOptions { row_group_rows: 100, ..options() };
    let storage = Storage::open_file(file, &options)?;
    let id = create(&storage);
    let mut all = of_all_hosts(0..100, 0);
    insert(&storage, id, &all);
    make_log(&storage, id);
    all.extend(LOGGED);
    let more = [of_all_hosts(30..45, 1000), of_all_hosts(40..45, 2000)];
    for points in &more {
        points.chunks(20).for_each(|points| insert(&storage, id, points));
        all.extend(points);
    }
    let gone: Vec<i64> = (0..20).map(|i| i * 19).collect();
    let mut transaction = storage.begin()?;
    delete(&mut transaction, id, &gone);
    transaction.commit()?;
    all.retain(|point| !gone.contains(&point.2));
    all.sort_unstable_by_key(|point| point.2);
    assert!(storage.snapshot().is_unsealed());
    Ok((storage, id, all))
}

#[test]
fn the_power_goes_while_rows_move() {
    for by_hand in [false, true] {
        let order = |storage: &Arc<Storage>| {
            if by_hand { storage.put_in_order(None) } else { storage.seal_beside().map(drop) }
        };
        let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
        let (storage, id, expected) = late(file.clone()).unwrap();
        let (first, many) = (file.operations(), groups_at(&storage, id, 40..44));
        order(&storage).unwrap();
        assert!(groups_at(&storage, id, 40..44) < many, "{many}, {:?}", times(&storage, id));
        let last = file.operations();
        std::mem::forget(storage);
        let mut moved = [0, 0];
        for at in first + 1..=last {
            let plan = FaultPlan { at: Some((at, Fault::PowerCut)), ..FaultPlan::default() };
            let file = Arc::new(FaultFile::new(&[], plan));
            let (storage, ..) = late(file.clone()).unwrap();
            let _ = order(&storage);
            std::mem::forget(storage);
            for fate in Fate::ALL {
                let image = file.image_after_power_cut(fate, at);
                let options = StorageOptions { row_group_rows: 100, ..options() };
                let after = Storage::open_file(Arc::new(MemoryFile::from_bytes(&image)), &options).unwrap();
                assert_eq!(read(&after, id), expected, "at {at}, {fate:?}");
                assert_sound(&after);
                moved[usize::from(groups_at(&after, id, 40..44) < many)] += 1;
                order(&after).unwrap();
                assert_eq!(read(&after, id), expected, "at {at}, {fate:?}");
                assert_sound(&after);
            }
        }
        assert!(moved[0] > 20 && moved[1] > 0, "{moved:?}");
    }
}

#[test]
fn a_thread_puts_late_points_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.flux");
    let storage = Storage::open(&path, &StorageOptions { background: true, ..options() }).unwrap();
    let id = create(&storage);
    insert(&storage, id, &of_all_hosts(0..2000, 0));
    // Bulk loads, which go past the log: one host after the other, with as many rows as there are already.
    let late: Vec<Point> = (0..2000).map(|time| (1, time, 100_000 + time)).collect();
    insert(&storage, id, &late);
    for _ in 0..2000 {
        if groups_at(&storage, id, 1000..1010) == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(groups_at(&storage, id, 1000..1010), 1);
    let mut expected = of_all_hosts(0..2000, 0);
    expected.extend(late);
    assert_eq!(read(&storage, id), expected);
    assert_sound(&storage);
}

#[test]
fn random_histories_are_those_of_a_map() {
    for seed in 0..25 {
        let mut random = Random(seed);
        let file = Arc::new(FaultFile::new(&[], FaultPlan::default()));
        let options = StorageOptions { row_group_rows: 100, ..options() };
        let mut storage = Storage::open_file(file.clone(), &options).unwrap();
        let id = create(&storage);
        let (mut model, mut next): (BTreeMap<i64, Point>, i64) = (BTreeMap::new(), 0);
        let mut open: Vec<(WriteTransaction, Vec<i64>)> = vec![];
        for _ in 0..120 {
            match random.below(12) {
                0..=4 => {
                    // Mostly the present, and sometimes long ago.
                    let count = if random.one_in(8) { 400 } else { 1 + random.below(40) as i64 };
                    let start = if random.one_in(3) { random.below(next as u64 + 1) as i64 } else { next };
                    let point = |value: i64| (random.below(4) as usize, start + value - next, value);
                    let points: Vec<Point> = (next..next + count).map(point).collect();
                    insert(&storage, id, &points);
                    model.extend(points.iter().map(|point| (point.2, *point)));
                    next += count;
                }
                5 | 6 if !model.is_empty() => {
                    let keys: Vec<i64> = model.keys().copied().collect();
                    let gone: Vec<i64> =
                        (0..3).map(|_| keys[random.below(keys.len() as u64) as usize]).collect();
                    let mut transaction = storage.begin_on(storage.snapshot(), Duration::ZERO).unwrap();
                    delete(&mut transaction, id, &gone);
                    open.push((transaction, gone));
                }
                7 | 8 if !open.is_empty() => {
                    let (transaction, gone) = open.remove(random.below(open.len() as u64) as usize);
                    let there = gone.iter().all(|value| model.contains_key(value));
                    match transaction.commit() {
                        Ok(_) => assert!(there, "seed {seed}: {gone:?}"),
                        Err(TableError::Conflict(_)) => assert!(!there, "seed {seed}: {gone:?}"),
                        Err(error) => panic!("{error}"),
                    }
                    if there {
                        model.retain(|value, _| !gone.contains(value));
                    }
                }
                9 => {
                    storage.seal_beside().unwrap();
                }
                10 => storage.put_in_order(None).unwrap(),
                11 if random.one_in(4) => {
                    open.clear();
                    if random.one_in(2) {
                        std::mem::forget(storage);
                    } else {
                        drop(storage);
                    }
                    storage = Storage::open_file(file.clone(), &options).unwrap();
                }
                _ => {}
            }
            assert_eq!(read(&storage, id), model.values().copied().collect::<Vec<_>>(), "seed {seed}");
        }
        assert_sound(&storage);
        open.clear();
        storage.checkpoint().unwrap();
        let groups = stored(&storage.snapshot().table(id).unwrap());
        assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), model.len());
        assert_eq!(read(&storage, id), model.values().copied().collect::<Vec<_>>(), "seed {seed}");
        assert_sound(&storage);
    }
}
