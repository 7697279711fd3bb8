//! The table that a statement changes.

use std::sync::Arc;

use sqlparser::ast::{Expr as Syntax, Ident, ObjectName};

use crate::catalog::{Catalog, ConstraintKind, Object, ObjectKind, SequenceRole, TableDefinition};
use crate::column::types::LogicalType;
use crate::exec::expr::{Expr, is_volatile};
use crate::exec::sinks::RowCheck;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::modify::ROW_ID_TYPE;
use crate::sql::bind::modify::generated::Rows;
use crate::sql::bind::scope::{Relation, Scope, ScopeColumn};
use crate::sql::bind::subquery::PendingSubquery;
use crate::sql::bind::{Binder, BoundQuery, Tables, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_expr;
use crate::sql::plan::{Column, Definition, LogicalPlan};
use crate::sql::session::ReadView;
use crate::table::{ROW_ID, ROW_ID_NAME, TableSnapshot};

/// The table that a statement changes, and what the statement calls it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The table.
    pub table: Arc<TableDefinition>,
    name: String,
    schema: Option<String>,
    database: Option<String>,
    /// Rows that have expired are there, too.
    with_expired: bool,
    /// Positions of identity columns, with whether values of others are refused.
    identities: Vec<(usize, bool)>,
}

impl Target {
    /// Looks a table up. `change` is what happens to it, for messages.
    pub fn find(tables: &dyn Tables, name: &ObjectName, alias: Option<&Ident>, change: &str) -> Result<Self> {
        let found = tables.names().find(ObjectKind::Table, name)?;
        if !std::ptr::eq(found.database, tables.names().focus()) {
            return Err(SqlError::catalog(format!("\"{name}\" is in another database than it was")).at(name));
        }
        let Object::Table(table) = found.object else {
            return Err(SqlError::binder(format!("Can only {change} base table")).at(name));
        };
        // One that was never refreshed may be filled with what was kept of another.
        let is_loaded = matches!(change, "insert into" | "copy into");
        if table.materialized.as_ref().is_some_and(|m| m.refreshed || !is_loaded) {
            let message = format!("Cannot {change} materialized view \"{}\"", table.name);
            return Err(SqlError::binder(message)
                .at(name)
                .hint("REFRESH MATERIALIZED VIEW makes its rows anew."));
        }
        let mut target = Self::new(Arc::clone(table), &found.schema.definition().name);
        target.database = Some(found.database.name().to_owned());
        target.identities = identity_columns(found.database.catalog(), table).collect();
        if let Some(alias) = alias {
            target.name.clone_from(&alias.value);
            (target.database, target.schema) = (None, None);
        }
        Ok(target)
    }

    /// A table under its own name.
    pub fn new(table: Arc<TableDefinition>, schema: &str) -> Self {
        Self {
            name: table.name.to_string(),
            schema: Some(schema.to_owned()),
            database: None,
            with_expired: false,
            identities: vec![],
            table,
        }
    }

    /// The schema that it is in, where the statement calls it by its name.
    pub fn schema_name(&self) -> &str {
        self.schema.as_deref().unwrap_or_default()
    }

    /// Whether it is an identity column.
    pub(super) fn is_identity(&self, position: usize) -> bool {
        self.identities.iter().any(|(p, _)| *p == position)
    }

    /// Fails if INSERT may not give a value to a column, since it is generated always.
    pub(super) fn check_inserted(&self, position: usize) -> Result<()> {
        if !self.identities.contains(&(position, true)) {
            return Ok(());
        }
        let column = &self.table.columns[position].name;
        let message = format!("cannot insert a non-DEFAULT value into column \"{column}\"");
        Err(SqlError::binder(message)
            .hint("It is GENERATED ALWAYS AS IDENTITY; use OVERRIDING SYSTEM VALUE to override."))
    }

