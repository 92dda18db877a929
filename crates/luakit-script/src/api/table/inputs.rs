//! What a script may read: arguments, and files of the build context.

use super::{Constant, Field, Function, NAMES, Owner, Param, Record, Type};

pub(super) static ARG: Function = Function::new(
    Owner::Bk,
    "arg",
    "A build argument, as `ARG` declares it: given with `--arg NAME=VALUE`. It is always a string, or nil.",
)
.params(&[
    Param::new("name", Type::Name, "Its name."),
    Param::new("default", Type::Text, "What it is when it isn't given.").optional(),
])
.options(&ARG_OPTIONS)
.returns(Type::String)
.example("local version = bk.arg(\"VERSION\", \"1.22\", { description = \"the Go version\" })");

static ARG_OPTIONS: Record = Record {
    name: "ArgOptions",
    ignore_case: false,
    fields: &[
        Field::new("required", Type::Bool, "Whether it must be given.").default("false"),
        Field::new("choices", NAMES, "What it may be.")
            .default("anything")
            .near(&["values", "options", "enum", "one_of"]),
        Field::new("description", Type::Name, "What it is for, shown by `luakit validate`.")
            .near(&["doc", "help", "desc"]),
    ],
};

pub(super) const ARGS: Constant = Constant::new(
    "args",
    Type::Map(&Type::String),
    "All build arguments by name, read-only; those that are predefined too.",
);

pub(super) static READ_FILE: Function = Function::new(
    Owner::Bk,
    "read_file",
    "A file of the build context, as it is while the script runs: its bytes, as a string. The ignore file says what is \
     sent to the engine; it hides nothing from the script.",
)
.params(&[Param::new("path", Type::ContextPath, "The path in the build context.")])
.returns(Type::Bytes)
.example("local package = bk.json.decode(bk.read_file(\"package.json\"))");

pub(super) static GLOB: Function = Function::new(
    Owner::Bk,
    "glob",
    "The files and directories of the build context that match a pattern, sorted.",
)
.params(&[Param::new(
    "pattern",
    Type::ContextPath,
    "The pattern, as in an ignore file: `*`, `?`, `[…]`, `**`.",
)])
.returns(Type::List(&Type::String))
.example("for _, path in ipairs(bk.glob(\"services/*/package.json\")) do print(path) end");

pub(super) static EXISTS: Function = Function::new(
    Owner::Bk,
    "exists",
    "Whether the build context has a file or a directory.",
)
.params(&[Param::new("path", Type::ContextPath, "The path in the build context.")])
.returns(Type::Bool)
.example("if bk.exists(\"go.sum\") then print(\"has dependencies\") end");
