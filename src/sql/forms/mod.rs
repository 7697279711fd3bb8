//! Forms of DuckDB that the grammar of `sqlparser` has no place for: prefix aliases, samples, PIVOT and UNPIVOT,
//! nested grouping sets, list comprehensions.
//!
//! [`crate::sql::tokens`] puts a marker, which no text can spell, where such a form begins. The dialect hands the
//! parser over when it meets one, and what is parsed here becomes a call of a function of the marker's name;
//! [`crate::sql::bind`] takes it apart with the functions of this file.

mod comprehension;
mod pivot;
mod sample;

use sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Value,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, Word};

pub use comprehension::{parse_brackets, star_names};
pub use pivot::{PivotSyntax, UnpivotSyntax, pivot, unpivot};
pub use sample::{SampleSyntax, qualify_and_sample, sample};

use crate::sql::fluxql;
use crate::sql::lookahead::{self, peek_word, plain_word};
use crate::sql::parser::NESTING_MAX;

/// A quoting that this dialect does not read, so no text can have it: it marks what the parser layer has made.
/// One that `sqlparser` can print, since tokens get into its messages.
pub const MARK: char = '`';

/// Parts the name of an operator from the pattern in the marker of `* LIKE 'pattern'`.
const STAR_PATTERN: char = '\u{1}';

/// `alias: value`; the alias follows in the marker.
pub const ALIAS: &str = "alias ";
/// The words behind `USING SAMPLE` and `TABLESAMPLE`.
pub const SAMPLE: &str = "sample";
/// `PIVOT t ON …`.
pub const PIVOT: &str = "pivot";
/// `UNPIVOT t ON …`.
pub const UNPIVOT: &str = "unpivot";
/// What stands in the parentheses of `FROM t PIVOT (…)`.
pub const PIVOT_BODY: &str = "pivot body";
/// What stands in the parentheses of `FROM t UNPIVOT (…)`.
pub const UNPIVOT_BODY: &str = "unpivot body";
/// `GROUPING SETS (…)`.
pub const GROUPING_SETS: &str = "grouping sets";
/// A column by its number in FROM: `#1`.
pub const POSITION: &str = "position";
/// `*COLUMNS(…)`: all columns side by side.
pub const UNPACKED_COLUMNS: &str = "*columns";
/// The names of all columns, in a list comprehension within COLUMNS: `COLUMNS([c FOR c IN *])`.
pub const STAR_NAMES: &str = "names of *";
/// Stands for the alias that `* LIKE 'pattern'` does not have.
pub const NO_ALIAS: &str = "no alias";
/// Among the columns of a CTE: it is MATERIALIZED.
pub const MATERIALIZED: &str = "materialized";
/// Among the columns of a CTE: it is NOT MATERIALIZED.
pub const NOT_MATERIALIZED: &str = "not materialized";
/// Among the columns of a CTE: those of USING KEY follow.
pub const USING_KEY: &str = "using key";

/// The type that makes a tuple of one value of it.
pub const ONE_TUPLE: &str = "one tuple";
/// The type of a generated column that is written without one.
pub const GENERATED_TYPE: &str = "generated";
/// `FROM (DESCRIBE …)`.
pub const DESCRIBED: &str = "describe relation";
/// `FROM (SUMMARIZE …)`.
pub const SUMMARIZED: &str = "summarize relation";
/// `FROM (SHOW TABLES)` and the like: before the words that say what is shown.
pub const SHOWN: &str = "show ";

/// Whether a type is the marker that stands for that of a generated column.
pub fn is_type_of_generated(ty: &DataType) -> bool {
    matches!(ty, DataType::Custom(name, _)
        if matches!(&name.0[..], [ObjectNamePart::Identifier(ident)] if is_marker(ident, GENERATED_TYPE)))
}

/// The marker that a function in FROM is.
pub fn listing(name: &ObjectName) -> Option<&str> {
    match &name.0[..] {
        [ObjectNamePart::Identifier(ident)] if ident.quote_style == Some(MARK) => Some(&ident.value),
        _ => None,
    }
}

/// The query of `FROM (DESCRIBE …)`.
pub fn listed_query(args: &[FunctionArg]) -> Option<&Query> {
    match args.first().and_then(argument_expr)? {
        Expr::Subquery(query) => Some(query),
        _ => None,
    }
}

/// A marker.
pub fn marker(name: &str) -> Word {
    Word { value: name.into(), quote_style: Some(MARK), keyword: Keyword::NoKeyword }
}

/// Whether an identifier is the marker of that name.
pub fn is_marker(ident: &Ident, name: &str) -> bool {
    ident.quote_style == Some(MARK) && ident.value == name
}

/// Parses what a marker announces; `None` if it announces nothing.
pub fn parse_marked(word: &Word, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    if word.quote_style != Some(MARK) {
        return None;
    }
    if fluxql::is_every_marker(word) {
        return Some(fluxql::parse_every(parser));
    }
    if let Some(alias) = word.value.strip_prefix(ALIAS) {
        let span = parser.next_token().span;
        let name = Ident { value: alias.to_owned(), quote_style: Some('"'), span };
        let expr = parser.parse_expr();
        return Some(expr.map(|expr| Expr::Named { expr: Box::new(expr), name }));
    }
    let parse = match word.value.as_str() {
        SAMPLE => sample::parse_sample,
        PIVOT => pivot::parse_pivot_statement,
        UNPIVOT => pivot::parse_unpivot_statement,
        PIVOT_BODY => pivot::parse_pivot_body,
        UNPIVOT_BODY => pivot::parse_unpivot_body,
        GROUPING_SETS => parse_grouping_sets,
        _ => return None,
    };
    let span = parser.next_token().span;
    Some(parse(parser, span))
}

