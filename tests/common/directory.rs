//! Where a test's files lie.

use std::io::Read;
use std::path::{Path, PathBuf};

use fluxdb::inspect::Inspection;

use crate::coverage::assert_covered;

/// A directory for one test. When it goes, each database in it must be covered, so a test that breaks one has it in a
/// directory of another kind.
#[derive(Debug)]
pub struct Directory(tempfile::TempDir);

impl Directory {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            databases(self.path()).iter().for_each(|path| assert_covered(Inspection::open(path)));
        }
    }
}

/// The database files in a directory and those below it.
fn databases(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(databases(&path));
        } else if path.is_file() && begins_as_database(&path) {
            found.push(path);
        }
    }
    found
}

fn begins_as_database(path: &Path) -> bool {
    let mut magic = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x89FLUX\r\n\x1a"
}
