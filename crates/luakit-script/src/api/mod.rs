//! The `bk` table.
