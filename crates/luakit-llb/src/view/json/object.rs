//! A JSON object under way, as Go's `encoding/json` writes one: zero values are left out unless a method says otherwise.

use std::fmt::Write as _;

use crate::marshal::go_json;

pub(super) struct Object<'o> {
    out: &'o mut String,
    empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn open(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    pub(super) fn close(self) {
        self.out.push('}');
    }

    fn key(&mut self, key: &str) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        go_json::push_string(self.out, key);
        self.out.push(':');
        self.out
    }

    pub(super) fn string(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.string_always(key, value);
        }
    }

    pub(super) fn string_always(&mut self, key: &str, value: &str) {
        go_json::push_string(self.key(key), value);
    }

    pub(super) fn int(&mut self, key: &str, value: i64) {
        if value != 0 {
            self.int_always(key, value);
        }
    }

    pub(super) fn int_always(&mut self, key: &str, value: i64) {
        push(self.key(key), value);
    }

    pub(super) fn uint(&mut self, key: &str, value: u64) {
        if value != 0 {
            push(self.key(key), value);
        }
    }

    pub(super) fn bool(&mut self, key: &str, value: bool) {
        if value {
            self.key(key).push_str("true");
        }
    }

    pub(super) fn bytes(&mut self, key: &str, value: &[u8]) {
        if !value.is_empty() {
            push_base64(self.key(key), value);
        }
    }

    pub(super) fn byte_strings(&mut self, key: &str, values: &[Vec<u8>]) {
        if !values.is_empty() {
            array(self.key(key), values, |out, value| push_base64(out, value));
        }
    }

    pub(super) fn ints(&mut self, key: &str, values: impl ExactSizeIterator<Item = i64>) {
        if values.len() > 0 {
            array(self.key(key), values, push);
        }
    }

    pub(super) fn strings(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            array(self.key(key), values, |out, value| go_json::push_string(out, value));
        }
    }

    /// A list of objects.
    pub(super) fn list<T>(&mut self, key: &str, items: &[T], show: impl Fn(&mut Object<'_>, &T)) {
        if !items.is_empty() {
            array(self.key(key), items, |out, item| {
                let mut object = Object::open(out);
                show(&mut object, item);
                object.close();
            });
        }
    }

    /// An object, empty or not.
    pub(super) fn object(&mut self, key: &str, show: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object::open(self.key(key));
        show(&mut object);
        object.close();
    }

    /// An object that may be absent; one that is there is written even when it is empty, as Go writes pointers.
    pub(super) fn some<T>(&mut self, key: &str, value: Option<&T>, show: impl FnOnce(&mut Object<'_>, &T)) {
        if let Some(value) = value {
            self.object(key, |object| show(object, value));
        }
    }

    /// A map, in the order given.
    pub(super) fn map<V>(
        &mut self,
        key: &str,
        entries: impl ExactSizeIterator<Item = (String, V)>,
        show: impl Fn(&mut Object<'_>, &str, V),
    ) {
        if entries.len() > 0 {
            self.object(key, |object| {
                for (name, value) in entries {
                    show(object, &name, value);
                }
            });
        }
    }

    /// A member of a map: maps have no members that are left out.
    pub(super) fn bool_always(&mut self, key: &str, value: bool) {
        self.key(key).push_str(if value { "true" } else { "false" });
    }
}

fn array<T>(out: &mut String, items: impl IntoIterator<Item = T>, show: impl Fn(&mut String, T)) {
    out.push('[');
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        show(out, item);
    }
    out.push(']');
}

fn push(out: &mut String, number: impl std::fmt::Display) {
    // Writing to a String can't fail.
    let _infallible = write!(out, "{number}");
}

/// A string of the standard base64 alphabet, padded.
fn push_base64(out: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push('"');
    for chunk in bytes.chunks(3) {
        let at = |i: usize| chunk.get(i).copied().map_or(0, u32::from);
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let index = (group >> shift & 63) as usize;
            let symbol = ALPHABET.get(index).copied().map_or('=', char::from);
            out.push(if place <= chunk.len() { symbol } else { '=' });
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        for (bytes, expect) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            let mut out = String::new();
            push_base64(&mut out, bytes.as_bytes());
            assert_eq!(out, format!("\"{expect}\""));
        }
    }
}
