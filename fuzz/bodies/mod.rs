//! What the fuzz targets do with bytes: nothing of it may panic, hang, or take much more memory than the bytes.
//!
//! `cargo fuzz` runs them with coverage to guide it, `tests/fuzz_replay.rs` with the corpus and random bytes.
#![allow(dead_code, reason = "a target uses one of them")]

mod chunk;
mod file;
mod text;

pub use chunk::chunk;
pub use file::{file, log};
pub use text::{csv, json, line_protocol, parquet, sql};

/// A target, by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("sql", sql),
    ("file", file),
    ("log", log),
    ("chunk", chunk),
    ("csv", csv),
    ("json", json),
    ("line_protocol", line_protocol),
    ("parquet", parquet),
];

/// Fails where an error is a panic that was caught.
fn check<T>(result: fluxdb::Result<T>) {
    if let Err(e) = result {
        assert!(!e.to_string().contains("something panicked"), "{e}");
    }
}

/// Changes to bytes: each is 8 bytes of input.
fn edits(data: &[u8]) -> impl Iterator<Item = (usize, u8, [u8; 3])> + '_ {
    let (edits, _) = data.as_chunks::<8>();
    edits.iter().take(24).map(|edit| {
        let at = u32::from_le_bytes([edit[0], edit[1], edit[2], edit[3]]);
        (at as usize, edit[4], [edit[5], edit[6], edit[7]])
    })
}

/// Does one of them.
fn edit(bytes: &mut [u8], at: usize, kind: u8, value: [u8; 3]) {
    let Some(place) = bytes.get_mut(at..) else { return };
    let special = [0, 1, 0x7f, 0x80, 0xff][usize::from(value[0]) % 5];
    let number = u64::from(u32::from_le_bytes([value[0], value[1], value[2], 0]));
    let width = [1, 2, 4, 8][usize::from(kind >> 4) % 4].min(place.len());
    match kind % 6 {
        0 => place[0] = value[0],
        1 => place[0] ^= 1 << (value[0] % 8),
        2 => place[..width].fill(special),
        3 => place[..width].copy_from_slice(&number.to_le_bytes()[..width]),
        4 => {
            // A neighbour's value, or a little more or less.
            let mut old = [0; 8];
            old[..width].copy_from_slice(&place[..width]);
            let new =
                u64::from_le_bytes(old).wrapping_add(u64::from(value[0])).wrapping_sub(u64::from(value[1]));
            place[..width].copy_from_slice(&new.to_le_bytes()[..width]);
        }
        _ => {
            let (from, length) =
                (usize::from(u16::from_le_bytes([value[0], value[1]])), usize::from(value[2]));
            if from + length <= bytes.len() && at + length <= bytes.len() {
                bytes.copy_within(from..from + length, at);
            }
        }
    }
}
