//! `luakit validate`: is the script right, without building or fetching anything.

use std::fmt::Write as _;

use luakit_frontend::Selection;
use luakit_llb::Pins;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::clean_output;
use crate::script::ScriptArgs;

/// Evaluate a script and check its definitions, without building or fetching anything
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    script: ScriptArgs,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Result<(), Failure> {
    let plan = args.script.plan(Selection::Every, printer)?;
    let settings = args.script.marshal_settings(Some(""))?;
    let mut report = String::new();
    // Writing to a String can't fail.
    for output in plan.outputs(&Pins::new(), &settings) {
        let name = output.name.as_deref().unwrap_or("(default)");
        let ops = output.definition.message().def.len().saturating_sub(1);
        let plural = if ops == 1 { "op" } else { "ops" };
        let about = output
            .description
            .map(|text| format!(": {}", clean_output(&text)))
            .unwrap_or_default();
        let _infallible = writeln!(report, "{name}: {}, {ops} {plural}{about}", output.platform);
    }
    for arg in plan.args() {
        let default = arg
            .default
            .as_ref()
            .map(|value| format!(" = {value}"))
            .unwrap_or_default();
        let about = arg
            .description
            .as_ref()
            .map(|text| format!(": {}", clean_output(text)))
            .unwrap_or_default();
        let _infallible = writeln!(report, "--arg {}{default}{about}", arg.name);
    }
    printer.data(report.as_bytes())
}
