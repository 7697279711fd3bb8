//! Plans that prepared statements keep.
//!
//! A statement's second run makes a plan that holds for all values of the parameters, and later runs put their values
//! into it. It is kept as the optimizer left it: what the values make of its conditions, such as whether a key is looked
//! up, is found when it becomes a physical plan, which costs little.
//!
//! A kept plan must mean what the statement would mean if it were bound now:
//!
//! - It is dropped when the definitions of a database are others ([`Basis`]), or the settings, or what the program added;
//!   and it is never made of statements that the time, a variable or the rows of a table have become part of
//!   ([`Uses`](crate::sql::bind::Uses)).
//! - A literal may take the type of what is around it, by its value; a parameter's value differs from run to run. So
//!   all parameters must stand where their type alone decides ([`is_settled`]).
//! - Of the rows of its tables the optimizer may take for certain only which columns have no NULL
//!   (`optimize::properties`), which is looked at again, as is whether their number is of the same order. The plan has
//!   tables without their rows, so that it keeps nothing in the file.
//! - It must not be much worse than a plan for known values.
//!
//! An INSERT whose rows are VALUES keeps what it was bound to in the same way, if each of its parameters is a value by
//! itself: that is cast to the column's type, whatever it is.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use sqlparser::ast::Query;

use crate::catalog::{Catalog, TableId};
use crate::column::types::LogicalType;
use crate::exec::context::ExecContext;
use crate::exec::eval::evaluate_constant;
use crate::exec::expr::Expr;
use crate::exec::plan::Plan;
use crate::sql::ast::Modify;
use crate::sql::bind::modify::{BoundChange, BoundModify, Target};
use crate::sql::optimize::estimate::{Estimate, estimate_operator};
use crate::sql::optimize::exprs::is_constant;
use crate::sql::optimize::simplify::simplify_plan;
use crate::sql::plan::{ColumnIds, LogicalPlan};
use crate::sql::session::databases::NamedDatabase;
use crate::sql::session::{DatabaseView, Failure, Parameters, ReadView, Session, Settings};
use crate::sql::{parameter, physical, statement};
use crate::table::TableSnapshot;

/// A plan is made anew when a table has so many times more or fewer rows than when it was made.
const GROWTH: u64 = 4;
/// Differences of so many rows do not matter.
const FEW_ROWS: u64 = 4_096;

/// What a prepared statement keeps, if there is something to keep.
#[derive(Debug, Default)]
pub struct PlanCache {
    query: Mutex<State<Kept>>,
    insert: Mutex<State<KeptInsert>>,
}

#[derive(Debug, Default)]
enum State<K> {
    /// It has not run.
    #[default]
    New,
    /// It ran once, with a plan for its values of this cost.
    Ran(Basis, f64),
    Kept(Basis, K),
    /// No plan of it can be kept.
    Unfit(Basis),
}

/// What names and types mean.
#[derive(Debug)]
struct Basis {
    /// Held weakly, which keeps no more than their places in memory from being used for others.
    databases: Vec<(Weak<NamedDatabase>, Weak<Catalog>)>,
    settings: Settings,
    extensions: u64,
    parameters: Vec<(String, LogicalType)>,
}

impl Basis {
    /// `None` if the statement is to be planned for its values alone.
    fn of(session: &Session, view: &ReadView) -> Option<Self> {
        if !session.settings.optimizer {
            return None;
        }
        let databases = view.databases().iter();
        let databases =
            databases.map(|d| (Arc::downgrade(d.database()), Arc::downgrade(d.shared_catalog()))).collect();
        let (settings, extensions) = (session.settings.clone(), session.extensions().version());
        Some(Self { databases, settings, extensions, parameters: session.parameters.types()? })
    }

    /// Whether all is as it was.
    fn holds(&self, session: &Session, view: &ReadView) -> bool {
        self.holds_but_for_values(session, view) && session.parameters.are_of(&self.parameters)
    }

    /// The same, where it does not matter whether values are NULL.
    fn holds_with_nulls(&self, session: &Session, view: &ReadView) -> bool {
        self.holds_but_for_values(session, view) && session.parameters.are_of_or_null(&self.parameters)
    }

