//! The key `time(5m)` of InfluxQL's GROUP BY: `GROUP BY host, time(5m, 1m) fill(0)` is
//! `GROUP BY host EVERY 5m OFFSET 1m FILL(0)`, and `tz('Europe/Berlin')` at the end of such a query its zone.

use std::ops::Range;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace, Word};

use super::lookahead::{keyword_of, next_index, word_at};
use crate::sql::fluxql::parse_duration;

/// Tokens that are looked at for the end of a list of keys, and for a zone behind it, at most: what is longer has none.
const LOOKED_AT: usize = 4096;

/// Moves each key `time(…)` behind its GROUP BY, as EVERY. Tokens keep their places in the text.
pub(super) fn move_time_keys(raw: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !(0..raw.len()).any(|at| time_call(&raw, at).is_some()) {
        return raw;
    }
    // What comes instead of tokens, in their order.
    let mut edits: Vec<(Range<usize>, Vec<TokenWithSpan>)> = vec![];
    for at in 0..raw.len() {
        if keyword_of(&raw[at].token) == Some(Keyword::GROUP)
            && let Some(by) = next_index(&raw, at, 0)
            && keyword_of(&raw[by].token) == Some(Keyword::BY)
            && let Some(key) = find_key(&raw, by)
        {
            let zone = find_zone(&raw, key.end);
            let clause = every(&raw[key.place.clone()], &raw[zone.clone().unwrap_or_default()]);
            edits.push((if key.is_only { at..key.place.end } else { key.with_comma }, vec![]));
            edits.push((key.end..key.end, clause));
            edits.extend(zone.map(|call| (call, vec![])));
        }
    }
    edits.sort_by_key(|(place, _)| place.start);
    let mut raw = raw.into_iter().enumerate().peekable();
    let mut out = Vec::with_capacity(raw.len());
    for (place, instead) in edits {
        while let Some((_, token)) = raw.next_if(|(at, _)| *at < place.start) {
            out.push(token);
        }
        while raw.next_if(|(at, _)| *at < place.end).is_some() {}
        out.extend(instead);
    }
    out.extend(raw.map(|(_, token)| token));
    out
}

/// A key of GROUP BY.
struct TimeKey {
    place: Range<usize>,
    /// With the comma that parts it from another key.
    with_comma: Range<usize>,
    is_only: bool,
    /// Where the list of keys ends, behind its last token that is not blank.
    end: usize,
}

/// The first key `time(…)` of the list behind BY.
fn find_key(raw: &[TokenWithSpan], by: usize) -> Option<TimeKey> {
    let (mut depth, mut found, mut end, mut last_comma) = (0_usize, None, by + 1, None);
    let mut behind_comma = true;
    let mut at = by + 1;
    while let Some(token) = raw[..raw.len().min(by + LOOKED_AT)].get(at) {
        match &token.token {
            Token::Whitespace(_) => {
                at += 1;
                continue;
            }
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace if depth > 0 => depth -= 1,
            Token::RParen | Token::SemiColon | Token::EOF => break,
            Token::Word(word) if depth == 0 && ends_list(raw, at, word) => break,
            Token::Comma if depth == 0 => {
                (last_comma, behind_comma) = (Some(at), true);
                at += 1;
                continue;
            }
            Token::Word(_) if depth == 0 && behind_comma && found.is_none() => {
                if let Some(close) = time_call(raw, at) {
                    found = Some((at..close + 1, last_comma));
                    (at, end, behind_comma) = (close + 1, close + 1, false);
                    continue;
                }
            }
            _ => {}
        }
        behind_comma = false;
        end = at + 1;
        at += 1;
    }
    let (place, comma) = found?;
    let next = next_index(raw, place.end - 1, 0).filter(|at| raw[*at].token == Token::Comma);
    let with_comma = match (comma, next) {
        (_, Some(next)) => place.start..next + 1,
        (Some(comma), None) => comma..place.end,
        (None, None) => place.clone(),
    };
    let is_only = comma.is_none() && next.is_none();
    Some(TimeKey { place, with_comma, is_only, end })
}

