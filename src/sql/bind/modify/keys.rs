//! Conditions that rows of a change must satisfy together with other rows: keys that are unique, and foreign keys.
//!
//! The rows of a statement are gathered while they are written ([`ModifySpec`](crate::exec::sinks::ModifySpec)), and
//! the keys of all of them are compared at once, by joins with the tables as they were before the statement:
//! a key that comes twice among the new ones, or that is new and in the table, is a violation, and so is a
//! reference to a key that is not there, or a removed key that is still referenced.

use std::sync::Arc;

use sqlparser::ast::{Expr as Syntax, Ident};

use crate::catalog::{ColumnId, ConstraintKind, ReferenceActions, TableDefinition};
use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::bind_aggregate;
use crate::exec::expr::{AggregateCall, CompareOp, Expr};
use crate::exec::source::Source;
use crate::sql::bind::modify::generated::names_in;
use crate::sql::bind::modify::{ROW_ID_TYPE, Target};
use crate::sql::bind::scope::{Relation, Scope};
use crate::sql::bind::subquery::filter;
use crate::sql::bind::{Binder, coerce};
use crate::sql::error::{Result, SqlError};
use crate::sql::parser::parse_expr;
use crate::sql::plan::{Column, Definition, JoinType, LogicalPlan};

/// A key that no two rows of a table share.
#[derive(Debug, Clone)]
pub struct UniqueKey {
    /// What messages call its parts.
    pub names: Vec<String>,
    /// Its parts, over the columns of the table.
    pub parts: Vec<Syntax>,
    /// The columns, if its parts are columns.
    pub columns: Vec<usize>,
    /// It is the primary key.
    pub primary: bool,
}

/// A foreign key, with the tables at both ends.
#[derive(Debug, Clone)]
pub struct ForeignKey {
    /// The table that has it.
    pub child: Arc<TableDefinition>,
    /// Its columns there.
    pub columns: Vec<usize>,
    /// The table that it references.
    pub parent: Arc<TableDefinition>,
    /// The referenced columns.
    pub referenced: Vec<usize>,
    /// What becomes of rows that refer to a key which goes.
    pub actions: ReferenceActions,
}

/// What added keys are for.
#[derive(Debug, Clone)]
pub enum AddedKey {
    /// No other row may have them.
    Unique(UniqueKey),
    /// The referenced table must have them.
    Reference(ForeignKey),
    /// They may be added in place of removed ones.
    Replacement,
}

/// Removed keys that nothing may reference any more.
#[derive(Debug, Clone)]
pub struct RemovedKey {
    /// What may reference them.
    pub key: ForeignKey,
    /// Which of the added keys may be in their place.
    pub replacement: Option<usize>,
    /// Behind each of them stand whether its row stays, and the key that it has then.
    pub with_new: bool,
}

/// What is to be compared after a statement, in the order of the keys that its sink gathers.
#[derive(Debug, Clone, Default)]
pub struct KeyChecks {
    /// Of rows that were added.
    pub added: Vec<AddedKey>,
    /// Of rows that were removed.
    pub removed: Vec<RemovedKey>,
}

/// The checks, and the keys that the sink gathers for them.
pub(super) struct BoundKeys {
    pub checks: KeyChecks,
    pub added: Vec<Vec<Expr>>,
    pub removed: Vec<Vec<Expr>>,
}

/// What a statement does to the rows of its table.
#[derive(Debug, Clone)]
pub(super) enum Changes {
    Insert,
    Delete,
    /// The columns whose values change.
    Update(Vec<usize>),
    /// All of the above.
    Any,
}

impl Changes {
    fn adds(&self) -> bool {
        !matches!(self, Self::Delete)
    }

    fn removes(&self) -> bool {
        !matches!(self, Self::Insert)
    }

    /// Whether values of one of these columns may change.
    fn touches(&self, columns: &[usize]) -> bool {
        match self {
            Self::Update(assigned) => columns.iter().any(|c| assigned.contains(c)),
            _ => true,
        }
    }
}

impl UniqueKey {
    /// All of a table.
    pub fn all(table: &TableDefinition) -> Result<Vec<Self>> {
        let mut keys = vec![];
        for constraint in &table.constraints {
            if let ConstraintKind::Unique { columns, primary } = &constraint.kind {
                let columns = positions(table, columns);
                keys.push(Self {
                    names: columns.iter().map(|&c| table.columns[c].name.to_string()).collect(),
                    parts: columns.iter().map(|&c| column_syntax(&table.columns[c].name)).collect(),
                    columns,
                    primary: *primary,
                });
            }
        }
        for index in table.indexes.iter().filter(|index| index.unique) {
            keys.push(Self::of_index(table, &index.keys)?);
        }
        Ok(keys)
    }

