//! The select list: `*`, `t.*` and `s.*` with EXCLUDE, REPLACE, RENAME and LIKE.

use std::borrow::Cow;
use std::sync::Arc;

use regex::Regex;
use sqlparser::ast::{
    ExcludeSelectItem, Expr as Syntax, Ident, ObjectName, RenameSelectItem, SelectItem,
    SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::bind::columns::expand_alias;
use crate::sql::bind::scope::{Found, Outer, Scope, ScopeColumn};
use crate::sql::bind::select::{Item, ItemSource};
use crate::sql::bind::{Binder, object_name};
use crate::sql::error::{Result, SqlError};
use crate::sql::forms;
use crate::sql::session::parts;

/// A column that a star may stand for.
#[derive(Clone)]
pub(super) struct StarColumn {
    /// The table that it is of.
    pub table: String,
    /// Other columns are merged into it: its value is that of its bare name, not of the table's column.
    pub merged: bool,
    /// Its name.
    pub name: String,
    /// Another name, by RENAME or AS.
    pub alias: Option<String>,
    /// What it yields.
    pub value: StarValue,
}

/// What a column of a star yields.
#[derive(Clone)]
pub(super) enum StarValue {
    /// Itself.
    Column(Expr),
    /// What REPLACE says.
    Replaced(Syntax),
}

impl StarColumn {
    fn new(table: &str, name: &str, value: Expr) -> Self {
        let value = StarValue::Column(value);
        Self { table: table.to_owned(), merged: false, name: name.to_owned(), alias: None, value }
    }

    fn of(table: &str, column: &ScopeColumn) -> Self {
        let merged = column.merged.is_some();
        Self { merged, ..Self::new(table, &column.column.name, column.unqualified()) }
    }

    fn into_item<'q>(self) -> Item<'q> {
        let is_alias = self.alias.is_some();
        Item { name: self.alias.unwrap_or(self.name), is_alias, source: self.value.into_source() }
    }
}

impl StarValue {
    /// As the source of an item.
    pub fn into_source<'q>(self) -> ItemSource<'q> {
        match self {
            Self::Column(expr) => ItemSource::Bound(expr),
            Self::Replaced(expr) => ItemSource::Syntax(Cow::Owned(expr)),
        }
    }
}

/// All columns of FROM: `FROM t` without a select list.
pub fn everything(scope: &Scope) -> Vec<Item<'static>> {
    let passed = |c: &ScopeColumn| Item {
        name: c.column.name.clone(),
        is_alias: false,
        source: ItemSource::Bound(c.unqualified()),
    };
    scope.star().map(passed).collect()
}

/// All columns of FROM, each with its table.
pub(super) fn all_columns(scope: &Scope) -> Vec<StarColumn> {
    scope
        .relations
        .iter()
        .flat_map(|r| r.columns.iter().filter(|c| !c.merged_away).map(|c| StarColumn::of(&r.name, c)))
        .collect()
}

