//! Where a named context takes the place of what a script names.

use luakit_diagnostic::{Diagnostic, nearest};
use luakit_llb::op::{Copy, FileAction, HttpSource, ImageSource, LocalSource, OciLayoutSource};
use luakit_llb::{Definition, Metadata, State};
use mlua::Result;

use super::decode::Call;
use crate::build::Build;
use crate::context::{NamedContext, NamedContexts};

/// The context that was given for a name; that it was asked for is remembered.
fn given<'b>(build: &'b Build, name: &str) -> Option<(String, &'b NamedContext)> {
    let contexts = &build.input.contexts;
    if contexts.is_empty() {
        return None;
    }
    let name = NamedContexts::normalise(name).ok()?;
    build.contexts_asked.borrow_mut().insert(name.clone());
    let context = contexts.get(&name)?;
    Some((name, context))
}

/// What is built on instead of an image. Its platform and how it is looked up stay; the rest is the image's own.
pub(super) fn instead_of_image(call: &mut Call<'_>, image: &ImageSource) -> Result<Option<State>> {
    let Some((name, context)) = given(call.build, &image.reference.to_string()) else {
        return Ok(None);
    };
    if let NamedContext::Local { exclude } = context {
        let local = LocalSource {
            name: name.clone(),
            exclude: exclude.clone(),
            ..LocalSource::default()
        };
        return place_local(call, &name, local).map(Some);
    }
    place(call, &name, context, Some(image)).map(Some)
}

/// What is there instead of a local directory. What its options leave out is left out.
pub(super) fn instead_of_local(call: &mut Call<'_>, local: &LocalSource) -> Result<Option<State>> {
    let Some((name, context)) = given(call.build, &local.name) else {
        return Ok(None);
    };
    if let NamedContext::Local { exclude } = context {
        let local = LocalSource {
            name: name.clone(),
            exclude: exclude.iter().chain(&local.exclude).cloned().collect(),
            ..local.clone()
        };
        return place_local(call, &name, local).map(Some);
    }
    if !local.follow_paths.is_empty() {
        return Err(call
            .error(
                "build-context",
                format!("`follow_paths` is for directories, and the build context `{name}` is none"),
            )
            .hint("leave it out, or give a directory")
            .into());
    }
    let whole = place(call, &name, context, None)?;
    if local.include.is_empty() && local.exclude.is_empty() {
        return Ok(Some(whole));
    }
    let filtered = Copy {
        from: whole,
        src: "/".to_owned(),
        dest: "/".to_owned(),
        mode: None,
        owner: None,
        follow_symlink: false,
        create_dest_path: true,
        allow_wildcard: false,
        allow_empty_wildcard: false,
        copy_dir_contents: true,
        attempt_unpack: false,
        always_replace: false,
        required_paths: Vec::new(),
        include: local.include.clone(),
        exclude: local.exclude.clone(),
        created: None,
    };
    let at = call.at();
    let mut graph = call.graph();
    let scratch = graph.scratch();
    Ok(Some(graph.file(scratch, vec![FileAction::Copy(filtered)], at)))
}

fn place_local(call: &Call<'_>, name: &str, local: LocalSource) -> Result<State> {
    call.hold(local.exclude.iter().map(String::len).sum())?;
    let at = call.at();
    let mut graph = call.graph();
    let state = graph.local(local, at);
    Ok(graph.with_metadata(state, label(name, "load from client")))
}

/// A context that is no directory.
fn place(call: &Call<'_>, name: &str, context: &NamedContext, image: Option<&ImageSource>) -> Result<State> {
    if let NamedContext::Input { definition, config } = context {
        return input(call, name, definition, config.as_deref());
    }
    call.hold(256)?;
    let at = call.at();
    let mut graph = call.graph();
    let platform = image.and_then(|image| image.platform.clone());
    let (state, what) = match context {
        NamedContext::Local { .. } | NamedContext::Scratch | NamedContext::Input { .. } => return Ok(graph.scratch()),
        NamedContext::Image(reference) => {
            let source = ImageSource {
                reference: reference.clone(),
                platform,
                resolve_mode: image.map(|image| image.resolve_mode).unwrap_or_default(),
                resolve_digest: image.is_none_or(|image| image.resolve_digest),
                layer_limit: None,
                checksum: None,
            };
            (graph.image(source, at), reference.familiar())
        }
        NamedContext::OciLayout { reference, store } => {
            let source = OciLayoutSource {
                reference: reference.to_string(),
                platform,
                store: Some(store.clone()),
                layer_limit: None,
            };
            (graph.oci_layout(source, at), "OCI load from client".to_owned())
        }
        NamedContext::Git(source) => (graph.git(source.clone(), at), source.url.clone()),
        NamedContext::Http(url) => {
            let source = HttpSource {
                url: url.clone(),
                filename: Some("context".to_owned()),
                ..HttpSource::default()
            };
            (graph.http(source, at), url.clone())
        }
    };
    Ok(graph.with_metadata(state, label(name, &what)))
}

/// What another client's definition gives, taken into the graph once. Its steps keep their names.
fn input(call: &Call<'_>, name: &str, definition: &Definition, config: Option<&[u8]>) -> Result<State> {
    if let Some(state) = call.build.inputs.borrow().get(name) {
        return Ok(*state);
    }
    call.hold(definition.size() + config.map_or(0, <[u8]>::len))?;
    let taken = call.graph().definition(definition, config.map(<[u8]>::to_vec));
    let state = taken.map_err(|wrong| {
        let message = format!("build context `{name}` can't be used: {wrong}");
        call.error("build-context", message)
    })?;
    call.build.inputs.borrow_mut().insert(name.to_owned(), state);
    Ok(state)
}

/// What the step is called, as the Dockerfile frontend calls it.
fn label(name: &str, what: &str) -> Metadata {
    Metadata {
        description: Some(format!("[context {name}] {what}")),
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
