//! The places of diagnostics as BuildKit has them: a file with its text, and areas in it.
//!
//! A client prints all lines from the first area of a file to the last, so areas go together where they are near each
//! other, and by themselves elsewhere. Messages have an end, which a failure must not meet: there is an end to places
//! and to bytes, and of a large file only the lines around a place are sent. Those before are empty, so that lines keep
//! their numbers (<https://github.com/moby/buildkit/blob/master/solver/errdefs/source.go>).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use luakit_diagnostic::{Diagnostic, SourceFile, Span};
use luakit_proto::pb;

/// GitHub linguist's spelling.
const LANGUAGE: &str = "Lua";

/// A file up to this size is sent whole.
const WHOLE: usize = 64 << 10;
/// So many lines around a place are sent of a larger one. Clients print four.
const AROUND: u32 = 10;
/// Places with no more lines from one to the next go together.
const NEAR: u32 = 5;
/// How many places are shown.
const PLACES: usize = 10;
/// How many bytes of files are sent, all in all. Twice they are written as base64 before a client has them, and older
/// engines take messages of 4 MiB.
const BYTES: usize = 1 << 20;

/// A file, or what is shown of it, and places in it.
pub(super) struct Excerpt {
    file: Arc<SourceFile>,
    first: u32,
    last: u32,
    ranges: Vec<pb::Range>,
    data: Vec<u8>,
}

/// Excerpts that are gathered up to the end that there is to them.
#[derive(Default)]
pub(super) struct Excerpts {
    all: Vec<Excerpt>,
    places: usize,
}

impl Excerpts {
    /// Shows all that a diagnostic points at, the main place first. Whether that one is shown.
    pub(super) fn show(&mut self, diagnostic: &Diagnostic) -> bool {
        let main = diagnostic.span.as_ref().is_none_or(|span| self.add(span));
        for label in &diagnostic.labels {
            self.add(&label.span);
        }
        main
    }

    pub(super) fn into_all(self) -> Vec<Excerpt> {
        self.all
    }

    fn add(&mut self, span: &Span) -> bool {
        if self.places >= PLACES {
            return false;
        }
        self.places += 1;
        let near = self.all.iter().position(|excerpt| excerpt.is_near(span));
        let (excerpt, at) = match near.and_then(|at| Some((self.all.get(at)?.with(span), at))) {
            Some(wider) => wider,
            None => (Excerpt::of(span), self.all.len()),
        };
        let others = (0..).zip(&self.all).filter(|(other, _)| *other != at);
        let bytes: usize = others.map(|(_, other)| other.data.len()).sum();
        if bytes.saturating_add(excerpt.data.len()) > BYTES {
            return false;
        }
        match self.all.get_mut(at) {
            Some(narrower) => *narrower = excerpt,
            None => self.all.push(excerpt),
        }
        true
    }
}

impl Excerpt {
    /// One place.
    pub(super) fn of(span: &Span) -> Self {
        Self {
            file: Arc::clone(&span.file),
            first: span.line,
            last: span.line,
            ranges: vec![range(span)],
            data: lines(&span.file, span.line, span.line),
        }
    }

    fn is_near(&self, span: &Span) -> bool {
        let same = Arc::ptr_eq(&self.file, &span.file) || self.file == span.file;
        let lines = self.first.saturating_sub(NEAR)..=self.last.saturating_add(NEAR);
        same && lines.contains(&span.line)
    }

    /// The same with one place more.
    fn with(&self, span: &Span) -> Self {
        let (first, last) = (self.first.min(span.line), self.last.max(span.line));
        let mut ranges = self.ranges.clone();
        let range = range(span);
        if !ranges.contains(&range) {
            ranges.push(range);
        }
        Self {
            file: Arc::clone(&self.file),
            first,
            last,
            ranges,
            data: lines(&self.file, first, last),
        }
    }

    pub(super) fn into_wire(self) -> (pb::SourceInfo, Vec<pb::Range>) {
        let info = pb::SourceInfo {
            filename: self.file.name.clone(),
            data: self.data,
            definition: None,
            language: LANGUAGE.to_owned(),
        };
        (info, self.ranges)
    }

