//! Lock files: what is written is read again, what is broken is told at its place, and what changes is shown.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use luakit_diagnostic::{Colour, SourceFile, render};
use luakit_frontend::DocumentError;
use luakit_frontend::lock::{check, diff, parse, select, source_policy, write};
use luakit_llb::reach::{GitRequest, HttpRequest};
use luakit_llb::{Pins, Platform, Reached, ResolvedImage};
use proptest::prelude::*;

const FULL: &str = r#"version = 1

[[image]]
ref = "docker.io/library/alpine:3.19"
platform = "linux/amd64"
digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
config = '{"architecture":"amd64","os":"linux"}'

[[image]]
ref = "docker.io/library/alpine:3.19"
platform = "linux/arm64"
digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
config = "{\"author\":\"O'Brien\",\n\"architecture\":\"arm64\",\"os\":\"linux\"}"

[[git]]
url = "https://github.com/user/project.git"
commit = "1111111111111111111111111111111111111111"

[[git]]
url = "https://github.com/user/project.git"
ref = "v1.2.3"
commit = "2222222222222222222222222222222222222222"

[[http]]
url = "https://example.com/x.tar.gz"
checksum = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
"#;

fn read(text: &str) -> Result<Pins, DocumentError> {
    parse(SourceFile::new("luakit.lock", text.as_bytes()))
}

/// What a person sees of a broken file.
fn told(text: &str) -> String {
    let error = read(text).unwrap_err();
    error.diagnostics().iter().map(|d| render(d, Colour::Plain)).collect()
}

/// The full file with a part of it replaced.
fn edited(part: &str, by: &str) -> String {
    assert!(FULL.contains(part));
    FULL.replacen(part, by, 1)
}

#[test]
fn a_canonical_file_is_a_fixpoint() {
    assert_eq!(write(&read(FULL).unwrap()), FULL);
    assert_eq!(write(&read("version = 1").unwrap()), "version = 1\n");
}

#[test]
fn names_are_normalised_and_entries_sorted() {
    let text = r#"
        version = 1
        [[image]]
        ref = "zoo"
        platform = "linux/x86_64"
        digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
        config = "{}"
        [[image]]
        ref = "ant"
        platform = "arm64"
        digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
        config = "{}"
    "#;
    insta::assert_snapshot!(write(&read(text).unwrap()), @r#"
    version = 1

    [[image]]
    ref = "docker.io/library/ant:latest"
    platform = "linux/arm64"
    digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
    config = '{}'

    [[image]]
    ref = "docker.io/library/zoo:latest"
    platform = "linux/amd64"
    digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
    config = '{}'
    "#);
}

#[test]
fn wrong_types_and_keys() {
    insta::assert_snapshot!(told(&edited("platform = \"linux/amd64\"", "platfrom = 5")));
    insta::assert_snapshot!(told(&edited(
        "commit = \"1111111111111111111111111111111111111111\"",
        "commit = 1"
    )));
    insta::assert_snapshot!(told("version = \"1\"\nimage = 1\nimages = []\n"));
}

#[test]
fn versions() {
    insta::assert_snapshot!(told("version = 2\nnew_things = true\n"));
    insta::assert_snapshot!(told("[[image]]\n"));
}

#[test]
fn values_that_cannot_be() {
    insta::assert_snapshot!(told(&edited("sha256:1111", "sha256:11g1")));
    insta::assert_snapshot!(told(&edited("alpine:3.19", "Alpine:3.19")));
    insta::assert_snapshot!(told(&edited("linux/amd64", "linux/amd46")));
    insta::assert_snapshot!(told(&edited(
        "{\"architecture\":\"amd64\",\"os\":\"linux\"}",
        "{\"architecture\":"
    )));
    insta::assert_snapshot!(told(&edited(
        "2222222222222222222222222222222222222222\"\n\n[[http]]",
        "v1\"\n\n[[http]]"
    )));
    insta::assert_snapshot!(told(&edited("https://example.com", "https://ann:pw@example.com")));
}

#[test]
fn truncated_files() {
    let at = FULL.find("digest").unwrap();
    insta::assert_snapshot!(told(FULL.get(..at).unwrap()));
    insta::assert_snapshot!(told(FULL.get(..at + 12).unwrap()));
    for end in (0..FULL.len()).filter(|end| FULL.is_char_boundary(*end)) {
        // Every prefix is read or told, and told within the file.
        if let Err(error) = read(FULL.get(..end).unwrap()) {
            assert!(error.problems.iter().all(|problem| problem.at.start <= end));
            assert!(!error.diagnostics().is_empty());
        }
    }
}

#[test]
fn entries_that_disagree() {
    let entry = |digit: char| {
        let digits: String = std::iter::repeat_n(digit, 64).collect();
        format!("\n[[http]]\nurl = \"https://example.com/x.tar.gz\"\nchecksum = \"sha256:{digits}\"\n")
    };
    insta::assert_snapshot!(told(&format!("{FULL}{}", entry('2'))));
    insta::assert_snapshot!(told(&format!("{FULL}{}", entry('3'))));
    let pinned = "alpine:3.19@sha256:4444444444444444444444444444444444444444444444444444444444444444";
    insta::assert_snapshot!(told(&edited("alpine:3.19", pinned)));
    let twice = edited("linux/arm64", "linux/amd64").replace("1111\"\nconfig = \"", "1112\"\nconfig = \"");
    insta::assert_snapshot!(told(&twice));
}

#[test]
fn merge_conflicts() {
    let conflict = "<<<<<<< HEAD\ncommit = \"1\"\n=======\ncommit = \"2\"\n>>>>>>> topic\n";
    insta::assert_snapshot!(told(&edited(
        "commit = \"1111111111111111111111111111111111111111\"\n",
        conflict
    )));
}

#[test]
fn what_is_no_text() {
    let error = parse(SourceFile::new("luakit.lock", &b"version = 1\n\xFF"[..])).unwrap_err();
    assert_eq!(error.to_string(), "luakit.lock:2: the file is not UTF-8 text");
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
        auth_header_secret: None,
        accept: None,
        user_agent: None,
    }
}

