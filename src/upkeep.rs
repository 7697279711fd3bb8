//! A database keeps itself up: a thread refreshes materialized views and removes expired rows when they are due. There is
//! none before a table asks for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::catalog::Catalog;
use crate::connection::Connection;
use crate::database::Shared;
use crate::exec::context::CancelToken;
use crate::sql::session::{Databases, SearchPath, Settings};
use crate::sql::statement::tasks;

/// What failed is tried again so soon.
const RETRY: Duration = Duration::from_secs(5);

/// The thread of a database, or the lack of one. It ends when this goes, which waits for it.
#[derive(Debug)]
pub(crate) struct Upkeep {
    /// A database that is only looked at, or one that was told not to, has none.
    enabled: bool,
    state: Arc<State>,
    /// Where the catalog is that was looked at last.
    seen: AtomicUsize,
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    /// Held, so that no other comes to be in its place.
    catalog: Option<Arc<Catalog>>,
    worker: Option<Worker>,
}

#[derive(Debug)]
struct Worker {
    thread: Option<JoinHandle<()>>,
    /// What it runs.
    cancel: CancelToken,
}

#[derive(Debug, Default)]
struct State {
    signal: Mutex<Signal>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Signal {
    stop: bool,
    look: bool,
}

impl Upkeep {
    /// That of a database.
    pub fn new(enabled: bool) -> Self {
        Self { enabled, state: Arc::default(), seen: AtomicUsize::new(0), watch: Mutex::default() }
    }

    /// Called after each statement: has the thread look at what is to be done, if definitions have changed.
    pub fn look(&self, databases: &Arc<Databases>, settings: &Settings) {
        if !self.enabled {
            return;
        }
        let snapshot = databases.opened().storage().snapshot();
        let catalog = snapshot.catalog();
        let at = Arc::as_ptr(catalog) as usize;
        if self.seen.load(Ordering::Relaxed) == at {
            return;
        }
        let mut watch = self.watch.lock();
        self.seen.store(at, Ordering::Relaxed);
        watch.catalog = Some(Arc::clone(catalog));
        if watch.worker.is_some() {
            self.state.signal.lock().look = true;
            self.state.changed.notify_all();
        } else if !tasks(catalog).is_empty() {
            watch.worker = Worker::start(&self.state, databases, settings);
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        let Some(mut worker) = self.watch.get_mut().worker.take() else { return };
        self.state.signal.lock().stop = true;
        self.state.changed.notify_all();
        let Some(thread) = worker.thread.take() else { return };
        // A statement that is about to begin makes its token fit again, so once may not be enough.
        while !thread.is_finished() {
            worker.cancel.cancel();
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = thread.join();
    }
}

impl Worker {
    fn start(state: &Arc<State>, databases: &Arc<Databases>, settings: &Settings) -> Option<Self> {
        // What is due is of the database that was opened, whatever the connection uses by now.
        let search_path = SearchPath::of_database(databases.opened().name());
        let settings = Settings { threads: 1, search_path, ..settings.clone() };
        let shared =
            Shared { databases: Arc::clone(databases), settings, upkeep: Arc::new(Upkeep::new(false)) };
        let databases = Arc::clone(databases);
        let connection = Connection::new(Arc::new(shared));
        let (state, cancel) = (Arc::clone(state), connection.cancel_handle());
        let work = move || run(&state, &databases, &connection);
        // Without a thread there is still CALL maintain().
        let thread = std::thread::Builder::new().name("fluxdb-upkeep".into()).spawn(work).ok()?;
        Some(Self { thread: Some(thread), cancel })
    }
}

/// Does what is due, until it is told to stop. What fails is seen in `flux_queries()`.
fn run(state: &State, databases: &Databases, connection: &Connection) {
    let mut due: HashMap<String, Instant> = HashMap::new();
    loop {
        let tasks = tasks(databases.opened().storage().snapshot().catalog());
        let now = Instant::now();
        due.retain(|name, _| tasks.iter().any(|task| task.name == *name));
        let mut next = now + Duration::from_hours(1);
        for task in &tasks {
            // A view that was just made has its rows, and what was there at the start can wait as well.
            let at = due.entry(task.name.clone()).or_insert(now + task.every);
            *at = (*at).min(now + task.every);
            if *at <= now {
                if state.signal.lock().stop {
                    return;
                }
                let sql = format!("CALL maintain('{}')", task.name.replace('\'', "''"));
                let wait = if connection.execute(&sql).is_ok() { task.every } else { RETRY.min(task.every) };
                *at = Instant::now() + wait;
            }
            next = next.min(*at);
        }
        let mut signal = state.signal.lock();
        while !signal.stop && !signal.look {
            if state.changed.wait_until(&mut signal, next).timed_out() {
                break;
            }
        }
        if signal.stop {
            return;
        }
        signal.look = false;
    }
}
