//! The grammar of sequences and of identity columns, which have one of their own: PostgreSQL's.

use sqlparser::ast::ObjectName;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{Parsed, skip_words};
use crate::sql::ast::{AlterIdentity, Identity, IdentityChange, SequenceOption, Statement};
use crate::sql::lookahead::{expect_word, peek_word, peek_words, take_word};

fn signed_integer(parser: &mut Parser) -> Parsed<i64> {
    let negative = parser.consume_token(&Token::Minus);
    if !negative {
        let _ = parser.consume_token(&Token::Plus);
    }
    let token = parser.next_token();
    let parsed = match &token.token {
        Token::Number(digits, _) => {
            let digits = digits.replace('_', "");
            let text = if negative { format!("-{digits}") } else { digits };
            text.parse().ok()
        }
        _ => None,
    };
    match parsed {
        Some(value) => Ok(value),
        None => parser.expected("a whole number of 64 bits", token),
    }
}

/// One option of a sequence; `None` if none is ahead.
fn sequence_option(parser: &mut Parser) -> Parsed<Option<SequenceOption>> {
    let option = match (peek_word(parser, 0).as_str(), peek_word(parser, 1).as_str()) {
        ("increment", second) => {
            skip_words(parser, if second == "by" { 2 } else { 1 });
            SequenceOption::Increment(signed_integer(parser)?)
        }
        ("minvalue", _) => {
            skip_words(parser, 1);
            SequenceOption::Least(Some(signed_integer(parser)?))
        }
        ("maxvalue", _) => {
            skip_words(parser, 1);
            SequenceOption::Greatest(Some(signed_integer(parser)?))
        }
        ("start", second) => {
            skip_words(parser, if second == "with" { 2 } else { 1 });
            SequenceOption::Start(signed_integer(parser)?)
        }
        ("no", "minvalue") => {
            skip_words(parser, 2);
            SequenceOption::Least(None)
        }
        ("no", "maxvalue") => {
            skip_words(parser, 2);
            SequenceOption::Greatest(None)
        }
        ("no", "cycle") => {
            skip_words(parser, 2);
            SequenceOption::Cycle(false)
        }
        ("cycle", _) => {
            skip_words(parser, 1);
            SequenceOption::Cycle(true)
        }
        ("cache", _) => {
            skip_words(parser, 1);
            signed_integer(parser)?;
            SequenceOption::Cache
        }
        ("as", _) => {
            skip_words(parser, 1);
            SequenceOption::Type(parser.parse_data_type()?)
        }
        ("owned", "by") => {
            skip_words(parser, 2);
            let none = take_word(parser, "none");
            SequenceOption::OwnedBy(if none { None } else { Some(parser.parse_object_name(false)?) })
        }
        _ => return Ok(None),
    };
    Ok(Some(option))
}

/// `RESTART [[WITH] value]`.
fn restart(parser: &mut Parser) -> Parsed<SequenceOption> {
    expect_word(parser, "restart")?;
    let is_given = take_word(parser, "with")
        || matches!(parser.peek_token_ref().token, Token::Number(..) | Token::Minus | Token::Plus);
    Ok(SequenceOption::Restart(if is_given { Some(signed_integer(parser)?) } else { None }))
}

/// Fails if there is another option of its kind already.
fn add(parser: &Parser, options: &mut Vec<SequenceOption>, option: SequenceOption) -> Parsed<()> {
    let same = |o: &SequenceOption| std::mem::discriminant(o) == std::mem::discriminant(&option);
    if options.iter().any(same) {
        return parser.expected_ref("each option of a sequence once", parser.get_current_token());
    }
    options.push(option);
    Ok(())
}

/// The options of CREATE SEQUENCE, or if `alters` of ALTER SEQUENCE.
pub fn sequence_options(parser: &mut Parser, alters: bool) -> Parsed<Vec<SequenceOption>> {
    let mut options = vec![];
    loop {
        let option = if alters && peek_word(parser, 0) == "restart" {
            restart(parser)?
        } else {
            match sequence_option(parser)? {
                Some(option) => option,
                None => return Ok(options),
            }
        };
        add(parser, &mut options, option)?;
    }
}

