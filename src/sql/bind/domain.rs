//! Values of domains: what a cast to one looks at.

use crate::catalog::TypeDefinition;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{Expr, is_volatile};
use crate::sql::bind::scope::{Relation, Scope, ScopeColumn};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_expr;
use crate::sql::plan::Column;

impl Binder<'_> {
    /// A value, or an error where it does not satisfy what the domain asks; with `or_null`, NULL.
    pub(super) fn in_domain(&mut self, named: &TypeDefinition, value: Expr, or_null: bool) -> Result<Expr> {
        let Some(domain) = &named.domain else { return Ok(value) };
        if is_volatile(&value) && (domain.not_null || !domain.checks.is_empty()) {
            // It would be another value when it is looked at.
            let message = "a value that is another each time cannot be cast to a domain with conditions";
            return Err(SqlError::unsupported(message).hint("Compute it in a subquery."));
        }
        let mut branches = vec![];
        let name = &named.name;
        if domain.not_null {
            let is_null = Expr::IsNull { input: Box::new(value.clone()), negated: false };
            let message = format!("domain {name} does not allow null values");
            branches.push((is_null, self.refusal(message, &named.ty, or_null)?));
        }
        for (at, (check, text)) in domain.checks.iter().enumerate() {
            let condition = self.bind_domain_check(text, &value)?;
            let check = check.as_deref().map_or_else(
                || format!("{name}_check{}", if at == 0 { String::new() } else { at.to_string() }),
                str::to_owned,
            );
            let message = format!("value for domain {name} violates check constraint \"{check}\"");
            let refusal = self.refusal(message, &named.ty, or_null)?;
            branches.push((Expr::Not(Box::new(condition)), refusal));
        }
        if branches.is_empty() {
            return Ok(value);
        }
        Ok(Expr::Case { branches, otherwise: Some(Box::new(value)), ty: named.ty.clone() })
    }

    /// Whether the conditions of a domain that is about to be made mean something, and its default.
    pub fn check_domain(&mut self, named: &TypeDefinition) -> Result<()> {
        let null = || Expr::literal(Scalar::Null, named.ty.clone());
        self.in_domain(named, null(), true)?;
        if let Some(default) = named.domain.as_ref().and_then(|domain| domain.default.as_deref()) {
            let bound = self.bind_over(&parse_expr(default)?, &Scope::default(), "DEFAULT value")?;
            coerce::assign(bound, &named.ty)?;
        }
        Ok(())
    }

    fn bind_domain_check(&mut self, text: &str, value: &Expr) -> Result<Expr> {
        // No name reaches the column but the unqualified one, which stands for the value.
        let column = Column { id: usize::MAX, name: "value".to_owned(), ty: value.ty() };
        let mut relation = Relation::new("", vec![]);
        relation.columns.push(ScopeColumn { merged: Some(value.clone()), ..ScopeColumn::new(column) });
        let bound = self.bind_over(&parse_expr(text)?, &Scope::of(relation), "CHECK constraint")?;
        coerce::explicit(bound, &LogicalType::Boolean, false)
    }

    fn refusal(&mut self, message: String, ty: &LogicalType, or_null: bool) -> Result<Expr> {
        if or_null {
            return Ok(Expr::literal(Scalar::Null, ty.clone()));
        }
        let error = self.call("error", vec![Expr::literal(Scalar::text(&message), LogicalType::Varchar)])?;
        coerce::explicit(error, ty, false)
    }
}
