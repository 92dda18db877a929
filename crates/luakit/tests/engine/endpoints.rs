//! The other way to an engine: BuildKit's own protocol on a unix socket, without Docker's API around it.

use luakit_testkit::relay::Relay;

use crate::workbench::{Workbench, succeeded};

#[test]
fn a_unix_socket_builds_as_dockers_does() {
    let bench = Workbench::new();
    let relay = Relay::listen(&bench.path("buildkitd.sock"), bench.engine.docker_socket()).unwrap();
    let script = r#"bk.export(bk.scratch():copy(bk.local_("context"), "build.lua", "/copied.lua"))"#;
    let project = bench.project(&[("build.lua", script)]);
    let definition = bench.build(&project, &[]);
    for (how, flags, host) in [
        ("--addr", vec!["--addr".to_owned(), relay.address()], None),
        ("BUILDKIT_HOST", vec![], Some(relay.address())),
    ] {
        let dest = bench.path(how.trim_start_matches('-'));
        let mut command = bench.luakit(&project);
        command.args(["solve", "--local", "context=."]).args(&flags);
        command.arg("-o").arg(format!("type=local,dest={}", dest.display()));
        command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
        command.envs(host.map(|host| ("BUILDKIT_HOST", host)));
        let output = crate::workbench::feed(&mut command, &definition);
        succeeded(how, &output);
        assert_eq!(
            std::fs::read_to_string(dest.join("copied.lua")).unwrap(),
            script,
            "{how}"
        );
    }
}
