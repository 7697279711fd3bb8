//! ALTER TABLE: names, columns, types, defaults, constraints.
//!
//! Some changes are to the definition alone; others first ask whether the rows fit, and those that give rows new
//! values write them again.

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, ColumnOption, ColumnOptionDef,
    DropBehavior, Expr as Syntax, Ident, ObjectName, RenameTableNameKind, TableConstraint,
};

use crate::catalog::{
    ColumnId, ConstraintDefinition, ConstraintKind, Namespace, Object, ObjectKind, TableDefinition, fold,
};
use crate::column::types::LogicalType;
use crate::exec::sinks::{ModifySink, ModifySpec};
use crate::sql::ast::{AlterObject, Alteration};
use crate::sql::bind::expiry::{TTL_COLUMN, ttl_column};
use crate::sql::bind::modify::alter::AlteredValue;
use crate::sql::bind::modify::keys::UniqueKey;
use crate::sql::bind::modify::{Target, identity_columns, names_in};
use crate::sql::bind::{Binder, object_name};
use crate::sql::error::{Result, SqlError, SqlErrorKind};
use crate::sql::expr_text::{canonical, rename_column};
use crate::sql::parser::parse_expr;
use crate::sql::plan::LogicalPlan;
use crate::sql::reserved::check_name;
use crate::sql::session::{Failure, FoundObject, Outcome, ReadView, Session, Writer};
use crate::sql::statement::alter_field::FieldPath;
use crate::sql::statement::alter_object;
use crate::sql::statement::constraints::{
    check_expressions, column_constraints, is_stored, table_constraint,
};
use crate::sql::statement::create_index::check_unique;
use crate::sql::statement::create_table::{check_default, define_column};
use crate::sql::statement::identity::{OwnSequence, TablePlace, own_sequence};
use crate::sql::statement::key_checks::{first_key, violated};
use crate::sql::statement::table_options::set_options;

/// What a change asks of the rows that are there.
#[derive(Debug, Default)]
struct Demands {
    /// Constraints that the rows must satisfy.
    constraints: Vec<ConstraintDefinition>,
    /// The values that rows get in columns that are new or have another type.
    values: HashMap<ColumnId, AlteredValue>,
}

/// Changes the definition of a table.
pub fn run(session: &mut Session, alter: &AlterTable) -> Result<Outcome, Failure> {
    let mut writer = session.writer_of(ObjectKind::Table, &alter.name)?;
    let view = writer.read_view()?;
    if let (
        Some(FoundObject { object: Object::View(_), .. }),
        [
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(new) | RenameTableNameKind::As(new),
            },
        ],
    ) = (view.lookup(Namespace::Relation, &alter.name)?, &alter.operations[..])
    {
        // A view is renamed as a table is.
        let alteration = Alteration::Rename(object_name(new)?.1.clone());
        let (kind, name) = (ObjectKind::View, alter.name.clone());
        drop(view);
        drop(writer);
        return alter_object::run(session, &AlterObject { kind, if_exists: false, name, alteration });
    }
    let (before, schema) = match view.lookup(Namespace::Relation, &alter.name)? {
        Some(found) => match found.object {
            Object::Table(table) => (Arc::clone(table), found.schema.definition().name.to_string()),
            _ => {
                let message = "Can only modify table with ALTER TABLE statement";
                return Err(SqlError::catalog(message).at(&alter.name).into());
            }
        },
        None if alter.if_exists => return Ok(Outcome::Done),
        None => return Err(view.not_found(ObjectKind::Table, &alter.name).into()),
    };
    let renames = |o: &AlterTableOperation| matches!(o, AlterTableOperation::RenameTable { .. });
    if alter.operations.len() > 1 && alter.operations.iter().any(renames) {
        let message = "A table is renamed by a statement of its own";
        return Err(SqlError::parser(message).at(&alter.name).into());
    }
    let (mut before, mut view) = (before, view);
    for (n, operation) in alter.operations.iter().enumerate() {
        // Each change is made of what those before it made.
        if n > 0 {
            view = writer.read_view()?;
            before = match view.lookup(Namespace::Relation, &alter.name)?.map(|found| found.object) {
                Some(Object::Table(table)) => Arc::clone(table),
                _ => return Err(SqlError::internal("the table that is altered was lost").into()),
            };
        }
        let target = Target::new(Arc::clone(&before), &schema);
        if let AlterTableOperation::AddColumn { column_def, .. } = operation
            && before.materialized.is_none()
            && before.column_position(&column_def.name.value).is_none()
            && let Some(own) = own_sequence(column_def)?
        {
            add_with_sequence(&mut writer, &target, &alter.name, operation, own)?;
            continue;
        }
        change(&mut writer, &view, &target, &alter.name, operation)?;
    }
    writer.finish()?;
    Ok(Outcome::Done)
}