/// The closing parenthesis of `time(<duration>[, [-]<duration>])`, if that is at `at`. No other call has a duration for
/// its first argument and this name.
fn time_call(raw: &[TokenWithSpan], at: usize) -> Option<usize> {
    let Token::Word(Word { value, quote_style: None, .. }) = &raw[at].token else { return None };
    let open = next_index(raw, at, 0)?;
    if !value.eq_ignore_ascii_case("time") || raw[open].token != Token::LParen {
        return None;
    }
    let mut close = behind_duration(raw, next_index(raw, open, 0)?)?;
    if raw[close].token == Token::Comma {
        let mut shift = next_index(raw, close, 0)?;
        if raw[shift].token == Token::Minus {
            shift = next_index(raw, shift, 0)?;
        }
        close = behind_duration(raw, shift)?;
    }
    (raw[close].token == Token::RParen).then_some(close)
}

/// The token behind a duration that begins at `at`.
fn behind_duration(raw: &[TokenWithSpan], at: usize) -> Option<usize> {
    match (&raw[at].token, &raw.get(at + 1)?.token) {
        (Token::Number(digits, false), Token::Word(Word { value, quote_style: None, .. })) => {
            parse_duration(&format!("{digits}{value}"))?;
            next_index(raw, at + 1, 0)
        }
        _ => None,
    }
}

/// `tz('Europe/Berlin')` in the rest of a query.
fn find_zone(raw: &[TokenWithSpan], from: usize) -> Option<Range<usize>> {
    let mut depth = 0_usize;
    for (at, token) in raw.iter().enumerate().skip(from).take(LOOKED_AT) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth > 0 => depth -= 1,
            Token::RParen | Token::SemiColon => return None,
            Token::Word(word) if depth == 0 && word.keyword == Keyword::GROUP => return None,
            Token::Word(word) if depth == 0 && word.value.eq_ignore_ascii_case("tz") => {
                let (open, close) = (next_index(raw, at, 0)?, next_index(raw, at, 2)?);
                let is_text = |at: usize| matches!(raw[at].token, Token::SingleQuotedString(_));
                if raw[open].token == Token::LParen
                    && next_index(raw, at, 1).is_some_and(is_text)
                    && raw[close].token == Token::RParen
                {
                    return Some(at..close + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a word ends the keys of GROUP BY.
fn ends_list(raw: &[TokenWithSpan], at: usize, word: &Word) -> bool {
    let ends = [
        Keyword::EXCEPT,
        Keyword::FETCH,
        Keyword::GROUP,
        Keyword::HAVING,
        Keyword::INTERSECT,
        Keyword::LIMIT,
        Keyword::OFFSET,
        Keyword::ORDER,
        Keyword::QUALIFY,
        Keyword::SELECT,
        Keyword::UNION,
        Keyword::USING,
        Keyword::WINDOW,
    ];
    word.quote_style.is_none()
        && (ends.contains(&word.keyword)
            || word.value.eq_ignore_ascii_case("tz")
            || word.value.eq_ignore_ascii_case("fill")
                && next_index(raw, at, 0).is_some_and(|next| raw[next].token == Token::LParen)
            || word.value.eq_ignore_ascii_case("with") && word_at(raw, at, 0) == "data")
}

/// `time(5m, 1m)` and `tz('UTC')` as ` EVERY 5m OFFSET 1m tz 'UTC'`. The blanks in front of what a call had in brackets lie where
/// all of the call does, so that the text of a query ends where it did.
fn every(call: &[TokenWithSpan], zone: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let word = |value: &str, keyword, like: &TokenWithSpan| {
        let word = Word { value: value.to_owned(), quote_style: None, keyword };
        TokenWithSpan::new(Token::Word(word), like.span)
    };
    let blank = |span| TokenWithSpan::new(Token::Whitespace(Whitespace::Space), span);
    let whole = |call: &[TokenWithSpan]| {
        let span = call.first().zip(call.last()).map(|(first, last)| first.span.union(&last.span));
        span.unwrap_or_else(Span::empty)
    };
    let mut out = vec![blank(whole(call))];
    for token in call {
        match &token.token {
            Token::Word(name) if name.value.eq_ignore_ascii_case("time") => {
                out.extend([word("EVERY", Keyword::NoKeyword, token), blank(whole(call))]);
            }
            Token::Comma => {
                out.extend([blank(token.span), word("OFFSET", Keyword::OFFSET, token), blank(token.span)]);
            }
            Token::Whitespace(_) | Token::LParen | Token::RParen => {}
            _ => out.push(token.clone()),
        }
    }
    for token in zone.iter().filter(|token| !matches!(token.token, Token::LParen | Token::RParen)) {
        out.extend([blank(whole(zone)), token.clone()]);
    }
    out.push(blank(whole(call)));
    out
}
