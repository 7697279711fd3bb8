//! Regular expressions that are matched from left to right without a second thought.
//!
//! Many patterns that people write, as those that take addresses and log lines apart, begin with `^` and go on with
//! literals and repeated classes, each of which ends where what follows can begin. Then there is one way to match at
//! most, and finding it takes one look at each byte. An optional part may leave a second way; if the first fails
//! behind one, or a class is met by a character beyond ASCII that it may contain, the caller is sent to the engine that
//! tries all ways.

use memchr::memchr;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use super::regex::Options;

/// Whether a text matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Yes,
    No,
    /// Only the full engine can tell.
    Unknown,
}

/// Begin and end of each group of a match; the whole match is the first.
pub(super) type Slots = Vec<Option<(usize, usize)>>;

/// A pattern taken apart.
#[derive(Debug)]
pub(super) struct Sequence {
    steps: Vec<Step>,
    groups: usize,
}

#[derive(Debug)]
enum Step {
    Literal(Box<[u8]>),
    /// A literal that may be left out.
    Optional(Box<[u8]>),
    Repeat(Repeat),
    Open(usize),
    Close(usize),
    /// The end of the text.
    End,
}

/// As many characters of a class as there are, within bounds.
#[derive(Debug)]
struct Repeat {
    set: Box<Set>,
    min: u32,
    max: Option<u32>,
    /// Whether what follows may begin with a character of the class.
    ambiguous: bool,
}

/// What a byte means to a class.
const OUT: u8 = 0;
const IN: u8 = 1;
const UNKNOWN: u8 = 2;

/// A set of characters: of ASCII any, beyond it all, none, or it is unknown which.
#[derive(Debug, Clone)]
struct Set {
    bytes: [u8; 256],
    /// The only byte that is not in the set.
    except: Option<u8>,
    /// Which bytes are in the set, eight at once, if they are few ranges.
    eight: Option<Eight>,
}

impl Set {
    fn new(class: &Class) -> Self {
        let mut bytes = [OUT; 256];
        let mut beyond = OUT;
        let ranges: Vec<(u32, u32)> = match class {
            Class::Unicode(class) => class.iter().map(|r| (r.start() as u32, r.end() as u32)).collect(),
            Class::Bytes(class) => class.iter().map(|r| (r.start().into(), r.end().into())).collect(),
        };
        for (start, end) in ranges {
            for c in start..=end.min(0x7F) {
                bytes[c as usize] = IN;
            }
            if end > 0x7F {
                beyond = if start <= 0x80 && end == 0x10_FFFF { IN } else { UNKNOWN };
            }
        }
        bytes[0x80..].fill(beyond);
        Self::of_bytes(bytes)
    }

    fn of_byte(byte: u8) -> Self {
        let mut bytes = [OUT; 256];
        bytes[usize::from(byte)] = IN;
        Self::of_bytes(bytes)
    }

    fn of_bytes(bytes: [u8; 256]) -> Self {
        let mut others = (0..=255u8).filter(|&b| bytes[usize::from(b)] != IN);
        let except = others.next().filter(|_| others.next().is_none());
        Self { eight: Eight::new(&bytes), bytes, except }
    }

    /// Whether some character may be in both.
    fn meets(&self, other: &[bool; 256]) -> bool {
        self.bytes.iter().zip(other).any(|(own, other)| *own != OUT && *other)
    }

    /// The length of the longest run of `rest` in the set; `None` if that is unknown.
    fn run(&self, rest: &[u8]) -> Option<usize> {
        if let Some(except) = self.except {
            return Some(memchr(except, rest).unwrap_or(rest.len()));
        }
        let mut len = 0;
        if let Some(eight) = &self.eight {
            for chunk in rest.as_chunks::<8>().0 {
                let run = eight.run(*chunk);
                len += run;
                if run < 8 {
                    break;
                }
            }
        }
        // At once, if the run has ended already.
        len += rest[len..].iter().take_while(|&&b| self.bytes[usize::from(b)] == IN).count();
        rest.get(len).is_none_or(|&b| self.bytes[usize::from(b)] == OUT).then_some(len)
    }
}

/// Ranges of ASCII that eight bytes are compared with at once.
#[derive(Debug, Clone)]
struct Eight {
    /// What sets the top bit of a byte of ASCII that is not below the range, and of one that is above it; in each byte.
    ranges: Box<[(u64, u64)]>,
    /// The top bit of each byte, if bytes beyond ASCII are in the set.
    beyond: u64,
}

impl Eight {
    const TOP: u64 = 0x8080_8080_8080_8080;
    const EACH: u64 = 0x0101_0101_0101_0101;
    /// Of more ranges it is as fast to look up each byte.
    const RANGES_MAX: usize = 4;

