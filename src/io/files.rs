//! The files of a scan: patterns expanded, opened as streams of decompressed bytes, heads looked at.
//!
//! Regular files can be opened any number of times. Standard input and pipes only once; looking at the
//! head of one keeps what was read, and opening it yields that first.

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::exec::error::{ExecError, Result};
use crate::io::glob;
pub(crate) use crate::io::glob::has_wildcard;

/// Whether a path means standard input.
pub(crate) fn is_stdin(path: &str) -> bool {
    path == "-" || path == "/dev/stdin"
}

/// The path with a leading `~` as the home directory.
pub(crate) fn expand_home(path: &str) -> String {
    match (path.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => path.to_string(),
    }
}

/// An error of the file system, with the file's name.
pub(crate) fn io_error(what: &str, path: &str, error: &io::Error) -> ExecError {
    ExecError::Io(format!("could not {what} \"{path}\": {}", reason(error)))
}

/// The plain words for an error, without the number that the standard library adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

/// How the bytes of a file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// Gzip, of one or more members.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// The compression of a `compression` option; `None` is automatic.
    pub fn parse(name: &str) -> Result<Option<Self>> {
        match name.to_ascii_lowercase().as_str() {
            "auto" | "auto_detect" => Ok(None),
            "none" | "uncompressed" => Ok(Some(Self::None)),
            "gzip" | "gz" => Ok(Some(Self::Gzip)),
            "zstd" | "zst" => Ok(Some(Self::Zstd)),
            other => Err(ExecError::InvalidInput(format!(
                "unknown compression \"{other}\"; there are auto, none, gzip and zstd"
            ))),
        }
    }

    /// The compression that an extension says.
    pub fn of_name(path: &str) -> Self {
        match path.rsplit('.').next().map(str::to_ascii_lowercase).as_deref() {
            Some("gz" | "gzip") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            _ => Self::None,
        }
    }

    /// The compression that the first bytes show.
    fn of_head(head: &[u8]) -> Self {
        if head.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

/// One file.
#[derive(Debug)]
struct Entry {
    path: String,
    /// The size in bytes as stored; `None` if it is not a regular file.
    size: Option<u64>,
    /// For what can be read only once.
    once: Option<Mutex<Once>>,
}

/// A stream that can be read once.
struct Once {
    /// What was read to look at the head, decompressed.
    head: Vec<u8>,
    /// The rest, decompressed; `None` before the first look and after it was taken.
    rest: Option<Box<dyn Read + Send>>,
    taken: bool,
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Once({} bytes)", self.head.len())
    }
}

/// The files of one scan, at least one.
#[derive(Debug, Clone)]
pub(crate) struct FileList {
    entries: Arc<[Entry]>,
    paths: Arc<[String]>,
    compression: Option<Compression>,
}

impl FileList {
    /// The files that these paths and patterns name. Fails if one names nothing, or a directory.
    pub fn expand(patterns: &[String]) -> Result<Self> {
        Self::expanded(patterns, false)
    }

    /// The files that these paths and patterns name, where a pattern may name none.
    pub fn expand_to_any(patterns: &[String]) -> Result<Self> {
        Self::expanded(patterns, true)
    }

    fn expanded(patterns: &[String], may_be_none: bool) -> Result<Self> {
        let mut paths = vec![];
        for pattern in patterns {
            let pattern = expand_home(pattern);
            if pattern.contains("://") {
                return Err(ExecError::Unsupported(format!(
                    "cannot read \"{pattern}\": only local files can be read"
                )));
            }
            if has_wildcard(&pattern) && !std::path::Path::new(&pattern).exists() {
                let found = glob::expand(&pattern)?;
                if found.is_empty() && !may_be_none {
                    return Err(ExecError::Io(format!(
                        "no files found that match the pattern \"{pattern}\""
                    )));
                }
                paths.extend(found);
            } else {
                paths.push(pattern);
            }
        }
        let entries: Vec<Entry> = paths.iter().map(|p| Entry::new(p)).collect::<Result<_>>()?;
        Ok(Self { entries: entries.into(), paths: paths.into(), compression: None })
    }

    /// The same files with a given compression instead of the one their first bytes show.
    pub fn with_compression(&self, compression: Option<Compression>) -> Self {
        Self { compression, ..self.clone() }
    }

    /// Their paths.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// The size of one as stored, unless it is a pipe.
    pub fn size(&self, file: usize) -> Option<u64> {
        self.entries[file].size
    }

    /// The size of all as stored, as far as known.
    pub fn total_size(&self) -> u64 {
        self.entries.iter().filter_map(|e| e.size).sum()
    }

