//! File patterns with the rules of github.com/moby/patternmatcher: those of `.dockerignore` and of local
//! sources.
//!
//! `*` and `?` stop at `/`, `**` doesn't, `[a-z]` and `[^a]` are classes, `\` takes the next character as
//! it is, a leading `!` makes an exception, and a pattern that matches a directory matches what is below
//! it. Later patterns win. Go compiles these to regular expressions; here a set of positions moves along
//! the path, so no pattern is slow. Knows no files: callers feed it paths, relative and with `/`.

use luakit_llb::path;

/// A list of patterns.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    patterns: Vec<Pattern>,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// An exception of nothing.
    #[error("illegal exclusion pattern: `!`")]
    BareExclamation,
    /// A class that isn't closed or is empty, a range without an end, a `\` at the end.
    #[error("syntax error in pattern `{0}`")]
    Syntax(String),
}

/// Which patterns a directory matched: what [`Patterns::matches_below`] needs for its entries.
#[derive(Debug, Clone, Default)]
pub struct Matched(Vec<bool>);

impl Patterns {
    /// Reads patterns; empty ones are left out.
    pub fn new<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        for text in texts {
            let text = text.as_ref().trim();
            if !text.is_empty() {
                patterns.push(Pattern::parse(text)?);
            }
        }
        Ok(Self { patterns })
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether the last pattern that speaks of `path` or of a directory above it is no exception.
    pub fn matches(&self, path: &str) -> bool {
        self.matches_below(path, None).0
    }

    /// The same, given what the directory above matched: for a walk, which then looks at each path once.
    pub fn matches_below(&self, path: &str, parent: Option<&Matched>) -> (bool, Matched) {
        let mut matched = false;
        let mut each = Vec::with_capacity(self.patterns.len());
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.and_then(|p| p.0.get(index)).copied().unwrap_or(false);
            // A pattern that couldn't change the answer isn't tried, and counts as unmatched below: as in Go.
            let hit = inherited
                || (pattern.exception == matched
                    && (pattern.matches(path)
                        || (parent.is_none() && ancestors(path).any(|dir| pattern.matches(dir)))));
            if hit {
                matched = !pattern.exception;
            }
            each.push(hit);
        }
        (matched, Matched(each))
    }

    /// Whether an ordinary pattern could match something below `dir`, which itself isn't matched.
    ///
    /// Told from the patterns' literal beginnings alone: with a wildcard anywhere but at the end of one,
    /// the answer is yes.
    pub fn may_match_below(&self, dir: &str) -> bool {
        Self::reach_below(self.patterns.iter().filter(|p| !p.exception), dir)
    }

    /// Whether an exception could match something below `dir`, which itself is matched.
    pub fn may_except_below(&self, dir: &str) -> bool {
        Self::reach_below(self.patterns.iter().filter(|p| p.exception), dir)
    }

    fn reach_below<'a>(mut patterns: impl Iterator<Item = &'a Pattern> + Clone, dir: &str) -> bool {
        let wild = |p: &Pattern| p.stem().contains(['*', '[', ']', '?', '^', '\\']);
        patterns.clone().any(wild)
            || patterns.any(|p| {
                let stem = p.stem();
                stem == dir || stem.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
            })
    }
}

/// Whether `name`, one element of a path, matches `pattern` as Go's `filepath.Match` has it. A malformed
/// pattern matches nothing.
pub fn match_name(pattern: &str, name: &str) -> bool {
    match tokens(pattern, false) {
        Ok(tokens) => run(&tokens, name),
        Err(_) => false,
    }
}

/// Whether `name` holds an unescaped wildcard.
pub fn has_wildcards(name: &str) -> bool {
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// The directories above `path`, topmost first, the root left out.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/')
        .filter(|(at, _)| *at > 0)
        .map(|(at, _)| &path[..at])
}

