//! WITH: common table expressions, recursive ones among them.
//!
//! One is bound when it is first used, and then scanned by its id. When the query around them is complete, it is
//! known how often each is used: one that is used several times and cuts its rows down is computed once
//! ([`LogicalPlan::With`]); all others are put in the place of their scans.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use sqlparser::ast::{self, Ident, Query, SetExpr, SetOperator, SetQuantifier};

use crate::exec::expr::Expr;
use crate::exec::plan::Recursion;
use crate::exec::source::Source;
use crate::sql::bind::from::{Bound, storable};
use crate::sql::bind::scope::{Outer, Relation, Scope, make_unique};
use crate::sql::bind::using_key::UsingKey;
use crate::sql::bind::{Binder, BoundQuery};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms;
use crate::sql::optimize::columns::{ColumnSet, copy_with_fresh_ids};
use crate::sql::optimize::exprs::{DEAR, cost, is_volatile};
use crate::sql::plan::{Column, ColumnIds, CteId, Definition, LogicalPlan};
use crate::sql::reserved::check_name;
use crate::sql::walk;

/// CTEs that one statement can define.
const CTES_MAX: usize = 1_000;
/// Operators that putting a CTE in the place of its scans may add to a plan. More are computed once instead.
const INLINED_MAX: usize = 200;
/// A guess of the rows of a CTE of which nothing is known yet.
pub(super) const ROWS_GUESS: f64 = 1_000.0;

/// A common table expression, and those before it.
#[derive(Debug)]
pub struct Cte {
    name: String,
    query: Query,
    columns: Vec<Ident>,
    /// What USING KEY lists.
    keys: Vec<Ident>,
    /// MATERIALIZED or NOT, if it says so.
    materialized: Option<bool>,
    /// It may use itself.
    recursive: bool,
    /// Its rows, if it was computed before the statement.
    kept: Option<Arc<dyn Source>>,
    before: Option<Rc<Cte>>,
    count: usize,
    /// The frame that its definition goes to.
    frame: usize,
    /// How many scopes of enclosing queries it sees.
    depth: usize,
    state: RefCell<State>,
}

/// What became of a CTE.
#[derive(Debug)]
enum State {
    Unused,
    /// It is being bound.
    Binding,
    /// The step of a recursion is being bound: what its scans yield, of the rows of the step before and of all.
    InStep {
        working: CteId,
        columns: Vec<Column>,
        all: CteId,
        all_columns: Vec<Column>,
    },
    /// It is bound; what its scans yield.
    Bound {
        id: CteId,
        columns: Vec<Column>,
    },
}

/// The CTEs that were bound within a query.
#[derive(Debug, Default, Clone)]
pub(super) struct Frame {
    /// Each after those that it uses.
    definitions: Vec<BoundCte>,
}

#[derive(Debug, Clone)]
struct BoundCte {
    id: CteId,
    name: String,
    plan: LogicalPlan,
    materialized: Option<bool>,
}

impl Cte {
    /// The innermost one of that name.
    pub fn find(list: Option<&Rc<Self>>, name: &str) -> Option<Rc<Self>> {
        std::iter::successors(list, |c| c.before.as_ref())
            .find(|c| c.name.eq_ignore_ascii_case(name))
            .cloned()
    }

    /// All names.
    pub fn names(list: Option<&Rc<Self>>) -> Vec<String> {
        std::iter::successors(list, |c| c.before.as_ref()).map(|c| c.name.clone()).collect()
    }
}

