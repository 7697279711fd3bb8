//! The name of an output column without an alias: the expression in a normal form, as DuckDB prints it.

use std::fmt::Write;

use sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, CaseWhen, CastKind, DataType, DuplicateTreatment, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments,
    LambdaSyntax, NullTreatment, ObjectName, OneOrManyWithParens, OrderByExpr, Subscript, TrimWhereField,
    UnaryOperator, Value, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};
use sqlparser::tokenizer::Token;

use crate::column::types::LogicalType;
use crate::column::words::is_word_of_sql;
use crate::sql::bind::types::bind_type;
use crate::sql::tokens;

/// Longer names are cut, so that a huge expression does not become a huge header.
const NAME_CHARS_MAX: usize = 1_000;
/// Deeper expressions are named by an ellipsis.
const DEPTH_MAX: usize = 200;

/// The name of the column that a select item yields.
pub fn column_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()).unwrap_or_default(),
        Expr::Nested(inner) => column_name(inner),
        Expr::CompoundFieldAccess { access_chain, .. }
            if matches!(access_chain.last(), Some(AccessExpr::Dot(Expr::Identifier(_)))) =>
        {
            match access_chain.last() {
                Some(AccessExpr::Dot(Expr::Identifier(ident))) => ident.value.clone(),
                _ => unreachable!("just matched"),
            }
        }
        other => {
            let mut out = String::new();
            Printer { depth: 0 }.expr(other, &mut out);
            if out.chars().count() > NAME_CHARS_MAX {
                out = out.chars().take(NAME_CHARS_MAX).collect();
                out.push('…');
            }
            out
        }
    }
}

/// The name of a function, in lower case, without its schema.
pub fn function_name(name: &ObjectName) -> String {
    name.0.last().and_then(|p| p.as_ident()).map(|i| i.value.to_lowercase()).unwrap_or_default()
}

/// The operator as DuckDB prints it, which is also the name of its function.
pub fn operator(op: &BinaryOperator) -> String {
    match op {
        BinaryOperator::NotEq => "!=".into(),
        BinaryOperator::DuckIntegerDivide => "//".into(),
        BinaryOperator::PGBitwiseShiftLeft => "<<".into(),
        BinaryOperator::PGBitwiseShiftRight => ">>".into(),
        BinaryOperator::PGLikeMatch => "~~".into(),
        BinaryOperator::PGILikeMatch => "~~*".into(),
        BinaryOperator::PGNotLikeMatch => "!~~".into(),
        BinaryOperator::PGNotILikeMatch => "!~~*".into(),
        BinaryOperator::Custom(name) if name == tokens::GLOB => "~~~".into(),
        other => other.to_string(),
    }
}

struct Printer {
    depth: usize,
}

impl Printer {
    fn expr(&mut self, expr: &Expr, out: &mut String) {
        if self.depth >= DEPTH_MAX || out.len() > 8 * NAME_CHARS_MAX {
            out.push('…');
            return;
        }
        self.depth += 1;
        self.print(expr, out);
        self.depth -= 1;
    }

    fn text(&mut self, expr: &Expr) -> String {
        let mut out = String::new();
        self.expr(expr, &mut out);
        out
    }

