//! QuestDB's `SAMPLE BY 1h FILL(PREV) ALIGN TO CALENDAR TIME ZONE 'Europe/Berlin' WITH OFFSET '00:15'`, which is
//! `GROUP BY ALL EVERY 1h FILL(PREV) TZ 'Europe/Berlin' OFFSET 15m`: keys are what is selected beside aggregates.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace, Word};

use super::lookahead::{keyword_of, next_index, nth, word_at};
use crate::sql::fluxql::parse_duration;

/// Makes EVERY of each SAMPLE BY. Tokens keep their places in the text.
pub(super) fn sample_by_as_every(raw: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !(0..raw.len()).any(|at| width(&raw, at).is_some()) {
        return raw;
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        match width(&raw, at) {
            Some((number, unit)) => at = clause(&raw, at, number, unit, &mut out),
            None => {
                out.push(raw[at].clone());
                at += 1;
            }
        }
    }
    out
}

/// Where number and unit of the width stand, if SAMPLE BY is at `at`.
fn width(raw: &[TokenWithSpan], at: usize) -> Option<(usize, usize)> {
    let Token::Word(Word { value, quote_style: None, .. }) = &raw[at].token else { return None };
    if !value.eq_ignore_ascii_case("sample") || word_at(raw, at, 0) != "by" {
        return None;
    }
    let number = next_index(raw, at, 1)?;
    let Token::Number(digits, false) = &raw[number].token else { return None };
    let Token::Word(Word { value, quote_style: None, .. }) = &raw.get(number + 1)?.token else { return None };
    parse_duration(&format!("{digits}{}", unit(value))).map(|_| (number, number + 1))
}

/// A unit as we write it. In QuestDB an upper M is a month.
fn unit(name: &str) -> &str {
    match name {
        "M" => "mo",
        "T" => "ms",
        "U" => "us",
        other => other,
    }
}

/// Puts the clause at `at`, and returns where it ends.
fn clause(
    raw: &[TokenWithSpan],
    at: usize,
    number: usize,
    unit_at: usize,
    out: &mut Vec<TokenWithSpan>,
) -> usize {
    let span = raw[at].span;
    let word = |value: &str, keyword| {
        TokenWithSpan::new(Token::Word(Word { value: value.to_owned(), quote_style: None, keyword }), span)
    };
    let blank = |span| TokenWithSpan::new(Token::Whitespace(Whitespace::Space), span);
    if !has_keys(raw, at) {
        for (value, keyword) in [("GROUP", Keyword::GROUP), ("BY", Keyword::BY), ("ALL", Keyword::ALL)] {
            out.extend([word(value, keyword), blank(span)]);
        }
    }
    out.extend([word("EVERY", Keyword::NoKeyword), blank(span), raw[number].clone()]);
    if let Token::Word(Word { value, .. }) = &raw[unit_at].token {
        let token = Token::Word(Word {
            value: unit(value).to_owned(),
            quote_style: None,
            keyword: Keyword::NoKeyword,
        });
        out.push(TokenWithSpan::new(token, raw[unit_at].span));
    }
    let mut end = unit_at + 1;
    loop {
        let words: Vec<String> = (0..3).map(|n| word_at(raw, end - 1, n)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = |n| match nth(raw, end - 1, n) {
            Some(Token::SingleQuotedString(text)) => Some(text),
            _ => None,
        };
        let index = |n| next_index(raw, end - 1, n).map_or(raw.len(), |at| at + 1);
        if words[0] == "fill" && nth(raw, end - 1, 1) == Some(&Token::LParen) {
            let close = (end..raw.len()).find(|at| raw[*at].token == Token::RParen);
            let Some(close) = close else { break };
            out.extend(raw[end..=close].iter().cloned());
            end = close + 1;
        } else if words == ["align", "to", "calendar"] {
            end = index(2);
        } else if words[..2] == ["time", "zone"] && text(2).is_some() {
            let zone = index(2) - 1;
            out.extend([blank(span), word("TZ", Keyword::NoKeyword), blank(span), raw[zone].clone()]);
            end = zone + 1;
        } else if words[..2] == ["with", "offset"]
            && let Some((is_back, minutes)) = text(2).and_then(|text| offset(text))
        {
            let place = raw[index(2) - 1].span;
            out.extend([blank(span), word("OFFSET", Keyword::OFFSET), blank(span)]);
            if is_back {
                out.push(TokenWithSpan::new(Token::Minus, place));
            }
            // A number and its unit have no blank between them.
            out.push(TokenWithSpan::new(
                Token::Number(minutes.to_string(), false),
                Span::new(place.start, place.end),
            ));
            let minutes = Word { value: "m".into(), quote_style: None, keyword: Keyword::NoKeyword };
            out.push(TokenWithSpan::new(Token::Word(minutes), Span::new(place.end, place.end)));
            end = index(2);
        } else {
            break;
        }
    }
    // The text of a query ends where it did.
    out.push(blank(span.union(&raw[end - 1].span)));
    end
}

/// `'02:30'` or `'-02:30'` as minutes.
fn offset(text: &str) -> Option<(bool, u32)> {
    let (is_back, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some((is_back, hours * 60 + minutes))
}

/// Whether the query that a clause at `at` belongs to says GROUP BY itself.
fn has_keys(raw: &[TokenWithSpan], at: usize) -> bool {
    let mut depth = 0_usize;
    for token in raw[..at].iter().rev() {
        match &token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth > 0 => depth -= 1,
            Token::LParen | Token::SemiColon => return false,
            other if depth == 0 => match keyword_of(other) {
                Some(Keyword::GROUP) => return true,
                Some(Keyword::SELECT | Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT) => {
                    return false;
                }
                _ => {}
            },
            _ => {}
        }
    }
    false
}
