//! CREATE TABLE, also from a query.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableOptions, DataType, HiveDistributionStyle, Ident,
    OnCommit, Query, WithData,
};

use crate::catalog::{ColumnDefinition, ObjectId, ObjectKind, SchemaId, TableDefinition, TableId, fold};
use crate::column::types::LogicalType;
use crate::exec::functions::collation_name;
use crate::exec::sinks::table_sink;
use crate::sql::ast::Create;
use crate::sql::bind::collation::collation_named;
use crate::sql::bind::modify::Target;
use crate::sql::bind::{Binder, coerce_assign};
use crate::sql::error::{Result, SqlError};
use crate::sql::expr_text::canonical;
use crate::sql::forms::is_type_of_generated;
use crate::sql::parser::parse_expr;
use crate::sql::plan::LogicalPlan;
use crate::sql::reserved::check_name;
use crate::sql::session::{Failure, Outcome, Session, Writer, parts};
use crate::sql::statement::constraints::{
    check_expressions, column_constraints, generated, is_stored, table_constraint,
};
use crate::sql::statement::identity::{OwnSequence, TablePlace, own_sequence};
use crate::sql::statement::table_like::TakenOver;
use crate::sql::statement::table_options::set_options;
use crate::sql::statement::{object, query};

/// Makes a table.
pub fn run(session: &mut Session, create: &CreateTable) -> Result<Outcome, Failure> {
    run_with(session, create, &TakenOver::default())
}

/// Makes a table that has something of others.
pub(super) fn run_with(
    session: &mut Session,
    create: &CreateTable,
    taken: &TakenOver,
) -> Result<Outcome, Failure> {
    refuse_unsupported(create)?;
    create.columns.iter().try_for_each(|column| check_name(&column.name))?;
    let head = Create {
        name: create.name.clone(),
        or_replace: create.or_replace,
        if_not_exists: create.if_not_exists,
        temporary: create.temporary,
    };
    let mut writer = session.writer_to(&head)?;
    let Some(place) = object::place(&mut writer, &head, ObjectKind::Table)? else {
        return Ok(Outcome::Done);
    };
    let parts = parts(&create.name)?;
    let Some(ident) = parts.last() else { return Err(SqlError::internal("a name is empty").into()) };
    let own = create.columns.iter().map(own_sequence).collect::<Result<Vec<_>>>()?;
    let has_own = own.iter().any(Option::is_some);
    // Columns as they are without their sequences, which come to be beside the table.
    let defs: Vec<ColumnDef> = std::iter::zip(&own, &create.columns)
        .map(|(own, def)| own.as_ref().map_or(def, |own| &own.def).clone())
        .collect();

    // All that can be wrong with the text is found before anything is changed.
    let view = writer.read_view()?;
    let (mut table, source) = match &create.query {
        Some(query) => {
            let names = &create.columns;
            let (columns, source) =
                writer.session().bind(&view, |binder| columns_of_query(binder, query, names))?;
            (TableDefinition::new(place.schema, &ident.value, columns), Some(source))
        }
        None => {
            let define =
                |binder: &mut Binder<'_>| Ok(define_table(binder, place.schema, ident, &defs, create)?);
            (writer.session().bind(&view, define)?, None)
        }
    };
    if let Some(schema) = view.focus().catalog().schema_by_id(table.schema) {
        taken.put_into(&mut table, view.focus().catalog(), &schema.definition().name);
    }
    table.validate().map_err(|e| SqlError::from_catalog(&e).at(&create.name))?;
    let needs = writer.session().bind(&view, |binder| Ok(binder.needs_of_table(&table)))?;
    let id = if has_own {
        put_with_sequences(&mut writer, &place, table, &needs, &own)?
    } else {
        object::put(&mut writer, &place, table, &needs)?.into()
    };
    let mut rows = None;
    let with_data = !matches!(create.with_data, Some(WithData { data: false, .. }));
    if let Some((plan, mut ids)) = source.filter(|_| with_data) {
        let sink = table_sink(writer.transaction()?.append(id)?);
        let count = ids.column("Count", LogicalType::BigInt);
        let plan = LogicalPlan::Write { input: Box::new(plan), sink, count };
        let plan = writer.session().plan(plan, &mut ids)?;
        rows = Some(writer.session().run_write(plan)?);
    }
    writer.finish()?;
    Ok(rows.map_or(Outcome::Done, Outcome::Changed))
}

