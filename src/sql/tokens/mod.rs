//! Forms that the grammar of `sqlparser` lacks, rewritten in the token stream into forms that it has.
//! Every token keeps its place in the text, so errors still point where the user looks.
//!
//! * `FROM t WHERE …` without SELECT becomes `FROM t SELECT * WHERE …`;
//! * `EVERY 5m` becomes `CLUSTER BY <marker> 5m`, whose marker [`crate::sql::fluxql`] parses: that clause
//!   stands where EVERY may stand (behind GROUP BY, before HAVING), and nothing else uses it;
//! * `GROUP BY host, time(5m)` becomes `GROUP BY host EVERY 5m` (`time_key.rs`), and so does SAMPLE BY (`sample_by.rs`);
//! * `a JOIN b JOIN c ON x ON y` becomes `a JOIN (b JOIN c ON x) ON y`;
//! * `ASOF … JOIN` becomes `GLOBAL … JOIN`, and `POSITIONAL JOIN` becomes `STRAIGHT_JOIN`, by their keywords;
//! * `EXCLUDE …` of a window's frame becomes the last key of the window's order, as a marker ([`exclusion`]);
//! * `f(ORDER BY x)` gets an argument that stands for none ([`is_no_argument`]);
//! * `f(x ORDER BY y IGNORE NULLS)` becomes `f(x IGNORE NULLS ORDER BY y)`, and `f(g(x) IGNORE NULLS)` gets brackets;
//! * `^`, `**`, `^@`, `&&`, `GLOB`, `x IN list` and the `%` of LIMIT become custom operators;
//! * `* LIKE 'pattern' AS alias` becomes a RENAME whose only name is a marker;
//! * `USING SAMPLE` goes behind QUALIFY, the options of a CTE among its columns, a PIVOT into the select list, each
//!   announced by a marker (see `forms/`);
//! * a name in backticks becomes one in quotes, and so does the name of `x.substr(1, 2)`;
//! * `b'0101'` becomes one token, `timestamp_ns '…'` a cast;
//! * `SET RETENTION '30d'` becomes `SET (retention = '30d')`;
//! * `LATEST ON t PARTITION BY k` becomes a QUALIFY;
//! * `=~` becomes `~`, and the regular expression behind it or `!~` a text ([`fluxql::quote_regexes`]);
//! * `top(` is no TOP, and the star of `GROUP BY *` a marker ([`is_all_tags`]);
//! * `ROLLUP (` and `CUBE (` are calls of functions, whose arguments are any expressions;
//! * `[:-:2]` and `[::-2]` get the greatest number as their bound;
//! * the star of `ORDER BY *` becomes ALL, one among other keys or in DISTINCT ON `COLUMNS(*)`, and `t.*` as a key
//!   `COLUMNS(t.*)`;
//! * `ORDER BY x USING <` becomes `ORDER BY x ASC`;
//! * `FETCH FIRST n + 1 ROWS ONLY` becomes `LIMIT n + 1`;
//! * `(DESCRIBE t)` where a query may stand, as in `FROM (DESCRIBE t)`, becomes `FROM (FROM <marker>((FROM t)))`, a call of a table function;
//! * the dots of `ADD s.f`, `DROP s.f` and `RENAME s.f` of ALTER TABLE become part of one name ([`path_of`]);
//! * a generated column without a type gets a marker as its type;
//! * a query behind `= ANY` gets brackets of its own, in which it may be any query;
//! * `0x1F`, `0o17` and `0b11` become the numbers that they are;
//! * the parameters `?` and `?1` become `$1`, counted from the left.

mod behind;
mod listing;
mod lookahead;
mod one_tuple;
mod path;
mod pivot;
mod sample_by;
mod star;
mod table;
mod time_key;
mod using_key;
mod window;
mod word;

use sqlparser::ast::{Expr, Ident};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use self::lookahead::{keyword_of, next, next_index, word_at};
pub use self::one_tuple::is_one_tuple;
pub use self::using_key::keyed_aggregate;
use crate::exec::functions::TO_END;
use crate::sql::error::{Result, SqlError};
use crate::sql::fluxql;
use crate::sql::forms;

