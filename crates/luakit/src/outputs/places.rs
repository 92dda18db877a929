//! Where a build's results go, compared before it begins: of two that go into one file the second would replace the
//! first, and in a pipe they would be mixed.
//!
//! Paths are compared by where they lead, not by how they are written. `/dev/null` may take any number.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use luakit_buildkit::real_path;

use crate::failure::Failure;
use crate::flags::output::Spec;

/// What stdout is, whatever that is.
const STDOUT: &str = "/dev/stdout";

/// A result, as the command line names it.
#[derive(Clone, Copy)]
enum Named<'a> {
    /// `-o`, with its `dest`.
    Output(&'a str),
    /// A flag with a file.
    Flag(&'static str),
}

#[derive(PartialEq, Eq)]
enum Place {
    /// A file or a directory, whether or not it is there.
    File(PathBuf),
    /// A pipe or a device, by its device and inode.
    Special(u64, u64),
}

/// Refuses outputs and flags that write to one place. `quiet` writes to stdout.
pub(super) fn check(specs: &[Spec], flags: &[(&'static str, Option<&Path>)], quiet: bool) -> Result<(), Failure> {
    let outputs = specs.iter().filter_map(|spec| {
        let path = if spec.is_stdout() {
            STDOUT
        } else {
            spec.dest.as_deref()?
        };
        Some((Named::Output(spec.dest.as_deref().unwrap_or("-")), Path::new(path)))
    });
    let files = flags
        .iter()
        .filter_map(|(flag, path)| Some((Named::Flag(flag), (*path)?)));
    let told = quiet.then_some((Named::Flag("--quiet"), Path::new(STDOUT)));
    let mut written: Vec<(Named<'_>, Place)> = Vec::new();
    for (named, path) in outputs.chain(files).chain(told) {
        let Some(place) = place(path) else { continue };
        if let Some((first, _)) = written.iter().find(|(_, other)| *other == place) {
            return Err(Failure::usage(match (*first, named) {
                (Named::Output(_), Named::Output(dest)) => format!("two outputs go to `{dest}`"),
                (Named::Output(dest), Named::Flag(flag)) | (Named::Flag(flag), Named::Output(dest)) => {
                    format!("`{flag}` and an output both go to `{dest}`")
                }
                (Named::Flag(flag), Named::Flag(other)) => format!("`{flag}` and `{other}` write to the same file"),
            }));
        }
        written.push((named, place));
    }
    Ok(())
}

/// Where a path leads; `None` is nowhere.
fn place(path: &Path) -> Option<Place> {
    match fs::metadata(path) {
        Ok(there) if is_null(&there) => None,
        Ok(there) if !there.is_file() && !there.is_dir() => Some(Place::Special(there.dev(), there.ino())),
        _ => Some(Place::File(real_path(path))),
    }
}

fn is_null(there: &Metadata) -> bool {
    let null = fs::metadata("/dev/null");
    there.file_type().is_char_device() && null.is_ok_and(|null| null.rdev() == there.rdev())
}
