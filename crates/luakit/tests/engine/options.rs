//! The options of `luakit build` that change what is built, each by its effect.

use std::path::{Path, PathBuf};
use std::process::Output;

use luakit_testkit::image::Archive;
use luakit_testkit::relay::Relay;

use crate::workbench::{Workbench, stderr_of, succeeded};

/// What `build.lua` of a project leaves in `/told`.
fn told(bench: &Workbench, project: &Path, args: &[&str]) -> String {
    let dest = tempfile::tempdir().unwrap();
    let output = build(bench, project, &[&[to(dest.path()).as_str()], args].concat());
    succeeded(&format!("luakit build {}", args.join(" ")), &output);
    std::fs::read_to_string(dest.path().join("told")).unwrap()
}

fn to(dest: &Path) -> String {
    format!("-otype=local,dest={}", dest.display())
}

fn build(bench: &Workbench, project: &Path, args: &[&str]) -> Output {
    let mut command = bench.luakit(project);
    command.args(["build", "--progress=quiet"]).args(args).output().unwrap()
}

/// A script that keeps what a run says.
fn saying(command: &str, options: &str) -> String {
    format!(
        "local ran = bk.image(\"alpine:3.19\"):run([[({command}) > /told]], {options})\n\
         bk.export(bk.scratch():copy(ran, \"/told\", \"/told\"))\n"
    )
}

fn project(bench: &Workbench, script: &str) -> PathBuf {
    bench.project(&[("build.lua", script)])
}

#[test]
fn run_options_reach_every_run() {
    let bench = Workbench::new();
    let look = "grep -h 10.9 /etc/hosts; ulimit -Sn; ulimit -Hn; df -k /dev/shm | tail -n 1 | awk '{print $2}'";
    let flags = [
        "--add-host=db:10.9.0.1",
        "--add-host=Cache=10.9.0.2",
        "--ulimit=nofile=123:456",
        "--shm-size=8m",
    ];
    let silent = project(&bench, &saying(look, "{}"));
    let lines = told(&bench, &silent, &flags);
    let words: Vec<&str> = lines.split_whitespace().collect();
    assert_eq!(words, ["10.9.0.1", "db", "10.9.0.2", "cache", "123", "456", "8192"]);
    // What the script says itself stays.
    let own = r#"{ extra_hosts = { db = "10.9.9.9" }, ulimits = { nofile = 77 }, mounts = { bk.tmpfs("/dev/shm", { size = "1m" }) } }"#;
    let outspoken = project(&bench, &saying(look, own));
    let lines = told(&bench, &outspoken, &flags);
    let words: Vec<&str> = lines.split_whitespace().collect();
    assert_eq!(words, ["10.9.9.9", "db", "10.9.0.2", "cache", "77", "77", "1024"]);
}