#[test]
fn locked_tells_all_that_is_missing_or_has_moved() {
    let locked = read(FULL).unwrap();
    let mut reached = Reached::default();
    let platform: Platform = "linux/amd64".parse().unwrap();
    reached
        .images
        .insert(("alpine:3.19".parse().unwrap(), platform.clone()));
    reached
        .git
        .insert(git("https://github.com/user/project.git", Some("v1.2.3")));
    reached.git.insert(git("https://github.com/user/project.git", None));
    reached.http.insert(http("https://example.com/x.tar.gz"));
    assert_eq!(check(&reached, &locked), Ok(()));

    reached
        .images
        .insert(("alpine:3.20".parse().unwrap(), platform.clone()));
    reached
        .images
        .insert(("alpine:3.19".parse().unwrap(), "linux/s390x".parse().unwrap()));
    reached.images.insert(("golang:1".parse().unwrap(), platform));
    reached
        .git
        .insert(git("https://github.com/user/project.git", Some("v2")));
    reached.http.insert(http("https://ann:pw@example.com/y"));
    let refused = check(&reached, &locked).unwrap_err();
    insta::assert_snapshot!(render(&refused.diagnostic(), Colour::Plain));
}

#[test]
fn a_build_takes_what_it_reaches_by_the_scripts_names() {
    let locked = read(FULL).unwrap();
    let mut reached = Reached::default();
    let (reference, platform) = ("alpine:3.19".parse().unwrap(), "linux/arm64".parse().unwrap());
    reached.images.insert((reference, platform));
    let url = "https://ann:pw@github.com/user/project.git";
    reached.git.insert(git(url, Some("v1.2.3")));
    reached.http.insert(http("https://example.com/x.tar.gz"));
    let pins = select(&reached, &locked);
    assert_eq!(pins.images().count(), 1);
    assert_eq!(
        pins.git(url, Some("v1.2.3")),
        Some("2222222222222222222222222222222222222222")
    );
    assert_eq!(pins.files().count(), 1);
}

