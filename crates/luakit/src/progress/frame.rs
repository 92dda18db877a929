//! What the terminal shows of a build at one moment: lines that fit its width, and while the build runs its height.
//!
//! A pure function of the tracker, the time and the size. First comes a header, then a row for each step in the order in
//! which they began, with rows of detail below those that run: transfers, warnings, the last lines of output. When there
//! is too little height, the oldest cached steps go first, then the oldest finished ones, then details; what is gone is
//! counted in a row. `fit` decides that, in numbers.

use std::time::{Duration, SystemTime};

use luakit_buildkit::progress::Status;
use luakit_buildkit::progress::plain::bytes;
use luakit_buildkit::progress::tracker::{Phase, Step, Tracker};

use super::Outcome;
use super::clean::{name, output, width};
use super::fit::{Hidden, Need, fit};
use super::line::Line;
use super::palette::Paint;
use crate::printer::Size;

/// The cells of a transfer's bar.
const BAR: usize = 20;

/// The cells that the name of a step, and that of a transfer, keeps before what stands behind it gives way.
const STEP: usize = 24;
const TRANSFER: usize = 16;

/// From where the build is looked at.
pub(crate) struct View<'a> {
    pub(crate) size: Size,
    /// The time since the build began.
    pub(crate) elapsed: Duration,
    /// The time on the engine's clock.
    pub(crate) now: SystemTime,
    /// Lines of output that a running step may have at most.
    pub(crate) log_lines: usize,
    /// Where in a script a vertex comes from.
    pub(crate) place: &'a dyn Fn(&str) -> Option<String>,
}

/// A build under way. One row is left to the cursor.
pub(crate) fn running(tracker: &Tracker, view: &View<'_>) -> Vec<Line> {
    let Some(room) = view.size.rows.checked_sub(2) else {
        return Vec::new();
    };
    let steps = begun(tracker);
    let details: Vec<Details> = steps.iter().map(|step| Details::of(step, tracker, view)).collect();
    let needs: Vec<Need> = steps
        .iter()
        .zip(&details)
        .map(|(step, d)| Need::of(step, d.rows()))
        .collect();
    let (shown, hidden) = fit(&needs, room);
    let mut lines = vec![view.header(tracker, None)];
    lines.extend(hidden.map(|hidden| view.hidden(hidden)));
    for ((step, details), rows) in steps.iter().zip(details).zip(shown) {
        if let Some(rows) = rows {
            lines.push(view.step(step, step.phase()));
            lines.extend(details.lines(rows, view));
        }
    }
    lines
}

/// A build that has ended: every step that began, however high that is, and what it comes to.
pub(crate) fn ended(tracker: &Tracker, view: &View<'_>, outcome: Outcome) -> Vec<Line> {
    let steps = begun(tracker);
    if steps.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![view.header(tracker, Some(outcome))];
    for step in &steps {
        // What a build that ended doesn't say the end of was stopped with it.
        let phase = match step.phase() {
            Phase::Running if outcome != Outcome::Done => Phase::Canceled,
            phase => phase,
        };
        lines.push(view.step(step, phase));
        lines.extend(step.warnings().iter().map(|warning| view.warning(warning)));
    }
    let cached = steps.iter().filter(|step| step.phase() == Phase::Cached).count();
    let word = match outcome {
        Outcome::Done => "built in",
        Outcome::Failed => "failed after",
        Outcome::Canceled => "canceled after",
    };
    let (count, seconds) = (steps.len(), view.elapsed.as_secs_f64());
    let plural = if count == 1 { "step" } else { "steps" };
    let summary = format!("[+] {word} {seconds:.1}s: {count} {plural}, {cached} cached");
    lines.push(Line::new(Paint::Plain, &summary, view.size.columns));
    lines
}

/// The steps that show, in the order in which they began.
fn begun(tracker: &Tracker) -> Vec<&Step> {
    let steps = tracker.steps().iter();
    let shown = steps.filter(|step| step.visible() && step.phase() != Phase::Waiting);
    let mut steps: Vec<&Step> = shown.collect();
    steps.sort_by_key(|step| (step.spans().first_start().is_none(), step.spans().first_start()));
    steps
}

