//! PIVOT and UNPIVOT, as statements and behind a table.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Ident, Query, Value};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

use super::{PIVOT, UNPIVOT, arguments, arguments_named, call, named, plain_call, text};
use crate::sql::lookahead::{expect_word, peek_word, take_word};
use crate::sql::parser::from_query;
use crate::sql::tokens::IN;

/// A PIVOT as written.
#[derive(Debug)]
pub struct PivotSyntax<'e> {
    /// Where the rows come from; not known where it stands behind a table.
    pub source: Option<&'e Query>,
    /// What becomes columns: expressions, or [`Expr::InList`] and [`Expr::InSubquery`] of them.
    pub on: Vec<&'e Expr>,
    /// The aggregates, with an alias as [`Expr::Named`].
    pub using: Vec<&'e Expr>,
    /// The columns that group the rows; all others if absent.
    pub group_by: Option<Vec<&'e Expr>>,
}

/// The query whose rows a statement is about.
fn source(args: &[FunctionArg]) -> Option<&Query> {
    match arguments_named(args, "source").first()? {
        Expr::Subquery(query) => Some(query),
        _ => None,
    }
}

fn with_alias(expr: Expr, alias: Option<Ident>) -> Expr {
    match alias {
        Some(name) => Expr::Named { expr: Box::new(expr), name },
        None => expr,
    }
}

/// `value`, `value AS name` or `value name`.
fn parse_item(parser: &mut Parser) -> Result<Expr, ParserError> {
    let expr = parser.parse_expr()?;
    let alias = parse_alias(parser)?;
    Ok(with_alias(expr, alias))
}

/// `AS name`, or a name that begins nothing else.
fn parse_alias(parser: &mut Parser) -> Result<Option<Ident>, ParserError> {
    if parser.parse_keyword(Keyword::AS) {
        return parser.parse_identifier().map(Some);
    }
    match &parser.peek_token_ref().token {
        Token::Word(w)
            if w.quote_style.is_some()
                || !matches!(
                    w.keyword,
                    Keyword::FOR
                        | Keyword::GROUP
                        | Keyword::ORDER
                        | Keyword::LIMIT
                        | Keyword::OFFSET
                        | Keyword::USING
                        | Keyword::INTO
                        | Keyword::UNION
                        | Keyword::EXCEPT
                        | Keyword::INTERSECT
                        | Keyword::IN
                        | Keyword::ON
                ) =>
        {
            parser.parse_identifier().map(Some)
        }
        _ => Ok(None),
    }
}

/// `a`, or `a IN (values)`: the values may have aliases.
fn parse_pivot_on(parser: &mut Parser) -> Result<Expr, ParserError> {
    // A plain IN is parsed by hand, because of the aliases.
    let mut expr = if parser.peek_token_ref().token == Token::LParen {
        parser.advance_token();
        let mut items = parser.parse_comma_separated(Parser::parse_expr)?;
        parser.expect_token(&Token::RParen)?;
        if items.len() == 1 { Expr::Nested(Box::new(items.remove(0))) } else { Expr::Tuple(items) }
    } else {
        parser.parse_subexpr(BETWEEN_PRECEDENCE)?
    };
    // `a IN type`: the names of an ENUM.
    let is_type = matches!(&parser.peek_token_ref().token, Token::CustomBinaryOperator(op) if op == IN)
        || peek_word(parser, 0) == "in" && parser.peek_nth_token_ref(1).token != Token::LParen;
    if is_type {
        parser.advance_token();
        let name = parser.parse_object_name(false)?;
        let names = format!("SELECT unnest(enum_range(CAST(NULL AS {name})))");
        let subquery =
            crate::sql::parser::parse_query(&names).map_err(|e| ParserError::ParserError(e.message))?;
        return Ok(Expr::InSubquery { expr: Box::new(expr), subquery, negated: false });
    }
    if !parser.parse_keyword(Keyword::IN) {
        // What binds less than IN, such as a comparison, goes on.
        loop {
            match parser.get_next_precedence()? {
                0 => return Ok(expr),
                precedence => expr = parser.parse_infix(expr, precedence)?,
            }
        }
    }
    parser.expect_token(&Token::LParen)?;
    let expr = Box::new(expr);
    if matches!(peek_word(parser, 0).as_str(), "select" | "with" | "from" | "values") {
        let subquery = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        return Ok(Expr::InSubquery { expr, subquery, negated: false });
    }
    let list = parser.parse_comma_separated(parse_item)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::InList { expr, list, negated: false })
}

