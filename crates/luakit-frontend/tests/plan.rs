//! From a script's text to planned outputs: which exports, for which platforms, with what they reach.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::sync::Arc;

use luakit_frontend::plan::MarshalSettings;
use luakit_frontend::{Plan, PlanError, Request, Selection};
use luakit_llb::{Pins, Platform, ResolvedImage};
use luakit_script::{DirLoader, Limits, NamedContexts};

fn plan(script: &str, selection: Selection<'_>, platforms: &[&str]) -> Result<Plan, PlanError> {
    let request = Request {
        script_name: "build.lua".to_owned(),
        script: script.as_bytes().to_vec(),
        loader: Arc::new(DirLoader::open(None, None).unwrap()),
        args: BTreeMap::new(),
        contexts: NamedContexts::default(),
        limits: Limits::default(),
        print: Arc::new(|_| {}),
        selection,
        platforms: platforms.iter().map(|p| p.parse().unwrap()).collect(),
        default_platform: Platform::linux_amd64(),
        build_platform: Platform::linux_amd64(),
    };
    Plan::evaluate(&request)
}

/// The planned outputs, or the error and its hint.
fn check(script: &str, selection: Selection<'_>, platforms: &[&str], expect: &str) {
    let shown = match plan(script, selection, platforms) {
        Ok(plan) => {
            let name = |(name, platform): (Option<&str>, &Platform)| format!("{} {platform}", name.unwrap_or("-"));
            plan.planned().map(name).collect::<Vec<_>>().join(", ")
        }
        Err(PlanError::Target(e)) => format!("{e}; {}", e.hint()),
        Err(e) => e.to_string(),
    };
    assert_eq!(shown, expect, "{script}");
}

const TWO: &str = r#"local a = bk.image("alpine") bk.export(a, { name = "server" }) bk.export(a, { name = "worker" })"#;
const MIXED: &str = r#"local a = bk.image("alpine") bk.export(a, { name = "dev" }) bk.export(a)"#;
const ONE: &str = r#"bk.export(bk.image("alpine"), { name = "server" })"#;
const MANY: &str = r#"for _, p in ipairs { "linux/amd64", "linux/arm64" } do
    bk.export(bk.image("alpine", { platform = p })) end"#;
const PLAIN: &str = r#"bk.export(bk.image("alpine"))"#;

#[test]
fn targets_are_chosen_by_name_or_by_default() {
    check(MIXED, Selection::Default, &[], "- linux/amd64");
    check(MIXED, Selection::Named("dev"), &[], "dev linux/amd64");
    check(MIXED, Selection::Every, &[], "dev linux/amd64, - linux/amd64");
    check(ONE, Selection::Default, &[], "server linux/amd64");
    check(
        TWO,
        Selection::Default,
        &[],
        "the script has several targets and no default one; choose one with `--target`: `server`, `worker`",
    );
    check(
        TWO,
        Selection::Named("sever"),
        &[],
        "the script has no target `sever`; did you mean `server`?",
    );
    check(
        TWO,
        Selection::Named("x"),
        &[],
        "the script has no target `x`; its targets are `server`, `worker`",
    );
    check(
        PLAIN,
        Selection::Named("x"),
        &[],
        "the script has no target `x`; its only export has no name: leave `--target` out",
    );
}

#[test]
fn platforms_are_the_scripts_or_those_asked_for() {
    check(
        PLAIN,
        Selection::Default,
        &["linux/arm64", "linux/s390x"],
        "- linux/arm64, - linux/s390x",
    );
    check(MANY, Selection::Default, &[], "- linux/amd64, - linux/arm64");
    check(MANY, Selection::Default, &["linux/arm64"], "- linux/arm64");
    check(
        MANY,
        Selection::Default,
        &["linux/s390x"],
        "the script exports its default target for linux/amd64, linux/arm64, not for linux/s390x; choose one with \
         `--platform`: linux/amd64, linux/arm64",
    );
}