    /// Fails if UPDATE may not give a value to a column, since it is generated always.
    pub(super) fn check_updated(&self, position: usize) -> Result<()> {
        if !self.identities.contains(&(position, true)) {
            return Ok(());
        }
        let column = &self.table.columns[position].name;
        Err(SqlError::binder(format!("column \"{column}\" can only be updated to DEFAULT")))
    }

    /// The same with rows that have expired.
    #[must_use]
    pub fn with_expired(self) -> Self {
        Self { with_expired: true, ..self }
    }

    /// Its columns as a relation of the statement.
    pub(super) fn relation(&self, columns: Vec<Column>) -> Relation {
        let mut relation = Relation::new(self.name.clone(), columns);
        relation.schema.clone_from(&self.schema);
        relation.database.clone_from(&self.database);
        for (column, definition) in relation.columns.iter_mut().zip(&self.table.columns) {
            column.role = definition.role;
        }
        relation
    }

    /// The position of a column that is given a value.
    pub(super) fn assigned(&self, name: &Ident) -> Result<usize> {
        let position = self.table.column_position(&name.value).ok_or_else(|| {
            SqlError::binder(format!("Referenced update column {} not found in table!", name.value))
                .at_span(name.span)
                .did_you_mean(&name.value, self.table.columns.iter().map(|c| &c.name))
        })?;
        if self.table.columns[position].generated.is_some() {
            return Err(SqlError::binder(format!(
                "Cant update column \"{}\" because it is a generated column!",
                self.table.columns[position].name
            ))
            .at_span(name.span));
        }
        Ok(position)
    }

    /// The positions of the columns that INSERT gives values for; all if it names none.
    pub fn inserted(&self, names: &[Ident]) -> Result<Vec<usize>> {
        let table = &self.table;
        if names.is_empty() {
            return Ok((0..table.columns.len()).filter(|i| table.columns[*i].generated.is_none()).collect());
        }
        let mut out = Vec::with_capacity(names.len());
        for name in names {
            let position = table.column_position(&name.value).ok_or_else(|| {
                SqlError::binder(format!(
                    "Table \"{}\" does not have a column with name \"{}\"",
                    table.name, name.value
                ))
                .at_span(name.span)
                .did_you_mean(&name.value, table.columns.iter().map(|c| &c.name))
            })?;
            if out.contains(&position) {
                return Err(SqlError::binder(format!("Duplicate column name \"{}\" in INSERT", name.value))
                    .at_span(name.span));
            }
            if table.columns[position].generated.is_some() {
                return Err(SqlError::binder("Cannot insert into a generated column").at_span(name.span));
            }
            out.push(position);
        }
        Ok(out)
    }
}