/// The operator that `**` becomes; `^`, which means the same, becomes `^`.
pub const POWER: &str = "**";
/// The operator that `GLOB` becomes.
pub const GLOB: &str = "GLOB";
/// The operator that `^@` becomes.
pub const STARTS_WITH: &str = "^@";
/// The operator that `<->` becomes.
pub const DISTANCE: &str = "<->";
/// The operator that `<=>` becomes.
pub const COSINE_DISTANCE: &str = "<=>";
/// The operator that `&&` becomes.
pub const OVERLAPS: &str = "&&";

/// Functions whose calls have a grammar of their own.
const SPECIAL_FUNCTIONS: &[Keyword] = &[
    Keyword::CEIL,
    Keyword::CONVERT,
    Keyword::EXTRACT,
    Keyword::FLOOR,
    Keyword::OVERLAY,
    Keyword::POSITION,
    Keyword::SUBSTR,
    Keyword::SUBSTRING,
    Keyword::TRIM,
];

/// The rows that a frame leaves out, if this key is the marker that stands for `EXCLUDE …`: the words behind it.
pub fn exclusion(key: &Expr) -> Option<&str> {
    let Expr::Identifier(ident) = key else { return None };
    if ident.quote_style == Some(forms::MARK) { ident.value.strip_prefix("EXCLUDE ") } else { None }
}

/// The operator that parts a condition of QUALIFY from the sample behind it.
pub const AND_SAMPLE: &str = "USING SAMPLE";
/// The operator that `IN` becomes where no parenthesis follows.
pub const IN: &str = "IN";
/// The operator that `NOT IN` becomes where no parenthesis follows.
pub const NOT_IN: &str = "NOT IN";
/// The operator that `%` and PERCENT become behind LIMIT; its right side means nothing.
pub const PERCENT: &str = "PERCENT";

/// Parts the names of a path that is one name.
const PATH: char = '\u{1F}';

/// The parts of a name that stands for a path: `s.f`.
pub fn path_of(ident: &Ident) -> Option<impl Iterator<Item = &str>> {
    (ident.quote_style == Some(forms::MARK) && ident.value.contains(PATH)).then(|| ident.value.split(PATH))
}

/// The name of the marker that stands for no argument.
const NO_ARGUMENT: &str = "NO ARGUMENT";

/// Whether an argument is the marker of a call that has none: `rank(ORDER BY x)`.
pub fn is_no_argument(arg: &Expr) -> bool {
    matches!(arg, Expr::Identifier(i) if i.quote_style == Some(forms::MARK) && i.value == NO_ARGUMENT)
}

/// The marker that stands for the star of `GROUP BY *`.
const ALL_TAGS: &str = "ALL TAGS";

/// Whether a key of GROUP BY is a star.
pub fn is_all_tags(key: &Expr) -> bool {
    matches!(key, Expr::Identifier(i) if i.quote_style == Some(forms::MARK) && i.value == ALL_TAGS)
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
    /// The parameters that occur, each once: numbers or names, without `$`.
    pub parameters: Vec<String>,
    /// How many queries it has, inner ones among them: CTEs may use each other, and so become one deep plan.
    pub queries: usize,
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
    /// Tokens since the last comma.
    run: usize,
    clause: Clause,
    /// QUALIFY was seen.
    qualify: bool,
    /// The word before the bracket.
    opener: Option<Keyword>,
    /// It is in square brackets.
    square: bool,
    /// FOR was seen in square brackets.
    comprehension: bool,
    /// It is a tuple of one value.
    one_tuple: bool,
    /// Brackets that close where the text closes the one around them, or ends.
    closes: u8,
    /// A FETCH became a LIMIT, and the ROWS ONLY of it comes.
    fetch: bool,
    /// It is in the parentheses of a PIVOT (true) or an UNPIVOT (false) behind a table.
    pivot: Option<bool>,
}

/// Where in a query a token stands.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Clause {
    #[default]
    Other,
    Select,
    From,
    Group,
    Order,
    Limit,
}

