//! INSERT … ON CONFLICT: rows whose keys are in the table already.
//!
//! The rows of the statement are in memory by now. Of those that have the same key only the first is left; the
//! rest are compared with the table by a join for each key; where there are few, only with the rows of the table that
//! have their keys.

use std::sync::Arc;

use sqlparser::ast::{Expr as Syntax, SelectItem};

use crate::catalog::{Catalog, ColumnDefinition, ConstraintDefinition, ConstraintKind};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::exec::sinks::ModifySpec;
use crate::exec::source::Source;
use crate::sql::ast::{Assignment, ConflictAction};
use crate::sql::bind::Binder;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::modify::generated::Rows;
use crate::sql::bind::modify::keys::{Changes, UniqueKey, join};
use crate::sql::bind::modify::target::attach_all;
use crate::sql::bind::modify::update::{old_column, old_positions};
use crate::sql::bind::modify::{BoundModify, Target, position};
use crate::sql::bind::scope::{Relation, Scope};
use crate::sql::error::Result;
use crate::sql::plan::{Column, Definition, JoinType, LogicalPlan};

/// Of the rows of a table those with these numbers, if they are known.
fn only_rows(plan: LogicalPlan, id: &Column, found: Option<&[u64]>) -> LogicalPlan {
    let Some(found) = found else { return plan };
    let is_one = if found.is_empty() {
        Expr::literal(Scalar::Boolean(false), LogicalType::Boolean)
    } else {
        let list = found.iter().map(|row| Scalar::Int((*row).into())).collect();
        Expr::InList { input: Box::new(id.expr()), list, negated: false }
    };
    LogicalPlan::Filter { input: Box::new(plan), predicates: vec![is_one] }
}

/// Whether an action leaves nothing of the row of the table that has the key of another, so that this is as it would be
/// added, and no other row depends on which it was.
pub fn replaces_whole_rows(
    target: &Target,
    catalog: &Catalog,
    given: &[usize],
    key: &UniqueKey,
    action: &ConflictAction,
) -> bool {
    let table = &target.table;
    let refers_to_it = |c: &ConstraintDefinition| matches!(&c.kind, ConstraintKind::ForeignKey { table: other, .. } if *other == table.id);
    if table.constraints.iter().any(refers_to_it) || catalog.referencing(table.id).next().is_some() {
        return false;
    }
    let mut stored = (0..table.columns.len()).filter(|at| table.columns[*at].generated.is_none());
    match action {
        ConflictAction::Nothing => false,
        ConflictAction::Replace => stored.all(|at| given.contains(&at)),
        ConflictAction::Update { condition: Some(_), .. } => false,
        ConflictAction::Update { assignments, condition: None } => {
            // Keys that are equal but not the same are left as they are.
            let is_same = |at: usize| {
                let ColumnDefinition { ty, collation, .. } = &table.columns[at];
                collation.is_none() && (ty.is_integer() || *ty == LogicalType::Varchar)
            };
            let is_excluded = |at: usize, value: &Syntax| {
                let Syntax::CompoundIdentifier(names) = value else { return false };
                let wanted = ["excluded", &*table.columns[at].name];
                names.len() == 2 && names.iter().zip(wanted).all(|(n, w)| n.value.eq_ignore_ascii_case(w))
            };
            let is_taken = |at: usize| {
                let name = &table.columns[at].name;
                let of = |a: &&Assignment| a.column.value.eq_ignore_ascii_case(name);
                match assignments.iter().find(of) {
                    Some(assignment) => is_excluded(at, &assignment.value),
                    None => key.columns.contains(&at) && is_same(at),
                }
            };
            table.column_position("excluded").is_none() && stored.all(is_taken)
        }
    }
}

