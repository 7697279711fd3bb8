//! Regular expressions. A constant pattern is compiled once.

use std::sync::Arc;

use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::OffsetBuffer;
use regex::{Regex, RegexBuilder};

use super::re2::translated;
use super::sequence::{Found, Sequence, Slots};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::exec::functions::kernel::{
    Cache, Column, Nulls, Str, boolean, list_end, nulls_of, text, text_list, text_list_or_null,
};
use crate::exec::functions::registry::{Registry, Resolution, def};
use crate::exec::functions::room::{MAX_TEXT, Texts, text_too_long};
use crate::exec::functions::{ArgInfo, ScalarKernel};

/// Compiled patterns are no larger than this, so that no pattern takes the memory of the process.
const SIZE_LIMIT: usize = 32 << 20;

/// Options of a call: `i` ignores case, `g` replaces all, `s` lets `.` match newlines, `l` takes the
/// pattern as plain text, `m`, `n`, `p` keep `.` from matching newlines.
#[derive(Default)]
pub(super) struct Options {
    pub ignore_case: bool,
    global: bool,
    pub dot_newline: bool,
    pub multi_line: bool,
    literal: bool,
}

pub(super) fn options(text: &str) -> Result<Options> {
    let mut o = Options::default();
    for c in text.chars() {
        match c {
            'c' => o.ignore_case = false,
            'i' => o.ignore_case = true,
            'g' => o.global = true,
            's' => o.dot_newline = true,
            'm' | 'n' | 'p' => {
                o.dot_newline = false;
                o.multi_line = true;
            }
            'l' => o.literal = true,
            c if c.is_whitespace() => {}
            c => return Err(ExecError::InvalidInput(format!("Unrecognized Regex option {c}"))),
        }
    }
    Ok(o)
}

/// The options of a function that replaces nothing.
fn search_options(text: &str) -> Result<Options> {
    let options = options(text)?;
    if options.global {
        return Err(ExecError::InvalidInput(
            "Option 'g' (global replace) is only valid for regexp_replace".into(),
        ));
    }
    Ok(options)
}

/// A compiled pattern.
struct Pattern {
    regex: Regex,
    /// A faster way to the same answers, where there is one.
    sequence: Option<Sequence>,
}

impl Pattern {
    fn is_match(&self, s: &str) -> bool {
        match self.sequence.as_ref().map_or(Found::Unknown, |q| q.is_match(s)) {
            Found::Yes => true,
            Found::No => false,
            Found::Unknown => self.regex.is_match(s),
        }
    }

    /// What the first match has in group `n`; nothing if there is none.
    fn group<'a>(&self, s: &'a str, n: usize, slots: &mut Slots) -> &'a str {
        match self.sequence.as_ref().map_or(Found::Unknown, |q| q.find(s, slots)) {
            Found::Yes => slots.get(n).copied().flatten().map_or("", |(from, to)| &s[from..to]),
            Found::No => "",
            Found::Unknown if n == 0 => self.regex.find(s).map_or("", |m| m.as_str()),
            Found::Unknown => self.regex.captures(s).and_then(|c| c.get(n)).map_or("", |m| m.as_str()),
        }
    }
}

fn compile(pattern: &str, o: &Options, whole: bool) -> Result<Pattern> {
    let mut p = if o.literal { regex::escape(pattern) } else { translated(pattern).into_owned() };
    if whole {
        // Not `^` and `$`, which may stand for the ends of lines.
        p = format!(r"\A(?:{p})\z");
    }
    let regex = RegexBuilder::new(&p)
        .case_insensitive(o.ignore_case)
        .dot_matches_new_line(o.dot_newline)
        .multi_line(o.multi_line)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|e| {
            let first = e.to_string();
            let reason = first.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            ExecError::InvalidInput(format!("Invalid regular expression \"{pattern}\": {reason}"))
        })?;
    Ok(Pattern { regex, sequence: Sequence::new(&p, o) })
}

/// Patterns by their text and options.
#[derive(Clone)]
struct Patterns {
    cache: Arc<Cache<Pattern>>,
    whole: bool,
}

impl Patterns {
    fn new(whole: bool) -> Self {
        Self { cache: Arc::new(Cache::new()), whole }
    }

