//! Where the script is, and what the build context is: the rules of BuildKit's Dockerfile frontend
//! (<https://github.com/moby/buildkit/blob/master/frontend/dockerui/context.go>).

use std::collections::BTreeMap;
use std::sync::Arc;

use luakit_diagnostic::{Diagnostic, SourceFile};
use luakit_llb::path::{clean, join};
use luakit_script::{HTTP_FILE, LARGEST, NamedContext};

use super::archive::{HEADER, is_archive};
use super::loader::{Place, RemoteLoader};
use super::source::{ClientDir, Sources};
use super::tree::{Found, Tree};
use super::{RemoteFailure, refused};
use crate::host::Host;
use crate::ignore;
use crate::options::{self, MainContext};

/// What a lock file beside the script is called.
const LOCK: &str = "luakit.lock";

/// A script that was found, and what it is built with.
pub(super) struct Opened<H: Host> {
    /// The script, by its path in the directory that it comes from.
    pub(super) script: Arc<SourceFile>,
    /// The step that loaded it: where remarks are made.
    pub(super) step: Step,
    /// Modules and the context.
    pub(super) loader: RemoteLoader<H>,
    /// The build context.
    pub(super) main: NamedContext,
    /// The lock file beside the script.
    pub(super) lock: Option<Arc<SourceFile>>,
}

/// A step that is done.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) digest: String,
    /// What it is called.
    pub(super) name: String,
}

/// Finds the script and the context.
pub(super) async fn open<H: Host>(
    sources: &Sources<H>,
    place: &options::Place,
    sessions: &BTreeMap<String, String>,
) -> Result<Opened<H>, RemoteFailure<H::Error>> {
    let main = main_context(sources, place).await?;
    let client = |name: &str, path: &str| ClientDir {
        name: name.to_owned(),
        session: sessions.get(name).cloned(),
        path: path.to_owned(),
    };
    let filename = match main {
        Main::Script(_) if !place.script_is_local => HTTP_FILE.to_owned(),
        _ => inside(&place.filename)?,
    };
    let dir = filename.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
    let local = client(&place.script_local, "");
    let files = Files {
        ignore: format!("{filename}.dockerignore"),
        lock: join(&[&dir, LOCK]),
        script: filename,
    };
    let (tree, step, script_place) = match main.tree() {
        Some((tree, step)) if !place.script_is_local => {
            let place = Place::Result(Arc::clone(tree), dir);
            (Arc::clone(tree), step.clone(), place)
        }
        _ => {
            let paths = vec![files.script.clone(), files.ignore.clone(), files.lock.clone()];
            let name = format!("[internal] load build definition from {}", files.script);
            let loaded = sources.files(&local, paths, &local.name, name.clone()).await;
            let (tree, digest) = loaded.map_err(refused::<H>)?;
            let place = Place::Client(ClientDir { path: dir, ..local });
            (Arc::new(tree), Step { digest, name }, place)
        }
    };
    let Some(text) = read(&tree, &files.script).await? else {
        return Err(no_script(&files.script).into());
    };
    let lock = read(&tree, &files.lock).await?;
    let context_place = match main.tree() {
        Some((tree, _)) => Place::Result(Arc::clone(tree), place.subdir.clone().unwrap_or_default()),
        None => Place::Client(client(&place.context_local, "")),
    };
    let exclude = match (main.tree(), read(&tree, &files.ignore).await?) {
        // What is no directory of the client's is there whole.
        (Some(_), _) => Vec::new(),
        (None, Some(own)) => ignore::read(&SourceFile::new(files.ignore.as_str(), own)).map_err(|wrong| *wrong)?,
        (None, None) => {
            let dir = client(&place.context_local, "");
            let hint = format!("{}-.dockerignore", dir.name);
            ignore_file(sources, &dir, &hint, "[internal] load .dockerignore".to_owned()).await?
        }
    };
    let session = sessions.get(&place.context_local).cloned();
    Ok(Opened {
        script: SourceFile::new(files.script, text),
        step,
        loader: RemoteLoader::new(sources.clone(), script_place, context_place),
        main: main.context(place, exclude, session),
        lock: lock.map(|text| SourceFile::new(files.lock, text)),
    })
}

/// The patterns of the ignore file of a client's directory.
pub(super) async fn ignore_file<H: Host>(
    sources: &Sources<H>,
    dir: &ClientDir,
    hint: &str,
    step: String,
) -> Result<Vec<String>, RemoteFailure<H::Error>> {
    let name = ".dockerignore".to_owned();
    let loaded = sources.files(dir, vec![name.clone()], hint, step).await;
    let (tree, _) = loaded.map_err(refused::<H>)?;
    Ok(match read(&tree, &name).await? {
        Some(text) => ignore::read(&SourceFile::new(name, text))
            .map_err(|wrong| wrong.with_note(format!("of the directory `{}`", dir.name)))?,
        None => Vec::new(),
    })
}

