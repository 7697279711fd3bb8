//! MERGE INTO.
//!
//! The rows of the source and those of the table are joined, and the first WHEN that holds for a row becomes a
//! number. The new values of each column are then a CASE over these numbers.

use std::sync::Arc;

use sqlparser::ast::{Ident, SelectItem};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::sinks::ModifySpec;
use crate::sql::ast::{Merge, MergeAction, MergeClause, MergeCondition, MergeKind};
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::from::Bound;
use crate::sql::bind::modify::generated::Rows;
use crate::sql::bind::modify::insert::null;
use crate::sql::bind::modify::keys::Changes;
use crate::sql::bind::modify::target::{attach_all, is_default};
use crate::sql::bind::modify::update::{old_column, old_positions};
use crate::sql::bind::modify::{BoundModify, Target, position};
use crate::sql::bind::scope::{Found, Relation, Scope, ScopeColumn};
use crate::sql::bind::subquery::depends_on;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::{Column, Definition, JoinType, LogicalPlan};

const TWICE: &str = "MERGE INTO command cannot affect the same target row more than once. \
    A target row matched more than one source row; ensure the source rows are deduplicated or the ON condition is unique.";

/// A WHEN, bound: what it does to a row.
struct Action {
    /// `INSERT`, `UPDATE` or `DELETE`; none if it changes nothing.
    name: Option<&'static str>,
    /// The new values by the position of their columns; a row that is removed keeps its own.
    values: Vec<(usize, Expr)>,
    /// What to say if a row comes here.
    error: Option<Expr>,
}

/// Both sides of a merge.
struct Sides {
    own: Relation,
    source: Relation,
    row_id: Column,
    /// Is true where there is a row of the source.
    mark: Column,
}

