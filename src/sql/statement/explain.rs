//! EXPLAIN.

use std::time::Instant;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::plan::Plan;
use crate::sql::analyze::Analysis;
use crate::sql::ast::{ExplainFormat, Statement, WithChanges};
use crate::sql::error::SqlError;
use crate::sql::explain::{render, render_json};
use crate::sql::plan_graph::{self, Node};
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::sources::RowsBuilder;
use crate::sql::statement::{modify, query, with_changes};

/// Shows the plan of a statement; with `analyze` carries it out and shows what it took.
pub fn run(
    session: &mut Session,
    analyze: bool,
    format: ExplainFormat,
    statement: &Statement,
    sql: &str,
) -> Result<Outcome, Failure> {
    if analyze && does_more_than_read(statement) {
        let (_, analysis) = session.watch(|session| super::run(session, statement, sql, None))?;
        let text = analysis.map(|analysis| analysis.render(format)).unwrap_or_default();
        return shown("analyzed_plan", &text);
    }
    if let Statement::WithChanges(statement) = statement {
        return explain_with_changes(session, format, statement);
    }
    let plan = plan_of(session, analyze, statement)?;
    if !analyze {
        let text = match format {
            ExplainFormat::Text => render(&plan),
            ExplainFormat::Json => render_json(&plan),
            other => plan_graph::render(&[Node::of(&plan)], other).ok_or_else(no_html)?,
        };
        return shown("physical_plan", &text);
    }
    let start = Instant::now();
    let mut stream = session.start(plan, true)?;
    for batch in &mut stream {
        batch?;
    }
    let analysis = Analysis::of(stream.context(), start.elapsed());
    let text = analysis.map(|analysis| analysis.render(format)).unwrap_or_default();
    shown("analyzed_plan", &text)
}

/// A statement that changes rows, makes a table of a query, or writes files.
fn does_more_than_read(statement: &Statement) -> bool {
    match statement {
        Statement::Modify(_) | Statement::WithChanges(_) | Statement::Copy(_) => true,
        Statement::Sql(sql) => matches!(&**sql, sqlparser::ast::Statement::CreateTable(_)),
        _ => false,
    }
}

fn shown(key: &str, text: &str) -> Result<Outcome, Failure> {
    let mut rows =
        RowsBuilder::new(&[("explain_key", LogicalType::Varchar), ("explain_value", LogicalType::Varchar)]);
    rows.push([Scalar::text(key), Scalar::text(text.trim_end())]);
    Ok(rows.finish("explain")?.into())
}

/// The plan that is explained.
fn plan_of(session: &Session, analyze: bool, statement: &Statement) -> Result<Plan, Failure> {
    if let (Statement::Modify(modify), false) = (statement, analyze) {
        return Ok(modify::plan(session, modify)?.0);
    }
    let query = match statement {
        Statement::Query(query) => query,
        Statement::Sql(sql) => match &**sql {
            sqlparser::ast::Statement::Query(query) => query,
            sqlparser::ast::Statement::CreateTable(create) if !analyze && create.query.is_some() => {
                create.query.as_ref().ok_or_else(|| SqlError::internal("the query is there"))?
            }
            _ => return Err(SqlError::unsupported("EXPLAIN is for queries").into()),
        },
        Statement::Copy(copy) if !analyze => match &copy.subject {
            crate::sql::ast::CopySubject::Query(query) => query,
            crate::sql::ast::CopySubject::Table { .. } => {
                return Err(SqlError::unsupported("EXPLAIN of COPY is for queries").into());
            }
        },
        _ => return Err(SqlError::unsupported("EXPLAIN is for queries").into()),
    };
    query::planned(session, query)
}

/// The plans of the changes in WITH, under their names, and that of the statement proper.
fn explain_with_changes(
    session: &mut Session,
    format: ExplainFormat,
    statement: &WithChanges,
) -> Result<Outcome, Failure> {
    let (steps, body) = with_changes::plans(session, statement)?;
    let text = match format {
        ExplainFormat::Text => {
            let steps = steps.iter().map(|(name, plan)| format!("{name}:\n{}\n", render(plan).trim_end()));
            steps.collect::<String>() + &render(&body)
        }
        ExplainFormat::Json => {
            let plans = steps.iter().map(|(_, plan)| plan).chain([&body]).map(render_json);
            format!("[{}]", plans.collect::<Vec<_>>().join(","))
        }
        other => {
            let step = |(name, plan): &(String, Plan)| {
                let mut node = Node::of(plan);
                node.facts.insert(0, ("Step", name.clone()));
                node
            };
            let nodes: Vec<Node> = steps.iter().map(step).chain([Node::of(&body)]).collect();
            plan_graph::render(&nodes, other).ok_or_else(no_html)?
        }
    };
    shown("physical_plan", &text)
}

fn no_html() -> SqlError {
    SqlError::unsupported("FORMAT html shows what a query did, not what it would do")
        .hint("EXPLAIN (ANALYZE, FORMAT html) …")
}
