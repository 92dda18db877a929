//! What `docker buildx build` passes to the frontend: arguments, targets, platforms, run options, secrets, agents.

use std::fs;
use std::path::Path;
use std::process::Command;

use luakit_testkit::image::Archive;
use serde_json::Value;

use crate::frontend::Docker;
use crate::workbench::{platform_of, stderr_of, succeeded};

const TARGETS: &str = r#"
local version = bk.arg("VERSION", "1")
local base = bk.image("alpine:3.19")
for _, name in { "one", "two" } do
    bk.export(base:run("echo " .. name .. " " .. version .. " > /said"), { name = name })
end"#;

#[test]
fn arguments_and_targets() {
    let docker = Docker::new();
    let project = docker.project(TARGETS, &[]);
    let files = docker.files(&project, &["--target=two", "--build-arg=VERSION=3"]);
    assert_eq!(files.get("/said").unwrap().text().unwrap(), "two 3\n");
    let said = docker.says(&project, &["--target=one", "--build-arg=VERSOIN=3"]);
    assert!(
        said.contains("`VERSOIN` is given, and the script never reads it; did you mean `VERSION`?"),
        "{said}"
    );
}

#[test]
fn the_steps_of_a_target_are_done_again() {
    let docker = Docker::new();
    let script = r#"
        for _, name in { "one", "two" } do
            local run = bk.image("alpine:3.19"):run("cat /proc/sys/kernel/random/uuid > /" .. name .. " # PROCESS")
            bk.export(run, { name = name })
        end"#;
    let project = docker.project(&script.replace("PROCESS", &std::process::id().to_string()), &[]);
    let made = |target: &str, args: &[&str]| {
        let files = docker.files(&project, &[args, &[&format!("--target={target}")]].concat());
        files.get(&format!("/{target}")).unwrap().text().unwrap()
    };
    let (one, two) = (made("one", &[]), made("two", &[]));
    assert_eq!(made("one", &[]), one);
    assert_ne!(made("one", &["--no-cache-filter=one"]), one);
    assert_eq!(made("two", &["--no-cache-filter=one"]), two);
    let output = docker.build(&project, &["--target=one", "--no-cache-filter=three"]);
    let said = stderr_of(&output);
    let message = "no target `three` whose cache could be left out";
    assert!(!output.status.success() && said.contains(message), "{said}");
}

#[test]
fn several_platforms_make_an_index() {
    let docker = Docker::new();
    let script = "bk.export(bk.image(\"alpine:3.19\"):run(\"uname -m > /machine\"))";
    let project = docker.project(script, &[]);
    let images = |args: &[&str]| {
        let file = docker.bench.path("image.tar");
        let spec = format!("type=oci,dest={}", file.display());
        let said = docker.says(&project, &[args, &["--provenance=false", "-o", &spec]].concat());
        let archive = Archive::open(&file).unwrap();
        let images = archive.images().unwrap();
        let step = "[linux/arm64] /bin/sh -c uname -m > /machine";
        assert_eq!(said.contains(step), images.len() > 1, "{said}");
        let told = images.iter().map(|image| {
            let machine = image.root().unwrap().get("/machine").unwrap().text().unwrap();
            format!("{} {}", platform_of(&image.descriptor["platform"]), machine.trim())
        });
        let top = blob(&archive, &archive.json("index.json").unwrap()["manifests"][0]);
        (told.collect::<Vec<_>>(), top["manifests"].is_array())
    };
    assert_eq!(
        images(&["--platform=linux/arm64,linux/amd64"]),
        (
            vec!["linux/arm64 aarch64".to_owned(), "linux/amd64 x86_64".to_owned()],
            true
        )
    );
    let one = vec!["linux/arm64 aarch64".to_owned()];
    let platform = "--platform=linux/arm64";
    assert_eq!(images(&[platform]), (one.clone(), false));
    assert_eq!(
        images(&[platform, "--build-arg=BUILDKIT_MULTI_PLATFORM=1"]),
        (one, true)
    );
}

