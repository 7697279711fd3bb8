//! Parquet files of other writers, whole and damaged.

use std::fs;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::column::predicate::{CompareOp, Predicate};
use crate::column::scalar::Scalar;
use crate::exec::source::{ColumnPredicate, Source};
use crate::io::testing::{batches, context, open, rows, schema};

/// A file of `n` rows in row groups of `group`.
fn numbers(n: i64, group: usize) -> Vec<u8> {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..n));
    let names: ArrayRef = Arc::new(StringArray::from_iter(
        (0..n).map(|i| (i % 7 != 0).then(|| format!("a name that is rather long {i}"))),
    ));
    let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut out = vec![];
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    out
}

fn source_of(bytes: &[u8]) -> (tempfile::TempDir, crate::exec::error::Result<Arc<dyn Source>>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    fs::write(&path, bytes).unwrap();
    let source = crate::io::source_for_path(path.to_str().unwrap());
    (dir, source)
}

#[test]
fn row_groups_in_order() {
    let (_dir, source) = source_of(&numbers(10_000, 999));
    let source = source.unwrap();
    assert_eq!(schema(&source), "id BIGINT, name VARCHAR");
    assert_eq!(source.estimated_rows(), Some(10_000));
    let all = rows(&source, 3).unwrap();
    assert_eq!(all.len(), 10_000);
    for (i, row) in all.iter().enumerate() {
        assert_eq!(row[0], i.to_string());
        assert_eq!(row[1] == "␀", i % 7 == 0);
    }
}

#[test]
fn large_row_groups_are_cut() {
    let (_dir, source) = source_of(&numbers(400_000, 1 << 20));
    let source = source.unwrap();
    let scan = source.scan(&[0], &[], &context(4)).unwrap();
    let mut morsels = 0;
    let mut next = 0;
    while let Some(morsel) = scan.next_morsel().unwrap() {
        assert_eq!(morsel.sequence, morsels);
        morsels += 1;
        for batch in morsel.batches {
            let batch = batch.unwrap();
            for i in 0..batch.rows {
                assert_eq!(
                    crate::column::scalar::Scalar::from_array(&batch.columns[0], i, &source.schema()[0].ty),
                    Scalar::Int(next)
                );
                next += 1;
            }
        }
    }
    assert_eq!((morsels, next), (3, 400_000));
}

#[test]
fn counting_decodes_nothing() {
    let (_dir, source) = source_of(&numbers(10_000, 999));
    let found = batches(&source.unwrap(), &[], 2).unwrap();
    assert_eq!(found.iter().map(|b| b.rows).sum::<usize>(), 10_000);
    assert!(found.iter().all(|b| b.columns.is_empty()));
}

#[test]
fn statistics_skip_row_groups() {
    let (_dir, source) = source_of(&numbers(10_000, 1000));
    let source = source.unwrap();
    let count = |op, value: Scalar, column| {
        let predicate = ColumnPredicate { column, predicate: Predicate { op, value } };
        let scan = source.scan(&[0], &[predicate], &context(1)).unwrap();
        let mut n = 0;
        while scan.next_morsel().unwrap().is_some() {
            n += 1;
        }
        n
    };
    assert_eq!(count(CompareOp::Eq, Scalar::Int(5000), 0), 1);
    assert_eq!(count(CompareOp::Lt, Scalar::Int(1000), 0), 1);
    assert_eq!(count(CompareOp::LtEq, Scalar::Int(1000), 0), 2);
    assert_eq!(count(CompareOp::Gt, Scalar::Int(8999), 0), 1);
    assert_eq!(count(CompareOp::GtEq, Scalar::Int(8999), 0), 2);
    assert_eq!(count(CompareOp::Eq, Scalar::Int(-1), 0), 0);
    assert_eq!(count(CompareOp::Eq, Scalar::text("b"), 1), 0);
    assert_eq!(count(CompareOp::Eq, Scalar::text("a name that is rather long 77"), 1), 2);
    assert_eq!(count(CompareOp::NotDistinctFrom, Scalar::Null, 0), 0);
    assert_eq!(count(CompareOp::NotDistinctFrom, Scalar::Null, 1), 10);
}

