//! CSV files as they occur, and as they should not.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::column::scalar::Scalar;
use crate::exec::error::Result;
use crate::io::testing::{open, rows, schema, text};

/// A directory for the files of a test.
fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// What reading a file with this content gives: `schema | row | row`.
fn try_read(content: impl AsRef<[u8]>, options: &[(&str, Scalar)]) -> Result<String> {
    let dir = dir();
    let path = dir.path().join("x.csv");
    fs::write(&path, content).unwrap();
    let source = open("read_csv", path.to_str().unwrap(), options)?;
    let mut out = schema(&source);
    for row in rows(&source, 2)? {
        out += " | ";
        out += &row.join(",");
    }
    Ok(out)
}

fn read(content: impl AsRef<[u8]>, options: &[(&str, Scalar)]) -> String {
    try_read(content, options).unwrap()
}

fn error(content: impl AsRef<[u8]>, options: &[(&str, Scalar)]) -> String {
    try_read(content, options).unwrap_err().to_string()
}

const YES: Scalar = Scalar::Boolean(true);
const NO: Scalar = Scalar::Boolean(false);

#[test]
fn headers() {
    for (content, expected) in [
        ("a,b\n1,x\n", "a BIGINT, b VARCHAR | 1,x"),
        ("a,\n1,2\n", "a BIGINT, column1 BIGINT | 1,2"),
        ("a,a,A,a_1\n1,2,3,4\n", "a BIGINT, a_1 BIGINT, A_2 BIGINT, a_1_1 BIGINT | 1,2,3,4"),
        (",\n1,2\n", "column0 BIGINT, column1 BIGINT | 1,2"),
        ("a,1\nb,2\n", "column0 VARCHAR, column1 BIGINT | a,1 | b,2"),
        ("1,2\n3,x\n", "column0 BIGINT, column1 VARCHAR | 1,2 | 3,x"),
        ("a,b\nc,d\n", "a VARCHAR, b VARCHAR | c,d"),
        ("a,b\n", "a VARCHAR, b VARCHAR"),
        ("a,b", "a VARCHAR, b VARCHAR"),
        ("1,2\n", "column0 BIGINT, column1 BIGINT | 1,2"),
        ("abc\n", "abc VARCHAR"),
        ("id\n1\n2\n", "id BIGINT | 1 | 2"),
        ("1\n2\n3\n", "column0 BIGINT | 1 | 2 | 3"),
        (" a , b\n1,2\n", "a BIGINT, b BIGINT | 1,2"),
        ("\"a\",\"b\"\n\"c\",\"d\"\n", "a VARCHAR, b VARCHAR | c,d"),
        ("", "column0 VARCHAR"),
        ("\n", "column0 VARCHAR"),
    ] {
        assert_eq!(read(content, &[]), expected, "{content:?}");
    }
    assert_eq!(read("a,b\nc,d\n", &[("header", NO)]), "column0 VARCHAR, column1 VARCHAR | a,b | c,d");
    assert_eq!(read("1,2\n3,4\n", &[("header", YES)]), "1 BIGINT, 2 BIGINT | 3,4");
}

