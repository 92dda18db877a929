//! What a build for several platforms says of each.

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