    fn holds_but_for_values(&self, session: &Session, view: &ReadView) -> bool {
        let same = |((database, catalog), now): (&(Weak<_>, Weak<_>), &DatabaseView)| {
            std::ptr::eq(database.as_ptr(), Arc::as_ptr(now.database()))
                && std::ptr::eq(catalog.as_ptr(), Arc::as_ptr(now.shared_catalog()))
        };
        self.databases.len() == view.databases().len()
            && self.databases.iter().zip(view.databases()).all(same)
            && self.extensions == session.extensions().version()
            && self.settings == session.settings
    }
}

/// A plan without values and rows.
#[derive(Debug)]
struct Kept {
    plan: LogicalPlan,
    /// Its tables, in the order of [`tables_mut`].
    tables: Vec<KeptTable>,
}

#[derive(Debug)]
struct KeptTable {
    /// The database, by its place in the view.
    database: usize,
    id: TableId,
    rows: u64,
    /// Columns that may have NULLs and have none.
    without_nulls: Vec<usize>,
}

impl KeptTable {
    /// `None` if the table is not one of the view's, or is that of a snapshot as well as that of now.
    fn of(table: &Arc<TableSnapshot>, view: &ReadView) -> Option<Self> {
        let id = table.id();
        let is_it = |found: Arc<TableSnapshot>| Arc::ptr_eq(&found, table);
        let mut holders =
            (0..view.databases().len()).filter(|i| view.databases()[*i].table(id).is_ok_and(is_it));
        let database = holders.next().filter(|_| holders.next().is_none())?;
        // All, not just those that are read: where count(x) became count(*), x is not read.
        let columns = table.definition().columns.iter().enumerate();
        let nullable = columns.filter(|(_, c)| c.nullable).map(|(position, _)| position);
        let without_nulls = nullable.filter(|p| has_no_nulls(table, *p)).collect();
        Some(Self { database, id, rows: table.rows(), without_nulls })
    }

    /// The table as it is now, if the plan still fits it.
    fn now(&self, view: &ReadView) -> Option<Arc<TableSnapshot>> {
        let table = view.databases().get(self.database)?.table(self.id).ok()?;
        let (few, many) = (table.rows().min(self.rows), table.rows().max(self.rows));
        let fits = many <= few.saturating_mul(GROWTH).saturating_add(FEW_ROWS)
            && self.without_nulls.iter().all(|p| has_no_nulls(&table, *p));
        fits.then_some(table)
    }
}

fn has_no_nulls(table: &TableSnapshot, position: usize) -> bool {
    table.column_stats(position).is_ok_and(|s| s.null_count == 0)
}

impl PlanCache {
    /// The plan of a query for the values that its parameters have now.
    pub(in crate::sql) fn plan(
        &self,
        session: &mut Session,
        view: &ReadView,
        query: &Query,
    ) -> Result<Plan, Failure> {
        let mut state = self.query.lock();
        let cost = match &*state {
            State::Kept(basis, kept) if basis.holds(session, view) => match kept.plan(session, view)? {
                Some(plan) => return Ok(plan),
                None => None,
            },
            State::Unfit(basis) if basis.holds(session, view) => {
                return Ok(plan_now(session, view, query)?.0);
            }
            State::Ran(basis, cost) if basis.holds(session, view) => Some(*cost),
            _ => None,
        };
        let Some(basis) = Basis::of(session, view) else {
            return Ok(plan_now(session, view, query)?.0);
        };
        *state = State::New;
        let Some(cost) = cost else {
            let (plan, cost) = plan_now(session, view, query)?;
            *state = State::Ran(basis, cost);
            return Ok(plan);
        };
        if let Some(kept) = Kept::of(session, view, query, cost)
            && let Some(plan) = kept.plan(session, view)?
        {
            *state = State::Kept(basis, kept);
            return Ok(plan);
        }
        *state = State::Unfit(basis);
        Ok(plan_now(session, view, query)?.0)
    }