    fn new(bytes: &[u8; 256]) -> Option<Self> {
        let ascii: Vec<u8> = (0..0x80).filter(|&b| bytes[usize::from(b)] == IN).collect();
        let ranges: Box<[_]> = ascii
            .chunk_by(|a, b| a + 1 == *b)
            .map(|range| {
                let (first, last) = (u64::from(range[0]), u64::from(range[range.len() - 1]));
                ((0x80 - first) * Self::EACH, (0x7F - last) * Self::EACH)
            })
            .collect();
        let beyond = if bytes[0x80] == IN { Self::TOP } else { 0 };
        (ranges.len() <= Self::RANGES_MAX).then_some(Self { ranges, beyond })
    }

    /// How many bytes at the front are in the set.
    #[inline]
    fn run(&self, bytes: [u8; 8]) -> usize {
        let word = u64::from_le_bytes(bytes);
        let ascii = word & !Self::TOP;
        let within = self.ranges.iter().fold(0, |found, (from, above)| {
            // No byte carries into the next: both are below 0x80, but for 0x80 of a range that begins with 0.
            found | (ascii + from) & !(ascii + above)
        });
        let is_in = (within & !word | self.beyond & word) & Self::TOP;
        (!is_in & Self::TOP).trailing_zeros() as usize / 8
    }
}

/// Whether a text begins with another. Most often the first byte tells, or is all there is to tell.
#[inline]
fn begins_with(rest: &[u8], literal: &[u8]) -> bool {
    rest.first() == literal.first() && (literal.len() == 1 || rest.starts_with(literal))
}

fn is_lead(byte: &u8) -> bool {
    byte & 0xC0 != 0x80
}

impl Repeat {
    /// How many bytes it takes at the front of `rest`.
    fn take(&self, rest: &[u8]) -> Result<usize, Found> {
        let len = self.set.run(rest).ok_or(Found::Unknown)?;
        if self.max.is_none() && self.min <= 1 {
            return if len >= self.min as usize { Ok(len) } else { Err(Found::No) };
        }
        let run = &rest[..len];
        let mut starts = run.iter().enumerate().filter(|(_, b)| is_lead(b)).map(|(i, _)| i);
        let len = match self.max {
            Some(max) => starts.nth(max as usize).unwrap_or(len),
            None => len,
        };
        let count = rest[..len].iter().filter(|b| is_lead(b)).count();
        if count >= self.min as usize { Ok(len) } else { Err(Found::No) }
    }
}

/// What the rest of a pattern can begin with.
struct First {
    bytes: [bool; 256],
    /// Whether it can match nothing at all, wherever it stands.
    empty: bool,
}

/// What the steps can begin with.
fn first(steps: &[Step]) -> First {
    let mut bytes = [false; 256];
    for step in steps {
        match step {
            Step::Literal(text) => {
                bytes[usize::from(text[0])] = true;
                return First { bytes, empty: false };
            }
            Step::Optional(text) => bytes[usize::from(text[0])] = true,
            Step::Repeat(repeat) => {
                for (byte, own) in bytes.iter_mut().zip(&repeat.set.bytes) {
                    *byte |= *own != OUT;
                }
                if repeat.min > 0 {
                    return First { bytes, empty: false };
                }
            }
            Step::Open(_) | Step::Close(_) => {}
            Step::End => return First { bytes, empty: false },
        }
    }
    First { bytes, empty: true }
}

/// A repetition that takes as little as it can; only where what follows leaves no choice does it not matter.
struct Lazy(usize);

impl Sequence {
    /// Takes a pattern apart, if it is of this kind.
    pub fn new(pattern: &str, options: &Options) -> Option<Self> {
        let hir = ParserBuilder::new()
            .case_insensitive(options.ignore_case)
            .dot_matches_new_line(options.dot_newline)
            .multi_line(options.multi_line)
            .build()
            .parse(pattern)
            .ok()?;
        let HirKind::Concat(parts) = hir.kind() else { return None };
        let (anchor, parts) = parts.split_first()?;
        if *anchor.kind() != HirKind::Look(Look::Start) {
            return None;
        }
        let (mut steps, mut lazy) = (vec![], vec![]);
        for part in parts {
            add(part, &mut steps, &mut lazy)?;
        }
        for i in 0..steps.len() {
            let (head, tail) = steps.split_at_mut(i + 1);
            let after = first(tail);
            if let Some(Step::Repeat(repeat)) = head.last_mut() {
                let meets = repeat.set.meets(&after.bytes);
                let fixed = repeat.max == Some(repeat.min);
                repeat.ambiguous = meets && !fixed;
                let is_lazy = lazy.iter().any(|Lazy(at)| *at == i);
                // One that may be long should not have to be tried again; a lazy one must have no choice.
                if repeat.ambiguous && (is_lazy || repeat.max != Some(1)) || is_lazy && after.empty && !fixed
                {
                    return None;
                }
            }
        }
        Some(Self { steps, groups: hir.properties().explicit_captures_len() + 1 })
    }