impl Binder<'_> {
    /// Makes the CTEs of a clause known.
    pub fn bind_with(&mut self, with: &ast::With, outer: Option<&Outer<'_>>) -> Result<()> {
        for (i, cte) in with.cte_tables.iter().enumerate() {
            let name = &cte.alias.name;
            check_name(name)?;
            let count = self.ctes.as_ref().map_or(0, |c| c.count) + 1;
            if count > CTES_MAX {
                return Err(SqlError::binder(format!("more than {CTES_MAX} CTEs")).at_span(name.span));
            }
            let mut before = with.cte_tables[..i].iter();
            if before.any(|c| c.alias.name.value.eq_ignore_ascii_case(&name.value)) {
                return Err(
                    SqlError::parser(format!("Duplicate CTE name \"{}\"", name.value)).at_span(name.span)
                );
            }
            let mut columns = vec![];
            let mut keys = vec![];
            let mut materialized = None;
            let mut in_keys = false;
            for column in &cte.alias.columns {
                let ident = &column.name;
                if forms::is_marker(ident, forms::MATERIALIZED) {
                    materialized = Some(true);
                } else if forms::is_marker(ident, forms::NOT_MATERIALIZED) {
                    materialized = Some(false);
                } else if forms::is_marker(ident, forms::USING_KEY) {
                    in_keys = true;
                } else if in_keys {
                    keys.push(ident.clone());
                } else {
                    columns.push(ident.clone());
                }
            }
            // Those of the statement as a whole were carried out before it.
            if matches!(
                &*cte.query.body,
                SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
            ) {
                return Err(SqlError::binder(
                    "WITH clause containing a data-modifying statement must be at the top level",
                )
                .at_span(name.span));
            }
            let kept = self.env.kept.iter().find(|kept| kept.name == *name && kept.name.span == name.span);
            let recursive = with.recursive && mentions(&cte.query, &name.value);
            if in_keys && !recursive {
                return Err(SqlError::parser("USING KEY is for recursive CTEs").at_span(name.span));
            }
            self.ctes = Some(Rc::new(Cte {
                name: name.value.clone(),
                query: (*cte.query).clone(),
                columns,
                keys,
                materialized,
                recursive,
                kept: kept.map(|kept| Arc::clone(&kept.rows)),
                before: self.ctes.take(),
                count,
                frame: self.frame,
                depth: Outer::chain(outer).count(),
                state: RefCell::new(State::Unused),
            }));
        }
        Ok(())
    }

    /// The rows of a CTE that a name in FROM means.
    pub(super) fn bind_cte(&mut self, cte: &Rc<Cte>, at: &Ident, outer: Option<&Outer<'_>>) -> Result<Bound> {
        let known = match &*cte.state.borrow() {
            State::Unused => None,
            State::Binding => {
                return Err(SqlError::binder(format!(
                    "Circular reference to CTE \"{}\", use WITH RECURSIVE to use recursive CTEs.",
                    cte.name
                ))
                .at_span(at.span));
            }
            State::InStep { working: id, columns, .. } => Some((*id, columns.clone())),
            // The query that has the definition may be complete: several of one statement may use the CTE.
            State::Bound { id, columns } => {
                let frame = self.frames.get(cte.frame);
                let defined = frame.is_some_and(|f| f.definitions.iter().any(|d| d.id == *id));
                defined.then(|| (*id, columns.clone()))
            }
        };
        if let Some((id, columns)) = known {
            return Ok(self.scan_cte(id, &cte.name, &at.value, &columns));
        }
        *cte.state.borrow_mut() = State::Binding;
        let bound = self.bind_definition(cte, outer);
        *cte.state.borrow_mut() = State::Unused;
        let bound = bound?;
        let names = bound.columns.iter().map(|c| c.name.clone());
        let names: Vec<String> = names
            .enumerate()
            .map(|(i, name)| cte.columns.get(i).map_or(name, |given| given.value.clone()))
            .collect();
        let plan = bound.into_plan();
        let mut columns = plan.columns();
        for (column, name) in columns.iter_mut().zip(names) {
            column.name = name;
        }
        make_unique(&mut columns);
        let frame = self.frames.get_mut(cte.frame).filter(|_| ColumnSet::free(&plan).is_empty());
        let Some(frame) = frame else {
            // It uses the row of a query around it, or there is none: each use is one of its own.
            let scope = Scope::of(Relation::new(&*at.value, columns));
            return Ok(Bound { plan, scope });
        };
        let id = self.ids.fresh();
        let definition = BoundCte { id, name: cte.name.clone(), plan, materialized: cte.materialized };
        frame.definitions.push(definition);
        let scan = self.scan_cte(id, &cte.name, &at.value, &columns);
        *cte.state.borrow_mut() = State::Bound { id, columns };
        Ok(scan)
    }

    /// The rows so far of a recursion with keys whose step is being bound: `recurring.name`.
    pub(super) fn bind_recurring(&mut self, name: &Ident) -> Option<Bound> {
        let cte = Cte::find(self.ctes.as_ref(), &name.value)?;
        let (id, columns) = match &*cte.state.borrow() {
            State::InStep { all, all_columns, .. } if !cte.keys.is_empty() => (*all, all_columns.clone()),
            _ => return None,
        };
        Some(self.scan_cte(id, &cte.name, &name.value, &columns))
    }

    fn scan_cte(&mut self, id: CteId, name: &str, called: &str, columns: &[Column]) -> Bound {
        let columns: Vec<Column> = columns.iter().map(|c| self.column_like(c)).collect();
        let scope = Scope::of(Relation::new(called, columns.clone()));
        let positions = (0..columns.len()).collect();
        let plan = LogicalPlan::CteScan { id, name: name.to_owned(), positions, columns, rows: ROWS_GUESS };
        Bound { plan, scope }
    }

    /// The plan with what it takes from the CTEs around it, so that it can be run on its own.
    pub(super) fn with_definitions(&mut self, plan: LogicalPlan) -> LogicalPlan {
        let frames: Vec<Frame> = self.frames.clone();
        frames.into_iter().rev().fold(plan, |plan, frame| close_frame(frame, plan, &mut self.ids))
    }

    /// Binds what a CTE is, in the scopes that it sees where it is defined.
    fn bind_definition(&mut self, cte: &Rc<Cte>, outer: Option<&Outer<'_>>) -> Result<BoundQuery> {
        if let Some(rows) = &cte.kept {
            let (plan, columns) = self.rows(Arc::clone(rows));
            return Ok(BoundQuery { plan, columns });
        }
        let around = Outer::chain(outer).count().saturating_sub(cte.depth);
        let outer = std::iter::successors(outer, |o| o.parent).nth(around);
        let visible = if cte.recursive { Some(Rc::clone(cte)) } else { cte.before.clone() };
        let here = std::mem::replace(&mut self.ctes, visible);
        let frame = std::mem::replace(&mut self.frame, cte.frame);
        let bound =
            if cte.recursive { self.bind_recursion(cte, outer) } else { self.bind_query(&cte.query, outer) };
        self.frame = frame;
        self.ctes = here;
        bound
    }

    fn bind_recursion(&mut self, cte: &Rc<Cte>, outer: Option<&Outer<'_>>) -> Result<BoundQuery> {
        let mut query = &cte.query;
        loop {
            if query.order_by.is_some() {
                return Err(SqlError::parser("ORDER BY in a recursive query is not allowed").at(query));
            }
            if query.limit_clause.is_some() || query.fetch.is_some() {
                return Err(SqlError::parser("LIMIT or OFFSET in a recursive query is not allowed").at(query));
            }
            if let Some(with) = &query.with {
                self.bind_with(with, outer)?;
            }
            match &*query.body {
                SetExpr::Query(inner) => query = inner,
                _ => break,
            }
        }
        let SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } = &*query.body
        else {
            return self.bind_query(&cte.query, outer);
        };
        let distinct = match set_quantifier {
            SetQuantifier::All => false,
            SetQuantifier::None | SetQuantifier::Distinct => true,
            _ => return self.bind_query(&cte.query, outer),
        };
        let anchor = self.bind_set_expr(left, outer)?;
        let types: Vec<_> = anchor.columns.iter().map(|c| storable(&c.ty)).collect();
        let anchor = self.cast_columns(anchor, &types)?;
        let mut columns = anchor.columns.clone();
        for (column, name) in columns.iter_mut().zip(&cte.columns) {
            column.name.clone_from(&name.value);
        }
        let UsingKey { keys, aggregates } =
            if cte.keys.is_empty() { UsingKey::default() } else { self.bind_using_key(&cte.keys, &columns)? };
        // A step that is about rows that have changed sees their aggregates, else what the step before has made.
        let made = columns.clone();
        for aggregate in &aggregates {
            columns[aggregate.column].ty = storable(&aggregate.function.return_type);
        }
        let (working, all) = (self.ids.fresh(), self.ids.fresh());
        *cte.state.borrow_mut() = State::InStep {
            working,
            columns: if distinct { columns.clone() } else { made },
            all,
            all_columns: columns.clone(),
        };
        // What the step defines depends on the rows before, and is computed in each step.
        let frame = self.frame;
        self.frame = self.frames.len();
        self.frames.push(Frame::default());
        let step = self.bind_set_expr(right, outer);
        self.frame = frame;
        let frame = self.frames.pop().unwrap_or_default();
        *cte.state.borrow_mut() = State::Binding;
        let mut step = step?;
        if step.columns.len() != columns.len() {
            return Err(SqlError::binder(
                "Set operations can only apply to expressions with the same number of result columns",
            )
            .at(&**right));
        }
        step.plan = close_frame(frame, step.plan, &mut self.ids);
        let step = self.cast_columns(step, &types).map_err(|e| e.at(&**right))?;
        let columns: Vec<Column> = columns.iter().map(|c| self.column_like(c)).collect();
        let kind = match (keys.is_empty(), distinct) {
            (false, distinct) => Recursion::Keyed { keys, aggregates, distinct },
            (true, true) => Recursion::Distinct,
            (true, false) => Recursion::All,
        };
        let plan = LogicalPlan::Recursive {
            id: working,
            all,
            name: cte.name.clone(),
            anchor: Box::new(anchor.into_plan()),
            step: Box::new(step.into_plan()),
            columns: columns.clone(),
            kind,
        };
        Ok(BoundQuery { plan, columns })
    }
}

