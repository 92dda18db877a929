//! How large a definition may be: whoever writes one warns, whoever solves one refuses, by the same rule.

use luakit_proto::{Message as _, pb};

use crate::marshal::op_digest;

/// The most bytes that a definition may have: gRPC's limit on an engine (`util/grpcutil`), less the room that the
/// rest of a Solve message takes.
pub const SOLVE_LIMIT: usize = 16 * 1024 * 1024 - 64 * 1024;

/// More than one Solve message holds.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("the definition has {size} bytes, and an engine takes {limit} at most")]
pub struct TooLarge {
    /// Its size in bytes.
    pub size: usize,
    /// What there is room for, in bytes.
    pub limit: usize,
}

/// Whether an engine takes a definition, as far as its size goes.
pub fn check_size(definition: &pb::Definition) -> Result<(), TooLarge> {
    let size = definition.encoded_len();
    if size > SOLVE_LIMIT {
        return Err(TooLarge {
            size,
            limit: SOLVE_LIMIT,
        });
    }
    Ok(())
}

/// The digest of the op that makes more than half of a definition, if there is one.
pub fn largest_op(definition: &pb::Definition) -> Option<String> {
    let largest = definition.def.iter().max_by_key(|op| op.len())?;
    (largest.len() > definition.encoded_len() / 2).then(|| op_digest(largest))
}
