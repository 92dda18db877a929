//! One build, from definitions to exported results.
//!
//! Everything that can be wrong with a request is found before the engine hears of it. Then three calls run
//! side by side: the session, the status stream and `Solve`, while [`frontend`] acts as the build's
//! frontend. The build is one future: dropping it closes the calls, and the engine cancels. After a failure
//! the others get a bounded time to say more, so that nothing waits forever.

mod caps;
mod digests;
mod frontend;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use luakit_llb::Platform;
use luakit_llb::definition::check_size;
use luakit_proto::control::{SolveRequest, StatusRequest, StatusResponse};
use luakit_proto::{Message as _, gateway, pb};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::error::{self, BuildError};
use crate::export::{Export, Prepared};
use crate::ids::random_id;
use crate::progress::tracker::Tracker;
use crate::progress::{Event, Update};
use crate::session::auth::RegistryAccess;
use crate::session::{Failures, Offer, Session};
use digests::Digests;

/// How long the engine may take to end a build that has failed on our side.
const GRACE: Duration = Duration::from_secs(5);

/// How long the status stream may be silent after the build's end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What to build.
#[derive(Default)]
pub struct BuildRequest {
    /// The results, one for each platform. Several make one multi-platform result and need a platform each.
    pub results: Vec<PlatformResult>,
    /// Local directories by the names that the definitions use.
    pub locals: BTreeMap<String, PathBuf>,
    /// Where the result goes; none means that it only has to succeed.
    pub exports: Vec<Export>,
    /// Where the credentials for registries are; they are offered if it is given.
    pub registries: Option<RegistryAccess>,
    /// What the build may do beyond the usual: `network.host`, `security.insecure`.
    pub entitlements: Vec<String>,
}

/// One platform's part of a result.
#[derive(Debug, Clone, Default)]
pub struct PlatformResult {
    /// Its platform.
    pub platform: Option<Platform>,
    /// What it consists of; an empty definition is an empty file system.
    pub definition: pb::Definition,
    /// The image's config, as JSON; the exporter adds the layers.
    pub image_config: Option<Vec<u8>>,
}

/// What came of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildResponse {
    /// What the exporters say: `containerimage.digest`, `image.name`, …
    pub exporter: BTreeMap<String, String>,
}

impl Engine {
    /// Builds, and tells `observer` what happens.
    pub async fn build(
        &self,
        request: BuildRequest,
        observer: &mut (dyn FnMut(Event) + Send),
    ) -> Result<BuildResponse, BuildError> {
        check(&request)?;
        let BuildRequest {
            results,
            locals,
            exports,
            registries,
            entitlements,
        } = request;
        let prepared = Prepared::new(exports, self.endpoint())?;
        let digests = Digests::new(results.iter().map(|r| &r.definition));
        let failures = Failures::default();
        let (skipped, mut skips) = mpsc::unbounded_channel();
        let shared_key = shared_key(&locals);
        let offer = Offer {
            locals,
            targets: prepared.targets.clone(),
            registries,
            failures: failures.clone(),
            skipped,
        };
        let session = Session::new(offer, shared_key);
        let id = random_id();
        let request = solve_request(&id, &session.id, &prepared, entitlements);

        let session = Background::spawn(session.run(self.control()));
        let (send_status, mut statuses) = mpsc::unbounded_channel();
        let status = Background::spawn(follow_status(self.control(), id.clone(), send_status));
        let mut control = self.control();
        let solve = control.solve(request);
        tokio::pin!(solve);
        let frontend = frontend::run(self, &id, &results, prepared.exporters.len());
        tokio::pin!(frontend);

        let ours = |digest| digests.ours(digest);
        let mut tracker = Tracker::default();
        let mut cause: Option<frontend::Failure> = None;
        let mut returned = false;
        let deadline = tokio::time::sleep(GRACE);
        tokio::pin!(deadline);
        let solved = loop {
            tokio::select! {
                Some(response) = statuses.recv() => {
                    let update = Update::from_wire(response, &ours);
                    tracker.note(&update);
                    observer(Event::Update(update));
                }
                Some((local, path)) = skips.recv() => observer(Event::SkippedDevice { local, path }),
                result = &mut frontend, if !returned => {
                    returned = true;
                    if let Err(failure) = result {
                        cause = Some(failure);
                        deadline.as_mut().reset(tokio::time::Instant::now() + GRACE);
                    }
                }
                solved = &mut solve => break solved.map(tonic::Response::into_inner),
                () = &mut deadline, if cause.is_some() => {
                    break Err(tonic::Status::deadline_exceeded("the engine doesn't end the failed build"));
                }
            }
        };
        if solved.is_err() && !returned {
            // The engine may end the build that we failed before it answers us.
            if let Ok(Err(failure @ frontend::Failure::Build(_))) = tokio::time::timeout(GRACE, frontend).await {
                cause = Some(failure);
            }
        }
        drop(session);
        while let Ok(Some(response)) = tokio::time::timeout(LAST_WORDS, statuses.recv()).await {
            let update = Update::from_wire(response, &ours);
            tracker.note(&update);
            observer(Event::Update(update));
        }
        drop(status);
        while let Ok((local, path)) = skips.try_recv() {
            observer(Event::SkippedDevice { local, path });
        }

        let context = error::Context {
            tracker: &tracker,
            failure: failures.take(),
            digest: &ours,
        };
        let status = match (cause, solved) {
            (Some(frontend::Failure::Build(error)), _) => return Err(error),
            // The engine has the result, so at most our call to return it went wrong.
            (_, Ok(response)) => {
                prepared.commit()?;
                return Ok(BuildResponse {
                    exporter: response.exporter_response,
                });
            }
            // The gateway's own answer says more than the end of the build that followed from it.
            (Some(frontend::Failure::Status(status)), Err(_)) | (None, Err(status)) => status,
        };
        Err(error::read(&status, context))
    }
}