/// Puts the definitions of a query's CTEs on its plan.
pub(super) fn close_frame(frame: Frame, mut plan: LogicalPlan, ids: &mut ColumnIds) -> LogicalPlan {
    // From the last to the first: the uses in later definitions are in the plan by then.
    for definition in frame.definitions.into_iter().rev() {
        let uses = count_scans(&plan, definition.id);
        let once = match definition.materialized {
            Some(materialized) => materialized && uses > 0,
            None => uses > 1 && is_worth_keeping(&definition, &plan, uses),
        };
        if once {
            plan = LogicalPlan::With {
                id: definition.id,
                name: definition.name,
                definition: Box::new(definition.plan),
                body: Box::new(plan),
            };
        } else if uses > 0 {
            let mut original = Some(definition.plan);
            put_in_place(&mut plan, definition.id, uses, &mut original, ids);
        }
    }
    plan
}

fn count_scans(plan: &LogicalPlan, cte: CteId) -> usize {
    usize::from(matches!(plan, LogicalPlan::CteScan { id, .. } if *id == cte))
        + plan.inputs().into_iter().map(|p| count_scans(p, cte)).sum::<usize>()
}

/// Whether computing a CTE once and keeping its rows beats computing it for each use in a plan: it has fewer rows than what
/// it reads, gives other rows each time, or is big; or its conditions are dear and no use looks at some of its rows only,
/// as conditions of the use would come before those.
fn is_worth_keeping(cte: &BoundCte, plan: &LogicalPlan, uses: usize) -> bool {
    fn cuts_down(plan: &LogicalPlan) -> bool {
        matches!(
            plan,
            LogicalPlan::Aggregate { .. }
                | LogicalPlan::Distinct { .. }
                | LogicalPlan::Limit { .. }
                | LogicalPlan::LimitBy { .. }
                | LogicalPlan::Sample { .. }
                | LogicalPlan::Recursive { .. }
        ) || plan.exprs().into_iter().any(is_volatile)
            || plan.inputs().into_iter().any(cuts_down)
    }
    fn operators(plan: &LogicalPlan) -> usize {
        1 + plan.inputs().into_iter().map(operators).sum::<usize>()
    }
    cuts_down(&cte.plan)
        || operators(&cte.plan).saturating_mul(uses - 1) > INLINED_MAX
        || (has_dear_conditions(&cte.plan) && !is_narrowed(plan, cte.id))
}

