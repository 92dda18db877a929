//! What a build says of all runs: laid under what the script says, and in nobody's way when nothing is said.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod graphs;

use std::sync::LazyLock;

use graphs::Script;
use luakit_llb::marshal::{NoCache, Options, RunDefaults, marshal};
use luakit_llb::op::{Command, ExtraHost, Mount, MountKind, Network, ResolveMode, Run, Ulimit};
use luakit_llb::{Definition, Metadata, Pins, Platform, Resources, State};
use luakit_proto::{Message as _, pb};

static PLATFORM: LazyLock<Platform> = LazyLock::new(Platform::linux_amd64);
static PINS: LazyLock<Pins> = LazyLock::new(Pins::new);

fn options() -> Options<'static> {
    Options {
        platform: &PLATFORM,
        pins: &PINS,
        local_unique: "test",
        context_excludes: &[],
        run_defaults: None,
        no_cache: NoCache::AsWritten,
        resolve_mode: ResolveMode::Default,
    }
}

fn with(script: &Script, state: State, options: &Options<'_>) -> Definition {
    marshal(&script.graph, state, options)
}

fn execs(definition: &Definition) -> Vec<pb::ExecOp> {
    let ops = definition.message().def.iter();
    let ops = ops.map(|bytes| pb::Op::decode(bytes.as_slice()).unwrap());
    ops.filter_map(|op| match op.op {
        Some(pb::op::Op::Exec(exec)) => Some(exec),
        _ => None,
    })
    .collect()
}

fn host(host: &str, ip: &str) -> ExtraHost {
    ExtraHost {
        host: host.to_owned(),
        ip: ip.parse().unwrap(),
    }
}

fn limit(name: &str, both: i64) -> Ulimit {
    Ulimit {
        name: name.to_owned(),
        soft: both,
        hard: both,
    }
}

fn defaults() -> RunDefaults {
    RunDefaults {
        network: Some(Network::None),
        extra_hosts: vec![host("a", "10.0.0.1"), host("a", "fd00::1"), host("b", "10.0.0.2")],
        ulimits: vec![limit("nofile", 100), limit("nproc", 50)],
        shm_size: 1 << 20,
        cgroup_parent: Some("/given".to_owned()),
        hostname: Some("given".to_owned()),
        resources: Some(Resources {
            memory: 1 << 30,
            cpu_shares: 7,
            cpuset_cpus: "0-3".to_owned(),
            ..Resources::default()
        }),
    }
}

