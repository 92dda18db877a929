//! States and their methods.

use super::{Class, Field, Function, MAX_EXACT, NAMES, Owner, Param, Record, Type};

pub(super) const STATE: Class = Class {
    name: "State",
    doc: "A filesystem, and what later runs on it start from: environment, working directory, user, shell, platform. \
          A state never changes: every method returns another.",
    fields: &[],
    methods: &[
        &RUN,
        &OUTPUT,
        &COPY,
        &MKDIR,
        &MKFILE,
        &RM,
        &SYMLINK,
        &ENV,
        &WORKDIR,
        &USER,
        &SHELL,
        &PLATFORM,
        &WITH_METADATA,
    ],
};

const fn method(name: &'static str, doc: &'static str) -> Function {
    Function::new(Owner::Class("State"), name, doc).returns(Type::State)
}

const COMMAND: Type = Type::Either(&[Type::Name, Type::NonEmptyList(&Type::String)]);

static RUN: Function = method(
    "run",
    "Runs a command, as `RUN` does, and returns the filesystem after it. Writable bind mounts are had from the result with `output`.",
)
.params(&[Param::new(
    "cmd",
    COMMAND,
    "A string runs through the state's shell (`/bin/sh -c`); a list runs as it is.",
)])
.options(&RUN_OPTIONS)
.example("local built = src:run(\"go build -o /out/app .\", { cwd = \"/app\", mounts = { bk.cache(\"/go/pkg/mod\") } })");

static RUN_OPTIONS: Record = Record {
    name: "RunOptions",
    ignore_case: false,
    fields: &[
        Field::new("env", Type::Env, "Variables added to the state's, for this run alone.")
            .near(&["environment", "envs"]),
        Field::new("cwd", Type::Path, "The working directory; a relative one joins the state's.")
            .default("the state's")
            .near(&["workdir", "working_dir", "dir", "workingdir"]),
        Field::new("user", Type::UserName, "The user: a name or a number, with a group after `:`.").default("the state's"),
        Field::new(
            "mounts",
            Type::List(&Type::Mount),
            "What is mounted for this run: `bk.cache`, `bk.secret`, `bk.ssh`, `bk.tmpfs`, `bk.bind`.",
        )
        .near(&["mount", "volumes"]),
        Field::new(
            "network",
            Type::Enum(&["sandbox", "host", "none"]),
            "The network that the process sees. `\"host\"` must be allowed (`--allow network.host`).",
        )
        .default("\"sandbox\""),
        Field::new(
            "security",
            Type::Enum(&["sandbox", "insecure"]),
            "`\"insecure\"` lifts the sandbox, and must be allowed (`--allow security.insecure`).",
        )
        .default("\"sandbox\""),
        Field::new("hostname", Type::Name, "The host name that the process sees."),
        Field::new(
            "valid_exit_codes",
            Type::Either(&[EXIT_CODE, Type::Name, Type::List(&EXIT_CODE)]),
            "Exit codes that count as success: a number, a list, or a range such as `\"0..10\"`.",
        )
        .default("0")
        .near(&["exit_codes", "exit_code", "allowed_exit_codes"]),
        Field::new("extra_hosts", Type::Map(&Type::Ip), "Lines of `/etc/hosts`: addresses by host name.")
            .near(&["hosts", "add_host", "add_hosts"]),
        Field::new(
            "ulimits",
            Type::Map(&Type::Either(&[LIMIT, Type::Record(&ULIMIT)])),
            "Limits by `ulimit` name (`nofile`): a number, or `{ soft =, hard = }`; -1 is unlimited.",
        )
        .near(&["ulimit", "limits"]),
        Field::new("cgroup_parent", Type::Name, "The cgroup that the process's own is made in."),
        Field::new(
            "proxy",
            Type::Record(&PROXY),
            "Proxies, in the process's environment but no part of the step's cache key.",
        )
        .default("the build arguments `HTTP_PROXY` and its kin")
        .near(&["proxies"]),
        Field::new(
            "devices",
            Type::List(&Type::Either(&[Type::Name, Type::Record(&DEVICE)])),
            "CDI devices: names, or `{ name =, optional = }`.",
        )
        .near(&["device"]),
        Field::new(
            "readonly_rootfs",
            Type::Bool,
            "Whether the root is mounted read-only. The result is then the state itself, and only the run's outputs make it part of a build.",
        )
        .default("false")
        .near(&["readonly", "read_only"]),
        Field::new("ignore_cache", Type::Bool, "Whether the step runs even when its result is cached.")
            .default("false")
            .near(&["no_cache", "nocache"]),
        DESCRIPTION,
        PROGRESS_GROUP,
        Field::new(
            "resources",
            Type::Record(&RESOURCES),
            "Limits on memory and CPU, as `docker run` names them. They never change the step's cache key.",
        ),
    ],
};

