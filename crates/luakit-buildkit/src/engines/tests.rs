//! What a machine's configuration means, by fixtures of it.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::*;

/// A home with Docker's configuration in it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn context(self, name: &str, host: &str, skip: bool) -> Self {
        let id = hex::encode(Sha256::digest(name));
        let meta = format!(
            r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":{skip}}}}}}}"#
        );
        self.file(&format!("contexts/meta/{id}/meta.json"), &meta)
    }

    fn certificates(self, context: &str, names: &[&str]) -> Self {
        let id = hex::encode(Sha256::digest(context));
        let path = |name: &str| format!("contexts/tls/{id}/docker/{name}");
        names.iter().fold(self, |home, name| home.file(&path(name), ""))
    }

    fn builder(self, name: &str, driver: &str, nodes: &str) -> Self {
        let text = format!(r#"{{"Name":"{name}","Driver":"{driver}","Nodes":[{nodes}],"Dynamic":false}}"#);
        self.file(&format!("buildx/instances/{name}"), &text)
    }

    /// With these settings, and this home as Docker's config directory.
    fn found(&self, discovery: Discovery) -> String {
        self.text(&self.discovery(discovery).candidates())
    }

    fn everything(&self, discovery: Discovery) -> String {
        self.text(&self.discovery(discovery).everything())
    }

    fn discovery(&self, discovery: Discovery) -> Discovery {
        Discovery {
            docker_config: Some(self.0.path().to_owned()),
            ..discovery
        }
    }

    fn text(&self, candidates: &[Candidate]) -> String {
        let text: Vec<String> = candidates.iter().map(describe).collect();
        let home = self.0.path().display().to_string();
        let text = text.join("\n").replace(&home, "HOME");
        let id = |name: &str| hex::encode(Sha256::digest(name));
        text.replace(&id("remote"), "ID")
    }
}

fn describe(candidate: &Candidate) -> String {
    let named = if candidate.source.is_named() { " (named)" } else { "" };
    let head = format!("{}{named}", candidate.source);
    match &candidate.nodes {
        Err(error) => format!("{head}: error: {error}"),
        Ok(nodes) => {
            let nodes: Vec<String> = nodes.iter().map(describe_node).collect();
            format!("{head}: {}", nodes.join(" + "))
        }
    }
}

