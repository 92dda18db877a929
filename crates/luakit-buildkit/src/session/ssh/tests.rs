//! Agents as a step meets them.

use std::sync::Mutex;

use bytes::BufMut as _;
use luakit_proto::sshforward::ssh_client::SshClient;
use rsa::signature::Verifier as _;
use tokio::net::UnixListener;

use super::*;
use crate::session::attachments::Attachments;
use crate::session::testing::engine_side;

fn fixture(name: &str) -> PathBuf {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/session/ssh/fixtures");
    Path::new(dir).join(name)
}

/// One connection of a step to the agent `id`.
struct Connected {
    requests: mpsc::Sender<BytesMessage>,
    answers: Streaming<BytesMessage>,
    pending: BytesMut,
}

async fn connect(source: SshSource, id: &str) -> Result<(Connected, Failures), Status> {
    let attachments = Attachments {
        ssh: BTreeMap::from([("default".to_owned(), source)]),
        ..Attachments::default()
    };
    let (connection, failures) = engine_side(attachments).await;
    let mut client = SshClient::new(connection);
    client.check_agent(CheckAgentRequest { id: id.to_owned() }).await?;
    let (requests, stream) = mpsc::channel(4);
    let mut request = Request::new(ReceiverStream::new(stream));
    request.metadata_mut().insert("buildkit.ssh.id", id.parse().unwrap());
    let answers = client.forward_agent(request).await?.into_inner();
    let connected = Connected {
        requests,
        answers,
        pending: BytesMut::new(),
    };
    Ok((connected, failures))
}

impl Connected {
    /// Sends a message, a few bytes at a time, and gives the answer.
    async fn ask(&mut self, message: &[u8]) -> Bytes {
        let mut framed = BytesMut::new();
        agent::put_string(&mut framed, message);
        for piece in framed.chunks(3) {
            let data = Bytes::copy_from_slice(piece);
            self.requests.send(BytesMessage { data }).await.unwrap();
        }
        loop {
            if let Some(answer) = agent::split(&mut self.pending).unwrap() {
                return answer;
            }
            let message = self.answers.message().await.unwrap().expect("an answer");
            self.pending.extend_from_slice(&message.data);
        }
    }
}

fn sign_request(blob: &[u8], flags: u32) -> Bytes {
    let mut request = BytesMut::from(&[13u8][..]);
    agent::put_string(&mut request, blob);
    agent::put_string(&mut request, b"the data");
    request.put_u32(flags);
    request.freeze()
}

/// The strings of a message, from `at` on.
fn strings(message: &[u8], mut at: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while at < message.len() {
        let length = u32::from_be_bytes(message[at..at + 4].try_into().unwrap()) as usize;
        found.push(message[at + 4..at + 4 + length].to_vec());
        at += 4 + length;
    }
    found
}

#[tokio::test]
async fn keys_sign() {
    let files = ["ed25519", "ecdsa", "rsa", "rsa_pkcs1", "rsa_pkcs8"]
        .map(fixture)
        .to_vec();
    let (mut step, _) = connect(SshSource::from_paths("x", files, false).unwrap(), "default")
        .await
        .unwrap();
    let list = step.ask(&[11]).await;
    assert_eq!(list[..5], [12, 0, 0, 0, 5]);
    let identities = strings(&list, 5);
    assert_eq!(identities[1], b"test key, trusted by nobody");
    assert_eq!(identities[4], identities[6], "the same RSA key in three forms");
    assert_eq!(identities[4], identities[8]);
    for (number, flags) in [(0, 0), (1, 0), (2, 2), (2, 4)] {
        let blob = &identities[number * 2];
        let answer = step.ask(&sign_request(blob, flags)).await;
        assert_eq!(answer[0], 14, "{number} {flags}");
        let signature = strings(&strings(&answer, 1)[0], 0);
        let name = String::from_utf8(signature[0].clone()).unwrap();
        let expected = ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-256", "rsa-sha2-512"];
        assert_eq!(name, expected[number + usize::from(flags == 4)]);
        let key = ssh_key::PublicKey::from_bytes(blob).unwrap();
        if let Some(rsa) = key.key_data().rsa() {
            let number = |n: &ssh_key::Mpint| rsa::BigUint::from_bytes_be(n.as_positive_bytes().unwrap());
            let key = rsa::RsaPublicKey::new(number(&rsa.n), number(&rsa.e)).unwrap();
            let signature = rsa::pkcs1v15::Signature::try_from(signature[1].as_slice()).unwrap();
            if flags == 2 {
                rsa::pkcs1v15::VerifyingKey::<sha2::Sha256>::new(key).verify(b"the data", &signature)
            } else {
                rsa::pkcs1v15::VerifyingKey::<sha2::Sha512>::new(key).verify(b"the data", &signature)
            }
            .unwrap();
        } else {
            let signature = ssh_key::Signature::new(name.parse().unwrap(), signature[1].clone()).unwrap();
            key.key_data().verify(b"the data", &signature).unwrap();
        }
    }
    // SHA-1, a key that isn't there, nonsense, and all that changes an agent.
    assert_eq!(step.ask(&sign_request(&identities[4], 0)).await[..], [5]);
    assert_eq!(step.ask(&sign_request(b"other", 4)).await[..], [5]);
    assert_eq!(step.ask(&[13, 0, 0]).await[..], [5]);
    assert_eq!(step.ask(&[19]).await[..], [5]);
}

