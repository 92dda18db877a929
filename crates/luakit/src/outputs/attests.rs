//! Which attestations a build asks for: what the user wants, and provenance by itself, as with docker buildx.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::flags::attestation::{Attestation, Kind};

/// What docker buildx asks for when nobody says: short provenance, in images alone.
const DEFAULT: &str = "mode=min,inline-only=true";

/// By type, what the user says: the engine's words, or that there shall be none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted(BTreeMap<Kind, Option<String>>);

/// What the flags say, one of them for each type.
pub(super) fn wanted<'a>(flags: impl Iterator<Item = &'a Attestation>) -> Result<Wanted, Failure> {
    let mut wanted = BTreeMap::new();
    for attestation in flags {
        if wanted.insert(attestation.kind, attestation.value()).is_some() {
            let name = attestation.kind.name();
            return Err(
                Failure::usage(format!("two flags say what `{name}` to attest")).hint(format!(
                    "leave one of them out: `--{name}` is short for `--attest type={name}`"
                )),
            );
        }
    }
    Ok(Wanted(wanted))
}

impl Wanted {
    /// Whether something is to be attested that somebody asked for.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.0.values().any(Option::is_some)
    }

    /// Whether this is to be attested.
    pub(crate) fn asks_for(&self, kind: Kind) -> bool {
        self.0.get(&kind).is_some_and(Option::is_some)
    }

    /// The build's attributes, for an engine that attests or doesn't.
    pub(crate) fn attributes(&self, engine_attests: bool, default: bool) -> Result<BTreeMap<String, String>, Failure> {
        if self.is_asked_for() && !engine_attests {
            return Err(Failure::usage("this engine can't attach attestations to images")
                .hint("BuildKit can since 0.11; in Docker, with containerd's image store"));
        }
        let named = |kind: Kind| format!("attest:{}", kind.name());
        let asked = self
            .0
            .iter()
            .filter_map(|(kind, value)| Some((named(*kind), value.clone()?)));
        let mut attributes: BTreeMap<String, String> = asked.collect();
        if default && engine_attests && !self.0.contains_key(&Kind::Provenance) {
            attributes.insert(named(Kind::Provenance), DEFAULT.to_owned());
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::attestation::{parse, provenance, sbom};

    #[test]
    fn provenance_is_there_unless_somebody_says_otherwise() {
        let attributes = |flags: &[Attestation], attests, default| {
            let attributes = wanted(flags.iter()).and_then(|wanted| wanted.attributes(attests, default));
            attributes.map_or_else(
                |failure| failure.diagnostics()[0].message.clone(),
                |attributes| format!("{attributes:?}"),
            )
        };
        let max = provenance("mode=max").unwrap();
        let off = parse("type=provenance,disabled=true").unwrap();
        let lines = [
            attributes(&[], true, true),
            attributes(&[], true, false),
            attributes(&[], false, true),
            attributes(std::slice::from_ref(&max), true, true),
            attributes(std::slice::from_ref(&off), true, true),
            attributes(std::slice::from_ref(&off), false, true),
            attributes(&[sbom("true").unwrap()], true, true),
            attributes(&[sbom("true").unwrap()], false, true),
            attributes(&[max, off], true, true),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"attest:provenance": "mode=min,inline-only=true"}
        {}
        {}
        {"attest:provenance": "type=provenance,mode=max"}
        {}
        {}
        {"attest:provenance": "mode=min,inline-only=true", "attest:sbom": "type=sbom"}
        this engine can't attach attestations to images
        two flags say what `provenance` to attest
        "#);
    }
}
