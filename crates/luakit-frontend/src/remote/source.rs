//! What a frontend solves for itself: pieces of a client's directories, and contexts that are looked into.

use std::sync::Arc;

use luakit_llb::graph::ProgressGroup;
use luakit_llb::marshal::{NoCache, Options, marshal, op_digest};
use luakit_llb::op::{FileAction, LocalSource, Mkfile, ResolveMode};
use luakit_llb::path::join;
use luakit_llb::{Definition, Graph, Metadata, Pins, Platform, State};
use luakit_script::NamedContext;

use super::tree::Tree;
use crate::host::Host;

/// A directory that the client offers, and the part of it that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientDir {
    /// What it is offered as.
    pub(super) name: String,
    /// The session that offers it, where it isn't the build's own.
    pub(super) session: Option<String>,
    /// The path within it, relative.
    pub(super) path: String,
}

/// What is asked of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    /// What is at a path.
    Path(String),
    /// What matches a pattern.
    Pattern(String),
}

/// The way to results.
pub(super) struct Sources<H: Host> {
    host: H,
    /// What tells this build's directories from those of others.
    unique: Arc<str>,
}

impl<H: Host> Clone for Sources<H> {
    fn clone(&self) -> Self {
        Self {
            host: self.host.clone(),
            unique: Arc::clone(&self.unique),
        }
    }
}

impl ClientDir {
    /// What tells it from others.
    pub(super) fn key(&self) -> String {
        format!("{}\0{}", self.name, self.path)
    }
}

impl<H: Host> Sources<H> {
    pub(super) fn new(host: H, unique: &str) -> Self {
        Self {
            host,
            unique: unique.into(),
        }
    }

    pub(super) fn host(&self) -> &H {
        &self.host
    }

    /// What a directory has to an answer.
    pub(super) async fn ask(&self, dir: &ClientDir, asked: &Asked) -> Result<Tree<H>, H::Error> {
        let (wanted, what) = match asked {
            Asked::Path(path) => (Wanted::path(&join(&[&dir.path, path])), path),
            Asked::Pattern(pattern) => (Wanted::pattern(&dir.path, pattern), pattern),
        };
        // Of what matches a pattern, names are all that anyone looks at.
        let list_only = matches!(asked, Asked::Pattern(_)) && self.host.sends_lists();
        let local = LocalSource {
            list_only,
            ..wanted.of(dir, &format!("{}-read", dir.name))
        };
        let (tree, _) = self.local(local, format!("[internal] read {what}")).await?;
        if list_only { tree.listed().await } else { Ok(tree) }
    }

    /// Files of a directory by their paths, and the digest of the step that has them sent.
    pub(super) async fn files(
        &self,
        dir: &ClientDir,
        paths: Vec<String>,
        hint: &str,
        step: String,
    ) -> Result<(Tree<H>, String), H::Error> {
        self.local(Wanted::files(paths).of(dir, hint), step).await
    }

    async fn local(&self, local: LocalSource, step: String) -> Result<(Tree<H>, String), H::Error> {
        let mut graph = Graph::new();
        let at = graph.intern_stack(&[]);
        let state = graph.local(local, at);
        self.solve(graph, state, step).await
    }

    /// A context, to be looked into, and the digest of the step that has it loaded.
    pub(super) async fn context(&self, context: &NamedContext, step: String) -> Result<(Tree<H>, String), H::Error> {
        let mut graph = Graph::new();
        let at = graph.intern_stack(&[]);
        // Only an input can be damaged, and the engine has read those.
        let state = context.state(&mut graph, at, None).unwrap_or_else(|_| graph.scratch());
        self.solve(graph, state, step).await
    }

    /// Gives a step of that name something new to show: clients from before 2024 look at the remarks on a step only when
    /// there is, and those on a script come when it has long been loaded.
    pub(super) async fn show_again(&self, step: &str) -> Result<(), H::Error> {
        let mut graph = Graph::new();
        let at = graph.intern_stack(&[]);
        let scratch = graph.scratch();
        let file = Mkfile {
            path: "/shown".to_owned(),
            // Builds at the same time share steps, and a shared one is shown by the name that one of them gives it.
            data: self.unique.as_bytes().to_vec(),
            mode: 0o644,
            make_parents: false,
            owner: None,
            created: None,
        };
        let state = graph.file(scratch, vec![FileAction::Mkfile(file)], at);
        let (tree, _) = self.solve(graph, state, step.to_owned()).await?;
        tree.entries("/").await.map(|_| ())
    }

    async fn solve(&self, mut graph: Graph, state: State, step: String) -> Result<(Tree<H>, String), H::Error> {
        let label = Metadata {
            // Steps of one name are one to whoever looks on.
            progress_group: Some(ProgressGroup {
                id: format!("{}: {step}", self.unique),
                name: step.clone(),
                weak: false,
            }),
            description: Some(step),
            ..Metadata::default()
        };
        let state = graph.with_metadata(state, label);
        let definition = self.definition(&graph, state);
        let digest = last_step(&definition);
        let loaded = self.host.load(definition).await?;
        Ok((Tree::new(self.host.clone(), Some(loaded)), digest))
    }

