//! Percent-encoding, undone as Go's `net/url` undoes it where it doesn't fail: what is no escape stays as it is.

/// What a `+` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plus {
    /// Itself, as in a path.
    Plus,
    /// A blank, as in a query.
    Blank,
}

/// The bytes that a text stands for.
pub fn decode(text: &str, plus: Plus) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'+', _) if plus == Plus::Blank => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match escaped(*high, *low) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = after;
                }
                None => bytes.push(b'%'),
            },
            _ => bytes.push(first),
        }
    }
    bytes
}

fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_the_rest_stays() {
        let check = |text: &str, plus: Plus, expect: &[u8]| assert_eq!(decode(text, plus), expect, "{text}");
        check("a%20b+c", Plus::Plus, b"a b+c");
        check("a%20b+c%2b", Plus::Blank, b"a b c+");
        check("100%", Plus::Plus, b"100%");
        check("%4", Plus::Plus, b"%4");
        check("%zz%4A%+1", Plus::Plus, b"%zzJ%+1");
        check("%ff", Plus::Plus, b"\xff");
    }
}
