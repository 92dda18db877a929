//! `luakit build`: from a script to a definition, or to a result on an engine.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use luakit_buildkit::source_policy::Policy;
use luakit_buildkit::{Attachments, BuildRequest, ContentStore, DockerStore, Engine, Export, entitlements};
use luakit_diagnostic::Diagnostic;
use luakit_frontend::plan::MarshalSettings;
use luakit_frontend::{Plan, Selection};
use luakit_llb::definition::check_size;
use luakit_llb::marshal::CONTEXT;
use luakit_llb::op::ResolveMode;
use luakit_llb::{Pins, Platform};
use luakit_script::NamedContexts;

use crate::call::{self, Asked, CallArgs};
use crate::definition::record;
use crate::engine::build::Job;
use crate::engine::connect::Part;
use crate::engine::{EngineArgs, build, connect, demands, exports, nodes, report};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::flags::attestation::Kind;
use crate::flags::{local, output};
use crate::options::{BuildOptions, arguments, consent, epoch};
use crate::output_file::Begun;
use crate::outputs::{self, CacheEntries, Loading, OutputArgs, Wanted};
use crate::printer::Printer;
use crate::resolution::ResolutionArgs;
use crate::runtime;
use crate::script::{ScriptArgs, local_unique, planning_failure};

/// Build a script; without a destination, write its definition for `luakit solve` or `buildctl build`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
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
    /// Build this target; without it, the export without a name, or the only one
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    #[command(flatten)]
    script: ScriptArgs,
    #[command(flatten)]
    call: CallArgs,
    #[command(flatten)]
    options: BuildOptions,
    #[command(flatten)]
    resolution: ResolutionArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// What tells this build's local directories from those of others on an engine [default: derived from the
    /// context's path]
    #[arg(long, value_name = "ID", help_heading = "Inputs")]
    local_unique: Option<String>,
}

impl Args {
    /// The target's name. A variable that a caller left empty names none.
    fn target(&self) -> Option<&str> {
        self.target.as_deref().filter(|name| !name.is_empty())
    }
}

pub(crate) fn run(mut args: Args, printer: &Printer) -> Result<(), Failure> {
    if let Some((request, call)) = args.call.get() {
        let asked = Asked {
            script: &args.script,
            target: args.target(),
            contexts: &args.options.contexts()?.named,
            targets: args.options.no_cache_targets(),
        };
        return call::run(request, call, &asked, printer);
    }
    if !goes_to_engine(&args) {
        return write_definition(&args, definition_file(&args)?, printer);
    }
    let specs = specs(&args)?;
    let environment = Environment::read()?;
    args.script.complete(&environment)?;
    build_on_engine(&args, &specs, environment, printer)
}

/// Whether this is a build, and not the writing of a definition: a bare name is a definition's file, and everything
/// else asks for a build.
fn goes_to_engine(args: &Args) -> bool {
    !args.tag.is_empty() || args.outputs.is_destination() || args.output.iter().any(|text| is_spec(text))
}

fn is_spec(text: &str) -> bool {
    text.contains('=')
}

/// Where the definition goes; `None` is stdout.
fn definition_file(args: &Args) -> Result<Option<&Path>, Failure> {
    match args.output.as_slice() {
        [] => Ok(None),
        [dash] if dash == "-" => Ok(None),
        [file] => Ok(Some(Path::new(file))),
        _ => Err(Failure::usage("a definition is written to one file")),
    }
}

/// Where the result goes.
fn specs(args: &Args) -> Result<Vec<output::Spec>, Failure> {
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
    Ok(args.outputs.outputs(specs))
}

/// What is known before an engine is asked.
struct Given {
    environment: Environment,
    exports: Vec<Export>,
    wanted: Wanted,
    caches: CacheEntries,
    locals: BTreeMap<String, PathBuf>,
    named: NamedContexts,
    attachments: Attachments,
    source_policy: Option<Policy>,
    settings: MarshalSettings,
}

fn build_on_engine(
    args: &Args,
    specs: &[output::Spec],
    environment: Environment,
    printer: &Printer,
) -> Result<(), Failure> {
    let progress = args.engine.progress.quietly(args.outputs.quiet)?;
    let progress = progress.setup(&environment, printer)?;
    let mut given = given(args, specs, environment, printer)?;
    let results = args.outputs.results(specs)?;
    runtime::build(async {
        let stores = given.attachments.stores.clone();
        let named = given.named.clone();
        let mut planned = planned(args, &mut given, printer).await?;
        exports::warn(specs, &given.exports, printer);
        let (loading, by_digest) = loading(specs, &mut given, &planned).await?;
        let environment = given.environment.clone();
        let settings = std::mem::take(&mut given.settings);
        // What comes by itself comes only where the engine is known to have it.
        let attests = given.wanted.is_asked_for();
        let mut request = request(args, given, settings.resolve_mode, &mut planned)?;
        for part in &planned.parts {
            demands::check(&part.engine, &request, attests, &part.platforms).await?;
        }
        if planned.parts.len() > 1 {
            nodes::check(&request, &planned.parts, printer)?;
            results.check_divided(&request.exports)?;
        }
        let mut plans = plans(args, &named, &stores, planned).await?;
        for (part, job) in &plans {
            // What is pinned matters for none of what a build needs to be given.
            let unresolved = job.plan.outputs(&Pins::new(), &settings);
            build::check(&part.engine, &request, &unresolved).await?;
        }
        if plans.len() > 1 {
            let registry = |insecure: &[String]| {
                let registries = &args.resolution.registries;
                registries.registry_with_insecure(&environment, insecure)
            };
            let results = results.open()?;
            request.written = results.places();
            let response = nodes::build(plans, request, registry, &settings, progress, printer).await?;
            return results.write(&response, true, printer).await;
        }
        if let Some((part, job)) = plans.pop() {
            demands::warn_ignored(&part.engine, &request.exports, printer);
            demands::warn_unstored(&part.engine, &request.exports, printer).await?;
            let results = results.open()?;
            request.written = results.places();
            let response = build::plan(&part.engine, request, &job, loading, &settings, progress, printer).await?;
            results.write(&response, by_digest, printer).await?;
        }
        Ok(())
    })?
}

