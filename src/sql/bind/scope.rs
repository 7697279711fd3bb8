//! Which names mean which columns.

use std::collections::HashMap;

use sqlparser::ast::Ident;

use crate::catalog::ColumnRole;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::bind::aggregate::same_expr;
use crate::sql::bind::expr::Aliases;
use crate::sql::error::{Result, SqlError};
use crate::sql::plan::Column;

/// The columns that FROM yields, by table.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The tables, in the order of FROM.
    pub relations: Vec<Relation>,
}

/// One table of FROM: its name and columns.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The name that qualifies its columns; empty if it has none.
    pub name: String,
    /// The schema, where the table was named without an alias.
    pub schema: Option<String>,
    /// The database, likewise.
    pub database: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<ScopeColumn>,
    /// What is found by its name, unless a column has that, but is not one of the columns: the number of the row, the
    /// file that it is from.
    pub hidden: Vec<ScopeColumn>,
    /// It is the result of a function: it may be given more names than it has columns.
    pub is_function: bool,
    /// It is one value a row, as of `range` and `unnest`: its name means that, and not a row.
    pub is_value: bool,
}

/// One column of a table of FROM.
#[derive(Debug, Clone)]
pub struct ScopeColumn {
    /// The column.
    pub column: Column,
    /// What it is for in a measurement.
    pub role: ColumnRole,
    /// It was merged into another by USING or NATURAL: only its qualified name reaches it.
    pub merged_away: bool,
    /// What its unqualified name stands for, if another column was merged into it.
    pub merged: Option<Expr>,
}

impl ScopeColumn {
    /// A column that nothing has happened to.
    pub fn new(column: Column) -> Self {
        Self { column, role: ColumnRole::Plain, merged_away: false, merged: None }
    }

    /// What its unqualified name stands for.
    pub fn unqualified(&self) -> Expr {
        self.merged.clone().unwrap_or_else(|| self.column.expr())
    }
}

/// The most columns of a table or result. Each query of a chain can have twice as many as the one before, so without a
/// limit a short statement takes all memory.
const COLUMNS_MAX: usize = 1 << 17;

/// Refuses what has more columns than there may be.
pub fn check_width(columns: usize) -> Result<()> {
    if columns > COLUMNS_MAX {
        return Err(SqlError::binder(format!(
            "{columns} columns are too many; at most {COLUMNS_MAX} are allowed"
        )));
    }
    Ok(())
}

/// Gives a column whose name an earlier one has a number behind it, as in `x_1`, so that each has a name of its own.
pub fn make_unique(columns: &mut [Column]) {
    // The number that a name has next.
    let mut next: HashMap<String, usize> = HashMap::with_capacity(columns.len());
    for column in columns {
        let base = column.name.to_lowercase();
        let mut number = next.get(&base).copied().unwrap_or(0);
        let mut name = column.name.clone();
        if number > 0 {
            name = loop {
                let numbered = format!("{}_{number}", column.name);
                number += 1;
                if !next.contains_key(&numbered.to_lowercase()) {
                    break numbered;
                }
            };
        }
        next.insert(name.to_lowercase(), 1);
        next.insert(base, number.max(1));
        column.name = name;
    }
}

/// What a search for a name found.
#[derive(Debug)]
pub enum Found<'s> {
    /// Nothing.
    Nothing,
    /// One column.
    One(&'s ScopeColumn),
    /// More than one; the qualified names.
    Many(Vec<String>),
}

