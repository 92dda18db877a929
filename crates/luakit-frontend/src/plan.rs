//! From a script to definitions, in three stages: evaluated, resolved, marshalled.
//!
//! [`Plan::evaluate`] runs the script once for each platform and chooses its exports; [`Plan::reached`] says
//! which references these have; with what they mean ([`Pins`]) [`Plan::outputs`] marshals each for its own platform.
//! Resolving is somebody else's work in between (`resolve`, `lock`), so that nothing is fetched while a script runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use luakit_diagnostic::{Diagnostic, SourceFile, Span};
use luakit_llb::graph::{Frame, Vertex};
use luakit_llb::image_config::UnknownBase;
use luakit_llb::marshal::{NoCache, RunDefaults};
use luakit_llb::op::{Network, Op, ResolveMode, Security, Source};
use luakit_llb::{Definition, LayoutImage, Pins, Platform, Reached, Reference, VertexSet, image_config, marshal};
use luakit_script::{
    ArgDeclaration, Evaluation, Export, Failure, Input, Limits, NamedContexts, Print, SourceLoader, prelude_source,
};

use crate::fetch::{PinError, file_subject, git_subject};
use crate::lock::NotLocked;
use crate::printed::PrintedOnce;
use crate::resolve::{OddImage, ResolveErrors, oddities};
use crate::targets::{self, Selection, TargetError};

/// The warning that an image's config isn't known.
pub(crate) const UNRESOLVED_CONFIG: &str = "unresolved-config";

/// What is to be built.
pub struct Request<'a> {
    /// The script's name in messages and source maps.
    pub script_name: String,
    /// Its text.
    pub script: Vec<u8>,
    /// Modules and the build context.
    pub loader: Arc<dyn SourceLoader>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// What takes the place of images and local directories.
    pub contexts: NamedContexts,
    /// What the script may use.
    pub limits: Limits,
    /// Where `print` goes.
    pub print: Print,
    /// Which exports.
    pub selection: Selection<'a>,
    /// The platforms that were asked for; none leaves it to the script.
    pub platforms: Vec<Platform>,
    /// What is built for when neither says.
    pub default_platform: Platform,
    /// What the engine's machine is.
    pub build_platform: Platform,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The script failed.
    #[error(transparent)]
    Script(#[from] Failure),
    /// What was asked for isn't there.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The program ends while the script runs.
    #[error("the script was stopped")]
    Stopped,
}

impl PlanError {
    /// Says which one of several platforms the script ran for.
    fn of_platform(self, platform: &Platform) -> Self {
        match self {
            Self::Script(mut failure) => {
                failure.diagnostic.notes.push(format!("for {platform}"));
                Self::Script(failure)
            }
            Self::Target(error) => Self::Target(error.of_platform(platform)),
            Self::Stopped => Self::Stopped,
        }
    }
}

/// A script's exports, chosen but not yet resolved.
pub struct Plan {
    evaluations: Vec<Evaluation>,
    outputs: Vec<Planned>,
}

/// An export of one of the evaluations.
struct Planned {
    evaluation: usize,
    export: usize,
    /// What it is for.
    platform: Platform,
    /// Whether somebody said so: the script, or who asks for the build.
    asked: bool,
    /// What images without a platform of their own are taken for.
    images: Platform,
}

/// What a definition is marshalled with besides pins.
#[derive(Debug, Clone, Default)]
pub struct MarshalSettings {
    /// What tells the local directories of one build from those of another.
    pub local_unique: String,
    /// The context's ignore patterns.
    pub context_excludes: Vec<String>,
    /// What runs get that don't say themselves.
    pub run_defaults: RunDefaults,
    /// What is done again though it is cached.
    pub no_cache: NoCacheFor,
    /// When engines ask registries for images of which the script doesn't say it.
    pub resolve_mode: ResolveMode,
}

