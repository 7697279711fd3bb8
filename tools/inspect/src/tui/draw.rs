//! Putting a screen on the terminal.

use fluxdb::inspect::PageUse;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use crate::tui::app::{App, Prompt};
use crate::tui::screen::Place;

const KEYS: &str = concat!(
    " j k ↓ ↑      line down, up             Enter      open this\n",
    " h l ← →      left, right               q Esc      back, at last out\n",
    " space b      page down, up             t          tables\n",
    " d u          half a page               m          map of the file\n",
    " g G          beginning, end            :N Enter   the bytes of page N\n",
    " / ? n N      search on, back, again    r          look at the file again\n",
    " 12j 3G       twelve down, to line 3    H :h F1    this\n",
    " 0            back to the left          Q :q       leave\n",
    "\n",
    " The file is looked at again by itself when another process has written it.",
);

pub fn color(used_for: &PageUse) -> Color {
    match used_for {
        PageUse::Superblock => Color::Yellow,
        PageUse::Heap => Color::Cyan,
        PageUse::Overflow => Color::LightCyan,
        PageUse::Space => Color::Magenta,
        PageUse::RowGroup { .. } => Color::Blue,
        PageUse::Deletes { .. } => Color::LightRed,
        PageUse::Log => Color::Green,
        PageUse::Free => Color::DarkGray,
        PageUse::Ahead => Color::Black,
        PageUse::Damaged(_) => Color::Red,
        _ => Color::White,
    }
}

/// The letter of a use, so that the map reads without colours too.
pub fn letter(used_for: &PageUse) -> char {
    match used_for {
        PageUse::Superblock => 'S',
        PageUse::Heap => 'h',
        PageUse::Overflow => 'o',
        PageUse::Space => 's',
        PageUse::RowGroup { .. } => '█',
        PageUse::Deletes { .. } => 'd',
        PageUse::Log => 'l',
        PageUse::Free => '·',
        PageUse::Ahead => ' ',
        PageUse::Damaged(_) => '!',
        _ => '?',
    }
}

/// Draws the present screen. Tells the app how much fits.
pub fn draw(app: &mut App, frame: &mut Frame<'_>) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(frame.area());
    app.page_lines = body.height.saturating_sub(1).max(1) as usize;
    header(app, frame, head);
    if app.screen().place == Place::Map {
        map(app, frame, body);
    } else {
        lines(app, frame, body);
    }
    footer(app, frame, foot);
    if app.help {
        help(frame, body);
    }
}

fn header(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let file = &app.file;
    let state = match &file.superblock {
        Ok(s) => format!("commit {}", s.sequence),
        Err(_) => "no superblock".to_owned(),
    };
    let title = match app.screen().place {
        Place::Map => "map".to_owned(),
        _ => app.screen().lines.title.clone(),
    };
    let name =
        std::path::Path::new(file.name()).file_name().map_or(file.name().into(), |n| n.to_string_lossy());
    let damage = if app.contents.problems.is_empty() { "" } else { "  DAMAGED" };
    let text = format!(" {title} · {name} · {} bytes · {state}{damage}", file.file_bytes());
    frame.render_widget(Paragraph::new(text).style(Style::new().add_modifier(Modifier::REVERSED)), area);
}

fn footer(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let text = match &app.prompt {
        Some(Prompt::Search { text, onwards: true }) => format!("/{text}"),
        Some(Prompt::Search { text, onwards: false }) => format!("?{text}"),
        Some(Prompt::Page(text)) => format!(":{text}"),
        None if !app.message.is_empty() => app.message.clone(),
        None if app.screen().place == Place::Map => {
            let page = app.page_under_cursor();
            let per = app.pages_per_cell();
            let what = app
                .range_of(page)
                .map_or_else(String::new, |r| format!("{} {}", r.used_for.kind(), r.used_for.owner()));
            let cell = if per == 1 { String::new() } else { format!(" ({per} pages a cell)") };
            format!("page {page}{cell}: {what}   Enter: bytes  t: tables  H: keys")
        }
        None => {
            let screen = app.screen();
            let count = screen.lines.rows.len();
            let open = if screen.lines.targets.iter().any(Option::is_some) { "  Enter: open" } else { "" };
            format!("{} of {count}{open}  q: back  /: search  H: keys", (screen.cursor + 1).min(count))
        }
    };
    frame.render_widget(Paragraph::new(text), area);
}