impl Binder<'_> {
    /// A plan of rows that are there.
    pub(in crate::sql::bind) fn rows(&mut self, source: Arc<dyn Source>) -> (LogicalPlan, Vec<Column>) {
        let columns: Vec<Column> =
            source.schema().iter().map(|f| self.ids.column(&*f.name, f.ty.clone())).collect();
        let plan = LogicalPlan::SourceGet {
            source,
            positions: (0..columns.len()).collect(),
            columns: columns.clone(),
            filters: vec![],
        };
        (plan, columns)
    }

    /// The parts of a key over rows with all columns of the table.
    pub fn bind_row_key(&mut self, target: &Target, key: &UniqueKey) -> Result<Vec<Expr>> {
        let scope = Target::new(Arc::clone(&target.table), "").row_scope();
        key.parts.iter().map(|part| self.bind_over(part, &scope, "a key")).collect()
    }

    /// A plan with the parts of a key behind its own columns.
    fn with_key(
        &mut self,
        plan: LogicalPlan,
        relation: &Relation,
        key: &UniqueKey,
    ) -> Result<(LogicalPlan, Vec<Column>)> {
        let scope = Scope::of(relation.clone());
        let mut definitions: Vec<Definition> = plan.columns().into_iter().map(Definition::pass).collect();
        let mut columns = vec![];
        for part in &key.parts {
            let expr = self.bind_over(part, &scope, "a key")?;
            let column = self.ids.column("key", expr.ty());
            columns.push(column.clone());
            definitions.push(Definition { column, expr });
        }
        Ok((LogicalPlan::Project { input: Box::new(plan), definitions }, columns))
    }

    /// The rows that are in conflict with no row of the table.
    pub fn bind_free_rows(
        &mut self,
        target: &Target,
        rows: Arc<dyn Source>,
        keys: &[(UniqueKey, Option<Vec<u64>>)],
    ) -> Result<LogicalPlan> {
        let (mut plan, columns) = self.rows(rows);
        let relation = target.relation(columns.clone());
        for (key, found) in keys {
            let (left, left_keys) = self.with_key(plan, &relation, key)?;
            let (right, right_relation, id) = self.bind_target(target)?;
            let right = only_rows(right, &id, found.as_deref());
            let (right, right_keys) = self.with_key(right, &right_relation, key)?;
            plan = join(left, right, JoinType::Anti, &left_keys, &right_keys);
        }
        let definitions = columns.into_iter().map(Definition::pass).collect();
        Ok(LogicalPlan::Project { input: Box::new(plan), definitions })
    }

    /// Rows that are in conflict with nothing, as those of an INSERT.
    pub fn bind_insert_free(
        &mut self,
        target: &Target,
        rows: Arc<dyn Source>,
        returning: Option<&[SelectItem]>,
    ) -> Result<BoundModify> {
        let (plan, _) = self.rows(rows);
        self.inserted_rows(target, plan, returning)
    }

    /// Rows that are added, or change the row of the table that has their key. `found` are the rows of the table that
    /// may have one, if that is known.
    pub fn bind_upsert(
        &mut self,
        target: &Target,
        rows: Arc<dyn Source>,
        given: &[usize],
        (key, found): (&UniqueKey, Option<&[u64]>),
        action: &ConflictAction,
        returning: Option<&[SelectItem]>,
    ) -> Result<BoundModify> {
        let (left, new) = self.rows(rows);
        let excluded = Target::new(Arc::clone(&target.table), "");
        let mut excluded = excluded.relation(new.clone());
        let (left, left_keys) = self.with_key(left, &excluded, key)?;
        let (right, own, id) = self.bind_target(target)?;
        let right = only_rows(right, &id, found);
        let (right, right_keys) = self.with_key(right, &own, key)?;
        let plan = join(left, right, JoinType::Left, &left_keys, &right_keys);

        // A name alone means the row of the table.
        excluded.name = "excluded".into();
        excluded.schema = None;
        excluded.columns.iter_mut().for_each(|c| c.merged_away = true);
        let mut scope = Scope::of(own.clone());
        scope.join(Scope::of(excluded))?;
        let mut cx = ExprContext::new(&scope, None, "DO UPDATE");
        let (assigned, condition) = match action {
            ConflictAction::Update { assignments, condition } => {
                let assigned = self.bind_assignments(target, assignments, &mut cx)?;
                let condition = match condition {
                    Some(condition) => Some(self.bind_condition(condition, &mut cx)?),
                    None => None,
                };
                (assigned, condition)
            }
            _ => (given.iter().map(|&p| (p, new[p].expr())).collect::<Vec<_>>(), None),
        };
        let mut plan = attach_all(plan, cx.subqueries);
        let is_new = || Expr::IsNull { input: Box::new(id.expr()), negated: false };
        if let Some(condition) = condition {
            let predicates = vec![Expr::Or(vec![is_new(), condition])];
            plan = LogicalPlan::Filter { input: Box::new(plan), predicates };
        }
        let mut definitions = vec![];
        for (position, definition) in target.table.columns.iter().enumerate() {
            if definition.generated.is_some() {
                continue;
            }
            let ty = definition.ty.clone();
            let changed = match assigned.iter().find(|(p, _)| *p == position) {
                Some((_, expr)) => expr.clone(),
                None => own.columns[position].column.expr(),
            };
            let column = self.ids.column(&*definition.name, ty.clone());
            let branches = vec![(is_new(), new[position].expr())];
            let expr = Expr::Case { branches, otherwise: Some(Box::new(changed)), ty };
            definitions.push(Definition { column, expr });
        }
        definitions.push(Definition::pass(id.clone()));
        let changes = Changes::Any;
        let old = self.old_columns(target, &own, &changes, &mut definitions);
        let stored: Vec<Column> = definitions.iter().map(|d| d.column.clone()).collect();
        let plan = LogicalPlan::Project { input: Box::new(plan), definitions };
        let (plan, _) = self.add_generated(&target.table, plan, &stored, Rows::Written)?;
        let old = old_positions(&plan, &old)?;
        let keys =
            self.bind_key_checks(target, &changes, &|column| old_column(target, &old, column), None)?;
        let returning = self.bind_returning(target, returning, None)?;
        let spec = ModifySpec {
            name: "INSERT",
            row_ids: Some(position(&plan, &id)?),
            checks: self.bind_checks(target)?,
            added_keys: keys.added,
            removed_keys: keys.removed,
            ..ModifySpec::default()
        };
        Ok(BoundModify::new(plan, spec, true, returning, keys.checks))
    }
}
