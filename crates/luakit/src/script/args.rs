//! The flags that name a script and what it is evaluated with, and their values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use luakit_llb::Platform;
use luakit_script::Limits;

use crate::environment::{self, Environment};
use crate::failure::{Failure, reason};
use crate::flags::{build_arg, duration, platform, size};
use crate::options::epoch;
use crate::piped;

/// What a script is called unless it is named.
const SCRIPT: &str = "build.lua";

/// What names a script that comes on stdin.
const PIPED: &str = "-";

/// What such a script is called. It counts as a file of the context: its modules, its lock file and its ignore file are
/// the context's.
const PIPED_NAME: &str = "stdin";

/// The script, and what it is evaluated with.
#[derive(Debug, clap::Args)]
pub(crate) struct ScriptArgs {
    /// The script, `-` on stdin; or a directory, which is the build context and holds `build.lua` unless `--file` names
    /// the script [default: build.lua]
    #[arg(value_name = "SCRIPT|DIR")]
    path: Option<PathBuf>,
    /// The script, where a directory is given; `-` is stdin
    #[arg(short, long, value_name = "SCRIPT")]
    file: Option<PathBuf>,
    /// What stdin has, which can be read once.
    #[arg(skip)]
    piped: OnceLock<Vec<u8>>,
    /// The build context: what `bk.local_("context")` is, and what the script may read [default: the directory that was
    /// given, else the current one]
    #[arg(long, value_name = "DIR")]
    context: Option<PathBuf>,
    /// Set a build argument; without a value, to the environment variable of that name
    #[arg(
        long = "arg",
        visible_aliases = ["build-arg", "frontend-arg"],
        value_name = "NAME[=VALUE]",
        value_parser = build_arg::parse
    )]
    pub(super) arg: Vec<(String, Option<String>)>,
    /// Platforms, separated by commas: a build takes several, a definition or a graph holds one; `local` is the engine's
    /// [default: the script's own, else the engine's, else linux/amd64]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',', value_parser = platform::wanted)]
    pub(super) platform: Vec<platform::Wanted>,
    /// Stop the script after this time, as `30s`, `2m` or seconds
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse, help_heading = "Limits of the script")]
    timeout: Duration,
    /// Stop the script when it needs more memory, as `512m` or bytes
    #[arg(long, value_name = "SIZE", default_value = "512m", value_parser = size::parse, help_heading = "Limits of the script")]
    memory_limit: usize,
}

impl ScriptArgs {
    /// The script's path.
    pub(crate) fn script(&self) -> PathBuf {
        match (&self.file, &self.path) {
            _ if self.is_piped() => self.context().join(PIPED_NAME),
            (Some(file), _) => file.clone(),
            (None, Some(dir)) if dir.is_dir() => dir.join(SCRIPT),
            (None, Some(script)) => script.clone(),
            (None, None) => PathBuf::from(SCRIPT),
        }
    }

    /// Whether the script comes on stdin.
    fn is_piped(&self) -> bool {
        let named = self.file.as_deref().or(self.path.as_deref());
        named.is_some_and(|name| name == Path::new(PIPED))
    }

    /// The context's path.
    pub(crate) fn context(&self) -> &Path {
        let given = self.path.as_deref();
        let given = given.filter(|path| self.file.is_some() || path.is_dir() && !self.is_piped());
        self.context.as_deref().or(given).unwrap_or(Path::new("."))
    }

    /// Adds what docker's clients give every build by themselves, where the flags don't say it: the platforms of
    /// `DOCKER_DEFAULT_PLATFORM`, and the proxies of Docker's configuration as build arguments.
    pub(crate) fn complete(&mut self, environment: &Environment) -> Result<(), Failure> {
        if let Some(platforms) = environment
            .default_platform
            .as_deref()
            .filter(|_| self.platform.is_empty())
        {
            let platforms = platforms.split(',').map(|text| platform::wanted(text.trim()));
            let platforms: Result<_, String> = platforms.collect();
            self.platform =
                platforms.map_err(|why| Failure::usage(format!("the variable `DOCKER_DEFAULT_PLATFORM`: {why}")))?;
        }
        let proxies = environment.engines.proxies();
        for (name, value) in proxies.map_err(|why| Failure::usage(why.to_string()))? {
            if !self.arg.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                self.arg.push((name.to_owned(), Some(value)));
            }
        }
        Ok(())
    }

    /// Refuses two contexts.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match (&self.file, &self.path, &self.context) {
            (Some(_), Some(path), Some(context)) => Err(Failure::usage(format!(
                "`{}` and `--context {}` both name the context",
                path.display(),
                context.display()
            ))
            .hint("leave one of them out")),
            _ => Ok(()),
        }
    }

    /// The script's text.
    pub(super) fn read(&self) -> Result<Vec<u8>, Failure> {
        if self.is_piped() {
            return self.read_stdin();
        }
        std::fs::read(self.script()).map_err(|e| {
            let failure = Failure::usage(format!(
                "can't read the script `{}`: {}",
                self.script().display(),
                reason(&e)
            ));
            match e.kind() {
                std::io::ErrorKind::NotFound if self.names_remote() => failure.hint(
                    "a context is a directory of this machine: clone it, or let `docker build URL` read it, with a first \
                     line `# syntax=IMAGE` in the script",
                ),
                std::io::ErrorKind::NotFound => failure.hint("name the script: `luakit build path/to/build.lua`"),
                _ => failure,
            }
        })
    }

    /// Whether the context or the script looks like a URL, or like a git remote.
    fn names_remote(&self) -> bool {
        let named = self.path.as_deref().and_then(Path::to_str).unwrap_or_default();
        named.contains("://") || named.starts_with("git@")
    }

    fn read_stdin(&self) -> Result<Vec<u8>, Failure> {
        if let Some(text) = self.piped.get() {
            return Ok(text.clone());
        }
        let text = piped::read("script", "`luakit build -f - . < build.lua`")?;
        Ok(self.piped.get_or_init(|| text).clone())
    }

    /// The directory that the script is in.
    pub(crate) fn script_dir(&self) -> PathBuf {
        let script = self.script();
        let parent = script.parent().filter(|p| !p.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).to_owned()
    }

    /// Build arguments by name. One that takes its value from an unset variable is not given; of several, the
    /// last counts. `SOURCE_DATE_EPOCH` need not be asked for: the variable is the argument.
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
        if !args.contains_key(epoch::NAME)
            && let Some(value) = environment::variable(epoch::NAME).and_then(|value| value.into_string().ok())
            && !value.is_empty()
        {
            args.insert(epoch::NAME.to_owned(), value);
        }
        Ok(args)
    }

    /// The platforms that are asked for whatever engine builds.
    pub(crate) fn named_platforms(&self) -> Vec<Platform> {
        let named = self.platform.iter().filter_map(|wanted| match wanted {
            platform::Wanted::Local => None,
            platform::Wanted::Exactly(platform) => Some(platform.clone()),
        });
        named.collect()
    }

    /// What the script may use up.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            timeout: self.timeout,
            memory: self.memory_limit,
        }
    }
}
