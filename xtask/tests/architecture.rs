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
    ("luakit-buildkit", &["luakit-proto", "luakit-llb", "luakit-frontend"]),
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

#[test]
fn dependencies_point_one_way() {
    let may_use: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for (name, manifest) in manifests() {
        let allowed = may_use
            .get(name.as_str())
            .unwrap_or_else(|| panic!("`{name}` has no row in MAY_USE"));
        for dependency in dependencies(&manifest, "dependencies") {
            let ours = may_use.contains_key(dependency.as_str());
            assert!(
                !ours || allowed.contains(&dependency.as_str()),
                "`{name}` must not use `{dependency}`"
            );
        }
    }
}

#[test]
fn some_crates_stay_in_their_rooms() {
    for (name, manifest) in manifests() {
        let uses = dependencies(&manifest, "dependencies");
        for (kept, rooms) in KEPT_TO {
            let fits = !uses.contains(*kept) || rooms.contains(&name.as_str());
            assert!(fits, "`{name}` must not use `{kept}`: it is kept to {rooms:?}");
        }
    }
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

/// Flat tables may be long, and so may snapshots of what people read.
fn is_table(file: &Path) -> bool {
    file.components()
        .any(|part| part.as_os_str() == "table" || part.as_os_str() == "tests")
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

fn dependencies(manifest: &toml::Table, section: &str) -> BTreeSet<String> {
    let table = manifest.get(section).and_then(toml::Value::as_table);
    table.into_iter().flat_map(|table| table.keys().cloned()).collect()
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
