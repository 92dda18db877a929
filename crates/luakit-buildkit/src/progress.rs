//! What happens during a build, as plain values.
//!
//! [`Update`] is one message of BuildKit's status stream in our own types, with the digests mapped back to
//! those that the definition's author computed. [`tracker`] folds updates into where the build stands, which error
//! reports and displays read; [`plain`] turns them into lines of text, [`raw_json`] into lines of JSON. None knows a
//! terminal.

pub mod plain;
pub mod raw_json;
pub mod tracker;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use luakit_proto::{Timestamp, control, pb};

/// What a build's observer hears.
#[derive(Debug, Clone)]
pub enum Event {
    /// The engine's state changed.
    Update(Update),
    /// A device in a local directory was left out of what was sent.
    SkippedDevice {
        /// The name of the local.
        local: String,
        /// Its path in there.
        path: String,
    },
    /// The engine tells no more of the build, which goes on.
    Unfollowed {
        /// Why.
        message: String,
    },
}

/// A change of state. Any of its lists may be empty, and the same vertex may come again and again.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// Steps.
    pub vertices: Vec<Vertex>,
    /// Countable things inside steps.
    pub statuses: Vec<Status>,
    /// Output of steps.
    pub logs: Vec<Log>,
    /// What frontends warn of.
    pub warnings: Vec<Warning>,
}

/// A step.
#[derive(Debug, Clone, Default)]
pub struct Vertex {
    /// Identifies it.
    pub digest: String,
    /// Digests of the steps it waits for.
    pub inputs: Vec<String>,
    /// What to call it.
    pub name: String,
    /// Whether its result was known already; final once it is completed.
    pub cached: bool,
    /// When it began; a step may begin several times, the newest counts.
    pub started: Option<SystemTime>,
    /// When it ended.
    pub completed: Option<SystemTime>,
    /// Why it failed; empty if it didn't.
    pub error: String,
    /// Steps with the same group are shown as one.
    pub group: Option<Group>,
}

/// Steps shown as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Identifies it.
    pub id: String,
    /// What to call it.
    pub name: String,
    /// A weak member doesn't make its group visible.
    pub weak: bool,
}

/// Something countable inside a step, such as a layer's download.
#[derive(Debug, Clone)]
pub struct Status {
    /// Identifies it, and says what it is.
    pub id: String,
    /// The step.
    pub vertex: String,
    /// Usually empty.
    pub name: String,
    /// How much is done.
    pub current: i64,
    /// Of how much; 0 if unknown.
    pub total: i64,
    /// When this was so.
    pub timestamp: Option<SystemTime>,
    /// When it began.
    pub started: Option<SystemTime>,
    /// When it ended.
    pub completed: Option<SystemTime>,
}

/// A piece of a step's output, not cut at line ends.
#[derive(Debug, Clone)]
pub struct Log {
    /// The step.
    pub vertex: String,
    /// 1 is stdout, 2 stderr.
    pub stream: i64,
    /// The bytes.
    pub data: Bytes,
    /// When they came.
    pub timestamp: Option<SystemTime>,
}

/// A warning about a step.
#[derive(Debug, Clone)]
pub struct Warning {
    /// The step.
    pub vertex: String,
    /// 1 is the usual.
    pub level: i64,
    /// In one line.
    pub short: String,
    /// At length.
    pub detail: Vec<String>,
    /// Where to read more.
    pub url: String,
    /// Where in a source file.
    pub source: Option<crate::error::SourceExcerpt>,
}