/// Cuts a statement, or what is a query and no other statement, into tokens and rewrites them.
pub fn tokenize(dialect: &dyn Dialect, sql: &str, of_query: bool) -> Result<Tokens> {
    let sql = fluxql::quote_regexes(sql);
    let raw = Tokenizer::new(dialect, &sql).tokenize_with_location()?;
    let raw = sample_by::sample_by_as_every(time_key::move_time_keys(raw));
    let mut rewriter = Rewriter {
        out: Vec::with_capacity(raw.len() + 8),
        levels: vec![Level::default()],
        depth: 1,
        run: 0,
        run_max: 0,
        queries: 0,
        aliases: vec![],
        brackets: vec![],
        parameters: indexmap::IndexMap::new(),
        of_query,
    };
    let mut i = 0;
    while i < raw.len() {
        rewriter.put_brackets(&raw, i);
        let taken = rewriter.take(&raw, i);
        i += taken;
        rewriter.end_of_factor(i);
    }
    rewriter.close_with_next();
    let queries = rewriter.queries;
    let parameters: Vec<String> = rewriter.parameters.into_values().collect();
    let is_number = |name: &String| name.bytes().all(|b| b.is_ascii_digit());
    if parameters.iter().any(is_number) && !parameters.iter().all(is_number) {
        return Err(SqlError::unsupported("Mixing named and positional parameters is not supported yet"));
    }
    Ok(Tokens { tokens: rewriter.out, run: rewriter.run_max, depth: rewriter.depth, queries, parameters })
}

