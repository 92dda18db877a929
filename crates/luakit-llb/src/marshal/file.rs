//! File ops: a chain of actions, each on the result of the one before it (`client/llb/fileop.go`).

use luakit_proto::pb;
use luakit_proto::pb::file_action::Action;

use crate::marshal::inherit::Inheritance;
use crate::marshal::{Inputs, Wire, caps};
use crate::op::{Copy, FileAction, FileOp, Mkdir, Mkfile, Mode, Owner, OwnerId, Rm, Symlink};
use crate::path;
use crate::state::Output;

/// What the vertex consumes, in the order in which BuildKit's client visits it: from the last action back,
/// the base first.
pub(super) fn visited_inputs(file: &FileOp) -> Vec<Output> {
    let mut visited = Vec::new();
    for action in file.actions.iter().rev() {
        let copied = match action {
            FileAction::Copy(copy) => copy.from.output,
            _ => None,
        };
        for output in [file.base, copied].into_iter().flatten() {
            if !visited.contains(&output) {
                visited.push(output);
            }
        }
    }
    visited
}

pub(super) fn file(file: &FileOp, inherit: &mut Inheritance<'_>, inputs: &mut Inputs<'_>) -> Wire {
    let base = inputs.index_of(file.base);
    let dir = inherit.of(file.values).dir.clone();
    let dir = if dir.is_empty() { "/" } else { &dir };
    let mut actions: Vec<(i64, Action)> = Vec::with_capacity(file.actions.len());
    for action in &file.actions {
        match action {
            FileAction::Copy(copy) => {
                let from_dir = inherit.of(copy.from.values).dir.clone();
                let secondary = inputs.index_of(copy.from.output);
                actions.push((secondary, Action::Copy(copy_message(copy, dir, &from_dir, base))));
            }
            FileAction::Mkdir(mkdir) => actions.push((-1, Action::Mkdir(mkdir_message(mkdir, dir, base)))),
            FileAction::Mkfile(mkfile) => {
                actions.extend(parent_of(mkfile, dir).map(|parent| (-1, parent)));
                actions.push((-1, Action::Mkfile(mkfile_message(mkfile, dir, base))));
            }
            FileAction::Rm(rm) => actions.push((-1, Action::Rm(rm_message(rm, dir)))),
            FileAction::Symlink(link) => actions.push((-1, Action::Symlink(symlink_message(link, dir, base)))),
        }
    }
    let op = pb::Op {
        inputs: inputs.take(),
        platform: None,
        constraints: Some(pb::WorkerConstraints::default()),
        op: Some(pb::op::Op::File(chain(actions, base, inputs.len()))),
    };
    Wire {
        op,
        caps: vec![caps::FILE_BASE],
        explicit_platform: false,
    }
}

/// Numbers the actions: the first works on the base, each other on the one before it, and only the last
/// one's result is an output.
fn chain(actions: Vec<(i64, Action)>, base: i64, inputs: usize) -> pb::FileOp {
    let last = actions.len().saturating_sub(1);
    let of_action = |index: usize| i64::try_from(inputs + index).unwrap_or(i64::MAX);
    let numbered = actions
        .into_iter()
        .enumerate()
        .map(|(i, (secondary, action))| pb::FileAction {
            input: if i == 0 { base } else { of_action(i - 1) },
            secondary_input: secondary,
            output: if i == last { 0 } else { -1 },
            action: Some(action),
        });
    pb::FileOp {
        actions: numbered.collect(),
    }
}

fn copy_message(copy: &Copy, dir: &str, from_dir: &str, base: i64) -> pb::FileActionCopy {
    let (mode, mode_str) = match &copy.mode {
        None => (-1, String::new()),
        Some(Mode::Bits(bits)) => (mode_bits(*bits), String::new()),
        Some(Mode::Symbolic(text)) => (0, text.clone()),
    };
    pb::FileActionCopy {
        src: path::in_dir(from_dir, &copy.src, false),
        dest: path::in_dir(dir, &copy.dest, true),
        owner: copy.owner.as_ref().map(|owner| owner_message(owner, base)),
        mode,
        follow_symlink: copy.follow_symlink,
        dir_copy_contents: copy.copy_dir_contents,
        attempt_unpack_docker_compatibility: copy.attempt_unpack,
        create_dest_path: copy.create_dest_path,
        allow_wildcard: copy.allow_wildcard,
        allow_empty_wildcard: copy.allow_empty_wildcard,
        timestamp: copy.created.unwrap_or(KEEP_TIME),
        include_patterns: copy.include.clone(),
        exclude_patterns: copy.exclude.clone(),
        always_replace_existing_dest_paths: copy.always_replace,
        mode_str,
        required_paths: copy.required_paths.clone(),
    }
}

const KEEP_TIME: i64 = -1;

fn mkdir_message(mkdir: &Mkdir, dir: &str, base: i64) -> pb::FileActionMkDir {
    pb::FileActionMkDir {
        path: path::in_dir(dir, &mkdir.path, false),
        mode: mode_bits(mkdir.mode & 0o777),
        make_parents: mkdir.make_parents,
        owner: mkdir.owner.as_ref().map(|owner| owner_message(owner, base)),
        timestamp: mkdir.created.unwrap_or(KEEP_TIME),
    }
}

fn mkfile_message(mkfile: &Mkfile, dir: &str, base: i64) -> pb::FileActionMkFile {
    pb::FileActionMkFile {
        path: path::in_dir(dir, &mkfile.path, false),
        mode: mode_bits(mkfile.mode & 0o777),
        data: mkfile.data.clone(),
        owner: mkfile.owner.as_ref().map(|owner| owner_message(owner, base)),
        timestamp: mkfile.created.unwrap_or(KEEP_TIME),
    }
}

/// The directory that a file is written in, made with its parents, unless it is the root.
fn parent_of(mkfile: &Mkfile, dir: &str) -> Option<Action> {
    let file = path::in_dir(dir, &mkfile.path, false);
    let (parent, _) = file.rsplit_once('/')?;
    if parent.is_empty() || !mkfile.make_parents {
        return None;
    }
    Some(Action::Mkdir(pb::FileActionMkDir {
        path: parent.to_owned(),
        mode: 0o755,
        make_parents: true,
        owner: None,
        timestamp: KEEP_TIME,
    }))
}

fn rm_message(rm: &Rm, dir: &str) -> pb::FileActionRm {
    pb::FileActionRm {
        path: path::in_dir(dir, &rm.path, false),
        allow_not_found: rm.allow_not_found,
        allow_wildcard: rm.allow_wildcard,
    }
}

fn symlink_message(link: &Symlink, dir: &str, base: i64) -> pb::FileActionSymlink {
    pb::FileActionSymlink {
        oldpath: link.oldpath.clone(),
        newpath: path::in_dir(dir, &link.newpath, false),
        owner: link.owner.as_ref().map(|owner| owner_message(owner, base)),
        timestamp: link.created.unwrap_or(KEEP_TIME),
    }
}

fn owner_message(owner: &Owner, base: i64) -> pb::ChownOpt {
    let part = |id: &Option<OwnerId>| {
        let user = match id.as_ref()? {
            OwnerId::Id(id) => pb::user_opt::User::ById(*id),
            OwnerId::Name(name) => pb::user_opt::User::ByName(pb::NamedUserOpt {
                name: name.clone(),
                input: base,
            }),
        };
        Some(pb::UserOpt { user: Some(user) })
    };
    pb::ChownOpt {
        user: part(&owner.user),
        group: part(&owner.group),
    }
}

fn mode_bits(bits: u32) -> i32 {
    i32::try_from(bits & 0o7777).unwrap_or_default()
}
