//! `equi_width_bins`: the upper ends of bins of one width between two values, exact or at numbers and times that read
//! well.

use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, TimestampMicrosecondArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_ord::ord::make_comparator;
use arrow_schema::SortOptions;

use super::kernel::{Bool, Column, Nulls, list_end, nulls_of};
use super::registry::{Registry, Resolution, def};
use super::{ArgInfo, ScalarKernel};
use crate::column::types::{LogicalType, TIMESTAMP};
use crate::exec::aggregates::other_bin;
use crate::exec::calendar::*;
use crate::exec::cast::cast;
use crate::exec::cast::nested::list_array;
use crate::exec::error::{ExecError, Result};

/// No more bins than this.
const MAX_BINS: i64 = 1_000_000;

/// Whole numbers are cut in thousandths, so that their rounding does not move the ends.
const PARTS: i128 = 1_000;

fn invalid(message: &str) -> ExecError {
    ExecError::InvalidInput(message.into())
}

/// The multiples that steps and ends are rounded to: of a power of ten below the step twice and once, or five and ten
/// times that where the step is long enough.
fn divisors<N: Copy + PartialOrd + std::ops::Mul<Output = N>>(
    step: N,
    power: N,
    [two, three, five]: [N; 3],
) -> (N, N) {
    let even = if power * three <= step { power * two * five } else { power * two };
    let odd = if power * two <= step { power * five } else { power };
    (even, odd)
}

/// A step as a number that reads well.
fn nice_whole(step: i128) -> i128 {
    let mut power = 1;
    while power < step {
        power *= 10;
    }
    power /= 10;
    let (even, odd) = divisors(step, power, [2, 3, 5]);
    if odd == 0 {
        return 0;
    }
    let round = |to: i128| (step + to / 2) / to * to;
    let (a, b) = (round(even), round(odd));
    if (step - a).abs() < (step - b).abs() { a } else { b }
}

fn power_below(step: f64) -> f64 {
    let mut power = 1.0;
    if step < 1.0 {
        while power > step {
            power /= 10.0;
        }
        return power;
    }
    while power < step {
        power *= 10.0;
    }
    power / 10.0
}

fn nice_float(step: f64) -> f64 {
    let (even, odd) = divisors(step, power_below(step), [2.0, 3.0, 5.0]);
    let round = |to: f64| Some((step / to).round() * to).filter(|v| v.is_finite()).unwrap_or(step);
    let (a, b) = (round(even), round(odd));
    if (step - a).abs() < (step - b).abs() { a } else { b }
}

/// The ends from the last to the first.
fn whole_ends(low: i64, high: i64, bins: i64, nice: bool) -> Vec<i64> {
    let (min, mut max) = (i128::from(low) * PARTS, i128::from(high) * PARTS);
    let mut step = (max - min) / i128::from(bins);
    let mut most = bins as usize;
    if nice {
        let nicer = nice_whole(step);
        if nicer != 0 {
            let end = (max + nicer - 1).div_euclid(nicer) * nicer;
            if end != min {
                (max, step) = (end, nicer);
            }
        }
        most *= 2;
    }
    let mut ends: Vec<i64> = vec![];
    let mut at = max;
    while at > min {
        let end = (at / PARTS).clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        if ends.last() != Some(&end) {
            if !ends.is_empty() && (end < low || ends.len() >= most) {
                break;
            }
            ends.push(end);
        }
        if step == 0 {
            break;
        }
        at -= step;
    }
    ends
}

