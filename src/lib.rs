//! FluxDB: an embedded analytical and time-series database in one file.

#![allow(dead_code)]

pub mod catalog;
pub mod column;
pub mod exec;
pub mod io;
pub mod pager;
pub mod sql;
pub mod table;
