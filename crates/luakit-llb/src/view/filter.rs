//! Which vertices are shown: by what they do, and by their names.

use std::collections::BTreeSet;

use crate::definition::Kind;

/// A choice of vertices: of one of the kinds, if any are named, with one of the texts in the name, if any are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    kinds: BTreeSet<Kind>,
    names: Vec<String>,
}

/// Why a text is no filter.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum FilterError {
    /// No vertex is of such a kind.
    #[error("unknown kind `{0}`: it must be source, exec, file, merge, diff, build or passthrough")]
    UnknownKind(String),
    /// There is nothing to look for.
    #[error("the filter is empty")]
    Empty,
}

const KINDS: [Kind; 7] = [
    Kind::Source,
    Kind::Exec,
    Kind::File,
    Kind::Merge,
    Kind::Diff,
    Kind::Build,
    Kind::Passthrough,
];

impl Filter {
    /// A filter of terms. `kind=exec`, or a kind alone, asks for a kind; `kind=exec,file` for either. `name=TEXT`, or any other
    /// text, asks for it in the name; with `*` or `?` in it, it is a pattern for the whole name.
    pub fn parse<'a>(terms: impl IntoIterator<Item = &'a str>) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for term in terms {
            filter.add(term)?;
        }
        Ok(filter)
    }

    fn add(&mut self, term: &str) -> Result<(), FilterError> {
        if term.is_empty() {
            return Err(FilterError::Empty);
        }
        if let Some(text) = term.strip_prefix("name=") {
            if text.is_empty() {
                return Err(FilterError::Empty);
            }
            self.names.push(text.to_owned());
        } else if let Some(kinds) = term.strip_prefix("kind=") {
            for kind in kinds.split(',') {
                let known = kind_of(kind).ok_or_else(|| FilterError::UnknownKind(kind.to_owned()))?;
                self.kinds.insert(known);
            }
        } else if let Some(kinds) = term.split(',').map(kind_of).collect::<Option<Vec<_>>>() {
            self.kinds.extend(kinds);
        } else {
            self.names.push(term.to_owned());
        }
        Ok(())
    }

    /// Whether everything is shown.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.names.is_empty()
    }

    /// Whether a vertex of this kind and name is shown.
    pub fn matches(&self, kind: Kind, name: &str) -> bool {
        let named = |wanted: &String| {
            if wanted.contains(['*', '?']) {
                glob(wanted, name)
            } else {
                name.contains(wanted.as_str())
            }
        };
        (self.kinds.is_empty() || self.kinds.contains(&kind)) && (self.names.is_empty() || self.names.iter().any(named))
    }
}

fn kind_of(name: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| kind.name() == name)
}

/// Whether a pattern of `*` and `?` matches all of a text. On a mismatch only the last `*` takes one character more, so the time is
/// at most that of the two lengths multiplied.
fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let text_here = text.clone();
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                text = text_here;
                retry = Some((pattern.clone(), text.clone()));
            }
            (Some('?'), Some(_)) => {}
            (Some(wanted), Some(c)) if wanted == c => {}
            _ => {
                let Some((after_star, from)) = &mut retry else {
                    return false;
                };
                if from.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                text = from.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(terms: &[&str], kind: Kind, name: &str, expect: bool) {
        let filter = Filter::parse(terms.iter().copied()).unwrap();
        assert_eq!(filter.matches(kind, name), expect, "{terms:?} on {name}");
    }

    #[test]
    fn terms_ask_for_kinds_and_names() {
        check(&[], Kind::Merge, "merge ()", true);
        check(&["exec"], Kind::Exec, "npm ci", true);
        check(&["exec"], Kind::File, "copy exec /", false);
        check(&["exec,file"], Kind::File, "mkdir /a", true);
        check(&["kind=source"], Kind::Source, "local://context", true);
        check(&["exec", "npm"], Kind::Exec, "/bin/sh -c npm ci", true);
        check(&["exec", "npm"], Kind::Exec, "/bin/sh -c make", false);
        check(&["npm", "make"], Kind::Exec, "/bin/sh -c make", true);
        check(&["name=exec"], Kind::File, "rm /exec", true);
        check(&["A=b"], Kind::Exec, "env A=b", true);
    }

    #[test]
    fn patterns_match_whole_names() {
        check(&["*npm*"], Kind::Exec, "/bin/sh -c npm ci", true);
        check(&["npm*"], Kind::Exec, "/bin/sh -c npm ci", false);
        check(&["a?c"], Kind::Exec, "abc", true);
        check(&["a?c"], Kind::Exec, "ac", false);
        check(&["*a*b*c"], Kind::Exec, "xaxbxbxcxc", true);
        check(&["*"], Kind::Exec, "", true);
        check(&["local://*"], Kind::Source, "local://é", true);
    }

    #[test]
    fn refuses_what_is_no_filter() {
        assert_eq!(Filter::parse([""]), Err(FilterError::Empty));
        assert_eq!(Filter::parse(["name="]), Err(FilterError::Empty));
        let unknown = Filter::parse(["kind=exce"]).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "unknown kind `exce`: it must be source, exec, file, merge, diff, build or passthrough"
        );
    }
}
