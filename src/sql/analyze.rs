//! `EXPLAIN ANALYZE`: what each operator of a plan did when it ran, as text, JSON, or a page of HTML.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::exec::context::ExecContext;
use crate::exec::plan::{Plan, PlanNode};
use crate::exec::profile::{Profile, Refuted, ScanMetrics};
use crate::sql::ast::ExplainFormat;
use crate::sql::explain::{condition, duration, json_string, line, name_and_detail, short_count};
use crate::sql::plan_graph::{self, Node};

/// A plan that has run.
#[derive(Debug)]
pub struct Analysis {
    /// Time on the clock.
    clock: Duration,
    threads: usize,
    memory_peak: u64,
    root: Operator,
}

/// What an operator did.
#[derive(Debug)]
struct Operator {
    /// All of it in a line.
    line: String,
    name: String,
    detail: String,
    rows: u64,
    estimated: Option<u64>,
    /// Time of all threads, in nanoseconds.
    own: u64,
    /// With all below it.
    total: u64,
    memory: u64,
    spilled: u64,
    scan: Option<Scan>,
    inputs: Vec<Operator>,
}

/// What a scan read, its conditions as text.
#[derive(Debug)]
struct Scan {
    metrics: ScanMetrics,
    conditions: Vec<String>,
}

impl Analysis {
    /// What became of the plan that has run in that context; nothing where it was not watched.
    pub fn of(context: &ExecContext, clock: Duration) -> Option<Self> {
        let profile = context.profile.get()?;
        let root = profile.with_plan(|plan| operator(plan, profile, &mut 0))?;
        Some(Self { clock, threads: context.threads, memory_peak: context.memory.peak(), root })
    }

    /// All of it in a format.
    pub fn render(&self, format: ExplainFormat) -> String {
        match format {
            ExplainFormat::Text => self.text(),
            ExplainFormat::Json => self.json(),
            ExplainFormat::Html => self.html(),
            other => plan_graph::render(&[self.root.node()], other).unwrap_or_default(),
        }
    }

    /// A tree for people.
    pub fn text(&self) -> String {
        let mut out = format!(
            "{} on the clock, {} of work, {} threads, {} of memory at most\n",
            duration(self.clock.as_nanos() as u64),
            duration(self.root.total),
            self.threads,
            bytes(self.memory_peak)
        );
        write_tree(&self.root, self.root.total, ["", ""], &mut out);
        out
    }

    /// The same as JSON: an object for each operator, its inputs as `children`.
    pub fn json(&self) -> String {
        let mut out = String::from("{\n");
        let _ = write!(
            out,
            "    \"latency\": {},\n    \"cpu_time\": {},\n    \"threads\": {},\n    \"peak_memory_bytes\": {},\n",
            self.clock.as_secs_f64(),
            self.root.total as f64 / 1e9,
            self.threads,
            self.memory_peak
        );
        out.push_str("    \"children\": [\n");
        write_json(&self.root, 2, &mut out);
        out.push_str("\n    ]\n}");
        out
    }

    /// The same as a page that needs nothing else.
    pub fn html(&self) -> String {
        let mut out = String::from(HTML_HEAD);
        let _ = writeln!(
            out,
            "<p class=\"sum\"><b>{}</b> on the clock · <b>{}</b> of work · {} threads · {} of memory at most</p>",
            duration(self.clock.as_nanos() as u64),
            duration(self.root.total),
            self.threads,
            bytes(self.memory_peak)
        );
        write_html(&self.root, self.root.total, &mut out);
        out.push_str("</body></html>\n");
        out
    }
}

impl Operator {
    fn node(&self) -> Node {
        let inputs = self.inputs.iter().map(Self::node).collect();
        let mut node = Node::new(&self.name, &self.detail, self.estimated, inputs);
        node.facts.push(("Cardinality", self.rows.to_string()));
        node.facts.push(("Timing", duration(self.own)));
        node
    }

    /// Rows that it took: those of its inputs, or of a table.
    fn rows_in(&self) -> u64 {
        let read = self.scan.as_ref().map_or(0, |scan| scan.metrics.rows);
        read + self.inputs.iter().map(|input| input.rows).sum::<u64>()
    }
}

