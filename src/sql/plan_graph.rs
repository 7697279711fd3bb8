//! Trees of operators for other programs: as YAML, and as graphs that Mermaid and Graphviz draw.

use std::fmt::Write as _;

use crate::exec::plan::Plan;
use crate::sql::ast::ExplainFormat;
use crate::sql::explain::{json_string, line, name_and_detail};

/// An operator, what is told of it, and its inputs.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What is told of it, under names.
    pub facts: Vec<(&'static str, String)>,
    /// Its inputs.
    pub inputs: Vec<Node>,
}

impl Node {
    /// An operator of a plan with those below it.
    pub fn of(plan: &Plan) -> Self {
        let text = line(plan);
        let (name, detail) = name_and_detail(&text);
        let inputs = plan.node.inputs().into_iter().map(Self::of).collect();
        Self::new(name, detail, plan.estimated_rows, inputs)
    }

    /// An operator with what is told of each.
    pub fn new(name: &str, detail: &str, estimated_rows: Option<u64>, inputs: Vec<Self>) -> Self {
        let mut facts = vec![];
        if !detail.is_empty() {
            facts.push(("Details", detail.to_owned()));
        }
        facts.extend(estimated_rows.map(|rows| ("Estimated Cardinality", rows.to_string())));
        Self { name: name.to_owned(), facts, inputs }
    }
}

/// Trees in a format; `None` if it is none of those that are written here.
pub fn render(roots: &[Node], format: ExplainFormat) -> Option<String> {
    let mut out = String::new();
    match format {
        ExplainFormat::Yaml => roots.iter().for_each(|root| yaml(root, 0, &mut out)),
        ExplainFormat::Mermaid => {
            out.push_str("flowchart TD\n");
            let edges = graph(roots, &mut |number, node| {
                let facts = node.facts.iter().map(|(name, value)| format!("\n{name}: {value}"));
                // Mermaid knows the characters of its own syntax by their names.
                let text = format!("**{}**{}", node.name, facts.collect::<String>());
                let text = text.replace('#', "#35;").replace('"', "#quot;").replace('`', "#96;");
                let _ = writeln!(out, "    node_{number}[\"`{text}`\"]");
            });
            for (from, to) in edges {
                let _ = writeln!(out, "    node_{from} --> node_{to}");
            }
        }
        ExplainFormat::Graphviz => {
            out.push_str("digraph G {\n    node [shape=box, style=rounded, fontname=\"Courier New\"];\n");
            let edges = graph(roots, &mut |number, node| {
                let facts = node.facts.iter().map(|(name, value)| format!("\n{name}: {value}"));
                let label = json_string(&format!("{}{}", node.name, facts.collect::<String>()));
                let _ = writeln!(out, "    node_{number} [label={label}];");
            });
            for (from, to) in edges {
                let _ = writeln!(out, "    node_{from} -> node_{to};");
            }
            out.push_str("}\n");
        }
        ExplainFormat::Text | ExplainFormat::Json | ExplainFormat::Html => return None,
    }
    Some(out)
}

fn yaml(node: &Node, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    // A text of JSON is one of YAML.
    let _ = writeln!(out, "{pad}- name: {}", json_string(&node.name));
    for (name, value) in &node.facts {
        let _ = writeln!(out, "{pad}  {}: {}", json_string(name), json_string(value));
    }
    if !node.inputs.is_empty() {
        let _ = writeln!(out, "{pad}  children:");
        node.inputs.iter().for_each(|input| yaml(input, depth + 2, out));
    }
}

/// Shows each operator with its number, and gives the pairs of an operator and its input.
fn graph(roots: &[Node], show: &mut dyn FnMut(usize, &Node)) -> Vec<(usize, usize)> {
    fn walk(
        node: &Node,
        next: &mut usize,
        edges: &mut Vec<(usize, usize)>,
        show: &mut dyn FnMut(usize, &Node),
    ) -> usize {
        let number = *next;
        *next += 1;
        show(number, node);
        for input in &node.inputs {
            let input = walk(input, next, edges, show);
            edges.push((number, input));
        }
        number
    }
    let (mut next, mut edges) = (0, vec![]);
    for root in roots {
        walk(root, &mut next, &mut edges, show);
    }
    edges
}
