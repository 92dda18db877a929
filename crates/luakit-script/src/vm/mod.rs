//! The sandboxed interpreter.

pub(crate) mod stack;
