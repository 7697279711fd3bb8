//! `fluxdb completions` and `fluxdb man`: what other programs are told about the command line, made of the same tables as
//! `--help`.

use std::fmt::Write as _;
use std::io::Write;

use crate::args::{ABOUT, EXAMPLES, OPTIONS, SYNOPSIS};
use crate::format::Format;
use crate::say::{Done, Ended};
use crate::subcommands::{SUBCOMMANDS, Subcommand};

/// Prints the script for a shell.
pub fn run(words: &[String], out: &mut dyn Write) -> Done {
    let script = match words {
        [shell] if shell == "bash" => bash(),
        [shell] if shell == "zsh" => zsh(),
        [shell] if shell == "fish" => fish(),
        _ => return Err(Ended::Usage(None)),
    };
    crate::shown(&script, out)
}

/// Prints the manual page.
pub fn man(words: &[String], out: &mut dyn Write) -> Done {
    if !words.is_empty() {
        return Err(Ended::Usage(None));
    }
    crate::shown(&manual(), out)
}

/// Options that a subcommand takes, as its usage names them.
fn options_of(subcommand: &Subcommand) -> impl Iterator<Item = &'static str> {
    let words = subcommand.words.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|w| w.starts_with("--") && w.chars().skip(2).all(|c| c.is_ascii_lowercase()) && w.len() > 2)
}

fn names() -> Vec<&'static str> {
    SUBCOMMANDS.iter().map(|s| s.name).collect()
}

fn bash() -> String {
    let long: Vec<_> = OPTIONS.iter().map(|o| format!("--{}", o.long)).collect();
    let mut of_subcommands = String::new();
    for subcommand in SUBCOMMANDS {
        let options: Vec<_> = options_of(subcommand).chain(["--help"]).collect();
        let words =
            if subcommand.name == "completions" { "bash zsh fish".to_owned() } else { options.join(" ") };
        let _ = writeln!(of_subcommands, "      {}) words='{words}' ;;", subcommand.name);
    }
    format!(
        "# Completion of fluxdb for bash.\n\
         _fluxdb() {{\n\
         \x20 local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words\n\
         \x20 COMPREPLY=()\n\
         \x20 case $before in\n\
         \x20   --format) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n\
         \x20   -f|--file) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n\
         \x20   -c|--command) return ;;\n\
         \x20 esac\n\
         \x20 words='{}'\n\
         \x20 if [ \"$COMP_CWORD\" -eq 1 ]; then\n\
         \x20   words=\"$words {}\"\n\
         \x20 else\n\
         \x20   case ${{COMP_WORDS[1]}} in\n{of_subcommands}\
         \x20   esac\n\
         \x20 fi\n\
         \x20 case $word in\n\
         \x20   -*) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n\
         \x20   *) COMPREPLY=($(compgen -W \"$words\" -- \"$word\") $(compgen -f -- \"$word\")) ;;\n\
         \x20 esac\n\
         }}\n\
         complete -o filenames -F _fluxdb fluxdb\n",
        Format::NAMES.join(" "),
        long.join(" "),
        names().join(" ")
    )
}

/// A text within single quotes of zsh, between brackets.
fn zsh_text(text: &str) -> String {
    text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
}

fn zsh() -> String {
    let mut out = String::from(
        "#compdef fluxdb\n# Completion of fluxdb for zsh.\n_fluxdb() {\n  local -a subcommands\n",
    );
    out.push_str("  subcommands=(\n");
    for subcommand in SUBCOMMANDS {
        let _ = writeln!(out, "    '{}:{}'", subcommand.name, zsh_text(subcommand.help));
    }
    out.push_str("  )\n  if (( CURRENT > 2 )); then\n    case $words[2] in\n");
    for subcommand in SUBCOMMANDS {
        let options: Vec<_> = options_of(subcommand).chain(["--help"]).collect();
        let action = match subcommand.name {
            "completions" => "compadd bash zsh fish".to_owned(),
            _ => format!("compadd -- {}; _files", options.join(" ")),
        };
        let _ = writeln!(out, "      {}) {action}; return ;;", subcommand.name);
    }
    out.push_str("    esac\n  fi\n  if (( CURRENT == 2 )); then\n    _describe -t subcommands subcommand subcommands\n  fi\n  _arguments");
    for option in OPTIONS {
        let value = match option.long {
            "format" => format!(":format:({})", Format::NAMES.join(" ")),
            "file" => ":file:_files".to_owned(),
            _ if option.value.is_empty() => String::new(),
            _ => format!(":{}:", option.value.to_lowercase()),
        };
        let _ = write!(out, " \\\n    '--{}[{}]{value}'", option.long, zsh_text(option.help));
    }
    out.push_str(" \\\n    '*:database or file:_files'\n}\n_fluxdb \"$@\"\n");
    out
}

