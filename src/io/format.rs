//! Which format a file has: by its name, else by its first bytes.

use std::fmt;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};
use crate::io::files::{Compression, FileList, has_wildcard, is_stdin};

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Values with a delimiter.
    Csv,
    /// The same; tabs when written.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// One JSON value, or objects one after another; an array when written.
    Json,
    /// One JSON object a line.
    NdJson,
    /// Arrow IPC, a file or a stream.
    Arrow,
}

impl Format {
    /// The format of a `FORMAT` option.
    pub fn parse(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "csv" | "text" => Ok(Self::Csv),
            "tsv" => Ok(Self::Tsv),
            "parquet" => Ok(Self::Parquet),
            "json" => Ok(Self::Json),
            "ndjson" | "jsonl" => Ok(Self::NdJson),
            "arrow" | "arrows" | "feather" | "ipc" => Ok(Self::Arrow),
            other => Err(ExecError::InvalidInput(format!(
                "unknown format \"{other}\"; there are csv, tsv, parquet, json, ndjson and arrow"
            ))),
        }
    }

    /// The format that the extension of a name says, the extension of a compression aside.
    pub fn of_name(path: &str) -> Option<Self> {
        let mut name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
        for compression in [".gz", ".gzip", ".zst", ".zstd"] {
            if let Some(stem) = name.strip_suffix(compression) {
                name.truncate(stem.len());
                break;
            }
        }
        match name.rsplit_once('.')?.1 {
            "csv" | "txt" | "psv" | "tbl" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "parquet" | "parq" | "pq" => Some(Self::Parquet),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::NdJson),
            "arrow" | "arrows" | "feather" | "ipc" => Some(Self::Arrow),
            _ => None,
        }
    }

    /// The extension of its files, compressed as these options of `COPY TO` say.
    pub fn extension(self, options: &[(String, Scalar, LogicalType)]) -> String {
        let name = match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            // Parquet compresses inside.
            Self::Parquet => return "parquet".into(),
            Self::Arrow => return "arrow".into(),
            Self::Json => "json",
            Self::NdJson => "ndjson",
        };
        let given = options.iter().find(|(name, ..)| name == "compression").map(|(_, value, _)| value);
        match given {
            Some(Scalar::Text(text)) => match Compression::parse(text) {
                Ok(Some(Compression::Gzip)) => format!("{name}.gz"),
                Ok(Some(Compression::Zstd)) => format!("{name}.zst"),
                _ => name.into(),
            },
            _ => name.into(),
        }
    }

    /// The table function that reads it.
    pub fn reader(self) -> &'static str {
        match self {
            Self::Csv | Self::Tsv => "read_csv",
            Self::Parquet => "read_parquet",
            Self::Json => "read_json",
            Self::NdJson => "read_ndjson",
            Self::Arrow => "read_arrow",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv | Self::Tsv => "CSV",
            Self::Parquet => "Parquet",
            Self::Json | Self::NdJson => "JSON",
            Self::Arrow => "Arrow",
        })
    }
}

/// The error for a format whose feature is off.
pub(crate) fn not_built(format: Format) -> ExecError {
    ExecError::Unsupported(format!("this build of FluxDB cannot read or write {format}"))
}

/// Whether a name in `FROM` that is no table is meant as a file: it is standard input, has the extension
/// of a known format, a wildcard, or names a file that exists.
pub fn is_file_name(name: &str) -> bool {
    is_stdin(name)
        || Format::of_name(name).is_some()
        || (has_wildcard(name) && name.contains(['/', '.']))
        || (name.contains(['/', '.']) && std::path::Path::new(name).is_file())
}

/// The format of the first file. How JSON is laid out is left to its reader, whatever the name says.
pub(crate) fn of_files(files: &FileList) -> Result<Format> {
    let first = &files.paths()[0];
    match Format::of_name(first) {
        Some(Format::NdJson) => Ok(Format::Json),
        Some(format) => Ok(format),
        None => of_head(&files.head(0, 4096)?).ok_or_else(|| {
            ExecError::InvalidInput(format!(
                "cannot tell the format of \"{first}\"; use read_csv, read_json, read_parquet or read_arrow"
            ))
        }),
    }
}

/// The format that the first bytes (decompressed) show.
fn of_head(head: &[u8]) -> Option<Format> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if head.starts_with(b"PAR1") {
        Some(Format::Parquet)
    } else if head.starts_with(b"ARROW1") || head.starts_with(b"\xff\xff\xff\xff") {
        Some(Format::Arrow)
    } else if text.starts_with(b"{") || text.starts_with(b"[{") || text.starts_with(b"[\n") {
        Some(Format::Json)
    } else if head.contains(&0) {
        None
    } else {
        Some(Format::Csv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name() {
        for (name, format) in [
            ("a.csv", Some(Format::Csv)),
            ("x/a.CSV.gz", Some(Format::Csv)),
            ("a.tsv.zst", Some(Format::Tsv)),
            ("a.b.parquet", Some(Format::Parquet)),
            ("data/*.parquet", Some(Format::Parquet)),
            ("a.jsonl.gz", Some(Format::NdJson)),
            ("a.json", Some(Format::Json)),
            ("a.gz", None),
            ("parquet", None),
            ("x.parquet/a", None),
        ] {
            assert_eq!(Format::of_name(name), format, "{name}");
        }
    }

    #[test]
    fn by_first_bytes() {
        assert_eq!(of_head(b"PAR1\x15\x04"), Some(Format::Parquet));
        assert_eq!(of_head(b"ARROW1\0\0"), Some(Format::Arrow));
        assert_eq!(of_head(b"  {\"a\": 1}"), Some(Format::Json));
        assert_eq!(of_head(b"a,b\n1,2\n"), Some(Format::Csv));
        assert_eq!(of_head(b"\x7fELF\0\0"), None);
    }
}
