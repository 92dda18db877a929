//! What every run gets that doesn't say itself: the run options of a build, as opposed to a script's.
//!
//! They mean what they mean to BuildKit's Dockerfile frontend, and are encoded as it does
//! (<https://github.com/moby/buildkit/blob/master/frontend/dockerfile/dockerfile2llb/convert.go>, `dispatchRun`). A script
//! is not evaluated for them: they are laid under its runs when these are marshalled.

use std::borrow::Cow;

use crate::graph::{Metadata, Resources};
use crate::op::{Exec, ExtraHost, Mount, MountKind, Network, Ulimit};

/// Where shared memory is mounted.
const SHM: &str = "/dev/shm";

/// Run options for runs that don't have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunDefaults {
    /// The network.
    pub network: Option<Network>,
    /// Lines of `/etc/hosts`, in order. A run keeps its own for a name that it says; a name may have several.
    pub extra_hosts: Vec<ExtraHost>,
    /// Limits. A run keeps its own for a name that it says.
    pub ulimits: Vec<Ulimit>,
    /// The size of `/dev/shm` in bytes, unless the run mounts something there; 0 is the engine's default.
    pub shm_size: i64,
    /// The cgroup that a process's own is made in.
    pub cgroup_parent: Option<String>,
    /// The host name that a process sees.
    pub hostname: Option<String>,
    /// Limits on what a process may use. A run keeps its own for a kind that it says.
    pub resources: Option<Resources>,
}

impl RunDefaults {
    /// Whether they say nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The run with what it leaves open filled in.
    pub(super) fn lay_under(&self, exec: &Exec) -> Exec {
        let mut exec = exec.clone();
        let run = &mut exec.run;
        run.network = run.network.or(self.network);
        let own = run.extra_hosts.len();
        for line in &self.extra_hosts {
            let said = run.extra_hosts.iter().take(own);
            if !said.into_iter().any(|own| own.host.eq_ignore_ascii_case(&line.host)) {
                run.extra_hosts.push(line.clone());
            }
        }
        for limit in &self.ulimits {
            if !run.ulimits.iter().any(|own| own.name == limit.name) {
                run.ulimits.push(limit.clone());
            }
        }
        let taken = |mount: &Mount| mount.dest.trim_end_matches('/') == SHM;
        if self.shm_size > 0 && !run.mounts.iter().any(taken) {
            run.mounts.push(Mount {
                dest: SHM.to_owned(),
                kind: MountKind::Tmpfs { size: self.shm_size },
            });
        }
        if run.cgroup_parent.is_none() {
            run.cgroup_parent.clone_from(&self.cgroup_parent);
        }
        if run.hostname.is_none() {
            run.hostname.clone_from(&self.hostname);
        }
        exec
    }

    /// The labels of a run with the limits that it leaves open filled in; they are no part of the op.
    pub(super) fn limit<'m>(&self, metadata: &'m Metadata) -> Cow<'m, Metadata> {
        let Some(given) = &self.resources else {
            return Cow::Borrowed(metadata);
        };
        let mut own = metadata.resources.clone().unwrap_or_default();
        // Swap is counted with memory, and a quota in its period: one of a pair makes no sense with another's other.
        if own.memory == 0 && own.memory_swap == 0 {
            (own.memory, own.memory_swap) = (given.memory, given.memory_swap);
        }
        if own.cpu_period == 0 && own.cpu_quota == 0 {
            (own.cpu_period, own.cpu_quota) = (given.cpu_period, given.cpu_quota);
        }
        if own.cpu_shares == 0 {
            own.cpu_shares = given.cpu_shares;
        }
        for (own, given) in [
            (&mut own.cpuset_cpus, &given.cpuset_cpus),
            (&mut own.cpuset_mems, &given.cpuset_mems),
        ] {
            if own.is_empty() {
                own.clone_from(given);
            }
        }
        Cow::Owned(Metadata {
            resources: Some(own),
            ..metadata.clone()
        })
    }
}
