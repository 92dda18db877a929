//! Named contexts: read from their flags, looked at on this machine, and handed to the script and the build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use luakit_buildkit::ContentStore;
use luakit_buildkit::layout::{LATEST, Layout};
use luakit_frontend::context_value::ContextValue;
use luakit_llb::{ImageDigest, Reference};
use luakit_script::{Excludes, NamedContext, NamedContexts};

use crate::failure::{Failure, reason};
use crate::flags::build_context::{self, ClientContext, ContextSpec};
use crate::script::ignore_patterns;

/// What takes the place of images and directories.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Inputs")]
pub(super) struct ContextArgs {
    /// Build with VALUE where the script names the image or the local directory NAME: a directory,
    /// `docker-image://REF`, `oci-layout://DIR[:TAG][@DIGEST]`, `target:NAME` of the same script, or the URL of a git
    /// repository or a file
    #[arg(long, value_name = "NAME=VALUE", value_parser = build_context::parse)]
    build_context: Vec<ContextSpec>,
}

/// Contexts that can be used.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    /// For the script.
    pub(crate) named: NamedContexts,
    locals: BTreeMap<String, PathBuf>,
    stores: BTreeMap<String, ContentStore>,
}

impl ContextArgs {
    pub(super) fn read(&self) -> Result<Contexts, Failure> {
        let mut contexts = Contexts::default();
        for ContextSpec { name, value } in &self.build_context {
            let again = contexts.named.names().any(|earlier| earlier == name);
            match value {
                ClientContext::Target(target) => {
                    contexts.named.insert_target(name.clone(), target.clone());
                }
                ClientContext::Dir(dir) => {
                    let context = contexts.directory(name, dir)?;
                    contexts.named.insert(name.clone(), context);
                }
                ClientContext::Other(value) => {
                    let context = contexts.other(name, value)?;
                    contexts.named.insert(name.clone(), context);
                }
            }
            if again {
                return Err(Failure::usage(format!("`--build-context` gives `{name}` twice")));
            }
        }
        Ok(contexts)
    }
}

impl Contexts {
    fn directory(&mut self, name: &str, dir: &Path) -> Result<NamedContext, Failure> {
        let exclude = ignore_file(name, dir)?;
        self.locals.insert(name.to_owned(), dir.to_owned());
        Ok(NamedContext::Local {
            name: name.to_owned(),
            exclude: Excludes::Known(exclude),
            hint: None,
            session: None,
        })
    }

    fn other(&mut self, name: &str, value: &ContextValue) -> Result<NamedContext, Failure> {
        Ok(match value {
            ContextValue::Image(reference) => NamedContext::Image(reference.clone()),
            ContextValue::Scratch => NamedContext::Scratch,
            ContextValue::OciLayout { store, tag, digest } => {
                self.layout(name, Path::new(store), tag.as_deref(), digest.as_ref())?
            }
            ContextValue::Git(source) => NamedContext::Git(source.clone()),
            ContextValue::Http(url) => NamedContext::Http(url.clone()),
        })
    }

    fn layout(
        &mut self,
        name: &str,
        dir: &Path,
        tag: Option<&str>,
        digest: Option<&ImageDigest>,
    ) -> Result<NamedContext, Failure> {
        let digest = match digest {
            Some(digest) => digest.clone(),
            None => entry(name, dir, tag.unwrap_or(LATEST))?,
        };
        // The engine asks for the layout by the context's name; the reference only says what it is of.
        let wrong = |e| Failure::usage(format!("the build context `{name}`: {e}"));
        let reference: Reference = name
            .parse()
            .map_err(|e: luakit_llb::reference::ReferenceError| wrong(e.to_string()))?;
        let store = ContentStore {
            dir: dir.to_owned(),
            writable: false,
        };
        self.stores.insert(format!("oci:{name}"), store);
        Ok(NamedContext::OciLayout {
            reference: reference.with_digest(digest),
            store: name.to_owned(),
        })
    }

    /// The layouts among them.
    pub(crate) fn stores(&self) -> &BTreeMap<String, ContentStore> {
        &self.stores
    }

    /// Adds the directories and layouts to those that the build offers.
    pub(crate) fn offer(
        self,
        locals: &mut BTreeMap<String, PathBuf>,
        stores: &mut BTreeMap<String, ContentStore>,
    ) -> Result<(), Failure> {
        for (name, dir) in self.locals {
            if locals.insert(name.clone(), dir).is_some() {
                return Err(Failure::usage(format!(
                    "`--local` and `--build-context` both give `{name}`"
                )));
            }
        }
        stores.extend(self.stores);
        Ok(())
    }
}

/// The patterns of a directory's ignore file, if it has one.
fn ignore_file(name: &str, dir: &Path) -> Result<Vec<String>, Failure> {
    let wrong = |path: &Path, why: &str| {
        Failure::usage(format!(
            "can't read `{}`, given as the build context `{name}`: {why}",
            path.display()
        ))
    };
    let metadata = std::fs::metadata(dir).map_err(|e| wrong(dir, &reason(&e)))?;
    if !metadata.is_dir() {
        return Err(wrong(dir, "not a directory"));
    }
    let path = dir.join(".dockerignore");
    match std::fs::read(&path) {
        Ok(text) => ignore_patterns(&path, text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(wrong(&path, &reason(&e))),
    }
}

/// The digest of an image in a layout.
fn entry(name: &str, dir: &Path, tag: &str) -> Result<ImageDigest, Failure> {
    let wrong = |why: String| Failure::usage(format!("the build context `{name}`: {why}"));
    let digest = Layout::new(dir).digest(tag).map_err(|e| wrong(e.to_string()))?;
    let Some(digest) = digest else {
        return Err(wrong(format!("the image layout `{}` has no `{tag}`", dir.display()))
            .hint("name another with `oci-layout://DIR:TAG` or `oci-layout://DIR@DIGEST`"));
    };
    digest
        .parse()
        .map_err(|e: luakit_llb::reference::DigestError| wrong(e.to_string()))
}
