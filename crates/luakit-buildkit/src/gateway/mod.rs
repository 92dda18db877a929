//! The engine's gateway: what a frontend may ask for during a build.
//!
//! A [`Gateway`] resolves images and solves definitions on the engine; it is the `Solver` that `luakit-frontend`
//! builds with. Calls of a client that plays the frontend itself carry the build's id; a frontend in a container
//! ([`stdio`]) has a connection of its own, reads files of results and warns through it ([`files`]), and ends by
//! returning ([`finish`]). Definitions are checked against what the engine knows, and against what the build offers where
//! that is known, before the first is sent. Protocol:
//! <https://github.com/moby/buildkit/blob/master/frontend/gateway/pb/gateway.proto>,
//! <https://github.com/moby/buildkit/blob/master/control/gateway/gateway.go>.

mod error;
mod files;
mod finish;
mod places;
pub(crate) mod results;
pub mod stdio;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use luakit_frontend::Solver;
use luakit_frontend::resolve::{Failure, ImageResolver, ResolveError};
use luakit_llb::definition::TooLarge;
use luakit_llb::op::ResolveMode;
use luakit_llb::{Definition, Platform, Reference, ResolvedImage};
use luakit_proto::gateway::llb_bridge_client::LlbBridgeClient;
use luakit_proto::gateway::{
    CacheOptionsEntry, PingRequest, PongResponse, Ref, ResolveImageConfigRequest, ReturnRequest, SolveRequest, result,
};
use luakit_proto::pb;
use tonic::metadata::MetadataValue;
use tonic::{Request, Status};

pub use error::GatewayError;
pub(crate) use error::Refusal;

use crate::build::caps;
use crate::build::check::{check_definition, privileges};
use crate::build::digests::Digests;
use crate::entitlements::Device;
use crate::error::BuildError;
use crate::grpc::{Connection, MESSAGE};
use crate::session::attachments::Attachments;

/// A build's way to its engine.
#[derive(Clone)]
pub struct Gateway {
    client: LlbBridgeClient<Connection>,
    /// The build's id, where the connection carries several builds.
    id: Option<String>,
    /// What the engine says of itself.
    pong: Arc<PongResponse>,
    setting: Arc<Setting>,
}

/// What the build around the frontend is.
#[derive(Debug, Default)]
pub(crate) struct Setting {
    /// The engine, as a message calls it.
    pub(crate) engine: String,
    /// How many exporters wait for the result.
    pub(crate) exports: usize,
    /// What the build offers and may do; `None` when somebody else knows.
    pub(crate) offered: Option<Offered>,
    /// The session that offers things, where that isn't ours.
    pub(crate) session: String,
    /// Where cache of the results may come from.
    pub(crate) cache_imports: Vec<CacheOptionsEntry>,
    /// How the engine treats the copies of images that it has.
    pub(crate) resolve_mode: ResolveMode,
    /// The steps of the definitions that were sent, by their digests.
    pub(crate) digests: Mutex<Digests>,
}

/// What a build offers its steps, by name, and what these may do.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    /// Local directories.
    pub(crate) locals: BTreeSet<String>,
    /// What the build may do beyond the usual.
    pub(crate) entitlements: Vec<String>,
    /// The devices that the engine has, where they are checked: whoever starts a build has them checked before.
    pub(crate) devices: Vec<Device>,
    pub(crate) secrets: BTreeSet<String>,
    pub(crate) ssh: BTreeSet<String>,
}

impl Offered {
    pub(crate) fn new<'a>(
        locals: impl Iterator<Item = &'a String>,
        entitlements: &[String],
        attachments: &Attachments,
    ) -> Self {
        Self {
            locals: locals.cloned().collect(),
            entitlements: entitlements.to_vec(),
            devices: Vec::new(),
            secrets: attachments.secrets.keys().cloned().collect(),
            ssh: attachments.ssh.keys().cloned().collect(),
        }
    }
}

/// A result that lies with the engine. The default one is the empty file system.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResultRef(pub(crate) Ref);

