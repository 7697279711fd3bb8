//! Plans as text that a person can read.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::cast::text::write_value;
use crate::exec::expr::{AggregateCall, Expr, SortKey};
use crate::exec::plan::{Choice, JoinKind, Plan, PlanNode, Recursion, first_access, table_access};
use crate::exec::window::{Frame, FrameBound, FrameExclude, FrameUnits, WindowCall, WindowFunction};
use crate::sql::lengths::length_of;
use crate::sql::plan::{Column, Definition, JoinType, LogicalPlan};

/// The plan as a tree, an operator a line, inputs below it, with the rows that each is expected to yield.
pub fn render(plan: &Plan) -> String {
    let mut out = String::new();
    tree(plan, ["", ""], &mut out);
    out
}

/// The same as JSON: an operator is an object with its name, its inputs as `children`, and `extra_info`.
pub fn render_json(plan: &Plan) -> String {
    let mut out = String::from("[\n");
    json_tree(plan, 1, &mut out);
    out.push_str("\n]");
    out
}

fn json_tree(plan: &Plan, depth: usize, out: &mut String) {
    let text = line(plan);
    let (name, detail) = name_and_detail(&text);
    let pad = "    ".repeat(depth);
    let mut info = vec![];
    if !detail.is_empty() {
        info.push(format!("\"Details\": {}", json_string(detail)));
    }
    if let Some(rows) = plan.estimated_rows {
        info.push(format!("\"Estimated Cardinality\": \"{rows}\""));
    }
    let _ = write!(out, "{pad}{{\n{pad}    \"name\": {},\n", json_string(name));
    let _ = write!(out, "{pad}    \"children\": [");
    let inputs = plan.node.inputs();
    for (i, input) in inputs.iter().enumerate() {
        out.push_str(if i == 0 { "\n" } else { ",\n" });
        json_tree(input, depth + 2, out);
    }
    if !inputs.is_empty() {
        let _ = write!(out, "\n{pad}    ");
    }
    let _ = write!(out, "],\n{pad}    \"extra_info\": {{");
    for (i, entry) in info.iter().enumerate() {
        let _ = write!(out, "{}\n{pad}        {entry}", if i == 0 { "" } else { "," });
    }
    if !info.is_empty() {
        let _ = write!(out, "\n{pad}    ");
    }
    let _ = write!(out, "}}\n{pad}}}");
}

/// An operator's line begins with its name, a word; this is that, and the rest.
pub(super) fn name_and_detail(line: &str) -> (&str, &str) {
    let (name, detail) = line.split_once(' ').unwrap_or((line, ""));
    (name.strip_suffix(':').unwrap_or(name), detail)
}

pub(super) fn json_string(text: &str) -> String {
    let mut out = String::new();
    crate::exec::cast::text::json_string(text, &mut out);
    out
}

/// `prefix` is what stands before the operator's line and before the lines below it.
fn tree(plan: &Plan, prefix: [&str; 2], out: &mut String) {
    let _ = write!(out, "{}{}", prefix[0], line(plan));
    if let Some(rows) = plan.estimated_rows {
        let _ = write!(out, "  (~{} rows)", short_count(rows));
    }
    out.push('\n');
    let inputs = plan.node.inputs();
    for (i, input) in inputs.iter().enumerate() {
        let (branch, trunk) = if i + 1 == inputs.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let below = [format!("{}{branch}", prefix[1]), format!("{}{trunk}", prefix[1])];
        tree(input, [&below[0], &below[1]], out);
    }
}

/// A time in three digits or so.
pub(super) fn duration(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", nanos as f64 / 1e9),
    }
}

/// A logical plan as a tree. Columns go by name, with their id where several have the same name.
pub fn render_logical(plan: &LogicalPlan) -> String {
    let mut made = HashMap::new();
    collect_names(plan, &mut made);
    let mut count: HashMap<&str, usize> = HashMap::new();
    for name in made.values() {
        *count.entry(name).or_default() += 1;
    }
    let name = |id: usize| match made.get(&id) {
        Some(name) if count[name.as_str()] == 1 => name.clone(),
        Some(name) => format!("{name}#{id}"),
        None => format!("#{id}"),
    };
    let mut out = String::new();
    logical_tree(plan, "", "", &name, &mut out);
    out
}