#[test]
fn runs_keep_what_they_say() {
    let mut script = Script::new();
    let base = script.image("alpine", None);
    let open = script.run(base, "open");
    let closed = script.run_with(open, "closed", |run| {
        run.network = Some(Network::Sandbox);
        run.extra_hosts = vec![host("A", "10.9.9.9")];
        run.ulimits = vec![limit("nofile", 7)];
        run.cgroup_parent = Some("/own".to_owned());
        run.hostname = Some("own".to_owned());
        run.mounts = vec![Mount {
            dest: "/dev/shm/".to_owned(),
            kind: MountKind::Tmpfs { size: 5 },
        }];
    });
    let defaults = defaults();
    let definition = with(
        &script,
        closed,
        &Options {
            run_defaults: Some(&defaults),
            ..options()
        },
    );
    let told: Vec<String> = execs(&definition)
        .iter()
        .map(|exec| {
            let meta = exec.meta.as_ref().unwrap();
            let hosts: Vec<String> = meta
                .extra_hosts
                .iter()
                .map(|h| format!("{}={}", h.host, h.ip))
                .collect();
            let limits: Vec<String> = meta
                .ulimit
                .iter()
                .map(|l| format!("{}={}:{}", l.name, l.soft, l.hard))
                .collect();
            let mounts: Vec<String> = exec
                .mounts
                .iter()
                .map(|m| format!("{} {} {}", m.dest, m.output, m.tmpfs_opt.as_ref().map_or(0, |o| o.size)))
                .collect();
            format!(
                "{:?} {} {} {} {} [{}]",
                exec.network(),
                hosts.join(","),
                limits.join(","),
                meta.cgroup_parent,
                meta.hostname,
                mounts.join("; ")
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @"
    None a=10.0.0.1,a=fd00::1,b=10.0.0.2 nofile=100:100,nproc=50:50 /given given [/ 0 0; /dev/shm -1 1048576]
    Unset A=10.9.9.9,b=10.0.0.2 nofile=7:7,nproc=50:50 /own own [/ 0 0; /dev/shm/ -1 5]
    ");
}

#[test]
fn limits_of_runs_are_filled_in() {
    let mut script = Script::new();
    let base = script.image("alpine", None);
    let open = script.run(base, "open");
    let own = Resources {
        memory_swap: 5,
        cpu_shares: 1,
        ..Resources::default()
    };
    let labels = Metadata {
        resources: Some(own),
        ..Metadata::default()
    };
    let at = script.at();
    let closed = Run::new(Command::Shell("closed".to_owned()));
    let closed = script.graph.run(open, closed, labels, at);
    let defaults = defaults();
    let definition = with(
        &script,
        closed,
        &Options {
            run_defaults: Some(&defaults),
            ..options()
        },
    );
    let limits = definition.message().metadata.iter();
    let mut limits: Vec<String> = limits
        .filter_map(|entry| entry.value.as_ref()?.linux_resources.as_ref())
        .map(|l| format!("{} {} {} {}", l.memory, l.memory_swap, l.cpu_shares, l.cpuset_cpus))
        .collect();
    limits.sort();
    assert_eq!(limits, ["0 5 1 0-3", "1073741824 0 7 0-3"]);
}

#[test]
fn what_is_needed_of_the_engine_is_said() {
    let mut script = Script::new();
    let base = script.image("alpine", None);
    let run = script.run(base, "open");
    let defaults = defaults();
    let definition = with(
        &script,
        run,
        &Options {
            run_defaults: Some(&defaults),
            ..options()
        },
    );
    let caps: Vec<&str> = definition
        .message()
        .metadata
        .iter()
        .flat_map(|entry| &entry.value.as_ref().unwrap().caps)
        .filter(|cap| cap.key.as_ref().is_some_and(|key| key.starts_with("exec.")))
        .map(|cap| cap.key.as_deref().unwrap())
        .collect();
    assert_eq!(
        caps,
        [
            "exec.meta.base",
            "exec.meta.linux.resources",
            "exec.meta.network",
            "exec.meta.ulimit",
            "exec.mount.bind",
            "exec.mount.tmpfs",
            "exec.mount.tmpfs.size"
        ]
    );
}

#[test]
fn nothing_said_changes_nothing() {
    let mut script = Script::new();
    let base = script.image("alpine", None);
    let run = script.run(base, "true");
    let nothing = RunDefaults::default();
    assert!(nothing.is_empty());
    let plain = with(&script, run, &options());
    let defaulted = with(
        &script,
        run,
        &Options {
            run_defaults: Some(&nothing),
            ..options()
        },
    );
    assert_eq!(plain.to_bytes(), defaulted.to_bytes());
}

/// The texts of runs, and the kinds of other ops, that are done again though they are cached.
fn again(definition: &Definition) -> Vec<String> {
    let marked = |digest: &str| {
        let mut entries = definition.message().metadata.iter();
        let entry = entries.find(|entry| entry.key.as_deref() == Some(digest)).unwrap();
        entry.value.as_ref().unwrap().ignore_cache
    };
    let ops = definition.message().def.iter();
    let ops = ops.filter(|bytes| marked(&luakit_llb::marshal::op_digest(bytes)));
    ops.map(|bytes| match pb::Op::decode(bytes.as_slice()).unwrap().op.unwrap() {
        pb::op::Op::Exec(exec) => exec.meta.unwrap().args.pop().unwrap(),
        pb::op::Op::File(_) => "file".to_owned(),
        _ => "other".to_owned(),
    })
    .collect()
}

#[test]
fn caches_are_passed_by() {
    let mut script = Script::new();
    let base = script.image("alpine", None);
    let src = script.local("src");
    let lower = script.run(base, "lower");
    let upper = script.run(lower, "upper");
    let copied = script.copy(upper, src, ".", "/src");
    let merged = script.merge(&[copied, lower]);
    let as_written = with(&script, merged, &options());
    assert_eq!(again(&as_written), [""; 0]);
    let all = with(
        &script,
        merged,
        &Options {
            no_cache: NoCache::Everything,
            ..options()
        },
    );
    assert_eq!(again(&all), ["lower", "upper", "file"]);
    assert_eq!(all.message().def, as_written.message().def, "digests stay");
    let mut own = script.graph.made_of(merged);
    own.remove_all(&script.graph.made_of(lower));
    let some = with(
        &script,
        merged,
        &Options {
            no_cache: NoCache::Vertices(&own),
            ..options()
        },
    );
    assert_eq!(again(&some), ["upper", "file"]);
}

#[test]
fn images_are_looked_up_anew() {
    let mut script = Script::new();
    let base = script.image("alpine", None);
    let definition = with(
        &script,
        base,
        &Options {
            resolve_mode: ResolveMode::ForcePull,
            ..options()
        },
    );
    let Some(pb::op::Op::Source(source)) = pb::Op::decode(definition.message().def[0].as_slice()).unwrap().op else {
        panic!("an image is a source");
    };
    let attrs: Vec<_> = source
        .attrs
        .iter()
        .map(|a| (a.key.as_deref(), a.value.as_deref()))
        .collect();
    assert_eq!(attrs, [(Some("image.resolvemode"), Some("pull"))]);
}
