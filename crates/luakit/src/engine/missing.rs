//! A path that a file step didn't find, told by what it isn't in. Engines say the path alone, between their own words and
//! paths of their own.
//!
//! The engine's sentences are those of BuildKit's `cache/contenthash`, `solver/llbsolver/file` and of the system; one that
//! isn't recognised stays as it is.

use std::path::Path;

use luakit_buildkit::StepFailure;
use luakit_diagnostic::nearest;
use luakit_frontend::patterns::{Patterns, has_wildcards};
use luakit_llb::definition::{FileDeed, Origin};
use luakit_llb::marshal::CONTEXT;
use luakit_llb::{Definition, Reference};

use super::build::Locals;

/// What the system says of a path that isn't there.
const NO_ENTRY: &str = ": no such file or directory";

/// What went wrong, and what may be done about it.
pub(super) struct Told {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Tells a missing path of a step. `locals` are the build's directories, as far as they are known.
pub(super) fn missing(step: &StepFailure, definitions: &[Definition], locals: &Locals) -> Option<Told> {
    let digest = step.vertex.as_deref()?;
    let mut deeds = definitions.iter().flat_map(|definition| definition.file_deeds(digest));
    deeds.find_map(|deed| match deed {
        FileDeed::Copy { path, from } => is_uncopied(&step.message, &path).then(|| uncopied(&path, &from, locals)),
        FileDeed::MakeDir(path) => on_engine(&step.message, "mkdir ", &path).then(|| Told {
            message: format!("mkdir: there is no directory to make `{path}` in"),
            hint: Some("`make_parents = true` makes those above it, too".to_owned()),
        }),
        FileDeed::Remove(path) => on_engine(&step.message, "", &path).then(|| Told {
            message: format!("rm: there is no `{path}`"),
            hint: Some("`allow_not_found = true` lets it be missing".to_owned()),
        }),
    })
}

/// Whether the engine says that it didn't find a path to copy: quoted while it looks for what is cached, bare where it
/// is a pattern.
fn is_uncopied(message: &str, path: &str) -> bool {
    let quoted = || {
        message
            .strip_suffix(": not found")
            .is_some_and(|said| said.ends_with(&format!("{path:?}")))
    };
    let bare = || {
        message
            .strip_suffix(" not found")
            .is_some_and(|said| said == path || said.ends_with(&format!(" {path}")))
    };
    quoted() || bare() || on_engine(message, "", path)
}

/// Whether the system says it of a path on the engine, where the step's root is a directory somewhere.
fn on_engine(message: &str, call: &str, path: &str) -> bool {
    let said = message.strip_suffix(NO_ENTRY);
    said.is_some_and(|said| said.contains(call) && said.ends_with(path))
}

fn uncopied(path: &str, from: &Origin, locals: &Locals) -> Told {
    let (what, hint) = match from {
        Origin::Local { name, exclude } => {
            let relative = path.trim_start_matches('/');
            let hint = left_out(name, relative, exclude).or_else(|| not_there(relative, name, locals.get(name)?));
            return Told {
                message: nothing(relative, &format!("the local directory `{name}`")),
                hint,
            };
        }
        Origin::Source(identifier) => match identifier.split_once("://") {
            Some(("docker-image", image)) => {
                let tagged = image.split_once('@').map_or(image, |(tagged, _)| tagged);
                let familiar = tagged.parse::<Reference>().map(|image| image.familiar());
                (
                    format!("the image `{}`", familiar.unwrap_or_else(|_| image.to_owned())),
                    None,
                )
            }
            _ => (format!("`{identifier}`"), None),
        },
        Origin::Step(name) => (format!("the result of `{name}`"), None),
        Origin::Scratch => ("the empty filesystem".to_owned(), None),
    };
    Told {
        message: nothing(path, &what),
        hint,
    }
}

fn nothing(path: &str, what: &str) -> String {
    let verb = if has_wildcards(path) {
        "nothing matches"
    } else {
        "there is no"
    };
    format!("copy: {verb} `{path}` in {what}")
}

/// The pattern by which a file isn't sent.
fn left_out(name: &str, path: &str, exclude: &[String]) -> Option<String> {
    if has_wildcards(path) || !Patterns::new(exclude).ok()?.matches(path) {
        return None;
    }
    let alone = |pattern: &&String| Patterns::new([pattern.as_str()]).is_ok_and(|alone| alone.matches(path));
    let pattern = exclude.iter().rfind(alone)?;
    let whose = if name == CONTEXT {
        "the ignore file, or of `exclude`,"
    } else {
        "`exclude`"
    };
    Some(format!("the pattern `{pattern}` of {whose} leaves it out"))
}

/// Where it was looked for, and what there is that it may be.
fn not_there(path: &str, name: &str, dir: &Path) -> Option<String> {
    let real = dir.canonicalize().ok()?;
    if !has_wildcards(path) {
        let wanted = Path::new(path);
        let near = real
            .join(wanted.parent()?)
            .read_dir()
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut near: Vec<String> = near.collect();
        near.sort();
        if let Some(near) = nearest(wanted.file_name()?.to_str()?, near.iter().map(String::as_str)) {
            let near = wanted.with_file_name(near);
            return Some(format!("did you mean `{}`?", near.display()));
        }
    }
    let what = if name == CONTEXT {
        "the context".to_owned()
    } else {
        format!("`{name}`")
    };
    Some(format!("{what} is `{}`", real.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engines_say() {
        let cache = r#"failed to compute cache key: failed to calculate checksum of ref a::b: "/no": not found"#;
        assert!(is_uncopied(cache, "/no"));
        assert!(!is_uncopied(cache, "/o"));
        assert!(is_uncopied("/*.no not found", "/*.no"));
        let system = "mkdir /var/lib/buildkit/mounts/buildkit75/a/b/c: no such file or directory";
        assert!(on_engine(system, "mkdir ", "/a/b/c"));
        assert!(!on_engine("process did not complete", "", "/a"));
    }

    #[test]
    fn why_a_file_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("src")).unwrap();
        std::fs::write(dir.path().join("src/main.c"), "").unwrap();
        let locals = Locals::from([(CONTEXT.to_owned(), dir.path().to_owned())]);
        let told = |path: &str, from: &Origin| {
            let Told { message, hint } = uncopied(path, from, &locals);
            let real = dir.path().canonicalize().unwrap();
            let hint = hint.unwrap_or_default().replace(&real.display().to_string(), "DIR");
            format!("{message}\n  {hint}").trim_end().to_owned()
        };
        let context = Origin::Local {
            name: CONTEXT.to_owned(),
            exclude: vec!["*.log".to_owned(), "!keep.log".to_owned()],
        };
        let lines = [
            told("/a.log", &context),
            told("/keep.log", &context),
            told("/src/mian.c", &context),
            told("/*.rs", &context),
            told(
                "/x",
                &Origin::Source(format!(
                    "docker-image://docker.io/library/alpine:3.19@sha256:{}",
                    "1".repeat(64)
                )),
            ),
            told("/x", &Origin::Step("/bin/sh -c true".to_owned())),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r"
        copy: there is no `a.log` in the local directory `context`
          the pattern `*.log` of the ignore file, or of `exclude`, leaves it out
        copy: there is no `keep.log` in the local directory `context`
          the context is `DIR`
        copy: there is no `src/mian.c` in the local directory `context`
          did you mean `src/main.c`?
        copy: nothing matches `*.rs` in the local directory `context`
          the context is `DIR`
        copy: there is no `/x` in the image `alpine:3.19`
        copy: there is no `/x` in the result of `/bin/sh -c true`
        ");
    }
}
