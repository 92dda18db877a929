//! Builds on the real test engine: the one inside Docker 26.1.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attached;
mod exports;
mod failures;
mod graph;
mod transfers;
mod transports;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use luakit_buildkit::progress::plain::PlainProgress;
use luakit_buildkit::progress::{Event, Update};
use luakit_buildkit::{
    Archive, BuildError, BuildRequest, BuildResponse, DockerHost, Endpoint, Engine, Export, ExportKind, FileOutput,
    Patience, PlatformDefinition,
};
use luakit_llb::Definition;
use luakit_proto::{Message as _, pb};

/// No build here takes longer.
const LONGEST: Duration = Duration::from_secs(120);

fn endpoint() -> Endpoint {
    Endpoint::docker(Some(luakit_testkit::engine::Engine::get().docker_host())).unwrap()
}

/// What a build said while it ran.
#[derive(Default)]
struct Heard {
    updates: Vec<Update>,
    skipped: Vec<String>,
}

impl Heard {
    /// As plain progress has it, with times and sizes blanked.
    fn plain(&self) -> String {
        let mut progress = PlainProgress::new();
        let mut lines: Vec<String> = self
            .updates
            .iter()
            .flat_map(|u| progress.feed(u, Duration::ZERO))
            .collect();
        lines.extend(progress.finish());
        lines.join("\n")
    }
}

/// What is built, and what surrounds it.
#[derive(Default)]
struct Job {
    definitions: Vec<PlatformDefinition>,
    around: BuildRequest,
}

impl std::ops::Deref for Job {
    type Target = BuildRequest;

    fn deref(&self) -> &BuildRequest {
        &self.around
    }
}

impl std::ops::DerefMut for Job {
    fn deref_mut(&mut self) -> &mut BuildRequest {
        &mut self.around
    }
}

async fn build(request: Job) -> (Result<BuildResponse, BuildError>, Heard) {
    build_at(&endpoint(), request).await
}

async fn build_at(endpoint: &Endpoint, request: Job) -> (Result<BuildResponse, BuildError>, Heard) {
    let engine = Engine::connect(endpoint).await.unwrap();
    let mut heard = Heard::default();
    let result = {
        let mut observer = |event| match event {
            Event::Update(update) => heard.updates.push(update),
            Event::SkippedDevice { path, .. } => heard.skipped.push(path),
            Event::Unfollowed { message } => panic!("the status stream ended early: {message}"),
        };
        tokio::time::timeout(
            LONGEST,
            engine.solve(request.around, request.definitions, &mut observer),
        )
        .await
        .expect("a hang")
    };
    (result, heard)
}

/// A message as a definition.
fn read(message: &pb::Definition) -> Definition {
    Definition::from_bytes(&message.encode_to_vec()).unwrap()
}

/// A request for one definition.
fn request(definition: &pb::Definition) -> Job {
    let definition = PlatformDefinition {
        platform: None,
        definition: read(definition),
        image_config: None,
    };
    Job {
        definitions: vec![definition],
        around: BuildRequest::default(),
    }
}

fn to_dir(dir: &Path) -> Export {
    Export {
        kind: ExportKind::Local(dir.to_owned()),
        attrs: BTreeMap::new(),
    }
}

fn to_archive(archive: Archive, path: &Path, attrs: &[(&str, &str)]) -> Export {
    let attrs = attrs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Export {
        kind: ExportKind::Archive(archive, FileOutput::Path(path.to_owned())),
        attrs,
    }
}

/// A text that no earlier run has used, so that no cache answers.
fn fresh() -> String {
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    format!("{}-{}", std::process::id(), time.as_nanos())
}

#[tokio::test]
async fn what_the_engine_is() {
    let engine = Engine::connect(&endpoint()).await.unwrap();
    // Debian's build of it was not told its version, which is as good as none.
    assert_ne!(engine.version(), Some("v0.0.0+unknown"));
    let workers = engine.workers().await.unwrap();
    let own = workers.first().and_then(|w| w.platforms.first()).unwrap();
    assert_eq!(own.os(), "linux");
}

#[tokio::test]
async fn nobody_at_home() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.sock");
    let connect = async |endpoint: Endpoint| match Engine::connect(&endpoint).await {
        Ok(_) => panic!("connected to {endpoint}"),
        Err(error) => error.to_string(),
    };
    let error = connect(Endpoint::Unix(missing.clone())).await;
    assert_eq!(
        error,
        format!(
            "can't connect to unix://{}: No such file or directory (os error 2)",
            missing.display()
        )
    );
    // Docker's API is no BuildKit by itself.
    let socket = luakit_testkit::engine::Engine::get().docker_socket().to_owned();
    let error = connect(Endpoint::Unix(socket)).await;
    assert!(error.contains("doesn't answer as BuildKit does"), "{error}");
    // A server that is neither.
    let other = dir.path().join("other.sock");
    let listener = tokio::net::UnixListener::bind(&other).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            stream.read_u8().await.unwrap();
            stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").await.unwrap();
        }
    });
    let error = connect(Endpoint::Docker(DockerHost::Unix(other))).await;
    assert!(
        error.ends_with("doesn't offer BuildKit; it answered `404 Not Found`"),
        "{error}"
    );
}

/// Whether something becomes true within ten seconds.
async fn soon(mut check: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if check() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
