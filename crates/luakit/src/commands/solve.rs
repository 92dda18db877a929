//! `luakit solve`: builds the definition on stdin, as `buildctl build` does, with the image config that the script
//! asked for.

use luakit_buildkit::{BuildRequest, PlatformDefinition, build_id};
use luakit_llb::{Definition, Platform};

use crate::definition::retarget;
use crate::engine::{EngineArgs, build, connect, demands, exports};
use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::flags::{local, output, platform};
use crate::options::epoch;
use crate::output_file::Begun;
use crate::outputs::SolveArgs;
use crate::piped;
use crate::printer::Printer;
use crate::resolution::RegistryArgs;
use crate::runtime;

/// Build the definition on stdin
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the result goes: `type=local,dest=DIR`, `type=tar|oci|docker,dest=FILE` (`-` or nothing is stdout),
    /// `type=image,name=NAME` in the engine, `type=registry,name=NAME` or `type=cacheonly`
    #[arg(short, long, value_name = "SPEC")]
    output: Vec<output::Spec>,
    /// Name the image; without an output, it is kept in the engine under this name
    #[arg(short, long, value_name = "NAME")]
    tag: Vec<String>,
    /// Build for this platform instead of the one that the definition was written for
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = platform::parse)]
    platform: Option<Platform>,
    /// Accepted for the sake of `buildctl build`: a definition needs no frontend
    #[arg(long)]
    no_frontend: bool,
    /// Run every step, whatever the engine remembers of it
    #[arg(long, help_heading = "Cache")]
    no_cache: bool,
    #[command(flatten)]
    outputs: SolveArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    registries: RegistryArgs,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Result<(), Failure> {
    args.outputs.check()?;
    let environment = Environment::read()?;
    let progress = args.engine.progress.setup(&environment, printer)?;
    let mut exports = exports::prepare(&args.output, &args.tag, printer)?;
    let caches = args.outputs.caches(&environment, printer)?;
    let results = args.outputs.results(&args.output)?;
    let locals = local::by_name(&args.engine.local)?;
    let attachments = args.engine.attach.attachments(&environment)?;
    let source_policy = args.engine.attach.source_policy(&environment)?;
    let epoch = args.outputs.epoch().or(environment.source_date_epoch.as_deref());
    epoch::apply(&mut exports, epoch)?;
    let definition = read_definition()?;
    runtime::build(async {
        let (mut definition, record) =
            retarget::for_platform(definition, args.platform.as_ref(), &args.registries, &environment).await?;
        if args.no_cache {
            definition.ignore_cache();
        }
        let platform = record.as_ref().map(|record| &record.platform);
        let engine = connect::connect(&args.engine.choice, platform, &environment, printer).await?;
        exports::warn(&args.output, &exports, printer);
        let annotations = record.iter().flat_map(|record| &record.annotations);
        let annotations = annotations.map(|(key, value)| (None, key.as_str(), value.as_str()));
        let id = build_id();
        let mut request = BuildRequest {
            id: Some(id.clone()),
            locals,
            exports: exports::annotate(exports, annotations),
            registries: args.registries.access(&environment)?,
            entitlements: args.engine.allowed(),
            cache_imports: caches.imports,
            cache_exports: caches.exports,
            attributes: args.outputs.attributes(),
            attachments,
            source_policy,
            ..BuildRequest::default()
        };
        let definition = PlatformDefinition {
            platform: record.as_ref().map(|record| record.platform.clone()),
            definition,
            image_config: record.map(|record| record.config.into_bytes()),
        };
        let platforms: Vec<Platform> = definition.platform.iter().cloned().collect();
        let attests = request.attributes.keys().any(|key| key.starts_with("attest:"));
        demands::check(&engine, &request, attests, &platforms).await?;
        demands::warn_ignored(&engine, &request.exports, printer);
        demands::warn_unstored(&engine, &request.exports, printer).await?;
        let results = results.open()?;
        request.written = results.places();
        let reference = args.outputs.begin_reference()?;
        request.written.extend(reference.iter().flat_map(Begun::places));
        let built = build::definition(&engine, request, definition, progress, printer).await;
        let noted = match reference {
            Some(file) => file.put(id.into_bytes()).await,
            None => Ok(()),
        };
        let response = built?;
        noted?;
        results.write(&response, false, printer).await
    })?
}

/// Reads and checks what is on stdin.
fn read_definition() -> Result<Definition, Failure> {
    let bytes = piped::read("definition", "`luakit build | luakit solve …`")?;
    let wrong =
        |message: String| Failure::new(Kind::Usage, luakit_diagnostic::Diagnostic::error("definition", message));
    let definition = Definition::from_bytes(&bytes).map_err(|e| wrong(e.to_string()))?;
    if definition.is_scratch() {
        // As `buildctl build` does: what comes out of a command that failed would build an empty image.
        let failure = wrong("the definition on stdin is empty".to_owned());
        return Err(failure.hint("did the command before the pipe fail? An export of scratch alone can't be piped"));
    }
    let parsed = definition.read().map_err(|e| wrong(e.to_string()))?;
    parsed.check().map_err(|e| wrong(e.to_string()))?;
    Ok(definition)
}
