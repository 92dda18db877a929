//! Which engines there are: what a machine's configuration says of them, before any is asked.
//!
//! A [`Discovery`] holds what the environment and the command line say. It gives [`Candidate`]s, best first, with the
//! nodes that they stand for: from docker contexts (`contexts`) and from buildx's builders (`buildx`). Which node
//! builds which platform is in `nodes`; what an engine can't do, sayable before a build, in `demands`; what it can, as
//! it says itself, in `abilities`; the proxies that Docker's configuration has for builds, in `proxies`.

mod abilities;
mod buildx;
mod contexts;
pub mod demands;
mod discovery;
mod nodes;
mod proxies;

use std::path::PathBuf;

use luakit_llb::Platform;

pub use abilities::Abilities;
pub use demands::{Demands, DockerStore, Lack};
pub use discovery::{BUILDKIT_SOCKET, Candidate, Discovery, Source};
pub use nodes::{NodePlatforms, Share, assign, assign_declared};

use crate::endpoint::{Endpoint, EndpointError};

/// What builds of several machines stand together for one builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// How it is reached; why not, if its configuration is wrong.
    pub endpoint: Result<Endpoint, SetupError>,
    /// The platforms that it was declared to build; it may say more itself.
    pub platforms: Vec<Platform>,
}

/// What is wrong with the configuration of engines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// An address that is none.
    #[error(transparent)]
    Address(#[from] EndpointError),
    /// There is no such builder.
    #[error("there is no builder `{name}`{}", if known.is_empty() { String::new() } else { format!("; there are: {}", known.join(", ")) })]
    NoBuilder {
        /// As asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// There is no such docker context.
    #[error("there is no docker context `{name}`{}", if known.is_empty() { String::new() } else { format!("; there are: {}", known.join(", ")) })]
    NoContext {
        /// As asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A context without Docker in it.
    #[error("the docker context `{0}` has no address of a Docker")]
    EmptyContext(String),
    /// A file that can't be read, or doesn't hold what it should.
    #[error("can't read `{}`: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A builder of a kind that only buildx knows.
    #[error("the builder `{builder}` has the driver `{driver}`, which is not supported")]
    Driver {
        /// The builder.
        builder: String,
        /// Its driver.
        driver: String,
    },
    /// A builder that was made in a way that can't work.
    #[error("the node `{node}`: {reason}")]
    Node {
        /// The node.
        node: String,
        /// What is wrong.
        reason: String,
    },
    /// TLS is asked for where there can be none.
    #[error("`{0}` has no use for TLS: only `tcp://` has")]
    NoTls(String),
}
