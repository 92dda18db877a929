//! The forms of values that the command line's flags and a frontend's options have in common, which are Docker's.

pub mod csv;
pub mod ulimit;

/// As Go's `ParseBool` reads it.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
