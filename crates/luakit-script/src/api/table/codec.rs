//! Text in JSON, YAML and TOML.

use super::{Constant, Function, Owner, Param, Type};

pub(super) const NULL: Constant = Constant::new(
    "null",
    Type::Any,
    "What `null` is in JSON and YAML. It is a value, so it keeps its place in a list; it is only equal to itself.",
);

const DECODE: &[Param] = &[Param::new("text", Type::Bytes, "The text.")];

const ENCODE: &[Param] = &[Param::new(
    "value",
    Type::Any,
    "A string, a number, a boolean, `bk.null`, or a table of these: a list, or keyed by strings. An empty table is an object, unless it was decoded from a list.",
)];

pub(super) static JSON_DECODE: Function = Function::new(
    Owner::Sub("json"),
    "decode",
    "What JSON text says. `null` becomes `bk.null`; a list stays one when it is encoded again, even an empty one.",
)
.params(DECODE)
.returns(Type::Any)
.example("local name = bk.json.decode('{\"name\": \"app\"}').name");

pub(super) static JSON_ENCODE: Function = Function::new(
    Owner::Sub("json"),
    "encode",
    "A value as JSON on one line, keys sorted: the same value is always the same text.",
)
.params(ENCODE)
.returns(Type::String)
.example("local text = bk.json.encode({ port = 8080 })");

pub(super) static YAML_DECODE: Function = Function::new(
    Owner::Sub("yaml"),
    "decode",
    "What a YAML document says, by the rules of YAML 1.2: `no` is a string. `null` becomes `bk.null`.",
)
.params(DECODE)
.returns(Type::Any)
.example("local chart = bk.yaml.decode(bk.read_file(\"Chart.yaml\"))");

pub(super) static YAML_ENCODE: Function =
    Function::new(Owner::Sub("yaml"), "encode", "A value as a YAML document, keys sorted.")
        .params(ENCODE)
        .returns(Type::String)
        .example("local text = bk.yaml.encode({ ports = { 80, 443 } })");

pub(super) static TOML_DECODE: Function = Function::new(
    Owner::Sub("toml"),
    "decode",
    "What a TOML document says. Dates and times become strings.",
)
.params(DECODE)
.returns(Type::Any)
.example("local version = bk.toml.decode(bk.read_file(\"Cargo.toml\")).package.version");

pub(super) static TOML_ENCODE: Function = Function::new(
    Owner::Sub("toml"),
    "encode",
    "A table as a TOML document, keys sorted. TOML has no `null`.",
)
.params(ENCODE)
.returns(Type::String)
.example("local text = bk.toml.encode({ package = { name = \"app\" } })");
