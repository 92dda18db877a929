//! What a state is made of, without marshalling it: the sources that must be resolved first.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Graph, VertexId};
use crate::marshal::inputs_of;
use crate::op::{FileAction, GitSource, ImageSource, MountKind, OciLayoutSource, Op, ResolveMode, Source};
use crate::pins::LayoutImage;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::state::State;
use crate::values::{Values, ValuesId};

/// The sources that states are made of, each once, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// Images, and the platform that each is wanted for.
    pub images: BTreeSet<(Reference, Platform)>,
    /// When registries are asked for these; of an image that is wanted in several ways, the one that asks most often.
    pub modes: BTreeMap<Reference, ResolveMode>,
    /// Images of layouts that the client offers, and the platform that each is wanted for.
    pub layouts: BTreeSet<(LayoutImage, Platform)>,
    /// Git references; those that the script pins itself, by a checksum or a commit's name, are left out.
    pub git: BTreeSet<GitRequest>,
    /// Downloads; those that the script pins itself are left out.
    pub http: BTreeSet<HttpRequest>,
    /// Names of local directories.
    pub locals: BTreeSet<String>,
}

/// A branch or a tag of a git remote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitRequest {
    /// The remote as the script gave it.
    pub url: String,
    /// The branch or tag; `None` is the remote's default branch.
    pub reference: Option<String>,
    /// The secret that may hold a token for it, if not the usual one.
    pub auth_token_secret: Option<String>,
    /// The secret that may hold an `Authorization` header for it, if not the usual one.
    pub auth_header_secret: Option<String>,
    /// Lines of a `known_hosts` file, by which its host is known over ssh.
    pub known_ssh_hosts: Option<String>,
}

/// A file on a web server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpRequest {
    /// Its URL, verbatim.
    pub url: String,
    /// The secret that holds an `Authorization` header for it.
    pub auth_header_secret: Option<String>,
    /// The `Accept` header that it is asked for with.
    pub accept: Option<String>,
    /// The `User-Agent` header that it is asked for with.
    pub user_agent: Option<String>,
}

/// Whether a git reference is a commit's full name, which can't move: SHA-1 or SHA-256.
pub fn is_commit(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64) && reference.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl Reached {
    /// Adds what `other` reached.
    pub fn extend(&mut self, other: Self) {
        self.images.extend(other.images);
        for (reference, mode) in other.modes {
            self.wants(reference, mode);
        }
        self.layouts.extend(other.layouts);
        self.git.extend(other.git);
        self.http.extend(other.http);
        self.locals.extend(other.locals);
    }

    fn wants(&mut self, reference: Reference, mode: ResolveMode) {
        let known = self.modes.entry(reference).or_insert(mode);
        *known = mode.max(*known);
    }
}

impl Graph {
    /// The sources that `state` is made of when it is built for `target`, and those whose config it inherits.
    pub fn reached(&self, state: State, target: &Platform) -> Reached {
        let mut walk = Walk {
            graph: self,
            target,
            seen: vec![false; self.len()],
            seen_values: vec![false; self.values_len()],
            pending: Vec::new(),
            reached: Reached::default(),
        };
        walk.state(state);
        while let Some(vertex) = walk.pending.pop() {
            walk.vertex(vertex);
        }
        walk.reached
    }
}

struct Walk<'a> {
    graph: &'a Graph,
    target: &'a Platform,
    seen: Vec<bool>,
    seen_values: Vec<bool>,
    pending: Vec<VertexId>,
    reached: Reached,
}

impl Walk<'_> {
    fn state(&mut self, state: State) {
        if let Some(output) = state.output {
            self.want(output.vertex);
        }
        self.values(state.values);
    }

    fn want(&mut self, vertex: VertexId) {
        if let Some(seen) = self.seen.get_mut(vertex.0 as usize)
            && !std::mem::replace(seen, true)
        {
            self.pending.push(vertex);
        }
    }

    /// The image at the end of a chain of changes: its config is inherited.
    fn values(&mut self, mut id: ValuesId) {
        loop {
            match self.seen_values.get_mut(id.0 as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => return,
            }
            let values = self.graph.values(id);
            // A definition of another client needs nothing here: that client resolved its image.
            if let Values::Image(vertex) = values {
                match &*self.graph.vertex(*vertex).op {
                    Op::Source(Source::Image(image)) => self.image(image),
                    Op::Source(Source::OciLayout(layout)) => self.layout(layout),
                    _ => {}
                }
            }
            match values.parent() {
                Some(parent) => id = parent,
                None => return,
            }
        }
    }

    fn vertex(&mut self, id: VertexId) {
        let op = &self.graph.vertex(id).op;
        for input in inputs_of(op) {
            self.want(input.vertex);
        }
        match &**op {
            Op::Source(source) => self.source(source),
            Op::Exec(exec) => {
                self.values(exec.values);
                for mount in &exec.run.mounts {
                    if let MountKind::Bind { state, .. } = &mount.kind {
                        self.values(state.values);
                    }
                }
            }
            Op::File(file) => {
                self.values(file.values);
                for action in &file.actions {
                    if let FileAction::Copy(copy) = action {
                        self.values(copy.from.values);
                    }
                }
            }
            Op::Merge(_) | Op::Diff { .. } | Op::Foreign(_) => {}
        }
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Image(image) => self.image(image),
            Source::Local(local) => {
                self.reached.locals.insert(local.name.clone());
            }
            Source::Git(git) if !is_pinned(git) => {
                self.reached.git.insert(GitRequest {
                    url: git.url.clone(),
                    reference: git.reference.clone(),
                    auth_token_secret: git.auth_token_secret.clone(),
                    auth_header_secret: git.auth_header_secret.clone(),
                    known_ssh_hosts: git.known_ssh_hosts.clone(),
                });
            }
            Source::Http(http) if http.checksum.is_none() => {
                self.reached.http.insert(HttpRequest {
                    url: http.url.clone(),
                    auth_header_secret: http.auth_header_secret.clone(),
                    accept: http.accept.clone(),
                    user_agent: http.user_agent.clone(),
                });
            }
            Source::OciLayout(layout) => self.layout(layout),
            Source::Git(_) | Source::Http(_) => {}
        }
    }

    fn image(&mut self, image: &ImageSource) {
        let platform = image.platform.as_ref().unwrap_or(self.target);
        self.reached.images.insert((image.reference.clone(), platform.clone()));
        self.reached.wants(image.reference.clone(), image.resolve_mode);
    }

    fn layout(&mut self, layout: &OciLayoutSource) {
        let platform = layout.platform.as_ref().unwrap_or(self.target);
        if let Some(image) = layout.image() {
            self.reached.layouts.insert((image, platform.clone()));
        }
    }
}

fn is_pinned(git: &GitSource) -> bool {
    git.checksum.is_some() || git.reference.as_deref().is_some_and(is_commit)
}