    fn list<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) -> String {
        exprs.into_iter().map(|e| self.text(e)).collect::<Vec<_>>().join(", ")
    }

    fn print(&mut self, expr: &Expr, out: &mut String) {
        // Writing to a String cannot fail.
        match expr {
            Expr::Identifier(ident) => out.push_str(&quoted(&ident.value)),
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| quoted(&p.value)).collect();
                out.push_str(&parts.join("."));
            }
            Expr::Nested(inner) => self.expr(inner, out),
            Expr::Value(value) => literal(&value.value, out),
            Expr::TypedString(typed) => {
                let _ = write!(out, "CAST({} AS {})", typed.value, type_name(&typed.data_type));
            }
            Expr::Interval(interval) => {
                let value = self.text(&interval.value);
                match &interval.leading_field {
                    // A duration such as 5m.
                    None if matches!(&*interval.value, Expr::Value(v) if matches!(v.value, Value::Number(..))) =>
                    {
                        out.push_str(&value);
                    }
                    None => {
                        let _ = write!(out, "CAST({value} AS INTERVAL)");
                    }
                    Some(field) => out.push_str(&interval_name(&value, &field.to_string())),
                }
            }
            Expr::UnaryOp { op, expr } => match (op, &**expr) {
                (UnaryOperator::Not, inner) => {
                    let _ = write!(out, "(NOT {})", self.text(inner));
                }
                (UnaryOperator::Minus, Expr::Value(v)) if matches!(v.value, Value::Number(..)) => {
                    let _ = write!(out, "-{}", v.value);
                }
                (op, inner) => {
                    let _ = write!(out, "({op}({}))", self.text(inner));
                }
            },
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, out),
            Expr::IsNull(e) => self.postfix(e, "IS NULL", out),
            Expr::IsNotNull(e) => self.postfix(e, "IS NOT NULL", out),
            Expr::IsTrue(e) => self.truth(e, "IS NOT DISTINCT FROM true", out),
            Expr::IsNotTrue(e) => self.truth(e, "IS DISTINCT FROM true", out),
            Expr::IsFalse(e) => self.truth(e, "IS NOT DISTINCT FROM false", out),
            Expr::IsNotFalse(e) => self.truth(e, "IS DISTINCT FROM false", out),
            Expr::IsUnknown(e) => self.postfix(e, "IS NULL", out),
            Expr::IsNotUnknown(e) => self.postfix(e, "IS NOT NULL", out),
            Expr::IsDistinctFrom(a, b) => {
                let _ = write!(out, "({} IS DISTINCT FROM {})", self.text(a), self.text(b));
            }
            Expr::IsNotDistinctFrom(a, b) => {
                let _ = write!(out, "({} IS NOT DISTINCT FROM {})", self.text(a), self.text(b));
            }
            Expr::InList { expr, list, negated } => {
                let text = format!("({} IN ({}))", self.text(expr), self.list(list));
                negate(*negated, &text, out);
            }
            Expr::InSubquery { expr, subquery, negated } => {
                let text = format!("({} = ANY({subquery}))", self.text(expr));
                negate(*negated, &text, out);
            }
            Expr::Between { expr, negated, low, high } => {
                let (low, symmetric) = match &**low {
                    Expr::Prefixed { value, .. } => (value, "SYMMETRIC "),
                    _ => (low, ""),
                };
                let text = format!(
                    "({} BETWEEN {symmetric}{} AND {})",
                    self.text(expr),
                    self.text(low),
                    self.text(high)
                );
                negate(*negated, &text, out);
            }
            Expr::Like { negated, expr, pattern, .. } => {
                let op = if *negated { "!~~" } else { "~~" };
                let _ = write!(out, "({} {op} {})", self.text(expr), self.text(pattern));
            }
            Expr::ILike { negated, expr, pattern, .. } => {
                let op = if *negated { "!~~*" } else { "~~*" };
                let _ = write!(out, "({} {op} {})", self.text(expr), self.text(pattern));
            }
            Expr::SimilarTo { negated, expr, pattern, .. } => {
                let text = format!("regexp_full_match({}, {})", self.text(expr), self.text(pattern));
                negate(*negated, &text, out);
            }
            Expr::Cast { expr, data_type, .. } if tokens::is_one_tuple(data_type) => {
                let _ = write!(out, "\"row\"({})", self.text(expr));
            }
            Expr::Cast { kind, expr, data_type, .. } => {
                let word =
                    if matches!(kind, CastKind::TryCast | CastKind::SafeCast) { "TRY_CAST" } else { "CAST" };
                let _ = write!(out, "{word}({} AS {})", self.text(expr), type_name(data_type));
            }
            Expr::Extract { field, expr, .. } => {
                let _ = write!(out, "date_part('{field}', {})", self.text(expr));
            }
            Expr::Ceil { expr, .. } => {
                let _ = write!(out, "ceil({})", self.text(expr));
            }
            Expr::Floor { expr, .. } => {
                let _ = write!(out, "floor({})", self.text(expr));
            }
            Expr::Position { expr, r#in } => {
                let _ = write!(out, "\"position\"({}, {})", self.text(r#in), self.text(expr));
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut args = self.text(expr);
                for e in [substring_from, substring_for].into_iter().flatten() {
                    let _ = write!(args, ", {}", self.text(e));
                }
                let _ = write!(out, "\"substring\"({args})");
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "\"trim\"",
                };
                let mut args = self.text(expr);
                for e in trim_what.iter().map(|e| &**e).chain(trim_characters.iter().flatten()) {
                    let _ = write!(args, ", {}", self.text(e));
                }
                let _ = write!(out, "{name}({args})");
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), out);
            }
            Expr::Function(function) => self.function(function, out),
            Expr::AnyOp { left, compare_op, right, .. } => {
                let _ = write!(out, "({} {compare_op} ANY{})", self.text(left), self.text(right));
            }
            Expr::AllOp { left, compare_op, right } => {
                let _ = write!(out, "({} {compare_op} ALL{})", self.text(left), self.text(right));
            }
            Expr::Exists { subquery, negated } => negate(*negated, &format!("EXISTS({subquery})"), out),
            Expr::Array(Array { elem, named }) => {
                let items = self.list(elem);
                let _ =
                    if *named { write!(out, "(ARRAY[{items}])") } else { write!(out, "list_value({items})") };
            }
            Expr::Dictionary(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|f| format!("{} := {}", quoted(&f.key.value), self.text(&f.value)))
                    .collect();
                let _ = write!(out, "struct_pack({})", fields.join(", "));
            }
            Expr::Map(map) => {
                let keys = self.list(map.entries.iter().map(|e| &*e.key));
                let values = self.list(map.entries.iter().map(|e| &*e.value));
                let _ = write!(out, "\"map\"(list_value({keys}), list_value({values}))");
            }
            Expr::Tuple(items) => {
                let _ = write!(out, "\"row\"({})", self.list(items));
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.expr(root, out);
                for access in access_chain {
                    self.access(access, out);
                }
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                let _ = write!(out, "timezone({}, {})", self.text(time_zone), self.text(timestamp));
            }
            Expr::Lambda(lambda) => {
                let params: Vec<String> = match &lambda.params {
                    OneOrManyWithParens::One(one) => vec![quoted(&one.name.value)],
                    OneOrManyWithParens::Many(many) => many.iter().map(|p| quoted(&p.name.value)).collect(),
                };
                let arrow = lambda.syntax == LambdaSyntax::Arrow;
                let _ = if arrow {
                    write!(out, "({} -> {})", params.join(", "), self.text(&lambda.body))
                } else {
                    write!(out, "(lambda {}: {})", params.join(", "), self.text(&lambda.body))
                };
            }
            Expr::Named { expr, .. } => self.expr(expr, out),
            Expr::Collate { expr, collation } => {
                let _ = write!(out, "{} COLLATE {collation}", self.text(expr));
            }
            other => {
                let _ = write!(out, "{other}");
            }
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, out: &mut String) {
        match op {
            BinaryOperator::PGRegexMatch => {
                let _ = write!(out, "regexp_matches({}, {})", self.text(left), self.text(right));
            }
            BinaryOperator::PGRegexNotMatch => {
                let _ = write!(out, "(NOT regexp_matches({}, {}))", self.text(left), self.text(right));
            }
            // A chain of one connective prints flat, however deep its tree is.
            BinaryOperator::And | BinaryOperator::Or => {
                let mut operands = vec![];
                let mut rest = left;
                operands.push(right);
                while let Expr::BinaryOp { left, op: inner, right } = rest
                    && inner == op
                {
                    operands.push(right);
                    rest = left;
                }
                operands.push(rest);
                let texts: Vec<_> = operands.iter().rev().map(|e| self.text(e)).collect();
                let _ = write!(out, "({})", texts.join(&format!(" {op} ")));
            }
            BinaryOperator::Custom(op) if op == tokens::IN || op == tokens::NOT_IN => {
                let text = format!("contains({}, {})", self.text(right), self.text(left));
                negate(op == tokens::NOT_IN, &text, out);
            }
            op => {
                out.push('(');
                self.expr(left, out);
                let _ = write!(out, " {} ", operator(op));
                self.expr(right, out);
                out.push(')');
            }
        }
    }

    fn postfix(&mut self, expr: &Expr, what: &str, out: &mut String) {
        let _ = write!(out, "({} {what})", self.text(expr));
    }

    fn truth(&mut self, expr: &Expr, what: &str, out: &mut String) {
        let _ = write!(out, "(CAST({} AS BOOLEAN) {what})", self.text(expr));
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
        out: &mut String,
    ) {
        out.push_str("CASE ");
        for when in conditions {
            let condition = match operand {
                Some(operand) => format!("({} = {})", self.text(operand), self.text(&when.condition)),
                None => self.text(&when.condition),
            };
            let _ = write!(out, " WHEN ({condition}) THEN ({})", self.text(&when.result));
        }
        let otherwise = otherwise.map_or("NULL".into(), |e| self.text(e));
        let _ = write!(out, " ELSE {otherwise} END");
    }

    fn access(&mut self, access: &AccessExpr, out: &mut String) {
        match access {
            AccessExpr::Dot(e) => {
                out.push('.');
                self.expr(e, out);
            }
            AccessExpr::Subscript(Subscript::Index { index }) => {
                let _ = write!(out, "[{}]", self.text(index));
            }
            AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                let mut bound = |e: &Option<Expr>| e.as_ref().map(|e| self.text(e)).unwrap_or_default();
                let (lower, upper) = (bound(lower_bound), bound(upper_bound));
                let stride = stride.as_ref().map(|e| format!(":{}", self.text(e))).unwrap_or_default();
                let _ = write!(out, "[{lower}:{upper}{stride}]");
            }
        }
    }

    fn function(&mut self, function: &Function, out: &mut String) {
        let name = match &*function_name(&function.name) {
            "grouping" | "grouping_id" => "GROUPING".to_owned(),
            name @ ("first" | "last") if function.over.is_some() => format!("{name}_value"),
            name => name.to_owned(),
        };
        // `a.f(x)` is printed as it is written.
        let before = &function.name.0[..function.name.0.len().saturating_sub(1)];
        for part in before.iter().filter_map(|p| p.as_ident()) {
            let _ = write!(out, "{}.", quoted(&part.value));
        }
        match &function.args {
            FunctionArguments::None => out.push_str(&name),
            FunctionArguments::Subquery(query) => {
                let _ = write!(out, "{}({query})", quoted_function(&name));
            }
            FunctionArguments::List(list)
                if name == "count" && function.over.is_some() && counts_rows(list) =>
            {
                out.push_str("count()");
            }
            FunctionArguments::List(list) => self.call(&name, list, out),
        }
        if let Some(filter) = &function.filter {
            let _ = write!(out, " FILTER (WHERE {})", self.text(filter));
        }
        if let Some(over) = &function.over {
            match over {
                WindowType::NamedWindow(name) => {
                    let _ = write!(out, " OVER {name}");
                }
                WindowType::WindowSpec(spec) => {
                    let _ = write!(out, " OVER ({})", self.window(spec));
                }
            }
        }
    }

    fn window(&mut self, spec: &WindowSpec) -> String {
        let mut parts: Vec<String> = spec.window_name.iter().map(|name| quoted(&name.value)).collect();
        if !spec.partition_by.is_empty() {
            let keys: Vec<_> = spec.partition_by.iter().map(|key| self.text(key)).collect();
            parts.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        // What the frame excludes is parsed as a key.
        let (keys, excluded): (Vec<_>, Vec<_>) =
            spec.order_by.iter().partition(|key| tokens::exclusion(&key.expr).is_none());
        if !keys.is_empty() {
            let keys: Vec<_> = keys.into_iter().map(|key| self.order_key(key)).collect();
            parts.push(format!("ORDER BY {}", keys.join(", ")));
        }
        if let Some(frame) = &spec.window_frame {
            let end = frame.end_bound.as_ref().unwrap_or(&WindowFrameBound::CurrentRow);
            let is_default = frame.units == WindowFrameUnits::Range
                && matches!(frame.start_bound, WindowFrameBound::Preceding(None))
                && matches!(end, WindowFrameBound::CurrentRow);
            if !is_default {
                let (start, end) = (self.bound(&frame.start_bound), self.bound(end));
                parts.push(format!("{} BETWEEN {start} AND {end}", frame.units));
            }
        }
        let excluded = excluded.into_iter().filter_map(|key| tokens::exclusion(&key.expr));
        parts.extend(excluded.filter(|what| *what != "NO OTHERS").map(|what| format!("EXCLUDE {what}")));
        parts.join(" ")
    }

    fn bound(&mut self, bound: &WindowFrameBound) -> String {
        match bound {
            WindowFrameBound::CurrentRow => "CURRENT ROW".into(),
            WindowFrameBound::Preceding(None) => "UNBOUNDED PRECEDING".into(),
            WindowFrameBound::Following(None) => "UNBOUNDED FOLLOWING".into(),
            WindowFrameBound::Preceding(Some(by)) => format!("{} PRECEDING", self.text(by)),
            WindowFrameBound::Following(Some(by)) => format!("{} FOLLOWING", self.text(by)),
        }
    }

    fn call(&mut self, name: &str, list: &FunctionArgumentList, out: &mut String) {
        if name == "count" && counts_rows(list) {
            out.push_str("count_star()");
            return;
        }
        let mut args: Vec<String> = vec![];
        for arg in &list.args {
            args.push(match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) if tokens::is_no_argument(e) => continue,
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => self.text(e),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(e), .. } => {
                    format!("{} := {}", quoted(&name.value), self.text(e))
                }
                other => other.to_string(),
            });
        }
        let distinct =
            if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) { "DISTINCT " } else { "" };
        let is_coalesce = matches!(name, "coalesce" | "ifnull" | "nvl");
        let shown = if is_coalesce { "COALESCE".into() } else { quoted_function(name) };
        let _ = write!(out, "{shown}({distinct}{}", args.join(", "));
        for clause in &list.clauses {
            if let FunctionArgumentClause::OrderBy(keys) = clause {
                let keys: Vec<_> = keys.iter().map(|k| self.order_key(k)).collect();
                let _ = write!(out, " ORDER BY {}", keys.join(", "));
            }
        }
        let ignores_nulls = |c: &FunctionArgumentClause| {
            matches!(c, FunctionArgumentClause::IgnoreOrRespectNulls(NullTreatment::IgnoreNulls))
        };
        if list.clauses.iter().any(ignores_nulls) {
            out.push_str(" IGNORE NULLS");
        }
        out.push(')');
    }

    fn order_key(&mut self, key: &OrderByExpr) -> String {
        format!("{}{}", self.text(&key.expr), key.options)
    }
}

