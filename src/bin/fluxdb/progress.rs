//! A progress bar on standard error for what takes long.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fluxdb::Connection;

/// Shorter statements show no bar.
const DELAY: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(200);
const WIDTH: usize = 40;

/// A bar that appears when the statement has run for two seconds, and goes when this is dropped.
pub struct Progress {
    stop: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Watches the statement that is about to run; does nothing if standard error is no terminal.
    pub fn start(connection: &Connection) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { stop: None };
        }
        let handle = connection.progress_handle();
        let (sender, receiver) = mpsc::channel::<()>();
        let begun = Instant::now();
        let thread = std::thread::spawn(move || {
            let mut wait = DELAY;
            let mut drawn = false;
            while let Err(RecvTimeoutError::Timeout) = receiver.recv_timeout(wait) {
                wait = TICK;
                drawn = true;
                let _ = write!(std::io::stderr(), "\r{}", line(handle.fraction(), begun.elapsed()));
            }
            if drawn {
                let _ = write!(std::io::stderr(), "\r\x1b[K");
            }
        });
        Self { stop: Some((sender, thread)) }
    }

    /// Takes the bar away for good: output is about to be written.
    pub fn clear(&mut self) {
        if let Some((sender, thread)) = self.stop.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `42% ▕████      ▏ 3.1 s, about 4 s left`.
fn line(fraction: Option<f64>, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let Some(fraction) = fraction.map(|f| f.clamp(0.0, 1.0)) else {
        return format!("{seconds:.1} s\x1b[K");
    };
    let full = (fraction * WIDTH as f64) as usize;
    let bar = "█".repeat(full) + &" ".repeat(WIDTH - full);
    let left = if fraction > 0.01 {
        format!(", about {:.0} s left", seconds * (1.0 - fraction) / fraction)
    } else {
        String::new()
    };
    format!("{:3.0}% ▕{bar}▏ {seconds:.1} s{left}\x1b[K", fraction * 100.0)
}