    /// Whether a text matches.
    pub fn is_match(&self, text: &str) -> Found {
        self.run(text, &mut [])
    }

    /// Matches a text. The slots are of use only if it matches.
    pub fn find(&self, text: &str, slots: &mut Slots) -> Found {
        slots.clear();
        slots.resize(self.groups, None);
        self.run(text, slots)
    }

    fn run(&self, text: &str, slots: &mut [Option<(usize, usize)>]) -> Found {
        let text = text.as_bytes();
        let mut at = 0;
        // Once there was a choice, a failure is not the last word.
        let mut failed = Found::No;
        for step in &self.steps {
            let rest = &text[at..];
            match step {
                Step::Literal(literal) => {
                    if !begins_with(rest, literal) {
                        return failed;
                    }
                    at += literal.len();
                }
                Step::Optional(literal) => {
                    if begins_with(rest, literal) {
                        at += literal.len();
                        failed = Found::Unknown;
                    }
                }
                Step::Repeat(repeat) => match repeat.take(rest) {
                    Ok(len) => {
                        at += len;
                        if repeat.ambiguous && len > 0 {
                            failed = Found::Unknown;
                        }
                    }
                    Err(Found::No) => return failed,
                    Err(other) => return other,
                },
                Step::Open(group) => {
                    if let Some(slot) = slots.get_mut(*group) {
                        *slot = Some((at, at));
                    }
                }
                Step::Close(group) => {
                    if let Some(Some((_, to))) = slots.get_mut(*group) {
                        *to = at;
                    }
                }
                Step::End => {
                    if !rest.is_empty() {
                        return failed;
                    }
                }
            }
        }
        if let Some(whole) = slots.first_mut() {
            *whole = Some((0, at));
        }
        Found::Yes
    }
}

/// Adds the steps of a part. `None` if there is none for it.
fn add(part: &Hir, steps: &mut Vec<Step>, lazy: &mut Vec<Lazy>) -> Option<()> {
    match part.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => steps.push(Step::Literal(literal.0.clone())),
        HirKind::Class(class) => steps.push(repeat(Set::new(class), 1, Some(1))),
        HirKind::Repetition(repetition) => add_repetition(repetition, steps, lazy)?,
        HirKind::Capture(capture) => {
            let group = capture.index as usize;
            steps.push(Step::Open(group));
            add(&capture.sub, steps, lazy)?;
            steps.push(Step::Close(group));
        }
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| add(part, steps, lazy))?,
        HirKind::Look(Look::End) => steps.push(Step::End),
        HirKind::Look(_) | HirKind::Alternation(_) => return None,
    }
    Some(())
}

fn repeat(set: Set, min: u32, max: Option<u32>) -> Step {
    Step::Repeat(Repeat { set: Box::new(set), min, max, ambiguous: false })
}

