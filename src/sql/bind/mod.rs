//! The binder: from syntax to a logical plan. It resolves names, finds types, makes implicit casts
//! explicit, chooses functions, and turns subqueries into joins.
//!
//! A query is bound from the inside out: FROM gives a plan and a [`Scope`]; each clause binds its expressions
//! in that scope (`expr`, `functions`, `subquery`) and puts an operator on the plan (`select`, `query`).
//! Expressions refer to columns by ids that are unique in the statement. A column of an enclosing query
//! is simply an id that the subquery's own plan does not make.

pub mod aggregate;
mod as_of;
mod builtin_macros;
pub mod coerce;
pub mod collation;
mod column_ref;
mod columns;
mod cte;
mod describe;
mod domain;
mod every;
pub mod expiry;
mod expr;
mod from;
mod full_join;
mod functions;
mod gaps;
mod grouping;
mod groups;
mod histogram;
mod join;
mod lambda;
mod literal;
pub mod macros;
pub mod modify;
pub mod name;
mod needs;
mod operator;
mod order;
mod pivot;
mod presence;
mod query;
mod query_functions;
pub mod scope;
mod select;
pub mod series;
pub mod series_aggregate;
mod series_form;
pub use builtin_macros::BUILTIN_MACROS;
pub use functions::own_functions;
pub mod session_functions;
mod set_operation;
mod special_form;
mod star;
mod subquery;
mod switch;
mod table_function;
mod time_in;
pub mod types;
mod unnest;
mod using_key;
mod variants;
mod window;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem::swap;
use std::rc::Rc;
use std::sync::Arc;

use sqlparser::ast::{self, Ident, ObjectName};

use crate::catalog::{Catalog, MAIN_SCHEMA, Namespace, Object, TableId, TypeDefinition, ViewDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::context::ExecContext;
use crate::exec::eval::evaluate_constant;
use crate::exec::expr::Expr;
use crate::exec::source::Source;
use crate::sql::bind::cte::{Cte, Frame};
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::scope::Scope;
use crate::sql::error::{Result, SqlError, SqlErrorKind};
use crate::sql::extensions::Extensions;
use crate::sql::external::Formats;
use crate::sql::plan::{Column, ColumnId, ColumnIds, LogicalPlan};
use crate::sql::session::{
    Activity, Parameters, PreparedStatements, ReadView, Settings, StatementIdentity, Variables,
};
use crate::table::TableSnapshot;

/// Tables as of the statement's snapshot.
pub trait Tables {
    /// The definitions in the database that the statement is about.
    fn catalog(&self) -> &Catalog;
    /// The table of that database with that id.
    fn table(&self, id: TableId) -> Result<Arc<TableSnapshot>, crate::table::TableError>;
    /// All databases, in which names are looked up.
    fn names(&self) -> &ReadView;
}

/// What a statement is bound against.
#[derive(Clone, Copy)]
pub struct Environment<'e> {
    /// What exists.
    pub tables: &'e dyn Tables,
    /// Files of outside formats.
    pub formats: &'e dyn Formats,
    /// The session's settings.
    pub settings: &'e Settings,
    /// The time that `now()` gives, in microseconds since the epoch.
    pub now_micros: i64,
    /// For evaluating constants.
    pub context: &'e ExecContext,
    /// Values of the statement's parameters.
    pub parameters: &'e Parameters,
    /// Variables of the session.
    pub variables: &'e Variables,
    /// What runs and ran.
    pub activity: &'e Activity,
    /// What is bound is a view of which the columns are listed. Listings within it know no columns of views, since
    /// the view may be over the very listing.
    pub listing: bool,
    /// What the program adds.
    pub extensions: &'e Extensions,
    /// Notes what the statement's meaning depends on.
    pub uses: &'e Uses,
    /// What PREPARE has kept.
    pub prepared: &'e PreparedStatements,
    /// CTEs whose rows are there already.
    pub kept: &'e [KeptRows],
    /// What is bound is part of this statement.
    pub statement: &'e StatementIdentity,
}

/// The rows of a CTE that was computed before the statement.
#[derive(Debug, Clone)]
pub struct KeptRows {
    /// The name of the CTE, at its place in the text.
    pub name: Ident,
    /// Its rows.
    pub rows: Arc<dyn Source>,
}

/// What else than definitions and settings a bound statement depends on.
#[derive(Debug, Default)]
pub struct Uses {
    /// It holds for this moment only: the time, a variable or what tables have in them has become part of it.
    pub moment: Cell<bool>,
    /// How many of its expressions are parameters whose values come later.
    pub open_parameters: Cell<usize>,
    /// Rows may be asked for FOR UPDATE: whoever asks sees to it that they stay as they are.
    pub may_lock: Cell<bool>,
}

/// Expressions nested more deeply are refused: all that comes behind the binder recurses as deep.
const EXPRESSION_DEPTH_MAX: usize = 1_000;
/// Queries, views and joins nested more deeply are refused.
const QUERY_DEPTH_MAX: usize = 200;
/// Table references of one statement, those of views and CTEs counted each time they are used.
const TABLES_MAX: usize = 10_000;

