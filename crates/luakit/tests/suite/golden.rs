//! Every golden pair: the script's definition, from the built binary, against that of BuildKit's Go client.
//!
//! Ops are compared byte for byte and in order; metadata by value, leaving out what a tool may add:
//! description keys that are not `llb.*`, and the capability that these need on the return vertex.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use luakit_proto::{Message as _, map, pb};
use serde_json::Value;

use crate::project::Project;

#[test]
fn every_pair_gives_the_definition_of_the_go_client() {
    let index: Value = serde_json::from_slice(&read("index.json")).unwrap();
    let mut failures = Vec::new();
    let cases = index.as_array().unwrap();
    for case in cases {
        if let Err(difference) = check(case) {
            failures.push(format!("{}: {difference}", case["name"]));
        }
    }
    assert!(cases.len() >= 129, "only {} cases", cases.len());
    assert!(
        failures.is_empty(),
        "{} differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn data_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(data_dir().join(name)).unwrap()
}

fn check(case: &Value) -> Result<(), String> {
    let name = case["name"].as_str().unwrap();
    let project = Project::new(&[]);
    project.write("build.lua", &read(&format!("{name}.lua")));
    for (path, text) in case["files"].as_object().into_iter().flatten() {
        project.write(path, text.as_str().unwrap().as_bytes());
    }
    let mut args = vec!["build", "build.lua", "--context", ".", "--local-unique", "golden"];
    match case["images"].as_object() {
        Some(images) => project.write("luakit.lock", lock_file(images).as_bytes()),
        None => args.push("--resolve=never"),
    }
    args.extend(case["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
    let run = project.run(&args);
    if run.code() != 0 {
        return Err(format!("exit code {}: {}", run.code(), run.stderr()));
    }
    let golden = read(&format!("{name}.pb"));
    if golden.is_empty() {
        return if run.stdout().is_empty() {
            Ok(())
        } else {
            Err("not empty".to_owned())
        };
    }
    compare(run.stdout(), &golden)
}

/// The images of a case, as a lock file.
fn lock_file(images: &serde_json::Map<String, Value>) -> String {
    let mut text = String::from("version = 1\n");
    for (reference, image) in images {
        let config = &image["config"];
        let platform = format!(
            "{}/{}",
            config["os"].as_str().unwrap(),
            config["architecture"].as_str().unwrap()
        );
        write!(
            text,
            "\n[[image]]\nref = \"{reference}\"\nplatform = \"{platform}\"\ndigest = {}\nconfig = '{config}'\n",
            image["digest"]
        )
        .unwrap();
    }
    text
}

fn compare(ours: &[u8], golden: &[u8]) -> Result<(), String> {
    let ours = pb::Definition::decode(ours).map_err(|e| e.to_string())?;
    let golden = pb::Definition::decode(golden).unwrap();
    for (i, (our, theirs)) in ours.def.iter().zip(&golden.def).enumerate() {
        if our != theirs {
            let decoded = |bytes: &[u8]| format!("{:#?}", pb::Op::decode(bytes));
            return Err(format!(
                "op {i} differs:\n{}\nexpected\n{}",
                decoded(our),
                decoded(theirs)
            ));
        }
    }
    if ours.def.len() != golden.def.len() {
        return Err(format!("{} ops, expected {}", ours.def.len(), golden.def.len()));
    }
    let (ours, golden) = (metadata(ours), metadata(golden));
    if ours != golden {
        return Err(format!("metadata differs:\n{ours:#?}\nexpected\n{golden:#?}"));
    }
    Ok(())
}

/// An op's metadata: descriptions, capabilities, and the rest.
type Metadata = (BTreeMap<String, String>, Vec<String>, pb::OpMetadata);

/// Metadata by digest, less what a tool may add.
fn metadata(definition: pb::Definition) -> BTreeMap<String, Metadata> {
    let described_by_llb = definition.metadata.iter().any(|entry| {
        let description = entry.value.iter().flat_map(|m| &m.description);
        description.into_iter().any(|d| d.key().starts_with("llb."))
    });
    let entries = map::map(definition.metadata).into_iter().map(|(digest, mut metadata)| {
        let mut description = map::map(std::mem::take(&mut metadata.description));
        description.retain(|key, _| key.starts_with("llb."));
        let caps = map::map(std::mem::take(&mut metadata.caps)).into_iter();
        let caps = caps.filter(|(cap, needed)| *needed && (described_by_llb || cap != "meta.description"));
        (digest, (description, caps.map(|(cap, _)| cap).collect(), metadata))
    });
    entries.collect()
}
