//! Addresses as people write them, parsed into what they mean before anything is opened.
//!
//! The forms are those of BuildKit's client (`client/connhelper` of <https://github.com/moby/buildkit>) and of
//! Docker's. Parts that become arguments of a program are checked against what such a name can be, so that none can
//! be taken for an option; what a remote shell reads is quoted. A password in an address is refused and never shown.

use std::path::PathBuf;
use std::str::FromStr;

use luakit_llb::percent::{self, Plus};

use super::{CommandLine, DockerHost, Endpoint, TlsSettings};

/// What [`Address::from_str`] takes.
pub const SCHEMES: &[&str] = &[
    "unix://",
    "tcp://",
    "docker-container://",
    "podman-container://",
    "nerdctl-container://",
    "kube-pod://",
    "ssh://",
];

/// The port of an address of BuildKit's daemon that names none.
const BUILDKIT_PORT: u16 = 1234;

/// The address of a BuildKit daemon, as `--addr` and `BUILDKIT_HOST` have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `unix://PATH`.
    Unix(PathBuf),
    /// `tcp://HOST[:PORT]`; the port is 1234 unless given.
    Tcp {
        /// A name or an address, an IPv6 address without brackets.
        host: String,
        /// Its port.
        port: u16,
    },
    /// `docker-container://NAME[?context=CONTEXT]`.
    DockerContainer {
        /// The container's name.
        name: String,
        /// The docker context that it is in; without it, the Docker that the environment names.
        context: Option<String>,
    },
    /// `podman-container://`, `nerdctl-container://`, `kube-pod://`, `ssh://`: by way of a program.
    Command(CommandLine),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not `SCHEME://…`.
    #[error("`{text}` is not an address: it must begin with one of {}", list(SCHEMES))]
    NoScheme {
        /// As given, without a user.
        text: String,
    },
    /// A scheme that we don't speak.
    #[error("`{scheme}://` is not supported; these are: {}", list(known))]
    Scheme {
        /// As given.
        scheme: String,
        /// What there is.
        known: &'static [&'static str],
    },
    /// Nothing behind the scheme, or no absolute path.
    #[error("`{0}` has no absolute path to a socket")]
    Path(String),
    /// A password has no place in an address; the address isn't repeated.
    #[error("an address with `{scheme}://` can't hold a password")]
    Password {
        /// Its scheme.
        scheme: String,
    },
    /// A part that is missing or can't be what it should be.
    #[error("`{address}`: {reason}")]
    Part {
        /// As given.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// Only the environment knows the context.
    #[error("`{0}` names a docker context, which is not looked up here")]
    NeedsContext(String),
}

fn list(schemes: &[&str]) -> String {
    let quoted: Vec<String> = schemes.iter().map(|s| format!("`{s}`")).collect();
    quoted.join(", ")
}

impl FromStr for Address {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let parts = Parts::of(text)?;
        match parts.scheme {
            "unix" => parts.socket().map(Self::Unix),
            "tcp" => {
                parts.only(&[])?;
                let (host, port) = parts.tcp(BUILDKIT_PORT)?;
                Ok(Self::Tcp { host, port })
            }
            "docker-container" => {
                parts.only(&["context"])?;
                Ok(Self::DockerContainer {
                    name: parts.container()?,
                    context: parts.query("context"),
                })
            }
            "podman-container" => {
                parts.only(&[])?;
                let args = ["exec", "-i", &parts.container()?, "buildctl", "dial-stdio"].map(str::to_owned);
                Ok(parts.command("podman", args.into()))
            }
            "nerdctl-container" => {
                parts.only(&["namespace"])?;
                let mut args = vec!["exec".to_owned()];
                if let Some(namespace) = parts.query("namespace") {
                    args.push(format!("--namespace={namespace}"));
                }
                args.extend(["-i", &parts.container()?, "buildctl", "dial-stdio"].map(str::to_owned));
                Ok(parts.command("nerdctl", args))
            }
            "kube-pod" => {
                parts.only(&["context", "namespace", "container"])?;
                parts.kube_pod()
            }
            "ssh" => {
                let ssh = parts.ssh()?;
                let remote = match &ssh.path {
                    Some(socket) => format!("buildctl --addr {} dial-stdio", quote(&format!("unix://{socket}"))),
                    None => "buildctl dial-stdio".to_owned(),
                };
                Ok(parts.command("ssh", ssh.args(remote)))
            }
            scheme => Err(EndpointError::Scheme {
                scheme: scheme.to_owned(),
                known: SCHEMES,
            }),
        }
    }
}

