//! Why a build failed, read from what the engine says.
//!
//! Engines attach details to a gRPC status: `Any` messages whose type ends in `+json` and whose value is
//! JSON of BuildKit's Go structs. `Details` picks what a report needs out of them and takes anything
//! malformed as absent, since the message alone still says something. Format:
//! <https://github.com/moby/buildkit/blob/master/util/grpcerrors/grpcerrors.go>.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use luakit_frontend::credentials::CredentialError;
use luakit_llb::definition::TooLarge;
use luakit_proto::{Message as _, pb, rpc};
use serde::Deserialize;

use crate::endpoint::ConnectError;
use crate::fsutil::TransferError;
use crate::grpc;
use crate::layout::LayoutError;
use crate::progress::tracker::Tracker;
use crate::session::{Failure, ServiceError};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The connection couldn't be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The definition needs what the engine doesn't know. Nothing was run.
    #[error("the engine ({engine}) lacks: {}", missing.iter().map(|m| m.cap.as_str()).collect::<Vec<_>>().join(", "))]
    Unsupported {
        /// The engine's version.
        engine: String,
        /// What it lacks, and who needs it.
        missing: Vec<MissingCap>,
    },
    /// The definition doesn't fit into a message. Nothing was run.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The definition can't be read.
    #[error("malformed definition: {0}")]
    Definition(String),
    /// The request contradicts itself. Nothing was sent.
    #[error("{0}")]
    Request(String),
    /// The definition reads a local directory that wasn't given. Nothing was sent.
    #[error("the definition needs the local directory `{name}`, which was not given")]
    MissingLocal {
        /// Its name.
        name: String,
        /// A step that reads it.
        vertex: String,
    },
    /// A step can't do without a secret that wasn't given. Nothing was sent.
    #[error("a step needs the secret `{id}`, which was not given")]
    MissingSecret {
        /// Its name.
        id: String,
        /// The step.
        vertex: String,
    },
    /// A step can't do without an SSH agent that wasn't given. Nothing was sent.
    #[error("a step needs the ssh agent `{id}`, which was not given")]
    MissingSsh {
        /// Its name.
        id: String,
        /// The step.
        vertex: String,
    },
    /// A step wants more than the build was allowed. Nothing was sent.
    #[error("a step needs `{entitlement}`, which the build is not allowed")]
    NotAllowed {
        /// BuildKit's name for it, as [`crate::BuildRequest::entitlements`] has it.
        entitlement: String,
        /// The step.
        vertex: String,
    },
    /// A local directory that was given is none. Nothing was sent.
    #[error("can't open `{}`, given as the local directory `{name}`: {source}", path.display())]
    LocalDir {
        /// Its name.
        name: String,
        /// As given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A local directory couldn't be sent.
    #[error("can't send the local directory `{name}`: {source}")]
    Send {
        /// Its name.
        name: String,
        /// Why.
        source: TransferError,
    },
    /// The result couldn't be written.
    #[error("can't write the result to `{target}`: {source}")]
    Receive {
        /// Where it should go.
        target: String,
        /// Why.
        source: TransferError,
    },
    /// The output file can't be begun. Nothing was sent.
    #[error("can't write `{}`: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The output file can't be finished.
    #[error("can't write `{}`: {source}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Credentials that are configured couldn't be had.
    #[error("can't get the credentials of `{host}`: {source}")]
    Credentials {
        /// The registry.
        host: String,
        /// Why.
        source: CredentialError,
    },
    /// The index of an image layout couldn't be written.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Something attached to the build couldn't be used.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A step failed.
    #[error("{}", .0.message)]
    Step(Box<StepFailure>),
    /// The engine refused or failed otherwise.
    #[error("{message}")]
    Engine {
        /// gRPC's name for what went wrong.
        code: String,
        /// What the engine says.
        message: String,
    },
    /// The engine didn't take the session, by which it gets what is local, and then the build failed.
    #[error("the engine refuses the build's session ({refusal}), and without it: {source}")]
    Session {
        /// What it says of the session.
        refusal: String,
        /// How the build failed.
        source: Box<BuildError>,
    },
    /// A registry was silent for too long, and nothing else was left to wait for. The build was canceled.
    #[error("a registry doesn't answer: {what} has got no further for {}", spell(*limit))]
    Stalled {
        /// What waits for it.
        what: String,
        /// For how long.
        limit: Duration,
    },
    /// The request's token canceled the build.
    #[error("the build was canceled")]
    Canceled,
    /// The engine went away during the build.
    #[error("the connection to the engine was lost: {0}")]
    Lost(String),
}

