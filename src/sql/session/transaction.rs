//! Transactions of a session.
//!
//! Outside BEGIN … COMMIT every statement that writes is a transaction of its own, and they wait for each other, some
//! only when they commit ([`Turn`]). Inside,
//! the first statement that writes begins a write transaction that waits for nobody before COMMIT, unless it has very
//! many rows; then it may turn out that others have changed the same. All statements read the snapshot taken at BEGIN,
//! with what those before them changed. A statement that fails leaves nothing behind; if it failed while
//! it ran, the transaction can only be rolled back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sqlparser::ast::Ident;

use crate::catalog::TableId;
use crate::exec::context::CancelToken;
use crate::exec::error::ExecError;
use crate::sql::ast::Statement;
use crate::sql::error::{SqlError, SqlErrorKind};
use crate::sql::session::databases::NamedDatabase;
use crate::sql::session::read_view::{DatabaseView, ReadView};
use crate::sql::session::{Failure, Session};
use crate::table::{Savepoint, Snapshot, Storage, TableError, WriteTransaction};

/// The transaction of a session.
#[derive(Debug)]
pub(super) enum Transaction {
    /// Every statement is one of its own.
    None,
    /// BEGIN was given.
    Open(Box<OpenTransaction>),
    /// A write inside failed. What is left is to end it, or to go back to a savepoint if it has any.
    Failed(Option<Box<OpenTransaction>>),
}

/// A transaction between BEGIN and COMMIT.
#[derive(Debug)]
pub(super) struct OpenTransaction {
    /// Each database as of BEGIN, or as of when it was attached.
    parts: Vec<Part>,
    /// Nothing may be written.
    read_only: bool,
    /// What SAVEPOINT has kept, the newest last.
    savepoints: Vec<NamedSavepoint>,
}

/// What SAVEPOINT has kept.
#[derive(Debug)]
struct NamedSavepoint {
    name: String,
    parts: Vec<SavedPart>,
}

/// What a transaction had of a database.
#[derive(Debug)]
struct SavedPart {
    database: Arc<NamedDatabase>,
    snapshot: Arc<Snapshot>,
    /// `None` if nothing was written yet.
    write: Option<Savepoint>,
}

/// What a transaction has of a database.
#[derive(Debug)]
struct Part {
    database: Arc<NamedDatabase>,
    /// The database as the transaction sees it.
    snapshot: Arc<Snapshot>,
    write: Option<WriteTransaction>,
    /// Tables that others are not to change before the end, if it writes.
    relied_on: BTreeSet<TableId>,
}

impl Part {
    fn of(database: &Arc<NamedDatabase>) -> Self {
        let (database, snapshot) = (Arc::clone(database), database.newest());
        Self { database, snapshot, write: None, relied_on: BTreeSet::new() }
    }
}

impl OpenTransaction {
    /// What it has of a database.
    fn part(&mut self, database: &Arc<NamedDatabase>) -> &mut Part {
        let found = self.parts.iter().position(|part| Arc::ptr_eq(&part.database, database));
        let at = found.unwrap_or_else(|| {
            self.parts.push(Part::of(database));
            self.parts.len() - 1
        });
        &mut self.parts[at]
    }

    /// The place of the newest savepoint of that name.
    fn savepoint(&self, name: &Ident) -> Result<usize, SqlError> {
        let found = self.savepoints.iter().rposition(|s| s.name.eq_ignore_ascii_case(&name.value));
        found.ok_or_else(|| {
            let error = context_error(&format!("savepoint \"{}\" does not exist", name.value));
            error.at_span(name.span).did_you_mean(&name.value, self.savepoints.iter().map(|s| &s.name))
        })
    }

    /// Undoes all that was done behind a savepoint, which stays.
    fn rollback_to(&mut self, at: usize) -> Result<(), TableError> {
        self.savepoints.truncate(at + 1);
        let saved = &self.savepoints[at];
        for part in &mut self.parts {
            let before = saved.parts.iter().find(|s| Arc::ptr_eq(&s.database, &part.database));
            match (before.and_then(|before| before.write.as_ref()), &mut part.write) {
                (Some(savepoint), Some(write)) => write.rollback_to(savepoint)?,
                (_, write) => {
                    if let Some(write) = write.take() {
                        part.snapshot = Arc::clone(write.base());
                        write.rollback();
                    }
                }
            }
            if let Some(before) = before {
                part.snapshot = Arc::clone(&before.snapshot);
            }
        }
        Ok(())
    }

