//! What the user sees and does, apart from the terminal.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fluxdb::inspect::{Contents, Inspection};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::Failure;
use crate::tui::screen::{Lines, MapRange, Place, lines, map};

/// A place, and where in it the user is.
#[derive(Debug)]
pub struct Screen {
    pub place: Place,
    pub lines: Lines,
    /// The line under the cursor, or the cell of the map.
    pub cursor: usize,
    /// The first line on the screen.
    pub top: usize,
    /// Columns of text scrolled away to the left.
    pub left: usize,
}

/// What is being typed at the bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A text to look for: onwards after `/`, backwards after `?`.
    Search { text: String, onwards: bool },
    /// The number of a page, after `:`.
    Page(String),
}

/// Numbers before a command are not larger, and a search is not repeated more often.
const COUNT_MAX: usize = 1 << 32;
const TURNS_MAX: isize = 1_000;

pub struct App {
    path: PathBuf,
    pub file: Inspection,
    pub contents: Contents,
    pub map: Vec<MapRange>,
    /// Where the user came from, and last where he is. Never empty.
    pub stack: Vec<Screen>,
    pub prompt: Option<Prompt>,
    pub message: String,
    pub help: bool,
    pub done: bool,
    /// What was looked for last, and whether onwards.
    search: (String, bool),
    /// The number that was typed before a command; 0 is none.
    count: usize,
    stamp: Option<(u64, SystemTime)>,
    /// Lines that fit on the screen, and cells of the map in a row and in all; known once it was drawn.
    pub page_lines: usize,
    pub map_width: usize,
    pub map_cells: usize,
}