const EXIT_CODE: Type = Type::Integer {
    min: i32::MIN as i64,
    max: i32::MAX as i64,
};

const LIMIT: Type = Type::Integer {
    min: -1,
    max: MAX_EXACT,
};

static ULIMIT: Record = Record {
    name: "Ulimit",
    ignore_case: false,
    fields: &[
        Field::new("soft", LIMIT, "What is in force; -1 is unlimited.").required(),
        Field::new("hard", LIMIT, "What it may be raised to; -1 is unlimited.").default("`soft`"),
    ],
};

static PROXY: Record = Record {
    name: "Proxy",
    ignore_case: true,
    fields: &[
        Field::new("http_proxy", Type::String, "For HTTP.").near(&["http"]),
        Field::new("https_proxy", Type::String, "For HTTPS.").near(&["https"]),
        Field::new("ftp_proxy", Type::String, "For FTP.").near(&["ftp"]),
        Field::new("no_proxy", Type::String, "Hosts that are reached without one.").near(&["no"]),
        Field::new("all_proxy", Type::String, "For everything else.").near(&["all"]),
    ],
};

static DEVICE: Record = Record {
    name: "Device",
    ignore_case: false,
    fields: &[
        Field::new("name", Type::Name, "Its CDI name (`vendor.com/gpu=0`).").required(),
        Field::new("optional", Type::Bool, "Whether the run goes on without it.").default("false"),
    ],
};

const POSITIVE: Type = Type::Integer { min: 0, max: MAX_EXACT };

static RESOURCES: Record = Record {
    name: "Resources",
    ignore_case: false,
    fields: &[
        Field::new("memory", Type::Size, "Memory: bytes, or `\"512m\"`.").near(&["mem"]),
        Field::new(
            "memory_swap",
            Type::SizeOrUnlimited,
            "Memory and swap together; -1 is unlimited.",
        )
        .near(&["swap"]),
        Field::new(
            "cpus",
            Type::Number,
            "How many CPUs' time it may use: `1.5`. The short form of `cpu_period` and `cpu_quota`.",
        ),
        Field::new("cpu_shares", POSITIVE, "Relative weight of CPU time."),
        Field::new("cpu_period", POSITIVE, "CFS period in microseconds."),
        Field::new("cpu_quota", POSITIVE, "CFS quota in microseconds."),
        Field::new("cpuset_cpus", Type::Name, "CPUs that it may run on: `\"0-3\"`.").near(&["cpuset"]),
        Field::new("cpuset_mems", Type::Name, "Memory nodes that it may use: `\"0,1\"`."),
    ],
};

const DESCRIPTION: Field =
    Field::new("description", Type::Name, "The name shown for the step.").near(&["name", "label", "desc"]);

const PROGRESS_GROUP_FORMS: &[Type] = &[Type::Name, Type::Record(&PROGRESS_GROUP_PARTS)];

const PROGRESS_GROUP: Field = Field::new(
    "progress_group",
    Type::Either(PROGRESS_GROUP_FORMS),
    "The group of steps that it is shown in: its name, or `{ id =, name =, weak = }`.",
);

static PROGRESS_GROUP_PARTS: Record = Record {
    name: "ProgressGroup",
    ignore_case: false,
    fields: &[
        Field::new("id", Type::Name, "What tells groups apart.").required(),
        Field::new("name", Type::Name, "What is shown.").default("`id`"),
        Field::new(
            "weak",
            Type::Bool,
            "Whether the step alone does not make the group visible.",
        )
        .default("false"),
    ],
};

static OUTPUT: Function = method(
    "output",
    "The filesystem of a writable bind mount of the run that returned this state.",
)
.params(&[Param::new("dest", Type::Path, "Where the run had it mounted.")])
.example("local docs = built:output(\"/docs\")");