/// That of IN and the like, which end an expression here.
const BETWEEN_PRECEDENCE: u8 = crate::sql::dialect::BETWEEN_LIKE;

fn parse_group_by(parser: &mut Parser, args: &mut Vec<FunctionArg>) -> Result<(), ParserError> {
    if parser.parse_keywords(&[Keyword::GROUP, Keyword::BY]) {
        let keys = parser.parse_comma_separated(Parser::parse_expr)?;
        args.push(named("grouped", Expr::Value(Value::Boolean(true).with_span(Span::empty()))));
        args.extend(keys.into_iter().map(|k| named("group", k)));
    }
    Ok(())
}

/// What follows PIVOT as a statement: `t ON a, b USING sum(x) GROUP BY c`.
pub(super) fn parse_pivot_statement(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
    let mut args = vec![named("source", Expr::Subquery(from_query(parser)?))];
    if parser.parse_keyword(Keyword::ON) {
        let on = parser.parse_comma_separated(parse_pivot_on)?;
        args.extend(on.into_iter().map(|e| named("on", e)));
    }
    if parser.parse_keyword(Keyword::USING) {
        let using = parser.parse_comma_separated(parse_item)?;
        args.extend(using.into_iter().map(|e| named("using", e)));
    }
    parse_group_by(parser, &mut args)?;
    Ok(call(PIVOT, span, args))
}

/// What stands in `PIVOT (…)`: `sum(x), max(x) FOR a IN (1, 2) b IN (3) GROUP BY c`.
pub(super) fn parse_pivot_body(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
    let using = parser.parse_comma_separated(parse_item)?;
    let mut args: Vec<FunctionArg> = using.into_iter().map(|e| named("using", e)).collect();
    parser.expect_keyword_is(Keyword::FOR)?;
    loop {
        args.push(named("on", parse_pivot_on(parser)?));
        let _ = parser.consume_token(&Token::Comma) || parser.parse_keyword(Keyword::FOR);
        let ends = parser.peek_token_ref().token == Token::RParen || peek_word(parser, 0) == "group";
        if ends {
            break;
        }
    }
    parse_group_by(parser, &mut args)?;
    Ok(call(PIVOT, span, args))
}

/// The PIVOT that an expression made here stands for.
pub fn pivot(expr: &Expr) -> Option<PivotSyntax<'_>> {
    let args = arguments(expr, PIVOT)?;
    let grouped = !arguments_named(args, "grouped").is_empty();
    Some(PivotSyntax {
        source: source(args),
        on: arguments_named(args, "on"),
        using: arguments_named(args, "using"),
        group_by: grouped.then(|| arguments_named(args, "group")),
    })
}

// --- UNPIVOT ---

/// An UNPIVOT as written.
#[derive(Debug)]
pub struct UnpivotSyntax<'e> {
    /// Where the rows come from; not known where it stands behind a table.
    pub source: Option<&'e Query>,
    /// The columns that become rows: expressions, tuples of them, with an alias as [`Expr::Named`].
    pub on: Vec<&'e Expr>,
    /// The column of their names.
    pub name: String,
    /// The columns of their values.
    pub values: Vec<String>,
    /// Rows whose values are NULL stay.
    pub include_nulls: bool,
}

/// INCLUDE NULLS or EXCLUDE NULLS.
fn parse_null_inclusion(parser: &mut Parser, args: &mut Vec<FunctionArg>) {
    let word = peek_word(parser, 0);
    if matches!(word.as_str(), "include" | "exclude") && peek_word(parser, 1) == "nulls" {
        parser.advance_token();
        parser.advance_token();
        if word == "include" {
            args.push(named("include_nulls", Expr::Value(Value::Boolean(true).with_span(Span::empty()))));
        }
    }
}

