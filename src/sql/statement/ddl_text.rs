//! Definitions as the statements that make them.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use crate::catalog::{
    Catalog, ColumnDefinition, ColumnId, ConstraintDefinition, ConstraintKind, IndexDefinition, MAIN_SCHEMA,
    MacroDefinition, MacroKind, MacroOverload, Materialized, Namespace, Object, ReferenceAction, Schema,
    SequenceDefinition, SequenceRole, TableDefinition, TypeDefinition, ViewDefinition, fold,
};
use crate::sql::bind::modify::keys::positions;
use crate::sql::bind::name::name_in_sql;

/// `CREATE TABLE …;`, or `CREATE MATERIALIZED VIEW …;` without rows, which may be put in before it is refreshed.
pub fn table_sql(catalog: &Catalog, schema: &Schema, table: &TableDefinition) -> String {
    if let Some(materialized) = &table.materialized {
        return materialized_view_sql(schema, table, materialized);
    }
    let mut parts = vec![];
    for column in &table.columns {
        parts.push(column_text(table, column));
    }
    let of_table = table.constraints.iter().filter(|c| !stands_at_column(c));
    parts.extend(of_table.map(|c| {
        let name = c.name.as_ref().map_or(String::new(), |n| format!("CONSTRAINT {} ", name_in_sql(n)));
        name + &constraint_text(catalog, table, c)
    }));
    format!("CREATE TABLE {}({});", qualified(schema, &table.name), parts.join(", "))
}

fn column_text(table: &TableDefinition, column: &ColumnDefinition) -> String {
    let mut out = format!("{} {}", name_in_sql(&column.name), column.ty);
    // Writing to a String cannot fail.
    if let Some(collation) = &column.collation {
        let _ = write!(out, " COLLATE {collation}");
    }
    if let Some(expression) = &column.generated {
        let stored = if column.stored { " STORED" } else { "" };
        let _ = write!(out, " GENERATED ALWAYS AS({expression}){stored}");
    }
    if let Some(default) = &column.default {
        let _ = write!(out, " DEFAULT({default})");
    }
    let is_key = table.primary_key().is_some_and(|key| key.contains(&column.id));
    if !column.nullable && !is_key {
        out.push_str(" NOT NULL");
    }
    for constraint in &table.constraints {
        if stands_at_column(constraint) && constraint.columns() == [column.id] {
            out.push_str(if constraint.is_primary_key() { " PRIMARY KEY" } else { " UNIQUE" });
        }
    }
    out
}

/// A key of one column without a name is written at the column.
fn stands_at_column(constraint: &ConstraintDefinition) -> bool {
    matches!(&constraint.kind, ConstraintKind::Unique { columns, .. } if columns.len() == 1)
        && constraint.name.is_none()
}

/// A constraint as it is written in the definition of its table, without its name.
pub fn constraint_text(
    catalog: &Catalog,
    table: &TableDefinition,
    constraint: &ConstraintDefinition,
) -> String {
    match &constraint.kind {
        ConstraintKind::Unique { columns, primary } => {
            let what = if *primary { "PRIMARY KEY" } else { "UNIQUE" };
            format!("{what}({})", column_names(table, columns).join(", "))
        }
        ConstraintKind::Check { expression } => format!("CHECK({expression})"),
        ConstraintKind::ForeignKey { columns, table: parent, referenced, actions } => {
            let own = column_names(table, columns).join(", ");
            let Some(parent) = catalog.table_by_id(*parent) else { return format!("FOREIGN KEY ({own})") };
            let schema = catalog.schema_by_id(parent.schema);
            let name = schema.map_or_else(|| name_in_sql(&parent.name), |s| qualified(s, &parent.name));
            let referenced = column_names(parent, referenced).join(", ");
            let mut text = format!("FOREIGN KEY ({own}) REFERENCES {name}({referenced})");
            for (when, action) in [("UPDATE", actions.on_update), ("DELETE", actions.on_delete)] {
                if action != ReferenceAction::NoAction {
                    let _ = write!(text, " ON {when} {}", action.words());
                }
            }
            text
        }
    }
}

fn column_names(table: &TableDefinition, columns: &[ColumnId]) -> Vec<String> {
    positions(table, columns).into_iter().map(|p| name_in_sql(&table.columns[p].name)).collect()
}

