//! How far two texts are apart.

use arrow_array::types::*;

use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Str, primitive};
use crate::exec::functions::registry::{Registry, def};

/// Longer texts are refused: the work grows with the product of the lengths.
const MAX_CHARS: usize = 1 << 20;

fn check(a: &str, b: &str) -> Result<()> {
    if a.len().saturating_mul(b.len()) > MAX_CHARS * 1024 {
        return Err(ExecError::OutOfRange("the texts are too long to be compared".into()));
    }
    Ok(())
}

/// Characters that differ between texts of one length.
fn hamming(a: &str, b: &str) -> Result<i64> {
    if a.is_empty() && b.is_empty() {
        return Err(ExecError::InvalidInput("Mismatch Function: Strings must be of length > 0!".into()));
    }
    let unequal = || ExecError::InvalidInput("Mismatch Function: Strings must be of equal length!".into());
    let (mut x, mut y) = (a.bytes(), b.bytes());
    let mut n = 0;
    loop {
        match (x.next(), y.next()) {
            (None, None) => return Ok(n),
            (Some(p), Some(q)) => n += i64::from(p != q),
            _ => return Err(unequal()),
        }
    }
}

/// The bytes of a text, to go through any number of times.
struct Octets<'a>(&'a str);

impl<'a> IntoIterator for &Octets<'a> {
    type Item = u8;
    type IntoIter = std::str::Bytes<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.bytes()
    }
}

/// Shared characters over all characters.
fn jaccard(a: &str, b: &str) -> Result<f64> {
    if a.is_empty() || b.is_empty() {
        return Err(ExecError::InvalidInput("Jaccard Function: An argument too short!".into()));
    }
    let set = |s: &str| s.bytes().collect::<std::collections::BTreeSet<u8>>();
    let (x, y) = (set(a), set(b));
    Ok(x.intersection(&y).count() as f64 / x.union(&y).count() as f64)
}

/// A similarity, or 0 where it is below a bound. Texts without characters resemble nothing.
fn similarity(a: &str, b: &str, least: f64, f: fn(&str, &str) -> f64) -> Result<f64> {
    if a.is_empty() || b.is_empty() {
        return Ok(0.0);
    }
    check(a, b)?;
    let found = f(a, b);
    Ok(if found < least { 0.0 } else { found })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let two = [T::Varchar, T::Varchar];
    r.add(
        def(
            "levenshtein",
            "Insertions, deletions and substitutions between two texts",
            "levenshtein('duck', 'db')",
        )
        .aliases(&["editdist3"])
        .map(&two, T::BigInt, |_| {
            primitive::<(Str, Str), Int64Type>(|(a, b)| {
                check(a, b)?;
                // Of bytes, as in DuckDB.
                Ok(Some(strsim::generic_levenshtein(&Octets(a), &Octets(b)) as i64))
            })
        }),
    );
    r.add(
        def(
            "damerau_levenshtein",
            "As levenshtein, with transpositions of neighbours",
            "damerau_levenshtein('ab', 'ba')",
        )
        .map(&two, T::BigInt, |_| {
            primitive::<(Str, Str), Int64Type>(|(a, b)| {
                check(a, b)?;
                Ok(Some(strsim::generic_damerau_levenshtein(a.as_bytes(), b.as_bytes()) as i64))
            })
        }),
    );
    r.add(
        def("hamming", "Places in which two texts of one length differ", "hamming('duck', 'luck')")
            .aliases(&["mismatches"])
            .map(&two, T::BigInt, |_| primitive::<(Str, Str), Int64Type>(|(a, b)| hamming(a, b).map(Some))),
    );
    r.add(
        def("jaccard", "Share of characters that two texts have in common", "jaccard('duck', 'luck')").map(
            &two,
            T::Double,
            |_| primitive::<(Str, Str), Float64Type>(|(a, b)| jaccard(a, b).map(Some)),
        ),
    );
    macro_rules! similarity {
        ($name:literal, $what:literal, $f:path) => {
            r.add(
                def($name, $what, concat!($name, "('duck', 'luck')"))
                    .map(&two, T::Double, |_| {
                        primitive::<(Str, Str), Float64Type>(|(a, b)| similarity(a, b, 0.0, $f).map(Some))
                    })
                    .map(&[T::Varchar, T::Varchar, T::Double], T::Double, |_| {
                        primitive::<(Str, Str, Float64Type), Float64Type>(|(a, b, least)| {
                            similarity(a, b, least, $f).map(Some)
                        })
                    }),
            );
        };
    }
    similarity!(
        "jaro_similarity",
        "Jaro similarity of two texts, 0 to 1; 0 below a bound that may be given",
        strsim::jaro
    );
    similarity!(
        "jaro_winkler_similarity",
        "Jaro-Winkler similarity of two texts, 0 to 1; 0 below a bound that may be given",
        strsim::jaro_winkler
    );
}