/// Reads the flags and what they name.
fn given(args: &Args, specs: &[output::Spec], environment: Environment, printer: &Printer) -> Result<Given, Failure> {
    let mut exports = exports::prepare(specs, &args.tag, printer)?;
    args.outputs.annotate(&mut exports)?;
    let wanted = args.outputs.attestations()?;
    let script_args = args.script.args()?;
    let mut caches = args.outputs.caches(&environment, printer)?;
    if arguments::switch(&script_args, arguments::INLINE_CACHE)? == Some(true) {
        caches.export_inline();
    }
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
    epoch::apply(&mut exports, script_args.get(epoch::NAME).map(String::as_str))?;
    let unique = args.local_unique.clone().unwrap_or_else(|| local_unique(&locals));
    let settings = args.script.marshal_settings(Some(&unique))?;
    Ok(Given {
        environment,
        exports,
        wanted,
        caches,
        locals,
        named,
        attachments,
        source_policy,
        settings,
    })
}

/// What is built, and who builds it.
struct Planned {
    plan: Plan,
    /// The machine that the script was evaluated for, and the node that is on it.
    machine: Platform,
    node: String,
    parts: Vec<Part>,
    entitlements: Vec<String>,
}

/// Evaluates the script for the engine that is found, asks for what it needs to be allowed, and divides it among nodes.
async fn planned(args: &Args, given: &mut Given, printer: &Printer) -> Result<Planned, Failure> {
    let (selection, platforms) = (selection(args), args.script.named_platforms());
    let connected = connect::builder(&args.engine.choice, &platforms, &given.environment, printer).await;
    if connected.is_err() {
        // What is wrong with the script is the user's to mend first.
        args.script
            .plan_on(&Platform::linux_amd64(), selection, &given.named, printer)?;
    }
    let (mut builder, first) = connected?;
    let workers = if args.options.need_workers() {
        Some(first.engine.workers().await.map_err(Failure::no_answer)?)
    } else {
        None
    };
    args.options.apply(&mut given.settings, &args.script.args()?, workers)?;
    given.settings.resolve_mode = first.engine.resolve_mode(args.options.pull());
    let machine = machine(&first.engine).await?;
    let mut plan = args.script.plan_on(&machine, selection, &given.named, printer)?;
    check_options(args, &plan)?;
    plan.label(&args.outputs.labels());
    let mut entitlements = args.engine.allowed();
    entitlements.extend(args.options.entitlement().map(str::to_owned));
    let needed = plan.entitlements(&given.settings.run_defaults);
    let needed = needed.into_iter().map(str::to_owned);
    let mut devices: Vec<&str> = plan.devices().into_iter().collect();
    if !devices.is_empty() {
        let workers = first.engine.workers().await.map_err(Failure::no_answer)?;
        devices = entitlements::unallowed(devices, &entitlements, workers);
    }
    let devices: Vec<String> = devices.into_iter().map(|name| format!("device={name}")).collect();
    consent::ask(needed.chain(devices), &mut entitlements, printer);
    let platforms: Vec<Platform> = plan.planned().map(|(_, platform)| platform.clone()).collect();
    let parts = builder.parts(&platforms).await?;
    Ok(Planned {
        plan,
        machine,
        node: first.node,
        parts,
        entitlements,
    })
}

/// What takes the image to Docker, if something must; and whether the image is known by its digest where it goes. Only
/// one engine loads: it is that of the first part.
async fn loading(
    specs: &[output::Spec],
    given: &mut Given,
    planned: &Planned,
) -> Result<(Option<Loading>, bool), Failure> {
    let Some(part) = planned.parts.first() else {
        return Ok((None, false));
    };
    let count = planned.plan.planned().count();
    let (exports, environment) = (&mut given.exports, &given.environment);
    let asked = given.wanted.is_asked_for();
    let loading = outputs::loading(exports, specs, &part.engine, count, asked, environment).await?;
    exports::merge(exports)?;
    let by_digest = match &loading {
        Some(loading) => loading.by_digest,
        None => is_known_by_digest(part.engine.docker_store(), exports),
    };
    Ok((loading, by_digest))
}