/// Adds a column with a sequence of its own, which gives the rows that are there their values.
fn add_with_sequence(
    writer: &mut Writer<'_>,
    target: &Target,
    name: &ObjectName,
    operation: &AlterTableOperation,
    mut own: OwnSequence,
) -> Result<(), Failure> {
    let before = &target.table;
    let place = TablePlace { schema: before.schema, table: &before.name };
    let (sequence, default) = own.make(writer, &place)?;
    let default = ColumnOption::Default(parse_expr(&default)?);
    own.def.options.push(ColumnOptionDef { name: None, option: default });
    let mut operation = operation.clone();
    if let AlterTableOperation::AddColumn { column_def, .. } = &mut operation {
        column_def.clone_from(&own.def);
    }
    let names = writer.read_view()?;
    let view = names.of_table(names.focus(), target.schema_name());
    change(writer, &view, target, name, &operation)?;
    own.own(writer, sequence, before.id, ColumnId(before.next_column_id))
}

/// Makes one change to the table that is called `name`.
fn change(
    writer: &mut Writer<'_>,
    view: &ReadView,
    target: &Target,
    name: &ObjectName,
    operation: &AlterTableOperation,
) -> Result<(), Failure> {
    let before = &target.table;
    let keeps = matches!(
        operation,
        AlterTableOperation::SetOptionsParens { .. } | AlterTableOperation::RenameTable { .. }
    );
    if before.materialized.is_some() && !keeps {
        let message = format!("Cannot alter the columns of materialized view \"{}\"", before.name);
        return Err(SqlError::catalog(message).at(name).into());
    }
    let mut table = TableDefinition::clone(before);
    let demands = writer.session().bind(view, |binder| {
        let demands = apply(binder, &mut table, operation)?;
        check_expressions(binder, &table)?;
        Ok(demands)
    })?;
    table.validate().map_err(|e| SqlError::from_catalog(&e).at(name))?;
    let id = table.id.into();
    let needs = writer.session().bind(view, |binder| Ok(binder.needs_of_table(&table)))?;
    check_rows(writer, view, target, &demands)?;
    if demands.values.is_empty() {
        writer.transaction()?.alter_table(table)?;
    } else {
        rewrite(writer, view, target, table, &demands.values)?;
    }
    if before.materialized.is_none() {
        writer.transaction()?.set_dependencies(id, &needs)?;
    }
    Ok(())
}

