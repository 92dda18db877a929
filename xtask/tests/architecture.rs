//! The house rules of `ARCHITECTURE`: who may depend on what, and how files begin and end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each crate of the workspace may use of the others: dependencies point one way.
const MAY_USE: &[(&str, &[&str])] = &[
    ("luakit-diagnostic", &[]),
    ("luakit-proto", &[]),
    ("luakit-llb", &["luakit-proto"]),
    ("luakit-script", &["luakit-diagnostic", "luakit-llb"]),
    ("luakit-frontend", &["luakit-diagnostic", "luakit-llb", "luakit-script"]),
    (
        "luakit-buildkit",
        &["luakit-diagnostic", "luakit-proto", "luakit-llb", "luakit-frontend"],
    ),
    (
        "luakit",
        &[
            "luakit-diagnostic",
            "luakit-llb",
            "luakit-script",
            "luakit-frontend",
            "luakit-buildkit",
        ],
    ),
    ("luakit-testkit", &[]),
    ("xtask", &["luakit", "luakit-llb", "luakit-script", "luakit-testkit"]),
];

/// Crates that only some rooms may know.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("mlua", &["luakit-script"]),
    ("tonic", &["luakit-proto", "luakit-buildkit"]),
    ("tokio", &["luakit-frontend", "luakit-buildkit", "luakit"]),
    ("clap", &["luakit", "xtask"]),
    ("anstream", &["luakit"]),
    ("crossterm", &["luakit"]),
    ("reqwest", &["luakit-frontend"]),
    ("annotate-snippets", &["luakit-diagnostic"]),
    ("anyhow", &["xtask"]),
];

const LONGEST_FILE: usize = 600;

/// Crates of the workspace that any test may use besides what its crate may.
const TESTS_MAY_USE: &[&str] = &["luakit-testkit", "luakit-proto"];

#[test]
fn dependencies_point_one_way() {
    let may_use: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for (name, manifest) in manifests() {
        let allowed = may_use
            .get(name.as_str())
            .unwrap_or_else(|| panic!("`{name}` has no row in MAY_USE"));
        for Dependency { package, for_tests } in dependencies(&manifest) {
            let fits = !may_use.contains_key(package.as_str())
                || allowed.contains(&package.as_str())
                || (for_tests && TESTS_MAY_USE.contains(&package.as_str()));
            assert!(fits, "`{name}` must not use `{package}`");
        }
    }
}

#[test]
fn some_crates_stay_in_their_rooms() {
    for (name, manifest) in manifests() {
        for Dependency { package, .. } in dependencies(&manifest) {
            for (_, rooms) in KEPT_TO.iter().filter(|(kept, _)| *kept == package) {
                let fits = rooms.contains(&name.as_str());
                assert!(fits, "`{name}` must not use `{package}`: it is kept to {rooms:?}");
            }
        }
    }
}

#[test]
fn no_dependency_hides() {
    let manifest = r#"
        [dependencies]
        lua = { package = "mlua", version = "1" }
        [build-dependencies]
        tonic = "1"
        [dev-dependencies]
        clap.workspace = true
        [target.'cfg(unix)'.dependencies]
        tokio = "1"
        [target.x86_64-unknown-linux-gnu.build-dependencies.anstream]
        version = "1"
    "#;
    let found: Vec<(String, bool)> = dependencies(&manifest.parse().unwrap())
        .into_iter()
        .map(|dependency| (dependency.package, dependency.for_tests))
        .collect();
    let expected = [
        ("anstream", false),
        ("clap", true),
        ("mlua", false),
        ("tokio", false),
        ("tonic", false),
    ];
    assert_eq!(found, expected.map(|(name, for_tests)| (name.to_owned(), for_tests)));
}

#[test]
fn every_file_says_what_it_is_for_and_ends_in_time() {
    let mut wrong = Vec::new();
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        if !text.starts_with("//!") {
            wrong.push(format!("{}: no module header", file.display()));
        }
        if lines > LONGEST_FILE && !is_table(&file) {
            wrong.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Flat tables may be long.
fn is_table(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "table")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Name and manifest of each crate of the workspace.
fn manifests() -> Vec<(String, toml::Table)> {
    let crates = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut all: Vec<(String, toml::Table)> = crates
        .chain([root().join("xtask")])
        .filter_map(|dir| std::fs::read_to_string(dir.join("Cargo.toml")).ok())
        .map(|text| {
            let manifest: toml::Table = text.parse().unwrap();
            (manifest["package"]["name"].as_str().unwrap().to_owned(), manifest)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!all.is_empty());
    all
}

/// A crate that another names in its manifest.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Dependency {
    /// The crate's own name, whatever it is called where it is used.
    package: String,
    for_tests: bool,
}

/// What a manifest names, for every target, to build, to run and to test.
fn dependencies(manifest: &toml::Table) -> BTreeSet<Dependency> {
    let workspace: toml::Table = std::fs::read_to_string(root().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let inherited = &workspace["workspace"]["dependencies"];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
    let mut found = BTreeSet::new();
    for place in [manifest].into_iter().chain(targets) {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let table = place.get(section).and_then(toml::Value::as_table);
            for (name, value) in table.into_iter().flatten() {
                let renamed = |value: &toml::Value| Some(value.get("package")?.as_str()?.to_owned());
                let package = renamed(value).or_else(|| renamed(inherited.get(name)?));
                found.insert(Dependency {
                    package: package.unwrap_or_else(|| name.clone()),
                    for_tests: section == "dev-dependencies",
                });
            }
        }
    }
    found
}

/// Every hand-written source file.
fn sources() -> Vec<PathBuf> {
    let mut pending = vec![root().join("crates"), root().join("xtask")];
    let mut files = Vec::new();
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !matches!(path.file_name().and_then(|n| n.to_str()), Some("generated" | "target")) {
                    pending.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