    /// What an INSERT of VALUES is bound to, with the values that its parameters have now, and its plan optimized. `None`
    /// if it is to be bound for its values alone.
    pub(in crate::sql) fn insert(
        &self,
        session: &mut Session,
        view: &ReadView,
        statement: &Modify,
        target: &Target,
    ) -> Option<(BoundModify, ColumnIds)> {
        let mut state = self.insert.lock();
        match &*state {
            State::Kept(basis, kept) if basis.holds_with_nulls(session, view) => {
                return kept.bound(session);
            }
            State::Unfit(basis) if basis.holds_with_nulls(session, view) => return None,
            _ => {}
        }
        let basis = Basis::of(session, view)?;
        if !matches!(&*state, State::Ran(before, _) if before.holds(session, view)) {
            *state = State::Ran(basis, 0.0);
            return None;
        }
        let Some(kept) = KeptInsert::of(session, view, statement, target) else {
            *state = State::Unfit(basis);
            return None;
        };
        let bound = kept.bound(session);
        *state = State::Kept(basis, kept);
        bound
    }
}

/// An INSERT of VALUES without those of its parameters.
#[derive(Debug)]
struct KeptInsert {
    bound: BoundModify,
    ids: ColumnIds,
}

impl KeptInsert {
    fn of(session: &mut Session, view: &ReadView, statement: &Modify, target: &Target) -> Option<Self> {
        session.parameters.set_open(true);
        let bound = session.bind(view, |binder| {
            let bound = binder.bind_modify(statement, target)?;
            let uses = binder.env.uses;
            Ok((bound, std::mem::take(&mut binder.ids), uses.moment.get(), uses.open_parameters.get()))
        });
        session.parameters.set_open(false);
        let (BoundChange::Whole(mut bound), mut ids, is_of_the_moment, parameters) = bound.ok()? else {
            return None;
        };
        if is_of_the_moment || !has_its_rows(&bound.plan) || values_of(&bound.plan) != parameters {
            return None;
        }
        bound.plan = session.optimize(bound.plan, &mut ids).ok()?;
        has_its_rows(&bound.plan).then_some(Self { bound: *bound, ids })
    }

    fn bound(&self, session: &Session) -> Option<(BoundModify, ColumnIds)> {
        let (mut bound, context) = (self.bound.clone(), session.context());
        put_values(&mut bound.plan, &session.parameters, &context)?;
        simplify_plan(&mut bound.plan, &context);
        Some((bound, self.ids.clone()))
    }
}

/// Whether a plan is of rows that it has itself.
pub(in crate::sql) fn has_its_rows(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Values { .. } | LogicalPlan::Project { .. } | LogicalPlan::Union { .. })
        && plan.inputs().into_iter().all(has_its_rows)
}

/// How many parameters of a plan are values of its rows, as they are or cast.
fn values_of(plan: &LogicalPlan) -> usize {
    let here = match plan {
        LogicalPlan::Values { rows, .. } => {
            let values = rows.iter().flatten();
            values.filter(|value| parameter::name_of(without_casts(value)).is_some()).count()
        }
        _ => 0,
    };
    here + plan.inputs().into_iter().map(values_of).sum::<usize>()
}

fn without_casts(mut expr: &Expr) -> &Expr {
    while let Expr::Cast { input, .. } = expr {
        expr = input;
    }
    expr
}

/// A plan for the values that are known, and its cost.
fn plan_now(session: &Session, view: &ReadView, query: &Query) -> Result<(Plan, f64), Failure> {
    let (plan, mut ids) = session.bind(view, |binder| statement::query_plan(binder, query))?;
    let plan = session.optimize(plan, &mut ids)?;
    let cost = cost(&plan).1;
    Ok((physical::plan(&plan)?, cost))
}

impl Kept {
    /// `None` if no plan can be kept, or none that is about as good as one of this cost. What is wrong with the statement
    /// is left to [`plan_now`] to tell.
    fn of(session: &mut Session, view: &ReadView, query: &Query, least: f64) -> Option<Self> {
        session.parameters.set_open(true);
        let bound = session.bind(view, |binder| {
            let (plan, ids) = statement::query_plan(binder, query)?;
            Ok((plan, ids, binder.env.uses.moment.get(), binder.env.uses.open_parameters.get()))
        });
        session.parameters.set_open(false);
        let (plan, mut ids, is_of_the_moment, parameters) = bound.ok()?;
        if is_of_the_moment || !can_be_kept(&plan, parameters > 0) || settled(&plan) != parameters {
            return None;
        }
        let mut plan = session.optimize(plan, &mut ids).ok()?;
        if !can_be_kept(&plan, parameters > 0) || cost(&plan).1 > 2.0 * least + FEW_ROWS as f64 {
            return None;
        }
        let mut tables = vec![];
        for table in tables_mut(&mut plan) {
            tables.push(KeptTable::of(table, view)?);
            *table = Arc::new(table.without_rows());
        }
        Some(Self { plan, tables })
    }

