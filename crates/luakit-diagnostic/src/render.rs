//! How a diagnostic looks: `rustc`'s excerpt, then notes, the traceback and the hint as plain lines.
//!
//! Whatever a script's text holds is safe to show: bytes that are no UTF-8, control characters, tabs, and
//! lines of a megabyte.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::{AnsiColor, Effects, Style};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::diagnostic::{Diagnostic, Severity, TraceFrame};
use crate::source::Span;

/// Columns before a long line is cut.
const WIDTH: usize = 120;
/// Characters of a long line that are shown before what is underlined.
const LEAD: usize = 30;
/// Frames of a long traceback that are shown: the innermost, and the outermost.
const INNERMOST: usize = 10;
const OUTERMOST: usize = 5;

/// Whether the text carries terminal escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Plain,
    /// ANSI escapes.
    Ansi,
}

/// The diagnostic as text that ends in a line end.
pub fn render(diagnostic: &Diagnostic, colour: Colour) -> String {
    let renderer = match colour {
        Colour::Plain => Renderer::plain(),
        Colour::Ansi => Renderer::styled().hyperlink(false),
    };
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(printable(&diagnostic.message)).id(diagnostic.code);
    let excerpts: Vec<Excerpt> = places(diagnostic)
        .enumerate()
        .map(|(index, (span, kind, label))| Excerpt::new(index, span, kind, label))
        .collect();
    let mut group = Group::with_title(title);
    for excerpt in &excerpts {
        group = excerpt.add_to(group);
    }
    let mut out = renderer.term_width(WIDTH + 20).render(&[group]);
    for excerpt in &excerpts {
        excerpt.write_place(&mut out);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');

    write_lines(&mut out, diagnostic, colour);
    out
}

/// The diagnostic as plain text without the lines of the script: for who shows them in a form of their own.
pub fn render_without_source(diagnostic: &Diagnostic) -> String {
    let mut out = printable(&diagnostic.message);
    out.push('\n');
    for label in &diagnostic.labels {
        let (file, line) = (printable(&label.span.file.name), label.span.line);
        let _ = writeln!(out, "{file}:{line}: {}", printable(&label.text));
    }
    write_lines(&mut out, diagnostic, Colour::Plain);
    out.truncate(out.trim_end().len());
    out
}

/// What follows the excerpts.
fn write_lines(out: &mut String, diagnostic: &Diagnostic, colour: Colour) {
    let paint = Paint { colour };
    for note in &diagnostic.notes {
        paint.line(out, "note", AnsiColor::BrightGreen, note);
    }
    if !diagnostic.traceback.is_empty() {
        paint.traceback(out, &diagnostic.traceback);
    }
    if let Some(hint) = &diagnostic.hint {
        paint.line(out, "hint", AnsiColor::BrightCyan, hint);
    }
}

/// The main place, then the others.
fn places(diagnostic: &Diagnostic) -> impl Iterator<Item = (&Span, AnnotationKind, Option<&str>)> {
    let main = diagnostic.span.iter();
    let main = main.map(|span| (span, AnnotationKind::Primary, diagnostic.label.as_deref()));
    let others = diagnostic.labels.iter();
    main.chain(others.map(|label| (&label.span, AnnotationKind::Context, Some(label.text.as_str()))))
}

/// A line of source, fit to be shown.
struct Excerpt {
    /// Stands for the place until all is rendered.
    marker: String,
    path: String,
    line: usize,
    column: Option<usize>,
    /// The line, or the part of it around what is underlined.
    text: String,
    /// What is underlined, in bytes of `text`.
    underlined: Range<usize>,
    kind: AnnotationKind,
    label: Option<String>,
}

impl Excerpt {
    fn new(index: usize, span: &Span, kind: AnnotationKind, label: Option<&str>) -> Self {
        let line = String::from_utf8_lossy(span.file.line(span.line).unwrap_or_default());
        let length = line.chars().count();
        let underlined = if let Some(columns) = &span.columns {
            let index = |column: u32| usize::try_from(column.saturating_sub(1)).unwrap_or(length).min(length);
            let start = index(columns.start);
            start..index(columns.end).max(start)
        } else {
            // Only the line is known, so all that is written on it.
            let indent = length - line.trim_start().chars().count();
            indent..line.trim_end().chars().count().max(indent)
        };
        let from = if length <= WIDTH {
            0
        } else {
            underlined.start.saturating_sub(LEAD)
        };
        let mut text = String::new();
        if from > 0 {
            text.push_str("...");
        }
        let mut bytes = text.len()..text.len();
        for (index, c) in line.chars().enumerate().skip(from).take(WIDTH) {
            if index == underlined.start {
                bytes.start = text.len();
            }
            text.push(visible(c));
            if index < underlined.end {
                bytes.end = text.len();
            }
        }
        if underlined.start >= length.min(from + WIDTH) {
            bytes = text.len()..text.len();
        }
        if from + WIDTH < length {
            text.push_str("...");
        }
        Self {
            marker: format!("\u{e000}{index}\u{e001}"),
            path: printable(&span.file.name).replace('\n', " "),
            line: usize::try_from(span.line).unwrap_or(usize::MAX),
            column: span.columns.as_ref().and_then(|c| usize::try_from(c.start).ok()),
            underlined: bytes.start..bytes.end.max(bytes.start),
            text,
            kind,
            label: label.map(printable),
        }
    }

    fn add_to<'a>(&'a self, group: Group<'a>) -> Group<'a> {
        let annotation = self.kind.span(self.underlined.clone()).label(self.label.as_deref());
        let snippet = Snippet::source(self.text.as_str()).path(self.marker.as_str());
        group.element(snippet.line_start(self.line).annotation(annotation))
    }

    /// The renderer counts the column in the text that it sees, which may be cut, and tells one even
    /// where only the line is known. So the place is written here: over the marker, and the line and
    /// column behind it.
    fn write_place(&self, out: &mut String) {
        let Some(start) = out.find(&self.marker) else { return };
        let place = start + self.marker.len();
        let behind = out.get(place..).unwrap_or_default();
        let end = place
            + behind
                .find(|c: char| c != ':' && !c.is_ascii_digit())
                .unwrap_or(behind.len());
        let column = self.column.map(|column| format!(":{column}")).unwrap_or_default();
        out.replace_range(start..end, &format!("{}:{}{column}", self.path, self.line));
    }
}

/// Whether a character does something to the text around it when a terminal shows it: moves the cursor, starts an
/// escape, joins others or picks their form, or turns the direction of text around.
pub fn acts_on_text(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// A character as it is safe to print. A tab is one space, so that columns stay what they are.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(' '),
        '\u{7f}' => '\u{2421}',
        // The renderer's own marks are private.
        '\u{e000}'..='\u{f8ff}' => char::REPLACEMENT_CHARACTER,
        c if acts_on_text(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// A text as it is safe to print; its line ends stay.
fn printable(text: &str) -> String {
    text.trim_end()
        .chars()
        .map(|c| if c == '\n' { c } else { visible(c) })
        .collect()
}

struct Paint {
    colour: Colour,
}

impl Paint {
    fn word(&self, word: &str, colour: AnsiColor) -> String {
        match self.colour {
            Colour::Plain => word.to_owned(),
            Colour::Ansi => {
                let style: Style = colour.on_default().effects(Effects::BOLD);
                format!("{style}{word}{style:#}")
            }
        }
    }

    fn line(&self, out: &mut String, word: &str, colour: AnsiColor, text: &str) {
        let indent = format!("\n{}", " ".repeat(word.len() + 2));
        let text = printable(text).replace('\n', &indent);
        let _ = writeln!(out, "{}: {text}", self.word(word, colour));
    }

    fn traceback(&self, out: &mut String, frames: &[TraceFrame]) {
        let _ = writeln!(out, "{}:", self.word("traceback", AnsiColor::BrightBlue));
        let left_out = frames.len().saturating_sub(INNERMOST + OUTERMOST);
        for (index, frame) in frames.iter().enumerate() {
            if left_out > 1 && (INNERMOST..INNERMOST + left_out).contains(&index) {
                if index == INNERMOST {
                    let _ = writeln!(out, "  ... {left_out} more");
                }
                continue;
            }
            let _ = write!(out, "  {}:{}", printable(&frame.file), frame.line);
            if let Some(function) = &frame.function {
                let _ = write!(out, " in `{}`", printable(function));
            }
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Colour, render};
    use crate::{Diagnostic, Label, SourceFile, Span, TraceFrame};

    fn unknown_option() -> Diagnostic {
        let text = "-- build\n\nlocal base = bk.image(\"alpine:3.20\", { plattform = \"linux/arm64\" })\n";
        let file = SourceFile::new("build.lua", text.as_bytes());
        Diagnostic::error("unknown-option", "unknown option `plattform` for `bk.image`")
            .with_span(Span::columns(file, 3, 40..49))
            .with_hint("did you mean `platform`?")
    }

    #[test]
    fn looks_as_the_house_style_says() {
        insta::assert_snapshot!(render(&unknown_option(), Colour::Plain), @r#"
        error[unknown-option]: unknown option `plattform` for `bk.image`
         --> build.lua:3:40
          |
        3 | local base = bk.image("alpine:3.20", { plattform = "linux/arm64" })
          |                                        ^^^^^^^^^
        hint: did you mean `platform`?
        "#);
    }

    #[test]
    fn without_the_lines_of_the_script() {
        insta::assert_snapshot!(super::render_without_source(&unknown_option()), @"
        unknown option `plattform` for `bk.image`
        hint: did you mean `platform`?
        ");
    }

    #[test]
    fn colour_changes_no_text() {
        let plain = render(&unknown_option(), Colour::Plain);
        let coloured = render(&unknown_option(), Colour::Ansi);
        assert!(coloured.contains("\u{1b}["));
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            stripped.push_str(before);
            rest = after.split_once('m').map_or("", |(_, after)| after);
        }
        stripped.push_str(rest);
        assert_eq!(stripped, plain);
    }

    #[test]
    fn a_line_alone_has_no_column() {
        let file = SourceFile::new("libs/go.lua", "\r\n\tfoo()  \r\n".as_bytes());
        let mut diagnostic = Diagnostic::error("runtime", "two\nlines")
            .with_span(Span::line(file.clone(), 2))
            .with_note("a note\nof two lines")
            .with_hint("do otherwise");
        diagnostic.labels.push(Label {
            span: Span::columns(file, 2, 2..5),
            text: "first here".to_owned(),
        });
        diagnostic.traceback = (1..=20)
            .map(|line| TraceFrame {
                file: "libs/go.lua".to_owned(),
                line,
                function: (line > 1).then(|| "build".to_owned()),
            })
            .collect();
        insta::assert_snapshot!(render(&diagnostic, Colour::Plain), @"
        error[runtime]: two
                        lines
         --> libs/go.lua:2
          |
        2 |  foo()  
          |  ^^^^^
          |
         ::: libs/go.lua:2:2
          |
        2 |  foo()  
          |  --- first here
        note: a note
              of two lines
        traceback:
          libs/go.lua:1
          libs/go.lua:2 in `build`
          libs/go.lua:3 in `build`
          libs/go.lua:4 in `build`
          libs/go.lua:5 in `build`
          libs/go.lua:6 in `build`
          libs/go.lua:7 in `build`
          libs/go.lua:8 in `build`
          libs/go.lua:9 in `build`
          libs/go.lua:10 in `build`
          ... 5 more
          libs/go.lua:16 in `build`
          libs/go.lua:17 in `build`
          libs/go.lua:18 in `build`
          libs/go.lua:19 in `build`
          libs/go.lua:20 in `build`
        hint: do otherwise
        ");
    }

    #[test]
    fn any_bytes_are_safe() {
        let text = b"x = \"\xff\x1b[31m\xe2\x80\xae\" \xc3\xa4 bad".as_slice();
        let file = SourceFile::new("e\u{1b}vil\n.lua", text);
        let diagnostic =
            Diagnostic::warning("odd", "odd \u{1b}]0;title\u{7} text").with_span(Span::columns(file, 1, 16..19));
        insta::assert_snapshot!(render(&diagnostic, Colour::Plain), @r#"
        warning[odd]: odd ␛]0;title␇ text
         --> e␛vil .lua:1:16
          |
        1 | x = "�␛[31m�" ä bad
          |                ^^^
        "#);
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}needle{}", "ä ".repeat(300_000), " x".repeat(300_000));
        let file = SourceFile::new("long.lua", text.as_bytes());
        let check = |span| {
            let text = render(&Diagnostic::error("long", "long").with_span(span), Colour::Plain);
            assert!(text.lines().all(|line| line.chars().count() < 160), "{text}");
            text
        };
        insta::assert_snapshot!(check(Span::columns(file.clone(), 1, 600_001..600_007)), @"
        error[long]: long
         --> long.lua:1:600001
          |
        1 | ...ä ä ä ä ä ä ä ä ä ä ä ä ä ä ä needle x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x...
          |                                  ^^^^^^
        ");
        check(Span::line(file.clone(), 1));
        check(Span::columns(file.clone(), 1, 5..1_000_000));
        check(Span::columns(file, 1, 9_000_000..9_000_001));
    }

    #[test]
    fn places_that_do_not_exist_are_no_trouble() {
        let file = SourceFile::new("a.lua", b"x".as_slice());
        for span in [
            Span::line(file.clone(), 9),
            Span::line(file.clone(), 0),
            Span::columns(file, 1, std::ops::Range { start: 7, end: 3 }),
        ] {
            let text = render(&Diagnostic::error("odd", "odd").with_span(span), Colour::Plain);
            assert!(text.starts_with("error[odd]: odd\n"), "{text}");
        }
    }
}
