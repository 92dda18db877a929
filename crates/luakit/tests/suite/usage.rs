//! The command line: help, wrong usage, and where output goes.

use crate::project::{Project, Run};

const SCRIPT: &str = r#"bk.export(bk.image("alpine:3.19"):run("true"))"#;

#[test]
fn help_of_every_command() {
    let project = Project::new(&[]);
    let mut shown = String::new();
    for command in [
        "",
        "build",
        "solve",
        "dag",
        "validate",
        "lock",
        "engines",
        "frontend",
        "version",
        "completions",
    ] {
        let args: Vec<&str> = [command, "--help"].into_iter().filter(|a| !a.is_empty()).collect();
        let help = project.run(&args).success();
        shown.push_str(&format!(
            "$ luakit {}\n{}\n",
            args.join(" "),
            String::from_utf8_lossy(&help)
        ));
    }
    insta::assert_snapshot!("help", shown);
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_to_do() {
    let three = r#"for _, p in ipairs { "linux/arm64", "linux/arm/v7" } do
        bk.export(bk.image("alpine", { platform = p })) end"#;
    let named = r#"local a = bk.image("alpine") bk.export(a, { name = "server" }) bk.export(a, { name = "worker" })"#;
    let cases: &[(&str, &[&str])] = &[
        (SCRIPT, &["build", "--plattform", "linux/amd64"]),
        (SCRIPT, &["build", "--platform", "linux/amd46"]),
        (SCRIPT, &["build", "missing.lua"]),
        (SCRIPT, &["build", "--context", "missing"]),
        (SCRIPT, &["build", "--resolve=never", "-o", "type=lokal,dest=out"]),
        (SCRIPT, &["build", "-o", "out", "-t", "app"]),
        (SCRIPT, &["build", "-t", "app", "--local", "context=src"]),
        (SCRIPT, &["build", "--addr", "tcp://h"]),
        (SCRIPT, &["build", "--progress", "plain", "-o", "out"]),
        (SCRIPT, &["build", "-o", "type=tar,dest=a", "-o", "type=oci,dest=a"]),
        (SCRIPT, &["build", "-o", "out", "-o", "out2"]),
        (SCRIPT, &["build", "-f", "build.lua", "--context", ".", "."]),
        (SCRIPT, &["build", "--resolve=never", "--target", "server"]),
        (three, &["build", "--resolve=never"]),
        (three, &["build", "--resolve=never", "--platform", "linux/amd64"]),
        (named, &["build", "--resolve=never"]),
        (named, &["build", "--resolve=never", "--target", "sever"]),
        (SCRIPT, &["build", "--locked", "--resolve=never"]),
        (SCRIPT, &["build", "--iidfile", "id"]),
        (SCRIPT, &["build", "-o", "type=local,dest=out", "--iidfile", "id"]),
        (SCRIPT, &["build", "-o", "type=local,dest=out", "--annotation", "a=b"]),
        (SCRIPT, &["build", "-o", "type=cacheonly", "-o", "type=tar,dest=out"]),
        (SCRIPT, &["build", "-t", "app", "-q", "--progress", "plain"]),
        (SCRIPT, &["build", "-o", "type=oci", "-q"]),
        (SCRIPT, &["build", "--push"]),
        (
            SCRIPT,
            &[
                "build",
                "-t",
                "app",
                "--provenance",
                "--attest=type=provenance,mode=max",
            ],
        ),
        (
            SCRIPT,
            &["build", "-t", "app", "--cache-to", "type=gha,token=secret,cut"],
        ),
        (SCRIPT, &["solve", "--frontend", "dockerfile.v0"]),
        (SCRIPT, &["solve", "--trace", "trace.json"]),
        (SCRIPT, &["solve", "--debug-json-cache-metrics", "stderr"]),
        (
            SCRIPT,
            &["solve", "--registry-auth-tlscontext", "host=r.example,insecure=true"],
        ),
        (SCRIPT, &["solve", "--proxy-network"]),
        (SCRIPT, &["solve", "--opt", "target=app"]),
        (SCRIPT, &["solve", "--import-cache", "type=inline"]),
        (SCRIPT, &["solve", "--export-cache", "type=gha"]),
        (SCRIPT, &["solve", "-o", "type=lokal"]),
        (SCRIPT, &["solve", "-t", "UPPER"]),
        (SCRIPT, &["solve"]),
        (SCRIPT, &["solve", "-o", "out"]),
        (SCRIPT, &["solve", "-o", "type=image,name=UPPER"]),
        (SCRIPT, &["solve", "-o", "type=image,push=true"]),
        (SCRIPT, &["solve", "-o", "type=image,name=app:1,push-by-digest=true"]),
        (SCRIPT, &["solve", "-o", "type=image,\"name=a,b\"", "-t", "app"]),
        (SCRIPT, &["solve", "--allow", "network"]),
        (SCRIPT, &["solve", "--progress", "tty"]),
        (SCRIPT, &["solve", "--progress", "fancy"]),
        (
            SCRIPT,
            &["engines", "--addr", "npipe:////./pipe/docker_engine", "--builder", "x"],
        ),
        (SCRIPT, &["build", "--network", "bridge"]),
        (SCRIPT, &["build", "--add-host", "db"]),
        (SCRIPT, &["build", "--ulimit", "nofiles=1"]),
        (SCRIPT, &["build", "--no-cache", "--no-cache-filter", "app"]),
        (SCRIPT, &["build", "--resolve=never", "--no-cache-filter", "app"]),
        (SCRIPT, &["build", "--build-context", "context=."]),
        (
            SCRIPT,
            &["build", "--resolve=never", "--build-context", "alpine=missing"],
        ),
        (SCRIPT, &["build", "--resolve=never", "--add-host", "me:host-gateway"]),
        (SCRIPT, &["build", "--resolve=never", "--secret", "id=x,src=y"]),
        (SCRIPT, &["build", "--ssh", "/home/me/.ssh/id_rsa"]),
        (SCRIPT, &["solve", "--source-policy-file", "missing.json"]),
        (SCRIPT, &["engines", "--tlscacert", "ca.pem"]),
        (SCRIPT, &["engines", "--addr", "tcp://h", "--tlscert", "cert.pem"]),
        (SCRIPT, &["engines", "--addr", "tcp://h", "--tlsdir", "missing"]),
        (SCRIPT, &["build", "-t", "app", "--builder", "nope"]),
        (SCRIPT, &["build", "--timeout", "0"]),
        (SCRIPT, &["dag", "--filter", ""]),
        (three, &["dag", "--format", "json"]),
        (SCRIPT, &["dag", "--platform", "linux/amd64,linux/arm64"]),
        (
            SCRIPT,
            &["build", "--resolve=never", "--platform", "linux/amd64,linux/arm64"],
        ),
    ];
    let mut shown = String::new();
    for (script, args) in cases {
        let run = Project::new(&[("build.lua", script)]).run(args);
        assert_eq!(run.code(), 2, "{args:?}\n{}", run.stderr());
        assert!(run.stdout().is_empty(), "{args:?}");
        shown.push_str(&format!("$ luakit {}\n{}\n", args.join(" "), run.stderr().trim_end()));
    }
    insta::assert_snapshot!("usage", shown);
}

/// Runs the binary where no engine is.
fn without_engine(project: &Project, args: &[&str]) -> Run {
    let mut command = project.command();
    command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    Run::of(command.args(args).output().unwrap())
}

/// What is wrong with a value is told without it: it may hold a password, or be one.
#[test]
fn no_error_repeats_a_secret() {
    let cases: &[&[&str]] = &[
        &["build", "--build-context", "src=https://me:hunter2@example.com/x"],
        &["build", "--build-context", "src=https://me:hunter2@example.com/x.git"],
        &["build", "--build-context", "https://me:hunter2@example.com/x"],
        &["build", "--build-context", "https://me:hunter2@example.com/x?tag=v1"],
        &[
            "build",
            "--build-context",
            "src=docker-image://me:hunter2@example.com/x",
        ],
        &["build", "--build-context", "src=docker-image://hunter2@example.com/x"],
        &["build", "--build-context", "src=oci-layout://dir@hunter2"],
        &["build", "--secret", "id=x,value=hunter2"],
        &["build", "--secret", "id=x,hunter2"],
        &["build", "--secret", "hunter2"],
        &["build", "--secret", "id=x,type=hunter2"],
        &["build", "--secret", "hunter2=x"],
        &["lock", "--secret", "id=x,hunter2"],
        &["solve", "--secret", "hunter2"],
        &["solve", "--ssh", "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2/\n"],
        &["build", "--ssh", "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2/\n"],
        &["solve", "--ssh", "default=hunter2,,"],
        &["solve", "--ssh", "default=x,raw=hunter2"],
        &["solve", "--oci-layout", "https://me:hunter2@example.com/x"],
        &["solve", "--local", "https://me:hunter2@example.com/x"],
        &["build", "--arg", "=hunter2"],
        &["build", "--build-arg", "=hunter2"],
        &["build", "-t", "app", "--label", "=hunter2"],
        &["build", "-t", "app", "--annotation", "a b=hunter2"],
        &["solve", "--opt", "build-arg:TOKEN=hunter2"],
        &["solve", "--opt", "build-arg:SOURCE_DATE_EPOCH=hunter2"],
        &["build", "-t", "app", "--cache-to", "type=gha,token=x,hunter2"],
        &[
            "build",
            "-t",
            "app",
            "--cache-to",
            "type=s3,secret_access_key=x,hunter2=y",
        ],
        &["solve", "--export-cache", "type=azblob,secret_acces_key=hunter2"],
        &["build", "-t", "app", "--addr", "tcp://me:hunter2@example.com"],
        &["build", "-t", "app", "--addr", "https://me:hunter2@example.com"],
        &["build", "-t", "app", "--addr", "me:hunter2@example.com"],
        &["build", ".", "https://me:hunter2@example.com/x.git"],
        &["build", "https://me:hunter2@example.com/x.git"],
        &[
            "build",
            "-t",
            "app",
            "--context",
            "https://me:hunter2@example.com/x.git",
        ],
    ];
    for args in cases {
        let run = without_engine(&Project::new(&[("build.lua", SCRIPT)]), args);
        assert_eq!(run.code(), 2, "{args:?}\n{}", run.stderr());
        assert!(!run.stderr().contains("hunter2"), "{args:?}\n{}", run.stderr());
    }
}

/// The second would replace the first, or both would be mixed.
#[test]
fn two_results_in_one_file_are_told_before_the_build() {
    let cases: &[&[&str]] = &[
        &["-o", "type=tar,dest=x", "-o", "type=oci,dest=./x"],
        &["-o", "type=tar,dest=x", "-o", "type=oci,dest=link"],
        &["-o", "type=tar,dest=dir/x", "-o", "type=local,dest=dir/../dir/x"],
        &["-o", "type=local,dest=new/x", "-o", "type=local,dest=new/./x/"],
        &["-o", "type=oci,dest=x", "--metadata-file", "./x"],
        &["-o", "type=oci,dest=x", "--iidfile", "link"],
        &["-t", "app", "--metadata-file", "x", "--iidfile", "dir/../x"],
        &["-o", "type=oci,dest=-", "--metadata-file", "/dev/stdout"],
        &["-t", "app", "-q", "--iidfile", "/dev/stdout"],
    ];
    let project = Project::new(&[("build.lua", SCRIPT), ("dir/there", "")]);
    std::os::unix::fs::symlink("x", project.path().join("link")).unwrap();
    let mut shown = String::new();
    for args in cases {
        let run = without_engine(&project, &[&["build"], *args].concat());
        assert_eq!(run.code(), 2, "{args:?}\n{}", run.stderr());
        shown.push_str(&run.stderr());
    }
    let run = without_engine(
        &project,
        &["solve", "-t", "app", "--ref-file", "x", "--metadata-file", "./x"],
    );
    shown.push_str(&run.stderr());
    insta::assert_snapshot!(shown, @"
    error[usage]: two outputs go to `./x`
    error[usage]: two outputs go to `link`
    error[usage]: two outputs go to `dir/../dir/x`
    error[usage]: two outputs go to `new/./x/`
    error[usage]: `--metadata-file` and an output both go to `x`
    error[usage]: `--iidfile` and an output both go to `x`
    error[usage]: `--metadata-file` and `--iidfile` write to the same file
    error[usage]: `--metadata-file` and an output both go to `-`
    error[usage]: `--iidfile` and `--quiet` write to the same file
    error[usage]: `--metadata-file` and `--ref-file` write to the same file
    ");
    // What goes nowhere may go there together: what fails then is that there is no engine.
    let nowhere = [
        "build",
        "-t",
        "app",
        "--metadata-file",
        "/dev/null",
        "--iidfile",
        "/dev/null",
    ];
    let run = without_engine(&project, &[&nowhere[..], &["-o", "type=oci,dest=/dev/null"]].concat());
    assert_eq!(run.code(), 4, "{}", run.stderr());
}

/// The engine would say neither in which file nor in which line.
#[test]
fn a_bad_pattern_of_an_ignore_file_is_shown() {
    let project = Project::new(&[("build.lua", SCRIPT), (".dockerignore", "# logs\n*.log\n[a\n")]);
    let run = project.run(&["build", "-t", "app"]);
    assert_eq!(run.code(), 2);
    insta::assert_snapshot!(run.stderr(), @"
    error[ignore-file]: syntax error in pattern `[a`
     --> ./.dockerignore:3
      |
    3 | [a
      | ^^
    ");
}

#[test]
fn an_argument_of_an_unset_variable_says_so() {
    let script = r#"bk.export(bk.scratch():mkfile("/v", bk.arg("VER", { required = true })))"#;
    let project = Project::new(&[("build.lua", script)]);
    let said = project.run(&["build", "--arg", "VER"]).stderr();
    assert!(said.contains("the variable `VER` isn't set"), "{said}");
    let said = project.run(&["build"]).stderr();
    assert!(!said.contains("the variable"), "{said}");
}

#[test]
fn a_local_cache_that_is_not_there_is_told() {
    let project = Project::new(&[("build.lua", SCRIPT)]);
    let from = ["build", "-t", "app", "--cache-from", "type=local,src=nodir"];
    let said = project.run(&from).stderr();
    let told =
        "warning[missing-cache]: the local cache `nodir` of `--cache-from` is left out: there is no such directory";
    assert!(said.contains(told), "{said}");
    let said = project
        .run(&[&from[..], &["--cache-to", "type=local,dest=nodir"]].concat())
        .stderr();
    assert!(!said.contains("missing-cache"), "{said}");
}

#[test]
fn local_is_a_platform() {
    let project = Project::new(&[("build.lua", SCRIPT)]);
    let build = |platform| {
        project
            .run(&["build", "--resolve=never", "--platform", platform])
            .success()
    };
    assert_eq!(build("local"), build("linux/amd64"), "without an engine");
}

/// In a CI a variable may stand behind the `=`, or be the name.
#[test]
fn what_says_no_is_as_if_it_were_not_there() {
    let project = Project::new(&[("build.lua", SCRIPT)]);
    let build = |args: &[&str]| project.run(&[&["build", "--resolve=never"], args].concat()).success();
    let plain = build(&[]);
    assert_eq!(
        build(&["--push=false", "--load=0", "--no-cache=false", "--pull=f", "--target="]),
        plain
    );
    assert_ne!(build(&["--no-cache=true"]), plain);
    assert_eq!(build(&["--no-cache=true"]), build(&["--no-cache"]));
    let run = project.run(&["build", "--push=perhaps"]);
    assert_eq!(run.code(), 2);
}

#[test]
fn engines_are_listed_beside_the_one_that_is_named() {
    let project = Project::new(&[]);
    let mut command = project.command();
    command.args(["engines", "--addr", "tcp://127.0.0.1:9"]);
    let output = command
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "none answers");
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.starts_with("- `--addr`\n"), "{listed}");
    assert!(
        listed.contains("- `DOCKER_HOST`\n    address    docker on unix:///nowhere/docker.sock"),
        "{listed}"
    );
}

#[test]
fn a_definition_goes_to_stdout_or_whole_into_a_file() {
    let project = Project::new(&[("build.lua", SCRIPT)]);
    let args = ["build", "--resolve=never", "--local-unique", "x"];
    let bytes = project.run(&args).success();
    project.run(&[&args[..], &["-o", "out.pb"]].concat()).success();
    assert_eq!(std::fs::read(project.path().join("out.pb")).unwrap(), bytes);
    let run = project.run(&[&args[..], &["-o", "."]].concat());
    assert_eq!(run.code(), 2);
    insta::assert_snapshot!(run.stderr(), @"
    error[usage]: can't write `.`: is a directory
    hint: for the result's files: `-o type=local,dest=.`
    ");

    project.write("build.lua", b"error('no')");
    let run = project.run(&[&args[..], &["-o", "out.pb"]].concat());
    assert_eq!(run.code(), 3);
    assert_eq!(
        std::fs::read(project.path().join("out.pb")).unwrap(),
        bytes,
        "a failed build changes nothing"
    );
}

#[test]
fn no_engine_is_exit_code_4() {
    let project = Project::new(&[("build.lua", SCRIPT)]);
    let definition = project.run(&["build", "--resolve=never"]).success();
    project.write("definition", &definition);
    let mut command = project.command();
    command
        .args(["solve", "-t", "x"])
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    command.stdin(std::fs::File::open(project.path().join("definition")).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"error[no-engine]: `DOCKER_HOST`: can't connect to docker on unix:///nonexistent/docker.sock: No such file or directory (os error 2)");
}

/// An engine that is named and wrong in a way that no daemon can mend is wrong usage.
#[test]
fn an_engine_that_can_not_be() {
    let project = Project::new(&[("build.lua", SCRIPT)]);
    let definition = project.run(&["build", "--resolve=never"]).success();
    project.write("definition", &definition);
    let mut shown = String::new();
    for args in [
        &["--addr", "npipe:////./pipe/docker_engine"][..],
        &["--addr", "ssh://me:secret@build.example"],
        &["--addr", "docker-container://buildkitd?context=gone"],
        &["--addr", "unix:///x.sock", "--tlsservername", "x"],
        &["--builder", "gone"],
    ] {
        let mut command = project.command();
        command.args(["solve", "-t", "x"]).args(args);
        command.stdin(std::fs::File::open(project.path().join("definition")).unwrap());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        shown.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    insta::assert_snapshot!(shown, @"
    error[usage]: `--addr`: `npipe://` is not supported; these are: `unix://`, `tcp://`, `docker-container://`, `podman-container://`, `nerdctl-container://`, `kube-pod://`, `ssh://`
    error[usage]: `--addr`: an address with `ssh://` can't hold a password
    error[usage]: `--addr`: there is no docker context `gone`
    error[usage]: `--addr`: `unix:///x.sock` has no use for TLS: only `tcp://` has
    error[usage]: `--builder gone`: there is no builder `gone`; there are: default
    ");
}

/// To take it as unset would build on another engine than the user's.
#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_wrong_usage() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let project = Project::new(&[("build.lua", SCRIPT)]);
    let definition = project.run(&["build", "--resolve=never"]).success();
    project.write("definition", &definition);
    for name in ["BUILDKIT_HOST", "DOCKER_HOST"] {
        let mut command = project.command();
        command
            .args(["solve", "-t", "x"])
            .env(name, OsStr::from_bytes(b"unix:///\xff"));
        command.stdin(std::fs::File::open(project.path().join("definition")).unwrap());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            said.trim_end(),
            format!("error[usage]: the variable `{name}` is not UTF-8 text")
        );
    }
}

#[test]
fn an_unknown_progress_mode_of_the_environment_is_wrong_usage() {
    let project = Project::new(&[]);
    let mut command = project.command();
    command.args(["solve", "-t", "x"]).env("BUILDKIT_PROGRESS", "fancy");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"
    error[usage]: BUILDKIT_PROGRESS: unknown progress mode `fancy`
    hint: it is one of `auto`, `tty`, `plain`, `rawjson`, `quiet`
    ");
}

#[test]
fn several_platforms_in_a_script_make_one_definition_and_a_warning() {
    let script = r#"for _, p in ipairs { "linux/amd64", "linux/arm64" } do
        bk.export(bk.image("alpine", { platform = p })) end"#;
    let project = Project::new(&[("build.lua", script)]);
    let run = project.run(&["build", "--resolve=never"]);
    assert_eq!(run.code(), 0);
    insta::assert_snapshot!(run.stderr(), @"
    warning[several-platforms]: the script exports linux/amd64, linux/arm64; this definition is for linux/amd64: choose another with `--platform`
    warning[unresolved-config]: the image's config lacks what `alpine` for linux/amd64 says: its environment, entrypoint and command
    hint: leave `--resolve=never` out; with a lock file (`luakit lock`) no registry is asked
    ");
    let arm = project
        .run(&["build", "--resolve=never", "--platform", "linux/arm64"])
        .success();
    assert!(String::from_utf8_lossy(&arm).contains("arm64"));

    for format in ["text", "json", "dot", "mermaid"] {
        let run = project.run(&["dag", "--format", format]);
        assert_eq!(run.code(), 0, "{format}");
        assert!(
            run.stderr().contains("this graph is for linux/amd64"),
            "{}",
            run.stderr()
        );
        let arm = project.run(&["dag", "--format", format, "--platform", "linux/arm64"]);
        assert_eq!((arm.code(), arm.stderr().as_str()), (0, ""), "{format}");
    }
}

#[test]
fn an_unresolved_config_is_no_secret() {
    let warned = |script: &str| {
        let run = Project::new(&[("build.lua", script)]).run(&["build", "--resolve=never"]);
        assert_eq!(run.code(), 0, "{}", run.stderr());
        run.stderr()
    };
    insta::assert_snapshot!(warned(SCRIPT), @"
    warning[unresolved-config]: the image's config lacks what `alpine:3.19` for linux/amd64 says: its environment, entrypoint and command
    hint: leave `--resolve=never` out; with a lock file (`luakit lock`) no registry is asked
    ");
    let copied = r#"bk.export(bk.scratch():copy(bk.image("alpine"), "/etc/os-release", "/"))"#;
    assert_eq!(warned(copied), "", "nothing of the image's config is inherited");
}

#[test]
fn validate_tells_targets_and_arguments() {
    let script = r#"
        local version = bk.arg("VERSION", "1.0", { description = "what is built" })
        bk.export(bk.image("alpine"):run("make " .. version), { name = "app", description = "the server" })
        bk.export(bk.image("alpine"), { name = "base" })"#;
    let report = Project::new(&[("build.lua", script)]).run(&["validate"]).success();
    insta::assert_snapshot!(String::from_utf8(report).unwrap(), @"
    app: linux/amd64, 2 ops: the server
    base: linux/amd64, 1 op
    --arg VERSION = 1.0: what is built
    ");
}

#[test]
fn runs_are_told_their_hosts_name_by_an_argument() {
    let project = Project::new(&[("build.lua", SCRIPT)]);
    let argument = [
        "build",
        "--resolve=never",
        "--arg",
        "BUILDKIT_SANDBOX_HOSTNAME=builder.here",
    ];
    let definition = project.run(&argument).success();
    assert!(definition.windows(12).any(|bytes| bytes == b"builder.here"));
}