fn add_repetition(r: &Repetition, steps: &mut Vec<Step>, lazy: &mut Vec<Lazy>) -> Option<()> {
    let set = match r.sub.kind() {
        HirKind::Class(class) => Set::new(class),
        HirKind::Literal(literal) => match (&literal.0[..], r.min, r.max) {
            ([byte], ..) => Set::of_byte(*byte),
            (text, 0, Some(1)) if r.greedy => {
                steps.push(Step::Optional(text.into()));
                return Some(());
            }
            _ => return None,
        },
        _ => return None,
    };
    if !r.greedy {
        lazy.push(Lazy(steps.len()));
    }
    steps.push(repeat(set, r.min, r.max));
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::RegexBuilder;

    use super::*;

    fn plain() -> Options {
        super::super::regex::options("").unwrap()
    }

    /// Matches and compares with the full engine. Whether the sequence could tell.
    fn compare(pattern: &str, o: &Options, text: &str) -> Option<bool> {
        let sequence = Sequence::new(pattern, o)?;
        let mut slots = vec![];
        let found = sequence.find(text, &mut slots);
        assert_eq!(sequence.is_match(text), found);
        if found == Found::Unknown {
            return Some(false);
        }
        let regex = RegexBuilder::new(pattern)
            .case_insensitive(o.ignore_case)
            .dot_matches_new_line(o.dot_newline)
            .multi_line(o.multi_line)
            .build()
            .unwrap();
        match regex.captures(text) {
            None => assert_eq!(found, Found::No, "{pattern} on {text:?}"),
            Some(captures) => {
                assert_eq!(found, Found::Yes, "{pattern} on {text:?}");
                let expected: Slots = captures.iter().map(|m| m.map(|m| (m.start(), m.end()))).collect();
                assert_eq!(slots, expected, "{pattern} on {text:?}");
            }
        }
        Some(true)
    }

    #[test]
    fn addresses_and_log_lines() {
        let url = r"^https?://(?:www\.)?([^/]+)/.*$";
        for text in [
            "http://www.example.com/a/b?c=d",
            "https://example.com/",
            "https://example.com",
            "ftp://example.com/x",
            "http://bücher.example/ä",
            "http://example.com/a\nb",
            "",
        ] {
            assert_eq!(compare(url, &plain(), text), Some(true), "{text}");
        }
        // The optional part must be given back: that is left to the full engine.
        assert_eq!(compare(url, &plain(), "http://www./x"), Some(false));
        let line = r"^(\d{4})-(\d\d)-(\d\d) +(\w+): \[([^\]]*)\] (.*)$";
        assert_eq!(compare(line, &plain(), "2024-02-29   main: [a b] it began"), Some(true));
        assert_eq!(compare(line, &plain(), "2024-2-29 main: [a b] it began"), Some(true));
        assert_eq!(compare(line, &plain(), "2024-02-29 größe: [] x"), Some(false));
    }

    #[test]
    fn what_is_no_sequence() {
        for pattern in
            ["a+b", "^a*ab", "^(ab|c)d", "^.*x", "^(ab)+", r"^\bx", "^a*?", "^(ab)??c", "^[a-z]+?[a-c]"]
        {
            assert!(Sequence::new(pattern, &plain()).is_none(), "{pattern}");
        }
        for pattern in ["^a*b", "^a+?b", "^a*?$", "^a{2}a", "^a?ab", "^(a*)(b*)c*$", "^(?i)straße$"] {
            assert!(Sequence::new(pattern, &plain()).is_some(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn runs_end_where_a_byte_is_not_in_the_set(
            ranges in prop::collection::vec((0_u8..0x80, 0_u8..0x30), 0..6),
            beyond in prop::sample::select(vec![IN, OUT, UNKNOWN]),
            members in any::<bool>(),
            text in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = [OUT; 256];
            bytes[0x80..].fill(beyond);
            for (from, more) in &ranges {
                bytes[usize::from(*from)..=usize::from((from + more).min(0x7F))].fill(IN);
            }
            let set = Set::of_bytes(bytes);
            // Of bytes at random hardly any run is long.
            let all: Vec<u8> = (0..=255).filter(|&b| bytes[usize::from(b)] == IN).collect();
            let text: Vec<u8> = match (members, all.len()) {
                (true, 1..) => text.iter().enumerate().map(|(i, b)| if i % 19 == 18 { *b } else { all[usize::from(*b) % all.len()] }).collect(),
                _ => text,
            };
            let len = text.iter().position(|&b| bytes[usize::from(b)] != IN).unwrap_or(text.len());
            let known = text.get(len).is_none_or(|&b| bytes[usize::from(b)] == OUT || set.except.is_some());
            assert_eq!(set.run(&text), known.then_some(len));
        }

        #[test]
        fn agrees_with_the_full_engine(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "b", "ab", "/", "é", "[ab]", "[^/]", ".", r"\w", r"\d", "(a)", "([^a]*)", "(b+/)", "(?:ab)?",
                    "(é)", "[a-é]", "[^/1]", "[a-b]*",
                ]),
                0..7,
            ),
            repeats in prop::collection::vec(prop::sample::select(vec!["", "", "*", "+", "?", "{2}", "{1,2}", "*?"]), 7),
            end in prop::bool::ANY,
            options in prop::sample::select(vec!["", "i", "s"]),
            texts in prop::collection::vec("[abAB/é1\n]{0,8}|a{0,20}[ab]{0,20}(/|é)?b{0,20}", 12),
        ) {
            let mut pattern = String::from("^");
            for (part, repeat) in parts.iter().zip(&repeats) {
                pattern.push_str(part);
                if !part.ends_with('?') {
                    pattern.push_str(repeat);
                }
            }
            if end {
                pattern.push('$');
            }
            let o = super::super::regex::options(options).unwrap();
            for text in &texts {
                compare(&pattern, &o, text);
            }
        }
    }
}
