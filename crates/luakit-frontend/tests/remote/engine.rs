//! The engine that is made up, and how a request is put to a frontend on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use luakit_diagnostic::{Diagnostic, render_without_source};
use luakit_frontend::host::{Entry, EntryKind, Host};
use luakit_frontend::options::Options;
use luakit_frontend::remote::{Answer, Job, RemoteFailure, build};
use luakit_frontend::resolve::{Failure, ImageResolver, ResolveError};
use luakit_frontend::{Output, Solver};
use luakit_llb::op::{HttpSource, ResolveMode};
use luakit_llb::{Definition, Graph, Pins, Platform, Reference, ResolvedImage, marshal};
use luakit_proto::{Message as _, map, pb};

/// An engine where every result holds the same files, and that remembers what it is asked.
#[derive(Clone, Default)]
pub(crate) struct Engine {
    /// By path; links have a `->` before what they say.
    pub(crate) files: Arc<BTreeMap<String, String>>,
    /// An image, and what is taken in its place.
    pub(crate) policy: Arc<Option<(String, String)>>,
    /// What the client has built already.
    pub(crate) inputs: Arc<BTreeMap<String, Definition>>,
    /// The directories that the client offers; none named is any.
    pub(crate) offered: Arc<Vec<String>>,
    /// Whether it sends lists of files.
    pub(crate) lists: bool,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    /// The definitions of results.
    pub(crate) solved: Arc<Mutex<Vec<Definition>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(String);

impl Engine {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self {
            files: Arc::new(files.collect()),
            ..Self::default()
        }
    }

    pub(crate) fn asked(&self) -> String {
        self.asked.lock().unwrap().join("\n")
    }

    pub(crate) fn told(&self) -> String {
        self.told.lock().unwrap().join("\n")
    }
}

/// The sources of a definition, with what is asked of them, and what steps are called.
pub(crate) fn sources(definition: &Definition) -> Vec<String> {
    let message = definition.message();
    let names: Vec<String> = message
        .metadata
        .iter()
        .filter_map(|entry| map::map(entry.value.clone()?.description).remove("llb.customname"))
        .collect();
    let ops = message.def.iter().map(|op| pb::Op::decode(op.as_slice()).unwrap());
    let told = ops.filter_map(|op| match op.op? {
        pb::op::Op::Source(source) => {
            let attrs: Vec<String> = map::map(source.attrs)
                .into_iter()
                .map(|(key, value)| format!(" {key}={value}"))
                .collect();
            Some(format!(
                "{}{} ({})",
                source.identifier,
                attrs.concat(),
                names.join(", ")
            ))
        }
        _ => None,
    });
    told.collect()
}

impl ImageResolver for Engine {
    async fn resolve(
        &self,
        reference: &Reference,
        platforms: &[Platform],
        mode: ResolveMode,
    ) -> Vec<Result<ResolvedImage, ResolveError>> {
        let told = match mode {
            ResolveMode::Default => format!("image {reference}"),
            mode => format!("image {reference} ({mode:?})"),
        };
        self.asked.lock().unwrap().push(told);
        let config = |platform: &Platform| {
            // What the registry doesn't have, and one that isn't reached.
            for (digits, why) in [
                ("111", "r.example/gone@sha256:111: not found"),
                ("222", "no route to host"),
            ] {
                if reference.to_string().contains(&format!("@sha256:{digits}")) {
                    return Err(ResolveError {
                        reference: reference.clone(),
                        platform: platform.clone(),
                        failure: Failure::Engine {
                            message: why.to_owned(),
                        },
                        attempts: Vec::new(),
                    });
                }
            }
            let json = format!(r#"{{"os":"{}","architecture":"{}"}}"#, platform.os(), platform.arch());
            let policy = |(from, to): &(String, String)| (*from == reference.familiar()).then(|| to.parse().unwrap());
            Ok(ResolvedImage {
                reference: self.policy.as_ref().as_ref().and_then(policy),
                digest: None,
                config: json.into_bytes(),
            })
        };
        platforms.iter().map(config).collect()
    }
}

impl Solver for Engine {
    type Ref = ();
    type Error = Refused;

