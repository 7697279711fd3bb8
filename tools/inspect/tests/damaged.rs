//! Every subcommand on files that are cut, have bits flipped, pages exchanged or filled with garbage, or are no database at
//! all: each ends, with an answer or an error, and none crashes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// All that can be asked, of tables that the files have.
const COMMANDS: [&str; 19] = [
    "",
    "superblock",
    "pages",
    "page 0 --hex",
    "page 7",
    "extents",
    "free",
    "wal",
    "wal 2 --hex",
    "catalog",
    "heap",
    "heap weather",
    "slot 7:1 --hex",
    "chunks weather",
    "chunk weather.degrees --blocks --values 5000",
    "chunk weather.station --values 3 --from 4999",
    "coverage",
    "verify",
    "diff sound.flux",
];

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Asks, and kills who does not answer within a minute.
fn ask(directory: &Path, command: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_inspect"))
        .current_dir(directory)
        .arg("broken.flux")
        .args(command.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who writes much must be read meanwhile.
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![];
        std::io::Read::read_to_end(&mut out, &mut bytes).map(|_| bytes)
    });
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_mins(1) {
            child.kill().unwrap();
            panic!("'{command}' does not end");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().unwrap();
    Output { stdout: reader.join().unwrap().unwrap(), ..output }
}

/// All subcommands on some bytes. Whether `verify` found something wrong.
fn tolerated(directory: &Path, bytes: &[u8], what: &str, some: Option<u64>) -> bool {
    std::fs::write(directory.join("broken.flux"), bytes).unwrap();
    let mut found = false;
    for (number, command) in COMMANDS.into_iter().enumerate() {
        // The cheap ones always; of the others one in four.
        if command != "verify" && some.is_some_and(|some| !(number as u64 + some).is_multiple_of(4)) {
            continue;
        }
        let output = ask(directory, command);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(0..=2)),
            "{what}, '{command}': {:?} {text}",
            output.status
        );
        assert!(!text.contains("panicked"), "{what}, '{command}': {text}");
        assert!(!output.stdout.is_empty() || !text.is_empty(), "{what}, '{command}' says nothing");
        found |= command == "verify" && output.status.code() == Some(1);
        if command == "coverage" && output.status.code() == Some(0) {
            let text = String::from_utf8_lossy(&output.stdout);
            let number = |name: &str| {
                let line = text.lines().find(|line| line.starts_with(name)).unwrap();
                line.split_whitespace().last().unwrap().parse::<usize>().unwrap()
            };
            assert_eq!(
                (number("file bytes"), number("attributed bytes")),
                (bytes.len(), bytes.len()),
                "{what}"
            );
        }
    }
    found
}

fn samples() -> (tempfile::TempDir, Vec<(PathBuf, Vec<u8>)>) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(docs.join("weather.flux"), directory.path().join("sound.flux")).unwrap();
    let read = |name: &str| (docs.join(name), std::fs::read(docs.join(name)).unwrap());
    (directory, vec![read("weather.flux"), read("weather-live.flux")])
}

#[test]
fn sound_files_are_sound() {
    let (directory, samples) = samples();
    for (path, bytes) in &samples {
        assert!(!tolerated(directory.path(), bytes, &path.display().to_string(), None));
    }
}

#[test]
fn flipped_bits_and_exchanged_pages() {
    let (directory, samples) = samples();
    let mut seed = 7;
    let mut noticed = 0;
    for round in 0..60 {
        let (_, good) = &samples[round % 2];
        let mut bytes = good.clone();
        let what = match random(&mut seed) % 4 {
            0 => {
                let (a, b) =
                    (random(&mut seed) as usize % (bytes.len() / 4096), random(&mut seed) as usize % 11);
                let page = bytes[a * 4096..(a + 1) * 4096].to_vec();
                bytes[b * 4096..(b + 1) * 4096].copy_from_slice(&page);
                format!("page {a} copied to {b}")
            }
            1 => {
                let page = random(&mut seed) as usize % (bytes.len() / 4096).min(14);
                let fill = random(&mut seed) as u8;
                bytes[page * 4096..(page + 1) * 4096].fill(fill);
                format!("page {page} filled with {fill:#x}")
            }
            _ => {
                // Structures lie at the beginnings of pages.
                let page = random(&mut seed) as usize % (bytes.len() / 4096).min(14);
                let flips: Vec<_> = (0..=random(&mut seed) % 8)
                    .map(|_| page * 4096 + random(&mut seed) as usize % 600)
                    .collect();
                flips.iter().for_each(|at| bytes[*at] ^= 1 << (random(&mut seed) % 8));
                format!("bits flipped at {flips:?}")
            }
        };
        noticed += usize::from(tolerated(directory.path(), &bytes, &what, Some(round as u64)));
    }
    assert!(noticed > 15, "only {noticed} of 60 were noticed");
}