#[test]
fn run_options_secrets_and_agents() {
    let docker = Docker::new();
    let script = r#"
        local said = bk.image("alpine:3.19"):run([[
            cat /run/secrets/token > /said; grep my-host /etc/hosts >> /said
            ulimit -n >> /said; hostname >> /said; df -m /dev/shm | tail -1 | awk '{ print $2 }' >> /said
            test -S "$SSH_AUTH_SOCK" && echo agent >> /said
        ]], { mounts = { bk.secret("/run/secrets/token", { id = "token" }), bk.ssh() } })
        bk.export(said)"#;
    let project = docker.project(script, &[("token", "secret\n")]);
    let key = docker.bench.path("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .output();
    succeeded("ssh-keygen", &made.unwrap());
    let agent = format!("--ssh=default={}", key.display());
    let files = docker.files(
        &project,
        &[
            "--secret=id=token,src=token",
            &agent,
            "--add-host=my-host:10.9.8.7",
            "--ulimit=nofile=77:88",
            "--shm-size=12m",
            "--build-arg=BUILDKIT_SANDBOX_HOSTNAME=boxy",
        ],
    );
    let said = files.get("/said").unwrap().text().unwrap();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(said, "secret 10.9.8.7 my-host 77 boxy 12 agent");
    let output = docker.build(&project, &[&agent]);
    assert!(
        stderr_of(&output).contains("secret token: not found"),
        "{}",
        stderr_of(&output)
    );
}

#[test]
fn one_time_for_everything() {
    let docker = Docker::new();
    let project = docker.project("bk.export(bk.scratch():mkfile(\"/a\", \"a\"))", &[]);
    let file = docker.bench.path("image.tar");
    let spec = format!("type=oci,dest={},rewrite-timestamp=true", file.display());
    docker.says(
        &project,
        &[
            "--build-arg=SOURCE_DATE_EPOCH=1000000000",
            "--provenance=false",
            "-o",
            &spec,
        ],
    );
    let archive = Archive::open(&file).unwrap();
    let images = archive.images().unwrap();
    let config = &images[0].config;
    assert_eq!(config["created"], "2001-09-09T01:46:40Z");
    let history = config["history"].as_array().unwrap();
    assert!(!history.is_empty() && history.iter().all(|step| step["created"] == "2001-09-09T01:46:40Z"));
    assert_eq!(images[0].root().unwrap().get("/a").unwrap().modified, 1_000_000_000);
}

/// What the policy takes is looked up and built on, for each platform, though its digest is unknown where the script says.
#[test]
fn a_policy_takes_another_image() {
    let docker = Docker::new();
    let script = "bk.export(bk.image(\"alpine:3.19\"):run(\"test ! -e /etc/alpine-release && uname -m > /said\"))";
    let policy = r#"{"rules": [{"action": "CONVERT",
        "selector": {"identifier": "docker-image://docker.io/library/alpine:3.19"},
        "updates": {"identifier": "docker-image://docker.io/library/busybox:1.36"}}]}"#;
    let project = docker.project(script, &[("policy.json", policy)]);
    let file = docker.bench.path("image.tar");
    let spec = format!("type=oci,dest={}", file.display());
    let args = [
        "--platform=linux/amd64,linux/arm64",
        "--provenance=false",
        "-f",
        "build.lua",
    ];
    let mut command = docker.command(&project, &[args.as_slice(), &["-o", &spec, "."]].concat());
    command.env("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "policy.json");
    succeeded("docker buildx build", &command.output().unwrap());
    let archive = Archive::open(&file).unwrap();
    let images = archive.images().unwrap();
    let said = images
        .iter()
        .map(|image| image.root().unwrap().get("/said").unwrap().text().unwrap());
    assert_eq!(said.collect::<Vec<_>>(), ["x86_64\n", "aarch64\n"]);
}

#[test]
fn cache_is_imported() {
    let docker = Docker::new();
    let project = docker.project("bk.export(bk.image(\"alpine:3.19\"):run(\"echo cached > /said\"))", &[]);
    let dir = docker.bench.path("cache");
    docker.says(
        &project,
        &[&format!("--cache-to=type=local,dest={},mode=max", dir.display())],
    );
    let said = docker.says(&project, &[&format!("--cache-from=type=local,src={}", dir.display())]);
    assert!(said.contains("importing cache manifest from local:"), "{said}");
    assert!(!docker.says(&project, &[]).contains("importing cache manifest"));
}

/// Runs can't see the cgroup that theirs is in; provenance says what they are asked for with.
#[test]
fn runs_have_a_cgroup_and_limits() {
    let docker = Docker::new();
    let project = docker.project(
        "bk.export(bk.image(\"alpine:3.19\"):run(\"echo limited > /said\"))",
        &[],
    );
    let file = docker.bench.path("image.tar");
    let spec = format!("type=oci,dest={}", file.display());
    docker.says(
        &project,
        &[
            "--cgroup-parent=luakit-test",
            "--ulimit=nofile=77:88",
            "--shm-size=13m",
            "--provenance=mode=max",
            "-o",
            &spec,
        ],
    );
    let archive = Archive::open(&file).unwrap();
    let statement = attested(&archive, "https://slsa.dev/provenance/v0.2");
    let definition = statement["predicate"]["buildConfig"]["llbDefinition"]
        .as_array()
        .unwrap();
    let exec = definition
        .iter()
        .map(|step| &step["op"]["Op"]["exec"])
        .find(|exec| !exec.is_null());
    let exec = exec.unwrap();
    assert_eq!(exec["meta"]["cgroupParent"], "luakit-test");
    let limits = serde_json::json!([{ "Name": "nofile", "Soft": 77, "Hard": 88 }]);
    assert_eq!(exec["meta"]["ulimit"], limits);
    assert_eq!(exec["mounts"][1]["dest"], "/dev/shm");
    assert_eq!(exec["mounts"][1]["TmpfsOpt"]["size"], 13 << 20);
}

