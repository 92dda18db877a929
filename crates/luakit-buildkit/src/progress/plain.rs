//! Progress as lines of text, in the form that users of buildx know.
//!
//! A pure machine: updates and the present time go in, whole lines come out; the caller writes them. Steps
//! are numbered as they show up. One step at a time holds the floor; finished ones interrupt it, and one
//! that has waited for long takes over. Unlike buildx a line of a step's output is held until it is whole,
//! so that lines never mix.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::tracker::{Phase, Step, Tracker};
use super::{Status, Update};

/// How long a step with news waits for the one that holds the floor.
const PATIENCE: Duration = Duration::from_secs(5);

/// The share of a transfer, and the time, that make another line about it worthwhile.
const STRIDE: f64 = 0.05;
const INTERVAL: Duration = Duration::from_secs(5);

/// The longest line of output that is held until it is whole, in bytes.
const LONGEST: usize = 64 << 10;

/// The printer of one build.
#[derive(Debug, Default)]
pub struct PlainProgress {
    tracker: Tracker,
    /// What is said of each of the tracker's steps.
    tales: Vec<Tale>,
    /// Which step holds the floor.
    current: Option<usize>,
    numbered: usize,
    out: Vec<String>,
}

/// What is said of one step.
#[derive(Debug, Default)]
struct Tale {
    number: Option<usize>,
    /// Lines to print.
    news: Vec<String>,
    /// Output whose line has not ended.
    open: Vec<u8>,
    statuses: HashMap<String, Shown>,
    /// Whether there is something to say, and since when.
    since: Option<Duration>,
    /// The last word on it, so that it isn't repeated.
    verdict: Option<String>,
}

/// What was last said of a status.
#[derive(Debug)]
struct Shown {
    current: i64,
    at: Option<SystemTime>,
    done: bool,
}

impl PlainProgress {
    /// A printer at the beginning.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an update, or an empty one when time has passed; `now` is the time since the build began. Gives the
    /// lines to write, without line ends.
    pub fn feed(&mut self, update: &Update, now: Duration) -> Vec<String> {
        let touched = self.tracker.note(update);
        self.tales.resize_with(self.tracker.steps().len(), Tale::default);
        for status in &update.statuses {
            if let Some((tale, _)) = self.tale(&status.vertex) {
                tale.status(status);
            }
        }
        for warning in &update.warnings {
            if let Some((tale, _)) = self.tale(&warning.vertex) {
                tale.news.push(format!("WARN: {}", warning.short));
            }
        }
        for log in &update.logs {
            if let Some((tale, start)) = self.tale(&log.vertex) {
                tale.log(&log.data, &clock(start, log.timestamp));
            }
        }
        for at in touched {
            if let Some(tale) = self.tales.get_mut(at) {
                tale.since.get_or_insert(now);
            }
        }
        self.print(now);
        std::mem::take(&mut self.out)
    }

    /// What is still to say when the build is over.
    pub fn finish(&mut self) -> Vec<String> {
        for at in 0..self.tales.len() {
            let Some((step, tale)) = self.both(at) else { break };
            tale.close_line();
            if !tale.news.is_empty() && step.visible() {
                self.show(at);
            }
        }
        std::mem::take(&mut self.out)
    }

    /// What is said of the step of a vertex, and when that began.
    fn tale(&mut self, digest: &str) -> Option<(&mut Tale, Option<SystemTime>)> {
        let (step, tale) = self.both(self.tracker.step_of(digest)?)?;
        Some((tale, step.spans().newest_start()))
    }

    fn both(&mut self, at: usize) -> Option<(&Step, &mut Tale)> {
        Some((self.tracker.steps().get(at)?, self.tales.get_mut(at)?))
    }

    /// When each step that shows and has something to say began to, and the step.
    fn waiting(&self) -> impl Iterator<Item = (Duration, usize, &Step)> {
        let tales = self.tales.iter().enumerate();
        tales.filter_map(|(at, tale)| {
            let step = self.tracker.steps().get(at).filter(|step| step.visible())?;
            Some((tale.since?, at, step))
        })
    }

    fn print(&mut self, now: Duration) {
        let ended = self.waiting();
        let ended = ended.filter_map(|(_, at, step)| Some((step.spans().newest_end()?, at)));
        let mut ready: Vec<_> = ended.map(|(end, at)| (Some(at) != self.current, end, at)).collect();
        ready.sort_unstable();
        for (_, _, at) in ready {
            self.show(at);
        }
        let patience = match self.current {
            // Whoever has waited longest takes the floor.
            None => Duration::ZERO,
            Some(current) => {
                self.show(current);
                PATIENCE
            }
        };
        let begun = self
            .waiting()
            .filter(|(.., step)| step.spans().newest_start().is_some());
        let longest = begun.map(|(since, at, _)| (since, at)).min();
        if let Some((since, at)) = longest
            && now.saturating_sub(since) >= patience
        {
            self.show(at);
        }
    }