impl Binder<'_> {
    /// The items of a select list, `*` expanded.
    pub(super) fn expand_items<'q>(
        &mut self,
        projection: &'q [SelectItem],
        scope: &Scope,
        outer: Option<&Outer<'_>>,
    ) -> Result<Vec<Item<'q>>> {
        let mut items = vec![];
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(Syntax::Named { expr, name }) => {
                    self.expand_expr(expr, Some(name), scope, &mut items)?;
                }
                SelectItem::UnnamedExpr(expr) => self.expand_expr(expr, None, scope, &mut items)?,
                SelectItem::ExprWithAlias { expr, alias } => {
                    self.expand_expr(expr, Some(alias), scope, &mut items)?;
                }
                SelectItem::Wildcard(options) => {
                    if scope.relations.is_empty() {
                        return Err(SqlError::binder("SELECT * expression without FROM clause!").at(options));
                    }
                    let columns = star(&all_columns(scope), options)?;
                    items.extend(columns.into_iter().map(StarColumn::into_item));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    let columns = self.qualified_columns(name, scope, outer)?;
                    items.extend(star(&columns, options)?.into_iter().map(StarColumn::into_item));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                    return Err(SqlError::parser("syntax error at or near \"*\"").at(expr));
                }
                SelectItem::ExprWithAliases { expr, .. } => {
                    return Err(SqlError::unsupported(
                        "several aliases for one expression are not supported",
                    )
                    .at(expr));
                }
            }
        }
        Ok(items)
    }

    /// The columns of a table, or the fields of a struct.
    pub(super) fn qualified_columns(
        &mut self,
        name: &ObjectName,
        scope: &Scope,
        outer: Option<&Outer<'_>>,
    ) -> Result<Vec<StarColumn>> {
        let parts = parts(name)?;
        let Some((table, qualifier)) = parts.split_last() else {
            return Err(SqlError::internal("a name is empty"));
        };
        let schema = qualifier.first();
        let qualifier: Vec<&str> = qualifier.iter().map(|part| part.value.as_str()).collect();
        for scope in std::iter::once(scope).chain(Outer::chain(outer)) {
            let found = scope.relation(&qualifier, &table.value).map_err(|e| e.at_span(table.span))?;
            if let Some(relation) = found {
                // Here a column that was merged into another is there too.
                return Ok(relation.columns.iter().map(|c| StarColumn::of(&relation.name, c)).collect());
            }
        }
        if schema.is_none()
            && let Found::One(column) = scope.find(&table.value)
            && let LogicalType::Struct(fields) = &column.column.ty
        {
            if column.column.ty.is_tuple() {
                let message = format!("Cannot expand \"{}.*\" because the fields have no names", table.value);
                return Err(SqlError::binder(message).at_span(table.span));
            }
            let mut out = vec![];
            for (field, _) in fields.iter() {
                let key = Expr::literal(Scalar::Text(Arc::from(&**field)), LogicalType::Varchar);
                let value = self.call("struct_extract", vec![column.unqualified(), key])?;
                out.push(StarColumn::new(&table.value, field, value));
            }
            return Ok(out);
        }
        let names: Vec<_> = scope.relations.iter().map(|r| r.name.clone()).collect();
        Err(SqlError::binder(format!("Referenced table \"{}\" not found!", table.value))
            .at_span(table.span)
            .did_you_mean(&table.value, names))
    }
}

