//! `luakit lock`: which pins stay, which are looked up, and what has changed then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures_util::{StreamExt as _, stream};
use luakit_diagnostic::{Diagnostic, nearest};
use luakit_llb::reach::GitRequest;
use luakit_llb::{Pins, Platform, Reached, Reference};

use crate::fetch::{Fetcher, PinError};
use crate::lock::{commit_of, is_locked, select};
use crate::public_url::{GitName, public_url};
use crate::resolve::{ImageResolver, ResolveErrors, resolve};

/// Which pins are looked up again. Those that are missing always are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// None.
    Missing,
    /// All.
    All,
    /// Those that are named: an image, a git remote with or without `#ref`, a URL.
    Named(Vec<String>),
}

/// What happens to the pins that a build doesn't reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreached {
    /// They stay: a run with other arguments, platforms or another script may reach them.
    Kept,
    /// They go.
    Pruned,
}

/// Why a lock file can't be written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A name to update that the build doesn't reach.
    #[error("can't update `{name}`: the build does not use it")]
    Unknown {
        /// The name as given.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// Sources that can't be looked up.
    #[error("{}", Lines(images.as_ref(), others))]
    Unresolved {
        /// Images.
        images: Option<ResolveErrors>,
        /// Git references and files.
        others: Vec<PinError>,
    },
}

/// One difference between two lock files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The source.
    pub subject: String,
    /// What it was pinned to; `None` is a new pin.
    pub from: Option<String>,
    /// What it is pinned to; `None` is a pin that has gone.
    pub to: Option<String>,
}

/// The pins of what a build reaches: from `old` where that may stay, else looked up. Beside them those of `old` that it
/// doesn't reach, unless they are pruned. On an error nothing of `old` is lost: the caller writes only what this
/// returns.
///
/// An image that is looked up again is so for every platform that it is pinned for, so that all come from one index.
pub async fn bring_up_to_date(
    old: &Pins,
    reached: &Reached,
    update: &Update,
    unreached: Unreached,
    images: &impl ImageResolver,
    fetcher: &Fetcher,
    parallel: usize,
) -> Result<Pins, LockError> {
    let moving = Moving::new(reached, update)?;
    let mut kept = moving.keep(reached, old);
    let mut wanted = reached.images.clone();
    if unreached == Unreached::Kept {
        wanted.extend(moving.along(reached, old));
        keep_unreached(&mut kept, &self::unreached(reached, old), &wanted);
    }
    // The names of a lock file, which carry no credentials: so far these are the script's.
    let mut pins = Pins::new();
    let missing_git = reached.git.iter().filter(|r| commit_of(&kept, r).is_none());
    let missing_http = reached.http.iter().filter(|r| !is_locked(&kept, r));
    let (resolved, commits, files) = tokio::join!(
        resolve(wanted.iter().cloned(), &kept, images, parallel),
        stream::iter(missing_git.map(|r| async move { (r, fetcher.commit(r).await) }))
            .buffered(parallel.max(1))
            .collect::<Vec<_>>(),
        stream::iter(missing_http.map(|r| async move { (r, fetcher.checksum(r).await) }))
            .buffered(parallel.max(1))
            .collect::<Vec<_>>(),
    );
    for (url, reference, commit) in kept.commits() {
        pins.insert_git(url.to_owned(), reference.map(str::to_owned), commit.to_owned());
    }
    for (url, checksum) in kept.files() {
        pins.insert_http(url.to_owned(), checksum.clone());
    }
    let mut others = Vec::new();
    for (request, outcome) in commits {
        match outcome {
            Ok(commit) => {
                pins.insert_git(public_url(&request.url), request.reference.clone(), commit);
            }
            Err(e) => others.push(e),
        }
    }
    for (request, outcome) in files {
        match outcome {
            Ok(checksum) => {
                pins.insert_http(public_url(&request.url), checksum);
            }
            Err(e) => others.push(e),
        }
    }
    for (reference, platform, image) in kept.images() {
        pins.insert_image(reference.clone(), platform.clone(), image.clone());
    }
    let images = match resolved {
        Ok(images) => {
            for ((reference, platform), image) in images {
                pins.insert_image(reference, platform, image);
            }
            None
        }
        Err(errors) => Some(errors),
    };
    if images.is_none() && others.is_empty() {
        return Ok(pins);
    }
    Err(LockError::Unresolved { images, others })
}

