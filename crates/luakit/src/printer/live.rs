//! The part of the terminal that is drawn again and again: lines at its bottom, with the cursor below them.
//!
//! A pure machine: lines and the terminal's size go in, one piece of bytes comes out, to be written at once. The cursor
//! is hidden and shown again within that piece, and the terminal's modes are as before after it: whatever ends the
//! process between two pieces leaves nothing to restore. Lines must fit: see `progress::frame`.

use crossterm::cursor::{Hide, MoveToColumn, MoveUp, Show};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};

/// A terminal's size in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// A line with its colours, and its width in cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Painted {
    pub(crate) text: String,
    pub(crate) width: usize,
}

/// What is drawn at present.
#[derive(Debug, Default)]
pub(crate) struct Live {
    frame: Vec<Painted>,
}

impl Live {
    /// Whether anything is drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.frame.is_empty()
    }

    /// Draws a frame over the one before. Nothing if it is the same.
    pub(crate) fn draw(&mut self, frame: Vec<Painted>, size: Size) -> Option<Vec<u8>> {
        (frame != self.frame).then(|| self.replace(frame, size))
    }

    /// Writes text for good above the frame.
    pub(crate) fn say(&mut self, text: &str, size: Size) -> Vec<u8> {
        let frame = std::mem::take(&mut self.frame);
        let up = height(&frame, size);
        self.write(up, Some(text), frame, size)
    }

    /// Writes a last frame over the one before, for good; it may be as high as it likes.
    pub(crate) fn settle(&mut self, frame: Vec<Painted>, size: Size) -> Vec<u8> {
        let bytes = self.replace(frame, size);
        self.frame.clear();
        bytes
    }

    fn replace(&mut self, frame: Vec<Painted>, size: Size) -> Vec<u8> {
        let up = height(&self.frame, size);
        self.write(up, None, frame, size)
    }

    fn write(&mut self, up: usize, text: Option<&str>, frame: Vec<Painted>, size: Size) -> Vec<u8> {
        let mut out = Vec::new();
        self.frame = frame;
        // Writing to memory does not fail.
        let _infallible = self.queue(&mut out, up, text, size);
        out
    }

    fn queue(&self, out: &mut Vec<u8>, up: usize, text: Option<&str>, size: Size) -> std::io::Result<()> {
        queue!(out, BeginSynchronizedUpdate, Hide, MoveToColumn(0))?;
        move_up(out, up)?;
        if let Some(text) = text {
            // Row by row: to clear all at once from the top is, to tmux, to scroll it all into the history.
            for _ in 0..up {
                queue!(out, Clear(ClearType::CurrentLine))?;
                out.extend_from_slice(b"\r\n");
            }
            queue!(out, Clear(ClearType::CurrentLine))?;
            move_up(out, up)?;
            for line in text.lines() {
                out.extend_from_slice(line.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
        for line in &self.frame {
            // Cleared behind the text, so that what stays the same doesn't flicker; a full line has no behind.
            out.extend_from_slice(line.text.as_bytes());
            if line.width < size.columns {
                queue!(out, Clear(ClearType::UntilNewLine))?;
            }
            out.extend_from_slice(b"\r\n");
        }
        queue!(out, Clear(ClearType::FromCursorDown), Show, EndSynchronizedUpdate)
    }
}

/// To move by no row is to move by one, to a terminal.
fn move_up(out: &mut Vec<u8>, rows: usize) -> std::io::Result<()> {
    match u16::try_from(rows) {
        Ok(rows @ 1..) => queue!(out, MoveUp(rows)),
        _ => Ok(()),
    }
}

/// The rows that a frame covers on a terminal that may have changed its size since: most fold the lines that don't fit
/// any more. What was folded out of the terminal at its top is out of reach.
fn height(frame: &[Painted], size: Size) -> usize {
    let rows = frame.iter().map(|line| line.width.div_ceil(size.columns.max(1)).max(1));
    rows.sum::<usize>().min(size.rows.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 10, rows: 5 };

    fn frame(lines: &[&str]) -> Vec<Painted> {
        let line = |text: &&str| Painted {
            text: (*text).to_owned(),
            width: text.len(),
        };
        lines.iter().map(line).collect()
    }

    fn terminal() -> vt100::Parser {
        let mut terminal = vt100::Parser::new(5, 10, 100);
        terminal.process(b"$ luakit\r\n");
        terminal
    }

    /// What is on the terminal, without the empty lines at its end.
    fn shown(terminal: &vt100::Parser) -> String {
        terminal.screen().contents().trim_end().to_owned()
    }

    #[test]
    fn frames_take_each_others_place() {
        let (mut terminal, mut live) = (terminal(), Live::default());
        terminal.process(&live.draw(frame(&["one", "full width"]), SIZE).unwrap());
        assert_eq!(shown(&terminal), "$ luakit\none\nfull width");
        assert_eq!(live.draw(frame(&["one", "full width"]), SIZE), None);
        terminal.process(b"^C");
        terminal.process(&live.draw(frame(&["o", "full WIDTH", "three"]), SIZE).unwrap());
        assert_eq!(shown(&terminal), "$ luakit\no\nfull WIDTH\nthree");
        terminal.process(&live.draw(frame(&["x"]), SIZE).unwrap());
        assert_eq!(shown(&terminal), "$ luakit\nx");
        assert_eq!(terminal.screen().cursor_position(), (2, 0));
        assert!(!terminal.screen().hide_cursor());
    }

    #[test]
    fn what_is_said_stays_above() {
        let (mut terminal, mut live) = (terminal(), Live::default());
        terminal.process(&live.draw(frame(&["one", "two"]), SIZE).unwrap());
        terminal.process(&live.say("long line that folds", SIZE));
        assert_eq!(shown(&terminal), "long line that folds\none\ntwo");
        terminal.process(&live.draw(frame(&["three"]), SIZE).unwrap());
        assert!(shown(&terminal).ends_with(" folds\nthree"), "{}", shown(&terminal));
    }

    #[test]
    fn a_last_frame_may_be_higher_than_the_terminal() {
        let (mut terminal, mut live) = (terminal(), Live::default());
        terminal.process(&live.draw(frame(&["one"]), SIZE).unwrap());
        terminal.process(&live.settle(frame(&["1", "2", "3", "4", "5", "6"]), SIZE));
        assert!(live.is_empty());
        terminal.process(b"$ ");
        assert_eq!(shown(&terminal), "3\n4\n5\n6\n$");
        terminal.screen_mut().set_scrollback(3);
        assert!(terminal.screen().contents().starts_with("$ luakit\n1\n2\n"));
    }

    #[test]
    fn a_narrower_terminal_has_folded_the_lines() {
        let narrow = Size { columns: 4, rows: 5 };
        assert_eq!(height(&frame(&["12345678", "1234", ""]), narrow), 4);
        assert_eq!(height(&frame(&["1", "2", "3", "4", "5", "6", "7"]), narrow), 4);
    }
}
