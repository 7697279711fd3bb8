//! Output that is longer than the screen goes through a pager.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

/// The pager unless `$FLUXDB_PAGER` or `$PAGER` names another: it ends by itself if all fits, shows colours and leaves the
/// screen as it is.
const DEFAULT: &str = "less -SRFX";

/// Standard output, or a pager once there are more lines than the screen has.
pub struct Paged {
    command: String,
    height: usize,
    held: Vec<u8>,
    lines: usize,
    child: Option<Child>,
}

/// The command of the pager: what the user set, else what the environment says.
pub fn command(set: Option<&str>) -> String {
    let of = |name| std::env::var(name).ok().filter(|v: &String| !v.trim().is_empty());
    set.map(str::to_owned)
        .or_else(|| of("FLUXDB_PAGER"))
        .or_else(|| of("PAGER"))
        .unwrap_or_else(|| DEFAULT.into())
}

impl Paged {
    /// Output for a screen of so many lines.
    pub fn new(command: String, height: usize) -> Self {
        Self { command, height, held: vec![], lines: 0, child: None }
    }

    /// Hands on what is held, and waits until the user has seen enough.
    pub fn finish(mut self) -> io::Result<()> {
        match self.child.take() {
            Some(mut child) => {
                drop(child.stdin.take());
                child.wait().map(|_| ())
            }
            None => {
                let mut out = io::stdout().lock();
                out.write_all(&self.held)?;
                out.flush()
            }
        }
    }
}

/// Whether there is such a program.
fn exists(command: &str) -> bool {
    let program = command.split_whitespace().next().unwrap_or_default();
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

impl Write for Paged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(child) = &mut self.child {
            return match child.stdin.as_mut().map(|pipe| pipe.write_all(bytes)) {
                // Who leaves the pager has seen enough.
                Some(Err(e)) if e.kind() != io::ErrorKind::BrokenPipe => Err(e),
                _ => Ok(bytes.len()),
            };
        }
        self.lines += bytes.iter().filter(|b| **b == b'\n').count();
        self.held.extend_from_slice(bytes);
        // The prompt takes a line too.
        if self.lines >= self.height {
            let spawned = if exists(&self.command) {
                Command::new("sh").arg("-c").arg(&self.command).stdin(Stdio::piped()).spawn()
            } else {
                Err(io::ErrorKind::NotFound.into())
            };
            let held = std::mem::take(&mut self.held);
            match spawned {
                Ok(child) => {
                    self.child = Some(child);
                    self.write_all(&held)?;
                }
                Err(_) => {
                    self.height = usize::MAX;
                    io::stdout().lock().write_all(&held)?;
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
