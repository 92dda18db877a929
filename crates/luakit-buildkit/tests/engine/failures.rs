//! Builds that fail: each with its cause, in time, and with nothing left behind.

use std::fs;

use luakit_llb::definition::TooLarge;

use super::*;
use crate::graph::Node;

const ALPINE: &str = "docker.io/library/alpine:3.19";
const HERE: &str = "linux/amd64";

#[tokio::test]
async fn a_step_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.tar");
    fs::write(&path, "from before").unwrap();
    let node = Node::image(ALPINE, HERE).run("echo first; echo second; exit 7", HERE);
    let mut request = request(&node.definition());
    request.exports.push(to_archive(Archive::Tar, &path, &[]));
    let (result, heard) = build(request).await;
    let BuildError::Step(step) = result.unwrap_err() else {
        panic!("no step")
    };
    assert_eq!(step.exit_code, Some(7));
    assert_eq!(step.vertex.as_deref(), Some(node.digest.as_str()));
    assert_eq!(step.name.as_deref(), Some("/bin/sh -c echo first; echo second; exit 7"));
    assert_eq!(step.log, ["first", "second"]);
    let [source] = step.sources.as_slice() else {
        panic!("{:?}", step.sources)
    };
    assert_eq!(
        (source.filename.as_str(), source.language.as_str()),
        ("build.lua", "Lua")
    );
    assert_eq!(source.text, b"the script");
    assert_eq!(
        source.ranges.iter().map(|r| (r.start.0, r.end.0)).collect::<Vec<_>>(),
        [(7, 8)]
    );
    assert!(step.message.contains("exit code: 7"), "{}", step.message);
    assert!(heard.plain().contains("ERROR: process"), "{}", heard.plain());
    // What was there stays, and nothing else.
    assert_eq!(fs::read_to_string(&path).unwrap(), "from before");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_uncached_step_is_known_by_its_digest() {
    // The step is under way when the uncached one arrives: engines give that one a digest of their own.
    let base = Node::image(ALPINE, HERE);
    let command = format!("sleep 2; echo {}; exit 3", fresh());
    let plain = base.run(&command, HERE);
    let uncached = plain.clone().with(|metadata| metadata.ignore_cache = true);
    let (first, second) = tokio::join!(build(request(&plain.definition())), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        build(request(&uncached.definition())).await
    });
    for (result, _) in [first, second] {
        let BuildError::Step(step) = result.unwrap_err() else {
            panic!("no step")
        };
        assert_eq!(step.vertex.as_deref(), Some(plain.digest.as_str()));
        assert_eq!(step.exit_code, Some(3));
    }
}

#[tokio::test]
async fn details_longer_than_usual_headers() {
    let long = "x".repeat(100_000);
    let node = Node::image(ALPINE, HERE).run(&format!(": {long}; exit 9"), HERE);
    let BuildError::Step(step) = build(request(&node.definition())).await.0.unwrap_err() else {
        panic!("no step")
    };
    assert_eq!(step.exit_code, Some(9));
}

#[tokio::test]
async fn what_the_engine_does_not_know() {
    let node = Node::file("/x", "x").with(|metadata| {
        metadata.caps = luakit_proto::map::entries([("file.base", true), ("passthroughop", true)]);
    });
    let error = build(request(&node.definition())).await.0.unwrap_err();
    let BuildError::Unsupported { engine, missing } = error else {
        panic!("{error:?}")
    };
    assert!(engine.starts_with("BuildKit "), "{engine}");
    let [cap] = missing.as_slice() else {
        panic!("{missing:?}")
    };
    assert_eq!(
        (cap.cap.as_str(), cap.vertices.as_slice()),
        ("passthroughop", &[node.digest][..])
    );
}

#[tokio::test]
async fn a_definition_too_large_for_this_engine() {
    let node = |size| Node::file("/big", vec![b'x'; size]).definition();
    build(request(&node((4 << 20) - 1024))).await.0.unwrap();
    // Other engines take 16 MiB; this one says that it doesn't.
    let error = build(request(&node(5 << 20))).await.0.unwrap_err();
    let BuildError::TooLarge(TooLarge { size, limit }) = error else {
        panic!("{error:?}")
    };
    assert!(size > 5 << 20 && limit == 4 << 20, "{size} {limit}");
}

#[tokio::test]
async fn what_the_engine_refuses() {
    let node = Node::image("docker.io/library/no-such-image:1", HERE);
    let error = build(request(&node.definition())).await.0.unwrap_err();
    let BuildError::Step(step) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(step.vertex.as_deref(), Some(node.digest.as_str()));
    assert!(error.to_string().contains("no-such-image"), "{error}");

    let broken = pb::Definition {
        def: Node::file("/x", "x").definition().def[..1].to_vec(),
        ..pb::Definition::default()
    };
    let error = build(request(&broken)).await.0.unwrap_err();
    assert!(matches!(error, BuildError::Engine { .. }), "{error:?}");
}

