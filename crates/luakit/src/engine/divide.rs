//! The outputs of a build that several nodes share: what each node is asked for, and what is made of their answers.
//!
//! Files go into a directory for each platform, as one engine has them; tarballs are put one after the other; images
//! are pushed by digest, and joined under their names later ([`joint_index`](super::joint_index)). What can't be
//! joined is refused before any node hears of it, and so is what can't be written.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use luakit_buildkit::{Archive, CancellationToken, Export, ExportKind, FileOutput};
use luakit_diagnostic::Diagnostic;
use luakit_llb::{Platform, Reference};
use tempfile::TempDir;

use super::exports::{is_on, is_pushed, is_stored};
use super::tarball;
use crate::failure::{Failure, Kind};
use crate::output_file::Begun;
use crate::printer::Printer;

/// A build's outputs, divided.
pub(super) struct Divided {
    /// Of each node.
    pub(super) exports: Vec<Vec<Export>>,
    /// Under which names the image is pushed, if it is.
    pub(super) image: Option<JointImage>,
    tarballs: Vec<Tarball>,
    /// Where the nodes' tarballs lie meanwhile.
    folder: Option<TempDir>,
}

/// An image whose parts nodes push.
pub(super) struct JointImage {
    /// Its names. Without tags, it is known by its digest alone.
    pub(super) names: Vec<Reference>,
    /// Whether it has no tags.
    pub(super) by_digest: bool,
    /// Whether the registry may be reached without TLS, or with any certificate.
    pub(super) insecure: bool,
    /// Annotations of the index.
    pub(super) annotations: BTreeMap<String, String>,
}

struct Tarball {
    parts: Vec<PathBuf>,
    whole: Whole,
}

/// Where a tarball goes.
enum Whole {
    File(Begun),
    Stream {
        name: String,
        writer: Box<dyn Write + Send>,
    },
}

/// Refuses outputs that several nodes can't make together.
pub(super) fn check(exports: &[Export], nodes: &[String]) -> Result<(), Failure> {
    let refuse = |what: String, hint: &str| {
        let message = format!(
            "{what}, and this build is divided among the nodes {}",
            nodes.join(" and ")
        );
        let diagnostic = Diagnostic::error("several-nodes", message).with_hint(hint);
        Err(Failure::new(Kind::Usage, diagnostic))
    };
    for export in exports {
        match &export.kind {
            ExportKind::Archive(archive @ (Archive::Oci | Archive::Docker), _) => {
                let name = if *archive == Archive::Oci { "oci" } else { "docker" };
                return refuse(
                    format!("the output `type={name}` is written by one node"),
                    "push the image instead (`push=true`), or build each `--platform` by itself",
                );
            }
            ExportKind::Local(_) | ExportKind::Archive(Archive::Tar, _)
                if export.attrs.get("platform-split").is_some_and(|split| split == "false") =>
            {
                return refuse(
                    "`platform-split=false` puts the files of all platforms into one place".to_owned(),
                    "leave it out, or build each `--platform` by itself",
                );
            }
            _ => {}
        }
    }
    if exports.iter().filter(|export| is_pushed(export)).count() > 1 {
        return refuse(
            "there are two outputs that push an image".to_owned(),
            "give one output both names: `name=A,name=B` in quotes, or two `-t`",
        );
    }
    Ok(())
}

/// Divides outputs among nodes, which build these platforms.
pub(super) fn divide(exports: Vec<Export>, nodes: &[&[Platform]], printer: &Printer) -> Result<Divided, Failure> {
    let mut divided = Divided {
        exports: nodes.iter().map(|_| Vec::new()).collect(),
        image: None,
        tarballs: Vec::new(),
        folder: None,
    };
    for mut export in exports {
        if is_pushed(&export) {
            divided.image = Some(by_digest(&mut export)?);
        } else if is_stored(&export) {
            printer.warning(
                "divided-image",
                "each node keeps its own platforms of the image, and none has all: push it with `push=true` to join them",
            );
        }
        let mut parts = Vec::new();
        let wholes = divided.tarballs.len();
        for (node, platforms) in nodes.iter().enumerate() {
            let kind = match &export.kind {
                ExportKind::Archive(..) => {
                    let path = divided.folder()?.join(format!("{wholes}-{node}.tar"));
                    parts.push(path.clone());
                    ExportKind::Archive(Archive::Tar, FileOutput::Path(path))
                }
                ExportKind::Local(dir) => ExportKind::Local(dir.clone()),
                ExportKind::Image => ExportKind::Image,
            };
            let attrs = export.attrs.iter().filter(|(key, _)| concerns(key, platforms));
            let attrs = attrs.map(|(key, value)| (key.clone(), value.clone())).collect();
            if let Some(own) = divided.exports.get_mut(node) {
                own.push(Export { kind, attrs });
            }
        }
        if let ExportKind::Archive(_, whole) = export.kind {
            let whole = match whole {
                FileOutput::Path(path) | FileOutput::Layout(path) => Whole::File(Begun::new(&path)?),
                FileOutput::Stream { name, writer } => Whole::Stream { name, writer },
            };
            divided.tarballs.push(Tarball { parts, whole });
        }
    }
    Ok(divided)
}

