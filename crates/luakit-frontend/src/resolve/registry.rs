//! Registries as a source of images: which host is asked, what it is asked, and that its answers are true.
//!
//! Spoken with directly rather than through a client library, because of what those don't do: bound the size
//! of a manifest, take identity tokens, reach each host in its own way, say when to try again.
//! The protocol: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull>.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use luakit_llb::op::ResolveMode;
use luakit_llb::{ImageDigest, Platform, Reference, ResolvedImage};
use reqwest::Client;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use tokio::sync::Mutex;

use crate::credentials::Credentials;
use crate::resolve::auth::{self, Authorization};
use crate::resolve::config::{Host, RegistryConfig, Way};
use crate::resolve::error::{Attempt, Failure, Part};
use crate::resolve::http::{Answer, Network, error_detail, host_client, read_body, retry_after};
use crate::resolve::manifest::{ACCEPT, Entry, Manifest, choose, read_config};
use crate::resolve::matching::Matcher;
use crate::resolve::{ImageResolver, ResolveError};

/// What the distribution specification gives manifests at most.
pub(super) const MANIFEST_LIMIT: usize = 4 << 20;
/// Configs are smaller than manifests in practice; containerd has this limit for both.
pub(super) const CONFIG_LIMIT: usize = 8 << 20;
/// An index may hold an index; nothing good holds more of them.
pub(super) const INDEX_DEPTH: usize = 4;

/// Resolves images by asking registries.
#[derive(Debug)]
pub struct Registry {
    config: RegistryConfig,
    network: Network,
    credentials: Credentials,
    clients: SyncMutex<HashMap<(bool, Vec<PathBuf>), Client>>,
    /// By host, repository and what may be done there; the outer lock is held for a look only.
    logins: SyncMutex<HashMap<(String, String, &'static str), Login>>,
    /// The way that worked for a host.
    ways: SyncMutex<HashMap<String, Way>>,
}

/// What a host's repository has let us in with. Whoever has to ask for it holds the lock, so that one asks.
type Login = Arc<Mutex<Option<Authorization>>>;

/// What is asked of a repository.
struct Ask<'a> {
    /// Below the repository, as `manifests/latest`.
    path: &'a str,
    /// What it is about.
    part: Part,
    /// What is put there, and its media type; without it, the document is got.
    put: Option<(&'a str, &'a [u8])>,
}

impl Ask<'_> {
    /// What a token must allow, as scopes name it.
    fn actions(&self) -> &'static str {
        if self.put.is_some() { "pull,push" } else { "pull" }
    }

    /// What a registry answers that has done it.
    fn is_done(&self, status: u16) -> bool {
        if self.put.is_some() {
            matches!(status, 200..=202)
        } else {
            status == 200
        }
    }
}

/// The document that a reference points at.
struct Root {
    digest: ImageDigest,
    manifest: Manifest,
}

impl ImageResolver for Registry {
    /// A registry has no copies to prefer.
    async fn resolve(
        &self,
        reference: &Reference,
        platforms: &[Platform],
        _: ResolveMode,
    ) -> Vec<Result<ResolvedImage, ResolveError>> {
        let mut outcomes: Vec<Option<Result<ResolvedImage, Failure>>> = vec![None; platforms.len()];
        let mut attempts: Vec<Attempt> = Vec::new();
        for host in self.config.hosts(reference.domain()) {
            let root = self.root(&host, reference).await;
            let mut all = true;
            for (platform, outcome) in platforms.iter().zip(&mut outcomes) {
                if matches!(outcome, Some(Ok(_))) {
                    continue;
                }
                let found = match &root {
                    Ok(root) => self.image(&host, reference, root, platform).await,
                    Err(failure) => Err(failure.clone()),
                };
                // A mirror's index without the platform is the image's own: no other host has more.
                let last_word = matches!(found, Ok(_) | Err(Failure::NoPlatform { .. }));
                all &= last_word;
                *outcome = Some(found);
            }
            if all {
                break;
            }
            if host.mirror_of.is_some()
                && let Some(failure) = outcomes.iter().flatten().find_map(|o| o.as_ref().err())
            {
                attempts.push(Attempt {
                    host: host.name.clone(),
                    failure: failure.clone(),
                });
            }
        }
        let outcomes = outcomes.into_iter().zip(platforms).filter_map(|(outcome, platform)| {
            Some(outcome?.map_err(|failure| ResolveError {
                reference: reference.clone(),
                platform: platform.clone(),
                failure,
                attempts: attempts.clone(),
            }))
        });
        outcomes.collect()
    }
}

