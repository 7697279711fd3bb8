//! From text to syntax.

mod create;
mod function;
mod misspelt;
mod modify;
pub mod sequence;
mod session;
mod show;
mod with_changes;

use sqlparser::ast::{Expr, Ident, ObjectName, Query, Value};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use crate::column::words::is_word_of_sql;
use crate::sql::ast::{
    Copy, CopyDatabase, CopySubject, ExplainFormat, NamedOption, Show, Statement, TextSpan,
};
use crate::sql::dialect::FluxDialect;
use crate::sql::error::{Result, SqlError};
use crate::sql::lookahead::{peek_word, peek_words, take_word};
use crate::sql::tokens::{Tokens, tokenize};

/// How deeply expressions, subqueries and table references may be nested in the text.
pub const NESTING_MAX: usize = 250;
/// How long a statement may be. Its tokens take many times as much.
pub const STATEMENT_BYTES_MAX: usize = 128 << 20;

/// Cuts a statement into tokens. The result tells how much stack [`parse_statement`] and all that works on
/// its result may need ([`crate::sql::stack`]).
pub fn tokens(sql: &str) -> Result<Tokens> {
    tokens_of(sql, false)
}

/// Cuts a text into tokens that is that of a query, or of any statement.
fn tokens_of(sql: &str, query: bool) -> Result<Tokens> {
    if sql.len() > STATEMENT_BYTES_MAX {
        return Err(SqlError::parser(format!(
            "the statement has {} bytes: the maximum statement size is {STATEMENT_BYTES_MAX}",
            sql.len()
        )));
    }
    tokenize(&FluxDialect, sql, query)
}

/// Parses exactly one statement, with or without its `;`.
pub fn parse_statement(tokens: Tokens) -> Result<Statement> {
    let mut parser = parser(tokens);
    whole_statement(&mut parser).map_err(|e| misspelt::with_guess(&parser, e))
}

fn whole_statement(parser: &mut Parser) -> Result<Statement> {
    while parser.consume_token(&Token::SemiColon) {}
    let statement = statement(parser)?;
    while parser.consume_token(&Token::SemiColon) {}
    end_of(parser, "end of statement")?;
    Ok(statement)
}

/// Parses a query: the text of a view.
pub fn parse_query(sql: &str) -> Result<Box<Query>> {
    let mut parser = parser(tokens_of(sql, true)?);
    let query = parser.parse_query()?;
    end_of(&parser, "end of query")?;
    Ok(query)
}

