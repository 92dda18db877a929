//! `bk.export`.

use super::{Field, Function, Owner, Param, Record, Type};

pub(super) static EXPORT: Function = Function::new(
    Owner::Bk,
    "export",
    "Names a state as an output of the build, with the config of its image. The config is the state's own, with these options laid over it.",
)
.params(&[Param::new("state", Type::State, "What is exported.")])
.options(&EXPORT_OPTIONS)
.example("bk.export(final, { entrypoint = { \"/app/server\" }, user = \"nobody\", expose = { \"8080/tcp\" } })");

const WORDS: Type = Type::Either(&[Type::Name, Type::List(&Type::String)]);

static EXPORT_OPTIONS: Record = Record {
    name: "ExportOptions",
    ignore_case: false,
    fields: &[
        Field::new("name", Type::Name, "The target's name, for `--target`.")
            .default("the default target")
            .near(&["target", "tag", "image"]),
        Field::new("platform", Type::Platform, "The platform of the image.")
            .default("the state's, else the target platform"),
        Field::new("description", Type::Name, "What the target is for, shown by `luakit validate`.").near(&["doc", "desc"]),
        Field::new("entrypoint", WORDS, "What the container runs: a list, or a string for the shell."),
        Field::new(
            "cmd",
            WORDS,
            "The default arguments: a list, or a string for the shell. Without it, giving `entrypoint` drops the base image's.",
        )
        .near(&["command", "args"]),
        Field::new("env", Type::EnvOrList, "Variables, by name or as a list of `\"NAME=value\"`, laid over the state's.")
            .near(&["environment", "envs"]),
        Field::new("workdir", Type::Path, "The working directory.")
            .aliases(&["cwd"])
            .default("the state's")
            .near(&["working_dir", "dir", "workingdir"]),
        Field::new("user", Type::UserName, "The user: a name or a number, with a group after `:`.").default("the state's"),
        Field::new(
            "expose",
            Type::OneOrMore(&Type::Port),
            "Ports: `8080`, `\"8080/tcp\"`, `\"8000-8010/udp\"`.",
        )
        .near(&["ports", "port", "exposed_ports"]),
        Field::new("volumes", Type::OneOrMore(&Type::Path), "Paths of volumes.").near(&["volume"]),
        Field::new("labels", Type::TextMap, "Labels, laid over the base image's.").near(&["label"]),
        Field::new("annotations", Type::TextMap, "Annotations of the image's manifest.").near(&["annotation"]),
        Field::new("stop_signal", Type::Signal, "The signal that stops the container.").near(&["stopsignal", "signal"]),
        Field::new(
            "healthcheck",
            Type::Either(&[Type::Name, Type::Record(&HEALTHCHECK)]),
            "How to tell that the container is well: a command for the shell, `\"none\"`, or `{ test =, interval =, … }`.",
        )
        .near(&["health", "health_check"]),
        Field::new(
            "shell",
            Type::NonEmptyList(&Type::Name),
            "What commands in the shell form are handed to.",
        )
        .default("the state's"),
        Field::new(
            "onbuild",
            Type::OneOrMore(&Type::Name),
            "Instructions for images built on this one by a Dockerfile.",
        )
        .near(&["on_build"]),
        Field::new("author", Type::Name, "Who made it.").near(&["maintainer"]),
        Field::new("os", Type::Name, "The operating system in the config.").default("the platform's"),
        Field::new("arch", Type::Name, "The architecture in the config.")
            .default("the platform's")
            .near(&["architecture"]),
        Field::new("variant", Type::Name, "The variant in the config.").default("the platform's"),
    ],
};

static HEALTHCHECK: Record = Record {
    name: "Healthcheck",
    ignore_case: false,
    fields: &[
        Field::new(
            "test",
            Type::Either(&[Type::Name, Type::NonEmptyList(&Type::String)]),
            "The command: a string for the shell, a list that runs as it is, or `\"none\"`.",
        )
        .required()
        .near(&["cmd", "command"]),
        Field::new("interval", Type::Duration, "Between two checks: seconds, or `\"30s\"`.").default("30s"),
        Field::new("timeout", Type::Duration, "Until one check has failed.").default("30s"),
        Field::new(
            "start_period",
            Type::Duration,
            "While the container starts and failures don't count.",
        )
        .default("0s"),
        Field::new("start_interval", Type::Duration, "Between two checks in that time.").default("5s"),
        Field::new(
            "retries",
            Type::Integer { min: 0, max: 1 << 31 },
            "How many failures in a row make it unhealthy.",
        )
        .default("3"),
    ],
};