    fn definition(&self, graph: &Graph, state: State) -> Definition {
        // Nothing here has a platform.
        let platform = Platform::linux_amd64();
        let options = Options {
            platform: &platform,
            pins: &Pins::new(),
            local_unique: &self.unique,
            context_excludes: &[],
            run_defaults: None,
            no_cache: NoCache::AsWritten,
            resolve_mode: ResolveMode::Default,
        };
        marshal(graph, state, &options)
    }
}

/// The digest of the step whose result a definition is: the one before the end.
fn last_step(definition: &Definition) -> String {
    let ops = &definition.message().def;
    ops.iter().rev().nth(1).map(|op| op_digest(op)).unwrap_or_default()
}

/// What of a directory is sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    include: Vec<String>,
    exclude: Vec<String>,
    follow_paths: Vec<String>,
}

impl Wanted {
    /// Files by their paths, with what links to them lead to.
    fn files(paths: Vec<String>) -> Self {
        let mut wanted = Self::default();
        for path in paths {
            match escaped(&path) {
                literal if literal == path => wanted.follow_paths.push(path),
                // Paths to follow are patterns, too, and of one in which something is escaped no link is followed.
                literal => wanted.include.push(literal),
            }
        }
        wanted
    }

    /// A file with what links to it lead to; of a directory, that it is there.
    fn path(path: &str) -> Self {
        let literal = escaped(path);
        let below = vec![format!("{literal}/**")];
        if path.is_empty() || path == "." {
            // The root is always there, and a pattern that nothing matches asks for no more.
            return Self {
                include: vec![NOTHING.to_owned()],
                ..Self::default()
            };
        }
        Self {
            exclude: below,
            ..Self::files(vec![path.to_owned()])
        }
    }

    /// What matches a pattern in a directory; of directories that match, that they are there.
    fn pattern(dir: &str, pattern: &str) -> Self {
        let pattern = match escaped(dir).as_str() {
            "" | "." => pattern.to_owned(),
            dir => format!("{dir}/{pattern}"),
        };
        // At the start this would turn a pattern round.
        let pattern = match pattern.strip_prefix('!') {
            Some(rest) => format!("\\!{rest}"),
            None => pattern,
        };
        Self {
            // Where it goes through any number of directories, what is below a match may match.
            exclude: if pattern.contains("**") {
                Vec::new()
            } else {
                vec![format!("{}/**", pattern.trim_end_matches('/'))]
            },
            include: vec![pattern],
            ..Self::default()
        }
    }

    fn of(self, dir: &ClientDir, hint: &str) -> LocalSource {
        LocalSource {
            name: dir.name.clone(),
            include: self.include,
            exclude: self.exclude,
            follow_paths: self.follow_paths,
            shared_key_hint: Some(hint.to_owned()),
            differ: None,
            session: dir.session.clone(),
            list_only: false,
        }
    }
}

/// A name that no file can have.
const NOTHING: &str = "\\/";

/// A path as a pattern that matches nothing else. Where nothing means more than itself it stays as it is.
fn escaped(path: &str) -> String {
    if !path.starts_with('!') && !path.contains(['*', '?', '[', ']', '\\']) {
        return path.to_owned();
    }
    let mut pattern = String::with_capacity(path.len());
    for c in path.chars() {
        // With something escaped the pattern becomes a regular expression, in which moby/patternmatcher leaves `^`.
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^') || (c == '!' && pattern.is_empty()) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_sent() {
        let wanted = |wanted: Wanted| {
            let Wanted {
                include,
                exclude,
                follow_paths,
            } = wanted;
            format!("include {include:?}, exclude {exclude:?}, follow {follow_paths:?}")
        };
        let told = [
            Wanted::files(
                ["build.lua", "*.lua", "a[1].lua", "!x^", "a^b"]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            Wanted::path("libs/go.lua"),
            Wanted::path("a[1].lua"),
            Wanted::path("."),
            Wanted::pattern("", "services/*"),
            Wanted::pattern("sub", "**/*.go"),
            Wanted::pattern("", "!x"),
        ]
        .map(wanted);
        insta::assert_snapshot!(told.join("\n"), @r#"
        include ["\\*.lua", "a\\[1\\].lua", "\\!x\\^"], exclude [], follow ["build.lua", "a^b"]
        include [], exclude ["libs/go.lua/**"], follow ["libs/go.lua"]
        include ["a\\[1\\].lua"], exclude ["a\\[1\\].lua/**"], follow []
        include ["\\/"], exclude [], follow []
        include ["services/*"], exclude ["services/*/**"], follow []
        include ["sub/**/*.go"], exclude [], follow []
        include ["\\!x"], exclude ["\\!x/**"], follow []
        "#);
    }
}
