//! What a program adds to the names that SQL knows: tables that it holds itself, and functions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockWriteGuard};

use crate::column::scalar::Scalar;
use crate::column::types::LogicalType;
use crate::exec::aggregates::AggregateFunction;
use crate::exec::coerce::implicit_cast_cost;
use crate::exec::error::Result;
use crate::exec::functions::{ArgInfo, BoundScalar, ScalarFunction};
use crate::exec::source::{Source, TableFunctionArgs};

/// A table function of a program.
pub type TableFunction = Arc<dyn Fn(&TableFunctionArgs) -> Result<Arc<dyn Source>> + Send + Sync>;

/// What was added. Names are found whatever their case.
#[derive(Default)]
pub struct Extensions(RwLock<Added>);

#[derive(Default)]
struct Added {
    tables: BTreeMap<String, Arc<dyn Source>>,
    table_functions: BTreeMap<String, TableFunction>,
    scalars: BTreeMap<String, Vec<BoundScalar>>,
    aggregates: BTreeMap<String, Vec<Arc<AggregateFunction>>>,
    /// How often something was added or taken away.
    changes: u64,
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let added = self.0.read();
        f.debug_struct("Extensions")
            .field("tables", &added.tables.keys())
            .field("table_functions", &added.table_functions.keys())
            .field("scalars", &added.scalars.keys())
            .field("aggregates", &added.aggregates.keys())
            .finish()
    }
}

/// What casts of arguments to these types cost; `None` if they cannot be cast.
fn cost(args: &[ArgInfo], wanted: &[LogicalType]) -> Option<u32> {
    if args.len() != wanted.len() {
        return None;
    }
    args.iter().zip(wanted).try_fold(0, |sum, (arg, ty)| {
        let cost = if arg.ty == *ty {
            0
        } else if matches!(arg.literal, Some(Scalar::Text(_) | Scalar::Int(_))) && arg.ty != LogicalType::Null
        {
            // A literal is what is wanted, if it can be.
            implicit_cast_cost(&arg.ty, ty).unwrap_or(1_000)
        } else {
            implicit_cast_cost(&arg.ty, ty)?
        };
        Some(sum + cost)
    })
}

impl Extensions {
    /// Another number each time that names mean something else.
    pub fn version(&self) -> u64 {
        self.0.read().changes
    }

    fn change(&self) -> RwLockWriteGuard<'_, Added> {
        let mut added = self.0.write();
        added.changes += 1;
        added
    }

    /// Adds a table, or another in its place; `None` takes it away.
    pub fn set_table(&self, name: &str, table: Option<Arc<dyn Source>>) {
        let name = name.to_lowercase();
        let mut added = self.change();
        match table {
            Some(table) => added.tables.insert(name, table),
            None => added.tables.remove(&name),
        };
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<Arc<dyn Source>> {
        self.0.read().tables.get(&name.to_lowercase()).cloned()
    }

    /// Adds a table function.
    pub fn set_table_function(&self, name: &str, function: TableFunction) {
        self.change().table_functions.insert(name.to_lowercase(), function);
    }

    /// The table function of that name.
    pub fn table_function(&self, name: &str) -> Option<TableFunction> {
        self.0.read().table_functions.get(&name.to_lowercase()).cloned()
    }

    /// Adds a scalar function for arguments of these types, beside those of the same name for others.
    pub fn add_scalar(
        &self,
        function: ScalarFunction,
        arg_types: Vec<LogicalType>,
        return_type: LogicalType,
    ) {
        let mut added = self.change();
        let overloads = added.scalars.entry(function.name.to_owned()).or_default();
        overloads.retain(|known| known.arg_types != arg_types);
        overloads.push(BoundScalar { function: Arc::new(function), arg_types, return_type });
    }

    /// The scalar function of that name that fits the arguments best.
    pub fn scalar(&self, name: &str, args: &[ArgInfo]) -> Option<BoundScalar> {
        let added = self.0.read();
        let overloads = added.scalars.get(name)?.iter();
        let fitting = overloads.filter_map(|f| Some((cost(args, &f.arg_types)?, f)));
        fitting.min_by_key(|(cost, _)| *cost).map(|(_, f)| f.clone())
    }

    /// Adds an aggregate function, beside those of the same name for other arguments.
    pub fn add_aggregate(&self, function: AggregateFunction) {
        let mut added = self.change();
        let overloads = added.aggregates.entry(function.name.to_owned()).or_default();
        overloads.retain(|known| known.arg_types != function.arg_types);
        overloads.push(Arc::new(function));
    }

    /// Whether an aggregate function of that name was added.
    pub fn is_aggregate(&self, name: &str) -> bool {
        self.0.read().aggregates.contains_key(name)
    }

    /// The aggregate function of that name that fits the arguments best.
    pub fn aggregate(&self, name: &str, args: &[ArgInfo]) -> Option<Arc<AggregateFunction>> {
        let added = self.0.read();
        let overloads = added.aggregates.get(name)?.iter();
        let fitting = overloads.filter_map(|f| Some((cost(args, &f.arg_types)?, f)));
        fitting.min_by_key(|(cost, _)| *cost).map(|(_, f)| Arc::clone(f))
    }
}
