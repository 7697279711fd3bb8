//! Two processes: the lock between them, and a writer that is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::lock::companion_path;
use super::super::*;

const DATABASE: &str = "FLUXDB_TEST_PAGER_CHILD";

/// Not a test of its own: what the child of the test below runs. It commits without end and says so.
#[test]
fn child() {
    let Some(path) = std::env::var_os(DATABASE) else { return };
    let pager = Pager::open(Path::new(&path), &Options::default()).unwrap();
    let mut root = pager.snapshot().roots().catalog;
    for count in 1_u64.. {
        let txn = pager.begin_write().unwrap();
        let extent = txn.alloc_extent(100_000).unwrap();
        txn.write_extent(extent, &count.to_le_bytes().repeat(12_500)).unwrap();
        if let Some(old) = root {
            txn.heap_delete(old).unwrap();
        }
        let record = [count, extent.start.0, extent.pages].map(u64::to_le_bytes).concat();
        root = Some(txn.heap_insert(&record).unwrap());
        txn.set_roots(Roots { catalog: root, log: None });
        if count > 1 && count % 2 == 0 {
            txn.free_extent(extent).unwrap();
        }
        let snapshot = txn.commit().unwrap();
        println!("\ncommitted {count} {}", snapshot.sequence());
    }
}

#[test]
fn a_killed_writer_leaves_its_commits_and_no_lock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.flux");
    for round in 1..4_usize {
        let _ = std::fs::remove_file(&path);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["pager::tests::process::child", "--exact", "--nocapture"])
            .env(DATABASE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::io::Result::ok);
        let committed = |line: String| -> Option<(u64, u64)> {
            let (count, sequence) = line.strip_prefix("committed ")?.split_once(' ')?;
            Some((count.parse().ok()?, sequence.parse().ok()?))
        };
        let mut last = lines.by_ref().filter_map(committed).nth(3 * round).unwrap();

        let error = Pager::open(&path, &Options::default()).unwrap_err();
        assert!(matches!(error, PagerError::Locked { pid: Some(pid), .. } if pid == child.id()), "{error}");
        assert!(error.to_string().contains(&format!("another process (pid {})", child.id())), "{error}");

        child.kill().unwrap();
        child.wait().unwrap();
        if let Some(later) = lines.filter_map(committed).last() {
            last = later;
        }
        let pager = Pager::open(&path, &Options { create: false, ..Options::default() }).unwrap();
        let snapshot = pager.snapshot();
        assert!(snapshot.sequence() >= last.1);
        let record = snapshot.heap_get(snapshot.roots().catalog.unwrap()).unwrap();
        let count = u64::from_le_bytes(record[..8].try_into().unwrap());
        assert!(count >= last.0 && count - last.0 == snapshot.sequence() - last.1, "{count} after {last:?}");
        pager.begin_write().unwrap().commit().unwrap();
        drop((record, snapshot, pager));
        assert!(!companion_path(&path).exists());
    }
}
