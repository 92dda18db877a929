//! Where a build stands: what all updates so far add up to.
//!
//! The one fold of the status stream. Error reports ask it for a vertex's name and last lines; displays show its
//! [`Step`]s: a vertex, or a group of vertices that wants to be seen as one. It knows nothing of how that looks, and no
//! time but the engine's. The rules are those of BuildKit's own displays
//! (<https://github.com/moby/buildkit/blob/v0.13.2/util/progress/progressui/display.go>).

mod tail;

use std::collections::HashMap;

use super::{Log, Spans, Status, Update, Vertex};
use tail::Tail;

/// How the errors of steps end that stopped because something else failed, or because nobody waits for them.
const CANCELED: &str = "context canceled";

/// The state of one build.
#[derive(Debug, Default)]
pub struct Tracker {
    steps: Vec<Step>,
    vertices: HashMap<String, Known>,
    /// Steps by the id of their group.
    groups: HashMap<String, usize>,
    /// Digest of the first step that failed of itself.
    failed: Option<String>,
}

/// What is known of one vertex.
#[derive(Debug, Default)]
struct Known {
    /// None while only its output has been seen.
    step: Option<usize>,
    name: String,
    tail: Tail,
}

/// A vertex, or a group of vertices that is shown as one.
#[derive(Debug, Default)]
pub struct Step {
    name: String,
    members: Vec<Member>,
    spans: Spans,
    /// A group of which only weak members have started.
    hidden: bool,
    statuses: Vec<Status>,
    warnings: Vec<String>,
    /// The member that wrote last.
    writer: Option<String>,
}

#[derive(Debug, Default)]
struct Member {
    digest: String,
    started: bool,
    cached: bool,
    error: String,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It has not begun, or only in ways that don't show.
    Waiting,
    /// It is under way.
    Running,
    /// It ended well.
    Done,
    /// Its result was known already.
    Cached,
    /// It failed.
    Failed,
    /// It was stopped because something else failed, or because nobody waits for it.
    Canceled,
}

impl Tracker {
    /// Adds an update. Gives the steps that it is about, each once.
    pub fn note(&mut self, update: &Update) -> Vec<usize> {
        let mut touched = Vec::new();
        let mut touch = |at: usize| {
            if !touched.contains(&at) {
                touched.push(at);
            }
        };
        for vertex in &update.vertices {
            touch(self.vertex(vertex));
        }
        for status in &update.statuses {
            if let Some(at) = self.step_of(&status.vertex) {
                touch(at);
                self.steps.get_mut(at).into_iter().for_each(|step| step.status(status));
            }
        }
        for warning in &update.warnings {
            if let Some(at) = self.step_of(&warning.vertex) {
                touch(at);
                let step = self.steps.get_mut(at).into_iter();
                step.for_each(|step| step.warnings.push(warning.short.clone()));
            }
        }
        for log in &update.logs {
            self.log_of(log).into_iter().for_each(&mut touch);
        }
        touched
    }

    /// The steps, in the order in which they showed up.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Which step a vertex belongs to.
    pub fn step_of(&self, digest: &str) -> Option<usize> {
        self.vertices.get(digest)?.step
    }

    /// The first vertex that failed, other ones' failures aside.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// What a vertex is called.
    pub fn name(&self, digest: &str) -> Option<&str> {
        let name = self.vertices.get(digest).map(|known| known.name.as_str());
        name.filter(|name| !name.is_empty())
    }

    /// The last lines of a vertex's output, raw.
    pub fn log(&self, digest: &str) -> Vec<String> {
        self.vertices.get(digest).map(|k| k.tail.lines()).unwrap_or_default()
    }

    /// The last lines, `count` at most and raw, of the member of a step that wrote last.
    pub fn latest_output(&self, step: &Step, count: usize) -> Vec<String> {
        let known = step.writer.as_deref().and_then(|digest| self.vertices.get(digest));
        known.map(|known| known.tail.last(count)).unwrap_or_default()
    }

    fn vertex(&mut self, vertex: &Vertex) -> usize {
        if self.failed.is_none() && !vertex.error.is_empty() && !vertex.error.ends_with(CANCELED) {
            self.failed = Some(vertex.digest.clone());
        }
        let known = self.vertices.entry(vertex.digest.clone()).or_default();
        known.name.clone_from(&vertex.name);
        let next = self.steps.len();
        let at = match &vertex.group {
            Some(group) => *self.groups.entry(group.id.clone()).or_insert(next),
            None => known.step.unwrap_or(next),
        };
        known.step = Some(at);
        if at == next {
            self.steps.push(Step {
                hidden: vertex.group.is_some(),
                ..Step::default()
            });
        }
        self.steps.get_mut(at).into_iter().for_each(|step| step.vertex(vertex));
        at
    }

    fn log_of(&mut self, log: &Log) -> Option<usize> {
        let known = self.vertices.entry(log.vertex.clone()).or_default();
        known.tail.write(&log.data);
        let step = self.steps.get_mut(known.step?)?;
        if step.writer.as_ref() != Some(&log.vertex) {
            step.writer = Some(log.vertex.clone());
        }
        known.step
    }
}

impl Step {
    /// What to call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digests of its vertices, in the order in which they showed up.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.digest.as_str())
    }

    /// Whether it is to be seen: a group is not while only weak members have started.
    pub fn visible(&self) -> bool {
        !self.hidden
    }

    /// When it was under way.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        let error = self.error();
        if !error.is_empty() {
            return if error.ends_with(CANCELED) {
                Phase::Canceled
            } else {
                Phase::Failed
            };
        }
        match (self.spans.newest_start(), self.spans.newest_end()) {
            (None, _) => Phase::Waiting,
            (Some(_), None) => Phase::Running,
            _ if self.members.iter().all(|member| member.cached) => Phase::Cached,
            _ => Phase::Done,
        }
    }

    /// Why it failed; empty if it didn't.
    pub fn error(&self) -> &str {
        let errors = self.members.iter().map(|member| member.error.as_str());
        errors.into_iter().find(|error| !error.is_empty()).unwrap_or_default()
    }

    /// Countable things inside it that have begun, in that order, each as it stands.
    pub fn statuses(&self) -> &[Status] {
        &self.statuses
    }

    /// What frontends warn of.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn vertex(&mut self, vertex: &Vertex) {
        if let Some(start) = vertex.started {
            self.spans.note(start, vertex.completed);
        }
        let name = vertex.group.as_ref().map_or(&vertex.name, |group| &group.name);
        self.name.clone_from(name);
        let known = self.members.iter().position(|member| member.digest == vertex.digest);
        let at = known.unwrap_or_else(|| {
            self.members.push(Member {
                digest: vertex.digest.clone(),
                ..Member::default()
            });
            self.members.len() - 1
        });
        if let Some(member) = self.members.get_mut(at)
            // An engine may announce a vertex again that has begun: that takes nothing back.
            && (!member.started || vertex.started.is_some() || !vertex.error.is_empty())
        {
            member.started |= vertex.started.is_some();
            member.cached = vertex.cached;
            member.error.clone_from(&vertex.error);
        }
        if let Some(group) = &vertex.group {
            self.hidden &= (vertex.started.is_none() || group.weak) && vertex.error.is_empty();
        }
    }

    fn status(&mut self, status: &Status) {
        // What never began says nothing that could be timed.
        if status.started.is_none() {
            return;
        }
        match self.statuses.iter_mut().find(|known| known.id == status.id) {
            Some(known) => known.clone_from(status),
            None => self.statuses.push(status.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
