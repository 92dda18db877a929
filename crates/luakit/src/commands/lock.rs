//! `luakit lock`: writes what the script's references mean now.

use std::path::{Path, PathBuf};

use luakit_diagnostic::Diagnostic;
use luakit_frontend::fetch::{Fetcher, GitCommand, SecretError, Secrets};
use luakit_frontend::lock::{self, Change, LockError, Unreached, Update};
use luakit_frontend::resolve::Failure::{TimedOut, Unreachable};
use luakit_frontend::resolve::ResolveErrors;
use luakit_frontend::{Plan, Selection};
use luakit_llb::Pins;

use crate::environment::Environment;
use crate::failure::{Failure, Kind};
use crate::flags::secret::{self, SecretSpec};
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
    /// Drop the pins that this run doesn't reach. Otherwise they stay: a run for other platforms, with other arguments
    /// or of another script may need them
    #[arg(long)]
    prune: bool,
    /// A secret that git remotes and downloads may be shown, by the name that the script gives it (for git else
    /// `GIT_AUTH_TOKEN` or `GIT_AUTH_HEADER`): a file's content, or an environment variable's. Without either, the
    /// variable of that name, else the file of that name
    #[arg(long, value_name = "id=NAME[,src=FILE|env=VAR]", value_parser = secret::parse)]
    secret: Vec<SecretSpec>,
    /// Also write the pins to stdout as a BuildKit source policy
    #[arg(long)]
    policy: bool,
    #[command(flatten)]
    registries: RegistryArgs,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Result<(), Failure> {
    let environment = Environment::read()?;
    let plan = args.script.plan(Selection::Every, printer);
    let plan = plan.map_err(|failure| with_swallowed_script(failure, &args))?;
    let reached = plan.reached();
    let file = LockFile::find(args.lock.as_deref(), &args.script);
    let old = file.read(false)?;
    let update = match &args.update {
        None => Update::Missing,
        Some(names) if names.is_empty() => Update::All,
        Some(names) => Update::Named(names.clone()),
    };
    let unreached = if args.prune { Unreached::Pruned } else { Unreached::Kept };
    let registry = args.registries.registry(&environment)?;
    let network = network(&environment);
    let parallel = network.parallel;
    let git = GitCommand {
        ssh_command: environment.ssh_command.clone(),
        ..GitCommand::default()
    };
    let fetcher = Fetcher::new(network, git, secrets(args.secret));
    let known = old.clone().unwrap_or_default();
    let pins = block_on(lock::bring_up_to_date(
        &known, &reached, &update, unreached, &registry, &fetcher, parallel,
    ))?;
    let pins = pins.map_err(|error| lock_failure(error, &plan))?;
    if old.as_ref() != Some(&pins) {
        output_file::write(&file.path, lock::write(&pins).as_bytes())?;
    }
    report(&file, &known, &pins, printer);
    report_unreached(&lock::unreached(&reached, &pins), printer);
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

/// Says how many pins stay without being reached: they are old ones, or another run's.
fn report_unreached(pins: &Pins, printer: &Printer) {
    let count = pins.images().count() + pins.commits().count() + pins.files().count();
    let these = match count {
        0 => return,
        1 => "1 pin that this run doesn't reach; `--prune` drops it".to_owned(),
        n => format!("{n} pins that this run doesn't reach; `--prune` drops them"),
    };
    printer.line(&format!("kept {these}"));
}

/// Each is read when a source needs it.
fn secrets(given: Vec<SecretSpec>) -> Secrets {
    Secrets::new(move |id| match secret::find(&given, id) {
        None => Ok(None),
        Some(spec) => spec.value().map(Some).map_err(|reason| SecretError {
            id: id.to_owned(),
            reason,
        }),
    })
}

/// `--update` takes the script's name for one of a pin when it comes first.
fn with_swallowed_script(failure: Failure, args: &Args) -> Failure {
    let names = args.update.iter().flatten();
    match names.into_iter().find(|name| Path::new(name).is_file()) {
        Some(script) if !args.script.script().exists() => failure.hint(script_first(script)),
        _ => failure,
    }
}

fn script_first(script: &str) -> String {
    format!("the script or its directory comes first: `luakit lock {script} --update`")
}

/// What to tell of images that can't be looked up. A lock file, which helps a build past a registry, is what is being
/// written here.
fn unlocked(errors: &ResolveErrors, plan: &Plan) -> Vec<Diagnostic> {
    let told = errors.0.iter().zip(plan.unresolved(errors));
    let told = told.map(|(error, diagnostic)| match &error.failure {
        Unreachable { .. } | TimedOut { .. } => {
            let domain = error.reference.domain();
            let hint = format!(
                "a mirror that can be reached: `mirrors` under `[registry.\"{domain}\"]` in luakit/registries.toml"
            );
            diagnostic.with_hint(hint)
        }
        _ => diagnostic,
    });
    told.collect()
}

fn lock_failure(error: LockError, plan: &Plan) -> Failure {
    let kind = match error {
        LockError::Unknown { .. } => Kind::Usage,
        LockError::Unresolved { .. } => Kind::Build,
    };
    let diagnostics = match &error {
        LockError::Unknown { .. } => error.diagnostics(),
        LockError::Unresolved { images, others } => {
            let images = images.iter().flat_map(|errors| unlocked(errors, plan));
            images.chain(others.iter().map(|other| plan.unpinned(other))).collect()
        }
    };
    let failure = Failure::several(kind, diagnostics);
    match error {
        LockError::Unknown { name, .. } if Path::new(&name).exists() => failure.hint(script_first(&name)),
        _ => failure,
    }
}
