//! What `luakit lock` looks up: git references, files, and which pins stay.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use luakit_frontend::fetch::{Fetcher, GitCommand, SecretError, Secrets};
use luakit_frontend::lock::{LockError, Unreached, Update, bring_up_to_date, diff, unreached, write};
use luakit_frontend::resolve::{Network, OddImage, Registry, RegistryConfig, oddities};
use luakit_llb::reach::{GitRequest, HttpRequest};
use luakit_llb::{Pins, Platform, Reached};
use luakit_testkit::registry::{self as fake, Auth, Fault};

const MAIN: &str = "1111111111111111111111111111111111111111";
const TAG_OBJECT: &str = "2222222222222222222222222222222222222222";
const TAGGED: &str = "3333333333333333333333333333333333333333";

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn network() -> Network {
    Network {
        stall_timeout: Duration::from_millis(400),
        attempts: 2,
        backoff: Duration::from_millis(10),
        ..Network::default()
    }
}

fn fetcher(secrets: &[(&str, &str)]) -> Fetcher {
    let secrets = secrets
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Fetcher::new(network(), GitCommand::default(), secrets.collect())
}

/// Serves a repository as git's plain file protocol does.
fn serve_git(server: &fake::Registry) -> String {
    let references = format!("{MAIN}\trefs/heads/main\n{TAG_OBJECT}\trefs/tags/v1\n{TAGGED}\trefs/tags/v1^{{}}\n");
    server.put_file("/a/b.git/info/refs", "text/plain", references.as_bytes());
    server.put_file("/a/b.git/HEAD", "text/plain", b"ref: refs/heads/main\n");
    format!("http://{}/a/b.git", server.host())
}

fn git(url: &str, reference: Option<&str>) -> GitRequest {
    GitRequest {
        url: url.to_owned(),
        reference: reference.map(str::to_owned),
        auth_token_secret: None,
        auth_header_secret: None,
        known_ssh_hosts: None,
    }
}

fn http(url: &str) -> HttpRequest {
    HttpRequest {
        url: url.to_owned(),
        auth_header_secret: Some("FILES".to_owned()),
        accept: None,
        user_agent: None,
    }
}

#[test]
fn git_references_are_looked_up() {
    let server = fake::Registry::start();
    let url = serve_git(&server);
    let commit = |reference| wait(fetcher(&[]).commit(&git(&url, reference)));
    assert_eq!(commit(Some("main")).as_deref(), Ok(MAIN));
    assert_eq!(commit(Some("refs/heads/main")).as_deref(), Ok(MAIN));
    assert_eq!(commit(Some("v1")).as_deref(), Ok(TAGGED));
    assert_eq!(commit(None).as_deref(), Ok(MAIN));
    let error = commit(Some("v9"))
        .unwrap_err()
        .to_string()
        .replace(&server.host(), "HOST");
    insta::assert_snapshot!(error, @"can't pin git source `http://HOST/a/b.git#v9`: the repository has no branch or tag `v9`");
}

#[test]
fn git_is_shown_a_secret_and_tells_none() {
    let server = fake::Registry::start();
    let url = serve_git(&server);
    server.set_auth(Auth::Basic("x-access-token", "hunter2"));
    let with = |secrets: &[(&str, &str)], url: &str| wait(fetcher(secrets).commit(&git(url, Some("main"))));
    // The header is `basic` in lower case, as BuildKit writes it, and so is what the fake compares with.
    let header = format!("Basic {}", fake::base64(b"x-access-token:hunter2"));
    assert_eq!(with(&[("GIT_AUTH_HEADER", &header)], &url).as_deref(), Ok(MAIN));
    let with_password = url.replace("http://", "http://ann:swordfish@");
    let error = with(&[("GIT_AUTH_TOKEN", "wrong")], &with_password)
        .unwrap_err()
        .to_string();
    assert!(!error.contains("swordfish") && !error.contains("wrong"), "{error}");
}

