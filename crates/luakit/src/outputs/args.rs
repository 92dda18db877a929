//! The flags of `luakit build` for what comes out of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ArgAction;
use luakit_buildkit::{CacheEntry, Export};

use super::caches::{self, CacheEntries};
use super::{Results, attests, places};
use crate::engine::exports;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::flags::annotation::Annotation;
use crate::flags::attestation::{self, Attestation};
use crate::flags::cache::{self, Way};
use crate::flags::output::{Kind, Spec};
use crate::flags::{label, switch};
use crate::printer::Printer;

/// What comes out of a build besides its outputs, and short forms of those.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Push the image to its registry: short for `-o type=registry`; with outputs of `type=image`, push these
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", hide_default_value = true, default_missing_value = "true", value_parser = switch::parse)]
    push: bool,
    /// Put the image into Docker: short for `-o type=docker`
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", hide_default_value = true, default_missing_value = "true", value_parser = switch::parse)]
    load: bool,
    /// Set a label of the image; it counts rather than the script's
    #[arg(long, value_name = "KEY=VALUE", value_parser = label::parse, help_heading = "Image")]
    label: Vec<(String, String)>,
    /// Annotate the image; WHERE is `manifest`, `index`, `manifest-descriptor` or `index-descriptor`, or several with
    /// commas, and `manifest[PLATFORM]` is one platform's [default: manifest]
    #[arg(long, value_name = "[WHERE:]KEY=VALUE", help_heading = "Image")]
    annotation: Vec<Annotation>,
    /// Attest how the image came about, or what is in it: `type=provenance,mode=min|max`,
    /// `type=sbom,generator=IMAGE`; `disabled=true` attests nothing of that type
    #[arg(long, value_name = "type=TYPE,…", value_parser = attestation::parse, help_heading = "Image")]
    attest: Vec<Attestation>,
    /// Short for `--attest type=provenance`: `true`, `false` or what that takes, as `mode=max` [default:
    /// mode=min,inline-only=true, unless `BUILDX_NO_DEFAULT_ATTESTATIONS` is set]
    #[arg(long, value_name = "VALUE", num_args = 0..=1, default_missing_value = "true", value_parser = attestation::provenance, help_heading = "Image")]
    provenance: Option<Attestation>,
    /// Short for `--attest type=sbom`: `true`, `false` or what that takes, as `generator=IMAGE`
    #[arg(long, value_name = "VALUE", num_args = 0..=1, default_missing_value = "true", value_parser = attestation::sbom, help_heading = "Image")]
    sbom: Option<Attestation>,
    /// Take cached steps from there too: a reference, or `type=registry|local|gha|s3|azblob,…`
    #[arg(long, value_name = "REF|SPEC", help_heading = "Cache")]
    cache_from: Vec<String>,
    /// Keep the build's cache there: a reference, or `type=registry|local|inline|gha|s3|azblob,…`; `mode=max` keeps that
    /// of all steps
    #[arg(long, value_name = "REF|SPEC", help_heading = "Cache")]
    cache_to: Vec<String>,
    /// When the build has succeeded, write what the engine says of its results to FILE, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    metadata_file: Option<PathBuf>,
    /// When the build has succeeded, write the image's id to FILE
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    iidfile: Option<PathBuf>,
    /// Show no progress; when the build has succeeded, print the image's id
    #[arg(short, long, help_heading = "Messages")]
    pub(crate) quiet: bool,
}

impl OutputArgs {
    /// Whether a destination is among them, so that there is something to build.
    pub(crate) fn is_destination(&self) -> bool {
        self.push || self.load
    }

    /// One of the flags that is for a build on an engine, if it is given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            (!self.annotation.is_empty(), "--annotation"),
            (!self.attest.is_empty(), "--attest"),
            (self.provenance.is_some(), "--provenance"),
            (self.sbom.is_some(), "--sbom"),
            (!self.cache_from.is_empty(), "--cache-from"),
            (!self.cache_to.is_empty(), "--cache-to"),
            (self.metadata_file.is_some(), "--metadata-file"),
            (self.iidfile.is_some(), "--iidfile"),
            (self.quiet, "--quiet"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, flag)| flag)
    }

    /// The outputs with what the short forms add, as docker buildx does.
    pub(crate) fn outputs(&self, specs: Vec<Spec>) -> Vec<Spec> {
        let mut specs: Vec<Spec> = specs.into_iter().map(Spec::read_as_buildx_does).collect();
        if self.push {
            if !specs.iter().any(|spec| spec.kind == Kind::Image) {
                specs.push(Spec::image());
            }
            let images = specs.iter_mut().filter(|spec| spec.kind == Kind::Image);
            images.for_each(Spec::push);
        }
        if self.load && !specs.iter().any(|spec| spec.load) {
            specs.push(Spec::docker());
        }
        specs
    }

    /// Labels by name; of several for one, the last.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        self.label.iter().cloned().collect()
    }

    /// Notes annotations at the images among the exports.
    pub(crate) fn annotate(&self, exports: &mut [Export]) -> Result<(), Failure> {
        if !self.annotation.is_empty() && !exports.iter().any(exports::is_image) {
            return Err(Failure::usage("`--annotation` is for an image, and no output is one"));
        }
        for export in exports.iter_mut().filter(|export| exports::is_image(export)) {
            for annotation in &self.annotation {
                let attrs = annotation.attrs.iter().cloned();
                export.attrs.extend(attrs.map(|attr| (attr, annotation.value.clone())));
            }
        }
        Ok(())
    }

    /// What the engine is to attest, in its words.
    pub(crate) fn attestations(&self) -> Result<attests::Wanted, Failure> {
        attests::wanted(self.attest.iter().chain(&self.provenance).chain(&self.sbom))
    }

    /// Where cache comes from and goes, with what the environment adds. A cache of GitHub's is left out where there is no
    /// GitHub, as with docker buildx.
    pub(crate) fn caches(&self, environment: &Environment, printer: &Printer) -> Result<CacheEntries, Failure> {
        let whole = |flag: &str, mut entries: Vec<CacheEntry>| {
            entries.retain(|entry| {
                let lack = cache::lacks(entry);
                if let Some(lack) = lack {
                    let message = format!("`{flag} type=gha` is left out: it has no {lack}");
                    printer.warning("cache", &message);
                }
                lack.is_none()
            });
            entries
        };
        let (from, to) = ("--cache-from", "--cache-to");
        let entries = CacheEntries {
            imports: whole(from, caches::read(from, Way::From, &self.cache_from)?),
            exports: whole(to, caches::read(to, Way::To, &self.cache_to)?),
        };
        for (flag, entries) in [(from, &entries.imports), (to, &entries.exports)] {
            caches::warn_without_credentials(flag, entries, environment.aws_profile.as_deref(), printer);
        }
        caches::warn_missing(from, &entries, printer);
        Ok(entries)
    }

    /// The files that are written at the end.
    pub(crate) fn results(&self, specs: &[Spec]) -> Result<Results, Failure> {
        let (metadata, id) = (self.metadata_file.as_deref(), self.iidfile.as_deref());
        let results = Results::new(metadata, id, self.quiet, specs)?;
        places::check(specs, &[("--metadata-file", metadata), ("--iidfile", id)], self.quiet)?;
        Ok(results)
    }
}