impl Registry {
    /// `docker_config` is the directory of Docker's `config.json`; without it no one is shown credentials.
    pub fn new(config: RegistryConfig, docker_config: Option<PathBuf>, network: Network) -> Self {
        let credentials = Credentials::new(docker_config, network.helper_timeout);
        Self {
            config,
            network,
            credentials,
            clients: SyncMutex::default(),
            logins: SyncMutex::default(),
            ways: SyncMutex::default(),
        }
    }

    async fn root(&self, host: &Host, reference: &Reference) -> Result<Root, Failure> {
        let path = format!("manifests/{}", place_of(reference));
        let answer = self.get(host, reference, &path, Part::Manifest).await?;
        let promised = answer.headers.get("docker-content-digest");
        let promised = promised.and_then(|v| v.to_str().ok()?.parse::<ImageDigest>().ok());
        // The registry's own name for the content is kept, where it is true: it may be sha512.
        let expected = reference.digest().cloned().or(promised);
        let digest = match expected {
            Some(expected) => verified(host, Part::Manifest, expected, &answer.body)?,
            None => digest_of("sha256", &answer.body),
        };
        Ok(Root {
            digest,
            manifest: read_manifest(&answer)?,
        })
    }

    /// The config of the manifest that serves a platform, and the digest of what the reference points at:
    /// BuildKit pins that, the index, and picks from it again.
    async fn image(
        &self,
        host: &Host,
        reference: &Reference,
        root: &Root,
        platform: &Platform,
    ) -> Result<ResolvedImage, Failure> {
        let mut chosen: Option<Entry> = None;
        let mut nested: Option<Manifest> = None;
        for _ in 0..INDEX_DEPTH {
            let manifest = nested.as_ref().unwrap_or(&root.manifest);
            match manifest {
                Manifest::Index(entries) => {
                    let entry = choose(entries, platform)?.clone();
                    let path = format!("manifests/{}", entry.digest);
                    let answer = self.get(host, reference, &path, Part::Manifest).await?;
                    verified(host, Part::Manifest, entry.digest.clone(), &answer.body)?;
                    nested = Some(read_manifest(&answer)?);
                    chosen = Some(entry);
                }
                Manifest::Image { config } => {
                    let answer = self
                        .get(host, reference, &format!("blobs/{config}"), Part::Config)
                        .await?;
                    verified(host, Part::Config, config.clone(), &answer.body)?;
                    let is_for = read_config(&answer.body)?;
                    // An entry that doesn't say what it is for must be asked. An image without an index is
                    // taken as it is, for whatever platform.
                    let silent = chosen.as_ref().is_some_and(|entry| entry.platform.is_none());
                    if silent && Matcher::only(platform).rank(&is_for).is_none() {
                        return Err(Failure::NoPlatform {
                            available: is_for.normal().iter().map(ToString::to_string).collect(),
                        });
                    }
                    return Ok(ResolvedImage {
                        reference: None,
                        digest: Some(root.digest.clone()),
                        config: answer.body,
                    });
                }
            }
        }
        Err(Failure::Malformed {
            part: Part::Manifest,
            reason: format!("indexes in indexes, more than {INDEX_DEPTH} deep"),
        })
    }

