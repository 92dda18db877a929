//! Registries that want to know who is calling: pushed to and built from, with the credentials of Docker's
//! configuration. What the engine is told of them is seen by a [`Guard`] before the engine's own registry.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use luakit_testkit::engine::Engine;
use luakit_testkit::guard::{Guard, Scheme, Seen, Trouble};
use luakit_testkit::http::{Request, exchange};
use luakit_testkit::registry::{CONFIG, MANIFEST, base64, digest};
use serde_json::{Value, json};

use crate::workbench::{Workbench, platform_of, stderr_of, succeeded};

const USER: &str = "ann";

/// What must be told to nobody who needn't know.
const PASSWORD: &str = "hunter2-of-the-guard";

/// The life of a token, the shortest that clients take at its word.
const LIFE: Duration = Duration::from_secs(60);

/// A bench with a guarded registry, whose credentials are in a configuration of the bench's own.
struct Guarded {
    bench: Workbench,
    guard: Guard,
}

impl Guarded {
    fn new(scheme: Scheme) -> Self {
        let bench = Workbench::new();
        let guard = Guard::before(bench.engine.registry(), scheme, USER, PASSWORD);
        let guarded = Self { bench, guard };
        let auth = base64(format!("{USER}:{PASSWORD}").as_bytes());
        guarded.configure(&format!(
            r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#,
            guarded.guard.host()
        ));
        guarded
    }

    fn configure(&self, config: &str) {
        let folder = self.bench.path("docker");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.json"), config).unwrap();
    }

    /// A name that no other test has.
    fn name(&self, image: &str) -> String {
        format!("{}/guarded-{}/{image}", self.guard.host(), fresh())
    }

    fn build(&self, script: &str, args: &[&str]) -> Output {
        let project = self.bench.project(&[("build.lua", script)]);
        let mut command = self.bench.luakit(&project);
        command.env("DOCKER_CONFIG", self.bench.path("docker"));
        let path = format!("{}:/usr/bin:/bin", self.bench.path("bin").display());
        command.env("PATH", path);
        let output = command.args(["build", "--progress=plain"]).args(args).output().unwrap();
        assert!(!stderr_of(&output).contains(PASSWORD), "the password is in the output");
        output
    }

    fn push(&self, script: &str, name: &str) {
        let output = self.build(script, &["-o", &format!("type=image,push=true,name={name}")]);
        succeeded("a push", &output);
    }

    /// The requests of the engine.
    fn engines(&self) -> Vec<Seen> {
        let seen = self.guard.seen();
        seen.into_iter()
            .filter(|one| !one.agent.starts_with("luakit/"))
            .collect()
    }

    /// The engine showed tokens, or nothing, and asked for no token itself.
    fn the_engine_knows_tokens_only(&self) {
        let engines = self.engines();
        assert!(
            engines.iter().any(|one| one.authorization.starts_with("Bearer ")),
            "{engines:?}"
        );
        for one in &engines {
            let shown = &one.authorization;
            assert!(shown.is_empty() || shown.starts_with("Bearer "), "{one:?}");
            assert!(!one.line.contains("/token"), "{one:?}");
        }
        no_password_in(&luakit_testkit::engine::state_folder().join("log"));
    }
}

/// A text that no earlier run has used.
fn fresh() -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("{}-{}", std::process::id(), time.as_nanos())
}

/// No file below says the password: the engine's logs.
fn no_password_in(path: &Path) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            no_password_in(&entry.unwrap().path());
        }
        return;
    }
    let text = fs::read(path).unwrap_or_default();
    let found = text.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
    assert!(!found, "{} has the password", path.display());
}

