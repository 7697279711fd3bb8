//! Prepared statements: parsed once, bound and planned each time they run, since what exists may change between.

use std::collections::HashMap;
use std::sync::Arc;

use crate::sql::ast::Statement;
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

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
