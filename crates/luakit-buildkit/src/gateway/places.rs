//! The places of a diagnostic as BuildKit has them: a file with its text, and areas in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use luakit_diagnostic::{Diagnostic, Span};
use luakit_proto::pb;

/// GitHub linguist's spelling.
const LANGUAGE: &str = "Lua";

/// A place with its file.
pub(super) struct Excerpt {
    info: pb::SourceInfo,
    range: pb::Range,
}

/// All that a diagnostic points at, the main place first.
pub(super) fn excerpts(diagnostic: &Diagnostic) -> Vec<Excerpt> {
    let labels = diagnostic.labels.iter().map(|label| &label.span);
    diagnostic.span.iter().chain(labels).map(excerpt).collect()
}

fn excerpt(span: &Span) -> Excerpt {
    let line = i32::try_from(span.line).unwrap_or(i32::MAX);
    // Ours count from 1, and theirs from 0.
    let at = |column: u32| pb::Position {
        line,
        character: i32::try_from(column.saturating_sub(1)).unwrap_or(i32::MAX),
    };
    let columns = span.columns.clone().unwrap_or(1..1);
    Excerpt {
        info: pb::SourceInfo {
            filename: span.file.name.clone(),
            data: span.file.data.to_vec(),
            definition: None,
            language: LANGUAGE.to_owned(),
        },
        range: pb::Range {
            start: Some(at(columns.start)),
            end: Some(at(columns.end)),
        },
    }
}

impl Excerpt {
    pub(super) fn into_wire(self) -> (pb::SourceInfo, pb::Range) {
        (self.info, self.range)
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
        serde_json::json!({
            "info": {
                "filename": self.info.filename,
                "data": STANDARD.encode(&self.info.data),
                "language": self.info.language,
            },
            "ranges": [{ "start": position(self.range.start), "end": position(self.range.end) }],
        })
    }
}