/// A layer that no cache has, named in the file `/mark`.
fn marked(mark: &str) -> String {
    format!(r#"bk.export(bk.image("alpine:3.19"):run("echo {mark} > /mark"))"#)
}

/// Pushes an image, and builds from it.
fn there_and_back(guarded: &Guarded) {
    let (name, mark) = (guarded.name("app:1"), fresh());
    guarded.push(&marked(&mark), &name);
    let dest = guarded.bench.path("files");
    let spec = format!("type=local,dest={}", dest.display());
    let output = guarded.build(
        &format!(r#"bk.export(bk.image("{name}"):mkfile("/more", ""))"#),
        &["-o", &spec],
    );
    succeeded("a build from what was pushed", &output);
    assert_eq!(fs::read_to_string(dest.join("mark")).unwrap(), format!("{mark}\n"));
}

#[test]
fn basic_authentication() {
    let guarded = Guarded::new(Scheme::Basic);
    there_and_back(&guarded);
    no_password_in(&luakit_testkit::engine::state_folder().join("log"));
}

#[test]
fn tokens() {
    let guarded = Guarded::new(Scheme::Bearer(LIFE));
    there_and_back(&guarded);
    guarded.the_engine_knows_tokens_only();
}

#[test]
fn a_credential_helper() {
    let guarded = Guarded::new(Scheme::Bearer(LIFE));
    let bin = guarded.bench.path("bin");
    fs::create_dir(&bin).unwrap();
    let helper = format!(
        "#!/bin/sh\nread host\n[ \"$1 $host\" = \"get {}\" ] || exit 1\necho '{{\"ServerURL\":\"\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'\n",
        guarded.guard.host()
    );
    let path = bin.join("docker-credential-test");
    fs::write(&path, helper).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    guarded.configure(&format!(r#"{{"credHelpers":{{"{}":"test"}}}}"#, guarded.guard.host()));
    there_and_back(&guarded);
    guarded.the_engine_knows_tokens_only();
}

#[test]
fn a_token_that_expires_in_mid_build_is_renewed() {
    let guarded = Guarded::new(Scheme::Bearer(LIFE));
    let name = guarded.name("base:1");
    guarded.push(&marked(&fresh()), &name);
    let before = guarded.guard.tokens();
    let seconds = LIFE.as_secs() + 5;
    let script = format!(
        r#"bk.export(bk.image("{name}"):run("sleep {seconds}; echo {} > /late"))"#,
        fresh()
    );
    // The same repository throughout, so that it's the same token.
    let pushed = format!("{}:2", name.trim_end_matches(":1"));
    guarded.push(&script, &pushed);
    assert!(guarded.guard.tokens() > before + 1, "one token for all of it");
    guarded.the_engine_knows_tokens_only();
}

#[test]
fn without_credentials_the_registry_is_named() {
    let guarded = Guarded::new(Scheme::Bearer(LIFE));
    guarded.configure("{}");
    let name = guarded.name("app:1");
    let output = guarded.build(&marked(&fresh()), &["-o", &format!("type=image,push=true,name={name}")]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&guarded.guard.host()) && said.contains("401"), "{said}");
}

/// An image that the engine has never seen: what it has it wouldn't fetch.
fn put_unseen(guarded: &Guarded, name: &str) {
    let registry = guarded.bench.engine.registry();
    let repository = name.trim_start_matches(&guarded.guard.host()).trim_matches('/');
    let repository = repository.trim_end_matches(":1");
    let send = |method: &str, target: &str, kind: &str, body: &[u8]| {
        let headers = [("Content-Type", kind)];
        let request = Request {
            method,
            host: registry,
            target,
            headers: &headers,
        };
        let stream = TcpStream::connect(registry).unwrap();
        let answer = exchange(stream, &request, &mut &*body, body.len() as u64).unwrap();
        assert!((200..300).contains(&answer.status), "{target}: {}", answer.status);
        answer
    };
    let blob = |content: &str, kind: &str| {
        let digest = digest(content.as_bytes());
        let begun = send("POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
        let place = begun.header("location").unwrap();
        let place = place.trim_start_matches(&format!("http://{registry}")).to_owned();
        let bytes = "application/octet-stream";
        send("PUT", &format!("{place}&digest={digest}"), bytes, content.as_bytes());
        json!({ "mediaType": kind, "digest": digest, "size": content.len() })
    };
    let layer = blob(
        &format!("a layer {}", fresh()),
        "application/vnd.oci.image.layer.v1.tar",
    );
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] } });
    let config = blob(&config.to_string(), CONFIG);
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
    let target = format!("/v2/{repository}/manifests/1");
    send("PUT", &target, MANIFEST, manifest.to_string().as_bytes());
}

