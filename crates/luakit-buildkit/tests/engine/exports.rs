//! Every kind of export, with what arrives.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::*;
use crate::graph::Node;

/// The files of a tar archive.
fn untar(archive: impl std::io::Read) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        files.insert(path, data);
    }
    files
}

fn json(files: &BTreeMap<String, Vec<u8>>, path: &str) -> serde_json::Value {
    serde_json::from_slice(files.get(path).unwrap_or_else(|| panic!("no {path}"))).unwrap()
}

/// The blob that a descriptor points to.
fn blob(files: &BTreeMap<String, Vec<u8>>, descriptor: &serde_json::Value) -> serde_json::Value {
    let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
    json(files, &format!("blobs/{digest}"))
}

/// The configs of an OCI archive, by platform.
fn configs(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, serde_json::Value> {
    let index = json(files, "index.json");
    let top = blob(files, &index["manifests"][0]);
    let manifests = match top["manifests"].as_array() {
        Some(several) => several.iter().map(|m| blob(files, m)).collect(),
        None => vec![top],
    };
    let config = |manifest: serde_json::Value| {
        let config = blob(files, &manifest["config"]);
        (
            format!(
                "{}/{}",
                config["os"].as_str().unwrap(),
                config["architecture"].as_str().unwrap()
            ),
            config,
        )
    };
    manifests.into_iter().map(config).collect()
}

fn image(platform: &str, entrypoint: &str) -> PlatformDefinition {
    let (os, arch) = platform.split_once('/').unwrap();
    let config = serde_json::json!({
        "os": os, "architecture": arch, "config": { "Entrypoint": [entrypoint] },
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    PlatformDefinition {
        platform: Some(platform.parse().unwrap()),
        definition: read(&Node::file("/hello", format!("for {platform}")).definition()),
        image_config: Some(config.to_string().into_bytes()),
    }
}

#[tokio::test]
async fn names_that_are_no_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tempfile::tempdir().unwrap();
    let command = format!(
        r#"mkdir /o && cd /o && n=$(printf 'caf\351') && echo {} > "$n" && ln -s "$n" l"#,
        fresh()
    );
    let platform = "linux/amd64";
    let mut request = request(
        &Node::image("docker.io/library/alpine:3.19", platform)
            .run(&command, platform)
            .definition(),
    );
    request.exports.push(to_dir(dir.path()));
    build(request).await.0.unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    assert_eq!(fs::read_link(dir.path().join("o/l")).unwrap(), name);
    assert!(dir.path().join("o").join(name).is_file());
}

#[tokio::test]
async fn a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("not/there/yet");
    let mut request = request(&Node::file("/hello", "world").definition());
    request.exports.push(to_dir(&out));
    let (result, heard) = build(request).await;
    result.unwrap();
    assert_eq!(fs::read_to_string(out.join("hello")).unwrap(), "world");
    let mode = fs::metadata(out.join("hello")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let plain = heard.plain();
    assert!(plain.contains("mkfile /hello"), "{plain}");
    assert!(plain.contains("exporting to client"), "{plain}");
}

#[tokio::test]
async fn nothing_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut scratch = request(&pb::Definition::default());
    scratch.exports.push(to_dir(dir.path()));
    let (result, _) = build(scratch).await;
    result.unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // A build without a destination only has to succeed.
    let (result, _) = build(request(&Node::file("/x", "x").definition())).await;
    assert_eq!(result.unwrap().exporter, BTreeMap::new());
}

#[tokio::test]
async fn a_tar() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.tar");
    let mut request = request(&Node::file("/hello", "world").definition());
    request.exports.push(to_archive(Archive::Tar, &path, &[]));
    build(request).await.0.unwrap();
    let files = untar(fs::File::open(&path).unwrap());
    assert_eq!(files.get("hello").map(Vec::as_slice), Some(&b"world"[..]));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    // As a file that is simply created has it.
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_stream() {
    let shared = Shared::default();
    let mut request = request(&Node::file("/hello", "world").definition());
    let output = FileOutput::Stream {
        name: "stdout".into(),
        writer: Box::new(shared.clone()),
    };
    let kind = ExportKind::Archive(Archive::Tar, output);
    request.exports.push(Export {
        kind,
        attrs: BTreeMap::new(),
    });
    build(request).await.0.unwrap();
    let data = shared.0.lock().unwrap().clone();
    assert!(untar(data.as_slice()).contains_key("hello"));
}

#[tokio::test]
async fn an_oci_archive_with_its_config() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar");
    let mut request = request(&pb::Definition::default());
    request.definitions = vec![image("linux/amd64", "/app")];
    request
        .exports
        .push(to_archive(Archive::Oci, &path, &[("name", "example.org/x:1")]));
    let response = build(request).await.0.unwrap();
    assert!(
        response
            .exporter
            .get("containerimage.digest")
            .is_some_and(|d| d.starts_with("sha256:"))
    );
    let configs = configs(&untar(fs::File::open(&path).unwrap()));
    let entrypoint = &configs["linux/amd64"]["config"]["Entrypoint"];
    assert_eq!(*entrypoint, serde_json::json!(["/app"]));
}

#[tokio::test]
async fn several_platforms() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar");
    let results = vec![image("linux/amd64", "/on-amd64"), image("linux/arm64", "/on-arm64")];
    let mut both = Job {
        definitions: results.clone(),
        ..Job::default()
    };
    both.exports.push(to_archive(Archive::Oci, &path, &[]));
    build(both).await.0.unwrap();
    let configs = configs(&untar(fs::File::open(&path).unwrap()));
    let entrypoints: Vec<_> = configs.values().map(|c| c["config"]["Entrypoint"][0].clone()).collect();
    assert_eq!(entrypoints, ["/on-amd64", "/on-arm64"]);

    let mut split = Job {
        definitions: results,
        ..Job::default()
    };
    split.exports.push(to_dir(&dir.path().join("split")));
    build(split).await.0.unwrap();
    let arm = dir.path().join("split/linux_arm64/hello");
    assert_eq!(fs::read_to_string(arm).unwrap(), "for linux/arm64");
}

#[tokio::test]
async fn an_image_in_dockers_store() {
    let name = format!("luakit-test/{}:1", fresh());
    let mut request = Job {
        definitions: vec![image("linux/amd64", "/app")],
        ..Job::default()
    };
    let attrs = BTreeMap::from([("name".to_owned(), name.clone())]);
    request.exports.push(Export {
        kind: ExportKind::Image,
        attrs,
    });
    let response = build(request).await.0.unwrap();
    assert!(response.exporter.contains_key("containerimage.digest"), "{response:?}");
    let facts = luakit_testkit::engine::Engine::get().facts().clone();
    let docker = |args: &[&str]| {
        let output = std::process::Command::new(&facts.docker_cli)
            .env("DOCKER_HOST", &facts.docker_host)
            .env("DOCKER_CONFIG", &facts.docker_config)
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = docker(&["image", "inspect", "--format", "{{json .Config.Entrypoint}}", &name]);
    assert_eq!(shown.trim(), r#"["/app"]"#);
    docker(&["image", "rm", &name]);
}
