//! Definitions as people see them.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod graphs;

use graphs::{Script, app};
use luakit_llb::Definition;
use luakit_llb::definition::ExportRecord;
use luakit_llb::view::{Filter, Format, Options, render};

fn show(definition: &Definition, format: Format, filter: &[&str]) -> String {
    let options = Options {
        filter: Filter::parse(filter.iter().copied()).unwrap(),
        target: None,
    };
    render(&definition.read().unwrap(), format, &options)
}

fn app_definition() -> Definition {
    let mut script = Script::new();
    let state = app(&mut script);
    let mut definition = script.definition(state);
    let record = ExportRecord::new(&definition, "linux/amd64".parse().unwrap());
    definition.set_export(&record);
    definition
}

#[test]
fn text_says_what_each_vertex_does() {
    insta::assert_snapshot!(show(&app_definition(), Format::Text, &[]));
}

#[test]
fn dot_has_the_shapes_of_buildctl() {
    insta::assert_snapshot!(show(&app_definition(), Format::Dot, &[]));
}

#[test]
fn json_is_that_of_buildctl_and_more() {
    let lines = show(&app_definition(), Format::Json, &[]);
    for line in lines.lines() {
        let _is_json: serde_json::Value = serde_json::from_str(line).unwrap();
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn mermaid_escapes_what_it_would_read() {
    insta::assert_snapshot!(show(&app_definition(), Format::Mermaid, &[]));
}

#[test]
fn a_filter_contracts_what_it_leaves_out() {
    let definition = app_definition();
    insta::assert_snapshot!(show(&definition, Format::Text, &["exec"]), @r#"
    2 of 10 vertices for linux/amd64

    #2 exec /bin/sh -c apk add curl
       at build.lua:7

    #8 exec build "the app"
       does /bin/sh -c go build -o /out/app .\necho "done <&>"
       in /app
       as nobody
       cache /root/.cache (id //root/.cache, locked)
       secret /run/secrets/token (id token)
       secret $TOKEN (id token)
       marks no network
       at build.lua:5

    result …#2, …#8
    "#);
    insta::assert_snapshot!(show(&definition, Format::Dot, &["source", "docker-image://*"]), @r#"
    digraph {
      "sha256:d76f168e6859e9d648332ead9530c3005bb2cd99b7b8b570d2f5946343dae9d8" [label="docker-image://docker.io/library/alpine:3.19\nbuild.lua:6" shape=ellipse];
      "sha256:05aed251d34056d184d41b7e58f61b55a1c27521c14a8426085c806a11fb5f50" [label="docker-image://docker.io/library/golang:1.21\nbuild.lua:1" shape=ellipse];
      "sha256:22700c910cfcb723cdf2fcc0f17452030417956f4d8bf13f6dfddec7681d7180" [label="docker-image://docker.io/library/busybox:latest\nlinux/arm64\nbuild.lua:4" shape=ellipse];
      result [shape=plaintext];
      "sha256:d76f168e6859e9d648332ead9530c3005bb2cd99b7b8b570d2f5946343dae9d8" -> result [style=dashed];
      "sha256:05aed251d34056d184d41b7e58f61b55a1c27521c14a8426085c806a11fb5f50" -> result [style=dashed];
      "sha256:22700c910cfcb723cdf2fcc0f17452030417956f4d8bf13f6dfddec7681d7180" -> result [style=dashed];
    }
    "#);
    insta::assert_snapshot!(show(&definition, Format::Mermaid, &["exec,source", "apk", "golang"]), @r#"
    flowchart TD
      v2["/bin/sh -c apk add curl<br>build.lua:7"]
      v4(["docker-image://docker.io/library/golang:1.21<br>build.lua:1"])
      result((result))
      v2 -.-> result
      v4 -.-> result
    "#);
    insta::assert_snapshot!(show(&definition, Format::Text, &["merge", "nothing like it"]), @"
    0 of 10 vertices for linux/amd64

    result nothing that is shown
    ");
}

#[test]
fn scratch_is_shown_as_such() {
    let scratch = Definition::scratch();
    insta::assert_snapshot!(show(&scratch, Format::Text, &[]), @"scratch: nothing to build");
    insta::assert_snapshot!(show(&scratch, Format::Dot, &[]), @"
    digraph {
      result [shape=plaintext];
    }
    ");
    insta::assert_snapshot!(show(&scratch, Format::Mermaid, &[]), @"
    flowchart TD
      result((result))
    ");
    assert_eq!(show(&scratch, Format::Json, &[]), "");
}

#[test]
fn text_of_a_definition_plays_no_tricks() {
    let mut script = Script::new();
    let base = script.image("alpine", None);
    let state = script.run(base, "\u{1b}[31mred\u{1b}[0m \u{202e}drawkcab\r\\n");
    let state = script.describe(state, "\"]; evil [label=\"<b>`x`</b>\\");
    let definition = script.definition(state);
    insta::assert_snapshot!(show(&definition, Format::Text, &["exec"]), @r#"
    1 of 2 vertices for linux/amd64

    #2 exec "]; evil [label="<b>`x`</b>\
       does /bin/sh -c \u{1b}[31mred\u{1b}[0m \u{202e}drawkcab\r\n
       at build.lua:2

    result #2
    "#);
    insta::assert_snapshot!(show(&definition, Format::Dot, &["exec"]), @r#"
    digraph {
      "sha256:7533af68022412af5c6c3118ce8a36238db723803c6db6eadf8246f7fdfa5b08" [label="\"]; evil [label=\"<b>`x`</b>\\\nbuild.lua:2" shape=box];
      result [shape=plaintext];
      "sha256:7533af68022412af5c6c3118ce8a36238db723803c6db6eadf8246f7fdfa5b08" -> result;
    }
    "#);
    insta::assert_snapshot!(show(&definition, Format::Mermaid, &["exec"]), @r##"
    flowchart TD
      v2["#34;]#59; evil [label=#34;#60;b#62;#96;x#96;#60;/b#62;#92;<br>build.lua:2"]
      result((result))
      v2 --> result
    "##);
}

/// Many sources under merges of merges that many runs share: contracting them all would give an edge for each pair.
#[test]
fn a_vertex_that_joins_many_for_many_stays() {
    let mut script = Script::new();
    let sources: Vec<_> = (0..20).map(|i| script.local(&format!("part{i}"))).collect();
    let joined = script.merge(&sources);
    let users: Vec<_> = (0..20).map(|i| script.run(joined, &format!("use {i}"))).collect();
    let all = script.merge(&users);
    let definition = script.definition(all);
    let text = show(&definition, Format::Text, &["source,exec"]);
    assert!(text.contains("not asked for, but joins what is"), "{text}");
    let edges = show(&definition, Format::Dot, &["source,exec"]).matches(" -> ").count();
    assert_eq!(edges, 20 + 20 + 20);
}

/// Any recursion over the depth of the graph would overflow this stack.
#[test]
fn deep_graphs_need_no_stack() {
    let deep = || {
        let mut script = Script::new();
        let mut state = script.image("alpine", None);
        for i in 0..10_000 {
            let next = script.run(state, &format!("echo {i}"));
            state = if i % 2 == 0 { script.merge(&[state, next]) } else { next };
        }
        let definition = script.definition(state);
        for (format, filter, at_least) in [
            (Format::Text, "*", 40_000),
            (Format::Dot, "*", 30_000),
            (Format::Json, "*", 15_000),
            (Format::Mermaid, "merge", 10_000),
        ] {
            let lines = show(&definition, format, &[filter]).lines().count();
            assert!(lines > at_least, "{format:?}: {lines}");
        }
    };
    let small = std::thread::Builder::new().stack_size(128 * 1024);
    small.spawn(deep).unwrap().join().unwrap();
}

/// The name of each merge holds those of its inputs: without a limit this one has a million million parts.
#[test]
fn names_of_merges_of_merges_are_cut() {
    let mut script = Script::new();
    let mut state = script.local("part");
    for _ in 0..40 {
        let other = script.mkdir(state, "/x");
        state = script.merge(&[state, other, state]);
    }
    let definition = script.definition(state);
    let names = definition.read().unwrap().names();
    assert!(names.iter().all(|name| name.len() < 1100));
    let last = names.last().unwrap();
    assert!(last.starts_with("merge (merge (") && last.ends_with("…)"), "{last}");
}

#[test]
fn formats_have_names() {
    for name in Format::NAMES {
        assert!(name.parse::<Format>().is_ok());
    }
    insta::assert_snapshot!("svg".parse::<Format>().unwrap_err(), @"unknown format `svg`: it must be text, dot, json or mermaid");
}
