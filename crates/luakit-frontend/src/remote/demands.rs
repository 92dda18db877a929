//! What a build can't go on without, looked for before it is solved. Results are computed when the frontend has ended:
//! what is missing then is told in the engine's words alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use luakit_diagnostic::{Diagnostic, Label, SourceFile, Span};
use luakit_llb::{Pins, Platform, Reference};
use luakit_script::NamedContexts;
use tokio::sync::Semaphore;

use super::source::{ClientDir, Sources};
use super::{RemoteFailure, refused};
use crate::host::Host;
use crate::lock;
use crate::options::{FrontendContext, Options};
use crate::plan::Plan;
use crate::resolve::{Failure, Network};

/// What clients of BuildKit say of a directory that they don't offer
/// (<https://github.com/moby/buildkit/blob/master/session/filesync/filesync.go>).
const NOT_OFFERED: &str = "no access allowed to dir";

/// How long a registry may take to say whether it has an image. What it doesn't say is found out later, if at all.
const ASKING: Duration = Duration::from_secs(10);

/// What engines say last of an image that its registry doesn't have.
const NOT_FOUND: &str = ": not found";

/// Directories that the script alone names: the request says nothing of them, so the client is asked.
pub(super) async fn directories<H: Host>(
    sources: &Sources<H>,
    plan: &Plan,
    options: &Options,
) -> Result<(), RemoteFailure<H::Error>> {
    let named = options.contexts.all().iter().filter_map(|named| match &named.value {
        FrontendContext::Local(local) => Some(local.as_str()),
        _ => None,
    });
    let place = &options.place;
    let known: BTreeSet<&str> = named
        .chain([place.context_local.as_str(), place.script_local.as_str()])
        .collect();
    for (name, session) in plan.locals() {
        if known.contains(name) {
            continue;
        }
        let dir = ClientDir {
            name: name.to_owned(),
            session: session.map(str::to_owned),
            path: String::new(),
        };
        // Any file will do: what counts is whether the client answers.
        let paths = vec![".dockerignore".to_owned()];
        let step = format!("[internal] look for the local directory {name}");
        let looked = async {
            let (tree, _) = sources.files(&dir, paths, &format!("{name}-read"), step).await?;
            tree.entries("/").await
        };
        match looked.await {
            Err(error) if error.to_string().contains(NOT_OFFERED) => return Err(not_offered(plan, name).into()),
            Err(error) => return Err(refused::<H>(error)),
            Ok(_) => {}
        }
    }
    Ok(())
}

fn not_offered(plan: &Plan, name: &str) -> Diagnostic {
    let lower = name.to_lowercase();
    let hint = match NamedContexts::normalise(&lower) {
        Ok(_) if lower == name => format!("give it with `--build-context {name}=DIR`"),
        Ok(_) => format!(
            "docker knows directories by names in lower case alone: call it `{lower}` in the script, and give it with \
             `--build-context {lower}=DIR`"
        ),
        Err(_) => "give it with `--build-context`, under a name as images have: that one is none".to_owned(),
    };
    let told = Diagnostic::error(
        "missing-local",
        format!("the build needs the local directory `{name}`, which was not given"),
    );
    let told = told.with_hint(hint);
    match plan.local_place(name) {
        Some(place) => told.with_span(place),
        None => told,
    }
}

/// Images that the lock file `file` pins: their registries must still have them, as the Dockerfile frontend finds out of
/// any digest. An engine that can't ask, or gets no answer, may have them all the same.
pub(super) async fn images<H: Host>(
    host: &H,
    plan: &Plan,
    locked: &Pins,
    file: &Arc<SourceFile>,
) -> Result<(), RemoteFailure<H::Error>> {
    let reached = plan.reached();
    let known = lock::select(&reached, locked);
    let mut pinned: BTreeMap<Reference, (&Reference, Vec<Platform>)> = BTreeMap::new();
    for (reference, platform, image) in known.images() {
        let Some(digest) = &image.digest else { continue };
        let entry = pinned.entry(reference.with_digest(digest.clone()));
        entry
            .or_insert_with(|| (reference, Vec::new()))
            .1
            .push(platform.clone());
    }
    let modes = &reached.modes;
    let places = &Semaphore::new(Network::default().parallel);
    let asked = pinned.iter().map(|(exact, (reference, platforms))| async move {
        let mode = modes.get(*reference).copied().unwrap_or_default();
        let _place = places.acquire().await;
        let answers = tokio::time::timeout(ASKING, host.resolve(exact, platforms, mode)).await;
        let answers = answers.unwrap_or_default();
        let gone = answers.iter().filter_map(|answer| answer.as_ref().err());
        let mut gone =
            gone.filter(|error| matches!(&error.failure, Failure::Engine { message } if message.ends_with(NOT_FOUND)));
        gone.next().map(|_| gone_image(plan, file, exact, reference))
    });
    let gone: Vec<Diagnostic> = join_all(asked).await.into_iter().flatten().collect();
    if gone.is_empty() {
        return Ok(());
    }
    Err(RemoteFailure::Told(gone))
}

fn gone_image(plan: &Plan, file: &Arc<SourceFile>, exact: &Reference, reference: &Reference) -> Diagnostic {
    let image = reference.familiar();
    let mut told = Diagnostic::error(
        "gone-image",
        format!("the registry has no `{}`, which the lock file pins", exact.familiar()),
    )
    .with_hint(format!(
        "`luakit lock --update {image}` pins the one that it has now; without its entry the image is looked up"
    ));
    let digest = exact.digest().map(ToString::to_string).unwrap_or_default();
    let text = String::from_utf8_lossy(&file.data);
    let line = (1..).zip(text.lines()).find(|(_, line)| line.contains(&digest));
    told.span = line.map(|(number, _)| Span::line(Arc::clone(file), number));
    told.labels.extend(plan.image_place(reference).map(|span| Label {
        span,
        text: "named here".to_owned(),
    }));
    told
}
