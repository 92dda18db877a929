//! What can be said of a build before an engine hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use luakit_llb::Platform;
use luakit_llb::definition::check_size;
use luakit_proto::{Message as _, pb};
use sha2::{Digest as _, Sha256};

use crate::entitlements::forbidden;
use crate::error::BuildError;
use crate::gateway::Offered;
use crate::session::ssh::DEFAULT_SSH;

/// Several results must be told apart by their platforms.
pub(crate) fn check_platforms<'a>(platforms: impl Iterator<Item = Option<&'a Platform>>) -> Result<(), BuildError> {
    let wrong = |text: &str| Err(BuildError::Request(text.to_owned()));
    let platforms: Vec<_> = platforms.collect();
    if platforms.is_empty() {
        return wrong("there is nothing to build");
    }
    let different: BTreeSet<_> = platforms.iter().flatten().collect();
    if platforms.len() > 1 && different.len() != platforms.len() {
        return wrong("several results need a platform each, all different");
    }
    Ok(())
}

/// Local directories must be there.
pub(crate) fn check_locals(locals: &BTreeMap<String, PathBuf>) -> Result<(), BuildError> {
    for (name, path) in locals {
        let failed = |source| BuildError::LocalDir {
            name: name.clone(),
            path: path.clone(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::NotADirectory.into()));
        }
    }
    Ok(())
}

/// A definition must fit into a message, be readable, and need nothing that the build around it doesn't give, where that
/// is known.
pub(crate) fn check_definition(definition: &pb::Definition, offered: Option<&Offered>) -> Result<(), BuildError> {
    check_size(definition)?;
    for bytes in &definition.def {
        let op = pb::Op::decode(bytes.as_slice())
            .map_err(|e| BuildError::Definition(format!("an op can't be decoded: {e}")))?;
        let vertex = || format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
        if let Some(offered) = offered {
            check_op(&op, vertex, offered)?;
        }
    }
    Ok(())
}

/// Whether a step asks for devices, which are then to be known.
pub(crate) fn names_devices(definition: &pb::Definition) -> bool {
    let ops = definition
        .def
        .iter()
        .filter_map(|bytes| pb::Op::decode(bytes.as_slice()).ok());
    ops.filter_map(|op| op.op)
        .any(|op| matches!(op, pb::op::Op::Exec(exec) if !exec.cdi_devices.is_empty()))
}

/// Finds what a step needs that the build doesn't give.
fn check_op(op: &pb::Op, vertex: impl Fn() -> String, offered: &Offered) -> Result<(), BuildError> {
    match &op.op {
        Some(pb::op::Op::Source(source)) => {
            if let Some(name) = source.identifier.strip_prefix("local://")
                && !offered.locals.contains(name)
            {
                return Err(BuildError::MissingLocal {
                    name: name.to_owned(),
                    vertex: vertex(),
                });
            }
            check_source(source, &vertex, offered)?;
        }
        Some(pb::op::Op::Exec(exec)) => {
            check_mounts(exec, &vertex, offered)?;
            for entitlement in wants(exec) {
                if !offered.entitlements.iter().any(|given| given == entitlement) {
                    return Err(BuildError::NotAllowed {
                        entitlement: entitlement.to_owned(),
                        vertex: vertex(),
                    });
                }
            }
            let required = exec.cdi_devices.iter().filter(|device| !device.optional);
            let required = required.map(|device| device.name.as_str());
            if let Some(name) = forbidden(required, &offered.entitlements, &offered.devices).first() {
                return Err(BuildError::NotAllowed {
                    entitlement: format!("device={name}"),
                    vertex: vertex(),
                });
            }
        }
        _ => {}
    }
    Ok(())
}

/// What a step needs to be allowed, by BuildKit's names.
fn wants(exec: &pb::ExecOp) -> impl Iterator<Item = &'static str> {
    let wants = [
        ("network.host", exec.network == pb::NetMode::Host as i32),
        ("security.insecure", exec.security == pb::SecurityMode::Insecure as i32),
    ];
    wants.into_iter().filter_map(|(name, wanted)| wanted.then_some(name))
}

/// What the steps of a definition need to be allowed, each with its step.
pub(crate) fn privileges(definition: &pb::Definition) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for bytes in &definition.def {
        if let Ok(pb::Op {
            op: Some(pb::op::Op::Exec(exec)),
            ..
        }) = pb::Op::decode(bytes.as_slice())
        {
            let digest = || format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
            found.extend(wants(&exec).map(|name| (name, digest())));
        }
    }
    found
}

