//! The bytes of one op.
//!
//! Go's protobuf runtime writes a message's plain fields in ascending order and a oneof's member last; prost
//! sorts the member in by its number. In LLB that makes a difference in `Op` alone, so `Op` is written
//! here and everything in it by prost. The digest of an op is that of these bytes, so the order decides
//! whether caches are shared with other clients.

use luakit_proto::{Message, pb};
use sha2::{Digest as _, Sha256};

/// What a client offers once, to whoever asks first.
const UPLOAD: &str = "http://buildkit-session/";

/// The bytes of an op, as BuildKit's Go client writes them.
pub fn encode_op(mut op: pb::Op) -> Vec<u8> {
    if is_upload(&op) {
        // In a build another frontend may have taken it before, and ours is the same step only by the same bytes. Engines
        // since 0.18 write them anew; in those before, that frontend wrote the members by their numbers.
        return op.encode_to_vec();
    }
    let payload = pb::Op {
        op: op.op.take(),
        ..Default::default()
    };
    let mut bytes = Vec::with_capacity(op.encoded_len() + payload.encoded_len());
    for part in [op, payload] {
        // A Vec grows, so there is no room to run out of.
        let _infallible = part.encode(&mut bytes);
    }
    bytes
}

fn is_upload(op: &pb::Op) -> bool {
    matches!(&op.op, Some(pb::op::Op::Source(source)) if source.identifier.starts_with(UPLOAD))
}

/// `sha256:` and the hex digits of the digest of an op's bytes.
pub fn op_digest(bytes: &[u8]) -> String {
    show_sum(&sum_of(bytes))
}

/// A digest as it is, which takes less room than its digits.
pub(super) type Sum = [u8; 32];

pub(super) fn sum_of(bytes: &[u8]) -> Sum {
    Sha256::digest(bytes).into()
}

pub(super) fn show_sum(sum: &Sum) -> String {
    const PREFIX: &str = "sha256:";
    let mut digits = [0; 64];
    // There is room for exactly these digits.
    let _infallible = hex::encode_to_slice(sum, &mut digits);
    let mut text = String::with_capacity(PREFIX.len() + digits.len());
    text.push_str(PREFIX);
    // Hex digits are text.
    text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
    text
}
