//! Registries that fall silent: engines wait for them without a limit, so the limit is here.
//!
//! A build is given up when nothing else is left to wait for. What an engine does with a registry is told by the names of
//! its steps, and of what is under way inside them (`source/containerimage`, `util/push` and `frontend/gateway` of
//! <https://github.com/moby/buildkit>). It counts the bytes of what it pulls, but not of what it pushes: layers on their
//! way up are one status from the first to the last, so that they get hours where all else gets minutes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::error::BuildError;
use crate::export::Export;
use crate::progress::tracker::{Phase, Step, Tracker};
use crate::progress::{Status, Update};

/// How long registries may be silent while a build waits for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// When something is looked up or pulled, or a manifest is pushed: 5 minutes.
    pub answers: Duration,
    /// When layers are pushed, all of them together: 3 hours.
    pub layers: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answers: Duration::from_secs(5 * 60),
            layers: Duration::from_secs(3 * 60 * 60),
        }
    }
}

/// Notes when something happened last.
pub(super) struct Watch {
    patience: Patience,
    /// The names under which images are pushed.
    pushed: String,
    last: Instant,
    /// How far things inside steps have got; engines repeat themselves.
    seen: HashMap<(String, String), (i64, bool)>,
}

impl Watch {
    pub(super) fn new(patience: Patience, exports: &[Export]) -> Self {
        let pushes = |export: &&Export| {
            ["push", "push-by-digest"]
                .iter()
                .any(|key| export.attrs.contains_key(*key))
        };
        let names = exports
            .iter()
            .filter(pushes)
            .filter_map(|export| export.attrs.get("name"));
        Self {
            patience,
            pushed: names.cloned().collect::<Vec<_>>().join(","),
            last: Instant::now(),
            seen: HashMap::new(),
        }
    }

    /// How often to look.
    pub(super) fn pace(&self) -> Duration {
        (self.patience.answers.min(self.patience.layers) / 8).max(Duration::from_millis(10))
    }

    /// Notes what happens.
    pub(super) fn note(&mut self, update: &Update) {
        let mut news = !(update.vertices.is_empty() && update.logs.is_empty() && update.warnings.is_empty());
        for status in &update.statuses {
            let state = (status.current, status.completed.is_some());
            let key = (status.vertex.clone(), status.id.clone());
            news |= self.seen.insert(key, state) != Some(state);
        }
        if news {
            self.last = Instant::now();
        }
    }

    /// Why the build is to be given up, if it is.
    pub(super) fn stalled(&self, tracker: &Tracker) -> Option<BuildError> {
        let silence = self.last.elapsed();
        let mut first = None;
        for step in tracker.steps().iter().filter(|step| step.phase() == Phase::Running) {
            let wait = Wait::of(step)?;
            let limit = self.limit(&wait);
            if silence < limit {
                return None;
            }
            first.get_or_insert_with(|| (self.what(step, &wait), limit));
        }
        first.map(|(what, limit)| BuildError::Stalled { what, limit })
    }

    fn limit(&self, wait: &Wait) -> Duration {
        match wait {
            Wait::Layers => self.patience.layers,
            Wait::Answer(_) => self.patience.answers,
        }
    }

    fn what(&self, step: &Step, wait: &Wait) -> String {
        match wait {
            Wait::Layers => format!("pushing the layers of `{}`", self.pushed),
            Wait::Answer(Some(status)) => format!("`{status}`"),
            Wait::Answer(None) => format!("`{}`", step.name()),
        }
    }
}

/// What a step waits for, if it is a registry.
enum Wait {
    /// An answer, or the content of something pulled: what is under way, where the step's name doesn't say it.
    Answer(Option<String>),
    /// Layers to be pushed.
    Layers,
}