#[test]
fn a_registry_that_lies_about_a_digest() {
    let guarded = Guarded::new(Scheme::Basic);
    let name = guarded.name("app:1");
    put_unseen(&guarded, &name);
    guarded.guard.trouble("/blobs/", Trouble::Lie);
    let script = format!(r#"bk.export(bk.image("{name}"):run("true"))"#);
    let output = guarded.build(&script, &["-t", "never-made:1"]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    // The progress names both whatever happens; what counts is what is said last.
    let error = said.lines().find(|line| line.starts_with("error")).unwrap_or_default();
    assert!(error.contains(&name) && error.contains("sha256:"), "{said}");
}

/// The engine waits for a registry for longer than anybody will; Ctrl-C ends that.
#[test]
fn a_registry_that_stalls_is_ended_by_ctrl_c() {
    let guarded = Guarded::new(Scheme::Basic);
    let name = guarded.name("app:1");
    guarded.guard.trouble("guarded-", Trouble::Stall);
    let project = guarded.bench.project(&[("build.lua", &marked(&fresh()))]);
    let mut command = guarded.bench.luakit(&project);
    command.env("DOCKER_CONFIG", guarded.bench.path("docker"));
    command
        .args(["build", "--progress=plain", "-o"])
        .arg(format!("type=image,push=true,name={name}"));
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !guarded
        .guard
        .seen()
        .iter()
        .any(|one| one.status == 0 && one.line.contains("guarded-"))
    {
        assert!(start.elapsed() < Duration::from_secs(60), "never asked");
        std::thread::sleep(Duration::from_millis(50));
    }
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!("Ctrl-C doesn't end it");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr_of(&output));
}

/// Everything that a pushed index names is there, and is what it says.
#[test]
fn an_image_of_several_platforms_is_pushed_whole() {
    let guarded = Guarded::new(Scheme::Bearer(LIFE));
    let name = guarded.name("app:1");
    let script = format!(
        r#"bk.export(bk.scratch():mkfile("/mark", "{}" .. bk.target_platform.arch))"#,
        fresh()
    );
    let spec = format!("type=image,push=true,name={name}");
    let output = guarded.build(&script, &["--platform", "linux/amd64,linux/arm64", "-o", &spec]);
    succeeded("a push of two platforms", &output);
    let repository = name.trim_start_matches(&guarded.guard.host()).trim_matches('/');
    let repository = repository.trim_end_matches(":1");
    let engine = &guarded.bench.engine;
    let document = |reference: &str| -> (Value, usize) {
        let answer = engine.manifest(repository, reference).unwrap();
        assert_eq!(answer.status, 200, "{reference}");
        if reference.starts_with("sha256:") {
            assert_eq!(digest(&answer.body), reference);
        }
        (serde_json::from_slice(&answer.body).unwrap(), answer.body.len())
    };
    let (index, _) = document("1");
    let mut platforms = Vec::new();
    for entry in index["manifests"].as_array().unwrap() {
        platforms.push(platform_of(&entry["platform"]));
        let (manifest, size) = document(entry["digest"].as_str().unwrap());
        assert_eq!(entry["size"].as_u64(), Some(size as u64));
        for descriptor in manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .chain([&manifest["config"]])
        {
            let named = descriptor["digest"].as_str().unwrap();
            let blob = engine.blob(repository, named).unwrap();
            assert_eq!(digest(&blob), named);
            assert_eq!(descriptor["size"].as_u64(), Some(blob.len() as u64));
        }
    }
    // What attests to the images is checked with them, and is for no platform.
    platforms.retain(|platform| platform != "unknown/unknown");
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);

    let pushed = format!("docker://{}/{repository}:1", engine.registry());
    let raw = skopeo(engine, &["inspect", "--raw", "--tls-verify=false", &pushed]);
    assert_eq!(serde_json::from_slice::<Value>(&raw).unwrap(), index);
    for architecture in ["amd64", "arm64"] {
        let of = ["--override-os=linux", "--override-arch", architecture];
        let said = skopeo(engine, &[&of[..], &["inspect", "--tls-verify=false", &pushed]].concat());
        let said: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(
            (&said["Os"], &said["Architecture"]),
            (&"linux".into(), &architecture.into())
        );
        assert_eq!(said["Layers"].as_array().unwrap().len(), 1, "{said}");
    }
}

/// What skopeo, a client that has nothing of BuildKit's, prints.
fn skopeo(engine: &Engine, args: &[&str]) -> Vec<u8> {
    let tools = &engine.facts().tools;
    let libraries = ["usr/lib", "lib"].map(|dir| tools.join(dir).join("x86_64-linux-gnu"));
    let output = Command::new(tools.join("usr/bin/skopeo"))
        .args(args)
        .env_clear()
        .env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap())
        .output()
        .unwrap();
    succeeded(&format!("skopeo {}", args.join(" ")), &output);
    output.stdout
}
