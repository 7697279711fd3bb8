//! CREATE FUNCTION as PostgreSQL has it: typed parameters, RETURNS, and a body that is a text or an expression.

use sqlparser::ast::{DataType, Ident};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::{Parsed, text_span};
use crate::sql::ast::{Create, CreateFunction, FunctionBody, FunctionParameter, FunctionResult, TextSpan};
use crate::sql::error::{Result, SqlError};
use crate::sql::lookahead::{expect_word, peek_word, take_word};

/// Whether behind the name comes what only a function has: something other than AS behind the parameters.
pub fn is_ahead(parser: &Parser) -> bool {
    let mut depth = 0_usize;
    for at in 0.. {
        match &parser.peek_nth_token_ref(at).token {
            Token::LParen => depth += 1,
            Token::RParen if depth <= 1 => {
                let next = &parser.peek_nth_token_ref(at + 1).token;
                return matches!(next, Token::Word(word) if word.keyword != Keyword::AS);
            }
            Token::RParen => depth -= 1,
            Token::EOF => return false,
            _ if depth == 0 => return false,
            _ => {}
        }
    }
    false
}

/// What comes behind the name.
pub fn function(parser: &mut Parser, create: Create) -> Result<CreateFunction> {
    parser.expect_token(&Token::LParen)?;
    let parameters = parser.parse_comma_separated0(parameter, Token::RParen)?;
    parser.expect_token(&Token::RParen)?;
    let mut result = None;
    let mut body = None;
    let mut strict = false;
    loop {
        let (first, second) = (peek_word(parser, 0), peek_word(parser, 1));
        match (first.as_str(), second.as_str()) {
            ("returns", "null") => {
                take_words(parser, &["returns", "null", "on", "null", "input"])?;
                strict = true;
            }
            ("returns", _) => {
                parser.advance_token();
                result = Some(returns(parser)?);
            }
            ("strict", _) => {
                parser.advance_token();
                strict = true;
            }
            ("called", _) => take_words(parser, &["called", "on", "null", "input"])?,
            ("language", _) => {
                parser.advance_token();
                language(parser)?;
            }
            ("immutable" | "stable" | "volatile" | "leakproof" | "window", _) => parser.advance_token(),
            ("not", "leakproof") => take_words(parser, &["not", "leakproof"])?,
            ("security" | "parallel" | "cost" | "rows" | "support", _) => {
                parser.advance_token();
                parser.advance_token();
            }
            ("external", "security") => {
                (0..3).for_each(|_| parser.advance_token());
            }
            ("as", _) => {
                parser.advance_token();
                body = Some(FunctionBody::Text(quoted(parser)?));
            }
            ("return", _) => {
                parser.advance_token();
                body = Some(FunctionBody::Expression(text_span(parser, |p| p.parse_expr())?.1));
            }
            ("begin", "atomic") => {
                let message = "a body of BEGIN ATOMIC … END is not supported";
                return Err(
                    SqlError::unsupported(message).hint("Write RETURN expression, or AS $$ query $$.")
                );
            }
            _ => break,
        }
    }
    let Some(body) = body else {
        return Ok(
            parser.expected_ref("RETURN or AS with the body of the function", parser.peek_token_ref())?
        );
    };
    Ok(CreateFunction { create, parameters, result, body, strict })
}

/// A text in quotes or between dollars.
fn quoted(parser: &mut Parser) -> Parsed<String> {
    let token = parser.next_token();
    match token.token {
        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => Ok(text),
        Token::DollarQuotedString(text) => Ok(text.value),
        _ => parser.expected("the text of the function", token),
    }
}

fn take_words(parser: &mut Parser, words: &[&str]) -> Parsed<()> {
    words.iter().try_for_each(|word| expect_word(parser, word))
}

/// `sql`, or an error that says which there is.
fn language(parser: &mut Parser) -> Result<()> {
    let name = match &parser.peek_token_ref().token {
        Token::SingleQuotedString(text) => Ident::new(text.clone()),
        _ => parser.parse_identifier()?,
    };
    if name.span == sqlparser::tokenizer::Span::empty() {
        parser.advance_token();
    }
    if name.value.eq_ignore_ascii_case("sql") {
        return Ok(());
    }
    let message = format!("language \"{}\" does not exist: functions are written in SQL", name.value);
    Err(SqlError::unsupported(message).at_span(name.span))
}

/// What is behind RETURNS.
fn returns(parser: &mut Parser) -> Parsed<FunctionResult> {
    if peek_word(parser, 0) == "table" && parser.peek_nth_token_ref(1).token == Token::LParen {
        parser.advance_token();
        parser.advance_token();
        let columns = parser.parse_comma_separated(|p| Ok((p.parse_identifier()?, data_type(p)?)))?;
        parser.expect_token(&Token::RParen)?;
        return Ok(FunctionResult::Table(columns));
    }
    let set = take_word(parser, "setof");
    let (parsed, text) = text_span(parser, |p| p.parse_data_type())?;
    let name = match parsed {
        DataType::Custom(name, arguments) if arguments.is_empty() => Some(name),
        _ => None,
    };
    Ok(FunctionResult::Type { set, text, name })
}

fn data_type(parser: &mut Parser) -> Parsed<TextSpan> {
    Ok(text_span(parser, |p| p.parse_data_type())?.1)
}

/// `[IN] [name] type [DEFAULT value]`.
fn parameter(parser: &mut Parser) -> Parsed<FunctionParameter> {
    let mode = peek_word(parser, 0);
    let is_mode = !ends(&parser.peek_nth_token_ref(1).token);
    if is_mode && matches!(mode.as_str(), "out" | "inout" | "variadic") {
        let message = format!("parameters that are {} are not supported", mode.to_uppercase());
        return Err(ParserError::ParserError(message));
    }
    if is_mode && mode == "in" {
        parser.advance_token();
    }
    // What is a type as a whole has no name before it.
    let unnamed = parser.maybe_parse(|p| {
        let ty = data_type(p)?;
        if ends(&p.peek_token_ref().token) || peek_word(p, 0) == "default" {
            Ok(ty)
        } else {
            p.expected_ref("the end of a type", p.peek_token_ref())
        }
    })?;
    let (name, ty) = match unnamed {
        Some(ty) => (None, ty),
        None => (Some(parser.parse_identifier()?), data_type(parser)?),
    };
    let has_default = parser.consume_token(&Token::Eq)
        || parser.consume_token(&Token::Assignment)
        || take_word(parser, "default");
    let default = if has_default { Some(text_span(parser, |p| p.parse_expr())?.1) } else { None };
    Ok(FunctionParameter { name, ty, default })
}

fn ends(token: &Token) -> bool {
    matches!(token, Token::Comma | Token::RParen | Token::Eq | Token::Assignment)
}

/// The types of the parameters of a function that is dropped: `(int, text)`, perhaps with names.
pub fn signature(parser: &mut Parser) -> Parsed<Option<Vec<DataType>>> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(None);
    }
    let types = parser.parse_comma_separated0(
        |p| {
            let unnamed = p.maybe_parse(|p| {
                let ty = p.parse_data_type()?;
                if ends(&p.peek_token_ref().token) {
                    Ok(ty)
                } else {
                    p.expected_ref("the end of a type", p.peek_token_ref())
                }
            })?;
            match unnamed {
                Some(ty) => Ok(ty),
                None => {
                    p.parse_identifier()?;
                    p.parse_data_type()
                }
            }
        },
        Token::RParen,
    )?;
    parser.expect_token(&Token::RParen)?;
    Ok(Some(types))
}
