//! ORDER BY and DISTINCT ON of a SELECT: keys, which are columns of its result or expressions over its rows; and the order
//! that a query over series has of itself.

use sqlparser::ast::{self, Expr as Syntax, OrderByKind};

use crate::exec::expr::Expr;
use crate::sql::bind::Binder;
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::expr::{ExprContext, collate};
use crate::sql::bind::query::{Tail, ordinal};
use crate::sql::bind::scope::Found;
use crate::sql::bind::select::Output;
use crate::sql::error::Result;

/// A key of ORDER BY.
pub(super) struct Order {
    pub expr: OrderExpr,
    pub options: ast::OrderByOptions,
}

pub(super) enum OrderExpr {
    /// A column of the result.
    Output(usize),
    /// An expression over the rows, or groups.
    Expr(Expr),
}

impl Order {
    pub(super) fn ascending(expr: OrderExpr) -> Self {
        let options = ast::OrderByOptions { sort: Some(ast::OrderBySort::Asc), nulls_first: Some(false) };
        Self { expr, options }
    }
}

impl OrderExpr {
    /// The expression, if it is one over the rows.
    pub(super) fn over_rows(&mut self) -> Option<&mut Expr> {
        match self {
            Self::Expr(expr) => Some(expr),
            Self::Output(_) => None,
        }
    }
}

impl Binder<'_> {
    pub(super) fn bind_order(
        &mut self,
        order_by: &ast::OrderBy,
        outputs: &[Output],
        cx: &mut ExprContext<'_>,
    ) -> Result<Vec<Order>> {
        match &order_by.kind {
            OrderByKind::All(options) => Ok((0..outputs.len())
                .map(|i| Order { expr: OrderExpr::Output(i), options: options.clone() })
                .collect()),
            OrderByKind::Expressions(list) => {
                let mut out = Vec::with_capacity(list.len());
                for item in list {
                    self.refuse_literal_key(&item.expr, "ORDER BY")?;
                    if let Some(columns) = self.columns_of_call(&item.expr, cx.scope)? {
                        for column in columns {
                            let expr = self.bind_order_expr(&column, outputs, cx)?;
                            out.push(Order { expr, options: item.options.clone() });
                        }
                        continue;
                    }
                    let expr = self.bind_order_expr(&item.expr, outputs, cx)?;
                    out.push(Order { expr, options: item.options.clone() });
                }
                Ok(out)
            }
        }
    }

    /// A number or a name of the select list means its item, of several of a name the last that was given it with AS; all
    /// else is an expression, and so is a name that several have by themselves and that several tables know.
    pub(super) fn bind_order_expr(
        &mut self,
        expr: &Syntax,
        outputs: &[Output],
        cx: &mut ExprContext<'_>,
    ) -> Result<OrderExpr> {
        if let Some(i) = ordinal(expr, outputs.len(), "ORDER")? {
            return Ok(OrderExpr::Output(i));
        }
        if let Syntax::Collate { expr: place, collation } = expr
            && let Some(i) = ordinal(place, outputs.len(), "ORDER")?
        {
            return Ok(OrderExpr::Expr(collate(outputs[i].expr.clone(), collation).map_err(|e| e.at(expr))?));
        }
        if let Syntax::Identifier(name) = expr {
            let named = |o: &Output| o.name.eq_ignore_ascii_case(&name.value);
            let alias = outputs.iter().rposition(|o| o.is_alias && named(o));
            let is_ambiguous = || {
                let several = outputs.iter().filter(|o| named(o)).nth(1).is_some();
                several && matches!(cx.scope.find(&name.value), Found::Many(_))
            };
            if let Some(i) = alias.or_else(|| outputs.iter().position(named).filter(|_| !is_ambiguous())) {
                return Ok(OrderExpr::Output(i));
            }
        }
        Ok(OrderExpr::Expr(self.bind_expr(expr, cx)?))
    }
}

/// ORDER BY ALL goes by the keys too that a query over series yields.
pub(super) fn order_by_all(tail: &Tail<'_>, outputs: &[Output], order: &mut Vec<Order>) {
    if let Some(OrderByKind::All(options)) = tail.order_by.map(|o| &o.kind) {
        let key = |i| Order { expr: OrderExpr::Output(i), options: options.clone() };
        *order = (0..outputs.len()).map(key).collect();
    }
}

/// A query over series yields the time, then the other keys, then what is left of the select list.
pub(super) fn lead_with(keys: &[(String, Expr)], outputs: &mut Vec<Output>, order: &mut [Order]) {
    for key in order.iter_mut() {
        if let OrderExpr::Output(i) = key.expr {
            key.expr = OrderExpr::Expr(outputs[i].expr.clone());
        }
    }
    let mut rest = std::mem::take(outputs);
    for (name, expr) in keys {
        if outputs.iter().any(|o| same_expr(&o.expr, expr)) {
            continue;
        }
        let selected = rest.iter().position(|o| same_expr(&o.expr, expr));
        let name = selected.map_or_else(|| name.clone(), |i| rest[i].name.clone());
        rest.retain(|o| !same_expr(&o.expr, expr));
        outputs.push(Output { name, is_alias: false, expr: expr.clone() });
    }
    outputs.append(&mut rest);
}
