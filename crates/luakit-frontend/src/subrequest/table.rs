//! Columns of text, with spaces between them, as buildx aligns them.

use luakit_diagnostic::acts_on_text;

/// Rows of cells.
pub(super) struct Table<const N: usize> {
    padding: usize,
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table of one row, with this many spaces after a column.
    pub(super) fn new(padding: usize, first: [&str; N]) -> Self {
        let mut table = Self {
            padding,
            rows: Vec::new(),
        };
        table.row(first);
        table
    }

    /// Adds a row. What would break its line, or act on a terminal, is a space.
    pub(super) fn row(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(|cell| cell.replace(acts_on_text, " ")));
    }

    /// The rows, a line each. The last cell is not filled up.
    pub(super) fn to_text(&self) -> String {
        let width = |cell: &String| cell.chars().count();
        let mut widths = [0; N];
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = width(cell).max(*widest);
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            for (at, (cell, widest)) in row.iter().zip(widths).enumerate() {
                text.push_str(cell);
                if at + 1 < N {
                    text.extend(std::iter::repeat_n(' ', widest - width(cell) + self.padding));
                }
            }
            text.push('\n');
        }
        text
    }
}