/// A call of a function that no text can spell.
pub(super) fn call(name: &str, span: Span, args: Vec<FunctionArg>) -> Expr {
    plain_call(Ident { value: name.into(), quote_style: Some(MARK), span }, args)
}

fn plain_call(name: Ident, args: Vec<FunctionArg>) -> Expr {
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: vec![],
        }),
        within_group: vec![],
        filter: None,
        null_treatment: None,
        over: None,
    })
}

/// An argument without a name.
pub(super) fn argument(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn named(name: &str, expr: Expr) -> FunctionArg {
    FunctionArg::Named {
        name: Ident::new(name),
        arg: FunctionArgExpr::Expr(expr),
        operator: FunctionArgOperator::Assignment,
    }
}

fn text(value: impl Into<String>, span: Span) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.into()).with_span(span))
}

/// The arguments of a call made here, if `expr` is one of that name.
fn arguments<'e>(expr: &'e Expr, name: &str) -> Option<&'e [FunctionArg]> {
    let Expr::Function(function) = expr else { return None };
    let [ObjectNamePart::Identifier(ident)] = &function.name.0[..] else { return None };
    match &function.args {
        FunctionArguments::List(list) if is_marker(ident, name) => Some(&list.args),
        _ => None,
    }
}

/// The expression that an argument is.
pub fn argument_expr(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e))
        | FunctionArg::Named { arg: FunctionArgExpr::Expr(e), .. } => Some(e),
        _ => None,
    }
}

fn arguments_named<'e>(args: &'e [FunctionArg], wanted: &str) -> Vec<&'e Expr> {
    let is_wanted =
        |arg: &&FunctionArg| matches!(arg, FunctionArg::Named { name, .. } if name.value == wanted);
    args.iter().filter(is_wanted).filter_map(argument_expr).collect()
}

// --- patterns behind a star ---

/// The marker that stands for `LIKE 'pattern'` and the like behind a star.
pub fn star_pattern_marker(operator: &str, pattern: &str) -> Word {
    marker(&format!("{operator}{STAR_PATTERN}{pattern}"))
}

/// The operator and the pattern that stand behind a star, if this is a marker made of them.
pub fn star_pattern(ident: &Ident) -> Option<(&str, &str)> {
    if ident.quote_style == Some(MARK) { ident.value.split_once(STAR_PATTERN) } else { None }
}

// --- subqueries ---

/// `(FROM …` or `(VALUES …`, which the grammar does not take for a subquery in an expression.
pub fn is_query_without_select(parser: &Parser) -> bool {
    is_set_operation(parser)
        || matches!(
            (peek_word(parser, 1).as_str(), &parser.peek_nth_token_ref(2).token),
            ("from", Token::Word(_) | Token::LParen | Token::SingleQuotedString(_))
                | ("values", Token::LParen)
        )
}

/// Whether a query in parentheses of its own is ahead, and more of the same query behind it: `((SELECT 1) UNION …)`.
fn is_set_operation(parser: &Parser) -> bool {
    // More of them would be nested too deeply, and each of them is asked about too.
    let mut ahead =
        lookahead::tokens(parser).skip(1).take(NESTING_MAX).skip_while(|token| **token == Token::LParen);
    let begins_query = |token| matches!(plain_word(token).as_str(), "select" | "from" | "values" | "with");
    if parser.peek_nth_token_ref(1).token != Token::LParen || !ahead.next().is_some_and(begins_query) {
        return false;
    }
    // What stands behind the parenthesis that closes the second one.
    let mut depth = 0_usize;
    let mut behind = lookahead::tokens(parser).skip(1).skip_while(|token| {
        match token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        depth > 0
    });
    behind.nth(1).is_some_and(|t| matches!(plain_word(t).as_str(), "union" | "except" | "intersect"))
}

/// A subquery in parentheses.
pub fn parse_query(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let query = parser.parse_query()?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Subquery(query))
}

// --- positions ---

/// `#1`.
pub fn parse_position(parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
    let Token::Number(digits, _) = &parser.peek_nth_token_ref(1).token else { return None };
    let digits = digits.clone();
    let span = parser.next_token().span;
    parser.advance_token();
    Some(Ok(call(POSITION, span, vec![argument(Expr::Value(Value::Number(digits, false).with_span(span)))])))
}

/// The number of a column that is called by its position.
pub fn position(expr: &Expr) -> Option<&str> {
    match arguments(expr, POSITION)?.first().and_then(argument_expr)? {
        Expr::Value(v) => match &v.value {
            Value::Number(digits, _) => Some(digits),
            _ => None,
        },
        _ => None,
    }
}

// --- grouping sets ---

/// The list of `GROUPING SETS (…)`. A set that is a list of sets itself stands alone in its place.
fn parse_grouping_sets(parser: &mut Parser, _: Span) -> Result<Expr, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let sets = parser.parse_comma_separated(|p| {
        if p.consume_tokens(&[Token::LParen, Token::RParen]) {
            return Ok(vec![]);
        }
        // Parentheses may be around all keys of a set or a part of its only one.
        Ok(match p.parse_expr()? {
            Expr::Tuple(keys) => keys,
            Expr::Nested(key) => vec![*key],
            key => vec![key],
        })
    })?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::GroupingSets(sets))
}
