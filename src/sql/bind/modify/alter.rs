//! ALTER TABLE: the rows that are there, as rows of the altered table, and what is asked of them.

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::ast::Expr as Syntax;

use crate::catalog::{ColumnId, ConstraintDefinition, ConstraintKind};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::bind::modify::Target;
use crate::sql::bind::modify::keys::{ForeignKey, positions};
use crate::sql::bind::scope::Scope;
use crate::sql::bind::subquery::filter;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_expr;
use crate::sql::plan::{Definition, LogicalPlan};

/// What the rows that are there get in a column that is new or has another type.
#[derive(Debug, Clone)]
pub enum AlteredValue {
    /// The column's default.
    Default,
    /// What the column had, as one of its new type.
    Converted,
    /// What the column had, as one of a type between and then one of its new type.
    Through(LogicalType),
    /// What the column had, as one of its new type, with a value in a field that the path leads to.
    Filled {
        /// Names of fields, one in the other.
        path: Vec<String>,
        /// The value.
        value: Syntax,
    },
    /// An expression over the columns before, as one of the column's type.
    Using(Syntax),
}

impl Binder<'_> {
    /// The rows of `old` as rows of `new`, which is the same table altered. Columns that are not among `values` keep
    /// what they had; new ones are NULL.
    pub fn bind_altered(
        &mut self,
        old: &Target,
        new: &Target,
        values: &HashMap<ColumnId, AlteredValue>,
    ) -> Result<LogicalPlan> {
        let (plan, relation, _) = self.bind_target(old)?;
        let scope = Scope::of(relation);
        let columns = &scope.relations[0].columns;
        let null = || Expr::literal(Scalar::Null, LogicalType::Null);
        let mut definitions = vec![];
        for (position, column) in new.table.columns.iter().enumerate() {
            let before = old.table.columns.iter().position(|c| c.id == column.id);
            let had = before.map_or_else(null, |before| columns[before].column.expr());
            let expr = match values.get(&column.id) {
                _ if column.is_virtual() => coerce::explicit(null(), &column.ty, false)?,
                None => coerce::explicit(had, &column.ty, false)?,
                Some(AlteredValue::Default) => self.bind_default(new, position)?,
                Some(AlteredValue::Converted) => coerce::explicit(had, &column.ty, false)?,
                Some(AlteredValue::Through(ty)) => {
                    coerce::explicit(coerce::explicit(had, ty, false)?, &column.ty, false)?
                }
                Some(AlteredValue::Filled { path, value }) => {
                    let had = coerce::explicit(had, &column.ty, false)?;
                    let value = self.bind_over(value, &Scope::default(), "DEFAULT")?;
                    let filled = self.filled(had, path, value)?;
                    coerce::explicit(filled, &column.ty, false)?
                }
                Some(AlteredValue::Using(syntax)) => {
                    let bound = self.bind_over(syntax, &scope, "USING")?;
                    coerce::explicit(bound, &column.ty, false).map_err(|e| e.at(syntax))?
                }
            };
            definitions.push(Definition { column: self.ids.column(&*column.name, column.ty.clone()), expr });
        }
        Ok(LogicalPlan::Project { input: Box::new(plan), definitions })
    }

    /// A struct with a value in the field that a path leads to; NULL stays NULL.
    fn filled(&mut self, of: Expr, path: &[String], value: Expr) -> Result<Expr> {
        let Some((name, rest)) = path.split_first() else { return Ok(value) };
        let ty = of.ty();
        let LogicalType::Struct(_) = ty else {
            return Err(SqlError::unsupported("only a field of structs in each other can have a DEFAULT"));
        };
        let text = Expr::literal(Scalar::text(name), LogicalType::Varchar);
        let field = self.call("struct_extract", vec![of.clone(), text])?;
        let field_type = field.ty();
        let inner = self.filled(field, rest, value)?;
        let inner = coerce::explicit(inner, &field_type, false)?;
        let fields = self.struct_pack(vec![(name.clone(), inner)])?;
        let updated = self.call("struct_update", vec![of.clone(), fields])?;
        let updated = coerce::explicit(updated, &ty, false)?;
        let is_null = Expr::IsNull { input: Box::new(of), negated: false };
        let null = Expr::literal(Scalar::Null, ty.clone());
        Ok(Expr::Case { branches: vec![(is_null, null)], otherwise: Some(Box::new(updated)), ty })
    }

    /// A row for which a CHECK is false, as a text.
    pub fn check_broken(&mut self, target: &Target, expression: &str) -> Result<LogicalPlan> {
        let (plan, relation, id) = self.bind_target(target)?;
        let scope = Scope::of(relation);
        let condition = self.bind_over(&parse_expr(expression)?, &scope, "CHECK constraint")?;
        let condition = coerce::explicit(condition, &LogicalType::Boolean, false)?;
        let plan = filter(plan, vec![Expr::Not(Box::new(condition))]);
        self.one_key(plan, &[id])
    }

    /// A key of a table that a foreign key does not find, as texts.
    pub fn references_lost(
        &mut self,
        target: &Target,
        constraint: &ConstraintDefinition,
    ) -> Result<LogicalPlan> {
        let ConstraintKind::ForeignKey { columns, table, referenced, actions } = &constraint.kind else {
            return Err(SqlError::internal("only a foreign key references"));
        };
        let parent = if *table == target.table.id {
            Arc::clone(&target.table)
        } else {
            let found = self.env.tables.catalog().table_by_id(*table);
            Arc::clone(found.ok_or_else(|| SqlError::internal("a referenced table is not there"))?)
        };
        let key = ForeignKey {
            child: Arc::clone(&target.table),
            columns: positions(&target.table, columns),
            referenced: positions(&parent, referenced),
            parent,
            actions: *actions,
        };
        self.references_lost_in(target, &key)
    }
}
