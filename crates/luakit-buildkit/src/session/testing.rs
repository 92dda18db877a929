//! A session as the engine has it, for tests of its services.

use std::collections::BTreeMap;

use super::attachments::Attachments;
use super::filesend::{Receivers, Targets};
use super::{Failures, Offer, serve};
use crate::grpc::Connection;

/// A connection to a session that offers attachments and nothing else, and what goes wrong in it.
pub(crate) async fn engine_side(attachments: Attachments) -> (Connection, Failures) {
    with_targets(attachments, Targets::new()).await
}

/// The same, with export targets.
pub(crate) async fn with_targets(attachments: Attachments, targets: Targets) -> (Connection, Failures) {
    let (skipped, _) = tokio::sync::mpsc::unbounded_channel();
    let failures = Failures::default();
    let offer = Offer {
        locals: BTreeMap::new(),
        written: Vec::new(),
        targets,
        receivers: Receivers::default(),
        registries: None,
        failures: failures.clone(),
        skipped,
        attached: attachments.open().unwrap(),
    };
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve::serve(ours, serve::Services::new(offer)));
    (Connection::open(theirs, "localhost").await.unwrap(), failures)
}