/// A time in its largest whole unit.
fn spell(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// A capability that the engine lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingCap {
    /// BuildKit's name for it.
    pub cap: String,
    /// Digests of the steps that need it; none for what the build as a whole needs.
    pub vertices: Vec<String>,
}

/// A step that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepFailure {
    /// What the engine says.
    pub message: String,
    /// The step, as the definition's author knows it.
    pub vertex: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// How its process ended, if it was one.
    pub exit_code: Option<u32>,
    /// Where in the sources it comes from.
    pub sources: Vec<SourceExcerpt>,
    /// The last lines it wrote.
    pub log: Vec<String>,
}

/// A place in a source file, with the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceExcerpt {
    /// Its name.
    pub filename: String,
    /// Its language, as GitHub's linguist spells it.
    pub language: String,
    /// Its text.
    pub text: Vec<u8>,
    /// The areas.
    pub ranges: Vec<Range>,
}

/// An area of a file: lines from 1, characters from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// Line and character where it begins.
    pub start: (i32, i32),
    /// Line and character where it ends.
    pub end: (i32, i32),
}

impl SourceExcerpt {
    pub(crate) fn from_wire(info: pb::SourceInfo, ranges: Vec<pb::Range>) -> Self {
        let position = |p: Option<pb::Position>| p.map_or((0, 0), |p| (p.line, p.character));
        let range = |r: pb::Range| Range {
            start: position(r.start),
            end: position(r.end),
        };
        Self {
            filename: info.filename,
            language: info.language,
            text: info.data,
            ranges: ranges.into_iter().map(range).collect(),
        }
    }
}

/// What the details of a status say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Details {
    vertex: Option<String>,
    exit_code: Option<u32>,
    sources: Vec<SourceExcerpt>,
    /// Whether a step's operation is among them.
    solve: bool,
}

impl Details {
    fn read(status: &[u8]) -> Self {
        let mut details = Self::default();
        let Ok(status) = rpc::Status::decode(status) else {
            return details;
        };
        for any in status.details {
            let name = any.type_url.rsplit('/').next().unwrap_or_default();
            match name {
                "errdefs.Vertex+json" => {
                    if let Ok(vertex) = serde_json::from_slice::<VertexJson>(&any.value) {
                        // Engines wrap from the inside out and list what they wrapped last first.
                        details.vertex.get_or_insert(vertex.digest);
                    }
                }
                "errdefs.Source+json" => {
                    if let Ok(source) = serde_json::from_slice::<SourceJson>(&any.value) {
                        details.sources.push(source.into());
                    }
                }
                "gatewayapi.ExitMessage+json" => {
                    if let Ok(exit) = serde_json::from_slice::<ExitJson>(&any.value) {
                        details.exit_code.get_or_insert(exit.code);
                    }
                }
                "errdefs.Solve+json" => details.solve = true,
                _ => {}
            }
        }
        details
    }
}

#[derive(Deserialize)]
struct VertexJson {
    #[serde(default)]
    digest: String,
}

#[derive(Deserialize)]
struct ExitJson {
    #[serde(rename = "Code", alias = "code", default)]
    code: u32,
}