#[cfg(unix)]
#[test]
fn what_a_url_holds_of_a_login_is_on_no_command_line() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = fake::Registry::start();
    server.set_auth(Auth::Basic("ann", "swordfish"));
    let url = serve_git(&server);
    let dir = tempfile::tempdir().unwrap();
    let watched = dir.path().join("git");
    let log = dir.path().join("log");
    // Its own command line, and those of the programs that it runs.
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >> {log}\nGIT_TRACE={log} exec git \"$@\"\n",
        log = log.display()
    );
    std::fs::write(&watched, script).unwrap();
    std::fs::set_permissions(&watched, std::fs::Permissions::from_mode(0o755)).unwrap();
    let commit = |login: &str| {
        let command = GitCommand {
            program: watched.clone(),
            ..GitCommand::default()
        };
        let fetcher = Fetcher::new(network(), command, Secrets::default());
        wait(fetcher.commit(&git(&url.replace("http://", login), Some("main"))))
    };
    assert_eq!(commit("http://ann:sword%66ish@").as_deref(), Ok(MAIN));
    let token = commit("http://ghp_secret@").unwrap_err().to_string();
    insta::assert_snapshot!(token.replace(&server.host(), "HOST"), @"can't pin git source `http://HOST/a/b.git#main`: git says: could not read Password for 'http://HOST': terminal prompts disabled");
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("ls-remote") && log.contains("remote-http"), "{log}");
    for secret in ["swordfish", "sword%66ish", "ghp_secret"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn git_may_be_missing_or_hang() {
    let run = |program: PathBuf| {
        let command = GitCommand {
            program,
            timeout: Duration::from_millis(300),
            ssh_command: None,
        };
        let fetcher = Fetcher::new(network(), command, Secrets::default());
        wait(fetcher.commit(&git("https://h.com/a", None))).unwrap_err()
    };
    insta::assert_snapshot!(run("no-such-git".into()), @"can't pin git source `https://h.com/a`: `no-such-git` is not installed");
    let dir = tempfile::tempdir().unwrap();
    let hangs = dir.path().join("git");
    std::fs::write(&hangs, "#!/bin/sh\nexec sleep 20\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&hangs, std::fs::Permissions::from_mode(0o755)).unwrap();
        insta::assert_snapshot!(run(hangs), @"can't pin git source `https://h.com/a`: git didn't answer within 0.3 s");
    }
}

/// A program that stands in for ssh, which tells what it was asked.
#[cfg(unix)]
#[test]
fn ssh_asks_nobody_and_knows_the_scripts_hosts() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let (ssh, said) = (dir.path().join("my ssh"), dir.path().join("said"));
    let script = format!(
        "#!/bin/sh\necho \"$@\" >>'{0}'\nenv | grep -E 'ASKPASS|PROMPT' | sort >>'{0}'\n\
         for a; do case \"$a\" in *UserKnownHostsFile=*) f=\"${{a#*=}}\"; f=\"${{f%\\\"}}\"; cat \"${{f#\\\"}}\" >>'{0}';; esac; done\n\
         echo 'Host key verification failed.' >&2; exit 255\n",
        said.display()
    );
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let command = GitCommand {
        ssh_command: Some(format!("'{}' -i key", ssh.display())),
        ..GitCommand::default()
    };
    let fetcher = Fetcher::new(network(), command, Secrets::default());
    let mut request = git("git@h.example:a/b.git", Some("main"));
    let error = wait(fetcher.commit(&request)).unwrap_err();
    request.known_ssh_hosts = Some("h.example ssh-ed25519 AAAA\n".to_owned());
    wait(fetcher.commit(&request)).unwrap_err();
    let said = std::fs::read_to_string(&said).unwrap();
    let said: Vec<&str> = said
        .lines()
        .map(|line| line.split(" '-oUser").next().unwrap_or_default())
        .map(|line| line.split(" -oUserKnown").next().unwrap_or_default())
        .map(|line| line.split(" -o SendEnv").next().unwrap_or_default())
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    -i key -oBatchMode=yes
    GIT_ASKPASS=
    GIT_TERMINAL_PROMPT=0
    SSH_ASKPASS_REQUIRE=never
    -i key -oBatchMode=yes -oStrictHostKeyChecking=yes -oGlobalKnownHostsFile=/dev/null
    GIT_ASKPASS=
    GIT_TERMINAL_PROMPT=0
    SSH_ASKPASS_REQUIRE=never
    h.example ssh-ed25519 AAAA
    ");
    insta::assert_snapshot!(error, @"can't pin git source `git@h.example:a/b.git#main`: git says: Host key verification failed.");
    insta::assert_snapshot!(error.diagnostic().hint.unwrap(), @"connect to the host once with `ssh`, or name its key by `known_ssh_hosts`");
}