fn collect_names(plan: &LogicalPlan, out: &mut HashMap<usize, String>) {
    plan.inputs().into_iter().for_each(|p| collect_names(p, out));
    for column in plan.columns() {
        out.insert(column.id, column.name);
    }
}

fn logical_tree(
    plan: &LogicalPlan,
    first: &str,
    rest: &str,
    name: &dyn Fn(usize) -> String,
    out: &mut String,
) {
    let _ = writeln!(out, "{first}{}", logical_line(plan, name));
    let inputs = plan.inputs();
    for (i, input) in inputs.iter().enumerate() {
        let (branch, trunk) = if i + 1 == inputs.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        logical_tree(input, &format!("{rest}{branch}"), &format!("{rest}{trunk}"), name, out);
    }
}

fn logical_line(plan: &LogicalPlan, name: &dyn Fn(usize) -> String) -> String {
    let list = |all: &[Expr]| all.iter().map(|e| write_expr(e, name)).collect::<Vec<_>>();
    let columns = |all: &[Column]| all.iter().map(|c| name(c.id)).collect::<Vec<_>>().join(", ");
    let define = |d: &Definition| {
        let value = write_expr(&d.expr, name);
        let own = name(d.column.id);
        if value == own { own } else { format!("{own} := {value}") }
    };
    let get = |what: String, all: &[Column], filters: &[Expr]| {
        let mut line = format!("{what} [{}]", columns(all));
        if !filters.is_empty() {
            let _ = write!(line, " WHERE {}", conjunction(filters, name));
        }
        line
    };
    match plan {
        LogicalPlan::TableGet { alias, columns, filters, .. } => {
            get(format!("GET {alias}"), columns, filters)
        }
        LogicalPlan::SourceGet { source, columns, filters, .. } => {
            get(format!("GET {}", source.describe()), columns, filters)
        }
        LogicalPlan::Values { rows, columns: of } => format!("VALUES {} rows [{}]", rows.len(), columns(of)),
        LogicalPlan::Filter { predicates, .. } => format!("FILTER {}", conjunction(predicates, name)),
        LogicalPlan::Project { definitions, .. } => {
            format!("PROJECT {}", definitions.iter().map(define).collect::<Vec<_>>().join(", "))
        }
        LogicalPlan::Aggregate { group_by, aggregates, .. } => {
            let mut line = String::from("AGGREGATE");
            if !group_by.is_empty() {
                let _ = write!(line, " BY {}", group_by.iter().map(define).collect::<Vec<_>>().join(", "));
            }
            for (i, (column, call)) in aggregates.iter().enumerate() {
                let separator = if i == 0 { ":" } else { "," };
                let _ = write!(line, "{separator} {} := {}", name(column.id), aggregate(call, name));
            }
            line
        }
        LogicalPlan::GapFill { gaps, .. } => {
            format!("GAP_FILL {}", list(&gaps.columns[..=gaps.series]).join(", "))
        }
        LogicalPlan::Window { partition_by, order_by, calls, .. } => {
            let calls: Vec<String> =
                calls.iter().map(|(c, call)| format!("{} := {}", name(c.id), window(call, name))).collect();
            window_line(&calls, &list(partition_by), &sort_keys(order_by, name))
        }
        LogicalPlan::Distinct { on: None, .. } => "DISTINCT".to_string(),
        LogicalPlan::Distinct { on: Some(on), .. } => format!("DISTINCT ON {}", list(on).join(", ")),
        LogicalPlan::Sort { keys, .. } => format!("SORT {}", sort_keys(keys, name)),
        LogicalPlan::Limit { limit, offset, .. } => {
            let limit = limit.map_or_else(|| "ALL".to_string(), |n| n.to_string());
            format!("LIMIT {limit}{}", offset_text(*offset))
        }
        LogicalPlan::Join { kind, on, dependent, .. } => {
            let mut line = match kind {
                JoinType::Inner if on.is_empty() => "CROSS JOIN".to_string(),
                JoinType::Mark(mark) => format!("MARK JOIN {}", name(mark.id)),
                kind => format!("{} JOIN", format!("{kind:?}").to_uppercase()),
            };
            if *dependent {
                line.insert_str(0, "DEPENDENT ");
            }
            if !on.is_empty() {
                let _ = write!(line, " ON {}", conjunction(on, name));
            }
            line
        }
        LogicalPlan::AsOfJoin { kind, on, by, .. } => {
            let mut line = format!("ASOF {} JOIN ON ", format!("{kind:?}").to_uppercase());
            if !on.is_empty() {
                let _ = write!(line, "{} AND ", conjunction(on, name));
            }
            let _ = write!(
                line,
                "{} {} {}",
                write_expr(&by.left, name),
                by.op.sql(),
                write_expr(&by.right, name)
            );
            line
        }
        LogicalPlan::PositionalJoin { .. } => "POSITIONAL JOIN".to_string(),
        LogicalPlan::Union { columns: of, .. } => format!("UNION ALL [{}]", columns(of)),
        LogicalPlan::Unnest { lists, .. } => {
            format!("UNNEST {}", lists.iter().map(define).collect::<Vec<_>>().join(", "))
        }
        LogicalPlan::Expand { keys, sets, .. } => {
            let keys = keys.iter().map(define).collect::<Vec<_>>().join(", ");
            format!("EXPAND {} sets of {keys}", sets.len())
        }
        LogicalPlan::OrElse { condition, .. } => format!("OR ELSE WITHOUT {}", write_expr(condition, name)),
        LogicalPlan::LimitBy { limit, percent, .. } => {
            let limit = limit.as_ref().map_or_else(|| "ALL".to_string(), |e| write_expr(e, name));
            format!("LIMIT BY {limit}{}", if *percent { "%" } else { "" })
        }
        LogicalPlan::Sample { .. } => "SAMPLE".to_string(),
        LogicalPlan::With { name, .. } => format!("WITH {name}"),
        LogicalPlan::CteScan { name, columns: of, .. } => format!("CTE {name} [{}]", columns(of)),
        LogicalPlan::Recursive { name, columns: of, .. } => format!("RECURSIVE {name} [{}]", columns(of)),
        LogicalPlan::Write { sink, .. } => sink.describe(),
    }
}

