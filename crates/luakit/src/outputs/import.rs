//! What Docker says while it loads an image, told as a step of the build, as docker buildx does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use luakit_buildkit::endpoint::LoadEvent;
use luakit_buildkit::progress::{Event, Log, Status, Update, Vertex};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// What the step is called.
const NAME: &str = "importing to docker";

/// The step.
pub(super) struct Import<F>(Mutex<State<F>>);

struct State<F> {
    observer: F,
    /// A hash as the digests of the engine's steps are, and none of these. A build loads one image at most.
    digest: String,
    vertex: Vertex,
    statuses: Vec<Status>,
}

impl<F: FnMut(Event)> Import<F> {
    /// A step that has not begun.
    pub(super) fn new(observer: F) -> Self {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(NAME)));
        Self(Mutex::new(State {
            observer,
            vertex: Vertex {
                digest: digest.clone(),
                name: NAME.to_owned(),
                ..Vertex::default()
            },
            digest,
            statuses: Vec::new(),
        }))
    }

    /// Nothing else is left to wait for, so that the step is to be seen.
    pub(super) fn begin(&self) {
        self.lock().begin();
    }

    /// Tells what Docker says.
    pub(super) fn hear(&self, event: LoadEvent) {
        let mut state = self.lock();
        state.begin();
        match event {
            LoadEvent::Layer {
                id,
                status,
                current,
                total,
            } => state.layer(format!("{} {id}", status.to_lowercase()), current, total),
            LoadEvent::Text(line) => state.log(&line),
            LoadEvent::Loaded(name) => state.log(&format!("loaded {name}")),
        }
    }

    /// The image is there, or never will be.
    pub(super) fn end(&self, failure: Option<&Failure>) {
        let mut state = self.lock();
        state.begin();
        state.end(failure);
    }

    fn lock(&self) -> MutexGuard<'_, State<F>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: FnMut(Event)> State<F> {
    fn tell(&mut self, update: Update) {
        (self.observer)(Event::Update(update));
    }

    fn begin(&mut self) {
        if self.vertex.started.is_none() {
            self.vertex.started = Some(SystemTime::now());
            self.tell(Update {
                vertices: vec![self.vertex.clone()],
                ..Update::default()
            });
        }
    }

    /// What is done with a layer, and how far. The end of one thing is only told by the begin of the next.
    fn layer(&mut self, id: String, current: u64, total: u64) {
        let now = SystemTime::now();
        let mut changed = Vec::new();
        for other in self
            .statuses
            .iter_mut()
            .filter(|status| status.id != id && status.completed.is_none())
        {
            other.completed = Some(now);
            changed.push(other.clone());
        }
        let known = self.statuses.iter().position(|status| status.id == id);
        let at = known.unwrap_or_else(|| {
            self.statuses.push(Status {
                id,
                vertex: self.digest.clone(),
                name: String::new(),
                current: 0,
                total: 0,
                timestamp: None,
                started: Some(now),
                completed: None,
            });
            self.statuses.len() - 1
        });
        if let Some(status) = self.statuses.get_mut(at) {
            status.current = i64::try_from(current).unwrap_or(i64::MAX);
            status.total = i64::try_from(total).unwrap_or(i64::MAX);
            status.timestamp = Some(now);
            status.completed = None;
            changed.push(status.clone());
        }
        self.tell(Update {
            statuses: changed,
            ..Update::default()
        });
    }

    fn log(&mut self, line: &str) {
        let log = Log {
            vertex: self.digest.clone(),
            stream: 1,
            data: format!("{line}\n").into(),
            timestamp: Some(SystemTime::now()),
        };
        self.tell(Update {
            logs: vec![log],
            ..Update::default()
        });
    }

    fn end(&mut self, failure: Option<&Failure>) {
        if self.vertex.completed.is_some() {
            return;
        }
        let now = SystemTime::now();
        let mut open: Vec<Status> = self
            .statuses
            .drain(..)
            .filter(|status| status.completed.is_none())
            .collect();
        for status in &mut open {
            status.completed = Some(now);
        }
        let message = failure.and_then(|failure| failure.diagnostics().first());
        self.vertex.completed = Some(now);
        self.vertex.error = message.map(|diagnostic| diagnostic.message.clone()).unwrap_or_default();
        self.tell(Update {
            vertices: vec![self.vertex.clone()],
            statuses: open,
            ..Update::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_says_is_a_step() {
        let mut told = Vec::new();
        let import = Import::new(|event| {
            let Event::Update(update) = event else { unreachable!() };
            let open = |completed: Option<SystemTime>| if completed.is_some() { "done" } else { "open" };
            told.extend(
                update
                    .vertices
                    .iter()
                    .map(|vertex| format!("{} {} {}", vertex.name, open(vertex.completed), vertex.error)),
            );
            told.extend(update.statuses.iter().map(|status| {
                format!(
                    "{} {}/{} {}",
                    status.id,
                    status.current,
                    status.total,
                    open(status.completed)
                )
            }));
            told.extend(
                update
                    .logs
                    .iter()
                    .map(|log| String::from_utf8_lossy(&log.data).into_owned()),
            );
        });
        let layer = |id: &str, current| LoadEvent::Layer {
            id: id.to_owned(),
            status: "Loading layer".to_owned(),
            current,
            total: 9,
        };
        for event in [
            layer("a", 3),
            layer("a", 9),
            layer("b", 1),
            LoadEvent::Loaded("x:1".to_owned()),
        ] {
            import.hear(event);
        }
        import.end(None);
        import.end(Some(&Failure::usage("too late")));
        drop(import);
        let told: Vec<&str> = told.iter().map(|line| line.trim_end()).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        importing to docker open
        loading layer a 3/9 open
        loading layer a 9/9 open
        loading layer a 9/9 done
        loading layer b 1/9 open
        loaded x:1
        importing to docker done
        loading layer b 1/9 done
        ");
    }
}
