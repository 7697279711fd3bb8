//! Statements that come as the same text again.
//!
//! Programs mostly send a few texts over and over, with values for their parameters or, as dashboards do, without any. From
//! the second time on such a text is what it would be if the program had prepared it: it is not parsed again, and keeps
//! its plan ([`PlanCache`](super::PlanCache)).

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::sql::ast::Statement;
use crate::sql::session::PreparedStatement;

/// Texts that are remembered.
const TEXTS: usize = 64;
/// Longer texts rarely come again, and are mostly full of values.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// The latest texts.
#[derive(Debug, Default)]
pub(super) struct RecentTexts {
    hashes: RandomState,
    /// From the one that has not been seen for longest to the latest.
    texts: Vec<Recent>,
}

/// A text by its hash, with its statement once it has come twice.
#[derive(Debug)]
struct Recent {
    hash: u64,
    statement: Option<Arc<PreparedStatement>>,
}

impl RecentTexts {
    /// The statement of a text that has come before.
    pub fn find(&mut self, sql: &str) -> Option<Arc<PreparedStatement>> {
        let hash = self.hash(sql)?;
        let at = self.texts.iter().rposition(|recent| recent.hash == hash)?;
        let statement = self.texts[at].statement.clone().filter(|statement| *statement.sql == *sql)?;
        self.texts[at..].rotate_left(1);
        Some(statement)
    }

    /// Notes a text that was not [found](Self::find). Whether it has come before, so that it should be [kept](Self::keep).
    pub fn comes_again(&mut self, sql: &str, statement: &Statement) -> bool {
        let Some(hash) = self.hash(sql) else { return false };
        if !matches!(statement, Statement::Query(_) | Statement::Modify(_)) {
            return false;
        }
        let before = self.texts.len();
        self.texts.retain(|recent| recent.hash != hash);
        let again = self.texts.len() < before;
        if self.texts.len() == TEXTS {
            self.texts.remove(0);
        }
        self.texts.push(Recent { hash, statement: None });
        again
    }

    /// Keeps the statement of the text that was noted last.
    pub fn keep(&mut self, statement: Arc<PreparedStatement>) {
        if let Some(recent) = self.texts.last_mut() {
            recent.statement = Some(statement);
        }
    }

    fn hash(&self, sql: &str) -> Option<u64> {
        (sql.len() <= TEXT_BYTES_MAX).then(|| self.hashes.hash_one(sql))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Connection, Database, params};

    fn parsed(connection: &Connection, sql: &str) -> PreparedStatement {
        connection.session().parse(sql).unwrap()
    }

    #[test]
    fn texts_that_come_again_are_kept_as_long_as_they_are_recent() {
        let connection = Database::open_in_memory().unwrap().connect();
        let mut recent = RecentTexts::default();
        let mut run = |sql: &str| {
            let found = recent.find(sql).is_some();
            let statement = parsed(&connection, sql);
            if !found && recent.comes_again(sql, &statement.statement) {
                recent.keep(Arc::new(statement));
            }
            found
        };
        let found: Vec<bool> = (0..4).map(|_| run("SELECT 1")).collect();
        assert_eq!(found, [false, false, true, true]);
        assert!(!run("SELECT  1") && !run("select 1"), "other texts");
        for i in 0..TEXTS - 3 {
            assert!(!run(&format!("SELECT {i} + 1")));
        }
        assert!(run("SELECT 1"));
        (0..TEXTS).for_each(|i| assert!(!run(&format!("SELECT {i} + 2"))));
        assert!(!run("SELECT 1"));
        let long = format!("SELECT {}", " ".repeat(TEXT_BYTES_MAX));
        assert!((0..4).all(|_| !run(&format!("{long} 1"))));
        assert!((0..4).all(|_| !run("CREATE TABLE t(i INTEGER)")));
    }

    /// What a text means is found anew whenever it may have changed.
    #[test]
    fn a_text_means_what_it_means_now() {
        let connection = Database::open_in_memory().unwrap().connect();
        connection.execute("CREATE TABLE t AS SELECT 1 AS i").unwrap();
        let sum = |expected: &str| {
            for _ in 0..4 {
                let sql = "SELECT sum(i)::VARCHAR, typeof(sum(i)) FROM t WHERE i > $1";
                let row: (String, String) = connection.query_one(sql, params![0]).unwrap();
                assert_eq!(format!("{} {}", row.0, row.1), expected);
            }
        };
        sum("1 HUGEINT");
        connection.execute("INSERT INTO t VALUES (2)").unwrap();
        sum("3 HUGEINT");
        connection.execute("ALTER TABLE t ALTER i TYPE DOUBLE").unwrap();
        sum("3.0 DOUBLE");
        connection.execute("BEGIN; DROP TABLE t; CREATE VIEW t AS SELECT 7 AS i").unwrap();
        sum("7 HUGEINT");
        connection.execute("ROLLBACK").unwrap();
        sum("3.0 DOUBLE");
        connection.execute("CREATE TEMP TABLE t AS SELECT 9::TINYINT AS i").unwrap();
        sum("9 HUGEINT");
        for value in ["1", "'text'", "NULL"] {
            connection.execute(&format!("SET VARIABLE v = {value}")).unwrap();
            for _ in 0..4 {
                let row: (Option<String>,) =
                    connection.query_one("SELECT getvariable('v')::VARCHAR", ()).unwrap();
                assert_eq!(row.0.unwrap_or("NULL".into()), value.trim_matches('\''));
            }
        }
    }
}
