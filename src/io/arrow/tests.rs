//! What is written comes back, from files and streams; damage is an error.

use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, DictionaryArray, Int32Array, LargeStringArray, RecordBatch};
use arrow_ipc::writer::StreamWriter;

use crate::column::types::LogicalType;
use crate::exec::batch::{Batch, Field, Schema};
use crate::io::testing::{open, rows, schema, text};

fn write(path: &str, compression: Option<&str>) {
    let columns: Schema =
        Arc::new([Field::new("i", LogicalType::Integer), Field::new("s", LogicalType::Varchar)]);
    let options: Vec<_> =
        compression.map(|c| ("compression".to_owned(), text(c), LogicalType::Varchar)).into_iter().collect();
    let sink = super::sink(path, &options, columns).unwrap();
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let texts: ArrayRef =
        Arc::new(arrow_array::StringViewArray::from(vec![Some("a"), Some("größer als zwölf")]));
    std::thread::scope(|scope| {
        scope.spawn(|| sink.push(1, vec![Batch::new(vec![ints.slice(1, 1), texts.slice(1, 1)], 1)]).unwrap());
        sink.push(0, vec![Batch::new(vec![ints.slice(0, 1), texts.slice(0, 1)], 1)]).unwrap();
    });
    assert_eq!(sink.finish().unwrap(), 2);
}

#[test]
fn files_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.arrow");
    let path = path.to_str().unwrap();
    write(path, None);
    let source = open("read_arrow", path, &[]).unwrap();
    assert_eq!(schema(&source), "i INTEGER, s VARCHAR");
    assert_eq!(rows(&source, 2).unwrap(), [["1", "a"], ["␀", "größer als zwölf"]]);
    let bytes = fs::read(path).unwrap();
    for cut in [0, 5, 8, bytes.len() / 2, bytes.len() - 1] {
        fs::write(path, &bytes[..cut]).unwrap();
        let read = open("read_arrow", path, &[]).and_then(|s| rows(&s, 1));
        assert!(read.unwrap_err().to_string().contains("is not valid Arrow IPC"), "{cut}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x55;
        fs::write(path, &flipped).unwrap();
        // Arrow has no checksums: what is asked is that nothing panics.
        let _ = open("read_arrow", path, &[]).map(|s| s.scan(&[0, 1], &[], &crate::io::testing::context(1)));
    }
}

#[test]
fn streams_and_layouts_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.arrows");
    let dictionary: DictionaryArray<arrow_array::types::Int8Type> = vec!["x", "y", "x"].into_iter().collect();
    let batch = RecordBatch::try_from_iter([
        ("large", Arc::new(LargeStringArray::from(vec![Some("a"), None, Some("c")])) as ArrayRef),
        ("coded", Arc::new(dictionary)),
    ])
    .unwrap();
    let mut writer = StreamWriter::try_new(fs::File::create(&path).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let source = open("read_arrow", path.to_str().unwrap(), &[]).unwrap();
    assert_eq!(schema(&source), "large VARCHAR, coded VARCHAR");
    let found = rows(&source, 2).unwrap();
    assert_eq!(found.len(), 6);
    assert_eq!(found[..3], [["a", "x"], ["␀", "y"], ["c", "x"]]);
}

#[test]
fn buffers_may_be_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.arrow");
    let path = path.to_str().unwrap();
    for codec in ["lz4", "ZSTD", "none"] {
        write(path, Some(codec));
        let source = open("read_arrow", path, &[]).unwrap();
        assert_eq!(rows(&source, 2).unwrap(), [["1", "a"], ["␀", "größer als zwölf"]], "{codec}");
        let _ = fs::remove_file(path);
    }
    let wrong = [("compression".to_owned(), text("snappy"), LogicalType::Varchar)];
    let columns: Schema = Arc::new([Field::new("i", LogicalType::Integer)]);
    let error = super::sink(path, &wrong, columns).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("must be lz4, zstd or none"), "{error}");
}