/// What a descriptor in an archive stands for.
fn blob(archive: &Archive, descriptor: &Value) -> Value {
    let digest = descriptor["digest"].as_str().unwrap();
    archive.json(&format!("blobs/{}", digest.replace(':', "/"))).unwrap()
}

/// The statement of an archive's attestation with this predicate.
fn attested(archive: &Archive, predicate: &str) -> Value {
    let index = archive.json("index.json").unwrap();
    let index = blob(archive, &index["manifests"][0]);
    let manifests = index["manifests"].as_array().unwrap();
    let attestations = manifests
        .iter()
        .find(|manifest| manifest["platform"]["os"] == "unknown")
        .unwrap();
    let layers = blob(archive, attestations)["layers"].as_array().unwrap().clone();
    let layer = layers
        .iter()
        .find(|layer| layer["annotations"]["in-toto.io/predicate-type"] == predicate);
    blob(
        archive,
        layer.unwrap_or_else(|| panic!("no {predicate} among {layers:?}")),
    )
}

/// The engine has a scanner run over what the frontend returns.
#[test]
fn an_sbom_is_made_of_the_result() {
    let docker = Docker::new();
    let scanner = format!(
        "{}/luakit-test/scanner:{}",
        docker.bench.engine.registry(),
        std::process::id()
    );
    let script = r#"
        local scan = [[#!/bin/sh
        files=$(ls "$BUILDKIT_SCAN_SOURCE" | tr '\n' ' ')
        cat > "$BUILDKIT_SCAN_DESTINATION/files.spdx.json" <<END
        {"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
         "predicate": {"name": "$files"}}
END
        ]]
        bk.export(bk.image("alpine:3.19"):mkfile("/scan", scan, { mode = "0755" }), { entrypoint = { "/scan" } })"#;
    let output = format!("type=registry,name={scanner}");
    docker.says(&docker.project(script, &[]), &["--provenance=false", "-o", &output]);
    let project = docker.project(
        "bk.export(bk.scratch():mkfile(\"/one\", \"\"):mkfile(\"/two\", \"\"))",
        &[],
    );
    let file = docker.bench.path("image.tar");
    let spec = format!("type=oci,dest={}", file.display());
    docker.says(
        &project,
        &[
            &format!("--sbom=generator={scanner}"),
            "--provenance=false",
            "-o",
            &spec,
        ],
    );
    let statement = attested(&Archive::open(&file).unwrap(), "https://spdx.dev/Document");
    assert_eq!(statement["predicate"]["name"], "one two ");
}

/// The runnable patterns, as `luakit build` and as `docker buildx build` make them: what can differ is when a step ran,
/// and that the engine remembers.
#[test]
fn patterns_give_the_same_images_as_the_command_line() {
    let docker = Docker::new();
    let patterns = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/patterns");
    let mut compared = 0;
    for item in fs::read_dir(patterns).unwrap() {
        let folder = item.unwrap().path();
        if !folder.join("expect.toml").exists() {
            continue;
        }
        let expectations: toml::Table = fs::read_to_string(folder.join("expect.toml")).unwrap().parse().unwrap();
        for build in expectations["build"].as_array().unwrap() {
            let args = build.get("args").and_then(toml::Value::as_array);
            let args: Vec<&str> = args.into_iter().flatten().filter_map(toml::Value::as_str).collect();
            same_image(&docker, &folder, &args);
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

fn same_image(docker: &Docker, folder: &Path, args: &[&str]) {
    let name = format!("{} {}", folder.file_name().unwrap().to_string_lossy(), args.join(" "));
    println!("{name}");
    let [ours, theirs] = ["ours.tar", "theirs.tar"].map(|name| docker.bench.path(name));
    let spec = |file: &Path| format!("type=oci,dest={}", file.display());
    let mut command = docker.bench.luakit(folder);
    command
        .args(["build", "build.lua", "-o", &spec(&ours), "--provenance=false"])
        .args(args);
    succeeded(&name, &command.output().unwrap());
    let syntax = format!("BUILDKIT_SYNTAX={}", docker.image);
    // The same flags but for one spelling.
    let args: Vec<String> = args.iter().map(|arg| arg.replace("--arg", "--build-arg")).collect();
    let mut all: Vec<&str> = vec!["--build-arg", &syntax, "--provenance=false"];
    all.extend(args.iter().map(String::as_str));
    let to = spec(&theirs);
    all.extend(["-o", &to]);
    let said = docker.says(folder, &all);
    assert!(!said.contains("BUILDKIT_SYNTAX` is given"), "{said}");
    let told = [ours, theirs].map(|file| {
        let archive = Archive::open(&file).unwrap();
        let images = archive.images().unwrap();
        let parts = |image: &luakit_testkit::image::Image<'_>| -> Value {
            serde_json::json!({
                "config": image.config["config"],
                "platform": platform_of(&image.config),
                "layers": image.diff_ids(),
            })
        };
        images.iter().map(parts).collect::<Vec<_>>()
    });
    assert_eq!(told[0], told[1], "{name}");
}