impl Binder<'_> {
    pub(super) fn bind_merge(
        &mut self,
        target: &Target,
        merge: &Merge,
        returning: Option<&[SelectItem]>,
    ) -> Result<BoundModify> {
        let (plan, sides) = self.bind_sides(target, merge)?;
        let mut scope = Scope::of(sides.own.clone());
        scope.join(Scope::of(sides.source.clone()))?;
        if let MergeCondition::Using(names) = &merge.condition {
            // A name that both have in common means the row of the source, where there is one.
            merge_names(&mut scope, names);
        }
        let mut cx = ExprContext::new(&scope, None, "MERGE INTO");
        let number = self.ids.column("action", LogicalType::Integer);
        let (mut numbers, mut actions) = (vec![], vec![]);
        for (i, clause) in merge.clauses.iter().enumerate() {
            numbers.push((self.bind_when(clause, &sides, &mut cx)?, literal(i)));
            actions.push(self.bind_action(target, clause, &sides, &mut cx)?);
        }
        let plan = attach_all(plan, cx.subqueries);

        // The number of each row; rows of no WHEN, or of one that does nothing, are left out.
        let mut definitions: Vec<Definition> = plan.columns().into_iter().map(Definition::pass).collect();
        let expr = Expr::Case { branches: numbers, otherwise: None, ty: LogicalType::Integer };
        definitions.push(Definition { column: number.clone(), expr });
        let plan = LogicalPlan::Project { input: Box::new(plan), definitions };
        let is = |wanted: &dyn Fn(&Action) -> bool| one_of(&number, &actions, wanted);
        let predicates = vec![is(&|a| a.name.is_some() || a.error.is_some())];
        let plan = LogicalPlan::Filter { input: Box::new(plan), predicates };

        let mut definitions = vec![];
        for (position, definition) in target.table.columns.iter().enumerate() {
            if definition.generated.is_some() {
                continue;
            }
            let ty = definition.ty.clone();
            let column = self.ids.column(&*definition.name, ty.clone());
            let value = |action: &Action| {
                action.values.iter().find(|(p, _)| *p == position).map(|(_, expr)| expr.clone())
            };
            let branches: Vec<_> =
                (0..actions.len()).filter_map(|i| Some((equals(&number, i), value(&actions[i])?))).collect();
            let before = sides.own.columns[position].column.expr();
            let expr = Expr::Case { branches, otherwise: Some(Box::new(before)), ty };
            definitions.push(Definition { column, expr: simple(expr) });
        }
        let id = self.ids.column("rowid", sides.row_id.ty.clone());
        let changed = is(&|a| matches!(a.name, Some("UPDATE" | "DELETE")));
        let branches = vec![(changed, sides.row_id.expr())];
        let expr = Expr::Case { branches, otherwise: None, ty: id.ty.clone() };
        definitions.push(Definition { column: id.clone(), expr });
        let added = self.ids.column("added", LogicalType::Boolean);
        definitions.push(Definition {
            column: added.clone(),
            expr: is(&|a| matches!(a.name, Some("INSERT" | "UPDATE"))),
        });
        let name = self.ids.column("merge_action", LogicalType::Varchar);
        let branches =
            actions.iter().enumerate().filter_map(|(i, a)| Some((equals(&number, i), text(a.name?))));
        let expr = Expr::Case { branches: branches.collect(), otherwise: None, ty: LogicalType::Varchar };
        definitions.push(Definition { column: name.clone(), expr: simple(expr) });
        let error = self.ids.column("error", LogicalType::Varchar);
        let messages = actions.iter().enumerate();
        let messages: Vec<_> =
            messages.filter_map(|(i, a)| Some((equals(&number, i), a.error.clone()?))).collect();
        let has_errors = !messages.is_empty();
        if has_errors {
            let expr = Expr::Case { branches: messages, otherwise: None, ty: LogicalType::Varchar };
            definitions.push(Definition { column: error.clone(), expr });
        }
        let changes = Changes::Any;
        let old = self.old_columns(target, &sides.own, &changes, &mut definitions);

        let stored: Vec<Column> = definitions.iter().map(|d| d.column.clone()).collect();
        let plan = LogicalPlan::Project { input: Box::new(plan), definitions };
        let (plan, _) = self.add_generated(&target.table, plan, &stored, Rows::Written)?;
        let old = old_positions(&plan, &old)?;
        let stays = position(&plan, &added)?;
        let old = |column| old_column(target, &old, column);
        let keys = self.bind_key_checks(target, &changes, &old, Some(stays))?;
        let shown = Column { id: position(&plan, &name)?, ..name };
        let returning = self.bind_returning(target, returning, Some(shown))?;
        let spec = ModifySpec {
            name: "MERGE INTO",
            row_ids: Some(position(&plan, &id)?),
            added: Some(stays),
            error: if has_errors { Some(position(&plan, &error)?) } else { None },
            checks: self.bind_checks(target)?,
            added_keys: keys.added,
            removed_keys: keys.removed,
            twice: Some(TWICE),
            ..ModifySpec::default()
        };
        Ok(BoundModify::new(plan, spec, true, returning, keys.checks))
    }

    /// The join of the source with the table.
    fn bind_sides(&mut self, target: &Target, merge: &Merge) -> Result<(LogicalPlan, Sides)> {
        let (own_plan, own, row_id) = self.bind_target(target)?;
        let Bound { plan, scope } = self.bind_factor(&merge.source, None, None)?;
        let mut source = Relation::new("", vec![]);
        if let [only] = &scope.relations[..] {
            source.clone_from(only);
        } else {
            source.columns = scope.star().cloned().collect();
        }
        // Whether there is a row of the source: a constant that a join without partner makes NULL.
        let mark = self.ids.column("row of the source", LogicalType::Boolean);
        let mut definitions: Vec<Definition> = plan.columns().into_iter().map(Definition::pass).collect();
        let expr = Expr::literal(Scalar::Boolean(true), LogicalType::Boolean);
        definitions.push(Definition { column: mark.clone(), expr });
        let plan = LogicalPlan::Project { input: Box::new(plan), definitions };

        let has = |kind| merge.clauses.iter().any(|c| c.kind == kind);
        let kind = match (has(MergeKind::NotMatchedByTarget), has(MergeKind::NotMatchedBySource)) {
            (false, false) => JoinType::Inner,
            (true, false) => JoinType::Left,
            (false, true) => JoinType::Right,
            (true, true) => JoinType::Full,
        };
        debug_assert!(!depends_on(&plan, &own_plan));
        let plan = match &merge.condition {
            MergeCondition::On(condition) => {
                // The mark goes with the columns of the source.
                let mut marked = source.clone();
                marked.columns.push(ScopeColumn { merged_away: true, ..ScopeColumn::new(mark.clone()) });
                let left = Bound { plan, scope: Scope::of(marked) };
                let right = Bound { plan: own_plan, scope: Scope::of(own.clone()) };
                self.join_on(left, right, kind, condition, None)?.plan
            }
            MergeCondition::Using(names) => {
                let on =
                    names.iter().map(|name| equal_columns(&own, &source, name)).collect::<Result<_>>()?;
                let (left, right) = (Box::new(plan), Box::new(own_plan));
                LogicalPlan::Join { left, right, kind, on, dependent: false }
            }
        };
        Ok((plan, Sides { own, source, row_id, mark }))
    }

    /// The condition of a WHEN.
    fn bind_when(&mut self, clause: &MergeClause, sides: &Sides, cx: &mut ExprContext<'_>) -> Result<Expr> {
        let is_there =
            |column: &Column, there: bool| Expr::IsNull { input: Box::new(column.expr()), negated: there };
        let (own, other) = match clause.kind {
            MergeKind::Matched => (true, true),
            MergeKind::NotMatchedByTarget => (false, true),
            MergeKind::NotMatchedBySource => (true, false),
        };
        let mut all = vec![is_there(&sides.row_id, own), is_there(&sides.mark, other)];
        if let Some(condition) = &clause.condition {
            all.push(self.bind_condition(condition, cx)?);
        }
        Ok(Expr::And(all))
    }

    fn bind_action(
        &mut self,
        target: &Target,
        clause: &MergeClause,
        sides: &Sides,
        cx: &mut ExprContext<'_>,
    ) -> Result<Action> {
        let change = |name, values| Ok(Action { name: Some(name), values, error: None });
        match &clause.action {
            MergeAction::Nothing => Ok(Action { name: None, values: vec![], error: None }),
            MergeAction::Delete => change("DELETE", vec![]),
            MergeAction::Error(message) => {
                let prefix = format!("Merge error condition {}", clause.kind.words());
                let error = match message {
                    None => text(&prefix),
                    Some(message) => {
                        let message = self.bind_expr(message, cx)?;
                        let message = coerce::explicit(message, &LogicalType::Varchar, false)?;
                        let message = Expr::Coalesce(vec![message, text("NULL")]);
                        self.call("||", vec![text(&format!("{prefix}: ")), message])?
                    }
                };
                Ok(Action { name: None, values: vec![], error: Some(error) })
            }
            MergeAction::Update(assignments) => {
                change("UPDATE", self.bind_assignments(target, assignments, cx)?)
            }
            MergeAction::UpdateAll { by_name } => {
                let columns = source_columns(sides);
                let given = if *by_name {
                    let names = columns.iter().map(|c| Ident::new(c.name.clone()));
                    names.map(|name| target.assigned(&name)).collect::<Result<Vec<_>>>()
                } else {
                    let given = target.inserted(&[])?;
                    if given.len() == columns.len() {
                        Ok(given)
                    } else {
                        Err(SqlError::binder(format!(
                            "Data provided for UPDATE did not match column count in table - expected {} columns but got {}",
                            given.len(),
                            columns.len()
                        )))
                    }
                };
                let given = given.map_err(|e| e.at_span(clause.span))?;
                change("UPDATE", assign_columns(target, &given, &columns)?)
            }
            MergeAction::InsertAll { by_name, columns: names } => {
                let columns = source_columns(sides);
                let given = if *by_name {
                    let names: Vec<Ident> = columns.iter().map(|c| Ident::new(c.name.clone())).collect();
                    target.inserted(&names).map_err(|e| e.at_span(clause.span))?
                } else {
                    target.inserted(names)?
                };
                check_width(target, names, given.len(), columns.len()).map_err(|e| e.at_span(clause.span))?;
                given.iter().try_for_each(|position| target.check_inserted(*position))?;
                let values = assign_columns(target, &given, &columns)?;
                change("INSERT", self.fill_values(target, values)?)
            }
            MergeAction::Insert { columns, values } => {
                let given = target.inserted(columns)?;
                let mut bound = vec![];
                // There is no row of the table: names mean columns of the source.
                let scope = Scope::of(sides.source.clone());
                let mut inner = ExprContext::new(&scope, None, "MERGE INTO");
                if let Some(values) = values {
                    check_width(target, columns, given.len(), values.len())
                        .map_err(|e| e.at_span(clause.span))?;
                    for (&position, value) in given.iter().zip(values) {
                        if !is_default(value) {
                            target.check_inserted(position).map_err(|e| e.at(value))?;
                        }
                        bound.push((position, self.bind_assigned(target, position, value, &mut inner)?));
                    }
                }
                cx.subqueries.append(&mut inner.subqueries);
                change("INSERT", self.fill_values(target, bound)?)
            }
        }
    }

    /// Values for all columns that are stored: defaults where none is given.
    fn fill_values(&mut self, target: &Target, mut values: Vec<(usize, Expr)>) -> Result<Vec<(usize, Expr)>> {
        for position in target.inserted(&[])? {
            if !values.iter().any(|(p, _)| *p == position) {
                values.push((position, self.bind_default(target, position)?));
            }
        }
        Ok(values)
    }
}

