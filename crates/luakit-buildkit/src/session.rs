//! The session: services that the client offers to the engine during a build.
//!
//! The client opens a stream of bytes to the engine and serves gRPC inside it: [`tunnel`] makes the stream
//! a connection, [`serve`] answers on it. Only what a build asked for is offered: the local directories it
//! names, its export targets, credentials, and what is attached to it ([`attachments`]). What fails on our
//! side is remembered by name ([`Failures`]), since the engine's error may only say that the client failed.

pub(crate) mod attachments;
pub(crate) mod auth;
pub(crate) mod content;
pub(crate) mod filesend;
pub(crate) mod filesync;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod ssh;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod tunnel;
pub(crate) mod upload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use luakit_frontend::credentials::CredentialError;
use luakit_proto::control::control_client::ControlClient;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::fsutil::TransferError;
use crate::grpc::Connection;
use crate::ids::random_id;
use attachments::Opened;
pub(crate) use attachments::ServiceError;
use filesend::{Receivers, Targets};

/// A local service that failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A local directory couldn't be sent.
    Send { local: String, error: TransferError },
    /// A result couldn't be written.
    Receive { target: String, error: TransferError },
    /// The credentials of a registry couldn't be had.
    Credentials { host: String, error: CredentialError },
    /// Something attached to the build couldn't be had.
    Service(ServiceError),
}

/// The first local failure of a build: later ones follow from it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failures(Arc<Mutex<Option<Failure>>>);

impl Failures {
    pub(crate) fn record(&self, failure: Failure) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(failure);
    }

    pub(crate) fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a session offers.
pub(crate) struct Offer {
    pub(crate) locals: BTreeMap<String, PathBuf>,
    /// Files that are not sent, by their real paths.
    pub(crate) written: Vec<PathBuf>,
    pub(crate) targets: Targets,
    /// The threads that write to targets that are directories.
    pub(crate) receivers: Receivers,
    /// Where the credentials are.
    pub(crate) registries: Option<auth::RegistryAccess>,
    pub(crate) failures: Failures,
    /// Hears of entries that were left out: the local's name and the path.
    pub(crate) skipped: tokio::sync::mpsc::UnboundedSender<(String, String)>,
    pub(crate) attached: Opened,
}

/// An announced session.
pub(crate) struct Session {
    pub(crate) id: String,
    services: serve::Services,
    methods: Vec<&'static str>,
    shared_key: String,
}

impl Session {
    /// `shared_key` is part of the engine's cache key for local sources.
    pub(crate) fn new(offer: Offer, shared_key: String) -> Self {
        let mut methods = vec![serve::HEALTH];
        if !offer.locals.is_empty() {
            methods.push(filesync::METHOD);
        }
        if !offer.targets.is_empty() {
            methods.push(filesend::METHOD);
        }
        if offer.registries.is_some() {
            methods.extend(auth::METHODS);
        }
        if !offer.attached.secrets.is_empty() {
            methods.push(secrets::METHOD);
        }
        if offer.attached.ssh.is_some() {
            methods.extend(ssh::METHODS);
        }
        if offer.attached.stores.is_some() {
            methods.extend(content::METHODS);
        }
        if !offer.attached.uploads.is_empty() {
            methods.push(upload::METHOD);
        }
        Self {
            id: random_id(),
            services: serve::Services::new(offer),
            methods,
            shared_key,
        }
    }

    /// Serves until the engine ends the session.
    pub(crate) async fn run(self, mut control: ControlClient<Connection>) -> Result<(), tonic::Status> {
        let (writer, messages) = tunnel::messages();
        let mut request = tonic::Request::new(messages);
        *request.metadata_mut() = self.metadata();
        let incoming = control.session(request).await?.into_inner();
        serve::serve(tunnel::Tunnel::new(incoming, writer), self.services).await;
        Ok(())
    }

    fn metadata(&self) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        let mut put = |key: &'static str, value: &str| {
            // A value that no header can hold is left out: only the shared key can be one, and it is a hint.
            if let Ok(value) = MetadataValue::try_from(value) {
                metadata.append(key, value);
            }
        };
        put("x-docker-expose-session-uuid", &self.id);
        put("x-docker-expose-session-name", "luakit");
        put("x-docker-expose-session-sharedkey", &self.shared_key);
        for method in &self.methods {
            put("x-docker-expose-session-grpc-method", method);
        }
        metadata
    }
}
