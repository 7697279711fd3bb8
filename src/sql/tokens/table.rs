//! Words around the tables of FROM: kinds of joins, LATEST ON, aliases in front.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use super::lookahead::{end_of_table, keyword_of, next, next_index, nth, taken_with, word_at};
use super::{Clause, Rewriter};
use crate::sql::forms;

/// A JOIN whose condition has not come yet.
struct OpenJoin {
    /// Where its word is.
    at: usize,
    /// Another one began behind it.
    has_inner: bool,
}

impl Rewriter {
    /// `a JOIN b JOIN c ON x ON y`, whose conditions come after both joins, becomes `a JOIN (b JOIN c ON x) ON y`.
    pub(super) fn nested_joins(&mut self, raw: &[TokenWithSpan], from: usize) {
        let mut depth = 0_usize;
        let mut open: Vec<OpenJoin> = vec![];
        for (at, token) in raw.iter().enumerate().skip(from + 1) {
            match &token.token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace if depth == 0 => return,
                Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
                Token::SemiColon => return,
                Token::Comma if depth == 0 => open.clear(),
                Token::Word(word) if depth == 0 && word.quote_style.is_none() => match word.keyword {
                    Keyword::JOIN if has_condition(&raw[from..at]) => {
                        if let Some(outer) = open.last_mut() {
                            outer.has_inner = true;
                        }
                        open.push(OpenJoin { at, has_inner: false });
                    }
                    Keyword::ON | Keyword::USING if word_at(raw, at, 0) != "sample" => {
                        if let Some(OpenJoin { at: start, has_inner: true }) = open.pop() {
                            self.brackets.push((start + 1, true));
                            self.brackets.push((at, false));
                        }
                    }
                    Keyword::WHERE
                    | Keyword::GROUP
                    | Keyword::HAVING
                    | Keyword::ORDER
                    | Keyword::LIMIT
                    | Keyword::UNION
                    | Keyword::EXCEPT
                    | Keyword::INTERSECT
                    | Keyword::QUALIFY
                    | Keyword::WINDOW
                    | Keyword::SELECT => return,
                    _ => {}
                },
                _ => {}
            }
        }
    }

    /// Puts the brackets that stand before token `i`.
    pub(super) fn put_brackets(&mut self, raw: &[TokenWithSpan], i: usize) {
        while let Some(found) = self.brackets.iter().position(|(at, _)| *at == i) {
            let (_, opens) = self.brackets.remove(found);
            let Some(span) = raw.get(i).map(|t| t.span) else { return };
            if opens {
                self.open(false);
                self.level().clause = Clause::From;
                self.push(Token::LParen, span);
            } else {
                self.run -= self.level().run;
                self.levels.pop();
                self.push(Token::RParen, span);
            }
        }
    }

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

    /// `t AS OF snapshot`, `t FOR SYSTEM_TIME AS OF snapshot` or `t AT (SNAPSHOT => snapshot)` becomes the table of that name
    /// in the database that the snapshot is, marked.
    pub(super) fn as_of(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> Option<usize> {
        if self.level().clause != Clause::From {
            return None;
        }
        let words = |expected: &[&str]| expected.iter().enumerate().all(|(n, w)| word_at(raw, i, n) == *w);
        let named = matches!(word_at(raw, i, 1).as_str(), "snapshot" | "version");
        // How many tokens lie before the name, and how many in all.
        let (before, all) = match word.keyword {
            Keyword::AS if words(&["of"]) => (1, 2),
            Keyword::FOR if words(&["system_time", "as", "of"]) => (3, 4),
            _ if word.value.eq_ignore_ascii_case("at")
                && named
                && next(raw, i) == Some(&Token::LParen)
                && nth(raw, i, 2) == Some(&Token::RArrow)
                && nth(raw, i, 4) == Some(&Token::RParen) =>
            {
                (3, 5)
            }
            _ => return None,
        };
        let name = match nth(raw, i, before)? {
            Token::Word(w)
                if w.quote_style.is_some()
                    || !sqlparser::keywords::RESERVED_FOR_TABLE_ALIAS.contains(&w.keyword) =>
            {
                w.value.clone()
            }
            Token::SingleQuotedString(text) => text.clone(),
            _ => return None,
        };
        // The table's name is what was put out last: words with dots between.
        let visible = |end: usize| {
            self.out[..end].iter().rposition(|token| !matches!(token.token, Token::Whitespace(_)))
        };
        let is_word = |at: usize| matches!(&self.out[at].token, Token::Word(w) if w.quote_style.is_some() || w.keyword != Keyword::FROM);
        let mut start = visible(self.out.len()).filter(|at| is_word(*at))?;
        while let Some(word) = visible(start)
            .filter(|dot| self.out[*dot].token == Token::Period)
            .and_then(visible)
            .filter(|at| is_word(*at))
        {
            start = word;
        }
        let span = raw[next_index(raw, i, before)?].span;
        let mark = [Token::Word(Word { value: name, ..forms::marker("") }), Token::Period];
        self.out.splice(start..start, mark.map(|token| TokenWithSpan::new(token, span)));
        Some(taken_with(raw, i, all))
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
        // Each lies where the whole clause does, so that the text of a view does not end before it.
        let taken = taken_with(raw, i, n);
        let whole = span.union(&raw[i + taken - 1].span);
        for token in out {
            self.push(token, whole);
        }
        Some(taken)
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

/// Whether the JOIN behind these tokens takes a condition.
fn has_condition(before: &[TokenWithSpan]) -> bool {
    let words = before.iter().rev().filter(|t| !matches!(t.token, Token::Whitespace(_))).map_while(|t| {
        let word = keyword_of(&t.token)?;
        let is_positional = matches!(&t.token, Token::Word(w) if w.value.eq_ignore_ascii_case("positional"));
        let belongs = matches!(
            word,
            Keyword::INNER
                | Keyword::LEFT
                | Keyword::RIGHT
                | Keyword::FULL
                | Keyword::OUTER
                | Keyword::SEMI
                | Keyword::ANTI
                | Keyword::ASOF
                | Keyword::CROSS
                | Keyword::NATURAL
        );
        (belongs || is_positional).then_some((word, is_positional))
    });
    !words.into_iter().any(|(w, positional)| positional || matches!(w, Keyword::CROSS | Keyword::NATURAL))
}