/// Whether `count` of these arguments counts rows.
fn counts_rows(list: &FunctionArgumentList) -> bool {
    matches!(list.args[..], [] | [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
}

/// `INTERVAL 1 DAY` is a call in DuckDB.
fn interval_name(value: &str, field: &str) -> String {
    let unit = field.to_lowercase();
    let unit = unit.trim_end_matches('s');
    match unit {
        "second" | "millisecond" => format!("to_{unit}s(CAST({value} AS DOUBLE))"),
        "hour" | "minute" | "microsecond" => {
            format!("to_{unit}s(CAST(trunc(CAST({value} AS DOUBLE)) AS BIGINT))")
        }
        "century" => format!("to_centuries(CAST(trunc(CAST({value} AS DOUBLE)) AS INTEGER))"),
        unit => format!("to_{unit}s(CAST(trunc(CAST({value} AS DOUBLE)) AS INTEGER))"),
    }
}

fn negate(negated: bool, text: &str, out: &mut String) {
    let _ = if negated { write!(out, "(NOT {text})") } else { write!(out, "{text}") };
}

fn literal(value: &Value, out: &mut String) {
    let _ = match value {
        Value::Null => write!(out, "NULL"),
        Value::Boolean(b) => write!(out, "{b}"),
        Value::HexStringLiteral(hex) => write!(out, "X'{hex}'"),
        Value::DollarQuotedString(s) => write!(out, "'{}'", s.value.replace('\'', "''")),
        Value::SingleQuotedString(s) => write!(out, "'{}'", s.replace('\'', "''")),
        other => write!(out, "{other}"),
    };
}

/// The type, spelled as in a cast.
fn type_name(ty: &DataType) -> String {
    match bind_type(ty) {
        // DuckDB prints a blank between width and scale here and nowhere else.
        Ok(LogicalType::Decimal { width, scale }) => format!("DECIMAL({width}, {scale})"),
        Ok(t) => t.to_string(),
        Err(_) => ty.to_string(),
    }
}

/// A name that needs quotes gets them.
pub fn quoted(name: &str) -> String {
    let plain = name.chars().enumerate().all(|(i, c)| {
        c == '_' || c.is_ascii_lowercase() || c.is_ascii_uppercase() || i > 0 && c.is_ascii_digit()
    });
    if plain && !name.is_empty() { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A name as it stands in a statement: one that is a word of SQL gets quotes too.
pub fn name_in_sql(name: &str) -> String {
    use sqlparser::keywords::{RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS};
    let ends_expressions = matches!(
        Token::make_word(name, None),
        Token::Word(w) if RESERVED_FOR_COLUMN_ALIAS.contains(&w.keyword) || RESERVED_FOR_TABLE_ALIAS.contains(&w.keyword)
    );
    if ends_expressions || is_word_of_sql(&name.to_ascii_lowercase()) {
        format!("\"{name}\"")
    } else {
        quoted(name)
    }
}

/// Names of functions that are words of the grammar get quotes.
fn quoted_function(name: &str) -> String {
    const WORDS: &[&str] = &[
        "substring",
        "trim",
        "position",
        "nullif",
        "if",
        "row",
        "map",
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "left",
        "right",
        "replace",
        "overlay",
        "first",
        "last",
    ];
    if WORDS.contains(&name) { format!("\"{name}\"") } else { quoted(name) }
}
