//! Functions whose values the session knows: settings, variables, where it is, sequences.

use std::sync::Arc;

use sqlparser::ast::{Expr as Syntax, Value};

use crate::catalog::{Object, ObjectKind, SequenceDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::expr::Expr;
use crate::sql::bind::expr::ExprContext;
use crate::sql::bind::name::name_in_sql;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_name;
use crate::sql::sequences;
use crate::sql::session::unknown_setting;
use crate::sql::sources::texts;

/// The names of the functions.
pub const FUNCTIONS: &[&str] = &[
    "current_catalog",
    "current_connection_id",
    "current_database",
    "current_query",
    "current_query_id",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_transaction_id",
    "current_user",
    "currval",
    "getvariable",
    "nextval",
    "pg_get_serial_sequence",
    "session_user",
    "setval",
    "txid_current",
    "user",
];

fn text(value: &str) -> Expr {
    Expr::literal(Scalar::text(value), LogicalType::Varchar)
}

impl Binder<'_> {
    /// Binds a call of one of these functions; `None` if it is of another.
    pub(super) fn bind_session_function(
        &mut self,
        name: &str,
        args: &[&Syntax],
        cx: &mut ExprContext<'_>,
    ) -> Result<Option<Expr>> {
        Ok(Some(match (name, args) {
            ("current_schemas", [implicit]) => {
                let implicit = self.bind_constant_as(implicit, &LogicalType::Boolean, name)?;
                let path = self.env.settings.search_path.entries().iter();
                let mut names: Vec<&str> = path.map(|(_, schema)| schema.as_str()).collect();
                if implicit == Scalar::Boolean(true) {
                    names.push("pg_catalog");
                }
                Expr::literal(texts(names), LogicalType::List(Box::new(LogicalType::Varchar)))
            }
            (name, []) => return Ok(self.session_name(name).or_else(|| self.statement_fact(name))),
            ("current_setting", [setting]) => {
                let setting = self.constant_name(setting, name, "setting_name")?;
                let found = self.env.settings.get(&setting).ok_or_else(|| unknown_setting(&setting))?;
                Expr::literal(found.scalar(), found.ty)
            }
            ("getvariable", [Syntax::Value(v)]) if v.value == Value::Null => {
                Expr::literal(Scalar::Null, LogicalType::Null)
            }
            ("getvariable", [variable]) => {
                let variable = self.constant_name(variable, name, "variable_name")?;
                self.env.uses.moment.set(true);
                match self.env.variables.get(&variable) {
                    Some((value, ty)) => Expr::literal(value.clone(), ty.clone()),
                    None => Expr::literal(Scalar::Null, LogicalType::Null),
                }
            }
            ("nextval", [sequence]) => self.bind_sequence("nextval", sequence, vec![])?,
            ("currval", [sequence]) => self.bind_sequence("currval", sequence, vec![])?,
            ("pg_get_serial_sequence", [table, column]) => {
                let table = self.constant_name(table, name, "table")?;
                let column = self.constant_name(column, name, "column")?;
                self.serial_sequence(&table, &column)?
            }
            ("setval", [sequence, value, rest @ ..]) if rest.len() <= 1 => {
                let value = coerce::assign(self.bind_expr(value, cx)?, &LogicalType::BigInt)?;
                let taken = match rest {
                    [taken] => coerce::boolean(self.bind_expr(taken, cx)?)?,
                    _ => Expr::literal(Scalar::Boolean(true), LogicalType::Boolean),
                };
                self.bind_sequence("setval", sequence, vec![value, taken])?
            }
            _ => return Ok(None),
        }))
    }

    /// What the session calls itself and where it is; some of these names need no parentheses.
    pub(super) fn session_name(&self, name: &str) -> Option<Expr> {
        Some(text(match name {
            "current_database" | "current_catalog" => self.env.settings.search_path.database(),
            "current_schema" => self.env.settings.search_path.schema(),
            "current_user" | "current_role" | "session_user" | "user" => "fluxdb",
            _ => return None,
        }))
    }

    /// What is known of the statement that runs.
    fn statement_fact(&self, name: &str) -> Option<Expr> {
        let statement = self.env.statement;
        let number = match name {
            "current_query" => None,
            "current_query_id" => Some(statement.id),
            "current_connection_id" => Some(statement.connection),
            "current_transaction_id" | "txid_current" => Some(statement.transaction),
            _ => return None,
        };
        self.env.uses.moment.set(true);
        Some(match number {
            Some(number) => Expr::literal(Scalar::Int(i128::from(number)), LogicalType::UBigInt),
            None => text(&statement.sql),
        })
    }

    /// The text that a constant argument is.
    fn constant_name(&mut self, arg: &Syntax, function: &str, parameter: &str) -> Result<String> {
        let error = || {
            let message = format!(
                "The \"{parameter}\" argument in function \"{function}\" must be a constant expression"
            );
            SqlError::binder(message).at(arg)
        };
        match self.bind_constant(arg, "a name") {
            Ok((Scalar::Text(name), _)) => Ok(name.to_string()),
            Ok(_) => Err(error()),
            Err(e) if e.message.starts_with("Referenced") => Err(error()),
            Err(e) => Err(e),
        }
    }

    fn bind_sequence(&mut self, function: &'static str, name: &Syntax, args: Vec<Expr>) -> Result<Expr> {
        if matches!(name, Syntax::Value(v) if v.value == Value::Null) {
            return Ok(Expr::literal(Scalar::Null, LogicalType::BigInt));
        }
        let text = self.constant_name(name, function, "sequence_name")?;
        let sequence = self.sequence(&text).map_err(|e| e.at(name))?;
        let function = Arc::new(sequences::function(function, sequence));
        Ok(Expr::Call { function, args, ty: LogicalType::BigInt })
    }

    /// The name of the sequence that a column owns; NULL if it owns none.
    fn serial_sequence(&self, table: &str, column: &str) -> Result<Expr> {
        let null = Expr::literal(Scalar::Null, LogicalType::Varchar);
        let found = self.env.tables.names().find(ObjectKind::Table, &parse_name(table)?)?;
        let Object::Table(table) = found.object else { return Ok(null) };
        let position = table.find_column(column).map_err(|e| SqlError::from_catalog(&e))?;
        let id = Some(table.columns[position].id);
        let catalog = found.database.catalog();
        let owned = catalog.owned_sequences(table.id).find(|s| s.owner.is_some_and(|o| o.column == id));
        let schema = owned.and_then(|sequence| catalog.schema_by_id(sequence.schema));
        let Some((sequence, schema)) = owned.zip(schema) else { return Ok(null) };
        Ok(text(&format!("{}.{}", name_in_sql(&schema.definition().name), name_in_sql(&sequence.name))))
    }

    /// The sequence that a text names, as `nextval` has it.
    pub fn sequence(&self, text: &str) -> Result<Arc<SequenceDefinition>> {
        let found = self.env.tables.names().find(ObjectKind::Sequence, &parse_name(text)?);
        match found.map_err(|e| SqlError { position: None, ..e })?.object {
            Object::Sequence(sequence) => Ok(Arc::clone(sequence)),
            _ => Err(SqlError::internal("a sequence is a sequence")),
        }
    }
}
