//! `NAME=VALUE`, or `NAME` alone.

/// A build argument's name, and its value unless that is the environment's.
pub(crate) fn parse(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    if name.is_empty() {
        return Err("an argument has a name: NAME=VALUE".to_owned());
    }
    Ok((name.to_owned(), value))
}