/// Binds one statement.
pub struct Binder<'e> {
    /// What it is bound against.
    pub env: Environment<'e>,
    /// Ids of the statement's columns.
    pub ids: ColumnIds,
    /// Common table expressions that can be seen.
    ctes: Option<Rc<Cte>>,
    /// CTEs that were bound, by the query that they belong to, and which query that is now.
    frames: Vec<Frame>,
    frame: usize,
    query_depth: usize,
    expr_depth: usize,
    tables: usize,
    /// Expressions bound by expanding aliases; bounds what aliases of aliases can blow up to.
    alias_nodes: usize,
    alias_depth: usize,
    /// How many macros are being bound in each other, and how many were in all.
    macro_depth: usize,
    /// Calls in subqueries that are about the rows of a query around, which has not taken them yet.
    outer_calls: Vec<aggregate::OuterCall>,
    macro_calls: usize,
    /// The views that are being bound in each other.
    views: Vec<Arc<ViewDefinition>>,
    /// What the texts of columns compare by that have a collation.
    collations: HashMap<ColumnId, Expr>,
    /// Whether a PIVOT without a list of values was bound: its columns are those of this moment.
    pub pivots_on_data: bool,
    /// The call of `time_bucket_gapfill` of the SELECT that is being bound.
    gap_filled: Option<gaps::GapFilled>,
    /// The SELECT that is being bound counts the rows of one of its tables.
    counts_rows: bool,
}

/// A bound query: its plan and its columns, in order. The plan may yield more.
#[derive(Debug)]
pub struct BoundQuery {
    /// The plan.
    pub plan: LogicalPlan,
    /// The columns.
    pub columns: Vec<Column>,
}

impl<'e> Binder<'e> {
    /// A binder for one statement.
    pub fn new(env: Environment<'e>) -> Self {
        Self {
            env,
            ids: ColumnIds::default(),
            ctes: None,
            frames: vec![],
            frame: 0,
            query_depth: 0,
            expr_depth: 0,
            tables: 0,
            alias_nodes: 0,
            alias_depth: 0,
            macro_depth: 0,
            outer_calls: vec![],
            macro_calls: 0,
            views: vec![],
            collations: HashMap::new(),
            gap_filled: None,
            pivots_on_data: false,
            counts_rows: false,
        }
    }

