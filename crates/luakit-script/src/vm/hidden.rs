//! A script's text without what it says: for diagnostics about lines that hold a password.
//!
//! Whoever is given the diagnostic may show or pass on the whole file, so the whole file is done. Names and
//! punctuation stay where they are; every other character is a star: strings, numbers, and comments with them.

use std::sync::Arc;

use luakit_diagnostic::SourceFile;

use super::lexer::{self, Kind};

/// The file, with stars in the place of its strings, numbers and comments.
pub(super) fn texts(file: &SourceFile) -> Arc<SourceFile> {
    let mut shown = String::with_capacity(file.data.len());
    let mut at = 0;
    for token in lexer::tokens(&file.data) {
        let text = file.data.get(token.start..token.end).unwrap_or_default();
        shown.push_str(&stars(file.data.get(at..token.start).unwrap_or_default()));
        match token.kind {
            Kind::Text | Kind::Number => shown.push_str(&stars(text)),
            Kind::Name | Kind::Punct => shown.push_str(&String::from_utf8_lossy(text)),
        }
        at = token.end;
    }
    shown.push_str(&stars(file.data.get(at..).unwrap_or_default()));
    SourceFile::new(file.name.clone(), shown.into_bytes())
}

/// As many characters, so that columns stay what they are.
fn stars(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().map(|c| if c.is_whitespace() { c } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_where_they_are() {
        let mut text = "#!shebang pw\nlocal ü = bk.git(\"pw\\\"pw\", { [ [[pw\npw]] ] = `{x}pw` }) -- pw 1.5\n"
            .to_owned()
            .into_bytes();
        text.extend_from_slice(b"\xffpw = 12");
        let hidden = texts(&SourceFile::new("a.lua", text));
        insta::assert_snapshot!(String::from_utf8_lossy(&hidden.data), @"
        ********* **
        local ü = bk.git(********, { [ ****
        **** ] = ******* }) ** ** ***
        �pw = **
        ");
    }
}
