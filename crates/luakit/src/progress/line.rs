//! One line of a display, and how its parts find room in a terminal's width.

use super::clean::{cut, width};
use super::palette::{Paint, Palette};
use crate::printer::Painted;

/// The narrowest terminal with timers.
const TIMERS: usize = 16;

/// Text in one or more paints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Paint, String)>);

impl Line {
    /// A line of one paint, cut to the width.
    pub(crate) fn new(paint: Paint, text: &str, columns: usize) -> Self {
        Self(vec![(paint, cut(text, columns).0.to_owned())])
    }

    /// A line with a name at its left and a time at its right, and between them as much of `extras` as there is room
    /// for when the name keeps `keep` cells, the first ones first. They stand in the reverse order, so that what is
    /// always there is at the right.
    pub(crate) fn row(
        paint: Paint,
        (name, keep): (&str, usize),
        extras: &[(Paint, String)],
        time: &str,
        columns: usize,
    ) -> Self {
        let time = if columns < TIMERS { "" } else { time };
        let mut room = columns;
        if !time.is_empty() {
            room = room.saturating_sub(width(time) + 1);
        }
        let keep = width(name).min(keep);
        let mut fitting = Vec::new();
        for (paint, text) in extras {
            let cells = width(text) + 1;
            if cells > 1 && keep + cells <= room {
                room -= cells;
                fitting.push((*paint, text.as_str()));
            }
        }
        let (text, cells) = cut(name, room);
        let mut line = vec![(paint, text.to_owned())];
        if fitting.is_empty() && time.is_empty() {
            return Self(line);
        }
        line.push((Paint::Plain, " ".repeat(room - cells)));
        for (paint, text) in fitting.into_iter().rev() {
            line.push((Paint::Plain, " ".to_owned()));
            line.push((paint, text.to_owned()));
        }
        if !time.is_empty() {
            line.push((paint, format!(" {time}")));
        }
        Self(line)
    }

    /// Its text alone.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// With its colours, if there is a palette.
    pub(crate) fn painted(&self, palette: Option<&Palette>) -> Painted {
        let part = |(paint, text): &(Paint, String)| match palette {
            Some(palette) => palette.paint(*paint, text),
            None => text.clone(),
        };
        Painted {
            text: self.0.iter().map(part).collect(),
            width: self.0.iter().map(|(_, text)| width(text)).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_less_gives_way() {
        let extras = [
            (Paint::Plain, "1.5MB / 3.0MB".to_owned()),
            (Paint::Dim, "build.lua:12".to_owned()),
        ];
        let row = |columns| {
            let name = " => the name of a step, which is long";
            let line = Line::row(Paint::Plain, (name, 24), &extras, "3.1s", columns).text();
            assert!(width(&line) <= columns, "{line}");
            format!("{columns:2}|{line}|")
        };
        let rows: Vec<String> = [80, 60, 50, 30, 20, 15, 1].into_iter().map(row).collect();
        insta::assert_snapshot!(rows.join("\n"), @"
        80| => the name of a step, which is long            build.lua:12 1.5MB / 3.0MB 3.1s|
        60| => the name of a step, whic build.lua:12 1.5MB / 3.0MB 3.1s|
        50| => the name of a step, which i 1.5MB / 3.0MB 3.1s|
        30| => the name of a step, w 3.1s|
        20| => the name of 3.1s|
        15| => the name of|
         1| |
        ");
    }
}
