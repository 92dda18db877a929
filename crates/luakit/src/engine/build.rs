//! One build on an engine: its progress on stderr, Ctrl-C, and its failure as the user's.

use std::time::Instant;

use luakit_buildkit::progress::Event;
use luakit_buildkit::progress::plain::PlainProgress;
use luakit_buildkit::{BuildRequest, Engine};
use luakit_llb::Definition;

use super::report;
use crate::failure::Failure;
use crate::printer::Printer;

/// Builds; Ctrl-C cancels the build on the engine.
pub(crate) async fn build(
    engine: &Engine,
    request: BuildRequest,
    progress: &str,
    definition: &Definition,
    printer: &Printer,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut plain = PlainProgress::new();
    let quiet = progress == "quiet";
    let mut observer = |event: Event| match event {
        Event::Update(update) if !quiet => {
            plain
                .feed(&update, started.elapsed())
                .iter()
                .for_each(|line| printer.line(line));
        }
        Event::Update(_) => {}
        Event::SkippedDevice { local, path } => {
            printer.warning(
                "device",
                &format!("`{path}` in the local directory `{local}` is a device, and was left out"),
            );
        }
    };
    let outcome = tokio::select! {
        outcome = engine.build(request, &mut observer) => outcome,
        _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
    };
    if !quiet {
        plain.finish().iter().for_each(|line| printer.line(line));
    }
    match outcome {
        Ok(_) => Ok(()),
        Err(error) => Err(report::failure(&error, definition)),
    }
}
