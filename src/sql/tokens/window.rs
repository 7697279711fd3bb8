//! Words of window functions, which the grammar wants elsewhere: what a frame excludes, how NULL is treated.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use super::Rewriter;
use super::lookahead::{keyword_of, next, nth, taken_with};
use crate::sql::forms;

impl Rewriter {
    /// Whether a bound of a frame may begin here.
    pub(super) fn is_behind_frame_word(&self) -> bool {
        const WORDS: [Keyword; 5] =
            [Keyword::BETWEEN, Keyword::AND, Keyword::RANGE, Keyword::ROWS, Keyword::GROUPS];
        matches!(self.previous(), Some(Token::Word(w)) if WORDS.contains(&w.keyword))
    }

    /// `EXCLUDE …` at the end of a window: puts its marker before the frame and leaves it out here.
    pub(super) fn frame_exclusion(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        const FORMS: [(&[&str], &str); 4] = [
            (&["CURRENT", "ROW"], "EXCLUDE CURRENT ROW"),
            (&["GROUP"], "EXCLUDE GROUP"),
            (&["TIES"], "EXCLUDE TIES"),
            (&["NO", "OTHERS"], "EXCLUDE NO OTHERS"),
        ];
        let behind_frame = |k: Keyword| matches!(k, Keyword::ROW | Keyword::PRECEDING | Keyword::FOLLOWING);
        if !self.previous().and_then(keyword_of).is_some_and(behind_frame) {
            return None;
        }
        let is_form = |(words, _): &&(&[&str], &str)| {
            let is_word = |(n, w): (usize, &&str)| matches!(nth(raw, i, n), Some(Token::Word(t)) if t.value.eq_ignore_ascii_case(w));
            words.iter().enumerate().all(is_word) && nth(raw, i, words.len()) == Some(&Token::RParen)
        };
        let (words, mark) = FORMS.iter().find(is_form)?;
        let open = self.open_bracket()?;
        let is_units = |k| matches!(k, Keyword::ROWS | Keyword::RANGE | Keyword::GROUPS);
        let at = self.here(open).rev().find(|&at| keyword_of(&self.out[at].token).is_some_and(is_units))?;
        let ordered = self.order_by(open).is_some();
        let span = raw[i].span;
        let token = |token| TokenWithSpan::new(token, span);
        let word = |value: &str, quote_style, keyword| {
            token(Token::Word(Word { value: value.into(), quote_style, keyword }))
        };
        let blank = || token(Token::Whitespace(Whitespace::Space));
        let mut tokens = if ordered {
            vec![token(Token::Comma), blank()]
        } else {
            vec![word("ORDER", None, Keyword::ORDER), blank(), word("BY", None, Keyword::BY), blank()]
        };
        tokens.extend([word(mark, Some(forms::MARK), Keyword::NoKeyword), blank()]);
        self.out.splice(at..at, tokens);
        Some(taken_with(raw, i, words.len()))
    }

    /// `IGNORE NULLS` or `RESPECT NULLS` at the end of arguments: moves it before their ORDER BY, and puts a call that it
    /// would seem to belong to in brackets, as in `last_value(f(x) IGNORE NULLS)`.
    pub(super) fn null_treatment(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        let is_end = nth(raw, i, 0).and_then(keyword_of) == Some(Keyword::NULLS)
            && nth(raw, i, 1) == Some(&Token::RParen);
        if !is_end {
            return None;
        }
        let open = self.open_bracket()?;
        let order = self.order_by(open);
        let mut end = order.unwrap_or(self.out.len());
        while matches!(self.out[end - 1].token, Token::Whitespace(_)) {
            end -= 1;
        }
        let span = raw[i].span;
        let token = |token| TokenWithSpan::new(token, span);
        let mut tokens = vec![];
        if self.out[end - 1].token == Token::RParen {
            let begins = |at: &usize| {
                *at < end
                    && (self.out[*at].token == Token::Comma
                        || keyword_of(&self.out[*at].token) == Some(Keyword::DISTINCT))
            };
            let start = self.here(open).rev().find(begins).unwrap_or(open) + 1;
            let blank = matches!(self.out[start].token, Token::Whitespace(_));
            self.out.insert(start + usize::from(blank), token(Token::LParen));
            end += 1;
            tokens.push(token(Token::RParen));
        } else if order.is_none() {
            return None;
        }
        let taken = taken_with(raw, i, 1);
        tokens.push(token(Token::Whitespace(Whitespace::Space)));
        tokens.extend(raw[i..i + taken].iter().cloned());
        self.out.splice(end..end, tokens);
        Some(taken)
    }

    /// The tokens behind an open bracket that are in no further one.
    pub(super) fn here(&self, open: usize) -> std::vec::IntoIter<usize> {
        let mut depth = 0;
        let mut places = vec![];
        for (at, t) in self.out.iter().enumerate().skip(open + 1) {
            match t.token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
                _ if depth == 0 => places.push(at),
                _ => {}
            }
        }
        places.into_iter()
    }

    /// Where the ORDER BY within an open bracket lies.
    pub(super) fn order_by(&self, open: usize) -> Option<usize> {
        self.here(open).find(|&at| {
            keyword_of(&self.out[at].token) == Some(Keyword::ORDER)
                && next(&self.out, at).and_then(keyword_of) == Some(Keyword::BY)
        })
    }
}