#[test]
fn cut_files_and_files_of_others() {
    let (directory, samples) = samples();
    let (_, good) = &samples[1];
    for length in [0, 1, 511, 512, 4095, 4096, 8192, 8193, 20_000, 45_056, good.len() - 4096, good.len() - 1]
    {
        tolerated(directory.path(), &good[..length], &format!("cut to {length} bytes"), None);
    }
    let mut seed = 3;
    let noise: Vec<u8> = (0..20_000).map(|_| random(&mut seed) as u8).collect();
    for (what, bytes) in [
        ("zeros", vec![0; 70_000]),
        ("noise", noise),
        ("SQLite", [&b"SQLite format 3\0"[..], &[0; 9000]].concat()),
        ("text", "time,value\n1,2\n".repeat(1000).into_bytes()),
    ] {
        tolerated(directory.path(), &bytes, what, None);
    }
}

/// Checksums that are right protect lies: counts, lengths and offsets that point anywhere.
#[test]
fn lies_inside_checksums() {
    let (directory, samples) = samples();
    let mut seed = 11;
    for round in 0..40 {
        let (_, good) = &samples[round % 2];
        let mut bytes = good.clone();
        let page = 2 + random(&mut seed) as usize % 9;
        let at = page * 4096 + 4 + random(&mut seed) as usize % 300;
        let lie = [0_u64, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 1 << 40][random(&mut seed) as usize % 6];
        let width = [1, 2, 4, 8][random(&mut seed) as usize % 4];
        bytes[at..at + width].copy_from_slice(&lie.to_le_bytes()[..width]);
        let checked = &mut bytes[page * 4096..(page + 1) * 4096];
        let sum = crc32fast::hash(&checked[4..]);
        checked[..4].copy_from_slice(&sum.to_le_bytes());
        tolerated(
            directory.path(),
            &bytes,
            &format!("{lie:#x} in {width} bytes at {at}"),
            Some(round as u64),
        );
    }
    // Both superblocks, each with its own checksum.
    for round in 0..40 {
        let (_, good) = &samples[round % 2];
        let mut bytes = good.clone();
        let at = 8 + random(&mut seed) as usize % 104;
        let lie = random(&mut seed) >> (random(&mut seed) % 64);
        for page in 0..2 {
            let block = &mut bytes[page * 4096..page * 4096 + 512];
            let end = (at + 8).min(508);
            block[at..end].copy_from_slice(&lie.to_le_bytes()[..end - at]);
            let sum = crc32fast::hash(&block[..508]);
            block[508..].copy_from_slice(&sum.to_le_bytes());
        }
        tolerated(
            directory.path(),
            &bytes,
            &format!("{lie:#x} at {at} of the superblocks"),
            Some(round as u64),
        );
    }
}

#[test]
fn coverage_says_where_damage_lies() {
    let (directory, samples) = samples();
    let sound = &samples[0].1;
    let asked = |bytes: &[u8]| {
        std::fs::write(directory.path().join("broken.flux"), bytes).unwrap();
        let output = ask(directory.path(), "coverage");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, text) = asked(sound);
    assert!(code == Some(0) && !text.contains("bytes at"), "{text}");

    let mut longer = sound.clone();
    longer.extend([1; 100]);
    let (code, text) = asked(&longer);
    let place = format!("100 bytes at {}: bytes behind the last whole page", sound.len());
    assert!(code == Some(1) && text.contains(&place), "{text}");

    // A page that is whole but for one bit.
    let mut flipped = sound.clone();
    let at = 7 * 4096 + 2000;
    flipped[at] ^= 1;
    let (code, text) = asked(&flipped);
    let covers = text.lines().filter(|line| line.contains("damaged (")).any(|line| {
        let numbers: Vec<usize> =
            line.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        numbers.windows(2).any(|n| (n[1]..n[1] + n[0]).contains(&at))
    });
    assert!(code == Some(1) && covers, "{text}");
}
