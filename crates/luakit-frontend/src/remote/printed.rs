//! What a script prints, as far as it is passed on: it is kept until the script's end, outside of the script's memory.

/// How many lines are passed on.
const LINES: usize = 200;
/// The longest part of a line, in bytes.
const LINE: usize = 4 << 10;
/// How much all lines may have together, in bytes.
const TOTAL: usize = 256 << 10;

/// The first lines that a script prints.
#[derive(Debug, Default)]
pub(super) struct Printed {
    lines: Vec<String>,
    bytes: usize,
    left_out: usize,
}

impl Printed {
    pub(super) fn add(&mut self, line: &str) {
        let (kept, cut) = line.split_at(end(line));
        let full = self.lines.len() == LINES || self.bytes + kept.len() > TOTAL;
        // What is passed on is the beginning, without holes.
        if full || self.left_out > 0 {
            self.left_out += 1;
            return;
        }
        self.bytes += kept.len();
        self.lines.push(match cut.len() {
            0 => kept.to_owned(),
            more => format!("{kept}... and {more} more bytes"),
        });
    }

    /// The lines, the last of which says how many there are besides.
    pub(super) fn into_lines(mut self) -> Vec<String> {
        match self.left_out {
            0 => {}
            1 => self.lines.push("... and 1 more line".to_owned()),
            more => self.lines.push(format!("... and {more} more lines")),
        }
        self.lines
    }
}

/// Where a line is cut: between characters.
fn end(line: &str) -> usize {
    let most = line.len().min(LINE);
    (0..=most).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<String> {
        let mut printed = Printed::default();
        lines.for_each(|line| printed.add(line));
        printed.into_lines()
    }

    #[test]
    fn lines_are_counted() {
        assert_eq!(lines(["a", ""].into_iter()), ["a", ""]);
        assert_eq!(lines(std::iter::repeat_n("a", LINES)).len(), LINES);
        let one = lines(std::iter::repeat_n("a", LINES + 1));
        assert_eq!(
            (one.len(), one.last().unwrap().as_str()),
            (LINES + 1, "... and 1 more line")
        );
        let more = lines(std::iter::repeat_n("a", LINES + 1000));
        assert_eq!(
            (more.len(), more.last().unwrap().as_str()),
            (LINES + 1, "... and 1000 more lines")
        );
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let whole = "a".repeat(LINE);
        assert_eq!(lines([whole.as_str()].into_iter()), [whole.as_str()]);
        let long = format!("{}äb", "a".repeat(LINE - 1));
        let cut = format!("{}... and 3 more bytes", "a".repeat(LINE - 1));
        assert_eq!(lines([long.as_str()].into_iter()), [cut]);
    }

    #[test]
    fn all_lines_together_have_an_end() {
        let giant = "a".repeat(1 << 20);
        let mut given = vec![giant.as_str(); 100];
        given.push("short");
        let kept = lines(given.into_iter());
        assert_eq!(kept.len(), TOTAL / LINE + 1);
        assert_eq!(kept.last().unwrap(), "... and 37 more lines");
        assert!(kept.iter().map(String::len).sum::<usize>() < TOTAL + 64 * kept.len());
    }
}
