//! Forms that the grammar of `sqlparser` lacks, rewritten in the token stream into forms that it has.
//! Every token keeps its place in the text, so errors still point where the user looks.
//!
//! * `FROM t WHERE …` without SELECT becomes `FROM t SELECT * WHERE …`;
//! * `EVERY 5m` becomes `CLUSTER BY <marker> 5m`, whose marker [`crate::sql::fluxql`] parses: that clause
//!   stands where EVERY may stand (behind GROUP BY, before HAVING), and nothing else uses it;
//! * `a JOIN b JOIN c ON x ON y` becomes `a JOIN (b JOIN c ON x) ON y`;
//! * `ASOF … JOIN` becomes `GLOBAL … JOIN`, and `POSITIONAL JOIN` becomes `STRAIGHT_JOIN`, by their keywords;
//! * `EXCLUDE …` of a window's frame becomes the last key of the window's order, as a marker ([`exclusion`]);
//! * `f(ORDER BY x)` gets an argument that stands for none ([`is_no_argument`]);
//! * `f(x ORDER BY y IGNORE NULLS)` becomes `f(x IGNORE NULLS ORDER BY y)`;
//! * `^`, `**`, `^@`, `&&`, `GLOB`, `x IN list` and the `%` of LIMIT become custom operators;
//! * `USING SAMPLE` goes behind QUALIFY, the options of a CTE among its columns, a PIVOT into the select list, each
//!   announced by a marker (see `forms.rs`);
//! * a name in backticks becomes one in quotes, and so does the name of `x.substr(1, 2)`;
//! * `b'0101'` becomes one token, `timestamp_ns '…'` a cast;
//! * `SET RETENTION '30d'` becomes `SET (retention = '30d')`;
//! * `LATEST ON t PARTITION BY k` becomes a QUALIFY;
//! * `=~` becomes `~`, and the regular expression behind it or `!~` a text ([`fluxql::quote_regexes`]);
//! * `top(` is no TOP, and the star of `GROUP BY *` a marker ([`is_all_tags`]);
//! * `[:-:2]` gets the greatest number as its bound;
//! * `FROM (DESCRIBE t)` becomes `FROM (FROM <marker>((FROM t)))`, a call of a table function;
//! * the dots of `ADD s.f`, `DROP s.f` and `RENAME s.f` of ALTER TABLE become part of one name ([`path_of`]);
//! * a generated column without a type gets a marker as its type;
//! * the parameters `?` and `?1` become `$1`, counted from the left.

mod listing;
mod lookahead;
mod path;
mod pivot;
mod star;
mod table;
mod window;

use sqlparser::ast::{Expr, Ident};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use self::lookahead::{
    begins_query, is_every_clause, is_operand, keyword_of, next, next_index, nth, taken_with, word_at,
};
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

/// The rows that a frame leaves out, if this is the marker that stands for `EXCLUDE …`: the words behind it.
pub fn exclusion(ident: &Ident) -> Option<&str> {
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
/// Parts the name of an operator from the pattern in `* LIKE 'pattern'`, both of which stand in one text.
pub const STAR_PATTERN: char = '\u{1}';

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
    /// Brackets that close with its own.
    closes: u8,
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
    Limit,
}

