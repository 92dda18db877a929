//! The lock file: what the images, git references and URLs of a build meant when it was written.
//!
//! Its content is a [`Pins`] whose URLs carry no credentials. [`parse()`] reads it strictly, [`write()`] has one way
//! to write it; [`check()`] is `--locked`, [`select`] what a build takes from it, [`bring_up_to_date`] is
//! `luakit lock`, and [`source_policy`] the same pins for a build that luakit has no part in. Where the file lies
//! and how it is replaced is for the caller to know.

mod check;
mod parse;
mod policy;
mod update;
mod write;

use luakit_llb::reach::{GitRequest, HttpRequest};
use luakit_llb::{Pins, Reached};

use crate::public_url::public_url;

pub use check::{NotLocked, Unpinned, check};
pub use parse::parse;
pub use policy::{PolicyError, source_policy};
pub use update::{Change, LockError, Unreached, Update, bring_up_to_date, diff, unreached};
pub use write::write;

/// What a build takes from a lock file: the pins of what it reaches, by the names that the script uses.
pub fn select(reached: &Reached, locked: &Pins) -> Pins {
    let mut pins = Pins::new();
    for (reference, platform) in &reached.images {
        if let Some(image) = locked.image(reference, platform) {
            pins.insert_image(reference.clone(), platform.clone(), image.clone());
        }
    }
    for (image, platform) in &reached.layouts {
        if let Some(config) = locked.layout_config(image, platform) {
            pins.insert_layout_config(image.clone(), platform.clone(), config.to_vec());
        }
    }
    for request in &reached.git {
        if let Some(commit) = commit_of(locked, request) {
            pins.insert_git(request.url.clone(), request.reference.clone(), commit.to_owned());
        }
    }
    for request in &reached.http {
        if let Some(checksum) = locked.http(&public_url(&request.url)) {
            pins.insert_http(request.url.clone(), checksum.clone());
        }
    }
    pins
}

fn commit_of<'p>(locked: &'p Pins, request: &GitRequest) -> Option<&'p str> {
    locked.git(&public_url(&request.url), request.reference.as_deref())
}

fn is_locked(locked: &Pins, request: &HttpRequest) -> bool {
    locked.http(&public_url(&request.url)).is_some()
}