/// A step that can't go on without a secret or an agent needs it to be offered.
fn check_mounts(exec: &pb::ExecOp, vertex: &impl Fn() -> String, offered: &Offered) -> Result<(), BuildError> {
    let mounted = exec.mounts.iter().filter_map(|mount| mount.secret_opt.as_ref());
    let mounted = mounted.filter(|secret| !secret.optional).map(|secret| &secret.id);
    let variables = exec.secretenv.iter().filter(|secret| !secret.optional);
    for id in mounted.chain(variables.map(|secret| &secret.id)) {
        need_secret(id, vertex, offered)?;
    }
    let agents = exec.mounts.iter().filter_map(|mount| mount.ssh_opt.as_ref());
    for agent in agents.filter(|agent| !agent.optional) {
        need_agent(&agent.id, vertex, offered)?;
    }
    Ok(())
}

/// A download's header has no other place to come from, and a remote over SSH no other key. Git's own secrets are
/// tried, and may be missing.
fn check_source(source: &pb::SourceOp, vertex: &impl Fn() -> String, offered: &Offered) -> Result<(), BuildError> {
    for attr in &source.attrs {
        let (Some(key), Some(id)) = (attr.key.as_deref(), attr.value.as_deref()) else {
            continue;
        };
        match key {
            "http.authheadersecret" => need_secret(id, vertex, offered)?,
            "git.mountsshsock" => need_agent(id, vertex, offered)?,
            _ => {}
        }
    }
    Ok(())
}

fn need_secret(id: &str, vertex: &impl Fn() -> String, offered: &Offered) -> Result<(), BuildError> {
    if offered.secrets.contains(id) {
        return Ok(());
    }
    Err(BuildError::MissingSecret {
        id: id.to_owned(),
        vertex: vertex(),
    })
}

/// No name is the default agent's.
fn need_agent(id: &str, vertex: &impl Fn() -> String, offered: &Offered) -> Result<(), BuildError> {
    let id = if id.is_empty() { DEFAULT_SSH } else { id };
    if offered.ssh.contains(id) {
        return Ok(());
    }
    Err(BuildError::MissingSsh {
        id: id.to_owned(),
        vertex: vertex(),
    })
}

#[cfg(test)]
mod tests {
    use luakit_llb::definition::SOLVE_LIMIT;

    use super::*;
    use crate::entitlements::Device;

    fn exec(network: pb::NetMode, security: pb::SecurityMode) -> Vec<u8> {
        let exec = pb::ExecOp {
            network: network as i32,
            security: security as i32,
            ..pb::ExecOp::default()
        };
        let op = pb::Op {
            op: Some(pb::op::Op::Exec(exec)),
            ..pb::Op::default()
        };
        op.encode_to_vec()
    }

