//! How a type of the API table reads: to an editor, and to a person.

use luakit_script::reference::{Record, Type};

/// A type in LuaCATS. `alias` is what an enumeration is called there.
pub(super) fn luacats(ty: &Type, alias: &str) -> String {
    match ty {
        Type::String
        | Type::Name
        | Type::Path
        | Type::ContextPath
        | Type::MountPath
        | Type::Bytes
        | Type::Digest
        | Type::Ip => "string".to_owned(),
        Type::Bool => "boolean".to_owned(),
        Type::Integer { .. } => "integer".to_owned(),
        Type::Number => "number".to_owned(),
        Type::Size
        | Type::SizeOrUnlimited
        | Type::Mode
        | Type::Permissions
        | Type::UserName
        | Type::Time
        | Type::Port
        | Type::Signal => "string|integer".to_owned(),
        Type::Duration | Type::Text => "string|number".to_owned(),
        Type::Owner => "string|Owner".to_owned(),
        Type::Platform => "Platform|string|PlatformParts".to_owned(),
        Type::State => "State".to_owned(),
        Type::Mount => "Mount".to_owned(),
        Type::Enum(_) => alias.to_owned(),
        Type::List(of) | Type::NonEmptyList(of) => format!("{}[]", grouped(of, alias)),
        Type::OneOrMore(of) => format!("{}|{}[]", luacats(of, alias), grouped(of, alias)),
        Type::Map(of) => format!("table<string, {}>", luacats(of, alias)),
        Type::Env | Type::TextMap => "table<string, string|number>".to_owned(),
        Type::EnvOrList => "table<string, string|number>|string[]".to_owned(),
        Type::Record(record) => record.name.to_owned(),
        Type::Either(types) => {
            let mut all: Vec<String> = Vec::new();
            for ty in *types {
                let text = luacats(ty, alias);
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            all.join("|")
        }
        Type::Any => "any".to_owned(),
        Type::Refused(_) => "nil".to_owned(),
    }
}

fn grouped(ty: &Type, alias: &str) -> String {
    let text = luacats(ty, alias);
    if text.contains('|') { format!("({text})") } else { text }
}

/// A type that a function returns, in LuaCATS.
pub(super) fn luacats_returned(ty: &Type) -> String {
    match ty {
        Type::Platform => "Platform".to_owned(),
        other => luacats(other, "string"),
    }
}

/// A type in words, for a cell of a table; with links to `types.md`.
pub(super) fn human(ty: &Type) -> String {
    match ty {
        Type::String | Type::Name | Type::Bytes => "string".to_owned(),
        Type::Path => linked("path"),
        Type::ContextPath => linked("context path"),
        Type::MountPath => "absolute path".to_owned(),
        Type::Bool => "boolean".to_owned(),
        Type::Integer { .. } => "whole number".to_owned(),
        Type::Number => "number".to_owned(),
        Type::Size => linked("size"),
        Type::SizeOrUnlimited => format!("{} or -1", linked("size")),
        Type::Mode => linked("mode"),
        Type::Permissions => linked("permissions"),
        Type::Owner => linked("owner"),
        Type::UserName => linked("user"),
        Type::Time => linked("time"),
        Type::Duration => linked("duration"),
        Type::Platform => linked("platform"),
        Type::Digest => linked("digest"),
        Type::Ip => "IP address".to_owned(),
        Type::Port => linked("port"),
        Type::Signal => linked("signal"),
        Type::State => "[state](state.md)".to_owned(),
        Type::Mount => "[mount](mounts.md)".to_owned(),
        Type::Enum(options) => {
            let options: Vec<String> = options.iter().map(|word| format!("`\"{word}\"`")).collect();
            options.join(" or ")
        }
        Type::List(of) | Type::NonEmptyList(of) => format!("list of {}", plural(of)),
        Type::OneOrMore(of) => format!("{}, or a list of them", human(of)),
        Type::Map(of) => format!("table of {} by name", plural(of)),
        Type::Env => "table of variables by name".to_owned(),
        Type::EnvOrList => "table of variables by name, or list of `\"NAME=value\"`".to_owned(),
        Type::TextMap => "table of texts by name".to_owned(),
        Type::Record(record) => format!("[`{}`](#{})", record.name, anchor(record.name)),
        Type::Either(types) => {
            let all: Vec<String> = types.iter().map(human).collect();
            all.join(", or ")
        }
        Type::Text => "string or number".to_owned(),
        Type::Any => "any value".to_owned(),
        Type::Refused(_) => "refused".to_owned(),
    }
}

fn plural(ty: &Type) -> String {
    match ty {
        Type::Either(_) => format!("({})", human(ty)),
        Type::Ip => "IP addresses".to_owned(),
        Type::State => "[states](state.md)".to_owned(),
        Type::Mount => "[mounts](mounts.md)".to_owned(),
        Type::Path => "[paths](types.md#path)".to_owned(),
        Type::String | Type::Name | Type::Bytes => "strings".to_owned(),
        Type::Integer { .. } => "whole numbers".to_owned(),
        other => human(other),
    }
}

fn linked(word: &str) -> String {
    format!("[{word}](types.md#{})", anchor(word))
}

/// The anchor that a Markdown heading of that text gets.
pub(super) fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || matches!(c, '_' | '-') => Some(c),
            _ => None,
        })
        .collect()
}

