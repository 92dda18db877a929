//! Reading a lock file, strictly: it decides what is built, and people edit and merge it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use luakit_diagnostic::SourceFile;
use luakit_llb::reach::is_commit;
use luakit_llb::{ImageDigest, Pins, Platform, Reference, ResolvedImage};
use toml_edit::Table;

use crate::document::{DocumentError, ProblemKind, Reader};
use crate::public_url::{GitName, public_url};
use crate::resolve::read_config;

const THE_FILE: &str = "the lock file";

/// Reads a lock file.
pub fn parse(file: Arc<SourceFile>) -> Result<Pins, DocumentError> {
    let (mut reader, document) = Reader::parse(file)?;
    let root = document.as_table();
    if !version(&mut reader, root) {
        return reader.finish(Pins::new());
    }
    reader.known_keys(root, THE_FILE, &["version", "image", "git", "http"]);
    let mut entries = Entries {
        reader,
        pins: Pins::new(),
        seen: HashMap::new(),
    };
    entries.each(root, "image", Entries::image);
    entries.each(root, "git", Entries::git);
    entries.each(root, "http", Entries::http);
    entries.reader.finish(entries.pins)
}

/// Whether this is a file that we can read at all: of another version nothing else is worth saying.
fn version(reader: &mut Reader, root: &Table) -> bool {
    let Some(item) = root.get("version") else {
        let (key, place) = ("version", THE_FILE);
        reader.note(ProblemKind::MissingKey { key, place }, Some(0..0));
        return true;
    };
    match item.as_integer() {
        Some(1) => true,
        Some(found) => {
            reader.note(ProblemKind::Version { found }, item.span());
            false
        }
        None => {
            reader.wrong_type("version", "an integer", item);
            true
        }
    }
}

struct Entries {
    reader: Reader,
    pins: Pins,
    /// Each source by its name, with what it is locked to and where.
    seen: HashMap<String, (String, Range<usize>)>,
}

impl Entries {
    fn each(&mut self, root: &Table, key: &str, mut read: impl FnMut(&mut Self, &Table) -> Option<()>) {
        let Some(item) = root.get(key) else {
            return;
        };
        match item.as_array_of_tables() {
            Some(tables) => {
                for table in tables {
                    // `None` is an entry with a problem, which is noted.
                    let _ = read(self, table);
                }
            }
            None => self.reader.wrong_type(key, "a list of tables", item),
        }
    }

    fn image(&mut self, table: &Table) -> Option<()> {
        const PLACE: &str = "an `[[image]]` entry";
        self.reader
            .known_keys(table, PLACE, &["ref", "platform", "digest", "config"]);
        let reference = self.reader.string(table, PLACE, "ref");
        let platform = self.reader.string(table, PLACE, "platform");
        let digest = self.reader.string(table, PLACE, "digest");
        let config = self.reader.string(table, PLACE, "config");
        let reference = reference.and_then(|(text, at)| self.parsed::<Reference>("ref", text, at));
        let platform = platform.and_then(|(text, at)| self.parsed::<Platform>("platform", text, at));
        let locked = digest.and_then(|(text, at)| Some((self.parsed::<ImageDigest>("digest", text, at.clone())?, at)));
        let config = config.and_then(|(text, at)| match read_config(text.as_bytes()) {
            Ok(_) => Some(text.as_bytes().to_vec()),
            Err(e) => {
                self.reader.invalid("config", e, at);
                None
            }
        });
        let (reference, platform, (digest, at)) = (reference?, platform?, locked?);
        if let Some(asked) = reference.digest().filter(|asked| **asked != digest) {
            let kind = ProblemKind::DigestDisagrees {
                asked: asked.to_string(),
                locked: digest.to_string(),
            };
            self.reader.note(kind, Some(at));
            return None;
        }
        let name = format!("image `{reference}` for {platform}");
        self.first(&name, digest.as_str(), table)?;
        let config = config?;
        self.pins.insert_image(
            reference,
            platform,
            ResolvedImage {
                reference: None,
                digest: Some(digest),
                config,
            },
        );
        Some(())
    }

    fn git(&mut self, table: &Table) -> Option<()> {
        const PLACE: &str = "a `[[git]]` entry";
        self.reader.known_keys(table, PLACE, &["url", "ref", "commit"]);
        let url = self.url(table, PLACE);
        let reference = self.reader.optional_string(table, "ref");
        let commit = self.reader.string(table, PLACE, "commit");
        if let Some((_, at)) = reference.clone().filter(|(text, _)| text.is_empty()) {
            let reason = "it is empty; without a `ref` the entry is the remote's default branch";
            self.reader.invalid("ref", reason, at);
            return None;
        }
        let (commit, at) = commit?;
        if !is_commit(commit) {
            let reason = format!("`{commit}` is not a commit: it must be 40 or 64 lower-case hex digits");
            self.reader.invalid("commit", reason, at);
            return None;
        }
        let (url, reference) = (url?, reference.map(|(text, _)| text));
        let name = format!("git source `{}`", GitName(&url, reference));
        self.first(&name, commit, table)?;
        self.pins
            .insert_git(url, reference.map(str::to_owned), commit.to_owned());
        Some(())
    }

    fn http(&mut self, table: &Table) -> Option<()> {
        const PLACE: &str = "an `[[http]]` entry";
        self.reader.known_keys(table, PLACE, &["url", "checksum"]);
        let url = self.url(table, PLACE);
        let checksum = self.reader.string(table, PLACE, "checksum");
        let checksum = checksum.and_then(|(text, at)| self.parsed::<ImageDigest>("checksum", text, at))?;
        let url = url?;
        self.first(&format!("file `{url}`"), checksum.as_str(), table)?;
        self.pins.insert_http(url, checksum);
        Some(())
    }

    /// A URL; one with a password in it has no place in a file that is made to be shared.
    fn url(&mut self, table: &Table, place: &'static str) -> Option<String> {
        let (url, at) = self.reader.string(table, place, "url")?;
        let reason = if url.is_empty() {
            "it is empty"
        } else if public_url(url) != url {
            "it holds credentials, which a lock file must not"
        } else {
            return Some(url.to_owned());
        };
        self.reader.invalid("url", reason, at);
        None
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        key: &str,
        text: &str,
        at: Range<usize>,
    ) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(e) => {
                self.reader.invalid(key, e, at);
                None
            }
        }
    }

    /// Notes an entry for a source that has one already.
    fn first(&mut self, name: &str, to: &str, table: &Table) -> Option<()> {
        let at = table.span().unwrap_or(0..0);
        let Some((there, first)) = self.seen.get(name) else {
            self.seen.insert(name.to_owned(), (to.to_owned(), at));
            return Some(());
        };
        let (subject, first) = (name.to_owned(), first.clone());
        let kind = if there == to {
            ProblemKind::Duplicate { subject, first }
        } else {
            ProblemKind::Conflict {
                subject,
                here: to.to_owned(),
                there: there.clone(),
                first,
            }
        };
        self.reader.note(kind, Some(at));
        None
    }
}
