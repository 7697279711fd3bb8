//! `USING KEY (a, max(b))`: what the grammar takes for further names of columns.

use sqlparser::ast::Ident;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::Rewriter;
use crate::sql::forms;

/// What a word begins with that stands for an aggregate.
const AGGREGATE: &str = "using key: ";

/// The text of the aggregate that a name in the list stands for.
pub fn keyed_aggregate(ident: &Ident) -> Option<&str> {
    if ident.quote_style == Some(forms::MARK) { ident.value.strip_prefix(AGGREGATE) } else { None }
}

impl Rewriter {
    /// Takes the list behind the bracket `raw[open]`, each aggregate as one word with its text. Yields how many tokens lie
    /// before the bracket that closes it.
    pub(super) fn using_key(&mut self, raw: &[TokenWithSpan], open: usize, span: Span) -> usize {
        self.push_marker(forms::USING_KEY, span);
        let (mut depth, mut at, mut item) = (0_usize, open + 1, open + 1);
        while let Some(token) = raw.get(at) {
            let is_end = match token.token {
                Token::LParen => {
                    depth += 1;
                    false
                }
                Token::RParen if depth > 0 => {
                    depth -= 1;
                    false
                }
                Token::RParen => true,
                Token::Comma => depth == 0,
                _ => false,
            };
            if is_end {
                self.key_item(&raw[item..at], span);
                item = at + 1;
            }
            if is_end && token.token == Token::RParen {
                break;
            }
            at += 1;
        }
        at - open
    }

    fn key_item(&mut self, item: &[TokenWithSpan], span: Span) {
        let words: Vec<&TokenWithSpan> =
            item.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
        self.push(Token::Comma, span);
        match &words[..] {
            [] => {}
            [name] => self.out.push((*name).clone()),
            [first, ..] => {
                let text: String = item.iter().map(|t| t.token.to_string()).collect();
                self.push_marker(&format!("{AGGREGATE}{}", text.trim()), first.span);
            }
        }
    }
}
