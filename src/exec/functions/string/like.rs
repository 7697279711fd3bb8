//! `LIKE` and `ILIKE`.
//!
//! A constant pattern is taken apart once: equality, prefix, suffix and containment become searches for
//! bytes; everything else is matched by segments between the `%`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, StringViewArray, new_null_array};
use arrow_buffer::BooleanBuffer;
use memchr::memmem::Finder;

use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::ScalarKernel;
use crate::exec::functions::kernel::{Cache, Nulls, nulls_of};
use crate::exec::functions::registry::{Registry, def};

/// A segment of a pattern between two `%`: characters, `None` for `_`.
enum Segment {
    /// Text without `_`, and what searches for it.
    Plain(String, Box<Finder<'static>>),
    /// With `_`.
    Wild(Vec<Option<char>>),
}

impl Segment {
    fn new(chars: Vec<Option<char>>) -> Self {
        match chars.iter().copied().collect::<Option<String>>() {
            Some(s) => {
                let finder = Finder::new(s.as_bytes()).into_owned();
                Self::Plain(s, Box::new(finder))
            }
            None => Self::Wild(chars),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Plain(p, _) if p.is_empty())
    }

    /// Bytes matched at the front.
    fn at_front(&self, s: &str) -> Option<usize> {
        match self {
            // An empty text compares slowly: it lies nowhere, and a masked load from nowhere is handled by microcode.
            Self::Plain(p, _) => (p.is_empty() || s.starts_with(p.as_str())).then_some(p.len()),
            Self::Wild(chars) => {
                let mut rest = s.chars();
                for want in chars {
                    let c = rest.next()?;
                    if want.is_some_and(|w| w != c) {
                        return None;
                    }
                }
                Some(s.len() - rest.as_str().len())
            }
        }
    }

    fn at_end(&self, s: &str) -> bool {
        match self {
            Self::Plain(p, _) => p.is_empty() || s.ends_with(p.as_str()),
            Self::Wild(chars) => {
                let mut rest = s.chars();
                chars.iter().rev().all(|want| rest.next_back().is_some_and(|c| want.is_none_or(|w| w == c)))
            }
        }
    }

    /// The first place that matches: its begin and end.
    fn find(&self, s: &str) -> Option<(usize, usize)> {
        match self {
            Self::Plain(p, finder) => finder.find(s.as_bytes()).map(|i| (i, i + p.len())),
            Self::Wild(_) => {
                let starts = s.char_indices().map(|(i, _)| i).chain(std::iter::once(s.len()));
                starts.into_iter().find_map(|i| self.at_front(&s[i..]).map(|n| (i, i + n)))
            }
        }
    }
}

/// A pattern taken apart.
enum Pattern {
    /// Everything.
    Any,
    /// This text.
    Equal(String),
    /// Text that begins with this.
    Prefix(String),
    /// Text that ends with this.
    Suffix(String),
    /// Text that contains this.
    Contains(Box<Finder<'static>>),
    /// The first segment at the front, the last at the end, the others in order between them.
    Segments(Vec<Segment>),
}

impl Pattern {
    fn new(pattern: &str, escape: Option<char>) -> Result<Self> {
        let mut segments = vec![vec![]];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            if Some(c) == escape {
                let literal = chars.next().ok_or_else(|| {
                    ExecError::InvalidInput("Like pattern must not end with escape character!".into())
                })?;
                segments.last_mut().into_iter().for_each(|s| s.push(Some(literal)));
            } else if c == '%' {
                segments.push(vec![]);
            } else {
                let one = if c == '_' { None } else { Some(c) };
                segments.last_mut().into_iter().for_each(|s| s.push(one));
            }
        }
        let mut segments: Vec<Segment> = segments.into_iter().map(Segment::new).collect();
        // Runs of % are one.
        let last = segments.len() - 1;
        let mut i = 0;
        segments.retain(|s| {
            i += 1;
            i == 1 || i == last + 1 || !s.is_empty()
        });
        Ok(match &segments[..] {
            [Segment::Plain(s, _)] => Self::Equal(s.clone()),
            [a, b] if a.is_empty() && b.is_empty() => Self::Any,
            [Segment::Plain(s, _), b] if b.is_empty() => Self::Prefix(s.clone()),
            [a, Segment::Plain(s, _)] if a.is_empty() => Self::Suffix(s.clone()),
            [a, Segment::Plain(_, finder), c] if a.is_empty() && c.is_empty() => {
                Self::Contains(finder.clone())
            }
            _ => Self::Segments(segments),
        })
    }

    fn matches(&self, s: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Equal(p) => s == p,
            Self::Prefix(p) => s.starts_with(p.as_str()),
            Self::Suffix(p) => s.ends_with(p.as_str()),
            Self::Contains(p) => p.find(s.as_bytes()).is_some(),
            Self::Segments(all) => {
                let (first, rest) = (&all[0], &all[1..]);
                let Some(n) = first.at_front(s) else { return false };
                let Some((last, middle)) = rest.split_last() else { return n == s.len() };
                let mut s = &s[n..];
                for segment in middle {
                    match segment.find(s) {
                        Some((_, end)) => s = &s[end..],
                        None => return false,
                    }
                }
                last.at_end(s)
            }
        }
    }

