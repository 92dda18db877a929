//! Glob patterns, in the language of ignore files: moby/patternmatcher's, where a pattern matches whole
//! paths.
//!
//! `*` and `?` stay within a path's part, `[a-z]` and `[^a]` are classes, `\` takes the next character as
//! it is, `**/` is any number of directories, and `**` at the end is all that follows.
//! <https://github.com/moby/patternmatcher/blob/main/patternmatcher.go>

/// A pattern, ready to match.
#[derive(Debug, Clone)]
pub struct Glob {
    tokens: Vec<Token>,
    /// The tokens of each part, up to the first with `**` in it: what directories are worth a look.
    parts: Vec<Vec<Token>>,
    /// Whether `parts` is all there is, so that nothing lies deeper.
    exact_depth: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Some,
    /// `**` before something: nothing, or anything that ends in `/`.
    Directories,
    /// `**` at the end.
    Rest,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// A `[` without its `]`.
    #[error("a `[` is not closed")]
    OpenClass,
    /// A range whose end comes before its start.
    #[error("a range in `[...]` runs backwards")]
    BackwardRange,
    /// The pattern reaches outside: an absolute path or `..`.
    #[error("the pattern leads outside")]
    Outside,
}

impl Glob {
    /// Reads a pattern. It is cleaned as a path is: `./a//b/` is `a/b`.
    ///
    /// # Errors
    /// When it is malformed or leads outside.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        if pattern.starts_with('/') {
            return Err(GlobError::Outside);
        }
        let mut clean: Vec<&str> = Vec::new();
        for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if part == ".." {
                clean.pop().ok_or(GlobError::Outside)?;
            } else {
                clean.push(part);
            }
        }
        let fixed = clean.iter().take_while(|part| !part.contains("**"));
        let parts = fixed.map(|part| tokens(part)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            tokens: tokens(&clean.join("/"))?,
            exact_depth: parts.len() == clean.len(),
            parts,
        })
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &str) -> bool {
        matches(&self.tokens, path)
    }

    /// Whether something below a directory may match.
    pub fn may_match_below(&self, directory: &str) -> bool {
        let mut depth = 0;
        for (index, part) in directory.split('/').filter(|part| !part.is_empty()).enumerate() {
            depth = index + 1;
            if self.parts.get(index).is_some_and(|tokens| !matches(tokens, part)) {
                return false;
            }
        }
        !self.exact_depth || depth < self.parts.len()
    }
}

fn tokens(pattern: &str) -> Result<Vec<Token>, GlobError> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                if chars.peek().is_none() {
                    Token::Rest
                } else {
                    Token::Directories
                }
            }
            '*' => Token::Some,
            '?' => Token::One,
            '\\' => Token::Char(chars.next().unwrap_or('\\')),
            '[' => class(&mut chars)?,
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, GlobError> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let mut take = || match chars.next() {
            Some('\\') => chars.next().ok_or(GlobError::OpenClass).map(|c| (c, true)),
            Some(c) => Ok((c, false)),
            None => Err(GlobError::OpenClass),
        };
        let (low, escaped) = take()?;
        // A `]` right at the start is one of the class.
        if low == ']' && !escaped && !ranges.is_empty() {
            return Ok(Token::Class { negated, ranges });
        }
        let mut ahead = chars.clone();
        let range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
        if !range {
            ranges.push((low, low));
            continue;
        }
        chars.next();
        let high = match chars.next() {
            Some('\\') => chars.next().ok_or(GlobError::OpenClass)?,
            Some(c) => c,
            None => return Err(GlobError::OpenClass),
        };
        if high < low {
            return Err(GlobError::BackwardRange);
        }
        ranges.push((low, high));
    }
}