static COPY: Function = method(
    "copy",
    "Copies files from another state, as `COPY --from` does. A directory's contents are copied; missing parents of `dest` are made.",
)
.params(&[
    Param::new("from", Type::State, "The state that is copied from."),
    Param::new(
        "src",
        Type::Either(&[Type::Path, Type::NonEmptyList(&Type::Path)]),
        "The path there, or a list of paths; wildcards work. A relative one joins the working directory of `from`.",
    ),
    Param::new(
        "dest",
        Type::Path,
        "Where to; ending in `/`, or with a list of paths, it is a directory. A relative one joins the state's working directory.",
    ),
])
.options(&COPY_OPTIONS)
.example("local final = runtime:copy(built, \"/out/app\", \"/app/server\", { mode = \"0755\" })");

/// The parts of an owner.
pub(crate) static OWNER_PARTS: Record = Record {
    name: "Owner",
    ignore_case: false,
    fields: &[
        Field::new("user", Type::UserName, "The user's name or number.").near(&["uid"]),
        Field::new("group", Type::UserName, "The group's name or number.").near(&["gid"]),
    ],
};

const OWNER: Field = Field::new(
    "owner",
    Type::Owner,
    "The owner: `\"user:group\"` or `{ user =, group = }`, names or numbers.",
)
.default("root")
.near(&["chown", "user", "uid"]);

const CREATED: Field = Field::new(
    "created",
    Type::Time,
    "The file's time: Unix seconds, or RFC 3339 text.",
)
.near(&["mtime", "timestamp", "time", "created_time"]);

static COPY_OPTIONS: Record = Record {
    name: "CopyOptions",
    ignore_case: false,
    fields: &[
        Field::new(
            "mode",
            Type::Mode,
            "The mode of what is copied: octal digits, or symbolic (`\"u+x\"`).",
        )
        .default("as it is")
        .near(&["chmod", "permissions", "perm"]),
        OWNER,
        Field::new("follow_symlink", Type::Bool, "Whether a symlink at `src` is followed.")
            .default("true")
            .near(&["follow_symlinks", "follow"]),
        Field::new(
            "create_dest_path",
            Type::Bool,
            "Whether missing parents of `dest` are made.",
        )
        .default("true")
        .near(&["make_parents", "mkdir", "parents"]),
        Field::new(
            "allow_wildcard",
            Type::Bool,
            "Whether `*`, `?` and `[…]` in `src` are a pattern.",
        )
        .default("true"),
        Field::new(
            "allow_empty_wildcard",
            Type::Bool,
            "Whether a pattern that matches nothing is no error.",
        )
        .default("false when `src` is a pattern"),
        Field::new(
            "copy_dir_contents",
            Type::Bool,
            "Whether a directory's contents are copied, not the directory itself.",
        )
        .default("true")
        .near(&["copy_contents", "contents"]),
        Field::new(
            "attempt_unpack",
            Type::Bool,
            "Whether archives are unpacked, as `ADD` does.",
        )
        .default("false")
        .near(&["unpack", "extract"]),
        Field::new(
            "always_replace",
            Type::Bool,
            "Whether a file may take a directory's place, and the other way round.",
        )
        .default("false")
        .near(&["replace", "overwrite"]),
        Field::new(
            "required_paths",
            NAMES,
            "Paths that must be there, when `include` chooses what is copied.",
        ),
        Field::new("include", NAMES, "Patterns of what is copied.")
            .aliases(&["include_patterns"])
            .default("everything")
            .near(&["includes", "only"]),
        Field::new("exclude", NAMES, "Patterns of what is left out.")
            .aliases(&["exclude_patterns"])
            .default("nothing")
            .near(&["excludes", "ignore"]),
        CREATED,
    ],
};

static MKDIR: Function = method(
    "mkdir",
    "Makes a directory. One that is there already stays as it is, with its mode and owner.",
)
.params(&[Param::new(
    "path",
    Type::Path,
    "Where; a relative one joins the state's working directory.",
)])
.options(&MKDIR_OPTIONS)
.example("local s = base:mkdir(\"/srv/app\", { make_parents = true, owner = \"app:app\" })");

static MKDIR_OPTIONS: Record = Record {
    name: "MkdirOptions",
    ignore_case: false,
    fields: &[
        Field::new("mode", Type::Permissions, "Its permission bits, in octal digits.")
            .default("0755")
            .near(&["chmod", "permissions", "perm"]),
        Field::new("make_parents", Type::Bool, "Whether missing parents are made.")
            .default("false")
            .near(&["parents", "recursive"]),
        OWNER,
        CREATED,
    ],
};