impl Gateway {
    /// Greets the engine for the build `id`.
    pub(crate) async fn open(
        connection: Connection,
        id: Option<String>,
        setting: Arc<Setting>,
    ) -> Result<Self, Status> {
        let client = LlbBridgeClient::new(connection)
            .max_decoding_message_size(MESSAGE)
            .max_encoding_message_size(MESSAGE);
        let mut gateway = Self {
            client,
            id,
            pong: Arc::default(),
            setting,
        };
        let ping = gateway.request(PingRequest {});
        gateway.pong = Arc::new(gateway.client.ping(ping).await?.into_inner());
        Ok(gateway)
    }

    /// Ends the frontend's part of the build.
    pub(crate) async fn finish(&self, request: ReturnRequest) -> Result<(), Status> {
        self.client.clone().r#return(self.request(request)).await?;
        Ok(())
    }

    /// A call that belongs to the build.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        // Ids are ASCII letters and digits.
        if let Some(id) = self.id.as_deref().and_then(|id| MetadataValue::try_from(id).ok()) {
            request.metadata_mut().insert("buildkit-controlapi-buildid", id);
        }
        request
    }

    /// Whether the engine's gateway has a capability.
    fn offers(&self, cap: &str) -> bool {
        self.pong.frontend_api_caps.iter().any(|c| c.enabled && c.id == cap)
    }

    async fn solve_one(
        &self,
        definition: pb::Definition,
        cache_imports: &[CacheOptionsEntry],
        evaluate: bool,
    ) -> Result<ResultRef, GatewayError> {
        if definition.def.is_empty() {
            return Ok(ResultRef::default());
        }
        let message = SolveRequest {
            cache_imports: cache_imports.to_vec(),
            evaluate,
            ..solve_request(definition)
        };
        let solved = self.client.clone().solve(self.request(message)).await;
        let solved = solved.map_err(refusal)?.into_inner();
        match solved.result.and_then(|r| r.result) {
            Some(result::Result::Ref(r)) => Ok(ResultRef(r)),
            other => {
                let text = format!("the engine solved a definition to {other:?} instead of one ref");
                Err(Status::internal(text).into())
            }
        }
    }

    /// Has definitions solved, with these caches to import from.
    async fn solve_all(
        &self,
        definitions: Vec<Definition>,
        cache_imports: &[CacheOptionsEntry],
    ) -> Result<Vec<ResultRef>, GatewayError> {
        let definitions: Vec<pb::Definition> = definitions.iter().map(|d| d.message().clone()).collect();
        for definition in &definitions {
            check_definition(definition, self.setting.offered.as_ref())?;
        }
        // Who asks for the build says what it may do. What it may not would else be told after the frontend's end, and
        // without a place in the script.
        let privileges: Vec<_> = match self.setting.offered {
            None if self.offers("gateway.solve.evaluate") => definitions.iter().flat_map(privileges).collect(),
            _ => Vec::new(),
        };
        self.setting
            .digests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&definitions);
        let pong = &self.pong;
        let known = caps::Known::new(&pong.llb_caps);
        let definitions: Vec<_> = definitions.into_iter().map(|d| known.correct(d)).collect();
        let missing = caps::missing(&definitions, self.setting.exports, &pong.frontend_api_caps, &known);
        if !missing.is_empty() {
            let engine = self.setting.engine.clone();
            return Err(BuildError::Unsupported { engine, missing }.into());
        }
        let evaluate = !privileges.is_empty();
        let solved = definitions
            .into_iter()
            .map(|d| self.solve_one(d, cache_imports, evaluate));
        try_join_all(solved)
            .await
            .map_err(|error| not_allowed(error, privileges))
    }

    async fn resolve_one(
        &self,
        reference: &Reference,
        platform: &Platform,
        mode: ResolveMode,
    ) -> Result<ResolvedImage, Failure> {
        let request = ResolveImageConfigRequest {
            r#ref: reference.to_string(),
            platform: Some(platform_message(platform)),
            resolve_mode: match mode {
                ResolveMode::Default => self.setting.resolve_mode,
                own => own,
            }
            .as_str()
            .to_owned(),
            log_name: format!("[internal] load metadata for {reference}"),
            ..ResolveImageConfigRequest::default()
        };
        let answer = self.client.clone().resolve_image_config(self.request(request)).await;
        let answer = answer.map_err(|status| engine_says(&status))?.into_inner();
        let digest = match answer.digest.as_str() {
            // Docker's older store knows local images by no digest.
            "" => None,
            digest => Some(digest.parse().map_err(|_| Failure::Engine {
                message: format!("its digest is `{digest}`, which is none"),
            })?),
        };
        // Older engines say nothing of it.
        let taken = match answer.r#ref.as_str() {
            "" => None,
            taken => Some(taken.parse::<Reference>().map_err(|_| Failure::Engine {
                message: format!("it takes `{taken}` in its place, which is no image"),
            })?),
        };
        Ok(ResolvedImage {
            reference: taken.filter(|taken| taken != reference),
            digest,
            config: answer.config,
        })
    }
}