/// A row count in three digits or so: `950`, `1.2K`, `60M`.
pub(super) fn short_count(n: u64) -> String {
    for (unit, name) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "K")] {
        if n >= unit {
            let value = n as f64 / unit as f64;
            return if value < 10.0 { format!("{value:.1}{name}") } else { format!("{value:.0}{name}") };
        }
    }
    n.to_string()
}

/// An operator with what it is told, in a line that begins with its name.
pub(super) fn line(plan: &Plan) -> String {
    match &plan.node {
        PlanNode::TableScan { table, columns, output, lengths, filter } => {
            let name = |c: &usize| table.column_name(*c).to_owned();
            let mut names: Vec<String> = columns.iter().map(name).collect();
            let measured = lengths.iter().map(|(column, unit)| length_of(&names[*column], *unit));
            let measured: Vec<String> = measured.collect();
            let output: Vec<usize> =
                output.iter().copied().chain(names.len()..names.len() + measured.len()).collect();
            names.extend(measured);
            let access = table_access(table.definition(), columns, filter.as_ref());
            let access = access.map(|access| format!(" BY {access}"));
            let what = format!("SCAN {}{}", table.name(), access.unwrap_or_default());
            scan_line(&what, names, &output, filter.as_ref())
        }
        PlanNode::SourceScan { source, columns, output, filter } => {
            let schema = source.all_columns();
            let names = columns.iter().map(|c| schema[*c].name.clone()).collect();
            scan_line(&source.describe(), names, output, filter.as_ref())
        }
        PlanNode::Values { rows } => format!("VALUES {} rows", rows.len()),
        PlanNode::Filter { input, predicate } => format!("FILTER {}", expr(predicate, &names(input))),
        PlanNode::Project { input, exprs } => format!("PROJECT {}", list(exprs, &names(input))),
        PlanNode::Aggregate { input, group_by, aggregates, first } => {
            let names = names(input);
            let mut out = String::from("AGGREGATE");
            if !group_by.is_empty() {
                let _ = write!(out, " BY {}", list(group_by, &names));
            }
            for (i, call) in aggregates.iter().enumerate() {
                let _ = write!(out, "{} {}", if i == 0 { ":" } else { "," }, aggregate(call, &at(&names)));
            }
            if let Some(first) = first {
                let _ = write!(out, " FIRST {first}");
            }
            out
        }
        PlanNode::GapFill { input, spec } => {
            let names = names(input);
            let columns = std::iter::once(&spec.time).chain(&spec.series);
            format!("GAP_FILL {}", columns.map(|&c| names[c].clone()).collect::<Vec<_>>().join(", "))
        }
        PlanNode::Window { input, partition_by, order_by, calls, first } => {
            let names = names(input);
            let calls: Vec<String> = calls.iter().map(|call| window(call, &at(&names))).collect();
            let partition_by: Vec<String> = partition_by.iter().map(|e| expr(e, &names)).collect();
            let line = window_line(&calls, &partition_by, &sort_keys(order_by, &at(&names)));
            first.map_or(line.clone(), |first| format!("{line} FIRST {first}"))
        }
        PlanNode::Sort { input, keys } => format!("SORT {}", sort_keys(keys, &at(&names(input)))),
        PlanNode::TopN { input, keys, limit, offset } => {
            let access = first_access(input, keys, limit.saturating_add(*offset));
            let access = access.map(|access| format!(" IN {access}")).unwrap_or_default();
            let order = sort_keys(keys, &at(&names(input)));
            format!("TOP_N {limit}{} BY {order}{access}", offset_text(*offset))
        }
        PlanNode::Limit { limit, offset, .. } => {
            let limit = limit.map_or_else(|| "ALL".to_string(), |n| n.to_string());
            format!("LIMIT {limit}{}", offset_text(*offset))
        }
        PlanNode::HashJoin { left, right, kind, keys, residual, null_equals_null } => {
            let (l, r) = (names(left), names(right));
            let op = if *null_equals_null { "IS NOT DISTINCT FROM" } else { "=" };
            let keys: Vec<String> =
                keys.iter().map(|(a, b)| format!("{} {op} {}", expr(a, &l), expr(b, &r))).collect();
            let mut out = format!("HASH_JOIN {} ON {}", kind_name(*kind), keys.join(" AND "));
            if let Some(residual) = residual {
                let _ = write!(out, " AND {}", write_part(residual, 1, &at(&[l, r].concat())));
            }
            out
        }
        PlanNode::NestedLoopJoin { left, right, kind, predicate } => match predicate {
            Some(p) => {
                let names = [names(left), names(right)].concat();
                format!("NESTED_LOOP_JOIN {} ON {}", kind_name(*kind), expr(p, &names))
            }
            None if *kind == JoinKind::Inner => "CROSS_PRODUCT".to_string(),
            None => format!("NESTED_LOOP_JOIN {}", kind_name(*kind)),
        },
        PlanNode::AsOfJoin { left, right, kind, keys, by, residual, null_equals_null } => {
            let (l, r) = (names(left), names(right));
            let op = if *null_equals_null { "IS NOT DISTINCT FROM" } else { "=" };
            let mut parts: Vec<String> =
                keys.iter().map(|(a, b)| format!("{} {op} {}", expr(a, &l), expr(b, &r))).collect();
            parts.push(format!("{} {} {}", expr(&by.0, &l), by.1.sql(), expr(&by.2, &r)));
            parts.extend(residual.as_ref().map(|e| write_part(e, 1, &at(&[l, r].concat()))));
            format!("ASOF_JOIN {} ON {}", kind_name(*kind), parts.join(" AND "))
        }
        PlanNode::PositionalJoin { .. } => "POSITIONAL_JOIN".to_string(),
        PlanNode::UnionAll { .. } => "UNION_ALL".to_string(),
        PlanNode::Unnest { input, lists, keep_empty, .. } => {
            let outer = if *keep_empty { " OUTER" } else { "" };
            format!("UNNEST{outer} {}", list(lists, &names(input)))
        }
        PlanNode::Expand { input, keys, sets } => {
            let names = names(input);
            let set = |set: &Vec<bool>| {
                let keys = keys.iter().zip(set).filter(|(_, has)| **has);
                format!("({})", keys.map(|(k, _)| expr(k, &names)).collect::<Vec<_>>().join(", "))
            };
            format!("GROUPING_SETS {}", sets.iter().map(set).collect::<Vec<_>>().join(", "))
        }
        PlanNode::OrElse { .. } => "GRAND_TOTAL".to_string(),
        PlanNode::LimitBy { input, limit, offset, percent } => {
            let names = names(input);
            let text = |e: &Option<Expr>| e.as_ref().map(|e| expr(e, &names));
            let limit = text(limit).unwrap_or_else(|| "ALL".into());
            let offset = text(offset).map(|o| format!(" OFFSET {o}")).unwrap_or_default();
            format!("LIMIT {limit}{}{offset}", if *percent { "%" } else { "" })
        }
        PlanNode::Sample { choice, .. } => match choice {
            Choice::Rows(share) => format!("SAMPLE {}% BERNOULLI", share * 100.0),
            Choice::Batches(share) => format!("SAMPLE {}% SYSTEM", share * 100.0),
            Choice::Count(rows) => format!("SAMPLE {rows} ROWS"),
            Choice::Share(share) => format!("SAMPLE {}% RESERVOIR", share * 100.0),
        },
        PlanNode::With { name, .. } => format!("WITH {name}"),
        PlanNode::CteScan { name, .. } => {
            format!("CTE_SCAN {name} [{}]", names(plan).join(", "))
        }
        PlanNode::Recursive { name, kind, .. } => match kind {
            Recursion::All => format!("RECURSIVE {name} UNION ALL"),
            Recursion::Distinct => format!("RECURSIVE {name} UNION"),
            Recursion::Keyed { .. } => format!("RECURSIVE {name} USING KEY"),
        },
        PlanNode::Write { sink, .. } => sink.describe(),
    }
}

