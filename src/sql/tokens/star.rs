//! What stands behind a star, and columns that are unpacked.

use sqlparser::keywords::{Keyword, RESERVED_FOR_COLUMN_ALIAS};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace};

use super::lookahead::{keyword_of, next, next_index, nth, word_at};
use super::{Clause, Rewriter};
use crate::sql::forms;

impl Rewriter {
    /// Behind the `*` of a select list, or what is excluded from it.
    pub(super) fn is_behind_star(&mut self) -> bool {
        if self.level().clause != Clause::Select {
            return false;
        }
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_))).peekable();
        let is_exclude =
            |t: Option<&Token>| matches!(t.and_then(keyword_of), Some(Keyword::EXCLUDE | Keyword::EXCEPT));
        match before.peek() {
            Some(Token::RParen) => {
                let mut depth = 0_usize;
                let _list = before.by_ref().find(|t| {
                    match t {
                        Token::RParen => depth += 1,
                        Token::LParen => depth -= 1,
                        _ => {}
                    }
                    depth == 0
                });
                if !is_exclude(before.next()) {
                    return false;
                }
            }
            Some(Token::Word(_)) => {
                before.next();
                if !is_exclude(before.next()) {
                    return false;
                }
            }
            _ => {}
        }
        before.next() == Some(&Token::Mul)
            && match before.next() {
                Some(Token::Comma | Token::Period) => true,
                Some(Token::Word(w)) => {
                    matches!(w.keyword, Keyword::SELECT | Keyword::DISTINCT | Keyword::ALL)
                }
                _ => false,
            }
    }

    /// Also behind `* REPLACE (…)`, where only an alias may follow.
    pub(super) fn is_behind_star_or_replace(&mut self) -> bool {
        if self.is_behind_star() {
            return true;
        }
        if self.level().clause != Clause::Select || self.previous() != Some(&Token::RParen) {
            return false;
        }
        let mut depth = 0_usize;
        let open = self.out.iter().rposition(|t| {
            match t.token {
                Token::RParen => depth += 1,
                Token::LParen => depth -= 1,
                _ => return false,
            }
            depth == 0
        });
        let Some(open) = open else { return false };
        let before = self.out[..open].iter().rposition(|t| !matches!(t.token, Token::Whitespace(_)));
        let is_replace = |at: &usize| keyword_of(&self.out[*at].token) == Some(Keyword::REPLACE);
        let Some(replace) = before.filter(is_replace) else { return false };
        // What stands before REPLACE is a star, perhaps with what it excludes.
        let behind = self.out.split_off(replace);
        let found = self.is_behind_star();
        self.out.extend(behind);
        found
    }

    /// A name behind a star, and behind it the end of the item: `* alias`.
    pub(super) fn is_bare_star_alias(&mut self, raw: &[TokenWithSpan], i: usize) -> bool {
        let Token::Word(word) = &raw[i].token else { return false };
        let is_name = word.quote_style.is_some() || !RESERVED_FOR_COLUMN_ALIAS.contains(&word.keyword);
        is_name
            && match next(raw, i) {
                None | Some(Token::Comma | Token::RParen | Token::SemiColon) => true,
                Some(other) => keyword_of(other) == Some(Keyword::FROM),
            }
            && self.is_behind_star_or_replace()
    }

    /// `* alias`, as [`star_alias`](Self::star_alias).
    pub(super) fn bare_star_alias(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        let Token::Word(word) = &raw[i].token else { return None };
        self.push_star_pattern(raw[i].span, raw[i].span, "like", "%", Some(&word.value));
        Some(1)
    }

    /// `* [NOT] LIKE 'pattern' [AS alias]`, `* ~ 'pattern'` and the like become a RENAME of a marker, which the grammar has
    /// room for.
    pub(super) fn star_pattern(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        let mut at = i;
        let mut operator = vec![];
        loop {
            match &raw[at].token {
                Token::Word(w) => operator.push(w.value.to_lowercase()),
                Token::Tilde => operator.push("~".into()),
                Token::TildeAsterisk => operator.push("~*".into()),
                Token::ExclamationMarkTilde => operator.push("not ~".into()),
                Token::ExclamationMarkTildeAsterisk => operator.push("not ~*".into()),
                _ => break,
            }
            at = next_index(raw, at, 0)?;
        }
        let Token::SingleQuotedString(pattern) = &raw[at].token else { return None };
        let operator = operator.join(" ");
        const KNOWN: &[&str] = &[
            "like",
            "not like",
            "ilike",
            "not ilike",
            "glob",
            "not glob",
            "similar to",
            "not similar to",
            "~",
            "not ~",
            "~*",
            "not ~*",
        ];
        if !KNOWN.contains(&operator.as_str()) {
            return None;
        }
        let mut alias = None;
        let span = raw[at].span;
        if word_at(raw, at, 0) == "as" {
            alias = Some(alias_at(raw, at, 1)?);
            at = next_index(raw, at, 1)?;
        }
        self.push_star_pattern(raw[i].span, span, &operator, pattern, alias);
        Some(at - i + 1)
    }

    /// `* AS alias` is a pattern that all names match.
    pub(super) fn star_alias(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        let alias = alias_at(raw, i, 0)?;
        let at = next_index(raw, i, 0)?;
        self.push_star_pattern(raw[i].span, raw[at].span, "like", "%", Some(alias));
        Some(at - i + 1)
    }

    fn push_star_pattern(
        &mut self,
        start: Span,
        span: Span,
        operator: &str,
        pattern: &str,
        alias: Option<&str>,
    ) {
        self.push_word("RENAME", Keyword::RENAME, start);
        self.push(Token::LParen, span);
        self.push(Token::Word(forms::star_pattern_marker(operator, pattern)), span);
        self.push(Token::Whitespace(Whitespace::Space), span);
        self.push_word("AS", Keyword::AS, span);
        match alias {
            Some(alias) => self.push(Token::make_word(alias, Some('"')), span),
            None => self.push_marker(forms::NO_ALIAS, span),
        }
        self.push(Token::RParen, span);
    }

    /// The star of `t.*` as a key of GROUP BY, ORDER BY or DISTINCT ON, or a star by itself as one of DISTINCT ON.
    pub(super) fn is_key_of_table(&mut self) -> bool {
        let level = self.levels.last().copied().unwrap_or_default();
        let is_on = level.opener == Some(Keyword::ON);
        match self.previous() {
            Some(Token::Period) => is_on || matches!(level.clause, Clause::Group | Clause::Order),
            Some(Token::LParen | Token::Comma) => is_on,
            _ => false,
        }
    }

    /// The star at `i`, with the table before it and what it excludes, becomes a call of COLUMNS.
    pub(super) fn columns_of_star(&mut self, raw: &[TokenWithSpan], i: usize) -> usize {
        let span = raw[i].span;
        let mut table = vec![];
        while self.previous() == Some(&Token::Period) {
            self.drop_blanks();
            table.extend(self.out.pop());
            self.drop_blanks();
            table.extend(self.out.pop());
        }
        let excludes = word_at(raw, i, 0) == "exclude";
        // `t.COLUMNS(* EXCLUDE (a))`: the grammar has nothing behind `t.*` there.
        if excludes && let Some(name) = table.get(1) {
            self.out.push(name.clone());
            self.push(Token::Period, span);
            table.clear();
        }
        self.push_word("COLUMNS", Keyword::COLUMNS, span);
        self.open(false);
        self.push(Token::LParen, span);
        self.out.extend(table.into_iter().rev());
        self.push(Token::Mul, span);
        let mut taken = 1;
        if excludes {
            let end = match next_index(raw, i, 1) {
                Some(open) if raw[open].token == Token::LParen => {
                    (open..raw.len()).find(|at| raw[*at].token == Token::RParen)
                }
                one => one,
            };
            if let Some(end) = end {
                self.out.extend_from_slice(&raw[i + 1..=end]);
                taken = end - i + 1;
            }
        }
        self.levels.pop();
        self.push(Token::RParen, span);
        taken
    }

    /// `*COLUMNS(` that is no multiplication.
    pub(super) fn is_unpacked_columns(&self, raw: &[TokenWithSpan], i: usize) -> bool {
        word_at(raw, i, 0) == "columns" && nth(raw, i, 1) == Some(&Token::LParen) && !self.is_behind_operand()
    }
}

/// The alias that the token behind another is.
fn alias_at(raw: &[TokenWithSpan], i: usize, n: usize) -> Option<&str> {
    match nth(raw, i, n)? {
        Token::Word(w) => Some(&w.value),
        Token::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}