impl App {
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let file = Inspection::open(path)?;
        let contents = Contents::read(&file);
        let map = map(&file, &contents);
        let first = Screen { place: Place::Map, lines: Lines::default(), cursor: 0, top: 0, left: 0 };
        Ok(Self {
            path: path.to_owned(),
            stamp: stamp(path),
            file,
            contents,
            map,
            stack: vec![first],
            prompt: None,
            message: String::new(),
            help: false,
            done: false,
            search: (String::new(), true),
            count: 0,
            page_lines: 20,
            map_width: 78,
            map_cells: 78 * 16,
        })
    }

    pub fn screen(&self) -> &Screen {
        self.stack.last().unwrap_or_else(|| unreachable!("there is always a screen"))
    }

    fn screen_mut(&mut self) -> &mut Screen {
        self.stack.last_mut().unwrap_or_else(|| unreachable!("there is always a screen"))
    }

    /// Pages that a cell of the map stands for.
    pub fn pages_per_cell(&self) -> u64 {
        self.file.pages().div_ceil(self.map_cells.max(1) as u64).max(1)
    }

    /// Cells that the map takes.
    pub fn cells(&self) -> usize {
        self.file.pages().div_ceil(self.pages_per_cell()) as usize
    }

    /// The first page of the cell under the cursor.
    pub fn page_under_cursor(&self) -> u64 {
        self.screen().cursor as u64 * self.pages_per_cell()
    }

    /// What a page is used for.
    pub fn range_of(&self, page: u64) -> Option<&MapRange> {
        self.map.get(self.map.partition_point(|r| r.pages.end <= page)).filter(|r| r.pages.contains(&page))
    }

    fn go(&mut self, place: Place) {
        let lines = lines(&self.file, &self.contents, &place);
        let cursor = lines.start;
        let top = cursor.saturating_sub(1);
        self.stack.push(Screen { place, lines, cursor, top, left: 0 });
    }

    fn back(&mut self) {
        if self.stack.len() > 1 {
            self.stack.pop();
        } else {
            self.done = true;
        }
    }

    /// Looks at the file again if its length or time has changed.
    pub fn refresh_if_changed(&mut self) {
        if stamp(&self.path) != self.stamp {
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        self.stamp = stamp(&self.path);
        match Inspection::open(&self.path) {
            Ok(file) => {
                self.contents = Contents::read(&file);
                self.map = map(&file, &self.contents);
                self.file = file;
                for screen in &mut self.stack {
                    screen.lines = lines(&self.file, &self.contents, &screen.place);
                    if screen.place != Place::Map {
                        screen.cursor = screen.cursor.min(screen.lines.rows.len().saturating_sub(1));
                    }
                }
                let commit = self.file.superblock.as_ref().map_or(0, |s| s.sequence);
                self.message = format!("commit {commit}");
            }
            Err(e) => self.message = e.to_string(),
        }
    }

    pub fn key(&mut self, key: KeyEvent) {
        self.message.clear();
        if self.help {
            self.help = false;
            return;
        }
        if self.prompt.is_some() {
            self.type_key(key);
            return;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if let KeyCode::Char(digit @ '0'..='9') = key.code
            && (digit != '0' || self.count > 0)
        {
            let digit = digit as usize - '0' as usize;
            self.count = self.count.saturating_mul(10).saturating_add(digit).min(COUNT_MAX);
            self.message = self.count.to_string();
            return;
        }
        let count = std::mem::take(&mut self.count);
        let times = count.max(1) as isize;
        let page = self.page_lines.max(1) as isize * times;
        let line = if self.screen().place == Place::Map { self.map_width as isize } else { 1 };
        let (row, column) = (line * times, 8 * times as usize);
        match key.code {
            KeyCode::Char('c' | 'q') if control => self.done = true,
            KeyCode::Char('d') if control => self.move_by(line * page / 2),
            KeyCode::Char('u') if control => self.move_by(-line * page / 2),
            KeyCode::Char('f') if control => self.move_by(line * page),
            KeyCode::Char('b') if control => self.move_by(-line * page),
            KeyCode::Char('e') if control => self.move_by(row),
            KeyCode::Char('y') if control => self.move_by(-row),
            KeyCode::Char('j') | KeyCode::Down => self.move_by(row),
            KeyCode::Char('k') | KeyCode::Up => self.move_by(-row),
            KeyCode::Char(' ' | 'f') | KeyCode::PageDown => self.move_by(line * page),
            KeyCode::Char('b') | KeyCode::PageUp => self.move_by(-line * page),
            KeyCode::Char('d') => self.move_by(line * page / 2),
            KeyCode::Char('u') => self.move_by(-line * page / 2),
            KeyCode::Char('g' | 'G' | '<' | '>') if count > 0 => self.move_to(count - 1),
            KeyCode::Char('g' | '<') | KeyCode::Home => self.move_to(0),
            KeyCode::Char('G' | '>') | KeyCode::End => self.move_to(usize::MAX),
            KeyCode::Char('l') | KeyCode::Right if self.screen().place == Place::Map => self.move_by(times),
            KeyCode::Char('h') | KeyCode::Left if self.screen().place == Place::Map => self.move_by(-times),
            KeyCode::Char('l') | KeyCode::Right => {
                let screen = self.screen_mut();
                screen.left = screen.left.saturating_add(column).min(u16::MAX.into());
            }
            KeyCode::Char('h') | KeyCode::Left => {
                let screen = self.screen_mut();
                screen.left = screen.left.saturating_sub(column);
            }
            KeyCode::Char('0' | '^') => self.screen_mut().left = 0,
            KeyCode::Enter => self.enter(),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Char('q') => self.back(),
            KeyCode::Char('Q') => self.done = true,
            KeyCode::Char('t') => self.go(Place::Tables),
            KeyCode::Char('m') => self.stack.truncate(1),
            KeyCode::Char('r') => self.refresh(),
            KeyCode::Char('H') | KeyCode::F(1) => self.help = true,
            KeyCode::Char(mark @ ('/' | '?')) => {
                self.prompt = Some(Prompt::Search { text: String::new(), onwards: mark == '/' });
            }
            KeyCode::Char(':') => self.prompt = Some(Prompt::Page(String::new())),
            KeyCode::Char('n') => (0..times.min(TURNS_MAX)).for_each(|_| self.find(true)),
            KeyCode::Char('N') => (0..times.min(TURNS_MAX)).for_each(|_| self.find(false)),
            _ => {}
        }
    }

    fn type_key(&mut self, key: KeyEvent) {
        let Some(prompt) = &mut self.prompt else { return };
        let (Prompt::Search { text, .. } | Prompt::Page(text)) = prompt;
        match key.code {
            KeyCode::Esc => self.prompt = None,
            KeyCode::Backspace if text.is_empty() => self.prompt = None,
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Char(c) => text.push(c),
            KeyCode::Enter => match self.prompt.take() {
                Some(Prompt::Search { text, onwards }) => {
                    if !text.is_empty() {
                        self.search.0 = text;
                    }
                    self.search.1 = onwards;
                    self.find(true);
                }
                Some(Prompt::Page(text)) if matches!(text.trim(), "h" | "help") => self.help = true,
                Some(Prompt::Page(text)) if matches!(text.trim(), "q" | "q!" | "qa") => self.done = true,
                Some(Prompt::Page(text)) => match text.trim().parse::<u64>() {
                    Ok(page) if page < self.file.pages() => self.go(Place::Page(page)),
                    _ => {
                        self.message = format!("'{text}' is not a page; there are {}", self.file.pages());
                    }
                },
                None => {}
            },
            _ => {}
        }
    }

    /// The next line, or page of the map, that has the text looked for: the way that it was looked for, or the other.
    fn find(&mut self, same_way: bool) {
        let (text, onwards) = &self.search;
        if text.is_empty() {
            return;
        }
        let forward = *onwards == same_way;
        let needle = text.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&needle);
        let screen = self.screen();
        let count = if screen.place == Place::Map { self.cells() } else { screen.lines.rows.len() };
        let step = |i: usize| {
            if forward { (screen.cursor + i) % count } else { (screen.cursor + count - i) % count }
        };
        let found = (1..=count).map(step).find(|&i| {
            if screen.place == Place::Map {
                let page = i as u64 * self.pages_per_cell();
                self.range_of(page).is_some_and(|r| has(r.used_for.kind()) || has(&r.used_for.owner()))
            } else {
                screen.lines.rows[i].iter().any(|cell| has(cell))
            }
        });
        match found {
            Some(at) => self.move_to(at),
            None => self.message = format!("no '{}' here", self.search.0),
        }
    }

    fn enter(&mut self) {
        let screen = self.screen();
        let target = if screen.place == Place::Map {
            Some(Place::Page(self.page_under_cursor()))
        } else {
            screen.lines.targets.get(screen.cursor).cloned().flatten()
        };
        if let Some(target) = target {
            self.go(target);
        }
    }

    fn move_by(&mut self, by: isize) {
        let cursor = self.screen().cursor;
        self.move_to(cursor.saturating_add_signed(by));
    }

    fn move_to(&mut self, cursor: usize) {
        let count =
            if self.screen().place == Place::Map { self.cells() } else { self.screen().lines.rows.len() };
        self.screen_mut().cursor = cursor.min(count.saturating_sub(1));
    }
}

/// What tells whether a file was written: its length, and when.
fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}