    #[test]
    fn builds_are_checked() {
        let local = pb::Op {
            op: Some(pb::op::Op::Source(pb::SourceOp {
                identifier: "local://context".into(),
                attrs: Vec::new(),
            })),
            ..pb::Op::default()
        };
        let definition = |def: Vec<u8>| pb::Definition {
            def: vec![def],
            ..pb::Definition::default()
        };
        let nothing = Offered::default();
        let none = Some(&nothing);
        let amd64 = Platform::linux_amd64();
        let missing = BTreeMap::from([("context".to_owned(), PathBuf::from("/nonexistent"))]);
        let errors = [
            check_platforms(std::iter::empty()),
            check_platforms([Some(&amd64), Some(&amd64)].into_iter()),
            check_definition(&definition(b"\xff".to_vec()), none),
            check_definition(&definition(local.encode_to_vec()), none),
            check_locals(&missing),
            check_definition(&definition(vec![0; SOLVE_LIMIT]), none),
            check_definition(&definition(exec(pb::NetMode::Host, pb::SecurityMode::Sandbox)), none),
            check_definition(&definition(exec(pb::NetMode::Unset, pb::SecurityMode::Insecure)), none),
        ];
        let errors = errors.map(|r| r.unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"), @r#"
        there is nothing to build
        several results need a platform each, all different
        malformed definition: an op can't be decoded: failed to decode Protobuf message: invalid varint
        the definition needs the local directory `context`, which was not given
        can't open `/nonexistent`, given as the local directory `context`: No such file or directory (os error 2)
        the definition has 16711685 bytes, and an engine takes 16711680 at most
        a step needs `network.host`, which the build is not allowed
        a step needs `security.insecure`, which the build is not allowed
        "#);
    }

    #[test]
    fn devices_must_be_allowed_that_the_engine_has() {
        let exec = pb::ExecOp {
            cdi_devices: vec![pb::CdiDevice {
                name: "vendor.example/gpu=0".to_owned(),
                optional: false,
            }],
            ..pb::ExecOp::default()
        };
        let op = pb::Op {
            op: Some(pb::op::Op::Exec(exec)),
            ..pb::Op::default()
        };
        let definition = pb::Definition {
            def: vec![op.encode_to_vec()],
            ..pb::Definition::default()
        };
        assert!(names_devices(&definition), "so they are asked for");
        let none = pb::Definition {
            def: vec![pb::Op::default().encode_to_vec(), b"\xff".to_vec()],
            ..pb::Definition::default()
        };
        assert!(!names_devices(&none));
        let mut offered = Offered::default();
        assert!(
            check_definition(&definition, Some(&offered)).is_ok(),
            "the engine will say that it has none"
        );
        offered.devices = vec![Device {
            name: "vendor.example/gpu=0".to_owned(),
            ..Device::default()
        }];
        let error = check_definition(&definition, Some(&offered)).unwrap_err();
        insta::assert_snapshot!(error, @"a step needs `device=vendor.example/gpu=0`, which the build is not allowed");
        offered.entitlements = vec!["device".to_owned()];
        assert!(check_definition(&definition, Some(&offered)).is_ok());
    }

    /// What a definition of one op needs beyond `offered`.
    fn missing(op: pb::op::Op, offered: Option<&Offered>) -> String {
        let op = pb::Op {
            op: Some(op),
            ..pb::Op::default()
        };
        let definition = pb::Definition {
            def: vec![op.encode_to_vec()],
            ..pb::Definition::default()
        };
        match check_definition(&definition, offered) {
            Ok(()) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn secret(optional: bool) -> pb::op::Op {
        let mount = pb::Mount {
            secret_opt: Some(pb::SecretOpt {
                id: "token".to_owned(),
                optional,
                ..pb::SecretOpt::default()
            }),
            ..pb::Mount::default()
        };
        pb::op::Op::Exec(pb::ExecOp {
            mounts: vec![mount],
            ..pb::ExecOp::default()
        })
    }

    fn variable(optional: bool) -> pb::op::Op {
        let variable = pb::SecretEnv {
            id: "token".to_owned(),
            name: "TOKEN".to_owned(),
            optional,
        };
        pb::op::Op::Exec(pb::ExecOp {
            secretenv: vec![variable],
            ..pb::ExecOp::default()
        })
    }

    fn agent(optional: bool) -> pb::op::Op {
        let mount = pb::Mount {
            ssh_opt: Some(pb::SshOpt {
                optional,
                ..pb::SshOpt::default()
            }),
            ..pb::Mount::default()
        };
        pb::op::Op::Exec(pb::ExecOp {
            mounts: vec![mount],
            ..pb::ExecOp::default()
        })
    }

    fn source(key: &str, id: &str) -> pb::op::Op {
        pb::op::Op::Source(pb::SourceOp {
            identifier: "https://example.com/x".to_owned(),
            attrs: luakit_proto::map::entries([(key, id.to_owned())]),
        })
    }

    #[test]
    fn what_steps_are_shown_must_be_offered() {
        let nothing = Offered::default();
        let ops = [
            secret(false),
            variable(false),
            agent(false),
            source("http.authheadersecret", "header"),
            source("git.mountsshsock", "deploy"),
            source("git.authtokensecret", "GIT_AUTH_TOKEN"),
            secret(true),
            variable(true),
            agent(true),
        ];
        let said = ops.map(|op| missing(op, Some(&nothing)));
        insta::assert_snapshot!(said.join("\n"), @"
        a step needs the secret `token`, which was not given
        a step needs the secret `token`, which was not given
        a step needs the ssh agent `default`, which was not given
        a step needs the secret `header`, which was not given
        a step needs the ssh agent `deploy`, which was not given
        nothing
        nothing
        nothing
        nothing
        ");
        let offered = Offered {
            secrets: ["token".to_owned()].into(),
            ssh: [DEFAULT_SSH.to_owned()].into(),
            ..Offered::default()
        };
        for op in [secret(false), variable(false), agent(false)] {
            assert_eq!(missing(op.clone(), Some(&offered)), "nothing");
            assert_eq!(missing(op, None), "nothing", "somebody else offers it");
        }
    }
}
