//! Images handed to Docker: loaded from an archive, or tagged in its image store.

use std::collections::BTreeSet;

use luakit_testkit::image::Archive;
use serde_json::Value;

use crate::workbench::{Workbench, stderr_of, succeeded};

const HELLO: &str = r##"
local hello = bk.image("alpine:3.19"):mkfile("/hello.sh", "#!/bin/sh\necho hello from $0\n", { mode = "0755" })

bk.export(hello, {
    entrypoint = { "/hello.sh" },
    labels = { purpose = "a test of Luakit's" },
})
"##;

#[test]
fn a_docker_archive_is_loaded_and_runs() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", HELLO)]);
    let definition = bench.build(&project, &[]);
    let file = bench.path("hello.tar");
    let spec = format!("type=docker,name=luakit-test-load:1,dest={}", file.display());
    succeeded("luakit solve", &bench.solve(&project, &definition, &["-o", &spec]));

    // What `docker load` of older versions goes by.
    let manifest = Archive::open(&file).unwrap().json("manifest.json").unwrap();
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["luakit-test-load:1"]));

    let said = bench.docker_says(&["load", "--input", file.to_str().unwrap()]);
    assert!(said.contains("Loaded image: luakit-test-load:1"), "{said}");
    assert_eq!(
        bench.docker_says(&["run", "--rm", "luakit-test-load:1"]),
        "hello from /hello.sh\n"
    );
    bench.docker_says(&["image", "rm", "--force", "luakit-test-load:1"]);
}

/// With the engine in Docker it is one store that both write to.
#[test]
fn an_image_is_loaded_and_pushed_at_once_under_a_new_name() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", HELLO)]);
    let name = format!("{}/luakit-test-both:{}", bench.engine.registry(), std::process::id());
    let mut command = bench.luakit(&project);
    let output = command
        .args(["build", "--load", "--push", "-t", &name])
        .output()
        .unwrap();
    succeeded("luakit build", &output);
    // Two exporters would race for the name.
    let said = stderr_of(&output);
    let exporters: BTreeSet<&str> = said
        .lines()
        .filter(|line| line.ends_with(" exporting to image"))
        .collect();
    assert_eq!(exporters.len(), 1, "{said}");
    let (repository, tag) = name.rsplit_once(':').unwrap();
    let repository = repository.split_once('/').unwrap().1;
    assert_eq!(bench.engine.manifest(repository, tag).unwrap().status, 200, "pushed");
    assert_eq!(
        bench.docker_says(&["run", "--rm", "--pull=never", &name]),
        "hello from /hello.sh\n"
    );
    bench.docker_says(&["image", "rm", "--force", &name]);
}

#[test]
fn a_tagged_image_is_in_the_engine_and_runs() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", HELLO)]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(
        &project,
        &definition,
        &["-t", "luakit-test-tag:1", "-t", "luakit-test-tag:also"],
    );
    succeeded("luakit solve", &output);

    let listed = bench.docker_says(&["image", "ls", "--format", "{{.Tag}}", "luakit-test-tag"]);
    let mut tags: Vec<&str> = listed.lines().collect();
    tags.sort_unstable();
    assert_eq!(tags, ["1", "also"]);

    let said = bench.docker_says(&["image", "inspect", "luakit-test-tag:1"]);
    let inspected: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(inspected[0]["Config"]["Entrypoint"], serde_json::json!(["/hello.sh"]));
    assert_eq!(inspected[0]["Config"]["Labels"]["purpose"], "a test of Luakit's");
    assert_eq!(
        bench.docker_says(&["run", "--rm", "luakit-test-tag:also"]),
        "hello from /hello.sh\n"
    );
    bench.docker_says(&["image", "rm", "--force", "luakit-test-tag:1", "luakit-test-tag:also"]);
}

#[test]
fn a_malformed_tag_starts_no_build() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", HELLO)]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition, &["-t", "Not A Tag"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr_of(&output));
    assert!(stderr_of(&output).contains("Not A Tag"), "{}", stderr_of(&output));
}