/// Makes a table some of whose columns have sequences of their own: given by position.
fn put_with_sequences(
    writer: &mut Writer<'_>,
    place: &object::Place,
    mut table: TableDefinition,
    needs: &BTreeSet<ObjectId>,
    own: &[Option<OwnSequence>],
) -> Result<TableId, Failure> {
    // The names of sequences that go with a table which is replaced are free.
    place.clear(writer)?;
    let name = table.name.to_string();
    let of_table = TablePlace { schema: place.schema, table: &name };
    let mut made = vec![];
    for (position, own) in own.iter().enumerate() {
        let Some(own) = own else { continue };
        let (sequence, default) = own.make(writer, &of_table)?;
        table.columns[position].default = Some(default);
        made.push((own, sequence, table.columns[position].id));
    }
    let id = object::put_new(writer, table, needs)?.into();
    for (own, sequence, column) in made {
        own.own(writer, sequence, id, column)?;
    }
    Ok(id)
}

type Source = (LogicalPlan, crate::sql::plan::ColumnIds);

/// The columns of a table that is made from a query, and the plan of its rows.
fn columns_of_query(
    binder: &mut Binder<'_>,
    query: &Query,
    names: &[ColumnDef],
) -> Result<(Vec<ColumnDefinition>, Source), Failure> {
    let (plan, ids) = query::plan_to_store(binder, query)?;
    let yielded = plan.columns();
    if names.len() > yielded.len() {
        return Err(SqlError::binder(format!(
            "the table has {} columns, but its query yields {}",
            names.len(),
            yielded.len()
        ))
        .into());
    }
    let mut columns: Vec<ColumnDefinition> = vec![];
    for (i, column) in yielded.iter().enumerate() {
        let name = match names.get(i) {
            Some(given) => given.name.value.clone(),
            None => unique_name(&column.name, &columns),
        };
        let mut defined = ColumnDefinition::new(&name, column.ty.clone());
        defined.collation = binder.collation_of(&column.expr()).map(|key| collation_name(&key).into());
        columns.push(defined);
    }
    Ok((columns, (plan, ids)))
}

/// The name, with a number behind if it is taken.
pub fn unique_name(name: &str, taken: &[ColumnDefinition]) -> String {
    let is_taken = |n: &str| taken.iter().any(|c| c.name.eq_ignore_ascii_case(n));
    if !is_taken(name) {
        return name.to_owned();
    }
    (1_u64..).map(|i| format!("{name}_{i}")).find(|n| !is_taken(n)).unwrap_or_default()
}

fn define_table(
    binder: &mut Binder<'_>,
    schema: SchemaId,
    name: &Ident,
    defs: &[ColumnDef],
    create: &CreateTable,
) -> Result<TableDefinition> {
    let mut table = TableDefinition::new(schema, &name.value, vec![]);
    let mut names = HashSet::new();
    for def in defs {
        if names.insert(fold(&def.name.value)) {
            continue;
        }
        return Err(SqlError::catalog(format!("Column with name {} already exists!", def.name.value))
            .at_span(def.name.span));
    }
    define_columns(binder, &mut table, defs)?;
    for def in defs {
        column_constraints(&mut table, def, binder).map_err(|e| e.at_span(def.name.span))?;
    }
    for constraint in &create.constraints {
        table_constraint(&mut table, constraint, binder).map_err(|e| e.at(constraint))?;
    }
    if let CreateTableOptions::With(options) = &create.table_options {
        set_options(binder, &mut table, options)?;
    }
    check_expressions(binder, &table).map_err(|e| e.at_span(name.span))?;
    Ok(table)
}

/// How often the columns of a table are gone through to find the types of those that are made of others.
const PASSES_MAX: usize = 32;

/// Adds columns to a table. The type of a generated column may be that of columns behind it.
fn define_columns(binder: &mut Binder<'_>, table: &mut TableDefinition, defs: &[ColumnDef]) -> Result<()> {
    let mut known = table.clone();
    let mut defined: Vec<Option<ColumnDefinition>> = vec![None; defs.len()];
    for pass in 0.. {
        let mut failed = None;
        let mut progress = false;
        for (def, slot) in defs.iter().zip(&mut defined).filter(|(_, slot)| slot.is_none()) {
            match define_column(binder, &known, def) {
                Ok(column) => {
                    known.add_column(column.clone());
                    *slot = Some(column);
                    progress = true;
                }
                Err(e) if has_type_of_expression(def) => {
                    failed.get_or_insert(e);
                }
                Err(e) => return Err(e),
            }
        }
        match failed {
            None => break,
            Some(e) if !progress || pass == PASSES_MAX => return Err(e),
            Some(_) => {}
        }
    }
    defined.into_iter().flatten().for_each(|column| {
        table.add_column(column);
    });
    Ok(())
}

/// Whether a column is generated and has the type of its expression.
fn has_type_of_expression(def: &ColumnDef) -> bool {
    (def.data_type == DataType::Unspecified || is_type_of_generated(&def.data_type))
        && matches!(generated(def), Ok(Some(_)))
}

