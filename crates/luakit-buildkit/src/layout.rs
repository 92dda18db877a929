//! The index of an OCI image layout: which of its blobs are images or caches, and by what names.
//!
//! The engine fills a layout's `blobs` during a build ([`crate::session`]); afterwards the client notes here
//! what was written, as BuildKit's own client does: a cache under its tag, an image under its names. The
//! index is replaced as a whole, under a lock that other clients respect too. Format:
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>,
//! <https://github.com/moby/buildkit/blob/master/client/ociindex/ociindex.go>.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use luakit_frontend::resolve::{LayoutFailure, layout_config};
use luakit_llb::{ImageDigest, Platform};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// The annotation of an image's full name.
const IMAGE_NAME: &str = "io.containerd.image.name";
/// The annotation of its tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The name that a cache has unless told otherwise.
pub const LATEST: &str = "latest";

/// How long another program may hold the lock of an index.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two attempts to get it.
const PAUSE: Duration = Duration::from_millis(20);

/// Why an index can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file of it.
    #[error("can't {action} `{}`: {source}", path.display())]
    File {
        /// A verb: `read`, `write`, `lock`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another program has had it for too long.
    #[error("another program holds the lock `{}`, for {} s by now", path.display(), limit.as_secs())]
    Locked {
        /// The lock's file.
        path: PathBuf,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It isn't what it should be.
    #[error("`{}` is no OCI index: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An image in it says no config.
    #[error("the image layout `{}`: {source}", dir.display())]
    Image {
        /// The layout.
        dir: PathBuf,
        /// Why.
        source: LayoutFailure,
    },
}

/// What to call an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryName {
    /// A bare tag.
    Tag(String),
    /// An image's full name, `docker.io/library/x:1`.
    Image(String),
}

/// A layout's directory.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The layout in `dir`, which need not be one yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The digest of the entry called `name`, be it an image's name or a tag. No index is no entry.
    pub fn digest(&self, name: &str) -> Result<Option<String>, LayoutError> {
        let index = self.read()?;
        let manifests = index.get("manifests").and_then(Value::as_array);
        let manifests = manifests.map(Vec::as_slice).unwrap_or_default();
        let by = |annotation: &str| manifests.iter().find(|m| annotation_of(m, annotation) == Some(name));
        let found = by(IMAGE_NAME).or_else(|| by(REF_NAME));
        Ok(found.and_then(|m| m.get("digest")?.as_str().map(str::to_owned)))
    }

    /// The config of an image of the layout, or of the index's one, for a platform.
    pub fn config(&self, digest: &ImageDigest, platform: &Platform) -> Result<Vec<u8>, LayoutError> {
        let read = |digest: &ImageDigest, limit: usize| {
            let (algorithm, hex) = digest.parts();
            let path = self.dir.join("blobs").join(algorithm).join(hex);
            let mut content = Vec::new();
            let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
            File::open(path)?.take(most).read_to_end(&mut content)?;
            Ok(content)
        };
        layout_config(digest, platform, read).map_err(|source| LayoutError::Image {
            dir: self.dir.clone(),
            source,
        })
    }

    /// Adds an entry under each of `names`, in the place of what had that name. `descriptor` is OCI's, as JSON.
    /// While another program writes the index it waits, 30 seconds at most.
    pub async fn put(&self, descriptor: &str, names: &[EntryName]) -> Result<(), LayoutError> {
        let index_path = self.dir.join("index.json");
        let malformed = |reason: &str| LayoutError::Malformed {
            path: index_path.clone(),
            reason: reason.to_owned(),
        };
        let Ok(Value::Object(descriptor)) = serde_json::from_str(descriptor) else {
            return Err(malformed("the engine's entry for it is no JSON object"));
        };
        let _lock = Lock::take(&self.dir, PATIENCE).await?;
        self.replace("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))?;
        let mut index = self.read()?;
        index.entry("schemaVersion").or_insert(json!(2));
        index
            .entry("mediaType")
            .or_insert(json!("application/vnd.oci.image.index.v1+json"));
        let manifests = index.entry("manifests").or_insert(json!([]));
        if manifests.is_null() {
            *manifests = json!([]);
        }
        let Some(manifests) = manifests.as_array_mut() else {
            return Err(malformed("its `manifests` are no list"));
        };
        for name in names {
            let (image, tag) = match name {
                EntryName::Tag(tag) => (None, tag.as_str()),
                EntryName::Image(image) => (Some(image.as_str()), tag_of(image)),
            };
            manifests.retain(|m| annotation_of(m, REF_NAME) != Some(tag) || annotation_of(m, IMAGE_NAME) != image);
            manifests.push(entry(&descriptor, image, tag));
        }
        self.replace("index.json", &Value::Object(index))
    }

    fn read(&self) -> Result<Map<String, Value>, LayoutError> {
        let path = self.dir.join("index.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
            Err(source) => {
                let action = "read";
                return Err(LayoutError::File { action, path, source });
            }
        };
        match serde_json::from_slice(&text) {
            Ok(Value::Object(index)) => Ok(index),
            Ok(_) => Err("it is no JSON object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
        .map_err(|reason| LayoutError::Malformed { path, reason })
    }

    /// Writes a file beside its place, then puts it there.
    fn replace(&self, name: &str, value: &Value) -> Result<(), LayoutError> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.dir.join(name);
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix(".luakit-")
                .permissions(std::fs::Permissions::from_mode(0o666))
                .tempfile_in(&self.dir)?;
            file.write_all(value.to_string().as_bytes())?;
            file.persist(&path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|source| LayoutError::File {
            action: "write",
            path: path.clone(),
            source,
        })
    }
}

fn annotation_of<'v>(manifest: &'v Value, name: &str) -> Option<&'v str> {
    manifest.get("annotations")?.get(name)?.as_str()
}