/// What is left of the columns of a star, and what they are called.
pub(super) fn star(columns: &[StarColumn], options: &WildcardAdditionalOptions) -> Result<Vec<StarColumn>> {
    let mut excluded: Vec<(Option<&Ident>, &Ident, bool)> = vec![];
    let mut exclude = |name| -> Result<()> {
        let (table, column) = object_name(name)?;
        excluded.push((table, column, false));
        Ok(())
    };
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => exclude(name)?,
        Some(ExcludeSelectItem::Multiple(names)) => names.iter().try_for_each(exclude)?,
        None => {}
    }
    if let Some(except) = &options.opt_except {
        excluded.push((None, &except.first_element, false));
        excluded.extend(except.additional_elements.iter().map(|i| (None, i, false)));
    }
    let mut replaced: Vec<(&Ident, &Syntax, bool)> = match &options.opt_replace {
        Some(list) => list.items.iter().map(|e| (&e.column_name, &e.expr, false)).collect(),
        None => vec![],
    };
    let mut renamed: Vec<(&Ident, &Ident, bool)> = match &options.opt_rename {
        Some(RenameSelectItem::Single(one)) => vec![(&one.ident, &one.alias, false)],
        Some(RenameSelectItem::Multiple(list)) => list.iter().map(|i| (&i.ident, &i.alias, false)).collect(),
        None => vec![],
    };
    // A pattern comes as the only name to be renamed.
    let (pattern, alias) = match (&renamed[..], &options.opt_ilike) {
        (&[(ident, alias, _)], _) if let Some((operator, pattern)) = forms::star_pattern(ident) => {
            renamed.clear();
            let alias = (!forms::is_marker(alias, forms::NO_ALIAS)).then_some(&alias.value);
            (Some(NamePattern::new(operator, pattern)?), alias)
        }
        (_, Some(ilike)) => (Some(NamePattern::new("ilike", &ilike.pattern)?), None),
        _ => (None, None),
    };
    let mut out = vec![];
    for column in columns {
        let name = &column.name;
        let is = |ident: &Ident| ident.value.eq_ignore_ascii_case(name);
        let is_excluded = |(table, ident, _): &&mut (Option<&Ident>, &Ident, bool)| {
            is(ident) && table.is_none_or(|t| t.value.eq_ignore_ascii_case(&column.table))
        };
        if let Some((.., used)) = excluded.iter_mut().find(is_excluded) {
            *used = true;
            continue;
        }
        if pattern.as_ref().is_some_and(|p| !p.is_match(name)) {
            continue;
        }
        if let Some((_, expr, used)) = replaced.iter_mut().find(|(i, ..)| is(i)) {
            *used = true;
            out.push(StarColumn { value: StarValue::Replaced((*expr).clone()), ..column.clone() });
            continue;
        }
        let alias = match (renamed.iter_mut().find(|(i, ..)| is(i)), &pattern) {
            (Some((_, alias, used)), _) => {
                *used = true;
                Some(alias.value.clone())
            }
            (None, Some(pattern)) => {
                alias.map(|alias| expand_alias(alias, name, pattern.groups())).transpose()?
            }
            (None, None) => None,
        };
        out.push(StarColumn { alias, ..column.clone() });
    }
    let unused = excluded
        .iter()
        .map(|(_, i, used)| (*i, *used, "EXCLUDE"))
        .chain(replaced.iter().map(|(i, _, used)| (*i, *used, "REPLACE")))
        .chain(renamed.iter().map(|(i, _, used)| (*i, *used, "RENAME")));
    for (ident, used, list) in unused {
        if !used {
            return Err(SqlError::binder(format!(
                "Column \"{}\" in {list} list not found in FROM clause",
                ident.value
            ))
            .at_span(ident.span));
        }
    }
    Ok(out)
}

/// What the names of columns must look like: `* LIKE 'a%'`.
struct NamePattern {
    regex: Regex,
    negated: bool,
    has_groups: bool,
}

impl NamePattern {
    fn new(operator: &str, pattern: &str) -> Result<Self> {
        let (negated, operator) = match operator.strip_prefix("not ") {
            Some(rest) => (true, rest),
            None => (false, operator),
        };
        let regex = match operator {
            "similar to" => format!("(?s)^(?:{pattern})$"),
            "~" => pattern.to_owned(),
            "~*" => format!("(?i){pattern}"),
            "glob" => wildcards(pattern, "(?s)^", '*', '?'),
            "like" => wildcards(pattern, "(?s)^", '%', '_'),
            _ => wildcards(pattern, "(?is)^", '%', '_'),
        };
        let regex = Regex::new(&regex).map_err(|e| SqlError::binder(format!("bad pattern: {e}")))?;
        Ok(Self { regex, negated, has_groups: matches!(operator, "similar to" | "~" | "~*") })
    }

    /// The expression whose groups an alias may use.
    fn groups(&self) -> Option<&Regex> {
        self.has_groups.then_some(&self.regex)
    }

    fn is_match(&self, name: &str) -> bool {
        self.regex.is_match(name) != self.negated
    }
}

/// A pattern with a character for any text and one for any character, as a regular expression.
fn wildcards(pattern: &str, start: &str, any: char, one: char) -> String {
    let mut out = String::from(start);
    for c in pattern.chars() {
        match c {
            c if c == any => out.push_str(".*"),
            c if c == one => out.push('.'),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}
