//! FROM: tables, views, files, subqueries. Joins and table functions are bound next door (`join`, `table_function`).

use std::sync::Arc;

use sqlparser::ast::{self, Ident, ObjectName, TableAlias, TableFactor, TableWithJoins};

use crate::catalog::{Namespace, Object, ObjectKind, TableDefinition, ViewDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::source::Source;
use crate::sql::bind::cte::Cte;
use crate::sql::bind::modify::Target;
use crate::sql::bind::name::function_name;
use crate::sql::bind::scope::{Outer, Relation, Scope, ScopeColumn, make_unique};
use crate::sql::bind::table_function::first_argument;
use crate::sql::bind::{Binder, BoundQuery, TABLES_MAX};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms::{self, SampleSyntax};
use crate::sql::parser::{factor_query, parse_query};
use crate::sql::plan::{Column, JoinType, LogicalPlan, Sample, SampleMethod, SampleSize};
use crate::sql::reserved::check_name;
use crate::sql::session::{DatabaseView, FoundObject, SYSTEM_DATABASE, parts};
use crate::sql::sources::SystemView;
use crate::sql::stack;

/// A plan and the names of its columns.
#[derive(Debug)]
pub(super) struct Bound {
    pub plan: LogicalPlan,
    pub scope: Scope,
}

impl Binder<'_> {
    /// Binds the tables of FROM; without any, the plan yields one row without columns.
    pub(super) fn bind_from(&mut self, from: &[TableWithJoins], outer: Option<&Outer<'_>>) -> Result<Bound> {
        let mut all: Option<Bound> = None;
        for table in from {
            let left = all.take();
            let right = self.bind_table_with_joins(table, left.as_ref().map(|l| &l.scope), outer)?;
            all = Some(match left {
                None => right,
                Some(left) => self.join(left, right, JoinType::Inner, vec![])?,
            });
        }
        Ok(all.unwrap_or_else(|| Bound {
            plan: LogicalPlan::Values { rows: vec![vec![]], columns: vec![] },
            scope: Scope::default(),
        }))
    }

    /// Binds the tables of a FROM behind one that is bound already.
    pub(super) fn bind_from_behind(&mut self, first: Bound, from: &[TableWithJoins]) -> Result<Bound> {
        let mut all = first;
        for table in from {
            let right = self.bind_table_with_joins(table, Some(&all.scope), None)?;
            all = self.join(all, right, JoinType::Inner, vec![])?;
        }
        Ok(all)
    }

    pub(super) fn bind_factor(
        &mut self,
        factor: &TableFactor,
        before: Option<&Scope>,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        self.tables += 1;
        if self.tables > TABLES_MAX {
            return Err(
                SqlError::binder(format!("the statement uses more than {TABLES_MAX} tables")).at(factor)
            );
        }
        let visible = before.map(|scope| Outer { scope, parent: outer, aliases: None });
        let lateral = visible.as_ref().or(outer);
        match factor {
            TableFactor::Table {
                name, alias, args, with_hints, version, with_ordinality, sample, ..
            } => {
                if version.is_some() || !with_hints.is_empty() {
                    return Err(
                        SqlError::unsupported("this form of a table reference is not supported").at(name)
                    );
                }
                let bound = match args {
                    Some(args) => match self.bind_table_macro(name, &args.args, lateral)? {
                        Some(bound) => derived(&function_name(name), bound, None),
                        None => self.bind_table_function(name, &args.args, *with_ordinality, lateral)?,
                    },
                    None if *with_ordinality => {
                        return Err(SqlError::parser("WITH ORDINALITY is for table functions").at(name));
                    }
                    // Other than a subquery, a name sees no tables to its left.
                    None => self.bind_table(name, outer)?,
                };
                self.sampled(with_alias(bound, alias.as_ref())?, sample.as_ref())
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                let bound = self.bind_table_function(name, args, *with_ordinality, lateral)?;
                with_alias(bound, alias.as_ref())
            }
            TableFactor::Derived { subquery, alias, sample, .. } => {
                let bound = self.bind_query(subquery, lateral)?;
                self.sampled(with_alias(derived("", bound, alias.as_ref()), alias.as_ref())?, sample.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let bound = self.bind_table_with_joins(table_with_joins, before, outer)?;
                match alias {
                    None => Ok(bound),
                    Some(_) => {
                        let columns = bound.scope.star().map(|c| c.column.clone()).collect();
                        with_alias(
                            Bound { plan: bound.plan, scope: Scope::of(Relation::new("", columns)) },
                            alias.as_ref(),
                        )
                    }
                }
            }
            TableFactor::Pivot { table, aggregate_functions, alias, .. } => {
                let source = factor_query((**table).clone())?;
                let body = aggregate_functions.first().map(|f| &f.expr);
                let Some(pivot) = body.and_then(first_argument).and_then(forms::pivot) else {
                    return Err(SqlError::parser("syntax error: PIVOT needs its parentheses behind it"));
                };
                let bound = self.bind_pivot(&pivot, &source, lateral)?;
                with_alias(derived("", bound, alias.as_ref()), alias.as_ref())
            }
            TableFactor::Unpivot { table, value, null_inclusion, alias, .. } => {
                let source = factor_query((**table).clone())?;
                let Some(mut unpivot) = forms::unpivot(value) else {
                    return Err(SqlError::parser("syntax error: UNPIVOT needs its parentheses behind it"));
                };
                unpivot.include_nulls = *null_inclusion == Some(ast::NullInclusion::IncludeNulls);
                let bound = self.bind_unpivot(&unpivot, &source, lateral)?;
                with_alias(derived("", bound, alias.as_ref()), alias.as_ref())
            }
            _ => Err(SqlError::unsupported("this form of a table reference is not supported").at(factor)),
        }
    }

    /// A sample of a table.
    fn sampled(&mut self, bound: Bound, sample: Option<&ast::TableSampleKind>) -> Result<Bound> {
        let sample = match sample {
            None => return Ok(bound),
            Some(
                ast::TableSampleKind::AfterTableAlias(sample)
                | ast::TableSampleKind::BeforeTableAlias(sample),
            ) => sample,
        };
        let syntax = sample.quantity.as_ref().and_then(|q| forms::sample(&q.value));
        let Some(syntax) = syntax else {
            return Err(SqlError::parser("syntax error in a TABLESAMPLE"));
        };
        let sample = self.bind_sample(&syntax)?;
        Ok(Bound { plan: LogicalPlan::Sample { input: Box::new(bound.plan), sample }, scope: bound.scope })
    }

    /// What a sample takes.
    pub(super) fn bind_sample(&mut self, syntax: &SampleSyntax<'_>) -> Result<Sample> {
        let number = self.bind_constant_as(syntax.size, &LogicalType::Double, "SAMPLE")?;
        let Scalar::Float(number) = number else {
            return Err(SqlError::parser("the size of a sample cannot be NULL").at(syntax.size));
        };
        let size = if syntax.percent {
            if !(0.0..=100.0).contains(&number) {
                return Err(SqlError::parser(format!(
                    "Sample sample_size {number:.6} out of range, must be between 0 and 100"
                ))
                .at(syntax.size));
            }
            SampleSize::Percent(number)
        } else {
            if number < 0.0 {
                return Err(SqlError::parser(format!(
                    "Sample rows {number:.0} out of range, must be bigger than or equal to 0"
                ))
                .at(syntax.size));
            }
            SampleSize::Rows(number as u64)
        };
        let method = match syntax.method {
            None if syntax.percent => SampleMethod::System,
            None | Some("reservoir") => SampleMethod::Reservoir,
            Some("bernoulli") => SampleMethod::Bernoulli,
            Some("system") => SampleMethod::System,
            Some(other) => {
                return Err(SqlError::parser(format!(
                    "Unrecognized sampling method {other}, expected system, bernoulli or reservoir"
                ))
                .at(syntax.size));
            }
        };
        if !syntax.percent && method == SampleMethod::Bernoulli {
            return Err(SqlError::parser(
                "Sample method Bernoulli cannot be used with a discrete sample count, either switch to reservoir sampling or use a sample_size",
            )
            .at(syntax.size));
        }
        let seed = match syntax.seed {
            None => None,
            Some(seed) => match self.bind_constant_as(seed, &LogicalType::BigInt, "REPEATABLE")? {
                Scalar::Int(seed) => Some(seed as u64),
                _ => None,
            },
        };
        Ok(Sample { size, method, seed })
    }

    // --- names ---

    fn bind_table(&mut self, name: &ObjectName, outer: Option<&Outer<'_>>) -> Result<Bound> {
        let parts = parts(name)?;
        let Some((object, qualifier)) = parts.split_last() else {
            return Err(SqlError::internal("a name is empty"));
        };
        let schema = qualifier.last().copied();
        if let Some(snapshot) = qualifier.first().filter(|first| first.quote_style == Some(forms::MARK)) {
            return self.bind_as_of(snapshot, &ObjectName(name.0[1..].to_vec()));
        }
        if schema.is_some_and(|s| s.value.eq_ignore_ascii_case("recurring"))
            && let Some(bound) = self.bind_recurring(object)
        {
            return Ok(bound);
        }
        if qualifier.is_empty()
            && object.quote_style != Some('\'')
            && let Some(cte) = Cte::find(self.ctes.as_ref(), &object.value)
        {
            return self.bind_cte(&cte, object, outer);
        }
        let tables = self.env.tables;
        let names = tables.names();
        if let Some(found) = names.lookup(Namespace::Relation, name)? {
            return match found.object {
                Object::Table(table) => self.bind_stored_table(table, found),
                Object::View(view) => self.bind_view(view, found),
                other => Err(SqlError::internal(format!("{} in FROM", other.kind()))),
            };
        }
        if let Some(view) = system_view(qualifier, object) {
            return self.bind_system_view(view);
        }
        if qualifier.is_empty()
            && let Some(table) = self.env.extensions.table(&object.value)
        {
            return Ok(self.source(table, &object.value));
        }
        if qualifier.is_empty() && self.env.formats.is_file_name(&object.value) {
            return self.bind_file(&object.value, object);
        }
        let error = names.not_found(ObjectKind::Table, name);
        if let Some(hint) = self.meant_file(&parts) {
            return Err(error.hint(hint));
        }
        if error.message.contains("Did you mean") {
            return Err(error);
        }
        Err(error.did_you_mean(&object.value, Cte::names(self.ctes.as_ref())))
    }

    /// What to write where the name of a table that is not there looks like that of a file.
    fn meant_file(&self, parts: &[&Ident]) -> Option<String> {
        let names: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        let path = names.join(".");
        let quoted = path.replace('\'', "''");
        if parts.len() > 1 && self.env.formats.is_file_name(&path) {
            return Some(format!("The name of a file is in quotes: FROM '{quoted}'."));
        }
        let is_database = path.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("flux"));
        is_database.then(|| format!("The tables of a database are there after ATTACH '{quoted}'."))
    }

    /// A table or view of the database of which something is a snapshot, as of then.
    fn bind_as_of(&mut self, snapshot: &Ident, name: &ObjectName) -> Result<Bound> {
        let names = self.env.tables.names();
        let is_it =
            |d: &&DatabaseView| d.database().is_frozen() && d.name().eq_ignore_ascii_case(&snapshot.value);
        let Some(then) = names.databases().iter().find(is_it) else {
            let message = format!("there is no snapshot \"{}\"; CREATE SNAPSHOT makes one", snapshot.value);
            return Err(SqlError::binder(message).at_span(snapshot.span));
        };
        let names = names.as_of(then);
        match names.lookup(Namespace::Relation, name)? {
            Some(found) if found.database.is_live_of(then) || found.database.name() == then.name() => {}
            Some(found) => {
                let (name, other) = (found.object.name(), found.database.name());
                let message = format!(
                    "\"{name}\" is in the database \"{other}\", of which \"{}\" is no snapshot",
                    snapshot.value
                );
                return Err(SqlError::binder(message).at_span(snapshot.span));
            }
            None => return Err(names.not_found(ObjectKind::Table, name)),
        }
        // A name that has another meaning in the statement has it for tables of now.
        let ctes = self.ctes.take();
        let bound = self.reading(&names, |binder| binder.bind_table(name, None));
        self.ctes = ctes;
        bound
    }

    fn bind_stored_table(&mut self, table: &Arc<TableDefinition>, found: FoundObject<'_>) -> Result<Bound> {
        let target = Target::new(Arc::clone(table), &found.schema.definition().name);
        let snapshot = found.database.table(table.id);
        let snapshot = snapshot.map_err(|e| SqlError::new(crate::sql::SqlErrorKind::Io, e.to_string()))?;
        let (plan, mut relation, _) = self.bind_target_as_of(&target, snapshot)?;
        relation.database = Some(found.database.name().to_owned());
        Ok(Bound { plan, scope: Scope::of(relation) })
    }

    fn bind_view(&mut self, view: &Arc<ViewDefinition>, found: FoundObject<'_>) -> Result<Bound> {
        // Places in the view's text mean nothing in the statement's.
        let inside = |mut e: SqlError| {
            e.message = format!("in view \"{}\": {}", view.name, e.message);
            e.position = None;
            e
        };
        let tokens = crate::sql::parser::tokens(&view.query).map_err(inside)?;
        if !stack::Size::of(&tokens).fits_beside_another() {
            return Err(inside(SqlError::unsupported("the view's query is too big")));
        }
        let query = parse_query(&view.query).map_err(inside)?;
        let view = &Arc::clone(view);
        if self.views.iter().any(|other| Arc::ptr_eq(other, view)) {
            return Err(SqlError::binder(format!(
                "infinite recursion detected: attempting to recursively bind view \"{}\"",
                view.name
            )));
        }
        // A view sees no CTEs of the statement that uses it.
        let ctes = self.ctes.take();
        self.views.push(Arc::clone(view));
        let bound = match self.env.tables.names().within(found.database, &found.schema.definition().name) {
            Some(names) => self.reading(&names, |binder| binder.bind_query(&query, None)),
            None => self.bind_query(&query, None),
        };
        let bound = bound.map_err(inside);
        self.views.pop();
        self.ctes = ctes;
        let mut bound = derived(&view.name, bound?, None);
        let relation = &mut bound.scope.relations[0];
        relation.schema = Some(found.schema.definition().name.to_string());
        relation.database = Some(found.database.name().to_owned());
        for (column, name) in relation.columns.iter_mut().zip(&view.column_names) {
            column.column.name = name.to_string();
        }
        Ok(bound)
    }

    fn bind_file(&mut self, path: &str, at: &Ident) -> Result<Bound> {
        let source = self.env.formats.open(path).map_err(|e| SqlError::from_exec(&e).at_span(at.span))?;
        let stem = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let name = stem.split('.').next().unwrap_or(stem);
        Ok(self.source(source, name))
    }

    pub(super) fn source(&mut self, source: Arc<dyn Source>, name: &str) -> Bound {
        let schema = source.schema();
        let mut columns: Vec<Column> =
            schema.iter().map(|f| self.ids.column(&f.name, f.ty.clone())).collect();
        let mut relation = Relation::new(name, columns.clone());
        for field in source.hidden() {
            let column = self.ids.column(&field.name, field.ty);
            relation.hidden.push(ScopeColumn::new(column.clone()));
            columns.push(column);
        }
        let positions = (0..columns.len()).collect();
        let plan = LogicalPlan::SourceGet { source, positions, columns, filters: vec![] };
        Bound { plan, scope: Scope::of(relation) }
    }

    fn bind_system_view(&mut self, view: &SystemView) -> Result<Bound> {
        let ctes = self.ctes.take();
        let bound = parse_query(&view.query()).and_then(|query| self.bind_query(&query, None));
        self.ctes = ctes;
        let mut bound = derived(view.name, bound?, None);
        let relation = &mut bound.scope.relations[0];
        relation.schema = Some(view.schema.to_owned());
        relation.database = Some(SYSTEM_DATABASE.to_owned());
        Ok(bound)
    }
}

