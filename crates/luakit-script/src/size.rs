//! Sizes as Docker writes them: `64m`, `1.5g`, `64MiB`, or a plain number of bytes.
//!
//! One parser for scripts (`bk.tmpfs`, `resources.memory`) and for the command line (`--memory-limit`), so that
//! both read alike. Every unit is a power of 1024, as in go-units' `RAMInBytes`
//! (<https://github.com/docker/go-units/blob/master/size.go>). Unlike there, an exponent is no number.

/// Why a text is no size. The message is the end of a sentence that starts with where the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// It has another form.
    #[error("must be a number of bytes or a size such as \"64m\" or \"1.5g\"")]
    Malformed,
    /// It is more bytes than 63 bits count.
    #[error("is too large")]
    TooLarge,
}

/// The number of bytes that a text means; fractions of a byte are cut off. It is never negative.
pub fn parse_size(text: &str) -> Result<i64, SizeError> {
    let end = text
        .rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')
        .ok_or(SizeError::Malformed)?;
    let (number, suffix) = text.split_at(end + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(SizeError::Malformed);
    }
    let number: f64 = number.parse().map_err(|_| SizeError::Malformed)?;
    let suffix = suffix.to_ascii_lowercase();
    let unit = suffix
        .strip_suffix("ib")
        .or(suffix.strip_suffix('b'))
        .unwrap_or(&suffix);
    let power = match unit {
        "" if suffix != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(SizeError::Malformed),
    };
    let bytes = number * 1024_f64.powi(power);
    if bytes >= 9.0e18 {
        return Err(SizeError::TooLarge);
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "its size was checked; Docker cuts fractions too"
    )]
    Ok(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        let check = |text, bytes| assert_eq!(parse_size(text), Ok(bytes), "{text}");
        check("64", 64);
        check("64m", 64 << 20);
        check("64M", 64 << 20);
        check("64mb", 64 << 20);
        check("64MiB", 64 << 20);
        check("1 g", 1 << 30);
        check("1.5g", 3 << 29);
        check("0", 0);
        check("10b", 10);
        for bad in ["", "m", "-1m", "1x", "1ib", "1mbb", "1e3", "1.2.3", "nan", " "] {
            assert_eq!(parse_size(bad), Err(SizeError::Malformed), "{bad}");
        }
        assert_eq!(parse_size("999999p"), Err(SizeError::TooLarge));
    }
}
