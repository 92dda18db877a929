//! Secrets, SSH agents, image layouts and streams, as steps and sources of a real engine use them.

use std::fs;

use luakit_buildkit::{Attachments, ContentStore, DEFAULT_SSH, SecretSource, SshSource, UPLOAD_URL, Upload};

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
    let mut request = request(node.definition());
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
    assert!(error.to_string().contains("token: not found"), "{error}");
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
    assert!(error.to_string().contains("no SSH key \"default\""), "{error}");
}

#[tokio::test]
async fn an_image_layout_there_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("image.tar");
    let mut request_of = request(Node::file("/hello", "from a layout").definition());
    request_of.exports.push(to_archive(Archive::Oci, &archive, &[]));
    let response = build(request_of).await.0.unwrap();
    let digest = response.exporter.get("containerimage.digest").unwrap();
    let layout = dir.path().join("layout");
    tar::Archive::new(fs::File::open(&archive).unwrap())
        .unpack(&layout)
        .unwrap();

    let reference = format!("base/image@{digest}");
    let node = Node::oci_layout(&reference, "base", "linux/amd64");
    let out = dir.path().join("out");
    let mut request = request(node.definition());
    let store = ContentStore {
        dir: layout,
        writable: false,
    };
    request.attachments.stores.insert("oci:base".to_owned(), store);
    request.exports.push(to_dir(&out));
    build(request).await.0.unwrap();
    assert_eq!(fs::read_to_string(out.join("hello")).unwrap(), "from a layout");
}

#[tokio::test]
async fn a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let id = format!("stream{}", std::process::id());
    let mut request = request(graph::Node::http(&format!("{UPLOAD_URL}{id}"), "data").definition());
    let upload = Upload {
        name: "the standard input".to_owned(),
        reader: Box::new(std::io::Cursor::new(vec![b'x'; 5 << 20])),
    };
    request.attachments.uploads.insert(id, upload);
    request.exports.push(to_dir(dir.path()));
    build(request).await.0.unwrap();
    assert_eq!(fs::read(dir.path().join("data")).unwrap(), vec![b'x'; 5 << 20]);
}