#[test]
fn git_asks_nobody_for_a_password() {
    let server = fake::Registry::start();
    let url = serve_git(&server);
    server.set_auth(Auth::Basic("ann", "hunter2"));
    let error = wait(fetcher(&[]).commit(&git(&url, Some("main")))).unwrap_err();
    let host = server.host();
    insta::assert_snapshot!(error.to_string().replace(&host, "HOST"), @"can't pin git source `http://HOST/a/b.git#main`: git says: could not read Username for 'http://HOST': terminal prompts disabled");
    insta::assert_snapshot!(error.diagnostic().hint.unwrap(), @"no one is asked for a password: give a token with `--secret id=GIT_AUTH_TOKEN`, or set up a credential helper of git");
}

#[test]
fn a_secret_that_cannot_be_had_is_told_only_where_it_is_needed() {
    let server = fake::Registry::start();
    let url = serve_git(&server);
    let broken = |id: &str| match id {
        "MINE" => Err(SecretError {
            id: id.to_owned(),
            reason: "permission denied".to_owned(),
        }),
        _ => Ok(None),
    };
    let fetcher = Fetcher::new(network(), GitCommand::default(), Secrets::new(broken));
    let mut request = git(&url, Some("main"));
    assert_eq!(wait(fetcher.commit(&request)).as_deref(), Ok(MAIN));
    request.auth_token_secret = Some("MINE".to_owned());
    let error = wait(fetcher.commit(&request)).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(&server.host(), "HOST"), @"can't pin git source `http://HOST/a/b.git#main`: can't use the secret `MINE`: permission denied");
}