impl ImageResolver for Gateway {
    async fn resolve(
        &self,
        reference: &Reference,
        platforms: &[Platform],
        mode: ResolveMode,
    ) -> Vec<Result<ResolvedImage, ResolveError>> {
        let mut answers = Vec::with_capacity(platforms.len());
        let mut agreed = reference.clone();
        for platform in platforms {
            let answer = self.resolve_one(&agreed, platform, mode).await.map(|image| {
                // The tag may move in between: what the first answer takes, with its digest, holds for all.
                agreed = image.pinned(&agreed);
                let unchanged = match &image.digest {
                    Some(digest) => reference.with_digest(digest.clone()),
                    None => reference.clone(),
                };
                ResolvedImage {
                    reference: (agreed != unchanged).then(|| agreed.clone()),
                    ..image
                }
            });
            answers.push(answer.map_err(|failure| ResolveError {
                reference: reference.clone(),
                platform: platform.clone(),
                failure,
                attempts: Vec::new(),
            }));
        }
        answers
    }
}

impl Solver for Gateway {
    type Ref = ResultRef;
    type Error = GatewayError;

    async fn solve(&self, definitions: Vec<Definition>) -> Result<Vec<ResultRef>, GatewayError> {
        self.solve_all(definitions, &self.setting.cache_imports).await
    }
}

fn platform_message(platform: &Platform) -> pb::Platform {
    pb::Platform {
        os: platform.os().to_owned(),
        architecture: platform.arch().to_owned(),
        variant: platform.variant().to_owned(),
        ..pb::Platform::default()
    }
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

/// Why the engine refused a definition. Docker up to 26 takes 4 MiB only, and says so in words alone.
fn refusal(status: Status) -> GatewayError {
    let sizes = || -> Option<(usize, usize)> {
        let (_, sizes) = status.message().split_once("larger than max (")?;
        let (size, limit) = sizes.strip_suffix(')')?.split_once(" vs. ")?;
        Some((size.parse().ok()?, limit.parse().ok()?))
    };
    match sizes() {
        Some((size, limit)) if status.code() == tonic::Code::ResourceExhausted => {
            BuildError::TooLarge(TooLarge { size, limit }).into()
        }
        _ => status.into(),
    }
}

/// A build that may not do what some of its steps need; the engine's error names no step.
fn not_allowed(error: GatewayError, privileges: Vec<(&'static str, String)>) -> GatewayError {
    let GatewayError(Refusal::Status(status)) = &error else {
        return error;
    };
    let says = |name: &str| status.message().contains(&format!("{name} is not allowed"));
    match privileges.into_iter().find(|(name, _)| says(name)) {
        Some((name, vertex)) => {
            let entitlement = name.to_owned();
            BuildError::NotAllowed { entitlement, vertex }.into()
        }
        None => error,
    }
}

/// What the engine says of an image, without what it says of itself.
fn engine_says(status: &Status) -> Failure {
    Failure::Engine {
        message: crate::error::text(status),
    }
}
