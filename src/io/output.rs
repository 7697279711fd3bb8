//! Files to write: beside their target first, in its place when they are whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exec::error::{ExecError, Result};
use crate::io::files::{Compression, expand_home, io_error, is_stdin};

/// Bytes collected before they are written.
const BUFFER: usize = 256 << 10;

/// A file under construction. Dropped before [`Output::finish`], it leaves no trace.
pub(crate) struct Output {
    /// `None` once it is finished or dropped.
    writer: Option<Encoder>,
    place: Place,
    path: String,
}

/// Where the bytes go.
enum Place {
    /// Straight to a pipe, a terminal, a device.
    Direct,
    /// To a file of another name, to be renamed.
    Beside { temporary: PathBuf, target: PathBuf },
}

enum Encoder {
    Plain(BufWriter<File>),
    #[cfg(feature = "compression")]
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    #[cfg(feature = "compression")]
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl Output {
    /// Begins a file. `-` and `/dev/stdout` are standard output.
    pub fn create(path: &str, compression: Compression) -> Result<Self> {
        let path = expand_home(path);
        if path.contains("://") {
            return Err(ExecError::Unsupported(format!(
                "cannot write \"{path}\": only local files can be written"
            )));
        }
        let fail = |e: &io::Error| io_error("create", &path, e);
        let (file, place) = if is_stdin(&path) && path != "-" {
            return Err(ExecError::Io(format!("could not write \"{path}\": it is standard input")));
        } else if path == "-" || path == "/dev/stdout" {
            // Not opened by name: that would write over what a redirected output has already.
            (File::from(io::stdout().as_fd().try_clone_to_owned().map_err(|e| fail(&e))?), Place::Direct)
        } else {
            match fs::metadata(&path) {
                Ok(m) if m.is_dir() => {
                    return Err(ExecError::Io(format!("could not write \"{path}\": it is a directory")));
                }
                Ok(m) if !m.is_file() => {
                    (File::options().write(true).open(&path).map_err(|e| fail(&e))?, Place::Direct)
                }
                _ => {
                    // A link stays a link.
                    let target = fs::canonicalize(&path).unwrap_or_else(|_| PathBuf::from(&path));
                    let temporary = beside(&target);
                    let file = File::options()
                        .write(true)
                        .create_new(true)
                        .open(&temporary)
                        .map_err(|e| fail(&e))?;
                    (file, Place::Beside { temporary, target })
                }
            }
        };
        let plain = BufWriter::with_capacity(BUFFER, file);
        let writer = match compression {
            Compression::None => Encoder::Plain(plain),
            #[cfg(feature = "compression")]
            Compression::Gzip => {
                Encoder::Gzip(flate2::write::GzEncoder::new(plain, flate2::Compression::default()))
            }
            #[cfg(feature = "compression")]
            Compression::Zstd => {
                Encoder::Zstd(zstd::stream::write::Encoder::new(plain, 3).map_err(|e| fail(&e))?)
            }
            #[cfg(not(feature = "compression"))]
            _ => return Err(ExecError::Unsupported("this build of FluxDB cannot compress".into())),
        };
        Ok(Self { writer: Some(writer), place, path })
    }

    /// Writes the last bytes and puts the file in its place, durably.
    pub fn finish(mut self) -> Result<()> {
        let done = match self.writer.take() {
            Some(writer) => self.close(writer),
            None => Ok(()),
        };
        if let (Err(_), Place::Beside { temporary, .. }) = (&done, &self.place) {
            let _removed = fs::remove_file(temporary);
        }
        done.map_err(|e| io_error("write", &self.path, &e))
    }

    fn close(&self, writer: Encoder) -> io::Result<()> {
        let mut plain = match writer {
            Encoder::Plain(plain) => plain,
            #[cfg(feature = "compression")]
            Encoder::Gzip(encoder) => encoder.finish()?,
            #[cfg(feature = "compression")]
            Encoder::Zstd(encoder) => encoder.finish()?,
        };
        plain.flush()?;
        if let Place::Beside { temporary, target } = &self.place {
            plain.get_ref().sync_all()?;
            fs::rename(temporary, target)?;
        }
        Ok(())
    }

    /// An error of writing to this file.
    pub fn error(&self, error: &io::Error) -> ExecError {
        io_error("write", &self.path, error)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.writer {
            Some(Encoder::Plain(w)) => w.write(bytes),
            #[cfg(feature = "compression")]
            Some(Encoder::Gzip(w)) => w.write(bytes),
            #[cfg(feature = "compression")]
            Some(Encoder::Zstd(w)) => w.write(bytes),
            None => Err(io::Error::other("the file is closed")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Some(Encoder::Plain(w)) => w.flush(),
            #[cfg(feature = "compression")]
            Some(Encoder::Gzip(w)) => w.flush(),
            #[cfg(feature = "compression")]
            Some(Encoder::Zstd(w)) => w.flush(),
            None => Ok(()),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        // What is buffered is not wanted any more.
        match writer {
            Encoder::Plain(plain) => drop(plain.into_parts()),
            #[cfg(feature = "compression")]
            other => drop(other),
        }
        if let Place::Beside { temporary, .. } = &self.place {
            let _removed = fs::remove_file(temporary);
        }
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Output({})", self.path)
    }
}

/// A name that no other file has, in the directory of `target`.
fn beside(target: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    target.with_file_name(format!(".{name}.{}.{n}.tmp", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.csv");
        let name = path.to_str().unwrap();
        fs::write(&path, "old").unwrap();
        let mut output = Output::create(name, Compression::None).unwrap();
        output.write_all(b"new").unwrap();
        drop(output);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let mut output = Output::create(name, Compression::None).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn places_that_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let message = |p: &str| Output::create(p, Compression::None).unwrap_err().to_string();
        assert!(message(dir.path().to_str().unwrap()).contains("is a directory"));
        assert!(message(&format!("{}/no/x.csv", dir.path().display())).contains("x.csv"));
        assert!(message("s3://bucket/x.csv").contains("only local files"));
    }
}
