//! Call sites: each vertex knows the lines that made it.

use std::time::{Duration, Instant};

use super::Run;
use crate::evaluation::Evaluation;

/// The stacks of all vertices, innermost frame first.
fn sites(evaluation: &Evaluation) -> Vec<String> {
    let graph = &evaluation.graph;
    let frame = |frame: &luakit_llb::Frame| {
        let file = &graph.files()[graph.file_index(frame.file)];
        format!("{}:{}", file.name, frame.line)
    };
    let stack = |id| graph.stack(id).iter().map(frame).collect::<Vec<_>>().join(" < ");
    graph.vertices().map(|vertex| stack(vertex.stack)).collect()
}

fn check(run: Run, expect: &[&str]) {
    match super::super::evaluate(run.input) {
        Ok(evaluation) => assert_eq!(sites(&evaluation), expect),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn each_call_of_a_chain_has_its_own_line() {
    let script = "# syntax=x\nlocal s = bk.image(\"alpine\")\n  :run(\"a\")\n  :mkdir(\n    \"/x\"\n  )\n\n  :run(\"b\", {\n    cwd = \"/\",\n  })\nbk.export(s)\n";
    check(
        Run::script(script),
        &["build.lua:2", "build.lua:3", "build.lua:4", "build.lua:8"],
    );
}

#[test]
fn frames_go_through_functions_modules_and_protected_calls() {
    let script = "local go = require(\"libs.go\")\nlocal function build(s)\n  return go.build(s) or nil\nend\nlocal ok, s = pcall(build, bk.scratch())\nassert(ok, s)\nlocal co = coroutine.wrap(function()\n  coroutine.yield(s:run(\"y\"))\nend)\nbk.export(co())\n";
    let files = [(
        "libs/go.lua",
        "local M = {}\nfunction M.build(s)\n  local r = s:run(\"x\")\n  return r\nend\nreturn M\n",
    )];
    check(
        Run::script(script).files(&files),
        &["libs/go.lua:3 < build.lua:3 < build.lua:5", "build.lua:8"],
    );
}

#[test]
fn a_hundred_thousand_runs_take_no_time() {
    let run = Run::script("local s = bk.image(\"alpine\")\nfor i = 1, 100000 do s = s:run(\"true\") end\nbk.export(s)");
    let start = Instant::now();
    let evaluation = super::super::evaluate(run.input);
    let took = start.elapsed();
    assert_eq!(
        evaluation.map(|e| e.graph.len()).map_err(|f| f.to_string()),
        Ok(100_001)
    );
    // A second or two without optimization. What this must catch is time that grows with the square.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
