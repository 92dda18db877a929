//! What is odd about a script though it runs: what probably isn't what its author meant.
//!
//! Each is a warning at the script's own line. Nothing here changes what is built.

use std::sync::Arc;

use luakit_diagnostic::{Diagnostic, SourceFile, Span};
use luakit_llb::op::Op;
use luakit_llb::{Platform, StackId, State};

use super::decode::{Call, quoted};
use crate::build::Build;
use crate::evaluation::Export;

/// How many places a warning names besides its own.
const MORE_PLACES: usize = 5;

/// The script's line where a call was made: the library's own are not the user's to mend.
fn place(build: &Build, at: StackId) -> Option<Span> {
    let graph = build.graph.borrow();
    let chunks = build.chunks.borrow();
    graph.stack(at).iter().find_map(|frame| {
        let text = graph.files().get(graph.file_index(frame.file))?;
        if chunks.is_library(&text.name) {
            return None;
        }
        let file = SourceFile::new(text.name.clone(), Arc::clone(&text.data));
        Some(Span::line(file, frame.line))
    })
}

fn warn(build: &Build, at: StackId, warning: Diagnostic) {
    let warning = match place(build, at) {
        Some(place) => warning.with_span(place),
        None => warning,
    };
    build.warnings.borrow_mut().push(warning);
}

/// Warns of steps that nothing is made of. States never change, and who forgets that loses what a method returns.
pub(crate) fn warn_lost(build: &Build) {
    let kept: Vec<State> = build.exports.borrow().iter().map(|export| export.state).collect();
    let graph = build.graph.borrow();
    let is_readonly = |op: &Op| matches!(op, Op::Exec(exec) if exec.run.readonly_rootfs);
    let lost = graph.lost_steps(&kept).into_iter();
    let lost: Vec<(StackId, bool)> = lost.map(|step| (step.stack, is_readonly(&step.op))).collect();
    drop(graph);
    let mut places: Vec<(StackId, bool, Span)> = Vec::new();
    for (at, readonly) in lost {
        if let Some(place) = place(build, at)
            && !places.iter().any(|(_, _, earlier)| *earlier == place)
        {
            places.push((at, readonly, place));
        }
    }
    let Some(((first, readonly, _), others)) = places.split_first() else {
        return;
    };
    let hint = if *readonly {
        "with `readonly_rootfs` its root is what it was before: go on with what it wrote (`run:output(dest)`)"
    } else {
        "states never change: go on with what a method returns (`s = s:run(…)`)"
    };
    let mut warning = Diagnostic::warning(
        "lost-step",
        "nothing is made of the state that this step returns: the step isn't built",
    )
    .with_hint(hint);
    if !others.is_empty() {
        let named = others.iter().take(MORE_PLACES);
        let mut named: Vec<String> = named
            .map(|(_, _, at)| format!("{}:{}", at.file.name, at.line))
            .collect();
        if let Some(rest) = others.len().checked_sub(MORE_PLACES).filter(|rest| *rest > 0) {
            named.push(format!("{rest} more"));
        }
        warning = warning.with_note(format!("so it is at {}", named.join(", ")));
    }
    warn(build, *first, warning);
}

/// Warns of `.` where a single path is copied to: it is the working directory itself, which need not be there.
pub(super) fn warn_of_dot(call: &Call<'_>, src: &str, dest: &str) {
    let all_of_it = ["", ".", ".."].contains(&src.rsplit('/').next().unwrap_or_default());
    let several = src.contains(['*', '?', '[']);
    if dest != "." || all_of_it || several {
        return;
    }
    let message = "a file that is copied to `.` takes the place of the working directory, unless that is there already";
    let warning = Diagnostic::warning("copy-to-dot", message).with_hint("write `\"./\"`: into the directory");
    warn(call.build, call.at(), warning);
}