    /// Whether it has written to a database.
    fn writes_to(&self, database: &Arc<NamedDatabase>) -> bool {
        self.parts.iter().any(|part| part.write.is_some() && Arc::ptr_eq(&part.database, database))
    }

    /// The database, other than this and that of temporary objects, that it has written to.
    fn written_other(&self, database: &Arc<NamedDatabase>) -> Option<&str> {
        let other = self.parts.iter().find(|part| {
            part.write.is_some() && !part.database.is_temporary() && !Arc::ptr_eq(&part.database, database)
        });
        other.filter(|_| !database.is_temporary()).map(|part| part.database.name())
    }
}

fn context_error(message: &str) -> SqlError {
    SqlError::new(SqlErrorKind::Transaction, message)
}

impl Transaction {
    /// Whether the statement may run now.
    pub fn check(&self, statement: &Statement) -> Result<(), SqlError> {
        match self {
            Self::Failed(_)
                if !matches!(
                    statement,
                    Statement::Rollback | Statement::RollbackTo(_) | Statement::Commit
                ) =>
            {
                Err(context_error("Current transaction is aborted (please ROLLBACK)"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it can only be rolled back.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// A statement inside failed. What did not begin to run may be given again, rightly.
    pub fn statement_failed(&mut self, failure: &Failure) {
        use SqlErrorKind as K;
        let began = match failure {
            Failure::Sql(e) => matches!(e.kind, K::Conversion | K::OutOfRange | K::Io | K::Internal),
            _ => true,
        };
        if began {
            self.fail();
        }
    }

    /// It can only be ended, or go back to a savepoint.
    fn fail(&mut self) {
        if let Self::Open(open) = std::mem::replace(self, Self::None) {
            *self = Self::Failed(Some(open).filter(|open| !open.savepoints.is_empty()));
        }
    }

    /// A database as a statement sees it.
    pub fn view_of(&self, database: &Arc<NamedDatabase>) -> DatabaseView {
        let part = match self {
            Self::Open(open) => open.parts.iter().find(|part| Arc::ptr_eq(&part.database, database)),
            _ => None,
        };
        let snapshot = part.map_or_else(|| database.newest(), |part| Arc::clone(&part.snapshot));
        DatabaseView::new(Arc::clone(database), snapshot)
    }
}

/// When a statement that is a transaction of its own waits for others that write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Turn {
    /// Before it reads, so that nothing of what it reads changes.
    First,
    /// When it commits, which fails with a conflict if others have been in its way; then it is to begin again with
    /// [`First`](Self::First). For what reads nothing but the rows with the keys of those that it adds or removes, all of
    /// which the commit looks at again: so it is the same as if it had waited.
    Last,
}

/// Runs what is a transaction of its own, beside others if it may be.
pub(in crate::sql) fn beside_others<T>(
    mut work: impl FnMut(Turn) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match work(Turn::Last) {
        Err(Failure::Table(TableError::Conflict(_))) => work(Turn::First),
        done => done,
    }
}

/// A transaction in which a statement writes: its own, or the session's. Dropping it undoes what the statement did.
pub(in crate::sql) struct Writer<'s> {
    session: &'s mut Session,
    database: Arc<NamedDatabase>,
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
        let parts = self.databases().iter().map(Part::of).collect();
        self.transaction =
            Transaction::Open(Box::new(OpenTransaction { parts, read_only, savepoints: vec![] }));
        Ok(())
    }

    /// COMMIT.
    pub(in crate::sql) fn commit(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None => Err(context_error("cannot commit - no transaction is active").into()),
            // What is left of it is undone.
            Transaction::Failed(_) => Ok(()),
            Transaction::Open(mut open) => {
                for part in &mut open.parts {
                    if let Some(mut write) = part.write.take() {
                        write.rely_on(std::mem::take(&mut part.relied_on));
                        write.commit()?;
                    }
                }
                Ok(())
            }
        }
    }

    /// The open transaction, if there is one, is to read only from here on.
    pub(in crate::sql) fn write_no_more(&mut self) {
        if let Transaction::Open(open) = &mut self.transaction {
            open.read_only = true;
        }
    }

    /// Others are not to change a table before the transaction ends, if it writes; if there is one.
    pub(in crate::sql) fn rely_on(&mut self, database: &Arc<NamedDatabase>, table: TableId) {
        if let Transaction::Open(open) = &mut self.transaction {
            open.part(database).relied_on.insert(table);
        }
    }

    /// ROLLBACK.
    pub(in crate::sql) fn rollback(&mut self) -> Result<(), Failure> {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None => Err(context_error("cannot rollback - no transaction is active").into()),
            Transaction::Open(_) | Transaction::Failed(_) => Ok(()),
        }
    }

