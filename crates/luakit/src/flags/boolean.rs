//! Yes and no, in the words of Go's `strconv.ParseBool`, which BuildKit's and Docker's clients read.

/// What a word means, if it means either.
pub(crate) fn parse(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
