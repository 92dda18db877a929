//! A size, as `512m` or bytes.

/// A size in bytes that is not zero, in Docker's units: `k` is 1024.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is no size: it must be like `512m`, `1g` or a number of bytes");
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(wrong()),
    };
    let number: usize = number.parse().map_err(|_| wrong())?;
    match number.checked_mul(1 << shift) {
        Some(size) if size > 0 => Ok(size),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_docker() {
        assert_eq!(parse("512m"), Ok(512 << 20));
        assert_eq!(parse("1048576"), Ok(1 << 20));
        assert!(parse("0").is_err());
        assert!(parse("99999999999999999999g").is_err());
    }
}
