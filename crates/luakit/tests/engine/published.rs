//! Images that leave a build: pushed to a registry, loaded into Docker, and told of in files.

use luakit_testkit::image::Archive;
use luakit_testkit::relay::Relay;
use serde_json::Value;

use crate::workbench::{Workbench, stderr_of, stdout_of, succeeded};

const SCRIPT: &str = r#"
local app = bk.scratch():mkfile("/greeting", "hello " .. bk.arg("WHO", "all"))
bk.export(app, { cmd = { "/greeting" }, labels = { kept = "yes", said = "by the script" } })
"#;

/// `luakit build ARGS` of a script, which succeeds; what it prints.
fn build(bench: &Workbench, script: &str, args: &[&str]) -> String {
    let project = bench.project(&[("build.lua", script)]);
    let output = bench.luakit(&project).arg("build").args(args).output().unwrap();
    stdout_of(&format!("luakit build {}", args.join(" ")), &output)
}

fn json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What `docker image inspect` says.
fn inspected(bench: &Workbench, image: &str) -> Value {
    let said = bench.docker_says(&["image", "inspect", image]);
    let mut all: Value = serde_json::from_str(&said).unwrap();
    all[0].take()
}

#[test]
fn a_pushed_image_is_what_docker_pulls() {
    let bench = Workbench::new();
    let name = format!("{}/luakit-test/pushed:1", bench.engine.registry());
    let file = bench.path("metadata.json");
    let args = [
        "-t",
        &name,
        "--push",
        "--metadata-file",
        file.to_str().unwrap(),
        "--quiet",
    ];
    let id = build(&bench, SCRIPT, &args);
    let metadata = json(&file);
    assert_eq!(metadata["image.name"], name);
    assert_eq!(
        metadata["containerimage.descriptor"]["digest"],
        metadata["containerimage.digest"]
    );
    assert_eq!(
        id.trim_end(),
        metadata["containerimage.digest"],
        "containerd's store goes by digests"
    );

    bench.docker_says(&["image", "rm", "--force", &name]);
    let pulled = bench.docker_says(&["pull", "--quiet", &name]);
    assert_eq!(pulled.trim_end(), name);
    let image = inspected(&bench, &name);
    assert_eq!(image["Id"], metadata["containerimage.digest"]);
    assert_eq!(image["Config"]["Cmd"], serde_json::json!(["/greeting"]));
    bench.docker_says(&["image", "rm", "--force", &name]);
}

#[test]
fn a_registry_output_is_a_push_and_goes_with_others() {
    let bench = Workbench::new();
    let name = format!("{}/luakit-test/with-others:1", bench.engine.registry());
    let dest = bench.path("out");
    let registry = format!("type=registry,name={name}");
    let local = format!("type=local,dest={}", dest.display());
    build(&bench, SCRIPT, &["-o", &registry, "-o", &local, "--arg", "WHO=both"]);
    assert_eq!(std::fs::read_to_string(dest.join("greeting")).unwrap(), "hello both");
    bench.docker_says(&["image", "rm", "--force", &name]);
    bench.docker_says(&["pull", "--quiet", &name]);
    bench.docker_says(&["image", "rm", "--force", &name]);
}

#[test]
fn a_loaded_image_is_in_docker_wherever_it_is_built() {
    let bench = Workbench::new();
    let relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    let iid = bench.path("iid");
    for (tag, addr) in [
        ("luakit-test/loaded:here", None),
        ("luakit-test/loaded:from-elsewhere", Some(relay.address())),
    ] {
        let mut args = vec![
            "-t",
            tag,
            "--load",
            "--iidfile",
            iid.to_str().unwrap(),
            "--arg",
            "WHO=docker",
        ];
        args.extend(addr.iter().flat_map(|addr| ["--addr", addr]));
        build(&bench, SCRIPT, &args);
        let image = inspected(&bench, tag);
        assert_eq!(image["Config"]["Labels"]["kept"], "yes", "{tag}");
        assert_eq!(image["Id"], std::fs::read_to_string(&iid).unwrap(), "{tag}");
        bench.docker_says(&["image", "rm", "--force", tag]);
    }
}

#[test]
fn labels_and_annotations_of_the_command_line_count() {
    let bench = Workbench::new();
    let dest = bench.path("image.tar");
    let spec = format!("type=oci,dest={}", dest.display());
    let script = r#"bk.export(bk.scratch():mkfile("/a", "a"), {
        labels = { kept = "yes", said = "by the script" }, annotations = { kept = "yes", said = "by the script" } })"#;
    let mut args = vec!["-o", &spec, "--platform", "linux/amd64,linux/arm64"];
    args.extend(["--label", "said=by the flag", "--label", "empty"]);
    args.extend([
        "--annotation",
        "said=by the flag",
        "--annotation",
        "index,manifest[linux/arm64]:where=told",
    ]);
    build(&bench, script, &args);
    let archive = Archive::open(&dest).unwrap();
    let images = archive.images().unwrap();
    assert_eq!(images.len(), 2);
    for image in &images {
        let labels = serde_json::json!({ "kept": "yes", "said": "by the flag", "empty": "" });
        assert_eq!(image.settings()["Labels"], labels);
        let arm = image.config["architecture"] == "arm64";
        let mut annotations = serde_json::json!({ "kept": "yes", "said": "by the flag" });
        if arm {
            annotations["where"] = "told".into();
        }
        assert_eq!(image.manifest["annotations"], annotations);
    }
    let top = archive.json("index.json").unwrap();
    let digest = top["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    let index = archive.json(&format!("blobs/{digest}")).unwrap();
    assert_eq!(index["annotations"], serde_json::json!({ "where": "told" }));
}

