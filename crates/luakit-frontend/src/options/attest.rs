//! Attestations: what is made beside an image. Of these the frontend makes SBOMs, and the daemon provenance.

use std::collections::BTreeMap;

use luakit_llb::Reference;

use super::OptionError;
use super::given::{ARG, Given};
use crate::values::{csv, parse_bool};

/// A list of what is in an image, to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// The image that makes it.
    pub generator: Reference,
    /// What that is told, by names of its own.
    pub parameters: BTreeMap<String, String>,
}

/// What makes a list where nothing else is named.
const GENERATOR: &str = "docker/buildkit-syft-scanner:stable-1";

/// The older form of the options, a build argument.
const OLD: &str = "BUILDKIT_ATTEST_";

pub(super) fn sbom(given: Given<'_>) -> Result<Option<Sbom>, OptionError> {
    let mut sbom = None;
    let old = given.with_prefix(ARG).filter_map(|(name, value)| {
        let kind = name.strip_prefix(OLD)?;
        Some((format!("{ARG}{name}"), kind, value))
    });
    let new = given
        .with_prefix("attest:")
        .map(|(kind, value)| (format!("attest:{kind}"), kind, value));
    for (option, kind, value) in old.chain(new) {
        match kind.to_ascii_lowercase().as_str() {
            "sbom" => sbom = read(&option, value)?,
            "provenance" => {}
            _ => {
                return Err(
                    OptionError::value(&option, value, format!("unknown attestation `{kind}`"))
                        .with_hint("there are `sbom` and `provenance`"),
                );
            }
        }
    }
    Ok(sbom)
}

fn read(option: &str, value: &str) -> Result<Option<Sbom>, OptionError> {
    let wrong = |why: String| OptionError::value(option, value, why);
    let mut generator = GENERATOR.to_owned();
    let mut parameters = BTreeMap::new();
    let fields = if value.is_empty() {
        Vec::new()
    } else {
        csv::fields(value).map_err(wrong)?
    };
    for field in fields {
        let (key, value) = field.split_once('=').unwrap_or((&field, ""));
        match key {
            "generator" => value.clone_into(&mut generator),
            // What the option is of, as clients repeat it.
            "type" => {}
            "disabled" => match parse_bool(value) {
                Some(true) => return Ok(None),
                Some(false) => {}
                None => return Err(wrong(format!("`{field}` must be `true` or `false`"))),
            },
            "" => return Err(wrong("a parameter has a name".to_owned())),
            _ => {
                parameters.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    let generator = generator
        .parse()
        .map_err(|error| wrong(format!("its generator: {error}")))?;
    Ok(Some(Sbom { generator, parameters }))
}