/// `CREATE INDEX …;`
pub fn index_sql(schema: &Schema, table: &TableDefinition, index: &IndexDefinition) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let keys: Vec<String> = index
        .keys
        .iter()
        .map(|key| {
            if table.column_position(key.trim_matches('"')).is_some() {
                key.to_string()
            } else {
                format!("({key})")
            }
        })
        .collect();
    format!(
        "CREATE {unique}INDEX {} ON {}({});",
        name_in_sql(&index.name),
        qualified(schema, &table.name),
        keys.join(", ")
    )
}

fn materialized_view_sql(schema: &Schema, table: &TableDefinition, materialized: &Materialized) -> String {
    let names: Vec<_> = table.columns.iter().map(|c| name_in_sql(&c.name)).collect();
    let mut options: Vec<String> = table
        .options
        .iter()
        .map(|(name, value)| format!("{name} = '{}'", value.replace('\'', "''")))
        .collect();
    options.extend(materialized.frozen_before.map(|time| format!("frozen_before = '{time}'")));
    let options = if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) };
    // The query may end in a comment.
    let query = &materialized.query;
    let gap = if query.contains("--") { '\n' } else { ' ' };
    let name = qualified(schema, &table.name);
    format!("CREATE MATERIALIZED VIEW {name}({}){options} AS {query}{gap}WITH NO DATA;", names.join(", "))
}

/// `CREATE VIEW … AS …;`
pub fn view_sql(schema: &Schema, view: &ViewDefinition) -> String {
    let mut out = format!("CREATE VIEW {}", qualified(schema, &view.name));
    if !view.column_names.is_empty() {
        let names: Vec<_> = view.column_names.iter().map(|n| name_in_sql(n)).collect();
        let _ = write!(out, "({})", names.join(", "));
    }
    let _ = write!(out, " AS {};", view.query);
    out
}

/// `CREATE SCHEMA …;`
pub fn schema_sql(name: &str) -> String {
    format!("CREATE SCHEMA {};", name_in_sql(name))
}

/// `CREATE SEQUENCE …;`, which goes on where the sequence stands.
pub fn sequence_sql(schema: &Schema, sequence: &SequenceDefinition) -> String {
    let state = sequence.counter.state();
    let next = if state.overflowed { sequence.greatest } else { state.next };
    format!(
        "CREATE SEQUENCE {} INCREMENT BY {} MINVALUE {} MAXVALUE {} START {} {};",
        qualified(schema, &sequence.name),
        sequence.increment,
        sequence.least,
        sequence.greatest,
        next.clamp(sequence.least, sequence.greatest),
        if sequence.cycles { "CYCLE" } else { "NO CYCLE" }
    )
}

/// `CREATE TYPE …;`
pub fn type_sql(schema: &Schema, named: &TypeDefinition) -> String {
    let Some(domain) = &named.domain else {
        return format!("CREATE TYPE {} AS {};", qualified(schema, &named.name), named.ty);
    };
    let mut out = format!("CREATE DOMAIN {} AS {}", qualified(schema, &named.name), named.ty);
    if let Some(default) = &domain.default {
        let _ = write!(out, " DEFAULT ({default})");
    }
    if domain.not_null {
        out.push_str(" NOT NULL");
    }
    for (name, check) in &domain.checks {
        if let Some(name) = name {
            let _ = write!(out, " CONSTRAINT {}", name_in_sql(name));
        }
        let _ = write!(out, " CHECK ({check})");
    }
    out + ";"
}

/// `CREATE MACRO …;`
fn macro_sql(schema: &Schema, definition: &MacroDefinition) -> String {
    let overloads = definition.overloads.iter().map(|overload| {
        let parameters = overload.parameters.iter().map(|parameter| {
            let ty = parameter.ty.as_ref().map_or(String::new(), |ty| format!(" {ty}"));
            let default = parameter.default.as_ref().map_or(String::new(), |d| format!(" := {d}"));
            format!("{}{ty}{default}", name_in_sql(&parameter.name))
        });
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        let table = if definition.kind == MacroKind::Table { "TABLE " } else { "" };
        format!("({parameters}) AS {table}({})", overload.body)
    });
    let overloads = overloads.collect::<Vec<_>>().join(", ");
    format!("CREATE MACRO {}{overloads};", qualified(schema, &definition.name))
}

