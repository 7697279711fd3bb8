//! What becomes of rows that refer to keys which are gone: the changes that foreign keys ask for, as statements of
//! their own, and whether any row is left that refers to nothing.

use std::sync::Arc;

use crate::catalog::ReferenceAction;
use crate::column::scalar::Scalar;
use crate::exec::expr::Expr;
use crate::exec::source::Source;
use crate::sql::bind::Binder;
use crate::sql::bind::modify::keys::{ForeignKey, columns_of, join, not_null};
use crate::sql::bind::modify::{BoundModify, Target};
use crate::sql::bind::subquery::filter;
use crate::sql::error::Result;
use crate::sql::plan::{Column, JoinType, LogicalPlan};

/// Keys that rows of a table had before a statement and have no more.
#[derive(Debug, Clone)]
pub struct LostKeys {
    /// What may refer to them.
    pub key: ForeignKey,
    /// What becomes of rows that do.
    pub action: ReferenceAction,
    /// They, and behind each, if it has changed, what it is now.
    pub rows: Arc<dyn Source>,
}

impl Binder<'_> {
    /// What an action makes of the rows that refer to lost keys.
    pub fn bind_consequence(&mut self, target: &Target, lost: &LostKeys) -> Result<BoundModify> {
        let (keys, before, now) = self.lost(lost);
        let (rows, relation, id) = self.bind_target(target)?;
        let own: Vec<Column> = lost.key.columns.iter().map(|&c| relation.columns[c].column.clone()).collect();
        if lost.action == ReferenceAction::Cascade && now.is_empty() {
            let plan = join(rows, keys, JoinType::Semi, &own, &before);
            return self.remove(target, plan, (&relation, &id), false, None);
        }
        let mut assigned = vec![];
        for (at, &column) in lost.key.columns.iter().enumerate() {
            let value = match lost.action {
                ReferenceAction::Cascade => now[at].expr(),
                ReferenceAction::SetDefault => self.bind_default(target, column)?,
                _ => Expr::literal(Scalar::Null, own[at].ty.clone()),
            };
            assigned.push((column, value));
        }
        let kind = if lost.action == ReferenceAction::Cascade { JoinType::Inner } else { JoinType::Semi };
        let plan = join(rows, keys, kind, &own, &before);
        self.assign(target, plan, (&relation, &id), &assigned, false, None)
    }

    /// References to lost keys that no row has now: one of them, as texts. To RESTRICT it is all the same whether a row has.
    pub fn references_to_lost(&mut self, lost: &LostKeys) -> Result<LogicalPlan> {
        let (mut keys, before, _) = self.lost(lost);
        if lost.action != ReferenceAction::Restrict {
            let parent = Target::new(Arc::clone(&lost.key.parent), "");
            let (rows, columns, _) =
                self.keyed_rows(&parent, |_, relation| Ok(columns_of(relation, &lost.key.referenced)))?;
            keys = join(keys, rows, JoinType::Anti, &before, &columns);
        }
        let child = Target::new(Arc::clone(&lost.key.child), "");
        let (rows, columns, _) =
            self.keyed_rows(&child, |_, relation| Ok(columns_of(relation, &lost.key.columns)))?;
        let plan = join(rows, keys, JoinType::Semi, &columns, &before);
        self.one_key(plan, &columns)
    }

    /// References of rows: one of them, as texts.
    pub fn any_reference(&mut self, key: &ForeignKey) -> Result<LogicalPlan> {
        let child = Target::new(Arc::clone(&key.child), "");
        let (rows, columns, _) =
            self.keyed_rows(&child, |_, relation| Ok(columns_of(relation, &key.columns)))?;
        self.one_key(filter(rows, not_null(&columns)), &columns)
    }

    /// References that rows have to keys that no row has: one of them, as texts. `added` are those that may.
    pub fn references_to_none(&mut self, key: &ForeignKey, added: Arc<dyn Source>) -> Result<LogicalPlan> {
        let (new, new_columns) = self.gathered(added);
        let parent = Target::new(Arc::clone(&key.parent), "");
        let (rows, columns, _) =
            self.keyed_rows(&parent, |_, relation| Ok(columns_of(relation, &key.referenced)))?;
        let missing = join(new, rows, JoinType::Anti, &new_columns, &columns);
        // A row that refers to nothing may have been changed once more, or removed.
        let child = Target::new(Arc::clone(&key.child), "");
        let (rows, columns, _) =
            self.keyed_rows(&child, |_, relation| Ok(columns_of(relation, &key.columns)))?;
        let plan = join(rows, missing, JoinType::Semi, &columns, &new_columns);
        self.one_key(plan, &columns)
    }

    /// Lost keys, the columns of what they were, and of what they are now.
    fn lost(&mut self, lost: &LostKeys) -> (LogicalPlan, Vec<Column>, Vec<Column>) {
        let (plan, mut before) = self.rows(Arc::clone(&lost.rows));
        let now = before.split_off(lost.key.columns.len());
        (filter(plan, not_null(&before)), before, now)
    }
}
