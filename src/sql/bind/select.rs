//! SELECT: from its clauses to a plan.
//!
//! All clauses are bound over the rows of FROM, with aggregates collected as columns of their own. If there are
//! any, or GROUP BY, what stands above the groups is then rewritten: what equals a key becomes the key's column,
//! and a column that is left over is an error.

use std::borrow::Cow;

use sqlparser::ast::{Distinct, Expr as Syntax, GroupByExpr, Select, SelectFlavor, SelectItem};

use crate::exec::expr::{Expr, SortKey};
use crate::exec::functions::{collation, comparison_key, has_variant, variant_key};
use crate::sql::bind::aggregate::{Aggregates, Collector, Grouping, same_expr};
use crate::sql::bind::expr::{Aliases, ExprContext};
use crate::sql::bind::from::{Bound, storable};
use crate::sql::bind::gaps::Filled;
use crate::sql::bind::grouping::{KeyContext, Keys, keys_with_subqueries};
use crate::sql::bind::groups::all_keys;
use crate::sql::bind::order::{Order, OrderExpr, lead_with, order_by_all};
use crate::sql::bind::presence::counts_rows;
use crate::sql::bind::query::Tail;
use crate::sql::bind::scope::{Outer, check_width};
use crate::sql::bind::series_form::SeriesForm;
use crate::sql::bind::subquery::{BoundFilter, attach, filter};
use crate::sql::bind::unnest::{Unnests, unnest};
use crate::sql::bind::window::{WindowCollector, Windows};
use crate::sql::bind::{Binder, BoundQuery, coerce, every, star, types};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms;
use crate::sql::optimize::columns::{ColumnSet, Substitution, substitute, substitute_in_plan};
use crate::sql::plan::{Column, ColumnIds, Definition, LogicalPlan};

/// An item of the select list.
#[derive(Debug)]
pub struct Item<'q> {
    /// The name of its column.
    pub name: String,
    /// The name was given with AS: other clauses may use it.
    pub is_alias: bool,
    /// What it yields.
    pub source: ItemSource<'q>,
}

/// What an item of the select list yields.
#[derive(Debug)]
pub enum ItemSource<'q> {
    /// An expression, yet to be bound.
    Syntax(Cow<'q, Syntax>),
    /// A column that `*` stands for.
    Bound(Expr),
}

impl<'q> Item<'q> {
    /// An item with an expression.
    pub fn syntax(name: String, is_alias: bool, expr: Cow<'q, Syntax>) -> Self {
        Self { name, is_alias, source: ItemSource::Syntax(expr) }
    }
}

/// A column of the result.
pub(super) struct Output {
    pub name: String,
    /// The name was given with AS.
    pub is_alias: bool,
    pub expr: Expr,
}