fn float_ends(low: f64, high: f64, bins: i64, nice: bool) -> Result<Vec<f64>> {
    if !low.is_finite() || !high.is_finite() {
        return Err(invalid("equi_width_bucket does not support infinite or nan as min/max value"));
    }
    let n = bins as f64;
    let span = high - low;
    let mut step = if span.is_finite() { span / n } else { high / n - low / n };
    if step <= 0.0 {
        return Ok(vec![high]);
    }
    let digits = 10.0 / power_below(step);
    let (mut at, mut most) = (high, bins as usize);
    if nice {
        step = nice_float(step);
        let end = (high / step).ceil() * step;
        at = if end.is_finite() { end } else { high };
        most *= 2;
    }
    let mut ends: Vec<f64> = vec![];
    while at > low {
        // Differences of floats end in digits that nobody wants to see.
        let end = if nice { (at * digits).round() / digits } else { at };
        if ends.last() != Some(&end) {
            if end <= low || ends.len() >= most {
                break;
            }
            ends.push(end);
        }
        if at - step == at {
            break;
        }
        at -= step;
    }
    Ok(ends)
}

/// A step of time: months, days and microseconds.
type Step = (i32, i32, i64);

/// A step in units that are fit for its length.
fn nice_step((months, days, micros): Step) -> Step {
    const SECOND: i64 = MICROS_PER_SECOND;
    let round = |to: i64| (micros + to / 2) / to * to;
    if months >= 6 {
        return (months, 0, 0);
    }
    if months > 0 || days >= 5 {
        return (months, days, 0);
    }
    let micros = if days > 0 || micros >= 6 * MICROS_PER_HOUR {
        round(MICROS_PER_HOUR)
    } else if micros >= MICROS_PER_HOUR {
        round(15 * MICROS_PER_MINUTE)
    } else if micros >= 10 * MICROS_PER_MINUTE {
        round(MICROS_PER_MINUTE)
    } else if micros >= MICROS_PER_MINUTE {
        round(15 * SECOND)
    } else if micros >= 10 * SECOND {
        round(SECOND)
    } else {
        micros
    };
    (months, days, micros)
}

/// The end of the month, day, hour, … that a time is in, by the length of the step.
fn nice_end(time: i64, (months, days, micros): Step) -> i64 {
    let (date, clock) = split_timestamp(time);
    if months >= 12 {
        let (y, m, d) = civil_from_days(date);
        if d == 1 && clock == 0 {
            return time;
        }
        let (y, m) = if m == 12 { (y + 1, 1) } else { (y, m + 1) };
        return days_from_civil(y, m, 1).map_or(time, |d| i64::from(d) * MICROS_PER_DAY);
    }
    let unit = if months > 0 || days >= 1 {
        MICROS_PER_DAY
    } else if micros >= MICROS_PER_HOUR {
        MICROS_PER_HOUR
    } else if micros >= MICROS_PER_MINUTE {
        MICROS_PER_MINUTE
    } else if micros >= MICROS_PER_SECOND {
        MICROS_PER_SECOND
    } else {
        1
    };
    time + (unit - time.rem_euclid(unit)) % unit
}

fn time_ends(low: i64, high: i64, bins: i64, nice: bool) -> Result<Vec<i64>> {
    if !timestamp_is_finite(low) || !timestamp_is_finite(high) {
        return Err(invalid("equi_width_bucket does not support infinite or nan as min/max value"));
    }
    if !nice {
        return Ok(whole_ends(low, high, bins, false));
    }
    // What months, days and the clock differ by, each cut into steps; what is left of a step of one unit goes to the
    // next smaller.
    let ((from, from_clock), (to, to_clock)) = (split_timestamp(low), split_timestamp(high));
    let ((y0, m0, d0), (y1, m1, d1)) = (civil_from_days(from), civil_from_days(to));
    let n = bins as f64;
    let months = f64::from((y1 - y0) * 12 + (m1 as i32 - m0 as i32)) / n;
    let mut days = f64::from(d1 as i32 - d0 as i32) / n;
    let mut micros = (to_clock - from_clock) as f64 / n;
    if months > 0.0 {
        days += months.fract() * 30.0;
    }
    if days > 0.0 {
        micros += days.fract() * MICROS_PER_DAY as f64;
    }
    let mut step = nice_step((months as i32, days as i32, micros as i64));
    let mut at = nice_end(high, step);
    if step.0 <= 0 && step.1 <= 0 && step.2 <= 0 {
        step = (0, 0, 1);
    }
    let mut ends = vec![];
    while at >= low && (ends.len() as i64) < bins {
        ends.push(at);
        let Some(before) = add_interval(at, -step.0, -step.1, -step.2 * NANOS_PER_MICRO) else { break };
        at = before;
    }
    Ok(ends)
}