    /// As Go writes the same messages in JSON: bytes as base64, zeros left out.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let position = |position: Option<pb::Position>| {
            let position = position.unwrap_or_default();
            let mut object = serde_json::Map::new();
            for (name, value) in [("line", position.line), ("character", position.character)] {
                if value != 0 {
                    object.insert(name.to_owned(), value.into());
                }
            }
            serde_json::Value::Object(object)
        };
        let range =
            |range: &pb::Range| serde_json::json!({ "start": position(range.start), "end": position(range.end) });
        serde_json::json!({
            "info": {
                "filename": self.file.name,
                "data": STANDARD.encode(&self.data),
                "language": LANGUAGE,
            },
            "ranges": self.ranges.iter().map(range).collect::<Vec<_>>(),
        })
    }
}

fn range(span: &Span) -> pb::Range {
    let line = i32::try_from(span.line).unwrap_or(i32::MAX);
    // Ours count from 1, and theirs from 0.
    let at = |column: u32| pb::Position {
        line,
        character: i32::try_from(column.saturating_sub(1)).unwrap_or(i32::MAX),
    };
    let columns = span.columns.clone().unwrap_or(1..1);
    pb::Range {
        start: Some(at(columns.start)),
        end: Some(at(columns.end)),
    }
}

/// What of a file is sent for the lines from `first` to `last`.
fn lines(file: &SourceFile, first: u32, last: u32) -> Vec<u8> {
    if file.data.len() <= WHOLE {
        return file.data.to_vec();
    }
    let shown = first.saturating_sub(AROUND)..=last.saturating_add(AROUND);
    let all = (1..).zip(file.data.split_inclusive(|byte| *byte == b'\n'));
    let sent = all.take_while(|(number, _)| number <= shown.end());
    sent.flat_map(|(number, line)| if shown.contains(&number) { line } else { b"\n" })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lines: u32, width: usize) -> Arc<SourceFile> {
        let line = |number: u32| format!("{}{number}\n", " ".repeat(width));
        let text = (1..=lines).map(line).collect::<Vec<_>>().concat();
        SourceFile::new("luakit.lock", text.into_bytes())
    }

    fn gathered(spans: &[Span]) -> (Vec<bool>, Vec<Excerpt>) {
        let mut excerpts = Excerpts::default();
        let shown = spans
            .iter()
            .map(|span| excerpts.show(&Diagnostic::error("x", "wrong").with_span(span.clone())))
            .collect();
        (shown, excerpts.into_all())
    }

    #[test]
    fn what_is_near_goes_together() {
        let [one, other] = [file(40, 2), file(41, 2)];
        let at = |file: &Arc<SourceFile>, line| Span::line(Arc::clone(file), line);
        let (shown, all) = gathered(&[at(&one, 9), at(&one, 4), at(&one, 30), at(&other, 9), at(&one, 9)]);
        assert!(shown.iter().all(|shown| *shown));
        let told: Vec<String> = all
            .iter()
            .map(|e| format!("{}-{} {}", e.first, e.last, e.ranges.len()))
            .collect();
        assert_eq!(told, ["4-9 2", "30-30 1", "9-9 1"]);
    }

    #[test]
    fn of_a_large_file_the_lines_around_are_sent() {
        let large = file(20_000, 5);
        let excerpt = Excerpt::of(&Span::line(Arc::clone(&large), 10_000));
        let sent = String::from_utf8(excerpt.data).unwrap();
        let lines: Vec<&str> = sent.lines().collect();
        assert_eq!((lines.len(), lines[9_988], lines[9_989]), (10_010, "", "     9990"));
        assert_eq!(lines[9_999].trim(), "10000");
    }

    #[test]
    fn there_is_an_end_to_places_and_to_bytes() {
        let far: Vec<Span> = (1..=20).map(|n| Span::line(file(400, 2), n * 20)).collect();
        let (shown, all) = gathered(&far);
        assert_eq!((shown.iter().filter(|shown| **shown).count(), all.len()), (10, 10));
        let wide = file(3, 600_000);
        let twice = [Span::line(Arc::clone(&wide), 1), Span::line(file(2, 2), 1)];
        let (shown, all) = gathered(&twice);
        assert_eq!((shown, all.len()), (vec![false, true], 1), "the small one fits");
    }
}