    fn get(&self, pattern: &str, o: &Options) -> Result<Arc<Pattern>> {
        let flags =
            [o.ignore_case, o.dot_newline, o.multi_line, o.literal].map(|f| if f { '1' } else { '0' });
        let key: String = flags.iter().chain(['/'].iter()).copied().chain(pattern.chars()).collect();
        self.cache.get(&key, |_| compile(pattern, o, self.whole))
    }
}

/// A part of what takes the place of a match.
enum Piece {
    Text(String),
    Group(usize),
}

/// The parts of a replacement: `\1` is a group of the pattern, all else stands for itself.
fn pieces(template: &str, groups: usize) -> Result<Vec<Piece>> {
    let invalid = |why: String| {
        ExecError::InvalidInput(format!("Invalid replacement string for regexp_replace: {why}"))
    };
    let mut out = vec![];
    let mut text = String::new();
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        let next = if c == '\\' { chars.next() } else { None };
        match next {
            Some(d) if d.is_ascii_digit() => {
                if !text.is_empty() {
                    out.push(Piece::Text(std::mem::take(&mut text)));
                }
                let group = d as usize - '0' as usize;
                if group > groups {
                    return Err(invalid(format!(
                        "Rewrite schema requests {group} matches, but the regexp only has {groups} parenthesized \
                         subexpressions."
                    )));
                }
                out.push(Piece::Group(group));
            }
            Some(other) => text.push(other),
            None if c == '\\' => {
                return Err(invalid("Rewrite schema error: '\\' not allowed at end.".into()));
            }
            None => text.push(c),
        }
    }
    if !text.is_empty() {
        out.push(Piece::Text(text));
    }
    Ok(out)
}

/// A pattern and a replacement, made once for all rows that have them.
struct Replacer {
    pattern: Arc<Pattern>,
    locations: regex::CaptureLocations,
    slots: Slots,
    pieces: Vec<Piece>,
    global: bool,
}

impl Replacer {
    fn new(pattern: Arc<Pattern>, template: &str, global: bool) -> Result<Self> {
        let locations = pattern.regex.capture_locations();
        let pieces = pieces(template, pattern.regex.captures_len() - 1)?;
        Ok(Self { locations, slots: vec![], pieces, pattern, global })
    }

    fn replace(&mut self, s: &str, out: &mut String) -> Result<()> {
        let mut rest = 0;
        // A sequence is at the front, so that there is one match at most.
        let found = match &self.pattern.sequence {
            Some(sequence) => sequence.find(s, &mut self.slots),
            None => Found::Unknown,
        };
        if found == Found::No {
        } else if found == Found::Yes {
            let slot = |group: usize| self.slots.get(group).copied().flatten();
            self.put(|group| slot(group).map_or("", |(from, to)| &s[from..to]), out);
            rest = slot(0).map_or(0, |(_, to)| to);
        } else if self.global {
            for captures in self.pattern.regex.captures_iter(s) {
                let Some(m) = captures.get(0) else { break };
                out.push_str(&s[rest..m.start()]);
                self.put(|group| captures.get(group).map_or("", |m| m.as_str()), out);
                rest = m.end();
                if out.len() > MAX_TEXT {
                    return Err(text_too_long());
                }
            }
        } else if let Some(m) = self.pattern.regex.captures_read(&mut self.locations, s) {
            out.push_str(&s[..m.start()]);
            self.put(|group| self.locations.get(group).map_or("", |(from, to)| &s[from..to]), out);
            rest = m.end();
        }
        out.push_str(&s[rest..]);
        Ok(())
    }

    fn put<'s>(&self, group: impl Fn(usize) -> &'s str, out: &mut String) {
        for piece in &self.pieces {
            out.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(n) => group(*n),
            });
        }
    }
}

