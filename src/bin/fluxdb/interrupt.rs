//! Ctrl-C: cancels the statement, not the shell.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fluxdb::CancelToken;

use crate::tell;

/// What Ctrl-C does now.
#[derive(Default)]
enum Target {
    /// No statement runs: Ctrl-C ends the program.
    #[default]
    Program,
    /// Cancel this.
    Statement(CancelToken),
    /// It has been asked to stop and has not yet: another Ctrl-C ends the program.
    Stopping,
}

#[derive(Default)]
struct State {
    target: Target,
    /// What is to be done before the program ends.
    last_act: Option<Box<dyn FnOnce() + Send>>,
}

/// The handler's shared state.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Mutex<State>>);

/// The exit status of a program that Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;

impl Interrupt {
    /// Installs the handler. Without one (it cannot be installed) Ctrl-C ends the program.
    pub fn install() -> Self {
        let interrupt = Self::default();
        let shared = interrupt.clone();
        let installed = ctrlc::set_handler(move || {
            // Locked to the end: no statement begins meanwhile.
            let mut state = shared.state();
            match std::mem::replace(&mut state.target, Target::Stopping) {
                Target::Statement(token) => token.cancel(),
                Target::Program | Target::Stopping => {
                    if let Some(act) = state.last_act.take() {
                        act();
                    }
                    std::process::exit(EXIT_INTERRUPTED);
                }
            }
        });
        if let Err(e) = installed {
            tell!("Warning: Ctrl-C will end the shell: {e}");
        }
        interrupt
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, target: Target) {
        self.state().target = target;
    }

    /// From now on Ctrl-C cancels this.
    pub fn statement_begins(&self, token: CancelToken) {
        self.set(Target::Statement(token));
    }

    /// From now on Ctrl-C ends the program.
    pub fn statement_ended(&self) {
        self.set(Target::Program);
    }

    /// Where Ctrl-C ends the program, nothing is dropped; this is done instead, until what is returned is dropped.
    #[must_use]
    pub fn at_exit(&self, act: impl FnOnce() + Send + 'static) -> AtExit {
        self.state().last_act = Some(Box::new(act));
        AtExit(self.clone())
    }
}

/// What is done when Ctrl-C ends the program.
pub struct AtExit(Interrupt);

impl Drop for AtExit {
    fn drop(&mut self) {
        let act = self.0.state().last_act.take();
        // It may hold a database, and closing that takes its time.
        drop(act);
    }
}
