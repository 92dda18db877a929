//! `luakit build` beside `docker buildx build`, on the test engine: the same builds, by turns, on the same machine.
//!
//! `cargo xtask engine up`, then `cargo bench -p luakit --bench client`; `-- cached`, `-- small` or `-- big` runs one
//! case alone. The cases are a rebuild in which all is cached, a context of 50,000 small files, and one of a single
//! file of 2 GiB; contexts are sent whole to an engine without a copy (`first`), then with one change (`again`).
//!
//! Neither attests to what it builds, but for `cached, attested`, where both do, as they do by themselves.
//!
//! A line is the median of several runs of each client, and Luakit's share of docker's. Processor time is the
//! client's own, user and system, with that of the programs it starts; so is memory, which is the greatest resident
//! size of any one of them. Shares are what to go by: both clients have the machine's load, which is printed, in
//! common. The engine's build cache is emptied on the way. `small` takes some minutes, most of them to empty it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and ends where something is wrong"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use luakit_testkit::engine::Engine;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

const LUAKIT: &str = env!("CARGO_BIN_EXE_luakit");
const IMAGE: &str = "luakit-bench:1";

const SMALL_FILES: usize = 50_000;
const BIG_FILE: usize = 2 << 30;
/// The big file is there once as it is, and once in the engine, with as much again while one replaces the other.
const BIG_NEEDS: u64 = 8 << 30;

/// Several steps on one another, with a context of a few files: as in many a project.
const CACHED: (&str, &str) = (
    "FROM alpine:3.19\nRUN echo 1 > /1\nCOPY src /src\nRUN cat /src/* > /2\nRUN echo 3 > /3\nCMD [\"cat\", \"/2\"]\n",
    r#"
local s = bk.image("alpine:3.19"):run("echo 1 > /1"):copy(bk.local_("context"), "src", "/src")
bk.export(s:run("cat /src/* > /2"):run("echo 3 > /3"), { cmd = { "cat", "/2" } })
"#,
);

/// The whole context is sent, and nothing is made of it: what is measured is the sending.
const SENT: (&str, &str) = (
    "FROM alpine:3.19\nRUN --mount=type=bind,target=/context true\n",
    r#"bk.export(bk.image("alpine:3.19"):run("true", { mounts = { bk.bind(bk.local_("context"), "/context") } }))"#,
);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["measure", program, args @ ..] => measure(program, args),
        [] => cases(|_| true),
        [case] => cases(|name| name == *case),
        _ => println!("one case: `cached`, `small` or `big`"),
    }
}

fn cases(wanted: impl Fn(&str) -> bool) {
    // On the workspace's disk: a folder of temporary files may lie in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bench = Bench {
        engine: Engine::get(),
        project: folder.path().join("project"),
        config: folder.path().join("config"),
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let cores = std::thread::available_parallelism().unwrap();
    println!(
        "load {load} on {cores} processors; docker {}\n",
        bench.engine.facts().version
    );
    println!(
        "{:<22} {:>9} {:>9} {:>6}   {:>8} {:>8} {:>6}   {:>8} {:>8} {:>6}",
        "", "docker", "luakit", "", "docker", "luakit", "", "docker", "luakit", ""
    );
    if wanted("cached") {
        bench.start(&CACHED);
        for name in ["a", "b", "c"] {
            put(&bench.project.join("src").join(name), name);
        }
        let runs = Runs { warm: 1, counted: 15 };
        bench.compare("cached", runs, PLAIN, || {});
        bench.compare("cached, attested", runs, &[], || {});
    }
    if wanted("small") {
        bench.start(&SENT);
        many_small(&bench.project);
        bench.compare_sending("50,000 files", &bench.project.join("d250/file25050.txt"));
    }
    if wanted("big") {
        let free = free_space(folder.path());
        if free < BIG_NEEDS {
            println!(
                "2 GiB                  left out: {} MiB of disk are free, 8192 are needed",
                free >> 20
            );
        } else {
            bench.start(&SENT);
            one_big(&bench.project.join("big"));
            bench.compare_sending("2 GiB", &bench.project.join("big"));
        }
    }
    bench.prune();
    bench.docker(&["image", "rm", "--force", IMAGE]);
}

struct Bench {
    engine: Engine,
    project: PathBuf,
    config: PathBuf,
}

/// Nothing but the image.
const PLAIN: &[&str] = &["--provenance=false"];

fn luakit(flags: &[&str]) -> Command {
    let mut command = Command::new(LUAKIT);
    command.arg("build").args(flags).args(["-t", IMAGE, "."]);
    command
}

/// How often each client builds: before it counts, and then.
#[derive(Clone, Copy)]
struct Runs {
    warm: usize,
    counted: usize,
}

/// What one run took.
#[derive(Clone, Copy)]
struct Taken {
    wall: f64,
    processor: f64,
    memory: f64,
}

impl Bench {
    /// A project with both descriptions of a build, and nothing else.
    fn start(&self, (dockerfile, script): &(&str, &str)) {
        if self.project.exists() {
            fs::remove_dir_all(&self.project).unwrap();
        }
        put(&self.project.join("Dockerfile"), dockerfile);
        put(&self.project.join("build.lua"), script);
        put(
            &self.config.join("luakit/registries.toml"),
            &self.engine.registries_toml(),
        );
    }

