//! PIVOT and UNPIVOT: of a table in FROM, and as a statement.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace};

use super::Rewriter;
use super::lookahead::{begins_relation, next_index, word_at};
use crate::sql::forms;

impl Rewriter {
    /// PIVOT or UNPIVOT behind a table: what stands in its parentheses becomes one marked expression.
    pub(super) fn pivot_of_table(
        &mut self,
        raw: &[TokenWithSpan],
        i: usize,
        is_pivot: bool,
    ) -> Option<usize> {
        let span = raw[i].span;
        let mut at = next_index(raw, i, 0)?;
        let mut include = false;
        if !is_pivot && matches!(word_at(raw, i, 0).as_str(), "include" | "exclude") {
            include = word_at(raw, i, 0) == "include";
            at = next_index(raw, i, 2)?;
        }
        if raw[at].token != Token::LParen {
            return None;
        }
        self.out.push(raw[i].clone());
        self.push(Token::Whitespace(Whitespace::Space), span);
        if include {
            self.push_word("INCLUDE", Keyword::INCLUDE, span);
            self.push_word("NULLS", Keyword::NULLS, span);
        }
        self.open(false);
        self.level().pivot = Some(is_pivot);
        self.push(Token::LParen, span);
        if is_pivot {
            self.push_word("pivot", Keyword::NoKeyword, span);
            self.push(Token::LParen, span);
        }
        self.push_marker(if is_pivot { forms::PIVOT_BODY } else { forms::UNPIVOT_BODY }, span);
        Some(at - i + 1)
    }

    /// Before the parenthesis that ends a PIVOT behind a table: what the grammar wants to see there.
    pub(super) fn end_of_pivot(&mut self, is_pivot: bool, span: Span) {
        if is_pivot {
            self.push(Token::RParen, span);
        }
        self.push(Token::Whitespace(Whitespace::Space), span);
        self.push_word("FOR", Keyword::FOR, span);
        self.push_word("x", Keyword::NoKeyword, span);
        self.push_word("IN", Keyword::IN, span);
        self.push(Token::LParen, span);
        self.push_word("x", Keyword::NoKeyword, span);
        self.push(Token::RParen, span);
    }

    /// PIVOT or UNPIVOT where a query may begin.
    pub(super) fn is_pivot_statement(&self, raw: &[TokenWithSpan], i: usize) -> bool {
        begins_relation(raw, i) && self.is_start_of_query()
    }
}
