//! Where a named context takes the place of what a script names.

use std::borrow::Cow;

use luakit_diagnostic::{Diagnostic, nearest};
use luakit_llb::definition::DefinitionError;
use luakit_llb::image_config::platform_of;
use luakit_llb::marshal::CONTEXT;
use luakit_llb::op::{Copy, FileAction, ImageSource, LocalSource};
use luakit_llb::{Definition, Metadata, Platform, State};
use mlua::Result;

use super::decode::Call;
use super::inputs::failed;
use super::warnings::warn_of_platform;
use crate::build::Build;
use crate::context::{Excludes, NamedContext, NamedContexts, contents};
use crate::error::CallError;

/// The context that was given for a name; that it was asked for is remembered.
fn given<'b>(build: &'b Build, name: &str, platform: Option<&Platform>) -> Option<(String, &'b NamedContext)> {
    let contexts = &build.input.contexts;
    if contexts.is_empty() {
        return None;
    }
    let name = NamedContexts::normalise(name).ok()?;
    build.contexts_asked.borrow_mut().insert(name.clone());
    let context = contexts.get(&name, platform.unwrap_or(&build.input.target_platform))?;
    Some((name, context))
}

/// Remembers that a script names the store of a layout. A context of that name isn't odd then: if it is no such store,
/// whoever looks for the image says so.
pub(super) fn names_store(build: &Build, store: &str) {
    if let Ok(name) = NamedContexts::normalise(store) {
        build.contexts_asked.borrow_mut().insert(name);
    }
}

/// The state of the target that was given for a name. It must be exported before it is built on.
fn target(call: &Call<'_>, name: &str, platform: Option<&Platform>) -> Result<Option<State>> {
    let contexts = &call.build.input.contexts;
    let Some(name) = NamedContexts::normalise(name).ok().filter(|_| !contexts.is_empty()) else {
        return Ok(None);
    };
    let Some(target) = contexts.target(&name) else {
        return Ok(None);
    };
    call.build.contexts_asked.borrow_mut().insert(name.clone());
    let wanted = platform.unwrap_or(&call.build.input.target_platform);
    let exports = call.build.exports.borrow();
    let named = || exports.iter().filter(|export| export.name.as_deref() == Some(target));
    let found = named().find(|export| export.platform.as_ref().is_none_or(|platform| platform == wanted));
    let Some(export) = found else {
        let what = if named().next().is_some() {
            format!("is exported for other platforms than {wanted}")
        } else {
            "is not exported before this".to_owned()
        };
        let message = format!("build context `{name}` is the target `{target}`, which {what}");
        let names = exports.iter().filter_map(|export| export.name.as_deref());
        let error = call.error("build-context", message);
        return Err(match nearest(target, names) {
            Some(near) if near != target => error.hint(format!("did you mean `target:{near}`?")),
            _ => error.hint("a script runs from top to bottom: export the target before what is built on it"),
        }
        .into());
    };
    // What later runs start from, as from an image's config.
    let config = &export.config;
    let mut graph = call.graph();
    let mut state = export.state;
    if !config.env.is_empty() {
        state = graph.with_env(state, config.env.clone());
    }
    if let Some(workdir) = &config.workdir {
        state = graph.with_workdir(state, workdir.clone());
    }
    if let Some(user) = &config.user {
        state = graph.with_user(state, user.clone());
    }
    if let Some(shell) = &config.shell {
        state = graph.with_shell(state, shell.clone());
    }
    Ok(Some(state))
}

/// A directory of a state, less what its options leave out.
fn filtered(call: &Call<'_>, whole: State, local: &LocalSource) -> State {
    if local.include.is_empty() && local.exclude.is_empty() {
        return whole;
    }
    let filtered = Copy {
        include: local.include.clone(),
        exclude: local.exclude.clone(),
        ..contents(whole, "/")
    };
    let at = call.at();
    let mut graph = call.graph();
    let scratch = graph.scratch();
    graph.file(scratch, vec![FileAction::Copy(filtered)], at)
}

/// What is built on instead of an image. Its platform and how it is looked up stay; the rest is the image's own.
pub(super) fn instead_of_image(call: &mut Call<'_>, image: &ImageSource) -> Result<Option<State>> {
    let reference = image.reference.to_string();
    if let Some(state) = target(call, &reference, image.platform.as_ref())? {
        return Ok(Some(state));
    }
    let Some((name, context)) = given(call.build, &reference, image.platform.as_ref()) else {
        return Ok(None);
    };
    if let NamedContext::Input { config, .. } = context
        && let Some(is_for) = config.as_deref().and_then(platform_of)
    {
        warn_of_platform(call, &name, &is_for, image.platform.as_ref());
    }
    let label = label(&name, context);
    place(call, &name, context, label, Some(image)).map(Some)
}