/// The columns of the source that its `*` stands for.
fn source_columns(sides: &Sides) -> Vec<Column> {
    sides.source.columns.iter().map(|c| c.column.clone()).collect()
}

fn assign_columns(target: &Target, given: &[usize], columns: &[Column]) -> Result<Vec<(usize, Expr)>> {
    let assign = |(&position, column): (&usize, &Column)| {
        Ok((position, coerce::assign(column.expr(), &target.table.columns[position].ty)?))
    };
    given.iter().zip(columns).map(assign).collect()
}

fn check_width(target: &Target, names: &[Ident], wanted: usize, found: usize) -> Result<()> {
    if wanted == found {
        return Ok(());
    }
    let table = &target.table.name;
    Err(SqlError::binder(if names.is_empty() {
        format!("table \"{table}\" has {wanted} columns but {found} values were supplied")
    } else {
        format!(
            "Column name/value mismatch for insert on \"{table}\": expected {wanted} columns but {found} values were supplied"
        )
    }))
}

/// `own.name = source.name`.
fn equal_columns(own: &Relation, source: &Relation, name: &Ident) -> Result<Expr> {
    let side = |relation: &Relation, side: &str| {
        relation.column(&name.value).map(|c| c.column.expr()).ok_or_else(|| {
            SqlError::binder(format!("Column \"{}\" does not exist on {side} side of join!", name.value))
                .at_span(name.span)
        })
    };
    coerce::compare(CompareOp::Eq, side(own, "left")?, side(source, "right")?)
        .map_err(|e| e.at_span(name.span))
}

