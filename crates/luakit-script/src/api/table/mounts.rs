//! What `run` mounts.

use super::{Class, Field, Function, ID, Owner, Param, Record, Type};

pub(super) const MOUNT: Class = Class {
    name: "Mount",
    doc: "Something that a run mounts, for its `mounts` option.",
    fields: &[],
    methods: &[],
};

const DEST: Param = Param::new("dest", Type::MountPath, "Where it is mounted: an absolute path.");

pub(super) static CACHE: Function = Function::new(
    Owner::Bk,
    "cache",
    "A directory that the engine keeps between builds, as `RUN --mount=type=cache`. Two mounts, and a Dockerfile, may share one.",
)
.params(&[DEST])
.options(&CACHE_OPTIONS)
.returns(Type::Mount)
.example("base:run(\"go mod download\", { mounts = { bk.cache(\"/go/pkg/mod\", { id = \"gomod\" }) } })");

static CACHE_OPTIONS: Record = Record {
    name: "CacheOptions",
    ignore_case: false,
    fields: &[
        Field::new("id", Type::Name, "What tells caches apart.")
            .default("`dest`")
            .near(&["name", "key"]),
        Field::new(
            "sharing",
            Type::Enum(&["shared", "private", "locked"]),
            "Who may use it at the same time: everyone, each run its own copy, or one after the other.",
        )
        .default("\"shared\"")
        .near(&["mode", "share"]),
        Field::new(
            "from",
            Type::State,
            "What a new cache starts with. Its directory's owner and mode are the cache's: \
             `from = bk.scratch():mkdir(\"/c\", { owner = \"1000:1000\" }), selector = \"/c\"` is a cache for the user 1000.",
        )
            .default("an empty directory of root's")
            .near(&["source", "base", "init"]),
        Field::new("selector", Type::Path, "The directory of `from` that it starts with.")
            .default("its root")
            .near(&["subdir", "path"]),
    ],
};

pub(super) static SECRET: Function = Function::new(
    Owner::Bk,
    "secret",
    "A build secret as a file, a variable, or both, as `RUN --mount=type=secret`. It never becomes part of the image.",
)
.params(&[Param::new(
    "dest",
    Type::MountPath,
    "The file that it is mounted as. Without it, `env` alone is set; without both it is `/run/secrets/ID`.",
)
.optional()])
.options(&SECRET_OPTIONS)
.returns(Type::Mount)
.example("base:run(\"npm ci\", { mounts = { bk.secret(\"/root/.npmrc\", { id = \"npmrc\" }) } })");

static SECRET_OPTIONS: Record = Record {
    name: "SecretOptions",
    ignore_case: false,
    fields: &[
        Field::new(
            "id",
            Type::Name,
            "What the client that solves calls the secret (`buildctl build --secret id=ID,src=FILE`).",
        )
        .default("the last part of `dest`")
        .near(&["name"]),
        Field::new("env", Type::Name, "The variable that it is put in.").near(&["variable", "var"]),
        Field::new("uid", ID, "The file's owner.")
            .default("0")
            .near(&["user", "owner"]),
        Field::new("gid", ID, "The file's group.").default("0").near(&["group"]),
        Field::new(
            "mode",
            Type::Permissions,
            "The file's permission bits, in octal digits.",
        )
        .default("0400"),
        Field::new("optional", Type::Bool, "Whether the run goes on without it.")
            .default("false")
            .near(&["required"]),
    ],
};

pub(super) static SSH: Function = Function::new(
    Owner::Bk,
    "ssh",
    "An ssh agent, as `RUN --mount=type=ssh`. It sets `SSH_AUTH_SOCK`.",
)
.options(&SSH_OPTIONS)
.returns(Type::Mount)
.example("base:run(\"git clone git@github.com:user/project.git\", { mounts = { bk.ssh() } })");

static SSH_OPTIONS: Record = Record {
    name: "SshOptions",
    ignore_case: false,
    fields: &[
        Field::new(
            "id",
            Type::Name,
            "What the client that solves calls the agent (`buildctl build --ssh ID`).",
        )
        .default("the default agent"),
        Field::new("dest", Type::MountPath, "Where the socket is.")
            .default("/run/buildkit/ssh_agent.N")
            .near(&["target", "path"]),
        Field::new("uid", ID, "The socket's owner.")
            .default("0")
            .near(&["user", "owner"]),
        Field::new("gid", ID, "The socket's group.")
            .default("0")
            .near(&["group"]),
        Field::new(
            "mode",
            Type::Permissions,
            "The socket's permission bits, in octal digits.",
        )
        .default("0600"),
        Field::new("optional", Type::Bool, "Whether the run goes on without it.")
            .default("false")
            .near(&["required"]),
    ],
};

pub(super) static TMPFS: Function = Function::new(
    Owner::Bk,
    "tmpfs",
    "A directory in memory, as `RUN --mount=type=tmpfs`.",
)
.params(&[DEST])
.options(&TMPFS_OPTIONS)
.returns(Type::Mount)
.example("base:run(\"make check\", { mounts = { bk.tmpfs(\"/tmp\", { size = \"64m\" }) } })");

static TMPFS_OPTIONS: Record = Record {
    name: "TmpfsOptions",
    ignore_case: false,
    fields: &[Field::new("size", Type::Size, "Its size: bytes, or `\"64m\"`.").default("the engine's")],
};

pub(super) static BIND: Function = Function::new(
    Owner::Bk,
    "bind",
    "A state mounted for a run, as `RUN --mount=type=bind,from=…`. What the run writes to a writable one is had with `state:output(dest)`.",
)
.params(&[Param::new("state", Type::State, "What is mounted."), DEST])
.options(&BIND_OPTIONS)
.returns(Type::Mount)
.example("local built = base:run(\"make\", { mounts = { bk.bind(src, \"/src\") } })");

static BIND_OPTIONS: Record = Record {
    name: "BindOptions",
    ignore_case: false,
    fields: &[
        Field::new("selector", Type::Path, "The path of the state that is mounted.")
            .default("its root")
            .near(&["source", "src", "subdir", "path"]),
        Field::new("readonly", Type::Bool, "Whether it can't be written to.")
            .default("true")
            .near(&["ro", "read_only", "rw", "readwrite", "writable"]),
    ],
};
