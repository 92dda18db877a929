//! What an engine refuses of single operations, found before anything is sent.
//!
//! The rules are those of `solver/llbsolver/ops/opsutils/validate.go` and of what the ops check when they start
//! (`ops/exec.go`, `ops/file.go`, `frontend/gateway/container`). As on an engine, only what the result needs is
//! looked at. Schemes of sources are left to the engine: a newer one knows more of them.

use luakit_proto::pb;

use super::read::{Parsed, Vertex};

/// An operation that no engine takes.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("op {digest} can't be built: {problem}")]
pub struct InvalidOp {
    /// The op.
    pub digest: String,
    /// What is wrong with it.
    pub problem: OpProblem,
}

/// What is wrong with an operation.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum OpProblem {
    /// It does nothing that this version knows.
    #[error("it does nothing that this version of Luakit knows")]
    Unknown,
    /// It consumes an output that its input doesn't have.
    #[error("input {input} asks for output {output} of {of}, which has {outputs}")]
    NoSuchOutput {
        /// Which of its inputs, from 0.
        input: usize,
        /// The output.
        output: u64,
        /// The input's digest.
        of: String,
        /// How many outputs that has.
        outputs: usize,
    },
    /// A source without `scheme://`.
    #[error("the source `{identifier}` has no scheme")]
    NoScheme {
        /// What it says.
        identifier: String,
    },
    /// A process without a command.
    #[error("the exec has no arguments")]
    NoArgs,
    /// A process without a root filesystem.
    #[error("the exec mounts nothing at `/`")]
    NoRoot,
    /// A process that starts nowhere.
    #[error("the exec has no working directory")]
    NoCwd,
    /// A mount of a kind that needs options, without them.
    #[error("the {kind} mount at `{dest}` has no options")]
    NoMountOptions {
        /// Its kind.
        kind: &'static str,
        /// Where.
        dest: String,
    },
    /// A mount of a kind that nobody knows.
    #[error("the mount at `{dest}` is of the unknown kind {kind}")]
    UnknownMount {
        /// Its number.
        kind: i32,
        /// Where.
        dest: String,
    },
    /// A root that is no plain mount.
    #[error("a {kind} mount can't be the root filesystem")]
    RootKind {
        /// What it is.
        kind: &'static str,
    },
    /// Something names an input by a number that the op doesn't have.
    #[error("{what} uses input {index}, and there are {inputs}")]
    NoSuchInput {
        /// What names it.
        what: String,
        /// The number.
        index: i64,
        /// How many there are.
        inputs: usize,
    },
    /// A file op without an action.
    #[error("the file op has no action")]
    NoActions,
    /// An action that does nothing that this version knows.
    #[error("action {action} of the file op does nothing that this version of Luakit knows")]
    UnknownAction {
        /// Which one, from 0.
        action: usize,
    },
    /// The outputs of a file op's actions are not 0, 1, 2…
    #[error("the outputs of the file op are not numbered from 0 without gaps")]
    Outputs,
    /// A diff that does not say both of its sides.
    #[error("the diff does not say what its two sides are")]
    DiffSides,
    /// A passthrough without a name.
    #[error("the passthrough has no id")]
    NoId,
    /// A passthrough that hands nothing on.
    #[error("the passthrough has no output")]
    NoOutputs,
}

impl Parsed<'_> {
    /// Refuses what an engine would refuse of the operations that the result needs.
    pub fn check(&self) -> Result<(), InvalidOp> {
        let needed = self.needed();
        for (vertex, _) in self.vertices().iter().zip(needed).filter(|(_, needed)| *needed) {
            self.check_vertex(vertex).map_err(|problem| InvalidOp {
                digest: vertex.digest.clone(),
                problem,
            })?;
        }
        if let Some(returns) = self.returns()
            && let Some(vertex) = self.input(returns.result)
        {
            check_output(vertex, 0, returns.result.output).map_err(|problem| InvalidOp {
                digest: returns.digest.clone(),
                problem,
            })?;
        }
        Ok(())
    }

    /// Which vertices the result needs, by position.
    pub(crate) fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.vertices().len()];
        if let Some(slot) = self.returns().and_then(|r| needed.get_mut(r.result.vertex)) {
            *slot = true;
        }
        for &position in self.inputs_first().iter().rev() {
            if needed.get(position).copied().unwrap_or_default()
                && let Some(vertex) = self.vertices().get(position)
            {
                for edge in &vertex.inputs {
                    if let Some(slot) = needed.get_mut(edge.vertex) {
                        *slot = true;
                    }
                }
            }
        }
        needed
    }

    fn check_vertex(&self, vertex: &Vertex<'_>) -> Result<(), OpProblem> {
        for (input, edge) in vertex.inputs.iter().enumerate() {
            if let Some(from) = self.input(*edge) {
                check_output(from, input, edge.output)?;
            }
        }
        let inputs = vertex.inputs.len();
        match &vertex.op.op {
            None => Err(OpProblem::Unknown),
            Some(pb::op::Op::Source(source)) if !source.identifier.contains("://") => Err(OpProblem::NoScheme {
                identifier: source.identifier.clone(),
            }),
            Some(pb::op::Op::Source(_) | pb::op::Op::Build(_)) => Ok(()),
            Some(pb::op::Op::Exec(exec)) => check_exec(exec, inputs),
            Some(pb::op::Op::File(file)) => check_file(file, inputs),
            Some(pb::op::Op::Merge(merge)) => merge
                .inputs
                .iter()
                .try_for_each(|input| in_range("the merge", input.input, 0, inputs)),
            Some(pb::op::Op::Diff(diff)) => check_diff(diff, inputs),
            Some(pb::op::Op::Passthrough(pass)) => check_passthrough(pass, inputs),
        }
    }
}

