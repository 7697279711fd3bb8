//! Parts of a text: substring, left, right, trim, split.

use arrow_array::types::*;

use super::{byte_of, char_count};
use arrow_array::Array as _;

use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{Str, slice, text_list};
use crate::exec::functions::registry::Registry;
use crate::exec::functions::registry::def;

/// Characters `start .. start + length`, counted from 0, of which some may lie outside the text.
pub(crate) fn part(s: &str, start: i64, length: i64) -> &str {
    let (from, to) = if length < 0 {
        (start.saturating_add(length), start)
    } else {
        (start, start.saturating_add(length))
    };
    let (from, to) = (from.max(0), to.max(0));
    if to <= from {
        return "";
    }
    if s.is_ascii() {
        let len = s.len() as i64;
        return &s[from.min(len) as usize..to.min(len) as usize];
    }
    let first = byte_of(s, from as usize);
    let rest = &s[first..];
    &rest[..byte_of(rest, (to - from) as usize)]
}

/// An offset or a length that no text can have is a mistake, most often an overflow that happened before.
fn in_range(what: &str, n: i64) -> Result<i64> {
    const MOST: i64 = u32::MAX as i64;
    if n > MOST {
        return Err(ExecError::OutOfRange(format!("Substring {what} outside of supported range (> {MOST})")));
    }
    if n < -MOST - 1 {
        let least = -MOST - 1;
        return Err(ExecError::OutOfRange(format!(
            "Substring {what} outside of supported range (< {least})"
        )));
    }
    Ok(n)
}

/// `substring`: positions from 1, negative ones from the end.
fn substring(s: &str, offset: i64, length: i64) -> Result<&str> {
    let (offset, length) = (in_range("offset", offset)?, in_range("length", length)?);
    let start = if offset >= 0 { offset - 1 } else { char_count(s) as i64 + offset };
    Ok(part(s, start, length))
}

fn left(s: &str, n: i64) -> Result<&str> {
    if n >= 0 {
        return Ok(part(s, 0, in_range("length", n)?));
    }
    Ok(part(s, 0, (char_count(s) as i64).saturating_add(n).max(0)))
}

fn right(s: &str, n: i64) -> &str {
    let len = char_count(s) as i64;
    // With a negative number, all but the first characters.
    let n = if n < 0 { len.saturating_add(n).max(0) } else { n.min(len) };
    part(s, len - n, n)
}

fn trimmed<'a>(s: &'a str, chars: &str, left: bool, right: bool) -> &'a str {
    let drop = |c: char| chars.contains(c);
    let s = if left { s.trim_start_matches(drop) } else { s };
    if right { s.trim_end_matches(drop) } else { s }
}

