//! Outside formats, both ways: CSV, Parquet, JSON.
