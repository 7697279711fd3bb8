//! DESCRIBE, SUMMARIZE and SHOW as queries, and generated columns without a type.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::lookahead::{
    begins_relation, is_arithmetic_or_comparison, keyword_of, next, next_index, nth, taken_with, word_at,
};
use super::{Clause, Rewriter};
use crate::sql::forms;

/// What SHOW lists that is not a table: the words behind it.
const SHOWN: &[&[&str]] = &[&["all", "tables"], &["tables"], &["databases"], &["schemas"]];

impl Rewriter {
    /// `DESCRIBE t`, `SUMMARIZE t` and `SHOW TABLES` where a query may stand, such as `FROM (DESCRIBE t)`.
    pub(super) fn listing(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> Option<usize> {
        let name = word.value.to_lowercase();
        if !matches!(name.as_str(), "describe" | "desc" | "summarize" | "show")
            || !self.begins_listing(raw, i)
        {
            return None;
        }
        let span = raw[i].span;
        let is_end = matches!(next(raw, i), None | Some(Token::RParen | Token::SemiColon));
        let shown = match name.as_str() {
            "summarize" if is_end => return None,
            "summarize" => None,
            _ if is_end => Some((SHOWN[0], 0)),
            _ => SHOWN
                .iter()
                .find(|words| (0..words.len()).all(|n| word_at(raw, i, n) == words[n]))
                .map(|words| (*words, words.len())),
        };
        self.push_word("FROM", Keyword::FROM, span);
        if let Some((words, taken)) = shown {
            self.push_marker(&format!("{}{}", forms::SHOWN, words.join(" ")), span);
            self.push(Token::LParen, span);
            let taken = if words == ["tables"] { taken + self.listed_schema(raw, i) } else { taken };
            // It ends where the last word does, as the text of a view must.
            let taken = taken_with(raw, i, taken);
            self.push(Token::RParen, raw[i + taken - 1].span);
            return Some(taken);
        }
        self.push_marker(if name == "summarize" { forms::SUMMARIZED } else { forms::DESCRIBED }, span);
        for _ in 0..2 {
            self.open(false);
            self.push(Token::LParen, span);
        }
        self.level().closes = 2;
        let first = word_at(raw, i, 0);
        let begins_pivot = matches!(first.as_str(), "pivot" | "pivot_wider" | "unpivot" | "pivot_longer")
            && next_index(raw, i, 0).is_some_and(|at| begins_relation(raw, at));
        if !begins_pivot && !matches!(first.as_str(), "select" | "from" | "with" | "values") {
            self.push_word("FROM", Keyword::FROM, span);
        }
        // `DESCRIBE TABLE t`
        let is_named = matches!(nth(raw, i, 1), Some(Token::Word(_) | Token::SingleQuotedString(_)));
        Some(if first == "table" && is_named { taken_with(raw, i, 1) } else { 1 })
    }

    /// Behind `SHOW TABLES`, which begins at `i`: `FROM name` or `FROM database.schema`, as an argument. Says how many
    /// tokens that takes.
    fn listed_schema(&mut self, raw: &[TokenWithSpan], i: usize) -> usize {
        if !matches!(word_at(raw, i, 1).as_str(), "from" | "in") {
            return 0;
        }
        let name = |n: usize| next_index(raw, i, n).filter(|at| matches!(raw[*at].token, Token::Word(_)));
        let Some(first) = name(2) else { return 0 };
        self.push(raw[first].token.clone(), raw[first].span);
        let Some(second) = name(4).filter(|_| matches!(nth(raw, i, 3), Some(Token::Period))) else {
            return 2;
        };
        self.push(Token::Period, raw[second].span);
        self.push(raw[second].token.clone(), raw[second].span);
        4
    }

    /// Whether what a query may begin with stands at `i`, and a table, a query or nothing behind it.
    fn begins_listing(&self, raw: &[TokenWithSpan], i: usize) -> bool {
        let is_bare = matches!(next(raw, i), None | Some(Token::RParen | Token::SemiColon));
        if !is_bare && !begins_relation(raw, i) {
            return false;
        }
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        let Some(last) = before.next() else { return self.of_query };
        match (last, keyword_of(last)) {
            (Token::LParen, _) => {
                let Some(opener) = before.next() else { return !is_bare };
                match keyword_of(opener) {
                    Some(Keyword::FROM | Keyword::JOIN | Keyword::AS | Keyword::TABLE) => true,
                    Some(
                        Keyword::IN
                        | Keyword::ANY
                        | Keyword::ALL
                        | Keyword::SOME
                        | Keyword::ARRAY
                        | Keyword::EXCEPT
                        | Keyword::INTERSECT
                        | Keyword::EXISTS
                        | Keyword::SELECT
                        | Keyword::COPY
                        | Keyword::EXPLAIN,
                    ) => !is_bare,
                    Some(_) => false,
                    None => {
                        !is_bare
                            && (matches!(opener, Token::LParen | Token::Comma)
                                || is_arithmetic_or_comparison(opener))
                    }
                }
            }
            (_, Some(Keyword::AS)) => {
                let is_made = matches!(self.created(), Some("view" | "table"));
                is_made && self.levels.len() == 1 && self.levels[0].clause == Clause::Other
            }
            (_, Some(Keyword::TABLE)) => self.is_behind_macro_table(),
            (_, Some(Keyword::EXPLAIN | Keyword::INTERSECT)) => !is_bare,
            (_, Some(Keyword::UNION)) => !is_bare,
            (_, Some(Keyword::ALL)) => {
                let set_operation = before.next().and_then(keyword_of);
                !is_bare
                    && matches!(set_operation, Some(Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT))
            }
            // `INSERT INTO t DESCRIBE u`
            (Token::Word(w), _) => {
                let level = self.levels.last().copied().unwrap_or_default();
                let is_name = w.quote_style.is_some() || w.keyword == Keyword::NoKeyword;
                level.insert && level.clause == Clause::Other && is_name && !is_bare
            }
            (Token::RParen, _) => {
                let level = self.levels.last().copied().unwrap_or_default();
                level.insert && level.clause == Clause::Other && !is_bare
            }
            _ => false,
        }
    }

    /// What the statement makes, if it begins with CREATE: the word for it, in lower case.
    fn created(&self) -> Option<&'static str> {
        const KINDS: &[&str] = &["view", "table", "macro", "function"];
        let mut words = self.out.iter().filter_map(|t| match &t.token {
            Token::Word(w) if w.quote_style.is_none() => Some(w),
            _ => None,
        });
        if words.next()?.keyword != Keyword::CREATE {
            return None;
        }
        // Behind OR REPLACE, TEMPORARY and RECURSIVE.
        words.take(5).find_map(|w| KINDS.iter().copied().find(|kind| w.value.eq_ignore_ascii_case(kind)))
    }