fn has_dear_conditions(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Filter { predicates, .. } if predicates.iter().any(|e| cost(e) >= DEAR))
        || plan.inputs().into_iter().any(has_dear_conditions)
}

/// Whether a plan looks at some rows only of a scan of a CTE: a condition is about these and nothing else, or the first are
/// enough.
fn is_narrowed(plan: &LogicalPlan, cte: CteId) -> bool {
    fn add_scans(plan: &LogicalPlan, cte: CteId, out: &mut Vec<ColumnSet>) {
        if let LogicalPlan::CteScan { id, .. } = plan
            && *id == cte
        {
            out.push(ColumnSet::yielded(plan));
        }
        plan.inputs().into_iter().for_each(|input| add_scans(input, cte, out));
    }
    fn streams(plan: &LogicalPlan, cte: CteId) -> bool {
        match plan {
            LogicalPlan::CteScan { id, .. } => *id == cte,
            LogicalPlan::Project { input, .. } | LogicalPlan::Filter { input, .. } => streams(input, cte),
            _ => false,
        }
    }
    fn narrows(plan: &LogicalPlan, cte: CteId, scans: &[ColumnSet]) -> bool {
        if let LogicalPlan::Limit { input, .. } = plan
            && streams(input, cte)
        {
            return true;
        }
        let conditions = match plan {
            LogicalPlan::Filter { predicates, .. } => &predicates[..],
            LogicalPlan::Join { on, .. } => &on[..],
            _ => &[],
        };
        let is_about_one = |e: &Expr| {
            let columns = ColumnSet::of(e);
            !columns.is_empty() && scans.iter().any(|scan| columns.is_subset(scan))
        };
        conditions.iter().any(is_about_one)
            || plan.inputs().into_iter().any(|input| narrows(input, cte, scans))
    }
    let mut scans = vec![];
    add_scans(plan, cte, &mut scans);
    narrows(plan, cte, &scans)
}

