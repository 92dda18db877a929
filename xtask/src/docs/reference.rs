//! `docs/reference/*.md`: the API table, for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::ensure;
use luakit_script::reference::{Api, Class, Function, Record, Type};

use super::words::{self, cell, code_cell, human};

/// A page of the reference.
pub(super) struct Page {
    /// Its file's name, without `.md`.
    pub(super) name: &'static str,
    /// What is on it, in a line.
    pub(super) summary: &'static str,
    pub(super) text: String,
}

/// What a page of the API holds.
struct Plan {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    intro: &'static str,
    functions: &'static [&'static str],
    constants: &'static [&'static str],
    class: Option<&'static str>,
}

const PAGES: &[Plan] = &[
    Plan {
        name: "sources",
        title: "Sources",
        summary: "Where filesystems come from: images, directories, git, HTTP.",
        intro: "Where filesystems come from. Each function returns a [state](state.md).",
        functions: &["image", "scratch", "local_", "git", "http", "https", "oci_layout"],
        constants: &[],
        class: None,
    },
    Plan {
        name: "state",
        title: "States",
        summary: "What a build is made of: `run`, `copy`, files, environment.",
        intro: "",
        functions: &[],
        constants: &[],
        class: Some("State"),
    },
    Plan {
        name: "mounts",
        title: "Mounts",
        summary: "Caches, secrets, ssh agents, and other mounts of a run.",
        intro: "What a run sees besides its root: the elements of `mounts` in [`state:run`](state.md#staterun).",
        functions: &["cache", "secret", "ssh", "tmpfs", "bind"],
        constants: &[],
        class: None,
    },
    Plan {
        name: "graph",
        title: "Merging, comparing, platforms",
        summary: "`bk.merge`, `bk.diff`, `bk.platform`.",
        intro: "",
        functions: &["merge", "diff", "platform"],
        constants: &["target_platform", "build_platform"],
        class: Some("Platform"),
    },
    Plan {
        name: "inputs",
        title: "Arguments and files",
        summary: "Build arguments, and the files of the build context.",
        intro: "What a script may read while it is evaluated: the arguments of the build, and the build context.",
        functions: &["arg", "read_file", "glob", "exists"],
        constants: &["args"],
        class: None,
    },
    Plan {
        name: "formats",
        title: "JSON, YAML and TOML",
        summary: "Reading and writing them.",
        intro: "Text to values, and values to text. What is written is canonical: keys are sorted.",
        functions: &[
            "json.decode",
            "json.encode",
            "yaml.decode",
            "yaml.encode",
            "toml.decode",
            "toml.encode",
        ],
        constants: &["null"],
        class: None,
    },
    Plan {
        name: "export",
        title: "Exports",
        summary: "Outputs, and the config of their images.",
        intro: "",
        functions: &["export"],
        constants: &[],
        class: None,
    },
];

/// The pages of the API.
pub(super) fn pages(api: &Api) -> anyhow::Result<Vec<Page>> {
    let mut pages = Vec::new();
    let mut told = BTreeSet::new();
    for plan in PAGES {
        pages.push(Page {
            name: plan.name,
            summary: plan.summary,
            text: render(api, plan, &mut told)?,
        });
    }
    let missing: Vec<String> = api
        .functions
        .iter()
        .map(|f| path(f))
        .filter(|path| !told.contains(path))
        .collect();
    ensure!(missing.is_empty(), "on no page of the reference: {missing:?}");
    pages.push(Page {
        name: "types",
        summary: "What the tables call a value: paths, modes, owners, sizes, times.",
        text: types_page(),
    });
    Ok(pages)
}

/// What a script must not rest on.
const ORDER: &str = "
## The order of a table's keys

The same script and arguments give the same definition, byte for byte. A table whose keys are strings, numbers and booleans is
gone through in the same order in every run. Objects as keys have no such order of their own, so `pairs` gives them one: states
and platforms come after all other keys, states in the order in which they were made, platforms by name. With several
other objects as keys (tables, functions, mounts) `pairs` is an error: keep them in a list beside the table.

`for key in t do` without `pairs` goes the same way, and so does `next`. What stays open: where all keys are such other objects,
`next(t)` gives any of them, so that it can say whether a table is empty, and what a weak table (`__mode`) still holds is not fixed.
";

/// The list of pages.
pub(super) fn index(pages: &[Page]) -> String {
    let mut out = head("Reference");
    out.push_str(
        "A script sees one global, `bk`, and what Lua itself has, in the dialect Luau: Lua 5.1 with `//`, `+=`, `continue`, string interpolation and type annotations. These pages are made from what the program checks \
         every call against; an editor learns the same from [types/](../../types/) (see [editors](../editors.md)).\n\n",
    );
    for page in pages {
        let title = page
            .text
            .lines()
            .find_map(|line| line.strip_prefix("# "))
            .unwrap_or(page.name);
        let _ = writeln!(out, "- [{title}]({}.md): {}", page.name, page.summary);
    }
    out.push_str(ORDER);
    out
}

/// A page's beginning.
pub(super) fn head(title: &str) -> String {
    format!("<!-- Generated by `cargo xtask docs`. Do not edit. -->\n\n# {title}\n\n")
}

