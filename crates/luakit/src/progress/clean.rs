//! Text from elsewhere, made safe for a terminal: nothing in it moves the cursor, sets a colour or a title, or has a
//! width that terminals don't agree on.

use unicode_width::UnicodeWidthChar as _;

/// The cells between tab stops.
const TAB: usize = 8;

/// A line of output, as a terminal would show it: without escapes, tabs as spaces, and what a carriage return wrote
/// over gone.
pub(crate) fn output(line: &str) -> String {
    let line = anstream::adapter::strip_str(line).to_string();
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut clean = String::new();
    let mut cells = 0;
    for c in line.chars() {
        if c == '\t' {
            let spaces = TAB - cells % TAB;
            clean.extend(std::iter::repeat_n(' ', spaces));
            cells += spaces;
        } else if let Some(c) = shown(c) {
            clean.push(c);
            cells += cells_of(c);
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// A name, on one line, with digests cut to what tells them apart.
pub(crate) fn name(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    let words = text
        .split(|c: char| c.is_control() || c == ' ')
        .filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(short_digest).collect();
    words.join(" ").chars().filter_map(shown).collect()
}

/// The cells that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(cells_of).sum()
}

/// The start of a text that fits, and its width.
pub(crate) fn cut(text: &str, cells: usize) -> (&str, usize) {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        let more = cells_of(c);
        if taken + more > cells {
            return (text.get(..at).unwrap_or_default(), taken);
        }
        taken += more;
    }
    (text, taken)
}

/// A character's cells, each for itself: terminals don't agree on what several make together.
fn cells_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// A character as it may be shown. What does something to others is left out.
fn shown(c: char) -> Option<char> {
    (!luakit_diagnostic::acts_on_text(c)).then_some(c)
}

/// A word in which `sha256:` and 64 digits are cut to 12.
fn short_digest(word: &str) -> String {
    const MARK: &str = "sha256:";
    let Some(at) = word.find(MARK) else {
        return word.to_owned();
    };
    let (before, digest) = word.split_at(at + MARK.len());
    let digits = digest.bytes().take_while(u8::is_ascii_hexdigit).count();
    match (digits, digest.get(..12), digest.get(digits..)) {
        (64, Some(short), Some(rest)) => format!("{before}{short}{rest}"),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_what_a_terminal_shows() {
        let cases = [
            ("\u{1b}[1;31mred\u{1b}[0m text\u{1b}[2K\u{1b}[5A", "red text"),
            ("\u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\link", "xlink"),
            ("10%\r20%\r", "20%"),
            ("a\tb\u{8}\u{7f}\u{9b}c", "a       bc"),
            ("日本\tx", "日本    x"),
            ("e\u{301}\u{200d}\u{202e}\u{fe0f}f", "e\u{301}f"),
            ("cut escape \u{1b}[3", "cut escape"),
        ];
        for (raw, clean) in cases {
            assert_eq!(output(raw), clean, "{raw:?}");
        }
    }

    #[test]
    fn names_are_short_and_on_one_line() {
        let digest = "0123456789abcdef".repeat(4);
        let cases = [
            ("/bin/sh -c set -e\n\tmake\r\n".to_owned(), "/bin/sh -c set -e make"),
            (
                format!("docker-image://a:1@sha256:{digest}"),
                "docker-image://a:1@sha256:0123456789ab",
            ),
            (
                format!("extracting sha256:{digest} now"),
                "extracting sha256:0123456789ab now",
            ),
            ("sha256:short".to_owned(), "sha256:short"),
        ];
        for (raw, clean) in cases {
            assert_eq!(name(&raw), clean, "{raw:?}");
        }
    }

    #[test]
    fn cutting_counts_cells() {
        assert_eq!(cut("日本語", 5), ("日本", 4));
        assert_eq!(cut("abc", 5), ("abc", 3));
        assert_eq!(cut("日", 1), ("", 0));
    }
}
