//! What a build wants beyond the usual, asked for where somebody sits at a terminal.

use std::io::{BufRead as _, IsTerminal as _};

use crate::printer::Printer;

/// Asks for the entitlements that are needed and not given, all at once, and adds them if the answer is yes.
/// Without a terminal nobody is asked; what is missing then, or refused, the build says at its place.
pub(crate) fn ask(needed: impl IntoIterator<Item = String>, given: &mut Vec<String>, printer: &Printer) {
    let missing: Vec<String> = needed
        .into_iter()
        .filter(|entitlement| !given.contains(entitlement))
        .collect();
    if missing.is_empty() || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return;
    }
    for line in question(&missing) {
        printer.line(&line);
    }
    let mut answer = String::new();
    if std::io::stdin().lock().read_line(&mut answer).is_ok() && is_yes(&answer) {
        given.extend(missing);
    }
}

fn question(missing: &[String]) -> Vec<String> {
    let mut lines = vec!["the build asks for more than builds may:".to_owned()];
    for entitlement in missing {
        let what = match entitlement.as_str() {
            "network.host" => "steps use the network of the engine's machine",
            "security.insecure" => "steps run with all privileges on the engine's machine",
            _ => "steps use this device of the engine's machine",
        };
        lines.push(format!("  {entitlement}: {what}"));
    }
    let flags: Vec<String> = missing
        .iter()
        .map(|entitlement| format!("--allow {entitlement}"))
        .collect();
    lines.push(format!("allow it this time? [y/N] (`{}` doesn't ask)", flags.join(" ")));
    lines
}

/// Anything else is no.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_for_all() {
        insta::assert_snapshot!(question(&["network.host", "security.insecure", "device=nvidia.com/gpu=all"].map(str::to_owned)).join("\n"), @"
        the build asks for more than builds may:
          network.host: steps use the network of the engine's machine
          security.insecure: steps run with all privileges on the engine's machine
          device=nvidia.com/gpu=all: steps use this device of the engine's machine
        allow it this time? [y/N] (`--allow network.host --allow security.insecure --allow device=nvidia.com/gpu=all` doesn't ask)
        ");
    }

    #[test]
    fn only_yes_is_yes() {
        assert!(is_yes("y\n") && is_yes(" YES "));
        assert!(!is_yes("\n") && !is_yes("yy") && !is_yes("n"));
    }
}