#[test]
fn truncated_files_are_refused() {
    let bytes = numbers(30, 20);
    for len in 0..bytes.len() {
        let (_dir, source) = source_of(&bytes[..len]);
        let error = match source {
            Ok(source) => rows(&source, 1).unwrap_err(),
            Err(e) => e,
        };
        assert!(error.to_string().contains("x.parquet"), "{len}: {error}");
    }
}

/// Bits flipped anywhere give an error or other values, never a panic.
#[test]
fn damaged_files_do_not_panic() {
    let bytes = numbers(30, 20);
    for at in (0..bytes.len()).step_by(2) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let (_dir, source) = source_of(&damaged);
        if let Ok(source) = source {
            let _either = batches(&source, &[0, 1], 1);
        }
    }
}

#[test]
fn files_of_different_columns() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, columns: &[(&str, ArrayRef)]| {
        let batch = RecordBatch::try_from_iter(columns.iter().map(|(n, c)| (*n, c.clone()))).unwrap();
        let file = fs::File::create(dir.path().join(name)).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    };
    let ints = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    let texts = || Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef;
    write("1.parquet", &[("a", ints()), ("b", texts())]);
    write("2.parquet", &[("b", texts()), ("a", ints())]);
    let pattern = format!("{}/*.parquet", dir.path().display());
    let source = crate::io::source_for_path(&pattern).unwrap();
    assert_eq!(rows(&source, 2).unwrap(), [["1", "x"], ["2", "y"], ["1", "x"], ["2", "y"]]);
    write("3.parquet", &[("a", texts()), ("c", ints())]);
    let source = crate::io::source_for_path(&pattern).unwrap();
    let error = rows(&source, 2).unwrap_err().to_string();
    assert!(error.contains("3.parquet"), "{error}");
    let source = open("read_parquet", &pattern, &[("union_by_name", Scalar::Boolean(true))]).unwrap();
    assert_eq!(schema(&source), "a VARCHAR, b VARCHAR, c BIGINT");
    assert_eq!(rows(&source, 2).unwrap()[4], ["x", "␀", "1"]);
}

#[test]
fn bloom_filters_skip_row_groups() {
    // Values lie far apart in each row group, so bounds tell nothing.
    let number = |i: i64| (i * 7_919) % 10_007;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..4_000).map(|i| number(i) * 2)));
    let names: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..4_000).map(|i| format!("n{}", number(i)))));
    let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(1_000))
        .set_bloom_filter_enabled(true)
        .build();
    let mut bytes = vec![];
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let (_dir, source) = source_of(&bytes);
    let source = source.unwrap();
    let skipped = |column: usize, op: CompareOp, value: Scalar| {
        let context = context(1);
        let predicate = ColumnPredicate { column, predicate: Predicate { op, value } };
        let scan = source.scan(&[0, 1], &[predicate], &context).unwrap();
        let mut rows = 0;
        while let Some(morsel) = scan.next_morsel().unwrap() {
            rows += morsel.batches.map(|batch| batch.unwrap().rows).sum::<usize>();
        }
        (rows, context.counters.row_groups_skipped.load(std::sync::atomic::Ordering::Relaxed))
    };
    // Odd numbers are nowhere; one of a hundred may seem to be.
    let nowhere = skipped(0, CompareOp::Eq, Scalar::Int(4_001));
    assert!(nowhere.1 >= 3, "{nowhere:?}");
    for i in [0, 1_500, 3_999] {
        let (rows, groups) = skipped(0, CompareOp::Eq, Scalar::Int((number(i) * 2).into()));
        assert!(rows >= 1_000 && groups >= 2, "{rows} {groups}");
        let (rows, groups) = skipped(1, CompareOp::NotDistinctFrom, Scalar::text(format!("n{}", number(i))));
        assert!(rows >= 1_000 && groups >= 2, "{rows} {groups}");
    }
    assert_eq!(skipped(0, CompareOp::Gt, Scalar::Int(4_001)), (4_000, 0));
}

