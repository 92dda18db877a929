//! Merging, comparing, platforms.

use super::{Class, Constant, Field, Function, Owner, Param, Record, Type};

pub(super) static MERGE: Function = Function::new(
    Owner::Bk,
    "merge",
    "Lays states over each other, the last on top. Environment, working directory and the rest are the first one's that is not scratch.",
)
.params(&[Param::new(
    "states",
    Type::Either(&[Type::State, Type::List(&Type::State)]),
    "At least two states, one after the other or in one list.",
)])
.variadic()
.returns(Type::State)
.example("local all = bk.merge(linted, tested, built)");

pub(super) static DIFF: Function = Function::new(
    Owner::Bk,
    "diff",
    "What `upper` has over `lower`: the files that were added, changed or removed.",
)
.params(&[
    Param::new("lower", Type::State, "The state before."),
    Param::new("upper", Type::State, "The state after."),
])
.returns(Type::State)
.example("local only_git = bk.diff(base, base:run(\"apk add git\"))");

pub(super) static PLATFORM: Function = Function::new(
    Owner::Bk,
    "platform",
    "A platform, in the normal form: `x86_64` becomes `amd64`, `arm64/v8` becomes `arm64`.",
)
.params(&[
    Param::new(
        "os",
        Type::Either(&[Type::Name, Type::Platform]),
        "The operating system; or the whole as `\"linux/arm64\"` or `{ os =, arch =, variant = }`.",
    ),
    Param::new(
        "arch",
        Type::Name,
        "The architecture, when `os` is the operating system alone.",
    )
    .optional(),
    Param::new("variant", Type::Name, "The variant: `\"v7\"`.").optional(),
])
.returns(Type::Platform)
.example("local p = bk.platform(\"linux\", \"arm\", \"v7\")");

/// The parts of a platform.
pub(crate) static PLATFORM_PARTS: Record = Record {
    name: "PlatformParts",
    ignore_case: false,
    fields: &[
        Field::new("os", Type::Name, "The operating system: `\"linux\"`.").required(),
        Field::new("arch", Type::Name, "The architecture: `\"arm64\"`.")
            .required()
            .near(&["architecture"]),
        Field::new("variant", Type::String, "The variant: `\"v7\"`."),
    ],
};

pub(super) const PLATFORM_CLASS: Class = Class {
    name: "Platform",
    doc: "An operating system and an architecture. `tostring` gives the normal form: `linux/arm64`.",
    fields: &[
        Constant::new("os", Type::String, "The operating system: `\"linux\"`."),
        Constant::new("arch", Type::String, "The architecture: `\"arm64\"`."),
        Constant::new("variant", Type::String, "The variant: `\"v7\"`, or `\"\"`."),
    ],
    methods: &[],
};

pub(super) const TARGET_PLATFORM: Constant = Constant::new(
    "target_platform",
    Type::Platform,
    "What is built for: one of `--platform`'s, and the script is evaluated once for each.",
);

pub(super) const BUILD_PLATFORM: Constant = Constant::new(
    "build_platform",
    Type::Platform,
    "What the engine's machine is: what tools that cross-compile run on.",
);
