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
//!   all parameters must stand where their type alone decides ([`settled`]).
//! - Of the rows of its tables the optimizer may take for certain only which columns have no NULL
//!   (`optimize::properties`), which is looked at again, as is whether their number is of the same order. The plan has
//!   tables without their rows, so that it keeps nothing in the file.
//! - It must not be much worse than a plan for known values.
//!
//! An UPDATE, a DELETE and an INSERT whose rows are VALUES keep what they were bound to in the same way. A parameter may then
//! also be the value of a column by itself: that is cast to the column's type, whatever it is.

mod changes;
mod open_values;
mod tables;

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use sqlparser::ast::Query;

use crate::catalog::Catalog;
use crate::column::types::LogicalType;
use crate::exec::plan::Plan;
use crate::sql::ast::Modify;
use crate::sql::bind::modify::{BoundModify, Target};
use crate::sql::optimize::estimate::{Estimate, estimate_operator};
use crate::sql::optimize::simplify::simplify_plan;
use crate::sql::plan::{ColumnIds, LogicalPlan};
use crate::sql::session::databases::NamedDatabase;
use crate::sql::session::{DatabaseView, Failure, ReadView, Session, Settings};
use crate::sql::{physical, statement};
use changes::{KeptChange, Outgrown};
use open_values::{put_values, settled};
use tables::{FEW_ROWS, KeptTables};

pub(in crate::sql) use changes::has_its_rows;

/// What a prepared statement keeps, if there is something to keep.
#[derive(Debug, Default)]
pub struct PlanCache {
    query: Mutex<State<Kept>>,
    change: Mutex<State<KeptChange>>,
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
    tables: KeptTables,
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

