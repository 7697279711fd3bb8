//! What is known of a run of values without reading them, and what that says about a condition.

use std::cmp::Ordering;

use crate::column::physical::Physical;
use crate::column::predicate::{CompareOp, Predicate, Prune};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;

/// Statistics of a chunk or block. NULLs take no part in any of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChunkStats {
    /// Rows, NULLs included.
    pub rows: u64,
    /// NULLs.
    pub nulls: u64,
    /// No value is less. `None` if unknown or if there are no values. NaN is greater than all numbers.
    pub min: Option<Scalar>,
    /// No value is greater.
    pub max: Option<Scalar>,
    /// `min` is one of the values.
    pub min_exact: bool,
    /// `max` is one of the values.
    pub max_exact: bool,
    /// The sum: `Int` for integers and decimals (unscaled), `Float` for floats, where each
    /// block is added up by itself, then the blocks. `None` for all other types, without values, and where it
    /// does not fit.
    pub sum: Option<Scalar>,
    /// There are no NULLs, and no value is less than the one before.
    pub sorted: bool,
    /// About how many different values there are, if known.
    pub distinct: Option<u64>,
}

impl ChunkStats {
    /// What these statistics say about `column op value`.
    pub fn prune(&self, predicate: &Predicate) -> Prune {
        use CompareOp as C;
        if self.rows == 0 {
            return Prune::None;
        }
        let share = |n: u64| match n {
            0 => Prune::None,
            n if n == self.rows => Prune::All,
            _ => Prune::Some,
        };
        let (op, values) = (predicate.op, self.rows - self.nulls.min(self.rows));
        if predicate.value.is_null() {
            return match op {
                C::NotDistinctFrom => share(self.nulls),
                C::DistinctFrom => share(values),
                _ => Prune::None,
            };
        }
        let verdict = if values == 0 { Prune::None } else { self.prune_values(op, &predicate.value) };
        match (op, verdict) {
            // A NULL is distinct from every value …
            (C::DistinctFrom, Prune::None) => share(self.nulls),
            (C::DistinctFrom, other) => other,
            // … and satisfies nothing else.
            (_, Prune::All) if self.nulls > 0 => Prune::Some,
            (_, other) => other,
        }
    }

    /// Of a condition that these statistics refute: whether the number of NULLs does, and not the bounds.
    pub fn nulls_refute(&self, predicate: &Predicate) -> bool {
        predicate.value.is_null() || self.nulls >= self.rows
    }

    /// The verdict on the rows that are not NULL, of which there is at least one.
    fn prune_values(&self, op: CompareOp, value: &Scalar) -> Prune {
        use CompareOp as C;
        // `None` means unknown, and every test below then fails.
        let min = self.min.as_ref().and_then(|min| min.compare(value));
        let max = self.max.as_ref().and_then(|max| max.compare(value));
        let all_less = max == Some(Ordering::Less);
        let all_greater = min == Some(Ordering::Greater);
        let all_equal = min == Some(Ordering::Equal) && max == Some(Ordering::Equal);
        let not_greater = all_less || max == Some(Ordering::Equal);
        let not_less = all_greater || min == Some(Ordering::Equal);
        let verdict = |none: bool, all: bool| match (none, all) {
            (true, _) => Prune::None,
            (_, true) => Prune::All,
            _ => Prune::Some,
        };
        match op {
            C::Eq | C::NotDistinctFrom => verdict(all_less || all_greater, all_equal),
            C::NotEq | C::DistinctFrom => verdict(all_equal, all_less || all_greater),
            C::Lt => verdict(not_less, all_less),
            C::LtEq => verdict(all_greater, not_greater),
            C::Gt => verdict(not_greater, all_greater),
            C::GtEq => verdict(all_less, not_less),
        }
    }
}

/// Bits that say which statistics are there.
pub(crate) mod flags {
    /// There is a minimum.
    pub(crate) const MIN: u8 = 1;
    /// There is a maximum.
    pub(crate) const MAX: u8 = 2;
    /// The minimum is one of the values.
    pub(crate) const MIN_EXACT: u8 = 4;
    /// The maximum is one of the values.
    pub(crate) const MAX_EXACT: u8 = 8;
    /// There is a sum.
    pub(crate) const SUM: u8 = 16;
    /// No NULLs, and no value is less than the one before.
    pub(crate) const SORTED: u8 = 32;
    /// There is a distinct count.
    pub(crate) const DISTINCT: u8 = 64;
}

/// The widest bound at rest.
pub(crate) const BOUND_MAX: usize = 16;
/// Bytes of text in a bound; the 16th byte is their count.
const TEXT_BOUND: usize = BOUND_MAX - 1;

