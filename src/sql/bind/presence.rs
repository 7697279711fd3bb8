//! `count(t.*)`: how many rows of `t` there are.
//!
//! An outer join yields NULL for what it found no row of, but a row may have nothing but NULL in it too. Tables of the
//! database have the numbers of their rows. All else that an outer join may leave out gets a column that is true for each
//! row, where a SELECT counts rows in this way.

use sqlparser::ast::{
    Expr as Syntax, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Select,
};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::bind::Binder;
use crate::sql::bind::from::Bound;
use crate::sql::bind::name::function_name;
use crate::sql::bind::query::Tail;
use crate::sql::bind::scope::{Relation, Scope, ScopeColumn};
use crate::sql::plan::{Definition, JoinType, LogicalPlan};
use crate::sql::walk;
use crate::table::ROW_ID_NAME;

/// The name of the column that is true for each row.
const PRESENT: &str = "*";

/// The `t` of `count(t.*)`.
fn counted(function: &Function) -> Option<&ObjectName> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match &list.args[..] {
        [FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(table))]
            if list.duplicate_treatment.is_none() && function_name(&function.name) == "count" =>
        {
            Some(table)
        }
        _ => None,
    }
}

/// Whether a SELECT counts the rows of one of its tables.
pub(super) fn counts_rows(select: &Select, tail: &Tail<'_>) -> bool {
    let counts = |expr: &Syntax| matches!(expr, Syntax::Function(call) if counted(call).is_some());
    walk::any_own_expression(&select.projection, counts)
        || walk::any_own_expression(&select.having, counts)
        || walk::any_own_expression(&select.qualify, counts)
        || tail.order_by.is_some_and(|keys| walk::any_own_expression(keys, counts))
}

/// The column that is NULL where an outer join found no row of the table.
fn presence(relation: &Relation) -> Option<&ScopeColumn> {
    relation.hidden.iter().find(|c| [ROW_ID_NAME, PRESENT].contains(&c.column.name.as_str()))
}

/// `count(t.*)` as a count of what is not NULL in the rows of `t`, or of all rows if no join leaves out any. Of a struct,
/// the rows of its table are counted.
pub(super) fn rows_counted(function: &Function, scope: &Scope) -> Option<Function> {
    let [name] = &counted(function)?.0[..] else { return None };
    let name = name.as_ident()?;
    let is_struct = |column: &ScopeColumn| {
        column.column.name.eq_ignore_ascii_case(&name.value)
            && matches!(column.column.ty, LogicalType::Struct(_))
    };
    let has_struct = |relation: &&Relation| relation.columns.iter().any(is_struct);
    let called = scope.relation(&[], &name.value).ok()?;
    let relation = called.or_else(|| scope.relations.iter().find(has_struct))?;
    let argument = match presence(relation) {
        Some(row) => {
            let ident =
                |value: &String| Ident { value: value.clone(), quote_style: Some('"'), span: name.span };
            FunctionArgExpr::Expr(Syntax::CompoundIdentifier(vec![
                ident(&relation.name),
                ident(&row.column.name),
            ]))
        }
        None => FunctionArgExpr::Wildcard,
    };
    let mut count = function.clone();
    if let FunctionArguments::List(list) = &mut count.args {
        list.args = vec![FunctionArg::Unnamed(argument)];
    }
    Some(count)
}

impl Binder<'_> {
    /// Sees to it that the rows of the sides that a join may leave out can be told.
    pub(super) fn with_presence(&mut self, left: Bound, right: Bound, kind: &JoinType) -> (Bound, Bound) {
        let left = if matches!(kind, JoinType::Right | JoinType::Full) { self.marked(left) } else { left };
        let right = if matches!(kind, JoinType::Left | JoinType::Full) { self.marked(right) } else { right };
        (left, right)
    }

    fn marked(&mut self, mut bound: Bound) -> Bound {
        if !self.counts_rows {
            return bound;
        }
        let unmarked: Vec<&mut Relation> =
            bound.scope.relations.iter_mut().filter(|relation| presence(relation).is_none()).collect();
        if unmarked.is_empty() {
            return bound;
        }
        let mut definitions: Vec<Definition> =
            bound.plan.columns().into_iter().map(Definition::pass).collect();
        for relation in unmarked {
            let column = self.ids.column(PRESENT, LogicalType::Boolean);
            relation.hidden.push(ScopeColumn::new(column.clone()));
            let expr = Expr::literal(Scalar::Boolean(true), LogicalType::Boolean);
            definitions.push(Definition { column, expr });
        }
        bound.plan = LogicalPlan::Project { input: Box::new(bound.plan), definitions };
        bound
    }
}
