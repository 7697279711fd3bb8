use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Int32Array, NullArray,
    StringViewArray, StructArray,
};

use super::*;
use crate::exec::context::CancelToken;
use crate::pager::MemoryFile;
use crate::pager::fault::{Fault, FaultFile, FaultPlan};

fn context(file: Arc<dyn crate::pager::File>, limit: u64) -> Arc<ExecContext> {
    let mut context = ExecContext::new(1, 1 << 30, CancelToken::default());
    context.temp = TempSpace::of_file(file, limit);
    Arc::new(context)
}

fn columns() -> Vec<ArrayRef> {
    let rows = 100;
    let long = |i: i32| format!("a text of more than twelve bytes, number {i}");
    let texts: StringViewArray =
        (0..rows).map(|i| (i % 3 > 0).then(|| if i % 2 == 0 { "short".into() } else { long(i) })).collect();
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for i in 0..rows {
        for j in 0..i % 4 {
            lists.values().append_value(long(j));
        }
        lists.append(i % 5 > 0);
    }
    let numbers: ArrayRef = Arc::new((0..rows).map(|i| (i % 7 > 0).then_some(i)).collect::<Int32Array>());
    let wide = Decimal128Array::from_iter_values((0..i128::from(rows)).map(|i| i << 90));
    let wide = wide.with_precision_and_scale(38, 2).unwrap();
    let uuids = FixedSizeBinaryArray::try_from_iter((0..rows).map(|i| [i as u8; 16])).unwrap();
    let fields = StructArray::from(vec![(
        Arc::new(arrow_schema::Field::new("a", DataType::Int32, true)),
        numbers.clone(),
    )]);
    vec![
        Arc::new(texts),
        Arc::new(lists.finish()),
        numbers,
        Arc::new(wide),
        Arc::new(uuids),
        Arc::new(fields),
        Arc::new((0..rows).map(|i| (i % 4 > 0).then_some(i % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(NullArray::new(rows as usize)),
    ]
}

#[test]
fn what_is_written_is_read_also_from_the_middle_of_arrays() {
    let context = context(Arc::new(MemoryFile::new()), u64::MAX);
    let spill = Spill::new(&context, 0);
    let whole = Batch::new(columns(), 100);
    for (from, len) in [(0, 100), (3, 50), (97, 3), (8, 0)] {
        let part = whole.slice(from, len);
        let chunk = spill.write(&part, 7).unwrap();
        let read = chunk.read().unwrap();
        assert_eq!((read.rows, chunk.tag), (len, 7));
        for (a, b) in part.columns.iter().zip(&read.columns) {
            assert_eq!(a, b);
        }
    }
    let texts = columns()[0].slice(0, 2);
    let dictionary =
        arrow_array::DictionaryArray::<arrow_array::types::UInt32Type>::new(vec![1u32, 0, 1].into(), texts);
    let read = spill.write(&Batch::new(vec![Arc::new(dictionary)], 3), 0).unwrap().read().unwrap();
    assert_eq!(read.columns[0].as_string_view().value(0), "a text of more than twelve bytes, number 1");
}

#[test]
fn rows_of_a_key_come_back_together_and_in_order() {
    let context = context(Arc::new(MemoryFile::new()), u64::MAX);
    let spill = Spill::new(&context, 0);
    let mut written = partition::Partitioner::new(&spill, 0);
    let hash = |i: i32| u64::from(i as u32 % 50).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for from in (0..100_000).step_by(1000) {
        let rows = from..from + 1000;
        let hashes: Vec<u64> = rows.clone().map(hash).collect();
        let column: ArrayRef = Arc::new(Int32Array::from_iter_values(rows));
        written.push(Batch::new(vec![column], 1000), &hashes, 0).unwrap();
    }
    written.flush().unwrap();
    let mut total = 0;
    for (p, part) in partition::merge([written.parts]).into_iter().enumerate() {
        let mut last = -1;
        for batch in partition::drain(part) {
            for &i in batch.unwrap().columns[0].as_primitive::<Int32Type>().values() {
                assert!(i > last);
                assert_eq!(partition::partition_of(hash(i), 0), p);
                last = i;
                total += 1;
            }
        }
    }
    assert_eq!(total, 100_000);
}

#[test]
fn a_full_disk_and_a_full_limit_are_errors_that_say_so() {
    let plan = FaultPlan::once(1, Fault::DiskFull);
    let full = context(Arc::new(FaultFile::new(&[], plan)), u64::MAX);
    let batch = Batch::new(columns(), 100);
    let error = Spill::new(&full, 0).write(&batch, 0).err().unwrap().to_string();
    assert!(error.contains("could not write a temporary file"), "{error}");
    let small = context(Arc::new(MemoryFile::new()), 1000);
    let error = Spill::new(&small, 0).write(&batch, 0).err().unwrap().to_string();
    assert!(error.contains("max_temp_directory_size"), "{error}");
}
