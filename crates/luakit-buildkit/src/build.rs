//! One build, from a frontend's definitions to exported results.
//!
//! Three calls run side by side: the session, the status stream and `Solve`. A `Solve` with neither definition nor
//! frontend makes the engine wait for gateway calls that carry the build's id: the caller is the frontend, so that
//! image configs and several platforms can be returned. What can be found wrong before the engine hears of it is. The
//! build is one future: dropping it closes the calls, and the engine cancels; so does the request's token, but then the
//! future goes on until the engine has ended the build. After a failure the others get a bounded time to say more, so
//! that nothing waits forever; a registry that the engine waits for gets a longer one ([`Patience`]).

pub(crate) mod caps;
pub(crate) mod check;
pub(crate) mod digests;
mod local_cache;
mod response;
mod stall;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use luakit_frontend::Solver as _;
use luakit_llb::{Definition, Platform};
use luakit_proto::control::{CacheOptions, SolveRequest, StatusRequest, StatusResponse};
use luakit_proto::{control, gateway, rpc, sourcepolicy};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::{self, BuildError};
use crate::export::{Export, Prepared};
use crate::gateway::{Gateway, GatewayError, Offered, Refusal, ResultRef, Setting, results};
use crate::ids::random_id;
use crate::progress::tracker::Tracker;
use crate::progress::{Event, Update};
use crate::session::attachments::Attachments;
use crate::session::auth::RegistryAccess;
use crate::session::content::ContentStore;
use crate::session::filesend::Receivers;
use crate::session::{Failures, Offer, Session};
pub use response::BuildResponse;

pub use stall::Patience;
use stall::Watch;

/// How long the engine may take to end a build that has failed on our side.
const GRACE: Duration = Duration::from_secs(5);

/// How long the status stream may be silent after the build's end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How long the engine may take to end a build that is canceled.
const CANCELING: Duration = Duration::from_secs(10);

/// What surrounds a build's definitions.
#[derive(Default)]
pub struct BuildRequest {
    /// What the engine knows the build by; made up where there is none. Nothing but a [`crate::build_id`] will do.
    pub id: Option<String>,
    /// Local directories by the names that the definitions use.
    pub locals: BTreeMap<String, PathBuf>,
    /// Where the result goes; none means that it only has to succeed.
    pub exports: Vec<Export>,
    /// Files that are written besides while it is built, as [`crate::OutputFile::places`] has them. Of local directories
    /// neither these nor the exports' own are sent: they would be another input each time.
    pub written: Vec<PathBuf>,
    /// Where the credentials for registries are; they are offered if it is given.
    pub registries: Option<RegistryAccess>,
    /// What the build may do beyond the usual: `network.host`, `security.insecure`, `device=NAME`.
    pub entitlements: Vec<String>,
    /// Where cache may come from.
    pub cache_imports: Vec<CacheEntry>,
    /// Where the build's cache goes.
    pub cache_exports: Vec<CacheEntry>,
    /// What the engine's own part of a build listens to, by BuildKit's names: `attest:provenance`, …
    pub attributes: BTreeMap<String, String>,
    /// Which sources may be used, and as what.
    pub source_policy: Option<sourcepolicy::Policy>,
    /// Whether images are looked up anew though the engine has copies of them.
    pub pull: bool,
    /// Whether the result is one of several platforms though there may be only one: an index, or a directory for each
    /// platform. So it is with a node's part of a build.
    pub multi_platform: bool,
    /// Cancels the build on the engine. The build then ends with [`BuildError::Canceled`] when the engine has ended it,
    /// after 10 seconds at the latest; what happens until then is told as ever.
    pub cancel: CancellationToken,
    /// How long registries may be silent until the build is given up.
    pub patience: Patience,
    /// Secrets, SSH agents, image layouts and streams that the build may use.
    pub attachments: Attachments,
}

/// One place of cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheEntry {
    /// Its kind: `registry`, `local`, `inline`, `gha`, `s3`, `azblob`.
    pub kind: String,
    /// What that kind takes, by BuildKit's names.
    pub attrs: BTreeMap<String, String>,
}

