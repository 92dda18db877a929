//! The same definition for another target platform.
//!
//! A definition says the platform of every source and every run, also where the script left it to the target.
//! [`retarget`] changes those and nothing else: the fields of an op that don't change are copied as bytes, whoever wrote
//! them, so for a graph that depends on its target in no other way the result is what marshalling it for the new
//! target gives. Ops that become equal are joined, as marshalling would have. What a definition can't tell (which ops
//! only happen to say the target's platform, whether images or the script answer to the platform) its
//! [`ExportRecord`](super::ExportRecord) says, and [`Definition::retarget`] refuses what would not be honest.

mod join;
mod patch;

use std::collections::{HashMap, HashSet};

use luakit_proto::{Message as _, pb};

use super::read::{DefinitionError, Parsed, Vertex};
use super::{AppliedImage, Definition, ExportError, PlatformMarks};
use crate::marshal::{op_digest, platform_message};
use crate::platform::Platform;

/// Why a definition can't be given another target platform.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum RetargetError {
    /// It is damaged.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Its record is damaged.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Nothing says what it was written for.
    #[error("the definition does not say which platform it was written for")]
    NoRecord,
    /// The script says the platform of the export.
    #[error("the script gives this export its platform, {platform}")]
    Fixed {
        /// The platform.
        platform: Platform,
    },
    /// The script read its target platform.
    #[error("the script reads its target platform, so it must be evaluated for each one")]
    DependsOnTarget,
    /// Configs of images are in the graph, and another platform's differ.
    #[error("the definition holds what the config of `{}` says for {}", image.reference, image.platform)]
    Images {
        /// The first of them.
        image: AppliedImage,
    },
    /// Ops that would have to be two, because they stand for a step with a platform of its own and for one without.
    #[error("op {digest} stands for two steps, and the script says the platform of one of them alone")]
    Mixed {
        /// The first of them.
        digest: String,
    },
    /// An op would have to be written anew, and would lose what this version can't read.
    #[error("op {digest} has parts that this version of Luakit can't rewrite")]
    Foreign {
        /// The op.
        digest: String,
    },
}

impl Definition {
    /// This definition for the target `to`, if its record says that this is all that changes. The record
    /// comes along, brought up to date.
    pub fn retarget(&self, to: &Platform) -> Result<Self, RetargetError> {
        self.retarget_for(to, false)
    }

    /// As [`Definition::retarget`], when it is known that the configs of the images in the graph say the same for
    /// both platforms.
    pub fn retarget_agreed(&self, to: &Platform) -> Result<Self, RetargetError> {
        self.retarget_for(to, true)
    }

    fn retarget_for(&self, to: &Platform, images_agree: bool) -> Result<Self, RetargetError> {
        if self.is_scratch() {
            return Ok(self.clone());
        }
        let mut record = self.export()?.ok_or(RetargetError::NoRecord)?;
        if record.platform == *to {
            return Ok(self.clone());
        }
        if record.fixed_platform {
            return Err(RetargetError::Fixed {
                platform: record.platform,
            });
        }
        if record.depends_on_target {
            return Err(RetargetError::DependsOnTarget);
        }
        if let Some(image) = record.images.first().filter(|_| !images_agree) {
            return Err(RetargetError::Images { image: image.clone() });
        }
        if let Some(digest) = record.mixed.first() {
            return Err(RetargetError::Mixed { digest: digest.clone() });
        }
        let mut retargeted = retarget(self, &record.platform, to, &record.explicit)?;
        record.config = crate::image_config::retarget(&record.config, &record.platform, to);
        record.platform = to.clone();
        record.explicit.clone_from(&retargeted.platforms.explicit);
        record.mixed.clone_from(&retargeted.platforms.mixed);
        retargeted.set_export(&record);
        Ok(retargeted)
    }
}

/// Gives `to` to every op whose platform is `from`, those of `explicit` excepted, and joins ops that have become equal.
/// The export record, if there is one, comes along as it is.
pub fn retarget(
    definition: &Definition,
    from: &Platform,
    to: &Platform,
    explicit: &[String],
) -> Result<Definition, RetargetError> {
    let parsed = definition.read()?;
    let Some(returns) = parsed.returns() else {
        return Ok(definition.clone());
    };
    let mut rewriter = Rewriter {
        parsed: &parsed,
        from,
        to,
        explicit: explicit.iter().map(String::as_str).collect(),
        rewritten: vec![Rewritten::default(); parsed.vertices().len()],
    };
    for &position in parsed.inputs_first() {
        rewriter.rewrite(position)?;
    }
    let new_inputs = [rewriter.digest(returns.result.vertex)];
    let bytes = patch::patch(returns.bytes, &new_inputs, None).ok_or_else(|| RetargetError::Foreign {
        digest: returns.digest.clone(),
    })?;
    Ok(rewriter.finish(&returns.digest, bytes))
}