    /// The first time, the engine has nothing of the context; then one file of it changes each time.
    fn compare_sending(&self, what: &str, changing: &Path) {
        self.compare(&format!("{what}, first"), Runs { warm: 0, counted: 3 }, PLAIN, || {
            self.prune();
        });
        let mut changes = 0u32;
        self.compare(&format!("{what}, again"), Runs { warm: 1, counted: 5 }, PLAIN, || {
            changes += 1;
            let mut file = fs::OpenOptions::new().write(true).open(changing).unwrap();
            file.write_all(&changes.to_be_bytes()).unwrap();
        });
    }

    /// Both clients by turns, with the same flags. `before` comes before each run.
    fn compare(&self, what: &str, times: Runs, flags: &[&str], mut before: impl FnMut()) {
        let mut runs = [Vec::new(), Vec::new()];
        for run in 0..times.warm + times.counted {
            let clients: [&dyn Fn() -> Command; 2] = [&|| luakit(flags), &|| self.buildx(flags)];
            for (client, runs) in clients.into_iter().zip(&mut runs) {
                before();
                let taken = self.run(&client());
                if run >= times.warm {
                    runs.push(taken);
                }
            }
        }
        let [luakit, docker] = runs.each_ref().map(|runs| middle(runs));
        let pair = |docker: f64, luakit: f64| (docker, luakit, luakit / docker);
        let (wd, wl, ws) = pair(docker.wall, luakit.wall);
        let (pd, pl, ps) = pair(docker.processor, luakit.processor);
        let (md, ml, ms) = pair(docker.memory, luakit.memory);
        println!(
            "{what:<22} {wd:>7.3} s {wl:>7.3} s {ws:>5.2}×   {pd:>6.2} s {pl:>6.2} s {ps:>5.2}×   \
             {md:>4.0} MiB {ml:>4.0} MiB {ms:>5.2}×"
        );
    }

    fn buildx(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(&self.engine.facts().docker_cli);
        command.args(["buildx", "build"]).args(flags).args(["-t", IMAGE, "."]);
        command
    }

    /// Runs a command below a small process of its own, which counts what it and its children take.
    fn run(&self, command: &Command) -> Taken {
        let mut measured = Command::new(std::env::current_exe().unwrap());
        measured
            .arg("measure")
            .arg(command.get_program())
            .args(command.get_args());
        self.prepare(&mut measured);
        let output = measured.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let numbers = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<f64> = numbers
            .split(' ')
            .map(|number| number.trim().parse().unwrap())
            .collect();
        let [wall, processor, memory] = numbers.try_into().unwrap();
        Taken {
            wall,
            processor,
            memory,
        }
    }

    fn prepare(&self, command: &mut Command) {
        command
            .current_dir(&self.project)
            .stdin(Stdio::null())
            .env_clear()
            .env("HOME", &self.config)
            .env("PATH", "/usr/bin:/bin")
            .env("XDG_CONFIG_HOME", &self.config)
            .env("DOCKER_CONFIG", &self.engine.facts().docker_config)
            .env("DOCKER_HOST", self.engine.docker_host());
    }

    fn docker(&self, args: &[&str]) {
        let mut command = Command::new(&self.engine.facts().docker_cli);
        self.prepare(&mut command);
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Empties the build cache, and gives the engine time to remove the files.
    fn prune(&self) {
        self.docker(&["builder", "prune", "--all", "--force"]);
        std::thread::sleep(Duration::from_secs(3));
    }
}

/// Runs a program and prints what it took: seconds, seconds of processor time, MiB.
fn measure(program: &str, args: &[&str]) {
    let start = Instant::now();
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
    let wall = start.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let processor = seconds(usage.user_time()) + seconds(usage.system_time());
    println!("{wall} {processor} {}", usage.max_rss() as f64 / 1024.0);
}

/// The median of each number by itself.
fn middle(runs: &[Taken]) -> Taken {
    let median = |number: fn(&Taken) -> f64| {
        let mut all: Vec<f64> = runs.iter().map(number).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap()
    };
    Taken {
        wall: median(|taken| taken.wall),
        processor: median(|taken| taken.processor),
        memory: median(|taken| taken.memory),
    }
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Sizes up to 4 KiB, a hundred to a directory.
fn many_small(folder: &Path) {
    let text = "x".repeat(4096);
    for number in 0..SMALL_FILES {
        let path = folder.join(format!("d{:03}/file{number}.txt", number / 100));
        put(&path, text.get(..number * 37 % 4096).unwrap());
    }
}

/// Numbers that no compression and no sparse file makes less of.
fn one_big(path: &Path) {
    let mut file = std::io::BufWriter::with_capacity(1 << 20, fs::File::create(path).unwrap());
    let mut state = 1u64;
    for _ in 0..BIG_FILE / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes()).unwrap();
    }
    file.into_inner().unwrap().sync_all().unwrap();
}

/// Bytes that may still be written where a folder lies.
fn free_space(folder: &Path) -> u64 {
    let disk = nix::sys::statvfs::statvfs(folder).unwrap();
    disk.blocks_available() * disk.fragment_size()
}