impl Binder<'_> {
    pub(super) fn bind_select(
        &mut self,
        select: &Select,
        tail: Tail<'_>,
        outer: Option<&Outer<'_>>,
    ) -> Result<BoundQuery> {
        let around = (self.gap_filled.take(), self.counts_rows);
        self.counts_rows = counts_rows(select, &tail);
        let bound = self.bind_select_inner(select, tail, outer);
        (self.gap_filled, self.counts_rows) = around;
        bound
    }

    fn bind_select_inner(
        &mut self,
        select: &Select,
        tail: Tail<'_>,
        outer: Option<&Outer<'_>>,
    ) -> Result<BoundQuery> {
        let (qualify_syntax, sample) = forms::qualify_and_sample(select.qualify.as_ref());
        refuse_unsupported(select)?;
        if let [SelectItem::UnnamedExpr(only)] = &select.projection[..] {
            let bound = if let Some(pivot) = forms::pivot(only)
                && let Some(source) = pivot.source
            {
                Some(self.bind_pivot(&pivot, source, outer)?)
            } else if let Some(unpivot) = forms::unpivot(only)
                && let Some(source) = unpivot.source
            {
                Some(self.bind_unpivot(&unpivot, source, outer)?)
            } else {
                None
            };
            if let Some(bound) = bound {
                return self.finish_query(bound, tail, outer);
            }
        }
        let every = every::clause(select)?;
        let Bound { mut plan, scope } = self.bind_from(&select.from, outer)?;
        if let Some(sample) = sample {
            let sample = self.bind_sample(&sample)?;
            plan = LogicalPlan::Sample { input: Box::new(plan), sample };
        }
        let form = SeriesForm::of(select, &scope)?;
        let items = if select.flavor == SelectFlavor::FromFirstNoSelect {
            star::everything(&scope)
        } else {
            self.expand_items(form.projection.as_deref().unwrap_or(&select.projection), &scope, outer)?
        };
        if items.is_empty() {
            return Err(if select.projection.is_empty() {
                SqlError::parser("SELECT clause without selection list").at(select)
            } else {
                SqlError::binder("SELECT list is empty after resolving * expressions!").at(select)
            });
        }
        let all = Aliases { items: &items, visible: items.len(), first: false, keys: &[] };

        if let Some(condition) = &select.selection {
            let expanded = self.expand_condition(condition, &scope)?;
            let condition = expanded.as_ref().unwrap_or(condition);
            let mut cx = ExprContext::new(&scope, outer, "WHERE clause");
            cx.aliases = Some(all);
            plan = self.bind_filter(condition, &mut cx)?.apply(plan);
        }

        // Everything above the rows is bound first, so that all aggregates are known.
        let bucket = match &every {
            Some(every) => Some(self.bind_bucket(every, &scope)?),
            None => None,
        };
        let mut collector = Collector { bucket: bucket.clone(), ..Collector::default() };
        let mut cx = ExprContext::new(&scope, outer, "SELECT clause");
        cx.aggregates = Aggregates::Collected(&mut collector);
        let mut windows = WindowCollector::new(&select.named_window)?;
        cx.windows = Windows::Collected(&mut windows);
        cx.unnest = Unnests::Allowed;
        let mut outputs = self.bind_items(&items, &mut cx)?;
        let mut above = std::mem::take(&mut cx.subqueries);

        cx.unnest = Unnests::Forbidden;
        cx.aliases = Some(all);
        cx.clause = "QUALIFY clause";
        let mut qualify = match qualify_syntax {
            Some(condition) => self.bind_filter(condition, &mut cx)?,
            None => BoundFilter::default(),
        };

        cx.clause = "HAVING clause";
        let keys_with_subqueries = keys_with_subqueries(&select.group_by, &items, &outputs, &above);
        cx.aliases = Some(Aliases { keys: &keys_with_subqueries, ..all });
        cx.unnest = Unnests::Allowed;
        let collected = std::mem::replace(&mut cx.windows, Windows::Forbidden);
        let mut having = match &select.having {
            Some(condition) => Some(self.bind_filter(condition, &mut cx)?),
            None => None,
        };
        cx.windows = collected;
        cx.aliases = Some(all);

        cx.clause = "ORDER BY clause";
        cx.unnest = Unnests::Allowed;
        cx.aliases = Some(all);
        let mut order = match tail.order_by {
            Some(order_by) => self.bind_order(order_by, &outputs, &mut cx)?,
            None => vec![],
        };
        let mut distinct_on = match &select.distinct {
            Some(Distinct::On(exprs)) => {
                let mut keys = vec![];
                for expr in exprs {
                    self.refuse_literal_key(expr, "DISTINCT ON")?;
                    let columns = self.columns_of_call(expr, &scope)?;
                    for expr in columns.as_deref().unwrap_or(std::slice::from_ref(expr)) {
                        keys.push(self.bind_order_expr(expr, &outputs, &mut cx)?);
                    }
                }
                keys
            }
            _ => vec![],
        };
        above.append(&mut cx.subqueries);
        let spans = std::mem::take(&mut cx.spans);
        let mut unnests = std::mem::take(&mut cx.unnests);
        let mut unnested = vec![];
        if let (Some(condition), true) = (qualify_syntax, windows.is_empty()) {
            return Err(SqlError::binder(
                "at least one window function must appear in the SELECT column or QUALIFY clause",
            )
            .at(condition));
        }

        let mut below = vec![];
        let mut keys = match &select.group_by {
            GroupByExpr::Expressions(..) if form.by_all => {
                let keys = all_keys(&outputs, &collector, &windows, &mut above, &mut below);
                Keys { keys, sets: None, is_given: true }
            }
            GroupByExpr::All(_) => {
                let keys = all_keys(&outputs, &collector, &windows, &mut above, &mut below);
                let lists: ColumnSet = unnests.iter().map(|d| d.column.id).collect();
                if keys.iter().any(|k| !ColumnSet::of(&k.expr).is_disjoint(&lists)) {
                    return Err(SqlError::binder("Cannot group on an UNNEST or UNLIST clause").at(select));
                }
                Keys { keys, sets: None, is_given: true }
            }
            GroupByExpr::Expressions(exprs, modifiers) => {
                if !modifiers.is_empty() {
                    return Err(
                        SqlError::unsupported("GROUP BY with a modifier is not supported yet").at(select)
                    );
                }
                self.bind_keys(
                    form.group_by.as_deref().unwrap_or(exprs),
                    &mut KeyContext {
                        outputs: &outputs,
                        aliases: all,
                        scope: &scope,
                        outer,
                        collector: &collector,
                        below: &mut below,
                        unnests: &mut unnests,
                        unnested: &mut unnested,
                        above: &mut above,
                        windows: &windows.columns().collect(),
                    },
                )?
            }
        };
        // What is unnested below the groups is there for all clauses.
        let mut known = Substitution::new();
        unnests.retain(|list| match unnested.iter().find(|d: &&Definition| same_expr(&d.expr, &list.expr)) {
            Some(below) => {
                known.insert(list.column.id, below.column.expr());
                false
            }
            None => true,
        });
        let lists: ColumnSet = unnests.iter().map(|d| d.column.id).collect();
        for expr in having.iter_mut().flat_map(BoundFilter::exprs_mut) {
            substitute(expr, &known);
            if !ColumnSet::of(expr).is_disjoint(&lists) {
                return Err(SqlError::binder("UNNEST not supported here").at(select));
            }
        }
        outputs
            .iter_mut()
            .map(|o| &mut o.expr)
            .chain(order.iter_mut().filter_map(|o| o.expr.over_rows()))
            .chain(distinct_on.iter_mut().filter_map(OrderExpr::over_rows))
            .chain(windows.exprs_mut())
            .chain(qualify.exprs_mut())
            .for_each(|expr| substitute(expr, &known));
        let has_aggregates = having.is_some() || !collector.calls.is_empty();
        if !has_aggregates && !keys.is_given && !collector.groupings.is_empty() {
            return Err(SqlError::binder("GROUPING statement cannot be used without groups").at(select));
        }
        let is_raw = !has_aggregates
            && keys.sets.is_none()
            && (windows.series.any && !(every.is_some() && windows.series.any_but_choices)
                || form.rows_of_series && keys.is_given && every.is_none());
        let mut arrange_keys = every.is_some();
        if !is_raw
            && matches!(select.distinct, Some(Distinct::Distinct))
            && collector.calls.is_empty()
            && windows.is_empty()
            && scope.time_column().is_some()
            && (every.is_some() || keys.is_given && keys.sets.is_none() && !keys.have_all(&outputs))
        {
            // `SELECT distinct(v) … GROUP BY host`: the values of each group.
            arrange_keys = true;
            keys.add_outputs(&outputs);
        } else if let (Some(every), true, false) = (&every, collector.calls.is_empty(), is_raw) {
            let error = SqlError::binder("EVERY needs aggregates in the select list, such as avg(value)");
            return Err(error.at_span(every.span));
        }
        let mut silent = vec![];
        if is_raw {
            let mut series: Vec<Expr> = keys.keys.iter().map(|k| k.expr.clone()).collect();
            let time = scope.bucket_column().map_err(|e| e.at(select))?.unqualified();
            series.retain(|key| !same_expr(key, &time));
            let shown = keys.keys.iter().map(|k| (k.name.clone(), k.expr.clone()));
            let first = (scope.bucket_column().map_or("", |c| &c.column.name).to_owned(), time);
            let shown: Vec<_> = std::iter::once(first).chain(shown).collect();
            lead_with(&shown, &mut outputs, &mut order);
            silent = shown.iter().map(|(_, e)| e.clone()).collect();
            order_by_all(&tail, &outputs, &mut order);
            if tail.order_by.is_none() {
                order = series
                    .iter()
                    .chain(&silent[..1])
                    .map(|e| Order::ascending(OrderExpr::Expr(e.clone())))
                    .collect();
            }
            series.extend(bucket.as_ref().map(|b| b.start.clone()));
            windows.set_series(&series);
            plan = unnest(attach(plan, std::mem::take(&mut below)), std::mem::take(&mut unnested));
        } else if has_aggregates || keys.is_given || every.is_some() {
            below.append(&mut collector.subqueries);
            if keys.sets.is_some() && (windows.series.any || !collector.windows.is_empty()) {
                let message = "functions over series with grouping sets are not supported";
                return Err(SqlError::unsupported(message).at(select));
            }
            let series = keys.series(bucket.as_ref().map(|b| &b.time));
            collector.windows.set_series(&series.keys);
            windows.set_series(&series.keys);
            if let (true, None) = (windows.series.any, &bucket) {
                // The buckets are those of a key.
                let time = scope.bucket_column().map_err(|e| e.at(select))?.unqualified();
                let Some(key) = &series.time else {
                    let message = "a function over series of groups needs EVERY, or a time among the keys";
                    return Err(SqlError::binder(message).at(select));
                };
                windows.exprs_mut().for_each(|e| every::replace(e, &time, key));
            }
            let mut groups = self.make_groups(&keys, bucket.as_ref());
            let mut having = having.unwrap_or_default();
            let conditions = match &plan {
                LogicalPlan::Filter { predicates, .. } => predicates.clone(),
                _ => vec![],
            };
            let mut calls = std::mem::take(&mut collector.calls);
            let rows = unnest(attach(plan, below), std::mem::take(&mut unnested));
            let input = std::mem::take(&mut collector.windows).apply(rows);
            let mut definitions = std::mem::take(&mut groups.definitions);
            let of_sets = keys.sets.is_some();
            self.group_by_collation(&mut definitions, &mut groups.replacements, &mut calls, of_sets)?;
            let (mut grouped, set) = match groups.sets(&keys, bucket.is_some()) {
                None => {
                    let group_by = definitions.clone();
                    let aggregates = calls.clone();
                    (LogicalPlan::Aggregate { input: Box::new(input), group_by, aggregates }, None)
                }
                Some(sets) => {
                    let (plan, set) = self.group_by_sets(input, definitions.clone(), &sets, calls.clone());
                    (plan, Some(set))
                }
            };
            groups.definitions = definitions;
            let mut groupings = Substitution::new();
            for (column, args) in &collector.groupings {
                groupings.insert(column.id, self.grouping_value(args, &keys, set.as_ref())?);
            }
            // Subqueries see a key that is a bare column under its own id.
            let moved: Substitution = groups
                .replacements
                .iter()
                .filter_map(|d| match &d.expr {
                    Expr::Column { index, .. } if *index != d.column.id => Some((*index, d.column.expr())),
                    _ => None,
                })
                .collect();
            let subqueries = above.iter_mut().chain(having.subqueries_mut());
            for subquery in subqueries.chain(&mut windows.subqueries).chain(qualify.subqueries_mut()) {
                if !moved.is_empty() {
                    substitute_in_plan(&mut subquery.plan, &moved);
                }
                if !groupings.is_empty() {
                    substitute_in_plan(&mut subquery.plan, &groupings);
                }
            }
            for output in &mut outputs {
                // Of two equal keys it is the one with its name.
                let is_shown = |d: &&Definition| {
                    d.column.name.eq_ignore_ascii_case(&output.name) && same_expr(&d.expr, &output.expr)
                };
                if let Some(key) = groups.replacements.iter().find(is_shown) {
                    output.expr = key.column.expr();
                }
            }
            let exprs = outputs
                .iter_mut()
                .map(|o| &mut o.expr)
                .chain(order.iter_mut().filter_map(|o| o.expr.over_rows()))
                .chain(distinct_on.iter_mut().filter_map(OrderExpr::over_rows))
                .chain(above.iter_mut().flat_map(|s| &mut s.on))
                .chain(windows.exprs_mut())
                .chain(qualify.exprs_mut())
                .chain(unnests.iter_mut().map(|d| &mut d.expr))
                .chain(having.exprs_mut());
            let grouping = Grouping::new(&groups.replacements, &scope);
            for expr in exprs {
                grouping.rewrite(expr, &spans)?;
                substitute(expr, &groupings);
            }
            let subqueries = above.iter().chain(having.subqueries());
            for subquery in subqueries.chain(&windows.subqueries).chain(qualify.subqueries()) {
                grouping.check_subquery(subquery, &spans)?;
            }
            silent = groups.definitions.iter().map(|d| d.column.expr()).collect();
            if arrange_keys {
                let shown: Vec<_> = groups.names.iter().cloned().zip(silent.iter().cloned()).collect();
                lead_with(&shown, &mut outputs, &mut order);
                order_by_all(&tail, &outputs, &mut order);
                if tail.order_by.is_none() {
                    order = (0..shown.len()).map(|i| Order::ascending(OrderExpr::Output(i))).collect();
                }
            }
            let mut values: Vec<Column> = calls.into_iter().map(|(column, _)| column).collect();
            let composites = std::mem::take(&mut collector.composites);
            if !composites.is_empty() {
                values.extend(composites.iter().map(|d| d.column.clone()));
                let passed = grouped.columns().into_iter().map(Definition::pass);
                let definitions = passed.chain(composites).collect();
                grouped = LogicalPlan::Project { input: Box::new(grouped), definitions };
            }
            // Groups of two sets may have the same keys.
            let series: Vec<Definition> =
                groups.definitions.iter().cloned().chain(set.map(Definition::pass)).collect();
            if let (Some(every), Some(bucket)) = (&every, &bucket) {
                let filled = Filled { keys: &series, values: &values, conditions: &conditions };
                grouped = self.bind_fill(every, bucket, &filled, grouped)?;
            }
            let gap_filled = self.gap_filled.take();
            if gap_filled.is_some() && (every.is_some() || keys.sets.is_some()) {
                let message = "time_bucket_gapfill with EVERY or grouping sets is not supported";
                return Err(SqlError::unsupported(message).at(select));
            }
            let filled = Filled { keys: &groups.definitions, values: &values, conditions: &conditions };
            grouped = self.fill_key_gaps(gap_filled, &groups.replacements, &filled, grouped)?;
            plan = having.apply(grouped);
        }
        if self.gap_filled.is_some() {
            return Err(SqlError::binder("time_bucket_gapfill must be a key of GROUP BY").at(select));
        }
        let mut wanted: Vec<Expr> = windows.series.condition.take().into_iter().collect();
        if windows.series.any {
            let values = outputs.iter().map(|o| &o.expr).filter(|e| !silent.iter().any(|s| same_expr(s, e)));
            wanted.extend(windows.series.says_something(values));
        }
        plan = qualify.apply(windows.apply(plan));
        plan = filter(attach(plan, above), wanted);
        plan = unnest(plan, unnests);
        self.finish_select(select, plan, outputs, order, distinct_on, tail)
    }

    pub(super) fn bind_items<'c>(
        &mut self,
        items: &'c [Item<'c>],
        cx: &mut ExprContext<'c>,
    ) -> Result<Vec<Output>> {
        let mut outputs = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            let expr = match &item.source {
                ItemSource::Bound(expr) => expr.clone(),
                ItemSource::Syntax(syntax) => {
                    // An item sees the aliases to its left.
                    cx.aliases = Some(Aliases { items, visible: i, first: false, keys: &[] });
                    if let Some(columns) = self.bind_unnest_item(syntax, &item.name, item.is_alias, cx)? {
                        outputs.extend(columns);
                        continue;
                    }
                    self.bind_expr(syntax, cx)?
                }
            };
            outputs.push(Output { name: item.name.clone(), is_alias: item.is_alias, expr });
        }
        Ok(outputs)
    }

    fn finish_select(
        &mut self,
        select: &Select,
        plan: LogicalPlan,
        mut outputs: Vec<Output>,
        order: Vec<Order>,
        distinct_on: Vec<OrderExpr>,
        tail: Tail<'_>,
    ) -> Result<BoundQuery> {
        let distinct = matches!(select.distinct, Some(Distinct::Distinct));
        if distinct || !distinct_on.is_empty() {
            for output in &mut outputs {
                let ty = storable(&output.expr.ty());
                let taken = std::mem::replace(
                    &mut output.expr,
                    Expr::literal(crate::column::scalar::Scalar::Null, ty.clone()),
                );
                output.expr = coerce::cast(taken, &ty);
            }
        }
        check_width(outputs.len())?;
        for output in &outputs {
            // What is made of columns that nest deeply nests deeper.
            types::check_depth(&output.expr.ty())?;
        }
        let made = ColumnSet::yielded(&plan);
        let mut projection = Projection { made, used: ColumnSet::new(), definitions: vec![] };
        let mut columns = Vec::with_capacity(outputs.len());
        for output in &outputs {
            let expr = collation(&output.expr).map_or(&output.expr, |(text, _)| text);
            let column = projection.add(&mut self.ids, &output.name, expr.clone());
            if let Some(key) = self.collation_of(&output.expr) {
                self.note_collation(&column, key);
            }
            columns.push(column);
        }
        let width = columns.len();
        let mut place = |binder: &mut Self, key: OrderExpr| match key {
            OrderExpr::Output(i) => columns[i].expr(),
            OrderExpr::Expr(expr) => match outputs.iter().position(|o| same_expr(&o.expr, &expr)) {
                Some(i) => columns[i].expr(),
                // Its column would not know by which collation it compares.
                None => projection.add(&mut binder.ids, "order", comparison_key(expr)).expr(),
            },
        };
        let mut keys: Vec<SortKey> = vec![];
        for key in order {
            if matches!(&key.expr, OrderExpr::Expr(e) if super::expr::is_constant(e)) {
                continue;
            }
            let expr = place(self, key.expr);
            let key = self.sort_key(expr, &key.options)?;
            if !keys.iter().any(|k| same_expr(&k.expr, &key.expr)) {
                keys.push(key);
            }
        }
        let mut on: Vec<Expr> = distinct_on.into_iter().map(|key| variant_key(place(self, key))).collect();
        let mut distinct = distinct;
        if distinct && outputs.iter().any(|o| collation(&o.expr).is_some() || has_variant(&o.expr.ty())) {
            // Values that compare as one are one.
            let keys = outputs.iter().map(|o| OrderExpr::Expr(comparison_key(o.expr.clone())));
            on = keys.map(|key| place(self, key)).collect();
            distinct = false;
        }
        if distinct && projection.definitions.len() > width {
            // Of equal rows the first in the order counts.
            on = columns.iter().map(Column::expr).collect();
            distinct = false;
        }
        let definitions = projection.definitions;
        let mut plan = LogicalPlan::Project { input: Box::new(plan), definitions };
        if distinct {
            plan = LogicalPlan::Distinct { input: Box::new(plan), on: None };
        }
        if !on.is_empty() {
            // The order says which row of each is the first.
            if !keys.is_empty() {
                plan = LogicalPlan::Sort { input: Box::new(plan), keys: keys.clone() };
            }
            plan = LogicalPlan::Distinct { input: Box::new(plan), on: Some(on) };
        }
        Ok(BoundQuery { plan: tail.limit.apply(plan, keys, &mut self.ids), columns })
    }
}

