//! Statements that change the rows of a table: INSERT, UPDATE, DELETE, MERGE, and COPY FROM.
//!
//! Each becomes a plan whose rows are changes, and a [`ModifySpec`] that says what its columns are. They begin with
//! the columns of the table, among them those that are computed when they are read, so that conditions and
//! RETURNING find them at the positions they have in the table. What depends on other rows, such as keys that must
//! be unique, is compared afterwards ([`keys`]).

pub mod alter;
pub mod cascade;
mod conflict;
mod generated;
mod insert;
pub mod keys;
mod merge;
mod target;
mod update;

use sqlparser::ast::SelectItem;

use crate::column::types::LogicalType;
use crate::exec::batch::{Field, Schema};
use crate::exec::expr::Expr;
use crate::exec::sinks::ModifySpec;
use crate::sql::ast::{Change, Modify};
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::from::storable;
use crate::sql::bind::modify::keys::KeyChecks;
use crate::sql::bind::scope::{Scope, ScopeColumn};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::{Column, LogicalPlan};

pub use conflict::replaces_whole_rows;
pub use generated::names_in;
pub use insert::{InsertRows, plain_values};
pub use target::{Target, identity_columns};

/// A statement that changes rows, bound.
#[derive(Debug, Clone)]
pub struct BoundModify {
    /// The plan of the changes.
    pub plan: LogicalPlan,
    /// What its columns are.
    pub spec: ModifySpec,
    /// Whether rows are added.
    pub adds: bool,
    /// The columns of RETURNING.
    pub returning: Option<Schema>,
    /// What is to be compared with other rows.
    pub keys: KeyChecks,
    /// The numbers of rows that go, besides those that the plan removes.
    pub removed: Vec<u64>,
}

/// A bound statement, or the first part of one.
#[derive(Debug)]
pub enum BoundChange {
    /// It can run.
    Whole(Box<BoundModify>),
    /// INSERT … ON CONFLICT: its rows are needed before the rest can be bound.
    Conflict(Box<InsertRows>),
}

impl BoundModify {
    fn new(
        plan: LogicalPlan,
        mut spec: ModifySpec,
        adds: bool,
        returning: Option<(Schema, Vec<Expr>)>,
        keys: KeyChecks,
    ) -> Self {
        let (returning, exprs) = returning.unzip();
        spec.returning = exprs;
        Self { plan, spec, adds, returning, keys, removed: vec![] }
    }
}

impl Binder<'_> {
    /// Binds a statement that changes the rows of a table.
    pub fn bind_modify(&mut self, statement: &Modify, target: &Target) -> Result<BoundChange> {
        for with in &statement.with {
            self.bind_with(with, None)?;
        }
        let returning = statement.returning.as_deref();
        let whole = match &statement.change {
            Change::Insert(insert) => return self.bind_insert(target, insert, returning),
            Change::Update(update) => self.bind_update(target, update, returning)?,
            Change::Delete { using, condition } => {
                self.bind_delete(target, using, condition.as_ref(), returning)?
            }
            Change::Truncate(_) => self.bind_truncate(target)?,
            Change::Merge(merge) => self.bind_merge(target, merge, returning)?,
        };
        Ok(BoundChange::Whole(Box::new(whole)))
    }

    /// RETURNING, over the columns of a table at their positions, and one more, for which `*` does not stand.
    pub fn bind_returning(
        &mut self,
        target: &Target,
        items: Option<&[SelectItem]>,
        more: Option<Column>,
    ) -> Result<Option<(Schema, Vec<Expr>)>> {
        let Some(items) = items else { return Ok(None) };
        let mut scope = target.row_scope();
        scope.relations[0].hidden = more.map(ScopeColumn::new).into_iter().collect();
        let items = self.expand_items(items, &scope, None)?;
        let mut cx = ExprContext::new(&scope, None, "RETURNING clause");
        cx.allow_subqueries = false;
        let outputs = self.apart(|binder| binder.bind_items(&items, &mut cx))?;
        let (mut fields, mut exprs) = (vec![], vec![]);
        for output in outputs {
            let ty = storable(&output.expr.ty());
            fields.push(Field::new(output.name, ty.clone()));
            exprs.push(coerce::cast(output.expr, &ty));
        }
        Ok(Some((fields.into(), exprs)))
    }
}

/// Where a plan yields a column.
fn position(plan: &LogicalPlan, column: &Column) -> Result<usize> {
    plan.columns()
        .iter()
        .position(|c| c.id == column.id)
        .ok_or_else(|| SqlError::internal(format!("the plan of a change lost \"{}\"", column.name)))
}

impl Target {
    /// The columns of a row of changes: the ids are positions.
    pub(super) fn row_scope(&self) -> Scope {
        let columns = self.table.columns.iter().enumerate();
        let columns = columns.map(|(id, c)| Column { id, name: c.name.to_string(), ty: c.ty.clone() });
        Scope::of(self.relation(columns.collect()))
    }
}

/// The type of the ids of rows.
const ROW_ID_TYPE: LogicalType = LogicalType::BigInt;