    /// Prints all that is to say about a step, which thereby takes the floor until it is done.
    fn show(&mut self, at: usize) {
        let previous = self.current.filter(|current| *current != at);
        let previous = previous.and_then(|p| self.tales.get(p)).and_then(|tale| tale.number);
        let (Some(step), Some(tale)) = (self.tracker.steps().get(at), self.tales.get_mut(at)) else {
            return;
        };
        let ended = step.spans().newest_end().is_some();
        if ended {
            tale.close_line();
        }
        let verdict = ended.then(|| verdict(step));
        tale.since = None;
        if tale.news.is_empty() && verdict.is_some() && tale.verdict == verdict {
            // Said before.
            return;
        }
        if let Some(number) = previous {
            self.out.push(format!("#{number} ..."));
        }
        if self.current != Some(at) {
            if self.numbered > 0 {
                self.out.push(String::new());
            }
            let number = *tale.number.get_or_insert_with(|| {
                self.numbered += 1;
                self.numbered
            });
            self.out.push(format!("#{number} {}", one_line(step.name())));
        }
        let number = tale.number.unwrap_or_default();
        self.out
            .extend(tale.news.drain(..).map(|line| format!("#{number} {line}")));
        self.current = Some(at);
        if let Some(verdict) = verdict {
            self.out.push(format!("#{number} {verdict}"));
            tale.verdict = Some(verdict);
            self.current = None;
        }
    }
}

impl Tale {
    fn status(&mut self, status: &Status) {
        // What never started says nothing that could be timed.
        let Some(started) = status.started else { return };
        let done = status.completed.is_some();
        if let Some(shown) = self.statuses.get(&status.id) {
            #[allow(clippy::cast_precision_loss)]
            let moved = match status.total {
                total if total > 0 => status.current.saturating_sub(shown.current) as f64 / total as f64,
                _ => 0.0,
            };
            let elapsed = match (status.timestamp, shown.at) {
                (Some(now), Some(then)) => now.duration_since(then).unwrap_or_default(),
                _ => Duration::ZERO,
            };
            if (shown.done && done) || (!done && moved < STRIDE && elapsed < INTERVAL) {
                return;
            }
        }
        let shown = Shown {
            current: status.current,
            at: status.timestamp,
            done,
        };
        self.statuses.insert(status.id.clone(), shown);
        let amount = match (status.current, status.total) {
            (0, 0) => String::new(),
            (current, 0) => format!(" {}", bytes(current)),
            (current, total) => format!(" {} / {}", bytes(current), bytes(total)),
        };
        let end = status.completed.or(status.timestamp);
        let elapsed = end.and_then(|end| end.duration_since(started).ok()).unwrap_or_default();
        let time = match elapsed.as_secs_f64() {
            seconds if seconds > 0.01 => format!(" {seconds:.1}s"),
            _ => String::new(),
        };
        let done = if done { " done" } else { "" };
        self.news.push(format!("{}{amount}{time}{done}", status.id));
    }

    /// Takes output; `clock` stands before each of its lines.
    fn log(&mut self, data: &[u8], clock: &str) {
        let mut pieces = data.split(|byte| *byte == b'\n');
        let Some(first) = pieces.next() else { return };
        self.write(first, clock);
        for piece in pieces {
            if self.open.is_empty() {
                // An empty line is a line too.
                self.open.extend_from_slice(clock.as_bytes());
            }
            self.close_line();
            self.write(piece, clock);
        }
    }

    fn write(&mut self, piece: &[u8], clock: &str) {
        if self.open.is_empty() && !piece.is_empty() {
            self.open.extend_from_slice(clock.as_bytes());
        }
        self.open.extend_from_slice(piece);
        if self.open.len() > LONGEST {
            self.close_line();
        }
    }

    fn close_line(&mut self) {
        if !self.open.is_empty() {
            let line = std::mem::take(&mut self.open);
            let line = String::from_utf8_lossy(&line);
            self.news.push(line.strip_suffix('\r').unwrap_or(&line).to_owned());
        }
    }
}

/// The time since a step began, as it stands before a line of its output: in four digits.
fn clock(start: Option<SystemTime>, at: Option<SystemTime>) -> String {
    let since = match (at, start) {
        (Some(at), Some(start)) => at.duration_since(start).unwrap_or_default(),
        _ => Duration::ZERO,
    };
    let seconds = since.as_secs_f64();
    let precision = if seconds < 10.0 {
        3
    } else if seconds < 100.0 {
        2
    } else {
        1
    };
    format!("{seconds:.precision$} ")
}

fn verdict(step: &Step) -> String {
    match step.phase() {
        Phase::Canceled => "CANCELED".to_owned(),
        Phase::Failed => format!("ERROR: {}", step.error()),
        Phase::Cached => "CACHED".to_owned(),
        _ => format!("DONE {:.1}s", step.spans().total().as_secs_f64()),
    }
}

/// A name on one line: that of a command may be a whole script.
fn one_line(name: &str) -> String {
    name.split(char::is_control)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A size in decimal units, with two digits once it has a unit, as buildx writes it.
pub fn bytes(size: i64) -> String {
    let mut value = size.unsigned_abs();
    let sign = if size < 0 { "-" } else { "" };
    if value < 1000 {
        return format!("{sign}{value}B");
    }
    for unit in ["kB", "MB", "GB", "TB", "PB"] {
        if value < 1_000_000 {
            #[allow(clippy::cast_precision_loss)]
            let value = value as f64 / 1000.0;
            return format!("{sign}{value:.2}{unit}");
        }
        value /= 1000;
    }
    format!("{sign}{value}PB")
}

#[cfg(test)]
mod tests;
