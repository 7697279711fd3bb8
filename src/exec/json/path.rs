//! Paths into JSON values, as they are written and followed.

use super::{Parser, elements, members};

/// A step into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of an object.
    Key(String),
    /// The element of an array; from the end if negative.
    Index(i64),
    /// The place behind the last element of an array, where there is nothing yet.
    End,
    /// A part of a JSON pointer: the member of an object, or the element of an array with this number, or its end (`-`).
    Token(String),
    /// All members of an object.
    AnyMember,
    /// All elements of an array.
    AnyElement,
    /// All members of an object and all elements of an array.
    Any,
    /// The value and all that is in it: what lies less deep comes first.
    Descend,
}

impl Step {
    /// Whether it can lead to more than one value.
    pub fn is_wild(&self) -> bool {
        matches!(self, Self::AnyMember | Self::AnyElement | Self::Any | Self::Descend)
    }

    /// The step in an object: the key of a member.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) | Self::Token(key) => Some(key),
            _ => None,
        }
    }

    /// The step in an array with so many elements: the position of an element, or of the end.
    pub fn position(&self, len: usize) -> Option<usize> {
        match self {
            Self::Index(i) if *i < 0 => len.checked_sub(usize::try_from(i.unsigned_abs()).ok()?),
            Self::Index(i) => usize::try_from(*i).ok(),
            Self::End => Some(len),
            Self::Token(t) if t == "-" => Some(len),
            Self::Token(t) => t.parse().ok(),
            _ => None,
        }
    }
}

/// A path: `$.a.b[0]`, `/a/b/0`, or a bare key; nothing is the value itself.
pub fn parse_path(path: &str) -> Option<Vec<Step>> {
    if path.is_empty() {
        return Some(vec![]);
    }
    if let Some(pointer) = path.strip_prefix('/') {
        let token = |part: &str| Step::Token(part.replace("~1", "/").replace("~0", "~"));
        return Some(pointer.split('/').map(token).collect());
    }
    let Some(mut rest) = path.strip_prefix('$') else { return Some(vec![Step::Key(path.to_owned())]) };
    let mut steps = vec![];
    while !rest.is_empty() {
        rest = if let Some(r) = rest.strip_prefix(".**") {
            steps.push(Step::Descend);
            if r.is_empty() {
                steps.push(Step::Any);
            }
            r
        } else if let Some(r) = rest.strip_prefix("..") {
            steps.push(Step::Descend);
            if let Some(r) = r.strip_prefix('*') {
                steps.push(Step::Any);
                r
            } else if r.starts_with('[') {
                r
            } else {
                named(r, &mut steps)?
            }
        } else if let Some(r) = rest.strip_prefix(".*") {
            steps.push(Step::AnyMember);
            r
        } else if let Some(r) = rest.strip_prefix('.') {
            named(r, &mut steps)?
        } else {
            let (index, r) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(element(index)?);
            r
        };
        if !rest.is_empty() && !rest.starts_with(['.', '[']) {
            return None;
        }
    }
    Some(steps)
}

/// A key in front of a text, plain or in quotes; what is behind it.
fn named<'a>(text: &'a str, steps: &mut Vec<Step>) -> Option<&'a str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        if end == 0 {
            return None;
        }
        steps.push(Step::Key(text[..end].to_owned()));
        return Some(&text[end..]);
    };
    let mut key = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => break,
            // Only what would end the key or begin an escape is written so; else a backslash is one.
            '\\' if chars.as_str().starts_with(['"', '\\']) => key.extend(chars.next()),
            c => key.push(c),
        }
    }
    steps.push(Step::Key(key));
    Some(chars.as_str())
}

/// What is between brackets: `*`, `3`, `-1` or `#-1` for the last element, `#` for the end.
fn element(text: &str) -> Option<Step> {
    let number = |digits: &str| {
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<i64>().ok()).flatten()
    };
    Some(match text {
        "*" => Step::AnyElement,
        "#" => Step::End,
        _ => match text.strip_prefix('#').unwrap_or(text).strip_prefix('-') {
            Some(from_end) => Step::Index(-number(from_end)?),
            None => Step::Index(number(text)?),
        },
    })
}

