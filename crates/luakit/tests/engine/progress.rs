//! How builds are shown, and how they are stopped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::workbench::{Workbench, stderr_of, succeeded};

#[test]
fn raw_json_is_one_object_a_line() {
    let bench = Workbench::new();
    let script = "bk.export(bk.image(\"alpine:3.19\"):run(\"echo told by raw json\", { ignore_cache = true }))\n";
    let project = bench.project(&[("build.lua", script)]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition, &["--progress", "rawjson"]);
    succeeded("luakit solve --progress rawjson", &output);
    let said = stderr_of(&output);
    let objects: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all = |key: &str| -> Vec<&Value> {
        let lists = objects.iter().filter_map(|object| object[key].as_array());
        lists.flatten().collect()
    };
    let vertexes = all("vertexes");
    let step = vertexes
        .iter()
        .find(|v| v["name"].as_str().unwrap().contains("told by raw json") && !v["completed"].is_null())
        .unwrap_or_else(|| panic!("no step in\n{said}"));
    assert!(step["completed"].as_str().unwrap().ends_with('Z'), "{step}");
    // `told by raw json` and a line end, in base64.
    let log = all("logs")
        .into_iter()
        .find(|log| log["data"] == "dG9sZCBieSByYXcganNvbgo=");
    assert_eq!(
        log.unwrap_or_else(|| panic!("no log in\n{said}"))["vertex"],
        step["digest"]
    );
}

#[test]
fn quiet_says_nothing_but_errors() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", "bk.export(bk.image(\"alpine:3.19\"):run(\"true\"))\n")]);
    let definition = bench.build(&project, &[]);
    let output = bench.solve(&project, &definition, &["--progress", "quiet"]);
    succeeded("luakit solve --progress quiet", &output);
    assert_eq!(stderr_of(&output), "");
}

#[test]
fn ctrl_c_cancels_the_build_on_the_engine() {
    let bench = Workbench::new();
    let script = "bk.export(bk.image(\"alpine:3.19\"):run(\"echo it runs; sleep 120\", { ignore_cache = true }))\n";
    let project = bench.project(&[("build.lua", script)]);
    let definition = bench.build(&project, &[]);
    let mut command = bench.luakit(&project);
    command.args(["solve", "--progress", "plain"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&definition).unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let runs = lines.find(|line| line.starts_with('#') && line.ends_with("it runs"));
    assert!(runs.is_some(), "the step does not begin");
    let interrupted = Instant::now();
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let said: Vec<String> = lines.collect();
    let said = said.join("\n");
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(interrupted.elapsed() < Duration::from_secs(20), "{said}");
    assert!(
        said.contains("canceling the build; press Ctrl-C again to leave at once"),
        "{said}"
    );
    // The engine itself says so.
    assert!(said.contains(" CANCELED"), "{said}");
}
