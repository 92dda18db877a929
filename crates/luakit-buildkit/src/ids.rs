//! Random names: of builds, sessions and temporary files. None of them reaches a definition.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// 25 characters of base 36, as BuildKit's clients make them.
pub fn random_id() -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut id = String::with_capacity(26);
    while id.len() < 25 {
        // Each `RandomState` has fresh keys from the system's randomness, and a counter.
        let mut bits = RandomState::new().build_hasher().finish();
        for _ in 0..12 {
            let digit = DIGITS.get((bits % 36) as usize).copied().unwrap_or(b'0');
            id.push(char::from(digit));
            bits /= 36;
        }
    }
    id.truncate(25);
    id
}

/// A name for what is written beside its place, which no other entry has.
pub(crate) fn temporary_name() -> String {
    format!(".luakit-{}", random_id())
}
