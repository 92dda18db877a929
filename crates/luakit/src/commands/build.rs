//! `luakit build`: from a script to a definition.

use std::mem::ManuallyDrop;
use std::path::PathBuf;

use luakit_diagnostic::Diagnostic;
use luakit_frontend::Selection;
use luakit_llb::definition::check_size;

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
    args.script.keep_one_platform(&mut plan, "definition", printer)?;
    let settings = args.script.marshal_settings(args.local_unique.as_deref())?;
    let pins = args.resolution.pins(&args.script, &plan, printer)?;
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
    if let Some((image, platform)) = &output.unknown_base {
        printer.diagnostic(
            &Diagnostic::warning(
                "unresolved-config",
                format!(
                    "the image's config lacks what `{}` for {platform} says: its environment, entrypoint and command",
                    image.familiar()
                ),
            )
            .with_hint("leave `--resolve=never` out; with a lock file (`luakit lock`) no registry is asked"),
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
