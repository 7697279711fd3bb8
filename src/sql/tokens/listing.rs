//! DESCRIBE, SUMMARIZE and SHOW as tables, and generated columns without a type.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::Rewriter;
use super::lookahead::{next, taken_with, word_at};
use crate::sql::forms;

impl Rewriter {
    /// `(DESCRIBE t)`, `(SUMMARIZE t)` and `(SHOW TABLES)` where a table or the query of a CTE stands.
    pub(super) fn listing(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> Option<usize> {
        let name = word.value.to_lowercase();
        if !matches!(name.as_str(), "describe" | "desc" | "summarize" | "show") || !self.begins_table() {
            return None;
        }
        if !matches!(next(raw, i), Some(Token::Word(_) | Token::LParen | Token::SingleQuotedString(_))) {
            return None;
        }
        let span = raw[i].span;
        let words = (word_at(raw, i, 0), word_at(raw, i, 1));
        let fixed = match (name.as_str(), words.0.as_str(), words.1.as_str()) {
            ("show", "tables", _) => Some((forms::SHOWN_TABLES, 1)),
            ("show" | "describe", "all", "tables") => Some((forms::SHOWN_ALL_TABLES, 2)),
            _ => None,
        };
        self.push_word("FROM", Keyword::FROM, span);
        if let Some((marker, words)) = fixed {
            self.push_marker(marker, span);
            self.push(Token::LParen, span);
            self.push(Token::RParen, span);
            return Some(taken_with(raw, i, words));
        }
        self.push_marker(if name == "summarize" { forms::SUMMARIZED } else { forms::DESCRIBED }, span);
        for _ in 0..2 {
            self.open(false);
            self.push(Token::LParen, span);
        }
        self.level().closes = 2;
        if !matches!(words.0.as_str(), "select" | "from" | "with" | "values") {
            self.push_word("FROM", Keyword::FROM, span);
        }
        Some(1)
    }

    /// Whether the last token is a bracket in which a table or the query of a CTE stands.
    fn begins_table(&self) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        before.next() == Some(&Token::LParen)
            && match before.next() {
                Some(Token::Word(w)) => {
                    w.quote_style.is_none()
                        && matches!(w.keyword, Keyword::FROM | Keyword::JOIN | Keyword::AS)
                }
                _ => false,
            }
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