#[tokio::test]
async fn an_output_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut early = request(&Node::file("/x", "x").definition());
    early
        .exports
        .push(to_archive(Archive::Tar, &dir.path().join("no/such/dir/x.tar"), &[]));
    let (result, heard) = build(early).await;
    assert!(matches!(result, Err(BuildError::Unwritable { .. })), "{result:?}");
    assert!(heard.updates.is_empty(), "found before the build");

    let full = std::path::Path::new("/dev/full");
    let mut late = request(&Node::file("/x", vec![b'x'; 1 << 20]).definition());
    late.exports.push(to_archive(Archive::Tar, full, &[]));
    let error = build(late).await.0.unwrap_err();
    assert!(matches!(error, BuildError::Receive { .. }), "{error:?}");
    assert!(error.to_string().contains("No space left on device"), "{error}");

    fs::write(dir.path().join("file"), "").unwrap();
    let mut blocked = request(&Node::file("/x", "x").definition());
    blocked.exports.push(to_dir(&dir.path().join("file")));
    let (result, heard) = build(blocked).await;
    assert!(matches!(result, Err(BuildError::Unwritable { .. })), "{result:?}");
    assert!(heard.updates.is_empty(), "found before the build");
}

/// Whether a process that has `text` among its arguments is running.
fn running(text: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(text)
    })
}

#[tokio::test]
async fn a_dropped_build_ends_on_the_engine() {
    let mark = fresh();
    let node = Node::image(ALPINE, HERE).run(&format!("exec sh -c 'sleep 1000; :' {mark}"), HERE);
    let engine = Engine::connect(&endpoint()).await.unwrap();
    let job = request(&node.definition());
    let task = tokio::spawn(async move { engine.solve(job.around, job.definitions, &mut |_| {}).await });
    assert!(soon(|| running(&mark)).await, "the step starts");
    task.abort();
    assert!(soon(|| !running(&mark)).await, "the step ends");
}

/// A way to the engine that can be cut.
fn detour(dir: &Path) -> (Endpoint, tokio::task::JoinHandle<()>) {
    let real = luakit_testkit::engine::Engine::get().docker_socket().to_owned();
    let path = dir.join("detour.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let task = tokio::spawn(async move {
        let (mut ours, _) = listener.accept().await.unwrap();
        let mut theirs = tokio::net::UnixStream::connect(real).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
    });
    (Endpoint::Docker(DockerHost::Unix(path)), task)
}

#[tokio::test]
async fn an_engine_that_goes_away() {
    let dir = tempfile::tempdir().unwrap();
    let (endpoint, way) = detour(dir.path());
    let mark = fresh();
    let path = dir.path().join("out.tar");
    let node = Node::image(ALPINE, HERE).run(&format!("exec sh -c 'sleep 1000; :' {mark}"), HERE);
    let mut request = request(&node.definition());
    request.exports.push(to_archive(Archive::Tar, &path, &[]));
    let start = Instant::now();
    let (result, ()) = tokio::join!(async { build_at(&endpoint, request).await.0 }, async {
        assert!(soon(|| running(&mark)).await, "the step starts");
        way.abort();
    });
    let error = result.unwrap_err();
    assert!(matches!(error, BuildError::Lost(_)), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(30));
    assert!(!path.exists());
    assert!(soon(|| !running(&mark)).await, "the step ends");
}

/// A registry that takes what it is told, and never says a word. Engines try TLS first, which it doesn't speak.
fn silent_registry() -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut greeting = [0; 4096];
            if client.read(&mut greeting).is_ok_and(|read| read > 0) && greeting[0] == 0x16 {
                drop(client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
            } else {
                held.push(client);
            }
        }
    });
    host
}

#[tokio::test]
async fn a_registry_that_falls_silent() {
    let host = silent_registry();
    let patience = Patience {
        answers: Duration::from_secs(2),
        layers: Duration::from_secs(3),
    };
    let mut labelled = Node::image(&format!("{host}/a/b:1"), HERE).definition();
    for metadata in labelled.metadata.iter_mut().filter_map(|entry| entry.value.as_mut()) {
        let label = ("llb.customname", "what all is built on".to_owned());
        metadata.description = luakit_proto::map::entries([label]);
    }
    let mut pulled = request(&labelled);
    pulled.patience = patience;
    let mut pushed = request(&Node::file("/x", fresh()).definition());
    pushed.patience = patience;
    let attrs = [("name", format!("{host}/a/c:1")), ("push", "true".to_owned())];
    pushed.exports.push(Export {
        kind: ExportKind::Image,
        attrs: attrs.map(|(key, value)| (key.to_owned(), value)).into(),
    });
    let begun = Instant::now();
    let ((pulled, _), (pushed, _)) = tokio::join!(build(pulled), build(pushed));
    let said = format!("{}\n{}", pulled.unwrap_err(), pushed.unwrap_err());
    insta::assert_snapshot!(said.replace(&host, "HOST"), @r"
    a registry doesn't answer: `docker-image://HOST/a/b:1` has got no further for 2 s
    a registry doesn't answer: pushing the layers of `HOST/a/c:1` has got no further for 3 s
    ");
    assert!(begun.elapsed() < Duration::from_secs(30));
}
