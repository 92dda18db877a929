//! Progress as lines of text, in the form that users of buildx know.
//!
//! A pure machine: updates and the present time go in, whole lines come out; the caller writes them. Steps
//! are numbered as they show up. One step at a time holds the floor; finished ones interrupt it, and one
//! that has waited for long takes over. Unlike buildx a line of a step's output is held until it is whole,
//! so that lines never mix.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use super::{Spans, Status, Update, Vertex};

/// How long a step with news waits for the one that holds the floor.
const PATIENCE: Duration = Duration::from_secs(5);

/// The share of a transfer, and the time, that make another line about it worthwhile.
const STRIDE: f64 = 0.05;
const INTERVAL: Duration = Duration::from_secs(5);

/// The printer of one build.
#[derive(Debug, Default)]
pub struct PlainProgress {
    steps: Vec<Step>,
    /// By vertex digest, or by group for its members.
    index: HashMap<String, usize>,
    groups: HashMap<String, usize>,
    /// Which step holds the floor.
    current: Option<usize>,
    numbered: usize,
    out: Vec<String>,
}

#[derive(Debug, Default)]
struct Step {
    number: Option<usize>,
    name: String,
    spans: Spans,
    cached: bool,
    error: String,
    /// Members by digest, if this is a group.
    members: BTreeMap<String, Member>,
    /// A group of which only weak members have started.
    hidden: bool,
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

#[derive(Debug, Default)]
struct Member {
    cached: bool,
    error: String,
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

    /// Takes an update; `now` is the time since the build began. Gives the lines to write, without line ends.
    pub fn feed(&mut self, update: &Update, now: Duration) -> Vec<String> {
        let mut touched = Vec::new();
        for vertex in &update.vertices {
            let at = self.vertex(vertex);
            touch(&mut touched, at);
        }
        for status in &update.statuses {
            if let Some(step) = self.step(&status.vertex, &mut touched) {
                step.status(status);
            }
        }
        for warning in &update.warnings {
            if let Some(step) = self.step(&warning.vertex, &mut touched) {
                step.news.push(format!("WARN: {}", warning.short));
            }
        }
        for log in &update.logs {
            if let Some(step) = self.step(&log.vertex, &mut touched) {
                step.log(&log.data, log.timestamp);
            }
        }
        for at in touched {
            if let Some(step) = self.steps.get_mut(at) {
                step.since.get_or_insert(now);
            }
        }
        self.print(now);
        std::mem::take(&mut self.out)
    }

