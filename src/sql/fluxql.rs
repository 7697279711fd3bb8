//! FluxQL: durations such as `1h30m` wherever an INTERVAL may stand, regular expressions such as `/web.*/` behind
//! `=~` and `!~`, and `EVERY <duration> [OFFSET <duration>] [TZ '<zone>'] [FILL(<how>)]` behind GROUP BY or alone.
//!
//! These are forms only; what they mean is decided by [`crate::sql::bind`].

use std::borrow::Cow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Interval, ObjectNamePart, UnaryOperator, Value,
    ValueWithSpan,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use crate::sql::forms::{self, MARK, argument};

/// The token that stands for a word EVERY which begins a clause.
pub fn every_marker() -> Word {
    Word { value: "EVERY".into(), quote_style: Some(MARK), keyword: Keyword::NoKeyword }
}

/// Whether a word is [`every_marker`].
pub fn is_every_marker(word: &Word) -> bool {
    word.quote_style == Some(MARK) && word.value == "EVERY"
}

/// The clause EVERY.
#[derive(Debug, Clone)]
pub struct Every<'a> {
    /// Width of the buckets.
    pub width: &'a Expr,
    /// Shift of their starts.
    pub offset: Option<&'a Expr>,
    /// The zone by whose clock they are cut.
    pub zone: Option<&'a Expr>,
    /// What empty buckets show; as if `none` where absent.
    pub fill: Option<&'a Expr>,
    /// Where it stands.
    pub span: Span,
}

/// Parses what follows the marker, into a call that [`every_clause`] recognizes.
pub fn parse_every(parser: &mut Parser) -> Result<Expr, ParserError> {
    let token = parser.next_token();
    let width = parse_width(parser)?;
    let (mut offset, mut zone, mut fill) = (None, None, None);
    loop {
        let is_word = |word: &str| matches!(&parser.peek_token_ref().token, Token::Word(w) if w.value.eq_ignore_ascii_case(word));
        if offset.is_none() && parser.peek_keyword(Keyword::OFFSET) && is_shift_at(parser, 1) {
            parser.advance_token();
            let is_back = parser.consume_token(&Token::Minus);
            let shift = parse_width(parser)?;
            offset = Some(if is_back {
                Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(shift) }
            } else {
                shift
            });
        } else if zone.is_none()
            && is_word("tz")
            && matches!(parser.peek_nth_token_ref(1).token, Token::SingleQuotedString(_))
        {
            parser.advance_token();
            zone = Some(parser.parse_expr()?);
        } else if fill.is_none() && is_word("fill") && parser.peek_nth_token_ref(1).token == Token::LParen {
            parser.advance_token();
            parser.advance_token();
            fill = Some(parser.parse_expr()?);
            parser.expect_token(&Token::RParen)?;
        } else {
            break;
        }
    }
    let or_null = |e: Option<Expr>| argument(e.unwrap_or_else(null));
    let mut args = vec![argument(width), or_null(offset), or_null(zone)];
    args.extend(fill.map(argument));
    Ok(forms::call("every", token.span, args))
}

/// `5m`, `5 minutes`, `INTERVAL …`, `'5 minutes'` or a parameter.
fn parse_width(parser: &mut Parser) -> Result<Expr, ParserError> {
    if let Some(duration) = parse_duration_literal(parser) {
        return Ok(duration);
    }
    let (number, word) = (parser.peek_token_ref(), parser.peek_nth_token_ref(1));
    if let (Token::Number(digits, false), Token::Word(unit)) = (&number.token, &word.token)
        && number.span.end == word.span.start
    {
        let value = format!("{digits}{}", unit.value);
        let whole = Word { value, quote_style: None, keyword: Keyword::NoKeyword };
        let found = TokenWithSpan::new(Token::Word(whole), number.span);
        return parser.expected_ref("a duration such as 5m or 1h30m", &found);
    }
    match &number.token {
        Token::Number(..) | Token::SingleQuotedString(_) => parser.parse_interval(),
        Token::Placeholder(_) => Ok(Expr::Value(parser.parse_value()?)),
        Token::Word(w) if w.keyword == Keyword::INTERVAL => {
            parser.advance_token();
            parser.parse_interval()
        }
        _ => parser.expected_ref("a duration such as 5m", parser.peek_token_ref()),
    }
}

fn null() -> Expr {
    Expr::Value(ValueWithSpan { value: Value::Null, span: Span::empty() })
}