fn scan_line(what: &str, names: Vec<String>, output: &[usize], filter: Option<&Expr>) -> String {
    let yielded: Vec<&str> = output.iter().map(|i| names[*i].as_str()).collect();
    let mut out = format!("{what} [{}]", yielded.join(", "));
    if let Some(filter) = filter {
        let _ = write!(out, " WHERE {}", expr(filter, &names));
    }
    out
}

fn names(input: &Plan) -> Vec<String> {
    input.schema.iter().map(|f| f.name.clone()).collect()
}

fn kind_name(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Inner => "INNER",
        JoinKind::Left => "LEFT",
        JoinKind::Right => "RIGHT",
        JoinKind::Full => "FULL",
        JoinKind::LeftSemi => "SEMI",
        JoinKind::LeftAnti => "ANTI",
        JoinKind::RightSemi => "RIGHT SEMI",
        JoinKind::RightAnti => "RIGHT ANTI",
        JoinKind::LeftSingle => "SINGLE",
        JoinKind::Mark => "MARK",
    }
}

fn offset_text(offset: u64) -> String {
    if offset == 0 { String::new() } else { format!(" OFFSET {offset}") }
}

fn list(exprs: &[Expr], names: &[String]) -> String {
    exprs.iter().map(|e| expr(e, names)).collect::<Vec<_>>().join(", ")
}

