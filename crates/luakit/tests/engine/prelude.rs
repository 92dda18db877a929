//! Every function of `require("prelude")`, built: `prelude/build.lua` checks in its run steps what came of each.

use crate::workbench::{Workbench, succeeded};

const SCRIPT: &str = include_str!("prelude/build.lua");

/// The script's context: a small project in each language.
const FILES: &[(&str, &str)] = &[
    ("build.lua", SCRIPT),
    ("go/go.mod", "module hello\n\ngo 1.19\n"),
    (
        "go/main.go",
        "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n",
    ),
    (
        "node/package.json",
        r#"{ "name": "hello", "version": "1.0.0", "dependencies": { "express": "4.18.2" },
  "scripts": { "build": "mkdir -p dist && cp index.js dist/" } }"#,
    ),
    ("node/index.js", "require(\"express\");\nconsole.log(\"hello\");\n"),
    ("python/requirements.txt", "idna==3.10\n"),
    ("python/main.py", "import idna\n\nprint(idna.__version__)\n"),
];

fn builds(target: &str) {
    let bench = Workbench::new();
    let project = bench.project(FILES);
    let definition = bench.build(&project, &["--target", target]);
    succeeded(target, &bench.solve(&project, &definition, &[]));
}

#[test]
fn every_function_is_built() {
    let source = luakit_script::prelude_source();
    let functions = source
        .lines()
        .filter_map(|line| line.strip_prefix("function prelude.")?.split('(').next());
    let missing: Vec<&str> = functions
        .filter(|name| !SCRIPT.contains(&format!("prelude.{name}(")))
        .collect();
    assert!(missing.is_empty(), "build.lua lacks {missing:?}");
}

#[test]
fn bases() {
    builds("bases");
}

#[test]
fn packages() {
    builds("packages");
}

#[test]
fn users() {
    builds("users");
}

#[test]
fn graph() {
    builds("graph");
}

#[test]
fn go() {
    builds("go");
}

#[test]
fn node() {
    builds("node");
}

#[test]
fn python() {
    builds("python");
}