fn map(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let [cells, legend] = Layout::vertical([Constraint::Min(1), Constraint::Length(2)]).areas(area);
    app.map_width = cells.width.max(1) as usize;
    app.map_cells = app.map_width * cells.height.max(1) as usize;
    app.page_lines = cells.height.max(1) as usize;
    let (count, per) = (app.cells(), app.pages_per_cell());
    let cursor = app.screen().cursor.min(count.saturating_sub(1));
    let mut rows = vec![];
    for row in 0..count.div_ceil(app.map_width) {
        let mut spans = vec![];
        for cell in row * app.map_width..((row + 1) * app.map_width).min(count) {
            let first = cell as u64 * per;
            // Of several pages, one that is damaged shows; else what most of them are, as the middle one tells.
            let pages = first..(first + per).min(app.file.pages());
            let damaged = app
                .map
                .iter()
                .skip(app.map.partition_point(|r| r.pages.end <= pages.start))
                .take_while(|r| r.pages.start < pages.end)
                .find(|r| matches!(r.used_for, PageUse::Damaged(_)));
            let range = damaged.or_else(|| app.range_of(u64::midpoint(pages.start, pages.end - 1)));
            let (letter, color) =
                range.map_or((' ', Color::Reset), |r| (letter(&r.used_for), color(&r.used_for)));
            let mut style = Style::new().fg(color);
            if cell == cursor {
                style = Style::new().fg(Color::Black).bg(Color::White);
            }
            spans.push(Span::styled(letter.to_string(), style));
        }
        rows.push(Line::from(spans));
    }
    frame.render_widget(Paragraph::new(rows), cells);
    let mut totals: Vec<(&PageUse, u64)> = vec![];
    for range in &app.map {
        let pages = range.pages.end - range.pages.start;
        match totals.iter_mut().find(|(u, _)| u.kind() == range.used_for.kind()) {
            Some(total) => total.1 += pages,
            None => totals.push((&range.used_for, pages)),
        }
    }
    let spans = totals.iter().flat_map(|(used_for, pages)| {
        let style = Style::new().fg(color(used_for));
        [
            Span::styled(format!("{} ", letter(used_for)), style),
            Span::raw(format!("{} {pages}  ", used_for.kind())),
        ]
    });
    let legend_lines = vec![Line::raw(""), Line::from(spans.collect::<Vec<_>>())];
    frame.render_widget(Paragraph::new(legend_lines), legend);
}

fn lines(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let height = area.height.saturating_sub(1) as usize;
    let Some(screen) = app.stack.last_mut() else { return };
    screen.cursor = screen.cursor.min(screen.lines.rows.len().saturating_sub(1));
    screen.top = screen.top.min(screen.cursor);
    if screen.cursor >= screen.top + height {
        screen.top = screen.cursor + 1 - height;
    }
    let screen = app.screen();
    let columns = screen.lines.header.len();
    let shown = || screen.lines.rows.iter().skip(screen.top).take(height);
    let mut widths: Vec<usize> = screen.lines.header.iter().map(|h| h.chars().count()).collect();
    for row in shown().filter(|r| r.len() == columns) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // Numbers stand one below the other, in columns that have nothing else.
    let is_number = |cell: &String| {
        cell.is_empty() || cell == "–" || cell.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    let numeric: Vec<bool> = (0..columns)
        .map(|i| screen.lines.header[i] != "hex" && shown().all(|row| row.get(i).is_none_or(is_number)))
        .collect();
    let text_of = |cells: &[String]| {
        let mut text = String::new();
        for (i, cell) in cells.iter().enumerate() {
            let clean: String = cell.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
            let width = widths.get(i).copied().unwrap_or(0);
            let right = cells.len() == columns && numeric.get(i) == Some(&true);
            text.push_str(&if right { format!("{clean:>width$}") } else { format!("{clean:width$}") });
            text.push_str("  ");
        }
        text.chars().skip(screen.left).collect::<String>()
    };
    let header: Vec<String> = screen.lines.header.iter().map(|h| (*h).to_owned()).collect();
    let mut out = vec![Line::styled(text_of(&header), Style::new().add_modifier(Modifier::BOLD))];
    for (i, row) in shown().enumerate() {
        let style = if screen.top + i == screen.cursor {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new()
        };
        out.push(Line::styled(text_of(row), style));
    }
    frame.render_widget(Paragraph::new(out), area);
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.min(80);
    let height = area.height.min(KEYS.lines().count() as u16 + 2);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(KEYS).block(Block::bordered().title(" keys ")), place);
}