/// Names of USING mean the value of whichever side has a row.
fn merge_names(scope: &mut Scope, names: &[Ident]) {
    for name in names {
        let found: Vec<Expr> =
            scope.relations.iter().filter_map(|r| r.column(&name.value)).map(|c| c.column.expr()).collect();
        let Ok((both, _)) = coerce::unify(found, "USING") else { continue };
        let merged = Expr::Coalesce(both);
        for (i, relation) in scope.relations.iter_mut().enumerate() {
            for column in &mut relation.columns {
                if column.column.name.eq_ignore_ascii_case(&name.value) {
                    column.merged = (i == 0).then(|| merged.clone());
                    column.merged_away = i > 0;
                }
            }
        }
        debug_assert!(matches!(scope.find(&name.value), Found::One(_)));
    }
}

fn literal(number: usize) -> Expr {
    Expr::literal(Scalar::Int(number as i128), LogicalType::Integer)
}

fn text(value: &str) -> Expr {
    Expr::literal(Scalar::Text(Arc::from(value)), LogicalType::Varchar)
}

fn equals(number: &Column, wanted: usize) -> Expr {
    Expr::Compare { op: CompareOp::Eq, left: Box::new(number.expr()), right: Box::new(literal(wanted)) }
}

/// Whether the number is that of an action of some kind.
fn one_of(number: &Column, actions: &[Action], wanted: &dyn Fn(&Action) -> bool) -> Expr {
    let list: Vec<Scalar> =
        (0..actions.len()).filter(|&i| wanted(&actions[i])).map(|i| Scalar::Int(i as i128)).collect();
    if list.is_empty() {
        return Expr::literal(Scalar::Boolean(false), LogicalType::Boolean);
    }
    Expr::InList { input: Box::new(number.expr()), list: list.into(), negated: false }
}

/// A CASE without branches is its ELSE.
fn simple(expr: Expr) -> Expr {
    match expr {
        Expr::Case { branches, otherwise, ty } if branches.is_empty() => {
            otherwise.map_or_else(|| null(&ty), |e| *e)
        }
        expr => expr,
    }
}