/// What follows UNPIVOT as a statement: `t ON a, b INTO NAME n VALUE v`.
pub(super) fn parse_unpivot_statement(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
    let mut args = vec![];
    parse_null_inclusion(parser, &mut args);
    args.push(named("source", Expr::Subquery(from_query(parser)?)));
    parse_null_inclusion(parser, &mut args);
    parser.expect_keyword_is(Keyword::ON)?;
    let on = parser.parse_comma_separated(parse_unpivot_item)?;
    args.extend(on.into_iter().map(|e| named("on", e)));
    if parser.parse_keyword(Keyword::INTO) {
        expect_word(parser, "name")?;
        args.push(named("name", text(parser.parse_identifier()?.value, span)));
        if !take_word(parser, "values") {
            expect_word(parser, "value")?;
        }
        let values = parser.parse_comma_separated(Parser::parse_identifier)?;
        args.extend(values.into_iter().map(|v| named("value", text(v.value, span))));
    }
    Ok(call(UNPIVOT, span, args))
}

/// A column, `*` with what is left out of it or a call of COLUMNS, or some columns in parentheses; each with an alias or not.
fn parse_unpivot_item(parser: &mut Parser) -> Result<Expr, ParserError> {
    if parser.consume_token(&Token::Mul) {
        let star = parser.get_current_token().clone();
        let columns = Ident { value: "columns".into(), quote_style: None, span: star.span };
        let options = parser.parse_wildcard_additional_options(star)?;
        let star = FunctionArgExpr::WildcardWithOptions(options);
        return Ok(plain_call(columns, vec![FunctionArg::Unnamed(star)]));
    }
    let expr = column_of_number(parser.parse_expr()?);
    // An alias may be a text.
    let alias = parse_alias(parser)?;
    Ok(with_alias(expr, alias))
}

/// Where columns are listed, a number is the name of one.
fn column_of_number(expr: Expr) -> Expr {
    match expr {
        Expr::Value(value) => match value.value {
            Value::Number(digits, _) => {
                Expr::Identifier(Ident { value: digits, quote_style: Some('"'), span: value.span })
            }
            other => Expr::Value(other.with_span(value.span)),
        },
        Expr::Nested(inner) => Expr::Nested(Box::new(column_of_number(*inner))),
        Expr::Tuple(items) => Expr::Tuple(items.into_iter().map(column_of_number).collect()),
        other => other,
    }
}

/// What stands in `UNPIVOT (…)`: `v FOR n IN (a, b)`.
pub(super) fn parse_unpivot_body(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
    let mut args = vec![];
    let values = if parser.consume_token(&Token::LParen) {
        let values = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
        values
    } else {
        vec![parser.parse_identifier()?]
    };
    args.extend(values.into_iter().map(|v| named("value", text(v.value, span))));
    parser.expect_keyword_is(Keyword::FOR)?;
    args.push(named("name", text(parser.parse_identifier()?.value, span)));
    parser.expect_keyword_is(Keyword::IN)?;
    if parser.consume_token(&Token::LParen) {
        let on = parser.parse_comma_separated(parse_unpivot_item)?;
        args.extend(on.into_iter().map(|e| named("on", e)));
        parser.expect_token(&Token::RParen)?;
    } else {
        args.push(named("on", parse_unpivot_item(parser)?));
    }
    Ok(call(UNPIVOT, span, args))
}

/// The UNPIVOT that an expression made here stands for.
pub fn unpivot(expr: &Expr) -> Option<UnpivotSyntax<'_>> {
    let args = arguments(expr, UNPIVOT)?;
    let texts = |name: &str| -> Vec<String> {
        let value = |e: &&Expr| match e {
            Expr::Value(v) => v.value.clone().into_string(),
            _ => None,
        };
        arguments_named(args, name).iter().filter_map(value).collect()
    };
    let mut values = texts("value");
    if values.is_empty() {
        values.push("value".into());
    }
    Some(UnpivotSyntax {
        source: source(args),
        on: arguments_named(args, "on"),
        name: texts("name").into_iter().next().unwrap_or_else(|| "name".into()),
        values,
        include_nulls: !arguments_named(args, "include_nulls").is_empty(),
    })
}
