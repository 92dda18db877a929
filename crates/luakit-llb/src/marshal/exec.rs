//! Exec ops: the process, its mounts in BuildKit's order, and their outputs (`client/llb/exec.go`).

use std::rc::Rc;

use luakit_proto::pb;

use crate::graph::Metadata;
use crate::marshal::inherit::Inherited;
use crate::marshal::{Inputs, Options, Wire, caps};
use crate::op::{CacheSharing, Command, Exec, Mount, MountKind, Network, Proxy, Run, Secret, Security, SshMount};
use crate::path;
use crate::state::Output;

/// A mount that takes its place by its destination: the root, or one of the script's.
#[derive(Clone, Copy)]
pub(super) enum Placed<'a> {
    Root { source: Option<Output>, readonly: bool },
    Mount(&'a Mount),
}

impl Placed<'_> {
    fn dest(&self) -> &str {
        match self {
            Self::Root { .. } => "/",
            Self::Mount(mount) => &mount.dest,
        }
    }

    pub(super) fn source(&self) -> Option<Output> {
        match self {
            Self::Root { source, .. } => *source,
            Self::Mount(mount) => match &mount.kind {
                MountKind::Bind { state, .. } => state.output,
                MountKind::Cache { from, .. } => from.and_then(|state| state.output),
                MountKind::Tmpfs { .. } => None,
            },
        }
    }
}

/// The mounts of a run sorted by destination, bytewise; secrets and ssh sockets are not among them.
pub(super) fn placed_mounts(exec: &Exec) -> Vec<Placed<'_>> {
    let root = Placed::Root {
        source: exec.root,
        readonly: exec.run.readonly_rootfs,
    };
    let mut placed: Vec<Placed<'_>> = std::iter::once(root)
        .chain(exec.run.mounts.iter().map(Placed::Mount))
        .collect();
    placed.sort_by(|a, b| a.dest().cmp(b.dest()));
    placed
}

pub(super) fn exec(
    exec: &Exec,
    metadata: &Metadata,
    inherited: &Rc<Inherited>,
    inputs: &mut Inputs<'_>,
    options: &Options<'_>,
) -> Wire {
    let filled = options.run_defaults.map(|defaults| defaults.lay_under(exec));
    let exec = filled.as_ref().unwrap_or(exec);
    let run = &exec.run;
    let mut needs = vec![caps::EXEC_META_BASE];
    let mounts = mount_messages(exec, inputs, &mut needs);
    add_run_caps(run, metadata, &mut needs);
    let message = pb::ExecOp {
        meta: Some(meta(run, inherited)),
        mounts,
        network: match run.network.unwrap_or_default() {
            Network::Sandbox => pb::NetMode::Unset,
            Network::Host => pb::NetMode::Host,
            Network::None => pb::NetMode::None,
        }
        .into(),
        security: match run.security {
            Security::Sandbox => pb::SecurityMode::Sandbox,
            Security::Insecure => pb::SecurityMode::Insecure,
        }
        .into(),
        secretenv: run.secrets.iter().filter_map(secret_env).collect(),
        cdi_devices: run
            .devices
            .iter()
            .map(|device| pb::CdiDevice {
                name: device.name.clone(),
                optional: device.optional,
            })
            .collect(),
    };
    let (platform, explicit) = match &inherited.platform {
        Some(own) => {
            let mut message = super::platform_message(&own.platform);
            message.os_version.clone_from(&own.os_version);
            message.os_features.clone_from(&own.os_features);
            (message, own.explicit)
        }
        None => (super::platform_message(options.platform), false),
    };
    let op = pb::Op {
        inputs: inputs.take(),
        platform: Some(platform),
        constraints: Some(pb::WorkerConstraints::default()),
        op: Some(pb::op::Op::Exec(message)),
    };
    Wire {
        op,
        caps: needs,
        explicit_platform: explicit,
    }
}