    /// The plan with the rows that there are now, and the values that its parameters have now; `None` if it no longer
    /// fits.
    fn plan(&self, session: &Session, view: &ReadView) -> Result<Option<Plan>, Failure> {
        let mut plan = self.plan.clone();
        for (table, kept) in tables_mut(&mut plan).into_iter().zip(&self.tables) {
            let Some(now) = kept.now(view) else { return Ok(None) };
            *table = now;
        }
        let context = session.context();
        if put_values(&mut plan, &session.parameters, &context).is_none() {
            return Ok(None);
        }
        simplify_plan(&mut plan, &context);
        Ok(Some(physical::plan(&plan)?))
    }
}

/// Whether a plan is of operators that stay what they are until definitions change. Of some, values of parameters
/// may have become part.
fn can_be_kept(plan: &LogicalPlan, has_parameters: bool) -> bool {
    let here = match plan {
        LogicalPlan::SourceGet { .. } | LogicalPlan::Write { .. } | LogicalPlan::Recursive { .. } => false,
        LogicalPlan::GapFill { .. } | LogicalPlan::Sample { .. } => !has_parameters,
        _ => true,
    };
    here && plan.inputs().into_iter().all(|input| can_be_kept(input, has_parameters))
}

/// How many parameters of a plan stand where their type alone decides what they mean.
fn settled(plan: &LogicalPlan) -> usize {
    let here: usize = plan.exprs().into_iter().map(settled_in).sum();
    here + plan.inputs().into_iter().map(settled).sum::<usize>()
}

fn settled_in(expr: &Expr) -> usize {
    let here = match expr {
        Expr::Compare { left, right, .. } => is_settled(left, right) || is_settled(right, left),
        _ => false,
    };
    usize::from(here) + expr.children().into_iter().map(settled_in).sum::<usize>()
}

/// Whether a parameter, as it is or cast, is compared with a value of rows that keeps its own type, or is an integer as
/// the parameter is.
fn is_settled(parameter: &Expr, value: &Expr) -> bool {
    let inner = without_casts(parameter);
    let is_parameter = parameter::name_of(inner).is_some();
    is_parameter
        && !is_constant(value)
        && match value {
            Expr::Cast { input, .. } => {
                inner.ty().is_integer() && input.ty().is_integer() && value.ty().is_integer()
            }
            _ => true,
        }
}

/// Puts values into the place of parameters; `None` if one cannot be what it is cast to.
fn put_values(plan: &mut LogicalPlan, parameters: &Parameters, context: &ExecContext) -> Option<()> {
    for expr in plan.exprs_mut() {
        put_in(expr, parameters, context)?;
    }
    plan.inputs_mut().into_iter().try_for_each(|input| put_values(input, parameters, context))
}

/// The same in an expression.
fn put_in(expr: &mut Expr, parameters: &Parameters, context: &ExecContext) -> Option<()> {
    if let Some(name) = parameter::name_of(expr) {
        let (value, ty) = parameters.get(name).ok()?;
        let ty = if value.is_null() { expr.ty() } else { ty };
        *expr = Expr::literal(value, ty);
        return Some(());
    }
    expr.children_mut().into_iter().try_for_each(|part| put_in(part, parameters, context))?;
    if let Expr::Cast { input, to, .. } = expr
        && matches!(**input, Expr::Literal { .. })
    {
        let ty = to.clone();
        *expr = Expr::literal(evaluate_constant(expr, context).ok()?, ty);
    }
    Some(())
}