fn operator(plan: &Plan, profile: &Profile, node: &mut usize) -> Operator {
    let text = line(plan);
    let (name, detail) = name_and_detail(&text);
    let (name, detail) = (name.to_owned(), detail.to_owned());
    let metrics = profile.node(*node);
    *node += 1;
    let scan = metrics.and_then(|m| m.scan()).map(|metrics| {
        let names: Vec<String> = match &plan.node {
            PlanNode::TableScan { table, columns, .. } => {
                columns.iter().map(|c| table.column_name(*c).to_owned()).collect()
            }
            _ => vec![],
        };
        let conditions = metrics.conditions.iter().map(|e| condition(e, &names)).collect();
        Scan { metrics, conditions }
    });
    let count = |of: Option<&std::sync::atomic::AtomicU64>| of.map_or(0, |a| a.load(Ordering::Relaxed));
    let own = count(metrics.map(|m| &m.nanos));
    let (rows, memory) = (count(metrics.map(|m| &m.rows)), count(metrics.map(|m| &m.memory)));
    let inputs: Vec<Operator> = plan.node.inputs().into_iter().map(|p| operator(p, profile, node)).collect();
    let total = own + inputs.iter().map(|i| i.total).sum::<u64>();
    Operator {
        line: text,
        name,
        detail,
        rows,
        estimated: plan.estimated_rows,
        own,
        total,
        memory,
        spilled: count(metrics.map(|m| &m.spilled)),
        scan,
        inputs,
    }
}

/// A size as people write it.
fn bytes(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit {
            return format!("{:.1} {name}", bytes as f64 / unit as f64);
        }
    }
    format!("{bytes} B")
}

fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (part as f64 * 100.0 / whole as f64).round() as u64 }
}

/// Row groups that statistics or what is behind the scan made unnecessary.
fn row_groups_skipped(m: &ScanMetrics) -> u64 {
    m.row_groups_refuted.iter().map(|r| r.all()).sum::<u64>() + m.row_groups_unwanted
}

/// Row groups that a limit was reached before.
fn not_asked_for(m: &ScanMetrics) -> u64 {
    m.row_groups.saturating_sub(m.row_groups_read + row_groups_skipped(m))
}

/// What a scan read and skipped, a line each.
fn scan_lines(scan: &Scan) -> Vec<String> {
    let m = &scan.metrics;
    let mut lines = vec![];
    let refuted = row_groups_skipped(m);
    lines.push(format!(
        "row groups: {} read of {}, {refuted} skipped, {} not asked for",
        m.row_groups_read,
        m.row_groups,
        not_asked_for(m)
    ));
    let skipped: u64 = m.blocks_refuted.iter().map(|r| r.all()).sum::<u64>() + m.blocks_unwanted;
    if m.blocks > 0 {
        lines.push(format!("blocks: {} of {} skipped; {} rows looked at", skipped, m.blocks, m.rows));
    }
    for (i, condition) in scan.conditions.iter().enumerate() {
        let of = |list: &[Refuted]| list.get(i).copied().unwrap_or_default();
        let (groups, blocks) = (of(&m.row_groups_refuted), of(&m.blocks_refuted));
        for (statistic, groups, blocks) in [
            ("least and greatest values rule", groups.bounds, blocks.bounds),
            ("numbers of NULLs rule", groups.nulls, blocks.nulls),
        ] {
            if groups + blocks > 0 {
                lines.push(format!("  {condition}: {statistic} out {groups} row groups, {blocks} blocks"));
            }
        }
    }
    if m.row_groups_unwanted + m.blocks_unwanted > 0 {
        lines.push(format!(
            "  what is behind the scan does not need {} row groups, {} blocks",
            m.row_groups_unwanted, m.blocks_unwanted
        ));
    }
    if !m.decoded.is_empty() {
        let (blocks, size) = m.decoded.iter().fold((0, 0), |sum, d| (sum.0 + d.1, sum.1 + d.2));
        let mut decoded = m.decoded.clone();
        decoded.sort_by_key(|d| std::cmp::Reverse(d.2));
        let each: Vec<_> = decoded.iter().map(|d| format!("{} {}", d.0.name(), bytes(d.2))).collect();
        lines.push(format!("decoded: {blocks} column blocks, {}: {}", bytes(size), each.join(", ")));
    }
    if m.dictionary_filters > 0 {
        lines.push(format!("dictionaries: they answered a condition for {} blocks", m.dictionary_filters));
    }
    lines
}