/// The pins of `old` that a build doesn't reach.
pub fn unreached(reached: &Reached, old: &Pins) -> Pins {
    let mut pins = Pins::new();
    for (reference, platform, image) in old.images() {
        if !reached.images.contains(&(reference.clone(), platform.clone())) {
            pins.insert_image(reference.clone(), platform.clone(), image.clone());
        }
    }
    for (url, reference, commit) in old.commits() {
        let is = |request: &GitRequest| public_url(&request.url) == url && request.reference.as_deref() == reference;
        if !reached.git.iter().any(is) {
            pins.insert_git(url.to_owned(), reference.map(str::to_owned), commit.to_owned());
        }
    }
    for (url, checksum) in old.files() {
        if !reached.http.iter().any(|request| public_url(&request.url) == url) {
            pins.insert_http(url.to_owned(), checksum.clone());
        }
    }
    pins
}

/// Adds `unreached` to `kept`, but for the images that are looked up again.
fn keep_unreached(kept: &mut Pins, unreached: &Pins, wanted: &BTreeSet<(Reference, Platform)>) {
    for (reference, platform, image) in unreached.images() {
        if !wanted.contains(&(reference.clone(), platform.clone())) {
            kept.insert_image(reference.clone(), platform.clone(), image.clone());
        }
    }
    for (url, reference, commit) in unreached.commits() {
        kept.insert_git(url.to_owned(), reference.map(str::to_owned), commit.to_owned());
    }
    for (url, checksum) in unreached.files() {
        kept.insert_http(url.to_owned(), checksum.clone());
    }
}

/// What differs, in the order of the file.
pub fn diff(old: &Pins, new: &Pins) -> Vec<Change> {
    let (before, after) = (facts(old), facts(new));
    let mut subjects: Vec<_> = before.keys().chain(after.keys()).collect();
    subjects.sort();
    subjects.dedup();
    let change = |subject: &(u8, String)| Change {
        subject: subject.1.clone(),
        from: before.get(subject).cloned(),
        to: after.get(subject).cloned(),
    };
    let changes = subjects.into_iter().map(change);
    changes.filter(|change| change.from != change.to).collect()
}

/// Each pin by its kind and name.
fn facts(pins: &Pins) -> BTreeMap<(u8, String), String> {
    let images = pins.images().filter_map(|(reference, platform, image)| {
        let subject = format!("image {} {platform}", reference.familiar());
        Some(((0, subject), image.digest.as_ref()?.to_string()))
    });
    let commits = pins
        .commits()
        .map(|(url, reference, commit)| ((1, format!("git {}", GitName(url, reference))), commit.to_owned()));
    let files = pins
        .files()
        .map(|(url, checksum)| ((2, format!("http {url}")), checksum.to_string()));
    images.chain(commits).chain(files).collect()
}

/// One line: `moved image alpine:3.19 linux/amd64 sha256:… → sha256:…`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "moved   {} {from} -> {to}", self.subject),
            (None, Some(to)) => write!(f, "added   {} {to}", self.subject),
            (Some(from), None) => write!(f, "removed {} {from}", self.subject),
            (None, None) => Ok(()),
        }
    }
}

impl LockError {
    /// A diagnostic for each thing that is wrong.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::Unknown { nearest, .. } => {
                let diagnostic = Diagnostic::error("unknown-source", self.to_string());
                vec![match nearest {
                    Some(name) => diagnostic.with_hint(format!("did you mean `{name}`?")),
                    None => diagnostic,
                }]
            }
            Self::Unresolved { images, others } => {
                let images = images.iter().flat_map(ResolveErrors::diagnostics);
                images.chain(others.iter().map(PinError::diagnostic)).collect()
            }
        }
    }
}