/// The descriptor with the annotations of one name.
fn entry(descriptor: &Map<String, Value>, image: Option<&str>, tag: &str) -> Value {
    let mut entry = descriptor.clone();
    let annotations = entry.entry("annotations").or_insert(json!({}));
    if !annotations.is_object() {
        *annotations = json!({});
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(REF_NAME.to_owned(), tag.into());
        if let Some(image) = image {
            annotations.insert(IMAGE_NAME.to_owned(), image.into());
        }
    }
    Value::Object(entry)
}

/// What OCI calls the reference name: an image's tag, or its digest with `@`. A name with neither is itself.
fn tag_of(image: &str) -> &str {
    let start = image.rfind('/').map_or(0, |slash| slash + 1);
    let last = image.get(start..).unwrap_or(image);
    match last.find([':', '@']) {
        Some(at) => last
            .get(at..)
            .map_or(last, |rest| rest.strip_prefix(':').unwrap_or(rest)),
        None => image,
    }
}

/// Other clients that write the same layout wait, or say that they can't.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of the layout in `dir`; while somebody has it tries again, for as long as `limit`.
    async fn take(dir: &Path, limit: Duration) -> Result<Self, LayoutError> {
        let path = dir.join("index.json.lock");
        let deadline = Instant::now() + limit;
        loop {
            match Self::attempt(&path) {
                Ok(Some(file)) => return Ok(Self { path, _file: file }),
                Ok(None) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Ok(None) => return Err(LayoutError::Locked { path, limit }),
                Err(source) => {
                    let action = "lock";
                    return Err(LayoutError::File { action, path, source });
                }
            }
        }
    }

    /// The lock's file, if nobody else has the lock.
    fn attempt(path: &Path) -> io::Result<Option<File>> {
        let file = File::create(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Whoever had it has removed its file, perhaps after we opened that: then others lock a new one.
        let held = rustix::fs::fstat(&file)?;
        match rustix::fs::stat(path) {
            Ok(there) if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino) => Ok(Some(file)),
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:1","size":5}"#;
    const TWO: &str = r#"{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:2","size":5}"#;

    #[tokio::test]
    async fn an_index_grows() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        assert_eq!(layout.digest(LATEST).unwrap(), None);
        layout.put(ONE, &[EntryName::Tag(LATEST.into())]).await.unwrap();
        layout.put(ONE, &[EntryName::Tag("old".into())]).await.unwrap();
        layout.put(TWO, &[EntryName::Tag(LATEST.into())]).await.unwrap();
        let image = EntryName::Image("docker.io/library/x:1".into());
        layout.put(TWO, &[image.clone(), image]).await.unwrap();
        assert_eq!(layout.digest(LATEST).unwrap().as_deref(), Some("sha256:2"));
        assert_eq!(layout.digest("old").unwrap().as_deref(), Some("sha256:1"));
        assert_eq!(
            layout.digest("docker.io/library/x:1").unwrap().as_deref(),
            Some("sha256:2")
        );
        let index: Value = serde_json::from_slice(&std::fs::read(dir.path().join("index.json")).unwrap()).unwrap();
        let shown: Vec<_> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::to_string)
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        {"annotations":{"org.opencontainers.image.ref.name":"old"},"digest":"sha256:1","mediaType":"application/vnd.oci.image.index.v1+json","size":5}
        {"annotations":{"org.opencontainers.image.ref.name":"latest"},"digest":"sha256:2","mediaType":"application/vnd.oci.image.index.v1+json","size":5}
        {"annotations":{"io.containerd.image.name":"docker.io/library/x:1","org.opencontainers.image.ref.name":"1"},"digest":"sha256:2","mediaType":"application/vnd.oci.image.index.v1+json","size":5}
        "#);
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["index.json", "oci-layout"],
            "no lock and no temporary file stays"
        );
    }

    #[test]
    fn names() {
        assert_eq!(tag_of("docker.io/library/x:1"), "1");
        assert_eq!(tag_of("localhost:5000/x"), "localhost:5000/x");
        assert_eq!(tag_of("localhost:5000/x@sha256:ab"), "@sha256:ab");
        assert_eq!(tag_of("x:1@sha256:ab"), "1@sha256:ab");
    }

    #[tokio::test]
    async fn what_is_no_index() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        for text in ["{", "[]", r#"{"manifests":3}"#] {
            std::fs::write(dir.path().join("index.json"), text).unwrap();
            let error = layout.put(ONE, &[]).await.unwrap_err();
            assert!(matches!(error, LayoutError::Malformed { .. }), "{error}");
        }
        let missing = Layout::new(dir.path().join("no")).put(ONE, &[]).await.unwrap_err();
        assert!(missing.to_string().contains("index.json.lock"), "{missing}");
    }

    #[tokio::test]
    async fn a_lock_that_stays_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::take(dir.path(), PATIENCE).await.unwrap();
        let waited = Lock::take(dir.path(), Duration::from_millis(30)).await;
        let error = waited.err().unwrap().to_string();
        assert!(error.contains("index.json.lock"), "{error}");
        drop(held);
        Lock::take(dir.path(), PATIENCE).await.unwrap();
    }

    #[test]
    fn a_lock_whose_file_is_gone_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.json.lock");
        let first = Lock::attempt(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = Lock::attempt(&path).unwrap();
        assert!(second.is_some(), "nobody holds the file that is there");
        drop(first);
        assert!(Lock::attempt(&path).unwrap().is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn several_write_one_index() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let put = |tag: usize| {
            let layout = layout.clone();
            tokio::spawn(async move { layout.put(ONE, &[EntryName::Tag(tag.to_string())]).await.unwrap() })
        };
        for writer in (0..24).map(put).collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let missing: Vec<_> = (0..24)
            .filter(|tag| layout.digest(&tag.to_string()).unwrap().is_none())
            .collect();
        assert_eq!(missing, [0; 0]);
    }
}
