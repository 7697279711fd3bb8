//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::format::Format;

/// What the user wants.
pub enum Command {
    /// Statements on a database.
    Run(Invocation),
    /// A subcommand and its own words.
    Subcommand(Subcommand, Vec<String>),
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

/// The words that, first on the line, are not a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subcommand {
    /// Makes and shows a sample database.
    Demo,
    /// Verifies a file.
    Check,
    /// Reads line protocol.
    Import,
    /// Writes a point.
    Write,
    /// Lists series.
    Series,
    /// Measures this machine.
    Bench,
}

impl Subcommand {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "demo" => Some(Self::Demo),
            "check" => Some(Self::Check),
            "import" => Some(Self::Import),
            "write" => Some(Self::Write),
            "series" => Some(Self::Series),
            "bench" => Some(Self::Bench),
            _ => None,
        }
    }
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
            Long("batch") => run.batch = true,
            Long("timer") => run.timer = true,
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Value(word) => {
                positionals += 1;
                if positionals == 1 {
                    if let Some(sub) = word.to_str().and_then(Subcommand::from_word) {
                        let mut rest = vec![];
                        for word in parser.raw_args().map_err(|e| e.to_string())? {
                            rest.push(
                                word.into_string().map_err(|w| format!("{} is not UTF-8", w.display()))?,
                            );
                        }
                        let asks_for_help = matches!(rest.first().map(String::as_str), Some("--help" | "-h"));
                        return Ok(if asks_for_help {
                            Command::Help
                        } else {
                            Command::Subcommand(sub, rest)
                        });
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

/// The text of `--help`.
pub const HELP: &str = "\
FluxDB: an embedded analytical and time-series database

Usage: fluxdb [OPTIONS] [DATABASE] [SQL]...
       fluxdb demo [DATABASE]       make a sample database and look at it
       fluxdb check DATABASE        verify every checksum and reference of a file
       fluxdb import DATABASE FILE... [--precision ns|us|ms|s]
                                    read InfluxDB line protocol (- is standard input)
       fluxdb write DATABASE MEASUREMENT [--tag K=V]... --field K=V... [--time T]
                                    write a point; values as in line protocol
       fluxdb series DATABASE [MEASUREMENT]
                                    list the series of measurements
       fluxdb bench [--rows N] [--commits N] [DIRECTORY]
                                    measure this machine with a file that goes again

Without SQL, -c or -f, statements are read from standard input; on a terminal
that is an interactive shell (.help lists its commands). Statements end with ;

Arguments:
  DATABASE              a file, made if it is not there; none or :memory: is in memory
                        (a file that is called like a subcommand is ./demo)
  SQL                   statements to run

Options:
  -c, --command SQL     run these statements (may be repeated)
  -f, --file FILE       run the statements in a file
      --readonly        open the database for reading only
      --recover         write again to a database with a damaged log; what cannot be read is given up
      --format FORMAT   table, box, csv, tsv, json, ndjson, markdown, vertical,
                        parquet, arrow or null; table on a terminal, else csv
      --batch           no prompt, no colour, go on after an error
      --timer           after each statement, its time on standard error
  -h, --help            this
  -V, --version         the version

Examples:
  fluxdb -c \"SELECT * FROM 'data.csv' LIMIT 10\"
  fluxdb taxi.flux \"CREATE TABLE taxi AS SELECT * FROM 'nyc_taxi.csv'\"
  fluxdb taxi.flux \"SELECT avg(value), max(value) FROM taxi EVERY 1d\"
  fluxdb --format parquet -c \"SELECT * FROM 'in.csv'\" > out.parquet

Exit status: 0 if every statement succeeded, 1 if one failed, 2 for bad usage.
";

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
        assert!(matches!(run(&["demo", "--help"]), Ok(Command::Help)));
        assert!(
            matches!(run(&["demo", "x.flux"]), Ok(Command::Subcommand(Subcommand::Demo, rest)) if rest == ["x.flux"])
        );
        let Ok(Command::Run(r)) = run(&["./demo"]) else { panic!() };
        assert_eq!(r.database, Some(PathBuf::from("./demo")));
    }

    #[test]
    fn bad_usage_is_told() {
        assert!(run(&["--no-such-option"]).is_err());
        assert!(run(&["--format", "xml"]).is_err_and(|e| e.contains("xml")));
        assert!(run(&["-c"]).is_err());
    }
}
