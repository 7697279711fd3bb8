//! INSERT.

use sqlparser::ast::{Expr as Syntax, Ident, Query, SelectItem, SetExpr, Values};

use crate::catalog::{ColumnId, ConstraintKind};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::exec::sinks::ModifySpec;
use crate::sql::ast::{ConflictAction, Insert, Overriding};
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::modify::keys::{Changes, UniqueKey, positions};
use crate::sql::bind::modify::target::{attach_all, is_default};
use crate::sql::bind::modify::{BoundChange, BoundModify, Target};
use crate::sql::bind::scope::Scope;
use crate::sql::bind::{Binder, BoundQuery, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::{Column, Definition, LogicalPlan};

/// The rows of INSERT … ON CONFLICT, before they are compared with the table.
#[derive(Debug)]
pub struct InsertRows {
    /// Rows with all columns of the table.
    pub plan: LogicalPlan,
    /// The columns that the statement gives values for.
    pub given: Vec<usize>,
    /// The keys by which rows conflict.
    pub keys: Vec<UniqueKey>,
}

impl Binder<'_> {
    pub(super) fn bind_insert(
        &mut self,
        target: &Target,
        insert: &Insert,
        returning: Option<&[SelectItem]>,
    ) -> Result<BoundChange> {
        let (bound, given) = self.bind_inserted(target, insert)?;
        let plan = self.fill_columns(target, bound, &given)?;
        let Some(conflict) = &insert.conflict else {
            return Ok(BoundChange::Whole(Box::new(self.inserted_rows(target, plan, returning)?)));
        };
        let keys = match &conflict.constraint {
            Some(name) => vec![named_key(target, name)?],
            None => conflict_keys(target, &conflict.target, &conflict.action)?,
        };
        Ok(BoundChange::Conflict(Box::new(InsertRows { plan, given, keys })))
    }

    /// Adds rows that have all columns of the table.
    pub(super) fn inserted_rows(
        &mut self,
        target: &Target,
        plan: LogicalPlan,
        returning: Option<&[SelectItem]>,
    ) -> Result<BoundModify> {
        let keys = self.bind_key_checks(target, &Changes::Insert, &|_| None, None)?;
        let returning = self.bind_returning(target, returning, None)?;
        let spec = ModifySpec {
            name: "INSERT",
            checks: self.bind_checks(target)?,
            added_keys: keys.added,
            ..ModifySpec::default()
        };
        Ok(BoundModify::new(plan, spec, true, returning, keys.checks))
    }

    /// COPY FROM: rows that give values for some columns.
    pub fn bind_copied(
        &mut self,
        target: &Target,
        bound: BoundQuery,
        given: &[usize],
    ) -> Result<BoundModify> {
        let plan = self.fill_columns(target, bound, given)?;
        self.inserted_rows(target, plan, None)
    }

    /// The given rows, and the columns that they are for.
    fn bind_inserted(&mut self, target: &Target, insert: &Insert) -> Result<(BoundQuery, Vec<usize>)> {
        let given = target.inserted(&insert.columns)?;
        let Some(source) = &insert.source else {
            // DEFAULT VALUES: one row of no values.
            let plan = LogicalPlan::Values { rows: vec![vec![]], columns: vec![] };
            return Ok((BoundQuery { plan, columns: vec![] }, vec![]));
        };
        if let Some(values) = plain_values(source) {
            return Ok((self.bind_inserted_values(target, values, insert, &given)?, given));
        }
        let bound = self.bind_query(source, None)?;
        if insert.by_name {
            let names: Vec<Ident> = bound.columns.iter().map(|c| Ident::new(c.name.clone())).collect();
            let given = target.inserted(&names).map_err(|e| e.at(&**source))?;
            return self.heed_identities(target, insert, bound, given);
        }
        if bound.columns.len() != given.len() {
            return Err(wrong_width(target, insert, given.len(), bound.columns.len()).at(&**source));
        }
        self.heed_identities(target, insert, bound, given)
    }

    /// The rows of a query without the values for identity columns that are ignored; others must be allowed.
    fn heed_identities(
        &self,
        target: &Target,
        insert: &Insert,
        mut bound: BoundQuery,
        mut given: Vec<usize>,
    ) -> Result<(BoundQuery, Vec<usize>)> {
        match insert.overriding {
            None => given.iter().try_for_each(|position| target.check_inserted(*position))?,
            Some(Overriding::System) => {}
            Some(Overriding::User) => {
                let is_kept = |position: &usize| !target.is_identity(*position);
                let mut kept = given.iter().map(is_kept);
                bound.columns.retain(|_| kept.next().unwrap_or(true));
                given.retain(is_kept);
            }
        }
        Ok((bound, given))
    }

    /// VALUES alone: each value is cast to its column's type by itself; DEFAULT is the column's.
    fn bind_inserted_values(
        &mut self,
        target: &Target,
        values: &Values,
        insert: &Insert,
        given: &[usize],
    ) -> Result<BoundQuery> {
        let width = values.rows.first().map_or(0, |r| r.content.len());
        let at = |e: SqlError, row: &[Syntax]| match row.first() {
            Some(first) => e.at(first),
            None => e,
        };
        let types: Vec<LogicalType> = given.iter().map(|&i| target.table.columns[i].ty.clone()).collect();
        let scope = Scope::default();
        let (mut rows, mut subqueries): (Vec<Vec<Expr>>, _) = (vec![], vec![]);
        for row in &values.rows {
            let row = &row.content;
            if row.len() != width {
                let entries = if width == 1 { "entry" } else { "entries" };
                let message = format!(
                    "VALUES lists must all be the same length, expected {width} {entries} but found a list with {} entries",
                    row.len()
                );
                return Err(at(SqlError::parser(message), row));
            }
            if width != given.len() {
                return Err(at(wrong_width(target, insert, given.len(), width), row));
            }
            let mut cx = ExprContext::new(&scope, None, "VALUES clause");
            let mut bound = Vec::with_capacity(width);
            for (value, &position) in row.iter().zip(given) {
                if insert.overriding == Some(Overriding::User) && target.is_identity(position) {
                    bound.push(self.bind_default(target, position)?);
                    continue;
                }
                if insert.overriding.is_none() && !is_default(value) {
                    target.check_inserted(position).map_err(|e| e.at(value))?;
                }
                bound.push(self.bind_assigned(target, position, value, &mut cx)?);
            }
            rows.push(bound);
            subqueries.push(cx.subqueries);
        }
        let columns: Vec<Column> = given
            .iter()
            .zip(&types)
            .map(|(&i, ty)| self.ids.column(&*target.table.columns[i].name, ty.clone()))
            .collect();
        if subqueries.iter().all(Vec::is_empty) {
            return Ok(BoundQuery { plan: LogicalPlan::Values { rows, columns: columns.clone() }, columns });
        }
        // Each row has subqueries of its own.
        let mut inputs = vec![];
        for (row, subqueries) in rows.into_iter().zip(subqueries) {
            let one = LogicalPlan::Values { rows: vec![vec![]], columns: vec![] };
            let definitions = row
                .into_iter()
                .zip(&columns)
                .map(|(expr, c)| Definition { column: self.ids.column(c.name.clone(), c.ty.clone()), expr })
                .collect();
            inputs.push(LogicalPlan::Project { input: Box::new(attach_all(one, subqueries)), definitions });
        }
        Ok(BoundQuery { plan: LogicalPlan::Union { inputs, columns: columns.clone() }, columns })
    }
}