/// A definition that is ready, for [`Engine::solve`].
#[derive(Debug, Clone)]
pub struct PlatformDefinition {
    /// Its platform.
    pub platform: Option<Platform>,
    /// What it consists of.
    pub definition: Definition,
    /// The image's config, as JSON; the exporter adds the layers.
    pub image_config: Option<Vec<u8>>,
}

/// One platform's part of what a frontend returns.
#[derive(Debug, Clone, Default)]
pub struct PlatformResult {
    /// Its platform; several results need one each, all different.
    pub platform: Option<Platform>,
    /// What was solved.
    pub result: ResultRef,
    /// The image's config, as JSON; the exporter adds the layers.
    pub image_config: Option<Vec<u8>>,
    /// The config of the image that it was built on, by which the engine tells inherited layers.
    pub base_config: Option<Vec<u8>>,
    /// Annotations of the image's manifest, from a frontend whose client doesn't know them: who starts a build itself
    /// gives them to the exporters.
    pub annotations: BTreeMap<String, String>,
}

/// Why a frontend returns nothing.
#[derive(Debug)]
pub enum FrontendError<E> {
    /// The gateway didn't do what it was asked for.
    Gateway(GatewayError),
    /// Its own reason.
    Own(E),
}

impl<E> From<GatewayError> for FrontendError<E> {
    fn from(error: GatewayError) -> Self {
        Self::Gateway(error)
    }
}

/// Why a build that a frontend is part of gives nothing.
#[derive(Debug)]
pub enum BuildFailure<E> {
    /// The build failed.
    Build(BuildError),
    /// The frontend did, by its own reason.
    Frontend(E),
}

impl<E> From<BuildError> for BuildFailure<E> {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl BuildRequest {
    /// What a further engine is asked that has a part in this build: the same, but for exports and streams, which go
    /// to one.
    pub fn for_another(&self) -> Self {
        Self {
            id: None,
            locals: self.locals.clone(),
            exports: Vec::new(),
            written: self.written.clone(),
            registries: self.registries.clone(),
            entitlements: self.entitlements.clone(),
            cache_imports: self.cache_imports.clone(),
            cache_exports: self.cache_exports.clone(),
            attributes: self.attributes.clone(),
            source_policy: self.source_policy.clone(),
            pull: self.pull,
            multi_platform: self.multi_platform,
            cancel: self.cancel.clone(),
            patience: self.patience,
            attachments: self.attachments.for_another(),
        }
    }
}

impl Engine {
    /// Finds what a build lacks that its definitions need, before the engine hears of it. They may be unresolved still:
    /// what an image's digest is makes no difference.
    pub async fn check(&self, request: &BuildRequest, definitions: &[Definition]) -> Result<(), BuildError> {
        check::check_locals(&request.locals)?;
        request.attachments.for_another().open()?;
        let mut offered = Offered::new(request.locals.keys(), &request.entitlements, &request.attachments);
        if definitions
            .iter()
            .any(|definition| check::names_devices(definition.message()))
        {
            let worker = self.workers().await?.first();
            offered.devices = worker.map(|worker| worker.devices.clone()).unwrap_or_default();
        }
        let mut definitions = definitions.iter();
        definitions.try_for_each(|definition| check::check_definition(definition.message(), Some(&offered)))
    }

