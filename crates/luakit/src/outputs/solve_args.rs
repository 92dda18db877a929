//! The flags of `luakit solve` that are `buildctl build`'s (`cmd/buildctl/build.go` of
//! <https://github.com/moby/buildkit>): what of them means something to a definition and a client of today. The others are
//! known, and refused with the reason.

use std::collections::BTreeMap;
use std::path::PathBuf;

use luakit_buildkit::CacheEntry;

use super::caches::{self, CacheEntries};
use super::{Results, places};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::flags::attestation;
use crate::flags::cache::{self, Way};
use crate::flags::output::Spec;
use crate::output_file::Begun;
use crate::printer::Printer;

/// The time that images get, which the engine itself reads.
const EPOCH: &str = "build-arg:SOURCE_DATE_EPOCH";

/// Outputs besides `-o`.
#[derive(Debug, clap::Args)]
pub(crate) struct SolveArgs {
    /// Keep the build's cache there: `type=registry|local|inline|gha|s3|azblob,…`, or a reference
    #[arg(long, value_name = "SPEC", help_heading = "Cache")]
    export_cache: Vec<String>,
    /// Take cached steps from there too: `type=registry|local|gha|s3|azblob,…`, or a reference
    #[arg(long, value_name = "SPEC", help_heading = "Cache")]
    import_cache: Vec<String>,
    /// When the build has succeeded, write what the engine says of its results to FILE, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    metadata_file: Option<PathBuf>,
    /// Tell the engine `attest:provenance=…`, `attest:sbom=…` or `build-arg:SOURCE_DATE_EPOCH=SECONDS`; other options are
    /// for frontends
    #[arg(long, value_name = "KEY=VALUE", value_parser = option)]
    opt: Vec<(String, String)>,
    /// When the build has ended, write the id that the engine knows it by to FILE
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    ref_file: Option<PathBuf>,
    #[command(flatten)]
    refused: Refused,
}

/// Flags of `buildctl build` that nothing here listens to.
#[derive(Debug, clap::Args)]
struct Refused {
    /// Refused: a definition needs no frontend
    #[arg(long, value_name = "NAME", hide = true)]
    frontend: Option<String>,
    /// Refused: see `--registry-config`
    #[arg(long, value_name = "SPEC", hide = true)]
    registry_auth_tlscontext: Vec<String>,
    /// Refused: see `--progress=rawjson`
    #[arg(long, value_name = "FILE", hide = true)]
    trace: Option<String>,
    /// Refused: see `--progress=rawjson`
    #[arg(long, value_name = "FILE", hide = true)]
    debug_json_cache_metrics: Option<String>,
    /// Refused: engines' proxies are not asked for
    #[arg(long, hide = true)]
    proxy_network: bool,
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
        let refused = &self.refused;
        if let Some(frontend) = &refused.frontend {
            return Err(Failure::usage(format!(
                "`--frontend {frontend}`: `solve` builds a definition, which has been through its frontend"
            ))
            .hint("`luakit build` builds scripts; `docker build` and `buildctl build` run frontends"));
        }
        let stream = "`--progress=rawjson 2>FILE` writes the same status stream, with what was cached in it";
        let others = [
            (
                !refused.registry_auth_tlscontext.is_empty(),
                "--registry-auth-tlscontext",
                "`--registry-config FILE` says which certificates are for which registry",
            ),
            (refused.trace.is_some(), "--trace", stream),
            (
                refused.debug_json_cache_metrics.is_some(),
                "--debug-json-cache-metrics",
                stream,
            ),
            (
                refused.proxy_network,
                "--proxy-network",
                "the engine's own configuration (`buildkitd.toml`) says what its steps may reach",
            ),
        ];
        match others.into_iter().find(|(given, ..)| *given) {
            Some((_, flag, instead)) => Err(Failure::usage(format!("`{flag}` is not offered")).hint(instead)),
            None => Ok(()),
        }
    }

    /// The file for the id of a build that has ended, well or not.
    pub(crate) fn begin_reference(&self) -> Result<Option<Begun>, Failure> {
        self.ref_file.as_deref().map(Begun::new).transpose()
    }

    /// The time that is given for the result: of several, the last.
    pub(crate) fn epoch(&self) -> Option<&str> {
        let mut given = self.opt.iter().rev();
        given.find(|(key, _)| key == EPOCH).map(|(_, value)| value.as_str())
    }

    /// What the engine is told.
    pub(crate) fn attributes(&self) -> BTreeMap<String, String> {
        self.opt.iter().cloned().collect()
    }

    /// Where cache comes from and goes, with what the environment adds.
    pub(crate) fn caches(&self, environment: &Environment, printer: &Printer) -> Result<CacheEntries, Failure> {
        let (from, to) = ("--import-cache", "--export-cache");
        let imports = caches::read(from, Way::From, &self.import_cache)?;
        let exports = caches::read(to, Way::To, &self.export_cache)?;
        let whole = |entry: &CacheEntry| match cache::lacks(entry) {
            Some(lack) => Err(Failure::usage(format!("a cache of `type=gha` has no {lack}"))),
            None => Ok(()),
        };
        imports.iter().chain(&exports).try_for_each(whole)?;
        for (flag, entries) in [(from, &imports), (to, &exports)] {
            caches::warn_without_credentials(flag, entries, environment.aws_profile.as_deref(), printer);
        }
        let entries = CacheEntries { imports, exports };
        caches::warn_missing(from, &entries, printer);
        Ok(entries)
    }

    /// The file that is written at the end.
    pub(crate) fn results(&self, specs: &[Spec]) -> Result<Results, Failure> {
        let metadata = self.metadata_file.as_deref();
        let flags = [("--metadata-file", metadata), ("--ref-file", self.ref_file.as_deref())];
        places::check(specs, &flags, false)?;
        Results::new(metadata, None, false, specs)
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
