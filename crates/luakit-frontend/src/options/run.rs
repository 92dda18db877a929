//! What every run of a build gets that doesn't say itself: networks, hosts and limits.

use std::net::IpAddr;

use luakit_llb::Resources;
use luakit_llb::marshal::RunDefaults;
use luakit_llb::op::{ExtraHost, Network};

use super::OptionError;
use super::given::Given;
use crate::values::{csv, ulimit};

/// The argument that names the host that runs see. It counts rather than the option.
const HOSTNAME_ARG: &str = "build-arg:BUILDKIT_SANDBOX_HOSTNAME";

/// The largest number that BuildKit takes for a CPU or a memory node.
const MOST_CPUS: u32 = 8192;

pub(super) fn defaults(given: Given<'_>) -> Result<RunDefaults, OptionError> {
    let hostname = given.get(HOSTNAME_ARG).or_else(|| given.get("hostname"));
    Ok(RunDefaults {
        network: network(given)?,
        extra_hosts: given.read("add-hosts", hosts)?.unwrap_or_default(),
        ulimits: given.read("ulimit", ulimits)?.unwrap_or_default(),
        shm_size: given.number("shm-size", 0)?.unwrap_or(0),
        cgroup_parent: given.get("cgroup-parent").map(str::to_owned),
        hostname: hostname.map(str::to_owned),
        resources: resources(given)?,
    })
}

/// The sandbox is what a run has anyhow, so saying it says nothing.
fn network(given: Given<'_>) -> Result<Option<Network>, OptionError> {
    let option = "force-network-mode";
    match given.get(option) {
        None | Some("sandbox") => Ok(None),
        Some("host") => Ok(Some(Network::Host)),
        Some("none") => Ok(Some(Network::None)),
        Some(other) => Err(OptionError::value(
            option,
            other,
            "it must be `sandbox`, `host` or `none`",
        )),
    }
}

/// `HOST=IP`, separated by commas. A name may come with several addresses.
fn hosts(text: &str) -> Result<Vec<ExtraHost>, String> {
    let fields = csv::fields(text)?;
    fields.iter().map(|field| host(field)).collect()
}

fn host(field: &str) -> Result<ExtraHost, String> {
    let Some((name, address)) = field.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        return Err(format!("`{field}` must be HOST=IP"));
    };
    if name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#') {
        return Err(format!("`{name}` is no host name"));
    }
    let ip: IpAddr = address.parse().map_err(|_| format!("`{address}` is no IP address"))?;
    Ok(ExtraHost {
        host: name.to_lowercase(),
        ip,
    })
}

fn ulimits(text: &str) -> Result<Vec<luakit_llb::op::Ulimit>, String> {
    let fields = csv::fields(text)?;
    let limits: Vec<_> = fields
        .iter()
        .map(|field| ulimit::parse(field))
        .collect::<Result<_, _>>()?;
    Ok(ulimit::by_name(&limits))
}

fn resources(given: Given<'_>) -> Result<Option<Resources>, OptionError> {
    let number = |option| Ok::<i64, OptionError>(given.number(option, 1)?.unwrap_or(0));
    let swap = |value: &str| match value.parse::<i64>() {
        Ok(bytes) if bytes == -1 || bytes > 0 => Ok(bytes),
        _ => Err("it must be a number of bytes, or -1, which is no limit"),
    };
    let set = |option| given.read(option, cpu_set).map(Option::unwrap_or_default);
    let resources = Resources {
        memory: number("memory")?,
        memory_swap: given.read("memswap", swap)?.unwrap_or(0),
        cpu_shares: number("cpushares")?,
        cpu_period: number("cpuperiod")?,
        cpu_quota: number("cpuquota")?,
        cpuset_cpus: set("cpusetcpus")?,
        cpuset_mems: set("cpusetmems")?,
    };
    Ok((resources != Resources::default()).then_some(resources))
}

/// `0-3,5`.
fn cpu_set(text: &str) -> Result<String, String> {
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number <= MOST_CPUS);
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let fits = match part.split_once('-') {
            Some((first, last)) => matches!((number(first), number(last)), (Some(first), Some(last)) if first <= last),
            None => number(part).is_some(),
        };
        if !fits {
            return Err(format!(
                "`{part}` must be a number or a range of at most {MOST_CPUS}, as in `0-3,5`"
            ));
        }
    }
    Ok(text.to_owned())
}
