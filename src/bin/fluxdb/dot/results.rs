//! Commands about how results look and where they go.

use std::fs::File;
use std::io::BufWriter;

use super::{Next, Words, after};
use crate::format::Format;
use crate::plot::{self, Kind};
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

pub(super) fn explain(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    // As in other shells, `auto` is what one gets without asking.
    session.display.plans = words.at_most_one()?.is_none_or(|word| word == "auto") || words.switch()?;
    Ok(Next::Go)
}

pub(super) fn pager(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    session.pager = match words.rest {
        "" => {
            let line = match &session.pager {
                None => "off\n".to_owned(),
                Some(set) => crate::pager::command(set.as_deref()) + "\n",
            };
            session.print(&line)?;
            return Ok(Next::Go);
        }
        "off" => None,
        "on" => Some(None),
        _ => Some(Some(words.rest.to_owned())),
    };
    Ok(Next::Go)
}

pub(super) fn plot(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let kind = words.all.first().and_then(|word| Kind::named(word));
    let names = &words.all[usize::from(kind.is_some())..];
    let Some(last) = &session.last_result else {
        return Err("there is no result to draw yet; .plot draws the last one".into());
    };
    let width = terminal_size::terminal_size().map_or(80, |(w, _)| usize::from(w.0));
    let mut text = plot::draw(&last.fields, &last.batches, kind, names, width)?;
    if last.cut {
        text += "only the first rows of the result are drawn\n";
    }
    session.print(&text)?;
    Ok(Next::Go)
}

pub(super) fn edit(session: &mut Session, words: &Words<'_>) -> Result<Next, String> {
    let of = |name| std::env::var(name).ok().filter(|v: &String| !v.trim().is_empty());
    let editor = of("VISUAL").or_else(|| of("EDITOR")).unwrap_or_else(|| "vi".into());
    let mut made = None;
    let path = match words.at_most_one()? {
        Some(path) => std::path::PathBuf::from(path),
        None => {
            let file = tempfile::Builder::new().prefix("fluxdb-").suffix(".sql").tempfile();
            let file = file.map_err(|e| format!("cannot make a file to edit: {e}"))?;
            let text = session.last_sql.clone().unwrap_or_default() + "\n";
            std::fs::write(file.path(), text).map_err(|e| format!("cannot write a file to edit: {e}"))?;
            made.insert(file).path().to_owned()
        }
    };
    let before = std::fs::read(&path).ok();
    let status = std::process::Command::new("sh")
        .args(["-c", "exec $0 \"$1\"", &editor])
        .arg(&path)
        .status()
        .map_err(|e| format!("cannot run {editor}: {e}"))?;
    if !status.success() {
        return Err(format!("{editor} ended with {status}"));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    if made.is_some() && before.as_deref() == Some(text.as_bytes()) {
        return Err("nothing was changed, so nothing runs".into());
    }
    session.print(&format!("{}\n", text.trim()))?;
    session.edited = Some(text.trim().to_owned());
    Ok(after(session.run_text(&text, false)))
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
        ("explain", on(display.plans)),
        ("pager", on(session.pager.is_some())),
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
