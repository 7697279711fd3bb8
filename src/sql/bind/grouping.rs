//! GROUP BY: keys, grouping sets, GROUPING.

use sqlparser::ast::{Expr as Syntax, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{AggregateCall, CompareOp, Expr};
use crate::sql::bind::Binder;
use crate::sql::bind::aggregate::{Collector, same_expr};
use crate::sql::bind::expr::{Aliases, ExprContext, is_constant};
use crate::sql::bind::name::{column_name, function_name};
use crate::sql::bind::query::ordinal;
use crate::sql::bind::scope::{Outer, Scope, is_instant};
use crate::sql::bind::select::{Item, ItemSource, Output};
use crate::sql::bind::subquery::{PendingSubquery, made_by, needed, take_needed};
use crate::sql::bind::unnest::Unnests;
use crate::sql::error::{Result, SqlError};
use crate::sql::optimize::columns::{ColumnSet, Substitution, substitute};
use crate::sql::plan::{Column, Definition, LogicalPlan};
use crate::sql::unnest::empty_value;

/// Grouping sets of one query.
const SETS_MAX: usize = 65_535;

/// A key of GROUP BY: its expression over the rows, and the name it has in messages and headers.
pub(super) struct Key {
    pub name: String,
    pub expr: Expr,
}

/// What GROUP BY says.
#[derive(Default)]
pub(super) struct Keys {
    pub keys: Vec<Key>,
    /// Which keys each grouping set has; none where all keys group.
    pub sets: Option<Vec<Vec<usize>>>,
    /// There is a GROUP BY, if only by nothing.
    pub is_given: bool,
}

/// Keys that tell series apart.
pub(super) struct SeriesKeys {
    pub keys: Vec<Expr>,
    /// The one that is a time, if there is one and it is none of EVERY.
    pub time: Option<Expr>,
}

impl Key {
    /// Whether an expression called `name` is this key. One column may be several keys, each under a name of its own.
    fn is(&self, name: &str, expr: &Expr) -> bool {
        self.name.eq_ignore_ascii_case(name) && same_expr(&self.expr, expr)
    }
}

impl Keys {
    /// Whether all that is selected is a key or constant.
    pub fn have_all(&self, outputs: &[Output]) -> bool {
        let is_key = |o: &Output| self.keys.iter().any(|k| same_expr(&k.expr, &o.expr));
        outputs.iter().all(|o| is_key(o) || is_constant(&o.expr))
    }

    /// Makes a key of all that is selected.
    pub fn add_outputs(&mut self, outputs: &[Output]) {
        for output in outputs {
            if !self.keys.iter().any(|k| same_expr(&k.expr, &output.expr)) {
                self.keys.push(Key { name: output.name.clone(), expr: output.expr.clone() });
            }
        }
        self.is_given = true;
    }

    /// The keys of series: all but a time.
    pub fn series(&self, bucketed: Option<&Expr>) -> SeriesKeys {
        let keys = self.keys.iter().map(|k| k.expr.clone());
        let (mut times, keys): (Vec<Expr>, Vec<Expr>) = match bucketed {
            Some(time) => keys.partition(|k| same_expr(k, time)),
            None => keys.partition(|k| is_instant(&k.ty())),
        };
        let time = if times.len() == 1 { times.pop() } else { None };
        SeriesKeys { keys, time: time.filter(|_| bucketed.is_none()) }
    }
}

/// The items with subqueries whose names, or places, GROUP BY gives as keys.
pub(super) fn keys_with_subqueries(
    group_by: &GroupByExpr,
    items: &[Item<'_>],
    outputs: &[Output],
    subqueries: &[PendingSubquery],
) -> Vec<(usize, Expr)> {
    // What is unnested is of more columns than items.
    if subqueries.is_empty() || items.len() != outputs.len() {
        return vec![];
    }
    let made = made_by(subqueries);
    let is_key = |i: usize, item: &Item<'_>| match group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, _) => keys.iter().any(|key| match key {
            Syntax::Identifier(name) => item.is_alias && item.name.eq_ignore_ascii_case(&name.value),
            other => matches!(ordinal(other, items.len(), "GROUP BY"), Ok(Some(at)) if at == i),
        }),
    };
    let of_item = |(i, (item, output)): (usize, (&Item<'_>, &Output))| {
        let has_subquery = !ColumnSet::of(&output.expr).is_disjoint(&made);
        (has_subquery && is_key(i, item)).then(|| (i, output.expr.clone()))
    };
    items.iter().zip(outputs).enumerate().filter_map(of_item).collect()
}