/// The clause that an expression of the query's `cluster_by` stands for; `None` if it is not ours.
pub fn every_clause(expr: &Expr) -> Option<Every<'_>> {
    let Expr::Function(function) = expr else { return None };
    let [ObjectNamePart::Identifier(name)] = &function.name.0[..] else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    if name.quote_style != Some(MARK) {
        return None;
    }
    let mut args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => e,
        _ => unreachable!("EVERY was parsed with plain arguments"),
    });
    let width = args.next()?;
    let given = |e: &&Expr| !matches!(e, Expr::Value(v) if v.value == Value::Null);
    let (offset, zone) = (args.next().filter(given), args.next().filter(given));
    Some(Every { width, offset, zone, fill: args.next(), span: name.span })
}

/// Whether the token `n` tokens ahead begins a duration or an interval, or one that is taken away.
fn is_shift_at(parser: &Parser, n: usize) -> bool {
    is_duration_at(parser, n)
        || parser.peek_nth_token_ref(n).token == Token::Minus && is_duration_at(parser, n + 1)
}

/// Whether the token `n` tokens ahead begins a duration or an interval.
fn is_duration_at(parser: &Parser, n: usize) -> bool {
    match &parser.peek_nth_token_ref(n).token {
        Token::Number(..) => duration_at(parser, n).is_some(),
        Token::Word(w) => w.keyword == Keyword::INTERVAL,
        _ => false,
    }
}

/// The text of a duration: a number and a word without a blank between them.
fn duration_at(parser: &Parser, n: usize) -> Option<String> {
    let (number, word) = (parser.peek_nth_token_ref(n), parser.peek_nth_token_ref(n + 1));
    if number.span.end != word.span.start {
        return None;
    }
    match (&number.token, &word.token) {
        (Token::Number(digits, false), Token::Word(w)) if w.quote_style.is_none() => {
            let text = format!("{digits}{}", w.value);
            parse_duration(&text).map(|_| text)
        }
        _ => None,
    }
}

/// Parses a duration such as `1h30m`, if one is ahead, into an INTERVAL.
pub fn parse_duration_literal(parser: &mut Parser) -> Option<Expr> {
    let text = duration_at(parser, 0)?;
    let start = parser.next_token().span.start;
    let end = parser.next_token().span.end;
    let value = Value::Number(text, false).with_span(Span::new(start, end));
    Some(Expr::Interval(Interval {
        value: Box::new(Expr::Value(value)),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }))
}

/// Stands for a quote within a regular expression, until that is a token.
const QUOTE: char = '\u{e027}';

/// Puts regular expressions behind `=~` and `!~` between quotes instead of slashes, so that they become texts. Nothing
/// changes its place.
pub fn quote_regexes(sql: &str) -> Cow<'_, str> {
    if !sql.contains("=~") && !sql.contains("!~") || sql.contains(QUOTE) {
        return Cow::Borrowed(sql);
    }
    let bytes = sql.as_bytes();
    let mut out: Option<String> = None;
    let mut copied = 0;
    let mut at = 0;
    // Behind the end of something that begins at `from`: what `end` closes.
    let behind = |from: usize, end: &str| {
        sql.get(from..).and_then(|rest| rest.find(end)).map_or(sql.len(), |n| from + n + end.len())
    };
    while at < bytes.len() {
        at = match bytes[at] {
            b'\'' => behind(at + 1, "'"),
            b'"' => behind(at + 1, "\""),
            b'-' if bytes.get(at + 1) == Some(&b'-') => behind(at + 2, "\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => behind(at + 2, "*/"),
            b'$' => match sql[at + 1..].find('$') {
                Some(n) if sql[at + 1..][..n].bytes().all(|b| b.is_ascii_alphabetic() || b == b'_') => {
                    behind(at + n + 2, &sql[at..at + n + 2])
                }
                _ => at + 1,
            },
            b'~' if at > 0 && matches!(bytes[at - 1], b'=' | b'!') => {
                let start = at + 1 + bytes[at + 1..].iter().take_while(|b| b.is_ascii_whitespace()).count();
                match regex_length(&bytes[start..]) {
                    Some(length) => {
                        let out = out.get_or_insert_with(|| String::with_capacity(sql.len()));
                        out.push_str(&sql[copied..start]);
                        out.push('\'');
                        let inner = &sql[start + 1..start + length - 1];
                        out.extend(inner.chars().map(|c| if c == '\'' { QUOTE } else { c }));
                        out.push('\'');
                        copied = start + length;
                        copied
                    }
                    None => at + 1,
                }
            }
            _ => at + 1,
        };
    }
    match out {
        Some(mut out) => {
            out.push_str(&sql[copied..]);
            Cow::Owned(out)
        }
        None => Cow::Borrowed(sql),
    }
}

