//! `luakit build --call`: what is asked of a script instead of a build. No engine is asked for it.

use std::sync::Arc;

use luakit_diagnostic::SourceFile;
use luakit_frontend::subrequest::{self, Request};
use luakit_frontend::{Plan, PlanError};
use luakit_script::NamedContexts;

use crate::failure::{Failure, Kind};
use crate::flags::call::{self, Call};
use crate::printer::Printer;
use crate::script::{ScriptArgs, planning_failure};

/// What is asked instead of a build.
#[derive(Debug, clap::Args)]
pub(crate) struct CallArgs {
    /// Instead of building, `check` the script, or list what the target takes (`outline`) or the `targets`; with
    /// `,format=json` for programs. What else is given may stay as it is for a build
    #[arg(long, alias = "print", value_name = "METHOD", value_parser = call::parse)]
    call: Option<Call>,
    /// Check the script instead of building it: short for `--call=check`
    #[arg(long, conflicts_with = "call")]
    check: bool,
}

/// What a script is asked with.
pub(crate) struct Asked<'a> {
    pub(crate) script: &'a ScriptArgs,
    pub(crate) target: Option<&'a str>,
    pub(crate) contexts: &'a NamedContexts,
    /// The targets that must be there, besides.
    pub(crate) targets: &'a [String],
}

impl CallArgs {
    /// What is asked; `None` is a build.
    pub(crate) fn get(&self) -> Option<(Request, &Call)> {
        let call = if self.check { &Call::CHECK } else { self.call.as_ref()? };
        Some((call.request?, call))
    }
}

/// Asks, and writes the answer to stdout.
pub(crate) fn run(request: Request, call: &Call, asked: &Asked<'_>, printer: &Printer) -> Result<(), Failure> {
    if request == Request::Describe {
        return write(call, &subrequest::describe(), printer);
    }
    let selection = request.selection(asked.target);
    let (file, plan) = asked.script.evaluate_quietly(selection, asked.contexts, printer)?;
    let plan = plan.and_then(|plan| {
        plan.check_targets(asked.targets)
            .map(|()| plan)
            .map_err(PlanError::from)
    });
    if request == Request::Lint {
        return check(call, plan, &file, printer);
    }
    let plan = plan.map_err(planning_failure)?;
    let answer = match request {
        Request::Targets => subrequest::targets(&plan, &file),
        _ => subrequest::outline(&plan, &file, &asked.script.args()?),
    };
    write(call, &answer, printer)
}

fn write(call: &Call, answer: &subrequest::Answer, printer: &Printer) -> Result<(), Failure> {
    if call.json {
        return printer.data(format!("{}\n", answer.json).as_bytes());
    }
    printer.data(answer.text.as_bytes())
}

/// Tells warnings on stdout, as the answer that they are, and an error as any other.
fn check(call: &Call, plan: Result<Plan, PlanError>, file: &Arc<SourceFile>, printer: &Printer) -> Result<(), Failure> {
    let checked = subrequest::lint(plan.as_ref(), file, &[]);
    if !call.json {
        match (checked.warnings, plan.is_ok()) {
            (0, false) => {}
            (0, true) => printer.data(b"Check complete, no warnings found.\n")?,
            (1, _) => printer.data(b"Check complete, 1 warning has been found!\n")?,
            (count, _) => printer.data(format!("Check complete, {count} warnings have been found!\n").as_bytes())?,
        }
    }
    write(call, &checked.answer, printer)?;
    plan.map_err(planning_failure)?;
    if checked.warnings > 0 && !call.ignore_status {
        // The answer says it all.
        return Err(Failure::several(Kind::Build, Vec::new()));
    }
    Ok(())
}