/// The text of the value at a path, or `None` if there is none or the text is no JSON.
pub fn find<'a>(text: &'a str, path: &[Step]) -> Option<&'a str> {
    let mut value = text;
    for step in path {
        if step.is_wild() {
            return find_all(text, path).first().copied();
        }
        value = match step.key().and_then(|key| Some((key, members(value)?))) {
            Some((key, all)) => all.into_iter().find(|(k, _)| k == key)?.1,
            None => {
                let all = elements(value)?;
                *all.get(step.position(all.len())?)?
            }
        };
    }
    let mut p = Parser::new(value);
    p.skip_value().ok()
}

/// The texts of all values that a path leads to.
pub fn find_all<'a>(text: &'a str, path: &[Step]) -> Vec<&'a str> {
    fn of_object(value: &str) -> Option<Vec<&str>> {
        Some(members(value)?.into_iter().map(|(_, v)| v).collect())
    }
    fn inside(value: &str) -> Vec<&str> {
        of_object(value).or_else(|| elements(value)).unwrap_or_default()
    }
    let mut values = vec![text];
    for step in path {
        values = match step {
            Step::Descend => {
                let mut at = 0;
                while at < values.len() {
                    values.extend(inside(values[at]));
                    at += 1;
                }
                values
            }
            Step::AnyMember => values.into_iter().flat_map(|v| of_object(v).unwrap_or_default()).collect(),
            Step::AnyElement => values.into_iter().flat_map(|v| elements(v).unwrap_or_default()).collect(),
            Step::Any => values.into_iter().flat_map(inside).collect(),
            one => values.into_iter().filter_map(|v| find(v, std::slice::from_ref(one))).collect(),
        };
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value() {
        let json = r#"{"a": {"b": [10, 20, {"c": "x"}]}, "d.e": 1, "q\"r\\s": 2, "0": 3}"#;
        let get = |p: &str| find(json, &parse_path(p).unwrap());
        assert_eq!(get("$.a.b[1]"), Some("20"));
        assert_eq!(get("$.a.b[-1].c"), Some("\"x\""));
        assert_eq!(get("$.a.b[#-3]"), Some("10"));
        assert_eq!(get("$.a.b[#-01].c"), Some("\"x\""));
        assert_eq!(get("$.a.b[#]"), None);
        assert_eq!(get("$.a.b[#-4]"), None);
        assert_eq!(get("/a/b/0"), Some("10"));
        assert_eq!(get("/a/b/-"), None);
        assert_eq!(get("/0"), Some("3"));
        assert_eq!(get("$.\"d.e\""), Some("1"));
        assert_eq!(get(r#"$."q\"r\\s""#), Some("2"));
        assert_eq!(get(r#"$."q\"r\s""#), Some("2"));
        assert_eq!(get("d.e"), Some("1"));
        assert_eq!(get("$.x"), None);
    }

    #[test]
    fn many_values() {
        let json = r#"{"a":{"b":1,"c":2},"d":["g",[{"b":5}]]}"#;
        let get = |p: &str| find_all(json, &parse_path(p).unwrap()).join(" ");
        let all = r#"{"b":1,"c":2} ["g",[{"b":5}]] 1 2 "g" [{"b":5}] {"b":5} 5"#;
        assert_eq!(get("$..*"), all);
        assert_eq!(get("$.**"), all);
        assert_eq!(get("$..b"), "1 5");
        assert_eq!(get("$.**.b"), "1 5");
        assert_eq!(get("$..[0]"), r#""g" {"b":5}"#);
        assert_eq!(get("$..[*]"), r#""g" [{"b":5}] {"b":5}"#);
        assert_eq!(get("$.d[*]..b"), "5");
        assert_eq!(get("$.*"), r#"{"b":1,"c":2} ["g",[{"b":5}]]"#);
    }

    #[test]
    fn no_paths() {
        for path in [
            "$.",
            "$..",
            "$...a",
            "$[",
            "$[]",
            "$[[",
            "$]",
            "$a",
            "$[1",
            "$[+1]",
            "$[ 1]",
            "$[#1]",
            "$[#-]",
            "$[1x]",
            "$.*a",
            "$.\"a",
            "$.\"a\"b",
            "$**.a",
            "$[99999999999999999999]",
        ] {
            assert_eq!(parse_path(path), None, "{path}");
        }
    }
}