/// What of a plan is done again though it is cached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NoCacheFor {
    /// What the script says.
    #[default]
    Script,
    /// All runs and changes of files.
    Everything,
    /// Those of the targets of these names. What a target shares with another one that it is built on is that one's.
    Targets(Vec<String>),
}

/// One thing to build.
#[derive(Debug, Clone)]
pub struct Output {
    /// The target; `None` is the default one.
    pub name: Option<String>,
    /// What the target is for.
    pub description: Option<String>,
    /// What it is built for.
    pub platform: Platform,
    /// What is built.
    pub definition: Definition,
    /// The image config, as JSON.
    pub config: Vec<u8>,
    /// The config of the image that it began with, if it is known.
    pub base_config: Option<Vec<u8>>,
    /// Annotations of the image's manifest.
    pub annotations: BTreeMap<String, String>,
    /// The images whose configs went into it, with the digests that they had, and for which platforms.
    pub images: BTreeSet<(Reference, Platform)>,
    /// The image whose config the export inherits, when nothing says what that config is.
    pub unknown_base: Option<(UnknownBase, Platform)>,
    /// Whether the script said the platform, or what the image's config says of it.
    pub fixed_platform: bool,
    /// Whether the script looked at its target platform, so that another one may mean another build.
    pub depends_on_target: bool,
}

impl Output {
    /// That the image's config lacks what its base says, if it does.
    pub fn unknown_base_warning(&self) -> Option<Diagnostic> {
        let (base, platform) = self.unknown_base.as_ref()?;
        let (image, hint) = match base {
            UnknownBase::Image(image) => (
                image.familiar(),
                "leave `--resolve=never` out; with a lock file (`luakit lock`) no registry is asked",
            ),
            UnknownBase::Layout(image) => (
                image.clone(),
                "give its layout by the name of its `store`: `--oci-layout NAME=DIR`",
            ),
        };
        let message = format!(
            "the image's config lacks what `{image}` for {platform} says: its environment, entrypoint and command"
        );
        Some(Diagnostic::warning(UNRESOLVED_CONFIG, message).with_hint(hint))
    }
}

impl Plan {
    /// Runs the script for each platform that was asked for, or once, and chooses its exports.
    pub fn evaluate(request: &Request<'_>) -> Result<Self, PlanError> {
        let mut plan = Self {
            evaluations: Vec::new(),
            outputs: Vec::new(),
        };
        if request.platforms.is_empty() {
            let evaluation = evaluate_for(request, &request.default_platform, Arc::clone(&request.print))?;
            plan.add(evaluation, request.selection, &request.default_platform, None)?;
        }
        let mut seen = BTreeSet::new();
        let each = request.platforms.iter().filter(|platform| seen.insert(*platform));
        let platforms: Vec<&Platform> = each.collect();
        let printed = PrintedOnce::new(Arc::clone(&request.print));
        for platform in &platforms {
            let added = evaluate_for(request, platform, printed.next())
                .map_err(PlanError::from)
                .and_then(|evaluation| Ok(plan.add(evaluation, request.selection, platform, Some(platform))?));
            match platforms.len() {
                1 => added?,
                _ => added.map_err(|error| error.of_platform(platform))?,
            }
        }
        Ok(plan)
    }

    /// Adds the exports of an evaluation for `target` that are asked for; with `only`, those for that platform.
    fn add(
        &mut self,
        evaluation: Evaluation,
        selection: Selection<'_>,
        target: &Platform,
        only: Option<&Platform>,
    ) -> Result<(), TargetError> {
        let chosen = targets::choose(&evaluation, selection)?;
        let platform_of = |export: &Export| export.platform.clone().unwrap_or_else(|| target.clone());
        let at = self.evaluations.len();
        let mut outputs = Vec::new();
        for (export, candidate) in evaluation.exports.iter().enumerate() {
            let platform = platform_of(candidate);
            let wanted = chosen.iter().any(|c| std::ptr::eq(*c, candidate));
            if wanted && only.is_none_or(|only| *only == platform) {
                outputs.push(Planned {
                    evaluation: at,
                    export,
                    platform,
                    asked: only.is_some() || candidate.platform.is_some(),
                    images: candidate.images.clone().unwrap_or_else(|| target.clone()),
                });
            }
        }
        if let (true, Some(only)) = (outputs.is_empty(), only) {
            return Err(TargetError::Platform {
                name: chosen.first().and_then(|export| export.name.clone()),
                platform: only.clone(),
                platforms: chosen.iter().map(|export| platform_of(export)).collect(),
            });
        }
        self.outputs.extend(outputs);
        self.evaluations.push(evaluation);
        Ok(())
    }

