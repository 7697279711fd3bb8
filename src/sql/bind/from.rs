//! FROM: tables, views, files, table functions, subqueries, and their joins.

use std::borrow::Cow;
use std::sync::Arc;

use sqlparser::ast::{
    self, Expr as Syntax, Ident, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor,
    TableWithJoins,
};

use crate::catalog::{Namespace, Object, ObjectKind, TableDefinition, ViewDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::{CompareOp, Expr};
use crate::exec::source::{Source, TableFunctionArgs};
use crate::sql::bind::as_of::positional_join;
use crate::sql::bind::cte::Cte;
use crate::sql::bind::expr::{ExprContext, conjuncts, is_constant};
use crate::sql::bind::histogram::HISTOGRAM_FUNCTIONS;
use crate::sql::bind::modify::Target;
use crate::sql::bind::name::function_name;
use crate::sql::bind::query_functions::QUERY_FUNCTIONS;
use crate::sql::bind::scope::{Found, Outer, Relation, Scope, ScopeColumn, make_unique};
use crate::sql::bind::subquery::{attach, depends_on, filter};
use crate::sql::bind::unnest::is_unnest;
use crate::sql::bind::{Binder, BoundQuery, QUERY_DEPTH_MAX, TABLES_MAX, coerce, object_name};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms::{self, SampleSyntax};
use crate::sql::optimize::columns::ColumnSet;
use crate::sql::parser::{factor_query, parse_query, parse_type};
use crate::sql::plan::{Column, Definition, JoinType, LogicalPlan, Sample, SampleMethod, SampleSize};
use crate::sql::reserved::check_name;
use crate::sql::session::{DatabaseView, FoundObject, SYSTEM_DATABASE, parts};
use crate::sql::sources::SystemView;
use crate::sql::{sources, stack, walk};

/// Arguments of readers of files that name types.
const TYPE_ARGUMENTS: [&str; 6] =
    ["auto_type_candidates", "column_types", "columns", "dtypes", "hive_types", "types"];

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

    /// `before` are the tables to the left, whose columns a subquery may use (a lateral join).
    fn bind_table_with_joins(
        &mut self,
        table: &TableWithJoins,
        before: Option<&Scope>,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        if table.joins.len() > QUERY_DEPTH_MAX * 5 {
            return Err(SqlError::binder(format!("{} joins are too many for one FROM", table.joins.len())));
        }
        let mut bound = self.bind_factor(&table.relation, before, outer)?;
        for join in &table.joins {
            bound = self.bind_join(bound, join, before, outer)?;
        }
        Ok(bound)
    }

    fn bind_join(
        &mut self,
        left: Bound,
        join: &Join,
        before: Option<&Scope>,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        use JoinOperator as J;
        let (kind, constraint) = match &join.join_operator {
            J::Join(c) | J::Inner(c) | J::CrossJoin(c) => (JoinType::Inner, c),
            J::Left(c) | J::LeftOuter(c) => (JoinType::Left, c),
            J::Right(c) | J::RightOuter(c) => (JoinType::Right, c),
            J::FullOuter(c) => (JoinType::Full, c),
            J::Semi(c) | J::LeftSemi(c) => (JoinType::Semi, c),
            J::Anti(c) | J::LeftAnti(c) => (JoinType::Anti, c),
            J::StraightJoin(JoinConstraint::None) => {
                let right = self.bind_factor(&join.relation, before, outer)?;
                let (left, right) = self.with_presence(left, right, &JoinType::Full);
                return positional_join(left, right);
            }
            J::StraightJoin(_) => {
                return Err(SqlError::parser("POSITIONAL JOIN takes no condition").at(&join.relation));
            }
            _ => return Err(SqlError::unsupported("this kind of join is not supported").at(&join.relation)),
        };
        let mut visible = before.cloned().unwrap_or_default();
        visible.relations.extend(left.scope.relations.iter().cloned());
        let right = self.bind_factor(&join.relation, Some(&visible), outer)?;
        let (left, right) = self.with_presence(left, right, &kind);
        if join.global {
            return self.as_of_join(left, right, kind, constraint, outer);
        }
        match constraint {
            JoinConstraint::On(condition) => self.join_on(left, right, kind, condition, outer),
            JoinConstraint::Using(names) => self.join_using(left, right, kind, &using_names(names)?),
            JoinConstraint::Natural => {
                let shared = |c: &&ScopeColumn| matches!(right.scope.find(&c.column.name), Found::One(_));
                let names = left.scope.star().filter(shared).map(|c| Ident::new(c.column.name.clone()));
                let names = once(names);
                if names.is_empty() {
                    return Err(
                        SqlError::binder("No columns found to join on in NATURAL JOIN").at(&join.relation)
                    );
                }
                self.join_using(left, right, kind, &names)
            }
            JoinConstraint::None => match (&join.join_operator, &kind) {
                (J::CrossJoin(_) | J::Join(_) | J::Inner(_), _) => self.join(left, right, kind, vec![]),
                _ => Err(SqlError::parser("an outer join needs ON, USING or NATURAL").at(&join.relation)),
            },
        }
    }

    /// Puts two inputs together under given conditions.
    fn join(&mut self, left: Bound, right: Bound, kind: JoinType, on: Vec<Expr>) -> Result<Bound> {
        let dependent = depends_on(&right.plan, &left.plan);
        if dependent && matches!(kind, JoinType::Right | JoinType::Full) {
            return Err(SqlError::binder(
                "the right side of a RIGHT or FULL join cannot use columns of the left",
            ));
        }
        let keeps_right = !matches!(kind, JoinType::Semi | JoinType::Anti);
        let mut scope = left.scope;
        if keeps_right {
            scope.join(right.scope)?;
        }
        let plan =
            LogicalPlan::Join { left: Box::new(left.plan), right: Box::new(right.plan), kind, on, dependent };
        Ok(Bound { plan, scope })
    }

    pub(in crate::sql::bind) fn join_on(
        &mut self,
        left: Bound,
        right: Bound,
        kind: JoinType,
        condition: &Syntax,
        outer: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        let mut both = left.scope.clone();
        both.join(right.scope.clone())?;
        let mut cx = ExprContext::new(&both, outer, "JOIN condition");
        let bound = self.bind_condition(condition, &mut cx)?;
        let subqueries = std::mem::take(&mut cx.subqueries);
        let on = conjuncts(bound);
        // Those that are about one side only are computed there.
        let (mut left, mut right) = (left, right);
        let mut both_sides = vec![];
        for subquery in subqueries {
            let mut used = ColumnSet::free(&subquery.plan);
            used.add_exprs(&subquery.on);
            used.remove_all(&ColumnSet::yielded(&subquery.plan));
            let side = if used.is_subset(&ColumnSet::yielded(&left.plan)) {
                &mut left
            } else if used.is_subset(&ColumnSet::yielded(&right.plan)) {
                &mut right
            } else {
                both_sides.push(subquery);
                continue;
            };
            side.plan = attach(side.plan.take(), vec![subquery]);
        }
        let subqueries = both_sides;
        if subqueries.is_empty() {
            return self.join(left, right, kind, on);
        }
        match kind {
            JoinType::Inner => {
                let joined = self.join(left, right, kind, vec![])?;
                Ok(Bound { plan: filter(attach(joined.plan, subqueries), on), scope: joined.scope })
            }
            // The condition filters the other side for each row that is kept.
            JoinType::Left | JoinType::Semi | JoinType::Anti => {
                let plan = self.only_columns(filter(attach(right.plan, subqueries), on), &right.scope);
                self.join(left, Bound { plan, scope: right.scope }, kind, vec![])
            }
            JoinType::Right => {
                let plan = self.only_columns(filter(attach(left.plan, subqueries), on), &left.scope);
                let dependent = depends_on(&plan, &right.plan);
                let mut scope = left.scope;
                scope.join(right.scope)?;
                let plan = LogicalPlan::Join {
                    left: Box::new(right.plan),
                    right: Box::new(plan),
                    kind: JoinType::Left,
                    on: vec![],
                    dependent,
                };
                Ok(Bound { plan, scope })
            }
            JoinType::Full => {
                self.full_join_by_pairs(left, right, on, subqueries).map_err(|e| e.at(condition))
            }
            _ => Err(SqlError::unsupported("a subquery in this condition is not supported").at(condition)),
        }
    }

    /// The columns of a scope, and nothing else that the plan yields.
    pub(super) fn only_columns(&self, plan: LogicalPlan, scope: &Scope) -> LogicalPlan {
        let mut seen = std::collections::HashSet::new();
        let columns = scope.columns().filter(|c| seen.insert(c.column.id));
        let definitions = columns.map(|c| Definition::pass(c.column.clone())).collect();
        LogicalPlan::Project { input: Box::new(plan), definitions }
    }

    fn join_using(
        &mut self,
        mut left: Bound,
        mut right: Bound,
        kind: JoinType,
        names: &[Ident],
    ) -> Result<Bound> {
        let on = self.merge_using(&mut left, &mut right, &kind, names)?;
        self.join(left, right, kind, on)
    }

    /// Merges columns of both sides into one each; yields their equalities.
    pub(super) fn merge_using(
        &self,
        left: &mut Bound,
        right: &mut Bound,
        kind: &JoinType,
        names: &[Ident],
    ) -> Result<Vec<Expr>> {
        let mut on = vec![];
        for name in names {
            let l = using_column(&left.scope, name, "left")?;
            let r = using_column(&right.scope, name, "right")?;
            let (a, b) = (self.with_collation(l.clone()), self.with_collation(r.clone()));
            on.push(coerce::compare(CompareOp::Eq, a, b).map_err(|e| e.at_span(name.span))?);
            let merged = match kind {
                JoinType::Right => Some(r),
                JoinType::Full => {
                    let (both, _) = coerce::unify(vec![l, r], "USING")?;
                    Some(Expr::Coalesce(both))
                }
                _ => None,
            };
            for relation in &mut right.scope.relations {
                for column in &mut relation.columns {
                    if column.column.name.eq_ignore_ascii_case(&name.value) {
                        column.merged_away = true;
                    }
                }
            }
            if let Some(merged) = merged {
                let columns = left.scope.relations.iter_mut().flat_map(|r| &mut r.columns);
                for column in columns {
                    if !column.merged_away && column.column.name.eq_ignore_ascii_case(&name.value) {
                        column.merged = Some(merged.clone());
                    }
                }
            }
        }
        Ok(on)
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

    fn bind_table_function(
        &mut self,
        name: &ObjectName,
        args: &[ast::FunctionArg],
        with_ordinality: bool,
        lateral: Option<&Outer<'_>>,
    ) -> Result<Bound> {
        if let Some(listing) = forms::listing(name) {
            let bound = self.bind_listing(listing, args)?;
            return Ok(derived("", bound, None));
        }
        let function = function_name(name);
        if is_unnest(&function) {
            return self.bind_unnest_table(args, with_ordinality, lateral);
        }
        if let Some(bound) = self.bind_lateral_series(&function, args, with_ordinality, lateral)? {
            return Ok(bound);
        }
        if matches!(&function[..], "json_each" | "json_tree") {
            return self.bind_json_rows(&function, args, with_ordinality, lateral).map_err(|e| e.at(name));
        }
        if let Some(bound) = self.bind_query_function(&function, args)? {
            return Ok(derived(&function, bound, None));
        }
        if let Some(bound) = self.bind_histogram(&function, args).map_err(|e| e.at(name))? {
            return Ok(derived(&function, bound, None));
        }
        if with_ordinality {
            return Err(SqlError::unsupported("WITH ORDINALITY is not supported for this function").at(name));
        }
        let mut given = TableFunctionArgs::default();
        for arg in args {
            self.bind_table_argument(&function, arg, &mut given)?;
        }
        let made = sources::table_function(&self.env, &function, &given)
            .or_else(|| self.env.formats.table_function(&function, &given))
            .or_else(|| self.env.extensions.table_function(&function).map(|f| f(&given)));
        let source = match made {
            Some(source) => source.map_err(|e| SqlError::from_exec(&e).at(name))?,
            None => {
                let known = sources::TABLE_FUNCTIONS.iter().chain(self.env.formats.table_functions());
                let known = known.chain(QUERY_FUNCTIONS).chain(HISTOGRAM_FUNCTIONS);
                return Err(SqlError::catalog(format!(
                    "Table Function with name {function} does not exist!"
                ))
                .at(name)
                .did_you_mean(&function, known));
            }
        };
        let mut bound = self.source(source, &function);
        let relation = &mut bound.scope.relations[0];
        relation.is_function = true;
        relation.is_value = matches!(&function[..], "range" | "generate_series");
        Ok(bound)
    }

    /// `range` and `generate_series` of columns of tables to the left, or with the numbers of its rows: the items of
    /// the list that the function of the same name makes.
    fn bind_lateral_series(
        &mut self,
        function: &str,
        args: &[ast::FunctionArg],
        with_ordinality: bool,
        lateral: Option<&Outer<'_>>,
    ) -> Result<Option<Bound>> {
        if !matches!(function, "range" | "generate_series") {
            return Ok(None);
        }
        let exprs: Option<Vec<&Syntax>> = args
            .iter()
            .map(|arg| match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e)) => Some(e),
                _ => None,
            })
            .collect();
        let Some(exprs) = exprs else { return Ok(None) };
        let scope = Scope::default();
        let mut cx = ExprContext::new(&scope, lateral, "arguments of a table function");
        let mut bound = Vec::with_capacity(exprs.len());
        for expr in exprs {
            bound.push(self.bind_expr(expr, &mut cx)?);
        }
        if !with_ordinality && cx.subqueries.is_empty() && bound.iter().all(is_constant) {
            return Ok(None);
        }
        let unit = LogicalPlan::Values { rows: vec![vec![]], columns: vec![] };
        let input = attach(unit, std::mem::take(&mut cx.subqueries));
        let list = self.call(function, bound)?;
        Ok(Some(self.unnest_rows(input, list, function, with_ordinality)))
    }

    fn bind_table_argument(
        &mut self,
        function: &str,
        arg: &ast::FunctionArg,
        given: &mut TableFunctionArgs,
    ) -> Result<()> {
        use ast::{BinaryOperator, FunctionArg, FunctionArgExpr};
        let what = format!("an argument of {function}");
        let (name, value) = match arg {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => (Some(name), value),
            FunctionArg::ExprNamed {
                name: Syntax::Identifier(name),
                arg: FunctionArgExpr::Expr(value),
                ..
            } => (Some(name), value),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::BinaryOp {
                left,
                op: BinaryOperator::Eq | BinaryOperator::Assignment,
                right,
            })) => match &**left {
                Syntax::Identifier(name) => (Some(name), &**right),
                other => return Err(SqlError::binder("the name of an argument is expected here").at(other)),
            },
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (None, value),
            other => return Err(SqlError::binder(format!("{other} cannot be {what}"))),
        };
        let typed = name.filter(|n| TYPE_ARGUMENTS.contains(&&*n.value.to_lowercase()));
        let value = typed.map_or(Cow::Borrowed(value), |_| Cow::Owned(self.with_named_types(value)));
        let (value, ty) = self.bind_constant(&value, &what)?;
        match name {
            Some(name) => {
                let name_lower = name.value.to_lowercase();
                if given.named.iter().any(|(n, ..)| *n == name_lower) {
                    return Err(SqlError::binder(format!("{function} was given \"{name_lower}\" twice"))
                        .at_span(name.span));
                }
                given.named.push((name_lower, value, ty));
            }
            None if !given.named.is_empty() => {
                return Err(SqlError::binder("unnamed arguments come before named ones"));
            }
            None => given.positional.push((value, ty)),
        }
        Ok(())
    }

    /// Names of types as readers of files know them, which do not know those of CREATE TYPE.
    fn with_named_types(&self, value: &Syntax) -> Syntax {
        let mut value = value.clone();
        walk::rewrite_own_expressions(&mut value, |expr| {
            if let Syntax::Value(text) = expr
                && let ast::Value::SingleQuotedString(text) = &mut text.value
                && let Ok(ty) = parse_type(text)
                && matches!(ty, ast::DataType::Custom(..) | ast::DataType::Array(_))
                && let Ok(ty) = self.bind_type(&ty)
            {
                *text = ty.to_string();
            }
        });
        value
    }
}

