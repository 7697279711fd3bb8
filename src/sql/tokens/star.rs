//! What stands behind a star, and columns that are unpacked.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lookahead::{next_index, nth, word_at};
use super::{Clause, Rewriter, STAR_PATTERN};

impl Rewriter {
    /// Behind the `*` of a select list.
    pub(super) fn is_behind_star(&mut self) -> bool {
        if self.level().clause != Clause::Select {
            return false;
        }
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        before.next() == Some(&Token::Mul)
            && match before.next() {
                Some(Token::Comma | Token::Period) => true,
                Some(Token::Word(w)) => {
                    matches!(w.keyword, Keyword::SELECT | Keyword::DISTINCT | Keyword::ALL)
                }
                _ => false,
            }
    }

    /// `* [NOT] LIKE 'pattern'` and the like become the one of them that the grammar has.
    pub(super) fn star_pattern(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        let mut at = i;
        let mut operator = vec![];
        while let Token::Word(w) = &raw[at].token {
            operator.push(w.value.to_lowercase());
            at = next_index(raw, at, 0)?;
        }
        let Token::SingleQuotedString(pattern) = &raw[at].token else { return None };
        let operator = operator.join(" ");
        const KNOWN: &[&str] =
            &["like", "not like", "ilike", "not ilike", "glob", "not glob", "similar to", "not similar to"];
        if !KNOWN.contains(&operator.as_str()) {
            return None;
        }
        self.push_word("ILIKE", Keyword::ILIKE, raw[i].span);
        self.push(Token::SingleQuotedString(format!("{operator}{STAR_PATTERN}{pattern}")), raw[at].span);
        Some(at - i + 1)
    }

    /// `*COLUMNS(` that is no multiplication.
    pub(super) fn is_unpacked_columns(&self, raw: &[TokenWithSpan], i: usize) -> bool {
        word_at(raw, i, 0) == "columns" && nth(raw, i, 1) == Some(&Token::LParen) && !self.is_behind_operand()
    }
}