impl Address {
    /// What to dial: `tls` for a TCP port, `docker` where a container without a context is.
    pub fn endpoint(self, tls: Option<TlsSettings>, docker: impl FnOnce() -> DockerHost) -> Endpoint {
        match self {
            Self::Unix(path) => Endpoint::Unix(path),
            Self::Tcp { host, port } => Endpoint::Tcp { host, port, tls },
            Self::DockerContainer { name, .. } => Endpoint::Container {
                docker: docker(),
                name,
                start: false,
            },
            Self::Command(command) => Endpoint::Command(command),
        }
    }
}

/// A host that ssh connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshTarget {
    /// Who logs in.
    pub user: Option<String>,
    /// Where.
    pub host: String,
    /// On which port.
    pub port: Option<u16>,
    /// What comes after the host: a socket there.
    pub path: Option<String>,
}

impl SshTarget {
    /// ssh's arguments, with what the remote shell is to run.
    pub(crate) fn args(&self, remote: String) -> Vec<String> {
        // A terminal would garble bytes, and a host that is not there should not hold us for minutes.
        let mut args = vec!["-T".to_owned(), "-o".to_owned(), "ConnectTimeout=20".to_owned()];
        if let Some(user) = &self.user {
            args.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            args.extend(["-p".to_owned(), port.to_string()]);
        }
        args.extend(["--".to_owned(), self.host.clone(), remote]);
        args
    }
}

/// An address taken apart.
pub(super) struct Parts<'a> {
    text: &'a str,
    pub(super) scheme: &'a str,
    user: Option<&'a str>,
    /// With the port.
    host: &'a str,
    path: &'a str,
    query: Vec<(String, String)>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(text: &'a str) -> Result<Self, EndpointError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            // Before the host there may be a password.
            let shown = text.rsplit_once('@').map(|(_, host)| format!("…@{host}"));
            let text = shown.unwrap_or_else(|| text.to_owned());
            return Err(EndpointError::NoScheme { text });
        };
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match before.find('/') {
            Some(at) => before.split_at(at),
            None => (before, ""),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(EndpointError::Password {
                scheme: scheme.to_owned(),
            });
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key), decode(&value.replace('+', " ")))
            })
            .collect();
        Ok(Self {
            text,
            scheme,
            user,
            host,
            path,
            query,
        })
    }

    fn wrong(&self, reason: impl Into<String>) -> EndpointError {
        EndpointError::Part {
            address: self.text.to_owned(),
            reason: reason.into(),
        }
    }

    /// The path in `unix://PATH`, verbatim.
    pub(super) fn socket(&self) -> Result<PathBuf, EndpointError> {
        let path = self.text.split_once("://").map_or("", |(_, path)| path);
        if path.starts_with('/') {
            Ok(path.into())
        } else {
            Err(EndpointError::Path(self.text.to_owned()))
        }
    }

    /// Refuses what would be ignored.
    pub(super) fn only(&self, queries: &[&str]) -> Result<(), EndpointError> {
        if let Some((key, _)) = self.query.iter().find(|(key, _)| !queries.contains(&key.as_str())) {
            return Err(self.wrong(format!("`{key}` means nothing here")));
        }
        if self.user.is_some() {
            return Err(self.wrong("a user means nothing here"));
        }
        if !matches!(self.path, "" | "/") {
            return Err(self.wrong(format!("`{}` means nothing here", self.path)));
        }
        Ok(())
    }

    /// A query's value; an empty one is none.
    pub(super) fn query(&self, key: &str) -> Option<String> {
        let found = self.query.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    }

    /// Host and port, the host without brackets.
    fn split_host(&self) -> Result<(&'a str, Option<u16>), EndpointError> {
        let (host, port) = match self.host.strip_prefix('[') {
            Some(rest) => {
                let Some((host, after)) = rest.split_once(']') else {
                    return Err(self.wrong("`[` is not closed"));
                };
                (host, after.strip_prefix(':'))
            }
            None => match self.host.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (self.host, None),
            },
        };
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().map_err(|_| self.wrong(format!("`{port}` is no port")))?),
        };
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() {
            return Err(self.wrong("there is no host"));
        }
        if host.starts_with('-') || !host.chars().all(known) {
            return Err(self.wrong(format!("`{host}` can't be a host")));
        }
        Ok((host, port))
    }

    /// A TCP port.
    pub(super) fn tcp(&self, port: u16) -> Result<(String, u16), EndpointError> {
        let (host, given) = self.split_host()?;
        Ok((host.to_owned(), given.unwrap_or(port)))
    }

    fn container(&self) -> Result<String, EndpointError> {
        let given = decode(self.host);
        name(&given).map_err(|reason| self.wrong(reason))?;
        Ok(given)
    }

    fn kube_pod(&self) -> Result<Address, EndpointError> {
        let pod_name = decode(self.host);
        pod(&pod_name).map_err(|reason| self.wrong(reason))?;
        let mut args = Vec::new();
        if let Some(context) = self.query("context") {
            args.push(format!("--context={context}"));
        }
        if let Some(namespace) = self.query("namespace") {
            pod(&namespace).map_err(|reason| self.wrong(reason))?;
            args.push(format!("--namespace={namespace}"));
        }
        args.push("exec".to_owned());
        if let Some(container) = self.query("container") {
            pod(&container).map_err(|reason| self.wrong(reason))?;
            args.push(format!("--container={container}"));
        }
        args.extend(["-i", &pod_name, "--", "buildctl", "dial-stdio"].map(str::to_owned));
        Ok(self.command("kubectl", args))
    }

    pub(super) fn ssh(&self) -> Result<SshTarget, EndpointError> {
        if let Some((key, _)) = self.query.first() {
            return Err(self.wrong(format!("`{key}` means nothing here")));
        }
        let (host, port) = self.split_host()?;
        let user = self.user.map(decode).filter(|user| !user.is_empty());
        if let Some(user) = &user {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+' | '\\');
            if user.starts_with('-') || !user.chars().all(known) {
                return Err(self.wrong(format!("`{user}` can't be a user")));
            }
        }
        let path = decode(self.path);
        if path.chars().any(char::is_control) {
            return Err(self.wrong("a control character can't be in a path"));
        }
        Ok(SshTarget {
            user,
            host: host.to_owned(),
            port,
            path: Some(path).filter(|path| !path.trim_matches('/').is_empty()),
        })
    }

    fn command(&self, program: &str, args: Vec<String>) -> Address {
        Address::Command(CommandLine {
            address: self.text.to_owned(),
            program: program.to_owned(),
            args,
        })
    }
}

