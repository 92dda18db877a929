//! What `run` mounts: `bk.cache`, `bk.secret`, `bk.ssh`, `bk.tmpfs`, `bk.bind`.

use luakit_llb::op::{CacheSharing, Mount, MountKind, Secret, SecretFile, SshMount};
use mlua::Result;

use super::args;
use super::decode::{Call, Out, quoted};
use super::objects::MountSpec;

pub(super) fn cache(call: &mut Call<'_>) -> Result<Out> {
    let dest: String = call.arg(0)?;
    let id: Option<String> = call.option("id")?;
    let from = call.option("from")?;
    let selector: Option<String> = call.option("selector")?;
    if selector.is_some() && from.is_none() {
        return Err(call
            .bad_option("selector", "is a path of `from`, and there is no `from`")
            .into());
    }
    let kind = MountKind::Cache {
        // As the Dockerfile frontend writes it, so that both share caches.
        id: format!("{}/{}", args::cache_namespace(call.build), id.as_ref().unwrap_or(&dest)),
        sharing: match call.option("sharing")? {
            Some("private") => CacheSharing::Private,
            Some("locked") => CacheSharing::Locked,
            _ => CacheSharing::Shared,
        },
        from,
        selector,
    };
    Ok(Out::Mount(MountSpec::Plain(Mount { dest, kind })))
}

pub(super) fn secret(call: &mut Call<'_>) -> Result<Out> {
    let dest: Option<String> = call.optional(0)?;
    let id: Option<String> = call.option("id")?;
    let env: Option<String> = call.option("env")?;
    if let Some(name) = env.as_ref().filter(|name| name.contains('=')) {
        let wrong = call.bad_option("env", format_args!("must be a variable's name, got {}", quoted(name)));
        return Err(wrong.into());
    }
    let basename = |dest: &String| dest.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
    let Some(id) = id.or_else(|| dest.as_ref().and_then(basename)) else {
        return Err(call
            .error("missing-option", "bk.secret() needs a destination or an `id`")
            .hint("write `bk.secret(\"/run/secrets/NAME\")` or `bk.secret({ id = \"NAME\", env = \"VARIABLE\" })`")
            .into());
    };
    let (uid, gid, mode): (Option<u32>, Option<u32>, Option<u32>) =
        (call.option("uid")?, call.option("gid")?, call.option("mode")?);
    if dest.is_none() && env.is_some() && (uid.is_some() || gid.is_some() || mode.is_some()) {
        return Err(call
            .error(
                "conflicting-options",
                "`uid`, `gid` and `mode` are a file's, and with `env` alone there is none",
            )
            .hint("give a destination as the first argument")
            .into());
    }
    // The Dockerfile frontend's place for a secret that names neither.
    let dest = dest.or_else(|| {
        env.is_none()
            .then(|| format!("/run/secrets/{}", id.rsplit('/').next().unwrap_or(&id)))
    });
    let secret = Secret {
        id,
        file: dest.map(|dest| SecretFile {
            dest,
            uid: uid.unwrap_or(0),
            gid: gid.unwrap_or(0),
            mode: mode.unwrap_or(0o400),
        }),
        env,
        optional: call.flag("optional", false)?,
    };
    Ok(Out::Mount(MountSpec::Secret(secret)))
}

pub(super) fn ssh(call: &mut Call<'_>) -> Result<Out> {
    let ssh = SshMount {
        id: call.option("id")?,
        dest: call.option("dest")?,
        uid: call.option("uid")?.unwrap_or(0),
        gid: call.option("gid")?.unwrap_or(0),
        mode: call.option("mode")?.unwrap_or(0o600),
        optional: call.flag("optional", false)?,
    };
    Ok(Out::Mount(MountSpec::Ssh(ssh)))
}

pub(super) fn tmpfs(call: &mut Call<'_>) -> Result<Out> {
    let kind = MountKind::Tmpfs {
        size: call.option("size")?.unwrap_or(0),
    };
    let dest = call.arg(0)?;
    Ok(Out::Mount(MountSpec::Plain(Mount { dest, kind })))
}

pub(super) fn bind(call: &mut Call<'_>) -> Result<Out> {
    let kind = MountKind::Bind {
        state: call.arg(0)?,
        selector: call.option("selector")?,
        readonly: call.flag("readonly", true)?,
    };
    let dest = call.arg(1)?;
    Ok(Out::Mount(MountSpec::Plain(Mount { dest, kind })))
}
