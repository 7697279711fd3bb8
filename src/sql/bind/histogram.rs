//! `FROM histogram(t, x)` and `FROM histogram_values(t, x)`: how often the values of an expression over the rows of a
//! table fall into bins.

use sqlparser::ast::{BinaryOperator, Expr as Syntax, FunctionArg, FunctionArgExpr};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::sql::bind::{Binder, BoundQuery};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_query;

/// The names of the functions.
pub const HISTOGRAM_FUNCTIONS: &[&str] = &["histogram", "histogram_values"];

/// Bins where the call does not say how many.
const BINS: i128 = 10;

/// Where bins end.
#[derive(Clone, Copy, PartialEq)]
enum Technique {
    /// Each of the most frequent values is one.
    Sample,
    /// They are about equally full.
    EquiHeight,
    /// They are equally wide,
    EquiWidth,
    /// and end at numbers that read well.
    Nice,
}

impl Technique {
    fn of(name: &str, ty: &LogicalType) -> Result<Self> {
        let can_be_cut = ty.is_numeric() || matches!(ty, LogicalType::Date | LogicalType::Timestamp(_));
        Ok(match name {
            "auto" if !can_be_cut => Self::Sample,
            "sample" => Self::Sample,
            "equi-height" => Self::EquiHeight,
            "equi-width" => Self::EquiWidth,
            "auto" | "equi-width-nice" => Self::Nice,
            other => return Err(SqlError::binder(format!("Unrecognized technique {other}"))),
        })
    }
}

impl Binder<'_> {
    /// Binds a call of one of these functions; `None` if it is of another.
    pub(super) fn bind_histogram(&mut self, name: &str, args: &[FunctionArg]) -> Result<Option<BoundQuery>> {
        if !HISTOGRAM_FUNCTIONS.contains(&name) {
            return Ok(None);
        }
        let mut positional = vec![];
        let (mut count, mut technique) = (None, None);
        for arg in args {
            let (label, value) = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(Syntax::BinaryOp {
                    left,
                    op: BinaryOperator::Assignment,
                    right,
                })) => (left.to_string(), &**right),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                    (name.value.clone(), value)
                }
                FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(value), .. } => {
                    (name.to_string(), value)
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => {
                    positional.push(value);
                    continue;
                }
                other => return Err(SqlError::binder(format!("{name} has no argument such as {other}"))),
            };
            match label.to_lowercase().as_str() {
                "bin_count" => count = Some(value),
                "technique" => technique = Some(value),
                _ => return Err(SqlError::binder(format!("{name} has no argument named \"{label}\""))),
            }
        }
        let (table, value) = match &positional[..] {
            [table, value, rest @ ..] if rest.len() <= 2 => {
                count = count.or(rest.first().copied());
                technique = technique.or(rest.get(1).copied());
                (table, value)
            }
            _ => {
                return Err(SqlError::binder(format!(
                    "{name} takes a table and an expression over its rows"
                )));
            }
        };
        let table = match table {
            Syntax::Value(text) => match text.value.clone().into_string() {
                Some(text) => crate::sql::parser::parse_name(&text)?.to_string(),
                None => return Err(SqlError::binder(format!("{name}: {text} names no table")).at(*table)),
            },
            Syntax::Identifier(_) | Syntax::CompoundIdentifier(_) => table.to_string(),
            other => return Err(SqlError::binder(format!("{name}: {other} names no table")).at(*other)),
        };
        let count = match count.map(|c| self.bind_constant(c, name)).transpose()?.map(|c| c.0) {
            None => BINS,
            Some(Scalar::Int(n)) if n > 0 => n,
            Some(_) => return Err(SqlError::binder(format!("{name}: bin_count must be a number above 0"))),
        };
        let technique = match technique.map(|t| self.bind_constant(t, name)).transpose()?.map(|t| t.0) {
            None => "auto".into(),
            Some(Scalar::Text(text)) => text,
            Some(_) => return Err(SqlError::binder(format!("{name}: technique must be a text"))),
        };
        let probe = self.bind_text(&format!("SELECT {value} FROM {table}"))?;
        let ty = probe.columns.first().map_or(LogicalType::Null, |c| c.ty.clone());
        let technique = Technique::of(&technique, &ty)?;
        let mut text = values_text(&table, &value.to_string(), count, technique);
        if name == "histogram" {
            text = drawn(&text, technique);
        }
        self.bind_text(&text).map(Some)
    }

    fn bind_text(&mut self, text: &str) -> Result<BoundQuery> {
        let inside = |e: SqlError| SqlError { position: None, ..e };
        let query = parse_query(text).map_err(inside)?;
        self.bind_query(&query, None).map_err(inside)
    }
}

/// A row for each bin: its end, and how many values are in it.
fn values_text(table: &str, value: &str, count: i128, technique: Technique) -> String {
    let ends = match technique {
        Technique::Sample => format!("list_sort(approx_top_k({value}, {count}))"),
        Technique::EquiHeight => {
            let shares: Vec<String> = (1..=count).map(|i| format!("{i} / {count}::DOUBLE")).collect();
            format!("quantile_disc({value}, [{}])", shares.join(", "))
        }
        Technique::EquiWidth | Technique::Nice => {
            let nice = technique == Technique::Nice;
            format!("equi_width_bins(min({value}), max({value}), {count}, {nice})")
        }
    };
    let counted = if technique == Technique::Sample { "histogram_exact" } else { "histogram" };
    format!(
        "SELECT unnest(map_keys(bins)) AS bin, unnest(map_values(bins)) AS count FROM (SELECT {counted}({value}, \
         (SELECT {ends} FROM {table})) AS bins FROM {table})"
    )
}

/// Bins as ranges, with bars.
fn drawn(values: &str, technique: Technique) -> String {
    let range = if technique == Technique::Sample {
        "bin::VARCHAR".to_owned()
    } else {
        "CASE WHEN row_number() OVER () = 1 THEN concat('x <= ', bin::VARCHAR) ELSE concat(lag(bin::VARCHAR) OVER \
         (), ' < x <= ', bin::VARCHAR) END"
            .to_owned()
    };
    format!(
        "SELECT CASE WHEN is_histogram_other_bin(bin) THEN '(other values)' ELSE {range} END AS bin, count, \
         bar(count, 0, max(count) OVER ()) AS bar FROM ({values})"
    )
}