/// `regexp_replace`, with options as the fourth argument if there is one.
fn replace_kernel() -> ScalarKernel {
    let patterns = Patterns::new(false);
    Box::new(move |args, ty, rows, context| {
        let nulls = match nulls_of(args, rows) {
            Nulls::All => return Ok(arrow_array::new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let texts = Column::<Str>::open(args, 0, rows)?;
        let (regexes, templates) = (Column::<Str>::open(args, 1, rows)?, Column::<Str>::open(args, 2, rows)?);
        let given = if args.len() > 3 { Some(Column::<Str>::open(args, 3, rows)?) } else { None };
        let mut out = Texts::new(rows, context);
        let mut buffer = String::new();
        let mut last: Option<([&str; 3], Replacer)> = None;
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
                out.push_null();
                continue;
            }
            let key = [regexes.get(row), templates.get(row), given.as_ref().map_or("", |o| o.get(row))];
            let replacer = match &mut last {
                Some((known, replacer))
                    if known.iter().zip(key).all(|(known, now)| same_text(known, now)) =>
                {
                    replacer
                }
                last => {
                    let o = options(key[2])?;
                    let replacer = Replacer::new(patterns.get(key[0], &o)?, key[1], o.global)?;
                    &mut last.insert((key, replacer)).1
                }
            };
            buffer.clear();
            replacer.replace(texts.get(row), &mut buffer)?;
            out.push(&buffer)?;
        }
        Ok(out.finish())
    })
}

/// Whether two texts are equal. Those of a constant are the same one, which need not be looked at.
#[inline]
fn same_text(a: &str, b: &str) -> bool {
    std::ptr::eq(a, b) || a == b
}

fn group(n: i32) -> Result<usize> {
    usize::try_from(n)
        .ok()
        .filter(|n| *n <= 9)
        .ok_or_else(|| ExecError::InvalidInput("Group index must be between 0 and 9!".into()))
}

/// All matches, also one of nothing right behind another.
fn all_captures<'s>(re: &'s Regex, s: &'s str) -> impl Iterator<Item = regex::Captures<'s>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let captures = (next <= s.len()).then(|| re.captures_at(s, next)).flatten()?;
        let found = captures.get(0)?;
        // A match of nothing takes a character along.
        let step =
            if found.is_empty() { s[found.end()..].chars().next().map_or(1, char::len_utf8) } else { 0 };
        next = found.end() + step;
        Some(captures)
    })
}

/// One group of each match; NULL where the match is without it.
fn extract_all(re: &Regex, s: &str, n: i32, out: &mut StringViewBuilder) -> Result<()> {
    let Ok(n) = usize::try_from(n) else { return Ok(()) };
    let groups = re.captures_len() - 1;
    if n > groups {
        return Err(ExecError::InvalidInput(format!("Pattern has {groups} groups. Cannot access group {n}")));
    }
    for c in all_captures(re, s) {
        match c.get(n) {
            Some(m) => out.try_append_value(m.as_str())?,
            None => out.append_null(),
        }
    }
    Ok(())
}

/// The groups of the first part that matches, or that part where the pattern has no groups; false if none matches.
fn first_match(re: &Regex, s: &str, out: &mut StringViewBuilder) -> Result<bool> {
    let Some(captures) = re.captures(s) else { return Ok(false) };
    let first = usize::from(re.captures_len() > 1);
    for group in captures.iter().skip(first) {
        match group {
            Some(group) => out.try_append_value(group.as_str())?,
            None => out.append_null(),
        }
    }
    Ok(true)
}

/// The names of groups that a list gives.
fn group_names(function: &str, args: &[ArgInfo]) -> Result<Vec<String>, String> {
    let Some(Scalar::Nested(list)) = &args[2].literal else {
        return Err(format!("{function}: the list of names must be a constant"));
    };
    let list = list.as_list::<i32>().value(0);
    let texts = list.as_string_view_opt();
    let mut names: Vec<String> = vec![];
    for at in 0..list.len() {
        let name = texts.filter(|t| t.is_valid(at)).map(|t| t.value(at).to_owned());
        let name = name.ok_or_else(|| format!("NULL group name in {function}"))?;
        if name.is_empty() {
            return Err(format!("Empty group name in {function}"));
        }
        if names.iter().any(|n| n.eq_ignore_ascii_case(&name)) {
            return Err(format!("Duplicate group name '{name}' in {function}"));
        }
        names.push(name);
    }
    if names.is_empty() {
        return Err("Group name list must be non-empty".into());
    }
    if let Some(Scalar::Text(pattern)) = &args[1].literal
        && let Ok(pattern) = compile(pattern, &Options::default(), false)
        && pattern.regex.captures_len() <= names.len()
    {
        let groups = pattern.regex.captures_len() - 1;
        return Err(format!("Not enough capturing groups ({groups}) for provided names ({})", names.len()));
    }
    Ok(names)
}