impl Relation {
    /// A relation of these columns.
    pub fn new(name: impl Into<String>, columns: Vec<Column>) -> Self {
        let columns = columns.into_iter().map(ScopeColumn::new).collect();
        Self {
            name: name.into(),
            schema: None,
            database: None,
            columns,
            hidden: vec![],
            is_function: false,
            is_value: false,
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&ScopeColumn> {
        let mut all = self.columns.iter().chain(&self.hidden);
        all.find(|c| c.column.name.eq_ignore_ascii_case(name))
    }

    /// Whether a name means this relation; it may be qualified by a schema, a database, or both.
    pub fn is_called(&self, qualifier: &[&str], name: &str) -> bool {
        let is = |own: &Option<String>, wanted: &str| {
            own.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(wanted))
        };
        self.name.eq_ignore_ascii_case(name)
            && match qualifier {
                [] => true,
                [one] => is(&self.schema, one) || is(&self.database, one),
                [database, schema] => is(&self.database, database) && is(&self.schema, schema),
                _ => false,
            }
    }
}

/// The one relation, if there is one.
///
/// # Errors
/// There are several.
pub fn one_of(relations: Vec<&Relation>) -> Result<Option<&Relation>> {
    if let [first, _, ..] = relations[..] {
        let full = |r: &&Relation| {
            let places = [&r.database, &r.schema].into_iter().flatten().map(String::as_str);
            places.chain([r.name.as_str()]).collect::<Vec<_>>().join(".")
        };
        let names: Vec<String> = relations.iter().map(full).collect();
        return Err(SqlError::binder(format!(
            "Ambiguous reference to table \"{}\" (use: {})",
            first.name,
            names.join(" or ")
        )));
    }
    Ok(relations.first().copied())
}

impl Scope {
    /// The scope of one relation.
    pub fn of(relation: Relation) -> Self {
        Self { relations: vec![relation] }
    }

    /// The column that an unqualified name means.
    pub fn find(&self, name: &str) -> Found<'_> {
        match self.find_in(name, |relation| &relation.columns) {
            Found::Nothing => self.find_in(name, |relation| &relation.hidden),
            found => found,
        }
    }