/// An op under its new platform.
#[derive(Debug, Clone, Default)]
struct Rewritten {
    digest: String,
    bytes: Vec<u8>,
    /// Whether its platform was `from` and is now `to`.
    moved: bool,
    /// Whether its platform has been `to` all along.
    stayed: bool,
}

struct Rewriter<'a> {
    parsed: &'a Parsed<'a>,
    from: &'a Platform,
    to: &'a Platform,
    explicit: HashSet<&'a str>,
    rewritten: Vec<Rewritten>,
}

impl Rewriter<'_> {
    fn digest(&self, position: usize) -> &str {
        self.rewritten.get(position).map_or("", |r| &r.digest)
    }

    fn rewrite(&mut self, position: usize) -> Result<(), RetargetError> {
        let Some(vertex) = self.parsed.vertices().get(position) else {
            return Ok(());
        };
        let moved = is(vertex, self.from) && !self.explicit.contains(vertex.digest.as_str());
        let inputs: Vec<&str> = vertex.inputs.iter().map(|edge| self.digest(edge.vertex)).collect();
        let same_inputs = vertex
            .op
            .inputs
            .iter()
            .zip(&inputs)
            .all(|(old, new)| old.digest == *new);
        let rewritten = if moved || !same_inputs {
            let platform = moved.then(|| platform_message(self.to).encode_to_vec());
            let bytes = patch::patch(vertex.bytes, &inputs, platform.as_deref())
                .and_then(|bytes| join::join_inputs(vertex, bytes))
                .ok_or_else(|| RetargetError::Foreign {
                    digest: vertex.digest.clone(),
                })?;
            Rewritten {
                digest: op_digest(&bytes),
                bytes,
                moved,
                stayed: !moved && is(vertex, self.to),
            }
        } else {
            Rewritten {
                digest: vertex.digest.clone(),
                bytes: vertex.bytes.to_vec(),
                moved,
                stayed: is(vertex, self.to),
            }
        };
        if let Some(slot) = self.rewritten.get_mut(position) {
            *slot = rewritten;
        }
        Ok(())
    }

    /// The definition: ops in their order, each once, and what is said about them under their new digests.
    fn finish(self, old_return: &str, return_bytes: Vec<u8>) -> Definition {
        let message = self.parsed.definition().message();
        let renamed: HashMap<&str, &str> = self
            .parsed
            .vertices()
            .iter()
            .zip(&self.rewritten)
            .map(|(old, new)| (old.digest.as_str(), new.digest.as_str()))
            .collect();
        let return_digest = op_digest(&return_bytes);
        let rename = |digest: &str| {
            if digest == old_return {
                return return_digest.clone();
            }
            renamed.get(digest).copied().unwrap_or(digest).to_owned()
        };
        let joined = renamed.values().collect::<HashSet<_>>().len() < renamed.len();
        let metadata = join::rename_metadata(self.parsed, message, &rename);
        let source = message.source.as_ref().map(|source| {
            let mut source = join::rename_locations(self.parsed, source, &rename);
            if joined {
                let order = self.rewritten.iter().map(|r| r.digest.as_str());
                join::sort_files(&mut source, order);
            }
            source
        });
        let platforms = marks(&self.rewritten);
        let mut seen = HashSet::with_capacity(self.rewritten.len());
        let mut def = Vec::with_capacity(self.rewritten.len() + 1);
        for op in self.rewritten {
            if seen.insert(op.digest) {
                def.push(op.bytes);
            }
        }
        def.push(return_bytes);
        let message = pb::Definition { def, metadata, source };
        Definition::new(message, platforms)
    }
}

fn is(vertex: &Vertex<'_>, platform: &Platform) -> bool {
    let Some(said) = &vertex.op.platform else { return false };
    said.os_version.is_empty()
        && said.os_features.is_empty()
        && Platform::of_config(&said.os, &said.architecture, &said.variant).as_ref() == Some(platform)
}

/// What [`Definition::explicit_platforms`] says of the result: nothing but the script can have said `to` before.
fn marks(rewritten: &[Rewritten]) -> PlatformMarks {
    let moved: HashSet<&str> = rewritten
        .iter()
        .filter(|op| op.moved)
        .map(|op| op.digest.as_str())
        .collect();
    let mut seen = HashSet::new();
    let mut marks = PlatformMarks::default();
    for op in rewritten.iter().filter(|op| op.stayed) {
        if seen.insert(&op.digest) {
            marks.explicit.push(op.digest.clone());
            if moved.contains(op.digest.as_str()) {
                marks.mixed.push(op.digest.clone());
            }
        }
    }
    // Marshalling lists a joined op where it stands first.
    let place: HashMap<&str, usize> = rewritten
        .iter()
        .enumerate()
        .rev()
        .map(|(i, op)| (op.digest.as_str(), i))
        .collect();
    for list in [&mut marks.explicit, &mut marks.mixed] {
        list.sort_by_key(|digest| place.get(digest.as_str()).copied());
    }
    marks
}
