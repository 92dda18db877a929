//! An engine that answers: what it is, and what it can build.

use luakit_llb::Platform;
use luakit_proto::control::control_client::ControlClient;
use luakit_proto::control::{InfoRequest, ListWorkersRequest};
use luakit_proto::pb;

use crate::endpoint::{ConnectError, Endpoint};
use crate::grpc::{Connection, MESSAGE};

/// What an engine says that was built without being told its version.
const UNKNOWN: &str = "v0.0.0+unknown";

/// A connection to an engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) endpoint: Endpoint,
    pub(crate) connection: Connection,
    version: Option<String>,
}

/// Something that runs steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Identifies it.
    pub id: String,
    /// What it can run, its own platform first.
    pub platforms: Vec<Platform>,
}

impl Engine {
    /// Connects, and asks what answers.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let stream = endpoint.dial().await?;
        let protocol = |message: String| ConnectError::Protocol {
            endpoint: endpoint.clone(),
            message,
        };
        let connection = Connection::open(stream).await.map_err(|e| protocol(e.to_string()))?;
        let mut engine = Self {
            endpoint: endpoint.clone(),
            connection,
            version: None,
        };
        match engine.control().info(InfoRequest {}).await {
            Ok(info) => {
                let version = info.into_inner().buildkit_version.map(|v| v.version);
                engine.version = version.filter(|v| !v.is_empty() && v != UNKNOWN);
            }
            // Before BuildKit 0.11.
            Err(status) if status.code() == tonic::Code::Unimplemented => {}
            Err(status) => return Err(protocol(crate::error::text(&status))),
        }
        Ok(engine)
    }

    /// Where it is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// BuildKit's version, as far as the engine says.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Its workers, the default one first.
    pub async fn workers(&self) -> Result<Vec<Worker>, ConnectError> {
        let answer = self.control().list_workers(ListWorkersRequest::default()).await;
        let answer = answer.map_err(|status| ConnectError::Protocol {
            endpoint: self.endpoint.clone(),
            message: crate::error::text(&status),
        })?;
        let platform = |p: pb::Platform| Platform::new(&p.os, &p.architecture, &p.variant).ok();
        let records = answer.into_inner().record.into_iter();
        Ok(records
            .map(|record| Worker {
                id: record.id,
                platforms: record.platforms.into_iter().filter_map(platform).collect(),
            })
            .collect())
    }

    pub(crate) fn control(&self) -> ControlClient<Connection> {
        ControlClient::new(self.connection.clone())
            .max_decoding_message_size(MESSAGE)
            .max_encoding_message_size(MESSAGE)
    }
}