static MKFILE: Function = method("mkfile", "Writes a file, as `COPY <<EOF` does.")
    .params(&[
        Param::new(
            "path",
            Type::Path,
            "Where; a relative one joins the state's working directory.",
        ),
        Param::new("data", Type::Bytes, "What it holds: any bytes."),
    ])
    .options(&MKFILE_OPTIONS)
    .example("local s = base:mkfile(\"/etc/motd\", \"hello\\n\", { mode = \"0644\" })");

static MKFILE_OPTIONS: Record = Record {
    name: "MkfileOptions",
    ignore_case: false,
    fields: &[
        Field::new("mode", Type::Permissions, "Its permission bits, in octal digits.")
            .default("0644")
            .near(&["chmod", "permissions", "perm"]),
        Field::new("make_parents", Type::Bool, "Whether missing parents are made.")
            .default("true")
            .near(&["parents", "create_dest_path"]),
        OWNER,
        CREATED,
    ],
};

static RM: Function = method("rm", "Removes a file or a directory with all it holds.")
    .params(&[Param::new(
        "path",
        Type::Path,
        "What; a relative one joins the state's working directory.",
    )])
    .options(&RM_OPTIONS)
    .example("local s = base:rm(\"/var/cache/apk/*\", { allow_wildcard = true })");

static RM_OPTIONS: Record = Record {
    name: "RmOptions",
    ignore_case: false,
    fields: &[
        Field::new("allow_not_found", Type::Bool, "Whether it may be missing.")
            .default("false")
            .near(&["force", "ignore_missing", "missing_ok"]),
        Field::new(
            "allow_wildcard",
            Type::Bool,
            "Whether `*`, `?` and `[…]` in `path` are a pattern.",
        )
        .default("false")
        .near(&["wildcard", "glob"]),
    ],
};

static SYMLINK: Function = method("symlink", "Makes a symbolic link.")
    .params(&[
        Param::new("oldpath", Type::Path, "What the link says, verbatim."),
        Param::new(
            "newpath",
            Type::Path,
            "Where the link is; a relative one joins the state's working directory.",
        ),
    ])
    .options(&SYMLINK_OPTIONS)
    .example("local s = base:symlink(\"/usr/bin/python3\", \"/usr/bin/python\")");

static SYMLINK_OPTIONS: Record = Record {
    name: "SymlinkOptions",
    ignore_case: false,
    fields: &[OWNER, CREATED],
};

static ENV: Function = method(
    "env",
    "Adds variables for later runs and the exported image, as `ENV` does.",
)
.params(&[Param::new("vars", Type::Env, "Values by name.")])
.example("local s = base:env({ NODE_ENV = \"production\" })");

static WORKDIR: Function = method(
    "workdir",
    "Sets the working directory of later runs and the exported image, as `WORKDIR` does, without making it.",
)
.params(&[Param::new(
    "path",
    Type::Path,
    "The directory; a relative one joins the present one.",
)])
.example("local s = base:workdir(\"/app\")");

static USER: Function = method(
    "user",
    "Sets the user of later runs and the exported image, as `USER` does.",
)
.params(&[Param::new(
    "user",
    Type::UserName,
    "A name or a number, with a group after `:` if wanted.",
)])
.example("local s = base:user(\"app:app\")");

static SHELL: Function = method(
    "shell",
    "Sets what string commands of later runs are handed to, as `SHELL` does.",
)
.params(&[Param::new(
    "shell",
    Type::NonEmptyList(&Type::Name),
    "The shell and its arguments.",
)])
.example("local s = base:shell({ \"/bin/bash\", \"-o\", \"pipefail\", \"-c\" })");

static PLATFORM: Function = method("platform", "Sets the platform of later runs.")
    .params(&[Param::new("platform", Type::Platform, "The platform.")])
    .example("local s = base:platform(\"linux/arm/v7\")");

static WITH_METADATA: Function = method(
    "with_metadata",
    "Labels the last operation. Labels never change what is cached under which key.",
)
.options(&METADATA)
.example("local s = base:run(\"make\"):with_metadata({ description = \"compile\" })");

static METADATA: Record = Record {
    name: "Metadata",
    ignore_case: false,
    fields: &[
        DESCRIPTION,
        PROGRESS_GROUP,
        Field::new(
            "ignore_cache",
            Type::Bool,
            "Whether the step runs even when its result is cached.",
        )
        .default("false")
        .near(&["no_cache", "nocache"]),
        Field::new(
            "export_cache",
            Type::Bool,
            "Whether the step's result goes into an exported cache.",
        )
        .default("the engine's choice"),
    ],
};
