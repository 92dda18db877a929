//! The one way to write a lock file: sorted, a line for a fact, nothing of the machine or the hour.

use std::fmt::Write as _;

use luakit_llb::Pins;

/// The text of a lock file. Reading it gives the same pins, and writing those the same text.
///
/// A config that is not UTF-8 can't come from [`resolve`](crate::resolve), which reads each as JSON; its broken
/// parts would be replaced.
pub fn write(pins: &Pins) -> String {
    let mut text = "version = 1\n".to_owned();
    for (reference, platform, image) in pins.images() {
        // What has no digest can't be pinned.
        let Some(digest) = &image.digest else { continue };
        let config = String::from_utf8_lossy(&image.config);
        text.push_str("\n[[image]]\n");
        line(&mut text, "ref", &basic(&reference.to_string()));
        line(&mut text, "platform", &basic(&platform.to_string()));
        line(&mut text, "digest", &basic(digest.as_str()));
        line(&mut text, "config", &literal(&config).unwrap_or_else(|| basic(&config)));
    }
    for (url, reference, commit) in pins.commits() {
        text.push_str("\n[[git]]\n");
        line(&mut text, "url", &basic(url));
        if let Some(reference) = reference {
            line(&mut text, "ref", &basic(reference));
        }
        line(&mut text, "commit", &basic(commit));
    }
    for (url, checksum) in pins.files() {
        text.push_str("\n[[http]]\n");
        line(&mut text, "url", &basic(url));
        line(&mut text, "checksum", &basic(checksum.as_str()));
    }
    text
}

fn line(text: &mut String, key: &str, value: &str) {
    text.push_str(key);
    text.push_str(" = ");
    text.push_str(value);
    text.push('\n');
}

/// `'…'`, which has no escapes; `None` when the text can't stand in it.
fn literal(text: &str) -> Option<String> {
    let fits = |c: char| c == '\t' || !(c == '\'' || c.is_control());
    text.chars().all(fits).then(|| format!("'{text}'"))
}

/// `"…"`.
fn basic(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a string can't fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
