//! The syntax of RE2, which DuckDB has, where that of the crate `regex` differs.

use std::borrow::Cow;

/// The same pattern as the crate reads it: a brace that begins no repetition stands for itself, as do `\<`, `\>`, what
/// is between `\Q` and `\E`, and in brackets all that the crate takes for operators of sets.
pub(super) fn translated(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains(['{', '\\', '[']) {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    // Within brackets, and whether a `]` would be their first member.
    let mut class: Option<bool> = None;
    while let Some(c) = rest.chars().next() {
        let behind = &rest[c.len_utf8()..];
        let taken = match c {
            '\\' => {
                let taken = 1 + escape(behind, class.is_some(), &mut out);
                class = class.map(|_| false);
                taken
            }
            '[' if class.is_none() => {
                class = Some(true);
                out.push('[');
                let negated = behind.starts_with('^');
                out.push_str(if negated { "^" } else { "" });
                1 + usize::from(negated)
            }
            '[' if behind.starts_with(':') => {
                let end = behind.find(":]").map_or(0, |at| at + 2);
                out.push_str(&rest[..=end]);
                class = Some(false);
                1 + end
            }
            ']' if class == Some(true) => {
                out.push_str("\\]");
                class = Some(false);
                1
            }
            ']' => {
                out.push(']');
                class = None;
                1
            }
            '[' | '&' | '~' if class.is_some() => {
                out.push('\\');
                out.push(c);
                class = Some(false);
                1
            }
            '{' if class.is_none() && !is_repetition(behind) => {
                out.push_str("\\{");
                1
            }
            c => {
                out.push(c);
                class = class.map(|_| false);
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    Cow::Owned(out)
}

/// Writes what a backslash and what is behind it stand for; returns how much of that was taken.
fn escape(behind: &str, in_class: bool, out: &mut String) -> usize {
    let Some(c) = behind.chars().next() else {
        out.push('\\');
        return 0;
    };
    let taken = match c {
        'Q' if !in_class => {
            let quoted = &behind[1..];
            let end = quoted.find("\\E").unwrap_or(quoted.len());
            out.push_str(&regex::escape(&quoted[..end]));
            return (1 + end + 2).min(behind.len());
        }
        '<' | '>' => {
            out.push(c);
            return 1;
        }
        'p' | 'P' | 'x' if behind[1..].starts_with('{') => behind.find('}').map_or(1, |end| end + 1),
        c => c.len_utf8(),
    };
    out.push('\\');
    out.push_str(&behind[..taken]);
    taken
}

/// Whether what is behind a `{` makes it a repetition: `3}`, `3,}` or `3,4}`.
fn is_repetition(behind: &str) -> bool {
    let Some((inside, _)) = behind.split_once('}') else { return false };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

#[cfg(test)]
mod tests {
    use super::translated;

    #[test]
    fn patterns_are_read_as_re2_does() {
        for (pattern, expected) in [
            ("abc", "abc"),
            ("a{2}b{3,}c{4,5}", "a{2}b{3,}c{4,5}"),
            ("{\"k\": {,2}}", "\\{\"k\": \\{,2}}"),
            ("a{", "a\\{"),
            ("\\{\\p{Greek}\\x{e9}\\pL", "\\{\\p{Greek}\\x{e9}\\pL"),
            ("\\<b\\>", "<b>"),
            ("\\Qa.b\\E.c", "a\\.b.c"),
            ("\\Qa.b", "a\\.b"),
            ("[]a][^]a][[:alpha:][&&~{]{2}", "[\\]a][^\\]a][[:alpha:]\\[\\&\\&\\~{]{2}"),
            ("[\\]{]{", "[\\]{]\\{"),
            ("é{x", "é\\{x"),
            ("\\", "\\"),
        ] {
            assert_eq!(translated(pattern), expected, "{pattern}");
        }
    }
}