    /// The first `len` bytes, decompressed; fewer only if there are no more.
    pub fn head(&self, file: usize, len: usize) -> Result<Vec<u8>> {
        let entry = &self.entries[file];
        let Some(once) = &entry.once else {
            let mut head = Vec::with_capacity(len.min(entry.size.map_or(len, |s| s as usize * 8 + 64)));
            let input = self.open(file)?;
            input.take(len as u64).read_to_end(&mut head).map_err(|e| io_error("read", &entry.path, &e))?;
            return Ok(head);
        };
        let mut once = once.lock();
        if once.taken {
            return Err(read_twice(&entry.path));
        }
        if once.rest.is_none() {
            once.rest = Some(self.decompressed(entry, Box::new(entry.open()?))?);
        }
        let missing = len.saturating_sub(once.head.len());
        let Once { head, rest, .. } = &mut *once;
        if let Some(rest) = rest {
            rest.take(missing as u64).read_to_end(head).map_err(|e| io_error("read", &entry.path, &e))?;
        }
        Ok(once.head[..len.min(once.head.len())].to_vec())
    }

    /// A stream of the bytes of one file, decompressed.
    pub fn open(&self, file: usize) -> Result<Input> {
        let entry = &self.entries[file];
        let consumed = Arc::new(AtomicU64::new(0));
        let reader: Box<dyn Read + Send> = if let Some(once) = &entry.once {
            let mut once = once.lock();
            if once.taken {
                return Err(read_twice(&entry.path));
            }
            once.taken = true;
            match once.rest.take() {
                Some(rest) => Box::new(Cursor::new(std::mem::take(&mut once.head)).chain(rest)),
                None => self.decompressed(entry, Box::new(entry.open()?))?,
            }
        } else {
            let counted = Counted { inner: entry.open()?, consumed: consumed.clone() };
            self.decompressed(entry, Box::new(counted))?
        };
        Ok(Input { reader, size: entry.size, consumed })
    }

    /// A file for reading at any place. Fails for pipes.
    pub fn open_seekable(&self, file: usize) -> Result<(File, u64)> {
        let entry = &self.entries[file];
        match entry.size {
            Some(size) => Ok((entry.open()?, size)),
            None => Err(ExecError::Unsupported(format!(
                "cannot read \"{}\": this format needs a regular file, not a pipe",
                entry.path
            ))),
        }
    }

    /// Puts the decompressor on top of a stream.
    fn decompressed(&self, entry: &Entry, mut raw: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
        let mut head = Vec::with_capacity(4);
        raw.by_ref().take(4).read_to_end(&mut head).map_err(|e| io_error("read", &entry.path, &e))?;
        let compression = self.compression.unwrap_or_else(|| Compression::of_head(&head));
        let whole = Cursor::new(head).chain(raw);
        match compression {
            Compression::None => Ok(Box::new(whole)),
            #[cfg(feature = "compression")]
            Compression::Gzip => {
                let buffered = io::BufReader::with_capacity(128 << 10, whole);
                Ok(Box::new(flate2::bufread::MultiGzDecoder::new(buffered)))
            }
            #[cfg(feature = "compression")]
            Compression::Zstd => match zstd::stream::read::Decoder::new(whole) {
                Ok(decoder) => Ok(Box::new(decoder)),
                Err(e) => Err(io_error("read", &entry.path, &e)),
            },
            #[cfg(not(feature = "compression"))]
            Compression::Gzip | Compression::Zstd => Err(ExecError::Unsupported(format!(
                "cannot read \"{}\": this build of FluxDB cannot decompress",
                entry.path
            ))),
        }
    }
}

impl Entry {
    fn new(path: &str) -> Result<Self> {
        let once = || Some(Mutex::new(Once { head: vec![], rest: None, taken: false }));
        if is_stdin(path) {
            return Ok(Self { path: "/dev/stdin".into(), size: None, once: once() });
        }
        let metadata = fs::metadata(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => ExecError::Io(format!("no such file: \"{path}\"")),
            _ => io_error("open", path, &e),
        })?;
        if metadata.is_dir() {
            return Err(ExecError::Io(format!("could not read \"{path}\": it is a directory")));
        }
        Ok(if metadata.is_file() {
            Self { path: path.into(), size: Some(metadata.len()), once: None }
        } else {
            Self { path: path.into(), size: None, once: once() }
        })
    }

    fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(|e| io_error("open", &self.path, &e))
    }
}

/// The error for a second look at a pipe.
fn read_twice(path: &str) -> ExecError {
    ExecError::Unsupported(format!("\"{path}\" is a pipe and can be read only once in a session"))
}

/// A stream of decompressed bytes that knows how far it is.
pub(crate) struct Input {
    reader: Box<dyn Read + Send>,
    size: Option<u64>,
    consumed: Arc<AtomicU64>,
}

impl Input {
    /// These bytes as a stream.
    #[cfg(feature = "json")]
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        let size = Some(bytes.len() as u64);
        Self { reader: Box::new(Cursor::new(bytes)), size, consumed: Arc::default() }
    }

    /// The share of the stored bytes already read, 0 to 1.
    pub fn progress(&self) -> Option<f64> {
        let size = self.size?.max(1);
        Some((self.consumed.load(Ordering::Relaxed) as f64 / size as f64).min(1.0))
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// Counts the bytes that pass.
struct Counted<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.consumed.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
