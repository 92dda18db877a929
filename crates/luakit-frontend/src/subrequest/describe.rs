//! What may be asked.

use serde::Serialize;

use super::table::Table;
use super::{Answer, Request, VERSION};

#[derive(Serialize)]
struct Described {
    name: &'static str,
    version: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    description: &'static str,
    opts: Vec<Named>,
    inputs: Vec<Named>,
    metadata: Vec<Named>,
    refs: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
    description: &'static str,
}

/// The requests that are answered.
pub fn describe() -> Answer {
    let all = [Request::Outline, Request::Targets, Request::Lint, Request::Describe].map(described);
    let mut table = Table::new(1, ["NAME", "VERSION", "DESCRIPTION"]);
    for request in &all {
        let name = request.name.strip_prefix("frontend.").unwrap_or(request.name);
        table.row([name, request.version, request.description]);
    }
    Answer::new(&all, table.to_text())
}

fn described(request: Request) -> Described {
    let named = |name, description| Named { name, description };
    let results = ["result.json", "result.txt", "result.statuscode"];
    let (description, opts, results) = match request {
        Request::Describe => ("List the requests that can be made", Vec::new(), results.get(..2)),
        Request::Outline => (
            "List what the target takes: arguments, secrets, ssh agents and caches",
            vec![named("target", "the target")],
            results.get(..2),
        ),
        Request::Targets => ("List the targets", Vec::new(), results.get(..2)),
        Request::Lint => ("Check the script without building it", Vec::new(), results.get(..)),
    };
    Described {
        name: request.id(),
        version: VERSION,
        kind: "rpc",
        description,
        opts,
        inputs: Vec::new(),
        metadata: results.unwrap_or_default().iter().map(|name| named(name, "")).collect(),
        refs: Vec::new(),
    }
}
