//! The process's environment, read once and handed on: libraries never read it.

use std::collections::BTreeMap;
use std::env::VarError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use luakit_buildkit::engines::Discovery;
use luakit_frontend::values::parse_bool;

use crate::failure::Failure;

/// What of the environment means something to `luakit`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `DOCKER_CONFIG`, else `~/.docker`.
    pub(crate) docker_config: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, else `~/.config`.
    pub(crate) config_home: Option<PathBuf>,
    /// What it says of engines.
    pub(crate) engines: Discovery,
    /// `BUILDKIT_NO_CLIENT_TOKEN`: the engine gets credentials, and fetches registries' tokens itself.
    pub(crate) no_client_token: bool,
    /// `GIT_SSH_COMMAND`, or `GIT_SSH` as such a command.
    pub(crate) ssh_command: Option<String>,
    /// `BUILDX_NO_DEFAULT_ATTESTATIONS`: nothing is attested that isn't asked for.
    pub(crate) no_default_attestations: bool,
    /// `SSH_AUTH_SOCK`: the socket of the caller's ssh agent.
    pub(crate) ssh_auth_sock: Option<PathBuf>,
    /// `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY`: the file of a source policy.
    pub(crate) source_policy: Option<PathBuf>,
    /// `DOCKER_DEFAULT_PLATFORM`: what builds are for unless `--platform` says so.
    pub(crate) default_platform: Option<String>,
    /// `SOURCE_DATE_EPOCH`.
    pub(crate) source_date_epoch: Option<String>,
    /// `BUILDKIT_PROGRESS`.
    pub(crate) buildkit_progress: Option<String>,
    /// `BUILDKIT_COLORS`.
    pub(crate) buildkit_colors: Option<String>,
    /// `BUILDKIT_TTY_LOG_LINES`.
    pub(crate) tty_log_lines: Option<String>,
    /// Where AWS's own tools would look for credentials that no variable holds: a profile, or a file.
    pub(crate) aws_profile: Option<String>,
    /// `TERM` says that nothing can be drawn.
    pub(crate) dumb_terminal: bool,
    /// `HTTP_PROXY`.
    pub(crate) http_proxy: Option<String>,
    /// `HTTPS_PROXY`.
    pub(crate) https_proxy: Option<String>,
    /// `NO_PROXY`.
    pub(crate) no_proxy: Option<String>,
}

impl Environment {
    /// Reads it. A variable that must be text and isn't is wrong usage: to take it as unset would build elsewhere.
    pub(crate) fn read() -> Result<Self, Failure> {
        let home = path("HOME");
        let beneath = |dir: &str| home.as_ref().map(|home| home.join(dir));
        let docker_config = path("DOCKER_CONFIG").or_else(|| beneath(".docker"));
        Ok(Self {
            config_home: path("XDG_CONFIG_HOME").or_else(|| beneath(".config")),
            engines: engines(docker_config.clone())?,
            docker_config,
            no_client_token: flag("BUILDKIT_NO_CLIENT_TOKEN")?,
            ssh_command: ssh_command()?,
            no_default_attestations: switch("BUILDX_NO_DEFAULT_ATTESTATIONS")?,
            ssh_auth_sock: path("SSH_AUTH_SOCK"),
            source_policy: path("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"),
            default_platform: text("DOCKER_DEFAULT_PLATFORM")?,
            source_date_epoch: text("SOURCE_DATE_EPOCH")?,
            buildkit_progress: text("BUILDKIT_PROGRESS")?,
            buildkit_colors: text("BUILDKIT_COLORS")?,
            tty_log_lines: text("BUILDKIT_TTY_LOG_LINES")?,
            aws_profile: aws_profile(home.as_deref()),
            dumb_terminal: std::env::var_os("TERM").is_some_and(|term| term == "dumb"),
            http_proxy: either("HTTP_PROXY")?,
            https_proxy: either("HTTPS_PROXY")?,
            no_proxy: either("NO_PROXY")?,
        })
    }
}

/// What of the environment says where engines are: the variables of BuildKit's and Docker's clients.
fn engines(docker_config: Option<PathBuf>) -> Result<Discovery, Failure> {
    Ok(Discovery {
        buildkit_host: text("BUILDKIT_HOST")?,
        buildx_builder: text("BUILDX_BUILDER")?,
        docker_host: text("DOCKER_HOST")?,
        docker_context: text("DOCKER_CONTEXT")?,
        docker_tls: path("DOCKER_TLS").is_some(),
        docker_tls_verify: path("DOCKER_TLS_VERIFY").is_some(),
        docker_cert_path: path("DOCKER_CERT_PATH"),
        docker_config,
        buildx_config: path("BUILDX_CONFIG"),
        runtime_dir: path("XDG_RUNTIME_DIR"),
        ..Discovery::default()
    })
}

/// The variables of a frontend that BuildKit starts, whatever they hold.
#[derive(Debug, Clone)]
pub(crate) struct FrontendEnvironment(Vec<(OsString, OsString)>);

