//! What damaged bytes do: with the checksums as they were, an error or the same answer; with the checksums made
//! right again, as by someone who means harm, an error or any answer of the right length. Never a panic.

use arrow_array::{Array, ArrayRef};

use crate::column::Codec;
use crate::column::conformance::{PATTERNS, Pattern, Random, flat, open, options, sample, scalar_types};
use crate::column::error::ColumnError;
use crate::column::layout::{ChunkHeader, EntryHead, HEADER_CRC_AT, Layout, UNIFORM};
use crate::column::le::U32;
use crate::column::predicate::{CompareOp, Predicate};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::column::writer::encode_chunk;

/// Reads all that can be read. Errors are fine.
fn read_everything(bytes: &[u8], ty: &LogicalType) -> Result<ArrayRef, ColumnError> {
    let reader = open(bytes.to_vec(), ty)?;
    // Damage to the counts may leave a chunk of more blocks than there is time to read.
    let blocks = reader.blocks().min(20);
    let mut first_error = None;
    let mut note = |result: Result<(), ColumnError>| {
        if let Err(e) = result {
            first_error.get_or_insert(e);
        }
    };
    for block in 0..blocks {
        let rows = reader.rows_of_block(block);
        note(reader.read_block(block).map(|array| {
            assert_eq!(array.len(), rows);
            flat(&array).to_data().validate_full().unwrap();
        }));
        let two = [0, (rows - 1) as u16];
        for read in [reader.read_rows(block, &two), reader.read_few(block, &two)] {
            note(read.map(|array| {
                assert_eq!(array.len(), 2);
                flat(&array).to_data().validate_full().unwrap();
            }));
        }
        for value in
            [Scalar::Null, Scalar::Int(1), Scalar::Float(0.5), Scalar::text("x"), Scalar::bytes([1; 16])]
        {
            let predicate = Predicate { op: CompareOp::Lt, value };
            note(
                reader
                    .filter_block(block, std::slice::from_ref(&predicate))
                    .map(|bits| assert!(bits.is_none_or(|b| b.len() == rows))),
            );
            note(reader.prune_block(block, &predicate).map(drop));
        }
    }
    match first_error {
        Some(e) => Err(e),
        None => reader.read_all(),
    }
}

/// Makes all checksums right, as far as the header makes sense.
fn fix_checksums(bytes: &mut [u8]) {
    let Some(header) = bytes.get(..size_of::<ChunkHeader>()) else { return };
    let header: ChunkHeader = bytemuck::pod_read_unaligned(header);
    let slice = |bytes: &[u8], at: u64, len: u64| {
        let end = at.checked_add(len)?;
        bytes.get(usize::try_from(at).ok()?..usize::try_from(end).ok()?).map(crc32fast::hash)
    };
    let (entry_len, blocks) = (usize::from(header.entry_len), header.block_count.get() as usize);
    let entries = if header.flags.get() & UNIFORM != 0 { blocks.min(1) } else { blocks.min(1000) };
    for i in 0..entries {
        let at = size_of::<ChunkHeader>() + i * entry_len;
        let Some(head) = bytes.get(at..at + size_of::<EntryHead>()) else { return };
        let head: EntryHead = bytemuck::pod_read_unaligned(head);
        if let Some(crc) = slice(bytes, head.offset.get(), u64::from(head.len.get())) {
            bytes[at + 12..at + 16].copy_from_slice(bytemuck::bytes_of(&U32::new(crc)));
        }
    }
    if let Some(crc) = slice(bytes, header.shared_offset.get(), header.shared_len.get()) {
        bytes[56..60].copy_from_slice(&crc.to_le_bytes());
    }
    let end = size_of::<ChunkHeader>() + entries * entry_len + usize::from(header.child_count) * 16;
    if let Some(directory) = bytes.get(size_of::<ChunkHeader>()..end) {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&bytes[..HEADER_CRC_AT]);
        crc.update(directory);
        let crc = crc.finalize();
        bytes[HEADER_CRC_AT..HEADER_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Small chunks of all types and codecs.
fn chunks() -> Vec<(LogicalType, Vec<u8>, ArrayRef)> {
    let mut random = Random::new(42);
    let mut all = vec![];
    for ty in scalar_types() {
        let pattern = PATTERNS[random.below(PATTERNS.len() as u64) as usize];
        all.push((ty.clone(), None, pattern));
    }
    for codec in Codec::ALL {
        for ty in [LogicalType::BigInt, LogicalType::Varchar, LogicalType::Double, LogicalType::Uuid] {
            for pattern in [Pattern::Runs, Pattern::Outliers] {
                all.push((ty.clone(), Some(codec), pattern));
            }
        }
    }
    all.into_iter()
        .map(|(ty, codec, pattern)| {
            let nulls = [0, 20][random.below(2) as usize];
            let array = sample(&ty, pattern, 90, nulls, &mut random);
            let chunk = encode_chunk(&array, &ty, &options(codec, 50)).unwrap();
            (ty, chunk.bytes, array)
        })
        .collect()
}

#[test]
fn a_flipped_bit_is_found() {
    let mut random = Random::new(3);
    for (ty, bytes, array) in chunks() {
        for bit in (random.below(7) as usize..bytes.len() * 8).step_by(7) {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // Reading every block for every bit is slow; the checksums are what is tested here.
            let read = open(bytes, &ty).and_then(|r| r.read_all());
            if let Ok(read) = read {
                // The bit lies in the gaps between blocks.
                assert_eq!(flat(&read).to_data(), flat(&array).to_data(), "{ty}, bit {bit}");
            }
        }
    }
}

#[test]
fn damage_with_right_checksums_does_no_harm() {
    let mut random = Random::new(7);
    for (ty, bytes, _) in chunks() {
        let mut same = bytes.clone();
        fix_checksums(&mut same);
        assert_eq!(same, bytes, "fixing what is right changes nothing");
        for round in 0..150 {
            let mut bytes = bytes.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = match round % 3 {
                    0 => bytes[at] ^ (1 << random.below(8)),
                    1 => random.next() as u8,
                    _ => [0, 0x7F, 0x80, 0xFF][random.below(4) as usize],
                };
            }
            fix_checksums(&mut bytes);
            let _any = read_everything(&bytes, &ty);
        }
    }
}

#[test]
fn cut_chunks_are_errors() {
    for (ty, bytes, _) in chunks() {
        let layout = Layout::parse(&bytes).unwrap();
        let last =
            (0..layout.blocks).filter_map(|i| layout.entry(&bytes, i).ok()).map(|e| e.offset + e.len).max();
        let end = last.unwrap_or(0).max(layout.directories_end());
        for len in (0..end).step_by(3) {
            assert!(read_everything(&bytes[..len], &ty).is_err(), "{ty}, {len} of {end} bytes");
        }
    }
}
