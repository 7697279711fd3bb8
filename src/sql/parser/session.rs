//! Statements about the session: settings, variables, transactions, prepared statements, databases.

use sqlparser::ast::{Expr, Ident, ObjectName, Value};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::{Parsed, copy_options, from_query, skip_words, text_span};
use crate::sql::ast::{Attach, Detach, Execute, Export, Prepare, SetScope, Statement};
use crate::sql::error::{Result, SqlError};
use crate::sql::lookahead::{expect_word, peek_word, peek_words, take_word};

/// Behind SET: a setting, a variable, or the time zone in PostgreSQL's words.
pub fn set(parser: &mut Parser) -> Parsed<Statement> {
    let is_characteristics = peek_words(parser, 0, &["session", "characteristics", "as", "transaction"]);
    let is_followed = !matches!(parser.peek_nth_token_ref(1).token, Token::Eq);
    if is_characteristics
        || (peek_word(parser, 0) == "transaction" && is_followed && peek_word(parser, 1) != "to")
    {
        skip_words(parser, if is_characteristics { 4 } else { 1 });
        return set_transaction(parser, is_characteristics);
    }
    let scope = scope(parser);
    if peek_words(parser, 0, &["time", "zone"]) {
        skip_words(parser, 2);
        let name = Ident { span: parser.get_current_token().span, ..Ident::new("TimeZone") };
        if take_word(parser, "default") || take_word(parser, "local") {
            return Ok(Statement::Reset { scope, name });
        }
        return Ok(Statement::Set { scope, name, value: Box::new(setting_value(parser)?) });
    }
    let name = parser.parse_identifier()?;
    if !parser.consume_token(&Token::Eq) && !parser.parse_keyword(Keyword::TO) {
        return parser.expected_ref("= or TO", parser.peek_token_ref());
    }
    if scope == SetScope::Variable {
        return Ok(Statement::SetVariable { name, value: Box::new(parser.parse_expr()?) });
    }
    if take_word(parser, "default") {
        return Ok(Statement::Reset { scope, name });
    }
    Ok(Statement::Set { scope, name, value: Box::new(setting_value(parser)?) })
}

/// Behind SET TRANSACTION: what the transaction that is open is like. Of those that come later nothing is to be said but what
/// all are like.
fn set_transaction(parser: &mut Parser, later: bool) -> Parsed<Statement> {
    if peek_words(parser, 0, &["isolation", "level", "serializable"]) {
        let message = "isolation level SERIALIZABLE is not supported; a transaction reads what there was at its BEGIN (REPEATABLE READ)";
        return Err(ParserError::ParserError(message.to_owned()));
    }
    let read_only = transaction_words(parser);
    if later && read_only {
        let message = "transactions are READ ONLY where their BEGIN says so";
        return Err(ParserError::ParserError(message.to_owned()));
    }
    Ok(Statement::SetTransaction { read_only })
}

/// Behind RESET.
pub fn reset(parser: &mut Parser) -> Parsed<Statement> {
    let scope = scope(parser);
    if peek_words(parser, 0, &["time", "zone"]) {
        skip_words(parser, 2);
        return Ok(Statement::Reset { scope, name: Ident::new("TimeZone") });
    }
    let name = parser.parse_identifier()?;
    Ok(match scope {
        SetScope::Variable => Statement::ResetVariable { name },
        scope => Statement::Reset { scope, name },
    })
}

fn scope(parser: &mut Parser) -> SetScope {
    // `SET session = 1` would be a setting of that name.
    if !matches!(parser.peek_nth_token_ref(1).token, Token::Word(_)) || peek_word(parser, 1) == "to" {
        return SetScope::Any;
    }
    let scope = match peek_word(parser, 0).as_str() {
        "session" | "local" => SetScope::Session,
        "global" => SetScope::Global,
        "variable" => SetScope::Variable,
        _ => return SetScope::Any,
    };
    parser.advance_token();
    scope
}

