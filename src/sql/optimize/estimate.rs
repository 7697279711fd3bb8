//! Guesses: how many rows a plan yields, how many different values a column has.
//!
//! A column's distinct count is that of its *domain*: conditions on other columns thin out rows but leave it
//! alone, so that a join divides by the number of keys there are and not by those that happen to be left.

use std::collections::HashMap;
use std::sync::Arc;

use crate::column::predicate::CompareOp;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::plan::{Column, ColumnId, Definition, JoinType, LogicalPlan, SampleSize};
use crate::table::TableSnapshot;

/// The share of rows taken to satisfy a condition of which nothing is known.
const UNKNOWN: f64 = 0.25;
/// The share taken to equal a constant where the distinct values are not known.
const EQUAL: f64 = 0.05;
/// The share taken to match a LIKE pattern and the like.
const MATCH: f64 = 0.1;
/// Rows of a source that cannot tell.
const SOURCE_ROWS: f64 = 100_000.0;
/// Items of a list.
const LIST_ITEMS: f64 = 5.0;
/// Steps of a recursion, each taken to yield as many rows as its start.
const RECURSION_STEPS: f64 = 10.0;
/// The share of rows whose values are taken to be distinct where that is not known.
const DISTINCT: f64 = 0.1;

/// What is guessed of a column.
#[derive(Debug, Clone)]
pub struct ColumnEstimate {
    /// Different values in its domain, at least 1.
    pub distinct: f64,
    /// Share of NULLs.
    pub nulls: f64,
    /// Bounds of the values, on a line of numbers that keeps their order.
    pub range: Option<(f64, f64)>,
}

/// Where the guess of a column comes from. Statistics of a table are looked up when they are asked for: most
/// columns of most queries are never asked about.
#[derive(Debug, Clone)]
enum Known {
    Table(Arc<TableSnapshot>, usize),
    Guess(ColumnEstimate),
}

/// What is guessed of a plan's rows.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// Rows, not rounded.
    pub rows: f64,
    /// Rows before any conditions thinned them out; the number of keys there are, where rows have keys.
    pub domain_rows: f64,
    /// Its columns, as far as something is known.
    columns: HashMap<ColumnId, Known>,
}

impl Estimate {
    /// So many rows of which nothing else is known.
    fn of(rows: f64) -> Self {
        Self { rows, domain_rows: rows, columns: HashMap::new() }
    }

    /// Unrelated rows of several inputs: what is known of the columns of each.
    pub fn together(inputs: &[Self]) -> Self {
        let rows = inputs.iter().map(|e| e.rows).product();
        let columns = inputs.iter().flat_map(|e| e.columns.iter().map(|(id, c)| (*id, c.clone()))).collect();
        Self { rows, domain_rows: rows, columns }
    }

    /// What is known of a column.
    pub fn column(&self, id: ColumnId) -> Option<ColumnEstimate> {
        match self.columns.get(&id)? {
            Known::Guess(guess) => Some(guess.clone()),
            Known::Table(table, position) => {
                // Damaged statistics are reported when the table is read, not by a guess.
                let s = table.column_stats(*position).ok()?;
                let (min, max) = (s.min.as_ref(), s.max.as_ref());
                Some(base_column(table.rows() as f64, min, max, Some(s.null_count), s.distinct))
            }
        }
    }

    /// The distinct values of a column in its domain.
    pub fn distinct(&self, id: ColumnId) -> f64 {
        self.column(id).map_or_else(|| (self.domain_rows * DISTINCT).max(1.0), |c| c.distinct)
    }

    fn set(&mut self, id: ColumnId, guess: ColumnEstimate) {
        self.columns.insert(id, Known::Guess(guess));
    }

    /// The number of rows, as shown to people.
    pub fn row_count(&self) -> u64 {
        self.rows.round().clamp(0.0, 1e18) as u64
    }
}

/// The estimate of a whole plan.
pub fn estimate(plan: &LogicalPlan) -> Estimate {
    let inputs: Vec<Estimate> = plan.inputs().into_iter().map(estimate).collect();
    estimate_operator(plan, inputs)
}

