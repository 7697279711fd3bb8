//! Commands about how results look and where they go.

use std::fs::File;
use std::io::BufWriter;

use super::{Next, Words};
use crate::format::Format;
use crate::session::{Output, Session};

pub(super) fn mode(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    match words.all {
        [] => {
            let line = format!("{} (of {})\n", session.display.format.name(), Format::NAMES.join(", "));
            session.print(&line)?;
        }
        [name] | [name, _] => {
            let format = Format::from_name(name).or_else(|| Format::from_alias(name)).ok_or_else(|| {
                format!("unknown format '{name}'; formats are {}", Format::NAMES.join(", "))
            })?;
            match words.all.get(1) {
                Some(table) if format == Format::Insert => session.display.table.clone_from(table),
                Some(_) => return Err(format!("only .mode insert takes a table, not .mode {name}")),
                None => {}
            }
            session.display.format = format;
            format.default_null().clone_into(&mut session.display.null);
        }
        _ => return Err(String::new()),
    }
    Ok(Next::Go)
}

pub(super) fn headers(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    session.display.headers = words.switch()?;
    Ok(Next::Go)
}

pub(super) fn nullvalue(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    words.one()?.clone_into(&mut session.display.null);
    Ok(Next::Go)
}

pub(super) fn width(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let widths = words.all.iter().map(|w| w.parse::<usize>().ok().filter(|w| *w <= 10_000));
    session.display.widths = widths.collect::<Option<_>>().ok_or("widths are numbers of characters")?;
    Ok(Next::Go)
}

pub(super) fn maxrows(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    match words.at_most_one()? {
        None => {
            let line = format!("{}\n", session.display.max_rows);
            session.print(&line)?;
        }
        Some(word) => {
            session.display.max_rows = word.parse().map_err(|_| "this takes a number of rows".to_owned())?;
        }
    }
    Ok(Next::Go)
}

fn create(path: &str) -> Result<Output, String> {
    let file = File::create(path).map_err(|e| format!("cannot write {path}: {e}"))?;
    Ok(Output::File(BufWriter::new(file)))
}

pub(super) fn output(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    session.flush()?;
    session.output = match words.at_most_one()? {
        None | Some("stdout") => Output::Stdout,
        Some(path) => create(path)?,
    };
    session.once = false;
    Ok(Next::Go)
}

pub(super) fn once(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    session.output = create(words.one()?)?;
    session.once = true;
    Ok(Next::Go)
}

pub(super) fn print(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let line = format!("{}\n", words.all.join(" "));
    session.print(&line)?;
    Ok(Next::Go)
}

pub(super) fn show(session: &mut Session, _: &Words<'_>) -> Result<Next, String> {
    let on = |yes: bool| if yes { "on" } else { "off" };
    let display = &session.display;
    let widths: Vec<String> = display.widths.iter().map(usize::to_string).collect();
    let output = match session.output {
        Output::Stdout => "screen",
        Output::File(_) => "file",
    };
    let text: String = [
        ("mode", display.format.name()),
        ("headers", on(display.headers)),
        ("nullvalue", &format!("\"{}\"", display.null)),
        ("width", &widths.join(" ")),
        ("maxrows", &display.max_rows.to_string()),
        ("output", output),
        ("timer", on(session.timer)),
        ("changes", on(session.changes)),
        ("echo", on(session.echo)),
        ("bail", on(session.bail)),
    ]
    .iter()
    .map(|(name, value)| format!("{name:>10}: {value}\n"))
    .collect();
    session.print(&text)?;
    Ok(Next::Go)
}