impl Binder<'_> {
    /// The rows of the table, with its name in the statement: the plan, its columns, and the column of row ids.
    pub(in crate::sql::bind) fn bind_target(
        &mut self,
        target: &Target,
    ) -> Result<(LogicalPlan, Relation, Column)> {
        let snapshot = self.env.tables.table(target.table.id);
        let snapshot = snapshot.map_err(|e| SqlError::new(crate::sql::SqlErrorKind::Io, e.to_string()))?;
        self.bind_target_as_of(target, snapshot)
    }

    /// As [`bind_target`](Self::bind_target), for a table of any database.
    pub(in crate::sql::bind) fn bind_target_as_of(
        &mut self,
        target: &Target,
        snapshot: Arc<TableSnapshot>,
    ) -> Result<(LogicalPlan, Relation, Column)> {
        let table = &target.table;
        let mut stored: Vec<Column> = vec![];
        let mut positions = vec![];
        for (position, column) in table.columns.iter().enumerate() {
            if !column.is_virtual() {
                positions.push(position);
                stored.push(self.ids.column(&*column.name, column.ty.clone()));
            }
        }
        let id = self.ids.column(ROW_ID_NAME, ROW_ID_TYPE);
        positions.push(ROW_ID);
        stored.push(id.clone());
        let filter = if target.with_expired {
            None
        } else {
            let all = stored.iter().filter(|column| column.id != id.id).cloned();
            self.bind_unexpired(table, &Relation::new(target.name.clone(), all.collect()))?
        };
        let plan = LogicalPlan::TableGet {
            table: snapshot,
            alias: target.name.clone(),
            positions,
            columns: stored.clone(),
            filters: filter.into_iter().collect(),
        };
        let (plan, columns) = self.add_generated(table, plan, &stored, Rows::Read)?;
        self.note_collations(table, &columns);
        let mut relation = target.relation(columns);
        relation.hidden = vec![ScopeColumn::new(id.clone())];
        Ok((plan, relation, id))
    }

    /// The default of a column, as one of its type.
    pub(super) fn bind_default(&mut self, target: &Target, position: usize) -> Result<Expr> {
        let column = &target.table.columns[position];
        let syntax = default_of(target, position)?;
        let scope = Scope::default();
        let names = match syntax {
            Syntax::Value(_) => None,
            _ => self.names_of_table(&target.table),
        };
        let bound = match names {
            Some(names) => {
                self.reading(&names, |binder| binder.bind_over(&syntax, &scope, "DEFAULT value"))?
            }
            None => self.bind_over(&syntax, &scope, "DEFAULT value")?,
        };
        coerce::assign(bound, &column.ty).map_err(|e| in_column(&column.name, e))
    }

    /// What names mean in the definition of a table in the database that the statement is about.
    pub(in crate::sql::bind) fn names_of_table(&self, table: &TableDefinition) -> Option<ReadView> {
        let names = self.env.tables.names();
        let schema = names.focus().catalog().schema_by_id(table.schema)?;
        Some(names.of_table(names.focus(), &schema.definition().name))
    }

    /// The value that a statement gives to a column.
    pub(super) fn bind_assigned(
        &mut self,
        target: &Target,
        position: usize,
        value: &Syntax,
        cx: &mut ExprContext<'_>,
    ) -> Result<Expr> {
        if is_default(value) {
            return self.bind_default(target, position);
        }
        let bound = self.bind_expr(value, cx)?;
        coerce::assign(bound, &target.table.columns[position].ty).map_err(|e| e.at(value))
    }

    /// Rows that give values for some columns of a table, as rows of all of its columns.
    pub(super) fn fill_columns(
        &mut self,
        target: &Target,
        bound: BoundQuery,
        given: &[usize],
    ) -> Result<LogicalPlan> {
        let mut definitions = vec![];
        for (position, column) in target.table.columns.iter().enumerate() {
            if column.generated.is_some() {
                continue;
            }
            let value = given.iter().position(|g| *g == position).and_then(|i| bound.columns.get(i));
            let expr = match value {
                Some(value) => {
                    coerce::assign(value.expr(), &column.ty).map_err(|e| in_column(&column.name, e))?
                }
                None => self.bind_default(target, position)?,
            };
            definitions.push(Definition { column: self.ids.column(&*column.name, column.ty.clone()), expr });
        }
        let stored: Vec<Column> = definitions.iter().map(|d| d.column.clone()).collect();
        let plan = LogicalPlan::Project { input: Box::new(bound.plan), definitions };
        Ok(self.add_generated(&target.table, plan, &stored, Rows::Written)?.0)
    }

    /// The CHECK constraints of a table, over rows of changes.
    pub(super) fn bind_checks(&mut self, target: &Target) -> Result<Vec<RowCheck>> {
        let mut checks = vec![];
        for expression in check_texts(&target.table) {
            let condition = self
                .bind_check(target, expression)
                .map_err(|e| SqlError::internal(format!("CHECK({expression}): {}", e.message)))?;
            let failure = format!(
                "CHECK constraint failed on table \"{}\" with expression CHECK({expression})",
                target.table.name
            );
            checks.push(RowCheck { condition, failure });
        }
        Ok(checks)
    }

    fn bind_check(&mut self, target: &Target, expression: &str) -> Result<Expr> {
        let scope = Target::new(Arc::clone(&target.table), "").row_scope();
        let mut cx = ExprContext::new(&scope, None, "CHECK constraint");
        cx.allow_subqueries = false;
        let syntax = parse_expr(expression)?;
        let bound = self.apart(|binder| binder.bind_expr(&syntax, &mut cx))?;
        coerce::explicit(bound, &LogicalType::Boolean, false)
    }

    /// Whether the expressions of a table's definition mean something: generated columns, CHECK, indexes.
    pub fn check_definition(&mut self, target: &Target) -> Result<()> {
        // Places in the kept texts mean nothing in the statement's.
        let no_place = |e: SqlError| SqlError { position: None, ..e };
        let table = &target.table;
        let stored: Vec<Option<Column>> = table
            .columns
            .iter()
            .map(|c| c.generated.is_none().then(|| self.ids.column(&*c.name, c.ty.clone())))
            .collect();
        let exprs = self.generated_columns(table, &stored).map_err(no_place)?;
        for (column, expr) in table.columns.iter().zip(&exprs).filter(|(column, _)| column.stored) {
            if is_volatile(expr) {
                let message =
                    format!("the expression of the stored column \"{}\" is not immutable", column.name);
                return Err(SqlError::binder(message));
            }
        }
        for expression in check_texts(table) {
            self.bind_check(target, expression).map_err(|e| {
                let column = e.message.strip_prefix("Referenced column ").and_then(|m| m.split(' ').next());
                match column {
                    Some(column) => SqlError::binder(format!(
                        "Table does not contain column {column} referenced in check constraint!"
                    )),
                    None => no_place(e),
                }
            })?;
        }
        let scope = target.row_scope();
        for key in table.indexes.iter().flat_map(|index| &index.keys) {
            self.bind_over(&parse_expr(key)?, &scope, "an index").map_err(no_place)?;
        }
        Ok(())
    }

    /// The type of an expression over the columns of a table.
    pub fn type_over(&mut self, target: &Target, expr: &Syntax, what: &str) -> Result<LogicalType> {
        Ok(self.bind_over(expr, &target.row_scope(), what)?.ty())
    }
}

