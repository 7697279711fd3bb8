//! Transactions of a session.
//!
//! Outside BEGIN … COMMIT every statement that writes is a transaction of its own. Inside, the first statement
//! that writes begins a write transaction, of which a database has one at a time; all statements read the
//! snapshot taken at BEGIN. Rows that a transaction wrote cannot be read inside it: that is an error, not a
//! wrong answer. After a failed write the transaction can only be rolled back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::catalog::{Catalog, TableId};
use crate::exec::context::CancelToken;
use crate::exec::error::ExecError;
use crate::sql::ast::Statement;
use crate::sql::bind::Tables;
use crate::sql::error::{SqlError, SqlErrorKind};
use crate::sql::session::{Failure, Session};
use crate::table::{Snapshot, Storage, TableError, TableSnapshot, WriteTransaction};

/// Tells whether some connection has an open transaction that writes.
#[derive(Debug, Default)]
pub struct TransactionGate {
    open: AtomicBool,
}

/// The transaction of a session.
#[derive(Debug)]
pub(super) enum Transaction {
    /// Every statement is one of its own.
    None,
    /// BEGIN was given.
    Open(Box<OpenTransaction>),
    /// A write inside failed; only ROLLBACK is left.
    Failed,
}

#[derive(Debug)]
pub(super) struct OpenTransaction {
    snapshot: Arc<Snapshot>,
    write: Option<WriteTransaction>,
    /// Tables whose rows it changed.
    changed: BTreeSet<TableId>,
    gate: Arc<TransactionGate>,
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if self.write.take().is_some() {
            self.gate.open.store(false, Ordering::Release);
        }
    }
}

fn context_error(message: &str) -> SqlError {
    SqlError::new(SqlErrorKind::Transaction, message)
}

impl Transaction {
    /// Whether the statement may run now.
    pub fn check(&self, statement: &Statement) -> Result<(), SqlError> {
        match self {
            Self::Failed if !matches!(statement, Statement::Rollback | Statement::Commit) => {
                Err(context_error("Current transaction is aborted (please ROLLBACK)"))
            }
            _ => Ok(()),
        }
    }

    /// A statement inside failed. What could not be understood changed nothing.
    pub fn statement_failed(&mut self, failure: &Failure) {
        let wrote = matches!(self, Self::Open(open) if open.write.is_some());
        if wrote && !matches!(failure, Failure::Sql(_)) {
            *self = Self::Failed;
        }
    }

    /// What a statement reads.
    pub fn read_view(&self, storage: &Arc<Storage>) -> ReadView {
        match self {
            Self::Open(open) => ReadView {
                snapshot: Arc::clone(&open.snapshot),
                catalog: open.write.as_ref().map(|w| Arc::new(w.catalog().clone())),
                changed: open.changed.clone(),
            },
            _ => ReadView::of(storage.snapshot()),
        }
    }
}

/// What a statement reads: a snapshot, and what the open transaction changed in its catalog.
#[derive(Debug, Clone)]
pub struct ReadView {
    snapshot: Arc<Snapshot>,
    catalog: Option<Arc<Catalog>>,
    changed: BTreeSet<TableId>,
}

impl ReadView {
    /// A snapshot as it is.
    pub fn of(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, catalog: None, changed: BTreeSet::new() }
    }
}

impl Tables for ReadView {
    fn catalog(&self) -> &Catalog {
        self.catalog.as_deref().unwrap_or_else(|| self.snapshot.catalog())
    }

    fn table(&self, id: TableId) -> Result<Arc<TableSnapshot>, TableError> {
        let is_new = self.snapshot.catalog().table_by_id(id).is_none();
        let is_altered = self
            .catalog
            .as_ref()
            .is_some_and(|c| c.table_by_id(id) != self.snapshot.catalog().table_by_id(id));
        if is_new || is_altered || self.changed.contains(&id) {
            return Err(TableError::Unsupported(
                "reading a table that the same transaction has changed is not supported yet; COMMIT first"
                    .into(),
            ));
        }
        self.snapshot.table(id)
    }
}

/// A transaction in which a statement writes: its own, or the session's.
pub(in crate::sql) struct Writer<'s> {
    session: &'s mut Session,
    own: Option<WriteTransaction>,
}