    fn find_in(&self, name: &str, columns: impl Fn(&Relation) -> &[ScopeColumn]) -> Found<'_> {
        let mut found: Option<(&Relation, &ScopeColumn)> = None;
        let mut many = vec![];
        for relation in &self.relations {
            for column in columns(relation) {
                if column.merged_away || !column.column.name.eq_ignore_ascii_case(name) {
                    continue;
                }
                match found {
                    None => found = Some((relation, column)),
                    // A subquery may yield two columns of one name; the first is meant.
                    Some((first, _)) if std::ptr::eq(first, relation) => {}
                    Some((first, other)) => {
                        if many.is_empty() {
                            many.push(qualified(&first.name, &other.column.name));
                        }
                        many.push(qualified(&relation.name, &column.column.name));
                    }
                }
            }
        }
        match found {
            _ if !many.is_empty() => Found::Many(many),
            Some((_, column)) => Found::One(column),
            None => Found::Nothing,
        }
    }

    /// The relations that a name means: several, if they are told apart by schema or database only and it states
    /// neither.
    pub fn relations_called(&self, qualifier: &[&str], name: &str) -> Vec<&Relation> {
        self.relations.iter().filter(|r| r.is_called(qualifier, name)).collect()
    }

    /// The relation that a name means.
    ///
    /// # Errors
    /// It means several.
    pub fn relation(&self, qualifier: &[&str], name: &str) -> Result<Option<&Relation>> {
        one_of(self.relations_called(qualifier, name))
    }

    /// All columns that `*` stands for, with their expressions.
    pub fn star(&self) -> impl Iterator<Item = &ScopeColumn> {
        self.relations.iter().flat_map(|r| &r.columns).filter(|c| !c.merged_away)
    }

    /// All columns, hidden ones among them.
    pub fn columns(&self) -> impl Iterator<Item = &ScopeColumn> {
        self.relations.iter().flat_map(|r| r.columns.iter().chain(&r.hidden))
    }

    /// Adds the relations of another scope. Two relations cannot have the same name.
    pub fn join(&mut self, other: Scope) -> Result<()> {
        for relation in other.relations {
            let taken = |r: &Relation| {
                !r.name.is_empty()
                    && r.name.eq_ignore_ascii_case(&relation.name)
                    && r.schema == relation.schema
                    && r.database == relation.database
            };
            if self.relations.iter().any(taken) {
                return Err(SqlError::binder(format!(
                    "Duplicate alias \"{}\" in query! Give one of the tables another name with AS.",
                    relation.name
                )));
            }
            self.relations.push(relation);
        }
        check_width(self.relations.iter().map(|r| r.columns.len()).sum())
    }

    /// The column that tells the time of a row: marked as such in the catalog, else called `time`, of a
    /// type that tells time.
    pub fn time_column(&self) -> Option<&ScopeColumn> {
        let tells_time = |c: &&ScopeColumn| is_instant(&c.column.ty) && !c.merged_away;
        let mut marked = self.columns().filter(|c| c.role == ColumnRole::Time).filter(tells_time);
        if let (Some(column), None) = (marked.next(), marked.next()) {
            return Some(column);
        }
        match self.find("time") {
            Found::One(column) if is_instant(&column.column.ty) => Some(column),
            _ => None,
        }
    }

    /// The column that tells the time of one of the relations, if that is what an expression is.
    pub fn time_of(&self, expr: &Expr) -> Option<&ScopeColumn> {
        if !matches!(expr, Expr::Column { .. } | Expr::Coalesce(_)) || !is_instant(&expr.ty()) {
            return None;
        }
        let tells_time =
            |c: &&ScopeColumn| c.role == ColumnRole::Time || c.column.name.eq_ignore_ascii_case("time");
        self.columns().filter(tells_time).find(|c| same_expr(&c.unqualified(), expr))
    }

    /// The column by which EVERY cuts time: [`Scope::time_column`], else the only one of a type that tells
    /// time.
    pub fn bucket_column(&self) -> Result<&ScopeColumn> {
        if let Some(column) = self.time_column() {
            return Ok(column);
        }
        let candidates: Vec<(&Relation, &ScopeColumn)> = self
            .relations
            .iter()
            .flat_map(|r| r.columns.iter().map(move |c| (r, c)))
            .filter(|(_, c)| is_instant(&c.column.ty) && !c.merged_away)
            .collect();
        match &candidates[..] {
            [(_, column)] => Ok(column),
            [] => Err(SqlError::binder(
                "EVERY needs a column of type TIMESTAMP or DATE in FROM, and there is none",
            )),
            many => {
                let names: Vec<_> = many.iter().map(|(r, c)| qualified(&r.name, &c.column.name)).collect();
                let called = many.iter().filter(|(_, c)| c.column.name.eq_ignore_ascii_case("time")).count();
                let why = if called == 0 { "none is called" } else { "several are called" };
                Err(SqlError::binder(format!(
                    "EVERY cannot choose among {}: {why} \"time\"",
                    names.join(", ")
                ))
                .hint("Select one AS time in a subquery, or use time_bucket in GROUP BY."))
            }
        }
    }

    /// The error for a name that no column has.
    pub fn unknown_column(&self, name: &Ident) -> SqlError {
        let columns: Vec<String> = self.star().map(|c| c.column.name.clone()).collect();
        let error = if columns.is_empty() {
            SqlError::binder(format!(
                "Referenced column \"{}\" not found: there is no FROM clause!",
                name.value
            ))
        } else {
            SqlError::binder(format!("Referenced column \"{}\" not found in FROM clause!", name.value))
        };
        let error = error.at_span(name.span).did_you_mean(&name.value, &columns);
        if error.hint.is_some() || columns.is_empty() {
            return error;
        }
        let shown: Vec<_> = columns.iter().take(8).map(|c| format!("\"{c}\"")).collect();
        let more = if columns.len() > shown.len() { ", …" } else { "" };
        error.hint(format!("Candidate bindings: {}{more}", shown.join(", ")))
    }
}

/// A date or a timestamp of any kind.
pub fn is_instant(ty: &LogicalType) -> bool {
    matches!(ty, LogicalType::Date | LogicalType::Timestamp(_) | LogicalType::TimestampTz)
}

fn qualified(table: &str, column: &str) -> String {
    if table.is_empty() { column.to_owned() } else { format!("{table}.{column}") }
}

/// The scopes of the queries around one: a subquery may use their columns.
#[derive(Clone, Copy)]
pub struct Outer<'c> {
    /// The innermost of them.
    pub scope: &'c Scope,
    /// Those around it.
    pub parent: Option<&'c Outer<'c>>,
    /// Names of its select list that can be seen where the subquery stands.
    pub aliases: Option<Aliases<'c>>,
}

impl<'c> Outer<'c> {
    /// The scopes from the inside out.
    pub fn chain(this: Option<&'c Outer<'c>>) -> impl Iterator<Item = &'c Scope> {
        std::iter::successors(this, |o| o.parent).map(|o| o.scope)
    }
}