/// What engines are asked.
fn request(
    args: &Args,
    given: Given,
    resolve_mode: ResolveMode,
    planned: &mut Planned,
) -> Result<BuildRequest, Failure> {
    let attests = planned.parts.iter().all(|part| part.engine.attests());
    let mut attributes = given
        .wanted
        .attributes(attests, !given.environment.no_default_attestations)?;
    // An image that scans the result is looked up, and run again, as those of the script are.
    if given.wanted.asks_for(Kind::Sbom) {
        let mode = resolve_mode.as_str().to_owned();
        attributes.insert("image-resolve-mode".to_owned(), mode);
        if args.options.no_cache() {
            attributes.insert("no-cache".to_owned(), String::new());
        }
    }
    let count = planned.plan.planned().count();
    let several = count > 1;
    let multi_platform = arguments::switch(&args.script.args()?, arguments::MULTI_PLATFORM)?;
    if multi_platform == Some(false) && several {
        let name = arguments::MULTI_PLATFORM;
        return Err(
            Failure::usage(format!("`{name}` is false, and the build is for {count} platforms"))
                .hint("choose one with `--platform`"),
        );
    }
    let annotations = planned.plan.annotations().flat_map(|(platform, annotations)| {
        let platform = several.then_some(platform);
        annotations
            .iter()
            .map(move |(key, value)| (platform, key.as_str(), value.as_str()))
    });
    Ok(BuildRequest {
        locals: given.locals,
        exports: exports::annotate(given.exports, annotations),
        registries: args.resolution.registries.access(&given.environment)?,
        entitlements: std::mem::take(&mut planned.entitlements),
        source_policy: given.source_policy,
        pull: args.options.pull(),
        attachments: given.attachments,
        cache_imports: given.caches.imports,
        cache_exports: given.caches.exports,
        attributes,
        multi_platform: multi_platform == Some(true),
        ..BuildRequest::default()
    })
}

fn selection(args: &Args) -> Selection<'_> {
    match args.target() {
        Some(name) => Selection::Named(name),
        None => Selection::Default,
    }
}

/// Whether the image goes into Docker's store, and that store knows it by its digest.
fn is_known_by_digest(store: Option<DockerStore>, exports: &[Export]) -> bool {
    store == Some(DockerStore::Containerd) && exports.iter().any(exports::is_stored)
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
    contexts: &NamedContexts,
    stores: &BTreeMap<String, ContentStore>,
    planned: Planned,
) -> Result<Vec<(Part, Job)>, Failure> {
    let machine = planned.machine;
    let mut plan = Some(planned.plan);
    let mut plans = Vec::with_capacity(planned.parts.len());
    for part in planned.parts {
        let own = if part.node == planned.node {
            machine.clone()
        } else {
            self::machine(&part.engine).await?
        };
        let mut plan = if let Some(plan) = plan.take_if(|_| own == machine) {
            plan
        } else {
            let mut again = args.script.plan_again_on(&own, &machine, selection(args), contexts)?;
            again.label(&args.outputs.labels());
            again
        };
        plan.retain(|_, platform| part.platforms.contains(platform));
        let references = args.resolution.references(&args.script, &plan, stores)?;
        plans.push((part, Job { plan, references }));
    }
    Ok(plans)
}

/// What an engine's machine is.
async fn machine(engine: &Engine) -> Result<Platform, Failure> {
    engine.platform().await.map_err(Failure::no_answer)
}

/// Begins the file of a definition. A directory is what docker buildx would put the result's files into.
fn begin_definition(path: &Path) -> Result<Begun, Failure> {
    Begun::new(path).map_err(|failure| {
        if !path.is_dir() {
            return failure;
        }
        failure.hint(format!(
            "for the result's files: `-o type=local,dest={}`",
            path.display()
        ))
    })
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
    let file = file.map(begin_definition).transpose()?;
    let contexts = args.options.contexts()?;
    let mut plan = args
        .script
        .plan_on(&Platform::linux_amd64(), selection(args), &contexts.named, printer)?;
    check_options(args, &plan)?;
    args.script.keep_one_platform(&mut plan, "definition", printer)?;
    plan.label(&args.outputs.labels());
    let mut settings = args.script.marshal_settings(args.local_unique.as_deref())?;
    args.options.apply(&mut settings, &args.script.args()?, None)?;
    let mut stores = args.engine.attach.layouts()?;
    stores.extend(contexts.stores().clone());
    let pins = args
        .resolution
        .pins(&args.script, &plan, &stores, &Environment::read()?, printer)?;
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
        let warning = Diagnostic::warning("large-definition", error.to_string());
        printer.diagnostic(&report::too_large(warning, std::slice::from_ref(&output.definition)));
    }
    if let Some(warning) = output.unknown_base_warning() {
        printer.diagnostic(&warning);
    }
    match file {
        Some(file) => file.put_here(&bytes),
        None => printer.data(&bytes),
    }
}