/// `CREATE FUNCTION …;`, if a body of a macro is one of a function. Its rows have the declared types by themselves.
fn function_sql(schema: &Schema, definition: &MacroDefinition, overload: &MacroOverload) -> Option<String> {
    let returns = overload.returns.as_ref()?;
    let parameters = overload.parameters.iter().map(|parameter| {
        let ty = parameter.ty.as_deref().unwrap_or_default();
        let default = parameter.default.as_ref().map_or(String::new(), |d| format!(" DEFAULT {d}"));
        format!("{} {ty}{default}", name_in_sql(&parameter.name))
    });
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    let head = format!("CREATE FUNCTION {}({parameters}) RETURNS", qualified(schema, &definition.name));
    Some(match definition.kind {
        MacroKind::Scalar => format!("{head} {returns} RETURN {};", overload.body),
        MacroKind::Table => {
            let body = overload.body.replace('\'', "''");
            format!("{head} SETOF record LANGUAGE sql AS '{body}';")
        }
    })
}

/// The statements that make a macro, or the functions of a name.
fn macro_statements(schema: &Schema, definition: &MacroDefinition) -> Vec<String> {
    let functions = definition.overloads.iter().map(|overload| function_sql(schema, definition, overload));
    match functions.collect::<Option<Vec<_>>>() {
        Some(functions) => functions,
        None => vec![macro_sql(schema, definition)],
    }
}

/// The statement that makes a temporary object like that which `sql` makes.
pub fn as_temporary(sql: &str) -> String {
    sql.replacen("CREATE ", "CREATE TEMP ", 1)
}

/// An object, and the statement that makes it.
pub struct ObjectSql<'c> {
    /// The schema it is in.
    pub schema: &'c Schema,
    /// The object.
    pub object: &'c Object,
    /// `CREATE …;`
    pub sql: String,
}

/// All objects of a catalog, each behind those that it needs.
pub fn objects_in_order(catalog: &Catalog) -> Vec<ObjectSql<'_>> {
    let mut all = vec![];
    for schema in catalog.schemas() {
        const NAMESPACES: [Namespace; 5] = [
            Namespace::Type,
            Namespace::Sequence,
            Namespace::Function,
            Namespace::TableFunction,
            Namespace::Relation,
        ];
        for object in NAMESPACES.into_iter().flat_map(|namespace| schema.objects_in(namespace)) {
            let sql = match object {
                Object::Table(table) => table_sql(catalog, schema, table),
                Object::View(view) => view_sql(schema, view),
                Object::Sequence(sequence) => sequence_sql(schema, sequence),
                Object::Type(named) => type_sql(schema, named),
                Object::Macro(definition) => {
                    let statements = macro_statements(schema, definition);
                    all.extend(statements.into_iter().map(|sql| ObjectSql { schema, object, sql }));
                    continue;
                }
            };
            all.push(ObjectSql { schema, object, sql });
        }
    }
    all.sort_by_key(|o| o.object.id());
    let order = in_order_of_needs(&all);
    let mut all: Vec<Option<ObjectSql<'_>>> = all.into_iter().map(Some).collect();
    order.into_iter().filter_map(|i| all[i].take()).collect()
}