/// How many words `GENERATED {ALWAYS | BY DEFAULT} AS IDENTITY` has, if it is ahead.
fn identity_words(parser: &Parser) -> Option<usize> {
    let always = peek_words(parser, 0, &["generated", "always", "as", "identity"]);
    let by_default = peek_words(parser, 0, &["generated", "by", "default", "as", "identity"]);
    if always { Some(4) } else { by_default.then_some(5) }
}

/// `GENERATED {ALWAYS | BY DEFAULT} AS IDENTITY [(options)]`; `None` if it is not ahead.
pub fn identity(parser: &mut Parser) -> Parsed<Option<Identity>> {
    let Some(words) = identity_words(parser) else { return Ok(None) };
    skip_words(parser, words);
    let mut identity = Identity { always: words == 4, name: None, options: vec![] };
    if !parser.consume_token(&Token::LParen) {
        return Ok(Some(identity));
    }
    while !parser.consume_token(&Token::RParen) {
        if peek_words(parser, 0, &["sequence", "name"]) {
            skip_words(parser, 2);
            identity.name = Some(parser.parse_object_name(false)?);
            continue;
        }
        match sequence_option(parser)? {
            Some(option) => add(parser, &mut identity.options, option)?,
            None => return parser.expected_ref("an option of a sequence or )", parser.peek_token_ref()),
        }
    }
    Ok(Some(identity))
}

/// The identity that a column's option says, as the dialect kept it.
pub fn identity_of(tokens: &[Token]) -> Parsed<Option<Identity>> {
    identity(&mut Parser::new(super::dialect()).with_tokens(tokens.to_vec()))
}

/// `ALTER TABLE t ALTER [COLUMN] c {ADD GENERATED … AS IDENTITY | SET GENERATED … | SET option | RESTART | DROP IDENTITY}`;
/// `None` leaves all else to others.
pub fn alter_identity(parser: &mut Parser) -> Parsed<Option<Statement>> {
    parser.maybe_parse(|parser| {
        skip_words(parser, 2);
        let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
        let _ = take_word(parser, "only");
        let table: ObjectName = parser.parse_object_name(false)?;
        expect_word(parser, "alter")?;
        let _ = take_word(parser, "column");
        let column = parser.parse_identifier()?;
        let change = if take_word(parser, "add") {
            match identity(parser)? {
                Some(identity) => IdentityChange::Add(identity),
                None => return parser.expected_ref("GENERATED", parser.peek_token_ref()),
            }
        } else if peek_words(parser, 0, &["drop", "identity"]) {
            skip_words(parser, 2);
            IdentityChange::Drop { if_exists: parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]) }
        } else {
            changed_identity(parser)?
        };
        let altered = AlterIdentity { table, if_exists, column, change };
        Ok(Statement::AlterIdentity(Box::new(altered)))
    })
}

/// `SET GENERATED …`, `SET option` and `RESTART`, at least one.
fn changed_identity(parser: &mut Parser) -> Parsed<IdentityChange> {
    let (mut always, mut options) = (None, vec![]);
    loop {
        if peek_words(parser, 0, &["set", "generated", "always"]) {
            skip_words(parser, 3);
            always = Some(true);
        } else if peek_words(parser, 0, &["set", "generated", "by", "default"]) {
            skip_words(parser, 4);
            always = Some(false);
        } else if peek_word(parser, 0) == "restart" {
            let option = restart(parser)?;
            add(parser, &mut options, option)?;
        } else if take_word(parser, "set") {
            match sequence_option(parser)? {
                Some(option) => add(parser, &mut options, option)?,
                None => return parser.expected_ref("an option of a sequence", parser.peek_token_ref()),
            }
        } else if always.is_none() && options.is_empty() {
            return parser.expected_ref("SET GENERATED or RESTART", parser.peek_token_ref());
        } else {
            return Ok(IdentityChange::Set { always, options });
        }
    }
}
