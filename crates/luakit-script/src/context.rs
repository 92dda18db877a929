//! Named contexts: what a caller puts in the place of images and local directories that a script names.
//!
//! Names are compared as BuildKit's Dockerfile frontend compares them, normalised: `alpine`, `alpine:latest` and
//! `docker.io/library/alpine` are one
//! (<https://github.com/moby/buildkit/blob/master/frontend/dockerui/config.go>, `NamedContext`).

use std::collections::BTreeMap;

use luakit_llb::definition::DefinitionError;
use luakit_llb::op::{Copy, FileAction, GitSource, HttpSource, ImageSource, LocalSource, OciLayoutSource};
use luakit_llb::reference::ReferenceError;
use luakit_llb::{Definition, Graph, Platform, Reference, StackId, State};

/// What the file of an [`NamedContext::Http`] context is called.
pub const HTTP_FILE: &str = "context";

/// What a name stands for.
#[derive(Debug, Clone)]
pub enum NamedContext {
    /// A directory that the client offers.
    Local {
        /// What it is offered as.
        name: String,
        /// The patterns of its ignore file; they come before those of a script.
        exclude: Excludes,
        /// What lets an engine find what it was sent before, if not the name.
        hint: Option<String>,
        /// The session that offers it, where it isn't the build's own.
        session: Option<String>,
    },
    /// An image of a registry.
    Image(Reference),
    /// Nothing at all.
    Scratch,
    /// An image of an OCI layout directory.
    OciLayout {
        /// A name and the digest.
        reference: Reference,
        /// What the client calls the directory.
        store: String,
    },
    /// A git repository.
    Git(GitSource),
    /// One file over HTTP.
    Http(String),
    /// An archive over HTTP, unpacked.
    Archive(String),
    /// A directory within another context.
    Within {
        /// The other context.
        of: Box<NamedContext>,
        /// Where in it.
        path: String,
    },
    /// What another client's definition gives.
    Input {
        /// The definition.
        definition: Definition,
        /// The image config of its result, as JSON: it is inherited as an image's is.
        config: Option<Vec<u8>>,
    },
}

/// The patterns of an ignore file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excludes {
    /// These.
    Known(Vec<String>),
    /// What the loader knows under this key. It is asked when a script uses the directory, and not before.
    Asked(String),
}

/// Contexts by normalised name.
#[derive(Debug, Clone, Default)]
pub struct NamedContexts {
    /// By the platform that they are for; those for any are under none.
    named: BTreeMap<String, BTreeMap<Option<Platform>, NamedContext>>,
    /// Those that are targets of the script itself.
    targets: BTreeMap<String, String>,
    /// What the build context is, if not the directory of that name.
    main: Option<NamedContext>,
    /// The sessions that offer directories, by these' names, where it isn't the build's own.
    sessions: BTreeMap<String, String>,
}

impl NamedContexts {
    /// A name as contexts have it.
    pub fn normalise(name: &str) -> Result<String, ReferenceError> {
        Ok(name.parse::<Reference>()?.familiar())
    }

    /// Adds a context; what had that normalised name before is returned.
    pub fn insert(&mut self, name: String, context: NamedContext) -> Option<NamedContext> {
        self.insert_for(name, None, context)
    }

    /// Adds a context that takes the place of images for one platform alone, and counts there rather than one for any.
    pub fn insert_for(
        &mut self,
        name: String,
        platform: Option<Platform>,
        context: NamedContext,
    ) -> Option<NamedContext> {
        self.named.entry(name).or_default().insert(platform, context)
    }

    /// Lets a target of the script itself take the name's place; the one that had it before is returned.
    pub fn insert_target(&mut self, name: String, target: String) -> Option<String> {
        self.targets.insert(name, target)
    }

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.targets.is_empty()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().chain(self.targets.keys()).map(String::as_str)
    }

    /// The target that takes the place of a normalised name.
    pub(crate) fn target(&self, name: &str) -> Option<&str> {
        self.targets.get(name).map(String::as_str)
    }

    /// The context of a normalised name, where it stands for something of that platform.
    pub(crate) fn get(&self, name: &str, platform: &Platform) -> Option<&NamedContext> {
        let contexts = self.named.get(name)?;
        contexts.get(&Some(platform.clone())).or_else(|| contexts.get(&None))
    }

    /// Says which sessions offer directories, by these' names, where it isn't the build's own.
    pub fn set_sessions(&mut self, sessions: BTreeMap<String, String>) {
        self.sessions = sessions;
    }

    /// The session that offers a directory, where it isn't the build's own.
    pub(crate) fn session(&self, local: &str) -> Option<&String> {
        self.sessions.get(local)
    }

    /// Says what the build context is. Its steps are called as the Dockerfile frontend calls them.
    pub fn set_main(&mut self, context: NamedContext) {
        self.main = Some(context);
    }

    /// What the build context is, if not the directory of that name.
    pub(crate) fn main(&self) -> Option<&NamedContext> {
        self.main.as_ref()
    }
}