#[test]
fn page_indexes_skip_pages() {
    let n = 40_000_i64;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..n));
    let names: ArrayRef = Arc::new(StringArray::from_iter(
        (0..n).map(|i| (!(10_000..12_000).contains(&i)).then(|| format!("name {:05}", i * 7 % n))),
    ));
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values((0..n).map(|i| i as f64 / 2.0)));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>((0..n).map(|i| Some(vec![Some(i), None])));
    let lists: ArrayRef = Arc::new(lists);
    let batch = RecordBatch::try_from_iter([("id", ids), ("name", names), ("half", floats), ("list", lists)])
        .unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(25_000))
        .set_data_page_row_count_limit(1_000)
        .set_write_batch_size(500)
        .set_dictionary_enabled(false)
        .build();
    let mut bytes = vec![];
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let (_dir, source) = source_of(&bytes);
    let source = source.unwrap();
    // How many rows are read for conditions; all that meet them must be among these.
    let read = |conditions: &[(usize, CompareOp, Scalar)], wanted: &dyn Fn(i64) -> bool| {
        let predicates = conditions.iter().map(|(column, op, value)| {
            let predicate = Predicate { op: *op, value: value.clone() };
            ColumnPredicate { column: *column, predicate }
        });
        let predicates: Vec<_> = predicates.collect();
        let scan = source.scan(&[0, 1, 2, 3], &predicates, &context(1)).unwrap();
        let mut found = vec![];
        while let Some(morsel) = scan.next_morsel().unwrap() {
            for batch in morsel.batches {
                let batch = batch.unwrap();
                let (ids, halves) = (batch.columns[0].as_primitive::<Int64Type>(), &batch.columns[2]);
                let lists = batch.columns[3].as_list::<i32>();
                for row in 0..batch.rows {
                    let id = ids.value(row);
                    // Rows of all columns stay together.
                    assert_eq!(halves.as_primitive::<Float64Type>().value(row), id as f64 / 2.0);
                    assert_eq!(lists.value(row).as_primitive::<Int64Type>().value(0), id);
                    found.push(id);
                }
            }
        }
        assert!(found.is_sorted());
        assert!((0..n).filter(|i| wanted(*i)).all(|i| found.binary_search(&i).is_ok()));
        found.len()
    };
    use CompareOp::{Eq, Gt, Lt, NotDistinctFrom};
    assert_eq!(read(&[(0, Eq, Scalar::Int(17_300))], &|i| i == 17_300), 1_000);
    assert_eq!(
        read(&[(0, Gt, Scalar::Int(24_500)), (0, Lt, Scalar::Int(25_500))], &|i| i > 24_500 && i < 25_500),
        2_000
    );
    assert_eq!(
        read(&[(2, Gt, Scalar::Float(19_000.0))], &|i| i as f64 / 2.0 > 19_000.0),
        n as usize,
        "NaN may be anywhere"
    );
    assert_eq!(read(&[(1, NotDistinctFrom, Scalar::Null)], &|i| (10_000..12_000).contains(&i)), 2_000);
    assert_eq!(read(&[(0, Lt, Scalar::Int(2_500)), (2, Lt, Scalar::Float(700.0))], &|i| i < 1_400), 2_000);
    assert_eq!(read(&[(0, Gt, Scalar::Int(1_000)), (2, Lt, Scalar::Float(100.0))], &|_| false), 0);
    assert_eq!(read(&[], &|_| true), n as usize);
}

#[test]
fn what_files_say_of_themselves() {
    use crate::column::types::LogicalType;
    use crate::exec::source::TableFunctionArgs;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.parquet");
    let list = |function: &str| {
        let value = Scalar::text(path.to_str().unwrap());
        let args = TableFunctionArgs { positional: vec![(value, LogicalType::Varchar)], named: vec![] };
        rows(&crate::io::table_function(function, &args).unwrap()?, 1)
    };
    fs::write(&path, numbers(10_000, 4000)).unwrap();
    let files = list("parquet_file_metadata").unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0][2..4], ["10000", "3"]);
    let names: Vec<String> = list("parquet_schema").unwrap().iter().map(|row| row[1].clone()).collect();
    assert_eq!(names[1..], ["id", "name"]);
    let chunks = list("parquet_metadata").unwrap();
    assert_eq!(chunks.len(), 6);
    // The second row group: its number, then path, type, bounds, NULLs.
    assert_eq!(chunks[2][1], "1");
    assert_eq!(chunks[2][8..13], ["id", "INT64", "4000", "7999", "0"]);
    assert_eq!(chunks[3][12], "571");
    assert!(list("parquet_kv_metadata").is_ok());
    let whole = numbers(100, 100);
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    assert!(list("parquet_schema").unwrap_err().to_string().contains("not a valid Parquet file"));
}
