//! Paths to follow: each with the targets of the symbolic links on its way, as far as they stay inside the
//! tree.
//!
//! A link is sent itself and what it points to besides, so that it works at the other end. Absolute targets
//! and `..` mean the tree's own root. Wildcards stand for names in one directory. What doesn't exist stays
//! as asked, and will match nothing.

use std::collections::BTreeSet;

use luakit_llb::path;
use rustix::fs::{AtFlags, FileType, statat};

use super::anchor::Anchor;
use luakit_frontend::patterns::{has_wildcards, match_name};

/// Links followed for one request at most: a tree can hold more ways through its links than there are entries.
const MOST: usize = 100_000;

/// The patterns that `paths` stand for.
pub(crate) fn follow(anchor: &mut Anchor, paths: &[String]) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<String> = paths.iter().rev().cloned().collect();
    let mut steps = 0;
    while let Some(path) = todo.pop() {
        steps += 1;
        if steps > MOST {
            break;
        }
        // Everything is relative to the root, from where `..` leads nowhere.
        let path = path::clean(&format!("/{path}"));
        let path = path.trim_start_matches('/');
        if path.is_empty() {
            found.insert(".".to_owned());
            continue;
        }
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let (here, rest) = path.split_at(end);
            let targets = targets(anchor, here);
            let last = rest.is_empty();
            if targets.is_none() && !last {
                continue;
            }
            let new = found.insert(here.to_owned());
            if new {
                todo.extend(targets.into_iter().flatten().map(|target| format!("{target}{rest}")));
            }
            break;
        }
    }
    found.into_iter().collect()
}

/// Where the link at `path` points, or those that its wildcard names; nothing for what is no link.
fn targets(anchor: &mut Anchor, path: &str) -> Option<Vec<String>> {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    if !has_wildcards(name) {
        return target(anchor, dir, name).map(|t| vec![t]);
    }
    let names = super::walk::list(anchor, dir).ok()?;
    let names = names.iter().filter_map(|n| n.to_str()).filter(|n| match_name(name, n));
    let targets: Vec<String> = names.filter_map(|n| target(anchor, dir, n)).collect();
    // A wildcard that names no link is one element of the path like another.
    (!targets.is_empty()).then_some(targets)
}

fn target(anchor: &mut Anchor, dir: &str, name: &str) -> Option<String> {
    let path = if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    };
    let (fd, name) = anchor.parent(&path).ok()?;
    let stat = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return None;
    }
    let link = rustix::fs::readlinkat(&fd, name, Vec::new()).ok()?.into_string().ok()?;
    Some(if link.starts_with('/') {
        link
    } else {
        format!("/{dir}/{link}")
    })
}
