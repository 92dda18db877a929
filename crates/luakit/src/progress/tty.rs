//! The display of a terminal: draws [`frame`]s when something has changed, or timers have moved on, and not too often.

use std::time::{Duration, SystemTime};

use luakit_buildkit::progress::Update;
use luakit_buildkit::progress::tracker::Tracker;

use super::frame::{self, View};
use super::line::Line;
use super::{Outcome, Setup, TICK};
use crate::printer::{Painted, Printer};

/// The display of one build on a terminal.
pub(crate) struct Tty<'p> {
    setup: Setup,
    printer: &'p Printer,
    tracker: Tracker,
    /// A time of the engine's clock, and of ours when we heard of it.
    clock: Option<(SystemTime, Duration)>,
    drawn: Option<Duration>,
}

impl<'p> Tty<'p> {
    pub(crate) fn new(setup: Setup, printer: &'p Printer) -> Self {
        Self {
            setup,
            printer,
            tracker: Tracker::default(),
            clock: None,
            drawn: None,
        }
    }

    /// Takes what the engine says; `now` is the time since the build began.
    pub(crate) fn update(&mut self, update: &Update, now: Duration) {
        self.tracker.note(update);
        if self.clock.is_none() {
            let started = update.vertices.iter().filter_map(|vertex| vertex.started).max();
            self.clock = started.map(|started| (started, now));
        }
        self.tick(now);
    }

    /// Draws what there is, unless that was done a moment ago. The printer leaves out what would change nothing.
    pub(crate) fn tick(&mut self, now: Duration) {
        if self.drawn.is_some_and(|drawn| now.saturating_sub(drawn) < TICK) || self.tracker.steps().is_empty() {
            return;
        }
        self.drawn = Some(now);
        let size = self.printer.size();
        self.view(now, |tracker, view| {
            let lines = frame::running(tracker, view);
            self.printer.draw(self.painted(&lines), size);
        });
    }

    /// Leaves the build's summary on the terminal.
    pub(crate) fn finish(&mut self, outcome: Outcome, now: Duration) {
        self.view(now, |tracker, view| {
            let lines = frame::ended(tracker, view, outcome);
            self.printer.settle(self.painted(&lines));
        });
    }

    fn view(&self, now: Duration, show: impl FnOnce(&Tracker, &View<'_>)) {
        let engine = self
            .clock
            .and_then(|(at, heard)| at.checked_add(now.saturating_sub(heard)));
        let view = View {
            size: self.printer.size(),
            elapsed: now,
            now: engine.unwrap_or(SystemTime::UNIX_EPOCH),
            log_lines: self.setup.log_lines,
            place: &|digest| self.setup.places.get(digest),
        };
        show(&self.tracker, &view);
    }

    fn painted(&self, lines: &[Line]) -> Vec<Painted> {
        let palette = self.printer.coloured().then_some(&self.setup.palette);
        lines.iter().map(|line| line.painted(palette)).collect()
    }
}
