//! A failed build, told like a failed script: the step, its place in the script, its log.

use std::sync::Arc;

use luakit_buildkit::{BuildError, SourceExcerpt, StepFailure};
use luakit_diagnostic::{Diagnostic, SourceFile, Span, TraceFrame};
use luakit_llb::Definition;

use crate::failure::{Failure, Kind};

/// What a failed build is to the user.
pub(crate) fn failure(error: &BuildError, definition: &Definition) -> Failure {
    let diagnostic = match error {
        BuildError::Step(step) => return Failure::new(Kind::Build, step_diagnostic(step, definition)),
        BuildError::MissingLocal { name, vertex } => {
            let hint = format!("give it with `--local {name}=DIR`");
            let diagnostic = Diagnostic::error("missing-local", error.to_string()).with_hint(hint);
            return Failure::new(Kind::Usage, at(diagnostic, places(definition, vertex)));
        }
        BuildError::NotAllowed { entitlement, vertex } => {
            let hint = format!("if it may, add `--allow {entitlement}`");
            let diagnostic = Diagnostic::error("not-allowed", error.to_string()).with_hint(hint);
            return Failure::new(Kind::Usage, at(diagnostic, places(definition, vertex)));
        }
        BuildError::LocalDir { .. } => return Failure::usage(error.to_string()),
        BuildError::Connect(_) => {
            return Failure::new(Kind::NoEngine, Diagnostic::error("no-engine", error.to_string()));
        }
        BuildError::Unsupported { missing, .. } => {
            let places = missing.iter().filter_map(|cap| {
                let sources = cap
                    .vertices
                    .iter()
                    .find_map(|digest| places(definition, digest).into_iter().next());
                sources.map(|(file, line)| format!("`{}` is needed at {}:{line}", cap.cap, file.name))
            });
            places.fold(
                Diagnostic::error("unsupported", error.to_string()),
                Diagnostic::with_note,
            )
        }
        _ => Diagnostic::error("build", error.to_string()),
    };
    Failure::new(Kind::Build, diagnostic)
}

/// A step that failed: where the script asked for it, how it got there, and the last of its output.
fn step_diagnostic(step: &StepFailure, definition: &Definition) -> Diagnostic {
    let name = step.name.as_deref().unwrap_or("a step");
    let message = match step.exit_code {
        Some(code) => format!("`{name}` failed with exit code {code}"),
        None => format!("`{name}` failed: {}", step.message),
    };
    let mut diagnostic = Diagnostic::error("step-failed", message);
    let mut places = step
        .vertex
        .as_deref()
        .map(|digest| places(definition, digest))
        .unwrap_or_default();
    if places.is_empty() {
        places = step.sources.iter().filter_map(excerpt_place).collect();
    }
    diagnostic = at(diagnostic, places);
    if !step.log.is_empty() {
        diagnostic = diagnostic.with_note(format!("its last output:\n{}", step.log.join("\n")));
    }
    diagnostic
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

/// Where the script asked for an op, innermost call first, as the definition's source map says. Old engines
/// write ops anew and then don't find them in the map, so we look ourselves.
fn places(definition: &Definition, digest: &str) -> Vec<(Arc<SourceFile>, u32)> {
    let Some(source) = &definition.message().source else {
        return Vec::new();
    };
    let entry = source
        .locations
        .iter()
        .find(|entry| entry.key.as_deref() == Some(digest));
    let locations = entry.and_then(|entry| entry.value.as_ref());
    let places = locations
        .iter()
        .flat_map(|locations| &locations.locations)
        .filter_map(|location| {
            let info = source.infos.get(usize::try_from(location.source_index).ok()?)?;
            let start = location.ranges.first()?.start?;
            let file = SourceFile::new(info.filename.as_str(), info.data.as_slice());
            Some((file, u32::try_from(start.line).ok()?))
        });
    places.collect()
}

fn excerpt_place(excerpt: &SourceExcerpt) -> Option<(Arc<SourceFile>, u32)> {
    let line = excerpt.ranges.first()?.start.0;
    let file = SourceFile::new(excerpt.filename.as_str(), excerpt.text.as_slice());
    Some((file, u32::try_from(line).ok()?))
}
