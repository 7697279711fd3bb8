//! Exponential moving averages.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array};

use super::fixed::{like, run, same, values_of};
use super::registry::{Chosen, Registry};
use super::{GroupStates, each_of};
use crate::column::types::LogicalType;
use crate::exec::error::{ExecError, Result};

/// The mean of some values in a row, the first of which counts as if all before it were like it.
#[derive(Clone, Copy, Default)]
struct State {
    mean: f64,
    first: f64,
    values: u64,
}

impl State {
    fn add(&mut self, value: f64, weight: f64) {
        if self.values == 0 {
            (self.first, self.mean) = (value, value);
        } else {
            self.mean += weight * (value - self.mean);
        }
        self.values += 1;
    }

    /// Adds later values: they push what was before them back, their own first stood for.
    fn merge(&mut self, later: &Self, weight: f64) {
        if self.values == 0 {
            *self = *later;
        } else if later.values > 0 {
            let left = (1.0 - weight).powf(later.values as f64);
            self.mean = later.mean + left * (self.mean - later.first);
            self.values += later.values;
        }
    }
}

/// The states of all groups.
#[derive(Default)]
struct Ema {
    states: Vec<State>,
    /// What a new value weighs.
    weight: Option<f64>,
}

impl Ema {
    fn read_weight(&mut self, args: &[ArrayRef]) -> Result<f64> {
        if let Some(weight) = self.weight {
            return Ok(weight);
        }
        let periods = args.get(1).and_then(|a| a.as_primitive_opt::<Int64Type>());
        match periods.and_then(|p| p.iter().next()) {
            // There are no rows to learn it from.
            None => Ok(1.0),
            Some(Some(n)) if n > 0 => Ok(*self.weight.insert(2.0 / (n as f64 + 1.0))),
            Some(_) => Err(ExecError::InvalidInput("ema takes a number of values greater than zero".into())),
        }
    }
}

impl GroupStates for Ema {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups.max(self.states.len()), State::default());
    }

    fn update(&mut self, args: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let weight = self.read_weight(args)?;
        let values = values_of::<Float64Type>(args, 0)?;
        for (i, group) in groups.iter().enumerate().filter(|(i, _)| values.is_valid(*i)) {
            self.states[*group as usize].add(values.value(i), weight);
        }
        Ok(())
    }

    fn update_single(&mut self, args: &[ArrayRef], rows: usize) -> Result<()> {
        self.resize(1);
        self.update(args, &vec![0; rows])
    }

    fn merge(&mut self, other: &mut dyn GroupStates, from: &[u32], to: &[u32]) -> Result<()> {
        let other = same::<Self>(other)?;
        self.weight = self.weight.or(other.weight);
        let weight = self.weight.unwrap_or(1.0);
        for (f, t) in from.iter().zip(to) {
            self.states[*t as usize].merge(&other.states[*f as usize], weight);
        }
        Ok(())
    }

    fn merge_ranges(&mut self, other: &dyn GroupStates, ranges: &[Range<u32>]) -> Result<bool> {
        let other = like::<Self>(other)?;
        self.weight = self.weight.or(other.weight);
        let weight = self.weight.unwrap_or(1.0);
        each_of(ranges, |group, from| self.states[group].merge(&other.states[from], weight));
        Ok(true)
    }

    fn update_running(&mut self, args: &[ArrayRef], rows: usize, starts: &[u32]) -> Result<bool> {
        let weight = self.read_weight(args)?;
        let values = values_of::<Float64Type>(args, 0)?;
        run(&mut self.states, rows, starts, |state, row| {
            if values.is_valid(row) {
                state.add(values.value(row), weight);
            }
        });
        Ok(true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let means = self.states.iter().map(|s| (s.values > 0).then_some(s.mean));
        Ok(Arc::new(means.collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        self.states.capacity() * size_of::<State>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

pub(super) fn register(r: &mut Registry) {
    r.add(
        "ema",
        &[],
        &["(DOUBLE, BIGINT) -> DOUBLE"],
        "Exponential moving average at the last row: each value weighs 2 / (n + 1), and all before it the rest",
        "ema(x, 5 ORDER BY t)",
        |args| {
            let [x, n] = args else { return None };
            if !x.ty.is_numeric() && x.ty != LogicalType::Null || !n.ty.is_integer() {
                return None;
            }
            let types = vec![LogicalType::Double, LogicalType::BigInt];
            Some(Chosen::new(types, LogicalType::Double, Box::new(|| Box::<Ema>::default())).ordered())
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_as_if_in_a_row() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let of = |values: &[f64]| {
            let mut state = State::default();
            values.iter().for_each(|v| state.add(*v, 0.4));
            state
        };
        for cut in 0..=values.len() {
            let mut state = of(&values[..cut]);
            state.merge(&of(&values[cut..]), 0.4);
            assert!((state.mean - of(&values).mean).abs() < 1e-12, "{cut}");
        }
    }
}