    async fn solve(&self, definitions: Vec<Definition>) -> Result<Vec<()>, Refused> {
        self.asked.lock().unwrap().extend(definitions.iter().flat_map(sources));
        let refs = definitions.iter().map(|_| ()).collect();
        self.solved.lock().unwrap().extend(definitions);
        Ok(refs)
    }
}

impl Host for Engine {
    async fn load(&self, definition: Definition) -> Result<(), Refused> {
        let asked = sources(&definition);
        let local = asked.first().and_then(|source| source.strip_prefix("local://"));
        let name = local.and_then(|local| local.split(' ').next()).map(str::to_owned);
        self.asked.lock().unwrap().extend(asked);
        match name {
            Some(name) if !self.offered.is_empty() && !self.offered.contains(&name) => {
                Err(Refused(format!("no access allowed to dir \"{name}\"")))
            }
            _ => Ok(()),
        }
    }

    async fn read_file(&self, (): &(), path: &str, limit: u64) -> Result<Vec<u8>, Refused> {
        let text = self
            .files
            .get(path)
            .ok_or_else(|| Refused(format!("{path}: no such file")))?;
        Ok(text.bytes().take(usize::try_from(limit).unwrap()).collect())
    }

    async fn read_dir(&self, (): &(), path: &str) -> Result<Vec<Entry>, Refused> {
        let base = format!("{}/", path.trim_end_matches('/'));
        let mut entries = BTreeMap::new();
        for (file, text) in &*self.files {
            let Some(rest) = file.strip_prefix(&base) else { continue };
            let (name, kind) = match (rest.split_once('/'), text.strip_prefix("->")) {
                (Some((name, _)), _) => (name, EntryKind::Directory),
                (None, Some(target)) => (rest, EntryKind::Link(target.to_owned())),
                (None, None) => (rest, EntryKind::File),
            };
            entries.insert(name.to_owned(), kind);
        }
        if entries.is_empty() && path != "/" {
            return Err(Refused(format!("{path}: no such directory")));
        }
        Ok(entries.into_iter().map(|(name, kind)| Entry { name, kind }).collect())
    }

    fn sends_lists(&self) -> bool {
        self.lists
    }

    async fn read_list(&self, (): &()) -> Result<Vec<Entry>, Refused> {
        let file = |path: &String| Entry {
            name: path.trim_start_matches('/').to_owned(),
            kind: EntryKind::File,
        };
        Ok(self.files.keys().map(file).collect())
    }

    async fn layout_config(
        &self,
        store: &str,
        image: &Reference,
        platform: &Platform,
        _: &str,
    ) -> Result<Vec<u8>, Refused> {
        self.asked
            .lock()
            .unwrap()
            .push(format!("{image} of {store} for {platform}"));
        if image.to_string().contains("@sha256:444") {
            return Err(Refused("sha256:444: not found".to_owned()));
        }
        Ok(br#"{"architecture":"amd64","config":{"Env":["OF=layout"]},"os":"linux"}"#.to_vec())
    }

    async fn inputs(&self) -> Result<BTreeMap<String, Definition>, Refused> {
        Ok((*self.inputs).clone())
    }

    async fn warn(&self, vertex: &str, warning: &Diagnostic) -> bool {
        assert!(vertex.starts_with("sha256:"), "{vertex}");
        self.told.lock().unwrap().push(render_without_source(warning));
        true
    }
}

/// A definition that is a download.
pub(crate) fn download(url: &str) -> Definition {
    let mut graph = Graph::new();
    let at = graph.intern_stack(&[]);
    let source = HttpSource {
        url: url.to_owned(),
        ..HttpSource::default()
    };
    let state = graph.http(source, at);
    let options = marshal::Options {
        platform: &Platform::linux_amd64(),
        pins: &Pins::new(),
        local_unique: "",
        context_excludes: &[],
        run_defaults: None,
        no_cache: marshal::NoCache::AsWritten,
        resolve_mode: ResolveMode::Default,
    };
    marshal::marshal(&graph, state, &options)
}

pub(crate) fn job(options: &[(&str, &str)]) -> Job {
    let options = options
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Job {
        options: Options::parse(&options.collect()).unwrap(),
        session: "session".to_owned(),
        machine: Platform::linux_amd64(),
    }
}

pub(crate) async fn built(engine: &Engine, options: &[(&str, &str)]) -> Result<Vec<Output>, String> {
    match build(engine, job(options)).await {
        Ok(Answer::Built(build)) => Ok(build.outputs.into_iter().map(|(output, ())| output).collect()),
        Ok(other) => Err(format!("{other:?}")),
        Err(RemoteFailure::Told(told)) => Err(told.iter().map(render_without_source).collect::<Vec<_>>().join("\n")),
        Err(other) => Err(format!("{other:?}")),
    }
}