    /// A manifest or an index as its registry has it, with its media type. No mirror is asked.
    pub async fn manifest(&self, reference: &Reference) -> Result<(String, Vec<u8>), Failure> {
        let host = self.config.origin(reference.domain());
        let path = format!("manifests/{}", place_of(reference));
        let answer = self.get(&host, reference, &path, Part::Manifest).await?;
        if let Some(digest) = reference.digest() {
            verified(&host, Part::Manifest, digest.clone(), &answer.body)?;
        }
        Ok((media_type(&answer), answer.body))
    }

    /// Puts a manifest or an index into its registry, whose blobs and manifests must be there.
    pub async fn put_manifest(&self, reference: &Reference, media_type: &str, content: &[u8]) -> Result<(), Failure> {
        let host = self.config.origin(reference.domain());
        let ask = Ask {
            path: &format!("manifests/{}", place_of(reference)),
            part: Part::Manifest,
            put: Some((media_type, content)),
        };
        self.ask(&host, reference, &ask).await.map(drop)
    }

    /// Gets a document of a repository.
    async fn get(&self, host: &Host, reference: &Reference, path: &str, part: Part) -> Result<Answer, Failure> {
        self.ask(host, reference, &Ask { path, part, put: None }).await
    }

    /// Asks something of a repository, in whichever way the host can be reached, as often as it takes.
    async fn ask(&self, host: &Host, reference: &Reference, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let known = lock(&self.ways).get(&host.name).copied();
        let ways = known.map_or_else(|| host.ways.clone(), |way| vec![way]);
        let mut failed = None;
        for way in ways {
            match self.ask_patiently(host, way, reference, ask).await {
                // Nobody there who speaks this. Of two such failures the first is told: it is the likelier way.
                Err(failure @ (Failure::Unreachable { .. } | Failure::Status { status: 400, .. })) => {
                    failed.get_or_insert(failure);
                }
                outcome => {
                    lock(&self.ways).insert(host.name.clone(), way);
                    return outcome;
                }
            }
        }
        Err(failed.unwrap_or_else(|| Failure::Unreachable {
            host: host.name.clone(),
            reason: "there is no way to it".to_owned(),
        }))
    }