#[derive(Deserialize)]
struct SourceJson {
    #[serde(default)]
    info: Option<InfoJson>,
    #[serde(default)]
    ranges: Vec<RangeJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InfoJson {
    filename: String,
    data: String,
    language: String,
}

#[derive(Deserialize)]
struct RangeJson {
    #[serde(default)]
    start: PositionJson,
    #[serde(default)]
    end: PositionJson,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PositionJson {
    line: i32,
    character: i32,
}

impl From<SourceJson> for SourceExcerpt {
    fn from(json: SourceJson) -> Self {
        let info = json.info.unwrap_or_default();
        let text = base64::engine::general_purpose::STANDARD
            .decode(info.data)
            .unwrap_or_default();
        let position = |p: &PositionJson| (p.line, p.character);
        let ranges = json.ranges.iter();
        Self {
            filename: info.filename,
            language: info.language,
            text,
            ranges: ranges
                .map(|r| Range {
                    start: position(&r.start),
                    end: position(&r.end),
                })
                .collect(),
        }
    }
}

/// What a build's end is told from, besides the status.
pub(crate) struct Context<'a> {
    pub(crate) tracker: &'a Tracker,
    pub(crate) failure: Option<Failure>,
    /// From the engine's digests to the author's.
    pub(crate) digest: &'a dyn Fn(String) -> String,
}

/// Reads the status that ended a build.
pub(crate) fn read(status: &tonic::Status, context: Context<'_>) -> BuildError {
    let details = Details::read(status.details());
    // A process that failed did so by itself, whatever went wrong on our side besides.
    if details.exit_code.is_none() {
        if let Some(failure) = context.failure {
            return failure.into();
        }
        if let Some(lost) = lost(status) {
            return BuildError::Lost(lost);
        }
    }
    let tracker = context.tracker;
    let vertex = details
        .vertex
        .map(context.digest)
        .or_else(|| tracker.failed().map(str::to_owned));
    let is_step = details.solve || details.exit_code.is_some() || vertex.is_some();
    let message = status.message().to_owned();
    if !is_step {
        return BuildError::Engine {
            code: format!("{:?}", status.code()),
            message,
        };
    }
    let digest = vertex.as_deref().unwrap_or_default();
    BuildError::Step(Box::new(StepFailure {
        name: tracker.name(digest).map(str::to_owned),
        log: tracker.log(digest),
        exit_code: details.exit_code,
        sources: details.sources,
        vertex,
        message,
    }))
}

impl From<Failure> for BuildError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Send { local, error } => Self::Send {
                name: local,
                source: error,
            },
            Failure::Receive { target, error } => Self::Receive { target, source: error },
            Failure::Credentials { host, error } => Self::Credentials { host, source: error },
            Failure::Service(error) => Self::Service(error),
        }
    }
}

/// What a status says, down to its cause.
pub(crate) fn text(status: &tonic::Status) -> String {
    lost(status).unwrap_or_else(|| status.message().to_owned())
}

