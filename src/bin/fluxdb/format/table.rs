//! Tables for people.

use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use fluxdb::{Batch, LogicalType, ValueWriter};
use unicode_width::UnicodeWidthStr;

use super::{Columns, Display, ResultWriter, plural};

/// The narrowest that a column is cut to.
const NARROWEST: usize = 8;

/// A boxed table with the columns' types under their names.
pub struct TableWriter {
    null: String,
    headers: bool,
    /// Widths that are set by hand.
    widths: Vec<usize>,
    /// Rows shown of a long result from its start, and as many from its end.
    half: usize,
    columns: Columns,
    /// Terminal width to fit into; `None` shows everything.
    width: Option<usize>,
    head: Vec<Vec<String>>,
    /// The last rows, a ring that starts at `tail_start`.
    tail: Vec<Vec<String>>,
    tail_start: usize,
    rows: u64,
}

impl TableWriter {
    /// Fits the terminal: wide values, middle columns and middle rows are left out, and it says so.
    pub fn fitted(display: &Display, width: usize) -> Self {
        Self { width: Some(width), ..Self::full(display) }
    }

    /// Everything.
    pub fn full(display: &Display) -> Self {
        Self {
            null: display.null.clone(),
            headers: display.headers,
            widths: display.widths.clone(),
            half: if display.max_rows == 0 { usize::MAX / 2 } else { display.max_rows.div_ceil(2) },
            columns: Columns::default(),
            width: None,
            head: vec![],
            tail: vec![],
            tail_start: 0,
            rows: 0,
        }
    }

    fn keep(&mut self, row: Vec<String>) {
        self.rows += 1;
        if self.width.is_none() || self.head.len() < self.half {
            self.head.push(row);
        } else if self.tail.len() < self.half {
            self.tail.push(row);
        } else {
            self.tail[self.tail_start] = row;
            self.tail_start = (self.tail_start + 1) % self.tail.len();
        }
    }

    /// The text of a cell, filled up to the width of its column if that is set by hand.
    fn padded(&self, column: usize, mut text: String) -> String {
        let missing = self.widths.get(column).map_or(0, |w| w.saturating_sub(text.width()));
        let blanks = " ".repeat(missing);
        if is_right_aligned(&self.columns[column].ty) {
            blanks + &text
        } else {
            text.push_str(&blanks);
            text
        }
    }

    /// The shown rows, and whether some are left out behind the first `head` rows.
    fn shown(&mut self) -> (Vec<Vec<String>>, Option<usize>) {
        let head = self.head.len();
        let mut rows = std::mem::take(&mut self.head);
        let mut tail = std::mem::take(&mut self.tail);
        tail.rotate_left(self.tail_start);
        rows.append(&mut tail);
        let gap = (rows.len() as u64) < self.rows;
        (rows, gap.then_some(head))
    }
}

