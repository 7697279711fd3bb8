//! Samples: `USING SAMPLE` and `TABLESAMPLE`.

use sqlparser::ast::{Expr, Value};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

use super::{SAMPLE, arguments, arguments_named, call, named, text};
use crate::sql::lookahead::{peek_word, take_word};

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
pub(super) fn parse_sample(parser: &mut Parser, span: Span) -> Result<Expr, ParserError> {
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