impl Update {
    /// Reads one message, with each digest mapped by `digest`.
    pub(crate) fn from_wire(response: control::StatusResponse, digest: &dyn Fn(String) -> String) -> Self {
        let vertex = |v: control::Vertex| Vertex {
            digest: digest(v.digest),
            inputs: v.inputs.into_iter().map(digest).collect(),
            name: v.name,
            cached: v.cached,
            started: time(v.started),
            completed: time(v.completed),
            error: v.error,
            group: v
                .progress_group
                .map(|pb::ProgressGroup { id, name, weak }| Group { id, name, weak }),
        };
        let status = |s: control::VertexStatus| Status {
            id: s.id,
            vertex: digest(s.vertex),
            name: s.name,
            current: s.current,
            total: s.total,
            timestamp: time(s.timestamp),
            started: time(s.started),
            completed: time(s.completed),
        };
        let log = |l: control::VertexLog| Log {
            vertex: digest(l.vertex),
            stream: l.stream,
            data: l.msg,
            timestamp: time(l.timestamp),
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let warning = |w: control::VertexWarning| Warning {
            vertex: digest(w.vertex),
            level: w.level,
            short: text(w.short),
            detail: w.detail.into_iter().map(text).collect(),
            url: w.url,
            source: w
                .info
                .map(|info| crate::error::SourceExcerpt::from_wire(info, w.ranges)),
        };
        Self {
            vertices: response.vertexes.into_iter().map(vertex).collect(),
            statuses: response.statuses.into_iter().map(status).collect(),
            logs: response.logs.into_iter().map(log).collect(),
            warnings: response.warnings.into_iter().map(warning).collect(),
        }
    }
}

fn time(wire: Option<Timestamp>) -> Option<SystemTime> {
    let wire = wire?;
    let seconds = Duration::from_secs(wire.seconds.unsigned_abs());
    let whole = if wire.seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(seconds)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    whole?.checked_add(Duration::from_nanos(u64::try_from(wire.nanos).unwrap_or(0)))
}

/// The time spans of one step, overlapping ones joined.
#[derive(Debug, Clone, Default)]
pub struct Spans(BTreeMap<SystemTime, Option<SystemTime>>);

impl Spans {
    /// Notes one span; the same start again replaces it.
    pub(crate) fn note(&mut self, start: SystemTime, end: Option<SystemTime>) {
        self.0.insert(start, end);
    }

    /// The joined spans, in order.
    pub(crate) fn joined(&self) -> Vec<(SystemTime, Option<SystemTime>)> {
        let mut joined: Vec<(SystemTime, Option<SystemTime>)> = Vec::new();
        for (&start, &end) in &self.0 {
            match joined.last_mut() {
                // What doesn't end takes in all that follows.
                Some((_, None)) => {}
                Some((_, Some(last))) if start <= *last => match end {
                    None => {
                        if let Some(open) = joined.last_mut() {
                            open.1 = None;
                        }
                    }
                    Some(end) => *last = end.max(*last),
                },
                _ => joined.push((start, end)),
            }
        }
        joined
    }

    /// The start of the first.
    pub fn first_start(&self) -> Option<SystemTime> {
        self.0.first_key_value().map(|(start, _)| *start)
    }

    /// The start of the newest.
    pub fn newest_start(&self) -> Option<SystemTime> {
        self.joined().last().map(|(start, _)| *start)
    }

    /// When the newest ended, if it has.
    pub fn newest_end(&self) -> Option<SystemTime> {
        self.joined().last().and_then(|(_, end)| *end)
    }

    /// The length together of those that have ended.
    pub fn total(&self) -> Duration {
        let ended = self.joined().into_iter().filter_map(|(start, end)| Some((start, end?)));
        ended.map(|(start, end)| length(start, end)).sum()
    }

    /// Their length together when it is `now` on the engine's clock.
    pub fn until(&self, now: SystemTime) -> Duration {
        let spans = self.joined().into_iter();
        spans.map(|(start, end)| length(start, end.unwrap_or(now))).sum()
    }
}

fn length(start: SystemTime, end: SystemTime) -> Duration {
    end.duration_since(start).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_join() {
        let at = |s| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        let mut spans = Spans::default();
        spans.note(at(10), Some(at(12)));
        spans.note(at(1), None);
        spans.note(at(1), Some(at(3)));
        spans.note(at(2), Some(at(5)));
        assert_eq!(spans.joined(), [(at(1), Some(at(5))), (at(10), Some(at(12)))]);
        assert_eq!(spans.total(), Duration::from_secs(6));
        spans.note(at(4), None);
        assert_eq!(spans.joined(), [(at(1), None)]);
        assert_eq!(spans.newest_end(), None);
    }

    #[test]
    fn times_before_and_after() {
        let wire = |seconds, nanos| time(Some(Timestamp { seconds, nanos }));
        assert_eq!(wire(1, 5), Some(SystemTime::UNIX_EPOCH + Duration::new(1, 5)));
        assert_eq!(
            wire(-2, 500_000_000),
            Some(SystemTime::UNIX_EPOCH - Duration::from_millis(1500))
        );
        assert_eq!(
            wire(1, -5),
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1)),
            "nonsense"
        );
    }
}