/// Has an image pushed by its digest, and gives the names that it is to get.
fn by_digest(export: &mut Export) -> Result<JointImage, Failure> {
    let names = export.attrs.get("name").cloned().unwrap_or_default();
    let parsed: Result<Vec<Reference>, _> = names.split(',').map(str::parse).collect();
    let names = parsed.map_err(|e| Failure::usage(format!("invalid image name in `{names}`: {e}")))?;
    let mut repositories: Vec<String> = names.iter().map(repository).collect();
    repositories.sort();
    repositories.dedup();
    let by_digest = is_on(export, "push-by-digest");
    export.attrs.insert("name".to_owned(), repositories.join(","));
    export.attrs.insert("push-by-digest".to_owned(), "true".to_owned());
    // A part of the image under its name would be taken for all of it.
    export
        .attrs
        .entry("store".to_owned())
        .or_insert_with(|| "false".to_owned());
    let annotations = export.attrs.iter().filter_map(|(key, value)| {
        let key = key.strip_prefix("annotation-index.")?;
        Some((key.to_owned(), value.clone()))
    });
    Ok(JointImage {
        names,
        by_digest,
        insecure: is_on(export, "registry.insecure"),
        annotations: annotations.collect(),
    })
}

/// A name without its tag.
pub(super) fn repository(name: &Reference) -> String {
    format!("{}/{}", name.domain(), name.path())
}

/// Whether an exporter's attribute means something to a node with these platforms: an annotation of a platform that
/// isn't there is an error to an engine.
fn concerns(key: &str, platforms: &[Platform]) -> bool {
    let platform = key
        .strip_prefix("annotation")
        .and_then(|rest| rest.split_once('[')?.1.split_once("]."))
        .and_then(|(platform, _)| platform.parse::<Platform>().ok());
    platform.is_none_or(|platform| platforms.contains(&platform))
}

impl Divided {
    fn folder(&mut self) -> Result<PathBuf, Failure> {
        let failed = |e: io::Error| Failure::write("a temporary file", &e);
        if self.folder.is_none() {
            self.folder = Some(tempfile::tempdir().map_err(failed)?);
        }
        Ok(self
            .folder
            .as_ref()
            .map(|folder| folder.path().to_owned())
            .unwrap_or_default())
    }