/// Warns of an image that takes another's place, and is for another platform than that: runs on it fail in ways that are
/// hard to read, and what is copied into it runs nowhere.
pub(super) fn warn_of_platform(call: &Call<'_>, context: &str, is_for: &Platform, asked: Option<&Platform>) {
    let asked = asked.unwrap_or(&call.build.input.target_platform);
    if is_for.is_same_machine(asked) {
        return;
    }
    let message = format!("build context `{context}` is an image for {is_for}, and was asked for {asked}");
    warn(call.build, call.at(), Diagnostic::warning("image-platform", message));
}

/// Warns of a layout's image whose name has no `/`: BuildKit reads what is before the first one as a host and its port
/// (containerd's `reference.Parse`), and refuses `name@sha256:…` for the port when it solves.
pub(super) fn warn_of_bare_name(call: &Call<'_>, reference: &str) {
    if reference.contains('/') {
        return;
    }
    let message = format!(
        "BuildKit doesn't read {}: there is no `/` in the image's name",
        quoted(reference)
    );
    let hint = "any name will do, for the digest alone counts: write `local/name@sha256:…`";
    let warning = Diagnostic::warning("layout-name", message).with_hint(hint);
    warn(call.build, call.at(), warning);
}

/// Warns of an export for one platform whose state is for another, by `state:platform()` or else by the option of its
/// image: the files are that one's, under the other's name. What the export says of the config itself (`os`, `arch`,
/// `variant`) is the script's own affair.
pub(super) fn warn_of_platforms(call: &Call<'_>, export: &Export) {
    let graph = call.graph();
    let (Some(wanted), Some(is_for)) = (&export.platform, graph.explicit_platform(export.state)) else {
        return;
    };
    if wanted.is_same_machine(is_for) || export.config.says_platform() {
        return;
    }
    // An image is named where it is the one to change: what `state:platform()` says goes before its option.
    let by_option = graph
        .image_platform(export.state)
        .is_some_and(|own| std::ptr::eq(own, is_for));
    let image = graph.base_image(export.state).filter(|_| by_option);
    let (image, hint) = match image {
        Some(image) => (
            format!("image `{}`", image.familiar()),
            format!("leave `platform` out here, or ask `bk.image()` for {wanted} too"),
        ),
        None => ("state".to_owned(), "leave `platform` out here".to_owned()),
    };
    let message = format!("this export is for {wanted}, and its {image} for {is_for}");
    drop(graph);
    let warning = Diagnostic::warning("export-platform", message).with_hint(hint);
    warn(call.build, call.at(), warning);
}

/// Warns of variables in values that Dockerfiles would put in: here they stay.
pub(super) fn warn_of_variables(call: &Call<'_>, vars: &[(String, String)]) {
    for (name, value) in vars {
        let Some(variable) = variable(value) else { continue };
        let message = format!("`{variable}` in the value of `{name}` stays as it is: nothing is put in");
        let hint = "write the whole value; of build arguments, with `..`: `\"v\" .. bk.arg(\"VERSION\")`";
        warn(
            call.build,
            call.at(),
            Diagnostic::warning("unexpanded", message).with_hint(hint),
        );
    }
}

/// The first `$NAME` or `${NAME}` of a text, in capitals as variables are.
fn variable(text: &str) -> Option<&str> {
    text.match_indices('$').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let (braced, rest) = rest.strip_prefix('{').map_or((false, rest), |rest| (true, rest));
        let word = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let length = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
        let named = rest.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
        if !named || braced && !rest.get(length..)?.starts_with('}') {
            return None;
        }
        text.get(at..at + 1 + length + if braced { 2 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn variables_are_found() {
        for (text, expect) in [
            ("/opt/bin:$PATH", Some("$PATH")),
            ("${HOME}/x", Some("${HOME}")),
            ("$5 and $x, then $A_1.", Some("$A_1")),
            ("${HOME", None),
            ("$", None),
            ("100$", None),
            ("plain", None),
        ] {
            assert_eq!(variable(text), expect, "{text}");
        }
    }
}