/// The length of a regular expression between slashes, on one line; `None` if there is none.
pub fn regex_length(bytes: &[u8]) -> Option<usize> {
    if bytes.first() != Some(&b'/') || matches!(bytes.get(1), None | Some(b'*')) {
        return None;
    }
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'\n' => return None,
            b'/' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// The text of a string token, quotes of regular expressions put back.
pub fn unquoted_regex(text: &str) -> Option<String> {
    text.contains(QUOTE).then(|| text.replace(QUOTE, "'"))
}

/// Months, days and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duration {
    /// Calendar months.
    pub months: i32,
    /// Calendar days.
    pub days: i32,
    /// Nanoseconds.
    pub nanos: i64,
}

/// Reads `250ms`, `5m`, `1h30m`, `7d`, `1.5h`: numbers, each with its unit. Units are `ns`, `us` (`µs`,
/// `u`), `ms`, `s`, `m`, `h`, `d`, `w`, `mo`, `q`, `y`. `None` for any other text, and where the value
/// leaves the range of an INTERVAL.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut out = Duration::default();
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        rest = tail;
        let number = number.replace('_', "");
        let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let unit = Unit::of(unit)?;
        match unit {
            Unit::Nanos(n) => {
                out.nanos = out.nanos.checked_add(whole.checked_mul(n)?)?;
                if !fraction.is_empty() {
                    let part = format!("0.{fraction}").parse::<f64>().ok()? * n as f64;
                    out.nanos = out.nanos.checked_add(part.round() as i64)?;
                }
            }
            Unit::Days(n) if fraction.is_empty() => {
                out.days = out.days.checked_add(i32::try_from(whole.checked_mul(n)?).ok()?)?;
            }
            Unit::Months(n) if fraction.is_empty() => {
                out.months = out.months.checked_add(i32::try_from(whole.checked_mul(n)?).ok()?)?;
            }
            _ => return None,
        }
    }
    Some(out)
}

enum Unit {
    Nanos(i64),
    Days(i64),
    Months(i64),
}

impl Unit {
    fn of(name: &str) -> Option<Self> {
        const SECOND: i64 = 1_000_000_000;
        Some(match name.to_lowercase().as_str() {
            "ns" => Self::Nanos(1),
            "us" | "µs" | "μs" | "u" | "µ" | "μ" => Self::Nanos(1_000),
            "ms" => Self::Nanos(1_000_000),
            "s" => Self::Nanos(SECOND),
            "m" => Self::Nanos(60 * SECOND),
            "h" => Self::Nanos(3_600 * SECOND),
            "d" => Self::Days(1),
            "w" => Self::Days(7),
            "mo" => Self::Months(1),
            "q" => Self::Months(3),
            "y" => Self::Months(12),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regexes_become_texts() {
        let quoted = |sql| quote_regexes(sql).replace(QUOTE, "Q");
        assert_eq!(quoted("a =~ /w.*/ AND b !~/x\\/'y/"), "a =~ 'w.*' AND b !~'x\\/Qy'");
        for plain in [
            "a =~ 'x' / 2 / 3",
            "'a =~ /x/'",
            "-- a =~ /x/\n",
            "/* =~ /x/ */ a",
            "$$ =~ /x/ $$",
            "a =~ /open",
            "a =~ /* b */ 'c'",
        ] {
            assert_eq!(quoted(plain), plain);
        }
    }

    #[test]
    fn durations() {
        let d = |months, days, nanos| Some(Duration { months, days, nanos });
        assert_eq!(parse_duration("5m"), d(0, 0, 300_000_000_000));
        assert_eq!(parse_duration("1h30m"), d(0, 0, 5_400_000_000_000));
        assert_eq!(parse_duration("1.5h"), d(0, 0, 5_400_000_000_000));
        assert_eq!(parse_duration("250ms"), d(0, 0, 250_000_000));
        assert_eq!(parse_duration("10µs"), d(0, 0, 10_000));
        assert_eq!(parse_duration("2w1d"), d(0, 15, 0));
        assert_eq!(parse_duration("1y6mo"), d(18, 0, 0));
        for bad in ["", "5", "m", "5x", "1.5d", "1h30", "99999999999999999999s", "9999999999d", "1..5s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
