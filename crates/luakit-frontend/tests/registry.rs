//! Images from registries that behave, and from some that don't.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use luakit_diagnostic::SourceFile;
use luakit_frontend::resolve::{Network, Registry, RegistryConfig, ResolveErrors, resolve};
use luakit_llb::{Pins, Platform, Reference, ResolvedImage};
use luakit_testkit::registry::{self as fake, Auth, Fault};
use serde_json::json;

const AMD64: &str = r#"{"architecture":"amd64","os":"linux","config":{"Env":["A=1"]}}"#;
const ARM64: &str = r#"{"architecture":"arm64","os":"linux"}"#;
const ARMV6: &str = r#"{"architecture":"arm","os":"linux","variant":"v6"}"#;

type Images = BTreeMap<(Reference, Platform), ResolvedImage>;

/// Limits that make a test quick.
fn network() -> Network {
    Network {
        connect_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_millis(400),
        request_timeout: Duration::from_secs(1),
        attempts: 3,
        backoff: Duration::from_millis(10),
        longest_wait: Duration::from_secs(2),
        helper_timeout: Duration::from_millis(500),
        ..Network::default()
    }
}

fn client(config: &str, docker: Option<&Path>) -> Registry {
    let file = SourceFile::new("registries.toml", config.as_bytes());
    let config = RegistryConfig::parse(file, Path::new("/")).unwrap();
    Registry::new(config, docker.map(PathBuf::from), network())
}

