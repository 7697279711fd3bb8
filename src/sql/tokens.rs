//! Forms that the grammar of `sqlparser` lacks, rewritten in the token stream into forms that it has.
//! Every token keeps its place in the text, so errors still point where the user looks.
//!
//! * `FROM t WHERE …` without SELECT becomes `FROM t SELECT * WHERE …`;
//! * `EVERY 5m` becomes `CLUSTER BY <marker> 5m`, whose marker [`crate::sql::fluxql`] parses: that clause
//!   stands where EVERY may stand (behind GROUP BY, before HAVING), and nothing else uses it;
//! * `EXCLUDE …` of a window's frame becomes the last key of the window's order, as a marker ([`exclusion`]);
//! * `f(x ORDER BY y IGNORE NULLS)` becomes `f(x IGNORE NULLS ORDER BY y)`;
//! * `^`, `**`, `^@`, `&&` and `GLOB` become custom operators;
//! * `b'0101'` becomes one token;
//! * `[:-:2]` becomes `[:NULL:2]`.

use sqlparser::ast::Ident;
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use crate::sql::error::Result;
use crate::sql::fluxql;

/// The operator that `**` becomes; `^`, which means the same, becomes `^`.
pub const POWER: &str = "**";
/// The operator that `GLOB` becomes.
pub const GLOB: &str = "GLOB";
/// The operator that `^@` becomes.
pub const STARTS_WITH: &str = "^@";
/// The operator that `&&` becomes.
pub const OVERLAPS: &str = "&&";

/// The rows that a frame leaves out, if this is the marker that stands for `EXCLUDE …`: the words behind it.
pub fn exclusion(ident: &Ident) -> Option<&str> {
    if ident.quote_style == Some(fluxql::MARK) { ident.value.strip_prefix("EXCLUDE ") } else { None }
}

/// The tokens of a statement, and how deep their syntax can get.
#[derive(Debug)]
pub struct Tokens {
    /// The tokens.
    pub tokens: Vec<TokenWithSpan>,
    /// The most tokens that can be nested in each other: those between two commas, and those around the
    /// brackets they are in. `1 + 1 + …` is a tree as deep as it is long; a list is not.
    pub run: usize,
    /// How deeply brackets are nested.
    pub depth: usize,
}

/// What is known of a query at one level of brackets.
#[derive(Default, Clone, Copy)]
struct Level {
    /// SELECT was seen, and its FROM was not.
    in_select_list: bool,
    /// A FROM began the query, and its SELECT was not seen.
    from_first: bool,
    /// It began with INSERT.
    insert: bool,
    /// It is within square brackets.
    square: bool,
    /// Tokens since the last comma.
    run: usize,
}

/// Cuts a statement into tokens and rewrites them.
pub fn tokenize(dialect: &dyn Dialect, sql: &str) -> Result<Tokens> {
    let raw = Tokenizer::new(dialect, sql).tokenize_with_location()?;
    let mut rewriter = Rewriter {
        out: Vec::with_capacity(raw.len() + 8),
        levels: vec![Level::default()],
        depth: 1,
        run: 0,
        run_max: 0,
    };
    let mut i = 0;
    while i < raw.len() {
        i += rewriter.take(&raw, i);
    }
    Ok(Tokens { tokens: rewriter.out, run: rewriter.run_max, depth: rewriter.depth })
}

struct Rewriter {
    out: Vec<TokenWithSpan>,
    levels: Vec<Level>,
    depth: usize,
    /// Sum of the levels' runs, and the most it has been.
    run: usize,
    run_max: usize,
}

