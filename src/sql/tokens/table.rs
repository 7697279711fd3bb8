//! Words around the tables of FROM: kinds of joins, LATEST ON, aliases in front.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use super::lookahead::{end_of_table, keyword_of, next, next_index, nth, taken_with, word_at};
use super::{Clause, Rewriter};
use crate::sql::forms;

impl Rewriter {
    /// `ASOF … JOIN` and `POSITIONAL JOIN`, in words that the grammar has for other joins; those words themselves
    /// become plain names.
    pub(super) fn join_word(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> Option<usize> {
        let span = raw[i].span;
        let joins = |k| {
            matches!(
                k,
                Keyword::JOIN
                    | Keyword::INNER
                    | Keyword::LEFT
                    | Keyword::RIGHT
                    | Keyword::FULL
                    | Keyword::SEMI
                    | Keyword::ANTI
            )
        };
        let before_join = next(raw, i).and_then(keyword_of).is_some_and(joins);
        let (keyword, taken) = match word.keyword {
            Keyword::ASOF if before_join => (Keyword::GLOBAL, 1),
            _ if word.value.eq_ignore_ascii_case("positional")
                && next(raw, i).and_then(keyword_of) == Some(Keyword::JOIN) =>
            {
                (Keyword::STRAIGHT_JOIN, taken_with(raw, i, 1))
            }
            Keyword::GLOBAL if before_join => (Keyword::NoKeyword, 1),
            Keyword::STRAIGHT_JOIN => (Keyword::NoKeyword, 1),
            _ => return None,
        };
        self.out.push(TokenWithSpan::new(Token::Word(Word { keyword, ..word.clone() }), span));
        Some(taken)
    }

    /// `LATEST ON t PARTITION BY a, b` becomes `QUALIFY row_number() OVER (PARTITION BY a, b ORDER BY t DESC) = 1`.
    pub(super) fn latest_on(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        let span = raw[i].span;
        let is_end = |t: &Token| {
            matches!(t, Token::RParen | Token::SemiColon | Token::EOF)
                || matches!(t, Token::Word(w) if w.quote_style.is_none() && matches!(w.keyword,
                    Keyword::ORDER | Keyword::LIMIT | Keyword::OFFSET | Keyword::UNION | Keyword::EXCEPT
                    | Keyword::INTERSECT | Keyword::GROUP | Keyword::HAVING | Keyword::WINDOW | Keyword::QUALIFY))
        };
        // Names alone, with dots and commas between.
        let is_name = |t: &Token| matches!(t, Token::Word(_) | Token::Period | Token::Comma);
        let mut parts: [Vec<Token>; 2] = [vec![], vec![]];
        let mut n = 1;
        while word_at(raw, i, n) != "partition" {
            parts[0].push(nth(raw, i, n).filter(|t| is_name(t) && !is_end(t))?.clone());
            n += 1;
        }
        if word_at(raw, i, n + 1) != "by" {
            return None;
        }
        n += 2;
        while let Some(token) = nth(raw, i, n).filter(|t| !is_end(t)) {
            parts[1].push(Some(token).filter(|t| is_name(t))?.clone());
            n += 1;
        }
        let [time, keys] = parts;
        if time.is_empty() || keys.is_empty() || self.level().qualify {
            return None;
        }
        self.end_of_from(span);
        let level = self.level();
        (level.qualify, level.clause) = (true, Clause::Other);
        let blank = || Token::Whitespace(Whitespace::Space);
        let word = |name: &str| Token::make_keyword(name);
        let mut out =
            vec![word("QUALIFY"), blank(), word("row_number"), Token::LParen, Token::RParen, blank()];
        out.extend([word("OVER"), blank(), Token::LParen, word("PARTITION"), blank(), word("BY"), blank()]);
        out.extend(keys);
        out.extend([blank(), word("ORDER"), blank(), word("BY"), blank()]);
        out.extend(time);
        out.extend([blank(), word("DESC"), Token::RParen, blank(), Token::Eq, blank()]);
        out.extend([Token::Number("1".into(), false), blank()]);
        for token in out {
            self.push(token, span);
        }
        Some(taken_with(raw, i, n))
    }

    /// A name and a colon where an item of the select list or a table begins.
    pub(super) fn is_prefix_alias(&mut self, raw: &[TokenWithSpan], i: usize) -> bool {
        let clause = self.level().clause;
        let begins = match self.previous() {
            Some(Token::Comma) => true,
            Some(Token::Word(w)) if clause == Clause::Select => {
                matches!(w.keyword, Keyword::SELECT | Keyword::DISTINCT | Keyword::ALL)
            }
            Some(Token::Word(w)) => matches!(w.keyword, Keyword::FROM | Keyword::JOIN),
            _ => false,
        };
        begins && matches!(clause, Clause::Select | Clause::From) && next(raw, i) == Some(&Token::Colon)
    }

    pub(super) fn prefix_alias(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> usize {
        let taken = next_index(raw, i, 0).map_or(1, |at| at - i + 1);
        if self.level().clause == Clause::Select {
            self.push_marker(&format!("{}{}", forms::ALIAS, word.value), raw[i].span);
        } else {
            let quoted = Word { quote_style: Some('"'), ..word.clone() };
            let alias = TokenWithSpan::new(Token::Word(quoted), raw[i].span);
            self.aliases.push((end_of_table(raw, i + taken), alias));
        }
        taken
    }
}
