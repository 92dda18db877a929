//! Ignore files: which one applies to a build, and the patterns that it holds.
//!
//! The rules of reading are moby/patternmatcher's `ignorefile`
//! (<https://github.com/moby/patternmatcher/blob/main/ignorefile/ignorefile.go>). The patterns go into the definition as
//! they are read, before a script's own `exclude`; matching them is the sender's and the engine's business.

use std::sync::Arc;

use luakit_diagnostic::{Diagnostic, SourceFile, Span};
use luakit_llb::path;

use crate::patterns::Patterns;

/// The names of a build's ignore files, the one to prefer first: the script's own, beside it, then the context's.
/// `script` is the script's file name without its directory.
pub fn candidates(script: &str) -> [String; 2] {
    [format!("{script}.dockerignore"), ".dockerignore".to_owned()]
}

/// The patterns of an ignore file, each of which must be one: an engine would tell neither the file nor the line.
pub fn read(file: &Arc<SourceFile>) -> Result<Vec<String>, Box<Diagnostic>> {
    for (number, line) in (1..).zip(file.data.split(|byte| *byte == b'\n')) {
        if let Err(error) = Patterns::new(patterns(line)) {
            let span = Span::line(Arc::clone(file), number);
            let wrong = Diagnostic::error("ignore-file", error.to_string());
            return Err(Box::new(wrong.with_span(span)));
        }
    }
    Ok(patterns(&file.data))
}

/// The patterns of an ignore file, cleaned. Bytes that are not UTF-8 can't match a path that BuildKit can send,
/// and are replaced.
fn patterns(file: &[u8]) -> Vec<String> {
    let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
    let text = String::from_utf8_lossy(file);
    text.split('\n').filter_map(pattern).collect()
}

fn pattern(line: &str) -> Option<String> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    // A comment begins in the first column; elsewhere a `#` is a file name.
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim();
    if line.is_empty() {
        return None;
    }
    let (invert, rest) = match line.strip_prefix('!') {
        Some(rest) => ("!", rest.trim()),
        None => ("", line),
    };
    if rest.is_empty() {
        return Some(invert.to_owned());
    }
    let clean = path::clean(rest);
    let relative = match clean.strip_prefix('/') {
        Some(relative) if !relative.is_empty() => relative,
        _ => &clean,
    };
    Some(format!("{invert}{relative}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &[u8], expect: &[&str]) {
        assert_eq!(patterns(file), expect, "{}", String::from_utf8_lossy(file));
    }

    #[test]
    fn reads_as_moby_does() {
        check(
            b"# comment\nnode_modules/\n\n  *.log  \n!keep.log\n/build\n",
            &["node_modules", "*.log", "!keep.log", "build"],
        );
        check(b"\xEF\xBB\xBF#a\r\nb\r\n", &["b"]);
        check(b" # no comment", &["# no comment"]);
        check(b"!\n! /a/../b/./c//\n!#x", &["!", "!b/c", "!#x"]);
        check(b"/\n.\n..\n../a\n/../a\n//a", &["/", ".", "..", "../a", "a", "a"]);
        check(b"**/x\n\\!literal\na b\n\t\n", &["**/x", "\\!literal", "a b"]);
        check(b"", &[]);
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_line() {
        let read = |text: &str| read(&SourceFile::new(".dockerignore", text.as_bytes()));
        assert_eq!(read("a\n!b\n").unwrap(), ["a", "!b"]);
        let told = |text| read(text).unwrap_err().to_string();
        assert_eq!(
            told("*.log\n# [a\n[a\n"),
            ".dockerignore:3: syntax error in pattern `[a`"
        );
        assert_eq!(told("\n!\n[a"), ".dockerignore:2: illegal exclusion pattern: `!`");
    }

    #[test]
    fn a_scripts_own_file_comes_first() {
        assert_eq!(candidates("build.lua"), ["build.lua.dockerignore", ".dockerignore"]);
    }
}
