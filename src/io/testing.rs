//! Helpers of this room's tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use parking_lot::Mutex;

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::batch::Batch;
use crate::exec::cast::cast;
use crate::exec::context::{CancelToken, ExecContext};
use crate::exec::error::Result;
use crate::exec::source::{Source, TableFunctionArgs};

/// A context of this many threads.
pub(crate) fn context(threads: usize) -> Arc<ExecContext> {
    Arc::new(ExecContext::new(threads, 1 << 30, CancelToken::default()))
}

/// Text, as an argument.
pub(crate) fn text(value: &str) -> Scalar {
    Scalar::text(value)
}

/// A table function over one path, with options.
pub(crate) fn open(function: &str, path: &str, options: &[(&str, Scalar)]) -> Result<Arc<dyn Source>> {
    let args = TableFunctionArgs {
        positional: vec![(text(path), LogicalType::Varchar)],
        named: options.iter().map(|(n, v)| ((*n).to_string(), v.clone(), LogicalType::Varchar)).collect(),
    };
    crate::io::table_function(function, &args).expect("a table function")
}

/// All batches of some columns, in order, drained by this many threads.
pub(crate) fn batches(source: &Arc<dyn Source>, columns: &[usize], threads: usize) -> Result<Vec<Batch>> {
    let scan = source.scan(columns, &[], &context(threads))?;
    let found = Mutex::new(BTreeMap::new());
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let run = || -> Result<()> {
                    while let Some(morsel) = scan.next_morsel()? {
                        let batches = morsel.batches.collect::<Result<Vec<_>>>()?;
                        assert!(found.lock().insert(morsel.sequence, batches).is_none());
                    }
                    Ok(())
                };
                if let Err(e) = run() {
                    failed.lock().get_or_insert(e);
                }
            });
        }
    });
    match failed.into_inner() {
        Some(e) => Err(e),
        None => {
            let found = found.into_inner();
            assert!(found.keys().copied().eq(0..found.len() as u64), "sequences without gaps");
            Ok(found.into_values().flatten().collect())
        }
    }
}

/// A column as text; NULL as a sign that no file has.
pub(crate) fn show(array: &ArrayRef, ty: &LogicalType) -> Vec<String> {
    let texts = cast(array, ty, &LogicalType::Varchar, false).unwrap();
    texts.as_string_view().iter().map(|v| v.unwrap_or("␀").to_string()).collect()
}

/// All rows as text.
pub(crate) fn rows(source: &Arc<dyn Source>, threads: usize) -> Result<Vec<Vec<String>>> {
    let columns: Vec<usize> = (0..source.schema().len()).collect();
    let mut out = vec![];
    for batch in batches(source, &columns, threads)? {
        for (column, field) in batch.columns.iter().zip(source.schema().iter()) {
            assert_eq!(column.len(), batch.rows);
            assert_eq!(*column.data_type(), field.ty.arrow(), "{}", field.name);
            column.to_data().validate_full().unwrap();
        }
        let shown: Vec<Vec<String>> =
            batch.columns.iter().zip(source.schema().iter()).map(|(c, f)| show(c, &f.ty)).collect();
        for row in 0..batch.rows {
            out.push(shown.iter().map(|c| c[row].clone()).collect());
        }
    }
    Ok(out)
}

/// `name TYPE, name TYPE`.
pub(crate) fn schema(source: &Arc<dyn Source>) -> String {
    let shown: Vec<String> = source.schema().iter().map(|f| format!("{} {}", f.name, f.ty)).collect();
    shown.join(", ")
}