/// Names of columns.
pub(super) fn using_names(names: &[ObjectName]) -> Result<Vec<Ident>> {
    let names = names.iter().map(|n| match object_name(n)? {
        (None, name) => Ok(name.clone()),
        _ => Err(SqlError::binder("USING takes names of columns without a table").at(n)),
    });
    Ok(once(names.collect::<Result<Vec<_>>>()?))
}

/// Each name once: another time it says nothing new.
fn once(names: impl IntoIterator<Item = Ident>) -> Vec<Ident> {
    let mut once: Vec<Ident> = vec![];
    for name in names {
        if !once.iter().any(|other| other.value.eq_ignore_ascii_case(&name.value)) {
            once.push(name);
        }
    }
    once
}

/// The one column of that name on one side of USING.
fn using_column(scope: &Scope, name: &Ident, side: &str) -> Result<Expr> {
    match scope.find(&name.value) {
        Found::One(column) => Ok(column.unqualified()),
        Found::Many(names) => Err(SqlError::binder(format!(
            "the column \"{}\" of USING is ambiguous on the {side} side: {}",
            name.value,
            names.join(", ")
        ))
        .at_span(name.span)),
        Found::Nothing => {
            Err(SqlError::binder(format!("Column \"{}\" does not exist on {side} side of join!", name.value))
                .at_span(name.span)
                .did_you_mean(&name.value, scope.star().map(|c| c.column.name.clone())))
        }
    }
}

/// A query as a table. Its columns get names of their own, but for those that the alias has names for.
fn derived(name: &str, bound: BoundQuery, alias: Option<&TableAlias>) -> Bound {
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

/// The first argument of a call.
fn first_argument(expr: &Syntax) -> Option<&Syntax> {
    let Syntax::Function(function) = expr else { return None };
    let ast::FunctionArguments::List(list) = &function.args else { return None };
    match list.args.first() {
        Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e))) => Some(e),
        _ => None,
    }
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