/// The estimate of an operator, given those of its inputs.
pub fn estimate_operator(plan: &LogicalPlan, inputs: Vec<Estimate>) -> Estimate {
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next().unwrap_or_else(|| Estimate::of(1.0));
    match plan {
        LogicalPlan::TableGet { table, positions, columns, filters, .. } => {
            let mut base = Estimate::of(table.rows() as f64);
            for (position, column) in positions.iter().zip(columns) {
                base.columns.insert(column.id, Known::Table(table.clone(), *position));
            }
            filtered(base, filters)
        }
        LogicalPlan::SourceGet { source, positions, columns, filters } => {
            let rows = source.estimated_rows().map_or(SOURCE_ROWS, |n| n as f64);
            let mut base = Estimate::of(rows);
            for (position, column) in positions.iter().zip(columns) {
                if let Some(s) = source.statistics(*position) {
                    let known = base_column(rows, s.min.as_ref(), s.max.as_ref(), s.null_count, s.distinct);
                    base.set(column.id, known);
                }
            }
            filtered(base, filters)
        }
        LogicalPlan::Values { rows, .. } => Estimate::of(rows.len() as f64),
        LogicalPlan::Filter { predicates, .. } => filtered(next(), predicates),
        LogicalPlan::Project { definitions, .. } => {
            let input = next();
            let columns = defined(definitions, &input);
            Estimate { columns, ..input }
        }
        LogicalPlan::Aggregate { group_by, .. } => {
            let input = next();
            if group_by.is_empty() {
                return Estimate::of(1.0);
            }
            let mut columns = defined(group_by, &input);
            let combinations: f64 =
                group_by.iter().map(|d| distinct_values(&d.expr, &input).min(input.rows.max(1.0))).product();
            let rows = combinations.min(input.rows);
            if let [only] = group_by.as_slice() {
                let range = match columns.get(&only.column.id) {
                    Some(Known::Guess(c)) => c.range,
                    _ => None,
                };
                let guess = ColumnEstimate { distinct: rows.max(1.0), nulls: 0.0, range };
                columns.insert(only.column.id, Known::Guess(guess));
            }
            Estimate { rows, domain_rows: rows, columns }
        }
        LogicalPlan::Distinct { input, on } => {
            let below = next();
            let keys = match on {
                Some(on) => on.clone(),
                None => input.columns().iter().map(Column::expr).collect(),
            };
            let combinations: f64 =
                keys.iter().map(|e| distinct_values(e, &below).min(below.rows.max(1.0))).product();
            let rows = combinations.min(below.rows);
            Estimate { rows, domain_rows: rows, columns: below.columns }
        }
        LogicalPlan::Sort { .. } | LogicalPlan::GapFill { .. } | LogicalPlan::Window { .. } => next(),
        LogicalPlan::Limit { limit, offset, .. } => {
            let mut input = next();
            input.rows = (input.rows - *offset as f64).max(0.0);
            if let Some(limit) = limit {
                input.rows = input.rows.min(*limit as f64);
            }
            input
        }
        LogicalPlan::Join { kind, on, .. } => {
            let (left, right) = (next(), next());
            joined(left, right, kind, on)
        }
        LogicalPlan::AsOfJoin { kind, .. } => {
            let (left, right) = (next(), next());
            let rows = match kind {
                JoinType::Right | JoinType::Full => left.rows.max(right.rows),
                _ => left.rows,
            };
            let domain_rows = left.domain_rows;
            Estimate { rows, domain_rows, ..Estimate::together(&[left, right]) }
        }
        LogicalPlan::PositionalJoin { .. } => {
            let (left, right) = (next(), next());
            let rows = left.rows.max(right.rows);
            Estimate { rows, domain_rows: rows, ..Estimate::together(&[left, right]) }
        }
        LogicalPlan::Union { columns, .. } => {
            let mut out = Estimate::of(0.0);
            let LogicalPlan::Union { inputs, .. } = plan else { return out };
            for (i, input) in inputs.iter().enumerate() {
                let below = next();
                out.rows += below.rows;
                out.domain_rows += below.domain_rows;
                for (column, own) in columns.iter().zip(input.columns()) {
                    let Some(known) = below.column(own.id) else { continue };
                    // Which values the inputs share is not known; most unions are of alike ones.
                    let before = out.column(column.id).map_or(0.0, |c| c.distinct);
                    if i == 0 || before > 0.0 {
                        let distinct = known.distinct.max(before);
                        out.set(column.id, ColumnEstimate { distinct, range: None, ..known });
                    }
                }
            }
            out
        }
        LogicalPlan::Write { .. } => Estimate::of(1.0),
        LogicalPlan::Unnest { .. } => {
            let mut input = next();
            input.rows *= LIST_ITEMS;
            input
        }
        LogicalPlan::Expand { sets, .. } => {
            let mut input = next();
            input.rows *= sets.len() as f64;
            input
        }
        LogicalPlan::OrElse { .. } | LogicalPlan::LimitBy { .. } => next(),
        LogicalPlan::Sample { sample, .. } => {
            let mut input = next();
            input.rows = match sample.size {
                SampleSize::Rows(n) => input.rows.min(n as f64),
                SampleSize::Percent(share) => input.rows * share / 100.0,
            };
            input
        }
        LogicalPlan::With { .. } => {
            next();
            next()
        }
        LogicalPlan::CteScan { rows, .. } => Estimate::of(*rows),
        LogicalPlan::Recursive { .. } => Estimate::of(next().rows * RECURSION_STEPS),
    }
}