struct Rewriter {
    out: Vec<TokenWithSpan>,
    levels: Vec<Level>,
    depth: usize,
    /// Sum of the levels' runs, and the most it has been.
    run: usize,
    run_max: usize,
    queries: usize,
    /// Tables whose alias came before them: where they end, and the alias.
    aliases: Vec<(usize, TokenWithSpan)>,
    /// Brackets to be put around joins: the tokens that they stand before, and whether they open.
    brackets: Vec<(usize, bool)>,
    parameters: indexmap::IndexMap<String, String>,
    /// The text is that of a query: it begins with no statement that is none, such as DESCRIBE.
    of_query: bool,
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
            Token::LParen if self.is_behind_quantifier() && begins_inner_query(raw, i) => {
                self.open(false);
                self.push(Token::LParen, token.span);
                self.open(false);
                self.level().closes = 1;
                Token::LParen
            }
            Token::LParen | Token::LBracket | Token::LBrace => {
                self.open(token.token == Token::LBracket);
                token.token.clone()
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                self.close_with_next();
                if self.levels.len() > 1 {
                    self.run -= self.level().run;
                    let closed = self.levels.pop().unwrap_or_default();
                    if let Some(is_pivot) = closed.pivot {
                        self.end_of_pivot(is_pivot, token.span);
                    }
                    if closed.one_tuple {
                        self.out.push(token.clone());
                        self.end_of_one_tuple(token.span);
                        return 1;
                    }
                }
                token.token.clone()
            }
            Token::Comma if self.ends_one_tuple(raw, i) => {
                self.level().one_tuple = true;
                return 1;
            }
            Token::Comma | Token::SemiColon => {
                if token.token == Token::SemiColon {
                    self.close_with_next();
                }
                self.run -= std::mem::take(&mut self.level().run);
                token.token.clone()
            }
            // `[a:b:step]`, where `-` is a bound left out and `:2` looks like a parameter.
            Token::Placeholder(name) if self.level().square && name.starts_with(':') => {
                let bound = &name[1..];
                self.out.push(TokenWithSpan::new(Token::Colon, token.span));
                let bound = if bound.bytes().all(|b| b.is_ascii_digit()) {
                    Token::Number(bound.into(), false)
                } else {
                    Token::make_word(bound, None)
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
                if self.previous() == Some(&Token::LBracket) {
                    return 1;
                }
                Token::Number(TO_END.to_string(), false)
            }
            // `[::-1]`
            Token::DoubleColon
                if self.level().square
                    && self.previous() == Some(&Token::LBracket)
                    && next(raw, i) == Some(&Token::Minus) =>
            {
                self.push(Token::Colon, token.span);
                self.push(Token::Number(TO_END.to_string(), false), token.span);
                Token::Colon
            }
            Token::Eq if is(1, &Token::Tilde) => {
                taken = 2;
                Token::Tilde
            }
            // A bound of a frame that begins with a text need not be an interval: `'1 day'::INTERVAL PRECEDING`.
            Token::SingleQuotedString(text)
                if next(raw, i) == Some(&Token::DoubleColon) && self.is_behind_frame_word() =>
            {
                Token::EscapedStringLiteral(text.clone())
            }
            Token::SingleQuotedString(text) => {
                fluxql::unquoted_regex(text).map_or_else(|| token.token.clone(), Token::SingleQuotedString)
            }
            Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
                if self.is_behind_star()
                    && let Some(taken) = self.star_pattern(raw, i) =>
            {
                return taken;
            }
            Token::Caret if is(1, &Token::AtSign) => custom(STARTS_WITH, 2),
            Token::CaretAt => custom(STARTS_WITH, 1),
            Token::Caret => custom("^", 1),
            Token::Overlap => custom(OVERLAPS, 1),
            Token::Lt if is(1, &Token::Arrow) => custom(DISTANCE, 2),
            Token::Spaceship => custom(COSINE_DISTANCE, 1),
            Token::Mul if is(1, &Token::Mul) && self.is_behind_operand() => custom(POWER, 2),
            Token::Mul if self.is_unpacked_columns(raw, i) => {
                self.push_marker(forms::UNPACKED_COLUMNS, token.span);
                return next_index(raw, i, 0).map_or(1, |at| at - i + 1);
            }
            Token::Mul if self.is_key_of_table() => return self.columns_of_star(raw, i),
            Token::Mul if self.is_by_all(raw, i) => {
                if self.is_behind_group_by() {
                    self.push_marker(ALL_TAGS, token.span);
                } else if self.is_only_key(raw, i) && word_at(raw, i, 0) != "exclude" {
                    self.push_word("ALL", Keyword::ALL, token.span);
                } else {
                    return self.columns_of_star(raw, i);
                }
                return 1;
            }
            Token::Mul if self.level().clause == Clause::Order && self.previous() == Some(&Token::Comma) => {
                return self.columns_of_star(raw, i);
            }
            Token::Mod if self.is_percent_of_limit(raw, i) => {
                self.percent(token.span);
                return 1;
            }
            Token::Placeholder(text) => self.parameter(text),
            Token::DoubleTilde if is(1, &Token::Tilde) => custom(GLOB, 2),
            // What follows a point is no function with a grammar of its own: `x.substr(1, 2)`.
            Token::Word(word)
                if SPECIAL_FUNCTIONS.contains(&word.keyword)
                    && self.previous() == Some(&Token::Period)
                    && next(raw, i) == Some(&Token::LParen) =>
            {
                Token::make_word(&word.value.to_lowercase(), Some('"'))
            }
            Token::Word(word) if word.quote_style == Some('`') => Token::make_word(&word.value, Some('"')),
            Token::Word(word) if self.is_prefix_alias(raw, i) => {
                return self.prefix_alias(raw, i, word);
            }
            Token::Word(word)
                if next(raw, i) == Some(&Token::Period)
                    && let Some(taken) = self.altered_path(raw, i, word) =>
            {
                return taken;
            }
            Token::HexStringLiteral(digits) if is_hex_number(token, digits) => {
                radix_number(digits, 16).unwrap_or_else(|| token.token.clone())
            }
            Token::Number(zero, false)
                if zero == "0"
                    && let Some(number) = number_in_radix(raw, i) =>
            {
                self.push(number, token.span);
                return 2;
            }
            Token::Word(word) if word.quote_style.is_none() => return self.word(raw, i, word),
            Token::Word(_)
                if self.is_bare_star_alias(raw, i)
                    && let Some(taken) = self.bare_star_alias(raw, i) =>
            {
                return taken;
            }
            other => other.clone(),
        };
        self.out.push(TokenWithSpan::new(replaced, token.span));
        taken
    }

    /// Notes a parameter, and numbers it if it has no number yet.
    fn parameter(&mut self, text: &str) -> Token {
        let name = match text.strip_prefix('?') {
            Some("") => (self.parameters.len() + 1).to_string(),
            Some(number) => number.to_owned(),
            None => text.trim_start_matches('$').to_owned(),
        };
        let token = Token::Placeholder(format!("${name}"));
        self.parameters.entry(name.to_lowercase()).or_insert(name);
        token
    }

    /// `= ANY`, `< ALL` and the like stand before.
    fn is_behind_quantifier(&self) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        let quantifier = before.next().and_then(keyword_of);
        matches!(quantifier, Some(Keyword::ANY | Keyword::ALL | Keyword::SOME))
            && !matches!(before.next(), None | Some(Token::Word(_) | Token::LParen | Token::Comma))
    }

    /// A bracket opens.
    fn open(&mut self, square: bool) {
        let opener = match self.previous() {
            Some(Token::Word(w)) if w.quote_style.is_none() => Some(w.keyword),
            _ => None,
        };
        self.levels.push(Level { opener, square, ..Level::default() });
        self.depth = self.depth.max(self.levels.len());
    }

    /// Closes the brackets that have no end in the text: they end with what was taken last.
    fn close_with_next(&mut self) {
        let Some(last) = self.out.iter().rev().find(|t| !matches!(t.token, Token::Whitespace(_))) else {
            return;
        };
        let span = last.span;
        for _ in 0..self.level().closes {
            self.run -= self.level().run;
            self.levels.pop();
            self.push(Token::RParen, span);
        }
    }

    fn drop_blanks(&mut self) {
        while matches!(self.out.last().map(|t| &t.token), Some(Token::Whitespace(_))) {
            self.out.pop();
        }
    }

    /// Takes back the word that was taken last, if it is this one.
    fn drop_word(&mut self, keyword: Keyword) -> bool {
        let is_it = matches!(self.previous(), Some(Token::Word(w)) if w.quote_style.is_none() && w.keyword == keyword);
        if is_it {
            self.drop_blanks();
            self.out.pop();
        }
        is_it
    }

    fn percent(&mut self, span: Span) {
        self.push(Token::CustomBinaryOperator(PERCENT.into()), span);
        self.push(Token::Number("1".into(), false), span);
    }

    /// Adds the alias of a table that ends before `i`.
    fn end_of_factor(&mut self, i: usize) {
        if let Some((_, alias)) = self.aliases.pop_if(|(end, _)| *end <= i) {
            let span = alias.span;
            self.push(Token::Whitespace(Whitespace::Space), span);
            self.push_word("AS", Keyword::AS, span);
            self.out.push(alias);
        }
    }

    fn push(&mut self, token: Token, span: Span) {
        self.out.push(TokenWithSpan::new(token, span));
    }

    fn push_marker(&mut self, name: &str, span: Span) {
        self.push(Token::Word(forms::marker(name)), span);
        self.push(Token::Whitespace(Whitespace::Space), span);
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
}

