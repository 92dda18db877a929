//! A result's files, looked at one directory at a time.
//!
//! Engines follow links within a result, and would lead a script out of its directory. So links are followed here, where
//! it shows what they leave; what is handed to the engine has none.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use luakit_script::LARGEST;

use crate::host::{Entry, EntryKind, Host};

/// How many links a path may go through, as Linux has it.
const LINKS: usize = 40;

/// A result, with what was seen of it.
pub(super) struct Tree<H: Host> {
    host: H,
    /// Without one there are no files.
    at: Option<H::Ref>,
    listed: Mutex<HashMap<String, Arc<Vec<Entry>>>>,
}

/// What is at a path. Paths begin with `/` and go through no links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    File(String),
    Directory(String),
    /// A device, a pipe, a socket.
    Other,
    /// It leads out of where it began.
    Outside,
}

/// Why a file can't be read.
pub(super) enum NoFile<E> {
    /// The engine says why.
    Host(E),
    /// It is a link out of where it began.
    Outside,
    /// It is none, or too large a one.
    Unfit(String),
}

impl<H: Host> Tree<H> {
    pub(super) fn new(host: H, at: Option<H::Ref>) -> Self {
        Self {
            host,
            at,
            listed: Mutex::default(),
        }
    }

    /// What a result that is a list of files names; there is nothing else in it.
    pub(super) async fn listed(self) -> Result<Self, H::Error> {
        let Some(at) = &self.at else { return Ok(self) };
        let mut directories = BTreeMap::<String, BTreeMap<String, EntryKind>>::new();
        for entry in self.host.read_list(at).await? {
            let mut path = parts(&entry.name);
            if path.iter().any(|part| part == "..") {
                continue;
            }
            let mut kind = entry.kind;
            // What it is in is a directory, whether it is named or not.
            while let Some(name) = path.pop() {
                let siblings = directories.entry(absolute(&path)).or_default();
                if siblings.contains_key(&name) && kind == EntryKind::Directory {
                    break;
                }
                siblings.insert(name, kind);
                kind = EntryKind::Directory;
            }
        }
        let entries = |(directory, entries): (String, BTreeMap<String, EntryKind>)| {
            let entries = entries.into_iter().map(|(name, kind)| Entry { name, kind });
            (directory, Arc::new(entries.collect::<Vec<_>>()))
        };
        Ok(Self {
            listed: Mutex::new(directories.into_iter().map(entries).collect()),
            at: None,
            host: self.host,
        })
    }

    /// The file's bytes, up to `limit`.
    pub(super) async fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, H::Error> {
        match &self.at {
            Some(at) => self.host.read_file(at, path, limit).await,
            None => Ok(Vec::new()),
        }
    }

    /// The bytes of the file at `path` below `root`, both relative; `None` when nothing is there.
    pub(super) async fn file(&self, root: &str, path: &str) -> Result<Option<Vec<u8>>, NoFile<H::Error>> {
        let unfit = |what: &str| Err(NoFile::Unfit(what.to_owned()));
        let file = match self.find(root, path).await.map_err(NoFile::Host)? {
            Found::File(file) => file,
            Found::Nothing => return Ok(None),
            Found::Directory(_) => return unfit("it is a directory"),
            Found::Other => return unfit("it is no regular file"),
            Found::Outside => return Err(NoFile::Outside),
        };
        let data = self.read(&file, LARGEST + 1).await.map_err(NoFile::Host)?;
        if u64::try_from(data.len()).is_ok_and(|size| size > LARGEST) {
            return unfit(&format!("it is larger than {} MiB", LARGEST >> 20));
        }
        Ok(Some(data))
    }

    /// What is in a directory that is there.
    pub(super) async fn entries(&self, dir: &str) -> Result<Arc<Vec<Entry>>, H::Error> {
        let dir = match dir.trim_end_matches('/') {
            "" => "/",
            dir => dir,
        };
        let known = || self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entries) = known().get(dir) {
            return Ok(Arc::clone(entries));
        }
        let entries = Arc::new(match &self.at {
            Some(at) => self.host.read_dir(at, dir).await?,
            None => Vec::new(),
        });
        known().insert(dir.to_owned(), Arc::clone(&entries));
        Ok(entries)
    }

    /// What is at `path` below `root`, both relative.
    pub(super) async fn find(&self, root: &str, path: &str) -> Result<Found, H::Error> {
        // The root is a directory, or nothing is there.
        match self.walk(Vec::new(), root).await? {
            Found::Directory(root) => self.walk(parts(&root), path).await,
            _ => Ok(Found::Nothing),
        }
    }

    /// Goes along `path` from the directory `at`, and never above it.
    async fn walk(&self, mut at: Vec<String>, path: &str) -> Result<Found, H::Error> {
        let floor = at.len();
        let mut pending: VecDeque<String> = parts(path).into();
        let mut links = 0;
        while let Some(part) = pending.pop_front() {
            if part == ".." {
                if at.len() <= floor {
                    return Ok(Found::Outside);
                }
                at.pop();
                continue;
            }
            let entries = self.entries(&absolute(&at)).await?;
            let Some(entry) = entries.iter().find(|entry| entry.name == part) else {
                return Ok(Found::Nothing);
            };
            match &entry.kind {
                EntryKind::Directory => at.push(part),
                EntryKind::Link(target) => {
                    links += 1;
                    if target.starts_with('/') {
                        return Ok(Found::Outside);
                    }
                    if links > LINKS {
                        return Ok(Found::Nothing);
                    }
                    for part in parts(target).into_iter().rev() {
                        pending.push_front(part);
                    }
                }
                // Nothing is below a file.
                EntryKind::File | EntryKind::Other if !pending.is_empty() => return Ok(Found::Nothing),
                EntryKind::File => {
                    at.push(part);
                    return Ok(Found::File(absolute(&at)));
                }
                EntryKind::Other => return Ok(Found::Other),
            }
        }
        Ok(Found::Directory(absolute(&at)))
    }
}

/// The parts of a path that mean something.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.map(str::to_owned).collect()
}

fn absolute(parts: &[String]) -> String {
    format!("/{}", parts.join("/"))
}
