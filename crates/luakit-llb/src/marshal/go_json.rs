//! JSON as Go's `encoding/json` writes it, which escapes what HTML would trip over. BuildKit's client writes
//! lists of patterns so into an attribute, and the attribute is part of the digest; its tools print definitions so.

use std::fmt::Write as _;

/// A JSON array of strings.
pub(crate) fn string_array(items: &[String]) -> String {
    let mut out = String::from("[");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_string(&mut out, item);
    }
    out.push(']');
    out
}

/// A string, quoted.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                // Writing to a String can't fail.
                let _infallible = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_go_escapes() {
        let items = ["a&b<c>".to_owned(), "q\"\\\n\u{1}\u{8}\u{2028}é\u{7f}".to_owned()];
        assert_eq!(
            string_array(&items),
            "[\"a\\u0026b\\u003cc\\u003e\",\"q\\\"\\\\\\n\\u0001\\b\\u2028é\u{7f}\"]"
        );
    }
}