/// What is needed to bind the keys.
pub(super) struct KeyContext<'a> {
    pub outputs: &'a [Output],
    pub aliases: Aliases<'a>,
    pub scope: &'a Scope,
    pub outer: Option<&'a Outer<'a>>,
    pub collector: &'a Collector,
    /// Subqueries in keys.
    pub below: &'a mut Vec<PendingSubquery>,
    /// Lists that the select list unnests. One that a key needs moves to `unnested`.
    pub unnests: &'a mut Vec<Definition>,
    /// Lists that are unnested before there are groups.
    pub unnested: &'a mut Vec<Definition>,
    /// Subqueries of the select list, which are asked above the groups. Those of a key move to `below`.
    pub above: &'a mut Vec<PendingSubquery>,
    /// Columns of window functions.
    pub windows: &'a ColumnSet,
}

impl KeyContext<'_> {
    /// Moves lists of the select list to those that are unnested below the groups; of equal ones one.
    fn take_unnests(&mut self, wanted: impl Fn(&Definition) -> bool) -> Result<()> {
        let is_taken =
            |taken: &[Definition], d: &Definition| taken.iter().any(|t| same_expr(&t.expr, &d.expr));
        while let Some(at) = self.unnests.iter().position(|d| wanted(d) && !is_taken(self.unnested, d)) {
            let list = self.unnests.remove(at);
            let used = ColumnSet::of(&list.expr);
            let is_grouped = |id| self.collector.calls.iter().any(|(column, _)| column.id == id);
            let above = made_by(self.above);
            if !used.is_disjoint(&above) || !used.is_disjoint(self.windows) || used.iter().any(is_grouped) {
                return Err(SqlError::binder("Cannot group on an UNNEST or UNLIST clause of such a list"));
            }
            self.unnested.push(list);
        }
        Ok(())
    }

    /// The key that an item of the select list is.
    fn key_of_item(&mut self, i: usize) -> Result<Key> {
        let output = &self.outputs[i];
        let needs = needed(&output.expr, self.above);
        if self.collector.calls.iter().any(|(c, _)| needs.contains(c.id)) {
            return Err(SqlError::binder("GROUP BY clause cannot contain aggregates!"));
        }
        if !needs.is_disjoint(self.windows) {
            return Err(SqlError::binder("GROUP BY clause cannot contain window functions!"));
        }
        let used = ColumnSet::of(&output.expr);
        self.take_unnests(|d| used.contains(d.column.id))?;
        self.below.extend(take_needed(&output.expr, self.above));
        Ok(Key { name: output.name.clone(), expr: output.expr.clone() })
    }

    /// The item of the select list that a key with a subquery is: the one of that name, or the same expression.
    fn item_of(&self, key: &Syntax) -> Option<usize> {
        let items = &self.aliases.items[..self.aliases.visible];
        if items.len() != self.outputs.len() {
            // The fields of a struct are several columns.
            return None;
        }
        match key {
            Syntax::Identifier(name) => {
                items.iter().rposition(|i| i.is_alias && i.name.eq_ignore_ascii_case(&name.value))
            }
            key => items.iter().position(
                |i| matches!(&i.source, ItemSource::Syntax(item) if without_parentheses(item) == without_parentheses(key)),
            ),
        }
    }
}