impl Session {
    /// BEGIN.
    pub(in crate::sql) fn begin(&mut self) -> Result<(), Failure> {
        if !matches!(self.transaction, Transaction::None) {
            return Err(context_error("cannot start a transaction within a transaction").into());
        }
        self.transaction = Transaction::Open(Box::new(OpenTransaction {
            snapshot: self.storage.snapshot(),
            write: None,
            changed: BTreeSet::new(),
            gate: Arc::clone(&self.gate),
        }));
        Ok(())
    }

    /// COMMIT.
    pub(in crate::sql) fn commit(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None => Err(context_error("cannot commit - no transaction is active").into()),
            Transaction::Failed => {
                Err(context_error("the transaction had failed and was rolled back").into())
            }
            Transaction::Open(mut open) => match open.write.take() {
                Some(write) => {
                    let done = write.commit();
                    open.gate.open.store(false, Ordering::Release);
                    done?;
                    Ok(())
                }
                None => Ok(()),
            },
        }
    }

    /// ROLLBACK.
    pub(in crate::sql) fn rollback(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None => Err(context_error("cannot rollback - no transaction is active").into()),
            Transaction::Open(_) | Transaction::Failed => Ok(()),
        }
    }

    /// Begins to write: in the open transaction, or in one for this statement.
    pub(in crate::sql) fn writer(&mut self) -> Result<Writer<'_>, Failure> {
        if self.storage.is_read_only() {
            return Err(TableError::ReadOnly.into());
        }
        if let Transaction::Open(open) = &self.transaction {
            if open.write.is_none() {
                let write =
                    wait_to_write(&self.storage, &self.gate, self.settings.lock_timeout_ms, &self.cancel)?;
                if write.base().sequence() != open.snapshot.sequence() {
                    return Err(context_error(
                        "another connection has committed since this transaction began; ROLLBACK and try again",
                    )
                    .into());
                }
                if let Transaction::Open(open) = &mut self.transaction {
                    self.gate.open.store(true, Ordering::Release);
                    open.write = Some(write);
                }
            }
            return Ok(Writer { session: self, own: None });
        }
        let own = wait_to_write(&self.storage, &self.gate, self.settings.lock_timeout_ms, &self.cancel)?;
        Ok(Writer { session: self, own: Some(own) })
    }
}

/// Waits for the one write transaction. A statement of another connection ends by itself; an open transaction
/// may wait for the very thread that waits for it, so that has a time limit.
fn wait_to_write(
    storage: &Arc<Storage>,
    gate: &TransactionGate,
    timeout_ms: u64,
    cancel: &CancelToken,
) -> Result<WriteTransaction, Failure> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(50);
    loop {
        if let Some(write) = storage.try_begin()? {
            return Ok(write);
        }
        if cancel.is_cancelled() {
            return Err(ExecError::Cancelled.into());
        }
        if gate.open.load(Ordering::Acquire) && start.elapsed() >= Duration::from_millis(timeout_ms) {
            return Err(context_error(
                "another connection has an open transaction that writes; it must COMMIT or ROLLBACK first",
            )
            .into());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

impl Writer<'_> {
    /// The session, for binding and running.
    pub fn session(&self) -> &Session {
        self.session
    }

    /// The transaction.
    pub fn transaction(&mut self) -> Result<&mut WriteTransaction, Failure> {
        if let Some(own) = &mut self.own {
            return Ok(own);
        }
        match &mut self.session.transaction {
            Transaction::Open(open) => {
                open.write.as_mut().ok_or_else(|| SqlError::internal("the transaction does not write").into())
            }
            _ => Err(SqlError::internal("there is no transaction").into()),
        }
    }

    /// What the statement reads: the catalog as this transaction has it, rows as of its beginning.
    pub fn read_view(&mut self) -> Result<ReadView, Failure> {
        let changed = match &self.session.transaction {
            Transaction::Open(open) => open.changed.clone(),
            _ => BTreeSet::new(),
        };
        let transaction = self.transaction()?;
        Ok(ReadView {
            snapshot: Arc::clone(transaction.base()),
            catalog: Some(Arc::new(transaction.catalog().clone())),
            changed,
        })
    }

    /// Notes that the rows of a table change.
    pub fn changes(&mut self, table: TableId) {
        if let Transaction::Open(open) = &mut self.session.transaction {
            open.changed.insert(table);
        }
    }

    /// The end of the statement: commits a transaction of its own.
    pub fn finish(self) -> Result<(), Failure> {
        match self.own {
            Some(own) => {
                own.commit()?;
                Ok(())
            }
            None => Ok(()),
        }
    }
}
