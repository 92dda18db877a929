//! What crosses the connection: images asked for, and how a frontend ends.

use std::collections::BTreeMap;

use luakit_diagnostic::{Diagnostic, Label, SourceFile, Span};
use luakit_frontend::Solver as _;
use luakit_frontend::host::Host as _;
use luakit_frontend::resolve::ImageResolver as _;
use luakit_llb::definition::TooLarge;
use luakit_llb::op::{HttpSource, ResolveMode};
use luakit_llb::{Definition, Graph, Pins, Platform, marshal};
use luakit_proto::gateway::{CacheOptionsEntry, ResolveImageConfigRequest, ResolveImageConfigResponse};

use super::Setting;
use super::stub::connect;
use crate::build::PlatformResult;
use crate::error::{BuildError, MissingCap};

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// An engine whose source policy takes alpine from a mirror.
fn mirrored(request: &ResolveImageConfigRequest) -> ResolveImageConfigResponse {
    ResolveImageConfigResponse {
        r#ref: request
            .r#ref
            .replace("docker.io/library/alpine", "mirror.example.com/alpine"),
        digest: DIGEST.to_owned(),
        config: b"{}".to_vec(),
    }
}

fn platforms() -> Vec<Platform> {
    vec![Platform::linux_amd64(), "linux/arm64".parse().unwrap()]
}

