//! `.plot`: a result as a drawing of characters.

use fluxdb::{Batch, Field, LogicalType, Scalar, ValueWriter};
use unicode_width::UnicodeWidthStr;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bar for each row.
    Bar,
    /// Points over a line of numbers or times.
    Line,
    /// How often values are where.
    Histogram,
}

impl Kind {
    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bar" => Self::Bar,
            "line" => Self::Line,
            "hist" | "histogram" => Self::Histogram,
            _ => return None,
        })
    }
}

/// Bars at most; a line for each.
const BARS_MAX: usize = 60;
/// Lines of text that a line plot is high.
const HEIGHT: usize = 14;
const BINS_MAX: usize = 20;
const LABEL_MAX: usize = 24;

/// A column, its values as numbers and as texts.
struct Column<'a> {
    field: &'a Field,
    numbers: Vec<Option<f64>>,
    texts: Vec<String>,
}

impl Column<'_> {
    /// Whether it has a place on a line.
    fn is_continuous(&self) -> bool {
        self.field.ty.is_numeric() || is_time(&self.field.ty)
    }
}

fn is_time(ty: &LogicalType) -> bool {
    matches!(ty, LogicalType::Date | LogicalType::Time | LogicalType::Timestamp(_) | LogicalType::TimestampTz)
}

/// Draws a result in a terminal of that width. Without a kind or columns the result says which are likely meant.
pub fn draw(
    fields: &[Field],
    batches: &[Batch],
    kind: Option<Kind>,
    names: &[String],
    width: usize,
) -> Result<String, String> {
    let columns: Vec<Column<'_>> =
        fields.iter().enumerate().map(|(i, field)| column(field, batches, i)).collect::<Result<_, _>>()?;
    if columns.first().is_none_or(|c| c.numbers.is_empty()) {
        return Err("there is nothing to draw: the result is empty".into());
    }
    let named = |name: &String| {
        columns.iter().position(|c| c.field.name.eq_ignore_ascii_case(name)).ok_or_else(|| match kind {
            Some(_) => format!("the result has no column {name}"),
            None => format!("the result has no column {name}; kinds of plots are bar, line and hist"),
        })
    };
    let chosen = names.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let numeric = |skip: Option<usize>| {
        let found = (0..columns.len()).find(|i| Some(*i) != skip && columns[*i].field.ty.is_numeric());
        found.ok_or("there is no column of numbers to draw")
    };
    let (x, y) = match chosen[..] {
        [x, y] => (Some(x), y),
        [y] => (columns.len().gt(&1).then(|| (0..columns.len()).find(|i| *i != y)).flatten(), y),
        [] if columns.len() == 1 => (None, numeric(None)?),
        // Of several columns the first is what the others are about.
        [] => (Some(0), numeric(Some(0))?),
        _ => return Err("name at most two columns: what to draw, and before it over what".into()),
    };
    if !columns[y].field.ty.is_numeric() {
        return Err(format!("column {} is no column of numbers", columns[y].field.name));
    }
    let kind = kind.unwrap_or(match x {
        None => Kind::Histogram,
        Some(x) if columns[x].is_continuous() && columns[x].numbers.len() > 2 => Kind::Line,
        Some(_) => Kind::Bar,
    });
    let width = width.clamp(40, 160);
    match kind {
        Kind::Bar => Ok(bars(x.map(|x| &columns[x]), &columns[y], width)),
        Kind::Histogram => histogram(&columns[y], width),
        Kind::Line => line(x.map(|x| &columns[x]), &columns[y], width),
    }
}

fn column<'a>(field: &'a Field, batches: &[Batch], index: usize) -> Result<Column<'a>, String> {
    let mut column = Column { field, numbers: vec![], texts: vec![] };
    for batch in batches {
        let array = &batch.columns[index];
        let writer = ValueWriter::new(array, &field.ty).map_err(|e| e.to_string())?;
        for row in 0..batch.rows {
            let mut text = String::new();
            if !writer.is_null(row) {
                writer.write(row, &mut text);
            }
            // Times are numbers in memory, all other numbers are what their text says.
            let number = if is_time(&field.ty) {
                match Scalar::from_array(&**array, row, &field.ty) {
                    Scalar::Int(v) => Some(v as f64),
                    _ => None,
                }
            } else {
                text.parse().ok().filter(|v: &f64| v.is_finite())
            };
            column.numbers.push(number);
            column.texts.push(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect());
        }
    }
    Ok(column)
}

