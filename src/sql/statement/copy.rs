//! COPY: files into tables, tables and queries into files.

use std::sync::Arc;

use sqlparser::ast::{Expr as Syntax, Ident, ObjectName};

use crate::catalog::ObjectKind;
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::Field;
use crate::exec::source::Source;
use crate::sql::ast::{Copy, CopySubject};
use crate::sql::bind::modify::Target;
use crate::sql::bind::{Binder, BoundQuery};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::table_query;
use crate::sql::plan::{Definition, LogicalPlan};
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::sources::{RowsBuilder, texts};
use crate::sql::statement::{modify, query};

type Options = Vec<(String, Scalar, LogicalType)>;

/// Copies.
pub fn run(session: &mut Session, copy: &Copy) -> Result<Outcome, Failure> {
    if copy.to { copy_to(session, copy) } else { Ok(Outcome::Changed(copy_from(session, copy)?)) }
}

fn copy_to(session: &Session, copy: &Copy) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let mut listed = None;
    let (plan, mut ids) = session.bind(&view, |binder| {
        let (path, format, mut options) = target_file(binder, copy)?;
        let return_files = match options.iter().position(|(name, ..)| name == "return_files") {
            Some(at) => match options.remove(at).1 {
                Scalar::Boolean(wanted) => wanted,
                _ => return Err(SqlError::binder("RETURN_FILES must be true or false").into()),
            },
            None => false,
        };
        let (input, mut ids) = match &copy.subject {
            CopySubject::Query(q) => query::plan(binder, q)?,
            CopySubject::Table { name, columns } => {
                let (plan, ids) = query::plan(binder, &*table_query(name.clone())?)?;
                (choose(plan, columns)?, ids)
            }
        };
        let schema = input.columns().into_iter().map(|c| Field::new(c.name, c.ty)).collect();
        let sink = session.formats().copy_sink(&path, format.as_deref(), &options, schema)?;
        listed = return_files.then(|| (Arc::clone(&sink), path));
        let count = ids.column("Count", LogicalType::BigInt);
        Ok((LogicalPlan::Write { input: Box::new(input), sink, count }, ids))
    })?;
    let plan = session.plan(plan, &mut ids)?;
    let rows = session.run_write(plan)?;
    let Some((sink, path)) = listed else { return Ok(Outcome::Changed(rows)) };
    let list = LogicalType::List(Box::new(LogicalType::Varchar));
    let mut result = RowsBuilder::new(&[("Count", LogicalType::BigInt), ("Files", list)]);
    result.push([Scalar::Int(rows.into()), texts(sink.files().unwrap_or_else(|| vec![path]))]);
    Ok(result.finish("COPY")?.into())
}

/// The columns of these names, in this order; all if there are none.
fn choose(plan: LogicalPlan, names: &[Ident]) -> Result<LogicalPlan> {
    if names.is_empty() {
        return Ok(plan);
    }
    let yielded = plan.columns();
    let mut definitions: Vec<Definition> = vec![];
    for name in names {
        let column = yielded.iter().find(|c| c.name.eq_ignore_ascii_case(&name.value)).ok_or_else(|| {
            SqlError::binder(format!("the table has no column \"{}\"", name.value))
                .at_span(name.span)
                .did_you_mean(&name.value, yielded.iter().map(|c| &c.name))
        })?;
        if definitions.iter().any(|d| d.column.id == column.id) {
            return Err(
                SqlError::binder(format!("the column \"{}\" is named twice", name.value)).at_span(name.span)
            );
        }
        definitions.push(Definition::pass(column.clone()));
    }
    Ok(LogicalPlan::Project { input: Box::new(plan), definitions })
}

fn copy_from(session: &mut Session, copy: &Copy) -> Result<u64, Failure> {
    let CopySubject::Table { name, columns } = &copy.subject else {
        return Err(SqlError::parser("COPY FROM needs a table").into());
    };
    let formats = Arc::clone(session.formats());
    append(session, name, columns, |binder, fields| {
        let (path, format, options) = target_file(binder, copy)?;
        Ok(formats.copy_source(&path, format.as_deref(), &options, fields)?)
    })
}

