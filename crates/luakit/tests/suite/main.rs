//! The built binary, from the outside.

mod golden;
mod project;
