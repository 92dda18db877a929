//! The base images: made from recipes, kept by their recipe's hash, served by the registry.
//!
//! [`layers`] and [`catalog`] say what there is, [`layer`] makes one layer from Debian's packages,
//! [`manifest`] writes the JSON of an image. A layer is made once for each recipe; layers that do not rest on each other are
//! made side by side. What an image's namesake has and ours lacks is in `docs/contributing/test-engine.md`.

mod catalog;
mod layer;
mod layers;
mod manifest;
mod recipes;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use luakit_testkit::engine;

use super::packages::{ARCHITECTURES, Apt, IMAGE_SUITE, Tools};
use super::place::Place;
use super::registry::Registry;
use catalog::Image;
use layer::{Made, Workshop};
use recipes::Recipe;

/// How many layers are made at once: each is mostly one process at work.
const HANDS: usize = 3;

/// Makes what is missing, and pushes what the registry lacks. The result is sorted by reference.
pub(super) fn provide(place: &Place, apt: &Apt, tools: &Tools, registry: &str) -> Result<Vec<engine::Image>> {
    let recipes = layers::all();
    let layers = make_layers(place, apt, tools, &recipes)?;
    serve_packages(place, &layers)?;
    let mut registry = Registry::new(registry);
    let work = place.images().join("manifests");
    fs::create_dir_all(&work)?;
    let mut images = Vec::new();
    for image in catalog::all() {
        images.extend(publish(&image, &layers, &mut registry, &work)?);
    }
    images.sort_by(|a, b| a.reference.cmp(&b.reference));
    Ok(images)
}

/// Shows what the images' `apk` installs to the server of packages, by `apk`'s names of architectures.
fn serve_packages(place: &Place, layers: &BTreeMap<String, Made>) -> Result<()> {
    for (arch, name) in layers::APK_ARCHITECTURES {
        let made = layers
            .get(&layers::packages_of(arch))
            .context("no packages for `apk`")?;
        let link = place.served().join(name);
        if fs::read_link(&link).is_ok_and(|target| target == made.root) {
            continue;
        }
        let partial = link.with_extension("partial");
        match fs::remove_file(&partial) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(why.into()),
            _ => std::os::unix::fs::symlink(&made.root, &partial)?,
        }
        fs::rename(&partial, &link).with_context(|| format!("cannot write `{}`", link.display()))?;
    }
    Ok(())
}

/// All layers, by name.
fn make_layers(place: &Place, apt: &Apt, tools: &Tools, recipes: &[Recipe]) -> Result<BTreeMap<String, Made>> {
    let mut made = BTreeMap::new();
    let mut hashes = BTreeMap::new();
    let mut missing = Vec::new();
    for recipe in recipes {
        let hash = recipe.hash(&hashes);
        match Made::load(&place.images(), &recipe.name, &hash) {
            Some(layer) => {
                made.insert(recipe.name.clone(), layer);
            }
            None => missing.push((recipe, hash.clone())),
        }
        hashes.insert(recipe.name.clone(), hash);
    }
    if missing.is_empty() {
        return Ok(made);
    }
    println!("making {} layers of the base images", missing.len());
    apt.update(IMAGE_SUITE, &ARCHITECTURES)?;
    let workshop = Workshop {
        apt,
        tools,
        folder: place.images(),
    };
    let state = Mutex::new((missing, made));
    thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(|| work(&workshop, &state))).collect();
        for hand in hands {
            hand.join().map_err(|_| anyhow!("making a layer panicked"))??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let (_, made) = state.into_inner().map_err(|_| anyhow!("making a layer panicked"))?;
    Ok(made)
}

type Shared<'a> = Mutex<(Vec<(&'a Recipe, String)>, BTreeMap<String, Made>)>;

/// Makes one layer after the other whose layers below are made, until none is left.
fn work(workshop: &Workshop<'_>, state: &Shared<'_>) -> Result<()> {
    loop {
        let (recipe, hash, needs) = {
            let mut state = state.lock().map_err(|_| anyhow!("making a layer panicked"))?;
            let (missing, made) = &mut *state;
            if missing.is_empty() {
                return Ok(());
            }
            let next = missing
                .iter()
                .position(|(recipe, _)| recipe.needs().all(|name| made.contains_key(name)));
            let Some(next) = next else {
                drop(state);
                thread::sleep(std::time::Duration::from_millis(200));
                continue;
            };
            let (recipe, hash) = missing.remove(next);
            let needs: Option<Vec<Made>> = recipe.needs().map(|name| made.get(name).cloned()).collect();
            (recipe, hash, needs.unwrap_or_default())
        };
        match workshop.make(recipe, &hash, &needs) {
            Ok(layer) => {
                let mut state = state.lock().map_err(|_| anyhow!("making a layer panicked"))?;
                state.1.insert(recipe.name.clone(), layer);
            }
            Err(why) => {
                // The others must not wait for a layer that will not come.
                if let Ok(mut state) = state.lock() {
                    state.0.clear();
                }
                return Err(why.context(format!("layer `{}`", recipe.name)));
            }
        }
    }
}

/// Pushes one image with all its platforms, under each of its tags.
fn publish(
    image: &Image,
    layers: &BTreeMap<String, Made>,
    registry: &mut Registry,
    work: &Path,
) -> Result<Vec<engine::Image>> {
    let mut manifests = Vec::new();
    for variant in &image.variants {
        let layers = variant
            .layers
            .iter()
            .map(|name| layers.get(name).with_context(|| format!("no layer `{name}`")))
            .collect::<Result<Vec<_>>>()?;
        manifests.push(manifest::of(image, variant, &layers)?);
    }
    let index = manifest::index(&manifests)?;
    let platforms: Vec<String> = image
        .variants
        .iter()
        .map(|variant| variant.platform.to_owned())
        .collect();
    let mut published = Vec::new();
    for tag in &image.tags {
        if registry.digest(&image.repository, tag)?.as_deref() != Some(index.digest.as_str()) {
            for one in &manifests {
                for layer in &one.layers {
                    registry.push_blob(&image.repository, &layer.digest, &layer.blob)?;
                }
                let config = work.join(one.config.digest.replace(':', "-"));
                fs::write(&config, &one.config.content)?;
                registry.push_blob(&image.repository, &one.config.digest, &config)?;
                let content = &one.content;
                registry.push_manifest(&image.repository, &content.digest, manifest::MANIFEST, &content.content)?;
            }
            registry.push_manifest(&image.repository, tag, manifest::INDEX, &index.content)?;
            if registry.digest(&image.repository, tag)?.as_deref() != Some(index.digest.as_str()) {
                bail!(
                    "the registry does not keep `{}:{tag}` as it was pushed",
                    image.repository
                );
            }
        }
        published.push(engine::Image {
            reference: format!("{}/{}:{tag}", image.host, image.repository),
            repository: image.repository.clone(),
            tag: tag.clone(),
            digest: index.digest.clone(),
            platforms: platforms.clone(),
        });
    }
    Ok(published)
}