fn describe_node(node: &Node) -> String {
    let platforms: Vec<String> = node.platforms.iter().map(|p| format!(" {p}")).collect();
    let platforms = platforms.concat();
    let tls = |tls: &Option<TlsSettings>| tls.as_ref().map(|tls| format!(" {tls:?}")).unwrap_or_default();
    match &node.endpoint {
        Err(error) => format!("error: {error}"),
        Ok(endpoint) => {
            let more = match endpoint {
                Endpoint::Tcp { tls: settings, .. } | Endpoint::Docker(DockerHost::Tcp { tls: settings, .. }) => {
                    tls(settings)
                }
                Endpoint::Command(command) => format!(" = {} {}", command.program, command.args.join(" ")),
                Endpoint::Container { start: true, .. } => ", started if need be".to_owned(),
                _ => String::new(),
            };
            format!("{endpoint}{more}{platforms}")
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what fields hold")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn with_nothing_configured() {
    let found = Home::new().found(Discovery {
        runtime_dir: Some("/run/user/1000".into()),
        ..Discovery::default()
    });
    insta::assert_snapshot!(found, @r"
    docker: docker on unix:///var/run/docker.sock
    buildkit (rootless): unix:///run/user/1000/buildkit/buildkitd.sock
    buildkit: unix:///run/buildkit/buildkitd.sock
    ");
    assert_eq!(Discovery::default().candidates().len(), 2);
}

#[test]
fn who_is_named_is_alone_and_flags_come_first() {
    let home = Home::new().builder("b", "remote", r#"{"Name":"b0","Endpoint":"tcp://build.example"}"#);
    let all = Discovery {
        addr: some("unix:///addr.sock"),
        builder: some("b"),
        buildkit_host: some("tcp://host.example:5000"),
        buildx_builder: some("b"),
        docker_host: some("ssh://me@docker.example"),
        docker_context: some("c"),
        ..Discovery::default()
    };
    let mut found = Vec::new();
    let mut left = all;
    found.push(home.found(left.clone()));
    left.addr = None;
    found.push(home.found(left.clone()));
    left.builder = None;
    found.push(home.found(left.clone()));
    left.buildkit_host = None;
    found.push(home.found(left.clone()));
    left.buildx_builder = None;
    found.push(home.found(left.clone()));
    left.docker_host = None;
    found.push(home.found(left.clone()));
    left.docker_context = some("default");
    found.push(home.found(left));
    insta::assert_snapshot!(found.join("\n"), @"
    `--addr` (named): unix:///addr.sock
    `--builder b` (named): tcp://build.example:1234
    `BUILDKIT_HOST` (named): tcp://host.example:5000
    `BUILDX_BUILDER=b` (named): tcp://build.example:1234
    `DOCKER_HOST` (named): docker on ssh://me@docker.example
    `DOCKER_CONTEXT=c` (named): error: there is no docker context `c`
    docker: docker on unix:///var/run/docker.sock
    buildkit: unix:///run/buildkit/buildkitd.sock
    ");
}

#[test]
fn dockers_tls() {
    let home = Home::new()
        .file("cert.pem", "")
        .file("key.pem", "")
        .file("other/ca.pem", "");
    let tcp = |docker_tls, docker_tls_verify, cert_path: Option<&str>| {
        home.found(Discovery {
            docker_host: some("tcp://docker.example"),
            docker_tls,
            docker_tls_verify,
            docker_cert_path: cert_path.map(|path| home.0.path().join(path)),
            ..Discovery::default()
        })
    };
    let found = [
        tcp(false, false, None),
        tcp(false, true, None),
        tcp(true, false, Some("other")),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    `DOCKER_HOST` (named): docker on tcp://docker.example:2375
    `DOCKER_HOST` (named): docker on tcp://docker.example:2376 TlsSettings { trust: Only("HOME/ca.pem"), identity: Some(Identity { cert: "HOME/cert.pem", key: "HOME/key.pem" }), server_name: None }
    `DOCKER_HOST` (named): docker on tcp://docker.example:2376 TlsSettings { trust: Anyone, identity: None, server_name: None }
    "#);
}

#[test]
fn contexts() {
    let home = Home::new()
        .file("config.json", r#"{"currentContext":"remote","auths":{}}"#)
        .context("remote", "tcp://10.0.0.1:2376", false)
        .certificates("remote", &["ca.pem", "cert.pem", "key.pem"])
        .context("lax", "tcp://10.0.0.2:2376", true)
        .context("far", "ssh://me@far.example", false)
        .context("empty", "", false);
    let with = |name: &str| Discovery {
        docker_context: some(name),
        ..Discovery::default()
    };
    let found = [
        home.found(Discovery::default()),
        home.found(with("lax")),
        home.found(with("far")),
        home.found(with("empty")),
        home.found(with("gone")),
        home.found(Discovery {
            addr: some("docker-container://buildkitd?context=far"),
            ..Discovery::default()
        }),
        home.found(Discovery {
            addr: some("docker-container://buildkitd"),
            ..Discovery::default()
        }),
        home.found(Discovery {
            builder: some("far"),
            ..Discovery::default()
        }),
    ];
    insta::assert_snapshot!(found.join("\n"), @r#"
    the current docker context `remote`: docker on tcp://10.0.0.1:2376 TlsSettings { trust: Only("HOME/contexts/tls/ID/docker/ca.pem"), identity: Some(Identity { cert: "HOME/contexts/tls/ID/docker/cert.pem", key: "HOME/contexts/tls/ID/docker/key.pem" }), server_name: None }
    docker: docker on unix:///var/run/docker.sock
    buildkit: unix:///run/buildkit/buildkitd.sock
    `DOCKER_CONTEXT=lax` (named): docker on tcp://10.0.0.2:2376 TlsSettings { trust: Anyone, identity: None, server_name: None }
    `DOCKER_CONTEXT=far` (named): docker on ssh://me@far.example
    `DOCKER_CONTEXT=empty` (named): error: the docker context `empty` has no address of a Docker
    `DOCKER_CONTEXT=gone` (named): error: there is no docker context `gone`; there are: empty, far, lax, remote
    `--addr` (named): the container buildkitd of docker on ssh://me@far.example
    `--addr` (named): the container buildkitd of docker on tcp://10.0.0.1:2376
    `--builder far` (named): docker on ssh://me@far.example
    "#);
    let broken = Home::new().file("config.json", "{");
    insta::assert_snapshot!(broken.found(Discovery::default()), @"
    the current docker context `?`: error: can't read `HOME/config.json`: EOF while parsing an object at line 1 column 1
    docker: docker on unix:///var/run/docker.sock
    buildkit: unix:///run/buildkit/buildkitd.sock
    ");
}

#[test]
fn builders() {
    let home = Home::new()
        .context("remote", "tcp://10.0.0.1:2375", false)
        .builder(
            "box",
            "docker-container",
            r#"{"Name":"box0","Endpoint":"unix:///var/run/docker.sock","Platforms":null,"DriverOpts":{"network":"host"},"Flags":["--x"],"Files":null},
               {"Name":"box1","Endpoint":"remote","Platforms":[{"architecture":"arm64","os":"linux"},{"architecture":"arm","os":"linux","variant":"v7"}],"DriverOpts":null}"#,
        )
        .builder(
            "kube",
            "kubernetes",
            r#"{"Name":"kube_0","Endpoint":"kubernetes:///kube?deployment=kube0&kubeconfig=%2Fhome%2Fme%2Fconfig","DriverOpts":{"namespace":"ci"}},
               {"Name":"kept0","Endpoint":"","DriverOpts":{"persistent-volume-claim.requests.storage":"1Gi"}},
               {"Name":"bad0","Endpoint":"","DriverOpts":{"namespace":"--all"}}"#,
        )
        .builder(
            "far",
            "remote",
            r#"{"Name":"far0","Endpoint":"tcp://build.example:1234","DriverOpts":{"cacert":"/c/ca.pem","cert":"/c/cert.pem","key":"/c/key.pem","servername":"buildkitd"}},
               {"Name":"far1","Endpoint":"tcp://build.example","DriverOpts":{"servername":"x"}},
               {"Name":"far2","Endpoint":"unix:///x.sock","DriverOpts":{"cacert":"/c/ca.pem"}},
               {"Name":"far3","Endpoint":"docker-container://other?context=remote"}"#,
        )
        .builder("cloud-me", "cloud", r#"{"Name":"linux","Endpoint":"cloud://me/x"}"#)
        .builder("none", "remote", "")
        .file("buildx/instances/torn", "{");
    let named = |name: &str| {
        home.found(Discovery {
            builder: some(name),
            ..Discovery::default()
        })
    };
    let names = [
        "box", "KUBE", "far", "cloud-me", "none", "torn", "gone", "../box", "default", "remote",
    ];
    insta::assert_snapshot!(names.map(named).join("\n"), @r#"
    `--builder box` (named): the container buildx_buildkit_box0 of docker on unix:///var/run/docker.sock, started if need be + the container buildx_buildkit_box1 of docker on tcp://10.0.0.1:2375, started if need be linux/arm64 linux/arm/v7
    `--builder KUBE` (named): kubernetes deployment/kube-0 = kubectl --kubeconfig=/home/me/config --namespace=ci exec --container=buildkitd -i deployment/kube-0 -- buildctl dial-stdio + kubernetes statefulset/kept0 = kubectl exec --container=buildkitd -i statefulset/kept0 -- buildctl dial-stdio + error: the node `bad0`: `--all` can't be a name in Kubernetes
    `--builder far` (named): tcp://build.example:1234 TlsSettings { trust: Only("/c/ca.pem"), identity: Some(Identity { cert: "/c/cert.pem", key: "/c/key.pem" }), server_name: Some("buildkitd") } + error: the node `far1`: its TLS lacks `cacert` + error: `unix:///x.sock` has no use for TLS: only `tcp://` has + the container other of docker on tcp://10.0.0.1:2375
    `--builder cloud-me` (named): error: the builder `cloud-me` has the driver `cloud`, which is not supported
    `--builder none` (named): error: the node `none`: the builder has no nodes
    `--builder torn` (named): error: can't read `HOME/buildx/instances/torn`: EOF while parsing an object at line 1 column 1
    `--builder gone` (named): error: there is no builder `gone`; there are: box, cloud-me, far, kube, none, torn, default, remote
    `--builder ../box` (named): error: there is no builder `../box`; there are: box, cloud-me, far, kube, none, torn, default, remote
    `--builder default` (named): docker on unix:///var/run/docker.sock
    `--builder remote` (named): docker on tcp://10.0.0.1:2375
    "#);
}

#[test]
fn the_builder_in_use() {
    let node = r#"{"Name":"b0","Endpoint":"tcp://build.example"}"#;
    let home = |current: &str| {
        Home::new()
            .builder("b", "remote", node)
            .context("remote", "tcp://10.0.0.1:2375", false)
            .file("buildx/current", current)
    };
    let docker_host = || Discovery {
        docker_host: some("tcp://docker.example"),
        ..Discovery::default()
    };
    let usual = r#"{"Key":"unix:///var/run/docker.sock","Name":"b","Global":false}"#;
    let global = r#"{"Key":"other","Name":"b","Global":true}"#;
    let gone = r#"{"Key":"unix:///var/run/docker.sock","Name":"gone","Global":false}"#;
    // `defaults` is by the first 20 digits of the key's hash.
    let hash = hex::encode(Sha256::digest("tcp://docker.example"));
    let by_default = home(r#"{"Key":"x","Name":"","Global":false}"#)
        .file(&format!("buildx/defaults/{}", hash.get(..20).unwrap()), "b");
    let first = |text: String| text.lines().next().unwrap().to_owned();
    let found = [
        home(usual).found(Discovery::default()),
        "---".to_owned(),
        first(home(usual).found(docker_host())),
        first(home(global).found(docker_host())),
        first(home(gone).found(Discovery::default())),
        first(by_default.found(docker_host())),
        first(by_default.found(Discovery::default())),
        first(home("{").found(Discovery::default())),
    ];
    insta::assert_snapshot!(found.join("\n"), @"
    buildx's current builder `b`: tcp://build.example:1234
    docker: docker on unix:///var/run/docker.sock
    buildkit: unix:///run/buildkit/buildkitd.sock
    ---
    `DOCKER_HOST` (named): docker on tcp://docker.example:2375
    buildx's current builder `b`: tcp://build.example:1234
    docker: docker on unix:///var/run/docker.sock
    buildx's current builder `b`: tcp://build.example:1234
    docker: docker on unix:///var/run/docker.sock
    buildx's current builder `?`: error: can't read `HOME/buildx/current`: EOF while parsing an object at line 1 column 1
    ");
}

#[test]
fn everything_that_is_known_is_listed_once() {
    let home = Home::new()
        .builder("b", "remote", r#"{"Name":"b0","Endpoint":"tcp://build.example"}"#)
        .builder("c", "remote", r#"{"Name":"c0","Endpoint":"tcp://other.example"}"#)
        .context("remote", "tcp://10.0.0.1:2375", false)
        .file("config.json", r#"{"currentContext":"remote"}"#)
        .file("buildx/current", r#"{"Key":"remote","Name":"b","Global":false}"#);
    insta::assert_snapshot!(home.everything(Discovery::default()), @"
    buildx's current builder `b`: tcp://build.example:1234
    the current docker context `remote`: docker on tcp://10.0.0.1:2375
    docker: docker on unix:///var/run/docker.sock
    buildkit: unix:///run/buildkit/buildkitd.sock
    buildx's builder `c`: tcp://other.example:1234
    ");
    insta::assert_snapshot!(home.everything(Discovery { addr: some("tcp://build.example"), ..Discovery::default() }), @"
    `--addr` (named): tcp://build.example:1234
    buildx's current builder `b`: tcp://build.example:1234
    the current docker context `remote`: docker on tcp://10.0.0.1:2375
    docker: docker on unix:///var/run/docker.sock
    buildkit: unix:///run/buildkit/buildkitd.sock
    buildx's builder `c`: tcp://other.example:1234
    ");
}

#[test]
fn without_a_home() {
    assert!(Discovery::default().docker_config.is_none());
    let named = Discovery {
        builder: some("b"),
        ..Discovery::default()
    };
    let [candidate] = named.candidates().try_into().unwrap();
    assert_eq!(
        describe(&candidate),
        "`--builder b` (named): error: there is no builder `b`; there are: default"
    );
    assert_eq!(
        Discovery::default().docker().unwrap(),
        DockerHost::Unix(Path::new("/var/run/docker.sock").to_owned())
    );
}
