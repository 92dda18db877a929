//! Every kind of error that a call can be refused with: what it says, and what it advises.

mod calls;
mod dockerfile;
mod exports;
mod runs;
mod sources;
mod values;

use super::input;
use crate::error::ScriptError;
use crate::evaluate;

/// The error of each line, run alone.
fn errors(calls: &str) -> String {
    let mut told = Vec::new();
    for call in calls.trim().lines() {
        let value = if call.starts_with('(') {
            format!(";{call}")
        } else {
            format!("local _ = {call}")
        };
        // Statements after a first expression stay as they are.
        let line = if call.contains("; bk.") { call.to_owned() } else { value };
        let mut input = input(&format!("local s, i = bk.scratch(), bk.image('alpine')\n{line}"));
        input.args.insert("GIVEN".to_owned(), "tow".to_owned());
        let Err(failure) = evaluate(input) else {
            panic!("no error: {call}");
        };
        let diagnostic = &failure.diagnostic;
        assert!(!matches!(failure.error, ScriptError::NoExport), "no error: {call}");
        told.push(format!("{call}\n    {}: {}", diagnostic.code, diagnostic.message));
        told.extend(diagnostic.notes.iter().map(|note| format!("    note: {note}")));
        told.extend(diagnostic.hint.iter().map(|hint| format!("    hint: {hint}")));
    }
    told.join("\n")
}