fn render(api: &Api, page: &Plan, told: &mut BTreeSet<String>) -> anyhow::Result<String> {
    let mut out = head(page.title);
    let class = api.classes.iter().find(|class| Some(class.name) == page.class);
    ensure!(class.is_some() == page.class.is_some(), "no class {:?}", page.class);
    if !page.intro.is_empty() {
        let _ = writeln!(out, "{}", page.intro);
    }
    if let Some(class) = class
        && page.functions.is_empty()
    {
        let _ = writeln!(out, "{}", class.doc);
    }
    let mut nested = Vec::new();
    for name in page.functions {
        let Some(function) = api.functions.iter().find(|f| path(f) == format!("bk.{name}")) else {
            anyhow::bail!("page {}: no function bk.{name}", page.name);
        };
        told.insert(path(function));
        function_section(&mut out, function, &mut nested);
    }
    for name in page.constants {
        let Some(constant) = api.constants.iter().find(|constant| constant.name == *name) else {
            anyhow::bail!("page {}: no value bk.{name}", page.name);
        };
        let _ = write!(
            out,
            "\n## `bk.{name}`\n\n{}. {}\n",
            capital(&human(&constant.ty)),
            constant.doc
        );
    }
    if let Some(class) = class {
        class_section(&mut out, class, !page.functions.is_empty(), &mut nested);
    }
    for record in nested {
        let _ = write!(out, "\n## `{}`\n", record.name);
        record_table(&mut out, record, "key");
    }
    // A page that begins with its functions has one empty line too many.
    Ok(out.replace("\n\n\n", "\n\n"))
}

fn path(function: &Function) -> String {
    let shown = function.shown();
    shown.trim_end_matches("()").to_owned()
}

fn class_section(out: &mut String, class: &Class, headed: bool, nested: &mut Vec<&'static Record>) {
    if headed {
        let _ = write!(out, "\n## {} objects\n\n{}\n", class.name, class.doc);
    }
    if !class.fields.is_empty() {
        out.push_str("\n| field | type | |\n| --- | --- | --- |\n");
        for field in class.fields {
            let _ = writeln!(out, "| `{}` | {} | {} |", field.name, human(&field.ty), cell(field.doc));
        }
    }
    for method in class.methods {
        function_section(out, method, nested);
    }
}

fn function_section(out: &mut String, function: &Function, nested: &mut Vec<&'static Record>) {
    let prefix = if function.is_method() { "state:" } else { "" };
    let _ = write!(out, "\n## `{prefix}{}`\n\n", path(function));
    let _ = write!(
        out,
        "```lua\n{prefix}{}({})\n```\n\n",
        path(function),
        signature(function)
    );
    let _ = writeln!(out, "{}", function.doc);
    if !function.params.is_empty() {
        out.push_str("\n| argument | type | |\n| --- | --- | --- |\n");
        for param in function.params {
            let optional = if param.optional { ", optional" } else { "" };
            let _ = writeln!(
                out,
                "| `{}` | {}{optional} | {} |",
                param.name,
                human(&param.ty),
                cell(param.doc)
            );
            words::records(&param.ty, nested);
        }
    }
    if let Some(options) = function.options {
        record_table(out, options, "option");
        for field in options.fields {
            words::records(&field.ty, nested);
        }
    }
    match &function.returns {
        Some(ty) => {
            let _ = write!(out, "\nReturns: {}. Since {}.\n", human(ty), function.since);
        }
        None => {
            let _ = write!(out, "\nReturns nothing. Since {}.\n", function.since);
        }
    }
    if !function.example.is_empty() {
        let _ = write!(out, "\n```lua\n{}\n```\n", function.example);
    }
}

fn signature(function: &Function) -> String {
    let mut text = String::new();
    for param in function.params {
        let dots = if function.variadic { ", …" } else { "" };
        let comma = if text.is_empty() { "" } else { ", " };
        if param.optional {
            let _ = write!(text, "[{comma}{}{dots}]", param.name);
        } else {
            let _ = write!(text, "{comma}{}{dots}", param.name);
        }
    }
    if let Some(options) = function.options {
        let comma = if text.is_empty() { "" } else { ", " };
        if options.fields.iter().any(|field| field.required) {
            let _ = write!(text, "{comma}opts");
        } else {
            let _ = write!(text, "[{comma}opts]");
        }
    }
    text
}

fn record_table(out: &mut String, record: &Record, what: &str) {
    let _ = write!(out, "\n| {what} | type | default | |\n| --- | --- | --- | --- |\n");
    for field in record.fields {
        let names: Vec<String> = std::iter::once(&field.name)
            .chain(field.aliases)
            .map(|name| code_cell(name))
            .collect();
        let default = match (field.required, field.default) {
            (true, _) => "required".to_owned(),
            (false, Some(text)) => default(text),
            (false, None) => String::new(),
        };
        let since = if field.since == "0.1" {
            String::new()
        } else {
            format!(" Since {}.", field.since)
        };
        let doc = match field.ty {
            Type::Refused(why) => format!("An error: {}.", why.trim_end_matches('.')),
            _ => field.doc.to_owned(),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {}{since} |",
            names.join(", "),
            human(&field.ty),
            cell(&default),
            cell(&doc)
        );
    }
    if record.ignore_case {
        out.push_str("\nCapital and small letters are the same in these names.\n");
    }
}

/// A default: code when it is a value, words as they are.
fn default(text: &str) -> String {
    let value = text.starts_with('"')
        || text.starts_with('/')
        || matches!(text, "true" | "false")
        || text.bytes().next().is_some_and(|b| b.is_ascii_digit());
    if value && !text.contains(' ') {
        format!("`{text}`")
    } else {
        text.to_owned()
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if first != '[' => first.to_uppercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

fn types_page() -> String {
    let mut out = head("Kinds of values");
    out.push_str("What the tables of arguments and options call a value.\n");
    for (name, text) in words::EXPLAINED {
        let _ = write!(out, "\n## {}\n\n{text}\n", capital(name));
    }
    out
}