    async fn ask_patiently(
        &self,
        host: &Host,
        way: Way,
        reference: &Reference,
        ask: &Ask<'_>,
    ) -> Result<Answer, Failure> {
        let mut tried = 1;
        loop {
            let mut asked = None;
            match self.ask_once(host, way, reference, ask, &mut asked).await {
                Err(failure) if failure.is_transient() => match self.network.wait(tried, asked) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(failure),
                },
                outcome => return outcome,
            }
            tried += 1;
        }
    }

    async fn ask_once(
        &self,
        host: &Host,
        way: Way,
        reference: &Reference,
        ask: &Ask<'_>,
        asked: &mut Option<Duration>,
    ) -> Result<Answer, Failure> {
        let client = self.client(host, way)?;
        let repository = format!("{}{}", host.prefix, reference.path());
        let mut url = format!("{}://{}/v2/{repository}/{}", way.scheme(), host.name, ask.path);
        if let Some(registry) = &host.mirror_of {
            // A mirror of several registries tells them apart by this; containerd invented it.
            url = format!("{url}?ns={registry}");
        }
        let part = ask.part;
        let limit = match part {
            Part::Manifest | Part::Token => MANIFEST_LIMIT,
            Part::Config => CONFIG_LIMIT,
        };
        let cell = {
            let mut logins = lock(&self.logins);
            Arc::clone(
                logins
                    .entry((host.name.clone(), repository.clone(), ask.actions()))
                    .or_default(),
            )
        };
        let mut authorization = cell.lock().await.clone();
        let mut challenged = false;
        loop {
            let mut request = match ask.put {
                Some((media_type, content)) => {
                    let request = client.put(&url).header(reqwest::header::CONTENT_TYPE, media_type);
                    request.body(content.to_vec())
                }
                None if part == Part::Manifest => client.get(&url).header(reqwest::header::ACCEPT, ACCEPT),
                None => client.get(&url),
            };
            request = request.timeout(self.network.request_timeout);
            if let Some(authorization) = &authorization {
                request = authorization.apply(request);
            }
            let response = request.send().await.map_err(|e| self.network.failure(&host.name, e))?;
            let name = host.name.clone();
            match response.status().as_u16() {
                status if ask.is_done(status) => {
                    return read_body(&self.network, &host.name, part, response, limit).await;
                }
                401 if !challenged => {
                    challenged = true;
                    let mut login = cell.lock().await;
                    if let Some(fresh) = login.as_ref().filter(|fresh| Some(*fresh) != authorization.as_ref()) {
                        authorization = Some(fresh.clone());
                        continue;
                    }
                    let credential = self.credentials.of(&host.name).await?;
                    let login_as = auth::Login {
                        network: &self.network,
                        client: &client,
                        host: &host.name,
                        way,
                        repository: &repository,
                        actions: ask.actions(),
                        credential: credential.as_ref(),
                    };
                    let answer = login_as.answer(response.headers()).await?;
                    if answer.is_none() {
                        return Err(Failure::Denied {
                            host: name,
                            credentials: credential.is_some(),
                            detail: error_detail(response).await,
                        });
                    }
                    authorization.clone_from(&answer);
                    *login = answer;
                }
                401 | 403 => {
                    return Err(Failure::Denied {
                        host: name,
                        credentials: self.credentials.of(&host.name).await?.is_some(),
                        detail: error_detail(response).await,
                    });
                }
                404 => return Err(Failure::NotFound { host: name }),
                429 => {
                    *asked = retry_after(&response);
                    let detail = error_detail(response).await;
                    return Err(Failure::RateLimited { host: name, detail });
                }
                status => {
                    *asked = retry_after(&response);
                    return Err(Failure::Status {
                        host: name,
                        status,
                        detail: error_detail(response).await,
                    });
                }
            }
        }
    }

    /// The client for a host, made once for all hosts of the same trust.
    fn client(&self, host: &Host, way: Way) -> Result<Client, Failure> {
        let verify = way == Way::Https;
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&(verify, host.ca.clone())) {
            return Ok(client.clone());
        }
        let client = host_client(&self.network, host, way)?;
        clients.insert((verify, host.ca.clone()), client.clone());
        Ok(client)
    }
}

/// The last part of a manifest's path.
fn place_of(reference: &Reference) -> &str {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.as_str(),
        (None, tag) => tag.unwrap_or("latest"),
    }
}

fn media_type(answer: &Answer) -> String {
    let content_type = answer.headers.get(reqwest::header::CONTENT_TYPE);
    let content_type = content_type.and_then(|v| v.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_owned()
}

fn read_manifest(answer: &Answer) -> Result<Manifest, Failure> {
    Manifest::read(&answer.body, &media_type(answer))
}

fn verified(host: &Host, part: Part, expected: ImageDigest, content: &[u8]) -> Result<ImageDigest, Failure> {
    let actual = digest_of(expected.parts().0, content);
    if actual == expected {
        return Ok(expected);
    }
    Err(Failure::DigestMismatch {
        host: host.name.clone(),
        part,
        expected,
        actual,
    })
}

#[allow(clippy::expect_used, reason = "the text is a digest by construction")]
pub(super) fn digest_of(algorithm: &str, content: &[u8]) -> ImageDigest {
    let text = match algorithm {
        "sha512" => format!("sha512:{:x}", Sha512::digest(content)),
        "sha384" => format!("sha384:{:x}", Sha384::digest(content)),
        _ => format!("sha256:{:x}", Sha256::digest(content)),
    };
    text.parse().expect("a digest")
}

/// These maps are whole between any two statements, so a panic elsewhere leaves them usable.
fn lock<T>(mutex: &SyncMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
