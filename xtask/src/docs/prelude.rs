//! The prelude's stub and its page of the reference.

use std::fmt::Write as _;

use super::luacats::{Class, Function, Item, Module, Slot};
use super::reference::{Page, head};
use super::{stubs, words};

/// `types/prelude.lua`.
pub(super) fn stub(library: &Module) -> String {
    let mut out = format!("---@meta prelude\n\n{}\n\nlocal prelude = {{}}\n", stubs::STAMP);
    for item in library.chapters.iter().flat_map(|chapter| &chapter.items) {
        out.push('\n');
        match item {
            Item::Class(class) => class_stub(&mut out, class),
            Item::Function(function) => function_stub(&mut out, function),
        }
    }
    out.push_str("\nreturn prelude\n");
    out
}

fn class_stub(out: &mut String, class: &Class) {
    let parent = class
        .parent
        .as_ref()
        .map_or_else(String::new, |parent| format!(": {parent}"));
    let _ = writeln!(out, "---@class (exact) {}{parent}", class.name);
    for field in &class.fields {
        let _ = writeln!(out, "---@field {}", tag(field));
    }
}

fn function_stub(out: &mut String, function: &Function) {
    for line in &function.doc {
        let _ = writeln!(out, "---{line}");
    }
    if !function.example.is_empty() {
        let _ = writeln!(out, "---\n---```lua\n---{}\n---```", function.example.join("\n---"));
    }
    for param in &function.params {
        let _ = writeln!(out, "---@param {}", tag(param));
    }
    for result in &function.returns {
        let _ = writeln!(out, "---@return {} {} {}", result.ty, result.name, result.doc);
    }
    let _ = writeln!(out, "function prelude.{}({}) end", function.name, names(function));
}

fn tag(slot: &Slot) -> String {
    let mark = if slot.optional { "?" } else { "" };
    let text = format!("{}{mark} {} {}", slot.name, slot.ty, slot.doc);
    text.trim_end().to_owned()
}

fn names(function: &Function) -> String {
    let names: Vec<&str> = function.params.iter().map(|param| param.name.as_str()).collect();
    names.join(", ")
}

/// `docs/reference/prelude.md`.
pub(super) fn page(library: &Module) -> Page {
    let mut out = head("The prelude");
    out.push_str(
        "`require(\"prelude\")` gives a table of functions for builds that recur. They are written in Lua on the `bk` \
         API, and are part of Luakit: no file is needed. Arguments and options are checked as strictly as `bk`'s own, and \
         an error points at the line of the script that made the call. A module of that name beside the script, or in \
         the context, comes first.\n\n```lua\nlocal prelude = require(\"prelude\")\n```\n",
    );
    for chapter in &library.chapters {
        let _ = write!(out, "\n## {}\n", chapter.title);
        for item in &chapter.items {
            if let Item::Function(function) = item {
                function_section(&mut out, library, function);
            }
        }
    }
    Page {
        name: "prelude",
        summary: "`require(\"prelude\")`: base images, packages, users, and whole builds for Go, Node.js and Python.",
        text: out,
    }
}

fn function_section(out: &mut String, library: &Module, function: &Function) {
    let _ = write!(out, "\n### `prelude.{}({})`\n\n", function.name, names(function));
    let _ = writeln!(out, "{}", function.doc.join("\n"));
    let mut classes = Vec::new();
    if !function.params.is_empty() {
        out.push_str("\n| argument | type | |\n| --- | --- | --- |\n");
        for param in &function.params {
            let class = library
                .class(&param.ty)
                .or_else(|| library.class(param.ty.trim_end_matches("[]")));
            let ty = class.map_or_else(|| words::code_cell(&param.ty), |_| words::code_cell("table"));
            let doc = match class {
                Some(_) if param.doc.is_empty() => "Options, see below.",
                _ => &param.doc,
            };
            let optional = if param.optional { ", optional" } else { "" };
            let _ = writeln!(out, "| `{}` | {ty}{optional} | {} |", param.name, words::cell(doc));
            classes.extend(class);
        }
    }
    for class in classes {
        let parts = class.fields.iter().any(|field| !field.optional);
        let title = if parts { "key" } else { "option" };
        let _ = write!(out, "\n| {title} | type | default | |\n| --- | --- | --- | --- |\n");
        for field in library.fields(class) {
            let (doc, default) = split_default(&field.doc);
            let default = if field.optional { default } else { "required" };
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                field.name,
                words::code_cell(&field.ty),
                words::cell(default),
                words::cell(&doc)
            );
        }
    }
    for result in &function.returns {
        let _ = write!(
            out,
            "\nReturns `{}`, {}: {}\n",
            result.name,
            words::returned(&result.ty),
            result.doc
        );
    }
    if !function.example.is_empty() {
        let _ = write!(out, "\n```lua\n{}\n```\n", function.example.join("\n"));
    }
}

/// `Words (default: X).` as the words and the default.
fn split_default(doc: &str) -> (String, &str) {
    let Some((text, rest)) = doc.rsplit_once(" (default: ") else {
        return (doc.to_owned(), "");
    };
    match rest.rsplit_once(')') {
        Some((default, end)) => (format!("{text}{end}"), default),
        None => (doc.to_owned(), ""),
    }
}