fn sort_keys(keys: &[SortKey], name: &dyn Fn(usize) -> String) -> String {
    let key = |k: &SortKey| {
        let direction = if k.descending { " DESC" } else { "" };
        let nulls = if k.nulls_first { " NULLS FIRST" } else { "" };
        format!("{}{direction}{nulls}", write_expr(&k.expr, name))
    };
    keys.iter().map(key).collect::<Vec<_>>().join(", ")
}

fn aggregate(call: &AggregateCall, name: &dyn Fn(usize) -> String) -> String {
    let mut out = format!("{}(", call.function.name);
    if call.distinct {
        out.push_str("DISTINCT ");
    }
    if call.args.is_empty() {
        out.push('*');
    }
    out.push_str(&call.args.iter().map(|e| write_expr(e, name)).collect::<Vec<_>>().join(", "));
    if !call.order_by.is_empty() {
        let _ = write!(out, " ORDER BY {}", sort_keys(&call.order_by, name));
    }
    out.push(')');
    if let Some(filter) = &call.filter {
        let _ = write!(out, " FILTER (WHERE {})", write_expr(filter, name));
    }
    out
}

/// The line of a window operator.
fn window_line(calls: &[String], partition_by: &[String], order_by: &str) -> String {
    let mut out = String::from("WINDOW");
    if !partition_by.is_empty() {
        let _ = write!(out, " PARTITION BY {}", partition_by.join(", "));
    }
    if !order_by.is_empty() {
        let _ = write!(out, " ORDER BY {order_by}");
    }
    let _ = write!(out, ": {}", calls.join(", "));
    out
}

