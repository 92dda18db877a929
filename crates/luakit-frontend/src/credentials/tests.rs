//! What is found where. Helpers are asked in `tests/registry.rs`, which can set `PATH`.

use std::path::Path;

use super::*;

fn look_up(config: &str, host: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("config.json"), config).expect("a file");
    in_dir(dir.path(), host)
}

fn in_dir(dir: &Path, host: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let credentials = Credentials::new(Some(dir.to_owned()), Duration::from_secs(5));
    match runtime.block_on(credentials.of(host)) {
        Ok(None) => "none".to_owned(),
        Ok(Some(Credential::Password { user, password })) => format!("{user}:{password}"),
        Ok(Some(Credential::Identity(token))) => format!("identity {token}"),
        Ok(Some(Credential::Registry(token))) => format!("registry {token}"),
        Err(e) => format!("{e}; {}", e.hint()).replace(&dir.display().to_string(), "DIR"),
    }
}

#[test]
fn entries_of_the_file() {
    // `dTpw` is `u:p`.
    let config = r#"{"auths":{
        "https://index.docker.io/v1/":{"auth":"dTpw"},
        "docker.io":{"username":"not","password":"this"},
        "r.example:5000":{"auth":"dTpw","identitytoken":"T"},
        "https://old.example/v1/":{"username":"old","password":"style"},
        "fixed.example":{"auth":"dTpw","registrytoken":"R"},
        "empty.example":{},
        "null.example":null,
        "wrong.example":{"auth":"%%"},
        "nobody.example":{"auth":"OnA="},
        "padded.example":{"auth":"dTpwAAA="}
    }}"#;
    for hub in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        assert_eq!(look_up(config, hub), "u:p");
    }
    assert_eq!(look_up(config, "r.example:5000"), "identity T");
    assert_eq!(look_up(config, "r.example"), "none");
    assert_eq!(look_up(config, "old.example"), "old:style");
    assert_eq!(look_up(config, "fixed.example"), "registry R");
    assert_eq!(look_up(config, "empty.example"), "none");
    assert_eq!(look_up(config, "null.example"), "none");
    assert_eq!(look_up(config, "padded.example"), "u:p");
    for host in ["wrong.example", "nobody.example"] {
        let said = look_up(config, host);
        assert_eq!(
            said,
            format!(
                "Docker's config holds no usable credentials for `{host}`; log in again with `docker login {host}`"
            )
        );
    }
}

#[test]
fn the_nearest_keeper_is_asked() {
    let config = r#"{
        "auths":{"a.example":{"auth":"dTpw"},"b.example":{"auth":"dTpw"},"c.example":{"registrytoken":"R"}},
        "credHelpers":{"a.example":"luakit-a","b.example":""},
        "credsStore":"luakit-store"
    }"#;
    insta::assert_snapshot!(look_up(config, "a.example"), @"Docker's config names the credential helper `docker-credential-luakit-a` for `a.example`, which is not installed; install `docker-credential-luakit-a`, or take it out of `credsStore` and `credHelpers` in Docker's config");
    assert_eq!(look_up(config, "b.example"), "u:p", "an empty helper is none");
    assert_eq!(look_up(config, "c.example"), "registry R");
    assert!(look_up(config, "d.example").contains("`docker-credential-luakit-store` for `d.example`"));
}

#[test]
fn a_config_may_be_missing_empty_or_broken() {
    assert_eq!(look_up("", "x"), "none");
    assert_eq!(look_up("{}", "x"), "none");
    assert_eq!(look_up(r#"{"auths":null,"credHelpers":null}"#, "x"), "none");
    assert_eq!(in_dir(Path::new("/nonexistent"), "x"), "none");
    assert_eq!(in_dir(Path::new("/dev/null"), "x"), "none");
    insta::assert_snapshot!(look_up(r#"{"hunter2"#, "x"), @"can't read Docker's config `DIR/config.json`: it is not the JSON that Docker writes; mend the file, or name another directory by `DOCKER_CONFIG`");
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("config.json")).expect("a directory");
    insta::assert_snapshot!(in_dir(dir.path(), "x"), @"can't read Docker's config `DIR/config.json`: it is a directory; mend the file, or name another directory by `DOCKER_CONFIG`");
}
