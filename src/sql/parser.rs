//! From text to syntax.

use sqlparser::ast::{Expr, Ident, ObjectName, Query, Value};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, Word};

use crate::sql::ast::{Copy, CopySubject, CreateView, MeasurementPart, Show, ShowMeasurements, Statement};
use crate::sql::dialect::FluxDialect;
use crate::sql::error::{Result, SqlError};
use crate::sql::parse_modify;
use crate::sql::tokens::{Tokens, tokenize};

/// How deeply expressions, subqueries and table references may be nested in the text.
pub const NESTING_MAX: usize = 250;

/// Cuts a statement into tokens. The result tells how much stack [`parse_statement`] and all that works on
/// its result may need ([`crate::sql::stack`]).
pub fn tokens(sql: &str) -> Result<Tokens> {
    tokenize(&FluxDialect, sql)
}

/// Parses exactly one statement, with or without its `;`.
pub fn parse_statement(tokens: Tokens) -> Result<Statement> {
    let mut parser = parser(tokens);
    while parser.consume_token(&Token::SemiColon) {}
    let statement = statement(&mut parser)?;
    while parser.consume_token(&Token::SemiColon) {}
    end_of(&parser, "end of statement")?;
    Ok(statement)
}

/// Parses a query: the text of a view.
pub fn parse_query(sql: &str) -> Result<Box<Query>> {
    let mut parser = parser(tokens(sql)?);
    let query = parser.parse_query()?;
    end_of(&parser, "end of query")?;
    Ok(query)
}

/// Parses an expression: a column's default.
pub fn parse_expr(sql: &str) -> Result<Expr> {
    let mut parser = parser(tokens(sql)?);
    let expr = parser.parse_expr()?;
    end_of(&parser, "end of expression")?;
    Ok(expr)
}

/// Parses the name of a type.
pub fn parse_type(sql: &str) -> Result<sqlparser::ast::DataType> {
    let mut parser = parser(tokens(sql)?);
    let ty = parser.parse_data_type()?;
    end_of(&parser, "end of type")?;
    Ok(ty)
}

fn parser(tokens: Tokens) -> Parser<'static> {
    Parser::new(&FluxDialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens.tokens)
}

fn end_of(parser: &Parser, what: &str) -> Result<()> {
    match parser.peek_token_ref() {
        token if token.token == Token::EOF => Ok(()),
        token => Ok(parser.expected_ref(what, token)?),
    }
}

type Parsed<T> = std::result::Result<T, ParserError>;

/// The word that is next, in lower case, if it is a plain word.
fn peek_word(parser: &Parser, n: usize) -> String {
    match &parser.peek_nth_token_ref(n).token {
        Token::Word(Word { value, quote_style: None, .. }) => value.to_lowercase(),
        _ => String::new(),
    }
}

fn statement(parser: &mut Parser) -> Result<Statement> {
    let word = peek_word(parser, 0);
    let second = peek_word(parser, 1);
    if parse_modify::is_ahead(parser) {
        return Ok(Statement::Modify(Box::new(parse_modify::modify(parser)?)));
    }
    Ok(match word.as_str() {
        "select" | "with" | "from" | "values" | "table" => Statement::Query(parser.parse_query()?),
        "explain" => {
            parser.advance_token();
            explain(parser)?
        }
        "describe" | "desc" => {
            parser.advance_token();
            Statement::Describe(relation(parser)?)
        }
        "summarize" => {
            parser.advance_token();
            Statement::Summarize(relation(parser)?)
        }
        "show" => {
            parser.advance_token();
            show(parser)?
        }
        "copy" => {
            parser.advance_token();
            Statement::Copy(Box::new(copy(parser)?))
        }
        "set" => {
            parser.advance_token();
            if matches!(second.as_str(), "session" | "global" | "local") {
                parser.advance_token();
            }
            set(parser)?
        }
        "reset" => {
            parser.advance_token();
            if matches!(second.as_str(), "session" | "global" | "local") {
                parser.advance_token();
            }
            Statement::Reset { name: parser.parse_identifier()? }
        }
        "pragma" => {
            parser.advance_token();
            pragma(parser)?
        }
        "begin" | "start" => {
            parser.advance_token();
            transaction_words(parser);
            Statement::Begin
        }
        "commit" | "end" => {
            parser.advance_token();
            transaction_words(parser);
            Statement::Commit
        }
        "rollback" | "abort" => {
            parser.advance_token();
            transaction_words(parser);
            Statement::Rollback
        }
        "checkpoint" => {
            parser.advance_token();
            Statement::Checkpoint
        }
        "force" if second == "checkpoint" => {
            parser.advance_token();
            parser.advance_token();
            Statement::Checkpoint
        }
        "create" if is_create_view(parser) => Statement::CreateView(Box::new(create_view(parser)?)),
        "" if parser.peek_token_ref().token == Token::LParen => Statement::Query(parser.parse_query()?),
        "" => parser.expected_ref("a statement", parser.peek_token_ref())?,
        _ => sql_statement(parser, &word)?,
    })
}