/// `regexp_extract` and `regexp_extract_all` with a list of names: a struct of the groups, of the first match or a
/// list of those of all.
fn extract_named(function: &str, args: &[ArgInfo], all: bool) -> Option<Result<Resolution, String>> {
    if !(3..=4).contains(&args.len()) || !matches!(args[2].ty, LogicalType::List(_)) {
        return None;
    }
    let names = match group_names(function, args) {
        Ok(names) => names,
        Err(message) => return Some(Err(message)),
    };
    let fields: Arc<[(Box<str>, LogicalType)]> =
        names.iter().map(|n| (n.as_str().into(), LogicalType::Varchar)).collect();
    let item = LogicalType::Struct(fields);
    let ret = if all { LogicalType::List(Box::new(item.clone())) } else { item.clone() };
    let patterns = Patterns::new(false);
    let count = names.len();
    let kernel: ScalarKernel = Box::new(move |args, ty, rows, _| {
        let texts: Vec<ArrayRef> =
            args.iter().enumerate().filter(|(i, _)| *i != 2).map(|(_, a)| a.clone()).collect();
        let nulls = match nulls_of(&texts, rows) {
            Nulls::All => return Ok(arrow_array::new_null_array(&ty.arrow(), rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        let strings = Column::<Str>::open(args, 0, rows)?;
        let regexes = Column::<Str>::open(args, 1, rows)?;
        let given = if args.len() > 3 { Some(Column::<Str>::open(args, 3, rows)?) } else { None };
        let mut columns: Vec<StringViewBuilder> = (0..count).map(|_| StringViewBuilder::new()).collect();
        let mut ends = vec![0];
        let mut found = 0;
        for row in 0..rows {
            if nulls.as_ref().is_none_or(|n| n.is_valid(row)) {
                let o = options(given.as_ref().map_or("", |o| o.get(row)))?;
                let pattern = patterns.get(regexes.get(row), &o)?;
                for captures in all_captures(&pattern.regex, strings.get(row)) {
                    for (i, column) in columns.iter_mut().enumerate() {
                        match captures.get(i + 1) {
                            Some(m) => column.try_append_value(m.as_str())?,
                            None if all => column.append_null(),
                            None => column.append_value(""),
                        }
                    }
                    found += 1;
                    if !all {
                        break;
                    }
                }
            }
            // Without a match the groups of a single one are empty.
            if !all && found <= row {
                columns.iter_mut().for_each(|c| c.append_value(""));
                found += 1;
            }
            ends.push(list_end(found)?);
        }
        let columns = columns.into_iter().map(|mut c| Arc::new(c.finish()) as _).collect();
        if !all {
            return crate::exec::cast::nested::struct_array(ty, columns, nulls, rows);
        }
        let groups = crate::exec::cast::nested::struct_array(&item, columns, None, found)?;
        crate::exec::cast::nested::list_array(&item, OffsetBuffer::new(ends.into()), groups, nulls)
    });
    let mut arg_types = vec![LogicalType::Varchar, LogicalType::Varchar, args[2].ty.clone()];
    arg_types.extend(args.get(3).map(|_| LogicalType::Varchar));
    Some(Ok(Resolution { arg_types, return_type: ret, kernel }))
}

/// The parts of a text between matches.
fn split(pattern: &Regex, s: &str, out: &mut StringViewBuilder) -> Result<()> {
    let mut from = 0;
    // In the whole text, so that what looks at what is before a match sees it.
    while let Some(found) = pattern.find_at(s, from) {
        let nothing = found.end() == from;
        let (part, behind) = match s[from..].chars().next() {
            None if nothing => break,
            // A match of nothing parts a character from what follows.
            Some(first) if nothing => (from + first.len_utf8(), from + first.len_utf8()),
            _ => (found.start(), found.end()),
        };
        out.try_append_value(&s[from..part])?;
        from = behind;
        if nothing && from == s.len() {
            return Ok(());
        }
    }
    out.try_append_value(&s[from..])?;
    Ok(())
}

fn matches_kernel(whole: bool, negated: bool) -> ScalarKernel {
    let patterns = Patterns::new(whole);
    boolean::<(Str, Str)>(move |(s, p)| {
        Ok(Some(patterns.get(p, &Options::default())?.is_match(s) != negated))
    })
}

fn matches_with_options(whole: bool) -> ScalarKernel {
    let patterns = Patterns::new(whole);
    boolean::<(Str, Str, Str)>(move |(s, p, o)| Ok(Some(patterns.get(p, &search_options(o)?)?.is_match(s))))
}

/// Refuses NULL as the options, which are the argument behind so many.
fn null_options<const BEFORE: usize>(args: &[ArgInfo]) -> Option<std::result::Result<Resolution, String>> {
    let is_null = |arg: &ArgInfo| arg.ty == LogicalType::Null || matches!(arg.literal, Some(Scalar::Null));
    args.get(BEFORE).filter(|arg| is_null(arg)).map(|_| Err("Regex options field must not be NULL".into()))
}

pub(super) fn register(r: &mut Registry) {
    use LogicalType as T;
    let (s, b, i) = (T::Varchar, T::Boolean, T::Integer);
    let list = T::List(Box::new(s.clone()));
    let two = [s.clone(), s.clone()];
    let three = [s.clone(), s.clone(), s.clone()];
    r.add(
        def(
            "regexp_matches",
            "Whether a part of a text matches a regular expression",
            "regexp_matches('anabanana', '(an)*')",
        )
        .custom(&[], null_options::<2>)
        .map(&two, b.clone(), |_| matches_kernel(false, false))
        .map(&three, b.clone(), |_| matches_with_options(false)),
    );
    r.add(
        def(
            "regexp_full_match",
            "Whether a whole text matches a regular expression",
            "regexp_full_match('anabanana', '(an)*')",
        )
        .custom(&[], null_options::<2>)
        .map(&two, b.clone(), |_| matches_kernel(true, false))
        .map(&three, b.clone(), |_| matches_with_options(true)),
    );
    r.add(def("!~", "Whether no part of a text matches a regular expression", "'hello' !~ 'x'").map(
        &two,
        b.clone(),
        |_| matches_kernel(false, true),
    ));
    let mut tilde = def(
        "~",
        "Bitwise NOT; with two texts whether a part of the first matches the second",
        "~15",
    )
    .map(&two, b.clone(), |_| matches_kernel(false, false));
    for t in &crate::exec::functions::arithmetic::INTEGERS {
        tilde = tilde
            .map(&[t.clone()], t.clone(), |site| crate::exec::functions::arithmetic::not_kernel(site.ret));
    }
    r.add(tilde);
    r.add(
        def(
            "regexp_replace",
            "Text with what matches replaced: the first, or all with option g",
            "regexp_replace('hello', '[lo]', '-')",
        )
        .custom(&[], null_options::<3>)
        .map(&three, s.clone(), |_| replace_kernel())
        .map(&[s.clone(), s.clone(), s.clone(), s.clone()], s.clone(), |_| replace_kernel()),
    );
    r.add(
        def(
            "regexp_extract",
            "The part of a text that matches, or one of its groups",
            "regexp_extract('abc', '([a-z])(b)', 1)",
        )
        .custom(
            &["(VARCHAR, VARCHAR, VARCHAR[]) -> STRUCT", "(VARCHAR, VARCHAR, VARCHAR[], VARCHAR) -> STRUCT"],
            |args| null_options::<3>(args).or_else(|| extract_named("regexp_extract", args, false)),
        )
        .map(&two, s.clone(), |_| {
            let patterns = Patterns::new(false);
            text::<(Str, Str)>(move |(s, p), out| {
                out.push_str(patterns.get(p, &Options::default())?.group(s, 0, &mut vec![]));
                Ok(true)
            })
        })
        .map(&[s.clone(), s.clone(), i.clone()], s.clone(), |_| {
            let patterns = Patterns::new(false);
            text::<(Str, Str, Int32Type)>(move |(s, p, n), out| {
                out.push_str(patterns.get(p, &Options::default())?.group(s, group(n)?, &mut vec![]));
                Ok(true)
            })
        })
        .map(&[s.clone(), s.clone(), s.clone()], s.clone(), |_| {
            let patterns = Patterns::new(false);
            text::<(Str, Str, Str)>(move |(s, p, o), out| {
                out.push_str(patterns.get(p, &search_options(o)?)?.group(s, 0, &mut vec![]));
                Ok(true)
            })
        })
        .map(&[s.clone(), s.clone(), i.clone(), s.clone()], s.clone(), |_| {
            let patterns = Patterns::new(false);
            text::<(Str, Str, Int32Type, Str)>(move |(s, p, n, o), out| {
                out.push_str(patterns.get(p, &search_options(o)?)?.group(s, group(n)?, &mut vec![]));
                Ok(true)
            })
        }),
    );
    r.add(
        def(
            "regexp_extract_all",
            "All parts of a text that match, or one group of each, or a struct of groups of each",
            "regexp_extract_all('a1b2', '[0-9]')",
        )
        .custom(
            &[
                "(VARCHAR, VARCHAR, VARCHAR[]) -> STRUCT[]",
                "(VARCHAR, VARCHAR, VARCHAR[], VARCHAR) -> STRUCT[]",
            ],
            |args| null_options::<3>(args).or_else(|| extract_named("regexp_extract_all", args, true)),
        )
        .map(&two, list.clone(), |_| {
            let patterns = Patterns::new(false);
            text_list::<(Str, Str)>(move |(s, p), out| {
                extract_all(&patterns.get(p, &Options::default())?.regex, s, 0, out)
            })
        })
        .map(&[s.clone(), s.clone(), i.clone()], list.clone(), |_| {
            let patterns = Patterns::new(false);
            text_list::<(Str, Str, Int32Type)>(move |(s, p, n), out| {
                extract_all(&patterns.get(p, &Options::default())?.regex, s, n, out)
            })
        })
        .map(&[s.clone(), s.clone(), i, s.clone()], list.clone(), |_| {
            let patterns = Patterns::new(false);
            text_list::<(Str, Str, Int32Type, Str)>(move |(s, p, n, o), out| {
                extract_all(&patterns.get(p, &search_options(o)?)?.regex, s, n, out)
            })
        }),
    );
    r.add(
        def(
            "string_split_regex",
            "The parts of a text between matches of a regular expression",
            "string_split_regex('a1b22c', '[0-9]+')",
        )
        .aliases(&["str_split_regex", "regexp_split_to_array"])
        .custom(&[], null_options::<2>)
        .map(&two, list.clone(), |_| {
            let patterns = Patterns::new(false);
            text_list::<(Str, Str)>(move |(s, p), out| {
                split(&patterns.get(p, &Options::default())?.regex, s, out)
            })
        })
        .map(&three, list, |_| {
            let patterns = Patterns::new(false);
            text_list::<(Str, Str, Str)>(move |(s, p, o), out| {
                split(&patterns.get(p, &search_options(o)?)?.regex, s, out)
            })
        }),
    );
    r.add(
        def(
            "regexp_match",
            "What the groups of a pattern match first in a text, or what it matches without groups; NULL if nothing",
            "regexp_match('foobar', '(o+)(b)')",
        )
        .map(&[s.clone(), s.clone()], T::List(Box::new(s.clone())), |_| {
            let patterns = Patterns::new(false);
            text_list_or_null::<(Str, Str)>(move |(s, p), out| {
                first_match(&patterns.get(p, &Options::default())?.regex, s, out)
            })
        })
        .map(&[s.clone(), s.clone(), s.clone()], T::List(Box::new(s.clone())), |_| {
            let patterns = Patterns::new(false);
            text_list_or_null::<(Str, Str, Str)>(move |(s, p, o), out| {
                first_match(&patterns.get(p, &search_options(o)?)?.regex, s, out)
            })
        }),
    );
    r.add(
        def(
            "regexp_escape",
            "Text with all that means something in a regular expression escaped",
            "regexp_escape('a.b')",
        )
        .map(&[s.clone()], s, |_| {
            text::<(Str,)>(|(s,), out| {
                for c in s.chars() {
                    if !(c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()) {
                        out.push('\\');
                    }
                    out.push(c);
                }
                Ok(true)
            })
        }),
    );
}
