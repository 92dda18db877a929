//! What a script reads, from results of the engine that runs the frontend.
//!
//! A directory of the client is asked for piece by piece: a file, what matches a pattern, whether something is there.
//! The engine's answer to each is a result of its own, kept for the next question. A context that the engine has whole
//! is looked into. The script runs on a thread of its own, which waits here while the runtime works; as its own time
//! stands still meanwhile, what it may ask for has an end, and so has its waiting.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use luakit_diagnostic::{Diagnostic, SourceFile};
use luakit_script::{Glob, GlobError, Limit, LoadError, Root, SourceLoader, check_path, outside};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::source::{Asked, ClientDir, Sources};
use super::tree::{Found, NoFile, Tree};
use crate::host::{EntryKind, Host};
use crate::ignore;

/// How many different questions the client is asked: each makes a step of the build, and its answer is kept.
const ASKS: usize = 10_000;
/// How long a script waits for the engine, all in all.
const WAITING: Duration = Duration::from_secs(10 * 60);

/// Where a script's files are.
pub(super) enum Place<H: Host> {
    /// With the client, who is asked for them.
    Client(ClientDir),
    /// In a result, below this path.
    Result(Arc<Tree<H>>, String),
}

/// The ignore file of a directory.
pub(super) const IGNORE: &str = ".dockerignore";

/// Where an ignore file is, and what reading it is called.
pub(super) struct IgnoreFile {
    pub(super) dir: ClientDir,
    pub(super) hint: String,
    pub(super) step: String,
}

/// Ignore files by keys.
pub(super) type IgnoreFiles = HashMap<String, IgnoreFile>;

/// What was asked of the client, and the tree that it gave.
type Answers<H> = HashMap<(Asked, String), Arc<Tree<H>>>;

/// Reads for a script that a frontend evaluates.
pub(super) struct RemoteLoader<H: Host> {
    sources: Sources<H>,
    runtime: Handle,
    script: Place<H>,
    context: Place<H>,
    /// What was asked of the client before.
    answers: Mutex<Answers<H>>,
    /// The ignore files of the client's directories, by the keys that contexts have.
    ignores: IgnoreFiles,
    /// The patterns of those that were read, or why there are none.
    ignored: Mutex<HashMap<String, Result<Vec<String>, LoadError>>>,
    /// What is wrong with them, by the same keys: the script's error says that one can't be read, this where.
    wrong_ignores: std::sync::Mutex<HashMap<String, Diagnostic>>,
    waits: Waits,
}

/// The time that a script has waited for the engine: one thread, one wait at a time.
struct Waits {
    most: Duration,
    /// The waits that are over, and when the present one began.
    state: std::sync::Mutex<(Duration, Option<Instant>)>,
}

impl Waits {
    fn new(most: Duration) -> Self {
        Self {
            most,
            state: std::sync::Mutex::default(),
        }
    }

    /// Waits for work, as long as there is time.
    async fn wait<T>(&self, work: impl Future<Output = Result<T, LoadError>>) -> Result<T, LoadError> {
        let over = || LoadError::Limit(Limit::Waiting(self.most));
        let left = self.most.saturating_sub(self.so_far());
        if left.is_zero() {
            return Err(over());
        }
        self.set(Some(Instant::now()));
        let outcome = tokio::time::timeout(left, work).await;
        self.set(None);
        outcome.unwrap_or_else(|_| Err(over()))
    }

    fn set(&self, began: Option<Instant>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = state.1.take().map(|began| began.elapsed()).unwrap_or_default();
        *state = (state.0 + ended, began);
    }

    fn so_far(&self) -> Duration {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 + state.1.map(|began| began.elapsed()).unwrap_or_default()
    }
}

impl<H: Host> RemoteLoader<H> {
    /// A loader whose waiting the present runtime works for.
    pub(super) fn new(sources: Sources<H>, script: Place<H>, context: Place<H>, ignores: IgnoreFiles) -> Self {
        Self {
            sources,
            runtime: Handle::current(),
            script,
            context,
            answers: Mutex::default(),
            ignores,
            ignored: Mutex::default(),
            wrong_ignores: std::sync::Mutex::default(),
            waits: Waits::new(WAITING),
        }
    }

    /// Makes further ignore files known.
    pub(super) fn know(&mut self, ignores: IgnoreFiles) {
        self.ignores.extend(ignores);
    }

    /// What is wrong with the ignore file of that key, in its own line.
    pub(super) fn wrong_ignore(&self, key: &str) -> Option<Diagnostic> {
        let wrong = self.wrong_ignores.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.get(key).cloned()
    }

    /// Waits on the script's thread.
    fn wait<T>(&self, work: impl Future<Output = Result<T, LoadError>>) -> Result<T, LoadError> {
        self.runtime.block_on(self.waits.wait(work))
    }

    /// The result that answers a question about a root, and where in it the root is.
    async fn tree(&self, root: Root, asked: Asked) -> Result<(Arc<Tree<H>>, &str), LoadError> {
        let place = match root {
            Root::Script => &self.script,
            Root::Context => &self.context,
        };
        let dir = match place {
            Place::Result(tree, path) => return Ok((Arc::clone(tree), path)),
            Place::Client(dir) => dir,
        };
        let mut answers = self.answers.lock().await;
        let key = (asked, dir.key());
        if let Some(tree) = answers.get(&key) {
            return Ok((Arc::clone(tree), &dir.path));
        }
        if answers.len() >= ASKS {
            return Err(Limit::Reads(ASKS).into());
        }
        let (Asked::Path(text) | Asked::Pattern(text)) = &key.0;
        let tree = self.sources.ask(dir, &key.0).await.map_err(|e| unreadable(text, &e))?;
        let tree = Arc::new(tree);
        answers.insert(key, Arc::clone(&tree));
        Ok((tree, &dir.path))
    }

