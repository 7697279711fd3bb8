//! Which columns an expression or a plan uses, yields or lacks; renaming them.

use std::collections::HashMap;

use crate::exec::expr::Expr;
use crate::sql::plan::{Column, ColumnId, ColumnIds, JoinType, LogicalPlan};

/// A set of column ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnSet {
    words: Vec<u64>,
}

impl ColumnSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The columns that an expression uses.
    pub fn of(expr: &Expr) -> Self {
        let mut out = Self::new();
        out.add_expr(expr);
        out
    }

    /// The columns that a plan yields.
    pub fn yielded(plan: &LogicalPlan) -> Self {
        let mut out = Self::new();
        add_yielded(plan, &mut out);
        out
    }

    /// The columns that a plan uses but does not make: those of the queries around it.
    pub fn free(plan: &LogicalPlan) -> Self {
        // Ids are unique in the query, so the free ones are those used and made nowhere in the plan.
        fn collect(plan: &LogicalPlan, used: &mut ColumnSet, made: &mut ColumnSet) {
            used.add_exprs(plan.exprs());
            add_made(plan, made);
            plan.inputs().into_iter().for_each(|p| collect(p, used, made));
        }
        let (mut used, mut made) = (Self::new(), Self::new());
        collect(plan, &mut used, &mut made);
        used.remove_all(&made);
        used
    }

    /// Adds one column.
    pub fn insert(&mut self, id: ColumnId) {
        let word = id / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (id % 64);
    }

    /// Adds the columns that an expression uses.
    pub fn add_expr(&mut self, expr: &Expr) {
        if let Expr::Column { index, .. } = expr {
            self.insert(*index);
        }
        for child in expr.children() {
            self.add_expr(child);
        }
    }

    /// Adds the columns that expressions use.
    pub fn add_exprs<'a>(&mut self, exprs: impl IntoIterator<Item = &'a Expr>) {
        for e in exprs {
            self.add_expr(e);
        }
    }

    /// Adds all of another set.
    pub fn add_all(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }

    /// Removes all of another set.
    pub fn remove_all(&mut self, other: &Self) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= !b;
        }
    }

    /// Whether the column is in the set.
    pub fn contains(&self, id: ColumnId) -> bool {
        self.words.get(id / 64).is_some_and(|w| w >> (id % 64) & 1 == 1)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// Whether all of this is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.words.iter().enumerate().all(|(i, w)| w & !other.words.get(i).copied().unwrap_or(0) == 0)
    }

    /// Whether nothing of this is in `other`.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).all(|(a, b)| a & b == 0)
    }

    /// The columns in both.
    pub fn intersection(&self, other: &Self) -> Self {
        Self { words: self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect() }
    }

    /// The columns, ascending.
    pub fn iter(&self) -> impl Iterator<Item = ColumnId> {
        self.words
            .iter()
            .enumerate()
            .flat_map(|(i, w)| (0..64).filter(move |bit| w >> bit & 1 == 1).map(move |bit| i * 64 + bit))
    }
}

impl FromIterator<ColumnId> for ColumnSet {
    fn from_iter<T: IntoIterator<Item = ColumnId>>(ids: T) -> Self {
        let mut out = Self::new();
        ids.into_iter().for_each(|id| out.insert(id));
        out
    }
}

impl Extend<ColumnId> for ColumnSet {
    fn extend<T: IntoIterator<Item = ColumnId>>(&mut self, ids: T) {
        ids.into_iter().for_each(|id| self.insert(id));
    }
}

