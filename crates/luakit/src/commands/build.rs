//! `luakit build`: from a script to a definition, or to a result on an engine.

use std::mem::ManuallyDrop;
use std::path::Path;

use luakit_buildkit::{BuildRequest, ConnectError, DockerStore, Engine, Export, ExportKind};
use luakit_diagnostic::Diagnostic;
use luakit_frontend::{Plan, Selection};
use luakit_llb::Platform;
use luakit_llb::definition::check_size;
use luakit_script::NamedContexts;

use crate::definition::record;
use crate::engine::build::Job;
use crate::engine::connect::Part;
use crate::engine::{EngineArgs, build, connect, demands, exports, nodes};
use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::flags::{local, output};
use crate::options::{BuildOptions, consent, epoch};
use crate::output_file;
use crate::outputs::{self, OutputArgs};
use crate::printer::Printer;
use crate::resolution::ResolutionArgs;
use crate::runtime;
use crate::script::{CONTEXT, ScriptArgs, local_unique, planning_failure};

/// Build a script; without a destination, write its definition for `luakit solve` or `buildctl build`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    script: ScriptArgs,
    /// Build this target; without it, the export without a name, or the only one
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    #[command(flatten)]
    resolution: ResolutionArgs,
    /// Write the definition to FILE instead of stdout. Or build, and put the result into `type=local,dest=DIR`,
    /// `type=tar|oci,dest=FILE` (`-` or nothing is stdout), `type=docker` (Docker's store, or `dest=FILE`),
    /// `type=image,name=NAME` (the engine's store), `type=registry,name=NAME` or `type=cacheonly`
    #[arg(short, long, value_name = "FILE|SPEC")]
    output: Vec<String>,
    /// Build, and name the image; without an output, it is kept in the engine under this name
    #[arg(short, long, value_name = "NAME")]
    tag: Vec<String>,
    #[command(flatten)]
    outputs: OutputArgs,
    #[command(flatten)]
    options: BuildOptions,
    #[command(flatten)]
    engine: EngineArgs,
    /// What tells this build's local directories from those of others on an engine [default: derived from the
    /// context's path]
    #[arg(long, value_name = "ID")]
    local_unique: Option<String>,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Result<(), Failure> {
    match destination(&args)? {
        Destination::Definition(file) => write_definition(&args, file, printer),
        Destination::Engine(specs) => build_on_engine(&args, &specs, printer),
    }
}

/// Where the build goes.
enum Destination<'a> {
    /// Nowhere: its definition is written.
    Definition(Option<&'a Path>),
    /// To an engine, and from there to these outputs.
    Engine(Vec<output::Spec>),
}

/// A bare name is a definition's file; everything else asks for a build.
fn destination(args: &Args) -> Result<Destination<'_>, Failure> {
    let is_spec = |text: &&String| text.contains('=');
    let build = !args.tag.is_empty() || args.outputs.is_destination();
    if !build && !args.output.iter().any(|text| is_spec(&text)) {
        return match args.output.as_slice() {
            [] => Ok(Destination::Definition(None)),
            [dash] if dash == "-" => Ok(Destination::Definition(None)),
            [file] => Ok(Destination::Definition(Some(Path::new(file)))),
            _ => Err(Failure::usage("a definition is written to one file")),
        };
    }
    if let Some(file) = args.output.iter().find(|text| !is_spec(text)) {
        return Err(
            Failure::usage(format!("`-o {file}` is the file of a definition, and this is a build"))
                .hint(format!("for the result's files: `-o type=local,dest={file}`")),
        );
    }
    let specs = args.output.iter().map(|text| {
        let spec = text.parse::<output::Spec>();
        spec.map_err(|e| Failure::usage(format!("invalid output `{text}`: {e}")))
    });
    let specs: Vec<output::Spec> = specs.collect::<Result<_, _>>()?;
    Ok(Destination::Engine(args.outputs.outputs(specs)))
}

