//! What is told of a build that has succeeded: `--metadata-file`, `--iidfile` and `--quiet`, as docker buildx has them
//! (`commands/build.go` of <https://github.com/docker/buildx>).
//!
//! Files are opened when the build is about to begin, so that one that can't be written starts none, and not before:
//! from then on signals are heeded, and what is half made is removed. They appear when the build has succeeded.

use std::path::{Path, PathBuf};

use luakit_buildkit::{BuildResponse, Export};

use crate::engine::exports;
use crate::failure::Failure;
use crate::flags::output::{Kind, Spec};
use crate::output_file::Begun;
use crate::printer::Printer;

/// What is to be written at a build's end.
#[derive(Debug)]
pub(crate) struct Results {
    metadata: Option<PathBuf>,
    id: Option<PathBuf>,
    quiet: bool,
}

/// The same, with its files open.
#[derive(Debug)]
pub(crate) struct OpenResults {
    metadata: Option<Begun>,
    id: Option<Begun>,
    quiet: bool,
}

impl Results {
    /// Refuses what doesn't go together.
    pub(super) fn new(
        metadata: Option<&Path>,
        id: Option<&Path>,
        quiet: bool,
        specs: &[Spec],
    ) -> Result<Self, Failure> {
        if id.is_some() && specs.iter().any(|spec| matches!(spec.kind, Kind::Local | Kind::Tar)) {
            return Err(Failure::usage(
                "`--iidfile` is for an image, and an output is bare files",
            ));
        }
        if id.is_some() && specs.iter().all(|spec| spec.kind == Kind::CacheOnly) && !specs.is_empty() {
            return Err(Failure::usage("`--iidfile` is for an image, and no output is one"));
        }
        if quiet && specs.iter().any(Spec::is_stdout) {
            return Err(Failure::usage(
                "`--quiet` prints the image's id, and an output goes to stdout too",
            ));
        }
        Ok(Self {
            metadata: metadata.map(Path::to_owned),
            id: id.map(Path::to_owned),
            quiet,
        })
    }

    /// Refuses to tell of a build that is divided among nodes as of one: only a push joins its results.
    pub(crate) fn check_divided(&self, exports: &[Export]) -> Result<(), Failure> {
        if exports.iter().any(exports::is_pushed) {
            return Ok(());
        }
        let asked = [
            (self.id.is_some(), "--iidfile"),
            (self.metadata.is_some(), "--metadata-file"),
            (self.quiet && exports.iter().any(exports::is_image), "--quiet"),
        ];
        let Some((_, flag)) = asked.into_iter().find(|(asked, _)| *asked) else {
            return Ok(());
        };
        Err(Failure::usage(format!(
            "`{flag}` tells of one result, and this build is divided among several nodes, each with its own"
        ))
        .hint("push the image, which joins them, or build each `--platform` by itself"))
    }

    /// Opens the files, and removes the id of an earlier build, which a script would take for this one's if it fails.
    pub(crate) fn open(&self) -> Result<OpenResults, Failure> {
        let opened = OpenResults {
            metadata: self.metadata.as_deref().map(Begun::new).transpose()?,
            id: self.id.as_deref().map(Begun::new).transpose()?,
            quiet: self.quiet,
        };
        opened.id.as_ref().map(Begun::remove_old).transpose()?;
        Ok(opened)
    }
}

impl OpenResults {
    /// The files, and what they are until they are whole.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        let files = self.metadata.iter().chain(&self.id);
        files.flat_map(Begun::places).collect()
    }

    /// Writes what `response` says; of the image's ids, that of a store that goes by the digests of manifests, or of
    /// configs.
    pub(crate) async fn write(
        self,
        response: &BuildResponse,
        by_digest: bool,
        printer: &Printer,
    ) -> Result<(), Failure> {
        let id = response.image_id(by_digest);
        if let Some(file) = self.id {
            file.put(id.unwrap_or_default().into()).await?;
        }
        if let Some(file) = self.metadata {
            file.put(response.metadata().into()).await?;
        }
        match id {
            Some(id) if self.quiet => printer.data(format!("{id}\n").as_bytes()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// `/dev/null` as the file of an id is nothing to remove, and a link stays where it leads.
    #[test]
    fn an_id_of_before_goes_and_links_and_devices_stay() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("real")).unwrap();
        std::fs::write(at("real/id"), "old").unwrap();
        symlink("real/id", at("id")).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        symlink("none", at("nowhere")).unwrap();
        for name in ["id", "null", "nowhere"] {
            let results = Results::new(None, Some(&at(name)), false, &[]).unwrap();
            drop(results.open().unwrap());
            assert!(std::fs::symlink_metadata(at(name)).unwrap().is_symlink(), "{name}");
        }
        assert!(!at("real/id").exists());
        assert!(Path::new("/dev/null").exists());
    }
}
