//! Looking at the tokens ahead.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// Where a table that begins at `i` ends: a name, with arguments or not, a text, or something in parentheses.
pub(super) fn end_of_table(raw: &[TokenWithSpan], i: usize) -> usize {
    let mut depth = 0_usize;
    let mut end = i;
    let mut named = false;
    for (at, token) in raw.iter().enumerate().skip(i) {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen => depth += 1,
            Token::RParen if depth > 1 => depth -= 1,
            Token::RParen if depth == 1 => return at + 1,
            _ if depth > 0 => {}
            Token::Period => named = false,
            Token::Word(_) | Token::SingleQuotedString(_) if !named => named = true,
            _ => break,
        }
        end = at + 1;
    }
    end
}

/// Where the `n`-th token behind `i` that is not blank stands, from 0.
pub(super) fn next_index(raw: &[TokenWithSpan], i: usize, n: usize) -> Option<usize> {
    (i + 1..raw.len()).filter(|at| !matches!(raw[*at].token, Token::Whitespace(_))).nth(n)
}

/// The `n`-th token behind `i` that is not blank, in lower case if it is a plain word.
pub(super) fn word_at(raw: &[TokenWithSpan], i: usize, n: usize) -> String {
    match nth(raw, i, n) {
        Some(Token::Word(Word { value, quote_style: None, .. })) => value.to_lowercase(),
        _ => String::new(),
    }
}

/// Whether a query can begin with this word, so that TABLE before it is no form of a query itself.
pub(super) fn begins_query(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::SELECT | Keyword::FROM | Keyword::WITH | Keyword::VALUES)
}

/// The next token behind `i` that is not blank.
pub(super) fn next(raw: &[TokenWithSpan], i: usize) -> Option<&Token> {
    nth(raw, i, 0)
}

pub(super) fn nth(raw: &[TokenWithSpan], i: usize, n: usize) -> Option<&Token> {
    raw[i + 1..].iter().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_))).nth(n)
}

/// Whether the word at `i` can be followed by a table or query here: what stands behind it is no operator on it.
pub(super) fn begins_relation(raw: &[TokenWithSpan], i: usize) -> bool {
    match next(raw, i) {
        Some(Token::Word(w)) => {
            w.quote_style.is_some()
                || w.keyword == Keyword::NoKeyword
                || begins_query(w.keyword)
                || !sqlparser::keywords::RESERVED_FOR_COLUMN_ALIAS.contains(&w.keyword)
                    && !matches!(
                        w.keyword,
                        Keyword::IS
                            | Keyword::IN
                            | Keyword::AND
                            | Keyword::OR
                            | Keyword::NOT
                            | Keyword::LIKE
                            | Keyword::ILIKE
                            | Keyword::BETWEEN
                            | Keyword::AS
                            | Keyword::COLLATE
                            | Keyword::OVER
                    )
        }
        Some(Token::LParen | Token::SingleQuotedString(_)) => true,
        _ => false,
    }
}

/// The keyword that a token is.
pub(super) fn keyword_of(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(w) if w.quote_style.is_none() => Some(w.keyword),
        _ => None,
    }
}

/// How many tokens lie from `i` up to the `n`th behind it that is not blank.
pub(super) fn taken_with(raw: &[TokenWithSpan], i: usize, n: usize) -> usize {
    let visible = raw[i + 1..].iter().enumerate().filter(|(_, t)| !matches!(t.token, Token::Whitespace(_)));
    n.checked_sub(1).and_then(|n| visible.map(|(at, _)| at).nth(n)).map_or(1, |at| at + 2)
}

/// Whether a token is a sign between two values.
pub(super) fn is_arithmetic_or_comparison(token: &Token) -> bool {
    matches!(
        token,
        Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
    )
}

pub(super) fn is_operand(token: Option<&Token>) -> bool {
    match token {
        Some(Token::SingleQuotedString(_) | Token::LParen) => true,
        Some(Token::Word(w)) => !sqlparser::keywords::RESERVED_FOR_COLUMN_ALIAS.contains(&w.keyword),
        _ => false,
    }
}

/// EVERY is a word like any other unless a duration follows, which no name may be followed by.
pub(super) fn is_every_clause(raw: &[TokenWithSpan], i: usize) -> bool {
    match next(raw, i) {
        Some(Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_)) => true,
        Some(Token::Word(w)) if w.keyword == Keyword::INTERVAL => {
            matches!(nth(raw, i, 1), Some(Token::Number(..) | Token::SingleQuotedString(_)))
        }
        _ => false,
    }
}

/// At `i` is the FETCH of `FETCH FIRST a + 1 ROWS ONLY`: one of more than a value, which the grammar has not.
pub(super) fn is_fetch_of_expression(raw: &[TokenWithSpan], i: usize) -> bool {
    matches!(word_at(raw, i, 0).as_str(), "first" | "next")
        && !matches!(word_at(raw, i, 1).as_str(), "row" | "rows")
        && !matches!(word_at(raw, i, 2).as_str(), "row" | "rows" | "percent")
        && nth(raw, i, 2) != Some(&Token::Mod)
}