/// What stands in the parentheses around an expression.
fn without_parentheses(mut expr: &Syntax) -> &Syntax {
    while let Syntax::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

impl Binder<'_> {
    pub(super) fn bind_keys(&mut self, exprs: &[Syntax], cx: &mut KeyContext<'_>) -> Result<Keys> {
        let mut out = Keys { is_given: !exprs.is_empty(), ..Keys::default() };
        let mut sets: Vec<Vec<usize>> = vec![vec![]];
        for expr in exprs {
            let own = self.grouping_sets(expr, &mut out.keys, cx)?;
            if sets.len().saturating_mul(own.len()) > SETS_MAX {
                return Err(
                    SqlError::parser(format!("Maximum grouping set count of {SETS_MAX} exceeded")).at(expr)
                );
            }
            sets = sets.iter().flat_map(|a| own.iter().map(move |b| union(a, b))).collect();
        }
        let plain = matches!(&sets[..], [only] if only.len() == out.keys.len());
        if !plain {
            out.sets = Some(sets);
        }
        Ok(out)
    }

    /// The grouping sets that one item of GROUP BY stands for.
    fn grouping_sets(
        &mut self,
        expr: &Syntax,
        keys: &mut Vec<Key>,
        cx: &mut KeyContext<'_>,
    ) -> Result<Vec<Vec<usize>>> {
        match expr {
            Syntax::Nested(inner) => self.grouping_sets(inner, keys, cx),
            Syntax::Tuple(parts) => Ok(vec![self.bind_key_list(parts, keys, cx)?]),
            Syntax::GroupingSets(sets) => {
                let mut out = vec![];
                for set in sets {
                    match &set[..] {
                        [one] => out.extend(self.grouping_sets(one, keys, cx)?),
                        set => out.push(self.bind_key_list(set, keys, cx)?),
                    }
                }
                Ok(out)
            }
            Syntax::Function(f) if matches!(&*function_name(&f.name), "rollup" | "cube") => {
                let FunctionArguments::List(list) = &f.args else {
                    return Ok(vec![self.bind_key_list(std::slice::from_ref(expr), keys, cx)?]);
                };
                if list.args.is_empty() {
                    let name = function_name(&f.name).to_uppercase();
                    return Err(SqlError::parser(format!("{name} needs at least one key")).at(expr));
                }
                let mut units = vec![];
                for arg in &list.args {
                    let FunctionArg::Unnamed(FunctionArgExpr::Expr(part)) = arg else {
                        return Err(SqlError::parser(format!("syntax error at {arg}")).at(expr));
                    };
                    units.push(match part {
                        Syntax::Tuple(parts) => self.bind_key_list(parts, keys, cx)?,
                        part => self.bind_key_list(std::slice::from_ref(part), keys, cx)?,
                    });
                }
                self.combine(&units, function_name(&f.name) == "cube").map_err(|e| e.at(expr))
            }
            one => Ok(vec![self.bind_key_list(std::slice::from_ref(one), keys, cx)?]),
        }
    }

    /// All subsets of some units of keys, or those that leave units away from the end.
    fn combine(&self, units: &[Vec<usize>], is_cube: bool) -> Result<Vec<Vec<usize>>> {
        let join = |chosen: &mut dyn Iterator<Item = &Vec<usize>>| {
            chosen.fold(vec![], |all: Vec<usize>, unit| union(&all, unit))
        };
        if !is_cube {
            return Ok((0..=units.len()).rev().map(|n| join(&mut units[..n].iter())).collect());
        }
        if units.len() >= 16 {
            return Err(SqlError::parser(format!("Maximum grouping set count of {SETS_MAX} exceeded")));
        }
        let all = (1_usize << units.len()) - 1;
        let chosen = |bits: usize| {
            let picked = units.iter().enumerate().filter(move |(i, _)| bits >> i & 1 == 1).map(|(_, u)| u);
            join(&mut { picked })
        };
        Ok((0..=all).rev().map(chosen).collect())
    }

    fn bind_key_list(
        &mut self,
        parts: &[Syntax],
        keys: &mut Vec<Key>,
        cx: &mut KeyContext<'_>,
    ) -> Result<Vec<usize>> {
        let mut set = vec![];
        for part in parts {
            match part {
                Syntax::Nested(inner) => {
                    let inner = self.bind_key_list(std::slice::from_ref(inner), keys, cx)?;
                    set = union(&set, &inner);
                }
                Syntax::Tuple(inner) => {
                    let inner = self.bind_key_list(inner, keys, cx)?;
                    set = union(&set, &inner);
                }
                part => {
                    let columns = self.columns_of_call(part, cx.scope)?;
                    for part in columns.as_deref().unwrap_or(std::slice::from_ref(part)) {
                        let key = self.bind_key(part, cx)?;
                        let known = keys.iter().position(|k| k.is(&key.name, &key.expr));
                        let at = known.unwrap_or_else(|| {
                            keys.push(key);
                            keys.len() - 1
                        });
                        set = union(&set, &[at]);
                    }
                }
            }
        }
        Ok(set)
    }

    fn bind_key(&mut self, expr: &Syntax, cx: &mut KeyContext<'_>) -> Result<Key> {
        if let Some(i) = ordinal(expr, cx.outputs.len(), "GROUP BY")? {
            return cx.key_of_item(i).map_err(|e| e.at(expr));
        }
        let mut inner = ExprContext::new(cx.scope, cx.outer, "GROUP BY clause");
        inner.aliases = Some(cx.aliases);
        inner.unnest = Unnests::Allowed;
        let mut bound = self.bind_expr(expr, &mut inner)?;
        // A subquery that is asked once for a key and once for an item would be two.
        if !inner.subqueries.is_empty()
            && let Some(i) = cx.item_of(expr)
        {
            return cx.key_of_item(i).map_err(|e| e.at(expr));
        }
        let asked = made_by(&inner.subqueries);
        cx.below.append(&mut inner.subqueries);
        // A list that is unnested for the select list too is unnested once.
        let mut known = Substitution::new();
        for own in std::mem::take(&mut inner.unnests) {
            // The select list asks the same subquery for itself, so its items would be others.
            if !ColumnSet::of(&own.expr).is_disjoint(&asked) {
                return Err(
                    SqlError::binder("Cannot group on an UNNEST or UNLIST clause of a subquery").at(expr)
                );
            }
            cx.take_unnests(|d| same_expr(&d.expr, &own.expr)).map_err(|e| e.at(expr))?;
            match cx.unnested.iter().find(|d| same_expr(&d.expr, &own.expr)) {
                Some(other) => {
                    known.insert(own.column.id, other.column.expr());
                }
                None => cx.unnested.push(own),
            }
        }
        substitute(&mut bound, &known);
        Ok(Key { name: column_name(expr), expr: bound })
    }

    /// Puts groups by several sets of keys on a plan. `keys` are the keys under ids of their own. Yields the plan
    /// and the column with the number of the set.
    pub(super) fn group_by_sets(
        &mut self,
        input: LogicalPlan,
        keys: Vec<Definition>,
        sets: &[Vec<usize>],
        aggregates: Vec<(Column, AggregateCall)>,
    ) -> (LogicalPlan, Column) {
        let number = self.ids.column("set", LogicalType::BigInt);
        let mut group_by: Vec<Definition> = keys.iter().map(|d| Definition::pass(d.column.clone())).collect();
        group_by.push(Definition::pass(number.clone()));
        let has = |set: &Vec<usize>| (0..keys.len()).map(|k| set.contains(&k)).collect();
        let expand = LogicalPlan::Expand {
            input: Box::new(input),
            sets: sets.iter().map(has).collect(),
            set: number.clone(),
            keys,
        };
        let totals: Vec<Definition> = aggregates
            .iter()
            .map(|(column, call)| Definition { column: column.clone(), expr: empty_value(call) })
            .collect();
        let mut plan = LogicalPlan::Aggregate { input: Box::new(expand), group_by, aggregates };
        for (i, _) in sets.iter().enumerate().filter(|(_, set)| set.is_empty()) {
            // A group of all rows is there even if there are no rows.
            let value = Expr::literal(Scalar::Int(i as i128), LogicalType::BigInt);
            let mut row = totals.clone();
            row.push(Definition { column: number.clone(), expr: value.clone() });
            let condition =
                Expr::Compare { op: CompareOp::Eq, left: Box::new(number.expr()), right: Box::new(value) };
            plan = LogicalPlan::OrElse { input: Box::new(plan), condition, row };
        }
        (plan, number)
    }

    /// The value of `GROUPING(args)`: a bit for each argument that the set of the group lacks.
    pub(super) fn grouping_value(&self, args: &[Key], keys: &Keys, number: Option<&Column>) -> Result<Expr> {
        let mut places = vec![];
        for arg in args {
            let named = keys.keys.iter().position(|k| k.is(&arg.name, &arg.expr));
            let same = || keys.keys.iter().position(|k| same_expr(&k.expr, &arg.expr));
            let Some(at) = named.or_else(same) else {
                return Err(SqlError::binder("GROUPING child must be a grouping column"));
            };
            places.push(at);
        }
        let literal = |bits: i128| Expr::literal(Scalar::Int(bits), LogicalType::BigInt);
        let (Some(sets), Some(number)) = (&keys.sets, number) else { return Ok(literal(0)) };
        let bits = |set: &Vec<usize>| {
            places.iter().fold(0_i128, |bits, at| bits << 1 | i128::from(!set.contains(at)))
        };
        let mut branches: Vec<(Expr, Expr)> = sets
            .iter()
            .enumerate()
            .map(|(i, set)| {
                let condition = Expr::Compare {
                    op: CompareOp::Eq,
                    left: Box::new(number.expr()),
                    right: Box::new(literal(i as i128)),
                };
                (condition, literal(bits(set)))
            })
            .collect();
        let otherwise = branches.pop().map(|(_, value)| Box::new(value));
        if branches.is_empty() {
            return Ok(otherwise.map_or_else(|| literal(0), |e| *e));
        }
        Ok(Expr::Case { branches, otherwise, ty: LogicalType::BigInt })
    }
}

fn union(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut out = a.to_vec();
    out.extend(b.iter().copied().filter(|k| !a.contains(k)));
    out
}