    async fn find(&self, root: Root, path: &str) -> Result<(Arc<Tree<H>>, Found), LoadError> {
        let (tree, base) = self.tree(root, Asked::Path(path.to_owned())).await?;
        let found = tree.find(base, path).await.map_err(|e| unreadable(path, &e))?;
        if found == Found::Outside {
            return Err(outside(root, path));
        }
        Ok((tree, found))
    }

    async fn read_file(&self, root: Root, path: &str) -> Result<Option<Vec<u8>>, LoadError> {
        let (tree, base) = self.tree(root, Asked::Path(path.to_owned())).await?;
        tree.file(base, path).await.map_err(|error| match error {
            NoFile::Outside => outside(root, path),
            error => no_file(path, error),
        })
    }

    /// Each file is asked for once, however that ends.
    async fn ignored(&self, key: &str) -> Result<Vec<String>, LoadError> {
        let Some(file) = self.ignores.get(key) else {
            return Ok(Vec::new());
        };
        let mut known = self.ignored.lock().await;
        if let Some(outcome) = known.get(key) {
            return outcome.clone();
        }
        let outcome = self.read_ignored(key, file).await;
        known.insert(key.to_owned(), outcome.clone());
        outcome
    }

    async fn read_ignored(&self, key: &str, file: &IgnoreFile) -> Result<Vec<String>, LoadError> {
        let paths = vec![IGNORE.to_owned()];
        let loaded = self
            .sources
            .files(&file.dir, paths, &file.hint, file.step.clone())
            .await;
        let (tree, _) = loaded.map_err(|e| unreadable(IGNORE, &e))?;
        let text = tree.file("", IGNORE).await.map_err(|error| no_file(IGNORE, error))?;
        let Some(text) = text else {
            return Ok(Vec::new());
        };
        ignore::read(&SourceFile::new(IGNORE, text)).map_err(|wrong| {
            let error = LoadError::IgnoreFile {
                key: key.to_owned(),
                path: IGNORE.to_owned(),
                reason: wrong.message.clone(),
            };
            let wrong = wrong.with_note(format!("of the directory `{}`", file.dir.name));
            let mut all = self.wrong_ignores.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(key.to_owned(), wrong);
            error
        })
    }

    /// Links are listed and not followed, so that the walk ends.
    async fn list(&self, root: Root, pattern: &str, glob: &Glob) -> Result<Vec<String>, LoadError> {
        let asked = Asked::Pattern(pattern.to_owned());
        let failed = |e: H::Error| unreadable(pattern, &e);
        let (tree, base) = self.tree(root, asked).await?;
        let Found::Directory(base) = tree.find(base, "").await.map_err(failed)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut pending = vec![String::new()];
        while let Some(directory) = pending.pop() {
            let dir = format!("{}/{directory}", base.trim_end_matches('/'));
            for entry in tree.entries(&dir).await.map_err(failed)?.iter() {
                let path = match directory.as_str() {
                    "" => entry.name.clone(),
                    parent => format!("{parent}/{}", entry.name),
                };
                if glob.matches(&path) {
                    found.push(path.clone());
                }
                if entry.kind == EntryKind::Directory && glob.may_match_below(&path) {
                    pending.push(path);
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

impl<H: Host> SourceLoader for RemoteLoader<H> {
    fn read(&self, root: Root, path: &str) -> Result<Option<Vec<u8>>, LoadError> {
        check_path(root, path)?;
        self.wait(self.read_file(root, path))
    }

    fn exists(&self, root: Root, path: &str) -> Result<bool, LoadError> {
        check_path(root, path)?;
        let (_, found) = self.wait(self.find(root, path))?;
        Ok(found != Found::Nothing)
    }

    fn glob(&self, root: Root, pattern: &str) -> Result<Vec<String>, LoadError> {
        let glob = Glob::new(pattern).map_err(|error| match error {
            GlobError::Outside => outside(root, pattern),
            error => LoadError::Pattern {
                pattern: pattern.to_owned(),
                error,
            },
        })?;
        self.wait(self.list(root, pattern, &glob))
    }

    fn excludes(&self, key: &str) -> Result<Vec<String>, LoadError> {
        self.wait(self.ignored(key))
    }

    fn waited(&self) -> Duration {
        self.waits.so_far()
    }
}

fn no_file<E: std::error::Error>(path: &str, error: NoFile<E>) -> LoadError {
    let reason = match error {
        NoFile::Host(error) => return unreadable(path, &error),
        NoFile::Outside => "it is a link to somewhere else".to_owned(),
        NoFile::Unfit(reason) => reason,
    };
    LoadError::Unreadable {
        path: path.to_owned(),
        reason,
    }
}

fn unreadable(path: &str, error: &impl std::error::Error) -> LoadError {
    LoadError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_has_an_end() {
        let waits = Waits::new(Duration::from_millis(20));
        assert_eq!(waits.wait(async { Ok(1) }).await, Ok(1));
        let over = Err(LoadError::Limit(Limit::Waiting(Duration::from_millis(20))));
        assert_eq!(waits.wait(std::future::pending::<Result<u8, _>>()).await, over);
        assert!(waits.so_far() >= Duration::from_millis(20));
        assert_eq!(waits.wait(async { Ok(1) }).await, over);
    }
}