/// Follows all ways at once, so that time is the product of both lengths and no more.
fn matches(tokens: &[Token], path: &str) -> bool {
    let mut at = vec![false; tokens.len() + 1];
    let set = |at: &mut Vec<bool>, index: usize| {
        // What may match nothing is passed over at once.
        for (i, slot) in at.iter_mut().enumerate().skip(index) {
            *slot = true;
            if !matches!(tokens.get(i), Some(Token::Some | Token::Directories | Token::Rest)) {
                break;
            }
        }
    };
    set(&mut at, 0);
    for c in path.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (index, token) in tokens.iter().enumerate() {
            if !at.get(index).copied().unwrap_or(false) {
                continue;
            }
            match token {
                Token::Char(expected) if c == *expected => set(&mut next, index + 1),
                Token::One if c != '/' => set(&mut next, index + 1),
                Token::Some if c != '/' => set(&mut next, index),
                Token::Rest => set(&mut next, index),
                Token::Directories => {
                    // Within the directories; past them only right behind a `/`.
                    if let Some(slot) = next.get_mut(index) {
                        *slot = true;
                    }
                    if c == '/' {
                        set(&mut next, index + 1);
                    }
                }
                Token::Class { negated, ranges } => {
                    let within = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                    if within != *negated {
                        set(&mut next, index + 1);
                    }
                }
                _ => {}
            }
        }
        at = next;
    }
    at.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::{Glob, GlobError};

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let glob = Glob::new(pattern).expect("a pattern");
        for path in yes {
            assert!(glob.matches(path), "{pattern} should match {path}");
            for (at, _) in path.match_indices('/') {
                assert!(glob.may_match_below(&path[..at]), "{pattern} below {}", &path[..at]);
            }
        }
        for path in no {
            assert!(!glob.matches(path), "{pattern} should not match {path}");
        }
    }

    #[test]
    fn the_language_of_ignore_files() {
        check(
            "services/*/package.json",
            &["services/a/package.json"],
            &["services/package.json", "services/a/b/package.json"],
        );
        check("*.go", &["a.go", ".go"], &["a/b.go", "a.got"]);
        check("**/*.go", &["a.go", "a/b.go", "a/b/c.go"], &["a/b", "a.go/x"]);
        check("src/**", &["src/a", "src/a/b"], &["src", "srcs/a"]);
        check(
            "src/**/test",
            &["src/test", "src/a/b/test"],
            &["src/atest", "src/a/test/b"],
        );
        check("**", &["a", "a/b"], &[]);
        check("a**b", &["ab", "ax/b", "a/x/b"], &["axb"]);
        check(
            "file?.[ch]",
            &["file1.c", "fileä.h"],
            &["file.c", "file12.c", "file/.c"],
        );
        check("[^a-c]x", &["dx"], &["ax", "bx"]);
        check("[]a]", &["]", "a"], &["b"]);
        check("[a\\]]x", &["]x"], &["\\x"]);
        check("\\*.txt", &["*.txt"], &["a.txt"]);
        check("./a//b/", &["a/b"], &["a"]);
        check("a/../b", &["b"], &["a/b"]);
        check("a-[0-9]-[+-]", &["a-1-+", "a-2--"], &["a-x-+"]);
    }

    #[test]
    fn directories_that_cannot_matter_are_passed_over() {
        let glob = Glob::new("services/*/package.json").expect("a pattern");
        assert!(glob.may_match_below("") && glob.may_match_below("services") && glob.may_match_below("services/a"));
        assert!(!glob.may_match_below("node_modules") && !glob.may_match_below("services/a/node_modules"));
        let glob = Glob::new("src/**/x").expect("a pattern");
        assert!(glob.may_match_below("src/a/b/c") && !glob.may_match_below("lib"));
    }

    #[test]
    fn what_is_no_pattern() {
        let error = |pattern| Glob::new(pattern).expect_err("no pattern");
        assert_eq!(error("[a"), GlobError::OpenClass);
        assert_eq!(error("[]"), GlobError::OpenClass);
        assert_eq!(error("[z-a]"), GlobError::BackwardRange);
        assert_eq!(error("/etc/*"), GlobError::Outside);
        assert_eq!(error("a/../../b"), GlobError::Outside);
    }

    #[test]
    fn stars_take_no_time() {
        let glob = Glob::new(&format!("{}b", "*a".repeat(500))).expect("a pattern");
        assert!(!glob.matches(&"a".repeat(5000)));
    }
}
