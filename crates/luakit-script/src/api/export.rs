//! `bk.export`.

use luakit_llb::{CmdForm, ConfigOverlay, Healthcheck, Platform};
use mlua::Result;

use super::decode::{Arg, Call, FromArg, Options, Out, quoted};
use super::warnings::{warn_of_platforms, warn_of_variables};
use crate::evaluation::Export;

pub(super) fn export(call: &mut Call<'_>) -> Result<Out> {
    let state = call.arg(0)?;
    let name: Option<String> = call.option("name")?;
    if let Some(name) = &name {
        check_name(call, name)?;
    }
    let platform: Option<Platform> = call.option("platform")?;
    let images = platform.clone().or_else(|| call.graph().image_platform(state).cloned());
    let platform = platform.or_else(|| call.graph().explicit_platform(state).cloned());
    let export = Export {
        config: config(call)?,
        description: call.option("description")?,
        at: call.at(),
        name,
        platform,
        images,
        state,
    };
    check_duplicate(call, &export)?;
    warn_of_platforms(call, &export);
    call.hold(1024)?;
    call.build.exports.borrow_mut().push(export);
    Ok(Out::Nothing)
}

/// What `--target` can name, as a Dockerfile's stages are named.
fn check_name(call: &Call<'_>, name: &str) -> Result<()> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(word) {
        return Ok(());
    }
    let what = format!(
        "must be letters, digits, `-`, `_` and `.`, and start with a letter or digit, got {}",
        quoted(name)
    );
    let wrong = call.bad_option("name", what);
    if name.contains(['/', ':']) {
        return Err(wrong
            .hint("this names a target, not an image: the image's name is given with `-t`")
            .into());
    }
    Err(wrong.into())
}

/// Each name has one export for each platform.
fn check_duplicate(call: &Call<'_>, export: &Export) -> Result<()> {
    let target = &call.build.input.target_platform;
    let exports = call.build.exports.borrow();
    let platform = export.platform.as_ref().unwrap_or(target);
    let first = exports
        .iter()
        .find(|e| e.name == export.name && e.platform.as_ref().unwrap_or(target) == platform);
    let Some(first) = first else { return Ok(()) };
    let name = export
        .name
        .as_ref()
        .map_or_else(|| "the default target".to_owned(), |name| format!("target `{name}`"));
    Err(call
        .error("duplicate-export", format!("{name} is exported twice for {platform}"))
        .related(first.at, "first exported here")
        .hint("give one of them another `name` or `platform`")
        .into())
}

fn config(call: &mut Call<'_>) -> Result<ConfigOverlay> {
    let pairs =
        |call: &mut Call<'_>, name| -> Result<Vec<(String, String)>> { Ok(call.option(name)?.unwrap_or_default()) };
    let env = pairs(call, "env")?;
    warn_of_variables(call, &env);
    Ok(ConfigOverlay {
        entrypoint: command(call, "entrypoint")?,
        cmd: command(call, "cmd")?,
        env,
        workdir: call.option("workdir")?,
        user: call.option("user")?,
        expose: call.list("expose")?,
        volumes: call.list("volumes")?,
        labels: pairs(call, "labels")?.into_iter().collect(),
        annotations: pairs(call, "annotations")?.into_iter().collect(),
        stop_signal: call.option("stop_signal")?,
        healthcheck: healthcheck(call)?,
        shell: call.option("shell")?,
        onbuild: call.list("onbuild")?,
        author: call.option("author")?,
        os: call.option("os")?,
        arch: call.option("arch")?,
        variant: call.option("variant")?,
    })
}

fn command(call: &mut Call<'_>, name: &str) -> Result<Option<CmdForm>> {
    Ok(match call.option::<Arg>(name)? {
        None => None,
        Some(Arg::Text(text)) => Some(CmdForm::Shell(text)),
        Some(list) => Some(CmdForm::Exec(FromArg::from_arg(list).unwrap_or_default())),
    })
}

/// Docker's forms: `NONE` disables the base image's, a string is for the shell, a list runs as it is. A list
/// that starts with Docker's own keyword is taken as an image config has it.
fn healthcheck(call: &mut Call<'_>) -> Result<Option<Healthcheck>> {
    let mut parts = match call.option::<Arg>("healthcheck")? {
        None => return Ok(None),
        Some(Arg::Record(parts)) => parts,
        Some(text) => {
            return Ok(Some(Healthcheck {
                test: test_command(call, text)?,
                ..Healthcheck::default()
            }));
        }
    };
    let test = match parts.take::<Arg>("test")? {
        Some(test) => test_command(call, test)?,
        None => Vec::new(),
    };
    let check = Healthcheck {
        test,
        interval: time(call, &mut parts, "interval")?,
        timeout: time(call, &mut parts, "timeout")?,
        start_period: time(call, &mut parts, "start_period")?,
        start_interval: time(call, &mut parts, "start_interval")?,
        retries: parts.take("retries")?.unwrap_or(0),
    };
    let none = check.test.first().is_some_and(|word| word == "NONE");
    if none
        && check
            != (Healthcheck {
                test: check.test.clone(),
                ..Healthcheck::default()
            })
    {
        return Err(call
            .bad_option("healthcheck", "is \"none\", and takes no times then")
            .into());
    }
    Ok(Some(check))
}

fn test_command(call: &Call<'_>, test: Arg) -> Result<Vec<String>> {
    let words: Vec<String> = match test {
        Arg::Text(text) if text.eq_ignore_ascii_case("none") => return Ok(vec!["NONE".to_owned()]),
        Arg::Text(text) => return Ok(vec!["CMD-SHELL".to_owned(), text]),
        list => FromArg::from_arg(list).unwrap_or_default(),
    };
    let keyword = words.first().map(String::as_str);
    let right = match keyword {
        Some("NONE") => words.len() == 1,
        Some("CMD") => words.len() > 1,
        Some("CMD-SHELL") => words.len() == 2,
        _ => return Ok([vec!["CMD".to_owned()], words].concat()),
    };
    if right {
        return Ok(words);
    }
    let keyword = keyword.unwrap_or_default();
    Err(call
        .bad_option(
            "healthcheck",
            format_args!("has a wrong number of words after `{keyword}`"),
        )
        .into())
}

/// Docker takes no time below a millisecond but 0, which leaves the default.
fn time(call: &Call<'_>, parts: &mut Options, name: &str) -> Result<i64> {
    let time: i64 = parts.take(name)?.unwrap_or(0);
    if (1..1_000_000).contains(&time) {
        return Err(call
            .bad_option("healthcheck", format_args!("needs at least 1ms as its `{name}`"))
            .within(|check| check.value_of(name))
            .into());
    }
    Ok(time)
}
