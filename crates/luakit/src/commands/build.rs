//! `luakit build`: from a script to a definition.

use std::path::PathBuf;

use luakit_frontend::{Plan, Selection};
use luakit_llb::Platform;
use luakit_llb::definition::SOLVE_LIMIT;

use crate::definition::record;
use crate::failure::Failure;
use crate::output_file;
use crate::printer::Printer;
use crate::resolution::ResolutionArgs;
use crate::script::ScriptArgs;

/// Evaluate a script and write its definition, for `luakit solve` or `buildctl build`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    script: ScriptArgs,
    /// Build this target; without it, the export without a name, or the only one
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    #[command(flatten)]
    resolution: ResolutionArgs,
    /// Write the definition to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What tells this build's local directories from those of others on an engine [default: derived from the
    /// context's path]
    #[arg(long, value_name = "ID")]
    local_unique: Option<String>,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Result<(), Failure> {
    refuse_odd_outputs(&args, printer)?;
    let selection = args.target.as_deref().map_or(Selection::Default, Selection::Named);
    let mut plan = args.script.plan(selection, printer)?;
    keep_one(&mut plan, &args.script.platform, printer)?;
    let settings = args.script.marshal_settings(args.local_unique.as_deref())?;
    let pins = args.resolution.pins(&args.script, &plan, printer)?;
    let outputs = plan.outputs(&pins, &settings);
    let Some(mut output) = outputs.into_iter().next() else {
        return Err(Failure::usage("there is nothing to build"));
    };
    let about = record::of(&output);
    output.definition.set_export(&about);
    let bytes = output.definition.to_bytes();
    if bytes.len() > SOLVE_LIMIT {
        printer.warning(
            "large-definition",
            &format!(
                "the definition has {} bytes, and an engine takes {SOLVE_LIMIT} at most",
                bytes.len()
            ),
        );
    }
    match &args.output {
        Some(path) => output_file::write(path, &bytes),
        None => printer.data(&bytes),
    }
}

/// A definition is binary, so it goes to no terminal; and `-o type=…` asks for what only an engine does.
fn refuse_odd_outputs(args: &Args, printer: &Printer) -> Result<(), Failure> {
    match &args.output {
        None if printer.stdout_is_terminal() => {
            Err(Failure::usage("a definition is binary: it can't go to a terminal")
                .hint("pipe it into `luakit solve`, or write it to a file with `-o FILE`"))
        }
        Some(path) if path.to_string_lossy().starts_with("type=") => {
            let spec = path.display();
            Err(Failure::usage(format!(
                "`luakit build` writes definitions, and `{spec}` asks for a build"
            ))
            .hint(format!("`luakit build … | luakit solve --local context=. -o {spec}`")))
        }
        _ => Ok(()),
    }
}

/// A definition holds one platform. Of several that the script exports, and none asked for, it is the default
/// one's, and the others are named.
fn keep_one(plan: &mut Plan, asked: &[Platform], printer: &Printer) -> Result<(), Failure> {
    let platforms: Vec<Platform> = plan.planned().map(|(_, platform)| platform.clone()).collect();
    if platforms.len() < 2 {
        return Ok(());
    }
    let all: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    let several = || {
        Failure::usage(format!(
            "a definition holds one platform, and this one would be for {}",
            all.join(", ")
        ))
        .hint("choose one with `--platform`, and run `luakit build` once for each")
    };
    if !asked.is_empty() {
        return Err(several());
    }
    let default = Platform::linux_amd64();
    if !platforms.contains(&default) {
        return Err(several());
    }
    printer.warning(
        "several-platforms",
        &format!(
            "the script exports {}; this definition is for {default}: choose another with `--platform`",
            all.join(", ")
        ),
    );
    plan.retain(|_, platform| *platform == default);
    Ok(())
}