/// Finds what is wrong with a request by itself.
fn check(request: &BuildRequest) -> Result<(), BuildError> {
    let wrong = |text: &str| Err(BuildError::Request(text.to_owned()));
    if request.results.is_empty() {
        return wrong("there is nothing to build");
    }
    if request.results.len() > 1 {
        let platforms: BTreeSet<_> = request.results.iter().filter_map(|r| r.platform.as_ref()).collect();
        if platforms.len() != request.results.len() {
            return wrong("several results need a platform each, all different");
        }
    }
    for (name, path) in &request.locals {
        let failed = |source| BuildError::LocalDir {
            name: name.clone(),
            path: path.clone(),
            source,
        };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::NotADirectory.into()));
        }
    }
    for result in &request.results {
        let definition = &result.definition;
        check_size(definition)?;
        for bytes in &definition.def {
            let op = pb::Op::decode(bytes.as_slice())
                .map_err(|e| BuildError::Definition(format!("an op can't be decoded: {e}")))?;
            let vertex = || format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
            check_op(&op, vertex, request)?;
        }
    }
    Ok(())
}

/// Finds what a step needs that the request doesn't give.
fn check_op(op: &pb::Op, vertex: impl Fn() -> String, request: &BuildRequest) -> Result<(), BuildError> {
    match &op.op {
        Some(pb::op::Op::Source(source)) => {
            if let Some(name) = source.identifier.strip_prefix("local://")
                && !request.locals.contains_key(name)
            {
                return Err(BuildError::MissingLocal {
                    name: name.to_owned(),
                    vertex: vertex(),
                });
            }
        }
        Some(pb::op::Op::Exec(exec)) => {
            let wants = [
                ("network.host", exec.network == pb::NetMode::Host as i32),
                ("security.insecure", exec.security == pb::SecurityMode::Insecure as i32),
            ];
            for (entitlement, wanted) in wants {
                if wanted && !request.entitlements.iter().any(|given| given == entitlement) {
                    return Err(BuildError::NotAllowed {
                        entitlement,
                        vertex: vertex(),
                    });
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn solve_request(id: &str, session: &str, prepared: &Prepared, entitlements: Vec<String>) -> SolveRequest {
    let first = prepared.exporters.first().cloned().unwrap_or_default();
    SolveRequest {
        r#ref: id.to_owned(),
        session: session.to_owned(),
        exporter_deprecated: first.r#type,
        exporter_attrs_deprecated: first.attrs,
        exporters: prepared.exporters.clone(),
        entitlements,
        ..SolveRequest::default()
    }
}

/// What keeps the engine's copies of local directories apart: the same directories give the same key, on
/// any day, and others another.
fn shared_key(locals: &BTreeMap<String, PathBuf>) -> String {
    let mut hash = Sha256::new();
    for (name, path) in locals {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(real.as_os_str().as_encoded_bytes());
        hash.update([0]);
    }
    hex::encode(hash.finalize())
}

/// Passes the status stream on until it ends.
async fn follow_status(
    mut control: luakit_proto::control::control_client::ControlClient<crate::grpc::Connection>,
    id: String,
    updates: mpsc::UnboundedSender<StatusResponse>,
) -> Result<(), tonic::Status> {
    let mut stream = control.status(StatusRequest { r#ref: id }).await?.into_inner();
    while let Some(response) = stream.message().await? {
        if updates.send(response).is_err() {
            break;
        }
    }
    Ok(())
}

/// The metadata of a result: configs by platform.
fn result_metadata(results: &[PlatformResult]) -> BTreeMap<String, Vec<u8>> {
    let several = results.len() > 1;
    let mut metadata = BTreeMap::new();
    let mut platforms = Vec::new();
    for result in results {
        if let Some(config) = &result.image_config {
            let key = match &result.platform {
                Some(platform) if several => format!("containerimage.config/{platform}"),
                _ => "containerimage.config".to_owned(),
            };
            metadata.insert(key, config.clone());
        }
        if let Some(platform) = &result.platform {
            let mut oci = serde_json::json!({ "architecture": platform.arch(), "os": platform.os() });
            if !platform.variant().is_empty()
                && let Some(map) = oci.as_object_mut()
            {
                map.insert("variant".to_owned(), platform.variant().into());
            }
            platforms.push(serde_json::json!({ "ID": platform.to_string(), "Platform": oci }));
        }
    }
    if !platforms.is_empty() {
        let json = serde_json::json!({ "Platforms": platforms }).to_string();
        metadata.insert("refs.platforms".to_owned(), json.into_bytes());
    }
    metadata
}

/// The refs of a result, in the shape that its number of platforms has.
fn result_refs(results: &[PlatformResult], refs: Vec<gateway::Ref>) -> Option<gateway::result::Result> {
    if results.len() > 1 {
        let named = results
            .iter()
            .zip(refs)
            .filter_map(|(result, r)| Some((result.platform.as_ref()?.to_string(), r)));
        let refs = luakit_proto::map::entries(named);
        return Some(gateway::result::Result::Refs(gateway::RefMap { refs }));
    }
    refs.into_iter().next().map(gateway::result::Result::Ref)
}

/// A task that ends with its handle.
struct Background<T>(JoinHandle<T>);

impl<T: Send + 'static> Background<T> {
    fn spawn(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(platform: &str, config: &str) -> PlatformResult {
        PlatformResult {
            platform: platform.parse().ok(),
            image_config: Some(config.as_bytes().to_vec()),
            ..PlatformResult::default()
        }
    }

    fn shown(results: &[PlatformResult]) -> String {
        let line = |(k, v): (String, Vec<u8>)| format!("{k} = {}", String::from_utf8_lossy(&v));
        result_metadata(results)
            .into_iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn metadata_for_one_and_for_several() {
        insta::assert_snapshot!(shown(&[result("linux/amd64", "{}")]), @r#"
        containerimage.config = {}
        refs.platforms = {"Platforms":[{"ID":"linux/amd64","Platform":{"architecture":"amd64","os":"linux"}}]}
        "#);
        insta::assert_snapshot!(shown(&[result("linux/arm/v7", "a"), result("linux/amd64", "b")]), @r#"
        containerimage.config/linux/amd64 = b
        containerimage.config/linux/arm/v7 = a
        refs.platforms = {"Platforms":[{"ID":"linux/arm/v7","Platform":{"architecture":"arm","os":"linux","variant":"v7"}},{"ID":"linux/amd64","Platform":{"architecture":"amd64","os":"linux"}}]}
        "#);
    }

    #[test]
    fn requests_are_checked() {
        let local = pb::Op {
            op: Some(pb::op::Op::Source(pb::SourceOp {
                identifier: "local://context".into(),
                attrs: Vec::new(),
            })),
            ..pb::Op::default()
        };
        let with = |def: Vec<u8>| BuildRequest {
            results: vec![PlatformResult {
                definition: pb::Definition {
                    def: vec![def],
                    ..pb::Definition::default()
                },
                ..PlatformResult::default()
            }],
            ..BuildRequest::default()
        };
        let exec = |network: pb::NetMode, security: pb::SecurityMode| {
            let exec = pb::ExecOp {
                network: network as i32,
                security: security as i32,
                ..pb::ExecOp::default()
            };
            let op = pb::Op {
                op: Some(pb::op::Op::Exec(exec)),
                ..pb::Op::default()
            };
            op.encode_to_vec()
        };
        let mut given = with(local.encode_to_vec());
        given.locals.insert("context".into(), "/nonexistent".into());
        let twice = BuildRequest {
            results: vec![result("linux/amd64", ""), result("linux/amd64", "")],
            ..BuildRequest::default()
        };
        let requests = [
            BuildRequest::default(),
            twice,
            with(b"\xff".to_vec()),
            with(local.encode_to_vec()),
            given,
            with(vec![0; luakit_llb::definition::SOLVE_LIMIT]),
            with(exec(pb::NetMode::Host, pb::SecurityMode::Sandbox)),
            with(exec(pb::NetMode::Unset, pb::SecurityMode::Insecure)),
        ];
        let errors = requests.map(|r| check(&r).unwrap_err().to_string());
        insta::assert_snapshot!(errors.join("\n"), @r#"
        there is nothing to build
        several results need a platform each, all different
        malformed definition: an op can't be decoded: failed to decode Protobuf message: invalid varint
        the definition needs the local directory `context`, which was not given
        can't open `/nonexistent`, given as the local directory `context`: No such file or directory (os error 2)
        the definition has 16711685 bytes, and an engine takes 16711680 at most
        a step needs `network.host`, which the build is not allowed
        a step needs `security.insecure`, which the build is not allowed
        "#);
    }
}
