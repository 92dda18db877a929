//! Stores as the engine meets them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use luakit_proto::content::content_client::ContentClient;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::grpc::Connection;
use crate::session::attachments::Attachments;
use crate::session::testing::engine_side;

const REF: &str = "oci:base";

async fn client(dir: &Path, writable: bool) -> (ContentClient<Connection>, Failures) {
    let store = ContentStore {
        dir: dir.to_owned(),
        writable,
    };
    let attachments = Attachments {
        stores: BTreeMap::from([(REF.to_owned(), store)]),
        ..Attachments::default()
    };
    let (connection, failures) = engine_side(attachments).await;
    (ContentClient::new(connection), failures)
}

/// A call about the store.
fn call<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(STORE, REF.parse().unwrap());
    request
}

fn digest(data: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(data)))
}

fn layout(blobs: &[&[u8]]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let blobs_dir = dir.path().join("blobs/sha256");
    fs::create_dir_all(&blobs_dir).unwrap();
    for blob in blobs {
        fs::write(blobs_dir.join(&digest(blob)[7..]), blob).unwrap();
    }
    dir
}

async fn read(client: &mut ContentClient<Connection>, digest: &str, offset: i64, size: i64) -> Result<Vec<u8>, Status> {
    let digest = digest.to_owned();
    let request = call(ReadContentRequest { digest, offset, size });
    let mut stream = client.read(request).await?.into_inner();
    let mut data = Vec::new();
    while let Some(piece) = stream.message().await? {
        assert_eq!(usize::try_from(piece.offset).unwrap(), data.len());
        data.extend_from_slice(&piece.data);
    }
    Ok(data)
}

/// Sends the requests of one write, each after the answer to the one before.
async fn write(
    client: &mut ContentClient<Connection>,
    requests: Vec<WriteContentRequest>,
) -> Result<Vec<WriteContentResponse>, Status> {
    let (outgoing, stream) = mpsc::channel(1);
    let mut answers = client.write(call(ReceiverStream::new(stream))).await?.into_inner();
    let mut heard = Vec::new();
    for request in requests {
        outgoing.send(request).await.unwrap();
        let answer = answers.message().await?;
        heard.push(answer.expect("an answer to each request"));
    }
    Ok(heard)
}

fn ask(action: WriteAction, offset: i64, data: &'static [u8]) -> WriteContentRequest {
    WriteContentRequest {
        action: action as i32,
        r#ref: "layer".to_owned(),
        offset,
        data: Bytes::from_static(data),
        ..WriteContentRequest::default()
    }
}

#[tokio::test]
async fn blobs_are_read() {
    let big = vec![7u8; 3 << 20];
    let dir = layout(&[b"small", &big]);
    let (mut client, _) = client(dir.path(), false).await;
    let small = digest(b"small");
    assert_eq!(read(&mut client, &small, 0, 0).await.unwrap(), b"small");
    assert_eq!(read(&mut client, &small, 1, 3).await.unwrap(), b"mal");
    assert_eq!(read(&mut client, &small, 3, 100).await.unwrap(), b"ll");
    assert_eq!(read(&mut client, &small, 5, 0).await.unwrap(), b"");
    assert_eq!(read(&mut client, &digest(&big), 0, 0).await.unwrap(), big);
    let past = read(&mut client, &small, 6, 0).await.unwrap_err();
    assert_eq!(past.code(), tonic::Code::OutOfRange);

    let about = client.info(call(InfoRequest { digest: small.clone() })).await.unwrap();
    assert_eq!(about.into_inner().info.unwrap().size, 5);
    let list = client.list(call(ListContentRequest::default())).await.unwrap();
    let page = list.into_inner().message().await.unwrap().unwrap();
    assert_eq!(page.info.len(), 2);
    // Nothing may be written or deleted.
    let refused = write(&mut client, vec![ask(WriteAction::Commit, 0, b"x")])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let delete = DeleteContentRequest { digest: small };
    assert!(client.delete(call(delete)).await.is_err());
}

