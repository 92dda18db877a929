//! States, and the operations that make new ones.
//!
//! A [`State`] is a handle of a few words that is copied freely; every operation leaves it as it is and
//! returns another. All operations go through the [`Graph`] that the state belongs to.

use std::sync::Arc;

use crate::graph::{Graph, Metadata, StackId, Vertex, VertexId};
use crate::op::{
    Exec, FileAction, FileOp, GitSource, HttpSource, ImageSource, LocalSource, MountKind, OciLayoutSource, Op, Run,
    Source,
};
use crate::platform::Platform;
use crate::values::{Origin, Values, ValuesId};

/// One output of one vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Output {
    /// The vertex.
    pub vertex: VertexId,
    /// Which of its outputs.
    pub index: u32,
}

/// A filesystem, and what later runs on it inherit. States are ordered as their graph came to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// The filesystem; `None` is scratch.
    pub output: Option<Output>,
    pub(crate) values: ValuesId,
    /// The run whose root state this is: what [`Graph::run_output`] asks.
    run: Option<VertexId>,
}

/// What can go wrong when a state is asked for a run's output.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OutputError {
    /// The state is not what a run returned.
    #[error("this state is not the result of a run")]
    NotARun,
    /// The run mounts nothing there.
    #[error("the run has no mount at `{dest}`")]
    NoSuchMount {
        /// What was asked for.
        dest: String,
        /// Where the run has writable bind mounts.
        writable: Vec<String>,
    },
    /// What the run mounts there is no writable bind mount.
    #[error("the mount at `{dest}` is {kind}, and has no output")]
    NotWritable {
        /// What was asked for.
        dest: String,
        /// What is mounted there.
        kind: &'static str,
    },
}

impl Graph {
    /// The empty filesystem: no vertex.
    pub fn scratch(&mut self) -> State {
        self.bare(None)
    }

    /// An image.
    pub fn image(&mut self, image: ImageSource, at: StackId) -> State {
        let vertex = self.source(Source::Image(image), at);
        self.image_state(vertex)
    }

    /// An image of an OCI layout directory.
    pub fn oci_layout(&mut self, layout: OciLayoutSource, at: StackId) -> State {
        let vertex = self.source(Source::OciLayout(layout), at);
        self.image_state(vertex)
    }

    /// A directory of the client.
    pub fn local(&mut self, local: LocalSource, at: StackId) -> State {
        let vertex = self.source(Source::Local(local), at);
        self.bare(Some(Output { vertex, index: 0 }))
    }

    /// A git repository.
    pub fn git(&mut self, git: GitSource, at: StackId) -> State {
        let vertex = self.source(Source::Git(git), at);
        self.bare(Some(Output { vertex, index: 0 }))
    }

    /// One file over HTTP.
    pub fn http(&mut self, http: HttpSource, at: StackId) -> State {
        let vertex = self.source(Source::Http(http), at);
        self.bare(Some(Output { vertex, index: 0 }))
    }

    /// Runs a process. The result is the new root, or with a read-only root the old one; other outputs
    /// are had from it with [`Graph::run_output`].
    pub fn run(&mut self, state: State, run: Run, metadata: Metadata, at: StackId) -> State {
        let readonly = run.readonly_rootfs;
        let root_index = if readonly { None } else { output_index(&run, "/") };
        let exec = Exec {
            run,
            root: state.output,
            values: state.values,
        };
        let vertex = self.add_vertex(Op::Exec(exec), metadata, at);
        State {
            output: root_index.map_or(state.output, |index| Some(Output { vertex, index })),
            values: state.values,
            run: Some(vertex),
        }
    }

    /// The state of a writable bind mount of the run that returned `state`. What it hands on is what the
    /// mounted state did.
    pub fn run_output(&mut self, state: State, dest: &str) -> Result<State, OutputError> {
        let vertex = state.run.ok_or(OutputError::NotARun)?;
        let Op::Exec(exec) = &*self.vertex(vertex).op else {
            return Err(OutputError::NotARun);
        };
        let same = |d: &str| d.trim_end_matches('/') == dest.trim_end_matches('/');
        let Some(mount) = exec.run.mounts.iter().find(|m| same(&m.dest)) else {
            return Err(OutputError::NoSuchMount {
                dest: dest.to_owned(),
                writable: writable(&exec.run).map(str::to_owned).collect(),
            });
        };
        let not_writable = |kind| OutputError::NotWritable {
            dest: mount.dest.clone(),
            kind,
        };
        match &mount.kind {
            MountKind::Bind {
                state: mounted,
                readonly: false,
                ..
            } => {
                let index = output_index(&exec.run, &mount.dest).ok_or(OutputError::NotARun)?;
                Ok(State {
                    output: Some(Output { vertex, index }),
                    values: mounted.values,
                    run: None,
                })
            }
            MountKind::Bind { .. } => Err(not_writable("a read-only bind mount")),
            MountKind::Cache { .. } => Err(not_writable("a cache mount")),
            MountKind::Tmpfs { .. } => Err(not_writable("a tmpfs mount")),
        }
    }