    /// Builds definitions that are ready, one for each platform, and tells `observer` what happens.
    pub async fn solve(
        &self,
        request: BuildRequest,
        definitions: Vec<PlatformDefinition>,
        observer: &mut (dyn FnMut(Event) + Send),
    ) -> Result<BuildResponse, BuildError> {
        check::check_platforms(definitions.iter().map(|d| d.platform.as_ref()))?;
        let offered = Offered::new(request.locals.keys(), &request.entitlements, &request.attachments);
        for definition in &definitions {
            check::check_definition(definition.definition.message(), Some(&offered))?;
        }
        let frontend = |gateway: Gateway| async move {
            let sent = definitions.iter().map(|d| d.definition.clone()).collect();
            let refs = gateway.solve(sent).await?;
            let result = |(d, result): (PlatformDefinition, ResultRef)| PlatformResult {
                platform: d.platform,
                result,
                image_config: d.image_config,
                ..PlatformResult::default()
            };
            Ok(definitions.into_iter().zip(refs).map(result).collect())
        };
        let built = self
            .build::<std::convert::Infallible, _>(request, frontend, observer)
            .await;
        built.map_err(|failure| match failure {
            BuildFailure::Build(error) => error,
            BuildFailure::Frontend(never) => match never {},
        })
    }