#[test]
fn differences_are_shown() {
    let new = edited("sha256:2222", "sha256:3333")
        .replace("v1.2.3", "v1.2.4")
        .replacen("sha256:1111", "sha256:5555", 2);
    let changes = diff(&read(FULL).unwrap(), &read(&new).unwrap());
    let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    moved   image alpine:3.19 linux/amd64 sha256:1111111111111111111111111111111111111111111111111111111111111111 -> sha256:5555111111111111111111111111111111111111111111111111111111111111
    moved   image alpine:3.19 linux/arm64 sha256:1111111111111111111111111111111111111111111111111111111111111111 -> sha256:5555111111111111111111111111111111111111111111111111111111111111
    removed git https://github.com/user/project.git#v1.2.3 2222222222222222222222222222222222222222
    added   git https://github.com/user/project.git#v1.2.4 2222222222222222222222222222222222222222
    moved   http https://example.com/x.tar.gz sha256:2222222222222222222222222222222222222222222222222222222222222222 -> sha256:3333222222222222222222222222222222222222222222222222222222222222
    ");
}

#[test]
fn the_same_pins_as_a_source_policy() {
    insta::assert_snapshot!(source_policy(&read(FULL).unwrap()).unwrap());
    let torn = FULL.replace("1111\"\nconfig = \"", "1112\"\nconfig = \"");
    let error = source_policy(&read(&torn).unwrap()).unwrap_err();
    insta::assert_snapshot!(error);
}

/// Text that a config may hold; quotes, escapes and controls included.
fn config() -> impl Strategy<Value = String> {
    let text = "[ -~'\"\\\\\t\u{85}\u{7f}é€😀]{0,20}";
    (text, any::<bool>()).prop_map(|(text, pretty)| {
        let value = serde_json::json!({ "os": "linux", "author": text });
        if pretty {
            format!("{value:#}\r\n")
        } else {
            value.to_string()
        }
    })
}

fn pins() -> impl Strategy<Value = Pins> {
    let image = (
        "[a-z]{1,8}(/[a-z]{1,8})?(:[a-z0-9]{1,5})?",
        prop::sample::select(vec!["linux/amd64", "linux/arm/v7", "windows/amd64", "linux/arm64/v9"]),
        "[0-9a-f]{64}",
        config(),
    );
    let git = (
        "https://[a-z]{1,8}\\.com/[ -~é]{0,8}",
        prop::option::of("[ -~\n]{1,8}"),
        "[0-9a-f]{40}",
    );
    let http = ("https://[a-z]{1,8}\\.com/[!-~é\u{1}]{0,8}", "[0-9a-f]{64}");
    let many = |n| 0..n;
    (
        prop::collection::vec(image, many(6)),
        prop::collection::vec(git, many(4)),
        prop::collection::vec(http, many(4)),
    )
        .prop_map(|(images, git, http)| {
            let mut pins = Pins::new();
            for (reference, platform, digits, config) in images {
                let image = ResolvedImage {
                    reference: None,
                    digest: format!("sha256:{digits}").parse().ok(),
                    config: config.into_bytes(),
                };
                pins.insert_image(reference.parse().unwrap(), platform.parse().unwrap(), image);
            }
            for (url, reference, commit) in git {
                pins.insert_git(url, reference, commit);
            }
            for (url, digits) in http {
                pins.insert_http(url, format!("sha256:{digits}").parse().unwrap());
            }
            pins
        })
}

proptest! {
    #[test]
    fn every_pin_survives_the_file(pins in pins()) {
        let text = write(&pins);
        let again = read(&text).unwrap();
        prop_assert_eq!(&again, &pins);
        prop_assert_eq!(write(&again), text);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}", cut in 0..FULL.len(), end in 0..FULL.len()) {
        let (cut, end) = (cut.min(end), cut.max(end));
        let damaged = format!("{}{text}{}", FULL.get(..cut).unwrap(), FULL.get(end..).unwrap());
        if let Err(error) = read(&damaged) {
            prop_assert!(!error.diagnostics().is_empty());
        }
    }
}
