//! What sending a local directory costs the client: `cargo bench -p luakit-buildkit --bench file_sync`.
//!
//! A build reads one directory, of 50,000 small files or of one file of 2 GiB, and the engine asks for all of
//! it or, as when it has a copy, for nothing. The engine is a stand-in ([`engine`]) in a process of its own,
//! so that processor time and memory are the client's alone: user and system time and the greatest resident
//! size, beside the wall time. No divan, which knows wall time only. Each case runs in a fresh process;
//! `-- NAME` runs one case, and `LUAKIT_BENCH_DIR` keeps the trees for the next time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

mod engine;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use luakit_buildkit::{BuildRequest, Endpoint, Engine, PlatformDefinition};
use luakit_llb::Definition;

const SMALL_FILES: usize = 50_000;
const BIG_FILE: u64 = 2 << 30;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["engine", socket, wants] => engine::serve(Path::new(socket), *wants == "all"),
        ["client", socket, dir] => client(Path::new(socket), Path::new(dir)),
        filter => cases(filter.first().copied()),
    }
}

fn cases(filter: Option<&str>) {
    let scratch = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("LUAKIT_BENCH_DIR").map(PathBuf::from);
    let trees = kept.unwrap_or_else(|| scratch.path().join("trees"));
    let (small, big) = (trees.join("small"), trees.join("big"));
    make(&small, many_small);
    make(&big, one_big);
    println!(
        "{:<12} {:>9} {:>9} {:>9} {:>10}",
        "", "wall s", "user s", "system s", "peak MiB"
    );
    let cases = [
        ("small-all", &small, "all"),
        ("small-none", &small, "none"),
        ("big-all", &big, "all"),
    ];
    for (name, dir, wants) in cases {
        if filter.is_some_and(|f| f != name) {
            continue;
        }
        let socket = scratch.path().join(name);
        let this = std::env::current_exe().unwrap();
        let engine = Command::new(&this).arg("engine").arg(&socket).arg(wants).spawn();
        let _engine = Killed(engine.unwrap());
        while !socket.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let run = || {
            let output = Command::new(&this)
                .arg("client")
                .arg(&socket)
                .arg(dir)
                .stderr(Stdio::inherit())
                .output()
                .unwrap();
            assert!(output.status.success());
            let line = String::from_utf8(output.stdout).unwrap();
            line.split_whitespace()
                .map(|n| n.parse().unwrap())
                .collect::<Vec<f64>>()
        };
        // The first fills the page cache; the median of the rest counts, by processor time.
        run();
        let mut runs: Vec<_> = (0..3).map(|_| run()).collect();
        runs.sort_by(|a, b| (a[1] + a[2]).total_cmp(&(b[1] + b[2])));
        let median = &runs[1];
        println!(
            "{name:<12} {:>9.2} {:>9.2} {:>9.2} {:>10.0}",
            median[0], median[1], median[2], median[3]
        );
    }
}

/// A process that ends with its handle.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn make(dir: &Path, fill: fn(&Path)) {
    if !dir.exists() {
        fs::create_dir_all(dir).unwrap();
        fill(dir);
    }
}

/// Sizes up to 4 KiB, in directories of a hundred.
fn many_small(dir: &Path) {
    let data = [b'x'; 4096];
    for n in 0..SMALL_FILES {
        let parent = dir.join(format!("d{:03}", n / 100));
        if n % 100 == 0 {
            fs::create_dir(&parent).unwrap();
        }
        fs::write(parent.join(format!("file{n}.txt")), &data[..(n * 37) % 4096]).unwrap();
    }
}

/// Half of it holds data, a MiB at a time.
fn one_big(dir: &Path) {
    let file = fs::File::create(dir.join("big")).unwrap();
    file.set_len(BIG_FILE).unwrap();
    let data = vec![7; 1 << 20];
    for at in (0..BIG_FILE).step_by(2 << 20) {
        file.write_all_at(&data, at).unwrap();
    }
}

/// Builds once and prints what it took.
fn client(socket: &Path, dir: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let start = Instant::now();
    runtime.block_on(async {
        let engine = Engine::connect(&Endpoint::Unix(socket.to_owned())).await.unwrap();
        let mut request = BuildRequest::default();
        request.locals.insert("context".into(), dir.to_owned());
        let scratch = PlatformDefinition {
            platform: None,
            definition: Definition::from_bytes(&[]).unwrap(),
            image_config: None,
        };
        engine.solve(request, vec![scratch], &mut |_| {}).await.unwrap();
    });
    let wall = start.elapsed().as_secs_f64();
    // Hundredths of a second, as the system counts them.
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let times: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|t| t.parse::<f64>().unwrap() / 100.0)
        .collect();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "{wall} {} {} {}", times[0], times[1], peak / 1024.0).unwrap();
}
