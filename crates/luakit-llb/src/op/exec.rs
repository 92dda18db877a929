//! A process to run, and what is mounted for it.

use std::net::IpAddr;

use crate::state::{Output, State};
use crate::values::ValuesId;

/// What a run runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Text for the state's shell.
    Shell(String),
    /// A list that runs as is.
    Args(Vec<String>),
}

/// `state:run`, as the script said it.
#[derive(Debug, Clone)]
pub struct Run {
    /// What runs.
    pub command: Command,
    /// Variables added to those of the state, sorted by name.
    pub env: Vec<(String, String)>,
    /// The working directory, relative to the state's unless absolute.
    pub cwd: Option<String>,
    /// The user, instead of the state's.
    pub user: Option<String>,
    /// What is mounted besides the root, in script order.
    pub mounts: Vec<Mount>,
    /// Secrets, in script order.
    pub secrets: Vec<Secret>,
    /// SSH agent sockets, in script order.
    pub ssh: Vec<SshMount>,
    /// The network that the process sees; `None` leaves it to the build.
    pub network: Option<Network>,
    /// How far the process is locked up.
    pub security: Security,
    /// The host name that the process sees.
    pub hostname: Option<String>,
    /// Exit codes that count as success; `None` is 0 alone.
    pub valid_exit_codes: Option<Vec<i32>>,
    /// Lines of `/etc/hosts`, sorted by host.
    pub extra_hosts: Vec<ExtraHost>,
    /// Limits, sorted by name.
    pub ulimits: Vec<Ulimit>,
    /// The cgroup that the process's own is made in.
    pub cgroup_parent: Option<String>,
    /// Proxies: in the process's environment, but no part of the step's cache key.
    pub proxy: Option<Proxy>,
    /// CDI devices, in script order.
    pub devices: Vec<Device>,
    /// Whether the root is mounted read-only.
    pub readonly_rootfs: bool,
}

impl Run {
    /// A run of `command` with nothing else said.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            env: Vec::new(),
            cwd: None,
            user: None,
            mounts: Vec::new(),
            secrets: Vec::new(),
            ssh: Vec::new(),
            network: None,
            security: Security::default(),
            hostname: None,
            valid_exit_codes: None,
            extra_hosts: Vec::new(),
            ulimits: Vec::new(),
            cgroup_parent: None,
            proxy: None,
            devices: Vec::new(),
            readonly_rootfs: false,
        }
    }
}

/// A [`Run`] on a root filesystem.
#[derive(Debug, Clone)]
pub struct Exec {
    /// What the script said.
    pub run: Run,
    /// The root filesystem; `None` is scratch.
    pub root: Option<Output>,
    /// What the state that it runs on hands on.
    pub values: ValuesId,
}

/// The network that a process sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// The engine's own.
    #[default]
    Sandbox,
    /// The host's; needs an entitlement.
    Host,
    /// None.
    None,
}

/// How far a process is locked up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    /// As containers are.
    #[default]
    Sandbox,
    /// Not at all; needs an entitlement.
    Insecure,
}

/// A filesystem mounted for a run.
#[derive(Debug, Clone)]
pub struct Mount {
    /// Where.
    pub dest: String,
    /// What.
    pub kind: MountKind,
}

/// What a [`Mount`] mounts.
#[derive(Debug, Clone)]
pub enum MountKind {
    /// A state.
    Bind {
        /// The state.
        state: State,
        /// The path in it.
        selector: Option<String>,
        /// Whether it can't be written to; when it can, the run has an output for it.
        readonly: bool,
    },
    /// A directory that the engine keeps between builds.
    Cache {
        /// What tells caches apart, namespace included.
        id: String,
        /// Who may use it at the same time.
        sharing: CacheSharing,
        /// What it starts with.
        from: Option<State>,
        /// The path in `from`.
        selector: Option<String>,
    },
    /// Memory.
    Tmpfs {
        /// Its size in bytes; 0 is the engine's default.
        size: i64,
    },
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheSharing {
    /// Everyone.
    #[default]
    Shared,
    /// Each run its own copy.
    Private,
    /// One run after the other.
    Locked,
}

/// A secret for a run, as a file, a variable, or both.
#[derive(Debug, Clone)]
pub struct Secret {
    /// What the client knows it by.
    pub id: String,
    /// The file that it is mounted as.
    pub file: Option<SecretFile>,
    /// The variable that it is put in.
    pub env: Option<String>,
    /// Whether the run goes on without it.
    pub optional: bool,
}

/// The file that a [`Secret`] is mounted as.
#[derive(Debug, Clone)]
pub struct SecretFile {
    /// Where.
    pub dest: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
}

/// An SSH agent's socket for a run.
#[derive(Debug, Clone)]
pub struct SshMount {
    /// What the client knows the agent by; `None` is its default one.
    pub id: Option<String>,
    /// Where the socket is; `None` is `/run/buildkit/ssh_agent.N`.
    pub dest: Option<String>,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
    /// Whether the run goes on without it.
    pub optional: bool,
}

/// A line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub host: String,
    /// Its address.
    pub ip: IpAddr,
}

/// A limit on what a process may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// As `ulimit` and Docker name it (`nofile`).
    pub name: String,
    /// What is in force; -1 is unlimited.
    pub soft: i64,
    /// What it may be raised to; -1 is unlimited.
    pub hard: i64,
}

impl Ulimit {
    /// The names that `ulimit` and Docker know.
    pub const NAMES: &'static [&'static str] = &[
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
}

/// Proxies for a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// `http_proxy`.
    pub http: String,
    /// `https_proxy`.
    pub https: String,
    /// `ftp_proxy`.
    pub ftp: String,
    /// `no_proxy`.
    pub no: String,
    /// `all_proxy`.
    pub all: String,
}

/// A CDI device for a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its CDI name (`vendor.com/gpu=0`).
    pub name: String,
    /// Whether the run goes on without it.
    pub optional: bool,
}
