//! What the tokens that were taken last say of where the next one stands.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lookahead::{is_arithmetic_or_comparison, keyword_of, next, nth, word_at};
use super::{Clause, Rewriter};

impl Rewriter {
    /// Whether the last tokens are a name and a bracket: the arguments of a call begin here.
    pub(super) fn begins_arguments(&self) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        before.next() == Some(&Token::LParen)
            && matches!(
                before.next(),
                Some(Token::Word(w))
                    if !matches!(w.keyword, Keyword::OVER | Keyword::AS | Keyword::GROUP) || w.quote_style.is_some()
            )
    }

    /// Whether a type must follow: behind `::`, a plain name, or AS in a cast or CREATE TYPE.
    pub(super) fn is_behind_type_word(&self) -> bool {
        let is_cast = || {
            let mut depth = 0_usize;
            let mut before = self.out.iter().rev().map(|t| &t.token);
            let open = before.by_ref().any(|t| match t {
                Token::RParen => {
                    depth += 1;
                    false
                }
                Token::LParen if depth == 0 => true,
                Token::LParen => {
                    depth -= 1;
                    false
                }
                _ => false,
            });
            let mut words = self.out.iter().map(|t| &t.token).filter_map(keyword_of);
            if open {
                let call = before.find(|t| !matches!(t, Token::Whitespace(_)));
                matches!(call, Some(Token::Word(w)) if matches!(w.keyword, Keyword::CAST | Keyword::TRY_CAST))
            } else {
                words.next() == Some(Keyword::CREATE) && words.any(|w| w == Keyword::TYPE)
            }
        };
        match self.previous() {
            Some(Token::DoubleColon) => true,
            Some(Token::Word(w)) if w.keyword == Keyword::AS && w.quote_style.is_none() => is_cast(),
            Some(Token::Word(w)) => {
                w.quote_style == Some('"')
                    || matches!(
                        w.keyword,
                        Keyword::NoKeyword
                            | Keyword::KEY
                            | Keyword::NAME
                            | Keyword::VALUE
                            | Keyword::DATA
                            | Keyword::TYPE
                    )
            }
            _ => false,
        }
    }

    /// Whether the last tokens are `trim`, a bracket and a word.
    pub(super) fn is_trim(&self) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_))).skip(1);
        before.next() == Some(&Token::LParen)
            && matches!(before.next(), Some(Token::Word(w)) if w.keyword == Keyword::TRIM)
    }

    /// Where the bracket that is open here lies in the output.
    pub(super) fn open_bracket(&self) -> Option<usize> {
        self.open_bracket_within(usize::MAX)
    }

    /// The same, if it is among the last so many tokens.
    fn open_bracket_within(&self, tokens: usize) -> Option<usize> {
        let mut depth = 0;
        let before = self.out.len().saturating_sub(tokens);
        let at = self.out[before..].iter().rposition(|t| {
            match t.token {
                Token::RParen | Token::RBracket | Token::RBrace => depth += 1,
                Token::LParen | Token::LBracket | Token::LBrace => depth -= 1,
                _ => {}
            }
            depth < 0
        });
        at.map(|at| before + at)
    }

    /// Behind `AS` or `AS NOT`.
    pub(super) fn is_behind_as(&self) -> bool {
        let mut words = self.out.iter().rev().map(|t| &t.token);
        let mut words = words.by_ref().filter(|t| !matches!(t, Token::Whitespace(_)));
        let is = |t: Option<&Token>, k: Keyword| matches!(t, Some(Token::Word(w)) if w.keyword == k);
        let last = words.next();
        is(last, Keyword::AS) || is(last, Keyword::NOT) && is(words.next(), Keyword::AS)
    }

    /// At `i` is INTERVAL, but neither of a constant nor a type: a column has that name.
    pub(super) fn is_column_called_interval(&self, raw: &[TokenWithSpan], i: usize) -> bool {
        use Keyword as K;
        const BEFORE: &[K] = &[
            K::SELECT,
            K::DISTINCT,
            K::WHERE,
            K::AND,
            K::OR,
            K::NOT,
            K::ON,
            K::BY,
            K::HAVING,
            K::CASE,
            K::WHEN,
            K::THEN,
            K::ELSE,
            K::BETWEEN,
            K::SET,
            K::RETURNING,
            K::QUALIFY,
        ];
        const BEHIND: &[K] = &[
            K::FROM,
            K::AS,
            K::WHERE,
            K::GROUP,
            K::HAVING,
            K::ORDER,
            K::LIMIT,
            K::OFFSET,
            K::UNION,
            K::IS,
            K::IN,
            K::NOT,
            K::BETWEEN,
            K::AND,
            K::OR,
            K::ASC,
            K::DESC,
            K::NULLS,
            K::THEN,
            K::ELSE,
            K::END,
            K::WHEN,
        ];
        let ends = match next(raw, i) {
            None
            | Some(Token::Comma | Token::RParen | Token::RBracket | Token::SemiColon | Token::DoubleColon) => {
                true
            }
            // `INTERVAL -1 DAY` is a constant.
            Some(Token::Minus) => {
                !matches!((nth(raw, i, 1), nth(raw, i, 2)), (Some(Token::Number(..)), Some(Token::Word(_))))
            }
            Some(Token::Word(w)) => BEHIND.contains(&w.keyword),
            Some(other) => is_arithmetic_or_comparison(other),
        };
        ends && match self.previous() {
            None => false,
            Some(Token::Comma | Token::LParen | Token::LBracket) => !self.is_in_arguments_of_type(),
            Some(before) => {
                is_arithmetic_or_comparison(before)
                    || keyword_of(before).is_some_and(|keyword| BEFORE.contains(&keyword))
            }
        }
    }

    /// Within the parentheses of a type that has types as arguments: `MAP(VARCHAR, …`.
    fn is_in_arguments_of_type(&self) -> bool {
        // A list of columns may be long, and each would look back to its bracket.
        const TYPE_TOKENS_MAX: usize = 256;
        let Some(open) = self.open_bracket_within(TYPE_TOKENS_MAX) else { return false };
        let mut before = self.out[..open].iter().rev().map(|t| &t.token);
        let word = before.find(|t| !matches!(t, Token::Whitespace(_)));
        let types = ["map", "struct", "row", "union", "tuple"];
        matches!(word, Some(Token::Word(w)) if types.iter().any(|ty| w.value.eq_ignore_ascii_case(ty)))
    }

    /// Behind INTERVAL and its number: `INTERVAL 2`, `INTERVAL (a + 1)`.
    pub(super) fn is_behind_interval(&self) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        if before.next() == Some(&Token::RParen) {
            let mut depth = 1_usize;
            let _open = before.by_ref().find(|t| {
                match t {
                    Token::RParen => depth += 1,
                    Token::LParen => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
        }
        before.next().and_then(keyword_of) == Some(Keyword::INTERVAL)
    }

    /// `GROUP BY *` and `ORDER BY *`.
    pub(super) fn is_by_all(&self, raw: &[TokenWithSpan], i: usize) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        let mut is = |keywords: &[Keyword]| matches!(before.next(), Some(Token::Word(w)) if keywords.contains(&w.keyword));
        is(&[Keyword::BY])
            && is(&[Keyword::GROUP, Keyword::ORDER])
            && !matches!(next(raw, i), Some(Token::LParen | Token::Number(..)))
    }

    /// No comma follows the key of ORDER BY at `i`, but perhaps what is said of its order.
    pub(super) fn is_only_key(&self, raw: &[TokenWithSpan], i: usize) -> bool {
        let options = ["asc", "desc", "nulls", "first", "last"];
        let behind = (0..).find(|n| !options.contains(&word_at(raw, i, *n).as_str()));
        behind.is_none_or(|n| nth(raw, i, n) != Some(&Token::Comma))
    }

    /// The last word but one is GROUP.
    pub(super) fn is_behind_group_by(&self) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        before.nth(1).and_then(keyword_of) == Some(Keyword::GROUP)
    }

    /// The `%` behind LIMIT, unless it has a right side.
    pub(super) fn is_percent_of_limit(&mut self, raw: &[TokenWithSpan], i: usize) -> bool {
        self.level().clause == Clause::Limit
            && match next(raw, i) {
                None | Some(Token::RParen | Token::SemiColon | Token::EOF) => true,
                Some(Token::Word(w)) => matches!(w.keyword, Keyword::OFFSET),
                _ => false,
            }
    }

    /// `x IN list`, where no parenthesis follows.
    pub(super) fn is_in_without_list(&mut self, raw: &[TokenWithSpan], i: usize) -> bool {
        let level = *self.level();
        if next(raw, i) == Some(&Token::LParen)
            || level.comprehension
            || level.pivot.is_some()
            || level.opener == Some(Keyword::POSITION)
        {
            return false;
        }
        let is_operand = match next(raw, i) {
            Some(Token::LBracket) => true,
            Some(Token::Word(w)) => {
                w.quote_style.is_some()
                    || !sqlparser::keywords::RESERVED_FOR_COLUMN_ALIAS.contains(&w.keyword)
            }
            Some(Token::SingleQuotedString(_) | Token::Placeholder(_)) => true,
            _ => false,
        };
        is_operand
            && (self.is_behind_operand()
                || matches!(self.previous(), Some(Token::Word(w)) if w.keyword == Keyword::NOT))
    }

    pub(super) fn previous(&self) -> Option<&Token> {
        self.out.iter().rev().map(|t| &t.token).find(|t| !matches!(t, Token::Whitespace(_)))
    }

    /// Whether a FROM here begins a query rather than being a clause of one, or part of a function.
    pub(super) fn is_start_of_query(&self) -> bool {
        let level = self.levels.last().copied().unwrap_or_default();
        if level.in_select_list {
            return false;
        }
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        let last = before.next();
        let earlier = before.next();
        match last {
            None | Some(Token::LParen | Token::SemiColon) => true,
            Some(Token::RParen) => true,
            // The last part of a name is no word of its own: `o.name FROM t`.
            Some(Token::Word(w)) if w.quote_style.is_none() && earlier != Some(&Token::Period) => {
                match w.keyword {
                    Keyword::UNION
                    | Keyword::ALL
                    | Keyword::EXCEPT
                    | Keyword::INTERSECT
                    | Keyword::AS
                    | Keyword::EXPLAIN
                    | Keyword::ANALYZE
                    | Keyword::DESCRIBE
                    | Keyword::DESC => true,
                    // UNION BY NAME
                    Keyword::NAME => earlier.and_then(keyword_of) == Some(Keyword::BY) || level.insert,
                    Keyword::TABLE => self.is_behind_macro_table(),
                    _ => w.value.eq_ignore_ascii_case("summarize") || level.insert,
                }
            }
            _ => level.insert,
        }
    }

    /// Whether what was taken last can be the left side of an operator.
    pub(super) fn is_behind_operand(&self) -> bool {
        match self.previous() {
            Some(Token::Word(w)) => {
                w.quote_style.is_some()
                    || !sqlparser::keywords::RESERVED_FOR_COLUMN_ALIAS.contains(&w.keyword)
                        && !matches!(w.keyword, Keyword::JOIN | Keyword::BY | Keyword::NOT | Keyword::ON)
            }
            Some(Token::Number(..) | Token::SingleQuotedString(_)) => true,
            Some(Token::RParen | Token::RBracket) => true,
            _ => false,
        }
    }
}
