//! `inspect FILE tui`: browsing a file in the terminal, live while another process writes it.

mod app;
mod draw;
mod screen;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind};

use self::app::App;
use crate::Failure;

/// How often the file is looked at for changes.
const REFRESH: Duration = Duration::from_millis(500);

/// Runs until the user leaves.
pub fn run(path: &Path) -> Result<(), Failure> {
    let mut app = App::open(path)?;
    let mut terminal = ratatui::try_init()?;
    let result = browse(&mut app, &mut terminal);
    ratatui::restore();
    result.map_err(Failure::from)
}

fn browse(app: &mut App, terminal: &mut ratatui::DefaultTerminal) -> std::io::Result<()> {
    while !app.done {
        terminal.draw(|frame| draw::draw(app, frame))?;
        if event::poll(REFRESH)? {
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
            {
                app.key(key);
            }
        } else {
            app.refresh_if_changed();
        }
    }
    Ok(())
}
