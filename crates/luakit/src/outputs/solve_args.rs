//! The flags of `luakit solve` that are `buildctl build`'s: what of them means something to a definition. The others
//! are known, and refused with the reason.

use std::collections::BTreeMap;
use std::path::PathBuf;

use luakit_buildkit::CacheEntry;

use super::Results;
use super::caches::{self, CacheEntries};
use crate::failure::Failure;
use crate::flags::attestation;
use crate::flags::cache::{self, Way};
use crate::flags::output::Spec;

/// The time that images get, which the engine itself reads.
const EPOCH: &str = "build-arg:SOURCE_DATE_EPOCH";

/// Outputs besides `-o`.
#[derive(Debug, clap::Args)]
pub(crate) struct SolveArgs {
    /// Keep the build's cache there: `type=registry|local|inline|gha|s3|azblob,…`, or a reference
    #[arg(long, value_name = "SPEC")]
    export_cache: Vec<String>,
    /// Take cached steps from there too: `type=registry|local|gha|s3|azblob,…`, or a reference
    #[arg(long, value_name = "SPEC")]
    import_cache: Vec<String>,
    /// When the build has succeeded, write what the engine says of its results to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// Tell the engine `attest:provenance=…`, `attest:sbom=…` or `build-arg:SOURCE_DATE_EPOCH=SECONDS`; other options are
    /// for frontends
    #[arg(long, value_name = "KEY=VALUE", value_parser = option)]
    opt: Vec<(String, String)>,
    /// Refused: a definition needs no frontend
    #[arg(long, value_name = "NAME", hide = true)]
    frontend: Option<String>,
    /// Refused: see `--registry-config`
    #[arg(long, value_name = "SPEC", hide = true)]
    registry_auth_tlscontext: Option<String>,
}

/// Reads `--opt`: what the engine itself listens to, whoever is the frontend (`control/control.go` of
/// <https://github.com/moby/buildkit>).
fn option(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it must be KEY=VALUE")?;
    match key {
        "attest:provenance" => check_attestation("provenance", value)?,
        "attest:sbom" => check_attestation("sbom", value)?,
        EPOCH if value.parse::<i64>().is_err() => return Err("it must be seconds since 1970".to_owned()),
        EPOCH => {}
        _ => {
            return Err(format!(
                "`{key}` is for a frontend, and a definition has been through one"
            ));
        }
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Nothing at all stands for what the type usually takes.
fn check_attestation(kind: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Ok(());
    }
    let attestation = attestation::parse(&format!("type={kind},{value}"))?;
    let said = attestation.value().map(drop);
    said.ok_or_else(|| "leave it out: nothing is attested that isn't asked for".to_owned())
}

impl SolveArgs {
    /// Refuses what can't mean anything here.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if let Some(frontend) = &self.frontend {
            return Err(Failure::usage(format!(
                "`--frontend {frontend}`: `solve` builds a definition, which has been through its frontend"
            ))
            .hint("`luakit build` builds scripts; `docker build` and `buildctl build` run frontends"));
        }
        if self.registry_auth_tlscontext.is_some() {
            return Err(Failure::usage("`--registry-auth-tlscontext` is not offered")
                .hint("`--registry-config FILE` says which certificates are for which registry"));
        }
        Ok(())
    }

    /// What the engine is told.
    pub(crate) fn attributes(&self) -> BTreeMap<String, String> {
        self.opt.iter().cloned().collect()
    }

    /// Where cache comes from and goes, with what the environment adds.
    pub(crate) fn caches(&self) -> Result<CacheEntries, Failure> {
        let imports = caches::read("--import-cache", Way::From, &self.import_cache)?;
        let exports = caches::read("--export-cache", Way::To, &self.export_cache)?;
        let whole = |entry: &CacheEntry| match cache::lacks(entry) {
            Some(lack) => Err(Failure::usage(format!("a cache of `type=gha` has no {lack}"))),
            None => Ok(()),
        };
        imports.iter().chain(&exports).try_for_each(whole)?;
        Ok(CacheEntries { imports, exports })
    }

    /// The file that is written at the end.
    pub(crate) fn results(&self, specs: &[Spec]) -> Result<Results, Failure> {
        Results::new(self.metadata_file.as_deref(), None, false, specs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_definition_has_no_use_for_is_refused() {
        let texts = [
            "attest:provenance=mode=max",
            "attest:provenance=",
            "attest:sbom=generator=x",
            "attest:provenance=mode=maximal",
            "attest:provenance=false",
            "attest:provenance=disabled=true",
            "build-arg:SOURCE_DATE_EPOCH=0",
            "build-arg:SOURCE_DATE_EPOCH=now",
            "target=app",
            "build-arg:VERSION=1",
            "x",
        ];
        let lines = texts.map(|text| format!("{text}: {:?}", option(text)));
        insta::assert_snapshot!(lines.join("\n"), @r#"
        attest:provenance=mode=max: Ok(("attest:provenance", "mode=max"))
        attest:provenance=: Ok(("attest:provenance", ""))
        attest:sbom=generator=x: Ok(("attest:sbom", "generator=x"))
        attest:provenance=mode=maximal: Err("`mode=maximal` must be one of min, max, full")
        attest:provenance=false: Err("`false` must be KEY=VALUE, as in `type=provenance,mode=max`")
        attest:provenance=disabled=true: Err("leave it out: nothing is attested that isn't asked for")
        build-arg:SOURCE_DATE_EPOCH=0: Ok(("build-arg:SOURCE_DATE_EPOCH", "0"))
        build-arg:SOURCE_DATE_EPOCH=now: Err("it must be seconds since 1970")
        target=app: Err("`target` is for a frontend, and a definition has been through one")
        build-arg:VERSION=1: Err("`build-arg:VERSION` is for a frontend, and a definition has been through one")
        x: Err("it must be KEY=VALUE")
        "#);
    }
}