/// Positions of objects, each behind those that it needs. Whether it needs another shows in its statement: the other's
/// name is in it. That may be so by chance, and then the order is one of many; where it leads around in a circle, the
/// object that was made first is first.
fn in_order_of_needs(all: &[ObjectSql<'_>]) -> Vec<usize> {
    let is_word = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    let mut odd = vec![];
    for (i, o) in all.iter().enumerate() {
        match fold(o.object.name()) {
            name if is_word(&name) => by_name.entry(name).or_default().push(i),
            name => odd.push((name, i)),
        }
    }
    let needs = |i: usize| -> Vec<usize> {
        let sql = fold(&all[i].sql);
        let words: BTreeSet<&str> = sql.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let mut found: BTreeSet<usize> =
            words.into_iter().filter_map(|word| by_name.get(word)).flatten().copied().collect();
        found.extend(odd.iter().filter(|(name, _)| sql.contains(name)).map(|(_, other)| *other));
        found.into_iter().filter(|&other| other != i && may_need(all[i].object, all[other].object)).collect()
    };
    let mut order = Vec::with_capacity(all.len());
    let mut begun = vec![false; all.len()];
    for first in 0..all.len() {
        // Objects on the way, with what each still needs, last first.
        let mut way: Vec<(usize, Vec<usize>)> = vec![];
        let mut next = Some(first);
        loop {
            if let Some(i) = next.take().filter(|&i| !std::mem::replace(&mut begun[i], true)) {
                let mut left = needs(i);
                left.reverse();
                way.push((i, left));
            }
            let Some((i, left)) = way.last_mut() else { break };
            next = left.pop();
            if next.is_none() {
                order.push(*i);
                way.pop();
            }
        }
    }
    order
}

/// Whether an object can need another at all.
fn may_need(object: &Object, other: &Object) -> bool {
    match (object, other) {
        (Object::Table(table), _) if table.materialized.is_some() => true,
        (Object::Table(table), Object::Table(other)) => table.constraints.iter().any(
            |c| matches!(&c.kind, ConstraintKind::ForeignKey { table: parent, .. } if *parent == other.id),
        ),
        (Object::Table(_), Object::View(_)) | (Object::Sequence(_) | Object::Type(_), _) => false,
        _ => true,
    }
}

/// The statements that give sequences to what owns them, once all objects and their rows are there.
pub fn ownership_statements(catalog: &Catalog) -> Vec<String> {
    catalog.sequences().filter_map(|sequence| owner_sql(catalog, sequence)).collect()
}

fn owner_sql(catalog: &Catalog, sequence: &SequenceDefinition) -> Option<String> {
    let owner = sequence.owner?;
    let object = catalog.object_by_id(owner.object)?;
    let owner_name = qualified(catalog.schema_by_id(object.schema())?, object.name());
    let name = qualified(catalog.schema_by_id(sequence.schema)?, &sequence.name);
    let column = match (owner.column, object) {
        (Some(id), Object::Table(table)) => name_in_sql(&table.columns[table.position_of(id)?].name),
        _ => return Some(format!("ALTER SEQUENCE {name} OWNED BY {owner_name};")),
    };
    let when = match owner.role {
        SequenceRole::Owned => return Some(format!("ALTER SEQUENCE {name} OWNED BY {owner_name}.{column};")),
        SequenceRole::IdentityByDefault => "BY DEFAULT",
        SequenceRole::IdentityAlways => "ALWAYS",
    };
    let identity = format!("GENERATED {when} AS IDENTITY (SEQUENCE NAME {name})");
    Some(format!("ALTER TABLE {owner_name} ALTER COLUMN {column} ADD {identity};"))
}

/// The statements that make all schemas of a catalog but the main one, which is always there.
pub fn schema_statements(catalog: &Catalog) -> Vec<String> {
    let names = catalog.schemas().map(|schema| &schema.definition().name);
    names.filter(|name| !name.eq_ignore_ascii_case(MAIN_SCHEMA)).map(|name| schema_sql(name)).collect()
}

/// The statements that make all objects of a catalog, schemas first; or those of that name, with sequences that belong to
/// them, and last those of [`ownership_statements`], which are for when rows are there.
pub fn create_statements(catalog: &Catalog, name: Option<&str>) -> Vec<String> {
    let mut out = if name.is_none() { schema_statements(catalog) } else { vec![] };
    let mut owners = vec![];
    for ObjectSql { schema, object, sql } in objects_in_order(catalog) {
        let is_named = |schema: &Schema, object: &str, n: &str| {
            n.eq_ignore_ascii_case(object)
                || n.eq_ignore_ascii_case(&format!("{}.{object}", schema.definition().name))
        };
        let owner = match object {
            Object::Sequence(_) => catalog.owner(object),
            _ => None,
        };
        let owner = owner.and_then(|owner| Some((catalog.schema_by_id(owner.schema())?, owner)));
        let with_owner = owner.is_some_and(|(s, owner)| name.is_none_or(|n| is_named(s, owner.name(), n)));
        if with_owner || name.is_none_or(|n| is_named(schema, object.name(), n)) {
            out.push(sql);
            if let (true, Object::Sequence(sequence)) = (with_owner, object) {
                owners.extend(owner_sql(catalog, sequence));
            }
            if let Object::Table(table) = object {
                out.extend(table.indexes.iter().map(|index| index_sql(schema, table, index)));
            }
        }
    }
    out.append(&mut owners);
    out
}

fn qualified(schema: &Schema, name: &str) -> String {
    let schema = &schema.definition().name;
    if schema.eq_ignore_ascii_case(MAIN_SCHEMA) {
        name_in_sql(name)
    } else {
        format!("{}.{}", name_in_sql(schema), name_in_sql(name))
    }
}