/// The value of a setting. A bare word is a text, as are several with commas between them.
fn setting_value(parser: &mut Parser) -> Parsed<Expr> {
    let first = parser.parse_expr()?;
    if parser.peek_token_ref().token != Token::Comma {
        return Ok(first);
    }
    let span = parser.get_current_token().span;
    let mut text = bare_text(&first);
    while parser.consume_token(&Token::Comma) {
        text.push(',');
        text.push_str(&bare_text(&parser.parse_expr()?));
    }
    Ok(Expr::Value(Value::SingleQuotedString(text).with_span(span)))
}

fn bare_text(expr: &Expr) -> String {
    match expr {
        Expr::Value(value) => value.value.clone().into_string().unwrap_or_else(|| value.to_string()),
        other => other.to_string(),
    }
}

/// Behind PRAGMA.
pub fn pragma(parser: &mut Parser) -> Parsed<Statement> {
    let name = parser.parse_identifier()?;
    if parser.consume_token(&Token::Eq) {
        return Ok(Statement::Set { scope: SetScope::Any, name, value: Box::new(setting_value(parser)?) });
    }
    let mut args = vec![];
    if parser.consume_token(&Token::LParen) {
        args = parser.parse_comma_separated0(Parser::parse_expr, Token::RParen)?;
        parser.expect_token(&Token::RParen)?;
    }
    Ok(Statement::Pragma { name, args })
}

/// Behind BEGIN or START, COMMIT or END, ROLLBACK or ABORT; tells whether the transaction is to read only.
pub fn transaction_words(parser: &mut Parser) -> bool {
    let mut read_only = false;
    loop {
        if peek_words(parser, 0, &["read", "only"]) {
            read_only = true;
            skip_words(parser, 2);
        } else if peek_words(parser, 0, &["read", "write"]) {
            skip_words(parser, 2);
        } else if peek_words(parser, 0, &["isolation", "level"]) {
            // Each of them is what a transaction has here or less.
            let words = match (peek_word(parser, 2).as_str(), peek_word(parser, 3).as_str()) {
                ("repeatable", "read") | ("read", "committed" | "uncommitted") => 4,
                _ => return read_only,
            };
            skip_words(parser, words);
            let _ = parser.consume_token(&Token::Comma);
        } else if matches!(peek_word(parser, 0).as_str(), "transaction" | "work") {
            skip_words(parser, 1);
        } else {
            return read_only;
        }
    }
}

/// Behind RELEASE or ROLLBACK TO: the name of a savepoint.
pub fn savepoint(parser: &mut Parser) -> Parsed<Ident> {
    let is_name = peek_word(parser, 1).is_empty();
    if !is_name {
        expect_word(parser, "savepoint")?;
    }
    parser.parse_identifier()
}

/// Behind VACUUM or ANALYZE: what is to be looked at.
pub fn maintain(parser: &mut Parser, vacuum: bool) -> Parsed<Statement> {
    if parser.consume_token(&Token::LParen) {
        parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
    }
    while matches!(peek_word(parser, 0).as_str(), "analyze" | "full" | "verbose" | "freeze") {
        skip_words(parser, 1);
    }
    let mut columns = vec![];
    let mut table = None;
    if matches!(parser.peek_token_ref().token, Token::Word(_)) {
        table = Some(parser.parse_object_name(false)?);
        if parser.consume_token(&Token::LParen) {
            columns = parser.parse_comma_separated(Parser::parse_identifier)?;
            parser.expect_token(&Token::RParen)?;
        }
    }
    Ok(Statement::Maintain { vacuum, table, columns })
}

/// Behind CHECKPOINT: the database, if it is named.
pub fn checkpoint(parser: &mut Parser) -> Parsed<Statement> {
    let named = matches!(parser.peek_token_ref().token, Token::Word(_));
    let database = if named { Some(parser.parse_identifier()?) } else { None };
    Ok(Statement::Checkpoint { database })
}

