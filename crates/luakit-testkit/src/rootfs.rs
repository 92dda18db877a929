//! A root filesystem as tests look at it: kinds, modes, owners, times and contents, from layers, tar
//! files and directories.
//!
//! Layers are laid over each other by the rules of the OCI image spec's "layer.md": whiteouts and opaque
//! directories remove what lies below. Nothing is written to disk, so no test needs root for it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file, with its content.
    File(Vec<u8>),
    /// A directory.
    Directory,
    /// A symbolic link, with what it says.
    Symlink(String),
    /// A device, a pipe, a socket.
    Special,
}

/// One path's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner's numbers: user and group.
    pub owner: (u64, u64),
    /// When it was modified, in Unix seconds.
    pub modified: u64,
}

impl Entry {
    /// A file's content as text, with a mark for each byte that is no UTF-8.
    pub fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::File(content) => Some(String::from_utf8_lossy(content).into_owned()),
            _ => None,
        }
    }
}

/// Entries by their absolute, clean path; sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rootfs {
    entries: BTreeMap<String, Entry>,
}

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

impl Rootfs {
    /// What one tar stream holds, such as an export of `type=tar`.
    pub fn from_tar(tar: impl Read) -> io::Result<Self> {
        let mut root = Self::default();
        root.add_layer(tar)?;
        Ok(root)
    }

    /// One layer by itself: its whiteouts are entries like others.
    pub fn from_layer(tar: impl Read) -> io::Result<Self> {
        let mut layer = Self::default();
        for member in tar::Archive::new(tar).entries()? {
            let mut member = member?;
            let path = clean(&member.path_bytes());
            let entry = read_member(&mut member, &path, &layer.entries, &BTreeMap::new())?;
            layer.entries.insert(path, entry);
        }
        Ok(layer)
    }

    /// What a directory holds, such as an export of `type=local`.
    pub fn from_directory(directory: &Path) -> io::Result<Self> {
        let mut root = Self::default();
        root.add_directory(directory, "")?;
        Ok(root)
    }

    /// The entry of an absolute path, whose last part may be a link but no part before it.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Lays one more layer over what is there. Within a layer, its whiteouts are for the layers below only.
    pub fn add_layer(&mut self, tar: impl Read) -> io::Result<()> {
        let mut upper = BTreeMap::new();
        let mut archive = tar::Archive::new(tar);
        for member in archive.entries()? {
            let mut member = member?;
            let path = clean(&member.path_bytes());
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if name == OPAQUE {
                self.remove_below(folder);
                continue;
            }
            if let Some(name) = name.strip_prefix(WHITEOUT) {
                self.remove(&format!("{folder}/{name}"));
                continue;
            }
            let entry = read_member(&mut member, &path, &upper, &self.entries)?;
            upper.insert(path, entry);
        }
        for (path, entry) in upper {
            if entry.kind != Kind::Directory {
                self.remove_below(&path);
            }
            self.entries.insert(path, entry);
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) {
        self.entries.remove(path);
        self.remove_below(path);
    }

    fn remove_below(&mut self, folder: &str) {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        self.entries.retain(|path, _| path == "/" || !path.starts_with(&prefix));
    }

    fn add_directory(&mut self, directory: &Path, path: &str) -> io::Result<()> {
        for item in fs::read_dir(directory)? {
            let item = item?;
            let facts = item.metadata()?;
            let path = format!("{path}/{}", item.file_name().to_string_lossy());
            let kind = if facts.is_symlink() {
                Kind::Symlink(fs::read_link(item.path())?.to_string_lossy().into_owned())
            } else if facts.is_dir() {
                self.add_directory(&item.path(), &path)?;
                Kind::Directory
            } else if facts.is_file() {
                Kind::File(fs::read(item.path())?)
            } else {
                Kind::Special
            };
            let entry = Entry {
                kind,
                mode: facts.mode() & 0o7777,
                owner: (u64::from(facts.uid()), u64::from(facts.gid())),
                modified: u64::try_from(facts.mtime()).unwrap_or(0),
            };
            self.entries.insert(path, entry);
        }
        Ok(())
    }
}

/// One member of a tar file. A hard link is the entry that it names, in this layer or below.
fn read_member(
    member: &mut tar::Entry<'_, impl Read>,
    path: &str,
    upper: &BTreeMap<String, Entry>,
    lower: &BTreeMap<String, Entry>,
) -> io::Result<Entry> {
    let header = member.header();
    let (mode, owner, modified) = (header.mode()? & 0o7777, (header.uid()?, header.gid()?), header.mtime()?);
    let kind = match header.entry_type() {
        tar::EntryType::Regular | tar::EntryType::Continuous => {
            let mut content = Vec::new();
            member.read_to_end(&mut content)?;
            Kind::File(content)
        }
        tar::EntryType::Directory => Kind::Directory,
        tar::EntryType::Symlink => Kind::Symlink(link_of(member)),
        tar::EntryType::Link => {
            let target = clean(link_of(member).as_bytes());
            let found = upper.get(&target).or_else(|| lower.get(&target)).cloned();
            return found.ok_or_else(|| io::Error::other(format!("`{path}` links to `{target}`, which is not there")));
        }
        _ => Kind::Special,
    };
    Ok(Entry {
        kind,
        mode,
        owner,
        modified,
    })
}

fn link_of(member: &tar::Entry<'_, impl Read>) -> String {
    let target = member.link_name_bytes().unwrap_or_default();
    Path::new(std::ffi::OsStr::from_bytes(&target))
        .to_string_lossy()
        .into_owned()
}

/// A member's name as an absolute path with no `.` and no slash at its end.
fn clean(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let parts: Vec<&str> = name
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar file of `(path, content)`; a path that ends in a slash is a directory.
    fn tar_of(members: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_uid(1);
            header.set_gid(2);
            header.set_mtime(3);
            header.set_size(content.len() as u64);
            if path.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
            }
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn paths(layers: &[&[(&str, &str)]]) -> String {
        let mut root = Rootfs::default();
        for layer in layers {
            root.add_layer(tar_of(layer).as_slice()).unwrap();
        }
        root.paths().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn entries_have_their_facts() {
        let root = Rootfs::from_tar(tar_of(&[("./a/b", "text")]).as_slice()).unwrap();
        let entry = root.get("/a/b").unwrap();
        assert_eq!(entry.text().as_deref(), Some("text"));
        assert_eq!((entry.mode, entry.owner, entry.modified), (0o644, (1, 2), 3));
    }

    #[test]
    fn whiteouts_remove_what_lies_below() {
        assert_eq!(
            paths(&[&[("a/", ""), ("a/x", ""), ("ab", "")], &[(".wh.a", "")]]),
            "/ab"
        );
        assert_eq!(
            paths(&[
                &[("a/", ""), ("a/x", "")],
                &[("a/", ""), ("a/y", ""), ("a/.wh..wh..opq", "")]
            ]),
            "/a /a/y"
        );
    }

    #[test]
    fn a_layer_by_itself_has_its_whiteouts() {
        let layer = Rootfs::from_layer(tar_of(&[("a/", ""), ("a/.wh.x", "")]).as_slice()).unwrap();
        assert_eq!(layer.paths().collect::<Vec<_>>(), ["/a", "/a/.wh.x"]);
    }

    #[test]
    fn a_file_replaces_a_directory() {
        assert_eq!(paths(&[&[("a/", ""), ("a/x", "")], &[("a", "now a file")]]), "/a");
    }
}