/// Whether a query, and no list, stands in the bracket at `i`.
fn begins_inner_query(raw: &[TokenWithSpan], i: usize) -> bool {
    next(raw, i).and_then(keyword_of).is_some_and(lookahead::begins_query)
}

/// Whether a token is `0x1F` rather than `X'1F'`, which has two quotes more.
fn is_hex_number(token: &TokenWithSpan, digits: &str) -> bool {
    let (start, end) = (token.span.start, token.span.end);
    start.line == end.line && end.column - start.column == digits.len() as u64 + 2
}

/// A number that is not written in tens, as one that is.
fn radix_number(digits: &str, radix: u32) -> Option<Token> {
    let digits = digits.replace('_', "");
    Some(Token::Number(u128::from_str_radix(&digits, radix).ok()?.to_string(), false))
}

/// `0b101` and `0o17`, which come as a zero with a word at it.
fn number_in_radix(raw: &[TokenWithSpan], i: usize) -> Option<Token> {
    let Some(Token::Word(Word { value, quote_style: None, .. })) = raw.get(i + 1).map(|t| &t.token) else {
        return None;
    };
    let (radix, digits) = match value.split_at_checked(1)? {
        ("b" | "B", digits) => (2, digits),
        ("o" | "O", digits) => (8, digits),
        _ => return None,
    };
    radix_number(digits, radix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::FluxDialect;

    fn rewritten(sql: &str) -> String {
        let tokens = tokenize(&FluxDialect, sql, false).unwrap();
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
        let plain = "SELECT a IS DISTINCT FROM (1) FROM t WHERE x";
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
    fn quantified_queries_get_brackets() {
        assert_eq!(rewritten("1 = ANY (SELECT 1 UNION SELECT 2)"), "1 = ANY ((SELECT 1 UNION SELECT 2))");
        assert_eq!(rewritten("1 < ALL (FROM t)"), "1 < ALL ((FROM t))");
        let plain = "SELECT 1 UNION ALL (SELECT 2) EXCEPT ALL (VALUES (1))";
        assert_eq!(rewritten(plain), plain);
        let plain = "1 = ANY ([1, 2])";
        assert_eq!(rewritten(plain), plain);
    }

    #[test]
    fn numbers_in_other_bases_are_numbers() {
        assert_eq!(rewritten("0x1F + 0o17 - 0b11"), "31 + 15 - 3");
        assert_eq!(rewritten("X'1F' 0b12 0 b1"), "X'1F' 0b12 0 b1");
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
        assert_eq!(
            rewritten("first_value(a, f(x, y) ORDER BY g(y) IGNORE NULLS) OVER w"),
            "first_value(a, (f(x, y)) IGNORE NULLS ORDER BY g(y) ) OVER w"
        );
        assert_eq!(rewritten("lag(f(x) IGNORE NULLS) OVER w"), "lag((f(x)) IGNORE NULLS ) OVER w");
        let plain = "first_value(x IGNORE NULLS) OVER w";
        assert_eq!(rewritten(plain), plain);
    }

    #[test]
    fn parameters_are_numbered_and_listed() {
        assert_eq!(rewritten("SELECT ?, ?, ?1"), "SELECT $1, $2, $1");
        assert_eq!(tokenize(&FluxDialect, "SELECT $a + $A, $b", false).unwrap().parameters, ["a", "b"]);
        assert!(tokenize(&FluxDialect, "SELECT ?, $a", false).is_err());
    }

    #[test]
    fn every_is_a_clause_only_before_a_duration() {
        let plain = "SELECT every, every.every FROM every WHERE every > 5";
        assert_eq!(rewritten(plain), plain);
        assert!(rewritten("SELECT avg(x) FROM t EVERY 5m").contains("CLUSTER BY"));
        assert!(rewritten("FROM t EVERY INTERVAL 5 MINUTE").contains("SELECT * CLUSTER BY"));
    }

    #[test]
    fn a_key_that_is_a_duration_is_every() {
        let same = |a, b| assert_eq!(rewritten(a), rewritten(b), "{a}");
        same("SELECT 1 FROM t GROUP BY time(5m)", "SELECT 1 FROM t EVERY 5m");
        same(
            "SELECT 1 FROM t GROUP BY h, time( 5m , -1m) fill(0)",
            "SELECT 1 FROM t GROUP BY h EVERY 5m OFFSET -1m fill(0)",
        );
        same(
            "SELECT (SELECT 1 FROM t GROUP BY time(1h30m), h, f(x, y) LIMIT 1)",
            "SELECT (SELECT 1 FROM t GROUP BY h, f(x, y) EVERY 1h30m LIMIT 1)",
        );
        same("FROM t GROUP BY *, time(5m) ORDER BY time", "FROM t GROUP BY * EVERY 5m ORDER BY time");
        same(
            "SELECT (SELECT 1 FROM t GROUP BY time(1d) fill(0) LIMIT 3 tz('Asia/Tokyo')) LIMIT 1",
            "SELECT (SELECT 1 FROM t EVERY 1d tz 'Asia/Tokyo' fill(0) LIMIT 3 ) LIMIT 1",
        );
        // Many take no longer than as many of anything else.
        let many = "GROUP BY time(5m) (".repeat(10_000);
        assert!(tokenize(&FluxDialect, &many, false).is_ok());
        for plain in [
            "SELECT 1 FROM t GROUP BY time(5)",
            "SELECT 1 FROM t GROUP BY time, f(time(5m))",
            "SELECT time(5m) FROM t",
            "SELECT 1 FROM t GROUP BY time(5m",
        ] {
            assert_eq!(rewritten(plain), plain);
        }
    }
}