#[test]
fn dialects() {
    for (content, expected) in [
        ("a;b\n1;2\n", "a BIGINT, b BIGINT | 1,2"),
        ("a\tb\n1\t2\n", "a BIGINT, b BIGINT | 1,2"),
        ("a|b\n1|2\n", "a BIGINT, b BIGINT | 1,2"),
        ("a;b\n1,5;2\n2,5;3\n", "a VARCHAR, b BIGINT | 1,5,2 | 2,5,3"),
        ("a|b|\n1|2|\n3|4|\n", "a BIGINT, b BIGINT, column2 VARCHAR | 1,2,␀ | 3,4,␀"),
        ("a b\n1 2\n", "a b VARCHAR | 1 2"),
        ("a,b\n'x,y',2\n'z',3\n", "a VARCHAR, b BIGINT | x,y,2 | z,3"),
        ("a,b\n\"x\\\"y\",2\n\"z\",3\n", "a VARCHAR, b BIGINT | x\"y,2 | z,3"),
        ("a,b\n\"x\"\"y\",2\n\"z\",3\n", "a VARCHAR, b BIGINT | x\"y,2 | z,3"),
        ("\u{feff}a,b\r\n1,2\r\n", "a BIGINT, b BIGINT | 1,2"),
        ("a,b\r1,2\r3,4", "a BIGINT, b BIGINT | 1,2 | 3,4"),
        ("#note\n#more\na,b\n1,2\n3,4\n", "a BIGINT, b BIGINT | 1,2 | 3,4"),
        ("title line\n\na,b\n1,2\n3,4\n", "a BIGINT, b BIGINT | 1,2 | 3,4"),
        ("title line\na,b\n1,2\n3,4\n5,6\n", "a BIGINT, b BIGINT | 1,2 | 3,4 | 5,6"),
        ("a,b\n1,2\n3,4 # hi\n#x\n5,6\n", "a BIGINT, b BIGINT | 1,2 | 3,4 | 5,6"),
        ("#id,b\n1,2\n3,4\n", "#id BIGINT, b BIGINT | 1,2 | 3,4"),
        ("hello world\nthis is, text\nand more\n", "hello world VARCHAR | this is, text | and more"),
        (
            "1\t{\"a\":1,\"b\":2}\n2\t{\"a\":3,\"b\":4}\n",
            "column0 BIGINT, column1 VARCHAR | 1,{\"a\":1,\"b\":2} | 2,{\"a\":3,\"b\":4}",
        ),
        ("a,b\n5\" pipe,1\n6\" pipe,2\n", "a VARCHAR, b BIGINT | 5\" pipe,1 | 6\" pipe,2"),
        ("a\tb\n\"x\t1\n", "a VARCHAR, b BIGINT | \"x,1"),
    ] {
        assert_eq!(read(content, &[]), expected, "{content:?}");
    }
}

#[test]
fn values() {
    assert_eq!(read("a,b\n,1\n\n2,3\n", &[]), "a BIGINT, b BIGINT | ␀,1 | 2,3");
    assert_eq!(read("a\n1\n\n3\n", &[]), "a BIGINT | 1 | ␀ | 3");
    assert_eq!(
        read("a,b\n2020-01-01,\"x\ny\"\n2020-01-02,\"z\"\n", &[]),
        "a DATE, b VARCHAR | 2020-01-01,x\ny | 2020-01-02,z"
    );
    assert_eq!(read("t\n01/02/2020 03:04:05\n", &[]), "t TIMESTAMP | 2020-02-01 03:04:05");
    assert_eq!(read("a,b\n\"1\",\"2\"\n", &[]), "a BIGINT, b BIGINT | 1,2");
    // As in DuckDB, unless allow_quoted_nulls says otherwise.
    assert_eq!(read("a,b\n\"\",x\n", &[]), "a VARCHAR, b VARCHAR | ␀,x");
    assert_eq!(read("a,b\n\"\",x\n", &[("allow_quoted_nulls", NO)]), "a VARCHAR, b VARCHAR | ,x");
    let long = "ü".repeat(1000);
    assert_eq!(read(format!("a,b\n{long},1\n"), &[]), format!("a VARCHAR, b BIGINT | {long},1"));
}

