//! `luakit engines`: what there is to build on.

use std::fmt::Write as _;

use luakit_buildkit::engines::{Abilities, Candidate};
use luakit_buildkit::{DockerStore, Endpoint, Engine, Node};
use luakit_llb::Platform;
use serde_json::{Value, json};

use crate::engine::choice::EngineChoice;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::runtime;

/// List the engines that builds may run on: where each is, what it can do, which one a build takes
///
/// Nothing is built or started. The list is in the order in which engines are tried, and `*` marks the one that is
/// taken; last come those that are taken only when they are named.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: EngineChoice,
    /// How to write the list
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
    format: String,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Result<(), Failure> {
    let discovery = args.engine.discovery(&Environment::read()?)?;
    let tried = discovery.candidates().len();
    let mut listed = Vec::new();
    runtime::build(async {
        // All at once: one that doesn't answer takes its whole time.
        let all: Vec<_> = discovery
            .everything()
            .into_iter()
            .map(|candidate| tokio::spawn(look(candidate)))
            .collect();
        for looked in all {
            if let Ok(seen) = looked.await {
                listed.push(seen);
            }
        }
    })?;
    let used = listed.iter().take(tried).position(Seen::answers);
    let none_answers = !listed.iter().any(Seen::answers);
    let seen = listed.iter().enumerate().map(|(i, seen)| (seen, used == Some(i)));
    let text = if args.format == "json" {
        let engines: Vec<Value> = seen.map(|(seen, used)| seen.json(used)).collect();
        format!("{:#}\n", Value::Array(engines))
    } else {
        let engines: Vec<String> = seen.map(|(seen, used)| seen.text(used)).collect();
        engines.join("\n")
    };
    printer.data(text.as_bytes())?;
    if none_answers {
        return Err(Failure::no_engine("no engine answers".to_owned()));
    }
    Ok(())
}

/// A candidate, and what its nodes answered.
struct Seen {
    candidate: Candidate,
    nodes: Vec<SeenNode>,
}

struct SeenNode {
    name: String,
    address: String,
    declared: Vec<Platform>,
    answer: Result<Answer, String>,
}

struct Answer {
    version: Option<String>,
    /// The version of the Docker that it is in.
    docker: Option<String>,
    platforms: Vec<Platform>,
    abilities: Abilities,
    store: Option<DockerStore>,
}

async fn look(candidate: Candidate) -> Seen {
    let mut seen = Vec::new();
    for node in candidate.nodes.iter().flatten() {
        seen.push(look_at(node).await);
    }
    Seen { candidate, nodes: seen }
}

async fn look_at(node: &Node) -> SeenNode {
    let (address, answer) = match &node.endpoint {
        Err(error) => (String::new(), Err(error.to_string())),
        Ok(endpoint) => {
            let mut endpoint = endpoint.clone();
            if let Endpoint::Container { start, .. } = &mut endpoint {
                *start = false;
            }
            (endpoint.to_string(), ask(&endpoint).await)
        }
    };
    SeenNode {
        name: node.name.clone(),
        address,
        declared: node.platforms.clone(),
        answer,
    }
}

async fn ask(endpoint: &Endpoint) -> Result<Answer, String> {
    let failed = |e: luakit_buildkit::ConnectError| e.to_string();
    let engine = Engine::connect(endpoint).await.map_err(failed)?;
    let abilities = engine.abilities().await.map_err(failed)?;
    let mut platforms: Vec<Platform> = Vec::new();
    for platform in engine
        .workers()
        .await
        .map_err(failed)?
        .iter()
        .flat_map(|w| &w.platforms)
    {
        if !platforms.contains(platform) {
            platforms.push(platform.clone());
        }
    }
    let docker = match endpoint {
        Endpoint::Docker(host) => host.info().await.ok().map(|info| info.server_version),
        _ => None,
    };
    Ok(Answer {
        docker,
        version: engine.version().map(str::to_owned),
        platforms,
        abilities,
        store: engine.docker_store(),
    })
}

impl Seen {
    /// Whether a build could start: a node answers.
    fn answers(&self) -> bool {
        self.nodes.iter().any(|node| node.answer.is_ok())
    }

    fn text(&self, used: bool) -> String {
        let mark = if used { "*" } else { "-" };
        let mut text = format!("{mark} {}", self.candidate.source);
        if let Some(driver) = &self.candidate.driver {
            let _ = write!(text, " ({driver})");
        }
        text.push('\n');
        if let Err(error) = &self.candidate.nodes {
            let _ = writeln!(text, "    unusable   {error}");
        }
        for node in &self.nodes {
            if self.nodes.len() > 1 {
                let _ = writeln!(text, "    node       {}", node.name);
            }
            node.text(&mut text);
        }
        text
    }

    fn json(&self, used: bool) -> Value {
        let error = self.candidate.nodes.as_ref().err().map(ToString::to_string);
        json!({
            "source": self.candidate.source.to_string().replace('`', ""),
            "driver": self.candidate.driver,
            "used": used,
            "error": error,
            "nodes": self.nodes.iter().map(SeenNode::json).collect::<Vec<_>>(),
        })
    }
}

impl SeenNode {
    fn text(&self, text: &mut String) {
        let mut line = |key: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "    {key:<10} {value}");
            }
        };
        line("address", &self.address);
        line("declared", &list(&self.declared));
        match &self.answer {
            Err(why) => line("unusable", why),
            Ok(answer) => {
                line("buildkit", answer.version.as_deref().unwrap_or("unknown version"));
                line("docker", answer.docker.as_deref().unwrap_or_default());
                line("platforms", &list(&answer.platforms));
                line("store", answer.store.map_or("", store));
                let (can, cannot) = answer.abilities();
                line("can", &can.join(", "));
                line("lacks", &cannot.join(", "));
            }
        }
    }

    fn json(&self) -> Value {
        let names = |platforms: &[Platform]| platforms.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut node = json!({
            "name": self.name,
            "address": self.address,
            "declared": names(&self.declared),
        });
        let more = match &self.answer {
            Err(why) => json!({ "error": why }),
            Ok(answer) => {
                let (can, lacks) = answer.abilities();
                json!({
                    "version": answer.version,
                    "docker": answer.docker,
                    "platforms": names(&answer.platforms),
                    "store": answer.store.map(store),
                    "can": can,
                    "lacks": lacks,
                })
            }
        };
        if let (Some(node), Value::Object(more)) = (node.as_object_mut(), more) {
            node.extend(more);
        }
        node
    }
}

impl Answer {
    /// What it can do and what it lacks, of what not every engine can.
    fn abilities(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let Abilities {
            merge,
            diff,
            several_exporters,
            attestations,
            annotations,
            source_date_epoch,
            source_policy,
        } = self.abilities;
        let whole = self.store != Some(DockerStore::Graph);
        let known = [
            ("merge", merge),
            ("diff", diff),
            ("several outputs", several_exporters),
            ("several platforms", whole),
            ("attestations", attestations && whole),
            ("annotations", annotations && whole),
            ("cache exports", whole),
            ("source date", source_date_epoch),
            ("source policy", source_policy),
        ];
        let of = |wanted: bool| {
            known
                .iter()
                .filter(|(_, can)| *can == wanted)
                .map(|(name, _)| *name)
                .collect()
        };
        (of(true), of(false))
    }
}

fn store(store: DockerStore) -> &'static str {
    match store {
        DockerStore::Containerd => "containerd",
        DockerStore::Graph => "graph driver",
    }
}

fn list(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    names.join(", ")
}
