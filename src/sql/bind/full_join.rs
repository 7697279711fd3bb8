//! FULL JOIN on a condition with subqueries about rows of both sides.
//!
//! A subquery is answered for rows that are there; the condition of a join is not asked of rows yet. So the rows of both
//! sides are numbered, the pairs of numbers for which the condition holds are found as an inner join's are, and the two
//! sides are joined through these pairs.

use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::window::{WindowCall, WindowFunction};
use crate::sql::bind::cte::ROWS_GUESS;
use crate::sql::bind::from::Bound;
use crate::sql::bind::subquery::{PendingSubquery, attach, filter};
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::{ColumnSet, copy_with_fresh_ids};
use crate::sql::plan::{Column, CteId, Definition, JoinType, LogicalPlan};

/// A side of the join, whose numbered rows are computed once and used twice.
struct Side {
    id: CteId,
    definition: LogicalPlan,
    /// All that it yields; the number is the last.
    columns: Vec<Column>,
    number: Column,
}

impl Side {
    /// Its rows, with the columns as the condition and the query around call them.
    fn scan(&self) -> LogicalPlan {
        LogicalPlan::CteScan {
            id: self.id,
            name: "side".into(),
            positions: (0..self.columns.len()).collect(),
            columns: self.columns.clone(),
            rows: ROWS_GUESS,
        }
    }

    fn around(self, body: LogicalPlan) -> LogicalPlan {
        LogicalPlan::With {
            id: self.id,
            name: "side".into(),
            definition: Box::new(self.definition),
            body: Box::new(body),
        }
    }
}

fn join(left: LogicalPlan, right: LogicalPlan, kind: JoinType, on: Vec<Expr>) -> LogicalPlan {
    LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, on, dependent: false }
}

impl Binder<'_> {
    /// All rows of both sides, in pairs where `on` holds, which uses what the subqueries yield. An error if a side uses
    /// rows of a query around it: then it cannot be computed once.
    pub(super) fn full_join_by_pairs(
        &mut self,
        left: Bound,
        right: Bound,
        on: Vec<Expr>,
        subqueries: Vec<PendingSubquery>,
    ) -> Result<Bound> {
        let (left_side, right_side) = (self.numbered(left.plan)?, self.numbered(right.plan)?);
        let scans = || (left_side.scan(), right_side.scan());

        let (l, r) = scans();
        let numbers = [&left_side.number, &right_side.number];
        let pairs = LogicalPlan::Project {
            input: Box::new(filter(attach(join(l, r, JoinType::Inner, vec![]), subqueries), on)),
            definitions: numbers.map(|number| Definition::pass(number.clone())).into(),
        };
        let (pairs, fresh) = copy_with_fresh_ids(&pairs, &mut self.ids);
        let same = |number: &Column| coerce::compare(CompareOp::Eq, number.expr(), fresh[&number.id].expr());
        let (of_left, of_right) = (same(&left_side.number)?, same(&right_side.number)?);

        let (l, r) = scans();
        let paired = join(l, pairs, JoinType::Left, vec![of_left]);
        let joined = join(paired, r, JoinType::Full, vec![of_right]);
        let mut scope = left.scope;
        scope.join(right.scope)?;
        let plan = self.only_columns(joined, &scope);
        Ok(Bound { plan: left_side.around(right_side.around(plan)), scope })
    }

    fn numbered(&mut self, plan: LogicalPlan) -> Result<Side> {
        if !ColumnSet::free(&plan).is_empty() {
            return Err(SqlError::unsupported(
                "a subquery in the condition of a FULL join of what uses rows of the query around it is not supported",
            ));
        }
        let number = self.ids.column("number", LogicalType::BigInt);
        let numbered = LogicalPlan::Window {
            input: Box::new(plan),
            partition_by: vec![],
            order_by: vec![],
            calls: vec![(number.clone(), WindowCall::number(WindowFunction::RowNumber))],
        };
        let columns = numbered.columns();
        // What scans yield has these ids.
        let (definition, _) = copy_with_fresh_ids(&numbered, &mut self.ids);
        Ok(Side { id: self.ids.fresh(), definition, columns, number })
    }
}