#[tokio::test]
async fn nothing_but_blobs_is_read() {
    let dir = layout(&[b"small"]);
    fs::write(dir.path().join("secret"), "s").unwrap();
    let linked = digest(b"linked");
    symlink("../../secret", dir.path().join("blobs/sha256").join(&linked[7..])).unwrap();
    let directory = digest(b"directory");
    fs::create_dir(dir.path().join("blobs/sha256").join(&directory[7..])).unwrap();
    let (mut client, failures) = client(dir.path(), false).await;
    let mut code = async |digest: &str| read(&mut client, digest, 0, 0).await.unwrap_err().code();
    assert_eq!(code(&digest(b"none")).await, tonic::Code::NotFound);
    for odd in [
        "sha256:../../secret",
        "../../secret",
        "sha256:",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        &linked.to_uppercase(),
    ] {
        assert_eq!(code(odd).await, tonic::Code::InvalidArgument, "{odd}");
    }
    assert_eq!(code(&linked).await, tonic::Code::Unknown);
    assert_eq!(code(&directory).await, tonic::Code::Unknown);
    let Some(Failure::Service(error)) = failures.take() else {
        panic!("no failure")
    };
    assert!(
        error
            .to_string()
            .starts_with(&format!("can't read the blob `{linked}` of `")),
        "{error}"
    );

    let mut other = call(InfoRequest::default());
    other.metadata_mut().insert(STORE, "local:/".parse().unwrap());
    assert_eq!(client.info(other).await.unwrap_err().message(), "unknown store local:/");
    let unnamed = client.info(InfoRequest::default()).await.unwrap_err();
    assert_eq!(unnamed.code(), tonic::Code::InvalidArgument);
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join("blobs/sha256")).unwrap();
    entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

#[tokio::test]
async fn blobs_are_written() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("not/there/yet");
    let (mut client, _) = client(&dir, true).await;
    let whole = digest(b"onetwo");
    let first = WriteContentRequest {
        total: 6,
        expected: whole.clone(),
        ..ask(WriteAction::Stat, 0, b"")
    };
    let requests = vec![
        first.clone(),
        ask(WriteAction::Write, 0, b"one"),
        ask(WriteAction::Stat, 0, b""),
        ask(WriteAction::Write, 3, b"two"),
        WriteContentRequest {
            total: 6,
            expected: whole.clone(),
            ..ask(WriteAction::Commit, 6, b"")
        },
    ];
    let answers = write(&mut client, requests).await.unwrap();
    assert_eq!(answers.iter().map(|a| a.offset).collect::<Vec<_>>(), [0, 3, 3, 6, 6]);
    assert_eq!(answers[4].digest, whole);
    assert_eq!(names(&dir), [&whole[7..]], "and no temporary file");
    assert_eq!(read(&mut client, &whole, 0, 0).await.unwrap(), b"onetwo");
    let again = write(&mut client, vec![first]).await.unwrap_err();
    assert_eq!(again.code(), tonic::Code::AlreadyExists);
    // At 0 it begins anew, and a commit may bring data.
    let requests = vec![
        ask(WriteAction::Write, 0, b"wrong"),
        ask(WriteAction::Commit, 0, b"right"),
    ];
    let answers = write(&mut client, requests).await.unwrap();
    assert_eq!(answers[1].digest, digest(b"right"));
}

#[tokio::test]
async fn what_is_not_right_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (mut client, failures) = client(dir.path(), true).await;
    let mut code = async |requests| write(&mut client, requests).await.unwrap_err().code();
    let commit = |total, expected: String| WriteContentRequest {
        total,
        expected,
        ..ask(WriteAction::Commit, 0, b"data")
    };
    assert_eq!(
        code(vec![commit(3, String::new())]).await,
        tonic::Code::FailedPrecondition
    );
    assert_eq!(
        code(vec![commit(0, digest(b"other"))]).await,
        tonic::Code::FailedPrecondition
    );
    assert_eq!(
        code(vec![commit(0, "sha256:../x".into())]).await,
        tonic::Code::InvalidArgument
    );
    let gap = vec![ask(WriteAction::Write, 0, b"one"), ask(WriteAction::Write, 7, b"two")];
    assert_eq!(code(gap).await, tonic::Code::OutOfRange);
    let unnamed = WriteContentRequest::default();
    assert_eq!(code(vec![unnamed]).await, tonic::Code::InvalidArgument);
    // One that is cut off, and two at once.
    let (outgoing, stream) = mpsc::channel(1);
    let mut cut = client
        .write(call(ReceiverStream::new(stream)))
        .await
        .unwrap()
        .into_inner();
    outgoing.send(ask(WriteAction::Write, 0, b"half")).await.unwrap();
    cut.message().await.unwrap().unwrap();
    let status = client
        .status(call(StatusRequest { r#ref: "layer".into() }))
        .await
        .unwrap();
    assert_eq!(status.into_inner().status.unwrap().offset, 4);
    let second = write(&mut client, vec![ask(WriteAction::Write, 0, b"x")])
        .await
        .unwrap_err();
    assert_eq!(second.code(), tonic::Code::Unavailable);
    drop(outgoing);
    assert!(cut.message().await.unwrap().is_none());
    assert_eq!(names(dir.path()), Vec::<String>::new());
    let status = client
        .status(call(StatusRequest { r#ref: "layer".into() }))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound);
    assert!(failures.take().is_none(), "the engine tells of its own mistakes");
}