fn check_output(from: &Vertex<'_>, input: usize, output: u64) -> Result<(), OpProblem> {
    let Some(outputs) = outputs(&from.op) else {
        return Ok(());
    };
    if usize::try_from(output).is_ok_and(|output| output < outputs) {
        return Ok(());
    }
    Err(OpProblem::NoSuchOutput {
        input,
        output,
        of: from.digest.clone(),
        outputs,
    })
}

/// How many outputs an op has; `None` where only an engine can tell.
fn outputs(op: &pb::Op) -> Option<usize> {
    match op.op.as_ref()? {
        pb::op::Op::Source(_) | pb::op::Op::Merge(_) | pb::op::Op::Diff(_) => Some(1),
        // Only these kinds become outputs; other mounts leave the number out, which reads as 0.
        pb::op::Op::Exec(exec) => {
            let gives = |m: &&pb::Mount| {
                let bind = m.mount_type == i32::from(pb::MountType::Bind);
                let seeded = m.mount_type == i32::from(pb::MountType::Cache) && m.input >= 0;
                m.output >= 0 && (bind || seeded)
            };
            Some(exec.mounts.iter().filter(gives).count())
        }
        pb::op::Op::File(file) => Some(file.actions.iter().filter(|a| a.output >= 0).count()),
        pb::op::Op::Passthrough(pass) => Some(pass.outputs.len()),
        pb::op::Op::Build(_) => None,
    }
}

/// Whether an index lies between `least` (-1 where nothing is an answer) and the number of inputs.
fn in_range(what: &str, index: i64, least: i64, inputs: usize) -> Result<(), OpProblem> {
    let fits = index >= least && usize::try_from(index).map_or(true, |index| index < inputs);
    if fits {
        return Ok(());
    }
    Err(OpProblem::NoSuchInput {
        what: what.to_owned(),
        index,
        inputs,
    })
}

fn check_exec(exec: &pb::ExecOp, inputs: usize) -> Result<(), OpProblem> {
    let meta = exec.meta.as_ref().filter(|meta| !meta.args.is_empty());
    let meta = meta.ok_or(OpProblem::NoArgs)?;
    if meta.cwd.is_empty() {
        return Err(OpProblem::NoCwd);
    }
    if !exec.mounts.iter().any(|mount| mount.dest == "/") {
        return Err(OpProblem::NoRoot);
    }
    exec.mounts.iter().try_for_each(|mount| check_mount(mount, inputs))
}

fn check_mount(mount: &pb::Mount, inputs: usize) -> Result<(), OpProblem> {
    let Ok(kind) = pb::MountType::try_from(mount.mount_type) else {
        return Err(OpProblem::UnknownMount {
            kind: mount.mount_type,
            dest: mount.dest.clone(),
        });
    };
    let (kind, has_options) = match kind {
        pb::MountType::Bind => ("bind", true),
        pb::MountType::Secret => ("secret", mount.secret_opt.is_some()),
        pb::MountType::Ssh => ("ssh", mount.ssh_opt.is_some()),
        pb::MountType::Cache => ("cache", mount.cache_opt.is_some()),
        pb::MountType::Tmpfs => ("tmpfs", mount.tmpfs_opt.is_some()),
    };
    if !has_options {
        return Err(OpProblem::NoMountOptions {
            kind,
            dest: mount.dest.clone(),
        });
    }
    if mount.dest == "/" && kind != "bind" {
        return Err(OpProblem::RootKind { kind });
    }
    in_range(&format!("the mount at `{}`", mount.dest), mount.input, -1, inputs)
}

fn check_file(file: &pb::FileOp, inputs: usize) -> Result<(), OpProblem> {
    if file.actions.is_empty() {
        return Err(OpProblem::NoActions);
    }
    for (position, action) in file.actions.iter().enumerate() {
        if action.action.is_none() {
            return Err(OpProblem::UnknownAction { action: position });
        }
        let what = format!("action {position} of the file op");
        for index in [action.input, action.secondary_input] {
            in_range(&what, index, -1, inputs + position)?;
        }
    }
    let mut outputs: Vec<i64> = file.actions.iter().map(|a| a.output).filter(|o| *o != -1).collect();
    outputs.sort_unstable();
    if outputs.is_empty() || (0..).zip(&outputs).any(|(expect, output)| expect != *output) {
        return Err(OpProblem::Outputs);
    }
    Ok(())
}

fn check_diff(diff: &pb::DiffOp, inputs: usize) -> Result<(), OpProblem> {
    let (Some(lower), Some(upper)) = (&diff.lower, &diff.upper) else {
        return Err(OpProblem::DiffSides);
    };
    in_range("the lower side of the diff", lower.input, -1, inputs)?;
    in_range("the upper side of the diff", upper.input, -1, inputs)
}

fn check_passthrough(pass: &pb::PassthroughOp, inputs: usize) -> Result<(), OpProblem> {
    if pass.id.is_empty() {
        return Err(OpProblem::NoId);
    }
    if pass.outputs.is_empty() {
        return Err(OpProblem::NoOutputs);
    }
    let mut outputs = pass.outputs.iter();
    outputs.try_for_each(|output| in_range("an output of the passthrough", *output, 0, inputs))
}