impl ResultWriter for TableWriter {
    fn begin(&mut self, columns: &Columns, _: &mut dyn Write) -> io::Result<()> {
        self.columns = columns.clone();
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, _: &mut dyn Write) -> io::Result<()> {
        // Rows between head and tail are never rendered: only the first and last few of a batch can stay.
        let half = self.half;
        let columns = self.columns.clone();
        let writers = super::value_writers(&columns, batch)?;
        for row in 0..batch.rows {
            let in_head = self.width.is_none() || self.head.len() < half;
            let in_tail = batch.rows - row <= half;
            if !in_head && !in_tail {
                self.rows += 1;
                continue;
            }
            let cells = writers.iter().map(|w| cell_text(w, row, &self.null)).collect();
            self.keep(cells);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let total_columns = self.columns.len();
        let (mut rows, gap) = self.shown();
        let names: Vec<_> = self.columns.iter().map(|c| one_line(&c.name)).collect();
        let types: Vec<_> = self.columns.iter().map(|c| c.ty.to_string().to_lowercase()).collect();
        let mut widths: Vec<usize> = (0..total_columns)
            .map(|i| {
                let cells = rows.iter().map(|r| r[i].width());
                cells.chain([names[i].width(), types[i].width().min(NARROWEST * 2)]).max().unwrap_or(0)
            })
            .collect();
        for (width, given) in widths.iter_mut().zip(&self.widths).filter(|(_, given)| **given > 0) {
            *width = *given;
        }
        let mut shown: Vec<Option<usize>> = (0..total_columns).map(Some).collect();
        if let Some(width) = self.width {
            shown = fit(&mut widths, width);
        }

        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
        if self.headers {
            table.set_header(shown.iter().map(|c| {
                match c {
                    Some(i) => {
                        Cell::new(format!("{}\n{}", cut(&names[*i], widths[*i]), cut(&types[*i], widths[*i])))
                            .set_alignment(CellAlignment::Center)
                    }
                    None => Cell::new("…"),
                }
            }));
        }
        let shown_rows = rows.len();
        if let Some(at) = gap {
            rows.insert(at, vec!["·".to_owned(); total_columns]);
        }
        for (n, row) in rows.iter().enumerate() {
            table.add_row(shown.iter().map(|c| match c {
                Some(i) => {
                    let cell = Cell::new(self.padded(*i, cut(&row[*i], widths[*i])));
                    if gap == Some(n) {
                        cell.set_alignment(CellAlignment::Center)
                    } else if is_right_aligned(&self.columns[*i].ty) {
                        cell.set_alignment(CellAlignment::Right)
                    } else {
                        cell
                    }
                }
                None => Cell::new("…"),
            }));
        }
        if total_columns > 0 {
            writeln!(out, "{table}")?;
        }
        if self.width.is_some() {
            writeln!(
                out,
                "{}",
                footer(self.rows, shown_rows, total_columns, shown.iter().flatten().count())
            )?;
        }
        Ok(())
    }
}

/// `3 rows`, and what of the result is shown if not all.
fn footer(rows: u64, shown_rows: usize, columns: usize, shown_columns: usize) -> String {
    let mut text = format!("{} {}", thousands(rows), plural(rows, "row"));
    if (shown_rows as u64) < rows {
        text.push_str(&format!(" ({shown_rows} shown)"));
    }
    if shown_columns < columns {
        text.push_str(&format!(", {columns} columns ({shown_columns} shown)"));
    }
    text
}

/// The number with separators: `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Narrows wide columns, then leaves out middle columns (`None`), until all fits into `width`.
fn fit(widths: &mut [usize], width: usize) -> Vec<Option<usize>> {
    let total = |widths: &[usize], shown: &[Option<usize>]| -> usize {
        1 + shown.iter().map(|c| 3 + c.map_or(1, |i| widths[i])).sum::<usize>()
    };
    let mut shown: Vec<_> = (0..widths.len()).map(Some).collect();
    loop {
        let over = total(widths, &shown).saturating_sub(width);
        if over == 0 {
            return shown;
        }
        // Cut the widest column down to the next one, as far as need be.
        let widest = shown.iter().flatten().copied().max_by_key(|i| widths[*i]);
        let Some(widest) = widest.filter(|i| widths[*i] > NARROWEST) else { break };
        let next = shown.iter().flatten().map(|i| widths[*i]).filter(|w| *w < widths[widest]).max();
        let floor = next.unwrap_or(NARROWEST).max(NARROWEST);
        widths[widest] = (widths[widest] - over.min(widths[widest] - floor)).max(floor);
    }
    while shown.iter().flatten().count() > 1 && total(widths, &shown) > width {
        let middle = shown.len() / 2;
        if shown[middle].is_none() {
            let right = middle + 1 < shown.len() && shown.len() - middle > middle;
            shown.remove(if right { middle + 1 } else { middle - 1 });
        } else {
            shown[middle] = None;
        }
    }
    shown
}

/// The text, cut to `width` characters of the terminal, with a mark where it was cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        used += w;
        out.push(c);
    }
    out.push('…');
    out
}

/// The value as one line of text without control characters that would move the cursor.
pub fn cell_text(writer: &ValueWriter<'_>, row: usize, null: &str) -> String {
    if writer.is_null(row) {
        return null.to_owned();
    }
    let mut text = String::new();
    writer.write(row, &mut text);
    one_line(&text)
}

fn one_line(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Numbers stand right, all else left.
pub fn is_right_aligned(ty: &LogicalType) -> bool {
    ty.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitting_narrows_the_widest_first() {
        let mut widths = vec![4, 100, 6];
        let shown = fit(&mut widths, 60);
        assert_eq!(shown, [Some(0), Some(1), Some(2)]);
        assert_eq!(widths, [4, 40, 6]);
    }

    #[test]
    fn fitting_leaves_out_the_middle() {
        let mut widths = vec![8; 30];
        let shown = fit(&mut widths, 80);
        assert!(shown.contains(&None));
        assert_eq!(shown.first(), Some(&Some(0)));
        assert_eq!(shown.last(), Some(&Some(29)));
        assert!(shown.iter().map(|c| 3 + c.map_or(1, |_| 8)).sum::<usize>() < 80);
    }

    #[test]
    fn one_column_stays_however_narrow_the_terminal() {
        assert_eq!(fit(&mut [50], 3), [Some(0)]);
        assert!(fit(&mut [50, 50, 50], 3).iter().flatten().count() == 1);
    }

    #[test]
    fn wide_characters_are_cut_by_what_they_take() {
        assert_eq!(cut("日本語テキスト", 6), "日本…");
        assert_eq!(cut("short", 6), "short");
    }

    #[test]
    fn control_characters_cannot_break_the_table() {
        assert_eq!(one_line("a\tb\x1b[0m"), "a\\tb\\u{1b}[0m");
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1234567), "1,234,567");
    }
}