#[test]
fn options() {
    let types = |pairs: &[(&str, &str)]| {
        use arrow_array::{ArrayRef, StringViewArray, StructArray};
        use std::sync::Arc;
        let fields: Vec<(Arc<arrow_schema::Field>, ArrayRef)> = pairs
            .iter()
            .map(|(name, ty)| {
                let field = arrow_schema::Field::new(*name, arrow_schema::DataType::Utf8View, true);
                (Arc::new(field), Arc::new(StringViewArray::from(vec![*ty])) as ArrayRef)
            })
            .collect();
        Scalar::Nested(Arc::new(StructArray::from(fields)))
    };
    let plain = "a,b\n3,4\n";
    assert_eq!(read(plain, &[("all_varchar", YES)]), "a VARCHAR, b VARCHAR | 3,4");
    assert_eq!(
        read(plain, &[("types", types(&[("b", "DECIMAL(5,1)")]))]),
        "a BIGINT, b DECIMAL(5,1) | 3,4.0"
    );
    assert!(error(plain, &[("types", types(&[("c", "INT")]))]).contains("no column \"c\""));
    assert_eq!(
        read(plain, &[("columns", types(&[("x", "VARCHAR"), ("y", "INT")]))]),
        "x VARCHAR, y INTEGER | 3,4"
    );
    assert_eq!(read(plain, &[("names", text("x"))]), "x BIGINT, b BIGINT | 3,4");
    assert_eq!(read(plain, &[("skip", Scalar::Int(1))]), "column0 BIGINT, column1 BIGINT | 3,4");
    assert_eq!(read(plain, &[("delim", text(";"))]), "a,b VARCHAR | 3,4");
    assert_eq!(read("a,b\n3,NA\n", &[("nullstr", text("NA"))]), "a BIGINT, b VARCHAR | 3,␀");
    assert_eq!(read("a;b\n1,5;2\n", &[("decimal_separator", text(","))]), "a DOUBLE, b BIGINT | 1.5,2");
    assert_eq!(
        read("a,b\n3,04.05.2020\n", &[("dateformat", text("%d.%m.%Y"))]),
        "a BIGINT, b DATE | 3,2020-05-04"
    );
    assert_eq!(
        read("a, B c ,1x,select\n1,2,3,4\n", &[("normalize_names", YES)]),
        "a BIGINT, b_c BIGINT, _1x BIGINT, _select BIGINT | 1,2,3,4"
    );
    assert_eq!(read(b"a,b\n\xfc,1\n", &[("encoding", text("latin-1"))]), "a VARCHAR, b BIGINT | ü,1");
    let utf16: Vec<u8> = "\u{feff}a,b\nü,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(utf16, &[]), "a VARCHAR, b BIGINT | ü,1");
    assert!(read(plain, &[("filename", YES)]).starts_with("a BIGINT, b BIGINT, filename VARCHAR | 3,4,/"));
    assert!(error(plain, &[("delimiter", text("|||||"))]).contains("one to 4 bytes"));
    assert!(error(plain, &[("dateformat", text("%Q"))]).contains("%Q"));
    assert!(error(plain, &[("heder", YES)]).contains("did you mean \"header\""));
    assert!(error(plain, &[("auto_detect", NO)]).contains("columns"));
}

#[test]
fn ragged_lines_are_reported() {
    let many = "1,x\n".repeat(30_000);
    let content = format!("a,b\n{many}2\n3,z\n");
    let message = error(&content, &[]);
    assert!(message.contains("line 30002: expected 2 columns, found 1: \"2\""), "{message}");
    assert_eq!(read(&content, &[("ignore_errors", YES)]).matches(" | ").count(), 30_001);
    assert!(read(&content, &[("null_padding", YES)]).ends_with("2,␀ | 3,z"));
    // What is not there is NULL, also where an empty field is none.
    let padded = [("null_padding", YES), ("nullstr", text("na")), ("header", YES)];
    assert_eq!(read("a,b,c\nna,,x\ny\n,,\n", &padded), "a VARCHAR, b VARCHAR, c VARCHAR | ␀,,x | y,␀,␀ | ,,");
    let message = error("a,b\n1,x\n1,x\n2,3,4\n3,z\n", &[]);
    assert!(message.contains("x.csv\", line 4: expected 2 columns, found 3: \"2,3,4\""), "{message}");
    assert_eq!(
        read("a,b\n1,x\n1,x\n2,3,4\n3,z\n", &[("strict_mode", NO)]),
        "a BIGINT, b VARCHAR | 1,x | 1,x | 2,3 | 3,z"
    );
    assert_eq!(read("a,b\n1,x\n2,y,\n", &[]), "a BIGINT, b VARCHAR | 1,x | 2,y");
}

#[test]
fn values_of_another_type_are_reported() {
    let many = "1,x\n".repeat(30_000);
    let content = format!("a,b\n{many}z,y\n3,z\n");
    let message = error(&content, &[]);
    assert!(
        message.contains("line 30002, column \"a\": could not convert \"z\" to BIGINT")
            && message.contains("sample_size=-1")
            && message.contains("ignore_errors=true"),
        "{message}"
    );
    assert_eq!(read(&content, &[("ignore_errors", YES)]).matches(" | ").count(), 30_001);
    assert!(read(&content, &[("sample_size", Scalar::Int(-1))]).starts_with("a VARCHAR, b VARCHAR"));
}

