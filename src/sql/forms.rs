//! Forms of DuckDB that the grammar of `sqlparser` has no place for: prefix aliases, samples, PIVOT and UNPIVOT,
//! nested grouping sets, list comprehensions.
//!
//! [`crate::sql::tokens`] puts a marker, which no text can spell, where such a form begins. The dialect hands the
//! parser over when it meets one, and what is parsed here becomes a call of a function of the marker's name;
//! [`crate::sql::bind`] takes it apart with the functions of this file.

use sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentList,
    FunctionArguments, Ident, LambdaFunction, LambdaFunctionParameter, LambdaSyntax, ObjectName,
    ObjectNamePart, OneOrManyWithParens, Query, Value,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, Word};

use crate::sql::fluxql;
use crate::sql::lookahead::{self, expect_word, peek_word, plain_word, take_word};
use crate::sql::parser::{NESTING_MAX, from_query};
use crate::sql::tokens::IN;

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
/// `FROM (SHOW TABLES)`.
pub const SHOWN_TABLES: &str = "show tables";
/// `FROM (SHOW ALL TABLES)`.
pub const SHOWN_ALL_TABLES: &str = "show all tables";

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
        SAMPLE => parse_sample,
        PIVOT => parse_pivot_statement,
        UNPIVOT => parse_unpivot_statement,
        PIVOT_BODY => parse_pivot_body,
        UNPIVOT_BODY => parse_unpivot_body,
        GROUPING_SETS => parse_grouping_sets,
        _ => return None,
    };
    let span = parser.next_token().span;
    Some(parse(parser, span))
}

