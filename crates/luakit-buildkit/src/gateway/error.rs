//! Why the gateway doesn't do what it is asked for, and the form in which engines pass failures on.
//!
//! A failure of a frontend crosses the wire as a status whose details hold the places in the sources that it is about:
//! clients of BuildKit print these lines themselves. Details that came with a status of the engine's own go back as they
//! came.

use std::fmt;

use luakit_diagnostic::{Diagnostic, Severity, render_without_source};
use luakit_proto::{Any, Message as _, rpc};
use tonic::{Code, Status};

use super::places::{Excerpt, Excerpts};
use crate::error::BuildError;

/// Why the gateway doesn't do what it was asked for.
#[derive(Debug)]
pub struct GatewayError(pub(crate) Refusal);

#[derive(Debug)]
pub(crate) enum Refusal {
    /// We know why.
    Build(BuildError),
    /// The engine says why. What it says at the end of the build may say more.
    Status(Status),
}

impl From<Status> for GatewayError {
    fn from(status: Status) -> Self {
        Self(Refusal::Status(status))
    }
}

impl From<BuildError> for GatewayError {
    fn from(error: BuildError) -> Self {
        Self(Refusal::Build(error))
    }
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Refusal::Build(error) => error.fmt(f),
            Refusal::Status(status) => f.write_str(&crate::error::text(status)),
        }
    }
}

impl std::error::Error for GatewayError {}

impl GatewayError {
    /// What we know of it; `None` when it is the engine's own word.
    pub fn build_error(&self) -> Option<&BuildError> {
        match &self.0 {
            Refusal::Build(error) => Some(error),
            Refusal::Status(_) => None,
        }
    }

    /// As the engine passes it on to whoever waits for the build.
    pub(crate) fn to_wire(&self) -> rpc::Status {
        match &self.0 {
            Refusal::Build(error) => rpc::Status {
                code: code(error) as i32,
                message: error.to_string(),
                details: Vec::new(),
            },
            Refusal::Status(status) => rpc::Status {
                code: status.code() as i32,
                message: status.message().to_owned(),
                // They come back with the end of the build.
                details: rpc::Status::decode(status.details()).unwrap_or_default().details,
            },
        }
    }
}

/// What kind of failure it is to clients. That a step failed, and what only a client of its own can see, is of none.
fn code(error: &BuildError) -> Code {
    match error {
        BuildError::Unsupported { .. } => Code::Unimplemented,
        BuildError::TooLarge(_) => Code::ResourceExhausted,
        BuildError::Definition(_) | BuildError::Request(_) => Code::InvalidArgument,
        BuildError::MissingLocal { .. } | BuildError::MissingSecret { .. } | BuildError::MissingSsh { .. } => {
            Code::NotFound
        }
        BuildError::NotAllowed { .. } => Code::PermissionDenied,
        BuildError::Stalled { .. } => Code::DeadlineExceeded,
        _ => Code::Unknown,
    }
}

/// What diagnostics tell, as the engine passes it on. An error whose place is too much to show names it. Every client and
/// engine on the way puts the name of a code before the message, but for the unknown one.
pub(crate) fn told(diagnostics: &[Diagnostic]) -> rpc::Status {
    let mut excerpts = Excerpts::default();
    let texts: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| {
            if diagnostic.severity != Severity::Error || excerpts.show(diagnostic) {
                return render_without_source(diagnostic);
            }
            let message = diagnostic.to_string();
            render_without_source(&Diagnostic {
                message,
                ..diagnostic.clone()
            })
        })
        .collect();
    rpc::Status {
        code: Code::Unknown as i32,
        message: texts.join("\n"),
        details: excerpts.into_all().iter().map(source).collect(),
    }
}

/// The same without its details, and with no more than the beginning of a long message: for an engine that takes no
/// message of its size.
pub(crate) fn shortened(mut status: rpc::Status) -> rpc::Status {
    let end = (0..=LONGEST_MESSAGE)
        .rev()
        .find(|end| status.message.is_char_boundary(*end));
    if status.message.len() > LONGEST_MESSAGE {
        status.message.truncate(end.unwrap_or_default());
        status.message.push('…');
    }
    status.details.clear();
    placed(status)
}

/// The longest message that a failure is told with where all of it is too much, in bytes.
const LONGEST_MESSAGE: usize = 64 << 10;

