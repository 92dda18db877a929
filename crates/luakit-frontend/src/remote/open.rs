//! Where the script is, and what the build context is: the rules of BuildKit's Dockerfile frontend
//! (<https://github.com/moby/buildkit/blob/master/frontend/dockerui/context.go>).

use std::collections::BTreeMap;
use std::sync::Arc;

use luakit_diagnostic::{Diagnostic, SourceFile};
use luakit_llb::path::{clean, join};
use luakit_script::{Excludes, HTTP_FILE, NamedContext};

use super::archive::{HEADER, is_archive};
use super::loader::{IGNORE, IgnoreFile, IgnoreFiles, Place, RemoteLoader};
use super::source::{ClientDir, Sources};
use super::tree::{NoFile, Tree};
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
    let Found {
        main,
        script,
        is_script,
    } = find(sources, place).await?;
    let client = |name: &str, path: &str| ClientDir {
        name: name.to_owned(),
        session: sessions.get(name).cloned(),
        path: path.to_owned(),
    };
    let filename = match script {
        Some(_) if is_script => HTTP_FILE.to_owned(),
        _ => inside(&place.filename)?,
    };
    let dir = filename.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
    let local = client(&place.script_local, "");
    let files = Files {
        ignore: format!("{filename}.dockerignore"),
        lock: join(&[&dir, LOCK]),
        script: filename,
    };
    let (tree, step, script_place) = if let Some((tree, step)) = script {
        (Arc::clone(&tree), step, Place::Result(tree, dir))
    } else {
        let mut paths = vec![files.script.clone(), files.ignore.clone(), files.lock.clone()];
        paths.extend(lower_case(&files.script));
        let name = definition_step(&files.script);
        let loaded = sources.files(&local, paths, &local.name, name.clone()).await;
        let (tree, digest) = loaded.map_err(refused::<H>)?;
        let place = Place::Client(ClientDir { path: dir, ..local });
        (Arc::new(tree), Step { digest, name }, place)
    };
    let (script, text) = script_of(&tree, &files.script).await?;
    let lock = read(&tree, &files.lock).await?;
    let context_place = match main.tree() {
        Some(tree) => Place::Result(Arc::clone(tree), place.subdir.clone().unwrap_or_default()),
        None => Place::Client(client(&place.context_local, "")),
    };
    let mut ignores = IgnoreFiles::new();
    // What is no directory of the client's is there whole.
    let is_whole = main.tree().is_some();
    let own = if is_whole {
        None
    } else {
        read(&tree, &files.ignore).await?
    };
    let exclude = match own {
        _ if is_whole => Excludes::Known(Vec::new()),
        Some(own) => {
            let file = SourceFile::new(files.ignore.as_str(), own);
            Excludes::Known(ignore::read(&file).map_err(|wrong| *wrong)?)
        }
        None => {
            let dir = client(&place.context_local, "");
            let file = IgnoreFile {
                hint: format!("{}-{IGNORE}", dir.name),
                step: format!("[internal] load {IGNORE}"),
                dir,
            };
            ignores.insert(String::new(), file);
            Excludes::Asked(String::new())
        }
    };
    let session = sessions.get(&place.context_local).cloned();
    Ok(Opened {
        script: SourceFile::new(script, text),
        step,
        loader: RemoteLoader::new(sources.clone(), script_place, context_place, ignores),
        main: main.context(place, exclude, session),
        lock: lock.map(|text| SourceFile::new(files.lock, text)),
    })
}

/// Files that are looked at beside each other.
struct Files {
    script: String,
    ignore: String,
    lock: String,
}

/// The build context and the script as they are found.
struct Found<H: Host> {
    main: Main<H>,
    /// What the script is in, and the step that loaded it, unless it is with the client.
    script: Option<(Arc<Tree<H>>, Step)>,
    /// Whether the context is a download that is the script itself.
    is_script: bool,
}

/// The build context.
enum Main<H: Host> {
    /// A directory of the client's.
    Local,
    /// What the engine has whole.
    Result(Box<NamedContext>, Arc<Tree<H>>),
}

impl<H: Host> Main<H> {
    /// What is looked into.
    fn tree(&self) -> Option<&Arc<Tree<H>>> {
        match self {
            Self::Local => None,
            Self::Result(_, tree) => Some(tree),
        }
    }

