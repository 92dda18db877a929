//! The ways to the engine: TCP and TLS, Docker's API over them, a container; and those that lead nowhere.

use std::path::PathBuf;
use std::process::{Command, Output};

use luakit_buildkit::DockerStore;
use luakit_buildkit::endpoint::{DOCKER_SOCKET, LoadEvent, SHORT_LIMIT, TlsSettings};
use luakit_buildkit::engines::Abilities;
use luakit_frontend::tls::{Identity, Trust};
use luakit_testkit::relay::Relay;
use luakit_testkit::tls::{self, Certificates};

use super::*;
use crate::graph::Node;

/// A folder with certificates for `localhost` and `build.example`, and BuildKit's own socket.
struct Ways {
    dir: tempfile::TempDir,
    certificates: Certificates,
    relay: Relay,
}

impl Ways {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(&dir.path().join("tls"), &["localhost", "build.example"]).unwrap();
        let docker = luakit_testkit::engine::Engine::get();
        let relay = Relay::listen(&dir.path().join("buildkitd.sock"), docker.docker_socket()).unwrap();
        Self {
            dir,
            certificates,
            relay,
        }
    }

    fn socket(&self) -> PathBuf {
        self.relay.address().trim_start_matches("unix://").into()
    }

    fn identity(&self) -> Identity {
        Identity {
            cert: self.certificates.file("cert.pem"),
            key: self.certificates.file("key.pem"),
        }
    }

    fn tls(&self) -> TlsSettings {
        TlsSettings {
            trust: Trust::Only(self.certificates.file("ca.pem")),
            identity: Some(self.identity()),
            server_name: None,
        }
    }
}

fn tcp(port: u16, tls: Option<TlsSettings>) -> Endpoint {
    Endpoint::Tcp {
        host: "localhost".to_owned(),
        port,
        tls,
    }
}

/// Builds a file through an endpoint, so that a session's traffic goes that way, too.
async fn builds(endpoint: &Endpoint) {
    let dir = tempfile::tempdir().unwrap();
    let text = fresh();
    let mut request = request(&Node::file("/made", text.clone()).definition());
    request.exports.push(to_dir(dir.path()));
    let (result, _) = build_at(endpoint, request).await;
    result.unwrap();
    assert_eq!(
        std::fs::read_to_string(dir.path().join("made")).unwrap(),
        text,
        "{endpoint}"
    );
}