/// Parses a query that may have semicolons behind it: the argument of `query`.
pub fn parse_single_query(sql: &str) -> Result<Box<Query>> {
    let mut parser = parser(tokens_of(sql, true)?);
    let query = parser.parse_query()?;
    while parser.consume_token(&Token::SemiColon) {}
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

/// Parses an expression that may have a name: `a + b AS c`.
pub fn parse_aliased(sql: &str) -> Result<(Expr, Option<Ident>)> {
    let mut parser = parser(tokens(sql)?);
    let expr = parser.parse_expr()?;
    let alias = if parser.parse_keyword(Keyword::AS) { Some(parser.parse_identifier()?) } else { None };
    end_of(&parser, "end of expression")?;
    Ok((expr, alias))
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

fn skip_words(parser: &mut Parser, count: usize) {
    (0..count).for_each(|_| parser.advance_token());
}

/// What is parsed, and where it lies in the text.
fn text_span<T, E: From<ParserError>>(
    parser: &mut Parser,
    parse: impl FnOnce(&mut Parser) -> Result<T, E>,
) -> Result<(T, TextSpan), E> {
    let (start, first) = (parser.peek_token_ref().span.start, parser.get_current_index());
    let parsed = parse(parser)?;
    // The last token need not be the last of the text: some were moved.
    let ends = (first..=parser.get_current_index()).map(|at| parser.token_at(at).span.end);
    Ok((parsed, TextSpan { start, end: ends.max().unwrap_or(start) }))
}

fn statement(parser: &mut Parser) -> Result<Statement> {
    let word = peek_word(parser, 0);
    let second = peek_word(parser, 1);
    if with_changes::is_ahead(parser) {
        return Ok(Statement::WithChanges(Box::new(with_changes::parse(parser)?)));
    }
    if session::is_update_of_extensions(parser) {
        return Ok(session::update_extensions(parser)?);
    }
    if modify::is_ahead(parser) {
        return Ok(Statement::Modify(Box::new(modify::modify(parser)?)));
    }
    Ok(match word.as_str() {
        "select" | "with" | "from" | "values" | "table" => Statement::Query(parser.parse_query()?),
        "explain" => {
            parser.advance_token();
            explain(parser)?
        }
        "describe" | "desc" => {
            parser.advance_token();
            describe(parser)?
        }
        "summarize" => {
            parser.advance_token();
            Statement::Summarize(relation(parser)?)
        }
        "show" => {
            parser.advance_token();
            show::show(parser)?
        }
        "copy" if peek_words(parser, 1, &["from", "database"]) => {
            skip_words(parser, 3);
            Statement::CopyDatabase(copy_database(parser)?)
        }
        "copy" => {
            parser.advance_token();
            Statement::Copy(Box::new(copy(parser)?))
        }
        "begin" | "start" => {
            parser.advance_token();
            Statement::Begin { read_only: session::transaction_words(parser) }
        }
        "commit" | "end" => {
            parser.advance_token();
            session::transaction_words(parser);
            Statement::Commit
        }
        "rollback" | "abort" => {
            parser.advance_token();
            session::transaction_words(parser);
            if take_word(parser, "to") {
                Statement::RollbackTo(session::savepoint(parser)?)
            } else {
                Statement::Rollback
            }
        }
        "force" if matches!(second.as_str(), "checkpoint" | "install") => {
            parser.advance_token();
            statement(parser)?
        }
        "create" => match create::create(parser)? {
            Some(statement) => statement,
            None => sql_statement(parser, &word)?,
        },
        "drop" => match create::drop(parser)? {
            Some(statement) => statement,
            None => sql_statement(parser, &word)?,
        },
        "alter" => match create::alter(parser)? {
            Some(statement) => statement,
            None => sql_statement(parser, &word)?,
        },
        "comment" if second == "on" => create::comment(parser)?,
        "" if parser.peek_token_ref().token == Token::LParen => Statement::Query(parser.parse_query()?),
        "" => parser.expected_ref("a statement", parser.peek_token_ref())?,
        word => match session_statement(word) {
            Some(parse) => {
                parser.advance_token();
                parse(parser)?
            }
            None => sql_statement(parser, word)?,
        },
    })
}

/// How a statement about the session is parsed that begins with that word.
fn session_statement(word: &str) -> Option<fn(&mut Parser) -> Result<Statement>> {
    Some(match word {
        "set" => |p| Ok(session::set(p)?),
        "reset" => |p| Ok(session::reset(p)?),
        "pragma" => |p| Ok(session::pragma(p)?),
        "checkpoint" => |p| Ok(session::checkpoint(p)?),
        "backup" => |p| Ok(session::backup(p)?),
        "savepoint" => |p| Ok(Statement::Savepoint(p.parse_identifier()?)),
        "release" => |p| Ok(Statement::Release(session::savepoint(p)?)),
        "vacuum" => |p| Ok(session::maintain(p, true)?),
        "analyze" => |p| Ok(session::maintain(p, false)?),
        "call" => |p| Ok(session::call(p)?),
        "refresh" => |p| Ok(create::refresh(p)?),
        "install" | "load" => |p| Ok(session::extension(p)?),
        "prepare" => session::prepare,
        "execute" => |p| Ok(session::execute(p)?),
        "deallocate" => |p| Ok(session::deallocate(p)?),
        "attach" => |p| Ok(session::attach(p)?),
        "detach" => |p| Ok(session::detach(p)?),
        "use" => |p| Ok(session::use_(p)?),
        "export" => |p| Ok(session::export(p)?),
        "import" => |p| Ok(session::import(p)?),
        _ => return None,
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
        "backup",
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
        "refresh",
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
    Ok(Statement::Sql(Box::new(parser.parse_statement()?)))
}

fn explain(parser: &mut Parser) -> Result<Statement> {
    let mut analyze = parser.parse_keyword(Keyword::ANALYZE);
    let mut format = ExplainFormat::Text;
    if parser.peek_token_ref().token == Token::LParen {
        // `EXPLAIN (ANALYZE, FORMAT json) …`; a parenthesis may also begin a query.
        let options = parser.maybe_parse(|p| {
            p.expect_token(&Token::LParen)?;
            let words = p.parse_comma_separated(|p| {
                let name = p.parse_identifier()?;
                let mut value = None;
                if !matches!(p.peek_token_ref().token, Token::Comma | Token::RParen) {
                    value = Some(p.parse_identifier()?);
                }
                Ok((name, value))
            })?;
            p.expect_token(&Token::RParen)?;
            Ok(words)
        })?;
        for (name, value) in options.into_iter().flatten() {
            match name.value.to_lowercase().as_str() {
                "analyze" => {
                    let is_off = |v: &Ident| matches!(v.value.to_lowercase().as_str(), "off" | "false");
                    analyze = !value.as_ref().is_some_and(is_off);
                }
                "format" => format = explain_format(value.as_ref())?,
                // What PostgreSQL shows or leaves out; here it is always the same.
                "buffers" | "costs" | "memory" | "serialize" | "settings" | "summary" | "timing"
                | "verbose" | "wal" => {}
                other => {
                    let error = SqlError::parser(format!("EXPLAIN has no option \"{other}\""));
                    return Err(error.at_span(name.span).did_you_mean(other, ["ANALYZE", "FORMAT"]));
                }
            }
        }
    }
    let statement = Box::new(statement(parser)?);
    if matches!(*statement, Statement::Explain { .. }) {
        return Err(SqlError::parser("EXPLAIN of EXPLAIN makes no sense"));
    }
    Ok(Statement::Explain { analyze, format, statement })
}

fn explain_format(name: Option<&Ident>) -> Result<ExplainFormat> {
    let Some(name) = name else {
        return Err(SqlError::parser("FORMAT needs the name of a format, such as json"));
    };
    match name.value.to_lowercase().as_str() {
        "text" | "default" => Ok(ExplainFormat::Text),
        "json" => Ok(ExplainFormat::Json),
        "html" => Ok(ExplainFormat::Html),
        "yaml" => Ok(ExplainFormat::Yaml),
        "mermaid" => Ok(ExplainFormat::Mermaid),
        "graphviz" => Ok(ExplainFormat::Graphviz),
        other => {
            let error = SqlError::invalid(format!("\"{other}\" is not a valid FORMAT argument"));
            Err(error.at_span(name.span).hint("Options are: text, json, html, yaml, mermaid, graphviz"))
        }
    }
}

/// A query, or a name or file that stands for `FROM name`.
fn relation(parser: &mut Parser) -> Parsed<Box<Query>> {
    let is_query = matches!(peek_word(parser, 0).as_str(), "select" | "with" | "from" | "values")
        || parser.peek_token_ref().token == Token::LParen;
    if is_query {
        return parser.parse_query();
    }
    let is_named =
        matches!(parser.peek_nth_token_ref(1).token, Token::SingleQuotedString(_) | Token::Word(_));
    if is_named && peek_word(parser, 0) == "table" {
        parser.advance_token();
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

/// The query `SELECT expr`.
pub fn scalar_query(expr: Expr) -> Result<Box<Query>> {
    let mut query = parse_query("SELECT 0")?;
    if let sqlparser::ast::SetExpr::Select(select) = &mut *query.body {
        select.projection = vec![sqlparser::ast::SelectItem::UnnamedExpr(expr)];
    }
    Ok(query)
}

/// A name of one or more parts, such as the text in `nextval('schema.sequence')`.
pub fn parse_name(sql: &str) -> Result<ObjectName> {
    // A program that names a table for each row that it writes names it plainly.
    if is_plain_name(sql) {
        return Ok(ObjectName::from(vec![Ident::new(sql)]));
    }
    let mut parser = parser(tokens(sql)?);
    let name = parser.parse_object_name(false)?;
    end_of(&parser, "end of name")?;
    Ok(name)
}

/// Whether a text is one name that needs no quotes and has no meaning of its own.
fn is_plain_name(text: &str) -> bool {
    text.bytes()
        .enumerate()
        .all(|(i, byte)| matches!(byte, b'a'..=b'z' | b'_') || i > 0 && byte.is_ascii_digit())
        && !text.is_empty()
        && !is_word_of_sql(text)
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

/// Behind DESCRIBE: a table or query, or nothing for all tables.
fn describe(parser: &mut Parser) -> Result<Statement> {
    if is_at_end(parser) {
        return Ok(Statement::Show(Show::AllTables));
    }
    if peek_words(parser, 0, &["all", "tables"]) || peek_words(parser, 0, &["tables"]) {
        return show::show(parser);
    }
    Ok(Statement::Describe(relation(parser)?))
}

/// Nothing more of the statement is ahead.
fn is_at_end(parser: &Parser) -> bool {
    matches!(parser.peek_token_ref().token, Token::EOF | Token::SemiColon)
}

/// Behind `COPY FROM DATABASE`: `a TO b [(SCHEMA | DATA)]`.
fn copy_database(parser: &mut Parser) -> Result<CopyDatabase> {
    let from = parser.parse_identifier()?;
    parser.expect_keyword_is(Keyword::TO)?;
    let to = parser.parse_identifier()?;
    let (mut schema, mut data) = (true, true);
    if parser.consume_token(&Token::LParen) {
        let what = parser.parse_identifier()?;
        match what.value.to_lowercase().as_str() {
            "schema" => data = false,
            "data" => schema = false,
            _ => return Err(SqlError::parser("COPY FROM DATABASE takes SCHEMA or DATA").at_span(what.span)),
        }
        parser.expect_token(&Token::RParen)?;
    }
    Ok(CopyDatabase { from, to, schema, data })
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
    Ok(Copy { subject, to, path, options: copy_options(parser)? })
}

/// `[WITH] (NAME value, …)`, or nothing; without parentheses as PostgreSQL once had it.
fn copy_options(parser: &mut Parser) -> Parsed<Vec<NamedOption>> {
    let _ = parser.parse_keyword(Keyword::WITH);
    if parser.consume_token(&Token::LParen) {
        let options = parser.parse_comma_separated0(copy_option, Token::RParen)?;
        parser.expect_token(&Token::RParen)?;
        return Ok(options);
    }
    let mut options = vec![];
    while matches!(
        peek_word(parser, 0).as_str(),
        "delimiter" | "null" | "csv" | "header" | "quote" | "escape"
    ) {
        let token = parser.next_token();
        let Token::Word(word) = token.token else { unreachable!("just seen to be a word") };
        let name = |value: &str| Ident { value: value.into(), quote_style: None, span: token.span };
        if word.value.eq_ignore_ascii_case("csv") {
            let format = Value::SingleQuotedString("csv".into()).with_span(token.span);
            options.push((name("format"), Some(Expr::Value(format))));
            continue;
        }
        let _ = parser.parse_keyword(Keyword::AS);
        let has_value = matches!(parser.peek_token_ref().token, Token::SingleQuotedString(_));
        let value = if has_value { Some(parser.parse_expr()?) } else { None };
        options.push((name(&word.value), value));
    }
    Ok(options)
}

/// `NAME`, `NAME value` or `NAME = value`; a bare word as value is a text.
fn copy_option(parser: &mut Parser) -> Parsed<NamedOption> {
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
    const MORE: &[&str] = &["EVERY", "FILL", "GLOB", "MEASUREMENTS", "PIVOT", "SERIES", "SUMMARIZE"];
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