/// Whether a status was made on our side because the connection broke, or because nothing came over it any more.
pub(crate) fn lost(status: &tonic::Status) -> Option<String> {
    let mut source = std::error::Error::source(status)?;
    loop {
        if source.downcast_ref().is_some_and(hyper::Error::is_timeout) {
            let limit = (grpc::SILENCE + grpc::PATIENCE).as_secs();
            return Some(format!("it was silent for {limit} s"));
        }
        match source.source() {
            Some(next) => source = next,
            None => return Some(source.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use luakit_proto::Any;

    use super::*;
    use crate::progress::{Update, Vertex};

    fn status(details: &[(&str, &str)]) -> tonic::Status {
        let any = |(name, json): &(&str, &str)| Any {
            type_url: format!("github.com/moby/buildkit/{name}+json"),
            value: json.as_bytes().to_vec(),
        };
        let rpc = rpc::Status {
            code: 2,
            message: "failed".into(),
            details: details.iter().map(any).collect(),
        };
        let message = "process \"/bin/sh -c false\" did not complete successfully: exit code: 7";
        tonic::Status::with_details(tonic::Code::Unknown, message, rpc.encode_to_vec().into())
    }

    #[test]
    fn a_failed_step() {
        let mut tracker = Tracker::default();
        let vertex = Vertex {
            digest: "sha256:ours".into(),
            name: "RUN false".into(),
            ..Vertex::default()
        };
        tracker.note(&Update {
            vertices: vec![vertex],
            ..Update::default()
        });
        let status = status(&[
            ("errdefs.Vertex", r#"{"digest":"sha256:theirs"}"#),
            ("errdefs.Solve", r#"{"op":{"Op":{"Exec":{}}}}"#),
            ("gatewayapi.ExitMessage", r#"{"Code":7}"#),
            (
                "errdefs.Source",
                r#"{"info":{"filename":"build.lua","data":"eA==","language":"Lua"},"ranges":[{"start":{"line":3},"end":{"line":4,"character":2}}]}"#,
            ),
            ("errdefs.Source", "not json"),
        ]);
        let digest = |d: String| d.replace("theirs", "ours");
        let error = read(
            &status,
            Context {
                tracker: &tracker,
                failure: None,
                digest: &digest,
            },
        );
        let BuildError::Step(step) = error else {
            panic!("{error:?}")
        };
        insta::assert_debug_snapshot!(step, @r#"
        StepFailure {
            message: "process \"/bin/sh -c false\" did not complete successfully: exit code: 7",
            vertex: Some(
                "sha256:ours",
            ),
            name: Some(
                "RUN false",
            ),
            exit_code: Some(
                7,
            ),
            sources: [
                SourceExcerpt {
                    filename: "build.lua",
                    language: "Lua",
                    text: [
                        120,
                    ],
                    ranges: [
                        Range {
                            start: (
                                3,
                                0,
                            ),
                            end: (
                                4,
                                2,
                            ),
                        },
                    ],
                },
            ],
            log: [],
        }
        "#);
    }

    #[test]
    fn what_is_no_step() {
        let tracker = Tracker::default();
        let same = |d| d;
        let plain = read(
            &status(&[]),
            Context {
                tracker: &tracker,
                failure: None,
                digest: &same,
            },
        );
        assert!(matches!(plain, BuildError::Engine { .. }), "{plain:?}");
        let failure = Failure::Send {
            local: "context".into(),
            error: TransferError::Changed("a".into()),
        };
        let local = read(
            &status(&[]),
            Context {
                tracker: &tracker,
                failure: Some(failure),
                digest: &same,
            },
        );
        assert_eq!(
            local.to_string(),
            "can't send the local directory `context`: `a` changed while it was being sent"
        );
    }

    proptest::proptest! {
        /// Whatever an engine sends as details, reading them ends.
        #[test]
        fn any_details(
            name in "errdefs.(Vertex|Source|Solve)|gatewayapi.ExitMessage",
            value in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
            raw in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
        ) {
            Details::read(&raw);
            let any = Any { type_url: format!("x/{name}+json"), value };
            let status = rpc::Status { details: vec![any], ..rpc::Status::default() };
            let read = Details::read(&status.encode_to_vec());
            proptest::prop_assert!(read.sources.len() <= 1);
        }
    }

    proptest::proptest! {
        /// What an engine says may be anything: the message is kept, and nothing panics.
        #[test]
        fn garbage_is_no_reason_to_panic(
            message in ".*",
            raw in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            name in "(errdefs.Vertex|errdefs.Source|errdefs.Solve|gatewayapi.ExitMessage|x)",
            json in "[\\[\\]{}\":,a-zA-Z0-9-]{0,60}",
        ) {
            let tracker = Tracker::default();
            let typed = status(&[(name.as_str(), json.as_str())]);
            let details = [raw, typed.details().to_vec()];
            for details in details {
                let status = tonic::Status::with_details(tonic::Code::Unknown, &message, details.into());
                let context = Context { tracker: &tracker, failure: None, digest: &|d| d };
                proptest::prop_assert_eq!(read(&status, context).to_string(), message.clone());
            }
        }
    }
}