/// A call of a function that no text can spell.
fn call(name: &str, span: Span, args: Vec<FunctionArg>) -> Expr {
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

fn argument(expr: Expr) -> FunctionArg {
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

fn argument_expr(arg: &FunctionArg) -> Option<&Expr> {
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

// --- samples ---

/// A sample as written.
#[derive(Debug)]
pub struct SampleSyntax<'e> {
    /// How many rows, or percent of them.
    pub size: &'e Expr,
    /// The size is in percent.
    pub percent: bool,
    /// How rows are chosen.
    pub method: Option<&'e str>,
    /// Makes the choice the same each time.
    pub seed: Option<&'e Expr>,
}

/// `10%`, `10 PERCENT (bernoulli, 7)`, `100 ROWS`, `reservoir(100 ROWS) REPEATABLE (7)`.
fn parse_sample(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
    let mut method = None;
    let mut seed = None;
    let (size, percent);
    if parser.peek_nth_token_ref(1).token == Token::LParen && !peek_word(parser, 0).is_empty() {
        method = Some(peek_word(parser, 0));
        parser.advance_token();
        parser.advance_token();
        (size, percent) = parse_sample_size(parser)?;
        parser.expect_token(&Token::RParen)?;
    } else if parser.consume_token(&Token::LParen) {
        (size, percent) = parse_sample_size(parser)?;
        parser.expect_token(&Token::RParen)?;
    } else {
        (size, percent) = parse_sample_size(parser)?;
        if parser.consume_token(&Token::LParen) {
            method = Some(parser.parse_identifier()?.value.to_lowercase());
            if parser.consume_token(&Token::Comma) {
                seed = Some(parser.parse_expr()?);
            }
            parser.expect_token(&Token::RParen)?;
        }
    }
    if take_word(parser, "repeatable") {
        parser.expect_token(&Token::LParen)?;
        seed = Some(parser.parse_expr()?);
        parser.expect_token(&Token::RParen)?;
    }
    let mut args = vec![named(if percent { "percent" } else { "rows" }, size)];
    args.extend(method.map(|m| named("method", text(m, span))));
    args.extend(seed.map(|s| named("seed", s)));
    Ok(call(SAMPLE, span, args))
}

fn parse_sample_size(parser: &mut Parser) -> Result<(Expr, bool), ParserError> {
    // A sign of its own: `%` behind the number is no operator.
    let negative = parser.consume_token(&Token::Minus);
    let token = parser.next_token();
    let Token::Number(digits, _) = &token.token else {
        return parser.expected("the size of a sample", token);
    };
    let digits = if negative { format!("-{digits}") } else { digits.clone() };
    let size = Expr::Value(Value::Number(digits, false).with_span(token.span));
    let percent = parser.consume_token(&Token::Mod) || take_word(parser, "percent");
    if !percent {
        take_word(parser, "rows");
    }
    Ok((size, percent))
}

/// The sample that an expression made here stands for.
pub fn sample(expr: &Expr) -> Option<SampleSyntax<'_>> {
    let args = arguments(expr, SAMPLE)?;
    let one = |name| arguments_named(args, name).into_iter().next();
    let percent = one("percent");
    Some(SampleSyntax {
        size: percent.or_else(|| one("rows"))?,
        percent: percent.is_some(),
        method: one("method").and_then(|e| match e {
            Expr::Value(v) => match &v.value {
                Value::SingleQuotedString(s) => Some(s.as_str()),
                _ => None,
            },
            _ => None,
        }),
        seed: one("seed"),
    })
}

/// Parts a clause QUALIFY into its condition and the sample that [`crate::sql::tokens`] has put behind it.
pub fn qualify_and_sample(qualify: Option<&Expr>) -> (Option<&Expr>, Option<SampleSyntax<'_>>) {
    use sqlparser::ast::BinaryOperator;
    match qualify {
        None => (None, None),
        Some(Expr::BinaryOp { left, op: BinaryOperator::Custom(op), right })
            if op == crate::sql::tokens::AND_SAMPLE =>
        {
            (Some(left), sample(right))
        }
        Some(expr) => match sample(expr) {
            Some(sample) => (None, Some(sample)),
            None => (Some(expr), None),
        },
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

// --- lists ---

/// `[a, b]`, or the comprehension `[f(x) FOR x IN list IF g(x)]`.
pub fn parse_brackets(parser: &mut Parser) -> Result<Expr, ParserError> {
    let span = parser.next_token().span;
    if parser.consume_token(&Token::RBracket) {
        return Ok(Expr::Array(sqlparser::ast::Array { elem: vec![], named: false }));
    }
    let first = parser.parse_expr()?;
    if parser.parse_keyword(Keyword::FOR) {
        let params = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_keyword_is(Keyword::IN)?;
        let list = match parse_star_names(parser)? {
            Some(names) => names,
            None => parser.parse_expr()?,
        };
        let condition = if take_word(parser, "if") { Some(parser.parse_expr()?) } else { None };
        parser.expect_token(&Token::RBracket)?;
        return Ok(comprehension(first, params, list, condition, span));
    }
    let mut elem = vec![first];
    while parser.consume_token(&Token::Comma) {
        if parser.peek_token_ref().token == Token::RBracket {
            break;
        }
        elem.push(parser.parse_expr()?);
    }
    parser.expect_token(&Token::RBracket)?;
    Ok(Expr::Array(sqlparser::ast::Array { elem, named: false }))
}

/// `*`, `(*)` or `t.*` as the list of a comprehension.
fn parse_star_names(parser: &mut Parser) -> Result<Option<Expr>, ParserError> {
    let ahead = |n: usize| &parser.peek_nth_token_ref(n).token;
    let (skipped, table) = match (ahead(0), ahead(1), ahead(2)) {
        (Token::LParen, Token::Mul, Token::RParen) => (3, None),
        (Token::Word(table), Token::Period, Token::Mul) => (3, Some(table.clone())),
        (Token::Mul, ..) => (1, None),
        _ => return Ok(None),
    };
    let span = parser.peek_token_ref().span;
    for _ in 0..skipped {
        parser.advance_token();
    }
    let table = table.map(|table| {
        FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(ObjectName::from(vec![
            table.into_ident(span),
        ])))
    });
    Ok(Some(call(STAR_NAMES, span, table.into_iter().collect())))
}

/// If an expression is a star in a list comprehension: the table that it is of, if one is named.
pub fn star_names(expr: &Expr) -> Option<Option<&ObjectName>> {
    match arguments(expr, STAR_NAMES)? {
        [FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(table))] => Some(Some(table)),
        _ => Some(None),
    }
}

/// The marker that stands for `LIKE 'pattern'` and the like behind a star.
pub fn star_pattern_marker(operator: &str, pattern: &str) -> Word {
    marker(&format!("{operator}{STAR_PATTERN}{pattern}"))
}

/// The operator and the pattern that stand behind a star, if this is a marker made of them.
pub fn star_pattern(ident: &Ident) -> Option<(&str, &str)> {
    if ident.quote_style == Some(MARK) { ident.value.split_once(STAR_PATTERN) } else { None }
}

fn lambda(params: &[Ident], body: Expr) -> Expr {
    let params =
        params.iter().map(|name| LambdaFunctionParameter { name: name.clone(), data_type: None }).collect();
    Expr::Lambda(LambdaFunction {
        params: OneOrManyWithParens::Many(params),
        body: Box::new(body),
        syntax: LambdaSyntax::LambdaKeyword,
    })
}

/// A comprehension as calls. Both parts see the item's number in the whole list, so the condition is carried
/// along instead of filtering first, where there is one.
fn comprehension(result: Expr, params: Vec<Ident>, list: Expr, condition: Option<Expr>, span: Span) -> Expr {
    let function = |name: &str, args: Vec<Expr>| {
        plain_call(
            Ident { value: name.into(), quote_style: None, span },
            args.into_iter().map(argument).collect(),
        )
    };
    let Some(condition) = condition else {
        return function("list_apply", vec![list, lambda(&params, result)]);
    };
    if let [_] = params[..] {
        let filtered = function("list_filter", vec![list, lambda(&params, condition)]);
        return function("list_transform", vec![filtered, lambda(&params, result)]);
    }
    let field = |name: &str, value: Expr| FunctionArg::Named {
        name: Ident::new(name),
        arg: FunctionArgExpr::Expr(value),
        operator: FunctionArgOperator::Assignment,
    };
    let pair = plain_call(
        Ident { value: "struct_pack".into(), quote_style: None, span },
        vec![field("filter", condition), field("result", result)],
    );
    let item = Ident { value: "item".into(), quote_style: Some(MARK), span };
    let part =
        |name: &str| function("struct_extract", vec![Expr::Identifier(item.clone()), text(name, span)]);
    let all = function("list_transform", vec![list, lambda(&params, pair)]);
    let kept = function("list_filter", vec![all, lambda(std::slice::from_ref(&item), part("filter"))]);
    function("list_transform", vec![kept, lambda(std::slice::from_ref(&item), part("result"))])
}

// --- PIVOT ---

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
fn parse_pivot_statement(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
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
fn parse_pivot_body(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
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
    let source = match arguments_named(args, "source").first() {
        Some(Expr::Subquery(query)) => Some(&**query),
        _ => None,
    };
    let grouped = !arguments_named(args, "grouped").is_empty();
    Some(PivotSyntax {
        source,
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
fn parse_unpivot_statement(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
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

/// A column, `*` or a call of COLUMNS, or some columns in parentheses; each with an alias or not.
fn parse_unpivot_item(parser: &mut Parser) -> Result<Expr, ParserError> {
    if parser.consume_token(&Token::Mul) {
        let span = parser.get_current_token().span;
        let columns = Ident { value: "columns".into(), quote_style: None, span };
        return Ok(plain_call(columns, vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]));
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
fn parse_unpivot_body(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
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
    let source = match arguments_named(args, "source").first() {
        Some(Expr::Subquery(query)) => Some(&**query),
        _ => None,
    };
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
        source,
        on: arguments_named(args, "on"),
        name: texts("name").into_iter().next().unwrap_or_else(|| "name".into()),
        values,
        include_nulls: !arguments_named(args, "include_nulls").is_empty(),
    })
}
