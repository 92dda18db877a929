//! `luakit lock`: writes what the script's references mean now.

use std::path::PathBuf;

use luakit_diagnostic::Diagnostic;
use luakit_frontend::Selection;
use luakit_frontend::fetch::{Fetcher, GitCommand, Secrets};
use luakit_frontend::lock::{self, Change, LockError, Update};
use luakit_llb::Pins;

use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::output_file;
use crate::printer::Printer;
use crate::resolution::{LockFile, RegistryArgs, network};
use crate::runtime::block_on;
use crate::script::ScriptArgs;

/// Pin everything that a script reaches, for all its targets and platforms, in a lock file
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    script: ScriptArgs,
    /// The lock file [default: luakit.lock beside the script]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Look these pins up again, or all: an image, a git remote with or without `#ref`, a URL
    #[arg(long, value_name = "REF", num_args = 0..)]
    update: Option<Vec<String>>,
    /// Also write the pins to stdout as a BuildKit source policy
    #[arg(long)]
    policy: bool,
    #[command(flatten)]
    registries: RegistryArgs,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Result<(), Failure> {
    let environment = Environment::read();
    let plan = args.script.plan(Selection::Every, printer)?;
    let reached = plan.reached();
    let file = LockFile::find(args.lock.as_deref(), &args.script);
    let old = file.read(false)?;
    let update = match args.update {
        None => Update::Missing,
        Some(names) if names.is_empty() => Update::All,
        Some(names) => Update::Named(names),
    };
    let registry = args.registries.registry(&environment)?;
    let network = network(&environment);
    let parallel = network.parallel;
    let fetcher = Fetcher::new(network, GitCommand::default(), Secrets::default());
    let known = old.clone().unwrap_or_default();
    let pins = block_on(lock::bring_up_to_date(
        &known, &reached, &update, &registry, &fetcher, parallel,
    ))?;
    let pins = pins.map_err(lock_failure)?;
    report(&file, &known, &pins, printer);
    if old.as_ref() != Some(&pins) {
        output_file::write(&file.path, lock::write(&pins).as_bytes())?;
    }
    if args.policy {
        let policy = lock::source_policy(&pins)
            .map_err(|e| Failure::new(Kind::Build, Diagnostic::error("policy", e.to_string())))?;
        printer.data(policy.as_bytes())?;
    }
    Ok(())
}

/// Says what the file pins now that it did not before.
fn report(file: &LockFile, old: &Pins, new: &Pins, printer: &Printer) {
    let changes = lock::diff(old, new);
    for Change { subject, from, to } in &changes {
        match (from, to) {
            (None, Some(to)) => printer.line(&format!("added {subject}: {to}")),
            (Some(from), Some(to)) => printer.line(&format!("moved {subject}: {from} -> {to}")),
            (Some(from), None) => printer.line(&format!("removed {subject}: {from}")),
            (None, None) => {}
        }
    }
    if changes.is_empty() {
        printer.line(&format!("`{}` is up to date", file.path.display()));
    }
}

fn lock_failure(error: LockError) -> Failure {
    let kind = match error {
        LockError::Unknown { .. } => Kind::Usage,
        LockError::Unresolved { .. } => Kind::Build,
    };
    Failure::several(kind, error.diagnostics())
}