fn base_column(
    rows: f64,
    min: Option<&Scalar>,
    max: Option<&Scalar>,
    nulls: Option<u64>,
    distinct: Option<u64>,
) -> ColumnEstimate {
    let range = min.and_then(number).zip(max.and_then(number));
    let whole = matches!((min, max), (Some(Scalar::Int(_)), Some(Scalar::Int(_))));
    let mut guess = distinct.map_or((rows * DISTINCT).max(1.0), |d| d as f64);
    if let (Some((low, high)), true) = (range, whole) {
        guess = guess.min(high - low + 1.0);
    }
    ColumnEstimate {
        distinct: guess.max(1.0),
        nulls: nulls.map_or(0.0, |n| if rows > 0.0 { (n as f64 / rows).min(1.0) } else { 0.0 }),
        range,
    }
}

/// A place on a line of numbers that keeps the order of values.
fn number(value: &Scalar) -> Option<f64> {
    match value {
        Scalar::Int(n) => Some(*n as f64),
        Scalar::Float(x) if x.is_finite() => Some(*x),
        Scalar::Boolean(b) => Some(f64::from(u8::from(*b))),
        Scalar::Text(s) => Some(leading_bytes(s.as_bytes())),
        Scalar::Bytes(b) => Some(leading_bytes(b)),
        _ => None,
    }
}

fn leading_bytes(bytes: &[u8]) -> f64 {
    bytes.iter().take(6).chain(std::iter::repeat(&0)).take(6).fold(0.0, |n, b| n * 256.0 + f64::from(*b))
}

/// What is known of the columns that a projection defines.
fn defined(definitions: &[Definition], input: &Estimate) -> HashMap<ColumnId, Known> {
    let mut out = HashMap::new();
    for d in definitions {
        let known = match &d.expr {
            Expr::Column { index, .. } => input.columns.get(index).cloned(),
            e => Some(Known::Guess(ColumnEstimate {
                distinct: distinct_values(e, input),
                nulls: 0.0,
                range: None,
            })),
        };
        if let Some(known) = known {
            out.insert(d.column.id, known);
        }
    }
    out
}

/// The number of different values of an expression, at most the number of rows.
fn distinct_values(e: &Expr, input: &Estimate) -> f64 {
    fn combine(e: &Expr, input: &Estimate) -> f64 {
        match e {
            Expr::Column { index, .. } => input.distinct(*index),
            Expr::Compare { .. } | Expr::And(_) | Expr::Or(_) | Expr::Not(_) | Expr::InList { .. } => 3.0,
            Expr::IsNull { .. } => 2.0,
            Expr::Case { branches, otherwise, .. } => {
                let results = branches.iter().map(|(_, r)| r).chain(otherwise.as_deref());
                results.map(|r| combine(r, input)).sum()
            }
            Expr::Literal { .. } => 1.0,
            Expr::Call { function, args, .. } => {
                let most = args.iter().map(|e| combine(e, input)).product::<f64>();
                // Parts of a date have few values whatever the dates.
                match function.name {
                    "month" | "date_part" | "extract" => most.min(60.0),
                    "year" | "hour" | "minute" | "second" | "day" | "dayofweek" => most.min(100.0),
                    _ => most,
                }
            }
            other => other.children().into_iter().map(|e| combine(e, input)).product(),
        }
    }
    combine(e, input).min(input.rows.max(1.0)).max(1.0)
}

/// The rows that are left when all conditions hold.
pub fn filtered(mut input: Estimate, conditions: &[Expr]) -> Estimate {
    if conditions.is_empty() {
        return input;
    }
    let share = conjunction(conditions, &input);
    for e in conditions {
        narrow(e, &mut input);
    }
    input.rows *= share;
    input
}

/// The share of rows for which all conditions hold. Bounds on one column are taken together.
pub fn conjunction(conditions: &[Expr], input: &Estimate) -> f64 {
    let mut share = 1.0;
    let mut bounds: Vec<(ColumnId, f64)> = vec![];
    for e in conditions {
        if let Expr::Compare { op, left, right } = e
            && let (Expr::Column { index, .. }, Expr::Literal { .. }) = (&**left, &**right)
            && matches!(op, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq)
        {
            let here = selectivity(e, input);
            match bounds.iter_mut().find(|(id, _)| id == index) {
                Some((_, both)) => *both = (*both + here - 1.0).max(*both * here * 0.1),
                None => bounds.push((*index, here)),
            }
            continue;
        }
        share *= selectivity(e, input);
    }
    bounds.iter().fold(share, |share, (_, s)| share * s)
}