/// What the grammar of `sqlparser` has a statement for.
fn sql_statement(parser: &mut Parser, word: &str) -> Result<Statement> {
    const KNOWN: &[&str] = &[
        "select",
        "with",
        "from",
        "values",
        "table",
        "explain",
        "describe",
        "summarize",
        "show",
        "copy",
        "set",
        "reset",
        "pragma",
        "begin",
        "commit",
        "rollback",
        "checkpoint",
        "create",
        "drop",
        "alter",
        "insert",
        "delete",
        "update",
        "comment",
        "truncate",
        "attach",
        "detach",
        "use",
        "call",
        "install",
        "load",
        "vacuum",
        "analyze",
        "prepare",
        "execute",
        "deallocate",
        "merge",
        "export",
        "import",
        "grant",
        "revoke",
        "savepoint",
        "release",
    ];
    if !KNOWN.contains(&word) {
        let token = parser.peek_token_ref();
        let error =
            SqlError::parser(format!("syntax error at or near \"{}\"", token.token)).at_span(token.span);
        return Err(error.did_you_mean(word, KNOWN.iter().map(|k| k.to_uppercase())));
    }
    if matches!(word, "vacuum" | "prepare" | "execute" | "deallocate" | "export" | "import" | "call") {
        let span = parser.peek_token_ref().span;
        return Err(
            SqlError::unsupported(format!("{} is not supported yet", word.to_uppercase())).at_span(span)
        );
    }
    Ok(Statement::Sql(Box::new(parser.parse_statement()?)))
}

/// `TRANSACTION`, `WORK` and the access mode say nothing new.
fn transaction_words(parser: &mut Parser) {
    while parser
        .parse_one_of_keywords(&[
            Keyword::TRANSACTION,
            Keyword::WORK,
            Keyword::READ,
            Keyword::WRITE,
            Keyword::ONLY,
        ])
        .is_some()
    {}
}

fn explain(parser: &mut Parser) -> Result<Statement> {
    let mut analyze = parser.parse_keyword(Keyword::ANALYZE);
    if !analyze && parser.peek_token_ref().token == Token::LParen {
        // `EXPLAIN (ANALYZE, FORMAT json) …`; a parenthesis may also begin a query.
        let options = parser.maybe_parse(|p| {
            p.expect_token(&Token::LParen)?;
            let words = p.parse_comma_separated(|p| {
                let name = p.parse_identifier()?;
                if !matches!(p.peek_token_ref().token, Token::Comma | Token::RParen) {
                    p.advance_token();
                }
                Ok(name.value.to_lowercase())
            })?;
            p.expect_token(&Token::RParen)?;
            Ok(words)
        })?;
        analyze = options.is_some_and(|words| words.iter().any(|w| w == "analyze"));
    }
    let statement = Box::new(statement(parser)?);
    if matches!(*statement, Statement::Explain { .. }) {
        return Err(SqlError::parser("EXPLAIN of EXPLAIN makes no sense"));
    }
    Ok(Statement::Explain { analyze, statement })
}

/// A query, or a name or file that stands for `FROM name`.
fn relation(parser: &mut Parser) -> Parsed<Box<Query>> {
    let is_query = matches!(peek_word(parser, 0).as_str(), "select" | "with" | "from" | "values")
        || peek_word(parser, 0) == "table" && !peek_word(parser, 1).is_empty()
        || parser.peek_token_ref().token == Token::LParen;
    if is_query {
        return parser.parse_query();
    }
    from_query(parser)
}

/// A table reference as the query `FROM …`.
pub fn from_query(parser: &mut Parser) -> Result<Box<Query>, ParserError> {
    let mut query = empty_from_query()?;
    let table = parser.parse_table_and_joins()?;
    match &mut *query.body {
        sqlparser::ast::SetExpr::Select(select) => select.from = vec![table],
        _ => unreachable!("`FROM t` is a SELECT"),
    }
    Ok(query)
}

