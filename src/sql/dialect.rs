//! The grammar: PostgreSQL's with DuckDB's additions, as a dialect of `sqlparser`.
//!
//! What `sqlparser` has no hook for is rewritten in the token stream before it parses
//! ([`crate::sql::tokens`]); FluxQL's forms are in [`crate::sql::fluxql`].

use std::any::TypeId;

use sqlparser::ast::{ColumnOption, Expr, Ident, UnaryOperator, Value};
use sqlparser::dialect::{Dialect, DuckDbDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use crate::sql::fluxql;
use crate::sql::forms::{self, MARK};
use crate::sql::lookahead::{peek_word, tokens};
use crate::sql::parser::sequence;
use crate::sql::reserved::is_reserved_word;
use crate::sql::tokens::{AND_SAMPLE, GLOB, IN, NOT_IN, PERCENT, POWER};

/// The dialect.
#[derive(Debug)]
pub struct FluxDialect;

// PostgreSQL's table of operator precedence.
const PERIOD: u8 = 200;
const DOUBLE_COLON: u8 = 140;
const BRACKET: u8 = 130;
const UNARY_MINUS: u8 = 125;
const AT_TIME_ZONE: u8 = 110;
const CARET: u8 = 100;
const MULTIPLY: u8 = 90;
const PLUS: u8 = 80;
const XOR: u8 = 75;
const OTHER: u8 = 70;
const FACTORIAL: u8 = 126;
/// That of `IN`, `BETWEEN`, `LIKE`.
pub const BETWEEN_LIKE: u8 = 60;
const COMPARE: u8 = 50;
const IS: u8 = 40;
const NOT: u8 = 30;
const AND: u8 = 20;
const OR: u8 = 10;
const LAST: u8 = 5;

impl Dialect for FluxDialect {
    /// Takes the paths of the parser that are made for DuckDB.
    fn dialect(&self) -> TypeId {
        TypeId::of::<DuckDbDialect>()
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('"')
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        matches!(ch, '"' | '`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_' || !ch.is_ascii()
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '$' || ch == '_' || !ch.is_ascii()
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        match prec {
            Precedence::Period => PERIOD,
            Precedence::DoubleColon => DOUBLE_COLON,
            Precedence::AtTz => AT_TIME_ZONE,
            Precedence::Caret => CARET,
            Precedence::MulDivModOp => MULTIPLY,
            Precedence::PlusMinus => PLUS,
            Precedence::Xor => XOR,
            Precedence::Ampersand | Precedence::Pipe | Precedence::Colon | Precedence::PgOther => OTHER,
            Precedence::Between | Precedence::Like => BETWEEN_LIKE,
            Precedence::Eq => COMPARE,
            Precedence::Is => IS,
            Precedence::UnaryNot => NOT,
            Precedence::And => AND,
            Precedence::Or => OR,
        }
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        Some(Ok(match &parser.peek_token_ref().token {
            Token::Word(w) if w.keyword == Keyword::COLLATE => return None,
            Token::Word(w) if w.keyword == Keyword::XOR => self.prec_unknown(),
            Token::LBracket => BRACKET,
            Token::CustomBinaryOperator(op) if op == POWER || op == "^" => CARET,
            Token::CustomBinaryOperator(op) if op == GLOB || op == IN || op == NOT_IN => BETWEEN_LIKE,
            Token::CustomBinaryOperator(op) if op == AND_SAMPLE || op == PERCENT => LAST,
            Token::Arrow
            | Token::LongArrow
            | Token::AtArrow
            | Token::ArrowAt
            | Token::Overlap
            | Token::CaretAt
            | Token::StringConcat
            | Token::ShiftRight
            | Token::ShiftLeft
            | Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::CustomBinaryOperator(_) => OTHER,
            Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk => BETWEEN_LIKE,
            // A colon separates keys from values, and bounds of slices.
            Token::Colon => self.prec_unknown(),
            Token::ExclamationMark => FACTORIAL,
            _ => return None,
        }))
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        match &parser.peek_token_ref().token {
            Token::Number(..) => fluxql::parse_duration_literal(parser).map(Ok),
            Token::Word(w) if w.quote_style == Some(MARK) => forms::parse_marked(&w.clone(), parser),
            Token::LBracket => Some(forms::parse_brackets(parser)),
            // A tuple of nothing, which is also the set of no keys in GROUP BY.
            Token::LParen if parser.peek_nth_token_ref(1).token == Token::RParen => {
                parser.advance_token();
                parser.advance_token();
                Some(Ok(Expr::Tuple(vec![])))
            }
            Token::LParen if forms::is_query_without_select(parser) => Some(forms::parse_query(parser)),
            Token::Sharp => forms::parse_position(parser),
            Token::Minus => Some(parse_negation(parser)),
            Token::AtSign => Some(parse_prefix_operator(parser, UnaryOperator::PGAbs)),
            Token::Tilde => Some(parse_prefix_operator(parser, UnaryOperator::BitwiseNot)),
            Token::PGSquareRoot => Some(parse_prefix_operator(parser, UnaryOperator::PGSquareRoot)),
            Token::PGCubeRoot => Some(parse_prefix_operator(parser, UnaryOperator::PGCubeRoot)),
            Token::EscapedStringLiteral(text) => {
                let value = Value::SingleQuotedString(text.clone());
                let span = parser.next_token().span;
                Some(Ok(Expr::Value(value.with_span(span))))
            }
            _ => None,
        }
    }

    fn is_column_alias(&self, kw: &Keyword, parser: &mut Parser) -> bool {
        // The parser is behind the word.
        let is_on_conflict = *kw == Keyword::ON
            && matches!(&parser.peek_token_ref().token, Token::Word(next) if next.keyword == Keyword::CONFLICT);
        !sqlparser::keywords::RESERVED_FOR_COLUMN_ALIAS.contains(kw)
            && !matches!(kw, Keyword::COLLATE)
            && !is_on_conflict
    }

    // Lists ask what an alias is too, for where they end behind a last comma, so that reserved words are refused here.
    fn is_select_item_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        let is_reserved = is_reserved_word(&parser.get_current_token().token);
        explicit || !is_reserved && self.is_column_alias(kw, parser)
    }

    fn is_table_factor_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        let is_reserved = is_reserved_word(&parser.get_current_token().token);
        explicit || !is_reserved && self.is_table_alias(kw, parser)
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        let negated = matches!(&parser.peek_token_ref().token, Token::Word(w) if w.keyword == Keyword::NOT);
        if is_between_symmetric(parser, negated) {
            return Some(parse_between_symmetric(parser, expr, negated));
        }
        is_list_behind_in(parser, negated).then(|| parse_list_behind_in(parser, expr, negated))
    }

    fn is_table_alias(&self, kw: &Keyword, parser: &mut Parser) -> bool {
        // Joins that `tokens` has made of other words.
        let is_join = matches!(kw, Keyword::STRAIGHT_JOIN)
            || *kw == Keyword::GLOBAL
                && matches!(&parser.get_current_token().token, Token::Word(w) if w.value.eq_ignore_ascii_case("asof"));
        !sqlparser::keywords::RESERVED_FOR_TABLE_ALIAS.contains(kw)
            && !is_join
            && !matches!(kw, Keyword::SEMI | Keyword::ANTI | Keyword::ASOF)
    }

    /// `USING COMPRESSION name` says how a column is stored, which is chosen block by block here. `GENERATED … AS IDENTITY`
    /// takes the options of sequences in any order.
    fn parse_column_option(
        &self,
        parser: &mut Parser,
    ) -> Result<Option<Result<Option<ColumnOption>, ParserError>>, ParserError> {
        if let Some(option) = identity_option(parser)? {
            return Ok(Some(Ok(Some(option))));
        }
        let is_compression = matches!(&parser.peek_nth_token_ref(1).token, Token::Word(w) if w.value.eq_ignore_ascii_case("compression"));
        if !is_compression || !parser.parse_keyword(Keyword::USING) {
            return Ok(None);
        }
        parser.next_token();
        parser.parse_identifier()?;
        Ok(Some(parser.parse_optional_column_option()))
    }

    fn supports_factorial_operator(&self) -> bool {
        true
    }
    fn supports_trailing_commas(&self) -> bool {
        true
    }
    fn supports_from_trailing_commas(&self) -> bool {
        true
    }
    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }
    fn supports_within_after_array_aggregation(&self) -> bool {
        true
    }
    fn supports_group_by_expr(&self) -> bool {
        true
    }
    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }
    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }
    fn supports_dictionary_syntax(&self) -> bool {
        true
    }
    fn support_map_literal_syntax(&self) -> bool {
        true
    }
    fn supports_lambda_functions(&self) -> bool {
        true
    }
    fn allow_extract_custom(&self) -> bool {
        true
    }
    fn allow_extract_single_quotes(&self) -> bool {
        true
    }
    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }
    fn supports_from_first_select(&self) -> bool {
        true
    }
    fn supports_order_by_all(&self) -> bool {
        true
    }
    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }
    fn supports_select_wildcard_except(&self) -> bool {
        true
    }
    fn supports_select_wildcard_replace(&self) -> bool {
        true
    }
    fn supports_select_wildcard_rename(&self) -> bool {
        true
    }
    fn supports_in_empty_list(&self) -> bool {
        true
    }
    fn supports_select_wildcard_ilike(&self) -> bool {
        true
    }
    fn supports_select_expr_star(&self) -> bool {
        true
    }
    fn supports_notnull_operator(&self) -> bool {
        true
    }
    fn supports_comma_separated_trim(&self) -> bool {
        true
    }
    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }
    fn supports_nested_comments(&self) -> bool {
        true
    }
    fn supports_string_escape_constant(&self) -> bool {
        true
    }
    fn supports_unicode_string_literal(&self) -> bool {
        true
    }
    fn supports_values_as_table_factor(&self) -> bool {
        true
    }
    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }
    fn supports_alter_column_type_using(&self) -> bool {
        true
    }
    fn supports_comment_on(&self) -> bool {
        true
    }
    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }
    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }
    fn supports_subquery_as_function_arg(&self) -> bool {
        true
    }
    fn supports_string_literal_concatenation_with_newline(&self) -> bool {
        true
    }
}

