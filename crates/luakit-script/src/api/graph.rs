//! `bk.merge`, `bk.diff`, platforms, and what later runs start from.

use luakit_llb::{Platform, State};
use mlua::Result;

use super::decode::{Arg, Call, Out, platform_hint};
use super::run::metadata;

pub(super) fn merge(call: &mut Call<'_>) -> Result<Out> {
    let args = call.rest();
    let lists = args.iter().filter(|arg| matches!(arg, Arg::List(_))).count();
    if lists > 0 && args.len() > 1 {
        return Err(call
            .error(
                "wrong-type",
                "bk.merge() takes states one after the other or in one list, not both",
            )
            .into());
    }
    let mut states: Vec<State> = Vec::with_capacity(args.len());
    for arg in args {
        match arg {
            Arg::State(state) => states.push(state),
            list => states.extend(super::decode::FromArg::from_arg(list).unwrap_or_else(Vec::<State>::new)),
        }
    }
    if states.len() < 2 {
        return Err(call
            .error(
                "missing-argument",
                format!("bk.merge() needs at least two states, got {}", states.len()),
            )
            .into());
    }
    call.hold(states.len() * 16)?;
    let at = call.at();
    Ok(Out::State(call.graph().merge(&states, at)))
}

pub(super) fn diff(call: &mut Call<'_>) -> Result<Out> {
    let (lower, upper) = (call.arg(0)?, call.arg(1)?);
    call.hold(0)?;
    let at = call.at();
    Ok(Out::State(call.graph().diff(lower, upper, at)))
}

pub(super) fn platform(call: &mut Call<'_>) -> Result<Out> {
    let first: Arg = call.arg(0)?;
    let arch: Option<String> = call.optional(1)?;
    let variant: Option<String> = call.optional(2)?;
    match (first, arch) {
        (Arg::Platform(platform), None) if variant.is_none() => Ok(Out::Platform(platform)),
        (Arg::Platform(_), _) => Err(call
            .bad_arg(0, "must be the operating system alone when the architecture follows")
            .into()),
        (first, arch) => {
            let os: String = super::decode::FromArg::from_arg(first).unwrap_or_default();
            let made = match arch {
                None => os.parse::<Platform>(),
                Some(arch) => Platform::new(&os, &arch, variant.as_deref().unwrap_or_default()),
            };
            made.map(Out::Platform).map_err(|error| {
                let mut wrong = call.bad_arg(0, format_args!("must be a platform: {error}"));
                wrong.hint = platform_hint(&error);
                wrong.into()
            })
        }
    }
}

pub(super) fn env(call: &mut Call<'_>) -> Result<Out> {
    let state = call.receiver()?;
    let vars: Vec<(String, String)> = call.arg(0)?;
    super::warnings::warn_of_variables(call, &vars);
    call.hold(vars.iter().map(|(name, value)| name.len() + value.len() + 48).sum())?;
    Ok(Out::State(call.graph().with_env(state, vars)))
}

pub(super) fn workdir(call: &mut Call<'_>) -> Result<Out> {
    let (state, path): (_, String) = (call.receiver()?, call.arg(0)?);
    call.hold(path.len())?;
    Ok(Out::State(call.graph().with_workdir(state, path)))
}

pub(super) fn user(call: &mut Call<'_>) -> Result<Out> {
    let (state, user): (_, String) = (call.receiver()?, call.arg(0)?);
    call.hold(user.len())?;
    Ok(Out::State(call.graph().with_user(state, user)))
}

pub(super) fn shell(call: &mut Call<'_>) -> Result<Out> {
    let (state, shell): (_, Vec<String>) = (call.receiver()?, call.arg(0)?);
    call.hold(shell.iter().map(String::len).sum())?;
    Ok(Out::State(call.graph().with_shell(state, shell)))
}

pub(super) fn state_platform(call: &mut Call<'_>) -> Result<Out> {
    let (state, platform) = (call.receiver()?, call.arg(0)?);
    call.hold(0)?;
    Ok(Out::State(call.graph().with_platform(state, platform)))
}

pub(super) fn with_metadata(call: &mut Call<'_>) -> Result<Out> {
    let state = call.receiver()?;
    if !call.has_options() {
        return Err(call
            .error("missing-argument", "with_metadata() needs a table of labels")
            .hint("write `state:with_metadata({ description = \"…\" })`")
            .into());
    }
    let mut labels = metadata(call)?;
    labels.export_cache = call.option("export_cache")?;
    call.hold(0)?;
    Ok(Out::State(call.graph().with_metadata(state, labels)))
}