fn empty_from_query() -> Parsed<Box<Query>> {
    Parser::new(&FluxDialect).try_with_sql("FROM t")?.parse_query()
}

/// The query `FROM name`.
pub fn table_query(name: ObjectName) -> Result<Box<Query>> {
    let mut query = empty_from_query()?;
    if let sqlparser::ast::SetExpr::Select(select) = &mut *query.body
        && let sqlparser::ast::TableFactor::Table { name: slot, .. } = &mut select.from[0].relation
    {
        *slot = name;
    }
    Ok(query)
}

/// The query `FROM table`.
pub fn factor_query(table: sqlparser::ast::TableFactor) -> Result<Box<Query>> {
    let mut query = empty_from_query()?;
    if let sqlparser::ast::SetExpr::Select(select) = &mut *query.body {
        select.from = vec![sqlparser::ast::TableWithJoins { relation: table, joins: vec![] }];
    }
    Ok(query)
}

/// `CREATE [OR REPLACE] VIEW` is ahead.
fn is_create_view(parser: &Parser) -> bool {
    peek_word(parser, 1) == "view" || peek_word(parser, 1) == "or" && peek_word(parser, 3) == "view"
}

/// The text of the query is kept, so where it begins must be known.
fn create_view(parser: &mut Parser) -> Parsed<CreateView> {
    parser.expect_keyword_is(Keyword::CREATE)?;
    let or_replace = parser.parse_keywords(&[Keyword::OR, Keyword::REPLACE]);
    parser.expect_keyword_is(Keyword::VIEW)?;
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_object_name(false)?;
    let mut columns = vec![];
    if parser.consume_token(&Token::LParen) {
        columns = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
    }
    parser.expect_keyword_is(Keyword::AS)?;
    let query_start = parser.peek_token_ref().span.start;
    let query = parser.parse_query()?;
    Ok(CreateView { name, columns, query, query_start, or_replace, if_not_exists })
}

/// The byte at which a place in a text lies.
pub fn byte_offset(sql: &str, location: Location) -> Option<usize> {
    let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
    let start = if line == 0 { 0 } else { sql.match_indices('\n').nth(line - 1)?.0 + 1 };
    let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
    let rest = &sql[start..];
    Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at))
}

fn show(parser: &mut Parser) -> Result<Statement> {
    let (first, second) = (peek_word(parser, 0), peek_word(parser, 1));
    let (show, words) = match (first.as_str(), second.as_str()) {
        ("tables", _) => (Show::Tables, 1),
        ("all", "tables") => (Show::AllTables, 2),
        ("schemas", _) => (Show::Schemas, 1),
        ("databases", _) => (Show::Databases, 1),
        ("measurements", "") => (Show::Measurements(measurements(MeasurementPart::Name)), 1),
        ("series", "" | "from") => return show_measurements(parser, MeasurementPart::Series, 1),
        ("tag", "keys") => return show_measurements(parser, MeasurementPart::TagKeys, 2),
        ("tag", "values") => return show_measurements(parser, MeasurementPart::TagValues(vec![]), 2),
        ("field", "keys") => return show_measurements(parser, MeasurementPart::FieldKeys, 2),
        _ => return Ok(Statement::Describe(relation(parser)?)),
    };
    for _ in 0..words {
        parser.advance_token();
    }
    Ok(Statement::Show(show))
}

fn measurements(what: MeasurementPart) -> ShowMeasurements {
    ShowMeasurements { what, of: None }
}

/// `[FROM measurement] [WITH KEY = name | WITH KEY IN (name, …)]` behind the first words.
fn show_measurements(parser: &mut Parser, what: MeasurementPart, words: usize) -> Result<Statement> {
    for _ in 0..words {
        parser.advance_token();
    }
    let mut show = measurements(what);
    if parser.parse_keyword(Keyword::FROM) {
        show.of = Some(parser.parse_identifier()?);
    }
    if let MeasurementPart::TagValues(keys) = &mut show.what {
        parser.expect_keywords(&[Keyword::WITH, Keyword::KEY])?;
        if parser.parse_keyword(Keyword::IN) {
            parser.expect_token(&Token::LParen)?;
            *keys = parser.parse_comma_separated(Parser::parse_identifier)?;
            parser.expect_token(&Token::RParen)?;
        } else {
            parser.expect_token(&Token::Eq)?;
            keys.push(parser.parse_identifier()?);
        }
    }
    Ok(Statement::Show(Show::Measurements(show)))
}