/// Whether a text can name a container: <https://github.com/moby/moby/blob/master/daemon/names/names.go>.
pub(crate) fn name(text: &str) -> Result<(), String> {
    let mut chars = text.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if first && chars.all(known) {
        return Ok(());
    }
    Err(match text {
        "" => "there is no container's name".to_owned(),
        text => format!("`{text}` can't be a container's name"),
    })
}

/// Whether a text can name a pod, a namespace or a container of Kubernetes.
pub(crate) fn pod(text: &str) -> Result<(), String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(known) {
        return Ok(());
    }
    Err(match text {
        "" => "there is no pod's name".to_owned(),
        text => format!("`{text}` can't be a name in Kubernetes"),
    })
}

/// Host and port as an address has them.
pub(crate) fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// One word for a POSIX shell.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Undoes percent-encoding; what isn't any stays.
pub(crate) fn decode(text: &str) -> String {
    String::from_utf8_lossy(&percent::decode(text, Plus::Plus)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match text.parse::<Address>() {
            Ok(Address::Unix(path)) => format!("socket {}", path.display()),
            Ok(Address::Tcp { host, port }) => format!("tcp {host} {port}"),
            Ok(Address::DockerContainer { name, context }) => format!("docker {name} in {context:?}"),
            Ok(Address::Command(command)) => format!("{} {}", command.program, command.args.join(" ")),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn what_addresses_mean() {
        let addresses = [
            "unix:///run/buildkit/buildkitd.sock",
            "tcp://build.example",
            "tcp://build.example:8443",
            "tcp://[2001:db8::1]:8443/",
            "docker-container://buildx_buildkit_x0",
            "docker-container://buildkitd?context=remote%20one",
            "podman-container://buildkitd",
            "nerdctl-container://buildkitd?namespace=k8s.io",
            "kube-pod://buildkitd-0",
            "kube-pod://buildkitd-0?context=a%20b&namespace=ci&container=buildkitd",
            "ssh://build.example",
            "ssh://me@build.example:2222/run/user/1000/it's here/buildkitd.sock",
        ];
        insta::assert_snapshot!(addresses.map(parsed).join("\n"), @r#"
        socket /run/buildkit/buildkitd.sock
        tcp build.example 1234
        tcp build.example 8443
        tcp 2001:db8::1 8443
        docker buildx_buildkit_x0 in None
        docker buildkitd in Some("remote one")
        podman exec -i buildkitd buildctl dial-stdio
        nerdctl exec --namespace=k8s.io -i buildkitd buildctl dial-stdio
        kubectl exec -i buildkitd-0 -- buildctl dial-stdio
        kubectl --context=a b --namespace=ci exec --container=buildkitd -i buildkitd-0 -- buildctl dial-stdio
        ssh -T -o ConnectTimeout=20 -- build.example buildctl dial-stdio
        ssh -T -o ConnectTimeout=20 -l me -p 2222 -- build.example buildctl --addr 'unix:///run/user/1000/it'\''s here/buildkitd.sock' dial-stdio
        "#);
    }

    #[test]
    fn what_no_address_may_be() {
        let addresses = [
            "/run/x.sock",
            "npipe:////./pipe/x",
            "unix://",
            "unix://x",
            "tcp://",
            "tcp://h:99999",
            "tcp://h/path",
            "tcp://h?tls=no",
            "ssh://me:secret@h",
            "ssh://-oProxyCommand=touch%20x",
            "ssh://-l@h",
            "ssh://h$(id)",
            "ssh://h?x=1",
            "docker-container://-x",
            "docker-container://",
            "docker-container://a;b",
            "podman-container://--help",
            "kube-pod://-x",
            "kube-pod://Pod",
            "kube-pod://p?namespace=-n",
        ];
        insta::assert_snapshot!(addresses.map(parsed).join("\n"), @"
        error: `/run/x.sock` is not an address: it must begin with one of `unix://`, `tcp://`, `docker-container://`, `podman-container://`, `nerdctl-container://`, `kube-pod://`, `ssh://`
        error: `npipe://` is not supported; these are: `unix://`, `tcp://`, `docker-container://`, `podman-container://`, `nerdctl-container://`, `kube-pod://`, `ssh://`
        error: `unix://` has no absolute path to a socket
        error: `unix://x` has no absolute path to a socket
        error: `tcp://`: there is no host
        error: `tcp://h:99999`: `99999` is no port
        error: `tcp://h/path`: `/path` means nothing here
        error: `tcp://h?tls=no`: `tls` means nothing here
        error: an address with `ssh://` can't hold a password
        error: `ssh://-oProxyCommand=touch%20x`: `-oProxyCommand=touch%20x` can't be a host
        error: `ssh://-l@h`: `-l` can't be a user
        error: `ssh://h$(id)`: `h$(id)` can't be a host
        error: `ssh://h?x=1`: `x` means nothing here
        error: `docker-container://-x`: `-x` can't be a container's name
        error: `docker-container://`: there is no container's name
        error: `docker-container://a;b`: `a;b` can't be a container's name
        error: `podman-container://--help`: `--help` can't be a container's name
        error: `kube-pod://-x`: `-x` can't be a name in Kubernetes
        error: `kube-pod://Pod`: `Pod` can't be a name in Kubernetes
        error: `kube-pod://p?namespace=-n`: `-n` can't be a name in Kubernetes
        ");
    }

    proptest::proptest! {
        /// Whatever is parsed, no part of it can be an option of the program that gets it, or leave the quotes.
        #[test]
        fn nothing_becomes_an_option(text in "(ssh|kube-pod|podman-container|nerdctl-container)://[-a-z@:/%0-9$;' ?=&\\[\\]]{0,24}") {
            if let Ok(Address::Command(command)) = text.parse() {
                let fixed = ["-i", "-T", "-o", "-l", "-p", "--"];
                let long = ["--context=", "--namespace=", "--container="];
                for arg in &command.args {
                    let ours = fixed.contains(&arg.as_str()) || long.iter().any(|flag| arg.starts_with(flag));
                    proptest::prop_assert!(ours || !arg.starts_with('-'), "{:?}", command.args);
                }
            }
        }
    }
}
