//! What a target takes: arguments, secrets, ssh agents, caches.

use std::collections::BTreeMap;
use std::sync::Arc;

use luakit_diagnostic::SourceFile;
use luakit_llb::Graph;
use luakit_llb::git_url::GitRemote;
use luakit_llb::graph::Vertex;
use luakit_llb::op::{MountKind, Op, Source};
use luakit_script::ArgDeclaration;
use serde::Serialize;

use super::Answer;
use super::sources::{Location, Sources};
use super::table::Table;
use crate::plan::Plan;

#[derive(Default, Serialize)]
struct Outline {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Arg>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Needed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ssh: Vec<Needed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache: Vec<Cache>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
}

#[derive(Serialize)]
struct Arg {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

/// A secret or an ssh agent.
#[derive(Serialize)]
struct Needed {
    name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

#[derive(Serialize)]
struct Cache {
    #[serde(rename = "ID")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

/// What a client knows its ssh agent by when nothing else is said.
const DEFAULT_AGENT: &str = "default";

/// What the plan's targets take. `script` is its text, `args` what it was evaluated with.
///
/// Arguments are the script's: which target one is for is not known.
pub fn outline(plan: &Plan, script: &Arc<SourceFile>, args: &BTreeMap<String, String>) -> Answer {
    let mut outline = Outline::default();
    let mut sources = Sources::new(script);
    let graph = plan.evaluations().next().map(|evaluation| &evaluation.graph);
    outline.args = plan
        .args()
        .iter()
        .map(|declared| arg(declared, args, graph, &mut sources))
        .collect();
    let namespace = args.get("BUILDKIT_CACHE_MOUNT_NS").map_or("", String::as_str);
    for (evaluation, export) in plan.chosen() {
        if let (true, Some(name)) = (outline.name.is_empty(), &export.name) {
            outline.name.clone_from(name);
        }
        if let (true, Some(text)) = (outline.description.is_empty(), &export.description) {
            outline.description.clone_from(text);
        }
        let graph = &evaluation.graph;
        for vertex in graph.made_of(export.state).vertices(graph) {
            outline.add(graph, vertex, namespace, &mut sources);
        }
    }
    outline.sources = sources.texts();
    let text = outline.text();
    Answer::new(&outline, text)
}

fn arg(
    declared: &ArgDeclaration,
    args: &BTreeMap<String, String>,
    graph: Option<&Graph>,
    sources: &mut Sources,
) -> Arg {
    let value = args.get(&declared.name).or(declared.default.as_ref());
    let mut description = declared.description.clone().unwrap_or_default();
    if !declared.choices.is_empty() {
        let choices = format!("one of {}", declared.choices.join(", "));
        description = match description.as_str() {
            "" => choices,
            said => format!("{said} ({choices})"),
        };
    }
    Arg {
        name: declared.name.clone(),
        description,
        value: value.cloned().unwrap_or_default(),
        location: graph.and_then(|graph| sources.call(graph, declared.at)),
    }
}

impl Outline {
    fn add(&mut self, graph: &Graph, vertex: &Vertex, namespace: &str, sources: &mut Sources) {
        let location = sources.call(graph, vertex.stack);
        match &*vertex.op {
            Op::Exec(exec) => {
                for secret in &exec.run.secrets {
                    need(&mut self.secrets, &secret.id, !secret.optional, location.as_ref());
                }
                for agent in &exec.run.ssh {
                    let id = agent.id.as_deref().unwrap_or(DEFAULT_AGENT);
                    need(&mut self.ssh, id, !agent.optional, location.as_ref());
                }
                for mount in &exec.run.mounts {
                    if let MountKind::Cache { id, .. } = &mount.kind {
                        self.add_cache(id, namespace, location.as_ref());
                    }
                }
            }
            // A repository may do without a token.
            Op::Source(Source::Git(git)) => {
                for secret in [&git.auth_token_secret, &git.auth_header_secret].into_iter().flatten() {
                    need(&mut self.secrets, secret, false, location.as_ref());
                }
                if GitRemote::parse(&git.url).is_ok_and(|remote| remote.ssh) {
                    let agent = git.ssh_socket.as_deref().unwrap_or(DEFAULT_AGENT);
                    need(&mut self.ssh, agent, true, location.as_ref());
                }
            }
            Op::Source(Source::Http(http)) => {
                if let Some(secret) = &http.auth_header_secret {
                    need(&mut self.secrets, secret, true, location.as_ref());
                }
            }
            _ => {}
        }
    }

    /// Adds a cache by the name that the script gave it.
    fn add_cache(&mut self, id: &str, namespace: &str, location: Option<&Location>) {
        let own = id
            .strip_prefix(namespace)
            .and_then(|id| id.strip_prefix('/'))
            .unwrap_or(id);
        if self.cache.iter().all(|cache| cache.id != own) {
            self.cache.push(Cache {
                id: own.to_owned(),
                location: location.cloned(),
            });
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !(self.name.is_empty() && self.description.is_empty()) {
            let name = if self.name.is_empty() { "(default)" } else { &self.name };
            let mut table = Table::new(1, ["TARGET:", name]);
            if !self.description.is_empty() {
                table.row(["DESCRIPTION:", &self.description]);
            }
            text = table.to_text() + "\n";
        }
        if !self.args.is_empty() {
            let mut table = Table::new(3, ["BUILD ARG", "VALUE", "DESCRIPTION"]);
            for arg in &self.args {
                table.row([&arg.name, &arg.value, &arg.description]);
            }
            text = text + &table.to_text() + "\n";
        }
        for (title, needed) in [("SECRET", &self.secrets), ("SSH", &self.ssh)] {
            if needed.is_empty() {
                continue;
            }
            let mut table = Table::new(3, [title, "REQUIRED"]);
            for one in needed {
                table.row([&one.name, if one.required { "true" } else { "" }]);
            }
            text = text + &table.to_text() + "\n";
        }
        text
    }
}

/// Adds what is needed, or what is needed for one thing more.
fn need(needed: &mut Vec<Needed>, name: &str, required: bool, location: Option<&Location>) {
    match needed.iter_mut().find(|known| known.name == name) {
        Some(known) => known.required |= required,
        None => needed.push(Needed {
            name: name.to_owned(),
            required,
            location: location.cloned(),
        }),
    }
}
