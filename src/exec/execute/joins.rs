//! Pipelines of joins: the build side runs to its end, the probe side streams.

use std::sync::Arc;

use crate::exec::error::Result;
use crate::exec::execute::{Builder, nodes, read_columns, types_of};
use crate::exec::expr::Expr;
use crate::exec::hints::{Hint, HintKind, left_hints, right_hints};
use crate::exec::operators::join::{
    AsOf, AsOfProbe, BuildRequest, HashProbe, JoinShape, NestedLoop, Side, build_as_of, build_hash,
    build_rows, join_written, unmatched,
};
use crate::exec::pipeline::{Pipeline, SequenceSource};
use crate::exec::plan::{JoinKind, Plan};

/// A hash join without its inputs.
pub(super) struct HashJoin {
    pub(super) kind: JoinKind,
    pub(super) keys: Vec<(Expr, Expr)>,
    pub(super) residual: Option<Expr>,
    pub(super) null_equals_null: bool,
}

impl Builder {
    /// What a join reads of its inputs, from what is read of its output.
    fn join_shape(
        &self,
        left: &Plan,
        right: &Plan,
        kind: JoinKind,
        condition: Option<Expr>,
        wanted: Vec<bool>,
    ) -> (JoinShape, Vec<bool>, Vec<bool>) {
        let (left, right) = (types_of(left), types_of(right));
        let mut both = wanted.clone();
        if matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti | JoinKind::Mark) {
            both.truncate(left.len());
        } else if matches!(kind, JoinKind::RightSemi | JoinKind::RightAnti) {
            both.splice(0..0, vec![false; left.len()]);
        }
        both.resize(left.len() + right.len(), false);
        if let Some(condition) = &condition {
            read_columns(condition, &mut both);
        }
        let right_wanted = both.split_off(left.len());
        let shape = JoinShape {
            kind,
            left,
            right,
            condition: condition.map(Arc::new),
            wanted: wanted.into(),
            context: self.context.clone(),
        };
        (shape, both, right_wanted)
    }

    pub(super) fn hash_join(
        &self,
        id: usize,
        left: Plan,
        right: Plan,
        join: HashJoin,
        hints: Vec<Hint>,
        wanted: Vec<bool>,
    ) -> Result<Pipeline> {
        let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) = join.keys.into_iter().unzip();
        let (shape, mut left_wanted, right_wanted) =
            self.join_shape(&left, &right, join.kind, join.residual, wanted);
        let mut right_read = right_wanted.clone();
        for key in &right_keys {
            read_columns(key, &mut right_read);
        }
        for key in &left_keys {
            read_columns(key, &mut left_wanted);
        }
        let right_id = id + 1 + nodes(&left);
        let right_hints = right_hints(&hints, &shape);
        let pipeline = self.build(right, right_id, right_hints, right_read)?;
        let filters_left = shape.drops_unmatched_left() && !join.null_equals_null;
        let request = BuildRequest {
            keys: &right_keys,
            wanted: &right_wanted,
            null_equals_null: join.null_equals_null,
            track: shape.tracks_right(),
            asking: if filters_left { left.estimated_rows.unwrap_or(u64::MAX) } else { 0 },
        };
        let spill = self.spill(id);
        let build =
            match self.timed(id, || build_hash(pipeline, &shape.right, request, &left_keys, &spill))? {
                Side::Kept(build) => build,
                Side::Written(build) => {
                    let left = self.build(left, id + 1, left_hints(hints, &shape), left_wanted.clone())?;
                    let rows = self.timed(id, || join_written(shape, build, &left, &left_wanted, &spill))?;
                    return Ok(self.source(id, rows));
                }
            };
        if build.has_no_keys() && shape.drops_unmatched_left() && !shape.tracks_right() {
            return Ok(self.batches(id, vec![]));
        }
        let build = Arc::new(build);
        let mut hints = left_hints(hints, &shape);
        if filters_left {
            for (k, key) in left_keys.iter().enumerate() {
                if let Expr::Column { index, .. } = key {
                    let column = *index;
                    hints.extend(
                        build
                            .predicates(k)
                            .into_iter()
                            .map(|p| Hint { column, kind: HintKind::Predicate(p) }),
                    );
                    if build.knows_members(k) {
                        hints.push(Hint { column, kind: HintKind::Members(build.clone(), k) });
                    }
                }
            }
        }
        let column = |key: &Expr| match key {
            Expr::Column { index, .. } => Some(*index),
            _ => None,
        };
        if filters_left
            && build.knows_points()
            && let Some(columns) = left_keys.iter().map(column).collect::<Option<Vec<_>>>()
        {
            hints.push(Hint { column: columns[0], kind: HintKind::Points(build.clone(), columns) });
        }
        let pipeline = self.build(left, id + 1, hints, left_wanted)?;
        let probe = HashProbe::new(shape.clone(), build.clone(), left_keys, join.null_equals_null);
        let pipeline = self.stream(id, pipeline, Arc::new(probe));
        if !shape.tracks_right() {
            return Ok(pipeline);
        }
        let rest = unmatched(shape, build, |build| &build.rows);
        Ok(Pipeline::new(Arc::new(SequenceSource::with_barrier(vec![
            pipeline.into_source(),
            self.source(id, rest).source,
        ]))))
    }

    pub(super) fn as_of_join(
        &self,
        id: usize,
        (left, right): (Plan, Plan),
        kind: JoinKind,
        as_of: AsOf,
        residual: Option<Expr>,
        (hints, wanted): (Vec<Hint>, Vec<bool>),
    ) -> Result<Pipeline> {
        let (shape, mut left_wanted, right_wanted) = self.join_shape(&left, &right, kind, residual, wanted);
        let mut right_read = right_wanted.clone();
        for (l, r) in as_of.keys.iter().map(|(l, r)| (l, r)).chain([(&as_of.left, &as_of.right)]) {
            read_columns(l, &mut left_wanted);
            read_columns(r, &mut right_read);
        }
        let right_id = id + 1 + nodes(&left);
        // Without some of its rows the nearest of the right side would be another.
        let pipeline = self.build(right, right_id, vec![], right_read)?;
        let track = shape.tracks_right();
        let build = self
            .timed(id, || build_as_of(pipeline, &shape.right, &as_of, &right_wanted, track, &self.context))?;
        let build = Arc::new(build);
        let pipeline = self.build(left, id + 1, left_hints(hints, &shape), left_wanted)?;
        let probe = AsOfProbe::new(shape.clone(), build.clone(), Arc::new(as_of));
        let pipeline = self.stream(id, pipeline, Arc::new(probe));
        if !track {
            return Ok(pipeline);
        }
        let rest = unmatched(shape, build, |build| &build.rows);
        Ok(Pipeline::new(Arc::new(SequenceSource::with_barrier(vec![
            pipeline.into_source(),
            self.source(id, rest).source,
        ]))))
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn nested_loop(
        &self,
        id: usize,
        left: Plan,
        right: Plan,
        kind: JoinKind,
        predicate: Option<Expr>,
        hints: Vec<Hint>,
        wanted: Vec<bool>,
    ) -> Result<Pipeline> {
        let (shape, left_wanted, right_wanted) = self.join_shape(&left, &right, kind, predicate, wanted);
        let right_id = id + 1 + nodes(&left);
        let track = shape.tracks_right();
        let right_hints = right_hints(&hints, &shape);
        let pipeline = self.build(right, right_id, right_hints, right_wanted.clone())?;
        let spill = self.spill(id);
        let build =
            match self.timed(id, || build_rows(&pipeline, &shape.right, &right_wanted, track, &spill))? {
                Side::Kept(build) => build,
                Side::Written(build) => {
                    let left = self.build(left, id + 1, left_hints(hints, &shape), left_wanted.clone())?;
                    let rows = self.timed(id, || join_written(shape, build, &left, &left_wanted, &spill))?;
                    return Ok(self.source(id, rows));
                }
            };
        if build.batch.rows == 0 && shape.drops_unmatched_left() {
            return Ok(self.batches(id, vec![]));
        }
        let build = Arc::new(build);
        let pipeline = self.build(left, id + 1, left_hints(hints, &shape), left_wanted)?;
        let pipeline = self.stream(id, pipeline, Arc::new(NestedLoop::new(shape.clone(), build.clone())));
        if !track {
            return Ok(pipeline);
        }
        let rest = unmatched(shape, build, |build| build);
        Ok(Pipeline::new(Arc::new(SequenceSource::with_barrier(vec![
            pipeline.into_source(),
            self.source(id, rest).source,
        ]))))
    }
}