/// A number in a few characters.
fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 1e15 || (size < 1e-4 && size > 0.0) {
        return format!("{value:.2e}");
    }
    let digits = if size >= 1000.0 {
        0
    } else if size >= 10.0 {
        1
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A bar of that many eighths of a character.
fn bar(eighths: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

fn cut(text: &str) -> String {
    if text.width() <= LABEL_MAX {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if out.width() >= LABEL_MAX - 1 {
            break;
        }
    }
    out + "…"
}

/// Label, bar and value of each row. Bars of negative values go to the left of those that are not.
fn labelled(rows: &[(String, f64)], title: &str, width: usize) -> String {
    let labels = rows.iter().map(|(label, _)| label.width()).max().unwrap_or(0);
    let values = rows.iter().map(|(_, v)| short(*v).width()).max().unwrap_or(0);
    let room = width.saturating_sub(labels + values + 4).max(10);
    let least = rows.iter().map(|(_, v)| *v).fold(0.0, f64::min);
    let most = rows.iter().map(|(_, v)| *v).fold(0.0, f64::max);
    let span = if most - least > 0.0 { most - least } else { 1.0 };
    let left = (-least / span * room as f64).round() as usize;
    let mut out = format!("{}  {title}\n", " ".repeat(labels));
    for (label, value) in rows {
        let eighths = (value.abs() / span * (room * 8) as f64).round() as usize;
        let drawn = if *value < 0.0 {
            let cells = eighths.div_ceil(8).min(left);
            " ".repeat(left - cells) + &"█".repeat(cells)
        } else {
            " ".repeat(left) + &bar(eighths)
        };
        let pad = " ".repeat(labels - label.width());
        out += &format!("{label}{pad} ┤{drawn} {}\n", short(*value));
    }
    out
}

fn bars(x: Option<&Column<'_>>, y: &Column<'_>, width: usize) -> String {
    let all = y.numbers.len();
    let label = |i: usize| x.map_or_else(|| (i + 1).to_string(), |x| cut(&x.texts[i]));
    let rows: Vec<_> = (0..all).filter_map(|i| Some((label(i), y.numbers[i]?))).take(BARS_MAX).collect();
    let mut out = labelled(&rows, &y.field.name, width);
    if all > BARS_MAX {
        out += &format!("{} of {all} rows\n", rows.len());
    }
    out
}

fn histogram(y: &Column<'_>, width: usize) -> Result<String, String> {
    let values: Vec<f64> = y.numbers.iter().flatten().copied().collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.is_empty() {
        return Err(format!("column {} has no values", y.field.name));
    }
    let bins =
        if most > least { ((values.len() as f64).sqrt().ceil() as usize).clamp(1, BINS_MAX) } else { 1 };
    let step = (most - least) / bins as f64;
    let mut counts = vec![0_u64; bins];
    for value in &values {
        let bin = if step > 0.0 { ((value - least) / step) as usize } else { 0 };
        counts[bin.min(bins - 1)] += 1;
    }
    let bounds: Vec<_> = (0..=bins).map(|i| short(least + step * i as f64)).collect();
    let wide = bounds.iter().map(String::len).max().unwrap_or(0);
    let rows: Vec<_> = counts
        .iter()
        .enumerate()
        .map(|(i, count)| (format!("{:>wide$} … {:>wide$}", bounds[i], bounds[i + 1]), *count as f64))
        .collect();
    Ok(labelled(&rows, &format!("{}: {} values", y.field.name, values.len()), width))
}

fn line(x: Option<&Column<'_>>, y: &Column<'_>, width: usize) -> Result<String, String> {
    if let Some(x) = x
        && !x.is_continuous()
    {
        return Err(format!("column {} has no places on a line; .plot bar draws it", x.field.name));
    }
    let mut points: Vec<(f64, f64, usize)> = (0..y.numbers.len())
        .filter_map(|i| Some((x.map_or(Some(i as f64), |x| x.numbers[i])?, y.numbers[i]?, i)))
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else {
        return Err("there is nothing to draw: all values are NULL".into());
    };
    let least = points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let most = points.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let (top, bottom) = (short(most), short(least));
    let margin = top.len().max(bottom.len());
    let room = width - margin - 2;
    let place = |value: f64, from: f64, to: f64, dots: usize| {
        if to > from { ((value - from) / (to - from) * (dots - 1) as f64).round() as usize } else { 0 }
    };
    let mut canvas = Canvas::new(room, HEIGHT);
    let mut before: Option<(usize, usize)> = None;
    for (x, y, _) in &points {
        let at = (place(*x, first.0, last.0, room * 2), place(*y, least, most, HEIGHT * 4));
        canvas.line(before.unwrap_or(at), at);
        before = Some(at);
    }
    let mut out = format!("{}  {}\n", " ".repeat(margin), y.field.name);
    for (i, row) in canvas.rows().enumerate() {
        let label = if i == 0 {
            &top
        } else if i + 1 == HEIGHT {
            &bottom
        } else {
            ""
        };
        out += &format!("{label:>margin$} ┤{}\n", row.trim_end_matches('\u{2800}'));
    }
    let label =
        |point: (f64, f64, usize)| x.map_or_else(|| (point.2 + 1).to_string(), |x| cut(&x.texts[point.2]));
    let (from, to) = (label(first), label(last));
    let gap = room.saturating_sub(from.width() + to.width()).max(1);
    out += &format!("{} └{}\n", " ".repeat(margin), "─".repeat(room));
    out += &format!("{}  {from}{}{to}\n", " ".repeat(margin), " ".repeat(gap));
    Ok(out)
}

/// Characters of Braille, whose dots can be set one by one: two wide and four high.
struct Canvas {
    width: usize,
    height: usize,
    cells: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, cells: vec![0; width * height] }
    }

    /// Sets a dot, counted from the left and from the bottom.
    fn set(&mut self, x: usize, y: usize) {
        // The bit of each dot, from the top to the bottom of the character.
        const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let y = self.height * 4 - 1 - y.min(self.height * 4 - 1);
        let x = x.min(self.width * 2 - 1);
        self.cells[y / 4 * self.width + x / 2] |= DOTS[x % 2][y % 4];
    }

    fn line(&mut self, from: (usize, usize), to: (usize, usize)) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        let between = |a: usize, b: usize, i: usize| {
            (a as f64 + (b as f64 - a as f64) * i as f64 / steps as f64).round() as usize
        };
        for i in 0..=steps {
            self.set(between(from.0, to.0, i), between(from.1, to.1, i));
        }
    }

    fn rows(&self) -> impl Iterator<Item = String> {
        let character = |cell: &u8| char::from_u32(0x2800 + u32::from(*cell)).unwrap_or(' ');
        self.cells.chunks(self.width).map(move |row| row.iter().map(character).collect())
    }
}