    /// Binds something whose names mean what they do there, as part of the statement.
    fn reading<T>(&mut self, names: &ReadView, bind: impl FnOnce(&mut Binder<'_>) -> T) -> T {
        let mut other = Binder::new(Environment { tables: names, ..self.env });
        self.swap_progress(&mut other);
        let bound = bind(&mut other);
        self.swap_progress(&mut other);
        bound
    }

    /// Swaps all but what they bind against.
    fn swap_progress(&mut self, other: &mut Binder<'_>) {
        let Self {
            env: _,
            ids,
            ctes,
            frames,
            frame,
            query_depth,
            expr_depth,
            tables,
            alias_nodes,
            alias_depth,
            macro_depth,
            outer_calls,
            macro_calls,
            views,
            collations,
            gap_filled,
            pivots_on_data,
            counts_rows,
        } = self;
        swap(ids, &mut other.ids);
        swap(ctes, &mut other.ctes);
        swap(frames, &mut other.frames);
        swap(frame, &mut other.frame);
        swap(query_depth, &mut other.query_depth);
        swap(expr_depth, &mut other.expr_depth);
        swap(tables, &mut other.tables);
        swap(alias_nodes, &mut other.alias_nodes);
        swap(alias_depth, &mut other.alias_depth);
        swap(macro_depth, &mut other.macro_depth);
        swap(outer_calls, &mut other.outer_calls);
        swap(macro_calls, &mut other.macro_calls);
        swap(views, &mut other.views);
        swap(collations, &mut other.collations);
        swap(pivots_on_data, &mut other.pivots_on_data);
        swap(gap_filled, &mut other.gap_filled);
        swap(counts_rows, &mut other.counts_rows);
    }

    /// Binds a whole query; the plan yields exactly its columns.
    pub fn bind_statement_query(&mut self, query: &ast::Query) -> Result<LogicalPlan> {
        let bound = self.bind_query(query, None)?;
        Ok(bound.into_plan())
    }

    /// Binds an expression that has no columns and computes it.
    pub fn bind_constant(&mut self, expr: &ast::Expr, what: &str) -> Result<(Scalar, LogicalType)> {
        let scope = Scope::default();
        let mut cx = ExprContext::new(&scope, None, what);
        cx.allow_subqueries = false;
        let bound = self.bind_expr(expr, &mut cx)?;
        let value = self.evaluate(&bound).map_err(|e| e.at(expr))?;
        Ok((value, bound.ty()))
    }

    /// Binds an expression that has no columns, as a value of the given type.
    pub fn bind_constant_as(&mut self, expr: &ast::Expr, ty: &LogicalType, what: &str) -> Result<Scalar> {
        let scope = Scope::default();
        let mut cx = ExprContext::new(&scope, None, what);
        cx.allow_subqueries = false;
        let bound = self.bind_expr(expr, &mut cx)?;
        let bound = coerce::assign(bound, ty).map_err(|e| e.at(expr))?;
        self.evaluate(&bound).map_err(|e| e.at(expr))
    }

    /// The value of an expression without columns.
    fn evaluate(&self, expr: &Expr) -> Result<Scalar> {
        if let Expr::Literal { value, .. } = expr {
            return Ok(value.clone());
        }
        evaluate_constant(expr, self.env.context).map_err(|e| SqlError::from_exec(&e))
    }

    /// The type that a name stands for, one that was given its name by CREATE TYPE among them.
    pub fn bind_type(&self, ty: &ast::DataType) -> Result<LogicalType> {
        let (bound, domain) = self.bind_type_or_domain(ty)?;
        match domain {
            None => Ok(bound),
            Some(named) => Err(only_of_columns(&named)),
        }
    }

    /// The same, where it may be a domain.
    pub fn bind_type_or_domain(
        &self,
        ty: &ast::DataType,
    ) -> Result<(LogicalType, Option<Arc<TypeDefinition>>)> {
        let domain = RefCell::new(None);
        let bound = types::bind_type_with(ty, &|name| match self
            .env
            .tables
            .names()
            .lookup(Namespace::Type, name)
            .ok()??
            .object
        {
            Object::Type(definition) => {
                if definition.domain.is_some() {
                    *domain.borrow_mut() = Some(Arc::clone(definition));
                }
                Some(definition.ty.clone())
            }
            _ => None,
        })?;
        match domain.into_inner() {
            Some(named) if !matches!(ty, ast::DataType::Custom(..)) => Err(only_of_columns(&named)),
            domain => Ok((bound, domain)),
        }
    }

    /// Binds an expression over the columns of one relation: a column's default, the condition of a write.
    pub fn bind_over(&mut self, expr: &ast::Expr, scope: &Scope, what: &str) -> Result<Expr> {
        let mut cx = ExprContext::new(scope, None, what);
        cx.allow_subqueries = false;
        self.apart(|binder| binder.bind_expr(expr, &mut cx))
    }
}

fn only_of_columns(named: &TypeDefinition) -> SqlError {
    let message =
        format!("domain \"{}\" can be the type of a column or of a cast, and no part of a type", named.name);
    SqlError::unsupported(message)
}

impl BoundQuery {
    /// A plan that yields exactly the query's columns, in order and under their names.
    pub fn into_plan(self) -> LogicalPlan {
        let yielded = self.plan.columns();
        if yielded == self.columns {
            return self.plan;
        }
        let mut taken = std::collections::HashSet::new();
        debug_assert!(
            self.columns.iter().all(|c| taken.insert(c.id)),
            "output columns have ids of their own"
        );
        let definitions = self.columns.into_iter().map(crate::sql::plan::Definition::pass).collect();
        LogicalPlan::Project { input: Box::new(self.plan), definitions }
    }
}

/// The value as one for a column of that type.
pub fn coerce_assign(expr: Expr, ty: &LogicalType) -> Result<Expr> {
    coerce::assign(expr, ty)
}

/// A name of up to two parts: schema and object. A third, the database, is accepted if it is ours.
pub fn object_name(name: &ObjectName) -> Result<(Option<&Ident>, &Ident)> {
    let parts: Option<Vec<&Ident>> = name.0.iter().map(ast::ObjectNamePart::as_ident).collect();
    match parts.as_deref() {
        Some([object]) => Ok((None, object)),
        Some([schema, object]) => Ok((Some(schema), object)),
        _ => Err(SqlError::binder(format!("\"{name}\" has more parts than a schema and a name")).at(name)),
    }
}

/// The schema of a name, or the one that is meant without any.
pub fn schema_or_main(schema: Option<&Ident>) -> &str {
    schema.map_or(MAIN_SCHEMA, |s| &s.value)
}

impl SqlError {
    /// An error of a constant that was computed while binding.
    pub fn from_exec(e: &crate::exec::error::ExecError) -> Self {
        use crate::exec::error::ExecError as E;
        let (kind, message) = match e {
            E::Conversion(m) => (SqlErrorKind::Conversion, m.clone()),
            E::OutOfRange(m) => (SqlErrorKind::OutOfRange, m.clone()),
            E::InvalidInput(m) => (SqlErrorKind::InvalidInput, m.clone()),
            E::Unsupported(m) => (SqlErrorKind::Unsupported, m.clone()),
            E::Io(m) => (SqlErrorKind::Io, m.clone()),
            other => (SqlErrorKind::Internal, other.to_string()),
        };
        Self::new(kind, message)
    }

    /// An error of the catalog, which says the kind itself.
    pub fn from_catalog(e: &crate::catalog::CatalogError) -> Self {
        let text = e.to_string();
        let (kind, message) = match text.strip_prefix("Catalog Error: ") {
            Some(rest) => (SqlErrorKind::Catalog, rest.to_owned()),
            None => match text.strip_prefix("Dependency Error: ") {
                Some(rest) => (SqlErrorKind::Dependency, rest.to_owned()),
                None => (SqlErrorKind::Io, text),
            },
        };
        Self::new(kind, message)
    }
}