/// What is there instead of a local directory. What its options leave out is left out.
pub(super) fn instead_of_local(call: &mut Call<'_>, local: &LocalSource) -> Result<Option<State>> {
    if let Some(state) = target(call, &local.name, None)? {
        whole_only(call, local, &local.name)?;
        return Ok(Some(filtered(call, state, local)));
    }
    let contexts = &call.build.input.contexts;
    let (name, context, label) = match contexts.main() {
        Some(main) if local.name == CONTEXT => (CONTEXT.to_owned(), main, described(main.told_as_main())),
        _ => {
            let Some((name, context)) = given(call.build, &local.name, None) else {
                return Ok(None);
            };
            let label = label(&name, context);
            (name, context, label)
        }
    };
    if let NamedContext::Local {
        name,
        exclude,
        hint,
        session,
    } = context
    {
        let ignored = excluded(call, exclude)?;
        let local = LocalSource {
            name: name.clone(),
            exclude: ignored.iter().chain(&local.exclude).cloned().collect(),
            shared_key_hint: local.shared_key_hint.clone().or_else(|| hint.clone()),
            session: session.clone(),
            ..local.clone()
        };
        call.hold(local.exclude.iter().map(String::len).sum())?;
        let at = call.at();
        let mut graph = call.graph();
        let state = graph.local(local, at);
        return Ok(Some(graph.with_metadata(state, label)));
    }
    whole_only(call, local, &name)?;
    let whole = place(call, &name, context, label, None)?;
    Ok(Some(filtered(call, whole, local)))
}

/// Only a directory of the client's can be asked for paths.
fn whole_only(call: &Call<'_>, local: &LocalSource, name: &str) -> Result<()> {
    if local.follow_paths.is_empty() {
        return Ok(());
    }
    Err(call
        .error(
            "build-context",
            format!("`follow_paths` is for directories, and the build context `{name}` is none"),
        )
        .hint("leave it out, or give a directory")
        .into())
}

/// A context where a script names something else.
fn place(
    call: &Call<'_>,
    name: &str,
    context: &NamedContext,
    label: Metadata,
    image: Option<&ImageSource>,
) -> Result<State> {
    if let NamedContext::Input { definition, config } = context {
        let platform = image.and_then(|image| image.platform.as_ref());
        let key = (name.to_owned(), platform.cloned());
        return input(call, key, definition, config.as_deref());
    }
    let mut context = Cow::Borrowed(context);
    let mut held = 256;
    if let NamedContext::Local { exclude, .. } = &*context {
        let patterns = excluded(call, exclude)?.into_owned();
        held += patterns.iter().map(String::len).sum::<usize>();
        if let NamedContext::Local { exclude, .. } = context.to_mut() {
            *exclude = Excludes::Known(patterns);
        }
    }
    call.hold(held)?;
    let at = call.at();
    let mut graph = call.graph();
    let state = context
        .state(&mut graph, at, image)
        .map_err(|wrong| unusable(call, name, &wrong))?;
    Ok(graph.with_metadata(state, label))
}

/// The patterns of an ignore file.
fn excluded<'e>(call: &Call<'_>, excludes: &'e Excludes) -> Result<Cow<'e, [String]>> {
    match excludes {
        Excludes::Known(patterns) => Ok(Cow::Borrowed(patterns)),
        Excludes::Asked(key) => {
            let patterns = call.build.input.loader.excludes(key);
            Ok(Cow::Owned(patterns.map_err(|error| failed(call, &error))?))
        }
    }
}

/// What another client's definition gives, taken into the graph once. Its steps keep their names.
fn input(
    call: &Call<'_>,
    key: (String, Option<Platform>),
    definition: &Definition,
    config: Option<&[u8]>,
) -> Result<State> {
    if let Some(state) = call.build.inputs.borrow().get(&key) {
        return Ok(*state);
    }
    call.hold(definition.size() + config.map_or(0, <[u8]>::len))?;
    let taken = call.graph().definition(definition, config.map(<[u8]>::to_vec));
    let state = taken.map_err(|wrong| unusable(call, &key.0, &wrong))?;
    call.build.inputs.borrow_mut().insert(key, state);
    Ok(state)
}

fn unusable(call: &Call<'_>, name: &str, wrong: &DefinitionError) -> CallError {
    let message = format!("build context `{name}` can't be used: {wrong}");
    call.error("build-context", message)
}

/// What the step is called, as the Dockerfile frontend calls it.
fn label(name: &str, context: &NamedContext) -> Metadata {
    described(format!("[context {name}] {}", context.told()))
}

fn described(description: String) -> Metadata {
    Metadata {
        description: Some(description),
        ..Metadata::default()
    }
}

/// Warns of contexts that were given and that the script names nowhere.
pub(crate) fn warn_unused(build: &Build) {
    let asked = build.contexts_asked.borrow();
    for name in build.input.contexts.names().filter(|name| !asked.contains(*name)) {
        let message = format!("build context `{name}` is given, and the script names no such image or directory");
        let warning = Diagnostic::warning("unused-context", message);
        let near = nearest(name, asked.iter().map(String::as_str));
        build.warnings.borrow_mut().push(match near {
            Some(near) => warning.with_hint(format!("did you mean `{near}`?")),
            None => warning,
        });
    }
}