/// A request that this frontend doesn't know.
pub(crate) fn unknown_request(name: &str, message: &str) -> rpc::Status {
    rpc::Status {
        code: Code::Unimplemented as i32,
        message: message.to_owned(),
        details: vec![json_detail("errdefs.Subrequest", &serde_json::json!({ "name": name }))],
    }
}

/// A request that needs what this frontend doesn't have, in BuildKit's words: buildx looks for them, and says what to do
/// (<https://github.com/moby/buildkit/blob/master/solver/errdefs/frontendcap.go>).
pub(crate) fn unknown_capability(name: &str) -> rpc::Status {
    rpc::Status {
        code: Code::Unimplemented as i32,
        message: format!("unsupported frontend capability {name}"),
        details: vec![json_detail("errdefs.FrontendCap", &serde_json::json!({ "name": name }))],
    }
}

/// With a place, if only an empty one: BuildKit's Dockerfile frontend, which calls us, would show the script's first line
/// for any failure without.
pub(crate) fn placed(mut status: rpc::Status) -> rpc::Status {
    if !status.details.iter().any(|detail| detail.type_url.contains(SOURCE)) {
        status
            .details
            .push(json_detail(SOURCE, &serde_json::json!({ "info": {} })));
    }
    status
}

/// A place in a file, as BuildKit's Go has it.
const SOURCE: &str = "errdefs.Source";

fn source(excerpt: &Excerpt) -> Any {
    json_detail(SOURCE, &excerpt.to_json())
}

/// A detail whose value is JSON of BuildKit's Go struct of that name.
fn json_detail(name: &str, value: &serde_json::Value) -> Any {
    Any {
        type_url: format!("github.com/moby/buildkit/{name}+json"),
        value: value.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use luakit_diagnostic::{SourceFile, Span};

    use super::*;

    #[test]
    fn a_script_error_carries_its_place() {
        let file = SourceFile::new("build.lua", &b"-- one\nbk.imgae()\n"[..]);
        let error = Diagnostic::error("unknown-name", "`bk` has no `imgae`")
            .with_span(Span::columns(file, 2, 4..9))
            .with_hint("did you mean `image`?");
        let status = told(&[error]);
        assert_eq!(status.code, 2);
        insta::assert_snapshot!(status.message, @"
        `bk` has no `imgae`
        hint: did you mean `image`?
        ");
        let detail = &status.details[0];
        assert_eq!(detail.type_url, "github.com/moby/buildkit/errdefs.Source+json");
        insta::assert_snapshot!(String::from_utf8_lossy(&detail.value), @r#"{"info":{"data":"LS0gb25lCmJrLmltZ2FlKCkK","filename":"build.lua","language":"Lua"},"ranges":[{"end":{"character":8,"line":2},"start":{"character":3,"line":2}}]}"#);
    }

    #[test]
    fn of_many_errors_the_later_name_their_places() {
        let text = "x".repeat(40) + "\n";
        let file = SourceFile::new("luakit.lock", text.repeat(5000).into_bytes());
        let error =
            |n: u32| Diagnostic::error("lock", format!("wrong {n}")).with_span(Span::line(file.clone(), n * 50));
        let status = told(&(1..=100).map(error).collect::<Vec<_>>());
        assert!(luakit_proto::Message::encoded_len(&status) < 1 << 20);
        assert_eq!(status.details.len(), 10);
        let lines: Vec<&str> = status.message.lines().collect();
        assert_eq!(
            (lines.len(), lines[9], lines[10]),
            (100, "wrong 10", "luakit.lock:550: wrong 11")
        );
    }

    #[test]
    fn a_failure_without_a_place_marks_no_line() {
        let status = placed(told(&[Diagnostic::error("no-export", "nothing to build")]));
        let [detail] = status.details.as_slice() else {
            panic!("{:?}", status.details)
        };
        assert_eq!(detail.value, br#"{"info":{}}"#);
        assert_eq!(placed(status.clone()).details.len(), 1, "one is enough");
    }

    #[test]
    fn a_request_that_nobody_knows() {
        let status = unknown_request("frontend.dance", "unsupported");
        assert_eq!(status.code, 12);
        assert_eq!(status.details[0].value, br#"{"name":"frontend.dance"}"#);
    }
}