    /// SAVEPOINT.
    pub(in crate::sql) fn savepoint(&mut self, name: &Ident) -> Result<(), Failure> {
        let Transaction::Open(open) = &mut self.transaction else {
            return Err(context_error("SAVEPOINT can only be used in a transaction")
                .at_span(name.span)
                .into());
        };
        let parts = open.parts.iter_mut().map(|part| {
            let write = part.write.as_mut().map(WriteTransaction::savepoint).transpose()?;
            Ok(SavedPart {
                database: Arc::clone(&part.database),
                snapshot: Arc::clone(&part.snapshot),
                write,
            })
        });
        let parts = parts.collect::<Result<Vec<_>, TableError>>()?;
        open.savepoints.push(NamedSavepoint { name: name.value.clone(), parts });
        Ok(())
    }

    /// RELEASE SAVEPOINT: what was done behind it belongs to what was before.
    pub(in crate::sql) fn release(&mut self, name: &Ident) -> Result<(), Failure> {
        let Transaction::Open(open) = &mut self.transaction else {
            let message = "RELEASE SAVEPOINT can only be used in a transaction";
            return Err(context_error(message).at_span(name.span).into());
        };
        let at = open.savepoint(name)?;
        open.savepoints.truncate(at);
        Ok(())
    }

    /// ROLLBACK TO SAVEPOINT, which a transaction that has failed goes on from.
    pub(in crate::sql) fn rollback_to(&mut self, name: &Ident) -> Result<(), Failure> {
        let open = match &mut self.transaction {
            Transaction::Open(open) | Transaction::Failed(Some(open)) => open,
            Transaction::Failed(None) => {
                let message = format!("savepoint \"{}\" does not exist", name.value);
                return Err(context_error(&message).at_span(name.span).into());
            }
            Transaction::None => {
                let message = "ROLLBACK TO SAVEPOINT can only be used in a transaction";
                return Err(context_error(message).at_span(name.span).into());
            }
        };
        let at = open.savepoint(name)?;
        let undone = open.rollback_to(at);
        let transaction = std::mem::replace(&mut self.transaction, Transaction::None);
        self.transaction = match transaction {
            Transaction::Failed(Some(open)) if undone.is_ok() => Transaction::Open(open),
            _ if undone.is_err() => Transaction::Failed(None),
            other => other,
        };
        Ok(undone?)
    }

    /// Whether BEGIN was given.
    pub(crate) fn is_in_transaction(&self) -> bool {
        !matches!(self.transaction, Transaction::None)
    }

    /// Puts what sequences have given out into the file, outside of BEGIN; COMMIT does it else.
    pub(in crate::sql) fn save_sequences(&mut self) -> Result<(), Failure> {
        // A commit writes where all sequences stand.
        self.writer()?.finish()
    }

    /// CHECKPOINT of a database.
    pub(in crate::sql) fn checkpoint(&mut self, database: &Arc<NamedDatabase>) -> Result<(), Failure> {
        if database.storage().is_read_only() || database.is_frozen() {
            return Ok(());
        }
        if matches!(&self.transaction, Transaction::Open(open) if open.writes_to(database)) {
            return Err(
                context_error("Cannot CHECKPOINT: the current transaction has changes of its own").into()
            );
        }
        let patience = Duration::from_millis(self.settings.lock_timeout_ms);
        Ok(database.storage().checkpoint_within(Some(patience))?)
    }

    /// Puts the row groups of measurements in order, in the database in which objects are made. Within a transaction that
    /// is left to others.
    pub(in crate::sql) fn put_in_order(&mut self) -> Result<(), Failure> {
        let database = self.default_database();
        if self.is_in_transaction() || database.storage().is_read_only() || database.is_frozen() {
            return Ok(());
        }
        let patience = Duration::from_millis(self.settings.lock_timeout_ms);
        Ok(database.storage().put_in_order(Some(patience))?)
    }