    /// At TABLE of `CREATE MACRO … AS TABLE query`, which is no query itself.
    pub(super) fn is_macro_table(&self) -> bool {
        self.levels.len() == 1
            && self.previous().and_then(keyword_of) == Some(Keyword::AS)
            && matches!(self.created(), Some("macro" | "function"))
    }

    /// Behind TABLE of `CREATE MACRO … AS TABLE query`.
    pub(super) fn is_behind_macro_table(&self) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        self.levels.len() == 1
            && before.next().and_then(keyword_of) == Some(Keyword::TABLE)
            && before.next().and_then(keyword_of) == Some(Keyword::AS)
            && matches!(self.created(), Some("macro" | "function"))
    }

    /// Whether AS or GENERATED follows the name of a column of CREATE TABLE.
    pub(super) fn is_untyped_generated(&self, raw: &[TokenWithSpan], i: usize, word: &Word) -> bool {
        let begins = match word.keyword {
            Keyword::AS => next(raw, i) == Some(&Token::LParen),
            Keyword::GENERATED => word_at(raw, i, 0) == "always",
            _ => false,
        };
        if !begins || self.levels.len() != 2 {
            return false;
        }
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        let mut words = self.out.iter().filter_map(|t| match &t.token {
            Token::Word(w) if w.quote_style.is_none() => Some(w.keyword),
            _ => None,
        });
        matches!(before.next(), Some(Token::Word(_)))
            && matches!(before.next(), Some(Token::LParen | Token::Comma))
            && words.next() == Some(Keyword::CREATE)
            && words.take(5).any(|w| w == Keyword::TABLE)
    }
}