fn run(registry: &Registry, locked: &Pins, wanted: &[(&str, &str)]) -> Result<Images, ResolveErrors> {
    let requests = wanted
        .iter()
        .map(|(reference, platform)| (reference.parse().unwrap(), platform.parse().unwrap()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(resolve(requests, locked, registry, 4));
    runtime.shutdown_background();
    outcome
}

/// Resolves one image for linux/amd64 without configuration or credentials.
fn one(server: &fake::Registry, name: &str) -> Result<ResolvedImage, String> {
    with(server, name, "", None)
}

/// Resolves one image for linux/amd64; `HOST` stands for the server.
fn with(server: &fake::Registry, name: &str, config: &str, docker: Option<&Path>) -> Result<ResolvedImage, String> {
    let host = server.host();
    let registry = client(&config.replace("HOST", &host), docker);
    let reference = name.replace("HOST", &host);
    let images = run(&registry, &Pins::new(), &[(&reference, "linux/amd64")]).map_err(|e| tell(&e, server))?;
    Ok(images.into_values().next().unwrap())
}

/// The error and the hint as people read them.
fn tell(errors: &ResolveErrors, server: &fake::Registry) -> String {
    let diagnostics = errors.diagnostics();
    let lines = diagnostics.iter().flat_map(|d| {
        let hint = d.hint.as_ref().map(|hint| format!("hint: {hint}"));
        [Some(d.message.clone()), hint].into_iter().flatten()
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let port = server.host().split_off("127.0.0.1:".len());
    text.replace(&server.host(), "HOST").replace(&port, "PORT")
}

fn docker_config(content: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.json"), content).unwrap();
    dir
}

#[test]
fn the_index_is_pinned_and_the_config_is_the_platforms() {
    let server = fake::Registry::start();
    let index = server.put_index(
        "team/app",
        "1",
        &[
            ("unknown/unknown", "{}"),
            ("linux/arm/v6", ARMV6),
            ("linux/amd64", AMD64),
            ("linux/arm64/v8", ARM64),
        ],
    );
    let name = format!("{}/team/app:1", server.host());
    let wanted = [
        (name.as_str(), "linux/amd64"),
        (&name, "linux/arm64"),
        (&name, "linux/arm/v7"),
        (&name, "linux/amd64/v3"),
        (&name, "linux/amd64"),
    ];
    let images = run(&client("", None), &Pins::new(), &wanted).unwrap();
    assert!(
        images
            .values()
            .all(|image| image.digest.as_ref().unwrap().as_str() == index)
    );
    let config = |platform: &str| {
        let image = &images[&(name.parse().unwrap(), platform.parse().unwrap())];
        String::from_utf8(image.config.clone()).unwrap()
    };
    assert_eq!(config("linux/amd64"), AMD64);
    assert_eq!(config("linux/amd64/v3"), AMD64);
    assert_eq!(config("linux/arm64"), ARM64);
    assert_eq!(config("linux/arm/v7"), ARMV6);
    let asked_for_the_tag = server.requests().iter().filter(|r| r.ends_with("/manifests/1")).count();
    assert_eq!(asked_for_the_tag, 1, "one look for all platforms");
}

#[test]
fn a_manifest_without_an_index_is_taken_for_any_platform() {
    let server = fake::Registry::start();
    let manifest = server.put_image("app", Some("latest"), ARM64);
    let image = one(&server, "HOST/app").unwrap();
    assert_eq!(image.digest.as_ref().unwrap().as_str(), manifest);
    assert_eq!(image.config, ARM64.as_bytes());
}

#[test]
fn an_entry_without_a_platform_is_for_what_its_config_says() {
    let server = fake::Registry::start();
    server.put_index("app", "fits", &[("linux/arm64", ARM64), ("", AMD64)]);
    assert_eq!(one(&server, "HOST/app:fits").unwrap().config, AMD64.as_bytes());
    server.put_index("app", "not", &[("", ARM64)]);
    insta::assert_snapshot!(one(&server, "HOST/app:not").unwrap_err(), @r"
    can't resolve image `HOST/app:not` for linux/amd64: it is not there for that platform; it is for linux/arm64
    hint: give the image a platform of its own, or choose another image
    ");
}

#[test]
fn indexes_may_nest_but_not_for_ever() {
    let server = fake::Registry::start();
    let mut inner = server.put_image("app", None, AMD64);
    for depth in 1..=4 {
        let entry = json!({ "digest": inner, "platform": { "os": "linux", "architecture": "amd64" } });
        let index = json!({ "mediaType": fake::INDEX, "manifests": [entry] });
        inner = server.put_manifest("app", Some(&depth.to_string()), fake::INDEX, &index);
    }
    assert!(one(&server, "HOST/app:3").is_ok());
    insta::assert_snapshot!(
        one(&server, "HOST/app:4").unwrap_err(),
        @"can't resolve image `HOST/app:4` for linux/amd64: the manifest is malformed: indexes in indexes, more than 4 deep"
    );
}

#[test]
fn a_digest_is_asked_for_and_kept() {
    let server = fake::Registry::start();
    let old = server.put_image("app", Some("1"), ARM64);
    server.put_image("app", Some("1"), AMD64);
    let image = one(&server, &format!("HOST/app:1@{old}")).unwrap();
    assert_eq!(
        (image.digest.as_ref().unwrap().as_str(), image.config),
        (old.as_str(), ARM64.as_bytes().to_vec())
    );
}

#[test]
fn a_locked_image_is_not_asked_for_and_lends_its_digest_to_other_platforms() {
    let server = fake::Registry::start();
    let old = server.put_index("app", "1", &[("linux/amd64", AMD64), ("linux/arm64", ARM64)]);
    let name = format!("{}/app:1", server.host());
    let reference: Reference = name.parse().unwrap();
    let first = run(&client("", None), &Pins::new(), &[(&name, "linux/amd64")]).unwrap();
    let mut locked = Pins::new();
    for ((reference, platform), image) in first {
        locked.insert_image(reference, platform, image);
    }
    // The tag moves on; what is locked stays, and so does what joins it.
    let new = server.put_index(
        "app",
        "1",
        &[("linux/amd64", "{}"), ("linux/arm64", "{}"), ("linux/s390x", "{}")],
    );
    let before = server.requests().len();
    assert!(run(&client("", None), &locked, &[(&name, "linux/amd64")]).is_ok());
    assert_eq!(server.requests().len(), before, "nothing is asked");
    let images = run(
        &client("", None),
        &locked,
        &[(&name, "linux/amd64"), (&name, "linux/arm64")],
    )
    .unwrap();
    assert!(
        images
            .values()
            .all(|image| image.digest.as_ref().unwrap().as_str() == old)
    );
    // What the old index doesn't have comes from the tag.
    let images = run(&client("", None), &locked, &[(&name, "linux/s390x")]).unwrap();
    assert_eq!(
        images[&(reference, "linux/s390x".parse().unwrap())]
            .digest
            .as_ref()
            .unwrap()
            .as_str(),
        new
    );
}

#[test]
fn all_failures_are_told_in_order() {
    let server = fake::Registry::start();
    server.put_index("app", "1", &[("linux/arm64", ARM64), ("linux/arm/v6", ARMV6)]);
    let host = server.host();
    let names = [
        format!("{host}/zoo:1"),
        format!("{host}/app:1"),
        format!("{host}/ant:1"),
    ];
    let wanted: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "linux/amd64")).collect();
    let errors = run(&client("", None), &Pins::new(), &wanted).unwrap_err();
    insta::assert_snapshot!(tell(&errors, &server), @r"
    can't resolve image `HOST/ant:1` for linux/amd64: `HOST` has no such image
    hint: check the name and the tag
    can't resolve image `HOST/app:1` for linux/amd64: it is not there for that platform; it is for linux/arm/v6, linux/arm64
    hint: give the image a platform of its own, or choose another image
    can't resolve image `HOST/zoo:1` for linux/amd64: `HOST` has no such image
    hint: check the name and the tag
    ");
}

#[test]
fn a_registry_that_lies_is_found_out() {
    let server = fake::Registry::start();
    let real = server.put_index("app", "1", &[("linux/amd64", AMD64)]);
    let lie = |path: &str| {
        server.fail(path, 1, Fault::Content(b"{\"mediaType\":\"x\"}".to_vec()));
        one(&server, &format!("HOST/app:1@{real}")).unwrap_err()
    };
    insta::assert_snapshot!(lie("manifests"));
    insta::assert_snapshot!(lie("blobs"));
    let header = format!("Docker-Content-Digest: {real}\r\n");
    let header: &'static str = header.leak();
    server.fail("manifests/2", 1, Fault::Status(200, header, "{}"));
    insta::assert_snapshot!(one(&server, "HOST/app:2").unwrap_err());
}

#[test]
fn documents_have_a_largest_size() {
    let server = fake::Registry::start();
    let huge = json!({ "mediaType": fake::INDEX, "manifests": [], "x": "x".repeat(4 << 20) });
    server.put_manifest("app", Some("1"), fake::INDEX, &huge);
    insta::assert_snapshot!(
        one(&server, "HOST/app:1").unwrap_err(),
        @"can't resolve image `HOST/app:1` for linux/amd64: `HOST` sent a manifest of more than 4194304 bytes"
    );
}

#[test]
fn what_is_no_image_is_told() {
    let server = fake::Registry::start();
    let config = server.put_blob("chart", b"{}");
    let chart = json!({ "config": { "mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": config } });
    server.put_manifest("chart", Some("1"), fake::MANIFEST, &chart);
    insta::assert_snapshot!(
        one(&server, "HOST/chart:1").unwrap_err(),
        @"can't resolve image `HOST/chart:1` for linux/amd64: it is no container image: its config is `application/vnd.cncf.helm.config.v1+json`"
    );
    server.put_image("odd", Some("1"), "[1]");
    insta::assert_snapshot!(
        one(&server, "HOST/odd:1").unwrap_err(),
        @"can't resolve image `HOST/odd:1` for linux/amd64: the config is malformed: invalid type: sequence, expected a map at line 1 column 0"
    );
}

#[test]
fn what_passes_is_tried_again() {
    let server = fake::Registry::start();
    server.put_image("app", Some("1"), AMD64);
    server.fail("manifests", 1, Fault::Status(503, "", "{}"));
    server.fail("manifests", 1, Fault::Status(429, "Retry-After: 1\r\n", "{}"));
    let started = Instant::now();
    assert!(one(&server, "HOST/app:1").is_ok());
    assert!(
        started.elapsed() >= Duration::from_secs(1),
        "the registry asked for a second"
    );
    server.fail("blobs", 2, Fault::Stall);
    assert!(one(&server, "HOST/app:1").is_ok());
}

#[test]
fn what_does_not_pass_ends_in_time() {
    let server = fake::Registry::start();
    server.put_image("app", Some("1"), AMD64);
    let fail = |fault: Fault| {
        server.fail("manifests", 3, fault);
        let started = Instant::now();
        let error = one(&server, "HOST/app:1").unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(8));
        error
    };
    let limited = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit exceeded"}]}"#;
    insta::assert_snapshot!(fail(Fault::Status(429, "", limited)), @r"
    can't resolve image `HOST/app:1` for linux/amd64: `HOST` takes no more requests from here for now: pull rate limit exceeded
    hint: `docker login HOST` raises the limit; a lock file (`luakit lock`) needs no registry at all
    ");
    insta::assert_snapshot!(
        fail(Fault::Status(500, "", "a page")),
        @"can't resolve image `HOST/app:1` for linux/amd64: `HOST` answers 500"
    );
    insta::assert_snapshot!(fail(Fault::Silence), @r"
    can't resolve image `HOST/app:1` for linux/amd64: `HOST` didn't answer within 0.4 s
    hint: a lock file (`luakit lock`) builds without the registry; `--resolve=never` leaves references as written
    ");
}

#[test]
fn a_long_wait_is_not_waited() {
    let server = fake::Registry::start();
    server.fail("manifests", 1, Fault::Status(429, "Retry-After: 3600\r\n", "{}"));
    let started = Instant::now();
    assert!(one(&server, "HOST/app:1").is_err());
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn nobody_there() {
    // A port below 1024 that no test can be given.
    let gone = "127.0.0.1:1";
    let server = fake::Registry::start();
    let error = one(&server, &format!("{gone}/app:1")).unwrap_err();
    insta::assert_snapshot!(error.replace(gone, "GONE"), @r"
    can't resolve image `GONE/app:1` for linux/amd64: can't reach `GONE`: Connection refused (os error 111)
    hint: a lock file (`luakit lock`) builds without the registry; `--resolve=never` leaves references as written
    ");
}

#[test]
fn mirrors_come_first_and_failing_ones_are_passed_by() {
    let (server, mirror, broken) = (
        fake::Registry::start(),
        fake::Registry::start(),
        fake::Registry::start(),
    );
    let config = format!(
        "[registry.\"HOST\"]\nmirrors = [\"{}\", \"{}/proxy\"]",
        broken.host(),
        mirror.host()
    );
    server.put_image("app", Some("1"), ARM64);
    mirror.put_image("proxy/app", Some("1"), AMD64);
    assert_eq!(
        with(&server, "HOST/app:1", &config, None).unwrap().config,
        AMD64.as_bytes()
    );
    assert!(server.requests().is_empty());
    let asked = mirror.requests().join("\n");
    assert!(
        asked.contains(&format!("GET /v2/proxy/app/manifests/1?ns={}", server.host())),
        "{asked}"
    );
    // What no mirror has is the registry's own.
    server.put_image("other", Some("1"), ARM64);
    assert_eq!(
        with(&server, "HOST/other:1", &config, None).unwrap().config,
        ARM64.as_bytes()
    );
    let error = with(&server, "HOST/none:1", &config, None).unwrap_err();
    let error = error
        .replace(&mirror.host(), "MIRROR")
        .replace(&broken.host(), "BROKEN");
    insta::assert_snapshot!(error, @r"
    can't resolve image `HOST/none:1` for linux/amd64: `HOST` has no such image (mirror `BROKEN`: `BROKEN` has no such image) (mirror `MIRROR`: `MIRROR` has no such image)
    hint: check the name and the tag
    ");
}

#[test]
fn basic_auth() {
    let server = fake::Registry::start();
    server.put_image("app", Some("1"), AMD64);
    server.set_auth(Auth::Basic("ann", "hunter2"));
    let entry = |user: &str| {
        let auth = fake::base64(format!("{user}:hunter2").as_bytes());
        docker_config(&format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, server.host()))
    };
    assert!(with(&server, "HOST/app:1", "", Some(entry("ann").path())).is_ok());
    insta::assert_snapshot!(with(&server, "HOST/app:1", "", Some(entry("bob").path())).unwrap_err(), @r"
    can't resolve image `HOST/app:1` for linux/amd64: `HOST` refuses access: authentication required
    hint: the image does not exist, or your login at `HOST` may not read it
    ");
    insta::assert_snapshot!(one(&server, "HOST/app:1").unwrap_err(), @r"
    can't resolve image `HOST/app:1` for linux/amd64: `HOST` refuses access: authentication required
    hint: the image does not exist, or it needs `docker login HOST`
    ");
}

#[test]
fn bearer_auth() {
    let server = fake::Registry::start();
    server.put_index("app", "1", &[("linux/amd64", AMD64)]);
    server.set_auth(Auth::Bearer {
        user: None,
        identity: None,
        oauth: false,
    });
    assert!(one(&server, "HOST/app:1").is_ok());
    let tokens = server
        .requests()
        .into_iter()
        .filter(|r| r.contains("/token"))
        .collect::<Vec<_>>();
    assert_eq!(
        tokens,
        ["GET /token?service=test&scope=repository%3Aapp%3Apull"],
        "one token for all of it"
    );

    let user = Some(("ann", "hunter2"));
    let docker = docker_config(&format!(
        r#"{{"auths":{{"http://{}":{{"username":"ann","password":"hunter2"}}}}}}"#,
        server.host()
    ));
    for oauth in [true, false] {
        server.set_auth(Auth::Bearer {
            user,
            identity: None,
            oauth,
        });
        assert!(with(&server, "HOST/app:1", "", Some(docker.path())).is_ok());
    }
    let error = one(&server, "HOST/app:1").unwrap_err();
    insta::assert_snapshot!(error, @r"
    can't resolve image `HOST/app:1` for linux/amd64: `HOST` refuses access
    hint: the image does not exist, or it needs `docker login HOST`
    ");
}

#[test]
fn identity_tokens_are_exchanged() {
    let server = fake::Registry::start();
    server.put_image("app", Some("1"), AMD64);
    server.set_auth(Auth::Bearer {
        user: Some(("ann", "hunter2")),
        identity: Some("refresh-me"),
        oauth: true,
    });
    let config = |token: &str| {
        docker_config(&format!(
            r#"{{"auths":{{"{}":{{"identitytoken":"{token}"}}}}}}"#,
            server.host()
        ))
    };
    assert!(with(&server, "HOST/app:1", "", Some(config("refresh-me").path())).is_ok());
    let error = with(&server, "HOST/app:1", "", Some(config("stale-secret").path())).unwrap_err();
    assert!(!error.contains("stale-secret") && !error.contains("hunter2"), "{error}");
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let (server, storage) = (fake::Registry::start(), fake::Registry::start());
    server.put_image("app", Some("1"), AMD64);
    server.set_auth(Auth::Basic("ann", "hunter2"));
    storage.put_file("/blob", "application/octet-stream", AMD64.as_bytes());
    server.fail("blobs", 1, Fault::Redirect(format!("http://{}/blob", storage.host())));
    let auth = fake::base64(b"ann:hunter2");
    let docker = docker_config(&format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, server.host()));
    assert_eq!(
        with(&server, "HOST/app:1", "", Some(docker.path())).unwrap().config,
        AMD64.as_bytes()
    );
    assert_eq!(storage.requests(), ["GET /blob"]);
}

#[test]
fn dockers_config_may_be_broken() {
    let server = fake::Registry::start();
    server.put_image("app", Some("1"), AMD64);
    server.set_auth(Auth::Basic("ann", "hunter2"));
    let with_config = |content: &str| {
        let docker = docker_config(&content.replace("HOST", &server.host()));
        let error = with(&server, "HOST/app:1", "", Some(docker.path())).unwrap_err();
        error.replace(&docker.path().display().to_string(), "DIR")
    };
    insta::assert_snapshot!(
        with_config("hunter2"),
        @"
    can't resolve image `HOST/app:1` for linux/amd64: can't read Docker's config `DIR/config.json`: it is not the JSON that Docker writes
    hint: mend the file, or name another directory by `DOCKER_CONFIG`
    ");
    insta::assert_snapshot!(
        with_config(r#"{"auths":{"HOST":{"auth":"%%hunter2"}}}"#),
        @"
    can't resolve image `HOST/app:1` for linux/amd64: Docker's config holds no usable credentials for `HOST`
    hint: log in again with `docker login HOST`
    ");
    insta::assert_snapshot!(with_config(r#"{"credHelpers":{"HOST":"that-nobody-has"}}"#), @r"
    can't resolve image `HOST/app:1` for linux/amd64: Docker's config names the credential helper `docker-credential-that-nobody-has` for `HOST`, which is not installed
    hint: install `docker-credential-that-nobody-has`, or take it out of `credsStore` and `credHelpers` in Docker's config
    ");
    // Nothing is looked up for a registry that asks for nothing.
    server.set_auth(Auth::Open);
    let docker = docker_config("hunter2");
    assert!(with(&server, "HOST/app:1", "", Some(docker.path())).is_ok());
}

/// Helpers are found in `PATH`, so this runs once more as a process of its own with another one.
#[cfg(unix)]
#[test]
fn credential_helpers_are_asked() {
    use std::os::unix::fs::PermissionsExt as _;

    if std::env::var_os("LUAKIT_TEST_HELPERS").is_none() {
        let dir = tempfile::tempdir().unwrap();
        let helper = |name: &str, script: &str| {
            let path = dir.path().join(format!("docker-credential-{name}"));
            std::fs::write(&path, format!("#!/bin/sh\nread server\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        helper(
            "good",
            r#"echo "{\"ServerURL\":\"$server\",\"Username\":\"ann\",\"Secret\":\"hunter2\"}""#,
        );
        helper("none", "echo 'credentials not found in native keychain'; exit 1");
        helper(
            "none-on-stderr",
            "echo 'credentials not found in native keychain' >&2; exit 1",
        );
        helper("bad", "echo 'the secret is hunter2'; exit 1");
        helper("hangs", "exec sleep 20");
        let path = std::env::join_paths(
            [dir.path().to_owned()]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "credential_helpers_are_asked", "--nocapture"])
            .env("PATH", path.unwrap())
            .env("LUAKIT_TEST_HELPERS", "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let server = fake::Registry::start();
    server.put_image("app", Some("1"), AMD64);
    server.set_auth(Auth::Basic("ann", "hunter2"));
    let with_helper = |name: &str| {
        let docker = docker_config(&format!(r#"{{"credsStore":"{name}"}}"#));
        with(&server, "HOST/app:1", "", Some(docker.path()))
    };
    assert!(with_helper("good").is_ok());
    let none = with_helper("none").unwrap_err();
    assert_eq!(with_helper("none-on-stderr").unwrap_err(), none);
    insta::assert_snapshot!(none, @r"
    can't resolve image `HOST/app:1` for linux/amd64: `HOST` refuses access: authentication required
    hint: the image does not exist, or it needs `docker login HOST`
    ");
    insta::assert_snapshot!(with_helper("bad").unwrap_err(), @r"
    can't resolve image `HOST/app:1` for linux/amd64: the credential helper `docker-credential-bad` failed for `HOST`
    hint: log in again with `docker login HOST`
    ");
    insta::assert_snapshot!(
        with_helper("hangs").unwrap_err(),
        @"
    can't resolve image `HOST/app:1` for linux/amd64: the credential helper `docker-credential-hangs` didn't answer for `HOST` within 0.5 s
    hint: see what it waits for: `echo HOST | docker-credential-hangs get`
    ");
}