/// The ends of all rows, in the type that they are computed in.
fn bins(args: &[ArrayRef], ty: &LogicalType, rows: usize) -> Result<(OffsetBuffer<i32>, ArrayRef)> {
    let counts = Column::<Int64Type>::open(args, 2, rows)?;
    let nice = Column::<Bool>::open(args, 3, rows)?;
    let nulls = nulls_of(args, rows);
    let is_null = |row| matches!(&nulls, Nulls::Some(n) if n.is_null(row)) || matches!(nulls, Nulls::All);
    let mut ends = vec![0];
    let mut each = |push: &mut dyn FnMut(usize, i64, bool) -> Result<usize>| -> Result<()> {
        for row in 0..rows {
            let mut end = ends[row] as usize;
            if !is_null(row) {
                let n = counts.get(row);
                if n < 1 {
                    return Err(invalid("Invalid input for bin function - there must be > 0 bins"));
                }
                if n > MAX_BINS {
                    return Err(invalid(
                        "Invalid input for bin function - max bin count of 1000000 exceeded",
                    ));
                }
                end = push(row, n, nice.get(row))?;
            }
            ends.push(list_end(end)?);
        }
        Ok(())
    };
    let smaller = || invalid("Invalid input for bin function - max value is smaller than min value");
    macro_rules! collect {
        ($native:ty, $array:ty, $ends:expr) => {{
            let low = Column::<$native>::open(args, 0, rows)?;
            let high = Column::<$native>::open(args, 1, rows)?;
            let mut all = vec![];
            each(&mut |row, n, nice| {
                let (low, high) = (low.get(row), high.get(row));
                if high < low {
                    return Err(smaller());
                }
                // Where there is nothing between them one bin is enough.
                let mut found = if low == high { vec![high] } else { $ends(low, high, n, nice)? };
                found.reverse();
                all.extend(found);
                Ok(all.len())
            })?;
            Arc::new(<$array>::from(all)) as ArrayRef
        }};
    }
    let values = match ty {
        LogicalType::BigInt => {
            let of = |low, high, n, nice| Ok::<_, ExecError>(whole_ends(low, high, n, nice));
            collect!(Int64Type, Int64Array, of)
        }
        LogicalType::Double => collect!(Float64Type, Float64Array, float_ends),
        _ => collect!(TimestampMicrosecondType, TimestampMicrosecondArray, time_ends),
    };
    Ok((OffsetBuffer::new(ends.into()), values))
}

