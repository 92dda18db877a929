//! Registries that fall silent: engines wait for them without a limit, so the limit is here.
//!
//! A build is given up when nothing else is left to wait for. What steps of the definitions do is known by their digests,
//! whatever scripts call them. What an engine does besides with a registry is told by the names of its own steps, and of
//! what is under way inside a step (`source/containerimage`, `util/push` and `frontend/gateway` of
//! <https://github.com/moby/buildkit>). It counts the bytes of what it pulls, but not of what it pushes: layers on their
//! way up are one status from the first to the last, so that they get hours where all else gets minutes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::digests::{Digests, IMAGE, Kind};
use crate::error::BuildError;
use crate::export::Export;
use crate::progress::{Spans, Status, Update, Vertex};

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

/// Notes when something happened last, and what is under way: vertices, each by itself, as no display has them.
pub(super) struct Watch {
    patience: Patience,
    /// The names under which images are pushed.
    pushed: String,
    last: Instant,
    /// In the order in which they showed up.
    steps: Vec<Step>,
    /// Where each is among them, by its digest.
    places: HashMap<String, usize>,
}

/// What is known of one vertex.
#[derive(Default)]
struct Step {
    digest: String,
    name: String,
    spans: Spans,
    failed: bool,
    statuses: Vec<Progress>,
}

/// How far something inside a step has got.
#[derive(PartialEq, Eq)]
struct Progress {
    id: String,
    current: i64,
    started: bool,
    completed: bool,
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
            steps: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// How often to look.
    pub(super) fn pace(&self) -> Duration {
        (self.patience.answers.min(self.patience.layers) / 8).max(Duration::from_millis(10))
    }

    /// Notes what happens.
    pub(super) fn note(&mut self, update: &Update) {
        let mut news = !(update.vertices.is_empty() && update.logs.is_empty() && update.warnings.is_empty());
        for vertex in &update.vertices {
            self.step(&vertex.digest).into_iter().for_each(|step| step.note(vertex));
        }
        for status in &update.statuses {
            news |= self.step(&status.vertex).is_some_and(|step| step.advance(status));
        }
        if news {
            self.last = Instant::now();
        }
    }

    fn step(&mut self, digest: &str) -> Option<&mut Step> {
        let at = if let Some(at) = self.places.get(digest) {
            *at
        } else {
            self.places.insert(digest.to_owned(), self.steps.len());
            self.steps.push(Step {
                digest: digest.to_owned(),
                ..Step::default()
            });
            self.steps.len() - 1
        };
        self.steps.get_mut(at)
    }

    /// Why the build is to be given up, if it is. `digests` are those of its definitions.
    pub(super) fn stalled(&self, digests: &Digests) -> Option<BuildError> {
        let silence = self.last.elapsed();
        let mut first = None;
        for step in self.steps.iter().filter(|step| step.runs()) {
            // What doesn't wait for a registry may take any time.
            let wait = Wait::of(step, digests.kind(&step.digest))?;
            let limit = self.limit(&wait);
            if silence < limit {
                return None;
            }
            first.get_or_insert_with(|| (self.what(wait), limit));
        }
        first.map(|(what, limit)| BuildError::Stalled { what, limit })
    }

    fn limit(&self, wait: &Wait) -> Duration {
        match wait {
            Wait::Layers => self.patience.layers,
            Wait::Answer(_) => self.patience.answers,
        }
    }

    fn what(&self, wait: Wait) -> String {
        match wait {
            Wait::Layers => format!("pushing the layers of `{}`", self.pushed),
            Wait::Answer(what) => format!("`{what}`"),
        }
    }
}

impl Step {
    fn note(&mut self, vertex: &Vertex) {
        self.name.clone_from(&vertex.name);
        if let Some(start) = vertex.started {
            self.spans.note(start, vertex.completed);
        }
        // An engine may announce a vertex again that has failed: that takes nothing back.
        if vertex.started.is_some() || !vertex.error.is_empty() {
            self.failed = !vertex.error.is_empty();
        }
    }

