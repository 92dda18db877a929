//! A builder with two nodes: each builds its platform, and the results become one. Both lead to the same engine, which
//! emulates the second's platform; what tells them apart is what they declare.

use std::fs;
use std::path::Path;
use std::process::Output;

use luakit_testkit::relay::Relay;
use serde_json::Value;

use crate::workbench::{Workbench, platform_of, stderr_of, succeeded};

const SCRIPT: &str = r#"
print("evaluated")
local arch = bk.target_platform.arch
local image = bk.image("alpine:3.19"):copy(bk.local_("context"), "given.txt", "/given.txt"):mkfile("/arch", arch)
bk.export(bk.scratch():copy(image, "/arch", "/arch"):copy(image, "/given.txt", "/given.txt"), {
    annotations = { ["org.example.arch"] = arch },
})
"#;

struct Nodes {
    bench: Workbench,
    _relays: [Relay; 2],
}

impl Nodes {
    fn new() -> Self {
        let bench = Workbench::new();
        let socket = |name: &str| bench.path(&format!("{name}.sock"));
        let relay = |name: &str| Relay::listen(&socket(name), bench.engine.docker_socket()).unwrap();
        let relays = [relay("amd"), relay("arm")];
        let node = |name: &str, arch: &str| {
            let endpoint = socket(name);
            let endpoint = endpoint.display();
            format!(
                r#"{{"Name":"{name}","Endpoint":"unix://{endpoint}","Platforms":[{{"os":"linux","architecture":"{arch}"}}]}}"#
            )
        };
        let builders = bench.path("docker/buildx/instances");
        fs::create_dir_all(&builders).unwrap();
        let nodes = [node("amd", "amd64"), node("arm", "arm64")].join(",");
        let builder = format!(r#"{{"Name":"two","Driver":"remote","Nodes":[{nodes}]}}"#);
        fs::write(builders.join("two"), builder).unwrap();
        Self { bench, _relays: relays }
    }

    fn build(&self, script: &str, args: &[&str]) -> Output {
        let project = self.bench.project(&[("build.lua", script), ("given.txt", "given\n")]);
        let mut command = self.bench.luakit(&project);
        command.env("DOCKER_CONFIG", self.bench.path("docker"));
        command.args(["build", "--builder", "two", "--platform", "linux/amd64,linux/arm64"]);
        if !args.contains(&"-q") {
            command.args(["--progress", "plain"]);
        }
        command.args(args).output().unwrap()
    }
}

fn said_on_both(output: &Output) {
    let said = stderr_of(output);
    assert!(said.contains("[amd] ") && said.contains("[arm] "), "{said}");
    assert_eq!(
        said.matches("evaluated").count(),
        1,
        "once, whatever the nodes:\n{said}"
    );
}

#[test]
fn an_image_is_joined_and_pushed_under_all_its_names() {
    let nodes = Nodes::new();
    let registry = nodes.bench.engine.registry();
    let names = [
        format!("{registry}/test-nodes:1"),
        format!("{registry}/test-nodes-too:2"),
    ];
    let output = nodes.build(
        SCRIPT,
        &[
            "-t",
            &names[0],
            "-t",
            &names[1],
            "-o",
            "type=image,push=true,annotation-index.org.example.all=both",
        ],
    );
    succeeded("luakit build", &output);
    said_on_both(&output);
    let first = nodes.bench.engine.manifest("test-nodes", "1").unwrap();
    assert_eq!(first.status, 200);
    let second = nodes.bench.engine.manifest("test-nodes-too", "2").unwrap();
    assert_eq!(first.body, second.body);
    let index: Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(index["annotations"]["org.example.all"], "both");
    // Beside each platform's image stands what attests to it.
    let (attested, manifests): (Vec<&Value>, Vec<&Value>) = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .partition(|m| platform_of(&m["platform"]) == "unknown/unknown");
    assert_eq!(attested.len(), manifests.len(), "{index}");
    let platforms: Vec<String> = manifests.iter().map(|m| platform_of(&m["platform"])).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    for (manifest, arch) in manifests.iter().zip(["amd64", "arm64"]) {
        let digest = manifest["digest"].as_str().unwrap();
        let found = nodes.bench.engine.manifest("test-nodes-too", digest).unwrap();
        let image: Value = serde_json::from_slice(&found.body).unwrap();
        assert_eq!(image["annotations"]["org.example.arch"], arch);
        let config = nodes
            .bench
            .engine
            .blob("test-nodes", image["config"]["digest"].as_str().unwrap());
        let config: Value = serde_json::from_slice(&config.unwrap()).unwrap();
        assert_eq!(config["architecture"], arch);
    }
}

#[test]
fn files_go_into_a_directory_for_each_platform() {
    let nodes = Nodes::new();
    let (out, tarball) = (nodes.bench.path("out"), nodes.bench.path("out.tar"));
    let local = format!("type=local,dest={}", out.display());
    succeeded("type=local", &nodes.build(SCRIPT, &["-o", &local]));
    let arch = |dir: &Path, platform: &str| fs::read_to_string(dir.join(platform).join("arch")).unwrap();
    assert_eq!(
        [arch(&out, "linux_amd64"), arch(&out, "linux_arm64")],
        ["amd64", "arm64"]
    );
    let spec = format!("type=tar,dest={}", tarball.display());
    succeeded("type=tar", &nodes.build(SCRIPT, &["-o", &spec]));
    let mut archive = tar::Archive::new(fs::File::open(&tarball).unwrap());
    let unpacked = nodes.bench.path("unpacked");
    archive.unpack(&unpacked).unwrap();
    assert_eq!(
        [arch(&unpacked, "linux_amd64"), arch(&unpacked, "linux_arm64")],
        ["amd64", "arm64"]
    );
}

#[test]
fn what_cant_be_joined_is_refused_and_a_failure_ends_both() {
    let nodes = Nodes::new();
    let dest = nodes.bench.path("image.tar");
    let output = nodes.build(SCRIPT, &["-o", &format!("type=oci,dest={}", dest.display())]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!dest.exists());
    let said = stderr_of(&output);
    let said: Vec<&str> = said.lines().filter(|line| *line != "evaluated").collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    error[several-nodes]: the output `type=oci` is written by one node, and this build is divided among the nodes `amd` and `arm`
    hint: push the image instead (`push=true`), or build each `--platform` by itself
    ");
    let told = [
        &["-t", "luakit-test/nodes:1", "--iidfile", "id"][..],
        &["-t", "luakit-test/nodes:1", "-q"],
        &["-o", "type=local,dest=none", "--metadata-file", "metadata.json"],
    ];
    let told = told.map(|args| {
        let output = nodes.build(SCRIPT, args);
        assert_eq!(output.status.code(), Some(2));
        let said = stderr_of(&output);
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).collect();
        errors.join("\n")
    });
    insta::assert_snapshot!(told.join("\n"), @"
    error[usage]: `--iidfile` tells of one result, and this build is divided among several nodes, each with its own
    error[usage]: `--quiet` tells of one result, and this build is divided among several nodes, each with its own
    error[usage]: `--metadata-file` tells of one result, and this build is divided among several nodes, each with its own
    ");
    let fails = r#"
local arch = bk.target_platform.arch
local step = arch == "arm64" and "exit 3" or "sleep 60"
bk.export(bk.image("alpine:3.19", { platform = "linux/amd64" }):run(step .. " # node test"), {
    platform = bk.target_platform,
})
"#;
    let began = std::time::Instant::now();
    let output = nodes.build(
        fails,
        &["-o", &format!("type=local,dest={}", nodes.bench.path("none").display())],
    );
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("failed with exit code 3"), "{said}");
    assert!(began.elapsed().as_secs() < 50, "the other node was canceled");
}

/// Nothing is built or pushed for a tarball that can't be written.
#[test]
fn a_tarball_that_cant_be_written_is_told_before_the_build() {
    let nodes = Nodes::new();
    let name = format!("{}/test-nodes-never-pushed:1", nodes.bench.engine.registry());
    let tar = format!("type=tar,dest={}", nodes.bench.path("none/out.tar").display());
    let image = format!("type=image,name={name},push=true");
    let output = nodes.build(SCRIPT, &["-o", &tar, "-o", &image]);
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("none/out.tar`: no such file or directory"), "{said}");
    let pushed = nodes.bench.engine.manifest("test-nodes-never-pushed", "1").unwrap();
    assert_eq!(pushed.status, 404);
}
