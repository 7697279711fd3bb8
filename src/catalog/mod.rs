//! What exists: schemas, tables, columns, views, row-group and chunk metadata, as records in slotted heaps.