/// The tables of a plan, always in the same order.
fn tables_mut(plan: &mut LogicalPlan) -> Vec<&mut Arc<TableSnapshot>> {
    match plan {
        LogicalPlan::TableGet { table, .. } => vec![table],
        other => other.inputs_mut().into_iter().flat_map(tables_mut).collect(),
    }
}

/// How many rows a plan's operators make, all together, by the optimizer's guess.
fn cost(plan: &LogicalPlan) -> (Estimate, f64) {
    let (inputs, costs): (Vec<_>, Vec<_>) = plan.inputs().into_iter().map(cost).unzip();
    let own = estimate_operator(plan, inputs);
    let cost = costs.iter().sum::<f64>() + own.rows;
    (own, cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::session::PreparedStatement;
    use crate::{Connection, Database, Params, params};

    fn run(connection: &Connection, prepared: &PreparedStatement, params: Params) {
        connection.run_prepared(prepared, params).unwrap().finish().unwrap();
    }

    fn is_kept(prepared: &PreparedStatement) -> bool {
        matches!(*prepared.plans.query.lock(), State::Kept(..))
            || matches!(*prepared.plans.insert.lock(), State::Kept(..))
    }

    /// The rows of a table as text.
    fn rows(connection: &Connection, table: &str) -> Vec<String> {
        let mut rows = connection.query(&format!("FROM {table}")).unwrap();
        let types: Vec<LogicalType> = rows.columns().iter().map(|field| field.ty.clone()).collect();
        let mut texts = vec![];
        while let Some(batch) = rows.next_batch() {
            let batch = batch.unwrap();
            for row in 0..batch.rows {
                let mut text = String::new();
                for (column, ty) in batch.columns.iter().zip(&types) {
                    crate::write_value(column, row, ty, &mut text).unwrap();
                    text.push('|');
                }
                texts.push(text);
            }
        }
        texts
    }

    #[test]
    fn inserts_are_kept_where_parameters_are_values() {
        let connection = Database::open_in_memory().unwrap().connect();
        connection
            .execute(
                "CREATE TABLE t(id BIGINT, small TINYINT, day DATE, price DECIMAL(5,2), name VARCHAR DEFAULT 'x');
                 CREATE TABLE k(id BIGINT PRIMARY KEY)",
            )
            .unwrap();
        let cases = [
            ("INSERT INTO t VALUES (?, ?, ?, ?, ?)", params![1, 2, "2024-01-01", 1.5, "text"], true),
            ("INSERT INTO t(id) VALUES (?) RETURNING id + 1", params![1], true),
            ("INSERT INTO t(id) VALUES (? + 1)", params![1], false),
            ("INSERT INTO t(id) VALUES (?) RETURNING id + ?", params![1, 2], false),
            ("INSERT INTO t(id) SELECT ?", params![1], false),
            ("INSERT OR IGNORE INTO k VALUES (?)", params![1], false),
            ("INSERT INTO t(id) VALUES (?)", params![None::<i64>], false),
        ];
        for (sql, params, expected) in cases {
            let table = sql.split([' ', '(']).skip_while(|word| *word != "INTO").nth(1).unwrap();
            let prepared = connection.session().parse(sql).unwrap();
            for time in 0..4 {
                run(&connection, &prepared, params.clone());
                assert_eq!(is_kept(&prepared), expected && time > 0, "{sql} with {params:?}");
            }
            if table != "k" {
                // The first was bound for its values alone.
                let rows = rows(&connection, table);
                let each = rows.len() / 4;
                assert!(rows.chunks(each).all(|rows_of_one| rows_of_one == &rows[..each]), "{sql}: {rows:?}");
            }
            connection.execute(&format!("DELETE FROM {table}")).unwrap();
        }
    }

    #[test]
    fn kept_inserts_take_other_values_and_go_with_definitions() {
        let connection = Database::open_in_memory().unwrap().connect();
        connection
            .execute("CREATE TABLE t(id TINYINT PRIMARY KEY, name VARCHAR CHECK (name <> 'no'))")
            .unwrap();
        let insert = connection.session().parse("INSERT INTO t VALUES (?, ?)").unwrap();
        let add = |id: i64, name: Option<&str>| {
            connection.run_prepared(&insert, params![id, name]).and_then(crate::StatementResult::finish)
        };
        (1..4).for_each(|id| assert_eq!(add(id, Some("a")).unwrap(), 1));
        assert!(is_kept(&insert));
        add(4, None).unwrap();
        assert!(is_kept(&insert), "NULL has any type");
        for (id, name, message) in [(300, "a", "out of range"), (5, "no", "CHECK"), (2, "a", "Duplicate key")]
        {
            let error = add(id, Some(name)).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert!(is_kept(&insert));
        connection.execute("ALTER TABLE t ADD COLUMN more BIGINT").unwrap();
        assert!(add(6, Some("a")).is_err(), "there is one value too few");
        connection.execute("ALTER TABLE t DROP COLUMN more").unwrap();
        (6..9).for_each(|id| assert_eq!(add(id, Some("b")).unwrap(), 1));
        assert!(is_kept(&insert));
        connection.execute("BEGIN").unwrap();
        add(9, Some("c")).unwrap();
        connection.execute("ROLLBACK").unwrap();
        connection.execute("CREATE OR REPLACE TABLE t(name VARCHAR, id VARCHAR)").unwrap();
        add(9, Some("c")).unwrap();
        assert_eq!(rows(&connection, "t"), ["9|c|"]);
    }

    #[test]
    fn plans_are_kept_where_parameters_are_settled() {
        let connection = Database::open_in_memory().unwrap().connect();
        connection.execute("CREATE TABLE t(id BIGINT, small TINYINT, day DATE, price DECIMAL(5,2))").unwrap();
        connection.execute("CREATE TABLE u AS SELECT range AS id FROM range(9)").unwrap();
        let cases = [
            ("SELECT * FROM t WHERE id = ?", params![1], true),
            ("SELECT * FROM t WHERE id = ?", params![1_i8], true),
            ("SELECT * FROM t WHERE small BETWEEN 1 AND ?", params![1_000], true),
            ("SELECT * FROM t WHERE day >= ?", params!["2024-01-01"], true),
            ("SELECT sum(t.id) FROM t JOIN u USING (id) WHERE u.id > ? GROUP BY day", params![1], true),
            ("SELECT * FROM t", Params::default(), true),
            ("SELECT * FROM t WHERE id IN (?, 7)", params![1], true),
            // The text would become a number, or the number a text.
            ("SELECT * FROM t WHERE id = ?", params![1.5], false),
            ("SELECT * FROM t WHERE price = ?", params![1], false),
            ("SELECT * FROM t WHERE id = ?", params![None::<i64>], false),
            ("SELECT id + ? FROM t", params![1], false),
            ("SELECT * FROM t LIMIT ?", params![1], false),
            ("SELECT * FROM t WHERE day > current_date", Params::default(), false),
            ("FROM range(?)", params![1], false),
        ];
        for (sql, params, expected) in cases {
            let prepared = connection.session().parse(sql).unwrap();
            for time in 0..4 {
                run(&connection, &prepared, params.clone());
                assert_eq!(is_kept(&prepared), expected && time > 0, "{sql} with {params:?}");
            }
        }
    }

    #[test]
    fn plans_go_with_what_they_were_made_of() {
        let connection = Database::open_in_memory().unwrap().connect();
        connection.execute("CREATE TABLE t(id BIGINT); INSERT INTO t VALUES (1)").unwrap();
        let prepared = connection.session().parse("SELECT id FROM t WHERE id > ?").unwrap();
        let kept_after = |sql: &str| {
            connection.execute(sql).unwrap();
            run(&connection, &prepared, params![1]);
            is_kept(&prepared)
        };
        kept_after("");
        assert!(kept_after(""));
        assert!(kept_after("INSERT INTO t VALUES (2)"));
        assert!(!kept_after("INSERT INTO t SELECT range FROM range(20000)"), "it is much larger");
        assert!(kept_after("DELETE FROM t WHERE id = 3"));
        assert!(!kept_after("SET threads = 1"));
        assert!(kept_after(""));
        assert!(!kept_after("CREATE TABLE other(i INTEGER)"));
        assert!(kept_after(""));
        assert!(!kept_after("INSERT INTO t VALUES (NULL)"), "the column had no NULL");
    }
}