#[tokio::test]
async fn what_an_engine_takes_instead_of_an_image_is_taken() {
    let (gateway, asked) = connect(&[], Setting::default(), mirrored).await;
    let pinned = async |text: &str| {
        let reference = text.parse().unwrap();
        let images = gateway.resolve(&reference, &platforms(), ResolveMode::Default).await;
        let told = images
            .into_iter()
            .map(|image| image.unwrap().pinned(&reference).to_string());
        told.collect::<Vec<_>>()
    };
    let mirror = format!("mirror.example.com/alpine:3.19@{DIGEST}");
    assert_eq!(pinned("alpine:3.19").await, [mirror.clone(), mirror]);
    let own = format!("docker.io/library/busybox:latest@{DIGEST}");
    assert_eq!(pinned("busybox").await, [own.clone(), own]);
    let references: Vec<String> = asked.lock().unwrap().resolved.iter().map(|r| r.r#ref.clone()).collect();
    insta::assert_snapshot!(references.join("\n").replace(DIGEST, "DIGEST"), @r"
    docker.io/library/alpine:3.19
    mirror.example.com/alpine:3.19@DIGEST
    docker.io/library/busybox:latest
    docker.io/library/busybox:latest@DIGEST
    ");
}

#[tokio::test]
async fn what_is_no_image_is_not_taken_instead_of_one() {
    let (gateway, _) = connect(&[], Setting::default(), |_| ResolveImageConfigResponse {
        r#ref: "https://example.com/a.tar".to_owned(),
        ..ResolveImageConfigResponse::default()
    })
    .await;
    let images = gateway
        .resolve(&"alpine".parse().unwrap(), &platforms(), ResolveMode::Default)
        .await;
    let told: Vec<String> = images.into_iter().map(|image| image.unwrap_err().to_string()).collect();
    insta::assert_snapshot!(told[0], @"can't resolve image `alpine` for linux/amd64: the engine says: it takes `https://example.com/a.tar` in its place, which is no image");
}

#[tokio::test]
async fn a_scripts_own_word_on_when_a_registry_is_asked_counts() {
    let setting = Setting {
        resolve_mode: ResolveMode::PreferLocal,
        ..Setting::default()
    };
    let (gateway, asked) = connect(&[], setting, mirrored).await;
    let modes = [ResolveMode::Default, ResolveMode::ForcePull, ResolveMode::PreferLocal];
    for mode in modes {
        for answer in gateway
            .resolve(&"alpine".parse().unwrap(), &[Platform::linux_amd64()], mode)
            .await
        {
            answer.unwrap();
        }
    }
    let asked = asked.lock().unwrap();
    let told: Vec<&str> = asked.resolved.iter().map(|r| r.resolve_mode.as_str()).collect();
    assert_eq!(told, ["local", "pull", "local"]);
}

#[tokio::test]
async fn caches_are_imported_for_results_alone() {
    let setting = Setting {
        cache_imports: vec![CacheOptionsEntry {
            r#type: "registry".to_owned(),
            ..CacheOptionsEntry::default()
        }],
        ..Setting::default()
    };
    let caps = ["proto.refarray", "return", "returnmap", "solve.base"];
    let (gateway, asked) = connect(&caps, setting, mirrored).await;
    gateway.load(download()).await.unwrap();
    gateway.solve(vec![download()]).await.unwrap();
    let asked = asked.lock().unwrap();
    let told: Vec<usize> = asked.solved.iter().map(|solved| solved.cache_imports.len()).collect();
    assert_eq!(told, [0, 1]);
}

fn download() -> Definition {
    let mut graph = Graph::new();
    let at = graph.intern_stack(&[]);
    let source = HttpSource {
        url: "https://example.com/a".to_owned(),
        ..HttpSource::default()
    };
    let state = graph.http(source, at);
    let options = marshal::Options {
        platform: &Platform::linux_amd64(),
        pins: &Pins::new(),
        local_unique: "",
        context_excludes: &[],
        run_defaults: None,
        no_cache: marshal::NoCache::AsWritten,
        resolve_mode: ResolveMode::Default,
    };
    marshal::marshal(&graph, state, &options)
}

/// The status that came over the connection: its code, its message, and its details.
async fn failure(end: impl AsyncFnOnce(&super::Gateway)) -> String {
    let (gateway, asked) = connect(&["return"], Setting::default(), mirrored).await;
    end(&gateway).await;
    let asked = asked.lock().unwrap();
    let [returned] = asked.returned.as_slice() else {
        panic!("{} ends", asked.returned.len())
    };
    assert!(returned.result.is_none());
    let status = returned.error.as_ref().unwrap();
    let details = status.details.iter().map(|detail| {
        let value = String::from_utf8_lossy(&detail.value);
        format!("\n{}: {value}", detail.type_url)
    });
    format!("{} {}{}", status.code, status.message, details.collect::<String>())
}

#[tokio::test]
async fn a_script_error_crosses_the_connection_with_its_places() {
    let file = SourceFile::new("build.lua", &b"one()\ntwo()\n"[..]);
    let mut error = Diagnostic::error("twice", "it is there twice")
        .with_span(Span::columns(file.clone(), 2, 1..4))
        .with_hint("leave one out");
    error.labels.push(Label {
        span: Span::line(file, 1),
        text: "first here".to_owned(),
    });
    let told = failure(async |gateway| gateway.fail(&[error]).await.unwrap()).await;
    insta::assert_snapshot!(told, @r#"
    2 it is there twice
    build.lua:1: first here
    hint: leave one out
    github.com/moby/buildkit/errdefs.Source+json: {"info":{"data":"b25lKCkKdHdvKCkK","filename":"build.lua","language":"Lua"},"ranges":[{"end":{"character":3,"line":2},"start":{"line":2}},{"end":{"line":1},"start":{"line":1}}]}
    "#);
}

/// The engine that is made up takes 4 MiB, as older ones do.
#[tokio::test]
async fn a_failure_that_is_too_large_is_told_in_short() {
    let error = Diagnostic::error("long", "é".repeat(3 << 20));
    let told = failure(async |gateway| gateway.fail(&[error]).await.unwrap()).await;
    let (message, detail) = told.split_once('\n').unwrap();
    assert!(
        message.starts_with("2 éé") && message.ends_with("é…"),
        "{}",
        message.len()
    );
    assert_eq!(message.len(), 2 + (64 << 10) + '…'.len_utf8());
    assert_eq!(detail, "github.com/moby/buildkit/errdefs.Source+json: {\"info\":{}}");
}

#[tokio::test]
async fn a_question_that_nobody_knows_crosses_the_connection() {
    let told = failure(async |gateway| {
        gateway
            .fail_unknown("frontend.dance", "no such question")
            .await
            .unwrap();
    })
    .await;
    insta::assert_snapshot!(told, @r#"
    12 no such question
    github.com/moby/buildkit/errdefs.Subrequest+json: {"name":"frontend.dance"}
    github.com/moby/buildkit/errdefs.Source+json: {"info":{}}
    "#);
}

#[tokio::test]
async fn an_answer_has_no_result() {
    let (gateway, asked) = connect(&["return"], Setting::default(), mirrored).await;
    let metadata = BTreeMap::from([("result.txt".to_owned(), b"words".to_vec())]);
    gateway.answer(metadata.clone()).await.unwrap();
    let asked = asked.lock().unwrap();
    let result = asked.returned[0].result.as_ref().unwrap();
    assert!(asked.returned[0].error.is_none() && result.result.is_none());
    assert_eq!(result.metadata, metadata);
}

#[tokio::test]
async fn a_capability_that_is_missing_crosses_the_connection() {
    let told = failure(async |gateway| gateway.fail_incapable("dreams").await.unwrap()).await;
    insta::assert_snapshot!(told, @r#"
    12 unsupported frontend capability dreams
    github.com/moby/buildkit/errdefs.FrontendCap+json: {"name":"dreams"}
    github.com/moby/buildkit/errdefs.Source+json: {"info":{}}
    "#);
}

fn missing() -> Vec<MissingCap> {
    vec![MissingCap {
        cap: "mergeop".to_owned(),
        vertices: Vec::new(),
    }]
}

#[tokio::test]
async fn what_the_gateway_refuses_is_of_a_kind() {
    let kinds = [
        BuildError::Unsupported {
            engine: "BuildKit v1".to_owned(),
            missing: missing(),
        },
        BuildError::Request("it contradicts itself".to_owned()),
        BuildError::Definition("no".to_owned()),
        BuildError::TooLarge(TooLarge { size: 2, limit: 1 }),
    ];
    let mut told = Vec::new();
    for kind in kinds {
        told.push(failure(async |gateway| gateway.fail_by(&kind.into()).await.unwrap()).await);
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    12 the engine (BuildKit v1) lacks: mergeop
    github.com/moby/buildkit/errdefs.Source+json: {"info":{}}
    3 it contradicts itself
    github.com/moby/buildkit/errdefs.Source+json: {"info":{}}
    3 malformed definition: no
    github.com/moby/buildkit/errdefs.Source+json: {"info":{}}
    8 the definition has 2 bytes, and an engine takes 1 at most
    github.com/moby/buildkit/errdefs.Source+json: {"info":{}}
    "#);
}

#[tokio::test]
async fn two_results_for_one_platform_are_refused_before_the_engine_has_them() {
    let result = || PlatformResult {
        platform: Some(Platform::linux_amd64()),
        ..PlatformResult::default()
    };
    let (gateway, asked) = connect(&["return"], Setting::default(), mirrored).await;
    let refused = gateway.succeed(&[result(), result()], false, None).await.unwrap_err();
    assert!(asked.lock().unwrap().returned.is_empty());
    insta::assert_snapshot!(refused.to_string(), @"several results need a platform each, all different");
    gateway.succeed(&[result()], true, Some(7)).await.unwrap();
    let asked = asked.lock().unwrap();
    let returned = asked.returned[0].result.as_ref().unwrap();
    assert_eq!(returned.metadata["source.date.epoch"], b"7");
}

#[tokio::test]
async fn remarks_are_made_where_the_engine_passes_them_on() {
    let remark = Diagnostic::warning("odd", "this is odd");
    let (deaf, unheard) = connect(&[], Setting::default(), mirrored).await;
    assert!(!deaf.warn("sha256:1", &remark).await);
    assert!(unheard.lock().unwrap().warned.is_empty());
    let (gateway, asked) = connect(&["gateway.warnings"], Setting::default(), mirrored).await;
    assert!(gateway.warn("sha256:1", &remark).await);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.warned[0].short, b"this is odd");
}
