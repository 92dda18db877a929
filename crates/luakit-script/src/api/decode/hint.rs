//! What was probably meant: hints for values of a wrong type, and for names that stand elsewhere.
//!
//! Most of them are for people who know Dockerfiles. A hint is given only where it is likely to be the remedy:
//! `cwd = 5` is no text that lost its quotes.

use luakit_llb::Platform;
use mlua::Value;

use super::text::{number_text, quoted};
use super::value::{fits, state_of};
use super::{At, is_name};
use crate::api::table::{Class, Function, Owner, Record, Type, api_table};

/// For a value whose type is not `ty`.
pub(super) fn wrong_type(ty: &Type, value: &Value, at: &At<'_>) -> Option<String> {
    if value.is_nil() {
        return Some("is the variable's name right, and was it set?".to_owned());
    }
    let text = value.as_string().map(mlua::LuaString::to_string_lossy);
    match (ty, text.as_deref()) {
        (Type::State | Type::Either([Type::State, ..]), Some(text)) => Some(state(text, at)),
        (Type::Mount, _) if state_of(value).is_some() => Some("mount a state with `bk.bind(state, dest)`".to_owned()),
        (Type::Mount, _) => Some(MOUNTS.to_owned()),
        (Type::Bool, Some(text @ ("true" | "false"))) => Some(format!("write it without quotes: {text}")),
        (Type::Bool, Some("yes" | "no" | "on" | "off" | "1" | "0")) => Some("write `true` or `false`".to_owned()),
        (Type::Integer { .. } | Type::Number, Some(text)) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            Some(format!("write it without quotes: {text}"))
        }
        (Type::Env | Type::EnvOrList | Type::TextMap | Type::Map(_), Some(text)) => Some(variables(text)),
        (Type::List(of) | Type::NonEmptyList(of), Some(text)) if fits(of, value) => {
            let words: Vec<String> = text.split_whitespace().map(quoted).collect();
            Some(format!("write a list: {{ {} }}", words.join(", ")))
        }
        (Type::List(of) | Type::NonEmptyList(of), _) if fits(of, value) => {
            Some("a list of one has braces too: `{ … }`".to_owned())
        }
        (Type::String | Type::Text | Type::Bytes, _) => quotes(value),
        // An argument that is a name is an image, a URL: no number.
        (Type::Name, _) if !matches!(at, At::Param(..)) => quotes(value),
        _ => None,
    }
}

/// What makes mounts.
pub(super) const MOUNTS: &str = "mounts are made with bk.cache, bk.bind, bk.secret, bk.ssh and bk.tmpfs";

/// For a text in a state's place.
fn state(text: &str, at: &At<'_>) -> String {
    if matches!(at, At::Param(1, "from", _)) && text == "context" {
        return "the build context's files are a state: write `bk.local_(\"context\")` in place of the name".to_owned();
    }
    if matches!(at, At::Param(1, "from", _)) {
        return format!(
            "the state to copy from comes first: `state:copy(bk.local_(\"context\"), {}, …)`",
            quoted(text)
        );
    }
    if text.starts_with(['/', '.']) {
        return "the build context's files are the state `bk.local_(\"context\")`".to_owned();
    }
    format!("for an image write `bk.image({})`", quoted(text))
}

/// For a text in the place of a table of variables.
fn variables(text: &str) -> String {
    let (name, value) = text.split_once('=').unwrap_or((text, "value"));
    let value = quoted(value.trim_matches('"'));
    if is_name(name) {
        return format!("write `{{ {name} = {value} }}`");
    }
    "write `{ NAME = \"value\" }`".to_owned()
}

/// For a text that is written as a number or a boolean.
fn quotes(value: &Value) -> Option<String> {
    let shown = match value {
        Value::Number(n) => number_text(*n)?,
        Value::Integer(n) => n.to_string(),
        Value::Boolean(b) => b.to_string(),
        _ => return None,
    };
    Some(format!("write it in quotes: \"{shown}\""))
}

/// For a value in the place of a function's options.
pub(super) fn not_options(function: &Function, record: &Record, value: &Value) -> Option<String> {
    let text = value.as_string().map(mlua::LuaString::to_string_lossy)?;
    if function.name == "run" {
        return Some("a command in several words is a list: `state:run({ \"make\", \"install\" })`".to_owned());
    }
    let platform = record.fields.iter().any(|field| field.name == "platform") && text.parse::<Platform>().is_ok();
    let name = match function.name {
        _ if platform => "platform",
        "export" => "name",
        "cache" => "id",
        "arg" => "description",
        _ => return Some("options have names: `{ name = value }`".to_owned()),
    };
    Some(format!("options have names: `{{ {name} = {} }}`", quoted(&text)))
}

/// Where a name is that `what` (`bk`, `a state`) does not have, when it is known to stand elsewhere.
pub(super) fn elsewhere(what: &str, name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let api = api_table();
    let on_bk = |name: &str| api.functions.iter().any(|f| f.owner == Owner::Bk && f.name == name);
    let is_state = |class: &&Class| class.name == "State";
    let states = || api.classes.iter().filter(is_state).flat_map(|class| class.methods);
    match (what, lower.as_str()) {
        ("bk" | "a state", "from") => Some("a Dockerfile's `FROM` is `bk.image(ref)`".to_owned()),
        ("a state", "add") => {
            Some("`copy` takes files from a state; a file behind a URL is the state `bk.http(url)`".to_owned())
        }
        ("bk", "context") => Some("the build context's files are the state `bk.local_(\"context\")`".to_owned()),
        ("a state", name) if on_bk(name) => Some(format!("`{name}` is a function of bk: `bk.{name}(…)`")),
        ("bk", name) if states().any(|method| method.name == name) => {
            Some(format!("`{name}` is a method of states: `state:{name}(…)`"))
        }
        ("bk" | "a state", name) => {
            let export = api
                .functions
                .iter()
                .find(|f| f.owner == Owner::Bk && f.name == "export");
            let known = export?.options?.fields;
            let field = known
                .iter()
                .find(|field| field.name == name || field.near.contains(&name) || field.aliases.contains(&name))?;
            CONFIG.contains(&field.name).then(|| {
                format!(
                    "`{0}` is an option of the export: `bk.export(state, {{ {0} = … }})`",
                    field.name
                )
            })
        }
        _ => None,
    }
}

/// Options of `bk.export` that are instructions in a Dockerfile.
const CONFIG: &[&str] = &[
    "entrypoint",
    "cmd",
    "expose",
    "volumes",
    "labels",
    "annotations",
    "stop_signal",
    "healthcheck",
    "onbuild",
    "author",
];
