//! `(42,)`: a tuple of one value, which the grammar takes for the value. It becomes a cast of `(42)` to a type that only
//! means this.

use sqlparser::ast::{DataType, ObjectNamePart};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use super::lookahead::next;
use super::{Clause, Rewriter};
use crate::sql::forms;

/// Brackets around a tuple of one. What nests more deeply is refused in any case.
const LEVELS_MAX: usize = 1_000;

/// Whether a type stands for "as a tuple of one".
pub fn is_one_tuple(ty: &DataType) -> bool {
    let DataType::Custom(name, _) = ty else { return false };
    matches!(&name.0[..], [ObjectNamePart::Identifier(ident)] if forms::is_marker(ident, forms::ONE_TUPLE))
}

impl Rewriter {
    /// Whether the comma `raw[i]` ends a tuple of one: nothing but a bracket follows, no other is in this bracket, and an
    /// expression begins with it. What stands behind a name, VALUES or IN is a list.
    pub(super) fn ends_one_tuple(&self, raw: &[TokenWithSpan], i: usize) -> bool {
        // Each looks back to its bracket, so that those in each other must not be many.
        if next(raw, i) != Some(&Token::RParen) || self.levels.len() > LEVELS_MAX {
            return false;
        }
        let Some(open) = self.open_bracket().filter(|open| self.out[*open].token == Token::LParen) else {
            return false;
        };
        if self.here(open).any(|at| self.out[at].token == Token::Comma) {
            return false;
        }
        const QUERIES: [Keyword; 5] =
            [Keyword::SELECT, Keyword::FROM, Keyword::WITH, Keyword::VALUES, Keyword::TABLE];
        match self.out[open + 1..].iter().map(|t| &t.token).find(|t| !matches!(t, Token::Whitespace(_))) {
            None => return false,
            Some(Token::Word(word)) if QUERIES.contains(&word.keyword) => return false,
            Some(_) => {}
        }
        let mut before = self.out[..open].iter().rev().map(|t| &t.token);
        match before.find(|t| !matches!(t, Token::Whitespace(_))) {
            Some(Token::Comma) => {
                let around = self.levels.len().checked_sub(2).map(|at| self.levels[at]);
                around.is_some_and(|level| level.clause == Clause::Select || level.square)
            }
            Some(Token::Word(Word { keyword, quote_style: None, .. })) => matches!(
                keyword,
                Keyword::SELECT
                    | Keyword::WHERE
                    | Keyword::AND
                    | Keyword::OR
                    | Keyword::NOT
                    | Keyword::WHEN
                    | Keyword::THEN
                    | Keyword::ELSE
            ),
            Some(
                Token::LParen
                | Token::LBracket
                | Token::Eq
                | Token::DoubleEq
                | Token::Neq
                | Token::Lt
                | Token::LtEq
                | Token::Gt
                | Token::GtEq
                | Token::Colon,
            ) => true,
            _ => false,
        }
    }

    /// Behind the bracket that closes a tuple of one.
    pub(super) fn end_of_one_tuple(&mut self, span: Span) {
        self.push(Token::DoubleColon, span);
        self.push_marker(forms::ONE_TUPLE, span);
    }
}
