//! What a statement that changes rows is bound to, without its values.

use crate::sql::ast::{Change, Modify};
use crate::sql::bind::modify::{BoundChange, BoundModify, Target};
use crate::sql::optimize::simplify::simplify_plan;
use crate::sql::plan::{ColumnIds, LogicalPlan};
use crate::sql::session::plan_cache::open_values::{assigned, put_values, settled, values_of};
use crate::sql::session::plan_cache::tables::KeptTables;
use crate::sql::session::plan_cache::{can_be_kept, cost, is_about_as_good};
use crate::sql::session::{ReadView, Session};

/// The rows of a table are no longer such as a plan was made for.
pub(super) struct Outgrown;

/// A statement that changes rows, bound and optimized, without values and rows.
#[derive(Debug)]
pub(super) struct KeptChange {
    bound: BoundModify,
    ids: ColumnIds,
    tables: KeptTables,
}

impl KeptChange {
    /// `None` if it cannot be kept, or is not about as good as what is bound for known values.
    pub(super) fn of(
        session: &mut Session,
        view: &ReadView,
        statement: &Modify,
        target: &Target,
    ) -> Option<Self> {
        session.parameters.set_open(true);
        let bound = bind(session, view, statement, target);
        session.parameters.set_open(false);
        let (mut bound, mut ids, is_of_the_moment, parameters) = bound?;
        let plan = &bound.plan;
        let (fits, known) = match &statement.change {
            Change::Insert(_) => (has_its_rows(plan), values_of(plan)),
            _ => (can_be_kept(plan, parameters > 0), settled(plan) + assigned(plan)),
        };
        if is_of_the_moment || !fits || known != parameters || !bound.removed.is_empty() {
            return None;
        }
        bound.plan = session.optimize(bound.plan, &mut ids).ok()?;
        let fits = match &statement.change {
            Change::Insert(_) => has_its_rows(&bound.plan),
            _ => {
                can_be_kept(&bound.plan, parameters > 0) && {
                    let (now, mut ids, ..) = bind(session, view, statement, target)?;
                    let now = session.optimize(now.plan, &mut ids).ok()?;
                    is_about_as_good(cost(&bound.plan).1, cost(&now).1)
                }
            }
        };
        let tables = KeptTables::take(&mut bound.plan, view)?;
        fits.then_some(Self { bound, ids, tables })
    }

    /// With the rows that there are now, and the values that its parameters have now; `None` if one of these cannot be
    /// what it is cast to.
    pub(super) fn bound(
        &self,
        session: &Session,
        view: &ReadView,
    ) -> Result<Option<(BoundModify, ColumnIds)>, Outgrown> {
        let (mut bound, context) = (self.bound.clone(), session.context());
        if !self.tables.put(&mut bound.plan, view) {
            return Err(Outgrown);
        }
        if put_values(&mut bound.plan, &session.parameters, &context).is_none() {
            return Ok(None);
        }
        simplify_plan(&mut bound.plan, &context);
        Ok(Some((bound, self.ids.clone())))
    }
}

/// The bound statement, whether it is of the moment, and how many open parameters it has.
fn bind(
    session: &Session,
    view: &ReadView,
    statement: &Modify,
    target: &Target,
) -> Option<(BoundModify, ColumnIds, bool, usize)> {
    let bound = session.bind(view, |binder| {
        let bound = binder.bind_modify(statement, target)?;
        let uses = binder.env.uses;
        Ok((bound, std::mem::take(&mut binder.ids), uses.moment.get(), uses.open_parameters.get()))
    });
    match bound.ok()? {
        (BoundChange::Whole(bound), ids, is_of_the_moment, parameters) => {
            Some((*bound, ids, is_of_the_moment, parameters))
        }
        (BoundChange::Conflict(_), ..) => None,
    }
}

/// Whether a plan is of rows that it has itself.
pub(in crate::sql) fn has_its_rows(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Values { .. } | LogicalPlan::Project { .. } | LogicalPlan::Union { .. })
        && plan.inputs().into_iter().all(has_its_rows)
}