#[test]
fn files_are_digested() {
    let server = fake::Registry::start();
    server.put_file("/x.tar.gz", "application/gzip", &vec![7; 300_000]);
    let url = format!("http://{}/x.tar.gz", server.host());
    let sum = |secrets: &[(&str, &str)]| wait(fetcher(secrets).checksum(&http(&url)));
    assert_eq!(sum(&[]).unwrap().as_str(), fake::digest(&vec![7; 300_000]));
    server.fail("x.tar.gz", 1, Fault::Stall);
    assert!(sum(&[]).is_ok(), "a broken download is begun again");
    server.set_auth(Auth::Basic("ann", "hunter2"));
    let header = format!("Basic {}", fake::base64(b"ann:hunter2"));
    assert!(sum(&[("FILES", header.as_str())]).is_ok());
    let error = sum(&[("FILES", "Basic swordfish")]).unwrap_err();
    insta::assert_snapshot!(
        error.to_string().replace(&server.host(), "HOST").replace("127.0.0.1", "IP"),
        @"can't pin file `http://HOST/x.tar.gz`: `IP` refuses access: authentication required"
    );
    let port = server.host();
    drop(server);
    let error = wait(fetcher(&[]).checksum(&http(&format!("http://{port}/x")))).unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

/// A build, and where its references lead.
struct World {
    server: fake::Registry,
    reached: Reached,
}

impl World {
    fn new() -> Self {
        let server = fake::Registry::start();
        let config = r#"{"architecture":"amd64","os":"linux"}"#;
        server.put_index("app", "1", &[("linux/amd64", config)]);
        server.put_image("tool", Some("1"), config);
        server.put_file("/x", "text/plain", b"one");
        let url = serve_git(&server);
        let mut reached = Reached::default();
        for name in ["app:1", "tool:1"] {
            let reference = format!("{}/{name}", server.host()).parse().unwrap();
            reached.images.insert((reference, Platform::linux_amd64()));
        }
        reached.git.insert(git(&url, Some("v1")));
        reached.http.insert(http(&format!("http://{}/x", server.host())));
        Self { server, reached }
    }

    fn lock(&self, old: &Pins, update: &Update) -> Result<Pins, LockError> {
        self.lock_with(old, update, Unreached::Kept)
    }

    fn lock_with(&self, old: &Pins, update: &Update, unreached: Unreached) -> Result<Pins, LockError> {
        let registry = Registry::new(RegistryConfig::default(), None, network());
        wait(bring_up_to_date(
            old,
            &self.reached,
            update,
            unreached,
            &registry,
            &fetcher(&[]),
            4,
        ))
    }

    fn changes(&self, old: &Pins, new: &Pins) -> String {
        let lines: Vec<String> = diff(old, new).iter().map(ToString::to_string).collect();
        lines.join("\n").replace(&self.server.host(), "HOST")
    }
}

#[test]
fn a_lock_file_is_filled_kept_moved_and_cleared() {
    let mut world = World::new();
    let first = world.lock(&Pins::new(), &Update::Missing).unwrap();
    insta::assert_snapshot!(world.changes(&Pins::new(), &first));

    // Everything moves; what is pinned stays.
    world.server.put_image("app", Some("1"), "{}");
    world.server.put_image("tool", Some("1"), "{}");
    world.server.put_file("/x", "text/plain", b"two");
    let before = world.server.requests().len();
    assert_eq!(write(&world.lock(&first, &Update::Missing).unwrap()), write(&first));
    assert_eq!(world.server.requests().len(), before, "a full file needs no network");

    // One moves by its name.
    let name = format!("{}/tool:1", world.server.host());
    let named = world.lock(&first, &Update::Named(vec![name])).unwrap();
    insta::assert_snapshot!(world.changes(&first, &named));
    let file = format!("http://{}/x", world.server.host());
    let named = world.lock(&first, &Update::Named(vec![file])).unwrap();
    assert_eq!(world.changes(&first, &named).lines().count(), 1);
    // All move, but for git, which hasn't.
    let all = world.lock(&first, &Update::All).unwrap();
    assert_eq!(world.changes(&first, &all).lines().count(), 3);

    // What is reached no more stays, and goes when that is asked for.
    world.reached.git.clear();
    assert_eq!(write(&world.lock(&all, &Update::Missing).unwrap()), write(&all));
    assert_eq!(unreached(&world.reached, &all).commits().count(), 1);
    let without = world.lock_with(&all, &Update::Missing, Unreached::Pruned).unwrap();
    insta::assert_snapshot!(world.changes(&all, &without), @"removed git http://HOST/a/b.git#v1 3333333333333333333333333333333333333333");
}

#[test]
fn a_narrower_run_drops_no_platform_and_moves_all_of_an_image() {
    let mut world = World::new();
    let config = |arch: &str, n: u32| format!(r#"{{"architecture":"{arch}","os":"linux","n":{n}}}"#);
    let serve = |world: &World, n| {
        let (amd64, arm64) = (config("amd64", n), config("arm64", n));
        world
            .server
            .put_index("app", "1", &[("linux/amd64", &amd64), ("linux/arm64", &arm64)]);
    };
    serve(&world, 1);
    let app: luakit_llb::Reference = format!("{}/app:1", world.server.host()).parse().unwrap();
    let arm64: Platform = "linux/arm64".parse().unwrap();
    let both = (app.clone(), arm64.clone());
    world.reached.images.insert(both.clone());
    let first = world.lock(&Pins::new(), &Update::Missing).unwrap();

    world.reached.images.remove(&both);
    assert_eq!(write(&world.lock(&first, &Update::Missing).unwrap()), write(&first));
    serve(&world, 2);
    for update in [Update::All, Update::Named(vec![app.to_string()])] {
        let moved = world.lock(&first, &update).unwrap();
        let digest = |platform: &Platform| moved.image(&app, platform).unwrap().digest.clone();
        assert_eq!(digest(&arm64), digest(&Platform::linux_amd64()));
        assert_ne!(digest(&arm64), first.image(&app, &arm64).unwrap().digest);
    }
    let pruned = world.lock_with(&first, &Update::Missing, Unreached::Pruned).unwrap();
    assert!(pruned.image(&app, &arm64).is_none());
}

#[test]
fn failures_of_all_kinds_are_told_together() {
    let mut world = World::new();
    let unknown = format!("{}/tol:1", world.server.host());
    let error = world.lock(&Pins::new(), &Update::Named(vec![unknown])).unwrap_err();
    let hint = error.diagnostics().remove(0).hint.unwrap();
    let tell = |text: &str, world: &World| text.replace(&world.server.host(), "HOST").replace("127.0.0.1", "IP");
    insta::assert_snapshot!(tell(&format!("{error}\n{hint}"), &world), @r"
    can't update `HOST/tol:1`: the build does not use it
    did you mean `HOST/tool:1`?
    ");

    let host = world.server.host();
    let missing = (format!("{host}/none:1").parse().unwrap(), Platform::linux_amd64());
    world.reached.images.insert(missing);
    world
        .reached
        .git
        .insert(git(&format!("http://{host}/a/b.git"), Some("v7")));
    world.reached.http.insert(http(&format!("http://{host}/none")));
    let error = world.lock(&Pins::new(), &Update::Missing).unwrap_err();
    insta::assert_snapshot!(tell(&error.to_string(), &world), @r"
    can't resolve image `HOST/none:1` for linux/amd64: `HOST` has no such image
    can't pin git source `http://HOST/a/b.git#v7`: the repository has no branch or tag `v7`
    can't pin file `http://HOST/none`: `IP` answers 404
    ");
    assert_eq!(error.diagnostics().len(), 3);
}

#[test]
fn an_image_of_another_platform_is_told() {
    let mut pins = Pins::new();
    let image = |config: &str| luakit_llb::ResolvedImage {
        reference: None,
        digest: fake::digest(b"").parse().ok(),
        config: config.as_bytes().to_vec(),
    };
    let config = r#"{"architecture":"arm","os":"linux","variant":"v6"}"#;
    let asked: BTreeMap<&str, &str> = [("a", "linux/arm/v7"), ("b", "linux/arm64"), ("c", "linux/arm/v6")].into();
    for (name, platform) in asked {
        pins.insert_image(name.parse().unwrap(), platform.parse().unwrap(), image(config));
    }
    pins.insert_image("d".parse().unwrap(), Platform::linux_amd64(), image("{}"));
    let layout = luakit_llb::LayoutImage {
        store: "store".to_owned(),
        reference: "docker.io/library/base:latest".to_owned(),
    };
    pins.insert_layout_config(layout, "linux/arm64".parse().unwrap(), config.as_bytes().to_vec());
    let lines: Vec<String> = oddities(&pins).iter().map(|(_, odd)| odd.to_string()).collect();
    assert_eq!(
        lines,
        [
            "image `b` is for linux/arm/v6, and was asked for linux/arm64",
            "image `base` is for linux/arm/v6, and was asked for linux/arm64",
        ]
    );
}

#[test]
fn an_image_with_triggers_is_told_once() {
    let mut pins = Pins::new();
    let image = |config: &str| luakit_llb::ResolvedImage {
        reference: None,
        digest: fake::digest(b"").parse().ok(),
        config: config.as_bytes().to_vec(),
    };
    let config = r#"{"architecture":"amd64","os":"linux","config":{"OnBuild":["COPY . /app","RUN npm install"]}}"#;
    let none = r#"{"architecture":"amd64","os":"linux","config":{"OnBuild":null}}"#;
    for platform in ["linux/amd64", "linux/amd64/v2"] {
        pins.insert_image("a".parse().unwrap(), platform.parse().unwrap(), image(config));
        pins.insert_image("b".parse().unwrap(), platform.parse().unwrap(), image(none));
    }
    let layout = luakit_llb::LayoutImage {
        store: "store".to_owned(),
        reference: "local/c".to_owned(),
    };
    pins.insert_layout_config(layout, Platform::linux_amd64(), config.as_bytes().to_vec());
    let odd = oddities(&pins);
    let [
        (OddImage::Image(reference), warning),
        (OddImage::Layout(layout), second),
    ] = odd.as_slice()
    else {
        panic!("{odd:?}")
    };
    assert_eq!((reference.familiar(), layout.store.as_str()), ("a".to_owned(), "store"));
    assert!(second.message.starts_with("image `local/c` has ONBUILD"), "{second:?}");
    insta::assert_snapshot!(
        warning.message,
        @"image `a` has ONBUILD instructions, which a Dockerfile would carry out here: a script doesn't"
    );
    assert_eq!(warning.notes, ["ONBUILD COPY . /app", "ONBUILD RUN npm install"]);
}
