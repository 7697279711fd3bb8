//! Lists in brackets, and list comprehensions: `[f(x) FOR x IN list IF g(x)]`.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Ident, LambdaFunction, LambdaFunctionParameter,
    LambdaSyntax, ObjectName, OneOrManyWithParens,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

use super::{MARK, STAR_NAMES, argument, arguments, call, plain_call, text};
use crate::sql::lookahead::take_word;

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
