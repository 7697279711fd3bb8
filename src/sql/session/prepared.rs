//! Prepared statements: parsed once. Queries keep a plan where one holds for other values of their parameters.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::sql::ast::Statement;
use crate::sql::session::PlanCache;
use crate::sql::stack;

/// A statement that PREPARE has kept.
#[derive(Debug)]
pub struct PreparedStatement {
    /// The statement.
    pub statement: Statement,
    /// The text that the places in it refer to.
    pub sql: Arc<str>,
    /// The names of its parameters, numbers as text.
    pub parameters: Vec<String>,
    /// How much room it takes to run.
    pub size: stack::Size,
    /// The plan that it keeps.
    pub plans: PlanCache,
}

impl PreparedStatement {
    /// A statement that has not run yet.
    pub fn new(statement: Statement, sql: &str, parameters: Vec<String>, size: stack::Size) -> Self {
        Self { statement, sql: sql.into(), parameters, size, plans: PlanCache::default() }
    }

    /// Its text behind `PREPARE name AS`, if it was prepared in SQL.
    pub fn body(&self) -> &str {
        static HEAD: LazyLock<Regex> = LazyLock::new(|| {
            let head = r#"(?is)^\s*prepare\s+(?:"(?:[^"]|"")*"|[^\s(]+)\s*(?:\([^)]*\)\s*)?as\s+"#;
            Regex::new(head).expect("the pattern is sound")
        });
        let behind = HEAD.find(&self.sql).map_or(0, |head| head.range().end);
        self.sql[behind..].trim_end().trim_end_matches(';').trim_end()
    }
}

/// The prepared statements of a session.
#[derive(Debug, Default)]
pub struct PreparedStatements(HashMap<String, Arc<PreparedStatement>>);

impl PreparedStatements {
    /// The one of that name, whatever its case.
    pub fn get(&self, name: &str) -> Option<Arc<PreparedStatement>> {
        self.0.get(&name.to_lowercase()).cloned()
    }

    /// Keeps one, in place of another of that name.
    pub fn insert(&mut self, name: &str, statement: PreparedStatement) {
        self.0.insert(name.to_lowercase(), Arc::new(statement));
    }

    /// Forgets the one of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(&name.to_lowercase());
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All of them, with their names.
    pub fn all(&self) -> impl Iterator<Item = (&str, &PreparedStatement)> {
        self.0.iter().map(|(name, statement)| (name.as_str(), &**statement))
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
