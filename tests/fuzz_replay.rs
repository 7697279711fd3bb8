//! The fuzz targets without a fuzzer: their corpus, and changes to it by chance, for as long as there is time (see
//! [`common`]). What a fuzzer found once is in the corpus.

mod common;
#[path = "../fuzz/bodies/mod.rs"]
mod fuzz;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use fluxdb::pager::fault::Random;

use common::{Time, first_seed, told};

/// Of so many bytes nothing that a target does needs more at once, whatever the input says.
const BYTES_MAX: usize = 1 << 30;

/// Counts what is allocated, and has no more than [`BYTES_MAX`].
struct Bounded;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is done by the system's allocator; this only counts, and says sometimes that there is nothing left.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size() > BYTES_MAX {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// How long each target takes, unless told otherwise, and how many inputs it gets at least.
const SECONDS: u64 = 2;
const INPUTS_MIN: u64 = 30;

/// What texts are made of, beside what is in the corpus.
const WORDS: [&str; 40] = [
    "SELECT ",
    " FROM t ",
    "(",
    ")",
    ",",
    "'",
    "\"",
    " WHERE ",
    " GROUP BY ",
    " OVER ()",
    "NULL",
    "-",
    "9223372036854775807",
    "1e308",
    "0.1",
    "::DECIMAL(38, 9)",
    "::VARCHAR",
    "[",
    "]",
    "{",
    "}",
    ":",
    " IN ",
    "i",
    "s",
    "time",
    " AND ",
    "\n",
    "\\",
    "\u{1F600}",
    "\0",
    "=",
    " ",
    "INTERVAL '1 month'",
    "TIMESTAMP '294247-01-10'",
    "list_transform(l, x -> ",
    "repeat(s, ",
    " LIMIT ",
    "true",
    "//",
];

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap_or_else(|e| panic!("{}: {e}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Another input, made of those that are there.
fn mutate(corpus: &[(String, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let pick = |random: &mut Random| &corpus[random.below(corpus.len() as u64) as usize].1;
    let mut bytes = pick(random).clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        let end = at + random.below((bytes.len() - at) as u64 + 1).min(1 + random.below(60)) as usize;
        match random.below(8) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let copy = bytes[at..end].to_vec();
                let times = 1 + random.below(4) as usize;
                drop(bytes.splice(at..at, copy.repeat(times)));
            }
            2 => {
                let other = pick(random);
                let from = random.below(other.len() as u64 + 1) as usize;
                drop(bytes.splice(at..end, other[from..].iter().copied().take(100)));
            }
            3 | 4 => {
                let word = WORDS[random.below(WORDS.len() as u64) as usize];
                drop(bytes.splice(at..at, word.bytes()));
            }
            5 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            6 if at < bytes.len() => bytes[at] = random.next_u64() as u8,
            _ => {
                let noise: Vec<u8> = (0..random.below(24)).map(|_| random.next_u64() as u8).collect();
                drop(bytes.splice(at..end, noise));
            }
        }
    }
    bytes.truncate(1 << 16);
    bytes
}

fn replay(name: &str) {
    let (_, target) = fuzz::TARGETS.iter().find(|(other, _)| *other == name).expect("a target");
    let corpus = corpus(name);
    for (path, input) in &corpus {
        told(|| path.clone(), || target(input));
    }
    let is_binary = matches!(name, "file" | "log" | "chunk");
    let time = Time::new(SECONDS, INPUTS_MIN);
    let mut tried = 0;
    while !time.is_over(tried) {
        let mut random = Random(first_seed() + tried);
        let input = if is_binary && random.one_in(2) {
            (0..2 + 8 * (1 + random.below(6))).map(|_| random.next_u64() as u8).collect()
        } else {
            mutate(&corpus, &mut random)
        };
        told(
            || format!("{name}, seed {}: {:?}", first_seed() + tried, input.escape_ascii().to_string()),
            || target(&input),
        );
        tried += 1;
    }
    println!("{name}: {} inputs of the corpus, {tried} others", corpus.len());
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn all_targets_are_replayed() {
            let here = [$(stringify!($name)),*];
            assert!(fuzz::TARGETS.iter().map(|(name, _)| *name).eq(here));
        }
    };
}

targets! { sql file log chunk csv json line_protocol parquet }
