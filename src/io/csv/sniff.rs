//! What a CSV file is like, found out from its head: the dialect, lines to skip, the header, the names and
//! types of the columns.
//!
//! Every plausible dialect is tried on the sample. It is the better the more it makes of the file: records
//! of one width from the first line on; the same after some lines of preamble; records most of which have
//! one width, so that the odd ones are reported and not hidden; and last a single column. Among equals,
//! quoting that makes sense, columns with a type, and more columns decide.

use memchr::{memchr, memchr_iter, memmem};
use unicode_normalization::UnicodeNormalization;

use crate::column::types::LogicalType;
use crate::column::words::is_no_column_name;
use crate::exec::error::Result;
use crate::io::csv::dialect::{Delimiter, Dialect, Newline};
use crate::io::csv::infer::{Guess, Guesser};
use crate::io::csv::options::CsvOptions;
use crate::io::csv::record_end::last_record_end;
use crate::io::csv::scan::{PADDING, RecordError, Records, Scanner, Shape, Span, unescape};
use crate::io::names::unique;
use crate::io::parse::NumberStyle;

/// Delimiters that are tried, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b'|', b';', b'\t'];
/// Quotes and escapes that are tried, the likeliest first.
const QUOTES: [(u8, u8); 4] = [(b'"', b'"'), (b'"', b'\\'), (b'\'', b'\''), (b'\'', b'\\')];
/// The most lines of preamble.
const MAX_PREAMBLE: usize = 100;
/// Records by which typed columns are counted when dialects are compared.
const PROBE_ROWS: usize = 100;

/// The head of a file: decoded, without byte order mark, with padding behind.
pub(crate) struct Sample {
    bytes: Vec<u8>,
    len: usize,
    /// Whether this is the whole file.
    complete: bool,
}