fn build_on_engine(args: &Args, specs: &[output::Spec], printer: &Printer) -> Result<(), Failure> {
    let environment = Environment::read()?;
    let progress = args.engine.progress.quietly(args.outputs.quiet)?;
    let progress = progress.setup(&environment, printer)?;
    let mut exports = exports::prepare(specs, &args.tag, printer)?;
    args.outputs.annotate(&mut exports)?;
    let wanted = args.outputs.attestations()?;
    let caches = args.outputs.caches(printer)?;
    let results = args.outputs.results(specs)?;
    let mut locals = local::by_name(&args.engine.local)?;
    let context = args.script.context_dir()?.to_owned();
    if let Some(dir) = locals.insert(CONTEXT.to_owned(), context) {
        return Err(Failure::usage("`--local` can't give the context").hint(format!(
            "`--context {}`: its ignore file counts then, too",
            dir.display()
        )));
    }
    let contexts = args.options.contexts()?;
    let named = contexts.named.clone();
    let mut attachments = args.engine.attach.attachments(&environment)?;
    contexts.offer(&mut locals, &mut attachments.stores)?;
    let source_policy = args.engine.attach.source_policy(&environment)?;
    epoch::apply(&mut exports, args.script.args()?.get(epoch::NAME).map(String::as_str))?;
    let unique = args.local_unique.clone().unwrap_or_else(|| local_unique(&locals));
    let mut settings = args.script.marshal_settings(Some(&unique))?;
    let selection = args.target.as_deref().map_or(Selection::Default, Selection::Named);
    runtime::build(async {
        let platforms = &args.script.platform;
        let connected = connect::builder(&args.engine.choice, platforms, &environment, printer).await;
        if connected.is_err() {
            // What is wrong with the script is the user's to mend first.
            args.script
                .plan_on(&Platform::linux_amd64(), selection, &named, printer)?;
        }
        let (mut builder, first) = connected?;
        let workers = first.engine.workers().await.map_err(no_answer)?;
        args.options.apply(&mut settings, Some(workers))?;
        let machine = machine(&first.engine).await?;
        let mut plan = args.script.plan_on(&machine, selection, &named, printer)?;
        check_options(args, &plan)?;
        plan.label(&args.outputs.labels());
        let mut entitlements = args.engine.allow.clone();
        entitlements.extend(args.options.entitlement().map(str::to_owned));
        consent::ask(plan.entitlements(&settings.run_defaults), &mut entitlements, printer);
        let platforms: Vec<Platform> = plan.planned().map(|(_, platform)| platform.clone()).collect();
        let parts = builder.parts(&platforms).await?;
        exports::warn(specs, &exports, printer);
        let attests = parts.iter().all(|part| part.engine.attests());
        let attributes = wanted.attributes(attests, !environment.no_default_attestations)?;
        let asked = wanted.is_asked_for();
        let count = platforms.len();
        let loading = outputs::loading(&mut exports, specs, &first.engine, count, asked, &environment).await?;
        let by_digest = match &loading {
            Some(loading) => loading.by_digest,
            None => is_known_by_digest(first.engine.docker_store(), &exports),
        };
        let several = platforms.len() > 1;
        let annotations = plan.annotations().flat_map(|(platform, annotations)| {
            let platform = several.then_some(platform);
            annotations
                .iter()
                .map(move |(key, value)| (platform, key.as_str(), value.as_str()))
        });
        let request = BuildRequest {
            locals,
            exports: exports::annotate(exports, annotations),
            registries: args.resolution.registries.access(&environment)?,
            entitlements,
            source_policy,
            pull: args.options.pull(),
            attachments,
            cache_imports: caches.imports,
            cache_exports: caches.exports,
            attributes,
            ..BuildRequest::default()
        };
        for part in &parts {
            demands::check(&part.engine, &request, &part.platforms).await?;
        }
        if parts.len() > 1 {
            nodes::check(&request, &parts, printer)?;
        }
        let mut plans = plans(args, selection, &named, (plan, &machine, &first), parts)
            .await?
            .into_iter();
        if plans.len() > 1 {
            let registry = |insecure: &[String]| {
                let registries = &args.resolution.registries;
                registries.registry_with_insecure(&environment, insecure)
            };
            let results = results.open()?;
            let response = nodes::build(plans.collect(), request, registry, &settings, progress, printer).await?;
            return results.write(&response, true, printer);
        }
        if let Some((part, job)) = plans.next() {
            let workers = part.engine.workers().await.map_err(no_answer)?;
            demands::warn_ignored(&part.engine, &request.exports, printer);
            demands::warn_unstored(&part.engine, workers, &request.exports, printer);
            let results = results.open()?;
            let response = build::plan(&part.engine, request, &job, loading, &settings, progress, printer).await?;
            results.write(&response, by_digest, printer)?;
        }
        Ok(())
    })?
}