    /// Matches a whole column, each kind in a loop of its own.
    fn matches_all(&self, array: &StringViewArray) -> BooleanBuffer {
        let n = array.len();
        match self {
            Self::Any => BooleanBuffer::new_set(n),
            Self::Contains(p) => {
                BooleanBuffer::collect_bool(n, |i| p.find(array.value(i).as_bytes()).is_some())
            }
            Self::Equal(p) => {
                let len = p.len() as u32;
                let views = array.views();
                BooleanBuffer::collect_bool(n, |i| views[i] as u32 == len && array.value(i) == p)
            }
            _ => BooleanBuffer::collect_bool(n, |i| self.matches(array.value(i))),
        }
    }
}

fn fold(s: &str) -> String {
    s.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect()
}

/// The kernel of text, pattern and perhaps an escape character.
fn like(negated: bool, fold_case: bool) -> ScalarKernel {
    let cache: Cache<Pattern> = Cache::new();
    Box::new(move |args, ty, rows, _| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let strings = args[0].as_string_view();
        let patterns = args[1].as_string_view();
        let escapes = args.get(2).map(arrow_array::cast::AsArray::as_string_view);
        let compile = |row: usize| -> Result<Arc<Pattern>> {
            let p = patterns.value(if patterns.len() == rows { row } else { 0 });
            let escape = match escapes {
                None => None,
                Some(e) => {
                    let mut chars = e.value(if e.len() == rows { row } else { 0 }).chars();
                    let escape = chars.next();
                    if chars.next().is_some() {
                        return Err(ExecError::InvalidInput(
                            "Invalid escape string. Escape string must be empty or one character.".into(),
                        ));
                    }
                    escape
                }
            };
            let key = match escape {
                Some(e) => format!("{e}\0{p}"),
                None => p.to_owned(),
            };
            cache.get(&key, |_| {
                if !fold_case {
                    return Pattern::new(p, escape);
                }
                let escape = escape.map(|e| e.to_lowercase().next().unwrap_or(e));
                Pattern::new(&fold(p), escape)
            })
        };
        let constant = rows != 1 && patterns.len() == 1 && escapes.is_none_or(|e| e.len() == 1);
        let bits = if constant && strings.len() == rows {
            let pattern = compile(0)?;
            if fold_case {
                BooleanBuffer::collect_bool(rows, |i| pattern.matches(&fold(strings.value(i))))
            } else {
                pattern.matches_all(strings)
            }
        } else {
            let mut bits = arrow_buffer::BooleanBufferBuilder::new(rows);
            for row in 0..rows {
                if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                    bits.append(false);
                    continue;
                }
                let s = strings.value(if strings.len() == rows { row } else { 0 });
                let pattern = compile(row)?;
                bits.append(if fold_case { pattern.matches(&fold(s)) } else { pattern.matches(s) });
            }
            bits.finish()
        };
        let bits = if negated { !&bits } else { bits };
        Ok(Arc::new(BooleanArray::new(bits, nulls)))
    })
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let (s, b) = (T::Varchar, T::Boolean);
    let two = [s.clone(), s.clone()];
    let three = [s.clone(), s.clone(), s.clone()];
    r.add(
        def("like", "Whether a text matches a pattern of % and _", "'hello' LIKE 'h%'")
            .aliases(&["~~", "like_escape"])
            .map(&two, b.clone(), |_| like(false, false))
            .map(&three, b.clone(), |_| like(false, false)),
    );
    r.add(
        def("not_like", "Whether a text does not match a pattern of % and _", "'hello' NOT LIKE 'x%'")
            .aliases(&["!~~", "not_like_escape"])
            .map(&two, b.clone(), |_| like(true, false))
            .map(&three, b.clone(), |_| like(true, false)),
    );
    r.add(
        def("ilike", "Whether a text matches a pattern of % and _, whatever the case", "'Hello' ILIKE 'h%'")
            .aliases(&["~~*", "ilike_escape"])
            .map(&two, b.clone(), |_| like(false, true))
            .map(&three, b.clone(), |_| like(false, true)),
    );
    r.add(
        def(
            "not_ilike",
            "Whether a text does not match a pattern, whatever the case",
            "'Hello' NOT ILIKE 'x%'",
        )
        .aliases(&["!~~*", "not_ilike_escape"])
        .map(&two, b.clone(), |_| like(true, true))
        .map(&three, b, |_| like(true, true)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_like(s: &str, p: &str) -> bool {
        Pattern::new(p, None).unwrap().matches(s)
    }

    #[test]
    fn patterns() {
        for (s, p) in [
            ("hello", "h%o"),
            ("hello", "h_llo"),
            ("héllo", "h_llo"),
            ("hello", "%"),
            ("", ""),
            ("", "%%"),
            ("a", "_"),
            ("a\\b", "a\\b"),
            ("hello", "%l%l%"),
            ("hello", "_%_"),
            ("special requests", "%special%requests%"),
            ("aXbXc", "a_b_c"),
            ("hello", "%ell_"),
            ("abab", "%ab"),
        ] {
            assert!(is_like(s, p), "{s} LIKE {p}");
        }
        for (s, p) in [
            ("hello", "h"),
            ("hello", "%x%"),
            ("", "_"),
            ("ab", "a%b%b"),
            ("a", "a_"),
            ("ab", "ab_%"),
            ("a", "%aa%"),
        ] {
            assert!(!is_like(s, p), "{s} NOT LIKE {p}");
        }
        assert!(Pattern::new("a\\%b", Some('\\')).unwrap().matches("a%b"));
        assert!(!Pattern::new("a\\%b", Some('\\')).unwrap().matches("axb"));
        assert!(Pattern::new("a\\", Some('\\')).is_err());
    }
}
