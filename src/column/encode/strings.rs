//! Encodes byte strings: plain, over a symbol table, or as positions in a dictionary (which may itself be over
//! a symbol table, and sorted so that strings share prefixes). One choice for all blocks of a chunk, as table and dictionary are shared.

use std::cell::LazyCell;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

use crate::column::codec::bytes::Prefixed;
use crate::column::codec::fsst::Encoder;
use crate::column::codec::{Codec, bytes};
use crate::column::encode::distinct::{self, Dictionary};
use crate::column::encode::{code_streams, is_valid, shared_section, use_codes};
use crate::column::error::{ColumnError, Result};
use crate::column::layout::Scheme;
use crate::column::physical::Physical;
use crate::column::summary::bytes_summary;
use crate::column::views::MAX_BUFFER;
use crate::column::writer::ChunkBuilder;

/// Strings of fewer bytes in all are not worth a symbol table.
const SYMBOLS_MIN_BYTES: usize = 4 * 1024;
/// A symbol table must save this share of the bytes, in per cent, to be worth the time to decode.
const SYMBOLS_MIN_GAIN: usize = 15;

/// The most bytes of a dictionary that is sorted: in order of appearance rows find their strings one behind the other,
/// in any other order all over the dictionary, which must then fit into the caches.
const SORTED_MAX_BYTES: usize = 2 << 20;
/// The share of coded strings in their bytes that is guessed before there is a table.
const SYMBOLS_GUESS: (usize, usize) = (2, 5);

/// Encodes all blocks.
pub(super) fn encode(array: &ArrayRef, builder: &mut ChunkBuilder<'_>) -> Result<()> {
    let text = builder.physical == Physical::Bytes { text: true };
    let nulls = array.nulls();
    let value = |i: usize| -> &[u8] {
        match (is_valid(nulls, i), text) {
            (false, _) => &[],
            (true, true) => array.as_string_view().value(i).as_bytes(),
            (true, false) => array.as_binary_view().value(i),
        }
    };
    let values = LazyCell::new(|| (0..array.len()).map(value).collect::<Vec<&[u8]>>());
    let views = if text { array.as_string_view().views() } else { array.as_binary_view().views() };
    // A view begins with the length.
    let length = |i: usize| if is_valid(nulls, i) { views[i] as u32 as usize } else { 0 };
    let total = total_length(length, builder)?;
    builder.memory_len = 16 * builder.rows() + total;
    let dictionary = distinct::find(views, value, builder);
    match &dictionary {
        Some(dictionary) => dictionary.summarize(text, builder),
        None => {
            for block in builder.blocks.iter_mut().filter(|b| !b.all_null()) {
                block.summary = bytes_summary(&values[block.range()], block.nulls.as_ref(), text);
            }
        }
    }
    let force = builder.options.force;
    if let Some(Dictionary { strings, .. }) = &dictionary
        && let [all] = strings[..]
        && force.is_none_or(|force| force == Codec::Constant)
    {
        for block in builder.blocks.iter_mut().filter(|b| !b.all_null()) {
            block.codec = bytes::encode_constant(all, &mut block.stream);
        }
        return Ok(());
    }
    let wants = |codec| force.is_none() || force == Some(codec);

    // What each way would take; lengths are guessed at a byte each.
    let mut best = (total + array.len(), Way::Plain);
    let train = |strings: &[&[u8]], bytes: usize| {
        let worth = force == Some(Codec::Fsst) || (force.is_none() && bytes >= SYMBOLS_MIN_BYTES);
        let encoder = worth.then(|| Encoder::train(strings))?;
        let coded = encoder.estimate(strings, bytes);
        let gain = bytes.saturating_sub(coded) * 100 >= bytes * SYMBOLS_MIN_GAIN;
        (gain || force.is_some()).then_some((encoder, coded))
    };
    if let Some(dictionary) = dictionary.filter(|d| wants(Codec::Dictionary) && d.strings.len() != 1) {
        let Dictionary { strings, mut codes } = dictionary;
        let bytes: usize = strings.iter().map(|v| v.len()).sum();
        let (streams, size) = code_streams(&mut codes, builder);
        let plain = size + bytes + strings.len();
        if (bytes <= MAX_BUFFER && plain < best.0) || force.is_some() {
            let sorted = if (SYMBOLS_MIN_BYTES..=SORTED_MAX_BYTES).contains(&bytes) {
                sort(&strings, bytes, &codes, size, builder)
            } else {
                None
            };
            best = if let Some((prefixed, streams, size)) = sorted {
                let bytes = prefixed.rests.iter().map(|r| r.len()).sum();
                let coded = train(&prefixed.rests, bytes);
                let size =
                    size + coded.as_ref().map_or(bytes, |(_, coded)| *coded) + 2 * prefixed.rests.len();
                let encoder = coded.map(|(encoder, _)| encoder);
                (size, Way::Sorted { prefixed, streams, encoder })
            } else {
                let coded = train(&strings, bytes);
                let size = coded.as_ref().map_or(plain, |(_, coded)| size + coded + strings.len());
                (size, Way::Dictionary { strings, streams, encoder: coded.map(|(encoder, _)| encoder) })
            };
        }
    }
    // A dictionary that halves the bytes is not beaten by symbols alone, which rarely do better than that.
    if wants(Codec::Fsst)
        && (best.0 > total / 3 || force.is_some())
        && let Some((encoder, coded)) = train(&values, total)
        && (coded + array.len() < best.0 || force.is_some())
    {
        best = (coded + array.len(), Way::Symbols(encoder));
    }
    match best.1 {
        Way::Plain => streams(&values, None, builder),
        Way::Symbols(encoder) => {
            streams(&values, Some(&encoder), builder);
            builder.shared = Some((Scheme::Symbols, shared_section(0, &encoder.table())));
        }
        Way::Dictionary { strings, streams, encoder } => {
            let table = encoder.as_ref().map(Encoder::table).unwrap_or_default();
            let mut shared = shared_section(strings.len(), &table);
            bytes::encode(&strings, encoder.as_ref(), &mut shared);
            builder.shared = Some((Scheme::Dictionary, shared));
            use_codes(streams, builder);
        }
        Way::Sorted { prefixed, streams, encoder } => {
            let table = encoder.as_ref().map(Encoder::table).unwrap_or_default();
            let mut shared = shared_section(prefixed.rests.len(), &table);
            prefixed.encode(encoder.as_ref(), &mut shared);
            builder.shared = Some((Scheme::Dictionary, shared));
            use_codes(streams, builder);
        }
    }
    Ok(())
}