impl NamedContext {
    /// The context as a state. Where it stands for an image, that image's platform and how it is looked up stay. Patterns
    /// that a loader knows are not asked for here.
    ///
    /// # Errors
    /// When it is another client's definition, and that is damaged.
    pub fn state(&self, graph: &mut Graph, at: StackId, image: Option<&ImageSource>) -> Result<State, DefinitionError> {
        let platform = image.and_then(|image| image.platform.clone());
        Ok(match self {
            Self::Local {
                name,
                exclude,
                hint,
                session,
            } => {
                let local = LocalSource {
                    name: name.clone(),
                    exclude: match exclude {
                        Excludes::Known(patterns) => patterns.clone(),
                        Excludes::Asked(_) => Vec::new(),
                    },
                    shared_key_hint: hint.clone(),
                    session: session.clone(),
                    ..LocalSource::default()
                };
                graph.local(local, at)
            }
            Self::Scratch => graph.scratch(),
            Self::Image(reference) => {
                let source = ImageSource {
                    reference: reference.clone(),
                    platform,
                    resolve_mode: image.map(|image| image.resolve_mode).unwrap_or_default(),
                    resolve_digest: image.is_none_or(|image| image.resolve_digest),
                    layer_limit: None,
                    checksum: None,
                };
                graph.image(source, at)
            }
            Self::OciLayout { reference, store } => {
                let source = OciLayoutSource {
                    reference: reference.to_string(),
                    platform,
                    store: Some(store.clone()),
                    layer_limit: None,
                };
                graph.oci_layout(source, at)
            }
            Self::Git(source) => graph.git(source.clone(), at),
            Self::Http(url) => download(graph, url, at),
            Self::Archive(url) => {
                let archive = download(graph, url, at);
                let unpacked = Copy {
                    attempt_unpack: true,
                    copy_dir_contents: false,
                    ..contents(archive, &format!("/{HTTP_FILE}"))
                };
                let scratch = graph.scratch();
                graph.file(scratch, vec![FileAction::Copy(unpacked)], at)
            }
            Self::Within { of, path } => {
                let whole = of.state(graph, at, image)?;
                let scratch = graph.scratch();
                graph.file(scratch, vec![FileAction::Copy(contents(whole, path))], at)
            }
            Self::Input { definition, config } => graph.definition(definition, config.clone())?,
        })
    }

    /// What loading it is called, behind its name.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Local { .. } => "load from client".to_owned(),
            Self::Scratch | Self::Input { .. } => String::new(),
            Self::Image(reference) => reference.familiar(),
            Self::OciLayout { .. } => "OCI load from client".to_owned(),
            Self::Git(source) => source.url.clone(),
            Self::Http(url) | Self::Archive(url) => url.clone(),
            Self::Within { of, .. } => of.told(),
        }
    }

    /// What loading it is called where it is the build context.
    pub fn told_as_main(&self) -> String {
        match self {
            Self::Git(source) => {
                let subdir = source
                    .subdir
                    .as_ref()
                    .map(|path| format!(":{path}"))
                    .unwrap_or_default();
                let reference = match &source.reference {
                    None if subdir.is_empty() => String::new(),
                    reference => format!("#{}", reference.as_deref().unwrap_or_default()),
                };
                format!("[internal] load git source {}{reference}{subdir}", source.url)
            }
            Self::Http(_) | Self::Archive(_) => "[internal] load remote build context".to_owned(),
            Self::Within { of, .. } => of.told_as_main(),
            _ => "[internal] load build context".to_owned(),
        }
    }
}

fn download(graph: &mut Graph, url: &str, at: StackId) -> State {
    let source = HttpSource {
        url: url.to_owned(),
        filename: Some(HTTP_FILE.to_owned()),
        ..HttpSource::default()
    };
    graph.http(source, at)
}

/// A copy of what is in a directory, into the root.
pub(crate) fn contents(from: State, src: &str) -> Copy {
    Copy {
        from,
        src: src.to_owned(),
        dest: "/".to_owned(),
        mode: None,
        owner: None,
        follow_symlink: false,
        create_dest_path: true,
        allow_wildcard: false,
        allow_empty_wildcard: false,
        copy_dir_contents: true,
        attempt_unpack: false,
        always_replace: false,
        required_paths: Vec::new(),
        include: Vec::new(),
        exclude: Vec::new(),
        created: None,
    }
}
