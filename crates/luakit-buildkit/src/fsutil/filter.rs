//! Which entries of a tree are sent: include, exclude and follow patterns together, as fsutil's filter has
//! them.
//!
//! With include patterns a directory that matches none is walked for what is below it, and sent only once
//! something is. Paths to follow become include patterns, with the targets of links on the way added (see
//! [`super::follow`]).

use std::collections::BTreeSet;

use super::anchor::Anchor;
use super::{TransferError, follow};
use luakit_frontend::patterns::{Matched, Patterns};

/// What a request asks to be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Nothing: everything is included.
    include: Option<Patterns>,
    exclude: Option<Patterns>,
    /// Entries that are left out whatever the patterns say.
    without: BTreeSet<String>,
}

/// What to do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Send,
    /// Not sent itself, but something below it may be.
    Look,
    /// Nothing of it is sent.
    Skip,
}

/// What a directory's matches mean for its entries.
#[derive(Debug, Clone, Default)]
pub(crate) struct DirState {
    include: Matched,
    exclude: Matched,
}

impl Filter {
    /// Reads a request's patterns; `anchor` is where followed links are looked up.
    pub(crate) fn new(
        anchor: &mut Anchor,
        include: &[String],
        exclude: &[String],
        follow: &[String],
    ) -> Result<Self, TransferError> {
        let mut include = include.to_vec();
        if !follow.is_empty() {
            include.extend(follow::follow(anchor, follow));
            include = widest(include);
        }
        let patterns = |texts: &[String]| -> Result<Option<Patterns>, TransferError> {
            Ok(if texts.is_empty() {
                None
            } else {
                Some(Patterns::new(texts)?)
            })
        };
        Ok(Self {
            include: patterns(&include)?,
            exclude: patterns(exclude)?,
            without: BTreeSet::new(),
        })
    }

    /// The same without some entries, given by their paths in the tree.
    pub(crate) fn without<'p>(mut self, paths: impl Iterator<Item = &'p str>) -> Self {
        self.without.extend(paths.map(str::to_owned));
        self
    }

    /// Decides about one entry, given what its directory matched.
    pub(crate) fn decide(&self, path: &str, is_dir: bool, parent: Option<&DirState>) -> (Decision, DirState) {
        let mut state = DirState::default();
        if self.without.contains(path) {
            return (Decision::Skip, state);
        }
        let mut decision = Decision::Send;
        if let Some(include) = &self.include {
            let (hit, matched) = include.matches_below(path, parent.map(|p| &p.include));
            state.include = matched;
            if !hit {
                if !is_dir || !include.may_match_below(path) {
                    return (Decision::Skip, state);
                }
                decision = Decision::Look;
            }
        }
        if let Some(exclude) = &self.exclude {
            let (hit, matched) = exclude.matches_below(path, parent.map(|p| &p.exclude));
            state.exclude = matched;
            if hit {
                if !is_dir || !exclude.may_except_below(path) {
                    return (Decision::Skip, state);
                }
                decision = Decision::Look;
            }
        }
        (decision, state)
    }
}

/// Drops what another path covers; with the root among them, there is no filter.
fn widest(mut paths: Vec<String>) -> Vec<String> {
    paths.sort();
    let mut kept: Vec<String> = Vec::new();
    for path in paths {
        if path == "." {
            return Vec::new();
        }
        let covered = kept.last().is_some_and(|last| {
            path == *last
                || path
                    .strip_prefix(last.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
        });
        if !covered {
            kept.push(path);
        }
    }
    kept
}