    /// The context as scripts have it.
    fn context(self, place: &options::Place, exclude: Excludes, session: Option<String>) -> NamedContext {
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
            Self::Result(context, _) => *context,
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

/// A remote context holds the script, too. Otherwise the frontend's inputs count: the one called as the directory of
/// scripts holds the script, and the one called as the context is the context. What of them isn't there is with the
/// client, as is the script wherever the request says so.
async fn find<H: Host>(sources: &Sources<H>, place: &options::Place) -> Result<Found<H>, RemoteFailure<H::Error>> {
    let load = async |context: NamedContext, name: String| {
        let loaded = sources.context(&context, name.clone()).await;
        let (tree, digest) = loaded.map_err(refused::<H>)?;
        Ok::<_, RemoteFailure<H::Error>>((context, Arc::new(tree), Step { digest, name }))
    };
    let remote = async |context: NamedContext, is_script: bool| {
        let step = context.told_as_main();
        let (context, tree, step) = load(context, step).await?;
        let script = (Arc::clone(&tree), step);
        Ok::<_, RemoteFailure<H::Error>>(Found {
            main: Main::Result(Box::new(context), tree),
            script: (!place.script_is_local).then_some(script),
            is_script,
        })
    };
    match &place.context {
        MainContext::Git(source) => remote(NamedContext::Git(source.clone()), false).await,
        MainContext::Http(url) => {
            let file = remote(NamedContext::Http(url.clone()), true).await?;
            let Main::Result(_, tree) = &file.main else {
                return Ok(file);
            };
            let header = tree.read(&format!("/{HTTP_FILE}"), HEADER).await;
            if !is_archive(&header.map_err(refused::<H>)?) {
                return Ok(file);
            }
            remote(NamedContext::Archive(url.clone()), false).await
        }
        MainContext::Local => {
            let mut inputs = sources.host().inputs().await.map_err(refused::<H>)?;
            let mut input = |name: &str| {
                let definition = inputs.remove(name)?;
                Some(NamedContext::Input {
                    definition,
                    config: None,
                })
            };
            // Asked for by name alone when the script is with the client: the name may be the context's.
            let given = if place.script_is_local {
                None
            } else {
                input(&place.script_local)
            };
            let script = match given {
                Some(script) => {
                    let (_, tree, step) = load(script, definition_step(&place.filename)).await?;
                    Some((tree, step))
                }
                None => None,
            };
            let main = match input(&place.context_local) {
                Some(context) => {
                    let step = context.told_as_main();
                    let (context, tree, _) = load(context, step).await?;
                    Main::Result(Box::new(context), tree)
                }
                None => Main::Local,
            };
            Ok(Found {
                main,
                script,
                is_script: false,
            })
        }
    }
}

/// The script's path and text.
async fn script_of<H: Host>(tree: &Tree<H>, path: &str) -> Result<(String, Vec<u8>), RemoteFailure<H::Error>> {
    if let Some(text) = read(tree, path).await? {
        return Ok((path.to_owned(), text));
    }
    if let Some(lower) = lower_case(path)
        && let Some(text) = read(tree, &lower).await?
    {
        return Ok((lower, text));
    }
    Err(no_script(path).into())
}

/// What is taken where there is no `Dockerfile`, the name that clients ask for when they are told none.
fn lower_case(path: &str) -> Option<String> {
    let dir = path.strip_suffix("Dockerfile")?;
    (dir.is_empty() || dir.ends_with('/')).then(|| format!("{dir}dockerfile"))
}

/// What loading the script is called.
fn definition_step(filename: &str) -> String {
    format!("[internal] load build definition from {filename}")
}

/// A file that need not be there.
async fn read<H: Host>(tree: &Tree<H>, path: &str) -> Result<Option<Vec<u8>>, RemoteFailure<H::Error>> {
    tree.file("", path).await.map_err(|error| match error {
        NoFile::Host(error) => refused::<H>(error),
        NoFile::Outside => unreadable(path, "it is a link to somewhere else").into(),
        NoFile::Unfit(reason) => unreadable(path, &reason).into(),
    })
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