    /// The files that nodes' parts are put into, and what these are until they are whole.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let files = self.tarballs.iter().filter_map(|tarball| match &tarball.whole {
            Whole::File(file) => Some(file),
            Whole::Stream { .. } => None,
        });
        files.flat_map(Begun::places).collect()
    }

    /// Puts the nodes' tarballs together, until the token is used: then the next write fails. What comes of it is yet to
    /// be put in its place. The files stay with the task, and go with it, though the thread may still wait for a pipe's
    /// reader.
    pub(super) async fn join_tarballs(&mut self, cancel: &CancellationToken) -> Result<Vec<Begun>, Failure> {
        let mut joined = Vec::new();
        for Tarball { parts, whole } in std::mem::take(&mut self.tarballs) {
            let (file, name, mut writer): (_, _, Box<dyn Write + Send>) = match whole {
                Whole::Stream { name, writer } => (None, name, writer),
                Whole::File(file) => {
                    let writer = Box::new(file.writer()?);
                    (Some(file), String::new(), writer)
                }
            };
            let cancel = cancel.clone();
            let work = tokio::task::spawn_blocking(move || tarball::join(&parts, &mut *writer, &cancel));
            let written = work.await.map_err(|e| Failure::internal(e.to_string()))?;
            written.map_err(|e| match &file {
                Some(file) => file.failed(&e),
                None => Failure::write(&name, &e),
            })?;
            if let Some(file) = file {
                file.sync().await?;
                joined.push(file);
            }
        }
        Ok(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(kind: ExportKind, attrs: &[(&str, &str)]) -> Export {
        let attrs = attrs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Export {
            kind,
            attrs: attrs.collect(),
        }
    }

    fn file() -> FileOutput {
        FileOutput::Path(PathBuf::from("/nonexistent/image.tar"))
    }

    #[test]
    fn what_nodes_cant_make_together() {
        let nodes = ["one".to_owned(), "two".to_owned()];
        let push = || export(ExportKind::Image, &[("push", "true")]);
        let refused = [
            vec![export(ExportKind::Archive(Archive::Oci, file()), &[])],
            vec![export(ExportKind::Archive(Archive::Docker, file()), &[])],
            vec![export(
                ExportKind::Local(PathBuf::from("out")),
                &[("platform-split", "false")],
            )],
            vec![push(), push()],
        ];
        let told: Vec<String> = refused
            .iter()
            .filter_map(|exports| Some(check(exports, &nodes).err()?.diagnostics().first()?.message.clone()))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        the output `type=oci` is written by one node, and this build is divided among the nodes one and two
        the output `type=docker` is written by one node, and this build is divided among the nodes one and two
        `platform-split=false` puts the files of all platforms into one place, and this build is divided among the nodes one and two
        there are two outputs that push an image, and this build is divided among the nodes one and two
        ");
        let fine = [push(), export(ExportKind::Archive(Archive::Tar, file()), &[])];
        assert!(check(&fine, &nodes).is_ok());
    }

    #[test]
    fn each_node_pushes_its_part_by_digest() {
        let mut image = export(
            ExportKind::Image,
            &[
                ("push", "true"),
                ("name", "r.example/a:1,r.example/a:2,docker.io/library/b:latest"),
                ("annotation-index.who", "me"),
                ("annotation[linux/amd64].k", "v"),
            ],
        );
        let joint = by_digest(&mut image).unwrap();
        assert_eq!(
            image.attrs.get("name").map(String::as_str),
            Some("docker.io/library/b,r.example/a")
        );
        assert_eq!(image.attrs.get("store").map(String::as_str), Some("false"));
        assert_eq!(joint.names.len(), 3);
        assert_eq!(joint.annotations.get("who").map(String::as_str), Some("me"));
        let arm: [Platform; 1] = ["linux/arm64".parse().unwrap()];
        assert!(!concerns("annotation[linux/amd64].k", &arm));
        assert!(concerns("annotation-manifest[linux/arm64].k", &arm));
        assert!(concerns("annotation.k", &arm));
    }

    /// Neither is a build's input, wherever links lead.
    #[test]
    fn a_whole_tarball_is_begun_before_the_build() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::create_dir(folder.join("sub")).unwrap();
        std::os::unix::fs::symlink("sub/whole.tar", folder.join("link")).unwrap();
        let platforms: [Platform; 1] = ["linux/arm64".parse().unwrap()];
        let divided = |path: PathBuf| {
            let tarball = export(ExportKind::Archive(Archive::Tar, FileOutput::Path(path)), &[]);
            let printer = Printer::new(clap::ColorChoice::Never);
            divide(vec![tarball], &[&platforms, &platforms], &printer)
        };
        let places = divided(folder.join("link")).unwrap().places();
        assert_eq!(places.len(), 2);
        assert!(places.contains(&folder.join("sub/whole.tar")), "{places:?}");
        let failure = divided(folder.join("none/whole.tar")).err().unwrap();
        assert_eq!(failure.exit_code(), std::process::ExitCode::from(2));
    }

    #[tokio::test]
    async fn a_join_that_is_canceled_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part.tar");
        std::fs::write(&part, [0; 1024]).unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let tarball = Tarball {
            parts: vec![part],
            whole: Whole::File(Begun::new(&out.join("whole.tar")).unwrap()),
        };
        let mut divided = Divided {
            exports: Vec::new(),
            image: None,
            tarballs: vec![tarball],
            folder: None,
        };
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert!(divided.join_tarballs(&cancel).await.is_err());
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    }
}