impl Rewriter {
    /// Takes the token at `i`; returns how many were taken.
    fn take(&mut self, raw: &[TokenWithSpan], i: usize) -> usize {
        let token = &raw[i];
        let is = |n: usize, t: &Token| raw.get(i + n).is_some_and(|x| x.token == *t);
        if matches!(token.token, Token::Whitespace(_)) {
            self.out.push(token.clone());
            return 1;
        }
        self.level().run += 1;
        self.run += 1;
        self.run_max = self.run_max.max(self.run);
        let mut taken = 1;
        let mut custom = |op: &str, length: usize| {
            taken = length;
            Token::CustomBinaryOperator(op.into())
        };
        let replaced = match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                let square = token.token == Token::LBracket;
                self.levels.push(Level { square, ..Level::default() });
                self.depth = self.depth.max(self.levels.len());
                token.token.clone()
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                if self.levels.len() > 1 {
                    self.run -= self.level().run;
                    self.levels.pop();
                }
                token.token.clone()
            }
            Token::Comma | Token::SemiColon => {
                self.run -= std::mem::take(&mut self.level().run);
                token.token.clone()
            }
            // `[a:b:step]`, where `-` is a bound left out and `:2` looks like a parameter.
            Token::Placeholder(name) if self.level().square && name.starts_with(':') => {
                let bound = &name[1..];
                self.out.push(TokenWithSpan::new(Token::Colon, token.span));
                let bound = match bound.bytes().all(|b| b.is_ascii_digit()) {
                    true => Token::Number(bound.into(), false),
                    false => Token::make_word(bound, None),
                };
                self.out.push(TokenWithSpan::new(bound, token.span));
                return 1;
            }
            Token::Minus
                if self.level().square
                    && matches!(self.previous(), Some(Token::LBracket | Token::Colon))
                    && matches!(
                        next(raw, i),
                        Some(Token::Colon | Token::DoubleColon | Token::RBracket | Token::Placeholder(_))
                    ) =>
            {
                Token::make_keyword("NULL")
            }
            Token::Caret if is(1, &Token::AtSign) => custom(STARTS_WITH, 2),
            Token::CaretAt => custom(STARTS_WITH, 1),
            Token::Caret => custom("^", 1),
            Token::Overlap => custom(OVERLAPS, 1),
            Token::Mul if is(1, &Token::Mul) && self.is_behind_operand() => custom(POWER, 2),
            Token::Word(word) if word.quote_style.is_none() => return self.word(raw, i, word),
            other => other.clone(),
        };
        self.out.push(TokenWithSpan::new(replaced, token.span));
        taken
    }

    fn word(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> usize {
        let token = &raw[i];
        // A bit string, `b'0101'`.
        if word.value.eq_ignore_ascii_case("b")
            && let Some(Token::SingleQuotedString(bits)) = raw.get(i + 1).map(|t| &t.token)
        {
            let token = Token::SingleQuotedByteStringLiteral(bits.clone());
            self.out.push(TokenWithSpan::new(token, raw[i].span));
            return 2;
        }
        if word.value.eq_ignore_ascii_case("every") && is_every_clause(raw, i) {
            self.end_of_from(token.span);
            self.push_word("CLUSTER", Keyword::CLUSTER, token.span);
            self.push_word("BY", Keyword::BY, token.span);
            self.out.push(TokenWithSpan::new(Token::Word(fluxql::every_marker()), token.span));
            return 1;
        }
        if word.keyword == Keyword::EXCLUDE
            && let Some(taken) = self.frame_exclusion(raw, i)
        {
            return taken;
        }
        if matches!(word.keyword, Keyword::IGNORE | Keyword::RESPECT)
            && let Some(taken) = self.null_treatment(raw, i)
        {
            return taken;
        }
        let starts_query = word.keyword == Keyword::FROM && self.is_start_of_query();
        let first = self.previous().is_none();
        match word.keyword {
            Keyword::SELECT => {
                let level = self.level();
                level.in_select_list = true;
                level.from_first = false;
            }
            Keyword::FROM => {
                let level = self.level();
                level.from_first = starts_query;
                level.in_select_list = false;
            }
            Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::QUALIFY => {
                self.end_of_from(token.span);
            }
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::ORDER | Keyword::LIMIT => {
                let level = self.level();
                level.from_first = false;
                // `* EXCEPT (a)` is within a select list.
                if word.keyword != Keyword::EXCEPT {
                    level.in_select_list = false;
                }
            }
            Keyword::INSERT if first => self.level().insert = true,
            Keyword::GLOB if self.is_behind_operand() && is_operand(next(raw, i)) => {
                self.out.push(TokenWithSpan::new(Token::CustomBinaryOperator(GLOB.into()), token.span));
                return 1;
            }
            _ => {}
        }
        self.out.push(token.clone());
        1
    }

    /// `EXCLUDE …` at the end of a window: puts its marker before the frame and leaves it out here.
    fn frame_exclusion(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
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
        tokens.extend([word(mark, Some(fluxql::MARK), Keyword::NoKeyword), blank()]);
        self.out.splice(at..at, tokens);
        Some(taken_with(raw, i, words.len()))
    }

    /// `IGNORE NULLS` or `RESPECT NULLS` behind the ORDER BY of arguments: moves it before that.
    fn null_treatment(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        let is_end = nth(raw, i, 0).and_then(keyword_of) == Some(Keyword::NULLS)
            && nth(raw, i, 1) == Some(&Token::RParen);
        if !is_end {
            return None;
        }
        let at = self.order_by(self.open_bracket()?)?;
        let taken = taken_with(raw, i, 1);
        let blank = TokenWithSpan::new(Token::Whitespace(Whitespace::Space), raw[i].span);
        self.out.splice(at..at, raw[i..i + taken].iter().cloned().chain([blank]));
        Some(taken)
    }

    /// Where the bracket that is open here lies in the output.
    fn open_bracket(&self) -> Option<usize> {
        let mut depth = 0;
        self.out.iter().rposition(|t| {
            match t.token {
                Token::RParen | Token::RBracket | Token::RBrace => depth += 1,
                Token::LParen | Token::LBracket | Token::LBrace => depth -= 1,
                _ => {}
            }
            depth < 0
        })
    }

    /// The tokens behind an open bracket that are in no further one.
    fn here(&self, open: usize) -> std::vec::IntoIter<usize> {
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
    fn order_by(&self, open: usize) -> Option<usize> {
        self.here(open).find(|&at| {
            keyword_of(&self.out[at].token) == Some(Keyword::ORDER)
                && next(&self.out, at).and_then(keyword_of) == Some(Keyword::BY)
        })
    }

    fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the outermost level is never popped")
    }

    /// A clause begins that stands behind FROM: adds the SELECT that FROM-first queries leave out.
    fn end_of_from(&mut self, span: Span) {
        if std::mem::take(&mut self.level().from_first) {
            self.push_word("SELECT", Keyword::SELECT, span);
            self.out.push(TokenWithSpan::new(Token::Mul, span));
            self.out.push(TokenWithSpan::new(Token::Whitespace(Whitespace::Space), span));
        }
    }

    fn push_word(&mut self, value: &str, keyword: Keyword, span: Span) {
        let word = Word { value: value.into(), quote_style: None, keyword };
        self.out.push(TokenWithSpan::new(Token::Word(word), span));
        self.out.push(TokenWithSpan::new(Token::Whitespace(Whitespace::Space), span));
    }

    fn previous(&self) -> Option<&Token> {
        self.out.iter().rev().map(|t| &t.token).find(|t| !matches!(t, Token::Whitespace(_)))
    }

    /// Whether a FROM here begins a query rather than being a clause of one, or part of a function.
    fn is_start_of_query(&self) -> bool {
        let level = self.levels.last().copied().unwrap_or_default();
        if level.in_select_list {
            return false;
        }
        match self.previous() {
            None | Some(Token::LParen | Token::SemiColon) => true,
            Some(Token::RParen) => true,
            Some(Token::Word(w)) if w.quote_style.is_none() => match w.keyword {
                Keyword::UNION
                | Keyword::ALL
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::AS
                | Keyword::EXPLAIN
                | Keyword::ANALYZE
                | Keyword::DESCRIBE
                | Keyword::DESC
                | Keyword::NAME => true,
                _ => w.value.eq_ignore_ascii_case("summarize") || level.insert,
            },
            _ => level.insert,
        }
    }

    /// Whether what was taken last can be the left side of an operator.
    fn is_behind_operand(&self) -> bool {
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

/// The next token behind `i` that is not blank.
fn next(raw: &[TokenWithSpan], i: usize) -> Option<&Token> {
    nth(raw, i, 0)
}

fn nth(raw: &[TokenWithSpan], i: usize, n: usize) -> Option<&Token> {
    raw[i + 1..].iter().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_))).nth(n)
}

