//! What `build`, `dag`, `validate` and `lock` share: the script, what it is evaluated with, and where it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use std::sync::Arc;

use luakit_frontend::ignore;
use luakit_frontend::plan::MarshalSettings;
use luakit_frontend::{Plan, PlanError, Request, Selection};
use luakit_llb::Platform;
use luakit_script::{DirLoader, Limits};
use sha2::{Digest as _, Sha256};

use crate::environment;
use crate::failure::{Failure, Kind, reason};
use crate::printer::Printer;

/// The script, and what it is evaluated with.
#[derive(Debug, clap::Args)]
pub(crate) struct ScriptArgs {
    /// The script
    #[arg(value_name = "SCRIPT", default_value = "build.lua")]
    pub(crate) script: PathBuf,
    /// The build context: what `bk.local_("context")` is, and what the script may read
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) context: PathBuf,
    /// Set a build argument; without a value, to the environment variable of that name
    #[arg(
        long = "arg",
        visible_aliases = ["build-arg", "frontend-arg"],
        value_name = "NAME[=VALUE]",
        value_parser = parse_arg
    )]
    arg: Vec<(String, Option<String>)>,
    /// Build for these platforms, separated by commas [default: the script's own, else linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',', value_parser = parse_platform)]
    pub(crate) platform: Vec<Platform>,
    /// Stop the script after this time, as `30s`, `2m` or seconds
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    timeout: Duration,
    /// Stop the script when it needs more memory, as `512m` or bytes
    #[arg(long, value_name = "SIZE", default_value = "512m", value_parser = parse_size)]
    memory_limit: usize,
}

impl ScriptArgs {
    /// Evaluates the script for its platforms and chooses exports, and tells what is odd about it.
    pub(crate) fn plan(&self, selection: Selection<'_>, printer: &Printer) -> Result<Plan, Failure> {
        let script = self.read()?;
        let loader = DirLoader::open(Some(&self.script_dir()), Some(self.context_dir()?))
            .map_err(|e| Failure::usage(format!("can't open the context: {}", reason(&e))))?;
        let lines = *printer;
        let request = Request {
            script_name: self.script_name(),
            script,
            loader: Arc::new(loader),
            args: self.args()?,
            limits: self.limits(),
            print: Arc::new(move |line| lines.line(line)),
            selection,
            platforms: self.platform.clone(),
            default_platform: Platform::linux_amd64(),
            build_platform: Platform::linux_amd64(),
        };
        let plan = Plan::evaluate(&request).map_err(planning_failure)?;
        for warning in plan.warnings() {
            printer.diagnostic(warning);
        }
        Ok(plan)
    }

    /// What definitions are marshalled with.
    pub(crate) fn marshal_settings(&self, local_unique: Option<&str>) -> Result<MarshalSettings, Failure> {
        Ok(MarshalSettings {
            local_unique: local_unique.map_or_else(|| local_unique_of(&self.context), str::to_owned),
            context_excludes: self.context_excludes()?,
        })
    }

    /// The patterns of the ignore file: the script's own, else the context's.
    fn context_excludes(&self) -> Result<Vec<String>, Failure> {
        let script = self
            .script
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let [own, contexts] = ignore::candidates(&script);
        for path in [self.script_dir().join(own), self.context.join(contexts)] {
            match std::fs::read(&path) {
                Ok(text) => return Ok(ignore::patterns(&text)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => {
                    return Err(Failure::usage(format!(
                        "can't read `{}`: {}",
                        path.display(),
                        reason(&e)
                    )));
                }
            }
        }
        Ok(Vec::new())
    }

    /// The script's text.
    fn read(&self) -> Result<Vec<u8>, Failure> {
        std::fs::read(&self.script).map_err(|e| {
            let failure = Failure::usage(format!(
                "can't read the script `{}`: {}",
                self.script.display(),
                reason(&e)
            ));
            match e.kind() {
                std::io::ErrorKind::NotFound => failure.hint("name the script: `luakit build path/to/build.lua`"),
                _ => failure,
            }
        })
    }

    /// The directory that the script is in.
    pub(crate) fn script_dir(&self) -> PathBuf {
        let parent = self.script.parent().filter(|p| !p.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).to_owned()
    }

    /// What the script is called in messages and source maps: its path in the context, else its file name. It
    /// goes into definitions, so it names nothing of this machine.
    pub(crate) fn script_name(&self) -> String {
        let within = || {
            let script = self.script.canonicalize().ok()?;
            let context = self.context.canonicalize().ok()?;
            let relative = script.strip_prefix(context).ok()?.to_str()?.to_owned();
            (!relative.is_empty()).then_some(relative)
        };
        let file_name = || self.script.file_name().map(|name| name.to_string_lossy().into_owned());
        within().or_else(file_name).unwrap_or_else(|| "build.lua".to_owned())
    }

    /// The build context, which must be a directory.
    pub(crate) fn context_dir(&self) -> Result<&Path, Failure> {
        match std::fs::metadata(&self.context) {
            Ok(metadata) if metadata.is_dir() => Ok(&self.context),
            Ok(_) => Err(Failure::usage(format!(
                "the context `{}` is not a directory",
                self.context.display()
            ))),
            Err(e) => Err(Failure::usage(format!(
                "can't read the context `{}`: {}",
                self.context.display(),
                reason(&e)
            ))),
        }
    }

    /// Build arguments by name. One that takes its value from an unset variable is not given; of several, the
    /// last counts.
    pub(crate) fn args(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut args = BTreeMap::new();
        for (name, value) in &self.arg {
            let value = match value {
                Some(value) => value.clone(),
                None => match environment::variable(name).map(std::ffi::OsString::into_string) {
                    Some(Ok(value)) => value,
                    Some(Err(_)) => return Err(Failure::usage(format!("the variable `{name}` is not UTF-8 text"))),
                    None => continue,
                },
            };
            args.insert(name.clone(), value);
        }
        Ok(args)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            timeout: self.timeout,
            memory: self.memory_limit,
        }
    }
}

/// What tells a context from others on an engine: it stays the same for a directory, and differs between two.
fn local_unique_of(context: &Path) -> String {
    let path = context.canonicalize().unwrap_or_else(|_| context.to_owned());
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex::encode(digest).chars().take(25).collect()
}

fn planning_failure(error: PlanError) -> Failure {
    match error {
        PlanError::Script(failure) => Failure::new(Kind::Script, *failure.diagnostic),
        PlanError::Target(error) => Failure::usage(error.to_string()).hint(error.hint()),
    }
}

fn parse_arg(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    if name.is_empty() {
        return Err("an argument has a name: NAME=VALUE".to_owned());
    }
    Ok((name.to_owned(), value))
}

pub(crate) fn parse_platform(text: &str) -> Result<Platform, String> {
    text.parse::<Platform>().map_err(|e| e.to_string())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: it must be like `30s`, `500ms`, `2m` or `1h`");
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(number * scale) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(wrong()),
    }
}

fn parse_size(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is no size: it must be like `512m`, `1g` or a number of bytes");
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(wrong()),
    };
    let number: usize = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(1 << shift) {
        Some(size) if size > 0 => Ok(size),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_those_of_docker() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert!(parse_duration("0s").is_err());
        assert!(parse_duration("soon").is_err());
        assert_eq!(parse_size("512m"), Ok(512 << 20));
        assert_eq!(parse_size("1048576"), Ok(1 << 20));
        assert!(parse_size("0").is_err());
        assert!(parse_size("99999999999999999999g").is_err());
    }
}