    /// Changes files, in one op.
    pub fn file(&mut self, state: State, actions: Vec<FileAction>, at: StackId) -> State {
        let op = FileOp {
            base: state.output,
            values: state.values,
            actions,
        };
        let vertex = self.add_vertex(Op::File(op), Metadata::default(), at);
        State {
            output: Some(Output { vertex, index: 0 }),
            values: state.values,
            run: None,
        }
    }

    /// Lays states over each other. Scratch ones are dropped; what is handed on is what the first that
    /// is not scratch hands on. One that is left is the result itself; none left is scratch.
    pub fn merge(&mut self, states: &[State], at: StackId) -> State {
        let rest: Vec<(Output, State)> = states.iter().filter_map(|s| Some((s.output?, *s))).collect();
        match rest.as_slice() {
            [] => self.scratch(),
            [(_, only)] => *only,
            [(_, first), ..] => {
                let inputs = rest.iter().map(|(output, _)| *output).collect();
                let vertex = self.add_vertex(Op::Merge(inputs), Metadata::default(), at);
                State {
                    output: Some(Output { vertex, index: 0 }),
                    values: first.values,
                    run: None,
                }
            }
        }
    }

    /// What `upper` has over `lower`. It hands on what `lower` does; with a scratch `lower` it is `upper`
    /// itself, and between two scratch states there is nothing.
    pub fn diff(&mut self, lower: State, upper: State, at: StackId) -> State {
        if lower.output.is_none() {
            return upper;
        }
        let op = Op::Diff {
            lower: lower.output,
            upper: upper.output,
        };
        let vertex = self.add_vertex(op, Metadata::default(), at);
        State {
            output: Some(Output { vertex, index: 0 }),
            values: lower.values,
            run: None,
        }
    }

    /// Adds to the environment of later runs, in the order given.
    pub fn with_env(&mut self, state: State, vars: Vec<(String, String)>) -> State {
        self.with_values(state, |parent| Values::Env { parent, vars })
    }

    /// Sets the working directory of later runs; a relative one joins the present one.
    pub fn with_workdir(&mut self, state: State, path: String) -> State {
        self.with_values(state, |parent| Values::Workdir { parent, path })
    }

    /// Sets the user of later runs.
    pub fn with_user(&mut self, state: State, user: String) -> State {
        self.with_values(state, |parent| Values::User { parent, user })
    }

    /// Sets the shell of later runs.
    pub fn with_shell(&mut self, state: State, shell: Vec<String>) -> State {
        self.with_values(state, |parent| Values::Shell { parent, shell })
    }

    /// Sets the platform of later runs.
    pub fn with_platform(&mut self, state: State, platform: Platform) -> State {
        self.with_values(state, |parent| Values::Platform { parent, platform })
    }

    /// Labels the last operation: a labelled copy of its vertex takes its place. Scratch has none.
    pub fn with_metadata(&mut self, state: State, metadata: Metadata) -> State {
        let Some(last) = state.run.or(state.output.map(|o| o.vertex)) else {
            return state;
        };
        let Vertex {
            op,
            metadata: present,
            stack,
        } = self.vertex(last);
        let mut vertex = Vertex {
            op: Arc::clone(op),
            metadata: present.clone(),
            stack: *stack,
        };
        vertex.metadata.overlay(metadata);
        let labelled = self.push_vertex(vertex);
        let relabel = |id: VertexId| if id == last { labelled } else { id };
        State {
            output: state.output.map(|o| Output {
                vertex: relabel(o.vertex),
                ..o
            }),
            values: state.values,
            run: state.run.map(relabel),
        }
    }

    fn source(&mut self, source: Source, at: StackId) -> VertexId {
        self.add_vertex(Op::Source(source), Metadata::default(), at)
    }

    fn bare(&mut self, output: Option<Output>) -> State {
        State {
            output,
            values: self.add_values(Values::Empty),
            run: None,
        }
    }

    pub(crate) fn foreign_state(&mut self, output: Option<Output>, origin: Origin) -> State {
        State {
            output,
            values: self.add_values(Values::Foreign(origin)),
            run: None,
        }
    }

    fn image_state(&mut self, vertex: VertexId) -> State {
        State {
            output: Some(Output { vertex, index: 0 }),
            values: self.add_values(Values::Image(vertex)),
            run: None,
        }
    }

    fn with_values(&mut self, state: State, change: impl FnOnce(ValuesId) -> Values) -> State {
        State {
            values: self.add_values(change(state.values)),
            ..state
        }
    }
}

/// The writable mounts of a run besides its root.
fn writable(run: &Run) -> impl Iterator<Item = &str> {
    run.mounts
        .iter()
        .filter(|m| matches!(m.kind, MountKind::Bind { readonly: false, .. }))
        .map(|m| m.dest.as_str())
}

/// The output that a writable mount has: BuildKit counts them in the order of their destinations, the
/// root among them unless it is read-only.
fn output_index(run: &Run, dest: &str) -> Option<u32> {
    let root = (!run.readonly_rootfs).then_some("/");
    let mut dests: Vec<&str> = root.into_iter().chain(writable(run)).collect();
    dests.sort_unstable();
    dests
        .iter()
        .position(|d| *d == dest)
        .and_then(|i| u32::try_from(i).ok())
}