/// `GENERATED … AS IDENTITY`, as its tokens.
fn identity_option(parser: &mut Parser) -> Result<Option<ColumnOption>, ParserError> {
    let before = parser.get_current_index();
    if sequence::identity(parser)?.is_none() {
        return Ok(None);
    }
    let taken = (before + 1..=parser.get_current_index()).map(|at| parser.token_at(at).token.clone());
    let taken = taken.filter(|token| !matches!(token, Token::Whitespace(_)));
    Ok(Some(ColumnOption::DialectSpecific(taken.collect())))
}

/// A prefix that binds as any operator without a rank of its own: `@ a + b` is `@ (a + b)`.
fn parse_prefix_operator(parser: &mut Parser, op: UnaryOperator) -> Result<Expr, ParserError> {
    parser.advance_token();
    Ok(Expr::UnaryOp { op, expr: Box::new(parser.parse_subexpr(OTHER)?) })
}

/// Whether `[NOT] BETWEEN [A]SYMMETRIC` is next.
fn is_between_symmetric(parser: &Parser, negated: bool) -> bool {
    let at = usize::from(negated);
    let is = |n: usize, word: &str| peek_word(parser, at + n) == word;
    // A name that is so called has an AND behind it.
    is(0, "between") && (is(1, "symmetric") || is(1, "asymmetric")) && !is(2, "and")
}