/// The keyword that a token is.
fn keyword_of(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(w) if w.quote_style.is_none() => Some(w.keyword),
        _ => None,
    }
}

/// How many tokens lie from `i` up to the `n`th behind it that is not blank.
fn taken_with(raw: &[TokenWithSpan], i: usize, n: usize) -> usize {
    let visible = raw[i + 1..].iter().enumerate().filter(|(_, t)| !matches!(t.token, Token::Whitespace(_)));
    n.checked_sub(1).and_then(|n| visible.map(|(at, _)| at).nth(n)).map_or(1, |at| at + 2)
}

fn is_operand(token: Option<&Token>) -> bool {
    match token {
        Some(Token::SingleQuotedString(_) | Token::LParen) => true,
        Some(Token::Word(w)) => !sqlparser::keywords::RESERVED_FOR_COLUMN_ALIAS.contains(&w.keyword),
        _ => false,
    }
}

/// EVERY is a word like any other unless a duration follows, which no name may be followed by.
fn is_every_clause(raw: &[TokenWithSpan], i: usize) -> bool {
    match next(raw, i) {
        Some(Token::Number(..) | Token::SingleQuotedString(_)) => true,
        Some(Token::Word(w)) if w.keyword == Keyword::INTERVAL => {
            matches!(nth(raw, i, 1), Some(Token::Number(..) | Token::SingleQuotedString(_)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::FluxDialect;

    fn rewritten(sql: &str) -> String {
        let tokens = tokenize(&FluxDialect, sql).unwrap();
        let text: String = tokens.tokens.iter().map(|t| t.token.to_string()).collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn from_first_gets_its_select() {
        assert_eq!(rewritten("FROM t WHERE a"), "FROM t SELECT * WHERE a");
        assert_eq!(rewritten("FROM t SELECT a WHERE b"), "FROM t SELECT a WHERE b");
        assert_eq!(rewritten("SELECT (FROM t WHERE a)"), "SELECT (FROM t SELECT * WHERE a)");
        let plain = "SELECT extract(year FROM a), a IS DISTINCT FROM b FROM t WHERE x";
        assert_eq!(rewritten(plain), plain);
        let plain = "WITH x AS (SELECT 1) SELECT * EXCEPT (a) FROM x WHERE y";
        assert_eq!(rewritten(plain), plain);
        assert_eq!(
            rewritten("WITH x AS (FROM y) FROM x WHERE z"),
            "WITH x AS (FROM y) FROM x SELECT * WHERE z"
        );
        assert_eq!(rewritten("INSERT INTO t FROM u WHERE z"), "INSERT INTO t FROM u SELECT * WHERE z");
    }

    #[test]
    fn what_a_frame_excludes_goes_before_it() {
        let window = "sum(x) OVER (ORDER BY f(a, b) ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES)";
        assert_eq!(
            rewritten(window),
            "sum(x) OVER (ORDER BY f(a, b) , `EXCLUDE TIES` ROWS BETWEEN 1 PRECEDING AND CURRENT ROW )"
        );
        let window = "sum(x) OVER (PARTITION BY (SELECT a ORDER BY b) ROWS 1 PRECEDING EXCLUDE CURRENT ROW)";
        assert!(rewritten(window).contains(") ORDER BY `EXCLUDE CURRENT ROW` ROWS 1 PRECEDING )"));
        let plain = "SELECT * EXCLUDE (a) FROM t WHERE following EXCLUDE";
        assert_eq!(rewritten(plain), plain);
    }

    #[test]
    fn null_treatment_goes_before_the_order() {
        assert_eq!(
            rewritten("first_value(x ORDER BY y IGNORE NULLS) OVER w"),
            "first_value(x IGNORE NULLS ORDER BY y ) OVER w"
        );
        let plain = "first_value(x IGNORE NULLS) OVER w";
        assert_eq!(rewritten(plain), plain);
    }

    #[test]
    fn every_is_a_clause_only_before_a_duration() {
        let plain = "SELECT every, every.every FROM every WHERE every > 5";
        assert_eq!(rewritten(plain), plain);
        assert!(rewritten("SELECT avg(x) FROM t EVERY 5m").contains("CLUSTER BY"));
        assert!(rewritten("FROM t EVERY INTERVAL 5 MINUTE").contains("SELECT * CLUSTER BY"));
    }
}