fn write_tree(op: &Operator, whole: u64, prefix: [&str; 2], out: &mut String) {
    let _ = write!(out, "{}{}  ({} rows", prefix[0], op.line, op.rows);
    if let Some(estimated) = op.estimated {
        let _ = write!(out, ", ~{} expected", short_count(estimated));
    }
    let _ = write!(out, "; {} = {}%", duration(op.own), percent(op.own, whole));
    if !op.inputs.is_empty() {
        let _ = write!(out, ", {} with inputs", duration(op.total));
    }
    if op.memory > 0 {
        let _ = write!(out, "; holds {}", bytes(op.memory));
    }
    if op.spilled > 0 {
        let _ = write!(out, "; {} spilled", bytes(op.spilled));
    }
    out.push_str(")\n");
    if let Some(scan) = &op.scan {
        let bar = if op.inputs.is_empty() { "   " } else { "│  " };
        for line in scan_lines(scan) {
            let _ = writeln!(out, "{}{bar}{line}", prefix[1]);
        }
    }
    for (i, input) in op.inputs.iter().enumerate() {
        let (branch, trunk) =
            if i + 1 == op.inputs.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let below = [format!("{}{branch}", prefix[1]), format!("{}{trunk}", prefix[1])];
        write_tree(input, whole, [&below[0], &below[1]], out);
    }
}

fn write_json(op: &Operator, depth: usize, out: &mut String) {
    let pad = "    ".repeat(depth);
    let _ = write!(out, "{pad}{{\n{pad}    \"name\": {},\n", json_string(&op.name));
    let _ = writeln!(out, "{pad}    \"rows\": {},", op.rows);
    let _ = writeln!(out, "{pad}    \"rows_in\": {},", op.rows_in());
    let _ = writeln!(out, "{pad}    \"timing\": {},", op.own as f64 / 1e9);
    let _ = writeln!(out, "{pad}    \"total_timing\": {},", op.total as f64 / 1e9);
    let _ = writeln!(out, "{pad}    \"memory_bytes\": {},", op.memory);
    if op.spilled > 0 {
        let _ = writeln!(out, "{pad}    \"spilled_bytes\": {},", op.spilled);
    }
    if let Some(scan) = &op.scan {
        let m = &scan.metrics;
        let list = |counts: &[Refuted], of: fn(Refuted) -> u64| {
            let each = scan.conditions.iter().enumerate();
            let each =
                each.map(|(i, c)| format!("{}: {}", json_string(c), counts.get(i).copied().map_or(0, of)));
            each.collect::<Vec<_>>().join(", ")
        };
        let nulls = |r: Refuted| r.nulls;
        let decoded: Vec<_> = m
            .decoded
            .iter()
            .map(|(codec, blocks, bytes)| {
                format!("{}: {{\"blocks\": {blocks}, \"bytes\": {bytes}}}", json_string(codec.name()))
            })
            .collect();
        let _ = write!(
            out,
            "{pad}    \"scan\": {{\n\
             {pad}        \"row_groups\": {}, \"row_groups_read\": {}, \"row_groups_unwanted\": {}, \
             \"row_groups_not_asked_for\": {},\n\
             {pad}        \"row_groups_refuted\": {{{}}},\n\
             {pad}        \"row_groups_refuted_by_nulls\": {{{}}},\n\
             {pad}        \"blocks\": {}, \"blocks_unwanted\": {}, \"rows\": {},\n\
             {pad}        \"blocks_refuted\": {{{}}},\n\
             {pad}        \"blocks_refuted_by_nulls\": {{{}}},\n\
             {pad}        \"dictionary_filters\": {}, \"bytes_decoded\": {},\n\
             {pad}        \"decoded\": {{{}}}\n{pad}    }},\n",
            m.row_groups,
            m.row_groups_read,
            m.row_groups_unwanted,
            not_asked_for(m),
            list(&m.row_groups_refuted, Refuted::all),
            list(&m.row_groups_refuted, nulls),
            m.blocks,
            m.blocks_unwanted,
            m.rows,
            list(&m.blocks_refuted, Refuted::all),
            list(&m.blocks_refuted, nulls),
            m.dictionary_filters,
            m.decoded.iter().map(|d| d.2).sum::<u64>(),
            decoded.join(", ")
        );
    }
    let _ = write!(out, "{pad}    \"children\": [");
    for (i, input) in op.inputs.iter().enumerate() {
        out.push_str(if i == 0 { "\n" } else { ",\n" });
        write_json(input, depth + 2, out);
    }
    if !op.inputs.is_empty() {
        let _ = write!(out, "\n{pad}    ");
    }
    let mut info = vec![];
    if !op.detail.is_empty() {
        info.push(format!("\"Details\": {}", json_string(&op.detail)));
    }
    if let Some(rows) = op.estimated {
        info.push(format!("\"Estimated Cardinality\": \"{rows}\""));
    }
    let _ = write!(out, "],\n{pad}    \"extra_info\": {{{}}}\n{pad}}}", info.join(", "));
}