    /// Begins to write to the database in which objects are made.
    pub(in crate::sql) fn writer(&mut self) -> Result<Writer<'_>, Failure> {
        let database = self.default_database();
        self.writer_in(&database)
    }

    /// Begins to write to a database: in the open transaction, or in one for this statement.
    pub(in crate::sql) fn writer_in(&mut self, database: &Arc<NamedDatabase>) -> Result<Writer<'_>, Failure> {
        self.writer_at(database, Turn::First)
    }

    /// The same; if it is a transaction for this statement, that waits for others when `turn` says.
    pub(in crate::sql) fn writer_at(
        &mut self,
        database: &Arc<NamedDatabase>,
        turn: Turn,
    ) -> Result<Writer<'_>, Failure> {
        database.storage().check_writable()?;
        if database.is_frozen() {
            let message = format!("Cannot write to a snapshot of database \"{}\"", database.name());
            return Err(context_error(&message).into());
        }
        let database = Arc::clone(database);
        let Transaction::Open(open) = &mut self.transaction else {
            let (storage, timeout) = (database.storage(), self.settings.lock_timeout_ms);
            let mut own = match turn {
                Turn::First => wait_to_write(storage, timeout, &self.cancel)?,
                Turn::Last => {
                    let cancel = self.cancel.clone();
                    let gives_up = move || cancel.is_cancelled();
                    storage.begin_on_unless(database.newest(), Duration::from_millis(timeout), gives_up)?
                }
            };
            own.set_synchronous(self.settings.synchronous);
            return Ok(Writer { session: self, database, own: Some(own), before: None });
        };
        if open.read_only && !database.is_temporary() {
            return Err(context_error(&format!(
                "Cannot write to database \"{}\" - transaction is launched in read-only mode",
                database.name()
            ))
            .into());
        }
        if let Some(other) = open.written_other(&database) {
            return Err(context_error(&format!(
                "Attempting to write to database \"{}\" in a transaction that has already modified database \"{other}\" \
                 - a single transaction can only write to a single attached database.",
                database.name()
            ))
            .into());
        }
        let part = open.part(&database);
        if part.write.is_none() {
            let patience = Duration::from_millis(self.settings.lock_timeout_ms);
            let mut write = database.storage().begin_on(Arc::clone(&part.snapshot), patience)?;
            write.set_synchronous(self.settings.synchronous);
            part.write = Some(write);
        }
        let mut writer = Writer { session: self, database, own: None, before: None };
        writer.before = Some(writer.transaction()?.savepoint()?);
        Ok(writer)
    }
}

/// Waits for the right to write. A statement of another connection ends by itself; an open transaction that has it
/// may wait for the very thread that waits for it, so that has a time limit.
pub(crate) fn wait_to_write(
    storage: &Arc<Storage>,
    timeout_ms: u64,
    cancel: &CancelToken,
) -> Result<WriteTransaction, Failure> {
    let patience = Some(Duration::from_millis(timeout_ms));
    match storage.begin_unless(patience, || cancel.is_cancelled())? {
        Some(write) => Ok(write),
        None if cancel.is_cancelled() => Err(ExecError::Cancelled.into()),
        None => Err(TableError::Busy.into()),
    }
}

impl Writer<'_> {
    /// The session, for binding and running.
    pub fn session(&self) -> &Session {
        self.session
    }

    /// The session, for what it has put by.
    pub fn session_mut(&mut self) -> &mut Session {
        self.session
    }

    /// The transaction.
    pub fn transaction(&mut self) -> Result<&mut WriteTransaction, Failure> {
        if let Some(own) = &mut self.own {
            return Ok(own);
        }
        match &mut self.session.transaction {
            Transaction::Open(open) => {
                let write = open.part(&self.database).write.as_mut();
                write.ok_or_else(|| SqlError::internal("the transaction does not write").into())
            }
            _ => Err(SqlError::internal("there is no transaction").into()),
        }
    }

    /// What the statement reads: the database that it writes to as the transaction has it, others as they are.
    pub fn read_view(&mut self) -> Result<ReadView, Failure> {
        let snapshot = self.transaction()?.view()?;
        Ok(self.session.read_view().about(&self.database, snapshot))
    }

    /// The end of the statement: commits a transaction of its own.
    pub fn finish(mut self) -> Result<(), Failure> {
        if let Some(own) = self.own.take() {
            return match own.commit() {
                Err(TableError::Busy) if self.session.cancel.is_cancelled() => {
                    Err(ExecError::Cancelled.into())
                }
                done => Ok(done.map(|_| ())?),
            };
        }
        let view = self.transaction()?.view()?;
        if let Transaction::Open(open) = &mut self.session.transaction {
            open.part(&self.database).snapshot = view;
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
            self.session.transaction = Transaction::Failed(None);
        }
    }
}
