//! Every codec's decoder: chunks of all kinds, changed behind right checksums.

use std::sync::OnceLock;

use bytes::Bytes;
use fluxdb::arrow_array::{Array, ArrayRef};
use fluxdb::column::error::ChunkPlace;
use fluxdb::column::{ChunkReader, EncodeOptions, encode_chunk};
use fluxdb::{Database, LogicalType};

use super::{edit, edits};

/// SQL of columns that between them take every codec, form of NULLs, and type at rest.
const COLUMNS: [&str; 22] = [
    "i",
    "42",
    "(i * 7919) % 1000",
    "i * 1000 + (i * 37) % 11",
    "CASE WHEN i % 100 = 0 THEN 9000000000000 + i ELSE i % 16 END",
    "(i // 50)",
    "hash(i)::UBIGINT::HUGEINT",
    "(i % 7)::TINYINT",
    "i % 3 = 0",
    "(i // 20) % 2 = 0",
    "round(i * 0.01, 2)",
    "sqrt(i)",
    "(i * 0.5)::FLOAT",
    "'name ' || (i % 9)",
    "'https://example.org/path/' || i || '/' || (i * 7919 % 3001)",
    "CASE WHEN i % 5 < 3 THEN 'x' || i END",
    "CASE WHEN i % 400 = 0 THEN i END",
    "(i * 1.25)::DECIMAL(9, 2)",
    "TIMESTAMP '2024-01-01' + to_seconds(i)",
    "CASE WHEN i % 4 > 0 THEN [i, i + 1, NULL] END",
    "{'a': i, 'b': 'text ' || (i % 30)}",
    "to_days((i % 40)::INTEGER)",
];

struct Sample {
    bytes: Vec<u8>,
    ty: LogicalType,
    place: ChunkPlace,
}

/// The chunks that the database itself makes of the columns.
fn samples() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let connection = Database::open_in_memory().unwrap().connect();
        let mut samples = vec![];
        for sql in COLUMNS {
            for rows in [300, 2500] {
                let mut result = connection.query(&format!("SELECT {sql} FROM range({rows}) r(i)")).unwrap();
                let ty = result.columns()[0].ty.clone();
                let mut arrays: Vec<ArrayRef> = vec![];
                while let Some(batch) = result.next_batch() {
                    arrays.push(batch.unwrap().columns[0].clone());
                }
                // One batch, or the longest of several, is as good as all.
                let array = arrays.into_iter().max_by_key(|array| array.len()).unwrap();
                let Ok(encoded) = encode_chunk(&array, &ty, &EncodeOptions::default()) else { continue };
                let place = ChunkPlace {
                    table: "t".into(),
                    column: "c".into(),
                    row_group: 0,
                    table_id: 0,
                    column_id: 0,
                };
                samples.push(Sample { bytes: encoded.bytes, ty, place });
            }
        }
        samples
    })
}

/// Makes the checksums of a chunk right again, as far as it says where they are.
fn repair(chunk: &mut [u8]) {
    let get = |chunk: &[u8], at: usize, width: usize| {
        let mut number = [0; 8];
        chunk.get(at..at + width).map(|bytes| {
            number[..width].copy_from_slice(bytes);
            u64::from_le_bytes(number) as usize
        })
    };
    let Some(children) = get(chunk, 33, 1) else { return };
    let (Some(blocks), Some(entry)) = (get(chunk, 24, 4), get(chunk, 30, 1)) else { return };
    let entries = if get(chunk, 36, 4).is_some_and(|flags| flags & 1 != 0) { 1 } else { blocks };
    for child in 0..children {
        let at = 64 + entries.saturating_mul(entry).saturating_add(16 * child);
        if let (Some(offset), Some(length)) = (get(chunk, at, 8), get(chunk, at + 8, 8))
            && let Some(end) = offset.checked_add(length)
            && let Some(bytes) = chunk.get_mut(offset..end)
            && offset > 0
        {
            repair(bytes);
        }
    }
    let sum = |chunk: &mut [u8], range: std::ops::Range<usize>, at: usize| {
        if let Some(bytes) = chunk.get(range) {
            let sum = fluxdb::pager::checksum(bytes).to_le_bytes();
            if let Some(place) = chunk.get_mut(at..at + 4) {
                place.copy_from_slice(&sum);
            }
        }
    };
    for index in 0..entries.min(1000) {
        let at = 64 + index * entry;
        if let (Some(offset), Some(length)) = (get(chunk, at, 8), get(chunk, at + 8, 4)) {
            sum(chunk, offset..offset.saturating_add(length), at + 12);
        }
    }
    if let (Some(offset), Some(length)) = (get(chunk, 40, 8), get(chunk, 48, 8)) {
        sum(chunk, offset..offset.saturating_add(length), 56);
    }
    let end = 64 + entries.saturating_mul(entry).saturating_add(16 * children);
    if let (Some(head), Some(directories)) = (chunk.get(..60), chunk.get(64..end)) {
        let sum = fluxdb::pager::checksum(&[head, directories].concat()).to_le_bytes();
        chunk[60..64].copy_from_slice(&sum);
    }
}

/// The first byte chooses a chunk, the second whether its checksums are made right; the rest are changes to it.
pub fn chunk(data: &[u8]) {
    let [which, checked, rest @ ..] = data else { return };
    let sample = &samples()[usize::from(*which) % samples().len()];
    let mut bytes = sample.bytes.clone();
    let length = bytes.len();
    for (at, kind, value) in edits(rest) {
        // Heads more often than the rest.
        let at = if kind & 0x40 == 0 { at % length } else { at % length.min(256) };
        edit(&mut bytes, at, kind, value);
    }
    if checked % 8 != 0 {
        repair(&mut bytes);
    }
    let aligned = fluxdb::pager::MemoryFile::from_bytes(&bytes);
    let bytes: Bytes = fluxdb::pager::File::read(&aligned, 0, length).unwrap();
    let Ok(reader) = ChunkReader::open(bytes, &sample.ty, sample.place.clone()) else { return };
    let _ = reader.dictionary();
    for block in 0..reader.blocks().min(64) {
        let (_, _) = (reader.block_stats(block), reader.codec_of_block(block));
        if let Ok(array) = reader.read_block(block) {
            assert_eq!(array.len(), reader.rows_of_block(block));
            array.to_data().validate_full().expect("a decoder gives valid arrays or an error");
        }
        if let Ok(array) = reader.read_rows(block, &[0, 3, 7]) {
            assert!(array.len() <= 3);
        }
    }
}
