//! The only place that writes: stdout is data, stderr is everything for people.
//!
//! On a terminal a display may draw a frame at the bottom of stderr ([`live`]); whatever else is written there meanwhile
//! goes above it, whoever writes.

mod live;

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anstream::AutoStream;
use clap::ColorChoice;
use luakit_diagnostic::{Colour, Diagnostic, Severity, render};

use crate::failure::Failure;
use crate::progress::clean_output;
use live::Live;
pub(crate) use live::{Painted, Size};

/// What a terminal is taken for that doesn't tell its size.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// Writes to stdout and stderr. All clones share the frame that is drawn.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    color: bool,
    live: Arc<Mutex<Live>>,
    /// Whether warnings are left out.
    terse: Arc<AtomicBool>,
}

#[allow(clippy::unused_self, reason = "whoever writes holds the printer")]
impl Printer {
    pub(crate) fn new(choice: ColorChoice) -> Self {
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never,
        };
        Self {
            color,
            live: Arc::default(),
            terse: Arc::default(),
        }
    }

    /// Whether stdout is a terminal.
    pub(crate) fn stdout_is_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Whether stderr is a terminal.
    pub(crate) fn stderr_is_terminal(&self) -> bool {
        std::io::stderr().is_terminal()
    }

    /// Leaves warnings out from now on: stderr is for errors alone, and for what a program reads.
    pub(crate) fn leave_warnings_out(&self) {
        self.terse.store(true, Ordering::Relaxed);
    }

    /// Whether what goes to stderr is coloured.
    pub(crate) fn coloured(&self) -> bool {
        self.color
    }

    /// The terminal's size at this moment.
    pub(crate) fn size(&self) -> Size {
        let size = crossterm::terminal::window_size().ok();
        let size = size.map(|size| Size {
            columns: size.columns.into(),
            rows: size.rows.into(),
        });
        size.filter(|size| size.columns > 0 && size.rows > 0).unwrap_or(USUAL)
    }

    /// Draws a frame of lines over the one before. They fit the size.
    pub(crate) fn draw(&self, frame: Vec<Painted>, size: Size) {
        if let Some(bytes) = self.live().draw(frame, size) {
            write(&bytes);
        }
    }

    /// Writes lines over the frame, for good.
    pub(crate) fn settle(&self, frame: Vec<Painted>) {
        let mut live = self.live();
        if !(live.is_empty() && frame.is_empty()) {
            write(&live.settle(frame, self.size()));
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes data to stdout. A reader that has gone away is no failure.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::write("stdout", &e)),
            _ => Ok(()),
        }
    }

    /// Writes what a script prints. It is left out where warnings are; a terminal gets it without anything that would
    /// act on it.
    pub(crate) fn printed(&self, text: &str) {
        if self.terse.load(Ordering::Relaxed) {
            return;
        }
        if std::io::stderr().is_terminal() {
            for line in text.split('\n') {
                self.line(&clean_output(line));
            }
        } else {
            self.line(text);
        }
    }

    /// Writes a line for people.
    pub(crate) fn line(&self, text: &str) {
        let mut live = self.live();
        if live.is_empty() {
            write(format!("{text}\n").as_bytes());
        } else {
            write(&live.say(text, self.size()));
        }
    }

    /// Writes what is odd, though the command goes on.
    pub(crate) fn warning(&self, code: &'static str, message: &str) {
        self.diagnostic(&Diagnostic::warning(code, message));
    }

    /// Writes what is wrong, or odd, with a script.
    pub(crate) fn diagnostic(&self, diagnostic: &Diagnostic) {
        if diagnostic.severity == Severity::Warning && self.terse.load(Ordering::Relaxed) {
            return;
        }
        let colour = if self.color { Colour::Ansi } else { Colour::Plain };
        self.line(render(diagnostic, colour).trim_end());
    }

    /// Writes why the command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        for diagnostic in failure.diagnostics() {
            self.diagnostic(diagnostic);
        }
    }
}

/// Writes to stderr in one piece.
fn write(bytes: &[u8]) {
    let mut stderr = std::io::stderr().lock();
    // When stderr is gone there is nobody left to tell.
    let _unprintable = stderr.write_all(bytes).and_then(|()| stderr.flush());
}
