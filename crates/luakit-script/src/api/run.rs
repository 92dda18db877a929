//! `state:run` and `state:output`.

use std::collections::BTreeMap;
use std::rc::Rc;

use luakit_llb::op::{Command, Device, ExtraHost, Mount, Network, Proxy, Run, Secret, Security, SshMount, Ulimit};
use luakit_llb::state::OutputError;
use luakit_llb::{Metadata, ProgressGroup, Resources};
use mlua::Result;

use super::args;
use super::decode::{Arg, Call, Options, Out, clean, quoted};
use super::objects::MountSpec;
use crate::error::Subject;

pub(super) fn run(call: &mut Call<'_>) -> Result<Out> {
    let state = call.receiver()?;
    let command = match call.arg(0)? {
        Arg::Text(text) => Command::Shell(text),
        list => Command::Args(words(call, list)?),
    };
    let mut run = Run::new(command);
    let mut metadata = Metadata::default();
    if call.has_options() {
        fill(call, &mut run)?;
        metadata = self::metadata(call)?;
        metadata.resources = resources(call)?;
    }
    if run.proxy.is_none() {
        run.proxy = args::proxy(call.build);
    }
    run.proxy = run.proxy.filter(|proxy| *proxy != Proxy::default());
    call.hold(size(&run))?;
    let at = call.at();
    Ok(Out::State(call.graph().run(state, run, metadata, at)))
}

fn words(call: &Call<'_>, list: Arg) -> Result<Vec<String>> {
    let Arg::List(items) = list else {
        return Err(mlua::Error::runtime(
            "internal error: a command is neither text nor a list",
        ));
    };
    let text = |item| match item {
        Arg::Text(text) => Some(text),
        _ => None,
    };
    let words: Vec<String> = items.into_iter().filter_map(text).collect();
    if words.first().is_some_and(String::is_empty) {
        return Err(call
            .bad_arg(0, "can't start with an empty string: the first is the program")
            .into());
    }
    Ok(words)
}

/// Bytes of text, roughly what the vertex keeps.
fn size(run: &Run) -> usize {
    let command = match &run.command {
        Command::Shell(text) => text.len(),
        Command::Args(args) => args.iter().map(|arg| arg.len() + 24).sum(),
    };
    let env: usize = run.env.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
    command + env + run.mounts.len() * 128
}

fn fill(call: &mut Call<'_>, run: &mut Run) -> Result<()> {
    run.env = call.option("env")?.unwrap_or_default();
    run.cwd = call.option("cwd")?;
    run.user = call.option("user")?;
    let mounts: Vec<Rc<MountSpec>> = call.list("mounts")?;
    check_places(call, &mounts)?;
    for mount in mounts {
        match &*mount {
            MountSpec::Plain(mount) => run.mounts.push(Mount::clone(mount)),
            MountSpec::Secret(secret) => run.secrets.push(Secret::clone(secret)),
            MountSpec::Ssh(ssh) => run.ssh.push(SshMount::clone(ssh)),
        }
    }
    run.network = match call.option("network")? {
        Some("host") => Some(Network::Host),
        Some("none") => Some(Network::None),
        Some(_) => Some(Network::Sandbox),
        None => None,
    };
    run.security = match call.option("security")? {
        Some("insecure") => Security::Insecure,
        _ => Security::Sandbox,
    };
    run.hostname = call.option("hostname")?;
    run.valid_exit_codes = exit_codes(call)?;
    run.extra_hosts = extra_hosts(call)?;
    run.ulimits = ulimits(call)?;
    run.cgroup_parent = call.option("cgroup_parent")?;
    run.proxy = proxy(call)?;
    run.devices = devices(call)?;
    run.readonly_rootfs = call.flag("readonly_rootfs", false)?;
    Ok(())
}

/// Two mounts at one place would hide each other.
fn check_places(call: &Call<'_>, mounts: &[Rc<MountSpec>]) -> Result<()> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (index, mount) in (1..).zip(mounts) {
        let dest = match &**mount {
            MountSpec::Plain(mount) => Some(&mount.dest),
            MountSpec::Secret(secret) => secret.file.as_ref().map(|file| &file.dest),
            MountSpec::Ssh(ssh) => ssh.dest.as_ref(),
        };
        let Some(dest) = dest else { continue };
        if let Some(first) = places.insert(clean(dest), index) {
            return Err(call
                .error(
                    "duplicate-mount",
                    format!(
                        "mounts[{index}] is at {}, where mounts[{first}] is already",
                        quoted(dest)
                    ),
                )
                .about(Subject::OptionValue("mounts".to_owned()).element(index))
                .hint("give each mount a place of its own")
                .into());
        }
    }
    Ok(())
}

