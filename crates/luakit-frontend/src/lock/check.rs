//! `--locked`: whether a lock file pins everything that a build reaches.

use std::fmt;

use luakit_diagnostic::Diagnostic;
use luakit_llb::{Pins, Reached};

use crate::lock::{commit_of, is_locked};
use crate::public_url::{GitName, public_url};

/// What a lock file doesn't pin, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLocked(pub Vec<Unpinned>);

/// A source that a lock file doesn't pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// The source: ``image `alpine:3.20` for linux/amd64``.
    pub subject: String,
    /// What the file pins of the same repository, when the script has moved on from that.
    pub instead: Vec<String>,
}

/// Refuses a build of which anything is not pinned, with everything that isn't.
pub fn check(reached: &Reached, locked: &Pins) -> Result<(), NotLocked> {
    let mut unpinned = Vec::new();
    for (wanted, platform) in &reached.images {
        if locked.image(wanted, platform).is_some() {
            continue;
        }
        let same = locked
            .images()
            .filter(|(reference, _, _)| (reference.domain(), reference.path()) == (wanted.domain(), wanted.path()));
        unpinned.push(Unpinned {
            subject: format!("image `{}` for {}", wanted.familiar(), platform),
            instead: same
                .map(|(reference, platform, _)| format!("`{}` for {platform}", reference.familiar()))
                .collect(),
        });
    }
    for request in &reached.git {
        if commit_of(locked, request).is_none() {
            let url = public_url(&request.url);
            let same = locked.commits().filter(|(other, _, _)| *other == url);
            unpinned.push(Unpinned {
                subject: format!("git source `{}`", GitName(&url, request.reference.as_deref())),
                instead: same.map(|(url, r, _)| format!("`{}`", GitName(url, r))).collect(),
            });
        }
    }
    for request in &reached.http {
        if !is_locked(locked, request) {
            unpinned.push(Unpinned {
                subject: format!("file `{}`", public_url(&request.url)),
                instead: Vec::new(),
            });
        }
    }
    if unpinned.is_empty() {
        return Ok(());
    }
    Err(NotLocked(unpinned))
}

impl std::error::Error for NotLocked {}

impl fmt::Display for Unpinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)?;
        match self.instead.as_slice() {
            [] => Ok(()),
            instead => write!(f, " (pinned is {})", instead.join(", ")),
        }
    }
}

impl fmt::Display for NotLocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lock file doesn't pin ")?;
        for (n, unpinned) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{unpinned}")?;
        }
        Ok(())
    }
}

impl NotLocked {
    /// As one diagnostic: a line for each source.
    pub fn diagnostic(&self) -> Diagnostic {
        let message = match self.0.as_slice() {
            [one] => format!("the lock file doesn't pin {one}"),
            several => format!("the lock file doesn't pin {} of the build's sources", several.len()),
        };
        let mut diagnostic = Diagnostic::error("not-locked", message);
        if self.0.len() > 1 {
            diagnostic.notes = self.0.iter().map(ToString::to_string).collect();
        }
        diagnostic.with_hint("`luakit lock` pins what is missing and keeps what is there")
    }
}
