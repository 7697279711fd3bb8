//! What `fluxdb` does besides running statements: the words that, first on the line, are no database.

use std::io::Write;

use crate::say::Done;
use crate::{backup, bench, check, completions, demo, export, measurements, salvage, tour};

/// A subcommand and its help.
pub struct Subcommand {
    pub name: &'static str,
    /// What follows it on the line.
    pub words: &'static str,
    /// What it does, a line.
    pub help: &'static str,
    /// What else is to be said, in lines.
    pub more: &'static str,
    /// What it does with its words; what it says goes to the writer.
    pub run: fn(&[String], &mut dyn Write) -> Done,
}

/// All of them, in the order of `--help`.
pub const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "demo",
        words: "[DATABASE]",
        help: "make a sample database and look at it",
        more: "The database is ./demo.flux unless named. A table cpu in it is replaced.",
        run: demo::run,
    },
    Subcommand {
        name: "tour",
        words: "",
        help: "see how a value is stored, step by step",
        more: "Makes a small database in a temporary directory and follows one value of it from the superblock\n\
               to its bits, with statements that you can run on files of your own.",
        run: tour::run,
    },
    Subcommand {
        name: "check",
        words: "DATABASE",
        help: "verify every checksum and reference of a file",
        more: "Reads everything and changes nothing. Exit status 1 if something is wrong.",
        run: check::run,
    },
    Subcommand {
        name: "backup",
        words: "DATABASE FILE",
        help: "copy a database, which may be in use, to a new file",
        more: "The copy is as of one moment, also while another process writes, and checked as a whole before it has\n\
               its name. It overwrites nothing. BACKUP TO 'file' does the same in SQL.",
        run: backup::run,
    },
    Subcommand {
        name: "salvage",
        words: "BROKEN NEW",
        help: "make a new database of what is good in a damaged file",
        more: "Takes every definition and every row whose checksums are right, as of the last commit that can be read, and\n\
               says what is lost. BROKEN is only read, and nobody should be writing to it; NEW must not be there yet.\n\
               Exit status 2 if something is lost.",
        run: salvage::run,
    },
    Subcommand {
        name: "import",
        words: "DATABASE FILE... [--table NAME] [--precision ns|us|ms|s]",
        help: "read files: CSV, JSON, Parquet, Arrow, or InfluxDB line protocol",
        more: "CSV, JSON, Parquet and Arrow files, by their names, go into the table NAME, or one called like the\n\
               file, which is made if it is not there; into one that is, by name if the file has the names of its\n\
               columns, else by position. Anything else, and - for standard input, is line protocol,\n\
               whose lines say their tables; --precision is that of its times. Files may be compressed.\n\
               \n\
               \x20 fluxdb import weather.flux readings.csv\n\
               \x20 fluxdb import weather.flux 'logs/*.parquet' --table logs\n\
               \x20 telegraf --once | fluxdb import metrics.flux -",
        run: measurements::import,
    },
    Subcommand {
        name: "export",
        words: "DATABASE [TABLE|QUERY] FILE|DIRECTORY [--format FORMAT] [--OPTION VALUE]...",
        help: "write a table, a query's rows, or everything to files",
        more: "With a table or a query: its rows, to a file whose name says the format (csv, json, parquet, arrow)\n\
               unless --format does, or - for standard output.\n\
               Without: all tables and definitions, to a directory that IMPORT DATABASE reads. Options are those\n\
               of COPY … TO.\n\
               \n\
               \x20 fluxdb export weather.flux readings readings.parquet\n\
               \x20 fluxdb export weather.flux \"SELECT * FROM readings WHERE degrees > 80\" hot.csv.gz\n\
               \x20 fluxdb export weather.flux readings by_city --format parquet --partition_by city\n\
               \x20 fluxdb export weather.flux backup_directory",
        run: export::run,
    },
    Subcommand {
        name: "write",
        words: "DATABASE MEASUREMENT [--tag K=V]... --field K=V... [--time T] [--precision ns|us|ms|s]",
        help: "write a point; values as in line protocol",
        more: "The measurement is made, and gets columns, as needed. Without --time it is now; T is a whole number\n\
               since 1970, of nanoseconds unless --precision says otherwise. What is no number, true or false is a text.\n\
               \n\
               \x20 fluxdb write metrics.flux cpu --tag host=a --field usage=12.5",
        run: measurements::write,
    },
    Subcommand {
        name: "series",
        words: "DATABASE [MEASUREMENT]",
        help: "list the series of measurements",
        more: "A line for each combination of tags.",
        run: measurements::series,
    },
    Subcommand {
        name: "bench",
        words: "[--rows N] [--commits N] [DIRECTORY]",
        help: "measure this machine with a file that goes again",
        more: "Loads and reads N rows (2000000), commits N times (100), and tells what the disk alone can do beside.",
        run: bench::run,
    },
    Subcommand {
        name: "completions",
        words: "bash|zsh|fish",
        help: "print what makes a shell complete this command",
        more: "\x20 source <(fluxdb completions bash)\n\
               \x20 fluxdb completions zsh > ~/.zfunc/_fluxdb\n\
               \x20 fluxdb completions fish > ~/.config/fish/completions/fluxdb.fish",
        run: completions::run,
    },
    Subcommand {
        name: "man",
        words: "",
        help: "print the manual page",
        more: "\x20 fluxdb man | man -l -\n\
               \x20 fluxdb man > ~/.local/share/man/man1/fluxdb.1",
        run: completions::man,
    },
];

impl Subcommand {
    /// That of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SUBCOMMANDS.iter().find(|s| s.name == name)
    }

    /// How it is called, in one line.
    pub fn usage(&self) -> String {
        format!("fluxdb {} {}", self.name, self.words).trim_end().to_owned()
    }

    /// The text of its `--help`.
    pub fn long_help(&self) -> String {
        let mut what = self.help.to_owned();
        what[..1].make_ascii_uppercase();
        format!("{what}.\n\nUsage: {}\n\n{}\n", self.usage(), self.more)
    }

    /// The option among these words that it does not take. Who takes some looks at them itself.
    pub fn unknown_option<'w>(&self, words: &'w [String]) -> Option<&'w str> {
        if self.words.contains("--") {
            return None;
        }
        words.iter().map(String::as_str).find(|w| w.len() > 1 && w.starts_with('-'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_of_a_subcommand_says_how_and_what() {
        for subcommand in SUBCOMMANDS {
            let help = subcommand.long_help();
            assert!(help.contains(&format!("Usage: fluxdb {}", subcommand.name)), "{help}");
            assert!(help.lines().all(|l| l.chars().count() <= 110), "{help}");
        }
    }
}
