//! Finds whether the values of a chunk are those of several series in turn, and how many these are: then a value is nearer
//! to the one a round before than to its neighbour. The blocks decide by their size whether they make use of it.

/// Values in a row that are looked at.
const WINDOW: usize = 2048;
/// So many of them are compared with all those before.
const SAMPLE: usize = 32;
/// And so many more with the one that was found.
const CHECK: usize = 64;
/// The most series.
const LAG_MAX: usize = 1024;
/// The lag of chunks of which all blocks are to have one.
pub(super) const FORCED: usize = 3;
/// Fewer values are not looked at.
const VALUES_MIN: usize = 256;

/// The lag after which values come closest to themselves, if that is much closer than others are to each other. `unit` is
/// the least difference that means something; `None`, if it is to be found out.
pub(super) fn find(count: usize, unit: Option<f64>, value: impl Fn(usize) -> f64) -> Option<usize> {
    if count < VALUES_MIN {
        return None;
    }
    let rows = count.min(WINDOW);
    let first = (count - rows) / 2;
    let window: Vec<f64> = (first..first + rows).map(value).collect();
    let per_unit = unit.or_else(|| least_difference(&window))?.recip();
    let most = LAG_MAX.min(rows / 2);
    // Positions from which one can go back that far.
    let position = |i: usize, of: usize| most + i * (rows - most - 1) / (of - 1);
    let mut costs = vec![0; most + 1];
    for at in (0..SAMPLE).map(|i| position(i, SAMPLE)) {
        let before = window[at - most..at].iter().rev();
        costs[1..]
            .iter_mut()
            .zip(before)
            .for_each(|(cost, before)| *cost += bits(window[at] - before, per_unit));
    }
    let middle = *costs[1..].to_vec().select_nth_unstable(most / 2).1;
    let best = (2..=most).min_by_key(|lag| costs[*lag])?;
    // Several rounds are about as good as one.
    let enough = costs[best] + middle.saturating_sub(costs[best]) / 4;
    let lag = (2..=best).find(|lag| best % lag == 0 && costs[*lag] <= enough)?;
    let (cost, neighbour) = (costs[lag], costs[1]);
    let sample = SAMPLE as u32;
    let is_close = cost + sample * 3 / 2 <= middle && cost + sample / 2 <= neighbour;
    let is_same = cost == 0 && middle >= sample / 8 && neighbour >= sample / 8;
    if !is_close && !is_same {
        return None;
    }
    let checked: u32 =
        (0..CHECK).map(|i| position(i, CHECK)).map(|at| bits(window[at] - window[at - lag], per_unit)).sum();
    let wanted = if is_close { middle - sample } else { middle / 2 };
    (checked * sample <= wanted * CHECK as u32).then_some(lag)
}

/// About how many bits a difference takes.
#[inline(always)]
fn bits(difference: f64, per_unit: f64) -> u32 {
    // The exponent is that of the number of units.
    let exponent = ((difference.abs() * per_unit + 1.0).to_bits() >> 52) as u32;
    exponent - 1023
}

/// The least difference between any two values that are not equal.
fn least_difference(values: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let differences = sorted.array_windows().map(|[a, b]| b - a).filter(|d| *d > 0.0);
    differences.min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, StringViewArray};

    use super::*;
    use crate::column::conformance::{flat, options, place};
    use crate::column::layout::BLOCK_ROWS;
    use crate::column::types::LogicalType;
    use crate::column::{ChunkReader, encode_chunk};

    fn random(i: usize) -> u64 {
        let x = (i as u64).wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (x ^ x >> 29).wrapping_mul(0x94D0_49BB_1331_11EB) >> 20
    }

    fn found(count: usize, value: impl Fn(usize) -> f64) -> Option<usize> {
        find(count, Some(1.0), value)
    }

    #[test]
    fn series_in_turn_are_found() {
        for series in [2, 3, 10, 100, 777, 1000] {
            let walk = |i: usize| (random(i % series) % 10_000 + i as u64 / series as u64) as f64;
            assert_eq!(found(100_000, walk), Some(series), "{series}");
            assert_eq!(found(100_000, |i| (random(i % series) % 100) as f64), Some(series), "{series}");
        }
        let cents = |i: usize| (random(i % 50) % 10_000 + random(i) % 100) as f64 / 100.0;
        assert_eq!(find(5000, None, cents), Some(50));
        // Nearly all of few values, too.
        assert_eq!(found(5000, |i| (random(i % 60) % 2) as f64), Some(60));
    }

    #[test]
    fn others_are_not() {
        assert_eq!(found(100_000, |i| (random(i) % 1_000_000) as f64), None);
        assert_eq!(found(100_000, |i| (random(i) % 2) as f64), None);
        assert_eq!(found(100_000, |i| i as f64), None);
        assert_eq!(found(100_000, |i| (i / 100) as f64), None);
        assert_eq!(found(100_000, |_| 7.0), None);
        assert_eq!(find(100_000, None, |i| f64::from_bits(random(i))), None);
        assert_eq!(find(100_000, None, |_| f64::NAN), None);
        assert_eq!(find(100_000, None, |i| [f64::INFINITY, f64::NEG_INFINITY, f64::NAN][i % 3]), None);
        assert_eq!(found(100_000, |i| (random(i / 300) % 1000) as f64), None);
        assert_eq!(found(10, |i| (i % 2) as f64), None);
    }

    /// Bits a row of a chunk, which comes back as it was.
    fn bits_a_row(array: &ArrayRef, ty: &LogicalType) -> f64 {
        let encoded = encode_chunk(array, ty, &options(None, BLOCK_ROWS)).unwrap();
        let bits = encoded.bytes.len() as f64 * 8.0 / array.len() as f64;
        let place = place();
        let read = ChunkReader::open(encoded.bytes.into(), ty, place).unwrap().read_all().unwrap();
        assert_eq!(&flat(&read), array);
        bits
    }

    #[test]
    fn columns_of_series_in_turn_are_small() {
        let rows = 40_000;
        let mut series: Vec<i64> = (0..70).map(|i| i * 7919 % 10_000).collect();
        let walk = (0..rows).map(|i| {
            series[i % 70] += (random(i) % 16) as i64 - 8;
            series[i % 70] as f64 / 100.0
        });
        let walk: ArrayRef = Arc::new(walk.collect::<Float64Array>());
        let bits = bits_a_row(&walk, &LogicalType::Double);
        assert!((4.0..6.0).contains(&bits), "{bits} bits");
        let host = |i: usize| format!("host number {}", random(i % 70) % 5000);
        let hosts: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..rows).map(host)));
        let bits = bits_a_row(&hosts, &LogicalType::Varchar);
        assert!(bits < 1.2, "{bits} bits");
    }
}
