//! The last lines of what a step wrote, bounded: a progress bar without line ends must not fill memory.

use std::collections::VecDeque;

/// Lines kept of each step.
pub(super) const KEPT: usize = 100;

/// The longest line kept whole, in bytes.
const LONGEST: usize = 4 << 10;

#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    /// A line that has not ended.
    open: Vec<u8>,
}

impl Tail {
    pub(super) fn write(&mut self, data: &[u8]) {
        let mut lines = data.split(|byte| *byte == b'\n');
        let Some(first) = lines.next() else { return };
        self.extend(first);
        for line in lines {
            let ended = std::mem::take(&mut self.open);
            if self.lines.len() == KEPT {
                self.lines.pop_front();
            }
            self.lines.push_back(text(&ended));
            self.extend(line);
        }
    }

    /// All lines that are kept, the open one included.
    pub(super) fn lines(&self) -> Vec<String> {
        self.last(KEPT + 1)
    }

    /// The last `count` lines, the open one included.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let open = (!self.open.is_empty()).then(|| text(&self.open));
        let whole = self.lines.iter().rev().cloned();
        let mut lines: Vec<String> = open.into_iter().chain(whole).take(count).collect();
        lines.reverse();
        lines
    }

    fn extend(&mut self, data: &[u8]) {
        // A terminal writes over a line after a carriage return, so only what follows the last one is worth keeping.
        let data = if let Some(at) = without_returns(data).iter().rposition(|byte| *byte == b'\r') {
            self.open.clear();
            data.get(at + 1..).unwrap_or_default()
        } else {
            if self.open.last() == Some(&b'\r') && !without_returns(data).is_empty() {
                self.open.clear();
            }
            data
        };
        let room = LONGEST.saturating_sub(self.open.len());
        self.open.extend_from_slice(data.get(..room).unwrap_or(data));
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(without_returns(line)).into_owned()
}

/// A piece of a line without the carriage returns that it ends in.
fn without_returns(piece: &[u8]) -> &[u8] {
    let length = piece.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    piece.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(writes: &[&str], lines: &[&str]) {
        let mut tail = Tail::default();
        for data in writes {
            tail.write(data.as_bytes());
        }
        assert_eq!(tail.lines(), lines, "{writes:?}");
    }

    #[test]
    fn lines_end_where_they_say() {
        check(&["one\ntw", "o\r\nthree"], &["one", "two", "three"]);
        check(&["one\r", "\ntwo"], &["one", "two"]);
        check(&["one\r\r\n\n"], &["one", ""]);
    }

    #[test]
    fn a_carriage_return_writes_over_the_line() {
        check(&["10%\r20%\r", "30%"], &["30%"]);
        check(&["10%\r20%\r\ndone\n"], &["20%", "done"]);
    }

    #[test]
    fn the_last_lines_are_kept() {
        let mut tail = Tail::default();
        for n in 0..KEPT * 2 {
            tail.write(format!("{n}\n").as_bytes());
        }
        tail.write(b"open");
        assert_eq!(tail.lines().len(), KEPT + 1);
        assert_eq!(tail.last(2), ["199", "open"]);
    }
}
