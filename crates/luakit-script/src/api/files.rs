//! Changes to files without a process: `copy`, `mkdir`, `mkfile`, `rm`, `symlink`. Each call is one op.

use luakit_llb::op::{Copy, FileAction, Mkdir, Mkfile, Rm, Symlink};
use mlua::Result;

use super::decode::{Arg, Call, Out};
use super::warnings::warn_of_dot;

pub(super) fn copy(call: &mut Call<'_>) -> Result<Out> {
    let state = call.receiver()?;
    let from = call.arg(0)?;
    let (sources, several): (Vec<String>, bool) = match call.arg(1)? {
        Arg::Text(path) => (vec![path], false),
        list => (super::decode::FromArg::from_arg(list).unwrap_or_default(), true),
    };
    let mut dest: String = call.arg(2)?;
    if let ([src], false) = (sources.as_slice(), several) {
        warn_of_dot(call, src, &dest);
    }
    // Several sources only fit into a directory.
    if several && !dest.ends_with('/') && !dest.ends_with("/.") {
        dest.push('/');
    }
    let empty: Option<bool> = call.option("allow_empty_wildcard")?;
    let base = Copy {
        from,
        src: String::new(),
        dest,
        mode: call.option("mode")?,
        owner: call.option("owner")?,
        follow_symlink: call.flag("follow_symlink", true)?,
        create_dest_path: call.flag("create_dest_path", true)?,
        allow_wildcard: call.flag("allow_wildcard", true)?,
        allow_empty_wildcard: true,
        copy_dir_contents: call.flag("copy_dir_contents", true)?,
        attempt_unpack: call.flag("attempt_unpack", false)?,
        always_replace: call.flag("always_replace", false)?,
        required_paths: call.list("required_paths")?,
        include: call.list("include")?,
        exclude: call.list("exclude")?,
        created: call.option("created")?,
    };
    let one = |src: String| {
        let is_pattern = src.contains(['*', '?', '[']);
        FileAction::Copy(Copy {
            allow_empty_wildcard: empty.unwrap_or(!is_pattern),
            src,
            ..base.clone()
        })
    };
    let actions: Vec<FileAction> = sources.into_iter().map(one).collect();
    call.hold(actions.len() * (256 + base.dest.len()))?;
    let at = call.at();
    Ok(Out::State(call.graph().file(state, actions, at)))
}

/// Adds an op with one action.
fn file(call: &mut Call<'_>, action: FileAction, size: usize) -> Result<Out> {
    let state = call.receiver()?;
    call.hold(size)?;
    let at = call.at();
    Ok(Out::State(call.graph().file(state, vec![action], at)))
}

pub(super) fn mkdir(call: &mut Call<'_>) -> Result<Out> {
    let mkdir = Mkdir {
        path: call.arg(0)?,
        mode: call.option("mode")?.unwrap_or(0o755),
        make_parents: call.flag("make_parents", false)?,
        owner: call.option("owner")?,
        created: call.option("created")?,
    };
    let size = mkdir.path.len();
    file(call, FileAction::Mkdir(mkdir), size)
}

pub(super) fn mkfile(call: &mut Call<'_>) -> Result<Out> {
    let mkfile = Mkfile {
        path: call.arg(0)?,
        data: call.arg(1)?,
        mode: call.option("mode")?.unwrap_or(0o644),
        make_parents: call.flag("make_parents", true)?,
        owner: call.option("owner")?,
        created: call.option("created")?,
    };
    let size = mkfile.path.len() + mkfile.data.len();
    file(call, FileAction::Mkfile(mkfile), size)
}

pub(super) fn rm(call: &mut Call<'_>) -> Result<Out> {
    let rm = Rm {
        path: call.arg(0)?,
        allow_not_found: call.flag("allow_not_found", false)?,
        allow_wildcard: call.flag("allow_wildcard", false)?,
    };
    let size = rm.path.len();
    file(call, FileAction::Rm(rm), size)
}

pub(super) fn symlink(call: &mut Call<'_>) -> Result<Out> {
    let link = Symlink {
        oldpath: call.arg(0)?,
        newpath: call.arg(1)?,
        owner: call.option("owner")?,
        created: call.option("created")?,
    };
    let size = link.oldpath.len() + link.newpath.len();
    file(call, FileAction::Symlink(link), size)
}
