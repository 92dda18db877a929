//! A failed build, told like a failed script: the step, its place in the script, its log.

use std::sync::Arc;

use luakit_buildkit::{BuildError, BuildRequest, MissingCap, SourceExcerpt, StepFailure};
use luakit_diagnostic::{Diagnostic, SourceFile, Span, TraceFrame, nearest};
use luakit_llb::definition::{SourcePlace, largest_op};
use luakit_llb::{Definition, Reference};

use super::build::Locals;
use super::lacking;
use super::missing::{Told, missing};
use crate::failure::{Failure, Kind, without_numbers};
use crate::progress::clean_output;

/// What is wrong with a build that no engine has heard of: what the user gave, or didn't.
pub(crate) fn unstarted(error: &BuildError, definitions: &[Definition], request: &BuildRequest) -> Failure {
    let did_you_mean = match error {
        BuildError::Service(_) | BuildError::Request(_) => {
            return Failure::usage(without_numbers(&error.to_string()));
        }
        BuildError::MissingLocal { name, .. } => {
            let near = nearest(name, request.locals.keys().map(String::as_str));
            near.map(|near| format!("`--local {near}` is given: did you mean `--local {name}`?"))
        }
        BuildError::MissingSecret { id, .. } => {
            let near = nearest(id, request.attachments.secrets.keys().map(String::as_str));
            near.map(|near| format!("`--secret id={near}` is given: did you mean `id={id}`?"))
        }
        _ => None,
    };
    let failure = failure(error, definitions, &request.locals);
    match did_you_mean {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What a failed build is to the user. `locals` are its directories, where they are of this machine.
pub(crate) fn failure(error: &BuildError, definitions: &[Definition], locals: &Locals) -> Failure {
    let diagnostic = match error {
        BuildError::Step(step) => return Failure::new(Kind::Build, step_diagnostic(step, definitions, locals)),
        BuildError::MissingLocal { name, vertex } => {
            let hint = format!("give it with `--local {name}=DIR`");
            let diagnostic = Diagnostic::error("missing-local", error.to_string()).with_hint(hint);
            return Failure::new(Kind::Usage, at(diagnostic, places(definitions, vertex)));
        }
        BuildError::NotAllowed { entitlement, vertex } => {
            let hint = format!("if it may, add `--allow {entitlement}`");
            let diagnostic = Diagnostic::error("not-allowed", error.to_string()).with_hint(hint);
            return Failure::new(Kind::Usage, at(diagnostic, places(definitions, vertex)));
        }
        BuildError::MissingSecret { id, vertex } => {
            let hint = format!("give it with `--secret id={id},src=FILE` or `--secret id={id},env=VAR`");
            let diagnostic = Diagnostic::error("missing-secret", error.to_string()).with_hint(hint);
            return Failure::new(Kind::Usage, at(diagnostic, places(definitions, vertex)));
        }
        BuildError::MissingSsh { id, vertex } => {
            let hint = match id.as_str() {
                "default" => {
                    "give the one that runs with `--ssh default`, or a key with `--ssh default=KEY`".to_owned()
                }
                id => format!("give it with `--ssh {id}=KEY`"),
            };
            let diagnostic = Diagnostic::error("missing-ssh", error.to_string()).with_hint(hint);
            return Failure::new(Kind::Usage, at(diagnostic, places(definitions, vertex)));
        }
        BuildError::Unwritable { path, source } => return Failure::unwritable(path, source),
        BuildError::LocalDir { .. } => return Failure::usage(without_numbers(&error.to_string())),
        BuildError::Connect(_) => {
            return Failure::no_engine(error.to_string());
        }
        BuildError::Unsupported { engine, missing } => unsupported(engine, missing, definitions),
        BuildError::Credentials { source, .. } => {
            Diagnostic::error("credentials", error.to_string()).with_hint(source.hint())
        }
        BuildError::TooLarge(error) => too_large(Diagnostic::error("large-definition", error.to_string()), definitions),
        _ => {
            let message = without_numbers(&error.to_string());
            with_gone_digest(Diagnostic::error("build", &message), &message)
        }
    };
    Failure::new(Kind::Build, diagnostic)
}

/// The same where docker asks for the build: of what it can do about it.
pub(crate) fn for_docker(error: &BuildError, definitions: &[Definition]) -> Failure {
    let failure = failure(error, definitions, &Locals::new());
    match error {
        BuildError::NotAllowed { entitlement, .. } => failure.hint(format!(
            "if it may: `docker buildx build --allow {entitlement}`, on a builder whose BuildKit allows it, too: \
             `docker buildx create --buildkitd-flags '--allow-insecure-entitlement {entitlement}'`"
        )),
        BuildError::Unsupported { missing, .. } if missing.iter().all(|cap| lacking::instead(cap).is_none()) => {
            failure.hint("a newer BuildKit can: `docker buildx ls` says which one each builder has")
        }
        _ => failure,
    }
}

/// Says of a definition that no engine takes what makes most of it, and what to do instead.
pub(crate) fn too_large(told: Diagnostic, definitions: &[Definition]) -> Diagnostic {
    let largest = definitions.iter().max_by_key(|definition| definition.size());
    let places = largest.and_then(|definition| Some(places_in(definition, &largest_op(definition.message())?)));
    at(told, places.unwrap_or_default())
        .with_hint("a definition is for what to do: copy large files from the build context, or download them")
}

/// What the engine can't do: in the script's words, at its first place, and with what does instead.
fn unsupported(engine: &str, missing: &[MissingCap], definitions: &[Definition]) -> Diagnostic {
    let names: Vec<String> = missing.iter().map(lacking::named).collect();
    let message = format!("the engine ({engine}) can't do {}", names.join(", "));
    let found = missing.iter().map(|cap| {
        let places = cap.vertices.iter().map(|digest| places(definitions, digest));
        places.into_iter().find(|places| !places.is_empty()).unwrap_or_default()
    });
    let found: Vec<Vec<(Arc<SourceFile>, u32)>> = found.collect();
    let mut diagnostic = Diagnostic::error("unsupported", message);
    for (cap, places) in missing.iter().zip(&found) {
        let at = places
            .first()
            .map(|(file, line)| format!(", needed at {}:{line}", file.name));
        diagnostic = diagnostic.with_note(format!(
            "BuildKit's name for it is `{}`{}",
            cap.cap,
            at.unwrap_or_default()
        ));
    }
    diagnostic = at(
        diagnostic,
        found.into_iter().find(|places| !places.is_empty()).unwrap_or_default(),
    );
    match missing.iter().find_map(lacking::instead) {
        Some(instead) => diagnostic.with_hint(instead),
        None => diagnostic.with_hint("a newer BuildKit can: `luakit engines` lists the engines that there are"),
    }
}

/// A step that failed: where the script asked for it, how it got there, and the last of its output.
fn step_diagnostic(step: &StepFailure, definitions: &[Definition], locals: &Locals) -> Diagnostic {
    let name = step.name.as_deref().unwrap_or("a step");
    let told = match step.exit_code {
        Some(_) => None,
        None => missing(step, definitions, locals).or_else(|| changed_file(step, definitions)),
    };
    let (message, hint) = match (step.exit_code, told) {
        (_, Some(Told { message, hint })) => (message, hint),
        (Some(code), None) => (format!("`{name}` failed with exit code {code}"), None),
        (None, None) => (format!("`{name}` failed: {}", step.message), None),
    };
    let mut diagnostic = Diagnostic::error("step-failed", message);
    let mut places = step
        .vertex
        .as_deref()
        .map(|digest| places(definitions, digest))
        .unwrap_or_default();
    if places.is_empty() {
        places = step.sources.iter().filter_map(excerpt_place).collect();
    }
    diagnostic = at(diagnostic, places);
    if !step.log.is_empty() {
        let lines: Vec<String> = step.log.iter().map(|line| clean_output(line)).collect();
        diagnostic = diagnostic.with_note(format!("its last output:\n{}", lines.join("\n")));
    }
    match hint {
        Some(hint) => diagnostic.with_hint(hint),
        None => with_gone_digest(diagnostic, &step.message),
    }
}

/// A download that isn't what it is known to be: what is wrong with it, and what to do if that is meant.
fn changed_file(step: &StepFailure, definitions: &[Definition]) -> Option<Told> {
    let digest = step.vertex.as_deref()?;
    let mut urls = definitions
        .iter()
        .filter_map(|definition| definition.source_identifier(digest));
    let url = urls.next().filter(|url| url.starts_with("http"))?;
    let (actual, expected) = step.message.split_once("digest mismatch ")?.1.split_once(": ")?;
    let message = format!("`{url}` is another file than expected: its digest is {actual}, and {expected} is expected");
    let hint = format!(
        "if the file may have changed: `luakit lock --update {url}` pins it as it is now; a `checksum` in the script is \
         the script's to change"
    );
    Some(Told {
        message,
        hint: Some(hint),
    })
}

/// Adds where it is, innermost call first.
fn at(mut diagnostic: Diagnostic, places: Vec<(Arc<SourceFile>, u32)>) -> Diagnostic {
    let mut places = places.into_iter();
    if let Some((file, line)) = places.next() {
        diagnostic = diagnostic.with_span(Span::line(file, line));
    }
    diagnostic.traceback = places
        .map(|(file, line)| TraceFrame {
            file: file.name.clone(),
            line,
            function: None,
        })
        .collect();
    diagnostic
}

/// An image that is pinned, and whose digest the registry has no more: pins are moved by `luakit lock`.
fn with_gone_digest(diagnostic: Diagnostic, message: &str) -> Diagnostic {
    match gone_digest(message) {
        Some(image) => diagnostic.with_hint(format!(
            "the registry has that digest no more: `luakit lock --update {image}` pins the one it has now"
        )),
        None => diagnostic,
    }
}

/// The image, tag and all, whose digest an engine can't find: `docker.io/library/a:1@sha256:…: not found`. Without a tag
/// the script names the digest itself, and no lock file does.
fn gone_digest(message: &str) -> Option<String> {
    let before = message.match_indices("@sha256:").find_map(|(at, mark)| {
        let after = message.get(at + mark.len()..)?;
        let after = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let gone = after.trim_start_matches('"').starts_with(": not found");
        message.get(..at).filter(|_| gone)
    })?;
    let name = before.rsplit([' ', '"']).next()?;
    let tagged = name.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let reference: Reference = name.parse().ok().filter(|_| tagged)?;
    Some(reference.familiar())
}

/// Where the script asked for an op, innermost call first, as the definition's source map says. Old engines
/// write ops anew and then don't find them in the map, so we look ourselves.
fn places(definitions: &[Definition], digest: &str) -> Vec<(Arc<SourceFile>, u32)> {
    let found = definitions.iter().map(|definition| places_in(definition, digest));
    found.into_iter().find(|places| !places.is_empty()).unwrap_or_default()
}

fn places_in(definition: &Definition, digest: &str) -> Vec<(Arc<SourceFile>, u32)> {
    let found = definition.sources().find(|(of, _)| *of == digest);
    let places = found.map(|(_, places)| places).unwrap_or_default();
    let place = |place: SourcePlace<'_>| (SourceFile::new(place.file, place.text), place.line);
    places.into_iter().map(place).collect()
}

fn excerpt_place(excerpt: &SourceExcerpt) -> Option<(Arc<SourceFile>, u32)> {
    let line = excerpt.ranges.first()?.start.0;
    let file = SourceFile::new(excerpt.filename.as_str(), excerpt.text.as_slice());
    Some((file, u32::try_from(line).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_that_has_gone_from_its_registry() {
        let digest = "1".repeat(64);
        let gone = |message: &str| gone_digest(&message.replace("DIGEST", &digest));
        assert_eq!(
            gone("failed to resolve source metadata for docker.io/library/alpine:3.19@sha256:DIGEST: docker.io/library/alpine:3.19@sha256:DIGEST: not found").as_deref(),
            Some("alpine:3.19"),
        );
        assert_eq!(
            gone("r.example:5000/a/b@sha256:DIGEST: not found"),
            None,
            "the script's own digest"
        );
        assert_eq!(gone("process did not complete: not found"), None);
        assert_eq!(gone("x sha256:DIGEST: not found"), None);
    }
}
