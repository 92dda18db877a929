//! The built binary against the clock: its cold start beside `/bin/true`, and scripts of 100 to 100,000 runs.
//!
//! `cargo bench -p luakit --bench binary` prints a line for each: the median of several processes, the time that one op
//! adds, and the peak memory of the largest process so far. Compare lines of one run with each other, not with those
//! of another machine. Cost is linear when the time per op stays about the same from 1,000 on.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and ends where something is wrong"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

const LUAKIT: &str = env!("CARGO_BIN_EXE_luakit");

fn main() {
    println!("cold start (median of 101 processes)");
    let floor = median(101, || command("/bin/true", &[]));
    println!("  /bin/true            {:>9.2} ms", ms(floor));
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("build.lua");
    std::fs::write(&script, r#"bk.export(bk.image("alpine:3.19"):run("true"))"#).unwrap();
    let version = median(101, || command(LUAKIT, &["version"]));
    println!(
        "  luakit version       {:>9.2} ms  (+{:.2} ms)",
        ms(version),
        ms(version.saturating_sub(floor))
    );
    let build = median(101, || in_dir(dir.path(), &["build", "--resolve=never"]));
    println!(
        "  luakit build         {:>9.2} ms  (+{:.2} ms)",
        ms(build),
        ms(build.saturating_sub(floor))
    );

    println!("\nevaluate and marshal (median of 5 processes)");
    for (shape, text) in [("deep", DEEP), ("wide", WIDE)] {
        for runs in [100u32, 1_000, 10_000, 100_000] {
            std::fs::write(&script, text.replace("RUNS", &runs.to_string())).unwrap();
            let time = median(5, || {
                in_dir(dir.path(), &["build", "--resolve=never", "-o", "/dev/null"])
            });
            let op = time.saturating_sub(build).as_secs_f64() * 1e6 / f64::from(runs);
            println!(
                "  {shape} {runs:>7} runs    {:>9.2} ms  {op:>6.2} µs/op  peak {:>4} MiB",
                ms(time),
                peak()
            );
        }
    }
}

/// Each run on the one before it.
const DEEP: &str = r#"
local s = bk.image("alpine:3.19")
for i = 1, RUNS do s = s:run("echo step " .. i) end
bk.export(s)
"#;

/// All runs on one base, merged.
const WIDE: &str = r#"
local base = bk.image("alpine:3.19")
local parts = { base }
for i = 1, RUNS do parts[#parts + 1] = base:run("echo part " .. i) end
bk.export(bk.merge(parts))
"#;

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn in_dir(dir: &Path, args: &[&str]) -> Command {
    let mut command = command(LUAKIT, args);
    command.current_dir(dir);
    command
}

fn median(times: usize, command: impl Fn() -> Command) -> Duration {
    let mut all: Vec<Duration> = (0..times)
        .map(|_| {
            let started = Instant::now();
            assert!(command().status().unwrap().success());
            started.elapsed()
        })
        .collect();
    all.sort_unstable();
    all.get(times / 2).copied().unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The most memory that a process that has ended had, in MiB.
fn peak() -> i64 {
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1024
}
