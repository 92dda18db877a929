//! The ways to an engine: BuildKit's own protocol on a socket, by way of programs, builders of buildx, docker contexts.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output};
use std::{fs, thread};

use luakit_testkit::relay::Relay;
use luakit_testkit::tls::{self, Certificates};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::stand_ins::StandIns;
use crate::workbench::{Workbench, feed, succeeded};

const SCRIPT: &str = r#"bk.export(bk.scratch():copy(bk.local_("context"), "build.lua", "/copied.lua"))"#;

#[test]
fn a_unix_socket_builds_as_dockers_does() {
    let bench = Workbench::new();
    let relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    for (how, flags, host) in [
        ("--addr", vec!["--addr".to_owned(), relay.address()], None),
        ("BUILDKIT_HOST", vec![], Some(relay.address())),
    ] {
        builds(&bench, how, |command| {
            command.args(&flags);
            command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
            command.envs(host.clone().map(|host| ("BUILDKIT_HOST", host)));
        });
    }
}

/// Whoever guards Docker may keep what it says of itself; its BuildKit then says the same.
#[test]
fn a_docker_that_says_nothing_of_itself() {
    let bench = Workbench::new();
    let socket = bench.path("guarded.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let docker = bench.engine.docker_socket().to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let docker = docker.clone();
            // A client that goes away is no concern of the guard's.
            thread::spawn(move || guard(client, &docker).ok());
        }
    });
    let stores = |host: &str| {
        let mut command = bench.luakit(bench.engine.docker_socket().parent().unwrap());
        command.env("DOCKER_HOST", host).args(["engines", "--format=json"]);
        let output = command.output().unwrap();
        succeeded("luakit engines", &output);
        let engines: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let taken = engines.iter().find(|engine| engine["used"] == true).unwrap();
        taken["nodes"][0]["store"].clone()
    };
    let host = format!("unix://{}", socket.display());
    let store = stores(&host);
    assert!(store.is_string(), "{store}");
    assert_eq!(store, stores(bench.engine.docker_host()));
    builds(&bench, "behind a guard", |command| {
        command.env("DOCKER_HOST", &host);
    });
}

/// Carries what a client and Docker say to each other, unless it is one of these questions.
fn guard(mut client: UnixStream, docker: &Path) -> io::Result<()> {
    let mut head = vec![0; 4096];
    let read = client.read(&mut head)?;
    head.truncate(read);
    if head.starts_with(b"GET /info") || head.starts_with(b"GET /version") {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    }
    let mut engine = UnixStream::connect(docker)?;
    engine.write_all(&head)?;
    let (mut from_engine, mut to_client) = (engine.try_clone()?, client.try_clone()?);
    let down = thread::spawn(move || {
        io::copy(&mut from_engine, &mut to_client)?;
        to_client.shutdown(Shutdown::Write)
    });
    io::copy(&mut client, &mut engine)?;
    engine.shutdown(Shutdown::Write)?;
    down.join().unwrap_or(Ok(()))
}

/// Solves the project's definition with a command that `change` prepares.
fn solve(bench: &Workbench, dest: &Path, change: impl FnOnce(&mut Command)) -> Output {
    let project = bench.project(&[("build.lua", SCRIPT)]);
    let definition = bench.build(&project, &[]);
    let mut command = bench.luakit(&project);
    command.args(["solve", "--local", "context=.", "-o"]);
    command.arg(format!("type=local,dest={}", dest.display()));
    change(&mut command);
    feed(&mut command, &definition)
}

fn builds(bench: &Workbench, how: &str, change: impl FnOnce(&mut Command)) {
    let dest = bench.path("dest");
    let output = solve(bench, &dest, change);
    succeeded(how, &output);
    assert_eq!(fs::read_to_string(dest.join("copied.lua")).unwrap(), SCRIPT, "{how}");
    fs::remove_dir_all(dest).unwrap();
}

fn fails(bench: &Workbench, code: i32, change: impl FnOnce(&mut Command)) -> String {
    let output = solve(bench, &bench.path("dest"), change);
    assert_eq!(output.status.code(), Some(code));
    String::from_utf8(output.stderr).unwrap()
}