/// Whether the image goes into Docker's store, and that store knows it by its digest.
fn is_known_by_digest(store: Option<DockerStore>, exports: &[Export]) -> bool {
    let stored = |export: &Export| matches!(export.kind, ExportKind::Image);
    store == Some(DockerStore::Containerd) && exports.iter().any(stored)
}

/// What only the evaluated script can tell of the options.
fn check_options(args: &Args, plan: &Plan) -> Result<(), Failure> {
    let checked = plan.check_targets(args.options.no_cache_targets());
    checked.map_err(|e| planning_failure(e.into()))
}

/// What each part is built from: the plan, cut to the part's platforms; made anew for a node of another platform, for
/// which `bk.build_platform` is another.
async fn plans(
    args: &Args,
    selection: Selection<'_>,
    contexts: &NamedContexts,
    (plan, machine, first): (Plan, &Platform, &Part),
    parts: Vec<Part>,
) -> Result<Vec<(Part, Job)>, Failure> {
    let mut plan = Some(plan);
    let mut plans = Vec::with_capacity(parts.len());
    for part in parts {
        let own = if part.node == first.node {
            machine.clone()
        } else {
            self::machine(&part.engine).await?
        };
        let mut plan = if let Some(plan) = plan.take_if(|_| own == *machine) {
            plan
        } else {
            let mut again = args.script.plan_again_on(&own, machine, selection, contexts)?;
            again.label(&args.outputs.labels());
            again
        };
        plan.retain(|_, platform| part.platforms.contains(platform));
        let references = args.resolution.references(&args.script, &plan)?;
        plans.push((part, Job { plan, references }));
    }
    Ok(plans)
}

/// What an engine's machine is.
async fn machine(engine: &Engine) -> Result<Platform, Failure> {
    let workers = engine.workers().await.map_err(no_answer)?;
    let own = workers.iter().flat_map(|worker| &worker.platforms).next();
    Ok(own.cloned().unwrap_or_else(Platform::linux_amd64))
}

fn no_answer(error: ConnectError) -> Failure {
    Failure::new(Kind::NoEngine, Diagnostic::error("no-engine", error.to_string()))
}

fn write_definition(args: &Args, file: Option<&Path>, printer: &Printer) -> Result<(), Failure> {
    if let Some(flag) = args.engine.first_given().or_else(|| args.outputs.given()) {
        return Err(
            Failure::usage(format!("`{flag}` is for a build, and this writes a definition"))
                .hint("name the image that you want with `-t NAME`, or another result with `-o type=…`"),
        );
    }
    if file.is_none() && printer.stdout_is_terminal() {
        return Err(Failure::usage("a definition is binary: it can't go to a terminal").hint(
            "name the image that you want with `-t NAME`, or write the definition to a file with `-o FILE`, or pipe it on",
        ));
    }
    let selection = args.target.as_deref().map_or(Selection::Default, Selection::Named);
    let contexts = args.options.contexts()?;
    let mut plan = args
        .script
        .plan_on(&Platform::linux_amd64(), selection, &contexts.named, printer)?;
    check_options(args, &plan)?;
    args.script.keep_one_platform(&mut plan, "definition", printer)?;
    plan.label(&args.outputs.labels());
    let mut settings = args.script.marshal_settings(args.local_unique.as_deref())?;
    args.options.apply(&mut settings, None)?;
    let pins = args
        .resolution
        .pins(&args.script, &plan, &Environment::read()?, printer)?;
    let outputs = plan.outputs(&pins, &settings);
    let Some(output) = outputs.into_iter().next() else {
        return Err(Failure::usage("there is nothing to build"));
    };
    // The process ends after this: to free hundreds of thousands of vertices one by one takes a fifth of its time.
    let (mut output, _plan) = (ManuallyDrop::new(output), ManuallyDrop::new(plan));
    let about = record::of(&output);
    output.definition.set_export(&about);
    let bytes = output.definition.to_bytes();
    if let Err(error) = check_size(output.definition.message()) {
        printer.warning("large-definition", &error.to_string());
    }
    if let Some(warning) = output.unknown_base_warning() {
        printer.diagnostic(&warning);
    }
    match file {
        Some(path) => output_file::write(path, &bytes),
        None => printer.data(&bytes),
    }
}