/// The bytes of all strings, which must not be too many in one block.
fn total_length(length: impl Fn(usize) -> usize, builder: &ChunkBuilder<'_>) -> Result<usize> {
    let mut total = 0;
    for block in builder.blocks.iter().filter(|b| !b.all_null()) {
        let bytes: usize = block.range().map(&length).sum();
        if bytes > MAX_BUFFER {
            return Err(ColumnError::Unsupported(format!(
                "{} strings of {bytes} bytes in all are too large for a block",
                block.rows
            )));
        }
        total += bytes;
    }
    Ok(total)
}

/// The dictionary in order, the streams of its positions and their size, if what strings then share with the one
/// before saves more than positions in order of appearance, which in clustered data lie closer together.
fn sort<'a>(
    strings: &[&'a [u8]],
    bytes: usize,
    codes: &[i64],
    size: usize,
    builder: &ChunkBuilder<'_>,
) -> Option<(Prefixed<'a>, Vec<Vec<u8>>, usize)> {
    let mut order: Vec<u32> = (0..strings.len() as u32).collect();
    order.sort_unstable_by_key(|&code| strings[code as usize]);
    let prefixed = Prefixed::new(order.iter().map(|&code| strings[code as usize]));
    let shared = bytes - prefixed.rests.iter().map(|r| r.len()).sum::<usize>();
    let saved = (shared * SYMBOLS_GUESS.0 / SYMBOLS_GUESS.1).checked_sub(strings.len())?;
    if saved < bytes / 32 {
        return None;
    }
    let mut positions = vec![0; strings.len()];
    order.iter().enumerate().for_each(|(position, &code)| positions[code as usize] = position as i64);
    let mut codes: Vec<i64> = codes.iter().map(|&code| positions[code as usize]).collect();
    let (streams, sorted) = code_streams(&mut codes, builder);
    (sorted < size + saved).then_some((prefixed, streams, sorted))
}

/// How the strings of a chunk are stored.
enum Way<'a> {
    Plain,
    Symbols(Encoder),
    Dictionary { strings: Vec<&'a [u8]>, streams: Vec<Vec<u8>>, encoder: Option<Encoder> },
    Sorted { prefixed: Prefixed<'a>, streams: Vec<Vec<u8>>, encoder: Option<Encoder> },
}

/// Encodes blocks that stand alone, but for the symbol table.
fn streams(values: &[&[u8]], encoder: Option<&Encoder>, builder: &mut ChunkBuilder<'_>) {
    let force = builder.options.force;
    for block in builder.blocks.iter_mut().filter(|b| !b.all_null()) {
        let values = &values[block.range()];
        let nulls = block.nulls.as_ref();
        let mut valid = values.iter().enumerate().filter(|(i, _)| is_valid(nulls, *i)).map(|(_, v)| *v);
        let first = valid.next().unwrap_or_default();
        block.codec = if force.is_none_or(|f| f == Codec::Constant) && valid.all(|v| v == first) {
            bytes::encode_constant(first, &mut block.stream)
        } else {
            bytes::encode(values, encoder, &mut block.stream)
        };
    }
}
