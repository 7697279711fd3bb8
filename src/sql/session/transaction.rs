//! Transactions of a session.
//!
//! Outside BEGIN … COMMIT every statement that writes is a transaction of its own, and they wait for each other. Inside,
//! the first statement that writes begins a write transaction that waits for nobody before COMMIT, unless it has very
//! many rows; then it may turn out that others have changed the same. All statements read the snapshot taken at BEGIN,
//! with what those before them changed. A statement that fails leaves nothing behind; if it failed while
//! it ran, the transaction can only be rolled back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::catalog::{Catalog, TableId};
use crate::exec::context::CancelToken;
use crate::exec::error::ExecError;
use crate::sql::ast::Statement;
use crate::sql::bind::Tables;
use crate::sql::error::{SqlError, SqlErrorKind};
use crate::sql::session::{Failure, Session};
use crate::table::{Savepoint, Snapshot, Storage, TableError, TableSnapshot, WriteTransaction};

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
    /// The database as the transaction sees it.
    snapshot: Arc<Snapshot>,
    write: Option<WriteTransaction>,
    /// Nothing may be written.
    read_only: bool,
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

    /// A statement inside failed. What did not begin to run may be given again, rightly.
    pub fn statement_failed(&mut self, failure: &Failure) {
        use SqlErrorKind as K;
        let began = match failure {
            Failure::Sql(e) => matches!(e.kind, K::Conversion | K::OutOfRange | K::Io | K::Internal),
            _ => true,
        };
        if began && matches!(self, Self::Open(_)) {
            *self = Self::Failed;
        }
    }

    /// What a statement reads.
    pub fn read_view(&self, storage: &Arc<Storage>) -> ReadView {
        match self {
            Self::Open(open) => ReadView::of(Arc::clone(&open.snapshot)),
            _ => ReadView::of(storage.snapshot()),
        }
    }
}

/// What a statement reads.
#[derive(Debug, Clone)]
pub struct ReadView {
    snapshot: Arc<Snapshot>,
}

impl ReadView {
    /// A snapshot as it is.
    pub fn of(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot }
    }
}

impl Tables for ReadView {
    fn catalog(&self) -> &Catalog {
        self.snapshot.catalog()
    }

    fn table(&self, id: TableId) -> Result<Arc<TableSnapshot>, TableError> {
        self.snapshot.table(id)
    }
}

/// A transaction in which a statement writes: its own, or the session's. Dropping it undoes what the statement did.
pub(in crate::sql) struct Writer<'s> {
    session: &'s mut Session,
    own: Option<WriteTransaction>,
    /// Where the session's transaction was before the statement.
    before: Option<Savepoint>,
}

impl Session {
    /// BEGIN.
    pub(in crate::sql) fn begin(&mut self, read_only: bool) -> Result<(), Failure> {
        if !matches!(self.transaction, Transaction::None) {
            return Err(context_error("cannot start a transaction within a transaction").into());
        }
        self.transaction = Transaction::Open(Box::new(OpenTransaction {
            snapshot: self.storage.snapshot(),
            write: None,
            read_only,
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
                    write.commit()?;
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

    /// Puts what sequences have given out into the file, outside of BEGIN; COMMIT does it else.
    pub(in crate::sql) fn save_sequences(&mut self) -> Result<(), Failure> {
        // A commit writes where all sequences stand.
        self.writer()?.finish()
    }

    /// CHECKPOINT.
    pub(in crate::sql) fn checkpoint(&mut self) -> Result<(), Failure> {
        if self.storage.is_read_only() {
            return Ok(());
        }
        if matches!(&self.transaction, Transaction::Open(open) if open.write.is_some()) {
            return Err(
                context_error("Cannot CHECKPOINT: the current transaction has changes of its own").into()
            );
        }
        let patience = Duration::from_millis(self.settings.lock_timeout_ms);
        Ok(self.storage.checkpoint_within(Some(patience))?)
    }

    /// Begins to write: in the open transaction, or in one for this statement.
    pub(in crate::sql) fn writer(&mut self) -> Result<Writer<'_>, Failure> {
        if self.storage.is_read_only() {
            return Err(TableError::ReadOnly.into());
        }
        if let Transaction::Open(open) = &mut self.transaction {
            if open.read_only {
                return Err(context_error("Cannot write - transaction is launched in read-only mode").into());
            }
            if open.write.is_none() {
                let patience = Duration::from_millis(self.settings.lock_timeout_ms);
                open.write = Some(self.storage.begin_on(Arc::clone(&open.snapshot), patience)?);
            }
            let mut writer = Writer { session: self, own: None, before: None };
            writer.before = Some(writer.transaction()?.savepoint()?);
            return Ok(writer);
        }
        let own = wait_to_write(&self.storage, self.settings.lock_timeout_ms, &self.cancel)?;
        Ok(Writer { session: self, own: Some(own), before: None })
    }
}

/// Waits for the right to write. A statement of another connection ends by itself; an open transaction that has it
/// may wait for the very thread that waits for it, so that has a time limit.
pub(crate) fn wait_to_write(
    storage: &Arc<Storage>,
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
        if storage.is_occupied() && start.elapsed() >= Duration::from_millis(timeout_ms) {
            return Err(TableError::Busy.into());
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

    /// What the statement reads: the database as the transaction has it.
    pub fn read_view(&mut self) -> Result<ReadView, Failure> {
        Ok(ReadView::of(self.transaction()?.view()?))
    }

    /// The end of the statement: commits a transaction of its own.
    pub fn finish(mut self) -> Result<(), Failure> {
        if let Some(own) = self.own.take() {
            own.commit()?;
            return Ok(());
        }
        let view = self.transaction()?.view()?;
        if let Transaction::Open(open) = &mut self.session.transaction {
            open.snapshot = view;
        }
        self.before = None;
        Ok(())
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        let Some(before) = self.before.take() else { return };
        let undone = self.transaction().and_then(|transaction| Ok(transaction.rollback_to(&before)?));
        if undone.is_err() {
            self.session.transaction = Transaction::Failed;
        }
    }
}