    /// That of a unique index.
    pub fn of_index(table: &TableDefinition, keys: &[Box<str>]) -> Result<Self> {
        let parts = keys.iter().map(|key| parse_expr(key)).collect::<Result<Vec<_>>>()?;
        let column = |part: &Syntax| match part {
            Syntax::Identifier(name) => table.column_position(&name.value),
            _ => None,
        };
        let columns: Option<Vec<usize>> = parts.iter().map(column).collect();
        Ok(Self {
            names: parts
                .iter()
                .zip(keys)
                .map(|(part, key)| match part {
                    Syntax::Identifier(name) => name.value.clone(),
                    _ => key.to_string(),
                })
                .collect(),
            columns: columns.unwrap_or_default(),
            parts,
            primary: false,
        })
    }

    /// The columns that its parts use.
    fn used(&self, table: &TableDefinition) -> Vec<usize> {
        let names: std::collections::HashSet<String> = self.parts.iter().flat_map(names_in).collect();
        let mut used = vec![];
        for (position, column) in table.columns.iter().enumerate() {
            // A computed column may use any.
            if names.contains(&crate::catalog::fold(&column.name)) {
                if column.generated.is_some() {
                    return (0..table.columns.len()).collect();
                }
                used.push(position);
            }
        }
        used
    }
}

fn column_syntax(name: &str) -> Syntax {
    Syntax::Identifier(Ident::with_quote('"', name))
}

/// Where columns are in a table. They are there: the catalog sees to it.
pub fn positions(table: &TableDefinition, columns: &[ColumnId]) -> Vec<usize> {
    columns.iter().filter_map(|id| table.position_of(*id)).collect()
}