/// The programs are stand-ins, since there is no cluster here and nobody to ssh to.
#[test]
fn by_way_of_programs() {
    let bench = Workbench::new();
    let stand_ins = StandIns::new(&bench);
    let addresses = [
        "podman-container://buildkitd".to_owned(),
        "nerdctl-container://buildkitd?namespace=k8s.io".to_owned(),
        "kube-pod://buildkitd-0?context=here&namespace=ci&container=buildkitd".to_owned(),
        "ssh://me@build.example:2222".to_owned(),
        format!("ssh://build.example{}", stand_ins.socket()),
    ];
    let mut calls = String::new();
    for addr in &addresses {
        builds(&bench, addr, |command| {
            stand_ins.equip(command);
            command.args(["--addr", addr]);
        });
        calls.push_str(&stand_ins.calls());
    }
    // Docker's own, at the other end of ssh.
    builds(&bench, "DOCKER_HOST=ssh://", |command| {
        stand_ins.equip(command);
        command.env(
            "DOCKER_HOST",
            format!("ssh://me@docker.example{}", bench.engine.docker_socket().display()),
        );
    });
    calls.push_str(&stand_ins.calls());
    let folder = bench.path("").display().to_string();
    let docker = bench.engine.docker_socket().display().to_string();
    let calls = calls
        .replace(folder.trim_end_matches('/'), "BENCH")
        .replace(&docker, "/DOCKER.SOCK");
    insta::assert_snapshot!(calls, @r"
    podman exec -i buildkitd buildctl dial-stdio
    nerdctl exec --namespace=k8s.io -i buildkitd buildctl dial-stdio
    kubectl --context=here --namespace=ci exec --container=buildkitd -i buildkitd-0 -- buildctl dial-stdio
    ssh -T -o ConnectTimeout=20 -l me -p 2222 -- build.example buildctl dial-stdio
    ssh -T -o ConnectTimeout=20 -- build.example buildctl --addr 'unix://BENCH/a socket'\''s.sock' dial-stdio
    ssh -T -o ConnectTimeout=20 -l me -- docker.example docker '--host=unix:///DOCKER.SOCK' system dial-stdio
    ");

    let said = fails(&bench, 4, |command| {
        stand_ins.equip(command);
        command.args(["--addr", "ssh://unreachable"]);
    });
    insta::assert_snapshot!(said, @"error[no-engine]: `--addr`: can't connect to ssh://unreachable: `ssh` ended (exit status: 255): ssh: connect to host unreachable port 22: No route to host");
    let said = fails(&bench, 4, |command| {
        stand_ins.equip(command);
        command
            .env("BUILDKITD", "/nonexistent.sock")
            .args(["--addr", "kube-pod://buildkitd-0"]);
    });
    assert!(said.contains("No such file or directory"), "{said}");
    let said = fails(&bench, 4, |command| {
        command
            .env("PATH", "/nonexistent")
            .args(["--addr", "kube-pod://buildkitd-0"]);
    });
    insta::assert_snapshot!(said, @"error[no-engine]: `--addr`: can't connect to kube-pod://buildkitd-0: can't run `kubectl`: it is not installed, or not in `PATH`");
}

/// A program that ends during a build has the last word.
#[test]
fn a_program_that_ends_during_a_build() {
    let bench = Workbench::new();
    let stand_ins = StandIns::new(&bench);
    let project = bench.project(&[(
        "build.lua",
        r#"bk.export(bk.image("alpine:3.19"):run("sleep 30", { ignore_cache = true }))"#,
    )]);
    let definition = bench.build(&project, &[]);
    let mut command = bench.luakit(&project);
    stand_ins.equip(&mut command);
    command.args(["solve", "-t", "never-made", "--addr", "kube-pod://buildkitd-0"]);
    command.env("ENDS_AFTER", "3");
    let output = feed(&mut command, &definition);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let last = said.lines().last().unwrap();
    insta::assert_snapshot!(last, @"error[build]: the connection to the engine was lost: `kubectl` ended (exit status: 1): error: the pod was evicted");
}

#[test]
fn mutual_tls() {
    let bench = Workbench::new();
    let relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    let certificates = Certificates::make(&bench.path("tls"), &["buildkitd"]).unwrap();
    let socket = relay.address();
    let port = tls::listen(
        Path::new(socket.trim_start_matches("unix://")),
        Some(&certificates),
        "h2",
    )
    .unwrap();
    let addr = format!("tcp://localhost:{port}");
    let file = |name: &str| certificates.file(name).display().to_string();
    builds(&bench, "--tlsdir", |command| {
        command.args(["--addr", &addr, "--tlsservername", "buildkitd", "--tlsdir"]);
        command.arg(bench.path("tls"));
    });
    builds(&bench, "--tlscacert", |command| {
        command.args([
            "--addr",
            &addr,
            "--tlsservername",
            "buildkitd",
            "--tlscacert",
            &file("ca.pem"),
        ]);
        command.args(["--tlscert", &file("cert.pem"), "--tlskey", &file("key.pem")]);
    });
    let said = fails(&bench, 4, |command| {
        command.args(["--addr", &addr, "--tlsdir"]).arg(bench.path("tls"));
    });
    assert!(said.contains("certificate not valid for name \"localhost\""), "{said}");
}

/// Docker's configuration in a folder: a context and builders that lead to the test engine.
fn configured(bench: &Workbench) -> std::path::PathBuf {
    let config = bench.path("docker");
    let docker = bench.engine.docker_host();
    let write = |path: &str, text: String| {
        let path = config.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let id = hex::encode(Sha256::digest("here"));
    write(
        &format!("contexts/meta/{id}/meta.json"),
        format!(r#"{{"Name":"here","Endpoints":{{"docker":{{"Host":"{docker}"}}}}}}"#),
    );
    write(
        "buildx/instances/several",
        format!(
            r#"{{"Name":"several","Driver":"remote","Nodes":[
                {{"Name":"gone","Endpoint":"unix:///nonexistent.sock","Platforms":[{{"os":"linux","architecture":"s390x"}}]}},
                {{"Name":"here","Endpoint":"unix://{}","Platforms":[{{"os":"linux","architecture":"amd64"}}]}}]}}"#,
            bench.path("buildkitd.sock").display()
        ),
    );
    write(
        "buildx/instances/gone",
        r#"{"Name":"gone","Driver":"remote","Nodes":[{"Name":"gone0","Endpoint":"unix:///nonexistent.sock"}]}"#
            .to_owned(),
    );
    config
}

