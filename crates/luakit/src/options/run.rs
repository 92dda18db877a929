//! Run options: what every `run` gets that doesn't say itself.

use clap::ValueEnum;
use luakit_buildkit::Worker;
use luakit_frontend::values::ulimit;
use luakit_llb::marshal::RunDefaults;
use luakit_llb::op::{self, ExtraHost, Ulimit};

use crate::failure::Failure;
use crate::flags::host::{Addresses, Host, Hosts};
use crate::flags::{host, size};

/// Where Docker says which address its machine has.
const GATEWAY_LABEL: &str = "org.mobyproject.buildkit.worker.moby.host-gateway-ip";

/// Options for runs that don't have them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Runs")]
pub(super) struct RunArgs {
    /// The network of runs that don't say theirs; `host` also allows the build to use it
    #[arg(long, value_name = "MODE")]
    network: Option<Network>,
    /// Add a line to runs' `/etc/hosts`; `host-gateway` is the machine that Docker runs on
    #[arg(long, value_name = "HOST:IP", value_parser = host::parse)]
    add_host: Vec<Hosts>,
    /// Limit what runs may use, as `nofile=1024:2048`
    #[arg(long, value_name = "NAME=SOFT[:HARD]", value_parser = ulimit::parse)]
    ulimit: Vec<Ulimit>,
    /// The size of runs' `/dev/shm`, as `128m` or bytes
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    shm_size: Option<usize>,
    /// The cgroup that those of runs are made in
    #[arg(long, value_name = "CGROUP")]
    cgroup_parent: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Network {
    Default,
    Host,
    None,
}

impl RunArgs {
    pub(super) fn wants_host(&self) -> bool {
        self.network == Some(Network::Host)
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.add_host.iter().flat_map(|Hosts(hosts)| hosts)
    }

    pub(super) fn names_gateway(&self) -> bool {
        self.hosts().any(|host| matches!(host.addresses, Addresses::Gateway))
    }

    /// As definitions are marshalled with. `workers` are the engine's, where there is one.
    pub(super) fn defaults(&self, workers: Option<&[Worker]>) -> Result<RunDefaults, Failure> {
        let mut extra_hosts = Vec::new();
        for Host { name, addresses } in self.hosts() {
            let ips = match addresses {
                Addresses::Ips(ips) => ips.clone(),
                Addresses::Gateway => vec![gateway(workers)?],
            };
            extra_hosts.extend(ips.into_iter().map(|ip| ExtraHost { host: name.clone(), ip }));
        }
        Ok(RunDefaults {
            network: match self.network {
                None | Some(Network::Default) => None,
                Some(Network::Host) => Some(op::Network::Host),
                Some(Network::None) => Some(op::Network::None),
            },
            extra_hosts,
            ulimits: ulimit::by_name(&self.ulimit),
            shm_size: self.shm_size.map_or(0, |size| i64::try_from(size).unwrap_or(i64::MAX)),
            cgroup_parent: self.cgroup_parent.clone().filter(|parent| !parent.is_empty()),
            ..RunDefaults::default()
        })
    }
}

/// The address of the engine's machine, which only Docker tells.
fn gateway(workers: Option<&[Worker]>) -> Result<std::net::IpAddr, Failure> {
    let Some(workers) = workers else {
        return Err(Failure::usage(
            "`host-gateway` is an address of the engine's, and a definition is written without one",
        )
        .hint("name the address, or build with `-t` or `-o`"));
    };
    let label = workers.iter().find_map(|worker| worker.labels.get(GATEWAY_LABEL));
    let Some(label) = label else {
        return Err(
            Failure::usage("the engine doesn't say what `host-gateway` is: only Docker does")
                .hint("name the address itself: `--add-host HOST:IP`"),
        );
    };
    label.parse().map_err(|_| {
        Failure::usage(format!(
            "the engine says that `host-gateway` is `{label}`, which is no address"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(host: &str) -> RunArgs {
        RunArgs {
            network: Some(Network::Default),
            add_host: vec![host::parse(host).unwrap()],
            ulimit: Vec::new(),
            shm_size: None,
            cgroup_parent: Some(String::new()),
        }
    }

    fn worker(gateway: &str) -> Worker {
        Worker {
            id: "w".to_owned(),
            platforms: Vec::new(),
            labels: [(GATEWAY_LABEL.to_owned(), gateway.to_owned())].into(),
            devices: Vec::new(),
        }
    }

    #[test]
    fn the_gateway_is_what_the_engine_says() {
        let args = args("host.docker.internal:host-gateway");
        let told = |workers: Option<&[Worker]>| match args.defaults(workers) {
            Ok(defaults) => defaults.extra_hosts[0].ip.to_string(),
            Err(failure) => failure.diagnostics()[0].message.clone(),
        };
        assert_eq!(told(Some(&[worker("172.17.0.1")])), "172.17.0.1");
        assert_eq!(
            told(Some(&[worker("here")])),
            "the engine says that `host-gateway` is `here`, which is no address"
        );
        assert_eq!(
            told(Some(&[])),
            "the engine doesn't say what `host-gateway` is: only Docker does"
        );
        assert!(told(None).starts_with("`host-gateway` is an address of the engine's"));
    }

    #[test]
    fn what_goes_without_saying_is_not_said() {
        let defaults = args("a:10.0.0.1").defaults(None).unwrap();
        assert_eq!((defaults.network, defaults.cgroup_parent), (None, None));
    }
}
