//! What a database should hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fluxdb::{Connection, Error, Scalar};

/// A table. Its columns are `id`, `n`, `s`, which follows from the others, and further ones, each with one value
/// everywhere.
#[derive(Debug, Clone)]
pub struct Table {
    /// The same for as long as the table lives, whatever its name. Not compared: the file does not know it.
    pub identity: u64,
    pub constants: Vec<i64>,
    /// `n` by `id`. No id is ever used twice.
    pub rows: BTreeMap<i64, i64>,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.constants == other.constants && self.rows == other.rows
    }
}

/// What is in a database. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub tables: BTreeMap<String, Arc<Table>>,
    pub views: BTreeSet<String>,
}

/// The text that belongs to a row.
pub fn text(id: i64, n: i64) -> String {
    let letter = (b'a' + n.rem_euclid(26) as u8) as char;
    format!("{}{id}", letter.to_string().repeat(id.rem_euclid(40) as usize))
}

/// The same in SQL.
pub fn text_sql(id: &str, n: &str) -> String {
    format!("repeat(chr((97 + ({n}) % 26)::INTEGER), (({id}) % 40)::INTEGER) || ({id})")
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl State {
    /// Reads all of it, as a connection sees it.
    pub fn read(connection: &Connection) -> Result<Self, Error> {
        let mut state = Self::default();
        for name in connection.table_names() {
            if name.starts_with('v') {
                state.views.insert(name);
                continue;
            }
            let rows = connection.query(&format!("FROM {name}"))?;
            let mut table = Table { identity: 0, constants: vec![], rows: BTreeMap::new() };
            let columns: Vec<String> =
                rows.columns().iter().map(|field| String::from(&*field.name)).collect();
            assert_eq!(columns[..3], ["id", "n", "s"], "columns of {name}");
            table.constants = columns[3..].iter().map(|name| name[1..].parse().unwrap()).collect();
            for row in rows.into_rows() {
                let row = row?;
                let (Scalar::Int(id), Scalar::Int(n)) = (row.value(0), row.value(1)) else {
                    panic!("{name}: {row:?}");
                };
                let (id, n) = (id as i64, n as i64);
                assert_eq!(row.get::<_, String>(2)?, text(id, n), "{name}, row {id}");
                for (position, constant) in table.constants.iter().enumerate() {
                    assert_eq!(row.get::<_, i64>(3 + position)?, *constant, "{name}, row {id}");
                }
                assert_eq!(table.rows.insert(id, n), None, "{name} has row {id} twice");
            }
            state.tables.insert(name, Arc::new(table));
        }
        Ok(state)
    }

    pub fn table(&mut self, name: &str) -> &mut Table {
        Arc::make_mut(self.tables.get_mut(name).expect("the model has the table"))
    }

    fn by_identity(&self, identity: u64) -> Option<(&String, &Arc<Table>)> {
        self.tables.iter().find(|(_, table)| table.identity == identity)
    }

    /// The definitions alone.
    fn definitions(&self) -> (Vec<(&String, u64, &Vec<i64>)>, &BTreeSet<String>) {
        (self.tables.iter().map(|(name, t)| (name, t.identity, &t.constants)).collect(), &self.views)
    }

    /// Whether a change to that changes definitions.
    pub fn is_redefined(&self, next: &Self) -> bool {
        self.definitions() != next.definitions()
    }

    /// What a transaction that began with `base` and ended with `end` makes of `self`. It fails if it must not be
    /// committed: snapshot isolation and first-committer-wins would not hold.
    pub fn merge(&self, base: &Self, end: &Self) -> Result<Self, String> {
        let redefined = base.is_redefined(end);
        let mut merged = if redefined {
            ensure(self.definitions() == base.definitions(), || {
                "two transactions changed definitions".into()
            })?;
            end.clone()
        } else {
            self.clone()
        };
        for table in end.tables.values() {
            let Some((_, before)) = base.by_identity(table.identity) else { continue };
            let Some((_, current)) = self.by_identity(table.identity) else {
                ensure(before.rows == table.rows, || "rows of a table that is gone were changed".into())?;
                continue;
            };
            let mut rows = current.rows.clone();
            ensure(before.rows == table.rows || current.constants == before.constants, || {
                "rows of a table that was altered were changed".into()
            })?;
            for (id, n) in &before.rows {
                if table.rows.get(id) != Some(n) {
                    ensure(rows.remove(id) == Some(*n), || format!("two transactions changed row {id}"))?;
                }
            }
            for (id, n) in &table.rows {
                if before.rows.get(id) != Some(n) {
                    ensure(rows.insert(*id, *n).is_none(), || format!("row {id} is there twice"))?;
                }
            }
            let name =
                if redefined { end.by_identity(table.identity) } else { self.by_identity(table.identity) };
            let name = name.expect("it is there").0.clone();
            merged.table(&name).rows = rows;
        }
        Ok(merged)
    }

    /// How it differs from what was found, in few words.
    pub fn difference(&self, found: &Self) -> String {
        if self.definitions().1 != &found.views {
            return format!("views {:?} instead of {:?}", found.views, self.views);
        }
        for (name, table) in &self.tables {
            let Some(other) = found.tables.get(name) else { return format!("no table {name}") };
            if table.constants != other.constants {
                return format!("{name}: columns {:?} instead of {:?}", other.constants, table.constants);
            }
            let missing: Vec<_> =
                table.rows.iter().filter(|(id, n)| other.rows.get(id) != Some(n)).take(5).collect();
            let extra: Vec<_> =
                other.rows.iter().filter(|(id, n)| table.rows.get(id) != Some(n)).take(5).collect();
            if !missing.is_empty() || !extra.is_empty() {
                return format!("{name}: rows {missing:?} are missing, {extra:?} should not be there");
            }
        }
        let more: Vec<_> = found.tables.keys().filter(|name| !self.tables.contains_key(*name)).collect();
        format!("tables {more:?} should not be there")
    }
}