/// The share of rows for which a condition is true.
pub fn selectivity(e: &Expr, input: &Estimate) -> f64 {
    let share = match e {
        Expr::Literal { value: Scalar::Boolean(b), .. } => f64::from(u8::from(*b)),
        Expr::Literal { .. } => 0.0,
        Expr::And(all) => conjunction(all, input),
        Expr::Or(all) => 1.0 - all.iter().map(|e| 1.0 - selectivity(e, input)).product::<f64>(),
        Expr::Not(inner) => 1.0 - selectivity(inner, input),
        Expr::IsNull { input: inner, negated } => {
            let nulls = match &**inner {
                Expr::Column { index, .. } => input.column(*index).map_or(0.05, |c| c.nulls),
                _ => 0.05,
            };
            if *negated { 1.0 - nulls } else { nulls }
        }
        Expr::InList { input: inner, list, negated } => {
            let share = (list.len() as f64 * equal_share(inner, input)).min(1.0);
            if *negated { 1.0 - share } else { share }
        }
        Expr::Compare { op, left, right } => comparison(*op, left, right, input),
        Expr::Column { ty: LogicalType::Boolean, .. } => 0.5,
        Expr::Call { function, .. } => match function.name {
            name if name.contains("not") => 1.0 - MATCH,
            name if name.contains("like") || name.contains("regexp") => MATCH,
            "contains" | "prefix" | "suffix" | "starts_with" | "ends_with" => MATCH,
            _ => UNKNOWN,
        },
        _ => UNKNOWN,
    };
    share.clamp(0.0, 1.0)
}

fn equal_share(e: &Expr, input: &Estimate) -> f64 {
    match e {
        Expr::Column { index, .. } => {
            input.column(*index).map_or(EQUAL, |c| (1.0 - c.nulls) / c.distinct.max(1.0))
        }
        _ => EQUAL,
    }
}

fn comparison(op: CompareOp, left: &Expr, right: &Expr, input: &Estimate) -> f64 {
    use CompareOp::*;
    match (left, right) {
        (Expr::Column { index, .. }, Expr::Literal { value, .. }) => {
            let known = input.column(*index);
            let range = known.as_ref().and_then(|c| c.range);
            let at = number(value);
            let outside = matches!((range, at), (Some((low, high)), Some(x)) if x < low || x > high);
            match op {
                Eq | NotDistinctFrom if outside => 0.0,
                Eq | NotDistinctFrom => equal_share(left, input),
                NotEq | DistinctFrom => 1.0 - equal_share(left, input),
                Lt | LtEq | Gt | GtEq => {
                    let (Some((low, high)), Some(x)) = (range, at) else { return 1.0 / 3.0 };
                    let not_null = known.as_ref().map_or(1.0, |c| 1.0 - c.nulls);
                    let below = if high > low {
                        ((x - low) / (high - low)).clamp(0.0, 1.0)
                    } else if x > low || x == low && matches!(op, LtEq | Gt) {
                        1.0
                    } else {
                        0.0
                    };
                    not_null * if matches!(op, Lt | LtEq) { below } else { 1.0 - below }
                }
            }
        }
        _ => match op {
            Eq | NotDistinctFrom => {
                let of = |e: &Expr| match e {
                    Expr::Column { index, .. } => input.distinct(*index),
                    Expr::Literal { .. } => 1.0 / EQUAL,
                    e => distinct_values(e, input),
                };
                1.0 / of(left).max(of(right)).max(1.0)
            }
            NotEq | DistinctFrom => 0.95,
            _ => 1.0 / 3.0,
        },
    }
}