/// A column as it was written, without constraints other than NOT NULL. `table` has columns that it can be made of.
pub fn define_column(
    binder: &mut Binder<'_>,
    table: &TableDefinition,
    def: &ColumnDef,
) -> Result<ColumnDefinition> {
    let generated = generated(def)?;
    let mut domain = None;
    let ty = match (&def.data_type, generated) {
        (ty, Some(expr)) if *ty == DataType::Unspecified || is_type_of_generated(ty) => {
            let target = Target::new(Arc::new(table.clone()), "");
            binder.type_over(&target, expr, "a generated column")?
        }
        (ty, _) => {
            let (ty, named) = binder.bind_type_or_domain(ty).map_err(|e| e.at_span(def.name.span))?;
            domain = named;
            ty
        }
    };
    let mut column = ColumnDefinition::new(&def.name.value, ty);
    column.generated = generated.map(|expr| canonical(expr).into());
    column.stored = column.generated.is_some() && is_stored(def);
    if let Some(domain) = domain.as_ref().and_then(|named| named.domain.as_ref()) {
        column.nullable = !domain.not_null || column.is_virtual();
        column.default = domain.default.clone().filter(|_| column.generated.is_none());
    }
    for option in &def.options {
        let unsupported = |what: &str| {
            Err(SqlError::unsupported(format!("{what} is not supported yet")).at_span(def.name.span))
        };
        match &option.option {
            ColumnOption::Null => column.nullable = true,
            ColumnOption::NotNull => column.nullable = column.is_virtual(),
            ColumnOption::Default(expr) => {
                check_default(binder, expr, &column)?;
                column.default = Some(canonical(expr).into());
            }
            ColumnOption::Comment(text) => column.comment = Some(text.as_str().into()),
            ColumnOption::PrimaryKey(_)
            | ColumnOption::Unique(_)
            | ColumnOption::Check(_)
            | ColumnOption::ForeignKey(_)
            | ColumnOption::Generated { .. } => {}
            ColumnOption::Collation(name) => {
                if !matches!(column.ty, LogicalType::Varchar) {
                    return Err(SqlError::binder("collations are only supported for type varchar").at(name));
                }
                column.collation = Some(collation_named(name)?.0.into());
            }
            other => return unsupported(&other.to_string()),
        }
    }
    Ok(column)
}

/// A default must be an expression without columns that can be stored in the column.
pub fn check_default(
    binder: &mut Binder<'_>,
    expr: &sqlparser::ast::Expr,
    column: &ColumnDefinition,
) -> Result<()> {
    let scope = crate::sql::bind::scope::Scope::default();
    let bound = binder.bind_over(expr, &scope, "DEFAULT value")?;
    coerce_assign(bound, &column.ty).map_err(|e| e.at(expr))?;
    // What is kept is the printed form; it must mean something too.
    parse_expr(&canonical(expr))
        .map_err(|e| SqlError::unsupported(format!("this DEFAULT cannot be kept: {}", e.message)))?;
    Ok(())
}

fn refuse_unsupported(create: &CreateTable) -> Result<()> {
    let what = if !matches!(create.table_options, CreateTableOptions::None | CreateTableOptions::With(_)) {
        "this form of options"
    } else if create.query.is_some() && matches!(create.table_options, CreateTableOptions::With(_)) {
        "WITH options and AS in one statement"
    } else if create.external {
        "an external table"
    } else if create.like.is_some() || create.clone.is_some() {
        "CREATE TABLE LIKE"
    } else if create.partition_by.is_some() || create.cluster_by.is_some() || create.order_by.is_some() {
        "PARTITION BY, CLUSTER BY and ORDER BY of a table"
    } else if !matches!(create.hive_distribution, HiveDistributionStyle::NONE) {
        "PARTITIONED BY of a table"
    } else if create.inherits.is_some() {
        "INHERITS of a table"
    } else if matches!(create.on_commit, Some(OnCommit::DeleteRows | OnCommit::Drop)) {
        return Err(SqlError::unsupported("Only ON COMMIT PRESERVE ROWS is supported").at(&create.name));
    } else if create.query.is_none() && create.columns.is_empty() {
        return Err(SqlError::parser("Table must have at least one column!").at(&create.name));
    } else if create.query.is_some()
        && create
            .columns
            .iter()
            .any(|c| !matches!(c.data_type, sqlparser::ast::DataType::Unspecified) || !c.options.is_empty())
    {
        "a column with a type in CREATE TABLE AS"
    } else {
        return Ok(());
    };
    Err(SqlError::unsupported(format!("{what} is not supported yet")).at(&create.name))
}