impl Sample {
    /// A sample of these bytes.
    pub fn new(mut bytes: Vec<u8>, complete: bool) -> Self {
        let len = bytes.len();
        bytes.resize(len + PADDING, 0);
        Self { bytes, len, complete }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What was found out.
#[derive(Debug, Clone)]
pub(crate) struct Sniffed {
    pub dialect: Dialect,
    /// Lines before the header, or before the first record.
    pub skip: usize,
    pub header: bool,
    /// Whether the header, if there is one, is UTF-8.
    pub is_header_text: bool,
    /// The names of the columns in the file, made up where there is no header.
    pub names: Vec<String>,
    /// The types of those columns, from the sample.
    pub guesses: Vec<Guess>,
    /// The average length of a record in bytes.
    pub record_bytes: f64,
}

/// Which fields are NULL.
#[derive(Debug, Clone)]
pub(crate) struct Nulls {
    strings: Vec<Vec<u8>>,
    quoted: bool,
    only_empty: bool,
}

impl Nulls {
    /// As the options say.
    pub fn new(options: &CsvOptions) -> Self {
        Self {
            only_empty: options.null_strings.len() == 1 && options.null_strings[0].is_empty(),
            strings: options.null_strings.clone(),
            quoted: options.quoted_nulls,
        }
    }

    /// Whether a field is NULL.
    #[inline]
    pub fn matches(&self, span: Span, text: &[u8]) -> bool {
        if self.only_empty {
            return span.len() == 0 && (self.quoted || !span.is_quoted());
        }
        let field = &text[span.start()..span.end()];
        span.is_missing() || (self.quoted || !span.is_quoted()) && self.strings.iter().any(|s| s == field)
    }
}

/// How one dialect fits the sample.
struct Fit {
    dialect: Dialect,
    /// 4: one width; 3: one width after a preamble; 2: most of one width; 1: one column; 0: nothing.
    class: u8,
    quoted: bool,
    typed: usize,
    width: usize,
    /// Bytes of the sample before the first record that counts.
    preamble_bytes: usize,
}

/// Finds the dialect, then header, names and types. `columns` is the number of columns if it is known.
pub(crate) fn sniff(sample: &Sample, options: &CsvOptions) -> Result<Sniffed> {
    let newline = options.newline.unwrap_or_else(|| {
        let has_lf = memchr(b'\n', sample.text()).is_some();
        if !has_lf && memchr(b'\r', sample.text()).is_some() { Newline::Cr } else { Newline::Lf }
    });
    let skip = options.skip.unwrap_or(0);
    let skipped = skip_lines(sample.text(), newline, skip);
    let body = Sample {
        bytes: sample.bytes[skipped..].to_vec(),
        len: sample.len - skipped,
        complete: sample.complete,
    };
    let fit = best(&body, options, newline);
    let preamble = memchr_iter(newline.byte(), &body.text()[..fit.preamble_bytes]).count();
    let mut sniffed = Sniffed {
        dialect: fit.dialect,
        skip: skip + preamble,
        header: false,
        is_header_text: true,
        names: vec![],
        guesses: vec![],
        record_bytes: 1.0,
    };
    columns(&mut sniffed, &body, fit.preamble_bytes, fit.width, options);
    Ok(sniffed)
}

/// How many bytes the first `lines` lines have.
pub(crate) fn skip_lines(text: &[u8], newline: Newline, lines: usize) -> usize {
    if lines == 0 {
        return 0;
    }
    memchr_iter(newline.byte(), text).nth(lines - 1).map_or(text.len(), |at| at + 1)
}

/// The best of all dialects that the options leave open.
fn best(sample: &Sample, options: &CsvOptions, newline: Newline) -> Fit {
    let text = sample.text();
    let has_comment = text.first() == Some(&b'#') || memmem::find(text, b"\n#").is_some();
    let comments: &[Option<u8>] = match options.comment {
        Some(given) => &[given],
        None if has_comment && options.auto_detect => &[None, Some(b'#')],
        None => &[None],
    };
    let delimiters = match options.delimiter {
        Some(given) => vec![given],
        None if options.auto_detect => DELIMITERS.map(Delimiter::byte).to_vec(),
        None => vec![Delimiter::byte(b',')],
    };
    let mut best: Option<Fit> = None;
    for &comment in comments {
        for &delimiter in &delimiters {
            for (quote, escape) in quotes(text, options) {
                if [quote, escape].into_iter().flatten().any(|byte| delimiter.contains(byte)) {
                    continue;
                }
                let strict = options.strict;
                let dialect = Dialect { delimiter, quote, escape, comment, newline, strict };
                let Some(fit) = measure(sample, dialect, options) else { continue };
                // The first of equals stays.
                let rank = |f: &Fit| (f.class, f.quoted, f.typed, f.width);
                if best.as_ref().is_none_or(|b| rank(&fit) > rank(b)) {
                    best = Some(fit);
                }
            }
        }
    }
    let mut best = best.unwrap_or_else(|| {
        let delimiter = options.delimiter.unwrap_or(Delimiter::byte(b','));
        let quote = options.quote.unwrap_or(Some(b'"'));
        let escape = options.escape.unwrap_or(quote);
        let comment = options.comment.flatten();
        let dialect = Dialect { delimiter, quote, escape, comment, newline, strict: options.strict };
        let width = options.columns.as_ref().map_or(1, Vec::len);
        Fit { dialect, class: 0, quoted: false, typed: 0, width, preamble_bytes: 0 }
    });
    if options.quote.is_none() && options.auto_detect && !best.quoted {
        // No quotes were seen. In the formats of spreadsheets they may still come; dumps of databases have
        // tabs and bars, and quotes in them mean nothing.
        let likely = matches!(best.dialect.delimiter.single(), Some(b',' | b';'))
            && !has_bad_quotes(sample, &best.dialect, options);
        best.dialect.quote = likely.then_some(b'"');
        best.dialect.escape = likely.then(|| options.escape.flatten().unwrap_or(b'"'));
    }
    best
}

/// Whether `"` as the quote would break records.
fn has_bad_quotes(sample: &Sample, dialect: &Dialect, options: &CsvOptions) -> bool {
    if memchr(b'"', sample.text()).is_none() {
        return false;
    }
    let dialect = Dialect { quote: Some(b'"'), escape: Some(b'"'), strict: true, ..*dialect };
    measure(sample, dialect, options).is_none()
}

/// The quotes and escapes to try.
fn quotes(text: &[u8], options: &CsvOptions) -> Vec<(Option<u8>, Option<u8>)> {
    match (options.quote, options.escape) {
        (Some(quote), Some(escape)) => return vec![(quote, escape)],
        (Some(None), None) => return vec![(None, None)],
        (Some(Some(quote)), None) => {
            let mut all = vec![(Some(quote), Some(quote))];
            if options.auto_detect && memmem::find(text, &[b'\\', quote]).is_some() {
                all.push((Some(quote), Some(b'\\')));
            }
            return all;
        }
        _ => {}
    }
    if !options.auto_detect {
        let escape = options.escape.unwrap_or(Some(b'"'));
        return vec![(Some(b'"'), escape)];
    }
    let mut all = vec![];
    for (quote, escape) in QUOTES {
        let escape = options.escape.unwrap_or(Some(escape));
        let seen = memchr(quote, text).is_some()
            && (escape == Some(quote) || escape.is_none_or(|e| memmem::find(text, &[e, quote]).is_some()));
        if seen && !all.contains(&(Some(quote), escape)) {
            all.push((Some(quote), escape));
        }
    }
    all.push((None, None));
    all
}

/// The records of a text of any width, errors counted.
fn records(sample: &Sample, dialect: Dialect, from: usize, max: usize) -> (Records, usize, bool) {
    let shape = Shape { fields: None, null_padding: false, max_record: usize::MAX };
    let len = if sample.complete {
        sample.len
    } else {
        last_record_end(&dialect, &sample.text()[from..]).map_or(sample.len, |n| from + n)
    };
    let mut scanner = Scanner::new(dialect, shape);
    let mut out = Records::default();
    let mut bad = 0;
    let mut unterminated = false;
    let text = &sample.bytes[from..];
    while scanner.position() < len - from && out.len() < max {
        if let Err((_, error)) = scanner.records(text, len - from, max - out.len(), &mut out) {
            bad += 1;
            unterminated |= error == RecordError::Unterminated;
        }
    }
    if !sample.complete && len < sample.len / 2 && dialect.quote.is_some() {
        // A quote that swallows half of the sample is none.
        unterminated = true;
    }
    (out, bad, unterminated)
}

/// How well a dialect fits; `None` if its quotes make no sense.
fn measure(sample: &Sample, dialect: Dialect, options: &CsvOptions) -> Option<Fit> {
    let (records, bad, unterminated) = records(sample, dialect, 0, usize::MAX);
    let given = options.quote.is_some() || !options.auto_detect;
    let quoted = records.spans.iter().filter(|s| s.is_quoted()).count();
    if !given && dialect.quote.is_some() && (bad > 0 || unterminated || quoted == 0) {
        let tolerant = options.ignore_errors && quoted > 0 && bad * 10 < records.len() && !unterminated;
        let probe_only = quoted == 0 && bad == 0 && !unterminated;
        if !tolerant && !probe_only {
            return None;
        }
    }
    // The widths that a record can have: surplus fields without value do not count.
    let mut ranges = Vec::with_capacity(records.len());
    let mut at = 0;
    for width in &records.widths {
        let width = *width as usize;
        let fields = &records.spans[at..at + width];
        let empty = fields.iter().rev().take_while(|s| s.len() == 0 && !s.is_quoted()).count();
        ranges.push(((width - empty).max(1), width));
        at += width;
    }
    let fits = |width: usize, (least, most): (usize, usize)| {
        (least <= width && width <= most)
            || (options.null_padding && most < width)
            || (!options.strict && most > width)
    };
    let mut counts = std::collections::HashMap::new();
    for (_, width) in &ranges {
        *counts.entry(*width).or_insert(0_usize) += 1;
    }
    let common = counts.iter().max_by_key(|(width, n)| (**n, **width)).map_or(1, |(width, _)| *width);
    let widest = counts.keys().max().copied().unwrap_or(1);
    let expected = options.columns.as_ref().map(Vec::len);
    let mut candidates = match expected {
        Some(n) => vec![n],
        None if options.null_padding => vec![widest],
        None => vec![common, ranges.first().map_or(1, |r| r.1)],
    };
    candidates.dedup();
    let mut best: Option<Fit> = None;
    for width in candidates {
        let preamble = ranges.iter().take_while(|r| !fits(width, **r)).count();
        let body = &ranges[preamble..];
        let matching = body.iter().filter(|r| fits(width, **r)).count();
        let uniform = matching == body.len();
        let class = if width == 1 && expected != Some(1) {
            u8::from(uniform || options.delimiter.is_some())
        } else if uniform && preamble == 0 {
            4
        } else if uniform
            && body.len() >= 2
            && preamble <= MAX_PREAMBLE
            && options.skip.is_none()
            // A line of more fields is rather the header of records that are cut short.
            && ranges[..preamble].iter().all(|(least, _)| *least < width)
        {
            3
        } else if preamble == 0
            && (matching * 10 >= ranges.len() * 6 || options.ignore_errors && matching * 2 > ranges.len())
        {
            2
        } else {
            0
        };
        let preamble = if class == 3 || width == 1 { preamble } else { 0 };
        let preamble_bytes = match records.starts.get(preamble) {
            Some(start) => *start as usize,
            None if ranges.is_empty() && sample.complete => sample.len,
            None => 0,
        };
        let fit = Fit { dialect, class, quoted: quoted > 0, typed: 0, width, preamble_bytes };
        if best.as_ref().is_none_or(|b| (fit.class, fit.width) > (b.class, b.width)) {
            best = Some(fit);
        }
    }
    let mut fit = best?;
    if fit.class > 1 {
        fit.typed = typed_columns(sample, &fit, options);
    }
    Some(fit)
}

/// How many columns of the sample have a type other than text. A decimal comma counts as a point.
fn typed_columns(sample: &Sample, fit: &Fit, options: &CsvOptions) -> usize {
    let (records, ..) = records(sample, fit.dialect, fit.preamble_bytes, PROBE_ROWS);
    let text = &sample.text()[fit.preamble_bytes..];
    let nulls = Nulls::new(options);
    let new = |style| {
        Guesser::new(fit.width, None, options.date_format.as_ref(), options.timestamp_format.as_ref(), style)
    };
    let mut guessers = [new(options.number_style), new(NumberStyle::COMMA)];
    let mut at = 0;
    for (row, width) in records.widths.iter().enumerate() {
        let width = *width as usize;
        for (column, span) in records.spans[at..at + width].iter().take(fit.width).enumerate() {
            if (row > 0 || records.len() == 1) && !nulls.matches(*span, text) {
                guessers.iter_mut().for_each(|g| g.value(column, &text[span.start()..span.end()]));
            }
        }
        at += width;
    }
    (0..fit.width).filter(|c| guessers.iter().any(|g| g.guess(*c).ty != LogicalType::Varchar)).count()
}

/// Finds the header, names and types, for records of `width` fields from byte `from`.
fn columns(sniffed: &mut Sniffed, sample: &Sample, from: usize, width: usize, options: &CsvOptions) {
    let dialect = sniffed.dialect;
    let nulls = Nulls::new(options);
    let rows = options.sample_rows.unwrap_or(super::options::SAMPLE_ROWS);
    let (records, ..) = records(sample, dialect, from, rows.saturating_add(1));
    let text = &sample.text()[from..];
    let mut guesser = Guesser::new(
        width,
        options.candidates.as_deref(),
        options.date_format.as_ref(),
        options.timestamp_format.as_ref(),
        options.number_style,
    );
    let value = |span: Span| -> Vec<u8> {
        let raw = &text[span.start()..span.end()];
        let mut value = vec![];
        if span.is_escaped() {
            unescape(&dialect, raw, &mut value);
        } else {
            value.extend_from_slice(raw);
        }
        value
    };
    let first: Vec<Option<Vec<u8>>> = {
        let width = records.widths.first().map_or(0, |w| *w as usize).min(width);
        records.spans[..width].iter().map(|s| (!nulls.matches(*s, text)).then(|| value(*s))).collect()
    };
    let mut at = records.widths.first().map_or(0, |w| *w as usize);
    for found in records.widths.iter().skip(1) {
        let found = *found as usize;
        // Records that are skipped when they are read say nothing of types.
        let skipped = options.ignore_errors && found < width && !options.null_padding;
        let fields = if skipped { &[][..] } else { &records.spans[at..at + found] };
        for (column, span) in fields.iter().take(width).enumerate() {
            if !nulls.matches(*span, text) {
                if span.is_escaped() {
                    guesser.value(column, &value(*span));
                } else {
                    guesser.value(column, &text[span.start()..span.end()]);
                }
            }
        }
        at += found;
    }
    if let (Some(first), Some(end)) = (records.starts.first(), records.starts.last()) {
        let n = records.len();
        sniffed.record_bytes = if n > 1 {
            f64::from(end - first) / (n - 1) as f64
        } else {
            (text.len() - *first as usize).max(1) as f64
        };
    }
    sniffed.header = options.header.unwrap_or_else(|| {
        options.auto_detect && has_header(&first, &guesser, width, records.len() == 1, options)
    });
    if !sniffed.header {
        for (column, field) in first.iter().enumerate() {
            if let Some(field) = field {
                guesser.value(column, field);
            }
        }
    }
    sniffed.guesses = (0..width).map(|c| guesser.guess(c)).collect();
    let cells: Vec<Option<String>> = if sniffed.header {
        sniffed.is_header_text = first.iter().flatten().all(|c| std::str::from_utf8(c).is_ok());
        let text = |cell: &Option<Vec<u8>>| {
            cell.as_ref().map(|c| String::from_utf8_lossy(c).trim().to_string()).filter(|c| !c.is_empty())
        };
        first.iter().map(text).collect()
    } else {
        vec![]
    };
    sniffed.names = names(&cells, width, options);
}

/// Whether the first record names the columns: it does not have their types, or there are no types.
fn has_header(
    first: &[Option<Vec<u8>>],
    guesser: &Guesser,
    width: usize,
    alone: bool,
    options: &CsvOptions,
) -> bool {
    if first.is_empty() {
        return false;
    }
    if let Some(fields) = &options.columns {
        let named = fields.iter().zip(first).all(|(field, cell)| {
            cell.as_ref().is_some_and(|c| String::from_utf8_lossy(c).trim().eq_ignore_ascii_case(&field.name))
        });
        let typed = fields.iter().enumerate().any(|(i, field)| {
            field.ty != LogicalType::Varchar
                && guesser.guess(i).ty != LogicalType::Varchar
                && first.get(i).and_then(Option::as_ref).is_some_and(|c| !guesser.fits(i, c))
        });
        return named || typed;
    }
    if first.iter().all(Option::is_none) {
        return true;
    }
    if alone {
        // A header without records, or a record without header: as the values look.
        let mut own = Guesser::new(width, None, None, None, options.number_style);
        first.iter().enumerate().for_each(|(i, c)| c.iter().for_each(|c| own.value(i, c)));
        return (0..width).all(|i| own.guess(i).ty == LogicalType::Varchar);
    }
    if (0..width).all(|i| guesser.guess(i).ty == LogicalType::Varchar) {
        return true;
    }
    first.iter().enumerate().any(|(i, cell)| cell.as_ref().is_some_and(|c| !guesser.fits(i, c)))
}

/// Names for all columns, made up where there are none, and unique without regard to case.
pub(crate) fn names(cells: &[Option<String>], width: usize, options: &CsvOptions) -> Vec<String> {
    let digits = width.saturating_sub(1).max(1).ilog10() as usize + 1;
    let mut names: Vec<String> = (0..width)
        .map(|i| {
            if let Some(given) = options.names.get(i) {
                return given.clone();
            }
            match cells.get(i).cloned().flatten() {
                Some(name) if options.normalize_names => normalize(&name),
                Some(name) => name,
                None => format!("column{i:0digits$}"),
            }
        })
        .collect();
    unique(&mut names);
    names
}

/// A name that needs no quotes in SQL: lower case ASCII without accents, an underscore for blanks, no other signs.
fn normalize(name: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || c.is_ascii_whitespace();
    let plain: String = name.nfkd().filter(is_plain).collect();
    let words: Vec<&str> = plain.split_ascii_whitespace().collect();
    let out = words.join("_").to_ascii_lowercase();
    let needs_prefix =
        out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) || is_no_column_name(&out);
    if needs_prefix { format!("_{out}") } else { out }
}