/// What BuildKit tells a frontend that it starts.
#[derive(Debug, Clone)]
pub(crate) struct FrontendRequest {
    /// `BUILDKIT_FRONTEND_OPT_…`: what is asked for.
    pub(crate) options: BTreeMap<String, String>,
    /// `BUILDKIT_SESSION_ID`.
    pub(crate) session: String,
    /// `BUILDKIT_WORKERS`, as JSON.
    pub(crate) workers: String,
}

const SESSION: &str = "BUILDKIT_SESSION_ID";
const WORKERS: &str = "BUILDKIT_WORKERS";

impl FrontendEnvironment {
    /// Reads it; `None` when nobody started a frontend.
    pub(crate) fn read() -> Option<Self> {
        std::env::var_os(SESSION)?;
        Some(Self(std::env::vars_os().collect()))
    }

    /// What it asks for, or what is wrong with it.
    pub(crate) fn asked(self) -> Result<FrontendRequest, String> {
        let mut request = FrontendRequest {
            options: BTreeMap::new(),
            session: String::new(),
            workers: String::new(),
        };
        for (name, value) in self.0 {
            let name = name.to_string_lossy();
            let wrong = |what: &str| format!("the variable `{name}` is not {what}");
            if name.starts_with("BUILDKIT_FRONTEND_OPT_") {
                let option = value.to_str().and_then(|option| option.split_once('='));
                let (key, value) = option.ok_or_else(|| wrong("an option `KEY=VALUE`"))?;
                request.options.insert(key.to_owned(), value.to_owned());
                continue;
            }
            let place = match &*name {
                SESSION => &mut request.session,
                WORKERS => &mut request.workers,
                _ => continue,
            };
            *place = value.into_string().map_err(|_| wrong("UTF-8 text"))?;
        }
        Ok(request)
    }
}

/// A variable of the caller's, for `--arg NAME` without a value.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

fn text(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|v| !v.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::usage(format!("the variable `{name}` is not UTF-8 text"))),
    }
}

/// What AWS's tools read credentials from, as a message calls it.
fn aws_profile(home: Option<&Path>) -> Option<String> {
    let variables = ["AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"];
    if let Some(name) = variables.into_iter().find(|name| path(name).is_some()) {
        return Some(name.to_owned());
    }
    let file = home?.join(".aws/credentials");
    file.exists().then(|| "~/.aws/credentials".to_owned())
}

/// A proxy's variable, in either spelling.
fn either(name: &str) -> Result<Option<String>, Failure> {
    match text(name)? {
        Some(value) => Ok(Some(value)),
        None => text(&name.to_ascii_lowercase()),
    }
}

/// A switch, in the words of BuildKit's client; it takes others as unset.
fn flag(name: &str) -> Result<bool, Failure> {
    Ok(text(name)?.and_then(|value| parse_bool(&value)) == Some(true))
}

/// A switch that is wrong usage when it says neither yes nor no.
fn switch(name: &str) -> Result<bool, Failure> {
    let Some(value) = text(name)? else {
        return Ok(false);
    };
    parse_bool(&value).ok_or_else(|| Failure::usage(format!("the variable `{name}` must be `true` or `false`")))
}

/// `GIT_SSH_COMMAND`, else `GIT_SSH`, which is the path of a program.
fn ssh_command() -> Result<Option<String>, Failure> {
    if let Some(command) = text("GIT_SSH_COMMAND")? {
        return Ok(Some(command));
    }
    let program = text("GIT_SSH")?;
    Ok(program.map(|program| format!("'{}'", program.replace('\'', "'\\''"))))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn asked(variables: &[(&str, &[u8])]) -> String {
        let variable = |(name, value): &(&str, &[u8])| (OsString::from(name), OsString::from_vec(value.to_vec()));
        match FrontendEnvironment(variables.iter().map(variable).collect()).asked() {
            Ok(request) => format!("{:?} {:?} {:?}", request.session, request.workers, request.options),
            Err(message) => message,
        }
    }

    #[test]
    fn a_frontends_variables() {
        let all: &[(&str, &[u8])] = &[
            ("BUILDKIT_FRONTEND_OPT_1", b"label:b="),
            ("BUILDKIT_FRONTEND_OPT_0", b"target=a=b"),
            ("BUILDKIT_SESSION_ID", b"s"),
            ("BUILDKIT_WORKERS", b"[]"),
            ("OTHER", b"\xff"),
        ];
        let said = [
            asked(all),
            asked(&[("BUILDKIT_SESSION_ID", b"")]),
            asked(&[("BUILDKIT_SESSION_ID", b"\xff")]),
            asked(&[("BUILDKIT_WORKERS", b"\xff")]),
            asked(&[("BUILDKIT_FRONTEND_OPT_0", b"target")]),
            asked(&[("BUILDKIT_FRONTEND_OPT_0", b"target=\xff")]),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        "s" "[]" {"label:b": "", "target": "a=b"}
        "" "" {}
        the variable `BUILDKIT_SESSION_ID` is not UTF-8 text
        the variable `BUILDKIT_WORKERS` is not UTF-8 text
        the variable `BUILDKIT_FRONTEND_OPT_0` is not an option `KEY=VALUE`
        the variable `BUILDKIT_FRONTEND_OPT_0` is not an option `KEY=VALUE`
        "#);
    }
}