/// Computed in the widest type of its kind; the ends are of the type of the greatest value.
fn choose(args: &[ArgInfo]) -> Option<Result<Resolution, String>> {
    use LogicalType as T;
    let [low, high, ..] = args else { return None };
    let whole = |t: &T| t.is_integer() && !matches!(t, T::HugeInt | T::UHugeInt | T::UBigInt);
    let moment = |t: &T| matches!(t, T::Date | T::Timestamp(_));
    let (ty, item) = match (&low.ty, &high.ty) {
        (a, b) if whole(a) && whole(b) => (T::BigInt, b.clone()),
        (a, b) if a.is_numeric() && b.is_numeric() => {
            (T::Double, if matches!(b, T::Decimal { .. }) { T::Double } else { b.clone() })
        }
        (a, b) if moment(a) && moment(b) => (TIMESTAMP, b.clone()),
        (T::Null, b) if whole(b) => (T::BigInt, b.clone()),
        (a, T::Null) if whole(a) => (T::BigInt, a.clone()),
        (T::Null, b) if b.is_numeric() => (T::Double, T::Double),
        (a, T::Null) if a.is_numeric() => (T::Double, T::Double),
        (T::Null, b) if moment(b) => (TIMESTAMP, b.clone()),
        (a, T::Null) if moment(a) => (TIMESTAMP, a.clone()),
        (T::Null, T::Null) => (T::BigInt, T::BigInt),
        (a, _) => return Some(Err(format!("Unsupported type \"{a}\" for equi_width_bins"))),
    };
    if args.len() != 4 {
        return None;
    }
    let arg_types = vec![ty.clone(), ty.clone(), T::BigInt, T::Boolean];
    let return_type = T::List(Box::new(item.clone()));
    let kernel: ScalarKernel = Box::new(move |args, _, rows, _| {
        let (offsets, values) = bins(args, &ty, rows)?;
        let values = cast(&values, &ty, &item, false)?;
        let nulls = match nulls_of(args, rows) {
            Nulls::All => Some(NullBuffer::new_null(rows)),
            Nulls::None => None,
            Nulls::Some(n) => Some(n),
        };
        list_array(&item, offsets, values, nulls)
    });
    Some(Ok(Resolution { arg_types, return_type, kernel }))
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        def(
            "equi_width_bins",
            "Upper ends of bins of one width between two numbers or times, the last one at numbers that read well",
            "equi_width_bins(0, 10, 2, true)",
        )
        .custom(
            &[
                "(BIGINT, BIGINT, BIGINT, BOOLEAN) -> BIGINT[]",
                "(DOUBLE, DOUBLE, BIGINT, BOOLEAN) -> DOUBLE[]",
                "(TIMESTAMP, TIMESTAMP, BIGINT, BOOLEAN) -> TIMESTAMP[]",
            ],
            choose,
        ),
    );
    r.add(
        def(
            "is_histogram_other_bin",
            "Whether a value is the one under which histogram_exact counts all others",
            "is_histogram_other_bin(x)",
        )
        .custom(&["(ANY) -> BOOLEAN"], |args| {
            let [arg] = args else { return None };
            let ty = arg.ty.clone();
            let kernel: ScalarKernel = Box::new(move |args, _, _, _| {
                let (values, other) = (&args[0], other_bin(&ty)?);
                let is_other: Box<dyn Fn(usize) -> bool> = match &other {
                    Some(other) => {
                        let compare = make_comparator(values, other, SortOptions::default())?;
                        Box::new(move |row| compare(row, 0).is_eq())
                    }
                    None => Box::new(|_| false),
                };
                let nulls = values.logical_nulls();
                let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                let hits = (0..values.len()).map(|row| (!is_null(row)).then(|| is_other(row)));
                Ok(Arc::new(hits.collect::<BooleanArray>()))
            });
            Some(Ok(Resolution {
                arg_types: vec![arg.ty.clone()],
                return_type: LogicalType::Boolean,
                kernel,
            }))
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_read_well() {
        assert_eq!(whole_ends(42, 84, 2, true), [100, 80, 60]);
        assert_eq!(whole_ends(0, 10, 2, false), [10, 5]);
        assert_eq!(whole_ends(i64::MIN, i64::MAX, 2, false).len(), 2);
        assert_eq!(whole_ends(0, 3, 10, true), [3, 2, 1, 0]);
        assert_eq!(float_ends(0.0, 10.5, 3, true).unwrap(), [15.0, 10.0, 5.0]);
        assert_eq!(float_ends(0.0, f64::MAX, 1, true).unwrap().len(), 1);
        assert!(float_ends(0.0, f64::INFINITY, 1, true).is_err());
        assert!(time_ends(0, MICROS_PER_DAY, 5, true).unwrap().iter().all(|t| t % MICROS_PER_SECOND == 0));
    }
}