fn wrong_width(target: &Target, insert: &Insert, wanted: usize, found: usize) -> SqlError {
    let table = &target.table.name;
    SqlError::binder(if insert.columns.is_empty() {
        format!("table \"{table}\" has {wanted} columns but {found} values were supplied")
    } else {
        format!(
            "Column name/value mismatch for insert on \"{table}\": expected {wanted} columns but {found} values were supplied"
        )
    })
}

/// VALUES alone, whose literals take the types of the columns one by one.
pub fn plain_values(query: &Query) -> Option<&Values> {
    match &*query.body {
        SetExpr::Values(values)
            if query.with.is_none()
                && query.order_by.is_none()
                && query.limit_clause.is_none()
                && query.fetch.is_none() =>
        {
            Some(values)
        }
        _ => None,
    }
}

/// The key of the constraint or unique index of that name. One without a name has that which PostgreSQL gives it:
/// `t_pkey`, `t_a_b_key`.
fn named_key(target: &Target, name: &Ident) -> Result<UniqueKey> {
    let table = &target.table;
    let is_it = |given: &str| given.eq_ignore_ascii_case(&name.value);
    let names = |ids: &[ColumnId]| -> Vec<&str> {
        positions(table, ids).into_iter().map(|position| &*table.columns[position].name).collect()
    };
    let of_constraints =
        table.constraints.iter().find_map(|constraint| match (&constraint.kind, &constraint.name) {
            (ConstraintKind::Unique { columns, .. }, Some(given)) => is_it(given).then(|| columns.clone()),
            (ConstraintKind::Unique { columns, primary: true }, None) => {
                is_it(&format!("{}_pkey", table.name)).then(|| columns.clone())
            }
            (ConstraintKind::Unique { columns, primary: false }, None) => {
                is_it(&format!("{}_{}_key", table.name, names(columns).join("_"))).then(|| columns.clone())
            }
            _ => None,
        });
    let of_indexes = || {
        let index = table.indexes.iter().find(|index| index.unique && is_it(&index.name))?;
        table.key_of_index(index).map(Vec::from)
    };
    let columns = of_constraints.or_else(of_indexes).map(|ids| {
        let mut columns = positions(table, &ids);
        columns.sort_unstable();
        columns
    });
    let same = |key: &UniqueKey| {
        columns.as_ref().is_some_and(|columns| {
            key.columns.len() == columns.len() && key.columns.iter().all(|c| columns.contains(c))
        })
    };
    UniqueKey::all(table)?.into_iter().find(same).ok_or_else(|| {
        let message = format!("constraint \"{}\" for table \"{}\" does not exist", name.value, table.name);
        SqlError::binder(message).at_span(name.span)
    })
}

