//! What named contexts put in the place of images and directories.

use luakit_llb::image_config::compose;
use luakit_llb::marshal::{NoCache, Options, marshal};
use luakit_llb::op::{GitSource, Op, ResolveMode, Source};
use luakit_llb::{ConfigOverlay, Definition, Graph, Pins, Platform, State};
use luakit_proto::Message as _;

use super::{input, run};
use crate::{Evaluation, Excludes, Input, NamedContext, NamedContexts, evaluate};

fn with(contexts: &[(&str, NamedContext)], script: &str) -> Evaluation {
    let mut named = NamedContexts::default();
    for (name, context) in contexts {
        named.insert(NamedContexts::normalise(name).unwrap(), context.clone());
    }
    run(Input {
        contexts: named,
        ..input(script)
    })
}

/// What a state's last operation is, in a few words, and what it is called.
fn told(graph: &Graph, state: State) -> String {
    let Some(output) = state.output else {
        return "scratch".to_owned();
    };
    let vertex = graph.vertex(output.vertex);
    let what = match &*vertex.op {
        Op::Source(Source::Image(image)) => {
            let platform = image.platform.as_ref().map(ToString::to_string);
            format!("image {} {}", image.reference.familiar(), platform.unwrap_or_default())
        }
        Op::Source(Source::Local(local)) => format!("local {} {:?} {:?}", local.name, local.include, local.exclude),
        Op::Source(Source::Git(git)) => format!("git {} {:?} {:?}", git.url, git.reference, git.subdir),
        Op::Source(Source::Http(http)) => format!("http {} {:?}", http.url, http.filename),
        Op::Source(Source::OciLayout(layout)) => format!("layout {} {:?}", layout.reference, layout.store),
        Op::File(_) => "files".to_owned(),
        Op::Foreign(_) => "foreign".to_owned(),
        _ => "another op".to_owned(),
    };
    let called = vertex.metadata.description.as_deref().unwrap_or("-");
    format!("{what}: {called}")
}