#[test]
fn text_that_is_not_utf8_is_reported() {
    let mut content = b"a,b\n".to_vec();
    content.extend_from_slice(&b"1,x\n".repeat(30_000));
    content.extend_from_slice(b"2,y\xffk\n3,z\n");
    let message = error(&content, &[]);
    assert!(message.contains("line 30002: text that is not UTF-8: \"2,y?k\""), "{message}");
    assert!(read(&content, &[("ignore_errors", YES)]).ends_with("1,x | 3,z"));
    assert_eq!(read(b"a,b\n1,\xff\n2,x\n", &[("ignore_errors", YES)]), "a BIGINT, b VARCHAR | 2,x");
}

#[test]
fn a_header_that_is_not_utf8_is_reported() {
    let message = error(b"n\xe9,b\n1,2\n", &[]);
    assert!(
        message.contains("line 1: the names of its columns are not UTF-8")
            && message.contains("encoding='latin-1'"),
        "{message}"
    );
    // Also where records may be left out: the names are for all of them.
    assert!(error(b"n\xe9,b\n1,2\n", &[("ignore_errors", YES)]).contains("the names of its columns"));
    let latin = [("encoding", text("latin-1"))];
    assert_eq!(read(b"n\xe9,b\n1,2\n", &latin), "n\u{e9} BIGINT, b BIGINT | 1,2");
    // Compressed in a way that nobody reads.
    assert!(error(b"\x78\x9c\x4b\xd4\x49\xd2\x49\xe6\x32\xd4\x49", &[]).contains("UTF-8"));
}

#[test]
fn quotes_that_do_not_end() {
    let opts = [("quote", text("\"")), ("header", YES), ("delim", text(","))];
    let message = error("a,b\n1,2\n\"x,2\n3,4\n", &opts);
    assert!(message.contains("line 3: a quote that is not closed: \"\"x,2\""), "{message}");
    let message = error("a,b\n\"x\"y,2\n3,4\n", &opts);
    assert!(message.contains("line 2: text behind a closing quote"), "{message}");
    let long = format!("a,b\n1,2\n\"x,{}\n", "y".repeat(9000));
    let mut limited = opts.to_vec();
    limited.extend([("max_line_size", Scalar::Int(5000)), ("buffer_size", Scalar::Int(1000))]);
    let message = error(&long, &limited);
    assert!(message.contains("line 3: a record is longer than 5000 bytes"), "{message}");
}