async fn refused(endpoint: &Endpoint) -> String {
    match Engine::connect(endpoint).await {
        Ok(_) => panic!("connected to {endpoint}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn tcp_with_and_without_tls() {
    let ways = Ways::new();
    builds(&tcp(tls::listen(&ways.socket(), None, "").unwrap(), None)).await;
    let port = tls::listen(&ways.socket(), Some(&ways.certificates), "h2").unwrap();
    builds(&tcp(port, Some(ways.tls()))).await;
    let named = TlsSettings {
        server_name: Some("build.example".to_owned()),
        ..ways.tls()
    };
    builds(&tcp(port, Some(named))).await;
    let unchecked = TlsSettings {
        trust: Trust::Anyone,
        ..ways.tls()
    };
    builds(&tcp(port, Some(unchecked))).await;

    let other = Certificates::make(&ways.dir.path().join("other"), &["localhost"]).unwrap();
    let wrong = [
        None,
        Some(TlsSettings {
            identity: None,
            ..ways.tls()
        }),
        Some(TlsSettings {
            trust: Trust::Machine,
            ..ways.tls()
        }),
        Some(TlsSettings {
            trust: Trust::Machine,
            identity: None,
            ..ways.tls()
        }),
        Some(TlsSettings {
            trust: Trust::Only(other.file("ca.pem")),
            ..ways.tls()
        }),
        Some(TlsSettings {
            server_name: Some("other.example".to_owned()),
            ..ways.tls()
        }),
        Some(TlsSettings {
            trust: Trust::Only(ways.certificates.file("missing.pem")),
            ..ways.tls()
        }),
        Some(TlsSettings {
            trust: Trust::Only(ways.certificates.file("key.pem")),
            ..ways.tls()
        }),
    ];
    let mut said = Vec::new();
    for settings in wrong {
        said.push(refused(&tcp(port, settings)).await);
    }
    let said = said.join("\n").replace(&port.to_string(), "PORT");
    let said = said.replace(&ways.dir.path().display().to_string(), "DIR");
    // Whether what it says last is read before it hangs up is a matter of time.
    let said = without_last_words(&said);
    insta::assert_snapshot!(said, @r#"
    tcp://localhost:PORT doesn't answer as BuildKit does: HUNG UP
    tcp://localhost:PORT doesn't answer as BuildKit does: it asks for a client's certificate, and none is set (HUNG UP)
    can't connect to tcp://localhost:PORT: invalid peer certificate: UnknownIssuer
    can't connect to tcp://localhost:PORT: invalid peer certificate: UnknownIssuer
    can't connect to tcp://localhost:PORT: invalid peer certificate: BadSignature
    can't connect to tcp://localhost:PORT: invalid peer certificate: certificate not valid for name "other.example"; certificate is only valid for DnsName("localhost") or DnsName("build.example")
    can't connect to tcp://localhost:PORT: can't use `DIR/tls/missing.pem`: I/O error: No such file or directory (os error 2)
    can't connect to tcp://localhost:PORT: can't use `DIR/tls/key.pem`: it holds no certificate
    "#);
}

/// What a client hears of a server that hangs up, in each way that the race between its last words and the end of the
/// connection can go.
fn without_last_words(said: &str) -> String {
    let ways = [
        "connection error detected: frame with invalid size",
        "received fatal alert: CertificateRequired",
        "stream closed because of a broken pipe",
        "Connection reset by peer (os error 104)",
        "Broken pipe (os error 32)",
        "connection closed",
    ];
    ways.iter()
        .fold(said.to_owned(), |said, way| said.replace(way, "HUNG UP"))
}

#[tokio::test]
async fn dockers_api_over_tcp_and_tls() {
    let ways = Ways::new();
    let docker = luakit_testkit::engine::Engine::get().docker_socket().to_owned();
    let host = |port: u16, tls| DockerHost::parse(&format!("tcp://localhost:{port}"), tls).unwrap();
    let plain = host(tls::listen(&docker, None, "").unwrap(), None);
    builds(&Endpoint::Docker(plain)).await;
    let port = tls::listen(&docker, Some(&ways.certificates), "http/1.1").unwrap();
    let secured = host(port, Some(ways.tls()));
    assert!(!secured.info().await.unwrap().server_version.is_empty());
    builds(&Endpoint::Docker(secured)).await;
    let said = refused(&Endpoint::Docker(host(port, None))).await;
    assert!(
        said.starts_with(&format!("docker on tcp://localhost:{port} ")),
        "{said}"
    );
    let nobody = TlsSettings {
        identity: None,
        ..ways.tls()
    };
    let said = refused(&Endpoint::Docker(host(port, Some(nobody)))).await;
    assert!(
        said.contains("it asks for a client's certificate, and none is set ("),
        "{said}"
    );
}

#[tokio::test]
async fn a_host_that_never_answers_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = TlsSettings {
        trust: Trust::Anyone,
        ..TlsSettings::default()
    };
    let docker = DockerHost::parse(&format!("tcp://localhost:{port}"), None).unwrap();
    let start = Instant::now();
    let (plain, secured, docker, info) = tokio::join!(
        async { refused(&tcp(port, None)).await },
        async { refused(&tcp(port, Some(settings))).await },
        async { refused(&Endpoint::Docker(docker.clone())).await },
        docker.info(),
    );
    assert!(start.elapsed() < SHORT_LIMIT + Duration::from_secs(5));
    let info = info.unwrap_err();
    insta::assert_snapshot!(format!("{plain}\n{secured}\n{docker}\n{info}").replace(&port.to_string(), "PORT"), @"
    tcp://localhost:PORT doesn't answer: waited 10 s
    tcp://localhost:PORT doesn't answer: waited 10 s
    docker on tcp://localhost:PORT doesn't answer: waited 10 s
    doesn't answer: waited 10 s
    ");
}

#[tokio::test]
async fn what_docker_and_its_buildkit_say_of_themselves() {
    let engine = Engine::connect(&endpoint()).await.unwrap();
    let Endpoint::Docker(docker) = endpoint() else {
        unreachable!()
    };
    // Two sources, one truth: the worker's labels and `GET /info`.
    assert_eq!(engine.docker_store(), Some(DockerStore::Containerd));
    assert!(docker.info().await.unwrap().containerd_store());
    let abilities = engine.abilities().await.unwrap();
    let Abilities {
        merge,
        diff,
        attestations,
        ..
    } = abilities;
    assert!(merge && diff && attestations, "{abilities:?}");
    let ways = Ways::new();
    let buildkit = Engine::connect(&Endpoint::Unix(ways.socket())).await.unwrap();
    assert_eq!(buildkit.docker_store(), None);
    assert_eq!(buildkit.abilities().await.unwrap(), abilities);
}

#[tokio::test]
async fn an_image_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar");
    let name = format!("docker.io/library/loaded-{}:1", fresh());
    let mut request = request(&Node::file("/made", fresh()).definition());
    request
        .exports
        .push(to_archive(Archive::Docker, &path, &[("name", &name)]));
    let (result, _) = build(request).await;
    result.unwrap();
    let Endpoint::Docker(docker) = endpoint() else {
        unreachable!()
    };
    let mut events = Vec::new();
    let archive = std::io::Cursor::new(std::fs::read(&path).unwrap());
    let loaded = docker.load(archive, |event| events.push(event)).await.unwrap();
    let short = name.trim_start_matches("docker.io/library/");
    assert_eq!(loaded, [short]);
    assert!(events.contains(&LoadEvent::Loaded(short.to_owned())), "{events:?}");
    let listed = stdout(&docker_cli(&["image", "ls", "-q", short]));
    assert!(!listed.is_empty());
    docker_cli(&["image", "rm", short]);
    // What is no archive.
    let error = docker.load(&b"not a tar"[..], |_| {}).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("docker on {docker} ")), "{error}");
}

