//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::format::Format;
use crate::subcommands::{SUBCOMMANDS, Subcommand};

/// What the user wants.
pub enum Command {
    /// Statements on a database.
    Run(Invocation),
    /// A subcommand and its own words.
    Subcommand(&'static Subcommand, Vec<String>),
    /// `--help` of a subcommand.
    HelpOf(&'static Subcommand),
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

/// One run of the shell.
#[derive(Default)]
pub struct Invocation {
    /// The database file; in memory if absent.
    pub database: Option<PathBuf>,
    /// Where statements come from, in order; standard input if empty.
    pub inputs: Vec<Input>,
    /// How results are written; decided by the kind of standard output if absent.
    pub format: Option<Format>,
    /// Open for reading only.
    pub readonly: bool,
    /// Give up what a damaged log does not say any more.
    pub recover: bool,
    /// Copy what is read instead of mapping the file.
    pub no_mmap: bool,
    /// No prompt, no colour, go on after an error.
    pub batch: bool,
    /// Time each statement.
    pub timer: bool,
}

/// A source of statements.
pub enum Input {
    /// Statements given on the command line.
    Sql(String),
    /// A file of statements.
    File(PathBuf),
}

/// Reads the command line. An error is bad usage: a message for the user.
pub fn parse() -> Result<Command, String> {
    parse_from(lexopt::Parser::from_env())
}

fn parse_from(mut parser: lexopt::Parser) -> Result<Command, String> {
    let mut run = Invocation::default();
    let mut positionals = 0;
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            Short('c') | Long("command") => run.inputs.push(Input::Sql(text(&mut parser, "-c")?)),
            Short('f') | Long("file") => {
                run.inputs.push(Input::File(PathBuf::from(parser.value().map_err(|e| e.to_string())?)));
            }
            Long("format") => {
                let name = text(&mut parser, "--format")?;
                run.format = Some(Format::from_name(&name).ok_or_else(|| {
                    format!("unknown format '{name}'; formats are {}", Format::NAMES.join(", "))
                })?);
            }
            Long("readonly") => run.readonly = true,
            Long("recover") => run.recover = true,
            Long("no-mmap") => run.no_mmap = true,
            Long("batch") => run.batch = true,
            Long("timer") => run.timer = true,
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Value(word) => {
                positionals += 1;
                if positionals == 1 {
                    if let Some(sub) = word.to_str().and_then(Subcommand::named) {
                        let mut rest = vec![];
                        for word in parser.raw_args().map_err(|e| e.to_string())? {
                            rest.push(
                                word.into_string().map_err(|w| format!("{} is not UTF-8", w.display()))?,
                            );
                        }
                        if rest.iter().any(|word| word == "--help" || word == "-h") {
                            return Ok(Command::HelpOf(sub));
                        }
                        if let Some(option) = sub.unknown_option(&rest) {
                            return Err(format!("fluxdb {} takes no option '{option}'", sub.name));
                        }
                        return Ok(Command::Subcommand(sub, rest));
                    }
                    if word != ":memory:" {
                        run.database = Some(PathBuf::from(word));
                    }
                } else {
                    let sql = word.into_string().map_err(|_| "the SQL argument is not UTF-8".to_owned())?;
                    run.inputs.push(Input::Sql(sql));
                }
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(Command::Run(run))
}

/// The value of an option, which must be UTF-8.
fn text(parser: &mut lexopt::Parser, option: &str) -> Result<String, String> {
    let value = parser.value().map_err(|e| e.to_string())?;
    value.into_string().map_err(|_| format!("the value of {option} is not UTF-8"))
}

/// What it is, in a line.
pub const ABOUT: &str = "an embedded analytical and time-series database";
/// How it is called to run statements.
pub const SYNOPSIS: &str = "fluxdb [OPTIONS] [DATABASE] [SQL]...";

/// An option and its help.
pub struct Opt {
    pub short: Option<char>,
    pub long: &'static str,
    /// What its value is called, if it takes one.
    pub value: &'static str,
    pub help: &'static str,
}

const fn option(short: Option<char>, long: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt { short, long, value, help }
}

/// All options, in the order of `--help`.
pub const OPTIONS: &[Opt] = &[
    option(Some('c'), "command", "SQL", "run these statements (may be repeated)"),
    option(Some('f'), "file", "FILE", "run the statements in a file"),
    option(None, "readonly", "", "open the database for reading only"),
    option(
        None,
        "recover",
        "",
        "write again to a database with a damaged log; what cannot be read is given up",
    ),
    option(
        None,
        "no-mmap",
        "",
        "copy what is read: a failing medium is an error, not the end of the process",
    ),
    option(None, "format", "FORMAT", "how results look; table on a terminal, else csv"),
    option(None, "batch", "", "no prompt, no colour, go on after an error"),
    option(None, "timer", "", "after each statement, its time on standard error"),
    option(Some('h'), "help", "", "this; after a subcommand, what that does"),
    option(Some('V'), "version", "", "the version, that of the file format, and what is built in"),
];

/// Examples, a line each.
pub const EXAMPLES: &str = "  fluxdb -c \"SELECT * FROM 'data.csv' LIMIT 10\"
  fluxdb taxi.flux \"CREATE TABLE taxi AS SELECT * FROM 'nyc_taxi.csv'\"
  fluxdb taxi.flux \"SELECT avg(value), max(value) FROM taxi EVERY 1d\"
  fluxdb --format parquet -c \"SELECT * FROM 'in.csv'\" > out.parquet
  cat data.csv | fluxdb -c \"SELECT count(*) FROM read_csv('-')\"";

/// The text of `--help`.
pub fn help() -> String {
    let mut out = format!("FluxDB: {ABOUT}\n\nUsage: {SYNOPSIS}\n       fluxdb SUBCOMMAND ...\n\n");
    out += "Without SQL, -c or -f, statements are read from standard input; on a terminal\n\
            that is an interactive shell (.help lists its commands). Statements end with ;\n\n\
            Arguments:\n\
            \x20 DATABASE              a file, made if it is not there; none or :memory: is in memory\n\
            \x20                       (a file that is called like a subcommand is ./demo)\n\
            \x20 SQL                   statements to run\n\nOptions:\n";
    for o in OPTIONS {
        let short = o.short.map_or_else(|| "    ".to_owned(), |c| format!("-{c}, "));
        let name = format!("{short}--{} {}", o.long, o.value);
        out += &format!("  {:<22}{}\n", name.trim_end(), o.help);
        if o.long == "format" {
            out += &format!("  {:<22}({})\n", "", Format::NAMES.join(", "));
        }
    }
    out += "\nSubcommands:\n";
    for subcommand in SUBCOMMANDS {
        out += &format!("  {:<22}{}\n", subcommand.name, subcommand.help);
    }
    out += "\x20 fluxdb SUBCOMMAND --help says how each is used.\n";
    out += &format!("\nExamples:\n{EXAMPLES}\n\n");
    out += "Exit status: 0 if every statement succeeded, 1 if one failed, 2 for bad usage.\n";
    out
}

/// The text of `--version`.
pub fn version() -> String {
    let features = [
        ("arrow", cfg!(feature = "arrow")),
        ("csv", cfg!(feature = "csv")),
        ("json", cfg!(feature = "json")),
        ("metrics", cfg!(feature = "metrics")),
        ("parquet", cfg!(feature = "parquet")),
        ("serde", cfg!(feature = "serde")),
    ];
    let features: Vec<_> = features.iter().filter(|f| f.1).map(|f| f.0).collect();
    format!(
        "fluxdb {} (file format {}; {}; {}-{})",
        env!("CARGO_PKG_VERSION"),
        fluxdb::FORMAT_VERSION,
        features.join(", "),
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Result<Command, String> {
        parse_from(lexopt::Parser::from_args(words))
    }

    #[test]
    fn words_are_database_then_sql() {
        let Ok(Command::Run(r)) = run(&["--readonly", "a.flux", "SELECT 1", "-c", "SELECT 2"]) else {
            panic!()
        };
        assert_eq!(r.database, Some(PathBuf::from("a.flux")));
        assert!(r.readonly);
        assert_eq!(r.inputs.len(), 2);
    }

    #[test]
    fn a_subcommand_only_as_first_word() {
        assert!(matches!(run(&["demo", "--help"]), Ok(Command::HelpOf(sub)) if sub.name == "demo"));
        assert!(
            matches!(run(&["demo", "x.flux"]), Ok(Command::Subcommand(sub, rest)) if sub.name == "demo" && rest == ["x.flux"])
        );
        let Ok(Command::Run(r)) = run(&["./demo"]) else { panic!() };
        assert_eq!(r.database, Some(PathBuf::from("./demo")));
    }

    #[test]
    fn bad_usage_is_told() {
        assert!(run(&["--no-such-option"]).is_err());
        assert!(run(&["--format", "xml"]).is_err_and(|e| e.contains("xml")));
        assert!(run(&["-c"]).is_err());
        // A mistyped option is no name of a file.
        assert!(run(&["demo", "--rows"]).is_err_and(|e| e.contains("'--rows'")));
        assert!(run(&["backup", "a.flux", "-o"]).is_err());
        assert!(matches!(run(&["export", "a.flux", "t", "-"]), Ok(Command::Subcommand(..))));
    }
}
