//! Text by what a reader takes for one character, and its normal forms.

use arrow_array::types::*;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use crate::column::types::LogicalType;
use crate::exec::functions::kernel::{Str, primitive, slice, text};
use crate::exec::functions::registry::{Registry, def};

/// `count` graphemes from `start`, counted from 0.
fn part(s: &str, start: i64, count: i64) -> &str {
    if count <= 0 {
        return "";
    }
    let bounds: Vec<usize> = s.grapheme_indices(true).map(|(i, _)| i).chain([s.len()]).collect();
    let last = bounds.len() as i64 - 1;
    let (from, to) = (start.clamp(0, last), start.saturating_add(count).clamp(0, last));
    &s[bounds[from as usize]..bounds[to.max(from) as usize]]
}

fn count(s: &str) -> i64 {
    if s.is_ascii() { s.len() as i64 } else { s.graphemes(true).count() as i64 }
}

/// As `substring`: from 1, from the end if negative; a negative count goes back. Unlike there, what lies before the
/// text is counted also where the end was counted from.
fn substring(s: &str, from: i64, length: i64) -> &str {
    let start = if from < 0 { count(s) + from } else { from - 1 };
    let (start, length) = if length < 0 { (start + length, -length) } else { (start, length) };
    // What lies before the first is counted too.
    let length = if start < 0 { length + start } else { length };
    part(s, start.max(0), length)
}

/// The graphemes in reverse.
pub(super) fn reverse(s: &str, out: &mut String) {
    if s.is_ascii() {
        out.extend(s.chars().rev());
    } else {
        out.extend(s.graphemes(true).rev());
    }
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let s = T::Varchar;
    r.add(def("length_grapheme", "Number of grapheme clusters of a text", "length_grapheme('🤦🏼‍♂️')").map(
        &[s.clone()],
        T::BigInt,
        |_| primitive::<(Str,), Int64Type>(|(s,)| Ok(Some(count(s)))),
    ));
    r.add(def("left_grapheme", "The first grapheme clusters of a text", "left_grapheme('🤦🏼‍♂️🤦🏽‍♀️', 1)").map(
        &[s.clone(), T::BigInt],
        s.clone(),
        |_| {
            slice::<(Int64Type,)>(|s, (n,)| {
                Ok(Some(part(s, 0, if n < 0 { count(s).saturating_add(n) } else { n })))
            })
        },
    ));
    r.add(def("right_grapheme", "The last grapheme clusters of a text", "right_grapheme('🤦🏼‍♂️🤦🏽‍♀️', 1)").map(
        &[s.clone(), T::BigInt],
        s.clone(),
        |_| {
            slice::<(Int64Type,)>(|s, (n,)| {
                let all = count(s);
                let n = if n < 0 { all.saturating_add(n) } else { n.min(all) };
                Ok(Some(part(s, all - n, n)))
            })
        },
    ));
    r.add(
        def(
            "substring_grapheme",
            "Grapheme clusters from a position on, at most so many",
            "substring_grapheme('🦆🤦🏼‍♂️🤦🏽‍♀️🦆', 3, 2)",
        )
        .map(&[s.clone(), T::BigInt, T::BigInt], s.clone(), |_| {
            slice::<(Int64Type, Int64Type)>(|s, (from, n)| Ok(Some(substring(s, from, n))))
        })
        .map(&[s.clone(), T::BigInt], s.clone(), |_| {
            slice::<(Int64Type,)>(|s, (from,)| Ok(Some(substring(s, from, i64::from(i32::MAX)))))
        }),
    );
    r.add(def("nfc_normalize", "Text in the normal form NFC", "nfc_normalize('ardèch')").map(
        &[s.clone()],
        s.clone(),
        |_| {
            text::<(Str,)>(|(s,), out| {
                out.extend(s.nfc());
                Ok(true)
            })
        },
    ));
    r.add(def("strip_accents", "Text without accents", "strip_accents('mühleisen')").map(
        &[s.clone()],
        s,
        |_| {
            text::<(Str,)>(|(s,), out| {
                out.extend(s.nfd().filter(|c| !is_combining_mark(*c)));
                Ok(true)
            })
        },
    ));
}
