//! A schema and what is in it, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::names::NameMap;
use crate::catalog::object::{Namespace, Object};
use crate::catalog::schema::SchemaDefinition;
use crate::catalog::table::TableDefinition;
use crate::catalog::view::ViewDefinition;

/// A schema and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    pub(super) definition: Arc<SchemaDefinition>,
    pub(super) objects: BTreeMap<Namespace, NameMap<Object>>,
}

impl Schema {
    pub(super) fn new(definition: SchemaDefinition) -> Self {
        Self { definition: Arc::new(definition), objects: BTreeMap::new() }
    }

    /// Its definition.
    pub fn definition(&self) -> &Arc<SchemaDefinition> {
        &self.definition
    }

    /// The object of that name, whatever its case.
    pub fn find(&self, namespace: Namespace, name: &str) -> Option<&Object> {
        self.objects.get(&namespace)?.get(name)
    }

    /// The table or view of that name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&Object> {
        self.find(Namespace::Relation, name)
    }

    /// All that is in it, by namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().flat_map(NameMap::values)
    }

    /// All objects of a namespace, ordered by name.
    pub fn objects_in(&self, namespace: Namespace) -> impl Iterator<Item = &Object> {
        self.objects.get(&namespace).into_iter().flat_map(NameMap::values)
    }

    /// All tables and views, ordered by name.
    pub fn relations(&self) -> impl Iterator<Item = &Object> {
        self.objects_in(Namespace::Relation)
    }

    /// All tables, ordered by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDefinition>> {
        self.relations().filter_map(|object| match object {
            Object::Table(table) => Some(table),
            _ => None,
        })
    }

    /// All views, ordered by name.
    pub fn views(&self) -> impl Iterator<Item = &Arc<ViewDefinition>> {
        self.relations().filter_map(|object| match object {
            Object::View(view) => Some(view),
            _ => None,
        })
    }
}
