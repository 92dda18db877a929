//! Changes to files that need no process.

use crate::state::{Output, State};
use crate::values::ValuesId;

/// Actions on one filesystem, each on the result of the one before it.
#[derive(Debug, Clone)]
pub struct FileOp {
    /// What the first action starts from; `None` is scratch.
    pub base: Option<Output>,
    /// What the state that it starts from hands on: relative paths join its working directory.
    pub values: ValuesId,
    /// The actions: at least one.
    pub actions: Vec<FileAction>,
}

/// One change.
#[derive(Debug, Clone)]
pub enum FileAction {
    /// Copies from another state.
    Copy(Copy),
    /// Makes a directory.
    Mkdir(Mkdir),
    /// Writes a file.
    Mkfile(Mkfile),
    /// Removes.
    Rm(Rm),
    /// Makes a symbolic link.
    Symlink(Symlink),
}

/// `state:copy` of one source path.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "they are the flags of BuildKit's message")]
pub struct Copy {
    /// What is copied from.
    pub from: State,
    /// The path in it; relative to its working directory.
    pub src: String,
    /// Where to; relative to the base's working directory. A trailing `/` or `/.` counts.
    pub dest: String,
    /// The mode of what is copied; `None` keeps it.
    pub mode: Option<Mode>,
    /// The owner of what is copied; `None` is root.
    pub owner: Option<Owner>,
    /// Whether a symlink at `src` is followed.
    pub follow_symlink: bool,
    /// Whether missing parents of `dest` are made.
    pub create_dest_path: bool,
    /// Whether `src` is a pattern.
    pub allow_wildcard: bool,
    /// Whether a pattern may match nothing.
    pub allow_empty_wildcard: bool,
    /// Whether a directory's contents are copied, not the directory.
    pub copy_dir_contents: bool,
    /// Whether archives are unpacked, as Docker's `ADD` does.
    pub attempt_unpack: bool,
    /// Whether a file may take a directory's place, and the other way round.
    pub always_replace: bool,
    /// Paths that must be there; read only together with `include`.
    pub required_paths: Vec<String>,
    /// Patterns of what is copied.
    pub include: Vec<String>,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// The time of what is copied, in nanoseconds since 1970; `None` keeps it.
    pub created: Option<i64>,
}

/// `state:mkdir`.
#[derive(Debug, Clone)]
pub struct Mkdir {
    /// Where; relative to the state's working directory.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Whether missing parents are made.
    pub make_parents: bool,
    /// Its owner; `None` is root.
    pub owner: Option<Owner>,
    /// Its time in nanoseconds since 1970; `None` is the engine's clock.
    pub created: Option<i64>,
}

/// `state:mkfile`.
#[derive(Debug, Clone)]
pub struct Mkfile {
    /// Where; relative to the state's working directory.
    pub path: String,
    /// Any bytes.
    pub data: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Whether missing parents are made, by a `mkdir` before it in the same op.
    pub make_parents: bool,
    /// Its owner; `None` is root.
    pub owner: Option<Owner>,
    /// Its time in nanoseconds since 1970; `None` is the engine's clock.
    pub created: Option<i64>,
}

/// `state:rm`.
#[derive(Debug, Clone)]
pub struct Rm {
    /// What; relative to the state's working directory.
    pub path: String,
    /// Whether it may be missing.
    pub allow_not_found: bool,
    /// Whether `path` is a pattern.
    pub allow_wildcard: bool,
}

/// `state:symlink`.
#[derive(Debug, Clone)]
pub struct Symlink {
    /// What the link says, verbatim.
    pub oldpath: String,
    /// Where the link is; relative to the state's working directory.
    pub newpath: String,
    /// Its owner; `None` is root.
    pub owner: Option<Owner>,
    /// Its time in nanoseconds since 1970; `None` is the engine's clock.
    pub created: Option<i64>,
}

/// The mode of copied files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Bits, up to `07777`.
    Bits(u32),
    /// As `chmod` takes it (`u+x`).
    Symbolic(String),
}

/// Who owns a file. A part that is `None` is left out of the message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// The user.
    pub user: Option<OwnerId>,
    /// The group.
    pub group: Option<OwnerId>,
}

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerId {
    /// By number.
    Id(u32),
    /// By a name that the base's `/etc/passwd` or `/etc/group` knows.
    Name(String),
}