    /// What is odd about the script, though it ran; each once.
    pub fn warnings(&self) -> Vec<&Diagnostic> {
        let mut warnings: Vec<&Diagnostic> = Vec::new();
        for warning in self.evaluations.iter().flat_map(|evaluation| &evaluation.warnings) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        warnings
    }

    /// The target and the platform of each thing to build, in order.
    pub fn planned(&self) -> impl Iterator<Item = (Option<&str>, &Platform)> {
        self.each()
            .map(|(planned, _, export)| (export.name.as_deref(), &planned.platform))
    }

    /// Annotations of what is built, by target and platform as [`Plan::planned`] has them.
    pub fn annotations(&self) -> impl Iterator<Item = (&Platform, &BTreeMap<String, String>)> {
        self.each()
            .map(|(planned, _, export)| (&planned.platform, &export.config.annotations))
    }

    /// Lays labels over what the exports say, and over what their base images have.
    pub fn label(&mut self, labels: &BTreeMap<String, String>) {
        let exports = self
            .evaluations
            .iter_mut()
            .flat_map(|evaluation| &mut evaluation.exports);
        for export in exports {
            let labels = labels.iter().map(|(name, value)| (name.clone(), value.clone()));
            export.config.labels.extend(labels);
        }
    }

    /// Keeps only the outputs for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(Option<&str>, &Platform) -> bool) {
        let evaluations = &self.evaluations;
        self.outputs.retain(|planned| {
            let export = evaluations
                .get(planned.evaluation)
                .and_then(|e| e.exports.get(planned.export));
            export.is_some_and(|export| keep(export.name.as_deref(), &planned.platform))
        });
    }

    /// The arguments that the script asks for, in order of the first ask.
    pub fn args(&self) -> &[ArgDeclaration] {
        self.evaluations.first().map_or(&[], |evaluation| &evaluation.args)
    }

    /// Checks that every name is a target's: of all that the script exports, built or not.
    pub fn check_targets(&self, names: &[String]) -> Result<(), TargetError> {
        names
            .iter()
            .try_for_each(|name| targets::check_name(&self.evaluations, name))
    }

    /// What the steps of everything to build need to be allowed, by BuildKit's names.
    pub fn entitlements(&self, defaults: &RunDefaults) -> BTreeSet<&'static str> {
        let mut needed = BTreeSet::new();
        for (_, evaluation, export) in self.each() {
            for vertex in evaluation.graph.made_of(export.state).vertices(&evaluation.graph) {
                let Op::Exec(exec) = &*vertex.op else { continue };
                if exec.run.network.or(defaults.network) == Some(Network::Host) {
                    needed.insert("network.host");
                }
                if exec.run.security == Security::Insecure {
                    needed.insert("security.insecure");
                }
            }
        }
        needed
    }

    /// The devices that the steps of everything to build can't go on without.
    pub fn devices(&self) -> BTreeSet<&str> {
        let mut needed = BTreeSet::new();
        for (_, evaluation, export) in self.each() {
            for vertex in evaluation.graph.made_of(export.state).vertices(&evaluation.graph) {
                let Op::Exec(exec) = &*vertex.op else { continue };
                let required = exec.run.devices.iter().filter(|device| !device.optional);
                needed.extend(required.map(|device| device.name.as_str()));
            }
        }
        needed
    }

    /// The local directories that everything to build needs, by name, and the session that offers each where it isn't
    /// the build's own.
    pub(crate) fn locals(&self) -> BTreeMap<&str, Option<&str>> {
        let mut locals = BTreeMap::new();
        for (_, evaluation, export) in self.each() {
            for vertex in evaluation.graph.made_of(export.state).vertices(&evaluation.graph) {
                if let Op::Source(Source::Local(local)) = &*vertex.op {
                    locals.insert(local.name.as_str(), local.session.as_deref());
                }
            }
        }
        locals
    }

    /// The references of everything to build.
    pub fn reached(&self) -> Reached {
        let mut reached = Reached::default();
        for (planned, evaluation, export) in self.each() {
            reached.extend(evaluation.graph.reached(export.state, &planned.images));
        }
        reached
    }

    /// What to tell of images that can't be resolved, with the places where the script names them.
    pub fn unresolved(&self, errors: &ResolveErrors) -> Vec<Diagnostic> {
        let told = errors.0.iter().map(|error| {
            let diagnostic = error.diagnostic();
            match self.image_place(&error.reference) {
                Some(place) => diagnostic.with_span(place),
                None => diagnostic,
            }
        });
        told.collect()
    }

    /// What is odd about the images that are known, with the places where the script names them.
    pub fn image_warnings(&self, pins: &Pins) -> Vec<Diagnostic> {
        let told = oddities(pins).into_iter().map(|(image, warning)| {
            let place = match image {
                OddImage::Image(reference) => self.image_place(reference),
                OddImage::Layout(layout) => self.layout_place(layout),
            };
            match place {
                Some(place) => warning.with_span(place),
                None => warning,
            }
        });
        told.collect()
    }

    /// What to tell of a git reference or a file that can't be pinned, with the place where the script names it.
    pub fn unpinned(&self, error: &PinError) -> Diagnostic {
        let diagnostic = error.diagnostic();
        match self.subject_place(&error.subject) {
            Some(place) => diagnostic.with_span(place),
            None => diagnostic,
        }
    }

    /// Where a script first names a local directory.
    pub(crate) fn local_place(&self, name: &str) -> Option<Span> {
        self.source_place(|source| matches!(source, Source::Local(local) if local.name == name))
    }

    /// What to tell of what a lock file doesn't pin, with the places where the script names it.
    pub fn unlocked(&self, error: &NotLocked) -> Diagnostic {
        let mut diagnostic = error.diagnostic();
        let mut places = error.0.iter().map(|unpinned| self.subject_place(&unpinned.subject));
        if let [_] = error.0.as_slice() {
            diagnostic.span = places.next().flatten();
            return diagnostic;
        }
        for (note, place) in diagnostic.notes.iter_mut().zip(places) {
            if let Some(place) = place {
                *note = format!("{}:{}: {note}", place.file.name, place.line);
            }
        }
        diagnostic
    }

    /// Where a script first names a source, by what messages call it.
    fn subject_place(&self, subject: &str) -> Option<Span> {
        self.source_place(|source| match source {
            Source::Image(image) => subject.starts_with(&format!("image `{}` for ", image.reference.familiar())),
            Source::Git(git) => subject == git_subject(&git.url, git.reference.as_deref()),
            Source::Http(http) => subject == file_subject(&http.url),
            _ => false,
        })
    }

    /// Where a script first names an image.
    pub(crate) fn image_place(&self, reference: &Reference) -> Option<Span> {
        self.source_place(|source| matches!(source, Source::Image(image) if image.reference == *reference))
    }

    /// Where a script first names an image of a layout.
    pub(crate) fn layout_place(&self, layout: &LayoutImage) -> Option<Span> {
        self.source_place(
            |source| matches!(source, Source::OciLayout(source) if source.image().as_ref() == Some(layout)),
        )
    }

    /// Where a script first asks for a source. Where the library does it, that is who called the library.
    fn source_place(&self, wanted: impl Fn(&Source) -> bool) -> Option<Span> {
        self.evaluations.iter().find_map(|evaluation| {
            let graph = &evaluation.graph;
            let named = |vertex: &&Vertex| matches!(&*vertex.op, Op::Source(source) if wanted(source));
            let stack = graph.stack(graph.vertices().find(named)?.stack);
            let file = |frame: &Frame| graph.files().get(graph.file_index(frame.file));
            let own = |frame: &&Frame| file(frame).is_some_and(|file| *file.data != *prelude_source().as_bytes());
            let frame = stack.iter().find(own).or_else(|| stack.first())?;
            let file = file(frame)?;
            let file = SourceFile::new(file.name.as_str(), &*file.data);
            Some(Span::line(file, frame.line))
        })
    }

    /// Marshals everything to build, each for its platform.
    pub fn outputs(&self, pins: &Pins, settings: &MarshalSettings) -> Vec<Output> {
        let run_defaults = (!settings.run_defaults.is_empty()).then_some(&settings.run_defaults);
        let again: Vec<VertexSet> = match &settings.no_cache {
            NoCacheFor::Targets(names) => self.evaluations.iter().map(|e| targets::own_steps(e, names)).collect(),
            NoCacheFor::Script | NoCacheFor::Everything => Vec::new(),
        };
        let marshalled = self.each().map(|(planned, evaluation, export)| {
            let options = marshal::Options {
                platform: &planned.images,
                pins,
                local_unique: &settings.local_unique,
                context_excludes: &settings.context_excludes,
                run_defaults,
                no_cache: match (&settings.no_cache, again.get(planned.evaluation)) {
                    (NoCacheFor::Everything, _) => NoCache::Everything,
                    (_, Some(steps)) => NoCache::Vertices(steps),
                    _ => NoCache::AsWritten,
                },
                resolve_mode: settings.resolve_mode,
            };
            let (graph, state) = (&evaluation.graph, export.state);
            let reached = graph.reached(state, &planned.images).images.into_iter();
            let resolved = |(reference, platform): (Reference, Platform)| {
                Some((pins.image(&reference, &platform)?.pinned(&reference), platform))
            };
            Output {
                name: export.name.clone(),
                description: export.description.clone(),
                platform: planned.platform.clone(),
                definition: marshal::marshal(graph, state, &options),
                config: image_config::compose(
                    graph,
                    state,
                    &export.config,
                    &planned.images,
                    planned.asked.then_some(&planned.platform),
                    pins,
                ),
                base_config: image_config::base_config(graph, state, &planned.images, pins),
                annotations: export.config.annotations.clone(),
                unknown_base: image_config::unknown_base(graph, state, &planned.images, pins),
                images: reached.filter_map(resolved).collect(),
                fixed_platform: export.platform.is_some() || export.config.says_platform(),
                depends_on_target: evaluation.reads_target_platform,
            }
        });
        marshalled.collect()
    }

    /// What the script came to, for each platform that it ran for.
    pub(crate) fn evaluations(&self) -> impl Iterator<Item = &Evaluation> {
        self.evaluations.iter()
    }

    /// What is to be built, and what it is of.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = (&Evaluation, &Export)> {
        self.each().map(|(_, evaluation, export)| (evaluation, export))
    }

    fn each(&self) -> impl Iterator<Item = (&Planned, &Evaluation, &Export)> {
        self.outputs.iter().filter_map(|planned| {
            let evaluation = self.evaluations.get(planned.evaluation)?;
            Some((planned, evaluation, evaluation.exports.get(planned.export)?))
        })
    }
}

fn evaluate_for(request: &Request<'_>, target: &Platform, print: Print) -> Result<Evaluation, Failure> {
    luakit_script::evaluate(Input {
        script_name: request.script_name.clone(),
        script: request.script.clone(),
        loader: Arc::clone(&request.loader),
        args: request.args.clone(),
        contexts: request.contexts.clone(),
        target_platform: target.clone(),
        build_platform: request.build_platform.clone(),
        limits: request.limits,
        print,
    })
}