    /// What a statement that changes rows is bound to, with the values that its parameters have now, and its plan optimized.
    /// `None` if it is to be bound for its values alone.
    pub(in crate::sql) fn change(
        &self,
        session: &mut Session,
        view: &ReadView,
        statement: &Modify,
        target: &Target,
    ) -> Option<(BoundModify, ColumnIds)> {
        let mut state = self.change.lock();
        match &*state {
            State::Kept(basis, kept) if basis.holds_with_nulls(session, view) => {
                return kept.bound(session, view).unwrap_or_else(|Outgrown| {
                    *state = State::New;
                    None
                });
            }
            State::Unfit(basis) if basis.holds_with_nulls(session, view) => return None,
            _ => {}
        }
        let basis = Basis::of(session, view)?;
        if !matches!(&*state, State::Ran(before, _) if before.holds(session, view)) {
            *state = State::Ran(basis, 0.0);
            return None;
        }
        let Some(kept) = KeptChange::of(session, view, statement, target) else {
            *state = State::Unfit(basis);
            return None;
        };
        let bound = kept.bound(session, view).ok()?;
        *state = State::Kept(basis, kept);
        bound
    }
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
        if !can_be_kept(&plan, parameters > 0) || !is_about_as_good(cost(&plan).1, least) {
            return None;
        }
        let tables = KeptTables::take(&mut plan, view)?;
        Some(Self { plan, tables })
    }

    /// The plan with the rows that there are now, and the values that its parameters have now; `None` if it no longer
    /// fits.
    fn plan(&self, session: &Session, view: &ReadView) -> Result<Option<Plan>, Failure> {
        let mut plan = self.plan.clone();
        if !self.tables.put(&mut plan, view) {
            return Ok(None);
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

/// Whether a plan of some cost may be kept, where one for known values has the other.
fn is_about_as_good(cost: f64, least: f64) -> bool {
    cost <= 2.0 * least + FEW_ROWS as f64
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
            || matches!(*prepared.plans.change.lock(), State::Kept(..))
    }

    /// Whether a statement keeps its plan from its second run on.
    fn check_kept(connection: &Connection, sql: &str, params: &Params, expected: bool) {
        let prepared = connection.session().parse(sql).unwrap();
        for time in 0..4 {
            run(connection, &prepared, params.clone());
            assert_eq!(is_kept(&prepared), expected && time > 0, "{sql} with {params:?}");
        }
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
            assert!(is_kept(&insert), "{message}");
        }
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
    fn changes_are_kept_where_parameters_are_settled() {
        let connection = Database::open_in_memory().unwrap().connect();
        connection
            .execute(
                "CREATE TABLE t(k BIGINT PRIMARY KEY, n BIGINT, small TINYINT, d DOUBLE, name VARCHAR, day DATE);
                 CREATE TABLE other(k BIGINT, n BIGINT);
                 CREATE TABLE short(k BIGINT, ts TIMESTAMP) WITH (ttl = '1d', ttl_column = ts)",
            )
            .unwrap();
        let cases = [
            ("UPDATE t SET n = ? WHERE k = ?", params![1, 2], true),
            ("UPDATE t SET n = ?, day = ? WHERE k = ?", params![1.5, "2024-01-01", 2], true),
            ("UPDATE t SET n = n + ? WHERE k = ?", params![1, 2], true),
            ("UPDATE t SET d = d * ?, name = name || ? WHERE k IN (?, 3)", params![2, "x", 2], true),
            ("UPDATE t SET n = n + 1 WHERE k > ? RETURNING n", params![1], true),
            ("UPDATE t SET n = o.n FROM other o WHERE o.k = t.k AND o.n < ?", params![1], true),
            ("UPDATE t SET n = (SELECT max(n) FROM other WHERE k > ?)", params![1], true),
            ("DELETE FROM t WHERE k = ?", params![1], true),
            ("DELETE FROM t WHERE k BETWEEN ? AND ? RETURNING *", params![1, 2], true),
            ("DELETE FROM t USING other o WHERE o.k = t.k AND o.n = ?", params![1], true),
            // The sum is of another type for a larger number.
            ("UPDATE t SET n = small + ? WHERE k = 1", params![1], false),
            ("UPDATE t SET n = d + ? WHERE k = 1", params!["1"], false),
            ("UPDATE t SET n = 1 + ? WHERE k = 1", params![1], false),
            ("UPDATE t SET n = o.x FROM (SELECT ? AS x) o", params![1], false),
            ("UPDATE t SET n = 1 WHERE k = 1 RETURNING n + ?", params![1], false),
            ("UPDATE t SET day = current_date WHERE k = ?", params![1], false),
            ("DELETE FROM short WHERE k = ?", params![1], false),
            ("WITH w AS (SELECT 1 AS k) DELETE FROM t USING w WHERE w.k = t.k", Params::default(), false),
        ];
        cases.into_iter().for_each(|(sql, params, expected)| check_kept(&connection, sql, &params, expected));
    }

    /// What is kept meets the rows that there are now, and says what is wrong with new values.
    #[test]
    fn kept_changes_are_of_the_rows_and_values_of_each_run() {
        let connection = Database::open_in_memory().unwrap().connect();
        connection
            .execute(
                "CREATE TABLE t(k TINYINT PRIMARY KEY, n INTEGER CHECK (n < 100), name VARCHAR);
                 INSERT INTO t SELECT range, 0, NULL FROM range(5)",
            )
            .unwrap();
        let prepare = |sql: &str| connection.session().parse(sql).unwrap();
        let (set, add) =
            (prepare("UPDATE t SET n = ? WHERE k = ?"), prepare("UPDATE t SET n = n + ? WHERE k < ?"));
        let (remove, rename) =
            (prepare("DELETE FROM t WHERE k = ?"), prepare("UPDATE t SET k = ? WHERE k = ?"));
        let change = |prepared: &PreparedStatement, params: Params| {
            connection.run_prepared(prepared, params).and_then(crate::StatementResult::finish)
        };
        for k in 0..5 {
            assert_eq!(change(&set, params![k * 10, k]).unwrap(), 1);
        }
        assert_eq!(change(&set, params![7, 99]).unwrap(), 0);
        assert_eq!(change(&set, params![7, 1000]).unwrap(), 0, "no TINYINT is that");
        assert_eq!(change(&set, params![7, None::<i32>]).unwrap(), 0);
        assert_eq!(change(&set, params![None::<i32>, 4]).unwrap(), 1, "NULL has any type");
        assert!(is_kept(&set));
        (0..3).for_each(|_| assert_eq!(change(&set, params![7, 99]).unwrap(), 0));
        for least in 1..4 {
            assert_eq!(change(&add, params![1, least]).unwrap(), least as u64);
        }
        assert!(is_kept(&set) && is_kept(&add));
        let sorted = || {
            let mut rows = rows(&connection, "t");
            rows.sort();
            rows
        };
        assert_eq!(sorted(), ["0|3||", "1|12||", "2|21||", "3|30||", "4|||"]);
        for (prepared, params, message, stays) in [
            (&set, params![100, 1], "CHECK", true),
            (&add, params![2_147_483_647, 9], "Overflow", true),
            // A parameter of another type is another statement.
            (&set, params![3_000_000_000_i64, 1], "out of range", false),
        ] {
            let error = change(prepared, params).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            assert_eq!(is_kept(prepared), stays, "{message}");
        }
        for k in [0, 1] {
            assert_eq!(change(&rename, params![k + 10, k]).unwrap(), 1);
        }
        assert!(change(&rename, params![3, 2]).unwrap_err().to_string().contains("Duplicate key"));
        connection.execute("BEGIN").unwrap();
        for k in [10, 11, 12] {
            assert_eq!(change(&remove, params![k]).unwrap(), u64::from(k < 12));
        }
        assert!(is_kept(&rename) && is_kept(&remove));
        connection.execute("ROLLBACK; ALTER TABLE t ADD COLUMN more BIGINT DEFAULT 5").unwrap();
        for (n, k) in [(1, 10), (2, 11), (3, 3)] {
            assert_eq!(change(&set, params![n, k]).unwrap(), 1);
        }
        assert!(is_kept(&set));
        assert_eq!(sorted(), ["10|1||5|", "11|2||5|", "2|21||5|", "3|3||5|", "4|||5|"]);
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
            ("SELECT id + ? FROM t", params![1], true),
            ("SELECT small + ? FROM t", params![1], false),
            ("SELECT * FROM t LIMIT ?", params![1], false),
            ("SELECT * FROM t WHERE day > current_date", Params::default(), false),
            ("FROM range(?)", params![1], false),
        ];
        cases.into_iter().for_each(|(sql, params, expected)| check_kept(&connection, sql, &params, expected));
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