fn exit_codes(call: &mut Call<'_>) -> Result<Option<Vec<i32>>> {
    const MOST: i32 = 4096;
    let Some(codes) = call.option::<Arg>("valid_exit_codes")? else {
        return Ok(None);
    };
    let whole = |arg: &Arg| match arg {
        Arg::Int(code) => i32::try_from(*code).ok(),
        _ => None,
    };
    let codes = match codes {
        Arg::List(codes) => codes.iter().filter_map(whole).collect(),
        Arg::Text(range) => {
            let bounds = range.split_once("..").and_then(|(first, last)| {
                let bound = |text: &str| text.trim().parse::<i32>().ok();
                Some((bound(first)?, bound(last)?))
            });
            match bounds {
                Some((first, last)) if first <= last && last.saturating_sub(first) < MOST => (first..=last).collect(),
                _ => {
                    let what = format!(
                        "must be a number, a list of numbers or a range such as \"0..10\", got {}",
                        quoted(&range)
                    );
                    return Err(call.bad_option("valid_exit_codes", what).into());
                }
            }
        }
        one => whole(&one).into_iter().collect::<Vec<_>>(),
    };
    Ok((!codes.is_empty()).then_some(codes))
}

fn extra_hosts(call: &mut Call<'_>) -> Result<Vec<ExtraHost>> {
    let hosts: Vec<(String, std::net::IpAddr)> = call.option("extra_hosts")?.unwrap_or_default();
    if let Some((host, _)) = hosts
        .iter()
        .find(|(host, _)| host.chars().any(|c| c.is_whitespace() || c == '#'))
    {
        let what = format!("must have host names as keys, got {}", quoted(host));
        let wrong = call.bad_option("extra_hosts", what);
        return Err(wrong.within(|hosts| hosts.name_of(host)).into());
    }
    Ok(hosts.into_iter().map(|(host, ip)| ExtraHost { host, ip }).collect())
}

fn ulimits(call: &mut Call<'_>) -> Result<Vec<Ulimit>> {
    let given: Vec<(String, Arg)> = call.option("ulimits")?.unwrap_or_default();
    let mut ulimits = Vec::with_capacity(given.len());
    for (name, limit) in given {
        if !Ulimit::NAMES.contains(&name.as_str()) {
            let wrong = call.bad_option("ulimits", format_args!("has the unknown limit `{name}`"));
            let mut wrong = wrong.within(|limits| limits.name_of(&name));
            wrong.hint = Some(match luakit_diagnostic::nearest(&name, Ulimit::NAMES.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", Ulimit::NAMES.join(", ")),
            });
            return Err(wrong.into());
        }
        let (soft, hard) = match limit {
            Arg::Int(both) => (both, both),
            Arg::Record(mut parts) => {
                let soft: i64 = parts.take("soft")?.unwrap_or_default();
                (soft, parts.take("hard")?.unwrap_or(soft))
            }
            _ => {
                return Err(mlua::Error::runtime(
                    "internal error: a limit is neither a number nor a table",
                ));
            }
        };
        if hard != -1 && (soft == -1 || soft > hard) {
            let what = format!("must have a soft limit for `{name}` that is not above the hard one");
            let wrong = call.bad_option("ulimits", what);
            return Err(wrong.within(|limits| limits.value_of(name)).into());
        }
        ulimits.push(Ulimit { name, soft, hard });
    }
    Ok(ulimits)
}

fn proxy(call: &mut Call<'_>) -> Result<Option<Proxy>> {
    let Some(mut given) = call.option::<Options>("proxy")? else {
        return Ok(None);
    };
    let mut take = |name| -> Result<String> { Ok(given.take(name)?.unwrap_or_default()) };
    Ok(Some(Proxy {
        http: take("http_proxy")?,
        https: take("https_proxy")?,
        ftp: take("ftp_proxy")?,
        no: take("no_proxy")?,
        all: take("all_proxy")?,
    }))
}

fn devices(call: &mut Call<'_>) -> Result<Vec<Device>> {
    let given: Vec<Arg> = call.list("devices")?;
    let mut devices = Vec::with_capacity(given.len());
    for device in given {
        devices.push(match device {
            Arg::Record(mut parts) => Device {
                name: parts.take("name")?.unwrap_or_default(),
                optional: parts.take("optional")?.unwrap_or(false),
            },
            name => Device {
                name: super::decode::FromArg::from_arg(name).unwrap_or_default(),
                optional: false,
            },
        });
    }
    Ok(devices)
}

