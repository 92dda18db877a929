//! `--label`: a name and a value in an image's config. Without a value it is empty, as with docker.

/// Reads `KEY[=VALUE]`.
pub(crate) fn parse(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err("a label has a name: `KEY=VALUE`".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}