impl Wait {
    fn of(step: &Step) -> Option<Self> {
        let name = step.name();
        let lookups = [
            "[internal] load metadata for ",
            "resolve image config for ",
            "importing cache manifest from ",
        ];
        if lookups.iter().any(|start| name.starts_with(start)) {
            return Some(Self::Answer(None));
        }
        let mut open = step
            .statuses()
            .iter()
            .filter(|status| status.completed.is_none())
            .peekable();
        if name.starts_with("docker-image://") {
            // Layers go by their digests alone; what is done with one has a word before it.
            let remote = |status: &Status| status.id.starts_with("resolve ") || status.id.starts_with("sha256:");
            return open.all(remote).then_some(Self::Answer(None));
        }
        if name != "exporting to image" {
            return None;
        }
        let first = open.peek()?.id.clone();
        if !open.all(|status| status.id.starts_with("pushing ")) {
            return None;
        }
        if first.starts_with("pushing manifest ") {
            Some(Self::Answer(Some(first)))
        } else {
            Some(Self::Layers)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use super::*;
    use crate::export::ExportKind;
    use crate::progress::{Log, Vertex};

    const PATIENCE: Patience = Patience {
        answers: Duration::from_secs(10),
        layers: Duration::from_secs(100),
    };

    /// Steps that run, by their names and what is open inside them.
    fn told(steps: &[(&str, &[&str])]) -> Update {
        let now = Some(SystemTime::now());
        let vertex = |(name, _): &(&str, &[&str])| Vertex {
            digest: (*name).to_owned(),
            name: (*name).to_owned(),
            started: now,
            ..Vertex::default()
        };
        let statuses = steps.iter().flat_map(|(name, open)| {
            open.iter().map(|id| Status {
                id: (*id).to_owned(),
                vertex: (*name).to_owned(),
                name: String::new(),
                current: 7,
                total: 9,
                timestamp: now,
                started: now,
                completed: None,
            })
        });
        Update {
            vertices: steps.iter().map(vertex).collect(),
            statuses: statuses.collect(),
            ..Update::default()
        }
    }

    fn watch() -> Watch {
        let image = Export {
            kind: ExportKind::Image,
            attrs: BTreeMap::from([("name".into(), "r.example/a:1".into()), ("push".into(), "true".into())]),
        };
        Watch::new(PATIENCE, &[image])
    }

    /// What is said after so many seconds of silence.
    fn after(seconds: u64, steps: &[(&str, &[&str])]) -> Option<String> {
        let (mut watch, mut tracker, update) = (watch(), Tracker::default(), told(steps));
        watch.note(&update);
        tracker.note(&update);
        watch.last = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        watch.stalled(&tracker).map(|error| error.to_string())
    }

    const LOOKUP: (&str, &[&str]) = ("[internal] load metadata for r.example/base:1", &[]);
    const PULL: (&str, &[&str]) = ("docker-image://r.example/base:1", &["sha256:0123"]);
    const LAYERS: (&str, &[&str]) = ("exporting to image", &["pushing layers"]);
    const MANIFEST: (&str, &[&str]) = ("exporting to image", &["pushing manifest for r.example/a:1@sha256:0"]);

    #[test]
    fn a_silent_registry_is_named() {
        let all = [
            after(11, &[LOOKUP]),
            after(11, &[PULL]),
            after(11, &[MANIFEST]),
            after(101, &[LAYERS, LOOKUP]),
        ];
        let all: Vec<String> = all.into_iter().map(Option::unwrap).collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        a registry doesn't answer: `[internal] load metadata for r.example/base:1` has got no further for 10 s
        a registry doesn't answer: `docker-image://r.example/base:1` has got no further for 10 s
        a registry doesn't answer: `pushing manifest for r.example/a:1@sha256:0` has got no further for 10 s
        a registry doesn't answer: pushing the layers of `r.example/a:1` has got no further for 100 s
        ");
    }

    #[test]
    fn what_is_no_silence_of_a_registry() {
        let run: (&str, &[&str]) = ("/bin/sh -c sleep 1000", &[]);
        let extract: (&str, &[&str]) = ("docker-image://r.example/base:1", &["sha256:0", "extracting sha256:1"]);
        let export: (&str, &[&str]) = ("exporting to image", &["exporting layers"]);
        for steps in [
            &[][..],
            &[run],
            &[LOOKUP, run],
            &[extract],
            &[export],
            &[LAYERS, LOOKUP],
        ] {
            assert_eq!(after(99, steps), None, "{steps:?}");
        }
        assert_eq!(after(9, &[LOOKUP]), None);
    }

    #[test]
    fn what_counts_as_news() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(50)).unwrap();
        let news = |first: &Update, second: &Update| {
            let mut watch = watch();
            watch.note(first);
            watch.last = long_ago;
            watch.note(second);
            watch.last != long_ago
        };
        let mut bytes = told(&[PULL]);
        bytes.vertices.clear();
        assert!(!news(&bytes, &bytes), "said again");
        let mut more = bytes.clone();
        more.statuses.iter_mut().for_each(|status| status.current += 1);
        assert!(news(&bytes, &more));
        let log = Log {
            vertex: "x".into(),
            stream: 1,
            data: "x".into(),
            timestamp: None,
        };
        let logs = Update {
            logs: vec![log],
            ..Update::default()
        };
        assert!(news(&bytes, &logs));
        assert!(!news(&bytes, &Update::default()));
    }
}
