//! Which targets a script has.

use std::collections::BTreeSet;
use std::sync::Arc;

use luakit_diagnostic::SourceFile;
use luakit_llb::{Platform, Reference};
use luakit_script::{Evaluation, Export};
use serde::Serialize;

use super::Answer;
use super::sources::{Location, Sources};
use super::table::Table;
use crate::plan::Plan;
use crate::targets::default_target;

#[derive(Serialize)]
struct List {
    targets: Vec<Target>,
    sources: Vec<String>,
}

#[derive(Serialize)]
struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    default: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    platform: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
}

/// The targets of a plan's script, built or not. `script` is its text.
pub fn targets(plan: &Plan, script: &Arc<SourceFile>) -> Answer {
    let mut sources = Sources::new(script);
    let mut targets: Vec<Target> = Vec::new();
    for evaluation in plan.evaluations() {
        let default = default_target(evaluation).ok();
        for export in &evaluation.exports {
            if targets.iter().all(|target| target.name != export.name) {
                let default = default.as_ref() == Some(&export.name);
                targets.push(target(plan, evaluation, export, default, &mut sources));
            }
        }
    }
    let mut table = Table::new(1, ["TARGET", "DESCRIPTION"]);
    for target in &targets {
        let name = match (&target.name, target.default) {
            (Some(name), true) => format!("{name} (default)"),
            (Some(name), false) => name.clone(),
            (None, _) => "(default)".to_owned(),
        };
        table.row([&name, target.description.as_deref().unwrap_or_default()]);
    }
    let list = List {
        targets,
        sources: sources.texts(),
    };
    Answer::new(&list, table.to_text())
}

fn target(plan: &Plan, evaluation: &Evaluation, export: &Export, default: bool, sources: &mut Sources) -> Target {
    let exports = || plan.evaluations().flat_map(|evaluation| &evaluation.exports);
    let same = || exports().filter(|other| other.name == export.name);
    let platforms: BTreeSet<&Platform> = same().filter_map(|export| export.platform.as_ref()).collect();
    let platforms: Vec<String> = platforms.into_iter().map(Platform::to_string).collect();
    Target {
        name: export.name.clone(),
        default,
        description: same().find_map(|export| export.description.clone()),
        base: evaluation.graph.base_image(export.state).map(Reference::familiar),
        platform: platforms.join(","),
        location: sources.call(&evaluation.graph, export.at),
    }
}