fn meta(run: &Run, inherited: &Inherited) -> pb::Meta {
    let args = match &run.command {
        Command::Args(args) => args.clone(),
        Command::Shell(text) => {
            let mut args = inherited
                .shell
                .as_ref()
                .map_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()], |shell| shell.to_vec());
            args.push(text.clone());
            args
        }
    };
    let dir = if inherited.dir.is_empty() { "/" } else { &inherited.dir };
    pb::Meta {
        args,
        env: environment(run, inherited),
        cwd: run
            .cwd
            .as_ref()
            .map_or_else(|| dir.to_owned(), |cwd| path::change_dir(dir, cwd)),
        user: run.user.clone().unwrap_or_else(|| inherited.user.clone()),
        proxy_env: run.proxy.as_ref().map(proxy_message),
        extra_hosts: run
            .extra_hosts
            .iter()
            .map(|host| pb::HostIp {
                host: host.host.clone(),
                ip: host.ip.to_canonical().to_string(),
            })
            .collect(),
        hostname: run.hostname.clone().unwrap_or_default(),
        ulimit: run
            .ulimits
            .iter()
            .map(|limit| pb::Ulimit {
                name: limit.name.clone(),
                soft: limit.soft,
                hard: limit.hard,
            })
            .collect(),
        cgroup_parent: run.cgroup_parent.clone().unwrap_or_default(),
        remove_mount_stubs_recursive: true,
        valid_exit_codes: run.valid_exit_codes.clone().unwrap_or_default(),
    }
}

/// The state's variables, then the run's, then where the ssh agent is.
fn environment(run: &Run, inherited: &Inherited) -> Vec<String> {
    if run.env.is_empty() && run.ssh.is_empty() {
        return inherited.env.to_entries();
    }
    let mut env = (*inherited.env).clone();
    for (name, value) in &run.env {
        env.set(name, value);
    }
    if let Some(first) = run.ssh.first()
        && !env.contains("SSH_AUTH_SOCK")
    {
        env.set("SSH_AUTH_SOCK", &ssh_dest(first, 0));
    }
    env.to_entries()
}

fn ssh_dest(mount: &SshMount, position: usize) -> String {
    let default = || format!("/run/buildkit/ssh_agent.{position}");
    mount.dest.clone().unwrap_or_else(default)
}

fn proxy_message(proxy: &Proxy) -> pb::ProxyEnv {
    pb::ProxyEnv {
        http_proxy: proxy.http.clone(),
        https_proxy: proxy.https.clone(),
        ftp_proxy: proxy.ftp.clone(),
        no_proxy: proxy.no.clone(),
        all_proxy: proxy.all.clone(),
    }
}

fn add_run_caps(run: &Run, metadata: &Metadata, needs: &mut Vec<&'static str>) {
    let asked = [
        (run.valid_exit_codes.is_some(), caps::EXEC_VALID_EXIT_CODE),
        (!run.ulimits.is_empty(), caps::EXEC_META_ULIMIT),
        (metadata.resources.is_some(), caps::EXEC_META_LINUX_RESOURCES),
        (
            run.network.unwrap_or_default() != Network::Sandbox,
            caps::EXEC_META_NETWORK,
        ),
        (run.security == Security::Insecure, caps::EXEC_META_SECURITY),
        (run.proxy.is_some(), caps::EXEC_META_PROXY),
        (!run.secrets.is_empty(), caps::EXEC_MOUNT_SECRET),
        (run.secrets.iter().any(|s| s.env.is_some()), caps::EXEC_SECRET_ENV),
        (!run.ssh.is_empty(), caps::EXEC_MOUNT_SSH),
        (!run.devices.is_empty(), caps::EXEC_META_CDI),
    ];
    needs.extend(asked.iter().filter(|(asked, _)| *asked).map(|(_, cap)| *cap));
}

fn mount_messages(exec: &Exec, inputs: &mut Inputs<'_>, needs: &mut Vec<&'static str>) -> Vec<pb::Mount> {
    let mut outputs = 0..;
    let sorted = placed_mounts(exec).into_iter().map(|placed| {
        let input = inputs.index_of(placed.source());
        let message = placed_message(&placed, input, &mut outputs);
        add_mount_caps(&placed, &message, needs);
        message
    });
    let mut messages: Vec<pb::Mount> = sorted.collect();
    messages.extend(exec.run.secrets.iter().filter_map(secret_mount));
    messages.extend(exec.run.ssh.iter().enumerate().map(|(i, mount)| ssh_mount(mount, i)));
    messages
}