/// Which bound is meant; tells how to round what does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The minimum: rounded down.
    Min,
    /// The maximum: rounded up.
    Max,
}

/// Writes a bound of a value of shape `physical` in `width` bytes. Returns whether it is exact; `None`,
/// with nothing written, if it cannot be stored.
pub(crate) fn put_bound(
    value: &Scalar,
    bound: Bound,
    physical: Physical,
    width: usize,
    out: &mut Vec<u8>,
) -> Option<bool> {
    match (value, physical) {
        (Scalar::Boolean(v), Physical::Boolean) => put_padded(&[u8::from(*v)], width, out),
        (Scalar::Int(v), Physical::Int { .. }) => out.extend_from_slice(&v.to_le_bytes()[..width]),
        (Scalar::Float(v), Physical::Float { .. }) if width == 4 => {
            out.extend_from_slice(&(*v as f32).to_bits().to_le_bytes());
        }
        (Scalar::Float(v), Physical::Float { .. }) => put_padded(&v.to_bits().to_le_bytes(), width, out),
        (Scalar::Bytes(v), Physical::Uuid) if v.len() == width => out.extend_from_slice(v),
        (Scalar::Text(v), Physical::Bytes { text: true }) => {
            let prefix = &v[..v.floor_char_boundary(TEXT_BOUND)];
            return put_prefix(prefix.as_bytes(), v.len(), bound, next_text, out);
        }
        (Scalar::Bytes(v), Physical::Bytes { text: false }) => {
            return put_prefix(&v[..v.len().min(TEXT_BOUND)], v.len(), bound, next_bytes, out);
        }
        _ => return None,
    }
    Some(true)
}

/// Writes `bytes` and zeros up to `width`.
fn put_padded(bytes: &[u8], width: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
    out.resize(out.len() + width - bytes.len(), 0);
}

/// Writes a prefix of a string of `len` bytes, rounded up by `next` if it is cut and a maximum.
fn put_prefix(
    prefix: &[u8],
    len: usize,
    bound: Bound,
    next: fn(&[u8]) -> Option<Vec<u8>>,
    out: &mut Vec<u8>,
) -> Option<bool> {
    let exact = prefix.len() == len;
    let rounded;
    let prefix = if exact || bound == Bound::Min {
        prefix
    } else {
        rounded = next(prefix)?;
        &rounded
    };
    put_padded(prefix, TEXT_BOUND, out);
    out.push(prefix.len() as u8);
    Some(exact)
}

/// The least byte string greater than all that begin with `prefix`.
fn next_bytes(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != u8::MAX)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

/// A short text greater than all that begin with `prefix`.
fn next_text(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut text = std::str::from_utf8(prefix).ok()?.to_string();
    while let Some(last) = text.pop() {
        // The successor may be a byte longer than the character; then a shorter prefix is rounded.
        let next = match last {
            char::MAX => None,
            '\u{D7FF}' => Some('\u{E000}'),
            c => char::from_u32(c as u32 + 1),
        };
        if let Some(next) = next.filter(|c| text.len() + c.len_utf8() <= TEXT_BOUND) {
            text.push(next);
            return Some(text.into_bytes());
        }
    }
    None
}

/// Reads a bound. `None` if the bytes are no value of the type.
pub(crate) fn get_bound(bytes: &[u8], ty: &LogicalType) -> Option<Scalar> {
    Some(match Physical::of(ty)? {
        Physical::Boolean => Scalar::Boolean(*bytes.first()? != 0),
        Physical::Int { signed, .. } => Scalar::Int(get_int(bytes, signed)?),
        Physical::Float { .. } if bytes.len() == 4 => {
            Scalar::Float(f64::from(f32::from_bits(u32::from_le_bytes(bytes.try_into().ok()?))))
        }
        Physical::Float { .. } => {
            Scalar::Float(f64::from_bits(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)))
        }
        Physical::Uuid => Scalar::bytes(bytes.get(..BOUND_MAX)?),
        Physical::Bytes { text } => {
            let (&len, prefix) = bytes.get(..BOUND_MAX)?.split_last()?;
            let prefix = prefix.get(..usize::from(len))?;
            if text { Scalar::text(std::str::from_utf8(prefix).ok()?) } else { Scalar::bytes(prefix) }
        }
        Physical::Interval | Physical::Nested(_) => return None,
    })
}

/// Reads a little-endian integer of up to 16 bytes.
fn get_int(bytes: &[u8], signed: bool) -> Option<i128> {
    if bytes.is_empty() || bytes.len() > 16 {
        return None;
    }
    let fill = if signed && bytes[bytes.len() - 1] >= 0x80 { 0xFF } else { 0 };
    let mut wide = [fill; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    Some(i128::from_le_bytes(wide))
}
