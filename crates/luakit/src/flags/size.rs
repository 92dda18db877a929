//! A size, as `512m` or bytes: what a script's options take, and more than nothing.

/// A size in bytes that is not zero.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let bytes = luakit_script::parse_size(text).map_err(|e| format!("a size {e}"))?;
    match usize::try_from(bytes) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err("it must be more than nothing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_size() {
        assert_eq!(parse("512m"), Ok(512 << 20));
        assert_eq!(parse("1.5 GiB"), Ok(3 << 29));
        assert!(parse("0").is_err());
        assert!(parse("512x").is_err());
        assert!(parse("99999999999999999999g").is_err());
    }
}