/// The digest of the attestations that an index lists.
fn attestations(index: &Value) -> Option<String> {
    let attests = |m: &&Value| m["annotations"]["vnd.docker.reference.type"] == "attestation-manifest";
    let manifest = index["manifests"].as_array()?.iter().find(attests)?;
    manifest["digest"].as_str().map(str::to_owned)
}

/// The provenance in an OCI archive.
fn provenance(archive: &std::path::Path) -> Option<Value> {
    let archive = Archive::open(archive).unwrap();
    let blob = |digest: &str| archive.json(&format!("blobs/{}", digest.replace(':', "/"))).unwrap();
    let top = archive.json("index.json").unwrap();
    let index = blob(top["manifests"][0]["digest"].as_str().unwrap());
    let manifest = blob(&attestations(&index)?);
    Some(blob(manifest["layers"][0]["digest"].as_str().unwrap()))
}

#[test]
fn provenance_is_attested_as_with_buildx() {
    let bench = Workbench::new();
    let attested = |flags: &[&str]| {
        let dest = bench.path("attested.tar");
        let spec = format!("type=oci,dest={}", dest.display());
        build(&bench, SCRIPT, &[&["-o", spec.as_str()], flags].concat());
        provenance(&dest)
    };
    let short = attested(&["--provenance=mode=min"]).expect("provenance is asked for");
    assert!(
        short["predicateType"].as_str().unwrap().contains("slsa.dev/provenance"),
        "{short}"
    );
    assert!(!short.to_string().contains("llbDefinition"), "{short}");
    let whole = attested(&["--provenance"]).expect("provenance is asked for");
    assert!(whole.to_string().contains("llbDefinition"), "{whole}");
    assert_eq!(attested(&["--provenance=false"]), None);
    assert_eq!(attested(&[]), None, "by itself it is in stores of images alone");
}

#[test]
fn a_pushed_image_is_attested_by_itself_unless_somebody_says_no() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", SCRIPT)]);
    let attested = |tag: &str, flags: &[&str], variable: &str| {
        let name = format!("{}/luakit-test/attested:{tag}", bench.engine.registry());
        let mut command = bench.luakit(&project);
        command.args(["build", "--push", "-t", &name]).args(flags);
        let output = command
            .env("BUILDX_NO_DEFAULT_ATTESTATIONS", variable)
            .output()
            .unwrap();
        succeeded("luakit build --push", &output);
        let manifest = bench.engine.manifest("luakit-test/attested", tag).unwrap();
        attestations(&serde_json::from_slice(&manifest.body).unwrap()).is_some()
    };
    assert!(attested("usual", &[], ""));
    assert!(!attested("variable", &[], "1"));
    assert!(!attested("flag", &["--provenance=false"], ""));
    assert!(attested("asked", &["--provenance=mode=max"], "1"));
}

#[test]
fn a_definition_is_attested_when_it_is_asked_for() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", SCRIPT)]);
    let definition = bench.build(&project, &["--label", "said=by the flag"]);
    let (dest, file) = (bench.path("solved.tar"), bench.path("metadata.json"));
    let spec = format!("type=oci,dest={}", dest.display());
    let args = [
        "-o",
        &spec,
        "--opt",
        "attest:provenance=mode=max",
        "--metadata-file",
        file.to_str().unwrap(),
    ];
    succeeded("luakit solve", &bench.solve(&project, &definition, &args));
    assert!(provenance(&dest).is_some());
    let digest = json(&file)["containerimage.digest"].clone();
    let archive = Archive::open(&dest).unwrap();
    assert_eq!(archive.json("index.json").unwrap()["manifests"][0]["digest"], digest);
    assert_eq!(archive.images().unwrap()[0].settings()["Labels"]["said"], "by the flag");
}

#[test]
fn a_layout_in_a_directory() {
    let bench = Workbench::new();
    let dest = bench.path("layout");
    let spec = format!("type=oci,tar=false,dest={}", dest.display());
    build(&bench, SCRIPT, &["-o", &spec, "-t", "luakit-test/layout:1"]);
    let index = json(&dest.join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    assert!(dest.join("blobs").join(digest).is_file(), "{index}");
}

#[test]
fn a_failed_build_leaves_no_id() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", r#"bk.export(bk.image("alpine:3.19"):run("exit 3"))"#)]);
    let (iid, metadata) = (bench.path("iid"), bench.path("metadata.json"));
    std::fs::write(&iid, "sha256:earlier").unwrap();
    let mut command = bench.luakit(&project);
    command
        .args(["build", "-t", "luakit-test/failed:1", "-q", "--iidfile"])
        .arg(&iid);
    let output = command.arg("--metadata-file").arg(&metadata).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr_of(&output));
    assert!(output.stdout.is_empty());
    assert!(!iid.exists() && !metadata.exists());
}