/// Adds the columns that a plan yields, without the clones of [`LogicalPlan::columns`].
fn add_yielded(plan: &LogicalPlan, out: &mut ColumnSet) {
    match plan {
        LogicalPlan::Filter { input, .. }
        | LogicalPlan::GapFill { input, .. }
        | LogicalPlan::Distinct { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::OrElse { input, .. }
        | LogicalPlan::LimitBy { input, .. }
        | LogicalPlan::Sample { input, .. }
        | LogicalPlan::With { body: input, .. } => add_yielded(input, out),
        LogicalPlan::Unnest { input, .. } | LogicalPlan::Expand { input, .. } => {
            add_yielded(input, out);
            add_made(plan, out);
        }
        LogicalPlan::Join { left, right, kind, .. } => {
            add_yielded(left, out);
            match kind {
                JoinType::Semi | JoinType::Anti => {}
                JoinType::Mark(mark) => out.insert(mark.id),
                _ => add_yielded(right, out),
            }
        }
        LogicalPlan::Project { definitions, .. } => out.extend(definitions.iter().map(|d| d.column.id)),
        LogicalPlan::Aggregate { group_by, aggregates, .. } => {
            out.extend(group_by.iter().map(|d| d.column.id));
            out.extend(aggregates.iter().map(|(c, _)| c.id));
        }
        LogicalPlan::Window { input, calls, .. } => {
            add_yielded(input, out);
            out.extend(calls.iter().map(|(c, _)| c.id));
        }
        LogicalPlan::AsOfJoin { left, right, kind, .. } => {
            add_yielded(left, out);
            if !matches!(kind, JoinType::Semi | JoinType::Anti) {
                add_yielded(right, out);
            }
        }
        LogicalPlan::PositionalJoin { left, right } => {
            add_yielded(left, out);
            add_yielded(right, out);
        }
        makes_all => add_made(makes_all, out),
    }
}

/// Adds the columns that the operator itself makes (or passes on by name).
fn add_made(plan: &LogicalPlan, out: &mut ColumnSet) {
    match plan {
        LogicalPlan::TableGet { columns, .. }
        | LogicalPlan::SourceGet { columns, .. }
        | LogicalPlan::Values { columns, .. }
        | LogicalPlan::Union { columns, .. }
        | LogicalPlan::CteScan { columns, .. }
        | LogicalPlan::Recursive { columns, .. } => out.extend(columns.iter().map(|c| c.id)),
        LogicalPlan::Unnest { lists, ordinality, .. } => {
            out.extend(lists.iter().map(|d| &d.column).chain(ordinality).map(|c| c.id));
        }
        LogicalPlan::Expand { keys, set, .. } => {
            out.extend(keys.iter().map(|d| &d.column).chain([set]).map(|c| c.id));
        }
        // A passed column is made below, or is free: passing an outer column on does not make it.
        LogicalPlan::Project { definitions, .. } => {
            out.extend(definitions.iter().filter(|d| !d.is_pass()).map(|d| d.column.id));
        }
        LogicalPlan::Aggregate { group_by, aggregates, .. } => {
            out.extend(group_by.iter().filter(|d| !d.is_pass()).map(|d| d.column.id));
            out.extend(aggregates.iter().map(|(c, _)| c.id));
        }
        LogicalPlan::Window { calls, .. } => out.extend(calls.iter().map(|(c, _)| c.id)),
        LogicalPlan::Join { kind: JoinType::Mark(mark), .. } => out.insert(mark.id),
        LogicalPlan::Write { count, .. } => out.insert(count.id),
        LogicalPlan::Filter { .. }
        | LogicalPlan::GapFill { .. }
        | LogicalPlan::Distinct { .. }
        | LogicalPlan::Sort { .. }
        | LogicalPlan::Limit { .. }
        | LogicalPlan::OrElse { .. }
        | LogicalPlan::LimitBy { .. }
        | LogicalPlan::Sample { .. }
        | LogicalPlan::With { .. }
        | LogicalPlan::Join { .. }
        | LogicalPlan::AsOfJoin { .. }
        | LogicalPlan::PositionalJoin { .. } => {}
    }
}

/// What to put in place of some columns.
pub type Substitution = HashMap<ColumnId, Expr>;

/// New columns for old ids.
pub type Renaming = HashMap<ColumnId, Column>;

/// Puts other expressions in place of columns.
pub fn substitute(expr: &mut Expr, map: &Substitution) {
    if let Expr::Column { index, .. } = expr {
        if let Some(with) = map.get(index) {
            *expr = with.clone();
        }
        return;
    }
    for child in expr.children_mut() {
        substitute(child, map);
    }
}

/// Puts other expressions in place of columns in all operators of a plan.
pub fn substitute_in_plan(plan: &mut LogicalPlan, map: &Substitution) {
    plan.exprs_mut().into_iter().for_each(|e| substitute(e, map));
    plan.inputs_mut().into_iter().for_each(|p| substitute_in_plan(p, map));
}

/// A copy of a plan in which every column that it makes has a new id, and the map from old to new ones.
pub fn copy_with_fresh_ids(
    plan: &LogicalPlan,
    ids: &mut ColumnIds,
) -> (LogicalPlan, HashMap<ColumnId, Column>) {
    let mut copy = plan.clone();
    let mut renamed = HashMap::new();
    rename_made(&mut copy, ids, &mut renamed);
    let map: Substitution = renamed.iter().map(|(old, new)| (*old, new.expr())).collect();
    substitute_in_plan(&mut copy, &map);
    (copy, renamed)
}

/// Gives every column made in the plan a new id; uses of them are left for `substitute_in_plan`.
fn rename_made(plan: &mut LogicalPlan, ids: &mut ColumnIds, renamed: &mut Renaming) {
    // Inputs first, so that a passed-on column gets the id of the column below.
    plan.inputs_mut().into_iter().for_each(|p| rename_made(p, ids, renamed));
    // A passed-on column that was not made below is one of the outer query, and stays.
    let passed: ColumnSet = match plan {
        LogicalPlan::Project { definitions, .. } | LogicalPlan::Aggregate { group_by: definitions, .. } => {
            definitions.iter().filter(|d| d.is_pass()).map(|d| d.column.id).collect()
        }
        _ => ColumnSet::new(),
    };
    for column in plan.made_columns_mut() {
        if renamed.contains_key(&column.id) || !passed.contains(column.id) {
            rename(column, ids, renamed);
        }
    }
}

fn rename(column: &mut Column, ids: &mut ColumnIds, renamed: &mut Renaming) {
    let old = column.id;
    if let Some(new) = renamed.get(&old) {
        column.id = new.id;
    } else {
        column.id = ids.fresh();
        renamed.insert(old, column.clone());
    }
}

/// Renames columns of a plan, where they are made and where they are used.
pub fn rename_in_plan(plan: &mut LogicalPlan, renamed: &Renaming) {
    if renamed.is_empty() {
        return;
    }
    let map: Substitution = renamed.iter().map(|(old, new)| (*old, new.expr())).collect();
    substitute_in_plan(plan, &map);
    fn rename_all(plan: &mut LogicalPlan, renamed: &Renaming) {
        plan.inputs_mut().into_iter().for_each(|p| rename_all(p, renamed));
        for column in plan.made_columns_mut() {
            if let Some(new) = renamed.get(&column.id) {
                column.id = new.id;
            }
        }
    }
    rename_all(plan, renamed);
}