/// Field `n`, from 1, or from the end if negative; empty if there is none.
fn split_part<'a>(s: &'a str, separator: &str, n: i64) -> &'a str {
    if n == 0 {
        return "";
    }
    let at = n.unsigned_abs() as usize - 1;
    if separator.is_empty() {
        let i = if n > 0 { at as i64 } else { char_count(s) as i64 - 1 - at as i64 };
        return if i < 0 { "" } else { part(s, i, 1) };
    }
    let found = if n > 0 { s.split(separator).nth(at) } else { s.rsplit(separator).nth(at) };
    found.unwrap_or_default()
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let (s, n) = (T::Varchar, T::BigInt);
    r.add(
        def("substring", "Part of a text from a position, of a length", "substring('Hello', 2, 3)")
            .aliases(&["substr", "mid"])
            .map(&[s.clone(), n.clone(), n.clone()], s.clone(), |_| {
                slice::<(Int64Type, Int64Type)>(|s, (o, l)| substring(s, o, l).map(Some))
            })
            .map(&[s.clone(), n.clone()], s.clone(), |_| {
                slice::<(Int64Type,)>(|s, (o,)| substring(s, o, i64::from(u32::MAX)).map(Some))
            }),
    );
    r.add(
        def("left", "The first characters; all but the last with a negative number", "left('Hello', 2)").map(
            &[s.clone(), n.clone()],
            s.clone(),
            |_| slice::<(Int64Type,)>(|s, (n,)| left(s, n).map(Some)),
        ),
    );
    r.add(
        def("right", "The last characters; all but the first with a negative number", "right('Hello', 3)")
            .map(&[s.clone(), n.clone()], s.clone(), |_| {
                slice::<(Int64Type,)>(|s, (n,)| Ok(Some(right(s, n))))
            }),
    );
    macro_rules! trim {
        ($name:literal, $what:literal, $left:literal, $right:literal) => {
            r.add(
                def($name, $what, concat!($name, "('  test  ')"))
                    .map(&[s.clone()], s.clone(), |_| {
                        slice::<()>(|s, ()| Ok(Some(trimmed(s, " ", $left, $right))))
                    })
                    .map(&[s.clone(), s.clone()], s.clone(), |_| {
                        slice::<(Str,)>(|s, (c,)| Ok(Some(trimmed(s, c, $left, $right))))
                    }),
            );
        };
    }
    trim!("trim", "Text without blanks, or given characters, at both ends", true, true);
    trim!("ltrim", "Text without blanks, or given characters, at the beginning", true, false);
    trim!("rtrim", "Text without blanks, or given characters, at the end", false, true);
    r.add(
        def("split_part", "One of the parts of a text between separators", "split_part('a-b-c', '-', 2)")
            .map(&[s.clone(), s.clone(), n], s.clone(), |_| {
                slice::<(Str, Int64Type)>(|s, (sep, n)| Ok(Some(split_part(s, sep, n))))
            }),
    );
    r.add(
        def(
            "string_split",
            "The parts of a text between separators, as a list",
            "string_split('a-b-c', '-')",
        )
        .aliases(&["split", "str_split", "string_to_array"])
        .sees_nulls()
        .map(&[s.clone(), s.clone()], T::List(Box::new(s)), |_| {
            let split = text_list::<(Str, Str)>(|(s, sep), out| {
                if sep.is_empty() && !s.is_empty() {
                    for c in s.chars() {
                        out.try_append_value(c.encode_utf8(&mut [0; 4]))?;
                    }
                    return Ok(());
                }
                if s.is_empty() {
                    return Ok(out.try_append_value(s)?);
                }
                for part in s.split(sep) {
                    out.try_append_value(part)?;
                }
                Ok(())
            });
            let whole = text_list::<(Str,)>(|(s,), out| Ok(out.try_append_value(s)?));
            Box::new(move |args, ty, rows, ctx| {
                // A separator that is NULL separates nothing.
                if args[1].len() == 1 && args[1].is_null(0) {
                    whole(&args[..1], ty, rows, ctx)
                } else {
                    split(args, ty, rows, ctx)
                }
            })
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substrings() {
        assert_eq!(substring("hello", 2, 3).unwrap(), "ell");
        assert_eq!(substring("hello", 0, 3).unwrap(), "he");
        assert_eq!(substring("hello", -3, 2).unwrap(), "ll");
        assert_eq!(substring("hello", -10, 8).unwrap(), "hel");
        assert_eq!(substring("hello", 10, 1).unwrap(), "");
        assert_eq!(substring("hello", 2, -1).unwrap(), "h");
        assert_eq!(substring("hello", 4, -2).unwrap(), "el");
        assert_eq!(substring("héllo", 2, 2).unwrap(), "él");
        assert_eq!(substring("hello", -(1 << 32), (1 << 32) - 1).unwrap(), "hell");
        for (offset, length) in [(i64::MIN, 1), (i64::MAX, 1), (1, i64::MIN), (1, i64::MAX)] {
            assert!(substring("hello", offset, length).is_err());
        }
        assert_eq!(left("hello", -2).unwrap(), "hel");
        assert_eq!(right("hello", -2), "llo");
        assert_eq!(right("hé", 1), "é");
        assert_eq!(left("hello", i64::MIN).unwrap(), "");
        assert_eq!(split_part("a,b,c", ",", -1), "c");
        assert_eq!(split_part("a,b,c", ",", i64::MIN), "");
        assert_eq!(split_part("abc", "", 2), "b");
        assert_eq!(trimmed("xxaxx", "x", true, true), "a");
    }
}
