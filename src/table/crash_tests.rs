//! The power goes, the disk breaks or is full at every single write and sync of a workload: what was
//! acknowledged is there afterwards, nothing else is, and every page is accounted for.

#![allow(clippy::single_range_in_vec_init, reason = "one row group is a list of one range of ids")]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tests::{assert_sound, definition, delete, ids, rows};
use super::{Result, Storage, StorageOptions, TableError};
use crate::catalog::{TableId, ViewDefinition};
use crate::pager::fault::{Fate, Fault, FaultFile, FaultPlan};
use crate::pager::{MemoryFile, PagerError};

/// What is in a database: the ids of the rows of each table, and the names of the views.
#[derive(Debug, Clone, Default, PartialEq)]
struct Content {
    tables: BTreeMap<String, Vec<i64>>,
    views: Vec<String>,
}

/// One transaction.
#[derive(Debug, Clone)]
enum Step {
    /// Adds row groups to a table, made first if it is not there.
    Append(&'static str, Vec<std::ops::Range<i64>>),
    Drop(&'static str),
    /// Deletes the rows with ids in a range, adds a row group, and deletes some of that.
    Delete(&'static str, std::ops::Range<i64>, std::ops::Range<i64>),
    View(&'static str),
    /// Drops one table and makes it anew with a row group, all at once.
    Replace(&'static str, std::ops::Range<i64>),
    Checkpoint,
    /// Closes the file and opens it.
    Reopen,
    /// Opens the file as a killed process left it.
    Kill,
}

/// What is done, with which options.
struct Workload {
    steps: Vec<Step>,
    options: StorageOptions,
}

impl Workload {
    fn all() -> [Self; 2] {
        [Self::sealed(), Self::logged()]
    }

    /// Every commit is sealed.
    fn sealed() -> Self {
        Self { steps: large_steps(), options: options() }
    }

    /// Small commits go to a log that is soon full.
    fn logged() -> Self {
        Self { steps: small_steps(), options: StorageOptions { log_bytes_max: 8192, ..options() } }
    }

    /// The content before the first step and after each.
    fn states(&self) -> Vec<Content> {
        let mut states = vec![Content::default()];
        for step in &self.steps {
            let mut next = states[states.len() - 1].clone();
            apply(&mut next, step);
            states.push(next);
        }
        states
    }
}

fn small_steps() -> Vec<Step> {
    use Step::*;
    let mut steps = vec![Append("t", vec![0..10])];
    let single = |from: i64, to: i64| (from..to).map(|i| Append("t", vec![i..i + 1]));
    // The second makes the log.
    steps.extend(single(10, 15));
    steps.extend([
        Delete("t", 3..5, 15..18),
        Kill,
        Delete("t", 11..13, 18..19),
        Append("t", vec![20..29, 29..30]),
        View("v"),
        Append("u", vec![0..100, 100..130]),
    ]);
    // Until it is full, and again.
    steps.extend(single(30, 52));
    steps.extend([
        Delete("u", 90..110, 200..203),
        Delete("t", 1..40, 60..62),
        Kill,
        Append("u", vec![203..205]),
        Checkpoint,
        Append("t", vec![62..64]),
        Delete("u", 0..60, 205..208),
        Reopen,
    ]);
    steps.extend(single(64, 68));
    steps.extend([
        Replace("u", 7..57),
        Delete("u", 10..12, 0..0),
        Delete("u", 12..14, 57..60),
        Kill,
        Drop("t"),
        Append("u", vec![60..61]),
        Append("u", vec![61..62]),
    ]);
    steps
}

fn large_steps() -> Vec<Step> {
    use Step::*;
    vec![
        Append("t", vec![0..100, 100..130]),
        Append("t", vec![130..131]),
        View("v"),
        Append("t", vec![131..140]),
        Append("u", (0..12).map(|i| i * 100..(i + 1) * 100).collect()),
        Append("t", vec![140..170, 170..200]),
        Delete("u", 250..260, 1200..1210),
        Delete("u", 255..430, 1210..1300),
        Checkpoint,
        Replace("u", 7..57),
        Append("u", vec![57..60]),
        Drop("t"),
        Delete("u", 10..12, 0..0),
        Checkpoint,
        Delete("u", 0..1000, 100..102),
        Append("w", vec![0..100, 100..200, 200..300]),
        Append("u", vec![60..61]),
    ]
}

fn options() -> StorageOptions {
    StorageOptions { page_size: 4096, row_group_rows: 100, log_bytes_max: 0, ..StorageOptions::default() }
}

fn find(storage: &Storage, name: &str) -> Option<TableId> {
    storage.snapshot().catalog().table("main", name).ok().map(|table| table.id)
}

fn run(storage: &Arc<Storage>, step: &Step) -> Result<()> {
    if matches!(step, Step::Checkpoint) {
        return storage.checkpoint();
    }
    let mut transaction = storage.begin()?;
    match step {
        Step::Append(name, groups) => {
            let id = match find(storage, name) {
                Some(id) => id,
                None => transaction.create_table(definition(storage, name))?,
            };
            let appender = transaction.append(id)?;
            for (position, ids) in groups.iter().enumerate() {
                appender.write_row_group(position as u64, &rows(ids.clone()))?;
            }
        }
        Step::Drop(name) => transaction.drop_table(find(storage, name).unwrap())?,
        Step::Delete(name, gone, new) => {
            let id = find(storage, name).unwrap();
            delete(&mut transaction, id, &gone.clone().collect::<Vec<_>>());
            transaction.append(id)?.write_row_group(0, &rows(new.clone()))?;
            delete(&mut transaction, id, &new.clone().filter(|id| id % 2 == 0).collect::<Vec<_>>());
        }
        Step::View(name) => {
            let main = transaction.catalog().schema("main").unwrap().definition().id;
            transaction.create_object(ViewDefinition::new(main, name, "SELECT 1", vec![]))?;
        }
        Step::Replace(name, ids) => {
            transaction.drop_table(find(storage, name).unwrap())?;
            let id = transaction.create_table(definition(storage, name))?;
            transaction.append(id)?.write_row_group(0, &rows(ids.clone()))?;
        }
        Step::Checkpoint | Step::Reopen | Step::Kill => {}
    }
    transaction.commit().map(|_| ())
}

/// What a step makes of the content.
fn apply(content: &mut Content, step: &Step) {
    match step {
        Step::Append(name, groups) => {
            content.tables.entry((*name).into()).or_default().extend(groups.iter().cloned().flatten());
        }
        Step::Drop(name) => {
            content.tables.remove(*name);
        }
        Step::Delete(name, gone, new) => {
            let ids = content.tables.get_mut(*name).unwrap();
            ids.retain(|id| !gone.contains(id));
            ids.extend(new.clone().filter(|id| id % 2 != 0));
        }
        Step::View(name) => content.views.push((*name).into()),
        Step::Replace(name, ids) => {
            content.tables.insert((*name).into(), ids.clone().collect());
        }
        Step::Checkpoint | Step::Reopen | Step::Kill => {}
    }
}

fn read(storage: &Storage) -> Content {
    let snapshot = storage.snapshot();
    let mut content = Content::default();
    for table in snapshot.catalog().tables() {
        content.tables.insert(table.name.to_string(), ids(&snapshot.table(table.id).unwrap()));
    }
    content.views = snapshot.catalog().schema("main").unwrap().views().map(|v| v.name.to_string()).collect();
    content
}

/// Runs the workload until a step fails. Returns the file, what is open, how many steps were acknowledged and
/// how the next one failed.
fn run_until_failure(
    workload: &Workload,
    at: u64,
    fault: Fault,
) -> (Arc<FaultFile>, Option<Arc<Storage>>, usize, Option<TableError>) {
    let file = Arc::new(FaultFile::new(&[], FaultPlan { at: Some((at, fault)), read_at: None }));
    let open = || Storage::open_file(file.clone(), &workload.options);
    let mut storage = match open() {
        Ok(storage) => storage,
        Err(error) => return (file, None, 0, Some(error)),
    };
    for (done, step) in workload.steps.iter().enumerate() {
        let result = match step {
            Step::Reopen | Step::Kill => {
                if matches!(step, Step::Kill) {
                    // Its end must not be a clean one.
                    std::mem::forget(Arc::clone(&storage));
                }
                drop(storage);
                match open() {
                    Ok(again) => storage = again,
                    Err(error) => return (file, None, done, Some(error)),
                }
                assert_eq!(read(&storage), workload.states()[done], "operation {at}: what is found again");
                Ok(())
            }
            step => run(&storage, step),
        };
        if let Err(error) = result {
            return (file, Some(storage), done, Some(error));
        }
    }
    let done = workload.steps.len();
    (file, Some(storage), done, None)
}

/// Opens what a disk holds, and checks that it is the state after `done` steps, or the one after it if a step
/// was under way; then goes on with it.
fn reopen(workload: &Workload, image: &[u8], done: usize, under_way: bool, what: &str) {
    let open = |image: &[u8]| {
        Storage::open_file(Arc::new(MemoryFile::from_bytes(image)), &workload.options)
            .unwrap_or_else(|e| panic!("{what}: {e}"))
    };
    let storage = open(image);
    assert_eq!(storage.recovery().damage, None, "{what}");
    let (found, states) = (read(&storage), workload.states());
    let next = if under_way { states.get(done + 1) } else { None };
    assert!(
        found == states[done] || Some(&found) == next,
        "{what}: {found:?} after {done} steps, expected {:?}",
        states[done]
    );
    assert_sound(&storage);
    run(&storage, &Step::Append("after", vec![0..100, 100..150])).unwrap();
    for i in 150..154 {
        run(&storage, &Step::Append("after", vec![i..i + 1])).unwrap();
    }
    assert_eq!(read(&storage).tables["after"], (0..154).collect::<Vec<_>>());
    assert_sound(&storage);
}

fn operations(workload: &Workload) -> u64 {
    let (file, storage, done, error) = run_until_failure(workload, u64::MAX, Fault::Io);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(done, workload.steps.len());
    let storage = storage.unwrap();
    assert_eq!(read(&storage), *workload.states().last().unwrap());
    assert_sound(&storage);
    // The close is a part of it.
    drop(storage);
    file.operations()
}

#[test]
fn the_power_goes_at_any_write_or_sync() {
    let mut points = 0;
    for workload in Workload::all() {
        for at in 1..=operations(&workload) {
            let (file, storage, done, error) = run_until_failure(&workload, at, Fault::PowerCut);
            // What happens while the file is being made is no step.
            let made = storage.is_some();
            drop(storage);
            for fate in Fate::ALL {
                let seeds = if matches!(fate, Fate::Lost | Fate::Kept) { 1 } else { 2 };
                for seed in 0..seeds {
                    let image = file.image_after_power_cut(fate, at * 1000 + seed);
                    let what = format!("power cut at operation {at}, {fate:?}, seed {seed}");
                    reopen(&workload, &image, done, made && error.is_some(), &what);
                    points += 1;
                }
            }
        }
    }
    println!("{points} crash points");
}

#[test]
fn the_disk_breaks_at_any_write_or_sync() {
    for workload in Workload::all() {
        let states = workload.states();
        for at in 1..=operations(&workload) {
            let (file, storage, done, error) = run_until_failure(&workload, at, Fault::Io);
            if let Some(storage) = &storage {
                assert_eq!(read(storage), states[done], "I/O error at {at}: readers go on");
                if error.is_some() {
                    let again = run(storage, &Step::Append("again", vec![0..1]));
                    let latched = matches!(again, Err(TableError::Pager(PagerError::Latched(_))));
                    assert!(latched, "I/O error at {at}: nothing is promised any more, but {again:?}");
                }
            }
            let made = storage.is_some();
            drop(storage);
            let image = file.image_after_power_cut(Fate::Kept, 0);
            reopen(&workload, &image, done, made && error.is_some(), &format!("I/O error at operation {at}"));
        }
    }
}

#[test]
fn the_disk_is_full_at_any_write() {
    for workload in Workload::all() {
        let mut latched = 0;
        let states = workload.states();
        for at in 1..=operations(&workload) {
            let (file, storage, done, error) = run_until_failure(&workload, at, Fault::DiskFull);
            let Some(storage) = storage else { continue };
            assert_eq!(read(&storage), states[done], "disk full at {at}");
            if let Some(error) = error {
                let full = matches!(root(&error), TableError::Pager(PagerError::DiskFull(_)));
                assert!(full, "disk full at {at}: {error}");
                assert_sound(&storage);
                // A superblock that cannot be written is past mending, though its page is there already.
                if let Err(TableError::Pager(PagerError::Latched(_))) = storage.begin() {
                    drop(storage);
                    let image = file.image_after_power_cut(Fate::Lost, 0);
                    reopen(&workload, &image, done, true, &format!("full at {at}"));
                    latched += 1;
                    continue;
                }
                // There is room again, and work goes on.
                for (i, step) in workload.steps.iter().enumerate().skip(done) {
                    if !matches!(step, Step::Reopen | Step::Kill) {
                        run(&storage, step).unwrap_or_else(|e| panic!("disk full at {at}, then: {e}"));
                    }
                    assert_eq!(read(&storage), states[i + 1]);
                }
            }
            assert_sound(&storage);
            drop(storage);
            let image = file.image_after_power_cut(Fate::Lost, 0);
            reopen(&workload, &image, states.len() - 1, false, &format!("full at {at}"));
        }
        // A checkpoint is a few commits.
        assert!(
            latched <= workload.steps.len() * 2,
            "only the superblock's writes are past mending: {latched}"
        );
    }
}

fn root(error: &TableError) -> &TableError {
    match error {
        TableError::InTable { source, .. } => root(source),
        other => other,
    }
}

#[test]
fn short_writes_do_no_harm() {
    for workload in Workload::all() {
        for at in (1..=operations(&workload)).step_by(5) {
            let (_, storage, done, error) = run_until_failure(&workload, at, Fault::ShortWrite);
            assert!(error.is_none() && done == workload.steps.len(), "short write at {at}: {error:?}");
            assert_sound(&storage.unwrap());
        }
    }
}

#[test]
fn any_damage_is_found_or_harmless() {
    for workload in Workload::all() {
        // With the log that a killed process leaves.
        let (file, storage, ..) = run_until_failure(&workload, u64::MAX, Fault::Io);
        let image = file.image_after_power_cut(Fate::Kept, 0);
        drop(storage);
        let states = workload.states();
        let open = |image: &[u8], recover| {
            let options = StorageOptions { recover, ..workload.options.clone() };
            Storage::open_file(Arc::new(MemoryFile::from_bytes(image)), &options)
        };
        let commits = open(&image, false).unwrap().recovery().commits;
        let (mut refused, mut found, mut harmless, mut cut) = (0, 0, 0, 0);
        for at in (0..image.len()).step_by(61) {
            let mut damaged = image.clone();
            damaged[at] ^= 1 << (at % 8);
            let Ok(storage) = open(&damaged, false) else {
                refused += 1;
                continue;
            };
            let content = read_if_sound(&storage);
            if storage.recovery().damage.is_some() {
                // A commit that was promised is gone; nothing is written until somebody says that this may be.
                assert!(storage.is_read_only() && storage.begin().is_err(), "damage at byte {at}");
                found += 1;
                drop(storage);
                let storage = open(&damaged, true).unwrap();
                let left = read(&storage);
                assert!(states.contains(&left), "damage at byte {at}: {left:?}");
                run(&storage, &Step::Append("after", vec![0..10])).unwrap();
                assert_sound(&storage);
                continue;
            }
            let Some(content) = content else {
                found += 1;
                continue;
            };
            // Without the last superblock, the commit before is the last; the last frame looks as if torn.
            let before = at < 2 * 4096 || storage.recovery().commits + 1 == commits;
            cut += u32::from(content != states[states.len() - 1]);
            let known =
                content == states[states.len() - 1] || (before && content == states[states.len() - 2]);
            assert!(known, "damage at byte {at} goes unnoticed");
            harmless += 1;
        }
        println!("{refused} refused, {found} found, {harmless} harmless, {cut} cut");
        assert!(refused > 0 && found > 0);
        assert!(commits == 0 || cut > 0);
    }
}

fn read_if_sound(storage: &Storage) -> Option<Content> {
    storage.check().is_sound().then(|| read(storage))
}