#[test]
fn the_network_is_the_one_asked_for() {
    let bench = Workbench::new();
    let look = "ls /sys/class/net | sort | tr '\\n' ' '";
    let silent = project(&bench, &saying(look, "{}"));
    assert_eq!(told(&bench, &silent, &["--network=none"]), "lo ");
    let host = told(&bench, &silent, &["--network=host"]);
    assert_ne!(host, "lo ", "the machine has more than a loopback");
    let outspoken = project(&bench, &saying(look, r#"{ network = "none" }"#));
    assert_eq!(told(&bench, &outspoken, &["--network=host"]), "lo ");
}

#[test]
fn docker_tells_what_its_machine_is() {
    let bench = Workbench::new();
    let script = saying("grep host.docker.internal /etc/hosts | awk '{print $1}'", "{}");
    let output = build(
        &bench,
        &project(&bench, &script),
        &[&to(&bench.path("out")), "--add-host=host.docker.internal:host-gateway"],
    );
    if output.status.success() {
        let address = std::fs::read_to_string(bench.path("out/told")).unwrap();
        assert!(address.trim().parse::<std::net::IpAddr>().is_ok(), "{address}");
    } else {
        insta::assert_snapshot!(stderr_of(&output), @"");
    }
}

#[test]
fn steps_are_done_again() {
    let bench = Workbench::new();
    let script = r#"
        local base = bk.image("alpine:3.19"):run("cat /proc/sys/kernel/random/uuid > /base")
        local app = base:run("cat /base /proc/sys/kernel/random/uuid > /told")
        bk.export(base, { name = "base" })
        bk.export(bk.scratch():copy(app, "/told", "/told"), { name = "app" })
    "#;
    let project = project(&bench, script);
    let ids = |args: &[&str]| {
        let told = told(&bench, &project, &[&["--target=app"], args].concat());
        let mut lines = told.lines().map(str::to_owned);
        (lines.next().unwrap(), lines.next().unwrap())
    };
    let first = ids(&[]);
    assert_eq!(ids(&[]), first, "cached");
    let all = ids(&["--no-cache"]);
    assert!(all.0 != first.0 && all.1 != first.1, "{first:?} {all:?}");
    let app = ids(&["--no-cache-filter=app"]);
    assert_eq!(app.0, all.0, "what `app` is built on stays cached");
    assert_ne!(app.1, all.1);
    let base = ids(&["--no-cache-filter=base"]);
    assert_ne!(base.0, app.0);
    let output = build(&bench, &project, &["--target=app", "-t", "x", "--no-cache-filter=ap"]);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(stderr_of(&output), @"
        error[usage]: the script has no target `ap` whose cache could be left out
        hint: did you mean `app`?
        ");
}

#[test]
fn images_can_be_looked_up_anew() {
    let bench = Workbench::new();
    let script = r#"bk.export(bk.scratch():copy(bk.image("alpine:3.19"), "/etc/alpine-release", "/told"))"#;
    let project = project(&bench, script);
    assert!(told(&bench, &project, &["--pull"]).starts_with("3.19"));
    assert!(told(&bench, &project, &["--pull", "--resolve=never"]).starts_with("3.19"));
}

/// Of the two images of one name, Docker's own is taken, as `docker build` does; `--pull` asks the registry.
#[test]
fn an_image_that_docker_has_goes_before_the_registrys() {
    let bench = Workbench::new();
    let name = format!("{}/luakit-test-own:{}", bench.engine.registry(), std::process::id());
    let make = |what: &str, output: &str| {
        let script = format!("bk.export(bk.scratch():mkfile('/told', '{what}'))");
        let project = project(&bench, &script);
        let output = build(&bench, &project, &["-o", &format!("type=image,name={name}{output}")]);
        succeeded("luakit build", &output);
    };
    make("of the registry", ",push=true");
    make("of docker", "");
    let script = format!("bk.export(bk.scratch():copy(bk.image('{name}'), '/told', '/told'))");
    let project = project(&bench, &script);
    assert_eq!(told(&bench, &project, &[]), "of docker");
    assert_eq!(told(&bench, &project, &["--resolve=never"]), "of docker");
    assert_eq!(told(&bench, &project, &["--pull"]), "of the registry");
    assert_eq!(
        told(&bench, &project, &["--pull", "--resolve=never"]),
        "of the registry"
    );
    bench.docker_says(&["image", "rm", "--force", &name]);
    assert_eq!(told(&bench, &project, &[]), "of the registry");
}

const POLICED: &str = r#"bk.export(bk.scratch():copy(bk.image("alpine:3.19"), "/etc/alpine-release", "/told"))"#;

#[test]
fn sources_are_under_a_policy() {
    let bench = Workbench::new();
    let project = project(&bench, POLICED);
    let write = |text: &str| std::fs::write(project.join("policy.json"), text).unwrap();
    let policed = &["--resolve=never", "--source-policy-file=policy.json"];
    write(
        r#"{"rules": [{"action": "CONVERT", "selector": {"identifier": "docker-image://docker.io/library/alpine:3.19"},
            "updates": {"identifier": "docker-image://docker.io/library/alpine:3.20"}}]}"#,
    );
    assert!(told(&bench, &project, policed).starts_with("3.20"));

    // Where the engine resolves images, what it takes is built on: the digest is that image's.
    write(
        r#"{"rules": [{"action": "CONVERT", "selector": {"identifier": "docker-image://docker.io/library/alpine:3.19"},
            "updates": {"identifier": "docker-image://docker.io/library/busybox:1.36"}}]}"#,
    );
    let other = tempfile::tempdir().unwrap();
    let script = saying("ls /etc/alpine-release || echo none", "{}");
    std::fs::write(other.path().join("build.lua"), script).unwrap();
    let policy = format!("--source-policy-file={}", project.join("policy.json").display());
    assert_eq!(told(&bench, other.path(), &[&policy]), "none\n");

    write(r#"{"rules": [{"action": "DENY", "selector": {"identifier": "docker-image://*"}}]}"#);
    let denied = build(&bench, &project, &[&["-t", "x"], policed.as_slice()].concat());
    assert_eq!(denied.status.code(), Some(1));
    assert!(
        stderr_of(&denied).contains("denied by policy"),
        "{}",
        stderr_of(&denied)
    );
    let definition = bench.build(&project, &["--resolve=never"]);
    let denied = bench.solve(&project, &definition, &["-t", "x", "--source-policy-file=policy.json"]);
    assert_eq!(denied.status.code(), Some(1));
    let mut command = bench.luakit(&project);
    command.env("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "policy.json");
    let denied = command.args(["build", "-t", "x", "--resolve=never"]).output().unwrap();
    assert_eq!(denied.status.code(), Some(1), "{}", stderr_of(&denied));

    write("{\"rule\": []}");
    let wrong = build(&bench, &project, &[&["-t", "x"], policed.as_slice()].concat());
    assert_eq!(wrong.status.code(), Some(2));
    insta::assert_snapshot!(stderr_of(&wrong), @"error[source-policy]: `policy.json` is no source policy: line 1, column 7: unknown field `rule`, expected `version` or `rules`");
}

/// Docker's engine has none of these (see `docs/outputs.md`): it is said before anything is built.
#[test]
fn docker_keeps_no_cache_in_buckets() {
    let bench = Workbench::new();
    let project = project(&bench, POLICED);
    let mut command = bench.luakit(&project);
    command
        .env("AWS_ACCESS_KEY_ID", "a")
        .env("AWS_SECRET_ACCESS_KEY", "secret-of-the-bucket");
    command.args(["build", "-o", "type=cacheonly", "--progress=plain", "--cache-to"]);
    let output = command.arg("type=s3,bucket=b,region=r").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let socket = bench.engine.docker_socket().display().to_string();
    insta::assert_snapshot!(stderr_of(&output).replace(&socket, "SOCKET"), @"
    error[unsupported]: the engine at docker on unix://SOCKET can't do this build
    note: it doesn't have the cache export `type=s3` of `--cache-to`; `type=inline` it has
    hint: build on a BuildKit of its own: `docker buildx create --use --bootstrap` makes one
    ");
}

/// An engine that doesn't know policies would use any source: it isn't asked to build at all.
#[test]
fn an_engine_without_policies_is_not_asked_to_build_under_one() {
    let bench = Workbench::new();
    let relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    let project = project(&bench, POLICED);
    std::fs::write(project.join("policy.json"), r#"{"rules": []}"#).unwrap();
    let out = bench.path("out");
    let build = || {
        let mut command = bench.luakit(&project);
        command.env("BUILDKIT_HOST", relay.address());
        command.args(["build", "--progress=plain", "--source-policy-file=policy.json", "-o"]);
        command.arg(format!("type=local,dest={}", out.display()));
        command.output().unwrap()
    };
    relay.hide("source.policy");
    let output = build();
    assert_eq!(output.status.code(), Some(1));
    let socket = bench.path("buildkitd.sock").display().to_string();
    insta::assert_snapshot!(stderr_of(&output).replace(&socket, "SOCKET"), @"
    error[unsupported]: the engine at unix://SOCKET can't do this build
    note: it doesn't know source policies, and would use any source: leave `--source-policy-file` and `EXPERIMENTAL_BUILDKIT_SOURCE_POLICY` out
    hint: build without, or on a newer engine: `luakit engines` lists what there is
    ");
    assert!(!out.exists());
    relay.hide("");
    succeeded("luakit build", &build());
}

#[test]
fn the_policy_of_a_lock_file_binds() {
    let bench = Workbench::new();
    let project = project(&bench, POLICED);
    let output = bench.luakit(&project).args(["lock", "--policy"]).output().unwrap();
    succeeded("luakit lock --policy", &output);
    let policy = String::from_utf8(output.stdout).unwrap();
    std::fs::write(project.join("policy.json"), &policy).unwrap();
    let policed = &["--resolve=never", "--source-policy-file=policy.json"];
    assert!(told(&bench, &project, policed).starts_with("3.19"));
    let (before, after) = policy.split_once("@sha256:").unwrap();
    let gone = format!("{before}@sha256:{}{}", "0".repeat(64), &after[64..]);
    std::fs::write(project.join("policy.json"), gone).unwrap();
    let output = build(&bench, &project, &[&["-t", "x"], policed.as_slice()].concat());
    assert!(stderr_of(&output).contains(&"0".repeat(64)), "{}", stderr_of(&output));
}

#[test]
fn one_time_makes_one_image() {
    let bench = Workbench::new();
    let script = r#"bk.export(bk.image("alpine:3.19"):run("date > /dev/null; touch /made"):mkfile("/file", tostring(os.time())))"#;
    let project = project(&bench, script);
    let image = |name: &str, extra: &[&str]| {
        let dest = bench.path(name);
        let spec = format!("type=oci,dest={},rewrite-timestamp=true", dest.display());
        let mut command = bench.luakit(&project);
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        let output = command.args(["build", "-o", &spec]).args(extra).output().unwrap();
        succeeded("luakit build", &output);
        let archive = Archive::open(&dest).unwrap();
        let images = archive.images().unwrap();
        let root = images[0].root().unwrap();
        assert_eq!(root.get("/file").unwrap().text().unwrap(), "1700000000");
        (
            images[0].descriptor["digest"].clone(),
            images[0].config["created"].clone(),
        )
    };
    let first = image("first.tar", &[]);
    assert_eq!(first.1, "2023-11-14T22:13:20Z");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(image("second.tar", &["--no-cache"]), first);
    let mut command = bench.luakit(&project);
    command.env("SOURCE_DATE_EPOCH", "today");
    let output = command.args(["build", "-t", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn solve_takes_the_time_that_it_is_given_and_notes_the_build() {
    let bench = Workbench::new();
    let project = project(&bench, r#"bk.export(bk.scratch():mkfile("/file", "x"))"#);
    std::fs::write(project.join("definition"), bench.build(&project, &[])).unwrap();
    let dest = bench.path("image.tar");
    let spec = format!("type=oci,dest={}", dest.display());
    let mut command = bench.luakit(&project);
    command.env("SOURCE_DATE_EPOCH", "1").args([
        "solve",
        "-o",
        &spec,
        "--ref-file=ref",
        "--opt=build-arg:SOURCE_DATE_EPOCH=1700000000",
    ]);
    command.stdin(std::fs::File::open(project.join("definition")).unwrap());
    succeeded("luakit solve", &command.output().unwrap());
    let archive = Archive::open(&dest).unwrap();
    assert_eq!(archive.images().unwrap()[0].config["created"], "2023-11-14T22:13:20Z");
    assert_eq!(std::fs::read_to_string(project.join("ref")).unwrap().len(), 25);
}

/// `script` runs the command on a terminal of its own, and types what it is given.
#[test]
fn at_a_terminal_one_is_asked() {
    let bench = Workbench::new();
    let project = project(
        &bench,
        r#"bk.export(bk.image("alpine:3.19"):run("true", { network = "host" }))"#,
    );
    let answered = |answer: &[u8]| {
        let mut command = std::process::Command::new("script");
        bench.prepare(&mut command, &project);
        let luakit = format!("{} build -t x --progress=plain", env!("CARGO_BIN_EXE_luakit"));
        let output = crate::workbench::feed(command.args(["-qec", &luakit, "/dev/null"]), answer);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, said) = answered(b"y\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("allow it this time? [y/N]"), "{said}");
    let (code, said) = answered(b"\n");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("error[not-allowed]"), "{said}");
}