#[cfg(test)]
mod tests {
    use fluxdb::Database;

    use super::*;

    fn plot(sql: &str, kind: Option<Kind>, names: &[&str]) -> Result<String, String> {
        let connection = Database::open_in_memory().unwrap().connect();
        let mut rows = connection.query(sql).unwrap();
        let mut batches = vec![];
        while let Some(batch) = rows.next_batch() {
            batches.push(batch.unwrap());
        }
        let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
        draw(rows.columns(), &batches, kind, &names, 60)
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let drawn =
            plot("SELECT * FROM (VALUES ('a', 10), ('bb', 5), ('c', -5)) v(k, n)", None, &[]).unwrap();
        let count = |line: &str| line.chars().filter(|c| *c == '█').count();
        let lines: Vec<_> = drawn.lines().collect();
        assert_eq!(lines.len(), 4, "{drawn}");
        assert!(count(lines[1]) >= 2 * count(lines[2]) - 1 && count(lines[2]) >= 10, "{drawn}");
        assert!(lines[3].starts_with("c  ┤█") && lines[3].ends_with(" -5"), "{drawn}");
        assert!(lines.iter().all(|l| l.width() <= 60), "{drawn}");
    }

    #[test]
    fn a_line_rises_and_histograms_count() {
        let drawn =
            plot("SELECT DATE '2024-01-01' + i::INTEGER AS day, i * i AS n FROM range(30) r(i)", None, &[])
                .unwrap();
        assert!(drawn.contains("841 ┤") && drawn.contains("0 ┤"), "{drawn}");
        assert!(drawn.contains("2024-01-01") && drawn.contains("2024-01-30"), "{drawn}");
        let drawn = plot("SELECT i % 4 AS v FROM range(16) r(i)", None, &[]).unwrap();
        assert_eq!(drawn.lines().filter(|l| l.ends_with(" 4")).count(), 4, "{drawn}");
        let named = plot("SELECT 'x' AS a, 1 AS b, 2 AS c", Some(Kind::Bar), &["a", "c"]).unwrap();
        assert!(named.contains("  c\n") && named.trim_end().ends_with(" 2"), "{named}");
    }

    #[test]
    fn what_cannot_be_drawn_is_told() {
        for (sql, kind, names, says) in [
            ("SELECT 'x' AS a", None, &[][..], "no column of numbers"),
            ("SELECT 1 AS a WHERE false", None, &[], "empty"),
            ("SELECT 1 AS a", None, &["nope"], "no column nope"),
            ("SELECT 'x' AS a, 1 AS b", Some(Kind::Line), &[], "no places on a line"),
            ("SELECT NULL::INTEGER AS a", None, &[], "no values"),
        ] {
            let error = plot(sql, kind, names).unwrap_err();
            assert!(error.contains(says), "{sql}: {error}");
        }
        assert!(plot("SELECT 5 AS a FROM range(3)", Some(Kind::Line), &[]).is_ok());
        assert!(plot("SELECT 1e300 AS a UNION ALL SELECT -1e300", None, &[]).is_ok());
    }
}
