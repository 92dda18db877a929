//! What options make of the definitions that the engine is asked for.

use luakit_llb::marshal::op_digest;
use luakit_proto::{Message as _, pb};

use crate::engine::{Engine, built};

const TARGETS: &str = r#"
    local base = bk.image("alpine")
    bk.export(base:run("make one"), { name = "one" })
    bk.export(base:run("make two", { network = "host" }), { name = "two" })
    bk.export(bk.image("own", { resolve_mode = "local" }), { name = "own" })"#;

/// The steps of a target's results, one a line: what it is, and what options can make of it.
async fn steps(target: &str, options: &[(&str, &str)]) -> String {
    let engine = Engine::new(&[("/build.lua", TARGETS)]);
    built(&engine, &[&[("target", target)], options].concat())
        .await
        .unwrap();
    let solved = engine.solved.lock().unwrap();
    let told = solved.iter().flat_map(|definition| {
        let message = definition.message();
        message.def.iter().filter_map(|bytes| {
            let digest = op_digest(bytes);
            let metadata = message
                .metadata
                .iter()
                .find(|entry| entry.key.as_deref() == Some(digest.as_str()));
            let anew = metadata
                .and_then(|entry| entry.value.as_ref())
                .is_some_and(|value| value.ignore_cache);
            let mut told = match pb::Op::decode(bytes.as_slice()).unwrap().op? {
                pb::op::Op::Source(source) => {
                    let mut attrs = source.attrs.into_iter();
                    let mode = attrs.find(|attr| attr.key.as_deref() == Some("image.resolvemode"));
                    let mode = mode.and_then(|attr| attr.value).unwrap_or_default();
                    vec![source.identifier, mode]
                }
                pb::op::Op::Exec(exec) => {
                    let network = exec.network().as_str_name().to_owned();
                    vec![exec.meta.unwrap_or_default().args.join(" "), network]
                }
                _ => return None,
            };
            told.retain(|part| !part.is_empty());
            told.extend(anew.then(|| "without cache".to_owned()));
            Some(told.join(", "))
        })
    });
    told.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_are_done_without_cache() {
    let told = [
        steps("one", &[]).await,
        steps("one", &[("no-cache", "")]).await,
        steps("one", &[("no-cache", "one")]).await,
        steps("two", &[("no-cache", "one")]).await,
    ];
    insta::assert_snapshot!(told.join("\n\n"), @"
    docker-image://docker.io/library/alpine:latest
    /bin/sh -c make one, UNSET

    docker-image://docker.io/library/alpine:latest
    /bin/sh -c make one, UNSET, without cache

    docker-image://docker.io/library/alpine:latest
    /bin/sh -c make one, UNSET, without cache

    docker-image://docker.io/library/alpine:latest
    /bin/sh -c make two, HOST
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registries_are_asked_anew() {
    let told = [
        steps("one", &[("image-resolve-mode", "pull")]).await,
        steps("own", &[("image-resolve-mode", "pull")]).await,
    ];
    insta::assert_snapshot!(told.join("\n\n"), @"
    docker-image://docker.io/library/alpine:latest, pull
    /bin/sh -c make one, UNSET

    docker-image://docker.io/library/own:latest, local
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_have_the_network_that_is_asked_for() {
    let told = [
        steps("one", &[("force-network-mode", "none")]).await,
        steps("two", &[("force-network-mode", "none")]).await,
    ];
    insta::assert_snapshot!(told.join("\n\n"), @"
    docker-image://docker.io/library/alpine:latest
    /bin/sh -c make one, NONE

    docker-image://docker.io/library/alpine:latest
    /bin/sh -c make two, HOST
    ");
}
