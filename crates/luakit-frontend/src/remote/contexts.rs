//! A request's named contexts, as scripts are evaluated with.

use std::collections::BTreeMap;

use luakit_diagnostic::Diagnostic;
use luakit_llb::{ImageDigest, LayoutImage, Pins, Platform, Reference};
use luakit_script::{Excludes, NamedContext, NamedContexts};

use super::loader::{IGNORE, IgnoreFile, IgnoreFiles};
use super::source::ClientDir;
use super::{RemoteFailure, refused};
use crate::context_value::ContextValue;
use crate::host::Host;
use crate::options::{FrontendContext, NamedOption, Options};
use crate::plan::Plan;

/// How docker gives layouts, to which it gives stores' names of its own.
pub(super) const LAYOUT_BY_DOCKER: &str =
    "with docker: `bk.image(\"NAME\")`, given with `--build-context NAME=oci-layout://DIR`";

/// Adds what a request gives names to, and says where the ignore files of directories among it are. Nothing is loaded:
/// a script may use none of it, or for other platforms than it is built for.
pub(super) async fn add<H: Host>(
    contexts: &mut NamedContexts,
    host: &H,
    options: &Options,
) -> Result<IgnoreFiles, RemoteFailure<H::Error>> {
    contexts.set_sessions(options.local_sessions.clone());
    let asks_inputs = |named: &NamedOption| matches!(named.value, FrontendContext::Input(_));
    let inputs = if options.contexts.all().iter().any(asks_inputs) {
        host.inputs().await.map_err(refused::<H>)?
    } else {
        BTreeMap::new()
    };
    let mut ignores = IgnoreFiles::new();
    for named in options.contexts.all() {
        let context = match &named.value {
            FrontendContext::Remote(ContextValue::OciLayout { store, digest, .. }) => NamedContext::OciLayout {
                reference: layout_image(named, digest.as_ref())?,
                store: store.clone(),
            },
            FrontendContext::Remote(ContextValue::Image(reference)) => NamedContext::Image(reference.clone()),
            FrontendContext::Remote(ContextValue::Scratch) => NamedContext::Scratch,
            FrontendContext::Remote(ContextValue::Git(source)) => NamedContext::Git(source.clone()),
            FrontendContext::Remote(ContextValue::Http(url)) => NamedContext::Http(url.clone()),
            FrontendContext::Local(local) => directory(&mut ignores, options, named, local),
            FrontendContext::Input(key) => {
                let Some(definition) = inputs.get(key).cloned() else {
                    return Err(wrong(named, &format!("there is no input `{key}`")));
                };
                let config = options.input_configs.get(key).cloned();
                NamedContext::Input { definition, config }
            }
        };
        contexts.insert_for(named.name.clone(), named.platform.clone(), context);
    }
    Ok(ignores)
}

/// Notes the configs of the images of layouts that are built on, for the platforms that they are wanted for.
pub(super) async fn note_layouts<H: Host>(
    host: &H,
    options: &Options,
    plan: &Plan,
    pins: &mut Pins,
) -> Result<(), RemoteFailure<H::Error>> {
    let mut wrong = Vec::new();
    for (image, platform) in plan.reached().layouts {
        let Ok(reference) = image.reference.parse::<Reference>() else {
            continue;
        };
        let context = context_of(options, &image.store);
        let caller = context.map_or_else(|| "[internal]".to_owned(), |named| format!("[context {}]", named.key));
        let step = format!("{caller} load metadata for {}", image.reference);
        match host.layout_config(&image.store, &reference, &platform, &step).await {
            Ok(config) => {
                pins.insert_layout_config(image, platform, config);
            }
            Err(error) => {
                let told = unresolved(context, &image, &platform, &error.to_string());
                wrong.push(match plan.layout_place(&image) {
                    Some(place) => told.with_span(place),
                    None => told,
                });
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(RemoteFailure::Told(wrong))
}

/// The context that a layout was given as; there is none for one that the script names by its store.
fn context_of<'o>(options: &'o Options, store: &str) -> Option<&'o NamedOption> {
    let is_of = |named: &&NamedOption| match &named.value {
        FrontendContext::Remote(ContextValue::OciLayout { store: of, .. }) => of == store,
        _ => false,
    };
    options.contexts.all().iter().find(is_of)
}

/// That the engine finds no image in a layout.
fn unresolved(context: Option<&NamedOption>, image: &LayoutImage, platform: &Platform, why: &str) -> Diagnostic {
    let (what, hint) = match context {
        Some(named) => {
            let digest = image.digest().map(|digest| format!(" at {digest}")).unwrap_or_default();
            let hint = "the digest behind `@` is one that the layout's index.json lists; without it, the image of the \
                        tag `latest` is taken";
            (format!("build context `{}`{digest}", named.name), hint.to_owned())
        }
        None => (
            format!("image `{}` of the layout `{}`", image.reference, image.store),
            LAYOUT_BY_DOCKER.replace("NAME", &image.store),
        ),
    };
    let message = format!("can't resolve {what} for {platform}: the engine says: {why}");
    Diagnostic::error("unresolved-image", message).with_hint(hint)
}

/// The engine asks for the layout by the store's name; the reference only says what it is of.
fn layout_image<E>(named: &NamedOption, digest: Option<&ImageDigest>) -> Result<Reference, RemoteFailure<E>> {
    let Some(digest) = digest.cloned() else {
        return Err(wrong(named, "an image of a layout needs its digest"));
    };
    let reference: Reference = named.name.parse().map_err(|e| wrong(named, &format!("{e}")))?;
    Ok(reference.with_digest(digest))
}

fn directory(ignores: &mut IgnoreFiles, options: &Options, named: &NamedOption, local: &str) -> NamedContext {
    let session = options.local_sessions.get(local).cloned();
    let hint = match &named.shared_key {
        Some(key) => format!("context:{}-{key}", named.key),
        None => format!("context:{}", named.key),
    };
    let file = IgnoreFile {
        dir: ClientDir {
            name: local.to_owned(),
            session: session.clone(),
            path: String::new(),
        },
        hint: format!("{hint}-{IGNORE}"),
        step: format!("[context {}] load {IGNORE}", named.key),
    };
    ignores.insert(named.key.clone(), file);
    NamedContext::Local {
        name: local.to_owned(),
        exclude: Excludes::Asked(named.key.clone()),
        hint: Some(hint),
        session,
    }
}

fn wrong<E>(named: &NamedOption, why: &str) -> RemoteFailure<E> {
    let message = format!("invalid value of the option `context:{}`: {why}", named.key);
    Diagnostic::error("option", message).into()
}