/// A call of a window function, without what all calls of its operator share.
fn window(call: &WindowCall, name: &dyn Fn(usize) -> String) -> String {
    let mut out = format!("{}(", call.function.name());
    if call.distinct {
        out.push_str("DISTINCT ");
    }
    if call.args.is_empty() && matches!(call.function, WindowFunction::Aggregate(_)) {
        out.push('*');
    }
    out.push_str(&call.args.iter().map(|e| write_expr(e, name)).collect::<Vec<_>>().join(", "));
    if !call.order_by.is_empty() {
        let _ = write!(out, " ORDER BY {}", sort_keys(&call.order_by, name));
    }
    if call.ignore_nulls {
        out.push_str(" IGNORE NULLS");
    }
    out.push(')');
    if let Some(filter) = &call.filter {
        let _ = write!(out, " FILTER (WHERE {})", write_expr(filter, name));
    }
    if !call.frame.is_partition() {
        out.push(' ');
        out.push_str(&frame(&call.frame, name));
    }
    out
}

fn frame(frame: &Frame, name: &dyn Fn(usize) -> String) -> String {
    let range = frame.units == FrameUnits::Range;
    let bound = |b: &FrameBound, unbounded: &str| match b {
        FrameBound::Unbounded => format!("UNBOUNDED {unbounded}"),
        FrameBound::CurrentRow => "CURRENT ROW".to_string(),
        // What a RANGE keeps is the key at the bound.
        FrameBound::Preceding(e) | FrameBound::Following(e) if range => write_expr(e, name),
        FrameBound::Preceding(e) => format!("{} PRECEDING", write_expr(e, name)),
        FrameBound::Following(e) => format!("{} FOLLOWING", write_expr(e, name)),
    };
    let units = match frame.units {
        FrameUnits::Rows => "ROWS",
        FrameUnits::Range => "RANGE",
        FrameUnits::Groups => "GROUPS",
    };
    let exclude = match frame.exclude {
        FrameExclude::Nothing => "",
        FrameExclude::CurrentRow => " EXCLUDE CURRENT ROW",
        FrameExclude::Group => " EXCLUDE GROUP",
        FrameExclude::Ties => " EXCLUDE TIES",
    };
    let (start, end) = (bound(&frame.start, "PRECEDING"), bound(&frame.end, "FOLLOWING"));
    format!("{units} BETWEEN {start} AND {end}{exclude}")
}

/// The name of a position; `#position` where it has none.
fn at(names: &[String]) -> impl Fn(usize) -> String {
    |index| names.get(index).cloned().unwrap_or_else(|| format!("#{index}"))
}

/// A condition over named positions.
pub(super) fn condition(e: &Expr, names: &[String]) -> String {
    expr(e, names)
}

/// An expression over named positions; a position without a name is `#position`.
fn expr(e: &Expr, names: &[String]) -> String {
    write_expr(e, &at(names))
}

/// How tightly an expression's outermost operator binds.
fn precedence(e: &Expr) -> u8 {
    match e {
        Expr::Or(_) => 1,
        Expr::And(_) => 2,
        Expr::Not(_) => 3,
        Expr::Compare { .. } | Expr::IsNull { .. } | Expr::InList { .. } => 4,
        Expr::Call { function, args, .. } if is_infix(function.name) && args.len() == 2 => 5,
        _ => 6,
    }
}

/// Conditions that must all hold.
fn conjunction(all: &[Expr], name: &dyn Fn(usize) -> String) -> String {
    all.iter().map(|e| write_part(e, 2, name)).collect::<Vec<_>>().join(" AND ")
}

/// An expression within an operator that binds as tightly as `level`.
fn write_part(e: &Expr, level: u8, name: &dyn Fn(usize) -> String) -> String {
    let text = write_expr(e, name);
    if precedence(e) <= level { format!("({text})") } else { text }
}

