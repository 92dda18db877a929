//! Attestations: what is made beside an image. None of them is the frontend's work: the daemon notes the provenance of its
//! result, and has a scanner run over it for an SBOM where the frontend brings none
//! (<https://github.com/moby/buildkit/blob/master/solver/llbsolver/proc/sbom.go>). What is asked for is only checked here,
//! so that a build ends before it begins.

use luakit_llb::Reference;
use luakit_llb::reference::ReferenceError;

use super::OptionError;
use super::given::{ARG, Given};
use crate::values::{csv, parse_bool};

/// The older form of the options, a build argument.
const OLD: &str = "BUILDKIT_ATTEST_";

pub(super) fn check(given: Given<'_>) -> Result<(), OptionError> {
    let old = given.with_prefix(ARG).filter_map(|(name, value)| {
        let kind = name.strip_prefix(OLD)?;
        Some((format!("{ARG}{name}"), kind, value))
    });
    let new = given
        .with_prefix("attest:")
        .map(|(kind, value)| (format!("attest:{kind}"), kind, value));
    for (option, kind, value) in old.chain(new) {
        match kind.to_ascii_lowercase().as_str() {
            "sbom" => check_sbom(value).map_err(|why| OptionError::value(&option, value, why))?,
            "provenance" => {}
            _ => {
                return Err(
                    OptionError::value(&option, value, format!("unknown attestation `{kind}`"))
                        .with_hint("there are `sbom` and `provenance`"),
                );
            }
        }
    }
    Ok(())
}

fn check_sbom(value: &str) -> Result<(), String> {
    let fields = if value.is_empty() {
        Vec::new()
    } else {
        csv::fields(value)?
    };
    for field in fields {
        let (key, value) = field.split_once('=').unwrap_or((&field, ""));
        match key {
            "generator" => {
                let generator: Result<Reference, ReferenceError> = value.parse();
                generator.map_err(|error| format!("its generator: {error}"))?;
            }
            "disabled" if parse_bool(value).is_none() => return Err(format!("`{field}` must be `true` or `false`")),
            "" => return Err("a parameter has a name".to_owned()),
            // The scanner's own.
            _ => {}
        }
    }
    Ok(())
}
