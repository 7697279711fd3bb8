//! What holds of each codec: however a stream is read, it is the same numbers.

use crate::column::codec::Stream;
use crate::column::codec::bits::Bits;
use crate::column::codec::int::{Span, decode_vec, filter, select};

/// The rows that are kept.
pub(super) fn every(count: usize, keeps: impl Fn(usize) -> bool) -> Vec<u16> {
    (0..count).filter(|row| keeps(*row)).map(|row| row as u16).collect()
}

/// Checks that a stream is these numbers: as a whole, some rows of it, those and others too, and those that pass conditions.
pub(super) fn read_in_all_ways(values: &[i64], stream: &[u8], rows: &[Vec<u16>]) {
    let stream = || Stream::parse(stream).unwrap();
    let count = values.len();
    let decoded = decode_vec::<u64>(stream(), count).unwrap();
    assert_eq!(decoded.iter().map(|v| *v as i64).collect::<Vec<_>>(), values);
    let backwards: Vec<u16> = every(count, |row| row % 7 == 2).into_iter().rev().collect();
    let others = [
        every(count, |_| true),
        every(count, |row| row % 3 != 1),
        every(count, |row| row % 64 == 63),
        every(count, |row| row + 3 > count),
        backwards,
        vec![],
    ];
    for rows in rows.iter().chain(&others) {
        let selected = select::<u64>(stream(), count, rows).unwrap();
        let expected: Vec<i64> = rows.iter().map(|row| values[usize::from(*row)]).collect();
        assert_eq!(selected.iter().map(|v| *v as i64).collect::<Vec<_>>(), expected);
    }
    let (first, middle) = (values[0], values[count / 2]);
    let widths = [0, 1, 50, u64::MAX >> 1, u64::MAX - 1, u64::MAX];
    for lo in [first, middle, first.wrapping_add(1), middle.wrapping_sub(30), 0, i64::MIN, i64::MAX] {
        for span in widths.map(|span| Span { lo: lo as u64, span }) {
            let mut bits = Bits::new(count);
            filter(stream(), count, span, &mut bits).unwrap();
            let bits = bits.finish();
            let wrong = decoded.iter().enumerate().find(|(row, v)| bits.value(*row) != span.test(**v));
            assert_eq!(wrong, None, "{span:?}");
        }
    }
}