#[test]
fn every_platform_reaches_its_own_images_and_is_marshalled_with_them() {
    let script = r#"
        local tool = bk.image("golang:1", { platform = bk.build_platform })
        bk.export(bk.image("alpine:3"):copy(tool, "/t", "/t"):run("true"))
    "#;
    let plan = plan(script, Selection::Default, &["linux/arm64", "linux/amd64"]).unwrap();
    let reached = plan.reached();
    let name =
        |(reference, platform): &(luakit_llb::Reference, Platform)| format!("{} {platform}", reference.familiar());
    let images: Vec<String> = reached.images.iter().map(name).collect();
    assert_eq!(
        images,
        ["alpine:3 linux/amd64", "alpine:3 linux/arm64", "golang:1 linux/amd64"]
    );

    let mut pins = Pins::new();
    for (n, (reference, platform)) in reached.images.into_iter().enumerate() {
        let config = format!(
            r#"{{"os":"linux","architecture":"{}","config":{{"Env":["PATH=/{n}"]}}}}"#,
            platform.arch()
        );
        let image = ResolvedImage {
            reference: None,
            digest: format!("sha256:{n:064}").parse().ok(),
            config: config.into_bytes(),
        };
        pins.insert_image(reference, platform, image);
    }
    let outputs = plan.outputs(&pins, &MarshalSettings::default());
    let shown: Vec<String> = outputs
        .iter()
        .map(|output| {
            let config: serde_json::Value = serde_json::from_slice(&output.config).unwrap();
            let images: Vec<String> = output.images.iter().map(name).collect();
            format!(
                "{} {} {} {images:?}",
                output.platform, config["architecture"], config["config"]["Env"][0]
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n").replace(&"0".repeat(60), ""), @r#"
    linux/arm64 "arm64" "PATH=/1" ["alpine:3@sha256:0001 linux/arm64", "golang:1@sha256:0002 linux/amd64"]
    linux/amd64 "amd64" "PATH=/0" ["alpine:3@sha256:0000 linux/amd64", "golang:1@sha256:0002 linux/amd64"]
    "#);
}

#[test]
fn what_is_odd_about_images_is_told_where_the_script_names_them() {
    let script = "local prelude = require(\"prelude\")\n\
                  local tool = bk.image(\"alpine:3.18\"):run(\"make\")\n\
                  local base = prelude.from_alpine(\"3.19\")\n\
                  bk.export(base:copy(tool, \"/a\", \"/a\"))";
    let plan = plan(script, Selection::Default, &[]).unwrap();
    let mut pins = Pins::new();
    for (tag, arch) in [("3.18", "amd64"), ("3.19", "s390x")] {
        let config = format!(
            r#"{{"architecture":"{arch}","os":"linux","config":{{"OnBuild":["RUN apk add git","USER app"]}}}}"#
        );
        let reference = format!("alpine:{tag}").parse().unwrap();
        let image = ResolvedImage {
            reference: None,
            digest: None,
            config: config.into_bytes(),
        };
        pins.insert_image(reference, Platform::linux_amd64(), image);
    }
    let told: Vec<String> = plan
        .image_warnings(&pins)
        .iter()
        .map(|warning| luakit_diagnostic::render(warning, luakit_diagnostic::Colour::Plain))
        .collect();
    insta::assert_snapshot!(told.concat(), @r#"
    warning[onbuild]: image `alpine:3.18` has ONBUILD instructions, which a Dockerfile would carry out here: a script doesn't
     --> build.lua:2
      |
    2 | local tool = bk.image("alpine:3.18"):run("make")
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    note: ONBUILD RUN apk add git
    note: ONBUILD USER app
    hint: write as steps what is needed of them, as `state:run(…)` and `state:copy(…)`
    warning[image-platform]: image `alpine:3.19` is for linux/s390x, and was asked for linux/amd64
     --> build.lua:3
      |
    3 | local base = prelude.from_alpine("3.19")
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    warning[onbuild]: image `alpine:3.19` has ONBUILD instructions, which a Dockerfile would carry out here: a script doesn't
     --> build.lua:3
      |
    3 | local base = prelude.from_alpine("3.19")
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    note: ONBUILD RUN apk add git
    note: ONBUILD USER app
    hint: write as steps what is needed of them, as `state:run(…)` and `state:copy(…)`
    "#);
}