/// A definition of two steps, as another client writes one.
fn definition() -> Definition {
    let evaluation = run(input(r#"bk.export(bk.image("busybox"):run("make"))"#));
    let options = Options {
        platform: &Platform::linux_amd64(),
        pins: &Pins::new(),
        local_unique: "test",
        context_excludes: &[],
        run_defaults: None,
        no_cache: NoCache::AsWritten,
        resolve_mode: ResolveMode::Default,
    };
    marshal(&evaluation.graph, evaluation.exports[0].state, &options)
}

fn exported(context: NamedContext, expression: &str) -> String {
    let evaluation = with(&[("app", context)], &format!("bk.export({expression})"));
    assert!(evaluation.warnings.is_empty());
    told(&evaluation.graph, evaluation.exports[0].state)
}

#[test]
fn each_kind_takes_the_place_of_both() {
    let git = GitSource {
        url: "https://example.com/x.git".to_owned(),
        reference: Some("v1".to_owned()),
        ..GitSource::default()
    };
    let digest = format!("sha256:{}", "1".repeat(64));
    let kinds = [
        NamedContext::Local {
            name: "app".to_owned(),
            exclude: Excludes::Known(vec!["*.log".to_owned()]),
            hint: None,
            session: None,
        },
        NamedContext::Image("alpine:3.20".parse().unwrap()),
        NamedContext::Scratch,
        NamedContext::Git(git),
        NamedContext::Http("https://example.com/file".to_owned()),
        NamedContext::OciLayout {
            reference: format!("app@{digest}").parse().unwrap(),
            store: "app".to_owned(),
        },
        NamedContext::Input {
            definition: definition(),
            config: None,
        },
    ];
    let mut lines = Vec::new();
    for kind in kinds {
        for expression in [
            r#"bk.image("docker.io/library/app:latest", { platform = "linux/arm64" })"#,
            r#"bk.local_("app", { exclude = { "own" } })"#,
            r#"bk.local_("app")"#,
        ] {
            lines.push(exported(kind.clone(), expression).replace(&"1".repeat(64), "1…"));
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    local app [] ["*.log"]: [context app] load from client
    local app [] ["*.log", "own"]: [context app] load from client
    local app [] ["*.log"]: [context app] load from client
    image alpine:3.20 linux/arm64: [context app] alpine:3.20
    files: -
    image alpine:3.20 : [context app] alpine:3.20
    scratch
    files: -
    scratch
    git https://example.com/x.git Some("v1") None: [context app] https://example.com/x.git
    files: -
    git https://example.com/x.git Some("v1") None: [context app] https://example.com/x.git
    http https://example.com/file Some("context"): [context app] https://example.com/file
    files: -
    http https://example.com/file Some("context"): [context app] https://example.com/file
    layout docker.io/library/app@sha256:1… Some("app"): [context app] OCI load from client
    files: -
    layout docker.io/library/app@sha256:1… Some("app"): [context app] OCI load from client
    foreign: -
    files: -
    foreign: -
    "#);
}

#[test]
fn an_input_is_taken_once_and_hands_on_its_config() {
    let context = NamedContext::Input {
        definition: definition(),
        config: Some(br#"{"config":{"Env":["FROM=the input"]}}"#.to_vec()),
    };
    let script = r#"
        local app = bk.image("app")
        assert(tostring(app) == "state(input)", tostring(app))
        bk.export(app:run("env"):copy(bk.local_("app"), "/", "/"))
    "#;
    let evaluation = with(&[("app", context)], script);
    // The input's two steps, the run and the copy.
    assert_eq!(evaluation.graph.len(), 4);
    let config = compose(
        &evaluation.graph,
        evaluation.exports[0].state,
        &ConfigOverlay::default(),
        &Platform::linux_amd64(),
        None,
        &Pins::new(),
    );
    assert!(String::from_utf8(config).unwrap().contains("FROM=the input"));
}

#[test]
fn an_image_for_another_platform_is_told_where_it_is_named() {
    let config = |arch: &str| format!(r#"{{"architecture":"{arch}","os":"linux"}}"#).into_bytes();
    let input = |arch: &str| NamedContext::Input {
        definition: definition(),
        config: Some(config(arch)),
    };
    let script = "local app = bk.image(\"app\")\nbk.export(app)";
    let told = |context| {
        let evaluation = with(&[("app", context)], script);
        let lines = evaluation.warnings.iter().map(|warning| {
            let line = warning.span.as_ref().map(|span| span.line);
            format!("{}: {} {line:?}", warning.code, warning.message)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(told(input("arm64")), "");
    let other =
        "image-platform: build context `app` is an image for linux/amd64, and was asked for linux/arm64 Some(1)";
    assert_eq!(told(input("amd64")), other);
    // As a directory it has no platform.
    let directory = with(&[("app", input("amd64"))], "bk.export(bk.local_(\"app\"))");
    assert!(directory.warnings.is_empty());
}

#[test]
fn a_damaged_input_ends_the_script_that_names_it() {
    let mut broken = definition().message().clone();
    broken.def.truncate(1);
    let context = NamedContext::Input {
        definition: Definition::from_bytes(&broken.encode_to_vec()).unwrap(),
        config: None,
    };
    let mut named = NamedContexts::default();
    named.insert("app".to_owned(), context);
    let input = Input {
        contexts: named,
        ..input(r#"bk.export(bk.image("app"))"#)
    };
    let failure = evaluate(input).err().unwrap();
    insta::assert_snapshot!(failure.diagnostic.message, @"build context `app` can't be used: the definition has a single op: it needs an operation and the return vertex after it");
}

#[test]
fn other_names_stay() {
    let script = r#"bk.export(bk.image("app:2"):copy(bk.local_("apps"), ".", "/"))"#;
    let evaluation = with(&[("app", NamedContext::Scratch)], script);
    let warnings: Vec<String> = evaluation
        .warnings
        .iter()
        .map(|w| format!("{} ({})", w.message, w.hint.clone().unwrap_or_default()))
        .collect();
    insta::assert_snapshot!(warnings.join("\n"), @"build context `app` is given, and the script names no such image or directory (did you mean `apps`?)");
}

#[test]
fn a_name_that_is_a_layouts_store_is_not_odd() {
    let script = format!(
        r#"bk.export(bk.oci_layout("local/x@sha256:{}", {{ store = "app" }}))"#,
        "1".repeat(64)
    );
    let evaluation = with(&[("app", NamedContext::Scratch)], &script);
    assert_eq!(evaluation.warnings, []);
}

/// With `base` given as the target of a name.
fn on_target(target: &str, script: &str) -> Result<crate::Evaluation, crate::Failure> {
    let mut contexts = NamedContexts::default();
    contexts.insert_target("base".to_owned(), target.to_owned());
    evaluate(Input {
        contexts,
        ..input(script)
    })
}

#[test]
fn a_target_of_the_script_takes_a_names_place() {
    let script = r#"
        local tools = bk.image("alpine"):run("tools")
        bk.export(tools, { name = "tools", env = { FROM = "tools" } })
        bk.export(bk.image("base"):run("use"):copy(bk.local_("base", { include = { "etc" } }), ".", "/"))
    "#;
    let evaluation = on_target("tools", script).ok().unwrap();
    assert!(evaluation.warnings.is_empty());
    let graph = &evaluation.graph;
    // The image, two runs, the filtered copy and the copy: no source of the name.
    assert_eq!(graph.len(), 5);
    let config = compose(
        graph,
        evaluation.exports[1].state,
        &ConfigOverlay::default(),
        &Platform::linux_amd64(),
        None,
        &Pins::new(),
    );
    assert!(String::from_utf8(config).unwrap().contains("FROM=tools"));
}

#[test]
fn a_target_must_come_first() {
    let told = |target: &str, script: &str| {
        let failure = on_target(target, script).err().unwrap();
        let hint = failure.diagnostic.hint.clone().unwrap_or_default();
        format!("{} ({hint})", failure.diagnostic.message)
    };
    let early = r#"bk.export(bk.image("base"))  bk.export(bk.scratch(), { name = "tools" })"#;
    let late = r#"bk.export(bk.scratch(), { name = "tools" })  bk.export(bk.image("base"))"#;
    let other = r#"bk.export(bk.scratch(), { name = "tools", platform = "linux/s390x" })  bk.export(bk.image("base"))"#;
    let said = [told("tools", early), told("tolls", late), told("tools", other)];
    insta::assert_snapshot!(said.join("\n"), @"
    build context `base` is the target `tools`, which is not exported before this (a script runs from top to bottom: export the target before what is built on it)
    build context `base` is the target `tolls`, which is not exported before this (did you mean `target:tools`?)
    build context `base` is the target `tools`, which is exported for other platforms than linux/arm64 (a script runs from top to bottom: export the target before what is built on it)
    ");
}
