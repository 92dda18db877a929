//! How a build is shown while it runs, and how the user stops it.
//!
//! [`ProgressArgs`] and the environment choose a [`Mode`]; [`show()`] runs a build, feeds what the engine says to a
//! [`Display`], and lets Ctrl-C, and other [`signals`], cancel it. What a build's state is, and how `plain` and `rawjson` say it, is
//! `luakit_buildkit::progress`'s; the terminal's display is here: [`frame`] decides what its lines are, the printer
//! draws them.

mod args;
mod clean;
mod fit;
mod frame;
mod line;
mod palette;
mod places;
mod show;
mod signals;
mod tty;

use std::time::{Duration, Instant};

use luakit_buildkit::progress::plain::PlainProgress;
use luakit_buildkit::progress::{Event, Update, raw_json};

use crate::printer::Printer;
pub(crate) use args::ProgressArgs;
pub(crate) use clean::output as clean_output;
use palette::Palette;
pub(crate) use places::Places;
pub(crate) use show::{show, unless_interrupted};
pub(crate) use signals::Signal;
use tty::Tty;

/// The time between two drawings, and between two looks at the clock.
const TICK: Duration = Duration::from_millis(100);

/// How a build is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    // Not doc comments: with them, clap spreads all of `--help` over three times the lines.
    // `tty` on a terminal, else `plain`.
    Auto,
    // The steps as they run, drawn again and again.
    Tty,
    // All that happens, line by line.
    Plain,
    // BuildKit's status stream in JSON, without our own warnings.
    Rawjson,
    // Errors alone.
    Quiet,
}

/// How a build came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Failed,
    Canceled,
}

/// A display that is chosen, and what it needs.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    mode: Mode,
    palette: Palette,
    log_lines: usize,
    /// Where the steps come from: whoever has definitions adds them.
    pub(crate) places: Places,
}

/// The display of one build.
pub(crate) struct Display<'p> {
    printer: &'p Printer,
    began: Instant,
    kind: Kind<'p>,
}

enum Kind<'p> {
    Tty(Box<Tty<'p>>),
    Plain(Box<PlainProgress>),
    RawJson,
    Quiet,
}

impl<'p> Display<'p> {
    /// A display at the beginning of a build.
    pub(crate) fn new(setup: Setup, printer: &'p Printer) -> Self {
        let kind = match setup.mode {
            Mode::Tty => Kind::Tty(Box::new(Tty::new(setup, printer))),
            Mode::Auto | Mode::Plain => Kind::Plain(Box::default()),
            Mode::Rawjson => Kind::RawJson,
            Mode::Quiet => Kind::Quiet,
        };
        Self {
            printer,
            began: Instant::now(),
            kind,
        }
    }

    /// Shows what happened.
    pub(crate) fn update(&mut self, event: &Event) {
        match (&mut self.kind, event) {
            (Kind::RawJson, event) => self.printer.line(&raw_json::line(event)),
            (Kind::Quiet, _) => {}
            (Kind::Tty(tty), Event::Update(update)) => tty.update(update, self.began.elapsed()),
            (Kind::Plain(plain), Event::Update(update)) => {
                for line in plain.feed(update, self.began.elapsed()) {
                    self.printer.line(&line);
                }
            }
            (Kind::Tty(_) | Kind::Plain(_), Event::SkippedDevice { local, path }) => self.printer.warning(
                "device",
                &format!("`{path}` in the local directory `{local}` is a device, and was left out"),
            ),
            (Kind::Tty(_) | Kind::Plain(_), Event::Unfollowed { message }) => {
                self.printer.warning("progress", &raw_json::unfollowed(message));
            }
        }
    }

    /// Shows that time has passed.
    pub(crate) fn tick(&mut self) {
        match &mut self.kind {
            Kind::Tty(tty) => tty.tick(self.began.elapsed()),
            Kind::Plain(_) => self.update(&Event::Update(Update::default())),
            Kind::RawJson | Kind::Quiet => {}
        }
    }

    /// Says something to the user, where the mode leaves room for it.
    pub(crate) fn say(&self, text: &str) {
        if matches!(self.kind, Kind::Tty(_) | Kind::Plain(_)) {
            self.printer.line(text);
        }
    }

    /// Shows that the build is over.
    pub(crate) fn finish(mut self, outcome: Outcome) {
        match &mut self.kind {
            Kind::Tty(tty) => tty.finish(outcome, self.began.elapsed()),
            Kind::Plain(plain) => plain.finish().iter().for_each(|line| self.printer.line(line)),
            Kind::RawJson | Kind::Quiet => {}
        }
    }
}