#[derive(Debug, Clone)]
struct Pattern {
    /// Cleaned, without the `!`.
    text: String,
    exception: bool,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Exact,
    /// `literal**`: any path that starts so, `/` or not.
    Prefix(String),
    /// `**literal` without a `/` between: any path that ends so.
    Suffix(String),
    Tokens(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Char(char),
    /// `?`
    NotSlash,
    /// `*`
    Star,
    /// `**` before something: nothing, or anything that ends in `/`.
    Dirs,
    /// `**` at the end: anything.
    Rest,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, PatternError> {
        // Cleaned with its `!`, as Go does.
        let cleaned = path::clean(text);
        let (exception, text) = match cleaned.strip_prefix('!') {
            Some("") => return Err(PatternError::BareExclamation),
            Some(rest) => (true, rest.to_owned()),
            None => (false, cleaned),
        };
        let tokens = tokens(&text, true)?;
        let literal = |t: &[Token]| -> Option<String> {
            t.iter()
                .map(|t| if let Token::Char(c) = t { Some(*c) } else { None })
                .collect()
        };
        // Go compares without a regular expression where it can, and thereby differently: `**x` takes no
        // `/` before `x`.
        let matcher = if text.contains('\\') {
            Matcher::Tokens(tokens)
        } else if literal(&tokens).is_some() {
            Matcher::Exact
        } else if let [head @ .., Token::Rest] = tokens.as_slice()
            && let Some(prefix) = literal(head)
        {
            Matcher::Prefix(prefix)
        } else if let [Token::Dirs, tail @ ..] = tokens.as_slice()
            && !text.starts_with("**/")
            && let Some(suffix) = literal(tail)
        {
            Matcher::Suffix(suffix)
        } else {
            Matcher::Tokens(tokens)
        };
        Ok(Self {
            text,
            exception,
            matcher,
        })
    }

    fn matches(&self, path: &str) -> bool {
        match &self.matcher {
            Matcher::Exact => path == self.text,
            Matcher::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Matcher::Suffix(suffix) => path.ends_with(suffix.as_str()),
            Matcher::Tokens(tokens) => run(tokens, path),
        }
    }

    /// The text without a wildcard at its end.
    fn stem(&self) -> &str {
        let text = self.text.strip_suffix("/**").unwrap_or(&self.text);
        text.strip_suffix("/*").unwrap_or(text)
    }
}

/// Reads a pattern; `across` is whether `**` crosses directories.
fn tokens(pattern: &str, across: bool) -> Result<Vec<Token>, PatternError> {
    let syntax = || PatternError::Syntax(pattern.to_owned());
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if across && chars.next_if_eq(&'*').is_some() => {
                // `**/` reads as `**`.
                let slash = chars.next_if_eq(&'/');
                match (chars.peek(), slash) {
                    (None, _) => Token::Rest,
                    (Some(_), _) => Token::Dirs,
                }
            }
            '*' => Token::Star,
            '?' => Token::NotSlash,
            '\\' => Token::Char(chars.next().ok_or_else(syntax)?),
            '[' => class(&mut chars).ok_or_else(syntax)?,
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

/// What follows a `[`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let one = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    };
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Some(Token::Class { negated, ranges });
        }
        let low = one(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() {
            one(chars)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

/// Moves the set of positions in `tokens` that the path so far can have reached.
fn run(tokens: &[Token], path: &str) -> bool {
    let mut now = vec![false; tokens.len() + 1];
    let mut next = now.clone();
    set(&mut now, 0);
    skip_optional(tokens, &mut now);
    // Where a `**` before something is in the midst of its directories: it may only be left after a `/`.
    let mut inside = vec![false; tokens.len()];
    for c in path.chars() {
        next.fill(false);
        for (at, token) in tokens.iter().enumerate() {
            let here = now.get(at).copied().unwrap_or(false);
            match token {
                Token::Dirs => {
                    let Some(inside) = inside.get_mut(at) else { continue };
                    *inside |= here;
                    if *inside && c == '/' {
                        set(&mut next, at + 1);
                    }
                }
                _ if !here => {}
                Token::Char(expect) if *expect == c => set(&mut next, at + 1),
                Token::NotSlash if c != '/' => set(&mut next, at + 1),
                Token::Star if c != '/' => set(&mut next, at),
                Token::Rest => set(&mut next, at),
                Token::Class { negated, ranges }
                    if ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated =>
                {
                    set(&mut next, at + 1);
                }
                _ => {}
            }
        }
        skip_optional(tokens, &mut next);
        std::mem::swap(&mut now, &mut next);
    }
    now.last().copied().unwrap_or(false)
}

/// `*` and `**` may stand for nothing.
fn skip_optional(tokens: &[Token], positions: &mut [bool]) {
    for (at, token) in tokens.iter().enumerate() {
        let optional = matches!(token, Token::Star | Token::Dirs | Token::Rest);
        if optional && positions.get(at).copied().unwrap_or(false) {
            set(positions, at + 1);
        }
    }
}

fn set(positions: &mut [bool], at: usize) {
    if let Some(slot) = positions.get_mut(at) {
        *slot = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(pattern: &str, path: &str) -> bool {
        Patterns::new([pattern]).unwrap().matches(path)
    }

    #[test]
    fn single_patterns() {
        // From patternmatcher's own table, where the answer isn't obvious.
        let cases = [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir", false),
            ("dir/**", "dir/dir2/file", true),
            ("**/dir", "dir", true),
            ("**/dir", "dir/file", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir2/file", true),
            ("**file", "file", true),
            ("**file", "dir/file", true),
            ("**/file", "dir/file", true),
            ("**/file", "dirfile", false),
            ("**file", "dirfile", true),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/file*txt", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("a**b", "ab", true),
            ("a**b", "axb", false),
            ("a**b", "ax/b", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("abc.def", "abcdef", false),
            ("abc.def", "abc.def", true),
            ("a[a]/b", "aa/b", true),
            ("a[b-d]e", "ace", true),
            ("a[^b-d]e", "aze", true),
            ("a[^b-d]e", "ace", false),
            ("a*c", "a/c", false),
            ("a?c", "a/c", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("docs", "docs/README.md", true),
            ("docs/", "docs/a/b", true),
            ("*/b", "a/b/c/d", true),
            ("a(b)c", "a(b)c", true),
            ("ü*", "über", true),
            (".", "a", false),
        ];
        for (pattern, path, expect) in cases {
            assert_eq!(one(pattern, path), expect, "{pattern} on {path}");
        }
    }

    #[test]
    fn exceptions_and_order() {
        let cases: [(&[&str], &str, bool); 8] = [
            (&["**", "!util/docker/web"], "util/docker/web/foo", false),
            (
                &["**", "!util/docker/web", "util/docker/web/foo"],
                "util/docker/web/foo",
                true,
            ),
            (&["docs", "!docs/README.md"], "docs/README.md", false),
            (&["docs", "!docs/README.md"], "docs/guide.md", true),
            (&["*", "!src"], "src/main.rs", false),
            (&["*.md", "!README*.md", "README-secret.md"], "README-secret.md", true),
            (&["*.md", "!README*.md", "README-secret.md"], "README.md", false),
            (&["!*.go", "*.go"], "a.go", true),
        ];
        for (texts, path, expect) in cases {
            let patterns = Patterns::new(texts).unwrap();
            assert_eq!(patterns.matches(path), expect, "{texts:?} on {path}");
            // A walk down from the root must say the same.
            let mut parent = Some(Matched::default());
            let mut answer = false;
            for dir in ancestors(path).chain([path]) {
                let (hit, info) = patterns.matches_below(dir, parent.as_ref());
                answer = hit;
                parent = Some(info);
            }
            assert_eq!(answer, expect, "walking {texts:?} on {path}");
        }
    }

    /// Go's two ways of asking differ where an exception matches only a directory that nothing had matched
    /// before: the walk, which decides what is sent, doesn't try it there. So do ours.
    #[test]
    fn exceptions_on_the_way() {
        let patterns = Patterns::new(["*/*", "!*"]).unwrap();
        assert!(!patterns.matches("a/a"));
        let (hit, a) = patterns.matches_below("a", None);
        assert!(!hit);
        assert!(patterns.matches_below("a/a", Some(&a)).0);
    }

    #[test]
    fn malformed() {
        for bad in ["[", "a[]", "a[b", "a[-]", "a[b-]", "[^", "a\\", "!["] {
            assert_eq!(
                Patterns::new([bad]).map(|_| ()),
                Err(PatternError::Syntax(bad.trim_start_matches('!').to_owned())),
            );
        }
        assert_eq!(Patterns::new(["!"]).map(|_| ()), Err(PatternError::BareExclamation));
        assert!(Patterns::new(["", "  "]).unwrap().is_empty());
    }

    #[test]
    fn what_a_walk_may_skip() {
        let include = Patterns::new(["src/app", "docs/**"]).unwrap();
        assert!(include.may_match_below("src") && include.may_match_below("docs"));
        assert!(!include.may_match_below("srcs") && !include.may_match_below("target"));
        assert!(Patterns::new(["**/x"]).unwrap().may_match_below("target"));
        let exclude = Patterns::new(["target", "!target/keep"]).unwrap();
        assert!(exclude.may_except_below("target") && !exclude.may_except_below("node_modules"));
    }

    #[test]
    fn names_and_cleaning() {
        assert!(match_name("*.go", "a.go") && match_name("[a-c]?", "bx") && match_name("**", "x"));
        assert!(!match_name("*.go", "a.c") && !match_name("[", "["));
        assert!(has_wildcards("a*") && !has_wildcards("a\\*") && has_wildcards("[x]"));
        for (path, expect) in [("./a//b/../c/", "a/c"), ("", "."), ("/../a", "/a"), ("../a", "../a")] {
            assert_eq!(path::clean(path), expect);
        }
    }

    proptest::proptest! {
        /// A walk from the root, which looks at each path once, decides as a look at the whole path does,
        /// as long as there are no exceptions (see `exceptions_on_the_way`).
        #[test]
        fn walking_and_looking_agree(
            texts in proptest::collection::vec("[ab*?/\\[\\]\\\\-]{0,6}", 0..5),
            path in "[ab]{1,2}(/[ab]{1,2}){0,3}",
        ) {
            if let Ok(patterns) = Patterns::new(&texts) {
                let mut parent: Option<Matched> = None;
                let mut answer = false;
                for at in ancestors(&path).chain([path.as_str()]) {
                    let (hit, matched) = patterns.matches_below(at, parent.as_ref());
                    // What a walk would have skipped must not have mattered.
                    if !hit && at != path && !patterns.may_match_below(at) {
                        proptest::prop_assert!(!patterns.matches(&path), "skipped {}", at);
                    }
                    answer = hit;
                    parent = Some(matched);
                }
                proptest::prop_assert_eq!(answer, patterns.matches(&path));
            }
        }
    }
}
