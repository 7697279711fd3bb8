//! SHOW.

use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{Parsed, is_at_end, relation, session, skip_words};
use crate::sql::ast::{Cardinality, MeasurementPart, Names, Show, ShowMeasurements, Statement};
use crate::sql::error::Result;
use crate::sql::lookahead::{expect_word, peek_word, take_word};

/// Behind SHOW.
pub fn show(parser: &mut Parser) -> Result<Statement> {
    if let Some((what, words)) = measurement_part(parser) {
        skip_words(parser, words);
        return Ok(Statement::Show(Show::Measurements(measurements(parser, what)?)));
    }
    let (show, words) = match (peek_word(parser, 0).as_str(), peek_word(parser, 1).as_str()) {
        ("tables", _) => {
            parser.advance_token();
            return Ok(Statement::Show(Show::Tables(session::show_from(parser)?)));
        }
        ("all", "tables") => (Show::AllTables, 2),
        ("schemas", _) => (Show::Schemas, 1),
        ("databases", _) => (Show::Databases, 1),
        ("variables", "") => (Show::Variables, 1),
        ("table", name) if !name.is_empty() => return Ok(Statement::Describe(relation(parser)?)),
        ("select" | "from" | "with" | "values", _) => return Ok(Statement::Describe(relation(parser)?)),
        _ if is_at_end(parser) => (Show::AllTables, 0),
        _ if session::is_bare_name(parser) => (Show::Named(parser.parse_object_name(false)?), 0),
        _ => return Ok(Statement::Describe(relation(parser)?)),
    };
    skip_words(parser, words);
    Ok(Statement::Show(show))
}

/// What InfluxQL's words ahead ask for, and how many they are. CARDINALITY stands behind one thing, not many: SHOW TAG
/// KEY CARDINALITY.
fn measurement_part(parser: &Parser) -> Option<(MeasurementPart, usize)> {
    let word = |n: usize| peek_word(parser, n);
    let counts_at = |n: usize| word(n) == "cardinality" || word(n) == "exact" && word(n + 1) == "cardinality";
    let (first, second) = (word(0), word(1));
    Some(match (first.as_str(), second.as_str()) {
        ("measurements", "" | "on" | "with" | "where" | "limit" | "offset") => (MeasurementPart::Name, 1),
        ("measurement", _) if counts_at(1) => (MeasurementPart::Name, 1),
        ("series", "" | "on" | "from" | "where" | "limit" | "offset") => (MeasurementPart::Series, 1),
        ("series", _) if counts_at(1) => (MeasurementPart::Series, 1),
        ("tag", "keys") => (MeasurementPart::TagKeys, 2),
        ("tag", "key") if counts_at(2) => (MeasurementPart::TagKeys, 2),
        ("tag", "values") => (MeasurementPart::TagValues(Names::All), 2),
        ("field", "keys") => (MeasurementPart::FieldKeys, 2),
        ("field", "key") if counts_at(2) => (MeasurementPart::FieldKeys, 2),
        ("retention", "policies") => (MeasurementPart::RetentionPolicies, 2),
        _ => return None,
    })
}

/// `[[EXACT] CARDINALITY] [ON database] [FROM measurement, …] [WITH KEY | MEASUREMENT …] [WHERE condition] [LIMIT n]
/// [OFFSET n]` behind the first words.
fn measurements(parser: &mut Parser, what: MeasurementPart) -> Parsed<ShowMeasurements> {
    let is_exact = take_word(parser, "exact");
    if is_exact && peek_word(parser, 0) != "cardinality" {
        return parser.expected_ref("CARDINALITY", parser.peek_token_ref());
    }
    let cardinality = take_word(parser, "cardinality").then_some(Cardinality::OfEach);
    let mut show = ShowMeasurements {
        what,
        cardinality,
        database: None,
        of: vec![],
        names: Names::All,
        condition: None,
        limit: None,
        offset: None,
    };
    if parser.parse_keyword(Keyword::ON) {
        show.database = Some(parser.parse_identifier()?);
    }
    if matches!(show.what, MeasurementPart::RetentionPolicies) {
        return Ok(show);
    }
    if parser.parse_keyword(Keyword::FROM) {
        show.of = parser.parse_comma_separated(Parser::parse_identifier)?;
    }
    if parser.parse_keyword(Keyword::WITH) {
        match &mut show.what {
            MeasurementPart::TagValues(keys) => {
                parser.expect_keyword_is(Keyword::KEY)?;
                *keys = names(parser)?;
            }
            _ => {
                expect_word(parser, "measurement")?;
                show.names = names(parser)?;
            }
        }
    }
    if !matches!(show.what, MeasurementPart::FieldKeys) && parser.parse_keyword(Keyword::WHERE) {
        show.condition = Some(parser.parse_expr()?);
    }
    if parser.parse_keyword(Keyword::LIMIT) {
        show.limit = Some(parser.parse_literal_uint()?);
    }
    if parser.parse_keyword(Keyword::OFFSET) {
        show.offset = Some(parser.parse_literal_uint()?);
    }
    // InfluxDB estimates how many series there are in a database, and counts those of each measurement where it is to
    // be exact or is asked for some of them.
    let of_all = show.of.is_empty() && show.condition.is_none() && !is_exact;
    if show.cardinality.is_some()
        && (matches!(show.what, MeasurementPart::Name)
            || matches!(show.what, MeasurementPart::Series) && of_all)
    {
        show.cardinality = Some(Cardinality::Together);
    }
    Ok(show)
}

/// `= name`, `IN (name, …)`, `=~ /…/` or `!~ /…/`.
fn names(parser: &mut Parser) -> Parsed<Names> {
    let negated = parser.peek_token_ref().token == Token::ExclamationMarkTilde;
    if parser.parse_keyword(Keyword::IN) {
        parser.expect_token(&Token::LParen)?;
        let names = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
        return Ok(Names::Named(names));
    }
    if negated || parser.peek_token_ref().token == Token::Tilde {
        parser.advance_token();
        return Ok(Names::Matching { pattern: parser.parse_literal_string()?, negated });
    }
    parser.expect_token(&Token::Eq)?;
    Ok(Names::Named(vec![parser.parse_identifier()?]))
}
