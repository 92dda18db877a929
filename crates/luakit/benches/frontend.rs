//! The frontend image beside BuildKit's built-in Dockerfile frontend, on the test engine: the same build, described in
//! both ways, by turns, with everything cached but what the frontends themselves do.
//!
//! `cargo xtask engine up`, `cargo xtask dist --push REGISTRY/luakit/frontend` with the registry that `cargo xtask engine
//! status` names, then `cargo bench -p luakit --bench frontend -- REGISTRY/luakit/frontend`.
//!
//! A line is the median of ten runs of each, with the least and the most. The times are those of the engine's own events:
//! from the moment when the frontend's image is there to the frontend's first request (starting the container is all
//! that lies between), and from the build's first event to the look-up of the base image, which both frontends ask for
//! when they have read the whole description. The whole build is docker's wall time. Nothing of the engine is emptied.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and ends where something is wrong"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use luakit_testkit::engine::Engine;
use serde_json::Value;

const RUNS: usize = 10;

const DOCKERFILE: &str = "FROM alpine:3.19\nRUN echo 1 > /1\nCOPY a /a\nRUN cat /a /1 > /2\nCMD [\"cat\", \"/2\"]\n";

const SCRIPT: &str = r#"
local s = bk.image("alpine:3.19"):run("echo 1 > /1"):copy(bk.local_("context"), "a", "/a")
bk.export(s:run("cat /a /1 > /2"), { cmd = { "cat", "/2" } })
"#;

/// What a run took, in seconds.
struct Taken {
    /// From the frontend's image to the frontend's first request; none where there is no image.
    start: Option<f64>,
    /// Until the base image was looked up.
    looked_up: f64,
    whole: f64,
}

/// A step's name, and when it began and ended last.
type Step = (String, Option<f64>, Option<f64>);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [image] = args.as_slice() else {
        println!("name the frontend image: `cargo bench -p luakit --bench frontend -- IMAGE`");
        return;
    };
    let engine = Engine::get();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    put("Dockerfile", DOCKERFILE);
    put("build.lua", &format!("# syntax={image}\n{SCRIPT}"));
    put("a", "a\n");
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let cores = std::thread::available_parallelism().unwrap();
    println!("load {load} on {cores} processors; docker {}\n", engine.facts().version);
    let mut runs = [Vec::new(), Vec::new()];
    for run in 0..=RUNS {
        for (file, runs) in ["Dockerfile", "build.lua"].into_iter().zip(&mut runs) {
            let taken = build(&engine, folder.path(), file, image);
            // The first has the engine pull and cache.
            if run > 0 {
                runs.push(taken);
            }
        }
    }
    let [dockerfile, script] = runs;
    println!("{:<34} {:<25} {:<25}", "", "Dockerfile", "script");
    let line = |what: &str, number: fn(&Taken) -> Option<f64>| {
        let [theirs, ours] = [&dockerfile, &script].map(|runs| spread(runs.iter().filter_map(number).collect()));
        println!("{what:<34} {theirs:<25} {ours:<25}");
    };
    line("image there to first request", |taken| taken.start);
    line("first event to image looked up", |taken| Some(taken.looked_up));
    line("whole build", |taken| Some(taken.whole));
}

/// Builds, and reads what the engine tells of it.
fn build(engine: &Engine, folder: &Path, file: &str, image: &str) -> Taken {
    let mut command = Command::new(&engine.facts().docker_cli);
    command
        .args([
            "buildx",
            "build",
            "--progress=rawjson",
            "--provenance=false",
            "--output=type=cacheonly",
        ])
        .args(["-f", file, "."])
        .current_dir(folder)
        .stdin(Stdio::null())
        .env("DOCKER_CONFIG", &engine.facts().docker_config)
        .env("DOCKER_HOST", engine.docker_host());
    let began = Instant::now();
    let output = command.output().unwrap();
    let whole = began.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let steps = steps(&said);
    let first = steps.iter().filter_map(|step| step.1).fold(f64::MAX, f64::min);
    let looked_up = steps.iter().find(|step| step.0.contains("load metadata for")).unwrap();
    let about_image = steps
        .iter()
        .filter(|step| step.0.contains("docker-image://") && step.0.contains(image));
    let image_there = about_image.filter_map(|step| step.2).reduce(f64::max);
    let start = image_there.map(|there| {
        let after = steps
            .iter()
            .filter_map(|step| step.1)
            .filter(|started| *started >= there);
        after.fold(f64::MAX, f64::min) - there
    });
    Taken {
        start,
        looked_up: looked_up.2.unwrap() - first,
        whole,
    }
}

/// The steps of a build by the engine's events: JSON objects, one after the other.
fn steps(events: &str) -> Vec<Step> {
    let mut steps: BTreeMap<String, Step> = BTreeMap::new();
    let events = serde_json::Deserializer::from_str(events).into_iter::<Value>();
    for event in events.map_while(Result::ok) {
        for vertex in event["vertexes"].as_array().into_iter().flatten() {
            let text = |name: &str| vertex[name].as_str().unwrap().to_owned();
            let at = |name: &str| vertex[name].as_str().map(seconds);
            let step = steps
                .entry(text("digest"))
                .or_insert_with(|| (text("name"), None, None));
            step.1 = step.1.or(at("started"));
            step.2 = at("completed").or(step.2);
        }
    }
    steps.into_values().collect()
}

/// The seconds of a day in Go's RFC 3339; a build over midnight counts for nothing.
fn seconds(time: &str) -> f64 {
    let clock = time.split_once('T').unwrap().1;
    let clock: String = clock
        .chars()
        .take_while(|c| c.is_ascii_digit() || ":.".contains(*c))
        .collect();
    clock
        .split(':')
        .fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

/// The median, the least and the most.
fn spread(mut numbers: Vec<f64>) -> String {
    numbers.sort_by(f64::total_cmp);
    match numbers.as_slice() {
        [] => "-".to_owned(),
        [least, .., most] => format!("{:.3} s ({least:.3} – {most:.3})", numbers[numbers.len() / 2]),
        [one] => format!("{one:.3} s"),
    }
}