    /// Notes how far something inside it is, and says whether that is news: engines repeat themselves.
    fn advance(&mut self, status: &Status) -> bool {
        let told = Progress {
            id: status.id.clone(),
            current: status.current,
            started: status.started.is_some(),
            completed: status.completed.is_some(),
        };
        match self.statuses.iter_mut().find(|known| known.id == told.id) {
            Some(known) if *known == told => return false,
            Some(known) => *known = told,
            None => self.statuses.push(told),
        }
        true
    }

    fn runs(&self) -> bool {
        !self.failed && self.spans.newest_start().is_some() && self.spans.newest_end().is_none()
    }
}

/// What a step waits for, if it is a registry.
enum Wait {
    /// An answer, or the content of something pulled: what is under way.
    Answer(String),
    /// Layers to be pushed.
    Layers,
}

impl Wait {
    /// `kind` is what the step does, if it is one of the definitions' and not the engine's own.
    fn of(step: &Step, kind: Option<&Kind>) -> Option<Self> {
        let name = step.name.as_str();
        let image = match kind {
            Some(Kind::Image(image)) => Some(image.as_str()),
            Some(Kind::Other) => return None,
            None => name.starts_with(IMAGE).then_some(name),
        };
        let lookups = [
            "[internal] load metadata for ",
            "resolve image config for ",
            "importing cache manifest from ",
        ];
        if image.is_none() && lookups.iter().any(|start| name.starts_with(start)) {
            return Some(Self::Answer(name.to_owned()));
        }
        let mut open = step
            .statuses
            .iter()
            .filter(|status| status.started && !status.completed)
            .map(|status| status.id.as_str())
            .peekable();
        if let Some(image) = image {
            // Layers go by their digests alone; what is done with one has a word before it.
            let remote = |id: &str| id.starts_with("resolve ") || id.starts_with("sha256:");
            return open.all(remote).then(|| Self::Answer(image.to_owned()));
        }
        if name != "exporting to image" {
            return None;
        }
        let first = *open.peek()?;
        if !open.all(|id| id.starts_with("pushing ")) {
            return None;
        }
        if first.starts_with("pushing manifest ") {
            Some(Self::Answer(first.to_owned()))
        } else {
            Some(Self::Layers)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use luakit_proto::{Message as _, pb};
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::export::ExportKind;
    use crate::progress::{Group, Log};

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
        given_up(seconds, &told(steps), &Digests::default())
    }

    fn given_up(seconds: u64, update: &Update, digests: &Digests) -> Option<String> {
        let mut watch = watch();
        watch.note(update);
        watch.last = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        watch.stalled(digests).map(|error| error.to_string())
    }

    /// A definition of one step, and what an engine says of it once it runs under a name of the script's.
    fn labelled(op: pb::op::Op, name: &str) -> (Digests, Update) {
        let op = pb::Op {
            op: Some(op),
            ..pb::Op::default()
        };
        let bytes = op.encode_to_vec();
        let mut update = told(&[(name, &[])]);
        update.vertices[0].digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        let definition = pb::Definition {
            def: vec![bytes],
            ..pb::Definition::default()
        };
        let mut digests = Digests::default();
        digests.add([&definition]);
        (digests, update)
    }

    fn source(identifier: &str) -> pb::op::Op {
        pb::op::Op::Source(pb::SourceOp {
            identifier: identifier.to_owned(),
            ..pb::SourceOp::default()
        })
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
    fn a_pull_is_known_whatever_the_script_calls_it() {
        let (digests, mut pull) = labelled(source(PULL.0), "the base of all");
        let said = "a registry doesn't answer: `docker-image://r.example/base:1` has got no further for 10 s";
        assert_eq!(given_up(11, &pull, &digests).as_deref(), Some(said));
        pull.vertices[0].group = Some(Group {
            id: "g".into(),
            name: "preparations".into(),
            weak: false,
        });
        assert_eq!(given_up(11, &pull, &digests).as_deref(), Some(said));
    }

    #[test]
    fn a_step_is_no_pull_whatever_the_script_calls_it() {
        let ops = [source("git://r.example/a.git"), pb::op::Op::Exec(pb::ExecOp::default())];
        for op in ops {
            for name in [PULL.0, LOOKUP.0] {
                let (digests, update) = labelled(op.clone(), name);
                assert_eq!(given_up(99, &update, &digests), None, "{op:?}");
            }
        }
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