/// An expression as SQL-like text.
pub fn write_expr(e: &Expr, name: &dyn Fn(usize) -> String) -> String {
    let level = precedence(e);
    let part = |e: &Expr| write_part(e, level, name);
    let parts = |all: &[Expr], with: &str| all.iter().map(part).collect::<Vec<_>>().join(with);
    match e {
        Expr::Column { index, .. } => name(*index),
        Expr::Literal { value, ty } => literal(value, ty),
        Expr::Cast { input, to, or_null } => {
            format!("{}({} AS {to})", if *or_null { "TRY_CAST" } else { "CAST" }, write_expr(input, name))
        }
        Expr::Compare { op, left, right } => format!("{} {} {}", part(left), op.sql(), part(right)),
        Expr::And(all) => parts(all, " AND "),
        Expr::Or(all) => parts(all, " OR "),
        Expr::Not(input) => format!("NOT {}", part(input)),
        Expr::IsNull { input, negated } => {
            format!("{} IS {}NULL", part(input), if *negated { "NOT " } else { "" })
        }
        Expr::InList { input, list, negated } => {
            let ty = input.ty();
            let mut shown: Vec<String> = list.iter().take(10).map(|v| literal(v, &ty)).collect();
            if list.len() > shown.len() {
                shown.push(format!("… {} more", list.len() - shown.len()));
            }
            format!("{} {}IN ({})", part(input), if *negated { "NOT " } else { "" }, shown.join(", "))
        }
        Expr::Case { branches, otherwise, .. } => {
            let mut out = String::from("CASE");
            for (condition, result) in branches {
                let _ =
                    write!(out, " WHEN {} THEN {}", write_expr(condition, name), write_expr(result, name));
            }
            if let Some(e) = otherwise {
                let _ = write!(out, " ELSE {}", write_expr(e, name));
            }
            out + " END"
        }
        Expr::Coalesce(all) => {
            format!("coalesce({})", all.iter().map(|e| write_expr(e, name)).collect::<Vec<_>>().join(", "))
        }
        Expr::Call { function, args, .. } if is_infix(function.name) && args.len() == 2 => {
            format!("{} {} {}", part(&args[0]), function.name, part(&args[1]))
        }
        Expr::Call { function, args, .. } => {
            let args: Vec<String> = args.iter().map(|e| write_expr(e, name)).collect();
            format!("{}({})", function.name, args.join(", "))
        }
    }
}

/// Whether a function is spelled between its arguments.
fn is_infix(name: &str) -> bool {
    !name.chars().any(|c| c.is_alphanumeric() || c == '_')
}

fn literal(value: &Scalar, ty: &LogicalType) -> String {
    match value {
        Scalar::Null => "NULL".to_string(),
        Scalar::Boolean(b) => b.to_string(),
        Scalar::Int(n) => match ty {
            LogicalType::Decimal { scale, .. } if *scale > 0 => decimal(*n, *scale),
            LogicalType::Date | LogicalType::Enum(_) => {
                written(value, ty).map_or_else(|| n.to_string(), |text| quoted(&text))
            }
            ty if ty.is_integer() || matches!(ty, LogicalType::Decimal { .. }) => n.to_string(),
            // Times, and whatever else is a number in memory alone.
            _ => written(value, ty).map_or_else(|| n.to_string(), |text| format!("{}::{ty}", quoted(&text))),
        },
        Scalar::Float(x) => format!("{x:?}"),
        Scalar::Text(s) => quoted(s),
        Scalar::Bytes(b) => format!("<{} bytes>", b.len()),
        Scalar::Interval { .. } => {
            written(value, ty).map_or_else(|| format!("{value:?}"), |text| format!("{}::{ty}", quoted(&text)))
        }
        Scalar::Nested(_) => format!("<{ty}>"),
    }
}

/// The beginning of a text, in quotes.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("'{}'", shown.replace('\'', "''"))
}

/// A value as it is shown in a result. A statement's plan may have values that do not fit a type; those have none.
fn written(value: &Scalar, ty: &LogicalType) -> Option<String> {
    let array = value.to_array(ty, 1).ok()?;
    let mut out = String::new();
    write_value(&array, 0, ty, &mut out).ok()?;
    Some(out)
}

fn decimal(n: i128, scale: u8) -> String {
    let unit = 10u128.pow(u32::from(scale).min(38));
    let (whole, fraction) = (n.unsigned_abs() / unit, n.unsigned_abs() % unit);
    format!("{}{whole}.{fraction:0width$}", if n < 0 { "-" } else { "" }, width = usize::from(scale))
}