/// Cuts a statement into tokens and rewrites them.
pub fn tokenize(dialect: &dyn Dialect, sql: &str) -> Result<Tokens> {
    let sql = fluxql::quote_regexes(sql);
    let raw = Tokenizer::new(dialect, &sql).tokenize_with_location()?;
    let mut rewriter = Rewriter {
        out: Vec::with_capacity(raw.len() + 8),
        levels: vec![Level::default()],
        depth: 1,
        run: 0,
        run_max: 0,
        queries: 0,
        aliases: vec![],
        brackets: vec![],
        unnumbered: 0,
        parameters: indexmap::IndexMap::new(),
    };
    let mut i = 0;
    while i < raw.len() {
        rewriter.put_brackets(&raw, i);
        let taken = rewriter.take(&raw, i);
        i += taken;
        rewriter.end_of_factor(i);
    }
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
    /// How many `?` there were.
    unnumbered: usize,
    parameters: indexmap::IndexMap<String, String>,
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
                self.open(token.token == Token::LBracket);
                token.token.clone()
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                for _ in 0..self.level().closes {
                    self.run -= self.level().run;
                    self.levels.pop();
                    self.push(Token::RParen, token.span);
                }
                if self.levels.len() > 1 {
                    self.run -= self.level().run;
                    if let Some(Level { pivot: Some(is_pivot), .. }) = self.levels.pop() {
                        self.end_of_pivot(is_pivot, token.span);
                    }
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
            Token::Caret if is(1, &Token::AtSign) => custom(STARTS_WITH, 2),
            Token::CaretAt => custom(STARTS_WITH, 1),
            Token::Caret => custom("^", 1),
            Token::Overlap => custom(OVERLAPS, 1),
            Token::Mul if is(1, &Token::Mul) && self.is_behind_operand() => custom(POWER, 2),
            Token::Mul if self.is_unpacked_columns(raw, i) => {
                self.push_marker(forms::UNPACKED_COLUMNS, token.span);
                return next_index(raw, i, 0).map_or(1, |at| at - i + 1);
            }
            Token::Mul if self.is_by_all(raw, i) => {
                if self.is_behind_group_by() {
                    self.push_marker(ALL_TAGS, token.span);
                } else {
                    self.push_word("ALL", Keyword::ALL, token.span);
                }
                return 1;
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
            Token::Word(word) if word.quote_style.is_none() => return self.word(raw, i, word),
            other => other.clone(),
        };
        self.out.push(TokenWithSpan::new(replaced, token.span));
        taken
    }

    /// Notes a parameter, and numbers it if it has no number yet.
    fn parameter(&mut self, text: &str) -> Token {
        let name = match text.strip_prefix('?') {
            Some("") => {
                self.unnumbered += 1;
                self.unnumbered.to_string()
            }
            Some(number) => number.to_owned(),
            None => text.trim_start_matches('$').to_owned(),
        };
        let token = Token::Placeholder(format!("${name}"));
        self.parameters.entry(name.to_lowercase()).or_insert(name);
        token
    }

    fn word(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> usize {
        let token = &raw[i];
        // `timestamp_ns '…'`: a constant of a type whose name the grammar does not know.
        if [
            "timestamp_s",
            "timestamp_ms",
            "timestamp_us",
            "timestamp_ns",
            "timetz",
            "uhugeint",
            "hugeint",
            "uuid",
            "blob",
            "bit",
        ]
        .iter()
        .any(|name| word.value.eq_ignore_ascii_case(name))
            && let Some(Token::SingleQuotedString(_)) = next(raw, i)
            && !matches!(self.previous(), Some(Token::DoubleColon | Token::Period))
            && !matches!(self.previous(), Some(Token::Word(w)) if w.keyword == Keyword::AS || w.quote_style.is_some() || w.keyword == Keyword::NoKeyword)
        {
            let length =
                raw[i + 1..].iter().take_while(|t| matches!(t.token, Token::Whitespace(_))).count() + 2;
            let constant = raw[i + length - 1].clone();
            let made = |token| TokenWithSpan::new(token, raw[i].span);
            self.push_word("CAST", Keyword::CAST, raw[i].span);
            self.out.push(made(Token::LParen));
            self.out.push(constant);
            self.out.push(made(Token::Whitespace(Whitespace::Space)));
            self.push_word("AS", Keyword::AS, raw[i].span);
            self.out.push(raw[i].clone());
            self.out.push(made(Token::RParen));
            return length;
        }
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
        if word.keyword == Keyword::ORDER
            && next(raw, i).and_then(keyword_of) == Some(Keyword::BY)
            && self.begins_arguments()
        {
            let marker = Word {
                value: NO_ARGUMENT.into(),
                quote_style: Some(forms::MARK),
                keyword: Keyword::NoKeyword,
            };
            self.out.push(TokenWithSpan::new(Token::Word(marker), token.span));
            self.out.push(TokenWithSpan::new(Token::Whitespace(Whitespace::Space), token.span));
        }
        if next(raw, i) == Some(&Token::LParen) && self.is_behind_type_word() {
            if word.value.eq_ignore_ascii_case("row") {
                self.push_word("STRUCT", Keyword::STRUCT, token.span);
                return 1;
            }
            if word.value.eq_ignore_ascii_case("map")
                && let Some(taken) = self.map_type(raw, i)
            {
                return taken;
            }
        }
        if self.is_untyped_generated(raw, i, word) {
            self.push_marker(forms::GENERATED_TYPE, token.span);
        }
        if let Some(taken) = self.as_of(raw, i, word) {
            return taken;
        }
        if let Some(taken) = self.listing(raw, i, word) {
            return taken;
        }
        if let Some(taken) = self.join_word(raw, i, word) {
            return taken;
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
        if let Some(taken) = self.special_word(raw, i, word) {
            return taken;
        }
        // `a IS DISTINCT FROM b` is no clause.
        let distinct = |t: &Token| matches!(t, Token::Word(w) if w.keyword == Keyword::DISTINCT);
        if word.keyword == Keyword::FROM && self.previous().is_some_and(distinct) {
            self.out.push(token.clone());
            return 1;
        }
        // `trim(BOTH FROM s)` trims blanks.
        let side = |t: &Token| matches!(t, Token::Word(w) if matches!(w.keyword, Keyword::BOTH | Keyword::LEADING | Keyword::TRAILING));
        if word.keyword == Keyword::FROM && self.previous().is_some_and(side) && self.is_trim() {
            return 1;
        }
        let starts_query = word.keyword == Keyword::FROM && self.is_start_of_query();
        let first = self.previous().is_none();
        match word.keyword {
            Keyword::SELECT => {
                self.queries += 1;
                let level = self.level();
                level.in_select_list = true;
                level.from_first = false;
                level.clause = Clause::Select;
                level.qualify = false;
            }
            Keyword::FROM => {
                self.nested_joins(raw, i);
                self.queries += usize::from(starts_query);
                let level = self.level();
                level.from_first = starts_query;
                level.in_select_list = false;
                level.clause = Clause::From;
            }
            Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::QUALIFY | Keyword::WINDOW => {
                self.end_of_from(token.span);
                let level = self.level();
                level.clause = Clause::Other;
                level.qualify |= word.keyword == Keyword::QUALIFY;
            }
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::ORDER | Keyword::LIMIT => {
                let level = self.level();
                level.from_first = false;
                // `* EXCEPT (a)` is within a select list.
                if word.keyword != Keyword::EXCEPT {
                    level.in_select_list = false;
                    level.clause = if word.keyword == Keyword::LIMIT { Clause::Limit } else { Clause::Other };
                }
            }
            Keyword::OFFSET | Keyword::SET => self.level().clause = Clause::Other,
            Keyword::FOR if self.level().square => self.level().comprehension = true,
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

    /// Whether the last tokens are a name and a bracket: the arguments of a call begin here.
    fn begins_arguments(&self) -> bool {
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
    fn is_behind_type_word(&self) -> bool {
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

    /// `MAP(K, V)` as `MAP('K', 'V')`: the grammar has no types in types of names that it does not know.
    fn map_type(&mut self, raw: &[TokenWithSpan], i: usize) -> Option<usize> {
        let open = next_index(raw, i, 0)?;
        let (mut depth, mut parts, mut end) = (0_usize, vec![String::new()], open + 1);
        loop {
            let token = &raw.get(end)?.token;
            match token {
                Token::RParen if depth == 0 => break,
                Token::Comma if depth == 0 => parts.push(String::new()),
                _ => {
                    match token {
                        Token::LParen | Token::LBracket => depth += 1,
                        Token::RParen | Token::RBracket => depth = depth.checked_sub(1)?,
                        _ => {}
                    }
                    parts.last_mut()?.push_str(&token.to_string());
                }
            }
            end += 1;
        }
        let [key, value] = &parts[..] else { return None };
        let span = raw[open].span;
        self.out.push(raw[i].clone());
        self.push(Token::LParen, span);
        self.push(Token::SingleQuotedString(key.trim().to_owned()), span);
        self.push(Token::Comma, span);
        self.push(Token::SingleQuotedString(value.trim().to_owned()), span);
        self.push(Token::RParen, span);
        Some(end - i + 1)
    }

    /// Whether the last tokens are `trim`, a bracket and a word.
    fn is_trim(&self) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_))).skip(1);
        before.next() == Some(&Token::LParen)
            && matches!(before.next(), Some(Token::Word(w)) if w.keyword == Keyword::TRIM)
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

    /// A bracket opens.
    fn open(&mut self, square: bool) {
        let opener = match self.previous() {
            Some(Token::Word(w)) if w.quote_style.is_none() => Some(w.keyword),
            _ => None,
        };
        self.levels.push(Level { opener, square, ..Level::default() });
        self.depth = self.depth.max(self.levels.len());
    }

    /// Words that begin a form of their own; returns how many tokens were taken.
    fn special_word(&mut self, raw: &[TokenWithSpan], i: usize, word: &Word) -> Option<usize> {
        let span = raw[i].span;
        let lower = word.value.to_lowercase();
        let taken = |n: usize| next_index(raw, i, n).map_or(1, |at| at - i + 1);
        match lower.as_str() {
            "using" if word_at(raw, i, 0) == "sample" => {
                self.end_of_from(span);
                if self.level().qualify {
                    self.push(Token::CustomBinaryOperator(AND_SAMPLE.into()), span);
                } else {
                    self.push_word("QUALIFY", Keyword::QUALIFY, span);
                }
                let level = self.level();
                (level.qualify, level.clause) = (true, Clause::Other);
                self.push_marker(forms::SAMPLE, span);
                Some(taken(0))
            }
            "tablesample" => {
                self.out.push(raw[i].clone());
                self.push_marker(forms::SAMPLE, span);
                Some(1)
            }
            "using" if word_at(raw, i, 0) == "key" && nth(raw, i, 1) == Some(&Token::LParen) => {
                self.open_cte_options(span);
                self.push_marker(forms::USING_KEY, span);
                self.push(Token::Comma, span);
                Some(taken(1))
            }
            "materialized" if self.is_behind_as() => {
                let not = self.drop_word(Keyword::NOT);
                let _as = self.drop_word(Keyword::AS);
                self.open_cte_options(span);
                self.push_marker(if not { forms::NOT_MATERIALIZED } else { forms::MATERIALIZED }, span);
                self.levels.pop();
                self.push(Token::RParen, span);
                self.push_word("AS", Keyword::AS, span);
                Some(1)
            }
            "grouping" if word_at(raw, i, 0) == "sets" => {
                self.push_marker(forms::GROUPING_SETS, span);
                Some(taken(0))
            }
            "isnull"
                if self.is_behind_operand()
                    && next(raw, i) != Some(&Token::LParen)
                    && !matches!(self.previous(), Some(Token::Word(w)) if w.keyword == Keyword::AS) =>
            {
                self.push_word("IS", Keyword::IS, span);
                self.push_word("NULL", Keyword::NULL, span);
                Some(1)
            }
            "filter"
                if next(raw, i) == Some(&Token::LParen)
                    && self.previous() == Some(&Token::RParen)
                    && word_at(raw, i, 1) != "where" =>
            {
                self.out.push(raw[i].clone());
                self.open(false);
                self.push(Token::LParen, span);
                self.push_word("WHERE", Keyword::WHERE, span);
                Some(taken(0))
            }
            "latest" if word_at(raw, i, 0) == "on" => self.latest_on(raw, i),
            "retention"
                if self.previous().and_then(keyword_of) == Some(Keyword::SET)
                    && matches!(next(raw, i), Some(Token::SingleQuotedString(_))) =>
            {
                self.push(Token::LParen, span);
                self.out.push(raw[i].clone());
                self.push(Token::Eq, span);
                let length = taken_with(raw, i, 1);
                self.out.push(raw[i + length - 1].clone());
                self.push(Token::RParen, span);
                Some(length)
            }
            "top" if next(raw, i) == Some(&Token::LParen) => {
                let word = Word { keyword: Keyword::NoKeyword, ..word.clone() };
                self.push(Token::Word(word), span);
                Some(1)
            }
            "percent" if self.level().clause == Clause::Limit && self.is_behind_operand() => {
                self.percent(span);
                Some(1)
            }
            "in" if self.is_in_without_list(raw, i) => {
                let not = self.drop_word(Keyword::NOT);
                let op = if not { NOT_IN } else { IN };
                self.push(Token::CustomBinaryOperator(op.into()), span);
                Some(1)
            }
            "not" | "like" | "ilike" | "glob" | "similar" if self.is_behind_star() => {
                self.star_pattern(raw, i)
            }
            "table"
                if matches!(next(raw, i), Some(Token::Word(w)) if !begins_query(w.keyword))
                    && self.is_start_of_query()
                    && !matches!(self.previous(), Some(Token::Word(w)) if matches!(w.keyword, Keyword::INTO | Keyword::DESCRIBE | Keyword::DESC | Keyword::ANALYZE)) =>
            {
                self.push_word("SELECT", Keyword::SELECT, span);
                self.push(Token::Mul, span);
                self.push(Token::Whitespace(Whitespace::Space), span);
                self.push_word("FROM", Keyword::FROM, span);
                self.level().clause = Clause::From;
                Some(1)
            }
            "pivot" | "unpivot" if self.level().clause == Clause::From && self.is_behind_operand() => {
                self.pivot_of_table(raw, i, lower == "pivot")
            }
            "pivot" | "pivot_wider" | "unpivot" | "pivot_longer" if self.is_pivot_statement(raw, i) => {
                let is_pivot = lower.starts_with("pivot") && lower != "pivot_longer";
                self.push_word("SELECT", Keyword::SELECT, span);
                self.push_marker(if is_pivot { forms::PIVOT } else { forms::UNPIVOT }, span);
                Some(1)
            }
            _ => None,
        }
    }

    /// Opens, or opens again, the column list of a CTE for an option.
    fn open_cte_options(&mut self, span: Span) {
        self.drop_blanks();
        if self.previous() == Some(&Token::RParen) {
            self.out.pop();
            self.open(false);
            self.push(Token::Comma, span);
        } else {
            self.open(false);
            self.push(Token::LParen, span);
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

    /// Behind `AS` or `AS NOT`.
    fn is_behind_as(&self) -> bool {
        let mut words = self.out.iter().rev().map(|t| &t.token);
        let mut words = words.by_ref().filter(|t| !matches!(t, Token::Whitespace(_)));
        let is = |t: Option<&Token>, k: Keyword| matches!(t, Some(Token::Word(w)) if w.keyword == k);
        let last = words.next();
        is(last, Keyword::AS) || is(last, Keyword::NOT) && is(words.next(), Keyword::AS)
    }

    /// `GROUP BY *` and `ORDER BY *`.
    fn is_by_all(&self, raw: &[TokenWithSpan], i: usize) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        let mut is = |keywords: &[Keyword]| matches!(before.next(), Some(Token::Word(w)) if keywords.contains(&w.keyword));
        is(&[Keyword::BY])
            && is(&[Keyword::GROUP, Keyword::ORDER])
            && !matches!(next(raw, i), Some(Token::LParen | Token::Number(..)))
    }

    /// The last word but one is GROUP.
    fn is_behind_group_by(&self) -> bool {
        let mut before =
            self.out.iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        before.nth(1).and_then(keyword_of) == Some(Keyword::GROUP)
    }

    /// The `%` behind LIMIT, unless it has a right side.
    fn is_percent_of_limit(&mut self, raw: &[TokenWithSpan], i: usize) -> bool {
        self.level().clause == Clause::Limit
            && match next(raw, i) {
                None | Some(Token::RParen | Token::SemiColon | Token::EOF) => true,
                Some(Token::Word(w)) => matches!(w.keyword, Keyword::OFFSET),
                _ => false,
            }
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

    /// `x IN list`, where no parenthesis follows.
    fn is_in_without_list(&mut self, raw: &[TokenWithSpan], i: usize) -> bool {
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
    fn parameters_are_numbered_and_listed() {
        assert_eq!(rewritten("SELECT ?, ?, ?1"), "SELECT $1, $2, $1");
        assert_eq!(tokenize(&FluxDialect, "SELECT $a + $A, $b").unwrap().parameters, ["a", "b"]);
        assert!(tokenize(&FluxDialect, "SELECT ?, $a").is_err());
    }

    #[test]
    fn every_is_a_clause_only_before_a_duration() {
        let plain = "SELECT every, every.every FROM every WHERE every > 5";
        assert_eq!(rewritten(plain), plain);
        assert!(rewritten("SELECT avg(x) FROM t EVERY 5m").contains("CLUSTER BY"));
        assert!(rewritten("FROM t EVERY INTERVAL 5 MINUTE").contains("SELECT * CLUSTER BY"));
    }
}