/// Words for a cell of a Markdown table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Code for a cell of a Markdown table.
pub(super) fn code_cell(code: &str) -> String {
    format!("`{}`", cell(code))
}

/// What a function returns, in LuaCATS, as words.
pub(super) fn returned(ty: &str) -> String {
    match ty {
        "State" => "a [state](state.md)".to_owned(),
        "Mount" => "a [mount](mounts.md)".to_owned(),
        other => format!("`{other}`"),
    }
}

/// The types that `types.md` explains: name and words.
pub(super) const EXPLAINED: &[(&str, &str)] = &[
    (
        "path",
        "A path in a state, absolute or relative. It holds no NUL and is not empty. What a relative one is relative to is \
         said where it is used: mostly the state's working directory.",
    ),
    (
        "context path",
        "A path in the build context, relative, with `/`. It never leaves the context: `..`, an absolute path or a symlink \
         that leads out is an error.",
    ),
    (
        "size",
        "A number of bytes, or a text as Docker takes it: `\"512k\"`, `\"64m\"`, `\"1.5g\"`.",
    ),
    (
        "mode",
        "What `chmod` takes: a text of octal digits (`\"0755\"`), a symbolic mode (`\"u+x\"`), or a number, which is read by \
         its digits: `0755` and `755` both mean `rwxr-xr-x`.",
    ),
    (
        "permissions",
        "A [mode](#mode) of permission bits alone, in octal digits up to `0777`: setuid, setgid, sticky and symbolic modes \
         are errors, for the engine would drop them.",
    ),
    (
        "owner",
        "A text `\"user:group\"`, or a table `{ user =, group = }`; each part is a name or a number. Without a group it is the \
         user's.",
    ),
    (
        "user",
        "A user's name or number; with a group after `:` where the text says so.",
    ),
    (
        "time",
        "Seconds since 1970 as a number, or RFC 3339 text: `\"2024-01-01T00:00:00Z\"`.",
    ),
    (
        "duration",
        "Seconds as a number, or Go's form: `\"1m30s\"`, `\"500ms\"`.",
    ),
    (
        "platform",
        "What `bk.platform` returns, a text (`\"linux/arm64\"`, `\"linux/arm/v7\"`), or a table `{ os =, arch =, variant = }`. \
         It is normalised: `x86_64` is `amd64`, `arm64/v8` is `arm64`.",
    ),
    ("digest", "`sha256:` and 64 hex digits."),
    (
        "port",
        "A number, or a text with a protocol or a range: `8080`, `\"8080/tcp\"`, `\"8000-8010/udp\"`.",
    ),
    ("signal", "A signal's name or number: `\"SIGTERM\"`, `\"TERM\"`, `15`."),
];

/// The records that a type mentions, its own fields' included.
pub(super) fn records(ty: &Type, into: &mut Vec<&'static Record>) {
    match ty {
        Type::Record(record) if !into.iter().any(|known| std::ptr::eq(*known, *record)) => {
            into.push(record);
            for field in record.fields {
                records(&field.ty, into);
            }
        }
        Type::List(of) | Type::NonEmptyList(of) | Type::OneOrMore(of) | Type::Map(of) => records(of, into),
        Type::Either(types) => types.iter().for_each(|ty| records(ty, into)),
        _ => {}
    }
}
