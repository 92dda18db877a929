//! The running test engine is what its description says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use luakit_testkit::engine::Engine;
use luakit_testkit::relay::Relay;
use serde_json::Value;

/// The config of one platform of an image.
fn config(engine: &Engine, reference: &str, architecture: &str) -> Value {
    let image = engine.image(reference).unwrap_or_else(|| panic!("no {reference}"));
    let read = |digest: &str| -> Value {
        let response = engine.manifest(&image.repository, digest).unwrap();
        assert_eq!(response.status, 200, "{digest}");
        serde_json::from_slice(&response.body).unwrap()
    };
    let index = read(&image.digest);
    let entries = index["manifests"].as_array().unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry["platform"]["architecture"] == architecture)
        .unwrap();
    let manifest = read(entry["digest"].as_str().unwrap());
    let blob = engine
        .blob(&image.repository, manifest["config"]["digest"].as_str().unwrap())
        .unwrap();
    serde_json::from_slice(&blob).unwrap()
}

#[test]
fn every_image_is_served_under_its_tag() {
    let engine = Engine::get();
    assert!(!engine.facts().images.is_empty());
    for image in &engine.facts().images {
        let response = engine.manifest(&image.repository, &image.tag).unwrap();
        assert_eq!(
            response.header("docker-content-digest"),
            Some(image.digest.as_str()),
            "{}",
            image.reference
        );
    }
}

#[test]
fn configs_are_like_those_of_the_namesakes() {
    let engine = Engine::get();
    let go = config(&engine, "docker.io/library/golang:1.21", "amd64");
    assert_eq!(go["config"]["WorkingDir"], "/go");
    assert_eq!(
        go["config"]["Env"][0],
        "PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
    let node = config(&engine, "docker.io/library/node:20", "amd64");
    assert_eq!(node["config"]["Entrypoint"][0], "docker-entrypoint.sh");
    let arm = config(&engine, "docker.io/library/alpine:3.19", "arm");
    assert_eq!((&arm["os"], &arm["variant"]), (&"linux".into(), &"v7".into()));
}

#[test]
fn the_relay_reaches_buildkit() {
    let engine = Engine::get();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("buildkitd.sock");
    let _relay = Relay::listen(&socket, engine.docker_socket()).unwrap();
    let mut stream = UnixStream::connect(&socket).unwrap();
    // HTTP/2's preface with an empty SETTINGS frame: the server's first frame is its own SETTINGS, type 4.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4);
}