fn set(parser: &mut Parser) -> Parsed<Statement> {
    let name = parser.parse_identifier()?;
    if !parser.consume_token(&Token::Eq) && !parser.parse_keyword(Keyword::TO) {
        return parser.expected_ref("= or TO", parser.peek_token_ref());
    }
    Ok(Statement::Set { name, value: Box::new(parser.parse_expr()?) })
}

fn pragma(parser: &mut Parser) -> Parsed<Statement> {
    let name = parser.parse_identifier()?;
    if parser.consume_token(&Token::Eq) {
        return Ok(Statement::Set { name, value: Box::new(parser.parse_expr()?) });
    }
    let mut args = vec![];
    if parser.consume_token(&Token::LParen) {
        args = parser.parse_comma_separated0(Parser::parse_expr, Token::RParen)?;
        parser.expect_token(&Token::RParen)?;
    }
    Ok(Statement::Pragma { name, args })
}

fn copy(parser: &mut Parser) -> Parsed<Copy> {
    let subject = if parser.peek_token_ref().token == Token::LParen {
        parser.advance_token();
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        CopySubject::Query(query)
    } else {
        let name = parser.parse_object_name(false)?;
        let mut columns = vec![];
        if parser.consume_token(&Token::LParen) {
            columns = parser.parse_comma_separated(Parser::parse_identifier)?;
            parser.expect_token(&Token::RParen)?;
        }
        CopySubject::Table { name, columns }
    };
    let to = parser.expect_one_of_keywords(&[Keyword::FROM, Keyword::TO])? == Keyword::TO;
    if let (CopySubject::Query(_), false) = (&subject, to) {
        return parser.expected_ref("TO", parser.get_current_token());
    }
    let path = parser.parse_expr()?;
    let _ = parser.parse_keyword(Keyword::WITH);
    let mut options = vec![];
    if parser.consume_token(&Token::LParen) {
        options = parser.parse_comma_separated0(copy_option, Token::RParen)?;
        parser.expect_token(&Token::RParen)?;
    }
    Ok(Copy { subject, to, path, options })
}

/// `NAME`, `NAME value` or `NAME = value`; a bare word as value is a text.
fn copy_option(parser: &mut Parser) -> Parsed<(Ident, Option<Expr>)> {
    // Names of options may be keywords such as NULL, ESCAPE or FORMAT.
    let token = parser.next_token();
    let Token::Word(word) = &token.token else { return parser.expected("the name of an option", token) };
    let name = Ident { value: word.value.clone(), quote_style: word.quote_style, span: token.span };
    let assigned = parser.consume_token(&Token::Eq) || parser.consume_token(&Token::Assignment);
    if !assigned && matches!(parser.peek_token_ref().token, Token::Comma | Token::RParen) {
        return Ok((name, None));
    }
    let next_is_bare_word = matches!(
        &parser.peek_token_ref().token,
        Token::Word(w) if !matches!(w.keyword, Keyword::TRUE | Keyword::FALSE | Keyword::NULL)
    ) && matches!(parser.peek_nth_token_ref(1).token, Token::Comma | Token::RParen);
    if next_is_bare_word {
        let token = parser.next_token();
        let Token::Word(word) = token.token else { unreachable!("just seen to be a word") };
        return Ok((name, Some(Expr::Value(Value::SingleQuotedString(word.value).with_span(token.span)))));
    }
    // `(a, b)` and `*` name columns, as in `PARTITION_BY (a, b)` and `FORCE_QUOTE *`.
    if parser.consume_token(&Token::Mul) {
        let star = Value::SingleQuotedString("*".into()).with_span(parser.get_current_token().span);
        return Ok((name, Some(Expr::Value(star))));
    }
    Ok((name, Some(parser.parse_expr()?)))
}

/// The words that SQL gives a meaning to, in upper case.
pub fn keywords() -> impl Iterator<Item = &'static str> {
    const MORE: &[&str] = &["EVERY", "FILL", "GLOB", "PIVOT", "SUMMARIZE"];
    sqlparser::keywords::ALL_KEYWORDS.iter().copied().chain(MORE.iter().copied())
}

/// Whether a word, in any case, is one that SQL gives a meaning to.
pub fn is_keyword(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    matches!(upper.as_str(), "EVERY" | "FILL" | "SUMMARIZE")
        || sqlparser::keywords::ALL_KEYWORDS.binary_search(&upper.as_str()).is_ok()
}

/// The dialect, for printing.
pub fn dialect() -> &'static dyn Dialect {
    &FluxDialect
}
