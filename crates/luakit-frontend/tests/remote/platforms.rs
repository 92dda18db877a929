//! What a build for several platforms says of each.

use luakit_llb::Definition;

use crate::engine::{Engine, built};

const BOTH: (&str, &str) = ("platform", "linux/amd64,linux/arm64");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scripts_words_are_told_once() {
    let script = r#"
        print("hello")
        print("hello")
        print("for", bk.target_platform)
        bk.export(bk.scratch():mkfile("/a", "a"))"#;
    let engine = Engine::new(&[("/build.lua", script)]);
    assert_eq!(built(&engine, &[BOTH]).await.map(|outputs| outputs.len()), Ok(2));
    insta::assert_snapshot!(engine.told(), @"
    print: hello
    print: hello
    print: for linux/amd64
    print: for linux/arm64
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_for_one_platform_names_it() {
    let wrong = async |script: &str, options: &[(&str, &str)]| {
        let engine = Engine::new(&[("/build.lua", script)]);
        built(&engine, options).await.unwrap_err()
    };
    let script = "if bk.target_platform.arch == 'arm64' then error('not here') end\nbk.export(bk.scratch())";
    insta::assert_snapshot!(wrong(script, &[BOTH]).await, @"
    not here
    note: for linux/arm64
    ");
    insta::assert_snapshot!(wrong(script, &[("platform", "linux/arm64")]).await, @"not here");
    let script = "bk.export(bk.scratch(), { name = bk.target_platform.arch })";
    insta::assert_snapshot!(wrong(script, &[BOTH, ("target", "amd64")]).await, @"
    the script has no target `amd64` (for linux/arm64)
    hint: did you mean `arm64`?
    ");
}

/// What steps are called, in the definition's order.
fn names(definition: &Definition) -> String {
    definition.read().unwrap().names().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_steps_of_one_platform_say_which() {
    let script = r#"
        local shared = bk.scratch():mkfile("/shared", "s")
        local tool = bk.image("alpine", { platform = "linux/amd64" }):run("make tool")
        local base = bk.image("alpine"):run("build it"):run("name it", { description = "[own] name" })
        local own = base:copy(tool, "/tool", "/tool"):mkdir("/d")
        bk.export(bk.merge(own, shared, bk.diff(bk.image("alpine"), own)))"#;
    let engine = Engine::new(&[("/build.lua", script)]);
    let outputs = built(&engine, &[BOTH]).await.unwrap();
    insta::assert_snapshot!(names(&outputs[1].definition), @"
    docker-image://docker.io/library/alpine:latest
    [linux/arm64] /bin/sh -c build it
    [linux/arm64] [own] name
    docker-image://docker.io/library/alpine:latest
    /bin/sh -c make tool
    [linux/arm64] copy /tool /tool
    [linux/arm64] mkdir /d
    mkfile /shared
    [linux/arm64] diff (docker-image://docker.io/library/alpine:latest) -> (mkdir /d)
    [linux/arm64] merge (mkdir /d, mkfile /shared, diff (docker-image://docker.io/library/alpine:latest) -> (mkdir /d))
    ");
    // No digest depends on it.
    let alone = built(&engine, &[("platform", "linux/arm64")]).await.unwrap();
    assert_eq!(alone[0].definition.message().def, outputs[1].definition.message().def);
    insta::assert_snapshot!(names(&alone[0].definition), @"
    docker-image://docker.io/library/alpine:latest
    /bin/sh -c build it
    [own] name
    docker-image://docker.io/library/alpine:latest
    /bin/sh -c make tool
    copy /tool /tool
    mkdir /d
    mkfile /shared
    diff (docker-image://docker.io/library/alpine:latest) -> (mkdir /d)
    merge (mkdir /d, mkfile /shared, diff (docker-image://docker.io/library/alpine:latest) -> (mkdir /d))
    ");
}