/// An agent that answers everything with its type, and notes what it heard.
fn echoing_agent(path: &Path) -> Arc<Mutex<Vec<u8>>> {
    let listener = UnixListener::bind(path).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            while let Ok(length) = socket.read_u32().await {
                let mut message = vec![0; length as usize];
                socket.read_exact(&mut message).await.unwrap();
                notes.lock().unwrap().push(message[0]);
                socket.write_all(&[0, 0, 0, 2, 99, message[0]]).await.unwrap();
            }
        }
    });
    heard
}

#[tokio::test]
async fn an_agent_hears_only_what_may_be_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent");
    let heard = echoing_agent(&path);
    let source = SshSource::from_paths("x", vec![path], false).unwrap();
    // An empty id is the usual agent.
    let (mut step, _) = connect(source, "").await.unwrap();
    assert_eq!(step.ask(&[11]).await[..], [99, 11]);
    for refused in [1u8, 9, 17, 18, 19, 20, 22, 23, 25, 26, 27, 200] {
        assert_eq!(step.ask(&[refused, 1, 2]).await[..], [5], "{refused}");
    }
    assert_eq!(step.ask(&[13, 1]).await[..], [99, 13]);
    assert_eq!(*heard.lock().unwrap(), [11, 13]);
    // What is no message at all ends the connection.
    let data = Bytes::from_static(&[255; 8]);
    step.requests.send(BytesMessage { data }).await.unwrap();
    assert_eq!(
        step.answers.message().await.unwrap_err().code(),
        tonic::Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_raw_socket_is_passed_on_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("raw");
    let heard = echoing_agent(&path);
    let source = SshSource::from_paths("x", vec![path], true).unwrap();
    let (mut step, _) = connect(source, "default").await.unwrap();
    assert_eq!(step.ask(&[17, 1]).await[..], [99, 17]);
    assert_eq!(*heard.lock().unwrap(), [17]);
    // Each end hears of the other's.
    drop(step.requests);
    assert!(step.answers.message().await.unwrap().is_none());
}

#[tokio::test]
async fn what_goes_wrong_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent");
    let listener = UnixListener::bind(&socket).unwrap();
    let source = SshSource::Agent(socket.clone());
    let unknown = connect(source.clone(), "other").await.err().unwrap();
    assert_eq!(unknown.message(), "unset ssh forward key other");
    let attachments = Attachments {
        ssh: BTreeMap::from([("default".to_owned(), source)]),
        ..Attachments::default()
    };
    let (connection, failures) = engine_side(attachments).await;
    drop(listener);
    let gone = SshClient::new(connection)
        .forward_agent(tokio_stream::empty())
        .await
        .unwrap_err();
    assert!(gone.message().contains("Connection refused"), "{gone}");
    assert!(matches!(
        failures.take(),
        Some(Failure::Service(ServiceError::SshSocket { .. }))
    ));
}

#[test]
fn what_is_no_key_is_named_before_the_build() {
    let refused = |paths: &[PathBuf], raw| {
        let source = SshSource::from_paths("git", paths.to_vec(), raw);
        let agents = source.and_then(|source| Agents::new(BTreeMap::from([("git".to_owned(), source)])));
        let text = agents.err().expect("an error").to_string();
        text.replace(&fixture("").display().to_string(), "")
    };
    let one = |name: &str| refused(&[fixture(name)], false);
    let errors = [
        one("encrypted"),
        one("encrypted_pkcs1"),
        one("public"),
        one("ec_sec1"),
        one("missing"),
        refused(&[], false),
        refused(&[fixture("rsa")], true),
        refused(&[fixture("../tests.rs")], false),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    can't forward the ssh agent `git`: the key `encrypted` is encrypted: add it to an ssh agent and forward that
    can't forward the ssh agent `git`: the key `encrypted_pkcs1` is encrypted: add it to an ssh agent and forward that
    can't forward the ssh agent `git`: `public` is a public key: give the private one
    can't forward the ssh agent `git`: `ec_sec1` is no usable private key: its form is not known; `ssh-keygen -p -f FILE` rewrites it
    can't forward the ssh agent `git` from `missing`: No such file or directory (os error 2)
    can't forward the ssh agent `git`: it has neither a socket nor a key
    can't forward the ssh agent `git`: with `raw=true` it must be one socket
    can't forward the ssh agent `git`: `../tests.rs` is no usable private key: it doesn't begin as one
    ");
}