/// What is looked up although it is pinned.
struct Moving<'a> {
    update: &'a Update,
    references: Vec<Reference>,
}

impl<'a> Moving<'a> {
    fn new(reached: &Reached, update: &'a Update) -> Result<Self, LockError> {
        let moving = Self {
            update,
            references: match update {
                Update::Named(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
                Update::Missing | Update::All => Vec::new(),
            },
        };
        let Update::Named(names) = update else {
            return Ok(moving);
        };
        for name in names {
            let reference: Option<Reference> = name.parse().ok();
            let image = reached
                .images
                .iter()
                .any(|(image, _)| Some(image) == reference.as_ref());
            let git = reached
                .git
                .iter()
                .any(|g| names_git(name, &public_url(&g.url), g.reference.as_deref()));
            let http = reached.http.iter().any(|h| public_url(&h.url) == *name);
            if !(image || git || http) {
                let images = reached.images.iter().map(|(image, _)| image.familiar());
                let git = reached
                    .git
                    .iter()
                    .map(|g| GitName(&public_url(&g.url), g.reference.as_deref()).to_string());
                let http = reached.http.iter().map(|h| public_url(&h.url));
                let known: Vec<String> = images.chain(git).chain(http).collect();
                return Err(LockError::Unknown {
                    name: name.clone(),
                    nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
                });
            }
        }
        Ok(moving)
    }

    /// Whether an image is looked up again.
    fn moves(&self, reference: &Reference) -> bool {
        match self.update {
            Update::Missing => false,
            Update::All => true,
            Update::Named(_) => self.references.contains(reference),
        }
    }

    /// The further platforms of images that are looked up again.
    fn along(&self, reached: &Reached, old: &Pins) -> Vec<(Reference, Platform)> {
        let is_reached = |reference: &Reference| reached.images.iter().any(|(image, _)| image == reference);
        let pinned = old.images();
        pinned
            .filter(|(reference, _, _)| self.moves(reference) && is_reached(reference))
            .map(|(reference, platform, _)| (reference.clone(), platform.clone()))
            .collect()
    }

    /// The pins that stay, under the lock file's names.
    fn keep(&self, reached: &Reached, old: &Pins) -> Pins {
        let mut kept = Pins::new();
        let named = |matches: &dyn Fn(&str) -> bool| match self.update {
            Update::Missing => false,
            Update::All => true,
            Update::Named(names) => names.iter().any(|name| matches(name)),
        };
        let used = select(reached, old);
        for (reference, platform, image) in used.images() {
            if !self.moves(reference) {
                kept.insert_image(reference.clone(), platform.clone(), image.clone());
            }
        }
        for request in &reached.git {
            let url = public_url(&request.url);
            let reference = request.reference.as_deref();
            if let Some(commit) = old.git(&url, reference)
                && !named(&|name| names_git(name, &url, reference))
            {
                kept.insert_git(url.clone(), request.reference.clone(), commit.to_owned());
            }
        }
        for request in &reached.http {
            let url = public_url(&request.url);
            if let Some(checksum) = old.http(&url)
                && !named(&|name| name == url)
            {
                kept.insert_http(url.clone(), checksum.clone());
            }
        }
        kept
    }
}

fn names_git(name: &str, url: &str, reference: Option<&str>) -> bool {
    name == url || name == GitName(url, reference).to_string()
}

struct Lines<'a>(Option<&'a ResolveErrors>, &'a [PinError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let images = self.0.into_iter().flat_map(|e| &e.0).map(ToString::to_string);
        let lines: Vec<String> = images.chain(self.1.iter().map(ToString::to_string)).collect();
        f.write_str(&lines.join("\n"))
    }
}