const HTML_HEAD: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Query plan</title><style>
body{font:14px/1.45 system-ui,sans-serif;margin:1.5em;color:#1c2430;background:#f6f7f9}
.sum{margin:0 0 1em}
.op{background:#fff;border:1px solid #d5dae1;border-radius:6px;padding:.45em .7em;margin:.4em 0;max-width:70em}
.in{margin-left:1.2em;border-left:2px solid #d5dae1;padding-left:1em}
.name{font-weight:600}.detail{font-family:ui-monospace,monospace;font-size:12px;color:#41505f;overflow-wrap:anywhere}
.num{color:#41505f;font-size:12.5px}.off{color:#b3261e;font-weight:600}
.bar{height:6px;background:#e6eaef;border-radius:3px;margin:.35em 0}.bar i{display:block;height:6px;border-radius:3px;background:#d9480f}
ul{margin:.3em 0 .1em;padding-left:1.2em;font-size:12.5px;color:#41505f}
</style></head><body>
";

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
}

fn write_html(op: &Operator, whole: u64, out: &mut String) {
    out.push_str("<div class=\"op\"><span class=\"name\">");
    escape(&op.name, out);
    out.push_str("</span> <span class=\"detail\">");
    escape(&op.detail, out);
    let share = percent(op.own, whole);
    let _ =
        write!(out, "</span><div class=\"bar\"><i style=\"width:{share}%\"></i></div><div class=\"num\">");
    let _ = write!(out, "{} rows", op.rows);
    if !op.inputs.is_empty() || op.scan.is_some() {
        let _ = write!(out, " of {}", op.rows_in());
    }
    if let Some(estimated) = op.estimated {
        // An estimate that is ten times too low or too high is worth a look.
        let (a, b) = (op.rows.max(1) as f64, estimated.max(1) as f64);
        let class = if a / b >= 10.0 || b / a >= 10.0 { " class=\"off\"" } else { "" };
        let _ = write!(out, " · <span{class}>~{} expected</span>", short_count(estimated));
    }
    let _ = write!(out, " · {} own ({share}%) · {} with inputs", duration(op.own), duration(op.total));
    if op.memory > 0 {
        let _ = write!(out, " · holds {}", bytes(op.memory));
    }
    if op.spilled > 0 {
        let _ = write!(out, " · {} spilled", bytes(op.spilled));
    }
    out.push_str("</div>");
    if let Some(scan) = &op.scan {
        out.push_str("<ul>");
        for line in scan_lines(scan) {
            out.push_str("<li>");
            escape(line.trim(), out);
            out.push_str("</li>");
        }
        out.push_str("</ul>");
    }
    out.push_str("</div>\n");
    if !op.inputs.is_empty() {
        out.push_str("<div class=\"in\">\n");
        op.inputs.iter().for_each(|input| write_html(input, whole, out));
        out.push_str("</div>\n");
    }
}