/// Behind BACKUP: `[DATABASE name] TO 'file'`.
pub fn backup(parser: &mut Parser) -> Parsed<Statement> {
    let named = take_word(parser, "database");
    let database = if named { Some(parser.parse_identifier()?) } else { None };
    expect_word(parser, "to")?;
    Ok(Statement::Backup { database, file: parser.parse_literal_string()? })
}

/// What is set by CALL.
const SETTINGS: &[&str] =
    &["disable_logging", "disable_profiling", "enable_logging", "enable_profiling", "truncate_duckdb_logs"];

/// Behind CALL: a table function.
pub fn call(parser: &mut Parser) -> Parsed<Statement> {
    if peek_words(parser, 0, &["maintain"]) && parser.peek_nth_token_ref(1).token == Token::LParen {
        skip_words(parser, 2);
        let one = parser.peek_token_ref().token != Token::RParen;
        let name = if one { Some(parser.parse_literal_string()?) } else { None };
        parser.expect_token(&Token::RParen)?;
        return Ok(Statement::CallMaintain(name));
    }
    let is_checkpoint =
        peek_words(parser, 0, &["checkpoint"]) || peek_words(parser, 0, &["force_checkpoint"]);
    if is_checkpoint && parser.peek_nth_token_ref(1).token == Token::LParen {
        skip_words(parser, 2);
        let named = parser.peek_token_ref().token != Token::RParen;
        let database = if named { Some(Ident::new(parser.parse_literal_string()?)) } else { None };
        parser.expect_token(&Token::RParen)?;
        return Ok(Statement::Checkpoint { database });
    }
    let is_setting = SETTINGS.iter().any(|name| peek_words(parser, 0, &[name]));
    if is_setting && parser.peek_nth_token_ref(1).token == Token::LParen {
        let name = parser.parse_identifier()?;
        parser.expect_token(&Token::LParen)?;
        let args = parser.parse_comma_separated0(named_value, Token::RParen)?;
        parser.expect_token(&Token::RParen)?;
        return Ok(Statement::CallSetting { name, args });
    }
    Ok(Statement::Query(from_query(parser)?))
}

/// Whether `UPDATE EXTENSIONS` is ahead, and not the change of a table of that name.
pub fn is_update_of_extensions(parser: &Parser) -> bool {
    peek_words(parser, 0, &["update", "extensions"])
        && matches!(parser.peek_nth_token_ref(2).token, Token::EOF | Token::SemiColon | Token::LParen)
}

/// `UPDATE EXTENSIONS [(name, …)]`.
pub fn update_extensions(parser: &mut Parser) -> Parsed<Statement> {
    skip_words(parser, 2);
    let mut names = vec![];
    if parser.consume_token(&Token::LParen) {
        names = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
    }
    Ok(Statement::UpdateExtensions { names })
}

/// Behind INSTALL or LOAD, possibly `FORCE INSTALL`: the name of an extension.
pub fn extension(parser: &mut Parser) -> Parsed<Statement> {
    let token = parser.next_token();
    let name = match token.token {
        Token::Word(word) => word.value,
        Token::SingleQuotedString(text) => text,
        _ => return parser.expected("the name of an extension", token),
    };
    if parser.parse_keyword(Keyword::FROM) {
        parser.advance_token();
    }
    Ok(Statement::Load { name: Ident { value: name, quote_style: None, span: token.span } })
}

/// Behind PREPARE.
pub fn prepare(parser: &mut Parser) -> Result<Statement> {
    let name = parser.parse_identifier()?;
    if parser.consume_token(&Token::LParen) {
        // Types of parameters, which their values tell anyway.
        parser.parse_comma_separated(Parser::parse_data_type)?;
        parser.expect_token(&Token::RParen)?;
    }
    parser.expect_keyword_is(Keyword::AS)?;
    let (statement, text) = text_span(parser, super::statement)?;
    if matches!(statement, Statement::Prepare(_) | Statement::Execute(_) | Statement::Deallocate { .. }) {
        return Err(SqlError::parser("PREPARE takes a statement of another kind").at_span(name.span));
    }
    Ok(Statement::Prepare(Prepare { name, statement: Box::new(statement), text }))
}

