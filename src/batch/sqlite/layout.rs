//! Names of files in a data directory.

/// The catalog's file.
pub(super) const CATALOG: &str = "catalog.db";