/// Adds the rows of a source, made for these columns of the table, to it; returns how many there were.
pub(in crate::sql) fn append(
    session: &mut Session,
    name: &ObjectName,
    columns: &[Ident],
    make: impl FnOnce(&mut Binder<'_>, &[Field]) -> Result<Arc<dyn Source>, Failure>,
) -> Result<u64, Failure> {
    let mut writer = session.writer_of(ObjectKind::Table, name)?;
    let view = writer.read_view()?;
    let target = Target::find(&view, name, None, "copy into")?;
    let positions = target.inserted(columns)?;
    let (bound, ids) = writer.session().bind(&view, |binder| {
        let fields: Vec<Field> = positions
            .iter()
            .map(|&i| &target.table.columns[i])
            .map(|c| Field::new(&*c.name, c.ty.clone()))
            .collect();
        let source = make(binder, &fields)?;
        let columns: Vec<_> =
            source.schema().iter().map(|f| binder.ids.column(&f.name, f.ty.clone())).collect();
        let plan = LogicalPlan::SourceGet {
            source,
            positions: (0..columns.len()).collect(),
            columns: columns.clone(),
            filters: vec![],
        };
        let bound = binder.bind_copied(&target, BoundQuery { plan, columns }, &positions)?;
        Ok((bound, std::mem::take(&mut binder.ids)))
    })?;
    let changed = modify::apply(&mut writer, &view, &target, bound, ids)?;
    writer.finish()?;
    Ok(changed.rows)
}

/// The path, the format if one is named, and all other options.
fn target_file(binder: &mut Binder<'_>, copy: &Copy) -> Result<(String, Option<String>, Options)> {
    let path = match &copy.path {
        // A bare name is a path too.
        Syntax::Identifier(ident) => ident.value.clone(),
        expr => match binder.bind_constant(expr, "the path of COPY")? {
            (Scalar::Text(path), _) => path.to_string(),
            _ => return Err(SqlError::binder("the path of COPY must be a text").at(expr)),
        },
    };
    let mut format = None;
    let mut options: Options = vec![];
    for (name, value) in &copy.options {
        let lower = name.value.to_lowercase();
        let (value, ty) = match value {
            Some(Syntax::Tuple(items)) => names_list(items, name)?,
            Some(Syntax::Nested(inner)) if matches!(**inner, Syntax::Identifier(_)) => {
                names_list(std::slice::from_ref(&**inner), name)?
            }
            Some(value) => binder.bind_constant(value, "an option of COPY")?,
            None => (Scalar::Boolean(true), LogicalType::Boolean),
        };
        if lower == "format" {
            let Scalar::Text(text) = &value else {
                return Err(
                    SqlError::binder("FORMAT must be a name such as csv or parquet").at_span(name.span)
                );
            };
            format = Some(text.to_lowercase());
            continue;
        }
        if options.iter().any(|(n, ..)| *n == lower) {
            return Err(
                SqlError::binder(format!("the option {} is given twice", name.value)).at_span(name.span)
            );
        }
        options.push((lower, value, ty));
    }
    Ok((path, format, options))
}

/// `(a, b)` names columns.
fn names_list(items: &[Syntax], option: &Ident) -> Result<(Scalar, LogicalType)> {
    let ty = LogicalType::List(Box::new(LogicalType::Varchar));
    let names: Vec<&str> = items
        .iter()
        .map(|item| match item {
            Syntax::Identifier(ident) => Ok(ident.value.as_str()),
            other => Err(SqlError::binder(format!("{} takes a list of names", option.value)).at(other)),
        })
        .collect::<Result<_>>()?;
    let values = arrow_array::StringViewArray::from(names);
    let field = std::sync::Arc::new(arrow_schema::Field::new("item", LogicalType::Varchar.arrow(), true));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([items.len()]);
    let list = arrow_array::ListArray::new(field, offsets, std::sync::Arc::new(values), None);
    Ok((Scalar::Nested(std::sync::Arc::new(list)), ty))
}