/// The engine's own client.
fn docker_cli(args: &[&str]) -> Output {
    let engine = luakit_testkit::engine::Engine::get();
    let output = Command::new(&engine.facts().docker_cli)
        .args(args)
        .env("DOCKER_HOST", engine.docker_host())
        .output()
        .unwrap();
    assert!(output.status.success(), "docker {args:?}: {output:?}");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// `buildctl dial-stdio` for a container that has none: to a TCP port instead of the daemon's socket.
const BUILDCTL: &str = r#"#!/usr/bin/env python3
import os, socket, sys, threading
assert sys.argv[1:] == ["dial-stdio"], sys.argv
print("a word on stderr", file=sys.stderr, flush=True)
s = socket.create_connection((os.environ["HOST"], int(os.environ["PORT"])))
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]
"#;

struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        docker_cli(&["rm", "-f", &self.0]);
    }
}

#[tokio::test]
async fn a_container() {
    let engine = luakit_testkit::engine::Engine::get();
    let ways = Ways::new();
    // Run steps' network reaches the machine at its gateway.
    let port = tls::listen(&ways.socket(), None, "").unwrap();
    let gateway = std::net::TcpListener::bind((engine.facts().gateway.as_str(), 0)).unwrap();
    let gateway_port = gateway.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in gateway.incoming().flatten() {
            let server = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut a, mut b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                std::io::copy(&mut a, &mut b)
                    .ok()
                    .map(|_| b.shutdown(std::net::Shutdown::Write))
            });
            let (mut a, mut b) = (server, client);
            std::thread::spawn(move || {
                std::io::copy(&mut a, &mut b)
                    .ok()
                    .map(|_| b.shutdown(std::net::Shutdown::Write))
            });
        }
    });
    let name = format!("buildx_buildkit_{}", fresh());
    let variables = [
        format!("HOST={}", engine.facts().gateway),
        format!("PORT={gateway_port}"),
    ];
    let [host, port] = &variables;
    let image = "docker.io/library/python:3.11";
    docker_cli(&[
        "create", "--name", &name, "-e", host, "-e", port, image, "sleep", "1000",
    ]);
    let container = Container(name.clone());
    let script = ways.dir.path().join("buildctl");
    std::fs::write(&script, BUILDCTL).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();

    let Endpoint::Docker(docker) = endpoint() else {
        unreachable!()
    };
    let with = |name: &str, start| Endpoint::Container {
        docker: docker.clone(),
        name: name.to_owned(),
        start,
    };
    let mut said = vec![
        refused(&with("no-such-container", true)).await,
        refused(&with(&name, false)).await,
    ];
    docker_cli(&["start", &name]);
    said.push(refused(&with(&name, false)).await);
    docker_cli(&[
        "cp",
        &script.display().to_string(),
        &format!("{name}:/usr/local/bin/buildctl"),
    ]);
    builds(&with(&name, false)).await;
    docker_cli(&["kill", &name]);
    // A builder's container is started.
    builds(&with(&name, true)).await;
    drop(container);
    let said = said
        .join("\n")
        .replace(&name, "NAME")
        .replace(&docker.to_string(), "unix://SOCKET");
    insta::assert_snapshot!(said, @r#"
    the container no-such-container of docker on unix://SOCKET does not exist
    the container NAME of docker on unix://SOCKET is not running
    can't connect to the container NAME of docker on unix://SOCKET: OCI runtime exec failed: exec failed: unable to start container process: exec: "buildctl": executable file not found in $PATH: unknown
    "#);
    assert_ne!(
        docker,
        DockerHost::Unix(DOCKER_SOCKET.into()),
        "the test engine has a socket of its own"
    );
}
