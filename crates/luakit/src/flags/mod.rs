//! The values of flags as types, one form a file. What subcommands have in common is here; a form that only one
//! subcommand knows is in its own file.

pub(crate) mod annotation;
pub(crate) mod attestation;
pub(crate) mod build_arg;
pub(crate) mod build_context;
pub(crate) mod cache;
mod cache_keys;
pub(crate) mod call;
pub(crate) mod duration;
pub(crate) mod entitlement;
mod exporter_keys;
pub(crate) mod host;
pub(crate) mod label;
pub(crate) mod local;
pub(crate) mod output;
pub(crate) mod platform;
pub(crate) mod secret;
pub(crate) mod size;
pub(crate) mod ssh;
pub(crate) mod switch;
pub(crate) mod tag;
