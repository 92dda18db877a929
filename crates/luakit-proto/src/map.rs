//! Map fields whose zero values must be written, as repeated entry messages.
//!
//! prost leaves the default value out of a map entry; Go's runtime writes it, and buildkitd crashes on a
//! `Source.locations` entry without one. Such fields are declared as lists of entries with explicit
//! presence: the bytes of a list in key order are those of Go's deterministic map. These conversions are
//! the only way in and out that callers need.

use std::collections::BTreeMap;

use crate::{fsutil, gateway, pb};

/// An entry of a map field, declared as a message of its own.
pub trait Entry: Sized {
    /// What the key stands for.
    type Value: Default;

    /// An entry with both halves present.
    fn new(key: impl Into<String>, value: Self::Value) -> Self;

    /// Its halves; one that is absent on the wire is the zero value, as for every map.
    fn into_pair(self) -> (String, Self::Value);
}

/// The entries of `map`, in key order.
pub fn entries<E: Entry>(map: impl IntoIterator<Item = (impl Into<String>, E::Value)>) -> Vec<E> {
    let sorted: BTreeMap<String, E::Value> = map.into_iter().map(|(key, value)| (key.into(), value)).collect();
    sorted.into_iter().map(|(key, value)| E::new(key, value)).collect()
}

/// The map that `entries` spell; of two with one key, the last counts.
pub fn map<E: Entry>(entries: impl IntoIterator<Item = E>) -> BTreeMap<String, E::Value> {
    entries.into_iter().map(Entry::into_pair).collect()
}

macro_rules! entry {
    ($($entry:path: $value:ty;)*) => {$(
        impl Entry for $entry {
            type Value = $value;

            fn new(key: impl Into<String>, value: $value) -> Self {
                Self { key: Some(key.into()), value: Some(value) }
            }

            fn into_pair(self) -> (String, $value) {
                (self.key.unwrap_or_default(), self.value.unwrap_or_default())
            }
        }
    )*};
}

entry! {
    pb::StringEntry: String;
    pb::CapEntry: bool;
    pb::BuildInputEntry: pb::BuildInput;
    pb::MetadataEntry: pb::OpMetadata;
    pb::LocationsEntry: pb::Locations;
    gateway::RefEntry: gateway::Ref;
    fsutil::XattrEntry: bytes::Bytes;
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn empty_halves_are_written() {
        let source = pb::SourceOp {
            identifier: String::new(),
            attrs: entries([("b", String::new()), ("a", "1".to_owned())]),
        };
        assert_eq!(
            source.encode_to_vec(),
            b"\x12\x06\x0a\x01a\x12\x011\x12\x05\x0a\x01b\x12\x00"
        );

        let locations = pb::Source {
            locations: entries([("sha256:0", pb::Locations::default())]),
            infos: Vec::new(),
        };
        assert_eq!(locations.encode_to_vec(), b"\x0a\x0c\x0a\x08sha256:0\x12\x00");
    }

    #[test]
    fn entries_read_as_a_map() {
        // An entry without halves, then one key twice: what any protobuf writer may send.
        let wire = b"\x12\x00\x12\x06\x0a\x01k\x12\x011\x12\x06\x0a\x01k\x12\x012";
        let source = pb::SourceOp::decode(&wire[..]).unwrap();
        let expect = BTreeMap::from([(String::new(), String::new()), ("k".into(), "2".into())]);
        assert_eq!(map(source.attrs), expect);
    }
}