/// The keys by which rows conflict with the table.
fn conflict_keys(target: &Target, names: &[Ident], action: &ConflictAction) -> Result<Vec<UniqueKey>> {
    let keys = UniqueKey::all(&target.table)?;
    if names.is_empty() {
        return match (action, keys.len()) {
            (_, 0) => Err(SqlError::binder(
                "There are no UNIQUE/PRIMARY KEY constraints that refer to this table, specify ON CONFLICT columns manually",
            )),
            (ConflictAction::Nothing, _) | (_, 1) => Ok(keys),
            _ => Err(SqlError::binder(
                "Conflict target has to be provided for a DO UPDATE operation when the table has multiple UNIQUE/PRIMARY KEY constraints",
            )),
        };
    }
    let mut positions = vec![];
    for name in names {
        positions.push(target.table.column_position(&name.value).ok_or_else(|| {
            SqlError::binder(format!(
                "Table \"{}\" does not have a column with name \"{}\"",
                target.table.name, name.value
            ))
            .at_span(name.span)
            .did_you_mean(&name.value, target.table.columns.iter().map(|c| &c.name))
        })?);
    }
    positions.sort_unstable();
    positions.dedup();
    let same = |key: &UniqueKey| {
        key.columns.len() == positions.len() && key.columns.iter().all(|c| positions.contains(c))
    };
    match keys.into_iter().find(same) {
        Some(key) => Ok(vec![key]),
        None => Err(SqlError::binder(
            "The specified columns as conflict target are not referenced by a UNIQUE/PRIMARY KEY CONSTRAINT or INDEX",
        )
        .at_span(names[0].span)),
    }
}

/// A literal NULL of a type.
pub(super) fn null(ty: &LogicalType) -> Expr {
    coerce::cast(Expr::literal(Scalar::Null, LogicalType::Null), ty)
}
