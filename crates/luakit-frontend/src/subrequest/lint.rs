//! What is wrong with a script, or odd about it, though nothing is built.

use std::fmt::Write as _;
use std::sync::Arc;

use luakit_diagnostic::{Diagnostic, SourceFile, acts_on_text};
use serde::Serialize;

use super::Answer;
use super::sources::{Location, Sources, text_of};
use crate::plan::{Plan, PlanError};

#[derive(Serialize)]
struct Results {
    warnings: Vec<Warning>,
    sources: Vec<Info>,
    #[serde(rename = "buildError", skip_serializing_if = "Option::is_none")]
    error: Option<BuildError>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Warning {
    rule_name: &'static str,
    description: &'static str,
    detail: String,
    /// Always there: clients take it for granted.
    location: Location,
}

#[derive(Serialize)]
struct BuildError {
    message: String,
    /// Of a file that is there, always: clients take that for granted.
    location: Location,
}

#[derive(Serialize)]
struct Info {
    filename: String,
    data: String,
    language: &'static str,
}

/// What of an answer whoever shows it may want to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The answer. Its status is 1 when there is something.
    pub answer: Answer,
    /// How many warnings there are.
    pub warnings: usize,
    /// What the text leaves out, as it does with BuildKit: that the script can't be built, and why. Empty if it can.
    pub error: String,
}

/// What is wrong or odd about a script. `plan` is what came of evaluating it, `script` its text, and `more` what is odd
/// about how it is built.
pub fn lint(plan: Result<&Plan, &PlanError>, script: &Arc<SourceFile>, more: &[Diagnostic]) -> Checked {
    let mut sources = Sources::new(script);
    let odd = plan.map(Plan::warnings).unwrap_or_default();
    let mut warnings: Vec<Warning> = more.iter().chain(odd).map(|told| warning(told, &mut sources)).collect();
    let files = sources.files().to_vec();
    warnings.sort_by_cached_key(|warning| place(warning, &files));
    let error = plan.err().map(|error| build_error(error, &mut sources));
    let mut text = String::new();
    for warning in &warnings {
        // Writing to a String can't fail.
        let _infallible = write!(text, "\nWARNING: {}\n{}\n", warning.rule_name, warning.detail);
        excerpt(&mut text, &warning.location, &sources);
    }
    let mut error_text = String::new();
    if let Some(error) = &error {
        if !warnings.is_empty() {
            error_text.push('\n');
        }
        error_text.push_str(&error.message);
        error_text.push('\n');
        excerpt(&mut error_text, &error.location, &sources);
    }
    let count = warnings.len();
    let status = u8::from(count > 0 || error.is_some());
    let results = Results {
        warnings,
        sources: sources.files().iter().map(info).collect(),
        error,
    };
    let answer = Answer {
        status: Some(status),
        ..Answer::new(&results, text)
    };
    Checked {
        answer,
        warnings: count,
        error: error_text,
    }
}

/// What warnings are sorted by: what has no place comes first.
fn place(warning: &Warning, files: &[Arc<SourceFile>]) -> (Option<String>, u32, &'static str) {
    let file = usize::try_from(warning.location.source_index).ok();
    let name = file.and_then(|index| files.get(index)).map(|file| file.name.clone());
    let line = warning.location.ranges.first().map_or(0, |range| range.start.line);
    (name, line, warning.rule_name)
}

fn warning(told: &Diagnostic, sources: &mut Sources) -> Warning {
    Warning {
        rule_name: told.code,
        description: about(told.code),
        detail: message(told),
        location: told
            .span
            .as_ref()
            .map_or_else(Location::nowhere, |span| sources.span(span)),
    }
}

/// What a rule is about.
fn about(code: &str) -> &'static str {
    match code {
        "unread-argument" => "Build arguments that are given should be read by the script",
        "unused-context" => "Named contexts that are given should be used by the script",
        "image-platform" => "Images should be for the platform that they are used on",
        "ignored-flags" | "ignored-argument" => "Options that mean nothing to a script should be left out",
        _ => "Something about the script or its build is odd",
    }
}

fn build_error(error: &PlanError, sources: &mut Sources) -> BuildError {
    match error {
        PlanError::Script(failure) => {
            let told = &failure.diagnostic;
            let place = told.span.as_ref().map(|span| sources.span(span));
            BuildError {
                message: message(told),
                location: place.unwrap_or_else(Location::script),
            }
        }
        PlanError::Target(error) => BuildError {
            message: format!("{error}\nhint: {}", error.hint()),
            location: Location::script(),
        },
        PlanError::Stopped => BuildError {
            message: error.to_string(),
            location: Location::script(),
        },
    }
}

/// Everything that a diagnostic says, a line each.
fn message(told: &Diagnostic) -> String {
    let notes = told.notes.iter().map(|note| format!("\nnote: {note}"));
    let hint = told.hint.iter().map(|hint| format!("\nhint: {hint}"));
    std::iter::once(told.message.clone()).chain(notes).chain(hint).collect()
}

fn info(file: &Arc<SourceFile>) -> Info {
    Info {
        filename: file.name.clone(),
        data: text_of(file),
        language: "Lua",
    }
}

/// The lines around a place, as BuildKit's clients show them: four more than those that it is about, or two where these
/// are several.
fn excerpt(text: &mut String, location: &Location, sources: &Sources) {
    let file = usize::try_from(location.source_index).ok();
    let (Some(file), Some(range)) = (
        file.and_then(|index| sources.files().get(index)),
        location.ranges.first(),
    ) else {
        return;
    };
    let lines: Vec<&[u8]> = file.data.split(|byte| *byte == b'\n').collect();
    let (first, last) = (range.start.line as usize, range.end.line.max(range.start.line) as usize);
    if first < 1 || first > lines.len() {
        return;
    }
    let (mut start, mut end) = (first, last.min(lines.len()));
    let more = if start == end { 4 } else { 2 };
    let mut added = 0;
    while added < more {
        if start > 1 {
            start -= 1;
            added += 1;
        }
        if end != lines.len() {
            end += 1;
            added += 1;
        }
        added += 1;
    }
    let rule = "--------------------";
    let _infallible = writeln!(text, "{}:{first}\n{rule}", file.name);
    for (line, number) in lines.iter().zip(1..).take(end).skip(start - 1) {
        let mark = if (first..=last).contains(&number) { ">>>" } else { "   " };
        let shown = String::from_utf8_lossy(line).replace(|c| c != '\t' && acts_on_text(c), " ");
        let _infallible = writeln!(text, " {number:3} | {mark} {shown}");
    }
    let _infallible = writeln!(text, "{rule}");
}