fn check_texts(table: &TableDefinition) -> impl Iterator<Item = &str> {
    table.constraints.iter().filter_map(|c| match &c.kind {
        ConstraintKind::Check { expression } => Some(&**expression),
        _ => None,
    })
}

/// Subqueries of expressions, joined to the plan whose rows they are evaluated for.
pub(super) fn attach_all(plan: LogicalPlan, subqueries: Vec<PendingSubquery>) -> LogicalPlan {
    crate::sql::bind::subquery::attach(plan, subqueries)
}

/// The positions of a table's identity columns, each with whether it is GENERATED ALWAYS.
pub fn identity_columns<'c>(
    catalog: &'c Catalog,
    table: &'c TableDefinition,
) -> impl Iterator<Item = (usize, bool)> + 'c {
    // Their defaults are values of sequences: a table without such has none to look for.
    let may_have = table.columns.iter().any(|c| c.default.as_deref().is_some_and(|d| d.contains("nextval")));
    let owners = may_have.then(|| catalog.owned_sequences(table.id).filter_map(|sequence| sequence.owner));
    owners.into_iter().flatten().filter(|owner| owner.role != SequenceRole::Owned).filter_map(|owner| {
        Some((table.position_of(owner.column?)?, owner.role == SequenceRole::IdentityAlways))
    })
}

/// `DEFAULT` in place of a value.
pub(super) fn is_default(value: &Syntax) -> bool {
    matches!(value, Syntax::Identifier(i) if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"))
}

/// The syntax of a column's default; NULL if it has none.
pub(super) fn default_of(target: &Target, position: usize) -> Result<Syntax> {
    let column = &target.table.columns[position];
    parse_expr(column.default.as_deref().unwrap_or("NULL"))
        .map_err(|e| SqlError::internal(format!("the default of column \"{}\": {}", column.name, e.message)))
}

fn in_column(name: &str, e: SqlError) -> SqlError {
    SqlError { message: format!("column \"{name}\": {}", e.message), ..e }
}
