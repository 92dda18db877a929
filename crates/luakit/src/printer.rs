//! The only place that writes: stdout is data, stderr is everything for people.

use std::io::{IsTerminal as _, Write as _};

use anstream::AutoStream;
use clap::ColorChoice;
use luakit_diagnostic::{Colour, Diagnostic, render};

use crate::failure::Failure;

/// Writes to stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    color: bool,
}

#[allow(clippy::unused_self, reason = "whoever writes holds the printer")]
impl Printer {
    pub(crate) fn new(choice: ColorChoice) -> Self {
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never,
        };
        Self { color }
    }

    /// Whether stdout is a terminal.
    pub(crate) fn stdout_is_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Writes data to stdout. A reader that has gone away is no failure.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::write("stdout", &e)),
            _ => Ok(()),
        }
    }

    /// Writes a line for people.
    pub(crate) fn line(&self, text: &str) {
        let mut stderr = std::io::stderr().lock();
        // When stderr is gone there is nobody left to tell.
        let _unprintable = writeln!(stderr, "{text}");
    }

    /// Writes what is odd, though the command goes on.
    pub(crate) fn warning(&self, code: &'static str, message: &str) {
        self.diagnostic(&Diagnostic::warning(code, message));
    }

    /// Writes what is wrong, or odd, with a script.
    pub(crate) fn diagnostic(&self, diagnostic: &Diagnostic) {
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
