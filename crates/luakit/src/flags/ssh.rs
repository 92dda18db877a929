//! `--ssh default|ID[=SOCKET[,raw=true]|KEY[,KEY]]`: an SSH agent that steps may use, as docker buildx writes it
//! (<https://docs.docker.com/reference/cli/docker/buildx/build/#ssh>), and `buildctl build`
//! (`cmd/buildctl/build/ssh.go` of <https://github.com/moby/buildkit>), which has `raw`.

use std::path::{Path, PathBuf};

use luakit_buildkit::SshSource;
use luakit_frontend::values::parse_bool;

use crate::failure::Failure;

/// One `--ssh`. Of several for one id the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SshSpec {
    pub(crate) id: String,
    /// A socket or keys; nothing is the caller's agent.
    pub(crate) paths: Vec<PathBuf>,
    /// Whether the socket is passed on as it is, agent or not.
    pub(crate) raw: bool,
}

/// Reads one `--ssh`. Somebody may have given the key itself, so errors don't repeat it.
pub(crate) fn parse(text: &str) -> Result<SshSpec, String> {
    let (id, mut paths) = match text.split_once('=') {
        Some((id, paths)) => (id, paths.split(',').collect()),
        None => (text, Vec::new()),
    };
    let mut raw = false;
    if let Some(word) = paths.last().and_then(|last| last.strip_prefix("raw=")) {
        raw = parse_bool(word).ok_or("`raw` must be `true` or `false`")?;
        paths.pop();
    }
    if id.is_empty() {
        return Err("it has no name: `default`, or ID=KEY".to_owned());
    }
    if id.contains(['/', ',']) {
        return Err("a path is no name: for a key of the usual agent's, `default=KEY`".to_owned());
    }
    if paths.iter().any(|path| path.is_empty()) {
        return Err("it names no file after `=` or `,`".to_owned());
    }
    Ok(SshSpec {
        id: id.to_owned(),
        paths: paths.into_iter().map(PathBuf::from).collect(),
        raw,
    })
}

impl SshSpec {
    /// What is behind it; `agent` is the caller's own agent.
    pub(crate) fn source(&self, agent: Option<&Path>) -> Result<SshSource, Failure> {
        let paths = match (self.paths.is_empty(), agent) {
            (false, _) => self.paths.clone(),
            (true, Some(agent)) => vec![agent.to_owned()],
            (true, None) => {
                let id = &self.id;
                return Err(
                    Failure::usage(format!("no ssh agent runs for `--ssh {id}`: `SSH_AUTH_SOCK` isn't set"))
                        .hint(format!("start one, or name a key: `--ssh {id}=KEY`")),
                );
            }
        };
        SshSource::from_paths(&self.id, paths, self.raw).map_err(|e| Failure::usage(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_those_of_buildx() {
        let texts = [
            "default",
            "default=/run/agent.sock",
            "deploy=a,b",
            "socket=/run/any.sock,raw=true",
            "socket=/run/any.sock,raw=perhaps",
            "",
            "=a",
            "deploy=",
            "deploy=a,,b",
            "~/.ssh/id_ed25519",
        ];
        let said = texts.map(|text| match parse(text) {
            Ok(spec) => format!(
                "{text} -> {} {:?}{}",
                spec.id,
                spec.paths,
                if spec.raw { " raw" } else { "" }
            ),
            Err(error) => format!("{text} -> {error}"),
        });
        insta::assert_snapshot!(said.join("\n"), @r#"
        default -> default []
        default=/run/agent.sock -> default ["/run/agent.sock"]
        deploy=a,b -> deploy ["a", "b"]
        socket=/run/any.sock,raw=true -> socket ["/run/any.sock"] raw
        socket=/run/any.sock,raw=perhaps -> `raw` must be `true` or `false`
         -> it has no name: `default`, or ID=KEY
        =a -> it has no name: `default`, or ID=KEY
        deploy= -> it names no file after `=` or `,`
        deploy=a,,b -> it names no file after `=` or `,`
        ~/.ssh/id_ed25519 -> a path is no name: for a key of the usual agent's, `default=KEY`
        "#);
    }

    #[test]
    fn without_a_path_it_is_the_callers_agent() {
        let spec = parse("default").unwrap();
        let told = |agent| spec.source(agent).unwrap_err().diagnostics()[0].message.clone();
        assert_eq!(
            told(None),
            "no ssh agent runs for `--ssh default`: `SSH_AUTH_SOCK` isn't set"
        );
        let missing = told(Some(Path::new("/nonexistent/agent")));
        assert!(missing.contains("/nonexistent/agent"), "{missing}");
    }
}