fn resources(call: &mut Call<'_>) -> Result<Option<Resources>> {
    let Some(mut given) = call.option::<Options>("resources")? else {
        return Ok(None);
    };
    let cpus: Option<f64> = given.take("cpus")?;
    let mut resources = Resources {
        memory: given.take("memory")?.unwrap_or(0),
        memory_swap: given.take("memory_swap")?.unwrap_or(0),
        cpu_shares: given.take("cpu_shares")?.unwrap_or(0),
        cpu_period: given.take("cpu_period")?.unwrap_or(0),
        cpu_quota: given.take("cpu_quota")?.unwrap_or(0),
        cpuset_cpus: cpu_set(call, "cpuset_cpus", given.take("cpuset_cpus")?)?,
        cpuset_mems: cpu_set(call, "cpuset_mems", given.take("cpuset_mems")?)?,
    };
    if let Some(cpus) = cpus {
        if resources.cpu_period != 0 || resources.cpu_quota != 0 {
            let what = "can't have `cpus` together with `cpu_period` or `cpu_quota`: it is the short form of both";
            let wrong = call.bad_option("resources", what);
            return Err(wrong.within(|resources| resources.value_of("cpus")).into());
        }
        if !(0.01..=1_000_000.0).contains(&cpus) {
            let wrong = call.bad_option("resources", "must have `cpus` of at least 0.01");
            return Err(wrong.within(|resources| resources.value_of("cpus")).into());
        }
        resources.cpu_period = 100_000;
        #[allow(clippy::cast_possible_truncation, reason = "its size was checked")]
        {
            resources.cpu_quota = (cpus * 100_000.0).round() as i64;
        }
    }
    Ok((resources != Resources::default()).then_some(resources))
}

/// `0-3,5`.
fn cpu_set(call: &Call<'_>, name: &str, set: Option<String>) -> Result<String> {
    let Some(set) = set else { return Ok(String::new()) };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let fits = set.split(',').all(|part| match part.split_once('-') {
        Some((first, last)) => number(first) && number(last),
        None => number(part),
    });
    if fits {
        return Ok(set);
    }
    let what = format!(
        "must have numbers and ranges such as \"0-3,5\" as `{name}`, got {}",
        quoted(&set)
    );
    let wrong = call.bad_option("resources", what);
    Err(wrong.within(|resources| resources.value_of(name)).into())
}

/// The labels that `run` and `with_metadata` share.
pub(super) fn metadata(call: &mut Call<'_>) -> Result<Metadata> {
    let progress_group = match call.option::<Arg>("progress_group")? {
        None => None,
        Some(Arg::Record(mut parts)) => {
            let id: String = parts.take("id")?.unwrap_or_default();
            Some(ProgressGroup {
                name: parts.take("name")?.unwrap_or_else(|| id.clone()),
                weak: parts.take("weak")?.unwrap_or(false),
                id,
            })
        }
        Some(name) => {
            let name: String = super::decode::FromArg::from_arg(name).unwrap_or_default();
            Some(ProgressGroup {
                id: name.clone(),
                name,
                weak: false,
            })
        }
    };
    Ok(Metadata {
        description: call.option("description")?,
        progress_group,
        ignore_cache: call.flag("ignore_cache", false)?,
        export_cache: None,
        resources: None,
    })
}

pub(super) fn output(call: &mut Call<'_>) -> Result<Out> {
    let state = call.receiver()?;
    let dest: String = call.arg(0)?;
    let found = call.graph().run_output(state, &dest);
    found.map(Out::State).map_err(|error| {
        let wrong = call
            .error("no-such-output", error.to_string())
            .about(Subject::Argument(1));
        match error {
            OutputError::NotARun => wrong.hint(
                "call output on what run() returned: `local built = state:run(…)`, then `built:output(\"/out\")`",
            ),
            OutputError::NoSuchMount { .. } if clean(&dest) == "/" => {
                wrong.hint("the root filesystem after a run is what run() returned")
            }
            OutputError::NoSuchMount { writable, .. } if writable.is_empty() => wrong
                .hint("mount something writable for the run: `bk.bind(bk.scratch(), \"/out\", { readonly = false })`"),
            OutputError::NoSuchMount { writable, .. } => {
                wrong.hint(format!("writable mounts of this run: {}", writable.join(", ")))
            }
            OutputError::NotWritable { .. } => {
                wrong.hint("only a writable bind mount has one: `bk.bind(state, dest, { readonly = false })`")
            }
        }
        .into()
    })
}