const SKIP_OUTPUT: i64 = -1;

fn placed_message(placed: &Placed<'_>, input: i64, outputs: &mut impl Iterator<Item = i64>) -> pb::Mount {
    let mut message = pb::Mount {
        input,
        dest: placed.dest().to_owned(),
        output: SKIP_OUTPUT,
        ..Default::default()
    };
    let mut writable = |readonly: bool| {
        if readonly {
            SKIP_OUTPUT
        } else {
            outputs.next().unwrap_or(SKIP_OUTPUT)
        }
    };
    match placed {
        Placed::Root { readonly, .. } => {
            message.readonly = *readonly;
            message.output = writable(*readonly);
        }
        Placed::Mount(mount) => match &mount.kind {
            MountKind::Bind { selector, readonly, .. } => {
                message.selector = selector.clone().unwrap_or_default();
                message.readonly = *readonly;
                message.output = writable(*readonly);
            }
            MountKind::Cache {
                id, sharing, selector, ..
            } => {
                message.selector = selector.clone().unwrap_or_default();
                message.mount_type = pb::MountType::Cache.into();
                message.cache_opt = Some(pb::CacheOpt {
                    id: id.clone(),
                    sharing: match sharing {
                        CacheSharing::Shared => pb::CacheSharingOpt::Shared,
                        CacheSharing::Private => pb::CacheSharingOpt::Private,
                        CacheSharing::Locked => pb::CacheSharingOpt::Locked,
                    }
                    .into(),
                });
            }
            MountKind::Tmpfs { size } => {
                message.mount_type = pb::MountType::Tmpfs.into();
                message.tmpfs_opt = Some(pb::TmpfsOpt { size: *size });
            }
        },
    }
    message
}

fn add_mount_caps(placed: &Placed<'_>, message: &pb::Mount, needs: &mut Vec<&'static str>) {
    if !message.selector.is_empty() {
        needs.push(caps::EXEC_MOUNT_SELECTOR);
    }
    if message.cache_opt.is_some() {
        needs.extend([caps::EXEC_MOUNT_CACHE, caps::EXEC_MOUNT_CACHE_SHARING]);
    } else if let Some(tmpfs) = &message.tmpfs_opt {
        needs.push(caps::EXEC_MOUNT_TMPFS);
        if tmpfs.size > 0 {
            needs.push(caps::EXEC_MOUNT_TMPFS_SIZE);
        }
    } else if placed.source().is_some() {
        needs.push(caps::EXEC_MOUNT_BIND);
    }
}

fn secret_env(secret: &Secret) -> Option<pb::SecretEnv> {
    Some(pb::SecretEnv {
        id: secret.id.clone(),
        name: secret.env.clone()?,
        optional: secret.optional,
    })
}

/// A secret's mount. Its output is 0, not -1: BuildKit's client leaves the field out.
fn secret_mount(secret: &Secret) -> Option<pb::Mount> {
    let file = secret.file.as_ref()?;
    Some(pb::Mount {
        input: -1,
        dest: file.dest.clone(),
        mount_type: pb::MountType::Secret.into(),
        secret_opt: Some(pb::SecretOpt {
            id: secret.id.clone(),
            uid: file.uid,
            gid: file.gid,
            mode: file.mode,
            optional: secret.optional,
        }),
        ..Default::default()
    })
}

fn ssh_mount(mount: &SshMount, position: usize) -> pb::Mount {
    pb::Mount {
        input: -1,
        dest: ssh_dest(mount, position),
        mount_type: pb::MountType::Ssh.into(),
        ssh_opt: Some(pb::SshOpt {
            id: mount.id.clone().unwrap_or_default(),
            uid: mount.uid,
            gid: mount.gid,
            mode: mount.mode,
            optional: mount.optional,
        }),
        ..Default::default()
    }
}