/// `BETWEEN SYMMETRIC a AND b`, whose first bound is marked so; `BETWEEN ASYMMETRIC` is BETWEEN.
fn parse_between_symmetric(parser: &mut Parser, expr: &Expr, negated: bool) -> Result<Expr, ParserError> {
    for _ in 0..=usize::from(negated) {
        parser.advance_token();
    }
    let is_symmetric = peek_word(parser, 0) == "symmetric";
    parser.advance_token();
    let mut low = parser.parse_subexpr(BETWEEN_LIKE)?;
    parser.expect_keyword_is(Keyword::AND)?;
    let high = parser.parse_subexpr(BETWEEN_LIKE)?;
    if is_symmetric {
        low = Expr::Prefixed { prefix: Ident::with_quote(MARK, "SYMMETRIC"), value: Box::new(low) };
    }
    Ok(Expr::Between { expr: Box::new(expr.clone()), negated, low: Box::new(low), high: Box::new(high) })
}

/// Whether `[NOT] IN ((SELECT …), …)` is next: a list whose first item begins with a query in parentheses, which the
/// parser would take for the query of IN.
fn is_list_behind_in(parser: &Parser, negated: bool) -> bool {
    let at = usize::from(negated);
    let ahead = |n: usize| &parser.peek_nth_token_ref(at + n).token;
    let begins = matches!(ahead(0), Token::Word(w) if w.keyword == Keyword::IN)
        && *ahead(1) == Token::LParen
        && *ahead(2) == Token::LParen;
    if !begins {
        return false;
    }
    let mut depth = 0usize;
    let mut rest = tokens(parser).skip(at + 2);
    while let Some(token) = rest.next() {
        match token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => {
                // A word goes on with the query: UNION and the like.
                return !matches!(rest.next(), None | Some(Token::RParen | Token::Word(_)));
            }
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    false
}

fn parse_list_behind_in(parser: &mut Parser, expr: &Expr, negated: bool) -> Result<Expr, ParserError> {
    for _ in 0..=usize::from(negated) {
        parser.advance_token();
    }
    parser.expect_token(&Token::LParen)?;
    let list = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::InList { expr: Box::new(expr.clone()), list, negated })
}

/// `-x`, which binds more tightly than `^` and less than `::`.
fn parse_negation(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.advance_token();
    let expr = parser.parse_subexpr(UNARY_MINUS)?;
    Ok(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(expr) })
}