/// Puts a definition in the place of the scans of it.
fn put_in_place(
    plan: &mut LogicalPlan,
    cte: CteId,
    uses: usize,
    original: &mut Option<LogicalPlan>,
    ids: &mut ColumnIds,
) {
    let LogicalPlan::CteScan { id, positions, columns, .. } = plan else {
        for input in plan.inputs_mut() {
            put_in_place(input, cte, uses, original, ids);
        }
        return;
    };
    if *id != cte {
        return;
    }
    let Some(definition) = (if uses == 1 { original.take() } else { original.clone() }) else { return };
    // The original is used as it is where there is one use only: its ids are its own.
    let definition = if uses == 1 { definition } else { copy_with_fresh_ids(&definition, ids).0 };
    let own = definition.columns();
    let definitions = positions
        .iter()
        .zip(std::mem::take(columns))
        .map(|(position, column)| Definition { column, expr: own[*position].expr() })
        .collect();
    *plan = LogicalPlan::Project { input: Box::new(definition), definitions };
}

/// Whether a query names a table.
fn mentions(query: &Query, name: &str) -> bool {
    walk::any_relation(query, |relation| {
        let last = relation.0.last().and_then(|part| part.as_ident());
        relation.0.len() <= 2 && last.is_some_and(|i| i.value.eq_ignore_ascii_case(name))
    })
}