/// A query as a table. Its columns get names of their own, but for those that the alias has names for.
pub(super) fn derived(name: &str, bound: BoundQuery, alias: Option<&TableAlias>) -> Bound {
    let mut columns = bound.columns.clone();
    let named = alias.map_or(0, |alias| alias.columns.len());
    make_unique(columns.get_mut(named..).unwrap_or_default());
    let relation = Relation::new(name, columns);
    Bound { plan: bound.into_plan(), scope: Scope::of(relation) }
}

/// The view that a name means of those that are built in.
fn system_view(qualifier: &[&Ident], name: &Ident) -> Option<&'static SystemView> {
    match qualifier {
        [] => SystemView::find(None, &name.value),
        [schema] => SystemView::find(Some(&schema.value), &name.value),
        [database, schema] if database.value.eq_ignore_ascii_case(SYSTEM_DATABASE) => {
            SystemView::find(Some(&schema.value), &name.value)
        }
        _ => None,
    }
}

/// Gives a table, and possibly its columns, other names.
fn with_alias(mut bound: Bound, alias: Option<&TableAlias>) -> Result<Bound> {
    let Some(alias) = alias else { return Ok(bound) };
    check_name(&alias.name)?;
    // Who writes that means the clause: without this all rows would fall into one bucket.
    if !alias.explicit
        && alias.name.quote_style.is_none()
        && alias.name.value.eq_ignore_ascii_case("every")
        && alias.columns.is_empty()
    {
        return Err(SqlError::parser("EVERY needs a duration such as 5m behind it")
            .at_span(alias.name.span)
            .hint("As the name of a table it follows AS, or is quoted."));
    }
    let relation = &mut bound.scope.relations[0];
    relation.name.clone_from(&alias.name.value);
    relation.schema = None;
    relation.database = None;
    if let LogicalPlan::TableGet { alias: shown, .. } = &mut bound.plan {
        shown.clone_from(&alias.name.value);
    }
    let mut names: Vec<Ident> = alias.columns.iter().map(|c| c.name.clone()).collect();
    if relation.is_function {
        // `unnest(l) AS x` and `range(3) AS x` name the items. Their own name reaches them still.
        if names.is_empty()
            && let Some(items) = relation.columns.first()
            && (relation.is_value || items.column.name == "unnest")
        {
            relation.hidden.push(items.clone());
            names.push(alias.name.clone());
        }
        names.truncate(relation.columns.len());
    }
    rename_columns(relation, &names)?;
    Ok(bound)
}

/// The first columns get these names.
fn rename_columns(relation: &mut Relation, names: &[Ident]) -> Result<()> {
    if names.len() > relation.columns.len() {
        return Err(SqlError::binder(format!(
            "table \"{}\" has {} columns available but {} columns specified",
            relation.name,
            relation.columns.len(),
            names.len()
        ))
        .at_span(names[0].span));
    }
    for (column, name) in relation.columns.iter_mut().zip(names) {
        column.column.name.clone_from(&name.value);
    }
    Ok(())
}

/// The columns of a relation that a query yields, NULL columns as the type that they would be stored in.
pub(super) fn storable(ty: &LogicalType) -> LogicalType {
    match ty {
        LogicalType::Null => LogicalType::Integer,
        other => other.clone(),
    }
}
