//! `luakit dag`: the graph, for people and for other programs.

use std::path::PathBuf;

use luakit_frontend::{Plan, Selection};
use luakit_llb::Pins;
use luakit_llb::view::{self, Filter, Format};

use crate::definition::record;
use crate::failure::Failure;
use crate::output_file;
use crate::printer::Printer;
use crate::script::ScriptArgs;

/// Show a script's graph
///
/// References are shown as they are written: nothing is fetched.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    script: ScriptArgs,
    /// Show this target; without it, the export without a name, or the only one
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// How it is shown; `json` is one object a line, as `buildctl debug dump-llb` prints them
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = Format::NAMES)]
    format: String,
    /// Show only some vertices: a kind (`exec`, `file`, `source`, `merge`, `diff`), or a text in the name
    #[arg(long, value_name = "KIND|TEXT")]
    filter: Vec<String>,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Result<(), Failure> {
    let format: Format = args
        .format
        .parse()
        .map_err(|e: view::UnknownFormat| Failure::usage(e.to_string()))?;
    let filter = Filter::parse(args.filter.iter().map(String::as_str));
    let filter = filter.map_err(|e| Failure::usage(format!("`--filter`: {e}")))?;
    let selection = args.target.as_deref().map_or(Selection::Default, Selection::Named);
    let mut plan = args.script.plan(selection, printer)?;
    args.script.keep_one_platform(&mut plan, "graph", printer)?;
    let text = render(&args.script, &plan, format, filter)?;
    match &args.output {
        Some(path) => output_file::write(path, text.as_bytes()),
        None => printer.data(text.as_bytes()),
    }
}

/// The one output, as text of its format.
fn render(script: &ScriptArgs, plan: &Plan, format: Format, filter: Filter) -> Result<String, Failure> {
    let outputs = plan.outputs(&Pins::new(), &script.marshal_settings(Some(""))?);
    let Some(mut output) = outputs.into_iter().next() else {
        return Err(Failure::usage("there is nothing to show"));
    };
    let options = view::Options {
        filter,
        ..view::Options::default()
    };
    let about = record::of(&output);
    output.definition.set_export(&about);
    let parsed = output.definition.read().map_err(|e| Failure::internal(e.to_string()))?;
    Ok(view::render(&parsed, format, &options))
}
