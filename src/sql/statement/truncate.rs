//! TRUNCATE.
//!
//! All rows of the tables go at once, so it is no matter whether they refer to each other. Rows of other tables may
//! refer to none of theirs, whatever their foreign keys would do when single rows are removed; with CASCADE these tables
//! lose all of their rows too.

use sqlparser::ast::ObjectName;

use crate::catalog::{ObjectKind, TableId};
use crate::sql::ast::{Modify, Truncate};
use crate::sql::bind::modify::Target;
use crate::sql::session::{Failure, Outcome, Session};
use crate::sql::statement::key_checks::{first_key, still_referenced};
use crate::sql::statement::modify::apply;
use crate::sql::statement::sequence::restart_owned;
use crate::sql::statement::whole;

/// Removes the rows. The answer is about the tables that are named.
pub(super) fn run(
    session: &mut Session,
    statement: &Modify,
    truncate: &Truncate,
) -> Result<Outcome, Failure> {
    let view = session.read_view();
    let mut groups: Vec<(String, Vec<&ObjectName>)> = vec![];
    for name in std::iter::once(&statement.table).chain(&truncate.others) {
        let database = view.find(ObjectKind::Table, name)?.database.name();
        match groups.iter_mut().find(|(other, _)| other == database) {
            Some((_, names)) => names.push(name),
            None => groups.push((database.to_owned(), vec![name])),
        }
    }
    drop(view);
    if let [(_, names)] = &groups[..] {
        return Ok(Outcome::Changed(truncate_all(session, truncate, names)?));
    }
    whole(session, false, |session| {
        let mut rows = 0;
        for (_, names) in &groups {
            rows += truncate_all(session, truncate, names)?;
        }
        Ok(Outcome::Changed(rows))
    })
}

/// The same for tables of one database.
fn truncate_all(session: &mut Session, truncate: &Truncate, names: &[&ObjectName]) -> Result<u64, Failure> {
    let mut writer = match names {
        [first, ..] => session.writer_of(ObjectKind::Table, first)?,
        [] => session.writer()?,
    };
    let view = writer.read_view()?;
    let mut targets: Vec<Target> = vec![];
    for name in names {
        let target = Target::find(&view, name, None, "delete from")?;
        if !targets.iter().any(|other| other.table.id == target.table.id) {
            targets.push(target);
        }
    }
    let named = targets.len();
    let mut at = 0;
    while at < targets.len() {
        let id = targets[at].table.id;
        let others = view.focus().catalog().referencing(id);
        let is_among = |id: TableId, targets: &[Target]| targets.iter().any(|t| t.table.id == id);
        if truncate.cascade {
            for other in others {
                if !is_among(other.id, &targets) {
                    let schema = view.focus().catalog().schema_by_id(other.schema);
                    let schema = schema.map(|s| s.definition().name.to_string()).unwrap_or_default();
                    targets.push(Target::new(std::sync::Arc::clone(other), &schema));
                }
            }
        } else {
            let table = &targets[at].table;
            let keys = writer.session().bind(&view, |binder| Ok(binder.referencing_keys(table)?))?;
            for key in keys.iter().filter(|key| !is_among(key.child.id, &targets)) {
                if let Some(values) = first_key(writer.session(), &view, |b| b.any_reference(key))? {
                    return Err(still_referenced(key, &values));
                }
            }
        }
        at += 1;
    }
    let mut rows = 0;
    for (at, target) in targets.iter().enumerate() {
        let (bound, ids) = writer.session().bind(&view, |binder| {
            let bound = binder.bind_truncate(target)?;
            Ok((bound, std::mem::take(&mut binder.ids)))
        })?;
        let changed = apply(&mut writer, &view, target, bound, ids)?;
        if at < named {
            rows += changed.rows;
        }
        if truncate.restart_identity {
            restart_owned(&mut writer, &target.table)?;
        }
    }
    writer.finish()?;
    Ok(rows)
}