    /// What is still to say when the build is over.
    pub fn finish(&mut self) -> Vec<String> {
        for at in 0..self.steps.len() {
            let Some(step) = self.steps.get_mut(at) else { break };
            step.close_line();
            if !step.news.is_empty() && step.visible() {
                self.show(at);
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Notes a vertex; which step it belongs to.
    fn vertex(&mut self, vertex: &Vertex) -> usize {
        let at = match &vertex.group {
            None => *self.index.entry(vertex.digest.clone()).or_insert_with(|| {
                self.steps.push(Step::default());
                self.steps.len() - 1
            }),
            Some(group) => {
                let at = *self.groups.entry(group.id.clone()).or_insert_with(|| {
                    self.steps.push(Step {
                        hidden: true,
                        ..Step::default()
                    });
                    self.steps.len() - 1
                });
                self.index.insert(vertex.digest.clone(), at);
                at
            }
        };
        if let Some(step) = self.steps.get_mut(at) {
            step.vertex(vertex);
        }
        at
    }

    /// The step of a vertex, marked as touched.
    fn step(&mut self, digest: &str, touched: &mut Vec<usize>) -> Option<&mut Step> {
        let at = *self.index.get(digest)?;
        touch(touched, at);
        self.steps.get_mut(at)
    }

    fn print(&mut self, now: Duration) {
        let done = |s: &Step| s.since.is_some() && s.visible() && s.spans.newest_end().is_some();
        let mut ready: Vec<usize> = (0..self.steps.len())
            .filter(|at| self.steps.get(*at).is_some_and(done))
            .collect();
        ready.sort_by_key(|at| {
            let end = self.steps.get(*at).and_then(|s| s.spans.newest_end());
            (Some(*at) != self.current, end)
        });
        for at in ready {
            self.show(at);
        }
        let waits = |s: &Step| s.since.filter(|_| s.visible() && s.spans.newest_start().is_some());
        match self.current {
            None => {
                // Whoever has waited longest takes the floor.
                let next = (0..self.steps.len())
                    .filter_map(|at| Some((self.steps.get(at).and_then(waits)?, at)))
                    .min();
                if let Some((_, at)) = next {
                    self.show(at);
                }
            }
            Some(current) => {
                self.show(current);
                let impatient = (0..self.steps.len()).filter_map(|at| {
                    let since = self.steps.get(at).and_then(waits)?;
                    (now.saturating_sub(since) >= PATIENCE).then_some((since, at))
                });
                if let Some((_, at)) = impatient.min() {
                    self.show(at);
                }
            }
        }
    }

    /// Prints all that is to say about a step, which thereby takes the floor until it is done.
    fn show(&mut self, at: usize) {
        let previous = self.current.filter(|current| *current != at);
        if let Some(number) = previous.and_then(|p| self.steps.get(p)).and_then(|s| s.number) {
            self.out.push(format!("#{number} ..."));
        }
        let Some(step) = self.steps.get_mut(at) else { return };
        let ended = step.spans.newest_end().is_some();
        if ended {
            step.close_line();
        }
        let verdict = ended.then(|| step.verdict());
        let repeated = step.news.is_empty() && verdict.is_some() && step.verdict == verdict;
        step.since = None;
        if repeated {
            // Said before: the floor goes back.
            if previous.is_some() {
                self.out.pop();
            }
            return;
        }
        if self.current != Some(at) {
            if self.numbered > 0 {
                self.out.push(String::new());
            }
            let number = *step.number.get_or_insert_with(|| {
                self.numbered += 1;
                self.numbered
            });
            self.out.push(format!("#{number} {}", step.name));
        }
        let number = step.number.unwrap_or_default();
        self.out
            .extend(step.news.drain(..).map(|line| format!("#{number} {line}")));
        self.current = Some(at);
        if let Some(verdict) = verdict {
            self.out.push(format!("#{number} {verdict}"));
            step.verdict = Some(verdict);
            self.current = None;
        }
    }
}

fn touch(touched: &mut Vec<usize>, at: usize) {
    if !touched.contains(&at) {
        touched.push(at);
    }
}

impl Step {
    fn visible(&self) -> bool {
        !self.hidden
    }

    fn vertex(&mut self, vertex: &Vertex) {
        if let Some(start) = vertex.started {
            self.spans.note(start, vertex.completed);
        }
        let Some(group) = &vertex.group else {
            self.name.clone_from(&vertex.name);
            self.cached = vertex.cached;
            self.error.clone_from(&vertex.error);
            return;
        };
        self.name.clone_from(&group.name);
        self.hidden &= vertex.started.is_none() || group.weak;
        let member = Member {
            cached: vertex.cached,
            error: vertex.error.clone(),
        };
        self.members.insert(vertex.digest.clone(), member);
        self.cached = self.members.values().all(|m| m.cached);
        self.error = self
            .members
            .values()
            .map(|m| &m.error)
            .find(|e| !e.is_empty())
            .cloned()
            .unwrap_or_default();
        self.hidden &= self.error.is_empty();
    }

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

    fn log(&mut self, data: &[u8], at: Option<SystemTime>) {
        let mut pieces = data.split(|byte| *byte == b'\n');
        let Some(first) = pieces.next() else { return };
        self.write(first, at);
        for piece in pieces {
            self.close_line_at(at);
            self.write(piece, at);
        }
    }

    fn write(&mut self, piece: &[u8], at: Option<SystemTime>) {
        if self.open.is_empty() && !piece.is_empty() {
            self.open.extend_from_slice(self.clock(at).as_bytes());
        }
        self.open.extend_from_slice(piece);
    }

    /// Ends the open line; an empty one is a line too.
    fn close_line_at(&mut self, at: Option<SystemTime>) {
        if self.open.is_empty() {
            self.open.extend_from_slice(self.clock(at).as_bytes());
        }
        self.close_line();
    }

    fn close_line(&mut self) {
        if !self.open.is_empty() {
            let line = std::mem::take(&mut self.open);
            let line = String::from_utf8_lossy(&line);
            self.news.push(line.strip_suffix('\r').unwrap_or(&line).to_owned());
        }
    }

    /// The time since the step began, as it stands before a line, in four digits.
    fn clock(&self, at: Option<SystemTime>) -> String {
        let since = match (at, self.spans.newest_start()) {
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

    fn verdict(&self) -> String {
        if self.error.ends_with("context canceled") {
            "CANCELED".to_owned()
        } else if !self.error.is_empty() {
            format!("ERROR: {}", self.error)
        } else if self.cached {
            "CACHED".to_owned()
        } else {
            format!("DONE {:.1}s", self.spans.total().as_secs_f64())
        }
    }
}

/// A size in decimal units, with two digits once it has a unit.
fn bytes(size: i64) -> String {
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