fn fish() -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut out = String::from("# Completion of fluxdb for fish.\n");
    for subcommand in SUBCOMMANDS {
        let help = quoted(subcommand.help);
        let _ = writeln!(out, "complete -c fluxdb -n __fish_use_subcommand -a {} -d {help}", subcommand.name);
        for option in options_of(subcommand) {
            let (name, of) = (&option[2..], subcommand.name);
            let _ = writeln!(out, "complete -c fluxdb -n '__fish_seen_subcommand_from {of}' -l {name} -r");
        }
    }
    let _ = writeln!(
        out,
        "complete -c fluxdb -n '__fish_seen_subcommand_from completions' -f -a 'bash zsh fish'"
    );
    // Subcommands have options of their own.
    let of_none = format!("not __fish_seen_subcommand_from {}", names().join(" "));
    for option in OPTIONS {
        let short = option.short.map_or_else(String::new, |s| format!(" -s {s}"));
        let condition = if option.long == "help" { String::new() } else { format!(" -n '{of_none}'") };
        let value = match option.long {
            "format" => format!(" -x -a '{}'", Format::NAMES.join(" ")),
            _ if option.value.is_empty() => String::new(),
            _ => " -r".to_owned(),
        };
        let help = quoted(option.help);
        let _ = writeln!(out, "complete -c fluxdb{condition} -l {}{short}{value} -d {help}", option.long);
    }
    out
}

/// A text as roff takes it, also one that reads bytes as Latin-1.
fn roff(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            c if c.is_ascii() => escaped.push(c),
            c => {
                let _ = write!(escaped, "\\[u{:04X}]", u32::from(c));
            }
        }
    }
    let lines =
        escaped.lines().map(|l| if l.starts_with(['.', '\'']) { format!("\\&{l}") } else { l.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

fn manual() -> String {
    let mut out = format!(
        ".TH FLUXDB 1 \"\" \"FluxDB {}\" \"User Commands\"\n.SH NAME\nfluxdb \\- {}\n.SH SYNOPSIS\n.nf\n",
        env!("CARGO_PKG_VERSION"),
        roff(ABOUT)
    );
    let _ = writeln!(out, "{}", roff(SYNOPSIS));
    for subcommand in SUBCOMMANDS {
        let _ = writeln!(out, "{}", roff(&subcommand.usage()));
    }
    out.push_str(
        ".fi\n.SH DESCRIPTION\n\
         Runs statements of SQL on a database, which is one file, or on files of other formats.\n\
         Without SQL, \\fB\\-c\\fR or \\fB\\-f\\fR, statements are read from standard input; on a terminal that is an\n\
         interactive shell, whose commands \\fB.help\\fR lists. Statements end with a semicolon.\n\
         .SH OPTIONS\n",
    );
    for option in OPTIONS {
        let short = option.short.map_or_else(String::new, |s| format!("\\-{s}, "));
        let _ = writeln!(
            out,
            ".TP\n\\fB{short}\\-\\-{}\\fR {}\n{}",
            roff(option.long),
            option.value,
            roff(option.help)
        );
    }
    out.push_str(".SH SUBCOMMANDS\n");
    for subcommand in SUBCOMMANDS {
        let (usage, help) = (roff(&subcommand.usage()), roff(subcommand.help));
        let _ = writeln!(out, ".TP\n\\fB{usage}\\fR\n{help}.\n.nf\n{}\n.fi", roff(subcommand.more));
    }
    let _ = write!(
        out,
        ".SH EXAMPLES\n.nf\n{}\n.fi\n\
         .SH FILES\n.TP\n~/.fluxdbrc\nStatements and commands that an interactive shell runs first.\n\
         .TP\n~/.fluxdb_history\nWhat was typed.\n\
         .SH ENVIRONMENT\n.TP\nVISUAL, EDITOR\nThe editor of .edit.\n\
         .TP\nFLUXDB_PAGER, PAGER\nThe pager of long output.\n\
         .SH EXIT STATUS\n0 if every statement succeeded, 1 if one failed, 2 for bad usage.\n",
        roff(EXAMPLES)
    );
    out
}
