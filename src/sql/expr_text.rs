//! Expressions as text that is kept in the catalog: defaults, CHECK constraints, generated columns, keys of indexes.
//!
//! Brackets stand around every operation and nowhere else, as DuckDB prints them.

use sqlparser::ast::{Expr, Ident};

use crate::sql::bind::name::quoted;
use crate::sql::error::Result;
use crate::sql::parser::{is_keyword, parse_expr};
use crate::sql::walk;

/// An expression as it is kept.
pub fn canonical(expr: &Expr) -> String {
    let mut expr = expr.clone();
    // Post-order: the parts of an expression have their brackets already.
    walk::rewrite_expressions(&mut expr, |e| {
        let bracketed = |e: &mut Expr| {
            let inner = std::mem::replace(e, Expr::Identifier(Ident::new("")));
            *e = Expr::Nested(Box::new(inner));
        };
        // The mark of BETWEEN SYMMETRIC is written as the word that it stands for.
        if let Expr::Between { low, .. } = e
            && let Expr::Prefixed { prefix, .. } = &mut **low
        {
            prefix.quote_style = None;
        }
        match e {
            Expr::Nested(inner) => {
                let inner = std::mem::replace(&mut **inner, Expr::Identifier(Ident::new("")));
                *e = inner;
            }
            Expr::BinaryOp { .. }
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..) => bracketed(e),
            Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Not, .. } => bracketed(e),
            _ => {}
        }
    });
    expr.to_string()
}

/// The kept text of an expression over columns of which one has a new name.
pub fn rename_column(text: &str, old: &str, new: &str) -> Result<String> {
    let mut expr = parse_expr(text)?;
    let quote_style = (quoted(new) != new || is_keyword(new)).then_some('"');
    let renamed = |name: &Ident| Ident { value: new.to_owned(), quote_style, span: name.span };
    walk::rewrite_expressions(&mut expr, |e| {
        match e {
            Expr::Identifier(name) if name.value.eq_ignore_ascii_case(old) => *name = renamed(name),
            Expr::CompoundIdentifier(parts) => {
                // `column.field`, or `table.column`.
                if let Some(part) = parts.iter_mut().take(2).find(|p| p.value.eq_ignore_ascii_case(old)) {
                    *part = renamed(part);
                }
            }
            _ => {}
        }
    });
    Ok(canonical(&expr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_stand_around_operations() {
        let text = |sql: &str| canonical(&parse_expr(sql).unwrap());
        assert_eq!(text("b < 100"), "(b < 100)");
        assert_eq!(text("length(d) > 1 and ((a+b))*2 < 10"), "((length(d) > 1) AND (((a + b) * 2) < 10))");
        assert_eq!(text("('x')"), "'x'");
        for sql in ["(a BETWEEN SYMMETRIC 5 AND (b + 1))", "(a NOT BETWEEN SYMMETRIC b AND 1)"] {
            assert_eq!(text(sql), sql);
        }
        assert_eq!(text(&text("NOT a IN (1, 2)")), text("NOT a IN (1, 2)"));
    }

    #[test]
    fn columns_get_new_names() {
        assert_eq!(rename_column("(a + b.a)", "A", "my col").unwrap(), "(\"my col\" + b.\"my col\")");
        assert_eq!(rename_column("(a > 'a')", "a", "z").unwrap(), "(z > 'a')");
    }
}
