//! What an error report will want to know, gathered while a build runs: names of steps, the last lines each
//! wrote, and which failed.

use std::collections::{HashMap, VecDeque};

use super::Update;

/// Lines kept of each step.
const TAIL: usize = 100;

/// The longest line kept whole: a progress bar without line ends must not fill memory.
const LONGEST: usize = 4 << 10;

#[derive(Debug, Default)]
pub(crate) struct Tracker {
    steps: HashMap<String, Step>,
    /// Digest of the first step that failed of itself.
    failed: Option<String>,
}

#[derive(Debug, Default)]
struct Step {
    name: String,
    tail: VecDeque<String>,
    /// A line that has not ended.
    open: Vec<u8>,
}

impl Tracker {
    pub(crate) fn note(&mut self, update: &Update) {
        for vertex in &update.vertices {
            let step = self.steps.entry(vertex.digest.clone()).or_default();
            step.name.clone_from(&vertex.name);
            if !vertex.error.is_empty() {
                // The others of a build end with this when one fails.
                if self.failed.is_none() && !vertex.error.ends_with("context canceled") {
                    self.failed = Some(vertex.digest.clone());
                }
            }
        }
        for log in &update.logs {
            self.steps.entry(log.vertex.clone()).or_default().write(&log.data);
        }
    }

    /// The first step that failed.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    pub(crate) fn name(&self, digest: &str) -> Option<&str> {
        self.steps
            .get(digest)
            .map(|s| s.name.as_str())
            .filter(|n| !n.is_empty())
    }

    /// The last lines of a step.
    pub(crate) fn log(&self, digest: &str) -> Vec<String> {
        let Some(step) = self.steps.get(digest) else {
            return Vec::new();
        };
        let open = (!step.open.is_empty()).then(|| text(&step.open));
        step.tail.iter().cloned().chain(open).collect()
    }
}

impl Step {
    fn write(&mut self, data: &[u8]) {
        let mut lines = data.split(|byte| *byte == b'\n');
        let Some(first) = lines.next() else { return };
        self.extend(first);
        for line in lines {
            let ended = std::mem::take(&mut self.open);
            if self.tail.len() == TAIL {
                self.tail.pop_front();
            }
            self.tail.push_back(text(&ended));
            self.extend(line);
        }
    }

    fn extend(&mut self, data: &[u8]) {
        let room = LONGEST.saturating_sub(self.open.len());
        self.open.extend_from_slice(data.get(..room).unwrap_or(data));
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Log, Vertex};

    #[test]
    fn keeps_the_tail() {
        let mut tracker = Tracker::default();
        let log = |data: &str| Update {
            logs: vec![Log {
                vertex: "a".into(),
                stream: 1,
                data: data.to_owned().into(),
                timestamp: None,
            }],
            ..Update::default()
        };
        tracker.note(&log("one\ntw"));
        tracker.note(&log("o\r\nthree"));
        assert_eq!(tracker.log("a"), ["one", "two", "three"]);
        for n in 0..TAIL * 2 {
            tracker.note(&log(&format!("{n}\n")));
        }
        assert_eq!(tracker.log("a").len(), TAIL);
        assert_eq!(tracker.log("a").last().map(String::as_str), Some("199"));
    }

    #[test]
    fn the_first_failure_is_the_cause() {
        let mut tracker = Tracker::default();
        for (digest, error) in [("a", "x: context canceled"), ("b", "exit code: 1"), ("c", "later")] {
            let vertex = Vertex {
                digest: digest.into(),
                error: error.into(),
                ..Vertex::default()
            };
            tracker.note(&Update {
                vertices: vec![vertex],
                ..Update::default()
            });
        }
        assert_eq!(tracker.failed(), Some("b"));
    }
}
