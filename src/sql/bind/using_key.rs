//! USING KEY of a recursive common table expression: its keys, and aggregates over all rows of a key.

use sqlparser::ast::{Expr as Syntax, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident};

use crate::exec::expr::Expr;
use crate::exec::plan::KeyedAggregate;
use crate::sql::bind::Binder;
use crate::sql::bind::name::function_name;
use crate::sql::bind::scope::{Relation, Scope};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_aliased;
use crate::sql::plan::Column;
use crate::sql::tokens::keyed_aggregate;

/// What USING KEY says, by the positions of columns.
#[derive(Default)]
pub(super) struct UsingKey {
    pub keys: Vec<usize>,
    pub aggregates: Vec<KeyedAggregate>,
}

impl Binder<'_> {
    /// Binds the list of USING KEY for rows of these columns.
    pub(super) fn bind_using_key(&mut self, items: &[Ident], columns: &[Column]) -> Result<UsingKey> {
        let mut out = UsingKey::default();
        for item in items {
            match keyed_aggregate(item) {
                None => out.keys.push(position(columns, item)?),
                Some(text) => {
                    let aggregate =
                        self.bind_keyed_aggregate(text, columns).map_err(|e| e.at_span(item.span))?;
                    if out.aggregates.iter().any(|other| other.column == aggregate.column) {
                        return Err(SqlError::binder(format!(
                            "Column \"{}\" referenced multiple times in USING KEY clause.",
                            columns[aggregate.column].name
                        ))
                        .hint("Try using an alias for one of the aggregates.")
                        .at_span(item.span));
                    }
                    out.aggregates.push(aggregate);
                }
            }
        }
        if out.keys.is_empty() {
            let error = SqlError::binder("USING KEY clause requires at least one key column.");
            return Err(items.first().map_or_else(|| error.clone(), |item| error.clone().at_span(item.span)));
        }
        if let Some(both) = out.aggregates.iter().find(|a| out.keys.contains(&a.column)) {
            return Err(SqlError::binder(format!(
                "Column \"{}\" cannot be used as both key and aggregate in USING KEY clause.",
                columns[both.column].name
            ))
            .hint("Try using an alias for the aggregation."));
        }
        Ok(out)
    }

    /// `max(b)`, which takes the place of `b`, or `max(b) AS c`.
    fn bind_keyed_aggregate(&mut self, text: &str, columns: &[Column]) -> Result<KeyedAggregate> {
        let (call, alias) = parse_aliased(text)?;
        let wrong = || {
            SqlError::binder(format!("'{text}' can't be used in the USING KEY clause."))
                .hint("It has to be either a column name as a key or a direct call to an aggregate function.")
        };
        let Syntax::Function(function) = &call else { return Err(wrong()) };
        let args = column_arguments(function).ok_or_else(wrong)?;
        let args = args.into_iter().map(|name| position(columns, name)).collect::<Result<Vec<usize>>>()?;
        let exprs: Vec<Expr> = args.iter().map(|at| columns[*at].expr()).collect();
        let chosen = self.choose_aggregate(&function_name(&function.name), &exprs, false);
        let chosen = chosen.map_err(|e| if e.message.contains("does not exist") { wrong() } else { e })?;
        let column = match (&alias, args.first()) {
            (Some(alias), _) => position(columns, alias)?,
            (None, Some(first)) => *first,
            (None, None) => {
                return Err(SqlError::binder(
                    "In USING KEY, an aggregate must either have a column reference or an alias.",
                ));
            }
        };
        Ok(KeyedAggregate { column, function: chosen, args })
    }
}

fn position(columns: &[Column], name: &Ident) -> Result<usize> {
    let found = columns.iter().position(|c| c.name.eq_ignore_ascii_case(&name.value));
    found.ok_or_else(|| Scope::of(Relation::new("", columns.to_vec())).unknown_column(name))
}

/// The arguments of a plain call, if all of them are columns.
fn column_arguments(function: &Function) -> Option<Vec<&Ident>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let is_plain = function.over.is_none()
        && function.filter.is_none()
        && function.within_group.is_empty()
        && list.clauses.is_empty()
        && list.duplicate_treatment.is_none();
    let args = list.args.iter().filter(|_| is_plain);
    let column = |arg| match arg {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::Identifier(ref name))) => Some(name),
        _ => None,
    };
    if is_plain { args.map(column).collect() } else { None }
}
