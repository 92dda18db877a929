//! `--attest`, and its short forms `--provenance` and `--sbom`: what the engine notes of how an image came about, and
//! of what is in it.
//!
//! docker buildx's syntax and meaning (`util/buildflags/attests.go` of <https://github.com/docker/buildx>): fields
//! `type=provenance|sbom`, `disabled=BOOL`, and what that type takes. Types and keys are BuildKit's
//! (`frontend/attestations`, `solver/llbsolver/proc`).

use std::collections::BTreeMap;

use luakit_diagnostic::nearest;
use luakit_frontend::values::{csv, parse_bool};

/// One attestation that is asked for, or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attestation {
    pub(crate) kind: Kind,
    disabled: bool,
    attrs: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Provenance,
    Sbom,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Provenance => "provenance",
            Self::Sbom => "sbom",
        }
    }
}

/// What provenance takes. An SBOM's generator has parameters of its own, which are not checked.
const PROVENANCE: &[&str] = &[
    "mode",
    "version",
    "inline-only",
    "reproducible",
    "filename",
    "builder-id",
];

/// Reads `--attest`.
pub(crate) fn parse(text: &str) -> Result<Attestation, String> {
    let mut kind = None;
    let mut disabled = false;
    let mut attrs = BTreeMap::new();
    for field in csv::fields(text)? {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("`{field}` must be KEY=VALUE, as in `type=provenance,mode=max`"));
        };
        let again = match key.trim().to_ascii_lowercase().as_str() {
            "type" => kind.replace(parse_kind(value)?).is_some(),
            "disabled" => {
                disabled = parse_bool(value).ok_or_else(|| format!("`{field}` must be `true` or `false`"))?;
                false
            }
            _ => attrs.insert(key.trim().to_owned(), value.to_owned()).is_some(),
        };
        if again {
            return Err(format!("`{key}` is there twice"));
        }
    }
    let kind = kind.ok_or("it has no `type`: `type=provenance` or `type=sbom`")?;
    if kind == Kind::Provenance {
        check_provenance(&attrs)?;
    }
    Ok(Attestation { kind, disabled, attrs })
}

/// Reads `--provenance`.
pub(crate) fn provenance(text: &str) -> Result<Attestation, String> {
    short(Kind::Provenance, text)
}

/// Reads `--sbom`.
pub(crate) fn sbom(text: &str) -> Result<Attestation, String> {
    short(Kind::Sbom, text)
}

/// The short form: yes, no, or what the type takes.
fn short(kind: Kind, text: &str) -> Result<Attestation, String> {
    match parse_bool(text) {
        Some(on) => parse(&format!("type={},disabled={}", kind.name(), !on)),
        None if !text.contains('=') => Err(format!(
            "it must be `true`, `false` or KEY=VALUE; with nothing behind it, write `--{}=true`",
            kind.name()
        )),
        None => parse(&format!("type={},{text}", kind.name())),
    }
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    match text {
        "provenance" => Ok(Kind::Provenance),
        "sbom" => Ok(Kind::Sbom),
        _ => Err(format!("unknown type `{text}`: it must be `provenance` or `sbom`")),
    }
}

fn check_provenance(attrs: &BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in attrs {
        let one_of = |values: &[&str]| {
            let wrong = || format!("`{key}={value}` must be one of {}", values.join(", "));
            values.contains(&value.as_str()).then_some(()).ok_or_else(wrong)
        };
        match key.as_str() {
            "mode" => one_of(&["min", "max", "full"])?,
            "version" => one_of(&["v0.2", "v1"])?,
            "inline-only" | "reproducible" if parse_bool(value).is_none() => {
                return Err(format!("`{key}={value}` must be `true` or `false`"));
            }
            key if PROVENANCE.contains(&key) => {}
            key => {
                let near = nearest(key, PROVENANCE.iter().copied());
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(format!("unknown key `{key}` for `type=provenance`{near}"));
            }
        }
    }
    Ok(())
}

impl Attestation {
    /// What the engine is told, under `attest:` and the type's name; nothing of one that is refused.
    pub(crate) fn value(&self) -> Option<String> {
        if self.disabled {
            return None;
        }
        let fields = std::iter::once(format!("type={}", self.kind.name()));
        let attrs = self
            .attrs
            .iter()
            .map(|(key, value)| csv::field(&format!("{key}={value}")));
        Some(fields.chain(attrs).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(read: Result<Attestation, String>) -> String {
        read.map_or_else(
            |e| e,
            |a| format!("{} {}", a.kind.name(), a.value().unwrap_or_else(|| "off".to_owned())),
        )
    }

    #[test]
    fn they_are_encoded_as_buildx_does() {
        let mut lines = Vec::new();
        for text in [
            "type=provenance,mode=max",
            "type=sbom,generator=image:1",
            r#"type=sbom,"generator=image:1","EXTRA=a,b""#,
            "type=provenance,disabled=true",
            "mode=max",
            "type=slsa",
            "type=provenance,mode=maximal",
            "type=provenance,mod=max",
            "type=provenance,inline-only=perhaps",
            "type=provenance,type=sbom",
            "type=provenance,max",
        ] {
            lines.push(format!("--attest {text}: {}", shown(parse(text))));
        }
        for text in ["true", "false", "mode=max", "mode=min,version=v1", "max", ""] {
            lines.push(format!("--provenance={text}: {}", shown(provenance(text))));
        }
        for text in ["true", "0", "generator=image:1"] {
            lines.push(format!("--sbom={text}: {}", shown(sbom(text))));
        }
        insta::assert_snapshot!(lines.join("\n"), @r#"
        --attest type=provenance,mode=max: provenance type=provenance,mode=max
        --attest type=sbom,generator=image:1: sbom type=sbom,generator=image:1
        --attest type=sbom,"generator=image:1","EXTRA=a,b": sbom type=sbom,"EXTRA=a,b",generator=image:1
        --attest type=provenance,disabled=true: provenance off
        --attest mode=max: it has no `type`: `type=provenance` or `type=sbom`
        --attest type=slsa: unknown type `slsa`: it must be `provenance` or `sbom`
        --attest type=provenance,mode=maximal: `mode=maximal` must be one of min, max, full
        --attest type=provenance,mod=max: unknown key `mod` for `type=provenance`; did you mean `mode`?
        --attest type=provenance,inline-only=perhaps: `inline-only=perhaps` must be `true` or `false`
        --attest type=provenance,type=sbom: `type` is there twice
        --attest type=provenance,max: `max` must be KEY=VALUE, as in `type=provenance,mode=max`
        --provenance=true: provenance type=provenance
        --provenance=false: provenance off
        --provenance=mode=max: provenance type=provenance,mode=max
        --provenance=mode=min,version=v1: provenance type=provenance,mode=min,version=v1
        --provenance=max: it must be `true`, `false` or KEY=VALUE; with nothing behind it, write `--provenance=true`
        --provenance=: it must be `true`, `false` or KEY=VALUE; with nothing behind it, write `--provenance=true`
        --sbom=true: sbom type=sbom
        --sbom=0: sbom off
        --sbom=generator=image:1: sbom type=sbom,generator=image:1
        "#);
    }
}
