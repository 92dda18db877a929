//! The build's frontend, played by the client.
//!
//! A `Solve` with neither definition nor frontend makes the engine wait for gateway calls that carry the
//! build's id, on the same connection. They solve each platform's definition and return all of them
//! together with image configs, which no definition can carry. Protocol:
//! <https://github.com/moby/buildkit/blob/master/frontend/gateway/pb/gateway.proto>,
//! `control/gateway/gateway.go`.

use luakit_proto::gateway::llb_bridge_client::LlbBridgeClient;
use luakit_proto::gateway::{self, PingRequest, Ref, ReturnRequest, SolveRequest};
use luakit_proto::{Message as _, pb, rpc};
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};

use super::{PlatformResult, caps, result_metadata, result_refs};
use crate::engine::Engine;
use luakit_llb::definition::TooLarge;

use crate::error::BuildError;
use crate::grpc::{Connection, MESSAGE};

/// Why nothing could be returned.
pub(crate) enum Failure {
    Build(BuildError),
    /// The engine refused.
    Status(Status),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// Solves `results` in the build `id` and returns them, or the error that prevents it.
pub(crate) async fn run(engine: &Engine, id: &str, results: &[PlatformResult], exports: usize) -> Result<(), Failure> {
    let client = LlbBridgeClient::new(engine.connection.clone())
        .max_decoding_message_size(MESSAGE)
        .max_encoding_message_size(MESSAGE);
    let mut bridge = Bridge { client, id };
    let solved = bridge.solve(engine, results, exports).await;
    let request = match &solved {
        Ok(result) => ReturnRequest {
            result: Some(result.clone()),
            error: None,
        },
        Err(failure) => ReturnRequest {
            result: None,
            error: Some(failure.to_wire()),
        },
    };
    // Without this the engine would wait for us.
    let returned = bridge.client.r#return(bridge.request(request)).await;
    solved?;
    returned?;
    Ok(())
}

/// Solves a definition; the result is only computed when it is needed.
pub(crate) fn solve_request(definition: pb::Definition) -> SolveRequest {
    SolveRequest {
        definition: Some(definition),
        allow_result_return: true,
        allow_result_array_ref: true,
        ..SolveRequest::default()
    }
}

struct Bridge<'a> {
    client: LlbBridgeClient<Connection>,
    id: &'a str,
}

impl Bridge<'_> {
    /// A call that belongs to the build.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // Ids are ASCII letters and digits.
        if let Ok(id) = MetadataValue::try_from(self.id) {
            request.metadata_mut().insert("buildkit-controlapi-buildid", id);
        }
        request
    }

    async fn solve(
        &mut self,
        engine: &Engine,
        results: &[PlatformResult],
        exports: usize,
    ) -> Result<gateway::Result, Failure> {
        let pong = self.client.ping(self.request(PingRequest {})).await?.into_inner();
        let known = caps::Known::new(&pong.llb_caps);
        let definitions: Vec<_> = results.iter().map(|r| known.correct(r.definition.clone())).collect();
        let missing = caps::missing(&definitions, exports, &pong.frontend_api_caps, &known);
        if !missing.is_empty() {
            let version = engine.version().unwrap_or("of unknown version");
            let engine = format!("BuildKit {version}");
            return Err(Failure::Build(BuildError::Unsupported { engine, missing }));
        }
        let mut refs = Vec::with_capacity(results.len());
        for definition in definitions {
            if definition.def.is_empty() {
                refs.push(Ref::default());
                continue;
            }
            let request = self.request(solve_request(definition));
            let solved = self.client.solve(request).await.map_err(refusal)?.into_inner();
            match solved.result.and_then(|r| r.result) {
                Some(gateway::result::Result::Ref(r)) => refs.push(r),
                other => {
                    let text = format!("the engine solved a definition to {other:?} instead of one ref");
                    return Err(Failure::Status(Status::internal(text)));
                }
            }
        }
        Ok(gateway::Result {
            result: result_refs(results, refs),
            metadata: result_metadata(results),
        })
    }
}

/// Why the engine refused a definition. Docker up to 26 takes 4 MiB only, and says so in words alone.
fn refusal(status: Status) -> Failure {
    let sizes = || -> Option<(usize, usize)> {
        let (_, sizes) = status.message().split_once("larger than max (")?;
        let (size, limit) = sizes.strip_suffix(')')?.split_once(" vs. ")?;
        Some((size.parse().ok()?, limit.parse().ok()?))
    };
    match sizes() {
        Some((size, limit)) if status.code() == tonic::Code::ResourceExhausted => {
            Failure::Build(BuildError::TooLarge(TooLarge { size, limit }))
        }
        _ => Failure::Status(status),
    }
}

impl Failure {
    fn to_wire(&self) -> rpc::Status {
        match self {
            Self::Build(error) => rpc::Status {
                code: tonic::Code::Unimplemented as i32,
                message: error.to_string(),
                details: Vec::new(),
            },
            Self::Status(status) => rpc::Status {
                code: status.code() as i32,
                message: status.message().to_owned(),
                // They come back with the end of the build.
                details: rpc::Status::decode(status.details()).unwrap_or_default().details,
            },
        }
    }
}
