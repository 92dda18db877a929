//! How a frontend in a container ends: with its result, with the answer to a question, or with a failure.

use std::collections::BTreeMap;

use luakit_diagnostic::Diagnostic;
use luakit_proto::gateway::{self, ReturnRequest};
use luakit_proto::rpc;
use tonic::{Code, Status};

use super::{Gateway, GatewayError, error, results};
use crate::build::{PlatformResult, check};

/// What exporters take times from.
const EPOCH: &str = "source.date.epoch";

impl Gateway {
    /// Returns results, as an index if they are several or `multi_platform` says so. `epoch` is the time of all that is
    /// in them.
    pub async fn succeed(
        &self,
        results: &[PlatformResult],
        multi_platform: bool,
        epoch: Option<i64>,
    ) -> Result<(), GatewayError> {
        check::check_platforms(results.iter().map(|r| r.platform.as_ref()))?;
        let mut message = results::message(results, multi_platform);
        if let Some(epoch) = epoch {
            message
                .metadata
                .insert(EPOCH.to_owned(), epoch.to_string().into_bytes());
        }
        self.end(Some(message), None).await
    }

    /// Returns what a question was answered with, by BuildKit's names.
    pub async fn answer(&self, metadata: BTreeMap<String, Vec<u8>>) -> Result<(), GatewayError> {
        let answer = gateway::Result { result: None, metadata };
        self.end(Some(answer), None).await
    }

    /// Returns what is wrong, with the places in the script.
    pub async fn fail(&self, diagnostics: &[Diagnostic]) -> Result<(), GatewayError> {
        self.end(None, Some(error::told(diagnostics))).await
    }

    /// Returns why the gateway refused something, with all that the engine said.
    pub async fn fail_by(&self, refused: &GatewayError) -> Result<(), GatewayError> {
        self.end(None, Some(refused.to_wire())).await
    }

    /// Returns that the request needs the capability `name`, which this frontend hasn't.
    pub async fn fail_incapable(&self, name: &str) -> Result<(), GatewayError> {
        self.end(None, Some(error::unknown_capability(name))).await
    }

    /// Returns that the question `name` isn't known, in these words.
    pub async fn fail_unknown(&self, name: &str, message: &str) -> Result<(), GatewayError> {
        self.end(None, Some(error::unknown_request(name, message))).await
    }

    async fn end(&self, result: Option<gateway::Result>, error: Option<rpc::Status>) -> Result<(), GatewayError> {
        let error = error.map(error::placed);
        let short = error.clone().map(error::shortened);
        match self.finish(ReturnRequest { result, error }).await {
            Err(status) if short.is_some() && is_size(&status) => {
                let request = ReturnRequest {
                    result: None,
                    error: short,
                };
                Ok(self.finish(request).await?)
            }
            outcome => Ok(outcome?),
        }
    }
}

/// Whether a message was too large to be sent or to be taken.
fn is_size(status: &Status) -> bool {
    matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted)
}
