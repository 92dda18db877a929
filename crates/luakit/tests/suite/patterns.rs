//! `docs/patterns.md` and `examples/patterns/`: every snippet is in its example, word for word, and every
//! example is a script that gives a definition. What they build is for the tests on the engine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The examples, in the order of the snippets.
const EXAMPLES: [&str; 27] = [
    "multi-stage-simple",
    "multi-stage-dependencies",
    "multi-stage-cross-compilation",
    "multi-stage-distroless",
    "parallel-operations",
    "parallel-multi-platform",
    "parallel-installation",
    "layers-dependency-separation",
    "layers-single",
    "layers-chained-copy",
    "reproducible-pinned-versions",
    "reproducible-source-pins",
    "reproducible-build-flags",
    "reproducible-timestamps",
    "dependencies-go",
    "dependencies-npm",
    "dependencies-pip",
    "dependencies-cargo",
    "configuration-environment",
    "configuration-files",
    "configuration-runtime",
    "testing-in-build",
    "testing-parallel-suites",
    "testing-lint",
    "production-go",
    "production-node",
    "production-python",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    let path = repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The fenced blocks of the document: language and text.
fn snippets() -> Vec<(String, String)> {
    let document = read("docs/patterns.md");
    let mut snippets: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in document.lines() {
        match (line.strip_prefix("```"), open) {
            (Some(language), false) => {
                snippets.push((language.to_owned(), String::new()));
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let (_, text) = snippets.last_mut().expect("a block was opened");
                text.push_str(line);
                text.push('\n');
            }
            (None, false) => {}
        }
    }
    snippets
}

/// Between its paragraphs an example adds what the snippet takes for granted; within them it changes nothing.
#[test]
fn every_snippet_is_in_its_example() {
    let snippets = snippets();
    assert_eq!(snippets.len(), EXAMPLES.len());
    for ((language, snippet), name) in snippets.iter().zip(EXAMPLES) {
        if language == "bash" {
            let script = read(&format!("examples/patterns/{name}/build-all.sh"));
            assert_eq!(script, snippet.replace("buildctl build", "luakit solve"), "{name}");
            continue;
        }
        let script = read(&format!("examples/patterns/{name}/build.lua"));
        let mut rest = script.as_str();
        for paragraph in snippet.trim_end().split("\n\n") {
            let whole = format!("\n{paragraph}\n");
            let found = format!("\n{rest}").find(&whole);
            let Some(at) = found else {
                panic!("{name}: not there, or not in order:\n{paragraph}")
            };
            // `at` counts from the line break put before `rest`.
            rest = &rest[at + paragraph.len()..];
        }
    }
}

#[test]
fn every_example_is_a_snippet_or_listed() {
    let folders: BTreeSet<String> = fs::read_dir(repository().join("examples/patterns"))
        .unwrap()
        .map(|item| item.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders, EXAMPLES.map(str::to_owned).into());
    let overview = read("examples/README.md");
    for name in EXAMPLES {
        assert!(
            overview.contains(&format!("(patterns/{name}/)")),
            "`examples/README.md` has no `{name}`"
        );
    }
}

fn luakit(name: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_luakit"))
        .args(args)
        .current_dir(repository().join("examples/patterns").join(name))
        .env_clear()
        .output()
        .unwrap()
}

#[test]
fn every_example_is_a_valid_script() {
    for name in EXAMPLES {
        let output = luakit(name, &["validate", "build.lua"]);
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// With no network and no engine: nothing is resolved.
#[test]
fn every_target_of_every_example_gives_a_definition() {
    for name in EXAMPLES {
        let validated = luakit(name, &["validate", "build.lua"]).stdout;
        let report = String::from_utf8(validated).unwrap();
        let targets = report.lines().filter(|line| !line.starts_with("--arg "));
        for target in targets.filter_map(|line| line.split(':').next()) {
            let mut args = vec!["build", "build.lua", "--resolve=never", "--local-unique", "test"];
            if target != "(default)" {
                args.extend(["--target", target]);
            }
            let output = luakit(name, &args);
            assert!(
                output.status.success(),
                "{name} {target}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(!output.stdout.is_empty(), "{name} {target}");
        }
    }
}