/// Whether the rows that are there satisfy what is asked of them.
fn check_rows(
    writer: &Writer<'_>,
    view: &ReadView,
    target: &Target,
    demands: &Demands,
) -> Result<(), Failure> {
    let session = writer.session();
    let table = &target.table;
    for constraint in &demands.constraints {
        match &constraint.kind {
            ConstraintKind::Unique { .. } => {
                let mut alone = TableDefinition::clone(table);
                (alone.constraints, alone.indexes) = (vec![constraint.clone()], vec![]);
                for key in UniqueKey::all(&alone)? {
                    check_unique(session, view, target, &key)?;
                }
            }
            ConstraintKind::Check { expression } => {
                let broken = first_key(session, view, |binder| binder.check_broken(target, expression))?;
                if broken.is_some() {
                    return Err(violated(format!(
                        "CHECK constraint failed on table \"{}\" with expression CHECK({expression})",
                        table.name
                    )));
                }
            }
            ConstraintKind::ForeignKey { .. } => {
                let lost = first_key(session, view, |binder| binder.references_lost(target, constraint))?;
                if let Some(values) = lost {
                    return Err(violated(format!(
                        "Violates foreign key constraint because key \"{}\" does not exist in the referenced table",
                        values.join(", ")
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Writes the rows of a table anew, with other values in some columns.
fn rewrite(
    writer: &mut Writer<'_>,
    view: &ReadView,
    before: &Target,
    table: TableDefinition,
    values: &HashMap<ColumnId, AlteredValue>,
) -> Result<(), Failure> {
    let after = Target::new(Arc::new(table.clone()), "");
    let (plan, mut ids) = writer.session().bind(view, |binder| {
        let plan = binder.bind_altered(before, &after, values)?;
        Ok((plan, std::mem::take(&mut binder.ids)))
    })?;
    let appender = writer.transaction()?.replace_table(table)?;
    let context = Arc::new(writer.session().context_of(&plan));
    let spec = ModifySpec { name: "ALTER TABLE", ..ModifySpec::default() };
    let sink = ModifySink::new(after.table, Some(appender), spec, Arc::clone(&context));
    let count = ids.column("Count", LogicalType::BigInt);
    let plan = LogicalPlan::Write { input: Box::new(plan), sink, count };
    let plan = writer.session().plan(plan, &mut ids)?;
    for batch in writer.session().start_in(plan, context)? {
        batch?;
    }
    Ok(())
}

fn apply(
    binder: &mut Binder<'_>,
    table: &mut TableDefinition,
    operation: &AlterTableOperation,
) -> Result<Demands> {
    match operation {
        AlterTableOperation::AddColumn { if_not_exists, column_def, .. } => {
            check_name(&column_def.name)?;
            if let Some(field) = FieldPath::find(table, &column_def.name) {
                let value = field?.add(binder, table, column_def, *if_not_exists)?;
                return Ok(Demands { values: value.into_iter().collect(), ..Demands::default() });
            }
            if table.column_position(&column_def.name.value).is_some() {
                return if *if_not_exists { Ok(Demands::default()) } else { Err(taken(&column_def.name)) };
            }
            add_column(binder, table, column_def)
        }
        AlterTableOperation::DropColumn { column_names, if_exists, drop_behavior, .. } => {
            let mut demands = Demands::default();
            for name in column_names {
                if let Some(field) = FieldPath::find(table, name) {
                    demands.values.extend(field?.drop(binder, table, *if_exists)?);
                    continue;
                }
                match find(table, name) {
                    Ok(position) => {
                        drop_column(table, position, *drop_behavior == Some(DropBehavior::Cascade))
                            .map_err(|e| e.at_span(name.span))?;
                    }
                    Err(_) if *if_exists => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(demands)
        }
        AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
            check_name(new_column_name)?;
            if let Some(field) = FieldPath::find(table, old_column_name) {
                let value = field?.rename(binder, table, new_column_name)?;
                return Ok(Demands { values: [value].into(), ..Demands::default() });
            }
            rename(binder, table, old_column_name, new_column_name)?;
            Ok(Demands::default())
        }
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
        } => {
            no_indexes(table)?;
            is_not_referenced(binder, table)?;
            let new = object_name(name)?.1;
            check_name(new)?;
            let schema = binder.env.tables.catalog().schema_by_id(table.schema);
            if let Some(other) = schema.and_then(|s| s.get(&new.value))
                && other.id() != table.id.into()
            {
                return Err(SqlError::catalog(format!(
                    "Could not rename \"{}\" to \"{}\": another entry with this name already exists!",
                    table.name, new.value
                ))
                .at_span(new.span));
            }
            table.name = new.value.as_str().into();
            Ok(Demands::default())
        }
        AlterTableOperation::AlterColumn { column_name, op } => {
            let position = find(table, column_name)?;
            alter_column(binder, table, position, op).map_err(|e| e.at_span(column_name.span))
        }
        AlterTableOperation::AddConstraint { constraint, .. } => add_constraint(binder, table, constraint),
        AlterTableOperation::DropConstraint { if_exists, name, .. } => {
            drop_constraint(binder, table, name, *if_exists)?;
            Ok(Demands::default())
        }
        AlterTableOperation::SetOptionsParens { options } => {
            set_options(binder, table, options)?;
            Ok(Demands::default())
        }
        other => Err(SqlError::unsupported(format!("ALTER TABLE {other} is not supported"))),
    }
}

// --- columns ---

fn add_column(binder: &mut Binder<'_>, table: &mut TableDefinition, def: &ColumnDef) -> Result<Demands> {
    let has_default = def.options.iter().any(|o| matches!(o.option, ColumnOption::Default(_)));
    for option in &def.options {
        let what = match &option.option {
            ColumnOption::PrimaryKey(_) => "PRIMARY KEY",
            ColumnOption::Check(_) => "CHECK",
            // The rows that are there refer to nothing.
            ColumnOption::ForeignKey(_) if !has_default => continue,
            ColumnOption::ForeignKey(_) => "FOREIGN KEY",
            ColumnOption::Generated { .. } if is_stored(def) => continue,
            ColumnOption::Generated { .. } => {
                let message = "Adding generated columns after table creation is not supported yet";
                return Err(SqlError::parser(message).at_span(def.name.span));
            }
            _ => continue,
        };
        let message = format!("Adding columns with {what} constraints is not supported yet");
        return Err(SqlError::parser(message).at_span(def.name.span));
    }
    let column = define_column(binder, table, def)?;
    let (default, nullable) = (column.default.clone(), column.nullable);
    let computed = column.generated.clone().filter(|_| column.stored);
    let id = table.add_column(column);
    column_constraints(table, def, binder)?;
    let is_unique = table.is_unique(&[id]);
    if is_unique && (default.is_some() || computed.is_some()) {
        let message = "Adding columns with UNIQUE constraints and a default is not supported yet";
        return Err(SqlError::unsupported(message).at_span(def.name.span));
    }
    let mut demands = Demands::default();
    if let Some(text) = &computed {
        demands.values.insert(id, AlteredValue::Using(parse_expr(text)?));
    } else if default.is_some() || !nullable {
        demands.values.insert(id, AlteredValue::Default);
    }
    Ok(demands)
}

/// What uses a column besides itself.
fn is_used(text: &str, name: &str) -> bool {
    parse_expr(text).is_ok_and(|e| names_in(&e).contains(&fold(name)))
}

fn drop_column(table: &mut TableDefinition, position: usize, cascade: bool) -> Result<()> {
    let error = |message: String| Err(SqlError::catalog(message));
    let column = table.columns[position].clone();
    if column.generated.is_none() && table.columns.iter().filter(|c| c.generated.is_none()).count() == 1 {
        return error("Cannot drop column: table only has one column remaining!".into());
    }
    expires_by_another(table, position)?;
    no_indexes(table)?;
    let mut gone = vec![column.id];
    loop {
        let names: Vec<&str> =
            table.columns.iter().filter(|c| gone.contains(&c.id)).map(|c| &*c.name).collect();
        let next = table.columns.iter().find(|c| {
            !gone.contains(&c.id)
                && c.generated.as_deref().is_some_and(|text| names.iter().any(|n| is_used(text, n)))
        });
        match next {
            None => break,
            Some(_) if !cascade => {
                return error(
                    "Cannot drop column: column is a dependency of 1 or more generated column(s)".into(),
                );
            }
            Some(next) => gone.push(next.id),
        }
    }
    for constraint in &table.constraints {
        let what = match &constraint.kind {
            ConstraintKind::Unique { primary: true, .. } => "PRIMARY KEY",
            ConstraintKind::Unique { .. } => "UNIQUE",
            ConstraintKind::ForeignKey { .. } => "FOREIGN KEY",
            // A condition on the column alone goes with it.
            ConstraintKind::Check { expression } => {
                let others =
                    table.columns.iter().any(|c| !gone.contains(&c.id) && is_used(expression, &c.name));
                if is_used(expression, &column.name) && others {
                    return error(depends("CHECK", &column.name));
                }
                continue;
            }
        };
        if constraint.columns().iter().any(|id| gone.contains(id)) {
            return error(depends(what, &column.name));
        }
    }
    table.constraints.retain(
        |c| !matches!(&c.kind, ConstraintKind::Check { expression } if is_used(expression, &column.name)),
    );
    table.columns.retain(|c| !gone.contains(&c.id));
    Ok(())
}

fn depends(constraint: &str, column: &str) -> String {
    format!("Cannot drop column \"{column}\" because there is a {constraint} constraint that depends on it")
}

fn rename(binder: &Binder<'_>, table: &mut TableDefinition, old: &Ident, new: &Ident) -> Result<()> {
    let position = find(table, old)?;
    if table.column_position(&new.value).is_some_and(|p| p != position) {
        return Err(taken(new));
    }
    no_indexes(table)?;
    let id = table.columns[position].id;
    let name = table.columns[position].name.to_string();
    let in_foreign_key = table
        .constraints
        .iter()
        .any(|c| matches!(c.kind, ConstraintKind::ForeignKey { .. }) && c.columns().contains(&id));
    if in_foreign_key || is_referenced(binder, table, id) {
        return Err(SqlError::catalog(format!(
            "Cannot rename column \"{name}\" because this is involved in the foreign key constraint"
        ))
        .at_span(old.span));
    }
    for constraint in &mut table.constraints {
        if let ConstraintKind::Check { expression } = &mut constraint.kind {
            *expression = rename_column(expression, &name, &new.value)?.into();
        }
    }
    for column in &mut table.columns {
        if let Some(text) = &mut column.generated {
            *text = rename_column(text, &name, &new.value)?.into();
        }
    }
    if ttl_column(table) == Some(position) {
        table.options.insert(TTL_COLUMN.into(), new.value.to_lowercase().into());
    }
    table.columns[position].name = new.value.as_str().into();
    Ok(())
}

/// Fails if rows expire by a column.
fn expires_by_another(table: &TableDefinition, position: usize) -> Result<()> {
    if ttl_column(table) != Some(position) {
        return Ok(());
    }
    let message =
        format!("rows expire by column \"{}\"; SET (ttl = NULL) first", table.columns[position].name);
    Err(SqlError::catalog(message))
}

fn alter_column(
    binder: &mut Binder<'_>,
    table: &mut TableDefinition,
    position: usize,
    op: &AlterColumnOperation,
) -> Result<Demands> {
    let name = table.columns[position].name.to_string();
    let in_key = table.primary_key().is_some_and(|key| key.contains(&table.columns[position].id));
    if table.columns[position].generated.is_some() {
        return Err(SqlError::binder(format!("Cannot change \"{name}\": it is a generated column")));
    }
    let is_identity = identity_columns(binder.env.tables.catalog(), table).any(|(p, _)| p == position);
    let frees = matches!(
        op,
        AlterColumnOperation::SetDefault { .. }
            | AlterColumnOperation::DropDefault
            | AlterColumnOperation::DropNotNull
    );
    if is_identity && frees {
        return Err(SqlError::binder(format!(
            "column \"{name}\" of relation \"{}\" is an identity column",
            table.name
        )));
    }
    let mut demands = Demands::default();
    match op {
        AlterColumnOperation::SetDefault { value } => {
            check_default(binder, value, &table.columns[position])?;
            table.columns[position].default = Some(canonical(value).into());
        }
        AlterColumnOperation::DropDefault => table.columns[position].default = None,
        AlterColumnOperation::DropNotNull if in_key => {
            return Err(SqlError::catalog(format!("column \"{name}\" is in a primary key")));
        }
        AlterColumnOperation::DropNotNull => table.columns[position].nullable = true,
        AlterColumnOperation::SetNotNull => {
            table.columns[position].nullable = false;
        }
        AlterColumnOperation::SetDataType { data_type, using, .. } => {
            let value = set_type(binder, table, position, data_type, using.as_ref())?;
            demands.values.insert(table.columns[position].id, value);
        }
        AlterColumnOperation::AddGenerated { .. } => {
            return Err(SqlError::unsupported(format!("ALTER COLUMN {op} is not supported")));
        }
    }
    Ok(demands)
}

/// Gives a column another type.
fn set_type(
    binder: &mut Binder<'_>,
    table: &mut TableDefinition,
    position: usize,
    ty: &sqlparser::ast::DataType,
    using: Option<&Syntax>,
) -> Result<AlteredValue> {
    keeps_type(table, position)?;
    let ty = match (ty, using) {
        // `USING` alone says what the type is.
        (sqlparser::ast::DataType::Unspecified, Some(using)) => {
            let target = Target::new(Arc::new(table.clone()), "");
            binder.type_over(&target, using, "ALTER TABLE")?
        }
        (ty, _) => binder.bind_type(ty)?,
    };
    give_type(binder, table, position, ty)?;
    Ok(using.map_or(AlteredValue::Converted, |value| AlteredValue::Using(value.clone())))
}

/// Fails if something depends on the type of a column.
pub(super) fn keeps_type(table: &TableDefinition, position: usize) -> Result<()> {
    expires_by_another(table, position)?;
    let column = table.columns[position].clone();
    for constraint in &table.constraints {
        let what = match &constraint.kind {
            ConstraintKind::Unique { columns, .. } if columns.contains(&column.id) => "UNIQUE or PRIMARY KEY",
            ConstraintKind::ForeignKey { columns, .. } if columns.contains(&column.id) => "FOREIGN KEY",
            ConstraintKind::Check { expression } if is_used(expression, &column.name) => "CHECK",
            _ => continue,
        };
        return Err(SqlError::binder(format!(
            "Cannot change the type of a column that has a {what} constraint specified"
        )));
    }
    if table.indexes.iter().flat_map(|i| &i.keys).any(|key| is_used(key, &column.name)) {
        return Err(SqlError::catalog("Cannot change the type of this column: an index depends on it!"));
    }
    let user =
        table.columns.iter().find(|c| c.generated.as_deref().is_some_and(|text| is_used(text, &column.name)));
    if let Some(user) = user {
        return Err(SqlError::binder(format!(
            "This column is referenced by the generated column \"{}\", so its type can not be changed",
            user.name
        )));
    }
    Ok(())
}

/// Gives a column another type, which its default must have, too.
pub(super) fn give_type(
    binder: &mut Binder<'_>,
    table: &mut TableDefinition,
    position: usize,
    ty: LogicalType,
) -> Result<()> {
    let column = &mut table.columns[position];
    column.ty = ty;
    if let Some(default) = column.default.take() {
        check_default(binder, &parse_expr(&default)?, column)?;
        column.default = Some(default);
    }
    Ok(())
}

// --- constraints ---

fn add_constraint(
    binder: &mut Binder<'_>,
    table: &mut TableDefinition,
    constraint: &TableConstraint,
) -> Result<Demands> {
    if let (TableConstraint::PrimaryKey(_), Some(_)) = (constraint, table.primary_key()) {
        return Err(SqlError::catalog(format!("table \"{}\" can have only one primary key", table.name))
            .at(constraint));
    }
    table_constraint(table, constraint, binder).map_err(|e| e.at(constraint))?;
    let Some((added, before)) = table.constraints.split_last() else { return Ok(Demands::default()) };
    let unique = |c: &ConstraintDefinition| match &c.kind {
        ConstraintKind::Unique { columns, primary: false } => Some(columns.clone()),
        _ => None,
    };
    if let Some(columns) = unique(added)
        && before.iter().any(|c| unique(c).as_ref() == Some(&columns))
    {
        let message = format!("table \"{}\" already has this UNIQUE constraint", table.name);
        return Err(SqlError::catalog(message).at(constraint));
    }
    let constraints = vec![added.clone()];
    Ok(Demands { constraints, ..Demands::default() })
}

fn drop_constraint(
    binder: &Binder<'_>,
    table: &mut TableDefinition,
    name: &Ident,
    if_exists: bool,
) -> Result<()> {
    let called =
        |c: &ConstraintDefinition| c.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(&name.value));
    let Some(at) = table.constraints.iter().position(called) else {
        if if_exists {
            return Ok(());
        }
        let message = format!("Constraint with name {} does not exist!", name.value);
        return Err(SqlError::catalog(message).at_span(name.span));
    };
    let constraint = &table.constraints[at];
    if matches!(constraint.kind, ConstraintKind::Unique { .. })
        && constraint.columns().iter().any(|id| is_referenced(binder, table, *id))
    {
        return Err(cannot_alter(table).at_span(name.span));
    }
    table.constraints.remove(at);
    Ok(())
}

/// Whether a foreign key, of this table or another, references a column.
fn is_referenced(binder: &Binder<'_>, table: &TableDefinition, column: ColumnId) -> bool {
    let to_it = |t: &TableDefinition| {
        t.constraints.iter().any(|c| {
            matches!(&c.kind, ConstraintKind::ForeignKey { table: id, referenced, .. }
                if *id == table.id && referenced.contains(&column))
        })
    };
    to_it(table) || binder.env.tables.catalog().referencing(table.id).any(|t| to_it(t))
}

fn is_not_referenced(binder: &Binder<'_>, table: &TableDefinition) -> Result<()> {
    let mut referencing = binder.env.tables.catalog().referencing(table.id);
    if referencing.next().is_some() { Err(cannot_alter(table)) } else { Ok(()) }
}

fn no_indexes(table: &TableDefinition) -> Result<()> {
    if table.indexes.is_empty() { Ok(()) } else { Err(cannot_alter(table)) }
}

fn cannot_alter(table: &TableDefinition) -> SqlError {
    let message =
        format!("Cannot alter entry \"{}\" because there are entries that depend on it.", table.name);
    SqlError::new(SqlErrorKind::Dependency, message)
}

pub(super) fn find(table: &TableDefinition, name: &Ident) -> Result<usize> {
    table.column_position(&name.value).ok_or_else(|| {
        SqlError::binder(format!(
            "Table \"{}\" does not have a column with name \"{}\"",
            table.name, name.value
        ))
        .at_span(name.span)
        .did_you_mean(&name.value, table.columns.iter().map(|c| &c.name))
    })
}

fn taken(name: &Ident) -> SqlError {
    SqlError::catalog(format!("Column with name \"{}\" already exists!", name.value)).at_span(name.span)
}
