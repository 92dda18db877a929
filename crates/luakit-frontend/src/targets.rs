//! Which of a script's exports are built, and for which platforms.

use luakit_diagnostic::nearest;
use luakit_llb::{Platform, VertexSet};
use luakit_script::{Evaluation, Export};

/// Which exports are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection<'a> {
    /// The one without a name, or the only one.
    Default,
    /// The one of this name.
    Named(&'a str),
    /// All of them.
    Every,
}

/// Why an export can't be chosen.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    /// No export has that name.
    #[error("the script has no target `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is, in the script's order.
        targets: Vec<String>,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// No export has the name whose steps are to be done again.
    #[error("the script has no target `{name}` whose cache could be left out")]
    NoCache {
        /// What was asked for.
        name: String,
        /// What there is, in the script's order.
        targets: Vec<String>,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// Several targets have names, and none was asked for.
    #[error("the script has several targets and no default one")]
    Ambiguous {
        /// What there is, in the script's order.
        targets: Vec<String>,
    },
    /// The target is there, but not for that platform.
    #[error("the script exports {} for {}, not for {platform}", target_text(name.as_deref()), list(platforms))]
    Platform {
        /// The target.
        name: Option<String>,
        /// What was asked for.
        platform: Platform,
        /// What it is there for.
        platforms: Vec<Platform>,
    },
    /// Another one, of one of several platforms that the script ran for.
    #[error("{error} (for {platform})")]
    OnPlatform {
        /// Which one.
        error: Box<TargetError>,
        /// Where.
        platform: Platform,
    },
}

impl TargetError {
    /// Says which one of several platforms it is about, where it doesn't.
    pub(crate) fn of_platform(self, platform: &Platform) -> Self {
        match self {
            Self::Platform { .. } => self,
            error => Self::OnPlatform {
                error: Box::new(error),
                platform: platform.clone(),
            },
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown {
                nearest: Some(name), ..
            }
            | Self::NoCache {
                nearest: Some(name), ..
            } => format!("did you mean `{name}`?"),
            Self::Unknown { targets, .. } if targets.is_empty() => {
                "its only export has no name: leave `--target` out".to_owned()
            }
            Self::NoCache { targets, .. } if targets.is_empty() => {
                "its only export has no name: `--no-cache` is for all of it".to_owned()
            }
            Self::Unknown { targets, .. } | Self::NoCache { targets, .. } => {
                format!("its targets are {}", names(targets))
            }
            Self::Ambiguous { targets } => format!("choose one with `--target`: {}", names(targets)),
            Self::OnPlatform { error, .. } => error.hint(),
            Self::Platform { platforms, .. } => format!("choose one with `--platform`: {}", list(platforms)),
        }
    }
}

fn target_text(name: Option<&str>) -> String {
    name.map_or_else(|| "its default target".to_owned(), |name| format!("target `{name}`"))
}

fn names(targets: &[String]) -> String {
    let quoted: Vec<String> = targets.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn list(platforms: &[Platform]) -> String {
    let texts: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    texts.join(", ")
}

/// The exports of an evaluation that are asked for, in the script's order.
pub(crate) fn choose<'e>(evaluation: &'e Evaluation, selection: Selection<'_>) -> Result<Vec<&'e Export>, TargetError> {
    let exports = evaluation.exports.iter();
    let name = match selection {
        Selection::Every => return Ok(exports.collect()),
        Selection::Named(name) => Some(name.to_owned()),
        Selection::Default => default_target(evaluation)?,
    };
    let chosen: Vec<&Export> = exports.filter(|export| export.name == name).collect();
    if chosen.is_empty() {
        let targets = named(evaluation);
        let name = name.unwrap_or_default();
        return Err(TargetError::Unknown {
            nearest: nearest(&name, targets.iter().map(String::as_str)).map(str::to_owned),
            name,
            targets,
        });
    }
    Ok(chosen)
}

/// Checks that a name is a target's in one of the evaluations.
pub(crate) fn check_name(evaluations: &[Evaluation], name: &str) -> Result<(), TargetError> {
    let mut targets: Vec<String> = Vec::new();
    for target in evaluations.iter().flat_map(named) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    if targets.iter().any(|target| target == name) {
        return Ok(());
    }
    Err(TargetError::NoCache {
        nearest: nearest(name, targets.iter().map(String::as_str)).map(str::to_owned),
        name: name.to_owned(),
        targets,
    })
}

/// What the targets of these names are made of, without what makes up others that they are built on.
pub(crate) fn own_steps(evaluation: &Evaluation, names: &[String]) -> VertexSet {
    let graph = &evaluation.graph;
    let (asked, others): (Vec<&Export>, Vec<&Export>) = evaluation
        .exports
        .iter()
        .partition(|export| export.name.as_ref().is_some_and(|name| names.contains(name)));
    let mut own = VertexSet::default();
    for export in &asked {
        own.extend(&graph.made_of(export.state));
    }
    let ends = |export: &&&Export| asked.iter().all(|asked| asked.state.output != export.state.output);
    for export in others.iter().filter(ends) {
        if export.state.output.is_some_and(|output| own.contains(output.vertex)) {
            own.remove_all(&graph.made_of(export.state));
        }
    }
    own
}

/// The export without a name, or the only name that there is.
pub(crate) fn default_target(evaluation: &Evaluation) -> Result<Option<String>, TargetError> {
    if evaluation.exports.iter().any(|export| export.name.is_none()) {
        return Ok(None);
    }
    match named(evaluation).as_slice() {
        [only] => Ok(Some(only.clone())),
        targets => Err(TargetError::Ambiguous {
            targets: targets.to_vec(),
        }),
    }
}

/// The names of all targets, each once, in the script's order.
fn named(evaluation: &Evaluation) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in evaluation.exports.iter().filter_map(|export| export.name.as_ref()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
