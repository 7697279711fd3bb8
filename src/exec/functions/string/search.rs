//! Looking for one text in another.

use arrow_array::types::*;

use super::{byte_of, char_count};
use crate::column::types::LogicalType;
use crate::exec::functions::kernel::{Str, boolean, primitive};
use crate::exec::functions::registry::{P, R, Registry, def};

/// The position of the first occurrence in characters, from 1; 0 if there is none.
fn instr(s: &str, what: &str) -> i64 {
    memchr::memmem::find(s.as_bytes(), what.as_bytes()).map_or(0, |i| char_count(&s[..i]) as i64 + 1)
}

/// `GLOB`: `*` any text, `?` any character, `[…]` a set, `[!…]` its complement, `\` takes the next as it is.
fn glob(s: &str, pattern: &str) -> bool {
    let s: Vec<char> = s.chars().collect();
    let p: Vec<char> = pattern.chars().collect();
    let (mut i, mut j) = (0, 0);
    // Where to go on after the last star, if what follows does not fit.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if j < p.len() {
            if p[j] == '*' {
                retry = Some((i, j));
                j += 1;
                continue;
            }
            if i < s.len()
                && let Some(next) = glob_one(s[i], &p, j)
            {
                i += 1;
                j = next;
                continue;
            }
        } else if i == s.len() {
            return true;
        }
        match &mut retry {
            Some((at, star)) if *at < s.len() => {
                *at += 1;
                i = *at;
                j = *star + 1;
            }
            _ => return false,
        }
    }
}

/// Whether a character fits the pattern at `j`; the place behind it.
fn glob_one(c: char, p: &[char], j: usize) -> Option<usize> {
    match p[j] {
        '?' => Some(j + 1),
        '\\' => (p.get(j + 1) == Some(&c)).then_some(j + 2),
        '[' => {
            let mut k = j + 1;
            let inverted = p.get(k) == Some(&'!');
            k += usize::from(inverted);
            let mut hit = false;
            let first = k;
            loop {
                let low = *p.get(k)?;
                if low == ']' && k > first {
                    break;
                }
                let (high, next) = match (p.get(k + 1), p.get(k + 2)) {
                    (Some('-'), Some(h)) if *h != ']' => (*h, k + 3),
                    _ => (low, k + 1),
                };
                hit |= (low..=high).contains(&c);
                k = next;
            }
            (hit != inverted).then_some(k + 1)
        }
        other => (other == c).then_some(j + 1),
    }
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let s = T::Varchar;
    let two = [s.clone(), s.clone()];
    r.add(
        def("contains", "Whether a text contains another, or a list an element", "contains('abc', 'a')")
            .map(&two, T::Boolean, |_| {
                boolean::<(Str, Str)>(|(s, what)| {
                    Ok(Some(memchr::memmem::find(s.as_bytes(), what.as_bytes()).is_some()))
                })
            })
            .on([P::ListOfSame, P::Same], R::T(T::Boolean), |site| super::super::list::contains_kernel(site)),
    );
    r.add(
        def("starts_with", "Whether a text begins with another", "starts_with('abc', 'a')")
            .aliases(&["prefix", "^@"])
            .map(&two, T::Boolean, |_| boolean::<(Str, Str)>(|(s, what)| Ok(Some(s.starts_with(what))))),
    );
    r.add(
        def("ends_with", "Whether a text ends with another", "ends_with('abc', 'bc')")
            .aliases(&["suffix"])
            .map(&two, T::Boolean, |_| boolean::<(Str, Str)>(|(s, what)| Ok(Some(s.ends_with(what))))),
    );
    r.add(
        def("instr", "Position of the first occurrence, from 1; 0 if there is none", "instr('test', 'es')")
            .aliases(&["strpos", "position"])
            .map(&two, T::BigInt, |_| {
                primitive::<(Str, Str), Int64Type>(|(s, what)| Ok(Some(instr(s, what))))
            }),
    );
    r.add(
        def("glob", "Whether a text matches a pattern of *, ? and [sets]", "'best.txt' GLOB '*.txt'")
            .aliases(&["~~~"])
            .map(&two, T::Boolean, |_| boolean::<(Str, Str)>(|(s, pattern)| Ok(Some(glob(s, pattern))))),
    );
    r.add(
        def(
            "overlay",
            "Text with a part replaced: text, new text, position, length",
            "overlay('hello', 'XX', 2, 3)",
        )
        .map(&[s.clone(), s.clone(), T::BigInt, T::BigInt], s.clone(), |_| {
            crate::exec::functions::kernel::text::<(Str, Str, Int64Type, Int64Type)>(
                |(s, new, at, len), out| {
                    overlay(s, new, at, len, out);
                    Ok(true)
                },
            )
        })
        .map(&[s.clone(), s.clone(), T::BigInt], s, |_| {
            crate::exec::functions::kernel::text::<(Str, Str, Int64Type)>(|(s, new, at), out| {
                overlay(s, new, at, char_count(new) as i64, out);
                Ok(true)
            })
        }),
    );
}

fn overlay(s: &str, new: &str, at: i64, len: i64, out: &mut String) {
    // What lies before the text counts. A length that is negative is that of the new text, as if none were given.
    let len = if len < 0 { char_count(new) as i64 } else { len };
    let to = at.saturating_add(len).saturating_sub(1);
    let start = byte_of(s, usize::try_from(at.saturating_sub(1)).unwrap_or(0));
    let end = byte_of(s, usize::try_from(to).unwrap_or(0)).max(start);
    out.push_str(&s[..start]);
    out.push_str(new);
    out.push_str(&s[end..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (s, p) in [
            ("hello", "h*o"),
            ("hello", "h?llo"),
            ("hello", "h[a-e]llo"),
            ("", "*"),
            ("a]b", "a[]]b"),
            ("é", "?"),
        ] {
            assert!(glob(s, p), "{s} {p}");
        }
        for (s, p) in
            [("hello", "h[!e]llo"), ("hello", "h"), ("hello", "*x*"), ("a", "["), ("a", "[a"), ("", "?")]
        {
            assert!(!glob(s, p), "{s} {p}");
        }
        assert!(glob(&"a".repeat(200), &"*a".repeat(50)));
        assert!(!glob(&"a".repeat(2000), &format!("{}b", "*a".repeat(50))));
    }

    #[test]
    fn positions() {
        assert_eq!(instr("héllo", "l"), 3);
        assert_eq!(instr("hello", "z"), 0);
        assert_eq!(instr("hello", ""), 1);
    }
}