/// The definitions of a projection. A bare column keeps its id if it can.
struct Projection {
    /// Columns that the input makes.
    made: ColumnSet,
    used: ColumnSet,
    definitions: Vec<Definition>,
}

impl Projection {
    fn add(&mut self, ids: &mut ColumnIds, name: &str, expr: Expr) -> Column {
        let ty = expr.ty();
        let column = match &expr {
            Expr::Column { index, .. } if self.made.contains(*index) && !self.used.contains(*index) => {
                self.used.insert(*index);
                Column { id: *index, name: name.to_owned(), ty }
            }
            _ => ids.column(name, ty),
        };
        self.definitions.push(Definition { column: column.clone(), expr });
        column
    }
}

fn refuse_unsupported(select: &Select) -> Result<()> {
    let what = if select.top.is_some() {
        "TOP (use LIMIT)"
    } else if select.into.is_some() {
        "SELECT INTO (use CREATE TABLE AS)"
    } else if !select.lateral_views.is_empty() {
        "LATERAL VIEW"
    } else if select.prewhere.is_some() {
        "PREWHERE"
    } else if !select.connect_by.is_empty() {
        "CONNECT BY"
    } else if !select.distribute_by.is_empty() || !select.sort_by.is_empty() {
        "DISTRIBUTE BY and SORT BY"
    } else {
        return Ok(());
    };
    Err(SqlError::unsupported(format!("{what} is not supported yet")).at(select))
}
