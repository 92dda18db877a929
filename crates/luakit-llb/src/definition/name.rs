//! Names of vertices, as an engine's progress shows them (`llbOpName` in `solver/llbsolver/vertex.go`).

use luakit_proto::pb;
use luakit_proto::pb::file_action::Action;

use super::read::{Parsed, Vertex};

/// How much of the names that it is made of goes into the name of a merge or a diff. An engine has no such limit, and
/// a merge of merges of merges takes all its memory there.
const COMPOSED_LIMIT: usize = 1000;

impl Parsed<'_> {
    /// The name of every vertex, by its position: the script's own, else what the vertex does.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![String::new(); self.vertices().len()];
        for &position in self.inputs_first() {
            let Some(vertex) = self.vertices().get(position) else {
                continue;
            };
            let name = vertex.custom_name().map_or_else(|| name(vertex, &names), str::to_owned);
            if let Some(slot) = names.get_mut(position) {
                *slot = name;
            }
        }
        names
    }

    /// What every vertex does, by its position, whatever the script calls it.
    pub(crate) fn deed(&self, position: usize, names: &[String]) -> String {
        self.vertices()
            .get(position)
            .map_or_else(String::new, |vertex| name(vertex, names))
    }
}

fn name(vertex: &Vertex<'_>, names: &[String]) -> String {
    let input_name = |input: usize| {
        let edge = vertex.inputs.get(input);
        edge.and_then(|e| names.get(e.vertex)).map_or("", String::as_str)
    };
    match &vertex.op.op {
        Some(pb::op::Op::Source(source)) => source.identifier.clone(),
        Some(pb::op::Op::Exec(exec)) => exec.meta.as_ref().map_or_else(String::new, |meta| meta.args.join(" ")),
        Some(pb::op::Op::File(file)) => file_name(file),
        Some(pb::op::Op::Merge(_)) => {
            let mut name = String::from("merge (");
            for input in 0..vertex.inputs.len() {
                if input > 0 {
                    name.push_str(", ");
                }
                name.push_str(input_name(input));
                if name.len() > COMPOSED_LIMIT {
                    cut(&mut name, COMPOSED_LIMIT);
                    break;
                }
            }
            name.push(')');
            name
        }
        Some(pb::op::Op::Diff(diff)) => {
            let side = |input: Option<i64>| match input.map(usize::try_from) {
                Some(Ok(input)) => {
                    let mut side = format!("({}", input_name(input));
                    cut(&mut side, COMPOSED_LIMIT / 2);
                    side.push(')');
                    side
                }
                _ => "scratch".to_owned(),
            };
            let lower = side(diff.lower.as_ref().map(|l| l.input));
            let upper = side(diff.upper.as_ref().map(|u| u.input));
            format!("diff {lower} -> {upper}")
        }
        Some(pb::op::Op::Build(_)) => "build".to_owned(),
        Some(pb::op::Op::Passthrough(pass)) => format!("passthrough {}", pass.id),
        None => "unknown".to_owned(),
    }
}

fn file_name(file: &pb::FileOp) -> String {
    let names: Vec<String> = file
        .actions
        .iter()
        .filter_map(|action| {
            Some(match action.action.as_ref()? {
                Action::Copy(copy) => format!("copy {} {}", copy.src, copy.dest),
                Action::Mkfile(file) => format!("mkfile {}", file.path),
                Action::Mkdir(dir) => format!("mkdir {}", dir.path),
                Action::Rm(rm) => format!("rm {}", rm.path),
                Action::Symlink(link) => format!("symlink {} -> {}", link.newpath, link.oldpath),
            })
        })
        .collect();
    names.join(", ")
}

/// Cuts a text that is longer than `limit` bytes there, with a mark.
fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        let boundary = (0..=limit).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(boundary.unwrap_or_default());
        text.push('…');
    }
}