#[test]
fn contexts_and_builders() {
    let bench = Workbench::new();
    let _relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    let config = configured(&bench);
    let with = |command: &mut Command| {
        command.env_remove("DOCKER_HOST").env("DOCKER_CONFIG", &config);
    };
    builds(&bench, "DOCKER_CONTEXT", |command| {
        with(command);
        command.env("DOCKER_CONTEXT", "here");
    });
    // The node that has the platform; the other isn't even there.
    builds(&bench, "--builder", |command| {
        with(command);
        command.args(["--builder", "several"]);
    });
    // What is in use and gone is passed over, and that is said.
    fs::write(config.join("config.json"), r#"{"currentContext":"here"}"#).unwrap();
    fs::write(
        config.join("buildx/current"),
        r#"{"Key":"here","Name":"gone","Global":false}"#,
    )
    .unwrap();
    let output = solve(&bench, &bench.path("dest"), with);
    succeeded("the current context", &output);
    let said = String::from_utf8(output.stderr)
        .unwrap()
        .replace(bench.engine.docker_host(), "unix://SOCKET");
    let said: Vec<&str> = said.lines().filter(|line| line.starts_with("warning")).collect();
    let said = said.join("\n");
    insta::assert_snapshot!(said, @"warning[engine-skipped]: buildx's current builder `gone`: can't connect to unix:///nonexistent.sock: No such file or directory (os error 2); building on docker on unix://SOCKET");
    // What is in use and was never made is an error: it is only to be made.
    let never = r#"{"Name":"never","Driver":"docker-container","Nodes":[{"Name":"never0","Endpoint":"here"}]}"#;
    fs::write(config.join("buildx/instances/never"), never).unwrap();
    fs::write(
        config.join("buildx/current"),
        r#"{"Key":"here","Name":"never","Global":false}"#,
    )
    .unwrap();
    let said = fails(&bench, 4, with);
    let said = said.replace(bench.engine.docker_host(), "unix://SOCKET");
    insta::assert_snapshot!(said, @"
    error[no-engine]: buildx's current builder `never`: the container buildx_buildkit_never0 of docker on unix://SOCKET does not exist
    hint: `docker buildx inspect --bootstrap never` makes it
    ");
    // What is named and gone is an error.
    let said = fails(&bench, 4, |command| {
        with(command);
        command.env("BUILDX_BUILDER", "gone");
    });
    insta::assert_snapshot!(said, @"error[no-engine]: `BUILDX_BUILDER=gone`: can't connect to unix:///nonexistent.sock: No such file or directory (os error 2)");
}

#[test]
fn the_list_of_engines() {
    let bench = Workbench::new();
    let _relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    let config = configured(&bench);
    let list = |args: &[&str]| {
        let mut command = bench.luakit(&bench.path(""));
        command.env("DOCKER_CONFIG", &config).arg("engines").args(args);
        let output = command.output().unwrap();
        succeeded("engines", &output);
        let text = String::from_utf8(output.stdout).unwrap();
        let text = text.replace(bench.engine.docker_host(), "unix://SOCKET");
        // Which levels of amd64 there are, and what is emulated, is the machine's affair.
        let level = |text: &str| matches!(text, "linux/amd64" | "linux/s390x") || !text.starts_with("linux/");
        let text: Vec<String> = text
            .lines()
            .filter(|line| level(line.trim().trim_matches(['"', ','])))
            .map(|line| match line.split_once("platforms  ") {
                Some((before, _)) => format!("{before}platforms  …"),
                None => line.replace("\"linux/amd64\",", "\"linux/amd64\""),
            })
            .collect();
        let text = text.join("\n");
        let text = text.replace(&bench.engine.facts().version, "VERSION");
        text.replace(bench.path("").display().to_string().trim_end_matches('/'), "BENCH")
    };
    // What this machine has besides is its own affair.
    let ours = |text: String| {
        let blocks = text.split("\n\n").map(str::trim_end);
        let own = blocks.filter(|block| !block.contains("/run/"));
        own.collect::<Vec<_>>().join("\n\n")
    };
    insta::assert_snapshot!(ours(list(&[])), @"
    * `DOCKER_HOST`
        address    docker on unix://SOCKET
        buildkit   unknown version
        docker     VERSION
        platforms  …
        store      containerd
        can        merge, diff, several outputs, several platforms, attestations, annotations, cache exports, source date, source policy

    - buildx's builder `gone` (remote)
        address    unix:///nonexistent.sock
        unusable   can't connect to unix:///nonexistent.sock: No such file or directory (os error 2)

    - buildx's builder `several` (remote)
        node       gone
        address    unix:///nonexistent.sock
        declared   linux/s390x
        unusable   can't connect to unix:///nonexistent.sock: No such file or directory (os error 2)
        node       here
        address    unix://BENCH/buildkitd.sock
        declared   linux/amd64
        buildkit   unknown version
        platforms  …
        can        merge, diff, several outputs, several platforms, attestations, annotations, cache exports, source date, source policy

    - the docker context `here`
        address    docker on unix://SOCKET
        buildkit   unknown version
        docker     VERSION
        platforms  …
        store      containerd
        can        merge, diff, several outputs, several platforms, attestations, annotations, cache exports, source date, source policy
    ");
    let json: serde_json::Value = serde_json::from_str(&list(&["--format", "json"])).unwrap();
    insta::assert_snapshot!(format!("{:#}", json[0]), @r#"
    {
      "driver": null,
      "error": null,
      "nodes": [
        {
          "address": "docker on unix://SOCKET",
          "can": [
            "merge",
            "diff",
            "several outputs",
            "several platforms",
            "attestations",
            "annotations",
            "cache exports",
            "source date",
            "source policy"
          ],
          "declared": [],
          "docker": "VERSION",
          "lacks": [],
          "name": "docker",
          "platforms": [
            "linux/amd64"
          ],
          "store": "containerd",
          "version": null
        }
      ],
      "source": "DOCKER_HOST",
      "used": true
    }
    "#);
    assert_eq!(
        json.as_array()
            .unwrap()
            .iter()
            .filter(|engine| engine["used"] == true)
            .count(),
        1
    );
    let named = list(&["--builder", "several", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&named).unwrap();
    insta::assert_snapshot!(format!("{:#}", json[0]), @r#"
    {
      "driver": "remote",
      "error": null,
      "nodes": [
        {
          "address": "unix:///nonexistent.sock",
          "declared": [
            "linux/s390x"
          ],
          "error": "can't connect to unix:///nonexistent.sock: No such file or directory (os error 2)",
          "name": "gone"
        },
        {
          "address": "unix://BENCH/buildkitd.sock",
          "can": [
            "merge",
            "diff",
            "several outputs",
            "several platforms",
            "attestations",
            "annotations",
            "cache exports",
            "source date",
            "source policy"
          ],
          "declared": [
            "linux/amd64"
          ],
          "docker": null,
          "lacks": [],
          "name": "here",
          "platforms": [
            "linux/amd64"
          ],
          "store": null,
          "version": null
        }
      ],
      "source": "--builder several",
      "used": true
    }
    "#);
}
