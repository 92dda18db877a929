//! Secrets, SSH agents, image layouts and streams, as steps and sources of a real engine use them.

use std::fs;

use luakit_buildkit::layout::Layout;
use luakit_buildkit::{
    Attachments, CacheEntry, ContentStore, DEFAULT_SSH, SecretSource, SshSource, UPLOAD_URL, Upload,
};

use super::*;
use crate::graph::{self, Node};

const ALPINE: &str = "docker.io/library/alpine:3.19";

/// A step in alpine with one more mount.
fn step(command: &str, mount: pb::Mount) -> Node {
    Node::image(ALPINE, "linux/amd64").run_with(&format!("{command} # {}", fresh()), "linux/amd64", mount)
}

fn secret(id: &str, optional: bool) -> pb::Mount {
    pb::Mount {
        input: -1,
        output: -1,
        dest: format!("/run/secrets/{id}"),
        mount_type: pb::MountType::Secret as i32,
        secret_opt: Some(pb::SecretOpt {
            id: id.to_owned(),
            mode: 0o400,
            optional,
            ..pb::SecretOpt::default()
        }),
        ..pb::Mount::default()
    }
}

async fn with(node: &Node, attachments: Attachments) -> Result<(), BuildError> {
    let mut request = request(&node.definition());
    request.attachments = attachments;
    build(request).await.0.map(|_| ())
}

fn secrets(id: &str, source: SecretSource) -> Attachments {
    Attachments {
        secrets: BTreeMap::from([(id.to_owned(), source)]),
        ..Attachments::default()
    }
}

#[tokio::test]
async fn a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    fs::write(&file, "hunter2").unwrap();
    let node = step("test \"$(cat /run/secrets/token)\" = hunter2", secret("token", false));
    with(&node, secrets("token", SecretSource::File(file.clone())))
        .await
        .unwrap();
    let node = step("test \"$(cat /run/secrets/token)\" = given", secret("token", false));
    with(&node, secrets("token", SecretSource::Value(b"given".to_vec())))
        .await
        .unwrap();
    // One that isn't given is there for nobody, and may be optional.
    let other = || secrets("other", SecretSource::Value(Vec::new()));
    let node = step("test ! -e /run/secrets/token", secret("token", true));
    with(&node, other()).await.unwrap();
    let node = step("true", secret("token", false));
    let error = with(&node, other()).await.unwrap_err();
    assert!(
        matches!(&error, BuildError::MissingSecret { id, .. } if id == "token"),
        "{error}"
    );
    // A file that is gone by then is named, though the engine's words wouldn't.
    let node = step("true", secret("token", true));
    let error = with(&node, secrets("token", SecretSource::File(dir.path().join("no"))))
        .await
        .unwrap_err();
    assert!(matches!(error, BuildError::Service(_)), "{error:?}");
}

#[tokio::test]
async fn an_ssh_agent() {
    let mount = pb::Mount {
        input: -1,
        output: -1,
        dest: "/run/agent".to_owned(),
        mount_type: pb::MountType::Ssh as i32,
        ssh_opt: Some(pb::SshOpt {
            id: DEFAULT_SSH.to_owned(),
            mode: 0o600,
            ..pb::SshOpt::default()
        }),
        ..pb::Mount::default()
    };
    // busybox has no client for such sockets, so that the step can only see that there is one.
    let node = step("test -S /run/agent", mount.clone());
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/session/ssh/fixtures/ed25519");
    let attachments = Attachments {
        ssh: BTreeMap::from([(DEFAULT_SSH.to_owned(), SshSource::Keys(vec![key]))]),
        ..Attachments::default()
    };
    with(&node, attachments).await.unwrap();
    let error = with(&step("true", mount), Attachments::default()).await.unwrap_err();
    assert!(
        matches!(&error, BuildError::MissingSsh { id, .. } if id == DEFAULT_SSH),
        "{error}"
    );
}

#[tokio::test]
async fn an_image_layout_there_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("made/by/the/build");
    let mut written = request(&Node::file("/hello", "from a layout").definition());
    let kind = ExportKind::Archive(Archive::Oci, FileOutput::Layout(layout.clone()));
    let attrs = BTreeMap::from([("name".to_owned(), "example.org/x:1".to_owned())]);
    written.exports.push(Export { kind, attrs });
    let response = build(written).await.0.unwrap();
    let digest = response.exporter.get("containerimage.digest").unwrap();
    let named = Layout::new(&layout).digest("example.org/x:1").unwrap();
    assert_eq!(named.as_ref(), Some(digest));

    let reference = format!("base/image@{digest}");
    let node = Node::oci_layout(&reference, "base", "linux/amd64");
    let out = dir.path().join("out");
    let mut read = request(&node.definition());
    let store = ContentStore {
        dir: layout,
        writable: false,
    };
    read.attachments.stores.insert("oci:base".to_owned(), store);
    read.exports.push(to_dir(&out));
    build(read).await.0.unwrap();
    assert_eq!(fs::read_to_string(out.join("hello")).unwrap(), "from a layout");
}

#[tokio::test]
async fn a_local_cache_there_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let path = cache.to_str().unwrap().to_owned();
    let entry = |key: &str, more: &[(&str, &str)]| CacheEntry {
        kind: "local".to_owned(),
        attrs: more
            .iter()
            .copied()
            .chain([(key, path.as_str())])
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
    };
    let node = Node::image(ALPINE, "linux/amd64").run(&format!("echo {} > /made", fresh()), "linux/amd64");
    let mut first = request(&node.definition());
    first.cache_imports.push(entry("src", &[]));
    first.cache_exports.push(entry("dest", &[("mode", "max")]));
    build(first).await.0.unwrap();
    let digest = Layout::new(&cache).digest("latest").unwrap().expect("an entry");
    let index = fs::read(cache.join("blobs").join(digest.replace(':', "/"))).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let blobs = index["manifests"].as_array().or_else(|| index["layers"].as_array());
    assert!(blobs.is_some_and(|blobs| !blobs.is_empty()), "{index}");

    let mut second = request(&node.definition());
    second.cache_imports.push(entry("src", &[]));
    let (result, heard) = build(second).await;
    result.unwrap();
    let plain = heard.plain();
    assert!(plain.contains("importing cache manifest from local"), "{plain}");
}

#[tokio::test]
async fn a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let id = format!("stream{}", std::process::id());
    let mut request = request(&graph::Node::http(&format!("{UPLOAD_URL}{id}"), "data").definition());
    let upload = Upload {
        name: "the standard input".to_owned(),
        reader: Box::new(std::io::Cursor::new(vec![b'x'; 5 << 20])),
    };
    request.attachments.uploads.insert(id, upload);
    request.exports.push(to_dir(dir.path()));
    build(request).await.0.unwrap();
    assert_eq!(fs::read(dir.path().join("data")).unwrap(), vec![b'x'; 5 << 20]);
}
