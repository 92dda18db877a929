//! What references mean: the flags of it, and the lock file, an engine's absence, and registries behind them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use luakit_diagnostic::SourceFile;
use luakit_frontend::lock;
use luakit_frontend::resolve::{Network, Registry, RegistryConfig, platform_warnings, resolve};
use luakit_frontend::{DocumentError, Plan};
use luakit_llb::{Pins, Reached};

use crate::commands::script::ScriptArgs;
use crate::environment::Environment;
use crate::failure::{Failure, Kind, reason};
use crate::printer::Printer;

/// How references are resolved.
#[derive(Debug, clap::Args)]
pub(crate) struct ResolutionArgs {
    /// The lock file [default: luakit.lock beside the script]
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Refuse to build what the lock file does not pin
    #[arg(long, conflicts_with = "resolve")]
    locked: bool,
    /// Whether images are resolved: `auto` takes them from the lock file, else from their registries; `never`
    /// leaves every reference as it is written, without what its image's config says
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    resolve: Resolve,
    #[command(flatten)]
    registries: RegistryArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Resolve {
    Auto,
    Never,
}

/// How registries are reached.
#[derive(Debug, clap::Args)]
pub(crate) struct RegistryArgs {
    /// Mirrors, certificates and plain-http registries [default: luakit/registries.toml in the user's
    /// configuration]
    #[arg(long, value_name = "FILE")]
    registry_config: Option<PathBuf>,
}

impl ResolutionArgs {
    /// What the references of a plan mean.
    pub(crate) fn pins(&self, script: &ScriptArgs, plan: &Plan, printer: &Printer) -> Result<Pins, Failure> {
        if self.resolve == Resolve::Never {
            return Ok(Pins::new());
        }
        let reached = plan.reached();
        let file = LockFile::find(self.lock.as_deref(), script);
        let locked = file.read(self.lock.is_some())?.unwrap_or_default();
        if self.locked {
            lock::check(&reached, &locked).map_err(|e| Failure::new(Kind::Script, e.diagnostic()))?;
        }
        let mut pins = lock::select(&reached, &locked);
        if reached
            .images
            .iter()
            .any(|(reference, platform)| pins.image(reference, platform).is_none())
        {
            let registry = self.registries.registry(&Environment::read())?;
            pins = block_on(resolve_images(pins, &locked, &reached, &registry))??;
        }
        for warning in platform_warnings(&pins) {
            printer.diagnostic(&warning);
        }
        Ok(pins)
    }
}

/// Adds the images that a lock file lacks. It is given whole: a new platform of a locked image comes from the index
/// that the others came from.
async fn resolve_images(
    mut pins: Pins,
    locked: &Pins,
    reached: &Reached,
    registry: &Registry,
) -> Result<Pins, Failure> {
    let parallel = Network::default().parallel;
    let images = resolve(reached.images.iter().cloned(), locked, registry, parallel).await;
    let images = images.map_err(|e| Failure::several(Kind::Build, e.diagnostics()))?;
    for ((reference, platform), image) in images {
        pins.insert_image(reference, platform, image);
    }
    Ok(pins)
}

/// Runs what waits for the network.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::internal(format!("can't start: {e}")))?;
    Ok(runtime.block_on(work))
}

/// The network, by the proxies of the environment.
pub(crate) fn network(environment: &Environment) -> Network {
    Network {
        http_proxy: environment.http_proxy.clone(),
        https_proxy: environment.https_proxy.clone(),
        no_proxy: environment.no_proxy.clone(),
        ..Network::default()
    }
}

impl RegistryArgs {
    /// The way to registries.
    pub(crate) fn registry(&self, environment: &Environment) -> Result<Registry, Failure> {
        Ok(Registry::new(
            self.config(environment)?,
            environment.docker_config.clone(),
            network(environment),
        ))
    }

    fn config(&self, environment: &Environment) -> Result<RegistryConfig, Failure> {
        let default = environment
            .config_home
            .as_ref()
            .map(|dir| dir.join("luakit/registries.toml"));
        let Some(path) = self.registry_config.clone().or(default) else {
            return Ok(RegistryConfig::default());
        };
        match read_document(&path) {
            Ok(Some(file)) => {
                let dir = path.parent().unwrap_or(Path::new("."));
                RegistryConfig::parse(file, dir).map_err(|e| document_failure(Kind::Usage, &e))
            }
            Ok(None) if self.registry_config.is_none() => Ok(RegistryConfig::default()),
            Ok(None) => Err(Failure::usage(format!("there is no file `{}`", path.display()))),
            Err(failure) => Err(failure),
        }
    }
}

/// A lock file's place.
pub(crate) struct LockFile {
    pub(crate) path: PathBuf,
}

impl LockFile {
    /// The one that was named, else `luakit.lock` beside the script.
    pub(crate) fn find(named: Option<&Path>, script: &ScriptArgs) -> Self {
        let default = || script.script.with_file_name("luakit.lock");
        Self {
            path: named.map_or_else(default, Path::to_owned),
        }
    }

    /// What it pins; `None` when it isn't there, unless it must be.
    pub(crate) fn read(&self, required: bool) -> Result<Option<Pins>, Failure> {
        match read_document(&self.path)? {
            Some(file) => lock::parse(file)
                .map(Some)
                .map_err(|e| document_failure(Kind::Script, &e)),
            None if required => Err(
                Failure::usage(format!("there is no lock file `{}`", self.path.display()))
                    .hint("`luakit lock` writes one"),
            ),
            None => Ok(None),
        }
    }
}

/// A file as a diagnostic shows it; `None` when it isn't there.
fn read_document(path: &Path) -> Result<Option<Arc<SourceFile>>, Failure> {
    match std::fs::read(path) {
        Ok(data) => Ok(Some(SourceFile::new(path.display().to_string(), data))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::usage(format!(
            "can't read `{}`: {}",
            path.display(),
            reason(&e)
        ))),
    }
}

fn document_failure(kind: Kind, error: &DocumentError) -> Failure {
    Failure::several(kind, error.diagnostics())
}