/// Behind EXECUTE: a name and values, of which some may be named.
pub fn execute(parser: &mut Parser) -> Parsed<Statement> {
    let name = parser.parse_identifier()?;
    let mut values = vec![];
    if parser.consume_token(&Token::LParen) {
        values = parser.parse_comma_separated0(named_value, Token::RParen)?;
        parser.expect_token(&Token::RParen)?;
    }
    Ok(Statement::Execute(Execute { name, values }))
}

fn named_value(parser: &mut Parser) -> Parsed<(Option<Ident>, Expr)> {
    let named = matches!(parser.peek_token_ref().token, Token::Word(_))
        && matches!(parser.peek_nth_token_ref(1).token, Token::Assignment | Token::Eq | Token::RArrow);
    let mut name = None;
    if named {
        name = Some(parser.parse_identifier()?);
        parser.advance_token();
    }
    Ok((name, parser.parse_expr()?))
}

/// Behind DEALLOCATE.
pub fn deallocate(parser: &mut Parser) -> Parsed<Statement> {
    let _ = parser.parse_keyword(Keyword::PREPARE);
    if parser.parse_keyword(Keyword::ALL) {
        return Ok(Statement::Deallocate { name: None });
    }
    Ok(Statement::Deallocate { name: Some(parser.parse_identifier()?) })
}

/// Behind ATTACH.
pub fn attach(parser: &mut Parser) -> Parsed<Statement> {
    let or_replace = parser.parse_keywords(&[Keyword::OR, Keyword::REPLACE]);
    let _ = take_word(parser, "database");
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let path = parser.parse_expr()?;
    let name = if parser.parse_keyword(Keyword::AS) { Some(parser.parse_identifier()?) } else { None };
    let options = copy_options(parser)?;
    Ok(Statement::Attach(Box::new(Attach { path, name, or_replace, if_not_exists, options })))
}

/// Behind DETACH.
pub fn detach(parser: &mut Parser) -> Parsed<Statement> {
    let _ = take_word(parser, "database");
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    Ok(Statement::Detach(Detach { if_exists, name: parser.parse_identifier()? }))
}

/// Behind USE: a database, a schema, or a database and its schema.
pub fn use_(parser: &mut Parser) -> Parsed<Statement> {
    Ok(Statement::Use(parser.parse_object_name(false)?))
}

/// Behind EXPORT.
pub fn export(parser: &mut Parser) -> Parsed<Statement> {
    expect_word(parser, "database")?;
    let mut database = None;
    if matches!(parser.peek_token_ref().token, Token::Word(_)) {
        database = Some(parser.parse_identifier()?);
        expect_word(parser, "to")?;
    }
    let path = parser.parse_expr()?;
    let options = copy_options(parser)?;
    Ok(Statement::Export(Box::new(Export { database, path, options })))
}

/// Behind IMPORT.
pub fn import(parser: &mut Parser) -> Parsed<Statement> {
    expect_word(parser, "database")?;
    Ok(Statement::Import { path: Box::new(parser.parse_expr()?) })
}

/// The name of one relation, as `SHOW name` and `DESCRIBE name` have it.
pub fn is_bare_name(parser: &Parser) -> bool {
    matches!(parser.peek_token_ref().token, Token::Word(_))
}

/// Behind `SHOW TABLES`: the schema or database, if it is named.
pub fn show_from(parser: &mut Parser) -> Parsed<Option<ObjectName>> {
    if parser.parse_keyword(Keyword::FROM) || parser.parse_keyword(Keyword::IN) {
        return Ok(Some(parser.parse_object_name(false)?));
    }
    Ok(None)
}
