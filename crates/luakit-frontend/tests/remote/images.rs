//! What images a build takes, and what their configs say.

use std::sync::Arc;

use luakit_diagnostic::render_without_source;
use luakit_frontend::remote::{RemoteFailure, build};

use crate::engine::{Engine, built, job, sources};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_image_is_still_there() {
    let pinned = async |digit: &str| {
        let lock = format!(
            "version = 1\n\n[[image]]\nref = \"docker.io/library/alpine:3.19\"\nplatform = \"linux/amd64\"\ndigest = \
             \"sha256:{}\"\nconfig = '{{}}'\n",
            digit.repeat(64)
        );
        let engine = Engine::new(&[
            ("/build.lua", "bk.export(bk.image('alpine:3.19'))"),
            ("/luakit.lock", &lock),
        ]);
        built(&engine, &[])
            .await
            .map(|outputs| sources(&outputs[0].definition).join(" "))
    };
    insta::assert_snapshot!(pinned("1").await.unwrap_err().replace(&"1".repeat(64), "1…"), @"
    the registry has no `alpine:3.19@sha256:1…`, which the lock file pins
    build.lua:1: named here
    hint: `luakit lock --update alpine:3.19` pins the one that it has now; without its entry the image is looked up
    ");
    // The engine may have what can't be asked for.
    assert!(pinned("2").await.unwrap().contains("alpine:3.19@sha256:222"));
    assert!(pinned("3").await.unwrap().contains("alpine:3.19@sha256:333"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_is_what_the_config_says() {
    let layout = format!("oci-layout://store@sha256:{}", "1".repeat(64));
    let options = [
        ("platform", "linux/amd64,linux/arm64"),
        ("context:base", layout.as_str()),
    ];
    let engine = Engine::new(&[("/build.lua", "local base = bk.image('base')\nbk.export(base)")]);
    let outputs = built(&engine, &options).await.unwrap();
    let told = outputs.iter().map(|output| {
        let config = String::from_utf8_lossy(&output.config).into_owned();
        format!(
            "{}: {}",
            output.platform,
            config.contains(&format!("\"architecture\":\"{}\"", output.platform.arch()))
        )
    });
    assert_eq!(told.collect::<Vec<_>>(), ["linux/amd64: true", "linux/arm64: true"]);
    insta::assert_snapshot!(engine.told(), @"image `base` is for linux/amd64, and was asked for linux/arm64");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platforms_own_context_counts_first() {
    let engine = Engine::new(&[("/build.lua", "bk.export(bk.image('base'))")]);
    let options = [
        ("platform", "linux/amd64,linux/arm64"),
        ("context:base", "docker-image://alpine:3.20"),
        ("context:base::linux/arm64", "docker-image://arm64v8/alpine:3.20"),
    ];
    let outputs = built(&engine, &options).await.unwrap();
    let told = outputs
        .iter()
        .map(|output| format!("{}: {}", output.platform, sources(&output.definition).join(" ")));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @"
    linux/amd64: docker-image://docker.io/library/alpine:3.20 ([context base] alpine:3.20)
    linux/arm64: docker-image://docker.io/arm64v8/alpine:3.20 ([context base] arm64v8/alpine:3.20)
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_of_the_engine_takes_another_image() {
    let script = "bk.export(bk.image('alpine:3.19'):run('true'))";
    let engine = Engine {
        policy: Arc::new(Some((
            "alpine:3.19".to_owned(),
            "mirror.example.com/alpine:3.19".to_owned(),
        ))),
        ..Engine::new(&[("/build.lua", script)])
    };
    let outputs = built(&engine, &[]).await.unwrap();
    let told = sources(&outputs[0].definition).join(" ");
    assert!(
        told.starts_with("docker-image://mirror.example.com/alpine:3.19 "),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_says_when_registries_are_asked() {
    let script = r#"
        local a = bk.image("alpine", { resolve_mode = "pull" })
        local b = bk.image("busybox", { resolve_mode = "local" })
        local c = bk.image("debian", { resolve_mode = "local" })
        local d = bk.image("debian", { resolve_mode = "pull", platform = "linux/arm64" })
        local e = bk.image("ubuntu")
        bk.export(bk.merge(a, b, c, d, e))"#;
    let engine = Engine::new(&[("/build.lua", script)]);
    assert_eq!(built(&engine, &[]).await.unwrap().len(), 1);
    let asked = engine.asked();
    let images: Vec<&str> = asked.lines().filter(|line| line.starts_with("image")).collect();
    insta::assert_snapshot!(images.join("\n"), @r"
    image docker.io/library/alpine:latest (ForcePull)
    image docker.io/library/busybox:latest (PreferLocal)
    image docker.io/library/debian:latest (ForcePull)
    image docker.io/library/ubuntu:latest
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_a_layout_lacks_is_told_at_its_line() {
    let wrong = async |script: &str, context: &str| {
        let layout = format!("oci-layout://store@sha256:{}", "4".repeat(64));
        let engine = Engine::new(&[("/build.lua", script)]);
        let failure = build(&engine, job(&[(context, &layout)])).await;
        let Err(RemoteFailure::Told(told)) = failure else {
            panic!("{failure:?}")
        };
        assert_eq!(engine.told(), "");
        let places = told.iter().map(|wrong| wrong.span.as_ref().map(|span| span.line));
        assert_eq!(places.collect::<Vec<_>>(), [Some(2)]);
        let told: Vec<String> = told.iter().map(render_without_source).collect();
        told.join("\n").replace(&"4".repeat(64), "4…")
    };
    insta::assert_snapshot!(wrong("\nbk.export(bk.image('base'))", "context:base").await, @"
    can't resolve build context `base` at sha256:4… for linux/amd64: the engine says: sha256:444: not found
    hint: the digest behind `@` is one that the layout's index.json lists; without it, the image of the tag `latest` is taken
    ");
    let own = format!(
        "\nbk.export(bk.oci_layout('local/x@sha256:{}', {{ store = 'lay' }}))",
        "4".repeat(64)
    );
    insta::assert_snapshot!(wrong(&own, "context:lay").await, @r#"
    can't resolve image `local/x@sha256:4…` of the layout `lay` for linux/amd64: the engine says: sha256:444: not found
    hint: with docker: `bk.image("lay")`, given with `--build-context lay=oci-layout://DIR`
    "#);
}
