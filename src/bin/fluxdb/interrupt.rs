//! Ctrl-C: cancels the statement, not the shell.

use std::sync::{Arc, Mutex, PoisonError};

use fluxdb::CancelToken;

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

/// The handler's shared state.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Mutex<Target>>);

/// The exit status of a program that Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;

impl Interrupt {
    /// Installs the handler. Without one (it cannot be installed) Ctrl-C ends the program.
    pub fn install() -> Self {
        let interrupt = Self::default();
        let shared = interrupt.clone();
        let installed = ctrlc::set_handler(move || {
            let mut target = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
            match std::mem::replace(&mut *target, Target::Stopping) {
                Target::Statement(token) => token.cancel(),
                Target::Program | Target::Stopping => std::process::exit(EXIT_INTERRUPTED),
            }
        });
        if let Err(e) = installed {
            eprintln!("Warning: Ctrl-C will end the shell: {e}");
        }
        interrupt
    }

    fn set(&self, target: Target) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// From now on Ctrl-C cancels this.
    pub fn statement_begins(&self, token: CancelToken) {
        self.set(Target::Statement(token));
    }

    /// From now on Ctrl-C ends the program.
    pub fn statement_ended(&self) {
        self.set(Target::Program);
    }
}