/// Files that are looked at beside each other.
struct Files {
    script: String,
    ignore: String,
    lock: String,
}

/// The build context as it is found.
enum Main<H: Host> {
    /// A directory of the client's.
    Local,
    /// What the engine has whole.
    Result(NamedContext, Arc<Tree<H>>, Step),
    /// A download that is the script itself.
    Script((NamedContext, Arc<Tree<H>>, Step)),
}

impl<H: Host> Main<H> {
    /// What is looked into, and the step that loaded it.
    fn tree(&self) -> Option<(&Arc<Tree<H>>, &Step)> {
        match self {
            Self::Local => None,
            Self::Result(_, tree, step) | Self::Script((_, tree, step)) => Some((tree, step)),
        }
    }

    /// The context as scripts have it.
    fn context(self, place: &options::Place, exclude: Vec<String>, session: Option<String>) -> NamedContext {
        let whole = match self {
            Self::Local => {
                let name = place.context_local.clone();
                return NamedContext::Local {
                    // As the Dockerfile frontend has it, so that what was sent for one is there for the other.
                    hint: Some(name.clone()),
                    name,
                    exclude,
                    session,
                };
            }
            Self::Result(context, ..) | Self::Script((context, ..)) => context,
        };
        match &place.subdir {
            Some(path) => NamedContext::Within {
                of: Box::new(whole),
                path: path.clone(),
            },
            None => whole,
        }
    }
}

async fn main_context<H: Host>(
    sources: &Sources<H>,
    place: &options::Place,
) -> Result<Main<H>, RemoteFailure<H::Error>> {
    let load = async |context: NamedContext| {
        let (tree, digest) = sources.context(&context).await.map_err(refused::<H>)?;
        let name = context.told_as_main();
        Ok::<_, RemoteFailure<H::Error>>((context, Arc::new(tree), Step { digest, name }))
    };
    match &place.context {
        MainContext::Local => match sources
            .host()
            .inputs()
            .await
            .map_err(refused::<H>)?
            .remove(&place.context_local)
        {
            Some(definition) => {
                let input = NamedContext::Input {
                    definition,
                    config: None,
                };
                let (context, tree, step) = load(input).await?;
                Ok(Main::Result(context, tree, step))
            }
            None => Ok(Main::Local),
        },
        MainContext::Git(source) => {
            let (context, tree, step) = load(NamedContext::Git(source.clone())).await?;
            Ok(Main::Result(context, tree, step))
        }
        MainContext::Http(url) => {
            let file = load(NamedContext::Http(url.clone())).await?;
            let header = file.1.read(&format!("/{HTTP_FILE}"), HEADER).await;
            if !is_archive(&header.map_err(refused::<H>)?) {
                return Ok(Main::Script(file));
            }
            let (context, tree, step) = load(NamedContext::Archive(url.clone())).await?;
            Ok(Main::Result(context, tree, step))
        }
    }
}

/// A file that need not be there.
async fn read<H: Host>(tree: &Tree<H>, path: &str) -> Result<Option<Vec<u8>>, RemoteFailure<H::Error>> {
    let file = match tree.find("", path).await.map_err(refused::<H>)? {
        Found::File(file) => file,
        Found::Nothing => return Ok(None),
        Found::Directory(_) => return Err(unreadable(path, "it is a directory").into()),
        Found::Other => return Err(unreadable(path, "it is no regular file").into()),
        Found::Outside => return Err(unreadable(path, "it is a link to somewhere else").into()),
    };
    let data = tree.read(&file, LARGEST + 1).await.map_err(refused::<H>)?;
    if u64::try_from(data.len()).is_ok_and(|size| size > LARGEST) {
        let reason = format!("it is larger than {} MiB", LARGEST >> 20);
        return Err(unreadable(path, &reason).into());
    }
    Ok(Some(data))
}

fn unreadable(path: &str, reason: &str) -> Diagnostic {
    Diagnostic::error("unreadable", format!("can't read `{path}`: {reason}"))
}

/// The script's path, clean and below its directory.
fn inside<E>(path: &str) -> Result<String, RemoteFailure<E>> {
    let cleaned = clean(path.trim_start_matches('/'));
    if cleaned == "." || cleaned == ".." || cleaned.starts_with("../") {
        let message =
            format!("invalid value `{path}` of the option `filename`: it is no file in the script's directory");
        return Err(Diagnostic::error("option", message).into());
    }
    Ok(cleaned)
}

fn no_script(path: &str) -> Diagnostic {
    Diagnostic::error("no-script", format!("there is no script `{path}`"))
        .with_hint("name it with `-f`; it is looked for in the build context where that is no directory of yours")
}