/// What a condition does to the domain of the column that it is about.
fn narrow(e: &Expr, input: &mut Estimate) {
    match e {
        Expr::And(all) => all.iter().for_each(|e| narrow(e, input)),
        Expr::Compare { op, left, right } => {
            let (Expr::Column { index, .. }, Expr::Literal { value, .. }) = (&**left, &**right) else {
                return;
            };
            let share = comparison(*op, left, right, input);
            let rows = input.rows;
            let mut column = input.column(*index).unwrap_or(ColumnEstimate {
                distinct: (rows * DISTINCT).max(1.0),
                nulls: 0.0,
                range: None,
            });
            column.nulls = 0.0;
            match op {
                CompareOp::Eq | CompareOp::NotDistinctFrom => {
                    column.distinct = 1.0;
                    if let Some(x) = number(value) {
                        column.range = Some((x, x));
                    }
                }
                CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq => {
                    column.distinct = (column.distinct * share).max(1.0);
                    // The share of a second bound is computed from the range as it was; see `conjunction`.
                }
                CompareOp::NotEq | CompareOp::DistinctFrom => {
                    column.distinct = (column.distinct - 1.0).max(1.0);
                }
            }
            input.set(*index, column);
        }
        Expr::InList { input: inner, list, negated: false } => {
            if let Expr::Column { index, .. } = **inner
                && let Some(column) = input.column(index)
            {
                let distinct = column.distinct.min(list.len() as f64).max(1.0);
                input.set(index, ColumnEstimate { distinct, nulls: 0.0, ..column });
            }
        }
        _ => {}
    }
}

/// A join of two inputs.
fn joined(left: Estimate, right: Estimate, kind: &JoinType, on: &[Expr]) -> Estimate {
    let rows = left.rows * right.rows;
    let domain_rows = left.domain_rows.max(right.domain_rows);
    let mut both = Estimate { rows, domain_rows, columns: left.columns.clone() };
    both.columns.extend(right.columns.iter().map(|(id, c)| (*id, c.clone())));
    let share = join_share(on, &left, &right, &both);
    let pairs = both.rows * share;
    // A left row finds a partner if the right side has its key.
    let found = if right.rows < 1.0 {
        right.rows
    } else {
        (pairs / left.rows.max(1.0)).min(key_coverage(on, &left, &right)).min(1.0)
    };
    match kind {
        JoinType::Inner => both.rows = pairs,
        JoinType::Left => both.rows = pairs.max(left.rows),
        JoinType::Right => both.rows = pairs.max(right.rows),
        JoinType::Full => both.rows = pairs.max(left.rows).max(right.rows),
        JoinType::Single => both.rows = left.rows,
        JoinType::Mark(_) => return left,
        JoinType::Semi => return Estimate { rows: left.rows * found, ..left },
        JoinType::Anti => return Estimate { rows: left.rows * (1.0 - found).max(0.05), ..left },
    }
    both
}

/// The share of all pairs that satisfies the conditions of a join.
fn join_share(on: &[Expr], left: &Estimate, right: &Estimate, both: &Estimate) -> f64 {
    let mut keys = 0;
    let (mut one_side, mut other_side, mut most, mut rest) = (1.0f64, 1.0f64, 1.0f64, 1.0f64);
    for e in on {
        if let Expr::Compare { op: CompareOp::Eq | CompareOp::NotDistinctFrom, left: a, right: b } = e {
            let (a, b) = if is_of(a, right) || is_of(b, left) { (b, a) } else { (a, b) };
            if let (Some(da), Some(db)) = (distinct_in(a, left), distinct_in(b, right)) {
                keys += 1;
                one_side *= da;
                other_side *= db;
                most *= da.max(db);
                continue;
            }
        }
        rest *= selectivity(e, both);
    }
    if keys > 1 {
        // Several keys together identify no more than the rows there are.
        most = most.min(one_side.min(left.domain_rows).min(other_side.min(right.domain_rows)).max(1.0));
    }
    rest / most.max(1.0)
}

fn is_of(e: &Expr, side: &Estimate) -> bool {
    ColumnSet::of(e).iter().any(|id| side.columns.contains_key(&id))
}

/// The distinct values of one side of an equality; `None` for a constant.
fn distinct_in(e: &Expr, side: &Estimate) -> Option<f64> {
    match e {
        Expr::Column { index, .. } => Some(side.distinct(*index)),
        e if ColumnSet::of(e).is_empty() => None,
        e => Some(distinct_values(e, side)),
    }
}

/// The share of the left side's keys that the right side has.
fn key_coverage(on: &[Expr], left: &Estimate, right: &Estimate) -> f64 {
    let mut share: f64 = 1.0;
    for e in on {
        let Expr::Compare { op: CompareOp::Eq | CompareOp::NotDistinctFrom, left: a, right: b } = e else {
            continue;
        };
        let (Expr::Column { index: a, .. }, Expr::Column { index: b, .. }) = (&**a, &**b) else { continue };
        for (l, r) in [(a, b), (b, a)] {
            if let (Some(l), Some(r)) = (left.column(*l), right.column(*r)) {
                share = share.min(r.distinct.min(right.rows) / l.distinct.max(1.0));
            }
        }
    }
    share
}
