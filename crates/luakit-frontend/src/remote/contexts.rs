//! A request's named contexts, as scripts are evaluated with.

use std::collections::BTreeMap;

use luakit_diagnostic::Diagnostic;
use luakit_llb::{ImageDigest, Platform, Reference};
use luakit_script::{NamedContext, NamedContexts};

use super::open::ignore_file;
use super::source::{ClientDir, Sources};
use super::{RemoteFailure, refused};
use crate::context_value::ContextValue;
use crate::host::Host;
use crate::options::{FrontendContext, NamedOption, Options};

/// Adds what a request gives names to.
/// Images of layouts have a config for each platform: those that are built for are `platforms`.
pub(super) async fn add<H: Host>(
    contexts: &mut NamedContexts,
    sources: &Sources<H>,
    options: &Options,
    platforms: &[Platform],
) -> Result<(), RemoteFailure<H::Error>> {
    contexts.set_sessions(options.local_sessions.clone());
    let asks_inputs = |named: &NamedOption| matches!(named.value, FrontendContext::Input(_));
    let inputs = if options.contexts.all().iter().any(asks_inputs) {
        sources.host().inputs().await.map_err(refused::<H>)?
    } else {
        BTreeMap::new()
    };
    for named in options.contexts.all() {
        let context = match &named.value {
            FrontendContext::Remote(ContextValue::OciLayout { store, digest, .. }) => {
                let image = layout_image(named, digest.as_ref())?;
                for platform in named.platform.as_ref().map_or(platforms, std::slice::from_ref) {
                    let step = format!("[context {}] load metadata for {image}", named.key);
                    let config = sources.host().layout_config(store, &image, platform, &step).await;
                    let context = NamedContext::OciLayout {
                        reference: image.clone(),
                        store: store.clone(),
                        config: Some(config.map_err(refused::<H>)?),
                    };
                    contexts.insert_for(named.name.clone(), Some(platform.clone()), context);
                }
                if named.platform.is_some() {
                    continue;
                }
                NamedContext::OciLayout {
                    reference: image,
                    store: store.clone(),
                    config: None,
                }
            }
            FrontendContext::Remote(ContextValue::Image(reference)) => NamedContext::Image(reference.clone()),
            FrontendContext::Remote(ContextValue::Scratch) => NamedContext::Scratch,
            FrontendContext::Remote(ContextValue::Git(source)) => NamedContext::Git(source.clone()),
            FrontendContext::Remote(ContextValue::Http(url)) => NamedContext::Http(url.clone()),
            FrontendContext::Local(local) => directory(sources, options, named, local).await?,
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
    Ok(())
}

/// The engine asks for the layout by the store's name; the reference only says what it is of.
fn layout_image<E>(named: &NamedOption, digest: Option<&ImageDigest>) -> Result<Reference, RemoteFailure<E>> {
    let Some(digest) = digest.cloned() else {
        return Err(wrong(named, "an image of a layout needs its digest"));
    };
    let reference: Reference = named.name.parse().map_err(|e| wrong(named, &format!("{e}")))?;
    Ok(reference.with_digest(digest))
}

async fn directory<H: Host>(
    sources: &Sources<H>,
    options: &Options,
    named: &NamedOption,
    local: &str,
) -> Result<NamedContext, RemoteFailure<H::Error>> {
    let session = options.local_sessions.get(local).cloned();
    let dir = ClientDir {
        name: local.to_owned(),
        session: session.clone(),
        path: String::new(),
    };
    let hint = match &named.shared_key {
        Some(key) => format!("context:{}-{key}", named.key),
        None => format!("context:{}", named.key),
    };
    let step = format!("[context {}] load .dockerignore", named.key);
    let exclude = ignore_file(sources, &dir, &format!("{hint}-.dockerignore"), step).await?;
    Ok(NamedContext::Local {
        name: local.to_owned(),
        exclude,
        hint: Some(hint),
        session,
    })
}

fn wrong<E>(named: &NamedOption, why: &str) -> RemoteFailure<E> {
    let message = format!("invalid value of the option `context:{}`: {why}", named.key);
    Diagnostic::error("option", message).into()
}
