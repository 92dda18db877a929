//! `docs/reference/cli.md`, from clap's definitions.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::reference::{Page, head};
use super::words::{cell, code_cell};

/// The page of the command line.
pub(super) fn page(mut command: Command) -> Page {
    // Fills in what clap adds itself, and what is global.
    command.build();
    let mut text = head("The command line");
    let _ = writeln!(text, "{}", sentence(&about(&command)));
    let _ = write!(text, "\n```text\n{}\n```\n", usage(&mut command));
    text.push_str("\nEvery command takes these:\n");
    let globals: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| arg.is_global_set() && !arg.is_hide_set())
        .collect();
    option_table(&mut text, &globals);
    for sub in command
        .get_subcommands_mut()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        section(&mut text, sub);
    }
    Page {
        name: "cli",
        summary: "Every command and flag.",
        text,
    }
}

fn section(text: &mut String, command: &mut Command) {
    let _ = write!(
        text,
        "\n## `luakit {}`\n\n{}\n",
        command.get_name(),
        sentence(&about(command))
    );
    let _ = write!(text, "\n```text\n{}\n```\n", usage(command));
    let own = || {
        command
            .get_arguments()
            .filter(|arg| !arg.is_hide_set() && !arg.is_global_set())
    };
    let positional: Vec<&Arg> = own().filter(|arg| arg.is_positional()).collect();
    if !positional.is_empty() {
        text.push_str("\n| argument | |\n| --- | --- |\n");
        for arg in positional {
            let _ = writeln!(text, "| {} | {} |", code_cell(&value(arg)), cell(&words(arg)));
        }
    }
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in own().filter(|arg| !arg.is_positional()) {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    for heading in headings {
        if let Some(heading) = heading {
            let _ = write!(text, "\n{heading}:\n");
        }
        let flags = own().filter(|arg| !arg.is_positional() && arg.get_help_heading() == heading);
        let flags: Vec<&Arg> = flags
            .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
            .collect();
        option_table(text, &flags);
    }
}

fn option_table(text: &mut String, flags: &[&Arg]) {
    if flags.is_empty() {
        return;
    }
    text.push_str("\n| flag | |\n| --- | --- |\n");
    for arg in flags {
        let _ = writeln!(text, "| {} | {} |", names(arg), cell(&words(arg)));
    }
}

/// `-o FILE`, `--output FILE`: each spelling, with the value behind the last.
fn names(arg: &Arg) -> String {
    let mut names: Vec<String> = arg.get_short().map(|short| format!("-{short}")).into_iter().collect();
    names.extend(arg.get_long().map(|long| format!("--{long}")));
    names.extend(
        arg.get_visible_aliases()
            .unwrap_or_default()
            .into_iter()
            .map(|alias| format!("--{alias}")),
    );
    if arg.get_action().takes_values()
        && let Some(last) = names.last_mut()
    {
        let _ = write!(last, " {}", value(arg));
    }
    let names: Vec<String> = names.iter().map(|name| code_cell(name)).collect();
    names.join(", ")
}

fn value(arg: &Arg) -> String {
    let names: Vec<String> = arg
        .get_value_names()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    let name = if names.is_empty() {
        arg.get_id().as_str().to_uppercase()
    } else {
        names.join(" ")
    };
    if arg.is_positional() && !arg.is_required_set() {
        format!("[{name}]")
    } else {
        name
    }
}

fn words(arg: &Arg) -> String {
    let help = arg
        .get_long_help()
        .or_else(|| arg.get_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    // What clap can't know as a default is written into the help in its form.
    let (help, told) = match help.rsplit_once(" [default: ") {
        Some((help, default)) => (help.to_owned(), Some(default.trim_end_matches(']').to_owned())),
        None => (help, None),
    };
    let mut out = sentence(&help);
    let possible = arg.get_possible_values();
    let possible: Vec<String> = possible
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !possible.is_empty() && arg.get_action().takes_values() {
        let _ = write!(out, " One of {}.", possible.join(", "));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let default =
        told.or_else(|| (!defaults.is_empty() && !arg.is_hide_default_value_set()).then(|| defaults.join(", ")));
    if let Some(default) = default.filter(|_| arg.get_action().takes_values()) {
        let _ = write!(out, " Default: {default}.");
    }
    if matches!(arg.get_action(), clap::ArgAction::Append) && !arg.is_positional() {
        out.push_str(" May be repeated.");
    }
    out
}

fn about(command: &Command) -> String {
    command
        .get_long_about()
        .or_else(|| command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn usage(command: &mut Command) -> String {
    let usage = command.render_usage().to_string();
    usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned()
}

/// Paragraphs in one, each ending as a sentence does: clap takes the period off the first.
fn sentence(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = if words.is_empty() || words.ends_with(['.', ':', '!', '?']) {
            ""
        } else {
            "."
        };
        format!("{words}{end}")
    });
    paragraphs.collect::<Vec<_>>().join(" ")
}