impl View<'_> {
    fn header(&self, tracker: &Tracker, outcome: Option<Outcome>) -> Line {
        let steps = tracker.steps().iter().filter(|step| step.visible());
        let ended = |step: &&Step| !matches!(step.phase(), Phase::Waiting | Phase::Running);
        let (total, done) = (steps.clone().count(), steps.filter(ended).count());
        let word = match outcome {
            None => "",
            Some(Outcome::Done) => " FINISHED",
            Some(Outcome::Failed) => " FAILED",
            Some(Outcome::Canceled) => " CANCELED",
        };
        let seconds = self.elapsed.as_secs_f64();
        let rest = format!("{seconds:.1}s ({done}/{total}){word}");
        let text = format!("[+] Building {rest}");
        let text = if width(&text) > self.size.columns { rest } else { text };
        Line::new(Paint::Plain, &text, self.size.columns)
    }

    fn step(&self, step: &Step, phase: Phase) -> Line {
        let (paint, mark) = match phase {
            Phase::Waiting | Phase::Running => (Paint::Plain, ""),
            Phase::Done => (Paint::Run, "DONE "),
            Phase::Cached => (Paint::Run, "CACHED "),
            Phase::Failed => (Paint::Error, "ERROR "),
            Phase::Canceled => (Paint::Canceled, "CANCELED "),
        };
        let place = step.digests().find_map(self.place);
        let extras: Vec<_> = place.map(|place| (Paint::Dim, name(&place))).into_iter().collect();
        let text = format!(" => {mark}{}", name(step.name()));
        let time = seconds(step.spans().until(self.now));
        Line::row(paint, (&text, STEP), &extras, &time, self.size.columns)
    }

    fn status(&self, status: &Status) -> Line {
        let amount = match (status.current, status.total) {
            (0, 0) => String::new(),
            (current, 0) => bytes(current),
            (current, total) => format!("{} / {}", bytes(current), bytes(total)),
        };
        let bar = match status.completed {
            None if status.total > 0 => bar(status.current, status.total),
            _ => String::new(),
        };
        let end = status.completed.unwrap_or(self.now);
        let start = status.started.unwrap_or(end);
        let time = seconds(end.duration_since(start).unwrap_or_default());
        let paint = if status.completed.is_some() {
            Paint::Run
        } else {
            Paint::Plain
        };
        let text = format!(" => => {}", name(&status.id));
        let extras = [(Paint::Plain, amount), (Paint::Plain, bar)];
        Line::row(paint, (&text, TRANSFER), &extras, &time, self.size.columns)
    }

    fn warning(&self, text: &str) -> Line {
        let text = format!(" => => WARN: {}", name(text));
        Line::new(Paint::Warning, &text, self.size.columns)
    }

    fn output(&self, line: &str) -> Line {
        Line::new(Paint::Dim, &format!(" => => # {line}"), self.size.columns)
    }

    fn hidden(&self, hidden: Hidden) -> Line {
        let counts = [
            (hidden.running, "running"),
            (hidden.ended, "ended"),
            (hidden.cached, "cached"),
        ];
        let parts = counts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
        let text = format!(" => ... {}", parts.join(", "));
        Line::new(Paint::Dim, &text, self.size.columns)
    }
}

/// What may stand below a step that runs.
struct Details<'a> {
    statuses: &'a [Status],
    warnings: &'a [String],
    output: Vec<String>,
}

impl<'a> Details<'a> {
    fn of(step: &'a Step, tracker: &Tracker, view: &View<'_>) -> Self {
        if step.phase() != Phase::Running {
            return Self {
                statuses: &[],
                warnings: &[],
                output: Vec::new(),
            };
        }
        let lines = tracker.latest_output(step, view.log_lines);
        let lines = lines.iter().map(|line| output(line)).filter(|line| !line.is_empty());
        Self {
            statuses: step.statuses(),
            warnings: step.warnings(),
            output: lines.collect(),
        }
    }

    fn rows(&self) -> usize {
        self.statuses.len() + self.warnings.len() + self.output.len()
    }

    /// At most so many rows: open transfers come before warnings, these before output, and that before transfers that
    /// are over.
    fn lines(&self, rows: usize, view: &View<'_>) -> Vec<Line> {
        let open = self.statuses.iter().filter(|status| status.completed.is_none()).count();
        let open = open.min(rows);
        let warnings = self.warnings.len().min(rows - open);
        let output = self.output.len().min(rows - open - warnings);
        let done = rows - open - warnings - output;
        let over = self.statuses.iter().filter(|status| status.completed.is_some()).count();
        let (mut open, mut skip) = (open, over.saturating_sub(done));
        let mut lines = Vec::new();
        for status in self.statuses {
            let left = if status.completed.is_some() {
                &mut skip
            } else {
                &mut open
            };
            let more = *left > 0;
            *left = left.saturating_sub(1);
            // Of those that are over the last ones are shown, of those that are not the first.
            if more != status.completed.is_some() {
                lines.push(view.status(status));
            }
        }
        lines.extend(self.warnings.iter().take(warnings).map(|warning| view.warning(warning)));
        let last = self.output.len() - output;
        lines.extend(self.output.iter().skip(last).map(|line| view.output(line)));
        lines
    }
}

/// A time in seconds. What is too short to tell is none, as in buildx.
fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    format!("{:.1}s", if seconds < 0.05 { 0.0 } else { seconds })
}

/// A bar that shows a share.
fn bar(current: i64, total: i64) -> String {
    let inner = BAR - 2;
    let filled = i128::from(current.clamp(0, total)) * i128::try_from(inner).unwrap_or(0) / i128::from(total.max(1));
    let filled = usize::try_from(filled).unwrap_or(0).min(inner);
    let head = if filled == inner { "" } else { ">" };
    format!("[{:<inner$}]", format!("{}{head}", "=".repeat(filled)))
}

#[cfg(test)]
mod tests;