#[test]
fn compressed_files() {
    use std::io::Write;
    let dir = dir();
    let content = "a,b\n".to_string() + &"1,some text\n".repeat(100_000);
    let gz = dir.path().join("x.csv.gz");
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(content.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    fs::write(&gz, &packed).unwrap();
    let zst = dir.path().join("x.csv.zst");
    fs::write(&zst, zstd::encode_all(content.as_bytes(), 1).unwrap()).unwrap();
    for path in [&gz, &zst] {
        let source = crate::io::source_for_path(path.to_str().unwrap()).unwrap();
        assert_eq!(schema(&source), "a BIGINT, b VARCHAR");
        assert_eq!(rows(&source, 2).unwrap().len(), 100_000);
    }
    fs::write(&gz, &packed[..packed.len() - 5]).unwrap();
    let source = crate::io::source_for_path(gz.to_str().unwrap()).unwrap();
    let message = rows(&source, 2).unwrap_err().to_string();
    assert!(message.contains("x.csv.gz"), "{message}");
}

#[test]
fn several_files() {
    let dir = dir();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    fs::write(at("1.csv"), "a,b\n1,x\n").unwrap();
    fs::write(at("2.csv"), "b;a\ny;2\n").unwrap();
    let pattern = at("*.csv");
    let source = crate::io::source_for_path(&pattern).unwrap();
    assert_eq!(rows(&source, 1).unwrap(), [["1", "x"], ["2", "y"]]);
    fs::write(at("3.csv"), "a,c\n3.5,z\n").unwrap();
    let source = crate::io::source_for_path(&pattern).unwrap();
    let message = rows(&source, 1).unwrap_err().to_string();
    assert!(message.contains("3.csv\" has no column \"b\""), "{message}");
    let source = open("read_csv", &pattern, &[("union_by_name", YES)]).unwrap();
    assert_eq!(schema(&source), "a DOUBLE, b VARCHAR, c VARCHAR");
    assert_eq!(rows(&source, 1).unwrap(), [["1.0", "x", "␀"], ["2.0", "y", "␀"], ["3.5", "␀", "z"]]);
}

#[test]
fn files_that_are_none() {
    let dir = dir();
    let message = |path: &str| crate::io::source_for_path(path).unwrap_err().to_string();
    assert!(message(&format!("{}/none.csv", dir.path().display())).contains("no such file"));
    assert!(message(&format!("{}/*.csv", dir.path().display())).contains("no files found"));
    fs::create_dir(dir.path().join("d.csv")).unwrap();
    assert!(message(&format!("{}/d.csv", dir.path().display())).contains("is a directory"));
    assert!(message("https://example.com/x.csv").contains("only local files"));
}

/// A file made of rows of odd values, and what reading it should give.
fn tables() -> impl Strategy<Value = (usize, Vec<Vec<Option<String>>>)> {
    let value = prop_oneof![
        1 => Just(None),
        3 => "[a-z0-9 ,;\"'\n\r#\\\\üß|\t-]{0,20}".prop_map(Some),
        1 => "[a-z]{0,40}".prop_map(Some),
    ];
    (1_usize..5).prop_flat_map(move |width| {
        (Just(width), prop::collection::vec(prop::collection::vec(value.clone(), width), 0..30))
    })
}

/// The CSV text of a table: everything but NULL in quotes.
fn quoted(rows: &[Vec<Option<String>>], crlf: bool) -> String {
    let line = |row: &Vec<Option<String>>| {
        let cells: Vec<String> = row
            .iter()
            .map(|v| v.as_ref().map_or(String::new(), |v| format!("\"{}\"", v.replace('"', "\"\""))))
            .collect();
        cells.join(",") + if crlf { "\r\n" } else { "\n" }
    };
    rows.iter().map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the size of the chunks, the same rows come back.
    #[test]
    fn every_chunk_size_reads_the_same((width, table) in tables(), chunk in 1_i128..200, crlf: bool) {
        let header: Vec<String> = (0..width).map(|i| format!("c{i}")).collect();
        let content = header.join(",") + "\n" + &quoted(&table, crlf);
        let dir = dir();
        let path = dir.path().join("x.csv");
        fs::write(&path, content).unwrap();
        let source = open("read_csv", path.to_str().unwrap(), &[
            ("buffer_size", Scalar::Int(chunk)), ("all_varchar", YES), ("header", YES), ("delim", text(",")),
            ("quote", text("\"")), ("escape", text("\"")), ("allow_quoted_nulls", NO), ("comment", text("")),
            ("max_line_size", Scalar::Int(2000)),
        ]).unwrap();
        let expected: Vec<Vec<String>> = table
            .iter()
            .map(|row| row.iter().map(|v| v.clone().unwrap_or_else(|| "␀".into())).collect())
            .collect();
        prop_assert_eq!(rows(&source, 2).unwrap(), expected);
    }

    /// No bytes make the reader panic, and chunks do not change what it says.
    #[test]
    fn any_bytes_are_read_or_refused(
        content in prop::collection::vec(prop_oneof![
            4 => Just(b','), 4 => Just(b'\n'), 4 => Just(b'"'), 2 => Just(b'\r'), 2 => Just(b'\''),
            1 => Just(b'\\'), 2 => Just(b'#'), 2 => Just(b' '), 6 => Just(b'1'), 4 => Just(b'x'),
            1 => Just(b'\t'), 1 => Just(b';'), 1 => proptest::num::u8::ANY,
        ], 0..200),
        chunk in 1_i128..50, ignore: bool, strict: bool,
    ) {
        let options = [("ignore_errors", Scalar::Boolean(ignore)), ("strict_mode", Scalar::Boolean(strict))];
        let whole = try_read(&content, &options).map_err(|e| e.to_string());
        let mut cut = options.to_vec();
        cut.push(("buffer_size", Scalar::Int(chunk)));
        let pieces = try_read(&content, &cut).map_err(|e| e.to_string());
        match (whole, pieces) {
            (Ok(a), Ok(b)) => prop_assert_eq!(a, b),
            (Err(_), Err(_)) => {}
            (a, b) => prop_assert!(false, "{a:?} {b:?}"),
        }
    }
}