impl Binder<'_> {
    /// The foreign keys that a table has.
    fn foreign_keys(&self, child: &Arc<TableDefinition>) -> Result<Vec<ForeignKey>> {
        let mut keys = vec![];
        for constraint in &child.constraints {
            let ConstraintKind::ForeignKey { columns, table, referenced, actions } = &constraint.kind else {
                continue;
            };
            let parent = self
                .env
                .tables
                .catalog()
                .table_by_id(*table)
                .ok_or_else(|| SqlError::internal("a referenced table is not there"))?;
            keys.push(ForeignKey {
                child: Arc::clone(child),
                columns: positions(child, columns),
                referenced: positions(parent, referenced),
                parent: Arc::clone(parent),
                actions: *actions,
            });
        }
        Ok(keys)
    }

    /// The foreign keys that reference a table.
    pub fn referencing_keys(&self, parent: &Arc<TableDefinition>) -> Result<Vec<ForeignKey>> {
        let mut keys = vec![];
        let catalog = self.env.tables.catalog();
        for child in catalog.referencing(parent.id).chain(std::iter::once(parent)) {
            keys.extend(self.foreign_keys(child)?.into_iter().filter(|key| key.parent.id == parent.id));
        }
        Ok(keys)
    }

    /// The columns of a table whose old values its changes ask for.
    pub(super) fn referenced_columns(&self, target: &Target, changes: &Changes) -> Vec<usize> {
        let mut columns: Vec<usize> = self
            .referencing_keys(&target.table)
            .unwrap_or_default()
            .into_iter()
            .filter(|key| changes.touches(&key.referenced))
            .flat_map(|key| key.referenced)
            .collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// What is to be compared after a statement. `old` tells where the old values of a column are, `stays` where it
    /// says whether a row that was there is replaced; without it all are, if rows are added at all.
    pub(super) fn bind_key_checks(
        &mut self,
        target: &Target,
        changes: &Changes,
        old: &dyn Fn(usize) -> Option<Expr>,
        stays: Option<usize>,
    ) -> Result<BoundKeys> {
        let table = &target.table;
        let mut keys = BoundKeys { checks: KeyChecks::default(), added: vec![], removed: vec![] };
        let new = |columns: &[usize]| -> Vec<Expr> {
            columns.iter().map(|&c| Expr::Column { index: c, ty: table.columns[c].ty.clone() }).collect()
        };
        if changes.adds() {
            let scope = Target::new(Arc::clone(table), "").row_scope();
            for key in UniqueKey::all(table)?.into_iter().filter(|k| changes.touches(&k.used(table))) {
                keys.added.push(self.bind_parts(&key, &scope)?);
                keys.checks.added.push(AddedKey::Unique(key));
            }
            for key in self.foreign_keys(table)?.into_iter().filter(|k| changes.touches(&k.columns)) {
                keys.added.push(new(&key.columns));
                keys.checks.added.push(AddedKey::Reference(key));
            }
        }
        if changes.removes() {
            for key in self.referencing_keys(table)?.into_iter().filter(|k| changes.touches(&k.referenced)) {
                let before: Option<Vec<Expr>> = key.referenced.iter().map(|&c| old(c)).collect();
                let mut before = before.ok_or_else(|| SqlError::internal("a removed key is not there"))?;
                let with_new = key.actions.any() && changes.adds();
                if with_new {
                    before.push(match stays {
                        Some(index) => Expr::Column { index, ty: LogicalType::Boolean },
                        None => Expr::literal(Scalar::Boolean(true), LogicalType::Boolean),
                    });
                    before.extend(new(&key.referenced));
                }
                keys.removed.push(before);
                let replacement = (changes.adds() && !with_new).then(|| {
                    keys.added.push(new(&key.referenced));
                    keys.checks.added.push(AddedKey::Replacement);
                    keys.added.len() - 1
                });
                keys.checks.removed.push(RemovedKey { key, replacement, with_new });
            }
        }
        Ok(keys)
    }

    fn bind_parts(&mut self, key: &UniqueKey, scope: &Scope) -> Result<Vec<Expr>> {
        key.parts.iter().map(|part| self.bind_over(part, scope, "a key")).collect()
    }

    /// The rows of a table with the parts of a key, and their ids.
    pub(super) fn keyed_rows(
        &mut self,
        target: &Target,
        parts: impl FnOnce(&mut Self, &Relation) -> Result<Vec<Expr>>,
    ) -> Result<(LogicalPlan, Vec<Column>, Column)> {
        let (plan, relation, id) = self.bind_target(target)?;
        let mut definitions = vec![];
        for expr in parts(self, &relation)? {
            definitions.push(Definition { column: self.ids.column("key", expr.ty()), expr });
        }
        let columns = definitions.iter().map(|d| d.column.clone()).collect();
        definitions.push(Definition::pass(id.clone()));
        Ok((LogicalPlan::Project { input: Box::new(plan), definitions }, columns, id))
    }

    /// Gathered keys without NULL.
    pub(super) fn gathered(&mut self, source: Arc<dyn Source>) -> (LogicalPlan, Vec<Column>) {
        let columns: Vec<Column> =
            source.schema().iter().map(|f| self.ids.column(&*f.name, f.ty.clone())).collect();
        let plan = LogicalPlan::SourceGet {
            source,
            positions: (0..columns.len()).collect(),
            columns: columns.clone(),
            filters: vec![],
        };
        (filter(plan, not_null(&columns)), columns)
    }

    /// Rows that are not among the removed ones.
    fn remaining(&mut self, plan: LogicalPlan, id: &Column, removed: Option<Arc<dyn Source>>) -> LogicalPlan {
        let Some(removed) = removed else { return plan };
        let (gone, columns) = self.gathered(removed);
        join(plan, gone, JoinType::Anti, &[id.clone()], &columns)
    }

    /// Keys that are twice among the new ones: one of them, as texts.
    pub fn keys_twice(&mut self, added: Arc<dyn Source>) -> Result<LogicalPlan> {
        let (plan, columns) = self.gathered(added);
        self.twice(plan, &columns)
    }

    /// Keys that are twice in a table: one of them, as texts.
    pub fn keys_twice_in(&mut self, target: &Target, key: &UniqueKey) -> Result<LogicalPlan> {
        let (plan, columns, _) =
            self.keyed_rows(target, |binder, relation| binder.bind_parts(key, &Scope::of(relation.clone())))?;
        self.twice(filter(plan, not_null(&columns)), &columns)
    }

    fn twice(&mut self, plan: LogicalPlan, columns: &[Column]) -> Result<LogicalPlan> {
        let function = bind_aggregate("count", &[], false)
            .map_err(|e| SqlError::internal(format!("count(*): {e:?}")))?;
        let count = self.ids.column("count", LogicalType::BigInt);
        let call = AggregateCall {
            function,
            args: vec![],
            distinct: false,
            filter: None,
            order_by: vec![],
            ty: LogicalType::BigInt,
        };
        let plan = LogicalPlan::Aggregate {
            input: Box::new(plan),
            group_by: columns.iter().cloned().map(Definition::pass).collect(),
            aggregates: vec![(count.clone(), call)],
        };
        let several = Expr::Compare {
            op: CompareOp::Gt,
            left: Box::new(count.expr()),
            right: Box::new(Expr::literal(Scalar::Int(1), LogicalType::BigInt)),
        };
        let plan = LogicalPlan::Filter { input: Box::new(plan), predicates: vec![several] };
        self.one_key(plan, columns)
    }

    /// New keys that the table has in rows that stay: one of them, as texts.
    pub fn keys_taken(
        &mut self,
        target: &Target,
        key: &UniqueKey,
        added: Arc<dyn Source>,
        removed: Option<Arc<dyn Source>>,
    ) -> Result<LogicalPlan> {
        let (rows, columns, id) =
            self.keyed_rows(target, |binder, relation| binder.bind_parts(key, &Scope::of(relation.clone())))?;
        let (new, new_columns) = self.gathered(added);
        let plan = join(rows, new, JoinType::Semi, &columns, &new_columns);
        let plan = self.remaining(plan, &id, removed);
        self.one_key(plan, &columns)
    }

    /// New references to keys that are not there: one of them, as texts.
    pub fn references_missing(&mut self, key: &ForeignKey, added: Arc<dyn Source>) -> Result<LogicalPlan> {
        let (new, new_columns) = self.gathered(added);
        let parent = Target::new(Arc::clone(&key.parent), "");
        let (rows, columns, _) =
            self.keyed_rows(&parent, |_, relation| Ok(columns_of(relation, &key.referenced)))?;
        let plan = join(new, rows, JoinType::Anti, &new_columns, &columns);
        self.one_key(plan, &new_columns)
    }

    /// References of rows that are there to keys that are not: one of them, as texts.
    pub(super) fn references_lost_in(&mut self, child: &Target, key: &ForeignKey) -> Result<LogicalPlan> {
        let (rows, columns, _) =
            self.keyed_rows(child, |_, relation| Ok(columns_of(relation, &key.columns)))?;
        let parent = Target::new(Arc::clone(&key.parent), "");
        let (parents, parent_columns, _) =
            self.keyed_rows(&parent, |_, relation| Ok(columns_of(relation, &key.referenced)))?;
        let rows = filter(rows, not_null(&columns));
        let plan = join(rows, parents, JoinType::Anti, &columns, &parent_columns);
        self.one_key(plan, &columns)
    }

    /// References to removed keys: one of them, as texts. `replaced` are keys that were added, `gone` ids of
    /// rows of the referencing table that were removed too.
    pub fn references_left(
        &mut self,
        key: &ForeignKey,
        removed: Arc<dyn Source>,
        replaced: Option<Arc<dyn Source>>,
        gone: Option<Arc<dyn Source>>,
    ) -> Result<LogicalPlan> {
        let (mut lost, lost_columns) = self.gathered(removed);
        if let Some(replaced) = replaced {
            let (new, new_columns) = self.gathered(replaced);
            lost = join(lost, new, JoinType::Anti, &lost_columns, &new_columns);
        }
        let child = Target::new(Arc::clone(&key.child), "");
        let (rows, columns, id) =
            self.keyed_rows(&child, |_, relation| Ok(columns_of(relation, &key.columns)))?;
        let plan = join(rows, lost, JoinType::Semi, &columns, &lost_columns);
        let plan = self.remaining(plan, &id, gone);
        self.one_key(plan, &columns)
    }

    /// One row of a plan, as texts.
    pub(super) fn one_key(&mut self, plan: LogicalPlan, columns: &[Column]) -> Result<LogicalPlan> {
        let plan = LogicalPlan::Limit { input: Box::new(plan), limit: Some(1), offset: 0 };
        let mut definitions = vec![];
        for column in columns {
            let expr = coerce::explicit(column.expr(), &LogicalType::Varchar, false)?;
            definitions.push(Definition {
                column: self.ids.column(column.name.clone(), LogicalType::Varchar),
                expr,
            });
        }
        Ok(LogicalPlan::Project { input: Box::new(plan), definitions })
    }

    /// Ids of rows as keys.
    pub fn row_id_fields() -> crate::exec::batch::Schema {
        std::iter::once(crate::exec::batch::Field::new(crate::table::ROW_ID_NAME, ROW_ID_TYPE)).collect()
    }
}

pub(super) fn not_null(columns: &[Column]) -> Vec<Expr> {
    columns.iter().map(|c| Expr::IsNull { input: Box::new(c.expr()), negated: true }).collect()
}

pub(super) fn columns_of(relation: &Relation, positions: &[usize]) -> Vec<Expr> {
    positions.iter().map(|&p| relation.columns[p].column.expr()).collect()
}

/// A join on equal keys.
pub(super) fn join(
    left: LogicalPlan,
    right: LogicalPlan,
    kind: JoinType,
    left_keys: &[Column],
    right_keys: &[Column],
) -> LogicalPlan {
    let on = left_keys.iter().zip(right_keys).map(|(l, r)| Expr::Compare {
        op: CompareOp::Eq,
        left: Box::new(l.expr()),
        right: Box::new(r.expr()),
    });
    LogicalPlan::Join {
        left: Box::new(left),
        right: Box::new(right),
        kind,
        on: on.collect(),
        dependent: false,
    }
}