    /// Builds what `frontend` returns, and tells `observer` what happens.
    pub async fn build<E, F>(
        &self,
        request: BuildRequest,
        frontend: impl FnOnce(Gateway) -> F + Send,
        observer: &mut (dyn FnMut(Event) + Send),
    ) -> Result<BuildResponse, BuildFailure<E>>
    where
        E: fmt::Display + Send,
        F: Future<Output = Result<Vec<PlatformResult>, FrontendError<E>>> + Send,
    {
        check::check_locals(&request.locals)?;
        let BuildRequest {
            id,
            locals,
            exports,
            mut written,
            registries,
            entitlements,
            mut cache_imports,
            cache_exports,
            attributes,
            source_policy,
            pull,
            multi_platform,
            cancel,
            patience,
            mut attachments,
        } = request;
        let mut watch = Watch::new(patience, &exports);
        let prepared = Prepared::new(exports, self.endpoint())?;
        written.extend(prepared.written());
        if let Some(dir) = prepared.layout.clone() {
            let store = ContentStore { dir, writable: true };
            attachments.stores.insert("export".to_owned(), store);
        }
        let caches = local_cache::attach(&mut cache_imports, &cache_exports, &mut attachments.stores)?;
        let offered = Offered::new(locals.keys(), &entitlements, &attachments);
        let attached = attachments.open().map_err(BuildError::from)?;
        let setting = Arc::new(Setting {
            engine: format!("BuildKit {}", self.version().unwrap_or("of unknown version")),
            exports: prepared.exporters.len(),
            offered: Some(offered),
            session: String::new(),
            cache_imports: cache_imports.iter().cloned().map(CacheEntry::into_gateway).collect(),
            resolve_mode: self.resolve_mode(pull),
            digests: Mutex::default(),
        });
        let failures = Failures::default();
        let receivers = Receivers::default();
        let (skipped, mut skips) = mpsc::unbounded_channel();
        let shared_key = shared_key(&locals);
        let offer = Offer {
            locals,
            written,
            targets: prepared.targets.clone(),
            receivers: receivers.clone(),
            registries,
            failures: failures.clone(),
            skipped,
            attached,
        };
        let session = Session::new(offer, shared_key);
        let id = id.unwrap_or_else(random_id);
        let first = prepared.exporters.first().cloned().unwrap_or_default();
        let request = SolveRequest {
            r#ref: id.clone(),
            session: session.id.clone(),
            exporter_deprecated: first.r#type,
            exporter_attrs_deprecated: first.attrs,
            exporters: prepared.exporters.clone(),
            entitlements,
            frontend_attrs: attributes.into_iter().collect(),
            cache: Some(CacheOptions {
                exports: cache_exports.into_iter().map(CacheEntry::into_control).collect(),
                imports: cache_imports.into_iter().map(CacheEntry::into_control).collect(),
            }),
            source_policy,
            ..SolveRequest::default()
        };

        let mut session = Background::spawn(session.run(self.control()));
        let (send_status, mut statuses) = mpsc::unbounded_channel();
        let status = Background::spawn(follow_status(self.control(), id.clone(), send_status));
        let mut control = self.control();
        let mut solve = Box::pin(control.solve(request));
        let mut frontend = Box::pin(run_frontend(self, &id, &setting, multi_platform, frontend));

        let digests = || setting.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = |digest| digests().ours(digest);
        let mut tracker = Tracker::default();
        let mut cause: Option<FrontendError<E>> = None;
        let mut returned = false;
        let mut followed = true;
        let deadline = tokio::time::sleep(GRACE);
        tokio::pin!(deadline);
        let mut looks = tokio::time::interval(watch.pace());
        let ended = loop {
            tokio::select! {
                told = statuses.recv(), if followed => match told {
                    Some(Ok(response)) => {
                        let update = Update::from_wire(response, &ours);
                        watch.note(&update);
                        tracker.note(&update);
                        observer(Event::Update(update));
                    }
                    // Nobody knows any more what is under way.
                    Some(Err(status)) => {
                        followed = false;
                        // A lost connection is the build's end, which is told.
                        if error::lost(&status).is_none() {
                            observer(Event::Unfollowed { message: error::text(&status) });
                        }
                    }
                    None => followed = false,
                },
                Some((local, path)) = skips.recv() => observer(Event::SkippedDevice { local, path }),
                result = &mut frontend, if !returned => {
                    returned = true;
                    if let Err(failure) = result {
                        cause = Some(failure);
                        deadline.as_mut().reset(tokio::time::Instant::now() + GRACE);
                    }
                }
                solved = &mut solve => break Ok(solved.map(tonic::Response::into_inner)),
                () = &mut deadline, if cause.is_some() => {
                    break Ok(Err(tonic::Status::deadline_exceeded("the engine doesn't end the failed build")));
                }
                () = cancel.cancelled() => break Err(BuildError::Canceled),
                _ = looks.tick(), if followed => if let Some(stalled) = watch.stalled(&digests()) {
                    break Err(stalled);
                }
            }
        };
        let solved = match ended {
            Ok(solved) => solved,
            Err(error) => {
                // Without these calls the engine stops the build's steps; the status stream ends when they have.
                drop((solve, frontend));
                let words = async {
                    while let Some(Ok(response)) = statuses.recv().await {
                        observer(Event::Update(Update::from_wire(response, &ours)));
                    }
                };
                let _late = tokio::time::timeout(CANCELING, words).await;
                drop(session);
                receivers.ended().await;
                return Err(error.into());
            }
        };
        if solved.is_err() && !returned {
            // The engine may end the build that we failed before it answers us.
            if let Ok(Err(failure)) = tokio::time::timeout(GRACE, frontend).await
                && !matches!(failure, FrontendError::Gateway(GatewayError(Refusal::Status(_))))
            {
                cause = Some(failure);
            }
        }
        let refusal = session.ended().await.and_then(Result::err);
        drop(session);
        while let Ok(Some(Ok(response))) = tokio::time::timeout(LAST_WORDS, statuses.recv()).await {
            let update = Update::from_wire(response, &ours);
            tracker.note(&update);
            observer(Event::Update(update));
        }
        drop(status);
        receivers.ended().await;
        while let Ok((local, path)) = skips.try_recv() {
            observer(Event::SkippedDevice { local, path });
        }
        if solved.is_ok() {
            tokio::select! {
                synced = prepared.sync() => synced?,
                () = cancel.cancelled() => return Err(BuildError::Canceled.into()),
            }
        }

        let status = match (cause, solved) {
            (Some(FrontendError::Own(error)), _) => return Err(BuildFailure::Frontend(error)),
            (Some(FrontendError::Gateway(GatewayError(Refusal::Build(error)))), _) => return Err(error.into()),
            // The engine has the result, so at most our call to return it went wrong.
            (_, Ok(response)) => {
                let exporter = response.exporter_response;
                let noted = async {
                    prepared.commit(&exporter).await?;
                    caches.note(&exporter).await
                };
                tokio::select! {
                    biased;
                    noted = noted => noted?,
                    () = cancel.cancelled() => return Err(BuildError::Canceled.into()),
                }
                return Ok(BuildResponse { exporter });
            }
            // The gateway's own answer says more than the end of the build that followed from it.
            (Some(FrontendError::Gateway(GatewayError(Refusal::Status(status)))), Err(_)) | (None, Err(status)) => {
                status
            }
        };
        let context = error::Context {
            tracker: &tracker,
            failure: failures.take(),
            digest: &ours,
        };
        Err(without_session(refusal, self.explain(error::read(&status, context))).into())
    }
}

/// A build's failure, with why there was no session if that may be its cause.
fn without_session(refusal: Option<tonic::Status>, error: BuildError) -> BuildError {
    match (refusal, error) {
        (_, error @ BuildError::Lost(_)) | (None, error) => error,
        (_, BuildError::Step(step)) if step.exit_code.is_some() => BuildError::Step(step),
        (Some(refusal), error) => BuildError::Session {
            refusal: error::text(&refusal),
            source: Box::new(error),
        },
    }
}

/// Runs the frontend of the build `id`, and returns what it returns, or the error that prevents it, to the engine.
async fn run_frontend<E: fmt::Display, F>(
    engine: &Engine,
    id: &str,
    setting: &Arc<Setting>,
    multi_platform: bool,
    frontend: impl FnOnce(Gateway) -> F,
) -> Result<(), FrontendError<E>>
where
    F: Future<Output = Result<Vec<PlatformResult>, FrontendError<E>>>,
{
    let gateway = Gateway::open(engine.connection.clone(), Some(id.to_owned()), Arc::clone(setting));
    let gateway = gateway.await.map_err(GatewayError::from)?;
    let results = frontend(gateway.clone()).await.and_then(|results| {
        let platforms = check::check_platforms(results.iter().map(|r| r.platform.as_ref()));
        platforms.map_err(GatewayError::from)?;
        Ok(results)
    });
    let request = match &results {
        Ok(results) => gateway::ReturnRequest {
            result: Some(results::message(results, multi_platform)),
            error: None,
        },
        Err(failure) => gateway::ReturnRequest {
            result: None,
            error: Some(failure.to_wire()),
        },
    };
    // Without this the engine would wait for us.
    let returned = gateway.finish(request).await;
    results?;
    returned.map_err(GatewayError::from)?;
    Ok(())
}

impl<E: fmt::Display> FrontendError<E> {
    fn to_wire(&self) -> rpc::Status {
        match self {
            Self::Gateway(error) => error.to_wire(),
            Self::Own(error) => rpc::Status {
                code: tonic::Code::FailedPrecondition as i32,
                message: error.to_string(),
                details: Vec::new(),
            },
        }
    }
}

impl CacheEntry {
    fn into_control(self) -> control::CacheOptionsEntry {
        control::CacheOptionsEntry {
            r#type: self.kind,
            attrs: self.attrs.into_iter().collect(),
        }
    }

    pub(crate) fn into_gateway(self) -> gateway::CacheOptionsEntry {
        gateway::CacheOptionsEntry {
            r#type: self.kind,
            attrs: self.attrs.into_iter().collect(),
        }
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

/// Passes the status stream on until it ends, and how it fails.
async fn follow_status(
    mut control: luakit_proto::control::control_client::ControlClient<crate::grpc::Connection>,
    id: String,
    updates: mpsc::UnboundedSender<Result<StatusResponse, tonic::Status>>,
) {
    let mut stream = match control.status(StatusRequest { r#ref: id }).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            // Nobody listens any more once the build is over.
            let _ = updates.send(Err(status));
            return;
        }
    };
    while let Some(told) = stream.message().await.transpose() {
        if updates.send(told).is_err() {
            return;
        }
    }
}

/// A task that ends with its handle.
struct Background<T>(JoinHandle<T>);

impl<T: Send + 'static> Background<T> {
    fn spawn(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }

    /// What it gave, if it has ended by itself.
    async fn ended(&mut self) -> Option<T> {
        if !self.0.is_finished() {
            return None;
        }
        (&mut self.0).await.ok()
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
